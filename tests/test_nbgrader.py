"""nbgrader's own commands in our course folder: what it does wrong by itself is right here."""

import copy
import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI
from nbgrader.apps.nbgraderapp import NbGraderApp
from nbgrader.utils import determine_grade, is_grade, is_solution

from autograder.assignment import Assignment
from autograder.build import build
from autograder.checking import check_files
from autograder.course import Course
from autograder.gradebook import grade_class
from autograder.marks import marks
from autograder.preprocessor import LOST, restored
from tests.conftest import ASSIGNMENT, FEW, ClassOfStudents
from tests.test_nothing_lost import files

BY_NBGRADER = ("noisy", "summed", "untouched")
CACHES = ("reports", "autograded", "feedback", "gradebook.db")


def nbgrader(course: Course, *words: str) -> subprocess.CompletedProcess[str]:
    """One of nbgrader's commands, run in the course folder."""
    return subprocess.run(
        [sys.executable, "-m", "nbgrader", *words],
        cwd=course.directory,
        capture_output=True,
        text=True,
        check=False,
    )


def scores(course: Course) -> dict[str, float]:
    return {mark.student: mark.score for mark in marks(course, ASSIGNMENT)}


def graded_copy(course: Course, student: str) -> NotebookNode:
    path = course.autograded / student / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    return nbformat.read(path, as_version=4)


@pytest.fixture(scope="module")
def by_nbgrader(
    graded_class: ClassOfStudents, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Course, subprocess.CompletedProcess[str]]:
    """The same class, graded by `nbgrader autograde` from nothing but the submissions."""
    folder = tmp_path_factory.mktemp("nbgrader") / "course"
    course = graded_class.copy(folder, without=(*CACHES, "full", "mangled", "few"))
    for name in ("source", "release"):
        assert (course.build / name / ASSIGNMENT).is_dir()
    shared = files(graded_class.course.release)
    build_again = nbgrader(course, "generate_assignment", ASSIGNMENT, "--force")
    assert build_again.returncode == 0, build_again.stderr
    assert files(graded_class.course.release) == shared
    return course, nbgrader(course, "autograde", ASSIGNMENT)


def test_nbgrader_gives_the_same_marks(
    by_nbgrader: tuple[Course, subprocess.CompletedProcess[str]], graded_class: ClassOfStudents
) -> None:
    course, command = by_nbgrader
    ours = scores(graded_class.course)
    theirs = scores(course)
    assert theirs == {name: ours[name] for name in BY_NBGRADER} | {"cut": 0}
    assert command.returncode == 1
    assert "There was an error processing assignment" in command.stderr


def test_nbgrader_exports_the_same_marks(
    by_nbgrader: tuple[Course, subprocess.CompletedProcess[str]], graded_class: ClassOfStudents
) -> None:
    course, _ = by_nbgrader
    ours = scores(graded_class.course)
    assert exported(course) == {name: ours[name] for name in BY_NBGRADER} | {"cut": 0}


def exported(course: Course) -> dict[str, float]:
    """The scores that `nbgrader export` writes."""
    assert nbgrader(course, "export").returncode == 0
    with (course.directory / "grades.csv").open() as file:
        return {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}


def test_nbgrader_writes_our_feedback_pages(
    by_nbgrader: tuple[Course, subprocess.CompletedProcess[str]], graded_class: ClassOfStudents
) -> None:
    course, _ = by_nbgrader
    assert nbgrader(course, "generate_feedback", ASSIGNMENT).returncode == 0
    for student in BY_NBGRADER:
        place = Path("feedback") / student / ASSIGNMENT / f"{ASSIGNMENT}.html"
        ours = graded_class.course.directory / place
        assert (course.directory / place).read_text() == ours.read_text()


LATE = """
from nbgrader.plugins import LateSubmissionPlugin


class PointADay(LateSubmissionPlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return total_seconds_late / 86400


c.AssignLatePenalties.plugin_class = PointADay
"""


def test_late_work_costs_what_the_course_says(
    graded_class: ClassOfStudents, tmp_path: Path
) -> None:
    course = graded_class.copy(tmp_path / "course", without=("cut",))
    full = scores(course)
    with course.config.open("a") as config:
        config.write(LATE)
    for student, day in {"full": "10", "few": "12", "summed": "12"}.items():
        folder = course.submitted / student / ASSIGNMENT
        (folder / "timestamp.txt").write_text(f"2026-01-{day} 09:00:00 UTC")
    set_due_date(course, "2026-01-10 09:00:00 UTC")
    with Gradebook(course.gradebook_url) as gradebook:
        gradebook.grant_extension(ASSIGNMENT, "summed", days=1)
        names = ("why_activation", ASSIGNMENT, ASSIGNMENT, "few")
        gradebook.find_comment(*names).manual_comment = "Late, but <good>."
        gradebook.db.commit()
    grade_class(ASSIGNMENT, course)
    assert penalties(course) == {"few": 2, "summed": 1}
    assert scores(course) == full | {"few": full["few"] - 2, "summed": full["summed"] - 1}
    page = course.feedback / "few" / ASSIGNMENT / f"{ASSIGNMENT}.html"
    ours = page.read_text()
    assert "2 points were taken off because the work came late" in ours
    assert "Late, but &lt;good&gt;." in ours
    assert nbgrader(course, "generate_feedback", ASSIGNMENT, "--force").returncode == 0
    assert page.read_text() == ours
    assert exported(course) == scores(course)

    # What is graded already follows a new due date.
    set_due_date(course, "2026-01-11 09:00:00 UTC")
    graded = grade_class(ASSIGNMENT, course)
    assert {outcome.status for outcome in graded.outcomes} == {"stored"}
    assert penalties(course) == {"few": 1}
    assert "1 point was taken off" in page.read_text()


def set_due_date(course: Course, date: str) -> None:
    done = nbgrader(course, "db", "assignment", "add", ASSIGNMENT, f"--duedate={date}")
    assert done.returncode == 0, done.stderr


def penalties(course: Course) -> dict[str, float]:
    found = {mark.student: mark.late_penalty for mark in marks(course, ASSIGNMENT)}
    return {student: penalty for student, penalty in found.items() if penalty}


def test_the_formgrader_button_gives_the_same_mark(
    graded_class: ClassOfStudents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    course = graded_class.copy(tmp_path / "course", without=CACHES)
    build([ASSIGNMENT], Course(course.directory, tmp_path / "build"))
    monkeypatch.chdir(course.directory)
    app = NbGraderApp()
    app.initialize([])
    result = NbGraderAPI(app.coursedir, parent=app).autograde(ASSIGNMENT, "summed")
    app.clear_instance()
    for process in psutil.Process().children():
        if "autograder.graders" in process.cmdline():
            process.kill()  # which in a server would wait for the next submission
            process.wait()
    assert result["success"], result.get("log")
    assert scores(course) == {"summed": scores(graded_class.course)["summed"]}


def test_warnings_numbers_and_saved_outputs_cost_and_give_nothing(
    graded_class: ClassOfStudents,
) -> None:
    points = scores(graded_class.course)
    tasks = Assignment.load(ASSIGNMENT).tasks
    assert points["full"] == sum(task.points for task in tasks if task.kind != "written")
    assert points["few"] == sum(task.points for task in tasks if task.name in FEW)
    assert points["noisy"] == points["few"]
    assert points["untouched"] == 0


def test_tasks_are_found_wherever_the_student_put_them(graded_class: ClassOfStudents) -> None:
    points = scores(graded_class.course)
    assert points["mangled"] == points["few"]


@pytest.mark.parametrize("student", ["full", "mangled", "noisy", "untouched"])
def test_a_graded_copy_has_one_number_in_each_graded_cell(
    graded_class: ClassOfStudents, student: str
) -> None:
    notebook = graded_copy(graded_class.course, student)
    tasks = {task.name: task for task in Assignment.load(ASSIGNMENT).tasks}
    graded = [cell for cell in notebook.cells if is_grade(cell)]
    assert sorted(cell.metadata.nbgrader.grade_id for cell in graded) == sorted(tasks)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        kinds = [output.output_type for output in cell.outputs]
        assert kinds == (["display_data", "execute_result"] if is_grade(cell) else [])
        if is_grade(cell):
            score, maximum = determine_grade(cell)
            assert maximum == tasks[cell.metadata.nbgrader.grade_id].points
            assert 0 <= score <= maximum


def test_nothing_hidden_is_in_graded_copies_and_feedback(
    graded_class: ClassOfStudents, released: NotebookNode, solved: NotebookNode
) -> None:
    checks = [file.read_text() for file in check_files(Assignment.load(ASSIGNMENT))]
    lines = {line.strip() for source in checks for line in source.splitlines()}
    known = "\n".join([*sources(released), *sources(solved)])
    hidden = {line for line in lines if len(line) > 40 and '"""' not in line and line not in known}
    assert len(hidden) > 50
    course = graded_class.course
    files = [file for folder in (course.autograded, course.feedback) for file in folder.rglob("*")]
    texts = [file.read_text() for file in files if file.suffix in (".html", ".ipynb")]
    assert len(texts) == 2 * (len(graded_class.submitted) - 1)
    for text in texts:
        shown = {json.dumps(line)[1:-1] for line in hidden} | hidden
        assert not [line for line in shown if line in text]


def test_student_files_are_never_written_to(graded_class: ClassOfStudents) -> None:
    for student, notebook in graded_class.submitted.items():
        path = graded_class.course.submitted / student / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
        content = notebook if isinstance(notebook, bytes) else nbformat.writes(notebook).encode()
        assert path.read_bytes() == content


def test_scripts_of_a_student_do_not_reach_the_formgrader(
    graded_class: ClassOfStudents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nbconvert.exporters import HTMLExporter

    monkeypatch.chdir(graded_class.course.directory)
    app = NbGraderApp()
    app.initialize([])
    app.clear_instance()
    script = "<script>alert(1)</script>"
    notebook = new_notebook(cells=[new_markdown_cell(f"An answer {script}")])
    protected, _ = HTMLExporter(config=app.config).from_notebook_node(notebook)
    unprotected, _ = HTMLExporter().from_notebook_node(notebook)
    assert script in unprotected
    assert script not in protected


def test_without_our_plug_in_nothing_of_a_student_is_run(
    graded_class: ClassOfStudents, tmp_path: Path
) -> None:
    course = graded_class.copy(tmp_path / "course", without=CACHES)
    broken = tmp_path / "autograder"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('not installed')\n")
    mark = tmp_path / "was-here"
    notebook = new_notebook(cells=[new_code_cell(f"open({str(mark)!r}, 'w').close()")])
    for student in list(graded_class.submitted):
        path = course.submitted / student / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
        path.write_text(nbformat.writes(notebook))
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "nbgrader", "autograde", ASSIGNMENT]
    status = subprocess.run(
        command, cwd=course.directory, env=environment, capture_output=True, check=False
    )
    assert status.returncode != 0
    assert not mark.exists()


# ---- the graded cells of a copy -----------------------------------------------------------------


def master(name: str, source: str, written: bool = False) -> NotebookNode:
    metadata = {"grade_id": name, "grade": True, "solution": written, "locked": not written}
    new_cell = new_markdown_cell if written else new_code_cell
    return new_cell(source, metadata={"nbgrader": metadata | {"points": 2, "checksum": "0"}})


MASTERS = {
    "first": master("first", "check(1)"),
    "why": master("why", "YOUR ANSWER HERE", written=True),
    "second": master("second", "check(2)"),
}


def sources(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells]


def test_lost_cells_come_back_in_order() -> None:
    notebook = new_notebook(cells=[new_code_cell("x = 1"), copy.deepcopy(MASTERS["why"])])
    notebook.cells[1].source = "Because."
    assert sources(restored(notebook, MASTERS)) == ["check(1)", "x = 1", "Because.", "check(2)"]


def test_all_cells_can_be_lost() -> None:
    back = restored(new_notebook(), MASTERS)
    assert sources(back) == ["check(1)", f"{LOST}\n\nYOUR ANSWER HERE", "check(2)"]
    nbformat.validate(back)


def test_of_two_written_cells_the_answered_one_counts() -> None:
    answered, untouched = copy.deepcopy(MASTERS["why"]), copy.deepcopy(MASTERS["why"])
    answered.source = "Because."
    back = restored(new_notebook(cells=[answered, untouched]), MASTERS)
    [counted] = [cell for cell in back.cells if is_solution(cell)]
    assert counted.source == "Because."


def test_an_edited_check_is_replaced_and_claims_of_points_are_dropped() -> None:
    edited = copy.deepcopy(MASTERS["first"])
    edited.source = "pass"
    edited.metadata.nbgrader.points = 1000
    extra = master("first of another course", "pass")
    back = restored(new_notebook(cells=[edited, extra]), MASTERS)
    assert [cell.metadata.nbgrader.points for cell in back.cells if is_grade(cell)] == [2, 2, 2]
    assert back.cells[0].source == "check(1)"


@pytest.mark.parametrize("metadata", ["text", 3, None, [], {"grade_id": ["first"]}])
def test_malformed_metadata_is_dropped(metadata: object) -> None:
    cell = new_code_cell("x = 1", metadata={"nbgrader": metadata})
    back = restored(new_notebook(cells=[cell]), MASTERS)
    assert "x = 1" in sources(back)
    nbformat.validate(back)


def test_only_pictures_stay_attached() -> None:
    cell = copy.deepcopy(MASTERS["why"])
    cell.source = "![](plot.png)"
    cell.attachments = {
        "plot.png": {"image/png": "aGVsbG8=", "text/html": "<script>", "image/jpeg": '" onload='},
        "list": ["image/png"],
    }
    notebook = new_notebook()
    notebook.cells = [cell]
    back = restored(notebook, MASTERS)
    [kept] = [cell for cell in back.cells if is_solution(cell)]
    assert kept.attachments == {"plot.png": {"image/png": "aGVsbG8="}}
