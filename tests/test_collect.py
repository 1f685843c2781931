"""Collecting: the right notebook reaches the right student, and nothing else reaches anything."""

import json
import os
import stat
import struct
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory

from autograder import archives
from autograder.archives import File, Limits
from autograder.collecting import Collection, collect, downloaded, read_collected
from autograder.course import Course
from autograder.errors import CourseError
from autograder.matching import CANVAS, MOODLE, moodle_time, read_worksheet
from autograder.roster import update
from tests.conftest import ASSIGNMENT, Answer, files_in

NOTEBOOK = f"{ASSIGNMENT}.ipynb"
PLACE = "_assignsubmission_file"
ROSTER = """\
First name,Last name,ID number,Email address
Zoë,Müller,ada1,zoe@example.org
Seán,O'Brien,ben2,sean@example.org
Li,Wang,cat3,li@example.org
Anna,Ek,dan4,anna.ek@example.org
Anna,Ek,eve5,anna.ek.2@example.org
"""
CANVAS_ROSTER = """\
Student,ID,SIS User ID,SIS Login ID,Section
"Müller, Zoë",501,S1,ada1,A
"O'Brien, Seán",502,S2,ben2,A
"Wang, Li",503,S3,cat3,A
"""
WORKSHEET = """\
Identifier,Full name,ID number,Email address,Status,Last modified (submission)
Participant 11,Zoë Müller,ada1,,Submitted,"Friday, 20 November 2026, 2:14 PM"
Participant 12,Seán O'Brien,ben2,,Submitted - 3 mins late,"Saturday, 21 November 2026, 12:03 AM"
Participant 14,Anna Ek,dan4,anna.ek@example.org,Submitted,"Friday, 20 November 2026, 9:00 AM"
Participant 15,Anna Ek,,anna.ek.2@example.org,Submitted,"Friday, 20 November 2026, 9:30 AM"
"""

Content = Mapping[str, bytes | tuple[bytes, datetime]]


def notebook(source: str, assignment: str | None = ASSIGNMENT) -> bytes:
    """A notebook with one cell."""
    made = new_notebook(cells=[new_code_cell(source, id="only")])
    if assignment is not None:
        made.metadata["course"] = {"assignment": assignment}
    return nbformat.writes(made).encode()


def at(day: int, hour: int = 12) -> datetime:
    """A local time, as zips have them."""
    return datetime(2026, 11, day, hour)


def zipped(path: Path, content: Content) -> Path:
    """A zip with these files, packed at once unless a time is given."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in content.items():
            data, time = value if isinstance(value, tuple) else (value, at(25))
            info = zipfile.ZipInfo(name, time.timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return path


def inner(content: Content, folder: Path) -> bytes:
    """The bytes of a student's zip."""
    return zipped(folder / "inner.zip", content).read_bytes()


def text(course: Course, student: str) -> str:
    """The code that was collected of a student."""
    path = course.submitted / student / ASSIGNMENT / NOTEBOOK
    return str(nbformat.read(path, as_version=4).cells[0].source)


def stamp(course: Course, student: str) -> str | None:
    path = course.submitted / student / ASSIGNMENT / "timestamp.txt"
    return path.read_text() if path.exists() else None


def statuses(made: Collection) -> dict[str, str]:
    return {outcome.collected.student: outcome.status for outcome in made.outcomes}


@pytest.fixture(scope="session")
def gradebook(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A gradebook with the assignment and its due date, made once."""
    course = Course(tmp_path_factory.mktemp("collect") / "course")
    file = course.directory.with_name("class.csv")
    file.write_text(ROSTER)
    update(file, course)
    with Gradebook(course.gradebook_url) as opened:
        opened.update_or_create_assignment(ASSIGNMENT, duedate="2026-11-21 00:00:00 UTC")
        opened.add_submission(ASSIGNMENT, "cat3", extension=timedelta(days=3))
    return (course.directory / "gradebook.db").read_bytes()


@pytest.fixture
def course(tmp_path: Path, gradebook: bytes) -> Course:
    """A course folder whose roster is Moodle's."""
    return with_roster(tmp_path, gradebook, ROSTER)


@pytest.fixture
def canvas(tmp_path: Path, gradebook: bytes) -> Course:
    """A course folder whose roster is Canvas's."""
    return with_roster(tmp_path, gradebook, CANVAS_ROSTER)


def with_roster(tmp_path: Path, gradebook: bytes, roster: str) -> Course:
    made = Course(tmp_path / "course")
    made.ensure()
    (made.directory / "gradebook.db").write_bytes(gradebook)
    file = tmp_path / "class.csv"
    file.write_text(roster)
    update(file, made)
    return made


def gather(course: Course, source: Path, **options: object) -> Collection:
    return collect(ASSIGNMENT, source, course, zone=UTC, **options)  # type: ignore[arg-type]


# ---- Moodle -------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["_/", "/", "_"])
def test_moodles_folders_and_files(course: Course, tmp_path: Path, end: str) -> None:
    names = {"ada1": "Zoë Müller_11", "ben2": "Seán OBrien_12", "cat3": "LI WANG_13"}
    files = {f"{name}{PLACE}{end}hw.ipynb": notebook(key) for key, name in names.items()}
    made = gather(course, zipped(tmp_path / "all.zip", files))
    assert made.problems == {}
    assert (made.platform, made.missing) == ("moodle", ["dan4", "eve5"])
    assert {student: text(course, student) for student in names} == {key: key for key in names}
    found = read_collected(course, ASSIGNMENT)["ben2"]
    assert found.label == f"Seán OBrien_12{PLACE}{end.removesuffix('/')}"
    assert (found.user, found.file, found.platform) == ("12", "hw.ipynb", "moodle")


def test_a_name_of_two_students_is_never_guessed(course: Course, tmp_path: Path) -> None:
    files = {f"Anna Ek_14{PLACE}_/hw.ipynb": notebook("1"), f"Ek Anna_15{PLACE}_/hw.ipynb": b""}
    made = gather(course, zipped(tmp_path / "all.zip", files))
    assert made.outcomes == []
    for problem in made.problems.values():
        assert "may be dan4 or eve5; add --worksheet FILE" in problem


def test_the_worksheet_knows_who_and_when(
    course: Course, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    worksheet = tmp_path / "grades.csv"
    worksheet.write_text(WORKSHEET, encoding="utf-8-sig")
    people = {"11": "Zoë Müller", "12": "Seán OBrien", "14": "Anna Ek", "15": "Anna Ek"}
    files = {
        f"{name}_{number}{PLACE}/hw.ipynb": notebook(number) for number, name in people.items()
    }
    files[f"Li Wang_13{PLACE}/hw.ipynb"] = notebook("13")
    source = zipped(tmp_path / "all.zip", files)
    words = ("collect", ASSIGNMENT, source, "--course", course.directory, "--worksheet", worksheet)
    answer = run(*words, "--timezone", "Europe/Berlin", "--json")
    assert answer.status == 1
    said = json.loads(answer.out)
    assert list(said["problems"].values()) == ["not matched: no participant 13 in the worksheet"]
    assert {each["collected"]["student"]: each["late"] for each in said["outcomes"]} == {
        "ada1": False,
        "ben2": True,  # as the worksheet says, though the gradebook's due date is later
        "dan4": False,
        "eve5": False,
    }
    assert text(course, "eve5") == "15"
    assert stamp(course, "ada1") == "2026-11-20 13:14:00 UTC"
    assert stamp(course, "ben2") == "2026-11-20 23:03:00 UTC"
    coursedir = CourseDirectory(root=str(course.directory))
    folder = str(course.submitted / "ada1" / ASSIGNMENT)
    assert coursedir.get_existing_timestamp(folder) == datetime(2026, 11, 20, 13, 14)
    kept = downloaded(course, ASSIGNMENT) / "worksheet.csv"
    assert kept.read_bytes() == worksheet.read_bytes()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_times_of_packing_are_no_times_of_submission(course: Course, tmp_path: Path) -> None:
    packed = {f"Zoë Müller_11{PLACE}/hw.ipynb": notebook("a")}
    packed[f"Seán OBrien_12{PLACE}/hw.ipynb"] = notebook("b")
    made = gather(course, zipped(tmp_path / "all.zip", packed))
    assert not any(outcome.late for outcome in made.outcomes)
    assert (stamp(course, "ada1"), stamp(course, "ben2")) == (None, None)


def test_a_file_from_another_day_keeps_its_time(course: Course, tmp_path: Path) -> None:
    files: dict[str, bytes | tuple[bytes, datetime]] = {
        f"Zoë Müller_11{PLACE}/hw.ipynb": notebook("a"),
        f"Seán OBrien_12{PLACE}/hw.ipynb": (notebook("b"), at(22)),
        f"Li Wang_13{PLACE}/hw.ipynb": notebook("c"),
    }
    gather(course, zipped(tmp_path / "all.zip", files))
    found = [stamp(course, student) for student in ("ada1", "ben2", "cat3")]
    assert found == [None, "2026-11-22 12:00:00 UTC", None]


def test_a_german_worksheet(tmp_path: Path) -> None:
    file = tmp_path / "Bewertungen.csv"
    file.write_text(
        "ID,Vollständiger Name,E-Mail-Adresse,Status,Zuletzt geändert (Abgabe)\n"
        'Teilnehmer/in77,Zoë Müller,zoe@example.org,1 Tag zu spät,"2. März 2026, 10:37"\n'
        "Teilnehmer/in78,Seán O'Brien,,Keine Abgabe,-\n"
    )
    late, nothing = read_worksheet(file, UTC).values()
    assert (late.name, late.email, late.late) == ("Zoë Müller", "zoe@example.org", True)
    assert late.time == datetime(2026, 3, 2, 10, 37, tzinfo=UTC)
    assert (nothing.late, nothing.time) == (False, None)


def test_late_work_is_told_with_the_gradebooks_due_dates(course: Course, tmp_path: Path) -> None:
    people = {"Zoë Müller_11": at(20), "Seán OBrien_12": at(22), "Li Wang_13": at(23)}
    files = {f"{name}{PLACE}/hw.ipynb": (notebook(name), when) for name, when in people.items()}
    made = gather(course, zipped(tmp_path / "all.zip", files))
    late = {outcome.collected.student: outcome.late for outcome in made.outcomes}
    assert late == {"ada1": False, "ben2": True, "cat3": False}  # cat3 has an extension
    assert stamp(course, "ben2") == "2026-11-22 12:00:00 UTC"


def test_the_latest_of_two_counts_and_both_are_kept(course: Course, tmp_path: Path) -> None:
    files: Content = {
        f"Zoë Müller_11{PLACE}/new.ipynb": (notebook("new"), at(20)),
        f"Zoë Müller_11{PLACE}/old.ipynb": (notebook("old"), at(18)),
        f"Zoë Müller_11{PLACE}/data/notes.txt": (b"mine", at(18)),
        f"Seán OBrien_12{PLACE}/hw.ipynb": (notebook("b"), at(19)),
    }
    made = gather(course, zipped(tmp_path / "all.zip", files))
    assert text(course, "ada1") == "new"
    assert made.outcomes[0].others == (f"Zoë Müller_11{PLACE}/old.ipynb",)
    original = downloaded(course, ASSIGNMENT) / "originals" / made.outcomes[0].collected.original
    expected = {name: value[0] for name, value in files.items() if "11" in name}
    assert files_in(original) == expected
    old = original / f"Zoë Müller_11{PLACE}" / "old.ipynb"
    assert datetime.fromtimestamp(old.stat().st_mtime, UTC) == at(18).replace(tzinfo=UTC)


def test_of_notebooks_without_times_the_one_of_the_assignments_name_counts(
    course: Course, tmp_path: Path
) -> None:
    place = f"Zoë Müller_11{PLACE}"
    files = {f"{place}/zzz.ipynb": notebook("z"), f"{place}/{NOTEBOOK}": notebook("right")}
    gather(course, zipped(tmp_path / "all.zip", files))
    assert text(course, "ada1") == "right"


def test_a_zip_in_the_download_is_looked_into(course: Course, tmp_path: Path) -> None:
    work = inner({"mine/hw.ipynb": (notebook("a"), at(1)), "__MACOSX/._hw.ipynb": b"x"}, tmp_path)
    files: Content = {
        f"Zoë Müller_11{PLACE}/all of it.zip": (work, at(20)),
        f"Seán OBrien_12{PLACE}/hw.ipynb": (notebook("b"), at(17)),
    }
    made = gather(course, zipped(tmp_path / "all.zip", files))
    assert made.problems == {}
    assert made.outcomes[0].collected.file == "all of it.zip/mine/hw.ipynb"
    assert stamp(course, "ada1") == "2026-11-20 12:00:00 UTC"  # not what the student's zip says


def test_what_is_no_notebook_of_the_assignment_is_named(course: Course, tmp_path: Path) -> None:
    ada, ben, cat = (f"{name}{PLACE}" for name in ("Zoë Müller_11", "Seán OBrien_12", "Li Wang_13"))
    files = {
        f"{ada}/cut.ipynb": notebook("a")[:-50],
        f"{ben}/other.ipynb": notebook("b", "convolution"),
        f"{cat}/answer.pdf": b"%PDF",
        f"No Body_16{PLACE}/hw.ipynb": notebook("n"),
    }
    made = gather(course, zipped(tmp_path / "all.zip", files))
    assert made.outcomes == []
    problems = made.problems
    assert "cut off half-way" in problems[f"{ada}/cut.ipynb"]
    assert f"a notebook of 'convolution', not of {ASSIGNMENT}" in problems[f"{ben}/other.ipynb"]
    assert problems[cat] == "no notebook in it (answer.pdf)"
    assert "nobody in the roster has this name" in problems[f"No Body_16{PLACE}"]
    assert not course.submitted.joinpath("ada1").exists()
    assert made.missing == ["ada1", "ben2", "cat3", "dan4", "eve5"]


def test_a_damaged_file_costs_its_student_alone(course: Course, tmp_path: Path) -> None:
    files = {f"Zoë Müller_11{PLACE}/hw.ipynb": notebook("a" * 500)}
    files[f"Seán OBrien_12{PLACE}/hw.ipynb"] = notebook("b")
    source = zipped(tmp_path / "all.zip", files)
    data = bytearray(source.read_bytes())
    place = data.index(b"hw.ipynb") + 40
    data[place : place + 20] = bytes(20)
    source.write_bytes(data)
    made = gather(course, source)
    assert statuses(made) == {"ben2": "new"}
    assert "damaged" in made.problems[f"Zoë Müller_11{PLACE}/hw.ipynb"]


def test_a_student_cannot_hand_in_for_another(course: Course, tmp_path: Path) -> None:
    ada, ben = f"Zoë Müller_11{PLACE}", f"Seán OBrien_12{PLACE}"
    files = {f"{ada}/{ben}/hw.ipynb": notebook("a"), f"{ada}/ben2/x_502_1_hw.ipynb": notebook("b")}
    made = gather(course, zipped(tmp_path / "all.zip", files))
    assert statuses(made) == {"ada1": "new"}
    folder = tmp_path / "work" / "ada1" / ben
    folder.mkdir(parents=True)
    (folder / "hw.ipynb").write_bytes(notebook("c"))
    assert statuses(gather(course, tmp_path / "work")) == {"ada1": "replaced"}


def test_a_text_beside_the_notebook_is_no_problem(course: Course, tmp_path: Path) -> None:
    text = f"Zoë Müller_11{PLACE.replace('file', 'onlinetext')}/onlinetext.html"
    files = {text: b"<p>Hello", f"Zoë Müller_11{PLACE}/hw.ipynb": notebook("a")}
    made = gather(course, zipped(tmp_path / "all.zip", files))
    assert (statuses(made), made.problems) == ({"ada1": "new"}, {})


# ---- Canvas -------------------------------------------------------------------------------------


def test_canvas_names(canvas: Course, tmp_path: Path) -> None:
    files = {
        "müllerzoë_501_9001_hw_1.ipynb": notebook("first"),
        "müllerzoë_501_9007_hw_1-2.ipynb": notebook("again"),
        "obriensean_LATE_502_9004_my work.ipynb": notebook("late"),
        "somebodyelse_777_9005_hw.ipynb": notebook("stranger"),
    }
    made = gather(canvas, zipped(tmp_path / "submissions.zip", files))
    assert made.platform == "canvas"
    assert (text(canvas, "ada1"), text(canvas, "ben2")) == ("again", "late")
    assert made.outcomes[0].others == ("müllerzoë_501_9001_hw_1.ipynb",)
    assert [outcome.late for outcome in made.outcomes] == [False, True]
    assert stamp(canvas, "ada1") is None
    assert stamp(canvas, "ben2") == "2026-11-25 12:00:00 UTC"  # when Canvas packed it
    found = read_collected(canvas, ASSIGNMENT)["ben2"]
    assert (found.label, found.user) == ("obriensean_LATE_502_9004_", "502")
    assert (found.attachment, found.file, found.late) == ("9004", "my work.ipynb", "late")
    assert made.problems == {"somebodyelse_777_9005_": "not matched: no such Canvas user"}

    later = {"obriensean_LATE_502_9004_my work.ipynb": (notebook("late"), at(28))}
    again = gather(canvas, zipped(tmp_path / "later.zip", later))
    assert statuses(again) == {"ben2": "unchanged"}
    assert stamp(canvas, "ben2") == "2026-11-25 12:00:00 UTC"


def test_canvas_tells_no_times(canvas: Course, tmp_path: Path, run: Callable[..., Answer]) -> None:
    source = zipped(tmp_path / "all.zip", {"müllerzoë_501_9001_hw.ipynb": notebook("a")})
    said = " ".join(run("collect", ASSIGNMENT, source, "--course", canvas.directory).out.split())
    assert "unknown times: the download has none" in said and "worksheet" not in said


def test_an_earlier_attempt_does_not_replace_a_later_one(canvas: Course, tmp_path: Path) -> None:
    late = zipped(tmp_path / "2.zip", {"müllerzoë_501_9007_hw.ipynb": notebook("second")})
    early = zipped(tmp_path / "1.zip", {"müllerzoë_501_9001_hw.ipynb": notebook("first")})
    assert statuses(gather(canvas, late)) == {"ada1": "new"}
    assert statuses(gather(canvas, early)) == {"ada1": "older"}
    assert text(canvas, "ada1") == "second"
    assert read_collected(canvas, ASSIGNMENT)["ada1"].attachment == "9007"


def test_canvas_names_without_canvas_numbers(course: Course, tmp_path: Path) -> None:
    files = {"mullerzoe_501_9001_hw.ipynb": notebook("a"), "ekanna_504_9002_hw.ipynb": b"{}"}
    made = gather(course, zipped(tmp_path / "submissions.zip", files))
    assert statuses(made) == {"ada1": "new"}
    assert "may be dan4 or eve5" in made.problems["ekanna_504_9002_"]


# ---- a folder per student, and again ------------------------------------------------------------


def test_a_folder_per_student(course: Course, tmp_path: Path) -> None:
    source = tmp_path / "work"
    for name in ("ada1", f"ben2/{ASSIGNMENT}", "Wang, Li", "nobody"):
        (source / name).mkdir(parents=True)
        (source / name / "hw.ipynb").write_bytes(notebook(name))
    (source / "ada1" / ".ipynb_checkpoints").mkdir()
    (source / "ada1" / ".ipynb_checkpoints" / "hw-checkpoint.ipynb").write_bytes(notebook("old"))
    (source / "ada1" / "link.ipynb").symlink_to(course.directory / "gradebook.db")
    os.mkfifo(source / "ada1" / "pipe")
    with (source / "ada1" / "dump").open("wb") as file:
        file.truncate(archives.MAX_BYTES + 1)
    made = gather(course, source)
    assert made.platform == "folder"
    assert statuses(made) == {"ada1": "new", "ben2": "new", "cat3": "new"}
    assert made.problems.keys() == {"ada1/link.ipynb", "ada1/pipe", "ada1/dump", "nobody"}
    assert made.problems["ada1/dump"].startswith("64 MB")
    assert "a link" in made.problems["ada1/link.ipynb"]


def test_collecting_again(course: Course, tmp_path: Path) -> None:
    name = f"Zoë Müller_11{PLACE}/hw.ipynb"
    other = {f"Seán OBrien_12{PLACE}/hw.ipynb": (notebook("b"), at(15))}
    first = zipped(tmp_path / "1.zip", {name: (notebook("one"), at(18)), **other})
    second = zipped(tmp_path / "2.zip", {name: (notebook("two"), at(20)), **other})
    gather(course, first)
    before = files_in(course.directory)
    assert set(statuses(gather(course, first)).values()) == {"unchanged"}
    assert files_in(course.directory) == before
    assert statuses(gather(course, second)) == {"ada1": "replaced", "ben2": "unchanged"}
    assert (text(course, "ada1"), stamp(course, "ada1")) == ("two", "2026-11-20 12:00:00 UTC")
    assert statuses(gather(course, first)) == {"ada1": "older", "ben2": "unchanged"}
    assert text(course, "ada1") == "two"
    originals = files_in(downloaded(course, ASSIGNMENT) / "originals")
    assert sorted(originals.values()) == sorted([notebook("one"), notebook("two"), notebook("b")])


def test_a_submission_from_elsewhere_is_kept_before_it_is_replaced(
    course: Course, tmp_path: Path
) -> None:
    place = course.submitted / "ada1" / ASSIGNMENT / NOTEBOOK
    place.parent.mkdir(parents=True)
    place.write_bytes(notebook("by hand"))
    source = zipped(tmp_path / "all.zip", {f"Zoë Müller_11{PLACE}/hw.ipynb": notebook("new")})
    assert statuses(gather(course, source)) == {"ada1": "replaced"}
    assert notebook("by hand") in files_in(downloaded(course, ASSIGNMENT) / "originals").values()


def test_a_time_that_becomes_known_is_written(course: Course, tmp_path: Path) -> None:
    source = zipped(tmp_path / "all.zip", {f"Zoë Müller_11{PLACE}/hw.ipynb": notebook("a")})
    worksheet = tmp_path / "grades.csv"
    worksheet.write_text(WORKSHEET)
    gather(course, source)
    assert statuses(gather(course, source, worksheet=worksheet)) == {"ada1": "dated"}
    assert stamp(course, "ada1") == "2026-11-20 14:14:00 UTC"
    assert statuses(gather(course, source)) == {"ada1": "unchanged"}
    assert stamp(course, "ada1") == "2026-11-20 14:14:00 UTC"


def test_a_dry_run_says_all_and_writes_nothing(
    course: Course, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    files = {f"Zoë Müller_11{PLACE}/hw.ipynb": notebook("a"), f"X Y_9{PLACE}/\x1b[1m.ipynb": b""}
    source = zipped(tmp_path / "all.zip", files)
    before = files_in(course.directory)
    words = ("collect", ASSIGNMENT, source, "--course", course.directory)
    dry = run(*words, "--dry-run")
    assert files_in(course.directory) == before
    assert "nothing has been written" in dry.out
    wet = run(*words)
    assert (dry.status, wet.status) == (1, 1)
    assert dry.out.startswith(wet.out)
    said = " ".join(wet.out.split())
    assert f"not collected: X Y_9{PLACE}: not matched: nobody in the roster" in said
    assert "1 of moodle: 1 new" in said and "nothing from 4: ben2, cat3" in said
    assert "unknown times: Moodle's grading worksheet has them" in said
    assert "\x1b" not in wet.out


def test_nothing_is_collected_into_a_folder_that_is_worked_on(
    course: Course, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    source = zipped(tmp_path / "all.zip", {f"Zoë Müller_11{PLACE}/hw.ipynb": notebook("a")})
    words = ("collect", ASSIGNMENT, source, "--course", course.directory)
    with course.alone():
        before = files_in(course.directory)
        refused, dry = run(*words), run(*words, "--dry-run")
        assert files_in(course.directory) == before
    assert refused.status == 1
    assert "`collect` works in this folder; wait until it is done" in refused.error
    assert dry.status == 0
    assert run(*words).status == 0
    assert text(course, "ada1") == "a"


# ---- what is refused ----------------------------------------------------------------------------


def entry(name: str, data: bytes = b"x", **attributes: int) -> tuple[zipfile.ZipInfo, bytes]:
    info = zipfile.ZipInfo(name, at(20).timetuple()[:6])
    info.compress_type = zipfile.ZIP_DEFLATED
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info, data


SMALL = Limits(files=100, total=40 * 2**20, file=24 * 2**20)
HOSTILE = {
    "climbing": (entry("../../evil.ipynb"), "leads out"),
    "climbing-inside": (entry("a/../../evil.ipynb"), "leads out"),
    "climbing-as-windows": (entry("..\\evil.ipynb"), "leads out"),
    "absolute": (entry("/etc/cron.d/evil"), "leads out"),
    "drive": (entry("C:\\evil.ipynb"), "leads out"),
    "link": (entry("link.ipynb", b"/etc/passwd", external_attr=stat.S_IFLNK << 16), "a link"),
    "device": (entry("disk.ipynb", external_attr=stat.S_IFBLK << 16), "not a file"),
    "long-name": (entry("n" * 300), "too long"),
    "current": (entry("."), "leads out"),
    "deepest": (entry("d/" * 30_000 + "n.ipynb"), "too deep"),
    "deep": (entry("d/" * 20 + "n.ipynb"), "too deep"),
    "huge": (entry("huge.ipynb", os.urandom(2**20) * 25), "clear the outputs"),
    "bomb": (entry("bomb.ipynb", bytes(20 * 2**20)), "times its size"),
    "method": (entry("odd.ipynb", compress_type=zipfile.ZIP_LZMA), "in an unusual way"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_an_archive_must_not_hold_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (info, data), words = HOSTILE[name]
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, data)
        archive.writestr(*entry("good.ipynb", b"good"))
    with archives.opened(path, limits=SMALL) as download:
        [refused] = download.refused.items()
        assert words in refused[1]
        assert refused[0].endswith(info.filename.replace("\\", "/").lstrip("./"))
        assert [(file.path, file.read()) for file in download.files] == [("good.ipynb", b"good")]
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_encrypted_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "all.zip", {"secret.ipynb": b"x"})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    with archives.opened(path) as download:
        assert "without a password" in download.refused["secret.ipynb"]


def test_too_much_together_is_refused(tmp_path: Path) -> None:
    block = os.urandom(15 * 2**20)
    path = zipped(tmp_path / "all.zip", dict.fromkeys("abc", block))
    with archives.opened(path, limits=SMALL) as download:
        assert [file.path for file in download.files] == ["a", "b"]
        assert "with the files before it" in download.refused["c"]
    path = zipped(tmp_path / "all.zip", {str(number): b"" for number in range(101)})
    with (
        pytest.raises(CourseError, match="more than 100 files"),
        archives.opened(path, None, SMALL),
    ):
        pass


def test_sizes_that_lie_are_found_out(tmp_path: Path) -> None:
    """A bomb that declares to be small unpacks to no more than it declares."""
    path = zipped(tmp_path / "all.zip", {"bomb.ipynb": bytes(20 * 2**20)})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = data.index(signature) + offset
        data[place : place + 4] = struct.pack("<I", 1000)
    path.write_bytes(data)
    with archives.opened(path) as download:
        [file] = download.files
        with pytest.raises(CourseError, match=r"bomb\.ipynb: damaged"):
            file.read()


def test_a_zip_of_very_many_files_is_not_even_opened() -> None:
    many = File(("many.zip",), None, bytes)
    with pytest.raises(CourseError, match=r"many\.zip: too many files"):
        archives.within(many, b"PK\x01\x02" * 5000, SMALL)


def test_the_same_name_twice_and_names_in_utf8_that_do_not_say_so(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ZoX.ipynb", b"first")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("ZoX.ipynb", b"second")
        archive.writestr("ZoX.ipynb/inside", b"third")
    path.write_bytes(path.read_bytes().replace(b"ZoX.ip", "Zoë.i".encode()))
    with archives.opened(path) as download:
        assert [(file.path, file.read()) for file in download.files] == [("Zoë.iynb", b"first")]
        assert download.refused.keys() == {"Zoë.iynb", "Zoë.iynb/inside"}


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (None, "no such file or folder"),
        (b"", "not a zip"),
        (b"Rar!\x1a\x07", "not a zip"),
        (b"PK\x05\x06" + bytes(18), "no files in it"),
    ],
)
def test_what_is_no_download_is_said_in_a_line(
    course: Course, tmp_path: Path, run: Callable[..., Answer], made: bytes | None, words: str
) -> None:
    source = tmp_path / "all.zip"
    if made is not None:
        source.write_bytes(made)
    answer = run("collect", ASSIGNMENT, source, "--course", course.directory)
    assert answer.status == 1
    assert words in answer.error and "all.zip" in answer.error


def test_wrong_use_is_said_in_a_line(
    course: Course, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    source = zipped(tmp_path / "all.zip", {f"Zoë Müller_11{PLACE}/hw.ipynb": notebook("a")})
    elsewhere = run("collect", ASSIGNMENT, source, "--course", tmp_path / "nowhere")
    assert "run `autograder roster FILE.csv` first" in elsewhere.error
    again = zipped(tmp_path / "again.zip", {f"all/Zoë Müller_11{PLACE}/hw.ipynb": notebook("a")})
    answer = run("collect", ASSIGNMENT, again, "--course", course.directory)
    assert "name that folder itself" in answer.error
    zone = ("--timezone", "Atlantis/Centre")
    answer = run("collect", ASSIGNMENT, source, "--course", course.directory, *zone)
    assert (answer.status, "Atlantis/Centre" in answer.error) == (2, True)
    canvas = zipped(tmp_path / "canvas.zip", {"müllerzoë_501_9001_hw.ipynb": notebook("a")})
    worksheet = tmp_path / "grades.csv"
    worksheet.write_text(WORKSHEET)
    words = ("collect", ASSIGNMENT, canvas, "--course", course.directory, "--worksheet", worksheet)
    answer = run(*words)
    assert (answer.status, "leave out --worksheet" in answer.error) == (2, True)
    sheet = ("--worksheet", tmp_path / "class.csv")
    answer = run("collect", ASSIGNMENT, source, "--course", course.directory, *sheet)
    assert "no grading worksheet" in answer.error


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8))
def test_no_damage_to_a_students_zip_is_more_than_a_refusal(
    tmp_path: Path, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(inner({"hw.ipynb": notebook("a"), "more/b.txt": b"b" * 50}, tmp_path))
    for place, value in changes:
        data[place % len(data)] = value
    try:
        inside = archives.within(File(("work.zip",), None, bytes), bytes(data))
        for file in inside.files:
            file.read()
    except CourseError as error:
        assert str(error).startswith("work.zip")


# ---- names and times ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        "Friday, 20 November 2026, 2:14 PM",
        "Friday, November 20, 2026, 2:14 PM",
        "Freitag, 20. November 2026, 14:14",
        "vendredi 20 novembre 2026, 14:14",
    ],
)
def test_times_in_words(written: str) -> None:
    zone = timezone(timedelta(hours=1))
    assert moodle_time(written, zone) == datetime(2026, 11, 20, 13, 14, tzinfo=UTC)
    assert moodle_time(written.replace("ovemb", "örz"), zone) is None


def test_midnight_months_and_what_is_no_time() -> None:
    assert moodle_time("1 März 2026, 12:05 AM", UTC) == datetime(2026, 3, 1, 0, 5, tzinfo=UTC)
    assert moodle_time("31 février 2026, 10:00", UTC) is None
    assert moodle_time("-", UTC) is None


def test_platform_patterns_take_the_platforms_numbers() -> None:
    canvas = CANVAS.fullmatch("van dyke2jan_LATE_12_345_678_9_hw.ipynb")
    assert canvas is not None
    assert canvas.group("user", "attachment", "file") == ("12", "345", "678_9_hw.ipynb")
    moodle = MOODLE.fullmatch("Zoë Müller_11_assignsubmission_file_1_2_assignsubmission_file_x")
    assert moodle is not None
    assert moodle.group("user", "file") == ("11", "1_2_assignsubmission_file_x")
