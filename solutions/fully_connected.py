"""A fully-connected network of any depth, with its loss and all gradients."""

from collections.abc import Sequence

import numpy as np


class FullyConnectedNet:
    """Affine layers with a ReLU between each two of them, and the softmax loss at the end.

    Layer i has the weights `params["W1"]`, `params["W2"]`, ..., inputs × outputs, and the biases
    `params["b1"]`, ... An update replaces these arrays; `loss` reads them anew in each call.

    Book: unit 4, page `fully_connected`.

    Args:
        hidden_dims: number of units of each hidden layer; an empty list gives a linear classifier.
        input_dim: number D of entries of one example.
        n_classes: number of classes C.
        weight_scale: standard deviation of the normal distribution that the weights come from.
        reg: strength λ of the L2 regularisation.
        rng: source of the weights; None stands for a new one without a seed.
    """

    def __init__(
        self,
        hidden_dims: Sequence[int],
        input_dim: int,
        n_classes: int,
        weight_scale: float = 1e-2,
        reg: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> None:
        """Draw the weights; the biases are zeros. All arrays are float64."""
        rng = np.random.default_rng() if rng is None else rng
        sizes = [input_dim, *hidden_dims, n_classes]
        self.reg = reg
        self.n_layers = len(sizes) - 1
        self.params: dict[str, np.ndarray] = {}
        for i in range(1, self.n_layers + 1):
            shape = (sizes[i - 1], sizes[i])
            self.params[f"W{i}"] = weight_scale * rng.standard_normal(shape)
            self.params[f"b{i}"] = np.zeros(sizes[i])

    def loss(
        self, X: np.ndarray, y: np.ndarray | None = None
    ) -> np.ndarray | tuple[float, dict[str, np.ndarray]]:
        """Compute the scores of a batch or, where the classes are given, loss and gradients.

        The loss is the mean softmax cross-entropy over the batch plus λ / 2 times the sum of the
        squares of all weights; biases are not regularised.

        Args:
            X: inputs, N × d_1 × ... × d_k with d_1 · ... · d_k = D; not modified.
            y: class of each example, (N,), whole numbers; None asks for the scores.

        Returns:
            Without y: scores, N × C.
            With y: loss, a number, and grads, a dict with the keys of params; each gradient has
            the shape of its parameter. The parameters are not changed.
        """
        layers = range(1, self.n_layers + 1)
        inputs = [X.reshape(len(X), -1)]  # of each affine layer
        for i in layers:
            scores = inputs[-1] @ self.params[f"W{i}"] + self.params[f"b{i}"]
            inputs.append(np.maximum(scores, 0))
        if y is None:
            return scores
        shifted = scores - scores.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        own = np.arange(len(y)), y
        squares = sum(np.sum(self.params[f"W{i}"] ** 2) for i in layers)
        loss = float(-log_p[own].mean() + 0.5 * self.reg * squares)
        upstream = np.exp(log_p)
        upstream[own] -= 1
        upstream /= len(y)
        grads = {}
        for i in reversed(layers):
            weights = self.params[f"W{i}"]
            grads[f"W{i}"] = inputs[i - 1].T @ upstream + self.reg * weights
            grads[f"b{i}"] = upstream.sum(axis=0)
            upstream = (upstream @ weights.T) * (inputs[i - 1] > 0)
        return loss, grads
