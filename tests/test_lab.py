"""The library that students receive."""

import ast
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import Tensor

from autograder.course import ROOT
from exercises import lab
from solutions import circles

CSV = ROOT / "exercises" / "perceptron" / "circles.csv"
LIGHT, DARK = "#ffffff", "#121212"

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def public_functions() -> list[str]:
    return [
        name
        for name, function in inspect.getmembers(lab, inspect.isfunction)
        if function.__module__ == lab.__name__ and not name.startswith("_")
    ]


# ---- data ---------------------------------------------------------------------------------------


def test_circles_are_those_of_the_course() -> None:
    for ours, theirs in zip(lab.load_circles(CSV), circles.load_circles(CSV), strict=True):
        assert ours.dtype == theirs.dtype
        torch.testing.assert_close(ours, theirs)


def test_circles_are_found_beside_the_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CSV.parent)
    assert lab.load_circles()[0].shape == (200, 2)


def test_one_hot() -> None:
    expected = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    assert torch.equal(lab.one_hot(torch.tensor([2, 0]), 3), expected)


def test_hold_out_keeps_pairs_and_loses_nothing(rng: torch.Generator) -> None:
    X = torch.arange(30.0).reshape(15, 2)
    X_rest, Y_rest, X_kept, Y_kept = lab.hold_out(X, 100 + X, 4, rng)
    assert (len(X_rest), len(X_kept)) == (11, 4)
    assert torch.equal(Y_rest, 100 + X_rest)
    assert torch.equal(Y_kept, 100 + X_kept)
    assert torch.equal(torch.cat([X_rest, X_kept]).sort(dim=0).values, X)


# ---- the gradient checker -----------------------------------------------------------------------


def quartic(x: Tensor) -> Tensor:
    return (x**4).sum()


@pytest.fixture
def x(rng: torch.Generator) -> Tensor:
    return torch.randn(3, 4, generator=rng, dtype=torch.float64)


def test_right_gradient_passes(x: Tensor, capsys: pytest.CaptureFixture[str]) -> None:
    assert lab.check_gradient(quartic, x, 4 * x**3, "quartic") < 1e-6
    assert capsys.readouterr().out.startswith("quartic: largest relative error")


def test_gradient_of_a_single_number() -> None:
    x = torch.tensor(3.0, dtype=torch.float64)
    assert lab.check_gradient(lambda z: float(z) ** 2, x, torch.tensor(6.0)) < 1e-6


def test_autograd_leaves_pass(x: Tensor) -> None:
    x = x.requires_grad_()
    (gradient,) = torch.autograd.grad(quartic(x), x)
    assert lab.check_gradient(quartic, x, gradient) < 1e-6


def test_worst_coordinate_is_named(x: Tensor) -> None:
    gradient = 4 * x**3
    gradient[1, 2] += 5
    with pytest.raises(AssertionError, match=r"quartic: at index \(1, 2\)") as error:
        lab.check_gradient(quartic, x, gradient, "quartic")
    assert "everywhere" not in str(error.value)


@pytest.mark.parametrize(
    ("factor", "words"), [(12.0, "12 times as large"), (-1.0, "sign is the opposite")]
)
def test_common_factor_is_named(x: Tensor, factor: float, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        lab.check_gradient(quartic, x, factor * 4 * x**3)


def test_zero_gradient_fails(x: Tensor) -> None:
    with pytest.raises(AssertionError, match="your gradient is 0"):
        lab.check_gradient(quartic, x, torch.zeros_like(x))


def test_wrong_shape_fails(x: Tensor) -> None:
    with pytest.raises(AssertionError, match="your gradient is 4 × 3, the variable is 3 × 4"):
        lab.check_gradient(quartic, x, (4 * x**3).T)


def test_integers_are_refused() -> None:
    with pytest.raises(TypeError, match="differences need float64"):
        lab.check_gradient(quartic, torch.arange(3), torch.zeros(3))


def test_float32_passes_with_its_own_step_and_fails_where_it_is_wrong(x: Tensor) -> None:
    x = x.float()
    assert lab.check_gradient(quartic, x, 4 * x**3) < 1e-3
    with pytest.raises(AssertionError, match="relative error"):
        lab.check_gradient(quartic, x, 4.02 * x**3)


def test_arrays_pass_as_arrays(x: Tensor) -> None:
    def f(array: np.ndarray) -> float:
        assert isinstance(array, np.ndarray)
        return float((array**4).sum())

    assert lab.check_gradient(f, x.numpy(), 4 * x.numpy() ** 3) < 1e-6


def test_differences_leave_the_point_as_it_is(x: Tensor) -> None:
    before = x.clone()
    lab.differences(quartic, x.T)
    assert torch.equal(x, before)


@pytest.mark.parametrize("offset", [1e-3, 4e-4, 1e-4, 3e-5])
def test_a_kink_near_by_is_stepped_around(offset: float) -> None:
    x = np.array([offset, -offset, 0.7])
    slopes = lab.differences(lambda z: (np.maximum(z, 0) * np.array([2, 3, 4])).sum(), x)
    np.testing.assert_allclose(slopes, [2, 0, 4], atol=1e-8)


@pytest.mark.parametrize("curvature", [0.0, 1.0, -30.0])
def test_a_coordinate_at_a_kink_is_left_out(
    curvature: float, capsys: pytest.CaptureFixture[str]
) -> None:
    def f(z: np.ndarray) -> float:
        return float((np.maximum(z, 0) + curvature * z**2).sum())

    x = np.array([0.0, 1.5, -2.0])
    assert np.isnan(lab.differences(f, x)).tolist() == [True, False, False]
    lab.check_gradient(f, x, (x > 0) + 2 * curvature * x)
    assert "(1 coordinates at a kink left out)" in capsys.readouterr().out
    with pytest.raises(AssertionError, match="every coordinate of x lies at a kink"):
        lab.check_gradient(f, x[:1], np.zeros(1))


@pytest.mark.parametrize("value", [0.0, 1e-8, 5.0])
def test_a_point_without_a_slope_is_no_kink(value: float) -> None:
    x = np.array([value])
    np.testing.assert_allclose(lab.differences(lambda z: ((z - value) ** 2).sum(), x), 0, atol=1e-9)


def _affine(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    return x @ w, (x, w)


def _affine_backward(
    dout: np.ndarray, cache: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    return dout @ cache[1].T, cache[0].T @ dout


@pytest.fixture
def layer() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=(3, 2))}


def check_affine(layer: dict[str, np.ndarray], backward: Callable[..., object]) -> float:
    return lab.check_backward(_affine, backward, layer, np.random.default_rng(1))


def test_right_backward_passes(layer: dict[str, np.ndarray]) -> None:
    assert check_affine(layer, _affine_backward) < 1e-6


def test_one_input_has_one_gradient() -> None:
    x = np.array([[0.5, -0.3], [0.2, 1.0]])
    error = lab.check_backward(
        lambda x: (np.tanh(x), np.tanh(x)),
        lambda dout, out: dout * (1 - out**2),
        {"x": x},
        np.random.default_rng(1),
    )
    assert error < 1e-6


@pytest.mark.parametrize(
    ("backward", "words"),
    [
        (lambda dout, c: (np.ones_like(dout) @ c[1].T, c[0].T @ dout), "dx: at index"),
        (lambda dout, c: (dout @ c[1].T, c[0].T @ dout / 4), "dw: .* 0.25 times as large"),
        (lambda dout, c: (dout @ c[1].T, 0 * c[1]), "dw: .* zero everywhere"),
        (lambda dout, c: (-dout @ c[1].T, c[0].T @ dout), "the sign is the opposite"),
        (lambda dout, c: ((dout @ c[1].T).T, c[0].T @ dout), "dx: your gradient is 3 × 4"),
        (lambda dout, c: dout @ c[1].T, "backward returned 1 gradients; the inputs are x, w"),
        (lambda dout, c: (dout @ c[1].T, np.nan * c[1]), "not a finite number"),
        (lambda dout, c: (dout @ c[1].T + np.array([[1.0, 2, 3]]), c[0].T @ dout), "along axis 0"),
    ],
)
def test_wrong_backward_is_explained(
    layer: dict[str, np.ndarray], backward: Callable[..., object], words: str
) -> None:
    with pytest.raises(AssertionError, match=words):
        check_affine(layer, backward)


def test_backward_that_modifies_what_it_is_given_is_found(layer: dict[str, np.ndarray]) -> None:
    def through_dout(dout: np.ndarray, cache: tuple[np.ndarray, np.ndarray]) -> object:
        gradients = _affine_backward(dout, cache)
        dout *= 0
        return gradients

    def through_cache(dout: np.ndarray, cache: tuple[np.ndarray, np.ndarray]) -> object:
        gradients = _affine_backward(dout, cache)
        cache[1][:] = 0
        return gradients

    with pytest.raises(AssertionError, match="backward modified its argument dout"):
        check_affine(layer, through_dout)
    with pytest.raises(AssertionError, match="backward modified its argument w"):
        check_affine(layer, through_cache)


def test_forward_that_draws_anew_is_found(layer: dict[str, np.ndarray]) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(AssertionError, match="start its generator anew"):
        lab.check_backward(
            lambda x, w: (x @ w * rng.random(), None), lambda dout, cache: dout, layer, rng
        )


# ---- plots --------------------------------------------------------------------------------------


@pytest.fixture
def data() -> tuple[Tensor, Tensor]:
    return lab.load_circles(CSV)[:2]


def scores(points: Tensor) -> Tensor:
    inner = 0.75 - points.norm(dim=1)
    return torch.stack([-inner, inner], dim=1)


def draw_all(data: tuple[Tensor, Tensor]) -> None:
    lab.plot_data(*data, names=["outer", "inner"])
    lab.plot_decision_boundary(scores, *data)
    lab.plot_curves({"a": [1.0, 2.0], "b": [2.0, 1.0]}, "loss", x=[0.1, 1.0], xscale="log")
    lab.plot_confusion(torch.tensor([[3, 1], [0, 0]]), names=["cat", "dog"])
    lab.plot_pictures(torch.rand(3, 8, 8, generator=torch.Generator()), ["a", "b", "c"])


def test_plots_have_no_background_and_grey_text(
    data: tuple[Tensor, Tensor], tmp_path: Path
) -> None:
    draw_all(data)
    assert len(plt.get_fignums()) == 5
    for number in plt.get_fignums():
        figure = plt.figure(number)
        figure.savefig(tmp_path / f"{number}.png")
        assert plt.imread(tmp_path / f"{number}.png")[0, 0, 3] == 0
        for axes in figure.axes:
            assert axes.xaxis.label.get_color() == axes.title.get_color() == lab.GREY


def test_plots_leave_the_style_of_other_plots_alone(data: tuple[Tensor, Tensor]) -> None:
    before = dict(plt.rcParams)
    draw_all(data)
    assert dict(plt.rcParams) == before


def test_boundary_takes_scores_and_classes(data: tuple[Tensor, Tensor]) -> None:
    of_scores = lab.plot_decision_boundary(scores, *data)
    of_classes = lab.plot_decision_boundary(lambda z: scores(z).argmax(dim=1), *data)
    one, other = (ax.collections[0].get_paths() for ax in (of_scores, of_classes))
    assert all(np.array_equal(a.vertices, b.vertices) for a, b in zip(one, other, strict=True))


def test_plots_draw_on_given_axes(data: tuple[Tensor, Tensor]) -> None:
    _, axes = plt.subplots()
    assert lab.plot_data(*data, ax=axes) is axes
    assert len(plt.get_fignums()) == 1


def luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour, in [0, 1], as WCAG 2 defines it."""
    channels = matplotlib.colors.to_rgb(colour)
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("page", [LIGHT, DARK])
def test_colours_stand_out_on_light_and_dark_pages(page: str) -> None:
    assert contrast(lab.GREY, page) > 4.2
    assert all(contrast(colour, page) >= 3 for colour in lab.COLOURS)


# ---- the library itself -------------------------------------------------------------------------


def test_needs_only_torch_numpy_and_matplotlib() -> None:
    imported = set()
    for node in ast.walk(ast.parse(inspect.getsource(lab))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).partition(".")[0])
    standard = {"collections", "functools", "math", "pathlib", "typing"}
    assert imported - standard == {"torch", "numpy", "matplotlib"}


@pytest.mark.parametrize("name", public_functions())
def test_functions_are_documented(name: str) -> None:
    function = getattr(lab, name)
    docstring = inspect.getdoc(function) or ""
    assert "Args:" in docstring
    for parameter in inspect.signature(function).parameters.values():
        assert parameter.annotation is not parameter.empty
        assert parameter.name in docstring
