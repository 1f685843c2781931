"""Hidden checks of the gradients through the softmax and through attention, against autograd."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.attention.inputs import (
    LIBRARY,
    Tensors,
    close,
    products,
    softmax,
    weights,
    wrong_sizes,
)
from autograder.checks.perceptron.inputs import normal
from autograder.student import Student

FORBIDDEN = {
    "softmax_backward": [*tools.AUTOGRAD, "torch._softmax_backward_data", "torch._C"],
    "attention_backward": [*tools.AUTOGRAD, *LIBRARY, "torch._softmax_backward_data"],
}
SOFTMAX = "book/unit3/attention_backward.html#attention-backward-softmax"
QKV = "book/unit3/attention_backward.html#attention-backward-qkv"

DENOMINATOR = "the gradient through the denominator of the softmax is missing: every score is in it"
DIAGONAL = "every score moves every weight of its row: here a weight depends on its own score alone"
KEEPDIM = "the sum of a row is subtracted from each entry of that row: keepdim=True keeps the place"
LAST = "the sum runs over the last dimension, the keys: here it runs over the queries"
ORDER = "return the gradients in the order dQ, dK, dV"
TRIPLE = "return three gradients: dQ, dK and dV"


# ---- the softmax --------------------------------------------------------------------------------


def _through_softmax(student: Student, upstream: Tensor, A: Tensor) -> Tensor:
    """The student's gradient; the arguments are not modified."""
    given = upstream.clone(), A.clone()
    with tools.graph_is_off(), wrong_sizes(KEEPDIM), tools.wrong_view(), student.no_autograd():
        value = student.softmax_backward(*given)
    came = tools.tensor("the gradient of the scores", value, A.shape)
    tools.unchanged("upstream", upstream, given[0])
    tools.unchanged("A", A, given[1])
    return came


def _softmax_mistakes(upstream: Tensor, A: Tensor) -> Tensors:
    along = upstream * A
    row = along.sum(dim=-1, keepdim=True)
    again = softmax(A)
    found = {
        DIAGONAL: along * (1 - A),
        DENOMINATOR: along,
        LAST: A * (upstream - along.sum(dim=-2, keepdim=True)),
        "the rows are independent: the sum is that of a row, and here it is that of all": (
            A * (upstream - along.sum())
        ),
        "the sum of the row is subtracted, and here it is added": A * (upstream + row),
        "the factor A in front is missing": upstream - row,
        "the sum of the row is that of the upstream gradient weighted by A": (
            A * (upstream - upstream.sum(dim=-1, keepdim=True))
        ),
        "what is subtracted is the sum of a row, not a mean": A * (upstream - row / A.shape[-1]),
        "A is the output of the softmax already: no other softmax of it": (
            again * (upstream - (upstream * again).sum(dim=-1, keepdim=True))
        ),
    }
    if A.dim() == 2 and A.shape[0] == A.shape[1]:
        found[KEEPDIM] = A * (upstream - row.T)
    return found


def _check_softmax(student: Student, upstream: Tensor, scores: Tensor) -> None:
    leaf = scores.clone().requires_grad_()
    output = leaf.softmax(dim=-1)
    (expected,) = torch.autograd.grad(output, leaf, upstream)
    A = output.detach()
    came = _through_softmax(student, upstream, A)
    close("the gradient of the scores", came, expected, _softmax_mistakes(upstream, A))


@pytest.mark.task("softmax_backward", weight=3, page=SOFTMAX)
def test_gradient_of_the_scores(student: Student, rng: torch.Generator) -> None:
    """Three sequences, five queries and seven keys each."""
    _check_softmax(student, normal(rng, 3, 5, 7), 2 * normal(rng, 3, 5, 7))


@pytest.mark.task("softmax_backward", weight=1, page=SOFTMAX)
def test_gradient_of_square_scores(student: Student, rng: torch.Generator) -> None:
    """One sequence without a batch, as many queries as keys."""
    _check_softmax(student, normal(rng, 6, 6), normal(rng, 6, 6))


@pytest.mark.task("softmax_backward", weight=1, page=SOFTMAX)
def test_gradient_of_scores_of_several_heads(student: Student, rng: torch.Generator) -> None:
    """Two leading dimensions, and tensors that are not contiguous."""
    upstream, scores = normal(rng, 7, 3, 2, 5), normal(rng, 7, 3, 2, 5)
    _check_softmax(student, upstream.permute(2, 1, 3, 0), scores.permute(2, 1, 3, 0))


@pytest.mark.task("softmax_backward", weight=1, page=SOFTMAX)
def test_gradient_of_masked_scores(student: Student, rng: torch.Generator) -> None:
    """Weights of exactly 0: their scores get no gradient."""
    scores = normal(rng, 2, 5, 5).masked_fill(torch.ones(5, 5, dtype=torch.bool).triu(1), -math.inf)
    _check_softmax(student, normal(rng, 2, 5, 5), scores)


@pytest.mark.task("softmax_backward", weight=1, page=SOFTMAX)
def test_gradient_of_one_row(student: Student, rng: torch.Generator) -> None:
    """One sequence with one query; and one key alone, whose weight is always 1."""
    _check_softmax(student, normal(rng, 1, 1, 6), normal(rng, 1, 1, 6))
    _check_softmax(student, normal(rng, 1, 4, 1), normal(rng, 1, 4, 1))


# ---- attention ----------------------------------------------------------------------------------


def _through_attention(student: Student, arguments: Sequence[Tensor]) -> Tensors:
    """The student's three gradients by name; the arguments are not modified."""
    given = [value.clone() for value in arguments]
    with tools.graph_is_off(), wrong_sizes(), tools.wrong_view(), student.no_autograd():
        value = student.attention_backward(*given)
    for name, before, after in zip(("upstream", "Q", "K", "V"), arguments, given, strict=True):
        tools.unchanged(name, before, after)
    what = f"three tensors are expected, and {tools.described(value)} came"
    tools.require(isinstance(value, tuple | list) and len(value) == 3, what, TRIPLE)
    shapes = [tuple(getattr(item, "shape", ())) for item in value]
    asked = [tuple(item.shape) for item in arguments[1:]]
    message = f"the gradients have the shapes {shapes}"
    tools.require(shapes == asked or sorted(shapes) != sorted(asked), message, ORDER)
    return {
        name: tools.tensor(name, item, shape)
        for name, item, shape in zip(("dQ", "dK", "dV"), value, asked, strict=True)
    }


def _of_scores(d_scores: Tensor, Q: Tensor, K: Tensor) -> Tensors:
    """dQ and dK that belong to the gradient of the scaled products."""
    return {"dQ": d_scores @ K, "dK": d_scores.transpose(-2, -1) @ Q}


def _mistakes(upstream: Tensor, Q: Tensor, K: Tensor, V: Tensor) -> dict[str, Tensors]:
    """The gradients after each mistake, by hint; what a mistake leaves right is left out."""
    scale = 1 / math.sqrt(Q.shape[-1])
    A, dA = weights(Q, K), upstream @ V.transpose(-2, -1)
    row = (dA * A).sum(dim=-1, keepdim=True)
    right = A * (dA - row)
    dV = A.transpose(-2, -1) @ upstream
    unscaled = _of_scores(right, Q, K)
    hints = {name: f"the factor 1/√d_k of the scores is missing in {name}" for name in unscaled}
    sharp = softmax(products(Q, K))
    sharp_d = sharp * (dA - (dA * sharp).sum(dim=-1, keepdim=True))
    forward = {"dV": sharp.transpose(-2, -1) @ upstream} | _of_scores(sharp_d, Q, K)
    forward_scaled = forward | _of_scores(scale * sharp_d, Q, K)
    n = len(Q)
    found: dict[str, Tensors] = {hints[name]: {name: value} for name, value in unscaled.items()}
    found |= {
        "the scores of the forward pass are divided by √d_k": forward,
        "the scores of the forward pass are divided by √d_k, as on the way back": forward_scaled,
        "the factor 1/√d_k comes once on the way back": _of_scores(scale**2 * right, Q, K),
        "the way back through the softmax is missing": _of_scores(scale * dA, Q, K),
        DIAGONAL: _of_scores(scale * A * (1 - A) * dA, Q, K),
        DENOMINATOR: _of_scores(scale * A * dA, Q, K),
        LAST: _of_scores(scale * A * (dA - (dA * A).sum(dim=-2, keepdim=True)), Q, K),
        "A multiplies upstream in dV, and these are the values themselves": {
            "dV": A.transpose(-2, -1) @ (A @ V)
        },
        "a mean over the batch is already in upstream: the gradients are sums": {
            name: value / n
            for name, value in (_of_scores(scale * right, Q, K) | {"dV": dV}).items()
        },
    }
    if Q.shape == K.shape:
        found["d_scores enters dK transposed: its rows belong to the queries"] = {
            "dK": scale * right @ Q
        }
        found["A enters dV transposed: each value collects from all queries"] = {"dV": A @ upstream}
    return found


def _check_attention(
    student: Student, arguments: Sequence[Tensor], names: Sequence[str] = ("dV", "dQ", "dK")
) -> None:
    upstream, *values = arguments
    Q, K, V = (value.clone().requires_grad_() for value in values)
    output = functional.scaled_dot_product_attention(Q, K, V)
    gradients = torch.autograd.grad(output, [Q, K, V], upstream)
    expected = dict(zip(("dQ", "dK", "dV"), gradients, strict=True))
    came = _through_attention(student, arguments)
    mistakes = _mistakes(upstream, *values)
    for name in names:
        wrong = {hint: values[name] for hint, values in mistakes.items() if name in values}
        close(name, came[name], expected[name], wrong)


def _unequal(rng: torch.Generator) -> list[Tensor]:
    """Upstream, Q, K and V of three sequences: five queries, seven keys, d_k = 4, d_v = 6."""
    return [normal(rng, *shape) for shape in ((3, 5, 6), (3, 5, 4), (3, 7, 4), (3, 7, 6))]


@pytest.mark.task("attention_backward", weight=2, page=QKV)
def test_gradient_of_the_values(student: Student, rng: torch.Generator) -> None:
    """dV, against autograd."""
    _check_attention(student, _unequal(rng), ["dV"])


@pytest.mark.task("attention_backward", weight=2, page=QKV)
def test_gradient_of_the_queries(student: Student, rng: torch.Generator) -> None:
    """dQ, against autograd."""
    _check_attention(student, _unequal(rng), ["dQ"])


@pytest.mark.task("attention_backward", weight=2, page=QKV)
def test_gradient_of_the_keys(student: Student, rng: torch.Generator) -> None:
    """dK, against autograd."""
    _check_attention(student, _unequal(rng), ["dK"])


@pytest.mark.task("attention_backward", weight=2, page=QKV)
def test_gradients_of_equal_sizes(student: Student, rng: torch.Generator) -> None:
    """As many queries as keys, and values as long as queries: all gradients have one shape."""
    arguments = [normal(rng, 2, 6, 5) for _ in range(4)]
    _check_attention(student, arguments)


@pytest.mark.task("attention_backward", weight=1, page=QKV)
def test_gradients_with_other_leading_dimensions(student: Student, rng: torch.Generator) -> None:
    """One sequence without a batch, and a batch of sequences with several heads."""
    for outer in ((), (2, 3)):
        shapes = ((5, 6), (5, 4), (7, 4), (7, 6))
        arguments = [normal(rng, *outer, *shape) for shape in shapes]
        _check_attention(student, arguments)


@pytest.mark.task("attention_backward", weight=1, page=QKV)
def test_gradients_of_one_query(student: Student, rng: torch.Generator) -> None:
    """A batch of one sequence with one query, tensors that are not contiguous."""
    shapes = ((6, 1, 1), (4, 1, 1), (4, 7, 1), (6, 7, 1))
    arguments = [normal(rng, *shape).transpose(0, 2) for shape in shapes]
    _check_attention(student, arguments)
