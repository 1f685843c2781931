"""One pass through a data set, for training and for evaluation; top-k accuracy."""

import torch
from torch import Tensor, nn
from torch.nn import functional


def epoch(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    """Go through a data set once, in batches: a training epoch with an optimizer, else a test.

    With an optimizer the model is in train mode, every example is used exactly once in an order
    drawn anew, and the optimizer makes one step a batch. Without one the model is in eval mode, no
    gradients are tracked, and the call leaves the model as it was: parameters, running statistics,
    and the mode that it had before.

    Book: unit 2, page `training`.

    Args:
        model: a module that maps a batch of inputs to pre-activations (no softmax in it).
        X: inputs, N × ...; an image is C × H × W.
        y: class of each example, (N,), int64.
        batch_size: number of examples a batch, at least 1; the last batch is smaller where it does
            not divide N.
        optimizer: the optimizer of the model's parameters; None stands for an evaluation.
        generator: a CPU generator that the order is drawn from with torch.randperm; None stands for
            the global one. An evaluation takes the examples in the order given.

    Returns:
        loss: mean of the N examples' cross-entropies (natural logarithm), a float.
        accuracy: share of the N examples whose largest pre-activation is that of their class, a
            float in [0, 1].

        In training both are those seen before the step of each batch. Every example counts once and
        the same, also those of a smaller last batch.
    """
    training = optimizer is not None
    mode_before = model.training
    model.train(training)
    n = len(X)
    order = torch.randperm(n, generator=generator) if training else torch.arange(n)
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode_before)
    return loss_sum / n, n_right / n


def topk_accuracy(Y_tilde: Tensor, y: Tensor, k: int) -> float:
    """Compute the share of examples whose class is among the k largest pre-activations.

    Book: unit 2, page `training`.

    Args:
        Y_tilde: pre-activations, B × n_classes.
        y: class of each example, (B,), int64.
        k: how many guesses an example has.

    Returns:
        A float in [0, 1].

    Raises:
        ValueError: k is not in 1 ... n_classes.
    """
    if not 1 <= k <= Y_tilde.shape[1]:
        raise ValueError(f"k must lie between 1 and {Y_tilde.shape[1]}, not {k}")
    guesses = Y_tilde.topk(k, dim=1).indices
    return (guesses == y[:, None]).any(dim=1).double().mean().item()
