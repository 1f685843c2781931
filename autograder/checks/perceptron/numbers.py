"""Values of the graded numbers of `perceptron`, each by the formula behind it."""

import math

N_CLASSES = 7
N_X, N_H, N_Y = 5, 13, 4
EXAMPLES = (30, 50, 120)

EXPECTED: dict[str, float] = {
    # Zero pre-activations give every class the probability 1/7.
    "initial_loss": math.log(N_CLASSES),
    # Two forward passes for each weight and each bias.
    "naive_passes": 2 * (N_H * N_X + N_H + N_Y * N_H + N_Y),
    "constant_accuracy": max(EXAMPLES) / sum(EXAMPLES),
}
