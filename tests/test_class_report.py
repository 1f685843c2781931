"""What an instructor reads about the class."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder import class_report
from autograder.class_report import ClassReport, summary
from autograder.course import Course
from autograder.marks import Mark
from autograder.report import Failure, Report, TaskResult
from autograder.results import Result
from tests.conftest import ASSIGNMENT, Answer, ClassOfStudents, submit
from tests.test_feedback import SCRIPT, assert_self_contained


def graded(student: str, first: float, second: float, *statuses: str) -> Result:
    """A student's result in two tasks of four and six points, and in a written one."""
    tasks = []
    given = statuses or tuple(
        "correct" if score == points else "partial" if score else "wrong"
        for points, score in ((4, first), (6, second))
    )
    scores = (("first", 4.0, first), ("second", 6.0, second))
    for (name, points, score), status in zip(scores, given, strict=True):
        failure = Failure("Checked.", f"{name} differs", f"mend {name}", f"book/{name}.html")
        failures = () if status == "correct" else (failure,)
        tasks.append(TaskResult(name, points, score, status, failures))
    tasks.append(TaskResult("why", 2, 0, "manual"))
    return Result(student, "key", Report.of("sums", "bubblewrap", tuple(tasks), "n.ipynb"))


@pytest.fixture
def report() -> ClassReport:
    stored = [
        graded("ada", 4, 6),
        graded("bert", 2, 6),
        graded("carl", 0, 3),
        graded("dora", 0, 0, "unanswered", "missing"),
        graded("=emil()", 4, 0, "correct", "timeout"),
        Result("frank", "", error=f"n.ipynb: cut off {SCRIPT}"),
    ]
    marks = [Mark("ada", 11.5, 12, 0, 0), Mark("bert", 8, 12, 0, 1)]
    return summary("sums", stored, marks, {"gina": "not graded yet"})


def test_scores_and_their_distribution(report: ClassReport) -> None:
    assert report.max_score == 10
    assert report.scores == [0, 3, 4, 8, 10]
    assert (report.median, report.mean) == (4, 5)
    assert report.distribution == [1, 0, 0, 1, 1, 0, 0, 0, 1, 1]


def test_success_by_task(report: ClassReport) -> None:
    first, second = report.tasks
    assert (first.name, first.mean) == ("first", 0.5)
    assert first.groups == {"correct": 2, "partial": 1, "wrong": 1, "error": 0, "unanswered": 1}
    assert second.groups == {"correct": 2, "partial": 1, "wrong": 0, "error": 1, "unanswered": 1}


def test_hints_by_frequency(report: ClassReport) -> None:
    rows = [(row.task, row.hint, row.students, row.page) for row in report.hints]
    assert rows == [
        ("second", "mend second", ("=emil()", "carl", "dora"), "book/second.html"),
        ("first", "mend first", ("bert", "carl"), "book/first.html"),
    ]


def test_who_needs_attention(report: ClassReport) -> None:
    reasons = {row.student: row.attention for row in report.attention}
    assert reasons == {
        "dora": ("nothing answered",),
        "carl": ("less than 50% of the points",),
        "=emil()": ("less than 50% of the points", "timeout: second"),
    }


def test_what_could_not_be_graded(report: ClassReport) -> None:
    assert report.not_graded == {"frank": f"n.ipynb: cut off {SCRIPT}", "gina": "not graded yet"}


def test_the_page_is_self_contained_and_shows_text_as_text(report: ClassReport) -> None:
    page = assert_self_contained(report.to_html())
    assert f"cut off {SCRIPT}" in page.text
    assert "svg" in page.tags


def test_the_csv_has_every_student_and_no_formula(report: ClassReport) -> None:
    rows = list(csv.DictReader(io.StringIO(report.to_csv())))
    students = [row["student"] for row in rows]
    assert students == ["'=emil()", "ada", "bert", "carl", "dora", "frank", "gina"]
    ada = rows[1]
    assert (ada["mark"], ada["automatic"], ada["max_automatic"]) == ("11.5", "10.0", "10.0")
    assert (ada["first"], ada["second"]) == ("correct", "correct")


def test_the_json_says_the_same(report: ClassReport) -> None:
    data = json.loads(report.to_json())
    assert data["distribution"] == report.distribution
    assert data["not_graded"] == report.not_graded
    assert [task["name"] for task in data["tasks"]] == ["first", "second"]


def test_a_class_in_which_nothing_could_be_graded_has_a_page() -> None:
    report = summary("sums", [Result("frank", "", error="cut off")], [], {})
    assert (report.median, report.mean, report.scores) == (None, None, [])
    assert "cut off" in assert_self_contained(report.to_html()).text


def test_the_command_writes_the_reports_of_the_class(
    graded_class: ClassOfStudents, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    course = graded_class.copy(tmp_path / "course")
    answer = run("report", ASSIGNMENT, "--course", course.directory)
    assert answer.status == 0
    page, data, marks = (Path(line) for line in answer.out.split())
    text = assert_self_contained(page.read_text()).text
    assert "backward" in text and "mean" in text and "submit it again" in text
    assert json.loads(data.read_text())["not_graded"].keys() == {"cut"}
    assert len(list(csv.DictReader(marks.open()))) == len(graded_class.submitted)
    hints = class_report.collect(ASSIGNMENT, course).hints
    assert any(row.task == "backward" and row.students == ("summed",) for row in hints)


def test_a_report_before_grading_names_the_command(
    tmp_path: Path, run: Callable[..., Answer]
) -> None:
    submit(Course(tmp_path), "ada", b"{}")
    answer = run("report", ASSIGNMENT, "--course", tmp_path)
    assert answer.status == 1
    assert "nothing graded yet; run `autograder grade perceptron" in answer.error
