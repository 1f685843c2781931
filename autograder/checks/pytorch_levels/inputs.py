"""What the checks of the three levels share: the network, and what likely mistakes make of it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import astuple, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.perceptron.inputs import normal
from autograder.checks.tools import Mistake
from autograder.student import Handle

DETACHED = "the output must carry the graph: no detach, .data or no_grad on the way"
MODULE = "return the module itself"
NAMES = ("kernels_1", "biases_1", "kernels_2", "biases_2", "weights", "biases")
SIZE_OF_MAPS = (
    "5 × 5 kernels with a padding of 2 and 3 × 3 kernels with a padding of 1 keep the size of the "
    "map; the linear layer takes all C_2 · H · W numbers of an image, flattened from dimension 1 on"
)

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Sizes:
    """The arguments of the two builders."""

    image_shape: tuple[int, int, int]
    channel_1: int
    channel_2: int
    n_classes: int

    @property
    def arguments(self) -> tuple[Any, ...]:
        return astuple(self)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the six parameters in order."""
        channels, height, width = self.image_shape
        return [
            *((self.channel_1, channels, 5, 5), (self.channel_1,)),
            *((self.channel_2, self.channel_1, 3, 3), (self.channel_2,)),
            *((self.n_classes, self.channel_2 * height * width), (self.n_classes,)),
        ]


SIZES = Sizes((2, 6, 5), 3, 4, 7)
OF_ONE_WIDTH = Sizes((3, 4, 7), 3, 3, 5)


def drawn(rng: torch.Generator, sizes: Sizes) -> list[Tensor]:
    """Six parameters at random, in float64, such that no activation grows large."""
    values = [normal(rng, *shape) for shape in sizes.shapes]
    return [value / max(value[0].numel(), 4) ** 0.5 for value in values]


def images(rng: torch.Generator, n: int, sizes: Sizes) -> Tensor:
    return normal(rng, n, *sizes.image_shape)


def _same(X: Tensor) -> Tensor:
    return X


def output(
    params: Sequence[Tensor],
    X: Tensor,
    paddings: tuple[int, int] = (2, 1),
    bent: tuple[Map, Map] = (functional.relu, functional.relu),
    last: Map = _same,
    channels_last: bool = False,
) -> Tensor:
    """The pre-activations; the options are mistakes."""
    kernels_1, biases_1, kernels_2, biases_2, weights, biases = params
    maps = bent[0](functional.conv2d(X, kernels_1, biases_1, padding=paddings[0]))
    maps = bent[1](functional.conv2d(maps, kernels_2, biases_2, padding=paddings[1]))
    rows = (maps.permute(0, 2, 3, 1) if channels_last else maps).flatten(1)
    return last(functional.linear(rows, weights, biases))


def mistakes(params: Sequence[Tensor], X: Tensor) -> dict[str, Tensor]:
    """What likely mistakes give."""
    relu = functional.relu
    flipped = [value.flip(2, 3) if value.dim() == 4 else value for value in params]
    without = [torch.zeros_like(value) if value.dim() == 1 else value for value in params]
    return {
        "the softmax belongs to the loss: return the pre-activations": output(
            params, X, last=lambda Y: Y.softmax(1)
        ),
        "no log_softmax at the end: the loss has it inside": output(
            params, X, last=lambda Y: Y.log_softmax(1)
        ),
        "no ReLU after the last layer: pre-activations may be negative": output(
            params, X, last=relu
        ),
        "a ReLU follows each convolution, and here it follows none": output(
            params, X, bent=(_same, _same)
        ),
        "the ReLU after the first convolution is missing": output(params, X, bent=(_same, relu)),
        "the ReLU after the second convolution is missing": output(params, X, bent=(relu, _same)),
        "a padding of 2 belongs to the 5 × 5 kernels, and one of 1 to the 3 × 3 kernels: here it "
        "is the other way round": output(params, X, paddings=(1, 2)),
        "the maps are flattened pixel by pixel: flatten goes channel by channel": output(
            params, X, channels_last=True
        ),
        "the biases are left out": output(without, X),
        "the last biases are left out": output([*params[:5], without[5]], X),
        "the kernels are turned round: the library's convolution does not flip them": output(
            flipped, X
        ),
    }


def wrong_sizes() -> AbstractContextManager[None]:
    """Explain the errors that maps of another size raise."""
    of_maps = ("cannot be multiplied", "invalid for input of size", "must match", "mismatch")
    return tools.explained(SIZE_OF_MAPS, *of_maps, "Kernel size can't be greater")


def module(value: Any) -> Handle:
    """A module that a builder returned."""
    if not isinstance(value, Handle):
        raise Mistake(f"a module is expected, and {tools.described(value)} came", MODULE)
    return value


def compare_gradients(
    came: Sequence[Tensor | None], params: Sequence[Tensor], X: Tensor, upstream: Tensor
) -> None:
    """Compare the gradient of each parameter with autograd's of our own network."""
    tools.require(len(came) == len(params), f"there are {len(came)} parameters, not six", DETACHED)
    leaves = [value.clone().requires_grad_() for value in params]
    expected = torch.autograd.grad(output(leaves, X), leaves, upstream)
    for name, gradient, right in zip(NAMES, came, expected, strict=True):
        if gradient is None:
            raise Mistake(f"the parameter {name} gets no gradient", DETACHED)
        tools.close(f"the gradient of {name}", gradient, right)
