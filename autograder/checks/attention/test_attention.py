"""Hidden checks of the attention weights and of attention itself, against PyTorch's."""

import math
from collections.abc import Mapping
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.attention.inputs import (
    LIBRARY,
    close,
    mask_mistakes,
    products,
    random_mask,
    require_finite,
    scale_mistakes,
    softmax,
    weights,
    wrong_sizes,
)
from autograder.checks.convolution.inputs import require_shape
from autograder.checks.perceptron.inputs import normal
from autograder.student import Student

FORBIDDEN = {"attention_weights": LIBRARY, "scaled_dot_product_attention": LIBRARY}
FORMULA = "book/unit3/attention.html#attention-formula"
SCALE = "book/unit3/attention.html#attention-scale"
MASK = "book/unit3/attention.html#attention-mask"
ROWS = "book/unit3/attention.html#attention-rows"

FORBIDDEN_KEY = "the key with the largest score is forbidden: the mask is left out, or inverted"
INFINITY = (
    "nan comes of 0 times infinity (set what is forbidden by masked_fill or torch.where), and of a "
    "softmax down a column in which all is forbidden"
)
LATE = "the mask acts before the softmax: afterwards nothing may be left of an allowed weight"
NOT_ZERO = "a forbidden weight is exactly 0: put -infinity in the place of its score"
MATRIX = "the matrix of weights"
TRANSPOSED = "the weights are transposed: a row belongs to a query, a column to a key"


# ---- the weights --------------------------------------------------------------------------------


def _weights(student: Student, Q: Tensor, K: Tensor, mask: Tensor | None = None) -> Tensor:
    """The student's weights, in the right shape; Q, K and mask are not modified."""
    given = [value if value is None else value.clone() for value in (Q, K, mask)]
    with wrong_sizes(), tools.wrong_view():
        value = student.attention_weights(*(given[:2] if mask is None else given))
    shape = products(Q, K).shape
    swapped = (*shape[:-2], shape[-1], shape[-2])
    came = require_shape(MATRIX, value, shape, {TRANSPOSED: swapped})
    _untouched({"Q": Q, "K": K, "mask": mask}, given)
    return came


def _untouched(before: Mapping[str, Tensor | None], given: list[Tensor | None]) -> None:
    for (name, value), after in zip(before.items(), given, strict=True):
        if value is not None and after is not None:
            tools.unchanged(name, value, after)


def _check_weights(student: Student, Q: Tensor, K: Tensor, mask: Tensor | None = None) -> None:
    came = _weights(student, Q, K, mask)
    wrong = scale_mistakes(Q, K, mask)
    if mask is not None:
        require_finite("a row with forbidden keys", came, INFINITY)
        wrong = mask_mistakes(Q, K, mask) | wrong
    close(MATRIX, came, weights(Q, K, mask), wrong)


@pytest.mark.task("attention_weights", weight=3, page=SCALE)
def test_weights_without_a_mask(student: Student, rng: torch.Generator) -> None:
    """Three sequences, five queries and seven keys each."""
    _check_weights(student, normal(rng, 3, 5, 4), normal(rng, 3, 7, 4))


@pytest.mark.task("attention_weights", weight=1, page=ROWS)
def test_as_many_queries_as_keys(student: Student, rng: torch.Generator) -> None:
    """As many queries as keys: each row sums to one, and not each column."""
    Q, K = normal(rng, 2, 6, 3), normal(rng, 2, 6, 3)
    wrong = scale_mistakes(Q, K) | {TRANSPOSED: weights(Q, K).transpose(-2, -1)}
    close(MATRIX, _weights(student, Q, K), weights(Q, K), wrong)


@pytest.mark.task("attention_weights", weight=2, page=MASK)
def test_weights_with_a_mask(student: Student, rng: torch.Generator) -> None:
    """A mask with a random number of allowed keys in each row."""
    Q, K = normal(rng, 3, 5, 4), normal(rng, 3, 7, 4)
    _check_weights(student, Q, K, random_mask(rng, 3, 5, 7))


@pytest.mark.task("attention_weights", weight=1, page=MASK)
def test_masks_that_broadcast(student: Student, rng: torch.Generator) -> None:
    """One mask for the whole batch, and one row of a mask for all queries."""
    Q, K = normal(rng, 3, 5, 4), normal(rng, 3, 7, 4)
    for shape in ((5, 7), (3, 1, 7)):
        _check_weights(student, Q, K, random_mask(rng, *shape))


@pytest.mark.task("attention_weights", weight=1, page=MASK)
def test_forbidden_weights_are_zero(student: Student, rng: torch.Generator) -> None:
    """Where the mask is False the weight is exactly 0, and the others of the row sum to one."""
    Q, K, mask = normal(rng, 2, 6, 4), normal(rng, 2, 5, 4), random_mask(rng, 2, 6, 5)
    came = _weights(student, Q, K, mask)
    require_finite("a row with forbidden keys", came, INFINITY)
    n_wrong = int((came[~mask] != 0).sum())
    tools.require(n_wrong == 0, f"{n_wrong} forbidden weights are not 0", NOT_ZERO)
    far = float((came.sum(dim=-1) - 1).abs().max())
    message = f"the sum of a row of weights differs from 1 by {far:.2g}"
    hint = "the mask acts before the softmax, on the scores: then each row still sums to one"
    tools.require(far < 1e-9, message, hint)


@pytest.mark.task("attention_weights", weight=1, page=ROWS)
def test_large_scores(student: Student, rng: torch.Generator) -> None:
    """Scores of some thousands, of both signs."""
    Q, K = 60 * normal(rng, 2, 5, 4), 60 * normal(rng, 2, 6, 4)
    came = _weights(student, Q, K)
    require_finite("the matrix of weights of large scores", came)
    tools.close(MATRIX, came, weights(Q, K), scale_mistakes(Q, K))


@pytest.mark.task("attention_weights", weight=1, page=MASK)
def test_a_forbidden_key_with_a_large_score(student: Student, rng: torch.Generator) -> None:
    """The forbidden key of each sequence has by far the largest score."""
    Q, K = normal(rng, 2, 5, 4), normal(rng, 2, 6, 4)
    Q[..., 0], K[..., 0] = 20, -30
    forbidden = torch.randint(6, (2,), generator=rng)
    K[range(2), forbidden, 0] = 60
    mask = (torch.arange(6) != forbidden[:, None])[:, None].expand(2, 5, 6)
    came = _weights(student, Q, K, mask.clone())
    require_finite("the weights beside a forbidden key", came, LATE)
    wrong = {FORBIDDEN_KEY: weights(Q, K)} | scale_mistakes(Q, K, mask)
    tools.close(MATRIX, came, weights(Q, K, mask), wrong)


@pytest.mark.task("attention_weights", weight=1, page=FORMULA)
def test_weights_with_other_leading_dimensions(student: Student, rng: torch.Generator) -> None:
    """One sequence without a batch, and a batch of sequences with several heads."""
    _check_weights(student, normal(rng, 5, 4), normal(rng, 7, 4))
    Q, K = normal(rng, 2, 3, 5, 4), normal(rng, 2, 3, 7, 4)
    _check_weights(student, Q, K)
    _check_weights(student, Q, K, random_mask(rng, 2, 1, 5, 7))


@pytest.mark.task("attention_weights", weight=1, page=FORMULA)
def test_weights_of_one_of_each(student: Student, rng: torch.Generator) -> None:
    """A batch of one sequence, one query, one key."""
    for shape_q, shape_k in pairwise([(1, 5, 4), (1, 3, 4), (1, 1, 4), (1, 1, 4)]):
        Q, K = normal(rng, *shape_q), normal(rng, *shape_k)
        close(MATRIX, _weights(student, Q, K), weights(Q, K), scale_mistakes(Q, K))


@pytest.mark.task("attention_weights", weight=1, page=FORMULA)
def test_weights_of_strided_tensors(student: Student, rng: torch.Generator) -> None:
    """Tensors that are not contiguous, and the dtype of the queries."""
    Q, K = normal(rng, 4, 5, 3).transpose(0, 2), normal(rng, 4, 7, 3).transpose(0, 2)
    _check_weights(student, Q, K)
    came = _weights(student, Q.float(), K.float())
    dtype = f"the weights of float32 have dtype {came.dtype}"
    tools.require(came.dtype == torch.float32, dtype, "compute in the dtype of the queries")


# ---- attention ----------------------------------------------------------------------------------


def _attention(
    student: Student, Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None
) -> Tensor:
    """The student's output, in the right shape; the arguments are not modified."""
    given = [value if value is None else value.clone() for value in (Q, K, V, mask)]
    with wrong_sizes(), tools.wrong_view():
        value = student.scaled_dot_product_attention(*(given[:3] if mask is None else given))
    message = f"one tensor is expected, and {tools.described(value)} came"
    tools.require(not isinstance(value, tuple | list), message, "return the output alone")
    shape = torch.Size((*Q.shape[:-1], V.shape[-1]))
    hint = "the weights average the values: this has the size of the keys"
    came = require_shape("the output", value, shape, {hint: Q.shape})
    _untouched({"Q": Q, "K": K, "V": V, "mask": mask}, given)
    return came


def _check_attention(
    student: Student, Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None
) -> None:
    came = _attention(student, Q, K, V, mask)
    wrong = scale_mistakes(Q, K, mask)
    if mask is not None:
        require_finite("the output for a row with forbidden keys", came, INFINITY)
        wrong = mask_mistakes(Q, K, mask) | wrong
    outputs = {hint: A @ V for hint, A in wrong.items()}
    if mask is None:
        by_values = softmax(products(Q, K) / math.sqrt(V.shape[-1])) @ V
        outputs["d_k is the length of a query, not of a value"] = by_values
    if Q.shape == K.shape:
        columns = "a row of weights belongs to a query: here the columns of A weigh the values"
        outputs[columns] = weights(Q, K, mask).transpose(-2, -1) @ V
    expected = functional.scaled_dot_product_attention(Q, K, V, attn_mask=mask)
    close("the output", came, expected, outputs)


@pytest.mark.task("scaled_dot_product_attention", weight=3, page=FORMULA)
def test_attention_without_a_mask(student: Student, rng: torch.Generator) -> None:
    """Three sequences, five queries, seven keys and values, of unequal lengths."""
    _check_attention(student, normal(rng, 3, 5, 4), normal(rng, 3, 7, 4), normal(rng, 3, 7, 6))


@pytest.mark.task("scaled_dot_product_attention", weight=1, page=FORMULA)
def test_attention_of_a_sequence_to_itself(student: Student, rng: torch.Generator) -> None:
    """As many queries as keys."""
    _check_attention(student, normal(rng, 2, 6, 5), normal(rng, 2, 6, 5), normal(rng, 2, 6, 3))


@pytest.mark.task("scaled_dot_product_attention", weight=2, page=MASK)
def test_attention_with_a_mask(student: Student, rng: torch.Generator) -> None:
    """A mask for each sequence, and one for the whole batch."""
    Q, K, V = normal(rng, 3, 5, 4), normal(rng, 3, 7, 4), normal(rng, 3, 7, 6)
    for shape in ((3, 5, 7), (5, 7)):
        _check_attention(student, Q, K, V, random_mask(rng, *shape))


@pytest.mark.task("scaled_dot_product_attention", weight=1, page=MASK)
def test_no_query_sees_the_keys_after_it(student: Student, rng: torch.Generator) -> None:
    """The lower triangle as the mask: the first query has one key alone."""
    Q, K, V = normal(rng, 2, 6, 5), normal(rng, 2, 6, 5), normal(rng, 2, 6, 3)
    mask = torch.ones(6, 6, dtype=torch.bool).tril()
    came = _attention(student, Q, K, V, mask)
    A = weights(Q, K, mask)
    upper = weights(Q, K, ~mask | torch.eye(6, dtype=torch.bool)) @ V
    wrong = {
        "the mask is left out": weights(Q, K) @ V,
        "True in the mask means that a query may attend to a key": upper,
        "a row of weights belongs to a query: here the columns of A weigh the values": (
            A.transpose(-2, -1) @ V
        ),
        "the mask acts before the softmax, on the scores": weights(Q, K).tril() @ V,
    }
    close("the output", came, A @ V, wrong)


@pytest.mark.task("scaled_dot_product_attention", weight=1, page=ROWS)
def test_attention_with_large_scores(student: Student, rng: torch.Generator) -> None:
    """Scores of some thousands, of both signs."""
    Q, K, V = 60 * normal(rng, 2, 5, 4), 60 * normal(rng, 2, 6, 4), normal(rng, 2, 6, 3)
    came = _attention(student, Q, K, V)
    require_finite("the output for large scores", came)
    wrong = {hint: A @ V for hint, A in scale_mistakes(Q, K).items()}
    tools.close("the output for large scores", came, weights(Q, K) @ V, wrong)


@pytest.mark.task("scaled_dot_product_attention", weight=1, page=FORMULA)
def test_attention_with_other_leading_dimensions(student: Student, rng: torch.Generator) -> None:
    """One sequence without a batch, and a batch of sequences with several heads."""
    _check_attention(student, normal(rng, 5, 4), normal(rng, 7, 4), normal(rng, 7, 6))
    Q, K, V = normal(rng, 2, 3, 5, 4), normal(rng, 2, 3, 7, 4), normal(rng, 2, 3, 7, 6)
    _check_attention(student, Q, K, V, random_mask(rng, 2, 1, 5, 7))


@pytest.mark.task("scaled_dot_product_attention", weight=1, page=FORMULA)
def test_attention_of_one_sequence(student: Student, rng: torch.Generator) -> None:
    """A batch of one, with several queries and with one, and tensors that are not contiguous."""
    for n_queries in (5, 1):
        Q, K = normal(rng, n_queries, 1, 4).transpose(0, 1), normal(rng, 4, 7, 1).transpose(0, 2)
        _check_attention(student, Q, K, normal(rng, 1, 7, 6))
