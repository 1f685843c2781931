"""Answers to the tasks of `solutions.preprocessing`."""

import numpy as np
import torch
from torch import Tensor

from tests.wrong_answers import right, wrong

# channel_statistics


@right("channel_statistics")
def by_rows_of_channels(X: Tensor) -> tuple[Tensor, Tensor]:
    rows = X.transpose(0, 1).flatten(1)
    return rows.mean(1), rows.std(1, correction=0)


@right("channel_statistics")
def channel_after_channel(X: Tensor) -> tuple[Tensor, Tensor]:
    means, stds = [], []
    for channel in range(X.shape[1]):
        values = X[:, channel].numpy()
        means.append(values.mean())
        stds.append(((values - values.mean()) ** 2).mean() ** 0.5)
    return torch.tensor(means), torch.tensor(stds)


@right("channel_statistics")
def by_var_mean(X: Tensor) -> tuple[Tensor, Tensor]:
    var, mean = torch.var_mean(X, dim=[0, 2, 3], unbiased=False)
    return mean, torch.sqrt(var)


@wrong("channel_statistics", hint="not by one less")
def divides_by_one_less(X: Tensor) -> tuple[Tensor, Tensor]:
    return X.mean(dim=(0, 2, 3)), X.std(dim=(0, 2, 3))


@wrong("channel_statistics", hint="take its square root")
def variances(X: Tensor) -> tuple[Tensor, Tensor]:
    return X.mean(dim=(0, 2, 3)), X.var(dim=(0, 2, 3), correction=0)


@wrong("channel_statistics", hint="one number for all channels")
def over_everything(X: Tensor) -> tuple[Tensor, Tensor]:
    n = X.shape[1]
    return X.mean().repeat(n), X.std(correction=0).repeat(n)


@wrong("channel_statistics", hint="the images' own deviations")
def mean_of_the_deviations(X: Tensor) -> tuple[Tensor, Tensor]:
    return X.mean(dim=(0, 2, 3)), X.std(dim=(2, 3), correction=0).mean(dim=0)


@wrong("channel_statistics", hint="the pixels' own deviations")
def mean_of_pixel_deviations(X: Tensor) -> tuple[Tensor, Tensor]:
    return X.mean(dim=(0, 2, 3)), X.std(dim=0, correction=0).mean(dim=(1, 2))


@wrong("channel_statistics", hint="keepdim")
def keeps_dimensions(X: Tensor) -> tuple[Tensor, Tensor]:
    pixels = (0, 2, 3)
    return X.mean(dim=pixels, keepdim=True), X.std(dim=pixels, correction=0, keepdim=True)


@wrong("channel_statistics", hint="reshape works")
def views_channels(X: Tensor) -> tuple[Tensor, Tensor]:
    rows = X.view(X.shape[0], X.shape[1], -1)
    return rows.mean(dim=(0, 2)), rows.std(dim=(0, 2), correction=0)


@wrong("channel_statistics", hint="two vectors")
def mean_alone(X: Tensor) -> Tensor:
    return X.mean(dim=(0, 2, 3))


# standardize


@right("standardize")
def with_reshaped_statistics(X: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    shape = (1, -1, 1, 1)
    return (X - mean.reshape(shape)) / torch.where(std == 0, 1.0, std).reshape(shape)


@right("standardize")
def standardize_by_loop(X: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    result = X.clone()
    for channel in range(X.shape[1]):
        result[:, channel] -= mean[channel]
        if std[channel] > 0:
            result[:, channel] /= std[channel]
    return result


@wrong("standardize", hint="the batch's own")
def own_statistics(X: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    pixels = (0, 2, 3)
    mean, std = X.mean(dim=pixels), X.std(dim=pixels, correction=0)
    return (X - mean[:, None, None]) / std[:, None, None]


@wrong("standardize", hint="not by its square")
def divides_by_the_variance(X: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    divisor = torch.where(std > 0, std**2, 1.0)
    return (X - mean[:, None, None]) / divisor[:, None, None]


@wrong("standardize", hint="division is missing")
def only_centres(X: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return X - mean[:, None, None]


@wrong("standardize", hint="not subtracted")
def only_scales(X: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return X / torch.where(std > 0, std, 1.0)[:, None, None]


@wrong("standardize", hint="first subtract")
def divides_first(X: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    divisor = torch.where(std > 0, std, 1.0)
    return X / divisor[:, None, None] - mean[:, None, None]


@wrong("standardize", hint="two more dimensions")
def along_columns(X: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return (X - mean) / torch.where(std > 0, std, 1.0)


@wrong("standardize", hint="not to rows")
def along_rows(X: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return (X - mean[:, None]) / torch.where(std > 0, std, 1.0)[:, None]


@wrong("standardize", hint="only centred")
def divides_by_zero(X: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return (X - mean[:, None, None]) / std[:, None, None]


@wrong("standardize", hint="only centred")
def adds_a_small_number(X: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    return (X - mean[:, None, None]) / (std + 1e-12)[:, None, None]


@wrong("standardize", hint="exactly 0")
def clamps_small_deviations(X: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    divisor = torch.where(std > 1e-3, std, 1.0)
    return (X - mean[:, None, None]) / divisor[:, None, None]


@wrong("standardize", hint="belongs to the caller")
def mends_the_given_std(X: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    std[std == 0] = 1.0
    return (X - mean[:, None, None]) / std[:, None, None]


@wrong("standardize", hint="belongs to the caller")
def standardizes_in_place(X: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    X -= mean[:, None, None]
    X /= torch.where(std > 0, std, 1.0)[:, None, None]
    return X


# zca_whitening


@right("zca_whitening")
def by_full_svd(X: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    mean = X.mean(dim=0)
    n, d = X.shape
    _, values, Vh = torch.linalg.svd(X - mean, full_matrices=True)
    variances = torch.zeros(d, dtype=X.dtype)
    variances[: len(values)] = values**2 / n
    return mean, Vh.T @ torch.diag(1 / torch.sqrt(variances + epsilon)) @ Vh


@right("zca_whitening")
def by_svd_of_the_covariance(X: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    covariance = torch.cov(X.T, correction=0) + epsilon * torch.eye(X.shape[1], dtype=X.dtype)
    U, values, _ = torch.linalg.svd(covariance)
    return X.mean(0), U / values.sqrt() @ U.mT


@right("zca_whitening")
def with_numpy(X: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    rows = X.numpy()
    values, vectors = np.linalg.eigh(np.cov(rows, rowvar=False, bias=True))
    matrix = sum(
        np.outer(vector, vector) / np.sqrt(value + epsilon)
        for value, vector in zip(values, vectors.T, strict=True)
    )
    return torch.from_numpy(rows.mean(axis=0)), torch.as_tensor(matrix)


@wrong("zca_whitening", hint="rotates back")
def pca_whitening(X: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    mean = X.mean(dim=0)
    values, vectors = torch.linalg.eigh((X - mean).T @ (X - mean) / len(X))
    return mean, vectors / (values.clamp_min(0) + epsilon).sqrt()


@wrong("zca_whitening", hint="rotates back")
def pca_whitening_of_columns(X: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    mean = X.mean(dim=0)
    values, vectors = torch.linalg.eigh((X - mean).T @ (X - mean) / len(X))
    return mean, (vectors / (values.clamp_min(0) + epsilon).sqrt()).T


@wrong("zca_whitening", hint="not by N - 1")
def unbiased_covariance(X: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    values, vectors = torch.linalg.eigh(torch.cov(X.T))
    return X.mean(dim=0), vectors / (values.clamp_min(0) + epsilon).sqrt() @ vectors.T


@wrong("zca_whitening", hint="here it is a sum")
def summed_covariance(X: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    mean = X.mean(dim=0)
    values, vectors = torch.linalg.eigh((X - mean).T @ (X - mean))
    return mean, vectors / (values.clamp_min(0) + epsilon).sqrt() @ vectors.T


@wrong("zca_whitening", hint="under the root")
def epsilon_after_the_root(X: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    mean = X.mean(dim=0)
    values, vectors = torch.linalg.eigh((X - mean).T @ (X - mean) / len(X))
    return mean, vectors / (values.clamp_min(0).sqrt() + epsilon) @ vectors.T


@wrong("zca_whitening", hint="ε is missing")
def without_epsilon(X: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    mean = X.mean(dim=0)
    values, vectors = torch.linalg.eigh((X - mean).T @ (X - mean) / len(X))
    return mean, vectors / values.clamp_min(1e-12).sqrt() @ vectors.T


@wrong("zca_whitening", hint="square root is missing")
def inverse_without_a_root(X: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    mean = X.mean(dim=0)
    covariance = (X - mean).T @ (X - mean) / len(X)
    return mean, torch.linalg.inv(covariance + epsilon * torch.eye(X.shape[1], dtype=X.dtype))


@wrong("zca_whitening", hint="colours the data")
def positive_exponent(X: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    mean = X.mean(dim=0)
    values, vectors = torch.linalg.eigh((X - mean).T @ (X - mean) / len(X))
    return mean, vectors * (values.clamp_min(0) + epsilon).sqrt() @ vectors.T


@wrong("zca_whitening", hint="subtract the mean first")
def rows_not_centred(X: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    values, vectors = torch.linalg.eigh(X.T @ X / len(X))
    return X.mean(dim=0), vectors / (values.clamp_min(0) + epsilon).sqrt() @ vectors.T


@wrong("zca_whitening", hint="are lost")
def reduced_svd(X: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    mean = X.mean(dim=0)
    _, values, Vh = torch.linalg.svd(X - mean, full_matrices=False)
    return mean, Vh.T / (values**2 / len(X) + epsilon).sqrt() @ Vh


@wrong("zca_whitening", hint="not whitened rows")
def whitened_rows(X: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    mean = X.mean(dim=0)
    values, vectors = torch.linalg.eigh((X - mean).T @ (X - mean) / len(X))
    matrix = vectors / (values.clamp_min(0) + epsilon).sqrt() @ vectors.T
    return mean, (X - mean) @ matrix


@wrong("zca_whitening", hint="belongs to the caller")
def centres_in_place(X: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    mean = X.mean(dim=0)
    X -= mean
    values, vectors = torch.linalg.eigh(X.T @ X / len(X))
    return mean, vectors / (values.clamp_min(0) + epsilon).sqrt() @ vectors.T
