"""Bad input: one line that names the file and what to do, no traceback, nothing half-written."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode

from autograder.course import Course
from autograder.gradebook import grade_class
from autograder.marks import marks
from tests.conftest import ASSIGNMENT, FEW, Answer, ClassOfStudents, files_in, submit

Change = Callable[[dict[str, Any]], object]


def changed(notebook: NotebookNode, change: Change) -> bytes:
    data = json.loads(nbformat.writes(notebook))
    change(data)
    return json.dumps(data).encode()


def other_assignment(data: dict[str, Any]) -> None:
    data["metadata"]["course"] = {"assignment": "elsewhere"}


def other_language(data: dict[str, Any]) -> None:
    data["metadata"] |= {
        "kernelspec": {"name": "ir", "display_name": "R", "language": "R"},
        "language_info": {"name": "R"},
    }


def version_three(data: dict[str, Any]) -> None:
    cells = data.pop("cells")
    data |= {"nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": cells}]}


def bad_files(solved: NotebookNode) -> dict[str, tuple[bytes, str, str]]:
    """Contents of notebooks that cannot be graded, with words of the reason and of the remedy."""
    text = nbformat.writes(solved).encode()
    again = "save it and submit it again"
    return {
        "not a notebook": (b"\x89PNG\r\n", "not a notebook", again),
        "other JSON": (b'{"name": "ada"}', "not a notebook", "submit the .ipynb file"),
        "cut off": (text[: len(text) // 2], "cut off half-way", again),
        "empty": (b"", "empty", again),
        "version 3": (changed(solved, version_three), "nbformat 3", again),
        "version 2": (b'{"nbformat": 2, "worksheets": []}', "nbformat 2", again),
        "other language": (changed(solved, other_language), "'R'", "set its kernel to Python"),
        "other assignment": (changed(solved, other_assignment), "'elsewhere'", ""),
    }


BAD = ["not a notebook", "other JSON", "cut off", "empty"]
BAD += ["version 3", "version 2", "other language", "other assignment"]


@pytest.mark.parametrize("kind", BAD)
def test_check_names_the_file_and_the_remedy(
    kind: str, solved: NotebookNode, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    content, why, remedy = bad_files(solved)[kind]
    notebook = tmp_path / "work.ipynb"
    notebook.write_bytes(content)
    before = files_in(tmp_path)
    answer = run("check", notebook, "--course", tmp_path / "course")
    assert answer.status in (1, 2)
    assert answer.out == ""
    assert str(notebook) in answer.error
    assert why in answer.error and remedy in answer.error
    assert files_in(tmp_path) == before


def test_another_assignment_is_noticed_also_when_one_is_named(
    solved: NotebookNode, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    notebook = tmp_path / "work.ipynb"
    notebook.write_bytes(changed(solved, other_assignment))
    answer = run("check", notebook, "--assignment", ASSIGNMENT, "--course", tmp_path / "course")
    assert answer.status == 1
    assert str(notebook) in answer.error and "'elsewhere'" in answer.error


def test_a_notebook_that_says_nothing_needs_the_assignment_named(
    solved: NotebookNode, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    notebook = tmp_path / "work.ipynb"
    notebook.write_bytes(changed(solved, lambda data: data["metadata"].pop("course")))
    answer = run("check", notebook, "--course", tmp_path / "course")
    assert answer.status == 2
    assert "add --assignment NAME" in answer.error


def test_version_four_point_zero_is_graded(
    few: NotebookNode, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    def oldest(data: dict[str, Any]) -> None:
        data["nbformat_minor"] = 0
        for cell in data["cells"]:
            cell.pop("id")

    notebook = tmp_path / "old.ipynb"
    notebook.write_bytes(changed(few, oldest))
    answer = run("check", notebook, "--course", tmp_path / "course", "--json")
    correct = [task["name"] for task in json.loads(answer.out)["tasks"] if task["score"]]
    assert set(correct) == set(FEW)


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("check", "gone.ipynb"), 1, "gone.ipynb: no such file"),
        (("check", "."), 1, ".: "),
        (("grade", "perzeptron"), 1, "unknown assignment 'perzeptron'; known are:"),
        (("report", "perzeptron"), 1, "unknown assignment 'perzeptron'; known are:"),
        (("build", "perzeptron"), 1, "unknown assignment 'perzeptron'; known are:"),
        (("solve", "perzeptron", "-o", "s.ipynb"), 1, "unknown assignment 'perzeptron'"),
        (("sync", "perzeptron"), 1, "unknown assignment 'perzeptron'; known are:"),
    ],
)
def test_wrong_names(
    words: tuple[str, ...],
    status: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Callable[..., Answer],
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = run(*words)
    assert answer.status == status
    assert message in answer.error
    assert files_in(tmp_path) == {}


def test_an_empty_submissions_folder(tmp_path: Path, run: Callable[..., Answer]) -> None:
    answer = run("grade", ASSIGNMENT, "--course", tmp_path / "course")
    assert answer.status == 1
    assert "submitted: nothing submitted; put notebooks at" in answer.error
    assert files_in(tmp_path) == {}


def test_an_assignment_that_was_not_built(
    graded_class: ClassOfStudents, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    course = graded_class.copy(tmp_path / "course", without=("cut", "gradebook.db"))
    answer = run("grade", ASSIGNMENT, "--course", course.directory)
    assert answer.status == 1
    assert "gradebook.db" in answer.error and "run `autograder build perceptron" in answer.error


def test_a_gradebook_that_is_none(
    graded_class: ClassOfStudents, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    course = graded_class.copy(tmp_path / "course")
    (course.directory / "gradebook.db").write_bytes(b"not a database" * 100)
    answer = run("grade", ASSIGNMENT, "--course", course.directory)
    assert answer.status == 1
    assert "gradebook.db" in answer.error and "restore it from a backup" in answer.error


def test_a_configuration_that_cannot_be_loaded(
    graded_class: ClassOfStudents, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    course = graded_class.copy(tmp_path / "course")
    course.config.write_text("c = get_config(\n")
    answer = run("grade", ASSIGNMENT, "--course", course.directory)
    assert answer.status == 1
    assert str(course.config) in answer.error and "cannot be loaded" in answer.error


def test_in_a_class_the_others_are_still_graded(
    graded_class: ClassOfStudents, solved: NotebookNode, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    course = graded_class.copy(tmp_path / "course")
    shutil.rmtree(course.submitted / "cut")
    for name, (content, _, _) in bad_files(solved).items():
        submit(course, name, content)
    misnamed = course.submitted / "misnamed" / ASSIGNMENT
    misnamed.mkdir(parents=True)
    (misnamed / "my work.ipynb").write_bytes(nbformat.writes(solved).encode())
    answer = run("grade", ASSIGNMENT, "--course", course.directory)
    assert answer.status == 1
    failed = {line.split(": ")[1]: line for line in answer.err.splitlines() if "not graded" in line}
    assert set(failed) == {*BAD, "misnamed"}
    for name, line in failed.items():
        assert str(course.submitted / name / ASSIGNMENT / f"{ASSIGNMENT}.ipynb") in line
    assert "Traceback" not in answer.err
    graded = {mark.student: mark.score for mark in marks(course, ASSIGNMENT)}
    assert graded == {mark.student: mark.score for mark in marks(graded_class.course, ASSIGNMENT)}
    for name in failed:
        assert not (course.autograded / name).exists()
        assert not (course.feedback / name).exists()


# ---- folders that cannot be written -------------------------------------------------------------
# Permission bits do not bind root, so the folders are mounted anew for the command alone.


def in_namespace(
    mounts: list[str], script: str, course: Course
) -> subprocess.CompletedProcess[str]:
    """Run a shell script that sees these mounts; `$grade` in it grades the course."""
    grade = f"{sys.executable} -m autograder grade {ASSIGNMENT} --course {course.directory}"
    return subprocess.run(
        ["bwrap", "--dev-bind", "/", "/", *mounts, "sh", "-c", f"grade='{grade}'\n{script}"],
        capture_output=True,
        text=True,
        check=False,
    )


def error_of(command: subprocess.CompletedProcess[str]) -> str:
    return Answer(command.returncode, command.stdout, command.stderr).error


def test_a_read_only_course_folder(graded_class: ClassOfStudents, tmp_path: Path) -> None:
    course = graded_class.copy(tmp_path / "course", without=("autograded", "feedback"))
    before = files_in(course.directory)
    folder = str(course.directory)
    command = in_namespace(["--ro-bind", folder, folder], "$grade", course)
    assert command.returncode == 1
    assert error_of(command) == (
        f"autograder: {course.directory}: cannot be written; make the folder writable"
    )
    assert files_in(course.directory) == before


FILL = 'dd if=/dev/zero of="$course/filling" bs=4k 2>/dev/null'


@pytest.mark.parametrize("stage", ["results", "marks"])
def test_a_full_disk(graded_class: ClassOfStudents, tmp_path: Path, stage: str) -> None:
    """The disk is full before the results, or when they are all there and nbgrader writes."""
    lost = ("cut", "autograded", "feedback", *(["reports"] if stage == "results" else []))
    seed = graded_class.copy(tmp_path / "seed", without=lost)
    if stage == "results":
        for student in set(graded_class.submitted) - {"cut", "untouched"}:
            shutil.rmtree(seed.submitted / student)
    course = Course(tmp_path / "course")
    course.directory.mkdir()
    kept = tmp_path / "kept"
    script = f"""
        course={course.directory}
        cp -r {seed.directory}/. "$course"
        {FILL}
        $grade
        status=$?
        rm "$course/filling"
        cp -r "$course" {kept}
        exit $status
    """
    mounts = ["--size", str(64 * 2**20), "--tmpfs", str(course.directory)]
    command = in_namespace(mounts, script, course)
    assert command.returncode == 1, command.stderr
    assert "free some space and run again" in error_of(command)
    left = Course(kept)
    assert files_in(left.autograded) == {} and files_in(left.feedback) == {}
    assert not [path for path in left.reports.rglob("*") if path.name.startswith(".")]
    again = {mark.student: mark.score for mark in grade_class(ASSIGNMENT, left).marks}
    expected = {mark.student: mark.score for mark in marks(graded_class.course, ASSIGNMENT)}
    assert again == expected
