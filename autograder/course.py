"""Where things lie: the project, what is built from it, and an instructor's course folder."""

import contextlib
import errno
import os
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from autograder.errors import CourseError

if TYPE_CHECKING:
    from traitlets.config import Config

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"

SECRET_BYTES = 32

COURSE_CONFIG = '''\
"""nbgrader's configuration of this course folder; settings below the marked line are yours."""

from pathlib import Path

c = get_config()  # noqa: F821
project = Path({project!r})
if not (project / "nbgrader_config.py").is_file():
    # nbgrader goes on without a file that it cannot load, and would then run
    # submissions unprotected; SystemExit is what stops it.
    raise SystemExit(f"{{__file__}}: no project in {{project}}; correct the path in this file")
load_subconfig("nbgrader_config.py", path=str(project))  # noqa: F821
c.CourseDirectory.root = str(Path(__file__).resolve().parent)
c.CourseDirectory.source_directory = {source!r}
c.CourseDirectory.release_directory = {release!r}
# ---- your settings, for example c.CourseDirectory.db_url = "postgresql://..." ----
'''


def reason(error: OSError) -> str:
    """What went wrong in the operating system's words, and what to do about it."""
    words = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{words}; free some space and run again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{words}; make the folder writable or choose another"
    return words


def write_atomically(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Write a whole file under a temporary name and rename it: readers never see half of it.

    Missing parent folders are created. Raises CourseError when the file cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise CourseError(f"{path}: cannot be written: {reason(error)}") from error
        raise


def version(file: Path) -> tuple[int, int, int] | None:
    """What is another once the file has been written to; None where there is no such file."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def site_url() -> str:
    """The published book's address from _config.yml (html.baseurl), else the built site on disk.

    The address has no slash at its end; pages lie at ADDRESS/book/... and ADDRESS/exercises/...
    """
    config = ROOT / "_config.yml"
    return _base_url(config, version(config)) or (BUILD / "html").as_uri()


@lru_cache(maxsize=4)
def _base_url(config: Path, version: tuple[int, int, int] | None) -> str:
    """What this version of the book's configuration says, "" if nothing."""
    import yaml

    settings = yaml.safe_load(config.read_text()) if version else None
    base = ((settings or {}).get("html") or {}).get("baseurl")
    return str(base or "").rstrip("/")


@dataclass(frozen=True)
class Course:
    """An instructor's folder: submissions, gradebook, feedback and marks of one course.

    directory: the course folder; it need not exist before `ensure`.
    build: the folder of nbgrader's source and release trees.
    """

    directory: Path = Path("course")
    build: Path = BUILD

    def __post_init__(self) -> None:
        object.__setattr__(self, "directory", Path(self.directory).absolute())
        object.__setattr__(self, "build", Path(self.build).absolute())

    @property
    def source(self) -> Path:
        """nbgrader's instructor notebooks, one folder an assignment."""
        return self.build / "source"

    @property
    def release(self) -> Path:
        """What students receive, one folder an assignment."""
        return self.build / "release"

    @property
    def submitted(self) -> Path:
        """Collected work: STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb."""
        return self.directory / "submitted"

    @property
    def autograded(self) -> Path:
        """nbgrader's graded copies: STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb."""
        return self.directory / "autograded"

    @property
    def feedback(self) -> Path:
        """Pages for students: STUDENT/ASSIGNMENT/ASSIGNMENT.html."""
        return self.directory / "feedback"

    @property
    def reports(self) -> Path:
        """Class reports and stored reports of single submissions."""
        return self.directory / "reports"

    @property
    def site(self) -> str:
        """The address under which links to the book start, without a slash at its end."""
        return site_url()

    @property
    def config(self) -> Path:
        """nbgrader's configuration file in the course folder."""
        return self.directory / "nbgrader_config.py"

    @property
    def gradebook_url(self) -> str:
        """The gradebook's database: as nbgrader is configured, else SQLite in the course folder."""
        url = self.configuration().CourseDirectory.get("db_url")
        return str(url or f"sqlite:///{self.directory / 'gradebook.db'}")

    def configuration(self) -> "Config":
        """The configuration with which nbgrader's own commands run in the course folder.

        A folder without a file of its own has the project's. Raises CourseError when the file
        cannot be loaded.
        """
        from traitlets.config.loader import PyFileConfigLoader

        file = self.config if self.config.is_file() else ROOT / "nbgrader_config.py"
        try:
            config = PyFileConfigLoader(file.name, path=str(file.parent)).load_config()
        except (Exception, SystemExit) as error:
            raise CourseError(f"{file}: cannot be loaded ({error})") from error
        config.CourseDirectory.root = str(self.directory)
        return config

    @property
    def secret(self) -> bytes:
        """The 32 random bytes from which hidden inputs are drawn; created on first use, mode 0600.

        Raises CourseError when the file can be neither read nor created.
        """
        path = self.directory / "secret"
        try:
            if not path.exists():
                _create_once(path, secrets.token_bytes(SECRET_BYTES))
            secret = path.read_bytes()
        except OSError as error:
            message = f"the course secret cannot be read or created: {reason(error)}"
            raise CourseError(f"{path}: {message}") from error
        if len(secret) != SECRET_BYTES:
            raise CourseError(
                f"{path}: not a course secret ({len(secret)} bytes instead of {SECRET_BYTES}); "
                "restore it from a backup, or delete it to draw new hidden inputs"
            )
        return secret

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Refuse to write where another run does: what it has half done would be taken for lost.

        Raises CourseError while another `grade` or `collect` is in this block, and where the folder
        cannot be written.
        """
        lock = FileLock(self.directory / ".grading.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            message = "another `autograder grade` or `collect` works in this folder"
            raise CourseError(f"{self.directory}: {message}; wait until it is done") from None
        except OSError as error:
            message = f"cannot be written: {reason(error)}"
            raise CourseError(f"{self.directory}: {message}") from error
        try:
            yield
        finally:
            lock.release()

    def ensure(self) -> None:
        """Create the folder with a configuration under which nbgrader's commands run in it.

        An existing configuration is left as it is. Raises CourseError when it cannot be written.
        """
        try:
            self.submitted.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"the course folder cannot be created: {reason(error)}"
            raise CourseError(f"{self.directory}: {message}") from error
        if not self.config.exists():
            settings = {"project": ROOT, "source": self.source, "release": self.release}
            text = COURSE_CONFIG.format(**{name: str(path) for name, path in settings.items()})
            write_atomically(self.config, text)


def _create_once(path: Path, content: bytes) -> None:
    """Create a private file with this content unless another process was faster."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        Path(temporary).unlink()
