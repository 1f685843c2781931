"""The command line. Each command imports what it needs when it runs, so that --help is quick."""

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.errors import CourseError, UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from autograder.course import Course
    from autograder.gradebook import GradedClass
    from autograder.report import Report

app = typer.Typer(
    help="Build assignments, grade notebooks isolated from the hidden checks, and report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Isolation(StrEnum):
    """How student code is kept apart."""

    bubblewrap = "bubblewrap"
    process = "process"


class Device(StrEnum):
    """Where tensors are computed."""

    cpu = "cpu"
    cuda = "cuda"


AssignmentArgument = Annotated[str, typer.Argument(metavar="ASSIGNMENT", show_default=False)]
CourseOption = Annotated[
    Path, typer.Option("--course", metavar="DIR", help="The course folder: submissions and marks.")
]
IsolationOption = Annotated[
    Isolation | None,
    typer.Option(help="How student code is kept apart; `process` is weaker.", show_default=False),
]
DeviceOption = Annotated[
    Device | None, typer.Option(help="Where tensors are computed.", show_default=False)
]
JobsOption = Annotated[
    int | None,
    typer.Option(min=1, help="Processes that grade; default: one a core.", show_default=False),
]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="The scheduler of a Dask cluster that grades in place of this machine.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]
JsonLinesOption = Annotated[
    bool,
    typer.Option("--json", help="Print a line of JSON for each submission, and a summary."),
]

COURSE = Path("course")


def main() -> None:
    """Run the command; an error is one line on stderr and exit status 1, or 2 for wrong use."""
    try:
        app()
    except CourseError as error:
        print(f"autograder: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except BrokenPipeError:
        # Whoever read our output has gone; nothing more can be written to it at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        from autograder.course import reason

        place = f"{error.filename}: " if error.filename else ""
        print(f"autograder: {place}{reason(error)}", file=sys.stderr)
        sys.exit(1)


@app.command()
def sync(
    assignments: Annotated[list[str] | None, typer.Argument(metavar="[ASSIGNMENT]...")] = None,
) -> None:
    """Refresh the stubs in exercises/ from solutions/."""
    from autograder import stubs

    changed = stubs.sync(assignments or None)
    for path in changed:
        print(f"{path}: stubs refreshed")
    if not changed:
        print("every stub is up to date")


@app.command()
def build(
    assignments: Annotated[list[str] | None, typer.Argument(metavar="[ASSIGNMENT]...")] = None,
    course: CourseOption = COURSE,
) -> None:
    """Build nbgrader's source and the student release from exercises/."""
    from autograder.build import build as build_assignments

    with _doing("building") as say:
        releases = build_assignments(
            assignments or None, _course(course), lambda name: say(f"building {name}")
        )
    for release in releases:
        print(f"{release.assignment}: {release.folder}")


@app.command()
def solve(
    assignment: AssignmentArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The notebook to write.")
    ],
) -> None:
    """Write the notebook with the reference answers in it (for instructors)."""
    from autograder.solve import solve as write_solution

    with _doing(f"solving {assignment}"):
        write_solution(assignment, output)
    print(f"{assignment}: {output}")


@app.command()
def check(
    notebook: Annotated[Path, typer.Argument(metavar="NOTEBOOK", show_default=False)],
    assignment: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Default: what the notebook says.", show_default=False),
    ] = None,
    course: CourseOption = COURSE,
    isolation: IsolationOption = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Grade one notebook now, with hints."""
    how = isolation or Isolation.bubblewrap
    name = assignment or _assignment_of(notebook)
    with _doing(f"grading {notebook.name} as {name}; student code runs isolated: {how}") as say:
        from autograder import warm
        from autograder.preload import collector_off, sandbox_starting
        from autograder.results import Job
        from autograder.work import Conditions, report_of

        on = (device or Device.cpu).value
        job = Job(_course(course).directory, name, "", notebook, how.value, on)
        work = job.work(Conditions.here(name))
        report = warm.ask(work)
        if report is None:
            say("importing torch (`autograder warm` keeps a grader at hand that has)")
            with collector_off(), sandbox_starting(name, how.value, on):
                importlib.import_module("autograder.grading")
            report = report_of(work, say)
    if as_json:
        print(report.to_json(), end="")
    else:
        _print_report(report)


@app.command()
def warm(
    assignment: Annotated[
        str | None, typer.Argument(help="Default: the first one.", show_default=False)
    ] = None,
    isolation: IsolationOption = None,
    device: DeviceOption = None,
) -> None:
    """Keep a grader at hand for `check`, which then answers at once; Ctrl-C ends it."""
    from autograder import warm as at_hand
    from autograder.assignment import known

    name = assignment or known()[0]
    how, on = isolation or Isolation.bubblewrap, device or Device.cpu
    with suppress(KeyboardInterrupt):
        at_hand.keep(name, how.value, on.value, lambda doing: print(doing, file=sys.stderr))


@app.command()
def grade(
    assignment: AssignmentArgument,
    course: CourseOption = COURSE,
    jobs: JobsOption = None,
    cluster: ClusterOption = None,
    isolation: IsolationOption = None,
    device: DeviceOption = None,
    as_json: JsonLinesOption = False,
) -> None:
    """Grade everything submitted; marks go to nbgrader's gradebook, feedback to pages."""
    from autograder.progress import Watch

    with Watch(assignment, as_json=as_json) as watch:
        from autograder.gradebook import grade_class

        graded = grade_class(
            assignment,
            _course(course),
            isolation=isolation,
            device=device,
            jobs=jobs,
            cluster=cluster,
            progress=watch,
        )
    if not as_json:
        _print_class(graded, _course(course))
    if graded.failures:
        raise typer.Exit(1)


@app.command()
def report(
    assignment: AssignmentArgument, course: CourseOption = COURSE, as_json: JsonOption = False
) -> None:
    """Write the class report: marks, what went wrong most, with plots."""
    with _doing(f"reporting on {assignment}"):
        from autograder.class_report import collect, write

        files = write(assignment, _course(course))
    if as_json:
        print(collect(assignment, _course(course)).to_json(), end="")
    else:
        for file in files:
            print(file)


@app.command()
def demo(jobs: JobsOption = None, isolation: IsolationOption = None) -> None:
    """A small class from start to marks, on bundled data, in _build/demo."""
    with _doing("building the assignment and the submissions of the demo"):
        from autograder.class_report import write
        from autograder.demo import ASSIGNMENT, prepare
        from autograder.gradebook import grade_class
        from autograder.progress import Watch

        course, stories = prepare()
    with Watch(ASSIGNMENT) as watch:
        graded = grade_class(ASSIGNMENT, course, isolation=isolation, jobs=jobs, progress=watch)
    with _doing("writing the class report"):
        files = write(ASSIGNMENT, course)
    _print_demo(graded, stories, course, files)


def _course(directory: Path) -> "Course":
    from autograder.course import Course

    return Course(directory)


def _assignment_of(notebook: Path) -> str:
    """The assignment that a notebook's metadata or its file's name says; else UsageError."""
    from autograder.assignment import known
    from autograder.submission import Submission

    named = Submission.read(notebook).assignment
    names = ", ".join(known())
    if named is not None and named not in known():
        raise CourseError(f"{notebook}: of the unknown assignment {named[:40]!r}; known: {names}")
    if named is None and notebook.stem not in known():
        message = "says of no assignment that it is its notebook; add --assignment NAME"
        raise UsageError(f"{notebook}: {message} ({names})")
    return named or notebook.stem


STYLES = {"correct": "green", "partial": "yellow", "unanswered": "dim", "manual": "blue"}


def _print_report(report: "Report") -> None:
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


def _print_class(graded: "GradedClass", course: "Course") -> None:
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


def _print_demo(
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
def _doing(what: str) -> Iterator[Callable[[str], None]]:
    """Say on stderr what is being done, as long as it is."""
    console = _console(stderr=True)
    with console.status(what, spinner="line") as status:
        if not console.is_terminal:
            print(what, file=sys.stderr)
        yield status.update
