"""The arithmetic of convolutional layers: sizes, numbers of parameters, receptive fields.

Kernels and strides are square: one number stands for both directions. Feature maps are C × H × W.
"""

import math
from collections.abc import Sequence


def conv_output_size(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """Count the positions of a kernel along one side of its input.

    The same count holds for pooling windows. Where the last step would leave the input, the kernel
    does not take it: the rest of the input is not covered.

    Args:
        n: side of the input, at least 1.
        kernel: side of the kernel, at least 1.
        stride: pixels from one position to the next, at least 1.
        padding: pixels of zeros added on each of the two ends, at least 0.

    Returns:
        The side of the output, a Python int of at least 1.

    Raises:
        ValueError: an argument is out of its range, or the kernel is larger than the padded input.

    Formula: book, unit 2, page `arithmetic`.
    """
    if min(n, kernel, stride) < 1 or padding < 0:
        raise ValueError("n, kernel and stride must be at least 1, padding at least 0")
    steps_left = n + 2 * padding - kernel
    if steps_left < 0:
        raise ValueError(f"a kernel of {kernel} does not fit into {n + 2 * padding} pixels")
    return steps_left // stride + 1


def same_padding(kernel: int) -> int:
    """Find the padding with which a convolution of stride 1 keeps the size of its input.

    Args:
        kernel: side of the kernel, odd and at least 1.

    Returns:
        The pixels of zeros to add on each of the two ends, a Python int.

    Raises:
        ValueError: kernel is even (no equal padding of both ends keeps the size) or below 1.

    Formula: book, unit 2, page `arithmetic`.
    """
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"the kernel must be odd and at least 1, not {kernel}")
    return kernel // 2


def conv_parameters(n_in: int, n_out: int, kernel: int, bias: bool = True) -> int:
    """Count the parameters of a convolutional layer with square kernels.

    Args:
        n_in: channels of the input.
        n_out: channels of the output: the number of kernels.
        kernel: side of each kernel.
        bias: whether the layer has biases.

    Returns:
        The number of weights, and of biases where there are any, a Python int.

    Formula: book, unit 2, page `arithmetic`.
    """
    per_kernel = n_in * kernel**2 + (1 if bias else 0)
    return n_out * per_kernel


def fully_connected_parameters(
    shape_in: tuple[int, int, int], shape_out: tuple[int, int, int], bias: bool = True
) -> int:
    """Count the parameters of a fully-connected layer between two feature maps.

    Args:
        shape_in: (C, H, W) of the input.
        shape_out: (C, H, W) of the output.
        bias: whether the layer has biases.

    Returns:
        The number of weights, and of biases where there are any, a Python int.

    Formula: book, unit 2, page `arithmetic`.
    """
    units_in, units_out = math.prod(shape_in), math.prod(shape_out)
    return units_out * (units_in + (1 if bias else 0))


def receptive_field(layers: Sequence[tuple[int, int]]) -> int:
    """Find how much of the input one unit of the last layer sees.

    Args:
        layers: (kernel, stride) of each convolution or pooling, from the input upwards. Padding
            plays no part: at the border the field reaches into it.

    Returns:
        The side of the square of input pixels that the unit depends on, a Python int; 1 where
        there are no layers.

    Formula: book, unit 2, page `receptive_field`.
    """
    field, jump = 1, 1  # jump: input pixels between neighbouring units of the present layer
    for kernel, stride in layers:
        field += (kernel - 1) * jump
        jump *= stride
    return field
