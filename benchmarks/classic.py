"""`quick` as a classic nbgrader course: the same hidden checks, inlined as hidden tests.

Nothing is configured: nbgrader runs the notebook, hidden tests included, in a kernel of its own
and takes a test cell that raises nothing for passed. Each hidden check is a test cell of its own;
its points are the task's, times the check's share of the weights.
"""

import ast
import hashlib
import os
import shutil
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.assignment import CHECKS, Task, read
from autograder.build import KERNEL
from autograder.course import write_atomically
from benchmarks.project import QUICK, answered, run_module

ASSIGNMENT = "quick"
CONFIGURATION = 'c = get_config()\nc.CourseDirectory.course_id = "classic"\n'
SHIM = Path(__file__).with_name("classic_shim.py")
OURS = ("autograder", "pytest")


@dataclass(frozen=True)
class HiddenTest:
    """A hidden check as nbgrader runs it: the name of its cell, its points and its source."""

    name: str
    points: float
    source: str


@dataclass(frozen=True)
class ClassicCourse:
    """A course folder on which nbgrader's own commands work, unconfigured."""

    folder: Path

    @cached_property
    def released(self) -> NotebookNode:
        """What students receive."""
        path = self.folder / "release" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
        return nbformat.read(path, as_version=4)

    @property
    def gradebook(self) -> str:
        """The address of the gradebook's database."""
        return f"sqlite:///{self.folder / 'gradebook.db'}"

    def environment(self) -> dict[str, str]:
        """nbgrader finds alembic beside this Python, and nothing of ours on its path."""
        path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
        inherited = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
        return inherited | {"PATH": path}

    def submit(
        self, student: str, cells_by_task: Mapping[str, str], extra_cells: Sequence[str] = ()
    ) -> None:
        """Put a submission where nbgrader's collect puts it; as `Project.submit` otherwise."""
        notebook = answered(self.released, cells_by_task, extra_cells)
        path = self.folder / "submitted" / student / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
        write_atomically(path, nbformat.writes(notebook))

    def copy(self, folder: Path) -> "ClassicCourse":
        """The same course, submissions and gradebook included, in another folder."""
        shutil.copytree(self.folder, folder)
        return ClassicCourse(folder)


def lay_out(folder: Path) -> ClassicCourse:
    """Make the course in a new folder and let nbgrader generate the release."""
    course = ClassicCourse(folder)
    source = folder / "source" / ASSIGNMENT
    source.mkdir(parents=True)
    (folder / "nbgrader_config.py").write_text(CONFIGURATION)
    nbformat.write(source_notebook(), source / f"{ASSIGNMENT}.ipynb")
    shutil.copyfile(SHIM, source / "shim.py")
    tools = (CHECKS / "tools.py").read_text()
    (source / "tools.py").write_text(tools.replace("from autograder.student ", "from shim "))
    run_module("nbgrader", ["generate_assignment", ASSIGNMENT], folder, course.environment())
    return course


def source_notebook() -> NotebookNode:
    """The sheet with nbgrader's metadata: answers, visible checks, and cells of hidden tests."""
    sheet = read(QUICK / f"{ASSIGNMENT}.md")
    tasks = {task.name: task for task in sheet.tasks}
    cells = []
    for cell in sheet.notebook.cells:
        if cell.cell_type == "markdown":
            cells.append(new_markdown_cell(cell.source))
        elif "task" in cell.metadata:
            name = cell.metadata["task"]
            cells.append(_cell(f"answer-{name}", _with_region(cell.source), solution=True))
        elif "check" in cell.metadata:
            name = cell.metadata["check"]
            cells.append(_cell(f"{name}-visible", cell.source))
            for test in hidden_tests(tasks[name]):
                cells.append(_cell(test.name, test.source, points=test.points))
        else:
            cells.append(new_code_cell(cell.source.replace("import lab", "").rstrip()))
    return new_notebook(cells=cells, metadata={"kernelspec": KERNEL})


def hidden_tests(task: Task) -> Iterator[HiddenTest]:
    """The hidden checks of a task of `quick`, each with all that it needs around it."""
    checks = ast.parse((QUICK / "checks" / "test_quick.py").read_text()).body
    numbers = ast.parse((QUICK / "checks" / "numbers.py").read_text()).body
    functions = [node for node in checks if isinstance(node, ast.FunctionDef)]
    around = [node for node in numbers + checks if _is_needed(node)]
    mine = {f: weight for f in functions if (weight := _weight(f, task.name))}
    for function, weight in mine.items():
        points = task.points * weight / sum(mine.values())
        yield HiddenTest(f"{task.name}-{function.name}", points, _source(function, around))


def _is_needed(node: ast.stmt) -> bool:
    """Imports of libraries, and constants; no docstring, no test, nothing of ours."""
    if isinstance(node, ast.ImportFrom | ast.Import):
        module = getattr(node, "module", None) or node.names[0].name
        return module.partition(".")[0] not in OURS
    return isinstance(node, ast.Assign | ast.AnnAssign)


def _weight(function: ast.FunctionDef, task: str) -> float:
    """The weight of a check for that task; 0 for checks of other tasks."""
    for decorator in function.decorator_list:
        match decorator:
            case ast.Call(args=[ast.Constant(value=name)], keywords=keywords) if name == task:
                given = [word.value for word in keywords if word.arg == "weight"]
                return float(ast.literal_eval(given[0])) if given else 1.0
    return 0.0


def _source(function: ast.FunctionDef, around: Sequence[ast.stmt]) -> str:
    """A cell that defines the check and calls it with the student and a generator."""
    names = [argument.arg for argument in function.args.args]
    plain = ast.FunctionDef(
        name=function.name,
        args=ast.arguments([], [ast.arg(name) for name in names], None, [], [], None, []),
        body=function.body,
        decorator_list=[],
        lineno=0,
    )
    seed = int.from_bytes(hashlib.sha256(function.name.encode()).digest()[:7], "big")
    given = {
        "student": "shim.Student(globals())",
        "rng": f"torch.Generator().manual_seed({seed})",
    }
    return "\n".join(
        [
            "### BEGIN HIDDEN TESTS",
            "import shim",
            "import tools",
            *(ast.unparse(node) for node in around),
            ast.unparse(plain),
            f"{function.name}({', '.join(given[name] for name in names)})",
            "### END HIDDEN TESTS",
        ]
    )


def _with_region(stub: str) -> str:
    """The stub with the markers from which nbgrader makes what students receive."""
    *lines, last = stub.splitlines()
    indent = last[: len(last) - len(last.lstrip())]
    marked = [f"{indent}### BEGIN SOLUTION", last, f"{indent}### END SOLUTION"]
    return "\n".join(lines + marked)


def _cell(
    name: str, source: str, solution: bool = False, points: float | None = None
) -> NotebookNode:
    """A cell with nbgrader's metadata: an answer, a visible check, or one that carries points."""
    graded: dict[str, Any] = {} if points is None else {"points": points}
    metadata = {
        "schema_version": 3,
        "grade_id": name,
        "cell_type": "code",
        "grade": points is not None,
        "solution": solution,
        "locked": not solution,
        "task": False,
    }
    return new_code_cell(source, metadata={"nbgrader": metadata | graded})
