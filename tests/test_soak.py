"""A class graded by runs that are killed again and again gets the marks of an undisturbed run."""

import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.course import ROOT, Course
from benchmarks import soak_fuzz
from benchmarks.soak import moments
from benchmarks.soak_folder import Contents
from tests import fuzzing


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a small class has been graded, once undisturbed and once with two kills."""
    folder = tmp_path_factory.mktemp("soak") / "soak"
    words = ["--submissions", "10", "--kills", "2", "--seed", "2", "--folder", str(folder)]
    command = [sys.executable, "-m", "benchmarks.soak", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "wrong: " not in done.stdout and "killed 0 times" not in done.stdout
    assert done.stdout.splitlines()[-1].endswith(": the same as undisturbed")
    return folder


def test_the_marks_of_people_are_in_what_is_compared(folder: Path) -> None:
    rows = Contents.of(Course(folder / "undisturbed")).rows
    assert any("manual_comment='seen, s0000'" in row for row in rows)
    assert any("late_submission_penalty=" in row and "penalty=None" not in row for row in rows)
    assert any("needs_manual_grade=1" in row or "needs_manual_grade=True" in row for row in rows)


def _mark(course: Path) -> None:
    with sqlite3.connect(course / "gradebook.db") as database:
        database.execute("UPDATE grade SET auto_score = 1.5 WHERE auto_score = 4")


def _unlink(course: Path) -> None:
    next(course.glob("feedback/*/quick/quick.html")).unlink()


def _append(course: Path) -> None:
    with next(course.glob("autograded/*/quick/quick.ipynb")).open("a") as file:
        file.write("\n")


def _previous(course: Path) -> None:
    next(course.glob("autograded/*")).joinpath(".quick.previous").mkdir()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_mark, "only now in the gradebook: grade: "),
        (_unlink, "quick.html: gone"),
        (_append, "quick.ipynb: changed"),
        (_previous, ".quick.previous: new"),
    ],
)
def test_what_differs_is_found(
    folder: Path, tmp_path: Path, damage: Callable[[Path], None], words: str
) -> None:
    course = shutil.copytree(folder / "undisturbed", tmp_path / "course")
    expected = Contents.of(Course(folder / "undisturbed"))
    assert expected.differences(Contents.of(Course(course))) == []
    damage(course)
    assert any(words in found for found in expected.differences(Contents.of(Course(course))))


def test_the_moments_of_kills_are_drawn_over_the_duration() -> None:
    drawn = [moments(5, 60.0, random.Random(seed)) for seed in range(50)]
    assert all(len(gaps) == 5 and min(gaps) >= 0 and sum(gaps) <= 60 for gaps in drawn)
    assert len({round(sum(gaps[:2]) / 10) for gaps in drawn}) > 3
    assert drawn[0] == moments(5, 60.0, random.Random(0))


def test_the_long_fuzzing_has_the_same_targets() -> None:
    assert set(soak_fuzz.NAMES) == set(fuzzing.TARGETS)
    for name, target in fuzzing.TARGETS.items():
        for seed in fuzzing.seeds(name):
            target(seed)
