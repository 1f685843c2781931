"""What the checks of the model and of its training share: the digits, and a stated accuracy."""

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from autograder.checks import tools

N_TRAINING = 1000  # of the 1797 digits; the others are for the test
PATCH, WIDTH, HEADS, BLOCKS, CLASSES = 4, 32, 4, 1, 10
EPOCHS, BATCH, RATE, WARMUP = 6, 100, 1e-2, 12


def digits(rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Scikit-learn's digits, split at random: X (N × 1 × 8 × 8), y, X_test, y_test."""
    pixels, labels = load_digits(return_X_y=True)
    X = torch.tensor(pixels / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    y, order = torch.tensor(labels), torch.randperm(len(X), generator=rng)
    kept, others = order[:N_TRAINING], order[N_TRAINING:]
    return X[kept], y[kept], X[others], y[others]


def require_learned(Y_tilde: Tensor, y: Tensor, threshold: float, hint: str) -> None:
    """Require a test accuracy above the threshold."""
    accuracy = float((Y_tilde.argmax(dim=1) == y).double().mean())
    # The share itself differs with the rounding of a machine, and a message should not.
    message = f"after training, no more than {threshold:.0%} of the test images are recognised"
    tools.require(accuracy > threshold, message, hint)
