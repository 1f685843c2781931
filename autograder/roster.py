"""The students of a course: from a learning platform's CSV file to nbgrader's gradebook.

What the platform alone needs to know a student again is kept in the course folder's roster.csv.
"""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.course import Course, write_atomically
from autograder.errors import CourseError, UsageError
from autograder.tables import Table, folded, read_table

if TYPE_CHECKING:
    from sqlalchemy import Connection

COLUMNS = {
    "last_name": (
        *("Last name", "Surname", "Nachname", "Nom", "Nom de famille", "Apellido(s)", "Cognome"),
    ),
    "first_name": ("First name", "Vorname", "Prénom", "Nombre", "Nome"),
    "email": (
        *("Email address", "Email", "E-Mail-Adresse", "Adresse de courriel", "Adresse e-mail"),
        *("Dirección de correo", "Dirección Email", "Indirizzo email"),
    ),
    "full_name": ("Full name", "Vollständiger Name", "Nom complet", "Nombre completo"),
    "id_number": (
        *("ID number", "ID-Nummer", "Matrikelnummer", "Matrikelnr.", "Numéro d'identification"),
        *("Número de ID", "Codice identificativo"),
    ),
    "username": ("Username", "Anmeldename", "Benutzername", "Nom d'utilisateur"),
}
CANVAS_COLUMNS = {
    "last_name": ("LastName",),
    "first_name": ("FirstName",),
    "email": ("Email",),
    "full_name": ("Student",),
    "canvas_id": ("ID",),
    "sis_user_id": ("SIS User ID",),
    "sis_login_id": ("SIS Login ID",),
    "section": ("Section",),
}
"""The platforms' names for the fields of a person, by field."""

STUDENT_ID = {"moodle": ("id_number", "username"), "canvas": ("sis_login_id", "sis_user_id")}
"""The fields that may serve as nbgrader's student id; the first that the file has is taken."""

IN_GRADEBOOK = ("last_name", "first_name", "email", "lms_user_id")
NOT_IN_A_NAME = set('/\\<>:"|?*[],')
LONGEST_ID = 100


@dataclass(frozen=True)
class Person:
    """A student as the platform's file has them; what the file does not say is ""."""

    student: str
    last_name: str = ""
    first_name: str = ""
    email: str = ""
    platform: str = ""
    full_name: str = ""
    id_number: str = ""
    username: str = ""
    canvas_id: str = ""
    sis_user_id: str = ""
    sis_login_id: str = ""
    section: str = ""

    @property
    def lms_user_id(self) -> str:
        """The platform's own number for the student, under the gradebook's name for it."""
        return self.canvas_id

    @property
    def name(self) -> str:
        """The name as people write it."""
        return f"{self.first_name} {self.last_name}".strip() or self.full_name or self.student


@dataclass(frozen=True)
class Reading:
    """What a file says: its students by id, repeated rows, and rows that cannot be taken."""

    platform: str
    id_column: str
    people: dict[str, Person] = field(default_factory=dict)
    doubled: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Changes:
    """What a file changes in the gradebook; `kept` are in the gradebook and not in the file."""

    reading: Reading
    new: list[str]
    changed: dict[str, str]
    unchanged: list[str]
    kept: list[str]


def update(
    file: Path, course: Course, *, id_column: str | None = None, dry_run: bool = False
) -> Changes:
    """Write the students of a platform's CSV file to the gradebook and to the course's roster.

    id_column: the column that holds nbgrader's student ids; None stands for the platform's usual
    one. A student is never removed. Raises CourseError where the file is no roster or nothing can
    be written.
    """
    reading = read_people(read_table(file), id_column)
    changes = _changes(reading, course)
    if not dry_run:
        _write(changes, course)
    return changes


def read_people(table: Table, id_column: str | None = None) -> Reading:
    """The students in a platform's table; raises CourseError where it is none of students."""
    platform = "canvas" if table.column(["SIS Login ID"]) is not None else "moodle"
    known = CANVAS_COLUMNS if platform == "canvas" else COLUMNS
    found = {name: table.column(names) for name, names in known.items()}
    places = {name: place for name, place in found.items() if place is not None}
    id_place = _id_place(table, places, platform, id_column)
    reading = Reading(platform, table.header[id_place].strip())
    rows: dict[str, list[tuple[int, Person]]] = {}
    for number, row in enumerate(table.rows, 2):
        person = _person(table, row, places, platform, table.cell(row, id_place))
        if person is not None:
            rows.setdefault(person.student.casefold(), []).append((number, person))
    for group in rows.values():
        _take(reading, group)
    if not reading.people:
        first = f" ({reading.problems[0]})" if reading.problems else ""
        raise CourseError(f"{table.path}: no students in it{first}; export the participants again")
    return reading


def read_roster(course: Course) -> dict[str, Person]:
    """The roster that `update` kept, by student; raises CourseError where there is none."""
    path = roster_path(course)
    if not path.exists():
        raise CourseError(f"{path}: no roster; run `autograder roster FILE.csv` first")
    people = [Person(**record) for record in read_table(path).records(_FIELDS)]
    return {person.student: person for person in people}


def roster_path(course: Course) -> Path:
    """Where the roster lies; it is private."""
    return course.directory / "roster.csv"


def csv_text(columns: list[str], rows: list[dict[str, str]]) -> str:
    """A table as the text of a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@contextmanager
def looked_into(course: Course) -> Iterator["Connection | None"]:
    """The gradebook's tables to read; None where there is no gradebook yet, and none is made."""
    from sqlalchemy import create_engine, inspect
    from sqlalchemy.engine import make_url

    from autograder.marks import usable_gradebook

    with usable_gradebook(course):
        url = make_url(course.gradebook_url)
        if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
            yield None
            return
        engine = create_engine(url)
        try:
            with engine.connect() as connection:
                yield connection if inspect(connection).has_table("student") else None
        finally:
            engine.dispose()


_FIELDS = [each.name for each in fields(Person)]


def _id_place(table: Table, places: dict[str, int], platform: str, id_column: str | None) -> int:
    """The column with the student ids: as asked for, else the platform's first that is filled."""
    columns = ", ".join(repr(name.strip()) for name in table.header[:20])
    if id_column is not None:
        place = table.column([id_column])
        if place is None:
            raise UsageError(f"{table.path}: no column {id_column!r}; its columns: {columns}")
        return place
    usual = [places[name] for name in STUDENT_ID[platform] if name in places]
    filled = [place for place in usual if any(table.cell(row, place) for row in table.rows)]
    if filled or (usual and not table.rows):
        return (filled or usual)[0]
    message = "no column of student ids that is known; name one of its columns with --id"
    raise CourseError(f"{table.path}: {message}: {columns}")


def _person(
    table: Table, row: list[str], places: dict[str, int], platform: str, student: str
) -> Person | None:
    """The person of a row; None for Canvas's rows that are nobody's."""
    said = {name: table.cell(row, place) for name, place in places.items()}
    if platform == "canvas":
        if not said.get("canvas_id"):
            return None  # points possible, and how marks are posted
        if folded(said.get("full_name", "")) == "studenttest" and not said.get("sis_user_id"):
            return None  # what Canvas calls the test student
        if said.get("full_name"):
            last, _, first = said["full_name"].partition(",")
            said |= {"last_name": last.strip(), "first_name": first.strip()}
        else:
            said["full_name"] = f"{said.get('last_name')}, {said.get('first_name')}"
    elif not said.get("full_name"):
        said["full_name"] = f"{said.get('first_name', '')} {said.get('last_name', '')}".strip()
    return Person(student=student, platform=platform, **said)


def _take(reading: Reading, rows: list[tuple[int, Person]]) -> None:
    """Take the person of all rows with an id into the reading, or say why not."""
    where = [f"row {number} ({person.name})" for number, person in rows]
    person = rows[0][1]
    problem = _problem(person.student, reading.id_column)
    if problem is not None:
        reading.problems.extend(f"{place}: {problem}" for place in where)
    elif len({(each.student, folded(each.name)) for _, each in rows}) > 1:
        reading.problems.append(f"{' and '.join(where)}: one id, {person.student}; none is taken")
    else:
        reading.people[person.student] = person
        reading.doubled.extend(f"{place}: {person.student} again" for place in where[1:])


def _problem(student: str, column: str) -> str | None:
    """Why a text cannot be a student id: it becomes a folder's name."""
    if not student:
        return f"nothing in the column {column!r}"
    if NOT_IN_A_NAME & set(student) or student.startswith((".", "-")) or len(student) > LONGEST_ID:
        return f"{student[:LONGEST_ID]!r} cannot be a folder's name; take another column (--id)"
    return None


def _changes(reading: Reading, course: Course) -> Changes:
    recorded = _recorded(course)
    new = [student for student in reading.people if student not in recorded]
    changed, unchanged = {}, []
    for student in reading.people.keys() & recorded.keys():
        before = recorded[student]
        after = _in_gradebook(reading.people[student])
        lines = [
            f"{name}: {before[name] or 'nothing'} → {value}"
            for name, value in after.items()
            if before[name] != value
        ]
        if lines:
            changed[student] = ", ".join(lines)
        else:
            unchanged.append(student)
    kept = sorted(recorded.keys() - reading.people.keys())
    return Changes(reading, sorted(new), dict(sorted(changed.items())), sorted(unchanged), kept)


def _in_gradebook(person: Person) -> dict[str, str]:
    """What the gradebook is told of a person: what the file says, and nothing in place of more."""
    said = {name: getattr(person, name) for name in IN_GRADEBOOK}
    return {name: value for name, value in said.items() if value}


def _recorded(course: Course) -> dict[str, dict[str, str]]:
    """The students in the gradebook."""
    from nbgrader.api import Student
    from sqlalchemy import select

    columns = [getattr(Student, name) for name in IN_GRADEBOOK]
    with looked_into(course) as connection:
        if connection is None:
            return {}
        rows = connection.execute(select(Student.id, *columns))
        return {student: dict(zip(IN_GRADEBOOK, said, strict=True)) for student, *said in rows}


def _write(changes: Changes, course: Course) -> None:
    """Both are written whole; if this is ended between them, the next run writes the second."""
    from autograder.converting import one_gradebook, transaction
    from autograder.marks import usable_gradebook

    course.ensure()
    people = changes.reading.people
    before = read_roster(course) if roster_path(course).exists() else {}
    course_id = course.configuration().CourseDirectory.get("course_id", "")
    if changes.new or changes.changed:
        with (
            usable_gradebook(course),
            one_gradebook(course.gradebook_url, course_id) as gradebook,
            transaction(gradebook),
        ):
            for student in (*changes.new, *changes.changed):
                gradebook.update_or_create_student(student, **_in_gradebook(people[student]))
    merged = before | {name: _merged(before.get(name), people[name]) for name in people}
    rows = [asdict(merged[student]) for student in sorted(merged)]
    write_atomically(roster_path(course), csv_text(_FIELDS, rows), mode=0o600)


def _merged(before: Person | None, now: Person) -> Person:
    """What is known of a person; a file that lacks a column says nothing about it."""
    if before is None:
        return now
    return replace(before, **{name: value for name, value in asdict(now).items() if value})
