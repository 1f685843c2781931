"""Update rules: each takes a parameter, its gradient and its state, and returns the next ones."""

from typing import Any

import numpy as np


def sgd(
    w: np.ndarray, dw: np.ndarray, config: dict[str, Any] | None = None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Take one step of gradient descent: next_w = w - learning_rate · dw.

    Book: unit 4, page `update_rules`.

    Args:
        w: a parameter of any shape; not modified.
        dw: gradient of the loss with respect to w, of its shape; not modified.
        config: settings; a missing one has its default, and None stands for an empty dict. Your
            function may change the dict.
            learning_rate: 1e-2 by default.

    Returns:
        next_w: a new array of the shape and the dtype of w.
        config: the dict for the next step, with all settings in it.
    """
    config = {"learning_rate": 1e-2, **(config or {})}
    return w - config["learning_rate"] * dw, config


def sgd_momentum(
    w: np.ndarray, dw: np.ndarray, config: dict[str, Any] | None = None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Take one step of gradient descent with momentum.

    velocity = momentum · velocity - learning_rate · dw, then next_w = w + velocity: the learning
    rate goes into the velocity. torch.optim.SGD keeps it outside: v = momentum · v + dw, then
    w - learning_rate · v.

    Book: unit 4, page `update_rules`.

    Args:
        w: a parameter of any shape; not modified.
        dw: gradient of the loss with respect to w, of its shape; not modified.
        config: settings and state; a missing one has its default, and None stands for an empty
            dict. Your function may change the dict and the arrays in it.
            learning_rate: 1e-2 by default.
            momentum: 0.9 by default.
            velocity: array of the shape of w, zeros by default.

    Returns:
        next_w: a new array of the shape and the dtype of w.
        config: the dict for the next step, with all settings and the new velocity in it.
    """
    config = {"learning_rate": 1e-2, "momentum": 0.9, **(config or {})}
    velocity = config.get("velocity", np.zeros_like(w))
    config["velocity"] = config["momentum"] * velocity - config["learning_rate"] * dw
    return w + config["velocity"], config


def rmsprop(
    w: np.ndarray, dw: np.ndarray, config: dict[str, Any] | None = None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Take one step of RMSProp, which divides each entry by the root of its recent mean square.

    cache = decay_rate · cache + (1 - decay_rate) · dw², then
    next_w = w - learning_rate · dw / (√cache + epsilon), entry by entry. Epsilon stands outside
    the root.

    Book: unit 4, page `update_rules`.

    Args:
        w: a parameter of any shape; not modified.
        dw: gradient of the loss with respect to w, of its shape; not modified.
        config: settings and state; a missing one has its default, and None stands for an empty
            dict. Your function may change the dict and the arrays in it.
            learning_rate: 1e-2 by default.
            decay_rate: 0.99 by default.
            epsilon: 1e-8 by default.
            cache: running mean of the squared gradients, of the shape of w, zeros by default.

    Returns:
        next_w: a new array of the shape and the dtype of w.
        config: the dict for the next step, with all settings and the new cache in it.
    """
    config = {"learning_rate": 1e-2, "decay_rate": 0.99, "epsilon": 1e-8, **(config or {})}
    decay = config["decay_rate"]
    config["cache"] = decay * config.get("cache", np.zeros_like(w)) + (1 - decay) * dw**2
    step = config["learning_rate"] * dw / (np.sqrt(config["cache"]) + config["epsilon"])
    return w - step, config


def adam(
    w: np.ndarray, dw: np.ndarray, config: dict[str, Any] | None = None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Take one step of Adam, with the bias correction.

    t = t + 1; m = beta1 · m + (1 - beta1) · dw; v = beta2 · v + (1 - beta2) · dw²;
    m_hat = m / (1 - beta1^t); v_hat = v / (1 - beta2^t);
    next_w = w - learning_rate · m_hat / (√v_hat + epsilon), entry by entry. The state keeps m and
    v without the correction; epsilon stands outside the root.

    Book: unit 4, page `update_rules`.

    Args:
        w: a parameter of any shape; not modified.
        dw: gradient of the loss with respect to w, of its shape; not modified.
        config: settings and state; a missing one has its default, and None stands for an empty
            dict. Your function may change the dict and the arrays in it.
            learning_rate: 1e-3 by default.
            beta1, beta2: 0.9 and 0.999 by default.
            epsilon: 1e-8 by default.
            m, v: running means of the gradients and of their squares, of the shape of w, zeros by
                default.
            t: number of steps made so far, 0 by default; 1 during the first step and after it.

    Returns:
        next_w: a new array of the shape and the dtype of w.
        config: the dict for the next step, with all settings and the new m, v and t in it.
    """
    defaults = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "t": 0}
    config = {**defaults, **(config or {})}
    beta1, beta2 = config["beta1"], config["beta2"]
    config["t"] += 1
    config["m"] = beta1 * config.get("m", np.zeros_like(w)) + (1 - beta1) * dw
    config["v"] = beta2 * config.get("v", np.zeros_like(w)) + (1 - beta2) * dw**2
    m_hat = config["m"] / (1 - beta1 ** config["t"])
    v_hat = config["v"] / (1 - beta2 ** config["t"])
    return w - config["learning_rate"] * m_hat / (np.sqrt(v_hat) + config["epsilon"]), config
