"""Hidden checks of the network as a module."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.perceptron.networks import (
    DETACHED,
    IN_PLACE,
    NOT_ZEROED,
    OVERFLOW,
    SOFTMAX_TWICE,
    SQUARED,
    SUMMED,
    batch,
    compare_changes,
    copied,
    entropy_of_softmax,
    gradients_of,
    named,
    one_hot,
    pair,
    random_params,
    scaled,
    squared_error,
    stepped,
    twin,
)
from autograder.checks.tools import Mistake
from autograder.student import Handle, Student
from solutions import by_hand

FORBIDDEN = {"sgd_model": ["torch.optim"]}
AUTOGRAD_PAGE = "book/unit1/autograd.html"
LOSS_PAGE = "book/unit1/loss.html"
DESCENT_PAGE = "book/unit1/gradient_descent.html"


def _module(value: Any) -> Handle:
    if not isinstance(value, Handle):
        raise Mistake(f"an nn.Module is expected, and {tools.described(value)} came")
    return value


def _shapes(model: Handle) -> list[tuple[int, ...]]:
    return sorted(tuple(value.shape) for value in named(model.parameters()).values())


def _copy_in(model: Handle, params: dict[str, Tensor]) -> None:
    """Copy weights into a module of any style: the shapes tell which is which."""
    by_shape = {value.shape: value for value in params.values()}
    state = named(model.state_dict())
    model.load_state_dict({name: by_shape.get(value.shape, value) for name, value in state.items()})


def _network_of_the_student(
    student: Student, rng: torch.Generator
) -> tuple[Handle, dict[str, Tensor]]:
    """The student's module for 3 inputs, 5 hidden units and 4 classes, and weights put into it."""
    params = copied(random_params(rng, torch.float32))
    model = _module(student.init_model(3, 5, 4))
    tools.require(
        _shapes(model) == sorted(tuple(value.shape) for value in params.values()),
        "its parameters do not have the sizes of the network",
    )
    _copy_in(model, params)
    return model, params


@pytest.mark.task("init_model", weight=1, page=AUTOGRAD_PAGE)
def test_init_model_has_the_right_parameters(student: Student) -> None:
    """Two weight matrices and two bias vectors, of the sizes of the call."""
    n_x, n_h, n_y = 3, 5, 4
    shapes = _shapes(_module(student.init_model(n_x, n_h, n_y)))
    expected = sorted([(n_h, n_x), (n_h,), (n_y, n_h), (n_y,)])
    if shapes == expected:
        return
    matrices = [shape for shape in shapes if len(shape) == 2]
    hint = None
    if shapes == _shapes(_module(student.init_model(n_x + 4, n_h + 4, n_y + 4))):
        hint = "the parameters do not follow the sizes of the call"
    elif set(matrices) & {(n_x, n_h), (n_h, n_y)}:
        hint = "the sizes are swapped: nn.Linear takes in_features before out_features"
    elif matrices == [shape for shape in expected if len(shape) == 2]:
        hint = "each of the two layers has one bias vector"
    elif len(matrices) != 2:
        hint = "the network has one hidden layer, so two linear maps"
    raise Mistake(f"init_model({n_x}, {n_h}, {n_y}) has parameters of the sizes {shapes}", hint)


@pytest.mark.task("init_model", weight=2, page=AUTOGRAD_PAGE)
@pytest.mark.parametrize("size", [6, 1])
def test_init_model_computes_pre_activations(
    student: Student, rng: torch.Generator, size: int
) -> None:
    """The output for known weights: linear, tanh, linear, on a batch and on a batch of one."""
    model, params = _network_of_the_student(student, rng)
    X, _ = batch(rng, size, 3, 4, torch.float32)
    output = tools.tensor("the output", model(X), (size, 4))
    h_tilde = X @ params["Wh"].T + params["bh"]

    def second(h: Tensor) -> Tensor:
        return h @ params["Wy"].T + params["by"]

    expected = second(torch.tanh(h_tilde))
    mistakes = {
        "the output went through a softmax: return the pre-activations": torch.softmax(expected, 1),
        "the output went through a log-softmax: return the pre-activations": torch.log_softmax(
            expected, 1
        ),
        "the activation of the hidden layer is ReLU; asked for is tanh": second(h_tilde.relu()),
        "the activation of the hidden layer is a sigmoid; asked for is tanh": second(
            h_tilde.sigmoid()
        ),
        "there is no activation between the two linear maps": second(h_tilde),
        "there is a tanh on the output as well: return the pre-activations": expected.tanh(),
    }
    tools.close("the output", output, expected, mistakes)


@pytest.mark.task("init_model", weight=1, page=AUTOGRAD_PAGE)
def test_init_model_can_be_trained(student: Student, rng: torch.Generator) -> None:
    """A gradient reaches each parameter from the output."""
    model, _ = _network_of_the_student(student, rng)
    X, _ = batch(rng, 6, 3, 4, torch.float32)
    upstream = torch.randn(6, 4, generator=rng)
    output = model(X)
    tools.require(
        isinstance(output, Handle),
        "the output requires no gradients",
        "the output is cut off from the parameters: no detach, .data or no_grad in the module",
    )
    tools.tensor("the output", output, (6, 4))
    output.backward(upstream)
    for name, parameter in named(model.parameters()).items():
        tools.require(
            parameter.grad is not None and bool(parameter.grad.any()),
            f"no gradient reaches {name} from the output",
            "a parameter is cut off from the output: no detach, .data or no_grad in the module",
        )


@pytest.mark.task("init_model", weight=1, page="book/unit1/initialisation.html")
def test_init_model_breaks_the_symmetry(student: Student) -> None:
    """Hidden units that start with different weights."""
    for name, weight in named(_module(student.init_model(6, 7, 5)).parameters()).items():
        tools.require(bool(torch.isfinite(weight).all()), f"{name} is not finite")
        if weight.dim() == 2:
            tools.require(
                len(torch.unique(weight, dim=0)) == len(weight),
                f"several units of {name} start with equal weights",
                "units that start the same get the same gradients and stay the same: "
                "the weights must be random",
            )


@pytest.mark.task("loss_accuracy_model", weight=2, page=LOSS_PAGE)
def test_loss_of_a_model(student: Student, rng: torch.Generator) -> None:
    """The mean cross-entropy of a batch of unequal sizes, in float64."""
    theirs, ours = twin(student, rng, 3, 5, 4)
    X, Y = batch(rng, 6, 3, 4)
    loss, _ = pair(student.loss_accuracy_model(theirs, X, Y))
    with torch.no_grad():
        Y_tilde = ours(X)
    expected, accuracy = by_hand.loss_accuracy(Y_tilde, Y)
    mistakes = {
        SUMMED: expected * len(X),
        "the mean runs over every entry of the batch: sum over the classes first": expected / 4,
        SOFTMAX_TWICE: entropy_of_softmax(Y_tilde, Y),
        SQUARED: squared_error(Y_tilde, Y),
        "the loss is the squared error of the pre-activations": functional.mse_loss(Y_tilde, Y),
        "return the loss first, then the accuracy": accuracy,
    }
    tools.close("the loss", tools.tensor("the loss", loss, ()), expected, mistakes, rtol=1e-6)


@pytest.mark.task("loss_accuracy_model", weight=2, page=AUTOGRAD_PAGE)
def test_loss_of_a_model_carries_the_graph(student: Student, rng: torch.Generator) -> None:
    """The gradients that `loss.backward()` puts into the model."""
    theirs, ours = twin(student, rng, 3, 5, 4)
    X, Y = batch(rng, 6, 3, 4)
    loss, accuracy = pair(student.loss_accuracy_model(theirs, X, Y))
    for name, parameter in named(theirs.parameters()).items():
        tools.require(
            parameter.grad is None,
            f"{name} has a gradient before `loss.backward()` was called",
            "return the loss without calling backward: that is the caller's business",
        )
    if not isinstance(loss, Handle):
        if isinstance(accuracy, Handle):
            raise Mistake("the accuracy carries a graph", "return the loss first")
        raise Mistake("the loss requires no gradients", DETACHED)
    tools.tensor("the loss", loss, ())
    loss.backward()
    summed = gradients_of(ours, functional.cross_entropy(ours(X), Y, reduction="sum"))
    softmax_twice = gradients_of(ours, entropy_of_softmax(ours(X), Y))
    squared = gradients_of(ours, squared_error(ours(X), Y))
    for name, parameter in named(theirs.parameters()).items():
        what = f"the gradient of {name}"
        mistakes = {
            SUMMED: summed[name],
            SOFTMAX_TWICE: softmax_twice[name],
            SQUARED: squared[name],
        }
        gradient = tools.tensor(what, parameter.grad, summed[name].shape)
        tools.close(what, gradient, summed[name] / len(X), mistakes)


@pytest.mark.task("loss_accuracy_model", weight=2, page=LOSS_PAGE)
def test_accuracy_of_a_model(student: Student, rng: torch.Generator) -> None:
    """The accuracy of a batch in which some examples are right and some are wrong."""
    theirs, ours = twin(student, rng, 3, 4)
    X = torch.randn(7, 3, generator=rng, dtype=torch.float64)
    with torch.no_grad():
        predicted = ours(X).argmax(dim=1)
    n_right, order = 3, torch.randperm(7, generator=rng)
    labels = (predicted + 1) % 4
    labels[order[:n_right]] = predicted[order[:n_right]]
    Y = one_hot(labels, 4)
    _, accuracy = pair(student.loss_accuracy_model(theirs, X, Y))
    value = tools.as_number("the accuracy", accuracy)
    with torch.no_grad():
        columns = float((ours(X).argmax(dim=0) == Y.argmax(dim=0)).double().mean())
    mistakes = {
        "the accuracy is given in per cent; asked for is a part, in [0, 1]": 100 * n_right / 7,
        "this counts the right examples: divide by the number of examples": n_right,
        "this compares every entry of the one-hot rows; compare one class an example": (
            1 - 2 * (7 - n_right) / 28
        ),
        "argmax runs along the wrong axis: one class an example, dim=1": columns,
        "this is the error rate, the part that is wrong": 1 - n_right / 7,
    }
    tools.number("the accuracy", value, n_right / 7, mistakes)


@pytest.mark.task("loss_accuracy_model", weight=1, page=LOSS_PAGE)
def test_loss_of_a_model_on_large_pre_activations(student: Student, rng: torch.Generator) -> None:
    """A batch of one in float32 with pre-activations in the hundreds; nothing is modified."""
    theirs, ours = twin(student, rng, 3, 4, dtype=torch.float32)
    X, Y = batch(rng, 1, 3, 4, torch.float32)
    X *= 500
    X_before, Y_before = X.clone(), Y.clone()
    loss, accuracy = pair(student.loss_accuracy_model(theirs, X, Y))
    with torch.no_grad():
        expected, right = by_hand.loss_accuracy(ours(X), Y)
    value = tools.tensor("the loss", loss, ())
    tools.require(bool(torch.isfinite(value)), f"the loss is {float(value)}", OVERFLOW)
    tools.close("the loss", value, expected)
    tools.number("the accuracy", accuracy, float(right))
    tools.unchanged("X", X_before, X)
    tools.unchanged("Y", Y_before, Y)
    after = named(theirs.state_dict())
    for name, before in ours.state_dict().items():
        tools.unchanged(f"{name} of the model", before, tools.tensor(name, after.get(name), None))


def _with_gradients(
    theirs: Handle, ours: nn.Module, rng: torch.Generator, size: int
) -> dict[str, Tensor]:
    """Let gradients flow into the worker's module; return those of this pass alone."""
    X, _ = batch(rng, size, 3, 4)
    upstream = torch.randn(size, 4, generator=rng, dtype=torch.float64)
    state = named(theirs.state_dict())
    ours.load_state_dict(
        {
            name: tools.tensor(name, state.get(name), value.shape)
            for name, value in ours.state_dict().items()
        }
    )
    theirs(X).backward(upstream)
    return gradients_of(ours, (ours(X) * upstream).sum())


@pytest.mark.task("sgd_model", weight=2, page=DESCENT_PAGE)
def test_sgd_model_moves_every_parameter(student: Student, rng: torch.Generator) -> None:
    """The parameters after one step from random gradients, in float64."""
    theirs, ours = twin(student, rng, 3, 5, 4)
    grads, eta = _with_gradients(theirs, ours, rng, 6), 0.37
    before = named(theirs.parameters())
    stepped(lambda: student.sgd_model(theirs, eta))
    mistakes = {
        "only the direction of the gradient is used, without its size": {
            name: -eta * grad.sign() for name, grad in grads.items()
        },
        "the learning rate eta is missing": scaled(grads, -1),
    }
    compare_changes(before, named(theirs.parameters()), scaled(grads, -eta), mistakes)


@pytest.mark.task("sgd_model", weight=1, page=DESCENT_PAGE)
def test_sgd_model_uses_the_learning_rate(student: Student, rng: torch.Generator) -> None:
    """Two learning rates give two steps, in proportion."""
    theirs, ours = twin(student, rng, 3, 4)
    start = dict(ours.state_dict())
    X, _ = batch(rng, 5, 3, 4)
    steps = []
    for eta in (0.02, 0.9):
        theirs.load_state_dict(start)
        theirs.zero_grad()
        theirs(X).backward(torch.ones(5, 4, dtype=torch.float64))
        stepped(partial(student.sgd_model, theirs, eta))
        weight = tools.tensor("0.weight", named(theirs.parameters()).get("0.weight"), (4, 3))
        steps.append(weight - start["0.weight"])
    small, large = steps
    tools.require(bool(small.any() and large.any()), "no parameter has changed", IN_PLACE)
    if torch.allclose(small, large):
        raise Mistake("two values of eta give the same step", "the step does not depend on eta")
    tools.close("the step with eta=0.9", large, small * 45)


@pytest.mark.task("sgd_model", weight=2, page=AUTOGRAD_PAGE)
def test_sgd_model_clears_the_gradients(student: Student, rng: torch.Generator) -> None:
    """A second backward and a second step, after which no first gradient may be left in it."""
    theirs, ours = twin(student, rng, 3, 5, 4)
    eta = 0.37
    first = _with_gradients(theirs, ours, rng, 6)
    stepped(lambda: student.sgd_model(theirs, eta))
    before = named(theirs.parameters())
    second = _with_gradients(theirs, ours, rng, 5)
    stepped(lambda: student.sgd_model(theirs, eta))
    both = {name: first[name] + second[name] for name in first}
    mistakes = {NOT_ZEROED: scaled(both, -eta)}
    compare_changes(before, named(theirs.parameters()), scaled(second, -eta), mistakes)


@pytest.mark.task("sgd_model", weight=1, page=AUTOGRAD_PAGE)
def test_sgd_model_works_in_place(student: Student, rng: torch.Generator) -> None:
    """Whoever holds the parameters of the module, as an optimizer does, sees them change."""
    theirs, ours = twin(student, rng, 3, 4)
    grads = _with_gradients(theirs, ours, rng, 6)
    held, before = theirs.parameter_list(), named(theirs.parameters())
    stepped(lambda: student.sgd_model(theirs, 0.5))
    seen = {name: held[position] for position, name in enumerate(before)}
    compare_changes(before, seen, scaled(grads, -0.5), {})
