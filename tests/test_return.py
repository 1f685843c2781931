"""Returning: each page reaches the student whose it is, as Moodle and Canvas read names."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from autograder.collecting import collect, downloaded
from autograder.course import Course
from autograder.errors import CourseError
from autograder.gradebook import grade_class
from autograder.returning import pack
from autograder.roster import update
from tests.conftest import ASSIGNMENT, Answer, ClassOfStudents

NAMES = {
    "few": "Fay Élan-Wu",
    "full": "Fu 'Lee",
    "mangled": "Man Gled",
    "noisy": "Nö Isy",
    "summed": "Sumi Med",
    "untouched": "Uno Touché",
}
NUMBERS = {student: number for number, student in enumerate(NAMES, 901)}


@pytest.fixture(scope="module")
def from_moodle(
    graded_class: ClassOfStudents, tmp_path_factory: pytest.TempPathFactory
) -> ClassOfStudents:
    """The graded class, collected from a download of Moodle, old and new in the names of places."""
    ends = ("_", "")
    places = {
        student: f"{NAMES[student]}_{number}_assignsubmission_file{ends[number % 2]}/"
        for student, number in NUMBERS.items()
    }
    rows = [f"{name.replace(' ', ',')},{student}" for student, name in NAMES.items()]
    roster = "\n".join(["First name,Last name,ID number", *rows])
    return collected(graded_class, tmp_path_factory.mktemp("moodle"), roster, places)


@pytest.fixture(scope="module")
def from_canvas(
    graded_class: ClassOfStudents, tmp_path_factory: pytest.TempPathFactory
) -> ClassOfStudents:
    """The graded class, collected from a download of Canvas, where one was late."""
    places = {
        student: f"{student}{'_LATE' if student == 'full' else ''}_{number}_{number + 5000}_"
        for student, number in NUMBERS.items()
    }
    rows = [
        f'"{name.replace(" ", ", ")}",{NUMBERS[student]},{student}'
        for student, name in NAMES.items()
    ]
    roster = "\n".join(["Student,ID,SIS Login ID", *rows])
    return collected(graded_class, tmp_path_factory.mktemp("canvas"), roster, places)


def collected(
    graded: ClassOfStudents, folder: Path, roster: str, places: dict[str, str]
) -> ClassOfStudents:
    """The class, whose notebooks were collected from such places of a download, and graded."""
    course = graded.copy(folder / "course", without=("cut",))
    (folder / "roster.csv").write_text(roster)
    update(folder / "roster.csv", course)
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        for student, place in places.items():
            path = course.submitted / student / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
            archive.writestr(f"{place}{ASSIGNMENT}.ipynb", path.read_bytes())
    assert len(collect(ASSIGNMENT, folder / "all.zip", course).outcomes) == len(places)
    assert grade_class(ASSIGNMENT, course).failures == {}
    return ClassOfStudents(course, graded.submitted)


@pytest.fixture
def course(from_moodle: ClassOfStudents, tmp_path: Path) -> Course:
    """The course that collects from Moodle, to be changed."""
    return from_moodle.copy(tmp_path / "course")


def page(course: Course, student: str) -> Path:
    return course.feedback / student / ASSIGNMENT / f"{ASSIGNMENT}.html"


def moodle_takes(archive: Path) -> dict[int, tuple[str, str]]:
    """The file's name and content by participant, as Moodle reads the names of an archive."""
    taken: dict[int, tuple[str, str]] = {}
    with zipfile.ZipFile(archive) as file:
        assert file.testzip() is None
        for name in file.namelist():
            parts = name.split("/")
            assert not parts[-1].startswith((".", "~"))
            while parts:
                info = parts.pop(0).split("_", 4)
                if len(info) < 4 or not info[1].isdecimal():
                    continue
                assert info[2:4] == ["assignsubmission", "file"] and int(info[1]) not in taken
                rest = [info[4]] if info[4:] and info[4] else []
                taken[int(info[1])] = ("/".join([*rest, *parts]), file.read(name).decode())
                break
    return taken


def canvas_takes(archive: Path) -> dict[tuple[int, ...], str]:
    """The content by user and attachment, as Canvas reads the names of an archive."""
    with zipfile.ZipFile(archive) as file:
        assert not [name for name in file.namelist() if "/" in name or name.startswith("._")]
        numbers = {
            name: tuple(int(part) for part in name.split("_") if part.isdecimal())[:2]
            for name in file.namelist()
        }
        return {numbers[name]: file.read(name).decode() for name in numbers}


def test_moodle_finds_whose_page_it_is(from_moodle: ClassOfStudents, tmp_path: Path) -> None:
    course = from_moodle.course
    made = pack(ASSIGNMENT, course, "moodle", tmp_path / "out" / "feedback.zip")
    assert moodle_takes(made.file) == {
        number: (f"{ASSIGNMENT}_feedback.html", page(course, student).read_text())
        for student, number in NUMBERS.items()
    }
    for student, number in NUMBERS.items():
        assert f"Feedback for {student}<" in moodle_takes(made.file)[number][1]
    assert made.packed == sorted(NAMES)
    assert made.waiting == ["mangled"]
    assert made.problems == {}


def test_canvas_finds_whose_page_it_is(from_canvas: ClassOfStudents) -> None:
    course = from_canvas.course
    made = pack(ASSIGNMENT, course, "canvas")
    assert canvas_takes(made.file) == {
        (number, number + 5000): page(course, student).read_text()
        for student, number in NUMBERS.items()
    }
    assert made.file == course.reports / ASSIGNMENT / "feedback-canvas.zip"
    assert made.file.stat().st_mode & 0o777 == 0o600
    before = made.file.read_bytes()
    assert pack(ASSIGNMENT, course, "canvas").file.read_bytes() == before


def test_no_page_tells_another_mark_than_the_gradebook(course: Course) -> None:
    with Gradebook(course.gradebook_url) as gradebook:
        names = ("why_activation", ASSIGNMENT, ASSIGNMENT, "full")
        gradebook.find_grade(*names).manual_score = 1.5
        gradebook.find_comment(*names).manual_comment = "Half of it."
        gradebook.db.commit()
    made = pack(ASSIGNMENT, course, "moodle")
    assert list(made.problems) == ["full"]
    assert "does not tell the marks in the gradebook; run `autograder" in made.problems["full"]
    assert NUMBERS["full"] not in moodle_takes(made.file)

    grade_class(ASSIGNMENT, course)
    made = pack(ASSIGNMENT, course, "moodle")
    assert made.problems == {}
    assert "Half of it." in moodle_takes(made.file)[NUMBERS["full"]][1]


def test_what_is_not_graded_or_not_collected_stays(course: Course) -> None:
    (course.submitted / "few" / ASSIGNMENT / "timestamp.txt").write_text("2026-11-20 10:00:00 UTC")
    (course.autograded / "full" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").unlink()
    page(course, "mangled").unlink()
    page(course, "noisy").write_bytes(b"\xff")
    page(course, "guest").parent.mkdir(parents=True)
    page(course, "guest").write_text("a page")
    made = pack(ASSIGNMENT, course, "moodle")
    assert made.packed == ["summed", "untouched"]
    assert {student: problem[:15] for student, problem in made.problems.items()} == {
        "few": "submitted again",
        "full": "not graded; run",
        "mangled": "the feedback pa",
        "noisy": "the feedback pa",
        "guest": "not collected f",
    }
    assert set(moodle_takes(made.file)) == {NUMBERS["summed"], NUMBERS["untouched"]}


def test_a_name_that_may_mislead_goes_to_no_one(course: Course) -> None:
    record = downloaded(course, ASSIGNMENT) / "collected.csv"
    text = record.read_text()
    for old, new in {
        f"Fu 'Lee_{NUMBERS['full']}": f"../Fu_{NUMBERS['full']}",
        f"Man Gled_{NUMBERS['mangled']}": f".Man_{NUMBERS['mangled']}",
        f",{NUMBERS['summed']},": f",{NUMBERS['noisy']},",
    }.items():
        assert old in text
        text = text.replace(old, new)
    record.write_text(text)
    made = pack(ASSIGNMENT, course, "moodle")
    assert made.packed == ["few", "untouched"]
    assert list(made.problems) == ["full", "mangled", "noisy", "summed"]
    assert f"number {NUMBERS['noisy']} is of several students" in made.problems["summed"]
    assert "no name of a place" in made.problems["full"]


def test_an_archive_without_pages_is_not_written(course: Course) -> None:
    with pytest.raises(CourseError, match="nothing of perceptron was collected from Canvas; run"):
        pack(ASSIGNMENT, course, "canvas")
    for student in NAMES:
        page(course, student).unlink()
    with pytest.raises(CourseError, match=r"no page to return \(few: .*run `autograder grade"):
        pack(ASSIGNMENT, course, "moodle")
    assert list(course.reports.glob("**/*.zip")) == []


def test_the_command_says_what_it_packed(course: Course, run: Callable[..., Answer]) -> None:
    page(course, "few").unlink()
    words = ("return", ASSIGNMENT, "--platform", "moodle", "--course", course.directory)
    answer = run(*words)
    assert answer.status == 1
    file = course.reports / ASSIGNMENT / "feedback-moodle.zip"
    assert f"{ASSIGNMENT}: 5 feedback pages: {file}\n" in answer.out
    assert "not in the file: few: the feedback page does not tell" in answer.out
    data = json.loads(run(*words, "--json").out)
    assert (data["file"], list(data["problems"])) == (str(file), ["few"])
    assert run("return", ASSIGNMENT).status == 2
