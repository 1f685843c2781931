"""The plausible wrong answers of every task by name, and correct answers in other styles.

One file a module of `solutions`, of the same name: two assignments may have a task of one name. A
wrong answer names the hint that it must bring up; the matrix (`tests/matrix.py`) verifies that it
does. An answer is written out where it has a style of its own; one that differs from a correct
answer in a line or two is a `slip`, which shows these lines alone.
"""

import ast
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Variant:
    """An answer to one task: `hint` is what a wrong one must bring up, None marks a correct one.

    `module` is the module of `solutions` that it stands for; "" for a number.
    """

    task: str
    name: str
    answer: Any
    hint: str | None
    text: str = ""
    module: str = ""

    @property
    def correct(self) -> bool:
        return self.hint is None

    def answers(self, task: str, modules: Sequence[str]) -> bool:
        """Whether it answers the task of that name in a sheet with these modules of solutions."""
        return self.task == task and (not self.module or self.module in modules)

    def source(self, name: str | None = None) -> str:
        """The answer as a student would have typed it: library imports, then the definition.

        It defines the task's name, or another one.
        """
        if not callable(self.answer):
            return f"{name or self.task} = {self.answer!r}\n"
        tree = ast.parse(self.text or _typed(self.answer))
        definition = tree.body[-1]
        assert isinstance(definition, ast.FunctionDef | ast.ClassDef)
        definition.name = name or self.task
        return ast.unparse(tree) + "\n"


VARIANTS: list[Variant] = []


def wrong(task: str, *, hint: str) -> Callable[[Any], Any]:
    """Register the decorated function or class as a wrong answer that must bring up `hint`."""
    return _registered(task, hint)


def right(task: str) -> Callable[[Any], Any]:
    """Register the decorated function or class as a correct answer in another style."""
    return _registered(task, None)


def slip(correct: Any, name: str, edits: Mapping[str, str], *, hint: str) -> None:
    """Register a wrong answer that differs from a correct function or class in a few places.

    Args:
        correct: the reference, or another correct answer.
        name: what is wrong with it.
        edits: what replaces what, in the text that `ast.unparse` gives of the correct answer
            without its docstrings; each of the replaced texts stands there once.
        hint: what it must bring up.

    Raises:
        ValueError: a replaced text does not stand there once; the message shows the whole text.
    """
    text = _typed(correct)
    for old, new in edits.items():
        if text.count(old) != 1:
            raise ValueError(f"{name}: {old!r} must stand once in\n{text}")
        text = text.replace(old, new)
    namespace: dict[str, Any] = {"__name__": __name__}
    exec(compile(text, f"<{name}>", "exec"), namespace)
    tasks = [variant.task for variant in VARIANTS if variant.answer is correct]
    task = tasks[0] if tasks else correct.__name__
    answer = namespace[correct.__name__]
    VARIANTS.append(Variant(task, name, answer, hint, text, _module_of(correct)))


def wrong_number(task: str, answer: Any, *, hint: str) -> None:
    """Register a wrong value of a graded number."""
    VARIANTS.append(Variant(task, f"{task}_{len(VARIANTS)}", answer, hint))


def right_number(task: str, answer: Any) -> None:
    """Register a correct value of a graded number in another form."""
    VARIANTS.append(Variant(task, f"{task}_{len(VARIANTS)}", answer, None))


def load_all(modules: Sequence[str] | None = None) -> list[Variant]:
    """Import every file of this folder and return what they registered.

    modules: of `solutions`; the files of these alone, for whom the others would be a long import.
    """
    for module in pkgutil.iter_modules(__path__):
        if modules is None or module.name in modules:
            importlib.import_module(f"{__name__}.{module.name}")
    return [v for v in VARIANTS if modules is None or v.module in modules]


def _registered(task: str, hint: str | None) -> Callable[[Any], Any]:
    def register(answer: Any) -> Any:
        VARIANTS.append(Variant(task, answer.__name__, answer, hint, module=_module_of(answer)))
        return answer

    return register


def _module_of(answer: Any) -> str:
    """The module of `solutions` of a reference, or of an answer in the file of the same name."""
    return answer.__module__.rpartition(".")[2]


@cache
def _typed(answer: Any) -> str:
    """The library imports of an answer's module and its definition, without docstrings."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(answer)))
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef | ast.ClassDef)
    definition.decorator_list = []
    for node in ast.walk(definition):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    module = inspect.getmodule(answer)
    assert module is not None
    return "\n".join([*_library_imports(module), ast.unparse(tree)])


@cache
def _library_imports(module: ModuleType) -> list[str]:
    tree = ast.parse(inspect.getsource(module))
    return [
        ast.unparse(node)
        for node in tree.body
        if isinstance(node, ast.Import)
        or (isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("tests"))
    ]
