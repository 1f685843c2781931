"""Grades a class: many processes grade, this one writes everything to nbgrader's gradebook.

A run can be ended at any moment and started again: what is graded is not graded again, and what
the gradebook does not hold is written to it.
"""

import glob
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.converters import Autograde, BaseConverter, GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from traitlets.config import Config

from autograder import results
from autograder.assignment import Assignment
from autograder.converting import SystemTroubleError, configuration, run
from autograder.course import Course
from autograder.errors import CourseError
from autograder.preprocessor import timestamp
from autograder.results import Job, Result

AutomaticScores = dict[str, float | None]


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
class GradedClass:
    """What grading a class came to; `failures` says by student why there is no mark."""

    assignment: str
    results: list[Result] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)


def grade_class(
    assignment: str,
    course: Course,
    *,
    isolation: str | None = None,
    device: str | None = None,
    jobs: int | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> GradedClass:
    """Grade every submission, write gradebook and feedback pages, and return the marks.

    isolation, device: None stands for what the course folder's configuration says.
    jobs: processes that grade; None stands for one a processor core.
    progress: called with each student who is done and the number of submissions.

    Raises CourseError where nothing can be graded: unknown assignment, no submission, a folder
    that cannot be written, no sandbox. What stands against a single submission is a failure of
    the class that is returned.
    """
    Assignment.load(assignment)
    folders = submissions(course, assignment)
    _require_writable(course)
    course.ensure()
    config = configuration(course)
    config.RunChecks.isolation = isolation or config.RunChecks.get("isolation", "bubblewrap")
    config.RunChecks.device = device or config.RunChecks.get("device", "cpu")
    todo = [_job(course, assignment, config, folder) for folder in folders]
    recorded = _recorded(course, assignment)
    graded = GradedClass(assignment)
    for result in results.graded(todo, jobs or os.cpu_count() or 1):
        graded.results.append(result)
        try:
            _enter(course, config, assignment, result, recorded.get(result.student, {}))
        except SystemTroubleError:
            raise
        except CourseError as error:
            graded.failures[result.student] = str(error)
        if progress is not None:
            progress(result.student, len(todo))
    _raise_if_common(graded)
    graded.marks.extend(marks(course, assignment))
    return graded


def submissions(course: Course, assignment: str) -> list[Path]:
    """The folder of each submission of the assignment; raises CourseError where there is none."""
    folders = sorted(
        folder
        for folder in course.submitted.glob(f"*/{assignment}")
        if folder.is_dir() and not folder.parent.name.startswith(".")
    )
    if not folders:
        place = course.submitted / "STUDENT" / assignment / f"{assignment}.ipynb"
        raise CourseError(f"{course.submitted}: nothing submitted; put notebooks at {place}")
    return folders


def marks(course: Course, assignment: str) -> list[Mark]:
    """The marks in the gradebook, by student; raises CourseError when it does not know them."""
    with opened(course, assignment) as gradebook:
        found = [_mark(entry) for entry in gradebook.assignment_submissions(assignment)]
    return sorted(found, key=lambda mark: mark.student)


def gradebook_name(course: Course) -> str:
    """The gradebook's address, without its password."""
    return make_url(course.gradebook_url).render_as_string(hide_password=True)


@contextmanager
def opened(course: Course, assignment: str) -> Iterator[Gradebook]:
    """nbgrader's gradebook of the course, which must know the assignment.

    Raises CourseError that names the gradebook (without its password).
    """
    name = gradebook_name(course)
    try:
        with Gradebook(course.gradebook_url) as gradebook:
            gradebook.find_assignment(assignment)
            yield gradebook
    except MissingEntry:
        command = f"`autograder build {assignment} --course {course.directory}`"
        raise CourseError(f"{name}: no assignment {assignment!r} in it; run {command}") from None
    except SQLAlchemyError as error:
        words = str(error).partition("\n")[0]
        message = f"{name}: the gradebook cannot be used: {words}"
        raise SystemTroubleError(f"{message}; mend it or restore it from a backup") from error


def _job(course: Course, assignment: str, config: Config, folder: Path) -> Job:
    return Job(
        course=course.directory,
        assignment=assignment,
        student=folder.parent.name,
        notebook=folder / f"{assignment}.ipynb",
        isolation=config.RunChecks.isolation,
        device=config.RunChecks.device,
    )


def _require_writable(course: Course) -> None:
    """Stop before anything is graded where the results could not be kept."""
    for folder in (course.directory, course.autograded, course.feedback, course.reports):
        if folder.exists() and not os.access(folder, os.W_OK):
            raise CourseError(f"{folder}: cannot be written; make the folder writable")


def _mark(entry: Any) -> Mark:
    """entry: nbgrader's SubmittedAssignment."""
    grades = [grade for notebook in entry.notebooks for grade in notebook.grades]
    waiting = sum(grade.auto_score is None and grade.manual_score is None for grade in grades)
    return Mark(
        student=entry.student.id,
        score=max(0.0, entry.score - entry.late_submission_penalty),
        max_score=entry.max_score,
        late_penalty=entry.late_submission_penalty,
        waiting=waiting,
    )


def _recorded(course: Course, assignment: str) -> dict[str, AutomaticScores]:
    """The automatic scores in the gradebook, by student and task."""
    with opened(course, assignment) as gradebook:
        return {
            entry.student.id: {
                grade.name: grade.auto_score
                for notebook in entry.notebooks
                for grade in notebook.grades
            }
            for entry in gradebook.assignment_submissions(assignment)
        }


def _enter(
    course: Course, config: Config, assignment: str, result: Result, recorded: AutomaticScores
) -> None:
    """Write one result to the gradebook unless it is there, and the feedback page."""
    if result.report is None:
        raise CourseError(result.error)
    if not _is_entered(course, assignment, result, recorded):
        _convert(Autograde, course, config, assignment, result.student)
    _convert(GenerateFeedback, course, config, assignment, result.student)


def _is_entered(course: Course, assignment: str, result: Result, recorded: AutomaticScores) -> bool:
    """Whether the graded copy and the gradebook hold this very result."""
    notebook = course.autograded / result.student / assignment / f"{assignment}.ipynb"
    try:
        entered = nbformat.read(notebook, as_version=4).metadata.get("course", {})
    except (OSError, ValueError, nbformat.reader.NotJSONError):
        return False
    assert result.report is not None
    automatic = [task for task in result.report.tasks if task.status != "manual"]
    submitted = course.submitted / result.student / assignment
    return (
        entered.get("key") == result.key
        and entered.get("timestamp") == timestamp(submitted)
        and all(recorded.get(task.name) == task.score for task in automatic)
    )


def _convert(
    converter: type[BaseConverter], course: Course, config: Config, assignment: str, student: str
) -> None:
    """What `nbgrader autograde` or `generate_feedback` does for one student."""
    coursedir = CourseDirectory(config=config)
    coursedir.assignment_id = assignment
    # nbgrader takes the student for a file pattern.
    coursedir.student_id = glob.escape(student)
    what = str(course.submitted / student / assignment)
    run(converter(coursedir=coursedir, config=config, force=True), what)


def _raise_if_common(graded: GradedClass) -> None:
    """One error that stands against every submission is not about the submissions."""
    reasons = set(graded.failures.values())
    if len(reasons) == 1 and len(graded.failures) == len(graded.results) > 1:
        raise CourseError(reasons.pop())
