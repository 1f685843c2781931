"""Hidden checks of the graded numbers."""

import pytest

from autograder.checks import tools
from autograder.checks.convolution.inputs import count
from autograder.checks.toolbox_convolution.numbers import (
    BATCH,
    CHANNELS,
    ENTRIES,
    EXPECTED,
    GROUPS,
    HEIGHT,
    HH,
    KERNELS,
    PAD,
    STRIDE,
    WIDTH,
    WW,
    positions,
)
from autograder.student import Student

MATRIX = "book/unit4/im2col.html#toolbox-im2col-matrix"
ADJOINT = "book/unit4/im2col.html#toolbox-im2col-col2im"
NORMS = "book/unit4/im2col.html#toolbox-im2col-norms"

FEWER = "count the positions again: either the padding or the + 1 is missing"
MORE = "count the positions again: a step that would leave the image is not taken, round down"
STRIDE_LOST = "count the positions again: the stride is left out"
HOLD_ONE = (
    "move the window along one side, and count its places that hold one and the same pixel; "
    "pixels differ in that count"
)

PIXELS = HEIGHT * WIDTH


def _of_other_positions(factor: float) -> dict[str, float]:
    """A number that is `factor` times the number of positions, after each miscount."""
    return {
        FEWER: factor * positions(pad=0),
        MORE: factor * positions(up=1),
        STRIDE_LOST: factor * positions(stride=1),
    }


def _pixels_met(side: int, kernel: int) -> int:
    """Pixels under the window along one side, added up over its positions, without the padding."""
    starts = range(-PAD, side + PAD - kernel + 1, STRIDE)
    return sum(min(start + kernel, side) - max(start, 0) for start in starts)


@pytest.mark.task("n_multiply_adds", page=MATRIX)
def test_multiply_adds(student: Student) -> None:
    """The multiply-adds of the forward pass of the whole batch."""
    expected = int(EXPECTED["n_multiply_adds"])
    mistakes = _of_other_positions(BATCH * KERNELS * ENTRIES) | {
        "the whole batch is asked for, and this is one image": expected / BATCH,
        "each kernel is as deep as its input: it has entries for each channel": expected / CHANNELS,
        "there are 40 kernels, and this is one": expected / KERNELS,
        "a multiplication and the addition that goes with it count as one": 2 * expected,
        "this is the number of weights: each is used at every position of every image": (
            KERNELS * ENTRIES
        ),
        "the biases are not asked for": expected + BATCH * KERNELS * positions(),
        "the products with the zeros of the padding are left out: they count as well": (
            BATCH * KERNELS * CHANNELS * _pixels_met(HEIGHT, HH) * _pixels_met(WIDTH, WW)
        ),
        "this is the number of outputs: each is a sum of many products": expected / ENTRIES,
    }
    count("n_multiply_adds", student.value("n_multiply_adds"), expected, mistakes)


@pytest.mark.task("columns_ratio", page=MATRIX)
def test_ratio_of_the_columns(student: Student) -> None:
    """How many times as many entries the matrix of im2col has as the images."""
    expected = EXPECTED["columns_ratio"]
    entries = ENTRIES * BATCH * positions()
    mistakes = _of_other_positions(HH * WW / PIXELS) | {
        "this holds at stride 1 for an output of the size of the image: count the positions": (
            HH * WW
        ),
        "this is the number of entries of the matrix: divide by that of the images": entries,
        "it is the other way round: entries of the matrix over entries of the images": 1 / expected,
        "compare with the images as they are stored, without their border": (
            expected * PIXELS / ((HEIGHT + 2 * PAD) * (WIDTH + 2 * PAD))
        ),
        "without rounding down it would be this: count the positions": HH * WW / STRIDE**2,
        "the images have twelve channels as well": expected * CHANNELS,
        "compare with the images, not with the output": entries / (BATCH * KERNELS * positions()),
    }
    tools.number("columns_ratio", student.value("columns_ratio"), expected, mistakes, rel=1e-3)


@pytest.mark.task("most_windows", page=ADJOINT)
def test_most_windows(student: Student) -> None:
    """The most windows of one image that share a pixel."""
    rows, columns = -(-HH // STRIDE), -(-WW // STRIDE)
    mistakes = {
        "this holds at stride 1: here every second position is left out": HH * WW,
        f"this is fewer than the most: {HOLD_ONE}": (HH // STRIDE) * (WW // STRIDE),
        f"a number of windows is whole, and this is a mean: {HOLD_ONE}": HH * WW / STRIDE**2,
        "rows and columns are independent: multiply": rows + columns,
        "this is one direction alone: multiply by the windows of the other": rows,
        "the kernel is not square: it has five rows and three columns": rows**2,
        "these are all windows of an image: how many of them hold one and the same pixel?": (
            positions()
        ),
        "the window goes through all channels: they do not count here": rows * columns * CHANNELS,
        "every pixel is covered, and some lie in several windows": 1,
    }
    count("most_windows", student.value("most_windows"), int(EXPECTED["most_windows"]), mistakes)


@pytest.mark.task("n_batch_norm_values", page=NORMS)
def test_values_of_a_mean_of_batch_norm(student: Student) -> None:
    """How many values one mean of the spatial batch normalisation is taken over."""
    expected = int(EXPECTED["n_batch_norm_values"])
    mistakes = _of_other_positions(BATCH) | {
        "all positions of a channel share one mean, not the images alone": BATCH,
        "all images share one mean: this is one image": positions(),
        "each channel has a mean of its own": expected * KERNELS,
        "the layer stands behind the convolution, whose maps are smaller": BATCH * PIXELS,
        "this is a mean over the channels of one image: that is layer normalisation": (
            KERNELS * positions()
        ),
        "this is the number of means: over how many values is each taken?": KERNELS,
    }
    count("n_batch_norm_values", student.value("n_batch_norm_values"), expected, mistakes)


@pytest.mark.task("n_group_norm_means", page=NORMS)
def test_means_of_group_norm(student: Student) -> None:
    """How many means the spatial group normalisation computes for the batch."""
    size = KERNELS // GROUPS
    mistakes = {
        "each image has its own: no image knows of the others": GROUPS,
        "the channels of a group share one mean: this is one for each channel": BATCH * KERNELS,
        "this is batch normalisation: one mean for each channel, over the batch": KERNELS,
        "there are four groups in each image, and this is one mean for each image": BATCH,
        "this is over how many values one mean is taken": size * positions(),
        "asked are the means alone, without the variances": 2 * BATCH * GROUPS,
        "this is the number of channels in a group": size,
        "count the groups of an image, not the channels of a group": BATCH * size,
        "all positions of a group share one mean": BATCH * GROUPS * positions(),
    }
    value = student.value("n_group_norm_means")
    count("n_group_norm_means", value, int(EXPECTED["n_group_norm_means"]), mistakes)
