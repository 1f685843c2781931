"""What the checks of `toolbox_convolution` share: random layers, PyTorch's answer, refusals."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from autograder.checks import gradients, tools
from autograder.checks.tools import Mistake

OfArray = Callable[[np.ndarray], np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]

SIZES = (
    "images are N × C × H × W and kernels F × C × HH × WW. Write the size of every piece beside "
    "it: how many positions has the window in each direction, which pixels lie under it?"
)
DTYPE = "compute in the dtype of x: np.zeros and np.empty give float64 unless they are told dtype"
TOO_LARGE = "raise ValueError where the window is larger than the padded image"

CONVOLUTIONS = [
    *("torch.conv1d", "torch.conv2d", "torch.conv3d", "torch.convolution", "torch.conv_tbc"),
    *("torch.conv_transpose1d", "torch.conv_transpose2d", "torch.conv_transpose3d"),
    *(f"torch.nn.{kind}{n}d" for kind in ("Conv", "ConvTranspose") for n in (1, 2, 3)),
    *(f"torch.nn.functional.{kind}{n}d" for kind in ("conv", "conv_transpose") for n in (1, 2, 3)),
    *("torch.nn.functional.unfold", "torch.nn.functional.fold", "torch.nn.Unfold", "torch.nn.Fold"),
    *("torch.nn.grad", "torch.nn.modules.conv", "torch.ops", "torchvision"),
    *("scipy.signal", "scipy.ndimage", "numpy.convolve", "numpy.correlate", "skimage", "cv2"),
]


def normal(rng: torch.Generator, *shape: int) -> np.ndarray:
    """Standard normal numbers in float64."""
    return tools.numpy_generator(rng).standard_normal(shape)


def mirrored(value: np.ndarray) -> np.ndarray:
    """The same values in memory with the axes reversed and a place left free after each."""
    memory = np.zeros((*value.shape[::-1], 2), value.dtype)[..., 0].T
    memory[...] = value
    return memory


def of_dout(wrongs: Mapping[str, OfArray]) -> dict[str, gradients.Wrong]:
    """Wrong gradients that depend on the upstream gradient alone, as `backward_agrees` takes them.

    Each is called with dout.
    """
    return {hint: partial(_without_inputs, wrong) for hint, wrong in wrongs.items()}


def _without_inputs(wrong: OfArray, _: Any, dout: np.ndarray) -> np.ndarray:
    return wrong(dout)


def wrong_sizes() -> AbstractContextManager[None]:
    """Explain the errors of arrays that do not fit together."""
    fragments = ("broadcast", "out of bounds", "reshape", "matmul", "shapes", "einsum", "subscript")
    return tools.explained(SIZES, *fragments, "mismatch", "must match", "aligned")


@dataclass(frozen=True)
class Layer:
    """A convolution with its input, in float64, of unequal sizes."""

    x: np.ndarray
    w: np.ndarray
    b: np.ndarray
    stride: int = 1
    pad: int = 0

    @classmethod
    def draw(
        cls,
        rng: torch.Generator,
        batch: int = 3,
        size: tuple[int, int] = (5, 6),
        kernel: tuple[int, int] = (3, 2),
        stride: int = 1,
        pad: int = 0,
    ) -> "Layer":
        n_channels, n_kernels = 2, 3
        x, w = normal(rng, batch, n_channels, *size), normal(rng, n_kernels, n_channels, *kernel)
        return cls(x, w, normal(rng, n_kernels), stride, pad)

    @property
    def param(self) -> dict[str, int]:
        return {"stride": self.stride, "pad": self.pad}

    def out(self, **changed: Any) -> np.ndarray:
        """What PyTorch computes; with other arrays or another geometry for mistakes."""
        layer = replace(self, **changed)
        x, w, b = (torch.from_numpy(value) for value in (layer.x, layer.w, layer.b))
        return functional.conv2d(x, w, b, layer.stride, layer.pad).numpy()

    def gradients(self, dout: np.ndarray, **changed: Any) -> dict[str, np.ndarray]:
        """The gradients of x, w and b by PyTorch, for mistakes."""
        layer = replace(self, **changed)
        x, w, b = (torch.tensor(v, requires_grad=True) for v in (layer.x, layer.w, layer.b))
        out = functional.conv2d(x, w, b, layer.stride, layer.pad)
        found = torch.autograd.grad(out, [x, w, b], torch.tensor(dout))
        return {name: value.numpy() for name, value in zip("xwb", found, strict=True)}

    def mirrored(self) -> "Layer":
        """The same layer with arrays that are not contiguous."""
        return replace(self, x=mirrored(self.x), w=mirrored(self.w), b=mirrored(self.b))

    def to(self, dtype: str) -> "Layer":
        """The same layer in another precision."""
        x, w, b = (value.astype(dtype) for value in (self.x, self.w, self.b))
        return replace(self, x=x, w=w, b=b)


def positions(sides: Iterable[int], kernel: Iterable[int], stride: int) -> list[int]:
    """Positions of a window along each side."""
    return [(n - k) // stride + 1 for n, k in zip(sides, kernel, strict=True)]


def shaped(name: str, value: Any, shape: Iterable[int], mistakes: Shapes) -> np.ndarray:
    """The array, or the hints of the mistakes whose shape it has."""
    came, asked = tools.array(name, value, None), tuple(shape)
    hints = [hint for hint, wrong in mistakes.items() if came.shape == tuple(wrong) != asked]
    if hints:
        message = f"{name} must have shape {asked}, and has shape {came.shape}"
        raise Mistake(message, "; or ".join(hints))
    return tools.array(name, came, asked)


def require_dtype(name: str, value: Any, expected: np.ndarray) -> None:
    """Require the dtype that is expected."""
    came = tools.array(name, value, expected.shape)
    message = f"{name} must have dtype {expected.dtype}, and has dtype {came.dtype}"
    tools.require(came.dtype == expected.dtype, message, DTYPE)


def refuses(task: str, call: Callable[[], Any]) -> None:
    """Require that a window larger than the padded image raises ValueError."""
    try:
        value = call()
    except tools.StudentError as error:
        if error.stub:
            raise
        message = f"{task} must raise ValueError here, and raised {error}"[:600]
        tools.require(error.type == "ValueError", message, TOO_LARGE)
        return
    raise Mistake(
        f"{task} must raise ValueError here, and returned {tools.described(value)}", TOO_LARGE
    )
