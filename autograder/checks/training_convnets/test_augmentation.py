"""Hidden checks of the augmentations: what each image became is read off its pixels."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.training_convnets.inputs import (
    follows_the_generator,
    likely,
    own_generator,
)
from autograder.student import Student

FORBIDDEN = {task: ["torchvision"] for task in ("random_crop", "random_horizontal_flip")}
PAGE = "book/unit2/augmentation.html#augmentation-crop"

TOGETHER = "all images are changed alike: draw for each image by itself"
DIAGONAL = "rows and columns are drawn together: the two offsets are independent"
ZEROS = "what lies outside the image is zero: pad with zeros, and do not repeat or wrap its pixels"
SAME_SIZE = "the window has the size of the image: cut it out of the padded image"
CHANNELS = "the channels of an image belong together: they share one window"
ALL_OFFSETS = "the corner has 2 · padding + 1 places along each side, 0 ... 2 · padding"
NOT_A_WINDOW = "each image is a window of itself after padding, and keeps its place in the batch"


def _images(rng: torch.Generator, *shape: int) -> Tensor:
    """Images without a zero and without two equal pixels."""
    count = int(torch.tensor(shape).prod())
    return (1 + torch.randperm(count, generator=rng)).reshape(shape).float()


def _windows(X: Tensor, padding: int) -> Tensor:
    """All windows of every image, (2p + 1)² × B × C × H × W: no two alike if p < H and p < W."""
    height, width = X.shape[2:]
    padded = functional.pad(X, [padding] * 4)
    places = range(2 * padding + 1)
    return torch.stack(
        [padded[:, :, i : i + height, j : j + width] for i in places for j in places]
    )


def _offsets(X: Tensor, came: Tensor, padding: int) -> tuple[Tensor, Tensor]:
    """Row and column of each image's window; raises Mistake where one is no window."""
    fits = (_windows(X, padding) == came).flatten(2).all(dim=2)
    if not bool(fits.any(dim=0).all()):
        message = f"{int((~fits.any(dim=0)).sum())} of {len(X)} images are no windows of theirs"
        raise tools.Mistake(message, _why_no_window(X, came, padding))
    place = fits.int().argmax(dim=0)
    return place // (2 * padding + 1), place % (2 * padding + 1)


def _why_no_window(X: Tensor, came: Tensor, padding: int) -> str:
    each = (_windows(X, padding) == came).flatten(3).all(dim=3)  # windows × B × C
    if bool(each.any(dim=0).all()):
        return CHANNELS
    if not bool((came == 0).any()):
        return ZEROS
    return NOT_A_WINDOW


def _crops(student: Student, X: Tensor, padding: int, generator: torch.Generator | None) -> Tensor:
    value = student.random_crop(X.clone(), padding, generator)
    if isinstance(value, Tensor) and value.shape[2:] != X.shape[2:]:
        message = f"images of {tuple(X.shape[2:])} come back as {tuple(value.shape[2:])}"
        raise tools.Mistake(message, SAME_SIZE)
    return tools.tensor("the result", value, X.shape, X.dtype)


@pytest.mark.task("random_crop", weight=3, page=PAGE)
@pytest.mark.parametrize(("shape", "padding"), [((9, 3, 4, 6), 2), ((6, 2, 5, 3), 1)])
def test_crops_are_windows(
    student: Student, rng: torch.Generator, shape: tuple[int, ...], padding: int
) -> None:
    """Every image is a window of itself after padding with zeros."""
    X = _images(rng, *shape)
    _offsets(X, _crops(student, X, padding, own_generator(rng)), padding)


@pytest.mark.task("random_crop", weight=2, page=PAGE)
def test_windows_are_drawn_for_each_image(student: Student, rng: torch.Generator) -> None:
    """Rows and columns of 400 windows.

    A right answer fails less than once in 10^100 courses.
    """
    X = _images(rng, 400, 1, 3, 2)
    top, left = _offsets(X, _crops(student, X, 1, own_generator(rng)), 1)
    same = bool((top == top[0]).all() and (left == left[0]).all())
    tools.require(not same, "400 images have the same window", TOGETHER)
    tools.require(not torch.equal(top, left), "row and column of every window agree", DIAGONAL)


@pytest.mark.task("random_crop", weight=2, page=PAGE)
def test_every_place_is_equally_likely(student: Student, rng: torch.Generator) -> None:
    """How often each row and each column of the corner comes in 2000 images.

    Each of ten counts lies within six standard deviations; a right answer fails less than once in
    50 million courses.
    """
    X, n, places = _images(rng, 2000, 1, 3, 4), 2000, 5
    for name, found in zip(
        ("row", "column"), _offsets(X, _crops(student, X, 2, own_generator(rng)), 2), strict=True
    ):
        for place in range(places):
            count = int((found == place).sum())
            hints = [(0.0, ALL_OFFSETS), (1 / 4, ALL_OFFSETS), (1 / 3, ALL_OFFSETS)]
            likely(f"the corner in {name} {place}", count, n, 1 / places, hints)


@pytest.mark.task("random_crop", weight=1, page=PAGE)
def test_no_padding_and_one_image(student: Student, rng: torch.Generator) -> None:
    """Without padding the images come back as they were; a batch of one image."""
    X = _images(rng, 3, 2, 4, 5)
    tools.close("the result for padding = 0", _crops(student, X, 0, own_generator(rng)), X)
    _offsets(X[:1], _crops(student, X[:1], 1, own_generator(rng)), 1)


@pytest.mark.task("random_crop", weight=1, page=PAGE)
def test_crop_leaves_its_images_alone(student: Student, rng: torch.Generator) -> None:
    """Images that are not contiguous are not modified."""
    X = _images(rng, 4, 2, 6, 3).transpose(2, 3)
    given = X.clone()
    came: Any = student.random_crop(given, 1, own_generator(rng))
    tools.unchanged("X", X, given)
    _offsets(X, tools.tensor("the result", came, X.shape), 1)


@pytest.mark.task("random_crop", weight=1, page=PAGE)
def test_crops_follow_the_generator(student: Student, rng: torch.Generator) -> None:
    """The same state of the generator gives the same windows, another state gives others.

    Two different states give equal windows of 40 images once in 10^55.
    """
    X = _images(rng, 40, 1, 3, 3)
    follows_the_generator(partial(_crops, student, X, 2), rng)


# How a flip can go wrong: the axes that are mirrored instead of columns.
VERTICAL = "this mirrors top to bottom: columns are the last dimension"
BOTH = "this turns the image by 180 degrees: rows keep their order"
OF_CHANNELS = "this reverses the channels: columns are the last dimension"
OF_BATCH = "this reverses the batch: each image keeps its place, and its columns are reversed"
WRONG_AXES = {(2,): VERTICAL, (2, 3): BOTH, (1,): OF_CHANNELS, (1, 3): OF_CHANNELS, (0,): OF_BATCH}
PARTS = "each image is flipped as a whole: one draw an image, not one a row, a channel or a pixel"


def _flips(student: Student, X: Tensor, p: float, generator: torch.Generator | None) -> Tensor:
    value = student.random_horizontal_flip(X.clone(), p, generator)
    return tools.tensor("the result", value, X.shape, X.dtype)


def _flipped(X: Tensor, came: Tensor) -> Tensor:
    """Which images came back mirrored; raises Mistake where one is neither that nor as it was."""
    same, mirrored = ((came == image).flatten(1).all(dim=1) for image in (X, X.flip(dims=(3,))))
    strange = ~(same | mirrored)
    if not bool(strange.any()):
        return mirrored
    hint = next(
        (
            hint
            for axes, hint in WRONG_AXES.items()
            if bool((came == X.flip(dims=axes)).flatten(1).all(dim=1)[strange].all())
        ),
        PARTS,
    )
    message = f"{int(strange.sum())} of {len(X)} images are neither mirrored nor as they were"
    raise tools.Mistake(message, hint)


@pytest.mark.task("random_horizontal_flip", weight=3, page=PAGE)
def test_flips_are_mirror_images(student: Student, rng: torch.Generator) -> None:
    """Every image is mirrored left to right, or as it was."""
    X = _images(rng, 30, 3, 4, 5)
    _flipped(X, _flips(student, X, 0.5, own_generator(rng)))


@pytest.mark.task("random_horizontal_flip", weight=1, page=PAGE)
def test_certain_flips(student: Student, rng: torch.Generator) -> None:
    """p = 1 mirrors every image, p = 0 none; also of a batch of one, not contiguous."""
    for X in (_images(rng, 4, 2, 3, 6), _images(rng, 1, 3, 2, 4).transpose(2, 3)):
        for p, expected in ((1.0, True), (0.0, False)):
            found = _flipped(X, _flips(student, X, p, own_generator(rng)))
            message = f"p = {p:g} has mirrored {int(found.sum())} of {len(X)} images"
            hint = "p is the probability of a flip, and here it is that of none"
            wrong_way = bool((found != expected).all())
            tools.require(bool((found == expected).all()), message, hint if wrong_way else None)


@pytest.mark.task("random_horizontal_flip", weight=2, page=PAGE)
def test_share_of_flips(student: Student, rng: torch.Generator) -> None:
    """How many of 1000 images are mirrored for p = 0.2, and by default.

    Within six standard deviations; a right answer fails once in 200 million courses.
    """
    X = _images(rng, 1000, 1, 1, 2)
    found = _flipped(X, _flips(student, X, 0.2, own_generator(rng)))
    hints = [
        (0.8, "p is the probability of a flip, and here it is that of none"),
        (0.5, "p is ignored: half of the images are mirrored, whatever it is"),
        (0.0, TOGETHER),
        (1.0, TOGETHER),
    ]
    likely("mirrored images for p = 0.2", int(found.sum()), 1000, 0.2, hints)
    value = student.random_horizontal_flip(X.clone(), generator=own_generator(rng))
    found = _flipped(X, tools.tensor("the result", value, X.shape))
    hints = [(0.0, TOGETHER), (1.0, TOGETHER)]
    likely("mirrored images by default", int(found.sum()), 1000, 0.5, hints)


@pytest.mark.task("random_horizontal_flip", weight=1, page=PAGE)
def test_flips_are_drawn_for_each_image(student: Student, rng: torch.Generator) -> None:
    """Images side by side in a batch have flips of their own.

    In 200 images the flip changes from one to the next within six standard deviations of half the
    time; a right answer fails once in 500 million courses.
    """
    X = _images(rng, 200, 1, 2, 3)
    found = _flipped(X, _flips(student, X, 0.5, own_generator(rng))).int()
    changes = int(found.diff().abs().sum())
    tools.require(changes > 0, "all images are mirrored, or none is", TOGETHER)
    hints = [(0.0, TOGETHER), (1.0, "every second image is mirrored: draw at random")]
    likely("changes from one image to the next", changes, 199, 0.5, hints)


@pytest.mark.task("random_horizontal_flip", weight=1, page=PAGE)
def test_flip_leaves_its_images_alone(student: Student, rng: torch.Generator) -> None:
    """The images are not modified."""
    X = _images(rng, 8, 2, 3, 4)
    given = X.clone()
    student.random_horizontal_flip(given, 0.9, own_generator(rng))
    tools.unchanged("X", X, given)


@pytest.mark.task("random_horizontal_flip", weight=1, page=PAGE)
def test_flips_follow_the_generator(student: Student, rng: torch.Generator) -> None:
    """The same state of the generator gives the same flips, another state gives others.

    Two different states agree on 100 images once in 10^30.
    """
    X = _images(rng, 100, 1, 1, 2)
    follows_the_generator(partial(_flips, student, X, 0.5), rng)
