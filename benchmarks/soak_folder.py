"""What a course folder holds once a class is graded, as words that can be compared."""

import hashlib
import re
import stat
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, RowMapping, Table, create_engine

from autograder.course import Course

RANDOM_ID = re.compile(r"[0-9a-f]{32}")
TEMPORARY = re.compile(r"\..+\.(?!previous)[a-z0-9_]{8}")


@dataclass(frozen=True)
class Contents:
    """Files by path: permissions and digest. Rows of the gradebook, without ids, and how often.

    remains: temporary names under which files were being written when the writer was killed;
    nobody reads them.
    """

    files: dict[str, str]
    rows: Counter[str]
    remains: list[str]

    @classmethod
    def of(cls, course: Course) -> "Contents":
        """What the course folder holds now."""
        found = files(course.directory)
        found["gradebook.db"] = "compared row by row"
        remains = [name for name in found if TEMPORARY.fullmatch(Path(name).name)]
        kept = {name: what for name, what in found.items() if name not in remains}
        return cls(kept, rows(course.gradebook_url), remains)

    def differences(self, other: "Contents") -> list[str]:
        """In words, where the other one is not the same."""
        found = differences(self.files, other.files)
        found += [f"no more in the gradebook: {row}" for row in self.rows - other.rows]
        found += [f"only now in the gradebook: {row}" for row in other.rows - self.rows]
        return found


def files(folder: Path) -> dict[str, str]:
    """Permissions and digest of each file below a folder, by its path in it."""
    return {
        str(path.relative_to(folder)): f"{stat.filemode(path.stat().st_mode)} {_digest(path)}"
        for path in sorted(folder.rglob("*"))
    }


def touched(folder: Path) -> dict[str, str]:
    """As `files`, and when and as which file each was written."""
    return {
        name: f"{what} {(status := (folder / name).stat()).st_mtime_ns} {status.st_ino}"
        for name, what in files(folder).items()
    }


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """In words, what is in one listing of files and not in the other."""
    return [
        f"{name}: {'gone' if name not in after else 'new' if name not in before else 'changed'}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def rows(url: str) -> Counter[str]:
    """All rows of a gradebook; what a row refers to stands in it in place of the random id."""
    metadata, engine = MetaData(), create_engine(url)
    metadata.reflect(engine)
    with engine.connect() as connection:
        tables = {
            table: connection.execute(table.select()).mappings().all()
            for table in metadata.sorted_tables
        }
    engine.dispose()
    by_key: dict[tuple[Table, Any], str] = {}
    found: Counter[str] = Counter()
    for table, content in tables.items():  # a table comes after those that it refers to
        for row in content:
            words = f"{table.name}: {_described(table, row, by_key)}"
            found[words] += 1
            for column in table.primary_key:
                by_key[table, row[column.name]] = words
    return found


def _described(table: Table, row: RowMapping, by_key: Mapping[tuple[Table, Any], str]) -> str:
    parts = []
    for column in table.columns:
        value = row[column.name]
        if column.foreign_keys:
            target = next(iter(column.foreign_keys)).column.table
            parts.append(f"{column.name}=({by_key.get((target, value))})")
        elif not (column.primary_key and RANDOM_ID.fullmatch(str(value))):
            parts.append(f"{column.name}={value!r}")
    return ", ".join(parts)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
