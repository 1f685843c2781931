"""What the checks of `training_convnets` share: generators, and shares of what is drawn."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from autograder.checks import tools
from autograder.checks.perceptron.inputs import seeded, seeds

GENERATOR = "draw from the generator that was passed in: generator=generator"
FIXED_SEED = "a fixed seed inside the function gives the same draws every time"
SIX_SIGMA = 6  # a normal deviation as large as this comes once in 500 million


def own_generator(rng: torch.Generator) -> torch.Generator:
    """A generator for the student, which tells nothing of the hidden one."""
    return seeded(seeds(rng)[0])


def follows_the_generator(
    draw: Callable[[torch.Generator | None], Tensor], rng: torch.Generator
) -> None:
    """Verify that draws depend on the state of the generator and on nothing else.

    `draw` must give equal results of two different states less than once in 10^9 courses.
    """
    seed, other = seeds(rng)
    first, again, different = (draw(seeded(number)) for number in (seed, seed, other))
    message = "two calls with the same state of the generator give different results"
    tools.require(torch.equal(first, again), message, GENERATOR)
    message = "two different states of the generator give the same result"
    tools.require(not torch.equal(first, different), message, FIXED_SEED)
    message = "two calls without a generator give the same result"
    tools.require(not torch.equal(draw(None), draw(None)), message, FIXED_SEED)


def likely(what: str, count: int, n: int, p: float, hints: Sequence[tuple[float, str]]) -> None:
    """Verify that a count of n independent events of probability p is within six sigma.

    `hints` are other probabilities, each with what it tells where the count fits it.
    """
    if _fits(count, n, p):
        return
    hint = next((hint for other, hint in hints if _fits(count, n, other)), None)
    raise tools.Mistake(f"{what}: {count} of {n}, where about {p * n:.0f} are expected", hint)


def _fits(count: int, n: int, p: float) -> bool:
    return abs(count - p * n) <= SIX_SIGMA * math.sqrt(n * p * (1 - p))
