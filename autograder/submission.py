"""Reads a student's notebook as data: what is wrong with the file is said in one line."""

import errno
import json
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from autograder import syntax
from autograder.errors import CourseError

MAX_BYTES = 64 * 2**20
MAX_SOURCE = 2**20
MAX_PARSED = 5 * 2**20  # characters; some five seconds, where each line is parsed again for a magic
MAX_ROUNDS = 50
TIMING_MAGICS = ("time", "timeit", "capture", "prun")
# A line magic, a shell command or a question for help; what `%time` measures is kept.
MAGIC = re.compile(
    r"(?P<indent>[ \t]*+)(?:"  # possessive: many blanks are looked at once
    r"(?P<target>[\w.,\[\] ]+=[ \t]*)?(?:%time[ \t]+(?P<timed>.+)|[%!].*)"
    r"|\?{1,2}\S.*|[^#]*\S\?{1,2}[ \t]*(?:\#.*)?)"
)
TOO_DEEP = "raise RecursionError('this cell is nested too deeply to be graded')"
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
        """The notebook in a file; raises CourseError that names it and the remedy."""
        return cls.of(path, file_bytes(path))

    @classmethod
    def of(cls, path: Path, data: bytes) -> "Submission":
        """The notebook that such a file holds; path: what messages call it."""
        content = _notebook(path, _content(path, data))
        course = content["metadata"].get("course")
        assignment = course.get("assignment") if isinstance(course, dict) else None
        code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
        if sum(len(_source(cell)) for cell in code) > MAX_SOURCE:
            raise CourseError(f"{path}: more than {MAX_SOURCE // 2**20} MB of code; not graded")
        parser = _Parser()
        cells = tuple(_code_cell(cell, parser) for cell in code)
        return cls(path, assignment if isinstance(assignment, str) else None, cells)

    def graded_cells(self, tasks: Sequence[str]) -> list[CodeCell]:
        """The cells to run: all but those tagged `no-grade` that no graded cell needs.

        Where each of very many such cells needs the next one, all run.
        """
        kept = {number for number, cell in enumerate(self.cells) if "no-grade" not in cell.tags}
        if len(kept) == len(self.cells):
            return list(self.cells)
        trees = [syntax.parsed(cell.source) for cell in self.cells]
        names = [[syntax.Names.of(statement) for statement in tree] for tree in trees]
        binds = [set().union(*(own.bound for own in cell)) for cell in names]
        for _ in range(MAX_ROUNDS):
            run = [own for number in sorted(kept) for own in names[number]]
            wanted = syntax.wanted_names(run).union(tasks)
            grown = {number for number, bound in enumerate(binds) if bound & wanted} - kept
            if not grown:
                return [self.cells[number] for number in sorted(kept)]
            kept |= grown
        return list(self.cells)


def _content(path: Path, data: bytes) -> Any:
    if not data.strip():
        raise CourseError(f"{path}: the file is empty; {SAVE_AGAIN}")
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise CourseError(f"{path}: not a notebook, or cut off half-way; {SAVE_AGAIN}") from None


def file_bytes(path: Path) -> bytes:
    """The content of a regular file; raises CourseError for whatever else the path may lead to."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError as error:
        _cannot_read(path, error)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise CourseError(f"{path}: a folder; name the notebook in it")
        if not stat.S_ISREG(status.st_mode):
            raise CourseError(f"{path}: not a file; submit the notebook itself")
        if status.st_size > MAX_BYTES:
            size = f"{status.st_size / 2**20:.0f} MB"
            raise CourseError(f"{path}: {size}; clear the outputs, save and submit it again")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_BYTES)
    except OSError as error:
        _cannot_read(path, error)
    finally:
        os.close(descriptor)


def _cannot_read(path: Path, error: OSError) -> NoReturn:
    if isinstance(error, FileNotFoundError):
        raise CourseError(f"{path}: no such file; check the name") from None
    if error.errno == errno.ELOOP:
        message = "a symbolic link, which may lead to anybody's work; submit the notebook itself"
        raise CourseError(f"{path}: {message}") from None
    raise CourseError(f"{path}: cannot be read: {error.strerror}") from None


def _notebook(path: Path, content: Any) -> dict[str, Any]:
    if not isinstance(content, dict) or "nbformat" not in content:
        raise CourseError(f"{path}: JSON, but not a notebook; submit the .ipynb file")
    version, minor = content["nbformat"], content.get("nbformat_minor", 0)
    if type(version) is not int or version != 4:
        raise CourseError(f"{path}: nbformat {version!r:.9}, and not 4; {SAVE_AGAIN}")
    if type(minor) is not int:
        raise CourseError(f"{path}: nbformat_minor {minor!r:.9}, and no number; {SAVE_AGAIN}")
    metadata, cells = content.get("metadata"), content.get("cells")
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
    """Whether its parts are of the kinds that nbgrader takes for granted."""
    if not isinstance(cell, dict):
        return False
    words = [cell.get("cell_type"), cell.get("id", "")]
    source, outputs = cell.get("source", ""), cell.get("outputs", [])
    bundles = [cell.get("metadata"), cell.get("attachments", {})]
    return (
        _is_list_of(str, words)
        and (isinstance(source, str) or _is_list_of(str, source))
        and _is_list_of(dict, outputs)
        and _is_list_of(dict, bundles)
    )


def _is_list_of(kind: type, value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, kind) for each in value)


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


@dataclass
class _Parser:
    """Finds the syntax errors of a notebook for as long as its share of time lasts."""

    left: int = MAX_PARSED

    def error_line(self, source: str) -> int:
        """The number of the first line that is no Python, 0 where there is none to be found."""
        self.left -= len(source)
        return syntax.error_line(source) or 0 if self.left >= 0 else 0


def _code_cell(cell: dict[str, Any], parser: _Parser) -> CodeCell:
    text = _source(cell).encode(errors="replace").decode()  # half a surrogate pair is no text
    tags = cell["metadata"].get("tags")
    names = tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()
    code = _without_magics(text, parser)
    return CodeCell(TOO_DEEP if syntax.too_deep(code) else code, names)


def _without_magics(source: str, parser: _Parser) -> str:
    """Plain Python: a timing magic leaves its code, any other cell magic empties its cell."""
    first, _, rest = source.lstrip().partition("\n")
    while first.startswith("%%"):
        if first[2:].partition(" ")[0].strip() not in TIMING_MAGICS:
            return ""
        source = rest
        first, _, rest = source.lstrip().partition("\n")
    signs = any(sign in source for sign in "%!?")
    return _without_line_magics(source, parser) if signs else source


def _without_line_magics(source: str, parser: _Parser) -> str:
    """The source without those lines at which it does not parse because they are magics."""
    lines = source.split("\n")
    while 0 < (number := parser.error_line("\n".join(lines))) <= len(lines):
        place = number - 1
        magic = MAGIC.fullmatch(lines[place])
        if magic is None:
            break
        indent, target, timed = (part or "" for part in magic.group("indent", "target", "timed"))
        after = place + 1
        while lines[after - 1].endswith("\\") and after < len(lines):
            after += 1
        idle = target + timed if timed else f"{target}None" if target else "pass"
        lines[place:after] = [indent + idle, *[""] * (after - place - 1)]
    return "\n".join(lines)
