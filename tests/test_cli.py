"""The commands: what they print, how they end, and that --help is quick to come."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from autograder import cli
from autograder.assignment import Assignment
from tests.conftest import ASSIGNMENT, Answer, ClassOfStudents

COMMANDS = (
    *("sync", "build", "solve", "check", "warm", "roster", "collect", "grade", "report"),
    *("similar", "export", "return", "demo"),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, run: Callable[..., Answer]) -> None:
    answer = run(command, "--help")
    assert answer.status == 0
    assert "Usage" in answer.out


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("fly",),
        ("grade",),
        ("grade", ASSIGNMENT, "--jobs", "0"),
        ("grade", ASSIGNMENT, "--isolation", "hope"),
        ("check", "a.ipynb", "b.ipynb"),
        ("solve", ASSIGNMENT),
    ],
)
def test_wrong_use_is_status_two(words: tuple[str, ...], run: Callable[..., Answer]) -> None:
    answer = run(*words)
    assert answer.status == 2
    assert "Traceback" not in answer.err


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "autograder", "--help"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0
    assert all(name in answer.stdout for name in COMMANDS)


def test_help_imports_nothing_slow() -> None:
    code = "import sys, autograder.cli; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    slow = {"torch", "numpy", "nbgrader", "nbformat", "jupytext", "sklearn", "pytest"}
    assert not slow & set(answer.stdout.split())


def test_check_prints_tasks_hints_and_isolation(
    graded_class: ClassOfStudents, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    course = graded_class.course
    notebook = course.submitted / "summed" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    answer = run("check", notebook, "--course", course.directory)
    assert answer.status == 0
    words = " ".join(answer.out.split())
    assert "mean" in words
    assert "student code ran isolated: bubblewrap" in words
    assert all(task.name in words for task in Assignment.load(ASSIGNMENT).tasks)


def test_check_gives_the_release_nothing_and_says_so_as_json(
    released: NotebookNode, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    notebook = tmp_path / "renamed.ipynb"
    nbformat.write(released, notebook)
    course = tmp_path / "course"
    answer = run("check", notebook, "--course", course, "--json", "--isolation", "process")
    assert answer.status == 0
    data = json.loads(answer.out)
    tasks = Assignment.load(ASSIGNMENT).tasks
    automatic = sum(task.points for task in tasks if task.kind != "written")
    assert (data["assignment"], data["isolation"]) == (ASSIGNMENT, "process")
    assert (data["score"], data["max_score"]) == (0, automatic)
    assert [task["name"] for task in data["tasks"]] == [task.name for task in tasks]
    for task in data["tasks"]:
        assert {"name", "points", "score", "status", "hints"} <= set(task)
        assert task["status"] in ("unanswered", "manual")


def test_grade_prints_the_marks(
    graded_class: ClassOfStudents, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    course = graded_class.copy(tmp_path / "course", without=("cut",))
    answer = run("grade", ASSIGNMENT, "--course", course.directory)
    lines = [line.split() for line in answer.out.splitlines()]
    rows = {line[0]: line for line in lines if line and line[0] in graded_class.submitted}
    assert set(rows) == set(graded_class.submitted) - {"cut"}
    assert rows["untouched"][1] == "0"
    assert "gradebook.db" in answer.out.replace("\n", "")


def test_sync_says_what_it_did(run: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.stubs.sync", lambda names: [])
    assert run("sync").out == "every stub is up to date\n"
    monkeypatch.setattr("autograder.stubs.sync", lambda names: [Path(f"{names[0]}.md")])
    assert run("sync", "sums").out == "sums.md: stubs refreshed\n"


def test_solve_writes_the_notebook(tmp_path: Path, run: Callable[..., Answer]) -> None:
    answer = run("solve", ASSIGNMENT, "-o", tmp_path / "s.ipynb")
    assert answer.status == 0
    nbformat.validate(nbformat.read(tmp_path / "s.ipynb", as_version=4))


def test_a_broken_pipe_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import autograder.cli as c; c.app = lambda: (_ for _ in ()).throw(BrokenPipeError())"
    command = [sys.executable, "-c", f"{code}; c.main()"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr) == (1, "")


def test_an_error_of_the_system_is_one_line(
    monkeypatch: pytest.MonkeyPatch, run: Callable[..., Answer]
) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device", "/a/file")

    monkeypatch.setattr(cli, "app", full)
    answer = run("sync")
    assert answer.status == 1
    assert answer.error == (
        "autograder: /a/file: No space left on device; free some space and run again"
    )
