"""Hidden checks of the confusion matrix."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from autograder.checks import tools
from autograder.checks.tools import Mistake
from autograder.student import Student

FORBIDDEN = {"confusion_matrix": ["sklearn.metrics.confusion_matrix"]}
DIGITS_PAGE = "book/unit1/digits.html"


def _counts(value: Any, n_classes: int) -> Tensor:
    if isinstance(value, list | tuple | np.ndarray):
        what = f"the matrix must be a torch.Tensor, and is {tools.described(value)}"
        raise Mistake(what, "return a torch.Tensor: torch.tensor makes one")
    matrix = tools.tensor("the matrix", value, None)
    if tuple(matrix.shape) != (n_classes, n_classes):
        what = f"{n_classes} classes gave a matrix of shape {tuple(matrix.shape)}"
        raise Mistake(what, "n_classes sets the size, also where a class does not occur")
    return matrix


def _labels(rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Of five classes two do not occur, one pair occurs often, and none is mistaken both ways."""
    actual = torch.tensor([0, 0, 0, 1, 1, 1, 1, 3, 3, 3, 3, 3, 3])
    predicted = torch.tensor([0, 1, 1, 1, 1, 3, 3, 3, 3, 0, 0, 0, 0])
    order = torch.randperm(len(actual), generator=rng)
    return actual[order], predicted[order]


@pytest.mark.task("confusion_matrix", weight=2, page=DIGITS_PAGE)
def test_confusion_matrix_counts(student: Student, rng: torch.Generator) -> None:
    """The counts for five classes, two of which do not occur."""
    actual, predicted = _labels(rng)
    matrix = _counts(student.confusion_matrix(actual.clone(), predicted.clone(), 5), 5)
    expected = torch.zeros(5, 5, dtype=torch.int64)
    for i, j in zip(actual.tolist(), predicted.tolist(), strict=True):
        expected[i, j] += 1
    diagonal = torch.diag(expected.diagonal())
    counts = expected.double()
    shares = "the entries are counts, not shares: do not divide them"
    mistakes = {
        "rows are the actual classes and columns the predicted ones": expected.T,
        "only the diagonal is filled: off it stand the mistakes": diagonal,
        "the diagonal is empty: there stand the examples that are right": expected - diagonal,
        "repeated pairs count once: `M[i, j] += 1` with index tensors adds 1 to each entry only "
        "once": expected.clamp(max=1),
        shares: counts / counts.sum(dim=1, keepdim=True).clamp(min=1),
        f"{shares} (by columns)": counts / counts.sum(dim=0, keepdim=True).clamp(min=1),
        f"{shares} (by the total)": counts / counts.sum(),
    }
    tools.close("the matrix", matrix, expected, mistakes)


@pytest.mark.task("confusion_matrix", weight=1, page=DIGITS_PAGE)
def test_confusion_matrix_has_whole_numbers(student: Student, rng: torch.Generator) -> None:
    """Counts are of dtype int64, and the labels are not modified."""
    actual, predicted = _labels(rng)
    before = actual.clone(), predicted.clone()
    matrix = _counts(student.confusion_matrix(actual, predicted, 5), 5)
    tools.unchanged("actual", before[0], actual)
    tools.unchanged("predicted", before[1], predicted)
    tools.require(
        matrix.dtype == torch.int64,
        f"the matrix has dtype {matrix.dtype}",
        "counts are whole numbers: dtype int64",
    )


@pytest.mark.task("confusion_matrix", weight=1, page=DIGITS_PAGE)
@pytest.mark.parametrize("repeats", [1, 300])
def test_confusion_matrix_of_one_pair(student: Student, repeats: int) -> None:
    """A single example, and one pair of classes that occurs 300 times."""
    actual, predicted = torch.full((repeats,), 2), torch.full((repeats,), 1)
    matrix = _counts(student.confusion_matrix(actual, predicted, 4), 4)
    expected = torch.zeros(4, 4, dtype=torch.int64)
    expected[2, 1] = repeats
    tools.close("the matrix", matrix, expected)
