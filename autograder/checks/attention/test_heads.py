"""Hidden checks of self-attention with one head and with several, on copied weights."""

import math
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn

from autograder.checks import tools
from autograder.checks.attention.inputs import (
    LIBRARY,
    Tensors,
    mask_mistakes,
    products,
    random_mask,
    require_finite,
    scale_mistakes,
    softmax,
    weights,
)
from autograder.checks.attention.modules import (
    check_gradients,
    linear,
    loaded,
    output,
    random_weights,
)
from autograder.checks.convolution.inputs import refuses
from autograder.student import Handle, Student
from solutions import transformer

FUSED = ("torch.nn.functional.scaled_dot_product_attention", "torch.nn.attention", "torch.ops")
FORBIDDEN = {
    "SelfAttention": LIBRARY,
    "MultiHeadSelfAttention": [name for name in LIBRARY if name not in FUSED],
}
FORMULA = "book/unit3/attention.html#attention-formula"
SCALE = "book/unit3/attention.html#attention-scale"
MASK = "book/unit3/attention.html#attention-mask"
ROWS = "book/unit3/attention.html#attention-rows"
SPLIT = "book/unit3/multi_head.html#multi-head-split"

ACROSS = "tokens of one image attend to each other, and never to those of other images of a batch"
EACH_HEAD = "the mask holds in every head: give it a dimension for the heads, mask.unsqueeze(-3)"
NO_PROJECTION = "proj is missing: it follows the attention"
NO_RESIDUAL = "no residual here: adding X belongs to the block"
NO_SCALE = "the division of the scores by √d is missing"
OF_A_TOKEN = "d is the length of a head's query, not of a token: √d and not √D"

Values = Mapping[str, Tensor]


# ---- one head -----------------------------------------------------------------------------------


def _one_head(rng: torch.Generator, student: Student) -> tuple[Handle, Tensors]:
    """A student's head with random weights: 7 features a token, 4 a query."""
    values = random_weights(rng, transformer.SelfAttention, 7, 4)
    return loaded(student.SelfAttention(7, 4), values), values


def _maps(values: Values, X: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of the tokens."""
    Q, K, V = (linear(values, name, X) for name in ("query", "key", "value"))
    return Q, K, V


def _head(values: Values, X: Tensor, mask: Tensor | None = None) -> Tensor:
    Q, K, V = _maps(values, X)
    return linear(values, "proj", weights(Q, K, mask) @ V)


def _head_mistakes(values: Values, X: Tensor) -> Tensors:
    """What likely mistakes give, without a mask."""
    Q, K, V = _maps(values, X)
    A = weights(Q, K)

    def through(A: Tensor, V: Tensor = V) -> Tensor:
        return linear(values, "proj", A @ V)

    n, n_tokens, embed_dim = X.shape
    together = X.reshape(1, n * n_tokens, embed_dim)
    swapped = {"query.weight": values["key.weight"], "query.bias": values["key.bias"]}
    swapped |= {"key.weight": values["query.weight"], "key.bias": values["query.bias"]}
    found = {
        OF_A_TOKEN: through(softmax(products(Q, K) / math.sqrt(embed_dim))),
        NO_SCALE: through(softmax(products(Q, K))),
        "the layers query and key are exchanged: the rows of the scores belong to the queries": (
            _head({**values, **swapped}, X)
        ),
        "the layer value is not used: the keys stand in its place": through(A, K),
        "the layer key is not used: the queries stand in its place": through(weights(Q, Q)),
        "the layer query is not used: the keys stand in its place": through(weights(K, K)),
        NO_RESIDUAL: X + through(A),
        ACROSS: _head(values, together).reshape(X.shape),
    }
    return found | {hint: through(A) for hint, A in scale_mistakes(Q, K).items()}


def _check_head(rng: torch.Generator, student: Student, n: int, n_tokens: int) -> None:
    model, values = _one_head(rng, student)
    X = torch.randn(n, n_tokens, 7, generator=rng)
    came = output(model, X, wrong_shapes={NO_PROJECTION: (n, n_tokens, 4)})
    tools.close("the output", came, _head(values, X), _head_mistakes(values, X))


@pytest.mark.task("SelfAttention", weight=3, page=FORMULA)
def test_one_head(student: Student, rng: torch.Generator) -> None:
    """The output for known weights, a batch of three sequences with five tokens."""
    _check_head(rng, student, 3, 5)


@pytest.mark.task("SelfAttention", weight=1, page=FORMULA)
def test_one_head_of_one_sequence(student: Student, rng: torch.Generator) -> None:
    """A batch of one sequence, with six tokens and with one."""
    _check_head(rng, student, 1, 6)
    _check_head(rng, student, 1, 1)


@pytest.mark.task("SelfAttention", weight=1, page=SCALE)
def test_one_head_that_is_larger_than_a_token(student: Student, rng: torch.Generator) -> None:
    """A head of nine features for tokens of two, not contiguous: √d is that of the head."""
    values = random_weights(rng, transformer.SelfAttention, 2, 9)
    model = loaded(student.SelfAttention(2, 9), values)
    X = torch.randn(4, 2, 3, generator=rng).transpose(1, 2)
    came = output(model, X, wrong_shapes={NO_PROJECTION: (4, 3, 9)})
    tools.close("the output", came, _head(values, X), _head_mistakes(values, X))


@pytest.mark.task("SelfAttention", weight=2, page=MASK)
def test_one_head_with_a_mask(student: Student, rng: torch.Generator) -> None:
    """A mask for each sequence, and one for the whole batch."""
    model, values = _one_head(rng, student)
    X = torch.randn(3, 5, 7, generator=rng)
    Q, K, V = _maps(values, X)
    for shape in ((3, 5, 5), (5, 5)):
        mask = random_mask(rng, *shape)
        came = output(model, X, mask)
        wrong = {
            hint: linear(values, "proj", A @ V) for hint, A in mask_mistakes(Q, K, mask).items()
        }
        tools.close("the output with a mask", came, _head(values, X, mask), wrong)


@pytest.mark.task("SelfAttention", weight=1, page=ROWS)
def test_one_head_with_large_scores(student: Student, rng: torch.Generator) -> None:
    """Large scores of both signs: in each row they differ from each other by little."""
    values = random_weights(rng, transformer.SelfAttention, 7, 4)
    values["key.bias"] = values["key.bias"] + 150
    X = torch.randn(5, 6, 7, generator=rng)
    came = output(loaded(student.SelfAttention(7, 4), values), X)
    require_finite("the output for large scores", came)
    exact = {name: value.double() for name, value in values.items()}
    expected = _head(exact, X.double())
    wrong = _head_mistakes(exact, X.double())
    tools.close("the output for large scores", came, expected, wrong, rtol=2e-2, atol=2e-2)


@pytest.mark.task("SelfAttention", weight=1, page=FORMULA)
def test_gradients_of_one_head(student: Student, rng: torch.Generator) -> None:
    """Every parameter gets its gradient."""
    model, values = _one_head(rng, student)
    check_gradients(rng, model, values, torch.randn(3, 5, 7, generator=rng), _head)


# ---- several heads ------------------------------------------------------------------------------


def _several_heads(
    rng: torch.Generator, student: Student, embed_dim: int, n_heads: int
) -> tuple[Handle, Tensors]:
    values = random_weights(rng, transformer.MultiHeadSelfAttention, embed_dim, n_heads)
    return loaded(student.MultiHeadSelfAttention(embed_dim, n_heads), values), values


def _oracle(values: Values, X: Tensor, n_heads: int, mask: Tensor | None = None) -> Tensor:
    """The same by PyTorch's own layer, on copied weights."""
    theirs = nn.MultiheadAttention(X.shape[-1], n_heads, batch_first=True, dtype=X.dtype)
    parts = ("query", "key", "value")
    state = {
        "in_proj_weight": torch.cat([values[f"{part}.weight"] for part in parts]),
        "in_proj_bias": torch.cat([values[f"{part}.bias"] for part in parts]),
        "out_proj.weight": values["proj.weight"],
        "out_proj.bias": values["proj.bias"],
    }
    forbidden = None
    if mask is not None:
        of_each = mask.expand(len(X), *mask.shape[-2:])
        forbidden = ~of_each.repeat_interleave(n_heads, dim=0)
    return torch.func.functional_call(
        theirs, state, (X, X, X), {"attn_mask": forbidden, "need_weights": False}
    )[0]


def _split(X: Tensor, n_heads: int) -> Tensor:
    """B × T × D to B × n_heads × T × d, each head with neighbouring features."""
    return X.unflatten(-1, (n_heads, -1)).transpose(1, 2)


def _join(heads: Tensor) -> Tensor:
    return heads.transpose(1, 2).flatten(2)


def _several_mistakes(values: Values, X: Tensor, n_heads: int) -> Tensors:
    """What likely mistakes give, without a mask."""
    n, n_tokens, embed_dim = X.shape
    Q, K, V = _maps(values, X)

    def with_weights(rule: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        A = rule(_split(Q, n_heads), _split(K, n_heads))
        return linear(values, "proj", _join(A @ _split(V, n_heads)))

    def with_split(split: Callable[[Tensor], Tensor]) -> Tensor:
        return weights(split(Q), split(K)) @ split(V)

    def projected(heads: Tensor) -> Tensor:
        return linear(values, "proj", heads)

    def interleaved(Z: Tensor) -> Tensor:
        return Z.unflatten(-1, (-1, n_heads)).permute(0, 3, 1, 2)

    def mixed(Z: Tensor) -> Tensor:
        return Z.reshape(n, n_heads, n_tokens, -1)

    def untransposed(Z: Tensor) -> Tensor:
        return Z.unflatten(-1, (n_heads, -1))

    heads = with_split(lambda Z: _split(Z, n_heads))
    d = embed_dim // n_heads
    return {
        "head h uses the features h · d to (h + 1) · d - 1: here the features are interleaved": (
            projected(with_split(interleaved).permute(0, 2, 3, 1).flatten(2))
        ),
        "the heads stand side by side, one after the other: here their features alternate": (
            projected(heads.permute(0, 2, 3, 1).flatten(2))
        ),
        "reshape to B × T × n_heads × d, then transpose: a reshape alone mixes the tokens": (
            projected(_join(with_split(mixed)))
        ),
        "transpose back to B × T × n_heads × d before the heads are joined": projected(
            heads.reshape(X.shape)
        ),
        "each token attends to other tokens: here its heads attend to each other": projected(
            with_split(untransposed).flatten(2)
        ),
        "both reshapes take tokens for heads: transpose before and after": projected(
            with_split(mixed).reshape(X.shape)
        ),
        "this is a single head with all features": projected(weights(Q, K) @ V),
        OF_A_TOKEN: with_weights(lambda Q, K: softmax(products(Q, K) / math.sqrt(embed_dim))),
        NO_SCALE: with_weights(lambda Q, K: softmax(products(Q, K))),
        "the softmax runs over the tokens: here it runs over the heads": with_weights(
            lambda Q, K: softmax(products(Q, K) / math.sqrt(d), dim=1)
        ),
        "the softmax runs over the keys, the last dimension: here it runs over the queries": (
            with_weights(lambda Q, K: softmax(products(Q, K) / math.sqrt(d), dim=-2))
        ),
        NO_PROJECTION: _join(heads),
        "the heads stand side by side in their order: here it is the reverse order": projected(
            _join(heads.flip(1))
        ),
        "the heads stand side by side, and not averaged": projected(
            heads.mean(dim=1).repeat(1, 1, n_heads)
        ),
        NO_RESIDUAL: X + projected(_join(heads)),
    }


def _check_several(
    rng: torch.Generator, student: Student, X: Tensor, n_heads: int
) -> tuple[Handle, Tensors]:
    model, values = _several_heads(rng, student, X.shape[-1], n_heads)
    came = output(model, X)
    mistakes = _several_mistakes(values, X, n_heads)
    tools.close("the output", came, _oracle(values, X, n_heads), mistakes)
    return model, values


@pytest.mark.task("MultiHeadSelfAttention", weight=3, page=SPLIT)
def test_several_heads(student: Student, rng: torch.Generator) -> None:
    """Three heads of four features, against nn.MultiheadAttention on copied weights."""
    _check_several(rng, student, torch.randn(2, 5, 12, generator=rng), 3)


@pytest.mark.task("MultiHeadSelfAttention", weight=1, page=SPLIT)
def test_other_numbers_of_heads(student: Student, rng: torch.Generator) -> None:
    """Two heads of three features, a single head, and as many heads as features."""
    for n_heads in (2, 1, 6):
        _check_several(rng, student, torch.randn(3, 4, 6, generator=rng), n_heads)


@pytest.mark.task("MultiHeadSelfAttention", weight=1, page=SPLIT)
def test_several_heads_of_one_sequence(student: Student, rng: torch.Generator) -> None:
    """A batch of one sequence, with five tokens that are not contiguous and with one token."""
    _check_several(rng, student, torch.randn(8, 5, 1, generator=rng).transpose(0, 2), 2)
    _check_several(rng, student, torch.randn(1, 1, 8, generator=rng), 2)


@pytest.mark.task("MultiHeadSelfAttention", weight=2, page=MASK)
@pytest.mark.parametrize("n", [2, 3])
def test_several_heads_with_a_mask(student: Student, rng: torch.Generator, n: int) -> None:
    """A mask for each sequence, and one for the whole batch; three heads."""
    model, values = _several_heads(rng, student, 12, 3)
    X = torch.randn(n, 5, 12, generator=rng)
    Q, K, V = (_split(value, 3) for value in _maps(values, X))

    def joined(A: Tensor) -> Tensor:
        return linear(values, "proj", _join(A @ V))

    for shape in ((n, 5, 5), (5, 5)):
        mask = random_mask(rng, *shape)
        wrong = {hint: joined(A) for hint, A in mask_mistakes(Q, K, mask.unsqueeze(-3)).items()}
        if shape[0] == 3:
            wrong[EACH_HEAD] = joined(weights(Q, K, mask))
        came = output(model, X, mask, sizes=EACH_HEAD)
        tools.close("the output with a mask", came, _oracle(values, X, 3, mask), wrong)


@pytest.mark.task("MultiHeadSelfAttention", weight=1, page=SPLIT)
def test_heads_that_do_not_divide(student: Student, rng: torch.Generator) -> None:
    """Three heads cannot share ten features equally, and four heads can share eight."""
    _check_several(rng, student, torch.randn(2, 3, 8, generator=rng), 4)
    hint = "n_heads must divide embed_dim: __init__ raises ValueError where it does not"
    refuses("a layer of 10 features and 3 heads", lambda: _ten_features(student), hint)


def _ten_features(student: Student) -> str:
    student.MultiHeadSelfAttention(10, 3)
    return "a module"


@pytest.mark.task("MultiHeadSelfAttention", weight=1, page=SPLIT)
def test_gradients_of_several_heads(student: Student, rng: torch.Generator) -> None:
    """Every parameter gets its gradient."""
    model, values = _several_heads(rng, student, 6, 2)
    X = torch.randn(3, 4, 6, generator=rng)
    check_gradients(rng, model, values, X, lambda leaves, X: _oracle(leaves, X, 2))
