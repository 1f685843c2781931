"""Where a token stands: fixed positions, and learned ones for another size of image."""

import torch
from torch import Tensor
from torch.nn import functional


def sinusoidal_positions(n: int, dim: int, base: float = 10000.0) -> Tensor:
    """Compute the fixed positional embedding of a sequence from sines and cosines.

    For position t and pair i = 0 ... dim/2 - 1 the frequency is ω_i = base^(-2i / dim); feature 2i
    is sin(ω_i t) and feature 2i + 1 is cos(ω_i t).

    Book: unit 3, page `positions`.

    Args:
        n: number of positions, t = 0 ... n - 1.
        dim: number of features, even.
        base: what the longest period is 2π times as long as, nearly.

    Returns:
        n × dim, float32.

    Raises:
        ValueError: dim is odd.
    """
    if dim % 2:
        raise ValueError(f"sines and cosines come in pairs: dim must be even, not {dim}")
    omega = base ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    angles = torch.arange(n, dtype=torch.float64)[:, None] * omega
    return torch.stack([angles.sin(), angles.cos()], dim=2).reshape(n, dim).float()


def interpolate_positions(
    positions: Tensor, old_grid: tuple[int, int], new_grid: tuple[int, int]
) -> Tensor:
    """Fit learned positions to images with another number of patches.

    The first row belongs to the class token and stays as it is. The others belong to the patches,
    row by row: as a map of D channels on the old grid they are interpolated to the new one by
    functional.interpolate with mode "bicubic" and align_corners=False.

    Book: unit 3, page `resizing`.

    Args:
        positions: 1 × (1 + h · w) × D; not modified.
        old_grid: rows h and columns w of patches that the positions were learned for.
        new_grid: rows h' and columns w' of patches that they are wanted for.

    Returns:
        1 × (1 + h' · w') × D; on equal grids the same values as before.

    Raises:
        ValueError: positions has not one row for the class token and one for each patch of
            old_grid.
    """
    rows, columns = old_grid
    if positions.shape[:2] != (1, 1 + rows * columns):
        raise ValueError(
            f"a grid of {rows} × {columns} patches and a class token need 1 × {1 + rows * columns} "
            f"positions, not {tuple(positions.shape[:2])}"
        )
    class_token, patches = positions[:, :1], positions[:, 1:]
    maps = patches.reshape(1, rows, columns, -1).permute(0, 3, 1, 2)
    maps = functional.interpolate(maps, size=new_grid, mode="bicubic", align_corners=False)
    return torch.cat([class_token, maps.flatten(2).transpose(1, 2)], dim=1)
