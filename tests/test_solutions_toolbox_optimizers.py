"""The reference solutions of `toolbox_optimizers` against torch's optimizers and distributions."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from solutions.search import log_uniform, refine, select
from solutions.update_rules import adam, rmsprop, sgd, sgd_momentum

Rule = Callable[..., tuple[np.ndarray, dict[str, Any]]]
RULES: dict[Rule, tuple[type, dict[str, Any], dict[str, Any]]] = {
    sgd: (torch.optim.SGD, {"lr": 0.3}, {"learning_rate": 0.3}),
    sgd_momentum: (
        torch.optim.SGD,
        {"lr": 0.3, "momentum": 0.8},
        {"learning_rate": 0.3, "momentum": 0.8},
    ),
    rmsprop: (
        torch.optim.RMSprop,
        {"lr": 0.3, "alpha": 0.9, "eps": 0.1},
        {"learning_rate": 0.3, "decay_rate": 0.9, "epsilon": 0.1},
    ),
    adam: (
        torch.optim.Adam,
        {"lr": 0.3, "betas": (0.8, 0.95), "eps": 0.1},
        {"learning_rate": 0.3, "beta1": 0.8, "beta2": 0.95, "epsilon": 0.1},
    ),
}
rules = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@rules
def test_rule_is_that_of_the_library(rule: Rule) -> None:
    optimizer_class, options, config = RULES[rule]
    w, config = normal(3, 4), dict(config)
    leaf = torch.tensor(w, requires_grad=True)
    optimizer = optimizer_class([leaf], **options)
    for number in range(6):
        dw = normal(3, 4, seed=number + 1)
        before = w.copy(), dw.copy()
        leaf.grad = torch.from_numpy(dw.copy())
        optimizer.step()
        next_w, config = rule(w, dw, config)
        np.testing.assert_array_equal((w, dw), before)
        np.testing.assert_allclose(next_w, leaf.detach(), rtol=1e-12, atol=1e-14)
        w = next_w


@rules
def test_defaults_are_those_of_the_library(rule: Rule) -> None:
    rates = {sgd: 1e-2, sgd_momentum: 1e-2, rmsprop: 1e-2, adam: 1e-3}
    momentum = {"momentum": 0.9} if rule is sgd_momentum else {}
    leaf = torch.tensor(normal(5), requires_grad=True)
    optimizer = RULES[rule][0]([leaf], lr=rates[rule], **momentum)
    w, config = normal(5), None
    for number in range(3):
        dw = normal(5, seed=number + 1)
        leaf.grad = torch.from_numpy(dw.copy())
        optimizer.step()
        w, config = rule(w, dw, config)
    np.testing.assert_allclose(w, leaf.detach(), rtol=1e-12)


@rules
def test_rule_keeps_float32_and_leaves_a_given_dict(rule: Rule) -> None:
    w, given = normal(2, 3).astype(np.float32), {"learning_rate": 0.1}
    next_w, config = rule(w, w, given)
    assert (next_w.dtype, given) == (np.float32, {"learning_rate": 0.1})
    assert rule(w, w, config)[0].dtype == np.float32


def test_velocity_differs_from_the_librarys_when_the_rate_changes() -> None:
    leaf = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([leaf], lr=0.1, momentum=0.5)
    w, config = np.zeros(1), {"learning_rate": 0.1, "momentum": 0.5}
    for rate in (0.1, 0.01):
        optimizer.param_groups[0]["lr"] = config["learning_rate"] = rate
        leaf.grad = torch.ones_like(leaf)
        optimizer.step()
        w, config = sgd_momentum(w, np.ones(1), config)
    assert w[0] == pytest.approx(-0.1 - 0.05 - 0.01)
    assert leaf.item() == pytest.approx(-0.1 - 0.01 * 1.5)


def test_equal_gradients_move_adam_by_a_rate_a_step() -> None:
    w, config = np.zeros(2), {"learning_rate": 0.1}
    for number in range(1, 20):
        w, config = adam(w, np.array([1e-3, -1e3]), config)
        np.testing.assert_allclose(w, [-0.1 * number, 0.1 * number], rtol=2e-5)


def test_log_uniform_draws() -> None:
    low, high, n = 1e-5, 10.0, 20_000
    drawn = log_uniform(low, high, n, np.random.default_rng(0))
    assert drawn.shape == (n,) and low <= drawn.min() and drawn.max() <= high
    places = np.sort(np.log(drawn / low) / math.log(high / low))
    # Kolmogorov's statistic exceeds 3 / √n once in 10^7 samples.
    assert np.abs(places - (np.arange(n) + 0.5) / n).max() < 3 / math.sqrt(n)
    again = log_uniform(low, high, n, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn, again)
    for wrong in ((0.0, 1.0), (-1.0, 1.0), (1.0, 1.0), (2.0, 1.0), (float("nan"), 1.0)):
        with pytest.raises(ValueError, match="0 < low < high"):
            log_uniform(*wrong, 3, np.random.default_rng(0))


def run(setting: int, validation: float) -> dict[str, Any]:
    return {"setting": setting, "train": 1.0, "validation": validation, "test": 1 - validation}


def test_select_takes_the_first_of_the_best() -> None:
    nan = math.nan
    assert select([run(0, 0.2), run(1, 0.6), run(2, 0.6), run(3, 0.1)]) == 1
    assert select([run(0, nan), run(1, 0.0), run(2, nan)]) == 1
    for nothing in ([], [run(0, nan)]):
        with pytest.raises(ValueError, match="no run has"):
            select(nothing)


def test_refine_keeps_the_share_of_the_decades_around_the_best() -> None:
    low, high = refine(0.02, 1e-4, 1.0, 0.3)
    assert math.log10(high / low) == pytest.approx(0.3 * 4)
    assert math.sqrt(low * high) == pytest.approx(0.02)
    assert refine(1.0, 1e-4, 1.0)[1] == pytest.approx(10.0)
    for best, low in ((2.0, 0.5), (0.1, 0.5), (0.1, 0.0)):
        with pytest.raises(ValueError, match="low <= best <= high"):
            refine(best, low, 1.0)
