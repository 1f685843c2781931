"""What a person decided and what a stopped run had done stays, through the real command lines."""

import csv
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from nbgrader.api import Gradebook

from autograder.marks import Mark, marks
from benchmarks.project import ANSWERS, WRONG, Project, lay_out

SLOW = ["import time\ntime.sleep(0.5)"]
CLASS = {
    "ada": ANSWERS,
    "bea": {"accuracy": ANSWERS["accuracy"]},
    "cem": {},
    "dan": ANSWERS,
    "eva": {"n_weights": ANSWERS["n_weights"], "accuracy": ANSWERS["accuracy"]},
}
SCORES = {"ada": 30.0, "bea": 2.0, "cem": 0.0, "dan": 30.0, "eva": 5.0}


@dataclass
class Stopped:
    """A run that was sent a signal, the processes that it had, and what it said."""

    status: int
    left: list[psutil.Process]
    lines: list[dict[str, Any]]
    err: str


@dataclass
class Graded:
    """A project whose class was graded in runs of which the first ones were stopped."""

    project: Project
    before: dict[str, tuple[bytes, int]]
    stopped: list[Stopped] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)

    def marks(self) -> dict[str, Mark]:
        return {mark.student: mark for mark in marks(self.project.course, "quick")}

    def scores(self) -> dict[str, float]:
        return {student: mark.score for student, mark in self.marks().items()}


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of change of every file."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Graded:
    project = lay_out(tmp_path_factory.mktemp("nothing-lost") / "project")
    for student, answers in CLASS.items():
        project.submit(student, answers, SLOW)
    graded = Graded(project, files(project.course.submitted))
    graded.stopped.append(stopped(project, os.killpg, signal.SIGINT))  # as a terminal does
    graded.stopped.append(stopped(project, os.kill, signal.SIGTERM))
    done = project.run("grade", "quick", "--json")
    graded.lines = [json.loads(line) for line in done.stdout.splitlines()]
    return graded


def stopped(project: Project, send: Callable[[int, int], None], number: int) -> Stopped:
    """Grade, and send a signal once a submission has been graded."""
    running = subprocess.Popen(
        [sys.executable, "-m", "autograder", "grade", "quick", "--json", "--jobs", "1"],
        cwd=project.folder,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert running.stdout is not None
    lines: list[dict[str, Any]] = []
    while not lines or lines[-1]["status"] != "graded":
        lines.append(json.loads(running.stdout.readline()))
    processes = psutil.Process(running.pid).children(recursive=True)
    send(running.pid, number)
    out, err = running.communicate()
    lines += [json.loads(line) for line in out.splitlines()]
    _, left = psutil.wait_procs(processes, timeout=10)
    return Stopped(running.returncode, left, lines, err)


@pytest.mark.parametrize("number", [0, 1])
def test_a_stopped_run_says_how_to_go_on_and_leaves_no_process(graded: Graded, number: int) -> None:
    run = graded.stopped[number]
    *lines, summary = run.lines
    assert run.status == 130
    assert run.left == []
    assert "Traceback" not in run.err
    [said] = [line for line in run.err.splitlines() if line.startswith("autograder: ")]
    assert said == (
        f"autograder: stopped: {len(lines)} of 5 submissions are graded and in the gradebook; "
        "run the same command again to go on"
    )
    assert 0 < len(lines) < 5
    assert summary["stopped"] and summary["graded"] + summary["stored"] == len(lines)


def test_what_stopped_runs_have_graded_is_not_graded_again(graded: Graded) -> None:
    *lines, summary = graded.lines
    first, second = graded.stopped
    for earlier, later in ((first.lines, second.lines), (second.lines, graded.lines)):
        entered = {line["student"] for line in earlier[:-1]}
        assert entered <= {line["student"] for line in later[:-1] if line["status"] == "stored"}
    assert {line["student"]: line["score"] for line in lines} == SCORES
    assert (summary["submissions"], summary["failed"], summary["stopped"]) == (5, 0, False)
    assert graded.scores() == SCORES


def test_files_of_students_are_never_written_to(graded: Graded) -> None:
    assert files(graded.project.course.submitted) == graded.before


def test_nbgrader_lists_and_exports_the_class(graded: Graded) -> None:
    project = graded.project
    students = project.nbgrader("db", "student", "list").stdout
    assert all(f"{student} (" in students for student in CLASS)
    assert "quick" in project.nbgrader("db", "assignment", "list").stdout
    project.nbgrader("export")
    with (project.course.directory / "grades.csv").open() as file:
        exported = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert exported == graded.scores()


def test_a_regrade_keeps_points_and_comments_of_people(graded: Graded) -> None:
    project = graded.project
    with Gradebook(project.course.gradebook_url) as gradebook:
        gradebook.find_grade("softmax", "quick", "quick", "dan").manual_score = 3.5
        gradebook.find_grade("accuracy", "quick", "quick", "dan").extra_credit = 1.5
        gradebook.db.commit()
    changed = ANSWERS | {"softmax": WRONG["softmax"], "linear_backward": "x = 1"}
    path = project.submit("dan", changed)
    submitted = files(path.parent)
    project.run("grade", "quick")
    assert graded.scores() == SCORES | {"dan": 30 - 6 - 0.5 + 1.5}
    assert files(path.parent) == submitted
    page = project.course.feedback / "dan" / "quick" / "quick.html"
    ours = page.read_text()
    assert "a person changed the mark" in ours and "3.5 / 4" in ours and "3.5 / 2" in ours
    project.nbgrader("generate_feedback", "quick", "--force")
    assert page.read_text() == ours


def test_a_terminal_shows_pace_and_failures_above_the_bar(graded: Graded) -> None:
    project = graded.project
    for student in ("fay", "gus", "hal"):
        project.submit(student, ANSWERS, SLOW)
    project.submit("ida", b"no notebook")
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "autograder", "grade", "quick", "--jobs", "1"],
        cwd=project.folder,
        env=project.environment(TERM="xterm", COLUMNS="200"),
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b"".join(read(ours)).decode()
    assert running.wait() == 1
    place = shown.index("autograder: ida: not graded: ")
    assert "ida/quick/quick.ipynb: not a notebook" in shown
    assert "9/9" in shown[place:] and "5 unchanged" in shown[place:]
    assert re.search(r"\d+ a minute  0:00:\d\d left", shown)


def read(terminal: int) -> Iterator[bytes]:
    """What a terminal shows until its last writer is gone."""
    while True:
        try:
            yield os.read(terminal, 4096)
        except OSError:
            return
