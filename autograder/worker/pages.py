"""Makes a process cheap to fork: its memory in few large pages instead of many small ones.

A fork copies an entry for each page, and imported libraries fill some 80,000 of 4 KiB: 15 ms of
each fork, against 5 ms after this, which takes about a second: as much as the forks for five
notebooks gain. See madvise(2), MADV_COLLAPSE (Linux 6.1).
"""

import ctypes
import re
from pathlib import Path

WORTH_GATHERING = 5  # notebooks

_COLLAPSE = 25
_LARGE = 2 * 2**20
_OWN_MEMORY = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p \S+ 00:00 0\s*(?:\[heap\])?")


def gather() -> None:
    """Collapse the process's own memory into large pages; where that is refused it stays small."""
    libc = ctypes.CDLL(None)
    for line in Path("/proc/self/maps").read_text().splitlines():
        if found := _OWN_MEMORY.fullmatch(line.strip()):
            start, end = (int(word, 16) for word in found.groups())
            start, end = -(-start // _LARGE) * _LARGE, end // _LARGE * _LARGE
            if start < end:
                libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), _COLLAPSE)
