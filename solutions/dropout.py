"""Inverted dropout, forwards and backwards, in NumPy."""

from typing import Any

import numpy as np


def dropout_forward(x: np.ndarray, dropout_param: dict[str, Any]) -> tuple[np.ndarray, Any]:
    """Apply inverted dropout.

    In mode "train" each entry is kept with probability p, independently of the others, and set to 0
    otherwise; those that are kept are scaled so that the expectation of every entry is what it
    was. In mode "test" x is returned as it is. Here p is the probability of keeping an entry; in
    PyTorch, and in unit 2, it is that of dropping one.

    Book: unit 4, page `dropout`.

    Args:
        x: activations of any shape; not modified.
        dropout_param: "p", the probability of keeping an entry; "mode"; and for mode "train" "rng",
            a np.random.Generator, source of every draw.

    Returns:
        out: of the shape and the dtype of x.
        cache: what your dropout_backward needs, which follows calls in both modes: a dict, a tuple
            or an object of your own.

    Raises:
        ValueError: p is not in (0, 1], or the mode is neither "train" nor "test".
    """
    p, mode = dropout_param["p"], dropout_param["mode"]
    if not 0 < p <= 1:
        raise ValueError(f"the probability of keeping must lie in (0, 1], not {p}")
    if mode == "test":
        return x, None
    if mode != "train":
        raise ValueError(f'the mode is "train" or "test", not {mode!r}')
    kept = dropout_param["rng"].random(x.shape) < p
    mask = kept.astype(x.dtype) / p
    return x * mask, mask


def dropout_backward(dout: np.ndarray, cache: Any) -> np.ndarray:
    """Propagate a gradient back through dropout, with the draws of the forward pass.

    Book: unit 4, page `dropout`.

    Args:
        dout: gradient of the loss with respect to the output; not modified.
        cache: what dropout_forward returned, in mode "train" or in mode "test".

    Returns:
        dx: the gradient with respect to x, of the shape of dout.
    """
    return dout if cache is None else dout * cache
