"""What a student handed in: its files are kept untouched, and the notebooks in them found."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from autograder import archives
from autograder.archives import SMALL, File
from autograder.course import reason
from autograder.errors import CourseError
from autograder.matching import Label, Participant
from autograder.submission import Submission

AT_ONCE = timedelta(hours=1)

Contents = list[tuple[File, bytes]]


@dataclass(frozen=True)
class Candidate:
    """A notebook that can be read.

    time: when it was submitted, None where nothing says so; late: the platform says that it is;
    named: its file has the assignment's name; original: the folder in which its files are kept.
    """

    label: Label
    file: File
    data: bytes
    time: datetime | None
    late: bool
    named: bool
    original: str

    @property
    def rank(self) -> tuple[int, datetime, bool, str]:
        """The greatest of a student's counts."""
        earliest = datetime.min.replace(tzinfo=UTC)
        return self.label.attachment, self.time or earliest, self.named, self.file.path

    @property
    def own_name(self) -> str:
        """The name that the student gave the file."""
        return own_name(self.label, self.file)


@dataclass(frozen=True)
class Attempts:
    """Looks at what students handed in of an assignment.

    rows: those of Moodle's worksheet; packed: times that are no times of submission; problems:
    what stands against files, by their names in the download; originals: the folder in which all
    files are kept, None for none.
    """

    assignment: str
    rows: dict[str, Participant]
    packed: set[datetime]
    problems: dict[str, str]
    originals: Path | None

    def candidates(self, student: str, label: Label, files: list[File]) -> list[Candidate]:
        """The notebooks of the assignment at one place of the download."""
        contents = list(self._read(files))
        original = f"{student}/{digest(contents)}"
        if contents and self.originals is not None:
            keep(contents, self.originals / original)
        notebooks = [
            (file, data)
            for outer, content in contents
            for file, data in self._unpacked(outer, content)
            if _kind(file) == ".ipynb"
        ]
        return [
            self._candidate(label, file, data, original)
            for file, data in notebooks
            if self._is_right(file, data)
        ]

    def _read(self, files: list[File]) -> Iterator[tuple[File, bytes]]:
        """The contents of files, as far as they can be read and are no more than one may submit."""
        left = SMALL.total
        for file in files:
            try:
                data = file.read()
            except CourseError as error:
                self._refuse(file, error)
                continue
            left -= len(data)
            if left < 0:
                limit = f"more than {SMALL.total // 2**20} MB of one student"
                self.problems[file.path] = f"{limit}; remove what is no part of the answers"
                return
            yield file, data

    def _unpacked(self, file: File, data: bytes) -> Iterator[tuple[File, bytes]]:
        """The file itself, or what notebooks lie in it if it is a zip."""
        if _kind(file) != ".zip":
            yield file, data
            return
        try:
            inside = archives.within(file, data)
        except CourseError as error:
            self._refuse(file, error)
            return
        self.problems.update(inside.refused)
        yield from self._read([each for each in inside.files if _kind(each) == ".ipynb"])

    def _is_right(self, file: File, data: bytes) -> bool:
        """Whether a file is a notebook of this assignment; else it is said what it is."""
        try:
            named = Submission.of(Path(file.path), data).assignment
        except CourseError as error:
            self._refuse(file, error)
            return False
        if named not in (None, self.assignment):
            self.problems[file.path] = f"a notebook of {named[:40]!r}, not of {self.assignment}"
            return False
        return True

    def _refuse(self, file: File, error: CourseError) -> None:
        self.problems[file.path] = str(error).removeprefix(f"{file.path}: ")

    def _candidate(self, label: Label, file: File, data: bytes, original: str) -> Candidate:
        row = self.rows.get(label.user)
        written = None if file.written in self.packed else file.written
        return Candidate(
            label=label,
            file=file,
            data=data,
            time=row.time if row else written,
            late=label.late or (row is not None and row.late),
            named=file.name == f"{self.assignment}.ipynb",
            original=original,
        )


def packed_times(files: list[File]) -> set[datetime]:
    """The times that tell when files were packed, and not when they were submitted.

    Moodle and Canvas give the files of a download the time of the download: where more than half
    of them have that of one hour, it is nobody's.
    """
    times = sorted(file.written for file in files if file.written)
    found: set[datetime] = set()
    for first, last in zip(times, times[len(times) // 2 :], strict=False):
        if last - first <= AT_ONCE:
            found.update(time for time in times if first <= time <= last)
    return found


def own_name(label: Label, file: File) -> str:
    """The name that a student gave a file, which a platform puts after its own."""
    return file.path.partition(label.text)[2].lstrip("/") or file.name


def digest(contents: Contents) -> str:
    """What tells an attempt from all others."""
    found = hashlib.sha256()
    for file, data in contents:
        found.update(repr(file.parts).encode() + hashlib.sha256(data).digest())
    return found.hexdigest()[:16]


def keep(contents: Contents, folder: Path) -> None:
    """Keep files in a folder, with their names and times; all of them or none."""
    if folder.exists():
        return
    staging = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
        for file, data in contents:
            path = staging.joinpath(*file.parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            if file.written:
                os.utime(path, (file.written.timestamp(),) * 2)
        staging.rename(folder)
    except OSError as error:
        raise CourseError(f"{folder}: cannot be written: {reason(error)}") from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)


def _kind(file: File) -> str:
    return Path(file.name).suffix.casefold()
