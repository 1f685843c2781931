"""Hidden checks of the choice of a support vector machine."""

import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.svm import SVC

from autograder.checks import tools
from autograder.checks.tools import Mistake
from autograder.student import Student

SVM_PAGE = "book/unit1/svm.html"
ON_TRAINED = (
    "the choice is made on examples that the machines were trained on, where a large C looks good"
)
C_LOST = "C is not passed on to SVC: every machine has the default"
KERNEL_LOST = "the kernel is not passed on to SVC: every machine has the default"

KERNELS = ["sigmoid", "poly", "rbf", "linear"]
CS = [0.03, 100.0, 0.5, 10.0]

Set = tuple[np.ndarray, np.ndarray]
Choice = tuple[str, float]
Accuracies = dict[Choice, float]


def _rings(rng: torch.Generator, size: int, flipped: float = 0.0) -> Set:
    """Points of two rings, part of whose labels are wrong."""
    labels = torch.arange(size) % 2
    angle = 2 * np.pi * torch.rand(size, generator=rng)
    radius = 1 - 0.5 * labels + 0.15 * torch.randn(size, generator=rng)
    X = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
    wrong = torch.rand(size, generator=rng) < flipped
    return X.double().numpy(), torch.where(wrong, 1 - labels, labels).numpy()


def _score(kernel: str, C: float, train: Set, scored: Set) -> float:
    return float(SVC(kernel=kernel, C=C).fit(*train).score(*scored))


def _accuracies(train: Set, scored: Set, kernels: list[str], Cs: list[float]) -> Accuracies:
    return {(kernel, C): _score(kernel, C, train, scored) for kernel in kernels for C in Cs}


def _first_best(accuracies: Accuracies) -> Choice:
    return max(accuracies, key=accuracies.__getitem__)


def _wrong_choices(train: Set, val: Set) -> list[tuple[Choice, str]]:
    """What each mistake would choose, with its hint."""
    both = np.concatenate([train[0], val[0]]), np.concatenate([train[1], val[1]])
    worst = {choice: -score for choice, score in _accuracies(train, val, KERNELS, CS).items()}
    best_kernel, _ = _first_best(_accuracies(train, val, KERNELS, [1.0]))
    _, best_C = _first_best(_accuracies(train, val, ["rbf"], CS))
    return [
        (_first_best(_accuracies(train, train, KERNELS, CS)), ON_TRAINED),
        (_first_best(_accuracies(both, val, KERNELS, CS)), ON_TRAINED),
        ((best_kernel, CS[0]), C_LOST),
        ((KERNELS[0], best_C), KERNEL_LOST),
        (_first_best(worst), "this is the worst choice: the largest accuracy is asked for"),
    ]


@dataclass(frozen=True)
class Telling:
    """Training and validation set with one best choice; every mistake makes another one."""

    train: Set
    val: Set
    best: Choice
    hints: dict[Choice, str]


@lru_cache(maxsize=8)  # hundreds of machines are trained for them, and every student has the same
def _telling_sets(seed: int) -> Telling:
    rng = torch.Generator().manual_seed(seed)
    while True:
        train, val = _rings(rng, 24, flipped=0.25), _rings(rng, 61)
        scores = _accuracies(train, val, KERNELS, CS)
        if list(scores.values()).count(max(scores.values())) == 1:
            wrong = _wrong_choices(train, val)
            hints = dict(wrong)
            told_apart = all(hints[choice] == hint for choice, hint in wrong)
            if told_apart and _first_best(scores) not in hints:
                return Telling(train, val, _first_best(scores), hints)


def _chosen(
    student: Student, train: Set, val: Set, kernels: list[str], Cs: list[float]
) -> tuple[Choice, Any]:
    """The student's choice and accuracy on copies: what an answer writes into its arguments stays.

    Otherwise it would be judged by what it wrote, and so would the next student.
    """
    arrays = copy.deepcopy((*train, *val))
    return _answer(student.best_svm(*arrays, [*kernels], [*Cs]), kernels, Cs)


def _answer(value: Any, kernels: list[str], Cs: list[float]) -> tuple[Choice, Any]:
    """Choice and accuracy as they were returned."""
    if not isinstance(value, tuple | list) or len(value) != 3:
        raise Mistake(f"kernel, C and accuracy are expected, and {tools.described(value)} came")
    kernel, C, accuracy = value
    if not isinstance(kernel, str):
        what = f"the first entry must be the kernel's name, and is {tools.described(kernel)}"
        raise Mistake(what, "return the three in the order kernel, C, accuracy")
    choice = str(kernel), tools.as_number("C", C)
    known = choice[0] in kernels and choice[1] in Cs
    tools.require(known, f"the choice {choice} is not among those given")
    return choice, accuracy


def _require_accuracy(accuracy: Any, choice: Choice, train: Set, val: Set) -> None:
    """The accuracy belongs to the choice that is returned, whichever that is."""
    kernel, C = choice
    both = np.concatenate([train[0], val[0]]), np.concatenate([train[1], val[1]])
    right = _score(kernel, C, train, val)
    mistakes = {
        "this is the error rate; asked for is the accuracy": 1 - right,
        "the accuracy is given in per cent; asked for is a part, in [0, 1]": 100 * right,
        "this is the accuracy on the training set": _score(kernel, C, train, train),
        ON_TRAINED: _score(kernel, C, both, val),
        C_LOST: _score(kernel, 1.0, train, val),
        KERNEL_LOST: _score("rbf", C, train, val),
    }
    tools.number("the accuracy", accuracy, right, mistakes)


@pytest.mark.task("best_svm", weight=2, page=SVM_PAGE)
def test_best_svm_chooses_on_the_validation_set(student: Student, rng: torch.Generator) -> None:
    """The choice where training and validation set disagree."""
    sets = _telling_sets(rng.initial_seed())
    choice, _ = _chosen(student, sets.train, sets.val, KERNELS, CS)
    message = f"the choice {choice} is not the best on the validation set"
    tools.require(choice == sets.best, message, sets.hints.get(choice))


@pytest.mark.task("best_svm", weight=1, page=SVM_PAGE)
def test_best_svm_reports_the_validation_accuracy(student: Student, rng: torch.Generator) -> None:
    """The accuracy that is returned belongs to the choice that is returned."""
    sets = _telling_sets(rng.initial_seed())
    choice, accuracy = _chosen(student, sets.train, sets.val, KERNELS, CS)
    _require_accuracy(accuracy, choice, sets.train, sets.val)


@pytest.mark.task("best_svm", weight=1, page=SVM_PAGE)
def test_best_svm_breaks_ties_in_order(student: Student, rng: torch.Generator) -> None:
    """The first of several choices that are equally good, in the order given."""
    kernels, Cs = ["poly", "rbf"], [0.1, 10.0, 1.0, 100.0]
    while True:
        train, val = _rings(rng, 20), _rings(rng, 3)
        scores = _accuracies(train, val, kernels, Cs)
        best = [choice for choice, score in scores.items() if score == max(scores.values())]
        C_outside = min(best, key=lambda choice: (Cs.index(choice[1]), kernels.index(choice[0])))
        if len({best[0], best[-1], C_outside}) == 3:
            break
    choice, _ = _chosen(student, train, val, kernels, Cs)
    if choice == best[0]:
        return
    tools.require(choice in best, "the choice is not among the best on the validation set")
    hint = "where several are equally good, the first one counts"
    if choice == C_outside:
        hint = "the outer loop runs over the kernels in the order given, the inner one over C"
    raise Mistake("among equally good choices another one is asked for", hint)


@pytest.mark.task("best_svm", weight=1, page=SVM_PAGE)
def test_best_svm_with_a_single_choice(student: Student, rng: torch.Generator) -> None:
    """One kernel and one C, classes that are not 0 and 1; the arrays are not modified."""
    (X_train, y_train), (X_val, y_val) = _rings(rng, 20, flipped=0.2), _rings(rng, 7, flipped=0.2)
    arrays = {"X_train": X_train, "y_train": 3 * y_train + 2}
    arrays |= {"X_val": X_val, "y_val": 3 * y_val + 2}
    before = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    kernels, Cs = ["rbf"], [2.5]
    choice, accuracy = _answer(student.best_svm(*arrays.values(), kernels, Cs), kernels, Cs)
    _require_accuracy(accuracy, choice, (X_train, y_train), (X_val, y_val))
    for name, array in arrays.items():
        tools.unchanged(name, before[name], torch.from_numpy(array))
