"""Tables as learning platforms export them: CSV in many encodings, with many delimiters."""

import codecs
import csv
import io
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import CourseError
from autograder.submission import file_bytes

BOMS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
BINARY = {b"PK\x03\x04": "a workbook or an archive", b"\xd0\xcf\x11\xe0": "a workbook"}
DELIMITERS = ",;\t"
JOINERS = "\u200c\u200d"  # invisible, and part of how some names are spelt


@dataclass(frozen=True)
class Table:
    """The header of a table and its rows; cells are as they stand in the file."""

    path: Path
    header: list[str]
    rows: list[list[str]]

    def column(self, names: Iterable[str]) -> int | None:
        """Where the first of these names stands in the header, whatever its case and accents."""
        places = {folded(name): place for place, name in reversed(list(enumerate(self.header)))}
        return next((places[folded(name)] for name in names if folded(name) in places), None)

    def cell(self, row: list[str], place: int | None) -> str:
        """What a person reads in a cell, "" where there is none."""
        return readable(row[place]) if place is not None and place < len(row) else ""

    def records(self, names: list[str]) -> list[dict[str, str]]:
        """The rows by the names of these columns, untouched; what is not there is ""."""
        records = [dict(zip(self.header, row, strict=False)) for row in self.rows]
        return [{name: record.get(name, "") for name in names} for record in records]


def folded(text: str) -> str:
    """The letters and digits of a text without case and accents: what its spellings share."""
    letters = unicodedata.normalize("NFKD", text).casefold()
    return "".join(sign for sign in letters if sign.isalnum())


def readable(text: str) -> str:
    """The text in one line, without signs that a terminal obeys or does not show."""
    shown = (sign if sign.isprintable() or sign in JOINERS else " " for sign in text)
    return " ".join("".join(shown).split())


def read_table(path: Path) -> Table:
    """The table in a CSV file; raises CourseError for what is none."""
    text = _text(path, file_bytes(path))
    if text.casefold().startswith("sep="):  # a line for spreadsheets alone
        text = text.partition("\n")[2]
    delimiter = max(DELIMITERS, key=lambda sign: len(text.partition("\n")[0].split(sign)))
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise CourseError(f"{path}: not CSV ({error}); export it again") from None
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    if not filled or len(filled[0]) < 2:
        raise CourseError(f"{path}: no table with columns in it; export it as CSV again")
    return Table(path, filled[0], filled[1:])


def harmless(text: str) -> str:
    """Text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _text(path: Path, data: bytes) -> str:
    """The file's text: as its first bytes say, else UTF-8, else Windows-1252."""
    for start, what in BINARY.items():
        if data.startswith(start):
            raise CourseError(f"{path}: {what}; save it as CSV (UTF-8)")
    for bom, encoding in BOMS.items():
        if data.startswith(bom):
            return _decoded(path, data.removeprefix(bom), [encoding])
    if b"\0" in data:
        even = data[1:200:2].count(0) >= data[:200:2].count(0)
        return _decoded(path, data, ["utf-16-le" if even else "utf-16-be"])
    return _decoded(path, data, ["utf-8", "cp1252"])


def _decoded(path: Path, data: bytes, encodings: list[str]) -> str:
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise CourseError(f"{path}: no text in a known encoding; save it as CSV (UTF-8)")
