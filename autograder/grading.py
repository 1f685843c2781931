"""Grades one notebook: reads it, runs it isolated, runs the hidden checks, makes the report."""

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from autograder import syntax
from autograder.assignment import EXERCISES, Assignment, Task
from autograder.checking import forbidden_calls, result, run_checks, unexpected
from autograder.errors import CourseError, UsageError
from autograder.notebook import NotebookChannel
from autograder.preload import modules_to_preload
from autograder.report import Failure, Report, TaskResult
from autograder.sandbox import DEVICES, ISOLATIONS, Limits
from autograder.student import StoppedError, Student
from autograder.submission import CodeCell, Submission

MAX_NOTES = 20


def grade_notebook(
    submission: Submission,
    assignment: Assignment,
    *,
    secret: bytes,
    isolation: str = "bubblewrap",
    device: str = "cpu",
    limits: Limits | None = None,
    say: Callable[[str], None] = lambda doing: None,
) -> Report:
    """The report of one notebook; `say` gets what is being done.

    Where the clock ran out and not the processor time, which on a busy machine need not be the
    student's fault, the notebook is graded once more while no other is. Raises CourseError for
    a notebook of another assignment and where the sandbox cannot run, UsageError for an unknown
    isolation or device.
    """
    _verify_choice("isolation", isolation, ISOLATIONS)
    _verify_choice("device", device, DEVICES)
    if submission.assignment not in (None, assignment.name):
        other = f"a notebook of the assignment {submission.assignment[:40]!r}"
        message = f"{submission.path}: {other}, not of {assignment.name!r}; submit the right one"
        raise CourseError(message)
    tasks = [task for task in assignment.tasks if task.kind != "written"]
    names = [task.name for task in tasks]
    cells = submission.graded_cells(names)
    public = [*assignment.data_files, EXERCISES / "lab.py"]
    preload = modules_to_preload(assignment)
    limits = limits or Limits()
    for alone in (False, True):
        with (
            _turn(alone),
            closing(
                NotebookChannel(cells, names, public, isolation, limits, device, preload)
            ) as channel,
        ):
            results, notes = _results(assignment, tasks, cells, channel, secret, device, say)
        if not channel.wall:
            break
    written = [task for task in assignment.tasks if task.kind == "written"]
    manual = {task.name: TaskResult(task.name, task.points, 0.0, "manual") for task in written}
    ordered = tuple((results | manual)[task.name] for task in assignment.tasks)
    return Report.of(
        assignment.name, isolation, ordered, submission.path.name, (*notes, *_notes(channel))
    )


@contextmanager
def _turn(alone: bool) -> Iterator[None]:
    """Grade beside other processes of this machine, or wait until no other one grades."""
    with Path(__file__).open() as file:
        with suppress(OSError):  # on a network file system that knows no such locks
            fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


def _verify_choice(what: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise UsageError(f"unknown {what} {value!r}; choose {' or '.join(known)}")


def _results(
    assignment: Assignment,
    tasks: Sequence[Task],
    cells: Sequence[CodeCell],
    channel: NotebookChannel,
    secret: bytes,
    device: str,
    say: Callable[[str], None],
) -> tuple[dict[str, TaskResult], list[str]]:
    """The results by task, and what the instructor should look at."""
    trees = [syntax.parsed(cell.source) for cell in cells]
    settled = without_running(assignment, tasks, trees)
    student = Student(channel)
    remaining = [task for task in tasks if task.name not in settled]
    if remaining:
        say(f"running {len(cells)} code cells in the sandbox")
        settled |= _not_there(student, remaining, cells, channel)
        remaining = [task for task in remaining if task.name not in settled]
    if not remaining:
        return settled, []
    names = [task.name for task in remaining]
    say(f"checking {len(names)} tasks")
    outcomes = run_checks(assignment, student, names, secret=secret, device=device)
    settled |= {task.name: result(task, outcomes) for task in remaining}
    return settled, unexpected(outcomes)


def without_running(
    assignment: Assignment, tasks: Sequence[Task], trees: Sequence[syntax.Cell]
) -> dict[str, TaskResult]:
    """Results that the syntax trees settle: stubs, missing tasks, forbidden library calls."""
    forbidden = forbidden_calls(assignment)
    settled = {}
    for task in tasks:
        uses = syntax.forbidden_uses(trees, task.name, forbidden.get(task.name, ()))
        if syntax.only_stubs(trees, task.name):
            settled[task.name] = _lost(task, "unanswered", "the stub is still in place")
        elif uses:
            message = f"the answer uses {', '.join(uses)}"
            hint = f"this task asks you to write what {uses[0]} does: use the formula instead"
            settled[task.name] = _lost(task, "forbidden", message, hint)
    return settled


def _not_there(
    student: Student,
    tasks: Sequence[Task],
    cells: Sequence[CodeCell],
    channel: NotebookChannel,
) -> dict[str, TaskResult]:
    """Results of the tasks whose name the notebook does not define after its cells have run."""
    try:
        kinds = student.kinds([task.name for task in tasks])
    except StoppedError as stopped:
        return {task.name: _lost(task, stopped.status, stopped.reason) for task in tasks}
    settled = {}
    for task in tasks:
        if kinds[task.name] == "none":
            settled[task.name] = _lost(task, "unanswered", f"{task.name} is still None")
        elif kinds[task.name] == "missing":
            settled[task.name] = _missing(task, cells, channel)
    return settled


def _missing(task: Task, cells: Sequence[CodeCell], channel: NotebookChannel) -> TaskResult:
    for number, cell in enumerate(cells):
        if not _defines(cell.source, task.name):
            continue
        if number in channel.stopped:
            stopped = channel.stopped[number]
            return _lost(task, stopped.status, f"the cell that defines it: {stopped.reason}")
        for error in channel.errors:
            if error.get("cell") == number:
                message = f"the cell that defines it raised {_raised(error)}"
                return _lost(task, "error", message, "run this cell by itself and mend the error")
    hint = f"define {task.name} in any cell; the release notebook holds its stub"
    return _lost(task, "missing", f"no cell defines {task.name}", hint)


def _defines(source: str, name: str) -> bool:
    """Whether a cell binds the name, or would if it could be read."""
    if statements := syntax.parsed(source):
        return any(name in syntax.bound_names(statement) for statement in statements)
    return name in source


def _lost(task: Task, status: str, message: str, hint: str | None = None) -> TaskResult:
    failure = Failure(f"{task.name} is there to be checked.", message, hint)
    return TaskResult(task.name, task.points, 0.0, status, (failure,))


def _notes(channel: NotebookChannel) -> tuple[str, ...]:
    """What the instructor may want to know: cells that raised, or had to be ended."""
    raised = [
        f"code cell {number + 1} raised {_raised(error)}"
        for error in channel.errors
        if isinstance(number := error.get("cell"), int)
    ]
    ended = [f"code cell {cell + 1}: {stopped}" for cell, stopped in channel.stopped.items()]
    return (*raised, *ended)[:MAX_NOTES]


def _raised(error: dict[str, object]) -> str:
    return f"{error.get('type')}: {error.get('message')}"[:300].splitlines()[0]
