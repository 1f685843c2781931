"""A copy of the project with one light assignment in it, driven by the real command lines.

`quick` has eight tasks that do not train. It is no part of the course: its sheet, its reference
module and its hidden checks lie in `benchmarks/quick`, and only a copy made here knows it.
"""

import ast
import copy
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder.assignment import known
from autograder.course import ROOT, Course, write_atomically

QUICK = Path(__file__).resolve().parent / "quick"


def sources(path: Path) -> dict[str, str]:
    """The source of each function, class and variable that a module defines, by name."""
    text = path.read_text()
    found = {}
    for statement in ast.parse(text).body:
        source = ast.get_source_segment(text, statement)
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            found[statement.name] = source or ""
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            found[statement.targets[0].id] = source or ""
    return found


ANSWERS = sources(QUICK / "reference.py")
WRONG = sources(QUICK / "wrong.py")


@dataclass(frozen=True)
class Project:
    """A copy of the project in a folder, with one assignment."""

    folder: Path
    assignment: str = "quick"

    @property
    def course(self) -> Course:
        """The instructor's folder of this project, on which its command line works by default."""
        return Course(self.folder / "course", self.folder / "_build")

    @cached_property
    def released(self) -> NotebookNode:
        """What students receive."""
        path = self.course.release / self.assignment / f"{self.assignment}.ipynb"
        return nbformat.read(path, as_version=4)

    def environment(self, **more: str) -> dict[str, str]:
        """The environment in which Python, and what it starts, imports this copy."""
        return os.environ | {"PYTHONPATH": str(self.folder)} | more

    def run(
        self, *words: object, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """`autograder WORDS` in the project's folder, as `run_module`."""
        return run_module("autograder", words, self.folder, self.environment(**environment), check)

    def nbgrader(
        self, *words: object, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """`nbgrader WORDS` in the course folder, as `run_module`."""
        place = self.course.directory
        return run_module("nbgrader", words, place, self.environment(**environment), check)

    def submit(
        self,
        student: str,
        cells_by_task: Mapping[str, str] | bytes,
        extra_cells: Sequence[str] = (),
    ) -> Path:
        """Put a submission where nbgrader's collect puts it.

        cells_by_task: the source of the cell of each task that is answered; other tasks keep their
        stub. Bytes are written as they are.
        extra_cells: sources of code cells that come before the first task.
        """
        if isinstance(cells_by_task, bytes):
            content = cells_by_task
        else:
            content = nbformat.writes(answered(self.released, cells_by_task, extra_cells)).encode()
        path = self.course.submitted / student / self.assignment / f"{self.assignment}.ipynb"
        write_atomically(path, content)
        return path


def run_module(
    module: str,
    words: Sequence[object],
    folder: Path,
    environment: Mapping[str, str],
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """`python -m MODULE WORDS` in a folder.

    Raises CalledProcessError, with what the command said, where it fails and `check` is true.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, words)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    if check and done.returncode:
        error = subprocess.CalledProcessError(done.returncode, done.args)
        error.add_note(f"{done.stdout}\n{done.stderr}")
        raise error
    return done


def lay_out(folder: Path, assignment: str = "quick") -> Project:
    """Copy the project into a new folder, with this assignment alone, and build it there.

    The folder must not lie in one that the sandbox shows to student code, such as /usr or the
    Python environment.
    """
    compiled = shutil.ignore_patterns("__pycache__")
    unwanted = shutil.ignore_patterns("__pycache__", *_other_checks(assignment))
    shutil.copytree(ROOT / "autograder", folder / "autograder", ignore=unwanted)
    shutil.copytree(ROOT / "solutions", folder / "solutions", ignore=compiled)
    for name in ("nbgrader_config.py", "_config.yml", "exercises/__init__.py", "exercises/lab.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    sheet = folder / "exercises" / assignment
    if assignment == "quick":
        sheet.mkdir()
        shutil.copyfile(QUICK / "quick.md", sheet / "quick.md")
        shutil.copyfile(QUICK / "reference.py", folder / "solutions" / "quick.py")
        checks = folder / "autograder" / "checks" / "quick"
        shutil.copytree(QUICK / "checks", checks, ignore=compiled)
    else:
        shutil.copytree(ROOT / "exercises" / assignment, sheet, ignore=compiled)
    project = Project(folder, assignment)
    project.run("build", assignment)
    return project


def _other_checks(assignment: str) -> list[str]:
    """The folders of hidden checks that belong to other assignments."""
    return [name for name in known() if name != assignment]


def answered(
    released: NotebookNode, cells_by_task: Mapping[str, str], extra_cells: Sequence[str] = ()
) -> NotebookNode:
    """A copy of a released notebook with answers in place of stubs and cells before the first.

    A task's stub stands before the first cell whose nbgrader name is the task's, or begins with it
    and a hyphen. Raises LookupError for an unknown task.
    """
    notebook = copy.deepcopy(released)
    for task, source in cells_by_task.items():
        notebook.cells[_stub_of(notebook, task)].source = source
    first = next(n for n, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    notebook.cells[first + 1 : first + 1] = [new_code_cell(source) for source in extra_cells]
    return notebook


def _stub_of(notebook: NotebookNode, task: str) -> int:
    for position, cell in enumerate(notebook.cells):
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if name.partition("-")[0] == task:
            return position - 1
    raise LookupError(f"no task {task!r} in the notebook")
