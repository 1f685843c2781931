"""Hidden checks of pooling, against PyTorch's and its derivatives by autograd."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.convolution.inputs import (
    close,
    geometry,
    normal,
    require_dtype,
    require_shape,
    strided,
    wrong_sizes,
)
from autograder.student import Student

POOLINGS = [
    *(f"torch.{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3)),
    *(f"torch.adaptive_{kind}_pool{n}d" for kind in ("max", "avg") for n in (1, 2, 3)),
    *(f"torch.max_pool{n}d_with_indices" for n in (1, 2)),
    *(f"torch.nn.functional.{kind}_pool{n}d" for kind in ("max", "avg", "lp") for n in (1, 2, 3)),
    *(f"torch.nn.functional.max_pool{n}d_with_indices" for n in (1, 2, 3)),
    *(f"torch.nn.functional.max_unpool{n}d" for n in (1, 2, 3)),
    *(
        f"torch.nn.functional.adaptive_{kind}_pool{n}d"
        for kind in ("max", "avg")
        for n in (1, 2, 3)
    ),
    *("torch.nn.functional.fractional_max_pool2d", "torch.nn.functional.interpolate"),
    *("torch.nn.modules.pooling", "torch.ops", "torchvision", "scipy.ndimage", "skimage"),
    *(f"torch.nn.{kind}Pool{n}d" for kind in ("Max", "Avg", "LP") for n in (1, 2, 3)),
    *(f"torch.nn.Adaptive{kind}Pool{n}d" for kind in ("Max", "Avg") for n in (1, 2, 3)),
    *(f"torch.nn.MaxUnpool{n}d" for n in (1, 2, 3)),
    *("torch.nn.FractionalMaxPool2d", "torch.conv2d", "torch.nn.functional.conv2d"),
    *("torch.nn.Conv2d", "torch.nn.functional.conv_transpose2d", "torch.nn.ConvTranspose2d"),
]
FORBIDDEN = {
    "max_pool2d": POOLINGS,
    "avg_pool2d": POOLINGS,
    "max_pool2d_backward": [*tools.AUTOGRAD, *POOLINGS],
    "avg_pool2d_backward": [*tools.AUTOGRAD, *POOLINGS],
}
FORWARD = "book/unit2/pooling.html#pooling-definition"
BACKWARD = "book/unit2/pooling.html#pooling-gradient"

# Height, width, kernel, stride: with rests in both directions, overlapping, with gaps.
GEOMETRIES = [(7, 11, 2, None), (9, 12, 3, 2), (11, 8, 2, 3)]

ROUNDED_UP = "a window that would leave the image is not taken: round down"
NOT_DIVISIBLE = "the sides need not be multiples of the stride: what is left over is dropped"
STRIDE_LOST = "the stride is left out: here the windows stand side by side"
STRIDE_ONE = "without a stride the windows stand side by side: None stands for the kernel"
IMAGE_SIZE = "the gradient has the size of X: pixels that no window covers get 0"
APART = "the channels stay apart: each is pooled by itself"
OVERLAP = "a pixel may belong to several windows: add what each of them sends"
ADD_UP = "upstream is left out: it multiplies what comes from below"

Gradient = Callable[[Tensor], Tensor]


# ---- forward ------------------------------------------------------------------------------------


def _library(task: str) -> Callable[..., Tensor]:
    return functional.max_pool2d if task.startswith("max") else functional.avg_pool2d


def _side(n: int, kernel: int, stride: int) -> int:
    return (n - kernel) // stride + 1


def _shapes(X: Tensor, kernel: int, stride: int | None) -> dict[str, tuple[int, ...]]:
    """The shape of the output after each mistake."""
    outer, sides = X.shape[:2], X.shape[2:]
    step = kernel if stride is None else stride
    right = [_side(n, kernel, step) for n in sides]
    sizes = {
        STRIDE_LOST: [n // kernel for n in sides],
        "the +1 is missing: the first window needs no step": [n - 1 for n in right],
        ROUNDED_UP: [_side(n - 1, kernel, step) + 1 for n in sides],
        STRIDE_ONE if stride is None else "the stride is left out: here it is 1": [
            _side(n, kernel, 1) for n in sides
        ],
    }
    return {hint: (*outer, *size) for hint, size in sizes.items()} | {
        APART: (outer[0], 1, *right),
        "the windows are still whole: take one value of each": (*outer, *right, kernel, kernel),
    }


def _pooled(student: Student, task: str, X: Tensor, kernel: int, stride: int | None) -> Any:
    fragments = ("is invalid for input", "shape '", "not divisible", "evenly")
    with wrong_sizes(), tools.wrong_view(), tools.explained(NOT_DIVISIBLE, *fragments):
        return getattr(student, task)(X, **geometry(kernel, stride))


def _check(student: Student, task: str, X: Tensor, kernel: int, stride: int | None) -> None:
    expected = _library(task)(X, kernel, stride)
    mistakes = _wrong_outputs(task, X, kernel, stride)
    value = _pooled(student, task, X, kernel, stride)
    came = require_shape("the output", value, expected.shape, _shapes(X, kernel, stride))
    close("the output", came, expected, mistakes)


def _wrong_outputs(task: str, X: Tensor, kernel: int, stride: int | None) -> dict[str, Tensor]:
    """The output after each mistake."""
    largest = functional.max_pool2d(X, kernel, stride)
    average = functional.avg_pool2d(X, kernel, stride)
    step = kernel if stride is None else stride
    corner = X[:, :, ::step, ::step][:, :, : average.shape[2], : average.shape[3]]
    own, over = (largest, torch.amax) if task == "max_pool2d" else (average, torch.mean)
    mistakes = {
        "this is the smallest value of each window": -functional.max_pool2d(-X, kernel, stride),
        "this is one corner of each window: look at all its pixels": corner,
        "this is the largest absolute value: the sign counts": (
            functional.max_pool2d(X.abs(), kernel, stride)
        ),
        APART: over(own, dim=1, keepdim=True).expand_as(own),
    }
    if task == "max_pool2d":
        return mistakes | {
            "begin with the window's own values: a maximum that begins at 0 hides negative ones": (
                largest.clamp_min(0)
            ),
            "this is the mean of each window; asked is its largest value": average,
        }
    return mistakes | {
        "this is the largest value of each window; asked is its mean": largest,
        "this is the sum of each window: divide by the number of its pixels": average * kernel**2,
        "a window has kernel × kernel pixels: divide by the kernel twice": average * kernel,
        "the mean goes over kernel × kernel pixels, whatever the stride": (
            average * kernel**2 / step**2
        ),
    }


def _check_all(student: Student, task: str, rng: torch.Generator, device: str) -> None:
    for height, width, kernel, stride in GEOMETRIES:
        X = normal(rng, 2, 3, height, width).to(device)
        _check(student, task, X, kernel, stride)


def _check_details(student: Student, task: str, rng: torch.Generator) -> None:
    _check(student, task, normal(rng, 1, 2, 6, 5), 2, None)
    _check(student, task, normal(rng, 1, 1, 3, 3), 3, None)
    _check(student, task, normal(rng, 2, 3, 4, 5), 1, None)
    for dtype in (torch.float32, torch.float64):
        X = normal(rng, 2, 3, 4, 6).to(dtype)
        expected = _library(task)(X, 2, 1)
        value = _pooled(student, task, X, 2, 1)
        require_dtype("the output", tools.tensor("the output", value, expected.shape), expected)


def _check_unchanged(student: Student, task: str, rng: torch.Generator) -> None:
    for stride in (None, 1):
        X = normal(rng, 2, 3, 6, 8)
        before = X.clone()
        _pooled(student, task, X, 2, stride)
        tools.unchanged("X", before, X)


@pytest.mark.task("max_pool2d", weight=3, page=FORWARD)
def test_max_pool2d(student: Student, rng: torch.Generator, device: str) -> None:
    """The largest value of windows with a rest, overlapping ones, and ones with gaps."""
    _check_all(student, "max_pool2d", rng, device)


@pytest.mark.task("max_pool2d", weight=1, page=FORWARD)
def test_max_pool2d_of_negative_values(student: Student, rng: torch.Generator) -> None:
    """Images without a positive pixel."""
    _check(student, "max_pool2d", -1 - normal(rng, 2, 3, 6, 8).abs(), 2, None)


@pytest.mark.task("max_pool2d", weight=1, page=FORWARD)
def test_max_pool2d_details(student: Student, rng: torch.Generator) -> None:
    """A batch of one, a single window, windows of one pixel; the dtype stays."""
    _check_details(student, "max_pool2d", rng)


@pytest.mark.task("max_pool2d", weight=1, page=FORWARD)
def test_max_pool2d_of_strided_tensors(student: Student, rng: torch.Generator) -> None:
    """Images that are not contiguous, as a transpose gives them."""
    _check(student, "max_pool2d", strided(normal(rng, 2, 3, 6, 8)), 2, None)


@pytest.mark.task("max_pool2d", weight=1, page=FORWARD)
def test_max_pool2d_leaves_its_argument_alone(student: Student, rng: torch.Generator) -> None:
    """The images are not modified."""
    _check_unchanged(student, "max_pool2d", rng)


@pytest.mark.task("avg_pool2d", weight=3, page=FORWARD)
def test_avg_pool2d(student: Student, rng: torch.Generator, device: str) -> None:
    """The mean of windows with a rest, overlapping ones, and ones with gaps."""
    _check_all(student, "avg_pool2d", rng, device)


@pytest.mark.task("avg_pool2d", weight=1, page=FORWARD)
def test_avg_pool2d_details(student: Student, rng: torch.Generator) -> None:
    """A batch of one, a single window, windows of one pixel; the dtype stays."""
    _check_details(student, "avg_pool2d", rng)


@pytest.mark.task("avg_pool2d", weight=1, page=FORWARD)
def test_avg_pool2d_of_strided_tensors(student: Student, rng: torch.Generator) -> None:
    """Images that are not contiguous, as a transpose gives them."""
    _check(student, "avg_pool2d", strided(normal(rng, 2, 3, 6, 8)), 2, None)


@pytest.mark.task("avg_pool2d", weight=1, page=FORWARD)
def test_avg_pool2d_leaves_its_argument_alone(student: Student, rng: torch.Generator) -> None:
    """The images are not modified."""
    _check_unchanged(student, "avg_pool2d", rng)


# ---- backward -----------------------------------------------------------------------------------


def _upstream(rng: torch.Generator, X: Tensor, kernel: int, stride: int | None) -> Tensor:
    """A random gradient of the output."""
    return normal(rng, *functional.avg_pool2d(X, kernel, stride).shape).to(X)


def _autograd(task: str, upstream: Tensor, X: Tensor, kernel: int, stride: int | None) -> Tensor:
    X = X.detach().clone().requires_grad_()
    return torch.autograd.grad(_library(task)(X, kernel, stride), X, upstream)[0]


def _sent_back(
    student: Student, task: str, upstream: Tensor, X: Tensor, kernel: int, stride: int | None
) -> Tensor:
    step = kernel if stride is None else stride
    rows, columns = (step * (n - 1) + kernel for n in upstream.shape[2:])
    with tools.wrong_view(), wrong_sizes(), tools.graph_is_off(), student.no_autograd():
        value = getattr(student, task)(upstream, X, **geometry(kernel, stride))
    shapes = {
        IMAGE_SIZE: (*X.shape[:2], rows, columns),
        "the gradient goes back to the pixels of X, not to the windows": tuple(upstream.shape),
    }
    return require_shape("the gradient", value, X.shape, shapes)


def _check_gradient(
    student: Student, task: str, upstream: Tensor, X: Tensor, kernel: int, stride: int | None
) -> None:
    expected = _autograd(task, upstream, X, kernel, stride)
    ones = torch.ones_like(upstream)
    mistakes = {
        ADD_UP: _autograd(task, ones, X, kernel, stride),
        "the gradient is a sum: a mean over the batch is already in upstream": expected / len(X),
    }
    if task.startswith("max"):
        mistakes |= _wrong_winners(upstream, X, kernel, stride)
        mistakes["this is the gradient of the mean: only the largest value gets it"] = _autograd(
            "avg", upstream, X, kernel, stride
        )
    else:
        mistakes |= {
            "each pixel gets its share of the window's gradient, 1 / (kernel × kernel)": (
                expected * kernel**2
            ),
            "a window has kernel × kernel pixels: divide by the kernel twice": expected * kernel,
            "this is the gradient of the maximum: every pixel of a window has a part in the mean": (
                _autograd("max", upstream, X, kernel, stride)
            ),
            OVERLAP: _by_window(
                upstream,
                X,
                kernel,
                stride,
                lambda window: torch.ones_like(window) / kernel**2,
                add=False,
            ),
        }
    value = _sent_back(student, task, upstream, X, kernel, stride)
    close("the gradient", value, expected, mistakes)


def _wrong_winners(
    upstream: Tensor, X: Tensor, kernel: int, stride: int | None
) -> dict[str, Tensor]:
    """What comes where another pixel than the first largest one gets the gradient."""

    def largest(window: Tensor) -> Tensor:
        return (window == window.amax(dim=(2, 3), keepdim=True)).to(window)

    def split(window: Tensor) -> Tensor:
        return largest(window) / largest(window).sum(dim=(2, 3), keepdim=True)

    def first(window: Tensor) -> Tensor:
        flat = window.flatten(start_dim=2)
        return functional.one_hot(flat.argmax(dim=2), flat.shape[2]).to(window).view_as(window)

    def last(window: Tensor) -> Tensor:
        return first(window.flip(2, 3)).flip(2, 3)

    def by_columns(window: Tensor) -> Tensor:
        return first(window.transpose(2, 3).contiguous()).transpose(2, 3)

    def smallest(window: Tensor) -> Tensor:
        return first(-window)

    weights: dict[str, Gradient] = {
        "where several values are equally large, only the first of them gets the gradient": largest,
        "the gradient is not shared: where several values are equally large, the first gets all": (
            split
        ),
        "where several values are equally large, the first counts, not the last": last,
        "the first of equal values is looked for row by row, not column by column": by_columns,
        "the smallest value gets the gradient here": smallest,
    }
    mistakes = {
        hint: _by_window(upstream, X, kernel, stride, weight) for hint, weight in weights.items()
    }
    mistakes[OVERLAP] = _by_window(upstream, X, kernel, stride, first, add=False)
    window_by_window = _by_window(upstream, X, kernel, stride, first, add=None)
    mistakes[f"{OVERLAP}; here a later window replaces what stands there"] = window_by_window
    return mistakes


def _by_window(
    upstream: Tensor,
    X: Tensor,
    kernel: int,
    stride: int | None,
    weights: Gradient,
    add: bool | None = True,
) -> Tensor:
    """The gradient of X where each pixel of a window gets its weight times upstream.

    add: whether windows that share pixels add up, replace the whole window (False), or replace only
    where there is something to send (None).
    """
    step = kernel if stride is None else stride
    sent = torch.zeros_like(X, memory_format=torch.contiguous_format)
    for i in range(upstream.shape[2]):
        for j in range(upstream.shape[3]):
            place = (..., slice(i * step, i * step + kernel), slice(j * step, j * step + kernel))
            part = weights(X[place].contiguous()) * upstream[:, :, i, j, None, None]
            if add:
                sent[place] += part
            else:
                keep = part == 0 if add is None else torch.zeros_like(part, dtype=torch.bool)
                sent[place] = torch.where(keep, sent[place], part)
    return sent


def _check_gradients(student: Student, task: str, rng: torch.Generator, device: str) -> None:
    for height, width, kernel, stride in ((7, 11, 2, None), (11, 8, 2, 3)):
        X = normal(rng, 2, 3, height, width).to(device)
        _check_gradient(student, task, _upstream(rng, X, kernel, stride), X, kernel, stride)


def _check_overlap(student: Student, task: str, rng: torch.Generator) -> None:
    for height, width, kernel, stride in ((9, 12, 3, 2), (7, 5, 3, 1)):
        X = normal(rng, 2, 3, height, width)
        _check_gradient(student, task, _upstream(rng, X, kernel, stride), X, kernel, stride)


def _check_gradient_details(student: Student, task: str, rng: torch.Generator) -> None:
    for shape, kernel in (((1, 2, 6, 5), 2), ((1, 1, 3, 3), 3), ((2, 3, 4, 5), 1)):
        X = normal(rng, *shape)
        _check_gradient(student, task, _upstream(rng, X, kernel, None), X, kernel, None)
    for dtype in (torch.float32, torch.float64):
        X = normal(rng, 2, 3, 4, 6).to(dtype)
        upstream = _upstream(rng, X, 2, None)
        expected = _autograd(task, upstream, X, 2, None)
        require_dtype("the gradient", _sent_back(student, task, upstream, X, 2, None), expected)


def _check_strided_gradient(student: Student, task: str, rng: torch.Generator) -> None:
    X = strided(normal(rng, 2, 3, 6, 8))
    upstream = strided(_upstream(rng, X, 2, None))
    _check_gradient(student, task, upstream, X, 2, None)


def _check_gradient_arguments(student: Student, task: str, rng: torch.Generator) -> None:
    X = normal(rng, 2, 3, 6, 8)
    upstream = _upstream(rng, X, 2, 1)
    before = {"X": X.clone(), "upstream": upstream.clone()}
    _sent_back(student, task, upstream, X, 2, 1)
    tools.unchanged("X", before["X"], X)
    tools.unchanged("upstream", before["upstream"], upstream)


@pytest.mark.task("max_pool2d_backward", weight=2, page=BACKWARD)
def test_gradient_of_max_pool2d(student: Student, rng: torch.Generator, device: str) -> None:
    """Windows with a rest and windows with gaps, against autograd."""
    _check_gradients(student, "max_pool2d_backward", rng, device)


@pytest.mark.task("max_pool2d_backward", weight=2, page=BACKWARD)
def test_gradient_of_max_pool2d_with_overlap(student: Student, rng: torch.Generator) -> None:
    """Windows that overlap, against autograd."""
    _check_overlap(student, "max_pool2d_backward", rng)


@pytest.mark.task("max_pool2d_backward", weight=2, page=BACKWARD)
def test_gradient_of_equal_values(student: Student, rng: torch.Generator) -> None:
    """Windows with several equal largest values, as after a ReLU, with and without overlap."""
    for kernel, stride in ((3, None), (3, 2)):
        X = torch.randint(-2, 2, (2, 3, 9, 12), generator=rng).double().clamp_min(0)
        upstream = _upstream(rng, X, kernel, stride)
        _check_gradient(student, "max_pool2d_backward", upstream, X, kernel, stride)


@pytest.mark.task("max_pool2d_backward", weight=1, page=BACKWARD)
def test_gradient_of_max_pool2d_details(student: Student, rng: torch.Generator) -> None:
    """A batch of one, a single window, windows of one pixel; the dtype stays."""
    _check_gradient_details(student, "max_pool2d_backward", rng)


@pytest.mark.task("max_pool2d_backward", weight=1, page=BACKWARD)
def test_gradient_of_max_pool2d_of_strided_tensors(student: Student, rng: torch.Generator) -> None:
    """Tensors that are not contiguous, as a transpose gives them."""
    _check_strided_gradient(student, "max_pool2d_backward", rng)


@pytest.mark.task("max_pool2d_backward", weight=1, page=BACKWARD)
def test_max_pool2d_backward_leaves_its_arguments_alone(
    student: Student, rng: torch.Generator
) -> None:
    """Neither upstream nor the images are modified."""
    _check_gradient_arguments(student, "max_pool2d_backward", rng)


@pytest.mark.task("avg_pool2d_backward", weight=2, page=BACKWARD)
def test_gradient_of_avg_pool2d(student: Student, rng: torch.Generator, device: str) -> None:
    """Windows with a rest and windows with gaps, against autograd."""
    _check_gradients(student, "avg_pool2d_backward", rng, device)


@pytest.mark.task("avg_pool2d_backward", weight=2, page=BACKWARD)
def test_gradient_of_avg_pool2d_with_overlap(student: Student, rng: torch.Generator) -> None:
    """Windows that overlap, against autograd."""
    _check_overlap(student, "avg_pool2d_backward", rng)


@pytest.mark.task("avg_pool2d_backward", weight=1, page=BACKWARD)
def test_gradient_of_avg_pool2d_details(student: Student, rng: torch.Generator) -> None:
    """A batch of one, a single window, windows of one pixel; the dtype stays."""
    _check_gradient_details(student, "avg_pool2d_backward", rng)


@pytest.mark.task("avg_pool2d_backward", weight=1, page=BACKWARD)
def test_gradient_of_avg_pool2d_of_strided_tensors(student: Student, rng: torch.Generator) -> None:
    """Tensors that are not contiguous, as a transpose gives them."""
    _check_strided_gradient(student, "avg_pool2d_backward", rng)


@pytest.mark.task("avg_pool2d_backward", weight=1, page=BACKWARD)
def test_avg_pool2d_backward_leaves_its_arguments_alone(
    student: Student, rng: torch.Generator
) -> None:
    """Neither upstream nor the images are modified."""
    _check_gradient_arguments(student, "avg_pool2d_backward", rng)
