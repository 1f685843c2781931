"""Hidden checks of the graded numbers."""

import math

import pytest

from autograder.checks import tools
from autograder.checks.toolbox_normalization.numbers import BATCH, EXPECTED, KEEP
from autograder.student import Student

FORWARD = "book/unit4/batch_norm.html#toolbox-batch-norm-forward"
INVERTED = "book/unit4/dropout.html#toolbox-dropout-inverted"


@pytest.mark.task("largest_normalised", page=FORWARD)
def test_largest_normalised(student: Student) -> None:
    """The largest normalised value of a batch, to three decimals."""
    mistakes = {
        "this is the number of examples: the deviation grows with the outlier too": BATCH,
        "this takes the others' distance from the mean for the unit; x̂ counts deviations of the "
        "whole batch, the outlier included": BATCH - 1,
        "the outlier moves the mean too: the distances from it add up to 0, that of the one "
        "against those of the N - 1 others": math.sqrt(BATCH),
        "this divides by the unbiased deviation; the layer takes the biased one": (
            (BATCH - 1) / math.sqrt(BATCH)
        ),
        "a deviation of 1 is that of all examples together; one of them may lie far outside": 1.0,
        "three deviations bound a normal distribution in practice; the question is about every "
        "batch": 3.0,
        "this is the root of what is a deviation already": math.sqrt(math.sqrt(BATCH - 1)),
    }
    value = student.value("largest_normalised")
    expected = EXPECTED["largest_normalised"]
    tools.number("largest_normalised", value, expected, mistakes, rel=1e-4)


@pytest.mark.task("dropout_deviation", page=INVERTED)
def test_dropout_deviation(student: Student) -> None:
    """The standard deviation of an activation of 1 after inverted dropout, to three decimals."""
    deviation = EXPECTED["dropout_deviation"]
    mistakes = {
        "this is the variance, and the question is about the standard deviation": deviation**2,
        "here p is the probability of keeping, and this takes it for that of dropping": 1
        / deviation,
        "this is the deviation of vanilla dropout: the inverted form scales what is kept": (
            math.sqrt(KEEP * (1 - KEEP))
        ),
        "this is the variance of vanilla dropout, and the question is about the deviation of the "
        "inverted form": KEEP * (1 - KEEP),
        "this is the root of the mean of the squares: a deviation is about the distances from the "
        "expectation": math.sqrt(1 / KEEP),
        "the expectation stays what it was, and the deviation does not": 0.0,
        "this is the value of an entry that is kept": 1 / KEEP,
    }
    value = student.value("dropout_deviation")
    tools.number("dropout_deviation", value, deviation, mistakes, rel=1e-3)
