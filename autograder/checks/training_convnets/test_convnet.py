"""Hidden checks of the convolutional network."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.perceptron.networks import named
from autograder.student import Handle, Student
from solutions import convnet

PAGE = "book/unit2/network.html#convnet-layers"

SIZES = (
    "fc1 takes widths[2] · (height // 8) · (width // 8) numbers an image: pool three times by "
    "2, drop an odd last row or column, and flatten from dimension 1 on"
)
NAMES = "the layers keep the names that __init__ gives them: weights are copied in by name"
DETACHED = "the output must carry the graph: no detach, .data or no_grad in forward"

Network = dict[str, Tensor]
Pool = Callable[[Tensor], Tensor]


def _weights(rng: torch.Generator, *sizes: Any) -> Network:
    """Random weights for a network of these sizes, by name."""
    shapes = {name: value.shape for name, value in convnet.ConvNet(*sizes).state_dict().items()}
    return {
        name: torch.randn(shape, generator=rng) * (2 / max(shape[1:].numel(), 4)) ** 0.5
        for name, shape in shapes.items()
    }


def _model(student: Student, weights: Network, *sizes: Any) -> Handle:
    model = student.ConvNet(*sizes)
    if not isinstance(model, Handle):
        raise tools.Mistake(f"a module is expected, and {tools.described(model)} came")
    with tools.explained(NAMES, "Missing key", "Unexpected key", "size mismatch"):
        model.load_state_dict({name: value.clone() for name, value in weights.items()})
    return model


def _wrong_sizes() -> AbstractContextManager[None]:
    return tools.explained(SIZES, "cannot be multiplied", "invalid for input of size", "must match")


def _pooled(X: Tensor) -> Tensor:
    return functional.max_pool2d(X, 2)


def _averaged(X: Tensor) -> Tensor:
    return functional.avg_pool2d(X, 2)


def _same(X: Tensor) -> Tensor:
    return X


def _output(
    weights: Network,
    X: Tensor,
    layers: tuple[str, str, str] = ("conv1", "conv2", "conv3"),
    unbent: tuple[int, ...] = (),
    pool: Pool = _pooled,
    channels_last: bool = False,
    hidden: Pool = functional.relu,
    last: Pool = _same,
) -> Tensor:
    """The pre-activations; the options are mistakes. `unbent`: blocks without their ReLU."""
    for number, name in enumerate(layers):
        X = functional.conv2d(X, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=2)
        X = pool(X if number in unbent else functional.relu(X))
    X = (X.permute(0, 2, 3, 1) if channels_last else X).flatten(1)
    h = hidden(functional.linear(X, weights["fc1.weight"], weights["fc1.bias"]))
    return last(functional.linear(h, weights["fc2.weight"], weights["fc2.bias"]))


def _mistakes(weights: Network, X: Tensor) -> dict[str, Tensor]:
    """What likely mistakes give."""
    return {
        "the softmax belongs to the loss: return the pre-activations": _output(
            weights, X, last=lambda Y: Y.softmax(1)
        ),
        "no log_softmax at the end: the loss has it inside": _output(
            weights, X, last=lambda Y: Y.log_softmax(1)
        ),
        "no ReLU after fc2: pre-activations may be negative": _output(
            weights, X, last=functional.relu
        ),
        "the ReLU after fc1 is missing: two linear maps in a row are one": _output(
            weights, X, hidden=_same
        ),
        "a ReLU follows every convolution, and here it follows none": _output(
            weights, X, unbent=(0, 1, 2)
        ),
        "the ReLU after conv3 is missing": _output(weights, X, unbent=(2,)),
        "the ReLU after conv1 is missing": _output(weights, X, unbent=(0,)),
        "this is average pooling, and the network takes the maximum": _output(
            weights, X, pool=_averaged
        ),
        "the maps are flattened pixel by pixel: torch.flatten goes channel by channel": _output(
            weights, X, channels_last=True
        ),
    }


def _check(student: Student, rng: torch.Generator, n: int, *sizes: Any) -> None:
    weights = _weights(rng, *sizes)
    X = torch.randn(n, *sizes[0], generator=rng)
    model = _model(student, weights, *sizes)
    before = X.clone()
    with _wrong_sizes():
        output = tools.tensor("the output", model(X), (n, sizes[1]))
    tools.close("the output", output, _output(weights, X), _mistakes(weights, X))
    tools.unchanged("X", before, X)


@pytest.mark.task("ConvNet", weight=3, page=PAGE)
def test_pre_activations(student: Student, rng: torch.Generator) -> None:
    """The output for known weights, images of 16 × 24 pixels."""
    _check(student, rng, 5, (2, 16, 24), 6, (3, 5, 4), 7)


@pytest.mark.task("ConvNet", weight=2, page=PAGE)
def test_odd_sizes(student: Student, rng: torch.Generator) -> None:
    """Images of 21 × 13 pixels: each pooling drops the last row or column where there is one."""
    _check(student, rng, 3, (3, 21, 13), 4, (4, 3, 5), 6)


@pytest.mark.task("ConvNet", weight=1, page=PAGE)
def test_one_image(student: Student, rng: torch.Generator) -> None:
    """A batch of one image, and maps that end as single pixels."""
    _check(student, rng, 1, (1, 8, 8), 10, (6, 5, 4), 7)


@pytest.mark.task("ConvNet", weight=1, page=PAGE)
def test_every_layer_is_used_once(student: Student, rng: torch.Generator) -> None:
    """Three convolutions of equal width, which could stand for each other."""
    sizes: tuple[Any, ...] = ((3, 16, 8), 5, (3, 3, 3), 5)
    weights = _weights(rng, *sizes)
    X = torch.randn(4, *sizes[0], generator=rng)
    with _wrong_sizes():
        output = tools.tensor("the output", _model(student, weights, *sizes)(X), (4, 5))
    mistakes = {
        "conv2 is used twice, and conv3 never": _output(weights, X, ("conv1", "conv2", "conv2")),
        "conv1 is used in place of conv2": _output(weights, X, ("conv1", "conv1", "conv3")),
        "conv2 and conv3 are exchanged": _output(weights, X, ("conv1", "conv3", "conv2")),
    }
    tools.close("the output", output, _output(weights, X), mistakes)


@pytest.mark.task("ConvNet", weight=1, page=PAGE)
def test_images_that_are_not_contiguous(student: Student, rng: torch.Generator) -> None:
    """Every second image of a batch."""
    sizes: tuple[Any, ...] = ((2, 8, 16), 3, (2, 3, 4), 5)
    weights = _weights(rng, *sizes)
    X = torch.randn(8, *sizes[0], generator=rng)[::2]
    with _wrong_sizes():
        output = tools.tensor("the output", _model(student, weights, *sizes)(X), (4, 3))
    tools.close("the output", output, _output(weights, X), _mistakes(weights, X))


@pytest.mark.task("ConvNet", weight=1, page=PAGE)
def test_every_parameter_gets_a_gradient(student: Student, rng: torch.Generator) -> None:
    """The gradient of every weight and bias, against autograd."""
    sizes: tuple[Any, ...] = ((2, 8, 9), 3, (3, 4, 5), 6)
    weights = _weights(rng, *sizes)
    X = torch.randn(4, *sizes[0], generator=rng)
    model = _model(student, weights, *sizes)
    with _wrong_sizes():
        output = model(X)
    tools.require(isinstance(output, Handle), "the output carries no graph", DETACHED)
    upstream = torch.randn(4, 3, generator=rng)
    output.backward(upstream)
    leaves = {name: value.clone().requires_grad_() for name, value in weights.items()}
    gradients = torch.autograd.grad(_output(leaves, X), list(leaves.values()), upstream)
    found = named(model.parameters())
    for name, expected in zip(leaves, gradients, strict=True):
        gradient = found[name].grad if name in found else None
        if gradient is None:
            raise tools.Mistake(f"{name} gets no gradient", DETACHED)
        tools.close(f"the gradient of {name}", gradient, expected, atol=1e-4)
