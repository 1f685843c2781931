"""What the checks of the class tasks share: weights copied in by name, and their gradients."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from autograder.checks import tools
from autograder.checks.attention.inputs import SIZES, Tensors, wrong_sizes
from autograder.checks.convolution.inputs import require_shape
from autograder.checks.perceptron.networks import named
from autograder.student import Handle

DETACHED = (
    "every layer takes part in the output, which must carry the graph: no detach, .data or no_grad "
    "in forward"
)
IN_PLACE = "the argument X belongs to the caller: work on a copy, without in-place operations on it"
NAMES = "the layers keep the names that __init__ gives them: weights are copied in by name"
SAME = "the layers keep the sizes that __init__ gives them: leave it as it is"

Formula = Callable[[Mapping[str, Tensor], Tensor], Tensor]


def random_weights(rng: torch.Generator, module: Callable[..., nn.Module], *sizes: int) -> Tensors:
    """Random weights under the names and in the shapes of a module of these sizes."""
    with torch.device("meta"):  # no weights of its own: they would move the global generator
        own = module(*sizes).state_dict()
    return {
        name: torch.randn(value.shape, generator=rng) * 2 / max(value.shape[1:].numel(), 2) ** 0.5
        for name, value in own.items()
    }


def loaded(model: Any, values: Mapping[str, Tensor]) -> Handle:
    """The student's module with these weights; what else it holds stays as it is."""
    if not isinstance(model, Handle):
        raise tools.Mistake(f"a module is expected, and {tools.described(model)} came")
    own = named(model.state_dict())
    for name, value in values.items():
        tools.require(name in own, f"the module has no {name}", NAMES)
        came, asked = tuple(own[name].shape), tuple(value.shape)
        tools.require(came == asked, f"{name} must have shape {asked}, and has shape {came}", SAME)
    model.load_state_dict(own | {name: value.clone() for name, value in values.items()})
    return model


def output(
    model: Handle,
    X: Tensor,
    mask: Tensor | None = None,
    wrong_shapes: Mapping[str, tuple[int, ...]] | None = None,
    sizes: str = SIZES,
) -> Tensor:
    """What the module gives for tokens, of their shape; it leaves its arguments as they were.

    `wrong_shapes` are shapes that mistakes give, `sizes` explains sizes that do not fit together.
    """
    arguments = [value.clone() for value in (X, mask) if value is not None]
    with wrong_sizes(sizes), tools.wrong_view(), _graph_in_an_argument():
        value = model(*arguments)
    came = require_shape("the output", value, X.shape, wrong_shapes or {})
    tools.unchanged("X", X, arguments[0])
    if mask is not None:
        tools.unchanged("mask", mask, arguments[1])
    return came


def _graph_in_an_argument() -> AbstractContextManager[None]:
    """Explain what an operation in place leaves in X: a tensor that carries a graph."""
    return tools.explained(IN_PLACE, "changed its type")


def linear(values: Mapping[str, Tensor], layer: str, X: Tensor) -> Tensor:
    """A linear layer of the given weights."""
    return X @ values[f"{layer}.weight"].T + values[f"{layer}.bias"]


def check_gradients(
    rng: torch.Generator, model: Handle, values: Tensors, X: Tensor, formula: Formula
) -> None:
    """Compare the gradient of every parameter with autograd's through the formula."""
    with wrong_sizes(), _graph_in_an_argument():
        result = model(X)
    tools.tensor("the output", result, X.shape)
    tools.require(isinstance(result, Handle), "the output carries no graph", DETACHED)
    upstream = torch.randn(X.shape, generator=rng)
    result.backward(upstream)
    found = named(model.parameters())
    leaves = {name: value.double().requires_grad_() for name, value in values.items()}
    outcome = formula(leaves, X.double())
    gradients = torch.autograd.grad(outcome, list(leaves.values()), upstream.double())
    for name, expected in zip(leaves, gradients, strict=True):
        gradient = found[name].grad if name in found else None
        if gradient is None:
            raise tools.Mistake(f"{name} gets no gradient", DETACHED)
        scale = 1 + float(expected.abs().max())
        tools.close(f"the gradient of {name}", gradient, expected, rtol=1e-3, atol=1e-4 * scale)
