"""Hidden checks of max pooling with loops, against PyTorch's and differences of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from autograder.checks import gradients, tools
from autograder.checks.toolbox_convolution.inputs import (
    OfArray,
    mirrored,
    normal,
    of_dout,
    positions,
    refuses,
    require_dtype,
    shaped,
    wrong_sizes,
)
from autograder.student import Student

POOLINGS = [
    *(f"torch.{kind}_pool{n}d" for kind in ("max", "adaptive_max") for n in (1, 2, 3)),
    *(f"torch.nn.functional.{kind}_pool{n}d" for kind in ("max", "lp") for n in (1, 2, 3)),
    *(f"torch.nn.functional.adaptive_max_pool{n}d" for n in (1, 2, 3)),
    *(f"torch.nn.functional.max_{kind}2d" for kind in ("unpool", "pool2d_with_indices")),
    *(f"torch.nn.{kind}MaxPool{n}d" for kind in ("", "Adaptive", "Fractional") for n in (1, 2, 3)),
    *("torch.max_pool2d_with_indices", "torch.nn.functional.fractional_max_pool2d"),
    *("torch.nn.MaxUnpool2d", "torch.nn.functional.unfold", "torch.nn.Unfold", "torch.ops"),
    *("torch.nn.modules.pooling", "torchvision", "scipy.ndimage", "skimage", "cv2"),
]
FORBIDDEN = {
    "max_pool_forward_naive": POOLINGS,
    "max_pool_backward_naive": [*tools.AUTOGRAD, *POOLINGS],
}
PAGE = "book/unit4/loops.html#toolbox-loops-pool"

PLACE = "the window at position (i, j) begins at pixel (i · stride, j · stride)"
ROUND_DOWN = "a window that would leave the image is not taken: round down"
OVERLAP = "windows share pixels: add (+=) what each of them sends, do not replace it"


@dataclass(frozen=True)
class Pool:
    """Windows of unequal sides that move over images."""

    size: tuple[int, int]
    stride: int

    @property
    def param(self) -> dict[str, int]:
        return {"pool_height": self.size[0], "pool_width": self.size[1], "stride": self.stride}

    def largest(self, x: np.ndarray) -> np.ndarray:
        """What PyTorch computes."""
        return functional.max_pool2d(torch.tensor(x), self.size, self.stride).numpy()

    def average(self, x: np.ndarray) -> np.ndarray:
        """The mean of each window, for mistakes."""
        return functional.avg_pool2d(torch.tensor(x), self.size, self.stride).numpy()

    def winners(self, x: np.ndarray) -> np.ndarray:
        """The pixel, counted in each channel, that PyTorch takes from each window."""
        stride = (self.stride, self.stride)
        _, found = functional.max_pool2d_with_indices(torch.tensor(x), self.size, stride)
        return found.numpy()

    def sent_back(self, x: np.ndarray, dout: np.ndarray) -> np.ndarray:
        """PyTorch's gradient, for mistakes."""
        leaf = torch.tensor(x, requires_grad=True)
        out = functional.max_pool2d(leaf, self.size, self.stride)
        return torch.autograd.grad(out, leaf, torch.tensor(dout))[0].numpy()


# With a rest in both directions, overlapping, with gaps.
GEOMETRIES = [((6, 7), Pool((2, 3), 2)), ((5, 7), Pool((3, 2), 1)), ((7, 9), Pool((2, 1), 3))]


# ---- forward ------------------------------------------------------------------------------------


@pytest.mark.task("max_pool_forward_naive", weight=3, page=PAGE)
def test_largest_values(student: Student, rng: torch.Generator) -> None:
    """Windows with a rest, overlapping ones, and ones with gaps."""
    for size, pool in GEOMETRIES:
        _check_out(student, normal(rng, 2, 3, *size), pool)


@pytest.mark.task("max_pool_forward_naive", weight=1, page=PAGE)
def test_largest_of_negative_values(student: Student, rng: torch.Generator) -> None:
    """Images without a positive pixel, in arrays that are not contiguous."""
    _check_out(student, mirrored(-1 - np.abs(normal(rng, 2, 3, 6, 5))), Pool((2, 3), 2))


@pytest.mark.task("max_pool_forward_naive", weight=1, page=PAGE)
def test_largest_values_of_one_image(student: Student, rng: torch.Generator) -> None:
    """A batch of one, a single window, windows of one pixel; x is not modified, its dtype stays."""
    for pool in (Pool((2, 1), 1), Pool((4, 3), 5), Pool((1, 1), 1)):
        for dtype in (np.float64, np.float32):
            x = normal(rng, 1, 2, 4, 3).astype(dtype)
            before = x.copy()
            require_dtype("out", _check_out(student, x, pool), pool.largest(x))
            tools.unchanged("x", before, x)


@pytest.mark.task("max_pool_forward_naive", weight=1, page=PAGE)
def test_windows_that_do_not_fit(student: Student, rng: torch.Generator) -> None:
    """A window that is higher or wider than the image is refused."""
    x = normal(rng, 2, 3, 4, 5)
    for pool in (Pool((5, 2), 1), Pool((2, 6), 2)):
        refuses("max_pool_forward_naive", partial(student.max_pool_forward_naive, x, pool.param))


def _check_out(student: Student, x: np.ndarray, pool: Pool) -> np.ndarray:
    asked = x.copy()  # an answer is not judged by what it writes into x
    with wrong_sizes(), tools.explained(ROUND_DOWN, "zero-size"):
        out, _ = gradients.out_and_cache(
            "max_pool_forward_naive", lambda: student.max_pool_forward_naive(x, pool.param)
        )
    expected = pool.largest(asked)
    came = shaped("out", out, expected.shape, _shapes(asked, pool))
    tools.close("out", came, expected, _wrong_outputs(asked, pool), 2e-4, 1e-5)
    return came


def _shapes(x: np.ndarray, pool: Pool) -> dict[str, tuple[int, ...]]:
    outer, sides = x.shape[:2], x.shape[2:]
    right = positions(sides, pool.size, pool.stride)
    sizes = {
        "the stride is left out: here the windows stand side by side": [
            n // k for n, k in zip(sides, pool.size, strict=True)
        ],
        "the + 1 is missing: the first window needs no step": [n - 1 for n in right],
        ROUND_DOWN: positions([n + pool.stride - 1 for n in sides], pool.size, pool.stride),
        "the stride is left out: here it is 1": positions(sides, pool.size, 1),
        "pool_height belongs to the rows, pool_width to the columns": positions(
            sides, pool.size[::-1], pool.stride
        ),
    }
    return {hint: (*outer, *size) for hint, size in sizes.items()} | {
        "the channels stay apart: each is pooled by itself": (outer[0], *right),
    }


def _wrong_outputs(x: np.ndarray, pool: Pool) -> dict[str, np.ndarray]:
    right = pool.largest(x)
    out_h, out_w = right.shape[2:]
    return {
        "begin with the window's own values: a maximum that begins at 0 hides negative ones": (
            np.maximum(right, 0)
        ),
        "this is the mean of each window; asked is its largest value": pool.average(x),
        "this is the smallest value of each window": -pool.largest(-x),
        "this is the largest absolute value: the sign counts": pool.largest(np.abs(x)),
        "this is one corner of each window: look at all its pixels": (
            x[:, :, :: pool.stride, :: pool.stride][:, :, :out_h, :out_w]
        ),
        PLACE: Pool(pool.size, 1).largest(x)[:, :, :out_h, :out_w],
        "the channels stay apart: each is pooled by itself": np.broadcast_to(
            right.max(axis=1, keepdims=True), right.shape
        ),
    }


# ---- backward -----------------------------------------------------------------------------------


@pytest.mark.task("max_pool_backward_naive", weight=2, page=PAGE)
def test_gradient_of_windows_side_by_side(student: Student, rng: torch.Generator) -> None:
    """Windows with a rest and windows with gaps, against differences."""
    for pool in (Pool((2, 3), 3), Pool((2, 1), 3)):
        _check_gradient(student, normal(rng, 2, 3, 5, 7), pool, rng)


@pytest.mark.task("max_pool_backward_naive", weight=2, page=PAGE)
def test_gradient_of_windows_that_overlap(student: Student, rng: torch.Generator) -> None:
    """Pixels that win in several windows, in arrays that are not contiguous."""
    _check_gradient(student, mirrored(normal(rng, 2, 3, 5, 6)), Pool((3, 2), 1), rng)


@pytest.mark.task("max_pool_backward_naive", weight=2, page=PAGE)
def test_gradient_where_values_are_equal(student: Student, rng: torch.Generator) -> None:
    """Images with few different values, as after a ReLU: the first of equal values counts."""
    for pool in (Pool((2, 3), 3), Pool((3, 2), 2)):
        x = np.maximum(normal(rng, 2, 3, 6, 7).round(), 0)
        # Differences say nothing at a kink; those of the pixels that win do.
        _check_gradient(student, x, pool, rng, partial(_picked, winners=pool.winners(x)))


@pytest.mark.task("max_pool_backward_naive", weight=1, page=PAGE)
def test_gradient_of_one_image(student: Student, rng: torch.Generator) -> None:
    """A batch of one, a single window, windows of one pixel."""
    for pool in (Pool((4, 3), 2), Pool((1, 1), 1)):
        _check_gradient(student, normal(rng, 1, 2, 4, 3), pool, rng)


def _picked(x: np.ndarray, winners: np.ndarray) -> np.ndarray:
    """The pixels of these numbers, counted in each channel."""
    flat = x.reshape(*x.shape[:2], -1)
    return np.take_along_axis(flat, winners.reshape(*x.shape[:2], -1), 2).reshape(winners.shape)


def _check_gradient(
    student: Student,
    x: np.ndarray,
    pool: Pool,
    rng: torch.Generator,
    reference: OfArray | None = None,
) -> None:
    gradients.backward_agrees(
        lambda x: student.max_pool_forward_naive(x, pool.param),
        lambda dout, cache: _sent_back(student, dout, cache, x.shape),
        {"x": x},
        reference or pool.largest,
        tools.numpy_generator(rng),
        {"x": of_dout(_wrong_gradients(x, pool))},
    )


def _sent_back(
    student: Student, dout: np.ndarray, cache: Any, shape: tuple[int, ...]
) -> np.ndarray:
    with wrong_sizes():
        value = student.max_pool_backward_naive(dout, cache)
    hint = "the gradient goes back to the pixels of x, not to the windows"
    return shaped("dx", value, shape, {hint: dout.shape})


def _wrong_gradients(x: np.ndarray, pool: Pool) -> Mapping[str, OfArray]:
    """What comes where another pixel than the first largest one gets the gradient."""

    def largest(window: np.ndarray) -> np.ndarray:
        return (window == window.max()).astype(float)

    def first(window: np.ndarray) -> np.ndarray:
        weights = np.zeros(window.shape)
        weights[np.unravel_index(window.argmax(), window.shape)] = 1
        return weights

    def sent(weights: OfArray, add: bool | None = True) -> OfArray:
        return lambda dout: _by_window(x, pool, dout, weights, add)

    return {
        "dout is left out: it multiplies what comes from below": (
            lambda dout: pool.sent_back(x, np.ones_like(dout))
        ),
        "the gradient is a sum: a mean over the batch is already in dout": (
            lambda dout: pool.sent_back(x, dout) / len(x)
        ),
        "where several values are equally large, only the first of them gets the gradient": (
            sent(largest)
        ),
        "the gradient is not shared: where several values are equally large, the first gets all": (
            sent(lambda window: largest(window) / largest(window).sum())
        ),
        "where several values are equally large, the first counts, not the last": (
            sent(lambda window: first(window[::-1, ::-1])[::-1, ::-1])
        ),
        "the first of equal values is looked for row by row, not column by column": (
            sent(lambda window: first(window.T).T)
        ),
        "this is the gradient of the mean: only the largest value gets it": (
            sent(lambda window: np.full(window.shape, 1 / window.size))
        ),
        "every pixel of the window gets the gradient here: only the largest value does": (
            sent(lambda window: np.ones(window.shape))
        ),
        PLACE: lambda dout: _by_window(x, Pool(pool.size, 1), dout, first, add=True),
        OVERLAP: sent(first, add=False),
        f"{OVERLAP}; here a later window replaces what stands there": sent(first, add=None),
    }


def _by_window(
    x: np.ndarray, pool: Pool, dout: np.ndarray, weights: OfArray, add: bool | None
) -> np.ndarray:
    """dx where each pixel of a window gets its weight times dout.

    add: whether windows that share pixels add up, replace the whole window (False), or replace only
    where there is something to send (None).
    """
    dx = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(dout.shape):
        top, left = i * pool.stride, j * pool.stride
        rows, columns = slice(top, top + pool.size[0]), slice(left, left + pool.size[1])
        part = weights(x[n, c, rows, columns]) * dout[n, c, i, j]
        old = dx[n, c, rows, columns]
        kept = {True: old + part, False: part, None: np.where(part != 0, part, old)}
        dx[n, c, rows, columns] = kept[add]
    return dx
