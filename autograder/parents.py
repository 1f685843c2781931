"""The process from which workers are forked: started once, it has imported what notebooks need.

It runs in the sandbox and never runs student code. Where the kernel lets it, it forks each worker
into namespaces of its own; where not, each worker gets a sandbox, and a parent, of its own.

A parent also serves the processes that are forked from the one that started it, at the same time.
"""

import contextlib
import json
import os
import random
import selectors
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgpack
import psutil

from autograder import sandbox, seccomp
from autograder.errors import CourseError
from autograder.processes import is_alive, kill
from autograder.sandbox import Limits

_FIRST_WORKER_USER = 2_000_000
_WORKER_USERS = 1_000_000
_MAX_REFUSAL = 4096


@dataclass(frozen=True)
class Connection:
    """A new worker: descriptors for requests (written) and replies (read), and where it lives.

    lifeline: the worker ends when it is closed. ancestor: the process below which are all
    processes of the worker, and itself.
    """

    requests: int
    replies: int
    lifeline: socket.socket
    ancestor: psutil.Process


class Parent:
    """One parent, started when this is made and ready some seconds later.

    preload: modules to import before any worker is forked. Raises CourseError where it cannot be
    started.
    """

    def __init__(
        self, isolation: str, device: str = "cpu", preload: Sequence[str] = (), nested: bool = True
    ) -> None:
        self._isolation = isolation
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._control, theirs = socket.socketpair()
        self._visible = [str(path) for path in sandbox.visible_folders()] if self._boxed else []
        settings = {
            "control": theirs.fileno(),
            "preload": list(preload),
            "nested": nested and self._boxed,
            "visible": self._visible,
        }
        try:
            command, environment, folder = self._start(device)
            self._process = subprocess.Popen(
                [*command, json.dumps(settings)],
                env=environment,
                cwd=folder,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except BaseException:
            self._release()
            raise
        finally:
            theirs.close()
        self._owner, self._first = os.getpid(), psutil.Process(self._process.pid)
        self._spent = False

    @property
    def _boxed(self) -> bool:
        return self._isolation == "bubblewrap"

    def _start(self, device: str) -> tuple[list[str], dict[str, str], str]:
        """Command line, environment and folder."""
        if self._boxed:
            command = sandbox.bubblewrap_command(Limits().scratch, device)
            return command, {"PATH": os.environ.get("PATH", "")}, "/"
        self._folder = tempfile.TemporaryDirectory(prefix="autograder-")
        home = self._folder.name
        path = {"PYTHONPATH": str(sandbox.WORKER.parent)}
        return list(sandbox.PROGRAM), sandbox.environment(home) | path, home

    @cached_property
    def refusal(self) -> str:
        """Why it can give only one worker, "" where it gives as many as are wanted.

        It says so when it is ready. Raises CourseError where it ends before.
        """
        said = b""
        deadline = time.monotonic() + Limits().start_wall
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            while not said.endswith(b"\0"):
                ready = selector.select(deadline - time.monotonic())
                part = self._control.recv(_MAX_REFUSAL) if ready else b""
                if not part:
                    self.close()
                    raise CourseError(_cannot_start(self._isolation, self._last_words))
                said += part
        assert self._process.stderr is not None
        self._process.stderr.close()
        return said[:-1].decode(errors="replace")

    @property
    def _last_words(self) -> str:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            lines = stream.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    @property
    def is_ready(self) -> bool:
        """Whether it can give another worker."""
        return not self._spent and is_alive(self._first)

    @property
    def gives_many(self) -> bool:
        """Whether it forks workers, and does not become the only one itself."""
        return self.refusal == ""

    def worker(self, limits: Limits, public: Mapping[str, bytes]) -> Connection:
        """Order a worker; its first frame says whether it has started.

        public: files that the notebook finds beside it, by name. Raises OSError where the parent
        is no more.
        """
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            their_requests, requests = _pipe(theirs, ours, kept="write end")
            replies, their_replies = _pipe(theirs, ours, kept="read end")
            lifeline, their_lifeline = socket.socketpair()
            ours.enter_context(lifeline)
            theirs.enter_context(their_lifeline)
            lifeline.settimeout(Limits().start_wall)
            lifeline.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            descriptors = [their_requests, their_replies, their_lifeline.fileno()]
            self._spent = not self.gives_many
            socket.send_fds(self._control, [b"W"], descriptors)
            theirs.close()
            order = msgpack.packb(self._order(limits, public))
            lifeline.sendall(len(order).to_bytes(4, "big") + order)
            sender = _sender(lifeline)
            ours.pop_all()
        # Where it has become the worker, bubblewrap and its first process stand above it.
        return Connection(requests, replies, lifeline, sender if self.gives_many else self._first)

    def _order(self, limits: Limits, public: Mapping[str, bytes]) -> dict[str, Any]:
        user = random.SystemRandom().randrange(_WORKER_USERS) + _FIRST_WORKER_USER
        boxed = self._boxed
        return {
            "public": dict(public),
            "visible": self._visible,
            "scratch": limits.scratch,
            "user": user if boxed and sandbox.is_root() else None,
            "filter": seccomp.program() if boxed else None,
            "cpu_seconds": int(limits.notebook_cpu) + 5,  # where we that watch it are no more
            "memory_bytes": limits.memory,
            "file_bytes": limits.file,
            "open_files": limits.open_files,
            "processes": limits.processes if boxed else None,
        }

    def close(self) -> None:
        """End the parent and all workers; safe to call twice.

        A fork of the process that started it has no more to do with it, and ends nothing.
        """
        self._spent = True
        if os.getpid() != self._owner:
            self._control.close()
            return
        kill(self._first)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._release()

    def _release(self) -> None:
        self._control.close()
        if self._folder is not None:
            self._folder.cleanup()


_kept: dict[tuple[str, str, tuple[str, ...]], Parent] = {}


def parent_for(isolation: str, device: str, preload: Sequence[str]) -> Parent:
    """The parent of this process for such workers, or a new one; one is kept at a time."""
    key = (isolation, device, tuple(preload))
    found = _kept.get(key)
    if found is not None and found.is_ready:
        return found
    while _kept:
        _kept.popitem()[1].close()
    made = Parent(isolation, device, preload)
    if made.gives_many:
        _kept[key] = made
    return made


@contextmanager
def starting(isolation: str, device: str, preload: Sequence[str]) -> Iterator[None]:
    """Meanwhile start the parent that `parent_for` then gives, here and in forks of this process.

    Where it does not start, or gives only one worker, each of them has to start its own.
    """
    made = Parent(isolation, device, preload)
    try:
        yield
    finally:
        with contextlib.suppress(CourseError):
            if made.gives_many:
                _kept[isolation, device, tuple(preload)] = made
            else:
                made.close()


def _sender(connection: socket.socket) -> psutil.Process:
    """The process that sends the next byte, as the kernel tells it; no worker could forge it."""
    layout = struct.Struct("3i")  # struct ucred: process, user, group
    word, ancillary, _, _ = connection.recvmsg(1, socket.CMSG_SPACE(layout.size))
    if not word:
        raise ChildProcessError("its parent has ended")
    try:
        return psutil.Process(layout.unpack(ancillary[0][2])[0])
    except psutil.Error:
        raise ChildProcessError("it has ended") from None


def _pipe(theirs: contextlib.ExitStack, ours: contextlib.ExitStack, kept: str) -> tuple[int, int]:
    """A pipe, read end first; the end that we keep does not block. Each stack closes its end."""
    readable, writable = os.pipe()
    mine, passed = (readable, writable) if kept == "read end" else (writable, readable)
    os.set_blocking(mine, False)
    ours.callback(os.close, mine)
    theirs.callback(os.close, passed)
    return readable, writable


def _cannot_start(isolation: str, message: str) -> str:
    if isolation == "process":
        return f"the worker does not start ({message}); run `make` again to repair .venv"
    return (
        f"the sandbox does not start ({message}); allow unprivileged user namespaces "
        "(sysctl kernel.unprivileged_userns_clone=1, or an AppArmor profile for bwrap), "
        "or choose --isolation process"
    )
