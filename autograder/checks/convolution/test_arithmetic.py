"""Hidden checks of sizes, counts of parameters and receptive fields."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch

from autograder.checks.convolution.inputs import count, integer, refuses, require_int
from autograder.student import Student

SIZE = "book/unit2/arithmetic.html#arithmetic-output-size"
SAME = "book/unit2/arithmetic.html#arithmetic-same"
PARAMETERS = "book/unit2/arithmetic.html#arithmetic-parameters"
FULLY_CONNECTED = "book/unit2/arithmetic.html#arithmetic-fully-connected"
FIELD = "book/unit2/receptive_field.html#receptive-field-recursion"

TOO_LARGE = "a kernel larger than the padded input has no position: raise ValueError"
OUT_OF_RANGE = "kernel and stride are at least 1, padding at least 0: raise ValueError otherwise"
EVEN = "no equal padding of both ends keeps the size with an even kernel: raise ValueError"
BELOW_ONE = "a kernel has at least one pixel: raise ValueError"

Geometry = tuple[int, int, int, int]


def _wrong_sizes(n: int, kernel: int, stride: int, padding: int) -> dict[str, float]:
    """The outcome of each mistake."""
    steps = n + 2 * padding - kernel
    return {
        "the +1 is missing: the first position of the kernel needs no step": steps // stride,
        "there is no fraction of a position: round down (//)": steps / stride + 1,
        "a step that would leave the input is not taken: round down, not up": (
            math.ceil(steps / stride) + 1
        ),
        "padding is added on both ends, so it counts twice": (steps - padding) // stride + 1,
        "the padding is left out": (n - kernel) // stride + 1,
        "the padding makes the input larger, not smaller": (n - 2 * padding - kernel) // stride + 1,
        "the stride is left out": steps + 1,
        "the stride divides the number of steps, n + 2p - k, not the size": (
            (n + 2 * padding) // stride - kernel + 1
        ),
        "the kernel is left out: its last position begins k - 1 pixels before the end": (
            (n + 2 * padding - 1) // stride + 1
        ),
    }


def _telling(rng: torch.Generator) -> Geometry:
    """Sizes for which the stride leaves a rest and every mistake gives another result."""
    while True:
        n, kernel = integer(rng, 30, 120), integer(rng, 4, 11)
        stride, padding = integer(rng, 4, 7), integer(rng, 3, 9)
        expected, rest = divmod(n + 2 * padding - kernel, stride)
        wrong = list(_wrong_sizes(n, kernel, stride, padding).values())
        # Rounding to the nearest rounds up, and (n + 2p - k + 1) // s lacks the + 1.
        if stride < 2 * rest < 2 * stride - 2 and len({*wrong, expected + 1}) == len(wrong) + 1:
            return n, kernel, stride, padding


def _size(student: Student, n: int, kernel: int, stride: int, padding: int) -> Any:
    name = f"conv_output_size({n}, {kernel}, stride={stride}, padding={padding})"
    size = student.conv_output_size(n, kernel, stride=stride, padding=padding)
    expected = (n + 2 * padding - kernel) // stride + 1
    count(name, size, expected, _wrong_sizes(n, kernel, stride, padding))
    return size


@pytest.mark.task("conv_output_size", weight=3, page=SIZE)
def test_size_where_the_stride_leaves_a_rest(student: Student, rng: torch.Generator) -> None:
    """Sizes of outputs where the last step does not fit."""
    for _ in range(5):
        _size(student, *_telling(rng))


@pytest.mark.task("conv_output_size", weight=2, page=SIZE)
def test_size_of_common_layers(student: Student, rng: torch.Generator) -> None:
    """Sizes of outputs of layers as networks have them."""
    n = integer(rng, 20, 40)
    for kernel, stride, padding in ((5, 1, 2), (3, 2, 1), (2, 2, 0), (3, 2, 0), (7, 2, 3)):
        for size in (n, n + 1):
            _size(student, size, kernel, stride, padding)


@pytest.mark.task("conv_output_size", weight=1, page=SIZE)
def test_size_with_the_defaults(student: Student, rng: torch.Generator) -> None:
    """Stride 1 and no padding where nothing else is said."""
    n, kernel = integer(rng, 20, 40), integer(rng, 3, 9)
    mistakes = {
        "the stride is 1 unless another is given": float((n - kernel) // kernel + 1),
        **_wrong_sizes(n, kernel, 1, 0),
    }
    name = f"conv_output_size({n}, {kernel})"
    count(name, student.conv_output_size(n, kernel), n - kernel + 1, mistakes)


@pytest.mark.task("conv_output_size", weight=1, page=SIZE)
def test_size_where_the_kernel_just_fits(student: Student, rng: torch.Generator) -> None:
    """A kernel that covers the padded input has one position, whatever the stride."""
    for padding in (0, 2):
        n = integer(rng, 5, 30)
        _size(student, n, n + 2 * padding, integer(rng, 2, 9), padding)


@pytest.mark.task("conv_output_size", weight=1, page=SIZE)
def test_size_is_an_int(student: Student) -> None:
    """The size is a whole number."""
    require_int("conv_output_size(12, 3, stride=3, padding=0)", _size(student, 12, 3, 3, 0))


@pytest.mark.task("conv_output_size", weight=1, page=SIZE)
def test_size_of_a_kernel_that_does_not_fit(student: Student, rng: torch.Generator) -> None:
    """A kernel that is too large is refused."""
    n = integer(rng, 5, 30)
    for kernel, stride, padding in ((n + 1, 1, 0), (n + 5, 2, 2), (3 * n, 1, 1)):
        name = f"conv_output_size({n}, {kernel}, stride={stride}, padding={padding})"
        call = _call(student.conv_output_size, n, kernel, stride, padding)
        refuses(name, call, TOO_LARGE)


@pytest.mark.task("conv_output_size", weight=1, page=SIZE)
def test_size_with_arguments_out_of_range(student: Student, rng: torch.Generator) -> None:
    """A kernel or a stride of 0 and a negative padding are refused."""
    n = integer(rng, 20, 40)
    for kernel, stride, padding in ((0, 1, 0), (3, 0, 0), (3, 1, -1), (3, -1, 0), (-2, 1, 0)):
        name = f"conv_output_size({n}, {kernel}, stride={stride}, padding={padding})"
        refuses(name, _call(student.conv_output_size, n, kernel, stride, padding), OUT_OF_RANGE)


def _call(function: Callable[..., Any], *arguments: int) -> Callable[[], Any]:
    return lambda: function(*arguments)


@pytest.mark.task("same_padding", weight=3, page=SAME)
def test_padding_that_keeps_the_size(student: Student, rng: torch.Generator) -> None:
    """The padding for odd kernels."""
    for kernel in (3, 5, 2 * integer(rng, 3, 8) + 1, 2 * integer(rng, 9, 20) + 1):
        _padding(student, kernel)


@pytest.mark.task("same_padding", weight=1, page=SAME)
def test_padding_of_a_single_pixel(student: Student) -> None:
    """A kernel of one pixel keeps the size by itself."""
    _padding(student, 1)


@pytest.mark.task("same_padding", weight=1, page=SAME)
def test_padding_is_an_int(student: Student) -> None:
    """The padding is a whole number of pixels."""
    require_int("same_padding(7)", _padding(student, 7))


@pytest.mark.task("same_padding", weight=2, page=SAME)
def test_padding_of_even_kernels(student: Student, rng: torch.Generator) -> None:
    """Even kernels are refused."""
    for kernel in (2, 4, 2 * integer(rng, 3, 20)):
        refuses(f"same_padding({kernel})", _call(student.same_padding, kernel), EVEN)


@pytest.mark.task("same_padding", weight=1, page=SAME)
def test_padding_of_no_kernel(student: Student) -> None:
    """Kernels below 1 are refused."""
    for kernel in (0, -1, -3):
        refuses(f"same_padding({kernel})", _call(student.same_padding, kernel), BELOW_ONE)


def _padding(student: Student, kernel: int) -> Any:
    padding = student.same_padding(kernel)
    mistakes = {
        "the k - 1 pixels that are missing are shared by the two ends": kernel - 1,
        "round down: a kernel of k takes k - 1 pixels away, not k + 1": (kernel + 1) // 2,
        "the padding is that of each end, for a kernel of any size, not only of 3": 1,
        "this is the kernel itself": kernel,
        "half of the kernel without its centre: (k - 1) / 2": kernel / 2,
    }
    count(f"same_padding({kernel})", padding, (kernel - 1) // 2, mistakes)
    return padding


@pytest.mark.task("conv_parameters", weight=3, page=PARAMETERS)
def test_parameters_of_convolutions(student: Student, rng: torch.Generator) -> None:
    """The number of weights and biases of layers of several sizes."""
    for _ in range(4):
        _conv_count(student, integer(rng, 11, 40), integer(rng, 41, 90), integer(rng, 4, 10))


@pytest.mark.task("conv_parameters", weight=2, page=PARAMETERS)
def test_parameters_of_convolutions_without_biases(student: Student, rng: torch.Generator) -> None:
    """The number of weights alone."""
    n_in, n_out, kernel = integer(rng, 11, 40), integer(rng, 41, 90), integer(rng, 4, 10)
    _conv_count(student, n_in, n_out, kernel, bias=False)


@pytest.mark.task("conv_parameters", weight=1, page=PARAMETERS)
def test_parameters_of_one_by_one_kernels(student: Student, rng: torch.Generator) -> None:
    """Kernels of one pixel, which still see all channels, and a single channel."""
    _conv_count(student, integer(rng, 11, 40), integer(rng, 41, 90), 1)
    _conv_count(student, 1, integer(rng, 41, 90), integer(rng, 4, 10))


@pytest.mark.task("conv_parameters", weight=1, page=PARAMETERS)
def test_count_of_convolution_is_an_int(student: Student) -> None:
    """The count is a whole number."""
    require_int("conv_parameters(3, 7, 5)", _conv_count(student, 3, 7, 5))


def _conv_count(student: Student, n_in: int, n_out: int, kernel: int, bias: bool = True) -> Any:
    found = student.conv_parameters(n_in, n_out, kernel, bias=bias)
    weights = n_in * n_out * kernel**2
    mistakes: dict[str, float] = {
        "the biases are left out: one for each output channel": weights,
        "each kernel is as deep as the input: it has weights for each of its channels": (
            n_out * (kernel**2 + bias)
        ),
        "a kernel has k × k weights a channel, not k": n_out * (n_in * kernel + bias),
        "each output channel has a kernel of its own": n_in * kernel**2 + bias,
        "there is one bias for each output channel, not for each pair of channels": (
            n_in * n_out * (kernel**2 + 1)
        ),
        "there is one bias for each output channel, not for each input channel": weights + n_in,
        "there is one bias for each output channel, not one for the layer": weights + 1,
    }
    if not bias:
        mistakes = {"with bias=False the layer has no biases": weights + n_out, **mistakes}
    name = f"conv_parameters({n_in}, {n_out}, {kernel}, bias={bias})"
    count(name, found, weights + n_out * bias, mistakes)
    return found


@pytest.mark.task("fully_connected_parameters", weight=3, page=FULLY_CONNECTED)
def test_parameters_of_full_connection(student: Student, rng: torch.Generator) -> None:
    """The number of weights and biases between maps of several sizes."""
    for _ in range(4):
        _dense_count(student, rng)


@pytest.mark.task("fully_connected_parameters", weight=2, page=FULLY_CONNECTED)
def test_parameters_of_full_connection_without_biases(
    student: Student, rng: torch.Generator
) -> None:
    """The number of weights alone."""
    _dense_count(student, rng, bias=False)


@pytest.mark.task("fully_connected_parameters", weight=1, page=FULLY_CONNECTED)
def test_count_of_full_connection_is_an_int(student: Student, rng: torch.Generator) -> None:
    """The count is a whole number."""
    require_int("fully_connected_parameters", _dense_count(student, rng))


def _dense_count(student: Student, rng: torch.Generator, bias: bool = True) -> Any:
    shape_in = (integer(rng, 2, 9), integer(rng, 10, 19), integer(rng, 20, 29))
    shape_out = (integer(rng, 30, 39), integer(rng, 3, 8), integer(rng, 40, 49))
    found = student.fully_connected_parameters(shape_in, shape_out, bias=bias)
    n_in, n_out = math.prod(shape_in), math.prod(shape_out)
    channels_in, *map_in = shape_in
    channels_out, *map_out = shape_out
    mistakes: dict[str, float] = {
        "this is one weight for each input; each output has a weight of its own for each input": (
            n_in
        ),
        "this is one weight for each output; it needs one for each input": n_out,
        "each output is connected with each input: multiply": n_in + n_out,
        "the biases are left out: one for each output": n_in * n_out,
        "each value of the output has its own weights, at every position of the map": (
            channels_out * (n_in + bias)
        ),
        "each position of the output is a unit, with a bias of its own": n_in * n_out
        + channels_out,
        "channels are connected with each other as well, not one to one": (
            math.prod(map_in) * math.prod(map_out) * channels_in
        ),
        "the inputs have no biases: there is one for each output": n_in * n_out + n_in,
        "the maps are flattened: every pixel of every channel counts": (
            channels_out * (channels_in + bias)
        ),
    }
    if not bias:
        mistakes = {"with bias=False the layer has no biases": n_in * n_out + n_out, **mistakes}
    name = f"fully_connected_parameters({shape_in}, {shape_out}, bias={bias})"
    count(name, found, n_in * n_out + n_out * bias, mistakes)
    return found


@pytest.mark.task("receptive_field", weight=2, page=FIELD)
def test_field_without_strides(student: Student, rng: torch.Generator) -> None:
    """The field of several layers of stride 1."""
    _field(student, [(integer(rng, 3, 9), 1) for _ in range(4)])


@pytest.mark.task("receptive_field", weight=4, page=FIELD)
def test_field_with_strides(student: Student, rng: torch.Generator) -> None:
    """The field of layers with strides and pooling."""
    for _ in range(3):
        _field(student, _telling_layers(rng))


@pytest.mark.task("receptive_field", weight=1, page=FIELD)
def test_field_of_one_layer(student: Student, rng: torch.Generator) -> None:
    """One layer: its own stride moves the unit, not the pixels that the unit sees."""
    _field(student, [(integer(rng, 5, 9), integer(rng, 2, 4))])


@pytest.mark.task("receptive_field", weight=1, page=FIELD)
def test_field_without_layers(student: Student) -> None:
    """Without layers the unit is a pixel."""
    hint = "a pixel of the input sees itself: the recursion starts at 1"
    count("receptive_field([])", student.receptive_field([]), 1, {hint: 0})


@pytest.mark.task("receptive_field", weight=1, page=FIELD)
def test_field_is_an_int(student: Student) -> None:
    """The field is a whole number of pixels."""
    require_int("the field", _field(student, [(3, 2), (5, 1), (2, 2)]))


def _telling_layers(rng: torch.Generator) -> list[tuple[int, int]]:
    """Layers, the last one with a stride, for which every mistake gives another field."""
    while True:
        layers = [(integer(rng, 2, 7), integer(rng, 1, 3)) for _ in range(4)]
        wrong = _wrong_fields(layers).values()
        if len({*wrong, _true_field(layers)}) == len(wrong) + 1 and layers[-1][1] > 1:
            return layers


def _true_field(layers: list[tuple[int, int]]) -> int:
    """By going down: the pixels that a unit sees, then those that these see, to the input."""
    field = 1
    for kernel, stride in reversed(layers):
        field = (field - 1) * stride + kernel
    return field


def _wrong_fields(layers: list[tuple[int, int]]) -> dict[str, float]:
    """The outcome of each mistake."""
    kernels, strides = zip(*layers, strict=True)
    places = range(len(layers))
    below = [math.prod(strides[:place]) for place in places]

    def field(jumps: Iterable[int]) -> int:
        return 1 + sum((kernel - 1) * jump for kernel, jump in zip(kernels, jumps, strict=True))

    return {
        "the strides are left out: above a stride neighbouring units lie further apart": field(
            [1] * len(layers)
        ),
        "a layer's own stride does not widen its own field, only those above it": field(
            math.prod(strides[: place + 1]) for place in places
        ),
        "neighbouring windows overlap: a layer adds k - 1 steps, not k": sum(
            kernel * jump for kernel, jump in zip(kernels, below, strict=True)
        ),
        "neighbouring windows overlap: a layer adds k - 1 pixels, not k": sum(kernels),
        "fields do not multiply: each layer adds to the one below": math.prod(kernels),
        "asked is the side of the square, not its area": _true_field(layers) ** 2,
        "the layers are given from the input upwards: here they are read from the top": field(
            math.prod(strides[place + 1 :]) for place in places
        ),
        "all strides below a layer count, not its own": field(strides),
        "all strides below a layer count, not only the one directly below": field(
            [1, *strides[:-1]]
        ),
        "all layers below take part, not the last one alone": kernels[-1],
        "a pixel of the input sees itself: the recursion starts at 1": field(below) - 1,
    }


def _field(student: Student, layers: list[tuple[int, int]]) -> Any:
    found = student.receptive_field(list(layers))
    count(f"receptive_field({layers})", found, _true_field(layers), _wrong_fields(layers))
    return found
