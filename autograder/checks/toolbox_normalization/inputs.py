"""What the checks of `toolbox_normalization` share: every normalisation by one formula."""

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from autograder.checks import tools
from autograder.checks.perceptron import inputs

Array = np.ndarray
Axes = tuple[int, ...]
Others = Mapping[str, tuple[Axes, int]]  # wrong axes and numbers of groups, by hint

LIBRARY = [
    *("torch.nn", "torch.ops", "torch.func", "torch.autograd", "torch.tensor", "torch.as_tensor"),
    *("torch.from_numpy", "torch.asarray", "torch.batch_norm", "torch.layer_norm"),
    *("torch.group_norm", "torch.dropout", "torch._C", "sklearn", "scipy"),
]
SIZES = (
    "write the shape of every array beside it: statistics that are taken along an axis keep their "
    "place in a broadcast with keepdims=True, and (C,) becomes C × 1 × 1 with [:, None, None]"
)
DTYPE = (
    "what is float64 makes the output float64: np.zeros and its like without dtype=x.dtype, or a "
    "number such as np.sqrt(2)"
)

# Axes of N × G × C / G × places, over which one mean is taken.
OVER_BATCH, OVER_GROUP = (0, 3), (2, 3)


def normal(rng: torch.Generator, *shape: int) -> Array:
    """Standard normal numbers in float64."""
    return inputs.normal(rng, *shape).numpy()


def strided(value: Array) -> Array:
    """The same values in memory in the order of reversed axes; of a vector every other place."""
    return np.array(value, order="F") if value.ndim > 1 else np.repeat(value, 2)[::2]


def wrong_sizes() -> AbstractContextManager[None]:
    """Explain the errors of arrays that do not fit together."""
    return tools.explained(SIZES, "broadcast", "out of bounds", "reshape", "mismatch")


def missing_settings(name: str) -> AbstractContextManager[None]:
    """Explain the error of reading a dict of settings as if it held every key."""
    hint = f"{name} need not hold every key: what it lacks has the value that the docstring names"
    return tools.explained(hint, "KeyError")


def is_finite(name: str, came: Array, hint: str) -> None:
    """Require numbers where nan and infinity do not belong."""
    tools.require(bool(np.isfinite(came).all()), f"{name} holds nan or infinity", hint)


@dataclass(frozen=True)
class Layer:
    """A normalisation with its input, N × C or N × C × H × W, in float64.

    The input is looked at as N × G × C / G × places; numbers along `axes` share a mean and a
    biased variance.
    """

    x: Array
    gamma: Array
    beta: Array
    axes: Axes
    groups: int = 1
    eps: float = 1e-5
    in_columns: bool = False  # the student gets arrays that are not contiguous

    @classmethod
    def draw(
        cls,
        rng: torch.Generator,
        shape: tuple[int, ...],
        axes: Axes,
        groups: int = 1,
        smallest: float = 0.01,
    ) -> "Layer":
        """Means of their own, and deviations from `smallest` to 1, of channels or of examples."""
        own = 1 if axes == OVER_BATCH else 0
        spread = np.geomspace(smallest, 1, shape[own])
        spread = spread.reshape([-1 if axis == own else 1 for axis in range(len(shape))])
        means = 2 * normal(rng, shape[1]).reshape(-1, *[1] * (len(shape) - 2))
        x = spread * (normal(rng, *shape) + means)
        return cls(x, normal(rng, shape[1]), normal(rng, shape[1]), axes, groups)

    @property
    def arguments(self) -> dict[str, Array]:
        """Copies for the student, by name."""
        ordered = strided if self.in_columns else np.array
        return {"x": ordered(self.x), "gamma": ordered(self.gamma), "beta": ordered(self.beta)}

    def with_eps(self, eps: float) -> "Layer":
        return replace(self, eps=eps)

    def strided(self) -> "Layer":
        return replace(self, in_columns=True)

    def to(self, dtype: Any) -> "Layer":
        """The same layer in another precision."""
        x, gamma, beta = (value.astype(dtype) for value in (self.x, self.gamma, self.beta))
        return replace(self, x=x, gamma=gamma, beta=beta)

    def cells(self, value: Array) -> Array:
        """N × G × C / G × places."""
        return value.reshape(len(value), self.groups, value.shape[1] // self.groups, -1)

    @property
    def n_shared(self) -> int:
        """How many numbers share a mean."""
        lengths = self.cells(self.x).shape
        return math.prod(lengths[axis] for axis in self.axes)

    def column(self, vector: Array) -> Array:
        """A vector of the channels, as it broadcasts with the input."""
        return vector.reshape(-1, *[1] * (self.x.ndim - 2))

    def statistics(self, ddof: int = 0) -> tuple[Array, Array]:
        """Mean and variance of every number's own share, in the shape of the input."""
        mean = self.shared_mean(self.x)
        var = self.shared_mean((self.x - mean) ** 2)
        return mean, var * self.n_shared / max(self.n_shared - ddof, 1)

    def of_channels(self, ddof: int = 0) -> tuple[Array, Array]:
        """Mean and variance of the batch, (C,)."""
        mean, var = (value.swapaxes(0, 1) for value in self.statistics(ddof))
        return mean.reshape(len(mean), -1)[:, 0], var.reshape(len(var), -1)[:, 0]

    def standardised(self, eps: float | None = None, ddof: int = 0) -> Array:
        mean, var = self.statistics(ddof)
        return (self.x - mean) / np.sqrt(var + (self.eps if eps is None else eps))

    def scaled(self, x_hat: Array) -> Array:
        return self.column(self.gamma) * x_hat + self.column(self.beta)

    def output(self) -> Array:
        return self.scaled(self.standardised())

    def output_by(self, mean: Array, var: Array) -> Array:
        """The output by other statistics of the channels, (C,)."""
        std = np.sqrt(self.column(var) + self.eps)
        return self.scaled((self.x - self.column(mean)) / std)

    def output_mistakes(self, others: Others) -> dict[str, Array]:
        """The output after each mistake."""
        mean, var = self.statistics()
        centred, x_hat = self.x - mean, self.standardised()
        with np.errstate(all="ignore"):
            found = {
                "the variance is biased: divide by the number of values, not by one less": (
                    self.scaled(self.standardised(ddof=1))
                ),
                "eps is added to the variance, under the root": self.scaled(
                    centred / (np.sqrt(var) + self.eps)
                ),
                "eps is missing": self.scaled(self.standardised(eps=0.0)),
                "divide by the root of the variance": self.scaled(centred / (var + self.eps)),
                "the mean is not subtracted": self.scaled(self.x / np.sqrt(var + self.eps)),
                "gamma is missing": x_hat + self.column(self.beta),
                "beta is missing": self.column(self.gamma) * x_hat,
                "gamma scales the normalised input, and beta is added after that": self.column(
                    self.gamma
                )
                * (x_hat + self.column(self.beta)),
            }
            return found | {
                hint: replace(self, axes=axes, groups=groups).output()
                for hint, (axes, groups) in others.items()
            }

    def shared_mean(self, value: Array) -> Array:
        """The mean of every number's own share, in the shape of the input."""
        cells = self.cells(value)
        mean = cells.mean(axis=self.axes, keepdims=True)
        return (np.ones_like(cells) * mean).reshape(value.shape)


close = partial(tools.close, rtol=1e-8, atol=1e-9)
