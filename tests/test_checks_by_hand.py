"""The checks of the stage by hand where an answer is stranger than the named wrong ones."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from autograder.assignment import Assignment
from autograder.student import LocalChannel, Student
from solutions import by_hand
from tests.matrix import failures_of_reference, forbidden_in, graded, reference_namespace
from tests.strange import STRANGE, require_failure

ASSIGNMENT = Assignment.load("perceptron")
NUMBERS = [task.name for task in ASSIGNMENT.tasks if task.kind == "number"]
FUNCTIONS = [task.name for task in ASSIGNMENT.tasks if hasattr(by_hand, task.name)]
KEYS = ["X", "h_tilde", "h", "y_tilde", "y_hat", "Wh", "bh", "Wy", "by"]


def wrapped(value: Any) -> dict[str, Any]:
    """The value in the containers that the tasks return."""
    by_key, pair = dict.fromkeys(KEYS, value), (value, value)
    return {
        "init_params": by_key,
        "forward": (value, by_key),
        "loss_accuracy": pair,
        "backward": by_key,
        "minibatches": [pair, pair],
    }


@pytest.mark.parametrize("name", STRANGE)
def test_no_strange_value_breaks_a_check_or_earns_full_marks(name: str) -> None:
    namespace: dict[str, Any] = dict.fromkeys(NUMBERS, STRANGE[name])
    answers = dict.fromkeys(FUNCTIONS, STRANGE[name]) | wrapped(STRANGE[name])
    for task, answer in answers.items():
        namespace[task] = lambda *args, answer=answer, **options: answer
    require_failure(ASSIGNMENT, namespace, [*FUNCTIONS, *NUMBERS])


@pytest.mark.parametrize("name", ["nothing", "text", "function", "array", "five axes"])
def test_a_strange_value_without_its_container_fails_alike(name: str) -> None:
    namespace: dict[str, Any] = dict.fromkeys(NUMBERS, STRANGE[name])
    namespace |= dict.fromkeys(FUNCTIONS, lambda *args, **options: STRANGE[name])
    require_failure(ASSIGNMENT, namespace, [*FUNCTIONS, *NUMBERS])


def test_numbers_of_another_type_are_as_good() -> None:
    namespace = reference_namespace(ASSIGNMENT)
    for name in NUMBERS:
        for kind in (float, np.float64, torch.tensor, np.array):
            student = Student(LocalChannel({name: kind(namespace[name])}))
            assert graded(ASSIGNMENT, name, student).status == "correct"


def test_backward_may_read_more_than_the_documented_outputs() -> None:
    def forward(params: dict[str, Tensor], X: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        y_hat, outputs = by_hand.forward(params, X)
        return y_hat, {**outputs, "slope": 1 - outputs["h"] ** 2}

    def backward(
        params: dict[str, Tensor], outputs: dict[str, Tensor], Y: Tensor
    ) -> dict[str, Tensor]:
        grad_y = (outputs["y_hat"] - Y) / len(Y)
        grad_h = grad_y @ params["Wy"] * outputs["slope"]
        return {
            "Wh": grad_h.T @ outputs["X"],
            "bh": grad_h.sum(0),
            "Wy": grad_y.T @ outputs["h"],
            "by": grad_y.sum(0),
        }

    student = Student(LocalChannel({"forward": forward, "backward": backward}))
    assert graded(ASSIGNMENT, "forward", student).status == "correct"
    assert graded(ASSIGNMENT, "backward", student).status == "correct"


def test_a_stub_of_forward_costs_backward_nothing() -> None:
    def stub(params: dict[str, Tensor], X: Tensor) -> None:
        raise NotImplementedError("forward: write your answer here")

    student = Student(LocalChannel({"forward": stub, "backward": by_hand.backward}))
    assert graded(ASSIGNMENT, "backward", student).status == "correct"


def test_a_wrong_forward_costs_backward_only_the_check_that_needs_it() -> None:
    def forward(params: dict[str, Tensor], X: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        return by_hand.forward({**params, "bh": 0 * params["bh"]}, X)

    student = Student(LocalChannel({"forward": forward, "backward": by_hand.backward}))
    verdict = graded(ASSIGNMENT, "backward", student)
    assert verdict.hints == ["put forward right first: backward computes with its outputs"]


@pytest.mark.parametrize("secret", [b"first", b"second", b"third"])
def test_reference_passes_whatever_the_hidden_inputs_are(secret: bytes) -> None:
    assert failures_of_reference(ASSIGNMENT, FUNCTIONS, secret) == []


def test_random_tasks_do_not_depend_on_the_order_of_draws() -> None:
    def backwards(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, generator: Any = None, **options: Any) -> Any:
            torch.rand(17, generator=generator)
            return function(*args, generator=generator, **options)

        return call

    for name in ("init_params", "minibatches"):
        student = Student(LocalChannel({name: backwards(getattr(by_hand, name))}))
        assert graded(ASSIGNMENT, name, student).status == "correct"


@pytest.mark.parametrize(
    ("task", "line"),
    [
        ("init_params", "nn.init.xavier_normal_(W, generator=generator)"),
        ("init_params", "W = nn.Linear(n_x, n_h).weight"),
        ("forward", "return y_tilde.softmax(dim=1)"),
        ("forward", "return torch.softmax(y_tilde, 1)"),
        ("forward", "return nn.Softmax(1)(y_tilde)"),
        ("forward", "return (y_tilde - y_tilde.logsumexp(1, keepdim=True)).exp()"),
        ("loss_accuracy", "return F.cross_entropy(Y_tilde, Y)"),
        ("loss_accuracy", "return -(Y * F.log_softmax(Y_tilde, dim=1)).sum(1).mean()"),
        ("loss_accuracy", "return torch.distributions.Categorical(logits=Y_tilde).entropy()"),
        ("backward", "return torch.autograd.grad(loss, params)"),
        ("backward", "loss.backward()"),
        ("backward", "return torch.func.grad(loss)(params)"),
        ("numerical_gradient", "f(x.requires_grad_()).backward()"),
        ("sgd", "torch.optim.SGD(params.values(), lr=eta).step()"),
        ("minibatches", "return list(DataLoader(TensorDataset(X, Y), batch_size, shuffle=True))"),
    ],
)
def test_the_call_that_would_replace_the_task_is_forbidden(task: str, line: str) -> None:
    imports = (
        "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n"
        "from torch.utils.data import DataLoader, TensorDataset\n"
    )
    assert forbidden_in(ASSIGNMENT, task, imports, line)
