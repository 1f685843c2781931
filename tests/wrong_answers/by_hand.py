"""Answers to the tasks of the stage by hand."""

import itertools
import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from tests.wrong_answers import right, wrong

# n_parameters


@wrong("n_parameters", hint="biases are parameters too")
def weights_only(n_x: int, n_h: int, n_y: int) -> int:
    return n_x * n_h + n_h * n_y


@wrong("n_parameters", hint="hidden units have biases")
def hidden_biases_forgotten(n_x: int, n_h: int, n_y: int) -> int:
    return n_x * n_h + n_h * n_y + n_y


@wrong("n_parameters", hint="inputs have no bias")
def biases_for_the_inputs(n_x: int, n_h: int, n_y: int) -> int:
    return n_x * n_h + n_h * n_y + n_x + n_h + n_y


@wrong("n_parameters", hint="counts the units")
def units_counted(n_x: int, n_h: int, n_y: int) -> int:
    return n_x + n_h + n_y


@wrong("n_parameters", hint="add up")
def layers_multiplied(n_x: int, n_h: int, n_y: int) -> int:
    return n_x * n_h * n_y


@wrong("n_parameters", hint="second layer")
def first_layer_only(n_x: int, n_h: int, n_y: int) -> int:
    return (n_x + 1) * n_h


@wrong("n_parameters", hint="whole number")
def count_as_float(n_x: int, n_h: int, n_y: int) -> float:
    return (n_x + 1.0) * n_h + (n_h + 1.0) * n_y


@right("n_parameters")
def one_extra_input_per_layer(n_x: int, n_h: int, n_y: int) -> int:
    return (n_x + 1) * n_h + (n_h + 1) * n_y


@right("n_parameters")
def loop_over_layers(n_x: int, n_h: int, n_y: int) -> int:
    return sum(n_in * n_out + n_out for n_in, n_out in itertools.pairwise([n_x, n_h, n_y]))


# init_params


@wrong("init_params", hint="transposed")
def transposed_weights(
    n_x: int,
    n_h: int,
    n_y: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    return {
        "Wh": math.sqrt(2 / (n_x + n_h)) * torch.randn(n_x, n_h, generator=generator),
        "bh": torch.zeros(n_h),
        "Wy": math.sqrt(2 / (n_h + n_y)) * torch.randn(n_h, n_y, generator=generator),
        "by": torch.zeros(n_y),
    }


@wrong("init_params", hint="stay alike")
def all_zero(
    n_x: int,
    n_h: int,
    n_y: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    return {
        "Wh": torch.zeros(n_h, n_x),
        "bh": torch.zeros(n_h),
        "Wy": torch.zeros(n_y, n_h),
        "by": torch.zeros(n_y),
    }


@wrong("init_params", hint="square root of the variance")
def variance_as_standard_deviation(
    n_x: int,
    n_h: int,
    n_y: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    return {
        "Wh": torch.randn(n_h, n_x, generator=generator) * 2 / (n_x + n_h),
        "bh": torch.zeros(n_h),
        "Wy": torch.randn(n_y, n_h, generator=generator) * 2 / (n_h + n_y),
        "by": torch.zeros(n_y),
    }


@wrong("init_params", hint="He's rule")
def he(
    n_x: int,
    n_h: int,
    n_y: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    return {
        "Wh": math.sqrt(2 / n_x) * torch.randn(n_h, n_x, generator=generator),
        "bh": torch.zeros(n_h),
        "Wy": math.sqrt(2 / n_h) * torch.randn(n_y, n_h, generator=generator),
        "by": torch.zeros(n_y),
    }


@wrong("init_params", hint="n_out belongs")
def inputs_alone(
    n_x: int,
    n_h: int,
    n_y: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    return {
        "Wh": torch.randn(n_h, n_x, generator=generator) / math.sqrt(n_x),
        "bh": torch.zeros(n_h),
        "Wy": torch.randn(n_y, n_h, generator=generator) / math.sqrt(n_h),
        "by": torch.zeros(n_y),
    }


@wrong("init_params", hint="without a scale")
def standard_normal(
    n_x: int,
    n_h: int,
    n_y: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    return {
        "Wh": torch.randn(n_h, n_x, generator=generator),
        "bh": torch.zeros(n_h),
        "Wy": torch.randn(n_y, n_h, generator=generator),
        "by": torch.zeros(n_y),
    }


@wrong("init_params", hint="its own layer")
def scale_of_the_first_layer_for_both(
    n_x: int,
    n_h: int,
    n_y: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    std = math.sqrt(2 / (n_x + n_h))
    return {
        "Wh": std * torch.randn(n_h, n_x, generator=generator),
        "bh": torch.zeros(n_h),
        "Wy": std * torch.randn(n_y, n_h, generator=generator),
        "by": torch.zeros(n_y),
    }


@wrong("init_params", hint="uniform distribution")
def uniform_of_the_right_variance(
    n_x: int,
    n_h: int,
    n_y: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    bound_h, bound_y = math.sqrt(6 / (n_x + n_h)), math.sqrt(6 / (n_h + n_y))
    return {
        "Wh": bound_h * (2 * torch.rand(n_h, n_x, generator=generator) - 1),
        "bh": torch.zeros(n_h),
        "Wy": bound_y * (2 * torch.rand(n_y, n_h, generator=generator) - 1),
        "by": torch.zeros(n_y),
    }


@wrong("init_params", hint="mean of the weights is not 0")
def rand_for_randn(
    n_x: int,
    n_h: int,
    n_y: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    return {
        "Wh": math.sqrt(2 / (n_x + n_h)) * torch.rand(n_h, n_x, generator=generator),
        "bh": torch.zeros(n_h),
        "Wy": math.sqrt(2 / (n_h + n_y)) * torch.rand(n_y, n_h, generator=generator),
        "by": torch.zeros(n_y),
    }


@wrong("init_params", hint="pass the generator to every draw")
def generator_ignored(
    n_x: int,
    n_h: int,
    n_y: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    return {
        "Wh": math.sqrt(2 / (n_x + n_h)) * torch.randn(n_h, n_x),
        "bh": torch.zeros(n_h),
        "Wy": math.sqrt(2 / (n_h + n_y)) * torch.randn(n_y, n_h),
        "by": torch.zeros(n_y),
    }


@wrong("init_params", hint="fixed seed")
def seeded_inside(
    n_x: int,
    n_h: int,
    n_y: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "Wh": math.sqrt(2 / (n_x + n_h)) * torch.randn(n_h, n_x, generator=generator),
        "bh": torch.zeros(n_h),
        "Wy": math.sqrt(2 / (n_h + n_y)) * torch.randn(n_y, n_h, generator=generator),
        "by": torch.zeros(n_y),
    }


@wrong("init_params", hint="same draws")
def both_layers_from_one_seed(
    n_x: int,
    n_h: int,
    n_y: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    seed = generator.initial_seed() if generator is not None else torch.seed()
    first, second = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(seed)
    return {
        "Wh": math.sqrt(2 / (n_x + n_h)) * torch.randn(n_h, n_x, generator=first),
        "bh": torch.zeros(n_h),
        "Wy": math.sqrt(2 / (n_h + n_y)) * torch.randn(n_y, n_h, generator=second),
        "by": torch.zeros(n_y),
    }


@wrong("init_params", hint="biases start at 0")
def random_biases(
    n_x: int,
    n_h: int,
    n_y: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    return {
        "Wh": math.sqrt(2 / (n_x + n_h)) * torch.randn(n_h, n_x, generator=generator),
        "bh": 0.1 * torch.randn(n_h, generator=generator),
        "Wy": math.sqrt(2 / (n_h + n_y)) * torch.randn(n_y, n_h, generator=generator),
        "by": 0.1 * torch.randn(n_y, generator=generator),
    }


@wrong("init_params", hint="one axis")
def biases_as_columns(
    n_x: int,
    n_h: int,
    n_y: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    return {
        "Wh": math.sqrt(2 / (n_x + n_h)) * torch.randn(n_h, n_x, generator=generator),
        "bh": torch.zeros(n_h, 1),
        "Wy": math.sqrt(2 / (n_h + n_y)) * torch.randn(n_y, n_h, generator=generator),
        "by": torch.zeros(n_y, 1),
    }


@wrong("init_params", hint="float32")
def double_precision(
    n_x: int,
    n_h: int,
    n_y: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    kind = torch.float64
    return {
        "Wh": math.sqrt(2 / (n_x + n_h)) * torch.randn(n_h, n_x, generator=generator, dtype=kind),
        "bh": torch.zeros(n_h, dtype=kind),
        "Wy": math.sqrt(2 / (n_h + n_y)) * torch.randn(n_y, n_h, generator=generator, dtype=kind),
        "by": torch.zeros(n_y, dtype=kind),
    }


@right("init_params")
def filled_in_place(
    n_x: int,
    n_h: int,
    n_y: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    params = {
        "by": torch.zeros(n_y),
        "Wy": torch.empty(n_y, n_h).normal_(0, (2 / (n_h + n_y)) ** 0.5, generator=generator),
        "bh": torch.zeros(n_h),
        "Wh": torch.empty(n_h, n_x).normal_(0, (2 / (n_x + n_h)) ** 0.5, generator=generator),
    }
    return {name: value.to(device) for name, value in params.items()}


@right("init_params")
def one_draw_cut_in_two(
    n_x: int,
    n_h: int,
    n_y: int,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    draws = torch.normal(0.0, 1.0, (n_h * n_x + n_y * n_h,), generator=generator).double()
    hidden, output = draws[: n_h * n_x].view(n_h, n_x), draws[n_h * n_x :].view(n_y, n_h)
    return {
        "Wh": (hidden * np.sqrt(2 / (n_x + n_h))).float().to(device),
        "bh": torch.zeros(n_h, device=device),
        "Wy": (output * np.sqrt(2 / (n_h + n_y))).float().to(device),
        "by": torch.zeros(n_y, device=device),
    }


# forward


@wrong("forward", hint="over each row")
def softmax_over_the_batch(
    params: dict[str, Tensor], X: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    h_tilde = X @ params["Wh"].T + params["bh"]
    h = torch.tanh(h_tilde)
    y_tilde = h @ params["Wy"].T + params["by"]
    exponentials = torch.exp(y_tilde - y_tilde.max(dim=0, keepdim=True).values)
    y_hat = exponentials / exponentials.sum(dim=0, keepdim=True)
    return y_hat, {"X": X, "h_tilde": h_tilde, "h": h, "y_tilde": y_tilde, "y_hat": y_hat}


@wrong("forward", hint="subtract the largest pre-activation")
def softmax_without_shift(params: dict[str, Tensor], X: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    h_tilde = X @ params["Wh"].T + params["bh"]
    h = torch.tanh(h_tilde)
    y_tilde = h @ params["Wy"].T + params["by"]
    y_hat = torch.exp(y_tilde) / torch.exp(y_tilde).sum(dim=1, keepdim=True)
    return y_hat, {"X": X, "h_tilde": h_tilde, "h": h, "y_tilde": y_tilde, "y_hat": y_hat}


@wrong("forward", hint="not of the whole batch")
def shift_by_the_maximum_of_the_batch(
    params: dict[str, Tensor], X: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    h_tilde = X @ params["Wh"].T + params["bh"]
    h = torch.tanh(h_tilde)
    y_tilde = h @ params["Wy"].T + params["by"]
    exponentials = torch.exp(y_tilde - y_tilde.max())
    y_hat = exponentials / exponentials.sum(dim=1, keepdim=True)
    return y_hat, {"X": X, "h_tilde": h_tilde, "h": h, "y_tilde": y_tilde, "y_hat": y_hat}


@wrong("forward", hint="sigmoid instead of tanh")
def sigmoid_hidden_layer(params: dict[str, Tensor], X: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    h_tilde = X @ params["Wh"].T + params["bh"]
    h = torch.sigmoid(h_tilde)
    y_tilde = h @ params["Wy"].T + params["by"]
    exponentials = torch.exp(y_tilde - y_tilde.max(dim=1, keepdim=True).values)
    y_hat = exponentials / exponentials.sum(dim=1, keepdim=True)
    return y_hat, {"X": X, "h_tilde": h_tilde, "h": h, "y_tilde": y_tilde, "y_hat": y_hat}


@wrong("forward", hint="ReLU instead of tanh")
def relu_hidden_layer(params: dict[str, Tensor], X: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    h_tilde = X @ params["Wh"].T + params["bh"]
    h = h_tilde.clamp(min=0)
    y_tilde = h @ params["Wy"].T + params["by"]
    exponentials = torch.exp(y_tilde - y_tilde.max(dim=1, keepdim=True).values)
    y_hat = exponentials / exponentials.sum(dim=1, keepdim=True)
    return y_hat, {"X": X, "h_tilde": h_tilde, "h": h, "y_tilde": y_tilde, "y_hat": y_hat}


@wrong("forward", hint="tanh is missing")
def no_activation(params: dict[str, Tensor], X: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    h = h_tilde = X @ params["Wh"].T + params["bh"]
    y_tilde = h @ params["Wy"].T + params["by"]
    exponentials = torch.exp(y_tilde - y_tilde.max(dim=1, keepdim=True).values)
    y_hat = exponentials / exponentials.sum(dim=1, keepdim=True)
    return y_hat, {"X": X, "h_tilde": h_tilde, "h": h, "y_tilde": y_tilde, "y_hat": y_hat}


@wrong("forward", hint="bias bh is not added")
def hidden_bias_missing(params: dict[str, Tensor], X: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    h_tilde = X @ params["Wh"].T
    h = torch.tanh(h_tilde)
    y_tilde = h @ params["Wy"].T + params["by"]
    exponentials = torch.exp(y_tilde - y_tilde.max(dim=1, keepdim=True).values)
    y_hat = exponentials / exponentials.sum(dim=1, keepdim=True)
    return y_hat, {"X": X, "h_tilde": h_tilde, "h": h, "y_tilde": y_tilde, "y_hat": y_hat}


@wrong("forward", hint="bias by is not added")
def output_bias_missing(params: dict[str, Tensor], X: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    h_tilde = X @ params["Wh"].T + params["bh"]
    h = torch.tanh(h_tilde)
    y_tilde = h @ params["Wy"].T
    exponentials = torch.exp(y_tilde - y_tilde.max(dim=1, keepdim=True).values)
    y_hat = exponentials / exponentials.sum(dim=1, keepdim=True)
    return y_hat, {"X": X, "h_tilde": h_tilde, "h": h, "y_tilde": y_tilde, "y_hat": y_hat}


@wrong("forward", hint="acts on h, not on h_tilde")
def output_layer_on_pre_activations(
    params: dict[str, Tensor], X: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    h_tilde = X @ params["Wh"].T + params["bh"]
    h = torch.tanh(h_tilde)
    y_tilde = h_tilde @ params["Wy"].T + params["by"]
    exponentials = torch.exp(y_tilde - y_tilde.max(dim=1, keepdim=True).values)
    y_hat = exponentials / exponentials.sum(dim=1, keepdim=True)
    return y_hat, {"X": X, "h_tilde": h_tilde, "h": h, "y_tilde": y_tilde, "y_hat": y_hat}


@wrong("forward", hint="divide each exponential")
def exponentials_not_normalised(
    params: dict[str, Tensor], X: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    h_tilde = X @ params["Wh"].T + params["bh"]
    h = torch.tanh(h_tilde)
    y_tilde = h @ params["Wy"].T + params["by"]
    y_hat = torch.exp(y_tilde)
    return y_hat, {"X": X, "h_tilde": h_tilde, "h": h, "y_tilde": y_tilde, "y_hat": y_hat}


@wrong("forward", hint="sigmoid of each pre-activation")
def sigmoid_outputs(params: dict[str, Tensor], X: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    h_tilde = X @ params["Wh"].T + params["bh"]
    h = torch.tanh(h_tilde)
    y_tilde = h @ params["Wy"].T + params["by"]
    y_hat = torch.sigmoid(y_tilde)
    return y_hat, {"X": X, "h_tilde": h_tilde, "h": h, "y_tilde": y_tilde, "y_hat": y_hat}


@wrong("forward", hint="still the pre-activations")
def predictions_are_pre_activations(
    params: dict[str, Tensor], X: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    h_tilde = X @ params["Wh"].T + params["bh"]
    h = torch.tanh(h_tilde)
    y_tilde = h @ params["Wy"].T + params["by"]
    return y_tilde, {"X": X, "h_tilde": h_tilde, "h": h, "y_tilde": y_tilde, "y_hat": y_tilde}


@wrong("forward", hint="overwritten by an in-place operation")
def tanh_in_place(params: dict[str, Tensor], X: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    h_tilde = X @ params["Wh"].T + params["bh"]
    h = h_tilde.tanh_()
    y_tilde = h @ params["Wy"].T + params["by"]
    exponentials = torch.exp(y_tilde - y_tilde.max(dim=1, keepdim=True).values)
    y_hat = exponentials / exponentials.sum(dim=1, keepdim=True)
    return y_hat, {"X": X, "h_tilde": h_tilde, "h": h, "y_tilde": y_tilde, "y_hat": y_hat}


@wrong("forward", hint="overflows: use torch.tanh")
def tanh_from_exponentials(
    params: dict[str, Tensor], X: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    h_tilde = X @ params["Wh"].T + params["bh"]
    up, down = torch.exp(h_tilde), torch.exp(-h_tilde)
    h = (up - down) / (up + down)
    y_tilde = h @ params["Wy"].T + params["by"]
    exponentials = torch.exp(y_tilde - y_tilde.max(dim=1, keepdim=True).values)
    y_hat = exponentials / exponentials.sum(dim=1, keepdim=True)
    return y_hat, {"X": X, "h_tilde": h_tilde, "h": h, "y_tilde": y_tilde, "y_hat": y_hat}


@wrong("forward", hint="backward needs")
def outputs_incomplete(params: dict[str, Tensor], X: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    h = torch.tanh(X @ params["Wh"].T + params["bh"])
    y_tilde = h @ params["Wy"].T + params["by"]
    exponentials = torch.exp(y_tilde - y_tilde.max(dim=1, keepdim=True).values)
    y_hat = exponentials / exponentials.sum(dim=1, keepdim=True)
    return y_hat, {"X": X, "h": h, "y_hat": y_hat}


@wrong("forward", hint="return a pair")
def predictions_alone(params: dict[str, Tensor], X: Tensor) -> Tensor:
    h = torch.tanh(X @ params["Wh"].T + params["bh"])
    y_tilde = h @ params["Wy"].T + params["by"]
    exponentials = torch.exp(y_tilde - y_tilde.max(dim=1, keepdim=True).values)
    return exponentials / exponentials.sum(dim=1, keepdim=True)


@wrong("forward", hint="weights are n_out × n_in")
def weights_not_transposed(
    params: dict[str, Tensor], X: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    h_tilde = X @ params["Wh"] + params["bh"]
    h = torch.tanh(h_tilde)
    y_tilde = h @ params["Wy"] + params["by"]
    exponentials = torch.exp(y_tilde - y_tilde.max(dim=1, keepdim=True).values)
    y_hat = exponentials / exponentials.sum(dim=1, keepdim=True)
    return y_hat, {"X": X, "h_tilde": h_tilde, "h": h, "y_tilde": y_tilde, "y_hat": y_hat}


@wrong("forward", hint="keep the axis of the batch")
def batch_axis_squeezed(params: dict[str, Tensor], X: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    h_tilde = (X @ params["Wh"].T + params["bh"]).squeeze()
    h = torch.tanh(h_tilde)
    y_tilde = h @ params["Wy"].T + params["by"]
    exponentials = torch.exp(y_tilde - y_tilde.max(dim=-1, keepdim=True).values)
    y_hat = exponentials / exponentials.sum(dim=-1, keepdim=True)
    return y_hat, {"X": X, "h_tilde": h_tilde, "h": h, "y_tilde": y_tilde, "y_hat": y_hat}


@wrong("forward", hint="belongs to the caller")
def bias_written_over(params: dict[str, Tensor], X: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    h_tilde = torch.stack([params["bh"].clone() for _ in X]).addmm_(X, params["Wh"].T)
    h = torch.tanh(h_tilde)
    by = params["by"]
    by -= by.max()
    y_tilde = h @ params["Wy"].T + by
    exponentials = torch.exp(y_tilde - y_tilde.max(dim=1, keepdim=True).values)
    y_hat = exponentials / exponentials.sum(dim=1, keepdim=True)
    return y_hat, {"X": X, "h_tilde": h_tilde, "h": h, "y_tilde": y_tilde, "y_hat": y_hat}


@right("forward")
def one_example_at_a_time(params: dict[str, Tensor], X: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    rows: dict[str, list[Tensor]] = {"h_tilde": [], "h": [], "y_tilde": [], "y_hat": []}
    for x in X:
        h_tilde = params["Wh"] @ x + params["bh"]
        h = (torch.exp(-2 * h_tilde.abs()) - 1) / (torch.exp(-2 * h_tilde.abs()) + 1)
        h = -h * torch.sign(h_tilde)
        y_tilde = params["Wy"] @ h + params["by"]
        shifted = y_tilde - max(y_tilde)
        y_hat = shifted.exp() / sum(shifted.exp())
        for name, value in zip(rows, (h_tilde, h, y_tilde, y_hat), strict=True):
            rows[name].append(value)
    outputs = {name: torch.stack(values) for name, values in rows.items()}
    return outputs["y_hat"], {**outputs, "X": X, "batch_size": torch.tensor(len(X))}


@right("forward")
def softmax_by_its_logarithm(
    params: dict[str, Tensor], X: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    out = {"X": X}
    out["h_tilde"] = torch.einsum("bi,hi->bh", X, params["Wh"]).add_(params["bh"])
    out["h"] = out["h_tilde"].tanh()
    out["y_tilde"] = torch.addmm(params["by"], out["h"], params["Wy"].t())
    shifted = out["y_tilde"] - out["y_tilde"].amax(1)[:, None]
    out["y_hat"] = torch.exp(shifted - torch.log(torch.exp(shifted).sum(1))[:, None])
    return out["y_hat"], out


# loss_accuracy


@wrong("loss_accuracy", hint="sum over the classes")
def mean_over_all_entries(Y_tilde: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    shifted = Y_tilde - Y_tilde.max(dim=1, keepdim=True).values
    log_y_hat = shifted - torch.log(torch.exp(shifted).sum(dim=1, keepdim=True))
    loss = -(Y * log_y_hat).mean()
    return loss, (Y_tilde.argmax(dim=1) == Y.argmax(dim=1)).float().mean()


@wrong("loss_accuracy", hint="mean over the batch")
def loss_summed_over_the_batch(Y_tilde: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    shifted = Y_tilde - Y_tilde.max(dim=1, keepdim=True).values
    log_y_hat = shifted - torch.log(torch.exp(shifted).sum(dim=1, keepdim=True))
    loss = -(Y * log_y_hat).sum()
    return loss, (Y_tilde.argmax(dim=1) == Y.argmax(dim=1)).float().mean()


@wrong("loss_accuracy", hint="natural logarithm")
def base_two(Y_tilde: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    shifted = Y_tilde - Y_tilde.max(dim=1, keepdim=True).values
    y_hat = torch.exp(shifted) / torch.exp(shifted).sum(dim=1, keepdim=True)
    loss = -torch.log2((Y * y_hat).sum(dim=1)).mean()
    return loss, (Y_tilde.argmax(dim=1) == Y.argmax(dim=1)).float().mean()


@wrong("loss_accuracy", hint="subtract the largest pre-activation")
def log_sum_exp_without_shift(Y_tilde: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    loss = (torch.log(torch.exp(Y_tilde).sum(dim=1)) - (Y * Y_tilde).sum(dim=1)).mean()
    return loss, (Y_tilde.argmax(dim=1) == Y.argmax(dim=1)).float().mean()


@wrong("loss_accuracy", hint="not of the whole batch")
def log_sum_exp_shifted_by_the_batch(Y_tilde: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    largest = Y_tilde.max()
    log_sum_exp = largest + torch.log(torch.exp(Y_tilde - largest).sum(dim=1))
    loss = (log_sum_exp - (Y * Y_tilde).sum(dim=1)).mean()
    return loss, (Y_tilde.argmax(dim=1) == Y.argmax(dim=1)).float().mean()


@wrong("loss_accuracy", hint="add the maximum back")
def maximum_not_added_back(Y_tilde: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    shifted = Y_tilde - Y_tilde.max(dim=1, keepdim=True).values
    loss = (torch.log(torch.exp(shifted).sum(dim=1)) - (Y * Y_tilde).sum(dim=1)).mean()
    return loss, (Y_tilde.argmax(dim=1) == Y.argmax(dim=1)).float().mean()


@wrong("loss_accuracy", hint="rounded to 0")
def logarithm_of_the_softmax(Y_tilde: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    exponentials = torch.exp(Y_tilde - Y_tilde.max(dim=1, keepdim=True).values)
    y_hat = exponentials / exponentials.sum(dim=1, keepdim=True)
    loss = -torch.log((Y * y_hat).sum(dim=1)).mean()
    return loss, (Y_tilde.argmax(dim=1) == Y.argmax(dim=1)).float().mean()


@wrong("loss_accuracy", hint="small constant inside the logarithm")
def epsilon_in_the_logarithm(Y_tilde: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    exponentials = torch.exp(Y_tilde - Y_tilde.max(dim=1, keepdim=True).values)
    y_hat = exponentials / exponentials.sum(dim=1, keepdim=True)
    loss = -torch.log((Y * y_hat).sum(dim=1) + 1e-12).mean()
    return loss, (Y_tilde.argmax(dim=1) == Y.argmax(dim=1)).float().mean()


@wrong("loss_accuracy", hint="softmax is applied twice")
def softmax_twice(Y_tilde: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    exponentials = torch.exp(Y_tilde - Y_tilde.max(dim=1, keepdim=True).values)
    y_hat = exponentials / exponentials.sum(dim=1, keepdim=True)
    loss = (torch.log(torch.exp(y_hat).sum(dim=1)) - (Y * y_hat).sum(dim=1)).mean()
    return loss, (Y_tilde.argmax(dim=1) == Y.argmax(dim=1)).float().mean()


@wrong("loss_accuracy", hint="sign of the first term")
def target_term_added(Y_tilde: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    largest = Y_tilde.max(dim=1, keepdim=True).values
    log_sum_exp = largest[:, 0] + torch.log(torch.exp(Y_tilde - largest).sum(dim=1))
    loss = (log_sum_exp + (Y * Y_tilde).sum(dim=1)).mean()
    return loss, (Y_tilde.argmax(dim=1) == Y.argmax(dim=1)).float().mean()


@wrong("loss_accuracy", hint="one number for the batch")
def loss_of_each_example(Y_tilde: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    largest = Y_tilde.max(dim=1, keepdim=True).values
    log_sum_exp = largest[:, 0] + torch.log(torch.exp(Y_tilde - largest).sum(dim=1))
    loss = log_sum_exp - (Y * Y_tilde).sum(dim=1)
    return loss, (Y_tilde.argmax(dim=1) == Y.argmax(dim=1)).float().mean()


@wrong("loss_accuracy", hint="percent")
def accuracy_in_percent(Y_tilde: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    largest = Y_tilde.max(dim=1, keepdim=True).values
    log_sum_exp = largest[:, 0] + torch.log(torch.exp(Y_tilde - largest).sum(dim=1))
    loss = (log_sum_exp - (Y * Y_tilde).sum(dim=1)).mean()
    return loss, 100 * (Y_tilde.argmax(dim=1) == Y.argmax(dim=1)).float().mean()


@wrong("loss_accuracy", hint="number of correct answers")
def accuracy_as_a_count(Y_tilde: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    largest = Y_tilde.max(dim=1, keepdim=True).values
    log_sum_exp = largest[:, 0] + torch.log(torch.exp(Y_tilde - largest).sum(dim=1))
    loss = (log_sum_exp - (Y * Y_tilde).sum(dim=1)).mean()
    return loss, (Y_tilde.argmax(dim=1) == Y.argmax(dim=1)).sum()


@wrong("loss_accuracy", hint="argmax of each row")
def argmax_over_the_batch(Y_tilde: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    largest = Y_tilde.max(dim=1, keepdim=True).values
    log_sum_exp = largest[:, 0] + torch.log(torch.exp(Y_tilde - largest).sum(dim=1))
    loss = (log_sum_exp - (Y * Y_tilde).sum(dim=1)).mean()
    return loss, (Y_tilde.argmax(dim=0) == Y.argmax(dim=0)).float().mean()


@wrong("loss_accuracy", hint="entry by entry")
def accuracy_of_the_entries(Y_tilde: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    largest = Y_tilde.max(dim=1, keepdim=True).values
    log_sum_exp = largest[:, 0] + torch.log(torch.exp(Y_tilde - largest).sum(dim=1))
    loss = (log_sum_exp - (Y * Y_tilde).sum(dim=1)).mean()
    return loss, ((Y_tilde >= largest) == (Y > 0)).float().mean()


@wrong("loss_accuracy", hint="belongs to the caller")
def shifted_in_place(Y_tilde: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    Y_tilde -= Y_tilde.max(dim=1, keepdim=True).values
    loss = (torch.log(torch.exp(Y_tilde).sum(dim=1)) - (Y * Y_tilde).sum(dim=1)).mean()
    return loss, (Y_tilde.argmax(dim=1) == Y.argmax(dim=1)).float().mean()


@right("loss_accuracy")
def loop_over_examples(Y_tilde: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    loss, correct = Y_tilde.new_zeros(()), 0
    for scores, target in zip(Y_tilde, Y.argmax(dim=1), strict=True):
        largest = scores.max()
        log_sum = math.log(sum(math.exp(score - largest) for score in scores))
        loss += largest - scores[target] + log_sum
        correct += int(scores.argmax() == target)
    return loss / len(Y), torch.tensor(correct / len(Y))


@right("loss_accuracy")
def log_probability_of_the_target(Y_tilde: Tensor, Y: Tensor) -> tuple[Tensor, Tensor]:
    shifted = Y_tilde - Y_tilde.amax(1, keepdim=True)
    log_y_hat = shifted - shifted.exp().sum(1, keepdim=True).log()
    target = Y.argmax(1)
    loss = -log_y_hat.gather(1, target[:, None]).mean()
    return loss, (log_y_hat.argmax(1) == target).double().mean()


# backward


@wrong("backward", hint="mean over the batch")
def summed_over_the_batch(
    params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
) -> dict[str, Tensor]:
    grad_y = outputs["y_hat"] - Y
    grad_h = grad_y @ params["Wy"] * (1 - outputs["h"] ** 2)
    return {
        "Wh": grad_h.T @ outputs["X"],
        "bh": grad_h.sum(dim=0),
        "Wy": grad_y.T @ outputs["h"],
        "by": grad_y.sum(dim=0),
    }


@wrong("backward", hint="divided by the batch size twice")
def divided_twice(
    params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
) -> dict[str, Tensor]:
    grad_y = (outputs["y_hat"] - Y) / len(Y)
    grad_h = grad_y @ params["Wy"] * (1 - outputs["h"] ** 2)
    return {
        "Wh": grad_h.T @ outputs["X"] / len(Y),
        "bh": grad_h.mean(dim=0),
        "Wy": grad_y.T @ outputs["h"] / len(Y),
        "by": grad_y.mean(dim=0),
    }


@wrong("backward", hint="divided by the batch size twice")
def bias_gradients_averaged_again(
    params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
) -> dict[str, Tensor]:
    grad_y = (outputs["y_hat"] - Y) / len(Y)
    grad_h = grad_y @ params["Wy"] * (1 - outputs["h"] ** 2)
    return {
        "Wh": grad_h.T @ outputs["X"],
        "bh": grad_h.mean(dim=0),
        "Wy": grad_y.T @ outputs["h"],
        "by": grad_y.mean(dim=0),
    }


@wrong("backward", hint="number of classes")
def mean_over_classes_too(
    params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
) -> dict[str, Tensor]:
    grad_y = (outputs["y_hat"] - Y) / Y.numel()
    grad_h = grad_y @ params["Wy"] * (1 - outputs["h"] ** 2)
    return {
        "Wh": grad_h.T @ outputs["X"],
        "bh": grad_h.sum(dim=0),
        "Wy": grad_y.T @ outputs["h"],
        "by": grad_y.sum(dim=0),
    }


@wrong("backward", hint="the sign is wrong")
def target_minus_prediction(
    params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
) -> dict[str, Tensor]:
    grad_y = (Y - outputs["y_hat"]) / len(Y)
    grad_h = grad_y @ params["Wy"] * (1 - outputs["h"] ** 2)
    return {
        "Wh": grad_h.T @ outputs["X"],
        "bh": grad_h.sum(dim=0),
        "Wy": grad_y.T @ outputs["h"],
        "by": grad_y.sum(dim=0),
    }


@wrong("backward", hint="derivative of tanh is missing")
def tanh_derivative_missing(
    params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
) -> dict[str, Tensor]:
    grad_y = (outputs["y_hat"] - Y) / len(Y)
    grad_h = grad_y @ params["Wy"]
    return {
        "Wh": grad_h.T @ outputs["X"],
        "bh": grad_h.sum(dim=0),
        "Wy": grad_y.T @ outputs["h"],
        "by": grad_y.sum(dim=0),
    }


@wrong("backward", hint="h is already the tanh")
def tanh_derivative_at_h(
    params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
) -> dict[str, Tensor]:
    grad_y = (outputs["y_hat"] - Y) / len(Y)
    grad_h = grad_y @ params["Wy"] * (1 - torch.tanh(outputs["h"]) ** 2)
    return {
        "Wh": grad_h.T @ outputs["X"],
        "bh": grad_h.sum(dim=0),
        "Wy": grad_y.T @ outputs["h"],
        "by": grad_y.sum(dim=0),
    }


@wrong("backward", hint="square of the activation h")
def pre_activation_squared(
    params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
) -> dict[str, Tensor]:
    grad_y = (outputs["y_hat"] - Y) / len(Y)
    grad_h = grad_y @ params["Wy"] * (1 - outputs["h_tilde"] ** 2)
    return {
        "Wh": grad_h.T @ outputs["X"],
        "bh": grad_h.sum(dim=0),
        "Wy": grad_y.T @ outputs["h"],
        "by": grad_y.sum(dim=0),
    }


@wrong("backward", hint="derivative of the sigmoid")
def sigmoid_derivative(
    params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
) -> dict[str, Tensor]:
    h = outputs["h"]
    grad_y = (outputs["y_hat"] - Y) / len(Y)
    grad_h = grad_y @ params["Wy"] * h * (1 - h)
    return {
        "Wh": grad_h.T @ outputs["X"],
        "bh": grad_h.sum(dim=0),
        "Wy": grad_y.T @ h,
        "by": grad_y.sum(dim=0),
    }


@wrong("backward", hint="softmax and cross-entropy together")
def softmax_derivative_once_more(
    params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
) -> dict[str, Tensor]:
    y_hat = outputs["y_hat"]
    grad_y = (y_hat - Y) * y_hat * (1 - y_hat) / len(Y)
    grad_h = grad_y @ params["Wy"] * (1 - outputs["h"] ** 2)
    return {
        "Wh": grad_h.T @ outputs["X"],
        "bh": grad_h.sum(dim=0),
        "Wy": grad_y.T @ outputs["h"],
        "by": grad_y.sum(dim=0),
    }


@wrong("backward", hint="pre-activations instead of the predictions")
def pre_activation_minus_target(
    params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
) -> dict[str, Tensor]:
    grad_y = (outputs["y_tilde"] - Y) / len(Y)
    grad_h = grad_y @ params["Wy"] * (1 - outputs["h"] ** 2)
    return {
        "Wh": grad_h.T @ outputs["X"],
        "bh": grad_h.sum(dim=0),
        "Wy": grad_y.T @ outputs["h"],
        "by": grad_y.sum(dim=0),
    }


@wrong("backward", hint="what went into the output layer is h")
def output_weights_with_pre_activations(
    params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
) -> dict[str, Tensor]:
    grad_y = (outputs["y_hat"] - Y) / len(Y)
    grad_h = grad_y @ params["Wy"] * (1 - outputs["h"] ** 2)
    return {
        "Wh": grad_h.T @ outputs["X"],
        "bh": grad_h.sum(dim=0),
        "Wy": grad_y.T @ outputs["h_tilde"],
        "by": grad_y.sum(dim=0),
    }


@wrong("backward", hint="is transposed")
def weight_gradients_transposed(
    params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
) -> dict[str, Tensor]:
    grad_y = (outputs["y_hat"] - Y) / len(Y)
    grad_h = grad_y @ params["Wy"] * (1 - outputs["h"] ** 2)
    return {
        "Wh": outputs["X"].T @ grad_h,
        "bh": grad_h.sum(dim=0),
        "Wy": outputs["h"].T @ grad_y,
        "by": grad_y.sum(dim=0),
    }


@wrong("backward", hint="sum it over the batch")
def bias_gradients_of_each_example(
    params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
) -> dict[str, Tensor]:
    grad_y = (outputs["y_hat"] - Y) / len(Y)
    grad_h = grad_y @ params["Wy"] * (1 - outputs["h"] ** 2)
    return {
        "Wh": grad_h.T @ outputs["X"],
        "bh": grad_h,
        "Wy": grad_y.T @ outputs["h"],
        "by": grad_y,
    }


@wrong("backward", hint="over the wrong axis")
def bias_gradients_summed_over_units(
    params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
) -> dict[str, Tensor]:
    grad_y = (outputs["y_hat"] - Y) / len(Y)
    grad_h = grad_y @ params["Wy"] * (1 - outputs["h"] ** 2)
    return {
        "Wh": grad_h.T @ outputs["X"],
        "bh": grad_h.sum(dim=1),
        "Wy": grad_y.T @ outputs["h"],
        "by": grad_y.sum(dim=1),
    }


@wrong("backward", hint="Write down the shape of every matrix")
def error_sent_back_through_the_wrong_weights(
    params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
) -> dict[str, Tensor]:
    grad_y = (outputs["y_hat"] - Y) / len(Y)
    grad_h = grad_y @ params["Wh"] * (1 - outputs["h"] ** 2)
    return {
        "Wh": grad_h.T @ outputs["X"],
        "bh": grad_h.sum(dim=0),
        "Wy": grad_y.T @ outputs["h"],
        "by": grad_y.sum(dim=0),
    }


@wrong("backward", hint="belongs to the caller")
def predictions_overwritten(
    params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
) -> dict[str, Tensor]:
    grad_y = outputs["y_hat"]
    grad_y -= Y
    grad_y /= len(Y)
    grad_h = grad_y @ params["Wy"] * (1 - outputs["h"] ** 2)
    return {
        "Wh": grad_h.T @ outputs["X"],
        "bh": grad_h.sum(dim=0),
        "Wy": grad_y.T @ outputs["h"],
        "by": grad_y.sum(dim=0),
    }


@wrong("backward", hint="the keys of params")
def keys_renamed(
    params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
) -> dict[str, Tensor]:
    grad_y = (outputs["y_hat"] - Y) / len(Y)
    grad_h = grad_y @ params["Wy"] * (1 - outputs["h"] ** 2)
    return {
        "dWh": grad_h.T @ outputs["X"],
        "dbh": grad_h.sum(dim=0),
        "dWy": grad_y.T @ outputs["h"],
        "dby": grad_y.sum(dim=0),
    }


@wrong("backward", hint="automatic differentiation is off")
def with_autograd(
    params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
) -> dict[str, Tensor]:
    leaves = {name: value.clone().requires_grad_(True) for name, value in params.items()}
    h = torch.tanh(outputs["X"] @ leaves["Wh"].T + leaves["bh"])
    y_tilde = h @ leaves["Wy"].T + leaves["by"]
    (torch.logsumexp(y_tilde, dim=1) - (Y * y_tilde).sum(dim=1)).mean().backward()
    return {name: value.grad for name, value in leaves.items() if value.grad is not None}


@right("backward")
def mean_taken_at_the_end(
    params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
) -> dict[str, Tensor]:
    error = outputs["y_hat"] - Y
    back = error.mm(params["Wy"]).mul(1 - torch.tanh(outputs["h_tilde"]).pow(2))
    return {
        "by": error.mean(0),
        "Wy": torch.einsum("by,bh->byh", error, outputs["h"]).mean(0),
        "bh": back.mean(0),
        "Wh": torch.einsum("bh,bx->bhx", back, outputs["X"]).mean(0),
    }


@right("backward")
def loop_over_the_batch(
    params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
) -> dict[str, Tensor]:
    grads = {name: torch.zeros_like(value) for name, value in params.items()}
    for b in range(Y.shape[0]):
        error = outputs["y_hat"][b] - Y[b]
        back = (params["Wy"].T @ error) / torch.cosh(outputs["h_tilde"][b]) ** 2
        grads["Wy"] += torch.outer(error, outputs["h"][b]) / Y.shape[0]
        grads["by"] += error / Y.shape[0]
        grads["Wh"] += torch.outer(back, outputs["X"][b]) / Y.shape[0]
        grads["bh"] += back / Y.shape[0]
    return grads


# numerical_gradient


@wrong("numerical_gradient", hint="to one side")
def forward_difference(
    f: Callable[[Tensor], Tensor | float], x: Tensor, eps: float = 1e-5
) -> Tensor:
    gradient, before = torch.zeros_like(x), float(f(x))
    for index in itertools.product(*map(range, x.shape)):
        shifted = x.clone()
        shifted[index] += eps
        gradient[index] = (float(f(shifted)) - before) / eps
    return gradient


@wrong("numerical_gradient", hint="2 eps apart")
def divided_by_eps(f: Callable[[Tensor], Tensor | float], x: Tensor, eps: float = 1e-5) -> Tensor:
    gradient = torch.zeros_like(x)
    for index in itertools.product(*map(range, x.shape)):
        above, below = x.clone(), x.clone()
        above[index] += eps
        below[index] -= eps
        gradient[index] = (float(f(above)) - float(f(below))) / eps
    return gradient


@wrong("numerical_gradient", hint="eps that the caller gives")
def own_step_size(f: Callable[[Tensor], Tensor | float], x: Tensor, eps: float = 1e-5) -> Tensor:
    eps = 1e-5
    gradient = torch.zeros_like(x)
    for index in itertools.product(*map(range, x.shape)):
        above, below = x.clone(), x.clone()
        above[index] += eps
        below[index] -= eps
        gradient[index] = (float(f(above)) - float(f(below))) / (2 * eps)
    return gradient


@wrong("numerical_gradient", hint="put each coordinate back")
def never_put_back(f: Callable[[Tensor], Tensor | float], x: Tensor, eps: float = 1e-5) -> Tensor:
    gradient = torch.zeros_like(x)
    for index in itertools.product(*map(range, x.shape)):
        x[index] += eps
        above = float(f(x))
        x[index] -= 2 * eps
        below = float(f(x))
        gradient[index] = (above - below) / (2 * eps)
    return gradient


@wrong("numerical_gradient", hint="rounding error")
def put_back_by_arithmetic(
    f: Callable[[Tensor], Tensor | float], x: Tensor, eps: float = 1e-5
) -> Tensor:
    gradient = torch.zeros_like(x)
    for index in itertools.product(*map(range, x.shape)):
        x[index] += eps
        above = float(f(x))
        x[index] -= 2 * eps
        below = float(f(x))
        x[index] += eps
        gradient[index] = (above - below) / (2 * eps)
    return gradient


@wrong("numerical_gradient", hint="moved at once")
def whole_tensor_moved(
    f: Callable[[Tensor], Tensor | float], x: Tensor, eps: float = 1e-5
) -> Tensor:
    return torch.full_like(x, (float(f(x + eps)) - float(f(x - eps))) / (2 * eps))


@wrong("numerical_gradient", hint="opposite sign")
def below_minus_above(
    f: Callable[[Tensor], Tensor | float], x: Tensor, eps: float = 1e-5
) -> Tensor:
    gradient = torch.zeros_like(x)
    for index in itertools.product(*map(range, x.shape)):
        above, below = x.clone(), x.clone()
        above[index] += eps
        below[index] -= eps
        gradient[index] = (float(f(below)) - float(f(above))) / (2 * eps)
    return gradient


@wrong("numerical_gradient", hint="give it the shape of x")
def gradient_left_flat(
    f: Callable[[Tensor], Tensor | float], x: Tensor, eps: float = 1e-5
) -> Tensor:
    slopes = []
    for step in eps * torch.eye(x.numel(), dtype=x.dtype):
        step = step.reshape(x.shape)
        slopes.append((float(f(x + step)) - float(f(x - step))) / (2 * eps))
    return torch.tensor(slopes, dtype=x.dtype)


@wrong("numerical_gradient", hint="dtype of x")
def gradient_in_single_precision(
    f: Callable[[Tensor], Tensor | float], x: Tensor, eps: float = 1e-5
) -> Tensor:
    gradient = torch.zeros(x.shape)
    for index in itertools.product(*map(range, x.shape)):
        above, below = x.clone(), x.clone()
        above[index] += eps
        below[index] -= eps
        gradient[index] = (float(f(above)) - float(f(below))) / (2 * eps)
    return gradient


@wrong("numerical_gradient", hint="any shape")
def for_matrices_only(
    f: Callable[[Tensor], Tensor | float], x: Tensor, eps: float = 1e-5
) -> Tensor:
    gradient = torch.zeros_like(x)
    rows, columns = x.shape
    for i in range(rows):
        for j in range(columns):
            above, below = x.clone(), x.clone()
            above[i, j] += eps
            below[i, j] -= eps
            gradient[i, j] = (float(f(above)) - float(f(below))) / (2 * eps)
    return gradient


@wrong("numerical_gradient", hint="two evaluations")
def one_extra_evaluation_per_coordinate(
    f: Callable[[Tensor], Tensor | float], x: Tensor, eps: float = 1e-5
) -> Tensor:
    gradient = torch.zeros_like(x)
    for index in itertools.product(*map(range, x.shape)):
        above, below = x.clone(), x.clone()
        above[index] += eps
        below[index] -= eps
        right = (float(f(above)) - float(f(x))) / eps
        left = (float(f(x)) - float(f(below))) / eps
        gradient[index] = (left + right) / 2
    return gradient


@wrong("numerical_gradient", hint="float(...)")
def item_of_a_float(f: Callable[[Tensor], Tensor], x: Tensor, eps: float = 1e-5) -> Tensor:
    gradient = torch.zeros_like(x)
    for index in itertools.product(*map(range, x.shape)):
        above, below = x.clone(), x.clone()
        above[index] += eps
        below[index] -= eps
        gradient[index] = (f(above).item() - f(below).item()) / (2 * eps)
    return gradient


@right("numerical_gradient")
def coordinates_saved_and_restored(
    f: Callable[[Tensor], Tensor | float], x: Tensor, eps: float = 1e-5
) -> Tensor:
    gradient = torch.empty_like(x)
    for index in np.ndindex(*x.shape):
        saved = x[index].item()
        x[index] = saved + eps
        above = f(x)
        x[index] = saved - eps
        below = f(x)
        x[index] = saved
        gradient[index] = (above - below) / (2 * eps)
    return gradient


@right("numerical_gradient")
def slopes_collected_in_a_list(
    f: Callable[[Tensor], Tensor | float], x: Tensor, eps: float = 1e-5
) -> Tensor:
    centre = f(x)
    steps = [eps * unit.reshape(x.shape) for unit in torch.eye(x.numel()).to(x)]
    above = [float(f(x + step)) for step in steps]
    below = [float(f(x - step)) for step in steps]
    slopes = [(a - b) / 2 / eps for a, b in zip(above, below, strict=True)]
    assert math.isfinite(float(centre))
    return torch.tensor(slopes, dtype=x.dtype).reshape(x.shape)


# sgd


@wrong("sgd", hint="uphill")
def ascent(params: dict[str, Tensor], grads: dict[str, Tensor], eta: float) -> None:
    for name in params:
        params[name] += eta * grads[name]


@wrong("sgd", hint="in place")
def tensors_replaced(params: dict[str, Tensor], grads: dict[str, Tensor], eta: float) -> None:
    for name in params:
        params[name] = params[name] - eta * grads[name]


@wrong("sgd", hint="nothing has changed")
def new_dict_returned(
    params: dict[str, Tensor], grads: dict[str, Tensor], eta: float
) -> dict[str, Tensor]:
    return {name: params[name] - eta * grads[name] for name in params}


@wrong("sgd", hint="nothing has changed")
def local_name_rebound(params: dict[str, Tensor], grads: dict[str, Tensor], eta: float) -> None:
    for name, value in params.items():
        value = value - eta * grads[name]


@wrong("sgd", hint="biases move too")
def weights_moved_alone(params: dict[str, Tensor], grads: dict[str, Tensor], eta: float) -> None:
    params["Wh"] -= eta * grads["Wh"]
    params["Wy"] -= eta * grads["Wy"]


@wrong("sgd", hint="learning rate is missing")
def learning_rate_missing(params: dict[str, Tensor], grads: dict[str, Tensor], eta: float) -> None:
    for name in params:
        params[name] -= grads[name]


@wrong("sgd", hint="instead of being moved")
def replaced_by_the_step(params: dict[str, Tensor], grads: dict[str, Tensor], eta: float) -> None:
    for name in params:
        params[name].copy_(-eta * grads[name])


@wrong("sgd", hint="shrunk")
def learning_rate_scales_the_parameters(
    params: dict[str, Tensor], grads: dict[str, Tensor], eta: float
) -> None:
    for name in params:
        params[name].sub_(grads[name]).mul_(eta)


@wrong("sgd", hint="belongs to the caller")
def gradients_scaled_in_place(
    params: dict[str, Tensor], grads: dict[str, Tensor], eta: float
) -> None:
    for name in params:
        params[name] -= grads[name].mul_(eta)


@wrong("sgd", hint="belongs to the caller")
def gradients_set_to_zero(params: dict[str, Tensor], grads: dict[str, Tensor], eta: float) -> None:
    for name in params:
        params[name] -= eta * grads[name]
        grads[name].zero_()


@wrong("sgd", hint="by name")
def matched_by_position(params: dict[str, Tensor], grads: dict[str, Tensor], eta: float) -> None:
    for value, gradient in zip(params.values(), grads.values(), strict=True):
        value -= eta * gradient


@right("sgd")
def in_place_methods(
    params: dict[str, Tensor], grads: dict[str, Tensor], eta: float
) -> dict[str, Tensor]:
    with torch.no_grad():
        for name, gradient in grads.items():
            params[name].add_(gradient, alpha=-eta)
    return params


@right("sgd")
def every_entry_assigned(params: dict[str, Tensor], grads: dict[str, Tensor], eta: float) -> None:
    params["Wh"][...] = params["Wh"] - eta * grads["Wh"]
    params["bh"][:] = params["bh"] - eta * grads["bh"]
    params["Wy"].data -= eta * grads["Wy"].data
    params["by"].copy_(params["by"] - grads["by"] * eta)


# minibatches


@wrong("minibatches", hint="last batch is dropped")
def last_batch_dropped(
    X: Tensor, Y: Tensor, batch_size: int, generator: torch.Generator | None = None
) -> list[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(X), generator=generator)
    pieces = [order[i * batch_size :][:batch_size] for i in range(len(X) // batch_size)]
    return [(X[rows], Y[rows]) for rows in pieces]


@wrong("minibatches", hint="one permutation for both")
def shuffled_separately(
    X: Tensor, Y: Tensor, batch_size: int, generator: torch.Generator | None = None
) -> list[tuple[Tensor, Tensor]]:
    X = X[torch.randperm(len(X), generator=generator)]
    Y = Y[torch.randperm(len(Y), generator=generator)]
    return list(zip(X.split(batch_size), Y.split(batch_size), strict=True))


@wrong("minibatches", hint="Y keeps its old order")
def inputs_shuffled_alone(
    X: Tensor, Y: Tensor, batch_size: int, generator: torch.Generator | None = None
) -> list[tuple[Tensor, Tensor]]:
    X = X[torch.randperm(len(X), generator=generator)]
    return list(zip(X.split(batch_size), Y.split(batch_size), strict=True))


@wrong("minibatches", hint="in their old order")
def not_shuffled(
    X: Tensor, Y: Tensor, batch_size: int, generator: torch.Generator | None = None
) -> list[tuple[Tensor, Tensor]]:
    return list(zip(X.split(batch_size), Y.split(batch_size), strict=True))


@wrong("minibatches", hint="neighbours")
def batches_shuffled_but_not_examples(
    X: Tensor, Y: Tensor, batch_size: int, generator: torch.Generator | None = None
) -> list[tuple[Tensor, Tensor]]:
    pieces = torch.arange(len(X)).split(batch_size)
    full, rest = list(pieces[: len(X) // batch_size]), list(pieces[len(X) // batch_size :])
    order = torch.randperm(len(full), generator=generator).tolist()
    return [(X[rows], Y[rows]) for rows in [full[i] for i in order] + rest]


@wrong("minibatches", hint="neighbours")
def shuffled_inside_the_batches(
    X: Tensor, Y: Tensor, batch_size: int, generator: torch.Generator | None = None
) -> list[tuple[Tensor, Tensor]]:
    batches = []
    for X_batch, Y_batch in zip(X.split(batch_size), Y.split(batch_size), strict=True):
        order = torch.randperm(len(X_batch), generator=generator)
        batches.append((X_batch[order], Y_batch[order]))
    return batches


@wrong("minibatches", hint="with replacement")
def drawn_with_replacement(
    X: Tensor, Y: Tensor, batch_size: int, generator: torch.Generator | None = None
) -> list[tuple[Tensor, Tensor]]:
    order = torch.randint(len(X), (len(X),), generator=generator)
    return [(X[rows], Y[rows]) for rows in order.split(batch_size)]


@wrong("minibatches", hint="permutation of its own")
def a_new_permutation_for_each_batch(
    X: Tensor, Y: Tensor, batch_size: int, generator: torch.Generator | None = None
) -> list[tuple[Tensor, Tensor]]:
    batches = []
    for start in range(0, len(X), batch_size):
        order = torch.randperm(len(X), generator=generator)
        rows = order[start : start + batch_size]
        batches.append((X[rows], Y[rows]))
    return batches


@wrong("minibatches", hint="not the number of batches")
def batch_size_as_number_of_batches(
    X: Tensor, Y: Tensor, batch_size: int, generator: torch.Generator | None = None
) -> list[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(X), generator=generator)
    return [(X[rows], Y[rows]) for rows in order.chunk(batch_size)]


@wrong("minibatches", hint="empty batch")
def one_batch_too_many(
    X: Tensor, Y: Tensor, batch_size: int, generator: torch.Generator | None = None
) -> list[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(X), generator=generator)
    starts = [i * batch_size for i in range(len(X) // batch_size + 1)]
    return [(X[order[i : i + batch_size]], Y[order[i : i + batch_size]]) for i in starts]


@wrong("minibatches", hint="pass the generator")
def order_from_the_global_generator(
    X: Tensor, Y: Tensor, batch_size: int, generator: torch.Generator | None = None
) -> list[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(X))
    return [(X[rows], Y[rows]) for rows in order.split(batch_size)]


@wrong("minibatches", hint="fixed seed")
def order_from_a_fixed_seed(
    X: Tensor, Y: Tensor, batch_size: int, generator: torch.Generator | None = None
) -> list[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(X), generator=torch.Generator().manual_seed(42))
    return [(X[rows], Y[rows]) for rows in order.split(batch_size)]


@wrong("minibatches", hint="belongs to the caller")
def shuffled_in_place(
    X: Tensor, Y: Tensor, batch_size: int, generator: torch.Generator | None = None
) -> list[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(X), generator=generator)
    X[:], Y[:] = X[order].clone(), Y[order].clone()
    return list(zip(X.split(batch_size), Y.split(batch_size), strict=True))


@wrong("minibatches", hint="collect the batches in a list")
def batches_yielded(
    X: Tensor, Y: Tensor, batch_size: int, generator: torch.Generator | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(X), generator=generator)
    for rows in order.split(batch_size):
        yield X[rows], Y[rows]


@right("minibatches")
def slices_of_shuffled_copies(
    X: Tensor, Y: Tensor, batch_size: int, generator: torch.Generator | None = None
) -> list[tuple[Tensor, Tensor]]:
    order = torch.randperm(X.shape[0], generator=generator)
    X, Y = X[order], Y[order]
    batches = []
    for start in range(0, X.shape[0], batch_size):
        batches.append((X[start : start + batch_size], Y[start : start + batch_size]))
    return batches


@right("minibatches")
def order_by_sorting_random_keys(
    X: Tensor, Y: Tensor, batch_size: int, generator: torch.Generator | None = None
) -> list[list[Tensor]]:
    keys = torch.rand(len(X), dtype=torch.float64, generator=generator)
    rows = sorted(range(len(X)), key=keys.tolist().__getitem__)
    batches = []
    while rows:
        chosen, rows = rows[:batch_size], rows[batch_size:]
        batches.append([torch.stack([X[i] for i in chosen]), torch.stack([Y[i] for i in chosen])])
    return batches
