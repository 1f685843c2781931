"""Hidden checks of the patches: their order, and what does not divide."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.convolution.inputs import normal, refuses, require_shape, strided
from autograder.student import Student, StudentError

ORDER = "book/unit3/patches.html#patches-order"
DIVIDE = "book/unit3/patches.html#patches-divide"

ROW_MAJOR = "the patches come row by row, from left to right: here they come column by column"
CHANNEL_FIRST = "within a patch the channel comes first, then row and column: here it comes last"
TRANSPOSED = "rows and columns within a patch are exchanged"
RESHAPED = (
    "a reshape alone cuts the image into runs of pixels: separate rows and columns of the grid "
    "from those within a patch, then permute"
)
STRIPS = (
    "the axes of the grid and of the patch are exchanged: a height of H is (H / p) patches of p "
    "rows, in this order, when it is split by a reshape"
)
BY_FEATURE = "a patch is a row: B × N × (C · p · p); unfold gives the transpose"
OVERLAP = "patches do not overlap: the stride is the patch size"
SQUEEZED = "a batch of one is still a batch: a squeeze removes it"
NOT_DIVIDED = (
    "a patch size that does not divide the image leaves pixels over: raise ValueError, and neither "
    "drop nor pad them"
)
BOTH = "both height and width must be divisible by the patch size: raise ValueError otherwise"
NUMBERS = "name the patch size and the number that it does not divide in the message"
NO_IMAGE = "raise ValueError where the patches are not those of such images"
SIDES = "height and width are exchanged: image_shape is (C, H, W)"
SIZES = "write the size of every axis beside it: B, C, H / p, p, W / p, p"


def _wrong_sizes() -> AbstractContextManager[None]:
    return tools.explained(SIZES, "is invalid for input", "must match", "permute(sparse_coo)")


def _rows(X: Tensor, p: int) -> Tensor:
    """The patches of images, as PyTorch unfolds them."""
    return functional.unfold(X, p, stride=p).transpose(1, 2)


def _split(X: Tensor, p: int) -> Tensor:
    """B × C × H/p × p × W/p × p."""
    n, channels, height, width = X.shape
    return X.reshape(n, channels, height // p, p, width // p, p)


def _wrong_orders(X: Tensor, p: int) -> dict[str, Tensor]:
    """What patches in another order are."""
    n, channels, height, width = X.shape
    axes = _split(X, p)
    shape = (n, (height // p) * (width // p), channels * p * p)
    strips = X.reshape(n, channels, p, height // p, p, width // p).permute(0, 3, 5, 1, 2, 4)
    return {
        ROW_MAJOR: axes.permute(0, 4, 2, 1, 3, 5).reshape(shape),
        CHANNEL_FIRST: axes.permute(0, 2, 4, 3, 5, 1).reshape(shape),
        TRANSPOSED: axes.permute(0, 2, 4, 1, 5, 3).reshape(shape),
        RESHAPED: X.reshape(shape),
        STRIPS: strips.reshape(shape),
    }


def _check_patches(student: Student, X: Tensor, p: int) -> None:
    before, expected = X.clone(), _rows(X, p)
    with _wrong_sizes(), tools.wrong_view():
        value = student.patchify(X, p)
    n, n_patches, size = expected.shape
    mistakes: dict[str, tuple[int, ...]] = {
        BY_FEATURE: (n, size, n_patches),
        OVERLAP: (n, (X.shape[2] - p + 1) * (X.shape[3] - p + 1), size),
    }
    mistakes |= {SQUEEZED: (n_patches, size)} if n == 1 else {}
    came = require_shape("the result", value, expected.shape, mistakes)
    tools.close("the result", came, expected, _wrong_orders(X, p))
    tools.unchanged("X", before, X)


@pytest.mark.task("patchify", weight=6, page=ORDER)
def test_patches_of_images(student: Student, rng: torch.Generator) -> None:
    """Five images of three channels and 4 × 10 pixels, patches of 2 × 2."""
    _check_patches(student, normal(rng, 5, 3, 4, 10), 2)


@pytest.mark.task("patchify", weight=4, page=ORDER)
def test_larger_patches_of_one_image(student: Student, rng: torch.Generator) -> None:
    """One image of two channels and 9 × 6 pixels, patches of 3 × 3."""
    _check_patches(student, normal(rng, 1, 2, 9, 6), 3)


@pytest.mark.task("patchify", weight=1, page=ORDER)
@pytest.mark.parametrize("p", [1, 4])
def test_patches_of_a_pixel_and_of_the_whole_image(
    student: Student, rng: torch.Generator, p: int
) -> None:
    """The smallest patch that there is, and the largest."""
    _check_patches(student, normal(rng, 2, 3, 4, 4), p)


@pytest.mark.task("patchify", weight=2, page=ORDER)
def test_images_that_are_not_contiguous(student: Student, rng: torch.Generator) -> None:
    """Images whose axes lie in memory in another order."""
    _check_patches(student, strided(normal(rng, 3, 2, 6, 4)), 2)


def _refused(name: str, call: Callable[[], Any], hint: str) -> str:
    """The message of the ValueError that a call must raise."""
    try:
        value = call()
    except StudentError as error:
        if error.stub:
            raise
        message = f"{name} must raise ValueError, and raised {error}"[:600]
        tools.require(error.type == "ValueError", message, hint)
        return error.message
    raise tools.Mistake(f"{name} must raise ValueError, and gave {tools.described(value)}", hint)


@pytest.mark.task("patchify", weight=1, page=DIVIDE)
@pytest.mark.parametrize(
    ("height", "width", "p"), [(10, 13, 3), (12, 11, 3), (13, 15, 3), (7, 7, 9)]
)
def test_patch_size_that_does_not_divide(
    student: Student, rng: torch.Generator, height: int, width: int, p: int
) -> None:
    """A patch size that divides neither height nor width, or only one of them."""
    X = normal(rng, 2, 1, height, width)
    hint = BOTH if (height % p == 0) != (width % p == 0) else NOT_DIVIDED
    name = f"a patch size of {p} for images of {height} × {width}"
    message = _refused(name, lambda: student.patchify(X, p), hint)
    numbers = {int(number) for number in re.findall(r"\d{1,9}", message)}
    named = p in numbers and any(size in numbers and size % p for size in (height, width))
    tools.require(named, f"{name} raised ValueError with another message", NUMBERS)


def _wrong_images(patches: Tensor, p: int, shape: tuple[int, int, int]) -> dict[str, Tensor]:
    """Images from patches that are taken to be in another order."""
    n, (channels, height, width) = len(patches), shape
    rows, columns = height // p, width // p
    images = (n, *shape)
    by_columns = patches.reshape(n, columns, rows, channels, p, p).permute(0, 3, 2, 4, 1, 5)
    channels_last = patches.reshape(n, rows, columns, p, p, channels).permute(0, 5, 1, 3, 2, 4)
    turned = patches.reshape(n, rows, columns, channels, p, p).permute(0, 3, 1, 5, 2, 4)
    return {
        ROW_MAJOR: by_columns.reshape(images),
        CHANNEL_FIRST: channels_last.reshape(images),
        TRANSPOSED: turned.reshape(images),
        RESHAPED: patches.reshape(images),
    }


def _check_images(student: Student, X: Tensor, p: int, patches: Tensor | None = None) -> None:
    patches = _rows(X, p).contiguous() if patches is None else patches
    before, shape = patches.clone(), (X.shape[1], X.shape[2], X.shape[3])
    with _wrong_sizes(), tools.wrong_view():
        value = student.unpatchify(patches, p, shape)
    turned = (len(X), X.shape[1], X.shape[3], X.shape[2])
    mistakes: dict[str, tuple[int, ...]] = {SIDES: turned}
    mistakes |= {SQUEEZED: tuple(X.shape[1:])} if len(X) == 1 else {}
    came = require_shape("the result", value, X.shape, mistakes)
    tools.close("the result", came, X, _wrong_images(patches, p, shape))
    tools.unchanged("patches", before, patches)


@pytest.mark.task("unpatchify", weight=6, page=ORDER)
def test_images_of_patches(student: Student, rng: torch.Generator) -> None:
    """Five images of three channels and 4 × 10 pixels from their patches of 2 × 2."""
    _check_images(student, normal(rng, 5, 3, 4, 10), 2)


@pytest.mark.task("unpatchify", weight=4, page=ORDER)
def test_one_image_of_larger_patches(student: Student, rng: torch.Generator) -> None:
    """One image of two channels and 9 × 6 pixels from its patches of 3 × 3."""
    _check_images(student, normal(rng, 1, 2, 9, 6), 3)


@pytest.mark.task("unpatchify", weight=2, page=ORDER)
def test_patches_that_are_not_contiguous(student: Student, rng: torch.Generator) -> None:
    """Patches whose rows lie in memory as columns."""
    X = normal(rng, 3, 2, 4, 6)
    _check_images(student, X, 2, functional.unfold(X, 2, stride=2).transpose(1, 2))


@pytest.mark.task("unpatchify", weight=1, page=DIVIDE)
@pytest.mark.parametrize(
    ("n_patches", "size", "shape"),
    [(6, 12, (3, 4, 4)), (4, 8, (3, 4, 4)), (4, 12, (3, 5, 4)), (4, 12, (3, 4, 5))],
)
def test_patches_of_other_images(
    student: Student,
    rng: torch.Generator,
    n_patches: int,
    size: int,
    shape: tuple[int, int, int],
) -> None:
    """Too many patches, patches of fewer channels, and sizes that 2 does not divide."""
    patches = normal(rng, 2, n_patches, size)
    name = f"patches of shape {tuple(patches.shape)} for images of shape {shape}"
    refuses(name, lambda: student.unpatchify(patches, 2, shape), NO_IMAGE)
