"""Hidden checks of the update rules."""

from typing import Any

import numpy as np
import pytest
import torch

from autograder.checks import tools
from autograder.checks.toolbox_optimizers.inputs import (
    Config,
    Rule,
    UpdateRule,
    check_defaults,
    check_float32,
    check_own_state,
    follow,
)
from autograder.student import Student

FORBIDDEN = {
    "sgd": ["torch.optim"],
    "sgd_momentum": ["torch.optim"],
    "rmsprop": ["torch.optim"],
    "adam": ["torch.optim"],
}
PAGE_SGD = "book/unit4/update_rules.html#toolbox-update-rules-sgd"
PAGE_MOMENTUM = "book/unit4/update_rules.html#toolbox-update-rules-momentum"
PAGE_RMSPROP = "book/unit4/update_rules.html#toolbox-update-rules-rmsprop"
PAGE_ADAM = "book/unit4/update_rules.html#toolbox-update-rules-adam"
PAGE_BIAS = "book/unit4/update_rules.html#toolbox-update-rules-bias"

UPHILL = "this goes uphill: the step goes against the gradient"
NO_RATE = "the learning rate is missing"
NO_ROOT = "the root is missing: divide by the root of the mean square"
SQUARE = "the mean is that of the square of the gradient"
SIGNED = f"{SQUARE}: that of the gradient itself becomes negative, and has no root"
OUTSIDE = "epsilon stands outside the root: √cache + epsilon, not √(cache + epsilon)"


def _draws(rng: torch.Generator, n: int, shape: tuple[int, ...] = (3, 4)) -> list[np.ndarray]:
    draw = tools.numpy_generator(rng)
    return [draw.standard_normal(shape) for _ in range(n)]


def _small_and_large(rng: torch.Generator, n: int) -> list[np.ndarray]:
    """Gradients of very different size: beside the smallest ones an epsilon of 1e-8 shows."""
    draw = tools.numpy_generator(rng)
    return [draw.standard_normal((4, 3)) * 10.0 ** draw.uniform(-9, 0, (4, 3)) for _ in range(n)]


# sgd


def _stateless(step: Any) -> Rule:
    """A rule without state from a formula of w, dw and the learning rate."""
    return lambda w, dw, c: (step(w, dw, c["learning_rate"]), {})


SGD = UpdateRule(
    name="sgd",
    defaults={"learning_rate": 1e-2},
    state=(),
    expected=_stateless(lambda w, dw, eta: w - eta * dw),
    mistakes={
        UPHILL: _stateless(lambda w, dw, eta: w + eta * dw),
        NO_RATE: _stateless(lambda w, dw, eta: w - dw),
        "this is the step, not the parameter after it": _stateless(lambda w, dw, eta: -eta * dw),
        "use the learning rate in config, not the default": _stateless(
            lambda w, dw, eta: w - 1e-2 * dw
        ),
    },
)


@pytest.mark.task("sgd", weight=2, page=PAGE_SGD)
def test_sgd(student: Student, rng: torch.Generator) -> None:
    """Two steps with a learning rate that is given."""
    w, *gradients = _draws(rng, 3)
    follow(SGD, student.sgd, w, gradients, {"learning_rate": 0.3})


@pytest.mark.task("sgd", weight=1, page=PAGE_SGD)
def test_defaults_of_sgd(student: Student, rng: torch.Generator) -> None:
    """Two steps without a config."""
    w, *gradients = _draws(rng, 3, (5,))
    check_defaults(SGD, student.sgd, w, gradients)


@pytest.mark.task("sgd", weight=1, page=PAGE_SGD)
def test_sgd_in_float32(student: Student, rng: torch.Generator) -> None:
    """A parameter of three dimensions in float32."""
    check_float32(SGD, student.sgd, *_draws(rng, 2, (2, 3, 2)))


# sgd_momentum


def _momentum(step: Any, velocity: Any) -> Rule:
    """A rule from the formulas of the next velocity and of the next parameter."""

    def rule(w: np.ndarray, dw: np.ndarray, c: Config) -> tuple[np.ndarray, Config]:
        eta, mu, old = c["learning_rate"], c["momentum"], c["velocity"]
        new = velocity(old, dw, eta, mu)
        return step(w, dw, new, old, eta, mu), {"velocity": new}

    return rule


def _velocity(v: np.ndarray, g: np.ndarray, eta: float, mu: float) -> np.ndarray:
    return mu * v - eta * g


def _moved(w: np.ndarray, g: np.ndarray, v: np.ndarray, *_: Any) -> np.ndarray:
    return w + v


MOMENTUM = UpdateRule(
    name="sgd_momentum",
    defaults={"learning_rate": 1e-2, "momentum": 0.9},
    state=("velocity",),
    expected=_momentum(_moved, _velocity),
    mistakes={
        "this is PyTorch's convention, v = momentum · v + dw and w - learning_rate · v: here the "
        "learning rate goes into the velocity": _momentum(
            lambda w, g, v, old, eta, mu: w - eta * v, lambda v, g, eta, mu: mu * v + g
        ),
        UPHILL: _momentum(_moved, lambda v, g, eta, mu: mu * v + eta * g),
        "the velocity is added: it holds the minus of the step already": _momentum(
            lambda w, g, v, *_: w - v, _velocity
        ),
        "momentum · velocity is missing: the velocity of the step before is forgotten": _momentum(
            _moved, lambda v, g, eta, mu: -eta * g
        ),
        "the gradient is not weighted by 1 - momentum": _momentum(
            _moved, lambda v, g, eta, mu: mu * v - (1 - mu) * eta * g
        ),
        "the parameter moves by the new velocity: first velocity, then next_w": _momentum(
            lambda w, g, v, old, eta, mu: w + old, _velocity
        ),
        "this is Nesterov's step: w + velocity is asked for": _momentum(
            lambda w, g, v, old, eta, mu: w + mu * v - eta * g, _velocity
        ),
        "the old velocity is kept in full: multiply it by the momentum": _momentum(
            _moved, lambda v, g, eta, mu: v - eta * g
        ),
        NO_RATE: _momentum(_moved, lambda v, g, eta, mu: mu * v - g),
    },
    kept='keep the velocity for the next step: config["velocity"] = ...',
    start=lambda w: {"velocity": np.zeros_like(w)},
)


@pytest.mark.task("sgd_momentum", weight=3, page=PAGE_MOMENTUM)
def test_steps_with_momentum(student: Student, rng: torch.Generator) -> None:
    """Three steps from a velocity that is not zero."""
    w, velocity, *gradients = _draws(rng, 5)
    config = {"learning_rate": 0.3, "momentum": 0.6, "velocity": velocity}
    follow(MOMENTUM, student.sgd_momentum, w, gradients, config)


@pytest.mark.task("sgd_momentum", weight=1, page=PAGE_MOMENTUM)
def test_defaults_of_momentum(student: Student, rng: torch.Generator) -> None:
    """Three steps without a config."""
    w, *gradients = _draws(rng, 4, (5,))
    check_defaults(MOMENTUM, student.sgd_momentum, w, gradients)


@pytest.mark.task("sgd_momentum", weight=1, page=PAGE_MOMENTUM)
def test_momentum_of_two_parameters(student: Student, rng: torch.Generator) -> None:
    """A second parameter begins at rest, whatever the first one did."""
    w, *gradients = _draws(rng, 4, (2, 3, 2))
    check_own_state(MOMENTUM, student.sgd_momentum, w, gradients)


@pytest.mark.task("sgd_momentum", weight=1, page=PAGE_MOMENTUM)
def test_momentum_in_float32(student: Student, rng: torch.Generator) -> None:
    """A parameter in float32."""
    check_float32(MOMENTUM, student.sgd_momentum, *_draws(rng, 2))


# rmsprop


def _rmsprop(divisor: Any = None, cache: Any = None, sign: int = -1) -> Rule:
    """RMSProp with another divisor or another cache."""

    def rule(w: np.ndarray, dw: np.ndarray, c: Config) -> tuple[np.ndarray, Config]:
        decay, epsilon, old = c["decay_rate"], c["epsilon"], c["cache"]
        new = cache(old, dw, decay) if cache else decay * old + (1 - decay) * dw**2
        below = divisor(new, epsilon, old) if divisor else np.sqrt(new) + epsilon
        return w + sign * c["learning_rate"] * dw / below, {"cache": new}

    return rule


RMSPROP = UpdateRule(
    name="rmsprop",
    defaults={"learning_rate": 1e-2, "decay_rate": 0.99, "epsilon": 1e-8},
    state=("cache",),
    expected=_rmsprop(),
    mistakes={
        OUTSIDE: _rmsprop(lambda new, epsilon, old: np.sqrt(new + epsilon)),
        "epsilon is missing": _rmsprop(lambda new, epsilon, old: np.sqrt(new)),
        NO_ROOT: _rmsprop(lambda new, epsilon, old: new + epsilon),
        "the new cache divides, not that of the step before": _rmsprop(
            lambda new, epsilon, old: np.sqrt(old) + epsilon
        ),
        "entry by entry: here one mean divides all entries": _rmsprop(
            lambda new, epsilon, old: np.sqrt(new.mean()) + epsilon
        ),
        "it is decay_rate · cache + (1 - decay_rate) · dw²: the two weights are exchanged": (
            _rmsprop(cache=lambda old, g, decay: (1 - decay) * old + decay * g**2)
        ),
        "this is the sum of all squares, AdaGrad's: the old ones must fade": _rmsprop(
            cache=lambda old, g, decay: old + g**2
        ),
        "the new square has the weight 1 - decay_rate": _rmsprop(
            cache=lambda old, g, decay: decay * old + g**2
        ),
        SQUARE: _rmsprop(cache=lambda old, g, decay: decay * old + (1 - decay) * np.abs(g)),
        SIGNED: _rmsprop(cache=lambda old, g, decay: decay * old + (1 - decay) * g),
        UPHILL: _rmsprop(sign=1),
    },
    kept='keep the cache for the next step: config["cache"] = ...',
    not_finite="epsilon keeps the quotient finite where the cache is 0",
    start=lambda w: {"cache": np.zeros_like(w)},
)


@pytest.mark.task("rmsprop", weight=3, page=PAGE_RMSPROP)
def test_steps_of_rmsprop(student: Student, rng: torch.Generator) -> None:
    """Three steps from a cache that is not zero, with an epsilon that counts."""
    w, root, *gradients = _draws(rng, 5)
    settings = {"learning_rate": 0.2, "decay_rate": 0.7, "epsilon": 0.3}
    follow(RMSPROP, student.rmsprop, w, gradients, {**settings, "cache": root**2})


@pytest.mark.task("rmsprop", weight=1, page=PAGE_RMSPROP)
def test_defaults_of_rmsprop(student: Student, rng: torch.Generator) -> None:
    """Three steps without a config, with small and with large gradients."""
    w, *gradients = _small_and_large(rng, 4)
    check_defaults(RMSPROP, student.rmsprop, w, gradients)


@pytest.mark.task("rmsprop", weight=1, page=PAGE_RMSPROP)
def test_rmsprop_of_two_parameters(student: Student, rng: torch.Generator) -> None:
    """A second parameter begins with an empty cache, and a zero gradient moves nothing."""
    w, *gradients = _draws(rng, 4, (2, 3, 2))
    gradients[2][0, 1] = 0
    check_own_state(RMSPROP, student.rmsprop, w, gradients)


@pytest.mark.task("rmsprop", weight=1, page=PAGE_RMSPROP)
def test_rmsprop_in_float32(student: Student, rng: torch.Generator) -> None:
    """A parameter in float32."""
    check_float32(RMSPROP, student.rmsprop, *_draws(rng, 2))


# adam


def _adam(
    first: Any = None,
    second: Any = None,
    below: Any = None,
    square: Any = np.square,
    betas: tuple[str, str] = ("beta1", "beta2"),
    late: int = 0,
    keep_corrected: bool = False,
    sign: int = -1,
) -> Rule:
    """Adam, with other corrections of the moments, divisor, square, or count of steps."""

    def rule(w: np.ndarray, dw: np.ndarray, c: Config) -> tuple[np.ndarray, Config]:
        beta1, beta2 = c[betas[0]], c[betas[1]]
        t = c["t"] + 1 - late
        m = beta1 * c["m"] + (1 - beta1) * dw
        v = beta2 * c["v"] + (1 - beta2) * square(dw)
        m_hat = first(m, beta1, t) if first else m / (1 - beta1 ** np.float64(t))
        v_hat = second(v, beta2, t) if second else v / (1 - beta2 ** np.float64(t))
        root = below(v_hat, c["epsilon"]) if below else np.sqrt(v_hat) + c["epsilon"]
        kept = (m_hat, v_hat) if keep_corrected else (m, v)
        state = {"m": kept[0], "v": kept[1], "t": c["t"] + 1}
        return w + sign * c["learning_rate"] * m_hat / root, state

    return rule


def _uncorrected(moment: np.ndarray, beta: float, t: int) -> np.ndarray:
    return moment


def _by_product(moment: np.ndarray, beta: float, t: int) -> np.ndarray:
    return moment / (1 - beta * t)


def _t_not_counted(w: np.ndarray, dw: np.ndarray, c: Config) -> tuple[np.ndarray, Config]:
    value, state = _adam()(w, dw, c)
    return value, {**state, "t": c["t"]}


def _epsilon_beside_v(w: np.ndarray, dw: np.ndarray, c: Config) -> tuple[np.ndarray, Config]:
    """The corrections in the learning rate, as is usual, and epsilon as it was."""
    _, state = _adam()(w, dw, c)
    correction = np.sqrt(1 - c["beta2"] ** state["t"]) / (1 - c["beta1"] ** state["t"])
    root = np.sqrt(state["v"]) + c["epsilon"]
    return w - c["learning_rate"] * correction * state["m"] / root, state


ADAM = UpdateRule(
    name="adam",
    defaults={"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
    state=("m", "v", "t"),
    expected=_adam(),
    mistakes={
        "the bias correction is missing: m and v begin at zero, and their first means are too "
        "small": _adam(_uncorrected, _uncorrected),
        "the first moment is corrected as well: m / (1 - beta1^t)": _adam(first=_uncorrected),
        "the second moment is corrected as well: v / (1 - beta2^t)": _adam(second=_uncorrected),
        "t counts from 1: count the step first, then correct": _adam(late=1),
        "t is the number of steps made: count it up and keep it in config": _t_not_counted,
        "beta is taken to the power of t: here it is multiplied by t": _adam(
            _by_product, _by_product
        ),
        OUTSIDE.replace("cache", "v_hat"): _adam(below=lambda v, epsilon: np.sqrt(v + epsilon)),
        "epsilon is added to the root of v_hat: here it is added to that of v": _epsilon_beside_v,
        "epsilon is missing": _adam(below=lambda v, epsilon: np.sqrt(v)),
        NO_ROOT: _adam(below=lambda v, epsilon: v + epsilon),
        "beta1 belongs to m and beta2 to v: here they are exchanged": _adam(
            betas=("beta2", "beta1")
        ),
        "the state keeps m and v without the correction: it is made anew in each step": _adam(
            keep_corrected=True
        ),
        SQUARE: _adam(square=np.abs),
        SIGNED: _adam(square=np.positive),
        UPHILL: _adam(sign=1),
    },
    kept='keep m and v and t for the next step: config["m"], config["v"], config["t"]',
    not_finite=(
        "nan or infinity: t counts from 1, because 1 - beta^0 is 0, and beta is taken to the power "
        "of t"
    ),
    start=lambda w: {"m": np.zeros_like(w), "v": np.zeros_like(w), "t": 0},
)


@pytest.mark.task("adam", weight=3, page=PAGE_BIAS)
def test_first_steps_of_adam(student: Student, rng: torch.Generator) -> None:
    """Three steps from the beginning, with settings that are given."""
    w, *gradients = _draws(rng, 4)
    config = {"learning_rate": 0.2, "beta1": 0.3, "beta2": 0.2, "epsilon": 0.1}
    follow(ADAM, student.adam, w, gradients, config)


@pytest.mark.task("adam", weight=2, page=PAGE_ADAM)
def test_later_steps_of_adam(student: Student, rng: torch.Generator) -> None:
    """Two steps from the state after seven others."""
    w, m, root, *gradients = _draws(rng, 5)
    settings = {"learning_rate": 0.1, "beta1": 0.8, "beta2": 0.95, "epsilon": 0.2}
    follow(ADAM, student.adam, w, gradients, {**settings, "m": m, "v": root**2, "t": 7})


@pytest.mark.task("adam", weight=1, page=PAGE_ADAM)
def test_defaults_of_adam(student: Student, rng: torch.Generator) -> None:
    """Three steps without a config, with small and with large gradients."""
    w, *gradients = _small_and_large(rng, 4)
    check_defaults(ADAM, student.adam, w, gradients)


@pytest.mark.task("adam", weight=1, page=PAGE_ADAM)
def test_adam_of_two_parameters(student: Student, rng: torch.Generator) -> None:
    """A second parameter begins with t = 0 and empty means."""
    w, *gradients = _draws(rng, 4, (2, 3, 2))
    check_own_state(ADAM, student.adam, w, gradients)


@pytest.mark.task("adam", weight=1, page=PAGE_ADAM)
def test_adam_in_float32(student: Student, rng: torch.Generator) -> None:
    """A parameter in float32."""
    check_float32(ADAM, student.adam, *_draws(rng, 2))
