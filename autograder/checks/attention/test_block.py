"""Hidden checks of the MLP and of the pre-norm block, on copied weights."""

import math
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn

from autograder.checks import tools
from autograder.checks.attention.inputs import Tensors, weights
from autograder.checks.attention.modules import (
    check_gradients,
    linear,
    loaded,
    output,
    random_weights,
)
from autograder.student import Handle, Student
from solutions import transformer

FORBIDDEN = {
    "TransformerBlock": [
        *("torch.nn.TransformerEncoderLayer", "torch.nn.TransformerEncoder", "torch.ops"),
        *("torch.nn.TransformerDecoderLayer", "torch.nn.TransformerDecoder", "torch._C"),
        *("torch.nn.Transformer", "torch.nn.modules.transformer", "torchvision"),
        "torch._transformer_encoder_layer_fwd",
    ],
}
MLP = "book/unit3/block.html#block-mlp"
PRENORM = "book/unit3/block.html#block-prenorm"

Values = Mapping[str, Tensor]
Map = Callable[[Tensor], Tensor]

TUPLE = "nn.MultiheadAttention returns two things, the output and the weights: take the first"


# ---- the MLP ------------------------------------------------------------------------------------


def _distribution(X: Tensor) -> Tensor:
    """The distribution function of the standard normal."""
    return 0.5 * (1 + torch.erf(X / math.sqrt(2)))


def _gelu(X: Tensor) -> Tensor:
    return X * _distribution(X)


def _tanh_gelu(X: Tensor) -> Tensor:
    return 0.5 * X * (1 + torch.tanh(math.sqrt(2 / math.pi) * (X + 0.044715 * X**3)))


def _same(X: Tensor) -> Tensor:
    return X


def _mlp(values: Values, X: Tensor, between: Map = _gelu, last: Map = _same) -> Tensor:
    return last(linear(values, "fc2", between(linear(values, "fc1", X))))


def _mlp_mistakes(values: Values, X: Tensor) -> Tensors:
    """What likely mistakes give."""
    return {
        "this is the approximation by tanh: the exact GELU is the default of PyTorch": _mlp(
            values, X, _tanh_gelu
        ),
        "this is the approximation by the sigmoid: the GELU takes the normal distribution": _mlp(
            values, X, lambda H: H * torch.sigmoid(1.702 * H)
        ),
        "this is the ReLU: a GELU stands between the layers": _mlp(values, X, torch.relu),
        "this is the SiLU: the GELU is x times the distribution function of the normal": _mlp(
            values, X, lambda H: H * torch.sigmoid(H)
        ),
        "the GELU is missing: two linear maps in a row are one": _mlp(values, X, _same),
        "no activation after fc2": _mlp(values, X, last=_gelu),
        "the GELU stands between the two layers, and not after them": _mlp(values, X, _same, _gelu),
        "the GELU is x times the distribution function, and here it is that alone": _mlp(
            values, X, _distribution
        ),
        "no residual here: adding X belongs to the block": X + _mlp(values, X),
    }


def _repeated(model: Handle, X: Tensor) -> Tensor:
    """The output, which a second call must give again."""
    came = output(model, X)
    same = torch.equal(came, output(model, X))
    tools.require(same, "two calls give different results", "no dropout in this MLP")
    return came


def _check_mlp(rng: torch.Generator, student: Student, X: Tensor, hidden_dim: int) -> None:
    embed_dim = X.shape[-1]
    values = random_weights(rng, transformer.MLP, embed_dim, hidden_dim)
    model = loaded(student.MLP(embed_dim, hidden_dim), values)
    came = _repeated(model, X)
    mistakes = _mlp_mistakes(values, X)
    # The approximations of the GELU differ from it by less than the usual tolerance.
    tools.close("the output", came, _mlp(values, X), mistakes, rtol=1e-5, atol=1e-5)


@pytest.mark.task("MLP", weight=2, page=MLP)
def test_mlp(student: Student, rng: torch.Generator) -> None:
    """Three sequences of five tokens, more hidden units than features."""
    _check_mlp(rng, student, torch.randn(3, 5, 6, generator=rng), 11)


@pytest.mark.task("MLP", weight=1, page=MLP)
def test_mlp_with_few_hidden_units(student: Student, rng: torch.Generator) -> None:
    """Fewer hidden units than features, and large inputs."""
    _check_mlp(rng, student, 5 * torch.randn(2, 4, 7, generator=rng), 3)


@pytest.mark.task("MLP", weight=1, page=MLP)
def test_mlp_of_one_sequence(student: Student, rng: torch.Generator) -> None:
    """A batch of one sequence, not contiguous, and a single token."""
    _check_mlp(rng, student, torch.randn(6, 5, 1, generator=rng).transpose(0, 2), 4)
    _check_mlp(rng, student, torch.randn(1, 1, 6, generator=rng), 4)


@pytest.mark.task("MLP", weight=1, page=MLP)
def test_gradients_of_the_mlp(student: Student, rng: torch.Generator) -> None:
    """Every parameter gets its gradient."""
    values = random_weights(rng, transformer.MLP, 6, 9)
    X = torch.randn(3, 5, 6, generator=rng)
    model = loaded(student.MLP(6, 9), values)
    _repeated(model, X)
    check_gradients(rng, model, values, X, _mlp)


# ---- the block ----------------------------------------------------------------------------------


class _Parts:
    """The parts of a block by their formulas, on given weights."""

    def __init__(self, values: Values, n_heads: int) -> None:
        self._values, self._n_heads = values, n_heads

    def norm(self, number: int, X: Tensor) -> Tensor:
        deviation = X - X.mean(dim=-1, keepdim=True)
        X_hat = deviation / (deviation.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()
        return X_hat * self._values[f"norm{number}.weight"] + self._values[f"norm{number}.bias"]

    def attention(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Tokens `queries` attend to tokens `keys`."""
        in_weight, in_bias = (self._values[f"attention.in_proj_{kind}"] for kind in _KINDS)
        Q, K, V = (
            (tokens @ weight.T + bias).unflatten(-1, (self._n_heads, -1)).transpose(1, 2)
            for tokens, weight, bias in zip(
                (queries, keys, keys), in_weight.chunk(3), in_bias.chunk(3), strict=True
            )
        )
        heads = (weights(Q, K) @ V).transpose(1, 2).flatten(2)
        return linear(self._values, "attention.out_proj", heads)

    def mlp(self, X: Tensor) -> Tensor:
        return linear(self._values, "mlp.2", _gelu(linear(self._values, "mlp.0", X)))


_KINDS = ("weight", "bias")


def _oracle(values: Values, X: Tensor, n_heads: int) -> Tensor:
    """The same by PyTorch's own layer, on copied weights."""
    embed_dim, hidden_dim = X.shape[-1], len(values["mlp.0.bias"])
    theirs = nn.TransformerEncoderLayer(
        embed_dim, n_heads, hidden_dim, 0.0, nn.functional.gelu, batch_first=True, norm_first=True
    ).to(X.dtype)
    names = {"attention": "self_attn", "mlp.0": "linear1", "mlp.2": "linear2"}
    state = {}
    for name, value in values.items():
        mine = next((part for part in names if name.startswith(f"{part}.")), None)
        state[name.replace(mine, names[mine], 1) if mine else name] = value
    return torch.func.functional_call(theirs, state, (X,))


def _block_mistakes(values: Values, X: Tensor, n_heads: int) -> Tensors:
    """What likely mistakes give."""
    parts = _Parts(values, n_heads)
    norm, attention, mlp = parts.norm, parts.attention, parts.mlp
    Z = norm(1, X)
    first = X + attention(Z, Z)
    unnormed = X + attention(X, X)
    swapped = X + mlp(norm(2, X))
    swapped_Z = norm(1, swapped)
    after = norm(1, unnormed)
    flipped = Z.transpose(0, 1)
    across = X + attention(flipped, flipped).transpose(0, 1)
    bare = attention(Z, Z)
    kept = Z + bare
    queries = X + attention(Z, X)
    branch = X + norm(1, attention(X, X))
    return {
        "this is post-norm: here each part is normalised before it, and the sum is left alone": (
            norm(2, after + mlp(after))
        ),
        "this normalises what the attention gives: normalise what goes into it": branch
        + norm(2, mlp(branch)),
        "both residuals are missing": mlp(norm(2, bare)),
        "the first residual is missing: X + attention(...)": bare + mlp(norm(2, bare)),
        "the second residual is missing: the sum, + mlp(...)": mlp(norm(2, first)),
        "the residual goes past the normalisation: add X, and not norm1(X)": kept
        + mlp(norm(2, kept)),
        "norm1 is used twice, and norm2 never": first + mlp(norm(1, first)),
        "norm2 is used twice, and norm1 never": _chain(parts, X, 2, 2),
        "norm1 and norm2 are exchanged": _chain(parts, X, 2, 1),
        "norm2 is missing": first + mlp(first),
        "norm1 is missing": unnormed + mlp(norm(2, unnormed)),
        "queries, keys and values are all made of norm1(X)": queries + mlp(norm(2, queries)),
        "the parts follow one after the other: the MLP sees what the attention has added": first
        + mlp(norm(2, X)),
        "the attention comes first, then the MLP": swapped + attention(swapped_Z, swapped_Z),
        "the layer has batch_first: no transpose, tokens of one image attend to each other": across
        + mlp(norm(2, across)),
        "no normalisation at the end: the next block brings its own": norm(
            2, first + mlp(norm(2, first))
        ),
    }


def _chain(parts: _Parts, X: Tensor, first_norm: int, second_norm: int) -> Tensor:
    Z = parts.norm(first_norm, X)
    X = X + parts.attention(Z, Z)
    return X + parts.mlp(parts.norm(second_norm, X))


def _block(
    rng: torch.Generator, student: Student, embed_dim: int, n_heads: int, hidden_dim: int
) -> tuple[Handle, Tensors]:
    sizes = (embed_dim, n_heads, hidden_dim)
    values = random_weights(rng, transformer.TransformerBlock, *sizes)
    return loaded(student.TransformerBlock(*sizes), values), values


def _check_block(
    rng: torch.Generator, student: Student, X: Tensor, n_heads: int, hidden_dim: int
) -> None:
    model, values = _block(rng, student, X.shape[-1], n_heads, hidden_dim)
    with tools.explained(TUPLE, "'tuple'", "tuple object"):
        came = output(model, X)
    expected = _oracle(values, X, n_heads).detach()
    tools.close("the output", came, expected, _block_mistakes(values, X, n_heads))


@pytest.mark.task("TransformerBlock", weight=3, page=PRENORM)
def test_block(student: Student, rng: torch.Generator) -> None:
    """Three sequences of five tokens, two heads, against nn.TransformerEncoderLayer."""
    _check_block(rng, student, torch.randn(3, 5, 6, generator=rng), 2, 11)


@pytest.mark.task("TransformerBlock", weight=1, page=PRENORM)
def test_block_of_large_tokens(student: Student, rng: torch.Generator) -> None:
    """Tokens that are far from normalised: large, and with a mean of their own."""
    _check_block(rng, student, 4 + 3 * torch.randn(2, 4, 8, generator=rng), 4, 5)


@pytest.mark.task("TransformerBlock", weight=1, page=PRENORM)
def test_block_of_one_sequence(student: Student, rng: torch.Generator) -> None:
    """A batch of one sequence, not contiguous, and a single token."""
    _check_block(rng, student, torch.randn(6, 5, 1, generator=rng).transpose(0, 2), 3, 7)
    _check_block(rng, student, torch.randn(1, 1, 6, generator=rng), 1, 7)


@pytest.mark.task("TransformerBlock", weight=1, page=PRENORM)
def test_gradients_of_the_block(student: Student, rng: torch.Generator) -> None:
    """Every parameter gets its gradient."""
    model, values = _block(rng, student, 6, 2, 9)
    X = torch.randn(3, 5, 6, generator=rng)
    with tools.explained(TUPLE, "'tuple'", "tuple object"):
        check_gradients(rng, model, values, X, lambda leaves, X: _oracle(leaves, X, 2))
