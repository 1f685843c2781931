"""Hidden checks of the step with autograd."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from autograder.checks import tools
from autograder.checks.perceptron.networks import (
    IN_PLACE,
    MEAN_TWICE,
    NOT_ZEROED,
    OVERFLOW,
    SOFTMAX_TWICE,
    SQUARED,
    SUMMED,
    batch,
    compare_changes,
    copied,
    entropy_of_softmax,
    random_params,
    scaled,
    squared_error,
    stepped,
)
from autograder.checks.tools import Mistake
from autograder.student import Handle, Student
from solutions import by_hand

FORBIDDEN = {"autograd_step": ["torch.optim"]}
AUTOGRAD_PAGE = "book/unit1/autograd.html"
LOSS_PAGE = "book/unit1/loss.html"


def _loss_and_gradients(
    params: dict[str, Tensor], X: Tensor, Y: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """By the formulas of the first stage, without autograd."""
    params = copied(params)
    _, outputs = by_hand.forward(params, X)
    loss, _ = by_hand.loss_accuracy(outputs["y_tilde"], Y)
    return loss, by_hand.backward(params, outputs, Y)


def _gradients_of_another_loss(
    loss: Callable[[Tensor, Tensor], Tensor], params: dict[str, Tensor], X: Tensor, Y: Tensor
) -> dict[str, Tensor]:
    leaves = {name: value.requires_grad_() for name, value in copied(params).items()}
    h = torch.tanh(X @ leaves["Wh"].T + leaves["bh"])
    Y_tilde = h @ leaves["Wy"].T + leaves["by"]
    gradients = torch.autograd.grad(loss(Y_tilde, Y), list(leaves.values()))
    return dict(zip(leaves, gradients, strict=True))


@pytest.mark.task("autograd_step", weight=2, page=AUTOGRAD_PAGE)
def test_autograd_step_moves_every_parameter(student: Student, rng: torch.Generator) -> None:
    """The caller's parameters after one step, on a batch of unequal sizes in float64."""
    params, (X, Y), eta = random_params(rng), batch(rng, 6, 3, 4), 0.3
    own, before = dict(params), copied(params)
    stepped(lambda: student.autograd_step(params, X, Y, eta))
    _, grads = _loss_and_gradients(before, X, Y)
    twice = _gradients_of_another_loss(entropy_of_softmax, before, X, Y)
    squared = _gradients_of_another_loss(squared_error, before, X, Y)
    mistakes = {
        SUMMED: scaled(grads, -eta * len(X)),
        MEAN_TWICE: scaled(grads, -eta / len(X)),
        SOFTMAX_TWICE: scaled(twice, -eta),
        SQUARED: scaled(squared, -eta),
    }
    compare_changes(before, own, scaled(grads, -eta), mistakes)


@pytest.mark.task("autograd_step", weight=2, page=AUTOGRAD_PAGE)
def test_autograd_step_twice_in_a_row(student: Student, rng: torch.Generator) -> None:
    """A second step on another batch, after which no gradient of the first may be left in it."""
    params, eta = random_params(rng), 0.3
    own = dict(params)
    X, Y = batch(rng, 6, 3, 4)
    _, first = _loss_and_gradients(params, X, Y)
    stepped(lambda: student.autograd_step(params, X, Y, eta))
    before = copied(own)
    X, Y = batch(rng, 7, 3, 4)
    stepped(lambda: student.autograd_step(params, X, Y, eta))
    _, second = _loss_and_gradients(before, X, Y)
    both = {name: first[name] + second[name] for name in first}
    compare_changes(before, own, scaled(second, -eta), {NOT_ZEROED: scaled(both, -eta)})


@pytest.mark.task("autograd_step", weight=1, page=LOSS_PAGE)
def test_autograd_step_returns_the_loss(student: Student, rng: torch.Generator) -> None:
    """The loss of the batch before the step, detached from the graph."""
    params, (X, Y), eta = random_params(rng), batch(rng, 6, 3, 4), 0.3
    before = copied(params)
    loss = stepped(lambda: student.autograd_step(params, X, Y, eta))
    if isinstance(loss, Handle) or (isinstance(loss, Tensor) and loss.requires_grad):
        raise Mistake("the returned loss still requires gradients", "detach the returned loss")
    loss = tools.tensor("the loss", loss, ())
    expected, grads = _loss_and_gradients(before, X, Y)
    after = {name: value - eta * grads[name] for name, value in before.items()}
    _, outputs = by_hand.forward(before, X)
    mistakes = {
        "this is the loss after the step; return the one before the step": _loss_and_gradients(
            after, X, Y
        )[0],
        SUMMED: expected * len(X),
        SOFTMAX_TWICE: entropy_of_softmax(outputs["y_tilde"], Y),
        SQUARED: squared_error(outputs["y_tilde"], Y),
    }
    tools.close("the loss", loss, expected, mistakes, rtol=1e-6)


@pytest.mark.task("autograd_step", weight=1, page=AUTOGRAD_PAGE)
def test_autograd_step_leaves_the_rest_alone(student: Student, rng: torch.Generator) -> None:
    """The parameters stay the caller's leaves that require gradients; the batch is not modified."""
    params, (X, Y) = random_params(rng), batch(rng, 2, 3, 4)
    own, X_before, Y_before = dict(params), X.clone(), Y.clone()
    stepped(lambda: student.autograd_step(params, X, Y, 0.3))
    tools.unchanged("X", X_before, X)
    tools.unchanged("Y", Y_before, Y)
    for name, leaf in own.items():
        tools.require(
            params.get(name) is leaf,
            f"params[{name!r}] is another tensor after the step",
            IN_PLACE,
        )
        tools.require(
            leaf.requires_grad,
            f"params[{name!r}] requires no gradient after the step",
            "the parameters must still require gradients for the next step",
        )


@pytest.mark.task("autograd_step", weight=1, page=LOSS_PAGE)
def test_autograd_step_on_large_pre_activations(student: Student, rng: torch.Generator) -> None:
    """A batch of one in float32, with pre-activations in the hundreds."""
    params, (X, Y) = random_params(rng, torch.float32), batch(rng, 1, 3, 4, torch.float32)
    with torch.no_grad():
        params["Wy"] *= 300
        params["by"].copy_(torch.tensor([400.0, -400.0, 0.0, 300.0]))
    own, before = dict(params), copied(params)
    loss = stepped(lambda: student.autograd_step(params, X, Y, 0.5))
    value = tools.tensor("the loss", loss, ())
    expected, grads = _loss_and_gradients(before, X, Y)
    tools.require(bool(torch.isfinite(value)), f"the loss is {float(value)}", OVERFLOW)
    _, outputs = by_hand.forward(before, X)
    twice = entropy_of_softmax(outputs["y_tilde"], Y)
    tools.close("the loss", value, expected, {SOFTMAX_TWICE: twice})
    for name, old in before.items():
        new = tools.tensor(name, own[name], old.shape)
        tools.require(bool(torch.isfinite(new).all()), f"{name} is not finite", OVERFLOW)
        tools.close(name, new, old - 0.5 * grads[name])
