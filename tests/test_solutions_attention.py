"""The reference solutions of `attention` against PyTorch's layers, autograd and differences."""

from itertools import product

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from solutions import attention, transformer

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
every_device = pytest.mark.parametrize("device", DEVICES)

OUTER = [(), (3,), (1,), (2, 3), (2, 1, 4)]
T, S, D_K, D_V = 5, 7, 4, 6


def drawn(*shape: int, seed: int = 0, device: str = "cpu") -> Tensor:
    """Standard normal numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(device)


def inputs(outer: tuple[int, ...], device: str = "cpu") -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of unequal sizes."""
    shapes = ((T, D_K), (S, D_K), (S, D_V))
    Q, K, V = (drawn(*outer, *s, seed=i, device=device) for i, s in enumerate(shapes))
    return Q, K, V


def random_mask(*shape: int) -> Tensor:
    """A mask in whose rows at least one entry is allowed."""
    mask = drawn(*shape, seed=5) > 0
    mask[..., 2] = True
    return mask


# ---- attention ----------------------------------------------------------------------------------


@every_device
@pytest.mark.parametrize("outer", OUTER)
def test_attention_and_its_weights_are_those_of_the_library(
    outer: tuple[int, ...], device: str
) -> None:
    Q, K, V = inputs(outer, device)
    for mask in (None, random_mask(T, S), random_mask(*outer, T, S), random_mask(1, S)):
        mask = None if mask is None else mask.to(device)
        expected = functional.scaled_dot_product_attention(Q, K, V, attn_mask=mask)
        torch.testing.assert_close(
            attention.scaled_dot_product_attention(Q, K, V, mask), expected, rtol=1e-10, atol=1e-12
        )
        unit = torch.eye(S, dtype=Q.dtype, device=device).expand(*outer, S, S)
        shares = functional.scaled_dot_product_attention(Q, K, unit, attn_mask=mask)
        torch.testing.assert_close(
            attention.attention_weights(Q, K, mask), shares, rtol=1e-10, atol=1e-12
        )


def test_rows_of_weights_sum_to_one_and_forbidden_ones_are_zero() -> None:
    Q, K, _ = inputs((3,))
    mask = random_mask(3, T, S)
    A = attention.attention_weights(100 * Q, 100 * K, mask)
    assert bool((A[~mask] == 0).all())
    torch.testing.assert_close(A.sum(dim=-1), torch.ones(3, T).double())


def test_a_vector_added_to_all_keys_changes_no_weight() -> None:
    Q, K, _ = inputs((3,))
    shifted = attention.attention_weights(Q, K + drawn(D_K, seed=9))
    torch.testing.assert_close(shifted, attention.attention_weights(Q, K))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_attention_keeps_dtype_and_arguments(dtype: torch.dtype) -> None:
    Q, K, V = (value.to(dtype).mT.contiguous().mT for value in inputs((3,)))
    mask = random_mask(T, S)
    before = [value.clone() for value in (Q, K, V, mask)]
    upstream = drawn(3, T, D_V, seed=8).to(dtype)
    A = attention.attention_weights(Q, K, mask)
    results = [
        A,
        attention.scaled_dot_product_attention(Q, K, V, mask),
        attention.softmax_backward(A, A),
        *attention.attention_backward(upstream, Q, K, V),
    ]
    assert {result.dtype for result in results} == {dtype}
    for value, old in zip((Q, K, V, mask), before, strict=True):
        assert torch.equal(value, old)


# ---- gradients ----------------------------------------------------------------------------------


@every_device
@pytest.mark.parametrize("outer", OUTER)
def test_gradients_are_those_of_autograd(outer: tuple[int, ...], device: str) -> None:
    leaves = [value.requires_grad_() for value in inputs(outer, device)]
    upstream = drawn(*outer, T, D_V, seed=8, device=device)
    output = functional.scaled_dot_product_attention(leaves[0], leaves[1], leaves[2])
    expected = torch.autograd.grad(output, leaves, upstream)
    with torch.inference_mode():
        found = attention.attention_backward(upstream, *leaves)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)

    scores = drawn(*outer, T, S, seed=7, device=device).requires_grad_()
    A = scores.softmax(dim=-1)
    upstream = drawn(*outer, T, S, seed=6, device=device)
    (expected_scores,) = torch.autograd.grad(A, scores, upstream)
    torch.testing.assert_close(attention.softmax_backward(upstream, A.detach()), expected_scores)


def test_gradients_of_attention_are_those_of_differences() -> None:
    values = [drawn(2, 3, 2), drawn(2, 4, 2, seed=1), drawn(2, 4, 3, seed=2)]
    upstream = drawn(2, 3, 3, seed=3)
    found = attention.attention_backward(upstream, values[0], values[1], values[2])
    for place, gradient in enumerate(found):
        for index in product(*map(range, gradient.shape)):
            losses = []
            for step in (1e-5, -1e-5):
                moved = [value.clone() for value in values]
                moved[place][index] += step
                output = attention.scaled_dot_product_attention(moved[0], moved[1], moved[2])
                losses.append(float((output * upstream).sum()))
            assert float(gradient[index]) == pytest.approx((losses[0] - losses[1]) / 2e-5, abs=1e-8)


def test_gradients_through_masked_weights_reach_no_forbidden_score() -> None:
    Q, K, _ = inputs((3,))
    mask = random_mask(3, T, S)
    A = attention.attention_weights(Q, K, mask)
    gradient = attention.softmax_backward(drawn(3, T, S, seed=6), A)
    assert bool((gradient[~mask] == 0).all())
    assert float(gradient.sum(dim=-1).abs().max()) < 1e-12


# ---- modules ------------------------------------------------------------------------------------


def module(made: nn.Module) -> nn.Module:
    """The module in float64 with weights so large that the softmax is far from uniform."""
    made = made.double()
    for number, parameter in enumerate(made.parameters()):
        parameter.data = drawn(*parameter.shape, seed=100 + number)
    return made


def library_attention(own: nn.Module, n_heads: int) -> nn.MultiheadAttention:
    """nn.MultiheadAttention with the weights of a head or of several."""
    layers = [own.get_submodule(name) for name in ("query", "key", "value")]
    embed_dim = layers[0].get_parameter("weight").shape[1]
    theirs = nn.MultiheadAttention(embed_dim, n_heads, batch_first=True).double()
    for kind in ("weight", "bias"):
        pieces = tuple(layer.get_parameter(kind) for layer in layers)
        theirs.get_parameter(f"in_proj_{kind}").data = torch.cat(pieces)
    theirs.out_proj.load_state_dict(own.get_submodule("proj").state_dict())
    return theirs


@pytest.mark.parametrize(("embed_dim", "n_heads"), [(12, 3), (6, 1), (4, 4), (10, 2)])
def test_heads_are_those_of_the_library(embed_dim: int, n_heads: int) -> None:
    own = module(transformer.MultiHeadSelfAttention(embed_dim, n_heads))
    theirs = library_attention(own, n_heads)
    for n in (3, 1):
        X = drawn(n, T, embed_dim)
        torch.testing.assert_close(own(X), theirs(X, X, X)[0])
        for mask in (random_mask(T, T), random_mask(n, T, T)):
            forbidden = ~mask.expand(n, T, T).repeat_interleave(n_heads, dim=0)
            expected = theirs(X, X, X, attn_mask=forbidden)[0]
            torch.testing.assert_close(own(X, mask), expected)


def test_one_head_is_the_library_with_one_head() -> None:
    own = module(transformer.SelfAttention(6, 6))
    theirs = library_attention(own, 1)
    X, mask = drawn(3, T, 6), random_mask(3, T, T)
    torch.testing.assert_close(own(X), theirs(X, X, X)[0])
    torch.testing.assert_close(own(X, mask), theirs(X, X, X, attn_mask=~mask)[0])


def test_a_head_of_another_size_is_the_formula_of_the_functions() -> None:
    own = module(transformer.SelfAttention(7, 4))
    X, mask = drawn(3, T, 7), random_mask(T, T)
    Q, K, V = (own.get_submodule(name)(X) for name in ("query", "key", "value"))
    attended = functional.scaled_dot_product_attention(Q, K, V, attn_mask=mask)
    torch.testing.assert_close(own(X, mask), own.get_submodule("proj")(attended))


@pytest.mark.parametrize(("embed_dim", "n_heads"), [(10, 3), (4, 8)])
def test_heads_that_cannot_share_the_features_are_refused(embed_dim: int, n_heads: int) -> None:
    with pytest.raises(ValueError, match=f"{n_heads} heads cannot share {embed_dim} features"):
        transformer.MultiHeadSelfAttention(embed_dim, n_heads)


def test_mlp_is_x_times_the_distribution_function_between_two_layers() -> None:
    own = module(transformer.MLP(3, 8))
    X = drawn(2, T, 3)
    hidden = own.get_submodule("fc1")(X)
    normal = torch.distributions.Normal(torch.zeros((), dtype=torch.float64), 1.0)
    expected = own.get_submodule("fc2")(hidden * normal.cdf(hidden))
    torch.testing.assert_close(own(X), expected)


@pytest.mark.parametrize("training", [True, False])
def test_block_is_the_pre_norm_layer_of_the_library(training: bool) -> None:
    own = module(transformer.TransformerBlock(6, 2, 11)).train(training)
    theirs = nn.TransformerEncoderLayer(
        6, 2, 11, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).double()
    names = {"attention": "self_attn", "mlp.0": "linear1", "mlp.2": "linear2"}
    for mine in ("attention", "mlp.0", "mlp.2", "norm1", "norm2"):
        part = theirs.get_submodule(names.get(mine, mine))
        part.load_state_dict(own.get_submodule(mine).state_dict())
    X = drawn(3, T, 6)
    before = X.clone()
    torch.testing.assert_close(own(X), theirs(X))
    with torch.no_grad():
        torch.testing.assert_close(own(X[:1]), theirs(X[:1]))
    assert torch.equal(X, before)


@pytest.mark.parametrize(
    "made",
    [
        transformer.SelfAttention(6, 4),
        transformer.MultiHeadSelfAttention(6, 3),
        transformer.MLP(6, 9),
        transformer.TransformerBlock(6, 2, 9),
    ],
    ids=lambda made: type(made).__name__,
)
def test_tokens_in_another_order_give_the_same_in_that_order(made: nn.Module) -> None:
    own, X = module(made), drawn(2, T, 6)
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(own(X[:, order]), own(X)[:, order])
