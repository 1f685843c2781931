"""Convolution as one matrix product: windows as columns, and the way back, on NumPy arrays.

Images are N × C × H × W, kernels F × C × HH × WW, biases (F,). There are N · H' · W' windows, with
H' = ⌊(H + 2 · pad - HH) / stride⌋ + 1 and W' likewise.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def im2col(x: np.ndarray, HH: int, WW: int, stride: int, pad: int) -> np.ndarray:
    """Write every window of a batch of padded images as a column of one matrix.

    A row stands for an entry of the kernel: row c · HH · WW + r · WW + s holds what entry (r, s) of
    channel c meets, so that the rows come in the order of w.reshape(F, -1). Column
    n · H' · W' + i · W' + j is the window at position (i, j) of image n.

    Book: unit 4, page `im2col`.

    Args:
        x: images, N × C × H × W; not modified.
        HH: rows of a window.
        WW: columns of a window.
        stride: pixels from one window to the next, in both directions.
        pad: pixels of zeros added on each of the four sides.

    Returns:
        (C · HH · WW) × (N · H' · W'), in the dtype of x.

    Raises:
        ValueError: a window is larger than the padded image.
    """
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = sliding_window_view(padded, (HH, WW), axis=(2, 3))[:, :, ::stride, ::stride]
    return windows.transpose(1, 4, 5, 0, 2, 3).reshape(x.shape[1] * HH * WW, -1)


def col2im(
    cols: np.ndarray, x_shape: tuple[int, int, int, int], HH: int, WW: int, stride: int, pad: int
) -> np.ndarray:
    """Add every column to the pixels that im2col took it from: the adjoint of im2col.

    For all x and cols, the sum of im2col(x, ...) · cols over all entries equals that of
    x · col2im(cols, x.shape, ...). A pixel gets the sum of what its windows hold for it, not a
    mean; what belongs to the padding is dropped.

    Book: unit 4, page `im2col`.

    Args:
        cols: (C · HH · WW) × (N · H' · W'), in the order of im2col; not modified.
        x_shape: (N, C, H, W), the shape of the images without padding.
        HH: rows of a window.
        WW: columns of a window.
        stride: pixels from one window to the next, in both directions.
        pad: pixels of zeros that im2col added on each of the four sides.

    Returns:
        N × C × H × W, in the dtype of cols: pixels that no window covers are 0.
    """
    n_examples, n_channels, height, width = x_shape
    out_h = (height + 2 * pad - HH) // stride + 1
    out_w = (width + 2 * pad - WW) // stride + 1
    parts = cols.reshape(n_channels, HH, WW, n_examples, out_h, out_w)
    padded = np.zeros((n_examples, n_channels, height + 2 * pad, width + 2 * pad), dtype=cols.dtype)
    for r in range(HH):
        for s in range(WW):
            # The pixels that entry (r, s) of the kernel meets, one for each of its positions.
            rows = slice(r, r + stride * (out_h - 1) + 1, stride)
            columns = slice(s, s + stride * (out_w - 1) + 1, stride)
            padded[:, :, rows, columns] += parts[:, r, s].swapaxes(0, 1)
    return padded[:, :, pad : pad + height, pad : pad + width]


def conv_forward_im2col(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, conv_param: Mapping[str, int]
) -> tuple[np.ndarray, Any]:
    """Convolve a batch of images with a set of kernels by one matrix product.

    The function is that of conv_forward_naive. One hidden check has three million outputs and 2
    seconds of processor time: a call that loops over the outputs takes longer. Your im2col may be
    called; library convolutions are not allowed here.

    Book: unit 4, page `im2col`.

    Args:
        x: images, N × C × H × W; not modified.
        w: kernels, F × C × HH × WW; HH and WW may differ; not modified.
        b: biases, (F,); not modified.
        conv_param: "stride" and "pad", as in conv_forward_naive.

    Returns:
        out: N × F × H' × W', in the dtype of x.
        cache: whatever conv_backward_im2col needs, in a form of your choice.

    Raises:
        ValueError: the kernel is larger than the padded image.
    """
    stride, pad = conv_param["stride"], conv_param["pad"]
    n_kernels, n_channels, HH, WW = w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = sliding_window_view(padded, (HH, WW), axis=(2, 3))[:, :, ::stride, ::stride]
    out_h, out_w = windows.shape[2:4]
    cols = windows.transpose(1, 4, 5, 0, 2, 3).reshape(n_channels * HH * WW, -1)
    out = w.reshape(n_kernels, -1) @ cols + b[:, None]
    out = out.reshape(n_kernels, len(x), out_h, out_w).swapaxes(0, 1)
    return out, (cols, w, x.shape, stride, pad)


def conv_backward_im2col(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute the gradients of a loss through conv_forward_im2col by matrix products.

    One hidden check has three million outputs and the time of that of conv_forward_im2col. Your
    col2im may be called.

    Book: unit 4, page `im2col`.

    Args:
        dout: gradient of the loss with respect to out, N × F × H' × W'; not modified.
        cache: what your conv_forward_im2col returned.

    Returns:
        dx: gradient with respect to x, of its shape.
        dw: gradient with respect to w, of its shape.
        db: gradient with respect to b, (F,).

        All are sums over what each value took part in: a mean over the batch is already in dout.
    """
    cols, w, (n_examples, n_channels, height, width), stride, pad = cache
    n_kernels, _, HH, WW = w.shape
    out_h, out_w = dout.shape[2:]
    d_rows = dout.swapaxes(0, 1).reshape(n_kernels, -1)
    dw = (d_rows @ cols.T).reshape(w.shape)
    d_cols = w.reshape(n_kernels, -1).T @ d_rows
    parts = d_cols.reshape(n_channels, HH, WW, n_examples, out_h, out_w)
    padded = np.zeros((n_examples, n_channels, height + 2 * pad, width + 2 * pad), d_cols.dtype)
    for r in range(HH):
        for s in range(WW):
            rows = slice(r, r + stride * (out_h - 1) + 1, stride)
            columns = slice(s, s + stride * (out_w - 1) + 1, stride)
            padded[:, :, rows, columns] += parts[:, r, s].swapaxes(0, 1)
    dx = padded[:, :, pad : pad + height, pad : pad + width]
    return dx, dw, d_rows.sum(axis=1)
