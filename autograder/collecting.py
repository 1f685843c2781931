"""Collects an assignment: from a platform's download of all submissions to nbgrader's folders.

Of a student's notebooks the latest that can be read counts. All files of every attempt are kept
below `originals`, so that nothing that is replaced is lost.
"""

import hashlib
import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from autograder import archives
from autograder.archives import File
from autograder.assignment import sheet_path
from autograder.attempts import Attempts, Candidate, digest, keep, own_name, packed_times
from autograder.course import Course, write_atomically
from autograder.errors import CourseError, UsageError
from autograder.matching import Label, Matcher, labelled, read_worksheet
from autograder.roster import csv_text, looked_into, read_roster
from autograder.submission import file_bytes
from autograder.tables import read_table

TIMESTAMP = "%Y-%m-%d %H:%M:%S UTC"


@dataclass(frozen=True)
class Collected:
    """What was collected of a student, and under which names the platform knows it.

    label: the platform's own name of the place, to which names of files are added (Canvas) or in
    which they lie (Moodle); user, attachment: the platform's numbers; time: as in timestamp.txt;
    original: the folder below `originals`.
    """

    student: str
    platform: str
    label: str
    user: str
    attachment: str
    file: str
    time: str
    late: str
    sha256: str
    original: str


@dataclass(frozen=True)
class Outcome:
    """What collecting came to for one student.

    status: `new`, `replaced`, `unchanged`, `dated` (the same notebook, now with a time), or `older`
    than what is there, which stays; others: the student's notebooks that do not count.
    """

    status: str
    collected: Collected
    late: bool
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Collection:
    """What collecting an assignment came to.

    problems: what was not collected and why, by its name in the download; missing: students of the
    roster of whom there is nothing, now or from before.
    """

    assignment: str
    platform: str
    outcomes: list[Outcome] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def collect(
    assignment: str,
    source: Path,
    course: Course,
    *,
    worksheet: Path | None = None,
    zone: tzinfo | None = None,
    dry_run: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Collection:
    """Put the notebooks of a download where `grade` and nbgrader find them.

    source: a folder or a zip. worksheet: Moodle's grading worksheet of the assignment. zone: that
    of the times in both; None stands for this machine's. progress: called with each student before
    the work is looked at. Raises CourseError where nothing can be collected.
    """
    sheet_path(assignment)
    roster = read_roster(course)
    rows = read_worksheet(worksheet, zone) if worksheet else {}
    writing = nullcontext() if dry_run else course.alone()
    with writing, archives.opened(source, zone) as download:
        platform, places = labelled(download.files)
        if not places:
            raise CourseError(f"{source}: no files in it; name the download of all submissions")
        if worksheet is not None and platform != "moodle":
            message = "Moodle's worksheet does not go with a download that is none of Moodle's"
            raise UsageError(f"{source}: {message}; leave out --worksheet")
        made = Collection(assignment, platform, problems=download.refused)
        found = _by_student(places, Matcher(roster, rows or None), made.problems)
        if not found and len(places) == 1 and platform == "folder":
            message = "all of it lies in one folder, which is no student's; name that folder itself"
            raise CourseError(f"{source}: {message} (unpack a zip first)")
        originals = None if dry_run else downloaded(course, assignment) / "originals"
        packed = packed_times(download.files)
        attempts = Attempts(assignment, rows, packed, made.problems, originals)
        desk = _Desk(course, made, attempts)
        for student in sorted(found):
            if progress is not None:
                progress(student)
            desk.take(student, found[student])
        if not dry_run:
            _record(made, course, worksheet)
    there = {folder.parent.name for folder in course.submitted.glob(f"*/{assignment}")}
    there |= {outcome.collected.student for outcome in made.outcomes}
    made.missing.extend(sorted(roster.keys() - there))
    return made


def read_collected(course: Course, assignment: str) -> dict[str, Collected]:
    """What `collect` recorded of an assignment, by student; empty where it never ran."""
    path = downloaded(course, assignment) / "collected.csv"
    if not path.exists():
        return {}
    rows = [Collected(**record) for record in read_table(path).records(_COLUMNS)]
    return {row.student: row for row in rows}


def downloaded(course: Course, assignment: str) -> Path:
    """Where the record of what was collected, the worksheet and the originals lie."""
    return course.directory / "downloaded" / assignment


def time_zone(name: str | None) -> tzinfo | None:
    """The zone of a name as Europe/Berlin; None for none. Raises UsageError for an unknown one."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        message = "no such time zone; write it as in Europe/Berlin"
        raise UsageError(f"--timezone {name}: {message}") from None


_COLUMNS = [each.name for each in fields(Collected)]


@dataclass
class _Desk:
    """Takes the work of one student after the other."""

    course: Course
    made: Collection
    attempts: Attempts

    def __post_init__(self) -> None:
        self.before = read_collected(self.course, self.made.assignment)
        self.due, self.extensions = _deadlines(self.course, self.made.assignment)

    def take(self, student: str, places: dict[Label, list[File]]) -> None:
        """Choose the notebook that counts, and put it into its place."""
        problems = len(self.made.problems)
        found = [
            candidate
            for label, files in places.items()
            for candidate in self.attempts.candidates(student, label, files)
        ]
        if not found:
            if len(self.made.problems) == problems:
                self.made.problems.update(_without_notebook(places))
            return
        best = max(found, key=lambda candidate: candidate.rank)
        others = {other.file.path for other in found if other.data != best.data}
        place = self.course.submitted / student / self.made.assignment
        place /= f"{self.made.assignment}.ipynb"
        try:
            there = file_bytes(place) if os.path.lexists(place) else None
        except CourseError as error:
            self.made.problems[best.file.path] = str(error)
            return
        status, time = self._put(student, best, place, there)
        late = best.late or self._is_late(student, _parsed(time))
        collected = _collected(student, best, time)
        self.made.outcomes.append(Outcome(status, collected, late, tuple(sorted(others))))

    def _put(
        self, student: str, best: Candidate, place: Path, there: bytes | None
    ) -> tuple[str, str]:
        """Put a notebook into its place; returns the status and the time as it then stands."""
        stamp = place.with_name("timestamp.txt")
        dated = stamp.read_text(errors="replace").strip() if stamp.is_file() else ""
        same = there == best.data
        time = best.time
        if time is None and best.late and not (same and dated):
            time = best.file.written  # it came before that: the platform had it to pack
        said = time.strftime(TIMESTAMP) if time else ""
        if same and said in ("", dated):
            return "unchanged", dated
        if there is not None and not same and self._is_older(student, best, dated):
            return "older", dated
        if self.attempts.originals is not None:
            if there is not None and not same:
                self._keep_from_elsewhere(student, place, there)
            write_atomically(place, best.data)
            if said:
                write_atomically(stamp, said)
            else:
                stamp.unlink(missing_ok=True)
        return "new" if there is None else "dated" if same else "replaced", said

    def _keep_from_elsewhere(self, student: str, place: Path, data: bytes) -> None:
        """Keep what is replaced where it does not come from an earlier run, which kept it."""
        before = self.before.get(student)
        known = before is not None and before.sha256 == hashlib.sha256(data).hexdigest()
        if known or self.attempts.originals is None:
            return
        written = datetime.fromtimestamp(place.stat().st_mtime, UTC)
        contents = [(File((place.name,), written, place.read_bytes), data)]
        keep(contents, self.attempts.originals / student / digest(contents))

    def _is_older(self, student: str, best: Candidate, dated: str) -> bool:
        """Whether a notebook was submitted before the one in its place."""
        before = self.before.get(student)
        number = best.label.attachment
        if number and before is not None and before.attachment.isdecimal():
            return number < int(before.attachment)
        there = _parsed(dated)
        return best.time is not None and there is not None and best.time < there

    def _is_late(self, student: str, time: datetime | None) -> bool:
        extension = self.extensions.get(student) or timedelta()
        return time is not None and self.due is not None and time > self.due + extension


def _by_student(
    places: dict[Label, list[File]], matcher: Matcher, problems: dict[str, str]
) -> dict[str, dict[Label, list[File]]]:
    """The places of each student; one that is nobody's becomes a problem."""
    found: dict[str, dict[Label, list[File]]] = {}
    for label, files in places.items():
        try:
            found.setdefault(matcher.student(label), {})[label] = files
        except CourseError as error:
            problems[label.text] = f"not matched: {error}"
    return found


def _without_notebook(places: dict[Label, list[File]]) -> dict[str, str]:
    """What is said of places in which there is no notebook."""
    return {
        label.text: f"no notebook in it ({', '.join(own_name(label, file) for file in files[:5])})"
        for label, files in places.items()
    }


def _collected(student: str, best: Candidate, time: str) -> Collected:
    label = best.label
    return Collected(
        student=student,
        platform=label.platform,
        label=label.text,
        user=label.user,
        attachment=str(label.attachment or ""),
        file=best.own_name,
        time=time,
        late="late" if best.late else "",
        sha256=hashlib.sha256(best.data).hexdigest(),
        original=best.original,
    )


def _record(made: Collection, course: Course, worksheet: Path | None) -> None:
    """Keep what later steps need to know, and the worksheet as it is."""
    folder = downloaded(course, made.assignment)
    rows = read_collected(course, made.assignment)
    for outcome in made.outcomes:
        if outcome.status != "older":
            rows[outcome.collected.student] = outcome.collected
    text = csv_text(_COLUMNS, [asdict(rows[student]) for student in sorted(rows)])
    write_atomically(folder / "collected.csv", text, mode=0o600)
    if worksheet is not None:
        write_atomically(folder / "worksheet.csv", file_bytes(worksheet), mode=0o600)


def _deadlines(
    course: Course, assignment: str
) -> tuple[datetime | None, dict[str, timedelta | None]]:
    """The due date in the gradebook, and the extensions of students."""
    from nbgrader.api import Assignment, SubmittedAssignment
    from sqlalchemy import select

    with looked_into(course) as connection:
        if connection is None:
            return None, {}
        due = connection.scalar(select(Assignment.duedate).where(Assignment.name == assignment))
        extensions = connection.execute(
            select(SubmittedAssignment.student_id, SubmittedAssignment.extension)
            .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
            .where(Assignment.name == assignment)
        )
        return due and due.replace(tzinfo=UTC), {row[0]: row[1] for row in extensions}


def _parsed(stamp: str) -> datetime | None:
    """The time in a timestamp.txt, which nbgrader may have written; None for no time."""
    from nbgrader.utils import parse_utc

    try:
        return parse_utc(stamp).replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
