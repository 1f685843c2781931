"""Answers to the tasks of `solutions.im2col`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from solutions.im2col import col2im, conv_backward_im2col, conv_forward_im2col, im2col
from tests.wrong_answers import right, slip

BORDER = "((0, 0), (0, 0), (pad, pad), (pad, pad)))"
ORDER = "windows.transpose(1, 4, 5, 0, 2, 3)"

# im2col


@right("im2col")
def entry_by_entry(x: np.ndarray, HH: int, WW: int, stride: int, pad: int) -> np.ndarray:
    N, C, H, W = x.shape
    if H + 2 * pad < HH or W + 2 * pad < WW:
        raise ValueError("too large")
    rows, columns = (H + 2 * pad - HH) // stride + 1, (W + 2 * pad - WW) // stride + 1
    padded = np.zeros((N, C, H + 2 * pad, W + 2 * pad), x.dtype)
    padded[:, :, pad : pad + H, pad : pad + W] = x
    cols = np.empty((C, HH, WW, N, rows, columns), x.dtype)
    for r in range(HH):
        for s in range(WW):
            met = padded[:, :, r::stride, s::stride][:, :, :rows, :columns]
            cols[:, r, s] = met.transpose(1, 0, 2, 3)
    return cols.reshape(C * HH * WW, N * rows * columns)


@right("im2col")
def window_by_window(x: np.ndarray, HH: int, WW: int, stride: int, pad: int) -> np.ndarray:
    padded = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    tops = range(0, padded.shape[2] - HH + 1, stride)
    lefts = range(0, padded.shape[3] - WW + 1, stride)
    if not tops or not lefts:
        raise ValueError(f"{HH} × {WW} is too large")
    columns = [
        image[:, top : top + HH, left : left + WW].flatten()
        for image in padded
        for top in tops
        for left in lefts
    ]
    return np.array(columns).T


slip(
    entry_by_entry,
    "too_large_windows_accepted",
    {"H + 2 * pad < HH or W + 2 * pad < WW": "False"},
    hint="raise ValueError",
)
slip(
    im2col,
    "images_last",
    {ORDER: "windows.transpose(1, 4, 5, 2, 3, 0)"},
    hint="images first",
)
slip(
    im2col,
    "positions_column_by_column",
    {ORDER: "windows.transpose(1, 4, 5, 0, 3, 2)"},
    hint="column i · W' + j",
)
slip(
    im2col,
    "channels_last",
    {ORDER: "windows.transpose(4, 5, 1, 0, 2, 3)"},
    hint="channels first",
)
slip(
    im2col,
    "entries_column_by_column",
    {ORDER: "windows.transpose(1, 5, 4, 0, 2, 3)"},
    hint="row r · WW + s",
)
slip(im2col, "windows_as_rows", {"WW, -1)": "WW, -1).T"}, hint="transpose")
slip(
    im2col,
    "reshaped_alone",
    {ORDER: "windows.transpose(0, 1, 4, 5, 2, 3)"},
    hint="does not swap axes",
)
slip(
    im2col,
    "a_matrix_for_each_image",
    {
        ORDER: "windows.transpose(0, 1, 4, 5, 2, 3)",
        ".reshape(x.shape[1] * HH * WW, -1)": ".reshape(len(x), x.shape[1] * HH * WW, -1)",
    },
    hint="for the whole batch",
)
slip(
    im2col,
    "channels_in_the_columns",
    {
        ORDER: "windows.transpose(4, 5, 1, 0, 2, 3)",
        ".reshape(x.shape[1] * HH * WW, -1)": ".reshape(HH * WW, -1)",
    },
    hint="goes through all channels",
)
slip(im2col, "no_padding", {BORDER: "((0, 0), (0, 0), (0, 0), (0, 0)))"}, hint="padding is left")
slip(im2col, "no_stride", {"[:, :, ::stride, ::stride]": ""}, hint="stride is left out")
slip(
    im2col,
    "zeros_at_the_end",
    {BORDER: "((0, 0), (0, 0), (0, 2 * pad), (0, 2 * pad)))"},
    hint="half of them",
)
slip(
    im2col,
    "border_repeated",
    {BORDER: "((0, 0), (0, 0), (pad, pad), (pad, pad)), mode='edge')"},
    hint="padded with zeros",
)
slip(
    im2col,
    "windows_at_neighbouring_pixels",
    {
        "[:, :, ::stride, ::stride]": (
            "[:, :, :(padded.shape[2] - HH) // stride + 1, :(padded.shape[3] - WW) // stride + 1]"
        )
    },
    hint="begins at pixel",
)
slip(im2col, "in_float64", {"WW, -1)": "WW, -1).astype(float)"}, hint="dtype of x")
slip(
    im2col,
    "window_turned",
    {ORDER: "windows[..., ::-1, ::-1].transpose(1, 4, 5, 0, 2, 3)"},
    hint="window is flipped",
)

# col2im


@right("col2im")
def where_the_columns_came_from(
    cols: np.ndarray, x_shape: tuple[int, ...], HH: int, WW: int, stride: int, pad: int
) -> np.ndarray:
    N, C, H, W = x_shape
    rows, columns = (H + 2 * pad - HH) // stride + 1, (W + 2 * pad - WW) // stride + 1
    c, r, s, n, i, j = np.indices((C, HH, WW, N, rows, columns)).reshape(6, -1)
    padded = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
    np.add.at(padded, (n, c, i * stride + r, j * stride + s), cols.flatten())
    return padded[:, :, pad : pad + H, pad : pad + W]


@right("col2im")
def column_by_column(
    cols: np.ndarray, x_shape: tuple[int, ...], HH: int, WW: int, stride: int, pad: int
) -> np.ndarray:
    N, C, H, W = x_shape
    padded = np.zeros((N, C, H + 2 * pad, W + 2 * pad), cols.dtype)
    column = iter(cols.T)
    for n in range(N):
        for top in range(0, H + 2 * pad - HH + 1, stride):
            for left in range(0, W + 2 * pad - WW + 1, stride):
                window = next(column).reshape(C, HH, WW)
                padded[n, :, top : top + HH, left : left + WW] += window
    inside = slice(pad, -pad if pad else None)
    return padded[:, :, inside, inside]


slip(
    column_by_column,
    "windows_replaced",
    {"] += window": "] = window"},
    hint="a later window wins",
)
slip(col2im, "entries_replaced", {"columns] += parts": "columns] = parts"}, hint="add (+=)")

INSIDE = "padded[:, :, pad:pad + height, pad:pad + width]"
PARTS = "cols.reshape(n_channels, HH, WW, n_examples, out_h, out_w)"
AVERAGED = {
    "columns] += parts[:, r, s].swapaxes(0, 1)": (
        "columns] += parts[:, r, s].swapaxes(0, 1)\n            count[:, :, rows, columns] += 1"
    ),
    "for r in range(HH):": "count = np.zeros(padded.shape)\n    for r in range(HH):",
    INSIDE: "(padded / np.maximum(count, 1))[:, :, pad:pad + height, pad:pad + width]",
}
STRIDE_LEFT_OUT = {
    "slice(r, r + stride * (out_h - 1) + 1, stride)": "slice(r, r + out_h)",
    "slice(s, s + stride * (out_w - 1) + 1, stride)": "slice(s, s + out_w)",
}

slip(
    col2im,
    "averaged",
    AVERAGED,
    hint="not the mean",
)
slip(col2im, "border_kept", {INSIDE: "padded"}, hint="cut the border off")
slip(
    col2im,
    "border_cut_at_the_end",
    {INSIDE: "padded[:, :, :height, :width]"},
    hint="on all four sides",
)
slip(
    col2im,
    "images_last",
    {PARTS: "np.moveaxis(cols.reshape(n_channels, HH, WW, out_h, out_w, n_examples), 5, 3)"},
    hint="images first",
)
slip(
    col2im,
    "channels_last",
    {PARTS: "np.moveaxis(cols.reshape(HH, WW, n_channels, n_examples, out_h, out_w), 2, 0)"},
    hint="channels first",
)
slip(
    col2im,
    "entries_column_by_column",
    {PARTS: "cols.reshape(n_channels, WW, HH, n_examples, out_h, out_w).swapaxes(1, 2)"},
    hint="row r · WW + s",
)
slip(
    col2im,
    "padding_not_counted",
    {
        "out_h = (height + 2 * pad - HH)": "out_h = (height - HH)",
        "out_w = (width + 2 * pad - WW)": "out_w = (width - WW)",
    },
    hint="Write the size",
)
slip(
    col2im,
    "stride_left_out",
    STRIDE_LEFT_OUT,
    hint="begins at pixel",
)
slip(
    col2im,
    "channels_before_images",
    {
        "(n_examples, n_channels, height + 2 * pad": "(n_channels, n_examples, height + 2 * pad",
        ".swapaxes(0, 1)": "",
    },
    hint="images come first",
)

# conv_forward_im2col


@right("conv_forward_im2col")
def a_product_for_each_image(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, conv_param: Mapping[str, int]
) -> tuple[np.ndarray, Any]:
    class Cache:
        def __init__(self) -> None:
            self.x, self.w, self.param = x, w, conv_param

    s, p = conv_param["stride"], conv_param["pad"]
    F, C, HH, WW = w.shape
    padded = np.pad(x, ((0,), (0,), (p,), (p,)))
    rows, columns = (padded.shape[2] - HH) // s + 1, (padded.shape[3] - WW) // s + 1
    if min(rows, columns) < 1:
        raise ValueError("too large")
    cols = np.empty((len(x), C, HH, WW, rows, columns), x.dtype)
    for r in range(HH):
        for t in range(WW):
            cols[:, :, r, t] = padded[:, :, r::s, t::s][:, :, :rows, :columns]
    product = w.reshape(F, -1) @ cols.reshape(len(x), C * HH * WW, rows * columns)
    return product.reshape(len(x), F, rows, columns) + b[:, None, None], Cache()


@right("conv_forward_im2col")
def windows_as_rows(
    x: np.ndarray, w: np.ndarray, b: np.ndarray, conv_param: Mapping[str, int]
) -> list[Any]:
    s, p = conv_param["stride"], conv_param["pad"]
    HH, WW = w.shape[2:]
    padded = np.pad(x, ((0,), (0,), (p,), (p,)))
    tops = range(0, padded.shape[2] - HH + 1, s)
    lefts = range(0, padded.shape[3] - WW + 1, s)
    if not len(tops) * len(lefts):
        raise ValueError("too large")
    windows = [
        padded[:, :, top : top + HH, left : left + WW].reshape(len(x), -1)
        for top in tops
        for left in lefts
    ]
    rows = np.stack(windows, axis=1)
    out = rows @ w.reshape(len(w), -1).T + b
    shaped = out.transpose(0, 2, 1).reshape(len(x), len(w), len(tops), len(lefts))
    return [shaped, {"rows": rows, "w": w, "shape": x.shape, "param": conv_param}]


SHAPED = ".reshape(n_kernels, len(x), out_h, out_w).swapaxes(0, 1)"

slip(
    conv_forward_im2col,
    "reshaped_alone",
    {SHAPED: ".reshape(len(x), n_kernels, out_h, out_w)"},
    hint="does not swap axes",
)
slip(
    conv_forward_im2col,
    "kernels_first",
    {SHAPED: ".reshape(n_kernels, len(x), out_h, out_w)"},
    hint="swap the two axes",
)
slip(conv_forward_im2col, "still_a_matrix", {SHAPED: ""}, hint="each its own axis")
slip(
    conv_forward_im2col,
    "images_last",
    {ORDER: "windows.transpose(1, 4, 5, 2, 3, 0)"},
    hint="images first",
)
slip(
    conv_forward_im2col,
    "channels_last",
    {ORDER: "windows.transpose(4, 5, 1, 0, 2, 3)"},
    hint="channel, row, column",
)
slip(
    conv_forward_im2col,
    "entries_column_by_column",
    {ORDER: "windows.transpose(1, 5, 4, 0, 2, 3)"},
    hint="row by row",
)
slip(conv_forward_im2col, "biases_as_a_row", {"b[:, None]": "b"}, hint="Write the size")
slip(conv_forward_im2col, "biases_forgotten", {" + b[:, None]": ""}, hint="biases are not")
slip(
    conv_forward_im2col,
    "no_padding",
    {BORDER: "((0, 0), (0, 0), (0, 0), (0, 0)))"},
    hint="padding is left out",
)
slip(
    conv_forward_im2col,
    "no_stride",
    {"[:, :, ::stride, ::stride]": ""},
    hint="stride is left out",
)
slip(
    conv_forward_im2col,
    "flipped_kernel",
    {"w.reshape(n_kernels, -1)": "w[:, :, ::-1, ::-1].reshape(n_kernels, -1)"},
    hint="kernel is flipped",
)
slip(conv_forward_im2col, "in_float64", {"out_w).swap": "out_w).astype(float).swap"}, hint="dtype")
slip(
    conv_forward_im2col,
    "no_cache",
    {"(out, (cols, w, x.shape, stride, pad))": "out"},
    hint="out, cache",
)

# conv_backward_im2col


@right("conv_backward_im2col")
def indices_of_the_pixels(dout: np.ndarray, cache: Any) -> list[np.ndarray]:
    cols, w, (N, C, H, W), stride, pad = cache
    F, _, HH, WW = w.shape
    dY = np.moveaxis(dout, 1, 0).reshape(F, -1)
    dX = np.matmul(w.reshape(F, -1).T, dY)
    number = np.arange(N * C * (H + 2 * pad) * (W + 2 * pad))
    number = number.reshape(N, C, H + 2 * pad, W + 2 * pad)
    rows, columns = dout.shape[2:]
    places = np.empty((C, HH, WW, N, rows, columns), int)
    for r in range(HH):
        for t in range(WW):
            met = number[:, :, r::stride, t::stride][:, :, :rows, :columns]
            places[:, r, t] = met.swapaxes(0, 1)
    flat = np.bincount(places.ravel(), dX.ravel(), minlength=number.size)
    dx = flat.reshape(number.shape)[:, :, pad : pad + H, pad : pad + W]
    return [dx, np.matmul(dY, cols.T).reshape(w.shape), dY.sum(1)]


@right("conv_backward_im2col")
def position_by_position(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, ...]:
    cols, w, (N, C, H, W), stride, pad = cache
    F, _, HH, WW = w.shape
    flat = dout.transpose(1, 0, 2, 3).reshape(F, -1)
    d_windows = (w.reshape(F, -1).T @ flat).reshape(C, HH, WW, N, *dout.shape[2:])
    dx = np.zeros((N, C, H + 2 * pad, W + 2 * pad), dout.dtype)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            rows = slice(i * stride, i * stride + HH)
            columns = slice(j * stride, j * stride + WW)
            dx[:, :, rows, columns] += d_windows[..., i, j].transpose(3, 0, 1, 2)
    dx = dx[:, :, pad : H + pad, pad : W + pad]
    return dx, (flat @ cols.T).reshape(w.shape), dout.sum((0, 2, 3))


slip(
    conv_backward_im2col,
    "reshaped_alone",
    {"dout.swapaxes(0, 1).reshape(": "dout.reshape("},
    hint="does not swap axes",
)
slip(
    conv_backward_im2col,
    "entries_replaced",
    {"columns] += parts": "columns] = parts"},
    hint="add (+=)",
)
slip(conv_backward_im2col, "border_kept", {INSIDE: "padded"}, hint="cut the border off")
slip(
    conv_backward_im2col,
    "border_cut_at_the_end",
    {INSIDE: "padded[:, :, :height, :width]"},
    hint="on all four sides",
)
slip(
    conv_backward_im2col,
    "kernels_still_rows",
    {"(d_rows @ cols.T).reshape(w.shape)": "d_rows @ cols.T"},
    hint="their axes back",
)
slip(conv_backward_im2col, "biases_averaged", {".sum(axis=1)": ".mean(axis=1)"}, hint="not a mean")
slip(
    conv_backward_im2col,
    "biases_along_the_other_axis",
    {".sum(axis=1)": ".sum(axis=0)"},
    hint="along the other axis",
)
slip(
    conv_backward_im2col,
    "divided_by_the_batch",
    {"(dx, dw, ": "(dx, dw / n_examples, "},
    hint="already in dout",
)
slip(
    conv_backward_im2col,
    "averaged_where_windows_overlap",
    AVERAGED,
    hint="not the mean",
)
slip(
    conv_backward_im2col,
    "upstream_left_out",
    {"(d_rows @ cols.T)": "(np.ones_like(d_rows) @ cols.T)"},
    hint="dout is left out",
)
slip(
    conv_backward_im2col,
    "stride_left_out",
    STRIDE_LEFT_OUT,
    hint="begins at pixel",
)
slip(
    conv_backward_im2col,
    "weights_not_transposed",
    {"w.reshape(n_kernels, -1).T @": "w.reshape(n_kernels, -1) @"},
    hint="Write the size",
)
slip(conv_backward_im2col, "another_order", {"(dx, dw, ": "(dw, dx, "}, hint="in the order")
