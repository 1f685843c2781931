"""Hidden checks of the graded numbers."""

import pytest

from autograder.checks.convolution.inputs import count
from autograder.checks.convolution.numbers import (
    CHANNELS,
    CONVOLUTIONS,
    EXPECTED,
    FIRST_MAP,
    IMAGE,
    LARGE_IMAGE,
    LAYERS,
    side,
)
from autograder.student import Student


def _wrong_side(n: int, mistake: str) -> float:
    """Side of the last feature map with one mistake in every layer."""
    size: float = n
    for kernel, stride, padding in LAYERS:
        padding = 0 if mistake == "unpadded" else padding
        steps = size + 2 * padding - kernel
        if mistake == "unfloored":
            size = steps / stride + 1
        elif mistake == "rounded up":
            size = -(-steps // stride) + 1
        elif mistake == "without 1":
            size = steps // stride
        else:
            size = steps // stride + 1
    return size


@pytest.mark.task("map_size", page="book/unit2/arithmetic.html#arithmetic-output-size")
def test_map_size(student: Student) -> None:
    """The side of the last feature map."""
    expected = int(EXPECTED["map_size"])
    mistakes = {
        "the +1 is missing: the first position needs no step": _wrong_side(IMAGE, "without 1"),
        "there is no fraction of a position: round down": _wrong_side(IMAGE, "unfloored"),
        "round down: a step that would leave the input is not taken": (
            _wrong_side(IMAGE, "rounded up")
        ),
        "the padding of two layers is left out": _wrong_side(IMAGE, "unpadded"),
        "asked is the side of the map, not the number of its positions": expected**2,
        "asked is the side of the map, not the number of all values": 56 * expected**2,
        "this is the map before the last convolution, which has no padding": expected + 2,
        "this is the map after the first convolution: four layers follow": FIRST_MAP,
        "the pooling layers make the map smaller as well": 34,
    }
    count("map_size", student.value("map_size"), expected, mistakes)


@pytest.mark.task("n_conv_weights", page="book/unit2/arithmetic.html#arithmetic-parameters")
def test_number_of_weights_of_the_convolutions(student: Student) -> None:
    """The number of weights and biases of all convolutional layers."""
    expected = int(EXPECTED["n_conv_weights"])
    biases = sum(n_out for _, n_out, _ in CONVOLUTIONS)
    shallow = sum(n_out * (kernel**2 + 1) for _, n_out, kernel in CONVOLUTIONS)
    by_pair = sum(n_in * n_out * (k**2 + 1) for n_in, n_out, k in CONVOLUTIONS)
    counts = [n_out * (n_in * k**2 + 1) for n_in, n_out, k in CONVOLUTIONS]
    mistakes = {
        "the biases are left out: one for each output channel": expected - biases,
        "each kernel is as deep as its input: it has weights for each channel": shallow,
        "there is one bias for each output channel, not for each pair of channels": by_pair,
        "there is one bias for each output channel, not one for each layer": (
            expected - biases + len(CONVOLUTIONS)
        ),
        "pooling has no parameters: it takes the largest value": expected + 9 + 4,
        "pooling has no parameters, neither weights nor biases": expected
        + 24 * (9 + 1)
        + 40 * (4 + 1),
        "the fully-connected layer is not asked for": (
            expected + 120 * (56 * side(IMAGE) ** 2 + 1)
        ),
        "add up all three convolutions: this is the first": counts[0],
        "add up all three convolutions: this is the second": counts[1],
        "add up all three convolutions: this is the last": counts[2],
    }
    count("n_conv_weights", student.value("n_conv_weights"), expected, mistakes)


@pytest.mark.task("n_dense_weights", page="book/unit2/arithmetic.html#arithmetic-fully-connected")
def test_number_of_weights_of_full_connection(student: Student) -> None:
    """The number of weights and biases of a fully-connected layer instead of a convolution."""
    n_in, n_out = CHANNELS * IMAGE**2, 24 * FIRST_MAP**2
    mistakes = {
        "the biases are left out: one for each output": n_in * n_out,
        "this is one weight for each input; each output has its own weight for each input": n_in,
        "this is one weight for each output; each output has its own weight for each input": n_out,
        "each output channel has a unit at each position of its map": 24 * (n_in + 1),
        "the outputs have biases, one for each position of each map": n_in * n_out + 24,
        "the inputs have no biases: the outputs have them": n_in * n_out + n_in,
        "each input is connected with each output: multiply": n_in + n_out,
        "all channels are connected with each other": IMAGE**2 * FIRST_MAP**2 + FIRST_MAP**2,
        "the layer has the output of the convolution, before the pooling": (
            24 * 18**2 * (n_in + 1)
        ),
        "the output is smaller than the picture: the convolution has a stride": (
            24 * IMAGE**2 * (n_in + 1)
        ),
    }
    value = student.value("n_dense_weights")
    count("n_dense_weights", value, int(EXPECTED["n_dense_weights"]), mistakes)


@pytest.mark.task("field_size", page="book/unit2/receptive_field.html#receptive-field-recursion")
def test_field_size(student: Student) -> None:
    """The side of the receptive field of the last convolution."""
    expected, kernels = int(EXPECTED["field_size"]), [kernel for kernel, _, _ in LAYERS]
    mistakes = {
        "the strides are left out: above a stride neighbouring units lie further apart": (
            sum(kernels) - len(kernels) + 1
        ),
        "the pooling layers widen the field as well, by kernel and by stride": 19,
        "a layer's own stride does not widen its own field, only those above it": 61,
        "neighbouring windows overlap: a layer adds k - 1 steps, not k": 65,
        "neighbouring windows overlap: a layer adds k - 1 pixels, not k": sum(kernels),
        "asked is the side of the square, not its area": expected**2,
        "a pixel of the input sees itself: the recursion starts at 1": expected - 1,
        "this is the field of the pooling below the last convolution": 31,
        "the field is smaller than the picture": IMAGE,
    }
    count("field_size", student.value("field_size"), expected, mistakes)


@pytest.mark.task("score_map", page="book/unit2/fully_convolutional.html#fully-convolutional-map")
def test_score_map(student: Student) -> None:
    """The side of the map of scores of the converted network."""
    expected, large, kernel = int(EXPECTED["score_map"]), side(LARGE_IMAGE), side(IMAGE)
    mistakes = {
        "the converted layer is no 1 × 1 convolution: its kernel is the map it was planned for": (
            large
        ),
        "the +1 is missing: the first position of the converted layer needs no step": (
            large - kernel
        ),
        "the windows overlap: the converted layer has stride 1": large // kernel,
        "the windows overlap: this counts pictures side by side": LARGE_IMAGE // IMAGE,
        "the layers below have strides: neighbouring scores lie several pixels apart": (
            LARGE_IMAGE - IMAGE + 1
        ),
        "the network gives one score only for the picture it was planned for": 1,
        "asked is the side of the map, not the number of its positions": expected**2,
        "asked is the side of the map, not the number of all its values": 120 * expected**2,
    }
    count("score_map", student.value("score_map"), expected, mistakes)
