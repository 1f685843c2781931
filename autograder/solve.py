"""The notebook with the reference answers in it, for instructors."""

import ast
import importlib
import inspect
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder.assignment import Assignment, Task
from autograder.build import notebook_text, source_notebook
from autograder.course import site_url, write_atomically
from autograder.errors import CourseError


def solve(name: str, output: Path) -> None:
    """Write the student notebook of an assignment with every stub replaced by its answer.

    Functions and classes come from solutions/, numbers from the expected values; written answers
    stay open. Raises CourseError for an unknown assignment and where the file cannot be written.
    """
    write_atomically(Path(output), notebook_text(solved_notebook(Assignment.load(name))))


def solved_notebook(assignment: Assignment) -> NotebookNode:
    """The student notebook with the answers of all tasks but the written ones."""
    notebook = source_notebook(assignment, site_url())
    tasks = {task.name: task for task in assignment.tasks}
    sheet_cells = assignment.notebook.cells
    for sheet_cell, cell in zip(sheet_cells, notebook.cells, strict=True):
        if "task" in sheet_cell.metadata:
            cell.source = answer(assignment, tasks[sheet_cell.metadata["task"]])
    return notebook


def answer(assignment: Assignment, task: Task) -> str:
    """Source of a cell that answers a task: the imports that it needs, then the answer."""
    if task.kind == "number":
        return f"{task.name} = {assignment.expected_numbers[task.name]!r}"
    reference = assignment.reference(task)
    source = inspect.getsource(reference).rstrip()
    tasks = {each.name for each in assignment.tasks}
    imports = _imports(task.name, tasks, reference, source)
    return "\n".join(imports) + "\n\n\n" + source if imports else source


def _imports(name: str, tasks: set[str], reference: Any, source: str) -> list[str]:
    """The import lines of the reference's module whose names it uses.

    Of its own module it may use other tasks alone, which the notebook defines as well.
    """
    module = importlib.import_module(reference.__module__)
    body = ast.parse(inspect.getsource(module)).body
    used = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    lines = []
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            needed = [alias for alias in statement.names if _bound(alias) in used]
            if needed:
                statement.names = needed
                lines.append(ast.unparse(statement))
        elif neighbours := (_defined(statement) - tasks) & used:
            message = f"uses {', '.join(sorted(neighbours))} of its module; make it self-contained"
            raise CourseError(f"{module.__file__}: {name} {message}")
    return lines


def _bound(alias: ast.alias) -> str:
    """The name under which an import is known."""
    return alias.asname or alias.name.partition(".")[0]


def _defined(statement: ast.stmt) -> set[str]:
    """Names that a statement at the top of a module defines."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    return {target.id for target in targets if isinstance(target, ast.Name)}
