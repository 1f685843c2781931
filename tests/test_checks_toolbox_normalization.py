"""The checks of `toolbox_normalization` where an answer is stranger than the named wrong ones."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from autograder.assignment import Assignment
from autograder.checking import forbidden_calls, run_checks
from autograder.student import LocalChannel, Student
from tests.matrix import SECRET, failures_of_reference, forbidden_in, graded, reference_namespace
from tests.strange import STRANGE, require_failure

ASSIGNMENT = Assignment.load("toolbox_normalization")
NUMBERS = [task.name for task in ASSIGNMENT.tasks if task.kind == "number"]
FUNCTIONS = [task.name for task in ASSIGNMENT.tasks if task.kind == "function"]
FORWARDS = [task for task in FUNCTIONS if task.endswith("forward")]
BACKWARDS = {
    "batchnorm_backward": "batchnorm_forward",
    "batchnorm_backward_alt": "batchnorm_forward",
    "layernorm_backward": "layernorm_forward",
    "spatial_batchnorm_backward": "spatial_batchnorm_forward",
    "spatial_groupnorm_backward": "spatial_groupnorm_forward",
    "dropout_backward": "dropout_forward",
}


def student_with(**answers: Any) -> Student:
    """A notebook with every reference answer, some of them replaced."""
    return Student(LocalChannel(reference_namespace(ASSIGNMENT) | answers))


@pytest.mark.parametrize("name", STRANGE)
def test_no_strange_value_breaks_a_check_or_earns_full_marks(name: str) -> None:
    strange = STRANGE[name]
    answers = {task: (strange,) * (2 if task in FORWARDS else 3) for task in FUNCTIONS}
    fails_everything(strange, answers | {"dropout_backward": strange})


@pytest.mark.parametrize("name", ["nothing", "text", "function", "array", "five axes"])
def test_a_strange_value_without_its_container_fails_alike(name: str) -> None:
    fails_everything(STRANGE[name], dict.fromkeys(FUNCTIONS, STRANGE[name]))


def fails_everything(number: Any, answers: dict[str, Any]) -> None:
    """Every task fails, and no check falls over what came."""
    namespace: dict[str, Any] = dict.fromkeys(NUMBERS, number)
    namespace |= {name: lambda *args, answer=answer: answer for name, answer in answers.items()}
    require_failure(ASSIGNMENT, namespace, [*FUNCTIONS, *NUMBERS])


@pytest.mark.parametrize("name", ["nothing", "array", "nan", "function"])
@pytest.mark.parametrize("task", BACKWARDS)
def test_strange_gradients_of_a_right_forward_pass(task: str, name: str) -> None:
    strange = STRANGE[name]
    answer = strange if task == "dropout_backward" else (strange, strange, strange)
    namespace = reference_namespace(ASSIGNMENT) | {task: lambda *args: answer}
    outcomes = require_failure(ASSIGNMENT, namespace, [task])
    assert all(outcome.failure for outcome in outcomes)


@pytest.mark.parametrize("secret", [b"first", b"second", b"third"])
def test_reference_passes_whatever_the_hidden_inputs_are(secret: bytes) -> None:
    assert failures_of_reference(ASSIGNMENT, FUNCTIONS, secret) == []


# ---- caches -------------------------------------------------------------------------------------


class Kept:
    """A cache of a student's own."""

    def __init__(self, content: Any) -> None:
        self.content = content


class Named(NamedTuple):
    content: Any


class Attributes(dict):
    """A dict whose keys are its attributes."""

    __getattr__ = dict.__getitem__


PACKED: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "tuple": (lambda cache: (cache,), lambda kept: kept[0]),
    "list": (lambda cache: [cache, "a note"], lambda kept: kept[0]),
    "dict": (lambda cache: {"cache": cache}, lambda kept: kept["cache"]),
    "object": (Kept, lambda kept: kept.content),
    "named tuple": (Named, lambda kept: kept.content),
    "named tuple in a dict": (lambda cache: {"x": Named(cache)}, lambda kept: kept["x"].content),
    "dict with attributes": (
        lambda cache: Attributes(content=cache, note="mine"),
        lambda kept: kept.content,
    ),
    "object in a tuple": (lambda cache: (Kept(cache), 1), lambda kept: kept[0].content),
    "function": (lambda cache: lambda: cache, lambda kept: kept()),
}


@pytest.mark.parametrize("style", PACKED)
def test_a_cache_may_be_anything(style: str) -> None:
    pack, unpack = PACKED[style]

    def packing(forward: Callable[..., Any], *arguments: Any) -> Any:
        out, cache = forward(*arguments)
        return out, pack(cache)

    answers: dict[str, Any] = {}
    for task in FUNCTIONS:
        reference = ASSIGNMENT.reference(task)
        if task in FORWARDS:
            answers[task] = lambda *args, forward=reference: packing(forward, *args)
        else:
            answers[task] = lambda dout, kept, back=reference: back(dout, unpack(kept))
    outcomes = run_checks(ASSIGNMENT, student_with(**answers), FUNCTIONS, secret=SECRET)
    assert [outcome.failure for outcome in outcomes if outcome.failure] == []


# ---- backward needs forward ---------------------------------------------------------------------


def stub(*arguments: Any) -> Any:
    raise NotImplementedError("write your answer here")


def raises(*arguments: Any) -> Any:
    raise TypeError("unsupported")


def nothing_in_the_cache(*arguments: Any) -> Any:
    return np.zeros_like(arguments[0]), None


@pytest.mark.parametrize("wrong", [stub, raises, nothing_in_the_cache])
@pytest.mark.parametrize("task", [task for task in BACKWARDS if task != "dropout_backward"])
def test_backward_without_a_right_forward_says_so(task: str, wrong: Any) -> None:
    verdict = graded(ASSIGNMENT, task, student_with(**{BACKWARDS[task]: wrong}))
    assert verdict.score == 0
    assert verdict.hints
    assert all("mend forward first" in hint for hint in verdict.hints), verdict.hints


@pytest.mark.parametrize("wrong", [stub, raises])
def test_dropouts_backward_without_a_right_forward_says_so(wrong: Any) -> None:
    verdict = graded(ASSIGNMENT, "dropout_backward", student_with(dropout_forward=wrong))
    assert verdict.score == 0
    assert all("mend forward first" in hint for hint in verdict.hints), verdict.hints


def test_dropouts_gradient_is_that_of_the_students_own_forward() -> None:
    """A wrong scale costs the marks of forward, and not those of backward too."""

    def vanilla(x: np.ndarray, dropout_param: dict[str, Any]) -> Any:
        if dropout_param["mode"] == "test":
            return dropout_param["p"] * x, dropout_param["p"]
        mask = dropout_param["rng"].random(x.shape) < dropout_param["p"]
        return x * mask, mask

    answers = {"dropout_forward": vanilla, "dropout_backward": lambda dout, mask: dout * mask}
    assert graded(ASSIGNMENT, "dropout_backward", student_with(**answers)).status == "correct"
    assert graded(ASSIGNMENT, "dropout_forward", student_with(**answers)).status == "partial"


# ---- what would replace the task ----------------------------------------------------------------

IMPORTS = (
    "import torch\nimport numpy as np\nfrom torch import nn\nimport torch.nn.functional as F\n"
    "from sklearn import preprocessing\n"
)


@pytest.mark.parametrize(
    ("task", "line"),
    [
        (
            "batchnorm_forward",
            "return F.batch_norm(torch.tensor(x), None, None, gamma, beta, True)",
        ),
        ("batchnorm_forward", "return preprocessing.StandardScaler().fit_transform(x)"),
        ("batchnorm_backward", "return torch.autograd.grad(out, leaves, dout)"),
        ("batchnorm_backward_alt", "return torch.func.vjp(normalise, x)[1](dout)"),
        ("layernorm_forward", "return nn.LayerNorm(4)(torch.from_numpy(x)), None"),
        ("layernorm_backward", "return torch.autograd.grad(out, leaves, dout)"),
        ("spatial_batchnorm_forward", "return nn.BatchNorm2d(3)(torch.as_tensor(x)), None"),
        ("spatial_batchnorm_backward", "return torch.autograd.grad(out, leaves, dout)"),
        ("spatial_groupnorm_forward", "return torch.group_norm(torch.asarray(x), G), None"),
        ("spatial_groupnorm_backward", "return torch.autograd.grad(out, leaves, dout)"),
        ("dropout_forward", "return F.dropout(torch.tensor(x), 1 - p).numpy(), None"),
        ("dropout_backward", "return torch.dropout(torch.tensor(dout), 0.5, True)"),
    ],
)
def test_the_call_that_would_replace_the_task_is_forbidden(task: str, line: str) -> None:
    assert forbidden_in(ASSIGNMENT, task, IMPORTS, line)


def test_methods_of_arrays_are_not_forbidden() -> None:
    line = "return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0)), x.sum().item()"
    assert all(not forbidden_in(ASSIGNMENT, task, IMPORTS, line) for task in FUNCTIONS)
    assert set(forbidden_calls(ASSIGNMENT)) == set(FUNCTIONS)
