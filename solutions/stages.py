"""The four stages of the first unit, side by side: one network, trained in four ways.

From one initialisation and one order of the batches the four give the same curve; what is left
between them is rounding.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from solutions.autograd import autograd_step
from solutions.by_hand import backward, forward, loss_accuracy, minibatches, sgd
from solutions.modules import init_model, loss_accuracy_model, sgd_model
from solutions.optim import train

Params = dict[str, Tensor]
Data = tuple[Tensor, Tensor, Tensor, Tensor]

MODEL_NAMES = {"Wh": "0.weight", "bh": "0.bias", "Wy": "2.weight", "by": "2.bias"}


@dataclass
class Curves:
    """What a training run looked like: `epochs + 1` entries, the first one before any step.

    Losses are means over the whole set, natural logarithm; accuracies are in [0, 1]. `params` are
    the parameters after the last epoch.
    """

    params: Params
    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)


def train_stage(
    stage: str,
    params: Params,
    data: Data,
    eta: float,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> Curves:
    """Train the one-hidden-layer network in the manner of one stage.

    Args:
        stage: one of `STAGES`.
        params: the parameters to start from, as `init_params` returns them; not modified.
        data: X_train, Y_train, X_test, Y_test with one-hot targets.
        eta: learning rate of the mean loss.
        batch_size: number of examples a step.
        epochs: how many times the training set is gone through.
        generator: a CPU generator that the orders of the batches are drawn from.

    Returns:
        The loss and the accuracy on both sets, before the first epoch and after each.

    Raises:
        KeyError: there is no such stage.
    """
    X_train, Y_train, X_test, Y_test = data
    states = STAGES[stage](params, X_train, Y_train, eta, batch_size, generator)
    curves = Curves(params)
    for _ in range(epochs + 1):
        curves.params = next(states)
        for X, Y, losses, accuracies in (
            (X_train, Y_train, curves.train_loss, curves.train_accuracy),
            (X_test, Y_test, curves.test_loss, curves.test_accuracy),
        ):
            _, outputs = forward(curves.params, X)
            loss, accuracy = loss_accuracy(outputs["y_tilde"], Y)
            losses.append(float(loss))
            accuracies.append(float(accuracy))
    return curves


def _by_hand(
    params: Params,
    X: Tensor,
    Y: Tensor,
    eta: float,
    batch_size: int,
    generator: torch.Generator | None,
) -> Iterator[Params]:
    params = _copy(params)
    while True:
        yield _copy(params)
        for X_batch, Y_batch in minibatches(X, Y, batch_size, generator):
            _, outputs = forward(params, X_batch)
            sgd(params, backward(params, outputs, Y_batch), eta)


def _autograd(
    params: Params,
    X: Tensor,
    Y: Tensor,
    eta: float,
    batch_size: int,
    generator: torch.Generator | None,
) -> Iterator[Params]:
    params = {name: value.requires_grad_() for name, value in _copy(params).items()}
    while True:
        yield _copy(params)
        for X_batch, Y_batch in minibatches(X, Y, batch_size, generator):
            autograd_step(params, X_batch, Y_batch, eta)


def _modules(
    params: Params,
    X: Tensor,
    Y: Tensor,
    eta: float,
    batch_size: int,
    generator: torch.Generator | None,
) -> Iterator[Params]:
    model = model_from(params)
    while True:
        yield params_of(model)
        for X_batch, Y_batch in minibatches(X, Y, batch_size, generator):
            loss, _ = loss_accuracy_model(model, X_batch, Y_batch)
            loss.backward()
            sgd_model(model, eta)


def _optim(
    params: Params,
    X: Tensor,
    Y: Tensor,
    eta: float,
    batch_size: int,
    generator: torch.Generator | None,
) -> Iterator[Params]:
    model = model_from(params)
    optimizer = torch.optim.SGD(model.parameters(), lr=eta)
    while True:
        yield params_of(model)
        train(model, optimizer, X, Y, batch_size, 1, generator)


STAGES: dict[str, Callable[..., Iterator[Params]]] = {
    "by hand": _by_hand,
    "autograd": _autograd,
    "torch.nn": _modules,
    "torch.optim": _optim,
}


def model_from(params: Params) -> nn.Module:
    """A module of the third stage with these parameters, their dtype and their device."""
    n_h, n_x = params["Wh"].shape
    model = init_model(n_x, n_h, len(params["by"])).to(params["Wh"])
    model.load_state_dict({MODEL_NAMES[name]: value for name, value in params.items()})
    return model


def params_of(model: nn.Module) -> Params:
    """The parameters of such a module, copied, under the names of the first stage."""
    state = model.state_dict()
    return _copy({name: state[model_name] for name, model_name in MODEL_NAMES.items()})


def _copy(params: Params) -> Params:
    return {name: value.detach().clone() for name, value in params.items()}
