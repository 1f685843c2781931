"""Answers to the tasks of `solutions.layers`."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from solutions import layers
from tests.wrong_answers import right, slip

# affine_forward


@right("affine_forward")
def affine_with_a_dict(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, Any]:
    flat = np.reshape(x, (x.shape[0], w.shape[0]))
    return np.einsum("nd,dm->nm", flat, w) + b, {"x": flat, "shape": x.shape, "w": w}


@right("affine_forward")
def affine_with_an_object(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, Any]:
    @dataclass
    class Kept:
        x: np.ndarray
        w: np.ndarray

    out = np.zeros((x.shape[0], w.shape[1]))
    for n, example in enumerate(x):
        out[n] = np.dot(example.flatten(), w)
    out += b
    return out, Kept(x, w)


@right("affine_forward")
def affine_as_a_list(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> Any:
    return [np.dot(x.reshape((x.shape[0], -1)), w) + b.reshape(1, -1), (x, w, b)]


slip(layers.affine_forward, "affine_without_biases", {" + b": ""}, hint="biases are missing")

slip(
    layers.affine_forward,
    "affine_with_transposed_weights",
    {"rows @ w": "rows @ w.T"},
    hint="D × M",
)

slip(
    layers.affine_forward,
    "affine_of_rows_alone",
    {"x.reshape(len(x), -1)": "x"},
    hint="one row of D numbers",
)

slip(
    layers.affine_forward,
    "affine_with_columns_first",
    {"x.reshape(len(x), -1)": "x.reshape(len(x), -1, order='F')"},
    hint="last dimension",
)

slip(
    layers.affine_forward,
    "affine_with_a_relu",
    {"rows @ w + b": "np.maximum(rows @ w + b, 0)"},
    hint="a layer of its own",
)

slip(
    layers.affine_forward,
    "affine_without_a_cache",
    {"return (rows @ w + b, (x, w))": "return rows @ w + b"},
    hint="return out, cache",
)

slip(
    layers.affine_forward,
    "affine_shifts_its_input",
    {
        "rows = x": "b = b + x.mean() * w.sum(axis=0)\n    x -= x.mean()\n    rows = x",
    },
    hint="belongs to the caller",
)

slip(
    layers.affine_forward,
    "affine_subtracts_the_biases",
    {" + b": " - b"},
    hint="added",
)


# affine_backward


@right("affine_backward")
def affine_backward_by_sums(
    dout: np.ndarray, cache: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, w = cache
    dx, dw = np.zeros(x.shape), np.zeros(w.shape)
    for n in range(len(x)):
        dx[n] = (w @ dout[n]).reshape(x[n].shape)
        dw += np.outer(x[n], dout[n])
    return dx, dw, np.ones(len(x)) @ dout


@right("affine_backward")
def affine_backward_by_einsum(dout: np.ndarray, cache: Any) -> Any:
    flat = cache[0].reshape(cache[0].shape[0], -1)
    dx = np.einsum("nm,dm->nd", dout, cache[1]).reshape(*cache[0].shape)
    return [dx, np.einsum("nd,nm->dm", flat, dout), np.einsum("nm->m", dout)]


slip(
    layers.affine_backward,
    "affine_backward_in_rows",
    {"(dout @ w.T).reshape(x.shape)": "dout @ w.T"},
    hint="another shape",
)

slip(
    layers.affine_backward,
    "affine_backward_transposed",
    {"rows.T @ dout": "dout.T @ rows"},
    hint="transposed",
)

slip(
    layers.affine_backward,
    "affine_backward_with_a_mean",
    {"dout.sum(axis=0)": "dout.mean(axis=0)"},
    hint="already in dout",
)

slip(
    layers.affine_backward,
    "affine_backward_divides_all",
    {"x, w = cache": "x, w = cache\n    dout = dout / len(x)"},
    hint="already in dout",
)

slip(
    layers.affine_backward,
    "affine_backward_sums_the_units",
    {"dout.sum(axis=0)": "dout.sum(axis=1)"},
    hint="shape of what it belongs to",
)

slip(
    layers.affine_backward,
    "affine_backward_of_ones",
    {"x, w = cache": "x, w = cache\n    dout = np.ones_like(dout)"},
    hint="dout is not used",
)

slip(
    layers.affine_backward,
    "affine_backward_in_another_order",
    {
        "return ((dout @ w.T).reshape(x.shape), rows.T @ dout, dout.sum(axis=0))": (
            "return (rows.T @ dout, dout.sum(axis=0), (dout @ w.T).reshape(x.shape))"
        )
    },
    hint="shape of what it belongs to",
)

slip(
    layers.affine_backward,
    "affine_backward_with_w_as_it_is",
    {"dout @ w.T": "dout @ w"},
    hint="shape of what it belongs to",
)

slip(
    layers.affine_backward,
    "affine_backward_without_db",
    {", dout.sum(axis=0))": ")"},
    hint="return dx, dw, db",
)

slip(
    layers.affine_backward,
    "affine_backward_spoils_dout",
    {
        "return": (
            "dx, dw = ((dout @ w.T).reshape(x.shape), rows.T @ dout)\n"
            "    for row in dout[1:]:\n        dout[0] += row\n    return"
        ),
        "((dout @ w.T).reshape(x.shape), rows.T @ dout, dout.sum(axis=0))": "(dx, dw, dout[0])",
    },
    hint="belongs to the caller",
)

slip(
    layers.affine_backward,
    "affine_backward_takes_the_step",
    {
        "return ((dout @ w.T).reshape(x.shape), rows.T @ dout, dout.sum(axis=0))": (
            "dx, dw = ((dout @ w.T).reshape(x.shape), rows.T @ dout)\n"
            "    w -= 0.01 * dw\n    return (dx, dw, dout.sum(axis=0))"
        )
    },
    hint="the cache",
)

slip(
    layers.affine_backward,
    "affine_backward_with_columns_first",
    {".reshape(x.shape)": ".reshape(x.shape, order='F')"},
    hint="last dimension",
)


# relu_forward


@right("relu_forward")
def relu_with_a_dict(x: np.ndarray) -> tuple[np.ndarray, Any]:
    out = x.copy()
    out[x < 0] = 0
    return out, {"positive": x > 0}


@right("relu_forward")
def relu_with_an_object(x: np.ndarray) -> tuple[np.ndarray, Any]:
    class Mask:
        def __init__(self, positive: np.ndarray) -> None:
            self.positive = positive

    return np.where(x > 0, x, np.zeros_like(x)), Mask(x > 0)


@right("relu_forward")
def relu_by_absolute_values(x: np.ndarray) -> Any:
    out = (np.abs(x) + x) / 2
    return out, (x, out)


slip(
    layers.relu_forward,
    "leaky_relu",
    {"np.maximum(x, 0)": "np.where(x > 0, x, 0.01 * x)"},
    hint="leaky",
)

slip(
    layers.relu_forward,
    "absolute_value",
    {"np.maximum(x, 0)": "np.abs(x)"},
    hint="absolute value",
)

slip(
    layers.relu_forward,
    "keeps_the_negatives",
    {"np.maximum(x, 0)": "np.minimum(x, 0)"},
    hint="smaller of 0 and x",
)

slip(
    layers.relu_forward,
    "clips_at_one",
    {"np.maximum(x, 0)": "np.clip(x, 0, 1).astype(x.dtype)"},
    hint="no upper limit",
)

slip(
    layers.relu_forward,
    "gives_the_mask",
    {"np.maximum(x, 0)": "(x > 0).astype(x.dtype)"},
    hint="derivative",
)

slip(
    layers.relu_forward,
    "relu_in_place",
    {"return (np.maximum(x, 0), x)": "x[x < 0] = 0\n    return (x, x)"},
    hint="belongs to the caller",
)

slip(
    layers.relu_forward,
    "relu_without_a_cache",
    {"(np.maximum(x, 0), x)": "np.maximum(x, 0)"},
    hint="return out, cache",
)

slip(
    layers.relu_forward,
    "relu_of_smooth_kind",
    {"np.maximum(x, 0)": "np.log1p(np.exp(x))"},
    hint="softplus",
)


# relu_backward


@right("relu_backward")
def relu_backward_by_where(dout: np.ndarray, cache: Any) -> np.ndarray:
    return np.where(cache > 0, dout, 0.0)


@right("relu_backward")
def relu_backward_on_a_copy(dout: np.ndarray, cache: Any) -> np.ndarray:
    dx = np.array(dout)
    dx[cache <= 0] = 0
    return dx


slip(
    layers.relu_backward,
    "one_at_zero",
    {"cache > 0": "cache >= 0"},
    hint="the derivative at 0",
)

slip(
    layers.relu_backward,
    "half_at_zero",
    {"(cache > 0)": "(np.sign(cache) + 1) / 2"},
    hint="the derivative at 0",
)

slip(
    layers.relu_backward,
    "mask_alone",
    {"dout * (cache > 0)": "(cache > 0).astype(float)"},
    hint="dout is not used",
)

slip(
    layers.relu_backward,
    "relu_of_the_gradient",
    {"dout * (cache > 0)": "np.maximum(dout, 0)"},
    hint="the sign of x decides",
)

slip(
    layers.relu_backward,
    "mask_reversed",
    {"cache > 0": "cache < 0"},
    hint="where x is positive",
)

slip(
    layers.relu_backward,
    "passes_all_on",
    {"dout * (cache > 0)": "dout.copy()"},
    hint="stops where x is negative",
)

slip(
    layers.relu_backward,
    "multiplies_by_x",
    {"(cache > 0)": "np.maximum(cache, 0)"},
    hint="not x",
)

slip(
    layers.relu_backward,
    "gradient_in_place",
    {"return dout * (cache > 0)": "dout[cache <= 0] = 0\n    return dout"},
    hint="belongs to the caller",
)

slip(
    layers.relu_backward,
    "gradient_in_place_of_the_cache",
    {"return dout * (cache > 0)": "return np.multiply(dout, cache > 0, out=cache)"},
    hint="the cache",
)


# softmax_loss


@right("softmax_loss")
def by_one_hot_rows(scores: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    n, n_classes = scores.shape
    Y = np.eye(n_classes)[y]
    exponentials = np.exp(scores - np.max(scores, axis=1)[:, None])
    total = exponentials.sum(axis=1, keepdims=True)
    log_p = scores - np.max(scores, axis=1)[:, None] - np.log(total)
    return -np.sum(Y * log_p) / n, (exponentials / total - Y) / n


@right("softmax_loss")
def by_logaddexp(scores: np.ndarray, y: np.ndarray) -> Any:
    log_sum = np.logaddexp.reduce(scores, axis=1)
    loss, dscores = 0.0, np.zeros_like(scores)
    for i, label in enumerate(y):
        loss += (log_sum[i] - scores[i, label]) / len(y)
        dscores[i] = np.exp(scores[i] - log_sum[i])
        dscores[i, label] -= 1
    return np.array(loss), dscores / scores.shape[0]


slip(
    layers.softmax_loss,
    "no_maximum",
    {"scores - scores.max(axis=1, keepdims=True)": "scores"},
    hint="largest score",
)

slip(
    layers.softmax_loss,
    "one_maximum_for_all",
    {"scores.max(axis=1, keepdims=True)": "scores.max()"},
    hint="of its own row",
)

slip(
    layers.softmax_loss,
    "loss_of_a_sum",
    {".mean()), dscores / len(y)": ".sum()), dscores"},
    hint="is the mean missing",
)

slip(
    layers.softmax_loss,
    "gradient_of_a_sum",
    {"dscores / len(y)": "dscores"},
    hint="is the mean missing",
)

slip(
    layers.softmax_loss,
    "probabilities_for_gradients",
    {"    dscores[own] -= 1\n": ""},
    hint="minus 1 at the class",
)

slip(
    layers.softmax_loss,
    "gradient_upside_down",
    {"dscores / len(y)": "-dscores / len(y)"},
    hint="opposite",
)

slip(
    layers.softmax_loss,
    "loss_in_bits",
    {"-log_p[own].mean()": "-log_p[own].mean() / np.log(2)"},
    hint="natural logarithm",
)

slip(
    layers.softmax_loss,
    "loss_below_zero",
    {"-log_p[own].mean()": "log_p[own].mean()"},
    hint="sign",
)

slip(
    layers.softmax_loss,
    "over_the_batch",
    {
        "scores.max(axis=1, keepdims=True)": "scores.max(axis=0, keepdims=True)",
        "sum(axis=1, keepdims=True)": "sum(axis=0, keepdims=True)",
    },
    hint="each row",
)

slip(
    layers.softmax_loss,
    "logarithm_with_an_epsilon",
    {"-log_p[own].mean()": "-np.log(np.exp(log_p[own]) + 1e-08).mean()"},
    hint="underflows",
)

slip(
    layers.softmax_loss,
    "whole_columns",
    {"dscores[own] -= 1": "dscores[:, y] -= 1"},
    hint="its own class",
)

slip(
    layers.softmax_loss,
    "mean_over_classes_too",
    {
        "-log_p[own].mean()": "-log_p[own].mean() / scores.shape[1]",
        "dscores / len(y)": "dscores / scores.size",
    },
    hint="over the examples alone",
)

slip(
    layers.softmax_loss,
    "shifts_in_place",
    {
        "shifted = scores - scores.max(axis=1, keepdims=True)": (
            "scores -= scores.max(axis=1, keepdims=True)\n    shifted = scores"
        )
    },
    hint="belongs to the caller",
)
