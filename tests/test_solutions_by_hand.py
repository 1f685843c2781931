"""The stage by hand against PyTorch's own functions, autograd and closed forms, in float64."""

import math
from functools import partial
from itertools import product

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from solutions import by_hand

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
SIZES = [(7, 3, 5, 4), (1, 2, 6, 3), (4, 1, 1, 2)]  # B, n_x, n_h, n_y
every_size = pytest.mark.parametrize(
    ("sizes", "device"), [(sizes, device) for sizes in SIZES for device in DEVICES]
)


def drawn(
    sizes: tuple[int, int, int, int], device: str = "cpu"
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Parameters with random biases, a batch and its targets, in float64."""
    batch, n_x, n_h, n_y = sizes
    generator = torch.Generator().manual_seed(sum(sizes))
    shapes = {"Wh": (n_h, n_x), "bh": (n_h,), "Wy": (n_y, n_h), "by": (n_y,), "X": (batch, n_x)}
    values = {
        name: torch.randn(shape, generator=generator, dtype=torch.float64).to(device)
        for name, shape in shapes.items()
    }
    labels = torch.randint(n_y, (batch,), generator=generator)
    Y = functional.one_hot(labels, n_y).double().to(device)
    return values, values.pop("X"), Y


def library_forward(params: dict[str, Tensor], X: Tensor) -> Tensor:
    """The pre-activations of the output layer, by the library's layers."""
    hidden = torch.tanh(functional.linear(X, params["Wh"], params["bh"]))
    return functional.linear(hidden, params["Wy"], params["by"])


@pytest.mark.parametrize("sizes", [(2, 10, 2), (5, 13, 4), (1, 1, 1), (784, 64, 10)])
def test_number_of_parameters_is_what_the_parameters_hold(sizes: tuple[int, int, int]) -> None:
    held = sum(value.numel() for value in by_hand.init_params(*sizes).values())
    assert by_hand.n_parameters(*sizes) == held
    assert type(by_hand.n_parameters(*sizes)) is int


@pytest.mark.parametrize("device", DEVICES)
def test_initial_parameters_have_their_shapes_and_scale(device: str) -> None:
    generator = torch.Generator().manual_seed(3)
    params = by_hand.init_params(300, 200, 50, generator, device)
    shapes = {name: tuple(value.shape) for name, value in params.items()}
    assert shapes == {"Wh": (200, 300), "bh": (200,), "Wy": (50, 200), "by": (50,)}
    assert {value.dtype for value in params.values()} == {torch.float32}
    assert {value.device.type for value in params.values()} == {device}
    assert not params["bh"].any() and not params["by"].any()
    for name, std in (("Wh", math.sqrt(2 / 500)), ("Wy", math.sqrt(2 / 250))):
        error = 5 / math.sqrt(params[name].numel())
        assert float(params[name].std()) == pytest.approx(std, rel=error)
        assert abs(float(params[name].mean())) < error * std


@pytest.mark.parametrize("device", DEVICES)
def test_the_generator_decides_the_parameters_on_every_device(device: str) -> None:
    first, second, other = (
        by_hand.init_params(3, 4, 2, torch.Generator().manual_seed(seed), place)
        for seed, place in ((0, "cpu"), (0, device), (1, device))
    )
    assert torch.equal(first["Wh"], second["Wh"].cpu())
    assert torch.equal(first["Wy"], second["Wy"].cpu())
    assert not torch.equal(first["Wh"], other["Wh"].cpu())


def test_parameters_without_a_generator_follow_the_global_one() -> None:
    torch.manual_seed(5)
    first, second = by_hand.init_params(3, 4, 2), by_hand.init_params(3, 4, 2)
    torch.manual_seed(5)
    again = by_hand.init_params(3, 4, 2)
    assert torch.equal(first["Wh"], again["Wh"])
    assert not torch.equal(first["Wh"], second["Wh"])


@every_size
def test_forward_is_the_library_network(sizes: tuple[int, int, int, int], device: str) -> None:
    params, X, _ = drawn(sizes, device)
    y_hat, outputs = by_hand.forward(params, X)
    y_tilde = library_forward(params, X)
    torch.testing.assert_close(outputs["y_tilde"], y_tilde)
    torch.testing.assert_close(y_hat, torch.softmax(y_tilde, dim=1))
    torch.testing.assert_close(outputs["h"], torch.tanh(outputs["h_tilde"]))
    assert outputs["y_hat"] is y_hat and outputs["X"] is X
    assert {value.device.type for value in outputs.values()} == {device}


def test_forward_takes_strided_tensors_and_leaves_them_alone() -> None:
    params, X, _ = drawn((7, 3, 5, 4))
    expected = by_hand.forward(params, X)[0]
    strided = {name: value.T.contiguous().T for name, value in params.items() if value.dim() == 2}
    before = {name: value.clone() for name, value in (params | strided).items()}
    y_hat, _ = by_hand.forward(params | strided, X.T.contiguous().T)
    torch.testing.assert_close(y_hat, expected)
    assert all(torch.equal(value, before[name]) for name, value in (params | strided).items())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_large_pre_activations_give_finite_predictions_and_the_exact_loss(
    dtype: torch.dtype,
) -> None:
    Y_tilde = torch.tensor([[1000.0, 0, -1000], [-1000, -1001, -2000], [0, 0, 0]], dtype=dtype)
    Y = torch.tensor([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]], dtype=dtype)
    loss, accuracy = by_hand.loss_accuracy(Y_tilde, Y)
    expected = (1000 + math.log(1 + math.exp(-1)) + math.log(3)) / 3
    assert float(loss) == pytest.approx(expected, rel=1e-6)
    assert float(accuracy) == pytest.approx(1 / 3)
    identity = {"Wh": torch.eye(1, dtype=dtype), "bh": torch.zeros(1, dtype=dtype)}
    output = {"Wy": torch.tensor([[1000.0], [-1000], [0]], dtype=dtype)}
    params = identity | output | {"by": torch.zeros(3, dtype=dtype)}
    y_hat, _ = by_hand.forward(params, torch.tensor([[50.0], [-50.0], [0.0]], dtype=dtype))
    answers = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1 / 3, 1 / 3, 1 / 3]], dtype=dtype)
    torch.testing.assert_close(y_hat, answers)


@every_size
def test_loss_is_the_library_cross_entropy(sizes: tuple[int, int, int, int], device: str) -> None:
    params, X, Y = drawn(sizes, device)
    Y_tilde = library_forward(params, X)
    loss, accuracy = by_hand.loss_accuracy(Y_tilde, Y)
    torch.testing.assert_close(loss, functional.cross_entropy(Y_tilde, Y))
    hits = sum(int(row.argmax()) == int(Y[i].argmax()) for i, row in enumerate(Y_tilde))
    assert float(accuracy) == pytest.approx(hits / len(Y))
    assert loss.dim() == accuracy.dim() == 0
    assert accuracy.dtype == Y_tilde.dtype


@every_size
def test_gradients_are_those_of_autograd(sizes: tuple[int, int, int, int], device: str) -> None:
    params, X, Y = drawn(sizes, device)
    outputs = by_hand.forward(params, X)[1]
    before = {name: value.clone() for name, value in outputs.items()}
    grads = by_hand.backward(params, outputs, Y)
    leaves = {name: value.clone().requires_grad_() for name, value in params.items()}
    functional.cross_entropy(library_forward(leaves, X), Y).backward()
    assert list(grads) == list(params)
    for name, leaf in leaves.items():
        torch.testing.assert_close(grads[name], leaf.grad)
    assert all(torch.equal(value, before[name]) for name, value in outputs.items())


def test_gradients_are_those_of_differences() -> None:
    params, X, Y = drawn((6, 2, 4, 3))

    def loss_with(name: str, value: Tensor) -> Tensor:
        outputs = by_hand.forward({**params, name: value}, X)[1]
        return by_hand.loss_accuracy(outputs["y_tilde"], Y)[0]

    grads = by_hand.backward(params, by_hand.forward(params, X)[1], Y)
    for name, value in params.items():
        numerical = by_hand.numerical_gradient(partial(loss_with, name), value)
        torch.testing.assert_close(grads[name], numerical, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (2, 1, 3), (0,)])
@pytest.mark.parametrize("device", DEVICES)
def test_numerical_gradient_of_any_shape(shape: tuple[int, ...], device: str) -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(shape, generator=generator, dtype=torch.float64).to(device)
    before = x.clone()
    found = by_hand.numerical_gradient(lambda z: torch.sin(z).sum() + (z**2).sum(), x)
    torch.testing.assert_close(found, torch.cos(x) + 2 * x, rtol=1e-7, atol=1e-8)
    assert torch.equal(x, before)


def test_numerical_gradient_takes_two_steps_of_eps_for_each_coordinate() -> None:
    x = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64).T.contiguous().T
    points = []

    def cubes(z: Tensor) -> float:
        points.append(z.clone())
        return float((z**3).sum())

    found = by_hand.numerical_gradient(cubes, x, eps=0.5)
    torch.testing.assert_close(found, 3 * x**2 + 0.25)  # the difference of a cube has the rest eps²
    moves = sorted(tuple((point - x).flatten().tolist()) for point in points)
    assert moves == sorted(
        tuple(step * float(i == j) + 0.0 for j in range(3))
        for i, step in product(range(3), (0.5, -0.5))
    )


@every_size
def test_sgd_moves_the_tensors_themselves(sizes: tuple[int, int, int, int], device: str) -> None:
    params, _, _ = drawn(sizes, device)
    held, before = dict(params), {name: value.clone() for name, value in params.items()}
    grads = {name: torch.cos(value) for name, value in reversed(params.items())}
    kept = {name: value.clone() for name, value in grads.items()}
    by_hand.sgd(params, grads, 0.25)
    for name, value in params.items():
        assert value is held[name]
        torch.testing.assert_close(value, before[name] - 0.25 * kept[name])
        assert torch.equal(grads[name], kept[name])


def test_one_step_lowers_the_loss() -> None:
    params, X, Y = drawn((7, 3, 5, 4))
    losses = []
    for _ in range(2):
        outputs = by_hand.forward(params, X)[1]
        losses.append(float(by_hand.loss_accuracy(outputs["y_tilde"], Y)[0]))
        by_hand.sgd(params, by_hand.backward(params, outputs, Y), 0.05)
    assert losses[1] < losses[0]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("number", "size", "sizes"),
    [(23, 4, [4] * 5 + [3]), (24, 4, [4] * 6), (3, 8, [3]), (5, 1, [1] * 5)],
)
def test_minibatches_hold_every_example_once(
    number: int, size: int, sizes: list[int], device: str
) -> None:
    X = torch.arange(2.0 * number, device=device).reshape(number, 2)
    Y = -X[:, :1]
    batches = by_hand.minibatches(X, Y, size, torch.Generator().manual_seed(0))
    assert [len(X_batch) for X_batch, _ in batches] == sizes
    rows = torch.cat([X_batch for X_batch, _ in batches])
    assert torch.equal(rows[rows[:, 0].argsort()], X)
    assert all(torch.equal(Y_batch, -X_batch[:, :1]) for X_batch, Y_batch in batches)
    assert {X_batch.device.type for X_batch, _ in batches} == {device}


def test_the_generator_decides_the_order() -> None:
    X = torch.arange(60.0)[:, None]
    first, again, other = (
        torch.cat([x for x, _ in by_hand.minibatches(X, X, 8, torch.Generator().manual_seed(n))])
        for n in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other) and not torch.equal(first, X)
