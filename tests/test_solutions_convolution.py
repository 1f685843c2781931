"""Unit 2's convolution by hand against PyTorch's layers, autograd and counting, in float64."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from solutions import conv_arithmetic, convolution, fully_convolutional, pooling

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
every_device = pytest.mark.parametrize("device", DEVICES)

# Kernel (height, width), stride, padding; images are 9 × 12.
GEOMETRIES = list(product([(1, 1), (3, 2), (2, 5), (9, 12)], [1, 2, 3, 7], [0, 1, 4]))
POOLINGS = [(1, None), (2, None), (3, None), (3, 2), (2, 3), (5, 1), (9, None), (4, 9)]


def drawn(*shape: int, seed: int = 0, device: str = "cpu") -> Tensor:
    """Standard normal numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(device)


def strided(value: Tensor) -> Tensor:
    """The same values with the axes in memory in reversed order."""
    return value.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)


# ---- arithmetic ---------------------------------------------------------------------------------


def test_output_size_is_that_of_the_library_and_refused_where_it_refuses() -> None:
    for n, kernel, stride, padding in product(range(1, 9), range(1, 8), range(1, 5), range(4)):
        X, W = torch.zeros(1, 1, n), torch.zeros(1, 1, kernel)
        arguments = (n, kernel, stride, padding)
        if kernel > n + 2 * padding:
            with pytest.raises(ValueError, match="does not fit"):
                conv_arithmetic.conv_output_size(*arguments)
        else:
            size = functional.conv1d(X, W, stride=stride, padding=padding).shape[2]
            assert conv_arithmetic.conv_output_size(*arguments) == size, arguments


@pytest.mark.parametrize("arguments", [(0, 1, 1, 0), (5, 0, 1, 0), (5, 3, 0, 0), (5, 3, 1, -1)])
def test_output_size_of_impossible_arguments_is_refused(arguments: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least"):
        conv_arithmetic.conv_output_size(*arguments)


def test_same_padding_keeps_the_size_of_the_library() -> None:
    for kernel in range(1, 16, 2):
        padding = conv_arithmetic.same_padding(kernel)
        X, W = torch.zeros(1, 1, 20), torch.zeros(1, 1, kernel)
        assert functional.conv1d(X, W, padding=padding).shape[2] == 20
    for kernel in (-3, -1, 0, 2, 8):
        with pytest.raises(ValueError, match="must be odd"):
            conv_arithmetic.same_padding(kernel)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sizes", [(3, 32, 5), (1, 1, 1), (7, 2, 3)])
def test_parameters_of_convolutions_are_those_of_the_library(
    sizes: tuple[int, int, int], bias: bool
) -> None:
    held = sum(value.numel() for value in nn.Conv2d(*sizes, bias=bias).parameters())
    assert conv_arithmetic.conv_parameters(*sizes, bias=bias) == held
    assert type(conv_arithmetic.conv_parameters(*sizes, bias=bias)) is int


@pytest.mark.parametrize("bias", [True, False])
def test_parameters_of_full_connection_are_those_of_the_library(bias: bool) -> None:
    shape_in, shape_out = (3, 4, 5), (2, 6, 1)
    held = sum(value.numel() for value in nn.Linear(60, 12, bias=bias).parameters())
    count = conv_arithmetic.fully_connected_parameters(shape_in, shape_out, bias=bias)
    assert count == held
    assert type(count) is int


@pytest.mark.parametrize(
    "layers",
    [
        [],
        [(4, 3)],
        [(3, 1), (3, 1), (3, 1)],
        [(3, 2), (2, 3), (4, 1), (3, 2)],
        [(7, 2), (3, 2), (5, 1), (2, 2), (3, 1)],
        [(1, 2), (2, 2), (1, 1)],
    ],
)
def test_receptive_field_is_where_the_gradient_arrives(layers: list[tuple[int, int]]) -> None:
    field = conv_arithmetic.receptive_field(layers)
    X = torch.zeros(1, 1, field + 40, dtype=torch.float64, requires_grad=True)
    Y = X
    for kernel, stride in layers:
        Y = functional.conv1d(Y, torch.ones(1, 1, kernel, dtype=torch.float64), stride=stride)
    Y[0, 0, Y.shape[2] // 2].backward()
    assert X.grad is not None
    touched = X.grad.nonzero()[:, 2]
    assert int(touched.max() - touched.min()) + 1 == field


# ---- convolution --------------------------------------------------------------------------------


@every_device
@pytest.mark.parametrize(("kernel", "stride", "padding"), GEOMETRIES)
def test_convolution_and_its_gradients_are_those_of_the_library(
    kernel: tuple[int, int], stride: int, padding: int, device: str
) -> None:
    X, W = drawn(3, 2, 9, 12, device=device), drawn(4, 2, *kernel, seed=1, device=device)
    b = drawn(4, seed=2, device=device)
    leaves = [value.clone().requires_grad_() for value in (X, W, b)]
    expected = functional.conv2d(leaves[0], leaves[1], leaves[2], stride, padding)
    torch.testing.assert_close(convolution.conv2d(X, W, b, stride, padding), expected)
    upstream = drawn(*expected.shape, seed=3, device=device)
    gradients = torch.autograd.grad(expected, leaves, upstream)
    found = convolution.conv2d_backward(upstream, X, W, stride, padding)
    for mine, theirs in zip(found, gradients, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_gradients_of_convolution_are_those_of_differences() -> None:
    X, W, upstream = drawn(2, 2, 5, 4), drawn(3, 2, 2, 3, seed=1), drawn(2, 3, 3, 2, seed=2)

    def loss(X: Tensor, W: Tensor, b: Tensor) -> float:
        return float((upstream * convolution.conv2d(X, W, b, stride=2, padding=1)).sum())

    variables = [X, W, drawn(3, seed=3)]
    found = convolution.conv2d_backward(upstream, X, W, stride=2, padding=1)
    for place, gradient in enumerate(found):
        for index in product(*map(range, gradient.shape)):
            values = []
            for step in (1e-5, -1e-5):
                moved = [value.clone() for value in variables]
                moved[place][index] += step
                values.append(loss(*moved))
            assert float(gradient[index]) == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_convolution_keeps_dtype_and_arguments(dtype: torch.dtype) -> None:
    X, W = strided(drawn(2, 3, 6, 5)).to(dtype), strided(drawn(4, 3, 2, 3, seed=1)).to(dtype)
    before = X.clone(), W.clone()
    Y = convolution.conv2d(X, W, padding=0)
    gradients = convolution.conv2d_backward(strided(Y), X, W)
    assert {value.dtype for value in (Y, *gradients)} == {dtype}
    torch.testing.assert_close(Y, functional.conv2d(X, W))
    assert torch.equal(X, before[0]) and torch.equal(W, before[1])


# ---- pooling ------------------------------------------------------------------------------------

LIBRARY: dict[str, Callable[..., Tensor]] = {
    "max": functional.max_pool2d,
    "avg": functional.avg_pool2d,
}


@every_device
@pytest.mark.parametrize("kind", LIBRARY)
@pytest.mark.parametrize(("kernel", "stride"), POOLINGS)
def test_pooling_and_its_gradient_are_those_of_the_library(
    kind: str, kernel: int, stride: int | None, device: str
) -> None:
    pool, backward = (getattr(pooling, f"{kind}_pool2d{end}") for end in ("", "_backward"))
    with_ties = drawn(2, 3, 9, 12, seed=4).clamp_min(0)
    for X in (drawn(2, 3, 9, 12), with_ties, strided(with_ties), drawn(1, 1, 9, 10) - 9):
        X = X.to(device)
        before, leaf = X.clone(), X.clone().requires_grad_()
        expected = LIBRARY[kind](leaf, kernel, stride)
        torch.testing.assert_close(pool(X, kernel, stride), expected)
        upstream = drawn(*expected.shape, seed=5, device=device)
        (gradient,) = torch.autograd.grad(expected, leaf, upstream)
        torch.testing.assert_close(backward(upstream, X, kernel, stride), gradient)
        assert torch.equal(X, before)


def test_pooling_keeps_the_dtype() -> None:
    X = drawn(2, 3, 6, 5).float()
    for kind in LIBRARY:
        Y = getattr(pooling, f"{kind}_pool2d")(X, 2)
        assert Y.dtype == torch.float32
        assert getattr(pooling, f"{kind}_pool2d_backward")(Y, X, 2).dtype == torch.float32


# ---- a fully-connected layer as a convolution ---------------------------------------------------


@every_device
@pytest.mark.parametrize("options", [{}, {"bias": False}, {"dtype": torch.float64}])
def test_converted_layer_computes_the_layer_at_every_position(
    options: dict[str, Any], device: str
) -> None:
    torch.manual_seed(0)
    linear = nn.Linear(3 * 2 * 4, 5, **options, device=device)
    conv = fully_convolutional.linear_to_conv(linear, 3, 2, 4)
    assert (conv.bias is None) == (linear.bias is None)
    X = drawn(2, 3, 5, 7, device=device).to(linear.weight)
    Y = conv(X)
    assert Y.shape == (2, 5, 4, 4)
    for u, v in product(range(4), range(4)):
        window = torch.flatten(X[:, :, u : u + 2, v : v + 4], start_dim=1)
        torch.testing.assert_close(Y[:, :, u, v], linear(window))


def test_converted_layer_has_parameters_of_its_own() -> None:
    linear = nn.Linear(12, 5)
    before = [value.clone() for value in linear.parameters()]
    conv = fully_convolutional.linear_to_conv(linear, 3, 2, 2)
    with torch.no_grad():
        for value in conv.parameters():
            value.add_(1)
    assert all(torch.equal(old, new) for old, new in zip(before, linear.parameters(), strict=True))
    assert all(value.requires_grad for value in conv.parameters())
    with pytest.raises(ValueError, match="12 inputs"):
        fully_convolutional.linear_to_conv(linear, 3, 2, 3)
