"""Layers in the modular style: a forward pass that keeps a cache, a backward pass that takes it.

Affine weights are D × M here, so that a batch is multiplied from the left: x w. nn.Linear and the
first units of the course keep them the other way round, n_out × n_in.
"""

from typing import Any

import numpy as np


def affine_forward(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, Any]:
    """Compute an affine layer: each example as one row of D numbers, times w, plus b.

    The weights are D × M, inputs before outputs; nn.Linear keeps them the other way round.

    Book: unit 4, page `modular`.

    Args:
        x: inputs, N × d_1 × ... × d_k with d_1 · ... · d_k = D; not modified.
        w: weights, D × M; not modified.
        b: biases, (M,); not modified.

    Returns:
        out: N × M.
        cache: what your affine_backward needs: a dict, a tuple or an object of your own.
    """
    rows = x.reshape(len(x), -1)
    return rows @ w + b, (x, w)


def affine_backward(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute the gradients of a loss through affine_forward, by the chain rule.

    Book: unit 4, page `modular`.

    Args:
        dout: gradient of the loss with respect to the output of affine_forward, N × M; not
            modified.
        cache: what your affine_forward returned; not modified.

    Returns:
        dx: gradient with respect to x, of the shape of x: N × d_1 × ... × d_k.
        dw: gradient with respect to w, D × M.
        db: gradient with respect to b, (M,).

        The loss is any function of the output: a mean over the batch is already in dout.
    """
    x, w = cache
    rows = x.reshape(len(x), -1)
    return (dout @ w.T).reshape(x.shape), rows.T @ dout, dout.sum(axis=0)


def relu_forward(x: np.ndarray) -> tuple[np.ndarray, Any]:
    """Compute the rectified linear unit of every entry: max(0, x).

    Book: unit 4, page `modular`.

    Args:
        x: inputs of any shape; not modified.

    Returns:
        out: of the shape and the dtype of x.
        cache: what your relu_backward needs: a dict, a tuple or an object of your own.
    """
    return np.maximum(x, 0), x


def relu_backward(dout: np.ndarray, cache: Any) -> np.ndarray:
    """Compute the gradient of a loss through relu_forward.

    At 0 the rectified linear unit has no derivative; it is taken to be 0 there, as in PyTorch.

    Book: unit 4, page `modular`.

    Args:
        dout: gradient of the loss with respect to the output of relu_forward; not modified.
        cache: what your relu_forward returned; not modified.

    Returns:
        dx: gradient with respect to x, of its shape.
    """
    return dout * (cache > 0)


def softmax_loss(scores: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Compute the softmax cross-entropy of a batch and its gradient.

    The largest score of each row is subtracted before the exponential, so that scores of any size
    give a finite loss.

    Book: unit 4, page `modular`.

    Args:
        scores: a score for each class, N × C; not modified.
        y: class of each example, (N,), whole numbers from 0 to C - 1; not modified.

    Returns:
        loss: mean of the N examples' cross-entropies (natural logarithm), a number.
        dscores: gradient of the loss with respect to scores, N × C.
    """
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    own = np.arange(len(y)), y
    dscores = np.exp(log_p)
    dscores[own] -= 1
    return float(-log_p[own].mean()), dscores / len(y)
