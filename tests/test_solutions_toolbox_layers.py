"""The reference solutions of `toolbox_layers` against torch's own layers and autograd."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from solutions.fully_connected import FullyConnectedNet
from solutions.gradients import numerical_gradient
from solutions.layers import (
    affine_backward,
    affine_forward,
    relu_backward,
    relu_forward,
    softmax_loss,
)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def by_autograd(
    layer: Callable[..., Tensor], inputs: list[np.ndarray], dout: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Output and gradients of the library's layer."""
    leaves = [torch.tensor(value, requires_grad=True) for value in inputs]
    out = layer(*leaves)
    found = torch.autograd.grad(out, leaves, torch.from_numpy(dout))
    return out.detach().numpy(), [gradient.numpy() for gradient in found]


# Layers


@pytest.mark.parametrize("shape", [(5, 7), (3, 2, 4, 5), (1, 6)])
def test_affine_is_linear_of_the_library(shape: tuple[int, ...]) -> None:
    entries = int(np.prod(shape[1:]))
    x, w, b = normal(*shape), normal(entries, 4, seed=1), normal(4, seed=2)
    dout = normal(shape[0], 4, seed=3)
    out, cache = affine_forward(x, w, b)
    expected, gradients = by_autograd(
        lambda x, w, b: functional.linear(x.flatten(1), w.T, b), [x, w, b], dout
    )
    np.testing.assert_allclose(out, expected, rtol=1e-12)
    for value, other in zip(affine_backward(dout, cache), gradients, strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-12, atol=1e-14)


def test_relu_is_that_of_the_library_also_at_zero() -> None:
    x, dout = normal(3, 4, 2), normal(3, 4, 2, seed=1)
    x[1, 2, 0] = x[2, 0, 1] = 0.0
    out, cache = relu_forward(x)
    expected, [gradient] = by_autograd(torch.relu, [x], dout)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(relu_backward(dout, cache), gradient)


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_softmax_loss_is_cross_entropy_of_the_library(scale: float) -> None:
    scores, y = scale * normal(6, 5), np.array([0, 4, 2, 2, 1, 3])
    loss, dscores = softmax_loss(scores, y)
    expected, [gradient] = by_autograd(
        lambda s: functional.cross_entropy(s, torch.from_numpy(y)), [scores], np.array(1.0)
    )
    assert loss == pytest.approx(float(expected), rel=1e-12)
    np.testing.assert_allclose(dscores, gradient, rtol=1e-9, atol=1e-15)


def test_nothing_that_is_given_changes() -> None:
    x, w, b, dout = normal(4, 3, 2), normal(6, 5), normal(5), normal(4, 5, seed=1)
    before = [value.copy() for value in (x, w, b, dout)]
    affine_backward(dout, affine_forward(x, w, b)[1])
    relu_backward(dout, relu_forward(dout)[1])
    softmax_loss(dout, np.zeros(4, dtype=int))
    for old, new in zip(before, (x, w, b, dout), strict=True):
        np.testing.assert_array_equal(old, new)


# The network


def library_network(net: FullyConnectedNet) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Flatten()]
    for i in range(1, net.n_layers + 1):
        weights, biases = (torch.from_numpy(net.params[f"{kind}{i}"]) for kind in "Wb")
        linear = nn.Linear(*weights.shape).double()
        linear.weight = nn.Parameter(weights.T.clone())
        linear.bias = nn.Parameter(biases.clone())
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize("hidden_dims", [[], [6], [5, 7, 4]])
def test_network_is_the_sequence_of_its_layers(hidden_dims: list[int]) -> None:
    reg, rng = 0.7, np.random.default_rng(0)
    net = FullyConnectedNet(hidden_dims, 6, 3, weight_scale=0.5, reg=reg, rng=rng)
    for name in net.params:
        net.params[name] = net.params[name] + 0.1
    X, y = normal(8, 2, 3), np.array([0, 1, 2, 2, 1, 0, 0, 1])
    model = library_network(net)
    scores: Any = net.loss(X)
    np.testing.assert_allclose(scores, model(torch.from_numpy(X)).detach(), rtol=1e-12)
    linears = [layer for layer in model if isinstance(layer, nn.Linear)]
    expected = functional.cross_entropy(model(torch.from_numpy(X)), torch.from_numpy(y))
    for linear in linears:
        expected = expected + reg / 2 * (linear.weight**2).sum()
    expected.backward()
    answer: Any = net.loss(X, y)
    loss, grads = answer
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    assert set(grads) == set(net.params)
    for i, linear in enumerate(linears, start=1):
        assert linear.weight.grad is not None and linear.bias.grad is not None
        np.testing.assert_allclose(grads[f"W{i}"], linear.weight.grad.T, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(grads[f"b{i}"], linear.bias.grad, rtol=1e-9, atol=1e-12)


def test_first_weights_have_their_scale_and_biases_are_zero() -> None:
    net = FullyConnectedNet([100, 80], 90, 10, weight_scale=0.03, rng=np.random.default_rng(0))
    assert [net.params[f"W{i}"].shape for i in (1, 2, 3)] == [(90, 100), (100, 80), (80, 10)]
    for i in (1, 2):
        # The standard error of a standard deviation of n draws is σ / √(2 n): six of them.
        weights = net.params[f"W{i}"]
        assert abs(weights.std() / 0.03 - 1) < 6 / np.sqrt(2 * weights.size)
        assert not net.params[f"b{i}"].any()
    again = FullyConnectedNet([100, 80], 90, 10, weight_scale=0.03, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(net.params["W3"], again.params["W3"])


def test_network_learns_a_few_points() -> None:
    X, y = normal(20, 4), np.arange(20) % 3
    net = FullyConnectedNet([30], 4, 3, weight_scale=0.5, rng=np.random.default_rng(0))
    for _ in range(500):
        answer: Any = net.loss(X, y)
        for name, gradient in answer[1].items():
            net.params[name] = net.params[name] - 0.5 * gradient
    scores: Any = net.loss(X)
    assert (scores.argmax(axis=1) == y).all()


# Measured gradients


def curved(z: np.ndarray) -> float:
    return float((np.sin(z) * z).sum() + z.sum() ** 3)


def slopes(z: np.ndarray) -> np.ndarray:
    leaf = torch.tensor(z, requires_grad=True)
    value = (torch.sin(leaf) * leaf).sum() + leaf.sum() ** 3
    return torch.autograd.grad(value, leaf)[0].numpy()


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 2)])
def test_measured_gradient_is_that_of_autograd(shape: tuple[int, ...]) -> None:
    x = np.asarray(normal(*shape))
    before = x.copy()
    np.testing.assert_allclose(numerical_gradient(curved, x), slopes(x), rtol=1e-7, atol=1e-8)
    np.testing.assert_array_equal(x, before)


def test_measured_gradient_at_views() -> None:
    x = normal(4, 6)
    for point in (x.T, np.asfortranarray(x), x[::2, 1::2]):
        found = numerical_gradient(curved, point)
        np.testing.assert_allclose(found, slopes(point.copy()), rtol=1e-7, atol=1e-8)
        assert not np.shares_memory(found, point)


def test_error_falls_with_the_square_of_the_step() -> None:
    x = normal(2, 3)
    errors = [np.abs(numerical_gradient(curved, x, h) - slopes(x)).max() for h in (1e-2, 1e-3)]
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.01)


def test_measured_gradient_keeps_the_dtype_and_refuses_whole_numbers() -> None:
    x = normal(3).astype(np.float32)
    assert numerical_gradient(lambda z: float(z.sum()), x, h=0.5).dtype == np.float32
    for whole in (np.arange(3), np.array([True])):
        with pytest.raises(TypeError, match="differences need floats"):
            numerical_gradient(lambda z: float(z.sum()), whole)
