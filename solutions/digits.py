"""Handwritten digits: the one-hidden-layer network on pictures, and its confusion matrix.

`python -m solutions.digits` trains on the digits that come with scikit-learn; `--data DIR` takes
MNIST from the folder where torchvision keeps it.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import track
from sklearn import datasets
from torch import Tensor, nn

from solutions.circles import split_validation
from solutions.modules import init_model, loss_accuracy_model
from solutions.optim import train

N_CLASSES = 10


def confusion_matrix(actual: Tensor, predicted: Tensor, n_classes: int) -> Tensor:
    """Count how often each class was taken for each class.

    The library's own confusion matrix is not allowed here.

    Book: book/unit1/digits, the confusion matrix.

    Args:
        actual: the true class of each example, (N,), whole numbers from 0 to n_classes - 1.
        predicted: the class that a model chose for each example, (N,), from the same range.
        n_classes: number of classes; some of them may be in neither of the two.

    Returns:
        Counts, n_classes × n_classes, dtype int64: row i, column j counts the examples of class i
        that were taken for class j.
    """
    pairs = n_classes * actual.long() + predicted.long()
    return torch.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)


@dataclass(frozen=True)
class Digits:
    """Pictures as rows of grey values in [0, 1], and one-hot targets (N × 10), all float32."""

    name: str
    X_train: Tensor
    Y_train: Tensor
    X_val: Tensor
    Y_val: Tensor
    X_test: Tensor
    Y_test: Tensor


@dataclass(frozen=True)
class Outcome:
    """What one training run gave.

    Attributes:
        model: the trained network.
        losses: mean training loss of each epoch.
        validation: accuracy on the validation set, in [0, 1].
        test: accuracy on the test set, in [0, 1].
        confusion: confusion matrix of the test set, 10 × 10.
    """

    model: nn.Module
    losses: list[float]
    validation: float
    test: float
    confusion: Tensor


def load_small_digits(device: str | torch.device = "cpu", seed: int = 0) -> Digits:
    """scikit-learn's 1,797 digits of 8 × 8 pixels: a fifth for testing, a fifth for validation.

    Args:
        device: where the tensors are put.
        seed: seed of the split.
    """
    pictures, labels = datasets.load_digits(return_X_y=True)
    X = torch.tensor(pictures, dtype=torch.float32) / 16
    Y = _one_hot(torch.tensor(labels))
    generator = torch.Generator().manual_seed(seed)
    X_rest, Y_rest, X_test, Y_test = split_validation(X, Y, 0.2, generator)
    X_train, Y_train, X_val, Y_val = split_validation(X_rest, Y_rest, 0.25, generator)
    parts = (X_train, Y_train, X_val, Y_val, X_test, Y_test)
    return Digits("digits", *(part.to(device) for part in parts))


def load_mnist(folder: Path | str, device: str | torch.device = "cpu", seed: int = 0) -> Digits:
    """MNIST, 28 × 28 pixels, from disk: 10,000 of its 60,000 training pictures for validation.

    Args:
        folder: the folder that `torchvision.datasets.MNIST` takes as `root`; it holds `MNIST/raw`.
        device: where the tensors are put.
        seed: seed of the split.

    Raises:
        FileNotFoundError: MNIST is not there; nothing is downloaded.
    """
    from torchvision.datasets import MNIST  # costs a second that the small digits need not wait

    try:
        parts = [MNIST(str(folder), train=training, download=False) for training in (True, False)]
    except RuntimeError:
        raise FileNotFoundError(
            f"{folder}: MNIST is not there; give the folder that holds MNIST/raw/, or leave "
            "--data out to use scikit-learn's digits"
        ) from None
    (X, Y), (X_test, Y_test) = [
        (part.data.flatten(1).float() / 255, _one_hot(part.targets)) for part in parts
    ]
    generator = torch.Generator().manual_seed(seed)
    X_train, Y_train, X_val, Y_val = split_validation(X, Y, 1 / 6, generator)
    tensors = (X_train, Y_train, X_val, Y_val, X_test, Y_test)
    return Digits("MNIST", *(tensor.to(device) for tensor in tensors))


def train_digits(
    digits: Digits,
    n_h: int = 100,
    eta: float = 0.5,
    batch_size: int = 50,
    epochs: int = 20,
    seed: int = 0,
    progress: bool = False,
) -> Outcome:
    """Train the one-hidden-layer network of the circles on pictures.

    Args:
        digits: the data; the network is trained on their device.
        n_h: number of hidden units.
        eta: learning rate of the mean loss.
        batch_size: number of pictures a step.
        epochs: how many times the training set is gone through.
        seed: seed of the initial weights and of the orders of the batches.
        progress: whether to show a progress bar.
    """
    with torch.random.fork_rng(devices=[]):  # the layers draw from the global generator
        torch.manual_seed(seed)
        model = init_model(digits.X_train.shape[1], n_h, N_CLASSES)
    model.to(digits.X_train.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=eta)
    generator = torch.Generator().manual_seed(seed)

    losses: list[float] = []
    for _ in track(range(epochs), description=digits.name, disable=not progress):
        losses += train(model, optimizer, digits.X_train, digits.Y_train, batch_size, 1, generator)

    with torch.no_grad():
        _, validation = loss_accuracy_model(model, digits.X_val, digits.Y_val)
        _, test = loss_accuracy_model(model, digits.X_test, digits.Y_test)
        predicted = model(digits.X_test).argmax(dim=1)
    confusion = confusion_matrix(digits.Y_test.argmax(dim=1), predicted, N_CLASSES)
    return Outcome(model, losses, float(validation), float(test), confusion.cpu())


def _one_hot(labels: Tensor) -> Tensor:
    return nn.functional.one_hot(labels.long(), N_CLASSES).float()


def main() -> None:
    """Train once and print the accuracies and the confusion matrix of the test set."""
    parser = argparse.ArgumentParser(prog="python -m solutions.digits", description=__doc__)
    parser.add_argument("--data", metavar="DIR", help="folder that holds MNIST/raw/")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, ...")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    device = arguments.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        folder = arguments.data
        digits = load_mnist(folder, device) if folder else load_small_digits(device)
    except FileNotFoundError as error:
        raise SystemExit(str(error)) from None

    outcome = train_digits(digits, epochs=arguments.epochs, seed=arguments.seed, progress=True)
    print(f"validation accuracy {outcome.validation:.4f}, test accuracy {outcome.test:.4f}")
    print("confusion matrix of the test set (rows: the digit, columns: what it was taken for)")
    for row in outcome.confusion.tolist():
        print(" ".join(f"{count:5d}" for count in row))


if __name__ == "__main__":
    main()
