"""Hidden checks of the graded numbers."""

import pytest

from autograder.checks import tools
from autograder.checks.convolution.inputs import count
from autograder.checks.vit.numbers import (
    CHANNELS,
    DIM,
    EXPECTED,
    HEIGHT,
    LARGE_DIM,
    N_CLASSES,
    PATCH,
    WIDTH,
    tokens,
)
from autograder.student import Student

N_PATCHES = (HEIGHT // PATCH) * (WIDTH // PATCH)


@pytest.mark.task("n_patch_sizes", page="book/unit3/patches.html#patches-divide")
def test_n_patch_sizes(student: Student) -> None:
    """The number of patch sizes that tile an image."""
    sizes = int(EXPECTED["n_patch_sizes"])
    mistakes = {
        "a patch must divide height and width: this counts the divisors of one of them": sum(
            WIDTH % p == 0 for p in range(1, WIDTH + 1)
        ),
        "a patch of one pixel tiles every image": sizes - 1,
        "any whole number divides neither: a patch size that does not divide leaves pixels over": (
            HEIGHT
        ),
        "this is the largest patch size; how many are there?": 32,
        "both 1 and the largest one count": sizes - 2,
    }
    count("n_patch_sizes", student.value("n_patch_sizes"), sizes, mistakes)


@pytest.mark.task("n_tokens", page="book/unit3/vit.html#vit-class-token")
def test_n_tokens(student: Student) -> None:
    """The number of tokens of an image."""
    mistakes = {
        "the class token is missing": N_PATCHES,
        "these are the patches of a square image": (WIDTH // PATCH) ** 2 + 1,
        "these are the patches of a square image of the smaller side": (HEIGHT // PATCH) ** 2 + 1,
        "a token is a patch, not a pixel": HEIGHT * WIDTH + 1,
        "a patch holds all channels: it is one token, not three": CHANNELS * N_PATCHES + 1,
        "patches do not overlap": (HEIGHT - PATCH + 1) * (WIDTH - PATCH + 1) + 1,
        "rows and columns of patches are multiplied, not added": (
            HEIGHT // PATCH + WIDTH // PATCH + 1
        ),
    }
    count("n_tokens", student.value("n_tokens"), int(EXPECTED["n_tokens"]), mistakes)


@pytest.mark.task("n_embedding", page="book/unit3/vit.html#vit-parameters")
def test_n_embedding(student: Student) -> None:
    """The number of parameters before the first block."""
    expected = int(EXPECTED["n_embedding"])
    weights = CHANNELS * PATCH**2 * DIM
    mistakes = {
        "the biases of the patch embedding, or the class token, or its position are missing: each "
        "of them has as many numbers": expected - DIM,
        "these are the patch embedding's: class token and positions are learned too": weights + DIM,
        "the positions are missing": weights + 2 * DIM,
        "biases, class token and its position are missing": weights + N_PATCHES * DIM,
        "two of three are missing: biases, class token, its position": expected - 2 * DIM,
        "a patch holds the pixels of all channels": expected - weights * (CHANNELS - 1) // CHANNELS,
        "the patch embedding is shared by all patches": expected
        + (N_PATCHES - 1) * (weights + DIM),
        "this is the class token and the positions alone": expected - weights - DIM,
    }
    count("n_embedding", student.value("n_embedding"), expected, mistakes)


@pytest.mark.task("scores_factor", page="book/unit3/cost.html#cost-time")
def test_scores_factor(student: Student) -> None:
    """The factor by which the number of scores grows, to three decimals."""
    factor = EXPECTED["scores_factor"]
    few, many = tokens(PATCH), tokens(PATCH // 2)
    mistakes = {
        "every token looks at every token: the number of scores is the square of theirs": many
        / few,
        "the class token looks and is looked at as well: it does not double": 16.0,
        "half the patch size gives four times the patches, in two directions": (
            ((2 * N_PATCHES + 1) / few) ** 2
        ),
        "the scaling by the root of d_k changes the size of the scores, not their number": 1.0,
        "this counts the patches alone": 4.0,
        "twice the patches in each direction: the scores grow with the fourth power of that": 2.0,
        "this is the other way round: smaller patches give more scores": 1 / factor,
        "this is the number of scores; by which factor does it grow?": float(many**2),
    }
    tools.number("scores_factor", student.value("scores_factor"), factor, mistakes, rel=1e-4)


@pytest.mark.task("n_trained", page="book/unit3/large_models.html#large-models-head")
def test_n_trained(student: Student) -> None:
    """The number of parameters that a frozen model trains."""
    mistakes = {
        "the biases of the new head are missing": LARGE_DIM * N_CLASSES,
        "this is the old head: the new one has another number of classes": (LARGE_DIM + 1) * 1000,
        "these are all parameters of ViT-B/16: all but the new head are frozen": 86_567_656,
        "these are all parameters with the new head: all others are frozen": (
            86_567_656 + (LARGE_DIM + 1) * (N_CLASSES - 1000)
        ),
        "these are the frozen parameters": 86_567_656 - (LARGE_DIM + 1) * 1000,
        "the head has one bias for each class, not for each feature": (N_CLASSES + 1) * LARGE_DIM,
        "the head sees the class token alone, not all 197 tokens": (
            (197 * LARGE_DIM + 1) * N_CLASSES
        ),
        "these are the biases alone": N_CLASSES,
    }
    count("n_trained", student.value("n_trained"), int(EXPECTED["n_trained"]), mistakes)
