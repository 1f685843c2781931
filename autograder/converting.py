"""nbgrader's converters run in this process, on one gradebook that stays open."""

import errno
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from autograder.errors import CourseError

if TYPE_CHECKING:
    from nbgrader.api import Gradebook
    from nbgrader.converters.base import BaseConverter

EXCEPTION = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception)\b.*")
OURS = re.compile(r"autograder\.errors\.\w+: ")

REMEDIES = {
    "database or disk is full": "free some space and run again",
    os.strerror(errno.ENOSPC): "free some space and run again",
    os.strerror(errno.EROFS): "make the folder writable or choose another",
    "readonly database": "make the file writable",
    "authentication failed": "mend user and password in the address of the gradebook",
    "FATAL:  database": "create it, or mend the address of the gradebook",
    "Connection refused": "start the database server, or mend the address of the gradebook",
    "database is locked": "end the other program that uses it and run again",
}
"""What to do, by the words in which a system says what is wrong with it."""


class SystemTroubleError(CourseError):
    """The disk or the database refuses: what failed once will fail for every submission."""


def remedy(line: str) -> str | None:
    """What to do about an error of the system; None where the line tells of no such error."""
    return next((what for words, what in REMEDIES.items() if words in line), None)


def run(converter: "BaseConverter", what: str) -> None:
    """Run one of nbgrader's converters, silently.

    Raises CourseError with the one line that says what went wrong; it starts with `what`.
    """
    from nbgrader.utils import capture_log

    with warnings.catch_warnings():
        # About nbgrader's use of its database, and about notebooks that it mends.
        warnings.simplefilter("ignore")
        outcome = capture_log(converter)
    if outcome["success"]:
        return
    line = _why(outcome.get("log", "")) or _why(outcome["error"]) or "no reason given"
    if OURS.match(line):
        raise CourseError(OURS.sub("", line))
    if remedy(line):
        raise SystemTroubleError(f"{what}: {line}; {remedy(line)}")
    raise CourseError(f"{what}: {line}")


def _why(log: str) -> str:
    """The last line of a log in which an exception is named, but for the one that points back."""
    lines = [line.strip() for line in log.splitlines() if "Please see the" not in line]
    named = [line for line in lines if EXCEPTION.match(line)]
    return named[-1] if named else ""


@contextmanager
def one_gradebook(url: str, course_id: str = "") -> Iterator["Gradebook"]:
    """An open gradebook, which is also what nbgrader's own code gets when it opens this address.

    nbgrader opens its gradebook about nine times for a submission, each time with a new engine
    that looks for all tables and has to compile each query, and commits after each cell. As long
    as this context lasts, its openings cost nothing, and its commits wait for those of
    `transaction`, so that a submission is entered as a whole or not at all.
    """
    from nbgrader.api import Gradebook
    from sqlalchemy.orm import Session, scoped_session, sessionmaker

    class Patient(Session):
        def commit(self) -> None:
            self.flush()
            self.expire_all()

    initialise, close = Gradebook.__init__, Gradebook.close

    with Gradebook(url) as gradebook:
        gradebook.check_course(course_id)
        gradebook.db.remove()
        gradebook.db = scoped_session(sessionmaker(bind=gradebook.engine, class_=Patient))

        def join(self: Gradebook, db_url: str, *args: Any, **kwargs: Any) -> None:
            if db_url == url:
                vars(self).update(vars(gradebook))
            else:
                initialise(self, db_url, *args, **kwargs)

        def leave(self: Gradebook) -> None:
            if self.db is gradebook.db:
                self.db.expunge_all()
            else:
                close(self)

        # The names under which nbgrader's modules know the class are many; the class is one.
        Gradebook.__init__, Gradebook.close = join, leave
        try:
            yield gradebook
        finally:
            Gradebook.__init__, Gradebook.close = initialise, close


@contextmanager
def transaction(gradebook: "Gradebook") -> Iterator[None]:
    """Commit what is written to `one_gradebook` inside this context, or nothing of it."""
    from sqlalchemy.orm import Session

    session = gradebook.db()
    try:
        yield
        session.flush()
        Session.commit(session)
    finally:
        # What is not committed is taken back; nothing stays in memory.
        session.close()
