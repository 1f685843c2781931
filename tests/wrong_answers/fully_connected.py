"""Answers to the task of `solutions.fully_connected`."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from solutions import fully_connected
from tests.wrong_answers import right, slip

Net = fully_connected.FullyConnectedNet


@right("FullyConnectedNet")
class OfLayersWithCaches:
    def __init__(
        self,
        hidden_dims: Sequence[int],
        input_dim: int,
        n_classes: int,
        weight_scale: float = 1e-2,
        reg: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> None:
        rng = rng or np.random.default_rng()
        sizes = [input_dim, *hidden_dims, n_classes]
        self.regularisation = reg
        self.depth = len(hidden_dims) + 1
        self.params = {}
        for i, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
            self.params[f"W{i + 1}"] = rng.normal(0, weight_scale, (n_in, n_out))
            self.params[f"b{i + 1}"] = np.zeros(n_out)

    def layer(self, i: int, x: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        w = self.params["W" + str(i)]
        z = np.dot(x, w) + self.params["b" + str(i)]
        last = i == self.depth
        return (z if last else z * (z > 0)), {"x": x, "w": w, "z": z, "last": last}

    def loss(self, X: np.ndarray, y: np.ndarray | None = None) -> Any:
        out, caches = X.reshape(X.shape[0], -1), []
        for i in range(1, self.depth + 1):
            out, cache = self.layer(i, out)
            caches.append(cache)
        if y is None:
            return out
        n = out.shape[0]
        exponentials = np.exp(out - out.max(axis=1)[:, None])
        p = exponentials / exponentials.sum(axis=1)[:, None]
        log_p = np.log(p[range(n), y])
        loss = -np.sum(log_p) / n
        d = (p - np.eye(p.shape[1])[y]) / n
        grads: dict[str, np.ndarray] = {}
        while caches:
            i, cache = len(caches), caches.pop()
            d = d if cache["last"] else np.where(cache["z"] > 0, d, 0)
            loss += self.regularisation / 2 * np.linalg.norm(cache["w"]) ** 2
            grads["b" + str(i)] = np.sum(d, axis=0)
            grads["W" + str(i)] = np.dot(cache["x"].T, d) + self.regularisation * cache["w"]
            d = np.dot(d, cache["w"].T)
        return loss, grads


@right("FullyConnectedNet")
class ByRecursion:
    def __init__(
        self,
        hidden_dims: Sequence[int],
        input_dim: int,
        n_classes: int,
        weight_scale: float = 1e-2,
        reg: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> None:
        rng = np.random.default_rng() if rng is None else rng
        sizes = [input_dim, *hidden_dims, n_classes]
        self.reg = reg
        self.n_layers = len(sizes) - 1
        self.params: dict[str, np.ndarray] = {}
        for i in range(1, self.n_layers + 1):
            shape = (sizes[i - 1], sizes[i])
            self.params[f"W{i}"] = weight_scale * rng.standard_normal(shape)
            self.params[f"b{i}"] = np.zeros(sizes[i])

    def loss(self, X: np.ndarray, y: np.ndarray | None = None) -> Any:
        grads: dict[str, np.ndarray] = {}
        found: dict[str, Any] = {}

        def through(x: np.ndarray, i: int) -> np.ndarray:
            """The gradient at the input of layer i; scores and loss are kept on the way."""
            w, b = self.params[f"W{i}"], self.params[f"b{i}"]
            z = x @ w + b
            if i < self.n_layers:
                d = through(np.maximum(0, z), i + 1) * (z > 0)
            else:
                found["scores"] = z
                if y is None:
                    return np.zeros_like(x)
                log_sum = np.logaddexp.reduce(z, axis=1)
                rows = np.arange(len(x))
                found["loss"] = np.mean(log_sum - z[rows, y])
                d = np.exp(z - log_sum[:, None]) / len(x)
                d[rows, y] -= 1 / len(x)
            if y is not None:
                found["loss"] += 0.5 * self.reg * (w * w).sum()
                grads[f"W{i}"], grads[f"b{i}"] = x.T @ d + self.reg * w, d.sum(0)
            return d @ w.T

        through(X.reshape(X.shape[0], self.params["W1"].shape[0]), 1)
        return found["scores"] if y is None else (found["loss"], grads)


slip(
    Net,
    "relu_after_the_last_layer",
    {"scores = inputs[-1]": "scores = 0 + inputs[-1]", "return scores": "return inputs[-1]"},
    hint="no ReLU after the last layer",
)

slip(
    Net,
    "no_relu_at_all",
    {"np.maximum(scores, 0)": "scores", " * (inputs[i - 1] > 0)": ""},
    hint="between each two affine layers",
)

slip(
    Net,
    "gradient_passes_the_relu",
    {" * (inputs[i - 1] > 0)": ""},
    hint="back through the ReLU",
)

slip(
    Net,
    "regularises_biases_too",
    {
        "self.params[f'W{i}'] ** 2) for i in layers": "p ** 2) for p in self.params.values()",
        "upstream.sum(axis=0)": "upstream.sum(axis=0) + self.reg * self.params[f'b{i}']",
    },
    hint="biases are not regularised",
)

slip(
    Net,
    "regularises_without_the_half",
    {"0.5 * self.reg": "self.reg", "self.reg * weights": "2 * self.reg * weights"},
    hint="λ / 2",
)

slip(
    Net,
    "twice_in_the_gradient",
    {"self.reg * weights": "2 * self.reg * weights"},
    hint="derivative of λ / 2 · w² is λ w",
)

slip(
    Net,
    "half_in_the_gradient",
    {"self.reg * weights": "0.5 * self.reg * weights"},
    hint="derivative of λ / 2 · w² is λ w",
)

slip(
    Net,
    "regularises_the_loss_alone",
    {" + self.reg * weights": ""},
    hint="missing in the gradients",
)

slip(
    Net,
    "regularises_the_gradients_alone",
    {" + 0.5 * self.reg * squares": ""},
    hint="missing in the loss",
)

slip(
    Net,
    "regularises_each_example",
    {
        "0.5 * self.reg": "0.5 * self.reg / len(y)",
        "self.reg * weights": "self.reg / len(y) * weights",
    },
    hint="not divided by N",
)

slip(
    Net,
    "regularises_the_last_layer",
    {
        "in layers))": "in layers[-1:]))",
        "self.reg * weights": "(self.reg if i == self.n_layers else 0) * weights",
    },
    hint="weights of all layers",
)

slip(
    Net,
    "gradients_of_a_sum",
    {"        upstream /= len(y)\n": ""},
    hint="is the mean missing",
)

slip(
    Net,
    "loss_over_classes_too",
    {"-log_p[own].mean()": "-(log_p * np.eye(log_p.shape[1])[y]).mean()"},
    hint="softmax_loss",
)

slip(
    Net,
    "of_rows_alone",
    {"X.reshape(len(X), -1)": "X"},
    hint="flatten",
)

slip(
    Net,
    "takes_the_step_itself",
    {
        "return (loss, grads)": (
            "for name in grads:\n            self.params[name] -= 0.01 * grads[name]\n"
            "        return (loss, grads)"
        )
    },
    hint="parameters are not changed",
)

slip(
    Net,
    "gives_probabilities",
    {"return scores": "return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)"},
    hint="scores are what the last affine layer gives",
)

slip(
    Net,
    "remembers_its_first_weights",
    {
        "layers = range": (
            "params = self.__dict__.setdefault('kept', dict(self.params))\n        layers = range"
        ),
        "inputs[-1] @ self.params[f'W{i}'] + self.params[f'b{i}']": (
            "inputs[-1] @ params[f'W{i}'] + params[f'b{i}']"
        ),
    },
    hint="in each call",
)

slip(
    Net,
    "never_uses_the_biases",
    {" + self.params[f'b{i}']": ""},
    hint="biases are missing",
)

slip(
    Net,
    "two_layers_only",
    {"layers = range(1, self.n_layers + 1)": "layers = [1, self.n_layers]"},
    hint="every layer",
)
