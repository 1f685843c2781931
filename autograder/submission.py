"""Reads a student's notebook as data: what is wrong with the file is said in one line."""

import json
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder import syntax
from autograder.errors import CourseError

MAX_BYTES = 64 * 2**20
MAX_SOURCE = 2 * 2**20
TIMING_MAGICS = ("time", "timeit", "capture", "prun")
SAVE_AGAIN = "open it in Jupyter, save it and submit it again"


@dataclass(frozen=True)
class CodeCell:
    """The Python source of a code cell, magics made idle, and its tags."""

    source: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Submission:
    """A submitted notebook: the assignment that its metadata names, and its code cells."""

    path: Path
    assignment: str | None
    cells: tuple[CodeCell, ...]

    @classmethod
    def read(cls, path: Path) -> "Submission":
        """Read the file; raises CourseError that names it and the remedy."""
        content = _notebook(path, _content(path))
        course = content["metadata"].get("course")
        assignment = course.get("assignment") if isinstance(course, dict) else None
        cells = [_code_cell(cell) for cell in content["cells"] if cell["cell_type"] == "code"]
        if sum(len(cell.source) for cell in cells) > MAX_SOURCE:
            raise CourseError(f"{path}: more than {MAX_SOURCE // 2**20} MB of code; not graded")
        return cls(path, assignment if isinstance(assignment, str) else None, tuple(cells))

    def graded_cells(self, tasks: Sequence[str]) -> list[CodeCell]:
        """The cells to run: all but those tagged `no-grade` that no graded cell needs."""
        kept = [cell for cell in self.cells if "no-grade" not in cell.tags]
        left_out = [cell for cell in self.cells if "no-grade" in cell.tags]
        needed = set(tasks).union(*(_used(cell) for cell in kept))
        while grown := [cell for cell in left_out if _bound(cell) & needed]:
            left_out = [cell for cell in left_out if cell not in grown]
            needed = needed.union(*(_used(cell) for cell in grown))
        return [cell for cell in self.cells if cell not in left_out]


def _content(path: Path) -> Any:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise CourseError(f"{path}: not a file; submit the notebook itself")
            if status.st_size > MAX_BYTES:
                size = f"{status.st_size / 2**20:.0f} MB"
                raise CourseError(f"{path}: {size}; clear the outputs, save and submit it again")
            data = file.read(MAX_BYTES)
    except FileNotFoundError:
        raise CourseError(f"{path}: no such file; check the name") from None
    except IsADirectoryError:
        raise CourseError(f"{path}: a folder; name the notebook in it") from None
    except OSError as error:
        raise CourseError(f"{path}: cannot be read: {error.strerror}") from None
    if not data.strip():
        raise CourseError(f"{path}: the file is empty; {SAVE_AGAIN}")
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise CourseError(f"{path}: not a notebook, or cut off half-way; {SAVE_AGAIN}") from None


def _notebook(path: Path, content: Any) -> dict[str, Any]:
    if not isinstance(content, dict) or "nbformat" not in content:
        raise CourseError(f"{path}: JSON, but not a notebook; submit the .ipynb file")
    if not isinstance(content["nbformat"], int) or content["nbformat"] < 4:
        raise CourseError(
            f"{path}: nbformat {content['nbformat']!s:.9}, older than 4; {SAVE_AGAIN}"
        )
    metadata = content.setdefault("metadata", {})
    cells = content.get("cells")
    if not isinstance(metadata, dict) or not isinstance(cells, list):
        raise CourseError(f"{path}: a notebook without cells or metadata; {SAVE_AGAIN}")
    language = _language(metadata)
    if language.lower() not in ("python", "ipython"):
        raise CourseError(
            f"{path}: written for the language {language[:40]!r}; set its kernel to Python and "
            "submit it again"
        )
    for number, cell in enumerate(cells, 1):
        if not _is_cell(cell):
            raise CourseError(f"{path}: cell {number} is malformed; {SAVE_AGAIN}")
    return content


def _language(metadata: dict[str, Any]) -> str:
    for section, key in (("kernelspec", "language"), ("language_info", "name")):
        part = metadata.get(section)
        if isinstance(part, dict) and isinstance(part.get(key), str):
            return part[key]
    return "python"


def _is_cell(cell: Any) -> bool:
    if not isinstance(cell, dict) or not isinstance(cell.get("cell_type"), str):
        return False
    source = cell.get("source", "")
    lines = isinstance(source, list) and all(isinstance(line, str) for line in source)
    return isinstance(source, str) or lines


def _code_cell(cell: dict[str, Any]) -> CodeCell:
    source = cell.get("source", "")
    text = source if isinstance(source, str) else "".join(source)
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    names = tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()
    return CodeCell(_without_magics(text), names)


def _without_magics(source: str) -> str:
    """Plain Python: a timing magic leaves its cell, any other cell magic empties it."""
    first, _, rest = source.lstrip().partition("\n")
    if first.startswith("%%"):
        name = first[2:].partition(" ")[0].strip()
        return _without_magics(rest) if name in TIMING_MAGICS else ""
    if not any(sign in source for sign in "%!?"):
        return source
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        return TransformerManager().transform_cell(source)
    except (SyntaxError, ValueError, RecursionError):
        return source


def _bound(cell: CodeCell) -> set[str]:
    return set().union(*(syntax.bound_names(part) for part in syntax.parsed(cell.source)))


def _used(cell: CodeCell) -> set[str]:
    return set().union(*(syntax.used_names(part) for part in syntax.parsed(cell.source)))
