"""Processor time of a group of processes, those included that nobody waited for.

A process that is killed together with the first process of its pid namespace is reaped by the
kernel itself, and its time is in nobody's getrusage: so ends each worker in bubblewrap. A control
group counts what ran in it, however it ended.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MOUNTED = Path("/sys/fs/cgroup")


class Group:
    """A control group for the processes of one command."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def enter(self) -> None:
        """Put this process, and with it all that it will start, into the group."""
        (self._folder / "cgroup.procs").write_text(str(os.getpid()))

    def seconds(self) -> float:
        """Processor time, user and system, that the group has used."""
        old = self._folder / "cpuacct.usage"
        if old.exists():
            return int(old.read_text()) / 1e9
        words = (self._folder / "cpu.stat").read_text().split()
        return int(words[words.index("usage_usec") + 1]) / 1e6


@contextmanager
def new_group() -> Iterator[Group | None]:
    """A group below this process's own, removed at the end; None where none can be made."""
    folder = _own() / f"measured-{os.getpid()}"
    group: Group | None = Group(folder)
    try:
        folder.mkdir()
        # A folder can be made in places into which no process can be moved.
        subprocess.run(["true"], preexec_fn=Group(folder).enter, check=True)
    except (OSError, subprocess.SubprocessError):
        group = None
    try:
        yield group
    finally:
        with contextlib.suppress(OSError):  # not there, or something of the command's still runs
            folder.rmdir()


def _own() -> Path:
    """Where the group of this process lies: version 2 of control groups, else version 1."""
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    places = {controllers: path.lstrip("/") for _, controllers, path in lines}
    if (MOUNTED / "cgroup.controllers").exists():
        return MOUNTED / places.get("", "")
    for controllers, path in places.items():
        if "cpuacct" in controllers.split(","):
            return MOUNTED / "cpuacct" / path
    return MOUNTED / "cpuacct"
