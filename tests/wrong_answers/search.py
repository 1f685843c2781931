"""Answers to the tasks of `solutions.search`."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from solutions import search
from tests.wrong_answers import right, slip, wrong

# log_uniform


@right("log_uniform")
def by_powers_of_ten(low: float, high: float, n: int, rng: np.random.Generator) -> np.ndarray:
    if low <= 0 or high <= low:
        raise ValueError("range")
    return 10 ** (np.log10(low) + rng.random(n) * (math.log10(high) - math.log10(low)))


@right("log_uniform")
def one_after_the_other(low: float, high: float, n: int, rng: np.random.Generator) -> np.ndarray:
    if not (low > 0 and high > low):
        raise ValueError(f"{low}, {high}")
    numbers = np.empty(n)
    for i in range(n):
        numbers[i] = low * (high / low) ** rng.uniform()
    return numbers


slip(
    search.log_uniform,
    "uniform",
    {"np.exp(rng.uniform(np.log(low), np.log(high), size=n))": "rng.uniform(low, high, size=n)"},
    hint="their logarithms",
)

slip(
    search.log_uniform,
    "two_kinds_of_logarithm",
    {"np.log(low), np.log(high)": "np.log10(low), np.log10(high)"},
    hint="one base",
)

slip(
    search.log_uniform,
    "logarithms_themselves",
    {
        "np.exp(rng.uniform(np.log(low), np.log(high), size=n))": (
            "rng.uniform(np.log(low), np.log(high), size=n)"
        )
    },
    hint="take the exponential",
)

slip(
    search.log_uniform,
    "a_grid",
    {"np.exp(rng.uniform(np.log(low), np.log(high), size=n))": "np.geomspace(low, high, n)"},
    hint="draw from the generator",
)

slip(
    search.log_uniform,
    "one_draw_for_all",
    {
        "np.exp(rng.uniform(np.log(low), np.log(high), size=n))": (
            "np.full(n, np.exp(rng.uniform(np.log(low), np.log(high))))"
        )
    },
    hint="independently",
)

slip(
    search.log_uniform,
    "whole_powers",
    {
        "np.exp(rng.uniform(np.log(low), np.log(high), size=n))": (
            "10.0 ** rng.integers(round(np.log10(low)), round(np.log10(high)) + 1, size=n)"
        )
    },
    hint="between powers of ten",
)

slip(
    search.log_uniform,
    "sorted_draws",
    {
        "np.exp(rng.uniform(np.log(low), np.log(high), size=n))": (
            "np.sort(np.exp(rng.uniform(np.log(low), np.log(high), size=n)))"
        )
    },
    hint="sorted",
)

slip(
    search.log_uniform,
    "own_generator",
    {"rng.uniform": "np.random.default_rng().uniform"},
    hint="generator that was passed in",
)

slip(
    search.log_uniform,
    "own_seed",
    {"rng.uniform": "np.random.default_rng(0).uniform"},
    hint="fixed seed",
)

slip(
    search.log_uniform,
    "any_range",
    {"not 0 < low < high": "low != low"},
    hint="raise ValueError",
)


@wrong("log_uniform", hint="square roots")
def squares_of_uniform_numbers(
    low: float, high: float, n: int, rng: np.random.Generator
) -> np.ndarray:
    if not 0 < low < high:
        raise ValueError((low, high))
    return rng.uniform(math.sqrt(low), math.sqrt(high), n) ** 2


# select


@right("select")
def with_a_loop(results: Sequence[dict[str, Any]]) -> Any:
    best, setting = -math.inf, None
    for result in results:
        if result["validation"] > best:
            best, setting = result["validation"], result["setting"]
    if best == -math.inf:
        raise ValueError("nothing to choose from")
    return setting


@right("select")
def by_sorting(results: Sequence[dict[str, Any]]) -> Any:
    accuracies = np.array([result["validation"] for result in results], dtype=float)
    if np.isnan(accuracies).all():
        raise ValueError(accuracies)
    return results[int(np.nanargmax(accuracies))]["setting"]


slip(
    search.select,
    "by_the_test_set",
    {"key=lambda result: result['validation']": "key=lambda result: result['test']"},
    hint="test accuracy",
)

slip(
    search.select,
    "by_the_training_set",
    {"key=lambda result: result['validation']": "key=lambda result: result['train']"},
    hint="training accuracy",
)

slip(
    search.select,
    "by_the_sum",
    {
        "key=lambda result: result['validation']": (
            "key=lambda result: result['validation'] + result['test']"
        )
    },
    hint="validation accuracy alone",
)

slip(
    search.select,
    "by_the_smallest_gap",
    {
        "key=lambda result: result['validation']": (
            "key=lambda result: -abs(result['train'] - result['validation'])"
        )
    },
    hint="gap",
)

slip(
    search.select,
    "the_worst",
    {"max(finished": "min(finished"},
    hint="largest",
)

slip(
    search.select,
    "the_last_of_equals",
    {"max(finished": "max(reversed(finished)"},
    hint="first",
)

slip(
    search.select,
    "ties_by_the_test_set",
    {
        "key=lambda result: result['validation']": (
            "key=lambda result: (result['validation'], result['test'])"
        )
    },
    hint="first",
)

slip(
    search.select,
    "nan_wins",
    {"[result for result in results if not math.isnan(result['validation'])]": "list(results)"},
    hint="nan",
)

slip(
    search.select,
    "looks_for_nan_in_the_training",
    {"math.isnan(result['validation'])": "math.isnan(result['train'])"},
    hint="nan never wins",
)

slip(
    search.select,
    "leaves_out_what_is_not_tested",
    {
        "math.isnan(result['validation'])": (
            "(math.isnan(result['validation']) or math.isnan(result['test']))"
        )
    },
    hint="not tested yet",
)

slip(
    search.select,
    "the_whole_result",
    {"['setting']": ""},
    hint="as it stands in its dict",
)

slip(
    search.select,
    "nothing_to_choose",
    {"raise ValueError('no run has a validation accuracy')": "return None"},
    hint="raise ValueError",
)

slip(
    search.select,
    "removes_what_diverged",
    {
        "finished = [": "results[:] = [",
        "if not finished": "if not results",
        "max(finished": "max(results",
    },
    hint="belongs to the caller",
)


# refine


@right("refine")
def refine_by_logarithms(
    best: float, low: float, high: float, share: float = 0.5
) -> tuple[float, float]:
    if low <= 0 or best < low or best > high:
        raise ValueError("range")
    decades = share * (math.log10(high) - math.log10(low))
    centre = math.log10(best)
    return 10 ** (centre - decades / 2), 10 ** (centre + decades / 2)


@right("refine")
def refine_as_an_array(best: float, low: float, high: float, share: float = 0.5) -> Any:
    if low <= 0 or not low <= best <= high:
        raise ValueError("best")
    half = 0.5 * share * np.log(high / low)
    return [np.exp(np.log(best) - half), np.exp(np.log(best) + half)]


slip(
    search.refine,
    "clipped_at_the_old_range",
    {"(best / factor, best * factor)": "(max(best / factor, low), min(best * factor, high))"},
    hint="beyond the old",
)

slip(
    search.refine,
    "twice_as_wide",
    {"(share / 2)": "share"},
    hint="to both sides",
)

slip(
    search.refine,
    "around_the_old_centre",
    {"factor = ": "best = (low * high) ** 0.5\n    factor = "},
    hint="around best",
)

slip(
    search.refine,
    "on_a_linear_scale",
    {
        "factor = (high / low) ** (share / 2)": "half = share * (high - low) / 2",
        "(best / factor, best * factor)": "(best - half, best + half)",
    },
    hint="logarithmic scale",
)

slip(
    search.refine,
    "share_of_the_ratio",
    {"(high / low) ** (share / 2)": "(share * high / low) ** 0.5"},
    hint="share of the decades",
)

slip(
    search.refine,
    "a_fixed_factor",
    {"(high / low) ** (share / 2)": "10 ** share"},
    hint="width of the old range",
)

slip(
    search.refine,
    "upside_down",
    {"(best / factor, best * factor)": "(best * factor, best / factor)"},
    hint="low first",
)

slip(
    search.refine,
    "any_best",
    {"if not 0 < low <= best <= high": "if not 0 < low <= high"},
    hint="raise ValueError",
)

slip(
    search.refine,
    "half_whatever_is_asked",
    {"share / 2": "0.5 / 2"},
    hint="share that is given",
)
