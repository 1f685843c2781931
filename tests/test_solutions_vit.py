"""The reference solutions of `vit` against torchvision's model, PyTorch's layers, and formulas."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import VisionTransformer, vit_b_16

from solutions import transfer
from solutions.descent import warmup_cosine
from solutions.patches import patchify, unpatchify
from solutions.positions import interpolate_positions, sinusoidal_positions
from solutions.transfer import for_grey_images, grey_kernel, large_vit, replace_head
from solutions.vit import ViT, fit, vit_parameters


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


# Patches


def test_a_row_times_a_flat_kernel_is_the_convolution() -> None:
    X, conv = normal(3, 2, 6, 15), nn.Conv2d(2, 7, 3, stride=3).double()
    embedded = functional.linear(patchify(X, 3), conv.weight.flatten(1), conv.bias)
    torch.testing.assert_close(embedded, conv(X).flatten(2).mT)


@pytest.mark.parametrize(("height", "width", "p"), [(4, 6, 2), (9, 3, 3), (5, 7, 1), (4, 4, 4)])
def test_nothing_is_lost(height: int, width: int, p: int) -> None:
    X = normal(2, 3, height, width)
    patches = patchify(X, p)
    assert torch.equal(unpatchify(patches, p, (3, height, width)), X)
    folded = functional.fold(patches.mT, (height, width), p, stride=p)
    assert torch.equal(folded, X)


def test_sizes_that_do_not_divide_are_named() -> None:
    with pytest.raises(ValueError, match=r"3 does not divide 7"):
        patchify(torch.zeros(1, 1, 9, 7), 3)
    with pytest.raises(ValueError, match=r"3 does not divide 8"):
        patchify(torch.zeros(1, 1, 8, 9), 3)
    for shape in [(3, 5, 4), (3, 4, 5), (3, 4, 6), (2, 4, 4)]:
        with pytest.raises(ValueError, match="are not those of"):
            unpatchify(torch.zeros(1, 4, 12), 2, shape)


# Positions


def test_positions_are_the_parts_of_complex_waves() -> None:
    omega = 50.0 ** (-np.arange(0, 8, 2) / 8)
    waves = np.exp(1j * np.arange(11)[:, None] * omega)
    P = sinusoidal_positions(11, 8, 50.0)
    np.testing.assert_allclose(P[:, 0::2], waves.imag, atol=1e-6)
    np.testing.assert_allclose(P[:, 1::2], waves.real, atol=1e-6)
    assert P.dtype == torch.float32
    with pytest.raises(ValueError, match="not 5"):
        sinusoidal_positions(3, 5)


def test_a_shift_is_a_rotation_of_each_pair() -> None:
    P, shift = sinusoidal_positions(30, 6).double(), 7
    for i in range(3):
        angle = torch.tensor(shift * 10000.0 ** (-2 * i / 6)).double()
        c, s = angle.cos(), angle.sin()
        rotation = torch.stack([torch.stack([c, s]), torch.stack([-s, c])])
        pairs = P[:, 2 * i : 2 * i + 2]
        turned = pairs[:-shift] @ rotation.T
        torch.testing.assert_close(turned, pairs[shift:], rtol=0, atol=1e-5)


def cubic(n_old: int, n_new: int) -> np.ndarray:
    """The matrix of cubic convolution with a = -0.75 along one axis, edges repeated."""
    matrix = np.zeros((n_new, n_old))
    for j in range(n_new):
        x = (j + 0.5) * n_old / n_new - 0.5
        for i in range(int(np.floor(x)) - 1, int(np.floor(x)) + 3):
            d, a = abs(x - i), -0.75
            weight = (
                (a + 2) * d**3 - (a + 3) * d**2 + 1
                if d <= 1
                else a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
            )
            matrix[j, min(max(i, 0), n_old - 1)] += weight
    return matrix


@pytest.mark.parametrize("new", [(5, 7), (2, 9), (3, 4), (1, 1)])
def test_interpolation_is_cubic_convolution(new: tuple[int, int]) -> None:
    P = normal(1, 13, 6)
    found = interpolate_positions(P, (3, 4), new)
    grid = P[0, 1:].reshape(3, 4, 6).numpy()
    expected = np.einsum("ai,bj,ijd->abd", cubic(3, new[0]), cubic(4, new[1]), grid)
    np.testing.assert_allclose(found[0, 1:], expected.reshape(-1, 6), rtol=1e-10, atol=1e-12)
    assert torch.equal(found[:, 0], P[:, 0])


def test_equal_grids_change_nothing() -> None:
    P = normal(1, 13, 6)
    assert torch.equal(interpolate_positions(P, (3, 4), (3, 4)), P)
    with pytest.raises(ValueError, match=r"1 × 13 positions, not \(1, 12\)"):
        interpolate_positions(P[:, 1:], (3, 4), (3, 4))


# The model


@pytest.mark.parametrize(
    ("shape", "p", "dim", "blocks", "classes"),
    [((3, 8, 12), 4, 6, 2, 5), ((1, 6, 6), 6, 8, 1, 3), ((2, 10, 4), 2, 4, 3, 7)],
)
def test_parameters_are_those_of_the_model(
    shape: tuple[int, int, int], p: int, dim: int, blocks: int, classes: int
) -> None:
    model = ViT(shape, p, dim, 2, blocks, classes)
    n = sum(parameter.numel() for parameter in model.parameters())
    assert vit_parameters(shape, p, dim, 4 * dim, blocks, classes) == n


def test_parameters_of_the_large_model() -> None:
    with torch.device("meta"):
        n = sum(parameter.numel() for parameter in vit_b_16().parameters())
    assert vit_parameters((3, 224, 224), 16, 768, 3072, 12, 1000) == n == 86_567_656


def test_patch_sizes_that_do_not_divide_are_refused() -> None:
    for shape in [(1, 8, 9), (1, 9, 8)]:
        with pytest.raises(ValueError, match="4"):
            ViT(shape, 4, 8, 2, 1, 3)
        with pytest.raises(ValueError, match="4"):
            vit_parameters(shape, 4, 8, 16, 1, 3)


def of_torchvision(model: VisionTransformer) -> dict[str, Tensor]:
    """The weights of torchvision's model under the names of ours."""
    names = {
        "class_token": "class_token",
        "encoder.pos_embedding": "positions",
        "conv_proj.": "patch_embedding.",
        "encoder.ln.": "norm.",
        "heads.head.": "head.",
        "encoder.layers.encoder_layer_": "blocks.",
        ".ln_1.": ".norm1.",
        ".ln_2.": ".norm2.",
        ".self_attention.": ".self_attn.",
        ".mlp.0.": ".linear1.",
        ".mlp.3.": ".linear2.",
    }
    weights = {}
    for name, value in model.state_dict().items():
        for theirs, ours in names.items():
            name = name.replace(theirs, ours)
        weights[name] = value.flatten(1) if value.dim() == 4 else value
    return weights


def test_model_is_that_of_torchvision() -> None:
    norm = partial(nn.LayerNorm, eps=1e-5)
    theirs = VisionTransformer(12, 4, 3, 2, 6, 24, num_classes=5, norm_layer=norm).double()
    for parameter in theirs.parameters():
        parameter.data = normal(*parameter.shape) / parameter.shape[-1] ** 0.5
    ours = ViT((3, 12, 12), 4, 6, 2, 3, 5).double()
    ours.load_state_dict(of_torchvision(theirs))
    X = normal(4, 3, 12, 12, seed=1)
    torch.testing.assert_close(ours(X), theirs(X))
    ours.eval()
    with torch.no_grad():  # PyTorch takes another way through the block here
        torch.testing.assert_close(ours(X), theirs(X))


def test_without_positions_the_order_of_patches_does_not_matter() -> None:
    model, X = ViT((1, 4, 6), 2, 8, 2, 2, 3).double(), normal(2, 1, 4, 6)
    shuffled = unpatchify(patchify(X, 2)[:, [4, 2, 0, 5, 1, 3]], 2, (1, 4, 6))
    assert (model(X) - model(shuffled)).abs().max() > 1e-4
    nn.init.zeros_(model.positions)
    torch.testing.assert_close(model(X), model(shuffled))


# Training


def test_training_is_adamw_with_the_schedule_of_unit_two() -> None:
    X, y = normal(11, 3), torch.randint(4, (11,), generator=seeded(1))
    ours, theirs = nn.Linear(3, 4).double(), nn.Linear(3, 4).double()
    theirs.load_state_dict(ours.state_dict())
    losses = fit(ours, X, y, 5, 4, 0.1, 3, 0.2, seeded(2))
    optimizer = torch.optim.AdamW(theirs.parameters(), weight_decay=0.2)
    generator, expected = seeded(2), []
    for epoch in range(5):
        total = 0.0
        order = torch.randperm(11, generator=generator)
        for number, rows in enumerate((order[:4], order[4:8], order[8:])):
            optimizer.param_groups[0]["lr"] = warmup_cosine(3 * epoch + number, 0.1, 3, 15)
            each = functional.cross_entropy(theirs(X[rows]), y[rows], reduction="none")
            optimizer.zero_grad()
            each.mean().backward()
            optimizer.step()
            total += each.sum().item()
        expected.append(total / 11)
    assert losses == pytest.approx(expected, rel=1e-12)
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("warmup", [0, 1, 2])
def test_short_trainings_need_no_fall(warmup: int) -> None:
    model = nn.Linear(1, 2)
    losses = fit(model, torch.ones(2, 1), torch.tensor([0, 1]), 2, 2, 0.1, warmup)
    assert len(losses) == 2
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_the_model_learns_digits() -> None:
    pixels, labels = load_digits(return_X_y=True)
    X = torch.tensor(pixels / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    y = torch.tensor(labels)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = ViT((1, 8, 8), 4, 32, 4, 2, 10)
    losses = fit(model, X[:1000], y[:1000], 12, 50, 3e-3, 24, generator=seeded())
    assert losses[-1] < 0.1 < 1 < losses[0]
    model.eval()
    with torch.no_grad():
        assert (model(X[1000:]).argmax(dim=1) == y[1000:]).double().mean() > 0.85


# A large model for other images


def small_model(hidden: int | None = None) -> VisionTransformer:
    model = VisionTransformer(8, 4, 1, 2, 6, 12, num_classes=3, representation_size=hidden)
    for number, parameter in enumerate(model.parameters()):
        parameter.data = normal(*parameter.shape, seed=number).float()
    return model


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_grey_kernel_sees_what_the_repeated_image_showed(channels: int) -> None:
    weight, X = normal(4, channels, 2, 2), normal(3, 1, 6, 8, seed=1)
    repeated = functional.conv2d(X.expand(-1, channels, -1, -1), weight, stride=2)
    torch.testing.assert_close(functional.conv2d(X, grey_kernel(weight), stride=2), repeated)


@pytest.mark.parametrize(("hidden", "n_in"), [(None, 6), (4, 4)])
def test_a_new_head_is_all_that_a_frozen_model_trains(hidden: int | None, n_in: int) -> None:
    model = small_model(hidden)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert replace_head(model, 5, freeze=True) is model
    head = {"heads.head.weight", "heads.head.bias"}
    assert {name for name, p in model.named_parameters() if p.requires_grad} == head
    assert model.heads.get_parameter("head.weight").shape == (5, n_in)
    for name, value in model.state_dict().items():
        assert name in head or torch.equal(value, before[name])
    assert all(p.requires_grad for p in replace_head(model, 2, freeze=False).parameters())


def test_model_for_grey_images_gives_what_it_gave_for_repeated_ones() -> None:
    model, X = small_model().eval(), normal(2, 1, 8, 8).float()
    expected = model(X.expand(-1, 3, -1, -1))
    torch.testing.assert_close(for_grey_images(model, 8)(X), expected, rtol=1e-3, atol=1e-4)


def test_model_for_grey_images_of_another_size() -> None:
    model = small_model()
    old = model.encoder.pos_embedding.detach().clone()
    assert for_grey_images(model, 12) is model
    assert model(normal(2, 1, 12, 12).float()).shape == (2, 3)
    positions = model.encoder.pos_embedding
    assert positions.requires_grad
    torch.testing.assert_close(positions.detach(), interpolate_positions(old, (2, 2), (3, 3)))
    with pytest.raises(ValueError, match="10 pixels"):
        for_grey_images(small_model(), 10)


def test_weights_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def built(weights: None) -> VisionTransformer:
        assert weights is None, "no download"
        return VisionTransformer(8, 4, 1, 2, 6, 12, num_classes=3)

    monkeypatch.setattr(transfer, "vit_b_16", built)
    source = small_model()
    torch.save(source.state_dict(), tmp_path / "weights.pth")
    loaded = large_vit(tmp_path / "weights.pth")
    for name, value in source.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    assert not torch.equal(large_vit().conv_proj.weight, source.conv_proj.weight)
    with pytest.raises(OSError, match=r"gone\.pth"):
        large_vit(tmp_path / "gone.pth")
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(RuntimeError, match="Missing key"):
        large_vit(tmp_path / "other.pth")
