"""System calls that the sandbox answers as a kernel without them would: ways round its limits.

A user namespace gives a process mounts of its own, and with them memory that no limit counts;
memory files, System V segments, message queues and rings hold memory that belongs to no process.
Who ignores SIGCHLD has children whose processor time is added to nobody's: to set what is done with
it has no effect, and says that it has, since loaders of PyTorch set a handler that they can spare.
The program is classic BPF (linux/filter.h), as `bwrap --seccomp` reads it.
"""

import errno
import platform
import signal
import struct

from autograder.errors import CourseError

_NEW_USER_NAMESPACE = 0x10000000
_X32_CALLS = 0x40000000  # on x86-64 the same calls exist once more from here on

# What `struct seccomp_data` holds at which byte.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE, _PRETEND = 0x7FFF0000, 0x00050000 | errno.ENOSYS, 0x00050000

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE = {"x86_64": 56, "aarch64": 220}
_SIGACTION = {"x86_64": 13, "aarch64": 134}
_REFUSED = {
    "add_key": {"x86_64": 248, "aarch64": 217},
    "bpf": {"x86_64": 321, "aarch64": 280},
    "clone3": {"x86_64": 435, "aarch64": 435},  # its flags lie in memory; libraries use clone then
    "io_uring_setup": {"x86_64": 425, "aarch64": 425},
    "keyctl": {"x86_64": 250, "aarch64": 219},
    "memfd_create": {"x86_64": 319, "aarch64": 279},
    "memfd_secret": {"x86_64": 447, "aarch64": 447},
    "msgget": {"x86_64": 68, "aarch64": 186},
    "perf_event_open": {"x86_64": 298, "aarch64": 241},
    "request_key": {"x86_64": 249, "aarch64": 218},
    "setns": {"x86_64": 308, "aarch64": 268},
    "shmget": {"x86_64": 29, "aarch64": 194},
    "unshare": {"x86_64": 272, "aarch64": 97},
    "userfaultfd": {"x86_64": 323, "aarch64": 282},
}


def program(machine: str | None = None) -> bytes:
    """The filter for a machine, by default this one; raises CourseError for an unknown machine."""
    machine = machine or platform.machine()
    if machine not in _ARCHITECTURES:
        raise CourseError(
            f"{machine}: the sandbox knows no system calls of this machine; grade on x86_64 or "
            "aarch64, or choose --isolation process"
        )
    refused = [numbers[machine] for numbers in _REFUSED.values()]
    clone = 12 + len(refused)
    allow, refuse, pretend = range(clone + 2, clone + 5)
    lines = [
        (_LOAD, None, None, _ARCHITECTURE),
        (_EQUAL, None, refuse, _ARCHITECTURES[machine]),
        (_LOAD, None, None, _NUMBER),
        (_AT_LEAST, refuse, None, _X32_CALLS),
        *((_EQUAL, refuse, None, number) for number in refused),
        (_EQUAL, clone, None, _CLONE[machine]),
        (_EQUAL, None, allow, _SIGACTION[machine]),
        (_LOAD, None, None, _FIRST_ARGUMENT),
        (_EQUAL, None, allow, signal.SIGCHLD),
        (_LOAD, None, None, _SECOND_ARGUMENT),  # NULL: what is done with the signal is asked for
        (_EQUAL, None, pretend, 0),
        (_LOAD, None, None, _SECOND_ARGUMENT + 4),
        (_EQUAL, allow, pretend, 0),
        (_LOAD, None, None, _FIRST_ARGUMENT),
        (_ANY_BIT, refuse, None, _NEW_USER_NAMESPACE),
        (_RETURN, None, None, _ALLOW),
        (_RETURN, None, None, _REFUSE),
        (_RETURN, None, None, _PRETEND),
    ]
    return b"".join(_instruction(place, *line) for place, line in enumerate(lines))


def _instruction(place: int, code: int, true: int | None, false: int | None, value: int) -> bytes:
    """One instruction; a jump counts from the next one, and None goes on there."""
    jumps = (0 if target is None else target - place - 1 for target in (true, false))
    return struct.pack("=HBBI", code, *jumps, value)
