"""The backward passes of all normalisations against differences, and their likely mistakes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from autograder.checks import tools
from autograder.checks.gradients import backward_agrees
from autograder.checks.toolbox_normalization.inputs import (
    Array,
    Layer,
    Others,
    strided,
    wrong_sizes,
)

TRIPLE = "return three arrays: dx, dgamma, dbeta"
OF_CHANNELS = (
    "gamma and beta belong to features or channels, one of each, and not to groups or examples: "
    "sum over everything else"
)


def check_backward(
    forward: Callable[..., Any],
    backward: Callable[[Array, Any], Any],
    layer: Layer,
    names: Sequence[str],
    others: Others,
    rng: torch.Generator,
) -> None:
    """Compare the gradients with respect to some of x, gamma and beta.

    `forward` is the student's with all but the arrays filled in. The upstream gradient comes in
    column order.
    """
    arguments = layer.arguments

    def output_and_cache(*values: Array) -> Any:
        with wrong_sizes():
            return forward(*(arguments | dict(zip(names, values, strict=True))).values())

    def chosen(dout: Array, cache: Any) -> list[Any]:
        given = strided(dout)
        with wrong_sizes():
            answer = backward(given, cache)
        tools.unchanged("dout", dout, given)
        three = isinstance(answer, tuple | list) and len(answer) == 3
        tools.require(three, f"three arrays belong here, not {tools.described(answer)}", TRIPLE)
        parts = dict(zip(arguments, answer, strict=True))
        for name in {"gamma", "beta"} & set(names):
            shape = getattr(parts[name], "shape", ())
            of_channels = len(shape) != 1 or shape == arguments[name].shape
            tools.require(of_channels, f"d{name} has shape {tuple(shape)}", OF_CHANNELS)
        return [parts[name] for name in names]

    def output(*values: Array) -> Array:
        used = arguments | dict(zip(names, values, strict=True))
        return replace(layer, x=used["x"], gamma=used["gamma"], beta=used["beta"]).output()

    inputs = {name: arguments[name] for name in names}
    wrong: dict[str, dict[str, Array]] = {}

    def mistake(name: str, hint: str, values: Any, dout: Array) -> Array:
        if not wrong:
            wrong.update(_mistakes(layer, others, dout))
        return wrong[name][hint]

    mistakes = {
        name: {hint: partial(mistake, name, hint) for hint in hints}
        for name, hints in _mistakes(layer, others, layer.x).items()
    }
    generator = tools.numpy_generator(rng)
    backward_agrees(output_and_cache, chosen, inputs, output, generator, mistakes)


def _mistakes(layer: Layer, others: Others, dout: Array) -> dict[str, dict[str, Array]]:
    """The gradients after each mistake, by input and hint."""
    every = tuple(axis for axis in range(layer.x.ndim) if axis != 1)
    x_hat, gamma = layer.standardised(), layer.column(layer.gamma)
    dgamma, dbeta = (dout * x_hat).sum(axis=every), dout.sum(axis=every)
    n = layer.x.size / layer.x.shape[1]
    over_features = tuple(range(1, layer.x.ndim))
    return {
        "x": _of_the_input(layer, others, dout),
        "gamma": {
            "the gradient of gamma is a sum over the batch, not a mean": dgamma / n,
            "gamma multiplies the normalised input, not x itself": (dout * layer.x).sum(axis=every),
            "this is the gradient of beta: every entry counts times its normalised input": dbeta,
            "gamma does not enter its own gradient": (dout * gamma * x_hat).sum(axis=every),
            "the normalised input is left undivided": (
                dout * (layer.x - layer.shared_mean(layer.x))
            ).sum(axis=every),
            OF_CHANNELS: (dout * x_hat).sum(axis=over_features),
        },
        "beta": {
            "the gradient of beta is a sum over the batch, not a mean": dbeta / n,
            "gamma does not enter the gradient of beta": (dout * gamma).sum(axis=every),
            "this is the gradient of gamma": dgamma,
            OF_CHANNELS: dout.sum(axis=over_features),
        },
    }


def _of_the_input(layer: Layer, others: Others, dout: Array) -> dict[str, Array]:
    x_hat, gamma = layer.standardised(), layer.column(layer.gamma)
    var, unbiased = (layer.statistics(ddof)[1] for ddof in (0, 1))
    std, d_hat = np.sqrt(var + layer.eps), dout * gamma
    level, along = layer.shared_mean(d_hat), x_hat * layer.shared_mean(d_hat * x_hat)
    right, without_gamma = d_hat - level - along, _corrected(layer, dout, x_hat) / std
    with np.errstate(all="ignore"):  # the variance of a batch of one is 0
        without_eps = right / np.sqrt(var)
    of_gamma_and_root = {
        "gamma is missing on the way to x": without_gamma,
        "gamma differs from feature to feature: it enters before the means are taken": (
            gamma * without_gamma
        ),
        "the division by √(σ² + eps) is missing": right,
        "divide by √(σ² + eps) once": right / std**2,
        "eps stands under the root on the way back too": without_eps,
        "the forward pass takes the biased variance": right / np.sqrt(unbiased + layer.eps),
    }
    of_factors = {
        hint: (d_hat - of_level * level - of_along * along) / std
        for hint, (of_level, of_along) in _factors(layer.n_shared, len(dout)).items()
    }
    of_axes = {
        hint: _corrected(replace(layer, axes=axes, groups=groups), d_hat, x_hat) / std
        for hint, (axes, groups) in others.items()
    }
    return of_gamma_and_root | of_factors | of_axes


def _factors(n: int, examples: int) -> dict[str, tuple[float, float]]:
    """Wrong factors of the two correcting terms, those of the mean and of the variance."""
    alike = {
        "the two correcting terms are means, and here they are sums": n,
        "the two correcting terms are divided by the number of examples, and not by how many "
        "numbers share a mean": n / examples,
        "the two correcting terms are divided by the number of values twice": 1 / n,
        "the two correcting terms are means over n values, and here they are divided by n - 1": (
            n / max(n - 1, 1)
        ),
        "both correcting terms are subtracted": -1,
    }
    return {
        "mean and variance depend on x too: here they are taken for constants": (0, 0),
        "the way through the variance is missing": (1, 0),
        "the way through the mean is missing": (0, 1),
        "the way through the mean has the wrong sign": (-1, 1),
        "the way through the variance has the wrong sign": (1, -1),
        "the way through the variance counts twice: is the half of a root's derivative missing?": (
            (1, 2)
        ),
        "the way through the variance counts half: is the 2 of a square's derivative missing?": (
            (1, 0.5)
        ),
    } | {hint: (factor, factor) for hint, factor in alike.items()}


def _corrected(layer: Layer, d_hat: Array, x_hat: Array) -> Array:
    """The gradient without what mean and variance take back, by the layer's own means."""
    return d_hat - layer.shared_mean(d_hat) - x_hat * layer.shared_mean(d_hat * x_hat)
