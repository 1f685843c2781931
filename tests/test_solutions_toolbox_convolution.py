"""Unit 4's convolution by loops and by im2col against PyTorch's, in float64."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from solutions import convolution_loops, im2col

PAIRS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "loops": (convolution_loops.conv_forward_naive, convolution_loops.conv_backward_naive),
    "im2col": (im2col.conv_forward_im2col, im2col.conv_backward_im2col),
}
# Kernel (height, width), stride, padding; images are 6 × 5.
GEOMETRIES = list(product([(1, 1), (3, 2), (2, 4), (6, 5)], [1, 2, 5], [0, 1, 3]))
# Height and width of the window, stride.
POOLINGS = [(1, 1, 1), (2, 2, 2), (2, 3, 1), (3, 1, 2), (2, 1, 3), (6, 5, 4)]


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def reversed_axes(value: np.ndarray) -> np.ndarray:
    """The same values in memory in Fortran's order, with a place left free after each."""
    memory = np.zeros((*value.shape[::-1], 2), value.dtype)[..., 0].T
    memory[...] = value
    return memory


def library(
    function: Callable[..., torch.Tensor], inputs: list[np.ndarray], dout_seed: int, **options: Any
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """PyTorch's output, a random upstream gradient, and the gradients of the inputs."""
    leaves = [torch.tensor(value, requires_grad=True) for value in inputs]
    out = function(*leaves, **options)
    dout = normal(*out.shape, seed=dout_seed)
    gradients = torch.autograd.grad(out, leaves, torch.tensor(dout))
    return out.detach().numpy(), dout, [gradient.numpy() for gradient in gradients]


# ---- convolution --------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", PAIRS)
def test_convolution_and_its_gradients_are_those_of_the_library(pair: str) -> None:
    forward, backward = PAIRS[pair]
    for kernel, stride, pad in GEOMETRIES:
        inputs = [normal(2, 3, 6, 5), normal(4, 3, *kernel, seed=1), normal(4, seed=2)]
        expected, dout, gradients = library(
            functional.conv2d, inputs, 3, stride=stride, padding=pad
        )
        out, cache = forward(*inputs, {"stride": stride, "pad": pad})
        np.testing.assert_allclose(out, expected, rtol=1e-10, atol=1e-12)
        for ours, theirs in zip(backward(dout, cache), gradients, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("pair", PAIRS)
def test_convolution_of_any_memory_order_leaves_its_arguments_alone(pair: str) -> None:
    forward, backward = PAIRS[pair]
    inputs = [reversed_axes(normal(*shape)) for shape in ((2, 3, 6, 5), (4, 3, 3, 2), (4,))]
    expected, dout, gradients = library(functional.conv2d, inputs, 1, stride=2, padding=1)
    dout = reversed_axes(dout)
    before = [value.copy() for value in (*inputs, dout)]
    out, cache = forward(*inputs, {"stride": 2, "pad": 1})
    found = backward(dout, cache)
    np.testing.assert_allclose(out, expected, rtol=1e-10)
    for ours, theirs in zip(found, gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    for old, new in zip(before, (*inputs, dout), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("pair", PAIRS)
def test_convolution_keeps_the_dtype(pair: str) -> None:
    forward, backward = PAIRS[pair]
    inputs = [normal(*shape).astype(np.float32) for shape in ((2, 3, 6, 5), (4, 3, 3, 2), (4,))]
    out, cache = forward(*inputs, {"stride": 1, "pad": 1})
    assert {value.dtype.name for value in (out, *backward(out, cache))} == {"float32"}


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("kernel", [(9, 2), (2, 8)])
def test_kernels_that_do_not_fit_are_refused(pair: str, kernel: tuple[int, int]) -> None:
    x, w, b = normal(2, 3, 6, 5), normal(4, 3, *kernel), normal(4)
    with pytest.raises(ValueError, match="does not fit" if pair == "loops" else "larger"):
        PAIRS[pair][0](x, w, b, {"stride": 1, "pad": 1})


# ---- pooling ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width", "stride"), POOLINGS)
def test_pooling_and_its_gradient_are_those_of_the_library(
    height: int, width: int, stride: int
) -> None:
    param = {"pool_height": height, "pool_width": width, "stride": stride}
    with_ties = np.maximum(normal(2, 3, 6, 5).round(), 0)
    for x in (normal(2, 3, 6, 5), with_ties, reversed_axes(with_ties), normal(1, 1, 6, 5) - 9):
        before = x.copy()
        expected, dout, (gradient,) = library(
            functional.max_pool2d, [x], 1, kernel_size=(height, width), stride=stride
        )
        out, cache = convolution_loops.max_pool_forward_naive(x, param)
        np.testing.assert_array_equal(out, expected)
        dx = convolution_loops.max_pool_backward_naive(dout, cache)
        np.testing.assert_allclose(dx, gradient, rtol=1e-12)
        np.testing.assert_array_equal(x, before)


def test_pooling_keeps_the_dtype_and_refuses_windows_that_do_not_fit() -> None:
    x = normal(2, 3, 6, 5).astype(np.float32)
    out, cache = convolution_loops.max_pool_forward_naive(
        x, {"pool_height": 2, "pool_width": 3, "stride": 2}
    )
    assert out.dtype == convolution_loops.max_pool_backward_naive(out, cache).dtype == np.float32
    for size in ({"pool_height": 7, "pool_width": 1}, {"pool_height": 1, "pool_width": 6}):
        with pytest.raises(ValueError, match="does not fit into 6 × 5"):
            convolution_loops.max_pool_forward_naive(x, {**size, "stride": 1})


# ---- windows as columns -------------------------------------------------------------------------


@pytest.mark.parametrize(("kernel", "stride", "pad"), GEOMETRIES)
def test_columns_are_unfolded_and_folded_as_by_the_library(
    kernel: tuple[int, int], stride: int, pad: int
) -> None:
    x = normal(2, 3, 6, 5)
    cols = im2col.im2col(x, *kernel, stride, pad)
    unfolded = functional.unfold(torch.tensor(x), kernel, padding=pad, stride=stride)
    np.testing.assert_array_equal(cols, torch.cat(list(unfolded), dim=1).numpy())
    G = normal(*cols.shape, seed=1)
    blocks = torch.stack(torch.tensor(G).chunk(2, dim=1))
    folded = functional.fold(blocks, (6, 5), kernel, padding=pad, stride=stride)
    image = im2col.col2im(G, x.shape, *kernel, stride, pad)
    np.testing.assert_allclose(image, folded.numpy(), rtol=1e-12)
    assert np.vdot(cols, G) == pytest.approx(np.vdot(x, image), rel=1e-10)


def test_columns_are_a_copy_in_the_same_dtype() -> None:
    x = normal(1, 1, 3, 4).astype(np.float32)
    cols = im2col.im2col(x, 1, 1, 1, 0)
    assert not np.shares_memory(cols, x)
    image = im2col.col2im(cols, x.shape, 1, 1, 1, 0)
    assert cols.dtype == image.dtype == np.float32
    np.testing.assert_array_equal(image, x)


@pytest.mark.parametrize("kernel", [(9, 2), (2, 8)])
def test_windows_that_do_not_fit_are_refused(kernel: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="larger"):
        im2col.im2col(normal(2, 3, 6, 5), *kernel, 1, 1)
