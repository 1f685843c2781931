"""The answers to `quick`; a project that is laid out has this file as solutions/quick.py."""

import torch
from torch import Tensor


def softmax(Z: Tensor) -> Tensor:
    """Turn each row of pre-activations into probabilities.

    Subtract the largest entry of each row first: pre-activations of ±1000 give no inf or nan.

    Args:
        Z: pre-activations, B × n; not modified.

    Returns:
        Probabilities, B × n; every row sums to 1.
    """
    exponentials = torch.exp(Z - Z.max(dim=1, keepdim=True).values)
    return exponentials / exponentials.sum(dim=1, keepdim=True)


def cross_entropy(P: Tensor, labels: Tensor) -> Tensor:
    """Compute the mean cross-entropy of a batch, with the natural logarithm.

    Args:
        P: probabilities, B × n.
        labels: the right class of each example, B integers in [0, n).

    Returns:
        The loss, a 0-dim tensor, at least 0.
    """
    return -P[torch.arange(len(P)), labels].log().mean()


def cross_entropy_gradient(Z: Tensor, labels: Tensor) -> Tensor:
    """Compute the gradient of the mean cross-entropy of softmax(Z) with respect to Z.

    Args:
        Z: pre-activations, B × n; not modified.
        labels: the right class of each example, B integers in [0, n).

    Returns:
        The gradient, B × n.
    """
    exponentials = torch.exp(Z - Z.max(dim=1, keepdim=True).values)
    gradient = exponentials / exponentials.sum(dim=1, keepdim=True)
    gradient[torch.arange(len(Z)), labels] -= 1
    return gradient / len(Z)


def linear_forward(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """Apply a linear layer to a batch.

    Args:
        x: inputs, B × n_in.
        W: weights, n_out × n_in.
        b: biases, n_out.

    Returns:
        The pre-activations, B × n_out.
    """
    return x @ W.T + b


def linear_backward(upstream: Tensor, x: Tensor, W: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Propagate a gradient back through a linear layer.

    Args:
        upstream: gradient of the loss with respect to the layer's output, B × n_out.
        x: inputs, B × n_in.
        W: weights, n_out × n_in.

    Returns:
        grad_x, grad_W, grad_b: the gradients with respect to inputs, weights and biases, in the
        shapes of these.
    """
    return upstream @ W, upstream.T @ x, upstream.sum(dim=0)


def accuracy(Z: Tensor, labels: Tensor) -> float:
    """Compute the share of examples whose largest pre-activation stands at the right class.

    Args:
        Z: pre-activations, B × n.
        labels: the right class of each example, B integers in [0, n).

    Returns:
        A number in [0, 1].
    """
    return float((Z.argmax(dim=1) == labels).double().mean())


class Standardizer:
    """Shifts and scales columns to mean 0 and standard deviation 1 over the training data.

    The standard deviation divides by the number of rows.

    Args:
        x: training data, N × n; no column is constant.
    """

    def __init__(self, x: Tensor) -> None:
        """Keep mean and standard deviation of each column."""
        self.mean = x.mean(dim=0)
        self.std = x.std(dim=0, correction=0)

    def __call__(self, x: Tensor) -> Tensor:
        """Standardise other data, B × n, with the numbers of the training data."""
        return (x - self.mean) / self.std


n_weights = 20 * 30 + 30 * 10
