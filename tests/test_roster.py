"""The roster: what Moodle and Canvas export becomes nbgrader's students, and nothing is guessed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from autograder.course import Course
from autograder.errors import CourseError, UsageError
from autograder.roster import Reading, read_people, read_roster, roster_path, update
from autograder.tables import read_table
from tests.conftest import Answer

MOODLE = """\
First name,Last name,ID number,Email address,Groups
Zoë,Müller,4711,zoe@example.org,A
Seán,"O'Brien, jr",0042,sean@example.org,B
Li,王,4713,li@example.org,
"""
CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,Perceptron (77)
,,,,,Manual Posting
    Points Possible,,,,,30
"Müller, Zoë",501,S1,zm1,"A and B",
"O'Brien, Seán",502,S2,so2,A,12.5
"Student, Test",599,,0123456789abcdef0123456789abcdef01234567,A,
"""


def read(tmp_path: Path, text: str | bytes, id_column: str | None = None) -> Reading:
    """What a file of this content says."""
    file = tmp_path / "class.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_people(read_table(file), id_column)


def names(reading: Reading) -> dict[str, str]:
    return {student: person.name for student, person in reading.people.items()}


def students(course: Course) -> dict[str, tuple[str | None, ...]]:
    """What nbgrader's gradebook holds."""
    with Gradebook(course.gradebook_url) as gradebook:
        return {
            each.id: (each.first_name, each.last_name, each.email, each.lms_user_id)
            for each in gradebook.students
        }


# ---- reading ------------------------------------------------------------------------------------

EXPECTED = {"4711": "Zoë Müller", "0042": "Seán O'Brien, jr", "4713": "Li 王"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_every_encoding_and_delimiter(tmp_path: Path, encoding: str, delimiter: str) -> None:
    text = MOODLE.replace(",", delimiter).replace(f"Brien{delimiter}", "Brien,")
    assert names(read(tmp_path, text.encode(encoding))) == EXPECTED


def test_windows_1252_and_a_first_line_for_spreadsheets(tmp_path: Path) -> None:
    text = "sep=;\r\nVorname;Nachname;Matrikelnummer\r\nZoë;Müller;4711\r\n"
    assert names(read(tmp_path, text.encode("cp1252"))) == {"4711": "Zoë Müller"}


@pytest.mark.parametrize(
    "header",
    [
        "Surname,First name,ID number,Email address",
        "LAST NAME,first name,Id Number,EMAIL ADDRESS",
        "Nachname,Vorname,ID-Nummer,E-Mail-Adresse",
        "Nom,Prénom,Numéro d'identification,Adresse de courriel",
        "Nom de famille,Prenom,Numero d’identification,Adresse e-mail",
        "Apellido(s),Nombre,Número de ID,Dirección de correo",
    ],
)
def test_headers_in_other_languages_and_spellings(tmp_path: Path, header: str) -> None:
    reading = read(tmp_path, f"{header}\nMüller,Zoë,4711,zoe@example.org\n")
    person = reading.people["4711"]
    said = (person.first_name, person.last_name, person.email, person.full_name)
    assert said == ("Zoë", "Müller", "zoe@example.org", "Zoë Müller")


def test_canvas_with_its_rows_that_are_nobody(tmp_path: Path) -> None:
    reading = read(tmp_path, CANVAS)
    assert (reading.platform, reading.id_column) == ("canvas", "SIS Login ID")
    assert reading.problems == []
    assert names(reading) == {"zm1": "Zoë Müller", "so2": "Seán O'Brien"}
    person = reading.people["zm1"]
    said = (person.full_name, person.canvas_id, person.sis_user_id, person.section)
    assert said == ("Müller, Zoë", "501", "S1", "A and B")


def test_canvas_with_names_in_two_columns(tmp_path: Path) -> None:
    text = "LastName,FirstName,ID,SIS Login ID,Section\nMüller,Zoë,501,zm1,A\n"
    assert read(tmp_path, text).people["zm1"].full_name == "Müller, Zoë"


def test_the_id_column_can_be_named(tmp_path: Path) -> None:
    assert set(read(tmp_path, CANVAS, "sis user id").people) == {"S1", "S2"}
    with pytest.raises(UsageError, match=r"no column 'Shoe size'.*'SIS User ID'"):
        read(tmp_path, CANVAS, "Shoe size")


def test_an_empty_id_column_is_not_taken(tmp_path: Path) -> None:
    text = "First name,Last name,ID number,Username\nZoë,Müller,,zm1\n"
    assert read(tmp_path, text).id_column == "Username"
    with pytest.raises(CourseError, match="name one of its columns with --id"):
        read(tmp_path, "First name,Last name,Email address\nZoë,Müller,zoe@example.org\n")


def test_repeated_rows_are_one_student_and_contradictions_none(tmp_path: Path) -> None:
    rows = ["Zoë,Müller,4711,", "Zoe,MÜLLER,4711,", "Jan,Berg,5,", "Ida,Dahl,5,", "Al,Ek,7,"]
    reading = read(tmp_path, "\n".join(["First name,Last name,ID number,x", *rows]))
    assert set(reading.people) == {"4711", "7"}
    assert reading.doubled == ["row 3 (Zoe MÜLLER): 4711 again"]
    assert reading.problems == ["row 4 (Jan Berg) and row 5 (Ida Dahl): one id, 5; none is taken"]


@pytest.mark.parametrize("student", ["../../etc", ".hidden", "a/b", "a\\b", "<b>", "x" * 101, "a*"])
def test_an_id_that_is_no_folder_name_is_refused(tmp_path: Path, student: str) -> None:
    text = f"First name,Last name,ID number\nEve,Dropper,{student}\nZoë,Müller,4711\n"
    reading = read(tmp_path, text)
    assert set(reading.people) == {"4711"}
    assert reading.problems[0].startswith("row 2 (Eve Dropper)")


def test_signs_that_a_terminal_obeys_are_dropped(tmp_path: Path) -> None:
    text = "First name,Last name,ID number\nZo\x1b[31më,\u202eMüller\xa0,4711\n"
    assert names(read(tmp_path, text)) == {"4711": "Zo [31më Müller"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no table"),
        (b"Zoe\nJan\n", "no table"),
        (b"PK\x03\x04rest", "save it as CSV"),
        (b"\xff\xfe\x00", "no text"),
        (b"First name,ID number\n", "no students"),
        (b'a,b\n"' + b"x" * 200_000, "not CSV"),
    ],
)
def test_what_is_no_table_is_said_in_a_line(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(CourseError, match=words) as error:
        read(tmp_path, content)
    assert "class.csv" in str(error.value) and "\n" not in str(error.value)


# ---- writing ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course folder to which the tests below write one after the other."""
    return Course(tmp_path_factory.mktemp("roster") / "course")


def test_a_dry_run_writes_nothing(
    course: Course, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    file = tmp_path / "class.csv"
    file.write_text(MOODLE)
    answer = run("roster", file, "--course", course.directory, "--dry-run")
    assert answer.status == 0
    assert "3 students by 'ID number': 3 new" in answer.out
    assert "nothing has been written" in answer.out
    assert not course.directory.exists()


def test_students_enter_change_and_stay(
    course: Course, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text(MOODLE)
    second.write_text(
        "First name,Last name,ID number,Email address\n"
        "Zoë,Müller-Ek,4711,zoe@example.org\nLi,王,4713,\nNew,Comer,4714,new@example.org\n"
    )
    assert run("roster", first, "--course", course.directory).status == 0
    assert students(course)["0042"] == ("Seán", "O'Brien, jr", "sean@example.org", None)
    assert roster_path(course).stat().st_mode & 0o777 == 0o600

    dry = run("roster", second, "--course", course.directory, "--dry-run", "--json")
    said = json.loads(dry.out)
    assert said["new"] == ["4714"]
    assert said["changed"] == {"4711": "last_name: Müller → Müller-Ek"}
    assert said["unchanged"] == ["4713"]
    assert said["kept"] == ["0042"]
    assert students(course).keys() == {"4711", "0042", "4713"}

    answer = run("roster", second, "--course", course.directory)
    assert answer.status == 0
    assert "kept: 0042" in answer.out
    assert students(course) == {
        "4711": ("Zoë", "Müller-Ek", "zoe@example.org", None),
        "0042": ("Seán", "O'Brien, jr", "sean@example.org", None),
        "4713": ("Li", "王", "li@example.org", None),
        "4714": ("New", "Comer", "new@example.org", None),
    }
    assert set(read_roster(course)) == {"4711", "0042", "4713", "4714"}
    assert read_roster(course)["4713"].email == "li@example.org"
    assert run("roster", second, "--course", course.directory).out.count("3 unchanged") == 1


def test_canvas_ids_enter_the_gradebook(course: Course, tmp_path: Path) -> None:
    file = tmp_path / "canvas.csv"
    file.write_text(CANVAS, encoding="utf-8-sig")
    changes = update(file, course)
    assert changes.new == ["so2", "zm1"]
    assert students(course)["zm1"] == ("Zoë", "Müller", None, "501")
    person = read_roster(course)["so2"]
    assert (person.canvas_id, person.full_name) == ("502", "O'Brien, Seán")


def test_what_cannot_be_taken_is_status_one(
    course: Course, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    file = tmp_path / "class.csv"
    file.write_text("First name,Last name,ID number\nZoë,Müller,4711\nProf,X,\n")
    answer = run("roster", file, "--course", course.directory, "--dry-run")
    assert answer.status == 1
    assert "row 3 (Prof X): nothing in the column 'ID number'" in " ".join(answer.out.split())


def test_a_broken_gradebook_is_named(tmp_path: Path, run: Callable[..., Answer]) -> None:
    course = Course(tmp_path / "course")
    course.ensure()
    (course.directory / "gradebook.db").write_bytes(b"not a database" * 100)
    file = tmp_path / "class.csv"
    file.write_text(MOODLE)
    answer = run("roster", file, "--course", course.directory)
    assert answer.status == 1
    assert "gradebook.db" in answer.error and "restore it from a backup" in answer.error
    assert not roster_path(course).exists()
