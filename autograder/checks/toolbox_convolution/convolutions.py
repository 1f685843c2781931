"""The checks that both convolutions have, by loops and by im2col: what a mistake looks like."""

import copy
from typing import Any

import numpy as np
import torch

from autograder.checks import gradients, tools
from autograder.checks.toolbox_convolution.inputs import (
    Layer,
    OfArray,
    of_dout,
    positions,
    shaped,
    wrong_sizes,
)
from autograder.student import Student

STEP = "the window moves by the stride, and its pixels stay neighbours: this spreads them apart"
PLACE = "the window at position (i, j) begins at pixel (i · stride, j · stride)"
UNCOVERED = "dx has the size of x: pixels that no window covers get 0"
OVERLAP = "windows share pixels: add (+=) what each of them sends, do not replace it"
ORDER = "the gradients are returned in the order dx, dw, db"
TRIPLE = "return three gradients: dx, dw, db"


def called(student: Student, task: str, layer: Layer) -> np.ndarray:
    """What the student's forward pass put out, in the right shape."""
    forward = getattr(student, task)
    with wrong_sizes():
        out, _ = gradients.out_and_cache(
            task, lambda: forward(layer.x, layer.w, layer.b, layer.param)
        )
    return shaped("out", out, layer.out().shape, _shapes(layer))


def check_out(student: Student, task: str, layer: Layer) -> None:
    """Compare the output for copies, whatever is written into them, with PyTorch's."""
    out = called(student, task, copy.deepcopy(layer))
    mistakes = _wrong_outputs(layer) | _wrong_borders(layer)
    # Whether float64 was kept is another check's question.
    tools.close("out", out, layer.out(), mistakes, 2e-4, 1e-5)


def check_gradients(
    student: Student, task: str, layer: Layer, rng: torch.Generator, names: str = "xwb"
) -> None:
    """Compare the named gradients with differences of PyTorch's forward pass."""

    def with_changed(values: tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
        arrays = {"x": layer.x, "w": layer.w, "b": layer.b}
        return arrays | dict(zip(names, values, strict=True))

    def forward(*values: np.ndarray) -> Any:
        x, w, b = with_changed(values).values()
        return getattr(student, task.replace("backward", "forward"))(x, w, b, layer.param)

    def backward(dout: np.ndarray, cache: Any) -> list[Any]:
        with wrong_sizes():
            answer = getattr(student, task)(dout, cache)
        by_name = dict(zip("xwb", three_gradients(task, answer), strict=True))
        came = [np.shape(value) if isinstance(value, np.ndarray) else () for value in answer]
        asked = [layer.x.shape, layer.w.shape, layer.b.shape]
        message = f"the gradients have the shapes {came}"
        tools.require(came == asked or sorted(came) != sorted(asked), message, ORDER)
        shapes = _wrong_gradient_shapes(layer)
        return [
            shaped(f"d{name}", by_name[name], getattr(layer, name).shape, shapes[name])
            for name in names
        ]

    gradients.backward_agrees(
        forward,
        backward,
        {name: getattr(layer, name) for name in names},
        lambda *values: layer.out(**with_changed(values)),
        tools.numpy_generator(rng),
        {name: of_dout(wrong_gradients(layer, name)) for name in names},
    )


def three_gradients(task: str, answer: Any) -> list[Any]:
    """What a backward pass returned, one by one."""
    three = isinstance(answer, tuple | list) and len(answer) == 3
    message = f"{task} must return three arrays, and returned"
    tools.require(three, f"{message} {tools.described(answer)}", TRIPLE)
    return list(answer)


def _shapes(layer: Layer) -> dict[str, tuple[int, ...]]:
    """The shape of the output after each mistake."""
    batch, n_kernels, out_h, out_w = layer.out().shape
    n_channels, *kernel = layer.w.shape[1:]
    stride, pad = layer.stride, layer.pad
    image = layer.x.shape[2:]
    padded = [n + 2 * pad for n in image]
    dense = positions(padded, kernel, 1)
    sizes = {
        "the + 1 is missing: the first position of the window needs no step": [
            out_h - 1,
            out_w - 1,
        ],
        "the padding is left out": positions(image, kernel, stride),
        "zeros are added on all four sides": positions([n + pad for n in image], kernel, stride),
        STEP: positions(padded, [stride * (k - 1) + 1 for k in kernel], 1),
        "the stride is left out": dense,
        "the stride holds in both directions": [out_h, dense[1]],
        "a step that would leave the image is not taken: round down": positions(
            [n + stride - 1 for n in padded], kernel, stride
        ),
        "the kernels need not be square: HH belongs to H, WW to W": positions(
            padded, [kernel[0], kernel[0]], stride
        ),
    }
    return {hint: (batch, n_kernels, *size) for hint, size in sizes.items()} | {
        "the sum over the channels is missing": (batch, n_kernels, n_channels, out_h, out_w),
        "the images come first and the kernels second: swap the two axes": (
            n_kernels,
            batch,
            out_h,
            out_w,
        ),
        "the columns are images and positions: give each its own axis again": (
            n_kernels,
            batch * out_h * out_w,
        ),
    }


def _wrong_outputs(layer: Layer) -> dict[str, np.ndarray]:
    """The output after each mistake."""
    x, w, b = layer.x, layer.w, layer.b[:, None, None]
    n_kernels, n_channels = w.shape[:2]
    plain = layer.out(b=np.zeros_like(layer.b))
    batch, _, out_h, out_w = plain.shape
    as_columns = layer.out().swapaxes(0, 1)
    as_pixels = layer.out().transpose(1, 2, 3, 0)
    shape = (batch, n_kernels, out_h, out_w)
    channels_last = w.reshape(n_kernels, *w.shape[2:], n_channels).transpose(0, 3, 1, 2)
    by_columns = w.reshape(n_kernels, n_channels, *w.shape[:1:-1]).swapaxes(2, 3)
    return {
        "the kernel is flipped: entry (0, 0) of w meets the top left pixel of the window": (
            layer.out(w=w[:, :, ::-1, ::-1].copy())
        ),
        "the kernel is upside down: its first row meets the first row of the window": (
            layer.out(w=w[:, :, ::-1].copy())
        ),
        "the channels are added up, not averaged": plain / n_channels + b,
        "the products are added up, not averaged": plain / w[0].size + b,
        "all channels take part, each with its own part of the kernel": (
            layer.out(x=x[:, :1], w=w[:, :1])
        ),
        "each image has its own output: here the first one's stands for all": (
            layer.out(x=np.repeat(x[:1], len(x), axis=0))
        ),
        "the biases are not added": plain,
        "the bias is added once for each output, not once for each channel": plain + n_channels * b,
        "the bias is added once for each output, not once for each product": plain + w[0].size * b,
        "the function ends with the sum: no activation here": np.maximum(layer.out(), 0),
        PLACE: layer.out(stride=1)[:, :, :out_h, :out_w],
        "the rows of the columns' matrix come in the order of w.reshape(F, -1): channel, row, "
        "column": layer.out(w=channels_last),
        "the entries of a window come row by row, as in w.reshape(F, -1)": layer.out(w=by_columns),
        "a reshape does not swap axes: the rows of the product are kernels, its columns images and "
        "positions; swap the first two axes afterwards": as_columns.reshape(shape),
        "a column of the product is n · H' · W' + i · W' + j: images first, positions second": (
            as_pixels.reshape(n_kernels, batch, out_h, out_w).swapaxes(0, 1)
        ),
    }


def _wrong_borders(layer: Layer) -> dict[str, np.ndarray]:
    """The output after each mistake with the padding."""
    p = layer.pad
    if not p:
        return {}

    def padded(rows: tuple[int, int], **options: Any) -> np.ndarray:
        return np.pad(layer.x, ((0, 0), (0, 0), rows, rows), **options)

    around = {
        f"the border is padded with zeros, not with other pixels ({mode})": padded(
            (p, p), mode=mode
        )
        for mode in ("edge", "reflect", "symmetric", "wrap")
    }
    sides = {"end": (0, 2 * p), "beginning": (2 * p, 0)}
    around |= {
        f"all zeros are added at the {side}: half of them belong on the other side": padded(pads)
        for side, pads in sides.items()
    }
    return {hint: layer.out(x=x, pad=0) for hint, x in around.items()}


def _wrong_gradient_shapes(layer: Layer) -> dict[str, dict[str, tuple[int, ...]]]:
    """The shape of each gradient after each mistake."""
    batch, n_kernels, out_h, out_w = layer.out().shape
    *outer, height, width = layer.x.shape
    HH, WW = layer.w.shape[2:]
    p, s = layer.pad, layer.stride
    return {
        "x": {
            "cut the border off again: the padding is no part of x": (
                *outer,
                height + 2 * p,
                width + 2 * p,
            ),
            UNCOVERED: (*outer, s * (out_h - 1) + HH - 2 * p, s * (out_w - 1) + WW - 2 * p),
        },
        "w": {
            "add up over the batch: every image meets the same kernels": (batch, *layer.w.shape),
            "dw has the shape of w: give the entries of the kernel their axes back": (
                n_kernels,
                layer.w[0].size,
            ),
        },
        "b": {
            "add up over the batch as well: db has one entry for each kernel": (batch, n_kernels),
            "add up over the positions as well: db has one entry for each kernel": (
                n_kernels,
                out_h,
                out_w,
            ),
            "db has one entry for each kernel: add up along the other axis": (
                batch * out_h * out_w,
            ),
        },
    }


def wrong_gradients(layer: Layer, name: str) -> dict[str, OfArray]:
    """The gradient of x, w or b after each mistake, as functions of dout."""
    batch, n = len(layer.x), layer.out()[0, 0].size

    def right(dout: np.ndarray) -> np.ndarray:
        return layer.gradients(dout)[name]

    def of_first_image(dout: np.ndarray) -> np.ndarray:
        first = np.zeros_like(dout)
        first[0] = dout[0]
        return right(first)

    every: dict[str, OfArray] = {
        "the gradient is a sum: a mean over the batch is already in dout": (
            lambda dout: right(dout) / batch
        ),
        "the gradient is a sum over the positions, not a mean": lambda dout: right(dout) / n,
        "the gradient is a sum over batch and positions, not a mean": (
            lambda dout: right(dout) / (batch * n)
        ),
        "dout is left out: it multiplies what comes from below": (
            lambda dout: right(np.ones_like(dout))
        ),
        "a reshape does not swap axes: swap the first two axes of dout before it": (
            lambda dout: right(_reshaped(dout))
        ),
        PLACE: lambda dout: _close_together(layer, dout)[name],
    }
    turned = layer.w[:, :, ::-1, ::-1].copy()
    own: dict[str, dict[str, OfArray]] = {
        "x": {
            "every entry of w sends back to the pixel that it met: here the kernel is turned by "
            "180 degrees": lambda dout: layer.gradients(dout, w=turned)["x"],
            OVERLAP: lambda dout: _by_entry(layer, dout),
            f"{OVERLAP}; here a later window replaces what stands there": (
                lambda dout: _by_window(layer, dout)
            ),
            f"{OVERLAP}; here the last window of the last kernel replaces all others": (
                lambda dout: _by_window(layer, np.where(_last_kernel(dout), dout, 0))
            ),
            "a pixel gets the sum of what its windows send, not the mean: divide by nothing": (
                lambda dout: right(dout) / np.maximum(_windows_of_pixels(layer), 1)
            ),
            "the border lies on all four sides: cut pad rows and columns off each": (
                lambda dout: _corner(layer, dout)
            ),
        },
        "w": {
            "dw is flipped: its entry (r, s) goes with the pixels that entry (r, s) of w met": (
                lambda dout: right(dout)[:, :, ::-1, ::-1]
            ),
            "add up over the batch: here the first image stands for all": of_first_image,
            "add up over all windows (+=): here the last one stands for all": (
                lambda dout: _of_last_window(layer, dout)
            ),
        },
        "b": {"add up over the batch: here the first image stands for all": of_first_image},
    }
    return every | own[name]


def _padded(layer: Layer) -> np.ndarray:
    p = layer.pad
    return np.pad(layer.x, ((0, 0), (0, 0), (p, p), (p, p)))


def _cut(layer: Layer, padded: np.ndarray) -> np.ndarray:
    p, (height, width) = layer.pad, layer.x.shape[2:]
    return padded[:, :, p : p + height, p : p + width]


def _reshaped(dout: np.ndarray) -> np.ndarray:
    """What a reshape to F × N · H' · W' makes of dout."""
    batch, n_kernels, *positions = dout.shape
    return dout.reshape(n_kernels, batch, *positions).swapaxes(0, 1)


def _close_together(layer: Layer, dout: np.ndarray) -> dict[str, np.ndarray]:
    """The gradients where neighbouring windows begin at neighbouring pixels."""
    dense = np.zeros_like(layer.out(stride=1))
    dense[:, :, : dout.shape[2], : dout.shape[3]] = dout
    return layer.gradients(dense, stride=1)


def _last_kernel(dout: np.ndarray) -> np.ndarray:
    return np.arange(dout.shape[1])[:, None, None] == dout.shape[1] - 1


def _windows_of_pixels(layer: Layer) -> np.ndarray:
    """In how many windows each pixel lies."""
    w = np.ones_like(layer.w[:1])
    one = Layer(layer.x, w, np.zeros(1), layer.stride, layer.pad)
    return one.gradients(np.ones_like(one.out()))["x"]


def _by_entry(layer: Layer, dout: np.ndarray) -> np.ndarray:
    """dx where, entry of the kernel by entry, what was there is replaced."""
    d_padded, s = np.zeros_like(_padded(layer)), layer.stride
    rows, columns = (s * (n - 1) + 1 for n in dout.shape[2:])
    for i, j in np.ndindex(layer.w.shape[2:]):
        sent = np.einsum("nfhw,fc->nchw", dout, layer.w[:, :, i, j])
        d_padded[:, :, i : i + rows : s, j : j + columns : s] = sent
    return _cut(layer, d_padded)


def _by_window(layer: Layer, dout: np.ndarray) -> np.ndarray:
    """dx where, window by window and kernels added up, what was there is replaced."""
    d_padded, (HH, WW) = np.zeros_like(_padded(layer)), layer.w.shape[2:]
    for i, j in np.ndindex(dout.shape[2:]):
        top, left = i * layer.stride, j * layer.stride
        sent = np.einsum("nf,fcij->ncij", dout[:, :, i, j], layer.w)
        d_padded[:, :, top : top + HH, left : left + WW] = sent
    return _cut(layer, d_padded)


def _corner(layer: Layer, dout: np.ndarray) -> np.ndarray:
    """dx where the whole border is cut off at the end."""
    p, (height, width) = layer.pad, layer.x.shape[2:]
    wide = layer.gradients(dout, x=_padded(layer), pad=0)["x"]
    return wide[:, :, :height, :width] if p else np.full_like(layer.x, np.nan)


def _of_last_window(layer: Layer, dout: np.ndarray) -> np.ndarray:
    """dw where the last window of the last image replaces those before it."""
    last = np.zeros_like(dout)
    last[-1, :, -1, -1] = dout[-1, :, -1, -1]
    return layer.gradients(last)["w"]
