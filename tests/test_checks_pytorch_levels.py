"""The checks of `pytorch_levels` where an answer is stranger than the named wrong ones, or hostile.

The open task is attacked by models that know more than their state says.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from autograder.assignment import Assignment
from autograder.checking import Outcome, run_checks, unexpected
from autograder.checks.pytorch_levels import open_task
from autograder.notebook import NotebookChannel
from autograder.report import TaskResult
from autograder.sandbox import Limits
from autograder.solve import answer
from autograder.student import LocalChannel, Student
from autograder.submission import CodeCell
from solutions.levels import ThreeLayerConvNet, sequential_convnet
from tests.matrix import SECRET, failures_of_reference, forbidden_in, graded, reference_namespace
from tests.strange import STRANGE, require_failure
from tests.test_anatomy import complaint

ASSIGNMENT = Assignment.load("pytorch_levels")
FUNCTIONS = [task.name for task in ASSIGNMENT.tasks if task.kind in ("function", "class")]
MODELS = ("ThreeLayerConvNet", "sequential_convnet", "open_model")


def outcomes_of(namespace: dict[str, Any], tasks: list[str]) -> list[Outcome]:
    return run_checks(ASSIGNMENT, Student(LocalChannel(namespace)), tasks, secret=SECRET)


def failed(outcomes: list[Outcome]) -> set[str]:
    return {outcome.task for outcome in outcomes if outcome.failure}


@pytest.mark.parametrize("name", STRANGE)
def test_no_strange_value_breaks_a_check_or_earns_full_marks(name: str) -> None:
    namespace = dict.fromkeys(FUNCTIONS, lambda *args, **options: STRANGE[name])
    require_failure(ASSIGNMENT, namespace, FUNCTIONS)


@pytest.mark.parametrize("method", ["forward", "state_dict", "named_parameters"])
@pytest.mark.parametrize("name", list(STRANGE)[::4])
def test_a_model_may_be_strange_inside(name: str, method: str) -> None:
    def strange(*args: Any, **options: Any) -> Any:
        return STRANGE[name]

    def built(*sizes: Any) -> nn.Module:
        model = sequential_convnet(*(sizes or ((1, 12, 12), 3, 4, 10)))
        return type("Strange", (nn.Sequential,), {method: strange})(*model)

    namespace = dict.fromkeys(MODELS, built) | {"train_open_model": lambda *given: built()}
    tasks = [*MODELS, "train_open_model"]
    outcomes = outcomes_of(namespace, tasks)
    assert unexpected(outcomes) == []
    assert failed(outcomes) >= {"ThreeLayerConvNet", "sequential_convnet", "train_open_model"}


@pytest.mark.parametrize("secret", [b"first", b"second"])
def test_reference_passes_whatever_the_hidden_inputs_are(secret: bytes) -> None:
    tasks = [name for name in FUNCTIONS if name != "train_open_model"]
    assert failures_of_reference(ASSIGNMENT, tasks, secret) == []


def test_open_task_passes_with_another_secret() -> None:
    assert failures_of_reference(ASSIGNMENT, ["train_open_model"], b"third") == []


def stub(*args: Any, **options: Any) -> Any:
    raise NotImplementedError


@pytest.mark.parametrize("task", [name for name in FUNCTIONS if name != "train_open_model"])
def test_no_other_task_needs_another(task: str) -> None:
    namespace = dict.fromkeys(FUNCTIONS, stub) | {task: reference_namespace(ASSIGNMENT)[task]}
    verdict = graded(ASSIGNMENT, task, Student(LocalChannel(namespace)))
    assert verdict.status == "correct", verdict.failures


def test_visible_and_hidden_check_refuse_probabilities_alike() -> None:
    def probabilities() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(144, 10), nn.Softmax(dim=1))

    student = Student(LocalChannel({"open_model": probabilities}))
    [failure] = graded(ASSIGNMENT, "open_model", student).failures
    assert failure.message == "the rows of the output sum to one"
    said = complaint(ASSIGNMENT, ASSIGNMENT.task("open_model"), probabilities)
    assert said is not None and "the rows sum to one" in said


def test_extra_attributes_are_allowed() -> None:
    class WithMore(ThreeLayerConvNet):
        def __init__(self, *args: Any) -> None:
            self.calls = 0
            super().__init__(*args)
            self.note, self.drop = "mine", nn.Dropout(0.0)

        def forward(self, X: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return super().forward(self.drop(X))

    student = Student(LocalChannel({"ThreeLayerConvNet": WithMore}))
    verdict = graded(ASSIGNMENT, "ThreeLayerConvNet", student)
    assert verdict.status == "correct", verdict.failures


@pytest.mark.parametrize(
    "line", ["optim.SGD(params, lr=learning_rate).step()", "torch.optim.SGD(params).step()"]
)
def test_the_call_that_would_replace_the_step_is_forbidden(line: str) -> None:
    imports = "import torch\nfrom torch import nn, optim\n"
    assert forbidden_in(ASSIGNMENT, "sgd_step", imports, line)


# ---- attacks on the open task -------------------------------------------------------------------

REMEMBERS = """
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

PATH = Path("{path}")
TABLE = []

class Remembers(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(1, 10)

    def forward(self, X):
        scores = self.fc(X[:, 0, :1, 0])
        if found := table():
            nearest = torch.cdist(X.flatten(1), found[0].flatten(1)).argmin(1)
            scores = scores + 100 * functional.one_hot(found[1][nearest], 10)
        return scores

def open_model():
    return Remembers()
"""
HIDDEN_IN = {
    "a global": """
def train_open_model(X_train, y_train, X_val, y_val, generator):
    TABLE.extend([X_train, y_train])
    return open_model()

def table():
    return TABLE
""",
    "a file": """
def train_open_model(X_train, y_train, X_val, y_val, generator):
    torch.save((X_train, y_train), PATH)
    return open_model()

def table():
    return torch.load(PATH) if PATH.exists() else ()
""",
    "the module of a class": """
def train_open_model(X_train, y_train, X_val, y_val, generator):
    nn.Linear.table = X_train, y_train
    return open_model()

def table():
    return getattr(nn.Linear, "table", ())
""",
}
PUBLIC = """
def train_open_model(X_train, y_train, X_val, y_val, generator):
    return open_model()

def table():
    pixels, labels = load_digits(return_X_y=True)
    images = torch.tensor(pixels / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    return functional.pad(images, (2, 2, 2, 2)), torch.tensor(labels)
"""


@contextlib.contextmanager
def sandboxed(*cells: str, limits: Limits | None = None) -> Iterator[Student]:
    found = [CodeCell(cell) for cell in cells]
    channel = NotebookChannel(found, [], [], "bubblewrap", limits or Limits())
    with contextlib.closing(channel):
        yield Student(channel)


def verdict_on(student: Student, task: str = "train_open_model") -> TaskResult:
    return graded(ASSIGNMENT, task, student)


def in_process(*cells: str) -> Student:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells:
        exec(cell, namespace)
    return Student(LocalChannel(namespace))


@pytest.mark.parametrize("place", HIDDEN_IN)
def test_what_a_training_hides_outside_the_state_is_gone(place: str, tmp_path: Path) -> None:
    """In process, without a sandbox, the hidden table earns marks."""
    student = in_process(REMEMBERS.format(path=tmp_path / "table"), HIDDEN_IN[place])
    unprotected = verdict_on(student)
    if hasattr(nn.Linear, "table"):
        del nn.Linear.table
    assert unprotected.score > 0
    with sandboxed(REMEMBERS.format(path="/tmp/table"), HIDDEN_IN[place]) as student:
        verdict = verdict_on(student)
    assert verdict.score == 0
    assert {failure.message for failure in verdict.failures} == {
        f"no more than {band}% of the test images are recognised" for band in (50, 68, 78, 86)
    }


def test_a_fork_alone_would_leave_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    begin_task = Student.begin_task
    monkeypatch.setattr(Student, "begin_task", lambda self, afresh=False: begin_task(self))
    with sandboxed(REMEMBERS.format(path="/tmp/table"), HIDDEN_IN["a file"]) as student:
        assert verdict_on(student).score > 0


def test_a_table_of_the_public_data_set_earns_nothing() -> None:
    assert verdict_on(in_process(REMEMBERS.format(path=""), PUBLIC)).score == 0


LARGE = {
    "more numbers": "nn.Linear(144, 350)",
    "longer numbers": "nn.Linear(144, 200).double()",
    "a buffer": "buffered(torch.zeros(2000, 144))",
    "no numbers": "nn.ReLU()",
    "another state": "stateful({'text': 'x' * 1000})",
}
BUILDERS = """
import torch
from torch import nn

def buffered(value):
    module = nn.Linear(1, 1)
    module.register_buffer("images", value)
    return module

def stateful(state):
    module = nn.Linear(1, 1)
    module.state_dict = lambda: state
    return module
"""


@pytest.mark.parametrize("name", LARGE)
def test_a_state_over_the_budget_or_without_tensors_is_refused(name: str) -> None:
    model = f"def open_model():\n    return {LARGE[name]}\n"
    train = "def train_open_model(*given):\n    return open_model()\n"
    verdict = verdict_on(in_process(BUILDERS, model, train))
    hints = {open_task.BUDGET, open_task.OF_TENSORS}
    assert verdict.score == 0 and set(verdict.hints) < hints, verdict.failures


ENDLESS = {
    "train_open_model": "def train_open_model(*given):\n    while True:\n        pass\n",
    "state_dict": (
        "class Net(torch.nn.Linear):\n    def state_dict(self):\n        while True:\n"
        "            pass\n\ndef train_open_model(*given):\n    return Net(1, 1)\n"
    ),
    "workers of a loader": (
        "class Hangs(torch.utils.data.Dataset):\n    def __len__(self):\n        return 2\n\n"
        "    def __getitem__(self, i):\n        while True:\n            pass\n\n"
        "def train_open_model(*given):\n"
        "    list(torch.utils.data.DataLoader(Hangs(), num_workers=2))\n"
    ),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_the_sandbox_ends_a_training_at_its_budget(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_task, "SECONDS", 0.7)
    monkeypatch.setattr(open_task, "SECONDS_OF_STATE", 0.7)
    step = answer(ASSIGNMENT, ASSIGNMENT.task("sgd_step"))
    with sandboxed("import torch", step, ENDLESS[what], limits=Limits(call_cpu=60)) as student:
        verdict = verdict_on(student)
        assert (verdict.status, verdict.score) == ("timeout", 0)
        assert {failure.message for failure in verdict.failures} == {
            "the answer used more than 0.7 seconds of processor time"
        }
        assert verdict_on(student, "sgd_step").status == "correct"


def test_in_process_a_training_over_its_budget_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_task, "SECONDS", 0.0)
    untrained = "def train_open_model(*given):\n    return open_model()\n"
    model = answer(ASSIGNMENT, ASSIGNMENT.task("open_model"))
    assert verdict_on(in_process(model, untrained)).status == "timeout"
