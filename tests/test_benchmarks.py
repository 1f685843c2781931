"""The light assignment `quick`, and the comparison of our grader with nbgrader's own."""

import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

import pytest
import torch
from threadpoolctl import threadpool_info

from autograder.assignment import known, read
from autograder.errors import CourseError, UsageError
from benchmarks import classic, convolutions, grading
from benchmarks.classic import ClassicCourse
from benchmarks.comparing import Marks, marks, verdict
from benchmarks.graders import NBGRADER, OURS, Bench
from benchmarks.measuring import measured
from benchmarks.one_thread import one_thread, seconds_of
from benchmarks.open_model import COLUMNS as ABLATED
from benchmarks.open_model import Recipe, model_of, swept
from benchmarks.open_model import main as ablate
from benchmarks.project import ANSWERS, QUICK, WRONG, Project, lay_out
from benchmarks.results import read_results
from benchmarks.submissions import EXTRA_CELLS, Generated, quick_class

TASKS = list(ANSWERS)
POINTS = dict(zip(TASKS, (4, 4, 4, 3, 6, 2, 4, 3), strict=True))
LEFT_OF_WRONG = dict(zip(TASKS, (1, 1, 1, 1, 4, 0, 2, 0), strict=True))


def half_wrong(student: str, first: int, *extra_cells: str) -> Generated:
    """Every second task is wrong."""
    wrong = {task: WRONG[task] for task in TASKS[first::2]}
    return Generated(student, ANSWERS | wrong, extra_cells)


CLASS = [
    Generated("untouched"),
    Generated("full", dict(ANSWERS)),
    half_wrong("even", 0),
    half_wrong("odd", 1, *EXTRA_CELLS),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bench")


@pytest.fixture(scope="module")
def graded(folder: Path) -> Project:
    """The project with a class that our grader has graded."""
    project = lay_out(folder / "project")
    for submission in CLASS:
        project.submit(submission.student, submission.cells_by_task, submission.extra_cells)
    Bench(folder).autograder(project, len(CLASS))
    return project


# ---- the light assignment -----------------------------------------------------------------------


def test_quick_is_graded_in_a_copy_that_alone_knows_it(graded: Project) -> None:
    assert "quick" not in known()
    found = marks(graded.course.gradebook_url)
    assert found["untouched"] == dict.fromkeys(TASKS, 0)
    assert found["full"] == POINTS
    for student, first in (("even", 0), ("odd", 1)):
        assert found[student] == POINTS | {task: LEFT_OF_WRONG[task] for task in TASKS[first::2]}


def test_a_failing_command_tells_what_it_said(graded: Project) -> None:
    with pytest.raises(CalledProcessError) as failed:
        graded.run("check", "nothing.ipynb")
    assert "nothing.ipynb: " in failed.value.__notes__[0]


def test_an_answer_to_no_task_is_refused(graded: Project) -> None:
    with pytest.raises(LookupError, match="no task 'softmin'"):
        graded.submit("lost", {"softmin": "softmin = 1"})


# ---- what is submitted --------------------------------------------------------------------------


def test_a_larger_class_begins_with_the_smaller_one() -> None:
    few, many = quick_class(6, 3), quick_class(12, 3)
    assert many[:6] == few
    assert len({tuple(one.cells_by_task.items()) for one in many}) == 12
    assert quick_class(6, 4) != few


# ---- the two graders ----------------------------------------------------------------------------


def test_both_graders_give_the_same_marks(folder: Path, graded: Project) -> None:
    course = classic.lay_out(folder / "classic")
    compared = CLASS[2:]
    for submission in compared:
        course.submit(submission.student, submission.cells_by_task, submission.extra_cells)
    run = Bench(folder).nbgrader(course, len(compared))
    assert run.cost.status == 0
    students = [submission.student for submission in compared]
    ours = marks(graded.course.gradebook_url)
    books = {NBGRADER: marks(course.gradebook), OURS: {name: ours[name] for name in students}}
    assert verdict(books, students) == (True, "marks: equal in all 16 tasks of 2 submissions")


def test_every_hidden_check_is_a_hidden_test_with_its_share_of_the_points() -> None:
    sheet = read(QUICK / "quick.md")
    tests = [test for task in sheet.tasks for test in classic.hidden_tests(task)]
    checks = (QUICK / "checks" / "test_quick.py").read_text()
    assert len(tests) == len({test.name for test in tests}) == checks.count("@pytest.mark.task(")
    assert sum(test.points for test in tests) == sheet.max_score == 30


def test_a_grader_that_fails_is_named_with_its_last_words(folder: Path) -> None:
    empty = ClassicCourse(folder / "empty")
    empty.folder.mkdir()
    with pytest.raises(CourseError, match=r"empty\.log: nbgrader, 1 process ended with status"):
        Bench(folder).nbgrader(empty, 1)


def test_the_verdict_names_each_difference() -> None:
    same: Marks = {"ada": {"softmax": 4.0, "accuracy": 0.0}}
    assert verdict({"one": same, "two": same}, ["ada"])[0]
    other: Marks = {"ada": {"softmax": 4.0, "accuracy": 2.0}}
    assert verdict({"one": same, "two": other}, ["ada"]) == (
        False,
        "marks: different in 1 places: ada accuracy: 0.0 and 2.0 (one, two)",
    )
    equal, words = verdict({"one": same, "two": same}, ["ada", "ben"])
    assert not equal
    assert "ben: no mark (one); ben: no mark (two)" in words


# ---- what it costs ------------------------------------------------------------------------------


BUSY = """
import time
held = b"x" * 200_000_000
while time.process_time() < 1:
    pass
print("busy", flush=True)
time.sleep(60)
"""

KILLED = f"""
import subprocess, sys
words = ["bwrap", "--dev-bind", "/", "/", "--unshare-pid", "--die-with-parent"]
busy = subprocess.Popen([*words, sys.executable, "-c", {BUSY!r}], stdout=subprocess.PIPE)
busy.stdout.readline()
busy.kill()
sys.exit(3)
"""


def test_a_process_killed_with_its_sandbox_is_measured_too(tmp_path: Path) -> None:
    log = tmp_path / "log"
    cost = measured([sys.executable, "-c", KILLED], tmp_path, os.environ, log)
    assert cost.status == 3
    assert cost.memory > 200e6
    assert cost.cpu > 1 or not cost.cpu_complete


def test_what_cannot_be_started_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="no-such-program: cannot be measured"):
        measured(["no-such-program"], tmp_path, os.environ, tmp_path / "log")


# ---- the command line ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [["--submissions", "0"], ["--growth", "10", "-1"], ["--growth", "ten"], ["--seed", "x"], ["x"]],
)
def test_wrong_options_are_one_line(words: list[str]) -> None:
    with pytest.raises(UsageError) as refused:
        grading.parse(words)
    assert "\n" not in str(refused.value)
    assert str(refused.value).endswith("see python -m benchmarks.grading --help")


# ---- one thread ---------------------------------------------------------------------------------


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_a_call_is_timed_on_one_thread(two_threads: None) -> None:
    def threads() -> list[int]:
        return [torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())]

    seen: list[int] = []
    assert one_thread(seconds_of)(lambda: seen.extend(threads())) > 0
    assert set(seen) == {1}
    assert torch.get_num_threads() == 2


# ---- convolutions -------------------------------------------------------------------------------


def rows_of(sides: Iterable[int]) -> list[tuple[str, str, str]]:
    return [
        (method, which, str(side))
        for side in sides
        for which in ("forward", "backward")
        for method in ("loops", "im2col", "PyTorch")
    ]


def test_convolutions_are_timed_by_method_pass_and_size() -> None:
    rows = convolutions.measure((3, 4), repeats=1)
    measured_rows = [(row["method"], row["pass"], str(row["side"])) for row in rows]
    assert measured_rows == rows_of((3, 4))
    assert all(float(row["cpu_milliseconds"]) > 0 for row in rows)
    # 8 images, 32 kernels of 16 × 3 × 3, 4 × 4 positions; each of two gradients takes as many
    assert [row["multiply_adds"] for row in rows[6::3]] == [589_824, 1_179_648]


def test_recorded_convolutions_are_those_of_the_benchmark() -> None:
    rows = read_results("convolutions")
    assert list(rows[0]) == convolutions.COLUMNS
    recorded = [(row["method"], row["pass"], row["side"]) for row in rows]
    assert recorded == rows_of(convolutions.SIDES)


def test_convolutions_that_do_not_agree_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    correct = convolutions.conv_backward_im2col

    def doubled(*arguments: Any) -> tuple[Any, ...]:
        return tuple(2 * gradient for gradient in correct(*arguments))

    monkeypatch.setattr(convolutions, "conv_backward_im2col", doubled)
    with pytest.raises(AssertionError, match="not close"):
        convolutions.measure((3,), repeats=1)


# ---- ablations of the open model ----------------------------------------------------------------


def test_each_recipe_differs_from_the_common_one_in_what_its_sweep_varies() -> None:
    for varied, value, recipe in swept():
        assert getattr(recipe, varied) == value
        assert model_of(recipe)(torch.rand(3, 1, 12, 12)).shape == (3, 10)
        others = vars(recipe) | {varied: None}
        assert others == vars(Recipe()) | {varied: None}


def test_ablations_have_a_row_for_each_value_and_seed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = {"kernel": (1, 3), "rate": (3e-3,)}
    monkeypatch.setattr("benchmarks.open_model.VALUES", few)
    rows = ablate(["--epochs", "1", "--seeds", "1"])
    capsys.readouterr()
    assert [(row["varied"], row["value"]) for row in rows] == [
        *(("kernel", 1), ("kernel", 3)),
        ("rate", 3e-3),
    ]
    assert all(list(row) == ABLATED for row in rows)
    assert {**rows[1], "varied": "", "value": 0} == {**rows[2], "varied": "", "value": 0}
    assert all(0 <= float(row["val_top1"]) <= 1 for row in rows)
