"""Hidden checks of `quick`, each against an oracle that shares no code with the answers."""

import pytest
import torch
from autograder.checks.quick.numbers import EXPECTED, N_H, N_Y
from torch.nn import functional

from autograder.checks import tools
from autograder.student import Student

LOSS = "book/unit1/loss.html"
NETWORK = "book/unit1/network.html"
BACKPROPAGATION = "book/unit1/backpropagation.html"


@pytest.mark.task("softmax", weight=2, page=NETWORK)
def test_softmax_of_a_batch(student: Student, rng: torch.Generator) -> None:
    """The probabilities of five examples and three classes."""
    Z = torch.randn(5, 3, generator=rng, dtype=torch.float64)
    actual = tools.tensor("the result", student.softmax(Z.clone()), (5, 3), torch.float64)
    mistakes = {"each row must sum to one: over which dimension do you normalise?": Z.softmax(0)}
    tools.close("the result", actual, Z.softmax(1), mistakes)


@pytest.mark.task("softmax", weight=1, page=NETWORK)
def test_softmax_of_large_numbers(student: Student, rng: torch.Generator) -> None:
    """Pre-activations that differ by a thousand."""
    Z = 500 * torch.randn(4, 3, generator=rng, dtype=torch.float64)
    Z[:, 0] = torch.tensor([1000.0, -1000.0, 0.0, 1000.0])
    actual = tools.tensor("the result", student.softmax(Z.clone()), (4, 3))
    tools.close("the result", actual, Z.softmax(1))


@pytest.mark.task("softmax", weight=1, page=NETWORK)
def test_softmax_leaves_its_argument(student: Student, rng: torch.Generator) -> None:
    """The argument is not modified."""
    Z = torch.randn(2, 4, generator=rng, dtype=torch.float64)
    given = Z.clone()
    student.softmax(given)
    tools.unchanged("Z", Z, given)


@pytest.mark.task("cross_entropy", weight=3, page=LOSS)
def test_cross_entropy_of_a_batch(student: Student, rng: torch.Generator) -> None:
    """The mean loss of six examples and four classes."""
    P = torch.randn(6, 4, generator=rng, dtype=torch.float64).softmax(1)
    labels = torch.randint(4, (6,), generator=rng)
    loss = functional.nll_loss(P.log(), labels).item()
    actual = student.cross_entropy(P.clone(), labels.clone())
    mistakes = {"this is the sum over the batch: take the mean": 6 * loss, "the sign": -loss}
    tools.number("the loss", actual, loss, mistakes)


@pytest.mark.task("cross_entropy", weight=1, page=LOSS)
def test_cross_entropy_of_one_example(student: Student, rng: torch.Generator) -> None:
    """The loss of a batch of one."""
    P = torch.randn(1, 3, generator=rng, dtype=torch.float64).softmax(1)
    actual = student.cross_entropy(P.clone(), torch.tensor([2]))
    tools.number("the loss", actual, -P[0, 2].log().item())


@pytest.mark.task("cross_entropy_gradient", weight=3, page=BACKPROPAGATION)
def test_cross_entropy_gradient(student: Student, rng: torch.Generator) -> None:
    """The gradient for five examples and four classes."""
    Z = torch.randn(5, 4, generator=rng, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(4, (5,), generator=rng)
    (expected,) = torch.autograd.grad(functional.cross_entropy(Z, labels), Z)
    given = Z.detach()
    actual = student.cross_entropy_gradient(given.clone(), labels.clone())
    actual = tools.tensor("the gradient", actual, (5, 4), torch.float64)
    mistakes = {"the loss is the mean over the batch: divide by its size": 5 * expected}
    tools.close("the gradient", actual, expected, mistakes)


@pytest.mark.task("cross_entropy_gradient", weight=1, page=BACKPROPAGATION)
def test_cross_entropy_gradient_leaves_its_argument(student: Student, rng: torch.Generator) -> None:
    """The argument is not modified."""
    Z = torch.randn(2, 3, generator=rng, dtype=torch.float64)
    given = Z.clone()
    student.cross_entropy_gradient(given, torch.tensor([1, 0]))
    tools.unchanged("Z", Z, given)


@pytest.mark.task("linear_forward", weight=2, page=NETWORK)
def test_linear_forward_of_a_batch(student: Student, rng: torch.Generator) -> None:
    """The pre-activations of five examples."""
    x = torch.randn(5, 4, generator=rng, dtype=torch.float64)
    W = torch.randn(3, 4, generator=rng, dtype=torch.float64)
    b = torch.randn(3, generator=rng, dtype=torch.float64)
    actual = student.linear_forward(x.clone(), W.clone(), b.clone())
    actual = tools.tensor("the result", actual, (5, 3), torch.float64)
    mistakes = {"add the biases": functional.linear(x, W)}
    tools.close("the result", actual, functional.linear(x, W, b), mistakes)


@pytest.mark.task("linear_forward", weight=1, page=NETWORK)
def test_linear_forward_without_biases(student: Student, rng: torch.Generator) -> None:
    """One example, and biases of zero."""
    x = torch.randn(1, 2, generator=rng, dtype=torch.float64)
    W = torch.randn(2, 2, generator=rng, dtype=torch.float64)
    b = torch.zeros(2, dtype=torch.float64)
    actual = student.linear_forward(x.clone(), W.clone(), b)
    tools.close("the result", tools.tensor("the result", actual, (1, 2)), functional.linear(x, W))


@pytest.mark.task("linear_backward", weight=1, page=BACKPROPAGATION)
def test_linear_backward_to_the_inputs(student: Student, rng: torch.Generator) -> None:
    """The gradient with respect to the inputs."""
    upstream = torch.randn(5, 3, generator=rng, dtype=torch.float64)
    x = torch.randn(5, 4, generator=rng, dtype=torch.float64, requires_grad=True)
    W = torch.randn(3, 4, generator=rng, dtype=torch.float64)
    (expected,) = torch.autograd.grad(functional.linear(x, W), x, upstream)
    gradients = student.linear_backward(upstream.clone(), x.detach().clone(), W.clone())
    tools.close("grad_x", tools.tensor("grad_x", gradients[0], (5, 4), torch.float64), expected)


@pytest.mark.task("linear_backward", weight=1, page=BACKPROPAGATION)
def test_linear_backward_to_the_weights(student: Student, rng: torch.Generator) -> None:
    """The gradient with respect to the weights."""
    upstream = torch.randn(5, 3, generator=rng, dtype=torch.float64)
    x = torch.randn(5, 4, generator=rng, dtype=torch.float64)
    W = torch.randn(3, 4, generator=rng, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(functional.linear(x, W), W, upstream)
    gradients = student.linear_backward(upstream.clone(), x.clone(), W.detach().clone())
    tools.close("grad_W", tools.tensor("grad_W", gradients[1], (3, 4), torch.float64), expected)


@pytest.mark.task("linear_backward", weight=1, page=BACKPROPAGATION)
def test_linear_backward_to_the_biases(student: Student, rng: torch.Generator) -> None:
    """The gradient with respect to the biases."""
    upstream = torch.randn(6, 2, generator=rng, dtype=torch.float64)
    x = torch.randn(6, 3, generator=rng, dtype=torch.float64)
    W = torch.randn(2, 3, generator=rng, dtype=torch.float64)
    b = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    (expected,) = torch.autograd.grad(functional.linear(x, W, b), b, upstream)
    gradients = student.linear_backward(upstream.clone(), x.clone(), W.clone())
    actual = tools.tensor("grad_b", gradients[2], (2,), torch.float64)
    tools.close("grad_b", actual, expected, {"sum over the batch, without a mean": expected / 6})


@pytest.mark.task("accuracy", page=LOSS)
def test_accuracy(student: Student, rng: torch.Generator) -> None:
    """The share of right answers among eight."""
    labels = torch.randint(3, (8,), generator=rng)
    Z = functional.one_hot(labels, 3).double()
    Z[:3] = -Z[:3]
    actual = student.accuracy(Z.clone(), labels.clone())
    mistakes = {"this is a number of examples: the accuracy is their share": 5.0}
    tools.number("the accuracy", actual, 5 / 8, mistakes)


@pytest.mark.task("Standardizer", weight=1)
def test_standardised_training_data(student: Student, rng: torch.Generator) -> None:
    """The columns of the training data come out with mean 0 and standard deviation 1."""
    x = 3 + 2 * torch.randn(9, 4, generator=rng, dtype=torch.float64)
    actual = tools.tensor("the result", student.Standardizer(x.clone())(x.clone()), (9, 4))
    zeros, ones = torch.zeros(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64)
    tools.close("the mean of each column", actual.mean(0), zeros)
    tools.close("the deviation of each column", actual.std(0, correction=0), ones)


@pytest.mark.task("Standardizer", weight=1)
def test_standardised_other_data(student: Student, rng: torch.Generator) -> None:
    """Other data are standardised with the numbers of the training data."""
    train = 5 * torch.rand(8, 2, generator=rng, dtype=torch.float64)
    other = 7 * torch.rand(3, 2, generator=rng, dtype=torch.float64)
    actual = student.Standardizer(train.clone())(other.clone())
    expected = (other - train.mean(0)) / ((train - train.mean(0)) ** 2).mean(0).sqrt()
    own = (other - other.mean(0)) / other.std(0, correction=0)
    mistakes = {"mean and deviation are those of the training data": own}
    tools.close("the result", tools.tensor("the result", actual, (3, 2)), expected, mistakes)


@pytest.mark.task("n_weights", page=NETWORK)
def test_n_weights(student: Student) -> None:
    """The number of weights."""
    expected = EXPECTED["n_weights"]
    mistakes = {"the biases do not count here": expected + N_H + N_Y}
    tools.number("n_weights", student.value("n_weights"), expected, mistakes)
