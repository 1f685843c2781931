"""Values that no task asks for, and what the hidden checks must make of them."""

from collections.abc import Collection
from typing import Any

import numpy as np
import torch

from autograder.assignment import Assignment
from autograder.checking import Outcome, run_checks, unexpected
from autograder.student import LocalChannel, Student
from tests.matrix import SECRET

STRANGE: dict[str, Any] = {
    "nothing": None,
    "true": True,
    "text": "1.5",
    "bytes": b"1.5",
    "huge": 10**400,
    "nan": float("nan"),
    "complex": 1 + 2j,
    "function": len,
    "array": np.ones((3, 4)),
    "array of text": np.array(["a"]),
    "empty": torch.zeros(0),
    "scalar nan": torch.tensor(float("nan")),
    "whole numbers": torch.arange(6).reshape(2, 3),
    "truth values": torch.ones(5, dtype=torch.bool),
    "complex tensor": torch.ones(7, 4, dtype=torch.complex64),
    "half": torch.ones(7, 4, dtype=torch.float16),
    "infinite": torch.full((7, 4), float("inf")),
    "sparse": torch.eye(3).to_sparse(),
    "five axes": torch.ones(1, 1, 1, 1, 1),
    "with graph": torch.ones(7, 4, requires_grad=True) * 2,
}


def require_failure(
    assignment: Assignment, namespace: dict[str, Any], tasks: Collection[str]
) -> list[Outcome]:
    """Require that each of these tasks fails and that no check falls over what came."""
    outcomes = run_checks(assignment, Student(LocalChannel(namespace)), [*tasks], secret=SECRET)
    fell_over = unexpected(outcomes)
    assert not fell_over, fell_over
    passed = {*tasks} - {outcome.task for outcome in outcomes if outcome.failure}
    assert not passed, passed
    return outcomes
