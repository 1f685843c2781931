"""Runs a worker where it can do no harm, watches it from outside, and ends it at its limits.

`bubblewrap` is the boundary: no network, an own process space, a read-only Python environment, an
empty home, a size-limited scratch space, and no sight of anything else. `process` is the explicit,
weaker choice for systems without it: the same limits, no boundary.
"""

import contextlib
import json
import math
import os
import random
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from autograder import seccomp
from autograder.course import ROOT
from autograder.errors import CourseError
from autograder.student import StoppedError
from autograder.worker.protocol import MAX_FRAME

WORKER = Path(__file__).resolve().parent / "worker"
ISOLATIONS = ("bubblewrap", "process")
DEVICES = ("cpu", "cuda")
MAX_FRAMES = 100_000

_FIRST_WORKER_USER = 2_000_000
_WORKER_USERS = 1_000_000
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Limits:
    """What one notebook may use; times in seconds, sizes in bytes.

    A call is one request: a statement of a cell, or a call of a task's function. Limits count
    processor time; the wall-clock limit is there for code that waits.
    """

    call_cpu: float = 10.0
    call_wall: float = 60.0
    start_wall: float = 120.0
    notebook_cpu: float = 300.0
    notebook_wall: float = 900.0
    memory: int = 4 * 2**30
    scratch: int = 64 * 2**20
    file: int = 32 * 2**20
    open_files: int = 256
    processes: int = 64
    restarts: int = 20


class Worker:
    """One process with one notebook's state, and the frames to and from it.

    public: read-only files that the notebook finds beside it; deadline: when the whole notebook's
    time is over, on the monotonic clock. Raises CourseError where the sandbox cannot run.
    """

    def __init__(
        self,
        public: Sequence[Path],
        isolation: str,
        limits: Limits,
        device: str = "cpu",
        deadline: float = math.inf,
    ) -> None:
        self._limits, self._deadline = limits, deadline
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self.progress: list[int] | None = None
        with contextlib.ExitStack() as theirs:
            requests, self._out = _pipe(theirs, ours="write")
            self._in, replies = _pipe(theirs, ours="read")
            settings = _worker_settings(limits, requests, replies, isolation)
            try:
                if isolation == "bubblewrap":
                    command, environment, folder, passed = _isolated(public, limits, device, theirs)
                else:
                    command, environment, folder, passed = self._unprotected(public)
                self._process = subprocess.Popen(
                    [*command, json.dumps(settings)],
                    env=environment,
                    cwd=folder,
                    pass_fds=(requests, replies, *passed),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    start_new_session=True,
                )
            except BaseException:
                self._release()
                raise
        self._buffer = bytearray()
        self._started = psutil.Process(self._process.pid)
        self._await_start(isolation)

    def _unprotected(self, public: Sequence[Path]) -> "_Start":
        self._scratch = tempfile.TemporaryDirectory(prefix="autograder-")
        folder = self._scratch.name
        for file in public:
            shutil.copy(file, folder)
        environment = _environment(folder) | {"PYTHONPATH": str(WORKER.parent)}
        return [sys.executable, "-P", "-m", "worker"], environment, folder, ()

    def _await_start(self, isolation: str) -> None:
        last_words = self._process.stderr
        assert last_words is not None
        try:
            budget = _Budget(self._limits.start_wall, self._limits.start_wall)
            self._receive(None, budget)
        except StoppedError:
            lines = last_words.read().decode(errors="replace").strip().splitlines()
            raise CourseError(_cannot_start(isolation, lines[-1] if lines else "")) from None
        finally:
            last_words.close()

    def exchange(self, message: bytes, on_callback: Callable[[bytes], bytes]) -> bytes:
        """Send a request and return its reply; raises StoppedError at a limit or after a crash."""
        pending: bytes | None = message
        budget = self._call_budget()
        for _ in range(MAX_FRAMES):
            frame = self._receive(pending, budget)
            kind, content = frame[:1], frame[1:]
            pending = None
            if kind == b"R":
                return content
            if kind == b"C":
                pending = on_callback(content)
            elif kind == b"P":
                self.progress = _progress(content)
                budget = self._call_budget(watched=budget.watched)
            else:
                raise self._stopped("crashed", "the answer ended the process that ran it")
        raise self._stopped("timeout", f"the answer reported to the grader {MAX_FRAMES} times")

    def _call_budget(self, watched: float | None = None) -> "_Budget":
        """A new budget; the time of the last look at the process goes on from the one before."""
        budget = _Budget(self._limits.call_cpu, self._limits.call_wall)
        budget.watched = budget.watched if watched is None else watched
        return budget

    def _receive(self, message: bytes | None, budget: "_Budget") -> bytes:
        """Write a frame, if any, and read the next one, while watching the limits."""
        frame = self._next_frame() if message is None else None
        if frame is None:
            frame = self._transferred(message, budget)
        self._watch_now_and_then(budget)
        return frame

    def _transferred(self, message: bytes | None, budget: "_Budget") -> bytes:
        outgoing = memoryview(_framed(message)) if message is not None else memoryview(b"")
        with selectors.DefaultSelector() as selector:
            selector.register(self._in, selectors.EVENT_READ)
            if outgoing:
                selector.register(self._out, selectors.EVENT_WRITE)
            while (frame := self._next_frame()) is None:
                for key, _ in selector.select(_POLL_SECONDS):
                    if key.fd == self._in:
                        self._read()
                    else:
                        outgoing = self._write(outgoing)
                        if not outgoing:
                            selector.unregister(self._out)
                self._watch_now_and_then(budget)
        return frame

    def _watch_now_and_then(self, budget: "_Budget") -> None:
        if time.monotonic() - budget.watched >= _POLL_SECONDS:
            self._watch(budget)
            budget.watched = time.monotonic()

    def _read(self) -> None:
        try:
            part = os.read(self._in, 2**20)
        except OSError:
            part = b""
        if not part:
            raise self._stopped("crashed", "the answer ended the process that ran it")
        self._buffer += part

    def _write(self, outgoing: memoryview) -> memoryview:
        try:
            return outgoing[os.write(self._out, outgoing[: 2**16]) :]
        except BlockingIOError:
            return outgoing
        except OSError:
            raise self._stopped("crashed", "the answer ended the process that ran it") from None

    def _next_frame(self) -> bytes | None:
        if len(self._buffer) < 4:
            return None
        length = int.from_bytes(self._buffer[:4], "big")
        if length > MAX_FRAME:
            raise self._stopped("crashed", "the answer returned more than the grader reads")
        if len(self._buffer) < 4 + length:
            return None
        frame = bytes(self._buffer[4 : 4 + length])
        del self._buffer[: 4 + length]
        return frame

    def _watch(self, budget: "_Budget") -> None:
        spent, memory = self._usage()
        if budget.cpu_from is None:
            budget.cpu_from = spent
        if spent > min(budget.cpu_from + budget.cpu, self._limits.notebook_cpu):
            reason = f"the answer used more than {budget.cpu:g} seconds of processor time"
            raise self._stopped("timeout", reason)
        if memory > self._limits.memory:
            reason = f"the answer used more than {self._limits.memory / 2**30:g} GB of memory"
            raise self._stopped("crashed", reason)
        now = time.monotonic()
        if now > self._deadline:
            raise self._stopped("timeout", "the notebook used up the time that it has", wall=True)
        if now > budget.deadline:
            reason = f"the answer gave no result within {budget.wall:g} seconds"
            raise self._stopped("timeout", reason, wall=True)

    def _stopped(self, status: str, reason: str, wall: bool = False) -> StoppedError:
        self.close()
        return StoppedError(status, reason, wall)

    def _usage(self) -> tuple[float, int]:
        """Processor seconds and memory in bytes of the process and all below it.

        Resident memory counts what processes share once for each of them; only where that is over
        the limit is it worth the time to tell the shares.
        """
        seconds, memory, processes = 0.0, 0, self._processes()
        for process in processes:
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                seconds += times.user + times.system
                seconds += times.children_user + times.children_system
                memory += process.memory_info().rss
        return seconds, memory if memory <= self._limits.memory else _shares(processes)

    def _processes(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            return [self._started, *self._started.children(recursive=True)]
        return []

    def close(self) -> None:
        """End the process and all below it; safe to call twice."""
        for process in reversed(self._processes()):
            with contextlib.suppress(psutil.Error):
                process.kill()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._release()

    def _release(self) -> None:
        for descriptor in (self._in, self._out):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._in = self._out = -1
        if self._scratch is not None:
            self._scratch.cleanup()


@dataclass
class _Budget:
    """What a request may use: `cpu` seconds more than `cpu_from`, `wall` seconds from now."""

    cpu: float
    wall: float
    cpu_from: float | None = None

    def __post_init__(self) -> None:
        self.watched = time.monotonic()
        self.deadline = self.watched + self.wall


_Start = tuple[list[str], dict[str, str], str, tuple[int, ...]]
"""How a worker starts: command line, environment, folder, descriptors to pass on."""


def _isolated(
    public: Sequence[Path], limits: Limits, device: str, theirs: contextlib.ExitStack
) -> _Start:
    readable, writable = os.pipe()
    theirs.callback(os.close, readable)
    with os.fdopen(writable, "wb") as file:
        file.write(seccomp.program())
    command = bubblewrap_command(public, limits, device, readable)
    return command, {"PATH": os.environ.get("PATH", "")}, "/", (readable,)


def _pipe(theirs: contextlib.ExitStack, ours: str) -> tuple[int, int]:
    """A pipe, read end first; our end does not block, and theirs is closed when they have it."""
    readable, writable = os.pipe()
    kept, passed = (readable, writable) if ours == "read" else (writable, readable)
    os.set_blocking(kept, False)
    theirs.callback(os.close, passed)
    return readable, writable


def _shares(processes: Sequence[psutil.Process]) -> int:
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += getattr(process.memory_full_info(), "pss", process.memory_info().rss)
    return total


def bubblewrap_command(
    public: Sequence[Path], limits: Limits, device: str, filter_descriptor: int
) -> list[str]:
    """The command line that starts a worker in bubblewrap; its last argument is still to come."""
    program = shutil.which("bwrap")
    if program is None:
        raise CourseError(
            "bubblewrap is not installed, and student code runs only in it: install it "
            "(Debian, Ubuntu: apt-get install bubblewrap), or choose --isolation process"
        )
    command = [program, "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    command += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    command += ["--unshare-cgroup-try", "--hostname", "worker"]
    command += ["--seccomp", str(filter_descriptor)]
    if _is_root():
        command += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        command += ["--unshare-user"]
    command += ["--proc", "/proc", "--dev", "/dev"]
    for folder in ("/dev/shm", "/tmp", "/home/student"):
        command += ["--size", str(limits.scratch), "--perms", "1777", "--tmpfs", folder]
    for path in _visible_folders():  # after /tmp and /home, in which the environment may lie
        command += _mounted(path)
    if device == "cuda":
        command += _cuda_devices()
    command += ["--dir", "/grader", "--ro-bind", str(WORKER), "/grader/worker"]
    for file in public:
        command += ["--ro-bind", str(file.absolute()), f"/home/student/{file.name}"]
    for name, value in (_environment("/home/student") | {"PYTHONPATH": "/grader"}).items():
        command += ["--setenv", name, value]
    command += ["--remount-ro", "/dev", "--remount-ro", "/"]  # both are memory without a limit
    return [*command, "--chdir", "/home/student", "--", sys.executable, "-P", "-m", "worker"]


def _worker_settings(limits: Limits, requests: int, replies: int, isolation: str) -> dict[str, Any]:
    own_user = isolation == "bubblewrap" and _is_root()
    user = random.SystemRandom().randrange(_WORKER_USERS) + _FIRST_WORKER_USER
    return {
        "requests": requests,
        "replies": replies,
        "user": user if own_user else None,
        "cpu_seconds": int(limits.notebook_cpu) + 5,  # where we that watch it are no more
        "memory_bytes": limits.memory,
        "file_bytes": limits.file,
        "open_files": limits.open_files,
        "processes": limits.processes if isolation == "bubblewrap" else None,
    }


def _environment(home: str) -> dict[str, str]:
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {
        "HOME": home,
        "IPYTHONDIR": f"{home}/.ipython",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": f"{home}/.matplotlib",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "USER": "student",
        **dict.fromkeys(threads, "1"),
    }


def _visible_folders() -> list[Path]:
    """System and Python folders; CourseError where one of them would show the project."""
    folders = [*_system_folders(), *_python_folders()]
    for folder in folders:
        if ROOT.is_relative_to(folder.resolve()):
            raise CourseError(
                f"{ROOT}: the sandbox shows {folder} to student code, and the project lies in it; "
                "move the project, and install it with pip install --editable"
            )
    return folders


def _system_folders() -> list[Path]:
    names = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/fonts", "/etc/ld.so.cache")
    return [Path(name) for name in names if Path(name).exists()]


def _mounted(path: Path) -> list[str]:
    """The path at its own place, read-only; the folders above it hold nothing else."""
    if path.is_symlink():
        return ["--symlink", str(path.readlink()), str(path)]
    above = [word for parent in reversed(path.parents[:-1]) for word in ("--dir", str(parent))]
    return [*above, "--ro-bind", str(path), str(path)]


def _python_folders() -> list[Path]:
    """The Python installation and its environment, where they are not below /usr anyway."""
    folders = dict.fromkeys(Path(name) for name in (sys.base_prefix, sys.prefix))
    return [folder for folder in folders if not folder.is_relative_to("/usr")]


def _cuda_devices() -> list[str]:
    devices = [*Path("/dev").glob("nvidia*")]
    if not devices:
        raise CourseError("/dev/nvidia*: no CUDA device; grade with --device cpu")
    return [word for path in devices for word in ("--dev-bind", str(path), str(path))]


def _cannot_start(isolation: str, message: str) -> str:
    if isolation == "process":
        return f"the worker does not start ({message}); run `make` again to repair .venv"
    return (
        f"the sandbox does not start ({message}); allow unprivileged user namespaces "
        "(sysctl kernel.unprivileged_userns_clone=1, or an AppArmor profile for bwrap), "
        "or choose --isolation process"
    )


def _is_root() -> bool:
    return os.geteuid() == 0


def _framed(message: bytes) -> bytes:
    return len(message).to_bytes(4, "big") + message


def _progress(content: bytes) -> list[int] | None:
    """Cell and statement about to run; None for anything else, which is not ours."""
    try:
        place = json.loads(content)
    except (ValueError, RecursionError):
        return None
    valid = isinstance(place, list) and len(place) == 2 and all(type(n) is int for n in place)
    return place if valid else None
