"""Answers as the parts that they are made of, so that two of them can be compared as data.

A part of a function or a class is a statement, its names numbered in the order in which they come;
a part of a written answer is a few words in a row. What the release or the reference already says
is no part of anybody's answer.
"""

import ast
import builtins
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from rapidfuzz.distance import Indel
from rapidfuzz.process import extractOne

from autograder import syntax
from autograder.assignment import Assignment
from autograder.course import ROOT, reason
from autograder.errors import CourseError
from autograder.submission import TOO_DEEP, Submission, file_bytes

MAX_CHARACTERS = 20_000
WORDS_IN_A_ROW = 4
SIZE_OF_A_WORD = 3  # it tells as much as some three tokens of code
NEARLY_GIVEN = 0.8
FIRST_SIGN, SIGNS = 0x10000, 0x100000  # all of Unicode beyond the first plane
NEWLINE = re.compile(r"\r\n?|\n")  # where Python, too, takes a line to end
WORD = re.compile(r"\w+")

Parsed = tuple[str, syntax.Cell]
"""A cell's source and its statements, none where it is no Python."""

_BUILTINS = frozenset(dir(builtins))
_UNREAD = ("annotation", "returns", "type_comment", "type_params", "ctx", "kind")
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_BLOCKS = (ast.stmt, ast.excepthandler, ast.match_case)


@dataclass(frozen=True)
class Part:
    """A statement, or words in a row: its tokens, the lines on which it stands, and its size.

    form: what is equal where two parts are, names aside.
    """

    form: str
    tokens: tuple[str, ...]
    lines: range
    size: int

    @property
    def signs(self) -> str:
        """A character for each token, as the similarity library is quickest with."""
        return "".join(_sign(token) for token in self.tokens)


@dataclass(frozen=True)
class Answer:
    """A student's answer to a task as it was written, and its parts beyond what is given."""

    student: str
    text: str
    parts: tuple[Part, ...]

    @property
    def forms(self) -> tuple[str, ...]:
        """The forms of its parts in order: what two answers share that are alike, names aside."""
        return tuple(part.form for part in self.parts)

    @property
    def signs(self) -> str:
        """A character for each token of its parts in order."""
        return "".join(part.signs for part in self.parts)


@dataclass
class Handed:
    """What a student handed in: the answers by task, and why others are not among them."""

    answers: dict[str, Answer]
    problems: list[str]


class Given:
    """What the exercise sheet and the references say, of which nothing is anybody's own.

    Raises CourseError where a module of the references cannot be read.
    """

    def __init__(self, assignment: Assignment) -> None:
        cells = assignment.notebook.cells
        code = [cell.source for cell in cells if cell.cell_type == "code"]
        code += [_module(ROOT / "solutions" / f"{name}.py") for name in assignment.solutions]
        prose = [cell.source for cell in cells if cell.cell_type != "code"]
        trees = [statement for source in code for statement in syntax.parsed(source)]
        statements = [part for tree in trees for part in _statement_parts(tree)]
        words = [part for text in prose for part in _prose_parts(text)]
        self.forms = frozenset(part.form for part in (*statements, *words))
        self._statements = list(dict.fromkeys(part.signs for part in statements))

    def beyond(self, part: Part) -> float:
        """The size of a part; of one that is nearly a given statement, what is changed in it."""
        scorer = Indel.normalized_similarity
        nearest = extractOne(part.signs, self._statements, scorer=scorer, score_cutoff=NEARLY_GIVEN)
        return part.size * (1 - nearest[1]) if nearest else part.size


@lru_cache(maxsize=2**16)
def _sign(token: str) -> str:
    return chr(FIRST_SIGN + zlib.crc32(token.encode(errors="replace")) % SIGNS)


def _module(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise CourseError(f"{path}: cannot be read: {reason(error)}") from error


def handed_in(student: str, path: Path, assignment: Assignment, given: Given) -> Handed:
    """The answers in a notebook; raises CourseError for a file that is none of the assignment's."""
    data = file_bytes(path)
    submission = Submission.of(path, data)
    if submission.assignment not in (None, assignment.name):
        raise CourseError(f"{path}: a notebook of another assignment; not compared")
    tasks = assignment.tasks
    names = [task.name for task in tasks if task.kind in ("function", "class")]
    sources = ["\n".join(NEWLINE.split(cell.source)) for cell in submission.cells]
    cells = [(source, syntax.parsed(source)) for source in sources]
    handed = Handed({}, _cells_left_out(cells, names))
    texts = _code(cells, names, given)
    texts |= _written(data, [task.name for task in tasks if task.kind == "written"])
    for task in tasks:
        try:
            if pieces := texts.get(task.name):
                answer = _answer(student, pieces, given)
                if answer.parts or task.kind != "written":  # else the question as it was
                    handed.answers[task.name] = answer
        except CourseError as error:
            handed.problems.append(f"{task.name}: {error}")
    return handed


@dataclass(frozen=True)
class _Piece:
    """Consecutive lines of an answer: prose, or one definition."""

    text: str
    statement: ast.stmt | None = None

    def parts(self) -> Iterator[Part]:
        """The parts, with lines counted from 0 at the first one of the piece."""
        if self.statement is None:
            return _prose_parts(self.text)
        return _statement_parts(self.statement, _first_line(self.statement))


def _answer(student: str, pieces: Sequence[_Piece], given: Given) -> Answer:
    text = "\n\n".join(piece.text for piece in pieces)
    if len(text) > MAX_CHARACTERS:
        raise CourseError(f"more than {MAX_CHARACTERS} characters; not compared, read it yourself")
    parts: list[Part] = []
    before = 0
    for piece in pieces:
        for part in piece.parts():
            if part.form not in given.forms:
                lines = range(before + part.lines.start, before + part.lines.stop)
                parts.append(replace(part, lines=lines))
        before += piece.text.count("\n") + 2
    return Answer(student, text, tuple(parts))


def _cells_left_out(cells: Sequence[Parsed], tasks: Sequence[str]) -> list[str]:
    """What stands against cells that may hold an answer."""
    problems = []
    for number, (source, statements) in enumerate(cells, 1):
        if source == TOO_DEEP:
            problems.append(f"code cell {number} is nested too deeply to be compared")
        elif not statements and set(tasks) & _words_outside_comments(source):
            problems.append(f"code cell {number} cannot be read as Python; it was not compared")
    return problems


def _words_outside_comments(source: str) -> set[str]:
    lines = (line.partition("#")[0] for line in source.split("\n"))
    return {word for line in lines for word in WORD.findall(line)}


def _code(cells: Sequence[Parsed], tasks: Sequence[str], given: Given) -> dict[str, list[_Piece]]:
    """The definition of each task that counts, and those of the helpers that it reaches."""
    defined: dict[str, _Piece] = {}
    otherwise: dict[str, _Piece] = {}  # such as `sgd = partial(...)`, or `for sgd in ...`
    for source, statements in cells:
        lines = source.split("\n")
        for statement in statements:
            if isinstance(statement, ast.Import | ast.ImportFrom) or syntax.is_stub(statement):
                continue
            text = "\n".join(lines[_first_line(statement) - 1 : statement.end_lineno])
            names = dict.fromkeys(syntax.bound_names(statement), _Piece(text, statement))
            (defined if isinstance(statement, _DEFINITIONS) else otherwise).update(names)
    helpers = {
        name: piece
        for name, piece in defined.items()
        if name not in tasks and any(part.form not in given.forms for part in piece.parts())
    }
    answers = otherwise | defined
    return {name: _reached(answers[name], helpers) for name in tasks if name in answers}


def _reached(answer: _Piece, helpers: dict[str, _Piece]) -> list[_Piece]:
    """The answer's piece and, in the order in which they are met, those of its helpers.

    None is looked for once they are too long to be compared.
    """
    found, seen, length = [answer], set[str](), 0
    for piece in found:  # it grows
        length += len(piece.text)
        if piece.statement is None or length > MAX_CHARACTERS:
            break
        names = [node.id for node in ast.walk(piece.statement) if isinstance(node, ast.Name)]
        met = [name for name in dict.fromkeys(names) if name in helpers and name not in seen]
        seen.update(met)
        found += [helpers[name] for name in met if helpers[name] is not answer]
    return found


def _written(data: bytes, tasks: Sequence[str]) -> dict[str, list[_Piece]]:
    """The written answers; data: a file that `Submission.of` has taken for a notebook."""
    found: dict[str, list[_Piece]] = {}
    for cell in json.loads(data)["cells"] if tasks else ():
        marked = cell["metadata"].get("nbgrader")
        name = marked.get("grade_id") if isinstance(marked, dict) else None
        if isinstance(name, str) and name in tasks and cell["cell_type"] == "markdown":
            text = "".join(cell.get("source", "")).encode(errors="replace").decode()
            found.setdefault(name, []).append(_Piece(text))
    return found


def _first_line(statement: ast.stmt) -> int:
    """The line, from 1, of a statement or of its first decorator."""
    decorators: Iterable[ast.expr] = getattr(statement, "decorator_list", ())
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])


def _statement_parts(statement: ast.stmt, first: int = 1) -> Iterator[Part]:
    """A statement and all below it, in order; what stands in its blocks is no part of itself."""
    pending: list[ast.AST] = [statement]
    while pending:
        node = pending.pop()
        inside = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.stmt) and not _says_nothing(node):
            tokens = tuple(_tokens(node))
            below = [_line(child) - 1 for child in inside if isinstance(child, _BLOCKS)]
            last = min([node.end_lineno or node.lineno, *below])
            lines = range(_first_line(node) - first, max(last, node.lineno) - first + 1)
            yield Part(" ".join(tokens), tokens, lines, len(tokens))
        pending.extend(child for child in reversed(inside) if isinstance(child, _BLOCKS))


def _line(block: ast.stmt | ast.excepthandler | ast.match_case) -> int:
    return (block.pattern if isinstance(block, ast.match_case) else block).lineno


def _says_nothing(statement: ast.stmt) -> bool:
    """Whether it is `pass`, or a docstring or another bare value."""
    is_value = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return is_value or isinstance(statement, ast.Pass)


def _tokens(statement: ast.stmt) -> Iterator[str]:
    """The kinds of its nodes, its constants, attributes and keywords; names as numbers."""
    numbers: dict[str, str] = {}
    pending: list[object] = [statement]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Constant):
            # An integer of any length has a hexadecimal form, and not a decimal one.
            value = hex(node.value) if isinstance(node.value, int) else repr(node.value)
            yield f"{type(node.value).__name__}:{value}"
        elif isinstance(node, ast.Name):
            known = node.id in _BUILTINS
            yield node.id if known else numbers.setdefault(node.id, f"name{len(numbers)}")
        elif isinstance(node, ast.arg):
            yield numbers.setdefault(node.arg, f"name{len(numbers)}")
        elif isinstance(node, ast.AST):
            yield type(node).__name__
            pending.extend(reversed(list(_children(node))))
        elif node is not None:
            yield str(node)


def _children(node: ast.AST) -> Iterator[object]:
    """What a node says but for the statements below it and the name that a definition has."""
    for name, value in ast.iter_fields(node):
        if name in _UNREAD or (name == "name" and isinstance(node, _DEFINITIONS)):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.stmt):
                yield child


def _prose_parts(text: str) -> Iterator[Part]:
    """The words in a row that begin at each word."""
    found = [
        (word.group().casefold(), number)
        for number, line in enumerate(text.split("\n"))
        for word in WORD.finditer(line)
    ]
    words = [word for word, _ in found]
    for start in range(len(words) - WORDS_IN_A_ROW + 1):
        number = found[start][1]
        form = " ".join(words[start : start + WORDS_IN_A_ROW])
        yield Part(form, (words[start],), range(number, number + 1), SIZE_OF_A_WORD)
