"""Hidden checks of the fully-connected network of any depth."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.toolbox_layers.inputs import hinted
from autograder.student import Handle, Student

FORBIDDEN = {"FullyConnectedNet": ["torch.nn", "sklearn.neural_network", *tools.AUTOGRAD]}
LOSS = "book/unit4/fully_connected.html#toolbox-fully-connected-loss"
REGULARISATION = "book/unit4/fully_connected.html#toolbox-fully-connected-regularisation"

LAYERS = (
    "go through every layer from 1 to n_layers: flatten X to N × D first, weights are inputs × "
    "outputs, and each layer takes the output of the one before it"
)
NAMES = "params has W1, b1, W2, b2, ... as __init__ made them: keep names and shapes"
PAIR = "with y return two things: the loss, a number, and grads, a dict with the keys of params"
ANEW = "read self.params anew in each call: an update replaces the arrays in it"
LEAVE = "the parameters are not changed by loss: the update rule changes them, later"
MEAN = "every gradient of the data is too large: is the mean missing, 1/N?"
THROUGH_RELU = "the gradient goes back through the ReLU as well"
SCORES_FIRST = "the loss comes from the scores: mend the checks of the scores first"
LOSS_OF_SCORES = (
    "the scores are right, and the loss made of them is not: look at softmax_loss, and at the "
    "penalty where there is one"
)
HALF = "the derivative of λ / 2 · w² is λ w: the half is in the loss alone"

Arrays = dict[str, np.ndarray]
Bend = Callable[[Tensor], Tensor]


@dataclass
class Network:
    """Random parameters of a network with a batch for it, in float64."""

    params: Arrays
    X: np.ndarray
    y: np.ndarray
    hidden_dims: list[int]
    n_classes: int

    @classmethod
    def draw(
        cls,
        rng: torch.Generator,
        hidden_dims: list[int],
        shape: tuple[int, ...] = (6, 7),
        n_classes: int = 4,
    ) -> "Network":
        draw = tools.numpy_generator(rng)
        sizes, params = [int(np.prod(shape[1:])), *hidden_dims, n_classes], {}
        for i, (n_in, n_out) in enumerate(itertools.pairwise(sizes), start=1):
            params[f"W{i}"] = draw.standard_normal((n_in, n_out)) / np.sqrt(n_in)
            params[f"b{i}"] = draw.standard_normal(n_out) / 2
        X, y = draw.standard_normal(shape), draw.integers(0, n_classes, shape[0])
        return cls(params, X, y, hidden_dims, n_classes)

    def scores(self, leaves: dict[str, Tensor], bend: Bend = torch.relu) -> Tensor:
        x = torch.from_numpy(self.X).flatten(1)
        n_layers = len(self.hidden_dims) + 1
        for i in range(1, n_layers + 1):
            x = x @ leaves[f"W{i}"] + leaves[f"b{i}"]
            x = bend(x) if i < n_layers else x
        return x

    def plain_scores(
        self, bend: Bend = torch.relu, changed: Mapping[str, Tensor] | None = None
    ) -> np.ndarray:
        leaves = {name: torch.from_numpy(value) for name, value in self.params.items()}
        return self.scores({**leaves, **(changed or {})}, bend).numpy()

    def measured(self, bend: Bend = torch.relu) -> tuple[float, Arrays]:
        """Loss without regularisation and its gradients, by the library."""
        leaves = {name: torch.tensor(v, requires_grad=True) for name, v in self.params.items()}
        loss = functional.cross_entropy(self.scores(leaves, bend), torch.from_numpy(self.y))
        found = torch.autograd.grad(loss, list(leaves.values()))
        return float(loss), {name: g.numpy() for name, g in zip(leaves, found, strict=True)}

    def squares(self, kind: str = "W") -> float:
        return sum(float((v**2).sum()) for name, v in self.params.items() if name[0] in kind)


def _unbent_backwards(x: Tensor) -> Tensor:
    """A ReLU that lets every gradient pass."""
    return x + (torch.relu(x) - x).detach()


class Model:
    """The student's network in the worker, with the parameters of a check."""

    def __init__(self, student: Student, network: Network, reg: float = 0.0) -> None:
        self._student, self.network = student, network
        sizes = network.hidden_dims, int(np.prod(network.X.shape[1:])), network.n_classes
        self.handle = student.FullyConnectedNet(
            *sizes, weight_scale=0.1, reg=reg, rng=np.random.default_rng(0)
        )
        if not isinstance(self.handle, Handle):
            raise tools.Mistake(f"an object is expected, not {tools.described(self.handle)}")
        shapes = {name: value.shape for name, value in network.params.items()}
        params = self.params()
        same = set(params) == set(shapes) and all(
            tools.array(name, params[name], None).shape == shape for name, shape in shapes.items()
        )
        tools.require(same, "params does not hold what __init__ put there", NAMES)
        self._live = student.build("builtins.getattr", self.handle, "params")
        self.set(network.params)

    def params(self) -> Arrays:
        params = self.handle.attribute("params")
        tools.require(isinstance(params, dict), "params must be a dict", NAMES)
        return params

    def set(self, params: Arrays) -> None:
        self._student.build("operator.ior", self._live, {k: v.copy() for k, v in params.items()})

    def loss(self, *batch: np.ndarray) -> Any:
        """What the method `loss` returns; the batch is verified to be unchanged."""
        kept = [self._student.put(value.copy()) for value in batch]
        call = self._student.build("operator.methodcaller", "loss", *kept)
        with hinted(LAYERS):
            answer = call(self.handle)
        for name, before, handle in zip("Xy", batch, kept, strict=False):
            tools.unchanged(name, before, handle.value())
        return answer


def _check_scores(student: Student, network: Network) -> None:
    shape = (len(network.X), network.n_classes)
    with hinted(LAYERS):
        scores = tools.array("the scores", Model(student, network).loss(network.X), shape)
    expected = network.plain_scores()
    exponentials = np.exp(expected - expected.max(axis=1, keepdims=True))
    biases = {n: torch.zeros(len(v)).double() for n, v in network.params.items() if n[0] == "b"}
    mistakes = {
        "no ReLU after the last layer: scores may be negative": np.maximum(expected, 0),
        "scores are what the last affine layer gives: the softmax belongs to the loss": (
            exponentials / exponentials.sum(axis=1, keepdims=True)
        ),
        "the biases are missing": network.plain_scores(changed=biases),
    }
    if network.hidden_dims:
        no_bend = "a ReLU stands between each two affine layers, and here there is none"
        mistakes[no_bend] = network.plain_scores(lambda x: x)
    tools.close("the scores", scores, expected, mistakes)


@pytest.mark.task("FullyConnectedNet", weight=2, page=LOSS)
def test_scores(student: Student, rng: torch.Generator) -> None:
    """The scores of three layers for known weights and biases."""
    _check_scores(student, Network.draw(rng, [6, 5]))


@pytest.mark.task("FullyConnectedNet", weight=1, page=LOSS)
def test_scores_of_one_image(student: Student, rng: torch.Generator) -> None:
    """A batch of one image of 2 × 3 × 2, in a network of two layers."""
    _check_scores(student, Network.draw(rng, [5], (1, 2, 3, 2), 3))


def _loss_and_gradients(model: Model) -> tuple[Any, Arrays]:
    network = model.network
    answer = model.loss(network.X, network.y)
    if not isinstance(answer, tuple | list) or len(answer) != 2 or not isinstance(answer[1], dict):
        raise tools.Mistake(f"loss returned {tools.described(answer)}", PAIR)
    loss, grads = answer
    with hinted(PAIR):
        tools.as_number("the loss", loss)
    names = set(grads) == set(network.params)
    tools.require(names, f"grads must have the keys {sorted(network.params)}", PAIR)
    with hinted(LAYERS):
        shaped = {
            name: tools.array(f"grads[{name!r}]", grads[name], value.shape)
            for name, value in network.params.items()
        }
    return loss, shaped


def _check_loss(model: Model, loss: Any, expected: float, mistakes: Mapping[str, float]) -> None:
    try:
        tools.number("the loss", loss, expected, mistakes)
    except tools.Mistake as mistake:
        raise tools.Mistake(mistake.message, mistake.hint or _blamed_for_loss(model)) from None


def _blamed_for_loss(model: Model) -> str:
    """Where a loss goes wrong that no named mistake explains."""
    network = model.network
    try:
        tools.close("the scores", model.loss(network.X), network.plain_scores())
    except (tools.Mistake, tools.StudentError):
        return SCORES_FIRST
    return LOSS_OF_SCORES


def _check_gradients(student: Student, network: Network) -> None:
    """Loss and gradients without regularisation."""
    model = Model(student, network)
    loss, grads = _loss_and_gradients(model)
    expected, measured = network.measured()
    n = len(network.X)
    _check_loss(model, loss, expected, {MEAN: n * expected} if n > 1 else {})
    passing = network.measured(_unbent_backwards)[1]
    for name in sorted(measured, reverse=True):
        mistakes = {THROUGH_RELU: passing[name]}
        if n > 1:
            mistakes[MEAN] = n * measured[name]
        tools.close(f"grads[{name!r}]", grads[name], measured[name], mistakes)


@pytest.mark.task("FullyConnectedNet", weight=3, page=LOSS)
def test_loss_and_gradients(student: Student, rng: torch.Generator) -> None:
    """Loss and every gradient of three layers."""
    _check_gradients(student, Network.draw(rng, [6, 5]))


@pytest.mark.task("FullyConnectedNet", weight=1, page=LOSS)
@pytest.mark.parametrize("hidden_dims", [[], [4, 3, 5, 6]])
def test_any_depth(student: Student, rng: torch.Generator, hidden_dims: list[int]) -> None:
    """A network without hidden layers, and one with four."""
    _check_gradients(student, Network.draw(rng, hidden_dims, (5, 3, 2), 3))


@pytest.mark.task("FullyConnectedNet", weight=3, page=REGULARISATION)
def test_regularisation(student: Student, rng: torch.Generator) -> None:
    """Loss and gradients with regularisation, in two layers with biases that are not zero."""
    network, reg = Network.draw(rng, [5]), 0.4
    model = Model(student, network, reg)
    loss, grads = _loss_and_gradients(model)
    data, measured = network.measured()
    n, penalty = len(network.X), reg / 2 * network.squares()
    last = reg / 2 * float((network.params["W2"] ** 2).sum())
    biases = "biases are not regularised, only weights"
    factor = "the factor is λ / 2: a half belongs to the loss"
    not_a_mean = "the penalty is not divided by N: it belongs to the weights, not to the examples"
    all_layers = "the weights of all layers are regularised, not those of the last one alone"
    mistakes = {
        factor: data + 2 * penalty,
        "the penalty is missing in the loss": data,
        biases: data + penalty + reg / 2 * network.squares("b"),
        not_a_mean: data + penalty / n,
        all_layers: data + last,
        "the penalty is added to the mean over the batch": n * data + penalty,
    }
    _check_loss(model, loss, data + penalty, mistakes)
    passing = network.measured(_unbent_backwards)[1]
    for name in sorted(measured, reverse=True):
        gradient, value = measured[name], reg * network.params[name]
        if name[0] == "b":
            wrong = {biases: gradient + value}
            expected = gradient
        else:
            wrong = {
                "the penalty is missing in the gradients": gradient,
                HALF: gradient + value / 2,
                HALF + ", and not 2 λ w": gradient + 2 * value,
                not_a_mean: gradient + value / n,
            }
            expected = gradient + value
        wrong[THROUGH_RELU] = expected - gradient + passing[name]
        tools.close(f"grads[{name!r}]", grads[name], expected, wrong)


@pytest.mark.task("FullyConnectedNet", weight=1, page=LOSS)
def test_parameters_are_read_and_left(student: Student, rng: torch.Generator) -> None:
    """The parameters stay as they are, and new ones count from the next call on."""
    network = Network.draw(rng, [5], (4, 3))
    model = Model(student, network)
    _loss_and_gradients(model)
    params = model.params()
    same = all(np.array_equal(params[name], value) for name, value in network.params.items())
    tools.require(same, "the parameters have changed", LEAVE)
    old = network.plain_scores()
    network.params = {name: value[::-1] + 0.5 for name, value in network.params.items()}
    model.set(network.params)
    scores = tools.array("the scores", model.loss(network.X), old.shape)
    tools.close("the scores with new parameters", scores, network.plain_scores(), {ANEW: old})
