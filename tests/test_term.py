"""A term by the real command lines, once on Moodle and once on Canvas, with nbgrader throughout.

Roster, release, a download of twenty submissions, collect, grade, a mark by hand, a corrected
check, the regrade with what it changes, export, return.
"""

import csv
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder.assignment import Assignment
from autograder.marks import Mark, marks
from benchmarks.project import Project, answered, lay_out
from tests.conftest import ASSIGNMENT, FEW, right_answer
from tests.test_regrade import WRITTEN, correct, give_by_hand, is_written, too_strict

NOTEBOOK = f"{ASSIGNMENT}.ipynb"
STUDENTS = [f"s{number:02}" for number in range(1, 21)]
LATE, DOUBLED, CORRUPT, ABSENT = "s17", "s18", "s19", "s20"
COLLECTED = [student for student in STUDENTS if student not in (CORRUPT, ABSENT)]
ANSWERED = ("s01", "s02", LATE, DOUBLED)
MAXIMUM = f"{sum(task.points for task in Assignment.load(ASSIGNMENT).tasks):g}"
ALL_RIGHT = 4.0  # the points of the tasks that are answered
BY_HAND = 1.5


def name_of(student: str) -> tuple[str, str]:
    """First and last name, with what names have in them."""
    return f"Zoë-{student.upper()}", f"O'Müller {student}"


def number_of(student: str) -> int:
    """The platform's own number of a student."""
    return 500 + int(student[1:])


def at(day: int) -> datetime:
    return datetime(2026, 11, day, 12)


@dataclass(frozen=True)
class Moodle:
    """What Moodle gives and takes."""

    name = "moodle"

    def roster(self) -> str:
        rows = [",".join([*name_of(s), s, f"{s}@example.org"]) for s in STUDENTS]
        return "\n".join(["First name,Last name,ID number,Email address", *rows])

    def marks_file(self) -> tuple[str, str]:
        """The grading worksheet, and the option that takes it."""
        rows = [
            f"Participant {number_of(s)},{' '.join(name_of(s))},{s},{s}@example.org,"
            f'Submitted,,{MAXIMUM},"{self._time(s)}",-,'
            for s in STUDENTS
        ]
        head = "Identifier,Full name,ID number,Email address,Status,Grade,Maximum Grade,"
        head += "Last modified (submission),Last modified (grade),Feedback comments"
        return "\n".join([head, *rows]), "--worksheet"

    def _time(self, student: str) -> str:
        day = "Sunday, 22" if student == LATE else "Friday, 20"
        return f"{day} November 2026, 9:00 AM"

    def place(self, student: str) -> str:
        full = " ".join(name_of(student)) if student in STUDENTS else "Nobody Known"
        return f"{full}_{number_of(student)}_assignsubmission_file_/"

    def doubled(self) -> tuple[str, str]:
        """The places of a student's first and second notebook."""
        return f"{self.place(DOUBLED)}first try.ipynb", f"{self.place(DOUBLED)}{NOTEBOOK}"

    def grades(self, path: Path) -> dict[str, str]:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return {row["ID number"]: row["Grade"] for row in csv.DictReader(file)}


@dataclass(frozen=True)
class Canvas:
    """What Canvas gives and takes."""

    name = "canvas"

    def roster(self) -> str:
        rows = [f"{self._person(s)}," for s in STUDENTS]
        head = "Student,ID,SIS User ID,SIS Login ID,Section,Perceptron (77)"
        return "\n".join([head, f"    Points Possible,,,,,{MAXIMUM}", *rows])

    def _person(self, student: str) -> str:
        first, last = name_of(student)
        return f'"{last}, {first}",{number_of(student)},U{student},{student},A'

    def marks_file(self) -> tuple[str, str]:
        """The exported gradebook, and the option that takes it."""
        return self.roster(), "--gradebook-csv"

    def place(self, student: str, attempt: int = 1) -> str:
        late = "LATE_" if student == LATE else ""
        number = number_of(student)
        return f"omuller{student}_{late}{number}_{9000 + number + 500 * (attempt - 1)}_"

    def doubled(self) -> tuple[str, str]:
        """The places of a student's first and second notebook."""
        first, second = (self.place(DOUBLED, attempt) for attempt in (1, 2))
        return f"{first}{NOTEBOOK}", f"{second}{ASSIGNMENT}-1.ipynb"

    def grades(self, path: Path) -> dict[str, str]:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.DictReader(file) if row["ID"]]
        return {row["SIS Login ID"]: row["Perceptron (77)"] for row in rows}


Platform = Moodle | Canvas


def notebook(project: Project, student: str) -> bytes:
    """What a student hands in: some tasks answered, or a written answer alone."""
    answers = {task: right_answer(task) for task in FEW} if student in ANSWERED else {}
    made = answered(project.released, answers)
    [written] = [cell for cell in made.cells if is_written(cell)]
    written.source = f"Because it bends, says {student}."
    return nbformat.writes(made).encode()


def download(project: Project, platform: Platform, path: Path) -> Path:
    """The platform's zip of all submissions: one late, unmatched, doubled, corrupt; one missing."""
    ordinary = [student for student in COLLECTED if student != DOUBLED]
    files = {f"{platform.place(s)}{NOTEBOOK}": notebook(project, s) for s in ordinary}
    first, second = platform.doubled()
    files |= {first: notebook(project, "s03"), second: notebook(project, DOUBLED)}
    files |= {f"{platform.place(CORRUPT)}{NOTEBOOK}": b'{"cells": ['}
    files |= {f"{platform.place('s99')}{NOTEBOOK}": notebook(project, "s03")}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for day, (name, content) in enumerate(files.items()):
            time = at(22) if name.startswith(platform.place(LATE)) else at(1 + day % 20)
            archive.writestr(zipfile.ZipInfo(name, time.timetuple()[:6]), content)
    return path


def told(project: Project, *words: object, status: int = 0) -> Any:
    """The last JSON line of what a command says; its exit status is as it must be."""
    done = project.run(*words, "--json", check=False)
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


@dataclass
class Term:
    """What each step of a term said and left, on one platform."""

    platform: Platform
    project: Project
    roster: Any
    collected: Any
    before: dict[str, Mark]
    dry_run: str
    unwritten: dict[str, Mark]
    regraded: str
    after: dict[str, Mark]
    exported: Any
    returned: Any


@pytest.fixture(scope="module", params=[Moodle(), Canvas()], ids=lambda platform: platform.name)
def term(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Term]:
    platform = request.param
    folder = tmp_path_factory.mktemp(platform.name)
    project = lay_out(folder / "project", ASSIGNMENT)
    (folder / "roster.csv").write_text(platform.roster())
    roster = told(project, "roster", folder / "roster.csv")
    settings = project.course.config.read_text()
    late = 'c.LateSubmissionPlugin.penalty_method = "zero"\n'
    project.course.config.write_text(settings + late)
    project.nbgrader("db", "assignment", "add", ASSIGNMENT, "--duedate=2026-11-21 12:00 UTC")
    too_strict(project)

    marks_text, option = platform.marks_file()
    (folder / "marks.csv").write_text(marks_text)
    given = [option, folder / "marks.csv"]
    archive = download(project, platform, folder / "submissions.zip")
    with_worksheet = given if platform.name == "moodle" else []
    collected = told(project, "collect", ASSIGNMENT, archive, *with_worksheet, status=1)
    project.run("grade", ASSIGNMENT)
    with Gradebook(project.course.gradebook_url) as gradebook:
        give_by_hand(gradebook, "s01", WRITTEN, BY_HAND)
        gradebook.db.commit()
    before = by_student(project)

    correct(project)
    dry_run = project.run("grade", ASSIGNMENT, "--dry-run").stdout
    unwritten = by_student(project)
    regraded = project.run("grade", ASSIGNMENT).stdout
    after = by_student(project)
    exported = told(project, "export", ASSIGNMENT, "--format", platform.name, *given)
    returned = told(project, "return", ASSIGNMENT, "--platform", platform.name)
    yield Term(
        platform=platform,
        project=project,
        roster=roster,
        collected=collected,
        before=before,
        dry_run=dry_run,
        unwritten=unwritten,
        regraded=regraded,
        after=after,
        exported=exported,
        returned=returned,
    )


def by_student(project: Project) -> dict[str, Mark]:
    return {mark.student: mark for mark in marks(project.course, ASSIGNMENT)}


def test_the_roster_is_taken_whole(term: Term) -> None:
    assert sorted(term.roster["new"]) == STUDENTS
    assert term.roster["reading"]["problems"] == []


def test_what_was_collected_and_what_was_not(term: Term) -> None:
    outcomes = {each["collected"]["student"]: each for each in term.collected["outcomes"]}
    assert sorted(outcomes) == COLLECTED
    assert [student for student, each in outcomes.items() if each["late"]] == [LATE]
    first, _ = term.platform.doubled()
    assert outcomes[DOUBLED]["others"] == [first]
    unmatched, corrupt = (term.platform.place(student) for student in ("s99", CORRUPT))
    assert len(term.collected["problems"]) == 2
    assert any(name.startswith(unmatched.rstrip("_/")) for name in term.collected["problems"])
    assert any(name.startswith(corrupt) for name in term.collected["problems"])
    assert term.collected["missing"] == [CORRUPT, ABSENT]


def test_the_latest_attempt_counts_and_both_are_kept(term: Term) -> None:
    course = term.project.course
    collected = course.submitted / DOUBLED / ASSIGNMENT / NOTEBOOK
    assert collected.read_bytes() == notebook(term.project, DOUBLED)
    originals = course.directory / "downloaded" / ASSIGNMENT / "originals" / DOUBLED
    kept = {path.read_bytes() for path in originals.rglob("*.ipynb")}
    assert kept == {notebook(term.project, DOUBLED), notebook(term.project, "s03")}


def test_marks_before_the_correction(term: Term) -> None:
    assert sorted(term.before) == COLLECTED
    assert BY_HAND < term.before["s01"].score < ALL_RIGHT + BY_HAND
    assert term.before["s01"].waiting < term.before["s02"].waiting
    assert term.before["s02"].score == term.before["s01"].score - BY_HAND
    assert (term.before[LATE].score, term.before["s03"].score) == (0, 0)
    assert term.before[LATE].late_penalty > 0


def test_a_dry_run_shows_the_difference_and_writes_nothing(term: Term) -> None:
    assert term.unwritten == term.before
    for line in (line for line in term.dry_run.splitlines() if "sgd" in line):
        assert line in term.regraded
    assert [student for student in STUDENTS if student in term.dry_run] == list(ANSWERED)
    assert "nothing is written" in term.dry_run


def test_the_regrade_mends_marks_and_keeps_the_one_by_hand(term: Term) -> None:
    assert term.after["s01"].score == ALL_RIGHT + BY_HAND
    assert term.after["s02"].score == term.after[DOUBLED].score == ALL_RIGHT
    assert term.after[LATE].score == 0
    unanswered = [student for student in COLLECTED if student not in ANSWERED]
    assert all(term.after[student] == term.before[student] for student in unanswered)


def test_the_platform_gets_these_marks(term: Term) -> None:
    grades = term.platform.grades(Path(term.exported["file"]))
    given = {student: float(grade) for student, grade in grades.items() if grade}
    assert given == {student: mark.score for student, mark in term.after.items()}


def test_the_pages_go_back_where_the_work_came_from(term: Term) -> None:
    assert sorted(term.returned["packed"]) == COLLECTED and not term.returned["problems"]
    with zipfile.ZipFile(term.returned["file"]) as archive:
        names, pages = archive.namelist(), {n: archive.read(n).decode() for n in archive.namelist()}
    assert len(names) == len(COLLECTED)
    for student in COLLECTED:
        place = term.platform.place(student)
        if (term.platform.name, student) == ("canvas", DOUBLED):
            place = Canvas().place(DOUBLED, attempt=2)
        [name] = [name for name in names if name.startswith(place)]
        assert f"says {student}." in pages[name]
