"""A submission's state in a worker, in which its cells have run.

Each task gets a fork of it, so that a hang, a crash or a changed global in one task touches no
other. Where it cannot be forked (it has threads, or uses CUDA) or was lost, the cells run again in
a new worker.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from autograder import syntax
from autograder.errors import CourseError
from autograder.parents import parent_for
from autograder.sandbox import Limits
from autograder.student import StoppedError, Student
from autograder.submission import CodeCell
from autograder.workers import Worker


class NotebookChannel:
    """The channel to a sandboxed notebook; starts a worker and runs the cells when one is needed.

    preload: modules that notebooks import. A statement during which the worker had to be ended is
    left out when the cells run again.
    `errors` holds what the cells raised (see `Student.run`); `stopped` why a cell had to be ended;
    `wall` whether the clock ended anything; `budget` is what a request may use in place of the
    usual limit, in seconds of processor time.
    """

    def __init__(
        self,
        cells: Sequence[CodeCell],
        tasks: Sequence[str],
        public: Sequence[Path],
        isolation: str,
        limits: Limits,
        device: str = "cpu",
        preload: Sequence[str] = (),
    ) -> None:
        self._sources = [cell.source for cell in cells]
        trees = [syntax.parsed(source) for source in self._sources]
        self._skipped = syntax.skipped_statements(trees, tasks)
        self._deadline = time.monotonic() + limits.notebook_wall
        self._files = {file.name: file.read_bytes() for file in public}
        self._parent = lambda: parent_for(isolation, device, preload)
        self._limits = limits
        self._worker: Worker | None = None
        self._lost = 0
        self._spent = False
        self.errors: list[dict[str, Any]] = []
        self.stopped: dict[int, StoppedError] = {}
        self.wall = False
        self.budget: float | None = None

    def exchange(self, message: bytes, on_callback: Callable[[bytes], bytes]) -> bytes:
        """Bring a request to the notebook; raises StoppedError when it had to be ended."""
        worker = self._worker or self._running()
        try:
            return worker.exchange(message, on_callback, self.budget)
        except StoppedError as stopped:
            self._note(stopped)
            raise

    def begin_task(self, afresh: bool = False) -> None:
        """Let what follows run in the state after the cells, whatever ran before.

        afresh: in another worker, to which no file comes from this one. Raises StoppedError when
        that state cannot be had again.
        """
        if self._worker is not None:
            self._worker.end_fork()
            if afresh or self._spent or self._worker.is_closed:
                self.close()
        worker = self._worker or self._running()
        self._spent = not worker.fork()
        if worker.is_closed:
            self._lost += 1
            self.begin_task()

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _running(self) -> Worker:
        """A worker in which every cell has run."""
        while True:
            if self._lost > self._limits.restarts:
                reason = f"the notebook had to be ended {self._lost} times, and is not run again"
                raise StoppedError("timeout", reason)
            if time.monotonic() > self._deadline:
                self.wall = True
                raise StoppedError("timeout", "the notebook used up the time that it has", True)
            self._worker, self._spent = self._started(), False
            try:
                cells = list(zip(self._sources, self._skipped, strict=True))
                self.errors = Student(self._worker).run(cells)
                return self._worker
            except StoppedError as stopped:
                place = self._worker.progress or [0, 0]
                self._note(stopped)
                self._leave_out(place, stopped)

    def _started(self) -> Worker:
        """A worker without any state; a parent that gives none is replaced once."""
        problem: OSError | None = None
        for _ in range(2):
            parent = self._parent()
            try:
                return Worker(parent, self._limits, self._files, self._deadline)
            except OSError as error:
                parent.close()
                problem = error
        raise CourseError(f"no worker starts in the sandbox ({problem}); run again")

    def _leave_out(self, place: list[int], stopped: StoppedError) -> None:
        cell, statement = place
        if 0 <= cell < len(self._skipped):
            self._skipped[cell].append(statement)
            self.stopped[cell] = stopped

    def _note(self, stopped: StoppedError) -> None:
        """Count a lost worker, and remember whether the clock ended it or its fork."""
        self.wall = self.wall or stopped.wall
        if self._worker is not None and self._worker.is_closed:
            self._worker = None
            self._lost += 1
