"""Hidden checks of the number of parameters and of their initial values."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from autograder.checks import tools
from autograder.checks.perceptron.inputs import entries, seeded, seeds
from autograder.student import Student

FORBIDDEN = {"init_params": ["torch.nn"]}
NETWORK = "book/unit1/network.html"
INITIALISATION = "book/unit1/initialisation.html"

KEYS = 'the parameters are a dict with the keys "Wh", "bh", "Wy" and "by"'
ALIKE = "units that start alike get the same gradient and stay alike: draw every weight at random"
CENTRE = "the mean of the weights is not 0: torch.randn draws around 0, torch.rand between 0 and 1"
UNIFORM = "a uniform distribution of the same variance is not asked for: draw from the normal one"
SAME_DRAWS = "both layers are made of the same draws: go on drawing from the one generator"
GENERATOR = "pass the generator to every draw: generator=generator"
FIXED_SEED = "a fixed seed inside the function makes every network the same"


@pytest.mark.task("n_parameters", weight=3, page=NETWORK)
def test_count_of_parameters(student: Student, rng: torch.Generator) -> None:
    """The number of parameters of networks of several sizes."""
    for _ in range(5):
        n_x, n_y = (int(n) for n in torch.randint(3, 30, (2,), generator=rng))
        n_h = 31 + int(torch.randint(30, (), generator=rng))
        _count(student, n_x, n_h, n_y + (n_y == n_x))


@pytest.mark.task("n_parameters", weight=1, page=NETWORK)
def test_count_is_an_int(student: Student) -> None:
    """The count is a whole number."""
    count = _count(student, 20, 6, 3)
    tools.require(
        isinstance(count, int) and not isinstance(count, bool),
        f"n_parameters must return an int, and returned {tools.described(count)}",
        "a count is a whole number: compute it with integers",
    )


def _count(student: Student, n_x: int, n_h: int, n_y: int) -> Any:
    count = student.n_parameters(n_x, n_h, n_y)
    weights, first, second = n_x * n_h + n_h * n_y, (n_x + 1) * n_h, (n_h + 1) * n_y
    mistakes = {
        "only the weights are counted: the biases are parameters too": weights,
        "the hidden units have biases too": weights + n_y,
        "the output units have biases too": weights + n_h,
        "the inputs have no bias": weights + n_x + n_h + n_y,
        "this counts the units; count what is learned": n_x + n_h + n_y,
        "each layer has parameters of its own: add up what the layers have": n_x * n_h * n_y,
        "the second layer is missing": first,
        "the first layer is missing": second,
    }
    name = f"n_parameters({n_x}, {n_h}, {n_y})"
    came = tools.as_number(name, count)
    exactly = {hint: wrong for hint, wrong in mistakes.items() if came == wrong}
    tools.number(name, came, first + second, exactly)
    return count


@pytest.mark.task("init_params", weight=2, page=INITIALISATION)
def test_shapes_of_parameters(student: Student) -> None:
    """Four float32 tensors of the right shapes."""
    params = entries("what init_params returns", student.init_params(3, 5, 4), SHAPES, KEYS)
    for name, shape in SHAPES.items():
        value = tools.tensor(name, params[name], None)
        tools.require(
            len(shape) != 1 or value.dim() < 2,
            f"{name} must have shape {shape}, and has shape {tuple(value.shape)}",
            "a bias has one axis: one number a unit",
        )
        tools.tensor(name, value, shape)
        tools.require(
            value.dtype == torch.float32,
            f"{name} must have dtype torch.float32, and has {value.dtype}",
            "the parameters are float32, PyTorch's default for real numbers",
        )


SHAPES = {"Wh": (5, 3), "bh": (5,), "Wy": (4, 5), "by": (4,)}


@pytest.mark.task("init_params", weight=1, page=INITIALISATION)
def test_biases_are_zero(student: Student) -> None:
    """All biases start at 0."""
    params = entries("what init_params returns", student.init_params(3, 5, 4), ["bh", "by"], KEYS)
    for name in ("bh", "by"):
        tools.require(
            not bool(tools.tensor(name, params[name], None).any()),
            f"{name} has entries other than 0",
            "the biases start at 0: different weights already tell the units apart",
        )


@pytest.mark.task("init_params", weight=3, page=INITIALISATION)
def test_scale_of_weights(student: Student, rng: torch.Generator) -> None:
    """Mean and standard deviation of the weights of each layer.

    A correct answer fails where one of four statistics is more than six standard errors away:
    less than once in 10^8 classes.
    """
    weights = _weights(student.init_params(N_X, N_H, N_Y, generator=rng))
    for name, n_in, n_out in (("Wh", N_X, N_H), ("Wy", N_H, N_Y)):
        value = weights[name]
        error, mean, found = 6 / math.sqrt(value.numel()), float(value.mean()), float(value.std())
        tools.require(abs(mean) < error * found, f"{name} has the mean {mean:.3g}", CENTRE)
        if not math.isclose(found, math.sqrt(2 / (n_in + n_out)), rel_tol=error):
            wrong = _wrong_scales(n_in, n_out)
            near = (hint for hint, std in wrong.items() if math.isclose(found, std, rel_tol=error))
            message = f"the standard deviation of {name} is {found:.4g}, which is not right"
            raise tools.Mistake(message, next(near, None))


N_X, N_H, N_Y = 300, 200, 90


def _wrong_scales(n_in: int, n_out: int) -> dict[str, float]:
    """Standard deviations by the mistake that leads to them."""
    other = N_X + N_H if n_out == N_Y else N_H + N_Y
    he = "this is He's rule, 2 / n_in: Xavier's variance is 2 / (n_in + n_out)"
    own = "n_in and n_out are the sizes of its own layer, not of"
    return {
        "the standard deviation is the square root of the variance": 2 / (n_in + n_out),
        he: (2 / n_in) ** 0.5,
        "n_out belongs into the variance too: 2 / (n_in + n_out)": n_in**-0.5,
        "n_in belongs into the variance too: 2 / (n_in + n_out)": n_out**-0.5,
        "the factor 2 of the variance is missing": (n_in + n_out) ** -0.5,
        "these are draws of variance 1, without a scale": 1.0,
        "a uniform distribution's bound is not its standard deviation": (6 / (n_in + n_out)) ** 0.5,
        f"{own} the other one": (2 / other) ** 0.5,
        f"{own} the whole network": (2 / (N_X + N_Y)) ** 0.5,
    }


@pytest.mark.task("init_params", weight=1, page=INITIALISATION)
def test_weights_are_normally_distributed(student: Student, rng: torch.Generator) -> None:
    """The shape of the distribution of the weights.

    Of 60 000 normal draws, 68.3 % lie within one standard deviation of their mean, of uniform ones
    57.7 %; a correct answer is off by more than 2 % less than once in 10^20 classes.
    """
    weights = _weights(student.init_params(N_X, N_H, N_Y, generator=rng))["Wh"]
    inside = float(((weights - weights.mean()).abs() < weights.std()).double().mean())
    uniform = math.isclose(inside, 3**-0.5, abs_tol=0.02)
    tools.require(
        abs(inside - math.erf(0.5**0.5)) < 0.02,
        f"{inside:.1%} of the weights lie within one standard deviation of their mean",
        UNIFORM if uniform else None,
    )


@pytest.mark.task("init_params", weight=1, page=INITIALISATION)
def test_weights_are_independent(student: Student, rng: torch.Generator) -> None:
    """Every weight is a draw of its own.

    A correlation above 0.5 among 500 pairs of independent draws: less than once in 10^20 classes.
    """
    weights = _weights(student.init_params(30, 20, 25, generator=rng))
    for name, value in weights.items():
        distinct = value.unique().numel() / value.numel()
        tools.require(distinct > 0.9, f"{distinct:.0%} of the entries of {name} differ", ALIKE)
    pairs = min(500, *(value.numel() for value in weights.values()))
    both = torch.stack([value.flatten()[:pairs] for value in weights.values()])
    correlation = abs(float(torch.corrcoef(both)[0, 1]))
    message = f"the weights of the two layers have a correlation of {correlation:.2f}"
    tools.require(correlation < 0.5, message, SAME_DRAWS)


@pytest.mark.task("init_params", weight=3, page=INITIALISATION)
def test_draws_come_from_the_generator(student: Student, rng: torch.Generator) -> None:
    """The same state of the generator gives the same parameters, another state gives others."""
    seed, other = seeds(rng)
    first, again, different = (
        _weights(student.init_params(3, 5, 4, generator=seeded(number)))
        for number in (seed, seed, other)
    )
    for name, value in first.items():
        message = f"two calls with the same state of the generator give different {name}"
        tools.require(torch.equal(value, again[name]), message, GENERATOR)
        message = f"two different states of the generator give the same {name}"
        tools.require(not torch.equal(value, different[name]), message, FIXED_SEED)


@pytest.mark.task("init_params", weight=1, page=INITIALISATION)
def test_works_without_a_generator(student: Student) -> None:
    """Without a generator two calls give two different networks."""
    first, second = (_weights(student.init_params(4, 3, 2)) for _ in range(2))
    message = "two calls without a generator give the same Wh"
    tools.require(not torch.equal(first["Wh"], second["Wh"]), message, FIXED_SEED)


@pytest.mark.task("init_params", weight=1, page=INITIALISATION)
def test_parameters_are_plain_tensors_on_the_device(
    student: Student, rng: torch.Generator, device: str
) -> None:
    """The parameters are on the device that was asked for, and require no gradient."""
    params = student.init_params(4, 3, 2, generator=rng, device=device)
    for name, value in entries("what init_params returns", params, SHAPES, KEYS).items():
        found = tools.tensor(name, value, None).device
        tools.require(
            found.type == torch.device(device).type,
            f"{name} is on {found}, not on {device}",
            "put every tensor on the device that was passed in",
        )
        tools.require(
            isinstance(value, Tensor) and not value.requires_grad,
            f"{name} requires a gradient",
            "here the gradients are computed by hand: plain tensors without requires_grad",
        )


def _weights(params: Any) -> dict[str, Tensor]:
    """Both weight matrices in float64, of whatever shape, with some variation in them."""
    params = entries("what init_params returns", params, ["Wh", "Wy"], KEYS)
    weights = {name: tools.tensor(name, params[name], None).double() for name in ("Wh", "Wy")}
    for name, value in weights.items():
        varied = value.numel() > 1 and bool((value != value.flatten()[0]).any())
        tools.require(varied, f"all entries of {name} are equal", ALIKE)
    return weights
