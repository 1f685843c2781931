"""A grader at hand: `autograder check` asks it, and does without where there is none."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.course import write_atomically
from benchmarks.project import ANSWERS, WRONG, Project, lay_out

READY = "ready: run autograder check NOTEBOOK"


class AtHand:
    """`autograder warm` in a project, and what it says."""

    def __init__(self, project: Project, folder: Path) -> None:
        self.project = project
        self.own = {"XDG_RUNTIME_DIR": str(folder)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "autograder", "warm"],
            cwd=project.folder,
            env=project.environment(**self.own),
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said = self.until_ready()

    def until_ready(self) -> list[str]:
        assert self._process.stderr is not None
        lines = []
        for line in self._process.stderr:
            lines.append(line.strip())
            if lines[-1] == READY:
                break
        return lines

    def check(self, notebook: Path) -> subprocess.CompletedProcess[str]:
        return self.project.run("check", notebook, "--json", check=False, **self.own)

    def end(self) -> int:
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(30)


@pytest.fixture(scope="module")
def at_hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AtHand]:
    folder = tmp_path_factory.mktemp("warm")
    (folder / "run").mkdir(mode=0o700)
    made = AtHand(lay_out(folder / "project"), folder / "run")
    yield made
    assert made.end() == 0


def test_the_grader_at_hand_gives_the_same_report(at_hand: AtHand, tmp_path: Path) -> None:
    notebook = at_hand.project.submit("ada", ANSWERS | {"softmax": WRONG["softmax"]})
    warm = at_hand.check(notebook)
    assert at_hand.until_ready() == [f"grading {notebook}", READY]
    cold = at_hand.project.run("check", notebook, "--json", XDG_RUNTIME_DIR=str(tmp_path))
    assert json.loads(warm.stdout) == json.loads(cold.stdout)
    assert 0 < json.loads(warm.stdout)["score"] < 30


def test_what_stands_against_a_notebook_is_said_by_whoever_asked(at_hand: AtHand) -> None:
    notebook = at_hand.project.submit("boris", b'{"nbformat": 4, "metadata": {}, "cells": 5}')
    done = at_hand.project.run(
        "check", notebook, "--assignment", "quick", check=False, **at_hand.own
    )
    assert done.returncode == 1
    assert "a notebook without cells or metadata" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_changed_check_is_noticed(at_hand: AtHand) -> None:
    notebook = at_hand.project.submit("chen", ANSWERS)
    assert json.loads(at_hand.check(notebook).stdout)["score"] == 30
    at_hand.until_ready()
    extra = at_hand.project.folder / "autograder" / "checks" / "quick" / "test_extra.py"
    lines = [
        "import pytest",
        '@pytest.mark.task("softmax")',
        "def test_never(student):",
        "    1 / 0",
    ]
    write_atomically(extra, "\n".join(lines))
    try:
        assert json.loads(at_hand.check(notebook).stdout)["score"] < 30
    finally:
        extra.unlink()
    at_hand.until_ready()


def test_one_grader_is_at_hand_at_a_time(at_hand: AtHand) -> None:
    done = at_hand.project.run("warm", check=False, **at_hand.own)
    assert done.returncode == 1 and "already" in done.stderr


def test_a_folder_that_others_may_enter_is_refused(at_hand: AtHand, tmp_path: Path) -> None:
    (tmp_path / f"autograder-{os.geteuid()}").mkdir(mode=0o755)
    done = at_hand.project.run("warm", check=False, XDG_RUNTIME_DIR=str(tmp_path))
    assert done.returncode == 1 and "others may enter it" in done.stderr
