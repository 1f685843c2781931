"""Hidden checks of the graded numbers."""

import math

import pytest

from autograder.checks import tools
from autograder.checks.toolbox_optimizers.numbers import (
    BELOW,
    BETA1,
    BETA2,
    EXPECTED,
    GRADIENT,
    HIGH,
    LOW,
)
from autograder.student import Student


@pytest.mark.task("first_step", page="book/unit4/update_rules.html#toolbox-update-rules-bias")
def test_first_step(student: Student) -> None:
    """The first step of Adam without the bias correction, in learning rates."""
    length = EXPECTED["first_step"]
    mistakes = {
        "this is the first step with the correction": 1.0,
        "the gradient cancels: it stands above and below": GRADIENT * length,
        "v is under a root": (1 - BETA1) / (1 - BETA2),
        "the new values have the weights 1 - beta, the old zeros have beta": (
            BETA1 / math.sqrt(BETA2)
        ),
        "beta1 belongs to m and beta2 to v": (1 - BETA2) / math.sqrt(1 - BETA1),
        "m is divided by √v, and not √v by m": 1 / length,
        "v is not corrected either: its root is √(1 - beta2) times the gradient": 1 - BETA1,
        "m is not corrected either: it is 1 - beta1 times the gradient": 1 / math.sqrt(1 - BETA2),
        "asked is a length": -length,
    }
    tools.number("first_step", student.value("first_step"), length, mistakes, rel=5e-3)


@pytest.mark.task("log_share", page="book/unit4/search.html#toolbox-search-log")
def test_log_share(student: Student) -> None:
    """The share of the draws below a number."""
    share = EXPECTED["log_share"]
    mistakes = {
        "this is the share of uniform draws; here the logarithms are uniform": (
            (BELOW - LOW) / (HIGH - LOW)
        ),
        "this is percent: a share lies between 0 and 1": 100 * share,
        "this is the share above": 1 - share,
        "this counts decades: a share is their number over the number of all decades": 2.0,
        "the range has five decades: count the steps between the powers of ten": 1 / 3,
        "half of the draws lie below the geometric mean, which is greater": 0.5,
    }
    tools.number("log_share", student.value("log_share"), share, mistakes, rel=5e-3)
