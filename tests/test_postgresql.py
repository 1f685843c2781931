"""The gradebook on a real PostgreSQL server, through the real command lines."""

import csv
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from nbgrader.api import Gradebook

from benchmarks.project import ANSWERS, WRONG, Project, lay_out

PASSWORD = "p4ss word/of:the@course%"
ESCAPED = "p4ss%20word%2Fof%3Athe%40course%25"
DATABASE = "marks"
REMEDY = "no initdb; install PostgreSQL's server (Debian, Ubuntu: apt-get install postgresql)"


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server of the tests' own: it listens in a folder, and asks for a password."""

    folder: Path

    @property
    def url(self) -> str:
        """What a course's configuration gets as db_url."""
        return f"postgresql://teacher:{ESCAPED}@/{DATABASE}?host={self.folder}"

    def rows(self, query: str, database: str = DATABASE) -> list[tuple[Any, ...]]:
        """What a query comes to, not asked through nbgrader or ourselves."""
        url = self.url.replace(f"/{DATABASE}?", f"/{database}?")
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []


def programs() -> Path:
    """The folder of the newest server's programs; where there is none, .ci/run must not go on."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[4]))
    if initdb := shutil.which("initdb"):
        found.append(Path(initdb).parent)
    if not found and os.environ.get("POSTGRESQL") == "required":
        pytest.fail(REMEDY)
    if not found:
        pytest.skip(REMEDY)
    return found[-1]


def run_as_user(*command: object) -> None:
    """Run a command as the ordinary user that the server insists on."""
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    words = list(map(str, command))
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, cwd="/", user=user)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A running server with an empty database."""
    bin = programs()
    # A socket's path must be short, and the server's user must be able to reach it.
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o777)
        password, data = folder / "password", folder / "data"
        password.write_text(PASSWORD)
        login = ("--auth=scram-sha-256", "--username=teacher", f"--pwfile={password}")
        run_as_user(bin / "initdb", "-D", data, *login, "--encoding=UTF8", "--locale=C")
        options = f"-k {folder} -c listen_addresses= -c fsync=off"
        control = (bin / "pg_ctl", "-D", data, "-w")
        run_as_user(*control, "-o", options, "-l", folder / "log", "start")
        try:
            running = Server(folder)
            running.rows(f"CREATE DATABASE {DATABASE}", database="postgres")
            yield running
        finally:
            run_as_user(*control, "-m", "immediate", "stop")


ALL = {"ada": 30.0, "bea": 27.0, "cem": 30.0, "dov": 27.0, "eva": 0.0, "fay": 30.0}
BY_MARK: dict[float, dict[str, str]] = {
    30.0: ANSWERS,
    27.0: ANSWERS | {"softmax": WRONG["softmax"]},
    0.0: {},
}
MARKS_OF_CELLS = "SELECT id, cell_id, notebook_id, auto_score, manual_score FROM grade"
MARKS = """
    SELECT student_id, sum(coalesce(manual_score, auto_score)), count(*)
    FROM grade
    JOIN submitted_notebook ON grade.notebook_id = submitted_notebook.id
    JOIN submitted_assignment ON submitted_notebook.assignment_id = submitted_assignment.id
    GROUP BY student_id
"""


@dataclass
class CourseOnServer:
    """A project whose gradebook is on the server, and all that its commands have said."""

    project: Project
    server: Server
    said: str = ""

    def heard(self, done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
        self.said += done.stdout + done.stderr
        return done

    def marks(self) -> dict[str, float]:
        """The marks on the server; each student has one entry, with a grade for each task."""
        rows = self.server.rows(MARKS)
        assert {count for _, _, count in rows} <= {len(ANSWERS)}
        assert len({student for student, *_ in rows}) == len(rows)
        return {student: score for student, score, _ in rows}


@pytest.fixture(scope="module")
def course(server: Server, tmp_path_factory: pytest.TempPathFactory) -> CourseOnServer:
    """Six submissions, graded in a run that was killed half-way and in one that went on."""
    project = lay_out(tmp_path_factory.mktemp("postgresql") / "project")
    (project.course.directory / "gradebook.db").unlink()
    with project.course.config.open("a") as file:
        file.write(f"c.CourseDirectory.db_url = {server.url!r}\n")
    course = CourseOnServer(project, server)
    course.heard(project.run("build", "quick"))
    for student, mark in ALL.items():
        project.submit(student, BY_MARK[mark], ["import time\ntime.sleep(0.5)"])
    _kill_half_way(course)
    course.heard(project.run("grade", "quick"))
    return course


def _kill_half_way(course: CourseOnServer) -> None:
    command = [sys.executable, "-m", "autograder", "grade", "quick", "--jobs", "1"]
    running = subprocess.Popen(
        command,
        cwd=course.project.folder,
        env=course.project.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while len(course.marks()) < 2:
        assert running.poll() is None
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert len(course.marks()) < len(ALL)


def test_a_killed_run_goes_on_and_all_marks_are_on_the_server(course: CourseOnServer) -> None:
    assert course.marks() == ALL
    assert not (course.project.course.directory / "gradebook.db").exists()


def test_grading_again_changes_nothing(course: CourseOnServer) -> None:
    before = course.server.rows(f"{MARKS_OF_CELLS} ORDER BY 1, 2")
    done = course.heard(course.project.run("grade", "quick", "--json"))
    *lines, summary = map(json.loads, done.stdout.splitlines())
    assert (summary["graded"], summary["stored"], summary["failed"]) == (0, len(ALL), 0)
    assert {line["student"]: line["score"] for line in lines} == ALL
    assert course.server.rows(f"{MARKS_OF_CELLS} ORDER BY 1, 2") == before


def test_nbgrader_finds_the_same_marks(course: CourseOnServer) -> None:
    course.heard(course.project.nbgrader("export"))
    with (course.project.course.directory / "grades.csv").open() as file:
        exported = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert exported == ALL
    listed = course.heard(course.project.nbgrader("db", "student", "list"))
    assert all(student in listed.stdout for student in ALL)


def test_a_regrade_keeps_what_a_person_graded(course: CourseOnServer) -> None:
    with Gradebook(course.server.url) as gradebook:
        gradebook.find_grade("softmax", "quick", "quick", "bea").manual_score = 3.5
        gradebook.db.commit()
    course.project.submit("bea", {"softmax": WRONG["softmax"], "n_weights": ANSWERS["n_weights"]})
    course.heard(course.project.run("grade", "quick"))
    assert course.marks() == ALL | {"bea": 3.5 + 3}


@pytest.mark.parametrize(
    ("url", "reason", "remedy"),
    [
        ("postgresql://teacher:{wrong}@/marks?host={folder}", "password", "mend user and password"),
        ("postgresql://teacher:{right}@/elsewhere?host={folder}", "does not exist", "create it"),
        ("postgresql+psycopg://teacher:{right}@127.0.0.1:1/marks", "refused", "start the database"),
        ("postgresql+psycopg2://teacher:{right}@/marks", "No module named 'psycopg2'", "install"),
    ],
)
def test_a_gradebook_that_cannot_be_opened_is_one_line(
    course: CourseOnServer, tmp_path: Path, url: str, reason: str, remedy: str
) -> None:
    wrong = ESCAPED.replace("course", "curse")
    url = url.format(wrong=wrong, right=ESCAPED, folder=course.server.folder)
    [line] = _errors_with(course, tmp_path / "course", url)
    assert line.startswith("autograder: postgresql") and reason in line and remedy in line
    assert "curse" not in line


def test_what_is_no_address_is_not_shown(course: CourseOnServer, tmp_path: Path) -> None:
    [line] = _errors_with(course, tmp_path / "course", f"teacher:{ESCAPED}@server/marks")
    assert "nbgrader_config.py: c.CourseDirectory.db_url is no address" in line


def test_a_missing_driver_is_named(course: CourseOnServer, tmp_path: Path) -> None:
    (tmp_path / "psycopg.py").write_text("raise ImportError('not there')")
    path = os.pathsep.join([str(tmp_path), str(course.project.folder)])
    [line] = _errors_with(course, tmp_path / "course", course.server.url, PYTHONPATH=path)
    assert "its driver is not installed (not there); pip install -e '.[postgresql]'" in line


def _errors_with(course: CourseOnServer, folder: Path, url: str, **environment: str) -> list[str]:
    """What `autograder grade` says of another address of the gradebook, the bar left out."""
    shutil.copytree(course.project.course.directory, folder)
    with (folder / "nbgrader_config.py").open("a") as file:
        file.write(f"c.CourseDirectory.db_url = {url!r}\n")
    words = ("grade", "quick", "--course", folder)
    done = course.project.run(*words, check=False, **environment)
    assert course.heard(done).returncode == 1
    lines = done.stderr.splitlines()
    return [line for line in lines if line.strip() and "grading quick" not in line]


def test_the_password_is_said_nowhere(course: CourseOnServer) -> None:
    course.heard(course.project.run("report", "quick"))
    files = [path for path in course.project.course.directory.rglob("*") if path.is_file()]
    files.remove(course.project.course.config)
    texts = [course.said, *(path.read_text(errors="replace") for path in files)]
    assert "postgresql://teacher:***@" in course.said
    assert [text for text in texts if PASSWORD in text or ESCAPED in text] == []
