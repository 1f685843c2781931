"""The checks of `toolbox_convolution` beside the named wrong answers: caches, pairs, time."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from autograder.assignment import Assignment
from autograder.checks.gradients import FORWARD_FIRST
from autograder.checks.toolbox_convolution.test_convolutions import SECONDS, TOO_SLOW
from autograder.notebook import NotebookChannel
from autograder.report import TaskResult
from autograder.sandbox import Limits
from autograder.solve import answer
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

ASSIGNMENT = Assignment.load("toolbox_convolution")
REFERENCE = reference_namespace(ASSIGNMENT)
NUMBERS = [task.name for task in ASSIGNMENT.tasks if task.kind == "number"]
FUNCTIONS = [task.name for task in ASSIGNMENT.tasks if task.kind == "function"]
FORWARDS = [name for name in FUNCTIONS if "forward" in name]


def backward_of(forward: str) -> str:
    return forward.replace("forward", "backward")


def verdict(task: str, changed: dict[str, Any]) -> TaskResult:
    return graded(ASSIGNMENT, task, Student(LocalChannel(REFERENCE | changed)))


# ---- strange values -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", STRANGE)
def test_no_strange_value_breaks_a_check_or_earns_full_marks(name: str) -> None:
    strange = STRANGE[name]
    namespace: dict[str, Any] = dict.fromkeys(NUMBERS, strange)
    namespace |= dict.fromkeys(FUNCTIONS, lambda *args: strange)
    require_failure(ASSIGNMENT, namespace, [*FUNCTIONS, *NUMBERS])
    pairs = dict.fromkeys(FORWARDS, lambda *args: (strange, strange))
    triples = dict.fromkeys(map(backward_of, FORWARDS), lambda *args: (strange,) * 3)
    columns = dict.fromkeys(["im2col", "col2im"], lambda *args: [strange])
    namespace |= pairs | triples | columns
    require_failure(ASSIGNMENT, namespace, [*FUNCTIONS, *NUMBERS])


@pytest.mark.parametrize("name", STRANGE)
def test_strange_gradients_after_a_correct_forward_pass(name: str) -> None:
    strange = STRANGE[name]
    for forward in FORWARDS:
        changed = {backward_of(forward): lambda *args: (strange, strange, strange)}
        outcomes = require_failure(ASSIGNMENT, REFERENCE | changed, [backward_of(forward)])
        assert all(outcome.failure for outcome in outcomes)


def test_numbers_of_another_type_are_as_good() -> None:
    for name in NUMBERS:
        for kind in (float, np.float64, torch.tensor, np.array):
            assert verdict(name, {name: kind(REFERENCE[name])}).status == "correct"


def test_where_two_mistakes_give_one_shape_both_are_named() -> None:
    """With a border of 1 and a stride of 2 either mistake takes a row and a column away."""
    [variant] = [
        v for v in variants_of(ASSIGNMENT, "conv_forward_im2col") if v.name == "no_padding"
    ]
    hints = graded(ASSIGNMENT, variant.task, local_student(REFERENCE, variant)).hints
    assert any("the + 1 is missing" in h and "; or the padding is left out" in h for h in hints)


@pytest.mark.parametrize("secret", [b"first", b"second", b"third"])
def test_reference_passes_whatever_the_hidden_inputs_are(secret: bytes) -> None:
    assert failures_of_reference(ASSIGNMENT, FUNCTIONS, secret) == []


# ---- caches -------------------------------------------------------------------------------------


class Kept:
    """A cache of a student's own kind."""

    def __init__(self, values: Any) -> None:
        self.values = values


STYLES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "tuple": (tuple, tuple),
    "list": (list, tuple),
    "dict": (lambda cache: dict(enumerate(cache)), lambda cache: tuple(cache.values())),
    "class": (Kept, lambda cache: cache.values),
    "namespace": (lambda cache: SimpleNamespace(all=cache), lambda cache: cache.all),
    "object within a dict": (
        lambda cache: {"kept": Kept(cache)},
        lambda cache: cache["kept"].values,
    ),
}


def in_style(forward: str, style: str) -> dict[str, Any]:
    """The reference's pair of functions with another cache."""
    keep, take = STYLES[style]

    def own_forward(*args: Any) -> Any:
        out, cache = REFERENCE[forward](*args)
        return out, keep(cache)

    def own_backward(dout: Any, cache: Any) -> Any:
        return REFERENCE[backward_of(forward)](dout, take(cache))

    return {forward: own_forward, backward_of(forward): own_backward}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("forward", FORWARDS)
def test_a_cache_may_be_anything(forward: str, style: str) -> None:
    found = verdict(backward_of(forward), in_style(forward, style))
    assert found.status == "correct", found.failures


# ---- forward and backward -----------------------------------------------------------------------


def doubled(forward: str) -> Callable[..., Any]:
    def wrong(*args: Any) -> Any:
        return 2 * REFERENCE[forward](*args)[0], ()

    return wrong


def unfinished(*args: Any) -> Any:
    raise NotImplementedError


@pytest.mark.parametrize("forward", FORWARDS)
def test_backward_after_a_wrong_forward_says_whose_cache_it_had(forward: str) -> None:
    for wrong in (doubled(forward), unfinished, lambda *args: 1 / 0):
        found = verdict(backward_of(forward), {forward: wrong})
        assert found.score == 0
        assert set(found.hints) == {FORWARD_FIRST}


@pytest.mark.parametrize("task", [name for name in FUNCTIONS if "backward" not in name])
def test_no_other_task_needs_another(task: str) -> None:
    changed = dict.fromkeys(FUNCTIONS, unfinished) | {task: REFERENCE[task]}
    assert verdict(task, changed).status == "correct"


# ---- the sandbox --------------------------------------------------------------------------------

OWN_CACHE = """
class Cache:
    def __init__(self, **values):
        self.__dict__.update(values)

loops_forward, loops_backward = conv_forward_naive, conv_backward_naive

def conv_forward_naive(x, w, b, conv_param):
    out, cache = loops_forward(x, w, b, conv_param)
    return out, Cache(cache=cache)

def conv_backward_naive(dout, cache):
    return loops_backward(dout, cache.cache)

product_forward, product_backward = conv_forward_im2col, conv_backward_im2col
conv_forward_im2col = loops_forward

def backward_by_turns(dout, cache):
    kernel, gradient = np.ones((3, 3), dout.dtype), np.zeros((3, 3), dout.dtype)
    for index in np.ndindex(dout.shape):
        gradient += dout[index] * kernel
    return product_backward(dout, cache)
"""


@pytest.fixture(scope="module")
def channel() -> Iterator[NotebookChannel]:
    """A notebook with a cache of its own kind, and with loops in place of im2col."""
    tasks = [task for task in ASSIGNMENT.tasks if task.kind != "written"]
    cells = [CodeCell(answer(ASSIGNMENT, task)) for task in tasks] + [CodeCell(OWN_CACHE)]
    channel = NotebookChannel(cells, [], [], "bubblewrap", Limits())
    yield channel
    channel.close()


@pytest.fixture
def sandboxed(channel: NotebookChannel) -> Student:
    return Student(channel)


def test_an_own_cache_stays_in_the_sandbox(sandboxed: Student) -> None:
    found = graded(ASSIGNMENT, "conv_backward_naive", sandboxed)
    assert found.status == "correct", found.failures


def test_loops_have_not_enough_time_for_a_large_layer(sandboxed: Student) -> None:
    too_slow(graded(ASSIGNMENT, "conv_forward_im2col", sandboxed))


def test_loops_have_not_enough_time_on_the_way_back(channel: NotebookChannel) -> None:
    names = {
        "conv_forward_im2col": "product_forward",
        "conv_backward_im2col": "backward_by_turns",
    }
    too_slow(graded(ASSIGNMENT, "conv_backward_im2col", Student(channel, names)))


def too_slow(found: TaskResult) -> None:
    """All that it lost, it lost on the large layer."""
    [failure] = found.failures
    assert failure.check == (
        "Three million outputs, for which a call that loops over them has not enough time."
    )
    assert failure.message == f"the answer used more than {SECONDS:g} seconds of processor time"
    assert failure.hint == TOO_SLOW
    assert 0 < found.score < found.points


def test_the_docstring_tells_the_time_that_a_large_layer_has() -> None:
    words = " ".join(REFERENCE["conv_forward_im2col"].__doc__.split())
    assert f"three million outputs and {SECONDS:g} seconds of processor time" in words


def test_backward_after_a_forward_that_loops_says_whose_cache_it_had(sandboxed: Student) -> None:
    found = graded(ASSIGNMENT, "conv_backward_im2col", sandboxed)
    assert FORWARD_FIRST in found.hints and TOO_SLOW not in found.hints


# ---- forbidden calls ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "line"),
    [
        ("conv_forward_naive", "return F.conv2d(x, w, b)"),
        ("conv_forward_naive", "return torch.nn.Conv2d(2, 3, 3)(x)"),
        ("conv_forward_naive", "return signal.correlate2d(x, w)"),
        ("conv_forward_naive", "return ndimage.convolve(x, w)"),
        ("conv_forward_naive", "return np.convolve(x, w)"),
        ("conv_backward_naive", "return torch.autograd.grad(out, [x, w, b], dout)"),
        ("conv_backward_naive", "return F.conv_transpose2d(dout, w)"),
        ("max_pool_forward_naive", "return F.max_pool2d(x, 2)"),
        ("max_pool_forward_naive", "return ndimage.maximum_filter(x, 2)"),
        ("max_pool_backward_naive", "return F.max_unpool2d(dout, chosen, 2)"),
        ("im2col", "return F.unfold(x, (HH, WW))"),
        ("im2col", "return torch.nn.Unfold((HH, WW))(x)"),
        ("col2im", "return F.fold(cols, size, (HH, WW))"),
        ("conv_forward_im2col", "return F.conv2d(x, w, b)"),
        ("conv_backward_im2col", "out.backward(dout)\n    torch.Tensor.backward(out)"),
    ],
)
def test_the_call_that_would_replace_the_task_is_forbidden(task: str, line: str) -> None:
    imports = (
        "import numpy as np\nimport torch\nimport torch.nn.functional as F\n"
        "from scipy import ndimage, signal\n"
    )
    assert forbidden_in(ASSIGNMENT, task, imports, line)
