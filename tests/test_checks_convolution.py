"""The checks of `convolution` where an answer is stranger than the named wrong ones."""

from typing import Any

import numpy as np
import pytest
import torch

from autograder import syntax
from autograder.assignment import Assignment
from autograder.checking import forbidden_calls
from autograder.student import LocalChannel, Student
from tests.matrix import failures_of_reference, forbidden_in, graded, reference_namespace
from tests.strange import STRANGE, require_failure

ASSIGNMENT = Assignment.load("convolution")
NUMBERS = [task.name for task in ASSIGNMENT.tasks if task.kind == "number"]
FUNCTIONS = [task.name for task in ASSIGNMENT.tasks if task.kind == "function"]


@pytest.mark.parametrize("name", STRANGE)
def test_no_strange_value_breaks_a_check_or_earns_full_marks(name: str) -> None:
    strange = STRANGE[name]
    namespace: dict[str, Any] = dict.fromkeys(NUMBERS, strange)
    namespace |= dict.fromkeys(FUNCTIONS, lambda *args, **options: strange)
    namespace["conv2d_backward"] = lambda *args, **options: (strange, strange, strange)
    require_failure(ASSIGNMENT, namespace, [*FUNCTIONS, *NUMBERS])


def test_numbers_of_another_type_are_as_good() -> None:
    namespace = reference_namespace(ASSIGNMENT)
    for name in NUMBERS:
        for kind in (float, np.int64, torch.tensor, np.array):
            student = Student(LocalChannel({name: kind(namespace[name])}))
            assert graded(ASSIGNMENT, name, student).status == "correct"


@pytest.mark.parametrize("secret", [b"first", b"second", b"third"])
def test_reference_passes_whatever_the_hidden_inputs_are(secret: bytes) -> None:
    assert failures_of_reference(ASSIGNMENT, FUNCTIONS, secret) == []


@pytest.mark.parametrize(
    ("task", "line"),
    [
        ("conv2d", "return F.conv2d(X, W, b, stride, padding)"),
        ("conv2d", "return torch.conv2d(X, W, b, stride, padding)"),
        ("conv2d", "layer = nn.Conv2d(2, 3, 3); return layer(X)"),
        ("conv2d", "return signal.correlate2d(X, W)"),
        ("conv2d", "return torch.convolution(X, W, b)"),
        ("conv2d", "return ndimage.correlate(X, W)"),
        ("conv2d", "return np.convolve(X, W)"),
        ("conv2d_backward", "return F.conv_transpose2d(upstream, W)"),
        ("conv2d_backward", "return torch.nn.grad.conv2d_input(X.shape, W, upstream)"),
        ("conv2d_backward", "return torch.autograd.grad(Y, [X, W, b], upstream)"),
        ("conv2d_backward", "Y.backward(upstream)"),
        ("max_pool2d", "return F.max_pool2d(X, kernel, stride)"),
        ("max_pool2d", "return nn.MaxPool2d(kernel, stride)(X)"),
        ("max_pool2d_backward", "Y, chosen = F.max_pool2d(X, kernel, return_indices=True)"),
        ("max_pool2d_backward", "return F.max_unpool2d(upstream, chosen, kernel)"),
        ("avg_pool2d", "return torch.nn.AvgPool2d(kernel, stride)(X)"),
        ("avg_pool2d", "return F.adaptive_avg_pool2d(X, 3)"),
        ("avg_pool2d", "return F.conv2d(X, torch.ones(1, 1, kernel, kernel) / kernel**2)"),
        ("avg_pool2d_backward", "return torch.func.vjp(pool, X)[1](upstream)"),
        ("avg_pool2d_backward", "return F.interpolate(upstream, scale_factor=kernel)"),
    ],
)
def test_the_call_that_would_replace_the_task_is_forbidden(task: str, line: str) -> None:
    imports = (
        "import numpy as np\nimport torch\nfrom torch import nn\nimport torch.nn.functional as F\n"
        "from scipy import ndimage, signal\n"
    )
    assert forbidden_in(ASSIGNMENT, task, imports, line)


@pytest.mark.parametrize("call", ["F.unfold(X, 3)", "F.fold(X, (4, 4), 3)", "X.unfold(2, 3, 1)"])
def test_windows_may_be_collected_by_the_library(call: str) -> None:
    for task, forbidden in forbidden_calls(ASSIGNMENT).items():
        source = f"import torch.nn.functional as F\ndef {task}(X):\n    return {call}\n"
        assert syntax.forbidden_uses([syntax.parsed(source)], task, forbidden) == []
