"""Builds assignments: exercise sheet -> nbgrader source -> what students receive."""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder import converting
from autograder.assignment import EXERCISES, Assignment, known
from autograder.course import ROOT, Course, reason
from autograder.errors import CourseError

LAB = EXERCISES / "lab.py"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
SHEET_LINK = re.compile(r"\]\((?P<path>\.\.?/[^)#\s]+)\.md(?P<anchor>#[^)\s]*)?\)")


@dataclass(frozen=True)
class Release:
    """What one build made: the student folder with its notebook, and nbgrader's source of it."""

    assignment: str
    folder: Path
    source: Path

    @property
    def notebook(self) -> Path:
        """The student notebook."""
        return self.folder / f"{self.assignment}.ipynb"


def build(
    names: list[str] | None, course: Course, progress: Callable[[str], None] | None = None
) -> list[Release]:
    """Build assignments into the course's source and release folders, and tell its gradebook.

    names: assignments; None stands for all. progress: called with each assignment's name before
    it is built. The release comes from nbgrader's own generate_assignment. Folders appear
    complete or not at all, and building twice gives identical bytes. Raises CourseError.
    """
    assignments = [Assignment.load(name) for name in (known() if names is None else names)]
    course.ensure()
    releases = []
    for assignment in assignments:
        if progress is not None:
            progress(assignment.name)
        releases.append(_build_one(assignment, course))
    return releases


def source_notebook(assignment: Assignment, site: str) -> NotebookNode:
    """The sheet as a notebook with nbgrader's metadata; links to the book start with `site`.

    Only the cells that carry points belong to nbgrader. A stub is an ordinary cell that Jupyter
    does not delete: nbgrader puts a lost locked cell back after the cell before it, which it
    cannot do if that is a lost solution cell.
    """
    folder = assignment.path.parent
    cells = [
        _cell(assignment.name, position, cell, lambda text: _site_links(text, folder, site))
        for position, cell in enumerate(assignment.notebook.cells)
    ]
    return new_notebook(
        cells=cells,
        metadata={
            "course": {"assignment": assignment.name},
            "kernelspec": KERNEL,
            "language_info": {"name": "python"},
        },
    )


def notebook_text(notebook: NotebookNode) -> str:
    """A notebook as the text of its file."""
    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=4) + "\n"


def _cell(
    assignment: str, position: int, cell: NotebookNode, link: Callable[[str], str]
) -> NotebookNode:
    metadata = cell.metadata
    name = metadata.get("check") or metadata.get("written")
    kept: dict[str, Any] = {"tags": metadata["tags"]} if "tags" in metadata else {}
    if name is not None:
        key = f"graded/{name}"
        kept["nbgrader"] = _graded(name, metadata["points"], cell.cell_type)
    elif "task" in metadata:
        key = f"task/{metadata['task']}"
        kept["deletable"] = False
    else:
        key = f"position/{position}"
    digest = hashlib.sha256(f"{assignment}/{key}".encode()).hexdigest()[:12]
    if cell.cell_type == "markdown":
        return new_markdown_cell(link(cell.source), metadata=kept, id=digest)
    return new_code_cell(cell.source, metadata=kept, id=digest)


def _graded(name: str, points: float, cell_type: str) -> dict[str, Any]:
    """nbgrader's metadata: a locked check, or a written answer that a person grades."""
    written = cell_type == "markdown"
    return {
        "schema_version": 3,
        "grade_id": name,
        "cell_type": cell_type,
        "grade": True,
        "solution": written,
        "locked": not written,
        "task": False,
        "points": points,
    }


def _site_links(text: str, folder: Path, site: str) -> str:
    """Turn relative links to Markdown pages of the project into addresses of the site."""

    def replace(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(folder / link["path"]))
        try:
            page = target.relative_to(ROOT).as_posix()
        except ValueError as error:
            raise CourseError(f"{folder}: the link {link[0][2:-1]} leaves the project") from error
        return f"]({site}/{page}.html{link['anchor'] or ''})"

    return SHEET_LINK.sub(replace, text)


def _build_one(assignment: Assignment, course: Course) -> Release:
    name = assignment.name
    with _staging(course.build) as staging:
        source, release = staging / "source", staging / "release"
        try:
            _write_source(assignment, course.site, source / name)
            _generate(name, course, source, release)
            for made, place in ((source, course.source), (release, course.release)):
                _replace(made / name, place / name, staging)
        except OSError as error:
            raise CourseError(f"{course.build}: cannot build {name}: {reason(error)}") from error
    return Release(name, course.release / name, course.source / name)


@contextmanager
def _staging(build: Path) -> Iterator[Path]:
    """A folder beside the final ones, so that what is complete can be renamed into place."""
    try:
        build.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(prefix=".staging-", dir=build)
    except OSError as error:
        raise CourseError(f"{build}: cannot be written: {reason(error)}") from error
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_source(assignment: Assignment, site: str, folder: Path) -> None:
    """The notebook, `lab.py` and the sheet's data, as nbgrader expects them."""
    folder.mkdir(parents=True)
    notebook = source_notebook(assignment, site)
    (folder / f"{assignment.name}.ipynb").write_text(notebook_text(notebook), encoding="utf-8")
    files = {file.relative_to(assignment.path.parent): file for file in assignment.data_files}
    for relative, file in (files | {Path(LAB.name): LAB}).items():
        (folder / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / relative)


def _generate(name: str, course: Course, source: Path, release: Path) -> None:
    """Run nbgrader's generate_assignment, configured as in the course folder."""
    # nbgrader takes three seconds to import: only those who build wait for it.
    from nbgrader.converters import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory

    config = course.configuration()
    config.CourseDirectory.source_directory = str(source)
    config.CourseDirectory.release_directory = str(release)
    config.CourseDirectory.assignment_id = name
    converter = GenerateAssignment(coursedir=CourseDirectory(config=config), config=config)
    what = f"{course.directory}: nbgrader generate_assignment {name} failed"
    converting.run(converter, what)


def _replace(made: Path, place: Path, staging: Path) -> None:
    """Put a complete folder in the place of the one before it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        place.rename(staging / f"old-{made.parent.name}")
    made.rename(place)
