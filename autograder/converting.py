"""nbgrader's converters run in this process, configured as in a course folder."""

import errno
import os
import re
import warnings
from typing import TYPE_CHECKING

from autograder.course import Course
from autograder.errors import CourseError

if TYPE_CHECKING:
    from nbgrader.converters.base import BaseConverter
    from traitlets.config import Config

EXCEPTION = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception)\b.*")
OURS = re.compile(r"autograder\.errors\.\w+: ")

REMEDIES = {
    "database or disk is full": "free some space and run again",
    os.strerror(errno.ENOSPC): "free some space and run again",
    os.strerror(errno.EROFS): "make the folder writable or choose another",
    "readonly database": "make the file writable",
    "database is locked": "end the other program that uses it and run again",
}
"""What to do, by the words in which a system says what is wrong with it."""


class SystemTroubleError(CourseError):
    """The disk or the database refuses: what failed once will fail for every submission."""


def configuration(course: Course) -> "Config":
    """The configuration with which nbgrader's own commands run in the course folder.

    Raises CourseError when the file cannot be loaded.
    """
    from traitlets.config.loader import PyFileConfigLoader

    try:
        loader = PyFileConfigLoader(course.config.name, path=str(course.directory))
        config = loader.load_config()
    except (Exception, SystemExit) as error:
        raise CourseError(f"{course.config}: cannot be loaded ({error})") from error
    config.CourseDirectory.root = str(course.directory)
    return config


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
    for words, remedy in REMEDIES.items():
        if words in line:
            raise SystemTroubleError(f"{what}: {line}; {remedy}")
    raise CourseError(f"{what}: {line}")


def _why(log: str) -> str:
    """The last line of a log in which an exception is named, but for the one that points back."""
    lines = [line.strip() for line in log.splitlines() if "Please see the" not in line]
    named = [line for line in lines if EXCEPTION.match(line)]
    return named[-1] if named else ""
