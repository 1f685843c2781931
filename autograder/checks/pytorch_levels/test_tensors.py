"""Hidden checks of the network and of the step on bare tensors."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from autograder.checks import tools
from autograder.checks.perceptron.inputs import normal
from autograder.checks.perceptron.networks import IN_PLACE, NO_GRAD
from autograder.checks.pytorch_levels.inputs import (
    DETACHED,
    SIZES,
    Sizes,
    compare_gradients,
    drawn,
    images,
    mistakes,
    output,
    wrong_sizes,
)
from autograder.checks.tools import Mistake
from autograder.student import Handle, Student

PAGE = "book/unit4/levels.html#toolbox-levels-tensors"

FORBIDDEN = {"sgd_step": ["torch.optim"]}

# ---- three_layer_convnet ------------------------------------------------------------------------

N_OUT_FIRST = (
    "the weights are n_out × n_in, as in nn.Linear; in the labs in NumPy they were n_in × n_out"
)
OF_EQUAL_WIDTH = re.compile(r"cannot be multiplied \(\d+x(\d+) and \d+x\1\)")


@contextmanager
def _wrong_shapes() -> Iterator[None]:
    """Explain the errors of weights of the other tradition, and of maps of another size."""
    try:
        with wrong_sizes():
            yield
    except Mistake as mistake:
        hint = N_OUT_FIRST if OF_EQUAL_WIDTH.search(mistake.message) else mistake.hint
        raise Mistake(mistake.message, hint) from None


def _check(student: Student, X: Tensor, params: list[Tensor]) -> None:
    before, were = X.clone(), [value.clone() for value in params]
    with _wrong_shapes(), tools.wrong_view():
        value = student.three_layer_convnet(X, params)
    actual = tools.tensor("the output", value, (len(X), len(params[5])), X.dtype)
    tools.close("the output", actual, output(were, before), mistakes(were, before))
    tools.unchanged("X", before, X)
    for old, new in zip(were, params, strict=True):
        tools.unchanged("params", old, new)


@pytest.mark.task("three_layer_convnet", weight=3, page=PAGE)
def test_output(student: Student, rng: torch.Generator) -> None:
    """The pre-activations of five images of 6 × 5 pixels."""
    _check(student, images(rng, 5, SIZES), drawn(rng, SIZES))


@pytest.mark.task("three_layer_convnet", weight=1, page=PAGE)
def test_one_image(student: Student, rng: torch.Generator) -> None:
    """A batch of one image that is larger than the others."""
    sizes = Sizes((1, 9, 12), 2, 5, 3)
    _check(student, images(rng, 1, sizes), drawn(rng, sizes))


@pytest.mark.task("three_layer_convnet", weight=1, page=PAGE)
def test_strided_images_in_single_precision(student: Student, rng: torch.Generator) -> None:
    """Images whose rows and columns are exchanged in memory, in float32."""
    X = images(rng, 4, Sizes((2, 5, 6), 3, 4, 7)).mT.float()
    _check(student, X, [value.float() for value in drawn(rng, SIZES)])


@pytest.mark.task("three_layer_convnet", weight=2, page=PAGE)
def test_gradients(student: Student, rng: torch.Generator) -> None:
    """The gradient of all six parameters, against autograd on a network of our own."""
    params, X = drawn(rng, SIZES), images(rng, 3, SIZES)
    held = student.put([value.clone().requires_grad_() for value in params])
    with _wrong_shapes():
        value = student.three_layer_convnet(X.clone(), held)
    if not isinstance(value, Handle):
        tools.tensor("the output", value, (3, 7))
        raise Mistake("the output carries no graph", DETACHED)
    scores = tools.tensor("the output", value, (3, 7))
    tools.close("the output", scores, output(params, X), mistakes(params, X))
    upstream = normal(rng, 3, 7)
    value.backward(upstream)
    compare_gradients([parameter.grad for parameter in held.value()], params, X, upstream)


# ---- sgd_step -----------------------------------------------------------------------------------

NOT_CLEARED = "the gradients stay: backward adds to them, so clear them after the step"
LEAF = "after the step a parameter must still require gradients"
SIGN = "this climbs: the step goes against the gradient"
RATE = "this step has size 1: the gradient is multiplied by the learning rate"
NORMALISED = "the step depends on the length of the gradient: do not normalise it"


def _leaves(rng: torch.Generator, *shapes: tuple[int, ...]) -> list[Tensor]:
    """Parameters with a gradient each."""
    leaves = [normal(rng, *shape).requires_grad_() for shape in shapes]
    for leaf in leaves:
        leaf.grad = normal(rng, *leaf.shape)
    return leaves


def _stepped(student: Student, params: list[Tensor], learning_rate: float) -> None:
    with tools.explained(NO_GRAD, "leaf Variable", "a leaf"):
        student.sgd_step(params, learning_rate)


def _compare(params: list[Tensor], old: list[Tensor], gradients: list[Tensor], eta: float) -> None:
    moved = [not torch.equal(new, was) for new, was in zip(params, old, strict=True)]
    tools.require(any(moved), "no parameter has changed", IN_PLACE)
    for new, was, gradient in zip(params, old, gradients, strict=True):
        wrong = {
            SIGN: was + eta * gradient,
            RATE: was - gradient,
            NORMALISED: was - eta * gradient / gradient.norm(),
        }
        tools.close("a parameter after the step", new.detach(), was - eta * gradient, wrong)


@pytest.mark.task("sgd_step", weight=3, page=PAGE)
def test_step(student: Student, rng: torch.Generator) -> None:
    """Parameters of several shapes after one step."""
    params = _leaves(rng, (4, 3), (4,), (2, 3, 5, 5), (1,))
    old = [value.detach().clone() for value in params]
    gradients = [value.grad.clone() for value in params if value.grad is not None]
    _stepped(student, params, 0.3)
    _compare(params, old, gradients, 0.3)


@pytest.mark.task("sgd_step", weight=2, page=PAGE)
def test_gradients_are_cleared(student: Student, rng: torch.Generator) -> None:
    """After the step each gradient is None or zero."""
    params = _leaves(rng, (3, 2), (5,))
    _stepped(student, params, 0.1)
    left = [value.grad for value in params if value.grad is not None and value.grad.any()]
    tools.require(not left, "a gradient is still there after the step", NOT_CLEARED)


@pytest.mark.task("sgd_step", weight=2, page=PAGE)
def test_parameters_stay_leaves(student: Student, rng: torch.Generator) -> None:
    """Two steps, and a backward pass between them, on the same tensors."""
    [leaf] = _leaves(rng, (3, 2))
    assert leaf.grad is not None
    old, first, params = leaf.detach().clone(), leaf.grad.clone(), [leaf]
    _stepped(student, params, 0.5)
    tools.require(params[0] is leaf, "the list holds another tensor than before", IN_PLACE)
    tools.require(leaf.requires_grad, "the parameter requires no gradient any more", LEAF)
    second = normal(rng, 3, 2)
    leaf.grad = second.clone()
    _stepped(student, params, 0.5)
    _compare([leaf], [old], [first + second], 0.5)


@pytest.mark.task("sgd_step", weight=1, page=PAGE)
def test_a_parameter_without_a_gradient_stays(student: Student, rng: torch.Generator) -> None:
    """A parameter that the loss does not depend on has no gradient, and stays as it is."""
    params = _leaves(rng, (3,), (2, 4))
    params[0].grad = None
    old = [value.detach().clone() for value in params]
    assert params[1].grad is not None
    moved = params[1].grad.clone()
    hint = "the gradient of a parameter may be None: leave such a parameter as it is"
    with tools.explained(hint, "NoneType"):
        _stepped(student, params, 0.2)
    tools.unchanged("params[0]", old[0], params[0])
    _compare(params[1:], old[1:], [moved], 0.2)
