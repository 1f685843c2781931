"""Hidden checks of the convolution by hand, against PyTorch's and its derivatives by autograd."""

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.convolution.inputs import (
    Layer,
    close,
    normal,
    require_dtype,
    require_shape,
    strided,
    wrong_sizes,
)
from autograder.student import Student

CONVOLUTIONS = [
    *("torch.conv1d", "torch.conv2d", "torch.conv3d", "torch.convolution", "torch.conv_tbc"),
    *("torch.conv_transpose1d", "torch.conv_transpose2d", "torch.conv_transpose3d"),
    *("torch.mkldnn_convolution", "torch.cudnn_convolution", "torch.nn.grad", "torch.ops"),
    *(f"torch.nn.{lazy}Conv{n}d" for lazy in ("", "Lazy") for n in (1, 2, 3)),
    *(f"torch.nn.{lazy}ConvTranspose{n}d" for lazy in ("", "Lazy") for n in (1, 2, 3)),
    *(f"torch.nn.functional.conv{n}d" for n in (1, 2, 3)),
    *(f"torch.nn.functional.conv_transpose{n}d" for n in (1, 2, 3)),
    *("torch.nn.functional.conv_tbc", "torch.nn.modules.conv", "torchvision", "scipy.signal"),
    *("scipy.ndimage", "numpy.convolve", "numpy.correlate"),
]
FORBIDDEN = {
    "conv2d": CONVOLUTIONS,
    "conv2d_backward": [*tools.AUTOGRAD, *CONVOLUTIONS],
}
FORWARD = "book/unit2/convolution.html#convolution-layer"
BACKWARD = "book/unit2/convolution_backward.html"

NO_BIAS = "b is None where the layer has no biases"
FLIPPED = "the kernel is flipped: entry (0, 0) of W meets the top left pixel of the window"
STEP = "the window moves by the stride, and its pixels stay neighbours: this spreads them apart"
TRIPLE = "return three gradients: dX, dW and db"
ORDER = "the gradients are returned in the order dX, dW, db"
UNCOVERED = "dX has the size of X: pixels that no position of the kernel covers get 0"


# ---- forward ------------------------------------------------------------------------------------


@pytest.mark.task("conv2d", weight=3, page=FORWARD)
def test_conv2d_without_padding(student: Student, rng: torch.Generator, device: str) -> None:
    """Stride 1, no padding, no biases: every position of every kernel."""
    layer = Layer.draw(rng, device)
    layer.b = None
    _check(student, layer)


@pytest.mark.task("conv2d", weight=1, page=FORWARD)
def test_conv2d_with_biases(student: Student, rng: torch.Generator, device: str) -> None:
    """One bias for each output channel."""
    _check(student, Layer.draw(rng, device))


@pytest.mark.task("conv2d", weight=2, page="book/unit2/arithmetic.html#arithmetic-output-size")
def test_conv2d_with_padding(student: Student, rng: torch.Generator, device: str) -> None:
    """A border of zeros on all four sides."""
    _check(student, Layer.draw(rng, device, padding=2))


@pytest.mark.task("conv2d", weight=2, page="book/unit2/arithmetic.html#arithmetic-output-size")
def test_conv2d_with_stride(student: Student, rng: torch.Generator, device: str) -> None:
    """Stride 2 where a rest is left, and stride 3."""
    _check(student, Layer.draw(rng, device, size=(11, 8), kernel=(4, 3), stride=2))
    _check(student, Layer.draw(rng, device, size=(12, 9), kernel=(2, 3), stride=3))


@pytest.mark.task("conv2d", weight=1, page=FORWARD)
def test_conv2d_with_stride_and_padding(student: Student, rng: torch.Generator) -> None:
    """Stride 2 and padding together."""
    _check(student, Layer.draw(rng, size=(10, 7), kernel=(3, 4), stride=2, padding=1))


@pytest.mark.task("conv2d", weight=1, page=FORWARD)
def test_conv2d_of_one_example(student: Student, rng: torch.Generator) -> None:
    """A batch of one, and a kernel as large as the image."""
    _check(student, Layer.draw(rng, batch=1, size=(5, 6), kernel=(2, 3)))
    _check(student, Layer.draw(rng, batch=1, size=(4, 3), kernel=(4, 3)))


@pytest.mark.task("conv2d", weight=1, page=FORWARD)
def test_conv2d_of_strided_tensors(student: Student, rng: torch.Generator) -> None:
    """Tensors that are not contiguous, as a transpose gives them."""
    with tools.wrong_view():
        _check(student, Layer.draw(rng, padding=1, stride=2).strided())


@pytest.mark.task("conv2d", weight=1, page=FORWARD)
def test_conv2d_keeps_the_dtype(student: Student, rng: torch.Generator) -> None:
    """float32 stays float32, float64 stays float64."""
    for dtype in (torch.float32, torch.float64):
        layer = Layer.draw(rng, padding=1).to(dtype)
        expected = layer.output()
        came = tools.tensor("the output", _call(student, layer), expected.shape)
        require_dtype("the output", came, expected)


@pytest.mark.task("conv2d", weight=1, page=FORWARD)
def test_conv2d_leaves_its_arguments_alone(student: Student, rng: torch.Generator) -> None:
    """Neither the images nor the kernels nor the biases are modified."""
    for padding in (0, 1):
        layer = Layer.draw(rng, padding=padding)
        assert layer.b is not None
        arguments = {"X": layer.X, "W": layer.W, "b": layer.b}
        before = {name: value.clone() for name, value in arguments.items()}
        _call(student, layer)
        for name, value in before.items():
            tools.unchanged(name, value, arguments[name])


def _call(student: Student, layer: Layer) -> Any:
    with wrong_sizes(), tools.explained(NO_BIAS, "NoneType"):
        geometry = {"stride": layer.stride, "padding": layer.padding}
        return student.conv2d(layer.X, layer.W, layer.b, **geometry)


def _check(student: Student, layer: Layer) -> None:
    expected = layer.output()
    mistakes = _wrong_outputs(layer) | _wrong_biases(layer) | _wrong_borders(layer)
    came = require_shape("the output", _call(student, layer), expected.shape, _shapes(layer))
    close("the output", came, expected, mistakes)


def _positions(sides: Iterable[int], kernel: Iterable[int], stride: int) -> list[int]:
    return [(n - k) // stride + 1 for n, k in zip(sides, kernel, strict=True)]


def _shapes(layer: Layer) -> dict[str, tuple[int, ...]]:
    """The shape of the output after each mistake."""
    batch, n_out, out_h, out_w = layer.output().shape
    n_in, *kernel = layer.W.shape[1:]
    stride, padding = layer.stride, layer.padding
    image = list(layer.X.shape[2:])
    padded = [n + 2 * padding for n in image]
    once = [n + padding for n in image]
    more = [n + stride - 1 for n in padded]
    dense = _positions(padded, kernel, 1)
    wide = [stride * (k - 1) + 1 for k in kernel]
    sizes = {
        "the +1 is missing: the first position of the kernel needs no step": [out_h - 1, out_w - 1],
        "the padding is left out": _positions(image, kernel, stride),
        "zeros are added on all four sides": _positions(once, kernel, stride),
        STEP: _positions(padded, wide, 1),
        "the stride is left out": dense,
        "the stride holds in both directions": [out_h, dense[1]],
        "a step that would leave the input is not taken: round down": _positions(
            more, kernel, stride
        ),
        "the kernels need not be square: k_h belongs to H, k_w to W": _positions(
            padded, [kernel[0], kernel[0]], stride
        ),
    }
    return {hint: (batch, n_out, *size) for hint, size in sizes.items()} | {
        "the sum over the input channels is missing": (batch, n_out, n_in, out_h, out_w),
    }


def _wrong_outputs(layer: Layer) -> dict[str, Tensor]:
    """The output after each mistake."""
    X, W, b = layer.X, layer.W, layer.b
    n_in, n_entries = W.shape[1], W[0, 0].numel()
    plain, bias = layer.output(b=None), 0 if b is None else b[:, None, None]
    return {
        FLIPPED: layer.output(W=W.flip(2, 3)),
        "the kernel is upside down: its first row meets the first row of the window": (
            layer.output(W=W.flip(2))
        ),
        "the input channels are added up, not averaged": plain / n_in + bias,
        "the products are added up, not averaged": plain / (n_in * n_entries) + bias,
        "all input channels take part, each with its own part of the kernel": (
            layer.output(X=X[:, :1], W=W[:, :1])
        ),
        "each input channel has its own part of the kernel": layer.output(W=W[:, :1].expand_as(W)),
        "each example has its own output: here the first one's stands for all": (
            layer.output(X=X[:1].expand_as(X))
        ),
        "the function ends with the sum: no activation here": layer.output().clamp_min(0),
    }


def _wrong_biases(layer: Layer) -> dict[str, Tensor]:
    """The output after each mistake with the biases."""
    if layer.b is None:
        return {}
    plain, bias = layer.output(b=None), layer.b[:, None, None]
    n_in, n_entries = layer.W.shape[1], layer.W[0, 0].numel()
    times = {
        "the biases are not added": 0,
        "the bias is added once for each output, not once for each input channel": n_in,
        "the bias is added once for each output, not once for each entry of the kernel": n_entries,
        "the bias is added once for each output, not once for each product": n_in * n_entries,
    }
    return {hint: plain + n * bias for hint, n in times.items()}


def _wrong_borders(layer: Layer) -> dict[str, Tensor]:
    """The output after each mistake with the padding."""
    p = layer.padding
    if not p:
        return {}
    around = {
        f"the border is padded with zeros, not with other pixels ({mode})": functional.pad(
            layer.X, (p, p, p, p), mode=mode
        )
        for mode in ("replicate", "reflect", "circular")
    }
    sides = {"end": (0, 2 * p, 0, 2 * p), "beginning": (2 * p, 0, 2 * p, 0)}
    around |= {
        f"all zeros are added at the {side}: half of them belong on the other side": functional.pad(
            layer.X, pads
        )
        for side, pads in sides.items()
    }
    return {hint: layer.output(X=padded, padding=0) for hint, padded in around.items()}


# ---- backward -----------------------------------------------------------------------------------


@pytest.mark.task("conv2d_backward", weight=1, page=BACKWARD)
def test_gradients_have_the_shapes_of_their_variables(
    student: Student, rng: torch.Generator, device: str
) -> None:
    """Three gradients in order, each with the shape and the dtype of its variable."""
    for dtype in (torch.float64, torch.float32):
        layer = Layer.draw(rng, device).to(dtype)
        upstream = _upstream(rng, layer)
        expected = _gradients(layer, upstream)
        came = _three(student, layer, upstream)
        for (name, right), value in zip(expected.items(), came, strict=True):
            require_dtype(name, tools.tensor(name, value, right.shape), right)


@pytest.mark.task("conv2d_backward", weight=1, page=BACKWARD)
def test_gradient_of_the_biases(student: Student, rng: torch.Generator, device: str) -> None:
    """db, against autograd."""
    _check_gradient(student, rng, Layer.draw(rng, device), "db")


@pytest.mark.task("conv2d_backward", weight=2, page=BACKWARD)
def test_gradient_of_the_kernels(student: Student, rng: torch.Generator, device: str) -> None:
    """dW, against autograd."""
    _check_gradient(student, rng, Layer.draw(rng, device), "dW")


@pytest.mark.task("conv2d_backward", weight=2, page=BACKWARD)
def test_gradient_of_the_images(student: Student, rng: torch.Generator, device: str) -> None:
    """dX, against autograd."""
    _check_gradient(student, rng, Layer.draw(rng, device), "dX")


@pytest.mark.task("conv2d_backward", weight=2, page=BACKWARD)
def test_gradients_with_padding(student: Student, rng: torch.Generator) -> None:
    """Padding: the zeros take part in the output and get no gradient."""
    for padding in (1, 3):
        layer = Layer.draw(rng, padding=padding)
        _check_gradient(student, rng, layer, "dW", "dX")


@pytest.mark.task("conv2d_backward", weight=2, page=BACKWARD)
def test_gradients_with_stride(student: Student, rng: torch.Generator) -> None:
    """Stride 2, whose last rows and columns no window covers, and stride 3."""
    for size, kernel, stride in (((11, 8), (4, 3), 2), ((12, 9), (2, 3), 3)):
        layer = Layer.draw(rng, size=size, kernel=kernel, stride=stride)
        _check_gradient(student, rng, layer, "dW", "dX")


@pytest.mark.task("conv2d_backward", weight=1, page=BACKWARD)
def test_gradients_with_stride_and_padding(student: Student, rng: torch.Generator) -> None:
    """Stride and padding together."""
    layer = Layer.draw(rng, size=(10, 7), kernel=(3, 4), stride=2, padding=1)
    _check_gradient(student, rng, layer, "db", "dW", "dX")


@pytest.mark.task("conv2d_backward", weight=1, page=BACKWARD)
def test_gradients_of_one_example(student: Student, rng: torch.Generator) -> None:
    """A batch of one, and a kernel as large as the image."""
    for size, kernel in (((5, 6), (2, 3)), ((4, 3), (4, 3))):
        layer = Layer.draw(rng, batch=1, size=size, kernel=kernel)
        _check_gradient(student, rng, layer, "db", "dW", "dX")


@pytest.mark.task("conv2d_backward", weight=1, page=BACKWARD)
def test_gradients_of_strided_tensors(student: Student, rng: torch.Generator) -> None:
    """Tensors that are not contiguous, as a transpose gives them."""
    layer = Layer.draw(rng, padding=1, stride=2).strided()
    with tools.wrong_view():
        _check_gradient(student, rng, layer, "db", "dW", "dX")


@pytest.mark.task("conv2d_backward", weight=1, page=BACKWARD)
def test_conv2d_backward_leaves_its_arguments_alone(student: Student, rng: torch.Generator) -> None:
    """Neither upstream nor the images nor the kernels are modified."""
    for padding in (0, 1):
        layer = Layer.draw(rng, padding=padding)
        arguments = {"X": layer.X, "W": layer.W, "upstream": _upstream(rng, layer)}
        before = {name: value.clone() for name, value in arguments.items()}
        _three(student, layer, arguments["upstream"])
        for name, value in before.items():
            tools.unchanged(name, value, arguments[name])


def _upstream(rng: torch.Generator, layer: Layer) -> Tensor:
    """A random gradient of the output, not contiguous where the layer is not."""
    gradient = normal(rng, *layer.output(b=None).shape).to(layer.X)
    return gradient if layer.X.is_contiguous() else strided(gradient)


def _three(student: Student, layer: Layer, upstream: Tensor) -> tuple[Any, Any, Any]:
    with wrong_sizes(), tools.graph_is_off(), student.no_autograd():
        geometry = {"stride": layer.stride, "padding": layer.padding}
        value = student.conv2d_backward(upstream, layer.X, layer.W, **geometry)
    what = f"conv2d_backward must return three tensors, and returned {tools.described(value)}"
    tools.require(isinstance(value, tuple | list) and len(value) == 3, what, TRIPLE)
    shapes = [tuple(getattr(item, "shape", ())) for item in value]
    asked = [tuple(layer.X.shape), tuple(layer.W.shape), tuple(layer.W.shape[:1])]
    message = f"the gradients have the shapes {shapes}"
    tools.require(shapes == asked or sorted(shapes) != sorted(asked), message, ORDER)
    return value[0], value[1], value[2]


def _check_gradient(student: Student, rng: torch.Generator, layer: Layer, *names: str) -> None:
    upstream = _upstream(rng, layer)
    expected, mistakes = _gradients(layer, upstream), _wrong_gradients(layer, upstream)
    shapes = _wrong_gradient_shapes(layer, upstream)
    came = dict(zip(("dX", "dW", "db"), _three(student, layer, upstream), strict=True))
    for name in names:
        value = require_shape(name, came[name], expected[name].shape, shapes[name])
        close(name, value, expected[name], mistakes[name])


def _gradients(layer: Layer, upstream: Tensor) -> dict[str, Tensor]:
    """The three gradients by autograd."""
    X, W = (value.detach().clone().requires_grad_() for value in (layer.X, layer.W))
    b = torch.zeros(len(W), dtype=W.dtype, device=W.device, requires_grad=True)
    gradients = torch.autograd.grad(layer.output(X=X, W=W, b=b), [X, W, b], upstream)
    return dict(zip(("dX", "dW", "db"), gradients, strict=True))


def _wrong_gradient_shapes(layer: Layer, upstream: Tensor) -> dict[str, dict[str, tuple[int, ...]]]:
    """The shape of each gradient after each mistake."""
    *outer, height, width = layer.X.shape
    k_h, k_w = layer.W.shape[2:]
    p, s = layer.padding, layer.stride
    out_h, out_w = upstream.shape[2:]
    covered = (s * (out_h - 1) + k_h - 2 * p, s * (out_w - 1) + k_w - 2 * p)
    batch = len(layer.X)
    return {
        "dX": {
            "cut the border off again: the padding is no part of X": (
                *outer,
                height + 2 * p,
                width + 2 * p,
            ),
            UNCOVERED: (*outer, *covered),
            "dX is a full convolution: windows reach beyond every edge of upstream": (
                *outer,
                out_h - k_h + 1,
                out_w - k_w + 1,
            ),
        },
        "dW": {
            "add up over the batch: every example uses the same kernels": (batch, *layer.W.shape)
        },
        "db": {
            "add up over the batch as well: db has one entry for each output channel": (
                batch,
                len(layer.W),
            ),
            "add up over the positions as well: db has one entry for each output channel": (
                *upstream.shape[1:],
            ),
        },
    }


def _wrong_gradients(layer: Layer, upstream: Tensor) -> dict[str, dict[str, Tensor]]:
    """The value of each gradient after each mistake."""
    right, batch = _gradients(layer, upstream), len(layer.X)
    ones = _gradients(layer, torch.ones_like(upstream))
    flipped = Layer(layer.X, layer.W.flip(2, 3), None, layer.stride, layer.padding)
    first = upstream.clone()
    first[1:] = 0
    positions = upstream[0, 0].numel()
    every = {
        name: {
            "the gradient is a sum: a mean over the batch is already in upstream": value / batch,
            "the gradient is a sum over the positions, not a mean": value / positions,
            "the gradient is a sum over batch and positions, not a mean": (
                value / (batch * positions)
            ),
            "upstream is left out: it multiplies what comes from below": ones[name],
        }
        for name, value in right.items()
    }
    every["dX"] |= {
        "the kernel is turned by 180 degrees on the way back": _gradients(flipped, upstream)["dX"],
        "a pixel belongs to several windows: add what each of them sends": (
            _overwritten(layer, upstream)
        ),
    }
    every["dW"] |= {
        "dW is flipped: its entry (i, j) goes with the pixels that entry (i, j) of W met": (
            right["dW"].flip(2, 3)
        ),
        "add up over the batch: here the first example stands for all": (
            _gradients(layer, first)["dW"]
        ),
    }
    return every


def _overwritten(layer: Layer, upstream: Tensor) -> Tensor:
    """dX where, entry of the kernel by entry, what was there is replaced."""
    p, s = layer.padding, layer.stride
    padded = functional.pad(torch.zeros_like(layer.X), (p, p, p, p))
    rows, columns = (s * (n - 1) + 1 for n in upstream.shape[2:])
    for i in range(layer.W.shape[2]):
        for j in range(layer.W.shape[3]):
            sent = torch.einsum("bohw,oc->bchw", upstream, layer.W[:, :, i, j])
            padded[:, :, i : i + rows : s, j : j + columns : s] = sent
    height, width = layer.X.shape[2:]
    return padded[:, :, p : p + height, p : p + width]
