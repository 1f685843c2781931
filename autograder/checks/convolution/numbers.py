"""Values of the graded numbers of `convolution`, each by the formula behind it.

The sheet's network: 3 × 75 × 75 pixels; convolution of 24 kernels 7 × 7, stride 2, padding 3; max
pooling 3 × 3, stride 2; 40 kernels 5 × 5, padding 1; max pooling 2 × 2; 56 kernels 3 × 3; a
fully-connected layer with 120 units.
"""

import math

IMAGE, LARGE_IMAGE, CHANNELS = 75, 203, 3
CONVOLUTIONS = ((CHANNELS, 24, 7), (24, 40, 5), (40, 56, 3))  # n_in, n_out, kernel
LAYERS = ((7, 2, 3), (3, 2, 0), (5, 1, 1), (2, 2, 0), (3, 1, 0))  # kernel, stride, padding


def side(n: int) -> int:
    """Side of the last feature map for a picture of n × n."""
    for kernel, stride, padding in LAYERS:
        n = (n + 2 * padding - kernel) // stride + 1
    return n


FIRST_MAP = (IMAGE + 2 * 3 - 7) // 2 + 1

EXPECTED: dict[str, float] = {
    "map_size": side(IMAGE),
    # Each kernel has a weight for each entry of its window in each channel, and one bias.
    "n_conv_weights": sum(n_out * (n_in * k * k + 1) for n_in, n_out, k in CONVOLUTIONS),
    # Each output has a weight for each input, and one bias.
    "n_dense_weights": 24 * FIRST_MAP**2 * (CHANNELS * IMAGE**2 + 1),
    # Each layer adds its kernel without one pixel, in steps of all strides below it.
    "field_size": 1
    + sum(
        (kernel - 1) * math.prod(stride for _, stride, _ in LAYERS[:below])
        for below, (kernel, _, _) in enumerate(LAYERS)
    ),
    # The converted layer is a convolution with the planned map as its kernel.
    "score_map": side(LARGE_IMAGE) - side(IMAGE) + 1,
}
