"""Hidden checks of batch and layer normalisation of vectors."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.gradients import out_and_cache
from autograder.checks.toolbox_normalization import batch_norm
from autograder.checks.toolbox_normalization.backward import check_backward
from autograder.checks.toolbox_normalization.inputs import (
    LIBRARY,
    OVER_BATCH,
    OVER_GROUP,
    Array,
    Layer,
    close,
    is_finite,
    missing_settings,
    wrong_sizes,
)
from autograder.student import Student

BACKWARD = {
    "batchnorm_backward": "book/unit4/batch_norm.html#toolbox-batch-norm-graph",
    "batchnorm_backward_alt": "book/unit4/batch_norm.html#toolbox-batch-norm-closed",
}
OTHERS = ("batchnorm_forward", "layernorm_forward", "layernorm_backward")
FORBIDDEN = dict.fromkeys(OTHERS, LIBRARY) | {
    "batchnorm_backward": [*LIBRARY, "batchnorm_backward_alt"],
    "batchnorm_backward_alt": [*LIBRARY, "batchnorm_backward"],
}
FORWARD = "book/unit4/batch_norm.html#toolbox-batch-norm-forward"
RUNNING = "book/unit4/batch_norm.html#toolbox-batch-norm-running"
LAYER = "book/unit4/layer_norm.html#toolbox-layer-norm-forward"
LAYER_BACKWARD = "book/unit4/layer_norm.html#toolbox-layer-norm-backward"

BATCH_AXES = {
    "these are statistics of each example: batch normalisation takes one mean and one variance for "
    "each feature, over the batch, axis 0": (OVER_GROUP, 1),
    "each feature has a mean and a variance of its own: axis 0, not all entries together": (
        (0, 1, 2, 3),
        1,
    ),
}
LAYER_AXES = {
    "these are statistics of each feature over the batch, as batch normalisation takes them: layer "
    "normalisation takes those of each example, axis 1": (OVER_BATCH, 1),
    "each example has a mean and a variance of its own: axis 1, not all entries together": (
        (0, 1, 2, 3),
        1,
    ),
}


@pytest.mark.task("batchnorm_forward", weight=2, page=FORWARD)
@pytest.mark.parametrize("shape", [(7, 4), (5, 5)])
def test_output_in_training(student: Student, rng: torch.Generator, shape: Any) -> None:
    """The output in mode "train"."""
    batch_norm.check_training(student.batchnorm_forward, rng, shape, BATCH_AXES)


@pytest.mark.task("batchnorm_forward", weight=2, page=RUNNING)
def test_running_statistics(student: Student, rng: torch.Generator) -> None:
    """The running mean and variance after a call in mode "train", momentum 0.7."""
    batch_norm.check_running(student.batchnorm_forward, rng, (5, 3))


@pytest.mark.task("batchnorm_forward", weight=1, page=RUNNING)
def test_first_steps(student: Student, rng: torch.Generator) -> None:
    """Two steps, and mode "test", from a bn_param that holds nothing but the mode."""
    batch_norm.check_first_steps(student.batchnorm_forward, rng, (4, 3))
    batch_norm.check_without_statistics(student.batchnorm_forward, rng, (3, 5))


@pytest.mark.task("batchnorm_forward", weight=2, page=RUNNING)
@pytest.mark.parametrize("batch", [6, 1])
def test_output_in_test_mode(student: Student, rng: torch.Generator, batch: int) -> None:
    """The output in mode "test", of a batch and of a single example."""
    batch_norm.check_test_mode(student.batchnorm_forward, rng, (batch, 4))


@pytest.mark.task("batchnorm_forward", weight=1, page=FORWARD)
def test_eps(student: Student, rng: torch.Generator) -> None:
    """An eps of one's own, arrays in column order, and features that are constant."""
    batch_norm.check_eps(student.batchnorm_forward, rng, (6, 4))


@pytest.mark.task("batchnorm_forward", weight=1, page=FORWARD)
def test_single_precision(student: Student, rng: torch.Generator) -> None:
    """Arrays of float32 in mode "train"."""
    batch_norm.check_float32(student.batchnorm_forward, rng, (6, 4))


@pytest.mark.task("batchnorm_forward", weight=1, page=FORWARD)
def test_other_modes(student: Student, rng: torch.Generator) -> None:
    """A mode that does not exist."""
    batch_norm.check_modes(student.batchnorm_forward, rng, (4, 3))


def _layer_normed(student: Student, layer: Layer, param: dict[str, float]) -> Array:
    """The output; the arguments are not modified."""
    given, before = layer.arguments, dict(param)
    with wrong_sizes(), missing_settings("ln_param"):
        call = partial(student.layernorm_forward, *given.values(), param)
        out, _ = out_and_cache("your forward", call)
    for name, value in layer.arguments.items():
        tools.unchanged(name, value, given[name])
    hint = "layer normalisation has no running statistics, and ln_param belongs to the caller"
    tools.require(param == before, "the call modified its argument ln_param", hint)
    return tools.array("the output", out, layer.x.shape)


def _by_library(layer: Layer) -> Array:
    x, gamma, beta = (torch.tensor(value) for value in (layer.x, layer.gamma, layer.beta))
    return functional.layer_norm(x, (len(gamma),), gamma, beta, layer.eps).numpy()


@pytest.mark.task("layernorm_forward", weight=3, page=LAYER)
@pytest.mark.parametrize("shape", [(4, 7), (5, 5)])
def test_layer_norm(student: Student, rng: torch.Generator, shape: Any) -> None:
    """The output of a batch."""
    layer = Layer.draw(rng, shape, OVER_GROUP)
    out = _layer_normed(student, layer, {})
    close("the output", out, _by_library(layer), layer.output_mistakes(LAYER_AXES))


@pytest.mark.task("layernorm_forward", weight=1, page=LAYER)
def test_layer_norm_of_one_example(student: Student, rng: torch.Generator) -> None:
    """A batch of one."""
    layer = Layer.draw(rng, (1, 6), OVER_GROUP)
    out = _layer_normed(student, layer, {})
    close("the output", out, _by_library(layer), layer.output_mistakes(LAYER_AXES))


@pytest.mark.task("layernorm_forward", weight=1, page=LAYER)
def test_eps_of_layer_norm(student: Student, rng: torch.Generator) -> None:
    """An eps of one's own, arrays in column order, and an example that is constant."""
    layer = Layer.draw(rng, (5, 4), OVER_GROUP).with_eps(0.5).strided()
    out = _layer_normed(student, layer, {"eps": 0.5})
    fixed = "eps comes with ln_param, and is not always 1e-5"
    mistakes = {fixed: layer.with_eps(1e-5).output()} | layer.output_mistakes(LAYER_AXES)
    close("the output for eps = 0.5", out, _by_library(layer), mistakes)
    flat = Layer(np.full((2, 3), 2.0), layer.gamma[:3], layer.beta[:3], OVER_GROUP)
    out = _layer_normed(student, flat, {})
    hint = "the variance of a constant example is 0: eps keeps its root away from 0"
    is_finite("the output of constant examples", out, hint)
    close("the output of constant examples", out, flat.output())


@pytest.mark.task("layernorm_forward", weight=1, page=LAYER)
def test_single_precision_of_layer_norm(student: Student, rng: torch.Generator) -> None:
    """Arrays of float32."""
    layer = Layer.draw(rng, (3, 8), OVER_GROUP)
    out = _layer_normed(student, layer.to(np.float32), {})
    batch_norm.is_float32(out, layer.output())


# ---- backwards ----------------------------------------------------------------------------------

BATCH_MEANS = {
    "the two correcting terms are means over the batch, axis 0, and these are means over the "
    "features of an example": (OVER_GROUP, 1),
}
LAYER_MEANS = {
    "the two correcting terms are means over the features of an example, axis 1, and these are "
    "means over the batch": (OVER_BATCH, 1),
}


def _check_batch_norm(
    student: Student, task: str, rng: torch.Generator, shape: tuple[int, int], *names: str
) -> None:
    layer = Layer.draw(rng, shape, OVER_BATCH, smallest=0.4).with_eps(0.1)

    def forward(*arrays: Array) -> Any:
        return student.batchnorm_forward(*arrays, {"mode": "train", "eps": 0.1})

    check_backward(forward, getattr(student, task), layer, names, BATCH_MEANS, rng)


@tools.of_tasks(BACKWARD, weight=3)
@pytest.mark.parametrize("shape", [(7, 4), (3, 5)])
def test_gradient_of_the_input(
    student: Student, rng: torch.Generator, shape: Any, task: str
) -> None:
    """dx, against differences."""
    _check_batch_norm(student, task, rng, shape, "x")


@tools.of_tasks(BACKWARD, weight=2)
def test_gradients_of_gamma_and_beta(student: Student, rng: torch.Generator, task: str) -> None:
    """dgamma and dbeta, against differences."""
    _check_batch_norm(student, task, rng, (6, 4), "gamma", "beta")


@tools.of_tasks(BACKWARD, weight=1)
def test_gradients_of_square_batches(student: Student, rng: torch.Generator, task: str) -> None:
    """As many examples as features, and a batch of one, whose output x does not move."""
    for shape in ((4, 4), (1, 3)):
        _check_batch_norm(student, task, rng, shape, "x", "gamma", "beta")


def _check_layer_norm(
    student: Student, rng: torch.Generator, shape: tuple[int, int], *names: str
) -> None:
    layer = Layer.draw(rng, shape, OVER_GROUP, smallest=0.4).with_eps(0.1)

    def forward(*arrays: Array) -> Any:
        return student.layernorm_forward(*arrays, {"eps": 0.1})

    check_backward(forward, student.layernorm_backward, layer, names, LAYER_MEANS, rng)


@pytest.mark.task("layernorm_backward", weight=3, page=LAYER_BACKWARD)
@pytest.mark.parametrize("shape", [(4, 7), (6, 3)])
def test_gradient_through_layer_norm(student: Student, rng: torch.Generator, shape: Any) -> None:
    """dx, against differences."""
    _check_layer_norm(student, rng, shape, "x")


@pytest.mark.task("layernorm_backward", weight=2, page=LAYER_BACKWARD)
def test_parameters_of_layer_norm(student: Student, rng: torch.Generator) -> None:
    """dgamma and dbeta, against differences."""
    _check_layer_norm(student, rng, (4, 6), "gamma", "beta")


@pytest.mark.task("layernorm_backward", weight=1, page=LAYER_BACKWARD)
def test_square_layer_norm(student: Student, rng: torch.Generator) -> None:
    """As many examples as features, and a batch of one."""
    for shape in ((4, 4), (1, 5)):
        _check_layer_norm(student, rng, shape, "x", "gamma", "beta")
