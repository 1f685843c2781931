"""Results of single submissions, kept in the course folder so that no notebook is graded twice.

A result is valid as long as its key is: a digest of the notebook, of everything that grades it,
and of the settings.
"""

import errno
import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.course import Course, reason, write_atomically
from autograder.errors import CourseError
from autograder.graders import GraderProcess, Graders
from autograder.report import Report
from autograder.submission import file_bytes
from autograder.work import Conditions, Result, Work

if TYPE_CHECKING:
    from autograder.cluster import Cluster

MAX_FOLDER_BYTES = 256 * 2**20
MAX_FOLDER_FILES = 1000


@dataclass(frozen=True)
class Job:
    """One notebook to grade for one student, and how."""

    course: Path
    assignment: str
    student: str
    notebook: Path
    isolation: str
    device: str

    def work(self, conditions: Conditions) -> Work:
        """What a grader gets of it; raises CourseError for a file that is no notebook."""
        if not os.path.lexists(self.notebook):
            raise CourseError(f"{self.notebook}: no such file; submit it under this name")
        return Work(
            assignment=self.assignment,
            student=self.student,
            path=str(self.notebook),
            notebook=file_bytes(self.notebook),
            secret=Course(self.course).secret,
            isolation=self.isolation,
            device=self.device,
            conditions=conditions,
        )


def folder(course: Course, assignment: str) -> Path:
    """Where the class report and the results of an assignment lie."""
    return course.reports / assignment


def load(course: Course, assignment: str, student: str) -> Result | None:
    """The stored result of a student, or None where there is none that can be read."""
    try:
        data = json.loads(_path(course, assignment, student).read_bytes())
        report = None if data["report"] is None else Report.from_dict(data["report"])
        return Result(student, data["key"], report, data["error"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def store(course: Course, assignment: str, result: Result) -> None:
    """Keep a result; raises CourseError when it cannot be written."""
    report = result.report.as_dict() if result.report else None
    data = {"key": result.key, "error": result.error, "report": report}
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    write_atomically(_path(course, assignment, result.student), text, mode=0o600)


def require_plain_files(folder: Path) -> None:
    """Raise CourseError for what must not be copied with a submission.

    nbgrader copies what a link points to, and a copy beside the feedback reaches the student. A
    pipe would keep it waiting, and an absurd size fill the disk.
    """
    size = 0
    try:
        for number, path in enumerate((folder, *folder.rglob("*"))):
            status = path.lstat()
            if stat.S_ISLNK(status.st_mode):
                raise CourseError(f"{path}: a symbolic link; submit the file itself")
            if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
                raise CourseError(f"{path}: neither a file nor a folder; remove it")
            size += status.st_size
            if size > MAX_FOLDER_BYTES or number > MAX_FOLDER_FILES:
                limit = f"{MAX_FOLDER_BYTES // 2**20} MB or {MAX_FOLDER_FILES} files"
                remedy = "remove what is no part of the answers"
                raise CourseError(f"{folder}: more than {limit}; {remedy}")
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            message = "folders nested too deeply; remove what is no part of the answers"
            raise CourseError(f"{folder}: {message}") from error
        raise CourseError(f"{folder}: cannot be read: {reason(error)}") from error


@contextmanager
def grading(
    jobs: Sequence[Job], processes: int, cluster: str | None = None
) -> Iterator[Iterator[Result]]:
    """Grade from now on; gives the result of each job as soon as it is there, in any order.

    What is not stored yet is graded in so many processes of this machine or, where `cluster` is
    the address of a Dask scheduler, by its workers. It is stored here and nowhere else. What is
    still at work at the end of the context is ended. Raises CourseError where nothing can be graded
    or kept.
    """
    conditions = cache(Conditions.here)
    todo = [job for job in jobs if _settled(job, conditions(job.assignment)) is None]
    waiting = set(todo)
    stored = [job for job in jobs if job not in waiting]
    graders = _graders(min(processes, len(todo)), cluster) if todo else Graders(1)

    def results() -> Iterator[Result]:
        for job in stored:
            yield _stored(job)  # read again: a class of thousands is not kept in memory
        for future in as_completed(futures):
            yield _kept(futures.pop(future), future.result())

    with ThreadPoolExecutor(graders.slots) as threads:
        try:
            futures = {
                threads.submit(_graded, graders.grade, job, conditions(job.assignment)): job
                for job in todo
            }
            yield results()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            graders.close()


def graded(jobs: Sequence[Job], processes: int, cluster: str | None = None) -> Iterator[Result]:
    """The results of `grading`; close the iterator to end what is still at work."""
    with grading(jobs, processes, cluster) as results:
        yield from results


class Grader:
    """A long-lived process that grades one notebook at a time, for programs that must not."""

    def __init__(self) -> None:
        self._process = GraderProcess()

    def result(self, job: Job) -> Result:
        """The job's result, stored or new; raises CourseError where it cannot be kept."""
        conditions = Conditions.here(job.assignment)
        settled = _settled(job, conditions)
        return settled or _kept(job, _graded(self._process.grade, job, conditions))


def _stored(job: Job) -> Result:
    result = load(Course(job.course), job.assignment, job.student)
    if result is None:
        raise CourseError(f"{job.student}: the stored result has gone; run again")
    return result


def _settled(job: Job, conditions: Conditions) -> Result | None:
    """The result of a job that needs no grading: stored, or what stands against its files."""
    try:
        _require_plain_name(job)
        require_plain_files(job.notebook.parent)
        key = job.work(conditions).key
    except (CourseError, OSError) as error:
        return _kept(job, Result(job.student, "", error=str(error)))
    result = load(Course(job.course), job.assignment, job.student)
    valid = result is not None and result.report is not None and result.key == key
    return result if valid else None


def _require_plain_name(job: Job) -> None:
    """formgrader shows a student's name as it is."""
    if "<" in job.student or ">" in job.student:
        folder = job.notebook.parent.parent
        raise CourseError(f"{folder}: a student's name with < or > in it; rename the folder")


def _graded(grade: Callable[[Work], Result], job: Job, conditions: Conditions) -> Result:
    try:
        work = job.work(conditions)
    except CourseError as error:
        return Result(job.student, "", error=str(error))
    return grade(work)


def _kept(job: Job, result: Result) -> Result:
    store(Course(job.course), job.assignment, result)
    return result


def _graders(processes: int, cluster: str | None) -> "Graders | Cluster":
    if cluster is None:
        return Graders(max(1, processes))
    from autograder.cluster import Cluster

    return Cluster(cluster)


def _path(course: Course, assignment: str, student: str) -> Path:
    return folder(course, assignment) / "submissions" / f"{student}.json"
