"""What commands that train on a data set ask alike: which data and device, where to write."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from solutions.images import Images, load_images


def data_parser(
    module: str, description: str | None, datasets: Sequence[str], output: Path
) -> argparse.ArgumentParser:
    """A parser with --dataset, --data, --device, --seed and --output.

    Args:
        module: the module that is run, as `python -m` takes it.
        description: what the command does.
        datasets: the names that --dataset takes; the first is the default.
        output: the default folder for tables, and for the state of a stopped run.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--dataset", choices=datasets, default=datasets[0])
    parser.add_argument("--data", type=Path, metavar="DIR", help="where MNIST or CIFAR-10 lies")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument(
        "--device",
        type=lambda name: torch.device(device if name == "auto" else name),
        default=device,
        help="auto (default), cpu, cuda, ...",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--output",
        type=Path,
        default=output,
        metavar="DIR",
        help="for the tables, and the state from which a stopped run goes on",
    )
    return parser


def images_of(options: argparse.Namespace, module: str) -> Images:
    """The data set that the options name; ends the program where it is not there."""
    try:
        return load_images(options.dataset, options.data, options.seed)
    except FileNotFoundError as error:
        raise SystemExit(f"{module}: {error}") from None


def device_name(device: torch.device) -> str:
    """The device as a table's header names it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def progress_bar() -> Progress:
    """A bar for each part of the work, with what is done of it and the time that is left."""
    columns = (TextColumn("{task.description:20}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn())
