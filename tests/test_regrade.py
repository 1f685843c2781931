"""A corrected check: what changes is shown task by task before it is written, people's marks stay.

One class goes through it, by the real command lines: graded with a check that is too strict, looked
at by a person, graded again with the check corrected.
"""

import json
import os
import pty
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder import regrade
from autograder.marks import Entry, TaskGrade, marks
from autograder.regrade import ByHand, Change, Difference, Standing, difference, rows
from benchmarks.project import Project, lay_out
from tests.conftest import ASSIGNMENT, FEW, right_answer
from tests.test_nothing_lost import files, read

WRITTEN = "why_activation"
ANSWERS = {task: right_answer(task) for task in FEW}
CHECK = Path("autograder") / "checks" / ASSIGNMENT / "test_by_hand_descent.py"
RIGHT_LINE = '    """The biases after one step."""\n'
TOO_STRICT = f"{RIGHT_LINE}    raise tools.Mistake('nobody passes')\n"
SUBMITTED: dict[str, tuple[dict[str, str], str | None]] = {
    "ada": (ANSWERS, "It bends."),
    "bea": (ANSWERS, "It bends."),
    "cem": (ANSWERS, None),
    "dan": ({}, "Because."),
    "eva": ({}, None),
    "gus": (ANSWERS, None),
}
POINTS = {"n_parameters": 1.0, "sgd": 2.0, "initial_loss": 1.0}
STRICT = 1.7143
STRICT_SUM = 3.7143
BEFORE = {"ada": 5.2143, "bea": 2.5, "cem": 4.7143, "dan": 2.0, "eva": 0.0, "gus": STRICT_SUM}
AFTER = {"ada": 5.5, "bea": 2.5, "cem": 5.0, "dan": 2.0, "eva": 0.0, "gus": 0.0, "fay": 4.0}

ENDED_EARLY = """
import os, signal, sys
from autograder.course import Course
from autograder.errors import CourseError
from autograder.gradebook import grade_class

def kill(differences):
    if sys.argv[1] == "before the first is written":
        os.kill(os.getpid(), signal.SIGKILL)

def stop(outcome, submissions):
    if outcome.status == "graded" and outcome.difference and outcome.difference.old is not None:
        os.kill(os.getpid(), signal.SIGINT)

try:
    grade_class("perceptron", Course(), progress=stop, show=kill)
except CourseError as error:
    print(error)
"""


@dataclass
class Story:
    """The class, and what each run said and left."""

    project: Project
    before: dict[str, float] = field(default_factory=dict)
    dry_lines: dict[str, dict[str, Any]] = field(default_factory=dict)
    dry_summary: dict[str, Any] = field(default_factory=dict)
    dry_changed: dict[str, Any] = field(default_factory=dict)
    dry_table: str = ""
    killed: dict[str, float] = field(default_factory=dict)
    stopped: dict[str, float] = field(default_factory=dict)
    stopped_said: str = ""
    table: str = ""
    after: dict[str, float] = field(default_factory=dict)
    late_lines: list[dict[str, Any]] = field(default_factory=list)

    def marks(self) -> dict[str, float]:
        return {mark.student: mark.score for mark in marks(self.project.course, ASSIGNMENT)}

    def written(self) -> dict[str, Any]:
        """All that grading writes, but for the results that it keeps."""
        course = self.project.course
        database = course.directory / "gradebook.db"
        found = {str(database): (database.read_bytes(), database.stat().st_mtime_ns)}
        return found | files(course.autograded) | files(course.feedback)


def hand_in(project: Project, student: str, answers: dict[str, str], written: str | None) -> None:
    path = project.submit(student, answers)
    notebook = nbformat.read(path, as_version=4)
    if written is not None:
        [cell] = [cell for cell in notebook.cells if is_written(cell)]
        cell.source = written
    nbformat.write(notebook, path)


def is_written(cell: Any) -> bool:
    return cell.metadata.get("nbgrader", {}).get("grade_id") == WRITTEN


def too_strict(project: Project) -> None:
    file = project.folder / CHECK
    assert RIGHT_LINE in file.read_text()
    file.write_text(file.read_text().replace(RIGHT_LINE, TOO_STRICT))


def correct(project: Project) -> None:
    file = project.folder / CHECK
    file.write_text(file.read_text().replace(TOO_STRICT, RIGHT_LINE))


def give_by_hand(gradebook: Gradebook, student: str, task: str, points: float) -> None:
    """What formgrader does when a person gives points."""
    grade = gradebook.find_grade(task, ASSIGNMENT, ASSIGNMENT, student)
    grade.manual_score = points
    grade.needs_manual_grade = False


def look_at(project: Project) -> None:
    """What a person decides after the first run."""
    with Gradebook(project.course.gradebook_url) as gradebook:
        for student, points in {"ada": 1.5, "bea": 0.0, "dan": 2.0}.items():
            give_by_hand(gradebook, student, WRITTEN, points)
        give_by_hand(gradebook, "bea", "sgd", 0.5)
        comment = gradebook.find_comment(WRITTEN, ASSIGNMENT, ASSIGNMENT, "ada")
        comment.manual_comment = "Well said."
        extra = gradebook.find_grade("n_parameters", ASSIGNMENT, ASSIGNMENT, "cem")
        extra.extra_credit = 1.0
        gradebook.db.commit()


def set_due_date(project: Project, date: datetime) -> None:
    with Gradebook(project.course.gradebook_url) as gradebook:
        gradebook.update_or_create_assignment(ASSIGNMENT, duedate=date)


def dry_run_on_a_terminal(project: Project) -> list[dict[str, Any]]:
    """The lines that come where stdout is no terminal and stderr is one."""
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "autograder", "grade", ASSIGNMENT, "--dry-run", "--json"],
        cwd=project.folder,
        env=project.environment(TERM="xterm"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    for _ in read(ours):
        pass
    out, _ = running.communicate()
    assert running.returncode == 0
    return [json.loads(line) for line in out.splitlines()]


def ended_early(project: Project, when: str, status: int) -> str:
    """What a run says that is killed or stopped, and then has this exit status."""
    command = [sys.executable, "-c", ENDED_EARLY, when]
    environment = project.environment()
    done = subprocess.run(
        command, cwd=project.folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    project = lay_out(tmp_path_factory.mktemp("regrade") / "project", ASSIGNMENT)
    story = Story(project)
    course = project.course
    for student, (answers, written) in SUBMITTED.items():
        hand_in(project, student, answers, written)
    course.submitted.joinpath("gus", ASSIGNMENT, "timestamp.txt").write_text("2026-02-01 09:00 UTC")
    too_strict(project)
    project.run("grade", ASSIGNMENT)
    look_at(project)
    story.before = story.marks()

    correct(project)
    hand_in(project, "dan", {}, "Because, on second thoughts.")
    hand_in(project, "fay", ANSWERS, None)
    with course.config.open("a") as config:
        config.write("c.LateSubmissionPlugin.penalty_method = 'zero'\n")
    set_due_date(project, datetime(2026, 1, 31))
    files_before = story.written()
    *lines, story.dry_summary = dry_run_on_a_terminal(project)
    story.dry_lines = {line["student"]: line for line in lines}
    only = ("--student", "dan", "--student", "bea")
    story.dry_table = project.run("grade", ASSIGNMENT, "--dry-run", *only, COLUMNS="120").stdout
    story.dry_changed = dict(set(story.written().items()) ^ set(files_before.items()))
    ended_early(project, "before the first is written", -signal.SIGKILL)
    story.killed = story.marks()
    story.stopped_said = ended_early(project, "after the first is written", 0)
    story.stopped = story.marks()
    story.table = project.run("grade", ASSIGNMENT, COLUMNS="120").stdout
    story.after = story.marks()

    set_due_date(project, datetime(2026, 2, 28))
    again = project.run("grade", ASSIGNMENT, "--dry-run", "--json").stdout
    story.late_lines = [json.loads(line) for line in again.splitlines()]
    return story


def table(text: str) -> dict[tuple[str, str], str]:
    """What stands behind student and task, spaces made one."""
    words = [line.split() for line in text.splitlines()]
    return {(row[0], row[1]): " ".join(row[2:]) for row in words if len(row) > 2}


def changed_task(line: dict[str, Any], task: str) -> dict[str, Any]:
    [change] = [change for change in line["changes"] if change["task"] == task]
    return dict(change)


def test_a_dry_run_writes_nothing(story: Story) -> None:
    assert story.before == pytest.approx(BEFORE)
    assert story.dry_changed == {}
    assert story.dry_summary["dry_run"] is True
    assert story.dry_summary["graded"] == len(AFTER)


def test_a_dry_run_says_what_a_run_then_writes(story: Story) -> None:
    old = {student: line.get("old_score") for student, line in story.dry_lines.items()}
    new = {student: line["score"] for student, line in story.dry_lines.items()}
    assert new == story.after
    assert new == pytest.approx(AFTER)
    assert old.pop("eva") is None and "changes" not in story.dry_lines["eva"]
    assert old.pop("fay") is None and story.dry_lines["fay"]["changes"] == []
    assert old == pytest.approx({student: BEFORE[student] for student in old})


def test_a_corrected_check_is_seen_task_by_task(story: Story) -> None:
    for student in ("ada", "cem"):
        line = story.dry_lines[student]
        assert line["changes"] == [
            {
                "task": "sgd",
                "old": STRICT,
                "new": POINTS["sgd"],
                "old_automatic": STRICT,
                "new_automatic": POINTS["sgd"],
                "by_hand": None,
                "review": False,
            }
        ]
        assert not line["resubmitted"]


def test_points_that_overrode_a_check_are_named_and_stay(story: Story) -> None:
    change = changed_task(story.dry_lines["bea"], "sgd")
    assert (change["old"], change["new"], change["by_hand"]) == (0.5, 0.5, 0.5)
    assert (change["old_automatic"], change["new_automatic"]) == (STRICT, 2.0)
    assert change["review"]
    for text in (story.dry_table, story.table):
        assert table(text)["bea", "sgd"] == (
            "0.5 0.5 by hand, kept; the checks gave 1.71, now 2: look again"
        )


def test_a_run_prints_the_table_and_then_the_marks(story: Story) -> None:
    found = table(story.table)
    assert found["cem", "sgd"] == "1.71 2"
    assert found["cem", "total"] == "4.71 5 of 50"
    assert found["gus", "(late)"] == "0 -4 penalty"
    assert found["gus", "total"] == "3.71 0 of 50"
    assert story.table.index("look again") < story.table.index("gradebook: ")
    assert ("eva", "total") not in found and ("fay", "total") not in found
    lines = story.table.splitlines()
    assert "marks: 1 higher, 1 lower" in lines and "sgd: 2 higher" in lines
    assert "points by hand to look at again in formgrader: 2" in lines


def test_chosen_students_alone_are_graded(story: Story) -> None:
    students = {student for student, task in table(story.dry_table) if task == "total"}
    assert students == {"bea", "dan"}
    assert story.dry_table.splitlines()[-1].startswith("nothing is written")


def test_a_run_killed_before_it_writes_has_changed_no_mark(story: Story) -> None:
    assert story.killed == story.before | {"fay": 4.0}


def test_a_stopped_run_goes_on_where_it_was(story: Story) -> None:
    assert story.stopped == story.killed | {"ada": 5.5}
    assert story.stopped_said == (
        "stopped: 3 of 7 submissions are graded and in the gradebook, 4 more graded and not yet "
        "written; run the same command again to go on\n"
    )
    assert ("ada", "total") not in table(story.table)


def test_a_new_due_date_alone_is_seen(story: Story) -> None:
    *lines, summary = story.late_lines
    assert summary["stored"] == len(AFTER)
    [line] = [line for line in lines if "changes" in line]
    assert (line["student"], line["changes"]) == ("gus", [])
    assert (line["old_score"], line["score"]) == (0.0, 4.0)
    assert (line["old_late_penalty"], line["late_penalty"]) == (4.0, 0.0)


def test_what_people_gave_stays_and_only_changed_answers_ask_for_another_look(
    story: Story,
) -> None:
    with Gradebook(story.project.course.gradebook_url) as gradebook:
        found = {
            (student, task): gradebook.find_grade(task, ASSIGNMENT, ASSIGNMENT, student)
            for student in ("ada", "bea", "dan")
            for task in (WRITTEN, "sgd")
        }
        points = {key: grade.manual_score for key, grade in found.items()}
        asked = {key for key, grade in found.items() if grade.needs_manual_grade}
        comment = gradebook.find_comment(WRITTEN, ASSIGNMENT, ASSIGNMENT, "ada").comment
    assert points == {
        ("ada", WRITTEN): 1.5,
        ("ada", "sgd"): None,
        ("bea", WRITTEN): 0.0,
        ("bea", "sgd"): 0.5,
        ("dan", WRITTEN): 2.0,
        ("dan", "sgd"): None,
    }
    assert asked == {("dan", WRITTEN), ("bea", "sgd")}
    assert comment == "Well said."
    dan = story.dry_lines["dan"]
    assert dan["resubmitted"] and dan["old_score"] == dan["score"]
    assert changed_task(dan, WRITTEN)["review"]
    row = table(story.dry_table)["dan", WRITTEN]
    assert row == "2 2 by hand, kept; the answer has changed: look again"


def test_nbgrader_keeps_the_points_too_but_asks_for_another_look_at_all(story: Story) -> None:
    before = story.marks()
    story.project.nbgrader("autograde", ASSIGNMENT, "--student=ada", "--force")
    with Gradebook(story.project.course.gradebook_url) as gradebook:
        grade = gradebook.find_grade(WRITTEN, ASSIGNMENT, ASSIGNMENT, "ada")
        assert (grade.manual_score, grade.needs_manual_grade) == (1.5, True)
    assert story.marks() == before


@pytest.mark.parametrize(
    "setting, remedy",
    [("", "as the folder has it"), ("c.CourseDirectory.student_id_exclude = 'zoe'\n", "exclude")],
)
def test_an_unknown_student_is_one_line(story: Story, setting: str, remedy: str) -> None:
    course = story.project.course
    text = course.config.read_text()
    course.config.write_text(text + setting)
    done = story.project.run("grade", ASSIGNMENT, "--student", "zoe", check=False)
    course.config.write_text(text)
    [line] = [line for line in done.stderr.splitlines() if line.startswith("autograder: ")]
    assert done.returncode == 1
    assert f"/zoe/{ASSIGNMENT}: nothing to grade; " in line and remedy in line


# ---- differences --------------------------------------------------------------------------------


def standing(
    tasks: dict[str, TaskGrade], by_hand: dict[str, ByHand] | None = None, **handed_in: str
) -> Standing:
    return Standing(Entry("ada", False, 0.0, tasks), by_hand or {}, handed_in)


def grade(score: float, automatic: float | None, *, waits: bool = False) -> TaskGrade:
    return TaskGrade(automatic, score, 4.0, waits, None)


def only_change(before: Standing, after: Standing) -> Change:
    found = difference(before, after)
    assert found is not None
    [change] = found.changes
    return change


def test_equal_standings_differ_in_nothing() -> None:
    tasks = {"total": grade(1 / 3, 1 / 3), "why": grade(0, None, waits=True)}
    rounded = {"total": grade(0.33333, 0.33333), "why": grade(0, None, waits=True)}
    by_hand = {"total": ByHand(1.0, settled=True)}
    assert difference(standing(tasks, why="a"), standing(rounded, why="b")) is None
    assert difference(standing(tasks, by_hand, why="a"), standing(tasks, by_hand, why="a")) is None


def test_an_answer_that_comes_late_waits_for_a_person() -> None:
    before, after = grade(0, 0.0), grade(0, None, waits=True)
    change = only_change(standing({"why": before}, why=""), standing({"why": after}, why="a"))
    assert (change.old, change.new, change.review) == (0, None, False)


def test_points_by_hand_are_looked_at_again_where_the_code_is_another() -> None:
    tasks, by_hand = {"total": grade(3, 0.0)}, {"total": ByHand(3.0, settled=True)}
    change = only_change(standing(tasks, by_hand, a="1"), standing(tasks, by_hand, a="2"))
    assert change.review
    found = difference(standing(tasks, by_hand, a="1"), standing(tasks, by_hand, a="2"))
    assert found is not None and found.resubmitted
    assert next(rows(found))[2:] == ("3", "3", "by hand, kept; handed in again: look again")
    found = difference(standing(tasks, by_hand), standing(tasks, by_hand, a="2"))
    assert found is not None and not found.resubmitted  # as far as is known
    assert next(rows(found))[2:] == ("3", "3", "by hand, kept: look again")


def test_tasks_come_and_go() -> None:
    before, after = standing({"old": grade(1, 1.0)}), standing({"new": grade(2, 2.0)})
    found = difference(before, after)
    assert found is not None
    assert [(each.task, each.old, each.new) for each in found.changes] == [
        ("old", 1, None),
        ("new", None, 2),
    ]


def test_what_is_told_of_a_class() -> None:
    changes = [Change("marks", old, new, None, None) for old, new in PAIRS]
    found = [
        Difference("ada", None, 3.0, 8.0),
        Difference("b\x1b[31m", 3.0, 2.0, 8.0, changes=tuple(changes)),
    ]
    assert regrade.summary(found) == [
        "marks: 1 new, 1 lower",
        "marks: 1 new, 1 open, 1 higher, 1 lower",
    ]
    assert list(rows(found[0])) == [("ada", "total", "none", "3 of 8", "")]
    assert "\x1b" not in "".join("".join(row) for row in rows(found[1]))


PAIRS: list[tuple[float | None, float | None]] = [(None, 1), (1, None), (1, 2), (2, 1), (2, 2)]
