"""Answers to the tasks of `solutions.descent`."""

import math

import numpy as np
import torch
from torch import Tensor

from tests.wrong_answers import right, wrong

# momentum_sgd


@right("momentum_sgd")
def by_number(
    params: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    eta: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> None:
    for i in range(len(params)):
        velocities[i].copy_(momentum * velocities[i] + gradients[i])
        if nesterov:
            params[i].data -= eta * (gradients[i] + momentum * velocities[i])
        else:
            params[i].data -= eta * velocities[i]


@right("momentum_sgd")
def in_place_operators(
    params: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    eta: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> None:
    @torch.no_grad()
    def step(p: Tensor, g: Tensor, v: Tensor) -> None:
        v *= momentum
        v += g
        direction = g.add(v, alpha=momentum) if nesterov else v
        p.add_(direction, alpha=-eta)

    for triple in zip(params, gradients, velocities, strict=True):
        step(*triple)


@wrong("momentum_sgd", hint="collects gradients")
def rate_in_the_velocity(
    params: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    eta: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> None:
    with torch.no_grad():
        for p, g, v in zip(params, gradients, velocities, strict=True):
            v.mul_(momentum).add_(eta * g)
            p.sub_(eta * g + momentum * v if nesterov else v)


@wrong("momentum_sgd", hint="not weighted")
def moving_average(
    params: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    eta: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> None:
    with torch.no_grad():
        for p, g, v in zip(params, gradients, velocities, strict=True):
            v.mul_(momentum).add_((1 - momentum) * g)
            p.sub_(eta * (g + momentum * v if nesterov else v))


@wrong("momentum_sgd", hint="forgotten")
def without_momentum(
    params: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    eta: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> None:
    with torch.no_grad():
        for p, g, v in zip(params, gradients, velocities, strict=True):
            v.copy_(g)
            p.sub_(eta * (g + momentum * v if nesterov else v))


@wrong("momentum_sgd", hint="kept in full")
def keeps_all_velocity(
    params: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    eta: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> None:
    with torch.no_grad():
        for p, g, v in zip(params, gradients, velocities, strict=True):
            v.add_(g)
            p.sub_(eta * (g + momentum * v if nesterov else v))


@wrong("momentum_sgd", hint="first v, then p")
def moves_before_the_velocity(
    params: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    eta: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> None:
    with torch.no_grad():
        for p, g, v in zip(params, gradients, velocities, strict=True):
            p.sub_(eta * (g + momentum * v if nesterov else v))
            v.mul_(momentum).add_(g)


@wrong("momentum_sgd", hint="uphill")
def climbs(
    params: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    eta: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> None:
    with torch.no_grad():
        for p, g, v in zip(params, gradients, velocities, strict=True):
            v.mul_(momentum).add_(g)
            p.add_(eta * (g + momentum * v if nesterov else v))


@wrong("momentum_sgd", hint="learning rate is missing")
def forgets_the_rate(
    params: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    eta: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> None:
    with torch.no_grad():
        for p, g, v in zip(params, gradients, velocities, strict=True):
            v.mul_(momentum).add_(g)
            p.sub_(g + momentum * v if nesterov else v)


@wrong("momentum_sgd", hint="without Nesterov")
def ignores_nesterov(
    params: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    eta: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> None:
    with torch.no_grad():
        for p, g, v in zip(params, gradients, velocities, strict=True):
            v.mul_(momentum).add_(g)
            p.sub_(eta * v)


@wrong("momentum_sgd", hint="nesterov is False")
def always_nesterov(
    params: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    eta: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> None:
    with torch.no_grad():
        for p, g, v in zip(params, gradients, velocities, strict=True):
            v.mul_(momentum).add_(g)
            p.sub_(eta * (g + momentum * v))


@wrong("momentum_sgd", hint="new velocity")
def nesterov_with_the_old_velocity(
    params: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    eta: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> None:
    with torch.no_grad():
        for p, g, v in zip(params, gradients, velocities, strict=True):
            old = v.clone()
            v.mul_(momentum).add_(g)
            p.sub_(eta * (g + momentum * old if nesterov else v))


@wrong("momentum_sgd", hint="the same with and without Nesterov")
def nesterov_in_the_velocity(
    params: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    eta: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> None:
    with torch.no_grad():
        for p, g, v in zip(params, gradients, velocities, strict=True):
            v.mul_(momentum).add_(g)
            if nesterov:
                v.mul_(momentum).add_(g)
            p.sub_(eta * v)


@wrong("momentum_sgd", hint="once more")
def nesterov_without_the_factor(
    params: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    eta: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> None:
    with torch.no_grad():
        for p, g, v in zip(params, gradients, velocities, strict=True):
            v.mul_(momentum).add_(g)
            p.sub_(eta * (g + v if nesterov else v))


@wrong("momentum_sgd", hint="the tensors themselves")
def makes_new_velocities(
    params: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    eta: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> None:
    with torch.no_grad():
        for p, g, v in zip(params, gradients, velocities, strict=True):
            v = momentum * v + g
            p.sub_(eta * (g + momentum * v if nesterov else v))


@wrong("momentum_sgd", hint="the tensors themselves")
def puts_new_tensors_into_the_lists(
    params: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    eta: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> None:
    for i, (p, g, v) in enumerate(zip(params, gradients, velocities, strict=True)):
        velocities[i] = momentum * v + g
        params[i] = p.detach() - eta * (g + momentum * velocities[i] if nesterov else velocities[i])


@wrong("momentum_sgd", hint="not tracked")
def tracks_the_step(
    params: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    eta: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> None:
    for p, g, v in zip(params, gradients, velocities, strict=True):
        v.mul_(momentum).add_(g)
        p.sub_(eta * (g + momentum * v if nesterov else v))


@wrong("momentum_sgd", hint="belongs to the caller")
def spoils_the_gradients(
    params: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    eta: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> None:
    with torch.no_grad():
        for p, g, v in zip(params, gradients, velocities, strict=True):
            v.mul_(momentum).add_(g)
            direction = g.add_(v, alpha=momentum) if nesterov else g.copy_(v)
            p.sub_(eta * direction)


# exponential_decay


@right("exponential_decay")
def decay_by_logarithms(step: int, eta_0: float, rate: float, period: int) -> float:
    return math.exp(math.log(eta_0) + step * math.log(rate) / period)


@right("exponential_decay")
def decay_step_by_step(step: int, eta_0: float, rate: float, period: int) -> float:
    eta = np.float64(eta_0)
    for _ in range(step):
        eta *= np.power(rate, 1 / period)
    return eta


@wrong("exponential_decay", hint="stairs")
def decay_in_stairs(step: int, eta_0: float, rate: float, period: int) -> float:
    return eta_0 * rate ** (step // period)


@wrong("exponential_decay", hint="period is left out")
def decay_every_step(step: int, eta_0: float, rate: float, period: int) -> float:
    return eta_0 * rate**step


@wrong("exponential_decay", hint="the base is `rate`")
def decay_with_e(step: int, eta_0: float, rate: float, period: int) -> float:
    return eta_0 * math.exp(-rate * step / period)


@wrong("exponential_decay", hint="not 1 - rate")
def decay_takes_the_rate_away(step: int, eta_0: float, rate: float, period: int) -> float:
    return eta_0 * (1 - rate) ** (step / period)


@wrong("exponential_decay", hint="along a line")
def decay_along_a_line(step: int, eta_0: float, rate: float, period: int) -> float:
    return eta_0 * (1 - (1 - rate) * step / period)


@wrong("exponential_decay", hint="the rate grows")
def decay_upwards(step: int, eta_0: float, rate: float, period: int) -> float:
    return eta_0 * rate ** (-step / period)


@wrong("exponential_decay", hint="their product")
def decay_of_a_product(step: int, eta_0: float, rate: float, period: int) -> float:
    return eta_0 * rate ** (step * period)


@wrong("exponential_decay", hint="1/t")
def decay_of_one_over_t(step: int, eta_0: float, rate: float, period: int) -> float:
    return eta_0 / (1 + rate * step / period)


# warmup_cosine


@right("warmup_cosine")
def squared_cosine(step: int, eta_max: float, warmup: int, steps: int) -> float:
    if step < warmup:
        return (step + 1) * eta_max / warmup
    return eta_max * math.cos(math.pi * (step - warmup) / (steps - warmup) / 2) ** 2


@right("warmup_cosine")
def with_a_table(step: int, eta_max: float, warmup: int, steps: int) -> float:
    climb = [eta_max * (i + 1) / warmup for i in range(warmup)]
    angles = np.linspace(0, np.pi, steps - warmup + 1)
    return np.concatenate([climb, eta_max * (0.5 + 0.5 * np.cos(angles))])[step]


@wrong("warmup_cosine", hint="step 0 makes a step too")
def begins_at_zero(step: int, eta_max: float, warmup: int, steps: int) -> float:
    if step < warmup:
        return eta_max * step / warmup
    t = (step - warmup) / (steps - warmup)
    return eta_max / 2 * (1 + math.cos(math.pi * t))


@wrong("warmup_cosine", hint="ends in step warmup - 1")
def climbs_too_slowly(step: int, eta_max: float, warmup: int, steps: int) -> float:
    if step < warmup:
        return eta_max * (step + 1) / (warmup + 1)
    t = (step - warmup) / (steps - warmup)
    return eta_max / 2 * (1 + math.cos(math.pi * t))


@wrong("warmup_cosine", hint="climb is missing")
def no_climb(step: int, eta_max: float, warmup: int, steps: int) -> float:
    return eta_max / 2 * (1 + math.cos(math.pi * step / steps))


@wrong("warmup_cosine", hint="does not climb")
def flat_beginning(step: int, eta_max: float, warmup: int, steps: int) -> float:
    if step < warmup:
        return eta_max
    t = (step - warmup) / (steps - warmup)
    return eta_max / 2 * (1 + math.cos(math.pi * t))


@wrong("warmup_cosine", hint="count its steps from there")
def cosine_from_step_zero(step: int, eta_max: float, warmup: int, steps: int) -> float:
    if step < warmup:
        return eta_max * (step + 1) / warmup
    return eta_max / 2 * (1 + math.cos(math.pi * step / steps))


@wrong("warmup_cosine", hint="stretched")
def cosine_too_long(step: int, eta_max: float, warmup: int, steps: int) -> float:
    if step < warmup:
        return eta_max * (step + 1) / warmup
    t = (step - warmup) / steps
    return eta_max / 2 * (1 + math.cos(math.pi * t))


@wrong("warmup_cosine", hint="not one step earlier")
def ends_one_step_early(step: int, eta_max: float, warmup: int, steps: int) -> float:
    if step < warmup:
        return eta_max * (step + 1) / warmup
    t = (step - warmup) / (steps - warmup - 1)
    return eta_max / 2 * (1 + math.cos(math.pi * t))


@wrong("warmup_cosine", hint="twice eta_max")
def twice_the_maximum(step: int, eta_max: float, warmup: int, steps: int) -> float:
    if step < warmup:
        return eta_max * (step + 1) / warmup
    t = (step - warmup) / (steps - warmup)
    return eta_max * (1 + math.cos(math.pi * t))


@wrong("warmup_cosine", hint="whole one")
def whole_cosine(step: int, eta_max: float, warmup: int, steps: int) -> float:
    if step < warmup:
        return eta_max * (step + 1) / warmup
    t = (step - warmup) / (steps - warmup)
    return eta_max / 2 * (1 + math.cos(2 * math.pi * t))


@wrong("warmup_cosine", hint="quarter")
def quarter_of_a_cosine(step: int, eta_max: float, warmup: int, steps: int) -> float:
    if step < warmup:
        return eta_max * (step + 1) / warmup
    t = (step - warmup) / (steps - warmup)
    return eta_max * math.cos(math.pi / 2 * t)


@wrong("warmup_cosine", hint="along a line")
def falls_along_a_line(step: int, eta_max: float, warmup: int, steps: int) -> float:
    if step < warmup:
        return eta_max * (step + 1) / warmup
    t = (step - warmup) / (steps - warmup)
    return eta_max * (1 - t)


@wrong("warmup_cosine", hint="warmup may be 0")
def always_divides_by_warmup(step: int, eta_max: float, warmup: int, steps: int) -> float:
    climb = eta_max * (step + 1) / warmup
    if step < warmup:
        return climb
    t = (step - warmup) / (steps - warmup)
    return eta_max / 2 * (1 + math.cos(math.pi * t))
