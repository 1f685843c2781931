"""An assignment of three small tasks, for tests of how notebooks are graded and not of what."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from autograder.assignment import Assignment, Task
from autograder.grading import grade_notebook
from autograder.report import Report, TaskResult
from autograder.sandbox import Limits
from autograder.submission import Submission

SECRET = b"the secret of a small course"
QUICK = Limits(call_cpu=1)

STUBS = {
    "double": 'def double(x):\n    raise NotImplementedError("double: write your answer here")',
    "total": 'def total(x):\n    raise NotImplementedError("total: write your answer here")',
    "number": "number = None",
}
ANSWERS = {
    "double": "def double(x):\n    return 2 * x",
    "total": "def total(x):\n    return x.sum()",
    "number": "number = 42",
}
CHECKS = '''
from pathlib import Path

import pytest
import torch

from autograder.checks import tools

FORBIDDEN = {"total": ["torch.cumsum"]}


def recorded(request, name):
    """Take note of each run of a check, for the tests of the grader."""
    with Path(__file__).with_name("runs").open("a") as file:
        file.write(name + "\\n")


@pytest.mark.task("double", weight=3, page="book/unit1/loss.html")
def test_doubles(student, rng, request):
    """Every entry is doubled."""
    recorded(request, "doubles")
    x = torch.rand(3, 2, generator=rng)
    actual = tools.tensor("double(x)", student.double(x.clone()), x.shape)
    tools.close("double(x)", actual, 2 * x, {"this is the square": x * x})


@pytest.mark.task("double", weight=1)
def test_doubles_integers(student, rng, request):
    """Integers stay integers."""
    recorded(request, "doubles_integers")
    actual = student.double(torch.arange(4))
    tools.require(actual.dtype == torch.int64, "double(x) must keep the dtype")


@pytest.mark.task("total")
def test_total(student, rng, request):
    """The sum of all entries."""
    recorded(request, "total")
    x = torch.rand(5, generator=rng, dtype=torch.float64)
    tools.number("total(x)", student.total(x.clone()), float(x.sum()))


@pytest.mark.task("number")
def test_number(student, request):
    """The number."""
    recorded(request, "number")
    tools.number("number", student.value("number"), 42)
'''


@dataclass(frozen=True)
class SmallAssignment(Assignment):
    """An assignment whose sheet and hidden checks lie in a folder of a test."""

    @property
    def checks(self) -> Path:
        folder = self.path.parent.parent
        return folder / "hidden" / f"test_{folder.name}.py"  # modules are told apart by name


def small_assignment(
    folder: Path, tasks: Sequence[str] = tuple(ANSWERS), checks: str = CHECKS
) -> SmallAssignment:
    """Write the files of the assignment below a folder."""
    path = folder / "small" / "small.md"
    path.parent.mkdir()
    path.touch()
    path.with_name("data.csv").write_text("1,2,3\n")
    stubs = {name: STUBS.get(name, "") for name in tasks}
    found = [
        Task(name, 4, "number" if "None" in stub else "function", stub)
        for name, stub in stubs.items()
    ]
    assignment = SmallAssignment("small", path, found, [], new_notebook())
    assignment.checks.parent.mkdir()
    assignment.checks.write_text(checks)
    return assignment


def write_notebook(path: Path, cells: Sequence[str | Any], **metadata: Any) -> Path:
    """A notebook of code cells, each a source or a cell."""
    made = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    course = {"course": {"assignment": "small"}}
    nbformat.write(new_notebook(cells=made, metadata=course | metadata), path)
    return path


def graded(
    assignment: Assignment, cells: Sequence[str | Any], limits: Limits = QUICK, **options: Any
) -> Report:
    """The report of a notebook with these cells."""
    path = write_notebook(assignment.path.parent.parent / "submitted.ipynb", cells)
    submission = Submission.read(path)
    return grade_notebook(submission, assignment, secret=SECRET, limits=limits, **options)


def verdicts(report: Report) -> dict[str, tuple[str, float]]:
    """Status and score by task."""
    return {task.name: (task.status, task.score) for task in report.tasks}


def task_of(report: Report, name: str) -> TaskResult:
    task = report.task(name)
    assert task is not None
    return task


def runs(assignment: Assignment) -> list[str]:
    """The checks that ran, in order, each as often as it ran."""
    file = assignment.checks.with_name("runs")
    return file.read_text().split() if file.exists() else []
