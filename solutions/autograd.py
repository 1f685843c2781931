"""Stage 2: the gradients of the one-hidden-layer network by automatic differentiation."""

import torch
from torch import Tensor


def autograd_step(params: dict[str, Tensor], X: Tensor, Y: Tensor, eta: float) -> Tensor:
    """Take one step of gradient descent whose gradients autograd computes.

    The network is the one of the first stage: tanh hidden layer, softmax output, cross-entropy
    averaged over the batch. Compute the loss from the pre-activations of the output, so that ±1000
    give a finite one, call `backward` on it, and move every parameter against its gradient.

    The parameters are updated in place, with gradient tracking off: the caller's own tensors hold
    the new values, and are still leaves that require gradients. No gradient may carry over into the
    next step: zero it or set it to None. torch.optim is not allowed here.

    Book: book/unit1/autograd.

    Args:
        params: leaf tensors that require gradients: "Wh" (n_h × n_x), "bh" (n_h,),
            "Wy" (n_y × n_h), "by" (n_y,).
        X: inputs, B × n_x.
        Y: one-hot targets, B × n_y.
        eta: learning rate, a positive number.

    Returns:
        The loss of this batch before the step, natural logarithm: a tensor without dimensions,
        detached from the graph.
    """
    h = torch.tanh(X @ params["Wh"].T + params["bh"])
    Y_tilde = h @ params["Wy"].T + params["by"]
    loss = (torch.logsumexp(Y_tilde, dim=1) - (Y * Y_tilde).sum(dim=1)).mean()
    loss.backward()
    with torch.no_grad():
        for param in params.values():
            if param.grad is not None:
                param -= eta * param.grad
            param.grad = None
    return loss.detach()
