"""What a notebook's syntax trees tell: where tasks are defined, what is a stub, what is called."""

import ast
import symtable
import warnings
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

Cell = list[ast.stmt]

MAX_DEPTH = 250
MAX_PATH = 200


def parsed(source: str) -> Cell:
    """The statements of a cell; none where it does not parse."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of the student's code, not of ours
            return ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def error_line(source: str) -> int | None:
    """The line, from 1, at which the source does not parse; None where it does."""
    try:
        with warnings.catch_warnings(action="ignore"):
            ast.parse(source)
    except SyntaxError as error:
        return error.lineno
    except (ValueError, RecursionError, MemoryError):
        pass
    return None


def too_deep(source: str) -> bool:
    """Whether the source is nested deeper than the functions below follow it."""
    level: list[ast.AST] = list(parsed(source))
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return bool(level)


def bound_names(statement: ast.AST) -> set[str]:
    """The notebook's names that a top-level statement binds."""
    return set(_bound(statement))


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
        return
    if isinstance(node, ast.Lambda):
        return
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from _bound(child)


@lru_cache(maxsize=256)
def imported_modules(source: str) -> frozenset[str]:
    """The modules that a cell imports, in full; relative imports excepted."""
    modules: set[str] = set()
    for node in (node for statement in parsed(source) for node in ast.walk(statement)):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module)
    return frozenset(modules)


@dataclass(frozen=True)
class Names:
    """The notebook's names that a statement binds, reads at once, and reads in its functions."""

    bound: set[str]
    now: set[str]
    later: set[str]

    @classmethod
    def of(cls, statement: ast.stmt) -> "Names":
        """The names of a top-level statement."""
        now, later = _read_names(statement)
        bound = bound_names(statement)
        if isinstance(statement, ast.AugAssign):
            now |= bound
        elif not isinstance(statement, ast.Assign):
            now -= bound
        return cls(bound, now, later)


def wanted_names(statements: Iterable[Names]) -> set[str]:
    """The names that statements read and do not bind themselves, or bind only later.

    What a function reads is looked for when it is called: after all cells.
    """
    wanted: set[str] = set()
    later: set[str] = set()
    bound: set[str] = set()
    for names in statements:
        wanted |= names.now - bound
        later |= names.later
        bound |= names.bound
    return wanted | (later - bound)


def _read_names(statement: ast.stmt) -> tuple[set[str], set[str]]:
    """The notebook's names that a statement reads when it runs, and when its functions run."""
    now: set[str] = set()
    later: set[str] = set()
    try:
        top = symtable.symtable(ast.unparse(statement), "cell", "exec")
    except (SyntaxError, ValueError, RecursionError):  # such as `return` outside a function
        return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}, set()
    pending = [(top, False)]
    while pending:
        table, deferred = pending.pop()
        deferred = deferred or (table.get_type() == "function" and not _runs_at_once(table))
        names = [symbol for symbol in table.get_symbols() if symbol.is_referenced()]
        read = {name.get_name() for name in names if name.is_global() or table is top}
        (later if deferred else now).update(read)
        pending.extend((child, deferred) for child in table.get_children())
    return now, later


def _runs_at_once(table: symtable.SymbolTable) -> bool:
    return table.get_name() in ("listcomp", "setcomp", "dictcomp", "genexpr")


def is_stub(statement: ast.stmt) -> bool:
    """Whether a definition is still the release: nothing but NotImplementedError, or None."""
    match statement:
        case ast.FunctionDef():
            return _raises_not_implemented(statement)
        case ast.ClassDef():
            methods = [part for part in statement.body if isinstance(part, ast.FunctionDef)]
            return any(_raises_not_implemented(method) for method in methods) and all(
                _raises_not_implemented(method) or method.name == "__init__" for method in methods
            )
        case ast.Assign(value=ast.Constant(value=None)):
            return True
    return False


def _raises_not_implemented(function: ast.FunctionDef) -> bool:
    body = [part for part in function.body if not isinstance(part, ast.Pass)]
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    match body:
        case [ast.Raise(exc=ast.Call(func=ast.Name(id="NotImplementedError")))]:
            return True
        case [ast.Raise(exc=ast.Name(id="NotImplementedError"))]:
            return True
    return False


def skipped_statements(cells: Sequence[Cell], tasks: Sequence[str]) -> list[list[int]]:
    """Stubs that an answer elsewhere in the notebook makes idle, as positions in each cell.

    So the last definition that is not the stub counts, wherever the cells stand.
    """
    answered = {
        name
        for cell in cells
        for statement in cell
        if not is_stub(statement)
        for name in bound_names(statement)
    }
    idle = answered.intersection(tasks)
    return [
        [
            position
            for position, statement in enumerate(cell)
            if is_stub(statement) and bound_names(statement) & idle
        ]
        for cell in cells
    ]


def _statements(cells: Sequence[Cell]) -> tuple[ast.stmt, ...]:
    return tuple(statement for cell in cells for statement in cell)


def _definitions(statements: Sequence[ast.stmt]) -> dict[str, list[ast.stmt]]:
    """The statements that bind each name, in the order of the cells."""
    found: dict[str, list[ast.stmt]] = {}
    for statement in statements:
        for name in bound_names(statement):
            found.setdefault(name, []).append(statement)
    return found


def only_stubs(cells: Sequence[Cell], name: str) -> bool:
    """Whether a task is defined, and only by its stub."""
    found = _known(_statements(cells)).definitions.get(name, [])
    return bool(found) and all(is_stub(statement) for statement in found)


def forbidden_uses(cells: Sequence[Cell], task: str, forbidden: Sequence[str]) -> list[str]:
    """The forbidden library calls that a task reaches, itself or through its helpers.

    forbidden: dotted paths; `torch.autograd` covers everything below it, `torch.Tensor.softmax`
    the method of that name on any object that is not a module, and a name without a dot another
    function of the notebook, such as another task. Imports, aliases and assignments
    of a module or function to a name are followed, within the scope where they hold; annotations
    are not calls. `exec` and computed `getattr` are not followed.
    """
    if not forbidden:
        return []
    statements = _statements(cells)
    known = _known(statements)
    reader = _Reader(known.scope)
    replaced = _replaced_imports(statements, task)
    own = [part for part in known.definitions.get(task, []) if part not in replaced]
    helpers = {**known.helpers, task: own}
    pending, seen = {task}, set[str]()
    read: set[ast.AST] = set()
    while pending:
        seen |= pending
        for part in {part for name in pending for part in helpers.get(name, [])} - read:
            if not isinstance(part, ast.stmt) or not is_stub(part):
                reader.read(part)
            read.add(part)
        pending = reader.names - seen
    return sorted(name for name in forbidden if reader.has_used(name))


def _replaced_imports(statements: Sequence[ast.stmt], task: str) -> list[ast.stmt]:
    """Imports under a task's name that nothing has read when an answer takes the name over."""
    unread: list[ast.stmt] = []
    replaced: list[ast.stmt] = []
    for statement in statements:
        if isinstance(statement, ast.ImportFrom) and task in bound_names(statement):
            unread.append(statement)
        elif unread and task in _read_names(statement)[0]:
            unread = []
        elif isinstance(statement, _DEFINITIONS) and statement.name == task:
            replaced += [] if is_stub(statement) else unread
    return replaced


def _helpers(statements: Sequence[ast.stmt]) -> dict[str, list[ast.AST]]:
    """What may stand behind a call of each of the notebook's names.

    A function, a class, or an expression without a call: what a call left in a variable is data.
    """
    found: dict[str, list[ast.AST]] = {}
    for node in (node for statement in statements for node in _notebook_level(statement)):
        if isinstance(node, _DEFINITIONS):
            found.setdefault(node.name, []).append(node)
        elif isinstance(node, _ASSIGNMENTS) and node.value and not _computed(node.value):
            for name in bound_names(node):
                found.setdefault(name, []).append(node)
    return found


def _computed(value: ast.expr) -> bool:
    """Whether an expression calls something, other than to choose or to prepare a function."""
    inside = () if isinstance(value, ast.Lambda) else _of_the_same_scope(value)
    return any(
        isinstance(node, ast.Call)
        and _attribute(node) is None
        and "partial" not in (getattr(node.func, "id", None), getattr(node.func, "attr", None))
        for node in (value, *inside)
    )


@dataclass
class _Scope:
    """What names stand for: `paths` holds dotted library paths, None for the notebook's own.

    Paths are cut at `MAX_PATH` characters: of aliases of aliases they could become as long as one
    likes. `stars` are modules of which every name was imported, `attributes` those of the
    notebook's own classes.
    """

    paths: ChainMap[str, str | None] = field(default_factory=ChainMap)
    stars: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)

    def bind(self, name: str, path: str | None, always: bool = True) -> None:
        """Let a name stand for a path; one that is not certain replaces no library path."""
        if path is not None or always or self.paths.maps[0].get(name) is None:
            self.paths[name] = path and path[:MAX_PATH]

    def learn(self, statement: ast.AST, always: bool) -> None:
        """Take note of what one statement binds, without what stands in functions below it."""
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                local = alias.asname or alias.name.split(".")[0]
                self.bind(local, alias.name if alias.asname else local)
        elif isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                if alias.name == "*":
                    self.stars.add(statement.module or "")
                else:
                    self.bind(alias.asname or alias.name, f"{statement.module}.{alias.name}")
        elif isinstance(statement, _DEFINITIONS):
            self.bind(statement.name, None, always)
        elif isinstance(statement, _ASSIGNMENTS):
            for name in bound_names(statement):
                self.bind(name, _path(statement.value, self), always)

    def inner(self, function: ast.AST) -> "_Scope":
        """The scope of a function's body: its own names hide the notebook's."""
        scope = _Scope(self.paths.new_child(), self.stars, self.attributes)
        nodes = list(_of_the_same_scope(function))
        for node in nodes:
            if isinstance(node, ast.arg):
                scope.paths[node.arg] = None
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                scope.paths[node.id] = None
        for node in nodes:
            scope.learn(node, always=False)
        return scope


def _notebook_scope(statements: Sequence[ast.stmt]) -> _Scope:
    """What the notebook's names stand for after all cells: the last certain binding counts."""
    scope = _Scope()
    for statement in statements:
        scope.learn(statement, always=True)
        for node in _notebook_level(statement):
            scope.learn(node, always=False)
        for node in ast.walk(statement):
            if isinstance(node, ast.ClassDef):
                scope.attributes |= _own_attributes(node)
    return scope


@dataclass(frozen=True)
class _Known:
    """What all questions about one notebook need."""

    scope: _Scope
    helpers: Mapping[str, Sequence[ast.AST]]
    definitions: Mapping[str, Sequence[ast.stmt]]


@lru_cache(maxsize=1)  # the tasks of one notebook are asked for one after the other
def _known(statements: tuple[ast.stmt, ...]) -> _Known:
    return _Known(_notebook_scope(statements), _helpers(statements), _definitions(statements))


def _own_attributes(definition: ast.ClassDef) -> set[str]:
    methods = {part.name for part in definition.body if isinstance(part, ast.FunctionDef)}
    return methods | {
        node.attr
        for node in ast.walk(definition)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_self(node)
    }


def _notebook_level(statement: ast.stmt) -> list[ast.AST]:
    """A statement and what lies below it, but not what lies in a function or a class."""
    below = [] if isinstance(statement, _DEFINITIONS) else list(_of_the_same_scope(statement))
    return [statement, *below]


def _of_the_same_scope(node: ast.AST) -> Iterator[ast.AST]:
    """What lies below a node but not in a function or class below it; those themselves, too."""
    pending = list(ast.iter_child_nodes(node))
    while pending:
        child = pending.pop()
        yield child
        if not isinstance(child, (*_DEFINITIONS, ast.Lambda)):
            pending.extend(ast.iter_child_nodes(child))


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.NamedExpr)
_ANNOTATIONS = ("annotation", "returns")


class _Reader:
    """Collects what code uses: `uses` are library paths, `names` are the notebook's own.

    `unbound` are those of `names` that nothing in the notebook binds but, perhaps, `import *`.
    """

    def __init__(self, notebook: _Scope) -> None:
        self.uses: set[str] = set()
        self.names: set[str] = set()
        self.unbound: set[str] = set()
        self._notebook = notebook

    def has_used(self, name: str) -> bool:
        """Whether something stands for the library path `name` or one below it.

        A name without a dot may also be that of another of the notebook's own functions.
        """
        below = f"{name}."
        module, _, last = name.rpartition(".")
        return (
            name in self.names
            or any(use == name or use.startswith(below) for use in self.uses)
            or (module in self._notebook.stars and last in self.unbound)
            or (bool(self.unbound) and any(f"{s}.".startswith(below) for s in self._notebook.stars))
        )

    def read(self, node: ast.AST, scope: _Scope | None = None) -> None:
        """Follow a node and everything below it; `scope` says what its names stand for."""
        scope = scope or self._notebook
        inner = scope.inner(node) if isinstance(node, _FUNCTIONS) else scope
        self._take(node, scope)
        for name, value in ast.iter_fields(node):
            if name in _ANNOTATIONS:
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    self.read(child, inner if name == "body" else scope)

    def _take(self, node: ast.AST, scope: _Scope) -> None:
        attribute = _attribute(node)
        if isinstance(node, ast.ImportFrom):
            self.uses.update(f"{node.module}.{alias.name}"[:MAX_PATH] for alias in node.names)
        elif isinstance(node, ast.Name):
            *local, notebook = scope.paths.maps
            if path := scope.paths.get(node.id):
                self.uses.add(path)
            elif not any(node.id in names for names in local):
                self.names.add(node.id)
                if node.id not in notebook:
                    self.unbound.add(node.id)
        elif attribute and not (_is_self(node) and attribute in scope.attributes):
            self.uses.add(_path(node, scope) or f"torch.Tensor.{attribute}")


def _path(node: ast.AST | None, scope: _Scope) -> str | None:
    """The dotted path that an expression stands for, where imports tell it."""
    if isinstance(node, ast.Name):
        return scope.paths.get(node.id)
    base = None
    if isinstance(node, ast.Attribute):
        base = _path(node.value, scope)
    elif isinstance(node, ast.Call) and node.args:
        base = _path(node.args[0], scope)
    attribute = _attribute(node)
    return f"{base}.{attribute}"[:MAX_PATH] if base and attribute else None


def _attribute(node: ast.AST | None) -> str | None:
    """The name that `x.name` or `getattr(x, "name")` asks for."""
    match node:
        case ast.Attribute(attr=name):
            return name
        case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name)), *_]):
            return name
    return None


def _is_self(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="self" | "cls")):
            return True
    return False
