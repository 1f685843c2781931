"""The result of grading one notebook, and its JSON.

Scores are points, rounded to four decimals once, when a result is made, so that a report read
back from JSON equals the report that was written.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

STATUSES = {
    "correct": "every check passed",
    "partial": "some checks passed",
    "wrong": "no check passed",
    "unanswered": "the stub is still in place",
    "missing": "the task is not in the notebook",
    "error": "the answer raised an error",
    "timeout": "the answer ran out of time",
    "crashed": "the answer ended the process that ran it",
    "forbidden": "a library call that the task asks you to write yourself",
    "manual": "a written answer, graded by hand",
}
"""The statuses of a task and what each means, in words for the student."""

DECIMALS = 4
MAX_TEXT = 1000


def plain(text: str) -> str:
    """The text with a replacement character for each control character, cut at `MAX_TEXT`."""
    cut = text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
    return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in cut)


@dataclass(frozen=True)
class Failure:
    """A hidden check that did not pass.

    `check` is the first line of the check's docstring, `page` a path below the site's root.
    Messages and hints may quote the submission: they are cut at `MAX_TEXT` characters and hold
    none that a terminal or a browser would act on.
    """

    check: str
    message: str
    hint: str | None = None
    page: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", plain(self.message))
        object.__setattr__(self, "hint", None if self.hint is None else plain(self.hint))


@dataclass(frozen=True)
class Problem:
    """What failures have in common, and the checks of which each message speaks."""

    hint: str | None
    page: str | None
    checks: dict[str, list[str]]


@dataclass(frozen=True)
class TaskResult:
    """The result of one task; `points` is the maximum, `score` in [0, points] what was reached."""

    name: str
    points: float
    score: float
    status: str
    failures: tuple[Failure, ...] = ()

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"{self.name}: unknown status {self.status!r}")
        object.__setattr__(self, "points", float(self.points))
        clipped = min(max(float(self.score), 0.0), self.points)
        object.__setattr__(self, "score", round(clipped, DECIMALS))

    @property
    def hints(self) -> list[str]:
        """The hint of each failure, or its message where it has none; in order, each once."""
        return list(dict.fromkeys(failure.hint or failure.message for failure in self.failures))

    @property
    def problems(self) -> list["Problem"]:
        """The failures by hint and page, so that each is told once."""
        found: dict[tuple[str | None, str | None], dict[str, list[str]]] = {}
        for failure in self.failures:
            messages = found.setdefault((failure.hint, failure.page), {})
            messages.setdefault(failure.message, []).append(failure.check)
        return [Problem(hint, page, messages) for (hint, page), messages in found.items()]

    @property
    def pages(self) -> list[str]:
        """The pages of the book that explain the failures; in order, each once."""
        return list(dict.fromkeys(failure.page for failure in self.failures if failure.page))


@dataclass(frozen=True)
class Report:
    """The graded tasks of one notebook.

    `score` and `max_score` count the automatically graded tasks; the points of written answers,
    which are graded by hand, are `manual_points`. `notebook` names the file that was graded.
    """

    assignment: str
    score: float
    max_score: float
    isolation: str
    tasks: tuple[TaskResult, ...]
    notebook: str
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        assignment: str,
        isolation: str,
        tasks: tuple[TaskResult, ...],
        notebook: str,
        notes: tuple[str, ...] = (),
    ) -> "Report":
        """A report whose score and maximum are the sums over the tasks graded automatically."""
        graded = [task for task in tasks if task.status != "manual"]
        return cls(
            assignment=assignment,
            score=round(sum(task.score for task in graded), DECIMALS),
            max_score=round(sum(task.points for task in graded), DECIMALS),
            isolation=isolation,
            tasks=tasks,
            notebook=plain(notebook),
            notes=tuple(plain(note) for note in notes),
        )

    @property
    def manual_points(self) -> float:
        """Points of the written answers, not counted in `max_score`."""
        points = sum(task.points for task in self.tasks if task.status == "manual")
        return round(points, DECIMALS)

    def task(self, name: str) -> TaskResult | None:
        """The result of the task of that name, or None."""
        return next((task for task in self.tasks if task.name == name), None)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain data, as `autograder check --json` prints it."""
        return {
            "assignment": self.assignment,
            "score": self.score,
            "max_score": self.max_score,
            "manual_points": self.manual_points,
            "isolation": self.isolation,
            "notebook": self.notebook,
            "tasks": [_task_dict(task) for task in self.tasks],
            "notes": list(self.notes),
        }

    def to_json(self) -> str:
        """The report as JSON, indented, with a final line feed."""
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Report":
        """The inverse of `as_dict`. Raises KeyError, TypeError or ValueError for other data."""
        return cls(
            assignment=data["assignment"],
            score=data["score"],
            max_score=data["max_score"],
            isolation=data["isolation"],
            tasks=tuple(_task_from_dict(task) for task in data["tasks"]),
            notebook=data["notebook"],
            notes=tuple(data["notes"]),
        )

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """The inverse of `to_json`. Raises KeyError, TypeError or ValueError for other text."""
        return cls.from_dict(json.loads(text))


def _task_dict(task: TaskResult) -> dict[str, Any]:
    return {
        "name": task.name,
        "points": task.points,
        "score": task.score,
        "status": task.status,
        "hints": task.hints,
        "failures": [asdict(failure) for failure in task.failures],
    }


def _task_from_dict(data: Mapping[str, Any]) -> TaskResult:
    return TaskResult(
        name=data["name"],
        points=data["points"],
        score=data["score"],
        status=data["status"],
        failures=tuple(Failure(**failure) for failure in data["failures"]),
    )
