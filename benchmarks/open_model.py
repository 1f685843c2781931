"""Ablations of the open task's model: what each of its choices does to validation accuracy.

Five choices are varied one at a time about one recipe: the size of the kernels, the channels after
the first convolution (the second pair has twice as many), the linear layers at the end, the weight
decay and the learning rate. Every recipe is trained from several seeds on the same distorted
digits; the row of the recipe that all have in common stands in each of the five sweeps.

    python -m benchmarks.open_model [--epochs N] [--seeds N] [--record]
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional

from autograder.checks.pytorch_levels.open_task import distorted_digits
from benchmarks.one_thread import one_thread, seconds_of
from benchmarks.results import write_results

COLUMNS = ["varied", "value", "seed", "numbers", "train_top1", "val_top1", "seconds"]
BATCH_SIZE, N_HIDDEN = 64, 64

Row = dict[str, Any]


@dataclass(frozen=True)
class Recipe:
    """What the ablations vary."""

    kernel: int = 3
    width: int = 16
    head: int = 1
    weight_decay: float = 0.01
    rate: float = 3e-3


VALUES: dict[str, tuple[float, ...]] = {
    "kernel": (1, 3, 5),
    "width": (4, 8, 16, 32),
    "head": (1, 2, 3),
    "weight_decay": (0.0, 0.01, 0.1, 1.0),
    "rate": (3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
}


def model_of(recipe: Recipe) -> nn.Module:
    """Two pairs of convolutions with batch normalisation, each pair pooled; linear layers."""
    layers: list[nn.Module] = []
    n_in = 1
    for n_out in (recipe.width, 2 * recipe.width):
        for _ in range(2):
            conv = nn.Conv2d(n_in, n_out, recipe.kernel, padding=recipe.kernel // 2, bias=False)
            layers += [conv, nn.BatchNorm2d(n_out), nn.ReLU()]
            n_in = n_out
        layers.append(nn.MaxPool2d(2))
    layers += [nn.Flatten(), nn.Dropout(0.2)]
    n_in *= 3 * 3  # pixels of 12 × 12 that two poolings leave
    for _ in range(recipe.head - 1):
        layers += [nn.Linear(n_in, N_HIDDEN), nn.ReLU()]
        n_in = N_HIDDEN
    return nn.Sequential(*layers, nn.Linear(n_in, 10))


def train(model: nn.Module, X: Tensor, y: Tensor, recipe: Recipe, epochs: int, seed: int) -> None:
    """Train by AdamW with one cycle of the learning rate, the images shifted by up to a pixel."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay
    )
    steps = epochs * math.ceil(len(X) / BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps)
    side, larger = X.shape[-1], functional.pad(X, (1, 1, 1, 1))
    for _ in range(epochs):
        for rows in torch.randperm(len(X), generator=generator).split(BATCH_SIZE):
            i, j = torch.randint(3, (2,), generator=generator).tolist()
            shifted = larger[rows, :, i : i + side, j : j + side]
            optimizer.zero_grad()
            functional.cross_entropy(model(shifted), y[rows]).backward()
            optimizer.step()
            schedule.step()


def top1(model: nn.Module, X: Tensor, y: Tensor) -> float:
    """Share of the images that the model recognises in eval mode."""
    model.eval()
    with torch.no_grad():
        return (model(X).argmax(dim=1) == y).double().mean().item()


def measured(recipe: Recipe, seed: int, parts: Sequence[Tensor], epochs: int) -> Row:
    """A trained recipe in numbers; seconds are processor time of one thread."""
    X_train, y_train, X_val, y_val = parts[:4]
    torch.manual_seed(seed)
    model = model_of(recipe)
    seconds = seconds_of(lambda: train(model, X_train, y_train, recipe, epochs, seed))
    return {
        "seed": seed,
        "numbers": sum(value.numel() for value in model.state_dict().values()),
        "train_top1": f"{top1(model, X_train, y_train):.4f}",
        "val_top1": f"{top1(model, X_val, y_val):.4f}",
        "seconds": f"{seconds:.2f}",
    }


def swept() -> Iterator[tuple[str, float, Recipe]]:
    """Each sweep's name with its values and their recipes."""
    for varied, values in VALUES.items():
        for value in values:
            change: dict[str, Any] = {varied: value}
            yield varied, value, replace(Recipe(), **change)


@one_thread
def main(arguments: Sequence[str] | None = None) -> list[Row]:
    """Train every recipe once a seed, and print or record the rows of the five sweeps."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.open_model",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--epochs", type=int, default=12, help="of each training (12)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each recipe (3)")
    parser.add_argument("--record", action="store_true", help="write open_model.csv")
    options = parser.parse_args(arguments)

    parts = distorted_digits(torch.Generator().manual_seed(0))
    recipes = dict.fromkeys(recipe for _, _, recipe in swept())
    runs = [(recipe, seed) for recipe in recipes for seed in range(options.seeds)]
    found = {run: measured(*run, parts, options.epochs) for run in track(runs, "trainings")}
    rows: list[Row] = [
        {"varied": varied, "value": value} | found[recipe, seed]
        for varied, value, recipe in swept()
        for seed in range(options.seeds)
    ]
    for row in rows:
        print("  ".join(f"{row[column]!s:>12}" for column in COLUMNS))
    if options.record:
        command = "python -m benchmarks.open_model"
        command += f" --epochs {options.epochs} --seeds {options.seeds} --record"
        seeds = f"0: images; 0 to {options.seeds - 1}: initial weights and orders"
        print(write_results("open_model", command, seeds, COLUMNS, rows))
    return rows


if __name__ == "__main__":
    main()
