"""A submission's state in a worker that can be lost: after a hang or a crash it is built again."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from autograder import syntax
from autograder.sandbox import Limits, Worker
from autograder.student import StoppedError, Student
from autograder.submission import CodeCell


class NotebookChannel:
    """The channel to a sandboxed notebook; starts a worker and runs the cells when one is needed.

    A statement during which the worker had to be ended is left out when the cells run again.
    `errors` holds what the cells raised (see `Student.run`); `stopped` why a cell had to be ended;
    `wall` whether the clock ended anything.
    """

    def __init__(
        self,
        cells: Sequence[CodeCell],
        tasks: Sequence[str],
        public: Sequence[Path],
        isolation: str,
        limits: Limits,
        device: str = "cpu",
    ) -> None:
        self._sources = [cell.source for cell in cells]
        trees = [syntax.parsed(source) for source in self._sources]
        self._skipped = syntax.skipped_statements(trees, tasks)
        self._deadline = deadline = time.monotonic() + limits.notebook_wall
        self._start = lambda: Worker(public, isolation, limits, device, deadline)
        self._limits = limits
        self._worker: Worker | None = None
        self._lost = 0
        self.errors: list[dict[str, Any]] = []
        self.stopped: dict[int, StoppedError] = {}
        self.wall = False

    def exchange(self, message: bytes, on_callback: Callable[[bytes], bytes]) -> bytes:
        """Bring a request to the notebook; raises StoppedError when the worker had to be ended."""
        worker = self._worker or self._running()
        try:
            return worker.exchange(message, on_callback)
        except StoppedError as stopped:
            self._lose(stopped)
            raise

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
            self._worker = self._start()
            try:
                cells = list(zip(self._sources, self._skipped, strict=True))
                self.errors = Student(self._worker).run(cells)
                return self._worker
            except StoppedError as stopped:
                place = self._worker.progress or [0, 0]
                self._lose(stopped)
                self._leave_out(place, stopped)

    def _leave_out(self, place: list[int], stopped: StoppedError) -> None:
        cell, statement = place
        if 0 <= cell < len(self._skipped):
            self._skipped[cell].append(statement)
            self.stopped[cell] = stopped

    def _lose(self, stopped: StoppedError) -> None:
        self.close()
        self._lost += 1
        self.wall = self.wall or stopped.wall
