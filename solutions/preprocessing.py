"""Inputs of like size: standardisation by channel, ZCA whitening."""

import torch
from torch import Tensor


def channel_statistics(X: Tensor) -> tuple[Tensor, Tensor]:
    """Compute mean and standard deviation of every channel, over images and pixels.

    The variance divides by the number of values (population variance).

    Book: unit 2, page `preprocessing`.

    Args:
        X: training images, N × C × H × W.

    Returns:
        The means, (C,), and the standard deviations, (C,), in the dtype of X.
    """
    mean = X.mean(dim=(0, 2, 3))
    centred = X - mean[:, None, None]
    return mean, (centred**2).mean(dim=(0, 2, 3)).sqrt()


def standardize(X: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Subtract the mean of each channel and divide by its standard deviation.

    A channel whose standard deviation is 0 is only centred.

    Book: unit 2, page `preprocessing`.

    Args:
        X: images, B × C × H × W; not modified.
        mean: mean of each channel of the training set, (C,).
        std: standard deviation of each channel of the training set, (C,); not modified.

    Returns:
        B × C × H × W.
    """
    divisor = torch.where(std > 0, std, torch.ones_like(std))
    return (X - mean[:, None, None]) / divisor[:, None, None]


def zca_whitening(X: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """Compute mean and matrix of ZCA whitening.

    With the covariance U Λ Uᵀ of the training rows (divided by N) the matrix is
    U (Λ + ε I)^(-1/2) Uᵀ. Other rows x are whitened by (x - mean) @ matrix.

    Book: unit 2, page `preprocessing`.

    Args:
        X: training rows, N × D; not modified.
        epsilon: regulariser ε > 0, in the units of a variance.

    Returns:
        The mean of the rows, (D,), and the matrix, D × D.
    """
    mean = X.mean(dim=0)
    centred = X - mean
    variances, directions = torch.linalg.eigh(centred.T @ centred / len(X))
    scaled = directions / (variances.clamp_min(0) + epsilon).sqrt()
    return mean, scaled @ directions.T
