"""Long-lived processes that grade one notebook after the other.

Each is a fork of a Python that has imported what grading needs, once for all that one process asks
for: nothing of whoever asks is in it, and a crash costs one notebook. They share the parent of
their workers too. A grader ends, and its worker with it, when its lifeline closes: when it is asked
to, or when the process that asked for it is no more.
"""

import atexit
import contextlib
import importlib
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pipe
from multiprocessing.connection import Connection

import psutil

from autograder.assignment import Assignment
from autograder.course import ROOT, reason
from autograder.errors import CourseError
from autograder.preload import collector_off, sandbox_starting
from autograder.work import Conditions, Result, Work, grade

GRADER_DIED = "the process that grades it ended twice without a result; grade it by hand"
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}

_TRIES = 2
_SECONDS_TO_STOP = 2.0


class Graders:
    """So many grader processes on this machine, each started when it is first needed."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._all = [GraderProcess() for _ in range(slots)]
        self._idle: queue.LifoQueue[GraderProcess] = queue.LifoQueue()
        for process in self._all:
            self._idle.put(process)

    def grade(self, work: Work) -> Result:
        """As `GraderProcess.grade`, in a process that is idle or as soon as one is."""
        process = self._idle.get()
        try:
            return process.grade(work)
        finally:
            self._idle.put(process)

    def close(self) -> None:
        """End all processes, whatever they are at."""
        with ThreadPoolExecutor(self.slots) as threads:
            list(threads.map(GraderProcess.close, self._all))


class GraderProcess:
    """A process that grades one notebook at a time.

    It is started when first needed, and anew when it has died or what it runs has changed.
    """

    def __init__(self) -> None:
        self._grading = threading.Lock()
        self._changing = threading.Lock()
        self._process: _Process | None = None
        self._closed = False

    def grade(self, work: Work) -> Result:
        """The notebook's result; a process that dies of it is replaced once.

        Raises CourseError where no grader process starts, and once this is closed.
        """
        with self._grading:
            for _ in range(_TRIES):
                try:
                    return self._current(work).answer(work)
                except (EOFError, OSError):
                    self._end()
                except BaseException:
                    self._end()  # whatever is asked next must not get this answer
                    raise
        return Result(work.student, "", error=f"{work.path}: {GRADER_DIED}")

    def close(self) -> None:
        """End the process, whatever it is at; it is not started again."""
        with self._changing:
            self._closed = True
        self._end()

    def _current(self, work: Work) -> "_Process":
        process = self._process
        if process is not None and process.conditions == work.conditions:
            return process
        self._end()
        with self._changing:
            if self._closed:
                raise CourseError("grading has been stopped")
            self._process = process = _hosts.host_for(work).fork()
        process.await_start()
        return process

    def _end(self) -> None:
        with self._changing:
            process, self._process = self._process, None
        if process is not None:
            process.end()


class _Hosts:
    """The process from which graders are forked; another one when what it runs has changed.

    It stays until this process ends: whoever grades once more finds everything imported.
    """

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._host: _Host | None = None
        atexit.register(self.close)

    def host_for(self, work: Work) -> "_Host":
        """Raises CourseError where no process starts."""
        with self._changing:
            host = self._host
            if host is None or host.has_ended or host.conditions != work.conditions:
                if host is not None:
                    host.end()
                self._host = host = _Host(work)
            return host

    def close(self) -> None:
        with self._changing:
            if self._host is not None:
                self._host.end()


_hosts = _Hosts()


class _Host:
    """A process that has imported what grading an assignment needs, as it was at that time."""

    def __init__(self, work: Work) -> None:
        self.conditions = work.conditions
        self._control, theirs = socket.socketpair()
        with theirs:
            words = [str(theirs.fileno()), work.assignment, work.isolation, work.device]
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", __name__, *words],
                    cwd=ROOT,
                    env=os.environ | ONE_THREAD,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    process_group=0,  # an interrupt from the keyboard is for whoever asks
                )
            except OSError as error:
                message = f"no grader process can be started: {reason(error)}"
                raise CourseError(message) from error

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def fork(self) -> "_Process":
        """A grader; raises OSError where this process has ended."""
        ours, theirs = Pipe()
        watched, lifeline = os.pipe()
        try:
            socket.send_fds(self._control, [b"F"], [theirs.fileno(), watched])
        except OSError:
            os.close(lifeline)
            raise
        finally:
            theirs.close()
            os.close(watched)
        return _Process(self.conditions, ours, lifeline)

    def end(self) -> None:
        """The process goes; the graders that were forked from it stay."""
        self._control.close()
        self._process.kill()
        self._process.wait()


class _Process:
    """A grader process, the connection to it, and the conditions under which it was started."""

    def __init__(self, conditions: Conditions, connection: Connection, lifeline: int) -> None:
        self.conditions = conditions
        self._connection, self._lifeline = connection, lifeline
        self._process: psutil.Process | None = None

    def await_start(self) -> None:
        try:
            problem, pid = self._connection.recv()
            self._process = psutil.Process(pid)
        except (EOFError, OSError, psutil.Error):
            problem = "its process ended at once"
        if problem:
            message = f"the grader does not start ({problem}); run `make` again to repair .venv"
            raise CourseError(message)

    def answer(self, work: Work) -> Result:
        self._connection.send(work)
        result: Result = self._connection.recv()
        return result

    def end(self) -> None:
        """Close the lifeline and wait; what does not end by itself is killed."""
        os.close(self._lifeline)
        if self._process is None:
            with socket.socket(fileno=os.dup(self._connection.fileno())) as pair:
                pair.shutdown(socket.SHUT_RDWR)  # who waits for the start waits no longer
        else:
            with contextlib.suppress(psutil.Error):
                try:
                    self._process.wait(2 * _SECONDS_TO_STOP)
                except psutil.TimeoutExpired:
                    self._process.kill()
        self._connection.close()


def main() -> None:
    """What the process does from which graders are forked: it forks one for each pair that comes.

    The pair: a connection on which it answers each Work with its Result, and its lifeline.
    """
    control = socket.socket(fileno=int(sys.argv[1]))
    with collector_off(), sandbox_starting(*sys.argv[2:]):
        problem = _what_is_missing(sys.argv[2])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody here waits for graders
    while True:
        word, descriptors, _, _ = socket.recv_fds(control, 1, 2)
        if not word:
            return
        if os.fork() == 0:
            control.close()
            connection, lifeline = descriptors
            return _grade(connection, lifeline, problem)
        for descriptor in descriptors:
            os.close(descriptor)


def _grade(connection_descriptor: int, lifeline: int, problem: str | None) -> None:
    connection = Connection(connection_descriptor)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    arguments = [lifeline, threading.get_ident()]
    watching = threading.Thread(target=_stop_in_time, args=arguments, daemon=True)
    with contextlib.suppress(KeyboardInterrupt):
        watching.start()
        with contextlib.suppress(EOFError, OSError):
            connection.send((problem, os.getpid()))
            while True:
                connection.send(grade(connection.recv()))
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _what_is_missing(assignment: str) -> str | None:
    """Import what takes seconds to import; returns why it cannot be."""
    try:
        importlib.import_module("autograder.grading")
        checking = importlib.import_module("autograder.checking")
        with contextlib.suppress(CourseError):  # which grading will say again
            checking.forbidden_calls(Assignment.load(assignment))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _stop_in_time(lifeline: int, main_thread: int) -> None:
    """When the lifeline closes, interrupt the main thread, and end what does not stop."""
    os.read(lifeline, 1)
    signal.pthread_kill(main_thread, signal.SIGINT)
    time.sleep(_SECONDS_TO_STOP)
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            process.kill()
    os._exit(1)


if __name__ == "__main__":
    main()
