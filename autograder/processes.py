"""The processes below a process, as the system lists them."""

import contextlib
from pathlib import Path

import psutil


def tree(ancestor: psutil.Process) -> list[psutil.Process]:
    """A process and all below it, parents before children."""
    found = [ancestor]
    for process in found:
        with contextlib.suppress(psutil.Error):
            found += children(process)
    return found


def children(process: psutil.Process) -> list[psutil.Process]:
    """The child processes; raises psutil.Error for a process that has ended.

    Linux lists them, where psutil has to look at every process of the machine.
    """
    lists = list(Path(f"/proc/{process.pid}/task").glob("*/children"))
    if not lists:
        return process.children()
    found = []
    for file in lists:
        with contextlib.suppress(OSError, psutil.Error):
            found += [psutil.Process(int(word)) for word in file.read_text().split()]
    return found


def kill(ancestor: psutil.Process) -> None:
    """End a process and all below it."""
    for process in reversed(tree(ancestor)):
        with contextlib.suppress(psutil.Error):
            process.kill()


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs: neither gone nor waiting to be buried."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
