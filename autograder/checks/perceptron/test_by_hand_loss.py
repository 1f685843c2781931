"""Hidden checks of loss and accuracy."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from autograder.checks import tools
from autograder.checks.perceptron.inputs import normal, strided, targets, two
from autograder.checks.perceptron.test_by_hand_forward import ROW_MAXIMUM, SHIFT, SOFTMAX
from autograder.student import Handle, Student

FORBIDDEN = {
    "loss_accuracy": [
        *SOFTMAX,
        *("torch.nn.functional.cross_entropy", "torch.nn.functional.nll_loss"),
        *("torch.nn.CrossEntropyLoss", "torch.nn.NLLLoss", "sklearn.metrics.log_loss"),
    ]
}
LOSS = "book/unit1/loss.html"

ROUNDED = (
    "the probability of the target was rounded to 0 before the logarithm: compute the loss from "
    "the pre-activations, by the formula with log-sum-exp"
)
CAPPED = (
    "a small constant inside the logarithm, or a clamp, caps the loss: compute it from the "
    "pre-activations, by the formula with log-sum-exp"
)


@pytest.mark.task("loss_accuracy", weight=1, page=LOSS)
def test_loss_and_accuracy_are_single_numbers(
    student: Student, rng: torch.Generator, device: str
) -> None:
    """Loss and accuracy are one number each for the whole batch."""
    Y_tilde, Y = normal(rng, 7, 4).to(device), targets(rng, 7, 4).to(device)
    returned = student.loss_accuracy(Y_tilde, Y)
    for name, value in zip(NAMES, two("loss_accuracy", returned, PAIR), strict=True):
        tools.require(
            isinstance(value, Tensor | Handle),
            f"{name} must be a tensor without dimensions, and is {tools.described(value)}",
            f"{name} stays a tensor: without .item() or float(...)",
        )
        _single(name, value)


@pytest.mark.task("loss_accuracy", weight=3, page=LOSS)
def test_loss(student: Student, rng: torch.Generator, device: str) -> None:
    """The loss of a batch."""
    Y_tilde, Y = 2 * normal(rng, 7, 4).to(device), targets(rng, 7, 4).to(device)
    _check_loss("the loss", _loss(student, Y_tilde, Y), Y_tilde, Y)


@pytest.mark.task("loss_accuracy", weight=2, page=LOSS)
def test_loss_of_large_pre_activations(student: Student, rng: torch.Generator) -> None:
    """Pre-activations around 1000 and around -1000: the exact finite loss."""
    for level in (1000, -1000):
        Y_tilde, Y = normal(rng, 3, 4) + level, targets(rng, 3, 4)
        loss, name = _loss(student, Y_tilde, Y), f"the loss for pre-activations around {level}"
        tools.require(bool(loss.isfinite()), f"{name} is {float(loss)}", SHIFT)
        _check_loss(name, loss, Y_tilde, Y)


@pytest.mark.task("loss_accuracy", weight=1, page=LOSS)
def test_loss_of_rows_of_different_size(student: Student, rng: torch.Generator) -> None:
    """One row around 1000, another around -1000: each row has its own maximum."""
    levels = torch.tensor([[1000.0], [-1000.0], [0.0], [-2000.0]], dtype=torch.float64)
    Y_tilde, Y = normal(rng, 4, 3) + levels, targets(rng, 4, 3)
    loss, name = _loss(student, Y_tilde, Y), "the loss for rows of very different size"
    alone = [_loss(student, Y_tilde[i : i + 1], Y[i : i + 1]) for i in range(len(Y))]
    hint = ROW_MAXIMUM if all(bool(value.isfinite()) for value in alone) else SHIFT
    tools.require(bool(loss.isfinite()), f"{name} is {float(loss)}", hint)
    _check_loss(name, loss, Y_tilde, Y)


@pytest.mark.task("loss_accuracy", weight=2, page=LOSS)
def test_loss_of_confident_answers(student: Student, rng: torch.Generator) -> None:
    """Pre-activations far apart in one row: the exact loss of a wrong answer, 0 for a right one."""
    gap = 800 + 500 * float(torch.rand((), generator=rng))
    Y_tilde = torch.tensor([[0.0, gap, 0.3 * gap]], dtype=torch.float64)
    for target, kind in ((0, "wrong"), (1, "right")):
        Y = torch.eye(3, dtype=torch.float64)[target : target + 1]
        loss, name = _loss(student, Y_tilde, Y), f"the loss of a confident {kind} answer"
        overflows = bool((Y * torch.softmax(Y_tilde, dim=1)).sum() == 0) and float(loss) > 0
        tools.require(
            bool(loss.isfinite()), f"{name} is {float(loss)}", ROUNDED if overflows else SHIFT
        )
        capped = kind == "wrong" and 2 < float(loss) < gap / 2
        tools.require(not capped, f"{name} is {float(loss):.4g}, which is too small", CAPPED)
        _check_loss(name, loss, Y_tilde, Y)


@pytest.mark.task("loss_accuracy", weight=3, page=LOSS)
def test_accuracy(student: Student, rng: torch.Generator, device: str) -> None:
    """The accuracy of a batch."""
    Y_tilde, Y = normal(rng, 11, 4), targets(rng, 11, 4)
    Y_tilde[:4] += 10 * Y[:4]  # four right, three wrong, four by chance
    Y_tilde[4:7] += 10 * Y[4:7].roll(1, dims=1)
    Y_tilde, Y = Y_tilde.to(device), Y.to(device)
    _check_accuracy(_accuracy(student, Y_tilde, Y), Y_tilde, Y)


@pytest.mark.task("loss_accuracy", weight=1, page=LOSS)
def test_loss_and_accuracy_of_one_example(student: Student, rng: torch.Generator) -> None:
    """A batch of one example, answered correctly."""
    Y = targets(rng, 1, 5)
    Y_tilde = normal(rng, 1, 5) + 5 * Y
    _check_loss("the loss", _loss(student, Y_tilde, Y), Y_tilde, Y)
    _check_accuracy(_accuracy(student, Y_tilde, Y), Y_tilde, Y)


@pytest.mark.task("loss_accuracy", weight=1, page=LOSS)
def test_loss_of_strided_tensors(student: Student, rng: torch.Generator) -> None:
    """Tensors that are not contiguous, as a transpose or a choice of columns gives them."""
    Y_tilde, Y = strided(normal(rng, 6, 3)), strided(targets(rng, 6, 3))
    with tools.wrong_view():
        loss = _loss(student, Y_tilde, Y)
    _check_loss("the loss", loss, Y_tilde, Y)


@pytest.mark.task("loss_accuracy", weight=1, page=LOSS)
def test_loss_leaves_its_arguments_alone(student: Student, rng: torch.Generator) -> None:
    """Neither pre-activations nor targets are modified."""
    Y_tilde, Y = normal(rng, 5, 3), targets(rng, 5, 3)
    before = Y_tilde.clone(), Y.clone()
    student.loss_accuracy(Y_tilde, Y)
    tools.unchanged("Y_tilde", before[0], Y_tilde)
    tools.unchanged("Y", before[1], Y)


NAMES = ("the loss", "the accuracy")
PAIR = "return a pair: the loss and the accuracy"


def _loss(student: Student, Y_tilde: Tensor, Y: Tensor) -> Tensor:
    return _single(NAMES[0], two("loss_accuracy", student.loss_accuracy(Y_tilde, Y), PAIR)[0])


def _accuracy(student: Student, Y_tilde: Tensor, Y: Tensor) -> Tensor:
    return _single(NAMES[1], two("loss_accuracy", student.loss_accuracy(Y_tilde, Y), PAIR)[1])


def _single(name: str, value: object) -> Tensor:
    plain = tools.tensor(name, value, () if isinstance(value, int | float) else None)
    message = f"{name} must be a tensor without dimensions, and has shape {tuple(plain.shape)}"
    hint = f"{name} is one number for the batch: the mean over its examples"
    tools.require(plain.dim() == 0, message, hint)
    return plain


def _check_loss(name: str, loss: Tensor, Y_tilde: Tensor, Y: Tensor) -> None:
    expected = cross_entropy(Y_tilde, Y)
    batch, classes = Y.shape
    y_hat, first_term = torch.softmax(Y_tilde, dim=1), (Y * Y_tilde).sum(dim=1).mean()
    right = (Y * y_hat).sum(dim=1)
    mistakes = {
        "take the mean over the batch, not the sum": batch * expected,
        "sum over the classes and divide by the number of examples alone, not by the number of "
        "entries": expected / classes,
        "divided by the number of examples twice": expected / batch,
        "use the natural logarithm, not the one to base 2": expected / math.log(2),
        "use the natural logarithm, not the one to base 10": expected / math.log(10),
        "add the maximum back after the logarithm": expected - Y_tilde.amax(dim=1).mean(),
        "the softmax is applied twice: the argument holds pre-activations, and the formula "
        "contains the softmax": cross_entropy(y_hat, Y),
        "look at the sign of the first term, which holds the target": expected + 2 * first_term,
        "the first term, which holds the target, is missing": expected + first_term,
        "the sign of the loss is wrong: it is at least 0": -expected,
        "the sum over classes goes over each row, not over the batch": (
            batch * cross_entropy(Y_tilde.T, Y.T) / classes
        ),
        "the logarithm is missing": -right.mean(),
        "the logarithm comes before the mean over the batch": -right.mean().log(),
        "this is a squared error": ((y_hat - Y) ** 2).sum(dim=1).mean(),
    }
    tools.close(name, loss, expected, mistakes)


def _check_accuracy(accuracy: Tensor, Y_tilde: Tensor, Y: Tensor) -> None:
    largest = Y_tilde == Y_tilde.amax(dim=1, keepdim=True)
    correct = (Y_tilde.argmax(dim=1) == Y.argmax(dim=1)).double()
    columns = (Y_tilde.argmax(dim=0) == Y.argmax(dim=0)).double()
    entry_by_entry = "compare the classes of the examples, not the tensors entry by entry"
    mistakes = {
        "this is percent: an accuracy lies between 0 and 1": 100 * correct.mean(),
        "this is the number of correct answers: the accuracy is their share": correct.sum(),
        "this is the share of wrong answers": 1 - correct.mean(),
        "take the argmax of each row, not over the batch": columns.mean(),
        entry_by_entry: (largest == (Y > 0)).double().mean(),
        f"{entry_by_entry}, and no threshold": ((Y_tilde > 0.5) == (Y > 0)).double().mean(),
        "divide by the number of examples, not of entries": correct.mean() / Y.shape[1],
    }
    tools.close("the accuracy", accuracy, correct.mean(), mistakes, rtol=1e-5)
