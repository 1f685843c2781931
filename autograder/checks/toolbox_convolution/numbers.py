"""Values of the graded numbers of `toolbox_convolution`, each by the formula behind it.

The sheet's layer: 16 images of 12 × 30 × 42, 40 kernels of 5 × 3, stride 2, padding 1.
"""

BATCH, CHANNELS, HEIGHT, WIDTH = 16, 12, 30, 42
KERNELS, HH, WW, STRIDE, PAD = 40, 5, 3, 2, 1
GROUPS = 4


def positions(stride: int = STRIDE, pad: int = PAD, one: int = 1, up: int = 0) -> int:
    """Positions of the window on one image; the arguments make mistakes of it."""
    sides = ((HEIGHT, HH), (WIDTH, WW))
    steps = [n + 2 * pad - k + up * (stride - 1) for n, k in sides]
    return (steps[0] // stride + one) * (steps[1] // stride + one)


ENTRIES = CHANNELS * HH * WW

EXPECTED: dict[str, float] = {
    # Each output is the sum of as many products as a kernel has entries.
    "n_multiply_adds": BATCH * KERNELS * positions() * ENTRIES,
    # The matrix has a row for each entry of a kernel and a column for each window.
    "columns_ratio": ENTRIES * BATCH * positions() / (BATCH * CHANNELS * HEIGHT * WIDTH),
    # Along one side a pixel lies in at most as many windows as steps fit into the window, rounded
    # up.
    "most_windows": -(-HH // STRIDE) * -(-WW // STRIDE),
    # One mean a channel, over images and positions.
    "n_batch_norm_values": BATCH * positions(),
    # One mean for each group of each image.
    "n_group_norm_means": BATCH * GROUPS,
}
