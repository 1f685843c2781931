"""Answers to the tasks of `solutions.positions`."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tests.wrong_answers import right, wrong

# sinusoidal_positions


@right("sinusoidal_positions")
def slices_of_an_array(n: int, dim: int, base: float = 10000.0) -> Tensor:
    if dim % 2 == 1:
        raise ValueError("dim is odd")
    t = np.arange(n)[:, None]
    omega = np.exp(-np.log(base) * np.arange(0, dim, 2) / dim)
    P = np.zeros((n, dim), dtype=np.float32)
    P[:, 0::2], P[:, 1::2] = np.sin(t * omega), np.cos(t * omega)
    return torch.from_numpy(P)


@right("sinusoidal_positions")
def entry_by_entry(n: int, dim: int, base: float = 10000.0) -> Tensor:
    if dim != 2 * (dim // 2):
        raise ValueError(f"dim = {dim}")
    P = torch.empty(n, dim)
    for t in range(n):
        for i in range(dim // 2):
            P[t, 2 * i] = math.sin(t / base ** (2 * i / dim))
            P[t, 2 * i + 1] = math.cos(t / base ** (2 * i / dim))
    return P


@right("sinusoidal_positions")
def cosine_as_a_shifted_sine(n: int, dim: int, base: float = 10000.0) -> Tensor:
    if dim % 2:
        raise ValueError("pairs")
    feature = torch.arange(dim)
    omega = torch.tensor(base, dtype=torch.float64) ** (-(feature - feature % 2) / dim)
    angles = torch.outer(torch.arange(n).double(), omega)
    return torch.sin(angles + math.pi / 2 * (feature % 2)).to(torch.float32)


@wrong("sinusoidal_positions", hint="sine stands at the even features")
def cosine_first(n: int, dim: int, base: float = 10000.0) -> Tensor:
    if dim % 2:
        raise ValueError("dim is odd")
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    angles = torch.arange(n)[:, None] * omega
    return torch.stack([angles.cos(), angles.sin()], dim=2).reshape(n, dim)


@wrong("sinusoidal_positions", hint="take turns")
def all_sines_then_all_cosines(n: int, dim: int, base: float = 10000.0) -> Tensor:
    if dim % 2:
        raise ValueError("dim is odd")
    omega = base ** (-torch.arange(0, dim, 2) / dim)
    angles = torch.arange(n)[:, None] * omega
    return torch.cat([angles.sin(), angles.cos()], dim=1)


@wrong("sinusoidal_positions", hint="share one frequency")
def a_frequency_for_each_feature(n: int, dim: int, base: float = 10000.0) -> Tensor:
    if dim % 2:
        raise ValueError("dim is odd")
    angles = torch.arange(n)[:, None] * base ** (-torch.arange(dim) / dim)
    P = torch.empty(n, dim)
    P[:, 0::2], P[:, 1::2] = angles[:, 0::2].sin(), angles[:, 1::2].cos()
    return P


@wrong("sinusoidal_positions", hint="factor 2 in the exponent")
def exponent_without_the_two(n: int, dim: int, base: float = 10000.0) -> Tensor:
    if dim % 2:
        raise ValueError("dim is odd")
    angles = torch.arange(n)[:, None] * base ** (-torch.arange(dim // 2) / dim)
    return torch.stack([angles.sin(), angles.cos()], dim=2).reshape(n, dim)


@wrong("sinusoidal_positions", hint="sign of the exponent")
def frequencies_that_grow(n: int, dim: int, base: float = 10000.0) -> Tensor:
    if dim % 2:
        raise ValueError("dim is odd")
    omega = base ** (torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    angles = torch.arange(n)[:, None] * omega
    return torch.stack([angles.sin(), angles.cos()], dim=2).reshape(n, dim).float()


@wrong("sinusoidal_positions", hint="position 0")
def counts_from_one(n: int, dim: int, base: float = 10000.0) -> Tensor:
    if dim % 2:
        raise ValueError("dim is odd")
    angles = torch.arange(1, n + 1)[:, None] * base ** (-torch.arange(0, dim, 2) / dim)
    return torch.stack([angles.sin(), angles.cos()], dim=2).reshape(n, dim)


@wrong("sinusoidal_positions", hint="base is an argument")
def ignores_the_base(n: int, dim: int, base: float = 10000.0) -> Tensor:
    if dim % 2:
        raise ValueError("dim is odd")
    angles = torch.arange(n)[:, None] * 10000 ** (-torch.arange(0, dim, 2) / dim)
    return torch.stack([angles.sin(), angles.cos()], dim=2).reshape(n, dim)


@wrong("sinusoidal_positions", hint="sines alone")
def no_cosine(n: int, dim: int, base: float = 10000.0) -> Tensor:
    if dim % 2:
        raise ValueError("dim is odd")
    angles = torch.arange(n)[:, None] * base ** (-torch.arange(0, dim, 2) / dim)
    return angles.sin().repeat_interleave(2, dim=1)


@wrong("sinusoidal_positions", hint="dim must be even")
def cuts_off_the_last_cosine(n: int, dim: int, base: float = 10000.0) -> Tensor:
    angles = torch.arange(n)[:, None] * base ** (-torch.arange(0, dim, 2) / dim)
    return torch.stack([angles.sin(), angles.cos()], dim=2).reshape(n, -1)[:, :dim]


@wrong("sinusoidal_positions", hint="one row for each position")
def features_in_the_rows(n: int, dim: int, base: float = 10000.0) -> Tensor:
    if dim % 2:
        raise ValueError("dim is odd")
    angles = torch.arange(n)[:, None] * base ** (-torch.arange(0, dim, 2) / dim)
    return torch.stack([angles.sin(), angles.cos()], dim=2).reshape(n, dim).T


@wrong("sinusoidal_positions", hint="float32")
def double_precision(n: int, dim: int, base: float = 10000.0) -> Tensor:
    if dim % 2:
        raise ValueError("dim is odd")
    omega = base ** (-torch.arange(0, dim, 2).double() / dim)
    angles = torch.arange(n)[:, None] * omega
    return torch.stack([angles.sin(), angles.cos()], dim=2).reshape(n, dim)


# interpolate_positions


@right("interpolate_positions")
def channel_by_channel(
    positions: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]
) -> Tensor:
    n_old = old_grid[0] * old_grid[1]
    if positions.shape[0] != 1 or positions.shape[1] != n_old + 1:
        raise ValueError("sizes")
    if old_grid == new_grid:
        return positions.clone()
    rows = [positions[0, 0]]
    maps = positions[0, 1:].T.reshape(-1, 1, *old_grid)
    wider = torch.cat(
        [functional.interpolate(each[None], new_grid, mode="bicubic") for each in maps]
    )
    rows += list(wider.flatten(1).T)
    return torch.stack(rows)[None]


@right("interpolate_positions")
def with_upsample(
    positions: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]
) -> Tensor:
    (rows, columns), dim = old_grid, positions.shape[2]
    if positions.shape != (1, 1 + rows * columns, dim):
        raise ValueError(f"{tuple(positions.shape)} for a grid of {rows} x {columns}")
    first, others = positions.split([1, rows * columns], dim=1)
    grid = others.mT.reshape(1, dim, rows, columns)
    resized = torch.nn.Upsample(size=new_grid, mode="bicubic", align_corners=False)(grid)
    return torch.cat((first, resized.reshape(1, dim, -1).mT), 1)


@wrong("interpolate_positions", hint="class token keeps")
def interpolates_the_sequence(
    positions: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]
) -> Tensor:
    if positions.shape[:2] != (1, 1 + old_grid[0] * old_grid[1]):
        raise ValueError("sizes")
    n = 1 + new_grid[0] * new_grid[1]
    return functional.interpolate(positions.mT, size=n, mode="linear").mT


@wrong("interpolate_positions", hint="the row of the class token is missing")
def drops_the_class_token(
    positions: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]
) -> Tensor:
    if positions.shape[:2] != (1, 1 + old_grid[0] * old_grid[1]):
        raise ValueError("sizes")
    maps = positions[:, 1:].mT.reshape(1, -1, *old_grid)
    return functional.interpolate(maps, new_grid, mode="bicubic").flatten(2).mT


@wrong("interpolate_positions", hint="class token is the first row")
def class_token_last(
    positions: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]
) -> Tensor:
    if positions.shape[:2] != (1, 1 + old_grid[0] * old_grid[1]):
        raise ValueError("sizes")
    maps = positions[:, 1:].mT.reshape(1, -1, *old_grid)
    patches = functional.interpolate(maps, new_grid, mode="bicubic").flatten(2).mT
    return torch.cat([patches, positions[:, :1]], dim=1)


@wrong("interpolate_positions", hint="bilinear")
def bilinear(positions: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]) -> Tensor:
    if positions.shape[:2] != (1, 1 + old_grid[0] * old_grid[1]):
        raise ValueError("sizes")
    maps = positions[:, 1:].mT.reshape(1, -1, *old_grid)
    patches = functional.interpolate(maps, new_grid, mode="bilinear").flatten(2).mT
    return torch.cat([positions[:, :1], patches], dim=1)


@wrong("interpolate_positions", hint="nearest")
def nearest(positions: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]) -> Tensor:
    if positions.shape[:2] != (1, 1 + old_grid[0] * old_grid[1]):
        raise ValueError("sizes")
    maps = positions[:, 1:].mT.reshape(1, -1, *old_grid)
    patches = functional.interpolate(maps, new_grid).flatten(2).mT
    return torch.cat([positions[:, :1], patches], dim=1)


@wrong("interpolate_positions", hint="align_corners=False")
def aligns_the_corners(
    positions: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]
) -> Tensor:
    if positions.shape[:2] != (1, 1 + old_grid[0] * old_grid[1]):
        raise ValueError("sizes")
    maps = positions[:, 1:].mT.reshape(1, -1, *old_grid)
    patches = functional.interpolate(maps, new_grid, mode="bicubic", align_corners=True)
    return torch.cat([positions[:, :1], patches.flatten(2).mT], dim=1)


@wrong("interpolate_positions", hint="features become the channels")
def reshapes_without_permute(
    positions: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]
) -> Tensor:
    if positions.shape[:2] != (1, 1 + old_grid[0] * old_grid[1]):
        raise ValueError("sizes")
    maps = positions[:, 1:].reshape(1, -1, *old_grid)
    patches = functional.interpolate(maps, new_grid, mode="bicubic")
    patches = patches.reshape(1, new_grid[0] * new_grid[1], -1)
    return torch.cat([positions[:, :1], patches], dim=1)


@wrong("interpolate_positions", hint="row by row")
def grid_by_columns(
    positions: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]
) -> Tensor:
    if positions.shape[:2] != (1, 1 + old_grid[0] * old_grid[1]):
        raise ValueError("sizes")
    maps = positions[:, 1:].mT.reshape(1, -1, old_grid[1], old_grid[0]).mT
    patches = functional.interpolate(maps, new_grid, mode="bicubic").mT.flatten(2).mT
    return torch.cat([positions[:, :1], patches], dim=1)


@wrong("interpolate_positions", hint="exchanged")
def new_grid_lies_on_its_side(
    positions: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]
) -> Tensor:
    if positions.shape[:2] != (1, 1 + old_grid[0] * old_grid[1]):
        raise ValueError("sizes")
    maps = positions[:, 1:].mT.reshape(1, -1, *old_grid)
    patches = functional.interpolate(maps, new_grid[::-1], mode="bicubic").flatten(2).mT
    return torch.cat([positions[:, :1], patches], dim=1)


@wrong("interpolate_positions", hint="raise ValueError")
def takes_any_number_of_positions(
    positions: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]
) -> Tensor:
    n_old = old_grid[0] * old_grid[1]
    maps = positions[:, 1 : 1 + n_old].mT.reshape(1, -1, *old_grid)
    patches = functional.interpolate(maps, new_grid, mode="bicubic").flatten(2).mT
    return torch.cat([positions[:, :1], patches], dim=1)


@wrong("interpolate_positions", hint="the whole grid")
def repeats_the_last_positions(
    positions: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]
) -> Tensor:
    n_old, n_new = old_grid[0] * old_grid[1], new_grid[0] * new_grid[1]
    if positions.shape[:2] != (1, 1 + n_old):
        raise ValueError("sizes")
    if n_new <= n_old:
        return positions[:, : 1 + n_new]
    return torch.cat([positions, positions[:, -1:].expand(1, n_new - n_old, -1)], dim=1)
