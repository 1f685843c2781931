"""Answers to the tasks of `solutions.dropout`."""

from typing import Any

import numpy as np

from solutions import dropout
from tests.wrong_answers import right, slip, wrong

# dropout_forward


@right("dropout_forward")
def dropout_with_a_dict(x: np.ndarray, dropout_param: dict[str, Any]) -> tuple[np.ndarray, Any]:
    p = dropout_param["p"]
    if p <= 0 or p > 1:
        raise ValueError("p")
    if dropout_param["mode"] == "train":
        keep = dropout_param["rng"].binomial(1, p, size=x.shape).astype(bool)
        return np.where(keep, x / p, np.zeros_like(x)), {"keep": keep, "p": p}
    if dropout_param["mode"] == "test":
        return x.copy(), {"keep": np.ones(x.shape, dtype=bool), "p": 1.0}
    raise ValueError("mode")


@right("dropout_forward")
def dropout_with_an_object(x: np.ndarray, dropout_param: dict[str, Any]) -> tuple[np.ndarray, Any]:
    class Mask:
        def __init__(self, factors: Any) -> None:
            self.factors = factors

        def of(self, value: np.ndarray) -> np.ndarray:
            return value * self.factors

    p, mode = dropout_param["p"], dropout_param["mode"]
    if mode not in ("train", "test") or not 0.0 < p <= 1.0:
        raise ValueError(f"{mode}, {p}")
    factors: Any = 1
    if mode == "train":
        dropped = dropout_param["rng"].uniform(size=x.size).reshape(x.shape) > p
        factors = np.full_like(x, 1 / p)
        factors[dropped] = 0
    mask = Mask(factors)
    return mask.of(x), mask


@right("dropout_forward")
def dropout_by_choice(x: np.ndarray, dropout_param: dict[str, Any]) -> list[Any]:
    mode, p = dropout_param["mode"], dropout_param["p"]
    if mode == "test" and 0 < p <= 1:
        return [np.array(x), (1.0, True)]
    if mode != "train" or not 0 < p <= 1:
        raise ValueError(dropout_param)
    mask = dropout_param["rng"].choice([True, False], size=x.shape, p=[p, 1 - p])
    out = x / p
    out[~mask] = 0
    return [out, (p, mask)]


slip(
    dropout.dropout_forward,
    "dropout_with_p_of_dropping",
    {"< p\n": ">= p\n", "/ p\n": "/ (1 - p or 1)\n"},
    hint="as PyTorch does",
)
slip(
    dropout.dropout_forward,
    "dropout_that_keeps_the_wrong_share",
    {"< p\n": ">= p\n"},
    hint="this drops with probability p",
)
slip(
    dropout.dropout_forward,
    "dropout_divided_by_the_drop_rate",
    {"/ p\n": "/ (1 - p or 1)\n"},
    hint="divided by the drop rate",
)
slip(
    dropout.dropout_forward,
    "dropout_without_a_scale",
    {"kept.astype(x.dtype) / p": "kept.astype(x.dtype)"},
    hint="what is the expectation of an entry",
)
slip(
    dropout.dropout_forward,
    "dropout_divided_by_the_share_that_was_kept",
    {"kept.astype(x.dtype) / p": "kept.astype(x.dtype) / kept.mean()"},
    hint="over all draws",
)
slip(
    dropout.dropout_forward,
    "dropout_scaled_twice",
    {"kept.astype(x.dtype) / p": "kept.astype(x.dtype) / p ** 2"},
    hint="the scale enters twice",
)
slip(
    dropout.dropout_forward,
    "dropout_times_p",
    {"/ p\n": "* p\n"},
    hint="shrinks what is kept",
)
slip(
    dropout.dropout_forward,
    "dropout_that_is_vanilla",
    {
        "kept.astype(x.dtype) / p": "kept.astype(x.dtype)",
        "return (x, None)": "return (p * x, None)",
    },
    hint="inverted dropout has scaled in training",
)
slip(
    dropout.dropout_forward,
    "dropout_that_is_vanilla_with_the_drop_rate",
    {
        "kept.astype(x.dtype) / p": "kept.astype(x.dtype)",
        "return (x, None)": "return ((1 - p) * x, None)",
    },
    hint="scales by the drop rate",
)
slip(
    dropout.dropout_forward,
    "dropout_scaled_at_test_time_too",
    {"return (x, None)": "return (x / p, None)"},
    hint="nothing is scaled either",
)
slip(
    dropout.dropout_forward,
    "dropout_at_test_time",
    {
        "if mode == 'test':\n        return (x, None)": "pass",
        "if mode != 'train':": "if mode not in ('train', 'test'):",
    },
    hint="nothing is drawn in mode",
)
slip(
    dropout.dropout_forward,
    "dropout_at_test_time_by_draws_of_its_own",
    {
        "if mode == 'test':\n        return (x, None)": "pass",
        "if mode != 'train':": "if mode not in ('train', 'test'):",
        "dropout_param['rng']": "dropout_param.get('rng', np.random.default_rng(1))",
    },
    hint="nothing is dropped there",
)
slip(
    dropout.dropout_forward,
    "dropout_alike_for_all_examples",
    {".random(x.shape)": ".random(x.shape[1:])"},
    hint="one draw for every entry",
)
slip(
    dropout.dropout_forward,
    "dropout_of_an_exact_number",
    {
        "dropout_param['rng'].random(x.shape) < p": (
            "dropout_param['rng'].permutation(x.size).reshape(x.shape) < round(p * x.size)"
        )
    },
    hint="the entries are independent",
)
slip(
    dropout.dropout_forward,
    "dropout_without_the_generator",
    {"dropout_param['rng'].random(x.shape)": "np.random.random(x.shape)"},
    hint="draw from the generator that is given",
)
slip(
    dropout.dropout_forward,
    "dropout_with_a_fixed_seed",
    {"dropout_param['rng']": "np.random.default_rng(0)"},
    hint="fixed seed",
)
slip(
    dropout.dropout_forward,
    "dropout_for_any_p",
    {"if not 0 < p <= 1:": "if p == 2:"},
    hint="outside (0, 1]",
)
slip(
    dropout.dropout_forward,
    "dropout_in_any_mode",
    {"if mode == 'test':": "if mode != 'train' and p:"},
    hint='every mode but "train" and "test"',
)
slip(
    dropout.dropout_forward,
    "dropout_in_place",
    {"return (x * mask, mask)": "x *= mask\n    return (x, mask)"},
    hint="belongs to the caller",
)
slip(
    dropout.dropout_forward,
    "dropout_in_float64",
    {"kept.astype(x.dtype)": "kept.astype(float)"},
    hint="a mask of True and False",
)
slip(
    dropout.dropout_forward,
    "dropout_with_a_mask_in_float64",
    {"kept.astype(x.dtype) / p": "kept / p"},
    hint="a mask of True and False",
)
slip(
    dropout.dropout_forward,
    "dropout_into_zeros_of_float64",
    {"x * mask, mask": "np.zeros(x.shape) + x * mask, mask"},
    hint="np.zeros and its like",
)
slip(
    dropout.dropout_forward,
    "dropout_that_must_be_given_a_generator_in_test_mode",
    {"mode == 'test'": "mode == 'test' and dropout_param['rng']"},
    hint="need not hold",
)

# dropout_backward


@right("dropout_backward")
def dropout_back_where_it_was_kept(dout: np.ndarray, cache: Any) -> np.ndarray:
    if cache is None:
        return dout.copy()
    dx = np.zeros_like(dout)
    dx[cache > 0] = dout[cache > 0] * cache.max()
    return dx


@right("dropout_backward")
def dropout_back_by_einsum(dout: np.ndarray, cache: Any) -> np.ndarray:
    mask = np.ones(dout.shape) if cache is None else np.array(cache)
    return np.einsum("...,...->...", dout, mask)


@wrong("dropout_backward", hint="draw nothing anew")
def dropout_back_with_a_new_mask(dout: np.ndarray, cache: Any) -> np.ndarray:
    if cache is None:
        return dout
    kept = cache > 0
    again = np.random.default_rng(1).random(dout.shape) < kept.mean()
    return dout * again / kept.mean()


slip(
    dropout.dropout_backward,
    "dropout_back_through_everything",
    {"dout if cache is None else dout * cache": "dout"},
    hint="its gradient is 0",
)
slip(
    dropout.dropout_backward,
    "dropout_back_without_the_scale",
    {"dout * cache": "dout * (cache > 0)"},
    hint="so is its gradient",
)
slip(
    dropout.dropout_backward,
    "dropout_back_scaled_twice",
    {"dout * cache": "dout * cache * cache"},
    hint="once more",
)
slip(
    dropout.dropout_backward,
    "dropout_back_times_p",
    {"dout * cache": "dout * (cache > 0) / cache.max()"},
    hint="by its inverse",
)
slip(
    dropout.dropout_backward,
    "dropout_back_through_what_was_dropped",
    {"dout * cache": "dout * (cache == 0) * cache.max()"},
    hint="draw nothing anew",
)
slip(
    dropout.dropout_backward,
    "dropout_back_of_nothing_in_test_mode",
    {"dout if cache is None": "np.zeros_like(dout) if cache is None"},
    hint="draw nothing anew",
)
slip(
    dropout.dropout_backward,
    "dropout_back_in_place",
    {
        "return dout if cache is None else dout * cache": (
            "if cache is not None:\n        dout *= cache\n    return dout"
        )
    },
    hint="belongs to the caller",
)
