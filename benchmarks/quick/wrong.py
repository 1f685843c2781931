"""A likely wrong answer to each task of `quick`; each leaves the other tasks' answers alone."""

import torch
from torch import Tensor


def softmax(Z: Tensor) -> Tensor:
    """Over the batch instead of each row."""
    exponentials = torch.exp(Z - Z.max())
    return exponentials / exponentials.sum(dim=0)


def cross_entropy(P: Tensor, labels: Tensor) -> Tensor:
    """Summed instead of averaged."""
    return -P[torch.arange(len(P)), labels].log().sum()


def cross_entropy_gradient(Z: Tensor, labels: Tensor) -> Tensor:
    """Of the sum instead of the mean."""
    exponentials = torch.exp(Z - Z.max(dim=1, keepdim=True).values)
    gradient = exponentials / exponentials.sum(dim=1, keepdim=True)
    gradient[torch.arange(len(Z)), labels] -= 1
    return gradient


def linear_forward(x: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """Without the biases."""
    return x @ W.T


def linear_backward(upstream: Tensor, x: Tensor, W: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The biases' gradient averaged over the batch."""
    return upstream @ W, upstream.T @ x, upstream.mean(dim=0)


def accuracy(Z: Tensor, labels: Tensor) -> int:
    """The number of examples instead of their share."""
    return int((Z.argmax(dim=1) == labels).sum())


class Standardizer:
    """Takes mean and deviation of whatever it is given."""

    def __init__(self, x: Tensor) -> None:
        pass

    def __call__(self, x: Tensor) -> Tensor:
        return (x - x.mean(dim=0)) / x.std(dim=0, correction=0)


n_weights = (20 + 1) * 30 + (30 + 1) * 10  # counts the biases
