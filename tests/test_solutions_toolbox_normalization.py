"""The reference solutions of `toolbox_normalization` against torch's own layers."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from solutions.dropout import dropout_backward, dropout_forward
from solutions.normalization import (
    batchnorm_backward,
    batchnorm_backward_alt,
    batchnorm_forward,
    layernorm_backward,
    layernorm_forward,
)
from solutions.spatial_normalization import (
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
    spatial_groupnorm_backward,
    spatial_groupnorm_forward,
)

Array = np.ndarray
Backward = Callable[[Array, Any], tuple[Array, Array, Array]]
EPS = 0.01


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


def arguments(*shape: int) -> tuple[Array, Array, Array]:
    """x, gamma and beta; the columns or channels have means and deviations of their own."""
    spread = np.arange(1.0, 1 + shape[1]).reshape(-1, *[1] * (len(shape) - 2))
    return 2 + spread * normal(*shape), normal(shape[1], seed=1), normal(shape[1], seed=2)


def agrees_with_torch(
    came: tuple[Array, Any],
    backward: Backward,
    library: Callable[..., torch.Tensor],
    inputs: tuple[Array, Array, Array],
) -> None:
    """The output is the library's, and the gradients are those of autograd."""
    leaves = [torch.tensor(value, requires_grad=True) for value in inputs]
    expected = library(*leaves)
    out, cache = came
    np.testing.assert_allclose(out, expected.detach(), rtol=1e-11, atol=1e-12)
    dout = normal(*inputs[0].shape, seed=3)
    gradients = torch.autograd.grad(expected, leaves, torch.tensor(dout))
    for value, other in zip(backward(dout, cache), gradients, strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("backward", [batchnorm_backward, batchnorm_backward_alt])
def test_batch_norm_is_that_of_torch(backward: Backward) -> None:
    inputs = arguments(7, 4)
    came = batchnorm_forward(*inputs, {"mode": "train", "eps": EPS})

    def library(x: Any, gamma: Any, beta: Any) -> torch.Tensor:
        return functional.batch_norm(x, None, None, gamma, beta, True, 0.1, EPS)

    agrees_with_torch(came, backward, library, inputs)


def test_layer_norm_is_that_of_torch() -> None:
    inputs = arguments(3, 6)
    came = layernorm_forward(*inputs, {"eps": EPS})

    def library(x: Any, gamma: Any, beta: Any) -> torch.Tensor:
        return functional.layer_norm(x, (6,), gamma, beta, EPS)

    agrees_with_torch(came, layernorm_backward, library, inputs)


def test_spatial_batch_norm_is_that_of_torch() -> None:
    inputs = arguments(3, 4, 2, 5)
    came = spatial_batchnorm_forward(*inputs, {"mode": "train", "eps": EPS})

    def library(x: Any, gamma: Any, beta: Any) -> torch.Tensor:
        return functional.batch_norm(x, None, None, gamma, beta, True, 0.1, EPS)

    agrees_with_torch(came, spatial_batchnorm_backward, library, inputs)


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_group_norm_is_that_of_torch(groups: int) -> None:
    inputs = arguments(2, 6, 3, 2)
    came = spatial_groupnorm_forward(*inputs, groups, {"eps": EPS})

    def library(x: Any, gamma: Any, beta: Any) -> torch.Tensor:
        return functional.group_norm(x, groups, gamma, beta, EPS)

    agrees_with_torch(came, spatial_groupnorm_backward, library, inputs)
    with pytest.raises(ValueError, match="cannot be divided"):
        spatial_groupnorm_forward(*inputs, 4, {})


@pytest.mark.parametrize(
    ("forward", "shape"),
    [(batchnorm_forward, (5, 3)), (spatial_batchnorm_forward, (2, 3, 4, 2))],
)
def test_running_statistics_are_those_of_torch(
    forward: Callable[..., tuple[Array, Any]], shape: tuple[int, ...]
) -> None:
    """Torch's variance is unbiased: a factor that does not depend on the data takes it back."""
    _, gamma, beta = arguments(*shape)
    n = math.prod(shape) // shape[1]
    param: dict[str, Any] = {"mode": "train", "momentum": 0.8}
    mean, var = torch.zeros(3).double(), torch.zeros(3).double()
    for step in range(4):
        x = 1 + normal(*shape, seed=10 + step)
        forward(x, gamma, beta, param)
        functional.batch_norm(torch.tensor(x), mean, var, training=True, momentum=0.2)
    np.testing.assert_allclose(param["running_mean"], mean, rtol=1e-12)
    np.testing.assert_allclose(param["running_var"], var * (n - 1) / n, rtol=1e-12)
    mean, var = (torch.tensor(param[key]) for key in ("running_mean", "running_var"))
    x = normal(1, *shape[1:], seed=20)
    out, _ = forward(x, gamma, beta, param | {"mode": "test"})
    weight, bias = torch.tensor(gamma), torch.tensor(beta)
    expected = functional.batch_norm(torch.tensor(x), mean, var, weight, bias, training=False)
    np.testing.assert_allclose(out, expected, rtol=1e-11, atol=1e-12)
    np.testing.assert_array_equal(param["running_mean"], mean)
    np.testing.assert_array_equal(param["running_var"], var)
    with pytest.raises(ValueError, match="not 'eval'"):
        forward(x, gamma, beta, {"mode": "eval"})


def test_closed_form_is_the_graph_and_takes_fewer_operations() -> None:
    counted: list[int] = []

    class Counting(np.ndarray):
        """An array that notes the entries of every operation on N × D arrays."""

        def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
            plain = [np.asarray(value) for value in inputs]
            largest = max(value.size for value in plain)
            if largest == size:
                counted.append(largest)
            result = getattr(ufunc, method)(*plain, **options)
            return np.asarray(result).view(Counting)

    size, operations, gradients = 30 * 7, [], []
    inputs, dout = arguments(30, 7), normal(30, 7, seed=3)
    _, cache = batchnorm_forward(*inputs, {"mode": "train"})
    for backward in (batchnorm_backward, batchnorm_backward_alt):
        counted.clear()
        watched = tuple(value.view(Counting) for value in cache)
        gradients.append([np.asarray(value) for value in backward(dout.view(Counting), watched)])
        operations.append(len(counted))
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)
    assert operations[1] < operations[0]


@pytest.mark.parametrize("p", [0.3, 1.0])
def test_dropout_keeps_the_expectation(p: float) -> None:
    n = 200_000
    x, dout = np.ones(n), normal(n)
    param = {"p": p, "mode": "train", "rng": np.random.default_rng(0)}
    out, cache = dropout_forward(x, param)
    assert set(out.tolist()) == ({1.0} if p == 1 else {0.0, 1 / p})
    assert abs(out.mean() - 1) <= 6 * math.sqrt((1 - p) / p / n)
    np.testing.assert_array_equal(dropout_backward(dout, cache), dout * out)


def test_dropout_outside_of_training_and_what_it_refuses() -> None:
    x = normal(4, 3)
    out, cache = dropout_forward(x, {"p": 0.3, "mode": "test"})
    np.testing.assert_array_equal(out, x)
    np.testing.assert_array_equal(dropout_backward(x, cache), x)
    for p in (0.0, 1.5):
        with pytest.raises(ValueError, match="must lie in"):
            dropout_forward(x, {"p": p, "mode": "test"})
    with pytest.raises(ValueError, match="not 'eval'"):
        dropout_forward(x, {"p": 0.5, "mode": "eval"})


def test_float32_stays_float32() -> None:
    x, gamma, beta = (value.astype(np.float32) for value in arguments(2, 4, 3, 2))
    rng = np.random.default_rng(0)
    for out in (
        batchnorm_forward(x[:, :, 0, 0], gamma, beta, {"mode": "train"})[0],
        layernorm_forward(x[:, :, 0, 0], gamma, beta, {})[0],
        spatial_batchnorm_forward(x, gamma, beta, {"mode": "train"})[0],
        spatial_groupnorm_forward(x, gamma, beta, 2, {})[0],
        dropout_forward(x, {"p": 0.5, "mode": "train", "rng": rng})[0],
    ):
        assert out.dtype == np.float32
