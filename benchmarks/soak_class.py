"""A class as it may come in: right, wrong, raising, slow, late, unreadable, some of it hostile.

Some of the students handed in before: that was graded, and a person gave marks for it by hand,
which must stay when the new work is graded.
"""

import json
import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from nbgrader.api import Gradebook

from autograder.course import write_atomically
from benchmarks.project import ANSWERS, Project
from benchmarks.submissions import Generated, quick_class

TASKS = list(ANSWERS)
WRITTEN = "explanation"
QUESTION = f'\n+++ {{"written": "{WRITTEN}", "points": 5}}\n\nYOUR ANSWER HERE\n\n+++\n'
DUE = datetime(2026, 3, 2, 12)
PENALTY = '\nc.LateSubmissionPlugin.penalty_method = "zero"\n'
UNREADABLE = (b"", b"dear teacher, see the attachment", b'{"nbformat": 4, "cells": [{"cell_ty')

SLOW = f"import time\n\n\n{ANSWERS['cross_entropy']}\n\n\ntime.sleep(0.5)"
ENDLESS = "def softmax(Z):\n    while True:\n        pass"
EXITS = "import os\n\n\ndef accuracy(Z, labels):\n    os._exit(0)"
CRASHES = "import ctypes\n\n\ndef linear_forward(x, W, b):\n    return ctypes.string_at(0)"
FLOODS = "print('x' * 10**6)\nfor number in range(10**4):\n    print(number)"
LINGERS = "import subprocess\n\nsubprocess.Popen(['sleep', '1000'], start_new_session=True)"
READS = (
    "from pathlib import Path\n\n[file.read_bytes() for file in Path('/').glob('*/gradebook.db')]"
)
LIES = (
    "class Equal(float):\n    __eq__ = lambda self, other: True\n\n\n"
    "def cross_entropy(P, labels):\n    return Equal(0)"
)
ODDITIES: tuple[tuple[dict[str, str], tuple[str, ...]], ...] = (
    ({"cross_entropy": SLOW}, ()),
    ({"accuracy": EXITS}, ()),
    ({}, (LINGERS,)),
    ({"linear_forward": CRASHES}, (FLOODS,)),
    ({"cross_entropy": LIES}, (READS,)),
)
KINDS = {"ordinary": 84, "odd": 10, "endless": 1, "unreadable": 5}
SURE = ("odd", "unreadable")


def ask_for_prose(project: Project) -> None:
    """Add a written answer to the assignment, and build it again."""
    sheet = project.folder / "exercises" / project.assignment / f"{project.assignment}.md"
    sheet.write_text(sheet.read_text() + QUESTION)
    project.run("build", project.assignment)


def hand_in(project: Project, number: int, seed: int) -> None:
    """Grade what a few have handed in earlier, by hand too; then so many students hand in."""
    draw = random.Random(seed)
    students = quick_class(number, seed)
    earlier = students[: 1 + number // 20]
    for one in earlier:
        project.submit(one.student, {"accuracy": ANSWERS["accuracy"]})
        _explain(project, one.student, "an earlier answer")
    config = project.course.config
    config.write_text(config.read_text() + PENALTY)
    project.run("grade", project.assignment)
    _mark_by_hand(project, [one.student for one in earlier], draw)
    for one, kind in zip(students, _kinds(number, draw), strict=True):
        _submit(project, one, kind, draw)


def _kinds(number: int, draw: random.Random) -> list[str]:
    """The kind of each submission; those handed in again are ordinary."""
    again = 1 + number // 20
    drawn = draw.choices(list(KINDS), list(KINDS.values()), k=number)
    rest = [*SURE, *drawn][: number - again]
    draw.shuffle(rest)
    return ["ordinary"] * again + rest


def _submit(project: Project, one: Generated, kind: str, draw: random.Random) -> None:
    cells, extra = dict(one.cells_by_task), one.extra_cells
    if kind == "odd":
        changed, more = draw.choice(ODDITIES)
        cells, extra = cells | changed, (*extra, *more)
    if kind == "endless":
        cells["softmax"] = ENDLESS
    content = draw.choice(UNREADABLE) if kind == "unreadable" else cells
    path = project.submit(one.student, content, extra)
    if kind != "unreadable" and draw.random() < 0.7:
        _explain(project, one.student, f"because {draw.random()}")
    if draw.random() < 0.7:
        handed_in = DUE + timedelta(minutes=draw.randrange(-900, 600))
        path.with_name("timestamp.txt").write_text(f"{handed_in} UTC\n")


def _explain(project: Project, student: str, words: str) -> None:
    """Put a written answer into a submission."""
    name = f"{project.assignment}.ipynb"
    path = project.course.submitted / student / project.assignment / name
    notebook = json.loads(path.read_bytes())
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == WRITTEN:
            cell["source"] = words
    write_atomically(path, json.dumps(notebook))


def _mark_by_hand(project: Project, students: Sequence[str], draw: random.Random) -> None:
    """What a person does in formgrader: marks, extra credit and comments; and the due date."""
    with Gradebook(project.course.gradebook_url) as gradebook:
        gradebook.update_or_create_assignment(project.assignment, duedate=DUE)
        for student in students:
            where = (project.assignment, project.assignment, student)
            grade = gradebook.find_grade(draw.choice(TASKS), *where)
            grade.manual_score, grade.extra_credit = draw.randrange(3), draw.randrange(2)
            gradebook.find_grade(WRITTEN, *where).manual_score = draw.randrange(1, 5)
            gradebook.find_comment(WRITTEN, *where).manual_comment = f"seen, {student}"
        gradebook.db.commit()
