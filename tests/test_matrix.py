"""Every answer that the checks exist for gets its verdict, in process and in the sandbox alike."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from autograder import syntax
from autograder.assignment import Assignment, Task, known
from autograder.checking import forbidden_calls
from autograder.notebook import NotebookChannel
from autograder.solve import answer
from autograder.student import LocalChannel, Student
from tests import wrong_answers
from tests.matrix import (
    fingerprint,
    graded,
    local_student,
    reference_namespace,
    sandboxed_notebook,
    variant_name,
    variants_of,
    verdict_problem,
)

WRONG_ANSWERS = 5
CORRECT_STYLES = 2
MOST_FOR_ZEROS = 0.55  # of the points, for an answer that puts zeros into its arguments first

ASSIGNMENTS = {name: Assignment.load(name) for name in known()}
TASKS = [
    pytest.param(assignment, task, id=f"{name}-{task.name}")
    for name, assignment in ASSIGNMENTS.items()
    for task in assignment.tasks
    if task.kind != "written"
]
QUICK_FUNCTIONS = [
    pytest.param(assignment, task, id=f"{name}-{task.name}")
    for name, assignment in ASSIGNMENTS.items()
    for task in assignment.tasks
    if task.kind == "function" and task.name != "train_open_model"  # which takes half a minute
]
every_task = pytest.mark.parametrize(("assignment", "task"), TASKS)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Callable[[Assignment], NotebookChannel]]:
    """One notebook an assignment in the sandbox, with all its variants, once it is asked for."""
    channels: dict[str, NotebookChannel] = {}

    def notebook_of(assignment: Assignment) -> NotebookChannel:
        if assignment.name not in channels:
            tasks = [task.name for task in assignment.tasks]
            variants = [variant for task in tasks for variant in variants_of(assignment, task)]
            channels[assignment.name] = sandboxed_notebook(assignment, variants)
        return channels[assignment.name]

    yield notebook_of
    for channel in channels.values():
        channel.close()


@every_task
def test_reference_gets_full_marks(
    assignment: Assignment, task: Task, sandbox: Callable[[Assignment], NotebookChannel]
) -> None:
    local = graded(assignment, task.name, local_student(reference_namespace(assignment)))
    assert (local.status, local.score) == ("correct", task.points), local.failures
    assert graded(assignment, task.name, Student(sandbox(assignment))) == local


@pytest.mark.parametrize(("assignment", "task"), QUICK_FUNCTIONS)
def test_an_answer_that_spoils_its_arguments_wins_nothing(
    assignment: Assignment, task: Task
) -> None:
    """What an answer writes into its arguments is written back: is it judged by what it wrote?

    And what is kept for the next student, is it spoiled as well?
    """
    reference = reference_namespace(assignment)
    overwritten: list[np.ndarray | torch.Tensor] = []

    @functools.wraps(reference[task.name])
    def right_for_zeros(*args: Any, **kwargs: Any) -> Any:
        given = [*args, *kwargs.values()]
        for array in arrays_in(given):
            torch.as_tensor(array).detach().zero_()
            overwritten.append(array)
        try:
            return reference[task.name](*args, **kwargs)
        finally:
            empty(given)

    verdict = graded(assignment, task.name, local_student(reference | {task.name: right_for_zeros}))
    assert verdict.score <= MOST_FOR_ZEROS * verdict.points or not overwritten
    assert graded(assignment, task.name, local_student(reference)).status == "correct"


def arrays_in(part: Any) -> list[np.ndarray | torch.Tensor]:
    """Arrays and tensors, also those in a list or dict."""
    if isinstance(part, np.ndarray | torch.Tensor):
        return [part]
    return [array for each in parts_of(part) for array in arrays_in(each)]


def empty(part: Any) -> None:
    """Leave nothing in lists and dicts that hold no arrays, also those in a list or dict."""
    for each in parts_of(part):
        empty(each)
    if isinstance(part, list | dict) and not arrays_in(part):
        part.clear()


def parts_of(part: Any) -> list[Any]:
    """What a list, tuple or dict holds; nothing else holds anything."""
    if isinstance(part, dict):
        return list(part.values())
    return list(part) if isinstance(part, list | tuple) else []


@every_task
def test_stub_fails_every_check_by_not_being_implemented(
    assignment: Assignment, task: Task
) -> None:
    if task.kind == "number":
        pytest.skip("a number that is still None is settled before any check runs")
    # What given __init__s use, and the tasks that a check of another one calls.
    namespace = {"torch": torch, "nn": torch.nn, "np": np, **reference_namespace(assignment)}
    exec("from __future__ import annotations\n" + task.stub, namespace)
    verdict = graded(assignment, task.name, Student(LocalChannel(namespace)))
    assert (verdict.status, verdict.score) == ("unanswered", 0)


@every_task
def test_variants_get_their_verdicts_in_process_and_in_the_sandbox(
    assignment: Assignment, task: Task, sandbox: Callable[[Assignment], NotebookChannel]
) -> None:
    namespace = reference_namespace(assignment)
    problems, ways_to_fail, styles = [], set(), 0
    for variant in variants_of(assignment, task.name):
        local = graded(assignment, task.name, local_student(namespace, variant))
        if problem := verdict_problem(variant, local):
            problems.append(f"{variant.name}: {problem}")
        renamed = Student(sandbox(assignment), {task.name: variant_name(variant)})
        sandboxed = graded(assignment, task.name, renamed)
        if sandboxed != local:
            problems.append(f"{variant.name}: {sandboxed} in the sandbox, {local} in process")
        if variant.correct:
            styles += 1
        else:
            ways_to_fail.add(fingerprint(local))
    assert not problems, "\n".join(problems)
    if task.kind != "number":
        assert len(ways_to_fail) >= WRONG_ANSWERS
        assert styles >= CORRECT_STYLES


@every_task
def test_no_correct_style_uses_what_is_forbidden(assignment: Assignment, task: Task) -> None:
    forbidden = forbidden_calls(assignment).get(task.name, [])
    sources = [answer(assignment, task)]
    sources += [
        variant.source() for variant in variants_of(assignment, task.name) if variant.correct
    ]
    for source in sources:
        assert syntax.forbidden_uses([syntax.parsed(source)], task.name, forbidden) == [], source


# ---- slips --------------------------------------------------------------------------------------


def clipped(x: float, limit: float = 1.0) -> float:
    """A number within limits."""
    return min(max(x, -limit), limit)


def test_a_slip_is_the_correct_answer_but_for_its_edits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrong_answers, "VARIANTS", [])
    wrong_answers.slip(clipped, "no_lower_limit", {"max(x, -limit)": "x"}, hint="lower")
    [variant] = wrong_answers.VARIANTS
    assert (variant.task, variant.name, variant.hint) == ("clipped", "no_lower_limit", "lower")
    assert [variant.answer(x) for x in (-3.0, 0.5, 3.0)] == [-3.0, 0.5, 1.0]
    assert "def other(x: float, limit: float=1.0) -> float:\n    return min(x, limit)" in (
        variant.source("other")
    )


@pytest.mark.parametrize("old", ["minimum", "limit"])
def test_a_slip_replaces_what_stands_there_once(monkeypatch: pytest.MonkeyPatch, old: str) -> None:
    monkeypatch.setattr(wrong_answers, "VARIANTS", [])
    with pytest.raises(ValueError, match=f"'{old}' must stand once in(?s:.*)def clipped"):
        wrong_answers.slip(clipped, "name", {old: "x"}, hint="hint")
    assert wrong_answers.VARIANTS == []
