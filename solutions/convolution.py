"""The convolutional layer by hand, forward and backward.

As in PyTorch the kernel is not flipped: what is called convolution is a cross-correlation. Images
are B × C × H × W, kernels n_out × n_in × k_h × k_w.
"""

import torch
from torch import Tensor


def conv2d(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    """Convolve a batch of images with a set of kernels, as nn.Conv2d does.

    The kernels are not flipped. Loops are welcome, and so is unfold; the library's convolutions
    (nn.Conv2d, torch.conv2d, functional.conv2d, scipy.signal and their like) are not allowed here.

    Args:
        X: images, B × n_in × H × W; not modified.
        W: kernels, n_out × n_in × k_h × k_w; k_h and k_w may differ; not modified.
        b: biases, (n_out,), or None for a layer without biases; not modified.
        stride: pixels from one position of the kernel to the next, in both directions.
        padding: pixels of zeros added on each of the four sides.

    Returns:
        B × n_out × H_out × W_out in the dtype and on the device of X, with H_out as
        conv_output_size gives it for H and k_h, W_out for W and k_w.

    Formula: book, unit 2, page `convolution`.
    """
    n_examples, n_in, height, width = X.shape
    n_out, _, k_h, k_w = W.shape
    padded = X.new_zeros(n_examples, n_in, height + 2 * padding, width + 2 * padding)
    padded[:, :, padding : padding + height, padding : padding + width] = X
    out_h = (height + 2 * padding - k_h) // stride + 1
    out_w = (width + 2 * padding - k_w) // stride + 1
    Y = X.new_zeros(n_examples, n_out, out_h, out_w)
    for i in range(k_h):
        for j in range(k_w):
            # The pixels that meet entry (i, j) of the kernel, one for each of its positions.
            rows = slice(i, i + stride * (out_h - 1) + 1, stride)
            columns = slice(j, j + stride * (out_w - 1) + 1, stride)
            Y += torch.einsum("bchw,oc->bohw", padded[:, :, rows, columns], W[:, :, i, j])
    return Y if b is None else Y + b[:, None, None]


def conv2d_backward(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the gradients of a loss through conv2d, by the chain rule.

    Automatic differentiation is off and not allowed here, and neither are the library's
    convolutions.

    Args:
        upstream: gradient of the loss with respect to the output of conv2d,
            B × n_out × H_out × W_out; not modified.
        X: the images that conv2d had, B × n_in × H × W; not modified.
        W: the kernels that it had, n_out × n_in × k_h × k_w; not modified.
        stride: the stride that it had.
        padding: the padding that it had.

    Returns:
        dX: gradient with respect to X, of its shape: pixels that no position covers get 0.
        dW: gradient with respect to W, of its shape.
        db: gradient with respect to the biases, (n_out,).

        The loss is any function of the output: these are sums, a mean over the batch is already in
        upstream.

    Formula: book, unit 2, page `convolution_backward`.
    """
    n_examples, n_in, height, width = X.shape
    out_h, out_w = upstream.shape[2:]
    padded = X.new_zeros(n_examples, n_in, height + 2 * padding, width + 2 * padding)
    padded[:, :, padding : padding + height, padding : padding + width] = X
    d_padded, dW = torch.zeros_like(padded), torch.zeros_like(W)
    for i in range(W.shape[2]):
        for j in range(W.shape[3]):
            rows = slice(i, i + stride * (out_h - 1) + 1, stride)
            columns = slice(j, j + stride * (out_w - 1) + 1, stride)
            met = padded[:, :, rows, columns]
            dW[:, :, i, j] = torch.einsum("bohw,bchw->oc", upstream, met)
            d_met = torch.einsum("bohw,oc->bchw", upstream, W[:, :, i, j])
            d_padded[:, :, rows, columns] += d_met
    dX = d_padded[:, :, padding : padding + height, padding : padding + width]
    return dX, dW, upstream.sum(dim=(0, 2, 3))
