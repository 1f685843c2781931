"""What the checks of the networks share: networks on both sides, wrong losses, hints."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from autograder.checks import tools
from autograder.checks.tools import Mistake
from autograder.student import Handle, Student, StudentError

SUMMED = "the loss is the mean over the batch: here it is summed"
MEAN_TWICE = "the mean over the batch is taken twice: the loss has it already"
SOFTMAX_TWICE = "softmax is applied twice: cross-entropy takes pre-activations and has one inside"
SQUARED = "this is the squared error of the probabilities; the loss is the cross-entropy"
OVERFLOW = "exp or log overflows for large pre-activations: use logsumexp, log_softmax or the loss"
NO_GRAD = "autograd tracks the update of its own leaves: update inside `with torch.no_grad():`"
IN_PLACE = (
    "the caller's parameters have not moved: change them in place (`p -= ...`, where "
    "`p = p - ...` makes a new tensor), and clear the gradients after the step, not before the step"
)
ONLY_WEIGHTS = "the weights move and the biases stay: every bias is a parameter as well"
NOT_ZEROED = "the gradient of the step before is still in it: zero the gradients in each step"
CLIMBS = "the sign of the step is wrong: it climbs, and descent goes against the gradient"
DETACHED = "the loss carries no graph: no .item(), detach or no_grad may stand before backward"


def one_hot(labels: Tensor, n_classes: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """One-hot rows of whole-number labels."""
    return functional.one_hot(labels, n_classes).to(dtype)


def batch(
    rng: torch.Generator, size: int, n_x: int, n_y: int, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """Random inputs and random one-hot targets."""
    X = torch.randn(size, n_x, generator=rng, dtype=dtype)
    return X, one_hot(torch.randint(n_y, (size,), generator=rng), n_y, dtype)


def entropy_of_softmax(Y_tilde: Tensor, Y: Tensor) -> Tensor:
    """The wrong loss that a softmax before the library's cross-entropy gives."""
    return functional.cross_entropy(torch.softmax(Y_tilde, dim=1), Y)


def squared_error(Y_tilde: Tensor, Y: Tensor) -> Tensor:
    """The wrong loss of regression, on probabilities."""
    return functional.mse_loss(torch.softmax(Y_tilde, dim=1), Y)


def twin(
    student: Student, rng: torch.Generator, *sizes: int, dtype: torch.dtype = torch.float64
) -> tuple[Handle, nn.Module]:
    """The same linear-tanh-...-linear network twice: in the worker and here."""
    layers: list[nn.Module] = []
    handles: list[Handle] = []
    for n_in, n_out in pairwise(sizes):
        if layers:
            layers.append(nn.Tanh())
            handles.append(student.build("torch.nn.Tanh"))
        layer = nn.Linear(n_in, n_out, dtype=dtype)
        for parameter in layer.parameters():
            parameter.data = torch.randn(parameter.shape, generator=rng, dtype=dtype)
        layers.append(layer)
        handles.append(student.build("torch.nn.Linear", n_in, n_out, dtype=dtype))
    ours, theirs = nn.Sequential(*layers), student.build("torch.nn.Sequential", *handles)
    theirs.load_state_dict(dict(ours.state_dict()))
    return theirs, ours


def gradients_of(model: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """The gradient of every parameter, by autograd."""
    names, parameters = zip(*model.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, parameters, retain_graph=True), strict=True))


def named(values: Any) -> dict[str, Tensor]:
    """A model's parameters or its state as the worker sent them, verified to be tensors by name."""
    if not isinstance(values, dict) or not values:
        raise Mistake("the module has no parameters")
    for name, value in values.items():
        tools.tensor(str(name), value, None)
    return values


def stepped(call: Callable[[], Any]) -> Any:
    """The result of a step, with a hint for the error that a tracked update raises."""
    try:
        return call()
    except StudentError as error:
        if "leaf Variable" in error.message:
            raise Mistake(f"your code raised {error}"[:600], NO_GRAD) from None
        raise


def compare_changes(
    before: dict[str, Tensor],
    after: dict[str, Tensor],
    change: dict[str, Tensor],
    mistakes: dict[str, dict[str, Tensor]],
) -> None:
    """Compare the change of every parameter; a mistake is the change that it would make."""
    values = {
        name: tools.tensor(name, after.get(name), old.shape, old.dtype)
        for name, old in before.items()
    }
    came = {name: values[name] - before[name].detach() for name in before}
    still = {name for name, moved in came.items() if not moved.any()}
    tools.require(len(still) < len(came), "no parameter has changed", IN_PLACE)
    if still and all(before[name].dim() == 1 for name in still):
        raise Mistake(f"{', '.join(sorted(still))} did not change", ONLY_WEIGHTS)
    mistakes = mistakes | {CLIMBS: {name: -expected for name, expected in change.items()}}
    for name, expected in change.items():
        wrong = {hint: changes[name] for hint, changes in mistakes.items()}
        tools.close(f"the change of {name}", came[name], expected, wrong)


def random_params(rng: torch.Generator, dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """Leaves that require gradients: parameters of a network of 3 inputs, 5 units, 4 classes."""
    shapes = {"Wh": (5, 3), "bh": (5,), "Wy": (4, 5), "by": (4,)}
    return {
        name: torch.randn(shape, generator=rng, dtype=dtype).requires_grad_()
        for name, shape in shapes.items()
    }


def pair(value: Any) -> tuple[Any, Any]:
    """Loss and accuracy as they were returned."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise Mistake(f"loss and accuracy are expected, and {tools.described(value)} came")
    return value[0], value[1]


def copied(params: dict[str, Tensor]) -> dict[str, Tensor]:
    """Plain copies, without gradients."""
    return {name: value.detach().clone() for name, value in params.items()}


def scaled(gradients: dict[str, Tensor], factor: float) -> dict[str, Tensor]:
    """Every gradient times a factor."""
    return {name: factor * gradient for name, gradient in gradients.items()}
