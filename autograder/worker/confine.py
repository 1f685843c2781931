"""What a process gives up before student code runs in it: its surroundings, its rights, its limits.

Linux calls that Python has no name for go through libc; see unshare(2), mount(2), prctl(2),
capabilities(7) and seccomp(2). Every failure raises OSError.
"""

import ctypes
import os
import resource
import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

SCRATCH = ("/dev/shm", "/tmp", "/home/student")
HOME = "/home/student"

_NEW_MOUNTS, _NEW_IPC, _NEW_USER = 0x20000, 0x8000000, 0x10000000
_NEW_PIDS, _NEW_NETWORK = 0x20000000, 0x40000000
_READ_ONLY, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 1, 32, 0x1000, 0x4000, 0x40000
_NO_SET_UID, _NO_DEVICES, _NO_EXECUTION = 2, 4, 8
_SET_END_SIGNAL, _SET_DUMPABLE, _SET_SECCOMP, _SET_NO_NEW_PRIVILEGES, _FILTER = 1, 4, 22, 38, 2
_CAPABILITIES_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def hide() -> None:
    """Let no process of the same user trace this one or read its memory and descriptors."""
    _do("prctl", _SET_DUMPABLE, 0, 0, 0, 0)


def enter_namespaces() -> None:
    """Mounts, processes (from the next fork on), shared memory and sockets of one's own.

    Root needs no user namespace for it and becomes another user later; anybody else does.
    """
    user, group = os.getuid(), os.getgid()
    spaces = _NEW_MOUNTS | _NEW_IPC | _NEW_PIDS | _NEW_NETWORK
    _do("unshare", spaces if user == 0 else spaces | _NEW_USER)
    if user != 0:
        _do("prctl", _SET_DUMPABLE, 1, 0, 0, 0)  # or the maps could not be written
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        hide()
    _mount(None, "/", None, _RECURSIVE | _PRIVATE)


def mount_surroundings(scratch: int, visible: Iterable[str]) -> None:
    """Empty scratch folders of so many bytes each, and the processes of the own namespace.

    visible: folders that stay where they are although they lie in a scratch folder.
    """
    for folder in SCRATCH:
        below = [path for path in visible if Path(path).is_relative_to(folder)]
        kept = {path: os.open(path, os.O_PATH) for path in below}
        _mount("tmpfs", folder, "tmpfs", _NO_SET_UID | _NO_DEVICES, f"size={scratch},mode=1777")
        for path, descriptor in kept.items():
            Path(path).mkdir(parents=True)
            _mount(f"/proc/self/fd/{descriptor}", path, None, _BIND | _RECURSIVE)
            os.close(descriptor)
    with suppress(PermissionError):  # where a kernel refuses it, the outer sandbox's stays
        _mount("proc", "/proc", "proc", _NO_SET_UID | _NO_DEVICES | _NO_EXECUTION)


def lay_out(public: Mapping[str, bytes], protect: bool) -> None:
    """Write the files that a notebook finds beside it; `protect` them from being changed."""
    for name, content in public.items():
        file = Path(name)
        file.write_bytes(content)
        file.chmod(0o444)
        if protect:
            _mount(name, name, None, _BIND)
            flags = _REMOUNT | _BIND | _READ_ONLY | _NO_SET_UID | _NO_DEVICES
            _mount(None, name, None, flags)


def restrict(order: Mapping[str, Any]) -> None:
    """Become an ordinary user without any right, and lower every limit for good."""
    if order["user"] is not None:
        os.setgroups([])
        os.setgid(order["user"])
        os.setuid(order["user"])
    _lower_limits(order)
    if order["filter"] is not None:
        none = (ctypes.c_uint32 * 6)()
        _do("capset", ctypes.byref(_Header(_CAPABILITIES_3, 0)), none)
        _set_filter(order["filter"])


def end_with_parent() -> None:
    """Be killed when the process that forked this one ends; a change of user would undo it."""
    _do("prctl", _SET_END_SIGNAL, signal.SIGKILL, 0, 0, 0)


def _lower_limits(order: Mapping[str, Any]) -> None:
    """The limits are hard ones: nobody raises them again."""
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: order["cpu_seconds"],
        resource.RLIMIT_DATA: order["memory_bytes"],
        resource.RLIMIT_FSIZE: order["file_bytes"],
        resource.RLIMIT_NOFILE: order["open_files"],
    }
    if order["processes"] is not None:
        limits[resource.RLIMIT_NPROC] = order["processes"]
    for kind, value in limits.items():
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _set_filter(program: bytes) -> None:
    """Refuse the system calls that the seccomp program refuses, in this process and below it."""
    _do("prctl", _SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    structure = _Program(len(program) // 8, program)
    _do("prctl", _SET_SECCOMP, _FILTER, ctypes.byref(structure), 0, 0)


def _mount(
    source: str | None, target: str, kind: str | None, flags: int, options: str = ""
) -> None:
    words = [None if word is None else word.encode() for word in (source, target, kind)]
    _do("mount", *words, ctypes.c_ulong(flags), options.encode())


def _do(name: str, *arguments: Any) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
