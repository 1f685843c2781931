"""Keeps the stubs of the exercise sheets equal to the references' signatures and docstrings."""

import ast
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

from autograder.assignment import find_reference, known, read_notebook, sheet_path
from autograder.course import reason, write_atomically
from autograder.errors import CourseError

# A code cell of a sheet: its fence, its options, and what stands in it.
TASK_CELL = re.compile(
    r"^(?P<head>```\{code-cell\}[^\n]*\n"
    r"(?::[^\n]*\n)*:task: *(?P<name>\w+) *\n(?::[^\n]*\n)*\n?)"
    r"(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def sync(names: list[str] | None = None) -> list[Path]:
    """Write each task's stub anew from its reference; returns the sheets that changed.

    names: assignments; None stands for all. Cells of numbers (`NAME = None`) and everything
    around the stubs stay as they are, byte for byte. Raises CourseError for an unknown assignment,
    for a task without a reference, and for a reference without a docstring.
    """
    changed = []
    for name in known() if names is None else names:
        path = sheet_path(name)
        _, solutions = read_notebook(path)
        try:
            text = path.read_bytes().decode()
        except OSError as error:
            raise CourseError(f"{path}: cannot be read: {reason(error)}") from error
        synced = in_sync(path, text, solutions)
        if synced != text:
            write_atomically(path, synced)
            changed.append(path)
    return changed


def in_sync(path: Path, text: str, solutions: list[str]) -> str:
    """The sheet's text with every stub as its reference in the solutions modules asks for."""

    def replace(cell: re.Match[str]) -> str:
        name = cell["name"]
        if re.search(rf"^{name} = None$", cell["body"], re.MULTILINE):
            return cell[0]
        return f"{cell['head']}{stub(name, find_reference(path, solutions, name))}\n```"

    return TASK_CELL.sub(replace, text)


def stub(name: str, reference: Any) -> str:
    """What students receive of a reference: signature, docstring, and an error that names the task.

    Of a class they receive its docstring, its __init__ as it stands, and stubs of its other public
    methods.
    """
    lines, definition = _source(reference)
    if isinstance(definition, ast.ClassDef):
        return _class_stub(name, lines, definition)
    return _function_stub(name, lines, definition)


def _source(reference: Any) -> tuple[list[str], ast.FunctionDef | ast.ClassDef]:
    lines = textwrap.dedent(inspect.getsource(reference)).splitlines()
    definition = ast.parse("\n".join(lines)).body[0]
    if not isinstance(definition, ast.FunctionDef | ast.ClassDef):
        raise CourseError(f"{reference!r}: a reference must be a function or a class")
    return lines, definition


def _class_stub(name: str, lines: list[str], definition: ast.ClassDef) -> str:
    parts = [_head(name, lines, definition)]
    for method in definition.body:
        if not isinstance(method, ast.FunctionDef):
            continue
        if method.name == "__init__":
            parts.append("\n".join(lines[method.lineno - 1 : method.end_lineno]))
        elif not method.name.startswith("_") or method.name.startswith("__"):
            parts.append(_function_stub(f"{name}.{method.name}", lines, method))
    return "\n\n".join(parts)


def _function_stub(name: str, lines: list[str], definition: ast.FunctionDef) -> str:
    indent = " " * definition.body[0].col_offset
    error = f'{indent}raise NotImplementedError("{name}: write your answer here")'
    return f"{_head(name, lines, definition)}\n{error}"


def _head(name: str, lines: list[str], definition: ast.FunctionDef | ast.ClassDef) -> str:
    """Signature and docstring as they are written."""
    if ast.get_docstring(definition) is None:
        raise CourseError(f"solutions: {name} has no docstring; it is what students read")
    return "\n".join(lines[definition.lineno - 1 : definition.body[0].end_lineno])
