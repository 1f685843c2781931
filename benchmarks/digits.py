"""The one-hidden-layer network on scikit-learn's digits and, where it is on disk, on MNIST.

python -m benchmarks.digits [--data DIR]
"""

import argparse
from typing import Any

import torch

from benchmarks.results import write_results
from solutions.digits import Digits, Outcome, load_mnist, load_small_digits, train_digits

SETTINGS: dict[str, Any] = {"n_h": 100, "eta": 0.5, "batch_size": 50, "epochs": 20, "seed": 0}
SIZES = ["n_train", "n_val", "n_test"]
COLUMNS = [*SIZES, "validation_accuracy", "test_accuracy", "last_training_loss", *SETTINGS]


def summary(digits: Digits, outcome: Outcome) -> dict[str, Any]:
    """One row of the table of runs."""
    return {
        "n_train": len(digits.X_train),
        "n_val": len(digits.X_val),
        "n_test": len(digits.X_test),
        "validation_accuracy": f"{outcome.validation:.4f}",
        "test_accuracy": f"{outcome.test:.4f}",
        "last_training_loss": f"{outcome.losses[-1]:.4f}",
        **SETTINGS,
    }


def main() -> None:
    """Train on each data set once and write its accuracies and its confusion matrix."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.digits", description=__doc__)
    parser.add_argument("--data", metavar="DIR", help="folder that holds MNIST/raw/")
    folder = parser.parse_args().data
    torch.set_num_threads(1)

    sets = [("digits", "", load_small_digits())]
    if folder:
        sets.append(("mnist", " --data DIR", load_mnist(folder)))
    seeds = "0: split, initial weights and order of the batches"
    classes = [str(digit) for digit in range(10)]
    for name, option, digits in sets:
        outcome = train_digits(digits, **SETTINGS, progress=True)
        command = f"python -m benchmarks.digits{option}"
        row = summary(digits, outcome)
        print(write_results(name, command, seeds, COLUMNS, [row]), row["test_accuracy"])
        rows = [
            {"actual": actual, **dict(zip(classes, counts, strict=True))}
            for actual, counts in enumerate(outcome.confusion.tolist())
        ]
        print(write_results(f"{name}_confusion", command, seeds, ["actual", *classes], rows))


if __name__ == "__main__":
    main()
