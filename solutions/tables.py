"""Tables of measurements as CSV, each with a header that says how it was made."""

import csv
import datetime
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "numpy", "scikit-learn")


def provenance(
    command: str, seeds: str, packages: Sequence[str] = (), device: str = "cpu"
) -> dict[str, str]:
    """What a measurement must say about itself: command, seeds, versions, machine, date.

    Args:
        command: the command that makes it again.
        seeds: which seeds were used, in words.
        packages: further packages on whose versions the measurement depends.
        device: what computed it, where that is not the processor.
    """
    versions = [f"{package} {version(package)}" for package in (*PACKAGES, *packages)]
    gpu = "no GPU used" if device == "cpu" else device
    return {
        "command": command,
        "seeds": seeds,
        "versions": ", ".join([f"python {platform.python_version()}", *versions]),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {gpu}",
        "date": datetime.date.today().isoformat(),
    }


def write_table(
    path: Path,
    header: Mapping[str, str],
    columns: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
) -> Path:
    """Write a table: the header in lines that begin with #, then a value for each column.

    The file is whole at any moment: it is written under another name first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.part")
    with temporary.open("w", newline="") as file:
        file.writelines(f"# {key}: {value}\n" for key, value in header.items())
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    temporary.replace(path)
    return path


def read_header(path: Path) -> dict[str, str]:
    """What the header of a table says of how it was made."""
    lines = [line for line in path.read_text().splitlines() if line.startswith("#")]
    return dict(line[2:].split(": ", 1) for line in lines)


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a table as text, without its header."""
    with path.open(newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))
