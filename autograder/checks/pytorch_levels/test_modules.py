"""Hidden checks of the module and of the sequence."""

import math

import pytest
import torch
from torch import Tensor

from autograder.checks import tools
from autograder.checks.perceptron.inputs import normal
from autograder.checks.perceptron.networks import named
from autograder.checks.pytorch_levels.inputs import (
    DETACHED,
    OF_ONE_WIDTH,
    SIZES,
    Sizes,
    compare_gradients,
    drawn,
    images,
    mistakes,
    module,
    output,
    wrong_sizes,
)
from autograder.checks.tools import Mistake
from autograder.checks.training_convnets.inputs import SIX_SIGMA, likely
from autograder.student import Handle, Student

MODULE_PAGE = "book/unit4/levels.html#toolbox-levels-module"
SEQUENTIAL_PAGE = "book/unit4/levels.html#toolbox-levels-sequential"

ORDER = "the parameters have the shapes of three_layer_convnet's, in the same order"
KEPT = "the layers keep the names that __init__ gives them, and only they have parameters"
LAYERS = "return nn.Sequential(layer, layer, ...): each layer takes what the one before it gives"


def _filled(model: Handle, params: list[Tensor], student: Student) -> Handle:
    """The model in float64 with these parameters, which it takes in order."""
    state = named(model.state_dict())
    shapes = [tuple(value.shape) for value in state.values()]
    if shapes != [tuple(value.shape) for value in params]:
        raise Mistake(f"the parameters have the shapes {shapes}", ORDER)
    student.build("operator.methodcaller", "double")(model)
    values = [value.clone() for value in params]
    model.load_state_dict(dict(zip(state, values, strict=True)))
    return model


def _compare(model: Handle, X: Tensor, params: list[Tensor]) -> None:
    before = X.clone()
    with wrong_sizes(), tools.wrong_view():
        value = model(X)
    tools.require(isinstance(value, Handle), "the output carries no graph", DETACHED)
    actual = tools.tensor("the output", value, (len(X), len(params[5])))
    tools.close("the output", actual, output(params, before), mistakes(params, before))
    tools.unchanged("X", before, X)


def _compare_gradients(model: Handle, rng: torch.Generator, params: list[Tensor]) -> None:
    X, upstream = images(rng, 3, SIZES), normal(rng, 3, SIZES.n_classes)
    with wrong_sizes():
        value = model(X)
    tools.require(isinstance(value, Handle), "the output carries no graph", DETACHED)
    tools.close("the output", value, output(params, X), mistakes(params, X))
    value.backward(upstream)
    came = [parameter.grad for parameter in named(model.parameters()).values()]
    compare_gradients(came, params, X, upstream)


# ---- ThreeLayerConvNet --------------------------------------------------------------------------


def _module(student: Student, sizes: Sizes, params: list[Tensor]) -> Handle:
    return _filled(module(student.ThreeLayerConvNet(*sizes.arguments)), params, student)


@pytest.mark.task("ThreeLayerConvNet", weight=2, page=MODULE_PAGE)
@pytest.mark.parametrize("sizes", [SIZES, OF_ONE_WIDTH], ids=["unequal", "of one width"])
def test_module_output(student: Student, rng: torch.Generator, sizes: Sizes) -> None:
    """The output for known weights."""
    params = drawn(rng, sizes)
    _compare(_module(student, sizes, params), images(rng, 4, sizes), params)


@pytest.mark.task("ThreeLayerConvNet", weight=1, page=MODULE_PAGE)
def test_module_on_one_strided_image(student: Student, rng: torch.Generator) -> None:
    """A batch of one image whose rows and columns are exchanged in memory."""
    params = drawn(rng, SIZES)
    X = images(rng, 1, Sizes((2, 5, 6), 3, 4, 7)).mT
    _compare(_module(student, SIZES, params), X, params)


@pytest.mark.task("ThreeLayerConvNet", weight=2, page=MODULE_PAGE)
def test_module_gradients(student: Student, rng: torch.Generator) -> None:
    """The gradient of all six parameters, against autograd on a network of our own."""
    params = drawn(rng, SIZES)
    _compare_gradients(_module(student, SIZES, params), rng, params)


# Thousands of weights a layer; each estimate must lie within six standard errors, which a right
# answer misses less than once in 10^7 courses.

LARGE = Sizes((4, 9, 8), 60, 50, 10)
LAYER_NAMES = ("conv1", "conv2", "fc")


def _wrong_deviations(shape: torch.Size) -> dict[str, float]:
    """Standard deviations that likely mistakes give to a layer's weights."""
    area = math.prod(shape[2:])
    fan_in, fan_out = shape[1] * area, shape[0] * area
    return {
        "this is fan_out: the variance is 2 / fan_in, with the inputs of one output": (2 / fan_out)
        ** 0.5,
        "this is Xavier's rule, for fan_in and fan_out: He's has 2 / fan_in": (
            2 / (fan_in + fan_out)
        )
        ** 0.5,
        "this is 1 / fan_in: half the inputs of a ReLU are lost, hence He's factor 2": (1 / fan_in)
        ** 0.5,
        "these are PyTorch's own initial weights: initialise draws others in their place": (
            1 / (3 * fan_in)
        )
        ** 0.5,
        "2 / fan_in is the variance: the standard deviation is its square root": 2 / fan_in,
        "fan_in of a convolution counts the kernel's area too: channels · rows · columns": (
            2 / shape[1]
        )
        ** 0.5,
    }


def _state(model: Handle) -> dict[str, Tensor]:
    """Weights and biases of the three layers, which have the names that __init__ gives them."""
    state = named(model.state_dict())
    expected = [f"{name}.{kind}" for name in LAYER_NAMES for kind in ("weight", "bias")]
    message = f"the parameters are named {sorted(state)}"
    tools.require(sorted(state) == sorted(expected), message, KEPT)
    return state


def _require_he(name: str, weight: Tensor) -> None:
    n, expected = weight.numel(), (2 / weight[0].numel()) ** 0.5
    found, mean = float(weight.std()), float(weight.mean())
    error = SIX_SIGMA / (2 * n) ** 0.5
    if abs(found / expected - 1) > error:
        wrong = _wrong_deviations(weight.shape)
        nearest = min(wrong, key=lambda hint: abs(math.log((found + 1e-12) / wrong[hint])))
        fits = abs(found / wrong[nearest] - 1) <= error
        message = f"the weights of {name} have the standard deviation {found:.4g}"
        raise Mistake(message, nearest if fits else "the variance of the weights is 2 / fan_in")
    centred = abs(mean) <= SIX_SIGMA * expected / n**0.5
    tools.require(centred, f"the weights of {name} have the mean {mean:.3g}", "their mean is 0")
    inside = int((weight.abs() < expected).sum())
    uniform = "these weights are uniform, and a normal distribution is asked for"
    what = f"weights of {name} within one standard deviation"
    likely(what, inside, n, math.erf(0.5**0.5), [(1 / 3**0.5, uniform)])


@pytest.mark.task("ThreeLayerConvNet", weight=2, page=MODULE_PAGE)
def test_initial_weights(student: Student) -> None:
    """Mean, standard deviation and distribution of the weights of each layer, by He's rule."""
    state = _state(module(student.ThreeLayerConvNet(*LARGE.arguments)))
    for name in LAYER_NAMES:
        _require_he(name, state[f"{name}.weight"])


@pytest.mark.task("ThreeLayerConvNet", weight=1, page=MODULE_PAGE)
def test_initial_biases(student: Student) -> None:
    """All biases are zero."""
    state = _state(module(student.ThreeLayerConvNet(*SIZES.arguments)))
    for name in LAYER_NAMES:
        zero = not state[f"{name}.bias"].any()
        tools.require(zero, f"the biases of {name} are not zero", "initialise sets biases to zero")


@pytest.mark.task("ThreeLayerConvNet", weight=1, page=MODULE_PAGE)
def test_initialised_anew(student: Student, rng: torch.Generator) -> None:
    """A model that has changed gets new weights and zero biases; every draw is another one."""
    model = module(student.ThreeLayerConvNet(*SIZES.arguments))
    first = _state(model)
    model.load_state_dict({name: normal(rng, *value.shape) for name, value in first.items()})
    student.build("operator.methodcaller", "initialise")(model)
    second = _state(model)
    for name in LAYER_NAMES:
        zero = not second[f"{name}.bias"].any()
        message = f"the biases of {name} are not zero after a second call of initialise"
        tools.require(zero, message, "initialise sets biases to zero")
        equal = torch.equal(first[f"{name}.weight"], second[f"{name}.weight"])
        hint = "a fixed seed gives the same weights every time: draw from the global generator"
        tools.require(not equal, f"two draws gave {name} the same weights", hint)


# ---- sequential_convnet -------------------------------------------------------------------------


def _sequence(student: Student, sizes: Sizes, params: list[Tensor]) -> Handle:
    return _filled(module(student.sequential_convnet(*sizes.arguments)), params, student)


@pytest.mark.task("sequential_convnet", weight=2, page=SEQUENTIAL_PAGE)
@pytest.mark.parametrize("sizes", [SIZES, OF_ONE_WIDTH], ids=["unequal", "of one width"])
def test_sequence_output(student: Student, rng: torch.Generator, sizes: Sizes) -> None:
    """The output for known weights."""
    params = drawn(rng, sizes)
    _compare(_sequence(student, sizes, params), images(rng, 4, sizes), params)


@pytest.mark.task("sequential_convnet", weight=1, page=SEQUENTIAL_PAGE)
def test_layers_follow_each_other(student: Student, rng: torch.Generator) -> None:
    """The layers of the sequence, called one after the other on a batch of one image."""
    params, X = drawn(rng, SIZES), images(rng, 1, SIZES)
    model = _sequence(student, SIZES, params)
    value = X
    with tools.explained(LAYERS, "not iterable"), wrong_sizes():
        for layer in model:
            value = layer(value)
    actual = tools.tensor("the output", value, (1, SIZES.n_classes))
    tools.close("the output", actual, output(params, X), mistakes(params, X))


@pytest.mark.task("sequential_convnet", weight=1, page=SEQUENTIAL_PAGE)
def test_sequence_gradients(student: Student, rng: torch.Generator) -> None:
    """The gradient of all six parameters, against autograd on a network of our own."""
    params = drawn(rng, SIZES)
    _compare_gradients(_sequence(student, SIZES, params), rng, params)
