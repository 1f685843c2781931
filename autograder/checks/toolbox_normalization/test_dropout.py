"""Hidden checks of dropout, by the properties of what is drawn."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from autograder.checks import tools
from autograder.checks.convolution.inputs import refuses
from autograder.checks.gradients import FORWARD_FIRST, backward_agrees, out_and_cache
from autograder.checks.toolbox_normalization.inputs import (
    DTYPE,
    LIBRARY,
    Array,
    is_finite,
    normal,
    strided,
)
from autograder.checks.training_convnets.inputs import FIXED_SEED, likely
from autograder.student import Student

FORBIDDEN = dict.fromkeys(("dropout_forward", "dropout_backward"), LIBRARY)
PAGE = "book/unit4/dropout.html#toolbox-dropout-inverted"
BACKWARD = "book/unit4/dropout.html#toolbox-dropout-backward"

RATE = (
    "p is the probability of keeping an entry here, and this drops with probability p, as PyTorch "
    "does"
)
WHOLE = "each entry is kept or dropped by itself: one draw for every entry of x"
INDEPENDENT = "the entries are independent: their number varies from call to call, as a coin's does"
RAISE = "raise ValueError for a p outside (0, 1], in both modes"
MODES = 'raise ValueError for every mode but "train" and "test"'
NO_GENERATOR = 'nothing is drawn in mode "test", where dropout_param need not hold "rng"'
GENERATOR = 'draw from the generator that is given: dropout_param["rng"].random(x.shape)'
MASK = (
    "a mask of True and False becomes float64 as soon as a number scales it: .astype(x.dtype) "
    f"before that keeps the dtype; {DTYPE}"
)
NO_ZERO = "what was dropped has no influence on the loss: its gradient is 0"
SAME_MASK = (
    "the way back goes through the draws of the forward pass: keep its mask in the cache, and draw "
    "nothing anew"
)


def _forward(student: Student, x: Array, p: float, generator: np.random.Generator | None) -> Array:
    """The output, in mode "train" where there is a generator, and in mode "test" without one."""
    mode = {"mode": "test"} if generator is None else {"mode": "train", "rng": generator}
    param = {"p": p} | mode
    out, _ = out_and_cache("your forward", partial(student.dropout_forward, x, param))
    return tools.array("the output", out, x.shape)


def _dropped(student: Student, x: Array, p: float, rng: torch.Generator) -> Array:
    """Which entries are zero after a call in mode "train"."""
    return _forward(student, x.copy(), p, tools.numpy_generator(rng)) == 0


@pytest.mark.task("dropout_forward", weight=3, page=PAGE)
@pytest.mark.parametrize("p", [0.7, 0.2])
def test_entries_that_are_kept(student: Student, rng: torch.Generator, p: float) -> None:
    """The entries that are not dropped, in mode "train"."""
    x = normal(rng, 20, 3, 5, 2)
    given = strided(x)
    out = _forward(student, given, p, tools.numpy_generator(rng))
    tools.unchanged("x", x, given)
    kept = out != 0
    factors = {
        "the entries that are kept are not scaled: what is the expectation of an entry then?": 1.0,
        "the entries that are kept are divided by the drop rate 1 - p: what is the expectation of "
        "an entry then?": 1 / (1 - p),
        "this factor shrinks what is kept, and dropping has lowered the expectation already": p,
        "the drop rate 1 - p as a factor lowers the expectation still more": 1 - p,
        "the scale enters twice: is it in the mask and in the output?": 1 / p**2,
        "the expectation is one over all draws: the scale does not follow from how many entries "
        "one of them keeps": kept.size / max(kept.sum(), 1),
    }
    mistakes = {hint: factor * x[kept] for hint, factor in factors.items()}
    tools.close("what is kept of the activations", out[kept], x[kept] / p, mistakes)


@pytest.mark.task("dropout_forward", weight=2, page=PAGE)
def test_share_that_is_dropped(student: Student, rng: torch.Generator) -> None:
    """How many of 6000 entries are dropped for p = 0.8 and p = 0.3.

    Within six standard deviations; a right answer fails once in 200 million courses.
    """
    for p in (0.8, 0.3):
        zero = _dropped(student, normal(rng, 30, 200), p, rng)
        hints = [(p, RATE), (0.0, "nothing is dropped"), (0.5, "p is ignored")]
        likely(f"dropped entries for p = {p}", int(zero.sum()), zero.size, 1 - p, hints)


@pytest.mark.task("dropout_forward", weight=2, page=PAGE)
def test_entries_are_dropped_one_by_one(student: Student, rng: torch.Generator) -> None:
    """No row, column or channel is dropped as a whole.

    A right answer has neighbours that always agree less than once in 10^9 courses.
    """
    zero = _dropped(student, normal(rng, 12, 8, 7, 5), 0.5, rng)
    for axis, what in enumerate(("the batch", "channels", "rows", "columns")):
        alike = bool((zero == zero.take([0], axis)).all())
        tools.require(not alike, f"all entries along {what} share their fate", WHOLE)


@pytest.mark.task("dropout_forward", weight=1, page=PAGE)
def test_number_of_dropped_entries_varies(student: Student, rng: torch.Generator) -> None:
    """How many of 100 entries are dropped in each of twelve calls.

    A right answer drops the same number twelve times less than once in 10^10 courses.
    """
    x = normal(rng, 10, 10)
    zeros = [_dropped(student, x, 0.5, rng) for _ in range(12)]
    alike = all(np.array_equal(zero, zeros[0]) for zero in zeros)
    tools.require(not alike, "twelve generators drop the same entries", FIXED_SEED)
    counts = {int(zero.sum()) for zero in zeros}
    tools.require(len(counts) > 1, "every call drops the same number of entries", INDEPENDENT)


@pytest.mark.task("dropout_forward", weight=3, page=PAGE)
def test_dropout_in_test_mode(student: Student, rng: torch.Generator) -> None:
    """In mode "test" the activations come back as they are."""
    p, x = 0.3, normal(rng, 6, 4, 3)
    with tools.explained(NO_GENERATOR, "KeyError: 'rng'"):
        out = _forward(student, x.copy(), p, None)
    dropped = bool((out == 0).any())
    tools.require(not dropped, 'entries are dropped in mode "test"', "nothing is dropped there")
    mistakes = {
        "inverted dropout has scaled in training: nothing is left to do at test time": p * x,
        "at test time nothing is scaled, and no form of dropout scales by the drop rate": (
            (1 - p) * x
        ),
        "nothing is dropped at test time, so nothing is scaled either": x / p,
    }
    tools.close("the output", out, x, mistakes)


@pytest.mark.task("dropout_forward", weight=1, page=PAGE)
def test_dropout_of_nothing(student: Student, rng: torch.Generator) -> None:
    """p = 1 keeps everything; one entry, and float32."""
    for x in (normal(rng, 1), normal(rng, 6, 4).astype(np.float32)):
        out = _forward(student, x.copy(), 1.0, tools.numpy_generator(rng))
        tools.close("the output for p = 1", out, x)
    message = f"the output of float32 activations has dtype {out.dtype}"
    tools.require(out.dtype == np.float32, message, MASK)


@pytest.mark.task("dropout_forward", weight=1, page=PAGE)
def test_what_dropout_refuses(student: Student, rng: torch.Generator) -> None:
    """p = 0, a negative p, a p above 1, each in both modes; and a mode that does not exist."""
    x, generator = normal(rng, 3, 2), tools.numpy_generator(rng)
    for p in (0.0, -0.1, 1.5):
        for mode in ("train", "test"):
            param = {"p": p, "mode": mode, "rng": generator}
            refuses(f"p = {p} in mode {mode}", partial(student.dropout_forward, x, param), RAISE)
    param = {"p": 0.5, "mode": "eval", "rng": generator}
    refuses("the mode 'eval'", partial(student.dropout_forward, x, param), MODES)


@pytest.mark.task("dropout_forward", weight=1, page=PAGE)
def test_draws_follow_the_generator(student: Student, rng: torch.Generator) -> None:
    """The same state of the generator drops the same entries, another state others.

    Two different states agree on 200 entries once in 10^60.
    """
    x, generator = 1 + normal(rng, 20, 10) ** 2, tools.numpy_generator(rng)
    state = generator.bit_generator.state
    first = _forward(student, x, 0.5, generator) == 0
    later = _forward(student, x, 0.5, generator) == 0
    generator.bit_generator.state = state
    again = _forward(student, x, 0.5, generator) == 0
    message = "two calls with the same state of the generator give different results"
    tools.require(np.array_equal(first, again), message, GENERATOR)
    message = "two calls in a row with one generator drop the same entries"
    tools.require(not np.array_equal(first, later), message, FIXED_SEED)


def _scales(p: float, mode: str) -> dict[str, float]:
    """Wrong factors of the gradient, by hint."""
    if mode == "test":
        return {
            "nothing is scaled in mode test, so the gradient passes as it is": p,
            "nothing is scaled in mode test: the gradient is scaled in training alone": 1 / p,
        }
    return {
        "what was kept was scaled in the forward pass, and so is its gradient": p,
        "the gradient is scaled as often as the activations were, and here once more": 1 / p,
        "the gradient is scaled by the factor of the activations, and here by its inverse": p**2,
        "the gradient is scaled by the factor of the activations, and here by the inverse of the "
        "drop rate": p / (1 - p),
    }


def _check_backward(
    student: Student,
    rng: torch.Generator,
    shape: tuple[int, ...],
    p: float,
    mode: str = "train",
    passes: int = 1,
) -> None:
    """dx after the first of some forward passes, by the multipliers that its output shows."""
    x, generator = normal(rng, *shape), tools.numpy_generator(rng)
    multipliers: list[Array] = []

    def forward(given: Array) -> Any:
        param = {"p": p, "mode": mode, "rng": generator}
        call = partial(student.dropout_forward, given, param)
        results = [out_and_cache("your forward", call) for _ in range(passes)]
        out = tools.array("the output of your forward", results[0][0], shape)
        is_finite("the output of your forward", out, FORWARD_FIRST)
        multipliers.append(out / x)
        return results[0]

    def backward(dout: Array, cache: Any) -> Array:
        dx = tools.array("dx", student.dropout_backward(dout, cache), shape)
        zero, dropped = dx == 0, multipliers[0] == 0
        message = "no entry of dx is 0, and entries were dropped"
        tools.require(bool(zero.any()) or not dropped.any(), message, NO_ZERO)
        message = "dx is 0 at other entries than the output"
        tools.require(np.array_equal(zero, dropped), message, SAME_MASK)
        return dx

    def output(value: Array) -> Array:
        return value * multipliers[0]

    def wrong(factor: float, inputs: Any, dout: Array) -> Array:
        return dout * multipliers[0] * factor

    factors = _scales(p, mode) if p < 1 else {}
    mistakes = {hint: partial(wrong, factor) for hint, factor in factors.items()}
    upstream = tools.numpy_generator(rng)
    backward_agrees(forward, backward, {"x": x}, output, upstream, {"x": mistakes})


@pytest.mark.task("dropout_backward", weight=3, page=BACKWARD)
@pytest.mark.parametrize(("shape", "p"), [((6, 7), 0.7), ((3, 2, 4, 3), 0.3)])
def test_gradient_in_training(student: Student, rng: torch.Generator, shape: Any, p: float) -> None:
    """dx in mode "train"."""
    _check_backward(student, rng, shape, p)


@pytest.mark.task("dropout_backward", weight=2, page=BACKWARD)
def test_gradient_in_test_mode(student: Student, rng: torch.Generator) -> None:
    """dx in mode "test", where nothing was dropped."""
    _check_backward(student, rng, (5, 4), 0.4, "test")


@pytest.mark.task("dropout_backward", weight=1, page=BACKWARD)
def test_gradient_of_everything(student: Student, rng: torch.Generator) -> None:
    """p = 1 in mode "train", and a single example."""
    _check_backward(student, rng, (1, 6), 1.0)


@pytest.mark.task("dropout_backward", weight=1, page=BACKWARD)
def test_another_forward_pass_in_between(student: Student, rng: torch.Generator) -> None:
    """The cache of the first of two forward passes."""
    _check_backward(student, rng, (8, 5), 0.5, passes=2)
