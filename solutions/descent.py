"""Momentum, and learning rates that change with the step."""

import math

import torch
from torch import Tensor


def momentum_sgd(
    params: list[Tensor],
    gradients: list[Tensor],
    velocities: list[Tensor],
    eta: float,
    momentum: float = 0.9,
    nesterov: bool = False,
) -> None:
    """Take one step of gradient descent with momentum.

    v ← momentum · v + g, then p ← p - eta · v; Nesterov's rule is p ← p - eta · (g + momentum · v)
    with the new velocity v. Parameters and velocities change in place. Parameters may require
    gradients, and the step is not tracked. torch.optim is not allowed here.

    Book: unit 2, page `optimisers`.

    Args:
        params: the parameters, any shapes.
        gradients: the gradient of each parameter, in the same order; not modified.
        velocities: the velocity of each parameter, in the same order; zeros before the first step.
        eta: learning rate, a positive number.
        momentum: share of the velocity that is kept, in [0, 1).
        nesterov: whether to take Nesterov's step.
    """
    with torch.no_grad():
        for p, g, v in zip(params, gradients, velocities, strict=True):
            v.mul_(momentum).add_(g)
            p.sub_(eta * (g + momentum * v if nesterov else v))


def exponential_decay(step: int, eta_0: float, rate: float, period: int) -> float:
    """Compute a learning rate that is multiplied by `rate` over every `period` steps, smoothly.

    η = eta_0 · rate^(step / period), where step / period need not be a whole number.

    Book: unit 2, page `schedules`.

    Args:
        step: number of the step, 0, 1, 2, ...
        eta_0: learning rate of step 0.
        rate: factor of one period, in (0, 1].
        period: length of a period in steps, at least 1.

    Returns:
        The learning rate of this step.
    """
    return eta_0 * rate ** (step / period)


def warmup_cosine(step: int, eta_max: float, warmup: int, steps: int) -> float:
    """Compute a learning rate that climbs linearly and then falls along half a cosine.

    For step < warmup it is eta_max · (step + 1) / warmup: eta_max / warmup in step 0 and eta_max in
    step warmup - 1. From then on it is eta_max / 2 · (1 + cos(π · t)) with
    t = (step - warmup) / (steps - warmup): 0 at step = steps.

    Book: unit 2, page `schedules`.

    Args:
        step: number of the step, 0 ... steps.
        eta_max: largest learning rate.
        warmup: number of steps of the climb, 0 ... steps - 1; 0 means that there is none.
        steps: number of steps of the training.

    Returns:
        The learning rate of this step.
    """
    if step < warmup:
        return eta_max * (step + 1) / warmup
    t = (step - warmup) / (steps - warmup)
    return eta_max / 2 * (1 + math.cos(math.pi * t))
