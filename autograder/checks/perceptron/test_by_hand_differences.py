"""Hidden checks of numerical gradients, on functions that count and remember their calls."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from autograder.checks import tools
from autograder.checks.perceptron.inputs import normal, strided
from autograder.student import Student

FORBIDDEN = {"numerical_gradient": [*tools.AUTOGRAD, "torch.gradient", "scipy.optimize"]}
PAGE = "book/unit1/numerical_gradients.html"

PUT_BACK = "put each coordinate back before the next one is moved, or step on a copy"
ROUNDING = "adding and subtracting eps leaves a rounding error: save the value and assign it again"
ANY_SHAPE = "x may have any shape, not only two axes"
FLOAT = "f may return a float or a tensor: float(...) takes both"
SHAPE_OF_X = "the gradient has one entry for each entry of x: give it the shape of x"
DTYPE_OF_X = "the gradient has the dtype of x: torch.zeros_like(x) instead of torch.zeros(...)"
LOOSE = 1e-3  # a one-sided difference passes: only two checks are about the kind of difference


@pytest.mark.task("numerical_gradient", weight=3, page=PAGE)
def test_gradient_of_a_smooth_function(student: Student, rng: torch.Generator) -> None:
    """The gradient of a smooth function of a matrix, with the step size left at its default."""
    x, weights = normal(rng, 3, 4), normal(rng, 3, 4)
    probe = Probe(lambda z: (weights * torch.sin(z)).sum() + z.sum() ** 2)
    found = _gradient(student, probe, x)
    _check_slopes(found, weights * torch.cos(x) + 2 * x.sum(), probe.wandering(x, 1e-5), LOOSE)


@pytest.mark.task("numerical_gradient", weight=3, page=PAGE)
def test_differences_are_central(student: Student, rng: torch.Generator) -> None:
    """With a coarse eps the result is the central difference of that step, no other."""
    x, eps = normal(rng, 2, 3), 0.25
    probe = Probe(lambda z: cubes(z).sum())
    found = _gradient(student, probe, x, eps=eps)
    above, below = cubes(x + eps), cubes(x - eps)
    half = (cubes(x + eps / 2) - cubes(x - eps / 2)) / eps
    mistakes = {
        "this is the difference to one side: step to both sides": (above - cubes(x)) / eps,
        "this is the difference to one side, below: step to both sides": (cubes(x) - below) / eps,
        "the step is not the eps that the caller gives": 3 * x**2 + torch.exp(x),
        "the two points are eps from x each, not eps / 2": half,
        **probe.wandering(x, eps),
    }
    _check_slopes(found, (above - below) / (2 * eps), mistakes, 1e-6)


def cubes(z: Tensor) -> Tensor:
    """A function of each entry whose one-sided and central differences are far apart."""
    return z**3 + torch.exp(z)


@pytest.mark.task("numerical_gradient", weight=1, page=PAGE)
def test_gradient_has_the_dtype_of_x(student: Student, rng: torch.Generator) -> None:
    """The gradient has the dtype of x."""
    x = normal(rng, 2, 3)
    found = tools.tensor("the gradient", student.numerical_gradient(squares, x), None)
    message = f"the gradient has dtype {found.dtype}, x has {x.dtype}"
    tools.require(found.dtype == x.dtype, message, DTYPE_OF_X)


@pytest.mark.task("numerical_gradient", weight=1, page=PAGE)
def test_x_may_have_any_shape(student: Student, rng: torch.Generator) -> None:
    """A vector and an array of three axes work as a matrix does."""
    for shape in ((4,), (2, 1, 3)):
        x = normal(rng, *shape)
        with tools.explained(ANY_SHAPE, "unpack", "IndexError", "TypeError"):
            found = _gradient(student, squares, x)
        _check_slopes(found, 2 * x, {}, LOOSE)


@pytest.mark.task("numerical_gradient", weight=1, page=PAGE)
def test_gradient_at_a_strided_x(student: Student, rng: torch.Generator) -> None:
    """An x that is not contiguous, as a transpose gives it."""
    x = strided(normal(rng, 2, 3))
    with tools.wrong_view():
        found = _gradient(student, squares, x)
    _check_slopes(found, 2 * x, {}, LOOSE)


@pytest.mark.task("numerical_gradient", weight=1, page=PAGE)
def test_function_may_return_a_float(student: Student, rng: torch.Generator) -> None:
    """A function that returns a Python float works as one that returns a tensor does."""
    x = normal(rng, 3, 2)
    with tools.explained(FLOAT, "'float' object", "not float"):
        found = _gradient(student, lambda z: float(squares(z)), x)
    _check_slopes(found, 2 * x, {}, LOOSE)


def squares(z: Tensor) -> Tensor:
    return (z**2).sum()


@pytest.mark.task("numerical_gradient", weight=1, page=PAGE)
def test_x_has_its_first_values_at_the_end(student: Student, rng: torch.Generator) -> None:
    """The values of x are the same after the call."""
    x = normal(rng, 4, 5)
    before = x.clone()
    student.numerical_gradient(squares, x)
    hint = ROUNDING if torch.allclose(x, before, rtol=0, atol=1e-12) else PUT_BACK
    drift = float((x - before).abs().max())
    tools.require(torch.equal(x, before), f"x has changed by up to {drift:.2g}", hint)


@pytest.mark.task("numerical_gradient", weight=1, page=PAGE)
def test_number_of_evaluations(student: Student, rng: torch.Generator) -> None:
    """Two evaluations of the function for each coordinate; one more at x itself is no fault."""
    x, probe = normal(rng, 3, 2), Probe(squares)
    student.numerical_gradient(probe, x)
    calls, enough = len(probe.points), 2 * x.numel()
    message = f"{calls} evaluations of f for {x.numel()} coordinates"
    hint = "two evaluations a coordinate are enough: above and below"
    tools.require(calls <= enough + 1, message, hint)
    hint = "a central difference takes two evaluations a coordinate, one to each side"
    tools.require(calls >= enough, message, hint)


class Probe:
    """A function that remembers where it was evaluated."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function
        self.points: list[Tensor] = []

    def __call__(self, x: Any) -> Tensor:
        point = tools.tensor("the argument of f", x, None).clone()
        self.points.append(point)
        return self.function(point)

    def wandering(self, x: Tensor, eps: float) -> dict[str, Tensor]:
        """The differences between the points in pairs, where x was left moved in between."""
        points = [
            point for point in self.points if (point.shape, point.dtype) == (x.shape, x.dtype)
        ]
        moved = [int((point != x).sum()) for point in points]
        if len(points) != 2 * x.numel() or max(moved) < 2 or min(moved) == x.numel():
            return {}
        values = torch.stack([self.function(point) for point in points])
        return {PUT_BACK: ((values[::2] - values[1::2]) / (2 * eps)).reshape(x.shape)}


def _gradient(student: Student, f: Callable[[Tensor], Any], x: Tensor, **options: float) -> Tensor:
    shape = tuple(x.shape)
    with student.no_autograd():
        answer = student.numerical_gradient(f, x.clone(), **options)
    found = tools.tensor("the gradient", answer, None)
    message = f"the gradient must have shape {shape}, and has shape {tuple(found.shape)}"
    tools.require(tuple(found.shape) == shape, message, SHAPE_OF_X)
    return found


def _check_slopes(
    found: Tensor, expected: Tensor, mistakes: dict[str, Tensor], atol: float
) -> None:
    everywhere = {
        "twice too large: the two points are 2 eps apart": 2 * expected,
        "the same values with the opposite sign: it is f above minus f below": -expected,
        "all coordinates are moved at once: move one at a time": expected.sum().expand_as(expected),
    }
    tools.close("the gradient", found, expected, everywhere | mistakes, rtol=1e-5, atol=atol)
