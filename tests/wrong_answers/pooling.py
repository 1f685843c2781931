"""Answers to the tasks of `solutions.pooling`."""

import torch
from torch import Tensor
from torch.nn import functional

from tests.wrong_answers import right, wrong

# max_pool2d


@wrong("max_pool2d", hint="this is the mean")
def mean_for_max(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    return windows.mean(dim=(-2, -1))


@wrong("max_pool2d", hint="smallest value")
def minimum(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    return windows.amin(dim=(-2, -1))


@wrong("max_pool2d", hint="absolute value")
def largest_absolute_value(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    return windows.abs().amax(dim=(-2, -1))


@wrong("max_pool2d", hint="begins at 0")
def begun_at_zero(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    Y = torch.zeros_like(windows[..., 0, 0])
    for i in range(kernel):
        for j in range(kernel):
            Y = torch.maximum(Y, windows[..., i, j])
    return Y


@wrong("max_pool2d", hint="None stands for the kernel")
def stride_one_by_default(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = 1 if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    return windows.amax(dim=(-2, -1))


@wrong("max_pool2d", hint="side by side")
def stride_forgotten(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    windows = X.unfold(2, kernel, kernel).unfold(3, kernel, kernel)
    return windows.amax(dim=(-2, -1))


@wrong("max_pool2d", hint="round down")
def rest_pooled(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    more = [-(n - kernel) % stride for n in X.shape[2:]]
    X = functional.pad(X, (0, more[1], 0, more[0]), value=-torch.inf)
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    return windows.amax(dim=(-2, -1))


@wrong("max_pool2d", hint="multiples of the stride")
def sides_divided(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    batch, channels, height, width = X.shape
    rows, columns = height // kernel, width // kernel
    return X.reshape(batch, channels, rows, kernel, columns, kernel).amax(dim=(3, 5))


@wrong("max_pool2d", hint="channels stay apart")
def over_the_channels(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    return windows.amax(dim=(-2, -1)).amax(dim=1, keepdim=True)


@wrong("max_pool2d", hint="+1 is missing")
def last_window_forgotten(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    return windows.amax(dim=(-2, -1))[:, :, :-1, :-1]


@wrong("max_pool2d", hint="one corner")
def corner(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    return windows[..., 0, 0]


@wrong("max_pool2d", hint="take one value of each")
def windows_returned(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    return windows.sort(dim=-1).values


@wrong("max_pool2d", hint="reshape works where view")
def image_viewed(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    rows = X.view(-1, X.shape[2], X.shape[3])
    windows = rows.unfold(1, kernel, stride).unfold(2, kernel, stride)
    largest = windows.amax(dim=(-2, -1))
    return largest.reshape(*X.shape[:2], *largest.shape[1:])


@wrong("max_pool2d", hint="belongs to the caller")
def winners_marked_in_the_image(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    Y = windows.amax(dim=(-2, -1))
    X.clamp_(max=float(Y.max()) - 1)
    return Y


@wrong("max_pool2d", hint="float32")
def maximum_in_float32(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    Y = torch.zeros(windows.shape[:4])
    Y[:] = windows.amax(dim=(-2, -1))
    return Y


@right("max_pool2d")
def max_by_two_steps(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    rows = X.unfold(2, kernel, stride).max(dim=-1).values
    return rows.unfold(3, kernel, stride).max(dim=-1).values


@right("max_pool2d")
def max_by_loops(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    batch, channels, height, width = X.shape
    out_h, out_w = (height - kernel) // stride + 1, (width - kernel) // stride + 1
    Y = torch.empty((batch, channels, out_h, out_w), dtype=X.dtype, device=X.device)
    for u in range(out_h):
        for v in range(out_w):
            top, left = u * stride, v * stride
            window = X[:, :, top : top + kernel, left : left + kernel]
            Y[:, :, u, v] = window.amax(dim=(2, 3))
    return Y


@right("max_pool2d")
def max_by_columns(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    batch, channels, height, width = X.shape
    columns = functional.unfold(X.reshape(-1, 1, height, width), kernel, stride=stride)
    return columns.amax(dim=1).reshape(batch, channels, (height - kernel) // stride + 1, -1)


# avg_pool2d


@wrong("avg_pool2d", hint="sum of each window")
def sum_for_mean(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    return windows.sum(dim=(-2, -1))


@wrong("avg_pool2d", hint="divide by the kernel twice")
def divided_once(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    return windows.sum(dim=(-2, -1)) / kernel


@wrong("avg_pool2d", hint="whatever the stride")
def divided_by_the_stride(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    return windows.sum(dim=(-2, -1)) / stride**2


@wrong("avg_pool2d", hint="this is the largest value")
def max_for_mean(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    return windows.amax(dim=(-2, -1))


@wrong("avg_pool2d", hint="None stands for the kernel")
def mean_with_stride_one(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = 1 if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    return windows.mean(dim=(-2, -1))


@wrong("avg_pool2d", hint="side by side")
def mean_without_stride(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    windows = X.unfold(2, kernel, kernel).unfold(3, kernel, kernel)
    return windows.mean(dim=(-2, -1))


@wrong("avg_pool2d", hint="round down")
def rest_averaged_with_zeros(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    more = [-(n - kernel) % stride for n in X.shape[2:]]
    X = functional.pad(X, (0, more[1], 0, more[0]))
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    return windows.mean(dim=(-2, -1))


@wrong("avg_pool2d", hint="multiples of the stride")
def mean_of_divided_sides(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    batch, channels, height, width = X.shape
    rows, columns = height // kernel, width // kernel
    return X.reshape(batch, channels, rows, kernel, columns, kernel).mean(dim=(3, 5))


@wrong("avg_pool2d", hint="channels stay apart")
def mean_over_the_channels(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    return windows.mean(dim=(1, -2, -1))[:, None]


@wrong("avg_pool2d", hint="float32")
def mean_in_float32(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    Y = torch.zeros(windows.shape[:4])
    Y += windows.mean(dim=(-2, -1))
    return Y


@wrong("avg_pool2d", hint="one corner")
def corners_averaged(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride)
    return windows[..., 0, 0]


@right("avg_pool2d")
def mean_by_two_steps(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    return X.unfold(2, kernel, stride).mean(dim=-1).unfold(3, kernel, stride).mean(dim=-1)


@right("avg_pool2d")
def mean_by_loops(X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    out_h, out_w = ((n - kernel) // stride + 1 for n in X.shape[2:])
    Y = X.new_zeros(*X.shape[:2], out_h, out_w)
    for i in range(kernel):
        for j in range(kernel):
            Y += X[:, :, i:, j:][:, :, ::stride, ::stride][:, :, :out_h, :out_w]
    return Y / kernel**2


# max_pool2d_backward


@wrong("max_pool2d_backward", hint="only the first of them")
def all_equal_ones(upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride).flatten(4)
    chosen = (windows == windows.amax(dim=4, keepdim=True)).to(X)
    sent = (chosen * upstream[..., None]).permute(0, 1, 4, 2, 3).flatten(3).flatten(1, 2)
    return functional.fold(sent, X.shape[2:], kernel, stride=stride)


@wrong("max_pool2d_backward", hint="not shared")
def shared_by_equal_ones(
    upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None
) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride).flatten(4)
    chosen = (windows == windows.amax(dim=4, keepdim=True)).to(X)
    chosen = chosen / chosen.sum(dim=4, keepdim=True)
    sent = (chosen * upstream[..., None]).permute(0, 1, 4, 2, 3).flatten(3).flatten(1, 2)
    return functional.fold(sent, X.shape[2:], kernel, stride=stride)


@wrong("max_pool2d_backward", hint="not the last")
def last_of_equal_ones(
    upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None
) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride).flatten(4)
    winners = kernel**2 - 1 - windows.flip(4).argmax(dim=4)
    chosen = functional.one_hot(winners, kernel**2).to(X)
    sent = (chosen * upstream[..., None]).permute(0, 1, 4, 2, 3).flatten(3).flatten(1, 2)
    return functional.fold(sent, X.shape[2:], kernel, stride=stride)


@wrong("max_pool2d_backward", hint="not column by column")
def first_by_columns(upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride).transpose(4, 5).flatten(4)
    chosen = functional.one_hot(windows.argmax(dim=4), kernel**2).to(X)
    chosen = chosen.unflatten(4, (kernel, kernel)).transpose(4, 5).flatten(4)
    sent = (chosen * upstream[..., None]).permute(0, 1, 4, 2, 3).flatten(3).flatten(1, 2)
    return functional.fold(sent, X.shape[2:], kernel, stride=stride)


@wrong("max_pool2d_backward", hint="several windows")
def windows_replace_each_other(
    upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None
) -> Tensor:
    stride = kernel if stride is None else stride
    dX = torch.zeros_like(X)
    for u in range(upstream.shape[2]):
        rows = slice(u * stride, u * stride + kernel)
        for v in range(upstream.shape[3]):
            place = (..., rows, slice(v * stride, v * stride + kernel))
            window = X[place]
            first = window.flatten(2).argmax(dim=2)
            mask = functional.one_hot(first, kernel**2).to(X).unflatten(2, (kernel, kernel))
            dX[place] = mask * upstream[:, :, u, v, None, None]
    return dX


@wrong("max_pool2d_backward", hint="several windows")
def winners_replace_each_other(
    upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None
) -> Tensor:
    stride = kernel if stride is None else stride
    dX = torch.zeros_like(X)
    for u in range(upstream.shape[2]):
        rows = slice(u * stride, u * stride + kernel)
        for v in range(upstream.shape[3]):
            place = (..., rows, slice(v * stride, v * stride + kernel))
            first = X[place].flatten(2).argmax(dim=2)
            mask = functional.one_hot(first, kernel**2).bool().unflatten(2, (kernel, kernel))
            arriving = upstream[:, :, u, v, None, None]
            dX[place] = torch.where(mask, arriving, dX[place])
    return dX


@wrong("max_pool2d_backward", hint="gradient of the mean")
def spread_over_the_window(
    upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None
) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride).flatten(4)
    chosen = torch.ones_like(windows) / kernel**2
    sent = (chosen * upstream[..., None]).permute(0, 1, 4, 2, 3).flatten(3).flatten(1, 2)
    return functional.fold(sent, X.shape[2:], kernel, stride=stride)


@wrong("max_pool2d_backward", hint="upstream is left out")
def only_a_mask(upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride).flatten(4)
    chosen = functional.one_hot(windows.argmax(dim=4), kernel**2).to(X)
    sent = chosen.permute(0, 1, 4, 2, 3).flatten(3).flatten(1, 2)
    return functional.fold(sent, X.shape[2:], kernel, stride=stride)


@wrong("max_pool2d_backward", hint="no window covers")
def rest_missing(upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride).flatten(4)
    chosen = functional.one_hot(windows.argmax(dim=4), kernel**2).to(X)
    sent = (chosen * upstream[..., None]).permute(0, 1, 4, 2, 3).flatten(3).flatten(1, 2)
    height, width = (stride * (n - 1) + kernel for n in upstream.shape[2:])
    return functional.fold(sent, (height, width), kernel, stride=stride)


@wrong("max_pool2d_backward", hint="to the pixels of X")
def stays_at_the_windows(
    upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None
) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride).flatten(4)
    return upstream * (windows.amax(dim=4) == windows.amax(dim=4))


@wrong("max_pool2d_backward", hint="smallest value")
def smallest_of_the_window(
    upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None
) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride).flatten(4)
    chosen = functional.one_hot(windows.argmin(dim=4), kernel**2).to(X)
    sent = (chosen * upstream[..., None]).permute(0, 1, 4, 2, 3).flatten(3).flatten(1, 2)
    return functional.fold(sent, X.shape[2:], kernel, stride=stride)


@wrong("max_pool2d_backward", hint="Write the size")
def stride_of_the_kernel(
    upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None
) -> Tensor:
    stride = kernel
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride).flatten(4)
    chosen = functional.one_hot(windows.argmax(dim=4), kernel**2).to(X)
    sent = (chosen * upstream[..., None]).permute(0, 1, 4, 2, 3).flatten(3).flatten(1, 2)
    return functional.fold(sent, X.shape[2:], kernel, stride=stride)


@wrong("max_pool2d_backward", hint="float32")
def zeros_in_float32(upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride).flatten(4)
    chosen = functional.one_hot(windows.argmax(dim=4), kernel**2).to(X)
    sent = (chosen * upstream[..., None]).permute(0, 1, 4, 2, 3).flatten(3).flatten(1, 2)
    dX = torch.zeros(X.shape)
    dX += functional.fold(sent, X.shape[2:], kernel, stride=stride)
    return dX


@wrong("max_pool2d_backward", hint="belongs to the caller")
def winners_taken_out(
    upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None
) -> Tensor:
    stride = kernel if stride is None else stride
    dX, left = torch.zeros_like(X), X
    for u in range(upstream.shape[2]):
        rows = slice(u * stride, u * stride + kernel)
        for v in range(upstream.shape[3]):
            place = (..., rows, slice(v * stride, v * stride + kernel))
            first = X[place].flatten(2).argmax(dim=2)
            mask = functional.one_hot(first, kernel**2).bool().unflatten(2, (kernel, kernel))
            dX[place] += mask * upstream[:, :, u, v, None, None]
    left.masked_fill_(dX != 0, 0)
    return dX


@right("max_pool2d_backward")
def winners_folded(upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride).flatten(4)
    chosen = functional.one_hot(windows.argmax(dim=4), kernel**2).to(X)
    sent = (chosen * upstream[..., None]).permute(0, 1, 4, 2, 3).flatten(3).flatten(1, 2)
    return functional.fold(sent, X.shape[2:], kernel, stride=stride)


@right("max_pool2d_backward")
def winners_by_loops(upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    dX = torch.zeros_like(X)
    batch, channels, out_h, out_w = upstream.shape
    for example in range(batch):
        for c in range(channels):
            for u in range(out_h):
                for v in range(out_w):
                    top, left = u * stride, v * stride
                    window = X[example, c, top : top + kernel, left : left + kernel]
                    row, column = divmod(int(window.argmax()), kernel)
                    dX[example, c, top + row, left + column] += upstream[example, c, u, v]
    return dX


@right("max_pool2d_backward")
def winners_scattered(
    upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None
) -> Tensor:
    stride = kernel if stride is None else stride
    height, width = X.shape[2:]
    numbers = torch.arange(height * width, device=X.device).reshape(height, width)
    numbers = numbers.unfold(0, kernel, stride).unfold(1, kernel, stride).flatten(2)
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride).flatten(4)
    winners = windows.argmax(dim=4, keepdim=True)
    pixels = numbers.expand_as(windows).gather(4, winners).flatten(2)
    dX = torch.zeros_like(X, memory_format=torch.contiguous_format).flatten(2)
    return dX.scatter_add(2, pixels, upstream.flatten(2)).reshape(X.shape)


# avg_pool2d_backward


@wrong("avg_pool2d_backward", hint="its share")
def not_divided(upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    dX = torch.zeros_like(X)
    for u in range(upstream.shape[2]):
        rows = slice(u * stride, u * stride + kernel)
        for v in range(upstream.shape[3]):
            place = (..., rows, slice(v * stride, v * stride + kernel))
            dX[place] += upstream[:, :, u, v, None, None]
    return dX


@wrong("avg_pool2d_backward", hint="divide by the kernel twice")
def share_of_a_row(upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    dX = torch.zeros_like(X)
    for u in range(upstream.shape[2]):
        rows = slice(u * stride, u * stride + kernel)
        for v in range(upstream.shape[3]):
            place = (..., rows, slice(v * stride, v * stride + kernel))
            dX[place] += upstream[:, :, u, v, None, None] / kernel
    return dX


@wrong("avg_pool2d_backward", hint="several windows")
def shares_replace_each_other(
    upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None
) -> Tensor:
    stride = kernel if stride is None else stride
    dX = torch.zeros_like(X)
    for u in range(upstream.shape[2]):
        rows = slice(u * stride, u * stride + kernel)
        for v in range(upstream.shape[3]):
            place = (..., rows, slice(v * stride, v * stride + kernel))
            dX[place] = upstream[:, :, u, v, None, None] / kernel**2
    return dX


@wrong("avg_pool2d_backward", hint="upstream is left out")
def equal_shares_of_one(
    upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None
) -> Tensor:
    stride = kernel if stride is None else stride
    dX = torch.zeros_like(X)
    for u in range(upstream.shape[2]):
        rows = slice(u * stride, u * stride + kernel)
        for v in range(upstream.shape[3]):
            place = (..., rows, slice(v * stride, v * stride + kernel))
            dX[place] += 1 / kernel**2
    return dX


@wrong("avg_pool2d_backward", hint="no window covers")
def covered_part(upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    spread = upstream[:, :, :, None, :, None].expand(-1, -1, -1, kernel, -1, kernel)
    if stride == kernel:
        return spread.flatten(4, 5).flatten(2, 3) / kernel**2
    dX = torch.zeros_like(X)
    for u in range(upstream.shape[2]):
        rows = slice(u * stride, u * stride + kernel)
        for v in range(upstream.shape[3]):
            place = (..., rows, slice(v * stride, v * stride + kernel))
            dX[place] += upstream[:, :, u, v, None, None] / kernel**2
    return dX


@wrong("avg_pool2d_backward", hint="already in upstream")
def averaged_over_the_batch(
    upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None
) -> Tensor:
    stride = kernel if stride is None else stride
    dX = torch.zeros_like(X)
    for u in range(upstream.shape[2]):
        rows = slice(u * stride, u * stride + kernel)
        for v in range(upstream.shape[3]):
            place = (..., rows, slice(v * stride, v * stride + kernel))
            dX[place] += upstream[:, :, u, v, None, None] / kernel**2
    return dX / len(X)


@wrong("avg_pool2d_backward", hint="has a part in the mean")
def to_the_largest(upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride).flatten(4)
    chosen = functional.one_hot(windows.argmax(dim=4), kernel**2).to(X)
    sent = (chosen * upstream[..., None]).permute(0, 1, 4, 2, 3).flatten(3).flatten(1, 2)
    return functional.fold(sent, X.shape[2:], kernel, stride=stride)


@wrong("avg_pool2d_backward", hint="to the pixels of X")
def shares_stay_at_the_windows(
    upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None
) -> Tensor:
    stride = kernel if stride is None else stride
    return upstream / kernel**2


@wrong("avg_pool2d_backward", hint="Write the size")
def shares_without_stride(
    upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None
) -> Tensor:
    stride = kernel
    windows = X.unfold(2, kernel, stride).unfold(3, kernel, stride).flatten(4)
    chosen = torch.ones_like(windows) / kernel**2
    sent = (chosen * upstream[..., None]).permute(0, 1, 4, 2, 3).flatten(3).flatten(1, 2)
    return functional.fold(sent, X.shape[2:], kernel, stride=stride)


@wrong("avg_pool2d_backward", hint="float32")
def shares_in_float32(
    upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None
) -> Tensor:
    stride = kernel if stride is None else stride
    dX = torch.zeros(X.shape)
    for u in range(upstream.shape[2]):
        rows = slice(u * stride, u * stride + kernel)
        for v in range(upstream.shape[3]):
            place = (..., rows, slice(v * stride, v * stride + kernel))
            dX[place] += upstream[:, :, u, v, None, None] / kernel**2
    return dX


@wrong("avg_pool2d_backward", hint="belongs to the caller")
def upstream_divided_in_place(
    upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None
) -> Tensor:
    stride = kernel if stride is None else stride
    upstream /= kernel**2
    dX = torch.zeros_like(X)
    for u in range(upstream.shape[2]):
        rows = slice(u * stride, u * stride + kernel)
        for v in range(upstream.shape[3]):
            place = (..., rows, slice(v * stride, v * stride + kernel))
            dX[place] += upstream[:, :, u, v, None, None]
    return dX


@right("avg_pool2d_backward")
def shares_folded(upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None) -> Tensor:
    stride = kernel if stride is None else stride
    batch, channels = X.shape[:2]
    shares = (upstream / kernel**2).reshape(batch, channels, 1, -1)
    columns = shares.expand(-1, -1, kernel**2, -1).flatten(1, 2)
    return functional.fold(columns, X.shape[2:], kernel, stride=stride)


@right("avg_pool2d_backward")
def shares_by_offsets(
    upstream: Tensor, X: Tensor, kernel: int, stride: int | None = None
) -> Tensor:
    stride = kernel if stride is None else stride
    dX = torch.zeros_like(X)
    rows, columns = (stride * (n - 1) + 1 for n in upstream.shape[2:])
    for i in range(kernel):
        for j in range(kernel):
            dX[:, :, i : i + rows : stride, j : j + columns : stride] += upstream / kernel**2
    return dX
