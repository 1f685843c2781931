"""Results of single submissions, kept in the course folder so that no notebook is graded twice.

A result is valid as long as its key is: a digest of the notebook, of everything that grades it,
and of the settings.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from autograder.assignment import CHECKS, EXERCISES, Assignment
from autograder.course import ROOT, Course, reason, write_atomically
from autograder.errors import CourseError
from autograder.report import Report, plain

LIBRARIES = ("numpy", "pytest", "scikit-learn", "torch")
GRADER_DIED = "the process that grades it ended twice without a result; grade it by hand"


@dataclass(frozen=True)
class Job:
    """One notebook to grade for one student, and how."""

    course: Path
    assignment: str
    student: str
    notebook: Path
    isolation: str
    device: str

    def key(self) -> str:
        """The digest of all that the result depends on; raises CourseError for a missing file."""
        try:
            notebook = hashlib.sha256(self.notebook.read_bytes()).hexdigest()
        except FileNotFoundError:
            raise CourseError(f"{self.notebook}: no such file; submit it under this name") from None
        except OSError as error:
            message = f"{self.notebook}: cannot be read: {reason(error)}"
            raise CourseError(message) from error
        secret = hashlib.sha256(Course(self.course).secret).hexdigest()
        settings = [platform.python_version(), self.assignment, self.isolation, self.device]
        versions = [importlib.metadata.version(library) for library in LIBRARIES]
        parts = [notebook, secret, grader_digest(self.assignment), *settings, *versions]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Result:
    """What grading one submission came to: a report, or the reason why there is none."""

    student: str
    key: str
    report: Report | None = None
    error: str | None = None


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


def stored(job: Job) -> Result | None:
    """The stored result of a job if it is still valid; raises CourseError as `Job.key` does."""
    key = job.key()
    result = load(Course(job.course), job.assignment, job.student)
    valid = result is not None and result.report is not None and result.key == key
    return result if valid else None


def grade(job: Job, key: str) -> Result:
    """Grade a notebook in this process and keep the result.

    Raises CourseError when the result cannot be kept; what stands against grading the notebook
    itself is the result's error.
    """
    # torch takes seconds to import: only the processes that grade wait for it.
    from autograder.grading import grade_notebook

    course = Course(job.course)
    try:
        report = grade_notebook(
            job.notebook,
            Assignment.load(job.assignment),
            secret=course.secret,
            isolation=job.isolation,
            device=job.device,
        )
        result = Result(job.student, key, report=report)
    except CourseError as error:
        result = Result(job.student, key, error=str(error))
    except Exception as error:
        # An error of ours with one notebook must not keep the others from being graded.
        why = f"{job.notebook}: the grader itself failed ({type(error).__name__}: {error})"
        result = Result(job.student, key, error=plain(why))
    store(course, job.assignment, result)
    return result


def refuse_links(folder: Path) -> None:
    """Raise CourseError for a symbolic link in a submission.

    nbgrader copies what a link points to, and a copy beside the feedback reaches the student.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise CourseError(f"{path}: a symbolic link; submit the file itself")


def graded(jobs: Sequence[Job], processes: int) -> Iterator[Result]:
    """The result of each job in order, graded in so many processes unless it is stored.

    A process that dies takes its neighbours' jobs along: these are graded again one by one, so
    that only the job at fault is left without a report.
    """
    settled = {job: result for job in jobs if (result := _settled(job)) is not None}
    pool = grader_processes(max(1, min(processes, len(jobs) - len(settled))))
    try:
        futures = {job: _submitted(pool, job) for job in jobs if job not in settled}
        for job in jobs:
            if job in settled:
                yield settled[job]
                continue
            try:
                yield futures[job].result()
            except BrokenProcessPool:
                yield Grader().result(job)
    finally:
        pool.shutdown(cancel_futures=True)


def _settled(job: Job) -> Result | None:
    """The result of a job that needs no grading: stored, or what stands against its files."""
    try:
        refuse_links(job.notebook.parent)
        return stored(job)
    except CourseError as error:
        return _failed(job, str(error))


def _submitted(pool: ProcessPoolExecutor, job: Job) -> Future[Result]:
    """The job in the hands of a pool, which may have died meanwhile."""
    try:
        return pool.submit(grade, job, job.key())
    except BrokenProcessPool as error:
        future: Future[Result] = Future()
        future.set_exception(error)
        return future


class Grader:
    """A long-lived process that grades one notebook at a time, for programs that must not.

    It is started when first needed, and anew when it has died or what it runs has changed.
    """

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._digest = ""

    def result(self, job: Job) -> Result:
        """The job's result, stored or new; raises CourseError where it cannot be kept."""
        result = stored(job)
        if result is not None:
            return result
        for _ in range(2):
            try:
                return self._current(job.assignment).submit(grade, job, job.key()).result()
            except BrokenProcessPool:
                self._digest = ""
        return _failed(job, f"{job.notebook}: {GRADER_DIED}")

    def _current(self, assignment: str) -> ProcessPoolExecutor:
        digest = grader_digest(assignment)
        if self._pool is None or digest != self._digest:
            if self._pool is not None:
                self._pool.shutdown()
            self._pool, self._digest = grader_processes(1), digest
        return self._pool


def grader_processes(number: int) -> ProcessPoolExecutor:
    """Fresh processes that grade: nothing of the process that asks is in them."""
    return ProcessPoolExecutor(number, mp_context=get_context("spawn"), initializer=_prepare)


def grader_digest(assignment: str) -> str:
    """A digest of all files that decide on marks: grader, checks, references, exercise sheet."""
    files = [
        *(ROOT / "autograder").rglob("*.py"),
        *(ROOT / "solutions").rglob("*.py"),
        *CHECKS.rglob("*.md"),
        *(EXERCISES / assignment).rglob("*"),
        EXERCISES / "lab.py",
    ]
    digest = hashlib.sha256()
    for file in sorted(file for file in files if file.is_file() and not _is_by_product(file)):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(ROOT)} {content}\n".encode())
    return digest.hexdigest()


def _is_by_product(file: Path) -> bool:
    return any(part.startswith((".", "__pycache__")) for part in file.relative_to(ROOT).parts)


def _prepare() -> None:
    """Prepare a grader process: one thread, and an interrupt from the keyboard ends it at once."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{library}_NUM_THREADS"] = "1"


def _failed(job: Job, why: str) -> Result:
    result = Result(job.student, "", error=why)
    store(Course(job.course), job.assignment, result)
    return result


def _path(course: Course, assignment: str, student: str) -> Path:
    return folder(course, assignment) / "submissions" / f"{student}.json"
