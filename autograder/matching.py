"""Whose is it? From the names in a platform's download to the students of the roster.

A name that several students could have is never guessed.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from autograder.archives import File
from autograder.errors import CourseError
from autograder.roster import COLUMNS, Person
from autograder.tables import folded, read_table

# "Full Name_123_assignsubmission_file_" names a folder, where newer versions leave out the last
# sign; in a download without folders, the file's own name follows.
MOODLE = re.compile(
    r"(?P<name>[^_]+)_(?P<user>\d+)_assignsubmission_(?P<kind>[a-z]+)(?:_(?P<file>.*))?"
)
# "lastfirst_LATE_12_345_file.ipynb": of the numbers, the first two are the user's and the file's.
CANVAS = re.compile(r"(?P<name>.*?)_(?P<late>LATE_)?(?P<user>\d+)_(?P<attachment>\d+)_(?P<file>.+)")

PARTICIPANT = re.compile(r"\d+$")  # of "Participant 123"
IDENTIFIER = ("Identifier", "Identifiant", "ID")
STATUS = ("Status", "Statut")
SUBMITTED = (
    "Last modified (submission)",
    "Zuletzt geändert (Abgabe)",
    "Dernière modification (travail remis)",
)
LATE = re.compile(r"\blate\b|zu spät|verspätet|en retard", re.IGNORECASE)
MONTHS = (
    "january february march april may june july august september october november december",
    "januar februar marz april mai juni juli august september oktober november dezember",
    "janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre",
)
MONTH = {word: number for line in MONTHS for number, word in enumerate(line.split(), 1)}
CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::\d\d)?\s*([AP]M)?", re.IGNORECASE)


@dataclass(frozen=True)
class Label:
    """How a platform names the place of a student's work; `text` is the name itself."""

    platform: str
    text: str
    name: str
    user: str = ""
    attachment: int = 0
    late: bool = False


@dataclass(frozen=True)
class Participant:
    """A row of Moodle's grading worksheet."""

    name: str
    id_number: str
    email: str
    time: datetime | None
    late: bool


def labelled(files: Iterable[File]) -> tuple[str, dict[Label, list[File]]]:
    """The platform that a download is from, and its files by the label that they have there.

    Only the outermost names are looked at: those below are the student's.
    """
    files = list(files)
    if any(MOODLE.fullmatch(file.parts[0]) for file in files):
        platform = "moodle"
    elif any(len(file.parts) == 1 and CANVAS.fullmatch(file.name) for file in files):
        platform = "canvas"
    else:
        platform = "folder"
    found: dict[Label, list[File]] = defaultdict(list)
    for file in files:
        found[_label(platform, file.parts[0], len(file.parts) == 1)].append(file)
    return platform, dict(found)


class Matcher:
    """Finds the student of a label."""

    def __init__(
        self, roster: dict[str, Person], worksheet: dict[str, Participant] | None = None
    ) -> None:
        self._worksheet = worksheet
        self._fields = {
            name: _index((getattr(person, name).casefold(), person) for person in roster.values())
            for name in ("canvas_id", "id_number", "email", "student")
        }
        names = [(name, person) for person in roster.values() for name in _names(person)]
        self._exact = _index((exact(name), person) for name, person in names)
        self._loose = _index((folded(name), person) for name, person in names)

    def student(self, label: Label) -> str:
        """The student; raises CourseError that says why there is none."""
        if label.platform == "moodle" and self._worksheet is not None:
            return self._in_worksheet(label, self._worksheet)
        if label.platform == "canvas" and self._fields["canvas_id"]:
            return self._one(self._fields["canvas_id"].get(label.user), "no such Canvas user")
        if label.platform == "folder" and label.text.casefold() in self._fields["student"]:
            return self._one(self._fields["student"][label.text.casefold()], "")
        return self._named(label.name)

    def _in_worksheet(self, label: Label, worksheet: dict[str, Participant]) -> str:
        row = worksheet.get(label.user)
        if row is None:
            raise CourseError(f"no participant {label.user} in the worksheet")
        for name, value in (("id_number", row.id_number), ("email", row.email)):
            found = self._fields[name].get(value.casefold()) if value else None
            if found:
                return self._one(found, "")
        if row.id_number and self._fields["id_number"]:
            raise CourseError(f"nobody in the roster has the ID number {row.id_number}")
        return self._named(row.name or label.name)

    def _named(self, name: str) -> str:
        found = self._exact.get(exact(name)) or self._loose.get(folded(name))
        return self._one(found, "nobody in the roster has this name")

    @staticmethod
    def _one(found: list[str] | None, otherwise: str) -> str:
        if not found:
            raise CourseError(otherwise)
        if len(found) > 1:
            raise CourseError(f"may be {' or '.join(found)}; add --worksheet FILE, or rename it")
        return found[0]


def exact(name: str) -> str:
    """A name without case, blanks and punctuation, which platforms drop from names of files."""
    letters = unicodedata.normalize("NFKC", name).casefold()
    return "".join(sign for sign in letters if unicodedata.category(sign)[0] in "LMN")


def read_worksheet(path: Path, zone: tzinfo | None = None) -> dict[str, Participant]:
    """The rows of Moodle's grading worksheet by the number of the participant.

    zone: that of its times; None stands for this machine's. Raises CourseError for another table.
    """
    table = read_table(path)
    identifier = table.column(IDENTIFIER)
    columns = (*(COLUMNS[each] for each in ("full_name", "id_number", "email")), STATUS, SUBMITTED)
    name, id_number, email, status, submitted = (table.column(names) for names in columns)
    found = {}
    for row in table.rows:
        number = PARTICIPANT.search(table.cell(row, identifier))
        if number is not None:
            found[number[0]] = Participant(
                name=table.cell(row, name),
                id_number=table.cell(row, id_number),
                email=table.cell(row, email),
                time=moodle_time(table.cell(row, submitted), zone),
                late=LATE.search(table.cell(row, status)) is not None,
            )
    if not found:
        message = "no grading worksheet (its column Identifier holds 'Participant 123')"
        raise CourseError(f"{path}: {message}; download it from the assignment's page in Moodle")
    return found


def moodle_time(text: str, zone: tzinfo | None = None) -> datetime | None:
    """The time that a worksheet spells out in English, German or French; None for no such time."""
    clock = CLOCK.search(text)
    date = CLOCK.sub(" ", text)
    numbers = re.findall(r"\d+", date)
    months = [MONTH[word] for word in map(folded, date.split()) if word in MONTH]
    days = [int(number) for number in numbers if len(number) <= 2]
    years = [int(number) for number in numbers if len(number) == 4]
    if clock is None or not (len(months) == len(days) == len(years) == 1):
        return None
    hour, half = int(clock[1]), (clock[3] or "").upper()
    if half:
        hour = hour % 12 + (12 if half == "PM" else 0)
    try:
        local = datetime(years[0], months[0], days[0], hour, int(clock[2]))
    except ValueError:
        return None
    return (local.replace(tzinfo=zone) if zone else local).astimezone(UTC)


def _label(platform: str, top: str, is_file: bool) -> Label:
    match = MOODLE.fullmatch(top) if platform == "moodle" else None
    if platform == "canvas" and is_file:
        match = CANVAS.fullmatch(top)
    if match is None:
        return Label("folder", top, top)
    text = top.removesuffix(match["file"] or "") if is_file else top
    if platform == "moodle":
        return Label(platform, text, match["name"], match["user"])
    late = match["late"] is not None
    return Label(platform, text, match["name"], match["user"], int(match["attachment"]), late)


def _index(pairs: Iterable[tuple[str, Person]]) -> dict[str, list[str]]:
    """The students by key."""
    found: dict[str, list[str]] = {}
    for key, person in pairs:
        students = found.setdefault(key, [])
        if person.student not in students:
            students.append(person.student)
    found.pop("", None)
    return found


def _names(person: Person) -> list[str]:
    """The orders in which a name is written."""
    first, last = person.first_name, person.last_name
    return [person.full_name, f"{first} {last}", f"{last} {first}"]
