"""Images of three data sets as tensors in memory: scikit-learn's digits, MNIST and CIFAR-10.

MNIST and CIFAR-10 are read from disk, where torchvision keeps them or as a tree of image files;
nothing is downloaded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from solutions.circles import split_validation

NAMES = ("digits", "mnist", "cifar10")
HELD_OUT = {"digits": 0.25, "mnist": 1 / 6, "cifar10": 0.1}
"""The part of the training images that is set aside for validation."""


@dataclass(frozen=True)
class Images:
    """Images as N × C × H × W float32 in [0, 1], and the class of each, (N,) int64."""

    name: str
    X_train: Tensor
    y_train: Tensor
    X_val: Tensor
    y_val: Tensor
    X_test: Tensor
    y_test: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        """C, H, W of one image."""
        channels, height, width = self.X_train.shape[1:]
        return channels, height, width

    @property
    def n_classes(self) -> int:
        return int(self.y_train.max()) + 1


def load_images(name: str, folder: Path | None = None, seed: int = 0) -> Images:
    """Load a data set and set a part of its training images aside for validation.

    Args:
        name: one of `NAMES`.
        folder: for mnist and cifar10, the folder that torchvision's class takes as `root`, or one
            that holds NAME/train/CLASS/*.png or *.jpg and NAME/test/CLASS/*.
        seed: seed of the split into training and validation images.

    Raises:
        KeyError: there is no data set of that name.
        FileNotFoundError: the images are not in the folder.
    """
    X, y, X_test, y_test = _digits(seed) if name == "digits" else _from_disk(name, folder)
    generator = torch.Generator().manual_seed(seed)
    X_train, y_train, X_val, y_val = split_validation(X, y, HELD_OUT[name], generator)
    return Images(name, X_train, y_train, X_val, y_val, X_test, y_test)


def _digits(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """scikit-learn's 1,797 digits of 8 × 8 pixels, a fifth of them for testing."""
    from sklearn.datasets import load_digits

    pictures, labels = load_digits(return_X_y=True)
    X = torch.tensor(pictures, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
    return split_validation(X, torch.tensor(labels), 0.2, torch.Generator().manual_seed(seed))


def _from_disk(name: str, folder: Path | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    if folder is None:
        raise FileNotFoundError(f"{name} is read from disk: give its folder with --data DIR")
    for root in (folder / name, folder):
        if (root / "train").is_dir() and (root / "test").is_dir():
            return (*_tree(root / "train"), *_tree(root / "test"))
    return (*_of_torchvision(name, folder, True), *_of_torchvision(name, folder, False))


def _tree(folder: Path) -> tuple[Tensor, Tensor]:
    """The images of a folder with one folder for each class, by torchvision's ImageFolder."""
    from torchvision.datasets import ImageFolder

    files: Any = ImageFolder(str(folder))
    pictures = [np.asarray(picture) for picture, _ in track(files, f"reading {folder}")]
    return _as_tensors(np.stack(pictures), files.targets)


def _of_torchvision(name: str, folder: Path, training: bool) -> tuple[Tensor, Tensor]:
    """The images as torchvision's own class finds them."""
    from torchvision import datasets

    found = {"mnist": datasets.MNIST, "cifar10": datasets.CIFAR10}[name]
    try:
        data: Any = found(str(folder), train=training, download=False)
    except RuntimeError:
        raise FileNotFoundError(
            f"{folder}: no {name} in it; it must hold what torchvision's {found.__name__} reads, "
            f"or {name}/train/CLASS/ and {name}/test/CLASS/ with image files"
        ) from None
    return _as_tensors(np.asarray(data.data), data.targets)


def _as_tensors(pictures: "np.ndarray[Any, Any]", labels: Sequence[int]) -> tuple[Tensor, Tensor]:
    """N × H × W or N × H × W × C bytes as N × C × H × W in [0, 1], and the classes."""
    X = torch.from_numpy(np.ascontiguousarray(pictures))
    X = X.unsqueeze(1) if X.dim() == 3 else X.permute(0, 3, 1, 2)
    return X.float().div_(255).contiguous(), torch.as_tensor(labels, dtype=torch.int64)
