"""Stage 1: the one-hidden-layer network by hand, on tensors without automatic differentiation.

The network is ŷ = softmax(W_y tanh(W_h x + b_h) + b_y). A batch X is B × n_x, one example a row;
weights are n_out × n_in, targets Y are one-hot rows, and the loss is the mean over the batch.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor


def n_parameters(n_x: int, n_h: int, n_y: int) -> int:
    """Count the parameters of the network with one hidden layer.

    Args:
        n_x: number of inputs.
        n_h: number of hidden units.
        n_y: number of outputs.

    Returns:
        The number of weights and biases of both layers, a Python int.

    Book: unit 1, page `network`.
    """
    return n_h * n_x + n_h + n_y * n_h + n_y


def init_params(
    n_x: int,
    n_h: int,
    n_y: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    """Initialise the parameters of the network: Xavier weights and zero biases.

    Every weight is drawn independently from the normal distribution with mean 0 and variance
    2 / (n_in + n_out), where n_in and n_out are the sizes of its own layer. Draw with torch.randn
    or torch.normal; torch.nn and its initialisers are not allowed here.

    Args:
        n_x: number of inputs.
        n_h: number of hidden units.
        n_y: number of outputs.
        generator: source of every draw: the same state gives the same parameters. None stands for
            torch's global generator.
        device: where the parameters are put; a generator draws on its own (generator.device).

    Returns:
        A dict of float32 tensors on `device`: "Wh" (n_h × n_x), "bh" (n_h,), "Wy" (n_y × n_h),
        "by" (n_y,).

    Formula: book, unit 1, page `initialisation`.
    """
    draw_on = "cpu" if generator is None else generator.device

    def weights(n_out: int, n_in: int) -> Tensor:
        standard = torch.randn(n_out, n_in, generator=generator, device=draw_on)
        return (math.sqrt(2 / (n_in + n_out)) * standard).to(device)

    return {
        "Wh": weights(n_h, n_x),
        "bh": torch.zeros(n_h, device=device),
        "Wy": weights(n_y, n_h),
        "by": torch.zeros(n_y, device=device),
    }


def forward(params: dict[str, Tensor], X: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute the predictions for a batch: tanh hidden layer, softmax output.

    The softmax is written out, with the largest pre-activation of each row subtracted first, so
    that pre-activations of ±1000 give no inf or nan. The library's softmax, log_softmax and
    logsumexp are not allowed here.

    Args:
        params: the dict that init_params returns; not modified.
        X: batch of inputs, B × n_x; not modified.

    Returns:
        Y_hat: predicted probabilities, B × n_y; every row sums to 1.
        outputs: a dict of what backward needs: "X" (the batch, B × n_x), "h_tilde" (hidden
            pre-activations, B × n_h), "h" (hidden activations, B × n_h), "y_tilde" (output
            pre-activations, B × n_y), "y_hat" (the predictions, B × n_y). More keys are allowed.

        All have the dtype and the device of X and of the parameters.

    Formula: book, unit 1, page `network`, the forward pass for a batch.
    """
    h_tilde = X @ params["Wh"].T + params["bh"]
    h = torch.tanh(h_tilde)
    y_tilde = h @ params["Wy"].T + params["by"]
    exponentials = torch.exp(y_tilde - y_tilde.max(dim=1, keepdim=True).values)
    y_hat = exponentials / exponentials.sum(dim=1, keepdim=True)
    return y_hat, {"X": X, "h_tilde": h_tilde, "h": h, "y_tilde": y_tilde, "y_hat": y_hat}


def loss_accuracy(Y_tilde: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the cross-entropy loss and the accuracy from the output pre-activations.

    The loss of one example is ℓ = -Σ yᵢ ỹᵢ + log Σ exp(ỹⱼ), with the natural logarithm; the loss of
    a batch is the mean over its examples. The log-sum-exp is written out, with the largest
    pre-activation of each row subtracted first, so that pre-activations of ±1000 give the exact
    finite loss. The library's softmax, log_softmax, logsumexp and cross-entropy are not allowed
    here.

    Args:
        Y_tilde: output pre-activations (before the softmax), B × n_y; not modified.
        Y: one-hot targets, B × n_y; not modified.

    Returns:
        loss: 0-dim tensor, at least 0.
        accuracy: 0-dim tensor in [0, 1], the share of rows whose largest pre-activation stands at
            the target.

    Formula: book, unit 1, page `loss`, cross-entropy from pre-activations.
    """
    largest = Y_tilde.max(dim=1, keepdim=True).values
    log_sum_exp = largest.squeeze(1) + torch.log(torch.exp(Y_tilde - largest).sum(dim=1))
    loss = (log_sum_exp - (Y * Y_tilde).sum(dim=1)).mean()
    accuracy = (Y_tilde.argmax(dim=1) == Y.argmax(dim=1)).to(Y_tilde.dtype).mean()
    return loss, accuracy


def backward(params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor) -> dict[str, Tensor]:
    """Compute the gradients of the loss with respect to the parameters, by backpropagation.

    The loss is the cross-entropy averaged over the batch, as in loss_accuracy. The formulas are
    written out: automatic differentiation (torch.autograd, .backward, torch.func) is off and not
    allowed here.

    Args:
        params: the dict that init_params returns; not modified.
        outputs: the dict that forward returned for the batch; not modified.
        Y: one-hot targets, B × n_y; not modified.

    Returns:
        A dict with the keys of params, "Wh", "bh", "Wy", "by"; each gradient has the shape and the
        dtype of its parameter.

    Formula: book, unit 1, page `backpropagation`, the matrix form for a batch.
    """
    X, h = outputs["X"], outputs["h"]
    grad_y_tilde = (outputs["y_hat"] - Y) / len(Y)
    grad_h_tilde = (grad_y_tilde @ params["Wy"]) * (1 - h**2)
    return {
        "Wh": grad_h_tilde.T @ X,
        "bh": grad_h_tilde.sum(dim=0),
        "Wy": grad_y_tilde.T @ h,
        "by": grad_y_tilde.sum(dim=0),
    }


def numerical_gradient(
    f: Callable[[Tensor], Tensor | float], x: Tensor, eps: float = 1e-5
) -> Tensor:
    """Approximate the gradient of f at x by central differences, one coordinate at a time.

    Two evaluations of f a coordinate, at a distance of eps on either side. In float32 rounding
    drowns the difference: pass x in float64.

    Args:
        f: function of one tensor of the shape of x; returns a Python float or a 0-dim tensor.
        x: the point, of any shape; has its first values at the end.
        eps: size of the step to either side, positive.

    Returns:
        The approximate gradient, a tensor of the shape and the dtype of x.

    Formula: book, unit 1, page `numerical_gradients`, central differences.
    """
    slopes = torch.zeros(x.numel(), dtype=x.dtype, device=x.device)
    for position in range(x.numel()):
        step = torch.zeros_like(slopes)
        step[position] = eps
        step = step.reshape(x.shape)
        slopes[position] = (float(f(x + step)) - float(f(x - step))) / (2 * eps)
    return slopes.reshape(x.shape)


def sgd(params: dict[str, Tensor], grads: dict[str, Tensor], eta: float) -> None:
    """Take one step of gradient descent, in place.

    The tensors in params are changed themselves, not replaced by new ones: whoever holds one of
    them sees its new values. torch.optim is not allowed here.

    Args:
        params: the parameters; every tensor is changed in place.
        grads: a dict with the keys of params, the gradient of each parameter; not modified.
        eta: learning rate, positive.

    Formula: book, unit 1, page `gradient_descent`, the update.
    """
    for name, parameter in params.items():
        parameter -= eta * grads[name]


def minibatches(
    X: Tensor, Y: Tensor, batch_size: int, generator: torch.Generator | None = None
) -> list[tuple[Tensor, Tensor]]:
    """Cut the examples of one epoch into mini-batches, in a random order.

    The examples are shuffled once (torch.randperm), rows of X and Y together, and then cut into
    consecutive pieces: every example is in exactly one batch. torch.utils.data is not allowed here.

    Args:
        X: inputs, N × n_x; not modified.
        Y: targets, N × n_y, row i belongs to row i of X; not modified.
        batch_size: number of examples in a batch, at least 1. The last batch is smaller where
            batch_size does not divide N.
        generator: source of the order: the same state gives the same batches. None stands for
            torch's global generator.

    Returns:
        A list of pairs (X_batch, Y_batch), of batch_size × n_x and batch_size × n_y.

    Book: unit 1, page `gradient_descent`, mini-batches.
    """
    draw_on = "cpu" if generator is None else generator.device
    order = torch.randperm(len(X), generator=generator, device=draw_on).to(X.device)
    return [(X[rows], Y[rows]) for rows in order.split(batch_size)]
