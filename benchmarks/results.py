"""The tables of measurements in `book/results/`."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from solutions.tables import provenance, read_table, write_table

FOLDER = Path(__file__).resolve().parents[1] / "book" / "results"


def write_results(
    name: str,
    command: str,
    seeds: str,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    packages: Sequence[str] = (),
) -> Path:
    """Write `book/results/NAME.csv`: how it was made in lines that begin with #, then the table.

    Args:
        name: name of the table, without `.csv`.
        command: the command that makes it again.
        seeds: which seeds were used, in words.
        columns: the columns in order.
        rows: a value for each column.
        packages: further packages on whose versions the measurement depends.
    """
    header = provenance(command, seeds, packages)
    return write_table(FOLDER / f"{name}.csv", header, columns, rows)


def read_results(name: str) -> list[dict[str, str]]:
    """The rows of `book/results/NAME.csv` as text, without its header."""
    return read_table(FOLDER / f"{name}.csv")
