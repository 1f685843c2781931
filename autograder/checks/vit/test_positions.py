"""Hidden checks of fixed positions, and of learned ones on another grid."""

from contextlib import AbstractContextManager

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.convolution.inputs import normal, refuses, require_shape
from autograder.student import Student

SINUSOIDAL = "book/unit3/positions.html#positions-sinusoidal"
RESIZING = "book/unit3/resizing.html#resizing-interpolation"

ODD = "sines and cosines come in pairs, so dim must be even: raise ValueError otherwise"
BY_FEATURE = "one row for each position and one column for each feature: n × dim"
SINGLE = "positions are float32, the dtype of what they are added to"

Grid = tuple[int, int]


def _positions(
    n: int, dim: int, base: float, scale: float = 2.0, first: int = 0
) -> tuple[Tensor, Tensor]:
    """Sines and cosines of the pairs, each n × dim/2 in float64; pair i has base^(-scale i/dim)."""
    omega = base ** (-scale * torch.arange(dim // 2, dtype=torch.float64) / dim)
    angles = torch.arange(first, first + n, dtype=torch.float64)[:, None] * omega
    return angles.sin(), angles.cos()


def _in_turn(sines: Tensor, cosines: Tensor) -> Tensor:
    return torch.stack([sines, cosines], dim=2).flatten(1)


def _mistakes(n: int, dim: int, base: float) -> dict[str, Tensor]:
    sines, cosines = _positions(n, dim, base)
    single = torch.arange(n)[:, None] * base ** (-torch.arange(dim, dtype=torch.float64) / dim)
    double = torch.arange(n)[:, None] * base ** (-2 * torch.arange(dim, dtype=torch.float64) / dim)
    share = "the two features of a pair share one frequency: 2i is the same for both"
    return {
        "the sine stands at the even features 0, 2, ... and the cosine at the odd ones": _in_turn(
            cosines, sines
        ),
        "sines and cosines take turns: here all sines come first": torch.cat([sines, cosines], 1),
        share: _in_turn(single[:, 0::2].sin(), single[:, 1::2].cos()),
        f"{share}, not each feature's number": _in_turn(
            double[:, 0::2].sin(), double[:, 1::2].cos()
        ),
        "the factor 2 in the exponent is missing: pair i has base^(-2i / dim)": _in_turn(
            *_positions(n, dim, base, scale=1)
        ),
        "the sign of the exponent: frequencies fall from 1 on": _in_turn(
            *_positions(n, dim, base, scale=-2)
        ),
        "the first row is position 0: there every sine is 0": _in_turn(
            *_positions(n, dim, base, first=1)
        ),
        "base is an argument: here it is 10000 whatever was asked": _in_turn(
            *_positions(n, dim, 1e4)
        ),
        "these are sines alone: the odd features are cosines": _in_turn(sines, sines),
    }


@pytest.mark.task("sinusoidal_positions", weight=2, page=SINUSOIDAL)
@pytest.mark.parametrize(
    ("n", "dim", "base"), [(11, 6, 10000.0), (5, 14, 50.0), (1, 4, 100.0), (7, 2, 10.0)]
)
def test_positions(student: Student, n: int, dim: int, base: float) -> None:
    """The whole matrix for several lengths, dimensions and bases."""
    default = base == 10000.0
    value = student.sinusoidal_positions(n, dim, *([] if default else [base]))
    by_feature = {BY_FEATURE: (dim, n)}
    came = require_shape("the result", value, torch.Size((n, dim)), by_feature)
    expected = _in_turn(*_positions(n, dim, base)).float()
    tools.close("the result", came, expected, _mistakes(n, dim, base), rtol=1e-4, atol=1e-4)


@pytest.mark.task("sinusoidal_positions", weight=1, page=SINUSOIDAL)
def test_positions_are_float32(student: Student) -> None:
    """The dtype of the result."""
    came = tools.tensor("the result", student.sinusoidal_positions(3, 4), (3, 4))
    right = came.dtype == torch.float32
    tools.require(right, f"the result must have dtype torch.float32, not {came.dtype}", SINGLE)


@pytest.mark.task("sinusoidal_positions", weight=1, page=SINUSOIDAL)
@pytest.mark.parametrize("dim", [7, 1])
def test_odd_dimensions(student: Student, dim: int) -> None:
    """An odd number of features."""
    refuses(f"dim = {dim}", lambda: student.sinusoidal_positions(5, dim), ODD)


NO_CLASS_TOKEN = "the row of the class token is missing: it stays, before those of the patches"
FIRST = "the class token is the first row, before those of the patches"
KEPT = "the class token keeps its row: only those of the patches form a grid to be interpolated"
BILINEAR = "this is bilinear interpolation: mode='bicubic'"
NEAREST = "this is the nearest position (the default of interpolate): mode='bicubic'"
CORNERS = "leave align_corners=False: grids of patches have their centres inside, not at corners"
SMOOTHED = "this is smoothed before (antialias): leave it out"
UNPERMUTED = (
    "the features become the channels of the map by a permute: a reshape alone mixes features and "
    "positions"
)
BY_COLUMNS = "the patches stand row by row, and here the grid was filled column by column"
TURNED = "rows and columns of the new grid are exchanged"
WHOLE_GRID = "the whole grid is resized: a picture of another size has its corners elsewhere"
MISFIT = (
    "one position for the class token and one for each patch of old_grid: raise ValueError where "
    "there are others"
)
SIZES = "the map that is interpolated is 1 × D × h × w; write the size of every axis beside it"


def _on_grid(
    positions: Tensor, old: Grid, new: Grid, mode: str = "bicubic", **options: bool
) -> Tensor:
    """The patches' positions on another grid, one map of one feature after the other."""
    maps = [positions[0, 1:, d].reshape(1, 1, *old) for d in range(positions.shape[2])]
    found = [functional.interpolate(each, new, mode=mode, **options).flatten() for each in maps]
    return torch.stack(found, dim=1)[None]


def _wrong_positions(positions: Tensor, old: Grid, new: Grid) -> dict[str, Tensor]:
    first, patches = positions[:, :1], _on_grid(positions, old, new)
    dim, n_new = positions.shape[2], new[0] * new[1]

    def after_token(others: Tensor) -> Tensor:
        return torch.cat([first, others], dim=1)

    mixed = functional.interpolate(positions[:, 1:].reshape(1, dim, *old), new, mode="bicubic")
    turned = _on_grid(positions, old, (new[1], new[0]))
    columns = positions[:, 1:].mT.reshape(1, dim, old[1], old[0]).mT
    columns = functional.interpolate(columns, new, mode="bicubic")
    line = positions.mT
    lines = [
        functional.interpolate(line, 1 + n_new, mode="linear").mT,
        functional.interpolate(line[:, :, None], (1, 1 + n_new), mode="bicubic")[:, :, 0].mT,
    ]
    last = positions[:, -1:].expand(1, max(0, n_new + 1 - positions.shape[1]), dim)
    return {
        FIRST: torch.cat([patches, first], dim=1),
        BILINEAR: after_token(_on_grid(positions, old, new, "bilinear")),
        NEAREST: after_token(_on_grid(positions, old, new, "nearest")),
        CORNERS: after_token(_on_grid(positions, old, new, align_corners=True)),
        SMOOTHED: after_token(_on_grid(positions, old, new, antialias=True)),
        UNPERMUTED: after_token(mixed.reshape(1, n_new, dim)),
        f"{UNPERMUTED}, on the way there": after_token(mixed.flatten(2).mT),
        TURNED: after_token(turned),
        BY_COLUMNS: after_token(columns.mT.flatten(2).mT),
        f"{BY_COLUMNS}, and read row by row": after_token(columns.flatten(2).mT),
        KEPT: lines[0],
        f"{KEPT}; the others are a map, not a line": lines[1],
        WHOLE_GRID: torch.cat([positions, last], dim=1)[:, : n_new + 1],
    }


def _wrong_sizes() -> AbstractContextManager[None]:
    fragments = ("is invalid for input", "must match", "nput and output must", "spatial dim")
    return tools.explained(SIZES, *fragments)


def _check_grid(student: Student, positions: Tensor, old: Grid, new: Grid) -> None:
    before = positions.clone()
    with _wrong_sizes(), tools.wrong_view():
        value = student.interpolate_positions(positions, old, new)
    n_new, dim = new[0] * new[1], positions.shape[2]
    missing = {NO_CLASS_TOKEN: (1, n_new, dim)}
    came = require_shape("the result", value, torch.Size((1, 1 + n_new, dim)), missing)
    expected = torch.cat([positions[:, :1], _on_grid(positions, old, new)], dim=1)
    tools.close("the result", came, expected, _wrong_positions(positions, old, new))
    tools.unchanged("positions", before, positions)


@pytest.mark.task("interpolate_positions", weight=3, page=RESIZING)
@pytest.mark.parametrize("new", [(5, 8), (3, 7), (2, 3)])
def test_another_grid(student: Student, rng: torch.Generator, new: Grid) -> None:
    """Positions of 3 × 4 patches for more patches and for fewer."""
    _check_grid(student, normal(rng, 1, 13, 5), (3, 4), new)


@pytest.mark.task("interpolate_positions", weight=1, page=RESIZING)
def test_the_same_grid(student: Student, rng: torch.Generator) -> None:
    """Positions of 3 × 2 patches for 3 × 2 patches."""
    _check_grid(student, normal(rng, 1, 7, 4), (3, 2), (3, 2))


@pytest.mark.task("interpolate_positions", weight=1, page=RESIZING)
def test_positions_that_are_not_contiguous(student: Student, rng: torch.Generator) -> None:
    """Positions that lie in memory feature by feature, and a grid of one row."""
    _check_grid(student, normal(rng, 1, 3, 6).mT, (1, 5), (2, 7))


@pytest.mark.task("interpolate_positions", weight=1, page=RESIZING)
@pytest.mark.parametrize(("n", "old"), [(14, (3, 4)), (12, (3, 4)), (9, (2, 3))])
def test_positions_of_another_grid(
    student: Student, rng: torch.Generator, n: int, old: Grid
) -> None:
    """One position too many, none for the class token, and many too many."""
    positions = normal(rng, 1, n, 4)
    name = f"{n} positions for {old[0]} × {old[1]} patches"
    refuses(name, lambda: student.interpolate_positions(positions, old, (4, 4)), MISFIT)
