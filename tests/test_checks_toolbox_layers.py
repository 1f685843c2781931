"""The checks of `toolbox_layers` where an answer is stranger than the named wrong ones."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from autograder.assignment import Assignment
from autograder.checks import gradients
from autograder.notebook import NotebookChannel
from autograder.sandbox import Limits
from autograder.student import LocalChannel, Student
from autograder.submission import CodeCell
from tests.matrix import (
    failures_of_reference,
    forbidden_in,
    graded,
    local_student,
    reference_namespace,
    variants_of,
)
from tests.strange import STRANGE, require_failure
from tests.test_anatomy import complaint

ASSIGNMENT = Assignment.load("toolbox_layers")
FUNCTIONS = [task.name for task in ASSIGNMENT.tasks if task.kind in ("function", "class")]
PAIRS = ("affine", "relu")


@pytest.mark.parametrize("name", STRANGE)
def test_no_strange_value_breaks_a_check_or_earns_full_marks(name: str) -> None:
    strange = STRANGE[name]

    class Network:
        def __init__(self, hidden_dims: list[int], *args: Any, **options: Any) -> None:
            reference = reference_namespace(ASSIGNMENT)["FullyConnectedNet"]
            self.params = reference(hidden_dims, *args, **options).params

        def loss(self, *args: Any) -> Any:
            return strange if len(args) == 1 else (strange, dict.fromkeys(self.params, strange))

    namespace = {
        **dict.fromkeys(FUNCTIONS, lambda *args, **options: (strange, strange)),
        "affine_backward": lambda *args: (strange, strange, strange),
        "numerical_gradient": lambda *args: strange,
        "FullyConnectedNet": Network,
    }
    require_failure(ASSIGNMENT, namespace, FUNCTIONS)


@pytest.mark.parametrize("name", ["nothing", "text", "function", "array", "five axes"])
def test_a_strange_value_without_its_container_fails_alike(name: str) -> None:
    namespace = dict.fromkeys(FUNCTIONS, lambda *args, **options: STRANGE[name])
    require_failure(ASSIGNMENT, namespace, FUNCTIONS)


@pytest.mark.parametrize("secret", [b"first", b"second", b"third"])
def test_reference_passes_whatever_the_hidden_inputs_are(secret: bytes) -> None:
    assert failures_of_reference(ASSIGNMENT, FUNCTIONS, secret) == []


# ---- caches of three kinds ----------------------------------------------------------------------

IMPORTS = "import numpy as np\nfrom dataclasses import dataclass\n"
CACHES = {
    "tuple": """
def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w, "kept")

def affine_backward(dout, cache):
    x, w, _ = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(0)

def relu_forward(x):
    return np.maximum(0, x), (x > 0,)

def relu_backward(dout, cache):
    return dout * cache[0]
""",
    "dict": """
def affine_forward(x, w, b):
    rows = x.reshape(len(x), -1)
    return rows @ w + b, {"rows": rows, "shape": x.shape, "weights": {"w": w, "b": b}}

def affine_backward(dout, cache):
    dx = (dout @ cache["weights"]["w"].T).reshape(cache["shape"])
    return dx, cache["rows"].T @ dout, dout.sum(0)

def relu_forward(x):
    out = np.maximum(0, x)
    return out, {"out": out}

def relu_backward(dout, cache):
    return np.where(cache["out"] > 0, dout, 0)
""",
    "object": """
class Kept:
    pass

@dataclass
class Mask:
    positive: np.ndarray

def affine_forward(x, w, b):
    kept = Kept()
    kept.x, kept.back = x, lambda dout: dout @ w.T
    return x.reshape(len(x), -1) @ w + b, kept

def affine_backward(dout, kept):
    x = kept.x
    return kept.back(dout).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(0)

def relu_forward(x):
    return x * (x > 0), Mask(x > 0)

def relu_backward(dout, mask):
    return dout * mask.positive
""",
}


@pytest.fixture
def sandboxed() -> Iterator[Callable[[str], Student]]:
    channels = []

    def student(source: str) -> Student:
        channels.append(NotebookChannel([CodeCell(source)], [], [], "bubblewrap", Limits()))
        return Student(channels[-1])

    yield student
    for channel in channels:
        channel.close()


@pytest.mark.parametrize("kind", CACHES)
def test_a_cache_may_be_of_any_kind(kind: str, sandboxed: Callable[[str], Student]) -> None:
    source = IMPORTS + CACHES[kind]
    namespace: dict[str, Any] = {"__name__": "notebook"}
    exec(source, namespace)
    for student in (Student(LocalChannel(namespace)), sandboxed(source)):
        for task in (f"{layer}_{way}" for layer in PAIRS for way in ("forward", "backward")):
            verdict = graded(ASSIGNMENT, task, student)
            assert verdict.status == "correct", verdict.failures


def stub(*args: Any) -> Any:
    raise NotImplementedError


def raising(*args: Any) -> Any:
    raise ZeroDivisionError("forward is broken")


def doubled(x: np.ndarray, *args: Any) -> Any:
    return 2 * x.reshape(len(x), -1).sum(axis=1), None


@pytest.mark.parametrize("forward", [stub, raising, doubled, lambda *args: None])
@pytest.mark.parametrize("layer", PAIRS)
def test_backward_says_that_forward_is_wrong(layer: str, forward: Callable[..., Any]) -> None:
    namespace = reference_namespace(ASSIGNMENT) | {f"{layer}_forward": forward}
    verdict = graded(ASSIGNMENT, f"{layer}_backward", Student(LocalChannel(namespace)))
    assert verdict.score == 0
    allowed = {gradients.FORWARD_FIRST, gradients.PAIR}
    assert set(verdict.hints) <= allowed, verdict.hints
    assert all("forward" in failure.message for failure in verdict.failures)


def affine_with_rows(x: np.ndarray, w: np.ndarray, b: np.ndarray) -> Any:
    rows = x.reshape(len(x), -1)
    return rows @ w + b, {"rows": rows, "shape": x.shape, "w": w}


def affine_that_uses_up_its_cache(dout: np.ndarray, cache: Any) -> Any:
    dx = (dout @ cache["w"].T).reshape(cache["shape"])
    return dx, cache.pop("rows").T @ dout, dout.sum(axis=0)


def relu_with_a_mask(x: np.ndarray) -> Any:
    return np.maximum(x, 0), (x > 0).astype(float)


def relu_in_place_of_its_mask(dout: np.ndarray, cache: Any) -> Any:
    cache *= dout
    return cache


@pytest.mark.parametrize(
    ("layer", "forward", "backward"),
    [
        ("affine", affine_with_rows, affine_that_uses_up_its_cache),
        ("relu", relu_with_a_mask, relu_in_place_of_its_mask),
    ],
)
def test_a_cache_of_its_own_is_not_changed(
    layer: str, forward: Callable[..., Any], backward: Callable[..., Any]
) -> None:
    namespace = {f"{layer}_forward": forward, f"{layer}_backward": backward}
    verdict = graded(ASSIGNMENT, f"{layer}_backward", Student(LocalChannel(namespace)))
    assert verdict.hints == [gradients.CACHE_STAYS]


VIEWED = [f"{layer}_{way}" for layer in PAIRS for way in ("forward", "backward")]


@pytest.mark.parametrize("task", [*VIEWED, "softmax_loss", "numerical_gradient"])
def test_a_view_reaches_the_answer_as_a_view(task: str) -> None:
    called = task.replace("backward", "forward")
    side_by_side: list[bool] = []
    namespace = reference_namespace(ASSIGNMENT)
    reference = namespace[called]

    def watched(*args: Any, **options: Any) -> Any:
        side_by_side.extend(arg.flags.forc for arg in args if isinstance(arg, np.ndarray))
        return reference(*args, **options)

    verdict = graded(ASSIGNMENT, task, Student(LocalChannel(namespace | {called: watched})))
    assert verdict.status == "correct", verdict.failures
    assert not all(side_by_side), "no array whose entries lie apart in memory came"


@pytest.mark.parametrize("task", ["affine_forward", "relu_forward"])
def test_the_visible_check_names_a_forgotten_cache(task: str) -> None:
    forward = reference_namespace(ASSIGNMENT)[task]
    found = complaint(ASSIGNMENT, ASSIGNMENT.task(task), lambda *args: forward(*args)[0])
    assert found is not None and "forward returns two things" in found


@pytest.mark.parametrize(
    ("answer", "words"),
    [("no_maximum", "exp overflows"), ("one_maximum_for_all", "of its own row")],
)
def test_no_maximum_and_one_for_all_rows_are_told_apart(answer: str, words: str) -> None:
    [variant] = [v for v in variants_of(ASSIGNMENT, "softmax_loss") if v.name == answer]
    [hint] = graded(ASSIGNMENT, "softmax_loss", local_student({}, variant)).hints
    assert words in hint


@pytest.mark.parametrize("task", ["affine_forward", "relu_forward", "softmax_loss"])
def test_no_forward_task_needs_another(task: str) -> None:
    namespace = dict.fromkeys(FUNCTIONS, stub) | {task: reference_namespace(ASSIGNMENT)[task]}
    verdict = graded(ASSIGNMENT, task, Student(LocalChannel(namespace)))
    assert verdict.status == "correct", verdict.failures


def test_extra_attributes_of_the_network_are_no_fault() -> None:
    class Network(reference_namespace(ASSIGNMENT)["FullyConnectedNet"]):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.history: list[float] = []

        def loss(self, X: np.ndarray, y: np.ndarray | None = None) -> Any:
            self.history.append(float(len(X)))
            return super().loss(X, y)

    student = Student(LocalChannel({"FullyConnectedNet": Network}))
    assert graded(ASSIGNMENT, "FullyConnectedNet", student).status == "correct"


def test_a_network_without_its_parameters_is_told_so() -> None:
    class Network(reference_namespace(ASSIGNMENT)["FullyConnectedNet"]):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.params["W0"] = self.params.pop("W1")

    student = Student(LocalChannel({"FullyConnectedNet": Network}))
    verdict = graded(ASSIGNMENT, "FullyConnectedNet", student)
    assert verdict.score == 0
    assert any("keep names and shapes" in hint for hint in verdict.hints)


@pytest.mark.parametrize(
    ("task", "line"),
    [
        ("softmax_loss", "return F.cross_entropy(scores, y)"),
        ("softmax_loss", "return scipy.special.log_softmax(scores, axis=1)"),
        ("FullyConnectedNet", "return nn.Linear(3, 4)"),
        ("FullyConnectedNet", "loss.backward()"),
        ("numerical_gradient", "return scipy.optimize.approx_fprime(x, f)"),
        ("numerical_gradient", "return torch.autograd.grad(f(x), x)"),
    ],
)
def test_the_call_that_would_replace_the_task_is_forbidden(task: str, line: str) -> None:
    imports = (
        "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n"
        "import scipy.special, scipy.optimize\n"
    )
    assert forbidden_in(ASSIGNMENT, task, imports, line)
