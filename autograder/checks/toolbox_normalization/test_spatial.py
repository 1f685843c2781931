"""Hidden checks of batch and group normalisation of feature maps."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.convolution.inputs import refuses
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
    missing_settings,
    wrong_sizes,
)
from autograder.student import Student

BATCHNORM = ("spatial_batchnorm_forward", "spatial_batchnorm_backward")
GROUPNORM = ("spatial_groupnorm_forward", "spatial_groupnorm_backward")
FORBIDDEN = dict.fromkeys((*BATCHNORM, *GROUPNORM), LIBRARY)
SPATIAL = "book/unit4/group_norm.html#toolbox-group-norm-spatial"
GROUPS = "book/unit4/group_norm.html#toolbox-group-norm-groups"

CHANNELS = "one mean and one variance for each channel, over batch, rows and columns: (0, 2, 3)"
BATCH_AXES = {
    f"these are statistics of single places: {CHANNELS}": ((0,), 1),
    f"these are statistics of single images: {CHANNELS}": ((3,), 1),
    f"these are statistics of all channels of an image: {CHANNELS}": (OVER_GROUP, 1),
    f"these are statistics of all channels together: {CHANNELS}": ((0, 1, 2, 3), 1),
}
RAISE = "raise ValueError where G does not divide the number of channels"
NEIGHBOURS = (
    "channels that follow each other make a group, C / G of them: here group g takes every G-th "
    "channel"
)


def group_axes(channels: int, groups: int) -> dict[str, tuple[tuple[int, ...], int]]:
    """Wrong axes and wrong numbers of groups, by hint."""
    return {
        "the channels of a group share a mean and a variance; here each channel has its own": (
            (3,),
            groups,
        ),
        "each group has a mean and a variance of its own; here all channels of an image share "
        "theirs": (OVER_GROUP, 1),
        "G is the number of groups, and here it is the number of channels of one": (
            OVER_GROUP,
            channels // groups,
        ),
        "each image has statistics of its own: here the batch shares them": ((0, 2, 3), groups),
        "a group's statistics run over its rows and columns too; here each place has its own": (
            (2,),
            groups,
        ),
    }


@pytest.mark.task("spatial_batchnorm_forward", weight=2, page=SPATIAL)
@pytest.mark.parametrize("shape", [(3, 4, 2, 5), (4, 3, 3, 3)])
def test_output_in_training(student: Student, rng: torch.Generator, shape: Any) -> None:
    """The output in mode "train"."""
    batch_norm.check_training(student.spatial_batchnorm_forward, rng, shape, BATCH_AXES)


@pytest.mark.task("spatial_batchnorm_forward", weight=1, page=SPATIAL)
def test_one_image_in_training(student: Student, rng: torch.Generator) -> None:
    """One image in mode "train": its places are examples enough."""
    call = student.spatial_batchnorm_forward
    batch_norm.check_training(call, rng, (1, 3, 4, 2), BATCH_AXES)


@pytest.mark.task("spatial_batchnorm_forward", weight=2, page=SPATIAL)
def test_running_statistics(student: Student, rng: torch.Generator) -> None:
    """The running mean and variance after a call in mode "train", momentum 0.7."""
    batch_norm.check_running(student.spatial_batchnorm_forward, rng, (2, 3, 2, 2))


@pytest.mark.task("spatial_batchnorm_forward", weight=1, page=SPATIAL)
def test_first_steps(student: Student, rng: torch.Generator) -> None:
    """Two steps, and mode "test", from a bn_param that holds nothing but the mode."""
    batch_norm.check_first_steps(student.spatial_batchnorm_forward, rng, (2, 4, 3, 2))
    batch_norm.check_without_statistics(student.spatial_batchnorm_forward, rng, (2, 3, 2, 4))


@pytest.mark.task("spatial_batchnorm_forward", weight=2, page=SPATIAL)
@pytest.mark.parametrize("batch", [4, 1])
def test_output_in_test_mode(student: Student, rng: torch.Generator, batch: int) -> None:
    """The output in mode "test", of a batch and of a single image."""
    batch_norm.check_test_mode(student.spatial_batchnorm_forward, rng, (batch, 3, 2, 4))


@pytest.mark.task("spatial_batchnorm_forward", weight=1, page=SPATIAL)
def test_eps(student: Student, rng: torch.Generator) -> None:
    """An eps of one's own, arrays in column order, and channels that are constant."""
    batch_norm.check_eps(student.spatial_batchnorm_forward, rng, (3, 2, 4, 5))


@pytest.mark.task("spatial_batchnorm_forward", weight=1, page=SPATIAL)
def test_single_precision(student: Student, rng: torch.Generator) -> None:
    """Arrays of float32 in mode "train"."""
    batch_norm.check_float32(student.spatial_batchnorm_forward, rng, (2, 3, 4, 5))


@pytest.mark.task("spatial_batchnorm_forward", weight=1, page=SPATIAL)
def test_other_modes(student: Student, rng: torch.Generator) -> None:
    """A mode that does not exist."""
    batch_norm.check_modes(student.spatial_batchnorm_forward, rng, (2, 3, 2, 2))


def _group_normed(student: Student, layer: Layer, **param: float) -> Array:
    """The output; the arguments are not modified."""
    given, before = layer.arguments, dict(param)
    with wrong_sizes(), missing_settings("gn_param"):
        call = partial(student.spatial_groupnorm_forward, *given.values(), layer.groups, param)
        out, _ = out_and_cache("your forward", call)
    for name, value in layer.arguments.items():
        tools.unchanged(name, value, given[name])
    hint = "group normalisation has no running statistics, and gn_param belongs to the caller"
    tools.require(param == before, "the call modified its argument gn_param", hint)
    return tools.array("the output", out, layer.x.shape)


def _by_library(layer: Layer) -> Array:
    x, gamma, beta = (torch.tensor(value) for value in (layer.x, layer.gamma, layer.beta))
    return functional.group_norm(x, layer.groups, gamma, beta, layer.eps).numpy()


def _mistakes(layer: Layer) -> dict[str, Array]:
    """Likely mistakes, those with the choice of a group's channels among them."""
    groups, channels = layer.groups, layer.x.shape[1]
    order = np.arange(channels).reshape(-1, groups).T.ravel()
    x, gamma, beta = layer.x[:, order], layer.gamma[order], layer.beta[order]
    mixed = replace(layer, x=x, gamma=gamma, beta=beta).output()[:, np.argsort(order)]
    own = {NEIGHBOURS: mixed}
    return layer.output_mistakes(group_axes(channels, groups)) | own


def _check_groups(
    student: Student, rng: torch.Generator, shape: tuple[int, ...], groups: int
) -> None:
    layer = Layer.draw(rng, shape, OVER_GROUP, groups)
    out = _group_normed(student, layer)
    close("the output", out, _by_library(layer), _mistakes(layer))


@pytest.mark.task("spatial_groupnorm_forward", weight=3, page=GROUPS)
@pytest.mark.parametrize(("shape", "groups"), [((3, 6, 4, 5), 2), ((2, 6, 3, 2), 3)])
def test_group_norm(student: Student, rng: torch.Generator, shape: Any, groups: int) -> None:
    """The output of six channels in two and in three groups."""
    _check_groups(student, rng, shape, groups)


@pytest.mark.task("spatial_groupnorm_forward", weight=1, page=GROUPS)
def test_one_group_and_a_group_a_channel(student: Student, rng: torch.Generator) -> None:
    """One group of all channels, and as many groups as channels."""
    for groups in (1, 4):
        _check_groups(student, rng, (3, 4, 2, 3), groups)


@pytest.mark.task("spatial_groupnorm_forward", weight=1, page=GROUPS)
def test_group_norm_of_one_image(student: Student, rng: torch.Generator) -> None:
    """A batch of one."""
    _check_groups(student, rng, (1, 6, 2, 3), 2)


@pytest.mark.task("spatial_groupnorm_forward", weight=1, page=GROUPS)
def test_eps_of_group_norm(student: Student, rng: torch.Generator) -> None:
    """An eps of one's own, and arrays in column order."""
    layer = Layer.draw(rng, (2, 6, 3, 4), OVER_GROUP, 3).with_eps(0.5).strided()
    out = _group_normed(student, layer, eps=0.5)
    fixed = "eps comes with gn_param, and is not always 1e-5"
    mistakes = {fixed: layer.with_eps(1e-5).output()} | _mistakes(layer)
    close("the output for eps = 0.5", out, _by_library(layer), mistakes)


@pytest.mark.task("spatial_groupnorm_forward", weight=1, page=GROUPS)
def test_single_precision_of_group_norm(student: Student, rng: torch.Generator) -> None:
    """Arrays of float32."""
    layer = Layer.draw(rng, (2, 4, 3, 5), OVER_GROUP, 2)
    batch_norm.is_float32(_group_normed(student, layer.to(np.float32)), layer.output())


@pytest.mark.task("spatial_groupnorm_forward", weight=1, page=GROUPS)
def test_groups_that_do_not_divide(student: Student, rng: torch.Generator) -> None:
    """Six channels in four groups, and in seven."""
    layer = Layer.draw(rng, (2, 6, 3, 2), OVER_GROUP)
    for groups in (4, 7):
        call = partial(student.spatial_groupnorm_forward, *layer.arguments.values(), groups, {})
        refuses(f"{groups} groups of 6 channels", call, RAISE)


# ---- backwards ----------------------------------------------------------------------------------

MEANS = {
    "the two correcting terms are means over batch, rows and columns, and here they are means of "
    "single images": ((3,), 1),
    "the two correcting terms are means over batch, rows and columns, and here they are means of "
    "single places": ((0,), 1),
}
GROUP_MEANS = {
    "the two correcting terms are means over a group of one image; here they are those of a "
    "channel": ((3,), 1),
    "the two correcting terms are means over a group of one image; here all its channels share "
    "them": (OVER_GROUP, 1),
    "the two correcting terms are means over a group of one image; here they are those of batch "
    "normalisation": (OVER_BATCH, 1),
}


def _check_batch_norm(
    student: Student, rng: torch.Generator, shape: tuple[int, ...], *names: str
) -> None:
    layer = Layer.draw(rng, shape, OVER_BATCH, smallest=0.4).with_eps(0.1)

    def forward(*arrays: Array) -> Any:
        return student.spatial_batchnorm_forward(*arrays, {"mode": "train", "eps": 0.1})

    check_backward(forward, student.spatial_batchnorm_backward, layer, names, MEANS, rng)


@pytest.mark.task("spatial_batchnorm_backward", weight=3, page=SPATIAL)
@pytest.mark.parametrize("shape", [(3, 4, 2, 3), (4, 2, 3, 1)])
def test_gradient_of_the_maps(student: Student, rng: torch.Generator, shape: Any) -> None:
    """dx, against differences."""
    _check_batch_norm(student, rng, shape, "x")


@pytest.mark.task("spatial_batchnorm_backward", weight=2, page=SPATIAL)
def test_gradients_of_gamma_and_beta(student: Student, rng: torch.Generator) -> None:
    """dgamma and dbeta, against differences."""
    _check_batch_norm(student, rng, (2, 4, 3, 5), "gamma", "beta")


@pytest.mark.task("spatial_batchnorm_backward", weight=1, page=SPATIAL)
def test_gradients_of_one_image(student: Student, rng: torch.Generator) -> None:
    """A batch of one."""
    _check_batch_norm(student, rng, (1, 3, 4, 2), "x", "gamma", "beta")


def _check_group_norm(
    student: Student, rng: torch.Generator, shape: tuple[int, ...], groups: int, *names: str
) -> None:
    layer = Layer.draw(rng, shape, OVER_GROUP, groups, smallest=0.4).with_eps(0.1)

    def forward(*arrays: Array) -> Any:
        return student.spatial_groupnorm_forward(*arrays, groups, {"eps": 0.1})

    check_backward(forward, student.spatial_groupnorm_backward, layer, names, GROUP_MEANS, rng)


@pytest.mark.task("spatial_groupnorm_backward", weight=3, page=GROUPS)
@pytest.mark.parametrize(("shape", "groups"), [((3, 4, 2, 3), 2), ((2, 6, 1, 3), 3)])
def test_gradient_through_group_norm(
    student: Student, rng: torch.Generator, shape: Any, groups: int
) -> None:
    """dx, against differences."""
    _check_group_norm(student, rng, shape, groups, "x")


@pytest.mark.task("spatial_groupnorm_backward", weight=2, page=GROUPS)
def test_parameters_of_group_norm(student: Student, rng: torch.Generator) -> None:
    """dgamma and dbeta, against differences."""
    _check_group_norm(student, rng, (3, 6, 2, 4), 2, "gamma", "beta")


@pytest.mark.task("spatial_groupnorm_backward", weight=1, page=GROUPS)
def test_extreme_groups(student: Student, rng: torch.Generator) -> None:
    """A batch of one, one group of all channels, and as many groups as channels."""
    for groups in (1, 3):
        _check_group_norm(student, rng, (1, 3, 2, 3), groups, "x", "gamma", "beta")
