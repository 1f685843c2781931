"""What lies in a download, a zip or a folder, looked at without trust.

Nothing is unpacked to the disk: names, kinds and sizes are looked at first, each file that cannot
be taken is refused by its name, and the others are read one by one.
"""

import itertools
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from functools import partial
from io import BytesIO
from pathlib import Path

from autograder.course import reason
from autograder.errors import CourseError
from autograder.submission import MAX_BYTES, file_bytes

JUNK_FOLDERS = {"__MACOSX", "__pycache__", ".ipynb_checkpoints"}
JUNK_FILES = {".DS_Store", "Thumbs.db", "desktop.ini"}
CENTRAL_ENTRY = re.compile(rb"PK\x01\x02")
ENCRYPTED, UTF8_NAME = 0x1, 0x800
WINDOWS_DRIVE = re.compile(r"[A-Za-z]:")
MAX_NAME_BYTES = 255
MAX_DEPTH = 16
RATIO_FROM = 16 * 2**20  # smaller files do no harm however well they compress
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
)
"""What Python raises for archives that are not what they say."""


@dataclass(frozen=True)
class Limits:
    """What an archive or a folder may hold; `ratio` is that of a file to its compressed form."""

    files: int = 20_000
    total: int = 8 * 2**30
    file: int = MAX_BYTES
    ratio: int = 200


SMALL = Limits(files=1000, total=256 * 2**20)
"""The limits of an archive that a student made."""


@dataclass(frozen=True)
class File:
    """A file of a download: its path there, when it was written, and its content when asked for.

    `read` raises CourseError for what cannot be read.
    """

    parts: tuple[str, ...]
    written: datetime | None
    read: Callable[[], bytes]

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.parts[-1]

    @property
    def path(self) -> str:
        """The path in the download."""
        return "/".join(self.parts)


@dataclass(frozen=True)
class Download:
    """The files of a download, and why others are refused, by the paths that they have there."""

    files: list[File] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


@contextmanager
def opened(path: Path, zone: tzinfo | None = None, limits: Limits = Limits()) -> Iterator[Download]:
    """The files in a folder or a zip, as long as the context lasts.

    zone: that of the times in the zip; None stands for this machine's. Raises CourseError for what
    is neither folder nor zip.
    """
    if path.is_dir():
        yield _of_folder(path, limits)
        return
    if not path.exists():
        raise CourseError(f"{path}: no such file or folder; check the name")
    try:
        archive = zipfile.ZipFile(path)
    except PermissionError as error:
        raise CourseError(f"{path}: cannot be read: {reason(error)}") from None
    except DAMAGE:
        raise CourseError(f"{path}: not a zip, or cut off half-way; download it again") from None
    with archive:
        yield _of_zip(archive, str(path), zone, limits)


def within(file: File, data: bytes, limits: Limits = SMALL) -> Download:
    """The files of a zip that lies in a download and holds `data`; CourseError for what is none.

    They are as old as the zip is in the download: its own times are the student's word.
    """
    # Each file has its mark in the archive: many of them would fill the memory when it is opened.
    marks = itertools.islice(CENTRAL_ENTRY.finditer(data), 50 * limits.files)
    if sum(1 for _ in marks) == 50 * limits.files:
        raise CourseError(f"{file.path}: too many files in it; submit the notebook itself")
    try:
        archive = zipfile.ZipFile(BytesIO(data))
    except DAMAGE:
        raise CourseError(f"{file.path}: not a zip, or cut off half-way; submit it again") from None
    inside = _of_zip(archive, file.path, None, limits, file.parts)
    return Download([replace(each, written=file.written) for each in inside.files], inside.refused)


def shown(path: str) -> str:
    """A path that a stranger chose, as it may be printed."""
    text = "".join(sign if sign.isprintable() else "�" for sign in path)
    return text if len(text) <= 200 else f"{text[:197]}..."


def _of_zip(
    archive: zipfile.ZipFile,
    place: str,
    zone: tzinfo | None,
    limits: Limits,
    before: tuple[str, ...] = (),
) -> Download:
    """The files of an open archive; before: its own path, if it lies in a download."""
    infos = [info for info in archive.infolist() if not _name(info).endswith("/")]
    if len(infos) > limits.files:
        raise CourseError(f"{place}: more than {limits.files} files; split it, or clear it up")
    download = Download()
    total = 0
    names: set[tuple[str, ...]] = set()
    folders: set[tuple[str, ...]] = set()
    for info in infos:
        parts = tuple(part for part in _name(info).split("/") if part != ".") or ("",)
        if _is_junk(parts):
            continue
        path = "/".join([*before, *parts])
        problem = _problem(info, parts, limits)
        around = set() if problem else {parts[:depth] for depth in range(1, len(parts))}
        if problem is None and (parts in names or parts in folders or around & names):
            problem = "a second file of this name; the first one is taken"
        if problem is None and total + info.file_size > limits.total:
            problem = f"more than {limits.total // 2**20} MB with the files before it; refused"
        if problem is not None:
            download.refused[path] = problem
            continue
        total += info.file_size
        names.add(parts)
        folders |= around
        read = partial(_read, archive, info, path)
        download.files.append(File((*before, *parts), _written(info, zone), read))
    return download


def _name(info: zipfile.ZipInfo) -> str:
    """The name with / between its parts, decoded as its writer meant it.

    Many writers encode names as UTF-8 and do not say so; Python then takes them for code page 437.
    """
    name = info.orig_filename
    if not info.flag_bits & UTF8_NAME:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode()
    return name.replace("\\", "/")


def _problem(info: zipfile.ZipInfo, parts: tuple[str, ...], limits: Limits) -> str | None:
    """Why an archive's entry is not read."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    problem = _name_problem(parts)
    if problem is not None:
        return problem
    if kind == stat.S_IFLNK:
        return "a link; submit the file itself"
    if kind not in (0, stat.S_IFREG):
        return "not a file; refused"
    if info.flag_bits & ENCRYPTED:
        return "encrypted; submit it without a password"
    if info.compress_type not in METHODS:
        return "compressed in an unusual way; submit it as an ordinary zip"
    if info.file_size > limits.file:
        return f"{info.file_size / 2**20:.0f} MB; clear the outputs, save and submit it again"
    if info.file_size > max(RATIO_FROM, limits.ratio * info.compress_size):
        return (
            f"unpacks to {info.file_size / max(1, info.compress_size):.0f} times its size; refused"
        )
    return None


def _name_problem(parts: tuple[str, ...]) -> str | None:
    """Why a file of this name could not be kept beside the others."""
    if ".." in parts or "" in parts or "\0" in "".join(parts) or WINDOWS_DRIVE.match(parts[0]):
        return "its name leads out of the folder; refused"
    try:
        longest = max(len(part.encode()) for part in parts)
    except UnicodeEncodeError:
        return "its name is no text; rename it"
    if len(parts) > MAX_DEPTH or longest > MAX_NAME_BYTES:
        return "its name is too long or its folders too deep; refused"
    return None


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: str) -> bytes:
    try:
        with archive.open(info) as file:
            return file.read(info.file_size + 1)
    except DAMAGE:
        raise CourseError(f"{path}: damaged in the archive; submit or download it again") from None


def _written(info: zipfile.ZipInfo, zone: tzinfo | None) -> datetime | None:
    """When an entry was written; None where it does not say so."""
    try:
        local = datetime(*info.date_time)
    except ValueError:
        return None
    if local.year <= 1980:  # the first year that a zip can name stands for none
        return None
    return (local.replace(tzinfo=zone) if zone else local).astimezone(UTC)


def _of_folder(folder: Path, limits: Limits) -> Download:
    """The files of a folder; links are not followed."""
    download = Download()
    found = 0
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted([*names, *folders]):
            path = Path(root, name)
            parts = path.relative_to(folder).parts
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode) or _is_junk(parts):
                continue
            found += 1
            if found > limits.files:
                raise CourseError(f"{folder}: more than {limits.files} files; clear it up")
            problem = _name_problem(parts)
            if problem is not None:
                download.refused["/".join(parts)] = problem
            elif stat.S_ISREG(status.st_mode):
                written = datetime.fromtimestamp(status.st_mtime, UTC)
                download.files.append(File(parts, written, partial(_read_file, path, parts)))
            else:
                what = "a link" if stat.S_ISLNK(status.st_mode) else "not a file"
                download.refused["/".join(parts)] = f"{what}; submit the file itself"
    return download


def _read_file(path: Path, parts: tuple[str, ...]) -> bytes:
    try:
        return file_bytes(path)
    except CourseError as error:
        raise CourseError(str(error).replace(str(path), "/".join(parts), 1)) from None


def _is_junk(parts: tuple[str, ...]) -> bool:
    """Whether systems and editors leave such files behind."""
    name = parts[-1]
    return not JUNK_FOLDERS.isdisjoint(parts) or name in JUNK_FILES or name.startswith("._")
