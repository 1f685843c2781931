"""Ten seeds of each of the four stages on the circles.

From one seed the four stages coincide. Each run here has a seed of its own, so that the
differences between the stages show what the seed alone does.

    python -m benchmarks.circles_seeds
"""

from statistics import median
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.results import write_results
from solutions.by_hand import init_params
from solutions.circles import load_circles
from solutions.stages import STAGES, train_stage

N_H = 10
BATCH_SIZE = 10
EPOCHS = 150
# The published rate, 0.03, with gradients summed over a batch of 10 makes the step that 0.3 makes
# with their mean.
ETA = 0.3
SEEDS_PER_STAGE = 10
COLUMNS = ["stage", "seed", "train_accuracy", "test_accuracy"]
COLUMNS += ["train_loss", "test_loss", "n_h", "epochs", "batch_size", "eta"]


def run(stage: str, seed: int) -> dict[str, Any]:
    """Train once; the seed decides on the initial weights and on the order of the batches."""
    generator = torch.Generator().manual_seed(seed)
    params = init_params(2, N_H, 2, generator)
    curves = train_stage(stage, params, load_circles(), ETA, BATCH_SIZE, EPOCHS, generator)
    return {
        "stage": stage,
        "seed": seed,
        "train_accuracy": f"{curves.train_accuracy[-1]:.4f}",
        "test_accuracy": f"{curves.test_accuracy[-1]:.4f}",
        "train_loss": f"{curves.train_loss[-1]:.4f}",
        "test_loss": f"{curves.test_loss[-1]:.4f}",
        "n_h": N_H,
        "epochs": EPOCHS,
        "batch_size": BATCH_SIZE,
        "eta": ETA,
    }


def main() -> None:
    """Run all, print the medians and the spread, and write the table."""
    torch.set_num_threads(1)
    runs = list(enumerate(stage for stage in STAGES for _ in range(SEEDS_PER_STAGE)))
    rows = [run(stage, seed) for seed, stage in track(runs, description="circles")]

    table = Table(
        "stage", "train: median", "lowest", "highest", "test: median", "lowest", "highest"
    )
    for stage in STAGES:
        cells = []
        for column in ("train_accuracy", "test_accuracy"):
            values = [float(row[column]) for row in rows if row["stage"] == stage]
            cells += [f"{100 * f(values):.2f} %" for f in (median, min, max)]
        table.add_row(stage, *cells)
    Console().print(table)

    seeds = f"0 to {len(runs) - 1}, each used once: initial weights and order of the batches"
    command = "python -m benchmarks.circles_seeds"
    print(write_results("circles_seeds", command, seeds, COLUMNS, rows))


if __name__ == "__main__":
    main()
