"""A worker as the grader sees it: frames to and from it, watched, and ended at its limits."""

import contextlib
import json
import math
import os
import select
import selectors
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psutil

from autograder.parents import Parent
from autograder.processes import kill, tree
from autograder.sandbox import Limits
from autograder.student import StoppedError, over_budget
from autograder.worker.protocol import MAX_FRAME

MAX_FRAMES = 100_000

_POLL_SECONDS = 0.05
_END_SECONDS = 10.0
_MAX_PROGRESS = 100
_ENDED_BY_ITSELF = "the answer ended the process that ran it"


class Worker:
    """One process with one notebook's state, and its present fork, if any, that answers for it.

    parent: where the worker comes from; it is closed with the worker if it gives only one.
    public: files that the notebook finds beside it, by name. deadline: when the whole notebook's
    time is over, on the monotonic clock. Raises OSError where no worker starts, as where the parent
    is no more.
    """

    def __init__(
        self,
        parent: Parent,
        limits: Limits,
        public: Mapping[str, bytes] | None = None,
        deadline: float = math.inf,
    ) -> None:
        self._parent, self._limits, self._deadline = parent, limits, deadline
        connection = parent.worker(limits, public or {})
        self._out, self._in = connection.requests, connection.replies
        self._lifeline = connection.lifeline
        self._ancestor = connection.ancestor
        self._buffer = bytearray()
        self._forked, self._fork_name = False, b""
        self.is_closed = False
        self.progress: list[int] | None = None
        self._own: list[psutil.Process] = []
        self._await_start()
        self._own = tree(self._ancestor)
        self._notebook = self._own[-1]

    def _await_start(self) -> None:
        try:
            frame = self._receive(None, _Budget(self._limits.start_wall, self._limits.start_wall))
        except StoppedError:
            frame = b"!its parent gives no answer"
        if frame[:1] == b"!":
            self.close()
            raise ChildProcessError(frame[1:].decode(errors="replace"))

    def exchange(
        self, message: bytes, on_callback: Callable[[bytes], bytes], seconds: float | None = None
    ) -> bytes:
        """Send a request and return its reply.

        seconds: processor time that it may use in place of the usual limit; no report of progress
        begins it anew. Raises StoppedError at a limit or after a crash: the fork that answered is
        ended then, or without a fork the worker (`is_closed`).
        """
        pending: bytes | None = b"Q" + message
        budget = self._call_budget() if seconds is None else self._budget_of(seconds)
        for _ in range(MAX_FRAMES):
            frame = self._receive(pending, budget)
            kind, content = frame[:1], frame[1:]
            pending = None
            if kind == b"R":
                return content
            if kind == b"C":
                pending = b"A" + on_callback(content)
            elif kind == b"P":
                self.progress = _progress(content)
                if seconds is None:
                    budget = self._call_budget(watched=budget.watched)
            else:
                if frame == b"X" + self._fork_name:
                    self._buffer = bytearray(self._fork_ended)
                raise self._stopped("crashed", _ENDED_BY_ITSELF)
        raise self._stopped("timeout", f"the answer reported to the grader {MAX_FRAMES} times")

    def fork(self) -> bool:
        """Let a fresh fork of the notebook's process answer; False where it cannot be forked."""
        assert not self._forked, "end one fork before the next"
        with contextlib.suppress(psutil.Error):
            if self._notebook.num_threads() > 1:
                return False
        self._fork_name = os.urandom(8)  # so that what a fork forges does not pass for its end
        try:
            answer = self._receive(b"F" + self._fork_name, self._call_budget())
        except StoppedError:
            self.close()
            return False
        self._forked = answer == b"F" + self._fork_name
        return self._forked

    def end_fork(self) -> None:
        """Return to the state from which the fork was made; without a fork do nothing.

        All that the fork left behind is ended too. Where that fails the worker is closed.
        """
        if not self._forked:
            return
        self._forked = False
        deadline = time.monotonic() + _END_SECONDS
        self._kill_strangers()
        unread = MAX_FRAME  # more than one answer the fork cannot have left behind
        while not self._buffer.endswith(self._fork_ended):
            unread -= len(self._buffer)
            del self._buffer[: -len(self._fork_ended)]
            ready, _, _ = select.select([self._in], [], [], max(0, deadline - time.monotonic()))
            if unread < 0 or not ready or not self._has_read():
                return self.close()
        self._buffer.clear()
        while self._kill_strangers():
            if time.monotonic() > deadline:
                return self.close()

    @property
    def _fork_ended(self) -> bytes:
        """The frame by which the notebook's own process says that the fork has ended."""
        return _framed(b"X" + self._fork_name)

    def _kill_strangers(self) -> bool:
        """End all processes but the notebook's own and those above it; whether one was alive."""
        alive = False
        for process in tree(self._ancestor):
            if process not in self._own:
                with contextlib.suppress(psutil.Error):
                    # A student's program need not bury its children: their entries stay.
                    alive |= process.status() != psutil.STATUS_ZOMBIE
                    process.kill()
        return alive

    def _call_budget(self, watched: float | None = None) -> "_Budget":
        """A new budget; the time of the last look at the process goes on from the one before."""
        budget = _Budget(self._limits.call_cpu, self._limits.call_wall)
        budget.watched = budget.watched if watched is None else watched
        return budget

    def _budget_of(self, seconds: float) -> "_Budget":
        """A budget of so much processor time, with as much more time on the clock."""
        more = max(1.0, seconds / self._limits.call_cpu)
        return _Budget(seconds, self._limits.call_wall * more)

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
        if not self._has_read():
            raise self._lost()

    def _has_read(self) -> bool:
        """Take what is there; False where nobody is left who could write."""
        try:
            part = os.read(self._in, 2**20)
        except OSError:
            part = b""
        self._buffer += part
        return bool(part)

    def _write(self, outgoing: memoryview) -> memoryview:
        try:
            return outgoing[os.write(self._out, outgoing[: 2**16]) :]
        except BlockingIOError:
            return outgoing
        except OSError:
            raise self._lost() from None

    def _lost(self) -> StoppedError:
        self.close()
        return StoppedError("crashed", _ENDED_BY_ITSELF)

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
        if spent > self._limits.notebook_cpu:
            used_up = f"the {self._limits.notebook_cpu:g} seconds of processor time that it has"
            raise self._stopped("timeout", f"the notebook used up {used_up}")
        if spent > budget.cpu_from + budget.cpu:
            raise self._stopped("timeout", over_budget(budget.cpu))
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
        if self._forked:
            self.end_fork()
        else:
            self.close()
        return StoppedError(status, reason, wall)

    def _usage(self) -> tuple[float, int]:
        """Processor seconds and memory in bytes of all processes of the worker.

        Resident memory counts what processes share once for each of them; only where that is over
        the limit is it worth the time to tell the shares. The processes above the notebook's own
        are ours and hold nothing but what they share with the parent.
        """
        seconds, memory, processes = 0.0, 0, tree(self._ancestor)
        theirs = [process for process in processes if process not in self._own[:-1]]
        for process in processes:
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                seconds += times.user + times.system
                seconds += times.children_user + times.children_system
        for process in theirs:
            with contextlib.suppress(psutil.Error):
                memory += process.memory_info().rss
        return seconds, memory if memory <= self._limits.memory else _shares(theirs)

    def close(self) -> None:
        """End the worker and all below it; safe to call twice."""
        if self.is_closed:
            return
        self.is_closed = True
        if self._parent.gives_many:
            kill(self._ancestor)
            psutil.wait_procs(self._own or [self._ancestor], _END_SECONDS)
        else:
            self._parent.close()
        self._lifeline.close()
        for descriptor in (self._in, self._out):
            os.close(descriptor)


@dataclass
class _Budget:
    """What a request may use: `cpu` seconds more than `cpu_from`, `wall` seconds from now."""

    cpu: float
    wall: float
    cpu_from: float | None = None

    def __post_init__(self) -> None:
        self.watched = time.monotonic()
        self.deadline = self.watched + self.wall


def _shares(processes: Sequence[psutil.Process]) -> int:
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += getattr(process.memory_full_info(), "pss", process.memory_info().rss)
    return total


def _framed(message: bytes) -> bytes:
    return len(message).to_bytes(4, "big") + message


def _progress(content: bytes) -> list[int] | None:
    """Cell and statement about to run; None for anything else, which is not ours."""
    if len(content) > _MAX_PROGRESS:  # parsed, it would take twenty times its size
        return None
    try:
        place = json.loads(content)
    except (ValueError, RecursionError):
        return None
    valid = isinstance(place, list) and len(place) == 2 and all(type(n) is int for n in place)
    return place if valid else None
