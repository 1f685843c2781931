"""The worker: gives up what it does not need, then serves one notebook's session on two pipes.

Started as `python -m worker SETTINGS` inside the sandbox; SETTINGS is JSON with the descriptors,
the limits and the user to become. Student code runs in this process: nothing in it is secret.
"""

import json
import os
import resource
import sys
import types
from pathlib import Path
from typing import Any


def restrict(settings: dict[str, Any]) -> None:
    """Become an ordinary user and lower every limit for good; the limits are hard ones."""
    if settings["user"] is not None:
        os.setgroups([])
        os.setgid(settings["user"])
        os.setuid(settings["user"])
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: settings["cpu_seconds"],
        resource.RLIMIT_DATA: settings["memory_bytes"],
        resource.RLIMIT_FSIZE: settings["file_bytes"],
        resource.RLIMIT_NOFILE: settings["open_files"],
    }
    if settings["processes"] is not None:
        limits[resource.RLIMIT_NPROC] = settings["processes"]
    for kind, value in limits.items():
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


class _Notebook:
    """What `get_ipython()` gives to a notebook that runs without IPython: every request is idle."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


def namespace() -> dict[str, Any]:
    """The names that a notebook finds before its first cell; they are the module `__main__`."""
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    names = vars(module)
    names.update(display=lambda *objects, **options: None, get_ipython=_Notebook)
    return names


def serve(settings: dict[str, Any]) -> None:
    """Answer requests until the grader closes the pipe."""
    import torch

    from .protocol import ProtocolError, read_frame, write_frame
    from .session import Session, start_generators

    torch.set_num_threads(1)
    start_generators(0)
    requests = os.fdopen(settings["requests"], "rb")
    replies = os.fdopen(settings["replies"], "wb")

    def ask(question: bytes) -> bytes:
        write_frame(replies, b"C" + question)
        return read_frame(requests)

    def progress(cell: int, statement: int) -> None:
        write_frame(replies, b"P" + json.dumps([cell, statement]).encode())

    session = Session(namespace(), ask, progress)
    sys.path.insert(0, str(Path.cwd()))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the grader reads stderr only up to here
    write_frame(replies, b"P" + json.dumps(None).encode())
    while True:
        try:
            message = read_frame(requests)
        except ProtocolError:
            return
        write_frame(replies, b"R" + session.answer(message))


if __name__ == "__main__":
    restrict(json.loads(sys.argv[1]))
    serve(json.loads(sys.argv[1]))
