"""Hidden checks of the affine layer and of the rectified linear unit."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch

from autograder.checks import gradients, tools
from autograder.checks.toolbox_layers.inputs import cache_of, every_second, hinted
from autograder.student import Student

AFFINE = "book/unit4/modular.html#toolbox-modular-affine"
RELU = "book/unit4/modular.html#toolbox-modular-relu"

LAST_FASTEST = "flatten so that the last dimension runs fastest, as reshape(N, -1) does"
NOT_USED = "dout is not used: a gradient is the upstream gradient times the layer's own"
IN_DOUT = "a mean over the batch is already in dout: the gradients are sums, nothing is divided"
AT_ZERO = "the derivative at 0 is taken to be 0: the gradient passes only where x > 0"

HALF_AT_ZERO = "a half would be fair as well, but here the derivative at 0 is taken to be 0"

Inputs = Mapping[str, np.ndarray]


def _layer(rng: torch.Generator, shape: tuple[int, ...], units: int) -> dict[str, np.ndarray]:
    """Inputs of that shape with an affine layer for them."""
    draw = tools.numpy_generator(rng)
    entries = int(np.prod(shape[1:]))
    return {
        "x": draw.standard_normal(shape),
        "w": draw.standard_normal((entries, units)),
        "b": 1 + draw.standard_normal(units),
    }


def _affine(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The layer entry by entry, by its definition."""
    return np.stack([w.T @ example.flatten() + b for example in x])


def _check_affine(student: Student, layer: Inputs) -> None:
    x, w, b = layer.values()
    given = {name: tools.copied(value) for name, value in layer.items()}
    with hinted():
        answer = gradients.out_and_cache(
            "affine_forward", lambda: student.affine_forward(*given.values())
        )
        out = tools.array("out", answer[0], (len(x), len(b)))
    expected = _affine(x, w, b)
    columns_first = x.reshape(len(x), -1, order="F") @ w + b
    mistakes = {
        "the biases are missing": expected - b,
        "the biases are added": expected - 2 * b,
        "the ReLU is a layer of its own: the affine layer ends with + b": np.maximum(expected, 0),
    }
    if x.ndim > 2:
        mistakes[LAST_FASTEST] = columns_first
    tools.close("out", out, expected, mistakes)
    for name, value in layer.items():
        tools.unchanged(name, value, given[name])


@pytest.mark.task("affine_forward", weight=2, page=AFFINE)
def test_output_of_rows(student: Student, rng: torch.Generator) -> None:
    """Five examples of seven numbers, four units."""
    _check_affine(student, _layer(rng, (5, 7), 4))


@pytest.mark.task("affine_forward", weight=2, page=AFFINE)
def test_output_of_images(student: Student, rng: torch.Generator) -> None:
    """Examples with three dimensions of their own, which become one row each."""
    _check_affine(student, _layer(rng, (4, 2, 3, 5), 6))


@pytest.mark.task("affine_forward", weight=1, page=AFFINE)
def test_output_of_one_example(student: Student, rng: torch.Generator) -> None:
    """A batch of one example, and a single unit."""
    _check_affine(student, _layer(rng, (1, 3, 2), 1))


@pytest.mark.task("affine_forward", weight=1, page=AFFINE)
def test_output_of_other_layouts(student: Student, rng: torch.Generator) -> None:
    """Arrays in Fortran order and views that are not contiguous."""
    layer = _layer(rng, (3, 4, 2), 5)
    x, w = np.asfortranarray(layer["x"]), every_second(layer["w"])
    _check_affine(student, {"x": x, "w": w, "b": layer["b"]})


def _rows(inputs: Inputs) -> np.ndarray:
    return inputs["x"].reshape(len(inputs["x"]), -1)


def _affine_mistakes() -> dict[str, dict[str, gradients.Wrong]]:
    """Wrong gradients by input and hint."""

    def dx(i: Inputs, dout: np.ndarray) -> np.ndarray:
        return (dout @ i["w"].T).reshape(i["x"].shape)

    return {
        "x": {
            IN_DOUT: lambda i, dout: dx(i, dout) / len(dout),
            NOT_USED: lambda i, dout: dx(i, np.ones_like(dout)),
            LAST_FASTEST: lambda i, dout: (dout @ i["w"].T).reshape(i["x"].shape, order="F"),
        },
        "w": {
            IN_DOUT: lambda i, dout: _rows(i).T @ dout / len(dout),
            NOT_USED: lambda i, dout: _rows(i).T @ np.ones_like(dout),
        },
        "b": {
            IN_DOUT: lambda i, dout: dout.mean(axis=0),
            NOT_USED: lambda i, dout: np.ones_like(dout).sum(axis=0),
        },
    }


def _check_affine_backward(student: Student, rng: torch.Generator, layer: Inputs) -> None:
    with hinted():
        gradients.backward_agrees(
            student.affine_forward,
            student.affine_backward,
            layer,
            _affine,
            tools.numpy_generator(rng),
            _affine_mistakes(),
            keeps_cache=True,
        )


@pytest.mark.task("affine_backward", weight=3, page=AFFINE)
def test_gradients_of_rows(student: Student, rng: torch.Generator) -> None:
    """All three gradients for five examples of seven numbers, four units."""
    _check_affine_backward(student, rng, _layer(rng, (5, 7), 4))


@pytest.mark.task("affine_backward", weight=2, page=AFFINE)
def test_gradients_of_images(student: Student, rng: torch.Generator) -> None:
    """All three gradients for examples with three dimensions; dx has the shape of x."""
    _check_affine_backward(student, rng, _layer(rng, (4, 2, 3, 2), 5))


@pytest.mark.task("affine_backward", weight=1, page=AFFINE)
def test_gradients_of_one_example(student: Student, rng: torch.Generator) -> None:
    """A batch of one example."""
    _check_affine_backward(student, rng, _layer(rng, (1, 3, 2), 4))


@pytest.mark.task("affine_backward", weight=1, page=AFFINE)
def test_gradients_of_other_layouts(student: Student, rng: torch.Generator) -> None:
    """Arrays in Fortran order and views that are not contiguous."""
    layer = _layer(rng, (3, 2, 2), 5)
    x, w = np.asfortranarray(layer["x"]), every_second(layer["w"])
    _check_affine_backward(student, rng, {"x": x, "w": w, "b": layer["b"]})


def _relu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0.0)


def _away_from_zero(rng: torch.Generator, *shape: int) -> np.ndarray:
    """Numbers of both signs with absolute values from 0.2 to 3."""
    draw = tools.numpy_generator(rng)
    return draw.uniform(0.2, 3, shape) * draw.choice([-1.0, 1.0], shape)


def _check_relu(student: Student, x: np.ndarray) -> None:
    given = tools.copied(x)
    answer = gradients.out_and_cache("relu_forward", lambda: student.relu_forward(given))
    out = tools.array("out", answer[0], x.shape)
    mistakes = {
        "this is leaky: a negative number becomes 0": np.where(x > 0, x, 0.01 * x),
        "this is the absolute value: a negative number becomes 0": np.abs(x),
        "this is the smaller of 0 and x: the larger one stays": np.minimum(x, 0),
        "this is the derivative: positive numbers stay as they are": (x > 0).astype(x.dtype),
        "the ReLU has no upper limit": np.clip(x, 0, 1),
        "this is softplus, a smooth relative: the ReLU is exactly 0 below 0": np.log1p(np.exp(x)),
    }
    tools.close("out", out, _relu(x).astype(x.dtype), mistakes)
    tools.array("out", out, x.shape, x.dtype)
    tools.unchanged("x", x, given)


@pytest.mark.task("relu_forward", weight=2, page=RELU)
def test_rectified(student: Student, rng: torch.Generator) -> None:
    """An array of three dimensions in float64."""
    _check_relu(student, _away_from_zero(rng, 4, 3, 5))


@pytest.mark.task("relu_forward", weight=1, page=RELU)
def test_rectified_in_float32(student: Student, rng: torch.Generator) -> None:
    """One row in float32 with a zero in it; the dtype stays."""
    x = _away_from_zero(rng, 1, 9).astype(np.float32)
    x[0, 4] = 0
    _check_relu(student, x)


@pytest.mark.task("relu_forward", weight=1, page=RELU)
def test_rectified_view(student: Student, rng: torch.Generator) -> None:
    """A view that is not contiguous."""
    _check_relu(student, every_second(_away_from_zero(rng, 3, 4)))


def _relu_mistakes() -> dict[str, Callable[[Inputs, np.ndarray], np.ndarray]]:
    return {
        NOT_USED: lambda i, dout: (i["x"] > 0).astype(float),
        "the sign of x decides, not that of dout: a negative gradient passes as well": (
            lambda i, dout: np.maximum(dout, 0)
        ),
        "the gradient passes where x is positive: here it passes where x is negative": (
            lambda i, dout: dout * (i["x"] < 0)
        ),
        "the gradient stops where x is negative": lambda i, dout: dout,
        "the derivative is 1 where x is positive, not x": (
            lambda i, dout: dout * np.maximum(i["x"], 0)
        ),
    }


def _check_relu_backward(student: Student, rng: torch.Generator, x: np.ndarray) -> None:
    gradients.backward_agrees(
        student.relu_forward,
        student.relu_backward,
        {"x": x},
        _relu,
        tools.numpy_generator(rng),
        {"x": _relu_mistakes()},
        keeps_cache=True,
    )


@pytest.mark.task("relu_backward", weight=2, page=RELU)
def test_gradient_through_relu(student: Student, rng: torch.Generator) -> None:
    """Every coordinate of an array of three dimensions."""
    _check_relu_backward(student, rng, _away_from_zero(rng, 4, 3, 5))


@pytest.mark.task("relu_backward", weight=1, page=RELU)
def test_gradient_through_relu_of_a_view(student: Student, rng: torch.Generator) -> None:
    """One row, as a view that is not contiguous."""
    _check_relu_backward(student, rng, every_second(_away_from_zero(rng, 1, 6)))


@pytest.mark.task("relu_backward", weight=1, page=RELU)
def test_gradient_at_zero(student: Student, rng: torch.Generator) -> None:
    """The gradient where x is exactly 0."""
    x = _away_from_zero(rng, 3, 4)
    x[0, 1] = x[2, 3] = 0
    dout = _away_from_zero(rng, 3, 4)
    mistakes = {AT_ZERO: dout * (x >= 0), HALF_AT_ZERO: dout * (np.sign(x) + 1) / 2}
    for hint, wrong in _relu_mistakes().items():
        mistakes[hint] = wrong({"x": x}, dout)
    with cache_of(lambda: student.relu_forward(x.copy()), _relu(x)) as cache:
        dx = tools.array("dx", student.relu_backward(dout.copy(), cache), x.shape)
        tools.close("dx", dx, dout * (x > 0), mistakes)
