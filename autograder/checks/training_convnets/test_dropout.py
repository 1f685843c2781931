"""Hidden checks of dropout, by the properties of what is drawn."""

from functools import partial

import pytest
import torch
from torch import Tensor

from autograder.checks import tools
from autograder.checks.convolution.inputs import refuses
from autograder.checks.perceptron.inputs import normal
from autograder.checks.training_convnets.inputs import (
    follows_the_generator,
    likely,
    own_generator,
)
from autograder.student import Student

FORBIDDEN = {
    "dropout": [
        *("torch.dropout", "torch.nn.Dropout", "torch.nn.AlphaDropout", "torch.native_dropout"),
        *("torch.nn.functional.dropout", "torch.nn.functional.alpha_dropout"),
        *("torch.feature_dropout", "torch.alpha_dropout", "torch.ops", "torch.dropout_"),
    ]
}
PAGE = "book/unit2/regularisation.html#regularisation-dropout"

RATE = "p is the probability of dropping, and here it is that of keeping"
WHOLE = "each entry is dropped by itself: one draw for every entry of X"
INDEPENDENT = "the entries are independent: their number varies from call to call, as a coin's does"
RAISE = "raise ValueError for a p outside [0, 1), before anything is drawn"


def _dropped(
    student: Student, X: Tensor, p: float, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """The result in training, and which entries of it are zero."""
    value = student.dropout(X.clone(), p, True, generator)
    came = tools.tensor("the result", value, X.shape, X.dtype)
    return came, came == 0


def _scales(p: float) -> dict[str, float]:
    """Wrong factors of the entries that stay."""
    return {
        "the entries that stay are not scaled: inverted dropout divides them by 1 - p": 1.0,
        "the entries that stay are divided by the drop rate: the share that stays is 1 - p": 1 / p,
        "the entries that stay grow: divide by 1 - p, do not multiply": 1 - p,
        "the entries that stay are multiplied by p": p,
    }


@pytest.mark.task("dropout", weight=3, page=PAGE)
@pytest.mark.parametrize("p", [0.3, 0.8])
def test_entries_that_stay(student: Student, rng: torch.Generator, p: float) -> None:
    """The entries that are not dropped, in training."""
    X = normal(rng, 20, 3, 5, 2)
    came, zero = _dropped(student, X, p, own_generator(rng))
    mistakes = {hint: factor * X[~zero] for hint, factor in _scales(p).items()}
    tools.close("what stays of the activations", came[~zero], X[~zero] / (1 - p), mistakes)


@pytest.mark.task("dropout", weight=2, page=PAGE)
def test_share_that_is_dropped(student: Student, rng: torch.Generator) -> None:
    """How many of 6000 entries are dropped for p = 0.2 and p = 0.7.

    Within six standard deviations; a right answer fails once in 200 million courses.
    """
    for p in (0.2, 0.7):
        _, zero = _dropped(student, normal(rng, 30, 200), p, own_generator(rng))
        hints = [(1 - p, RATE), (0.0, "nothing is dropped"), (0.5, "p is ignored")]
        likely(f"dropped entries for p = {p}", int(zero.sum()), zero.numel(), p, hints)


@pytest.mark.task("dropout", weight=2, page=PAGE)
def test_entries_are_dropped_one_by_one(student: Student, rng: torch.Generator) -> None:
    """No row, column or channel is dropped as a whole.

    A right answer has neighbours that always agree less than once in 10^9 courses.
    """
    X = normal(rng, 12, 8, 7, 5)
    _, zero = _dropped(student, X, 0.5, own_generator(rng))
    for dim, what in enumerate(("the batch", "channels", "rows", "columns")):
        alike = bool((zero == zero.select(dim, 0).unsqueeze(dim)).all())
        tools.require(not alike, f"all entries along {what} share their fate", WHOLE)


@pytest.mark.task("dropout", weight=1, page=PAGE)
def test_number_of_dropped_entries_varies(student: Student, rng: torch.Generator) -> None:
    """How many of 100 entries are dropped in each of twelve calls.

    A right answer drops the same number twelve times less than once in 10^12 courses.
    """
    X, generator = normal(rng, 10, 10), own_generator(rng)
    counts = {int(_dropped(student, X, 0.5, generator)[1].sum()) for _ in range(12)}
    tools.require(len(counts) > 1, "every call drops the same number of entries", INDEPENDENT)


@pytest.mark.task("dropout", weight=3, page=PAGE)
def test_outside_of_training(student: Student, rng: torch.Generator) -> None:
    """Without training the activations come back as they are."""
    p = 0.3
    X = normal(rng, 6, 4, 3)
    value = student.dropout(X.clone(), p, False, own_generator(rng))
    came = tools.tensor("the result", value, X.shape)
    dropped = bool((came == 0).any())
    tools.require(not dropped, "entries are dropped without training", "nothing is dropped there")
    mistakes = {
        "inverted dropout has scaled in training: nothing is left to do here": (1 - p) * X,
        "test-time scaling belongs to the vanilla form, and its factor is the keep rate 1 - p, not "
        "the drop rate": p * X,
        "nothing is dropped here, so nothing is scaled either": X / (1 - p),
    }
    tools.close("the result", came, X, mistakes)


@pytest.mark.task("dropout", weight=1, page=PAGE)
def test_dropout_of_nothing(student: Student, rng: torch.Generator) -> None:
    """p = 0 changes nothing; float32, one entry, and activations that are not contiguous."""
    for X in (normal(rng, 1).float(), normal(rng, 4, 6).float().T):
        came, _ = _dropped(student, X, 0.0, own_generator(rng))
        tools.close("the result for p = 0", came, X)


@pytest.mark.task("dropout", weight=1, page=PAGE)
def test_p_out_of_range(student: Student, rng: torch.Generator) -> None:
    """p = 1, a negative p, and a p above 1; in training and outside of it."""
    for p in (1.0, -0.1, 1.5):
        for training in (True, False):
            call = partial(student.dropout, normal(rng, 3, 2), p, training, own_generator(rng))
            refuses(f"p = {p}, training = {training}", call, RAISE)


@pytest.mark.task("dropout", weight=1, page=PAGE)
def test_dropout_leaves_its_argument(student: Student, rng: torch.Generator) -> None:
    """The activations are not modified."""
    X = normal(rng, 5, 7)
    given = X.clone()
    student.dropout(given, 0.6, True, own_generator(rng))
    tools.unchanged("X", X, given)


@pytest.mark.task("dropout", weight=1, page=PAGE)
def test_draws_follow_the_generator(student: Student, rng: torch.Generator) -> None:
    """The same state of the generator drops the same entries, another state others.

    Two different states agree on 200 entries once in 10^60.
    """
    X = 1 + normal(rng, 20, 10).abs()

    def draw(generator: torch.Generator | None) -> Tensor:
        return _dropped(student, X, 0.5, generator)[1]

    follows_the_generator(draw, rng)
