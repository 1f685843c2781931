"""The checks of `training_convnets` where an answer is stranger than the named wrong ones."""

from typing import Any

import pytest

from autograder.assignment import Assignment
from tests.matrix import failures_of_reference, forbidden_in
from tests.strange import STRANGE, require_failure

ASSIGNMENT = Assignment.load("training_convnets")
NUMBERS = [task.name for task in ASSIGNMENT.tasks if task.kind == "number"]
FUNCTIONS = [task.name for task in ASSIGNMENT.tasks if task.kind in ("function", "class")]
PAIRS = ("epoch", "channel_statistics", "zca_whitening")


@pytest.mark.parametrize("name", STRANGE)
def test_no_strange_value_breaks_a_check_or_earns_full_marks(name: str) -> None:
    strange = STRANGE[name]
    namespace: dict[str, Any] = dict.fromkeys(NUMBERS, strange)
    namespace |= dict.fromkeys(FUNCTIONS, lambda *args, **options: strange)
    namespace |= dict.fromkeys(PAIRS, lambda *args, **options: (strange, strange))
    namespace["batch_norm_backward"] = lambda *args, **options: (strange, strange, strange)
    require_failure(ASSIGNMENT, namespace, [*FUNCTIONS, *NUMBERS])


@pytest.mark.parametrize("secret", [b"first", b"second", b"third"])
def test_reference_passes_whatever_the_hidden_inputs_are(secret: bytes) -> None:
    assert failures_of_reference(ASSIGNMENT, FUNCTIONS, secret) == []


@pytest.mark.parametrize(
    ("task", "line"),
    [
        ("dropout", "return F.dropout(X, p, training)"),
        ("dropout", "return nn.Dropout(p)(X)"),
        ("dropout", "return torch.dropout(X, p, training)"),
        ("momentum_sgd", "torch.optim.SGD(params, lr=eta, momentum=momentum).step()"),
        ("exponential_decay", "return optim.lr_scheduler.ExponentialLR(optimizer, rate)"),
        ("warmup_cosine", "return optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)"),
        ("batch_norm", "return F.batch_norm(X, mean, var, gamma, beta, training)"),
        ("batch_norm", "return nn.BatchNorm2d(3)(X)"),
        ("batch_norm_backward", "return torch.autograd.grad(output, leaves, upstream)"),
        ("batch_norm_backward", "return torch.func.vjp(normalise, X)[1](upstream)"),
        ("random_crop", "return transforms.RandomCrop(8, padding)(X)"),
        ("random_horizontal_flip", "return transforms.functional.hflip(X)"),
        ("standardize", "return transforms.Normalize(mean, std)(X)"),
    ],
)
def test_the_call_that_would_replace_the_task_is_forbidden(task: str, line: str) -> None:
    imports = (
        "import torch\nfrom torch import nn, optim\nimport torch.nn.functional as F\n"
        "from torchvision import transforms\n"
    )
    assert forbidden_in(ASSIGNMENT, task, imports, line)
