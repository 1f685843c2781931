"""Grading one notebook, whatever students did to its cells."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell

from autograder import grading
from autograder.assignment import Task
from autograder.checking import forbidden_calls, result, run_checks
from autograder.errors import CourseError, UsageError
from autograder.grading import grade_notebook
from autograder.sandbox import Limits
from autograder.student import LocalChannel, Student
from autograder.submission import Submission
from tests.small_course import (
    ANSWERS,
    CHECKS,
    SECRET,
    STUBS,
    SmallAssignment,
    graded,
    runs,
    small_assignment,
    task_of,
    verdicts,
    write_notebook,
)

FULL = dict.fromkeys(ANSWERS, ("correct", 4.0))


@pytest.fixture
def small(tmp_path: Path) -> SmallAssignment:
    return small_assignment(tmp_path)


def no_grade(source: str) -> Any:
    return new_code_cell(source, metadata={"tags": ["no-grade"]})


UNTIDY: list[Any] = [
    "result = double(torch.ones(2))",  # before what it needs
    STUBS["total"],
    "def double(x):\n    return -x",  # an earlier try
    "assert False, 'a visible check that failed'",
    "def double(x):\n    return scale(x, FACTOR)",  # its parts stand in other cells
    "FACTOR = TWO * 1.0 if False else TWO",
    "def scale(x, factor):\n    return x * factor",
    no_grade("TWO = ONE + ONE"),
    no_grade("ONE = 1"),
    no_grade("import os\nos._exit(1)  # training, which nothing needs"),
    "import warnings, sys\nwarnings.warn('old')\nprint('broken', file=sys.stderr)",
    "def total(x):\n    warnings.warn('old')\n    print(1)\n    sys.stderr.write('x')\n    "
    "return numpy.asarray(x).sum()",
    STUBS["double"],  # the release's cell once more, at the end
    "number = 41",
    "%matplotlib inline\n!rm -rf /\nnumber = 42\nnumber",
    "number = None",
    "import numpy, torch\nfrom lab import *\nopen('data.csv').read()",
]


def test_cells_in_any_order_and_number_get_full_marks_twice(small: SmallAssignment) -> None:
    first = graded(small, UNTIDY)
    assert verdicts(first) == FULL
    assert first.score == first.max_score == 12
    assert first.isolation == "bubblewrap"
    assert [note for note in first.notes if "AssertionError" in note]
    assert graded(small, UNTIDY) == first


def test_the_release_gets_nothing_and_runs_nothing(small: SmallAssignment) -> None:
    report = graded(small, list(STUBS.values()), Limits(start_wall=0))
    assert verdicts(report) == dict.fromkeys(STUBS, ("unanswered", 0.0))
    assert runs(small) == []


def test_what_fails_in_one_task_does_not_touch_the_others(small: SmallAssignment) -> None:
    cells = [
        "import os",
        "def double(x):\n    while True:\n        pass",
        "1 / 0\nnumber = 42",  # the definitions of a cell that fails still count, values do not
        "while True:\n    pass",
        ANSWERS["total"],
    ]
    report = graded(small, cells)
    assert verdicts(report) == {
        "double": ("timeout", 0.0),
        "total": ("correct", 4.0),
        "number": ("error", 0.0),
    }
    assert runs(small) == ["doubles", "total"]  # no second check of a task that had to be ended
    assert "1 seconds of processor time" in task_of(report, "double").hints[0]
    assert "ZeroDivisionError" in task_of(report, "number").failures[0].message
    assert "code cell 4: the answer used more than 1 seconds" in "\n".join(report.notes)


def test_the_end_of_the_process_costs_only_the_task_that_ended_it(small: SmallAssignment) -> None:
    cells = [
        "import os\ndef double(x):\n    os._exit(0)",
        "def total(x):\n    return x.sum(",
        ANSWERS["number"],
    ]
    report = graded(small, cells)
    assert verdicts(report) == {
        "double": ("crashed", 0.0),
        "total": ("error", 0.0),
        "number": ("correct", 4.0),
    }
    assert "SyntaxError" in task_of(report, "total").failures[0].message


def test_partial_and_missing_answers_and_numbers_without_value(small: SmallAssignment) -> None:
    cells = ["def double(x):\n    return 2.0 * x", "number = 7\nnumber = None if number else 0"]
    report = graded(small, cells)
    assert verdicts(report) == {
        "double": ("partial", 3.0),
        "total": ("missing", 0.0),
        "number": ("unanswered", 0.0),
    }
    [failure] = task_of(report, "double").failures
    assert failure.message == "double(x) must keep the dtype"
    assert "define total in any cell" in task_of(report, "total").hints[0]


def test_a_check_that_falls_over_an_answer_costs_the_check_and_is_told(
    small: SmallAssignment,
) -> None:
    unfinished = "def total(x):\n    raise NotImplementedError('later')"
    cells = ["def double(x):\n    return 'text'", unfinished, ANSWERS["number"]]
    report = graded(small, cells)
    assert verdicts(report) == {
        "double": ("wrong", 0.0),
        "total": ("unanswered", 0.0),
        "number": ("correct", 4.0),
    }
    assert "another form" in task_of(report, "double").failures[1].message
    assert "AttributeError" in report.notes[0]


def test_forbidden_calls_cost_the_task_and_nothing_else(small: SmallAssignment) -> None:
    cells = [
        "import torch\nfrom torch import cumsum as running",
        "def last(x):\n    return running(x, 0)[-1]",
        "def total(x):\n    return last(x)",
        ANSWERS["double"],
        "number = running(torch.tensor([20, 22]), 0)[-1]",
    ]
    report = graded(small, cells)
    assert verdicts(report) == FULL | {"total": ("forbidden", 0.0)}
    assert "torch.cumsum" in task_of(report, "total").failures[0].message


def test_format_four_point_zero_with_half_a_surrogate_pair_and_deep_nesting(
    small: SmallAssignment, tmp_path: Path
) -> None:
    deep = "x = " + "-" * 2000 + "1"
    sources = ["text = '\ud800'", deep, *ANSWERS.values()]
    cell: dict[str, Any] = {"cell_type": "code", "metadata": {}, "outputs": []}
    cells = [cell | {"execution_count": None, "source": [source]} for source in sources]
    path = tmp_path / "old.ipynb"
    notebook = {"nbformat": 4, "nbformat_minor": 0, "metadata": {}, "cells": cells}
    path.write_text(json.dumps(notebook))
    report = grade_notebook(Submission.read(path), small, secret=SECRET)
    assert verdicts(report) == FULL
    assert any("nested too deeply" in note for note in report.notes)


# -- the clock ------------------------------------------------------------------------------------


def test_what_the_clock_ended_is_tried_once_more(small: SmallAssignment) -> None:
    cells = ["import time\ndef double(x):\n    time.sleep(100)"]
    report = graded(small, cells, Limits(call_wall=1))
    assert task_of(report, "double").status == "timeout"
    assert "within 1 seconds" in task_of(report, "double").hints[0]
    assert runs(small) == ["doubles"] * 2


def test_a_second_try_waits_until_nobody_else_grades() -> None:
    events = []

    def alone() -> None:
        with grading._turn(alone=True):
            events.append("alone")

    second_try = threading.Thread(target=alone)
    with grading._turn(alone=False), grading._turn(alone=False):
        second_try.start()
        second_try.join(0.2)
        events.append("others have ended")
    second_try.join()
    assert events == ["others have ended", "alone"]


# -- what cannot be graded ------------------------------------------------------------------------


def test_another_assignment_is_refused(small: SmallAssignment, tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "other.ipynb", [], course={"assignment": "attention"})
    with pytest.raises(CourseError, match=r"other\.ipynb: .*'attention', not of 'small'"):
        grade_notebook(Submission.read(path), small, secret=SECRET)


def test_unknown_choices_are_refused(small: SmallAssignment) -> None:
    with pytest.raises(UsageError, match="choose bubblewrap or process"):
        graded(small, [], isolation="docker")
    with pytest.raises(UsageError, match="choose cpu or cuda"):
        graded(small, [], device="tpu")


def test_a_task_without_a_check_is_a_mistake_of_ours() -> None:
    with pytest.raises(CourseError, match="task nothing has no hidden check"):
        result(Task("nothing", 1, "function", ""), [])


@pytest.mark.parametrize("mistake", ["import nowhere_to_be_found", "def test_x():\n    pass"])
def test_checks_that_cannot_be_run_are_named(tmp_path: Path, mistake: str) -> None:
    small = small_assignment(tmp_path, checks=f"{CHECKS}\n\n{mistake}\n")
    with pytest.raises(CourseError, match=f"{small.checks.name}.* cannot be"):
        forbidden_calls(small)
        run_checks(small, Student(LocalChannel({})), list(ANSWERS), secret=SECRET)


def test_the_report_says_that_nothing_was_isolated(small: SmallAssignment) -> None:
    report = graded(small, [ANSWERS["number"]], isolation="process")
    assert report.isolation == "process"
    assert task_of(report, "number").status == "correct"
