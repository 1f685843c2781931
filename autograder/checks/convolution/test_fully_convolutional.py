"""Hidden checks of a fully-connected layer as a convolution, on maps of several sizes."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.convolution.inputs import normal, refuses, require_shape, strided
from autograder.checks.tools import Mistake
from autograder.student import Handle, Student

PAGE = "book/unit2/fully_convolutional.html#fully-convolutional-linear"
C, H, W, N_OUT = 3, 2, 4, 5

ONE_BY_ONE = (
    "the kernel is the whole map, height × width: a kernel of 1 × 1 on flattened maps takes maps "
    "with C · H · W channels"
)
ORDER = "torch.flatten goes channel by channel, row by row: give the weights back that order"
NO_BIAS = "where the layer has no biases, the convolution has none"
SHARED = "the parameters are shared: copy their values into the convolution"
REFUSED = "in_features must be C · H · W: raise ValueError"
DTYPE = "the convolution has the dtype of the layer: pass dtype=linear.weight.dtype"
EXCHANGED = "height and width are exchanged: a kernel is k_h × k_w"
NOT_COPIED = "the parameters are not those of the layer: copy weight and bias"
MODULE = "return the nn.Conv2d"


def _layer(
    student: Student, rng: torch.Generator, bias: bool = True, dtype: torch.dtype = torch.float64
) -> tuple[Handle, dict[str, Tensor]]:
    """A fully-connected layer in the worker and its parameters."""
    state = {"weight": normal(rng, N_OUT, C * H * W).to(dtype)}
    if bias:
        state["bias"] = normal(rng, N_OUT).to(dtype)
    linear = student.build("torch.nn.Linear", C * H * W, N_OUT, bias=bias, dtype=dtype)
    linear.load_state_dict(state)
    return linear, state


def _converted(student: Student, linear: Handle) -> Handle:
    conv = student.linear_to_conv(linear, C, H, W)
    if not isinstance(conv, Handle):
        raise Mistake(f"a module is expected, and {tools.described(conv)} came", MODULE)
    return conv


def _check(conv: Handle, X: Tensor, state: dict[str, Tensor]) -> None:
    """The output on maps, against that of each window through the layer."""
    with (
        tools.explained(ONE_BY_ONE, "to have"),
        tools.explained(EXCHANGED, "Kernel size can't be greater"),
        tools.explained(DTYPE, "should be the same", "scalar type"),
    ):
        value = conv(X)
    bias = state.get("bias")
    windows = X.unfold(2, H, 1).unfold(3, W, 1).permute(0, 2, 3, 1, 4, 5).flatten(start_dim=3)
    expected = functional.linear(windows, state["weight"], bias).permute(0, 3, 1, 2)
    came = require_shape("the output", value, expected.shape, _shapes(X))
    kernels = _wrong_kernels(state["weight"])
    mistakes = {hint: functional.conv2d(X, kernel, bias) for hint, kernel in kernels.items()}
    if bias is not None:
        mistakes["the biases are not copied"] = expected - bias[:, None, None]
    try:
        tools.close("the output", came, expected, mistakes)
    except Mistake as mistake:
        raise Mistake(mistake.message, mistake.hint or NOT_COPIED) from None


def _wrong_kernels(flat: Tensor) -> dict[str, Tensor]:
    """The kernels after each mistake."""
    return {
        f"{ORDER}; here the channels come last": (flat.reshape(N_OUT, H, W, C).permute(0, 3, 1, 2)),
        f"{ORDER}; here each channel is read column by column": (
            flat.reshape(N_OUT, C, W, H).transpose(2, 3)
        ),
        "the kernel is not flipped: entry (0, 0) meets the top left pixel": (
            flat.reshape(N_OUT, C, H, W).flip(2, 3)
        ),
    }


def _shapes(X: Tensor) -> dict[str, tuple[int, ...]]:
    """The shape of the output after each mistake."""
    batch, _, height, width = X.shape
    return {
        EXCHANGED: (
            *(batch, N_OUT),
            *(height - W + 1, width - H + 1),
        ),
        "the windows overlap: the convolution has stride 1": (
            *(batch, N_OUT),
            *(height // H, width // W),
        ),
        "no padding: the layer has seen whole maps only": (batch, N_OUT, height, width),
        "a convolution gives a map: no flattening after it": (batch, N_OUT),
        "on a larger map there is one output for each position of the window: no pooling": (
            *(batch, N_OUT),
            *(1, 1),
        ),
    }


@pytest.mark.task("linear_to_conv", weight=2, page=PAGE)
def test_conversion_on_maps_of_the_planned_size(student: Student, rng: torch.Generator) -> None:
    """The outputs of the layer, as maps of 1 × 1."""
    linear, state = _layer(student, rng)
    _check(_converted(student, linear), normal(rng, 6, C, H, W), state)


@pytest.mark.task("linear_to_conv", weight=2, page=PAGE)
def test_conversion_on_larger_maps(student: Student, rng: torch.Generator) -> None:
    """The outputs of the layer for each position of its window."""
    linear, state = _layer(student, rng)
    conv = _converted(student, linear)
    _check(conv, normal(rng, 6, C, 7, 9), state)
    _check(conv, strided(normal(rng, 1, C, 5, 4)), state)


@pytest.mark.task("linear_to_conv", weight=1, page=PAGE)
def test_conversion_of_a_layer_without_biases(student: Student, rng: torch.Generator) -> None:
    """No biases in, no biases out."""
    linear, state = _layer(student, rng, bias=False)
    with tools.explained(NO_BIAS, "NoneType"):
        conv = _converted(student, linear)
    tools.require("bias" not in conv.parameters(), "the convolution has biases", NO_BIAS)
    _check(conv, normal(rng, 2, C, 5, 6), state)


@pytest.mark.task("linear_to_conv", weight=1, page=PAGE)
def test_conversion_keeps_the_dtype(student: Student, rng: torch.Generator) -> None:
    """float32 stays float32, float64 stays float64."""
    for dtype in (torch.float32, torch.float64):
        linear, _ = _layer(student, rng, dtype=dtype)
        for name, value in _parameters(_converted(student, linear)).items():
            message = f"{name} must have dtype {dtype}, and has dtype {value.dtype}"
            tools.require(value.dtype == dtype, message, DTYPE)


@pytest.mark.task("linear_to_conv", weight=1, page=PAGE)
def test_conversion_copies_the_parameters(student: Student, rng: torch.Generator) -> None:
    """Changing the convolution leaves the layer as it is."""
    linear, state = _layer(student, rng)
    conv = _converted(student, linear)
    changed = {name: torch.zeros_like(value) for name, value in conv.state_dict().items()}
    conv.load_state_dict(changed)
    for name, value in _parameters(linear).items():
        before = state[name]
        same = value.shape == before.shape and torch.equal(value, before)
        tools.require(same, f"changing the convolution changed the layer's {name}", SHARED)


@pytest.mark.task("linear_to_conv", weight=1, page=PAGE)
def test_conversion_can_be_trained(student: Student, rng: torch.Generator) -> None:
    """A gradient reaches each parameter of the convolution, and none of the layer."""
    linear, _ = _layer(student, rng)
    conv = _converted(student, linear)
    dtype = next(iter(_parameters(conv).values())).dtype
    with tools.explained(ONE_BY_ONE, "to have"):
        output = conv(normal(rng, 2, C, H, W).to(dtype))
    hint = "kernel and biases are parameters of the convolution: copy under torch.no_grad()"
    tools.require(isinstance(output, Handle), "the output requires no gradients", hint)
    shape = tools.tensor("the output", output, None).shape
    output.backward(torch.ones(shape, dtype=dtype))
    for name, value in conv.parameters().items():
        tools.require(value.grad is not None, f"no gradient reaches {name}", hint)
    for name, value in linear.parameters().items():
        tools.require(value.grad is None, f"a gradient reaches the layer's {name}", SHARED)


@pytest.mark.task("linear_to_conv", weight=1, page=PAGE)
def test_conversion_refuses_other_sizes(student: Student, rng: torch.Generator) -> None:
    """A layer whose inputs are not C · H · W numbers."""
    for sizes in ((C, H, W + 1), (C - 1, H, W), (1, 1, 1), (2 * C, H, W)):
        linear, _ = _layer(student, rng)
        name = f"linear_to_conv of a layer with {C * H * W} inputs and {sizes}"
        call = _call(student, linear, sizes)
        refuses(name, call, REFUSED)


def _call(student: Student, linear: Handle, sizes: tuple[int, int, int]) -> Any:
    return lambda: student.linear_to_conv(linear, *sizes)


def _parameters(module: Handle) -> dict[str, Tensor]:
    values = module.parameters()
    if not isinstance(values, dict) or not values:
        raise Mistake("the module has no parameters", MODULE)
    return {name: tools.tensor(str(name), value, None) for name, value in values.items()}
