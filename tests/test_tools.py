"""What hidden checks compare with: what passes, which hint comes, and what no message tells."""

import math
from collections import Counter, namedtuple
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.checks import tools
from autograder.checks.tools import Mistake
from autograder.student import Handle, LocalChannel, Student

Pair = namedtuple("Pair", "one two")
quick = settings(deadline=None, max_examples=100)


def mistake(function: Any, *arguments: Any, **options: Any) -> Mistake:
    with pytest.raises(Mistake) as caught:
        function(*arguments, **options)
    assert "\n" not in caught.value.message
    return caught.value


def returned(value: Any) -> Any:
    return Student(LocalChannel({"value": lambda: value})).value("value")()


def handle(value: Any) -> Handle:
    found = returned(value)
    assert isinstance(found, Handle)
    return found


X = torch.tensor([[1.5, -2.0, 3.25], [4.0, 5.5, -6.75]], dtype=torch.float64)


# -- tensors --------------------------------------------------------------------------------------


def test_a_tensor_comes_back_plain() -> None:
    graph = handle(X.clone().requires_grad_() * 1)
    for value in (X, X.clone().requires_grad_(), graph):
        plain = tools.tensor("y", value, (2, 3), torch.float64)
        assert torch.equal(plain, X) and not plain.requires_grad and type(plain) is torch.Tensor


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int64(2), torch.tensor(2.0)])
def test_numbers_count_as_tensors_without_dimensions(value: Any) -> None:
    assert tools.tensor("y", value, ()).item() == 2


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "is None (is a return statement missing?)"),
        ([1.0, 2.0], "a list of 2 items"),
        ((X,), "a tuple of 1 items"),
        (np.ones((2, 3)), "a NumPy array of shape (2, 3)"),
        ({"a": 1}, "a dict"),
        ("text", "a str"),
        (1.5, "a float"),
        (X.to(torch.complex128), "complex"),
        (handle({1, 2}), "a set"),
        (returned(Pair(1, 2)), "a Pair of 2 items"),
        (returned(Counter(a=1)), "a Counter"),
    ],
    ids=[
        "none",
        "list",
        "tuple",
        "array",
        "dict",
        "text",
        "number",
        "complex",
        "set",
        "pair",
        "Counter",
    ],
)
def test_other_kinds_are_named(value: Any, words: str) -> None:
    assert words in mistake(tools.tensor, "y", value, (2, 3)).message


@pytest.mark.parametrize("value", [True, "2", 10**400, 2j, np.complex64(2), np.str_("2"), None])
def test_no_number_counts_as_a_tensor_without_dimensions(value: Any) -> None:
    mistake(tools.tensor, "y", value, ())


@pytest.mark.parametrize(
    ("shape", "asked", "hint"),
    [
        ((3, 2), (2, 3), "transposed"),
        ((6, 1), (6,), "squeeze or a keepdim"),
        ((), (3,), "a sum or mean too many"),
        ((4,), (3,), None),
    ],
)
def test_shapes_are_named_with_a_hint(
    shape: tuple[int, ...], asked: tuple[int, ...], hint: str | None
) -> None:
    found = mistake(tools.tensor, "y", torch.zeros(shape), asked)
    assert str(asked) in found.message and str(shape) in found.message
    assert hint is None if found.hint is None else hint is not None and hint in found.hint
    assert mistake(tools.close, "y", torch.zeros(shape), torch.zeros(asked)).hint == found.hint


def test_dtypes_are_named() -> None:
    found = mistake(tools.tensor, "y", X.float(), (2, 3), torch.float64)
    assert "torch.float64" in found.message and "torch.float32" in found.message


# -- comparisons ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "fits", "fails"),
    [
        (torch.float64, 1e-8, 1e-6),
        (torch.float32, 1e-4, 1e-3),
        (torch.float16, 2e-3, 2e-2),
        (torch.bfloat16, 1e-2, 1e-1),
    ],
    ids=str,
)
def test_tolerance_follows_the_expected_dtype(
    dtype: torch.dtype, fits: float, fails: float
) -> None:
    expected = X.to(dtype)
    tools.close("y", expected * (1 + fits), expected)
    mistake(tools.close, "y", expected * (1 + fails), expected)


def test_single_precision_is_close_to_double_and_half_is_not() -> None:
    third = X / 3
    tools.close("y", third.float(), third)
    tools.close("y", third, third.float())
    mistake(tools.close, "y", third.bfloat16(), third)
    mistake(tools.close, "y", (third * 1.01).bfloat16(), third)
    mistake(tools.close, "y", third.half(), third.float())


def test_integers_must_be_equal() -> None:
    tools.close("y", torch.arange(4), torch.arange(4))
    tools.close("y", torch.arange(4.0), torch.arange(4))
    mistake(tools.close, "y", torch.arange(4) + 1, torch.arange(4))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_named_with_its_place(bad: float) -> None:
    actual = X.clone()
    actual[1, 2] = bad
    found = mistake(tools.close, "y", actual, X)
    assert f"at index [1, 2]: {bad} where a finite number belongs" in found.message
    mistake(tools.close, "y", X, actual)


def test_infinity_may_be_expected() -> None:
    infinite = torch.tensor([1.0, math.inf])
    tools.close("y", infinite.clone(), infinite)
    mistake(tools.close, "y", -infinite, infinite)
    mistake(tools.close, "y", torch.ones(2), infinite)


def test_every_coordinate_counts_and_the_worst_is_named() -> None:
    actual = X.clone()
    actual[0, 1] *= 2
    found = mistake(tools.close, "y", actual, X)
    assert "index [0, 1]" in found.message and "17%" in found.message
    assert "its only entry" in mistake(tools.close, "y", X[0, 0] + 1, X[0, 0]).message


def test_empty_tensors_agree() -> None:
    tools.close("y", torch.zeros(0, 3), torch.zeros(0, 3))


@pytest.mark.parametrize("actual", [None, [1.0], "x", X.to(torch.complex128)])
def test_anything_else_is_a_mistake_of_the_student(actual: Any) -> None:
    mistake(tools.close, "y", actual, X)


def test_the_named_mistake_gives_the_hint() -> None:
    mistakes = {"the square": X**2, "the sum": X + X, "another shape": X[0]}
    assert mistake(tools.close, "y", X * 2, X, mistakes).hint == "the sum"
    assert mistake(tools.close, "y", X**2, X, mistakes).hint == "the square"
    assert mistake(tools.close, "y", X**3, X, mistakes).hint is None


def test_general_hints() -> None:
    square = X[:, :2]
    assert mistake(tools.close, "y", square.T, square).hint == "the matrix is transposed"
    assert mistake(tools.close, "y", -X, X).hint == "the sign is wrong"
    assert "7 times" in str(mistake(tools.close, "y", 7 * X, X).hint)
    assert mistake(tools.close, "y", X + 7, X).hint is None
    assert mistake(tools.close, "y", torch.zeros_like(X), X).hint is None


# -- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [2.5, np.float32(2.5), np.array([[2.5]]), torch.tensor(2.5), torch.tensor([2.5]), 2.5 + 1e-9],
)
def test_numbers_in_any_form(value: Any) -> None:
    tools.number("n", value, 2.5)
    tools.number("n", handle(torch.tensor(2.5, requires_grad=True) * 1), 2.5)


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, np.bool_(True), "2.5", [2.5], 2j, np.complex128(1), 10**400),
        *(torch.ones(2), np.ones(2), np.array("2.5"), torch.tensor(True), math.nan, math.inf),
    ],
    ids=repr,
)
def test_what_is_no_number_or_another(value: Any) -> None:
    found = mistake(tools.number, "n", value, 2.5)
    assert found.message.startswith("n ")


def test_numbers_bring_up_their_hints() -> None:
    hints = {"the base is 2": 3.6, "the sum": 10.0}
    assert mistake(tools.number, "n", 3.6, 2.5, hints).hint == "the base is 2"
    assert mistake(tools.number, "n", 10, 2.5, hints).hint == "the sum"
    assert mistake(tools.number, "n", 11, 2.5, hints).hint is None


# -- arguments ------------------------------------------------------------------------------------


def test_unchanged() -> None:
    odd = torch.tensor([math.nan, math.inf, -0.0])
    for value in (X, odd, torch.tensor([True, False]), torch.arange(3), torch.zeros(0)):
        tools.unchanged("X", value.clone(), value)
    assert "modified its argument X" in mistake(tools.unchanged, "X", X, X + 1e-12).message
    mistake(tools.unchanged, "X", X, X.float())
    mistake(tools.unchanged, "X", X, X[:1])


A = X.numpy()


def test_an_array_comes_back_as_it_is() -> None:
    assert tools.array("y", A, (2, 3), np.float64) is A
    assert tools.array("loss", np.float64(2), ()).item() == 2


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (X, "must be a NumPy array, and is a tensor of shape (2, 3)"),
        (None, "is None"),
        (A.T, "must have shape (2, 3), and has shape (3, 2)"),
        (A.astype(np.float32), "must have dtype float64, and has dtype float32"),
        (A.astype(complex), "must hold real numbers, and has dtype complex128"),
        (A.astype(str), "must hold real numbers"),
        (A.astype(object), "must hold real numbers"),
    ],
)
def test_what_is_no_such_array_is_named(value: Any, words: str) -> None:
    assert words in mistake(tools.array, "y", value, (2, 3), np.float64).message


def test_arrays_are_compared_as_tensors_are() -> None:
    tools.close("y", A + 1e-12, A)
    tools.close("y", A.astype(">f8"), A)
    assert mistake(tools.close, "y", A.T, A).hint == "y is transposed"
    assert mistake(tools.close, "y", -A, A).hint == "the sign is wrong"
    assert mistake(tools.close, "y", A + 1, A, {"one too many": A + 1}).hint == "one too many"
    assert "NumPy array" in mistake(tools.close, "y", X, A).message
    assert "torch.Tensor" in mistake(tools.close, "y", A, X).message


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, bool, np.int64])
def test_arrays_of_whole_numbers_are_compared(dtype: type) -> None:
    whole: np.ndarray = np.array([0, 1, 1]).astype(dtype)
    tools.close("y", whole.copy(), whole)
    assert mistake(tools.close, "y", whole[::-1], whole).message.startswith("y is wrong at index")


def test_an_array_that_was_modified() -> None:
    tools.unchanged("x", A, A.copy())
    assert "x" in mistake(tools.unchanged, "x", A, A + 1).message


def test_numpy_generators_follow_from_the_checks_own() -> None:
    draws = [
        tools.numpy_generator(torch.Generator().manual_seed(seed)).random() for seed in (0, 0, 1)
    ]
    assert draws[0] == draws[1] != draws[2]


def test_require() -> None:
    tools.require(True, "never")
    found = mistake(tools.require, False, "what came", "why")
    assert (found.message, found.hint) == ("what came", "why")


# -- what no message tells ------------------------------------------------------------------------

seeds = st.integers(0, 2**32)


def drawn(seed: int, number: int) -> torch.Tensor:
    """Numbers of many digits."""
    generator = torch.Generator().manual_seed(seed)
    scale = 10 ** (8 * torch.rand(1, generator=generator) - 2)
    return (scale * torch.rand(number, generator=generator)).double() + math.pi / 1e5


def told(found: Mistake) -> str:
    return f"{found.message} {found.hint}"


def readings(value: float) -> set[str]:
    return {f"{value:.{digits}g}" for digits in (5, 6, 8, 12)} | {repr(value)}


@quick
@given(seeds, st.integers(2, 6), st.sampled_from(["scaled", "shifted", "negated", "cut", "nan"]))
def test_no_message_tells_an_expected_entry(seed: int, number: int, how: str) -> None:
    expected = drawn(seed, number)
    wrong = {
        "scaled": expected * 3,
        "shifted": expected + 1.5,
        "negated": -expected,
        "cut": expected[:-1],
        "nan": torch.full_like(expected, math.nan),
    }[how]
    found = mistake(tools.close, "y", wrong, expected, {"the square": expected**2})
    values = expected.tolist()
    assert not any(text in told(found) for value in values for text in readings(value))


@quick
@given(seeds)
def test_no_message_tells_an_expected_number(seed: int) -> None:
    expected, answer = drawn(seed, 2).tolist()
    for wrong in (answer, 3 * expected, expected**2, math.nan):
        found = mistake(tools.number, "n", wrong, expected, {"the square": expected**2})
        assert not any(text in told(found) for text in readings(expected))
