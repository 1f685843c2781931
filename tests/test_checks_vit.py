"""The checks of `vit` where an answer is stranger than the named wrong ones."""

from typing import Any

import pytest
import torch
from torch import nn

from autograder.assignment import Assignment
from autograder.checking import run_checks
from autograder.student import LocalChannel, Student
from solutions.vit import ViT
from tests.matrix import SECRET, failures_of_reference, forbidden_in, graded, reference_namespace
from tests.strange import STRANGE, require_failure

ASSIGNMENT = Assignment.load("vit")
NUMBERS = [task.name for task in ASSIGNMENT.tasks if task.kind == "number"]
FUNCTIONS = [task.name for task in ASSIGNMENT.tasks if task.kind in ("function", "class")]


@pytest.mark.parametrize("name", STRANGE)
def test_no_strange_value_breaks_a_check_or_earns_full_marks(name: str) -> None:
    strange = STRANGE[name]
    namespace: dict[str, Any] = dict.fromkeys(NUMBERS, strange)
    namespace |= dict.fromkeys(FUNCTIONS, lambda *args, **options: strange)
    require_failure(ASSIGNMENT, namespace, [*FUNCTIONS, *NUMBERS])


@pytest.mark.parametrize("name", STRANGE)
def test_a_model_and_a_list_of_losses_may_be_strange_inside(name: str) -> None:
    strange = STRANGE[name]

    class Strange(ViT):
        def forward(self, X: Any) -> Any:
            return strange

    def fit(model: nn.Module, X: Any, y: Any, epochs: int, *args: Any, **options: Any) -> Any:
        return [strange] * epochs

    require_failure(ASSIGNMENT, {"ViT": Strange, "fit": fit}, ["ViT", "fit"])


@pytest.mark.parametrize("secret", [b"first", b"second"])
def test_reference_passes_whatever_the_hidden_inputs_are(secret: bytes) -> None:
    assert failures_of_reference(ASSIGNMENT, FUNCTIONS, secret) == []


def stub(*args: Any, **options: Any) -> Any:
    raise NotImplementedError


@pytest.mark.parametrize("task", FUNCTIONS)
def test_no_task_needs_another(task: str) -> None:
    namespace = dict.fromkeys(FUNCTIONS, stub) | {task: reference_namespace(ASSIGNMENT)[task]}
    verdict = graded(ASSIGNMENT, task, Student(LocalChannel(namespace)))
    assert verdict.status == "correct", verdict.failures


def test_a_model_that_cannot_learn_fails_by_its_accuracy() -> None:
    class Frozen(ViT):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            nn.init.zeros_(self.patch_embedding.weight)
            self.patch_embedding.weight.requires_grad_(False)

    student = Student(LocalChannel({"ViT": Frozen}))
    outcomes = run_checks(ASSIGNMENT, student, ["ViT"], secret=SECRET)
    messages = [outcome.failure.message for outcome in outcomes if outcome.failure]
    assert any("of the test images are recognised" in message for message in messages)


def test_a_training_without_enough_steps_fails_by_its_accuracy() -> None:
    def lazy(model: nn.Module, X: Any, y: Any, epochs: int, *args: Any, **options: Any) -> Any:
        return [1.0] * epochs

    student = Student(LocalChannel({"fit": lazy}))
    outcomes = run_checks(ASSIGNMENT, student, ["fit"], secret=SECRET)
    messages = [outcome.failure.message for outcome in outcomes if outcome.failure]
    assert any("of the test images are recognised" in message for message in messages)


def test_extra_attributes_are_allowed() -> None:
    class WithMore(ViT):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.note = "mine"
            self.last_output: Any = None
            self.drop = nn.Dropout(0.0)

        def forward(self, X: torch.Tensor) -> torch.Tensor:
            self.last_output = super().forward(self.drop(X))
            return self.last_output

    verdict = graded(ASSIGNMENT, "ViT", Student(LocalChannel({"ViT": WithMore})))
    assert verdict.status == "correct", verdict.failures


@pytest.mark.parametrize(
    ("task", "line"),
    [
        (
            "vit_parameters",
            "layer = nn.TransformerEncoderLayer(8, 2); return len(layer)",
        ),
        ("vit_parameters", "return count(VisionTransformer(8, 4, 2, 2, 8, 16))"),
        ("ViT", "return tv.models.vit_b_16()"),
    ],
)
def test_the_call_that_would_replace_the_task_is_forbidden(task: str, line: str) -> None:
    imports = (
        "import torch\nfrom torch import nn\nimport torchvision as tv\n"
        "from torchvision.models import VisionTransformer\n"
    )
    assert forbidden_in(ASSIGNMENT, task, imports, line)
