"""Hidden checks of the graded numbers."""

import pytest

from autograder.checks import tools
from autograder.checks.attention.numbers import (
    ATTENTION,
    EMBED_DIM,
    EXPECTED,
    HIDDEN_DIM,
    MLP,
    N_BLOCKS,
    N_HEADS,
    N_TOKENS,
    N_TOKENS_LARGE,
    NORMS,
)
from autograder.checks.convolution.inputs import count
from autograder.student import Student

PARAMETERS = "book/unit3/multi_head.html#multi-head-parameters"
BLOCK = "book/unit3/block.html#block-parameters"
TIME = "book/unit3/cost.html#cost-time"
MEMORY = "book/unit3/cost.html#cost-memory"

SQUARE = EMBED_DIM * EMBED_DIM
HEAD_DIM = EMBED_DIM // N_HEADS


@pytest.mark.task("n_attention_parameters", page=PARAMETERS)
def test_n_attention_parameters(student: Student) -> None:
    """The parameters of a layer with several heads."""
    per_head = 3 * (EMBED_DIM * HEAD_DIM + HEAD_DIM)
    mistakes = {
        "each of the four linear maps has a bias for each of its outputs": 4 * SQUARE,
        "the output projection has parameters as well": 3 * (SQUARE + EMBED_DIM),
        "the output projection has parameters as well, and every map has biases": 3 * SQUARE,
        "the heads share the features: five heads have no more weights than one": (
            N_HEADS * ATTENTION
        ),
        "each head has maps of its own from D to d features, and here each leads to D": (
            N_HEADS * 3 * (SQUARE + EMBED_DIM) + SQUARE + EMBED_DIM
        ),
        "this is one head: there are five, and the projection": per_head,
        "these are the heads of the layer without its projection's biases": (
            N_HEADS * per_head + SQUARE
        ),
        "the number of tokens does not enter: every token has the same maps": N_TOKENS * ATTENTION,
        "this is one linear map of four": SQUARE + EMBED_DIM,
        "this is the whole network: the question is about one layer": N_BLOCKS * ATTENTION,
    }
    value = student.value("n_attention_parameters")
    count("n_attention_parameters", value, int(EXPECTED["n_attention_parameters"]), mistakes)


@pytest.mark.task("n_block_parameters", page=BLOCK)
def test_n_block_parameters(student: Student) -> None:
    """The parameters of a block."""
    weights = 4 * SQUARE + 2 * EMBED_DIM * HIDDEN_DIM
    mistakes = {
        "each normalisation has a scale and a shift for each feature": ATTENTION + MLP,
        "there are two normalisations, each with a scale and a shift for every feature": (
            ATTENTION + MLP + 2 * EMBED_DIM
        ),
        "a normalisation has a scale and a shift for each feature, not for the whole token": (
            ATTENTION + MLP + 4
        ),
        "the linear maps have biases": weights + NORMS,
        "the linear maps have biases, and the normalisations scales and shifts": weights,
        "the MLP is missing": ATTENTION + NORMS,
        "the attention is missing": MLP + NORMS,
        "the MLP has two layers": ATTENTION + NORMS + EMBED_DIM * HIDDEN_DIM + HIDDEN_DIM,
        "the output projection of the attention is missing": (
            ATTENTION + NORMS + MLP - SQUARE - EMBED_DIM
        ),
        "the hidden layer has 240 units here, not four times the features": (
            ATTENTION + NORMS + 8 * SQUARE + 5 * EMBED_DIM
        ),
        "this is the whole network: the question is about one block": (
            N_BLOCKS * (ATTENTION + NORMS + MLP)
        ),
    }
    value = student.value("n_block_parameters")
    count("n_block_parameters", value, int(EXPECTED["n_block_parameters"]), mistakes)


@pytest.mark.task("n_map_entries", page=MEMORY)
def test_n_map_entries(student: Student) -> None:
    """The entries of all attention maps of one image."""
    square = N_TOKENS**2
    mistakes = {
        "every block has maps of its own": N_HEADS * square,
        "every head has a map of its own": N_BLOCKS * square,
        "this is one map: every head of every block has one": square,
        "a map has an entry for each pair of tokens": N_BLOCKS * N_HEADS * N_TOKENS,
        "the class token attends and is attended to as well": (
            N_BLOCKS * N_HEADS * (N_TOKENS - 1) ** 2
        ),
        "a map is T × T, not T × D": N_BLOCKS * N_HEADS * N_TOKENS * EMBED_DIM,
        "a map is T × T, not T × d": N_BLOCKS * N_HEADS * N_TOKENS * HEAD_DIM,
        "a map has an entry for each pair of tokens, whatever the number of features": (
            N_BLOCKS * N_HEADS * square * EMBED_DIM
        ),
    }
    count(
        "n_map_entries",
        student.value("n_map_entries"),
        int(EXPECTED["n_map_entries"]),
        mistakes,
    )


@pytest.mark.task("n_score_products", page=TIME)
def test_n_score_products(student: Student) -> None:
    """The multiplications of the scores of one layer."""
    pairs = N_TOKENS**2
    mistakes = {
        "five heads share the features: each score has D / 5 products": pairs * EMBED_DIM * N_HEADS,
        "this is one head of five": pairs * HEAD_DIM,
        "this is the number of scores of all heads: each is a sum of products": pairs * N_HEADS,
        "this is the number of scores of one head: each is a sum of products": pairs,
        "every token meets every token: T² and not T": N_TOKENS * EMBED_DIM,
        "T² D, and not T D²: that is the cost of a linear map": N_TOKENS * SQUARE,
        "the values are not asked for: the scores alone": 2 * pairs * EMBED_DIM,
        "multiplications are counted, not multiplications and additions": (
            2 * pairs * EMBED_DIM - pairs * N_HEADS
        ),
        "this is the whole network: the question is about one layer": N_BLOCKS * pairs * EMBED_DIM,
        "the class token attends as well": (N_TOKENS - 1) ** 2 * EMBED_DIM,
    }
    value = student.value("n_score_products")
    count("n_score_products", value, int(EXPECTED["n_score_products"]), mistakes)


@pytest.mark.task("map_growth", page=MEMORY)
def test_map_growth(student: Student) -> None:
    """The factor by which the attention maps grow."""
    ratio = N_TOKENS_LARGE / N_TOKENS
    mistakes = {
        "the tokens grow by this factor; a map has an entry for each pair of them. Dividing the "
        "scores by √d_k changes how large they are, and not how many": ratio,
        "four times the patches, but one class token as before: take 577 and 145": 16.0,
        "the patches grow by this factor; a map has an entry for each pair of tokens": 4.0,
        "the sides grow by this factor, the patches by its square": 2.0,
        "dividing the scores by √d_k changes how large they are, and not how many": (
            ratio**2 / HEAD_DIM**0.5
        ),
        "this is the share of the small maps in the large ones: invert it": ratio**-2,
        "the number of entries grows with the square of the tokens, not with the cube": ratio**3,
        "the number of entries does change: a map is T × T": 1.0,
    }
    value = student.value("map_growth")
    tools.number("map_growth", value, EXPECTED["map_growth"], mistakes, rel=1e-3)
