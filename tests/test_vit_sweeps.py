"""The sweeps vary one thing at a time, go on where they were stopped, and test once."""

import subprocess
import sys
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from autograder.course import ROOT
from solutions import tables
from solutions.images import Images, load_images
from solutions.vit import ViT
from solutions.vit_sweeps import COLUMNS, Configuration, Sweeper, best, sweeps, swept


@pytest.fixture(scope="module")
def sweeper() -> Sweeper:
    """Two epochs on a hundred digits."""
    digits = load_images("digits")
    parts = (digits.X_val, digits.y_val, digits.X_test, digits.y_test)
    few = Images("digits", digits.X_train[:100], digits.y_train[:100], *parts)
    return Sweeper(few, torch.device("cpu"), 2)


def figures(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The rows as text, without the seconds that they took."""
    return [{key: str(row[key]) for key in COLUMNS if key != "seconds"} for row in rows]


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_each_sweep_varies_what_its_name_says(name: str) -> None:
    for varied, configurations in sweeps(name).items():
        for other in {"embed_dim", "patch_size", "n_blocks"} - {varied}:
            assert len({asdict(each)[other] for each in configurations}) == 1
        values = [asdict(each)[varied] for each in configurations]
        assert values == sorted(set(values)) and len(values) >= 3


def test_a_stopped_sweep_ends_with_the_figures_of_an_undisturbed_one(sweeper: Sweeper) -> None:
    *_, (undisturbed, _) = swept(sweeper, range(1))
    assert len(undisturbed) == 9
    rows: list[dict[str, Any]] = []
    for trainings in (2, 5):
        *_, (found, _) = islice(swept(sweeper, range(1), rows), trainings)
        rows = [dict(row) for row in found]
        torch.rand(7)  # whatever else draws from the global generator meanwhile
    assert len(rows) == 7
    *_, (resumed, _) = swept(sweeper, range(1), rows)
    assert figures(resumed) == figures(undisturbed)


def test_only_the_best_on_validation_images_is_tested(sweeper: Sweeper) -> None:
    *_, (rows, name) = swept(sweeper, range(1))
    assert name == "test"
    [tested] = [row for row in rows if row["test_top1"]]
    assert Configuration.of(tested) == best(rows)
    assert float(tested["val_top1"]) == max(float(row["val_top1"]) for row in rows)


def test_the_best_is_that_of_the_mean() -> None:
    def row(blocks: int, top1: float) -> dict[str, Any]:
        return {"embed_dim": 8, "patch_size": 1, "n_blocks": blocks, "val_top1": str(top1)}

    assert best([row(2, 0.9), row(4, 0.7), row(2, 0.4), row(4, 0.8)]) == Configuration(8, 1, 4)


def test_sizes_in_the_table_are_those_of_the_model(sweeper: Sweeper) -> None:
    row = sweeper.row(Configuration(8, 4, 2), 0)
    model = ViT((1, 8, 8), 4, 8, 4, 2, 10)
    assert row["parameters"] == sum(p.numel() for p in model.parameters())
    assert row["tokens"] == model.positions.shape[1] == 5


def test_the_command_writes_a_table_and_goes_on_from_it(tmp_path: Path) -> None:
    words = ["--epochs", "1", "--seeds", "1", "--output", str(tmp_path), "--device", "cpu"]
    command = [sys.executable, "-m", "solutions.vit_sweeps", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "chosen on validation images" in done.stdout
    path = tmp_path / "vit_sweeps_digits.csv"
    rows = tables.read_table(path)
    assert len(rows) == 9 and list(rows[0]) == COLUMNS
    assert tables.read_header(path)["command"].startswith("python -m solutions.vit_sweeps")
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert tables.read_table(path) == rows, "nothing is trained twice"


def test_images_that_are_not_there_end_it_with_one_line(tmp_path: Path) -> None:
    words = ["--dataset", "mnist", "--data", str(tmp_path)]
    command = [sys.executable, "-m", "solutions.vit_sweeps", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith(f"solutions.vit_sweeps: {tmp_path}: ")
    assert done.stderr.count("\n") == 1
