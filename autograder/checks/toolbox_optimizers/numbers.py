"""Values of the graded numbers of `toolbox_optimizers`, each by the formula behind it."""

import math

BETA1, BETA2, GRADIENT = 0.85, 0.9984, 2.6
LOW, HIGH, BELOW = 1e-6, 1e-1, 1e-4

EXPECTED: dict[str, float] = {
    # m = (1 - beta1) g and √v = √(1 - beta2) |g| after one step from zeros: g cancels.
    "first_step": (1 - BETA1) / math.sqrt(1 - BETA2),
    # Two of the five decades.
    "log_share": math.log(BELOW / LOW) / math.log(HIGH / LOW),
}
