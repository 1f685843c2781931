"""Answers to the tasks of `solutions.update_rules`."""

from typing import Any

import numpy as np

from solutions import update_rules
from tests.wrong_answers import right, slip, wrong

# sgd


@right("sgd")
def sgd_with_setdefault(
    w: np.ndarray, dw: np.ndarray, config: dict[str, Any] | None = None
) -> tuple[np.ndarray, dict[str, Any]]:
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    next_w = w.copy()
    next_w -= config["learning_rate"] * dw
    return next_w, config


@right("sgd")
def sgd_as_a_list(w: np.ndarray, dw: np.ndarray, config: dict[str, Any] | None = None) -> Any:
    config = dict(config) if config else {}
    eta = config["learning_rate"] = config.get("learning_rate", 0.01)
    return [np.add(w, np.multiply(-eta, dw)), config]


slip(
    update_rules.sgd,
    "sgd_in_place",
    {
        "return (w - config['learning_rate'] * dw, config)": (
            "w -= config['learning_rate'] * dw\n    return (w, config)"
        )
    },
    hint="belongs to the caller",
)

slip(update_rules.sgd, "sgd_uphill", {"w - config": "w + config"}, hint="uphill")

slip(
    update_rules.sgd,
    "sgd_without_a_rate",
    {"config['learning_rate'] * dw": "dw"},
    hint="learning rate is missing",
)

slip(
    update_rules.sgd,
    "sgd_gives_the_step",
    {"w - config['learning_rate'] * dw": "-config['learning_rate'] * dw"},
    hint="the step, not the parameter",
)

slip(
    update_rules.sgd,
    "sgd_with_another_default",
    {"0.01": "0.001"},
    hint="default",
)

slip(
    update_rules.sgd,
    "sgd_with_the_default_always",
    {"{'learning_rate': 0.01, **(config or {})}": "{**(config or {}), 'learning_rate': 0.01}"},
    hint="not the default",
)

slip(
    update_rules.sgd,
    "sgd_without_its_config",
    {"(w - config['learning_rate'] * dw, config)": "w - config['learning_rate'] * dw"},
    hint="return next_w, config",
)

slip(
    update_rules.sgd,
    "sgd_needs_a_config",
    {"{'learning_rate': 0.01, **(config or {})}": "config"},
    hint="None",
)


@wrong("sgd", hint="config may be None")
def an_empty_dict_for_none(
    w: np.ndarray,
    dw: np.ndarray,
    config: dict[str, Any] = {},  # noqa: B006 - the mistake
) -> tuple[np.ndarray, dict[str, Any]]:
    config = {"learning_rate": 1e-2, **config}
    return w - config["learning_rate"] * dw, config


# sgd_momentum


@right("sgd_momentum")
def momentum_with_setdefault(
    w: np.ndarray, dw: np.ndarray, config: dict[str, Any] | None = None
) -> tuple[np.ndarray, dict[str, Any]]:
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    velocity = config.setdefault("velocity", np.zeros_like(w))
    velocity *= config["momentum"]
    velocity -= config["learning_rate"] * dw
    return w + velocity, config


@right("sgd_momentum")
def momentum_with_a_new_dict(
    w: np.ndarray, dw: np.ndarray, config: dict[str, Any] | None = None
) -> tuple[np.ndarray, dict[str, Any]]:
    given = {} if config is None else config
    eta, mu = given.get("learning_rate", 1e-2), given.get("momentum", 0.9)
    v = -eta * dw
    if given.get("velocity") is not None:
        v = v + mu * given["velocity"]
    return np.add(w, v), {"learning_rate": eta, "momentum": mu, "velocity": v}


slip(
    update_rules.sgd_momentum,
    "velocity_of_pytorch",
    {
        "config['momentum'] * velocity - config['learning_rate'] * dw": (
            "config['momentum'] * velocity + dw"
        ),
        "w + config['velocity']": "w - config['learning_rate'] * config['velocity']",
    },
    hint="PyTorch's convention",
)

slip(
    update_rules.sgd_momentum,
    "momentum_uphill",
    {"velocity - config": "velocity + config"},
    hint="uphill",
)

slip(
    update_rules.sgd_momentum,
    "velocity_subtracted",
    {"w + config['velocity']": "w - config['velocity']"},
    hint="the velocity is added",
)

slip(
    update_rules.sgd_momentum,
    "velocity_is_not_kept",
    {
        "config['velocity'] = config['momentum']": "velocity = config['momentum']",
        "w + config['velocity']": "w + velocity",
    },
    hint="keep the velocity",
)

slip(
    update_rules.sgd_momentum,
    "velocity_is_forgotten",
    {"config['momentum'] * velocity - config": "-config"},
    hint="momentum · velocity is missing",
)

slip(
    update_rules.sgd_momentum,
    "velocity_as_a_mean",
    {"config['learning_rate'] * dw": "(1 - config['momentum']) * config['learning_rate'] * dw"},
    hint="not weighted by 1 - momentum",
)

slip(
    update_rules.sgd_momentum,
    "moves_by_the_old_velocity",
    {"w + config['velocity']": "w + velocity"},
    hint="the new velocity",
)

slip(
    update_rules.sgd_momentum,
    "step_of_nesterov",
    {
        "w + config['velocity']": (
            "w + config['momentum'] * config['velocity'] - config['learning_rate'] * dw"
        )
    },
    hint="Nesterov",
)

slip(
    update_rules.sgd_momentum,
    "momentum_in_place",
    {"return (w + config['velocity'], config)": "w += config['velocity']\n    return (w, config)"},
    hint="belongs to the caller",
)

slip(
    update_rules.sgd_momentum,
    "momentum_of_a_half",
    {"0.9": "0.5"},
    hint="default",
)


slip(
    update_rules.sgd_momentum,
    "defaults_for_none_alone",
    {"**(config or {})}": "}", "config = {": "config = config or {"},
    hint="lack a setting",
)

slip(
    update_rules.sgd_momentum,
    "velocity_alone_is_returned",
    {
        "return (w + config['velocity'], config)": (
            "return (w + config['velocity'], {'velocity': config['velocity']})"
        )
    },
    hint="holds every setting",
)


@wrong("sgd_momentum", hint="shared by all parameters")
def one_velocity_for_every_shape(
    w: np.ndarray,
    dw: np.ndarray,
    config: dict[str, Any] = {},  # noqa: B006 - the mistake
) -> tuple[np.ndarray, dict[str, Any]]:
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    velocity = config.setdefault("velocity", np.zeros_like(w))
    config["velocity"] = config["momentum"] * velocity - config["learning_rate"] * dw
    return w + config["velocity"], config


@wrong("sgd_momentum", hint="shared by all parameters")
def one_velocity_for_all(
    w: np.ndarray,
    dw: np.ndarray,
    config: dict[str, Any] = {},  # noqa: B006 - the mistake
) -> tuple[np.ndarray, dict[str, Any]]:
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    velocity = config.setdefault("velocity", np.zeros_like(w))
    if velocity.shape != w.shape:
        velocity = np.zeros_like(w)
    config["velocity"] = config["momentum"] * velocity - config["learning_rate"] * dw
    return w + config["velocity"], config


# rmsprop


@right("rmsprop")
def rmsprop_with_setdefault(
    w: np.ndarray, dw: np.ndarray, config: dict[str, Any] | None = None
) -> tuple[np.ndarray, dict[str, Any]]:
    config = {} if config is None else config
    for key, value in (("learning_rate", 1e-2), ("decay_rate", 0.99), ("epsilon", 1e-8)):
        config.setdefault(key, value)
    cache = config.setdefault("cache", np.zeros_like(w))
    cache += (1 - config["decay_rate"]) * (dw * dw - cache)
    return w - config["learning_rate"] * dw / (cache**0.5 + config["epsilon"]), config


@right("rmsprop")
def rmsprop_with_a_new_dict(
    w: np.ndarray, dw: np.ndarray, config: dict[str, Any] | None = None
) -> tuple[np.ndarray, dict[str, Any]]:
    new: dict[str, Any] = {
        "learning_rate": 1e-2,
        "decay_rate": 0.99,
        "epsilon": 1e-8,
        "cache": np.zeros_like(w),
    }
    new.update(config or {})
    new["cache"] = new["cache"] * new["decay_rate"] + np.square(dw) * (1 - new["decay_rate"])
    rates = new["learning_rate"] / (np.sqrt(new["cache"]) + new["epsilon"])
    return w - rates * dw, new


ROOT = "np.sqrt(config['cache']) + config['epsilon']"

slip(
    update_rules.rmsprop,
    "epsilon_under_the_root",
    {ROOT: "np.sqrt(config['cache'] + config['epsilon'])"},
    hint="epsilon stands outside",
)

slip(
    update_rules.rmsprop,
    "divides_by_the_mean_square",
    {ROOT: "config['cache'] + config['epsilon']"},
    hint="root is missing",
)

slip(
    update_rules.rmsprop,
    "weights_exchanged",
    {
        "decay * config": "(1 - decay) * config",
        "(1 - decay) * dw ** 2": "decay * dw ** 2",
    },
    hint="decay_rate · cache",
)

slip(
    update_rules.rmsprop,
    "sum_of_all_squares",
    {"decay * config": "config", "(1 - decay) * dw ** 2": "dw ** 2"},
    hint="AdaGrad",
)

slip(
    update_rules.rmsprop,
    "gradient_not_squared",
    {"(1 - decay) * dw ** 2": "(1 - decay) * np.abs(dw)"},
    hint="square of the gradient",
)

slip(
    update_rules.rmsprop,
    "mean_of_the_gradient",
    {"(1 - decay) * dw ** 2": "(1 - decay) * dw"},
    hint="has no root",
)

slip(
    update_rules.rmsprop,
    "rmsprop_defaults_for_none_alone",
    {"**(config or {})}": "}", "config = {": "config = config or {"},
    hint="lack a setting",
)

slip(
    update_rules.rmsprop,
    "cache_is_not_kept",
    {
        "config['cache'] = decay": "cache = decay",
        ROOT: "np.sqrt(cache) + config['epsilon']",
    },
    hint="keep the cache",
)

slip(
    update_rules.rmsprop,
    "old_cache_divides",
    {
        "decay = config['decay_rate']": (
            "decay, old = config['decay_rate'], config.get('cache', np.zeros_like(w))"
        ),
        ROOT: "np.sqrt(old) + config['epsilon']",
    },
    hint="the new cache",
)

slip(
    update_rules.rmsprop,
    "one_rate_for_all_entries",
    {ROOT: "np.sqrt(config['cache'].mean()) + config['epsilon']"},
    hint="entry by entry",
)

slip(
    update_rules.rmsprop,
    "rmsprop_uphill",
    {"w - step": "w + step"},
    hint="uphill",
)

slip(
    update_rules.rmsprop,
    "decays_as_in_pytorch_examples",
    {"0.99": "0.9"},
    hint="default",
)

slip(
    update_rules.rmsprop,
    "rmsprop_without_epsilon",
    {ROOT: "np.sqrt(config['cache'])"},
    hint="epsilon is missing",
)


# adam


@right("adam")
def adam_with_setdefault(
    w: np.ndarray, dw: np.ndarray, config: dict[str, Any] | None = None
) -> tuple[np.ndarray, dict[str, Any]]:
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-3)
    config.setdefault("beta1", 0.9)
    config.setdefault("beta2", 0.999)
    config.setdefault("epsilon", 1e-8)
    config.setdefault("m", np.zeros_like(w))
    config.setdefault("v", np.zeros_like(w))
    config.setdefault("t", 0)
    config["t"] = config["t"] + 1
    config["m"] *= config["beta1"]
    config["m"] += (1 - config["beta1"]) * dw
    config["v"] *= config["beta2"]
    config["v"] += (1 - config["beta2"]) * dw * dw
    first = config["m"] / (1 - np.power(config["beta1"], config["t"]))
    second = config["v"] / (1 - np.power(config["beta2"], config["t"]))
    step = first / (np.sqrt(second) + config["epsilon"])
    return (w - config["learning_rate"] * step).astype(w.dtype), config


@right("adam")
def adam_with_the_correction_in_the_rate(
    w: np.ndarray, dw: np.ndarray, config: dict[str, Any] | None = None
) -> tuple[np.ndarray, dict[str, Any]]:
    c: dict[str, Any] = {
        "learning_rate": 1e-3,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "t": 0,
    }
    c = {**c, "m": 0 * w, "v": 0 * w, **(config or {})}
    t, b1, b2 = int(c["t"]) + 1, c["beta1"], c["beta2"]
    m = dw + b1 * (c["m"] - dw)
    v = dw**2 + b2 * (c["v"] - dw**2)
    root = (1 - b2**t) ** 0.5
    rate = c["learning_rate"] * root / (1 - b1**t)
    return w - rate * m / (np.sqrt(v) + root * c["epsilon"]), {**c, "t": t, "m": m, "v": v}


M_HAT = "config['m'] / (1 - beta1 ** config['t'])"
V_HAT = "config['v'] / (1 - beta2 ** config['t'])"

slip(
    update_rules.adam,
    "no_bias_correction",
    {M_HAT: "config['m']", V_HAT: "config['v']"},
    hint="bias correction is missing",
)

slip(
    update_rules.adam,
    "first_moment_not_corrected",
    {M_HAT: "config['m']"},
    hint="m / (1 - beta1^t)",
)

slip(
    update_rules.adam,
    "second_moment_not_corrected",
    {V_HAT: "config['v']"},
    hint="v / (1 - beta2^t)",
)

slip(
    update_rules.adam,
    "counts_from_zero",
    {
        "    config['t'] += 1\n": "",
        "    return": "    config['t'] += 1\n    return",
    },
    hint="t counts from 1",
)

slip(
    update_rules.adam,
    "t_is_not_kept",
    {
        "config['t'] += 1": "t = config['t'] + 1",
        "beta1 ** config['t']": "beta1 ** t",
        "beta2 ** config['t']": "beta2 ** t",
    },
    hint="t is the number of steps",
)

slip(
    update_rules.adam,
    "epsilon_inside",
    {"(np.sqrt(v_hat) + config['epsilon'])": "np.sqrt(v_hat + config['epsilon'])"},
    hint="epsilon stands outside",
)

slip(
    update_rules.adam,
    "betas_exchanged",
    {"(config['beta1'], config['beta2'])": "(config['beta2'], config['beta1'])"},
    hint="beta1 belongs to m",
)

slip(
    update_rules.adam,
    "keeps_the_corrected_moments",
    {
        M_HAT: "config['m'] = config['m'] / (1 - beta1 ** config['t'])",
        V_HAT: "config['v'] = config['v'] / (1 - beta2 ** config['t'])",
    },
    hint="without the correction",
)

slip(
    update_rules.adam,
    "product_for_the_power",
    {"beta1 ** config['t']": "beta1 * config['t']", "beta2 ** config['t']": "beta2 * config['t']"},
    hint="to the power of t",
)

slip(
    update_rules.adam,
    "second_moment_of_the_gradient",
    {"(1 - beta2) * dw ** 2": "(1 - beta2) * np.abs(dw)"},
    hint="square of the gradient",
)

slip(
    update_rules.adam,
    "root_of_the_mean_gradient",
    {"(1 - beta2) * dw ** 2": "(1 - beta2) * dw"},
    hint="has no root",
)

slip(
    update_rules.adam,
    "epsilon_beside_v",
    {
        M_HAT: "config['m'] * np.sqrt(1 - beta2 ** config['t']) / (1 - beta1 ** config['t'])",
        V_HAT: "config['v']",
    },
    hint="added to the root of v_hat",
)

slip(
    update_rules.adam,
    "correction_in_float64",
    {V_HAT: "(np.sqrt(config['v']) / np.sqrt(1 - beta2 ** config['t'])) ** 2"},
    hint="numbers of NumPy",
)

slip(
    update_rules.adam,
    "moments_are_not_kept",
    {
        "config['m'] = beta1": "m = beta1",
        "config['v'] = beta2": "v = beta2",
        M_HAT: "m / (1 - beta1 ** config['t'])",
        V_HAT: "v / (1 - beta2 ** config['t'])",
    },
    hint="keep m and v",
)

slip(
    update_rules.adam,
    "adam_in_place",
    {
        "return (w - config": "w[...] = (w - config",
        "(np.sqrt(v_hat) + config['epsilon']), config)": (
            "(np.sqrt(v_hat) + config['epsilon']))\n    return (w, config)"
        ),
    },
    hint="belongs to the caller",
)

slip(
    update_rules.adam,
    "adam_without_the_root",
    {"np.sqrt(v_hat)": "v_hat"},
    hint="root is missing",
)

slip(
    update_rules.adam,
    "adam_at_the_rate_of_sgd",
    {"'learning_rate': 0.001": "'learning_rate': 0.01"},
    hint="default",
)

slip(
    update_rules.adam,
    "adam_uphill",
    {"(w - config": "(w + config"},
    hint="uphill",
)
