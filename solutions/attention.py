"""Scaled dot-product attention by hand, forward and backward.

Queries are ... × T × d_k, keys ... × S × d_k, values ... × S × d_v: any number of leading
dimensions, also none, and the same formula in each of their places.
"""

import math

import torch
from torch import Tensor


def attention_weights(Q: Tensor, K: Tensor, mask: Tensor | None = None) -> Tensor:
    """Compute how much each query attends to each key: the softmax of the scaled scores.

    The score of query t and key s is q_t · k_s / √d_k; the softmax runs over the keys. The
    library's attention (functional.scaled_dot_product_attention, nn.MultiheadAttention and their
    like) is not allowed here.

    Book: unit 3, page `attention`.

    Args:
        Q: queries, ... × T × d_k; not modified.
        K: keys, ... × S × d_k; not modified.
        mask: bool, True where query t may attend to key s; it broadcasts to ... × T × S. None
            stands for a mask that is True everywhere. In every row at least one key is allowed.

    Returns:
        ... × T × S in the dtype of Q: rows of non-negative weights that sum to one, exactly 0 where
        the mask is False. Large scores do not overflow.
    """
    scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(dim=-1)


def scaled_dot_product_attention(
    Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Average the values, for each query with its own weights: softmax(Q Kᵀ / √d_k) V.

    The library's attention (functional.scaled_dot_product_attention, nn.MultiheadAttention and
    their like) is not allowed here.

    Book: unit 3, page `attention`.

    Args:
        Q: queries, ... × T × d_k; not modified.
        K: keys, ... × S × d_k; not modified.
        V: values, ... × S × d_v; not modified.
        mask: bool, True where query t may attend to key s; it broadcasts to ... × T × S. None
            stands for a mask that is True everywhere. In every row at least one key is allowed.

    Returns:
        ... × T × d_v.
    """
    scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(dim=-1) @ V


def softmax_backward(upstream: Tensor, A: Tensor) -> Tensor:
    """Propagate a gradient back through a softmax by rows.

    Automatic differentiation is off in this task.

    Book: unit 3, page `attention_backward`.

    Args:
        upstream: gradient of the loss with respect to A, ... × T × S; not modified.
        A: the output of the softmax, A = softmax(scores) over the last dimension, ... × T × S; not
            modified.

    Returns:
        The gradient with respect to the scores, ... × T × S.
    """
    return A * (upstream - (upstream * A).sum(dim=-1, keepdim=True))


def attention_backward(
    upstream: Tensor, Q: Tensor, K: Tensor, V: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Propagate a gradient back through softmax(Q Kᵀ / √d_k) V, without a mask.

    Automatic differentiation is off and not allowed here, and neither is the library's attention.

    Book: unit 3, page `attention_backward`.

    Args:
        upstream: gradient of the loss with respect to the output, ... × T × d_v; not modified.
        Q: the queries, ... × T × d_k; not modified.
        K: the keys, ... × S × d_k; not modified.
        V: the values, ... × S × d_v; not modified.

    Returns:
        dQ, dK, dV: the gradients with respect to Q, K and V, each in its shape. The loss is any
        function of the output: a mean over the batch is already in upstream.
    """
    scale = 1 / math.sqrt(Q.shape[-1])
    A = (scale * Q @ K.transpose(-2, -1)).softmax(dim=-1)
    dV = A.transpose(-2, -1) @ upstream
    dA = upstream @ V.transpose(-2, -1)
    d_scores = A * (dA - (dA * A).sum(dim=-1, keepdim=True))
    return scale * d_scores @ K, scale * d_scores.transpose(-2, -1) @ Q, dV
