"""The reference solutions of `training_convnets` against torch's own layers and optimizers."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from solutions.augmentation import random_crop, random_horizontal_flip
from solutions.convnet import ConvNet
from solutions.descent import exponential_decay, momentum_sgd, warmup_cosine
from solutions.preprocessing import channel_statistics, standardize, zca_whitening
from solutions.regularisation import batch_norm, batch_norm_backward, dropout
from solutions.training import epoch, topk_accuracy


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


# The network


def test_sizes_of_the_network_of_the_book() -> None:
    layers = ConvNet((3, 32, 32), 10).named_children()
    sizes = {name: sum(p.numel() for p in layer.parameters()) for name, layer in layers}
    assert list(sizes.values()) == [2_432, 51_264, 102_464, 1_025_000, 10_010]
    assert sum(sizes.values()) == 1_191_170


def test_network_is_the_sequence_of_its_layers() -> None:
    model = ConvNet((2, 17, 25), 5, widths=(3, 4, 6), n_hidden=7)
    convs = (model.conv1, model.conv2, model.conv3)
    layers = [layer for conv in convs for layer in (conv, nn.ReLU(), nn.MaxPool2d(2))]
    sequence = nn.Sequential(*layers, nn.Flatten(), model.fc1, nn.ReLU(), model.fc2)
    X = torch.randn(3, 2, 17, 25, generator=seeded())
    torch.testing.assert_close(model(X), sequence(X))


# The loop


def two_layers() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))
    return model.double()


def examples(n: int) -> tuple[Tensor, Tensor]:
    return normal(n, 1, 2, 3), torch.randint(3, (n,), generator=seeded(1))


def test_evaluation_is_that_of_the_whole_set_and_changes_nothing() -> None:
    model, (X, y) = two_layers(), examples(11)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for training in (True, False):
        model.train(training)
        loss, accuracy = epoch(model, X, y, 4)
        assert model.training is training
    model.eval()
    Y_tilde = model(X)
    assert loss == pytest.approx(functional.cross_entropy(Y_tilde, y).item(), rel=1e-12)
    assert accuracy == (Y_tilde.argmax(dim=1) == y).sum().item() / 11
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(parameter.grad is None for parameter in model.parameters())


def test_training_takes_the_steps_of_the_optimizer() -> None:
    ours, theirs, (X, y) = two_layers(), two_layers(), examples(11)
    theirs.load_state_dict(ours.state_dict())
    ours.eval()
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.1, momentum=0.9)
    other = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    generator, same = seeded(5), seeded(5)
    for _ in range(2):
        loss, accuracy = epoch(ours, X, y, 4, optimizer, generator)
        losses, hits = [], []
        for rows in torch.randperm(11, generator=same).split(4):
            Y_tilde = theirs(X[rows])
            each = functional.cross_entropy(Y_tilde, y[rows], reduction="none")
            losses += each.tolist()
            hits += (Y_tilde.argmax(dim=1) == y[rows]).tolist()
            theirs.zero_grad()
            each.mean().backward()
            other.step()
        assert loss == pytest.approx(np.mean(losses), rel=1e-12)
        assert accuracy == pytest.approx(np.mean(hits))
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)


def test_topk_accuracy_by_sorting() -> None:
    Y_tilde, y = normal(40, 7), torch.randint(7, (40,), generator=seeded(2))
    order = np.argsort(-Y_tilde.numpy(), axis=1)
    for k in range(1, 8):
        hits = [label in row[:k] for row, label in zip(order, y.tolist(), strict=True)]
        assert topk_accuracy(Y_tilde, y, k) == pytest.approx(np.mean(hits))
    for k in (0, 8):
        with pytest.raises(ValueError, match="between 1 and 7"):
            topk_accuracy(Y_tilde, y, k)


# Inputs


def test_standardised_channels_have_mean_0_and_deviation_1() -> None:
    X = 5 + 3 * normal(6, 4, 3, 5)
    X[:, 2] = 7.0
    mean, std = channel_statistics(X)
    rows = X.numpy().transpose(1, 0, 2, 3).reshape(4, -1)
    np.testing.assert_allclose(mean, rows.mean(axis=1))
    np.testing.assert_allclose(std, rows.std(axis=1), atol=1e-15)
    Z = standardize(X, mean, std).numpy().transpose(1, 0, 2, 3).reshape(4, -1)
    np.testing.assert_allclose(Z.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(Z.std(axis=1), [1, 1, 0, 1], atol=1e-12)


@pytest.mark.parametrize("n", [30, 4])
def test_zca_is_the_symmetric_inverse_root(n: int) -> None:
    X, epsilon = normal(n, 6) @ normal(6, 6, seed=1) + 2, 0.3
    mean, matrix = zca_whitening(X, epsilon)
    covariance = np.cov(X.numpy(), rowvar=False, bias=True) + epsilon * np.eye(6)
    np.testing.assert_allclose(mean, X.numpy().mean(axis=0))
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    np.testing.assert_allclose(matrix @ matrix @ covariance, np.eye(6), atol=1e-9)
    assert bool((torch.linalg.eigvalsh(matrix) > 0).all())


# Augmentation


def test_crops_are_windows_at_every_place() -> None:
    X = 1 + torch.arange(500 * 2 * 3 * 4.0).reshape(500, 2, 3, 4)
    framed = functional.pad(X, (1, 1, 1, 1))
    crops = random_crop(X, 1, seeded())
    found = set()
    for image, frame in zip(crops, framed, strict=True):
        places = [
            (i, j)
            for i in range(3)
            for j in range(3)
            if torch.equal(frame[:, i : i + 3, j : j + 4], image)
        ]
        assert len(places) == 1
        found |= set(places)
    assert len(found) == 9
    assert torch.equal(crops, random_crop(X, 1, seeded()))
    assert crops.is_contiguous()


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_flips_come_with_their_probability(p: float) -> None:
    X = torch.arange(2000 * 4.0).reshape(2000, 1, 2, 2)
    flips = random_horizontal_flip(X, p, seeded())
    mirrored = (flips == X[..., [1, 0]]).all(dim=3).all(dim=2)[:, 0]
    assert torch.equal(flips[~mirrored], X[~mirrored])
    assert abs(mirrored.double().mean().item() - p) < 6 * math.sqrt(p * (1 - p) / 2000) + 1e-12


# Descent


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_is_that_of_the_library(nesterov: bool) -> None:
    ours = [normal(3, 4).requires_grad_(), normal(2, seed=1).requires_grad_()]
    theirs = [value.detach().clone().requires_grad_() for value in ours]
    velocities = [torch.zeros_like(value) for value in ours]
    optimizer = torch.optim.SGD(theirs, lr=0.1, momentum=0.8, nesterov=nesterov)
    for step in range(4):
        gradients = [normal(*value.shape, seed=10 + step) for value in ours]
        for value, gradient in zip(theirs, gradients, strict=True):
            value.grad = gradient.clone()
        optimizer.step()
        momentum_sgd(ours, gradients, velocities, 0.1, 0.8, nesterov)
    for value, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(value, other, rtol=1e-12, atol=1e-12)


def library_rates(scheduler: type, steps: int, **options: float) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    schedule = scheduler(optimizer, **options)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def test_schedules_are_those_of_the_library() -> None:
    gamma = 0.3 ** (1 / 7)
    expected = library_rates(torch.optim.lr_scheduler.ExponentialLR, 20, gamma=gamma)
    assert [exponential_decay(step, 0.5, 0.3, 7) for step in range(20)] == pytest.approx(expected)
    expected = library_rates(torch.optim.lr_scheduler.CosineAnnealingLR, 16, T_max=15)
    came = [warmup_cosine(4 + step, 0.5, 4, 19) for step in range(16)]
    assert came == pytest.approx(expected, abs=1e-12)
    assert [warmup_cosine(step, 0.5, 4, 19) for step in range(4)] == [0.125, 0.25, 0.375, 0.5]


# Regularisation


def test_dropout_keeps_the_expectation() -> None:
    p, n = 0.3, 200_000
    X = torch.ones(n, dtype=torch.float64)
    Z = dropout(X, p, True, seeded())
    assert set(Z.unique().tolist()) == {0.0, 1 / (1 - p)}
    assert abs(Z.mean().item() - 1) < 6 * math.sqrt(p / (1 - p) / n)
    assert torch.equal(dropout(X, p, False), X)
    for wrong in (-0.1, 1.0):
        with pytest.raises(ValueError, match="must lie in"):
            dropout(X, wrong, True)


def test_batch_norm_is_that_of_the_library() -> None:
    gamma, beta = normal(3), normal(3, seed=1)
    ours = torch.zeros(3).double(), torch.ones(3).double()
    theirs = torch.zeros(3).double(), torch.ones(3).double()
    for step in range(3):
        X = 2 + 3 * normal(4, 3, 2, 5, seed=step)
        for training in (True, False):
            came = batch_norm(X, gamma, beta, *ours, training, momentum=0.2)
            expected = functional.batch_norm(X, *theirs, gamma, beta, training, 0.2)
            torch.testing.assert_close(came, expected, rtol=1e-12, atol=1e-12)
            for value, other in zip(ours, theirs, strict=True):
                torch.testing.assert_close(value, other, rtol=1e-12, atol=1e-12)


def test_batch_norm_backward_is_autograd_of_the_library() -> None:
    X, upstream = 2 + 3 * normal(4, 3, 2, 5), normal(4, 3, 2, 5, seed=1)
    leaves = [X.clone().requires_grad_(), *(normal(3, seed=s).requires_grad_() for s in (2, 3))]
    output = functional.batch_norm(leaves[0], None, None, leaves[1], leaves[2], True, 0.1, 0.01)
    expected = torch.autograd.grad(output, leaves, upstream)
    came = batch_norm_backward(upstream, X, leaves[1].detach(), 0.01)
    for value, other in zip(came, expected, strict=True):
        torch.testing.assert_close(value, other, rtol=1e-10, atol=1e-12)
