"""What the checks of the stage by hand share: networks with a batch, and hints for errors."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from autograder.checks import tools
from autograder.student import Handle

SHAPES = (
    "weights are n_out × n_in and the rows of a batch are examples. Write down the shape of every "
    "matrix beside it: a transpose is missing or one too many"
)


def normal(rng: torch.Generator, *shape: int) -> Tensor:
    """Standard normal numbers in float64."""
    return torch.randn(*shape, generator=rng, dtype=torch.float64)


def targets(rng: torch.Generator, batch: int, classes: int) -> Tensor:
    """One-hot rows in float64."""
    labels = torch.randint(classes, (batch,), generator=rng)
    return functional.one_hot(labels, classes).double()


def strided(value: Tensor) -> Tensor:
    """The same matrix in column order, so that it is not contiguous; a vector as it is."""
    return value.T.contiguous().T if value.dim() == 2 else value


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def seeds(rng: torch.Generator) -> tuple[int, int]:
    """Two different seeds."""
    first = int(torch.randint(2**31, (), generator=rng))
    return first, first + 1


@dataclass
class Network:
    """A network with a batch, in float64, of unequal sizes."""

    params: dict[str, Tensor]
    X: Tensor
    Y: Tensor

    @classmethod
    def draw(cls, rng: torch.Generator, device: str = "cpu", batch: int = 7) -> "Network":
        n_x, n_h, n_y = 3, 5, 4
        shapes = {"Wh": (n_h, n_x), "bh": (n_h,), "Wy": (n_y, n_h), "by": (n_y,)}
        params = {name: normal(rng, *shape).to(device) for name, shape in shapes.items()}
        X, Y = normal(rng, batch, n_x), targets(rng, batch, n_y)
        return cls(params, X.to(device), Y.to(device))

    def outputs(self) -> dict[str, Tensor]:
        """What forward returns beside the predictions."""
        h_tilde = functional.linear(self.X, self.params["Wh"], self.params["bh"])
        h = torch.tanh(h_tilde)
        y_tilde = functional.linear(h, self.params["Wy"], self.params["by"])
        y_hat = torch.softmax(y_tilde, dim=1)
        return {"X": self.X, "h_tilde": h_tilde, "h": h, "y_tilde": y_tilde, "y_hat": y_hat}

    def gradients(self) -> dict[str, Tensor]:
        """The gradient of the mean loss with respect to every parameter, by autograd."""
        leaves = {name: value.clone().requires_grad_() for name, value in self.params.items()}
        y_tilde = Network(leaves, self.X, self.Y).outputs()["y_tilde"]
        loss = functional.cross_entropy(y_tilde, self.Y)
        return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))

    def strided(self) -> "Network":
        """The same network with matrices that are not contiguous."""
        params = {name: strided(value) for name, value in self.params.items()}
        return Network(params, strided(self.X), strided(self.Y))


def copies(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The present values, to compare with after a call."""
    return {name: value.clone() for name, value in values.items()}


def wrong_shapes() -> AbstractContextManager[None]:
    """Explain the errors of matrices that do not fit together."""
    return tools.explained(SHAPES, "cannot be multiplied", "must match the size", "size mismatch")


def entries(name: str, value: Any, keys: Iterable[str], hint: str) -> dict[str, Any]:
    """A dict that has at least these keys."""
    if isinstance(value, Handle):
        value = value.value()
    tools.require(isinstance(value, dict), f"{name} must be a dict, not {tools.described(value)}")
    missing = [key for key in keys if key not in value]
    tools.require(not missing, f"{name} lacks the keys {missing}", hint)
    return value


def two(name: str, value: Any, hint: str) -> tuple[Any, Any]:
    """A pair, as a tuple or a list."""
    tools.require(
        isinstance(value, tuple | list) and len(value) == 2,
        f"{name} must return a pair, and returned {tools.described(value)}",
        hint,
    )
    return value[0], value[1]
