"""Answers to the task of `solutions.autograd`."""

# Students write `p -= eta * p.grad`; mypy objects that a gradient may be None.
# mypy: disable-error-code="operator, misc, union-attr"

import torch
from torch import Tensor
from torch.nn import functional

from tests.wrong_answers import right, wrong


@right("autograd_step")
def with_autograd_grad(params: dict[str, Tensor], X: Tensor, Y: Tensor, eta: float) -> Tensor:
    hidden = (X.matmul(params["Wh"].t()) + params["bh"]).tanh()
    scores = hidden.matmul(params["Wy"].t()) + params["by"]
    loss = -(Y * torch.log_softmax(scores, dim=1)).sum() / X.shape[0]
    names = list(params)
    grads = torch.autograd.grad(loss, [params[name] for name in names])
    for name, grad in zip(names, grads, strict=True):
        params[name].data.sub_(grad, alpha=eta)
    return loss.detach()


@right("autograd_step")
def zeroed_before_backward(params: dict[str, Tensor], X: Tensor, Y: Tensor, eta: float) -> Tensor:
    for p in params.values():
        if p.grad is not None:
            p.grad.zero_()
    scores = functional.linear(X, params["Wh"], params["bh"])
    scores = functional.linear(torch.tanh(scores), params["Wy"], params["by"])
    loss = functional.cross_entropy(scores, Y.argmax(dim=1))
    loss.backward()
    before = torch.tensor(loss.item(), dtype=loss.dtype)
    with torch.no_grad():
        for p in params.values():
            p -= eta * p.grad
    return before


@wrong("autograd_step", hint="zero")
def gradients_add_up(params: dict[str, Tensor], X: Tensor, Y: Tensor, eta: float) -> Tensor:
    h = torch.tanh(X @ params["Wh"].T + params["bh"])
    loss = functional.cross_entropy(h @ params["Wy"].T + params["by"], Y)
    loss.backward()
    with torch.no_grad():
        for p in params.values():
            p -= eta * p.grad
    return loss.detach()


@wrong("autograd_step", hint="sign")
def climbs(params: dict[str, Tensor], X: Tensor, Y: Tensor, eta: float) -> Tensor:
    h = torch.tanh(X @ params["Wh"].T + params["bh"])
    loss = functional.cross_entropy(h @ params["Wy"].T + params["by"], Y)
    loss.backward()
    with torch.no_grad():
        for p in params.values():
            p += eta * p.grad
            p.grad = None
    return loss.detach()


@wrong("autograd_step", hint="in place")
def makes_new_tensors(params: dict[str, Tensor], X: Tensor, Y: Tensor, eta: float) -> Tensor:
    h = torch.tanh(X @ params["Wh"].T + params["bh"])
    loss = functional.cross_entropy(h @ params["Wy"].T + params["by"], Y)
    loss.backward()
    for name, p in params.items():
        params[name] = (p - eta * p.grad).detach().requires_grad_()
    return loss.detach()


@wrong("autograd_step", hint="in place")
def rebinds_the_loop_variable(
    params: dict[str, Tensor], X: Tensor, Y: Tensor, eta: float
) -> Tensor:
    h = torch.tanh(X @ params["Wh"].T + params["bh"])
    loss = functional.cross_entropy(h @ params["Wy"].T + params["by"], Y)
    loss.backward()
    with torch.no_grad():
        for p in params.values():
            grad = p.grad
            p.grad = None
            p = p - eta * grad
    return loss.detach()


@wrong("autograd_step", hint="no_grad")
def tracks_the_update(params: dict[str, Tensor], X: Tensor, Y: Tensor, eta: float) -> Tensor:
    h = torch.tanh(X @ params["Wh"].T + params["bh"])
    loss = functional.cross_entropy(h @ params["Wy"].T + params["by"], Y)
    loss.backward()
    for p in params.values():
        p -= eta * p.grad
        p.grad.zero_()
    return loss.detach()


@wrong("autograd_step", hint="before the step")
def loss_after_the_step(params: dict[str, Tensor], X: Tensor, Y: Tensor, eta: float) -> Tensor:
    for _ in range(2):
        h = torch.tanh(X @ params["Wh"].T + params["bh"])
        loss = functional.cross_entropy(h @ params["Wy"].T + params["by"], Y)
        if _ == 0:
            loss.backward()
            with torch.no_grad():
                for p in params.values():
                    p -= eta * p.grad
                    p.grad = None
    return loss.detach()


@wrong("autograd_step", hint="mean over the batch")
def summed_loss(params: dict[str, Tensor], X: Tensor, Y: Tensor, eta: float) -> Tensor:
    h = torch.tanh(X @ params["Wh"].T + params["bh"])
    loss = functional.cross_entropy(h @ params["Wy"].T + params["by"], Y, reduction="sum")
    loss.backward()
    with torch.no_grad():
        for p in params.values():
            p -= eta * p.grad
            p.grad = None
    return loss.detach()


@wrong("autograd_step", hint="detach")
def loss_with_graph(params: dict[str, Tensor], X: Tensor, Y: Tensor, eta: float) -> Tensor:
    h = torch.tanh(X @ params["Wh"].T + params["bh"])
    loss = functional.cross_entropy(h @ params["Wy"].T + params["by"], Y)
    loss.backward()
    with torch.no_grad():
        for p in params.values():
            p -= eta * p.grad
            p.grad = None
    return loss


@wrong("autograd_step", hint="softmax")
def softmax_twice(params: dict[str, Tensor], X: Tensor, Y: Tensor, eta: float) -> Tensor:
    h = torch.tanh(X @ params["Wh"].T + params["bh"])
    Y_hat = torch.softmax(h @ params["Wy"].T + params["by"], dim=1)
    loss = functional.cross_entropy(Y_hat, Y)
    loss.backward()
    with torch.no_grad():
        for p in params.values():
            p -= eta * p.grad
            p.grad = None
    return loss.detach()


@wrong("autograd_step", hint="squared error")
def squared_error(params: dict[str, Tensor], X: Tensor, Y: Tensor, eta: float) -> Tensor:
    h = torch.tanh(X @ params["Wh"].T + params["bh"])
    Y_hat = torch.softmax(h @ params["Wy"].T + params["by"], dim=1)
    loss = functional.mse_loss(Y_hat, Y)
    loss.backward()
    with torch.no_grad():
        for p in params.values():
            p -= eta * p.grad
            p.grad = None
    return loss.detach()


@wrong("autograd_step", hint="bias")
def moves_only_the_weights(params: dict[str, Tensor], X: Tensor, Y: Tensor, eta: float) -> Tensor:
    h = torch.tanh(X @ params["Wh"].T + params["bh"])
    loss = functional.cross_entropy(h @ params["Wy"].T + params["by"], Y)
    loss.backward()
    with torch.no_grad():
        for name in ("Wh", "Wy"):
            params[name] -= eta * params[name].grad
        for p in params.values():
            p.grad = None
    return loss.detach()


@wrong("autograd_step", hint="mean over the batch")
def divides_by_the_batch_twice(
    params: dict[str, Tensor], X: Tensor, Y: Tensor, eta: float
) -> Tensor:
    h = torch.tanh(X @ params["Wh"].T + params["bh"])
    loss = functional.cross_entropy(h @ params["Wy"].T + params["by"], Y)
    loss.backward()
    with torch.no_grad():
        for p in params.values():
            p -= eta * p.grad / len(X)
            p.grad = None
    return loss.detach()


@wrong("autograd_step", hint="overflow")
def logarithm_of_the_softmax(params: dict[str, Tensor], X: Tensor, Y: Tensor, eta: float) -> Tensor:
    h = torch.tanh(X @ params["Wh"].T + params["bh"])
    exponentials = torch.exp(h @ params["Wy"].T + params["by"])
    Y_hat = exponentials / exponentials.sum(dim=1, keepdim=True)
    loss = -(Y * torch.log(Y_hat)).sum(dim=1).mean()
    loss.backward()
    with torch.no_grad():
        for p in params.values():
            p -= eta * p.grad
            p.grad = None
    return loss.detach()


@wrong("autograd_step", hint="require")
def leaves_lose_their_gradient(
    params: dict[str, Tensor], X: Tensor, Y: Tensor, eta: float
) -> Tensor:
    h = torch.tanh(X @ params["Wh"].T + params["bh"])
    loss = functional.cross_entropy(h @ params["Wy"].T + params["by"], Y)
    loss.backward()
    for p in params.values():
        grad = p.grad
        p.requires_grad_(False)
        p -= eta * grad
        p.grad = None
    return loss.detach()
