"""Dropout and batch normalisation, forwards and backwards."""

import torch
from torch import Tensor


def dropout(
    X: Tensor, p: float, training: bool, generator: torch.Generator | None = None
) -> Tensor:
    """Apply inverted dropout.

    In training each entry is set to 0 with probability p, independently of the others, and those
    that stay are scaled so that the expectation of every entry is what it was. Otherwise X is
    returned as it is. The library's dropout is not allowed here.

    Book: unit 2, page `regularisation`.

    Args:
        X: activations of any shape; not modified.
        p: probability of dropping an entry.
        training: whether the network is being trained.
        generator: a CPU generator, source of every draw; None stands for the global one.

    Returns:
        A tensor of the shape and the dtype of X.

    Raises:
        ValueError: p is not in [0, 1).
    """
    if not 0 <= p < 1:
        raise ValueError(f"p must lie in [0, 1), not {p}")
    if not training:
        return X
    kept = (torch.rand(X.shape, generator=generator) >= p).to(X.device)
    return X * kept / (1 - p)


def batch_norm(
    X: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Apply batch normalisation to the channels of feature maps.

    In training each channel is normalised with its mean μ and its biased variance σ² over batch,
    rows and columns: γ (x - μ) / √(σ² + eps) + β. The running statistics change in place:
    r ← (1 - momentum) · r + momentum · s, where s is the batch's mean, or its unbiased variance
    (n - 1 in the denominator). Otherwise the running statistics take the place of μ and σ², and
    stay as they are. The library's batch normalisation is not allowed here.

    Book: unit 2, page `batch_norm`.

    Args:
        X: B × C × H × W; not modified. Training needs more than one value a channel.
        gamma: scale γ of each channel, (C,).
        beta: shift β of each channel, (C,).
        running_mean: running mean of each channel, (C,); changed in place in training.
        running_var: running variance of each channel, (C,); changed in place in training.
        training: whether the network is being trained.
        momentum: weight of the new statistics, in [0, 1].
        eps: added to the variance.

    Returns:
        B × C × H × W.
    """
    mean, var = running_mean, running_var
    if training:
        mean, var = X.mean(dim=(0, 2, 3)), X.var(dim=(0, 2, 3), correction=0)
        n = X.numel() / X.shape[1]
        with torch.no_grad():
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(var * n / (n - 1), momentum)
    scale = gamma / (var + eps).sqrt()
    return (X - mean[:, None, None]) * scale[:, None, None] + beta[:, None, None]


def batch_norm_backward(
    upstream: Tensor, X: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    """Propagate a gradient back through batch normalisation in training mode.

    The mean and the variance of the batch depend on X as well. Automatic differentiation is off in
    this task.

    Book: unit 2, page `batch_norm`.

    Args:
        upstream: gradient of the loss with respect to the output, B × C × H × W.
        X: the layer's input, B × C × H × W; not modified.
        gamma: scale of each channel, (C,).
        eps: added to the variance in the forward pass.

    Returns:
        dX (B × C × H × W), dgamma (C,), dbeta (C,): the gradients with respect to X, γ and β.
    """
    pixels = (0, 2, 3)
    mean, var = X.mean(dim=pixels, keepdim=True), X.var(dim=pixels, correction=0, keepdim=True)
    std = (var + eps).sqrt()
    X_hat = (X - mean) / std
    dX_hat = upstream * gamma[:, None, None]
    along = (dX_hat * X_hat).mean(dim=pixels, keepdim=True)
    dX = (dX_hat - dX_hat.mean(dim=pixels, keepdim=True) - X_hat * along) / std
    return dX, (upstream * X_hat).sum(dim=pixels), upstream.sum(dim=pixels)
