"""Answers to the tasks of `solutions.regularisation`."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tests.wrong_answers import right, wrong

# dropout


@right("dropout")
def by_bernoulli(
    X: Tensor, p: float, training: bool, generator: torch.Generator | None = None
) -> Tensor:
    if p < 0 or p >= 1:
        raise ValueError(f"p = {p}")
    if not training:
        return X.clone()
    keep = torch.full_like(X, 1 - p)
    return torch.bernoulli(keep, generator=generator) * X / keep


@right("dropout")
def by_masked_fill(
    X: Tensor, p: float, training: bool, generator: torch.Generator | None = None
) -> Tensor:
    if not 0.0 <= p < 1.0:
        raise ValueError("p")
    if training and p > 0:
        numbers = torch.rand(X.numel(), generator=generator).reshape(X.shape)
        X = torch.masked_fill(X, numbers < p, 0.0) * (1 / (1 - p))
    return X


@wrong("dropout", hint="divided by the drop rate")
def divides_by_the_drop_rate(
    X: Tensor, p: float, training: bool, generator: torch.Generator | None = None
) -> Tensor:
    if not 0 <= p < 1:
        raise ValueError(p)
    if not training:
        return X
    kept = torch.rand(X.shape, generator=generator) >= p
    return X * kept / (p or 1)


@wrong("dropout", hint="are not scaled")
def forgets_to_scale(
    X: Tensor, p: float, training: bool, generator: torch.Generator | None = None
) -> Tensor:
    if not 0 <= p < 1:
        raise ValueError(p)
    if not training:
        return X
    kept = torch.rand(X.shape, generator=generator) >= p
    return X * kept


@wrong("dropout", hint="inverted dropout has scaled in training")
def vanilla(
    X: Tensor, p: float, training: bool, generator: torch.Generator | None = None
) -> Tensor:
    if not 0 <= p < 1:
        raise ValueError(p)
    if not training:
        return (1 - p) * X
    kept = torch.rand(X.shape, generator=generator) >= p
    return X * kept


@wrong("dropout", hint="not the drop rate")
def vanilla_with_the_drop_rate(
    X: Tensor, p: float, training: bool, generator: torch.Generator | None = None
) -> Tensor:
    if not 0 <= p < 1:
        raise ValueError(p)
    if not training:
        return p * X
    kept = torch.rand(X.shape, generator=generator) >= p
    return X * kept


@wrong("dropout", hint="so nothing is scaled")
def scales_twice(
    X: Tensor, p: float, training: bool, generator: torch.Generator | None = None
) -> Tensor:
    if not 0 <= p < 1:
        raise ValueError(p)
    if not training:
        return X / (1 - p)
    kept = torch.rand(X.shape, generator=generator) >= p
    return X * kept / (1 - p)


@wrong("dropout", hint="do not multiply")
def multiplies_by_the_keep_rate(
    X: Tensor, p: float, training: bool, generator: torch.Generator | None = None
) -> Tensor:
    if not 0 <= p < 1:
        raise ValueError(p)
    if not training:
        return X
    kept = torch.rand(X.shape, generator=generator) >= p
    return X * kept * (1 - p)


@wrong("dropout", hint="that of keeping")
def keeps_with_the_drop_rate(
    X: Tensor, p: float, training: bool, generator: torch.Generator | None = None
) -> Tensor:
    if not 0 <= p < 1:
        raise ValueError(p)
    if not training:
        return X
    kept = torch.rand(X.shape, generator=generator) < p
    return X * kept / (1 - p)


@wrong("dropout", hint="nothing is dropped there")
def drops_at_test_time(
    X: Tensor, p: float, training: bool, generator: torch.Generator | None = None
) -> Tensor:
    if not 0 <= p < 1:
        raise ValueError(p)
    kept = torch.rand(X.shape, generator=generator) >= p
    return X * kept / (1 - p)


@wrong("dropout", hint="dropped by itself")
def drops_whole_examples(
    X: Tensor, p: float, training: bool, generator: torch.Generator | None = None
) -> Tensor:
    if not 0 <= p < 1:
        raise ValueError(p)
    if not training:
        return X
    kept = torch.rand(len(X), *(1 for _ in X.shape[1:]), generator=generator) >= p
    return X * kept / (1 - p)


@wrong("dropout", hint="dropped by itself")
def drops_whole_channels(
    X: Tensor, p: float, training: bool, generator: torch.Generator | None = None
) -> Tensor:
    if not 0 <= p < 1:
        raise ValueError(p)
    if not training:
        return X
    kept = torch.rand(*X.shape[:2], *(1 for _ in X.shape[2:]), generator=generator) >= p
    return X * kept / (1 - p)


@wrong("dropout", hint="the entries are independent")
def drops_an_exact_number(
    X: Tensor, p: float, training: bool, generator: torch.Generator | None = None
) -> Tensor:
    if not 0 <= p < 1:
        raise ValueError(p)
    if not training:
        return X
    order = torch.randperm(X.numel(), generator=generator).reshape(X.shape)
    kept = order >= round(p * X.numel())
    return X * kept / (1 - p)


@wrong("dropout", hint="raise ValueError")
def any_p_is_fine(
    X: Tensor, p: float, training: bool, generator: torch.Generator | None = None
) -> Tensor:
    if not training:
        return X
    kept = torch.rand(X.shape, generator=generator) >= p
    return X * kept / (1 - p)


@wrong("dropout", hint="raise ValueError")
def refuses_in_training_alone(
    X: Tensor, p: float, training: bool, generator: torch.Generator | None = None
) -> Tensor:
    if not training:
        return X
    if not 0 <= p < 1:
        raise ValueError(p)
    kept = torch.rand(X.shape, generator=generator) >= p
    return X * kept / (1 - p)


@wrong("dropout", hint="belongs to the caller")
def drops_in_place(
    X: Tensor, p: float, training: bool, generator: torch.Generator | None = None
) -> Tensor:
    if not 0 <= p < 1:
        raise ValueError(p)
    if not training:
        return X
    kept = torch.rand(X.shape, generator=generator) >= p
    X[~kept] = 0
    return X / (1 - p)


@wrong("dropout", hint="generator")
def drops_without_the_generator(
    X: Tensor, p: float, training: bool, generator: torch.Generator | None = None
) -> Tensor:
    if not 0 <= p < 1:
        raise ValueError(p)
    if not training:
        return X
    kept = torch.rand(X.shape) >= p
    return X * kept / (1 - p)


@wrong("dropout", hint="fixed seed")
def drops_with_a_fixed_seed(
    X: Tensor, p: float, training: bool, generator: torch.Generator | None = None
) -> Tensor:
    if not 0 <= p < 1:
        raise ValueError(p)
    if not training:
        return X
    generator = torch.Generator().manual_seed(0)
    kept = torch.rand(X.shape, generator=generator) >= p
    return X * kept / (1 - p)


# batch_norm


@right("batch_norm")
def by_rows_of_values(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    rows = X.transpose(0, 1).reshape(X.shape[1], -1)
    if training:
        mean = rows.mean(dim=1)
        squares = ((rows - mean[:, None]) ** 2).sum(dim=1)
        var = squares / rows.shape[1]
        running_mean *= 1 - momentum
        running_mean += momentum * mean
        running_var.copy_((1 - momentum) * running_var + momentum * squares / (rows.shape[1] - 1))
    else:
        mean, var = running_mean, running_var
    rows = gamma[:, None] * (rows - mean[:, None]) * torch.rsqrt(var + eps)[:, None]
    rows = rows + beta[:, None]
    return rows.reshape(X.shape[1], X.shape[0], *X.shape[2:]).transpose(0, 1)


@right("batch_norm")
def channel_by_channel(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    result = torch.empty_like(X)
    for c in range(X.shape[1]):
        mean, var = running_mean[c].item(), running_var[c].item()
        if training:
            values = X[:, c].numpy()
            mean, var = values.mean(), values.var()
            running_mean[c] = (1 - momentum) * running_mean[c] + momentum * mean
            unbiased = np.var(values, ddof=1)
            running_var[c] = (1 - momentum) * running_var[c] + momentum * unbiased
        result[:, c] = gamma[c] * (X[:, c] - mean) / (var + eps) ** 0.5 + beta[c]
    return result


@wrong("batch_norm", hint="divide by n, not by n - 1")
def normalises_unbiased(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if training:
        mean, var = X.mean(dim=(0, 2, 3)), X.var(dim=(0, 2, 3), correction=1)
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var, momentum)
    else:
        mean, var = running_mean, running_var
    X = (X - mean[:, None, None]) / (var[:, None, None] + eps).sqrt()
    return gamma[:, None, None] * X + beta[:, None, None]


@wrong("batch_norm", hint="the batch's own statistics count")
def running_statistics_in_training(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if training:
        mean, var = X.mean(dim=(0, 2, 3)), X.var(dim=(0, 2, 3), correction=0)
        n = X.numel() / X.shape[1]
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var * n / (n - 1), momentum)
    mean, var = running_mean, running_var
    X = (X - mean[:, None, None]) / (var[:, None, None] + eps).sqrt()
    return gamma[:, None, None] * X + beta[:, None, None]


@wrong("batch_norm", hint="not the batch's own")
def batch_statistics_in_evaluation(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    mean, var = X.mean(dim=(0, 2, 3)), X.var(dim=(0, 2, 3), correction=0)
    if training:
        n = X.numel() / X.shape[1]
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var * n / (n - 1), momentum)
    X = (X - mean[:, None, None]) / (var[:, None, None] + eps).sqrt()
    return gamma[:, None, None] * X + beta[:, None, None]


@wrong("batch_norm", hint="change in training alone")
def updates_in_evaluation(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    mean, var = X.mean(dim=(0, 2, 3)), X.var(dim=(0, 2, 3), correction=0)
    if not training:
        mean, var = running_mean.clone(), running_var.clone()
    n = X.numel() / X.shape[1]
    running_mean.lerp_(X.mean(dim=(0, 2, 3)), momentum)
    running_var.lerp_(X.var(dim=(0, 2, 3), correction=0) * n / (n - 1), momentum)
    X = (X - mean[:, None, None]) / (var[:, None, None] + eps).sqrt()
    return gamma[:, None, None] * X + beta[:, None, None]


@wrong("batch_norm", hint="the statistics of single pixels")
def statistics_of_each_pixel(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    mean, var = X.mean(dim=0), X.var(dim=0, correction=0)
    if training:
        n = X.numel() / X.shape[1]
        running_mean.lerp_(X.mean(dim=(0, 2, 3)), momentum)
        running_var.lerp_(X.var(dim=(0, 2, 3), correction=0) * n / (n - 1), momentum)
    else:
        mean, var = running_mean[:, None, None], running_var[:, None, None]
    return gamma[:, None, None] * (X - mean) / (var + eps).sqrt() + beta[:, None, None]


@wrong("batch_norm", hint="the statistics of single images")
def statistics_of_each_image(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    mean = X.mean(dim=(2, 3), keepdim=True)
    var = X.var(dim=(2, 3), correction=0, keepdim=True)
    if training:
        n = X.numel() / X.shape[1]
        running_mean.lerp_(X.mean(dim=(0, 2, 3)), momentum)
        running_var.lerp_(X.var(dim=(0, 2, 3), correction=0) * n / (n - 1), momentum)
    else:
        mean, var = running_mean[:, None, None], running_var[:, None, None]
    return gamma[:, None, None] * (X - mean) / (var + eps).sqrt() + beta[:, None, None]


@wrong("batch_norm", hint="running variance is unbiased")
def biased_running_variance(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if training:
        mean, var = X.mean(dim=(0, 2, 3)), X.var(dim=(0, 2, 3), correction=0)
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var, momentum)
    else:
        mean, var = running_mean, running_var
    X = (X - mean[:, None, None]) / (var[:, None, None] + eps).sqrt()
    return gamma[:, None, None] * X + beta[:, None, None]


@wrong("batch_norm", hint="weight of the new statistics")
def momentum_of_the_old(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if training:
        mean, var = X.mean(dim=(0, 2, 3)), X.var(dim=(0, 2, 3), correction=0)
        n = X.numel() / X.shape[1]
        running_mean.lerp_(mean, 1 - momentum)
        running_var.lerp_(var * n / (n - 1), 1 - momentum)
    else:
        mean, var = running_mean, running_var
    X = (X - mean[:, None, None]) / (var[:, None, None] + eps).sqrt()
    return gamma[:, None, None] * X + beta[:, None, None]


@wrong("batch_norm", hint="of which the caller knows nothing")
def rebinds_the_statistics(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if training:
        mean, var = X.mean(dim=(0, 2, 3)), X.var(dim=(0, 2, 3), correction=0)
        n = X.numel() / X.shape[1]
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var * n / (n - 1)
    else:
        mean, var = running_mean, running_var
    X = (X - mean[:, None, None]) / (var[:, None, None] + eps).sqrt()
    return gamma[:, None, None] * X + beta[:, None, None]


@wrong("batch_norm", hint="forgotten")
def forgets_the_old_statistics(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if training:
        mean, var = X.mean(dim=(0, 2, 3)), X.var(dim=(0, 2, 3), correction=0)
        n = X.numel() / X.shape[1]
        running_mean.copy_(mean)
        running_var.copy_(var * n / (n - 1))
    else:
        mean, var = running_mean, running_var
    X = (X - mean[:, None, None]) / (var[:, None, None] + eps).sqrt()
    return gamma[:, None, None] * X + beta[:, None, None]


@wrong("batch_norm", hint="under the root")
def eps_outside_of_the_root(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if training:
        mean, var = X.mean(dim=(0, 2, 3)), X.var(dim=(0, 2, 3), correction=0)
        n = X.numel() / X.shape[1]
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var * n / (n - 1), momentum)
    else:
        mean, var = running_mean, running_var
    X = (X - mean[:, None, None]) / (var[:, None, None].sqrt() + eps)
    return gamma[:, None, None] * X + beta[:, None, None]


@wrong("batch_norm", hint="eps is an argument")
def constant_eps(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if training:
        mean, var = X.mean(dim=(0, 2, 3)), X.var(dim=(0, 2, 3), correction=0)
        n = X.numel() / X.shape[1]
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var * n / (n - 1), momentum)
    else:
        mean, var = running_mean, running_var
    X = (X - mean[:, None, None]) / (var[:, None, None] + 1e-5).sqrt()
    return gamma[:, None, None] * X + beta[:, None, None]


@wrong("batch_norm", hint="eps is missing")
def without_eps(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if training:
        mean, var = X.mean(dim=(0, 2, 3)), X.var(dim=(0, 2, 3), correction=0)
        n = X.numel() / X.shape[1]
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var * n / (n - 1), momentum)
    else:
        mean, var = running_mean, running_var
    X = (X - mean[:, None, None]) / var[:, None, None].sqrt()
    return gamma[:, None, None] * X + beta[:, None, None]


@wrong("batch_norm", hint="beta is missing")
def without_beta(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if training:
        mean, var = X.mean(dim=(0, 2, 3)), X.var(dim=(0, 2, 3), correction=0)
        n = X.numel() / X.shape[1]
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var * n / (n - 1), momentum)
    else:
        mean, var = running_mean, running_var
    X = (X - mean[:, None, None]) / (var[:, None, None] + eps).sqrt()
    return gamma[:, None, None] * X


@wrong("batch_norm", hint="gamma is missing")
def without_gamma(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if training:
        mean, var = X.mean(dim=(0, 2, 3)), X.var(dim=(0, 2, 3), correction=0)
        n = X.numel() / X.shape[1]
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var * n / (n - 1), momentum)
    else:
        mean, var = running_mean, running_var
    X = (X - mean[:, None, None]) / (var[:, None, None] + eps).sqrt()
    return X + beta[:, None, None]


@wrong("batch_norm", hint="root of the variance")
def divides_by_the_variance_itself(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if training:
        mean, var = X.mean(dim=(0, 2, 3)), X.var(dim=(0, 2, 3), correction=0)
        n = X.numel() / X.shape[1]
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var * n / (n - 1), momentum)
    else:
        mean, var = running_mean, running_var
    X = (X - mean[:, None, None]) / (var[:, None, None] + eps)
    return gamma[:, None, None] * X + beta[:, None, None]


@wrong("batch_norm", hint="belongs to the caller")
def normalises_in_place(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if training:
        mean, var = X.mean(dim=(0, 2, 3)), X.var(dim=(0, 2, 3), correction=0)
        n = X.numel() / X.shape[1]
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var * n / (n - 1), momentum)
    else:
        mean, var = running_mean, running_var
    X -= mean[:, None, None].clone()
    X /= (var[:, None, None] + eps).sqrt()
    return gamma[:, None, None] * X + beta[:, None, None]


# batch_norm_backward


@right("batch_norm_backward")
def along_the_graph(
    upstream: Tensor, X: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    n_images, n_channels, height, width = X.shape
    n = n_images * height * width
    x = X.permute(0, 2, 3, 1).reshape(n, n_channels)
    up = upstream.permute(0, 2, 3, 1).reshape(n, n_channels)
    centred = x - x.mean(dim=0)
    var = (centred**2).mean(dim=0)
    root = torch.sqrt(var + eps)
    x_hat = centred / root
    d_hat = up * gamma
    d_root = -(d_hat * centred).sum(dim=0) / root**2
    d_var = d_root / (2 * root)
    d_centred = d_hat / root + d_var * 2 * centred / n
    dx = d_centred - d_centred.mean(dim=0)
    dX = dx.reshape(n_images, height, width, n_channels).permute(0, 3, 1, 2)
    return dX, (up * x_hat).sum(dim=0), up.sum(dim=0)


@right("batch_norm_backward")
def closed_form_by_channel(
    upstream: Tensor, X: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    dX, dgamma, dbeta = torch.zeros_like(X), torch.zeros_like(gamma), torch.zeros_like(gamma)
    for c in range(len(gamma)):
        x, g = X[:, c], upstream[:, c]
        n = x.numel()
        std = ((x - x.mean()).pow(2).mean() + eps) ** 0.5
        x_hat = (x - x.mean()) / std
        dbeta[c] = g.sum()
        dgamma[c] = torch.sum(g * x_hat)
        dX[:, c] = gamma[c] / (n * std) * (n * g - dbeta[c] - x_hat * dgamma[c])
    return dX, dgamma, dbeta


@wrong("batch_norm_backward", hint="taken for constants")
def statistics_as_constants(
    upstream: Tensor, X: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    pixels = (0, 2, 3)
    mean = X.mean(dim=pixels, keepdim=True)
    std = (X.var(dim=pixels, correction=0, keepdim=True) + eps).sqrt()
    X_hat = (X - mean) / std
    d = upstream * gamma[:, None, None]
    dX = d / std
    return dX, (upstream * X_hat).sum(dim=pixels), upstream.sum(dim=pixels)


@wrong("batch_norm_backward", hint="through the variance is missing")
def without_the_way_through_the_variance(
    upstream: Tensor, X: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    pixels = (0, 2, 3)
    mean = X.mean(dim=pixels, keepdim=True)
    std = (X.var(dim=pixels, correction=0, keepdim=True) + eps).sqrt()
    X_hat = (X - mean) / std
    d = upstream * gamma[:, None, None]
    by_mean = d.mean(dim=pixels, keepdim=True)
    dX = (d - by_mean) / std
    return dX, (upstream * X_hat).sum(dim=pixels), upstream.sum(dim=pixels)


@wrong("batch_norm_backward", hint="through the mean is missing")
def without_the_way_through_the_mean(
    upstream: Tensor, X: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    pixels = (0, 2, 3)
    mean = X.mean(dim=pixels, keepdim=True)
    std = (X.var(dim=pixels, correction=0, keepdim=True) + eps).sqrt()
    X_hat = (X - mean) / std
    d = upstream * gamma[:, None, None]
    by_var = X_hat * (d * X_hat).mean(dim=pixels, keepdim=True)
    dX = (d - by_var) / std
    return dX, (upstream * X_hat).sum(dim=pixels), upstream.sum(dim=pixels)


@wrong("batch_norm_backward", hint="gamma is missing")
def input_without_gamma(
    upstream: Tensor, X: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    pixels = (0, 2, 3)
    mean = X.mean(dim=pixels, keepdim=True)
    std = (X.var(dim=pixels, correction=0, keepdim=True) + eps).sqrt()
    X_hat = (X - mean) / std
    d = upstream
    by_mean = d.mean(dim=pixels, keepdim=True)
    by_var = X_hat * (d * X_hat).mean(dim=pixels, keepdim=True)
    dX = (d - by_mean - by_var) / std
    return dX, (upstream * X_hat).sum(dim=pixels), upstream.sum(dim=pixels)


@wrong("batch_norm_backward", hint="here they are sums")
def sums_for_means(
    upstream: Tensor, X: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    pixels = (0, 2, 3)
    mean = X.mean(dim=pixels, keepdim=True)
    std = (X.var(dim=pixels, correction=0, keepdim=True) + eps).sqrt()
    X_hat = (X - mean) / std
    d = upstream * gamma[:, None, None]
    by_mean = d.sum(dim=pixels, keepdim=True)
    by_var = X_hat * (d * X_hat).sum(dim=pixels, keepdim=True)
    dX = (d - by_mean - by_var) / std
    return dX, (upstream * X_hat).sum(dim=pixels), upstream.sum(dim=pixels)


@wrong("batch_norm_backward", hint="division by")
def undivided_input(
    upstream: Tensor, X: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    pixels = (0, 2, 3)
    mean = X.mean(dim=pixels, keepdim=True)
    std = (X.var(dim=pixels, correction=0, keepdim=True) + eps).sqrt()
    X_hat = (X - mean) / std
    d = upstream * gamma[:, None, None]
    by_mean = d.mean(dim=pixels, keepdim=True)
    by_var = X_hat * (d * X_hat).mean(dim=pixels, keepdim=True)
    dX = d - by_mean - by_var
    return dX, (upstream * X_hat).sum(dim=pixels), upstream.sum(dim=pixels)


@wrong("batch_norm_backward", hint="both correcting terms are subtracted")
def adds_the_corrections(
    upstream: Tensor, X: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    pixels = (0, 2, 3)
    mean = X.mean(dim=pixels, keepdim=True)
    std = (X.var(dim=pixels, correction=0, keepdim=True) + eps).sqrt()
    X_hat = (X - mean) / std
    d = upstream * gamma[:, None, None]
    by_mean = d.mean(dim=pixels, keepdim=True)
    by_var = X_hat * (d * X_hat).mean(dim=pixels, keepdim=True)
    dX = (d + by_mean + by_var) / std
    return dX, (upstream * X_hat).sum(dim=pixels), upstream.sum(dim=pixels)


@wrong("batch_norm_backward", hint="takes the biased variance")
def unbiased_variance(
    upstream: Tensor, X: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    pixels = (0, 2, 3)
    mean = X.mean(dim=pixels, keepdim=True)
    std = (X.var(dim=pixels, correction=1, keepdim=True) + eps).sqrt()
    X_hat = (X - mean) / std
    exact = (X - mean) / (X.var(dim=pixels, correction=0, keepdim=True) + eps).sqrt()
    d = upstream * gamma[:, None, None]
    by_mean = d.mean(dim=pixels, keepdim=True)
    by_var = exact * (d * exact).mean(dim=pixels, keepdim=True)
    dX = (d - by_mean - by_var) / std
    return dX, (upstream * X_hat).sum(dim=pixels), upstream.sum(dim=pixels)


@wrong("batch_norm_backward", hint="not X itself")
def gamma_times_the_raw_input(
    upstream: Tensor, X: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    pixels = (0, 2, 3)
    mean = X.mean(dim=pixels, keepdim=True)
    std = (X.var(dim=pixels, correction=0, keepdim=True) + eps).sqrt()
    X_hat = (X - mean) / std
    d = upstream * gamma[:, None, None]
    by_mean = d.mean(dim=pixels, keepdim=True)
    by_var = X_hat * (d * X_hat).mean(dim=pixels, keepdim=True)
    dX = (d - by_mean - by_var) / std
    return dX, (upstream * X).sum(dim=pixels), upstream.sum(dim=pixels)


@wrong("batch_norm_backward", hint="gamma is a sum")
def mean_for_gamma(
    upstream: Tensor, X: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    pixels = (0, 2, 3)
    mean = X.mean(dim=pixels, keepdim=True)
    std = (X.var(dim=pixels, correction=0, keepdim=True) + eps).sqrt()
    X_hat = (X - mean) / std
    d = upstream * gamma[:, None, None]
    by_mean = d.mean(dim=pixels, keepdim=True)
    by_var = X_hat * (d * X_hat).mean(dim=pixels, keepdim=True)
    dX = (d - by_mean - by_var) / std
    return dX, (upstream * X_hat).mean(dim=pixels), upstream.sum(dim=pixels)


@wrong("batch_norm_backward", hint="beta is a sum")
def mean_for_beta(
    upstream: Tensor, X: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    pixels = (0, 2, 3)
    mean = X.mean(dim=pixels, keepdim=True)
    std = (X.var(dim=pixels, correction=0, keepdim=True) + eps).sqrt()
    X_hat = (X - mean) / std
    d = upstream * gamma[:, None, None]
    by_mean = d.mean(dim=pixels, keepdim=True)
    by_var = X_hat * (d * X_hat).mean(dim=pixels, keepdim=True)
    dX = (d - by_mean - by_var) / std
    return dX, (upstream * X_hat).sum(dim=pixels), upstream.mean(dim=pixels)


@wrong("batch_norm_backward", hint="this is the gradient of")
def gamma_and_beta_exchanged(
    upstream: Tensor, X: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    pixels = (0, 2, 3)
    mean = X.mean(dim=pixels, keepdim=True)
    std = (X.var(dim=pixels, correction=0, keepdim=True) + eps).sqrt()
    X_hat = (X - mean) / std
    d = upstream * gamma[:, None, None]
    by_mean = d.mean(dim=pixels, keepdim=True)
    by_var = X_hat * (d * X_hat).mean(dim=pixels, keepdim=True)
    dX = (d - by_mean - by_var) / std
    return dX, upstream.sum(dim=pixels), (upstream * X_hat).sum(dim=pixels)


@wrong("batch_norm_backward", hint="its own gradient")
def gamma_in_its_own_gradient(
    upstream: Tensor, X: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    pixels = (0, 2, 3)
    mean = X.mean(dim=pixels, keepdim=True)
    std = (X.var(dim=pixels, correction=0, keepdim=True) + eps).sqrt()
    X_hat = (X - mean) / std
    d = upstream * gamma[:, None, None]
    by_mean = d.mean(dim=pixels, keepdim=True)
    by_var = X_hat * (d * X_hat).mean(dim=pixels, keepdim=True)
    dX = (d - by_mean - by_var) / std
    return dX, (d * X_hat).sum(dim=pixels), upstream.sum(dim=pixels)


@wrong("batch_norm_backward", hint="eps is missing")
def eps_left_out(
    upstream: Tensor, X: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    pixels = (0, 2, 3)
    mean = X.mean(dim=pixels, keepdim=True)
    std = X.std(dim=pixels, correction=0, keepdim=True)
    X_hat = (X - mean) / std
    d = upstream * gamma[:, None, None]
    by_mean = d.mean(dim=pixels, keepdim=True)
    by_var = X_hat * (d * X_hat).mean(dim=pixels, keepdim=True)
    dX = (d - by_mean - by_var) / std
    return dX, (upstream * X_hat).sum(dim=pixels), upstream.sum(dim=pixels)


@wrong("batch_norm_backward", hint="dim (0, 2, 3)")
def pixel_statistics_backward(
    upstream: Tensor, X: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    pixels = (0, 2, 3)
    mean = X.mean(dim=pixels)
    std = (X.var(dim=pixels, correction=0) + eps).sqrt()
    X_hat = (X - mean) / std
    d = upstream * gamma[:, None, None]
    by_mean = d.mean(dim=pixels, keepdim=True)
    by_var = X_hat * (d * X_hat).mean(dim=pixels, keepdim=True)
    dX = (d - by_mean - by_var) / std
    return dX, (upstream * X_hat).sum(dim=pixels), upstream.sum(dim=pixels)


@wrong("batch_norm_backward", hint="three tensors")
def gradient_of_the_input_alone(
    upstream: Tensor, X: Tensor, gamma: Tensor, eps: float = 1e-5
) -> Tensor:
    pixels = (0, 2, 3)
    mean = X.mean(dim=pixels, keepdim=True)
    std = (X.var(dim=pixels, correction=0, keepdim=True) + eps).sqrt()
    X_hat = (X - mean) / std
    d = upstream * gamma[:, None, None]
    by_mean = d.mean(dim=pixels, keepdim=True)
    by_var = X_hat * (d * X_hat).mean(dim=pixels, keepdim=True)
    dX = (d - by_mean - by_var) / std
    return dX


@wrong("batch_norm_backward", hint="automatic differentiation is off")
def by_autograd(
    upstream: Tensor, X: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    leaves = [tensor.clone().requires_grad_() for tensor in (X, gamma, torch.zeros_like(gamma))]
    output = functional.batch_norm(leaves[0], None, None, leaves[1], leaves[2], True, 0.1, eps)
    dX, dgamma, dbeta = torch.autograd.grad(output, leaves, upstream)
    return dX, dgamma, dbeta
