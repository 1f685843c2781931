"""What the exercise sheets share: data, one-hot targets, a gradient checker, and plots.

The plots have no background of their own and mid-grey axes, so that they read on a light page and
on a dark one; their colours also differ for colour-blind eyes, and classes have their own markers.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6bb1", "#a6761d"]
MARKERS = ["o", "^", "s", "D", "v", "P"]
LINES = ["-", "--", "-.", ":"]
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


def check_gradient(
    f: Callable[[Tensor], Tensor | float],
    x: Tensor,
    gradient: Tensor,
    name: str = "gradient",
    tolerance: float = 1e-6,
) -> float:
    """Compare a gradient with finite differences, coordinate by coordinate.

    The differences are those of five points, whose error falls with the fourth power of the step.

    Args:
        f: the function; it takes a tensor like x and returns a number.
        x: the point, float64 (in float32 rounding hides the derivative).
        gradient: what you computed, of the shape of x.
        name: what messages call it.
        tolerance: largest relative error that passes.

    Returns:
        The largest relative error of all coordinates.

    Raises:
        AssertionError: shapes differ, or a coordinate is too far off; it names the worst one.
        TypeError: x is not float64.
    """
    if x.dtype != torch.float64:
        raise TypeError(f"{name}: x is {x.dtype}; differences need torch.float64, use x.double()")
    assert gradient.shape == x.shape, (
        f"{name}: your gradient is {_size(gradient)}, the variable is {_size(x)}; "
        "is a transpose or a sum over the batch missing?"
    )
    measured = _five_point_differences(f, x)
    ours = gradient.detach().double()
    errors = (ours - measured).abs() / (torch.maximum(ours.abs(), measured.abs()) + 1e-8)
    index = tuple(int(i) for i in torch.unravel_index(errors.argmax(), errors.shape))
    error = float(errors[index])
    assert error <= tolerance, (
        f"{name}: at index {index} your gradient is {float(ours[index]):.6g}, "
        f"differences give {float(measured[index]):.6g} (relative error {error:.1e})"
        f"{_common_factor(ours, measured)}"
    )
    print(f"{name}: largest relative error {error:.1e}")
    return error


def _five_point_differences(f: Callable[[Tensor], Tensor | float], x: Tensor) -> Tensor:
    h = 1e-3
    weights = {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}
    units = torch.eye(x.numel(), dtype=x.dtype).reshape(-1, *x.shape)
    with torch.no_grad():
        slopes = [
            sum(weight * float(f(x + k * h * unit)) for k, weight in weights.items()) / h
            for unit in units
        ]
    return torch.tensor(slopes, dtype=x.dtype).reshape(x.shape)


def _common_factor(ours: Tensor, measured: Tensor) -> str:
    """Words for a gradient that is wrong by the same factor everywhere."""
    factor = float((ours * measured).sum() / (measured * measured).sum().clamp_min(1e-30))
    if factor == 0 or not torch.allclose(ours, factor * measured, rtol=1e-5, atol=1e-10):
        return ""
    if abs(factor + 1) < 1e-5:
        return "; everywhere the sign is the opposite"
    return f"; everywhere it is {factor:.4g} times as large: is a mean or a factor missing?"


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


def _size(tensor: Tensor) -> str:
    return " × ".join(str(n) for n in tensor.shape) or "a single number"
