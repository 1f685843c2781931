"""Classes of generated submissions: full, partly wrong, partly unanswered, with cells that raise.

The same seed generates the same class, and a larger class begins with the smaller one.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benchmarks.project import ANSWERS, WRONG

KINDS = {"right": 12, "talkative": 2, "wrong": 4, "unanswered": 2, "raises": 1, "raises after": 1}
EXTRA_CELLS = (
    'print("trying things out")\nfor number in range(20):\n    print(number, number**2)',
    "powers = [torch.eye(3, dtype=torch.float64) * n for n in range(50)]\nsum(powers).trace()",
    "undefined_name + 1",
)

WrongAnswer = Callable[[str, random.Random], str]


@dataclass(frozen=True)
class Generated:
    """A student's submission: sources of the answered tasks' cells, and cells before the first."""

    student: str
    cells_by_task: dict[str, str] = field(default_factory=dict)
    extra_cells: tuple[str, ...] = ()


def quick_class(number: int, seed: int) -> list[Generated]:
    """So many submissions of `quick`; the first one is full."""
    return _generated(number, seed, ANSWERS, lambda task, draw: WRONG[task])


def perceptron_class(number: int, seed: int) -> list[Generated]:
    """So many submissions of `perceptron` without written answers; the first one is full."""
    # With torch and all that the wrong answers import: only those who ask for it wait.
    from autograder.assignment import Assignment
    from autograder.solve import answer
    from tests.matrix import variants_of

    assignment = Assignment.load("perceptron")
    tasks = [task for task in assignment.tasks if task.kind != "written"]
    right = {task.name: answer(assignment, task) for task in tasks}

    def wrong(task: str, draw: random.Random) -> str:
        mistakes = [v for v in variants_of(assignment, task) if not v.correct]
        return draw.choice(mistakes).source()

    return _generated(number, seed, right, wrong)


def _generated(
    number: int, seed: int, right: Mapping[str, str], wrong: WrongAnswer
) -> list[Generated]:
    draw = random.Random(seed)
    submissions = [Generated("s0000", dict(right))]
    for position in range(1, number):
        cells = {task: _cell(task, right[task], wrong, draw) for task in right}
        answered = {task: source for task, source in cells.items() if source is not None}
        extra = tuple(source for source in EXTRA_CELLS if draw.random() < 0.4)
        submissions.append(Generated(f"s{position:04}", answered, extra))
    return submissions


def _cell(task: str, right: str, wrong: WrongAnswer, draw: random.Random) -> str | None:
    """The source of a task's cell, None where the stub stays."""
    match draw.choices(list(KINDS), list(KINDS.values()))[0]:
        case "right":
            return right
        case "talkative":
            return f'{right}\n\nprint("{task} is done")'
        case "wrong":
            return wrong(task, draw)
        case "raises":
            return f"def {task}(*arguments):\n    return arguments[0].no_such_attribute"
        case "raises after":
            return f'{right}\n\nraise RuntimeError("after the answer")'
        case _:
            return None
