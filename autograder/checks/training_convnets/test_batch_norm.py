"""Hidden checks of batch normalisation, against the library's own and autograd."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.perceptron.inputs import normal
from autograder.student import Student

LIBRARY = [
    *("torch.nn.BatchNorm1d", "torch.nn.BatchNorm2d", "torch.nn.BatchNorm3d", "torch.batch_norm"),
    *("torch.nn.functional.batch_norm", "torch.nn.SyncBatchNorm", "torch.native_batch_norm"),
    *("torch.nn.functional.instance_norm", "torch.nn.functional.group_norm", "torch.ops"),
    *("torch.nn.functional.layer_norm", "torch.nn.LazyBatchNorm2d", "torch.nn.GroupNorm"),
]
FORBIDDEN = {"batch_norm": LIBRARY, "batch_norm_backward": [*LIBRARY, *tools.AUTOGRAD]}
FORWARD = "book/unit2/batch_norm.html#batch-norm-forward"
BACKWARD = "book/unit2/batch_norm.html#batch-norm-backward"

PIXELS = "each channel has one mean and one variance, over batch, rows and columns: dim (0, 2, 3)"
IN_PLACE = (
    "change the tensors themselves (mul_, add_, lerp_, copy_): running_mean = ... makes a new "
    "tensor, of which the caller knows nothing"
)
BIASED = "the batch is normalised with the biased variance: divide by n, not by n - 1"
TRIPLE = "return three tensors: dX, dgamma, dbeta"

Arguments = list[Tensor]


def _arguments(rng: torch.Generator, *shape: int) -> Arguments:
    """X, gamma, beta, running mean and running variance; the channels differ."""
    channels = shape[1]
    spread = (0.3 + torch.arange(channels)).double()[:, None, None]
    X = 2 * spread + spread * normal(rng, *shape)
    vectors = [normal(rng, channels) for _ in range(3)]
    return [X, *vectors, 0.5 + normal(rng, channels).abs()]


def _copies(arguments: Arguments) -> Arguments:
    return [tensor.clone() for tensor in arguments]


def _column(vector: Tensor) -> Tensor:
    return vector[:, None, None]


def _normalised(
    X: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, var: Tensor, eps: float = 1e-5
) -> Tensor:
    return _column(gamma) * (X - _column(mean)) / _column((var + eps).sqrt()) + _column(beta)


def _statistics(X: Tensor, correction: int = 0) -> tuple[Tensor, Tensor]:
    pixels = (0, 2, 3)
    return X.mean(dim=pixels), X.var(dim=pixels, correction=correction)


def _called(
    student: Student, arguments: Arguments, training: bool, **options: float
) -> tuple[Tensor, Arguments]:
    """The output, and the arguments after the call; X, gamma and beta are not modified."""
    given = [arguments[0], *_copies(arguments[1:])]
    with tools.explained(PIXELS, "must match the size"), tools.wrong_view():
        value = student.batch_norm(*given, training, **options)
    output = tools.tensor("the output", value, arguments[0].shape)
    for name, before, after in zip(("gamma", "beta"), arguments[1:3], given[1:3], strict=True):
        tools.unchanged(name, before, after)
    return output, given


def _output_mistakes(arguments: Arguments) -> dict[str, Tensor]:
    X, gamma, beta, running_mean, running_var = arguments
    mean, var = _statistics(X)
    std = _column(var.sqrt())
    each_mean, each_var = X.mean(dim=0), X.var(dim=0, correction=0)
    own_mean = X.mean(dim=(2, 3), keepdim=True)
    own_std = (X.var(dim=(2, 3), correction=0, keepdim=True) + 1e-5).sqrt()
    zeros = torch.zeros_like(beta)
    return {
        BIASED: _normalised(X, gamma, beta, mean, _statistics(X, 1)[1]),
        "in training the batch's own statistics count, not the running ones": _normalised(
            X, gamma, beta, running_mean, running_var
        ),
        "in training the batch's own statistics count, not the running ones after their change": (
            _normalised(
                X,
                gamma,
                beta,
                0.9 * running_mean + 0.1 * mean,
                0.9 * running_var + 0.1 * _statistics(X, 1)[1],
            )
        ),
        "eps is added to the variance, under the root": (
            _column(gamma) * (X - _column(mean)) / (std + 1e-5) + _column(beta)
        ),
        "eps is missing": _normalised(X, gamma, beta, mean, var, 0.0),
        "gamma is missing": _normalised(X, torch.ones_like(gamma), beta, mean, var),
        "beta is missing": _normalised(X, gamma, zeros, mean, var),
        "divide by the root of the variance": (
            _column(gamma) * (X - _column(mean)) / _column(var + 1e-5) + _column(beta)
        ),
        "the statistics of single pixels: " + PIXELS: (
            _column(gamma) * (X - each_mean) / (each_var + 1e-5).sqrt() + _column(beta)
        ),
        "the statistics of single images: " + PIXELS: (
            _column(gamma) * (X - own_mean) / own_std + _column(beta)
        ),
    }


def _compare_output(name: str, came: Tensor, expected: Tensor, mistakes: dict[str, Tensor]) -> None:
    # eps changes the output of channels with small variances by more than this
    tools.close(name, came, expected, mistakes, rtol=1e-9, atol=1e-10)


@pytest.mark.task("batch_norm", weight=3, page=FORWARD)
@pytest.mark.parametrize("shape", [(6, 3, 4, 5), (2, 4, 3, 1)])
def test_output_in_training(student: Student, rng: torch.Generator, shape: Any) -> None:
    """The output in training mode, against the library's."""
    arguments = _arguments(rng, *shape)
    X, gamma, beta, mean, var = _copies(arguments)
    expected = functional.batch_norm(X, mean, var, gamma, beta, training=True)
    output, given = _called(student, [arguments[0].clone(), *arguments[1:]], True)
    tools.unchanged("X", X, given[0])
    _compare_output("the output", output, expected, _output_mistakes(arguments))


@pytest.mark.task("batch_norm", weight=2, page=FORWARD)
def test_running_statistics(student: Student, rng: torch.Generator) -> None:
    """The running mean and variance after a call in training mode, momentum 0.3."""
    arguments = _arguments(rng, 4, 3, 2, 3)
    X, _, _, old_mean, old_var = arguments
    _, given = _called(student, arguments, True, momentum=0.3)
    mean, var = _statistics(X, 1)
    biased = _statistics(X)[1]
    others = {
        "the running variance is unbiased: it takes n - 1 in the denominator": biased,
        "the running variance holds a variance, and this is a standard deviation": var.sqrt(),
    }
    _check_running("running_mean", given[3], old_mean, mean, {})
    _check_running("running_var", given[4], old_var, var, others)


def _check_running(
    name: str, came: Tensor, old: Tensor, new: Tensor, others: dict[str, Tensor]
) -> None:
    """Compare with 0.7 · old + 0.3 · new; `others` are wrong statistics of the batch."""
    tools.require(not torch.equal(came, old), f"{name} has not changed", IN_PLACE)
    swapped = "momentum is the weight of the new statistics, and here it is that of the old"
    mistakes = {hint: 0.7 * old + 0.3 * value for hint, value in others.items()} | {
        swapped: 0.3 * old + 0.7 * new,
        "the old statistics are forgotten: they keep the weight 1 - momentum": new,
        "the old statistics keep the weight 1 - momentum, and here all of it": old + 0.3 * new,
    }
    tools.close(name, came, 0.7 * old + 0.3 * new, mistakes)


@pytest.mark.task("batch_norm", weight=1, page=FORWARD)
def test_defaults(student: Student, rng: torch.Generator) -> None:
    """Momentum 0.1 where none is given, and an eps of one's own."""
    arguments = _arguments(rng, 3, 2, 4, 2)
    X, gamma, beta, old_mean, _ = arguments
    _, given = _called(student, arguments, True)
    mean, var = _statistics(X)
    tools.close("running_mean", given[3], 0.9 * old_mean + 0.1 * mean)
    output, _ = _called(student, arguments, True, eps=0.5)
    mistakes = {"eps is an argument, and not always 1e-5": _normalised(X, gamma, beta, mean, var)}
    expected = _normalised(X, gamma, beta, mean, var, 0.5)
    _compare_output("the output for eps = 0.5", output, expected, mistakes)


@pytest.mark.task("batch_norm", weight=3, page=FORWARD)
@pytest.mark.parametrize("batch", [5, 1])
def test_output_in_evaluation(student: Student, rng: torch.Generator, batch: int) -> None:
    """The output in eval mode, of a batch and of a single image; the statistics stay."""
    arguments = _arguments(rng, batch, 3, 2, 4)
    X, gamma, beta, mean, var = arguments
    output, given = _called(student, [X.clone(), *arguments[1:]], False)
    own = _statistics(X)
    mistakes = {
        "outside of training the running statistics count, not the batch's own": _normalised(
            X, gamma, beta, *own
        ),
        "the running mean is taken, and the batch's own variance": _normalised(
            X, gamma, beta, mean, own[1]
        ),
        "divide by the root of the running variance": (
            _column(gamma) * (X - _column(mean)) / _column(var + 1e-5) + _column(beta)
        ),
        "eps is missing outside of training": _normalised(X, gamma, beta, mean, var, 0.0),
        "gamma and beta count outside of training too": (
            (X - _column(mean)) / _column((var + 1e-5).sqrt())
        ),
    }
    expected = functional.batch_norm(X, mean, var, gamma, beta, training=False)
    _compare_output("the output", output, expected, mistakes)
    for name, before, after in zip(
        ("running_mean", "running_var"), arguments[3:], given[3:], strict=True
    ):
        same = torch.equal(before, after)
        hint = "the running statistics change in training alone"
        tools.require(same, f"an evaluation has changed {name}", hint)


@pytest.mark.task("batch_norm", weight=1, page=FORWARD)
def test_maps_that_are_not_contiguous(student: Student, rng: torch.Generator) -> None:
    """Feature maps that were mirrored along their diagonal, in training mode."""
    arguments = _arguments(rng, 3, 2, 5, 4)
    arguments[0] = arguments[0].transpose(2, 3)
    X, gamma, beta, mean, var = _copies(arguments)
    expected = functional.batch_norm(X, mean, var, gamma, beta, training=True)
    output, _ = _called(student, arguments, True)
    _compare_output("the output", output, expected, _output_mistakes(arguments))


def _backward(
    student: Student, upstream: Tensor, X: Tensor, gamma: Tensor, **options: float
) -> tuple[Tensor, Tensor, Tensor]:
    """dX, dgamma and dbeta in the shapes asked for; the arguments are not modified."""
    given = upstream.clone(), X.clone(), gamma.clone()
    wrong_sizes = tools.explained(PIXELS, "must match the size")
    with tools.graph_is_off(), wrong_sizes, student.no_autograd():
        value = student.batch_norm_backward(*given, **options)
    for name, before, after in zip(
        ("upstream", "X", "gamma"), (upstream, X, gamma), given, strict=True
    ):
        tools.unchanged(name, before, after)
    three = isinstance(value, tuple | list) and len(value) == 3
    tools.require(three, f"three tensors are expected, and {tools.described(value)} came", TRIPLE)
    names = ("dX", "dgamma", "dbeta")
    shapes = (X.shape, gamma.shape, gamma.shape)
    dX, dgamma, dbeta = (
        tools.tensor(name, item, shape)
        for name, item, shape in zip(names, value, shapes, strict=True)
    )
    return dX, dgamma, dbeta


def _oracle(upstream: Tensor, X: Tensor, gamma: Tensor, eps: float) -> tuple[Tensor, ...]:
    """The same by autograd through the library's batch normalisation."""
    leaves = [value.clone().requires_grad_() for value in (X, gamma, torch.zeros_like(gamma))]
    output = functional.batch_norm(leaves[0], None, None, leaves[1], leaves[2], True, 0.1, eps)
    return torch.autograd.grad(output, leaves, upstream)


def _input_mistakes(upstream: Tensor, X: Tensor, gamma: Tensor, eps: float) -> dict[str, Tensor]:
    pixels = (0, 2, 3)
    mean, var = _statistics(X)
    std = _column((var + eps).sqrt())
    X_hat = (X - _column(mean)) / std
    dX_hat = upstream * _column(gamma)
    by_mean = dX_hat.mean(dim=pixels, keepdim=True)
    by_var = X_hat * (dX_hat * X_hat).mean(dim=pixels, keepdim=True)
    n = X.numel() // X.shape[1]
    unbiased = _column((_statistics(X, 1)[1] + eps).sqrt())
    return {
        "mean and variance depend on X too: here they are taken for constants": dX_hat / std,
        "the way through the variance is missing": (dX_hat - by_mean) / std,
        "the way through the mean is missing": (dX_hat - by_var) / std,
        "gamma is missing": (dX_hat - by_mean - by_var) / std / _column(gamma),
        "the two correcting terms are means over a channel, and here they are sums": (
            dX_hat - n * by_mean - n * by_var
        )
        / std,
        "the division by √(σ² + eps) is missing": dX_hat - by_mean - by_var,
        "the forward pass takes the biased variance": (dX_hat - by_mean - by_var) / unbiased,
        "both correcting terms are subtracted": (dX_hat + by_mean + by_var) / std,
    }


def _check_backward(
    student: Student, upstream: Tensor, X: Tensor, gamma: Tensor, which: tuple[int, ...]
) -> None:
    """Compare some of dX, dgamma and dbeta."""
    came = _backward(student, upstream, X, gamma)
    expected = _oracle(upstream, X, gamma, 1e-5)
    n = X.numel() // X.shape[1]
    X_hat = (X - _column(_statistics(X)[0])) / _column((_statistics(X)[1] + 1e-5).sqrt())
    pixels = (0, 2, 3)
    mistakes = (
        _input_mistakes(upstream, X, gamma, 1e-5),
        {
            "the gradient of gamma is a sum over batch and pixels, not a mean": expected[1] / n,
            "gamma multiplies the normalised input, not X itself": (upstream * X).sum(dim=pixels),
            "this is the gradient of beta: each entry counts times its normalised input": (
                expected[2]
            ),
            "gamma does not enter its own gradient": expected[1] * gamma,
            "the normalised input is left undivided": (
                (upstream * (X - _column(_statistics(X)[0]))).sum(dim=pixels)
            ),
        },
        {
            "the gradient of beta is a sum over batch and pixels, not a mean": expected[2] / n,
            "gamma does not enter the gradient of beta": expected[2] * gamma,
            "this is the gradient of gamma": (upstream * X_hat).sum(dim=pixels),
        },
    )
    for index in which:
        name = ("dX", "dgamma", "dbeta")[index]
        found, wrong = came[index], mistakes[index]
        tools.close(name, found, expected[index], wrong, rtol=1e-7, atol=1e-9)


@pytest.mark.task("batch_norm_backward", weight=4, page=BACKWARD)
@pytest.mark.parametrize("shape", [(5, 3, 4, 2), (2, 4, 3, 5)])
def test_gradient_of_the_input(student: Student, rng: torch.Generator, shape: Any) -> None:
    """dX, against autograd."""
    X, gamma, *_ = _arguments(rng, *shape)
    _check_backward(student, normal(rng, *shape), X, gamma, (0,))


@pytest.mark.task("batch_norm_backward", weight=2, page=BACKWARD)
def test_gradient_of_gamma(student: Student, rng: torch.Generator) -> None:
    """dgamma, against autograd."""
    X, gamma, *_ = _arguments(rng, 4, 3, 2, 5)
    _check_backward(student, normal(rng, 4, 3, 2, 5), X, gamma, (1,))


@pytest.mark.task("batch_norm_backward", weight=1, page=BACKWARD)
def test_gradient_of_beta(student: Student, rng: torch.Generator) -> None:
    """dbeta, against autograd."""
    X, gamma, *_ = _arguments(rng, 3, 2, 4, 5)
    _check_backward(student, normal(rng, 3, 2, 4, 5), X, gamma, (2,))


@pytest.mark.task("batch_norm_backward", weight=1, page=BACKWARD)
def test_eps_in_the_gradient(student: Student, rng: torch.Generator) -> None:
    """An eps that is not small beside the variances."""
    X, gamma, *_ = _arguments(rng, 3, 2, 3, 4)
    upstream = normal(rng, 3, 2, 3, 4)
    came = _backward(student, upstream, X, gamma, eps=0.5)
    names = ("dX", "dgamma", "dbeta")
    small = _oracle(upstream, X, gamma, 1e-5)
    none = _oracle(upstream, X, gamma, 1e-12)
    expected = _oracle(upstream, X, gamma, 0.5)
    for name, found, right, fixed, without in zip(names, came, expected, small, none, strict=True):
        mistakes = {"eps is an argument, and not always 1e-5": fixed, "eps is missing": without}
        tools.close(name, found, right, mistakes, rtol=1e-7, atol=1e-9)


@pytest.mark.task("batch_norm_backward", weight=1, page=BACKWARD)
def test_gradients_of_one_image(student: Student, rng: torch.Generator) -> None:
    """A batch of one image that is not contiguous."""
    X, gamma, *_ = _arguments(rng, 1, 3, 5, 4)
    upstream = normal(rng, 1, 3, 4, 5)
    _check_backward(student, upstream, X.transpose(2, 3), gamma, (0, 1, 2))
