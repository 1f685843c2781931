"""Our grader beside nbgrader's own, on the same generated submissions of `quick`.

nbgrader grades a classic course, unconfigured, in which the same hidden checks are hidden tests:
once in one process, once in two processes at a time (xargs -P2). It writes marks; `autograder
grade` writes marks and feedback pages. Every run begins from scratch, after this one has read the
libraries from the disk once.

    python -m benchmarks.grading [--submissions N] [--perceptron N] [--growth N ...] [--record]
"""

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table

from autograder.course import BUILD
from autograder.errors import CourseError, UsageError
from benchmarks.comparing import Marks, verdict
from benchmarks.graders import Bench, Run
from benchmarks.submissions import perceptron_class, quick_class

FOLDER = BUILD / "bench"
MB = 10**6


def row(run: Run) -> dict[str, Any]:
    """A run as a row of the tables in book/results."""
    seconds, number = run.cost.seconds, run.submissions
    return {
        "grader": run.grader,
        "assignment": run.assignment,
        "submissions": number,
        "seconds": f"{seconds:.1f}",
        "submissions_per_minute": f"{60 * number / seconds:.1f}",
        "seconds_per_submission": f"{seconds / number:.3f}",
        "cpu_seconds": f"{run.cost.cpu:.1f}",
        "peak_memory_mb": f"{run.cost.memory / MB:.0f}",
    }


def table_of(runs: Sequence[Run]) -> Table:
    """The runs as people read them."""
    table = _table()
    for name in ("grader", "assignment"):
        table.add_column(name)
    for name in ("n", "s", "n/min", "s/n", "CPU s", "peak MB"):
        table.add_column(name, justify="right")
    for run in runs:
        table.add_row(*map(str, row(run).values()))
    return table


def table_of_marks(books: Mapping[str, Marks]) -> Table:
    """The marks of all graders side by side."""
    table = _table("student", *books)
    for student in sorted({student for book in books.values() for student in book}):
        row = [book.get(student) for book in books.values()]
        table.add_row(student, *("" if own is None else f"{sum(own.values()):g}" for own in row))
    return table


def _table(*columns: str) -> Table:
    return Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0))


class _Parser(argparse.ArgumentParser):
    """Wrong use is one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def _number(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} on")
        return int(text)

    return number


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The options; raises UsageError."""
    parser = _Parser(
        prog="python -m benchmarks.grading",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    submissions = "submissions that all graders grade (24)"
    parser.add_argument("--submissions", type=_number(1), default=24, help=submissions)
    perceptron = "submissions of perceptron for our grader, 0 for none (8)"
    parser.add_argument("--perceptron", type=_number(0), default=8, help=perceptron)
    growth = "sizes of classes for our grader (10 100)"
    parser.add_argument("--growth", type=_number(1), nargs="*", default=[10, 100], help=growth)
    parser.add_argument("--seed", type=_number(0), default=0, help="of what is submitted (0)")
    record = "write the tables to book/results"
    parser.add_argument("--record", action="store_true", help=record)
    return parser.parse_args(words)


def main() -> None:
    """Compare, show, and write the tables where asked."""
    try:
        sys.exit(0 if _bench(parse(sys.argv[1:])) else 1)
    except CourseError as error:
        print(f"benchmarks.grading: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        print("benchmarks.grading: stopped", file=sys.stderr)
        sys.exit(130)


def _bench(options: argparse.Namespace) -> bool:
    """Run everything and print it; whether the marks are equal."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    bench, out = Bench(FOLDER), Console(highlight=False, soft_wrap=True)
    submissions = quick_class(options.submissions, options.seed)
    compared, books = bench.compare(submissions)
    others, growth = [], []
    if options.perceptron:
        others = [bench.alone("perceptron", perceptron_class(options.perceptron, options.seed))]
    for number in options.growth:
        growth.append(bench.alone("quick", quick_class(number, options.seed)))

    equal, words = verdict(books, [submission.student for submission in submissions])
    out.print(table_of_marks(books))
    out.print(f"{words}\n")
    out.print(f"{os.cpu_count()} cores; n submissions, seed {options.seed}")
    out.print(table_of([*compared, *others]))
    if growth:
        out.print("\nhow the cost of our grader grows")
        out.print(table_of(growth))
    if not all(run.cost.cpu_complete for run in [*compared, *others, *growth]):
        out.print("CPU s: without killed workers, for no control group could be made")
    if options.record:
        _record(options, [*compared, *others], growth)
    ratio = compared[0].cost.seconds / compared[-1].cost.seconds
    out.print(f"ratio to nbgrader (one process): {ratio:.1f}")
    return equal


def _record(options: argparse.Namespace, compared: Sequence[Run], growth: Sequence[Run]) -> None:
    # Imported late: torch and scikit-learn would take memory from what is measured.
    from benchmarks.results import write_results

    command = f"python -m benchmarks.grading --submissions {options.submissions}"
    command += f" --perceptron {options.perceptron} --growth {' '.join(map(str, options.growth))}"
    command += f" --seed {options.seed} --record"
    seeds = f"{options.seed}: the generated submissions"
    for name, runs in (("grading", compared), ("grading_growth", growth)):
        if runs:
            rows = [row(run) for run in runs]
            path = write_results(name, command, seeds, list(rows[0]), rows, ["nbgrader"])
            print(path, file=sys.stderr)


if __name__ == "__main__":
    main()
