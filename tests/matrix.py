"""The matrix: every answer that the checks exist for, and the verdict that it must get.

`python -m tests.matrix [TASK]` runs it in process and prints what was caught.
"""

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from autograder import syntax
from autograder.assignment import Assignment, known
from autograder.checking import files_by_task, forbidden_calls, result, run_checks
from autograder.notebook import NotebookChannel
from autograder.preload import modules_to_preload
from autograder.report import Failure, TaskResult
from autograder.sandbox import Limits
from autograder.solve import answer
from autograder.student import LocalChannel, Student
from autograder.submission import CodeCell
from tests.wrong_answers import Variant, load_all

SECRET = b"the matrix is graded with this secret"


def reference_namespace(assignment: Assignment) -> dict[str, Any]:
    """What a notebook with every reference answer defines."""
    functions = [task for task in assignment.tasks if task.kind in ("function", "class")]
    namespace = {task.name: assignment.reference(task.name) for task in functions}
    return namespace | dict(assignment.expected_numbers)


def graded(assignment: Assignment, task: str, student: Student) -> TaskResult:
    """The result of one task."""
    files = sorted(_files_of(assignment.name)[task])
    outcomes = run_checks(assignment, student, [task], secret=SECRET, files=files)
    return result(assignment.task(task), outcomes)


@cache
def _files_of(assignment: str) -> dict[str, set[Path]]:
    """The check files of each task: pytest would look through all of them for every answer."""
    return files_by_task(Assignment.load(assignment))


def failures_of_reference(
    assignment: Assignment, tasks: Sequence[str], secret: bytes
) -> list[Failure]:
    """What the checks of these tasks hold against the reference answers, by a course's secret."""
    student = Student(LocalChannel(reference_namespace(assignment)))
    outcomes = run_checks(assignment, student, tasks, secret=secret)
    return [outcome.failure for outcome in outcomes if outcome.failure]


def forbidden_in(assignment: Assignment, task: str, imports: str, line: str) -> list[str]:
    """The forbidden library calls of an answer that is one line."""
    cell = syntax.parsed(f"{imports}def {task}(*args):\n    {line}\n")
    return syntax.forbidden_uses([cell], task, forbidden_calls(assignment)[task])


def variants_of(assignment: Assignment, task: str) -> list[Variant]:
    """The answers to one task of an assignment."""
    return [v for v in load_all() if v.answers(task, assignment.solutions)]


def verdict_problem(variant: Variant, verdict: TaskResult) -> str | None:
    """Why the verdict is not what the variant must get, or None."""
    if variant.correct:
        lost = "; ".join(failure.message for failure in verdict.failures)
        return None if verdict.status == "correct" else f"a correct answer lost marks: {lost}"
    if verdict.score >= verdict.points:
        return "a wrong answer got full marks"
    assert variant.hint is not None
    if not any(variant.hint.lower() in hint.lower() for hint in verdict.hints):
        return f"the hint {variant.hint!r} is not among {verdict.hints}"
    return None


def fingerprint(verdict: TaskResult) -> tuple[Any, ...]:
    """How an answer failed: two answers with the same fingerprint count once."""
    return tuple((failure.check, failure.hint) for failure in verdict.failures)


def local_student(namespace: Mapping[str, Any], variant: Variant | None = None) -> Student:
    """A notebook with every reference answer, in this process; one of them replaced."""
    replaced = {variant.task: _typed_anew(variant)} if variant else {}
    return Student(LocalChannel({**namespace, **replaced}))


def _typed_anew(variant: Variant) -> Any:
    """The answer as nobody has called it yet: a default value that collects begins empty."""
    if not callable(variant.answer):
        return variant.answer
    namespace: dict[str, Any] = {"__name__": variant.answer.__module__}
    exec(compile(variant.source(), f"<{variant.name}>", "exec"), namespace)
    return namespace[variant.task]


def variant_name(variant: Variant) -> str:
    """The name under which a variant stands beside the others in one notebook."""
    return f"{variant.task}__{variant.name}"


def sandboxed_notebook(assignment: Assignment, variants: Sequence[Variant]) -> NotebookChannel:
    """One notebook in the sandbox that holds the reference answers and all variants."""
    tasks = [task for task in assignment.tasks if task.kind != "written"]
    sources = [answer(assignment, task) for task in tasks]
    sources += [variant.source(variant_name(variant)) for variant in variants]
    cells = [CodeCell(source) for source in sources]
    hour = Limits(notebook_cpu=3600, notebook_wall=3600)  # it answers for more than 200 notebooks
    public = [*assignment.data_files]
    return NotebookChannel(cells, [], public, "bubblewrap", hour, preload=_preload())


@cache
def _preload() -> list[str]:
    """What the notebooks of all assignments import: one parent of workers serves them all."""
    return sorted({name for each in known() for name in modules_to_preload(Assignment.load(each))})


def main(only: str | None) -> int:
    table = Table("task", "answer", "score", "hints", "problem")
    problems = 0
    assignments = [Assignment.load(name) for name in known()]
    tasks = [(assignment, task.name) for assignment in assignments for task in assignment.tasks]
    wanted = [(assignment, task) for assignment, task in tasks if only in (None, task)]
    graded_ones = [(a, variant) for a, task in wanted for variant in variants_of(a, task)]
    for assignment, variant in graded_ones:
        student = local_student(reference_namespace(assignment), variant)
        verdict = graded(assignment, variant.task, student)
        problem = verdict_problem(variant, verdict)
        problems += problem is not None
        score = f"{verdict.score:g}/{verdict.points:g}"
        table.add_row(variant.task, variant.name, score, "\n".join(verdict.hints), problem or "")
    Console(width=200).print(table)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else None))
