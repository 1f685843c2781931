"""Hidden checks of the pass through a data set: each switch that can be forgotten has its own."""

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.perceptron.inputs import two
from autograder.checks.perceptron.networks import SOFTMAX_TWICE, SUMMED, compare_changes, named
from autograder.checks.tools import Mistake
from autograder.checks.training_convnets.inputs import FIXED_SEED, GENERATOR, own_generator
from autograder.student import Handle, Student

PAGE = "book/unit2/training.html#training-epoch"

EVAL_FORGOTTEN = (
    "model.eval() is missing in an evaluation: batch normalisation and dropout still behave as in "
    "training, and running statistics change"
)
TRAIN_FORGOTTEN = (
    "model.train() is missing in training: after an evaluation the model stays in eval mode, where "
    "batch normalisation uses its running statistics"
)
NO_GRAD_FORGOTTEN = (
    "torch.no_grad() is missing in an evaluation: model.eval() does not turn gradients off, these "
    "are two switches"
)
GRADIENTS_OFF = "gradients are off while the model trains: no_grad belongs to the evaluation alone"
NOT_ZEROED = "the gradients pile up: optimizer.zero_grad() is missing, once a batch before backward"
NO_STEP = (
    "no parameter moves: backward and then optimizer.step() once a batch, and zero_grad not "
    "between these two"
)
STEPS_BY_HAND = "the parameters move, but not by optimizer.step(): the rule is the optimizer's"
MODE = "an evaluation gives the mode that it had back to the model: keep model.training before"
BATCH_MEANS = (
    "a batch of 1 counts as much as a batch of 3: weigh its mean by its size, and divide by the "
    "number of examples"
)
ADDED_UP = "this is a sum: divide by the number of examples"
LEFT_OUT = "the last, smaller batch is left out: it belongs to the epoch too"
WRONG_COUNT = "the last batch is smaller: divide by the number of examples, not batches times size"
AFTER = "the figures are taken after the step: in training they are those seen before the step"
PERCENT = "this is percent: an accuracy lies in [0, 1]"
PAIR = "return the mean loss and the accuracy, two floats"
GRAPH = "add up plain numbers, loss.item(): a sum of tensors keeps the graph of every batch alive"
ORDER = "there is no shuffling: in training the order is drawn anew with torch.randperm"
TOGETHER = "inputs and classes belong together: one order for X and y"
ONCE = "every example is used exactly once an epoch: a permutation, cut into batches"
ONE_STEP = "the optimizer makes one step a batch: zero_grad, backward and step stand in the loop"

Figures = tuple[float, float]


def _network(student: Student, rng: torch.Generator, norm: bool) -> tuple[list[Handle], nn.Module]:
    """The same small network twice: in the worker, with its layers last, and here."""
    recipes: list[tuple[str, tuple[int, ...]]] = [("Flatten", ()), ("Linear", (12, 5))]
    recipes += [("BatchNorm1d", (5,))] if norm else [("Tanh", ())]
    recipes += [("Linear", (5, 4))]
    ours = nn.Sequential(*(getattr(nn, name)(*sizes) for name, sizes in recipes)).double()
    for parameter in ours.parameters():
        parameter.data = torch.randn(parameter.shape, generator=rng, dtype=torch.float64)
    if norm:
        ours[2].running_mean = torch.randn(5, generator=rng, dtype=torch.float64)
        ours[2].running_var = 0.5 + torch.rand(5, generator=rng, dtype=torch.float64)
    layers = [student.build(f"torch.nn.{name}", *sizes) for name, sizes in recipes]
    theirs = student.build("torch.nn.Sequential", *layers)
    student.build("operator.methodcaller", "double")(theirs)
    theirs.load_state_dict({name: value.clone() for name, value in ours.state_dict().items()})
    return [theirs, *layers], ours


def _examples(rng: torch.Generator, n: int) -> tuple[Tensor, Tensor]:
    """Images of 2 × 2 × 3 and their classes among four."""
    X = torch.randn(n, 2, 2, 3, generator=rng, dtype=torch.float64)
    return X, torch.randint(4, (n,), generator=rng)


def _figures(value: Any) -> Figures:
    loss, accuracy = two("epoch", value, PAIR)
    for name, figure in (("the loss", loss), ("the accuracy", accuracy)):
        tools.require(not isinstance(figure, Handle), f"{name} carries a graph", GRAPH)
    return tools.as_number("the loss", loss), tools.as_number("the accuracy", accuracy)


def _training() -> AbstractContextManager[None]:
    """Explain what backward raises where nothing was tracked."""
    return tools.explained(GRADIENTS_OFF, "does not require grad", "nference tensor")


def _sgd(student: Student, model: Handle, lr: float, momentum: float = 0.0) -> Handle:
    return student.build("torch.optim.SGD", model.parameter_list(), lr=lr, momentum=momentum)


@torch.no_grad()
def _each(model: nn.Module, X: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of every example, and whether it is right."""
    Y_tilde = model(X)
    losses = functional.cross_entropy(Y_tilde, y, reduction="none")
    return losses, (Y_tilde.argmax(dim=1) == y).double()


def _compare(name: str, came: float, expected: Tensor, mistakes: dict[str, Tensor]) -> None:
    """Compare with one number; a mistake is one value or several that it may give."""
    value = float(expected)
    if abs(came - value) > 1e-6:
        for hint, wrong in mistakes.items():
            if bool(((wrong - came).abs() < 1e-6).any()):
                raise Mistake(f"{name} is {came:.6g}, which is not right", hint)
    tools.number(name, came, value)


def _miscounts(each: Tensor, sizes: list[int]) -> dict[str, Tensor]:
    """What wrong counts make of the values of the examples; a batch of one may be any of them."""
    n, full = len(each), sizes[0]
    rest = each.sum() - each
    return {
        BATCH_MEANS: (rest / full + each) / len(sizes),
        LEFT_OUT: rest / (n - 1),
        ADDED_UP: torch.stack([each.sum(), *(rest / full + each)]),
        WRONG_COUNT: each.sum() / (full * len(sizes)),
        "this is the sum of the batches' means: weigh each by its size before you divide by the "
        "number of examples": (rest / full + each) / n,
        "this is the last batch alone: collect over all batches": each,
        PERCENT: 100 * each.mean(),
    }


@pytest.mark.task("epoch", weight=3, page=PAGE)
def test_evaluation_is_in_eval_mode(student: Student, rng: torch.Generator) -> None:
    """Loss and accuracy of a model with batch normalisation that comes in train mode."""
    (theirs, *_), ours = _network(student, rng, norm=True)
    X, y = _examples(rng, 6)
    loss, accuracy = _figures(student.epoch(theirs, X, y, 3))
    losses, right = _each(copy.deepcopy(ours).eval(), X, y)
    in_training = [_each(ours, X[rows], y[rows]) for rows in (slice(0, 3), slice(3, 6))]
    for name, came, expected, index in (
        ("the loss", loss, losses.mean(), 0),
        ("the accuracy", accuracy, right.mean(), 1),
    ):
        forgotten = torch.cat([figures[index] for figures in in_training]).mean()
        mistakes = {EVAL_FORGOTTEN: forgotten, PERCENT: 100 * expected, ADDED_UP: 6 * expected}
        _compare(f"{name} of the evaluation", came, expected, mistakes)


@pytest.mark.task("epoch", weight=2, page=PAGE)
def test_evaluation_leaves_the_model_as_it_was(student: Student, rng: torch.Generator) -> None:
    """Parameters and running statistics after an evaluation."""
    (theirs, *_), ours = _network(student, rng, norm=True)
    X, y = _examples(rng, 7)
    X_before, y_before = X.clone(), y.clone()
    student.epoch(theirs, X, y, 3)
    after, parameters = named(theirs.state_dict()), dict(ours.named_parameters())
    for name, value in ours.state_dict().items():
        came = tools.tensor(name, after.get(name), value.shape)
        hint = "an evaluation makes no step" if name in parameters else EVAL_FORGOTTEN
        tools.require(torch.equal(came, value), f"the evaluation has changed {name}", hint)
    tools.unchanged("X", X_before, X)
    tools.unchanged("y", y_before, y)


@pytest.mark.task("epoch", weight=2, page=PAGE)
def test_evaluation_tracks_no_gradients(student: Student, rng: torch.Generator) -> None:
    """What the last layer of the model is given while it is evaluated."""
    (theirs, *layers), _ = _network(student, rng, norm=False)
    tracked: list[bool] = []

    def see(layer: Any, inputs: Any, output: Any) -> None:
        tracked.append(isinstance(inputs[0], Handle))  # what carries a graph stays in the worker

    student.build("operator.methodcaller", "register_forward_hook", see)(layers[-1])
    student.epoch(theirs, *_examples(rng, 5), 2)
    tools.require(bool(tracked), "the evaluation never calls the model")
    tools.require(not any(tracked), "the evaluation builds a graph", NO_GRAD_FORGOTTEN)


@pytest.mark.task("epoch", weight=1, page=PAGE)
def test_evaluation_gives_the_mode_back(student: Student, rng: torch.Generator) -> None:
    """The mode of a model after an evaluation, in which it came in train mode or in eval mode."""
    (theirs, *_), _ = _network(student, rng, norm=True)
    for put, before in ((theirs.train, True), (theirs.eval, False)):
        put()
        student.epoch(theirs, *_examples(rng, 4), 2)
        modes = {True: "train", False: "eval"}
        after = theirs.attribute("training") is True
        message = f"a model in {modes[before]} mode is in {modes[after]} mode after an evaluation"
        tools.require(after is before, message, MODE)


@pytest.mark.task("epoch", weight=2, page=PAGE)
def test_evaluation_counts_every_example_once(student: Student, rng: torch.Generator) -> None:
    """Loss and accuracy of seven examples in batches of three."""
    (theirs, *_), ours = _network(student, rng, norm=False)
    theirs.eval()
    X, y = _examples(rng, 7)
    y[:2] = ours(X[:2]).argmax(dim=1)  # neither all right nor all wrong
    y[-1] = ours(X[-1:]).argmin()
    _check_counts(ours, X, y, _figures(student.epoch(theirs, X, y, 3)))


@pytest.mark.task("epoch", weight=2, page=PAGE)
def test_training_counts_every_example_once(student: Student, rng: torch.Generator) -> None:
    """Loss and accuracy of seven examples in batches of three, at a learning rate of 0."""
    (theirs, *_), ours = _network(student, rng, norm=False)
    X, y = _examples(rng, 7)
    y[:3] = ours(X[:3]).argmax(dim=1)
    y[3:] = ours(X[3:]).argmin(dim=1)
    with _training():
        figures = student.epoch(theirs, X, y, 3, _sgd(student, theirs, 0.0), own_generator(rng))
    _check_counts(ours, X, y, _figures(figures))


def _check_counts(ours: nn.Module, X: Tensor, y: Tensor, figures: Figures) -> None:
    losses, right = _each(ours, X, y)
    softmax = functional.cross_entropy(ours(X).softmax(dim=1), y).detach()
    mistakes = {SOFTMAX_TWICE: softmax, **_miscounts(losses, [3, 3, 1])}
    _compare("the loss", figures[0], losses.mean(), mistakes)
    _compare("the accuracy", figures[1], right.mean(), _miscounts(right, [3, 3, 1]))


@pytest.mark.task("epoch", weight=2, page=PAGE)
def test_training_is_in_train_mode(student: Student, rng: torch.Generator) -> None:
    """Loss and running statistics of a model with batch normalisation that comes in eval mode."""
    (theirs, *_), ours = _network(student, rng, norm=True)
    theirs.eval()
    X, y = _examples(rng, 6)
    forgotten = _each(copy.deepcopy(ours).eval(), X, y)[0].mean()
    with _training():
        value = student.epoch(theirs, X, y, 6, _sgd(student, theirs, 0.0), own_generator(rng))
    expected = _each(ours, X, y)[0].mean()
    mistakes = {TRAIN_FORGOTTEN: forgotten}
    _compare("the loss of the training epoch", _figures(value)[0], expected, mistakes)
    mean = tools.tensor("2.running_mean", named(theirs.state_dict()).get("2.running_mean"), (5,))
    tools.close("the running mean", mean, ours.get_buffer("2.running_mean"))


def _full_batches(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    *,
    clears: bool = True,
    loss_function: Callable[[Tensor, Tensor], Tensor] = functional.cross_entropy,
) -> tuple[list[Tensor], list[Tensor], dict[str, Tensor]]:
    """Three steps on the whole set: figures before each and after the last, and all changes."""
    trained = copy.deepcopy(model)
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.2, momentum=0.9)
    losses, accuracies = [], []
    for step in range(4):
        each, right = _each(trained, X, y)
        losses.append(each.mean())
        accuracies.append(right.mean())
        if step < 3:
            if clears:
                optimizer.zero_grad()
            loss_function(trained(X), y).backward()
            optimizer.step()
    start = model.state_dict()
    changes = {name: value - start[name] for name, value in trained.state_dict().items()}
    return losses, accuracies, changes


@pytest.mark.task("epoch", weight=2, page=PAGE)
@pytest.mark.parametrize("batch_size", [6, 10])
def test_training_moves_the_parameters(
    student: Student, rng: torch.Generator, batch_size: int
) -> None:
    """The parameters after three epochs in which a batch is the whole set."""
    (theirs, *_), ours = _network(student, rng, norm=False)
    X, y = _examples(rng, 6)
    X_before, y_before = X.clone(), y.clone()
    optimizer, generator = _sgd(student, theirs, 0.2, 0.9), own_generator(rng)
    before = named(theirs.parameters())
    for _ in range(3):
        with _training():
            student.epoch(theirs, X, y, batch_size, optimizer, generator)
    after = named(theirs.parameters())
    if all(torch.equal(after.get(name, value), value) for name, value in before.items()):
        raise Mistake("no parameter has changed", NO_STEP)

    def summed(Y_tilde: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(Y_tilde, y, reduction="sum")

    def softmax_first(Y_tilde: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(Y_tilde.softmax(dim=1), y)

    mistakes = {
        NOT_ZEROED: _full_batches(ours, X, y, clears=False)[2],
        SUMMED: _full_batches(ours, X, y, loss_function=summed)[2],
        SOFTMAX_TWICE: _full_batches(ours, X, y, loss_function=softmax_first)[2],
    }
    compare_changes(before, after, _full_batches(ours, X, y)[2], mistakes)
    tools.unchanged("X", X_before, X)
    tools.unchanged("y", y_before, y)


@pytest.mark.task("epoch", weight=1, page=PAGE)
def test_training_reports_what_it_saw_before_each_step(
    student: Student, rng: torch.Generator
) -> None:
    """Loss and accuracy of three epochs in which a batch is the whole set."""
    (theirs, *_), ours = _network(student, rng, norm=False)
    X, y = _examples(rng, 8)
    optimizer, generator = _sgd(student, theirs, 0.2, 0.9), own_generator(rng)
    losses, accuracies, _ = _full_batches(ours, X, y)
    for number in range(3):
        with _training():
            value = student.epoch(theirs, X, y, 8, optimizer, generator)
        loss, accuracy = _figures(value)
        later = {AFTER: losses[number + 1]}
        _compare("the loss", loss, losses[number], later | {ADDED_UP: 8 * losses[number]})
        later = {AFTER: accuracies[number + 1], PERCENT: 100 * accuracies[number]}
        _compare("the accuracy", accuracy, accuracies[number], later)


N, BATCH, CLASSES = 13, 3, 4


@dataclass
class Watched:
    """A linear model in the worker whose batches and steps are written down here.

    Example i is the i-th unit vector. `events` are the rows of a batch, or None for a step; a
    batch that the model sees twice in a row is one event.
    """

    student: Student
    labels: Tensor
    events: list[tuple[int, ...] | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        build = self.student.build
        self.model = build("torch.nn.Linear", N, CLASSES, bias=False)
        self.model.load_state_dict({"weight": torch.zeros(CLASSES, N)})
        self.optimizer = _sgd(self.student, self.model, 0.5)
        build("operator.methodcaller", "register_forward_hook", self._batch)(self.model)
        build("operator.methodcaller", "register_step_post_hook", self._step)(self.optimizer)

    def train(self, generator: torch.Generator | None) -> Figures:
        """One epoch; `events` are those of this epoch."""
        self.events.clear()
        X = torch.eye(N)
        with _training():
            value = self.student.epoch(
                self.model, X, self.labels.clone(), BATCH, self.optimizer, generator
            )
        return _figures(value)

    def order(self, generator: torch.Generator | None) -> list[int]:
        """The examples of one epoch in the order in which they were used."""
        self.train(generator)
        return [row for event in self.events if event is not None for row in event]

    def weight(self) -> Tensor:
        weight = named(self.model.parameters()).get("weight")
        return tools.tensor("the weights", weight, (CLASSES, N), torch.float32)

    def _batch(self, layer: Any, inputs: Any, output: Any) -> None:
        rows = tuple(tools.tensor("a batch", inputs[0], None).argmax(dim=1).tolist())
        if not self.events or self.events[-1] != rows:
            self.events.append(rows)

    def _step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        self.events.append(None)


def _watched(student: Student, rng: torch.Generator) -> Watched:
    return Watched(student, torch.randperm(N, generator=rng) % CLASSES)


@pytest.mark.task("epoch", weight=2, page=PAGE)
def test_training_uses_every_example_once(student: Student, rng: torch.Generator) -> None:
    """The examples of a training epoch, thirteen in batches of three."""
    used = _watched(student, rng).order(own_generator(rng))
    missing = set(range(N)) - set(used)
    hint = LEFT_OUT if len(missing) == N % BATCH and len(used) < N else ONCE
    tools.require(not missing, f"an epoch left out {len(missing)} of {N} examples", hint)
    tools.require(len(used) == N, f"an epoch of {N} examples used {len(used)}", ONCE)


@pytest.mark.task("epoch", weight=2, page=PAGE)
def test_training_makes_one_step_a_batch(student: Student, rng: torch.Generator) -> None:
    """The sizes of the batches and the steps between them."""
    watched = _watched(student, rng)
    watched.train(own_generator(rng))
    sizes = [len(event) for event in watched.events if event is not None]
    steps = watched.events.count(None)
    tools.require(steps > 0 or not watched.weight().any(), "there is no step", STEPS_BY_HAND)
    tools.require(steps > 0, "there is no step", NO_STEP)
    message = f"{len(sizes)} batches came with {steps} steps"
    tools.require(steps == len(sizes), message, ONE_STEP)
    asked = [BATCH] * (N // BATCH) + [N % BATCH]
    message = f"{N} examples in batches of {BATCH} came as batches of {sizes}"[:300]
    hint = LEFT_OUT if sizes == asked[:-1] else "batch_size is the number of examples a batch"
    tools.require(sizes == asked, message, hint)
    in_turn = all((event is None) == bool(i % 2) for i, event in enumerate(watched.events))
    tools.require(in_turn, "batches and steps do not take turns", ONE_STEP)


@pytest.mark.task("epoch", weight=2, page=PAGE)
def test_inputs_keep_their_classes(student: Student, rng: torch.Generator) -> None:
    """The class that each example is trained towards."""
    watched = _watched(student, rng)
    watched.train(own_generator(rng))
    weight = watched.weight()
    moved = weight.abs().amax(dim=0) > 0
    tools.require(bool(moved.any()), "no parameter has changed", NO_STEP)
    apart = int((weight.argmax(dim=0) != watched.labels)[moved].sum())
    message = (
        f"{apart} of {int(moved.sum())} examples are trained towards another class than theirs"
    )
    tools.require(apart == 0, message, TOGETHER)


@pytest.mark.task("epoch", weight=2, page=PAGE)
def test_training_shuffles(student: Student, rng: torch.Generator) -> None:
    """The order of the examples in two epochs with one generator.

    Two random orders of thirteen examples agree once in six thousand million.
    """
    watched, generator = _watched(student, rng), own_generator(rng)
    first, second = watched.order(generator), watched.order(generator)
    natural = list(range(len(first)))
    tools.require(first != natural, "the examples come in the order given", ORDER)
    hint = "the order is drawn anew in every epoch, and a seed set inside the function prevents it"
    tools.require(first != second, "two epochs have the same order", hint)


@pytest.mark.task("epoch", weight=1, page=PAGE)
def test_order_comes_from_the_generator(student: Student, rng: torch.Generator) -> None:
    """The same state of the generator gives the same order, another state another one."""
    watched, generator = _watched(student, rng), own_generator(rng)
    other = own_generator(rng)
    first, again = (watched.order(generator.clone_state()) for _ in range(2))
    message = "two generators in the same state gave different orders"
    tools.require(first == again, message, GENERATOR)
    message = "two generators in different states gave the same order"
    hint = ORDER if first == sorted(first) else FIXED_SEED
    tools.require(watched.order(other) != first, message, hint)
    message = "two epochs without a generator gave the same order"
    tools.require(watched.order(None) != watched.order(None), message, hint)


@pytest.mark.task("epoch", weight=1, page=PAGE)
def test_a_model_learns(student: Student, rng: torch.Generator) -> None:
    """Twenty epochs with Adam on images of two kinds that a linear map separates."""
    y = torch.arange(21) % 2
    X = 0.3 * torch.randn(21, 1, 2, 2, generator=rng) + 2 * y[:, None, None, None] - 1
    layers = [student.build("torch.nn.Flatten"), student.build("torch.nn.Linear", 4, 2)]
    model = student.build("torch.nn.Sequential", *layers)
    model.load_state_dict({"1.weight": torch.zeros(2, 4), "1.bias": torch.zeros(2)})
    optimizer, generator = (
        student.build("torch.optim.Adam", model.parameter_list(), lr=0.1),
        own_generator(rng),
    )
    first, _ = _figures(student.epoch(model, X, y, 4))
    for _ in range(20):
        with _training():
            student.epoch(model, X, y, 4, optimizer, generator)
    last, accuracy = _figures(student.epoch(model, X, y, 4))
    tools.require(accuracy == 1, f"after 20 epochs the accuracy is {accuracy:.3g}", None)
    tools.require(last < first / 4, "the loss does not fall", None)
