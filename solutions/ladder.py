"""The improvement ladder: one convolutional network, one technique more on each rung.

`python -m solutions.ladder --dataset digits|mnist|cifar10 [--data DIR]` trains every rung from the
same seed and writes one row an epoch, and a summary. Stopped, it goes on where it was.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from solutions.augmentation import random_crop, random_horizontal_flip
from solutions.descent import warmup_cosine
from solutions.images import NAMES, Images
from solutions.options import data_parser, device_name, images_of, progress_bar
from solutions.preprocessing import channel_statistics, standardize, zca_whitening
from solutions.tables import provenance, write_table
from solutions.training import topk_accuracy

BATCH_SIZE = 128
RATE = 0.1
RATE_WITH_MOMENTUM = 0.03  # momentum 0.9 makes steps up to ten times as long
MOMENTUM = 0.9
DROPOUT = 0.5
ZCA_EPSILON = 1e-2
EPOCHS = {"digits": 60, "mnist": 10, "cifar10": 40}
PADDING = {"digits": 1, "mnist": 2, "cifar10": 4}
FLIPS = {"digits": False, "mnist": False, "cifar10": True}
"""A mirrored digit is no digit; a mirrored truck is a truck."""

Augment = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Rung:
    """What is done on a rung: everything of the rungs below it, and one thing more.

    preprocessing: none, standardised or whitened.
    """

    name: str
    preprocessing: str = "standardised"
    augmented: bool = False
    momentum: bool = False
    dropout: bool = False
    batch_norm: bool = False


RUNGS = (
    Rung("baseline", "none"),
    Rung("standardised"),
    Rung("ZCA", "whitened"),
    Rung("augmentation", augmented=True),
    Rung("momentum, schedule", augmented=True, momentum=True),
    Rung("dropout", augmented=True, momentum=True, dropout=True),
    Rung("batch norm", augmented=True, momentum=True, dropout=True, batch_norm=True),
)
"""ZCA takes the place of standardisation on its own rung alone."""

EPOCH_COLUMNS = ["rung", "epoch", "train_loss", "train_top1", "train_top5"]
EPOCH_COLUMNS += ["val_loss", "val_top1", "val_top5", "seconds"]
SUMMARY_COLUMNS = ["rung", "epochs", "test_loss", "test_top1", "test_top5"]
SUMMARY_COLUMNS += ["val_top1", "seconds"]


def ladder_network(
    shape: tuple[int, int, int], n_classes: int, dropout: bool = False, batch_norm: bool = False
) -> nn.Sequential:
    """The network of `ConvNet`, with dropout before its linear layers and batch norm as wanted.

    ReLU stands after the pooling here: it never changes which value is largest, so the outputs are
    the same, and it has a quarter of the values to work on.

    Args:
        shape: C, H, W of an image; three poolings must leave at least one pixel.
        n_classes: number of outputs, which are pre-activations.
        dropout: whether units before the two linear layers are dropped, half of them.
        batch_norm: whether batch norm stands after each convolution.
    """
    channels, height, width = shape
    layers: list[nn.Module] = []
    for n_out in (32, 64, 64):
        layers.append(nn.Conv2d(channels, n_out, 5, padding=2))
        layers += [nn.BatchNorm2d(n_out)] if batch_norm else []
        layers += [nn.MaxPool2d(2), nn.ReLU()]
        channels = n_out
    drop = [nn.Dropout(DROPOUT)] if dropout else []
    layers += [nn.Flatten(), *drop, nn.Linear(channels * (height // 8) * (width // 8), 1000)]
    layers += [nn.ReLU(), *drop, nn.Linear(1000, n_classes)]
    return nn.Sequential(*layers)


@dataclass
class State:
    """How far a ladder is: rows of what is done, and all that the present rung goes on from."""

    settings: dict[str, Any]
    epochs: list[dict[str, Any]] = field(default_factory=list)
    summary: list[dict[str, Any]] = field(default_factory=list)
    present: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, settings: dict[str, Any]) -> "State":
        """The state in a file, or a new one where there is none of these settings."""
        if path.exists():
            state = cls(**torch.load(path, weights_only=True))
            if state.settings == settings:
                return state
        return cls(settings)

    def write(self, path: Path) -> None:
        """Keep the state; the file is whole at any moment."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.part")
        torch.save(asdict(self), temporary)
        temporary.replace(path)


class Climb:
    """The training of one rung, an epoch at a time.

    Images and kernels lie in memory with their channels last, in which convolutions are faster.
    Initial weights and dropout draw from the global generator, which is seeded here. `augment` is
    what happens to the images of a batch; it may be replaced.
    """

    def __init__(
        self, rung: Rung, images: Images, device: torch.device, epochs: int, seed: int
    ) -> None:
        self.rung, self.epochs = rung, epochs
        prepared = _preparation(rung, images)
        self.X_train, self.X_val, self.X_test = (
            prepared(part).to(device) for part in (images.X_train, images.X_val, images.X_test)
        )
        self.y_train, self.y_val, self.y_test = (
            part.to(device) for part in (images.y_train, images.y_val, images.y_test)
        )
        self.generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)  # layers draw their weights from the global generator
        network = ladder_network(images.shape, images.n_classes, rung.dropout, rung.batch_norm)
        self.model = network.to(device).to(memory_format=torch.channels_last)
        self.rate, momentum = (RATE_WITH_MOMENTUM, MOMENTUM) if rung.momentum else (RATE, 0.0)
        self.optimizer = torch.optim.SGD(self.model.parameters(), self.rate, momentum=momentum)
        self.augment: Augment = _augmentation(images.name) if rung.augmented else _nothing
        self.done = 0
        self.seconds = 0.0

    def one_epoch(self) -> dict[str, Any]:
        """Train for an epoch; the row of what it gave."""
        start = time.perf_counter()
        loss, top1, top5 = self._trained()
        seconds = time.perf_counter() - start
        self.done, self.seconds = self.done + 1, self.seconds + seconds
        found = self.evaluated(self.X_val, self.y_val)
        figures = dict(zip(EPOCH_COLUMNS[2:8], (loss, top1, top5, *found), strict=True))
        rounded = {name: f"{value:.5f}" for name, value in figures.items()}
        return {"rung": self.rung.name, "epoch": self.done, **rounded, "seconds": f"{seconds:.2f}"}

    def summary(self, row: dict[str, Any]) -> dict[str, Any]:
        """What the finished rung gave; row: of its last epoch. The test images are used once."""
        found = self.evaluated(self.X_test, self.y_test)
        figures = dict(zip(SUMMARY_COLUMNS[2:5], found, strict=True))
        rounded = {name: f"{value:.5f}" for name, value in figures.items()}
        ends = {"val_top1": row["val_top1"], "seconds": f"{self.seconds:.1f}"}
        return {"rung": self.rung.name, "epochs": self.done, **rounded, **ends}

    def evaluated(self, X: Tensor, y: Tensor) -> tuple[float, float, float]:
        """Mean loss, top-1 and top-5 accuracy, in evaluation mode."""
        self.model.eval()
        with torch.no_grad():
            batches = zip(X.split(1000), y.split(1000), strict=True)
            outputs = [(self.model(X_batch), y_batch) for X_batch, y_batch in batches]
        return _means(outputs)

    def _trained(self) -> tuple[float, float, float]:
        self.model.train()
        outputs = []
        order = torch.randperm(len(self.X_train), generator=self.generator)
        batches = order.split(BATCH_SIZE)
        for number, chosen in enumerate(batches):
            if self.rung.momentum:
                step, steps = self.done * len(batches) + number, self.epochs * len(batches)
                rate = warmup_cosine(step, self.rate, max(1, steps // 20), steps)
                self.optimizer.param_groups[0]["lr"] = rate
            chosen = chosen.to(self.X_train.device)
            X, y = self.augment(self.X_train[chosen], self.generator), self.y_train[chosen]
            Y_tilde = self.model(X.contiguous(memory_format=torch.channels_last))
            self.optimizer.zero_grad()
            nn.functional.cross_entropy(Y_tilde, y).backward()
            self.optimizer.step()
            outputs.append((Y_tilde.detach(), y))
        return _means(outputs)

    def state(self) -> dict[str, Any]:
        """All that going on depends on; dropout draws from the global generator."""
        return {
            "rung": self.rung.name,
            "done": self.done,
            "seconds": self.seconds,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "global": torch.get_rng_state(),
            "devices": torch.cuda.get_rng_state_all(),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a state of the same rung."""
        self.done, self.seconds = state["done"], state["seconds"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["global"])
        torch.cuda.set_rng_state_all(state["devices"])


def _preparation(rung: Rung, images: Images) -> Callable[[Tensor], Tensor]:
    """What is done to all images before training; its statistics are of the training images."""
    if rung.preprocessing == "none":
        return lambda X: X
    if rung.preprocessing == "standardised":
        mean, std = channel_statistics(images.X_train)
        return lambda X: standardize(X, mean, std)
    mean, matrix = zca_whitening(images.X_train.flatten(1), ZCA_EPSILON)
    return lambda X: ((X.flatten(1) - mean) @ matrix).reshape(X.shape)


def _augmentation(name: str) -> Augment:
    """Random crops, and flips where a mirrored image is of the same class."""

    def crop(X: Tensor, generator: torch.Generator) -> Tensor:
        return random_crop(X, PADDING[name], generator)

    def crop_and_flip(X: Tensor, generator: torch.Generator) -> Tensor:
        return random_horizontal_flip(crop(X, generator), 0.5, generator)

    return crop_and_flip if FLIPS[name] else crop


def _nothing(X: Tensor, generator: torch.Generator) -> Tensor:
    return X


def _means(outputs: Sequence[tuple[Tensor, Tensor]]) -> tuple[float, float, float]:
    """Mean cross-entropy, top-1 and top-5 accuracy of pre-activations and classes."""
    Y_tilde, y = (torch.cat(parts) for parts in zip(*outputs, strict=True))
    loss = nn.functional.cross_entropy(Y_tilde, y).item()
    return loss, topk_accuracy(Y_tilde, y, 1), topk_accuracy(Y_tilde, y, 5)


def climb(
    images: Images,
    rungs: Sequence[Rung],
    device: torch.device,
    epochs: int,
    seed: int,
    kept: Path,
    show: Callable[[str, int], None] = lambda rung, done: None,
) -> State:
    """Train the rungs one after the other, or go on where an earlier call was stopped.

    Args:
        images: the data set; the rungs are trained on its training images.
        rungs: which rungs, in order.
        device: where to train.
        epochs: of each rung.
        seed: of the initial weights, the orders of the batches, augmentation and dropout.
        kept: the file that holds the state after each epoch.
        show: called with the rung and the number of its finished epochs.
    """
    names = [rung.name for rung in rungs]
    settings = {"data": images.name, "rungs": names, "epochs": epochs, "seed": seed}
    state = State.read(kept, settings)
    finished = {row["rung"] for row in state.summary}
    with torch.random.fork_rng():
        for rung in rungs:
            if rung.name in finished:
                show(rung.name, epochs)
                continue
            work = Climb(rung, images, device, epochs, seed)
            if state.present.get("rung") == rung.name:
                work.resume(state.present)
            show(rung.name, work.done)
            while work.done < epochs:
                state.epochs.append(work.one_epoch())
                state.present = work.state()
                state.write(kept)
                show(rung.name, work.done)
            state.summary.append(work.summary(state.epochs[-1]))
            state.present = {}
            state.write(kept)
    return state


def main() -> None:
    """Train the ladder with a progress bar and write its two tables."""
    options = _parsed()
    images = images_of(options, "solutions.ladder")
    rungs = [rung for rung in RUNGS if not options.rungs or rung.name in options.rungs]
    epochs = options.epochs or EPOCHS[images.name]
    name = f"ladder_{images.name}"
    with progress_bar() as bar:
        tasks = {rung.name: bar.add_task(rung.name, total=epochs) for rung in rungs}
        state = climb(
            images,
            rungs,
            options.device,
            epochs,
            options.seed,
            options.output / f"{name}.pt",
            lambda rung, done: bar.update(tasks[rung], completed=done),
        )
    header = provenance(
        f"python -m solutions.ladder --dataset {images.name} --epochs {epochs} "
        f"--seed {options.seed}" + ("" if images.name == "digits" else " --data DIR"),
        f"{options.seed}: split, initial weights, orders, augmentation and dropout",
        ["torchvision"],
        device_name(options.device),
    )
    for table, rows, names in (
        (f"{name}.csv", state.epochs, EPOCH_COLUMNS),
        (f"{name}_summary.csv", state.summary, SUMMARY_COLUMNS),
    ):
        print(write_table(options.output / table, header, names, rows))
    for row in state.summary:
        print(f"{row['rung']:20} top-1 {row['test_top1']}  top-5 {row['test_top5']}")


def _parsed() -> argparse.Namespace:
    parser = data_parser("solutions.ladder", __doc__, NAMES, Path("_build/ladder"))
    parser.add_argument("--epochs", type=int, help="of each rung; default: by data set")
    names = [rung.name for rung in RUNGS]
    parser.add_argument(
        "--rungs", nargs="+", choices=names, metavar="RUNG", help=f"only these: {', '.join(names)}"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
