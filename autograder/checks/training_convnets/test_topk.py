"""Hidden checks of the top-k accuracy."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from autograder.checks import tools
from autograder.checks.convolution.inputs import refuses
from autograder.checks.perceptron.inputs import normal
from autograder.student import Student

PAGE = "book/unit2/training.html#training-topk"

RAISE = "raise ValueError for a k outside 1 ... n_classes, before anything is computed"
ALL_CLASSES = "k equal to the number of classes is a fair question, and its answer is 1"


def _examples(rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Twelve rows of six scores whose classes have the ranks 0 0 0 0 1 1 1 2 2 3 4 5."""
    Y_tilde = normal(rng, 12, 6)
    ranks = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 5])[torch.randperm(12, generator=rng)]
    y = Y_tilde.argsort(dim=1, descending=True).gather(1, ranks[:, None])[:, 0]
    return Y_tilde, y


def _mistakes(k: int) -> dict[str, float]:
    """What likely mistakes give for the ranks of `_examples`."""
    at_least = [0, 4, 7, 9, 10, 11, 12, 12]  # examples of a rank below 0, 1, ..., 6, and beyond
    right = at_least[k]
    return {
        "an accuracy is a share: divide by the number of examples": right,
        "this is percent: an accuracy lies in [0, 1]": 100 * right / 12,
        "this counts the first guess only": 4 / 12,
        "these are the k smallest: the best guesses have the largest scores": (12 - at_least[6 - k])
        / 12,
        "this is one guess too many: the class must be among the k largest": at_least[k + 1] / 12,
        "divide by the number of examples, not by the number of guesses": right / 12 / k,
        "this counts an example by its k-th guess alone": (right - at_least[k - 1]) / 12,
    }


@pytest.mark.task("topk_accuracy", weight=3, page=PAGE)
@pytest.mark.parametrize("k", [2, 3])
def test_topk_of_known_ranks(student: Student, rng: torch.Generator, k: int) -> None:
    """Twelve examples of six classes, k = 2 and k = 3."""
    Y_tilde, y = _examples(rng)
    before = Y_tilde.clone(), y.clone()
    came = student.topk_accuracy(Y_tilde, y, k)
    tools.number("the accuracy", came, (7 if k == 2 else 9) / 12, _mistakes(k))
    for name, old, new in zip(("Y_tilde", "y"), before, (Y_tilde, y), strict=True):
        tools.unchanged(name, old, new)


@pytest.mark.task("topk_accuracy", weight=1, page=PAGE)
def test_one_guess_and_all_guesses(student: Student, rng: torch.Generator) -> None:
    """k = 1 is the ordinary accuracy, and with as many guesses as classes it is 1."""
    Y_tilde, y = _examples(rng)
    one = student.topk_accuracy(Y_tilde.clone(), y.clone(), 1)
    tools.number("the accuracy for k = 1", one, 4 / 12, {"this is a count": 4.0})
    with tools.explained(ALL_CLASSES, "ValueError"):
        every: Any = student.topk_accuracy(Y_tilde.clone(), y.clone(), 6)
    tools.number("the accuracy for k = n_classes", every, 1)


@pytest.mark.task("topk_accuracy", weight=1, page=PAGE)
def test_topk_of_one_example(student: Student, rng: torch.Generator) -> None:
    """A batch of one in float32, of four classes."""
    Y_tilde = torch.randn(1, 4, generator=rng)
    order = Y_tilde[0].argsort(descending=True)
    for rank, expected in ((1, 1.0), (2, 0.0)):
        came = student.topk_accuracy(Y_tilde.clone(), order[rank : rank + 1].clone(), 2)
        tools.number("the accuracy of one example", came, expected)


@pytest.mark.task("topk_accuracy", weight=1, page=PAGE)
def test_k_out_of_range(student: Student, rng: torch.Generator) -> None:
    """k = 0, k = -1, and a k larger than the number of classes."""
    Y_tilde, y = _examples(rng)
    for k in (0, -1, 7):
        refuses(f"k = {k}", partial(student.topk_accuracy, Y_tilde, y, k), RAISE)
