"""What a notebook's syntax trees tell: where tasks are defined, what is a stub, what is called."""

import ast
import copy
import symtable
import warnings
from collections.abc import Iterator, Mapping, Sequence

Cell = list[ast.stmt]

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

MAX_DEPTH = 250


def parsed(source: str) -> Cell:
    """The statements of a cell; none where it does not parse."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of the student's code, not of ours
            return ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def too_deep(source: str) -> bool:
    """Whether the source is nested deeper than the functions below follow it."""
    level: list[ast.AST] = list(parsed(source))
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return bool(level)


def bound_names(statement: ast.stmt) -> set[str]:
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


def used_names(node: ast.AST) -> set[str]:
    """Every name that is read anywhere below a node."""
    return {
        child.id
        for child in ast.walk(node)
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Load)
    }


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


def definitions(cells: Sequence[Cell]) -> dict[str, list[ast.stmt]]:
    """The statements that bind each name, in the order of the cells."""
    found: dict[str, list[ast.stmt]] = {}
    for statement in (statement for cell in cells for statement in cell):
        for name in bound_names(statement):
            found.setdefault(name, []).append(statement)
    return found


def only_stubs(cells: Sequence[Cell], name: str) -> bool:
    """Whether a task is defined, and only by its stub."""
    found = definitions(cells).get(name, [])
    return bool(found) and all(is_stub(statement) for statement in found)


def forbidden_uses(cells: Sequence[Cell], task: str, forbidden: Sequence[str]) -> list[str]:
    """The forbidden library calls that a task reaches, itself or through its helpers.

    forbidden: dotted paths; `torch.autograd` covers everything below it, `torch.Tensor.softmax`
    the method of that name on any object that is not a module. Aliases, `from` imports and
    assignments of a function to a name are followed; annotations are not calls. `exec` and
    computed `getattr` are not followed.
    """
    reached = [_Unannotated().visit(copy.deepcopy(part)) for part in _reached(cells, task)]
    notebook = [part for cell in cells for part in cell if not isinstance(part, _DEFINITIONS)]
    aliases = _aliases([*notebook, *reached])
    uses = {path for statement in reached for path in _paths(statement, aliases)}
    return sorted(
        name for name in forbidden if any(use == name or use.startswith(f"{name}.") for use in uses)
    )


def _reached(cells: Sequence[Cell], task: str) -> list[ast.stmt]:
    """The answer's definitions and those of the notebook's own helpers, transitively.

    A helper is a function, a class, or a name that stands for an expression without a call: what
    training left in a variable is data.
    """
    defined = definitions(cells)
    pending, seen, reached = [task], set(), []
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        for statement in defined.get(name, []):
            if name == task or _is_helper(statement):
                reached.append(statement)
                pending.extend(_global_names(statement))
    return reached


def _is_helper(statement: ast.stmt) -> bool:
    if isinstance(statement, _DEFINITIONS):
        return not is_stub(statement)
    match statement:
        case ast.Assign(value=ast.Lambda() | ast.Name() | ast.Attribute()):
            return True
    return False


def _global_names(statement: ast.stmt) -> set[str]:
    """The names that a statement takes from the notebook, not from its own scope."""
    pending = [symtable.symtable(ast.unparse(statement), "cell", "exec")]
    names: set[str] = set()
    while pending:
        table = pending.pop()
        pending.extend(table.get_children())
        names.update(symbol.get_name() for symbol in table.get_symbols() if symbol.is_global())
    return names | (set() if isinstance(statement, _DEFINITIONS) else used_names(statement))


class _Unannotated(ast.NodeTransformer):
    """Takes the annotations out of a definition."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)


def _aliases(statements: Sequence[ast.stmt]) -> dict[str, str]:
    """Dotted path by local name, from imports and assignments."""
    paths: dict[str, str] = {}
    nodes = [node for statement in statements for node in ast.walk(statement)]
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                local = alias.asname or alias.name.split(".")[0]
                paths[local] = alias.name if alias.asname else local
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                paths[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in nodes:
        if isinstance(node, ast.Assign) and (path := _path(node.value, paths)):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id not in paths:
                    paths[target.id] = path
    return paths


def _paths(statement: ast.stmt, aliases: Mapping[str, str]) -> Iterator[str]:
    """What a statement's names and attributes stand for; `self.x` is the student's own."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and node.id in aliases:
            yield aliases[node.id]
        elif (attribute := _attribute(node)) is not None:
            if path := _path(node, aliases):
                yield path
            elif not _is_own(node):
                yield f"torch.Tensor.{attribute}"


def _path(node: ast.AST, aliases: Mapping[str, str]) -> str | None:
    """The dotted path that an expression stands for, where imports tell it."""
    match node:
        case ast.Name(id=name):
            return aliases.get(name)
        case ast.Attribute(value=value):
            base = _path(value, aliases)
        case ast.Call(args=[value, *_]) if _attribute(node) is not None:
            base = _path(value, aliases)
        case _:
            return None
    return f"{base}.{_attribute(node)}" if base else None


def _attribute(node: ast.AST) -> str | None:
    """The name that `x.name` or `getattr(x, "name")` asks for."""
    match node:
        case ast.Attribute(attr=name):
            return name
        case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name)), *_]):
            return name
    return None


def _is_own(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="self" | "cls")):
            return True
    return False
