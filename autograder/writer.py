"""The one writer of a class: a result becomes a graded copy, a gradebook entry and a page.

nbgrader's own converters write them. An entry is whole or absent: what was in a folder before lies
beside it until the gradebook and all files agree, and a run that finds such a folder enters the
result again.
"""

import contextlib
import glob
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from nbformat.v4 import new_notebook
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde, BaseConverter, GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import AssignLatePenalties
from traitlets.config import Config

from autograder import feedback
from autograder.converting import run, transaction
from autograder.course import Course, reason
from autograder.errors import CourseError
from autograder.marks import Entry, entry
from autograder.preprocessor import timestamp
from autograder.regrade import Difference, Standing, difference, keep_settled
from autograder.report import Report
from autograder.results import Result


@dataclass(frozen=True)
class GradedCopy:
    """What a graded copy says: of which result it is, the report, and the written answers.

    handed_in: source and pictures of each cell that is the student's, by its name or id.
    """

    key: str
    timestamp: str
    report: Report
    answers: Mapping[str, str]
    handed_in: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> "GradedCopy | None":
        """The copy in a file; None where there is none that can be read."""
        try:
            notebook = json.loads(path.read_bytes())
            course = notebook["metadata"]["course"]
            cells = [(cell, cell["metadata"].get("nbgrader", {})) for cell in notebook["cells"]]
            return cls(
                key=course["key"],
                timestamp=course["timestamp"],
                report=Report.from_dict(course["report"]),
                answers={
                    data["grade_id"]: "".join(cell["source"])
                    for cell, data in cells
                    if data.get("grade") and data.get("solution")
                },
                handed_in={
                    data.get("grade_id") or cell["id"]: (cell["source"], cell.get("attachments"))
                    for cell, data in cells
                    if data.get("solution") or not data.get("grade")
                },
            )
        except (OSError, AttributeError, KeyError, TypeError, ValueError):
            return None


@dataclass(frozen=True)
class Entered:
    """A result in the gradebook: the entry, and how it differs from the one before, if it does.

    stored: the result was in it before.
    """

    entry: Entry
    stored: bool
    difference: Difference | None


@dataclass(frozen=True)
class Writer:
    """Enters the results of an assignment, one after the other."""

    course: Course
    assignment: str
    config: Config
    gradebook: Gradebook

    def enter(self, result: Result) -> Entered:
        """Write a result wherever it is not yet written.

        Raises CourseError where the result cannot be entered; what was entered earlier stays then.
        """
        _require_report(result)
        with transaction(self.gradebook):
            made = self._stored(result)
        if made is not None:
            self._write_page(made.entry)
            return made
        with _replaced(self._folder(self.course.autograded, result.student)):
            with transaction(self.gradebook):
                made = self._made(result, self.course.autograded)
            self._write_page(made.entry)
        return made

    def preview(self, result: Result) -> Entered:
        """What `enter` would come to; errors as there. Nothing of it is kept."""
        _require_report(result)
        with TemporaryDirectory(prefix="autograder-") as folder, transaction(self.gradebook):
            made = self._stored(result) or self._made(result, Path(folder))
            self.gradebook.db.rollback()
        return made

    def changes(self, result: Result) -> Difference | None:
        """How `enter` would change an entry that the gradebook has; errors as there."""
        with transaction(self.gradebook):
            found = entry(self.gradebook, self.assignment, result.student)
        return None if found is None else self.preview(result).difference

    def _stored(self, result: Result) -> Entered | None:
        """What was entered before, if graded copy and gradebook hold this very result."""
        found = self._entered(result)
        if found is None:
            return None
        now = self._penalised(found)
        changed = difference(Standing(found, {}, {}), Standing(now, {}, {}))
        return Entered(now, stored=True, difference=changed)

    def _made(self, result: Result, copies: Path) -> Entered:
        """Let nbgrader write marks to the gradebook, and the graded copy to this folder."""
        student = result.student
        old = entry(self.gradebook, self.assignment, student)
        before = self._standing(old, self._previous_copy(student)) if old else None
        self._convert(_Autograde, student, copies, result=result)
        made = self._entry(student)
        after = self._standing(made, self._copy(student, copies))
        if before is not None:
            keep_settled(self.gradebook, self.assignment, before, after)
        return Entered(made, stored=False, difference=difference(before, after))

    def _standing(self, found: Entry, copy: GradedCopy | None) -> Standing:
        handed_in = copy.handed_in if copy else {}
        return Standing.of(self.gradebook, self.assignment, found, handed_in)

    def _entered(self, result: Result) -> Entry | None:
        """The entry, if graded copy and gradebook hold this very result."""
        if _is_incomplete(self._folder(self.course.autograded, result.student)):
            return None
        copy = self._copy(result.student)
        found = entry(self.gradebook, self.assignment, result.student)
        submitted = self._folder(self.course.submitted, result.student)
        if copy is None or found is None or result.report is None:
            return None
        if (copy.key, copy.timestamp) != (result.key, timestamp(submitted)):
            return None
        automatic = [task for task in result.report.tasks if task.status != "manual"]
        recorded = {name: task.automatic for name, task in found.tasks.items()}
        if any(recorded.get(task.name) != task.score for task in automatic):
            return None
        return found

    def _penalised(self, found: Entry) -> Entry:
        """The entry with the penalty that it deserves by the due date and the rule of today."""
        configured = str(self.config.Autograde.autograde_preprocessors)
        if not (found.late or found.late_penalty) or "AssignLatePenalties" not in configured:
            return found
        names = {
            "student": found.student,
            "assignment": self.assignment,
            "notebook": self.assignment,
            "db_url": self.course.gradebook_url,
        }
        what = str(self._folder(self.course.submitted, found.student))
        run(_LatePenalty(names, config=self.config), what)
        return self._entry(found.student)

    def _entry(self, student: str) -> Entry:
        found = entry(self.gradebook, self.assignment, student)
        if found is None:
            raise CourseError(f"{student}: no grades of {self.assignment} in the gradebook")
        return found

    def _write_page(self, entered: Entry) -> None:
        """Write the student's page unless it is there."""
        copy = self._copy(entered.student)
        if copy is None:
            raise CourseError(f"{entered.student}: the graded copy has gone; run again")
        folder = self._folder(self.course.feedback, entered.student)
        page = feedback.page_of(copy.report, entered, copy.answers)
        if _is_incomplete(folder) or not _holds(folder / f"{self.assignment}.html", page):
            with _replaced(folder):
                self._convert(_WritePage, entered.student, self.course.autograded, page=page)

    def _folder(self, stage: Path, student: str) -> Path:
        return stage / student / self.assignment

    def _copy(self, student: str, copies: Path | None = None) -> GradedCopy | None:
        folder = self._folder(copies or self.course.autograded, student)
        return GradedCopy.read(folder / f"{self.assignment}.ipynb")

    def _previous_copy(self, student: str) -> GradedCopy | None:
        """The copy that was there before the one that is, or was, being written."""
        folder = self._folder(self.course.autograded, student)
        previous = _previous(folder)
        place = previous if previous.exists() else folder
        return GradedCopy.read(place / f"{self.assignment}.ipynb")

    def _convert(
        self, converter: type[BaseConverter], student: str, copies: Path, **given: Any
    ) -> None:
        """What one of nbgrader's commands does for one student, with graded copies there."""
        coursedir = CourseDirectory(config=self.config)
        coursedir.autograded_directory = str(copies)
        coursedir.assignment_id = self.assignment
        # nbgrader takes the student for a file pattern.
        coursedir.student_id = glob.escape(student)
        made = converter(coursedir=coursedir, config=self.config, force=True)
        for name, value in given.items():
            setattr(made, name, value)
        run(made, str(self._folder(self.course.submitted, student)))


class _Autograde(Autograde):
    """nbgrader's autograde of a submission whose result is at hand; `RunChecks` asks for it."""

    result: Result | None = None


class _WritePage(GenerateFeedback):
    """nbgrader's generate_feedback of a page that is at hand."""

    page = ""

    def convert_single_notebook(self, notebook_filename: str) -> None:
        resources = self.init_single_notebook_resources(notebook_filename)
        resources["output_extension"] = ".html"
        self.write_single_notebook(self.page, resources)


class _LatePenalty(AssignLatePenalties):
    """nbgrader's late penalty by itself."""

    def __init__(self, names: dict[str, str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._names = names

    def start(self) -> None:
        self.preprocess(new_notebook(), {"nbgrader": self._names})


def _require_report(result: Result) -> None:
    if result.report is None:
        raise CourseError(result.error or "no reason given")


@contextmanager
def _replaced(folder: Path) -> Iterator[None]:
    """Let a folder be written anew; if that fails, it is again what it was.

    Where an earlier run was killed meanwhile, what it left in the folder is not what it was.
    """
    previous = _previous(folder)
    try:
        if previous.exists():
            shutil.rmtree(folder, ignore_errors=True)
        elif folder.exists():
            folder.rename(previous)
        else:
            previous.mkdir(parents=True)
    except OSError as error:
        raise CourseError(f"{folder}: cannot be written: {reason(error)}") from error
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        _put_back(previous, folder)
        raise
    shutil.rmtree(previous)


def _put_back(previous: Path, folder: Path) -> None:
    if any(previous.iterdir()):
        previous.rename(folder)
        return
    previous.rmdir()
    with contextlib.suppress(OSError):
        previous.parent.rmdir()


def _is_incomplete(folder: Path) -> bool:
    return _previous(folder).exists()


def _previous(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.previous")


def _holds(file: Path, text: str) -> bool:
    try:
        return file.read_bytes() == text.encode()
    except OSError:
        return False
