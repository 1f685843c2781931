"""Tables of measurements in `book/results/`, each with a header that says how it was made."""

import csv
import datetime
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch

FOLDER = Path(__file__).resolve().parents[1] / "book" / "results"


def write_results(
    name: str,
    command: str,
    seeds: str,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    packages: Sequence[str] = (),
) -> Path:
    """Write `book/results/NAME.csv`: provenance in lines that begin with #, then the table.

    Args:
        name: name of the table, without `.csv`.
        command: the command that makes it again.
        seeds: which seeds were used, in words.
        columns: the columns in order.
        rows: a value for each column.
        packages: further packages on whose versions the measurement depends.
    """
    versions = f"python {platform.python_version()}, torch {torch.__version__}"
    versions += f", numpy {np.__version__}, scikit-learn {sklearn.__version__}"
    versions += "".join(f", {package} {version(package)}" for package in packages)
    provenance = {
        "command": command,
        "seeds": seeds,
        "versions": versions,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, no GPU used",
        "date": datetime.date.today().isoformat(),
    }
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.csv"
    temporary = path.with_suffix(".csv.part")
    with temporary.open("w", newline="") as file:
        file.writelines(f"# {key}: {value}\n" for key, value in provenance.items())
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    temporary.replace(path)
    return path


def read_results(name: str) -> list[dict[str, str]]:
    """The rows of `book/results/NAME.csv` as text, without its header of provenance."""
    with (FOLDER / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))
