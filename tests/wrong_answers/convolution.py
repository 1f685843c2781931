"""Answers to the tasks of `solutions.convolution`."""

import torch
from torch import Tensor
from torch.nn import functional

from tests.wrong_answers import right, wrong

# conv2d


@wrong("conv2d", hint="kernel is flipped")
def flipped_kernel(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    Y = torch.einsum("bchwij,ocij->bohw", windows, W.flip(2, 3))
    return Y if b is None else Y + b[:, None, None]


@wrong("conv2d", hint="upside down")
def kernel_upside_down(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    Y = torch.einsum("bchwij,ocij->bohw", windows, W.flip(2))
    return Y if b is None else Y + b[:, None, None]


@wrong("conv2d", hint="padding is left out")
def no_padding(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    windows = X.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    Y = torch.einsum("bchwij,ocij->bohw", windows, W)
    return Y if b is None else Y + b[:, None, None]


@wrong("conv2d", hint="half of them belong")
def zeros_at_the_end(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (0, 2 * padding, 0, 2 * padding))
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    Y = torch.einsum("bchwij,ocij->bohw", windows, W)
    return Y if b is None else Y + b[:, None, None]


@wrong("conv2d", hint="all four sides")
def zeros_on_two_sides(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding, 0, padding, 0))
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    Y = torch.einsum("bchwij,ocij->bohw", windows, W)
    return Y if b is None else Y + b[:, None, None]


@wrong("conv2d", hint="padded with zeros")
def border_repeated(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding,) * 4, mode="replicate")
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    Y = torch.einsum("bchwij,ocij->bohw", windows, W)
    return Y if b is None else Y + b[:, None, None]


@wrong("conv2d", hint="stride is left out")
def no_stride(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], 1).unfold(3, W.shape[3], 1)
    Y = torch.einsum("bchwij,ocij->bohw", windows, W)
    return Y if b is None else Y + b[:, None, None]


@wrong("conv2d", hint="both directions")
def stride_in_rows_only(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], 1)
    Y = torch.einsum("bchwij,ocij->bohw", windows, W)
    return Y if b is None else Y + b[:, None, None]


@wrong("conv2d", hint="spreads them apart")
def stride_inside_the_window(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding,) * 4)
    n_out, _, k_h, k_w = W.shape
    out_h = padded.shape[2] - stride * (k_h - 1)
    out_w = padded.shape[3] - stride * (k_w - 1)
    Y = X.new_zeros(len(X), n_out, out_h, out_w)
    for i in range(k_h):
        for j in range(k_w):
            met = padded[:, :, i * stride : i * stride + out_h, j * stride : j * stride + out_w]
            Y += torch.einsum("bchw,oc->bohw", met, W[:, :, i, j])
    return Y if b is None else Y + b[:, None, None]


@wrong("conv2d", hint="+1 is missing")
def last_position_forgotten(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    Y = torch.einsum("bchwij,ocij->bohw", windows, W)[:, :, :-1, :-1]
    return Y if b is None else Y + b[:, None, None]


@wrong("conv2d", hint="round down")
def rest_kept(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding,) * 4)
    more = [-(n - k) % stride for n, k in zip(padded.shape[2:], W.shape[2:], strict=True)]
    padded = functional.pad(padded, (0, more[1], 0, more[0]))
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    Y = torch.einsum("bchwij,ocij->bohw", windows, W)
    return Y if b is None else Y + b[:, None, None]


@wrong("conv2d", hint="biases are not added")
def biases_forgotten(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    Y = torch.einsum("bchwij,ocij->bohw", windows, W)
    return Y


@wrong("conv2d", hint="b is None")
def biases_expected(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    Y = torch.einsum("bchwij,ocij->bohw", windows, W)
    return Y + b[:, None, None]  # type: ignore[index]


@wrong("conv2d", hint="entry of the kernel")
def bias_in_the_loop(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding,) * 4)
    n_out, _, k_h, k_w = W.shape
    out_h = (padded.shape[2] - k_h) // stride + 1
    out_w = (padded.shape[3] - k_w) // stride + 1
    Y = X.new_zeros(len(X), n_out, out_h, out_w)
    for i in range(k_h):
        for j in range(k_w):
            met = padded[:, :, i:, j:][:, :, ::stride, ::stride][:, :, :out_h, :out_w]
            Y += torch.einsum("bchw,oc->bohw", met, W[:, :, i, j])
            if b is not None:
                Y += b[:, None, None]
    return Y


@wrong("conv2d", hint="input channel")
def bias_for_each_channel(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    Y = torch.einsum("bchwij,ocij->bochw", windows, W)
    if b is not None:
        Y = Y + b[:, None, None, None]
    return Y.sum(dim=2)


@wrong("conv2d", hint="not averaged")
def channels_averaged(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    Y = torch.einsum("bchwij,ocij->bochw", windows, W).mean(dim=2)
    return Y if b is None else Y + b[:, None, None]


@wrong("conv2d", hint="sum over the input channels")
def channels_not_added(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    Y = torch.einsum("bchwij,ocij->bochw", windows, W)
    return Y if b is None else Y + b[:, None, None, None]


@wrong("conv2d", hint="all input channels")
def first_channel(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    Y = torch.einsum("bhwij,oij->bohw", windows[:, 0], W[:, 0])
    return Y if b is None else Y + b[:, None, None]


@wrong("conv2d", hint="Write the size")
def square_kernels(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding,) * 4)
    side = W.shape[2]
    windows = padded.unfold(2, side, stride).unfold(3, side, stride)
    Y = torch.einsum("bchwij,ocij->bohw", windows, W)
    return Y if b is None else Y + b[:, None, None]


@wrong("conv2d", hint="no activation")
def with_relu(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    Y = torch.einsum("bchwij,ocij->bohw", windows, W)
    return (Y if b is None else Y + b[:, None, None]).relu()


@wrong("conv2d", hint="new tensors are float32")
def in_float32(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    Y = torch.zeros(len(X), len(W), *windows.shape[2:4])
    Y += torch.einsum("bchwij,ocij->bohw", windows, W)
    return Y if b is None else Y + b[:, None, None]


@wrong("conv2d", hint="belongs to the caller")
def kernel_turned_in_place(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    W.copy_(W.flip(2, 3))
    Y = torch.einsum("bchwij,ocij->bohw", windows.flip(4, 5), W)
    return Y if b is None else Y + b[:, None, None]


@wrong("conv2d", hint="reshape works where view")
def weights_viewed(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    columns = windows.permute(0, 2, 3, 1, 4, 5).flatten(start_dim=3)
    Y = (columns @ W.view(len(W), -1).T).permute(0, 3, 1, 2)
    return Y if b is None else Y + b[:, None, None]


@right("conv2d")
def by_windows(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    Y = torch.einsum("bchwij,ocij->bohw", windows, W)
    return Y if b is None else Y + b[:, None, None]


@right("conv2d")
def by_columns(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    k_h, k_w = W.shape[2:]
    columns = functional.unfold(X, (k_h, k_w), padding=padding, stride=stride)
    Y = W.reshape(len(W), -1) @ columns
    out_h = (X.shape[2] + 2 * padding - k_h) // stride + 1
    Y = Y.reshape(len(X), len(W), out_h, -1)
    if b is not None:
        Y += b.reshape(1, -1, 1, 1)
    return Y


@right("conv2d")
def by_loops(
    X: Tensor, W: Tensor, b: Tensor | None = None, stride: int = 1, padding: int = 0
) -> Tensor:
    n_examples, n_in, height, width = X.shape
    n_out, _, k_h, k_w = W.shape
    padded = X.new_zeros(n_examples, n_in, height + 2 * padding, width + 2 * padding)
    padded[:, :, padding : padding + height, padding : padding + width] = X
    out_h = (height + 2 * padding - k_h) // stride + 1
    out_w = (width + 2 * padding - k_w) // stride + 1
    Y = torch.empty((n_examples, n_out, out_h, out_w), dtype=X.dtype, device=X.device)
    for example in range(n_examples):
        for o in range(n_out):
            for u in range(out_h):
                for v in range(out_w):
                    top, left = u * stride, v * stride
                    window = padded[example, :, top : top + k_h, left : left + k_w]
                    Y[example, o, u, v] = (window * W[o]).sum()
                    if b is not None:
                        Y[example, o, u, v] += b[o]
    return Y


# conv2d_backward


@wrong("conv2d_backward", hint="180 degrees")
def kernel_not_turned(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    dW = torch.einsum("bchwij,bohw->ocij", windows, upstream)
    sent = torch.einsum("bohw,ocij->bcijhw", upstream, W.flip(2, 3)).flatten(4).flatten(1, 3)
    d_padded = functional.fold(sent, padded.shape[2:], W.shape[2:], stride=stride)
    dX = d_padded[:, :, padding:, padding:][:, :, : X.shape[2], : X.shape[3]]
    return dX, dW, upstream.sum(dim=(0, 2, 3))


@wrong("conv2d_backward", hint="dW is flipped")
def kernel_gradient_flipped(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    dW = torch.einsum("bchwij,bohw->ocij", windows, upstream).flip(2, 3)
    sent = torch.einsum("bohw,ocij->bcijhw", upstream, W).flatten(4).flatten(1, 3)
    d_padded = functional.fold(sent, padded.shape[2:], W.shape[2:], stride=stride)
    dX = d_padded[:, :, padding:, padding:][:, :, : X.shape[2], : X.shape[3]]
    return dX, dW, upstream.sum(dim=(0, 2, 3))


@wrong("conv2d_backward", hint="cut the border off")
def border_kept(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    dW = torch.einsum("bchwij,bohw->ocij", windows, upstream)
    sent = torch.einsum("bohw,ocij->bcijhw", upstream, W).flatten(4).flatten(1, 3)
    dX = functional.fold(sent, padded.shape[2:], W.shape[2:], stride=stride)
    return dX, dW, upstream.sum(dim=(0, 2, 3))


@wrong("conv2d_backward", hint="no position of the kernel covers")
def rest_left_out(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    dW = torch.einsum("bchwij,bohw->ocij", windows, upstream)
    sent = torch.einsum("bohw,ocij->bcijhw", upstream, W).flatten(4).flatten(1, 3)
    height, width = (
        stride * (n - 1) + k for n, k in zip(upstream.shape[2:], W.shape[2:], strict=True)
    )
    d_padded = functional.fold(sent, (height, width), W.shape[2:], stride=stride)
    dX = d_padded[:, :, padding : height - padding, padding : width - padding]
    return dX, dW, upstream.sum(dim=(0, 2, 3))


@wrong("conv2d_backward", hint="several windows")
def replaced_instead_of_added(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    dW = torch.einsum("bchwij,bohw->ocij", windows, upstream)
    out_h, out_w = (stride * (n - 1) + 1 for n in upstream.shape[2:])
    d_padded = torch.zeros_like(padded)
    for i in range(W.shape[2]):
        for j in range(W.shape[3]):
            sent = torch.einsum("bohw,oc->bchw", upstream, W[:, :, i, j])
            d_padded[:, :, i : i + out_h : stride, j : j + out_w : stride] = sent
    dX = d_padded[:, :, padding:, padding:][:, :, : X.shape[2], : X.shape[3]]
    return dX, dW, upstream.sum(dim=(0, 2, 3))


@wrong("conv2d_backward", hint="already in upstream")
def mean_over_the_batch(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    dW = torch.einsum("bchwij,bohw->ocij", windows, upstream)
    sent = torch.einsum("bohw,ocij->bcijhw", upstream, W).flatten(4).flatten(1, 3)
    d_padded = functional.fold(sent, padded.shape[2:], W.shape[2:], stride=stride)
    dX = d_padded[:, :, padding:, padding:][:, :, : X.shape[2], : X.shape[3]]
    batch = len(X)
    return dX / batch, dW / batch, upstream.sum(dim=(0, 2, 3)) / batch


@wrong("conv2d_backward", hint="over the positions, not a mean")
def mean_over_positions(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    dW = torch.einsum("bchwij,bohw->ochwij", windows, upstream).mean(dim=(2, 3))
    sent = torch.einsum("bohw,ocij->bcijhw", upstream, W).flatten(4).flatten(1, 3)
    d_padded = functional.fold(sent, padded.shape[2:], W.shape[2:], stride=stride)
    dX = d_padded[:, :, padding:, padding:][:, :, : X.shape[2], : X.shape[3]]
    return dX, dW, upstream.mean(dim=(2, 3)).sum(dim=0)


@wrong("conv2d_backward", hint="in the order")
def kernels_first(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    dW = torch.einsum("bchwij,bohw->ocij", windows, upstream)
    sent = torch.einsum("bohw,ocij->bcijhw", upstream, W).flatten(4).flatten(1, 3)
    d_padded = functional.fold(sent, padded.shape[2:], W.shape[2:], stride=stride)
    dX = d_padded[:, :, padding:, padding:][:, :, : X.shape[2], : X.shape[3]]
    return dW, dX, upstream.sum(dim=(0, 2, 3))


@wrong("conv2d_backward", hint="three gradients")
def biases_left_out(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor]:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    dW = torch.einsum("bchwij,bohw->ocij", windows, upstream)
    sent = torch.einsum("bohw,ocij->bcijhw", upstream, W).flatten(4).flatten(1, 3)
    d_padded = functional.fold(sent, padded.shape[2:], W.shape[2:], stride=stride)
    dX = d_padded[:, :, padding:, padding:][:, :, : X.shape[2], : X.shape[3]]
    return dX, dW


@wrong("conv2d_backward", hint="over the batch as well")
def bias_of_each_example(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    dW = torch.einsum("bchwij,bohw->ocij", windows, upstream)
    sent = torch.einsum("bohw,ocij->bcijhw", upstream, W).flatten(4).flatten(1, 3)
    d_padded = functional.fold(sent, padded.shape[2:], W.shape[2:], stride=stride)
    dX = d_padded[:, :, padding:, padding:][:, :, : X.shape[2], : X.shape[3]]
    return dX, dW, upstream.sum(dim=(2, 3))


@wrong("conv2d_backward", hint="over the positions as well")
def bias_of_each_position(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    dW = torch.einsum("bchwij,bohw->ocij", windows, upstream)
    sent = torch.einsum("bohw,ocij->bcijhw", upstream, W).flatten(4).flatten(1, 3)
    d_padded = functional.fold(sent, padded.shape[2:], W.shape[2:], stride=stride)
    dX = d_padded[:, :, padding:, padding:][:, :, : X.shape[2], : X.shape[3]]
    return dX, dW, upstream.sum(dim=0)


@wrong("conv2d_backward", hint="add up over the batch")
def kernels_of_each_example(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    dW = torch.einsum("bchwij,bohw->bocij", windows, upstream)
    sent = torch.einsum("bohw,ocij->bcijhw", upstream, W).flatten(4).flatten(1, 3)
    d_padded = functional.fold(sent, padded.shape[2:], W.shape[2:], stride=stride)
    dX = d_padded[:, :, padding:, padding:][:, :, : X.shape[2], : X.shape[3]]
    return dX, dW, upstream.sum(dim=(0, 2, 3))


@wrong("conv2d_backward", hint="upstream is left out")
def upstream_ignored(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    upstream = torch.ones_like(upstream)
    dW = torch.einsum("bchwij,bohw->ocij", windows, upstream)
    sent = torch.einsum("bohw,ocij->bcijhw", upstream, W).flatten(4).flatten(1, 3)
    d_padded = functional.fold(sent, padded.shape[2:], W.shape[2:], stride=stride)
    dX = d_padded[:, :, padding:, padding:][:, :, : X.shape[2], : X.shape[3]]
    return dX, dW, upstream.sum(dim=(0, 2, 3))


@wrong("conv2d_backward", hint="Write the size")
def backward_without_stride(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], 1).unfold(3, W.shape[3], 1)
    dW = torch.einsum("bchwij,bohw->ocij", windows, upstream)
    sent = torch.einsum("bohw,ocij->bcijhw", upstream, W).flatten(4).flatten(1, 3)
    d_padded = functional.fold(sent, padded.shape[2:], W.shape[2:])
    dX = d_padded[:, :, padding:, padding:][:, :, : X.shape[2], : X.shape[3]]
    return dX, dW, upstream.sum(dim=(0, 2, 3))


@wrong("conv2d_backward", hint="beyond every edge")
def inner_convolution(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    dW = torch.einsum("bchwij,bohw->ocij", windows, upstream)
    inner = upstream.unfold(2, W.shape[2], 1).unfold(3, W.shape[3], 1)
    dX = torch.einsum("bohwij,ocij->bchw", inner, W.flip(2, 3))
    return dX, dW, upstream.sum(dim=(0, 2, 3))


@wrong("conv2d_backward", hint="automatic differentiation is off")
def by_autograd(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    X, W = X.detach().clone().requires_grad_(), W.detach().clone().requires_grad_()
    (upstream * functional.conv2d(X, W, None, stride, padding)).sum().backward()
    assert X.grad is not None and W.grad is not None
    return X.grad, W.grad, upstream.sum(dim=(0, 2, 3))


@wrong("conv2d_backward", hint="new tensors are float32")
def gradients_in_float32(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    dX, dW = torch.zeros(X.shape), torch.zeros(W.shape)
    dW += torch.einsum("bchwij,bohw->ocij", windows, upstream)
    sent = torch.einsum("bohw,ocij->bcijhw", upstream, W).flatten(4).flatten(1, 3)
    d_padded = functional.fold(sent, padded.shape[2:], W.shape[2:], stride=stride)
    dX += d_padded[:, :, padding:, padding:][:, :, : X.shape[2], : X.shape[3]]
    return dX, dW, upstream.sum(dim=(0, 2, 3))


@wrong("conv2d_backward", hint="belongs to the caller")
def kernels_turned_in_place(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    dW = torch.einsum("bchwij,bohw->ocij", windows, upstream)
    W.copy_(W.flip(2, 3))
    sent = torch.einsum("bohw,ocij->bcijhw", upstream, W.flip(2, 3)).flatten(4).flatten(1, 3)
    d_padded = functional.fold(sent, padded.shape[2:], W.shape[2:], stride=stride)
    dX = d_padded[:, :, padding:, padding:][:, :, : X.shape[2], : X.shape[3]]
    return dX, dW, upstream.sum(dim=(0, 2, 3))


@wrong("conv2d_backward", hint="reshape works where view")
def upstream_viewed(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    dW = torch.einsum("bchwij,bohw->ocij", windows, upstream)
    sent = torch.einsum("bohw,ocij->bcijhw", upstream, W).flatten(4).flatten(1, 3)
    d_padded = functional.fold(sent, padded.shape[2:], W.shape[2:], stride=stride)
    dX = d_padded[:, :, padding:, padding:][:, :, : X.shape[2], : X.shape[3]]
    db = upstream.view(len(X), len(W), -1).sum(dim=(0, 2))
    return dX, dW, db


@right("conv2d_backward")
def by_folding(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    padded = functional.pad(X, (padding,) * 4)
    windows = padded.unfold(2, W.shape[2], stride).unfold(3, W.shape[3], stride)
    dW = torch.einsum("bchwij,bohw->ocij", windows, upstream)
    sent = torch.einsum("bohw,ocij->bcijhw", upstream, W).flatten(4).flatten(1, 3)
    d_padded = functional.fold(sent, padded.shape[2:], W.shape[2:], stride=stride)
    dX = d_padded[:, :, padding:, padding:][:, :, : X.shape[2], : X.shape[3]]
    return dX, dW, upstream.sum(dim=(0, 2, 3))


@right("conv2d_backward")
def as_convolutions(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    padded = functional.pad(X, (padding,) * 4)
    k_h, k_w = W.shape[2:]
    rows, columns = padded.shape[2] - k_h + 1, padded.shape[3] - k_w + 1
    spread = upstream.new_zeros(*upstream.shape[:2], rows, columns)
    spread[:, :, ::stride, ::stride][:, :, : upstream.shape[2], : upstream.shape[3]] = upstream
    full = functional.pad(spread, (k_w - 1, k_w - 1, k_h - 1, k_h - 1))
    around = full.unfold(2, k_h, 1).unfold(3, k_w, 1)
    d_padded = torch.einsum("bohwij,ocij->bchw", around, W.flip(2, 3))
    met = padded.unfold(2, rows, 1).unfold(3, columns, 1)
    dW = torch.einsum("bcijhw,bohw->ocij", met, spread)
    dX = d_padded[:, :, padding : padding + X.shape[2], padding : padding + X.shape[3]]
    return dX, dW, spread.sum(dim=(0, 2, 3))


@right("conv2d_backward")
def by_loops_over_positions(
    upstream: Tensor, X: Tensor, W: Tensor, stride: int = 1, padding: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    padded = functional.pad(X, (padding,) * 4)
    k_h, k_w = W.shape[2:]
    d_padded, dW = torch.zeros_like(padded), torch.zeros_like(W)
    for u in range(upstream.shape[2]):
        for v in range(upstream.shape[3]):
            place = (..., slice(u * stride, u * stride + k_h), slice(v * stride, v * stride + k_w))
            arriving = upstream[:, :, u, v]
            dW += torch.einsum("bo,bcij->ocij", arriving, padded[place])
            d_padded[place] += torch.einsum("bo,ocij->bcij", arriving, W)
    dX = d_padded[:, :, padding:, padding:][:, :, : X.shape[2], : X.shape[3]]
    return dX, dW, upstream.sum(dim=(0, 2, 3))
