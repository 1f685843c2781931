"""What the exercise sheets share: data, one-hot targets, a gradient checker, and plots.

The plots have no background of their own and mid-grey axes, so that they read on a light page and
on a dark one; their colours also differ for colour-blind eyes, and classes have their own markers.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from torch import Tensor
from torch.nn import functional

Array = np.ndarray | Tensor

P = ParamSpec("P")
R = TypeVar("R")

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6bb1", "#a6761d"]
MARKERS = ["o", "^", "s", "D", "v", "P"]
LINES = ["-", "--", "-.", ":"]
TOLERANCES = {"float64": 1e-6, "float32": 1e-3}  # of a gradient against differences

GREY = "#7a7a7a"  # contrast 4.3 with white, and with a page of #121212

STYLE: dict[str, Any] = {
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.facecolor": "none",
    "legend.facecolor": "none",
    "legend.edgecolor": GREY,
    "text.color": GREY,
    "axes.labelcolor": GREY,
    "axes.edgecolor": GREY,
    "axes.titlecolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def _in_style(draw: Callable[P, R]) -> Callable[P, R]:
    """The same function, drawing in the style of the course and leaving other plots alone."""

    @functools.wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> R:
        with plt.style.context(STYLE):
            return draw(*args, **kwargs)

    return styled


def load_circles(path: str | Path = "circles.csv") -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Read the circles: two noisy rings, one a class.

    Args:
        path: a CSV file with the columns x1, x2, label, split (train or test).

    Returns:
        X_train (200 × 2), Y_train (200 × 2, one-hot), X_test, Y_test of the same sizes; float32.
    """
    table = np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8")
    X = torch.from_numpy(np.column_stack([table["x1"], table["x2"]])).float()
    Y = one_hot(torch.from_numpy(table["label"].astype(int)), 2)
    in_train = torch.from_numpy(table["split"] == "train")
    return X[in_train], Y[in_train], X[~in_train], Y[~in_train]


def one_hot(labels: Tensor, n_classes: int) -> Tensor:
    """Class numbers as targets.

    Args:
        labels: the class of each example, (B,), from 0 to n_classes - 1.
        n_classes: number of columns.

    Returns:
        B × n_classes, float32: in each row a one at the class and zeros elsewhere.
    """
    return torch.eye(n_classes)[labels]


def hold_out(
    X: Tensor, Y: Tensor, n: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Keep n randomly chosen examples apart, for validation.

    Args:
        X, Y: all examples, one a row.
        n: how many to keep apart, between 1 and len(X) - 1.
        generator: source of the choice.

    Returns:
        X_rest, Y_rest, X_kept, Y_kept.
    """
    kept = torch.zeros(len(X), dtype=torch.bool)
    kept[torch.randperm(len(X), generator=generator)[:n]] = True
    return X[~kept], Y[~kept], X[kept], Y[kept]


def distorted(X: Tensor, generator: torch.Generator) -> Tensor:
    """Make pictures harder to recognise, each in its own way, on a canvas of 4 more pixels a side.

    A picture is turned by up to 20 degrees, sheared by up to 0.15, scaled by up to 1.16 or its
    inverse, shifted by up to 1.5 pixels along each axis, and dimmed by up to 0.3; then noise of
    standard deviation 0.1 is added.

    Args:
        X: square pictures, B × 1 × n × n, values in [0, 1].
        generator: source of every draw.

    Returns:
        B × 1 × (n + 4) × (n + 4), float32.
    """

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(len(X), generator=generator)

    n, size = X.shape[-1], X.shape[-1] + 4
    angle, shear = between(-0.35, 0.35), between(-0.15, 0.15)
    scale = between(-0.15, 0.15).exp() * size / n  # grid_sample counts in halves of the picture
    columns = [
        torch.stack([angle.cos(), angle.sin()], dim=1) * scale[:, None],
        torch.stack([shear - angle.sin(), angle.cos()], dim=1) * scale[:, None],
        torch.stack([between(-1.5, 1.5), between(-1.5, 1.5)], dim=1) * 2 / n,
    ]
    grid = functional.affine_grid(
        torch.stack(columns, dim=2), [len(X), 1, size, size], align_corners=False
    )
    pictures = functional.grid_sample(X, grid, align_corners=False)
    pictures = pictures * between(0.7, 1.0)[:, None, None, None]
    return pictures + 0.1 * torch.randn(pictures.shape, generator=generator)


def check_gradient(
    f: Callable[[Any], Tensor | float],
    x: Array,
    gradient: Array,
    name: str = "gradient",
    tolerance: float | None = None,
) -> float:
    """Compare a gradient with finite differences, coordinate by coordinate.

    Args:
        f: the function; it takes what x is, an array or a tensor, and returns a number.
        x: the point, float64 if you can: in float32 rounding hides all but the first three digits.
        gradient: what you computed, of the shape of x.
        name: what messages call it.
        tolerance: largest relative error that passes; 1e-6 in float64 and 1e-3 in float32.

    Returns:
        The largest relative error of all coordinates.

    Raises:
        AssertionError: shapes differ, or a coordinate is too far off; it names the worst one, its
            relative error and, where the errors have a pattern, the likely cause.
        TypeError: x is neither float64 nor float32.
    """
    point, ours = _as_array(x), _as_array(gradient)
    assert ours.shape == point.shape, (
        f"{name}: your gradient is {_size(ours)}, the variable is {_size(point)}; "
        "is a transpose or a sum over the batch missing?"
    )
    measured = _as_array(differences(f, x))
    smooth = np.isfinite(measured)
    assert smooth.any(), f"{name}: every coordinate of x lies at a kink; choose another x"
    tolerance = TOLERANCES[point.dtype.name] if tolerance is None else tolerance
    with torch.no_grad():
        noise = _rounding(point.dtype, float(f(x)), _step(point.dtype))
    floor = max(1e-3 * float(np.abs(measured[smooth]).max()), noise / tolerance)
    size = np.maximum(np.maximum(np.abs(ours), np.abs(measured)), floor)
    errors = np.where(smooth, np.abs(ours - measured) / size, 0)
    errors = np.where(np.isnan(errors), math.inf, errors)  # a gradient that is not a number
    index = tuple(int(i) for i in np.unravel_index(errors.argmax(), errors.shape))
    error = float(errors[index])
    if not error <= tolerance:
        cause = likely_cause(ours, measured)
        raise AssertionError(
            f"{name}: at index {index} your gradient is {float(ours[index]):.6g}, "
            f"differences give {float(measured[index]):.6g} (relative error {error:.1e})"
            + (f"; {cause}" if cause else "")
        )
    left_out = f" ({(~smooth).sum()} coordinates at a kink left out)" if not smooth.all() else ""
    print(f"{name}: largest relative error {error:.1e}{left_out}")
    return error


def check_backward(
    forward: Callable[..., tuple[Any, Any]],
    backward: Callable[[Any, Any], Any],
    inputs: Mapping[str, Array],
    rng: np.random.Generator,
    tolerance: float | None = None,
) -> float:
    """Compare a layer's backward pass with finite differences of its forward pass.

    The scalar that is differentiated is the sum of the output times a random upstream gradient. An
    upstream gradient of ones would not do: a layer that forgets it, or transposes it, would pass.

    Args:
        forward: takes the inputs in their order and returns the output and a cache.
        backward: takes the upstream gradient and the cache; returns the gradient with respect to
            each input, in the same order (of one input: the gradient itself).
        inputs: the inputs by name, float64; small arrays of unequal sizes, so that no transpose
            goes unnoticed.
        rng: source of the upstream gradient.
        tolerance: largest relative error that passes; 1e-6 in float64 and 1e-3 in float32.

    Returns:
        The largest relative error of all coordinates of all gradients.

    Raises:
        AssertionError: a gradient is missing or wrong (see check_gradient), an argument was
            modified, or forward gives another output when it is called again.
    """
    before = {name: _as_array(value).copy() for name, value in inputs.items()}
    out, cache = forward(*inputs.values())
    _verify_unchanged("forward", before, inputs)
    again = forward(*inputs.values())[0]
    assert np.array_equal(_as_array(out), _as_array(again), equal_nan=True), (
        "forward gives another output when it is called again: start its generator anew each time"
    )
    upstream = _like(out, upstream_gradient(_as_array(out), rng))
    given = {"dout": _as_array(upstream).copy()}
    answer = backward(upstream, cache)
    _verify_unchanged("backward", before | given, {**inputs, "dout": upstream})
    gradients = answer if isinstance(answer, tuple | list) else (answer,)
    assert len(gradients) == len(inputs), (
        f"backward returned {len(gradients)} gradients; the inputs are {', '.join(inputs)}"
    )

    def scalar(name: str, value: Array) -> float:
        values = [value if other == name else inputs[other] for other in inputs]
        return float((_as_array(upstream) * _as_array(forward(*values)[0])).sum())

    return max(
        check_gradient(functools.partial(scalar, name), x, gradient, f"d{name}", tolerance)
        for (name, x), gradient in zip(inputs.items(), gradients, strict=True)
    )


def upstream_gradient(out: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random gradient for an output: no two coordinates are alike, and none is near zero.

    Args:
        out: the output.
        rng: source of the values.

    Returns:
        An array of the shape and dtype of out, of absolute values from 0.5 to 1.5.
    """
    sizes = rng.uniform(0.5, 1.5, out.shape)
    return (sizes * rng.choice([-1.0, 1.0], out.shape)).astype(out.dtype)


def differences(f: Callable[[Any], Tensor | float], x: Array) -> Array:
    """The gradient of f at x by differences of five points, whose error is of order h to the 4.

    The step h is the fifth root of the dtype's precision, where rounding and the formula's own
    error balance. Differences at h and at h / 2 must agree; where they do not, a kink is near, and
    h is made smaller. At a kink itself the slopes on the two sides differ however small h is.

    Args:
        f: the function; it takes what x is, an array or a tensor, and returns a number.
        x: the point, float64 or float32; it is not modified.

    Returns:
        What x is, of its shape; NaN for coordinates that lie at a kink.

    Raises:
        TypeError: x is neither float64 nor float32.
    """
    point = _as_array(x)
    if point.dtype.name not in TOLERANCES:
        raise TypeError(f"x is {point.dtype}; differences need float64 (or float32)")
    with torch.no_grad():
        here = float(f(_like(x, point.copy())))
        slopes = [_slope(f, x, point, index, here) for index in np.ndindex(point.shape)]
    return _like(x, np.array(slopes, dtype=point.dtype).reshape(point.shape))


def _slope(
    f: Callable[[Any], Tensor | float],
    x: Array,
    point: np.ndarray,
    index: tuple[int, ...],
    here: float,
) -> float:
    """The derivative with respect to one coordinate, NaN at a kink; `here` is f at the point."""

    def at(shift: float) -> float:
        moved = point.copy()
        moved[index] += shift
        return float(f(_like(x, moved)))

    h = _step(point.dtype)
    tolerance = TOLERANCES[point.dtype.name]
    for _ in range(3):
        half, one, two = ((at(-k * h), at(k * h)) for k in (0.5, 1, 2))
        coarse = (8 * (one[1] - one[0]) - (two[1] - two[0])) / (12 * h)
        fine = (8 * (half[1] - half[0]) - (one[1] - one[0])) / (6 * h)
        noise = 4 * _rounding(point.dtype, here, h)
        agree = abs(coarse - fine) <= tolerance * abs(fine) + noise
        # The slopes of the two sides differ by h f'' where f is smooth: half as much at h / 2.
        bend = abs(one[0] - 2 * here + one[1]) / h
        at_half = 2 * abs(half[0] - 2 * here + half[1]) / h
        if agree and at_half <= 0.75 * bend + tolerance * abs(fine) + noise:
            return coarse
        h /= 8
    return math.nan


def likely_cause(ours: np.ndarray, measured: np.ndarray) -> str | None:
    """What a wrong gradient has in common with the right one, in words.

    Args:
        ours: the gradient to be explained.
        measured: the right one, of the same shape; NaN where it is not known.

    Returns:
        One sentence, or None where the errors show no pattern.
    """
    known = np.isfinite(measured)
    one, other = ours[known].astype(float), measured[known].astype(float)
    if not np.isfinite(one).all():
        return "it is not a finite number: is a root or a quotient at zero?"
    if not one.any():
        return "yours is zero everywhere: is the upstream gradient used?"
    factor = float((one * other).sum() / max((other * other).sum(), 1e-30))
    if factor and np.allclose(one, factor * other, rtol=1e-4, atol=1e-8):
        if abs(factor + 1) < 1e-4:
            return "everywhere the sign is the opposite"
        return f"everywhere it is {factor:.4g} times as large: is a mean or a factor missing?"
    gap = ours - measured
    for axis in range(ours.ndim if known.all() else 0):
        if ours.shape[axis] > 1 and np.allclose(gap, gap.mean(axis, keepdims=True), atol=1e-7):
            return (
                f"the error is the same all along axis {axis}: is a path through a sum or a mean "
                "over that axis missing?"
            )
    right = np.isclose(one, other, rtol=1e-4, atol=1e-8)
    if right.any() and not right.all() and not one[~right].any():
        return f"yours is zero at the {(~right).sum()} wrong of {right.size} coordinates"
    return None


def _verify_unchanged(
    where: str, before: Mapping[str, np.ndarray], after: Mapping[str, Array]
) -> None:
    for name, value in before.items():
        assert np.array_equal(value, _as_array(after[name]), equal_nan=True), (
            f"{where} modified its argument {name}: work on a copy, without in-place operations"
        )


def _step(dtype: np.dtype) -> float:
    return float(np.finfo(dtype).eps) ** 0.2


def _rounding(dtype: np.dtype, value: float, h: float) -> float:
    """How far off rounding may leave a difference quotient of values of this size."""
    return 10 * float(np.finfo(dtype).eps) * max(1.0, abs(value)) / h


def _as_array(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)


def _like(model: Any, array: np.ndarray) -> Any:
    """The array as what the model is: a tensor on its device, or an array."""
    return torch.from_numpy(array).to(model.device) if isinstance(model, Tensor) else array


@_in_style
def plot_data(
    X: Tensor, Y: Tensor, ax: Axes | None = None, names: Sequence[str] | None = None
) -> Axes:
    """Points in the plane, one colour and one marker a class.

    Args:
        X: B × 2.
        Y: one-hot targets, B × n_y.
        ax: where to draw; a new figure by default.
        names: what the legend calls the classes.

    Returns:
        The axes, for titles and more.
    """
    ax = _new_axes(4.2, 4.2) if ax is None else ax
    classes = Y.argmax(dim=1)
    for k in range(Y.shape[1]):
        x1, x2 = X[classes == k].T
        label = f"class {k}" if names is None else names[k]
        ax.scatter(x1, x2, s=18, c=COLOURS[k], marker=MARKERS[k], label=label, linewidths=0)
    ax.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    ax.legend(loc="upper right", fontsize="small")
    return ax


@_in_style
def plot_decision_boundary(
    predict: Callable[[Tensor], Tensor], X: Tensor, Y: Tensor, ax: Axes | None = None
) -> Axes:
    """The regions that a classifier gives to each class, with the data on top.

    Args:
        predict: takes points (M × 2) and returns a score for each class (M × n_y; the largest
            wins) or class numbers (M,).
        X, Y: the data, B × 2 and one-hot B × n_y.
        ax: where to draw; a new figure by default.

    Returns:
        The axes.
    """
    n_classes = Y.shape[1]
    low, high = X.min(dim=0).values - 0.3, X.max(dim=0).values + 0.3
    x1, x2 = (torch.linspace(float(low[i]), float(high[i]), 200) for i in range(2))
    grid = torch.cartesian_prod(x1, x2)
    with torch.no_grad():
        answer = torch.as_tensor(predict(grid))
    classes = answer.argmax(dim=1) if answer.dim() == 2 else answer
    ax = _new_axes(4.2, 4.2) if ax is None else ax
    ax.contourf(
        x1,
        x2,
        classes.reshape(200, 200).T,
        levels=np.arange(n_classes + 1) - 0.5,
        cmap=ListedColormap(COLOURS[:n_classes]),
        alpha=0.25,
    )
    return plot_data(X, Y, ax)


@_in_style
def plot_curves(
    curves: Mapping[str, Sequence[float]],
    ylabel: str,
    xlabel: str = "epoch",
    x: Sequence[float] | None = None,
    xscale: str = "linear",
    ax: Axes | None = None,
) -> Axes:
    """Lines over a common axis, each named in the legend.

    Args:
        curves: the values of each line by its name.
        ylabel, xlabel: what the axes show.
        x: where the values belong; 0, 1, 2, ... by default.
        xscale: "linear" or "log".
        ax: where to draw; a new figure by default.

    Returns:
        The axes.
    """
    ax = _new_axes(6.4, 3.2) if ax is None else ax
    for i, (name, values) in enumerate(curves.items()):
        ax.plot(
            range(len(values)) if x is None else x,
            values,
            label=name,
            color=COLOURS[i % len(COLOURS)],
            linestyle=LINES[i % len(LINES)],
            marker=None if x is None else MARKERS[i % len(MARKERS)],
        )
    ax.set(xlabel=xlabel, ylabel=ylabel, xscale=xscale)
    ax.grid(color=GREY, alpha=0.25)
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small", frameon=False)
    return ax


@_in_style
def plot_confusion(
    matrix: Tensor, names: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """A confusion matrix with its counts; the shade is the share of the row.

    Args:
        matrix: counts, n × n, rows the actual class, columns the predicted one.
        names: what the axes call the classes; 0, 1, 2, ... by default.
        ax: where to draw; a new figure by default.

    Returns:
        The axes.
    """
    n = len(matrix)
    ax = _new_axes(1.5 + 0.42 * n, 1.2 + 0.42 * n) if ax is None else ax
    shares = matrix / matrix.sum(dim=1, keepdim=True).clamp_min(1)
    shades = LinearSegmentedColormap.from_list("shades", ["#ffffff", COLOURS[0]])
    ax.imshow(shares, cmap=shades, vmin=0, vmax=1)
    for i in range(n):
        for j in range(n):
            colour = "#ffffff" if shares[i, j] > 0.9 else "#111111"
            ax.text(j, i, str(int(matrix[i, j])), ha="center", va="center", color=colour, size=8)
    ticks = [str(k) for k in range(n)] if names is None else list(names)
    ax.set_xticks(range(n), ticks)
    ax.set_yticks(range(n), ticks)
    ax.set(xlabel="predicted", ylabel="actual")
    ax.spines[:].set_visible(False)
    return ax


@_in_style
def plot_pictures(pictures: Tensor, titles: Sequence[str], width: float = 1.2) -> None:
    """Grey pictures in a row.

    Args:
        pictures: n × height × width, values in [0, 1].
        titles: one line above each picture.
        width: of each picture, in inches.
    """
    height = width * pictures.shape[1] / pictures.shape[2] + 0.3
    size = (width * len(pictures), height)
    _, axes = plt.subplots(1, len(pictures), figsize=size, squeeze=False, layout="constrained")
    for ax, picture, title in zip(axes[0], pictures, titles, strict=True):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
        ax.set_title(title, size=9)
        ax.axis("off")


def _new_axes(width: float, height: float) -> Axes:
    """Axes of a new figure of this size, in inches."""
    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def _size(array: np.ndarray) -> str:
    return " × ".join(str(n) for n in array.shape) or "a single number"
