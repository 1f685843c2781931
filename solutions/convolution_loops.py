"""Convolution and max pooling with loops, forward and backward, on NumPy arrays.

Images are N × C × H × W, kernels F × C × HH × WW, biases (F,). As in PyTorch the kernel is not
flipped, and a last step that would leave the image is not taken.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np


def conv_forward_naive(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, conv_param: Mapping[str, int]
) -> tuple[np.ndarray, Any]:
    """Convolve a batch of images with a set of kernels.

    out[n, f, i, j] = b[f] + Σ x[n, c, i · stride + r - pad, j · stride + s - pad] · w[f, c, r, s],
    summed over c, r and s, where x is zero outside of the image. Library convolutions are not
    allowed here.

    Book: unit 4, page `loops`.

    Args:
        x: images, N × C × H × W; not modified.
        w: kernels, F × C × HH × WW; HH and WW may differ; not modified.
        b: biases, (F,); not modified.
        conv_param: "stride", pixels from one position of the kernel to the next, and "pad", pixels
            of zeros added on each of the four sides; both hold for rows and columns.

    Returns:
        out: N × F × H' × W', H' = ⌊(H + 2 · pad - HH) / stride⌋ + 1 and W' likewise, in the dtype
            of x.
        cache: whatever conv_backward_naive needs, in a form of your choice.

    Raises:
        ValueError: the kernel is larger than the padded image.
    """
    stride, pad = conv_param["stride"], conv_param["pad"]
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    n_examples, _, height, width = padded.shape
    n_kernels, _, HH, WW = w.shape
    if height < HH or width < WW:
        raise ValueError(f"a kernel of {HH} × {WW} does not fit into {height} × {width} pixels")
    out_size = (height - HH) // stride + 1, (width - WW) // stride + 1
    out = np.empty((n_examples, n_kernels, *out_size), dtype=x.dtype)
    for n, f, i, j in np.ndindex(out.shape):
        top, left = i * stride, j * stride
        window = padded[n, :, top : top + HH, left : left + WW]
        out[n, f, i, j] = (window * w[f]).sum() + b[f]
    return out, (x, w, conv_param)


def conv_backward_naive(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute the gradients of a loss through conv_forward_naive, by the chain rule.

    Book: unit 4, page `loops`.

    Args:
        dout: gradient of the loss with respect to out, N × F × H' × W'; not modified.
        cache: what your conv_forward_naive returned.

    Returns:
        dx: gradient with respect to x, of its shape: pixels that no window covers get 0.
        dw: gradient with respect to w, of its shape.
        db: gradient with respect to b, (F,).

        All are sums over what each value took part in: a mean over the batch is already in dout.
    """
    x, w, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    d_padded, dw = np.zeros_like(padded), np.zeros_like(w)
    for n, f, i, j in np.ndindex(dout.shape):
        rows = slice(i * stride, i * stride + w.shape[2])
        columns = slice(j * stride, j * stride + w.shape[3])
        d_padded[n, :, rows, columns] += dout[n, f, i, j] * w[f]
        dw[f] += dout[n, f, i, j] * padded[n, :, rows, columns]
    dx = d_padded[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]]
    return dx, dw, dout.sum(axis=(0, 2, 3))


def max_pool_forward_naive(x: np.ndarray, pool_param: Mapping[str, int]) -> tuple[np.ndarray, Any]:
    """Take the largest value of each window, channel by channel.

    There is no padding. Library poolings are not allowed here.

    Book: unit 4, page `loops`.

    Args:
        x: images, N × C × H × W; not modified.
        pool_param: "pool_height" and "pool_width", the size of the windows, and "stride", pixels
            from one window to the next, down as well as to the right.

    Returns:
        out: N × C × H' × W', H' = ⌊(H - pool_height) / stride⌋ + 1 and W' likewise, in the dtype of
            x.
        cache: whatever max_pool_backward_naive needs, in a form of your choice.

    Raises:
        ValueError: the window is larger than the image.
    """
    pool_height, pool_width = pool_param["pool_height"], pool_param["pool_width"]
    stride, (height, width) = pool_param["stride"], x.shape[2:]
    if pool_height > height or pool_width > width:
        raise ValueError(
            f"a window of {pool_height} × {pool_width} does not fit into {height} × {width} pixels"
        )
    out_size = (height - pool_height) // stride + 1, (width - pool_width) // stride + 1
    out = np.empty((*x.shape[:2], *out_size), dtype=x.dtype)
    for n, c, i, j in np.ndindex(out.shape):
        top, left = i * stride, j * stride
        out[n, c, i, j] = x[n, c, top : top + pool_height, left : left + pool_width].max()
    return out, (x, pool_param)


def max_pool_backward_naive(dout: np.ndarray, cache: Any) -> np.ndarray:
    """Compute the gradient of a loss through max_pool_forward_naive.

    The gradient of a window goes to its largest value; where several are equally large, to the
    first of them, row by row from the top left. What several windows send to one pixel adds up.

    Book: unit 4, page `loops`.

    Args:
        dout: gradient of the loss with respect to out, N × C × H' × W'; not modified.
        cache: what your max_pool_forward_naive returned.

    Returns:
        Gradient with respect to x, of its shape.
    """
    x, pool_param = cache
    pool_height, pool_width = pool_param["pool_height"], pool_param["pool_width"]
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(dout.shape):
        top, left = i * pool_param["stride"], j * pool_param["stride"]
        window = x[n, c, top : top + pool_height, left : left + pool_width]
        row, column = np.unravel_index(window.argmax(), window.shape)
        dx[n, c, top + row, left + column] += dout[n, c, i, j]
    return dx
