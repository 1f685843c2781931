"""Augmentation of batches of images: each image is changed by itself."""

import torch
from torch import Tensor
from torch.nn import functional


def random_crop(X: Tensor, padding: int, generator: torch.Generator | None = None) -> Tensor:
    """Pad each image with zeros on all four sides and cut out a window of the old size at random.

    Every image has its own window; the rows and the columns of its upper left corner are drawn
    independently, and each of the 2 · padding + 1 values is equally likely.

    Book: unit 2, page `augmentation`.

    Args:
        X: images, B × C × H × W; not modified.
        padding: width of the frame of zeros in pixels, at least 0.
        generator: a CPU generator, source of every draw; None stands for the global one.

    Returns:
        New images, B × C × H × W.
    """
    n, _, height, width = X.shape
    top, left = torch.randint(2 * padding + 1, (2, n, 1), generator=generator).to(X.device)
    rows = top + torch.arange(height, device=X.device)
    columns = left + torch.arange(width, device=X.device)
    pixels = functional.pad(X, [padding] * 4).permute(0, 2, 3, 1)
    images = torch.arange(n, device=X.device)[:, None, None]
    return pixels[images, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def random_horizontal_flip(
    X: Tensor, p: float = 0.5, generator: torch.Generator | None = None
) -> Tensor:
    """Mirror each image left to right with probability p, independently of the others.

    Book: unit 2, page `augmentation`.

    Args:
        X: images, B × C × H × W; not modified.
        p: probability of a flip, in [0, 1].
        generator: a CPU generator, source of every draw; None stands for the global one.

    Returns:
        New images, B × C × H × W.
    """
    flipped = (torch.rand(len(X), generator=generator) < p).to(X.device)
    return torch.where(flipped[:, None, None, None], X.flip(dims=(3,)), X)
