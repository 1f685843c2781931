"""What the checks of `attention` share: inputs, attention by its formula, likely mistakes in it."""

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from autograder.checks import tools

LIBRARY = [
    *("torch.nn.functional.scaled_dot_product_attention", "torch.nn.attention", "torch.ops"),
    *("torch.nn.functional.multi_head_attention_forward", "torch.nn.MultiheadAttention"),
    *("torch.nn.modules.activation.MultiheadAttention", "torch.nn.modules.transformer"),
    *("torch.nn.Transformer", "torch.nn.TransformerEncoder", "torch.nn.TransformerEncoderLayer"),
    *("torch.nn.TransformerDecoder", "torch.nn.TransformerDecoderLayer", "torch._C"),
    *("torch._native_multi_head_attention", "torch._transformer_encoder_layer_fwd"),
    *("torch._scaled_dot_product_attention_math", "torchvision"),
    "torch._scaled_dot_product_flash_attention_for_cpu",
]

OVERFLOW = "exp overflows for large scores: subtract the largest score of each row, or use softmax"
SIZES = (
    "tokens are rows, features are columns: write the shape of every product beside it, with any "
    "number of leading dimensions"
)

Tensors = dict[str, Tensor]


def softmax(scores: Tensor, dim: int = -1) -> Tensor:
    """The softmax, written out."""
    exponentials = (scores - scores.amax(dim=dim, keepdim=True)).exp()
    return exponentials / exponentials.sum(dim=dim, keepdim=True)


def products(Q: Tensor, K: Tensor, mask: Tensor | None = None) -> Tensor:
    """The scores before they are scaled."""
    scores = torch.einsum("...td,...sd->...ts", Q, K)
    return scores if mask is None else scores.masked_fill(~mask, -torch.inf)


def weights(Q: Tensor, K: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attention weights by their formula."""
    return softmax(products(Q, K, mask) / math.sqrt(Q.shape[-1]))


def random_mask(rng: torch.Generator, *shape: int) -> Tensor:
    """A mask in whose rows True and False both occur, at random places."""
    order = torch.rand(*shape, generator=rng).argsort(dim=-1)
    n_allowed = torch.randint(1, shape[-1], (*shape[:-1], 1), generator=rng)
    return order < n_allowed


def scale_mistakes(Q: Tensor, K: Tensor, mask: Tensor | None = None) -> Tensors:
    """The weights after mistakes with the scale and with the softmax."""
    scores, d = products(Q, K, mask), Q.shape[-1]
    root = math.sqrt(d)
    return {
        "the division of the scores by √d_k is missing": softmax(scores),
        "divide the scores by √d_k, the root, and not by d_k itself": softmax(scores / d),
        "divide the scores by √d_k: here they are multiplied by it": softmax(scores * root),
        "d_k is the length of a query, not the number of keys": softmax(
            scores / math.sqrt(K.shape[-2])
        ),
        "the scores are divided by √d_k before the softmax, not after it": softmax(scores) / root,
        "the softmax runs over the keys, the last dimension: here it runs over the queries": (
            softmax(scores / root, dim=-2)
        ),
        "each row has a softmax of its own: here all scores share one": (
            softmax(scores.flatten(-2) / root).reshape(scores.shape)
        ),
        "these are scores, and no softmax was taken of them": scores / root,
        "the sigmoid of a score knows nothing of the other keys: take the softmax of a row": (
            scores / root
        ).sigmoid(),
    }


def mask_mistakes(Q: Tensor, K: Tensor, mask: Tensor) -> Tensors:
    """The weights after mistakes with a mask in whose rows True and False both occur."""
    scores = products(Q, K) / math.sqrt(Q.shape[-1])
    return {
        "True in the mask means that a query may attend to a key: here it means that it may not": (
            softmax(scores.masked_fill(mask, -torch.inf))
        ),
        "the mask is left out": softmax(scores),
        "the mask acts before the softmax, on the scores: after it the rows do not sum to one": (
            softmax(scores) * mask
        ),
        "a score of 0 is a score like any other: what is forbidden gets -infinity": softmax(
            scores * mask
        ),
        "adding the mask itself moves a score by one: what is forbidden gets -infinity": softmax(
            scores + mask
        ),
    }


def close(name: str, came: Tensor, expected: Tensor, mistakes: Mapping[str, Tensor]) -> None:
    """Compare every coordinate in float64."""
    tools.close(name, came, expected, mistakes, rtol=1e-8, atol=1e-10)


def require_finite(name: str, came: Tensor, hint: str = OVERFLOW) -> None:
    """Require numbers where nan and infinity do not belong."""
    tools.require(bool(came.isfinite().all()), f"{name} holds nan or infinity", hint)


def wrong_sizes(hint: str = SIZES) -> AbstractContextManager[None]:
    """Explain the errors of tensors that do not fit together."""
    fragments = ("must match", "cannot be multiplied", "Expected size", "Dimension out of range")
    more = ("einsum", "must be a 3D tensor", "is invalid for input", "expanded size", "mat1")
    return tools.explained(hint, *fragments, *more)
