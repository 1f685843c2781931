"""Imports ahead of the notebooks: once, and while something else starts."""

import contextlib
import gc
from collections.abc import Iterator
from contextlib import contextmanager

from autograder import parents, syntax
from autograder.assignment import EXERCISES, Assignment
from autograder.errors import CourseError


def modules_to_preload(assignment: Assignment) -> list[str]:
    """What every notebook of the assignment imports, and what costs seconds on first use."""
    cells = [cell.source for cell in assignment.notebook.cells if cell.cell_type == "code"]
    sources = [*cells, (EXERCISES / "lab.py").read_text()]
    modules = {name for source in sources for name in syntax.imported_modules(source)}
    if any("optim" in source for source in sources):
        modules.add("torch._dynamo")  # which the first optimizer imports
    return sorted(modules | {"numpy", "torch", "torch.testing"})


@contextmanager
def collector_off() -> Iterator[None]:
    """Import without the garbage collector, which would look through what stays many times over."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def sandbox_starting(assignment: str, isolation: str, device: str) -> Iterator[None]:
    """Meanwhile start the parent of the workers in which notebooks of an assignment will run.

    What stands against it is left for grading to say.
    """
    with contextlib.ExitStack() as meanwhile:
        if isolation == "bubblewrap":
            with contextlib.suppress(CourseError):
                modules = modules_to_preload(Assignment.load(assignment))
                meanwhile.enter_context(parents.starting(isolation, device, modules))
        yield
