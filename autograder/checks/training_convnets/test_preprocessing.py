"""Hidden checks of standardisation and whitening."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from autograder.checks import tools
from autograder.checks.perceptron.inputs import normal, two
from autograder.student import Student

FORBIDDEN = {
    "standardize": ["torchvision", "sklearn"],
    "channel_statistics": ["torchvision", "sklearn"],
    "zca_whitening": ["sklearn", "scipy"],
}
STANDARDISE = "book/unit2/preprocessing.html#preprocessing-standardise"
ZCA = "book/unit2/preprocessing.html#preprocessing-zca"

STATISTICS = "return two vectors, the means and the standard deviations, one number a channel"
BROADCAST = (
    "mean and std have one number a channel, and channels are dimension 1: give them two more "
    "dimensions, mean[:, None, None]"
)
CONSTANT = "a channel with std 0 is only centred: divide it by 1, with no small number added"
ONLY_ZERO = "only a std of exactly 0 is replaced: a small one divides like any other"
WHITENING = "return the mean, (D,), and the matrix, D × D"


def _images(rng: torch.Generator, *shape: int) -> Tensor:
    """Images whose channels have scales and means of their own, in float64."""
    channels = shape[1]
    scales = (1 + torch.arange(channels)).double()[:, None, None]
    return 3 * scales + scales * normal(rng, *shape) * (1 + normal(rng, shape[0], 1, 1, 1).abs())


def _statistics(value: Any, channels: int) -> tuple[Tensor, Tensor]:
    mean, std = two("channel_statistics", value, STATISTICS)
    shape = (channels,)
    return tools.tensor("the mean", mean, shape), tools.tensor("the deviation", std, shape)


@pytest.mark.task("channel_statistics", weight=2, page=STANDARDISE)
@pytest.mark.parametrize("shape", [(7, 3, 4, 5), (4, 2, 6, 3)])
def test_statistics_of_channels(
    student: Student, rng: torch.Generator, shape: tuple[int, ...]
) -> None:
    """Mean and standard deviation of each channel."""
    X = _images(rng, *shape)
    given = X.clone()
    with tools.wrong_view():
        mean, std = _statistics(student.channel_statistics(given), shape[1])
    tools.unchanged("X", X, given)
    rows = X.transpose(0, 1).reshape(shape[1], -1)
    expected = torch.tensor([row.mean() for row in rows.numpy()], dtype=X.dtype)
    overall = "one number for all channels: the statistics are those of each channel"
    mistakes = {overall: X.mean().expand(shape[1])}
    tools.close("the mean", mean, expected, mistakes)
    expected = torch.from_numpy(np.std(rows.numpy(), axis=1))
    mistakes = {
        "divide the variance by the number of values, not by one less": rows.std(dim=1),
        "this is the variance: take its square root": expected**2,
        overall: X.std(correction=0).expand(shape[1]),
        "this is the mean of the images' own deviations: take all images at once": (
            X.std(dim=(2, 3), correction=0).mean(dim=0)
        ),
        "this is the mean of the pixels' own deviations: pixels and images together": (
            X.std(dim=0, correction=0).mean(dim=(1, 2))
        ),
    }
    tools.close("the standard deviation", std, expected, mistakes)


@pytest.mark.task("channel_statistics", weight=1, page=STANDARDISE)
def test_statistics_of_one_image(student: Student, rng: torch.Generator) -> None:
    """A single image, one channel of which is constant, in float32."""
    X = torch.rand(1, 3, 5, 4, generator=rng)
    X[:, 1] = 0.5
    mean, std = _statistics(student.channel_statistics(X.clone()), 3)
    expected = X[0].flatten(1).double().numpy()
    tools.close("the mean", mean, torch.from_numpy(expected.mean(axis=1)).float())
    deviations = torch.from_numpy(expected.std(axis=1)).float()
    tools.close("the standard deviation", std, deviations)


@pytest.mark.task("channel_statistics", weight=1, page=STANDARDISE)
def test_statistics_of_strided_images(student: Student, rng: torch.Generator) -> None:
    """Images that were mirrored along their diagonal, so that they are not contiguous."""
    X = _images(rng, 3, 4, 6, 2).transpose(2, 3)
    with tools.wrong_view():
        mean, std = _statistics(student.channel_statistics(X), 4)
    rows = X.numpy().transpose(1, 0, 2, 3).reshape(4, -1)
    tools.close("the mean", mean, torch.from_numpy(rows.mean(axis=1)))
    tools.close("the standard deviation", std, torch.from_numpy(rows.std(axis=1)))


def _standardized(student: Student, X: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    with tools.explained(BROADCAST, "must match the size"):
        return tools.tensor("the result", student.standardize(X, mean, std), X.shape)


def _by_channel(X: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Channel after channel, by their definition."""
    channels = [(X[:, c] - mean[c]) / std[c] for c in range(X.shape[1])]
    return torch.stack(channels, dim=1)


@pytest.mark.task("standardize", weight=2, page=STANDARDISE)
@pytest.mark.parametrize("shape", [(5, 3, 4, 6), (1, 2, 3, 7)])
def test_standardised_images(
    student: Student, rng: torch.Generator, shape: tuple[int, ...]
) -> None:
    """Other images than those that the statistics come from."""
    X = _images(rng, *shape)
    mean, std = normal(rng, shape[1]), 0.5 + normal(rng, shape[1]).abs()
    given = X.clone(), mean.clone(), std.clone()
    came = _standardized(student, *given)
    for name, old, new in zip(("X", "mean", "std"), (X, mean, std), given, strict=True):
        tools.unchanged(name, old, new)
    own_mean, own_std = X.mean(dim=(0, 2, 3)), X.std(dim=(0, 2, 3), correction=0)
    mistakes = {
        "mean and deviation are those that are given, from the training set; these are the batch's "
        "own": _by_channel(X, own_mean, own_std),
        "divide by the standard deviation, not by its square": _by_channel(X, mean, std**2),
        "divide by the standard deviation, not by its root": _by_channel(X, mean, std.sqrt()),
        "the division is missing": _by_channel(X, mean, torch.ones_like(std)),
        "the mean is not subtracted": _by_channel(X, torch.zeros_like(mean), std),
        "first subtract, then divide": _by_channel(X, mean * std, std),
        "this multiplies by the standard deviation": _by_channel(X, mean, 1 / std),
    }
    tools.close("the result", came, _by_channel(X, mean, std), mistakes)


@pytest.mark.task("standardize", weight=2, page=STANDARDISE)
def test_standardised_along_channels(student: Student, rng: torch.Generator) -> None:
    """Images with as many rows and columns as channels."""
    X = _images(rng, 4, 3, 3, 3)
    mean, std = normal(rng, 3), 0.5 + normal(rng, 3).abs()
    mistakes = {
        BROADCAST: (X - mean) / std,
        "the numbers belong to channels, dimension 1, and not to rows": (
            (X - mean[:, None]) / std[:, None]
        ),
    }
    came = _standardized(student, X.clone(), mean.clone(), std.clone())
    tools.close("the result", came, _by_channel(X, mean, std), mistakes)


@pytest.mark.task("standardize", weight=2, page=STANDARDISE)
def test_a_channel_that_was_constant(student: Student, rng: torch.Generator) -> None:
    """A channel that was constant in the training set, and one that almost was."""
    X = _images(rng, 4, 3, 2, 5)
    mean, std = normal(rng, 3), torch.tensor([0.7, 0.0, 1e-6], dtype=torch.float64)
    before = std.clone()
    came = _standardized(student, X.clone(), mean.clone(), std)
    tools.unchanged("std", before, std)
    divisor = torch.tensor([0.7, 1.0, 1e-6], dtype=torch.float64)
    expected = _by_channel(X, mean, divisor)
    # A tiny number that is added to every std moves the result less than this tolerance allows.
    tools.require(bool(torch.isfinite(came).all()), "the result holds inf or nan", CONSTANT)
    for channel, hint in ((0, CONSTANT), (1, CONSTANT), (2, ONLY_ZERO)):
        wrong = came[:, channel]
        right = torch.allclose(wrong, expected[:, channel], rtol=1e-4, atol=1e-6)
        tools.require(right, f"channel {channel}, whose std is {std[channel]:g}, is wrong", hint)


def _rows(rng: torch.Generator, n: int, d: int) -> Tensor:
    """Correlated rows with a mean, in float64."""
    return normal(rng, n, d) @ normal(rng, d, d) + 2 * normal(rng, d)


def _whitened(student: Student, X: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    d = X.shape[1]
    with tools.explained(WHITENING, "cannot be multiplied", "must match the size"):
        value = student.zca_whitening(X, epsilon)
    mean, matrix = two("zca_whitening", value, WHITENING)
    if isinstance(matrix, Tensor) and matrix.shape == X.shape and len(X) != d:
        raise tools.Mistake("the matrix has the shape of X", "return the matrix, not whitened rows")
    return tools.tensor("the mean", mean, (d,)), tools.tensor("the matrix", matrix, (d, d))


def _power(
    X: Tensor, shift: float, exponent: float, after: float = 0.0, divisor: int | None = None
) -> Tensor:
    """U ((Λ + shift)^exponent + after) Uᵀ of the covariance, by NumPy."""
    rows = X.numpy()
    covariance = rows.T @ rows / (divisor or len(rows))
    variances, directions = np.linalg.eigh(covariance)
    variances = np.maximum(variances, 1e-12)
    powers = ((variances + shift) ** -exponent + after) ** -1
    return torch.from_numpy(directions @ np.diag(powers) @ directions.T)


def _check_whitening(student: Student, X: Tensor, epsilon: float) -> None:
    given = X.clone()
    mean, matrix = _whitened(student, given, epsilon)
    tools.unchanged("X", X, given)
    tools.close("the mean", mean, torch.from_numpy(X.numpy().mean(axis=0)))
    centred, n = X - X.mean(dim=0), len(X)
    unit = torch.eye(X.shape[1], dtype=X.dtype)
    regularised = centred.T @ centred / n + epsilon * unit
    expected = _power(centred, epsilon, -0.5)
    mistakes = {
        "the covariance divides by N, not by N - 1": _power(centred, epsilon, -0.5, 0, n - 1),
        "the covariance divides by N: here it is a sum": _power(centred, epsilon, -0.5, 0, 1),
        "ε is added to the variances, under the root": _power(centred, 0, -0.5, epsilon),
        "ε is missing": _power(centred, 0, -0.5),
        "the exponent is -1/2: a square root is missing": _power(centred, epsilon, -1),
        "the exponent is -1/2: this one is positive and colours the data": (
            _power(centred, epsilon, 0.5)
        ),
        "the covariance is that of centred rows: subtract the mean first": _power(X, epsilon, -0.5),
    }
    if any(_near(product, unit) for product in _rotated(matrix, regularised)):
        hint = "this whitens by PCA and leaves the rows rotated: ZCA rotates back, U (...) Uᵀ"
        tools.require(_near(matrix, expected), "the matrix whitens, but it is not ZCA's", hint)
    if int(torch.linalg.matrix_rank(matrix)) < len(matrix):
        hint = "directions in which the rows do not vary are lost: they are scaled too, by 1/√ε"
        mistakes[hint] = matrix
    tools.close("the matrix", matrix, expected, mistakes, rtol=1e-6, atol=1e-8)


def _rotated(matrix: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
    """What rows and columns of a whitening matrix make of the covariance."""
    return matrix.T @ covariance @ matrix, matrix @ covariance @ matrix.T


def _near(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one.to(other), other, rtol=1e-6, atol=1e-8)


@pytest.mark.task("zca_whitening", weight=4, page=ZCA)
def test_whitening(student: Student, rng: torch.Generator) -> None:
    """Forty rows of five correlated numbers."""
    _check_whitening(student, _rows(rng, 40, 5), 0.1)


@pytest.mark.task("zca_whitening", weight=2, page=ZCA)
def test_whitening_of_few_rows(student: Student, rng: torch.Generator) -> None:
    """Fewer rows than numbers in each: in some directions the rows do not vary."""
    _check_whitening(student, _rows(rng, 4, 7), 0.01)


@pytest.mark.task("zca_whitening", weight=1, page=ZCA)
def test_whitened_rows_are_white(student: Student, rng: torch.Generator) -> None:
    """The covariance after whitening with a small ε is the unit matrix."""
    X = _rows(rng, 60, 6)
    mean, matrix = _whitened(student, X.clone(), 1e-10)
    white = (X - mean) @ matrix
    tools.close(
        "the covariance of whitened rows", white.T @ white / 60, torch.eye(6).double(), atol=1e-5
    )
