"""Hidden checks of the measured gradient."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from autograder.checks import tools
from autograder.checks.toolbox_layers.inputs import every_second
from autograder.student import Student

FORBIDDEN = {
    "numerical_gradient": [
        *("scipy.optimize", "scipy.differentiate", "numpy.gradient", "torch.gradient"),
        *tools.AUTOGRAD,
    ]
}
CENTRAL = "book/unit4/gradient_check.html#toolbox-gradient-check-central"
STEP = "book/unit4/gradient_check.html#toolbox-gradient-check-step"

PUT_BACK = "put each coordinate back before the next one is moved, or step on a copy"
ROUNDING = "adding and subtracting h leaves a rounding error: save the value and assign it again"
ANY_SHAPE = "x may have any shape: np.ndindex(x.shape) gives every index, also the one of shape ()"
FLAT = "reshape(-1) of an array that is not contiguous makes a copy: f never sees the step"
SHAPE_OF_X = "the gradient has one entry for each entry of x: give it the shape of x"
DTYPE_OF_X = "the gradient has the dtype of x: np.zeros_like(x) instead of np.zeros(x.shape)"
FLOAT32_TOO = "float32 is a float as well: TypeError is for whole numbers and truth values alone"
NO_WHOLE_NUMBERS = "raise TypeError where x holds whole numbers or truth values: no step fits there"
LOOSE = 1e-3  # a difference to one side passes: one check is about the kind of difference


class Probe:
    """A function that remembers where it was evaluated."""

    def __init__(self, function: Callable[[np.ndarray], Any]) -> None:
        self.function = function
        self.points: list[np.ndarray] = []

    def __call__(self, x: Any) -> float:
        point = tools.array("the argument of f", x, None).copy()
        self.points.append(point)
        return float(self.function(point))

    def wandering(self, x: np.ndarray, h: float) -> dict[str, np.ndarray]:
        """The differences between the points in pairs, where x was left moved in between."""
        points = [point for point in self.points if point.shape == x.shape]
        moved = [int((point != x).sum()) for point in points]
        if len(points) != 2 * x.size or max(moved) < 2 or min(moved) == x.size:
            return {}
        values = np.array([self.function(point) for point in points])
        return {PUT_BACK: ((values[::2] - values[1::2]) / (2 * h)).reshape(x.shape)}


def _gradient(student: Student, f: Any, x: np.ndarray, **options: float) -> np.ndarray:
    type_error = ANY_SHAPE if x.dtype == np.float64 else FLOAT32_TOO
    with (
        tools.explained(type_error, "TypeError"),
        tools.explained(ANY_SHAPE, "unpack", "IndexError", "too many indices"),
    ):
        answer = student.numerical_gradient(f, x, **options)
    # Arithmetic with an array of no dimension gives a number, which is as good as the array.
    is_number = x.ndim == 0 and isinstance(answer, np.generic | float)
    found = tools.array("the gradient", answer, () if is_number else None)
    message = f"the gradient must have shape {x.shape}, and has shape {found.shape}"
    tools.require(found.shape == x.shape, message, SHAPE_OF_X)
    return found


def _check_slopes(
    found: np.ndarray, expected: np.ndarray, mistakes: dict[str, np.ndarray], atol: float = LOOSE
) -> None:
    expected = np.asarray(expected)  # a product with an array of no dimension is a scalar
    everywhere = {
        "twice too large: the two points are 2 h apart": 2 * expected,
        "the same values with the opposite sign: it is f above minus f below": -expected,
        "all coordinates are moved at once: move one at a time": np.full_like(
            expected, expected.sum()
        ),
    }
    if expected.size == 1:
        everywhere.popitem()
    wrong = {hint: np.asarray(value) for hint, value in (everywhere | mistakes).items()}
    tools.close("the gradient", found, expected, wrong, rtol=1e-5, atol=atol)


def _squares(z: np.ndarray) -> float:
    return float((z**2).sum())


@pytest.mark.task("numerical_gradient", weight=3, page=CENTRAL)
def test_gradient_of_a_smooth_function(student: Student, rng: torch.Generator) -> None:
    """A smooth function of a matrix, with the step left at its default."""
    draw = tools.numpy_generator(rng)
    x, weights = draw.standard_normal((3, 4)), draw.standard_normal((3, 4))
    probe = Probe(lambda z: (weights * np.sin(z)).sum() + z.sum() ** 2)
    found = _gradient(student, probe, x.copy())
    _check_slopes(found, weights * np.cos(x) + 2 * x.sum(), probe.wandering(x, 1e-5))


def _cubes(z: np.ndarray) -> np.ndarray:
    """A function of each entry whose differences to one and to both sides are far apart."""
    return z**3 + np.exp(z)


def _bowl(z: np.ndarray) -> float:
    """The same, and a term that ties the entries together."""
    return float(_cubes(z).sum() + z.sum() ** 2)


@pytest.mark.task("numerical_gradient", weight=3, page=STEP)
def test_differences_are_central(student: Student, rng: torch.Generator) -> None:
    """With a coarse h the result is the central difference of that step, no other."""
    x, h = tools.numpy_generator(rng).standard_normal((2, 3)), 0.25
    probe = Probe(_bowl)
    found = _gradient(student, probe, x.copy(), h=h)
    above, here, below, tie = _cubes(x + h), _cubes(x), _cubes(x - h), 2 * x.sum()
    half = (_cubes(x + h / 2) - _cubes(x - h / 2)) / h
    mistakes = {
        "this is the difference to one side: step to both sides": (above - here) / h + tie + h,
        "this is the difference to one side, below: step to both sides": (
            (here - below) / h + tie - h
        ),
        "the step is not the h that the caller gives": 3 * x**2 + np.exp(x) + tie,
        "the two points are h from x each, not h / 2": half + tie,
        **probe.wandering(x, h),
    }
    _check_slopes(found, (above - below) / (2 * h) + tie, mistakes, 1e-6)


@pytest.mark.task("numerical_gradient", weight=1, page=CENTRAL)
@pytest.mark.parametrize("shape", [(), (4,), (2, 1, 3)])
def test_x_may_have_any_shape(
    student: Student, rng: torch.Generator, shape: tuple[int, ...]
) -> None:
    """An array of no dimension, a vector, and an array of three dimensions."""
    x = np.asarray(tools.numpy_generator(rng).standard_normal(shape))
    _check_slopes(_gradient(student, _squares, x.copy()), 2 * x, {})


@pytest.mark.task("numerical_gradient", weight=1, page=CENTRAL)
def test_gradient_at_a_view(student: Student, rng: torch.Generator) -> None:
    """Points in Fortran order, and views that are not contiguous."""
    x = tools.numpy_generator(rng).standard_normal((3, 4))
    for point in (np.asfortranarray(x), every_second(x)):
        found = _gradient(student, _squares, point)
        _check_slopes(found, 2 * x, {FLAT: np.zeros_like(x)})
        tools.unchanged("x", x, point)


@pytest.mark.task("numerical_gradient", weight=1, page=CENTRAL)
def test_gradient_has_the_dtype_of_x(student: Student, rng: torch.Generator) -> None:
    """The gradient at a point in float32 is float32, with a step that float32 can see."""
    x = tools.numpy_generator(rng).standard_normal((2, 3)).astype(np.float32)
    found = _gradient(student, _squares, x.copy(), h=0.5)
    message = f"the gradient has dtype {found.dtype}, x has {x.dtype}"
    tools.require(found.dtype == x.dtype, message, DTYPE_OF_X)


@pytest.mark.task("numerical_gradient", weight=1, page=CENTRAL)
def test_x_has_its_first_values_at_the_end(student: Student, rng: torch.Generator) -> None:
    """The values of x are the same after the call, to the last digit."""
    x = tools.numpy_generator(rng).standard_normal((4, 5))
    before = x.copy()
    found = _gradient(student, _squares, x)
    tools.require(found is not x, "the gradient is the array x itself", "return a new array")
    drift = float(np.abs(x - before).max())
    hint = ROUNDING if drift < 1e-12 else PUT_BACK
    tools.require(np.array_equal(x, before), f"x has changed by up to {drift:.2g}", hint)


@pytest.mark.task("numerical_gradient", weight=1, page=CENTRAL)
def test_number_of_evaluations(student: Student, rng: torch.Generator) -> None:
    """Two evaluations of the function for each coordinate; one more at x itself is no fault."""
    x, probe = tools.numpy_generator(rng).standard_normal((3, 2)), Probe(_squares)
    _gradient(student, probe, x)
    calls, enough = len(probe.points), 2 * x.size
    message = f"{calls} evaluations of f for {x.size} coordinates"
    tools.require(
        calls <= enough + 1, message, "two evaluations a coordinate are enough: above and below"
    )
    hint = "a central difference takes two evaluations a coordinate, one at a time to each side"
    tools.require(calls >= enough, message, hint)


@pytest.mark.task("numerical_gradient", weight=1, page=STEP)
def test_whole_numbers_are_refused(student: Student) -> None:
    """An x of whole numbers and one of truth values: TypeError."""
    for x in (np.arange(3), np.array([True, False])):
        try:
            answer = student.numerical_gradient(lambda z: float(z.sum()), x)
        except tools.StudentError as error:
            if error.stub:
                raise
            message = f"x of dtype {x.dtype} must raise TypeError, and raised {error}"[:600]
            tools.require(error.type == "TypeError", message, NO_WHOLE_NUMBERS)
            continue
        came = tools.described(answer)
        message = f"x of dtype {x.dtype} must raise TypeError, and the call returned {came}"
        raise tools.Mistake(message, NO_WHOLE_NUMBERS)
