"""What nbgrader's gradebook says about the students of an assignment, read in a few queries."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from nbgrader.api import (
    Assignment,
    Comment,
    Grade,
    Gradebook,
    GradeCell,
    MissingEntry,
    SolutionCell,
    SubmittedAssignment,
    SubmittedNotebook,
)
from sqlalchemy import ColumnElement, Row, Select, and_, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from autograder.converting import SystemTroubleError, one_gradebook, remedy, transaction
from autograder.course import Course
from autograder.errors import CourseError


@dataclass(frozen=True)
class Mark:
    """A student's mark as the gradebook has it, in points.

    `score` counts what people graded and takes `late_penalty` off; `waiting` counts the answers
    that a person has yet to grade.
    """

    student: str
    score: float
    max_score: float
    late_penalty: float
    waiting: int


@dataclass(frozen=True)
class TaskGrade:
    """A task in the gradebook: the checks' points, those that count, and a person's comment.

    `automatic` is None for a written answer; `waits`: nobody has graded it yet.
    """

    automatic: float | None
    score: float
    max_score: float
    waits: bool
    comment: str | None


@dataclass
class Entry:
    """A student's submission in the gradebook; `late` if it came after the due date."""

    student: str
    late: bool
    late_penalty: float = 0.0
    tasks: dict[str, TaskGrade] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """The points of all tasks, with extra credit and without the penalty."""
        return sum(task.score for task in self.tasks.values())

    @property
    def max_score(self) -> float:
        """The points that could be reached."""
        return sum(task.max_score for task in self.tasks.values())

    @property
    def mark(self) -> Mark:
        """The mark that this comes to."""
        return Mark(
            student=self.student,
            score=max(0.0, self.score - self.late_penalty),
            max_score=self.max_score,
            late_penalty=self.late_penalty,
            waiting=sum(task.waits for task in self.tasks.values()),
        )


def marks(course: Course, assignment: str) -> list[Mark]:
    """The marks in the gradebook, by student; raises CourseError when it does not know them."""
    with opened(course, assignment) as gradebook:
        return marks_in(gradebook, assignment)


def marks_in(gradebook: Gradebook, assignment: str) -> list[Mark]:
    """The marks in an open gradebook, by student."""
    found = _entries(gradebook, Assignment.name == assignment)
    return [found[student].mark for student in sorted(found)]


def gradebook_name(course: Course) -> str:
    """The gradebook's address, without its password.

    Raises CourseError where the configured address is none, or its driver is not installed.
    """
    try:
        url = make_url(course.gradebook_url)
        url.get_dialect().import_dbapi()
    except ArgumentError:
        message = "c.CourseDirectory.db_url is no address of a database"
        example = "postgresql://USER:PASSWORD@HOST/NAME"
        raise CourseError(f"{course.config}: {message}; write it as in {example}") from None
    except ImportError as error:
        name = url.render_as_string(hide_password=True)
        extra = "pip install -e '.[postgresql]', and write postgresql://..."
        raise CourseError(f"{name}: its driver is not installed ({error}); {extra}") from None
    return url.render_as_string(hide_password=True)


@contextmanager
def opened(course: Course, assignment: str) -> Iterator[Gradebook]:
    """nbgrader's gradebook of the course, which must know the assignment.

    Raises CourseError that names the gradebook (without its password).
    """
    course_id = course.configuration().CourseDirectory.get("course_id", "")
    try:
        with (
            usable_gradebook(course),
            one_gradebook(course.gradebook_url, course_id) as gradebook,
        ):
            with transaction(gradebook):
                gradebook.find_assignment(assignment)
            yield gradebook
    except MissingEntry:
        name = gradebook_name(course)
        command = f"`autograder build {assignment} --course {course.directory}`"
        raise CourseError(f"{name}: no assignment {assignment!r} in it; run {command}") from None


@contextmanager
def usable_gradebook(course: Course) -> Iterator[None]:
    """Say in one line what the database refuses, as a CourseError."""
    name = gradebook_name(course)
    try:
        yield
    except SQLAlchemyError as error:
        words = str(error).partition("\n")[0]
        what = remedy(words) or "mend it or restore it from a backup"
        message = f"{name}: the gradebook cannot be used: {words}; {what}"
        raise SystemTroubleError(message) from error


def entry(gradebook: Gradebook, assignment: str, student: str) -> Entry | None:
    """The student's entry, None where there is none."""
    which = and_(Assignment.name == assignment, SubmittedAssignment.student_id == student)
    return _entries(gradebook, which).get(student)


def _entries(gradebook: Gradebook, which: ColumnElement[bool]) -> dict[str, Entry]:
    comments = {
        (row.student_id, row.name): row.comment
        for row in gradebook.db.execute(_rows(Comment, SolutionCell, Comment.comment).where(which))
    }
    grades = _rows(
        Grade,
        GradeCell,
        GradeCell.max_score,
        Grade.auto_score,
        Grade.manual_score,
        Grade.score,
        SubmittedNotebook.late_submission_penalty,
        SubmittedAssignment.timestamp,
        SubmittedAssignment.extension,
        Assignment.duedate,
    )
    found: dict[str, Entry] = {}
    for row in gradebook.db.execute(grades.where(which)):
        student = row.student_id
        if student not in found:
            found[student] = Entry(student, _is_late(row), row.late_submission_penalty or 0.0)
        found[student].tasks[row.name] = TaskGrade(
            automatic=row.auto_score,
            score=row.score,
            max_score=row.max_score,
            waits=row.auto_score is None and row.manual_score is None,
            comment=comments.get((student, row.name)),
        )
    return found


def _rows(
    written: type[Grade | Comment], cell: type[GradeCell | SolutionCell], *columns: Any
) -> Select[Any]:
    """Student, cell's name and these columns, a row for each grade or comment of an assignment."""
    notebook = SubmittedNotebook
    return (
        select(SubmittedAssignment.student_id, cell.name, *columns)
        .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
        .join(notebook, notebook.assignment_id == SubmittedAssignment.id)
        .join(cell, cell.notebook_id == notebook.notebook_id)
        .join(written, and_(written.cell_id == cell.id, written.notebook_id == notebook.id))
    )


def _is_late(row: Row[Any]) -> bool:
    if row.timestamp is None or row.duedate is None:
        return False
    return row.timestamp > row.duedate + (row.extension or timedelta())
