"""Hidden checks of the step of gradient descent and of mini-batches."""

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import Tensor

from autograder.checks import tools
from autograder.checks.perceptron.inputs import (
    Network,
    copies,
    normal,
    seeded,
    seeds,
)
from autograder.student import Handle, Student

FORBIDDEN = {"sgd": ["torch.optim"], "minibatches": ["torch.utils.data"]}
PAGE = "book/unit1/gradient_descent.html"

IN_PLACE = "change the tensors in place (-=, sub_, copy_) instead of putting new ones into params"
BY_NAME = "find each gradient by name, not by its position in the dict"
NEIGHBOURS = (
    "the batches are made of neighbours: shuffle the examples before they are cut into batches, "
    "not the batches or what is inside them"
)
REPEATED = (
    "examples are drawn with replacement, or each batch takes a permutation of its own: shuffle "
    "once, then cut into pieces"
)
OLD_ORDER = "the examples are in their old order: shuffle them once, with torch.randperm"
FIXED_SEED = "a fixed seed inside the function gives every epoch the same order"


@pytest.mark.task("sgd", weight=2, page=PAGE)
def test_step_of_weights(student: Student, rng: torch.Generator, device: str) -> None:
    """The weights after one step."""
    _check_step(student, Network.draw(rng, device).params, ("Wh", "Wy"), rng)


@pytest.mark.task("sgd", weight=1, page=PAGE)
def test_step_of_biases(student: Student, rng: torch.Generator, device: str) -> None:
    """The biases after one step."""
    _check_step(student, Network.draw(rng, device).params, ("bh", "by"), rng)


@pytest.mark.task("sgd", weight=2, page=PAGE)
def test_step_is_in_place(student: Student, rng: torch.Generator) -> None:
    """The tensors themselves change: whoever else holds one sees its new values."""
    params = Network.draw(rng).params
    held, before = dict(params), copies(params)
    student.sgd(params, _random_gradients(params, rng), 0.5)
    for name, value in held.items():
        message = f"params[{name!r}] is another tensor than before the call"
        tools.require(params.get(name) is value, message, IN_PLACE)
        same = torch.equal(value, before[name])
        tools.require(not same, f"{name} has not changed", _nothing_changed(name))


@pytest.mark.task("sgd", weight=1, page=PAGE)
def test_step_matches_gradients_by_name(student: Student, rng: torch.Generator) -> None:
    """Gradients that stand in another order than the parameters."""
    params = {name: normal(rng, 3, 3) for name in ("Wh", "Wy")}
    params |= {name: normal(rng, 3) for name in ("bh", "by")}
    before, gradients = copies(params), _random_gradients(params, rng)
    exchanged = {name: gradients[name] for name in ("Wy", "Wh", "by", "bh")}
    other = dict(zip(params, exchanged.values(), strict=True))
    with tools.explained(BY_NAME, "shape", "size"):
        student.sgd(params, dict(exchanged), 0.1)
    for name, value in before.items():
        mistakes = {BY_NAME: value - 0.1 * other[name]}
        _check_moved(name, params.get(name), value, gradients[name], 0.1, mistakes)


@pytest.mark.task("sgd", weight=1, page=PAGE)
def test_step_leaves_gradients_alone(student: Student, rng: torch.Generator) -> None:
    """The gradients are not modified."""
    params = Network.draw(rng).params
    gradients = _random_gradients(params, rng)
    before = copies(gradients)
    student.sgd(params, gradients, 0.25)
    for name, value in before.items():
        tools.unchanged(f"grads[{name!r}]", value, gradients[name])


def _random_gradients(params: dict[str, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
    return {name: normal(rng, *value.shape).to(value) for name, value in params.items()}


def _check_step(
    student: Student, params: dict[str, Tensor], names: Iterable[str], rng: torch.Generator
) -> None:
    before, gradients = copies(params), _random_gradients(params, rng)
    eta = 0.05 + 0.4 * float(torch.rand((), generator=rng))
    student.sgd(params, copies(gradients), eta)
    for name in names:
        _check_moved(name, params.get(name), before[name], gradients[name], eta, {})


def _check_moved(
    name: str,
    value: Any,
    before: Tensor,
    gradient: Tensor,
    eta: float,
    mistakes: dict[str, Tensor],
) -> None:
    found = tools.tensor(name, value, before.shape, before.dtype)
    usual = {
        _nothing_changed(name): before,
        "this goes uphill: move against the gradient": before + eta * gradient,
        "the learning rate is missing": before - gradient,
        "the parameter is replaced by the step instead of being moved": -eta * gradient,
        "the parameter itself is shrunk by the learning rate": eta * (before - gradient),
    }
    tools.close(f"{name} after the step", found, before - eta * gradient, usual | mistakes)


def _nothing_changed(name: str) -> str:
    if name in ("bh", "by"):
        return "the biases move too, and here they do not"
    return "nothing has changed: was a copy updated, or a local name bound anew?"


@pytest.mark.task("minibatches", weight=1, page=PAGE)
def test_minibatches_are_a_list_of_pairs(student: Student, rng: torch.Generator) -> None:
    """A list of pairs of tensors."""
    batches = student.minibatches(*_examples(13), 5, generator=rng)
    message = f"minibatches must return a list, and returned {tools.described(batches)}"
    hint = "collect the batches in a list: a generator is used up after one pass"
    tools.require(isinstance(batches, list | tuple), message, hint)
    _pairs(batches)


@pytest.mark.task("minibatches", weight=3, page=PAGE)
def test_sizes_of_batches(student: Student, rng: torch.Generator) -> None:
    """All batches are full except the last, where the division leaves a rest."""
    for number, size in ((23, 4), (24, 4), (10, 3), (3, 8), (6, 1)):
        batches = _pairs(student.minibatches(*_examples(number), size, generator=rng))
        came = [len(x) for x, _ in batches]
        full, rest = divmod(number, size)
        asked = [size] * full + [rest] * (rest > 0)
        hints = {
            "the last batch is dropped where it is smaller: it belongs to the epoch too": (
                [size] * full
            ),
            "an empty batch at the end where the division leaves no rest": [*asked, 0],
            "batch_size is the number of examples in a batch, not the number of batches": (
                [len(piece) for piece in torch.arange(number).chunk(size)]
            ),
        }
        hint = next((hint for hint, sizes in hints.items() if sizes == came), None)
        message = f"{number} examples in batches of {size} give batches of {came}"[:300]
        tools.require(came == asked, message, hint)


@pytest.mark.task("minibatches", weight=3, page=PAGE)
def test_every_example_once(student: Student, rng: torch.Generator) -> None:
    """No example is in the batches twice."""
    rows = _rows(_pairs(student.minibatches(*_examples(60), 12, generator=rng)))
    tools.require(bool(rows), "the batches hold no example")
    message = f"the {len(rows)} rows of the batches hold {len(set(rows))} different examples"
    tools.require(len(set(rows)) == len(rows), message, REPEATED)


@pytest.mark.task("minibatches", weight=4, page=PAGE)
def test_inputs_keep_their_targets(student: Student, rng: torch.Generator) -> None:
    """The rows of X and Y stay together."""
    batches = _pairs(student.minibatches(*_examples(40), 7, generator=rng))
    inputs, labels = _rows(batches), [int(y) for _, Y_batch in batches for y in Y_batch[:, 0]]
    hint = "take one permutation for both X and Y"
    if labels == sorted(labels):
        hint = f"Y keeps its old order: {hint}"
    apart = sum(a != b for a, b in zip(inputs, labels, strict=True))
    tools.require(
        bool(inputs) and not apart,
        f"{apart} of {len(inputs)} rows come with the target of another row",
        hint,
    )


@pytest.mark.task("minibatches", weight=4, page=PAGE)
def test_examples_are_shuffled(student: Student, rng: torch.Generator) -> None:
    """The examples come in random order.

    A random order of 60 examples is the old one once in 10^81, and makes one of its five batches
    of twelve neighbours less than once in 10^9 classes.
    """
    batches = _pairs(student.minibatches(*_examples(60), 12, generator=rng))
    rows = _rows(batches)
    tools.require(rows != sorted(rows), "the batches follow the order of X", OLD_ORDER)
    for X_batch, _ in batches:
        numbers = [int(row) for row in X_batch[:, 0]]
        neighbours = len(numbers) > 5 and max(numbers) - min(numbers) < len(numbers)
        message = f"a batch holds {len(numbers)} examples that were neighbours in X"
        tools.require(not neighbours, message, NEIGHBOURS)


@pytest.mark.task("minibatches", weight=3, page=PAGE)
def test_order_comes_from_the_generator(student: Student, rng: torch.Generator) -> None:
    """The same state of the generator gives the same batches, another state gives others.

    Two random orders of 60 examples agree once in 10^81.
    """
    seed, other = seeds(rng)
    first, again, different = (
        _rows(_pairs(student.minibatches(*_examples(60), 8, generator=seeded(number))))
        for number in (seed, seed, other)
    )
    message = "two calls with the same state of the generator give different batches"
    hint = "pass the generator to torch.randperm: generator=generator"
    tools.require(first == again, message, hint)
    message = "two different states of the generator give the same batches"
    tools.require(first != different, message, _same_order(first))


@pytest.mark.task("minibatches", weight=1, page=PAGE)
def test_minibatches_without_a_generator(student: Student) -> None:
    """Without a generator two calls give two different orders.

    Two random orders of 60 examples agree once in 10^81.
    """
    first, second = (_rows(_pairs(student.minibatches(*_examples(60), 8))) for _ in range(2))
    message = "two calls without a generator give the same batches"
    tools.require(first != second, message, _same_order(first))


def _same_order(rows: list[int]) -> str:
    return OLD_ORDER if rows == sorted(rows) else FIXED_SEED


@pytest.mark.task("minibatches", weight=1, page=PAGE)
def test_minibatches_leave_the_examples_alone(student: Student, rng: torch.Generator) -> None:
    """X and Y are not modified."""
    X, Y = _examples(20)
    _pairs(student.minibatches(X, Y, 6, generator=rng))
    for name, before, after in zip("XY", _examples(20), (X, Y), strict=True):
        tools.unchanged(name, before, after)


def _examples(number: int) -> tuple[Tensor, Tensor]:
    """Rows of three columns that begin with their own number, and it again as the target."""
    X = torch.arange(float(number))[:, None] + torch.tensor([0.0, 0.25, 0.5])
    return X, X[:, :1].clone()


def _pairs(batches: Any) -> list[tuple[Tensor, Tensor]]:
    """The batches as plain tensors; whatever can be iterated over will do."""
    described = tools.described(batches)
    message = f"minibatches must return a list, and returned {described}"
    tools.require(isinstance(batches, list | tuple | Handle), message)
    pairs = []
    for batch in batches:
        tools.require(
            isinstance(batch, tuple | list) and len(batch) == 2,
            f"a batch must be a pair (X_batch, Y_batch), and is {tools.described(batch)}",
            "return one list of pairs",
        )
        X, Y = tools.tensor("X_batch", batch[0], None), tools.tensor("Y_batch", batch[1], None)
        tools.require(
            X.shape[1:] == (3,) and Y.shape[1:] == (1,) and len(X) == len(Y),
            f"X and Y of 3 columns and 1 give a batch of shapes {tuple(X.shape)} and "
            f"{tuple(Y.shape)}",
            "a batch holds whole rows of X and of Y, and both keep their two axes",
        )
        pairs.append((X, Y))
    return pairs


def _rows(batches: list[tuple[Tensor, Tensor]]) -> list[int]:
    """Which examples the batches hold, in order."""
    return [int(number) for X, _ in batches for number in X[:, 0]]
