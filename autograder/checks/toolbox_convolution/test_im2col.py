"""Hidden checks of im2col and col2im, against PyTorch's unfold and fold."""

import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.toolbox_convolution.inputs import (
    CONVOLUTIONS,
    OfArray,
    mirrored,
    normal,
    positions,
    refuses,
    require_dtype,
    shaped,
    wrong_sizes,
)
from autograder.student import Student

FORBIDDEN = {"im2col": CONVOLUTIONS, "col2im": [*tools.AUTOGRAD, *CONVOLUTIONS]}
MATRIX = "book/unit4/im2col.html#toolbox-im2col-matrix"
ADJOINT = "book/unit4/im2col.html#toolbox-im2col-col2im"

IMAGES_FIRST = "column n · H' · W' + i · W' + j: images first, then rows, then columns of positions"
POSITIONS = "the position (i, j) is column i · W' + j: row by row, not column by column"
CHANNELS_FIRST = "row c · HH · WW + r · WW + s: channels first, as in w.reshape(F, -1)"
ENTRIES = "entry (r, s) is row r · WW + s: row by row, not column by column"
PLACE = "the window at position (i, j) begins at pixel (i · stride, j · stride)"
TRANSPOSED = "the windows are the columns of the matrix: transpose"


@dataclass(frozen=True)
class Windows:
    """Images of unequal sizes, and windows over them."""

    x: np.ndarray
    kernel: tuple[int, int] = (3, 2)
    stride: int = 1
    pad: int = 0

    @classmethod
    def draw(
        cls,
        rng: torch.Generator,
        batch: int = 3,
        size: tuple[int, int] = (5, 7),
        kernel: tuple[int, int] = (3, 2),
        stride: int = 1,
        pad: int = 0,
    ) -> "Windows":
        return cls(normal(rng, batch, 2, *size), kernel, stride, pad)

    @property
    def padded(self) -> list[int]:
        return [n + 2 * self.pad for n in self.x.shape[2:]]

    @property
    def parts(self) -> tuple[int, ...]:
        """C, HH, WW, N, H', W': what rows and columns of the matrix stand for."""
        out = positions(self.padded, self.kernel, self.stride)
        return (self.x.shape[1], *self.kernel, len(self.x), *out)

    @property
    def shape(self) -> tuple[int, int]:
        n_channels, HH, WW, batch, out_h, out_w = self.parts
        return n_channels * HH * WW, batch * out_h * out_w

    @property
    def geometry(self) -> tuple[int, int, int, int]:
        return *self.kernel, self.stride, self.pad

    def matrix(self, x: np.ndarray | None = None, pad: int | None = None) -> np.ndarray:
        """The columns by PyTorch; of other images or another border for mistakes."""
        images = torch.tensor(self.x if x is None else x)
        border = self.pad if pad is None else pad
        found = functional.unfold(images, self.kernel, padding=border, stride=self.stride)
        return found.permute(1, 0, 2).reshape(found.shape[1], -1).numpy()

    def image(self, cols: np.ndarray) -> np.ndarray:
        """The images that PyTorch adds columns up to."""
        blocks = torch.tensor(cols).reshape(len(cols), len(self.x), -1).permute(1, 0, 2)
        size = self.x.shape[2:]
        geometry: dict[str, Any] = {"padding": self.pad, "stride": self.stride}
        return functional.fold(blocks, size, self.kernel, **geometry).numpy()

    def reordered(self, *axes: int) -> OfArray:
        """Bring the parts of a matrix into another order, and write them as a matrix again."""

        def reorder(cols: np.ndarray) -> np.ndarray:
            return cols.reshape(self.parts).transpose(axes).reshape(self.shape)

        return reorder

    def misread(self, *axes: int) -> OfArray:
        """Read a matrix as if its parts stood in another order."""

        def misread(cols: np.ndarray) -> np.ndarray:
            moved = cols.reshape([self.parts[axis] for axis in axes])
            return moved.transpose(np.argsort(axes)).reshape(self.shape)

        return misread


ORDERS = {
    IMAGES_FIRST: (0, 1, 2, 4, 5, 3),
    f"{IMAGES_FIRST}, and here columns of positions come first": (0, 1, 2, 5, 4, 3),
    POSITIONS: (0, 1, 2, 3, 5, 4),
    CHANNELS_FIRST: (1, 2, 0, 3, 4, 5),
    ENTRIES: (0, 2, 1, 3, 4, 5),
    f"{CHANNELS_FIRST}. {IMAGES_FIRST}": (1, 2, 0, 4, 5, 3),
}


# ---- im2col -------------------------------------------------------------------------------------


@pytest.mark.task("im2col", weight=3, page=MATRIX)
def test_windows_with_stride_one(student: Student, rng: torch.Generator) -> None:
    """Stride 1, no padding: every row and every column in its place."""
    _check_matrix(student, Windows.draw(rng))


@pytest.mark.task("im2col", weight=2, page=MATRIX)
def test_windows_with_padding(student: Student, rng: torch.Generator) -> None:
    """A border of zeros on all four sides."""
    _check_matrix(student, Windows.draw(rng, size=(4, 5), pad=2))


@pytest.mark.task("im2col", weight=2, page=MATRIX)
def test_windows_with_stride(student: Student, rng: torch.Generator) -> None:
    """Stride 2 where a rest is left, and stride 3 with gaps between the windows."""
    _check_matrix(student, Windows.draw(rng, size=(8, 9), stride=2))
    _check_matrix(student, Windows.draw(rng, size=(9, 7), kernel=(2, 3), stride=3, pad=1))


@pytest.mark.task("im2col", weight=1, page=MATRIX)
def test_windows_of_one_image(student: Student, rng: torch.Generator) -> None:
    """A batch of one; a window as large as the image, and one of a single pixel."""
    for kernel in ((3, 2), (4, 3), (1, 1)):
        _check_matrix(student, Windows.draw(rng, 1, (4, 3), kernel))


@pytest.mark.task("im2col", weight=1, page=MATRIX)
def test_windows_of_mirrored_images(student: Student, rng: torch.Generator) -> None:
    """Images that are not contiguous, which are not modified, in float64 and in float32."""
    for dtype in (np.float64, np.float32):
        windows = Windows.draw(rng, stride=2, pad=1)
        windows = Windows(mirrored(windows.x.astype(dtype)), *_rest(windows))
        before = windows.x.copy()
        cols = _check_matrix(student, windows)
        require_dtype("cols", cols, windows.matrix())
        tools.unchanged("x", before, windows.x)


@pytest.mark.task("im2col", weight=1, page=MATRIX)
def test_windows_that_do_not_fit(student: Student, rng: torch.Generator) -> None:
    """A window that is higher or wider than the padded image is refused."""
    x = normal(rng, 2, 3, 4, 5)
    for kernel in ((7, 2), (2, 8)):
        refuses("im2col", partial(student.im2col, x, *kernel, 1, 1))


def _rest(windows: Windows) -> tuple[tuple[int, int], int, int]:
    return windows.kernel, windows.stride, windows.pad


def _check_matrix(student: Student, windows: Windows) -> np.ndarray:
    asked = copy.deepcopy(windows)  # an answer is not judged by what it writes into x
    with wrong_sizes():
        value = student.im2col(windows.x, *windows.geometry)
    cols = shaped("cols", value, windows.shape, _matrix_shapes(windows))
    tools.close("cols", cols, asked.matrix(), _wrong_matrices(asked))
    return cols


def _matrix_shapes(windows: Windows) -> dict[str, tuple[int, ...]]:
    n_channels, HH, WW, batch, out_h, out_w = windows.parts
    n_rows, image = n_channels * HH * WW, windows.x.shape[2:]

    def of(sides: list[int], stride: int = windows.stride) -> tuple[int, int]:
        out = positions(sides, windows.kernel, stride)
        return n_rows, batch * out[0] * out[1]

    return {
        TRANSPOSED: windows.shape[::-1],
        "one matrix for the whole batch: the images stand side by side": (
            batch,
            n_rows,
            out_h * out_w,
        ),
        "one matrix: write rows and columns as one axis each": windows.parts,
        "the padding is left out": of(list(image)),
        "the stride is left out": of(windows.padded, 1),
        "zeros are added on all four sides": of([n + windows.pad for n in image]),
        "the + 1 is missing: the first position of the window needs no step": (
            n_rows,
            batch * (out_h - 1) * (out_w - 1),
        ),
        "a step that would leave the image is not taken: round down": of(
            [n + windows.stride - 1 for n in windows.padded]
        ),
        "a window goes through all channels: here the channels lie in the columns": (
            HH * WW,
            n_channels * batch * out_h * out_w,
        ),
    }


def _wrong_matrices(windows: Windows) -> dict[str, np.ndarray]:
    cols, x, p = windows.matrix(), windows.x, windows.pad
    wrong = {hint: windows.reordered(*axes)(cols) for hint, axes in ORDERS.items()}
    apart = cols.reshape(windows.parts)
    close = Windows(x, windows.kernel, 1, p)
    close_together = close.matrix().reshape(close.parts)
    by_reshape = apart.transpose(3, 0, 1, 2, 4, 5).reshape(windows.shape)
    wrong |= {
        "a reshape does not swap axes: bring them into the order of rows and columns first": (
            by_reshape
        ),
        PLACE: close_together[..., : windows.parts[4], : windows.parts[5]].reshape(windows.shape),
        "the window is flipped: entry (0, 0) is its top left pixel": (
            apart[:, ::-1, ::-1].reshape(windows.shape)
        ),
        "each image has its own windows: here the first one's stand for all": windows.matrix(
            np.repeat(x[:1], len(x), axis=0)
        ),
    }
    if p:
        for mode in ("edge", "reflect", "symmetric", "wrap"):
            around = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), mode=mode)  # type: ignore[call-overload]
            hint = f"the border is padded with zeros, not with other pixels ({mode})"
            wrong[hint] = windows.matrix(around, 0)
        at_end = np.pad(x, ((0, 0), (0, 0), (0, 2 * p), (0, 2 * p)))
        hint = "all zeros are added at the end: half of them belong on the other side"
        wrong[hint] = windows.matrix(at_end, 0)
    return wrong


# ---- col2im -------------------------------------------------------------------------------------


@pytest.mark.task("col2im", weight=1, page=ADJOINT)
def test_columns_without_overlap(student: Student, rng: torch.Generator) -> None:
    """Windows side by side: every entry goes back to its pixel."""
    _check_image(student, Windows.draw(rng, size=(6, 4), kernel=(2, 2), stride=2), rng)


@pytest.mark.task("col2im", weight=3, page=ADJOINT)
def test_columns_with_overlap(student: Student, rng: torch.Generator) -> None:
    """Stride 1: pixels that several windows share."""
    _check_image(student, Windows.draw(rng), rng)


@pytest.mark.task("col2im", weight=2, page=ADJOINT)
def test_columns_with_padding(student: Student, rng: torch.Generator) -> None:
    """A border of zeros, whose part is dropped."""
    _check_image(student, Windows.draw(rng, size=(4, 5), pad=2), rng)


@pytest.mark.task("col2im", weight=2, page=ADJOINT)
def test_columns_with_stride(student: Student, rng: torch.Generator) -> None:
    """Stride 2 where a rest is left, and stride 3 with gaps between the windows."""
    _check_image(student, Windows.draw(rng, size=(8, 9), stride=2), rng)
    _check_image(student, Windows.draw(rng, size=(9, 7), kernel=(2, 3), stride=3, pad=1), rng)


@pytest.mark.task("col2im", weight=1, page=ADJOINT)
def test_columns_of_one_image(student: Student, rng: torch.Generator) -> None:
    """A batch of one; a window as large as the image, and one of a single pixel."""
    for kernel in ((3, 2), (4, 3), (1, 1)):
        _check_image(student, Windows.draw(rng, 1, (4, 3), kernel), rng)


@pytest.mark.task("col2im", weight=1, page=ADJOINT)
def test_columns_that_are_not_contiguous(student: Student, rng: torch.Generator) -> None:
    """A matrix with its axes in memory reversed, which is not modified."""
    windows = Windows.draw(rng, stride=2, pad=1)
    cols = mirrored(normal(rng, *windows.shape))
    before = cols.copy()
    _compare_image(student, windows, cols)
    tools.unchanged("cols", before, cols)


def _check_image(student: Student, windows: Windows, rng: torch.Generator) -> None:
    _compare_image(student, windows, normal(rng, *windows.shape))


def _compare_image(student: Student, windows: Windows, cols: np.ndarray) -> None:
    shape = windows.x.shape
    batch, n_channels, height, width = shape
    asked = cols.copy()  # an answer is not judged by what it writes into cols
    with wrong_sizes():
        value = student.col2im(cols, shape, *windows.geometry)
    covered = [
        windows.stride * (n - 1) + k - 2 * windows.pad
        for n, k in zip(windows.parts[4:], windows.kernel, strict=True)
    ]
    shapes = {
        "cut the border off again: the padding is no part of the images": (
            batch,
            n_channels,
            *windows.padded,
        ),
        "x_shape is the shape of the result: pixels that no window covers are 0": (
            batch,
            n_channels,
            *covered,
        ),
        "images come first: N × C × H × W": (n_channels, batch, height, width),
    }
    x = shaped("x", value, shape, shapes)
    tools.close("x", x, windows.image(asked), _wrong_images(windows, asked))


def _wrong_images(windows: Windows, cols: np.ndarray) -> dict[str, np.ndarray]:
    right = windows.image(cols)
    count = windows.image(np.ones_like(cols))
    p, (height, width) = windows.pad, windows.x.shape[2:]
    wide = Windows(np.pad(windows.x, ((0, 0), (0, 0), (p, p), (p, p))), *_rest(windows)[:2])
    shifted = wide.image(cols)[:, :, :height, :width]
    wrong = {
        "a pixel gets the sum of what its windows hold for it, not the mean: divide by nothing": (
            right / np.maximum(count, 1)
        ),
        "the border lies on all four sides: cut pad rows and columns off each": shifted,
        PLACE: _close_together(windows, cols),
    }
    wrong |= {hint: windows.image(windows.misread(*axes)(cols)) for hint, axes in ORDERS.items()}
    overlap = "windows share pixels: add (+=) what each of them holds, do not replace it"
    wrong[overlap] = _replaced(windows, cols, by_window=False)
    wrong[f"{overlap}; here a later window wins"] = _replaced(windows, cols, by_window=True)
    return wrong


def _close_together(windows: Windows, cols: np.ndarray) -> np.ndarray:
    """The images where neighbouring windows begin at neighbouring pixels."""
    close = Windows(windows.x, windows.kernel, 1, windows.pad)
    dense = np.zeros(close.parts)
    dense[..., : windows.parts[4], : windows.parts[5]] = cols.reshape(windows.parts)
    return close.image(dense.reshape(close.shape))


def _replaced(windows: Windows, cols: np.ndarray, by_window: bool) -> np.ndarray:
    """The images where what stood in a pixel is replaced, by windows or by entries."""
    parts, s, p = cols.reshape(windows.parts), windows.stride, windows.pad
    n_channels, HH, WW, batch, out_h, out_w = windows.parts
    padded = np.zeros((batch, n_channels, *windows.padded))
    if by_window:
        for i, j in np.ndindex(out_h, out_w):
            block = parts[..., i, j].transpose(3, 0, 1, 2)
            padded[:, :, i * s : i * s + HH, j * s : j * s + WW] = block
    else:
        for r, t in np.ndindex(HH, WW):
            rows = slice(r, r + s * (out_h - 1) + 1, s)
            columns = slice(t, t + s * (out_w - 1) + 1, s)
            padded[:, :, rows, columns] = parts[:, r, t].swapaxes(0, 1)
    height, width = windows.x.shape[2:]
    return padded[:, :, p : p + height, p : p + width]
