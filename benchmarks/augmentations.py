"""More augmentation is not better: the network of the ladder on digits, with one kind at a time.

Each kind is trained from the same seeds; what is compared is the accuracy on validation images,
mean and standard deviation over the seeds.

    python -m benchmarks.augmentations [--epochs N] [--seeds N] [--record]
"""

import argparse
import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from rich.progress import track
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from benchmarks.results import write_results
from solutions.augmentation import random_crop, random_horizontal_flip
from solutions.images import load_images
from solutions.ladder import RUNGS, Augment, Climb

COLUMNS = ["augmentation", "mean", "std", "seeds", "epochs"]
RUNG = next(rung for rung in RUNGS if rung.name == "momentum, schedule")


def uniform(X: Tensor, low: float, high: float, generator: torch.Generator) -> Tensor:
    """A number for each image."""
    return low + (high - low) * torch.rand(len(X), generator=generator)


def affine(X: Tensor, generator: torch.Generator, degrees: float, stretch: float) -> Tensor:
    """Each image turned by up to `degrees`, and its axes scaled by up to 1 ± `stretch`."""
    angle = uniform(X, -degrees, degrees, generator) * math.pi / 180
    across, along = (uniform(X, 1 - stretch, 1 + stretch, generator) for _ in range(2))
    rows = [angle.cos() * across, -angle.sin(), 0 * angle, angle.sin(), angle.cos() * along]
    matrix = torch.stack([*rows, 0 * angle], dim=1).reshape(-1, 2, 3)
    grid = affine_grid(matrix, list(X.shape), align_corners=False)
    return grid_sample(X, grid, padding_mode="border", align_corners=False)


def brightness(X: Tensor, generator: torch.Generator) -> Tensor:
    """Each image scaled and shifted in its grey values; those of X are standardised."""
    scale, shift = uniform(X, 0.6, 1.4, generator), uniform(X, -0.4, 0.4, generator)
    return X * scale.reshape(-1, 1, 1, 1) + shift.reshape(-1, 1, 1, 1)


def vertical_flip(X: Tensor, generator: torch.Generator) -> Tensor:
    """Each image upside down, or not."""
    return random_horizontal_flip(X.transpose(2, 3), 0.5, generator).transpose(2, 3)


def everything(X: Tensor, generator: torch.Generator) -> Tensor:
    """All the others, one after the other."""
    for name, augment in AUGMENTATIONS.items():
        if name not in ("none", "everything"):
            X = augment(X, generator)
    return X


AUGMENTATIONS: dict[str, Augment] = {
    "none": lambda X, generator: X,
    "crop": lambda X, generator: random_crop(X, 1, generator),
    "rotation up to 15°": partial(affine, degrees=15, stretch=0),
    "rotation up to 180°": partial(affine, degrees=180, stretch=0),
    "affine": partial(affine, degrees=10, stretch=0.2),
    "brightness": brightness,
    "horizontal flip": lambda X, generator: random_horizontal_flip(X, 0.5, generator),
    "vertical flip": vertical_flip,
    "everything": everything,
}


def accuracy(augment: Callable[[Tensor, torch.Generator], Tensor], epochs: int, seed: int) -> float:
    """Validation accuracy after training with one augmentation."""
    with torch.random.fork_rng():
        climb = Climb(RUNG, load_images("digits"), torch.device("cpu"), epochs, seed)
        climb.augment = augment
        for _ in range(epochs):
            row = climb.one_epoch()
    return float(row["val_top1"])


def main() -> None:
    """Train with each augmentation and print what it gave."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.augmentations",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--epochs", type=int, default=30, help="of each training (30)")
    parser.add_argument("--seeds", type=int, default=5, help="trainings with each kind (5)")
    parser.add_argument(
        "--record", action="store_true", help="write book/results/augmentations.csv"
    )
    options = parser.parse_args()
    rows = []
    for name, augment in track(AUGMENTATIONS.items(), "augmentations"):
        found = [accuracy(augment, options.epochs, seed) for seed in range(options.seeds)]
        mean, std = f"{np.mean(found):.4f}", f"{np.std(found, ddof=1):.4f}"
        rows.append(
            dict(zip(COLUMNS, (name, mean, std, options.seeds, options.epochs), strict=True))
        )
        print(f"{name:22} {mean} ± {std}")
    if options.record:
        command = f"python -m benchmarks.augmentations --epochs {options.epochs}"
        command += f" --seeds {options.seeds} --record"
        seeds = f"0 to {options.seeds - 1}: weights, orders and augmentation; 0: the split"
        print(write_results("augmentations", command, seeds, COLUMNS, rows))


if __name__ == "__main__":
    main()
