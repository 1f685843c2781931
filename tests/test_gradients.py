"""What hidden checks of backward passes accept, and what they say of the others."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from autograder.checks import gradients
from autograder.checks.tools import Mistake
from autograder.student import LocalChannel, Student

MISTAKES = {"w": {"batch mean": lambda inputs, dout: inputs["x"].T @ dout / len(dout)}}


def scaled_sine(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    return np.sin(x) @ w


def forward(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, Any]:
    return scaled_sine(x, w), (x, w)


def backward(dout: np.ndarray, cache: Any) -> Any:
    x, w = cache
    return dout @ w.T * np.cos(x), np.sin(x).T @ dout


def agree(
    forward: Callable[..., Any] = forward,
    backward: Callable[..., Any] = backward,
    mistakes: Any = None,
) -> None:
    student = Student(LocalChannel({"forward": forward, "backward": backward}))
    rng = np.random.default_rng(0)
    inputs = {"x": np.asfortranarray(rng.normal(size=(4, 3))), "w": rng.normal(size=(3, 2))}
    gradients.backward_agrees(student.forward, student.backward, inputs, scaled_sine, rng, mistakes)


def mistake(**functions: Any) -> Mistake:
    with pytest.raises(Mistake) as caught:
        agree(**functions)
    return caught.value


class Cache:
    """A cache of a student's own kind."""

    def __init__(self, x: np.ndarray, w: np.ndarray) -> None:
        self.x, self.w = x, w

    def __iter__(self) -> Any:
        return iter((self.x, self.w))


def inside(x: np.ndarray, w: np.ndarray) -> dict[str, Any]:
    """A dict of data and of something that stays in the worker."""
    return {"x": x, "w": w, "layer": Cache(x, w)}


@pytest.mark.parametrize(
    "keep",
    [
        lambda x, w: (x, w),
        lambda x, w: [x, w],
        Cache,
        lambda x, w: SimpleNamespace(pair=(x, w)),
        lambda x, w: {"x": x, "w": w, "shape": x.shape},
        lambda x, w: lambda: (x, w),
        inside,
    ],
)
def test_any_cache_comes_back(keep: Callable[..., Any]) -> None:
    def own_backward(dout: np.ndarray, cache: Any) -> Any:
        if isinstance(cache, dict):
            return backward(dout, (cache["x"], cache["w"]))
        if isinstance(cache, SimpleNamespace):
            return backward(dout, cache.pair)
        return backward(dout, cache() if callable(cache) else cache)

    agree(lambda x, w: (scaled_sine(x, w), keep(x, w)), own_backward)


def test_the_named_mistake_gives_the_hint() -> None:
    def linear(dout: np.ndarray, cache: Any) -> Any:
        return backward(dout, cache)[0], cache[0].T @ dout / len(dout)

    assert mistake(backward=linear, mistakes=MISTAKES).hint == "batch mean"


@pytest.mark.parametrize(
    ("spoil", "hint"),
    [
        (lambda dx, dw: (dx, dw / 4), "0.25 times as large"),
        (lambda dx, dw: (-dx, dw), "the sign is the opposite"),
        (lambda dx, dw: (0 * dx, dw), "is the upstream gradient used?"),
        (lambda dx, dw: (dx, dw + dw.mean(axis=0)), "along axis 0"),
    ],
)
def test_a_pattern_of_the_errors_gives_the_hint(spoil: Callable[..., Any], hint: str) -> None:
    found = mistake(backward=lambda dout, cache: spoil(*backward(dout, cache)))
    assert found.hint is not None and hint in found.hint


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda dx, dw: dx, "backward must return dx, dw, and returned a NumPy array"),
        (lambda dx, dw: None, "is a return statement missing?"),
        (lambda dx, dw: (dx.T, dw), "dx must have shape (4, 3)"),
        (lambda dx, dw: (dx, None), "dw must be a NumPy array"),
    ],
)
def test_other_answers_are_named(answer: Callable[..., Any], words: str) -> None:
    assert words in mistake(backward=lambda dout, cache: answer(*backward(dout, cache))).message


def test_one_gradient_may_be_wrong_in_one_coordinate() -> None:
    def one_off(dout: np.ndarray, cache: Any) -> Any:
        dx, dw = backward(dout, cache)
        dx[3, 1] *= 1 + 1e-5
        return dx, dw

    assert "index [3, 1]" in mistake(backward=one_off).message


def test_a_wrong_forward_is_named_first() -> None:
    def doubled(x: np.ndarray, w: np.ndarray) -> Any:
        return 2 * scaled_sine(x, w), (2 * x, w)

    found = mistake(forward=doubled)
    assert found.message.startswith("the output of your forward is wrong")
    assert found.hint == gradients.FORWARD_FIRST


def stub(*arguments: Any) -> Any:
    raise NotImplementedError


def broken(*arguments: Any) -> Any:
    raise ValueError("no")


@pytest.mark.parametrize(
    ("function", "words"),
    [(stub, "is still a stub"), (broken, "raised ValueError: no"), (scaled_sine, "two values")],
)
def test_without_a_forward_there_is_no_backward(function: Any, words: str) -> None:
    assert words in mistake(forward=function).message


def test_what_backward_modifies_is_named() -> None:
    def spoiled(dout: np.ndarray, cache: Any) -> Any:
        answer = backward(dout, cache)
        dout *= 0
        return answer

    assert "dout" in mistake(backward=spoiled).message

    def careless(x: np.ndarray, w: np.ndarray) -> Any:
        answer = forward(x.copy(), w.copy())
        w *= 0
        return answer

    assert "its argument w" in mistake(forward=careless).message
