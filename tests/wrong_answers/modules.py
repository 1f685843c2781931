"""Answers to the tasks of `solutions.modules`."""

# Students write `p -= eta * p.grad`; mypy objects that a gradient may be None.
# mypy: disable-error-code="operator, misc, union-attr, assignment"

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.wrong_answers import right, wrong


@right("init_model")
def own_module(n_x: int, n_h: int, n_y: int) -> nn.Module:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.sizes = (n_x, n_h, n_y)
            self.output_layer = nn.Linear(n_h, n_y)
            self.hidden_layer = nn.Linear(n_x, n_h)

        def forward(self, x: Tensor) -> Tensor:
            return self.output_layer(torch.tanh(self.hidden_layer(x)))

    return Network()


@right("init_model")
def named_and_initialised(n_x: int, n_h: int, n_y: int) -> nn.Module:
    hidden, out = nn.Linear(n_x, n_h), nn.Linear(n_h, n_y)
    model = nn.Sequential(OrderedDict(hidden=hidden, act=nn.Tanh(), out=out))
    for layer in (hidden, out):
        nn.init.xavier_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    return model


@right("init_model")
def bare_parameters(n_x: int, n_h: int, n_y: int) -> nn.Module:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.Wh = nn.Parameter(torch.randn(n_h, n_x) * (2 / (n_x + n_h)) ** 0.5)
            self.bh = nn.Parameter(torch.zeros(n_h))
            self.Wy = nn.Parameter(torch.randn(n_y, n_h) * (2 / (n_h + n_y)) ** 0.5)
            self.by = nn.Parameter(torch.zeros(n_y))

        def forward(self, x: Tensor) -> Tensor:
            return torch.tanh(x @ self.Wh.T + self.bh) @ self.Wy.T + self.by

    return Network()


@wrong("init_model", hint="softmax")
def softmax_at_the_end(n_x: int, n_h: int, n_y: int) -> nn.Module:
    layers = [nn.Linear(n_x, n_h), nn.Tanh(), nn.Linear(n_h, n_y), nn.Softmax(dim=1)]
    return nn.Sequential(*layers)


@wrong("init_model", hint="log-softmax")
def log_softmax_at_the_end(n_x: int, n_h: int, n_y: int) -> nn.Module:
    layers = [nn.Linear(n_x, n_h), nn.Tanh(), nn.Linear(n_h, n_y), nn.LogSoftmax(dim=1)]
    return nn.Sequential(*layers)


@wrong("init_model", hint="ReLU")
def relu(n_x: int, n_h: int, n_y: int) -> nn.Module:
    return nn.Sequential(nn.Linear(n_x, n_h), nn.ReLU(), nn.Linear(n_h, n_y))


@wrong("init_model", hint="sigmoid")
def sigmoid(n_x: int, n_h: int, n_y: int) -> nn.Module:
    return nn.Sequential(nn.Linear(n_x, n_h), nn.Sigmoid(), nn.Linear(n_h, n_y))


@wrong("init_model", hint="bias")
def without_bias(n_x: int, n_h: int, n_y: int) -> nn.Module:
    hidden, output = nn.Linear(n_x, n_h, bias=False), nn.Linear(n_h, n_y, bias=False)
    return nn.Sequential(hidden, nn.Tanh(), output)


@wrong("init_model", hint="no activation")
def two_linear_maps(n_x: int, n_h: int, n_y: int) -> nn.Module:
    return nn.Sequential(nn.Linear(n_x, n_h), nn.Linear(n_h, n_y))


@wrong("init_model", hint="tanh on the output")
def tanh_on_the_output(n_x: int, n_h: int, n_y: int) -> nn.Module:
    layers = [nn.Linear(n_x, n_h), nn.Tanh(), nn.Linear(n_h, n_y), nn.Tanh()]
    return nn.Sequential(*layers)


@wrong("init_model", hint="in_features")
def sizes_swapped(n_x: int, n_h: int, n_y: int) -> nn.Module:
    return nn.Sequential(nn.Linear(n_h, n_x), nn.Tanh(), nn.Linear(n_y, n_h))


@wrong("init_model", hint="one hidden layer")
def two_hidden_layers(n_x: int, n_h: int, n_y: int) -> nn.Module:
    hidden = [nn.Linear(n_x, n_h), nn.Tanh(), nn.Linear(n_h, n_h), nn.Tanh()]
    return nn.Sequential(*hidden, nn.Linear(n_h, n_y))


@wrong("init_model", hint="one hidden layer")
def no_hidden_layer(n_x: int, n_h: int, n_y: int) -> nn.Module:
    return nn.Sequential(nn.Linear(n_x, n_y), nn.Tanh())


@wrong("init_model", hint="same")
def all_weights_zero(n_x: int, n_h: int, n_y: int) -> nn.Module:
    model = nn.Sequential(nn.Linear(n_x, n_h), nn.Tanh(), nn.Linear(n_h, n_y))
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model


@wrong("init_model", hint="sizes of the call")
def sizes_of_the_circles(n_x: int, n_h: int, n_y: int) -> nn.Module:
    return nn.Sequential(nn.Linear(2, 10), nn.Tanh(), nn.Linear(10, 2))


@right("loss_accuracy_model")
def written_out(model: nn.Module, X: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    scores = model(X)
    logs = torch.log_softmax(scores, dim=1)
    loss = -(logs[Y == 1]).mean()
    with torch.no_grad():
        hits = scores.max(dim=1).indices == Y.max(dim=1).indices
    return loss, hits.float().mean()


@right("loss_accuracy_model")
def loss_object_and_float_accuracy(model: nn.Module, X: Tensor, Y: Tensor) -> tuple[Tensor, float]:
    classes = Y.argmax(dim=-1)
    output = model(X)
    criterion = nn.CrossEntropyLoss()
    correct = (torch.softmax(output, dim=-1).argmax(dim=-1) == classes).sum().item()
    return criterion(output, classes), correct / len(X)


@wrong("loss_accuracy_model", hint="softmax")
def softmax_before_cross_entropy(model: nn.Module, X: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    Y_hat = torch.softmax(model(X), dim=1)
    accuracy = (Y_hat.argmax(dim=1) == Y.argmax(dim=1)).float().mean()
    return functional.cross_entropy(Y_hat, Y), accuracy


@wrong("loss_accuracy_model", hint="mean over the batch")
def summed_over_the_batch(model: nn.Module, X: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    scores = model(X)
    accuracy = (scores.argmax(dim=1) == Y.argmax(dim=1)).float().mean()
    return functional.cross_entropy(scores, Y, reduction="sum"), accuracy


@wrong("loss_accuracy_model", hint="every entry")
def mean_over_all_entries(model: nn.Module, X: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    scores = model(X)
    accuracy = (scores.argmax(dim=1) == Y.argmax(dim=1)).float().mean()
    return -(Y * functional.log_softmax(scores, dim=1)).mean(), accuracy


@wrong("loss_accuracy_model", hint="squared error")
def mean_squared_error(model: nn.Module, X: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    scores = model(X)
    accuracy = (scores.argmax(dim=1) == Y.argmax(dim=1)).float().mean()
    return functional.mse_loss(torch.softmax(scores, dim=1), Y), accuracy


@wrong("loss_accuracy_model", hint="per cent")
def accuracy_in_per_cent(model: nn.Module, X: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    scores = model(X)
    accuracy = 100 * (scores.argmax(dim=1) == Y.argmax(dim=1)).float().mean()
    return functional.cross_entropy(scores, Y), accuracy


@wrong("loss_accuracy_model", hint="number of examples")
def counts_the_hits(model: nn.Module, X: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    scores = model(X)
    return functional.cross_entropy(scores, Y), (scores.argmax(1) == Y.argmax(1)).sum()


@wrong("loss_accuracy_model", hint="axis")
def largest_of_each_column(model: nn.Module, X: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    scores = model(X)
    accuracy = (scores.argmax(dim=0) == Y.argmax(dim=0)).float().mean()
    return functional.cross_entropy(scores, Y), accuracy


@wrong("loss_accuracy_model", hint="every entry")
def compares_entries(model: nn.Module, X: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    scores = model(X)
    highest = functional.one_hot(scores.argmax(dim=1), Y.shape[1])
    return functional.cross_entropy(scores, Y), (highest == Y).float().mean()


@wrong("loss_accuracy_model", hint="graph")
def loss_as_a_number(model: nn.Module, X: Tensor, Y: Tensor) -> tuple[float, Tensor]:
    scores = model(X)
    accuracy = (scores.argmax(dim=1) == Y.argmax(dim=1)).float().mean()
    return functional.cross_entropy(scores, Y).item(), accuracy


@wrong("loss_accuracy_model", hint="graph")
def evaluated_without_gradients(model: nn.Module, X: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        scores = model(X)
        accuracy = (scores.argmax(dim=1) == Y.argmax(dim=1)).float().mean()
        return functional.cross_entropy(scores, Y), accuracy


@wrong("loss_accuracy_model", hint="loss first")
def accuracy_first(model: nn.Module, X: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    scores = model(X)
    accuracy = (scores.argmax(dim=1) == Y.argmax(dim=1)).float().mean()
    return accuracy, functional.cross_entropy(scores, Y)


@wrong("loss_accuracy_model", hint="without calling backward")
def backward_inside(model: nn.Module, X: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    scores = model(X)
    loss = functional.cross_entropy(scores, Y)
    loss.backward(retain_graph=True)
    return loss, (scores.argmax(dim=1) == Y.argmax(dim=1)).float().mean()


@right("sgd_model")
def through_data(model: nn.Module, eta: float) -> None:
    for parameter in model.parameters():
        parameter.data = parameter.data - eta * parameter.grad
        parameter.grad.zero_()


@right("sgd_model")
def through_named_parameters(model: nn.Module, eta: float) -> None:
    with torch.no_grad():
        for _, parameter in model.named_parameters():
            parameter.copy_(parameter - eta * parameter.grad)
            parameter.grad = None


@wrong("sgd_model", hint="zero")
def gradients_stay(model: nn.Module, eta: float) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= eta * parameter.grad


@wrong("sgd_model", hint="sign")
def ascends(model: nn.Module, eta: float) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += eta * parameter.grad
    model.zero_grad()


@wrong("sgd_model", hint="in place")
def new_tensors(model: nn.Module, eta: float) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter = parameter - eta * parameter.grad
    model.zero_grad()


@wrong("sgd_model", hint="bias")
def only_the_weights(model: nn.Module, eta: float) -> None:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("weight"):
                parameter -= eta * parameter.grad
    model.zero_grad()


@wrong("sgd_model", hint="before the step")
def zeroed_too_early(model: nn.Module, eta: float) -> None:
    model.zero_grad(set_to_none=False)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= eta * parameter.grad


@wrong("sgd_model", hint="no_grad")
def update_is_tracked(model: nn.Module, eta: float) -> None:
    for parameter in model.parameters():
        parameter -= eta * parameter.grad
    model.zero_grad()


@wrong("sgd_model", hint="eta")
def rate_of_its_own(model: nn.Module, eta: float) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.1 * parameter.grad
    model.zero_grad()


@wrong("sgd_model", hint="in place")
def new_parameters(model: nn.Module, eta: float) -> None:
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            moved = parameter.detach() - eta * parameter.grad
            setattr(module, name, nn.Parameter(moved))


@wrong("sgd_model", hint="direction")
def only_the_direction(model: nn.Module, eta: float) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= eta * parameter.grad.sign()
    model.zero_grad()
