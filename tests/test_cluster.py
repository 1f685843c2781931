"""Grading on a real Dask cluster: a scheduler and worker processes on the loopback interface."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import psutil
import pytest
from distributed import Client

from autograder.course import Course
from autograder.marks import marks
from benchmarks.project import ANSWERS, WRONG, Project, lay_out

STUDENTS = {
    "ada": ANSWERS,
    "bea": ANSWERS | {"softmax": WRONG["softmax"]},
    "cem": {},
    "dov": {"n_weights": ANSWERS["n_weights"]},
    "eva": ANSWERS,
    "fay": ANSWERS | {"accuracy": WRONG["accuracy"]},
    "gil": ANSWERS,
    "hal": {"softmax": ANSWERS["softmax"]},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Eight submissions; no two of them are graded in the same moment."""
    project = lay_out(tmp_path_factory.mktemp("cluster") / "project")
    for student, answers in STUDENTS.items():
        project.submit(student, answers, ["import time\ntime.sleep(0.5)"])
    return project


@pytest.fixture(scope="module")
def local_marks(project: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """The marks that this machine gives."""
    folder = copied_course(project, tmp_path_factory.mktemp("local"))
    project.run("grade", "quick", "--course", folder)
    return scores(folder)


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scheduler."""
    folder = tmp_path_factory.mktemp("scheduler")
    file = folder / "scheduler.json"
    words = ("scheduler", "--host", "127.0.0.1", "--port", 0, "--scheduler-file", file)
    with dask(folder, None, *words) as process:
        while not file.exists() or not file.read_text().endswith("}"):
            assert process.status() != psutil.STATUS_ZOMBIE, (folder / "log").read_text()
            time.sleep(0.1)
        yield json.loads(file.read_text())["address"]


@contextmanager
def dask(folder: Path, project: Project | None, *words: object) -> Iterator[psutil.Process]:
    """A program of Dask as long as the context lasts; a worker imports its project."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "dask", *map(str, words), "--no-dashboard"]
    environment = project.environment() if project else None
    with (folder / "log").open("a") as log:
        running = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        yield psutil.Process(running.pid)
    finally:
        running.terminate()
        running.wait()


def worker(
    folder: Path, project: Project, scheduler: str, *words: str
) -> AbstractContextManager[psutil.Process]:
    """A worker process that grades one notebook at a time."""
    options = ("--nthreads", 1, "--local-directory", folder, *words)
    return dask(folder, project, "worker", scheduler, *options)


def await_workers(scheduler: str, number: int) -> list[str]:
    """The workers' addresses, when there are so many."""
    with Client(scheduler, set_as_default=False) as client:
        client.wait_for_workers(number, timeout=120)
        return list(client.nthreads())


def graders(process: psutil.Process) -> list[psutil.Process]:
    """The grader processes below a process, and their sandboxes."""
    return [
        below
        for child in process.children(recursive=True)
        if "autograder.graders" in child.cmdline()
        for below in (child, *child.children(recursive=True))
    ]


def copied_course(project: Project, folder: Path) -> Path:
    """The course folder once more, as it is before any grading."""
    return Path(shutil.copytree(project.course.directory, folder / "course"))


def scores(course: Path) -> dict[str, float]:
    return {mark.student: mark.score for mark in marks(Course(course), "quick")}


def entries(course: Path) -> list[tuple[str, int]]:
    """Each row of the gradebook that is a student's submission, and the number of its grades."""
    query = """
        SELECT student_id, count(*) FROM submitted_assignment
        JOIN submitted_notebook ON submitted_notebook.assignment_id = submitted_assignment.id
        JOIN grade ON grade.notebook_id = submitted_notebook.id
        GROUP BY submitted_assignment.id ORDER BY student_id
    """
    with closing(sqlite3.connect(course / "gradebook.db")) as database:
        return database.execute(query).fetchall()


def test_a_worker_killed_half_way_changes_no_mark_and_enters_nothing_twice(
    project: Project, local_marks: dict[str, float], scheduler: str, tmp_path: Path
) -> None:
    course = copied_course(project, tmp_path)
    command = [sys.executable, "-m", "autograder", "grade", "quick", "--json"]
    command += ["--course", str(course), "--cluster", scheduler]
    with (
        worker(tmp_path / "steady", project, scheduler),
        worker(tmp_path / "killed", project, scheduler, "--no-nanny") as killed,
    ):
        await_workers(scheduler, 2)
        grading = subprocess.Popen(
            command,
            cwd=project.folder,
            env=project.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert grading.stdout is not None
        lines = [json.loads(grading.stdout.readline()) for _ in range(2)]
        at_work = graders(killed)
        assert at_work
        killed.kill()
        lines += [json.loads(line) for line in grading.stdout]
        assert grading.wait() == 0
    *outcomes, summary = lines
    assert sorted(outcome["student"] for outcome in outcomes) == sorted(STUDENTS)
    assert (summary["graded"], summary["stored"], summary["failed"]) == (len(STUDENTS), 0, 0)
    assert scores(course) == local_marks
    assert entries(course) == [(student, len(ANSWERS)) for student in sorted(STUDENTS)]
    _, alive = psutil.wait_procs(at_work, timeout=60)
    assert alive == []


def test_a_worker_with_other_checks_refuses(
    project: Project, local_marks: dict[str, float], scheduler: str, tmp_path: Path
) -> None:
    changed = Project(Path(shutil.copytree(project.folder, tmp_path / "changed")))
    with (changed.folder / "autograder/checks/quick/test_quick.py").open("a") as file:
        file.write("# once more\n")
    course = copied_course(project, tmp_path)
    words = ("grade", "quick", "--course", course, "--cluster", scheduler)
    with worker(tmp_path / "refusing", changed, scheduler, "--no-nanny") as refusing:
        [address] = await_workers(scheduler, 1)
        alone = project.run(*words, check=False)
        with worker(tmp_path / "willing", project, scheduler):
            await_workers(scheduler, 2)
            beside_another = project.run(*words)
        assert graders(refusing) == []
    assert alone.returncode == 1
    refusal = f"{address} refuses to grade: its checks differ"
    said, error = error_lines(alone)
    assert refusal in said
    assert f"({address}: its checks differ)" in error
    assert refusal in beside_another.stderr
    assert scores(course) == local_marks


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("tcp://127.0.0.1:1", "no Dask scheduler answers there: Timed out"),
        ("127.0.0.1", "no Dask scheduler answers there: missing port number"),
        ("tls://127.0.0.1:1", "no Dask scheduler answers there: TLS expects"),
    ],
)
def test_an_address_without_a_scheduler_is_one_line(
    project: Project, tmp_path: Path, address: str, reason: str
) -> None:
    course = copied_course(project, tmp_path)
    words = ("grade", "quick", "--course", course, "--cluster", address)
    done = project.run(*words, check=False)
    assert done.returncode == 1
    [line] = error_lines(done)
    assert line.startswith(f"autograder: {address}: {reason}")


def test_a_missing_package_is_named(project: Project, tmp_path: Path) -> None:
    (tmp_path / "distributed.py").write_text("raise ImportError('not there')")
    course = copied_course(project, tmp_path)
    words = ("grade", "quick", "--course", course, "--cluster", "tcp://127.0.0.1:1")
    path = os.pathsep.join([str(tmp_path), str(project.folder)])
    done = project.run(*words, check=False, PYTHONPATH=path)
    assert done.returncode == 1
    [line] = error_lines(done)
    assert "pip install -e '.[cluster]'" in line


def error_lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What a command said on stderr, its bar left out."""
    lines = done.stderr.splitlines()
    return [line for line in lines if line.strip() and "grading quick" not in line]
