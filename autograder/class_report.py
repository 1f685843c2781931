"""What a class got right and wrong: one self-contained page, and the same as JSON and CSV.

It reads the results of the single submissions and the marks in the gradebook, and grades nothing.
"""

import csv
import io
import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from autograder import pages, results
from autograder.assignment import Assignment
from autograder.course import Course, write_atomically
from autograder.errors import CourseError
from autograder.gradebook import submissions
from autograder.marks import Mark, marks
from autograder.report import Report, TaskResult
from autograder.results import Result
from autograder.tables import harmless

BINS = 10
LOW = 0.5
STOPPED = ("error", "timeout", "crashed")
GROUPS = {
    "correct": ("correct",),
    "partial": ("partial",),
    "wrong": ("wrong", "forbidden"),
    "error": STOPPED,
    "unanswered": ("unanswered", "missing"),
}
"""Statuses that share a colour in the plots, by the status that names the colour."""


@dataclass(frozen=True)
class StudentRow:
    """One student: the checks' points, the gradebook's mark, and what calls for attention."""

    student: str
    automatic: float
    mark: float | None
    waiting: int
    attention: tuple[str, ...]
    statuses: dict[str, str]

    @property
    def solved(self) -> int:
        """How many tasks are correct."""
        return sum(status == "correct" for status in self.statuses.values())


@dataclass(frozen=True)
class TaskRow:
    """One task over the class: the mean share of its points, and students by status."""

    name: str
    points: float
    mean: float
    statuses: dict[str, int]

    @property
    def groups(self) -> dict[str, int]:
        """Students by group of statuses."""
        return {
            group: sum(self.statuses.get(status, 0) for status in statuses)
            for group, statuses in GROUPS.items()
        }


@dataclass(frozen=True)
class HintRow:
    """A hint that students were given for a task, how many, who, and the page it points to."""

    task: str
    hint: str
    students: tuple[str, ...]
    page: str | None


@dataclass(frozen=True)
class ClassReport:
    """The class in numbers; points are those of the automatically graded tasks."""

    assignment: str
    max_score: float
    isolation: tuple[str, ...]
    students: tuple[StudentRow, ...]
    tasks: tuple[TaskRow, ...]
    hints: tuple[HintRow, ...]
    not_graded: dict[str, str]

    @property
    def scores(self) -> list[float]:
        """The checks' points of all graded students, in ascending order."""
        return sorted(row.automatic for row in self.students)

    @property
    def median(self) -> float | None:
        """The median of the scores; None where nobody was graded."""
        return statistics.median(self.scores) if self.students else None

    @property
    def mean(self) -> float | None:
        """The mean of the scores; None where nobody was graded."""
        return round(statistics.fmean(self.scores), 2) if self.students else None

    @property
    def distribution(self) -> list[int]:
        """Students in each of ten equal intervals of the score; full marks are in the last."""
        counts = [0] * BINS
        for score in self.scores:
            share = score / self.max_score if self.max_score else 0.0
            counts[min(int(share * BINS), BINS - 1)] += 1
        return counts

    @property
    def attention(self) -> list[StudentRow]:
        """The graded students who need attention, those with the lowest score first."""
        rows = [row for row in self.students if row.attention]
        return sorted(rows, key=lambda row: row.automatic)

    def to_json(self) -> str:
        """The report as JSON, with a final line feed."""
        numbers = {"median": self.median, "mean": self.mean, "distribution": self.distribution}
        return json.dumps(asdict(self) | numbers, indent=2, ensure_ascii=False) + "\n"

    def to_csv(self) -> str:
        """One line a student: mark, the checks' points, and the status of every task."""
        text = io.StringIO()
        names = [task.name for task in self.tasks]
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["student", "mark", "automatic", "max_automatic", "waiting", *names])
        for row in self.students:
            statuses = [row.statuses.get(name, "") for name in names]
            mark = "" if row.mark is None else row.mark
            numbers = [mark, row.automatic, self.max_score, row.waiting]
            writer.writerow([harmless(row.student), *numbers, *statuses])
        for student in self.not_graded:
            writer.writerow([harmless(student), "", "", self.max_score, "", *[""] * len(names)])
        return text.getvalue()

    def to_html(self) -> str:
        """The page."""
        group = {status: group for group, statuses in GROUPS.items() for status in statuses}
        return pages.render("class_report.html.j2", report=self, group=group, bins=BINS)


def write(assignment: str, course: Course) -> list[Path]:
    """Write the class report as HTML, JSON and CSV; returns the files, the page first.

    Raises CourseError for an unknown assignment, where nothing was graded, and where a file
    cannot be written.
    """
    report = collect(assignment, course)
    folder = results.folder(course, assignment)
    contents = {
        "class.html": report.to_html(),
        "class.json": report.to_json(),
        "marks.csv": report.to_csv(),
    }
    for name, content in contents.items():
        write_atomically(folder / name, content, mode=0o600)
    return [folder / name for name in contents]


def collect(assignment: str, course: Course) -> ClassReport:
    """The class report of what was graded; errors as in `write`."""
    Assignment.load(assignment)
    students = [folder.parent.name for folder in submissions(course, assignment)]
    found = {student: results.load(course, assignment, student) for student in students}
    stored = [result for result in found.values() if result is not None]
    if not stored:
        command = f"`autograder grade {assignment} --course {course.directory}`"
        raise CourseError(f"{course.directory}: nothing graded yet; run {command}")
    missing = {
        student: "not graded yet; run `autograder grade` again"
        for student, result in found.items()
        if result is None
    }
    return summary(assignment, stored, marks(course, assignment), missing)


def summary(
    assignment: str, stored: Sequence[Result], entered: Sequence[Mark], missing: dict[str, str]
) -> ClassReport:
    """The class report of these results and marks; `missing` says why a student has no result."""
    reports = {result.student: result.report for result in stored if result.report is not None}
    errors = {result.student: result.error or "" for result in stored if result.report is None}
    in_gradebook = {mark.student: mark for mark in entered}
    return ClassReport(
        assignment=assignment,
        max_score=max((report.max_score for report in reports.values()), default=0.0),
        isolation=tuple(sorted({report.isolation for report in reports.values()})),
        students=tuple(
            _student(student, report, in_gradebook.get(student))
            for student, report in sorted(reports.items())
        ),
        tasks=_tasks(list(reports.values())),
        hints=_hints(reports),
        not_graded=dict(sorted((errors | missing).items())),
    )


def _student(student: str, report: Report, mark: Mark | None) -> StudentRow:
    return StudentRow(
        student=student,
        automatic=report.score,
        mark=mark.score if mark else None,
        waiting=mark.waiting if mark else 0,
        attention=_attention(report),
        statuses={task.name: task.status for task in _automatic(report)},
    )


def _attention(report: Report) -> tuple[str, ...]:
    """Why somebody should look at this submission."""
    tasks = _automatic(report)
    open_tasks = sum(task.status in ("unanswered", "missing") for task in tasks)
    reasons = []
    if open_tasks == len(tasks):
        reasons.append("nothing answered")
    elif report.score < LOW * report.max_score:
        reasons.append(f"less than {LOW:.0%} of the points")
    for status in (*STOPPED, "forbidden", "missing"):
        names = [task.name for task in tasks if task.status == status]
        if names and open_tasks < len(tasks):
            reasons.append(f"{status}: {', '.join(names)}")
    return tuple(reasons)


def _tasks(reports: Sequence[Report]) -> tuple[TaskRow, ...]:
    tasks: dict[str, list[TaskResult]] = defaultdict(list)
    for report in reports:
        for task in _automatic(report):
            tasks[task.name].append(task)
    return tuple(
        TaskRow(
            name=name,
            points=attempts[0].points,
            mean=round(statistics.fmean(task.score / task.points for task in attempts), 4),
            statuses=dict(Counter(task.status for task in attempts)),
        )
        for name, attempts in tasks.items()
    )


def _hints(reports: dict[str, Report]) -> tuple[HintRow, ...]:
    """The hints, most frequent first; a task left open brings up none."""
    students: dict[tuple[str, str], list[str]] = defaultdict(list)
    page: dict[tuple[str, str], str | None] = {}
    for student, report in sorted(reports.items()):
        for task in _automatic(report):
            if task.status == "unanswered":
                continue
            for hint in task.hints:
                students[task.name, hint].append(student)
                page.setdefault((task.name, hint), _page(task, hint))
    rows = [HintRow(*key, tuple(names), page[key]) for key, names in students.items()]
    return tuple(sorted(rows, key=lambda row: (-len(row.students), row.task, row.hint)))


def _page(task: TaskResult, hint: str) -> str | None:
    found = (fail.page for fail in task.failures if hint in (fail.hint, fail.message))
    return next((page for page in found if page), None)


def _automatic(report: Report) -> list[TaskResult]:
    return [task for task in report.tasks if task.status != "manual"]
