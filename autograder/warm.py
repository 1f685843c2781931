"""Keeps a grader at hand: `autograder check` asks it instead of starting Python and torch itself.

The two speak over a socket in a folder that only this user may enter.
"""

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Client, Listener
from pathlib import Path

from autograder.course import ROOT
from autograder.errors import CourseError
from autograder.graders import GraderProcess
from autograder.report import Report
from autograder.work import Conditions, Result, Work

_GONE = (EOFError, OSError)


def ask(work: Work) -> Report | None:
    """The report from the grader at hand; None where there is none.

    Raises CourseError for what stands against the notebook.
    """
    try:
        with Client(str(_address()), family="AF_UNIX") as connection:
            connection.send(work)
            answer: Result | CourseError = connection.recv()
    except _GONE:
        return None
    if isinstance(answer, CourseError):
        raise answer
    return _report(answer)


def keep(assignment: str, isolation: str, device: str, say: Callable[[str], None]) -> None:
    """Be the grader at hand until interrupted; `say` gets what is being done.

    Raises CourseError where there is one already, and where no sandbox starts.
    """
    address = _address()
    if _answers(address):
        raise CourseError(f"{address}: a grader is at hand already; end that one first")
    address.unlink(missing_ok=True)
    grader = GraderProcess()
    try:
        with Listener(str(address), family="AF_UNIX") as listener:
            say(f"starting the sandbox for {assignment}")
            _report(grader.grade(_rehearsal(assignment, isolation, device)))
            while True:
                say("ready: run autograder check NOTEBOOK")
                _answer_one(listener, grader, say)
    finally:
        grader.close()


def _answer_one(listener: Listener, grader: GraderProcess, say: Callable[[str], None]) -> None:
    with contextlib.suppress(*_GONE), listener.accept() as connection:
        work = connection.recv()
        say(f"grading {work.path}")
        try:
            connection.send(grader.grade(work))
        except CourseError as error:
            connection.send(error)


def _rehearsal(assignment: str, isolation: str, device: str) -> Work:
    """A notebook without any answer: grading it starts all that the next one needs."""
    # Takes a second to import, which whoever asks must not wait for.
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    notebook = nbformat.writes(new_notebook(cells=[new_code_cell("pass")])).encode()
    conditions = Conditions.here(assignment)
    name = f"{assignment}.ipynb"
    return Work(assignment, "", name, notebook, b"", isolation, device, conditions)


def _report(result: Result) -> Report:
    if result.report is None:
        raise CourseError(result.error)
    return result.report


def _answers(address: Path) -> bool:
    try:
        Client(str(address), family="AF_UNIX").close()
    except _GONE:
        return False
    return True


def _address() -> Path:
    """The socket of this user's grader for this project."""
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    folder /= f"autograder-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
    if not private or status.st_uid != os.geteuid():
        raise CourseError(f"{folder}: others may enter it; remove it, or set XDG_RUNTIME_DIR")
    return folder / hashlib.sha256(str(ROOT).encode()).hexdigest()[:16]
