"""Hidden checks of momentum and of the schedules."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from torch import Tensor

from autograder.checks import tools
from autograder.checks.perceptron.inputs import normal
from autograder.student import Student

FORBIDDEN = {
    "momentum_sgd": ["torch.optim"],
    "exponential_decay": ["torch.optim"],
    "warmup_cosine": ["torch.optim"],
}
MOMENTUM = "book/unit2/optimisers.html#optimisers-momentum"
SCHEDULES = "book/unit2/schedules.html#schedules-five"

IN_PLACE = (
    "change the tensors themselves (mul_, add_, sub_, copy_): v = ... or list[i] = ... makes a new "
    "tensor, of which the caller knows nothing"
)
NO_GRAD = "the step itself is not tracked: update inside `with torch.no_grad():`"
SHAPES = ((4, 3), (3,), (2, 3, 2))


def _tensors(rng: torch.Generator) -> list[Tensor]:
    return [normal(rng, *shape) for shape in SHAPES]


def _copies(tensors: list[Tensor]) -> list[Tensor]:
    return [tensor.detach().clone() for tensor in tensors]


Rule = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def _rules(eta: float, mu: float) -> dict[str, Rule]:
    """Parameter and velocity after wrong steps."""
    return {
        "the velocity collects gradients: the learning rate comes in when the parameter moves": (
            lambda p, g, v: (p - (mu * v + eta * g), mu * v + eta * g)
        ),
        "v ← momentum · v + g: the gradient is not weighted by 1 - momentum": (
            lambda p, g, v: (p - eta * (mu * v + (1 - mu) * g), mu * v + (1 - mu) * g)
        ),
        "the velocity of the step before is forgotten: momentum · v is missing": (
            lambda p, g, v: (p - eta * g, g)
        ),
        "the old velocity is kept in full: multiply it by the momentum": (
            lambda p, g, v: (p - eta * (v + g), v + g)
        ),
        "the parameter moves by the velocity before its update: first v, then p": (
            lambda p, g, v: (p - eta * v, mu * v + g)
        ),
        "this goes uphill: the step is subtracted": (
            lambda p, g, v: (p + eta * (mu * v + g), mu * v + g)
        ),
        "the learning rate is missing": lambda p, g, v: (p - (mu * v + g), mu * v + g),
        "this is Nesterov's step, and nesterov is False": (
            lambda p, g, v: (p - eta * (g + mu * (mu * v + g)), mu * v + g)
        ),
    }


def _nesterov_rules(eta: float, mu: float) -> dict[str, Rule]:
    return {
        "this is the step without Nesterov: it is g + momentum · v with the new velocity v": (
            lambda p, g, v: (p - eta * (mu * v + g), mu * v + g)
        ),
        "momentum · v: the new velocity is multiplied by the momentum once more": (
            lambda p, g, v: (p - eta * (g + mu * v + g), mu * v + g)
        ),
        "the velocity is the same with and without Nesterov: v ← momentum · v + g": (
            lambda p, g, v: (p - eta * (g + mu * (mu * v + g)), g + mu * (mu * v + g))
        ),
        "this goes uphill: the step is subtracted": (
            lambda p, g, v: (p + eta * (g + mu * (mu * v + g)), mu * v + g)
        ),
    }


def _tracked() -> AbstractContextManager[None]:
    return tools.explained(NO_GRAD, "leaf Variable", "view of a leaf")


def _check_step(
    student: Student, rng: torch.Generator, momentum: float | None, nesterov: bool
) -> None:
    """Two steps from a velocity that is not zero, with two learning rates."""
    params, velocities = _tensors(rng), _tensors(rng)
    mu = 0.9 if momentum is None else momentum
    options: dict[str, float] = {"nesterov": True} if nesterov else {}
    options |= {} if momentum is None else {"momentum": momentum}
    for eta in (0.3, 0.05):
        gradients = _tensors(rng)
        before = _copies(params), _copies(velocities)
        with _tracked():
            student.momentum_sgd(params, _copies(gradients), velocities, eta, **options)
        rules = _nesterov_rules(eta, mu) if nesterov else _rules(eta, mu)
        for number, g in enumerate(gradients):
            p, v = before[0][number], before[1][number]
            new_v = mu * v + g
            new_p = p - eta * (g + mu * new_v if nesterov else new_v)
            _compare(f"params[{number}]", params[number], p, new_p, rules, (p, g, v), 0)
            _compare(f"velocities[{number}]", velocities[number], v, new_v, rules, (p, g, v), 1)


def _compare(
    name: str,
    came: Tensor,
    before: Tensor,
    expected: Tensor,
    rules: dict[str, Rule],
    values: tuple[Tensor, Tensor, Tensor],
    which: int,
) -> None:
    found = tools.tensor(name, came, before.shape, before.dtype)
    tools.require(not torch.equal(found, before), f"{name} has not changed", IN_PLACE)
    mistakes = {hint: rule(*values)[which] for hint, rule in rules.items()}
    tools.close(f"{name} after the step", found, expected, mistakes)


@pytest.mark.task("momentum_sgd", weight=3, page=MOMENTUM)
def test_step_with_momentum(student: Student, rng: torch.Generator) -> None:
    """Parameters and velocities after two steps."""
    _check_step(student, rng, 0.7, nesterov=False)


@pytest.mark.task("momentum_sgd", weight=3, page=MOMENTUM)
def test_step_of_nesterov(student: Student, rng: torch.Generator) -> None:
    """Parameters and velocities after two steps with Nesterov's rule."""
    _check_step(student, rng, 0.6, nesterov=True)


@pytest.mark.task("momentum_sgd", weight=1, page=MOMENTUM)
def test_default_momentum(student: Student, rng: torch.Generator) -> None:
    """Two steps with the momentum that is taken where none is given."""
    _check_step(student, rng, None, nesterov=False)


@pytest.mark.task("momentum_sgd", weight=1, page=MOMENTUM)
def test_step_is_in_place(student: Student, rng: torch.Generator) -> None:
    """The tensors themselves change, and the gradients do not."""
    params, velocities, gradients = _tensors(rng), _tensors(rng), _tensors(rng)
    held = [*params, *velocities]
    before, gradients_before = _copies(held), _copies(gradients)
    student.momentum_sgd(params, gradients, velocities, 0.1, 0.5)
    for tensor, old, now in zip(held, before, [*params, *velocities], strict=True):
        tools.require(now is tensor, "a list holds another tensor than before the call", IN_PLACE)
        tools.require(not torch.equal(tensor, old), "a tensor has not changed", IN_PLACE)
    for number, old in enumerate(gradients_before):
        tools.unchanged(f"gradients[{number}]", old, gradients[number])


@pytest.mark.task("momentum_sgd", weight=1, page=MOMENTUM)
def test_step_of_leaves(student: Student, rng: torch.Generator) -> None:
    """Parameters that require gradients, as those of a module do."""
    params = [tensor.requires_grad_() for tensor in _tensors(rng)]
    before, velocities, gradients = _copies(params), _tensors(rng), _tensors(rng)
    expected = [
        p - 0.1 * (0.5 * v + g) for p, v, g in zip(before, velocities, gradients, strict=True)
    ]
    with _tracked():
        student.momentum_sgd(params, gradients, velocities, 0.1, 0.5)
    for number, value in enumerate(expected):
        found = tools.tensor(f"params[{number}]", params[number], value.shape)
        tools.require(
            not torch.equal(found, before[number]), f"params[{number}] has not changed", IN_PLACE
        )
        tools.close(f"params[{number}]", found, value)


@pytest.mark.task("exponential_decay", weight=2, page=SCHEDULES)
@pytest.mark.parametrize(("step", "period"), [(7, 4), (3, 10), (25, 6)])
def test_decay_within_a_period(student: Student, step: int, period: int) -> None:
    """The learning rate of a step that is no multiple of the period."""
    eta_0, rate = 0.3, 0.6
    mistakes = {
        "this falls in stairs: step / period is not rounded down": eta_0 * rate ** (step // period),
        "the period is left out: the factor belongs to `period` steps, not to one": (
            eta_0 * rate**step
        ),
        "the exponent is step / period, not period / step": eta_0 * rate ** (period / step),
        "the exponent is step / period, and here it is their product": eta_0
        * rate ** (step * period),
        "this is e^(-rate · step / period): the base is `rate`": eta_0
        * math.exp(-rate * step / period),
        "this rate is taken away in every period: the factor is `rate`, not 1 - rate": (
            eta_0 * (1 - rate) ** (step / period)
        ),
        "this falls along a line": eta_0 * (1 - (1 - rate) * step / period),
        "the exponent's sign is wrong: the rate grows": eta_0 * rate ** (-step / period),
        "eta_0 is missing": rate ** (step / period),
        "this is the 1/t decay": eta_0 / (1 + rate * step / period),
    }
    came = student.exponential_decay(step, eta_0, rate, period)
    tools.number("the learning rate", came, eta_0 * rate ** (step / period), mistakes)


@pytest.mark.task("exponential_decay", weight=1, page=SCHEDULES)
def test_decay_of_whole_periods(student: Student) -> None:
    """Step 0, and the ends of the first periods."""
    for periods in range(4):
        came = student.exponential_decay(12 * periods, 0.8, 0.5, 12)
        name = f"the learning rate after {periods} periods"
        tools.number(name, came, 0.8 * 0.5**periods)


@pytest.mark.task("exponential_decay", weight=1, page=SCHEDULES)
def test_decay_at_a_rate_of_one(student: Student) -> None:
    """A rate of 1 changes nothing."""
    for step in (0, 5, 1000):
        came = student.exponential_decay(step, 0.07, 1.0, 3)
        tools.number("the learning rate", came, 0.07)


ETA, WARMUP, STEPS = 0.4, 8, 50


def _cosine(t: float) -> float:
    return ETA / 2 * (1 + math.cos(math.pi * t))


@pytest.mark.task("warmup_cosine", weight=2, page=SCHEDULES)
@pytest.mark.parametrize("step", [0, 3, 7])
def test_climb(student: Student, step: int) -> None:
    """The learning rate while it climbs: its first step, one within, and its last."""
    mistakes = {
        "step 0 makes a step too: the climb begins at eta_max / warmup": ETA * step / WARMUP,
        "the climb ends in step warmup - 1, not one earlier": ETA * step / (WARMUP - 1),
        "the climb begins at eta_max / warmup and ends in step warmup - 1": (
            ETA * (step + 1) / (WARMUP + 1)
        ),
        "the climb is missing": _cosine(step / STEPS),
        "the climb is missing: this is the cosine from before its beginning": (
            _cosine((step - WARMUP) / (STEPS - WARMUP))
        ),
        "the rate does not climb": ETA,
        "the climb counts all steps: it is over after `warmup` of them": ETA * (step + 1) / STEPS,
    }
    came = student.warmup_cosine(step, ETA, WARMUP, STEPS)
    tools.number(f"the learning rate of step {step}", came, ETA * (step + 1) / WARMUP, mistakes)


@pytest.mark.task("warmup_cosine", weight=2, page=SCHEDULES)
@pytest.mark.parametrize("step", [15, 30, 41])
def test_cosine(student: Student, step: int) -> None:
    """The learning rate on its way down."""
    t = (step - WARMUP) / (STEPS - WARMUP)
    mistakes = {
        "the cosine begins after the climb: count its steps from there": _cosine(step / STEPS),
        "the cosine is stretched: it ends at `steps`, so it lasts steps - warmup": _cosine(
            (step - WARMUP) / STEPS
        ),
        "the cosine is 0 at step = steps, not one step earlier": _cosine(
            (step - WARMUP) / (STEPS - WARMUP - 1)
        ),
        "eta_max / 2: this begins at twice eta_max": 2 * _cosine(t),
        "half a cosine, from 0 to π: this is a whole one": _cosine(2 * t),
        "from 0 to π: this is a quarter of a cosine": ETA * math.cos(math.pi / 2 * t),
        "this falls along a line": ETA * (1 - t),
        "the sign of the cosine is wrong: the rate falls": ETA - _cosine(t),
    }
    came = student.warmup_cosine(step, ETA, WARMUP, STEPS)
    tools.number(f"the learning rate of step {step}", came, _cosine(t), mistakes)


@pytest.mark.task("warmup_cosine", weight=1, page=SCHEDULES)
def test_ends_of_the_cosine(student: Student) -> None:
    """The first step after the climb, and the end."""
    top = student.warmup_cosine(WARMUP, ETA, WARMUP, STEPS)
    tools.number("the learning rate of step warmup", top, ETA)
    end = tools.as_number(
        "the learning rate at the end", student.warmup_cosine(STEPS, ETA, WARMUP, STEPS)
    )
    tools.require(
        abs(end) < 1e-9, f"the learning rate at step = steps is {end:.3g}", "it ends at 0"
    )


@pytest.mark.task("warmup_cosine", weight=1, page=SCHEDULES)
def test_no_climb(student: Student) -> None:
    """A schedule without a climb: warmup = 0."""
    with tools.explained("warmup may be 0: no step climbs then", "ZeroDivisionError"):
        values = [student.warmup_cosine(step, ETA, 0, 10) for step in (0, 5)]
    for name, value, expected in zip(("step 0", "step 5"), values, (ETA, ETA / 2), strict=True):
        tools.number(f"the learning rate of {name}", value, expected)
