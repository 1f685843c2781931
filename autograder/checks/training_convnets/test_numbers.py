"""Hidden checks of the graded numbers."""

import math

import pytest

from autograder.checks import tools
from autograder.checks.training_convnets.numbers import (
    BATCH_SIZE,
    EXPECTED,
    N_CLASSES,
    N_EPOCHS,
    N_EXAMPLES,
    P_DROP,
    K,
)
from autograder.student import Student


@pytest.mark.task("start_loss", page="book/unit2/training.html#training-start")
def test_start_loss(student: Student) -> None:
    """The loss before training, to three decimals."""
    loss = EXPECTED["start_loss"]
    mistakes = {
        "the loss uses the natural logarithm, not the one to base 2": math.log2(N_CLASSES),
        "the loss uses the natural logarithm, not the one to base 10": math.log10(N_CLASSES),
        "this is the probability of the right class; the loss is minus its logarithm": (
            1 / N_CLASSES
        ),
        "the sign is wrong: the logarithm of a probability is negative": -loss,
        "this is the number of classes; the loss is its logarithm": N_CLASSES,
        "this is the loss of ten classes, and here there are more": math.log(10),
        "a network that has learned nothing is not certain: a loss of 0 is that of certainty": 0.0,
        "this is a share of wrong guesses, and no cross-entropy": 1 - 1 / N_CLASSES,
    }
    tools.number("start_loss", student.value("start_loss"), loss, mistakes, rel=5e-4)


@pytest.mark.task("chance_top3", page="book/unit2/training.html#training-topk")
def test_chance_top3(student: Student) -> None:
    """The top-3 accuracy of guessing."""
    share = EXPECTED["chance_top3"]
    mistakes = {
        "this is percent: an accuracy lies between 0 and 1": 100 * share,
        "this is the chance of the first guess; there are three": 1 / N_CLASSES,
        "three guesses are three different classes: none is drawn twice": (
            1 - (1 - 1 / N_CLASSES) ** K
        ),
        "this is the chance that all guesses miss": 1 - share,
        "this is the chance of hitting with every one of three independent guesses": (
            N_CLASSES**-K
        ),
        "one of the guesses is right, not one of three classes: there are twenty": 1 / K,
        "this is the top-3 accuracy for ten classes": K / 10,
        "this is the top-5 accuracy: here there are three guesses": 5 / N_CLASSES,
    }
    tools.number("chance_top3", student.value("chance_top3"), share, mistakes, rel=1e-4)


@pytest.mark.task("n_steps", page="book/unit2/training.html#training-epoch")
def test_n_steps(student: Student) -> None:
    """The number of steps of a training."""
    steps = int(EXPECTED["n_steps"])
    full = N_EXAMPLES // BATCH_SIZE
    mistakes = {
        "the last, smaller batch of each epoch makes a step too": full * N_EPOCHS,
        "this is the number of steps of one epoch": steps // N_EPOCHS,
        "each epoch ends with a batch of its own: round up in each of them, not at the end": (
            math.ceil(N_EXAMPLES * N_EPOCHS / BATCH_SIZE)
        ),
        "a number of steps is whole: the last batch is smaller and makes one": (
            N_EXAMPLES * N_EPOCHS / BATCH_SIZE
        ),
        "one step is made for a batch, not for an example": N_EXAMPLES * N_EPOCHS,
        "an epoch makes many steps, one for each batch": N_EPOCHS,
        "the examples come in batches: this counts batches of one epoch times their size": (
            full * BATCH_SIZE
        ),
    }
    came = tools.as_number("n_steps", student.value("n_steps"))
    exactly = {hint: wrong for hint, wrong in mistakes.items() if came == wrong}
    tools.number("n_steps", came, steps, exactly)


@pytest.mark.task("test_factor", page="book/unit2/regularisation.html#regularisation-expectation")
def test_test_factor(student: Student) -> None:
    """The factor of vanilla dropout at test time."""
    keep = EXPECTED["test_factor"]
    mistakes = {
        "this is the drop rate; at test time a unit is there always, and in training it was with "
        "the keep rate": P_DROP,
        "vanilla dropout has not scaled in training, so the activations are too large, not too "
        "small": 1 / keep,
        "a factor of 1 belongs to inverted dropout, which has scaled in training": 1.0,
        "this divides by the drop rate": 1 / P_DROP,
        "this is percent: write the factor itself": 100 * keep,
        "nothing is dropped at test time": 0.0,
    }
    tools.number("test_factor", student.value("test_factor"), keep, mistakes, rel=1e-4)
