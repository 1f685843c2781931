"""What the checks of batch normalisation ask alike of vectors and of feature maps."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.convolution.inputs import refuses
from autograder.checks.gradients import out_and_cache
from autograder.checks.toolbox_normalization.inputs import (
    DTYPE,
    OVER_BATCH,
    Array,
    Layer,
    Others,
    close,
    is_finite,
    missing_settings,
    normal,
    wrong_sizes,
)

Call = Callable[..., Any]

STORE = (
    "store the new statistics in bn_param itself under the keys running_mean and running_var: of a "
    "new array, or of a copy of bn_param, the caller knows nothing"
)
PYTORCH = (
    "momentum is the weight of the old statistics; that of the new ones is PyTorch's convention"
)
OWN_MOMENTUM = "momentum comes with bn_param, and is not always 0.9"
UNBIASED = (
    "the running variance takes the biased variance of the batch; PyTorch's unbiased one divides "
    "by n - 1"
)
RESHAPE = (
    "reshape alone mixes channels and places: transpose first, so that a row holds the channels of "
    "one place"
)
RAISE = 'raise ValueError for every mode but "train" and "test"'
ZEROS = "running statistics that are missing are zeros, in training and in mode test alike"
NOT_THE_BATCH = "in mode test the running statistics count, not the batch's own"
KEPT = "the running statistics change in training alone"


def draw(rng: torch.Generator, shape: tuple[int, ...]) -> Layer:
    return Layer.draw(rng, shape, OVER_BATCH)


def running(rng: torch.Generator, channels: int) -> dict[str, Array]:
    """Running statistics, as they stand in bn_param."""
    return {"running_mean": normal(rng, channels), "running_var": 0.5 + normal(rng, channels) ** 2}


def output_of(call: Call, layer: Layer, param: dict[str, Any]) -> Array:
    """The output; `param` holds afterwards what the call left in it."""
    given = layer.arguments
    with wrong_sizes(), missing_settings("bn_param"):
        out, _ = out_and_cache("your forward", partial(call, *given.values(), param))
    for name, before in layer.arguments.items():
        tools.unchanged(name, before, given[name])
    return tools.array("the output", out, layer.x.shape)


def by_library(layer: Layer, statistics: Mapping[str, Array] | None = None) -> Array:
    """The output of torch's batch normalisation, in training unless statistics are given."""
    x, gamma, beta = (torch.tensor(value) for value in (layer.x, layer.gamma, layer.beta))
    if statistics is None:
        out = functional.batch_norm(x, None, None, gamma, beta, True, 0.1, layer.eps)
    else:
        mean, var = (torch.tensor(value) for value in statistics.values())
        out = functional.batch_norm(x, mean, var, gamma, beta, False, 0.1, layer.eps)
    return out.numpy()


def check_training(
    call: Call, rng: torch.Generator, shape: tuple[int, ...], others: Others
) -> None:
    """The output in mode "train", with running statistics that have nothing to say."""
    layer, old = draw(rng, shape), running(rng, shape[1])
    mean, var = layer.of_channels()
    later = 0.9 * old["running_mean"] + 0.1 * mean, 0.9 * old["running_var"] + 0.1 * var
    rows = layer.x.reshape(-1, shape[1])
    mistakes = {
        RESHAPE: replace(layer, x=rows).output().reshape(shape),
        "in training the batch's own statistics count, not the running ones": layer.output_by(
            old["running_mean"], old["running_var"]
        ),
        "in training the batch's own statistics count, not the running ones after their change": (
            layer.output_by(*later)
        ),
    }
    out = output_of(call, layer, {"mode": "train"} | old)
    close("the output", out, by_library(layer), layer.output_mistakes(others) | mistakes)


def check_running(call: Call, rng: torch.Generator, shape: tuple[int, ...]) -> None:
    """The running statistics after a call in mode "train"."""
    layer, old = draw(rng, shape), running(rng, shape[1])
    before = {name: value.copy() for name, value in old.items()}
    param = {"mode": "train", "momentum": 0.7} | old
    output_of(call, layer, param)
    (mean, var), unbiased = layer.of_channels(), layer.of_channels(ddof=1)[1]
    others = {
        UNBIASED: unbiased,
        "the running variance holds a variance, and this is a standard deviation": np.sqrt(var),
        "eps belongs to the division, and not to the running variance": var + layer.eps,
    }
    compare_running(param, "running_var", before, var, others)
    compare_running(param, "running_mean", before, mean, {})


def compare_running(
    param: dict[str, Any],
    name: str,
    before: dict[str, Array],
    new: Array,
    others: dict[str, Array],
) -> None:
    """Compare with 0.7 · old + 0.3 · new; `others` are wrong statistics of the batch."""
    old = before[name]
    came = tools.array(name, param.get(name), old.shape)
    tools.require(not np.array_equal(came, old), f"{name} has not changed", STORE)
    mistakes = {hint: 0.7 * old + 0.3 * value for hint, value in others.items()}
    for wrong, share in ((PYTORCH, 0.3), (OWN_MOMENTUM, 0.9)):
        both = {f"{wrong}; and {hint}": value for hint, value in others.items()}
        statistics = {wrong: new} | both
        mistakes |= {hint: share * old + (1 - share) * value for hint, value in statistics.items()}
    mistakes |= {
        "the old statistics are forgotten: they keep the weight momentum": new,
        "bn_param holds the old statistics: here they begin with zeros each time": 0.3 * new,
        "the old statistics keep the weight momentum, and here all of it": old + 0.3 * new,
        "the new statistics have the weight 1 - momentum, and here all of it": 0.7 * old + new,
    }
    close(name, came, 0.7 * old + 0.3 * new, mistakes)


def check_first_steps(call: Call, rng: torch.Generator, shape: tuple[int, ...]) -> None:
    """Two steps from a bn_param that holds the mode alone."""
    layers = [draw(rng, shape), draw(rng, shape)]
    param: dict[str, Any] = {"mode": "train"}
    expected = {name: np.zeros(shape[1]) for name in ("running_mean", "running_var")}
    for step, layer in enumerate(layers):
        output_of(call, layer, param)
        for name, new in zip(expected, layer.of_channels(), strict=True):
            old = expected[name]
            expected[name] = 0.9 * old + 0.1 * new
            tools.require(name in param, f"bn_param has no {name} after a step", STORE)
            came = tools.array(name, param[name], new.shape)
            mistakes = {
                "each step begins with the running statistics of the step before": 0.1 * new,
                ZEROS: expected[name] + 0.9 ** (step + 1),
                "momentum is the share of the old statistics, and 0.9 where none is given": (
                    0.1 * old + 0.9 * new
                ),
                "the first batch has the weight 1 - momentum too": new,
            }
            close(f"{name} after step {step + 1}", came, expected[name], mistakes)


def check_without_statistics(call: Call, rng: torch.Generator, shape: tuple[int, ...]) -> None:
    """The output in mode "test", of a bn_param that holds the mode alone."""
    layer, zeros = draw(rng, shape), np.zeros(shape[1])
    statistics = dict.fromkeys(("running_mean", "running_var"), zeros)
    mistakes = {NOT_THE_BATCH: layer.output(), ZEROS: layer.output_by(zeros, zeros + 1)}
    out = output_of(call, layer, {"mode": "test"})
    close("the output without statistics", out, by_library(layer, statistics), mistakes)


def check_test_mode(call: Call, rng: torch.Generator, shape: tuple[int, ...]) -> None:
    """The output in mode "test", and that the running statistics stay."""
    layer, old = draw(rng, shape), running(rng, shape[1])
    mean, var = old.values()
    param = {"mode": "test"} | {name: value.copy() for name, value in old.items()}
    out = output_of(call, layer, param)
    x_hat = (layer.x - layer.column(mean)) / np.sqrt(layer.column(var) + layer.eps)
    mistakes = {
        NOT_THE_BATCH: layer.output(),
        "the running mean is taken, and the batch's own variance": (
            layer.output_by(mean, layer.of_channels()[1])
        ),
        "divide by the root of the running variance": layer.output_by(mean, (var + 1e-5) ** 2),
        "eps is missing in mode test": layer.with_eps(0.0).output_by(mean, var),
        "gamma and beta count in mode test too": x_hat,
        "in mode test the activations are normalised too": layer.x,
    }
    close("the output", out, by_library(layer, old), mistakes)
    for name, before in old.items():
        came = tools.array(name, param.get(name), before.shape)
        same = np.array_equal(came, before)
        tools.require(same, f'a call in mode "test" has changed {name}', KEPT)


def check_eps(call: Call, rng: torch.Generator, shape: tuple[int, ...]) -> None:
    """An eps that is not small, arrays in column order, and channels that are constant."""
    layer = draw(rng, shape).with_eps(0.5).strided()
    for mode, statistics in (("train", None), ("test", running(rng, shape[1]))):
        out = output_of(call, layer, {"mode": mode, "eps": 0.5} | (statistics or {}))
        mean, var = (statistics or {}).values() or layer.of_channels()
        mistakes = {
            "eps comes with bn_param, and is not always 1e-5": (
                layer.with_eps(1e-5).output_by(mean, var)
            ),
            "eps is added to the variance, under the root": layer.with_eps(0.0).output_by(
                mean, (np.sqrt(var) + 0.5) ** 2
            ),
        }
        close(f"the output in mode {mode}", out, by_library(layer, statistics), mistakes)
    flat = Layer(np.full(shape, 2.0), layer.gamma, layer.beta, OVER_BATCH)
    out = output_of(call, flat, {"mode": "train"})
    hint = "the variance of a constant channel is 0: eps keeps its root away from 0"
    is_finite("the output of constant channels", out, hint)
    close("the output of constant channels", out, flat.output())


def check_float32(call: Call, rng: torch.Generator, shape: tuple[int, ...]) -> None:
    """The output of float32 is float32."""
    layer = draw(rng, shape)
    out = output_of(call, layer.to(np.float32), {"mode": "train"})
    is_float32(out, layer.output())


def is_float32(out: Array, expected: Array) -> None:
    """Require the dtype, and what it allows of precision."""
    message = f"the output of float32 arrays must have dtype float32, and has dtype {out.dtype}"
    tools.require(out.dtype == np.float32, message, DTYPE)
    tools.close("the output of float32 arrays", out, expected, rtol=1e-3, atol=1e-3)


def check_modes(call: Call, rng: torch.Generator, shape: tuple[int, ...]) -> None:
    """A mode that does not exist, in a bn_param that lacks nothing else."""
    layer = draw(rng, shape)
    param = {"eps": 1e-5, "momentum": 0.9} | running(rng, shape[1])
    for mode in ("eval", "training", ""):
        refused = partial(call, *layer.arguments.values(), {"mode": mode} | param)
        refuses(f"the mode {mode!r}", refused, RAISE)
