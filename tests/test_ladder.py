"""The ladder trains what it says, goes on where it was stopped, and reads images from disk."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from autograder.course import ROOT
from solutions import ladder, tables
from solutions.convnet import ConvNet
from solutions.images import Images, load_images
from solutions.ladder import RUNGS, Climb, State, climb, ladder_network

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def few() -> Images:
    """Two hundred digits to train on."""
    digits = load_images("digits")
    parts = (digits.X_val, digits.y_val, digits.X_test, digits.y_test)
    return Images("digits", digits.X_train[:200], digits.y_train[:200], *parts)


def test_the_plain_network_is_that_of_the_exercise() -> None:
    torch.manual_seed(0)
    network, reference = ladder_network((3, 16, 24), 7), ConvNet((3, 16, 24), 7)
    for mine, theirs in zip(network.parameters(), reference.parameters(), strict=True):
        assert mine.shape == theirs.shape
        mine.data.copy_(theirs.data)
    X = torch.rand(4, 3, 16, 24)
    torch.testing.assert_close(network(X), reference(X))


def test_each_rung_adds_what_its_name_says() -> None:
    def kinds(rung: ladder.Rung) -> list[str]:
        network = ladder_network((1, 8, 8), 10, rung.dropout, rung.batch_norm)
        return [type(layer).__name__ for layer in network]

    by_name = {rung.name: rung for rung in RUNGS}
    plain = kinds(by_name["baseline"])
    assert plain == kinds(by_name["momentum, schedule"]) and "Dropout" not in plain
    assert kinds(by_name["dropout"]).count("Dropout") == 2
    assert kinds(by_name["batch norm"]).count("BatchNorm2d") == 3


def test_whitening_and_standardisation_are_of_the_training_images(few: Images) -> None:
    by_name = {rung.name: rung for rung in RUNGS}
    standardised = Climb(by_name["standardised"], few, CPU, 1, 0)
    assert abs(float(standardised.X_train.mean())) < 1e-5
    assert abs(float(standardised.X_train.std(correction=0)) - 1) < 1e-4
    assert abs(float(standardised.X_val.mean())) > 1e-4
    whitened = Climb(by_name["ZCA"], few, CPU, 1, 0).X_train
    before, after = (
        torch.linalg.eigvalsh(torch.cov(X.flatten(1).T.double(), correction=0))
        for X in (few.X_train, whitened)
    )
    expected = before / (before + ladder.ZCA_EPSILON)
    torch.testing.assert_close(after, expected, rtol=1e-3, atol=1e-4)


class StopError(Exception):
    """What ends a run in the middle."""


def stopping_at(rung: str, epoch: int) -> Callable[[str, int], None]:
    def show(name: str, done: int) -> None:
        if (name, done) == (rung, epoch):
            raise StopError

    return show


def figures(state: State) -> list[list[dict[str, Any]]]:
    """All rows, without the seconds that they took."""
    return [
        [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
        for rows in (state.epochs, state.summary)
    ]


def test_a_stopped_ladder_ends_with_the_figures_of_an_undisturbed_one(
    few: Images, tmp_path: Path
) -> None:
    rungs = [RUNGS[0], RUNGS[-1]]
    undisturbed = climb(few, rungs, CPU, 3, 0, tmp_path / "undisturbed.pt")
    for stop in [(rungs[0].name, 1), (rungs[1].name, 2)]:
        with pytest.raises(StopError):
            climb(few, rungs, CPU, 3, 0, tmp_path / "stopped.pt", stopping_at(*stop))
        torch.rand(7)  # whatever else draws from the global generator meanwhile
    resumed = climb(few, rungs, CPU, 3, 0, tmp_path / "stopped.pt")
    assert figures(resumed) == figures(undisturbed)
    assert [row["epoch"] for row in resumed.epochs] == [1, 2, 3] * 2
    other_seed = climb(few, rungs, CPU, 3, 1, tmp_path / "stopped.pt")
    assert figures(other_seed) != figures(undisturbed)


def test_the_command_writes_two_tables_that_say_how_they_were_made(tmp_path: Path) -> None:
    words = ["--epochs", "1", "--rungs", "baseline", "--output", str(tmp_path), "--device", "cpu"]
    command = [sys.executable, "-m", "solutions.ladder", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "top-1" in done.stdout
    text = (tmp_path / "ladder_digits.csv").read_text()
    for key in ("command: python -m solutions.ladder", "seeds", "versions: python", "machine"):
        assert f"# {key}" in text
    [row] = tables.read_table(tmp_path / "ladder_digits.csv")
    [summary] = tables.read_table(tmp_path / "ladder_digits_summary.csv")
    assert list(row) == ladder.EPOCH_COLUMNS and list(summary) == ladder.SUMMARY_COLUMNS
    assert row["val_top1"] == summary["val_top1"]


# -- images ---------------------------------------------------------------------------------------


def tree(folder: Path, mode: str, size: tuple[int, int]) -> Path:
    """A tree of tiny pictures in which the class is the grey value."""
    for part, number in (("train", 10), ("test", 3)):
        for label in range(3):
            place = folder / part / f"class-{label}"
            place.mkdir(parents=True)
            for each in range(number):
                colour = 80 * label if mode == "L" else (80 * label,) * 3
                Image.new(mode, size, colour).save(place / f"{each}.png")
    return folder


@pytest.mark.parametrize("nested", [False, True])
def test_a_tree_of_files_is_read(tmp_path: Path, nested: bool) -> None:
    tree(tmp_path / "cifar10" if nested else tmp_path, "RGB", (6, 4))
    images = load_images("cifar10", tmp_path)
    assert images.shape == (3, 4, 6) and images.n_classes == 3
    assert [len(part) for part in (images.X_train, images.X_val, images.X_test)] == [27, 3, 9]
    for X, y in ((images.X_train, images.y_train), (images.X_test, images.y_test)):
        torch.testing.assert_close(X.mean(dim=(1, 2, 3)), y * 80 / 255)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_images_that_are_not_there_are_named_with_the_remedy(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError, match=f"{name}/train/CLASS/"):
        load_images(name, tmp_path)
    with pytest.raises(FileNotFoundError, match="--data DIR"):
        load_images(name)
    command = [sys.executable, "-m", "solutions.ladder", "--dataset", name, "--data", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith(f"solutions.ladder: {tmp_path}: ")
    assert done.stderr.count("\n") == 1


def test_the_digits_are_split_once() -> None:
    one, other = load_images("digits"), load_images("digits", seed=1)
    rows = torch.cat([one.X_train, one.X_val, one.X_test]).flatten(1)
    assert rows.shape == (1797, 64) and 0 <= float(rows.min()) < float(rows.max()) <= 1
    assert not torch.equal(one.y_test, other.y_test)
    others = torch.cat([other.X_train, other.X_val, other.X_test]).flatten(1)
    torch.testing.assert_close(rows.sum(dim=0), others.sum(dim=0))
