"""Hidden checks of the training loop."""

import copy
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.perceptron.networks import (
    SOFTMAX_TWICE,
    SQUARED,
    SUMMED,
    batch,
    compare_changes,
    entropy_of_softmax,
    named,
    one_hot,
    squared_error,
    twin,
)
from autograder.checks.tools import Mistake
from autograder.student import Student

NO_STEP = "optimizer.step() is missing, or finds no gradients: zero_grad stands before backward"
AUTOGRAD_PAGE = "book/unit1/autograd.html"
DESCENT_PAGE = "book/unit1/gradient_descent.html"


def _losses(value: Any, epochs: int) -> list[float]:
    if not isinstance(value, list | tuple):
        what = f"the losses must be a list, and are {tools.described(value)}"
        raise Mistake(what, "return a list with the mean loss of every epoch")
    if len(value) != epochs:
        hint = "the list has one number an epoch" if len(value) > epochs else None
        raise Mistake(f"{epochs} epochs gave {len(value)} losses", hint)
    return [tools.as_number("a loss", loss) for loss in value]


def _generator(rng: torch.Generator) -> torch.Generator:
    """A generator for the student, which tells nothing of the hidden one."""
    return torch.Generator().manual_seed(int(torch.randint(2**31, (), generator=rng)))


def _full_batch(
    model: nn.Module,
    X: Tensor,
    Y: Tensor,
    epochs: int,
    *,
    loss_function: Callable[[Tensor, Tensor], Tensor] = functional.cross_entropy,
    momentum: float = 0.9,
    clears: bool = True,
) -> tuple[list[float], dict[str, Tensor]]:
    """Train a copy where one batch is the whole set; losses (one more than epochs) and changes."""
    trained = copy.deepcopy(model)
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.2, momentum=momentum)
    losses = []
    for epoch in range(epochs + 1):
        loss = loss_function(trained(X), Y)
        losses.append(loss.item())
        if epoch < epochs:
            if clears:
                optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    start = model.state_dict()
    changes = {name: value - start[name] for name, value in trained.state_dict().items()}
    return losses, changes


@pytest.mark.task("train", weight=2, page=AUTOGRAD_PAGE)
@pytest.mark.parametrize("batch_size", [6, 10])
def test_train_with_one_batch_an_epoch(
    student: Student, rng: torch.Generator, batch_size: int
) -> None:
    """The parameters after three epochs in which each batch is the whole set."""
    theirs, ours = twin(student, rng, 3, 5, 4)
    X, Y = batch(rng, 6, 3, 4)
    X_before, Y_before = X.clone(), Y.clone()
    optimizer = student.build("torch.optim.SGD", theirs.parameter_list(), lr=0.2, momentum=0.9)
    before = named(theirs.parameters())
    student.train(theirs, optimizer, X, Y, batch_size, 3, _generator(rng))

    def summed(Y_tilde: Tensor, Y: Tensor) -> Tensor:
        return functional.cross_entropy(Y_tilde, Y, reduction="sum")

    after = named(theirs.parameters())
    if all(torch.equal(after.get(name, old), old) for name, old in before.items()):
        raise Mistake("no parameter has changed", NO_STEP)
    plain = _full_batch(ours, X, Y, 3, momentum=0)[1]
    mistakes = {
        "the gradients pile up: optimizer.zero_grad() once a batch": _full_batch(
            ours, X, Y, 3, clears=False
        )[1],
        "the parameters move by a rule of your own: use optimizer.step()": plain,
        "this is one epoch too many": _full_batch(ours, X, Y, 4)[1],
        "this is one epoch too few": _full_batch(ours, X, Y, 2)[1],
        SUMMED: _full_batch(ours, X, Y, 3, loss_function=summed)[1],
        SOFTMAX_TWICE: _full_batch(ours, X, Y, 3, loss_function=entropy_of_softmax)[1],
        SQUARED: _full_batch(ours, X, Y, 3, loss_function=squared_error)[1],
    }
    compare_changes(before, after, _full_batch(ours, X, Y, 3)[1], mistakes)
    tools.unchanged("X", X_before, X)
    tools.unchanged("Y", Y_before, Y)


@pytest.mark.task("train", weight=1, page=DESCENT_PAGE)
def test_train_reports_the_loss_before_each_step(student: Student, rng: torch.Generator) -> None:
    """The losses of three epochs in which the batch is the whole set."""
    theirs, ours = twin(student, rng, 3, 5, 4)
    X, Y = batch(rng, 6, 3, 4)
    optimizer = student.build("torch.optim.SGD", theirs.parameter_list(), lr=0.2, momentum=0.9)
    came = _losses(student.train(theirs, optimizer, X, Y, 6, 3, _generator(rng)), 3)
    expected = torch.tensor(_full_batch(ours, X, Y, 3)[0], dtype=torch.float64)
    mistakes = {
        "the loss is taken after the epoch: each example counts as it was before the step": (
            expected[1:]
        ),
        SUMMED: 6 * expected[:3],
    }
    losses = torch.tensor(came, dtype=torch.float64)
    tools.close("the losses", losses, expected[:3], mistakes, rtol=1e-6)


@pytest.mark.task("train", weight=2, page=DESCENT_PAGE)
def test_train_weighs_every_example_the_same(student: Student, rng: torch.Generator) -> None:
    """The losses at a learning rate of 0, with a last batch that is smaller."""
    theirs, ours = twin(student, rng, 3, 4)
    X, Y = batch(rng, 7, 3, 4)
    optimizer = student.build("torch.optim.SGD", theirs.parameter_list(), lr=0.0)
    losses = _losses(student.train(theirs, optimizer, X, Y, 3, 2, _generator(rng)), 2)
    with torch.no_grad():
        each = functional.cross_entropy(ours(X), Y, reduction="none")
    total = each.sum()
    batch_means = (total - each) / 3 + each  # summed, for each example that may be left for last
    mistakes = {
        "a batch of 1 counts as much as a batch of 3: weigh its mean by its size": batch_means / 3,
        "the last, smaller batch is left out": (total - each) / 6,
        "the mean of a batch stands for all its examples: weigh it by the number of examples": (
            batch_means / 7
        ),
        "the losses are added up and not averaged: divide by the number of examples": batch_means,
        "the losses are summed: divide by the number of examples": total.reshape(1),
    }
    for loss in losses:
        for hint, values in mistakes.items():
            if abs(loss - total / 7) > 1e-6 and bool(((values - loss).abs() < 1e-6).any()):
                raise Mistake(f"the loss of an epoch is {loss:.6g}, which is not right", hint)
        tools.number("the loss of an epoch", loss, float(total) / 7)


N_EXAMPLES, BATCH, STEPS, CLASSES = 9, 2, 5, 3
LEARNING_RATE, MOMENTUM = 0.5, 0.8


def _uses(W: Tensor, labels: Tensor, epochs: int) -> list[tuple[int, ...]] | None:
    """In which step of each epoch each example was used, read off the learned weights.

    Input i is the i-th unit vector, so that example i alone moves column i of W, and momentum keeps
    the column moving: where it ends tells when its gradients came. None where no step of each epoch
    explains a column.
    """
    when = torch.tensor(list(product(range(STEPS), repeat=epochs)))
    sizes = torch.tensor([BATCH] * (STEPS - 1) + [1], dtype=torch.float64)
    uses = []
    for i, label in enumerate(labels):
        target = one_hot(label, CLASSES)
        w = torch.zeros(len(when), CLASSES, dtype=torch.float64)
        velocity = torch.zeros_like(w)
        for epoch, step in product(range(epochs), range(STEPS)):
            used = (when[:, epoch] == step).double()[:, None]
            gradient = used * (torch.softmax(w, dim=1) - target) / sizes[step]
            velocity = MOMENTUM * velocity + gradient
            w = w - LEARNING_RATE * velocity
        distances = (w - W[:, i]).abs().amax(dim=1)
        if not distances.min() < 1e-9:  # also where a weight is nan
            return None
        uses.append(tuple(when[distances.argmin()].tolist()))
    return uses


def _learned(student: Student, labels: Tensor, epochs: int, generator: torch.Generator) -> Tensor:
    """The weights, classes × examples, after training on unit vectors from zero weights."""
    model = student.build("torch.nn.Linear", N_EXAMPLES, CLASSES, bias=False, dtype=torch.float64)
    model.load_state_dict({"weight": torch.zeros(CLASSES, N_EXAMPLES, dtype=torch.float64)})
    optimizer = student.build(
        "torch.optim.SGD", model.parameter_list(), lr=LEARNING_RATE, momentum=MOMENTUM
    )
    X, Y = torch.eye(N_EXAMPLES, dtype=torch.float64), one_hot(labels, CLASSES)
    student.train(model, optimizer, X, Y, BATCH, epochs, generator)
    weight = named(model.parameters()).get("weight")
    return tools.tensor("the weights", weight, (CLASSES, N_EXAMPLES), torch.float64)


@pytest.mark.task("train", weight=2, page=DESCENT_PAGE)
def test_train_uses_every_example_once_an_epoch(student: Student, rng: torch.Generator) -> None:
    """Which examples each step of an epoch used, the smaller last batch included."""
    labels = torch.randperm(N_EXAMPLES, generator=rng) % CLASSES
    W = _learned(student, labels, 1, _generator(rng))
    tools.require(bool(W.any()), "no parameter has changed", NO_STEP)
    unused = int((W == 0).all(dim=0).sum())
    tools.require(
        unused == 0,
        f"an epoch left out {unused} of {N_EXAMPLES} examples",
        "every example is used exactly once an epoch: none is drawn twice, and the last, smaller "
        "batch counts as well",
    )
    tools.require(
        torch.equal(W.argmax(dim=0), labels),
        "the model learns another class for some examples than theirs",
        "rows of X and Y belong together: one order for both",
    )
    full_step = LEARNING_RATE * (1 - 1 / CLASSES)
    one_step = torch.tensor([full_step / BATCH] * (N_EXAMPLES - 1) + [full_step])
    tools.require(
        not torch.allclose(W.max(dim=0).values.sort().values, one_step.double()),
        "an epoch of several batches made a single step",
        "the optimizer makes one step a batch: zero_grad, backward and optimizer.step() stand in "
        "the inner loop",
    )
    tools.require(
        _uses(W, labels, 1) is not None,
        "the weights after an epoch are not those of one step a batch with every example once",
    )


@pytest.mark.task("train", weight=2, page=DESCENT_PAGE)
def test_train_shuffles_in_every_epoch(student: Student, rng: torch.Generator) -> None:
    """The order of the examples in each of three epochs.

    A right answer has the same batches in all of them once in 500 million courses.
    """
    labels = torch.randperm(N_EXAMPLES, generator=rng) % CLASSES
    uses = _uses(_learned(student, labels, 3, _generator(rng)), labels, 3)
    if uses is None:
        raise Mistake("the weights are not those of three epochs with every example once in each")
    orders = list(zip(*uses, strict=True))
    if any(order != orders[0] for order in orders):
        return
    natural = orders[0] == tuple(i // BATCH for i in range(N_EXAMPLES))
    hint = (
        "the examples come in the order given: there is no shuffling"
        if natural
        else "the order is drawn once: draw it anew in every epoch"
    )
    raise Mistake("all epochs have the same batches", hint)


@pytest.mark.task("train", weight=1, page=DESCENT_PAGE)
def test_train_draws_from_the_generator(student: Student, rng: torch.Generator) -> None:
    """Equal states of the generator give equal training."""
    labels = torch.arange(N_EXAMPLES) % CLASSES
    generator = _generator(rng)
    first, second = (_learned(student, labels, 3, generator.clone_state()) for _ in range(2))
    tools.require(
        torch.equal(first, second),
        "two generators in the same state gave different training",
        "the orders must be drawn from the generator that is given",
    )


@pytest.mark.task("train", weight=1, page=DESCENT_PAGE)
def test_train_learns(student: Student, rng: torch.Generator) -> None:
    """Two clouds of points that a line separates, with Adam; an epoch without a generator."""
    labels = torch.randint(2, (21,), generator=rng)
    X = 0.3 * torch.randn(21, 2, generator=rng) + 4 * labels[:, None] - 2
    model = student.build("torch.nn.Linear", 2, 2)
    model.load_state_dict({"weight": torch.zeros(2, 2), "bias": torch.zeros(2)})
    optimizer = student.build("torch.optim.Adam", model.parameter_list(), lr=0.1)
    Y = one_hot(labels, 2, torch.float32)
    losses = _losses(student.train(model, optimizer, X, Y, 4, 30, _generator(rng)), 30)
    output = tools.tensor("the output", model(X), (21, 2))
    right = int((output.argmax(dim=1) == labels).sum())
    tools.require(right == 21, f"after 30 epochs {right} of 21 separable points are right")
    tools.require(losses[-1] < losses[0] / 4, "the reported loss does not fall")
    _losses(student.train(model, optimizer, X, Y, 4, 1), 1)
