"""Errors that end a command: one line that names the file or value and the remedy."""


class CourseError(Exception):
    """Something could not be done; the command prints the message and exits with status 1."""

    exit_status = 1


class UsageError(CourseError):
    """The command was used wrongly; it exits with status 2."""

    exit_status = 2
