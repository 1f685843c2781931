"""Stage 3: the one-hidden-layer network with `torch.nn`."""

import torch
from torch import Tensor, nn


def init_model(n_x: int, n_h: int, n_y: int) -> nn.Module:
    """Build the one-hidden-layer network as a module: linear, tanh, linear.

    The module returns the pre-activations of the output layer. The softmax is part of the loss,
    which computes it in a numerically safe way. The weights start as the library's layers set them.

    Book: book/unit1/autograd.

    Args:
        n_x: number of inputs.
        n_h: number of hidden units.
        n_y: number of classes.

    Returns:
        A module that maps inputs, B × n_x, to pre-activations, B × n_y. Its only parameters are the
        two weight matrices (n_h × n_x and n_y × n_h) and the two bias vectors (n_h and n_y).
    """
    return nn.Sequential(nn.Linear(n_x, n_h), nn.Tanh(), nn.Linear(n_h, n_y))


def loss_accuracy_model(model: nn.Module, X: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the cross-entropy and the accuracy of a model on a batch.

    The loss is computed from the pre-activations, so that ±1000 give a finite one. Calling
    `backward` on it is the caller's business.

    Formula: book/unit1/loss, cross-entropy from pre-activations.

    Args:
        model: a module that maps B × n_x to pre-activations, B × n_y (no softmax in it).
        X: inputs, B × n_x.
        Y: one-hot targets, B × n_y.

    Returns:
        loss: mean cross-entropy over the batch, natural logarithm; a tensor without dimensions that
            carries the graph, so that `loss.backward()` fills the gradients of the model.
        accuracy: the part of the batch whose largest pre-activation is that of its class; a tensor
            without dimensions, in [0, 1].
    """
    Y_tilde = model(X)
    loss = nn.functional.cross_entropy(Y_tilde, Y)
    accuracy = (Y_tilde.argmax(dim=1) == Y.argmax(dim=1)).to(Y_tilde.dtype).mean()
    return loss, accuracy


def sgd_model(model: nn.Module, eta: float) -> None:
    """Take one step of gradient descent on every parameter of a model, written out.

    Call it after `loss.backward()`. The parameters change in place, with gradient tracking off, and
    the gradients are cleared afterwards (zero or None), so that the next `backward` starts anew.
    torch.optim is not allowed here.

    Formula: book/unit1/gradient_descent, the update.

    Args:
        model: a module each of whose parameters holds its gradient in `.grad`.
        eta: learning rate, a positive number.
    """
    with torch.no_grad():
        for param in model.parameters():
            if param.grad is not None:
                param.sub_(eta * param.grad)
    model.zero_grad()
