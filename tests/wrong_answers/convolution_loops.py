"""Answers to the tasks of `solutions.convolution_loops`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from solutions.convolution_loops import (
    conv_backward_naive,
    conv_forward_naive,
    max_pool_backward_naive,
    max_pool_forward_naive,
)
from tests.wrong_answers import right, slip, wrong

BORDER = "((0, 0), (0, 0), (pad, pad), (pad, pad)))"
WINDOW = "window = padded[n, :, top:top + HH, left:left + WW]"
SUM = "(window * w[f]).sum() + b[f]"

# conv_forward_naive


@right("conv_forward_naive")
def product_of_all_windows(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, conv_param: Mapping[str, int]
) -> list[Any]:
    stride, pad = conv_param["stride"], conv_param["pad"]
    padded = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    windows = sliding_window_view(padded, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    out = np.einsum("nchwij,fcij->nfhw", windows, w) + b.reshape(1, -1, 1, 1)
    return [out, {"padded": padded, "w": w, "stride": stride, "pad": pad}]


@right("conv_forward_naive")
def seven_loops(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, conv_param: Mapping[str, int]
) -> tuple[np.ndarray, Any]:
    class Cache:
        def __init__(self) -> None:
            self.x, self.w, self.param = x, w, conv_param

    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    if min(H + 2 * p - HH, W + 2 * p - WW) < 0:
        raise ValueError("too large")
    out = np.zeros((N, F, 1 + (H + 2 * p - HH) // s, 1 + (W + 2 * p - WW) // s), x.dtype)
    for n in range(N):
        for f in range(F):
            for i in range(out.shape[2]):
                for j in range(out.shape[3]):
                    for c in range(C):
                        for r in range(HH):
                            for t in range(WW):
                                row, column = i * s + r - p, j * s + t - p
                                if 0 <= row < H and 0 <= column < W:
                                    out[n, f, i, j] += x[n, c, row, column] * w[f, c, r, t]
                    out[n, f, i, j] += b[f]
    return out, Cache()


slip(
    conv_forward_naive,
    "flipped_kernel",
    {"window * w[f]": "window * w[f, :, ::-1, ::-1]"},
    hint="kernel is flipped",
)
slip(
    conv_forward_naive,
    "kernel_upside_down",
    {"window * w[f]": "window * w[f, :, ::-1]"},
    hint="upside down",
)
slip(
    conv_forward_naive,
    "no_padding",
    {BORDER: "((0, 0), (0, 0), (0, 0), (0, 0)))"},
    hint="padding is left out",
)
slip(
    conv_forward_naive,
    "zeros_at_the_end",
    {BORDER: "((0, 0), (0, 0), (0, 2 * pad), (0, 2 * pad)))"},
    hint="half of them",
)
slip(
    conv_forward_naive,
    "zeros_on_two_sides",
    {BORDER: "((0, 0), (0, 0), (pad, 0), (pad, 0)))"},
    hint="all four sides",
)
slip(
    conv_forward_naive,
    "border_repeated",
    {BORDER: "((0, 0), (0, 0), (pad, pad), (pad, pad)), mode='edge')"},
    hint="padded with zeros",
)
slip(
    conv_forward_naive,
    "windows_at_neighbouring_pixels",
    {"top, left = (i * stride, j * stride)": "top, left = (i, j)"},
    hint="begins at pixel",
)
slip(
    conv_forward_naive,
    "pixels_of_the_window_apart",
    {WINDOW: "window = padded[n, :, top:top + stride * HH:stride, left:left + stride * WW:stride]"},
    hint="Write the size",
)
slip(
    conv_forward_naive,
    "last_position_forgotten",
    {
        "((height - HH) // stride + 1, (width - WW) // stride + 1)": (
            "((height - HH) // stride, (width - WW) // stride)"
        )
    },
    hint="+ 1 is missing",
)
slip(
    conv_forward_naive,
    "rounded_up",
    {
        "((height - HH) // stride + 1, (width - WW) // stride + 1)": (
            "(-((HH - height) // stride) + 1, -((WW - width) // stride) + 1)"
        )
    },
    hint="Write the size",
)
slip(conv_forward_naive, "biases_forgotten", {".sum() + b[f]": ".sum()"}, hint="biases are not")
slip(
    conv_forward_naive,
    "bias_with_each_product",
    {SUM: "(window * w[f] + b[f]).sum()"},
    hint="once for each product",
)
slip(conv_forward_naive, "products_averaged", {".sum()": ".mean()"}, hint="not averaged")
slip(conv_forward_naive, "square_kernels", {"left + WW]": "left + HH]"}, hint="Write the size")
slip(conv_forward_naive, "first_image_only", {"padded[n, :": "padded[0, :"}, hint="first one's")
slip(conv_forward_naive, "with_relu", {SUM: f"max(0, {SUM})"}, hint="no activation")
slip(conv_forward_naive, "in_float64", {"dtype=x.dtype": "dtype=float"}, hint="dtype of x")
slip(
    conv_forward_naive,
    "windows_multiplied_in_place",
    {
        "padded = np.pad": "padded = x if not pad else np.pad",
        "(window * w[f])": "window.__imul__(w[f])",
    },
    hint="belongs to the caller",
)
slip(conv_forward_naive, "no_cache", {"(out, (x, w, conv_param))": "out"}, hint="out, cache")
slip(
    conv_forward_naive,
    "too_large_kernels_accepted",
    {"height < HH or width < WW": "False"},
    hint="raise ValueError",
)

# conv_backward_naive


@right("conv_backward_naive")
def entry_by_entry(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, ...]:
    x, w, param = cache
    s, p = param["stride"], param["pad"]
    padded = np.pad(x, ((0,), (0,), (p,), (p,)))
    d_padded, dw = np.zeros(padded.shape), np.zeros(w.shape)
    height, width = (s * (n - 1) + 1 for n in dout.shape[2:])
    for r in range(w.shape[2]):
        for t in range(w.shape[3]):
            met = (slice(None), slice(None), slice(r, r + height, s), slice(t, t + width, s))
            dw[:, :, r, t] = np.tensordot(dout, padded[met], axes=([0, 2, 3], [0, 2, 3]))
            d_padded[met] += np.moveaxis(np.tensordot(dout, w[:, :, r, t], axes=(1, 0)), 3, 1)
    inside = slice(p, -p or None)
    return d_padded[:, :, inside, inside], dw, np.einsum("nfij->f", dout)


@right("conv_backward_naive")
def position_by_position(dout: np.ndarray, cache: Any) -> list[np.ndarray]:
    x, w, param = cache
    stride, pad = param["stride"], param["pad"]
    HH, WW = w.shape[2:]
    wide = np.zeros((x.shape[0], x.shape[1], x.shape[2] + 2 * pad, x.shape[3] + 2 * pad))
    wide[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]] = x
    dwide, dw = np.zeros(wide.shape), np.zeros(w.shape)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            window = np.s_[:, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
            dw += np.einsum("nf,ncrt->fcrt", dout[:, :, i, j], wide[window])
            dwide[window] += np.einsum("nf,fcrt->ncrt", dout[:, :, i, j], w)
    dx = dwide[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]]
    return [dx, dw, dout.sum(axis=3).sum(axis=2).sum(axis=0)]


INSIDE = "d_padded[:, :, pad:pad + x.shape[2], pad:pad + x.shape[3]]"
TO_PIXELS = "d_padded[n, :, rows, columns] += dout[n, f, i, j] * w[f]"
TO_KERNEL = "dw[f] += dout[n, f, i, j] * padded[n, :, rows, columns]"

slip(
    conv_backward_naive,
    "pixels_replaced",
    {"columns] += dout": "columns] = dout"},
    hint="add (+=)",
)
slip(conv_backward_naive, "kernels_replaced", {"dw[f] +=": "dw[f] ="}, hint="over all windows (+=)")
slip(conv_backward_naive, "border_kept", {INSIDE: "d_padded"}, hint="cut the border off")
slip(
    conv_backward_naive,
    "border_cut_at_the_end",
    {INSIDE: "d_padded[:, :, :x.shape[2], :x.shape[3]]"},
    hint="on all four sides",
)
slip(
    conv_backward_naive,
    "kernel_turned",
    {TO_PIXELS: TO_PIXELS + "[:, ::-1, ::-1]"},
    hint="180 degrees",
)
slip(
    conv_backward_naive,
    "gradient_of_kernel_turned",
    {TO_KERNEL: TO_KERNEL + "[:, ::-1, ::-1]"},
    hint="dw is flipped",
)
slip(
    conv_backward_naive,
    "biases_for_each_image",
    {"axis=(0, 2, 3)": "axis=(2, 3)"},
    hint="over the batch as well",
)
slip(
    conv_backward_naive,
    "biases_for_each_position",
    {"axis=(0, 2, 3)": "axis=0"},
    hint="over the positions as well",
)
slip(conv_backward_naive, "biases_averaged", {"dout.sum(": "dout.mean("}, hint="not a mean")
slip(
    conv_backward_naive,
    "divided_by_the_batch",
    {"(dx, dw, dout.sum(axis=(0, 2, 3)))": "(dx, dw / len(x), dout.sum(axis=(0, 2, 3)))"},
    hint="already in dout",
)
slip(
    conv_backward_naive,
    "upstream_left_out",
    {TO_KERNEL: "dw[f] += padded[n, :, rows, columns]"},
    hint="dout is left out",
)
slip(
    conv_backward_naive,
    "stride_left_out",
    {
        "slice(i * stride, i * stride + w.shape[2])": "slice(i, i + w.shape[2])",
        "slice(j * stride, j * stride + w.shape[3])": "slice(j, j + w.shape[3])",
    },
    hint="begins at pixel",
)
slip(
    conv_backward_naive,
    "padding_forgotten",
    {"np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))": "x"},
    hint="Write the size",
)
slip(conv_backward_naive, "another_order", {"(dx, dw, dout": "(dw, dx, dout"}, hint="in the order")
slip(
    conv_backward_naive,
    "upstream_used_up",
    {
        "return (dx, dw, dout.sum(axis=(0, 2, 3)))": (
            "db = dout.sum(axis=(0, 2, 3))\n    dout[:] = 0\n    return (dx, dw, db)"
        )
    },
    hint="belongs to the caller",
)

# max_pool_forward_naive


@right("max_pool_forward_naive")
def largest_of_all_windows(x: np.ndarray, pool_param: Mapping[str, int]) -> tuple[np.ndarray, Any]:
    size = pool_param["pool_height"], pool_param["pool_width"]
    windows = sliding_window_view(x, size, axis=(2, 3))
    step = pool_param["stride"]
    return windows[:, :, ::step, ::step].max(axis=(4, 5)), {"x": x, **pool_param}


@right("max_pool_forward_naive")
def pixel_by_pixel(x: np.ndarray, pool_param: Mapping[str, int]) -> tuple[np.ndarray, Any]:
    class Cache:
        def __init__(self) -> None:
            self.x, self.param = x, pool_param

    height, width, s = (pool_param[key] for key in ("pool_height", "pool_width", "stride"))
    if x.shape[2] < height or x.shape[3] < width:
        raise ValueError("too large")
    rows, columns = (x.shape[2] - height) // s + 1, (x.shape[3] - width) // s + 1
    out = np.full((len(x), x.shape[1], rows, columns), -np.inf, dtype=x.dtype)
    for r in range(height):
        for t in range(width):
            met = x[:, :, r : r + s * (rows - 1) + 1 : s, t : t + s * (columns - 1) + 1 : s]
            np.maximum(out, met, out=out)
    return out, Cache()


LARGEST = "x[n, c, top:top + pool_height, left:left + pool_width].max()"

slip(max_pool_forward_naive, "begins_at_zero", {LARGEST: f"max(0, {LARGEST})"}, hint="begins at 0")
slip(max_pool_forward_naive, "mean", {".max()": ".mean()"}, hint="mean of each window")
slip(max_pool_forward_naive, "smallest", {".max()": ".min()"}, hint="smallest value")
slip(
    max_pool_forward_naive,
    "largest_absolute_value",
    {LARGEST: "abs(x)[n, c, top:top + pool_height, left:left + pool_width].max()"},
    hint="absolute",
)
slip(max_pool_forward_naive, "corner", {LARGEST: "x[n, c, top, left]"}, hint="one corner")
slip(
    max_pool_forward_naive,
    "side_by_side",
    {
        "(height - pool_height) // stride": "(height - pool_height) // pool_height",
        "(width - pool_width) // stride": "(width - pool_width) // pool_width",
        "top, left = (i * stride, j * stride)": "top, left = (i * pool_height, j * pool_width)",
    },
    hint="side by side",
)
slip(
    max_pool_forward_naive,
    "last_window_forgotten",
    {
        "(height - pool_height) // stride + 1": "(height - pool_height) // stride",
        "(width - pool_width) // stride + 1": "(width - pool_width) // stride",
    },
    hint="+ 1 is missing",
)
slip(
    max_pool_forward_naive,
    "rest_kept",
    {
        "(height - pool_height) // stride + 1": "-((pool_height - height) // stride) + 1",
        "(width - pool_width) // stride + 1": "-((pool_width - width) // stride) + 1",
    },
    hint="round down",
)
slip(
    max_pool_forward_naive,
    "height_and_width_confused",
    {
        "(pool_param['pool_height'], pool_param['pool_width'])": (
            "(pool_param['pool_width'], pool_param['pool_height'])"
        )
    },
    hint="pool_height belongs to the rows",
)
slip(
    max_pool_forward_naive,
    "windows_at_neighbouring_pixels",
    {"top, left = (i * stride, j * stride)": "top, left = (i, j)"},
    hint="begins at pixel",
)
slip(max_pool_forward_naive, "all_channels", {"x[n, c, top": "x[n, :, top"}, hint="stay apart")
slip(max_pool_forward_naive, "in_float64", {"dtype=x.dtype": "dtype=float"}, hint="dtype of x")
slip(max_pool_forward_naive, "no_cache", {"(out, (x, pool_param))": "out"}, hint="out, cache")
slip(
    max_pool_forward_naive,
    "too_large_windows_accepted",
    {"pool_height > height or pool_width > width": "False"},
    hint="raise ValueError",
)

# max_pool_backward_naive


@right("max_pool_backward_naive")
def winners_of_all_windows(dout: np.ndarray, cache: Any) -> np.ndarray:
    x, param = cache
    size, step = (param["pool_height"], param["pool_width"]), param["stride"]
    windows = sliding_window_view(x, size, axis=(2, 3))[:, :, ::step, ::step]
    winners = windows.reshape(*dout.shape, -1).argmax(axis=-1)
    n, c, i, j = np.indices(dout.shape)
    dx = np.zeros(x.shape)
    np.add.at(dx, (n, c, i * step + winners // size[1], j * step + winners % size[1]), dout)
    return dx


@right("max_pool_backward_naive")
def first_that_is_largest(dout: np.ndarray, cache: Any) -> np.ndarray:
    x, param = cache
    height, width, s = param["pool_height"], param["pool_width"], param["stride"]
    dx = np.zeros_like(x, order="C")
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            window = x[:, :, i * s : i * s + height, j * s : j * s + width]
            still = dout[:, :, i, j].copy()
            for r in range(height):
                for t in range(width):
                    wins = window[:, :, r, t] == window.max(axis=(2, 3))
                    dx[:, :, i * s + r, j * s + t] += np.where(wins, still, 0)
                    still[wins] = 0
    return dx


WINNER = "dx[n, c, top + row, left + column] += dout[n, c, i, j]"
PART = "dx[n, c, top:top + pool_height, left:left + pool_width]"
EQUAL = "(window == window.max())"

slip(max_pool_backward_naive, "replaced", {"column] += dout": "column] = dout"}, hint="add (+=)")
slip(
    max_pool_backward_naive,
    "whole_window_replaced",
    {WINNER: f"{PART} = 0\n        " + WINNER.replace("+=", "=")},
    hint="add (+=)",
)
slip(
    max_pool_backward_naive,
    "all_equal_values",
    {WINNER: f"{PART} += {EQUAL} * dout[n, c, i, j]"},
    hint="only the first of them",
)
slip(
    max_pool_backward_naive,
    "shared_by_equal_values",
    {WINNER: f"{PART} += {EQUAL} / {EQUAL}.sum() * dout[n, c, i, j]"},
    hint="is not shared",
)
slip(
    max_pool_backward_naive,
    "last_of_equal_values",
    {
        "(window.argmax(), window.shape)": (
            "(window.size - 1 - window[::-1, ::-1].argmax(), window.shape)"
        )
    },
    hint="not the last",
)
slip(
    max_pool_backward_naive,
    "column_by_column",
    {
        "row, column = np.unravel_index(window.argmax(), window.shape)": (
            "column, row = np.unravel_index(window.T.argmax(), window.T.shape)"
        )
    },
    hint="not column by column",
)
slip(
    max_pool_backward_naive,
    "gradient_of_the_mean",
    {WINNER: f"{PART} += dout[n, c, i, j] / window.size"},
    hint="gradient of the mean",
)
slip(
    max_pool_backward_naive,
    "every_pixel",
    {WINNER: f"{PART} += dout[n, c, i, j]"},
    hint="every pixel of the window",
)
slip(max_pool_backward_naive, "upstream_left_out", {"+= dout[n, c, i, j]": "+= 1"}, hint="left out")
slip(
    max_pool_backward_naive,
    "divided_by_the_batch",
    {"return dx": "return dx / len(x)"},
    hint="already in dout",
)
slip(
    max_pool_backward_naive,
    "stride_left_out",
    {"(i * pool_param['stride'], j * pool_param['stride'])": "(i, j)"},
    hint="begins at pixel",
)


@wrong("max_pool_backward_naive", hint="not to the windows")
def gradient_of_the_windows(dout: np.ndarray, cache: Any) -> np.ndarray:
    return dout
