"""Hidden checks of the search for good settings."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from autograder.checks import tools
from autograder.checks.convolution.inputs import refuses
from autograder.checks.training_convnets.inputs import likely
from autograder.student import Student

FORBIDDEN = {"log_uniform": ["scipy.stats", "sklearn.model_selection"]}
LOG = "book/unit4/search.html#toolbox-search-log"
SELECT = "book/unit4/search.html#toolbox-search-select"

LOGARITHMS = "their logarithms are uniformly distributed, not the numbers themselves"
EXPONENTIAL = "these are logarithms: take the exponential at the end"
ONE_BASE = "numbers outside the range: logarithm and power need one base, e with e or 10 with 10"
GENERATOR = (
    "draw from the generator that was passed in: one of its own, a fixed seed or a grid does not "
    "follow it"
)
INDEPENDENT = "draw n numbers independently, not one for all: size=n"
WHOLE_POWERS = "between powers of ten there are numbers as well: the exponent is no whole number"
POSITIVE = "raise ValueError unless 0 < low < high: other ranges have no logarithm, or no width"
SHAPE = "an array of the shape (n,): one number for each draw"


def _draw(student: Student, low: float, high: float, n: int, rng: Any) -> np.ndarray:
    drawn = tools.array("the result", student.log_uniform(low, high, n, rng), None)
    message = f"the result must have shape ({n},), and has shape {drawn.shape}"
    tools.require(drawn.shape == (n,), message, SHAPE)
    finite = bool(np.isfinite(drawn).all())
    tools.require(finite, "the result holds nan or infinity", ONE_BASE)
    tools.require(bool((drawn > 0).all()), "the result holds numbers that are not positive",
                  EXPONENTIAL)  # fmt: skip
    inside = (drawn >= low * (1 - 1e-12)) & (drawn <= high * (1 + 1e-12))
    tools.require(bool(inside.all()), f"{(~inside).sum()} of {n} draws lie outside", ONE_BASE)
    return drawn


@pytest.mark.task("log_uniform", weight=3, page=LOG)
def test_distribution(student: Student, rng: torch.Generator) -> None:
    """Four thousand draws from a range of four decades.

    Each share must be within six sigma: a correct answer fails once in 10^8 courses. Of so many
    draws all are different, and they come in order, less than once in 10^9.
    """
    low, high, n = 1e-5, 0.1, 4000
    drawn = _draw(student, low, high, n, tools.numpy_generator(rng))
    different = len(np.unique(drawn))
    tools.require(different > 1, "all draws are the same", INDEPENDENT)
    tools.require(different > n / 2, f"{n} draws have {different} values", WHOLE_POWERS)
    ordered = bool((np.diff(drawn) >= 0).all())
    tools.require(not ordered, "the draws are sorted", "leave the draws as they come, not sorted")
    for share in (0.25, 0.5, 0.75):
        border = low * (high / low) ** share
        roots = [math.sqrt(value) for value in (low, border, high)]
        hints = [
            ((border - low) / (high - low), LOGARITHMS),
            (
                (roots[1] - roots[0]) / (roots[2] - roots[0]),
                "the square roots are uniform here, and it should be the logarithms",
            ),
        ]
        count = int((drawn < border).sum())
        likely(f"draws below {border:.3g}", count, n, share, hints)


@pytest.mark.task("log_uniform", weight=1, page=LOG)
def test_generator(student: Student, rng: torch.Generator) -> None:
    """The same state of the generator gives the same draws, another one gives others."""
    seed = int(tools.numpy_generator(rng).integers(2**31))
    first, again, other = (
        _draw(student, 1e-3, 1e2, 5, np.random.default_rng(number))
        for number in (seed, seed, seed + 1)
    )
    same = "two calls with the same state of the generator give different results"
    tools.require(np.array_equal(first, again), same, GENERATOR)
    different = "two different states of the generator give the same result"
    tools.require(not np.array_equal(first, other), different, GENERATOR)


@pytest.mark.task("log_uniform", weight=1, page=LOG)
def test_one_draw_from_a_narrow_range(student: Student, rng: torch.Generator) -> None:
    """A single draw from a range of less than a decade, above 1."""
    _draw(student, 20.0, 30.0, 1, tools.numpy_generator(rng))


@pytest.mark.task("log_uniform", weight=1, page=LOG)
def test_ranges_without_logarithm(student: Student) -> None:
    """Ranges that begin at 0 or below, have no width, or are upside down: ValueError."""
    for low, high in ((0.0, 1.0), (-1.0, 1.0), (0.1, 0.1), (1.0, 0.1)):
        generator = np.random.default_rng(0)
        call: Callable[[], Any] = partial(student.log_uniform, low, high, 3, generator)
        refuses(f"log_uniform({low}, {high}, ...)", call, POSITIVE)


Results = list[dict[str, Any]]

CALLER = "the argument results belongs to the caller: choose from it, without changing it"
NAN = (
    "a validation accuracy that is nan never wins: nothing is greater than nan, so that max keeps "
    "it where it comes first"
)
ITS_SETTING = 'return the best run\'s "setting" alone, as it stands in its dict'


def _results(rng: torch.Generator, *accuracies: tuple[float, float, float]) -> Results:
    """Runs with these accuracies on the training, validation and test set."""
    draw = tools.numpy_generator(rng)
    return [
        {
            "setting": {"learning_rate": float(draw.uniform(0, 1)), "weight_scale": float(number)},
            "train": train,
            "validation": validation,
            "test": test,
        }
        for number, (train, validation, test) in enumerate(accuracies)
    ]


def _check_choice(student: Student, results: Results, best: int, hints: dict[int, str]) -> None:
    """The run of that number is chosen; `hints` explain other numbers."""
    before = repr(results)
    came = student.select(results)
    tools.require(repr(results) == before, "the call has changed results", CALLER)
    chosen = [i for i, result in enumerate(results) if repr(result["setting"]) == repr(came)]
    kind = f"a setting of the list is expected, and {tools.described(came)} came"
    tools.require(bool(chosen), kind, ITS_SETTING)
    message = f"run {chosen[0]} was chosen of 0 ... {len(results) - 1}, and it is not the best"
    tools.require(chosen[0] == best, message, hints.get(chosen[0]))


@pytest.mark.task("select", weight=3, page=SELECT)
def test_best_validation_accuracy(student: Student, rng: torch.Generator) -> None:
    """Six runs, in which each accuracy has a winner of its own."""
    results = _results(
        rng,
        (0.70, 0.69, 0.71),
        (1.00, 0.80, 0.83),
        (0.97, 0.90, 0.86),
        (0.95, 0.88, 0.93),
        (0.40, 0.35, 0.36),
        (0.98, 0.89, 0.925),
    )
    hints = {
        1: "this run has the best training accuracy, which rewards learning by heart",
        3: "this run has the best test accuracy or the best sum: the validation accuracy alone "
        "decides; who chooses by the test accuracy has no test left",
        4: "this is the worst run: the largest accuracy wins",
        0: "this run has the smallest gap between training and validation, and it is poor in both",
        5: "the validation accuracy alone decides, not a sum or a mean of accuracies",
    }
    _check_choice(student, results, 2, hints)


@pytest.mark.task("select", weight=1, page=SELECT)
def test_equal_accuracies(student: Student, rng: torch.Generator) -> None:
    """Two runs with the same validation accuracy: the first one wins."""
    results = _results(rng, (0.9, 0.7, 0.7), (0.92, 0.8, 0.78), (0.97, 0.8, 0.82), (0.8, 0.6, 0.9))
    first = "of equal validation accuracies the first wins, and the test accuracy breaks no tie"
    hints = {2: first, 3: "the validation accuracy decides, not the test accuracy"}
    _check_choice(student, results, 1, hints)


@pytest.mark.task("select", weight=2, page=SELECT)
@pytest.mark.parametrize("place", [0, 2])
def test_run_that_diverged(student: Student, rng: torch.Generator, place: int) -> None:
    """A run whose accuracies are nan, at the beginning or in the middle."""
    accuracies = [(0.8, 0.7, 0.7), (0.9, 0.75, 0.72), (0.6, 0.5, 0.5), (0.5, 0.4, 0.4)]
    accuracies.insert(place, (math.nan, math.nan, math.nan))
    best = 1 if place == 2 else 2
    _check_choice(student, _results(rng, *accuracies), best, {place: NAN})


@pytest.mark.task("select", weight=1, page=SELECT)
def test_accuracies_that_nobody_knows(student: Student, rng: torch.Generator) -> None:
    """A run without a validation accuracy alone, and a best run that is not tested yet."""
    results = _results(rng, (0.99, math.nan, 0.8), (0.9, 0.75, math.nan), (0.85, 0.65, 0.7))
    untested = "the validation accuracy says which runs count: the best one here is not tested yet"
    _check_choice(student, results, 1, {0: NAN, 2: untested})


@pytest.mark.task("select", weight=1, page=SELECT)
def test_accuracies_of_zero(student: Student, rng: torch.Generator) -> None:
    """A single run that got nothing right is still the best one."""
    zero = "an accuracy of 0 is a number: begin below it, or with the first run"
    with tools.explained(zero, "ValueError", "IndexError"):
        _check_choice(student, _results(rng, (0.0, 0.0, 0.0)), 0, {})


@pytest.mark.task("select", weight=1, page=SELECT)
def test_nothing_to_choose_from(student: Student, rng: torch.Generator) -> None:
    """No run at all, and runs that all diverged: ValueError."""
    nothing = "raise ValueError where no validation accuracy is a number"
    diverged = _results(rng, *[(math.nan, math.nan, math.nan)] * 2)
    for name, results in (("select([])", []), ("select of runs that diverged", diverged)):
        refuses(name, partial(student.select, results), nothing)


def _mistakes(best: float, low: float, high: float, share: float) -> dict[str, tuple[float, float]]:
    """Ranges that come of likely mistakes."""
    factor = (high / low) ** (share / 2)
    centre = math.sqrt(low * high)
    half = share * (high - low) / 2
    return {
        "the new range may reach beyond the old one: at a border better values may lie outside": (
            max(best / factor, low),
            min(best * factor, high),
        ),
        "the new range spans `share` of the decades in all: half of it to both sides": (
            best / factor**2,
            best * factor**2,
        ),
        "the new range lies around best, not around the centre of the old one": (
            centre / factor,
            centre * factor,
        ),
        "the range is narrowed on a logarithmic scale: best is its geometric mean": (
            best - half,
            best + half,
        ),
        "it is a share of the decades, an exponent of high / low, not of the ratio itself": (
            best / math.sqrt(share * high / low),
            best * math.sqrt(share * high / low),
        ),
        "the width of the old range counts: share of its decades, not of one decade": (
            best / 10**share,
            best * 10**share,
        ),
        "the width of the old range counts: share of its decades, not one decade in all": (
            best / 10 ** (share / 2),
            best * 10 ** (share / 2),
        ),
        "low first, then high": (best * factor, best / factor),
        "use the share that is given": (best / (high / low) ** 0.25, best * (high / low) ** 0.25),
    }


def _check_range(
    student: Student, best: float, low: float, high: float, share: float | None
) -> None:
    answer = student.refine(best, low, high, *([] if share is None else [share]))
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise tools.Mistake(f"refine returned {tools.described(answer)}", "return low, high")
    came = np.array([tools.as_number(n, v) for n, v in zip(("low", "high"), answer, strict=True)])
    used = 0.5 if share is None else share
    factor = (high / low) ** (used / 2)
    wrong = {hint: np.array(pair) for hint, pair in _mistakes(best, low, high, used).items()}
    expected = np.array([best / factor, best * factor])
    tools.close("the range", came, expected, wrong, rtol=1e-9, atol=0)


@pytest.mark.task("refine", weight=2, page=LOG)
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_range_around_the_best(student: Student, share: float) -> None:
    """A best value within a range of four decades, with a share that is given."""
    _check_range(student, 2e-3, 1e-5, 1e-1, share)


@pytest.mark.task("refine", weight=2, page=LOG)
def test_range_at_a_border(student: Student) -> None:
    """A best value near the upper end, and one at the lower end itself."""
    _check_range(student, 0.25, 2e-3, 0.3, 0.6)
    _check_range(student, 2e-3, 2e-3, 0.3, 0.6)


@pytest.mark.task("refine", weight=1, page=LOG)
def test_default_share(student: Student) -> None:
    """Half of the decades where no share is given."""
    _check_range(student, 30.0, 4.0, 900.0, None)


@pytest.mark.task("refine", weight=1, page=LOG)
def test_best_outside_the_range(student: Student) -> None:
    """A best value outside the old range, and a range that begins at 0: ValueError."""
    hint = "raise ValueError unless 0 < low <= best <= high"
    for best, low, high in ((0.5, 1.0, 2.0), (3.0, 1.0, 2.0), (0.5, 0.0, 2.0)):
        refuses(f"refine({best}, {low}, {high})", partial(student.refine, best, low, high), hint)
