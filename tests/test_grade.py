"""Grading a class: nothing is lost, nothing is graded twice, one bad notebook stops nobody."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from autograder import results
from autograder.course import Course
from autograder.errors import CourseError
from autograder.gradebook import Outcome, grade_class
from autograder.marks import marks
from autograder.report import Failure, Report, TaskResult
from tests.conftest import ASSIGNMENT, Answer, ClassOfStudents, submit

NOTEBOOK = f"{ASSIGNMENT}.ipynb"


def scores(course: Course) -> dict[str, float]:
    return {mark.student: mark.score for mark in marks(course, ASSIGNMENT)}


def changed_files(folder: Path, since: float) -> list[str]:
    return [str(path) for path in folder.rglob("*") if path.stat().st_mtime > since]


def test_the_wrong_answer_brings_up_its_hint(graded_class: ClassOfStudents) -> None:
    result = results.load(graded_class.course, ASSIGNMENT, "summed")
    assert result is not None and result.report is not None
    task = result.report.task("backward")
    assert task is not None
    assert task.score < task.points
    assert any("mean" in hint for hint in task.hints)
    others = [other for other in result.report.tasks if other.name != "backward"]
    assert {other.status for other in others} == {"unanswered", "manual"}


def test_grading_again_grades_nothing_and_changes_no_mark(
    graded_class: ClassOfStudents, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    course = graded_class.copy(tmp_path / "course")
    before = scores(course)
    start = time.time()
    answer = run("grade", ASSIGNMENT, "--course", course.directory, "--json")
    assert answer.status == 1
    assert "submitted/cut/" in answer.error and "submit it again" in answer.error
    assert scores(course) == before
    [cut] = changed_files(course.reports / ASSIGNMENT, start)[1:]
    assert cut.endswith("cut.json")
    assert changed_files(course.autograded, start) == []
    assert changed_files(course.feedback, start) == []
    assert (course.directory / "gradebook.db").stat().st_mtime < start
    *lines, summary = map(json.loads, answer.out.splitlines())
    failed = [line for line in lines if line["status"] == "failed"]
    stored = {line["student"]: line["score"] for line in lines if line["status"] == "stored"}
    assert [line["student"] for line in failed] == ["cut"]
    assert "submit it again" in failed[0]["reason"] and failed[0]["score"] is None
    assert stored == before
    counts = {"submissions": 7, "graded": 0, "stored": 6, "failed": 1, "stopped": False}
    assert summary == {"assignment": ASSIGNMENT} | counts


def test_students_whom_nbgrader_is_told_to_exclude_are_left_out(
    graded_class: ClassOfStudents, tmp_path: Path
) -> None:
    course = graded_class.copy(tmp_path / "course")
    with course.config.open("a") as config:
        config.write("c.CourseDirectory.student_id_exclude = 'cut,full'\n")
    graded = grade_class(ASSIGNMENT, course)
    left_out = set(graded_class.submitted) - {outcome.student for outcome in graded.outcomes}
    assert left_out == {"cut", "full"}
    assert graded.failures == {}


@pytest.mark.parametrize("content", [b"[]", b'{"metadata": 1}', b'{"cells": [{"metadata": ""}]}'])
def test_a_damaged_copy_is_written_anew(
    graded_class: ClassOfStudents, tmp_path: Path, content: bytes
) -> None:
    course = graded_class.copy(tmp_path / "course", without=("cut",))
    copy = course.autograded / "full" / ASSIGNMENT / NOTEBOOK
    whole = copy.read_bytes()
    copy.chmod(0o644)
    copy.write_bytes(content)
    grade_class(ASSIGNMENT, course)
    assert copy.read_bytes() == whole


def test_two_runs_do_not_write_to_one_course(graded_class: ClassOfStudents, tmp_path: Path) -> None:
    course = graded_class.copy(tmp_path / "course", without=("cut",))
    problems: list[CourseError] = []

    def grade_meanwhile(outcome: Outcome, submissions: int) -> None:
        with pytest.raises(CourseError) as error:
            grade_class(ASSIGNMENT, course)
        problems.append(error.value)

    grade_class(ASSIGNMENT, course, progress=grade_meanwhile)
    assert len(problems) == len(graded_class.submitted) - 1
    assert "another `autograder grade` or `collect` works in this folder" in str(problems[0])


def test_what_a_killed_run_left_behind_is_mended(
    graded_class: ClassOfStudents, tmp_path: Path
) -> None:
    course = graded_class.copy(tmp_path / "course", without=("cut",))
    before = scores(course)
    lost, cut = (course.autograded / name / ASSIGNMENT / NOTEBOOK for name in ("full", "noisy"))
    lost.unlink()
    cut.chmod(0o644)
    cut.write_bytes(cut.read_bytes()[:500])
    _set_automatic_score(course, "summed", 0.0)
    graded = grade_class(ASSIGNMENT, course)
    assert {mark.student: mark.score for mark in graded.marks} == before
    nbformat.read(lost, as_version=4)
    nbformat.read(cut, as_version=4)


def _set_automatic_score(course: Course, student: str, score: float) -> None:
    from nbgrader.api import Gradebook

    with Gradebook(course.gradebook_url) as gradebook:
        for notebook in gradebook.find_submission(ASSIGNMENT, student).notebooks:
            for grade in notebook.grades:
                grade.auto_score = score
        gradebook.db.commit()


def test_a_killed_run_ends_with_the_same_marks_when_started_again(
    graded_class: ClassOfStudents, tmp_path: Path
) -> None:
    course = graded_class.copy(tmp_path / "course", without=("autograded", "feedback"))
    (course.reports / ASSIGNMENT / "submissions" / "untouched.json").unlink()
    command = [sys.executable, "-m", "autograder", "grade", ASSIGNMENT]
    running = subprocess.Popen(
        [*command, "--course", str(course.directory), "--jobs", "1"],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not (course.autograded / "full" / ASSIGNMENT).exists():
        assert running.poll() is None
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    graded = grade_class(ASSIGNMENT, course)
    assert {mark.student: mark.score for mark in graded.marks} == scores(graded_class.course)
    assert list(graded.failures) == ["cut"]


def test_a_changed_notebook_is_graded_again(
    graded_class: ClassOfStudents, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    course = graded_class.copy(tmp_path / "course")
    untouched = graded_class.submitted["untouched"]
    submit(course, "full", untouched)
    answer = run("grade", ASSIGNMENT, "--course", course.directory)
    assert answer.status == 1
    assert scores(course)["full"] == 0
    assert scores(course)["summed"] == scores(graded_class.course)["summed"]


def test_a_link_in_a_submission_is_refused(graded_class: ClassOfStudents, tmp_path: Path) -> None:
    course = graded_class.copy(tmp_path / "course", without=("cut",))
    folder = course.submitted / "full" / ASSIGNMENT
    (folder / "data.csv").symlink_to(course.directory / "secret")
    graded = grade_class(ASSIGNMENT, course)
    assert "symbolic link" in graded.failures["full"]
    assert not (course.autograded / "full" / ASSIGNMENT / "data.csv").exists()
    assert "summed" not in graded.failures


def test_what_stands_against_everything_is_said_once(
    graded_class: ClassOfStudents, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    course = graded_class.copy(tmp_path / "course", without=("reports", "autograded"))
    config = course.config
    config.write_text(config.read_text() + "c.RunChecks.isolation = 'a wish'\n")
    for student in set(graded_class.submitted) - {"full", "untouched"}:
        (course.submitted / student / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").unlink()
        (course.submitted / student / ASSIGNMENT).rmdir()
    answer = run("grade", ASSIGNMENT, "--course", course.directory)
    assert answer.status == 1
    assert "unknown isolation 'a wish'" in answer.error


# ---- reports ------------------------------------------------------------------------------------


def test_a_report_survives_its_json() -> None:
    failure = Failure("The sum.", "off by one", "the +1 is missing", "book/unit1/sums.html#one")
    tasks = (
        TaskResult("third", 1, 1 / 3, "partial", (failure, failure)),
        TaskResult("why", 2, 0.0, "manual"),
    )
    report = Report.of("sums", "bubblewrap", tasks, "sums.ipynb", ("code cell 3 raised E: x",))
    assert Report.from_json(report.to_json()) == report
    assert (report.score, report.max_score, report.manual_points) == (0.3333, 1, 2)
    [third, _] = report.as_dict()["tasks"]
    assert third["hints"] == ["the +1 is missing"]


def test_a_score_stays_within_its_points() -> None:
    assert TaskResult("a", 2, 3.0, "correct").score == 2
    assert TaskResult("a", 2, -1.0, "wrong").score == 0
    with pytest.raises(ValueError, match="unknown status"):
        TaskResult("a", 2, 1.0, "passed")


def test_text_of_a_submission_is_cut_and_loses_its_control_characters() -> None:
    failure = Failure("Checked.", "\x1b[31mred\u202e\x00" + "x" * 10**6, "a\nb")
    assert failure.message.startswith("\ufffd[31mred\ufffd\ufffdxxx")
    assert len(failure.message) == 1000
    assert failure.hint == "a\nb"
