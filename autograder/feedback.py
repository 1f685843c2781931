"""The page that a student receives: marks, what went wrong, hints and where to read about it.

nbgrader's generate_feedback writes it in place of its own rendering of the notebook. Marks and
comments come from the gradebook, so that what a person changed there is on the page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbconvert.exporters import Exporter
from nbformat import NotebookNode
from nbgrader.preprocessors import GetGrades
from nbgrader.utils import is_grade, is_solution
from traitlets import default

from autograder import pages
from autograder.errors import CourseError
from autograder.marks import Entry
from autograder.report import DECIMALS, Report, TaskResult


@dataclass(frozen=True)
class Mark:
    """A task as the page shows it: the grader's result, and what the gradebook says about it.

    `waits`: a written answer that no person has graded yet. `answer` is its text.
    """

    result: TaskResult
    score: float
    waits: bool = False
    comment: str | None = None
    answer: str | None = None

    @property
    def changed(self) -> bool:
        """Whether a person gave other points than the checks."""
        return self.result.status != "manual" and self.score != self.result.score

    @property
    def has_more_to_say(self) -> bool:
        """Whether status and points are not all that there is to know."""
        told = self.result.failures and self.result.status != "unanswered"
        return bool(told or self.answer is not None or self.changed)


class ReadMarks(GetGrades):
    """nbgrader's marks and comments for each cell, and whether a person has yet to give them."""

    def _get_score(self, cell: NotebookNode, resources: dict[str, Any]) -> None:
        super()._get_score(cell, resources)
        name = cell.metadata["nbgrader"]["grade_id"]
        grade = self.gradebook.find_grade(
            name, self.notebook_id, self.assignment_id, self.student_id
        )
        waits = grade.auto_score is None and grade.manual_score is None
        cell.metadata["nbgrader"]["waits"] = waits


class FeedbackExporter(Exporter):
    """Turns a graded notebook that `ReadMarks` has read into the student's page."""

    @default("file_extension")
    def _file_extension_default(self) -> str:
        return ".html"

    def from_notebook_node(  # type: ignore[override]  # as every exporter to text does
        self, nb: NotebookNode, resources: Any = None, **kw: Any
    ) -> tuple[str, dict[str, Any]]:
        nb, resources = super().from_notebook_node(nb, resources, **kw)
        names = resources["nbgrader"]
        course = nb.metadata.get("course")
        if course is None:
            raise CourseError(
                f"{names['student']}: graded by another program; "
                f"run `autograder grade {names['assignment']}` again"
            )
        report = Report.from_dict(course["report"])
        return page(report, _marks(nb, report), names), resources


def page(report: Report, marks: list[Mark], totals: Mapping[str, Any]) -> str:
    """The page; totals: student, score, max_score and late_penalty as the gradebook has them."""
    told = [mark for mark in marks if mark.has_more_to_say]
    rounded = {
        name: round(value, DECIMALS) if isinstance(value, float) else value
        for name, value in totals.items()
    }
    return pages.render("feedback.html.j2", report=report, marks=marks, told=told, totals=rounded)


def page_of(report: Report, entry: Entry, answers: Mapping[str, str]) -> str:
    """The page of a student whose entry in the gradebook is this; `answers` are written ones."""
    marks = [
        Mark(
            result=task,
            score=grade.score,
            waits=grade.waits,
            comment=grade.comment if task.name in answers else None,
            answer=answers.get(task.name),
        )
        for task in report.tasks
        if (grade := entry.tasks.get(task.name)) is not None
    ]
    totals = {
        "student": entry.student,
        "score": entry.score - entry.late_penalty,
        "max_score": entry.max_score,
        "late_penalty": entry.late_penalty,
    }
    return page(report, marks, totals)


def _marks(nb: NotebookNode, report: Report) -> list[Mark]:
    cells = {cell.metadata.nbgrader.grade_id: cell for cell in nb.cells if is_grade(cell)}
    return [_mark(task, cells[task.name]) for task in report.tasks if task.name in cells]


def _mark(task: TaskResult, cell: NotebookNode) -> Mark:
    data = cell.metadata.nbgrader
    written = is_solution(cell)
    return Mark(
        result=task,
        score=data.score,
        waits=data.waits,
        comment=data.comment if written else None,
        answer=cell.source if written else None,
    )
