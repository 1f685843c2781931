"""Results: valid as long as nothing changed, graded by processes that leave nothing behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from autograder import results
from autograder.course import Course
from autograder.errors import CourseError
from autograder.graders import GRADER_DIED, GraderProcess
from autograder.results import Grader, Job, Result
from autograder.work import Conditions, Work, grade
from benchmarks.project import ANSWERS, Project, lay_out
from tests.conftest import ASSIGNMENT, ClassOfStudents

CHANGE_EACH = """
import json, sys
from pathlib import Path
from autograder.work import Conditions

found = {}
before = Conditions.here("quick")
for name in sys.argv[1:]:
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    content = path.read_bytes() if path.exists() else b""
    path.write_bytes(content + b"# changed")
    found[name] = Conditions.here("quick").differences(before)
    path.write_bytes(content) if content else path.unlink()
print(json.dumps(found))
"""


FRAGILE_CHECK = """

@pytest.mark.task("n_weights")
def test_that_ends_its_grader(student):
    import os

    if student.value("n_weights") == 666:
        os._exit(1)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return lay_out(tmp_path_factory.mktemp("results") / "project")


def job(course: Course, student: str) -> Job:
    """What is to be done for a student."""
    notebook = course.submitted / student / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    return Job(course.directory, ASSIGNMENT, student, notebook, "bubblewrap", "cpu")


def write_notebook(course: Course, student: str, content: bytes = b"1") -> Path:
    path = job(course, student).notebook
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def grader_processes(process: psutil.Process | None = None) -> list[psutil.Process]:
    """The grader processes of a process; they are forked from one that it has started."""
    below = (process or psutil.Process()).children(recursive=True)
    named = [each for each in below if is_grader(each)]
    return [each for each in named if each.parent() in named]


def is_grader(process: psutil.Process) -> bool:
    try:
        return "autograder.graders" in process.cmdline()
    except psutil.Error:  # it has ended
        return False


# ---- keys ---------------------------------------------------------------------------------------


def test_a_result_is_valid_for_this_notebook_and_these_settings(tmp_path: Path) -> None:
    course = Course(tmp_path)
    notebook = write_notebook(course, "ada")
    here = Conditions.here(ASSIGNMENT)

    def key(conditions: Conditions = here, **changes: Any) -> str:
        return replace(job(course, "ada"), **changes).work(conditions).key

    first = key()
    assert key() == first
    assert key(student="bert") == first
    assert key(isolation="process") != first
    assert key(device="cuda") != first
    assert key(Conditions(here.files | {"checks": "other"}, here.versions)) != first
    assert key(Conditions(here.files, here.versions | {"torch": "2.11.0"})) != first
    (tmp_path / "secret").write_bytes(bytes(32))
    assert key() != first
    second = key()
    notebook.write_text("2")
    assert key() != second


def test_what_differs_is_said() -> None:
    asked = Conditions({"checks": "1", "solutions": "2"}, {"torch": "2.15.0", "numpy": "2.3"})
    here = Conditions({"checks": "1", "solutions": "3"}, {"torch": "2.11.0", "numpy": "2.3"})
    assert asked.differences(asked) == []
    assert here.differences(asked) == ["its solutions differ", "torch 2.11.0 instead of 2.15.0"]
    nothing = Conditions({}, {})
    assert len(nothing.differences(asked)) == 4


def test_a_result_depends_on_the_files_that_decide_on_it(project: Project, tmp_path: Path) -> None:
    depends = {
        "autograder/grading.py": ["its grader files differ"],
        "autograder/worker/session.py": ["its grader files differ"],
        "autograder/checks/tools.py": ["its checks differ"],
        "autograder/checks/quick/numbers.py": ["its checks differ"],
        "autograder/checks/quick/data.csv": ["its checks differ"],
        "autograder/checks/other/numbers.py": [],
        "autograder/checks/quick/__pycache__/numbers.pyc": [],
        "solutions/quick.py": ["its solutions differ"],
        "exercises/lab.py": ["its exercise files differ"],
        "exercises/quick/quick.md": ["its exercise files differ"],
        "exercises/quick/data.csv": ["its exercise files differ"],
        "_config.yml": [],
    }
    changed = Project(Path(shutil.copytree(project.folder, tmp_path / "changed")))
    sheet = changed.folder / "exercises" / "other" / "other.md"
    sheet.parent.mkdir()
    sheet.touch()
    done = subprocess.run(
        [sys.executable, "-c", CHANGE_EACH, *depends],
        cwd=changed.folder,
        env=changed.environment(),
        stdout=subprocess.PIPE,
        check=True,
    )
    assert json.loads(done.stdout) == depends


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"key": 1, "report": {}}'])
def test_a_damaged_stored_result_counts_as_none(tmp_path: Path, content: str) -> None:
    course = Course(tmp_path)
    results.store(course, ASSIGNMENT, Result("ada", "k", error="why"))
    assert results.load(course, ASSIGNMENT, "ada") == Result("ada", "k", error="why")
    [path] = course.reports.rglob("ada.json")
    path.write_text(content)
    assert results.load(course, ASSIGNMENT, "ada") is None


# ---- what is no submission ----------------------------------------------------------------------


def link_elsewhere(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def write_200_mb(path: Path) -> None:
    path.touch()
    os.truncate(path, 200 * 2**20)


def write_1_tb(path: Path) -> None:
    path.touch()
    os.truncate(path, 2**40)


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("perceptron.ipynb", None, "no such file; submit it under this name"),
        ("perceptron.ipynb", os.mkfifo, "neither a file nor a folder"),
        ("perceptron.ipynb", Path.mkdir, "a folder; name the notebook in it"),
        ("perceptron.ipynb", link_elsewhere, "a symbolic link"),
        ("perceptron.ipynb", write_200_mb, "200 MB; clear the outputs"),
        ("data.csv", os.mkfifo, "neither a file nor a folder"),
        ("data.csv", link_elsewhere, "a symbolic link"),
        ("data.csv", write_1_tb, "more than 256 MB"),
    ],
)
def test_what_is_no_notebook_is_neither_read_nor_graded(
    tmp_path: Path, name: str, make: Callable[[Path], None] | None, reason: str
) -> None:
    course = Course(tmp_path)
    path = write_notebook(course, "ada").with_name(name)
    path.unlink(missing_ok=True)
    if make is not None:
        make(path)
    [result] = results.graded([job(course, "ada")], processes=1)
    assert result.report is None and result.error is not None
    assert result.error.startswith(str(path.parent)) and reason in result.error
    assert results.load(course, ASSIGNMENT, "ada") == result
    assert grader_processes() == []


def test_messages_name_the_submitted_file_and_say_no_secret() -> None:
    path = "/course/submitted/ada/perceptron/perceptron.ipynb"
    here = Conditions.here(ASSIGNMENT)
    secret = b"the secret of this course"
    work = Work(ASSIGNMENT, "ada", path, b"{", secret, "bubblewrap", "cpu", here)
    result = grade(work)
    assert result.error is not None
    assert result.error.startswith(f"{path}: not a notebook")
    assert "autograder-" not in result.error
    assert "secret of" not in repr(work)


# ---- processes ----------------------------------------------------------------------------------


def test_stored_results_come_first(graded_class: ClassOfStudents, tmp_path: Path) -> None:
    course = graded_class.copy(tmp_path / "course")
    jobs = [job(course, student) for student in ("untouched", "full", "few")]
    stored = course.reports / ASSIGNMENT / "submissions" / "untouched.json"
    stored.unlink()
    found = list(results.graded(jobs, processes=2))
    assert [result.student for result in found] == ["full", "few", "untouched"]
    assert found == [results.load(course, ASSIGNMENT, result.student) for result in found]
    assert grader_processes() == []


def test_a_grader_process_that_dies_is_replaced(
    graded_class: ClassOfStudents, tmp_path: Path
) -> None:
    course = graded_class.copy(tmp_path / "course")
    grader = Grader()
    expected = results.load(course, ASSIGNMENT, "untouched")
    assert expected is not None
    stored = course.reports / ASSIGNMENT / "submissions" / "untouched.json"
    for _ in range(2):
        stored.unlink()
        assert grader.result(job(course, "untouched")) == expected
        assert grader_processes()
        for process in grader_processes():
            process.kill()
            process.wait()


def test_a_grader_process_is_kept_until_what_it_runs_has_changed() -> None:
    here = Conditions.here(ASSIGNMENT)
    other = Conditions(here.files | {"checks": "other"}, here.versions)

    def answered_by(process: GraderProcess, conditions: Conditions) -> list[int]:
        work = Work(ASSIGNMENT, "ada", "a.ipynb", b"{", b"", "bubblewrap", "cpu", conditions)
        assert process.grade(work).error is not None
        return [grader.pid for grader in grader_processes()]

    process = GraderProcess()
    [first] = answered_by(process, here)
    assert answered_by(process, here) == [first]
    [second] = answered_by(process, other)
    assert second != first
    host = psutil.Process(second).parent()
    process.close()
    assert grader_processes() == []
    with pytest.raises(CourseError, match="has been stopped"):
        answered_by(process, other)

    next_one = GraderProcess()
    [third] = answered_by(next_one, other)
    assert psutil.Process(third).parent() == host, "everything is imported there already"
    next_one.close()


def test_who_stops_a_grader_does_not_wait_for_its_imports() -> None:
    conditions = Conditions.here(ASSIGNMENT)
    anew = Conditions(conditions.files | {"checks": "not imported yet"}, conditions.versions)
    work = Work(ASSIGNMENT, "ada", "a.ipynb", b"{", b"", "bubblewrap", "cpu", anew)
    process = GraderProcess()
    with ThreadPoolExecutor() as threads:
        grading = threads.submit(process.grade, work)
        while process._process is None:
            time.sleep(0.01)
        [host] = filter(is_grader, psutil.Process().children())
        try:
            host.suspend()
            process.close()
            with pytest.raises(CourseError):
                grading.result(timeout=30)
        finally:
            host.kill()


def test_only_the_notebook_that_ends_its_grader_has_no_report(
    project: Project, tmp_path: Path
) -> None:
    fragile = Project(Path(shutil.copytree(project.folder, tmp_path / "fragile")))
    with (fragile.folder / "autograder/checks/quick/test_quick.py").open("a") as file:
        file.write(FRAGILE_CHECK)
    for student in ("ada", "bea", "cem", "dov"):
        number = "666" if student == "bea" else "1"
        fragile.submit(student, {"n_weights": f"n_weights = {number}"})
    words = ("grade", "quick", "--jobs", 2, "--json")
    done = fragile.run(*words, check=False, TMPDIR=str(tmp_path))
    *lines, summary = map(json.loads, done.stdout.splitlines())
    assert (summary["graded"], summary["failed"]) == (3, 1)
    [failed] = [line for line in lines if line["status"] == "failed"]
    assert failed["student"] == "bea" and GRADER_DIED in failed["reason"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_leaves_nothing_behind(project: Project, tmp_path: Path, how: int) -> None:
    course = Path(shutil.copytree(project.course.directory, tmp_path / "course"))
    endless = Project(project.folder)
    for student in ("ada", "bea"):
        path = endless.submit(student, ANSWERS, ["import time\ntime.sleep(1000)"])
        shutil.move(path.parent.parent, course / "submitted" / student)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-m", "autograder", "grade", "quick", "--course", str(course)]
    running = subprocess.Popen(
        [*command, "--jobs", "2"],
        cwd=project.folder,
        env=project.environment(TMPDIR=str(scratch)),
        stderr=subprocess.DEVNULL,
    )
    process = psutil.Process(running.pid)
    # A host, two graders, three processes of the workers' parent, three of each worker.
    while len(process.children(recursive=True)) < 12:
        assert running.poll() is None
        time.sleep(0.1)
    below = process.children(recursive=True)
    process.send_signal(how)
    running.wait()
    _, alive = psutil.wait_procs(below, timeout=60)
    assert alive == []
    assert list(scratch.iterdir()) == []
    assert list((course / "reports").rglob(".*")) == []
