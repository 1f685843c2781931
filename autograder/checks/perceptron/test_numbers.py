"""Hidden checks of the graded numbers."""

import math

import pytest

from autograder.checks import tools
from autograder.checks.perceptron.numbers import EXAMPLES, EXPECTED, N_CLASSES, N_H, N_X, N_Y
from autograder.student import Student


@pytest.mark.task("initial_loss", page="book/unit1/loss.html")
def test_initial_loss(student: Student) -> None:
    """The loss before training, to three decimals."""
    loss = EXPECTED["initial_loss"]
    mistakes = {
        "the loss uses the natural logarithm, not the one to base 2": math.log2(N_CLASSES),
        "the loss uses the natural logarithm, not the one to base 10": math.log10(N_CLASSES),
        "this is the probability of the target; the loss is minus its logarithm": 1 / N_CLASSES,
        "a loss of 0 belongs to a certain answer: zero pre-activations are not certain": 0.0,
        "the sign is wrong: the logarithm of a probability is negative": -loss,
        "this is the number of classes; the loss is its logarithm": N_CLASSES,
        "this is divided by the number of classes once more": loss / N_CLASSES,
        "only the target's term counts: y is 0 for all other classes": loss * N_CLASSES,
        "there are more than two classes": math.log(2),
    }
    tools.number("initial_loss", student.value("initial_loss"), loss, mistakes, rel=5e-4)


@pytest.mark.task("naive_passes", page="book/unit1/numerical_gradients.html")
def test_naive_passes(student: Student) -> None:
    """The number of forward passes for naive gradients."""
    passes, weights = int(EXPECTED["naive_passes"]), N_X * N_H + N_H * N_Y
    mistakes = {
        "a central difference takes two forward passes a parameter": passes // 2,
        "this is the cost of forward differences; central ones take two passes a parameter and "
        "none at the point": passes // 2 + 1,
        "the biases are parameters too, and central differences take two passes each": weights,
        "the biases are parameters too": 2 * weights,
        "central differences need no pass at the point itself": passes + 1,
        "naive gradients move one parameter at a time": 2,
        "this counts units; it is the parameters that are moved": 2 * (N_X + N_H + N_Y),
    }
    came = tools.as_number("naive_passes", student.value("naive_passes"))
    exactly = {hint: wrong for hint, wrong in mistakes.items() if came == wrong}
    tools.number("naive_passes", came, passes, exactly)


@pytest.mark.task("constant_accuracy", page="book/unit1/data.html")
def test_constant_accuracy(student: Student) -> None:
    """The accuracy of always naming the most frequent class."""
    accuracy, total = EXPECTED["constant_accuracy"], sum(EXAMPLES)
    least, middle, _ = (count / total for count in EXAMPLES)
    mistakes = {
        "this is percent: an accuracy lies between 0 and 1": 100 * accuracy,
        "a classifier that answers at random gets this, not one that always says the same": 1 / 3,
        "this is the share of another class than the most frequent one": middle,
        "this is the share of the rarest class: take the most frequent one": least,
        "this is the error rate": 1 - accuracy,
        "this answers each class as often as it occurs; the classifier never looks at the input "
        "and always says the same": accuracy**2 + middle**2 + least**2,
        "this is a number of examples: the accuracy is their share": max(EXAMPLES),
    }
    value = student.value("constant_accuracy")
    tools.number("constant_accuracy", value, accuracy, mistakes, rel=1e-4)
