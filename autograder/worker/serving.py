"""Serves one notebook's session on two pipes; the checks of a task run in a fork of its state.

A frame to a worker begins with its kind: Q a question to the session, A the answer to a callback,
F to fork; the fork's name follows. A frame from it: R a reply, C a callback, P progress (which cell
and statement is about to run; null when the worker is ready), F and a name: that fork serves from
now on, X and a name: it has ended, T: there can be no fork, and ! it cannot start. The grader ends
a fork from outside.
"""

import json
import os
import sys
import types
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from .protocol import ProtocolError, read_frame, write_frame
from .session import Session, start_generators


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


def serve(requests_descriptor: int, replies_descriptor: int) -> None:
    """Answer until the grader closes the pipe."""
    torch.set_num_threads(1)
    start_generators(0)
    requests = os.fdopen(requests_descriptor, "rb")
    replies = os.fdopen(replies_descriptor, "wb")

    def ask(question: bytes) -> bytes:
        write_frame(replies, b"C" + question)
        return read_frame(requests)[1:]

    def progress(cell: int, statement: int) -> None:
        write_frame(replies, b"P" + json.dumps([cell, statement]).encode())

    session = Session(namespace(), ask, progress)
    sys.path.insert(0, str(Path.cwd()))
    write_frame(replies, b"P" + json.dumps(None).encode())
    while True:
        try:
            frame = read_frame(requests)
        except ProtocolError:
            return
        if frame[:1] == b"F":
            answer = _forked(frame[1:]) if _is_single_threaded() else b"T"
        else:
            answer = b"R" + session.answer(frame[1:])
        write_frame(replies, answer)


def _is_single_threaded() -> bool:
    """Whether a fork is safe: threads of OpenMP hang in a child, and CUDA starts threads too."""
    try:
        return torch.get_num_threads() == 1 and len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:
        return False


def _forked(name: bytes) -> bytes:
    """In the new process F at once; in the old one X when the new one has ended; then its name."""
    try:
        child = os.fork()
    except OSError:
        return b"T"
    if child == 0:
        return b"F" + name
    with suppress(ChildProcessError):
        os.waitpid(child, 0)
    return b"X" + name
