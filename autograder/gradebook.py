"""Grades a class: many processes grade, this one writes everything to nbgrader's gradebook.

A run can be ended at any moment and started again: what is graded is not graded again, and what
the gradebook does not hold is written to it.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from filelock import FileLock, Timeout

from autograder import results
from autograder.assignment import Assignment, sheet_path
from autograder.converting import SystemTroubleError
from autograder.course import Course
from autograder.errors import CourseError
from autograder.preload import collector_off
from autograder.results import Job, Result
from autograder.stopping import StoppedError, until_stopped

if TYPE_CHECKING:
    from autograder.marks import Mark
    from autograder.writer import Writer


@dataclass(frozen=True)
class Outcome:
    """What grading one submission came to.

    status: `graded` and entered by this run, `stored` by an earlier one, or `failed`; reason: why
    it failed. mark: the mark in the gradebook; automatic, max_automatic: the checks' points.
    """

    student: str
    status: Literal["graded", "stored", "failed"]
    mark: "Mark | None" = None
    automatic: float | None = None
    max_automatic: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class GradedClass:
    """What grading a class came to, and the marks that the gradebook then holds, by student."""

    assignment: str
    outcomes: list[Outcome] = field(default_factory=list)
    marks: "list[Mark]" = field(default_factory=list)

    @property
    def failures(self) -> dict[str, str]:
        """Why there is no mark, by student."""
        failed = {outcome.student: outcome.reason for outcome in self.outcomes if outcome.reason}
        return dict(sorted(failed.items()))


def grade_class(
    assignment: str,
    course: Course,
    *,
    isolation: str | None = None,
    device: str | None = None,
    jobs: int | None = None,
    cluster: str | None = None,
    progress: Callable[[Outcome, int], None] | None = None,
) -> GradedClass:
    """Grade every submission, write gradebook and feedback pages, and return the marks.

    isolation, device: None stands for what the course folder's configuration says.
    jobs: processes that grade; None stands for one a processor core.
    cluster: address of a Dask scheduler whose workers grade in their place.
    progress: called with each outcome, in the order in which they come, and the number of
    submissions.

    Raises CourseError where nothing can be graded: unknown assignment, no submission, a folder
    that cannot be written, no sandbox; StoppedError after Ctrl-C or SIGTERM. What stands against
    a single submission is its outcome.
    """
    sheet_path(assignment)
    todo = _jobs(assignment, course, isolation, device)
    slots = jobs or os.cpu_count() or 1
    with (
        _alone(course),
        results.grading(todo, slots, cluster) as found,
        until_stopped(found) as done,
    ):
        # nbgrader takes a second to import: time in which the processes that grade start.
        with collector_off():
            from autograder.marks import marks_in, opened
            from autograder.writer import Writer

        Assignment.load(assignment)
        graded = GradedClass(assignment)
        with opened(course, assignment) as gradebook:
            writer = Writer(course, assignment, course.configuration(), gradebook)
            try:
                for result in done:
                    outcome = _entered(writer, result)
                    graded.outcomes.append(outcome)
                    if progress is not None:
                        progress(outcome, len(todo))
            except KeyboardInterrupt:
                raise _stopped(graded, len(todo)) from None
            _raise_if_common(graded)
            graded.marks.extend(marks_in(gradebook, assignment))
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


def _jobs(assignment: str, course: Course, isolation: str | None, device: str | None) -> list[Job]:
    """What there is to grade, in a course folder that can be written."""
    folders = submissions(course, assignment)
    _require_writable(course)
    course.ensure()
    config = course.configuration()
    excluded = config.CourseDirectory.get("student_id_exclude", "").split(",")
    return [
        Job(
            course=course.directory,
            assignment=assignment,
            student=folder.parent.name,
            notebook=folder / f"{assignment}.ipynb",
            isolation=isolation or config.RunChecks.get("isolation", "bubblewrap"),
            device=device or config.RunChecks.get("device", "cpu"),
        )
        for folder in folders
        if folder.parent.name not in excluded
    ]


@contextmanager
def _alone(course: Course) -> Iterator[None]:
    """Refuse to write where another run does: what it has half done would be taken for lost."""
    lock = FileLock(course.directory / ".grading.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        message = "another `autograder grade` works in this folder; wait until it is done"
        raise CourseError(f"{course.directory}: {message}") from None
    try:
        yield
    finally:
        lock.release()


def _require_writable(course: Course) -> None:
    """Stop before anything is graded where the results could not be kept."""
    for folder in (course.directory, course.autograded, course.feedback, course.reports):
        if folder.exists() and not os.access(folder, os.W_OK):
            raise CourseError(f"{folder}: cannot be written; make the folder writable")


def _entered(writer: "Writer", result: Result) -> Outcome:
    try:
        entry, before = writer.enter(result)
    except SystemTroubleError:
        raise
    except CourseError as error:
        return Outcome(result.student, "failed", reason=str(error))
    report = result.report
    return Outcome(
        student=result.student,
        status="stored" if before else "graded",
        mark=entry.mark,
        automatic=report.score if report else None,
        max_automatic=report.max_score if report else None,
    )


def _stopped(graded: GradedClass, submissions: int) -> StoppedError:
    entered = len(graded.outcomes) - len(graded.failures)
    return StoppedError(
        f"stopped: {entered} of {submissions} submissions are graded and in the gradebook; "
        "run the same command again to go on"
    )


def _raise_if_common(graded: GradedClass) -> None:
    """One error that stands against every submission is not about the submissions."""
    reasons = set(graded.failures.values())
    if len(reasons) == 1 and len(graded.failures) == len(graded.outcomes) > 1:
        raise CourseError(reasons.pop())
