"""Runs an assignment's hidden checks, ordinary pytest files, against one student.

pytest collects and runs; what a check raised becomes the failure that the student reads. Nothing
that the worker says about itself enters a mark.
"""

import hashlib
import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from autograder.assignment import Assignment, Task
from autograder.checks.tools import Mistake
from autograder.errors import CourseError
from autograder.report import Failure, TaskResult
from autograder.student import StoppedError, Student, StudentError


@dataclass(frozen=True)
class Outcome:
    """One hidden check of one task after it ran: `problem` is what it raised, None if it passed."""

    task: str
    weight: float
    failure: Failure | None
    problem: BaseException | None


def check_files(assignment: Assignment) -> list[Path]:
    """The pytest files that hold the assignment's hidden checks."""
    path = assignment.checks
    files = sorted(path.glob("test_*.py")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise CourseError(f"{path}: no hidden checks for {assignment.name}; write them there")
    return files


def forbidden_calls(assignment: Assignment) -> dict[str, list[str]]:
    """Library calls, by task, that would replace what the task asks for."""
    calls: dict[str, list[str]] = {}
    for file in check_files(assignment):
        for task, names in getattr(_module(file), "FORBIDDEN", {}).items():
            calls.setdefault(task, []).extend(names)
    return calls


def run_checks(
    assignment: Assignment,
    student: Student,
    tasks: Sequence[str],
    *,
    secret: bytes,
    device: str = "cpu",
    files: Iterable[Path] | None = None,
) -> list[Outcome]:
    """Run the hidden checks of the named tasks; one outcome a check, task by task.

    files: where these checks stand, for a caller that knows it; otherwise pytest looks through all.
    """
    runner = _Runner(student, set(tasks), secret, device)
    _run_pytest(assignment, check_files(assignment) if files is None else files, runner)
    return runner.outcomes


def files_by_task(assignment: Assignment) -> dict[str, set[Path]]:
    """The files that hold the hidden checks of each task."""
    collector = _Collector()
    _run_pytest(assignment, check_files(assignment), collector, "--collect-only")
    return collector.files


# Parts of pytest that no check needs and every run pays for; unraisableexception collects garbage
# many times over at its end.
_UNUSED = (
    *("cacheprovider", "debugging", "doctest", "faulthandler", "junitxml", "legacypath"),
    *("logging", "pastebin", "setuponly", "setupplan", "stepwise", "subtests", "terminal"),
    *("threadexception", "unittest", "unraisableexception"),
)


def _run_pytest(
    assignment: Assignment, files: Iterable[Path], plugin: object, *options: str
) -> None:
    arguments = ["--disable-plugin-autoload", "--noconftest"]
    for unused in _UNUSED:
        arguments += ["-p", f"no:{unused}"]
    folder = str(assignment.checks.parent)
    # Without a confcutdir pytest looks through every folder from / down to the checks.
    arguments += ["-c", "/dev/null", "--rootdir", folder, "--confcutdir", folder, "-s"]
    arguments += ["--import-mode=importlib", *options, *map(str, files)]
    status = pytest.ExitCode(pytest.main(arguments, plugins=[plugin]))
    if status is pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise CourseError(f"{assignment.checks}: the hidden checks cannot be run ({status.name})")


def result(task: Task, outcomes: Sequence[Outcome]) -> TaskResult:
    """The task's result from its checks: points by weight, and what did not pass."""
    mine = [outcome for outcome in outcomes if outcome.task == task.name]
    if not mine:
        raise CourseError(f"task {task.name} has no hidden check; write one or remove the task")
    total = sum(outcome.weight for outcome in mine)
    passed = sum(outcome.weight for outcome in mine if outcome.failure is None)
    failures = tuple(outcome.failure for outcome in mine if outcome.failure is not None)
    score = task.points * passed / total
    return TaskResult(task.name, task.points, score, _status(mine), failures)


def _status(outcomes: Sequence[Outcome]) -> str:
    problems = [outcome.problem for outcome in outcomes if outcome.failure is not None]
    if not problems:
        return "correct"
    if len(problems) < len(outcomes):
        return "partial"
    if all(isinstance(problem, StudentError) and problem.stub for problem in problems):
        return "unanswered"
    stopped = [problem.status for problem in problems if isinstance(problem, StoppedError)]
    if stopped:
        return stopped[0]
    return "error" if all(isinstance(problem, StudentError) for problem in problems) else "wrong"


class _Plugin:
    """What every run of the hidden checks tells pytest."""

    def pytest_configure(self, config: pytest.Config) -> None:
        config.option.tbstyle = "no"  # nobody reads it, and to format it costs more than the check
        config.addinivalue_line("markers", "task(name, weight, page): the task of a hidden check")


class _Collector(_Plugin):
    """Keeps in which files pytest finds checks of which tasks."""

    def __init__(self) -> None:
        self.files: dict[str, set[Path]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            self.files.setdefault(_marker(item).args[0], set()).add(item.path)


class _Runner(_Plugin):
    """The pytest plugin of one run: selects checks by task, provides fixtures, keeps outcomes."""

    def __init__(self, student: Student, tasks: set[str], secret: bytes, device: str) -> None:
        self._student, self._tasks = student, tasks
        self._secret, self._device = secret, device
        self.outcomes: list[Outcome] = []
        self._stopped: dict[str, StoppedError] = {}
        self._task: str | None = None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """The checks of the wanted tasks, those of one task one after the other."""
        of_task: dict[str, list[pytest.Item]] = {}
        for item in items:
            if (task := _marker(item).args[0]) in self._tasks:
                of_task.setdefault(task, []).append(item)
        items[:] = [item for mine in of_task.values() for item in mine]

    @pytest.fixture
    def student(self, request: pytest.FixtureRequest) -> Student:
        """The student, for as long as no check of the same task had to be ended.

        Each task begins with the notebook's state, each check with the same global generators.
        """
        task = _marker(request.node).args[0]
        if task in self._stopped:
            raise self._stopped[task]
        if task != self._task:
            self._task = task
            self._student.begin_task()
        self._student.start_generators(_number(request.node.originalname.encode()) % 2**32)
        return self._student

    @pytest.fixture
    def device(self) -> str:
        return self._device

    @pytest.fixture
    def rng(self, request: pytest.FixtureRequest) -> torch.Generator:
        """Hidden inputs: the same for every student and every run of a course."""
        task = _marker(request.node).args[0]
        key = self._secret + f"{task}/{request.node.originalname}".encode()
        return torch.Generator().manual_seed(_number(key))

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo) -> Any:
        yield
        if call.when == "call" or call.excinfo is not None:
            problem = call.excinfo.value if call.excinfo else None
            if isinstance(problem, StoppedError):
                self._stopped[_marker(item).args[0]] = problem
            self.outcomes.append(_outcome(item, problem))


def _number(key: bytes) -> int:
    """A seed that follows from the key."""
    return int.from_bytes(hashlib.sha256(key).digest()[:7], "big")


def _marker(item: pytest.Item) -> pytest.Mark:
    marker = item.get_closest_marker("task")
    if marker is None:
        raise pytest.UsageError(f"{item.nodeid}: a hidden check needs @pytest.mark.task(NAME)")
    return marker


def _outcome(item: pytest.Item, problem: BaseException | None) -> Outcome:
    marker = _marker(item)
    assert isinstance(item, pytest.Function)
    docstring = item.function.__doc__ or item.name
    what = docstring.strip().splitlines()[0]
    failure = None
    if problem is not None:
        message, hint = _message(problem)
        failure = Failure(what, message, hint, marker.kwargs.get("page"))
    return Outcome(marker.args[0], float(marker.kwargs.get("weight", 1)), failure, problem)


def _message(problem: BaseException) -> tuple[str, str | None]:
    """What the student reads of what a check raised."""
    if isinstance(problem, Mistake):
        return problem.message, problem.hint
    if isinstance(problem, StudentError):
        if problem.stub:
            return "the stub is still in place", "this task is unanswered: replace the stub"
        return f"your code raised {problem}"[:600], None
    if isinstance(problem, StoppedError):
        return problem.reason, None
    return "what came back has another form than the task asks for", None


_EXPECTED = (Mistake, StudentError, StoppedError, type(None))


def unexpected(outcomes: Sequence[Outcome]) -> list[str]:
    """Checks that fell over what came back, for the instructor: whose fault is it?"""
    return [
        f"a hidden check of {outcome.task} raised {outcome.problem!r:.200}"
        for outcome in outcomes
        if not isinstance(outcome.problem, _EXPECTED)
    ]


def _module(file: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(f"forbidden_{file.stem}", file)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    try:
        specification.loader.exec_module(module)
    except Exception as error:
        raise CourseError(f"{file}: cannot be imported: {error}") from error
    return module
