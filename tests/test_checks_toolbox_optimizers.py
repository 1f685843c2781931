"""The checks of `toolbox_optimizers` where an answer is stranger than the named wrong ones."""

from typing import Any

import numpy as np
import pytest

from autograder.assignment import Assignment
from autograder.checks.toolbox_optimizers.inputs import OWN_STATE
from autograder.student import LocalChannel, Student
from tests.matrix import (
    failures_of_reference,
    forbidden_in,
    graded,
    local_student,
    reference_namespace,
    variants_of,
)
from tests.strange import STRANGE, require_failure

ASSIGNMENT = Assignment.load("toolbox_optimizers")
NUMBERS = [task.name for task in ASSIGNMENT.tasks if task.kind == "number"]
FUNCTIONS = [task.name for task in ASSIGNMENT.tasks if task.kind == "function"]
RULES = {
    "sgd": (),
    "sgd_momentum": ("velocity",),
    "rmsprop": ("cache",),
    "adam": ("m", "v", "t"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_no_strange_value_breaks_a_check_or_earns_full_marks(name: str) -> None:
    strange = STRANGE[name]
    namespace: dict[str, Any] = dict.fromkeys(FUNCTIONS, lambda *args, **options: strange)
    namespace |= {"refine": lambda *args: (strange, strange)} | dict.fromkeys(NUMBERS, strange)
    namespace |= dict.fromkeys(RULES, lambda *args: (strange, {"learning_rate": strange}))
    require_failure(ASSIGNMENT, namespace, [*FUNCTIONS, *NUMBERS])


@pytest.mark.parametrize("name", ["nothing", "text", "function", "array", "five axes"])
def test_a_strange_value_without_its_container_fails_alike(name: str) -> None:
    namespace: dict[str, Any] = dict.fromkeys(NUMBERS, STRANGE[name])
    namespace |= dict.fromkeys(FUNCTIONS, lambda *args, **options: STRANGE[name])
    require_failure(ASSIGNMENT, namespace, [*FUNCTIONS, *NUMBERS])


@pytest.mark.parametrize("name", STRANGE)
def test_a_state_may_be_strange(name: str) -> None:
    """The step is right, and what is kept of it is not."""

    def strange(task: str) -> Any:
        reference, state = reference_namespace(ASSIGNMENT)[task], RULES[task]

        def rule(w: np.ndarray, dw: np.ndarray, config: Any = None) -> Any:
            if any(config and config.get(key) is STRANGE[name] for key in state):
                return w, config
            next_w, config = reference(w, dw, config)
            return next_w, {**config, **dict.fromkeys(state, STRANGE[name])}

        return rule

    tasks = [task for task, state in RULES.items() if state]
    require_failure(ASSIGNMENT, {task: strange(task) for task in tasks}, tasks)


@pytest.mark.parametrize("task", RULES)
def test_a_state_is_called_shared_only_where_it_is(task: str) -> None:
    namespace = reference_namespace(ASSIGNMENT)
    wrong = [variant for variant in variants_of(ASSIGNMENT, task) if not variant.correct]
    hints = {v.name: graded(ASSIGNMENT, task, local_student(namespace, v)).hints for v in wrong}
    shared = {name for name, told in hints.items() if OWN_STATE in told}
    alike = {"one_velocity_for_all", "one_velocity_for_every_shape"}
    assert shared == (alike if task == "sgd_momentum" else set())


@pytest.mark.parametrize("secret", [b"first", b"second", b"third"])
def test_reference_passes_whatever_the_hidden_inputs_are(secret: bytes) -> None:
    assert failures_of_reference(ASSIGNMENT, FUNCTIONS, secret) == []


@pytest.mark.parametrize("task", RULES)
def test_more_in_the_dict_is_no_fault(task: str) -> None:
    reference = reference_namespace(ASSIGNMENT)[task]

    def rule(w: np.ndarray, dw: np.ndarray, config: dict[str, Any] | None = None) -> Any:
        next_w, config = reference(w, dw, config)
        return next_w, {**config, "name": task, "history": [w, dw], "weight_decay": None}

    student = Student(LocalChannel({task: rule}))
    assert graded(ASSIGNMENT, task, student).status == "correct"


@pytest.mark.parametrize(
    ("task", "line"),
    [
        ("adam", "return torch.optim.Adam([w], lr=1e-3).step()"),
        ("rmsprop", "return optim.RMSprop([w]).step()"),
        ("sgd_momentum", "return optim.SGD([w], momentum=0.9).step()"),
        ("log_uniform", "return scipy.stats.loguniform(low, high).rvs(n)"),
    ],
)
def test_the_call_that_would_replace_the_task_is_forbidden(task: str, line: str) -> None:
    imports = "import torch\nfrom torch import optim\nimport scipy.stats\n"
    assert forbidden_in(ASSIGNMENT, task, imports, line)
