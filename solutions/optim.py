"""Stage 4: the training loop with an optimizer of `torch.optim`."""

import torch
from torch import Tensor, nn


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> list[float]:
    """Train a model by mini-batches with the optimizer that is given.

    In each epoch every example is used exactly once, in an order drawn anew. The optimizer makes
    one step a batch; the last batch is smaller where `batch_size` does not divide N.

    Book: book/unit1/gradient_descent, mini-batches; book/unit1/autograd.

    Args:
        model: a module that maps B × n_x to pre-activations, B × n_y (no softmax in it).
        optimizer: the optimizer of the model's parameters; it knows the learning rate.
        X: inputs, N × n_x.
        Y: one-hot targets, N × n_y.
        batch_size: number of examples a step, at least 1; it may be larger than N.
        epochs: how many times the training set is gone through.
        generator: a CPU generator that the orders are drawn from; None stands for the global one.

    Returns:
        For each epoch, the mean over the N examples of the cross-entropy (natural logarithm) that
        each had when its batch was used, before the step that followed: `epochs` floats. Every
        example counts the same, also those of a smaller last batch.
    """
    losses = []
    for _ in range(epochs):
        total = 0.0
        for chosen in torch.randperm(len(X), generator=generator).to(X.device).split(batch_size):
            loss = nn.functional.cross_entropy(model(X[chosen]), Y[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(chosen)
        losses.append(total / len(X))
    return losses
