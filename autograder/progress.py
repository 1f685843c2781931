"""What is seen of the grading of a class while it lasts: a bar, failures, lines for programs."""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.table import Column
from rich.text import Text

from autograder.errors import CourseError
from autograder.report import plain
from autograder.stopping import StoppedError

if TYPE_CHECKING:
    from autograder.gradebook import Outcome
    from autograder.regrade import Difference


class Watch:
    """A bar on stderr, above it a line for each failure, and JSON lines on stdout if asked for.

    A reason that stands against every submission so far may stand against all: it is held back
    until another outcome shows that it does not.
    """

    def __init__(self, assignment: str, *, as_json: bool = False, dry_run: bool = False) -> None:
        self._assignment = assignment
        self._as_json = as_json
        self._dry_run = dry_run
        self._writing = False
        self._counts: Counter[str] = Counter()
        self._submissions: int | None = None
        self._held: list[Outcome] = []
        self._console = Console(stderr=True, highlight=False)
        self._bar, self._task = self._new_bar(f"grading {assignment}")

    def _new_bar(self, doing: str, total: int | None = None) -> tuple[Progress, TaskID]:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Pace())
        # Lines on stdout go above the bar, but only where both are seen on the same terminal.
        bar = Progress(*columns, console=self._console, redirect_stdout=sys.stdout.isatty())
        return bar, bar.add_task(doing, total=total)

    def __enter__(self) -> "Watch":
        self._bar.start()
        return self

    def __call__(self, outcome: "Outcome", submissions: int) -> None:
        """Show an outcome of a class of so many submissions."""
        if self._submissions is None:
            self._submissions = submissions
            self._bar.update(self._task, total=submissions)
        self._counts[outcome.status] += 1
        unchanged = 0 if self._writing else self._counts["stored"]
        self._bar.update(self._task, advance=1, unchanged=unchanged)
        if self._as_json and outcome.status != "held":
            _print_line(_data(outcome))
        self._tell(outcome)

    @contextmanager
    def aside(self, changes: int) -> Iterator[None]:
        """Take the bar away for what is printed; then comes the one of the changes' writing."""
        self._release()
        self._bar.stop()
        yield
        if not self._dry_run:
            self._writing = True
            self._bar, self._task = self._new_bar("writing the changes", total=changes)
            self._bar.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not isinstance(error, CourseError) or isinstance(error, StoppedError):
            self._release()
        self._bar.stop()
        if self._as_json and self._submissions is not None:
            _print_line(self._summary(stopped=isinstance(error, StoppedError)))
        if isinstance(error, KeyboardInterrupt):
            raise StoppedError("stopped; run the same command again to go on") from None

    def _tell(self, outcome: "Outcome") -> None:
        alike = {held.reason for held in self._held} <= {outcome.reason}
        first = self._counts.total() == len(self._held) + 1
        if outcome.status == "failed":
            self._held.append(outcome)
        if not (alike and first and outcome.status == "failed"):
            self._release()

    def _release(self) -> None:
        """Print the failures that were held back."""
        for outcome in self._held:
            line = f"autograder: {outcome.student}: not graded: {outcome.reason}"
            self._console.print(Text(" ".join(plain(line).split("\n"))), soft_wrap=True)
        self._held.clear()

    def _summary(self, stopped: bool) -> dict[str, Any]:
        counts = {status: self._counts[status] for status in ("graded", "stored", "failed")}
        numbers = {"submissions": self._submissions} | counts
        data = {"assignment": self._assignment} | numbers | {"stopped": stopped}
        return data | ({"dry_run": True} if self._dry_run else {})


class _Pace(ProgressColumn):
    """Submissions a minute and the time that is left, from those that this run grades."""

    max_refresh = 0.5

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True))
        self._start: tuple[float, int] | None = None

    def render(self, task: Task) -> Text:
        unchanged = task.fields.get("unchanged", 0)
        done = int(task.completed) - unchanged
        words = [f"{unchanged} unchanged"] if unchanged else []
        if done and self._start is None:
            self._start = time.monotonic(), done
        if self._start is not None and task.total is not None:
            seconds, graded = time.monotonic() - self._start[0], done - self._start[1]
            if graded:
                left = (task.total - task.completed) * seconds / graded
                words += [f"{60 * graded / seconds:.0f} a minute", f"{_time(left)} left"]
        return Text("  ".join(words))


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _data(outcome: "Outcome") -> dict[str, Any]:
    """An outcome as `autograder grade --json` prints it."""
    mark = outcome.mark and asdict(outcome.mark)
    names = ("score", "max_score", "late_penalty", "waiting")
    data = {
        "student": outcome.student,
        "status": outcome.status,
        **{name: mark and mark[name] for name in names},
        "automatic": outcome.automatic,
        "max_automatic": outcome.max_automatic,
        "reason": outcome.reason,
    }
    return data | (_changes(outcome.difference) if outcome.difference else {})


def _changes(difference: "Difference") -> dict[str, Any]:
    """What a line says besides where the mark is new, or another than it was."""
    return {
        "old_score": difference.old,
        "old_late_penalty": difference.old_penalty,
        "resubmitted": difference.resubmitted,
        "changes": [asdict(change) for change in difference.changes],
    }


def _print_line(data: dict[str, Any]) -> None:
    print(json.dumps(data, ensure_ascii=False), file=sys.stdout, flush=True)
