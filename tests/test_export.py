"""Marks as platforms import them: nothing but the marks changes, and no mark goes astray."""

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from autograder.collecting import Collected, downloaded
from autograder.converting import one_gradebook, transaction
from autograder.course import Course
from autograder.errors import CourseError, UsageError
from autograder.exporting import CsvExporter, export
from autograder.roster import csv_text, update
from tests.conftest import ASSIGNMENT, Answer

ROSTER = """\
First name,Last name,ID number,Email address
Zoë,Müller,4711,zoe@example.org
Seán,O'Brien,0042,sean@example.org
=Li,王,4713,li@example.org
Jan,"Berg, jr",4714,
Jan,"Berg, jr",4715,
Eva,Falk,4716,eva@example.org
"""
CANVAS_ROSTER = """\
Student,ID,SIS User ID,SIS Login ID,Section
"Müller, Zoë",501,4711,zm1,A
"O'Brien, Seán",502,0042,so2,A
"王, =Li",503,4713,lw3,B
"""
WORKSHEET = """\
Identifier,Full name,ID number,Email address,Status,Grade,Maximum Grade,\
Last modified (grade),Feedback comments
Participant 901,Zoë Müller,4711,zoe@example.org,Submitted,12.00,30.00,-,"<p>Good,
""really""</p>"
Participant 902,Seán O'Brien,0042,sean@example.org,Submitted,,30.00,-,
Participant 903,=Li 王,4713,li@example.org,Submitted,7.50,30.00,-,
Participant 904,"Jan Berg, jr",,,No submission,,30.00,-,
Participant 905,Nobody Known,,,No submission,,30.00,-,
"""
GRADEBOOK = """\
Student,ID,SIS User ID,SIS Login ID,Section,Notes,Perceptron (77),Vision (78),Final Score
,,,,,,Manual Posting,,
    Points Possible,,,,,,30.0,10,(read only)
"Müller, Zoë",501,4711,zm1,A,shy,EX,9,90
"O'Brien, Seán",502,0042,so2,A,,,8,80
"王, =Li",503,4713,lw3,B,,7.5,,70
"Student, Test",599,,0123,A,,,,
"""
SCORES = {"4711": (18.5, 4.0), "0042": (1 / 3, None), "4713": (7.5, 0.0), "4714": (20.0, 9.0)}
MARKS = {"4711": "21.5", "0042": "0.33", "4713": "7.5", "4714": "29"}


@pytest.fixture(scope="module")
def entered(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course whose gradebook has marks of four students, and a roster of six."""
    folder = tmp_path_factory.mktemp("marks")
    course = Course(folder / "course", folder / "build")
    for name, text in {"moodle.csv": ROSTER, "canvas.csv": CANVAS_ROSTER}.items():
        (folder / name).write_text(text)
        update(folder / name, course, id_column="SIS User ID" if "canvas" in name else None)
    with one_gradebook(course.gradebook_url) as gradebook, transaction(gradebook):
        names = (ASSIGNMENT, ASSIGNMENT)
        gradebook.add_assignment(ASSIGNMENT, duedate="2026-11-20 12:00 UTC")
        gradebook.add_notebook(*names)
        gradebook.add_grade_cell("forward", *names, max_score=20, cell_type="code")
        gradebook.add_grade_cell("why", *names, max_score=10, cell_type="markdown")
        for student, (automatic, by_hand) in SCORES.items():
            submission = gradebook.add_submission(
                ASSIGNMENT, student, timestamp="2026-11-20 11:00 UTC"
            )
            gradebook.find_grade("forward", *names, student).auto_score = automatic
            grade = gradebook.find_grade("why", *names, student)
            grade.manual_score, grade.needs_manual_grade = by_hand, by_hand is None
            [notebook] = submission.notebooks
            notebook.late_submission_penalty = 1.0 if student == "4711" else None
    return course


@pytest.fixture
def course(entered: Course, tmp_path: Path) -> Course:
    """The course once more, to be changed."""
    shutil.copytree(entered.directory, tmp_path / "course")
    return Course(tmp_path / "course", entered.build)


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def collected(course: Course, users: dict[str, str]) -> None:
    """What `collect` records of students whose Moodle participants have these numbers."""
    folder = downloaded(course, ASSIGNMENT)
    folder.mkdir(parents=True)
    of_none = Collected(*[""] * len(Collected.__dataclass_fields__))
    records = [
        asdict(replace(of_none, student=student, platform="moodle", user=user))
        for student, user in users.items()
    ]
    (folder / "collected.csv").write_text(csv_text(list(records[0]), records))


# ---- Moodle -------------------------------------------------------------------------------------


def test_of_a_worksheet_nothing_but_the_marks_changes(course: Course, tmp_path: Path) -> None:
    sheet = written(tmp_path / "Grades.csv", WORKSHEET)
    made = export(ASSIGNMENT, course, "moodle", worksheet=sheet)
    before, after = rows(sheet), rows(made.file)
    expected = [list(row) for row in before]
    for number, student in enumerate(["4711", "0042", "4713"], 1):
        expected[number][5] = MARKS[student]
    assert after == expected
    assert made.file == course.reports / ASSIGNMENT / "marks-moodle.csv"
    assert made.file.stat().st_mode & 0o777 == 0o600
    assert sheet.read_text() == WORKSHEET
    assert made.marks == {name: MARKS[name] for name in ("4711", "0042", "4713")}
    assert made.replaced == {"4711": "12.00 → 21.5"}
    assert made.waiting == ["0042"]
    assert made.problems == {"4714": "no row of Grades.csv is theirs"}
    assert [line.partition(":")[0] for line in made.unknown] == ["Jan Berg, jr", "Nobody Known"]


def test_a_name_of_two_students_is_known_by_what_was_collected(
    course: Course, tmp_path: Path
) -> None:
    collected(course, {"4714": "904", "4711": "901"})
    written(downloaded(course, ASSIGNMENT) / "worksheet.csv", WORKSHEET)
    made = export(ASSIGNMENT, course, "moodle", output=tmp_path / "new" / "marks.csv")
    assert made.marks == MARKS
    assert rows(tmp_path / "new" / "marks.csv")[4][:6] == [
        *("Participant 904", "Jan Berg, jr", "", "", "No submission", "29")
    ]
    assert made.problems == {}


def test_the_worksheet_of_another_assignment_is_refused(course: Course, tmp_path: Path) -> None:
    collected(course, {"4713": "901"})
    sheet = written(tmp_path / "Grades.csv", WORKSHEET)
    with pytest.raises(CourseError, match="participant 901 is 4711, and 4713 in what was") as error:
        export(ASSIGNMENT, course, "moodle", worksheet=sheet)
    assert "give the worksheet of perceptron" in str(error.value)
    assert not (course.reports / ASSIGNMENT).exists()


GERMAN = """\
ID;Vollständiger Name;ID-Nummer;E-Mail-Adresse;Bewertung;Bestwertung;Zuletzt geändert (Bewertung)
Teilnehmer/in901;Zoë Müller;4711;zoe@example.org;21,50;30,00;-
Teilnehmer/in902;Seán;0042;;;30,00;-
"""


def test_a_german_worksheet_keeps_its_header(course: Course, tmp_path: Path) -> None:
    sheet = tmp_path / "Bewertungen.csv"
    sheet.write_bytes(GERMAN.encode("utf-16"))
    made = export(ASSIGNMENT, course, "moodle", worksheet=sheet)
    header, first, second = rows(made.file)
    assert header == GERMAN.partition("\n")[0].split(";")
    assert (first[4], second[4]) == ("21.5", "0.33")
    assert made.replaced == {}


def test_other_points_on_the_platform_are_refused_or_scaled(course: Course, tmp_path: Path) -> None:
    sheet = written(tmp_path / "Grades.csv", WORKSHEET.replace("30.00", "100.00"))
    with pytest.raises(CourseError, match="30 points here, 100 on the platform; make them equal"):
        export(ASSIGNMENT, course, "moodle", worksheet=sheet)
    made = export(ASSIGNMENT, course, "moodle", worksheet=sheet, scale=True)
    assert made.marks == {"4711": "71.67", "0042": "1.11", "4713": "25"}


def test_moodle_takes_no_more_than_its_maximum(course: Course, tmp_path: Path) -> None:
    with one_gradebook(course.gradebook_url) as gradebook, transaction(gradebook):
        grade = gradebook.find_grade("forward", ASSIGNMENT, ASSIGNMENT, "4711")
        grade.extra_credit = 100
    sheet = written(tmp_path / "Grades.csv", WORKSHEET)
    made = export(ASSIGNMENT, course, "moodle", worksheet=sheet)
    assert made.problems["4711"].startswith("121.5 of 30: Moodle takes no more")
    assert rows(made.file)[1] == rows(sheet)[1]


def test_two_rows_of_one_student_get_no_mark(course: Course, tmp_path: Path) -> None:
    again = "Participant 906,Zoë Müller,4711,,Submitted,,30.00,-,\n"
    sheet = written(tmp_path / "Grades.csv", WORKSHEET + again)
    made = export(ASSIGNMENT, course, "moodle", worksheet=sheet)
    assert made.problems["4711"] == "more than one row is theirs"
    assert [row[5] for row in rows(made.file) if "4711" in row] == ["12.00", ""]


def test_without_a_worksheet_moodle_gets_a_table_for_its_grades(course: Course) -> None:
    made = export(ASSIGNMENT, course, "moodle")
    assert rows(made.file) == [
        ["First name", "Last name", "ID number", "Email address", ASSIGNMENT],
        ["Seán", "O'Brien", "0042", "sean@example.org", "0.33"],
        ["Zoë", "Müller", "4711", "zoe@example.org", "21.5"],
        ["=Li", "王", "4713", "li@example.org", "7.5"],
        ["Jan", "Berg, jr", "4714", "", "29"],
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (WORKSHEET.replace("Grade,Maximum", "Mark,Maximum"), "no column 'Grade'"),
        (ROSTER, "no grading worksheet"),
    ],
)
def test_other_tables_are_no_worksheet(
    course: Course, tmp_path: Path, text: str, message: str
) -> None:
    sheet = written(tmp_path / "Grades.csv", text)
    with pytest.raises(CourseError, match=rf"Grades\.csv: {message}"):
        export(ASSIGNMENT, course, "moodle", worksheet=sheet)


# ---- Canvas -------------------------------------------------------------------------------------


def test_of_canvas_s_gradebook_one_column_is_left(course: Course, tmp_path: Path) -> None:
    file = written(tmp_path / "Gradebook.csv", GRADEBOOK)
    made = export(ASSIGNMENT, course, "canvas", gradebook_csv=file)
    assert rows(made.file) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Perceptron (77)"],
        ["", "", "", "", "", "Manual Posting"],
        ["    Points Possible", "", "", "", "", "30.0"],
        ["Müller, Zoë", "501", "4711", "zm1", "A", "21.5"],
        ["O'Brien, Seán", "502", "0042", "so2", "A", "0.33"],
        ["王, =Li", "503", "4713", "lw3", "B", "7.5"],
        ["Student, Test", "599", "", "0123", "A", ""],
    ]
    assert file.read_text() == GRADEBOOK
    assert made.replaced == {"4711": "EX → 21.5"}
    assert made.unknown == ["Student, Test: no such Canvas user"]


@pytest.mark.parametrize("column", ["Vision (78)", "vision", "78"])
def test_canvas_s_column_can_be_named(course: Course, tmp_path: Path, column: str) -> None:
    file = written(tmp_path / "Gradebook.csv", GRADEBOOK)
    made = export(ASSIGNMENT, course, "canvas", gradebook_csv=file, column=column, scale=True)
    assert [row[-1] for row in rows(made.file)][:4] == ["Vision (78)", "", "10", "7.17"]


def test_a_column_of_no_one_name_is_asked_for(course: Course, tmp_path: Path) -> None:
    none = written(tmp_path / "none.csv", GRADEBOOK.replace("Perceptron (77)", "Unit 1 (77)"))
    with pytest.raises(CourseError, match=r"no column 'perceptron'; .*--column: .*Unit 1 \(77\)"):
        export(ASSIGNMENT, course, "canvas", gradebook_csv=none)
    two = written(tmp_path / "two.csv", GRADEBOOK.replace("Vision", "Perceptron"))
    with pytest.raises(CourseError, match="more than one column 'perceptron'"):
        export(ASSIGNMENT, course, "canvas", gradebook_csv=two)


def test_without_a_gradebook_file_canvas_gets_one_of_the_roster(course: Course) -> None:
    made = export(ASSIGNMENT, course, "canvas")
    assert rows(made.file) == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", ASSIGNMENT],
        ["    Points Possible", "", "", "", "", "30"],
        ["O'Brien, Seán", "502", "0042", "so2", "A", "0.33"],
        ["Müller, Zoë", "501", "4711", "zm1", "A", "21.5"],
        ["王, =Li", "503", "4713", "lw3", "B", "7.5"],
    ]
    assert list(made.problems) == ["4714"]
    assert "a Canvas or SIS id of theirs is not in" in made.problems["4714"]


# ---- the table, the commands --------------------------------------------------------------------


def nbgrader(course: Course, *words: str) -> subprocess.CompletedProcess[str]:
    """`nbgrader export`, run in the course folder."""
    command = [sys.executable, "-m", "nbgrader", "export", *words]
    return subprocess.run(
        command, cwd=course.directory, capture_output=True, text=True, check=False
    )


def test_the_table_tells_what_nbgrader_s_tells(course: Course, tmp_path: Path) -> None:
    assert nbgrader(course).returncode == 0
    theirs = {row[3]: row for row in rows(course.directory / "grades.csv") if len(row) == 11}
    made = export(ASSIGNMENT, course, "csv", output=tmp_path / "marks.csv")
    ours = {row[3]: row for row in rows(made.file)}
    # A comma in a name is one more column of nbgrader's table.
    assert set(ours) == set(theirs) | {"4714", "4715"}
    for student in ("student_id", "4711", "0042"):
        assert ours[student][:11] == theirs[student]
    assert [ours["4714"][each] for each in (4, 9, 11)] == ["Berg, jr", "29.0", "0"]
    assert ours["4715"][7:] == ["", "", "", "30.0", ""]
    assert ours["0042"][11] == "1"
    assert ours["4713"][5] == "'=Li"


def test_nbgrader_exports_for_platforms(course: Course, tmp_path: Path) -> None:
    sheet = written(tmp_path / "Grades.csv", WORKSHEET)
    with one_gradebook(course.gradebook_url) as gradebook, transaction(gradebook):
        gradebook.add_assignment("another")
    words = ["--exporter=autograder.exporting.MoodleExporter", "--to=out.csv"]
    words += [f"--MoodleExporter.worksheet={sheet}", f'--assignment=["{ASSIGNMENT}"]']
    done = nbgrader(course, *words, '--student=["4711", "0042", "4713"]')
    assert done.returncode == 0, done.stderr
    assert "with answers that nobody has graded yet: 1" in done.stderr
    ours = export(ASSIGNMENT, course, "moodle", worksheet=sheet)
    assert (course.directory / "out.csv").read_bytes() == ours.file.read_bytes()


def test_nbgrader_says_in_a_line_what_is_wrong(course: Course) -> None:
    words = ["--exporter=autograder.exporting.CanvasExporter", "--CanvasExporter.gradebook_csv=no"]
    done = nbgrader(course, *words)
    assert done.returncode == 1
    assert "ERROR] no: " in done.stderr and "Traceback" not in done.stderr
    assert list(course.directory.glob("*-canvas.csv")) == []


def test_the_command_says_what_it_wrote(
    course: Course, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    (course.submitted / "4716" / ASSIGNMENT).mkdir(parents=True)
    sheet = written(tmp_path / "Grades.csv", WORKSHEET)
    words = ("export", ASSIGNMENT, "--course", course.directory, "--format", "moodle")
    answer = run(*words, "--worksheet", sheet)
    assert answer.status == 1
    for line in (
        f"{ASSIGNMENT}: 3 marks: {course.reports / ASSIGNMENT / 'marks-moodle.csv'}",
        "with answers that nobody has graded yet: 1",
        "replaced: 4711: 12.00 → 21.5",
        "not in the file: 4716: submitted, but not graded; run `autograder grade perceptron`",
        "nobody's row: Nobody Known: nobody in the roster has this name",
    ):
        assert line in answer.out
    data = json.loads(run(*words, "--worksheet", sheet, "--json").out)
    assert data["marks"] == {"4711": "21.5", "0042": "0.33", "4713": "7.5"}


def test_wrong_use_is_named(course: Course, tmp_path: Path, run: Callable[..., Answer]) -> None:
    sheet = written(tmp_path / "Grades.csv", WORKSHEET)
    with pytest.raises(UsageError, match="--worksheet: not for the format canvas"):
        export(ASSIGNMENT, course, "canvas", worksheet=sheet)
    with pytest.raises(UsageError, match="--scale: not for the format csv"):
        export(ASSIGNMENT, course, "csv", scale=True)
    with pytest.raises(CourseError, match="the file that is filled in; write to another one"):
        export(ASSIGNMENT, course, "moodle", worksheet=sheet, output=sheet)
    assert sheet.read_text() == WORKSHEET
    assert run("export", ASSIGNMENT).status == 2
    answer = run("export", "flying", "--format", "csv", "--course", course.directory)
    assert answer.status == 1 and "unknown assignment 'flying'" in answer.error


def test_of_several_assignments_one_is_asked_for(course: Course) -> None:
    exporter = CsvExporter(config=course.configuration())
    with one_gradebook(course.gradebook_url) as gradebook:
        with transaction(gradebook):
            gradebook.add_assignment("another")
        with pytest.raises(CourseError, match=r"--assignment \(known: another, perceptron\)"):
            exporter.write(gradebook)
        exporter.assignment = ["third"]
        with pytest.raises(CourseError, match="third: no such assignment in the gradebook"):
            exporter.write(gradebook)


def test_without_marks_or_roster_the_remedy_is_named(course: Course) -> None:
    (course.directory / "roster.csv").unlink()
    with pytest.raises(CourseError, match="no roster; run `autograder roster FILE"):
        export(ASSIGNMENT, course, "moodle")
    with one_gradebook(course.gradebook_url) as gradebook, transaction(gradebook):
        for student in SCORES:
            gradebook.remove_submission(ASSIGNMENT, student)
    with pytest.raises(CourseError, match="no marks in the gradebook yet; run `autograder grade"):
        export(ASSIGNMENT, course, "csv")
