"""Values of the graded numbers of `training_convnets`, each by the formula behind it."""

import math

N_CLASSES, K = 20, 3
N_EXAMPLES, BATCH_SIZE, N_EPOCHS = 4890, 100, 33
P_DROP = 0.35

EXPECTED: dict[str, float] = {
    # Equal pre-activations give every class the probability 1/20.
    "start_loss": math.log(N_CLASSES),
    "chance_top3": K / N_CLASSES,
    # The last batch of an epoch is smaller and makes a step as well.
    "n_steps": math.ceil(N_EXAMPLES / BATCH_SIZE) * N_EPOCHS,
    # An entry was there in training with probability 1 - p.
    "test_factor": 1 - P_DROP,
}
