"""Hidden checks of the convolution with loops."""

from functools import partial

import pytest
import torch

from autograder.checks import tools
from autograder.checks.toolbox_convolution.convolutions import (
    called,
    check_gradients,
    check_out,
)
from autograder.checks.toolbox_convolution.inputs import (
    CONVOLUTIONS,
    Layer,
    refuses,
    require_dtype,
)
from autograder.student import Student

FORBIDDEN = {
    "conv_forward_naive": CONVOLUTIONS,
    "conv_backward_naive": [*tools.AUTOGRAD, *CONVOLUTIONS],
}
FORWARD = "book/unit4/loops.html#toolbox-loops-forward"
BACKWARD = "book/unit4/loops.html#toolbox-loops-backward"
KIND = "naive"


# ---- forward ------------------------------------------------------------------------------------


@pytest.mark.task("conv_forward_naive", weight=3, page=FORWARD)
def test_output_with_stride_one(student: Student, rng: torch.Generator) -> None:
    """Stride 1, no padding: every position of every kernel."""
    check_out(student, KIND, Layer.draw(rng, size=(7, 9), kernel=(4, 2)))


@pytest.mark.task("conv_forward_naive", weight=2, page=FORWARD)
def test_output_with_padding(student: Student, rng: torch.Generator) -> None:
    """A border of zeros on all four sides."""
    check_out(student, KIND, Layer.draw(rng, pad=2))


@pytest.mark.task("conv_forward_naive", weight=2, page=FORWARD)
def test_output_with_stride(student: Student, rng: torch.Generator) -> None:
    """Stride 2 where a rest is left, and stride 3."""
    check_out(student, KIND, Layer.draw(rng, size=(9, 8), kernel=(4, 3), stride=2))
    check_out(student, KIND, Layer.draw(rng, size=(10, 9), kernel=(2, 3), stride=3))


@pytest.mark.task("conv_forward_naive", weight=1, page=FORWARD)
def test_output_of_one_image(student: Student, rng: torch.Generator) -> None:
    """A batch of one, stride and padding together; a kernel as large as the image."""
    check_out(student, KIND, Layer.draw(rng, 1, (8, 7), (3, 4), stride=2, pad=1))
    check_out(student, KIND, Layer.draw(rng, 1, (4, 3), (4, 3)))


@pytest.mark.task("conv_forward_naive", weight=1, page=FORWARD)
def test_output_of_mirrored_arrays(student: Student, rng: torch.Generator) -> None:
    """Arrays that are not contiguous, with their axes in memory reversed."""
    check_out(student, KIND, Layer.draw(rng, pad=1, stride=2).mirrored())


@pytest.mark.task("conv_forward_naive", weight=1, page=FORWARD)
def test_dtype_of_the_output(student: Student, rng: torch.Generator) -> None:
    """float32 stays float32, float64 stays float64."""
    for dtype in ("float32", "float64"):
        layer = Layer.draw(rng, pad=1).to(dtype)
        require_dtype("out", called(student, KIND, layer), layer.out())


@pytest.mark.task("conv_forward_naive", weight=1, page=FORWARD)
def test_arguments_are_left_alone(student: Student, rng: torch.Generator) -> None:
    """Neither the images nor the kernels nor the biases are modified."""
    for pad in (0, 1):
        layer = Layer.draw(rng, pad=pad)
        before = {name: getattr(layer, name).copy() for name in "xwb"}
        called(student, KIND, layer)
        for name, value in before.items():
            tools.unchanged(name, value, getattr(layer, name))


@pytest.mark.task("conv_forward_naive", weight=1, page=FORWARD)
def test_kernels_that_do_not_fit(student: Student, rng: torch.Generator) -> None:
    """A kernel that is higher or wider than the padded image is refused."""
    for kernel in ((8, 2), (2, 9)):
        layer = Layer.draw(rng, kernel=kernel, pad=1)
        arguments = layer.x, layer.w, layer.b, layer.param
        refuses("conv_forward_naive", partial(student.conv_forward_naive, *arguments))


# ---- backward -----------------------------------------------------------------------------------


@pytest.mark.task("conv_backward_naive", weight=1, page=BACKWARD)
def test_gradient_of_the_biases(student: Student, rng: torch.Generator) -> None:
    """db, against differences."""
    check_gradients(student, KIND, Layer.draw(rng), rng, "b")


@pytest.mark.task("conv_backward_naive", weight=2, page=BACKWARD)
def test_gradient_of_the_kernels(student: Student, rng: torch.Generator) -> None:
    """dw, against differences."""
    check_gradients(student, KIND, Layer.draw(rng, kernel=(2, 3)), rng, "w")


@pytest.mark.task("conv_backward_naive", weight=2, page=BACKWARD)
def test_gradient_of_the_images(student: Student, rng: torch.Generator) -> None:
    """dx, against differences."""
    check_gradients(student, KIND, Layer.draw(rng, batch=2, size=(4, 5)), rng, "x")


@pytest.mark.task("conv_backward_naive", weight=2, page=BACKWARD)
def test_gradients_with_padding(student: Student, rng: torch.Generator) -> None:
    """Padding: the zeros take part in the output, and nobody asks for their gradient."""
    check_gradients(student, KIND, Layer.draw(rng, batch=2, size=(3, 4), pad=1), rng)


@pytest.mark.task("conv_backward_naive", weight=2, page=BACKWARD)
def test_gradients_with_stride(student: Student, rng: torch.Generator) -> None:
    """Stride 2, whose last row and column no window covers, in arrays that are not contiguous."""
    layer = Layer.draw(rng, batch=2, size=(6, 5), stride=2)
    check_gradients(student, KIND, layer.mirrored(), rng)


@pytest.mark.task("conv_backward_naive", weight=1, page=BACKWARD)
def test_gradients_of_one_image(student: Student, rng: torch.Generator) -> None:
    """A batch of one, stride 3, padding 2; a kernel as large as the image."""
    check_gradients(student, KIND, Layer.draw(rng, 1, (6, 4), (2, 4), stride=3, pad=2), rng)
    check_gradients(student, KIND, Layer.draw(rng, 1, (3, 4), (3, 4)), rng)
