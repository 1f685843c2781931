"""Images per second of training: tensors in memory, augmented in batches, beside the usual loop.

The usual loop is a DataLoader with two workers, in which torchvision's transforms work on one PIL
picture at a time. Tensors in memory are trained on as PyTorch lays them out, and with their
channels last, as the ladder does. All train the same network, in turn, on the same images of
CIFAR-10's size, drawn at random: what is in them does not change the time.

    python -m benchmarks.loading [--images N] [--repeats N] [--record]
"""

import argparse
import time
from collections.abc import Callable, Iterable

import numpy as np
import torch
from PIL import Image
from rich.progress import track
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.results import write_results
from solutions.augmentation import random_crop, random_horizontal_flip
from solutions.ladder import BATCH_SIZE, ladder_network
from solutions.preprocessing import channel_statistics, standardize

SHAPE, N_CLASSES, PADDING = (3, 32, 32), 10, 4
COLUMNS = ["loop", "images", "seconds", "images_per_second"]

Batches = Iterable[tuple[Tensor, Tensor]]


class Pictures(Dataset[tuple[Tensor, int]]):
    """Pictures as a folder of files would give them: one PIL picture at a time, transformed."""

    def __init__(self, pixels: Tensor, classes: Tensor, mean: Tensor, std: Tensor) -> None:
        arrays: list[np.ndarray] = list(pixels.permute(0, 2, 3, 1).contiguous().numpy())
        self._pictures = [Image.fromarray(array) for array in arrays]
        self._classes = classes.tolist()
        self._transform = transforms.Compose(
            [
                transforms.RandomCrop(SHAPE[1], padding=PADDING),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(mean.tolist(), std.tolist()),
            ]
        )

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        return self._transform(self._pictures[number]), self._classes[number]


def in_memory(pixels: Tensor, classes: Tensor, mean: Tensor, std: Tensor) -> Batches:
    """The batches of an epoch, cut from one tensor and augmented together."""
    X = standardize(pixels.float() / 255, mean, std)
    for chosen in torch.randperm(len(X)).split(BATCH_SIZE):
        batch = random_horizontal_flip(random_crop(X[chosen], PADDING))
        yield batch, classes[chosen]


def usual(pixels: Tensor, classes: Tensor, mean: Tensor, std: Tensor) -> Batches:
    """The batches of an epoch from a DataLoader with two workers."""
    pictures = Pictures(pixels, classes, mean, std)
    yield from DataLoader(pictures, BATCH_SIZE, shuffle=True, num_workers=2)


LOOPS: dict[
    str, tuple[Callable[[Tensor, Tensor, Tensor, Tensor], Batches], torch.memory_format]
] = {
    "DataLoader, PIL, two workers": (usual, torch.contiguous_format),
    "tensors in memory": (in_memory, torch.contiguous_format),
    "tensors in memory, channels last": (in_memory, torch.channels_last),
}


def seconds_of(batches: Batches, layout: torch.memory_format) -> float:
    """Seconds of an epoch of training, the making of the batches included."""
    model = ladder_network(SHAPE, N_CLASSES).to(memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    start = time.perf_counter()
    for X, y in batches:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(X.contiguous(memory_format=layout)), y).backward()
        optimizer.step()
    return time.perf_counter() - start


def main() -> None:
    """Time the loops in turn and print images per second; the median of the repeats counts."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.loading",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=int, default=5000, help="of an epoch (5000)")
    parser.add_argument("--repeats", type=int, default=5, help="epochs of each loop (5)")
    parser.add_argument("--record", action="store_true", help="write book/results/loading.csv")
    options = parser.parse_args()

    torch.manual_seed(0)
    pixels = torch.randint(0, 256, (options.images, *SHAPE), dtype=torch.uint8)
    classes = torch.randint(0, N_CLASSES, (options.images,))
    mean, std = channel_statistics(pixels.float() / 255)
    seconds: dict[str, list[float]] = {name: [] for name in LOOPS}
    for _ in track(range(options.repeats), "epochs"):
        for name, (loop, layout) in LOOPS.items():
            seconds[name].append(seconds_of(loop(pixels, classes, mean, std), layout))
    rows = []
    for name, times in seconds.items():
        median = float(np.median(times))
        speed = f"{options.images / median:.0f}"
        rows.append(dict(zip(COLUMNS, (name, options.images, f"{median:.2f}", speed), strict=True)))
        print(f"{name:34} {speed:>6} images a second")
    usual_loop, *_, ours = (float(np.median(times)) for times in seconds.values())
    print(f"ratio: {usual_loop / ours:.2f}")
    if options.record:
        command = f"python -m benchmarks.loading --images {options.images}"
        command += f" --repeats {options.repeats} --record"
        seeds = "0: images, weights, orders and augmentation"
        print(write_results("loading", command, seeds, COLUMNS, rows, ["torchvision", "pillow"]))


if __name__ == "__main__":
    main()
