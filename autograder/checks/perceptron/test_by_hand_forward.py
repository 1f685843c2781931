"""Hidden checks of the forward pass: each step against the student's own step before it."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from autograder.checks import tools
from autograder.checks.perceptron.inputs import (
    Network,
    copies,
    entries,
    normal,
    two,
    wrong_shapes,
)
from autograder.student import Student

SOFTMAX = [
    *("torch.softmax", "torch.log_softmax", "torch.logsumexp", "torch.logcumsumexp"),
    *("torch.Tensor.softmax", "torch.Tensor.log_softmax", "torch.Tensor.logsumexp"),
    *("torch.Tensor.logcumsumexp", "torch.special", "torch.distributions", "scipy.special"),
    *("torch.nn.functional.softmax", "torch.nn.functional.log_softmax"),
    *("torch.nn.functional.softmin", "torch.nn.functional.gumbel_softmax"),
    *("torch.nn.Softmax", "torch.nn.LogSoftmax", "torch.nn.Softmin"),
]
FORBIDDEN = {"forward": SOFTMAX}
NETWORK = "book/unit1/network.html"
LOSS = "book/unit1/loss.html"

PAIR = "return a pair: the predictions and the dict of what backward needs"
KEYS = "outputs holds what backward needs: X, h_tilde, h, y_tilde and y_hat, under these names"
SHIFT = "subtract the largest pre-activation of each row before the exponential"
ROW_MAXIMUM = "the largest pre-activation is the one of each row, not of the whole batch"
BATCH_AXIS = "keep the axis of the batch also for one example: a squeeze too many"
TANH = "a tanh from its exponentials overflows: use torch.tanh"


@pytest.mark.task("forward", weight=1, page=NETWORK)
def test_forward_returns_predictions_and_outputs(
    student: Student, rng: torch.Generator, device: str
) -> None:
    """Predictions and outputs have the right kinds, keys, shapes and dtypes."""
    network = Network.draw(rng, device)
    y_hat, outputs = _forward(student, network)
    expected = network.outputs()
    entries("outputs", outputs, expected, KEYS)
    for name, value in expected.items():
        tools.tensor(f'outputs["{name}"]', outputs[name], value.shape, torch.float64)
    tools.close('outputs["X"]', tools.tensor('outputs["X"]', outputs["X"], None), network.X)
    y_hat = tools.tensor("Y_hat", y_hat, network.Y.shape, torch.float64)
    tools.close('outputs["y_hat"]', tools.tensor("y_hat", outputs["y_hat"], None), y_hat)


@pytest.mark.task("forward", weight=1, page=NETWORK)
def test_hidden_pre_activations(student: Student, rng: torch.Generator, device: str) -> None:
    """The pre-activations of the hidden layer."""
    network = Network.draw(rng, device)
    _check_h_tilde(network, _forward(student, network)[1])


@pytest.mark.task("forward", weight=2, page=NETWORK)
def test_hidden_activations(student: Student, rng: torch.Generator, device: str) -> None:
    """The activations of the hidden layer."""
    network = Network.draw(rng, device)
    _check_h(network, _forward(student, network)[1])


@pytest.mark.task("forward", weight=1, page=NETWORK)
def test_output_pre_activations(student: Student, rng: torch.Generator, device: str) -> None:
    """The pre-activations of the output layer, from your own hidden activations."""
    network = Network.draw(rng, device)
    _check_y_tilde(network, _forward(student, network)[1])


@pytest.mark.task("forward", weight=2, page=NETWORK)
def test_softmax(student: Student, rng: torch.Generator, device: str) -> None:
    """The predictions, from your own output pre-activations."""
    network = Network.draw(rng, device)
    _check_softmax(network, *_forward(student, network))


@pytest.mark.task("forward", weight=3, page=LOSS)
def test_softmax_of_large_pre_activations(student: Student, rng: torch.Generator) -> None:
    """Output pre-activations of ±1000 and beyond: no inf, no nan."""
    network = Network.draw(rng, batch=6)
    signs = torch.tensor([1.0, -1, 1, -1, -1, 1], dtype=torch.float64)[:, None]
    network.params["Wh"] = normal(rng, 5, 3).abs() + 1
    network.params["Wy"] = 1000 + normal(rng, 4, 5)  # about ±5000, with moderate differences
    network.X = 50 * signs * (normal(rng, 6, 3).abs() + 1)
    y_hat, outputs = _forward(student, network)
    found = tools.tensor("Y_hat", y_hat, network.Y.shape)
    finite = found.isfinite().all(dim=1)
    hint = ROW_MAXIMUM if bool(finite[signs[:, 0] > 0].all()) else SHIFT
    tools.require(bool(finite.all()), "Y_hat has inf or nan for large pre-activations", hint)
    _check_softmax(network, y_hat, outputs)


@pytest.mark.task("forward", weight=1, page=NETWORK)
def test_saturated_hidden_units(student: Student, rng: torch.Generator) -> None:
    """Hidden pre-activations of ±1000 and beyond: activations of ±1."""
    network = Network.draw(rng)
    network.X = 1e4 * (network.X + network.X.sign())
    _, outputs = _forward(student, network)
    found = _output(outputs, "h", network)
    tools.require(bool(found.isfinite().all()), 'outputs["h"] has inf or nan', TANH)
    _check_h(network, outputs)


@pytest.mark.task("forward", weight=1, page=NETWORK)
def test_forward_of_one_example(student: Student, rng: torch.Generator) -> None:
    """A batch of one example keeps its two axes."""
    network = Network.draw(rng, batch=1)
    with tools.explained(BATCH_AXIS, "Dimension out of range", "IndexError"):
        y_hat, outputs = _forward(student, network)
    for name, value in [*outputs.items(), ("y_hat", y_hat)]:
        if name in network.outputs():
            asked, came = network.outputs()[name].shape, tools.tensor(name, value, None).shape
            message = f"for a batch of one, {name} must have shape {tuple(asked)}, "
            tools.require(came == asked, f"{message}and has shape {tuple(came)}", BATCH_AXIS)
    _check_all(network, y_hat, outputs)


@pytest.mark.task("forward", weight=1, page=NETWORK)
def test_forward_of_strided_tensors(student: Student, rng: torch.Generator) -> None:
    """Tensors that are not contiguous, as a transpose or a choice of columns gives them."""
    network = Network.draw(rng).strided()
    with tools.wrong_view():
        y_hat, outputs = _forward(student, network)
    _check_all(network, y_hat, outputs)


@pytest.mark.task("forward", weight=1, page=NETWORK)
def test_forward_leaves_its_arguments_alone(student: Student, rng: torch.Generator) -> None:
    """Neither the parameters nor the batch are modified."""
    network = Network.draw(rng)
    arguments = {**network.params, "X": network.X}
    before = copies(arguments)
    _returned(student, network)
    for name, value in before.items():
        tools.unchanged(name, value, arguments[name])


def _forward(student: Student, network: Network) -> tuple[Any, dict[str, Any]]:
    """What forward returns for copies: an answer is not judged by what it writes into them."""
    return _returned(student, copy.deepcopy(network))


def _returned(student: Student, network: Network) -> tuple[Any, dict[str, Any]]:
    with wrong_shapes():
        returned = student.forward(network.params, network.X)
    y_hat, outputs = two("forward", returned, PAIR)
    return y_hat, entries("outputs", outputs, [], KEYS)


def _output(outputs: dict[str, Any], name: str, network: Network) -> Tensor:
    value = entries("outputs", outputs, [name], KEYS)[name]
    return tools.tensor(f'outputs["{name}"]', value, network.outputs()[name].shape)


def _check_all(network: Network, y_hat: Any, outputs: dict[str, Any]) -> None:
    _check_h_tilde(network, outputs)
    _check_h(network, outputs)
    _check_y_tilde(network, outputs)
    _check_softmax(network, y_hat, outputs)


def _check_h_tilde(network: Network, outputs: dict[str, Any]) -> None:
    expected, bias = network.outputs()["h_tilde"], network.params["bh"]
    mistakes = {
        "the bias bh is not added": expected - bias,
        "the bias bh is subtracted": expected - 2 * bias,
        "h_tilde holds the activations: it was overwritten by an in-place operation, or the "
        "names are exchanged": torch.tanh(expected),
    }
    tools.close('outputs["h_tilde"]', _output(outputs, "h_tilde", network), expected, mistakes)


def _check_h(network: Network, outputs: dict[str, Any]) -> None:
    h_tilde = network.outputs()["h_tilde"]
    without_bias = h_tilde - network.params["bh"]
    mistakes = {
        "sigmoid instead of tanh": torch.sigmoid(h_tilde),
        "ReLU instead of tanh": torch.relu(h_tilde),
        "the tanh is missing: this is still the pre-activation": h_tilde,
        "tanh is applied twice": torch.tanh(torch.tanh(h_tilde)),
        "the bias bh is not added": torch.tanh(without_bias),
    }
    tools.close('outputs["h"]', _output(outputs, "h", network), torch.tanh(h_tilde), mistakes)


def _check_y_tilde(network: Network, outputs: dict[str, Any]) -> None:
    h = _output(outputs, "h", network).to(network.X)
    weights, bias = network.params["Wy"], network.params["by"]
    expected = h @ weights.T + bias
    mistakes = {
        "the bias by is not added": h @ weights.T,
        "the bias by is subtracted": h @ weights.T - bias,
        "the output layer acts on h, not on h_tilde": network.outputs()["h_tilde"] @ weights.T
        + bias,
    }
    tools.close('outputs["y_tilde"]', _output(outputs, "y_tilde", network), expected, mistakes)


def _check_softmax(network: Network, y_hat: Any, outputs: dict[str, Any]) -> None:
    y_tilde = _output(outputs, "y_tilde", network).to(network.X)
    exponentials = torch.exp(y_tilde - y_tilde.amax(dim=1, keepdim=True))
    expected = exponentials / exponentials.sum(dim=1, keepdim=True)
    mistakes = {
        "the sum in the softmax goes over each row (the classes of one example), not over the "
        "batch": torch.softmax(y_tilde, dim=0),
        "the sum in the softmax goes over each row, not over all entries": (
            torch.softmax(y_tilde.flatten(), dim=0).reshape(y_tilde.shape)
        ),
        "divide each exponential by the sum of its row": torch.exp(y_tilde),
        "the exponentials are not yet divided by the sum of their row": exponentials,
        "this is the sigmoid of each pre-activation: the softmax makes the classes compete, and "
        "each row sums to 1": torch.sigmoid(y_tilde),
        "these are still the pre-activations: the softmax is missing": y_tilde,
        "this is the logarithm of the softmax": torch.log(expected),
        "the softmax is applied twice": torch.softmax(expected, dim=1),
    }
    tools.close("Y_hat", tools.tensor("Y_hat", y_hat, y_tilde.shape), expected, mistakes)
