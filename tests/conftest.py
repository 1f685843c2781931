"""What tests share: the built site, and a class that is graded once."""

import copy
import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock
from jupyter_client.provisioning import KernelProvisionerFactory
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output

from autograder import cli, kernels
from autograder.assignment import Assignment
from autograder.build import build
from autograder.course import BUILD, ROOT, Course, write_atomically
from autograder.preload import collector_off
from autograder.solve import answer, solved_notebook
from tests.wrong_answers import load_all

BUILD_COMMANDS = [
    "autograder build --course _build/site-course",
    "jupyter-book build . --toc book/_toc.yml -W -n --keep-going",
]

ASSIGNMENT = "perceptron"
FEW = ("n_parameters", "sgd", "initial_loss")


@dataclass(frozen=True)
class Answer:
    """What a command came to."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The only line on stderr that is an error message."""
        lines = [line for line in self.err.splitlines() if line.startswith("autograder: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0]


@dataclass
class ClassOfStudents:
    """A graded class: its course folder, and what each student submitted."""

    course: Course
    submitted: dict[str, NotebookNode | bytes] = field(default_factory=dict)

    def copy(self, folder: Path, *, without: tuple[str, ...] = ()) -> Course:
        """The course once more, with a build of its own, without some of what lies in its folder.

        Without `cut`, which is tried anew in every run, a run needs to start no grader.
        """
        shutil.copytree(
            self.course.directory, folder, ignore=lambda _, names: set(names) & set(without)
        )
        course = Course(folder, folder.with_name(f"{folder.name}-build"))
        shutil.copytree(self.course.build, course.build)
        config = course.config.read_text().replace(str(self.course.build), str(course.build))
        course.config.write_text(config)
        return course


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Answer]:
    """Run a command of `autograder` in this process."""

    def command(*words: object) -> Answer:
        monkeypatch.setattr("sys.argv", ["autograder", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capsys.readouterr()
        return Answer(int(stopped.value.code or 0), out, err)

    return command


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path there."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def pytest_configure() -> None:
    """Let the garbage collector run less often: a tenth of the time of some files went to it."""
    gc.set_threshold(20_000, 20, 50)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What tests import stays to the end of the run: the garbage collector need not look at it."""
    with collector_off():
        return (yield)


def pytest_unconfigure() -> None:
    """Let what was imported be given back: some libraries complain at exit of what is not."""
    gc.unfreeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the site come first, so that one process builds it while none waits for it.

    Then come the other long ones: at the end one of them would keep one core busy and no other.
    """

    def turn(item: pytest.Item) -> int:
        if "site" in getattr(item, "fixturenames", ()):
            return 0
        return 1 if item.get_closest_marker("long") else 2

    items.sort(key=turn)


@pytest.fixture
def forked_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels start in the test as those of the book do."""
    factory = KernelProvisionerFactory.instance()
    monkeypatch.setattr(factory, "default_provisioner_name", factory.default_provisioner_name)
    kernels.use_forks()


@pytest.fixture(scope="session")
def site() -> Path:
    """The site, built as `make book` does; the processes of one test run build it once."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    mark = BUILD / "site.run"
    BUILD.mkdir(exist_ok=True)
    with FileLock(BUILD / "site.lock"):
        if not mark.exists() or mark.read_text() != run:
            build_site()
            mark.write_text(run)
    return BUILD / "html"


def build_site() -> None:
    """Build the releases and the site, warnings being errors."""
    programs = Path(sys.executable).parent
    for command in BUILD_COMMANDS:
        program, *arguments = command.split()
        done = subprocess.run(
            [programs / program, *arguments], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Course:
    """A course folder for which the assignment has been built; shared by all test processes."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    course = Course(shared / "class" / "course", shared / "class" / "build")
    with FileLock(shared / "class.lock"):
        if not course.release.exists():
            build([ASSIGNMENT], course)
    return course


@pytest.fixture(scope="session")
def released(built: Course) -> NotebookNode:
    """What students receive."""
    path = built.release / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    return nbformat.read(path, as_version=4)


@pytest.fixture(scope="session")
def solved() -> NotebookNode:
    """The notebook with all answers in it."""
    return solved_notebook(Assignment.load(ASSIGNMENT))


@pytest.fixture(scope="session")
def few(released: NotebookNode) -> NotebookNode:
    """The release with right answers to a few tasks, which is quicker to grade than all."""
    return with_answers(released, {name: right_answer(name) for name in FEW})


@pytest.fixture(scope="session")
def graded_class(
    built: Course, released: NotebookNode, solved: NotebookNode, few: NotebookNode
) -> ClassOfStudents:
    """Seven students, graded as `autograder grade` does."""
    from autograder.gradebook import grade_class

    summed = {"backward": wrong_answer("backward", "summed_over_the_batch")}
    submitted: dict[str, NotebookNode | bytes] = {
        "cut": nbformat.writes(solved).encode()[:2000],
        "few": few,
        "full": solved,
        "mangled": mangled(few),
        "noisy": noisy(few),
        "summed": with_answers(released, summed),
        "untouched": released,
    }
    with FileLock(built.directory.parent / "grading.lock"):
        if not built.submitted.joinpath("full").exists():
            for student, notebook in submitted.items():
                submit(built, student, notebook)
            grade_class(ASSIGNMENT, built)
    return ClassOfStudents(built, submitted)


def submit(course: Course, student: str, notebook: NotebookNode | bytes) -> Path:
    """Put a notebook where nbgrader's collect puts it."""
    path = course.submitted / student / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    content = notebook if isinstance(notebook, bytes) else nbformat.writes(notebook)
    write_atomically(path, content)
    return path


def right_answer(task: str) -> str:
    """The source of the reference answer."""
    assignment = Assignment.load(ASSIGNMENT)
    return answer(assignment, assignment.task(task))


def wrong_answer(task: str, name: str) -> str:
    """The source of one of the named wrong answers."""
    [variant] = [v for v in load_all() if (v.task, v.name) == (task, name)]
    return variant.source()


def with_answers(notebook: NotebookNode, answers: dict[str, str]) -> NotebookNode:
    """The notebook with other contents of the cells that answer these tasks."""
    changed = copy.deepcopy(notebook)
    for task, source in answers.items():
        starts = (f"def {task}(", f"{task} = ")
        [cell] = [cell for cell in changed.cells if cell.source.startswith(starts)]
        cell.source = source
    return changed


def noisy(few: NotebookNode) -> NotebookNode:
    """Right answers among all that nbgrader would take for a mark of its own.

    Warnings, stderr, numbers and False as last values, an error after a number, and outputs saved
    in the file that say the same.
    """
    notebook = copy.deepcopy(few)
    noise = "import sys, warnings\nwarnings.warn('old')\nprint('broken', file=sys.stderr)\n"
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        graded = "nbgrader" in cell.metadata
        cell.source = f"{noise}{cell.source}\n" + ("0\nraise ValueError(0)" if graded else "False")
        cell.outputs = [
            new_output("execute_result", data={"text/plain": "0"}),
            new_output("stream", name="stderr", text="broken"),
            new_output("error", ename="ValueError", evalue="0", traceback=["0"]),
        ]
    return notebook


def mangled(few: NotebookNode) -> NotebookNode:
    """Right answers in a notebook that lost and doubled its cells and has others from elsewhere."""
    notebook = copy.deepcopy(few)
    answers = [cell for cell in notebook.cells if "nbgrader" not in cell.metadata]
    graded = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    renamed, doubled, foreign, unlocked = copy.deepcopy(graded[:4])
    renamed.metadata["nbgrader"] = {"grade_id": "another name", "grade": True}
    foreign.metadata["nbgrader"]["grade_id"] = "a_task_of_another_assignment"
    unlocked.metadata["nbgrader"] |= {"solution": True, "points": 1e9, "schema_version": 99}
    extra = new_code_cell("scratch = 1", metadata={"nbgrader": "not what nbgrader writes"})
    notebook.cells = [extra, doubled, *reversed(graded[:2]), *answers, renamed, foreign, unlocked]
    for number, cell in enumerate(notebook.cells):
        cell.id = f"moved-{number}"
        cell.metadata.pop("deletable", None)
    return notebook
