"""Three sweeps over a vision transformer: features of a token, size of a patch, number of blocks.

`python -m solutions.vit_sweeps --dataset digits|mnist [--data DIR]` trains every configuration
from several seeds and writes one row for each training. Stopped, it goes on where it was.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor, nn

from solutions.images import Images
from solutions.options import data_parser, device_name, images_of, progress_bar
from solutions.preprocessing import channel_statistics, standardize
from solutions.tables import provenance, read_header, read_table, write_table
from solutions.vit import ViT, fit, vit_parameters

NAMES = ("digits", "mnist")
EMBED_DIMS = (8, 16, 32, 64)
PATCH_SIZES = {"digits": (1, 2, 4), "mnist": (4, 7, 14)}
N_BLOCKS = (2, 4, 6, 8)
N_HEADS = 4
BATCH_SIZE = 128
RATE = 1e-3
WARMUP = 0.1
"""The part of the steps in which the learning rate climbs."""
EPOCHS = {"digits": 100, "mnist": 3}
SEEDS = {"digits": 5, "mnist": 3}

COLUMNS = ["embed_dim", "patch_size", "n_blocks", "seed", "tokens", "parameters"]
COLUMNS += ["train_loss", "val_loss", "val_top1", "test_top1", "seconds"]

Row = dict[str, Any]


@dataclass(frozen=True)
class Configuration:
    """What the sweeps vary."""

    embed_dim: int
    patch_size: int
    n_blocks: int

    @classmethod
    def of(cls, row: Row) -> "Configuration":
        """The configuration that a row of the table is about."""
        return cls(int(row["embed_dim"]), int(row["patch_size"]), int(row["n_blocks"]))


def sweeps(name: str) -> dict[str, list[Configuration]]:
    """For each sweep its configurations, in order; one configuration is in all of them.

    Args:
        name: the data set, on which the sizes of the patches depend.
    """
    centre = Configuration(32, PATCH_SIZES[name][1], 4)
    return {
        "embed_dim": [replace(centre, embed_dim=size) for size in EMBED_DIMS],
        "patch_size": [replace(centre, patch_size=size) for size in PATCH_SIZES[name]],
        "n_blocks": [replace(centre, n_blocks=number) for number in N_BLOCKS],
    }


class Sweeper:
    """Trains configurations on one data set; its images are standardised by the training images."""

    def __init__(self, images: Images, device: torch.device, epochs: int) -> None:
        self.images, self.device, self.epochs = images, device, epochs
        mean, std = channel_statistics(images.X_train)
        self.X_train, self.X_val, self.X_test = (
            standardize(X, mean, std).to(device)
            for X in (images.X_train, images.X_val, images.X_test)
        )
        self.y_train, self.y_val, self.y_test = (
            y.to(device) for y in (images.y_train, images.y_val, images.y_test)
        )

    def row(self, configuration: Configuration, seed: int) -> Row:
        """Train a configuration from a seed; test_top1 stays empty."""
        start = time.perf_counter()
        model, train_loss = self._trained(configuration, seed)
        seconds = time.perf_counter() - start
        val_loss, val_top1 = _evaluated(model, self.X_val, self.y_val)
        size = configuration
        _, height, width = self.images.shape
        return {
            **asdict(configuration),
            "seed": seed,
            "tokens": 1 + (height // size.patch_size) * (width // size.patch_size),
            "parameters": vit_parameters(
                self.images.shape,
                size.patch_size,
                size.embed_dim,
                4 * size.embed_dim,
                size.n_blocks,
                self.images.n_classes,
            ),
            "train_loss": f"{train_loss:.5f}",
            "val_loss": f"{val_loss:.5f}",
            "val_top1": f"{val_top1:.5f}",
            "test_top1": "",
            "seconds": f"{seconds:.2f}",
        }

    def test_top1(self, configuration: Configuration, seed: int) -> str:
        """The accuracy on the test images of a configuration that is trained once more."""
        model, _ = self._trained(configuration, seed)
        return f"{_evaluated(model, self.X_test, self.y_test)[1]:.5f}"

    def _trained(self, size: Configuration, seed: int) -> tuple[nn.Module, float]:
        """A trained model and its loss in the last epoch."""
        shape, n_classes = self.images.shape, self.images.n_classes
        with torch.random.fork_rng():
            torch.manual_seed(seed)  # layers draw their weights from the global generator
            model = ViT(
                shape, size.patch_size, size.embed_dim, N_HEADS, size.n_blocks, n_classes
            ).to(self.device)
        steps = self.epochs * -(-len(self.X_train) // BATCH_SIZE)
        losses = fit(
            model,
            self.X_train,
            self.y_train,
            self.epochs,
            BATCH_SIZE,
            RATE,
            int(WARMUP * steps),
            generator=torch.Generator().manual_seed(seed),
        )
        return model, losses[-1]


def _evaluated(model: nn.Module, X: Tensor, y: Tensor) -> tuple[float, float]:
    """Mean loss and accuracy, in evaluation mode."""
    model.eval()
    with torch.no_grad():
        Y_tilde = torch.cat([model(batch) for batch in X.split(1000)])
    loss = nn.functional.cross_entropy(Y_tilde, y).item()
    return loss, (Y_tilde.argmax(dim=1) == y).double().mean().item()


def best(rows: Sequence[Row]) -> Configuration:
    """The configuration with the highest mean accuracy on the validation images."""
    found: dict[Configuration, list[float]] = {}
    for row in rows:
        found.setdefault(Configuration.of(row), []).append(float(row["val_top1"]))
    return max(found, key=lambda configuration: mean(found[configuration]))


def swept(
    sweeper: Sweeper, seeds: Sequence[int], done: Sequence[Row] = ()
) -> Iterator[tuple[list[Row], str]]:
    """Train what is not done yet; after each training, all rows and what it was for.

    When every configuration is trained from every seed, the best of them on the validation images
    is tested: the test images are used for no other.

    Args:
        sweeper: trains on the images.
        seeds: of initial weights and orders of the batches.
        done: the rows of an earlier run.
    """
    rows = [dict(row) for row in done]
    there = {(Configuration.of(row), int(row["seed"])) for row in rows}
    named = sweeps(sweeper.images.name)
    for seed in seeds:
        for name, configurations in named.items():
            for configuration in configurations:
                if (configuration, seed) not in there:
                    there.add((configuration, seed))
                    rows.append(sweeper.row(configuration, seed))
                    yield rows, name
    chosen = best(rows)
    for row in rows:
        if Configuration.of(row) == chosen and not row["test_top1"]:
            row["test_top1"] = sweeper.test_top1(chosen, int(row["seed"]))
            yield rows, "test"


def main() -> None:
    """Sweep with a progress bar and write the table."""
    options = _parsed()
    images = images_of(options, "solutions.vit_sweeps")
    epochs = options.epochs or EPOCHS[images.name]
    n_seeds = options.seeds or SEEDS[images.name]
    header = provenance(
        f"python -m solutions.vit_sweeps --dataset {images.name} --epochs {epochs} "
        f"--seeds {n_seeds} --seed {options.seed}"
        + ("" if images.name == "digits" else " --data DIR"),
        f"{options.seed}: split; 0 to {n_seeds - 1}: initial weights and orders",
        ["torchvision"],
        device_name(options.device),
    )
    path = options.output / f"vit_sweeps_{images.name}.csv"
    before = rows = _rows_of(path, header)
    configurations = {each for sweep in sweeps(images.name).values() for each in sweep}
    total = (len(configurations) + 1) * n_seeds
    with progress_bar() as bar:
        task = bar.add_task(f"sweeps on {images.name}", total=total)
        finished = len(before) + sum(bool(row["test_top1"]) for row in before)
        bar.update(task, completed=finished)
        sweeper = Sweeper(images, options.device, epochs)
        for rows, name in swept(sweeper, range(n_seeds), before):
            write_table(path, header, COLUMNS, rows)
            bar.update(task, advance=1, description=name)
    print(path)
    _show(rows, images.name)


def _rows_of(path: Path, header: dict[str, str]) -> list[Row]:
    """The rows of a run of the same command that was stopped; none where there was no such run."""
    if not path.exists():
        return []
    before = read_header(path)
    same = all(before[key] == header[key] for key in ("command", "versions"))
    return list(read_table(path)) if same else []


def _show(rows: Sequence[Row], name: str) -> None:
    """Print mean and standard deviation over the seeds, a line for each configuration."""
    for sweep, configurations in sweeps(name).items():
        for configuration in configurations:
            values = [
                100 * float(row["val_top1"])
                for row in rows
                if Configuration.of(row) == configuration
            ]
            spread = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
            print(f"{sweep:10} {asdict(configuration)[sweep]:3}  {mean(values):.2f}{spread} %")
    tested = [row for row in rows if row["test_top1"]]
    share = mean(100 * float(row["test_top1"]) for row in tested)
    print(f"chosen on validation images: {Configuration.of(tested[0])}; test {share:.2f} %")


def _parsed() -> argparse.Namespace:
    parser = data_parser("solutions.vit_sweeps", __doc__, NAMES, Path("_build/vit_sweeps"))
    parser.add_argument("--epochs", type=int, help="of each training; default: by data set")
    parser.add_argument("--seeds", type=int, help="trainings a configuration; default: by data set")
    return parser.parse_args()


if __name__ == "__main__":
    main()
