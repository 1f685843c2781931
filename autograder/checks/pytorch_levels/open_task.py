"""The open task: hidden data, one training under the budgets, and what the grader counts.

The images are scikit-learn's digits, distorted by the hidden generator, the three parts from
different originals; the ten classes are numbered anew. A table of the public data set knows neither
the distortions nor the numbers.
"""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from autograder.checks import tools
from autograder.checks.tools import Mistake
from autograder.checks.training_convnets.inputs import own_generator
from autograder.student import Handle, Student
from exercises import lab

SECONDS = 30.0
"""Processor time of the training; the reference takes 2.4 seconds of it."""
SECONDS_OF_STATE = 1.0
NUMBERS = 50_000
"""Numbers of four bytes in the state; the reference's has 20 000."""
N_CLASSES = 10
PARTS = (1000, 250, 547)
"""Originals for training, validation and test; each is distorted twice."""

BUDGET = "the state has room for 50 000 numbers of four bytes, running statistics included"
OF_TENSORS = "what a model has learned is in the tensors of its state_dict, and nowhere else"
RETURN_MODEL = "train_open_model returns the trained module itself: the grader reads its state_dict"
SAME_STATE = "train a model that open_model() built: the state is copied into another one"
NO_RANDOM_STATE = "every call of open_model() builds a model with the same names and shapes"


@dataclass(frozen=True)
class Result:
    """What a training came to: the share of test images recognised, and arguments it changed."""

    accuracy: float
    changed: tuple[str, ...]


_results: WeakKeyDictionary[Student, Result | Exception] = WeakKeyDictionary()


def result(student: Student, rng: torch.Generator) -> Result:
    """The result of the student's training; all checks of a student share one training."""
    if student not in _results:
        try:
            _results[student] = _trained_and_tested(student, rng)
        except Exception as problem:
            _results[student] = problem
    found = _results[student]
    if isinstance(found, Exception):
        raise found
    return found


def distorted_digits(rng: torch.Generator) -> list[Tensor]:
    """X_train (2000 × 1 × 12 × 12), y_train, X_val (500), y_val, X_test (1094), y_test."""
    pixels, labels = load_digits(return_X_y=True)
    X = torch.tensor(pixels / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    y = torch.randperm(N_CLASSES, generator=rng)[torch.tensor(labels)]
    parts = []
    for rows in torch.randperm(len(X), generator=rng).split(PARTS):
        parts += [lab.distorted(X[rows].repeat(2, 1, 1, 1), rng), y[rows].repeat(2)]
    return parts


def state_of(model: Handle) -> dict[str, Tensor]:
    """The state of a model, verified to be tensors by name within the budget."""
    state = model.state_dict()
    if not isinstance(state, dict) or not all(type(v) is Tensor for v in state.values()):
        raise Mistake("the state_dict holds something else than tensors", OF_TENSORS)
    numbers = sum(-(-value.numel() * value.element_size() // 4) for value in state.values())
    tools.require(numbers > 0, "the state_dict is empty: the model cannot learn", OF_TENSORS)
    message = f"the state of the model has {numbers} numbers of four bytes"
    tools.require(numbers <= NUMBERS, message, BUDGET)
    return state


def built(student: Student) -> Handle:
    """A model of open_model()."""
    model = student.open_model()
    if not isinstance(model, Handle):
        raise Mistake(
            f"open_model must return a module, and returns {tools.described(model)}",
            "return an nn.Module, such as an nn.Sequential of layers",
        )
    return model


def same_form(state: dict[str, Tensor], other: dict[str, Tensor], hint: str) -> None:
    """Require that two states have the same names, shapes and dtypes."""
    forms = [
        {name: (value.shape, value.dtype) for name, value in each.items()}
        for each in (state, other)
    ]
    message = "the names and shapes of the state differ from those of a new open_model()"
    tools.require(forms[0] == forms[1], message, hint)


def _trained_and_tested(student: Student, rng: torch.Generator) -> Result:
    """Train under the budget, and test the state that came in a model that knows nothing else."""
    *given, X_test, y_test = distorted_digits(rng)
    student.start_generators(int(torch.randint(2**31, (), generator=rng)))
    sent = [value.clone() for value in given]
    with student.budget(SECONDS):
        trained = student.train_open_model(*sent, own_generator(rng))
    state = _returned(trained, student)
    names = ("X_train", "y_train", "X_val", "y_val")
    changed = [name for name, *pair in zip(names, given, sent, strict=True) if _differ(*pair)]
    student.begin_task(afresh=True)
    model = built(student)
    same_form(state, state_of(model), SAME_STATE)
    model.load_state_dict(state)
    model.eval()
    scores = tools.tensor("the output", model(X_test), (len(X_test), N_CLASSES))
    accuracy = float((scores.argmax(dim=1) == y_test).double().mean())
    return Result(accuracy, tuple(changed))


def _returned(trained: Any, student: Student) -> dict[str, Tensor]:
    """The state of what the training returned."""
    if not isinstance(trained, Handle):
        raise Mistake(f"train_open_model returns {tools.described(trained)}", RETURN_MODEL)
    with student.budget(SECONDS_OF_STATE):
        return state_of(trained)


def _differ(before: Tensor, after: Tensor) -> bool:
    return before.shape != after.shape or not torch.equal(before, after)
