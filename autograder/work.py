"""One notebook to grade as plain data, and the function that grades it, wherever that runs."""

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

from autograder.assignment import CHECKS, EXERCISES, Assignment, known
from autograder.course import ROOT
from autograder.errors import CourseError
from autograder.report import Report, plain
from autograder.submission import Submission

LIBRARIES = ("numpy", "pytest", "scikit-learn", "torch")


@dataclass(frozen=True)
class Conditions:
    """What decides on marks beside notebook and settings.

    files: digests of the grader, its checks, the solutions and the exercise; versions: of Python
    and of the libraries that compute. Both by name.
    """

    files: dict[str, str]
    versions: dict[str, str]

    @classmethod
    def here(cls, assignment: str) -> "Conditions":
        """The conditions under which this machine grades an assignment now."""
        files = {name: _digest(paths) for name, paths in _files(assignment).items()}
        return cls(files, _versions())

    def differences(self, asked: "Conditions") -> list[str]:
        """In words, how these conditions differ from those that are asked for."""
        files = [name for name, digest in asked.files.items() if self.files.get(name) != digest]
        return [f"its {name} differ" for name in files] + [
            f"{name} {self.versions.get(name)} instead of {version}"
            for name, version in asked.versions.items()
            if self.versions.get(name) != version
        ]


@dataclass(frozen=True)
class Work:
    """All that a grader needs to know of one notebook, on whatever machine it is.

    path: where the notebook lies for those who read messages; the grader gets its content.
    """

    assignment: str
    student: str
    path: str
    notebook: bytes = field(repr=False)
    secret: bytes = field(repr=False)
    isolation: str
    device: str
    conditions: Conditions = field(repr=False)

    @property
    def key(self) -> str:
        """The digest of all that the result depends on."""
        contents = [hashlib.sha256(part).hexdigest() for part in (self.notebook, self.secret)]
        settings = [self.assignment, self.isolation, self.device, asdict(self.conditions)]
        return hashlib.sha256(json.dumps([*contents, *settings]).encode()).hexdigest()


@dataclass(frozen=True)
class Result:
    """What grading one submission came to: a report, or the reason why there is none."""

    student: str
    key: str
    report: Report | None = None
    error: str | None = None


def grade(work: Work) -> Result:
    """Grade a notebook in this process; what stands against it is the result's error."""
    try:
        return Result(work.student, work.key, report=report_of(work))
    except CourseError as error:
        return Result(work.student, work.key, error=str(error))
    except Exception as error:
        # An error of ours with one notebook must not keep the others from being graded.
        why = f"{work.path}: the grader itself failed ({type(error).__name__}: {error})"
        return Result(work.student, work.key, error=plain(why))


def report_of(work: Work, say: Callable[[str], None] = lambda doing: None) -> Report:
    """Grade a notebook in this process; raises CourseError for what stands against it."""
    # torch takes seconds to import: only the processes that grade wait for it.
    from autograder.grading import grade_notebook

    _verify_conditions(work)
    say("starting the sandbox")
    report = grade_notebook(
        Submission.of(Path(work.path), work.notebook),
        Assignment.load(work.assignment),
        secret=work.secret,
        isolation=work.isolation,
        device=work.device,
        say=say,
    )
    _verify_conditions(work)
    return report


def _verify_conditions(work: Work) -> None:
    differences = Conditions.here(work.assignment).differences(work.conditions)
    if differences:
        message = f"not graded as asked for ({', '.join(differences)}); run it again"
        raise CourseError(f"{work.path}: {message}")


@cache
def _versions() -> dict[str, str]:
    libraries = {library: importlib.metadata.version(library) for library in LIBRARIES}
    return {"Python": platform.python_version(), **libraries}


def _files(assignment: str) -> dict[str, Iterable[Path]]:
    """The files that decide on marks; of the checks, those of other assignments do not."""
    others = set(known()) - {assignment}
    exercise = EXERCISES / assignment
    return {
        "grader files": (
            path for path in (ROOT / "autograder").rglob("*.py") if not path.is_relative_to(CHECKS)
        ),
        "checks": (
            path
            for path in CHECKS.rglob("*")
            if path.relative_to(CHECKS).parts[0].removesuffix(".py") not in others
        ),
        "solutions": (ROOT / "solutions").rglob("*.py"),
        "exercise files": [*exercise.rglob("*"), EXERCISES / "lab.py"],
    }


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in sorted(path for path in paths if path.is_file() and not _is_by_product(path)):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(ROOT)} {content}\n".encode())
    return digest.hexdigest()


def _is_by_product(file: Path) -> bool:
    return any(part.startswith((".", "__pycache__")) for part in file.relative_to(ROOT).parts)
