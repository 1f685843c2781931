"""Max and average pooling by hand, forward and backward. Images are B × C × H × W."""

import torch
from torch import Tensor


def max_pool2d(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    """Take the largest value of each window, channel by channel.

    There is no padding; where the last step would leave the image, the rest is dropped. The
    library's pooling is not allowed here.

    Args:
        X: images, B × C × H × W, neither side smaller than kernel; not modified.
        kernel: side of the square windows.
        stride: pixels from one window to the next, in both directions; None stands for kernel.

    Returns:
        B × C × H_out × W_out in the dtype and on the device of X, the sides as conv_output_size
        gives them.

    Formula: book, unit 2, page `pooling`.
    """
    stride = kernel if stride is None else stride
    return X.unfold(2, kernel, stride).unfold(3, kernel, stride).amax(dim=(-2, -1))


def max_pool2d_backward(
    upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None
) -> Tensor:
    """Compute the gradient of a loss through max_pool2d, by the chain rule.

    The gradient of a window goes to its largest value; where several are equally large, to the
    first of them, row by row from the top left. What several windows send to one pixel adds up.
    Automatic differentiation is off and not allowed here, and neither is the library's pooling.

    Args:
        upstream: gradient with respect to the output of max_pool2d, B × C × H_out × W_out; not
            modified.
        X: the images that max_pool2d had, B × C × H × W; not modified.
        kernel: the side of the windows that it had.
        stride: the stride that it had; None stands for kernel.

    Returns:
        The gradient with respect to X, of its shape and dtype.

    Formula: book, unit 2, page `pooling`.
    """
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    winners = windows.flatten(start_dim=4).argmax(dim=4)
    out_h, out_w = upstream.shape[2:]
    dX = torch.zeros_like(X)
    for i in range(kernel):
        for j in range(kernel):
            rows = slice(i, i + stride * (out_h - 1) + 1, stride)
            columns = slice(j, j + stride * (out_w - 1) + 1, stride)
            dX[:, :, rows, columns] += upstream * (winners == i * kernel + j)
    return dX


def avg_pool2d(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    """Take the mean of each window, channel by channel.

    There is no padding; where the last step would leave the image, the rest is dropped. The
    library's pooling is not allowed here.

    Args:
        X: images, B × C × H × W, neither side smaller than kernel; not modified.
        kernel: side of the square windows.
        stride: pixels from one window to the next, in both directions; None stands for kernel.

    Returns:
        B × C × H_out × W_out in the dtype and on the device of X, the sides as conv_output_size
        gives them.

    Formula: book, unit 2, page `pooling`.
    """
    stride = kernel if stride is None else stride
    return X.unfold(2, kernel, stride).unfold(3, kernel, stride).mean(dim=(-2, -1))


def avg_pool2d_backward(
    upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None
) -> Tensor:
    """Compute the gradient of a loss through avg_pool2d, by the chain rule.

    What several windows send to one pixel adds up. Automatic differentiation is off and not allowed
    here, and neither is the library's pooling.

    Args:
        upstream: gradient with respect to the output of avg_pool2d, B × C × H_out × W_out; not
            modified.
        X: the images that avg_pool2d had, B × C × H × W; not modified.
        kernel: the side of the windows that it had.
        stride: the stride that it had; None stands for kernel.

    Returns:
        The gradient with respect to X, of its shape and dtype.

    Formula: book, unit 2, page `pooling`.
    """
    stride = kernel if stride is None else stride
    dX = torch.zeros_like(X)
    for i, row in enumerate(upstream.unbind(dim=2)):
        for j, share in enumerate(row.unbind(dim=2)):
            top, left = i * stride, j * stride
            window = dX[:, :, top : top + kernel, left : left + kernel]
            window += share[:, :, None, None] / kernel**2
    return dX
