"""What the checks of `convolution` share: random layers and images, counts, refusals."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from autograder.checks import tools

SIZES = (
    "images are B × C × H × W and kernels n_out × n_in × k_h × k_w. Write the size of every piece "
    "beside it: how many positions has the kernel in each direction, which pixels does it meet?"
)
DTYPE = "compute in the dtype of the arguments: new tensors are float32 unless told otherwise"


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    """Standard normal numbers in float64."""
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


def integer(rng: torch.Generator, low: int, high: int) -> int:
    """A whole number from low to high, both included."""
    return int(torch.randint(low, high + 1, (), generator=rng))


def strided(value: Tensor) -> Tensor:
    """The same values in memory in the order of reversed axes; of a vector every other place."""
    if value.dim() == 1:
        return torch.stack([value, value], dim=1)[:, 0]
    return value.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)


def wrong_sizes() -> AbstractContextManager[None]:
    """Explain the errors of tensors that do not fit together."""
    fragments = ("must match", "cannot be multiplied", "out of bounds", "out of range", "subscript")
    more = ("einsum", "is invalid for input", "size mismatch", "broadcast")
    return tools.explained(SIZES, *fragments, *more)


@dataclass
class Layer:
    """A convolution with its input, in float64, of unequal sizes."""

    X: Tensor
    W: Tensor
    b: Tensor | None
    stride: int = 1
    padding: int = 0

    @classmethod
    def draw(
        cls,
        rng: torch.Generator,
        device: str = "cpu",
        batch: int = 3,
        size: tuple[int, int] = (9, 13),
        kernel: tuple[int, int] = (4, 2),
        stride: int = 1,
        padding: int = 0,
    ) -> "Layer":
        n_in, n_out = 2, 5
        X, W = normal(rng, batch, n_in, *size), normal(rng, n_out, n_in, *kernel)
        return cls(X.to(device), W.to(device), normal(rng, n_out).to(device), stride, padding)

    def output(self, **changed: Any) -> Tensor:
        """What the layer computes; with other tensors or another geometry for mistakes."""
        used: dict[str, Any] = {"X": self.X, "W": self.W, "b": self.b}
        used |= {"stride": self.stride, "padding": self.padding} | changed
        X, W, b = used.pop("X"), used.pop("W"), used.pop("b")
        return functional.conv2d(X, W, b, **used)

    def to(self, dtype: torch.dtype) -> "Layer":
        """The same layer in another precision."""
        b = None if self.b is None else self.b.to(dtype)
        return Layer(self.X.to(dtype), self.W.to(dtype), b, self.stride, self.padding)

    def strided(self) -> "Layer":
        """The same layer with tensors that are not contiguous."""
        b = None if self.b is None else strided(self.b)
        return Layer(strided(self.X), strided(self.W), b, self.stride, self.padding)


def geometry(kernel: int, stride: int | None) -> dict[str, int]:
    """The arguments of a pooling: no stride where the default is asked for."""
    return {"kernel": kernel} if stride is None else {"kernel": kernel, "stride": stride}


def require_shape(
    name: str, value: Any, shape: torch.Size, mistakes: Mapping[str, tuple[int, ...]]
) -> Tensor:
    """The tensor, or the hint of the first mistake whose shape it has."""
    came = tools.tensor(name, value, None)
    for hint, wrong in mistakes.items():
        if tuple(came.shape) == tuple(wrong) != tuple(shape):
            message = f"{name} must have shape {tuple(shape)}, and has shape {tuple(came.shape)}"
            raise tools.Mistake(message, hint)
    return tools.tensor(name, came, shape)


def close(
    name: str, came: Tensor, expected: Tensor, mistakes: Mapping[str, Tensor] | None = None
) -> None:
    """Compare every coordinate as float32 allows: `require_dtype` asks for the rest."""
    tools.close(name, came, expected, mistakes, rtol=2e-4, atol=1e-5)


def require_dtype(name: str, value: Tensor, expected: Tensor) -> None:
    """Require the dtype that is expected, and the precision that it allows."""
    asked = expected.dtype
    message = f"{name} must have dtype {asked}, and has dtype {value.dtype}"
    tools.require(value.dtype == asked, message, DTYPE)
    close(name, value, expected)
    if asked == torch.float64:
        exact = torch.allclose(value, expected, rtol=1e-9, atol=1e-9)
        tools.require(exact, f"{name} has the precision of float32", DTYPE)


def count(name: str, value: Any, expected: int, mistakes: Mapping[str, float]) -> None:
    """Compare a count exactly; a mistake explains exactly its own value."""
    came = tools.as_number(name, value)
    exactly = {hint: wrong for hint, wrong in mistakes.items() if came == wrong}
    tools.number(name, came, expected, exactly, rel=1e-12)


def require_int(name: str, value: Any) -> None:
    tools.require(
        isinstance(value, int) and not isinstance(value, bool),
        f"{name} must be an int, and is {tools.described(value)}",
        "a count is a whole number: compute it with integers, // instead of /",
    )


def refuses(name: str, call: Callable[[], Any], hint: str) -> None:
    """Require that a call raises ValueError."""
    try:
        value = call()
    except tools.StudentError as error:
        if error.stub:
            raise
        message = f"{name} must raise ValueError, and raised {error}"[:600]
        tools.require(error.type == "ValueError", message, hint)
        return
    came = value if isinstance(value, int | float) else tools.described(value)
    raise tools.Mistake(f"{name} must raise ValueError, and returned {came!s:.80}", hint)
