"""Searching for good settings: what to draw, which result to believe, where to look next."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def log_uniform(low: float, high: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw numbers whose logarithms are uniformly distributed: every decade is as likely.

    Book: unit 4, page `search`.

    Args:
        low: smallest number, positive.
        high: largest number, greater than low.
        n: how many to draw, independently of each other.
        rng: source of every draw.

    Returns:
        (n,) numbers between low and high, float64.

    Raises:
        ValueError: low is not positive, or high is not greater than low.
    """
    if not 0 < low < high:
        raise ValueError(f"0 < low < high is needed, not {low} and {high}")
    return np.exp(rng.uniform(np.log(low), np.log(high), size=n))


def select(results: Sequence[dict[str, Any]]) -> Any:
    """Choose the setting with the best validation accuracy.

    Neither the training accuracy nor the test accuracy has a say. Of equal ones the first wins. A
    run that diverged has the validation accuracy nan and never wins.

    Book: unit 4, page `search`.

    Args:
        results: one dict a run, with its "setting" and its accuracies "train", "validation" and
            "test"; not modified.

    Returns:
        The "setting" of the best run.

    Raises:
        ValueError: there is no run whose validation accuracy is a number.
    """
    finished = [result for result in results if not math.isnan(result["validation"])]
    if not finished:
        raise ValueError("no run has a validation accuracy")
    return max(finished, key=lambda result: result["validation"])["setting"]


def refine(best: float, low: float, high: float, share: float = 0.5) -> tuple[float, float]:
    """Narrow the range of a search around the best value so far, on a logarithmic scale.

    The new range spans `share` times as many decades as the old one, and `best` is its geometric
    mean. It may reach beyond the old one: a best value near a border says that better ones may
    lie on the other side.

    Book: unit 4, page `search`.

    Args:
        best: best value so far, between low and high.
        low: lower end of the old range, positive.
        high: upper end of the old range, greater than low.
        share: decades of the new range over decades of the old one, in (0, 1).

    Returns:
        low and high of the new range.

    Raises:
        ValueError: low is not positive, or best lies outside [low, high].
    """
    if not 0 < low <= best <= high:
        raise ValueError(f"0 < low <= best <= high is needed, not {low}, {best} and {high}")
    factor = (high / low) ** (share / 2)
    return best / factor, best * factor
