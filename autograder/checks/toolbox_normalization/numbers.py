"""Values of the graded numbers of `toolbox_normalization`, each by the formula behind it."""

import math

BATCH = 37
KEEP = 0.64

EXPECTED: dict[str, float] = {
    # One example at N - 1, the others at -1: before the division by the deviation √(N - 1).
    "largest_normalised": math.sqrt(BATCH - 1),
    # 1 / p with probability p, otherwise 0: the variance is 1 / p - 1.
    "dropout_deviation": math.sqrt((1 - KEEP) / KEEP),
}
