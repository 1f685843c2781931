"""The command line. Each command imports what it needs when it runs, so that --help is quick."""

import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.errors import CourseError, UsageError
from autograder.printing import (
    DRY_RUN,
    doing,
    lines_of,
    print_changes,
    print_class,
    print_collection,
    print_demo,
    print_differences,
    print_report,
    print_written,
)

if TYPE_CHECKING:
    from autograder.course import Course
    from autograder.regrade import Difference

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


class Platform(StrEnum):
    """A learning platform."""

    moodle = "moodle"
    canvas = "canvas"


class Format(StrEnum):
    """What marks are written for."""

    csv = "csv"
    moodle = "moodle"
    canvas = "canvas"


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
OutputOption = Annotated[
    Path | None,
    typer.Option(
        *("--output", "-o"),
        metavar="FILE",
        help="The file to write; default: beside the class report.",
        show_default=False,
    ),
]
StudentsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--student",
        metavar="NAME",
        help="Grade the submission of this student alone; may be given again.",
        show_default=False,
    ),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what would change, and write nothing.")
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

    with doing("building") as say:
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

    with doing(f"solving {assignment}"):
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
    with doing(f"grading {notebook.name} as {name}; student code runs isolated: {how}") as say:
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
        print_report(report)


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
    students: StudentsOption = None,
    dry_run: DryRunOption = False,
    course: CourseOption = COURSE,
    jobs: JobsOption = None,
    cluster: ClusterOption = None,
    isolation: IsolationOption = None,
    device: DeviceOption = None,
    as_json: JsonLinesOption = False,
) -> None:
    """Grade everything submitted; marks go to nbgrader's gradebook, feedback to pages.

    Marks that are in the gradebook and change are shown, task by task, before they are written.
    """
    from autograder.progress import Watch

    with Watch(assignment, as_json=as_json, dry_run=dry_run) as watch:
        from autograder.gradebook import grade_class

        def show(differences: "Sequence[Difference]") -> None:
            with watch.aside(len(differences)):
                if not as_json:
                    print_differences(differences)

        graded = grade_class(
            assignment,
            _course(course),
            students=students,
            isolation=isolation,
            device=device,
            jobs=jobs,
            cluster=cluster,
            dry_run=dry_run,
            progress=watch,
            show=show,
        )
    if dry_run and not as_json:
        print(DRY_RUN if any(each.difference for each in graded.outcomes) else "no mark changes")
    elif not as_json:
        print_class(graded, _course(course))
    if graded.failures:
        raise typer.Exit(1)


@app.command()
def report(
    assignment: AssignmentArgument, course: CourseOption = COURSE, as_json: JsonOption = False
) -> None:
    """Write the class report: marks, what went wrong most, with plots."""
    with doing(f"reporting on {assignment}"):
        from autograder.class_report import collect, write

        files = write(assignment, _course(course))
    if as_json:
        print(collect(assignment, _course(course)).to_json(), end="")
    else:
        for file in files:
            print(file)


@app.command()
def roster(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", show_default=False)],
    course: CourseOption = COURSE,
    id_column: Annotated[
        str | None,
        typer.Option(
            "--id",
            metavar="COLUMN",
            help="The column with nbgrader's student ids; default: ID number (Moodle), "
            "SIS Login ID (Canvas).",
            show_default=False,
        ),
    ] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write the students of a Moodle or Canvas CSV file to the gradebook."""
    with doing(f"reading {file}"):
        from autograder.roster import update

        changes = update(file, _course(course), id_column=id_column, dry_run=dry_run)
    print_changes(changes, as_json, dry_run)
    if changes.reading.problems:
        raise typer.Exit(1)


@app.command()
def collect(
    assignment: AssignmentArgument,
    source: Annotated[Path, typer.Argument(metavar="FOLDER|ZIP", show_default=False)],
    course: CourseOption = COURSE,
    worksheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Moodle's grading worksheet: who the participants are, and when they submitted.",
            show_default=False,
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            metavar="ZONE",
            help="The time zone of worksheet and zip, as Europe/Berlin; default: this machine's.",
            show_default=False,
        ),
    ] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Collect the download of all submissions, as Moodle or Canvas or folders name them."""
    with doing(f"collecting {assignment}") as say:
        from autograder.collecting import collect as collect_download
        from autograder.collecting import time_zone

        made = collect_download(
            assignment,
            source,
            _course(course),
            worksheet=worksheet,
            zone=time_zone(timezone),
            dry_run=dry_run,
            progress=lambda student: say(f"collecting {student}"),
        )
    print_collection(made, as_json, dry_run)
    if made.problems:
        raise typer.Exit(1)


@app.command()
def demo(jobs: JobsOption = None, isolation: IsolationOption = None) -> None:
    """A small class from start to marks, on bundled data, in _build/demo."""
    with doing("building the assignment and the submissions of the demo"):
        from autograder.class_report import write
        from autograder.demo import ASSIGNMENT, prepare
        from autograder.gradebook import grade_class
        from autograder.progress import Watch

        course, stories = prepare()
    with Watch(ASSIGNMENT) as watch:
        graded = grade_class(ASSIGNMENT, course, isolation=isolation, jobs=jobs, progress=watch)
    with doing("writing the class report"):
        files = write(ASSIGNMENT, course)
    print_demo(graded, stories, course, files)


@app.command()
def export(
    assignment: AssignmentArgument,
    form: Annotated[
        Format, typer.Option("--format", help="Who reads the file.", show_default=False)
    ],
    output: OutputOption = None,
    worksheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Moodle's grading worksheet to fill in; default: the one given to `collect`.",
            show_default=False,
        ),
    ] = None,
    gradebook_csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Canvas's exported gradebook to fill in.", show_default=False
        ),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The assignment's column in Canvas's file.", show_default=False
        ),
    ] = None,
    scale: Annotated[
        bool, typer.Option("--scale", help="Turn marks into shares of the platform's maximum.")
    ] = False,
    course: CourseOption = COURSE,
    as_json: JsonOption = False,
) -> None:
    """Write the marks of an assignment as a table, or as Moodle or Canvas imports them."""
    with doing(f"exporting the marks of {assignment}"):
        from autograder import exporting

        made = exporting.export(
            assignment,
            _course(course),
            form.value,
            output=output,
            worksheet=worksheet,
            gradebook_csv=gradebook_csv,
            column=column,
            scale=scale,
        )
    remarks = {"replaced": lines_of(made.replaced), "nobody's row": made.unknown}
    print_written(made, f"{len(made.marks)} marks", remarks, as_json)
    if made.problems:
        raise typer.Exit(1)


@app.command("return")
def return_(
    assignment: AssignmentArgument,
    platform: Annotated[
        Platform, typer.Option(help="Where the work was collected from.", show_default=False)
    ],
    output: OutputOption = None,
    course: CourseOption = COURSE,
    as_json: JsonOption = False,
) -> None:
    """Pack the feedback pages as Moodle or Canvas takes them back."""
    with doing(f"packing the feedback pages of {assignment}"):
        from autograder.returning import pack

        made = pack(assignment, _course(course), platform.value, output)
    print_written(made, f"{len(made.packed)} feedback pages", {}, as_json)
    if made.problems:
        raise typer.Exit(1)


@app.command()
def similar(
    assignment: AssignmentArgument,
    course: CourseOption = COURSE,
    least: Annotated[
        float | None,
        typer.Option(min=1, help="The weight from which they are listed.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List look-alike answers side by side, for a person to judge; no mark depends on it."""
    with doing(f"reading the answers to {assignment}") as say:
        from autograder.similar import JUDGE, LEAST, look_alikes, write

        found = look_alikes(
            assignment,
            _course(course),
            least or LEAST,
            lambda done, number: say(f"reading the answers: {done} of {number} notebooks"),
        )
        files = write(found, _course(course))
    if as_json:
        print(found.to_json(), end="")
        return
    print(JUDGE, file=sys.stderr)
    for file in files:
        print(file)


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
