"""Hidden checks of the softmax loss."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.toolbox_layers.inputs import every_second, hinted
from autograder.student import Student

FORBIDDEN = {
    "softmax_loss": [
        *("torch.nn", "torch.softmax", "torch.log_softmax", "torch.Tensor.softmax"),
        *("torch.Tensor.log_softmax", "scipy.special", "sklearn.metrics"),
        *tools.AUTOGRAD,
    ]
}
PAGE = "book/unit4/modular.html#toolbox-modular-softmax"

PAIR = "return two things: the loss, a number, and dscores, of the shape of scores"
SIZES = "scores are N × C: the sum and the maximum of a row run over axis 1, with keepdims=True"
OVERFLOW = "exp overflows for large scores: subtract the largest score of each row first"
OWN_MAXIMUM = (
    "the largest score is that of its own row: with one for the whole batch the exponentials of "
    "other rows underflow"
)
LOGARITHM = (
    "the exponential of a very negative score underflows, and no epsilon repairs its logarithm: "
    "log p = shifted - log(sum of exp(shifted)), without forming p"
)
MEAN = "is the mean missing? the loss is the mean over the examples, and so is its gradient"


def _expected(scores: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Loss and gradient by the library."""
    leaf = torch.tensor(scores, dtype=torch.float64, requires_grad=True)
    loss = functional.cross_entropy(leaf, torch.from_numpy(y))
    (gradient,) = torch.autograd.grad(loss, leaf)
    return float(loss), gradient.numpy()


def _answer(student: Student, scores: np.ndarray, y: np.ndarray) -> tuple[object, np.ndarray]:
    given = tools.copied(scores), y.copy()
    with hinted(SIZES):
        answer = student.softmax_loss(*given)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise tools.Mistake(f"softmax_loss returned {tools.described(answer)}", PAIR)
    with hinted(PAIR):
        dscores = tools.array("dscores", answer[1], scores.shape)
        tools.as_number("the loss", answer[0])
    tools.unchanged("scores", scores, given[0])
    tools.unchanged("y", y, given[1])
    return answer[0], dscores


def _check(
    student: Student, scores: np.ndarray, y: np.ndarray, not_finite: str | None = None
) -> None:
    loss, dscores = _answer(student, scores, y)
    finite = bool(np.isfinite(tools.as_number("the loss", loss)) and np.isfinite(dscores).all())
    tools.require(finite, "the loss or its gradient holds nan or infinity", not_finite)
    expected, gradient = _expected(scores, y)
    n, n_classes = scores.shape
    one_hot = np.eye(n_classes)[y]
    p = gradient * n + one_hot
    columns = np.exp(scores - scores.max(axis=0)) / np.exp(scores - scores.max(axis=0)).sum(axis=0)
    with np.errstate(divide="ignore"):
        by_column = -np.log((columns * one_hot).sum(axis=1)).mean()
    over_batch = "each row has a softmax of its own, over its classes: here it runs over the batch"
    twice = "the mean is over the examples alone, not over the classes"
    mistakes = {
        over_batch: by_column,
        "the loss uses the natural logarithm": expected / np.log(2),
        "the sign of the loss: minus the logarithm of a probability": -expected,
        twice: expected / n_classes,
    }
    wrong = {
        over_batch: (columns - one_hot) / n,
        "each score's gradient is its probability, minus 1 at the class, over N": p / n,
        "minus 1 at the class of each row, over N: the probabilities alone came": p,
        twice: gradient / n_classes,
        "each row loses 1 at its own class, not at the classes of all rows": (
            (p - one_hot.sum(axis=0).clip(max=1)) / n
        ),
        "the sign is the opposite": -gradient,
    }
    if n > 1:
        mistakes[MEAN], wrong[MEAN] = n * expected, n * gradient
    tools.close("dscores", dscores, gradient, wrong)
    if not_finite == LOGARITHM:
        mistakes[LOGARITHM] = tools.as_number("the loss", loss)
    tools.number("the loss", loss, expected, mistakes)


def _batch(rng: torch.Generator, n: int, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    draw = tools.numpy_generator(rng)
    return 2 * draw.standard_normal((n, n_classes)), draw.integers(0, n_classes, n)


@pytest.mark.task("softmax_loss", weight=3, page=PAGE)
def test_loss_and_gradient(student: Student, rng: torch.Generator) -> None:
    """Six examples of four classes."""
    _check(student, *_batch(rng, 6, 4))


@pytest.mark.task("softmax_loss", weight=1, page=PAGE)
def test_loss_of_one_example(student: Student, rng: torch.Generator) -> None:
    """A batch of one example, as a view that is not contiguous."""
    scores, y = _batch(rng, 1, 5)
    _check(student, every_second(scores), y)


@pytest.mark.task("softmax_loss", weight=1, page=PAGE)
def test_loss_in_fortran_order(student: Student, rng: torch.Generator) -> None:
    """Scores in Fortran order, more classes than examples."""
    scores, y = _batch(rng, 3, 8)
    _check(student, np.asfortranarray(scores), y)


@pytest.mark.task("softmax_loss", weight=2, page=PAGE)
def test_large_scores(student: Student, rng: torch.Generator) -> None:
    """Scores of about a thousand."""
    scores, y = _batch(rng, 5, 3)
    _check(student, 1000 + scores, y, OVERFLOW)


@pytest.mark.task("softmax_loss", weight=1, page=PAGE)
def test_rows_of_different_size(student: Student, rng: torch.Generator) -> None:
    """One row with scores of about a thousand, one of about minus a thousand."""
    scores, y = _batch(rng, 4, 3)
    apart = np.array([[1000.0], [-1000.0], [0.0], [500.0]])
    # Float64 has the exponentials of ±600, so that only a maximum of another row makes a 0 here.
    _check(student, scores + 0.6 * apart, y, OWN_MAXIMUM)
    _check(student, scores + apart, y, OVERFLOW)


@pytest.mark.task("softmax_loss", weight=1, page=PAGE)
def test_certain_and_wrong(student: Student, rng: torch.Generator) -> None:
    """Examples whose class is so unlikely that its probability underflows."""
    scores, y = _batch(rng, 4, 5)
    scores[np.arange(4), y] -= 900
    _check(student, scores, y, LOGARITHM)
