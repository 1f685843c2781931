"""What lies in a folder, so that any change to it can be told."""

import hashlib
import os
import stat
from pathlib import Path

MAX_READ = 2**26  # bytes; what is larger is known by its size and its times

Snapshot = dict[str, list[str | int]]


def snapshot(folder: Path) -> Snapshot:
    """Mode, size, time of change and content of everything below a folder, by relative path."""
    found: Snapshot = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(place, name)  # noqa: PTH118 - too long a path is no `Path` error
            try:
                found[os.path.relpath(path, folder)] = _described(path)
            except OSError:  # longer than a path may be, or gone
                continue
    return found


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """The paths that were changed, removed or added."""
    return sorted(path for path in before | after if before.get(path) != after.get(path))


def _described(path: str) -> list[str | int]:
    status = os.lstat(path)
    if stat.S_ISDIR(status.st_mode):
        return [status.st_mode]
    content = ""
    if stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)  # noqa: PTH115
    elif stat.S_ISREG(status.st_mode) and status.st_size <= MAX_READ:
        content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return [status.st_mode, status.st_size, status.st_mtime_ns, content]
