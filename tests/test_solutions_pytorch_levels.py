"""The network on three levels against PyTorch's modules; the open model and the data for it."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from exercises import lab
from solutions.levels import (
    ThreeLayerConvNet,
    sequential_convnet,
    sgd_step,
    three_layer_convnet,
)
from solutions.open_model import open_model, train_open_model

SIZES = ((2, 7, 5), 3, 4, 6)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def params_of(model: nn.Module) -> list[Tensor]:
    return [value.detach().clone().requires_grad_() for value in model.parameters()]


def test_three_levels_compute_the_same_numbers_and_gradients() -> None:
    module, sequence = ThreeLayerConvNet(*SIZES).double(), sequential_convnet(*SIZES).double()
    values = list(sequence.parameters())
    with torch.no_grad():
        for value, source in zip(values, module.parameters(), strict=True):
            value.copy_(source + 0.1)  # so that biases matter
    state = zip(module.state_dict(), sequence.state_dict().values(), strict=True)
    module.load_state_dict(dict(state))
    bare = params_of(sequence)
    X = torch.randn(3, 2, 7, 5, dtype=torch.float64)
    outputs = [three_layer_convnet(X, bare), module(X), sequence(X)]
    upstream = torch.randn(3, 6, dtype=torch.float64)
    leaves: list[list[Tensor]] = [bare, list(module.parameters()), list(values)]
    gradients = []
    for output, own in zip(outputs, leaves, strict=True):
        torch.testing.assert_close(output, outputs[0])
        gradients.append(torch.autograd.grad(output, own, upstream))
    for others in gradients[1:]:
        for one, other in zip(gradients[0], others, strict=True):
            torch.testing.assert_close(one, other)


def test_a_step_is_that_of_pytorchs_own_optimizer() -> None:
    params = [torch.randn(4, 3), torch.randn(2), torch.randn(5)]
    ours, theirs = ([value.clone().requires_grad_() for value in params] for _ in range(2))
    optimizer = torch.optim.SGD(theirs, lr=0.3)
    for _ in range(3):
        for leaves in (ours, theirs):
            (leaves[0].square().sum() + leaves[1].exp().sum()).backward()
        sgd_step(ours, 0.3)
        optimizer.step()
        optimizer.zero_grad()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)
        assert one.is_leaf and one.requires_grad and one.grad is None


def test_initial_weights_keep_the_size_of_what_passes_through() -> None:
    """He's rule: behind a ReLU the mean square of the next pre-activations is that of its input."""
    model = ThreeLayerConvNet((50, 12, 12), 80, 80, 10)
    maps = torch.randn(8, 50, 12, 12).relu()
    inside = functional.conv2d(maps, model.conv1.weight)  # away from the border
    assert inside.square().mean().item() == pytest.approx(2 * float(maps.square().mean()), rel=0.1)
    for layer in (model.conv1, model.conv2, model.fc):
        assert layer.bias is not None and not layer.bias.any()
        assert layer.weight.std().item() == pytest.approx(
            math.sqrt(2 / layer.weight[0].numel()), rel=0.02
        )
    before = model.conv1.weight.clone()
    model.initialise()
    assert not torch.equal(before, model.conv1.weight)


def test_open_model_is_within_its_budget_and_still_in_eval_mode() -> None:
    model = open_model()
    assert sum(value.numel() for value in model.state_dict().values()) < 25_000
    X = torch.rand(5, 1, 12, 12)
    model(X)
    model.eval()
    torch.testing.assert_close(model(X), model(X))
    torch.testing.assert_close(model(X)[:1], model(X[:1]))


def striped(n: int) -> tuple[Tensor, Tensor]:
    """Noisy images with a bright row, whose number is the class."""
    y = torch.arange(n) % 10
    X = 0.2 * torch.randn(n, 1, 12, 12)
    X[torch.arange(n), 0, y + 1] += 1
    return X, y


def test_training_learns_repeatably_and_leaves_its_arguments_alone() -> None:
    X, y = striped(120)
    X_val, y_val = striped(50)
    before, states = X.clone(), []
    for _ in range(2):
        torch.manual_seed(1)
        model = train_open_model(X, y, X_val, y_val, torch.Generator().manual_seed(2))
        states.append(model.state_dict())
    assert torch.equal(X, before)
    assert all(torch.equal(*pair) for pair in zip(*(s.values() for s in states), strict=True))
    with torch.no_grad():
        right = model.eval()(X_val).argmax(dim=1) == y_val
    assert right.float().mean() > 0.5


# ---- the distorted digits -----------------------------------------------------------------------


def test_a_distorted_picture_is_a_shifted_and_dimmed_one_on_the_average() -> None:
    X = torch.zeros(4000, 1, 8, 8)
    X[:, :, 3:5, 3:5] = 1  # four pixels in the middle
    found = lab.distorted(X, torch.Generator().manual_seed(0))
    assert found.shape == (4000, 1, 12, 12) and found.dtype == torch.float32
    corner = found[:, 0, 0, 0]
    assert float(corner.std()) == pytest.approx(0.1, rel=0.05) and abs(float(corner.mean())) < 0.01
    mean = found.mean(dim=0)[0]
    torch.testing.assert_close(mean, mean.flip(0, 1), rtol=0, atol=0.02)
    # Areas grow by e^(2s) with s uniform in ±0.15; brightness is 0.85 on the average.
    area = (math.exp(0.3) - math.exp(-0.3)) / 0.6
    assert float(found.sum(dim=(1, 2, 3)).mean()) == pytest.approx(4 * 0.85 * area, rel=0.05)


def test_distortions_come_from_the_generator() -> None:
    X = torch.rand(3, 1, 8, 8)
    before = X.clone()
    first, again, other = (lab.distorted(X, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(X, before)
