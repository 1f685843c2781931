"""Batch and layer normalisation of feature vectors, forwards and backwards, in NumPy."""

from typing import Any

import numpy as np


def batchnorm_forward(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, bn_param: dict[str, Any]
) -> tuple[np.ndarray, Any]:
    """Normalise every feature with its mean and variance over the batch.

    In mode "train" the mean μ and the biased variance σ² of each feature over the batch give
    γ (x - μ) / √(σ² + eps) + β, and bn_param gets new running statistics under the same keys:
    running = momentum · running + (1 - momentum) · batch, with the biased variance there too.
    (PyTorch calls 1 - momentum the momentum, and its running variance is unbiased.) In mode "test"
    the running statistics take the place of μ and σ², and stay as they are.

    Book: unit 4, page `batch_norm`.

    Args:
        x: N × D; not modified.
        gamma: scale γ of each feature, (D,).
        beta: shift β of each feature, (D,).
        bn_param: "mode", and what else is wanted: "eps" (1e-5 where it is missing), "momentum"
            (0.9), "running_mean" and "running_var" (zeros), both (D,).

    Returns:
        out: N × D, in the dtype of x.
        cache: what your batchnorm_backward and batchnorm_backward_alt need, which follow calls in
            mode "train" alone: a dict, a tuple or an object of your own.

    Raises:
        ValueError: the mode is neither "train" nor "test".
    """
    mode, eps = bn_param["mode"], bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    running_mean = bn_param.get("running_mean", np.zeros_like(gamma))
    running_var = bn_param.get("running_var", np.zeros_like(gamma))
    if mode == "train":
        mean, var = x.mean(axis=0), x.var(axis=0)
        bn_param["running_mean"] = momentum * running_mean + (1 - momentum) * mean
        bn_param["running_var"] = momentum * running_var + (1 - momentum) * var
    elif mode == "test":
        mean, var = running_mean, running_var
    else:
        raise ValueError(f'the mode is "train" or "test", not {mode!r}')
    std = np.sqrt(var + eps)
    x_hat = (x - mean) / std
    return gamma * x_hat + beta, (x_hat, std, gamma)


def batchnorm_backward(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Propagate a gradient back through the graph of batch normalisation, node by node.

    The mean and the variance of the batch depend on x as well. The closed form is the next task:
    batchnorm_backward_alt is not allowed here.

    Book: unit 4, page `batch_norm`.

    Args:
        dout: gradient of the loss with respect to the output, N × D; not modified.
        cache: what batchnorm_forward returned in mode "train".

    Returns:
        dx (N × D), dgamma (D,), dbeta (D,): the gradients with respect to x, γ and β.
    """
    x_hat, std, gamma = cache
    n = len(dout)
    centred = x_hat * std
    d_hat = dout * gamma
    d_std = -(d_hat * centred).sum(axis=0) / std**2
    d_var = d_std / (2 * std)
    d_centred = d_hat / std + d_var * 2 * centred / n
    d_mean = -d_centred.sum(axis=0)
    dx = d_centred + d_mean / n
    return dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)


def batchnorm_backward_alt(
    dout: np.ndarray, cache: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Propagate a gradient back through batch normalisation by the simplified closed form.

    The same gradients as those of batchnorm_backward, with fewer operations on N × D arrays; that
    function is not allowed here.

    Book: unit 4, page `batch_norm`.

    Args:
        dout: gradient of the loss with respect to the output, N × D; not modified.
        cache: what batchnorm_forward returned in mode "train".

    Returns:
        dx (N × D), dgamma (D,), dbeta (D,): the gradients with respect to x, γ and β.
    """
    x_hat, std, gamma = cache
    n = len(dout)
    dgamma, dbeta = (dout * x_hat).sum(axis=0), dout.sum(axis=0)
    dx = gamma / std * (dout - dbeta / n - x_hat * (dgamma / n))
    return dx, dgamma, dbeta


def layernorm_forward(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, ln_param: dict[str, Any]
) -> tuple[np.ndarray, Any]:
    """Normalise every example with the mean and the variance of its own features.

    γ (x - μ) / √(σ² + eps) + β, where μ and σ² are the mean and the biased variance of the
    features of one example. γ and β belong to features, as in batch normalisation. Training and
    test are alike, and there are no running statistics.

    Book: unit 4, page `layer_norm`.

    Args:
        x: N × D; not modified.
        gamma: scale γ of each feature, (D,).
        beta: shift β of each feature, (D,).
        ln_param: "eps" (1e-5 where it is missing); not modified.

    Returns:
        out: N × D, in the dtype of x.
        cache: what your layernorm_backward needs: a dict, a tuple or an object of your own.
    """
    eps = ln_param.get("eps", 1e-5)
    mean, var = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
    std = np.sqrt(var + eps)
    x_hat = (x - mean) / std
    return gamma * x_hat + beta, (x_hat, std, gamma)


def layernorm_backward(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Propagate a gradient back through layer normalisation.

    Book: unit 4, page `layer_norm`.

    Args:
        dout: gradient of the loss with respect to the output, N × D; not modified.
        cache: what layernorm_forward returned.

    Returns:
        dx (N × D), dgamma (D,), dbeta (D,): the gradients with respect to x, γ and β.
    """
    x_hat, std, gamma = cache
    d_hat = dout * gamma
    level = d_hat.mean(axis=1, keepdims=True)
    along = (d_hat * x_hat).mean(axis=1, keepdims=True)
    dx = (d_hat - level - x_hat * along) / std
    return dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)
