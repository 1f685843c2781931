"""Grades a class: many processes grade, this one writes everything to nbgrader's gradebook.

A run can be ended at any moment and started again: what is graded is not graded again, and what
the gradebook does not hold is written to it. What changes a mark that the gradebook holds is
written once all is graded and the changes have been shown.
"""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

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
    from autograder.regrade import Difference
    from autograder.writer import Writer


@dataclass(frozen=True)
class Outcome:
    """What grading one submission came to.

    status: `graded` and entered by this run, `stored` by an earlier one, or `failed`; reason: why
    it failed. `held`: graded, and entered when the changes have been shown.
    mark: the mark in the gradebook, or in a dry run the one that it would have; difference: what
    makes it another than before. automatic, max_automatic: the checks' points.
    """

    student: str
    status: Literal["graded", "stored", "failed", "held"]
    mark: "Mark | None" = None
    automatic: float | None = None
    max_automatic: float | None = None
    reason: str | None = None
    difference: "Difference | None" = None


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
    students: Collection[str] | None = None,
    isolation: str | None = None,
    device: str | None = None,
    jobs: int | None = None,
    cluster: str | None = None,
    dry_run: bool = False,
    progress: Callable[[Outcome, int], None] | None = None,
    show: Callable[[Sequence["Difference"]], None] | None = None,
) -> GradedClass:
    """Grade every submission, write gradebook and feedback pages, and return the marks.

    students: grade the submissions of these alone.
    isolation, device: None stands for what the course folder's configuration says.
    jobs: processes that grade; None stands for one a processor core that this process may use.
    cluster: address of a Dask scheduler whose workers grade in their place.
    dry_run: keep the results, and write to neither gradebook, graded copies nor feedback.
    progress: called with each outcome, in the order in which they come, and the number of
    submissions.
    show: called, before they are written, with the changes of marks by student, if there are any;
    in a dry run also with the marks of submissions that the gradebook does not hold.

    Raises CourseError where nothing can be graded: unknown assignment or student, no submission, a
    folder that cannot be written, no sandbox; StoppedError after Ctrl-C or SIGTERM. What stands
    against a single submission is its outcome.
    """
    sheet_path(assignment)
    todo = _jobs(assignment, course, students, isolation, device)
    slots = jobs or _cores()
    changes = _Changes(course, assignment, dry_run, show)
    with (
        course.alone(),
        results.grading(todo, slots, cluster) as found,
        until_stopped(changes.after(found)) as done,
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
                    outcome = _outcome(writer, result, changes)
                    if outcome.status != "held":
                        graded.outcomes.append(outcome)
                    if progress is not None:
                        progress(outcome, len(todo))
            except KeyboardInterrupt:
                raise _stopped(graded, len(todo), changes) from None
            _raise_if_common(graded)
            marks = marks_in(gradebook, assignment)
            chosen = {job.student for job in todo}
            graded.marks.extend(mark for mark in marks if not students or mark.student in chosen)
    return graded


@dataclass(frozen=True)
class _Changes:
    """The changes of marks that a run has found; they are shown before any is written."""

    course: Course
    assignment: str
    dry_run: bool
    show: Callable[[Sequence["Difference"]], None] | None
    found: "dict[str, Difference]" = field(default_factory=dict)

    def after(self, graded: Iterator[Result]) -> Iterator[Result]:
        """The results of a class, and once more those that change marks: to be written then."""
        yield from graded
        students = sorted(self.found)
        if students and self.show is not None:
            self.show([self.found[student] for student in students])
        for student in [] if self.dry_run else students:
            result = results.load(self.course, self.assignment, student)
            yield result or Result(student, "", error="the stored result has gone; run again")


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


def _cores() -> int:
    """The processor cores that affinity, a container's quota and LOKY_MAX_CPU_COUNT leave."""
    from joblib import cpu_count

    return cpu_count()


def _jobs(
    assignment: str,
    course: Course,
    students: Collection[str] | None,
    isolation: str | None,
    device: str | None,
) -> list[Job]:
    """What there is to grade, in a course folder that can be written."""
    folders = submissions(course, assignment)
    _require_writable(course)
    course.ensure()
    config = course.configuration()
    excluded = config.CourseDirectory.get("student_id_exclude", "").split(",")
    known = {folder.parent.name for folder in folders} - set(excluded)
    if unknown := sorted(set(students or ()) - known):
        place = course.submitted / unknown[0] / assignment
        remedy = "take the student out of student_id_exclude in the configuration"
        if unknown[0] not in excluded:
            remedy = "write the student's name as the folder has it"
        raise CourseError(f"{place}: nothing to grade; {remedy}")
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
        if folder.parent.name in (set(students) if students else known)
    ]


def _require_writable(course: Course) -> None:
    """Stop before anything is graded where the results could not be kept."""
    for folder in (course.directory, course.autograded, course.feedback, course.reports):
        if folder.exists() and not os.access(folder, os.W_OK):
            raise CourseError(f"{folder}: cannot be written; make the folder writable")


def _outcome(writer: "Writer", result: Result, changes: _Changes) -> Outcome:
    """Enter a result, or hold it back where it changes a mark that has not been shown yet."""
    student, report = result.student, result.report
    try:
        if changes.dry_run:
            made = writer.preview(result)
        elif report and student not in changes.found and (held := writer.changes(result)):
            changes.found[student] = held
            return Outcome(student, "held", difference=held)
        else:
            made = writer.enter(result)
    except SystemTroubleError:
        raise
    except CourseError as error:
        return Outcome(student, "failed", reason=str(error))
    if changes.dry_run and made.difference:
        changes.found[student] = made.difference
    return Outcome(
        student=student,
        status="stored" if made.stored else "graded",
        mark=made.entry.mark,
        automatic=report.score if report else None,
        max_automatic=report.max_score if report else None,
        difference=made.difference,
    )


def _stopped(graded: GradedClass, submissions: int, changes: _Changes) -> StoppedError:
    entered = len(graded.outcomes) - len(graded.failures)
    kept = "graded; nothing is written" if changes.dry_run else "graded and in the gradebook"
    held = changes.found.keys() - {outcome.student for outcome in graded.outcomes}
    more = f", {len(held)} more graded and not yet written" if held else ""
    return StoppedError(
        f"stopped: {entered} of {submissions} submissions are {kept}{more}; "
        "run the same command again to go on"
    )


def _raise_if_common(graded: GradedClass) -> None:
    """One error that stands against every submission is not about the submissions."""
    reasons = set(graded.failures.values())
    if len(reasons) == 1 and len(graded.failures) == len(graded.outcomes) > 1:
        raise CourseError(reasons.pop())
