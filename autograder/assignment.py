"""An assignment as its exercise sheet defines it: tasks, points, stubs and visible checks."""

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from autograder.course import ROOT, reason, version
from autograder.errors import CourseError

if TYPE_CHECKING:
    from nbformat import NotebookNode

EXERCISES = ROOT / "exercises"
CHECKS = ROOT / "autograder" / "checks"

Kind = Literal["function", "class", "number", "written"]


@dataclass(frozen=True)
class Task:
    """What is graded: a function, a class, a number, or an answer in prose.

    stub: source of the cell that the student fills in; check: source of the visible check
    ("" for a written answer).
    """

    name: str
    points: float
    kind: Kind
    stub: str
    check: str = ""


@dataclass(frozen=True)
class Assignment:
    """One exercise sheet with its tasks in the order in which students meet them."""

    name: str
    path: Path
    tasks: list[Task]
    solutions: list[str]
    notebook: "NotebookNode" = field(repr=False, compare=False)

    @classmethod
    def load(cls, name: str) -> "Assignment":
        """Read exercises/NAME/NAME.md; as long as the file stays as it is, the same object.

        Raises CourseError for an unknown name and for a sheet that breaks the rules of
        `read_tasks`.
        """
        path = sheet_path(name)
        return _read_version(path, version(path))

    @property
    def max_score(self) -> float:
        """Points of all tasks, those graded by hand included."""
        return sum(task.points for task in self.tasks)

    @property
    def data_files(self) -> list[Path]:
        """Files that belong to the sheet: all beside it in its folder, hidden ones excepted."""
        folder = self.path.parent
        return sorted(
            file
            for file in folder.rglob("*")
            if file.is_file()
            and file != self.path
            and not any(part.startswith((".", "__")) for part in file.relative_to(folder).parts)
        )

    @property
    def checks(self) -> Path:
        """The hidden checks: one file, or a folder of files."""
        file = CHECKS / f"{self.name}.py"
        return file if file.is_file() else CHECKS / self.name

    @property
    def rubrics(self) -> Path:
        """Rubrics of the written answers, a Markdown file with one heading a task."""
        return CHECKS / self.name / "rubrics.md"

    @property
    def expected_numbers(self) -> dict[str, float]:
        """The graded numbers' values by task name; empty where the sheet asks for none."""
        if not any(task.kind == "number" for task in self.tasks):
            return {}
        return dict(importlib.import_module(f"autograder.checks.{self.name}.numbers").EXPECTED)

    def task(self, name: str) -> Task:
        """The task of that name; raises CourseError with the known names."""
        for task in self.tasks:
            if task.name == name:
                return task
        names = ", ".join(task.name for task in self.tasks)
        raise CourseError(f"{self.name}: unknown task {name!r}; known are: {names}")

    def reference(self, task: Task | str) -> Any:
        """The reference function or class of a task, from the sheet's solutions modules."""
        name = task if isinstance(task, str) else task.name
        return find_reference(self.path, self.solutions, name)


def known() -> list[str]:
    """Names of all assignments."""
    return sorted(path.parent.name for path in EXERCISES.glob("*/*.md") if _is_sheet(path))


def sheet_path(name: str) -> Path:
    """exercises/NAME/NAME.md; raises CourseError with the known names for an unknown one."""
    if name not in known():
        raise CourseError(f"unknown assignment {name!r}; known are: {', '.join(known())}")
    return EXERCISES / name / f"{name}.md"


def read(path: Path) -> Assignment:
    """Read a sheet from any place; its name is its file's."""
    notebook, solutions = read_notebook(path)
    return Assignment(path.stem, path, read_tasks(path, notebook), solutions, notebook)


@lru_cache(maxsize=16)
def _read_version(path: Path, version: tuple[int, int, int] | None) -> Assignment:
    return read(path)


def read_notebook(path: Path) -> tuple["NotebookNode", list[str]]:
    """A sheet's cells, and the solutions modules that its front matter names."""
    import jupytext

    try:
        notebook = jupytext.read(path, fmt="md:myst")
        return notebook, list(notebook.metadata["course"]["solutions"])
    except OSError as error:
        raise CourseError(f"{path}: cannot be read: {reason(error)}") from error
    except KeyError as error:
        raise CourseError(f"{path}: the front matter lacks `course: solutions: [...]`") from error
    except Exception as error:
        message = str(error).partition("\n")[0]
        raise CourseError(f"{path}: not a MyST notebook ({message})") from error


def find_reference(path: Path, solutions: list[str], name: str) -> Any:
    """The object of that name in the first of the sheet's solutions modules that has it."""
    for module in solutions:
        found = getattr(importlib.import_module(f"solutions.{module}"), name, None)
        if found is not None:
            return found
    raise CourseError(f"{path}: no {name} in solutions/: {', '.join(solutions)}")


def read_tasks(path: Path, notebook: "NotebookNode") -> list[Task]:
    """The tasks of a sheet in order.

    The rules: each task cell is directly followed by its check cell with points; a task cell
    defines what it is named after; written answers are Markdown cells with points; no name
    occurs twice. Raises CourseError naming file and cell.
    """
    tasks: list[Task] = []
    seen: set[str] = set()
    for place, task in _tasks(path, notebook.cells):
        if task.name in seen:
            raise CourseError(f"{place}: a second task named {task.name!r}; rename one of them")
        seen.add(task.name)
        tasks.append(task)
    if not tasks:
        raise CourseError(f"{path}: no task in it; a task is a code cell with `:task: NAME`")
    return tasks


def _tasks(path: Path, cells: list["NotebookNode"]) -> Iterator[tuple[str, Task]]:
    """Each task with the place where it stands, for messages."""
    open_task: tuple[str, Task] | None = None
    for number, cell in enumerate(cells, start=1):
        place = f"{path}, cell {number}"
        metadata = cell.metadata
        if open_task is not None:
            task_place, task = open_task
            if metadata.get("check") != task.name:
                message = f"task {task.name!r} has no check; `:check: {task.name}` comes next"
                raise CourseError(f"{task_place}: {message}")
            points = _points(place, metadata)
            yield task_place, Task(task.name, points, task.kind, task.stub, cell.source)
            open_task = None
        elif "check" in metadata:
            message = f"the check of {metadata['check']!r} does not follow its task"
            raise CourseError(f"{place}: {message}")
        elif "task" in metadata:
            name = metadata["task"]
            open_task = place, Task(name, 0, _kind(place, name, cell), cell.source)
        elif "written" in metadata:
            if cell.cell_type != "markdown":
                raise CourseError(f"{place}: a written answer must be a Markdown cell")
            points = _points(place, metadata)
            yield place, Task(metadata["written"], points, "written", cell.source)
    if open_task is not None:
        raise CourseError(f"{open_task[0]}: task {open_task[1].name!r} has no check after it")


def _points(place: str, metadata: "NotebookNode") -> float:
    points = metadata.get("points")
    if isinstance(points, bool) or not isinstance(points, int | float) or points <= 0:
        raise CourseError(f"{place}: points must be a positive number, not {points!r}")
    return points


def _kind(place: str, name: str, cell: "NotebookNode") -> Kind:
    """What a stub cell asks for, read from the statement that defines the task's name."""
    if cell.cell_type != "code":
        raise CourseError(f"{place}: task {name!r} must be a code cell")
    try:
        body = ast.parse(cell.source).body
    except SyntaxError as error:
        raise CourseError(f"{place}: task {name!r}: {error.msg} in line {error.lineno}") from error
    for statement in body:
        match statement:
            case ast.FunctionDef(name=defined) if defined == name:
                return "function"
            case ast.ClassDef(name=defined) if defined == name:
                return "class"
            case ast.Assign(targets=[ast.Name(id=defined)], value=ast.Constant(value=None)) if (
                defined == name
            ):
                return "number"
    message = f"task {name!r} is neither defined nor set to None"
    raise CourseError(f"{place}: {message}; write a stub or `{name} = None`")


def _is_sheet(path: Path) -> bool:
    return path.stem == path.parent.name and not path.name.startswith(".")
