"""One writer: what it writes is whole or absent, whatever happens while it writes."""

import contextlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from autograder import results
from autograder.converting import one_gradebook, transaction
from autograder.course import Course
from autograder.errors import CourseError
from autograder.gradebook import grade_class
from autograder.marks import marks, opened
from autograder.report import Report
from autograder.results import Job
from autograder.work import Conditions, Result
from autograder.writer import Writer
from tests.conftest import ASSIGNMENT, ClassOfStudents
from tests.test_nothing_lost import files

STUDENT = "few"


@pytest.fixture
def course(graded_class: ClassOfStudents, tmp_path: Path) -> Course:
    """A course folder in which one student's work, and no other, is graded."""
    course = graded_class.copy(tmp_path / "course")
    for student in set(graded_class.submitted) - {STUDENT}:
        for stage in (course.submitted, course.autograded, course.feedback):
            shutil.rmtree(stage / student, ignore_errors=True)
    return course


def with_nothing_right(course: Course) -> Result:
    """A new result of the student's notebook, by which every answer is wrong."""
    old = results.load(course, ASSIGNMENT, STUDENT)
    assert old is not None and old.report is not None
    tasks = [
        task if task.status == "manual" else replace(task, score=0.0, status="wrong")
        for task in old.report.tasks
    ]
    report = Report.of(ASSIGNMENT, "bubblewrap", tuple(tasks), old.report.notebook)
    return Result(STUDENT, "another key", report)


def enter(course: Course, result: Result) -> None:
    with opened(course, ASSIGNMENT) as gradebook:
        Writer(course, ASSIGNMENT, course.configuration(), gradebook).enter(result)


def written(course: Course) -> dict[str, bytes]:
    """What the writer has written, but for the gradebook."""
    folders = (course.autograded, course.feedback)
    return {path: data for folder in folders for path, (data, _) in files(folder).items()}


def score(course: Course) -> float:
    return next(mark.score for mark in marks(course, ASSIGNMENT) if mark.student == STUDENT)


@contextlib.contextmanager
def being_written_to(database: Path) -> Iterator[None]:
    """Another program is about to write: nobody else may begin to."""
    with contextlib.closing(sqlite3.connect(database)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextlib.contextmanager
def being_read(database: Path) -> Iterator[None]:
    """Another program reads: nobody may finish writing."""
    with contextlib.closing(sqlite3.connect(database)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM grade").fetchone()
        yield


@pytest.mark.parametrize("locked", [being_written_to, being_read])
def test_a_locked_gradebook_loses_nothing(
    course: Course,
    locked: Callable[[Path], contextlib.AbstractContextManager[None]],
    capfd: pytest.CaptureFixture[str],
) -> None:
    before, mark = written(course), score(course)
    result = with_nothing_right(course)
    with (
        pytest.raises(CourseError, match="locked; end the other program that uses it and run"),
        locked(course.directory / "gradebook.db"),
    ):
        enter(course, result)
    assert "Traceback" not in capfd.readouterr().err
    assert written(course) == before
    assert score(course) == mark > 0
    enter(course, result)
    assert score(course) == 0
    assert written(course).keys() == before.keys() and written(course) != before


KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy.orm import Session
from autograder import converting, course, gradebook, writer

def kill(*arguments, **words):
    os.kill(os.getpid(), signal.SIGKILL)

{moment}
gradebook.grade_class({assignment!r}, course.Course(Path({folder!r}), Path({build!r})))
"""
MOMENTS = {
    "the copy is half written": "writer.Autograde.set_permissions = kill",
    "the gradebook is not written": "Session.commit = kill",
    "the gradebook is written": "writer.Writer._write_page = kill",
    "the page is half written": "writer.GenerateFeedback.set_permissions = kill",
    "all is written": "writer.shutil.rmtree = kill",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_writer_is_made_good(course: Course, moment: str) -> None:
    old = written(course)
    stale = with_nothing_right(course)
    notebook = course.submitted / STUDENT / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    job = Job(course.directory, ASSIGNMENT, STUDENT, notebook, "bubblewrap", "cpu")
    key = job.work(Conditions.here(ASSIGNMENT)).key
    results.store(course, ASSIGNMENT, replace(stale, key=key))
    script = KILLED.format(
        moment=MOMENTS[moment],
        assignment=ASSIGNMENT,
        folder=str(course.directory),
        build=str(course.build),
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    graded = grade_class(ASSIGNMENT, course)
    assert graded.failures == {}
    assert score(course) == 0
    assert written(course).keys() == old.keys()
    copy = next(data for path, data in written(course).items() if path.endswith(".ipynb"))
    assert json.loads(copy)["metadata"]["course"]["key"] == key
    page = next(data for path, data in written(course).items() if path.endswith(".html"))
    assert b"<strong>0</strong>" in page
    assert [outcome.status for outcome in grade_class(ASSIGNMENT, course).outcomes] == ["stored"]


def test_what_cannot_be_entered_leaves_what_was(course: Course) -> None:
    before, mark = written(course), score(course)
    result = with_nothing_right(course)
    assert result.report is not None
    tasks = (replace(result.report.tasks[0], points=1000), *result.report.tasks[1:])
    report = replace(result.report, tasks=tasks)
    with pytest.raises(CourseError, match=r"1000 points in the exercise; run `autograder build"):
        enter(course, replace(result, report=report))
    assert written(course) == before
    assert score(course) == mark


# ---- one gradebook ------------------------------------------------------------------------------


def test_all_that_opens_the_gradebook_shares_it_and_writes_at_once(course: Course) -> None:
    url = course.gradebook_url
    path = str(course.directory / "gradebook.db")

    def names() -> set[str]:
        with contextlib.closing(sqlite3.connect(path)) as database:
            return {name for (name,) in database.execute("SELECT id FROM student")}

    with one_gradebook(url) as gradebook:
        with transaction(gradebook):
            with Gradebook(url) as other:
                other.add_student("zoe")
            assert "zoe" not in names()
            with Gradebook(url) as other:
                assert other.find_student("zoe").id == "zoe"
        assert "zoe" in names()
        with contextlib.suppress(KeyError), transaction(gradebook):
            with Gradebook(url) as other:
                other.add_student("yan")
            raise KeyError
        assert "yan" not in names()
        with Gradebook("sqlite://") as elsewhere:
            assert elsewhere.students == []
    with Gradebook(url) as alone:
        alone.add_student("xie")
        assert "xie" in names()
