"""The instructors' edition of the book: the public pages, and after each exercise its solutions.

Its sources are a copy of the book's with pages added to it, so that the public edition's sources
hold none of them. `python -m autograder.edition` lays them out for `make book EDITION=instructor`.
"""

import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.assignment import Assignment, known
from autograder.course import BUILD, ROOT, reason
from autograder.errors import CourseError
from autograder.pages import TEMPLATES, points
from autograder.rubrics import read_rubrics
from autograder.solve import answer

if TYPE_CHECKING:
    from tests.wrong_answers import Variant

SOURCES = BUILD / "instructor" / "source"
COPIED = ["book", "exercises"]
ADDED = "instructor"
MARK = "Edition for instructors: holds solutions and rubrics, not for students"
"""Stands at the top of every page; nothing that bears it is published."""

PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def lay_out(folder: Path = SOURCES) -> Path:
    """Write the sources of the instructors' edition, ready for `jupyter-book build FOLDER`.

    The folder appears complete or not at all, in place of the one before it. Raises CourseError
    when it cannot be written, or when a written answer has no rubric.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".staging-", dir=folder.parent) as temporary:
            staging = Path(temporary)
            _write(staging / "new")
            if folder.exists():
                folder.rename(staging / "old")
            (staging / "new").rename(folder)
    except OSError as error:
        raise CourseError(f"{folder}: cannot be written: {reason(error)}") from error
    return folder


def pages() -> dict[str, str]:
    """The pages that this edition adds, as MyST Markdown by the name of their file."""
    from tests.wrong_answers import load_all

    variants = load_all()
    assignments = [Assignment.load(name) for name in known()]
    added = {assignment.name: _solutions(assignment, variants) for assignment in assignments}
    return {"index": _overview(assignments, variants), **added}


def contents(toc: dict[str, Any]) -> dict[str, Any]:
    """The book's table of contents with the added pages: solutions stand after their exercise."""

    def extended(chapters: list[dict[str, Any]]) -> list[dict[str, Any]]:
        longer = []
        for chapter in chapters:
            longer.append(chapter)
            folder, _, name = str(chapter.get("file")).rpartition("/")
            if folder.startswith("exercises/") and name in known():
                longer.append({"file": f"{ADDED}/{name}", "title": f"Solutions: {name}"})
        return longer

    parts = [{**part, "chapters": extended(part["chapters"])} for part in toc["parts"]]
    about = {"caption": "Instructors' edition", "chapters": [{"file": f"{ADDED}/index"}]}
    return {**toc, "parts": [about, *parts]}


def configuration(config: dict[str, Any]) -> dict[str, Any]:
    """The book's configuration with the mark on every page."""
    title = f"{config['title']} (instructors' edition)"
    extensions = {
        name: str(ROOT / path) for name, path in config["sphinx"]["local_extensions"].items()
    }
    return {
        **config,
        "title": title,
        "html": {**config["html"], "announcement": MARK},
        "sphinx": {**config["sphinx"], "local_extensions": extensions},
    }


def _write(folder: Path) -> None:
    for name in COPIED:
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    (folder / ADDED).mkdir()
    for name, text in pages().items():
        (folder / ADDED / f"{name}.md").write_text(text, encoding="utf-8")
    _convert(ROOT / "book" / "_toc.yml", folder / "_toc.yml", contents)
    _convert(ROOT / "_config.yml", folder / "_config.yml", configuration)


def _convert(origin: Path, target: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Write what a change makes of a YAML file."""
    import yaml

    changed = change(yaml.safe_load(origin.read_text(encoding="utf-8")))
    target.write_text(yaml.safe_dump(changed, sort_keys=False, allow_unicode=True), "utf-8")


def _solutions(assignment: Assignment, variants: list["Variant"]) -> str:
    """The page of one assignment: for each task its answer, and what its checks catch."""
    advice, rubrics = read_rubrics(assignment)
    by_hand = {task.name for task in assignment.tasks if task.kind == "written"}
    if missing := by_hand - set(rubrics):
        names = ", ".join(sorted(missing))
        raise CourseError(f"{assignment.rubrics}: no rubric of {names}; add `## NAME` for each")
    automatic = [task for task in assignment.tasks if task.kind != "written"]
    return _rendered(
        "edition_assignment.md.j2",
        assignment=assignment,
        sheet=assignment.path.relative_to(ROOT).as_posix(),
        advice=advice,
        rubrics=rubrics,
        answers={task.name: answer(assignment, task) for task in automatic},
        caught=_of_tasks(assignment, [variant for variant in variants if not variant.correct]),
        accepted=_of_tasks(assignment, [variant for variant in variants if variant.correct]),
    )


def _of_tasks(assignment: Assignment, variants: list["Variant"]) -> dict[str, list["Variant"]]:
    """The answers to each task of an assignment."""
    modules = assignment.solutions
    return {
        task.name: [variant for variant in variants if variant.answers(task.name, modules)]
        for task in assignment.tasks
    }


def _overview(assignments: list[Assignment], variants: list["Variant"]) -> str:
    wrong = [variant for variant in variants if not variant.correct]
    rows = [
        {
            "name": assignment.name,
            "tasks": len(assignment.tasks),
            "points": assignment.max_score,
            "by_hand": sum(task.points for task in assignment.tasks if task.kind == "written"),
            "caught": sum(map(len, _of_tasks(assignment, wrong).values())),
        }
        for assignment in assignments
    ]
    return _rendered("edition_index.md.j2", rows=rows)


def _label(variant: "Variant") -> str:
    """What tells an answer from the others: a function's name, or the number itself."""
    return f"`{variant.name}`" if callable(variant.answer) else _plain(repr(variant.answer))


def _plain(text: str) -> str:
    """Text that means nothing to Markdown."""
    return PUNCTUATION.sub(r"\\\1", " ".join(text.split()))


def _rendered(template: str, **values: Any) -> str:
    """Markdown from a template: unlike our HTML it escapes nothing by itself."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"label": _label, "plain": _plain, "points": points}
    return environment.get_template(template).render(values)


if __name__ == "__main__":
    try:
        print(lay_out())
    except CourseError as error:
        sys.exit(f"autograder: {error}")
