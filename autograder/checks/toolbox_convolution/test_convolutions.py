"""Hidden checks of the convolution, with loops and as one matrix product: the same for both."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
import torch

from autograder.checks import gradients, tools
from autograder.checks.toolbox_convolution.convolutions import (
    called,
    check_gradients,
    check_out,
    three_gradients,
)
from autograder.checks.toolbox_convolution.inputs import (
    CONVOLUTIONS,
    Layer,
    normal,
    refuses,
    require_dtype,
)
from autograder.student import StoppedError, Student, over_budget

FORWARD = {
    "conv_forward_naive": "book/unit4/loops.html#toolbox-loops-forward",
    "conv_forward_im2col": "book/unit4/im2col.html#toolbox-im2col-matrix",
}
BACKWARD = {
    "conv_backward_naive": "book/unit4/loops.html#toolbox-loops-backward",
    "conv_backward_im2col": "book/unit4/im2col.html#toolbox-im2col-col2im",
}
FORBIDDEN = dict.fromkeys(FORWARD, CONVOLUTIONS) | {
    task: [*tools.AUTOGRAD, *CONVOLUTIONS] for task in BACKWARD
}
SPEED = "book/unit4/im2col.html#toolbox-im2col-speed"

SECONDS = 2.0
"""Processor time of one pass through the large layer. In the sandbox, on a slow machine, the
reference takes 0.07 of them, a loop over images and positions 0.4, one over the outputs 9."""
TOO_SLOW = (
    "a loop over the outputs is too slow, whatever stands in it: each turn costs Python more than "
    "its multiplications. A matrix product makes all of them in one call"
)


# ---- forward ------------------------------------------------------------------------------------


@tools.of_tasks(FORWARD, weight=3)
def test_output_with_stride_one(student: Student, rng: torch.Generator, task: str) -> None:
    """Stride 1, no padding: every position of every kernel."""
    check_out(student, task, Layer.draw(rng, size=(7, 9), kernel=(4, 2)))


@tools.of_tasks(FORWARD, weight=2)
def test_output_with_padding(student: Student, rng: torch.Generator, task: str) -> None:
    """A border of zeros on all four sides."""
    check_out(student, task, Layer.draw(rng, pad=2))


@tools.of_tasks(FORWARD, weight=2)
def test_output_with_stride(student: Student, rng: torch.Generator, task: str) -> None:
    """Stride 2 where a rest is left, and stride 3."""
    check_out(student, task, Layer.draw(rng, size=(9, 8), kernel=(4, 3), stride=2))
    check_out(student, task, Layer.draw(rng, size=(10, 9), kernel=(2, 3), stride=3))


@tools.of_tasks(FORWARD, weight=1)
def test_output_of_one_image(student: Student, rng: torch.Generator, task: str) -> None:
    """A batch of one, stride and padding together; a kernel as large as the image."""
    check_out(student, task, Layer.draw(rng, 1, (8, 7), (3, 4), stride=2, pad=1))
    check_out(student, task, Layer.draw(rng, 1, (4, 3), (4, 3)))


@tools.of_tasks(FORWARD, weight=1)
def test_output_of_mirrored_arrays(student: Student, rng: torch.Generator, task: str) -> None:
    """Arrays that are not contiguous, with their axes in memory reversed."""
    check_out(student, task, Layer.draw(rng, pad=1, stride=2).mirrored())


@tools.of_tasks(FORWARD, weight=1)
def test_dtype_of_the_output(student: Student, rng: torch.Generator, task: str) -> None:
    """float32 stays float32, float64 stays float64."""
    for dtype in ("float32", "float64"):
        layer = Layer.draw(rng, pad=1).to(dtype)
        require_dtype("out", called(student, task, layer), layer.out())


@tools.of_tasks(FORWARD, weight=1)
def test_arguments_are_left_alone(student: Student, rng: torch.Generator, task: str) -> None:
    """Neither the images nor the kernels nor the biases are modified."""
    for pad in (0, 1):
        layer = Layer.draw(rng, pad=pad)
        before = {name: getattr(layer, name).copy() for name in "xwb"}
        called(student, task, layer)
        for name, value in before.items():
            tools.unchanged(name, value, getattr(layer, name))


@tools.of_tasks(FORWARD, weight=1)
def test_kernels_that_do_not_fit(student: Student, rng: torch.Generator, task: str) -> None:
    """A kernel that is higher or wider than the padded image is refused."""
    for kernel in ((8, 2), (2, 9)):
        layer = Layer.draw(rng, kernel=kernel, pad=1)
        arguments = layer.x, layer.w, layer.b, layer.param
        refuses(task, partial(getattr(student, task), *arguments))


@pytest.mark.task("conv_forward_im2col", weight=2, page=SPEED)
def test_output_of_a_large_layer(student: Student, rng: torch.Generator) -> None:
    """Three million outputs, for which a call that loops over them has not enough time."""
    layer = large_layer(rng)
    with in_time(student):
        out = called(student, "conv_forward_im2col", copy.deepcopy(layer))
    tools.close("out, last image", out[-1], layer.out()[-1])


# ---- backward -----------------------------------------------------------------------------------


@tools.of_tasks(BACKWARD, weight=1)
def test_gradient_of_the_biases(student: Student, rng: torch.Generator, task: str) -> None:
    """db, against differences."""
    check_gradients(student, task, Layer.draw(rng), rng, "b")


@tools.of_tasks(BACKWARD, weight=2)
def test_gradient_of_the_kernels(student: Student, rng: torch.Generator, task: str) -> None:
    """dw, against differences."""
    check_gradients(student, task, Layer.draw(rng, kernel=(2, 3)), rng, "w")


@tools.of_tasks(BACKWARD, weight=2)
def test_gradient_of_the_images(student: Student, rng: torch.Generator, task: str) -> None:
    """dx, against differences."""
    check_gradients(student, task, Layer.draw(rng, batch=2, size=(4, 5)), rng, "x")


@tools.of_tasks(BACKWARD, weight=2)
def test_gradients_with_padding(student: Student, rng: torch.Generator, task: str) -> None:
    """Padding: the zeros take part in the output, and nobody asks for their gradient."""
    check_gradients(student, task, Layer.draw(rng, batch=2, size=(3, 4), pad=1), rng)


@tools.of_tasks(BACKWARD, weight=2)
def test_gradients_with_stride(student: Student, rng: torch.Generator, task: str) -> None:
    """Stride 2, whose last row and column no window covers, in arrays that are not contiguous."""
    layer = Layer.draw(rng, batch=2, size=(6, 5), stride=2)
    check_gradients(student, task, layer.mirrored(), rng)


@tools.of_tasks(BACKWARD, weight=1)
def test_gradients_of_one_image(student: Student, rng: torch.Generator, task: str) -> None:
    """A batch of one, stride 3, padding 2; a kernel as large as the image."""
    check_gradients(student, task, Layer.draw(rng, 1, (6, 4), (2, 4), stride=3, pad=2), rng)
    check_gradients(student, task, Layer.draw(rng, 1, (3, 4), (3, 4)), rng)


@pytest.mark.task("conv_backward_im2col", weight=2, page=SPEED)
def test_gradients_of_a_large_layer(student: Student, rng: torch.Generator) -> None:
    """Three million outputs, for which a call that loops over them has not enough time."""
    layer = large_layer(rng)
    expected = layer.out()
    forward = partial(student.conv_forward_im2col, layer.x, layer.w, layer.b, layer.param)
    try:
        with in_time(student):
            out, cache = gradients.out_and_cache("your forward", forward)
        came = tools.array("the output of your forward", out, expected.shape)
        tools.close("the output of your forward, last image", came[-1], expected[-1])
    except (tools.Mistake, tools.StudentError) as problem:
        raise tools.Mistake(f"{problem}"[:600], gradients.FORWARD_FIRST) from None
    dout = normal(rng, *expected.shape).astype(np.float32)
    with in_time(student):
        answer = student.conv_backward_im2col(dout, cache)
    dx, _, _ = three_gradients("conv_backward_im2col", answer)
    # In float32 the sums over three million entries differ by their order.
    tools.close("dx", dx, layer.gradients(dout)["x"], rtol=1e-2, atol=1e-2)


@contextmanager
def in_time(student: Student) -> Iterator[None]:
    """Give each call the seconds of the large layer, and say what took longer."""
    try:
        with student.budget(SECONDS):
            yield
    except StoppedError as stopped:
        if stopped.reason != over_budget(SECONDS):
            raise
        student.begin_task()  # the process that answered was ended
        raise tools.Mistake(stopped.reason, TOO_SLOW) from None


def large_layer(rng: torch.Generator) -> Layer:
    """Few pixels and many kernels, so that arguments and caches are small."""
    x, w = normal(rng, 4, 1, 56, 56), normal(rng, 256, 1, 3, 3)
    return Layer(x, w, normal(rng, 256)).to("float32")
