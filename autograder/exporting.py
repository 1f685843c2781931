"""Marks in the formats that learning platforms import, written by exporter plug-ins of nbgrader.

The platform's own file is filled in where there is one: in it nothing changes but the marks. A
student of whom the gradebook has no mark keeps what the platform has.
"""

import csv
import io
import re
from dataclasses import dataclass, field, replace
from math import isclose
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.coursedir import CourseDirectory
from nbgrader.plugins import ExportPlugin
from traitlets import Bool, Unicode

from autograder import results
from autograder.assignment import sheet_path
from autograder.collecting import downloaded, read_collected
from autograder.course import Course, write_atomically
from autograder.errors import CourseError, UsageError
from autograder.marks import Mark, marks_in, opened
from autograder.matching import IDENTIFIER, PARTICIPANT, Label, Matcher, read_worksheet
from autograder.pages import points
from autograder.roster import Person, read_roster, roster_path
from autograder.tables import Table, folded, harmless, read_table, readable

GRADE = ("Grade", "Bewertung", "Note", "Calificación", "Valutazione")
MAXIMUM = ("Maximum grade", "Bestwertung", "Note maximale", "Calificación máxima")
MOODLE_PERSON = {
    "First name": "first_name",
    "Last name": "last_name",
    "ID number": "id_number",
    "Email address": "email",
}
CANVAS_PERSON = {
    "Student": "full_name",
    "ID": "canvas_id",
    "SIS User ID": "sis_user_id",
    "SIS Login ID": "sis_login_id",
    "Section": "section",
}
"""What Moodle's import into the grades, and Canvas's, read about a person; fields by column."""

CANVAS_ABOUT_PEOPLE = (*CANVAS_PERSON, "LastName", "FirstName", "Integration ID", "Root Account")
POINTS_POSSIBLE = "Points Possible"
CANVAS_COLUMN = re.compile(r"(?P<title>.*)\((?P<id>\d+)\)\s*")


@dataclass(frozen=True)
class Marks:
    """What there is to export: the marks of an assignment, by student, and its points."""

    course: Course
    assignment: str
    of: dict[str, Mark]
    maximum: float


@dataclass(frozen=True)
class Exported:
    """What an export came to.

    marks: those in the file, as they stand there; replaced: by student, the mark that the platform
    had and the other that is now in its place; waiting: students with answers that a person has yet
    to grade; problems: students whose mark is not in the file, and why; unknown: rows of the
    platform's file whose student nobody knows, and why.
    """

    assignment: str
    file: Path
    marks: dict[str, str] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Sheet:
    """A column for marks in the rows of a table.

    owners: the rows of each student; absent: what is to be said of a mark without a row; maximum:
    the platform's points of the assignment, None where it does not say; is_limit: no mark may be
    greater.
    """

    place: int
    owners: dict[str, list[list[str]]]
    absent: str
    maximum: float | None = None
    is_limit: bool = False

    @property
    def rows(self) -> list[list[str]]:
        """The rows that are somebody's."""
        return [row for rows in self.owners.values() for row in rows]


def export(
    assignment: str,
    course: Course,
    form: str,
    *,
    output: Path | None = None,
    worksheet: Path | None = None,
    gradebook_csv: Path | None = None,
    column: str | None = None,
    scale: bool = False,
) -> Exported:
    """Write the marks of an assignment in a format of `EXPORTERS`.

    output: None stands for a file beside the class report. worksheet, gradebook_csv: the file of
    Moodle or Canvas to fill in; column: that of the assignment in Canvas's. scale: turn the marks
    into shares of the platform's maximum. Raises CourseError where nothing can be written.
    """
    sheet_path(assignment)
    settings: dict[str, str | bool] = {
        "worksheet": str(worksheet or ""),
        "gradebook_csv": str(gradebook_csv or ""),
        "column": column or "",
        "scale": scale,
    }
    exporter = EXPORTERS[form](config=course.configuration())
    for name, value in settings.items():
        if value:
            if not exporter.has_trait(name):
                option = name.replace("_", "-")
                raise UsageError(f"--{option}: not for the format {form}; leave it out")
            setattr(exporter, name, value)
    exporter.assignment = [assignment]
    exporter.to = str(output or results.folder(course, assignment) / exporter.to)
    with opened(course, assignment) as gradebook:
        return exporter.write(gradebook)


class MarksExporter(ExportPlugin):
    """What the exporters share: which marks, and what becomes of problems."""

    def export(self, gradebook: Gradebook) -> None:
        """Write the file for `nbgrader export`; what is wrong goes to its log and exit status."""
        try:
            made = self.write(gradebook)
        except CourseError as error:
            self.log.error("%s", error)
            raise SystemExit(1) from None
        self.log.info("%d marks of %s: %s", len(made.marks), made.assignment, made.file)
        if made.waiting:
            self.log.warning("with answers that nobody has graded yet: %d", len(made.waiting))
        for student, problem in made.problems.items():
            self.log.error("%s: %s", student, problem)
        if made.problems:
            raise SystemExit(1)

    def write(self, gradebook: Gradebook) -> Exported:
        """Write the file; raises CourseError where it cannot be written."""
        marks = self._marks(gradebook)
        made = Exported(marks.assignment, Path(self.to).absolute())
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(self.table(marks, made, gradebook))
        write_atomically(made.file, text.getvalue(), mode=0o600)
        made.waiting.extend(student for student in made.marks if marks.of[student].waiting)
        made.problems.update(_not_graded(marks, set(map(str, self.student))))
        return made

    def table(self, marks: Marks, made: Exported, gradebook: Gradebook) -> list[list[str]]:
        """The rows of the file; what they hold is noted in `made`."""
        raise NotImplementedError

    def _marks(self, gradebook: Gradebook) -> Marks:
        names = list(map(str, self.assignment)) or [each.name for each in gradebook.assignments]
        if len(names) != 1:
            known = ", ".join(sorted(names)) or "none"
            raise CourseError(f"one assignment a file; name one by --assignment (known: {known})")
        try:
            maximum = gradebook.find_assignment(names[0]).max_score
        except MissingEntry:
            message = "no such assignment in the gradebook"
            raise CourseError(f"{names[0]}: {message}; run `autograder build`") from None
        wanted = set(map(str, self.student))
        found = {mark.student: mark for mark in marks_in(gradebook, names[0])}
        if not found:
            message = "no marks in the gradebook yet"
            raise CourseError(f"{names[0]}: {message}; run `autograder grade {names[0]}`")
        of = {name: mark for name, mark in found.items() if not wanted or name in wanted}
        course = Course(Path(CourseDirectory(parent=self).root))
        return Marks(course, names[0], of, maximum)


class CsvExporter(MarksExporter):
    """A table for people and spreadsheets, with the columns of nbgrader's own export."""

    to = Unicode("grades.csv", help="the file to write").tag(config=True)
    columns = (
        *("assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email"),
        *("raw_score", "late_submission_penalty", "score", "max_score", "waiting"),
    )

    def table(self, marks: Marks, made: Exported, gradebook: Gradebook) -> list[list[str]]:
        due = gradebook.find_assignment(marks.assignment).duedate
        submitted = {each["student"]: each for each in gradebook.submission_dicts(marks.assignment)}
        rows = [list(self.columns)]
        for person in sorted(gradebook.students, key=lambda each: each.id):
            if self.student and person.id not in map(str, self.student):
                continue
            who = (person.id, person.last_name, person.first_name, person.email)
            mark, entered = marks.of.get(person.id), submitted.get(person.id)
            time: Any = None
            numbers: list[Any] = [None, None, None, marks.maximum, None]
            if mark is not None and entered is not None:
                time, score = entered["timestamp"], entered["score"]
                numbers = [score, mark.late_penalty, mark.score, mark.max_score, mark.waiting]
                made.marks[person.id] = str(mark.score)
            cells = [marks.assignment, due, time, *(harmless(text or "") for text in who), *numbers]
            rows.append(["" if value is None else str(value) for value in cells])
        return rows


class PlatformExporter(MarksExporter):
    """Marks as a platform imports them."""

    scale = Bool(False, help="turn marks into shares of the platform's maximum").tag(config=True)

    def _filled_from(self, path: Path) -> Path:
        """A file to fill in, which is not written to."""
        if path.absolute().resolve() == Path(self.to).absolute().resolve():
            raise CourseError(f"{path}: the file that is filled in; write to another one")
        return path

    def _fill(self, sheet: Sheet, marks: Marks, made: Exported) -> None:
        """Write the marks into their rows."""
        factor = self._factor(sheet, marks)
        for student, mark in marks.of.items():
            rows, value = sheet.owners.get(student, []), points(mark.score * factor)
            if len(rows) != 1:
                made.problems[student] = "more than one row is theirs" if rows else sheet.absent
            elif sheet.is_limit and sheet.maximum is not None and float(value) > sheet.maximum:
                remedy = "Moodle takes no more than the maximum; enter it there by hand"
                made.problems[student] = f"{value} of {points(sheet.maximum)}: {remedy}"
            else:
                before = readable(rows[0][sheet.place])
                if _number(before) != float(value) and before not in ("", "-"):
                    made.replaced[student] = f"{before} → {value}"
                made.marks[student] = rows[0][sheet.place] = value

    def _factor(self, sheet: Sheet, marks: Marks) -> float:
        """What marks are multiplied with, so that they are of the platform's maximum."""
        maximum = sheet.maximum
        if maximum is None or not maximum or isclose(maximum, marks.maximum):
            return 1.0
        if not self.scale or not marks.maximum:
            differ = f"{points(marks.maximum)} points here, {points(maximum)} on the platform"
            raise CourseError(
                f"{marks.assignment}: {differ}; make them equal there, or turn marks into shares "
                "of the platform's maximum (--scale)"
            )
        return maximum / marks.maximum


class MoodleExporter(PlatformExporter):
    """Moodle's grading worksheet with the marks in it, else a table for its import into grades."""

    to = Unicode("marks-moodle.csv", help="the file to write").tag(config=True)
    worksheet = Unicode(
        "", help="the grading worksheet to fill in; default: the one given to `autograder collect`"
    ).tag(config=True)

    def table(self, marks: Marks, made: Exported, gradebook: Gradebook) -> list[list[str]]:
        roster = read_roster(marks.course)
        kept = downloaded(marks.course, marks.assignment) / "worksheet.csv"
        if not self.worksheet and not kept.exists():
            return self._from_roster(roster, marks, made)
        path = self._filled_from(Path(self.worksheet) if self.worksheet else kept)
        table = _padded(read_table(path))
        owners = _moodle_owners(table, roster, marks, made)
        place, maximum = table.column(GRADE), table.column(MAXIMUM)
        if place is None:
            raise CourseError(f"{path}: no column 'Grade'; download the grading worksheet again")
        maxima = [_number(table.cell(row, maximum)) for row in table.rows]
        greatest = max((number for number in maxima if number is not None), default=None)
        absent = f"no row of {path.name} is theirs"
        self._fill(Sheet(place, owners, absent, greatest, True), marks, made)
        return [table.header, *table.rows]

    def _from_roster(
        self, roster: dict[str, Person], marks: Marks, made: Exported
    ) -> list[list[str]]:
        known = {name: each for name, each in roster.items() if each.id_number or each.email}
        sheet = _roster_sheet(known, MOODLE_PERSON, "an ID number or e-mail", marks)
        self._fill(sheet, marks, made)
        return [[*MOODLE_PERSON, marks.assignment], *sheet.rows]


class CanvasExporter(PlatformExporter):
    """Canvas's gradebook file with one assignment's column, else such a file from the roster."""

    to = Unicode("marks-canvas.csv", help="the file to write").tag(config=True)
    gradebook_csv = Unicode("", help="Canvas's gradebook file to fill in").tag(config=True)
    column = Unicode(
        "", help="the assignment's column in it; default: that of the assignment's name"
    ).tag(config=True)

    def table(self, marks: Marks, made: Exported, gradebook: Gradebook) -> list[list[str]]:
        roster = read_roster(marks.course)
        if not self.gradebook_csv:
            return self._from_roster(roster, marks, made)
        path = self._filled_from(Path(self.gradebook_csv))
        table = _padded(read_table(path))
        if table.column(["ID"]) is None or table.column(["Section"]) is None:
            message = "no gradebook of Canvas (its columns: Student, ID, ..., Section)"
            raise CourseError(f"{path}: {message}; export it again from Grades")
        place = self._place(table, marks.assignment)
        heads = [row for row in table.rows if POINTS_POSSIBLE in row[0]]
        maximum = next((_number(table.cell(row, place)) for row in heads), None)
        owners = _canvas_owners(table, roster, made)
        absent = f"no row of {path.name} is theirs"
        self._fill(Sheet(place, owners, absent, maximum), marks, made)
        about = [table.column([name]) for name in CANVAS_ABOUT_PEOPLE]
        kept = [*sorted(each for each in about if each is not None), place]
        return [[row[each] for each in kept] for row in (table.header, *table.rows)]

    def _place(self, table: Table, assignment: str) -> int:
        """The column of the assignment."""
        wanted, found = folded(self.column or assignment), []
        about = set(map(folded, CANVAS_ABOUT_PEOPLE))
        columns = [(place, name) for place, name in enumerate(table.header)]
        columns = [(place, name) for place, name in columns if folded(name) not in about]
        for place, name in columns:
            match = CANVAS_COLUMN.fullmatch(name)
            names = [name, match["title"], match["id"]] if match else [name]
            if wanted in map(folded, names):
                found.append(place)
        if len(found) != 1:
            what = "more than one column" if found else "no column"
            shown = ", ".join(name for _, name in columns[:20])
            message = f"{what} {self.column or assignment!r}; name one by --column: {shown}"
            raise CourseError(f"{table.path}: {message}")
        return found[0]

    def _from_roster(
        self, roster: dict[str, Person], marks: Marks, made: Exported
    ) -> list[list[str]]:
        known = {
            name: each
            for name, each in roster.items()
            if each.canvas_id or each.sis_user_id or each.sis_login_id
        }
        sheet = _roster_sheet(known, CANVAS_PERSON, "a Canvas or SIS id", marks)
        self._fill(sheet, marks, made)
        blanks = [""] * (len(CANVAS_PERSON) - 1)
        head = [f"    {POINTS_POSSIBLE}", *blanks, points(marks.maximum)]
        return [[*CANVAS_PERSON, marks.assignment], head, *sheet.rows]


EXPORTERS = {"csv": CsvExporter, "moodle": MoodleExporter, "canvas": CanvasExporter}
"""The exporters by the name of their format."""


def _moodle_owners(
    table: Table, roster: dict[str, Person], marks: Marks, made: Exported
) -> dict[str, list[list[str]]]:
    """The rows of each student in Moodle's grading worksheet.

    What was collected tells of participants whom the worksheet does not name. It also knows the
    worksheet of another assignment, in which the participants' numbers are others.
    """
    participants = read_worksheet(table.path)
    collected = read_collected(marks.course, marks.assignment)
    known = {each.user: name for name, each in collected.items() if each.platform == "moodle"}
    matcher = Matcher(roster, participants)
    owners: dict[str, list[list[str]]] = {}
    for row in table.rows:
        number = PARTICIPANT.search(table.cell(row, table.column(IDENTIFIER)))
        if number is None:
            continue
        user, name = number[0], participants[number[0]].name
        try:
            student = matcher.student(Label("moodle", "", name, user))
        except CourseError as error:
            if user not in known:
                made.unknown.append(f"{name or user}: {error}")
                continue
            student = known[user]
        if known.get(user, student) != student:
            differ = f"participant {user} is {student}, and {known[user]} in what was collected"
            message = f"{differ}; give the worksheet of {marks.assignment}"
            raise CourseError(f"{table.path}: {message}")
        owners.setdefault(student, []).append(row)
    return owners


def _canvas_owners(
    table: Table, roster: dict[str, Person], made: Exported
) -> dict[str, list[list[str]]]:
    """The rows of each student in Canvas's gradebook file; those of nobody have no id."""
    names = ("Student", "LastName", "FirstName")
    places = [place for name in names if (place := table.column([name])) is not None]
    matcher = Matcher(roster)
    owners: dict[str, list[list[str]]] = {}
    for row in table.rows:
        user, name = table.cell(row, table.column(["ID"])), _joined(table, row, places)
        if not user:
            continue
        try:
            student = matcher.student(Label("canvas", "", name, user))
            owners.setdefault(student, []).append(row)
        except CourseError as error:
            made.unknown.append(f"{name}: {error}")
    return owners


def _joined(table: Table, row: list[str], places: list[int]) -> str:
    return ", ".join(table.cell(row, place) for place in places)


def _roster_sheet(
    known: dict[str, Person], columns: dict[str, str], needed: str, marks: Marks
) -> Sheet:
    """A table of those who have a mark, with what the platform knows them by."""
    owners = {
        name: [[*(getattr(known[name], each) for each in columns.values()), ""]]
        for name in sorted(marks.of.keys() & known.keys())
    }
    absent = f"{needed} of theirs is not in {roster_path(marks.course)}"
    return Sheet(len(columns), owners, absent)


def _padded(table: Table) -> Table:
    """The table, in which each row has a cell for each column."""
    rows = [[*row, *[""] * (len(table.header) - len(row))] for row in table.rows]
    return replace(table, rows=rows)


def _not_graded(marks: Marks, wanted: set[str]) -> dict[str, str]:
    """Why students who have submitted have no mark."""
    folders = marks.course.submitted.glob(f"*/{marks.assignment}")
    students = {folder.parent.name for folder in folders} - marks.of.keys()
    message = f"submitted, but not graded; run `autograder grade {marks.assignment}`"
    return {name: message for name in sorted(students) if not wanted or name in wanted}


def _number(text: str) -> float | None:
    """The number that a platform writes, in English or another language; None for none."""
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None
