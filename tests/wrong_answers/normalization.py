"""Answers to the tasks of `solutions.normalization`."""

from typing import Any, NamedTuple

import numpy as np

from solutions import normalization
from tests.wrong_answers import right, slip, wrong

# batchnorm_forward


@right("batchnorm_forward")
def batch_norm_with_a_dict(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, bn_param: dict[str, Any]
) -> tuple[np.ndarray, Any]:
    mode = bn_param["mode"]
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    n, d = x.shape
    bn_param.setdefault("running_mean", np.zeros(d, dtype=x.dtype))
    bn_param.setdefault("running_var", np.zeros(d, dtype=x.dtype))
    if mode == "test":
        scale = gamma / np.sqrt(bn_param["running_var"] + eps)
        return x * scale + (beta - bn_param["running_mean"] * scale), None
    if mode != "train":
        raise ValueError(mode)
    mean = np.sum(x, axis=0) / n
    centred = x - mean
    var = (centred**2).sum(axis=0) / n
    bn_param["running_mean"] *= momentum
    bn_param["running_mean"] += (1 - momentum) * mean
    bn_param["running_var"] *= momentum
    bn_param["running_var"] += (1 - momentum) * var
    inverse = (var + eps) ** -0.5
    cache = {"centred": centred, "inverse": inverse, "gamma": gamma, "mode": mode}
    return centred * inverse * gamma + beta, cache


@right("batchnorm_forward")
def batch_norm_feature_by_feature(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, bn_param: dict[str, Any]
) -> tuple[np.ndarray, Any]:
    class Cache:
        def __init__(self) -> None:
            self.x_hat = np.empty_like(x)
            self.std = np.empty_like(gamma)
            self.gamma = gamma

    if bn_param["mode"] not in ("train", "test"):
        raise ValueError("mode")
    eps, momentum = bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    old = [bn_param.get(name, np.zeros(x.shape[1])) for name in ("running_mean", "running_var")]
    new = [np.array(value) for value in old]
    cache, out = Cache(), np.empty_like(x)
    for j in range(x.shape[1]):
        mean, var = old[0][j], old[1][j]
        if bn_param["mode"] == "train":
            mean, var = np.mean(x[:, j]), np.var(x[:, j])
            new[0][j] = momentum * old[0][j] + (1 - momentum) * mean
            new[1][j] = momentum * old[1][j] + (1 - momentum) * var
        cache.std[j] = np.sqrt(var + eps)
        cache.x_hat[:, j] = (x[:, j] - mean) / cache.std[j]
        out[:, j] = gamma[j] * cache.x_hat[:, j] + beta[j]
    bn_param.update(running_mean=new[0], running_var=new[1])
    return out, cache


@right("batchnorm_forward")
def batch_norm_by_mean_squares(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, bn_param: dict[str, Any]
) -> list[Any]:
    class Cache(NamedTuple):
        x_hat: np.ndarray
        std: np.ndarray
        gamma: np.ndarray

    settings = {"eps": 1e-5, "momentum": 0.9, "running_mean": 0.0, "running_var": 0.0} | bn_param
    running = [np.asarray(settings[f"running_{name}"]) for name in ("mean", "var")]
    if settings["mode"] == "train":
        batch = [x.mean(axis=0), (x * x).mean(axis=0) - x.mean(axis=0) ** 2]
        for name, old, new in zip(("mean", "var"), running, batch, strict=True):
            bn_param[f"running_{name}"] = old + (1 - settings["momentum"]) * (new - old)
    elif settings["mode"] == "test":
        batch = running
    else:
        raise ValueError(settings["mode"])
    std = (batch[1] + settings["eps"]) ** 0.5
    cache = Cache((x - batch[0]) / std, std, gamma)
    return [(cache.x_hat * gamma + beta).astype(x.dtype), cache]


slip(
    normalization.batchnorm_forward,
    "batch_norm_with_momentum_as_in_pytorch",
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
    normalization.batchnorm_forward,
    "batch_norm_with_an_unbiased_running_variance",
    {"(1 - momentum) * var": "(1 - momentum) * x.var(axis=0, ddof=1)"},
    hint="running variance takes the biased",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_with_pytorchs_running_statistics",
    {
        "momentum * running_mean + (1 - momentum) * mean": (
            "(1 - momentum) * running_mean + momentum * mean"
        ),
        "momentum * running_var + (1 - momentum) * var": (
            "(1 - momentum) * running_var + momentum * x.var(axis=0, ddof=1)"
        ),
    },
    hint="PyTorch's convention; and the running variance takes the biased",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_with_a_momentum_of_its_own",
    {"bn_param.get('momentum', 0.9)": "0.9"},
    hint="momentum comes with bn_param",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_with_its_own_momentum_and_an_unbiased_running_variance",
    {
        "bn_param.get('momentum', 0.9)": "0.9",
        "(1 - momentum) * var": "(1 - momentum) * x.var(axis=0, ddof=1)",
    },
    hint="is not always 0.9; and the running variance takes the biased",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_that_must_be_given_a_momentum",
    {"bn_param.get('momentum', 0.9)": "bn_param['momentum']"},
    hint="need not hold every key",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_that_must_be_given_statistics_in_test_mode",
    {
        "mean, var = (running_mean, running_var)": (
            "mean, var = (bn_param['running_mean'], bn_param['running_var'])"
        )
    },
    hint="need not hold every key",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_with_ones_in_test_mode",
    {
        "mean, var = (running_mean, running_var)": (
            "mean, var = (running_mean, bn_param.get('running_var', np.ones_like(gamma)))"
        )
    },
    hint="that are missing are zeros",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_with_the_batch_where_statistics_are_missing",
    {
        "mean, var = (running_mean, running_var)": (
            "mean, var = (running_mean, running_var)\n"
            "        if 'running_mean' not in bn_param:\n"
            "            mean, var = (x.mean(axis=0), x.var(axis=0))"
        )
    },
    hint="the running statistics count, not the batch's own",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_that_keeps_deviations",
    {"(1 - momentum) * var": "(1 - momentum) * np.sqrt(var)"},
    hint="standard deviation",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_that_stores_nothing",
    {"bn_param['running_mean'] =": "running_mean =", "bn_param['running_var'] =": "running_var ="},
    hint="store the new statistics",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_that_stores_them_in_a_copy",
    {"if mode == 'train':": "bn_param = dict(bn_param)\n    if mode == 'train':"},
    hint="a copy of bn_param",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_that_forgets_the_old_statistics",
    {
        "momentum * running_mean + (1 - momentum) * mean": "mean",
        "momentum * running_var + (1 - momentum) * var": "var",
    },
    hint="the old statistics are forgotten",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_that_adds_all_of_the_new_statistics",
    {"(1 - momentum) * mean": "mean", "(1 - momentum) * var": "var"},
    hint="weight 1 - momentum, and here all of it",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_that_begins_with_ones",
    {"'running_var', np.zeros_like": "'running_var', np.ones_like"},
    hint="that are missing are zeros",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_that_begins_anew_each_time",
    {"bn_param.get('running_mean', np.zeros_like(gamma))": "np.zeros_like(gamma)"},
    hint="begin with zeros each time",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_with_the_batch_in_test_mode",
    {"mean, var = (running_mean, running_var)": "mean, var = (x.mean(axis=0), x.var(axis=0))"},
    hint="the running statistics count, not the batch's own",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_with_the_batchs_variance_in_test_mode",
    {"mean, var = (running_mean, running_var)": "mean, var = (running_mean, x.var(axis=0))"},
    hint="the batch's own variance",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_with_running_statistics_in_training",
    {
        "(1 - momentum) * var": (
            "(1 - momentum) * var\n        mean, var = (running_mean, running_var)"
        )
    },
    hint="not the running ones",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_with_the_new_running_statistics",
    {
        "(1 - momentum) * var": (
            "(1 - momentum) * var\n"
            "        mean, var = (bn_param['running_mean'], bn_param['running_var'])"
        )
    },
    hint="not the running ones after their change",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_that_updates_in_test_mode",
    {
        "mean, var = (running_mean, running_var)": (
            "mean, var = (running_mean, running_var)\n"
            "        bn_param['running_mean'] = momentum * mean + (1 - momentum) * x.mean(axis=0)"
        )
    },
    hint="change in training alone",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_with_an_unbiased_variance",
    {"x.var(axis=0)": "x.var(axis=0, ddof=1)"},
    hint="the variance is biased",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_with_eps_outside_of_the_root",
    {"np.sqrt(var + eps)": "np.sqrt(var) + eps"},
    hint="under the root",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_without_eps",
    {"np.sqrt(var + eps)": "np.sqrt(var)"},
    hint="eps is missing",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_with_an_eps_of_its_own",
    {"bn_param.get('eps', 1e-05)": "1e-5"},
    hint="eps comes with bn_param",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_divided_by_the_variance",
    {"np.sqrt(var + eps)": "var + eps"},
    hint="root of the variance",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_of_examples",
    {
        "mean, var = (x.mean(axis=0), x.var(axis=0))": (
            "mean, var = (x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True))"
        )
    },
    hint="statistics of each example",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_of_everything",
    {"mean, var = (x.mean(axis=0), x.var(axis=0))": "mean, var = (x.mean(), x.var())"},
    hint="not all entries together",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_without_gamma",
    {"gamma * x_hat + beta": "x_hat + beta"},
    hint="gamma is missing",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_shifted_before_it_is_scaled",
    {"gamma * x_hat + beta": "gamma * (x_hat + beta)"},
    hint="beta is added after that",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_in_place",
    {
        "std = np.sqrt": "x -= mean\n    std = np.sqrt",
        "x_hat = (x - mean) / std": "x_hat = x / std",
    },
    hint="belongs to the caller",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_in_float64",
    {"x_hat = (x - mean) / std": "x_hat = np.zeros(x.shape)\n    x_hat += (x - mean) / std"},
    hint="dtype=x.dtype",
)
slip(
    normalization.batchnorm_forward,
    "batch_norm_in_any_mode",
    {"elif mode == 'test':": "elif True:"},
    hint="raise ValueError",
)


@wrong("batchnorm_forward", hint="forward returns two things")
def batch_norm_without_a_cache(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, bn_param: dict[str, Any]
) -> np.ndarray:
    if bn_param["mode"] not in ("train", "test"):
        raise ValueError(bn_param["mode"])
    return gamma * (x - x.mean(axis=0)) / x.std(axis=0) + beta


# batchnorm_backward


@right("batchnorm_backward")
def batch_norm_along_sums_and_squares(
    dout: np.ndarray, cache: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x_hat, std, gamma = cache
    n = dout.shape[0]
    inverse = 1 / std
    x_mu = x_hat * std
    dbeta = np.sum(dout, axis=0)
    dgamma = np.einsum("nd,nd->d", dout, x_hat)
    dx_hat = dout * gamma
    dvar = np.sum(dx_hat * x_mu, axis=0) * -0.5 * inverse**3
    dmean = np.sum(-dx_hat * inverse, axis=0) + dvar * np.mean(-2 * x_mu, axis=0)
    return dx_hat * inverse + dvar * 2 * x_mu / n + dmean / n, dgamma, dbeta


@right("batchnorm_backward")
def batch_norm_by_its_jacobian(dout: np.ndarray, cache: Any) -> list[np.ndarray]:
    x_hat, std, gamma = cache
    n = len(dout)
    dx = np.zeros_like(dout)
    for j in range(dout.shape[1]):
        jacobian = (np.eye(n) - 1 / n - np.outer(x_hat[:, j], x_hat[:, j]) / n) / std[j]
        dx[:, j] = gamma[j] * jacobian @ dout[:, j]
    return [dx, np.diag(dout.T @ x_hat), dout.T @ np.ones(n)]


slip(
    normalization.batchnorm_backward,
    "batch_norm_with_constant_statistics",
    {"dx = d_centred + d_mean / n": "dx = d_hat / std"},
    hint="taken for constants",
)
slip(
    normalization.batchnorm_backward,
    "batch_norm_without_the_way_through_the_mean",
    {"dx = d_centred + d_mean / n": "dx = d_centred"},
    hint="the way through the mean is missing",
)
slip(
    normalization.batchnorm_backward,
    "batch_norm_without_the_way_through_the_variance",
    {"d_hat / std + d_var * 2 * centred / n": "d_hat / std"},
    hint="the way through the variance is missing",
)
slip(
    normalization.batchnorm_backward,
    "batch_norm_without_the_half_of_the_root",
    {"d_std / (2 * std)": "d_std / std"},
    hint="the half of a root's derivative",
)
slip(
    normalization.batchnorm_backward,
    "batch_norm_without_the_two_of_the_square",
    {"d_var * 2 * centred": "d_var * centred"},
    hint="the 2 of a square's derivative",
)
slip(
    normalization.batchnorm_backward,
    "batch_norm_with_the_sign_of_the_mean",
    {"d_mean = -d_centred": "d_mean = d_centred"},
    hint="the way through the mean has the wrong sign",
)
slip(
    normalization.batchnorm_backward,
    "batch_norm_backward_over_one_less",
    {"n = len(dout)": "n = len(dout) - 1 or 1"},
    hint="divided by n - 1",
)
slip(
    normalization.batchnorm_backward,
    "batch_norm_backward_without_gamma",
    {"d_hat = dout * gamma": "d_hat = dout"},
    hint="gamma is missing on the way to x",
)
slip(
    normalization.batchnorm_backward,
    "batch_norm_backward_with_sums",
    {"2 * centred / n": "2 * centred", "d_mean / n": "d_mean"},
    hint="here they are sums",
)
slip(
    normalization.batchnorm_backward,
    "batch_norm_backward_by_examples",
    {
        "dx = d_centred + d_mean / n": (
            "level = d_hat.mean(axis=1, keepdims=True)\n"
            "    along = (d_hat * x_hat).mean(axis=1, keepdims=True)\n"
            "    dx = (d_hat - level - x_hat * along) / std"
        )
    },
    hint="these are means over the features",
)
slip(
    normalization.batchnorm_backward,
    "batch_norm_with_gamma_of_examples",
    {
        "(dout * x_hat).sum(axis=0), dout.sum(axis=0)": (
            "(dout * x_hat).sum(axis=1), dout.sum(axis=1)"
        )
    },
    hint="not to groups or examples",
)
slip(
    normalization.batchnorm_backward,
    "batch_norm_with_a_mean_for_gamma",
    {"(dout * x_hat).sum(axis=0)": "(dout * x_hat).mean(axis=0)"},
    hint="gamma is a sum",
)
slip(
    normalization.batchnorm_backward,
    "batch_norm_with_a_mean_for_beta",
    {"dout.sum(axis=0))": "dout.mean(axis=0))"},
    hint="beta is a sum",
)
slip(
    normalization.batchnorm_backward,
    "batch_norm_with_gamma_of_what_is_centred",
    {"(dout * x_hat).sum(axis=0)": "(dout * centred).sum(axis=0)"},
    hint="left undivided",
)
slip(
    normalization.batchnorm_backward,
    "batch_norm_with_gamma_in_its_own_gradient",
    {"(dout * x_hat).sum(axis=0)": "(d_hat * x_hat).sum(axis=0)"},
    hint="its own gradient",
)
slip(
    normalization.batchnorm_backward,
    "batch_norm_with_gamma_and_beta_exchanged",
    {
        "(dout * x_hat).sum(axis=0), dout.sum(axis=0)": (
            "dout.sum(axis=0), (dout * x_hat).sum(axis=0)"
        )
    },
    hint="this is the gradient of",
)
slip(
    normalization.batchnorm_backward,
    "batch_norm_that_writes_into_dout",
    {"d_hat = dout * gamma": "d_hat = dout\n    d_hat *= gamma"},
    hint="belongs to the caller",
)
slip(
    normalization.batchnorm_backward,
    "batch_norm_with_the_gradient_of_x_alone",
    {"return (dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0))": "return dx"},
    hint="return three arrays",
)
slip(
    normalization.batchnorm_backward,
    "batch_norm_with_the_sign_of_the_corrections",
    {
        "d_std = -(": "d_std = (",
        "d_mean = -d_centred": "d_mean = d_hat",
        "d_mean / n": "d_mean / (n * std)",
    },
    hint="both correcting terms are subtracted",
)

# batchnorm_backward_alt


@right("batchnorm_backward_alt")
def batch_norm_in_one_line(
    dout: np.ndarray, cache: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x_hat, std, gamma = cache
    n, _ = dout.shape
    dbeta = np.ones(n) @ dout
    dgamma = np.sum(x_hat * dout, axis=0)
    return gamma / (n * std) * (n * dout - dbeta - x_hat * dgamma), dgamma, dbeta


@right("batchnorm_backward_alt")
def batch_norm_by_projection(
    dout: np.ndarray, cache: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x_hat, std, gamma = cache
    centred = dout - dout.mean(axis=0)
    dgamma = (centred * x_hat).sum(axis=0)
    dx = centred - x_hat * dgamma / len(dout)
    dx *= gamma / std
    return dx, dgamma, dout.sum(0)


slip(
    normalization.batchnorm_backward_alt,
    "closed_form_with_sums",
    {"dbeta / n": "dbeta", "dgamma / n": "dgamma"},
    hint="here they are sums",
)
slip(
    normalization.batchnorm_backward_alt,
    "closed_form_without_the_mean",
    {"dout - dbeta / n - ": "dout - "},
    hint="the way through the mean is missing",
)
slip(
    normalization.batchnorm_backward_alt,
    "closed_form_without_the_variance",
    {" - x_hat * (dgamma / n)": ""},
    hint="the way through the variance is missing",
)
slip(
    normalization.batchnorm_backward_alt,
    "closed_form_without_gamma",
    {"gamma / std * (": "1 / std * ("},
    hint="gamma is missing on the way to x",
)
slip(
    normalization.batchnorm_backward_alt,
    "closed_form_undivided",
    {"gamma / std * (": "gamma * ("},
    hint="division by √(σ² + eps) is missing",
)
slip(
    normalization.batchnorm_backward_alt,
    "closed_form_divided_by_the_variance",
    {"gamma / std * (": "gamma / std ** 2 * ("},
    hint="divide by √(σ² + eps) once",
)
slip(
    normalization.batchnorm_backward_alt,
    "closed_form_that_adds",
    {"dout - dbeta / n - x_hat": "dout + dbeta / n + x_hat"},
    hint="both correcting terms are subtracted",
)
slip(
    normalization.batchnorm_backward_alt,
    "closed_form_that_adds_what_the_variance_takes",
    {"- x_hat * (dgamma / n)": "+ x_hat * (dgamma / n)"},
    hint="the way through the variance has the wrong sign",
)
slip(
    normalization.batchnorm_backward_alt,
    "closed_form_without_eps",
    {"gamma / std * (": "gamma / np.sqrt(std ** 2 - 0.1) * ("},  # the eps of the checks
    hint="on the way back too",
)
slip(
    normalization.batchnorm_backward_alt,
    "closed_form_divided_twice",
    {"(dgamma / n)": "(dgamma / n ** 2)", "dbeta / n ": "dbeta / n ** 2 "},
    hint="twice",
)
slip(
    normalization.batchnorm_backward_alt,
    "closed_form_with_means_for_gamma_and_beta",
    {
        "(dout * x_hat).sum(axis=0), dout.sum(axis=0)": (
            "(dout * x_hat).mean(axis=0), dout.mean(axis=0)"
        ),
        "dbeta / n": "dbeta",
        "dgamma / n": "dgamma",
    },
    hint="a sum over the batch, not a mean",
)
slip(
    normalization.batchnorm_backward_alt,
    "closed_form_in_another_order",
    {"return (dx, dgamma, dbeta)": "return (dx, dbeta, dgamma)"},
    hint="this is the gradient of",
)

# layernorm_forward


@right("layernorm_forward")
def layer_norm_with_a_dict(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, ln_param: dict[str, Any]
) -> tuple[np.ndarray, Any]:
    centred = x.T - x.mean(axis=1)
    inverse = 1 / np.sqrt((centred**2).mean(axis=0) + ln_param.get("eps", 1e-5))
    x_hat = (centred * inverse).T
    return x_hat * gamma + beta, {"x_hat": x_hat, "inverse": inverse, "gamma": gamma}


@right("layernorm_forward")
def layer_norm_example_by_example(
    x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, ln_param: dict[str, Any]
) -> tuple[np.ndarray, Any]:
    class Cache:
        pass

    cache: Any = Cache()
    eps = {"eps": 1e-5, **ln_param}["eps"]
    cache.gamma, cache.std, cache.rows = gamma, [], []
    for row in x:
        cache.std.append((row.var() + eps) ** 0.5)
        cache.rows.append((row - row.mean()) / cache.std[-1])
    return np.stack([gamma * row + beta for row in cache.rows]).astype(x.dtype), cache


slip(
    normalization.layernorm_forward,
    "layer_norm_over_the_batch",
    {
        "x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)": (
            "x.mean(axis=0), x.var(axis=0)"
        )
    },
    hint="as batch normalisation takes them",
)
slip(
    normalization.layernorm_forward,
    "layer_norm_of_everything",
    {"x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)": "x.mean(), x.var()"},
    hint="not all entries together",
)
slip(
    normalization.layernorm_forward,
    "layer_norm_without_keepdims",
    {
        "x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)": (
            "x.mean(axis=1), x.var(axis=1)"
        )
    },
    hint="keepdims=True",
)
slip(
    normalization.layernorm_forward,
    "layer_norm_with_an_unbiased_variance",
    {"x.var(axis=1, keepdims=True)": "x.var(axis=1, keepdims=True, ddof=1)"},
    hint="the variance is biased",
)
slip(
    normalization.layernorm_forward,
    "layer_norm_with_eps_outside_of_the_root",
    {"np.sqrt(var + eps)": "np.sqrt(var) + eps"},
    hint="under the root",
)
slip(
    normalization.layernorm_forward,
    "layer_norm_without_eps",
    {"np.sqrt(var + eps)": "np.sqrt(var)"},
    hint="eps is missing",
)
slip(
    normalization.layernorm_forward,
    "layer_norm_with_an_eps_of_its_own",
    {"ln_param.get('eps', 1e-05)": "1e-5"},
    hint="eps comes with ln_param",
)
slip(
    normalization.layernorm_forward,
    "layer_norm_that_must_be_given_eps",
    {"ln_param.get('eps', 1e-05)": "ln_param['eps']"},
    hint="need not hold every key",
)
slip(
    normalization.layernorm_forward,
    "layer_norm_divided_by_the_variance",
    {"np.sqrt(var + eps)": "var + eps"},
    hint="root of the variance",
)
slip(
    normalization.layernorm_forward,
    "layer_norm_without_gamma",
    {"gamma * x_hat + beta": "x_hat + beta"},
    hint="gamma is missing",
)
slip(
    normalization.layernorm_forward,
    "layer_norm_without_beta",
    {"gamma * x_hat + beta": "gamma * x_hat"},
    hint="beta is missing",
)
slip(
    normalization.layernorm_forward,
    "layer_norm_with_running_statistics",
    {"std = np.sqrt": "ln_param['running_mean'] = 0.1 * x.mean(axis=0)\n    std = np.sqrt"},
    hint="no running statistics",
)
slip(
    normalization.layernorm_forward,
    "layer_norm_by_a_root_in_float64",
    {"np.sqrt(var + eps)": "np.hypot(np.sqrt(var), np.sqrt(eps))"},
    hint="a number such as np.sqrt(2)",
)
slip(
    normalization.layernorm_forward,
    "layer_norm_in_float64",
    {"gamma * x_hat + beta,": "np.array(gamma * x_hat + beta, dtype=float),"},
    hint="dtype=x.dtype",
)

# layernorm_backward


@right("layernorm_backward")
def layer_norm_along_the_graph(
    dout: np.ndarray, cache: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x_hat, std, gamma = cache
    d = dout.shape[1]
    x_hat, std, d_hat = x_hat.T, std.ravel(), (dout * gamma).T
    d_std = -(d_hat * x_hat).sum(axis=0) / std
    d_centred = d_hat / std + d_std * x_hat / d
    dx = (d_centred - d_centred.sum(axis=0) / d).T
    return dx, (dout * x_hat.T).sum(axis=0), dout.sum(axis=0)


@right("layernorm_backward")
def layer_norm_in_closed_form(
    dout: np.ndarray, cache: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x_hat, std, gamma = cache
    dx = np.empty_like(dout)
    for i, (g, h) in enumerate(zip(dout * gamma, x_hat, strict=True)):
        d = g.size
        dx[i] = (d * g - g.sum() - h * (g @ h)) / (d * std[i, 0])
    return dx, np.einsum("nd,nd->d", dout, x_hat), np.einsum("nd->d", dout)


slip(
    normalization.layernorm_backward,
    "layer_norm_with_means_over_the_batch",
    {
        "d_hat.mean(axis=1, keepdims=True)": "d_hat.mean(axis=0)",
        "(d_hat * x_hat).mean(axis=1, keepdims=True)": "(d_hat * x_hat).mean(axis=0)",
    },
    hint="these are means over the batch",
)
slip(
    normalization.layernorm_backward,
    "layer_norm_with_gamma_as_a_common_factor",
    {
        "d_hat = dout * gamma": "d_hat = dout",
        "dx = (d_hat - level - x_hat * along) / std": (
            "dx = gamma * (d_hat - level - x_hat * along) / std"
        ),
    },
    hint="gamma differs from feature to feature",
)
slip(
    normalization.layernorm_backward,
    "layer_norm_backward_without_gamma",
    {"d_hat = dout * gamma": "d_hat = dout"},
    hint="gamma is missing on the way to x",
)
slip(
    normalization.layernorm_backward,
    "layer_norm_with_constant_statistics",
    {"d_hat - level - x_hat * along": "d_hat"},
    hint="taken for constants",
)
slip(
    normalization.layernorm_backward,
    "layer_norm_without_the_mean",
    {"d_hat - level - x_hat": "d_hat - x_hat"},
    hint="the way through the mean is missing",
)
slip(
    normalization.layernorm_backward,
    "layer_norm_without_the_variance",
    {"d_hat - level - x_hat * along": "d_hat - level"},
    hint="the way through the variance is missing",
)
slip(
    normalization.layernorm_backward,
    "layer_norm_undivided",
    {"(d_hat - level - x_hat * along) / std": "d_hat - level - x_hat * along"},
    hint="division by √(σ² + eps) is missing",
)
slip(
    normalization.layernorm_backward,
    "layer_norm_with_gamma_of_examples",
    {
        "(dout * x_hat).sum(axis=0), dout.sum(axis=0)": (
            "(dout * x_hat).sum(axis=1), dout.sum(axis=1)"
        )
    },
    hint="not to groups or examples",
)
slip(
    normalization.layernorm_backward,
    "layer_norm_with_a_mean_for_gamma",
    {"(dout * x_hat).sum(axis=0)": "(dout * x_hat).mean(axis=0)"},
    hint="gamma is a sum",
)
slip(
    normalization.layernorm_backward,
    "layer_norm_with_gamma_and_beta_exchanged",
    {
        "(dout * x_hat).sum(axis=0), dout.sum(axis=0)": (
            "dout.sum(axis=0), (dout * x_hat).sum(axis=0)"
        )
    },
    hint="this is the gradient of",
)
