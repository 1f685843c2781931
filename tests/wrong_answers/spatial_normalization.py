"""Answers to the tasks of `solutions.spatial_normalization`."""

from typing import Any

import numpy as np

from solutions import spatial_normalization
from tests.wrong_answers import right, slip, wrong

# spatial_batchnorm_forward


@right("spatial_batchnorm_forward")
def maps_as_rows(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, bn_param: dict[str, Any]
) -> tuple[np.ndarray, Any]:
    def vectors(
        x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, bn_param: dict[str, Any]
    ) -> tuple[np.ndarray, Any]:
        if bn_param["mode"] == "test":
            mean, var = (bn_param.get(f"running_{name}", 0 * gamma) for name in ("mean", "var"))
        elif bn_param["mode"] == "train":
            mean, var = x.mean(axis=0), x.var(axis=0)
            kept = bn_param.get("momentum", 0.9)
            for name, new in (("running_mean", mean), ("running_var", var)):
                bn_param[name] = kept * bn_param.get(name, 0 * new) + (1 - kept) * new
        else:
            raise ValueError(bn_param["mode"])
        x_hat = (x - mean) / np.sqrt(var + bn_param.get("eps", 1e-5))
        return gamma * x_hat + beta, {"x_hat": x_hat, "var": var}

    N, C, H, W = x.shape
    out, cache = vectors(x.transpose(0, 2, 3, 1).reshape(-1, C), gamma, beta, bn_param)
    return out.reshape(N, H, W, C).transpose(0, 3, 1, 2), cache


@right("spatial_batchnorm_forward")
def maps_channel_by_channel(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, bn_param: dict[str, Any]
) -> tuple[np.ndarray, Any]:
    class Channel:
        def __init__(self, values: np.ndarray, std: float) -> None:
            self.values, self.std = values, std

    mode = bn_param["mode"]
    if mode not in {"train", "test"}:
        raise ValueError(f"no mode {mode}")
    settings = {"eps": 1e-5, "momentum": 0.9} | bn_param
    for name in ("running_mean", "running_var"):
        bn_param[name] = np.array(bn_param.get(name, [0.0] * len(gamma)))
    out, cache = np.zeros_like(x), []
    for c, channel in enumerate(np.moveaxis(x, 1, 0)):
        if mode == "train":
            mean, var = channel.mean(), channel.var()
            for name, new in (("running_mean", mean), ("running_var", var)):
                bn_param[name][c] *= settings["momentum"]
                bn_param[name][c] += (1 - settings["momentum"]) * new
        else:
            mean, var = bn_param["running_mean"][c], bn_param["running_var"][c]
        std = (var + settings["eps"]) ** 0.5
        cache.append(Channel((channel - mean) / std, std))
        out[:, c] = gamma[c] * cache[c].values + beta[c]
    return out, cache


slip(
    spatial_normalization.spatial_batchnorm_forward,
    "maps_with_statistics_of_places",
    {
        "mean, var = (x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3)))": (
            "mean, var = (x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3)))\n"
            "        places = (x.mean(axis=0), x.var(axis=0))"
        ),
        "x_hat = (x - mean) / std": (
            "if mode == 'train':\n"
            "        mean, std = (places[0], np.sqrt(places[1] + eps))\n"
            "    x_hat = (x - mean) / std"
        ),
    },
    hint="statistics of single places",
)
slip(
    spatial_normalization.spatial_batchnorm_forward,
    "maps_with_statistics_of_images",
    {
        "x_hat = (x - mean) / std": (
            "if mode == 'train':\n"
            "        mean = x.mean(axis=(2, 3), keepdims=True)\n"
            "        std = np.sqrt(x.var(axis=(2, 3), keepdims=True) + eps)\n"
            "    x_hat = (x - mean) / std"
        )
    },
    hint="statistics of single images",
)
slip(
    spatial_normalization.spatial_batchnorm_forward,
    "maps_with_statistics_of_all_channels",
    {
        "x_hat = (x - mean) / std": (
            "if mode == 'train':\n"
            "        mean = x.mean(axis=(1, 2, 3), keepdims=True)\n"
            "        std = np.sqrt(x.var(axis=(1, 2, 3), keepdims=True) + eps)\n"
            "    x_hat = (x - mean) / std"
        )
    },
    hint="statistics of all channels of an image",
)


@wrong("spatial_batchnorm_forward", hint="of all channels together")
def maps_with_one_mean(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, bn_param: dict[str, Any]
) -> tuple[np.ndarray, Any]:
    if bn_param["mode"] not in ("train", "test"):
        raise ValueError(bn_param["mode"])
    eps = bn_param.get("eps", 1e-5)
    scale, shift = gamma[:, None, None], beta[:, None, None]
    return scale * (x - x.mean()) / np.sqrt(x.var() + eps) + shift, None


@wrong("spatial_batchnorm_forward", hint="reshape alone mixes")
def maps_as_rows_of_a_wrong_reshape(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, bn_param: dict[str, Any]
) -> tuple[np.ndarray, Any]:
    if bn_param["mode"] not in ("train", "test"):
        raise ValueError(bn_param["mode"])
    rows = x.reshape(-1, x.shape[1])
    mean, var = rows.mean(axis=0), rows.var(axis=0)
    if bn_param["mode"] == "test":
        mean, var = bn_param["running_mean"], bn_param["running_var"]
    x_hat = (rows - mean) / np.sqrt(var + bn_param.get("eps", 1e-5))
    return (gamma * x_hat + beta).reshape(x.shape), None


slip(
    spatial_normalization.spatial_batchnorm_forward,
    "maps_with_momentum_as_in_pytorch",
    {
        "momentum * running_mean + (1 - momentum) * mean": (
            "(1 - momentum) * running_mean + momentum * mean"
        ),
        "momentum * running_var + (1 - momentum) * var": (
            "(1 - momentum) * running_var + momentum * var"
        ),
    },
    hint="PyTorch's convention",
)
slip(
    spatial_normalization.spatial_batchnorm_forward,
    "maps_with_a_momentum_of_their_own",
    {"bn_param.get('momentum', 0.9)": "0.9"},
    hint="momentum comes with bn_param",
)
slip(
    spatial_normalization.spatial_batchnorm_forward,
    "maps_that_must_be_given_statistics_in_test_mode",
    {
        "mean, var = (running_mean, running_var)": (
            "mean, var = (bn_param['running_mean'], bn_param['running_var'])"
        )
    },
    hint="need not hold every key",
)
slip(
    spatial_normalization.spatial_batchnorm_forward,
    "maps_with_an_unbiased_running_variance",
    {"(1 - momentum) * var": "(1 - momentum) * x.var(axis=(0, 2, 3), ddof=1)"},
    hint="running variance takes the biased",
)
slip(
    spatial_normalization.spatial_batchnorm_forward,
    "maps_with_an_unbiased_variance",
    {"x.var(axis=(0, 2, 3))": "x.var(axis=(0, 2, 3), ddof=1)"},
    hint="the variance is biased",
)
slip(
    spatial_normalization.spatial_batchnorm_forward,
    "maps_that_store_nothing",
    {"bn_param['running_mean'] =": "running_mean =", "bn_param['running_var'] =": "running_var ="},
    hint="store the new statistics",
)
slip(
    spatial_normalization.spatial_batchnorm_forward,
    "maps_with_the_batch_in_test_mode",
    {
        "mean, var = (running_mean, running_var)": (
            "mean, var = (x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3)))"
        )
    },
    hint="the running statistics count, not the batch's own",
)
slip(
    spatial_normalization.spatial_batchnorm_forward,
    "maps_with_running_statistics_in_training",
    {
        "(1 - momentum) * var": (
            "(1 - momentum) * var\n        mean, var = (running_mean, running_var)"
        )
    },
    hint="not the running ones",
)
slip(
    spatial_normalization.spatial_batchnorm_forward,
    "maps_that_update_in_test_mode",
    {
        "mean, var = (running_mean, running_var)": (
            "mean, var = (running_mean, running_var)\n"
            "        bn_param['running_mean'] = mean + 0.1 * x.mean(axis=(0, 2, 3))"
        )
    },
    hint="change in training alone",
)
slip(
    spatial_normalization.spatial_batchnorm_forward,
    "maps_with_eps_outside_of_the_root",
    {"np.sqrt(var + eps)": "np.sqrt(var) + eps"},
    hint="under the root",
)
slip(
    spatial_normalization.spatial_batchnorm_forward,
    "maps_without_gamma",
    {"scale * x_hat + beta": "x_hat + beta"},
    hint="gamma is missing",
)
slip(
    spatial_normalization.spatial_batchnorm_forward,
    "maps_that_do_not_broadcast",
    {"beta[:, None, None]": "beta"},
    hint="(C,) becomes C × 1 × 1",
)
slip(
    spatial_normalization.spatial_batchnorm_forward,
    "maps_in_any_mode",
    {"elif mode == 'test':": "elif True:"},
    hint="raise ValueError",
)

# spatial_batchnorm_backward


@right("spatial_batchnorm_backward")
def maps_back_as_rows(dout: np.ndarray, cache: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x_hat, std, scale = cache
    N, C, H, W = dout.shape
    d, h = (value.transpose(0, 2, 3, 1).reshape(-1, C) for value in (dout, x_hat))
    dgamma, dbeta = (d * h).sum(axis=0), d.sum(axis=0)
    dx = (len(d) * d - dbeta - h * dgamma) * scale.ravel() / (len(d) * std.ravel())
    return dx.reshape(N, H, W, C).transpose(0, 3, 1, 2), dgamma, dbeta


@right("spatial_batchnorm_backward")
def maps_back_channel_by_channel(
    dout: np.ndarray, cache: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x_hat, std, scale = cache
    dx = np.zeros_like(dout)
    dgamma, dbeta = np.zeros(dout.shape[1]), np.zeros(dout.shape[1])
    for c in range(dout.shape[1]):
        d, h = dout[:, c], x_hat[:, c]
        dgamma[c], dbeta[c] = np.vdot(d, h), d.sum()
        dx[:, c] = scale[c, 0, 0] * (d - d.mean() - h * (d * h).mean()) / std[c, 0, 0]
    return dx, dgamma, dbeta


slip(
    spatial_normalization.spatial_batchnorm_backward,
    "maps_back_divided_by_the_batch",
    {"n = dout.size // dout.shape[1]": "n = len(dout)"},
    hint="divided by the number of examples",
)
slip(
    spatial_normalization.spatial_batchnorm_backward,
    "maps_back_with_sums",
    {"v[:, None, None] / n": "v[:, None, None]"},
    hint="here they are sums",
)
slip(
    spatial_normalization.spatial_batchnorm_backward,
    "maps_back_without_the_mean",
    {"dout - level - x_hat": "dout - x_hat"},
    hint="the way through the mean is missing",
)
slip(
    spatial_normalization.spatial_batchnorm_backward,
    "maps_back_without_the_variance",
    {"dout - level - x_hat * along": "dout - level"},
    hint="the way through the variance is missing",
)
slip(
    spatial_normalization.spatial_batchnorm_backward,
    "maps_back_with_constant_statistics",
    {"dout - level - x_hat * along": "dout"},
    hint="taken for constants",
)
slip(
    spatial_normalization.spatial_batchnorm_backward,
    "maps_back_without_gamma",
    {"scale / std * (": "1 / std * ("},
    hint="gamma is missing on the way to x",
)
slip(
    spatial_normalization.spatial_batchnorm_backward,
    "maps_back_by_images",
    {
        "dx = scale / std * (dout - level - x_hat * along)": (
            "level = dout.mean(axis=(2, 3), keepdims=True)\n"
            "    along = (dout * x_hat).mean(axis=(2, 3), keepdims=True)\n"
            "    dx = scale / std * (dout - level - x_hat * along)"
        )
    },
    hint="of single images",
)
slip(
    spatial_normalization.spatial_batchnorm_backward,
    "maps_back_by_places",
    {
        "dx = scale / std * (dout - level - x_hat * along)": (
            "dx = scale / std * (dout - dout.mean(axis=0) - x_hat * (dout * x_hat).mean(axis=0))"
        )
    },
    hint="of single places",
)
slip(
    spatial_normalization.spatial_batchnorm_backward,
    "maps_back_with_means_for_gamma_and_beta",
    {"return (dx, dgamma, dbeta)": "return (dx, dgamma / n, dbeta / n)"},
    hint="is a sum over the batch, not a mean",
)
slip(
    spatial_normalization.spatial_batchnorm_backward,
    "maps_back_with_gamma_in_its_shape_of_broadcast",
    {"return (dx, dgamma, dbeta)": "return (dx, dgamma[:, None, None], dbeta[:, None, None])"},
    hint="a squeeze or a keepdim",
)

# spatial_groupnorm_forward


@right("spatial_groupnorm_forward")
def groups_with_a_dict(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, G: int, gn_param: dict[str, Any]
) -> tuple[np.ndarray, Any]:
    N, C, H, W = x.shape
    if C % G != 0:
        raise ValueError("G")
    grouped = x.reshape(N, G, C // G, H, W)
    mean = grouped.mean(axis=(2, 3, 4), keepdims=True)
    inverse = 1 / np.sqrt(grouped.var(axis=(2, 3, 4), keepdims=True) + gn_param.get("eps", 1e-5))
    x_hat = ((grouped - mean) * inverse).reshape(x.shape)
    out = x_hat * gamma.reshape(1, C, 1, 1) + beta.reshape(1, C, 1, 1)
    return out, {"G": G, "inverse": inverse, "x_hat": x_hat, "gamma": gamma}


@right("spatial_groupnorm_forward")
def groups_one_by_one(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, G: int, gn_param: dict[str, Any]
) -> tuple[np.ndarray, Any]:
    class Cache:
        def __init__(self, G: int) -> None:
            self.G = G
            self.std: dict[tuple[int, int], float] = {}

    size, rest = divmod(x.shape[1], G)
    if rest:
        raise ValueError(f"{G} does not divide {x.shape[1]}")
    cache, out = Cache(G), x.copy()
    for n in range(len(x)):
        for g in range(G):
            group = out[n, g * size : (g + 1) * size]
            cache.std[n, g] = float(np.sqrt(group.var() + gn_param.get("eps", 1e-5)))
            group -= group.mean()
            group /= cache.std[n, g]
    out *= gamma[:, None, None]
    out += beta[:, None, None]
    return out, cache


slip(
    spatial_normalization.spatial_groupnorm_forward,
    "groups_that_are_interleaved",
    {
        "groups = x.reshape(N, G, -1)": (
            "groups = x.reshape(N, C // G, G, H * W).swapaxes(1, 2).reshape(N, G, -1)"
        ),
        "((groups - mean) / std).reshape(N, C, H, W)": (
            "((groups - mean) / std).reshape(N, G, C // G, H * W).swapaxes(1, 2)"
            ".reshape(N, C, H, W)"
        ),
    },
    hint="every G-th channel",
)
slip(
    spatial_normalization.spatial_groupnorm_forward,
    "groups_of_G_channels",
    {"groups = x.reshape(N, G, -1)": "groups = x.reshape(N, C // G, -1)"},
    hint="the number of channels of one",
)
slip(
    spatial_normalization.spatial_groupnorm_forward,
    "groups_that_are_ignored",
    {"groups = x.reshape(N, G, -1)": "groups = x.reshape(N, 1, -1)"},
    hint="here all channels of an image share theirs",
)
slip(
    spatial_normalization.spatial_groupnorm_forward,
    "groups_of_one_channel",
    {"groups = x.reshape(N, G, -1)": "groups = x.reshape(N, C, -1)"},
    hint="here each channel has its own",
)
slip(
    spatial_normalization.spatial_groupnorm_forward,
    "groups_across_the_batch",
    {
        "mean, var = (groups.mean(axis=2, keepdims=True), groups.var(axis=2, keepdims=True))": (
            "mean = groups.mean(axis=(0, 2), keepdims=True)\n"
            "    var = groups.var(axis=(0, 2), keepdims=True)"
        )
    },
    hint="here the batch shares them",
)
slip(
    spatial_normalization.spatial_groupnorm_forward,
    "groups_place_by_place",
    {
        "groups = x.reshape(N, G, -1)": "groups = x.reshape(N, G, C // G, H * W)",
    },
    hint="here each place has its own",
)
slip(
    spatial_normalization.spatial_groupnorm_forward,
    "groups_with_an_unbiased_variance",
    {"groups.var(axis=2, keepdims=True)": "groups.var(axis=2, keepdims=True, ddof=1)"},
    hint="the variance is biased",
)
slip(
    spatial_normalization.spatial_groupnorm_forward,
    "groups_with_eps_outside_of_the_root",
    {"np.sqrt(var + eps)": "np.sqrt(var) + eps"},
    hint="under the root",
)
slip(
    spatial_normalization.spatial_groupnorm_forward,
    "groups_without_eps",
    {"np.sqrt(var + eps)": "np.sqrt(var)"},
    hint="eps is missing",
)
slip(
    spatial_normalization.spatial_groupnorm_forward,
    "groups_with_an_eps_of_their_own",
    {"gn_param.get('eps', 1e-05)": "1e-5"},
    hint="eps comes with gn_param",
)
slip(
    spatial_normalization.spatial_groupnorm_forward,
    "groups_that_must_be_given_eps",
    {"gn_param.get('eps', 1e-05)": "gn_param['eps']"},
    hint="need not hold every key",
)
slip(
    spatial_normalization.spatial_groupnorm_forward,
    "groups_without_gamma",
    {"scale * x_hat + beta": "x_hat + beta"},
    hint="gamma is missing",
)
slip(
    spatial_normalization.spatial_groupnorm_forward,
    "groups_that_do_not_divide",
    {"if C % G:": "if G > C:"},
    hint="raise ValueError where G does not divide",
)
slip(
    spatial_normalization.spatial_groupnorm_forward,
    "groups_normalised_in_place",
    {
        "x_hat = ((groups - mean) / std)": "groups -= mean\n    x_hat = (groups / std)",
    },
    hint="belongs to the caller",
)

# spatial_groupnorm_backward


@right("spatial_groupnorm_backward")
def groups_back_in_five_dimensions(
    dout: np.ndarray, cache: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x_hat, std, scale = cache
    N, _, H, W = dout.shape
    shape, axes = (N, std.shape[1], -1, H, W), (2, 3, 4)
    d, h = (dout * scale).reshape(shape), x_hat.reshape(shape)
    n = d[0, 0].size
    dx = n * d - d.sum(axis=axes, keepdims=True) - h * (d * h).sum(axis=axes, keepdims=True)
    dx /= n * std.reshape(N, -1, 1, 1, 1)
    gammas = np.einsum("nchw,nchw->c", dout, x_hat)
    return dx.reshape(dout.shape), gammas, np.einsum("nchw->c", dout)


@right("spatial_groupnorm_backward")
def groups_back_one_by_one(
    dout: np.ndarray, cache: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x_hat, std, scale = cache
    dx, size = scale * dout, dout.shape[1] // std.shape[1]
    for n in range(len(dout)):
        for g in range(std.shape[1]):
            part = slice(g * size, (g + 1) * size)
            d, h = dx[n, part], x_hat[n, part]
            dx[n, part] = (d - d.mean() - h * (d * h).mean()) / std[n, g, 0]
    sums = [np.array([v[:, c].sum() for c in range(v.shape[1])]) for v in (dout * x_hat, dout)]
    return dx, sums[0], sums[1]


slip(
    spatial_normalization.spatial_groupnorm_backward,
    "groups_back_by_channels",
    {
        "d_hat.mean(axis=2, keepdims=True)": (
            "d_hat.reshape(dout.shape).mean(axis=(2, 3), keepdims=True)"
        ),
        "(d_hat * groups).mean(axis=2, keepdims=True)": (
            "(d_hat * groups).reshape(dout.shape).mean(axis=(2, 3), keepdims=True)"
        ),
        "dx = ((d_hat - level - groups * along) / std).reshape(dout.shape)": (
            "dx = d_hat.reshape(dout.shape) - level - x_hat * along\n"
            "    dx = (dx.reshape(N, G, -1) / std).reshape(dout.shape)"
        ),
    },
    hint="those of a channel",
)
slip(
    spatial_normalization.spatial_groupnorm_backward,
    "groups_back_by_images",
    {
        "d_hat.mean(axis=2, keepdims=True)": "d_hat.mean(axis=(1, 2), keepdims=True)",
        "(d_hat * groups).mean(axis=2, keepdims=True)": (
            "(d_hat * groups).mean(axis=(1, 2), keepdims=True)"
        ),
    },
    hint="here all its channels share them",
)
slip(
    spatial_normalization.spatial_groupnorm_backward,
    "groups_back_as_batch_normalisation",
    {
        "dx = ((d_hat - level - groups * along) / std).reshape(dout.shape)": (
            "d = dout * scale\n"
            "    dx = d - d.mean(axis=places, keepdims=True)\n"
            "    dx = dx - x_hat * (d * x_hat).mean(axis=places, keepdims=True)\n"
            "    dx = (dx.reshape(N, G, -1) / std).reshape(dout.shape)"
        )
    },
    hint="those of batch normalisation",
)
slip(
    spatial_normalization.spatial_groupnorm_backward,
    "groups_back_with_gamma_as_a_common_factor",
    {
        "for v in (dout * scale, x_hat)": "for v in (dout, x_hat)",
        ".reshape(dout.shape)": ".reshape(dout.shape) * scale",
    },
    hint="it enters before the means are taken",
)
slip(
    spatial_normalization.spatial_groupnorm_backward,
    "groups_back_without_gamma",
    {"for v in (dout * scale, x_hat)": "for v in (dout, x_hat)"},
    hint="gamma is missing on the way to x",
)
slip(
    spatial_normalization.spatial_groupnorm_backward,
    "groups_back_without_the_mean",
    {"d_hat - level - groups": "d_hat - groups"},
    hint="the way through the mean is missing",
)
slip(
    spatial_normalization.spatial_groupnorm_backward,
    "groups_back_without_the_variance",
    {"d_hat - level - groups * along": "d_hat - level"},
    hint="the way through the variance is missing",
)
slip(
    spatial_normalization.spatial_groupnorm_backward,
    "groups_back_undivided",
    {"(d_hat - level - groups * along) / std": "d_hat - level - groups * along"},
    hint="division by √(σ² + eps) is missing",
)
slip(
    spatial_normalization.spatial_groupnorm_backward,
    "groups_back_with_a_mean_for_gamma",
    {"(dout * x_hat).sum(axis=places)": "(dout * x_hat).mean(axis=places)"},
    hint="gamma is a sum",
)
slip(
    spatial_normalization.spatial_groupnorm_backward,
    "groups_back_with_a_gamma_of_each_group",
    {
        "(dout * x_hat).sum(axis=places), dout.sum(axis=places)": (
            "(dout * x_hat).reshape(N, G, -1).sum(axis=(0, 2)), "
            "dout.reshape(N, G, -1).sum(axis=(0, 2))"
        )
    },
    hint="not to groups or examples",
)
