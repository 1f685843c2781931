"""Hidden checks of backpropagation, against autograd on a forward pass of the grader's."""

import copy
from contextlib import suppress
from typing import Any

import pytest
import torch
from torch import Tensor

from autograder.checks import tools
from autograder.checks.perceptron.inputs import (
    Network,
    copies,
    entries,
    two,
    wrong_shapes,
)
from autograder.student import Student

FORBIDDEN = {"backward": tools.AUTOGRAD}
PAGE = "book/unit1/backpropagation.html"

KEYS = "the gradients have the keys of params: Wh, bh, Wy, by"
EACH_EXAMPLE = "this has one gradient an example: sum it over the batch"
WRONG_AXIS = "the sum goes over the wrong axis: sum over the batch, dim 0"
PAIR = "forward returns the predictions and the dict of outputs"
FORWARD_FIRST = "put forward right first: backward computes with its outputs"


@pytest.mark.task("backward", weight=1, page=PAGE)
def test_gradients_have_the_shapes_of_parameters(
    student: Student, rng: torch.Generator, device: str
) -> None:
    """One gradient for every parameter, of its shape and dtype."""
    network = Network.draw(rng, device)
    gradients = _backward(student, network)
    for name, value in network.params.items():
        found = _gradient(gradients, name, network)
        message = f"the gradient of {name} has dtype {found.dtype}, {name} itself {value.dtype}"
        tools.require(found.dtype == value.dtype, message, "compute in the dtype of the arguments")


@pytest.mark.task("backward", weight=1, page=PAGE)
def test_gradient_of_output_bias(student: Student, rng: torch.Generator, device: str) -> None:
    """The gradient of by, against autograd."""
    network = Network.draw(rng, device)
    _check_gradient(_backward(student, network), "by", network)


@pytest.mark.task("backward", weight=2, page=PAGE)
def test_gradient_of_output_weights(student: Student, rng: torch.Generator, device: str) -> None:
    """The gradient of Wy, against autograd."""
    network = Network.draw(rng, device)
    _check_gradient(_backward(student, network), "Wy", network)


@pytest.mark.task("backward", weight=2, page=PAGE)
def test_gradient_of_hidden_bias(student: Student, rng: torch.Generator, device: str) -> None:
    """The gradient of bh, against autograd."""
    network = Network.draw(rng, device)
    _check_gradient(_backward(student, network), "bh", network)


@pytest.mark.task("backward", weight=2, page=PAGE)
def test_gradient_of_hidden_weights(student: Student, rng: torch.Generator, device: str) -> None:
    """The gradient of Wh, against autograd."""
    network = Network.draw(rng, device)
    _check_gradient(_backward(student, network), "Wh", network)


@pytest.mark.task("backward", weight=0.5, page=PAGE)
def test_backward_after_own_forward(student: Student, rng: torch.Generator) -> None:
    """The gradients from the outputs of your own forward, where it gives any."""
    network = Network.draw(rng)
    given = copy.deepcopy(network)
    outputs: dict[str, Any] = given.outputs()
    with suppress(tools.StudentError, tools.Mistake):
        returned = student.forward(given.params, given.X)
        outputs = entries("outputs", two("forward", returned, PAIR)[1], outputs, PAIR)
    with wrong_shapes(), tools.graph_is_off(), student.no_autograd():
        gradients = student.backward(given.params, outputs, given.Y)
    for name, expected in network.outputs().items():
        found = tools.tensor(f'outputs["{name}"]', outputs[name], None)
        right = found.shape == expected.shape and torch.allclose(found.to(expected), expected)
        tools.require(right, f'your forward gave a wrong outputs["{name}"]', FORWARD_FIRST)
    _check_all(gradients, network)


@pytest.mark.task("backward", weight=1, page=PAGE)
def test_backward_of_one_example(student: Student, rng: torch.Generator) -> None:
    """A batch of one example."""
    network = Network.draw(rng, batch=1)
    _check_all(_backward(student, network), network)


@pytest.mark.task("backward", weight=1, page=PAGE)
def test_backward_of_strided_tensors(student: Student, rng: torch.Generator) -> None:
    """Tensors that are not contiguous, as a transpose or a choice of columns gives them."""
    network = Network.draw(rng).strided()
    with tools.wrong_view():
        gradients = _backward(student, network)
    _check_all(gradients, network)


@pytest.mark.task("backward", weight=1, page=PAGE)
def test_backward_leaves_its_arguments_alone(student: Student, rng: torch.Generator) -> None:
    """Neither the parameters nor the outputs nor the targets are modified."""
    network = Network.draw(rng)
    outputs = network.outputs()
    arguments = {**network.params, "Y": network.Y}
    arguments |= {f'outputs["{name}"]': value for name, value in outputs.items()}
    before = copies(arguments)
    _gradients(student, network, outputs)
    for name, value in before.items():
        tools.unchanged(name, value, arguments[name])


def _backward(student: Student, network: Network) -> Any:
    """The gradients for copies: an answer is not judged by what it writes into them."""
    given = copy.deepcopy(network)
    return _gradients(student, given, given.outputs())


def _gradients(student: Student, network: Network, outputs: dict[str, Any]) -> Any:
    """The gradients from the grader's outputs, which hold the documented keys.

    A backward that reads more than these gets the rest from the student's own forward.
    """
    with wrong_shapes(), tools.graph_is_off(), student.no_autograd():
        try:
            return student.backward(network.params, outputs, network.Y)
        except tools.StudentError as error:
            if error.type != "KeyError":
                raise
        returned = student.forward(network.params, network.X)
        _, own = two("forward", returned, PAIR)
        merged = {**entries("outputs", own, [], KEYS), **outputs}
        return student.backward(network.params, merged, network.Y)


def _gradient(gradients: Any, name: str, network: Network) -> Tensor:
    found = entries("what backward returns", gradients, [name], KEYS)[name]
    value = tools.tensor(f"the gradient of {name}", found, None)
    batch, came, asked = len(network.X), tuple(value.shape), tuple(network.params[name].shape)
    message = f"the gradient of {name} must have shape {asked}, and has shape {came}"
    tools.require(came != (batch, *asked), message, EACH_EXAMPLE)
    summed_over_units = len(asked) == 1 and came == (batch,) and came != asked
    tools.require(not summed_over_units, message, WRONG_AXIS)
    return tools.tensor(f"the gradient of {name}", value, asked)


def _check_all(gradients: Any, network: Network) -> None:
    for name in ("by", "Wy", "bh", "Wh"):
        _check_gradient(gradients, name, network)


def _check_gradient(gradients: Any, name: str, network: Network) -> None:
    found, expected = _gradient(gradients, name, network), network.gradients()[name]
    batch, classes = network.Y.shape
    mistakes = {
        "off by exactly the batch size: take the mean over the batch, not the sum": (
            expected * batch
        ),
        "divided by the batch size twice": expected / batch,
        "divided by the number of classes too: the mean goes over the batch alone": (
            expected / classes
        ),
        "the sign is wrong: the gradient begins with ŷ - y": -expected,
        **_wrong_in_the_output_layer(network, name),
        **_wrong_derivative_of_tanh(network, name),
    }
    tools.close(f"the gradient of {name}", found, expected, mistakes)


def _wrong_in_the_output_layer(network: Network, name: str) -> dict[str, Tensor]:
    out, Y = network.outputs(), network.Y
    y_hat, y_tilde = out["y_hat"], out["y_tilde"]
    wrong = {
        "softmax and cross-entropy together give ŷ - y: no further derivative of the softmax": (
            (y_hat - Y) * y_hat * (1 - y_hat)
        ),
        "the pre-activations instead of the predictions: the gradient begins with ŷ - y": (
            y_tilde - Y
        ),
        "twice as large: this is the beginning of a squared error": 2 * (y_hat - Y),
        "only ŷ is sent back: the target is missing": y_hat,
        "y / ŷ is the derivative by ŷ: softmax and cross-entropy together give ŷ - y": -Y / y_hat,
    }
    mistakes = {hint: _backpropagated(network, error)[name] for hint, error in wrong.items()}
    if name == "Wy":
        hint = "what went into the output layer is h, not h_tilde"
        mistakes[hint] = (y_hat - Y).T @ out["h_tilde"] / len(Y)
    return mistakes


def _wrong_derivative_of_tanh(network: Network, name: str) -> dict[str, Tensor]:
    if name in ("Wy", "by"):
        return {}
    out = network.outputs()
    h, h_tilde, error = out["h"], out["h_tilde"], out["y_hat"] - network.Y
    wrong = {
        "the derivative of tanh is missing": torch.ones_like(h),
        "h is already the tanh: its derivative is 1 - h², without another tanh": (
            1 - torch.tanh(h) ** 2
        ),
        "the derivative of tanh holds the square of the activation h, not of h_tilde": (
            1 - h_tilde**2
        ),
        "this is the derivative of the sigmoid": h * (1 - h),
        "the square is missing in the derivative of tanh": 1 - h,
        "this is the derivative of the ReLU": (h_tilde > 0).double(),
    }
    return {hint: _backpropagated(network, error, slope)[name] for hint, slope in wrong.items()}


def _backpropagated(
    network: Network, error: Tensor, slope: Tensor | None = None
) -> dict[str, Tensor]:
    """What follows from an error at the output, a mistaken one or with a mistaken tanh'."""
    out = network.outputs()
    error = error / len(error)
    back = error @ network.params["Wy"] * (1 - out["h"] ** 2 if slope is None else slope)
    return {
        "by": error.sum(dim=0),
        "Wy": error.T @ out["h"],
        "bh": back.sum(dim=0),
        "Wh": back.T @ network.X,
    }
