"""The circles: two concentric noisy rings, the data of the first unit.

The points lie in `exercises/perceptron/circles.csv`. `python -m solutions.circles` writes that
file again, byte for byte. Its noise was chosen once, before any network was trained on it, so
that the two rings overlap a little.
"""

import csv
import io
from pathlib import Path

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor

CSV_PATH = Path(__file__).resolve().parents[1] / "exercises" / "perceptron" / "circles.csv"
COLUMNS = ["x1", "x2", "label", "split"]
SPLITS = ("train", "test")
POINTS_PER_SPLIT = 200
N_CLASSES = 2

NOISE = 0.1
RADIUS_RATIO = 0.5
SEED = 0


def make_circles(noise: float = NOISE, seed: int = SEED) -> str:
    """The text of the CSV file: 200 training and 200 test points, 100 of each class in either.

    Args:
        noise: standard deviation of the Gaussian noise on each coordinate. The outer ring
            (class 0) has radius 1, the inner one (class 1) radius 0.5.
        seed: seed of both draws, the training points before the test points.

    Returns:
        Lines `x1,x2,label,split` under a header, in the order in which they were shuffled.
    """
    # RandomState and not Generator: NumPy promises never to change its stream of numbers.
    random_state = np.random.RandomState(seed)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for split in SPLITS:
        points, labels = datasets.make_circles(
            POINTS_PER_SPLIT, noise=noise, random_state=random_state, factor=RADIUS_RATIO
        )
        for (x1, x2), label in zip(points, labels, strict=True):
            writer.writerow([f"{x1:.6f}", f"{x2:.6f}", label, split])
    return text.getvalue()


def load_circles(
    path: Path | str | None = None, device: str | torch.device = "cpu"
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The training and test sets of the circles.

    Args:
        path: a CSV file with the columns x1, x2, label, split; by default the course's own.
        device: where the tensors are put.

    Returns:
        X_train (200×2), Y_train (200×2, one-hot), X_test (200×2), Y_test (200×2, one-hot), all
        float32.

    Raises:
        FileNotFoundError: the file is not there.
        ValueError: the file lacks a column, or a split has no row.
    """
    path = CSV_PATH if path is None else Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; `python -m solutions.circles` writes it")
    with path.open(newline="") as lines:
        reader = csv.DictReader(lines)
        missing = set(COLUMNS) - set(reader.fieldnames or [])
        if missing:
            raise ValueError(f"{path}: no column {', '.join(sorted(missing))}")
        rows = list(reader)

    tensors = []
    for split in SPLITS:
        chosen = [row for row in rows if row["split"] == split]
        if not chosen:
            raise ValueError(f"{path}: no row whose split is {split}")
        X = torch.tensor([[float(row["x1"]), float(row["x2"])] for row in chosen])
        labels = torch.tensor([int(row["label"]) for row in chosen])
        Y = torch.nn.functional.one_hot(labels, N_CLASSES).to(X.dtype)
        tensors += [X.to(device), Y.to(device)]
    X_train, Y_train, X_test, Y_test = tensors
    return X_train, Y_train, X_test, Y_test


def split_validation(
    X: Tensor, Y: Tensor, fraction: float, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Set a random part of the training set aside for validation.

    Args:
        X: inputs, N × n_x.
        Y: targets, N × n_y.
        fraction: the part of the N examples that is set aside, in (0, 1), rounded to a whole
            number of examples.
        generator: a CPU generator that the permutation is drawn from.

    Returns:
        X_train, Y_train, X_val, Y_val; every example is in exactly one of the two parts.

    Raises:
        ValueError: one of the two parts would be empty.
    """
    n_val = round(fraction * len(X))
    if not 0 < n_val < len(X):
        raise ValueError(f"fraction={fraction} of {len(X)} examples leaves one part empty")
    order = torch.randperm(len(X), generator=generator).to(X.device)
    val, train = order[:n_val], order[n_val:]
    return X[train], Y[train], X[val], Y[val]


def main() -> None:
    """Write the committed CSV file."""
    temporary = CSV_PATH.with_suffix(".csv.part")
    temporary.write_text(make_circles())
    temporary.replace(CSV_PATH)
    print(f"{CSV_PATH}: {POINTS_PER_SPLIT} training and {POINTS_PER_SPLIT} test points")


if __name__ == "__main__":
    main()
