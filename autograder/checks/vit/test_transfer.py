"""Hidden checks of what fits a large model to other images and classes."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.convolution.inputs import normal, require_shape, strided
from autograder.checks.perceptron.networks import named
from autograder.student import Handle, Student

GREY = "book/unit3/large_models.html#large-models-grey"
HEAD = "book/unit3/large_models.html#large-models-head"

CHANNEL = "one kernel for each output and one input channel: n_out × 1 × p × p"
WRONG_AXIS = "the input channels are dimension 1: dimension 0 counts the kernels"
LUMINANCE = (
    "these are the weights of a picture's brightness: a grey image repeated in all channels is "
    "weighed by the kernel alone"
)


def _grey_mistakes(weight: Tensor) -> dict[str, Tensor]:
    mean, n = weight.mean(dim=1, keepdim=True), weight.shape[1]
    first = "this is one channel alone: the kernels of the others saw the image too"
    mistakes = {
        "the mean alone is C times too small: the repeated image was seen C times": mean,
        "the number of channels is not always 3: take it from the shape": 3 * mean,
        first: weight[:, :1],
        f"{first}, each with its own kernel": n * weight[:, :1],
    }
    if n == 3:
        shares = torch.tensor([0.299, 0.587, 0.114], dtype=weight.dtype)[:, None, None]
        mistakes[LUMINANCE] = (weight * shares).sum(dim=1, keepdim=True)
    return mistakes


def _check_grey(student: Student, weight: Tensor) -> Tensor:
    before = weight.clone()
    expected = torch.einsum("ocij->oij", weight)[:, None]
    value = student.grey_kernel(weight)
    shapes = {CHANNEL: weight[:, 0].shape, WRONG_AXIS: (1, *weight.shape[1:])}
    came = require_shape("the kernel", value, expected.shape, shapes)
    tools.unchanged("weight", before, weight)
    tools.close("the kernel", came, expected, _grey_mistakes(before))
    return came


@pytest.mark.task("grey_kernel", weight=2, page=GREY)
@pytest.mark.parametrize("channels", [3, 4, 1])
def test_grey_kernel(student: Student, rng: torch.Generator, channels: int) -> None:
    """Kernels for three channels, for four, and for one."""
    _check_grey(student, normal(rng, 5, channels, 2, 2))


@pytest.mark.task("grey_kernel", weight=1, page=GREY)
def test_grey_image_gives_what_the_repeated_one_gave(
    student: Student, rng: torch.Generator
) -> None:
    """The patches of a grey image under both kernels; the old one is not contiguous."""
    weight, X = strided(normal(rng, 4, 3, 2, 2)), normal(rng, 2, 1, 6, 4)
    kernel = _check_grey(student, weight)
    repeated = functional.conv2d(X.repeat(1, 3, 1, 1), weight, stride=2)
    tools.close("the patches", functional.conv2d(X, kernel, stride=2), repeated)


NO_HEAD = (
    "the new head is an nn.Linear in the place of model.heads.head, with the parameters "
    "heads.head.weight and heads.head.bias"
)
OUTPUTS = "the new head has n_classes outputs: its weight is n_classes × n_in"
INPUTS = "the new head has as many inputs as the old one, which need not be hidden_dim"
BIAS = "the new head has biases, as nn.Linear has by default"
FRESH = "the new head is fresh: nothing of the old one is copied into it"
KEEPS = "all other parameters keep their values"
SAME = "the model is changed in place, and the same model returned: no copy"
RETURN = "return the model"
FROZEN_HEAD = "the new head is frozen too, so that nothing is trained: freeze, then replace it"
NOTHING_FROZEN = "nothing is frozen: requires_grad_(False) on all but the new head"
ENCODER_ONLY = (
    "the encoder alone is frozen: the patch embedding, the class token and the rest of the heads "
    "belong to the model as well"
)
INVERTED = "freeze is taken the other way round"
THAW = "parameters that were frozen before must require gradients again where freeze is False"
HEAD_NAMES = ("heads.head.weight", "heads.head.bias")
N_CLASSES = 5


def _model(student: Student, rng: torch.Generator, hidden: int | None) -> tuple[Handle, Any]:
    """A small vision transformer with random weights, and those weights."""
    sizes = {"num_layers": 1, "num_heads": 2, "hidden_dim": 6, "mlp_dim": 7, "num_classes": 3}
    model = student.build(
        "torchvision.models.VisionTransformer",
        image_size=8,
        patch_size=4,
        representation_size=hidden,
        **sizes,
    )
    weights = {
        name: 0.5 * torch.randn(value.shape, generator=rng)
        for name, value in named(model.state_dict()).items()
    }
    model.load_state_dict(weights)
    return model, weights


def _replaced(student: Student, model: Handle, freeze: bool) -> Handle:
    """The model after replace_head; a hint where something else came."""
    adapted = student.replace_head(model, N_CLASSES, freeze)
    if not isinstance(adapted, Handle):
        raise tools.Mistake(f"the model is expected, and {tools.described(adapted)} came", RETURN)
    tools.require(adapted.number == model.number, "another object came than the model", SAME)
    return adapted


def _gradients(model: Handle, rng: torch.Generator) -> set[str]:
    """The names of the parameters that a backward pass gives gradients."""
    output = model(torch.randn(4, 3, 8, 8, generator=rng))
    if not isinstance(output, Handle):
        return set()
    output.backward(torch.randn(4, N_CLASSES, generator=rng))
    return {name for name, value in named(model.parameters()).items() if value.grad is not None}


def _check_shapes(model: Handle, n_in: int) -> dict[str, Tensor]:
    parameters = named(model.parameters())
    bias = HEAD_NAMES[1] in parameters or HEAD_NAMES[0] not in parameters
    tools.require(bias, "the new head has no biases", BIAS)
    there = all(name in parameters for name in HEAD_NAMES)
    tools.require(there, "the model lacks the parameters of heads.head", NO_HEAD)
    shape = tuple(parameters[HEAD_NAMES[0]].shape)
    message = f"the weight of the new head has shape {shape}"
    tools.require(shape[:1] == (N_CLASSES,), message, OUTPUTS)
    tools.require(shape == (N_CLASSES, n_in), message, INPUTS)
    return parameters


@pytest.mark.task("replace_head", weight=2, page=HEAD)
@pytest.mark.parametrize(("hidden", "n_in"), [(None, 6), (4, 4)])
def test_new_head(student: Student, rng: torch.Generator, hidden: int | None, n_in: int) -> None:
    """The sizes of the new head, behind the encoder and behind a hidden layer."""
    model, weights = _model(student, rng, hidden)
    parameters = _check_shapes(_replaced(student, model, freeze=False), n_in)
    for name in parameters.keys() - set(HEAD_NAMES):
        same = torch.equal(parameters[name].detach(), weights[name])
        tools.require(same, f"{name} has changed", KEEPS)
    for name in HEAD_NAMES:
        old = torch.isin(parameters[name].detach(), weights[name])
        tools.require(not old.any(), f"{name} holds values of the old head", FRESH)
    X = torch.randn(2, 3, 8, 8, generator=rng)
    output = model(X)
    tools.tensor("the output", output, (2, N_CLASSES))


@pytest.mark.task("replace_head", weight=2, page=HEAD)
@pytest.mark.parametrize("hidden", [None, 4])
def test_frozen(student: Student, rng: torch.Generator, hidden: int | None) -> None:
    """The parameters that get a gradient where the model is frozen."""
    model, _ = _model(student, rng, hidden)
    _replaced(student, model, freeze=True)
    every = set(named(model.parameters()))
    _compare_gradients(_gradients(model, rng), set(HEAD_NAMES), every)


@pytest.mark.task("replace_head", weight=2, page=HEAD)
@pytest.mark.parametrize("frozen_before", [False, True])
def test_not_frozen(student: Student, rng: torch.Generator, frozen_before: bool) -> None:
    """The parameters that get a gradient where nothing shall be frozen, also if it was before."""
    model, _ = _model(student, rng, None)
    if frozen_before:
        student.build("operator.methodcaller", "requires_grad_", False)(model)
    _replaced(student, model, freeze=False)
    every = set(named(model.parameters()))
    came = _gradients(model, rng)
    if frozen_before and came != every:
        raise tools.Mistake(f"{len(every - came)} parameters get no gradient", THAW)
    _compare_gradients(came, every, every)


def _compare_gradients(came: set[str], expected: set[str], every: set[str]) -> None:
    if came == expected:
        return
    head = set(HEAD_NAMES)
    hints = [
        (every, NOTHING_FROZEN),
        (head, INVERTED),
        (set(), FROZEN_HEAD if expected == head else INVERTED),
        ({name for name in every if not name.startswith("encoder.")}, ENCODER_ONLY),
    ]
    hint = next((hint for names, hint in hints if came == names), None)
    missing, extra = sorted(expected - came), sorted(came - expected)
    if missing:
        raise tools.Mistake(f"{', '.join(missing[:3])} and others get no gradient", hint)
    raise tools.Mistake(f"{', '.join(extra[:3])} and others get a gradient", hint)
