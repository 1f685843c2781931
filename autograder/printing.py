"""What the commands print: tables, and lines; what comes from students is printed as text."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from autograder.collecting import Collection
    from autograder.course import Course
    from autograder.exporting import Exported
    from autograder.gradebook import GradedClass
    from autograder.regrade import Difference
    from autograder.report import Report
    from autograder.returning import Returned
    from autograder.roster import Changes


DRY_RUN = "nothing is written; the same command without --dry-run writes it"


STYLES = {"correct": "green", "partial": "yellow", "unanswered": "dim", "manual": "blue"}


def print_report(report: "Report") -> None:
    """The report of one notebook as a table; what comes from the notebook is printed as text."""
    from rich.text import Text

    from autograder.course import site_url
    from autograder.pages import points

    table = _table("task", "status", "points", "hint")
    site = site_url()
    for task in report.tasks:
        style = STYLES.get(task.status, "red")
        score = "by hand" if task.status == "manual" else points(task.score)
        hints = Text("\n".join([*task.hints, *(f"{site}/{page}" for page in task.pages)]))
        share = Text(f"{score} / {points(task.points)}")
        table.add_row(Text(task.name), Text(task.status, style=style), share, hints)
    console = _console()
    console.print(table)
    for note in report.notes:
        console.print(Text(f"note: {note}"))
    total = f"{report.assignment}: {points(report.score)} of {points(report.max_score)} points"
    by_hand = f", and {points(report.manual_points)} to be graded by hand"
    console.print(Text(total + (by_hand if report.manual_points else ""), style="bold"))
    console.print(Text(f"student code ran isolated: {report.isolation}"))


def print_class(graded: "GradedClass", course: "Course") -> None:
    """The marks of a class as a table, and where everything lies."""
    from rich.text import Text

    from autograder.marks import gradebook_name
    from autograder.pages import points

    table = _table("student", "mark", "of", "by hand")
    for mark in graded.marks:
        waiting = f"{mark.waiting} open" if mark.waiting else ""
        numbers = (Text(points(mark.score)), Text(points(mark.max_score)), Text(waiting))
        table.add_row(Text(mark.student), *numbers)
    console = _console()
    console.print(table)
    console.print(Text(f"gradebook: {gradebook_name(course)}"))
    console.print(Text(f"feedback:  {course.feedback}"))
    console.print(Text(f"next:      autograder report {graded.assignment}"))


def print_written(
    made: "Exported | Returned", what: str, remarks: dict[str, list[str]], as_json: bool
) -> None:
    """What a file for others holds, what to look at before it goes there, and what it lacks."""
    from rich.text import Text

    if as_json:
        print(json.dumps(asdict(made), default=str, ensure_ascii=False))
        return
    lacking = {"not in the file": lines_of(made.problems)}
    console = _console()
    for about, lines in (remarks | lacking).items():
        for line in lines:
            console.print(Text(f"{about}: {line}"), soft_wrap=True)
    if made.waiting:
        console.print(Text(f"with answers that nobody has graded yet: {len(made.waiting)}"))
    console.print(Text(f"{made.assignment}: {what}: {made.file}"), soft_wrap=True)


def lines_of(told: dict[str, str]) -> list[str]:
    return [f"{student}: {what}" for student, what in told.items()]


def print_differences(differences: "Sequence[Difference]") -> None:
    """How marks change as a table, and how many of them in which direction."""
    from rich.text import Text

    from autograder.regrade import rows, summary

    table = _table("student", "task", "old", "new", "")
    for difference in differences:
        *changes, total = rows(difference)
        for change in changes:
            table.add_row(*map(Text, change))
        table.add_row(*(Text(word, style="bold") for word in total))
    console = _console()
    console.print(table)
    for line in summary(differences):
        console.print(Text(line))


def print_demo(
    graded: "GradedClass", stories: dict[str, str], course: "Course", files: list[Path]
) -> None:
    """The table of marks with what is special about each submission, and the paths to open."""
    from rich.text import Text

    from autograder.course import BUILD
    from autograder.pages import points

    table = _table("student", "what was handed in", "mark", "of")
    for mark in graded.marks:
        story = Text(stories[mark.student])
        table.add_row(mark.student, story, points(mark.score), points(mark.max_score))
    console = _console()
    console.print(table)
    site = BUILD / "html" / "index.html"
    places = {
        "class report": files[0],
        "feedback": course.feedback,
        "gradebook": course.directory / "gradebook.db",
        "student notebook": course.release,
        "site": site if site.exists() else "not built; run: make book",
    }
    for name, place in places.items():
        console.print(Text(f"{name + ':':18}{place}"), soft_wrap=True)


def print_changes(changes: "Changes", as_json: bool, dry_run: bool) -> None:
    """What a roster changes, student by student, and what it cannot take."""
    from rich.text import Text

    reading = changes.reading
    if as_json:
        print(json.dumps(asdict(changes), ensure_ascii=False))
        return
    table = _table("student", "name", "what changes")
    for student, what in [(name, "new") for name in changes.new] + list(changes.changed.items()):
        table.add_row(Text(student), Text(reading.people[student].name), Text(what))
    console = _console()
    if table.rows:
        console.print(table)
    for line in reading.doubled:
        console.print(Text(f"twice in the file: {line}"))
    for line in reading.problems:
        console.print(Text(f"not taken: {line}"))
    if changes.kept:
        console.print(Text(f"in the gradebook alone, and kept: {', '.join(changes.kept)}"))
    counts = {"new": changes.new, "changed": changes.changed, "unchanged": changes.unchanged}
    numbers = ", ".join(f"{len(found)} {word}" for word, found in counts.items())
    console.print(Text(f"{len(reading.people)} students by {reading.id_column!r}: {numbers}"))
    if dry_run:
        console.print(Text("nothing has been written (--dry-run)"))


def print_collection(made: "Collection", as_json: bool, dry_run: bool) -> None:
    """What was collected of whom, what was not, and of whom there is nothing."""
    from rich.text import Text

    from autograder.archives import shown

    if as_json:
        print(json.dumps(asdict(made), ensure_ascii=False))
        return
    table = _table("student", "notebook", "submitted", "what")
    for outcome in made.outcomes:
        found = outcome.collected
        what = [outcome.status, *(["late"] if outcome.late else [])]
        what += [f"not {shown(other)}" for other in outcome.others]
        cells = (found.student, shown(found.file), found.time or "unknown", ", ".join(what))
        table.add_row(*map(Text, cells))
    console = _console()
    console.print(table)
    for name, problem in made.problems.items():
        console.print(Text(f"not collected: {shown(name)}: {shown(problem)}"))
    if made.missing:
        names = ", ".join(made.missing[:40]) + (", ..." if len(made.missing) > 40 else "")
        console.print(Text(f"nothing from {len(made.missing)}: {names}"))
    statuses = Counter(outcome.status for outcome in made.outcomes)
    statuses["late"] = sum(outcome.late for outcome in made.outcomes)
    numbers = ", ".join(f"{number} {status}" for status, number in statuses.items() if number)
    console.print(Text(f"{len(made.outcomes)} of {made.platform}: {numbers or 'none'}"))
    if any(not outcome.collected.time for outcome in made.outcomes):
        where = "Moodle's grading worksheet has them (--worksheet FILE)"
        if made.platform != "moodle":
            where = "the download has none, so only what the platform calls late counts as late"
        console.print(Text(f"unknown times: {where}"))
    if dry_run:
        console.print(Text("nothing has been written (--dry-run)"))


def _table(*columns: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _console(stderr: bool = False) -> "Console":
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=False)


@contextmanager
def doing(what: str) -> Iterator[Callable[[str], None]]:
    """Say on stderr what is being done, as long as it is."""
    console = _console(stderr=True)
    with console.status(what, spinner="line") as status:
        if not console.is_terminal:
            print(what, file=sys.stderr)
        yield status.update
