"""The process from which workers are forked: started once, it has imported what notebooks need.

It runs in the sandbox and never runs student code. Where the kernel lets it, it forks each worker
into namespaces of its own; where not, each worker gets a sandbox, and a parent, of its own.
"""

import contextlib
import json
import os
import random
import selectors
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgpack
import psutil

from autograder import sandbox, seccomp
from autograder.errors import CourseError
from autograder.processes import children, kill, tree
from autograder.sandbox import Limits

_FIRST_WORKER_USER = 2_000_000
_WORKER_USERS = 1_000_000
_MAX_REFUSAL = 4096


@dataclass(frozen=True)
class Connection:
    """A new worker: descriptors for requests (written) and replies (read), and where it lives.

    `ancestor`: the process below which are all processes of the worker, and itself.
    """

    requests: int
    replies: int
    ancestor: psutil.Process


class Parent:
    """One running parent.

    preload: modules to import before any worker is forked. `refusal` says why it can give only one
    worker, "" where it gives as many as are wanted. Raises CourseError where it does not start.
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
        self._spent = False
        self.refusal = self._await_start()
        # bubblewrap and its first process stand above it.
        self._self = tree(psutil.Process(self._process.pid))[-1]

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

    def _await_start(self) -> str:
        """What the process says when it is ready: why workers cannot be forked from it, or ""."""
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
        return not self._spent and self._process.poll() is None

    @property
    def gives_many(self) -> bool:
        """Whether it forks workers, and does not become the only one itself."""
        return self.refusal == ""

    def worker(self, limits: Limits, public: Mapping[str, bytes]) -> Connection:
        """Order a worker; its first frame says whether it has started.

        public: files that the notebook finds beside it, by name. Raises OSError where the parent
        is no more.
        """
        before = self._children()
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            their_requests, requests = _pipe(theirs, ours, kept="write end")
            replies, their_replies = _pipe(theirs, ours, kept="read end")
            order = msgpack.packb(self._order(limits, public))
            header = len(order).to_bytes(4, "big")
            socket.send_fds(self._control, [header], [their_requests, their_replies])
            self._control.sendall(order)
            self._spent = not self.gives_many
            ancestor = self._new_ancestor(before)
            ours.pop_all()
        return Connection(requests, replies, ancestor)

    def _new_ancestor(self, before: set[psutil.Process]) -> psutil.Process:
        if not self.gives_many:
            return psutil.Process(self._process.pid)
        deadline = time.monotonic() + Limits().start_wall
        while time.monotonic() < deadline:
            if new := self._children() - before:
                return new.pop()
            time.sleep(0.001)
        raise TimeoutError("its parent forks none")

    def _children(self) -> set[psutil.Process]:
        try:
            return set(children(self._self))
        except psutil.Error:
            raise ChildProcessError("its parent has ended") from None

    def _order(self, limits: Limits, public: Mapping[str, bytes]) -> dict[str, Any]:
        user = random.SystemRandom().randrange(_WORKER_USERS) + _FIRST_WORKER_USER
        boxed = self._boxed
        return {
            "fork": self.gives_many,
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
        """End the parent and all workers; safe to call twice."""
        with contextlib.suppress(psutil.Error):
            kill(psutil.Process(self._process.pid))
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
