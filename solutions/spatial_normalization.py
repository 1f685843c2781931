"""Batch and group normalisation of feature maps, forwards and backwards, in NumPy."""

from typing import Any

import numpy as np


def spatial_batchnorm_forward(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, bn_param: dict[str, Any]
) -> tuple[np.ndarray, Any]:
    """Normalise every channel with its mean and variance over batch, rows and columns.

    What batchnorm_forward does with the features of a vector happens here to the channels of a map:
    every place of every image counts as one example.

    Book: unit 4, page `group_norm`.

    Args:
        x: N × C × H × W; not modified.
        gamma: scale γ of each channel, (C,).
        beta: shift β of each channel, (C,).
        bn_param: "mode", and what else is wanted: "eps" (1e-5 where it is missing), "momentum"
            (0.9, the weight of the old statistics), "running_mean" and "running_var" (zeros), both
            (C,). In mode "train" the running statistics get new values, as in batchnorm_forward.

    Returns:
        out: N × C × H × W, in the dtype of x.
        cache: what your spatial_batchnorm_backward needs, which follows calls in mode "train"
            alone: a dict, a tuple or an object of your own.

    Raises:
        ValueError: the mode is neither "train" nor "test".
    """
    mode, eps = bn_param["mode"], bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    running_mean = bn_param.get("running_mean", np.zeros_like(gamma))
    running_var = bn_param.get("running_var", np.zeros_like(gamma))
    if mode == "train":
        mean, var = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
        bn_param["running_mean"] = momentum * running_mean + (1 - momentum) * mean
        bn_param["running_var"] = momentum * running_var + (1 - momentum) * var
    elif mode == "test":
        mean, var = running_mean, running_var
    else:
        raise ValueError(f'the mode is "train" or "test", not {mode!r}')
    mean, std, scale = (v[:, None, None] for v in (mean, np.sqrt(var + eps), gamma))
    x_hat = (x - mean) / std
    return scale * x_hat + beta[:, None, None], (x_hat, std, scale)


def spatial_batchnorm_backward(
    dout: np.ndarray, cache: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Propagate a gradient back through batch normalisation of maps.

    Book: unit 4, page `group_norm`.

    Args:
        dout: gradient of the loss with respect to the output, N × C × H × W; not modified.
        cache: what spatial_batchnorm_forward returned in mode "train".

    Returns:
        dx (N × C × H × W), dgamma (C,), dbeta (C,): the gradients with respect to x, γ and β.
    """
    x_hat, std, scale = cache
    places = (0, 2, 3)
    n = dout.size // dout.shape[1]
    dgamma, dbeta = (dout * x_hat).sum(axis=places), dout.sum(axis=places)
    level, along = (v[:, None, None] / n for v in (dbeta, dgamma))
    dx = scale / std * (dout - level - x_hat * along)
    return dx, dgamma, dbeta


def spatial_groupnorm_forward(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, G: int, gn_param: dict[str, Any]
) -> tuple[np.ndarray, Any]:
    """Normalise every group of channels of every image with its own mean and variance.

    Group g holds the channels g · C / G to (g + 1) · C / G - 1. One mean and one biased variance
    are taken over all channels, rows and columns of a group of one image. γ and β belong to
    channels, not to groups. Training and test are alike.

    Book: unit 4, page `group_norm`.

    Args:
        x: N × C × H × W; not modified.
        gamma: scale γ of each channel, (C,).
        beta: shift β of each channel, (C,).
        G: number of groups, a divisor of C: 1 is layer normalisation of the whole map, C is
            instance normalisation.
        gn_param: "eps" (1e-5 where it is missing); not modified.

    Returns:
        out: N × C × H × W, in the dtype of x.
        cache: what your spatial_groupnorm_backward needs: a dict, a tuple or an object of your own.

    Raises:
        ValueError: G does not divide C.
    """
    N, C, H, W = x.shape
    if C % G:
        raise ValueError(f"{C} channels cannot be divided into {G} equal groups")
    eps = gn_param.get("eps", 1e-5)
    groups = x.reshape(N, G, -1)
    mean, var = groups.mean(axis=2, keepdims=True), groups.var(axis=2, keepdims=True)
    std = np.sqrt(var + eps)
    x_hat = ((groups - mean) / std).reshape(N, C, H, W)
    scale = gamma[:, None, None]
    return scale * x_hat + beta[:, None, None], (x_hat, std, scale)


def spatial_groupnorm_backward(
    dout: np.ndarray, cache: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Propagate a gradient back through group normalisation of maps.

    Book: unit 4, page `group_norm`.

    Args:
        dout: gradient of the loss with respect to the output, N × C × H × W; not modified.
        cache: what spatial_groupnorm_forward returned.

    Returns:
        dx (N × C × H × W), dgamma (C,), dbeta (C,): the gradients with respect to x, γ and β.
    """
    x_hat, std, scale = cache
    places = (0, 2, 3)
    N, G = std.shape[:2]
    d_hat, groups = (v.reshape(N, G, -1) for v in (dout * scale, x_hat))
    level = d_hat.mean(axis=2, keepdims=True)
    along = (d_hat * groups).mean(axis=2, keepdims=True)
    dx = ((d_hat - level - groups * along) / std).reshape(dout.shape)
    return dx, (dout * x_hat).sum(axis=places), dout.sum(axis=places)
