"""A student's backward pass against differences of the reference's forward pass."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autograder.checks import tools
from autograder.checks.tools import Mistake, StudentError
from exercises import lab

Wrong = np.ndarray | Callable[[Mapping[str, np.ndarray], np.ndarray], np.ndarray]

PAIR = "forward returns two things, the output and a cache: return out, cache"
FORWARD_FIRST = "backward is checked with the cache of your own forward: mend forward first"
CACHE_STAYS = (
    "backward changes the cache, or an array in it: a second call finds other values there; work "
    "on copies"
)

RELATIVE, ABSOLUTE = 1e-6, 1e-8  # of differences in float64


def out_and_cache(task: str, forward: Callable[[], Any]) -> tuple[Any, Any]:
    """What a forward pass returned; `task` names it in messages."""
    answer = forward()
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise Mistake(
            f"{task} must return two values, and returned {tools.described(answer)}", PAIR
        )
    return answer[0], answer[1]


def backward_agrees(
    student_forward: Callable[..., Any],
    student_backward: Callable[[np.ndarray, Any], Any],
    inputs: Mapping[str, np.ndarray],
    reference: Callable[..., np.ndarray],
    rng: np.random.Generator,
    mistakes: Mapping[str, Mapping[str, Wrong]] | None = None,
    keeps_cache: bool = False,
) -> None:
    """Compare every coordinate of every gradient, for a random upstream gradient.

    student_forward: called with the inputs in their order, returns output and cache.
    student_backward: called with the upstream gradient and the cache, as they came.
    reference: the reference's forward pass, which returns the output alone; differences of it are
    what is right.
    mistakes: by the name of an input, the wrong gradients by hint; a function is called with the
    inputs and the upstream gradient. Without a match the pattern of the errors gives the hint.
    keeps_cache: whether a second call with the same cache must give the same gradients.
    """
    values = [tools.copied(value) for value in inputs.values()]
    out, cache = _from_forward(lambda: student_forward(*values))
    expected_out = reference(*inputs.values())
    upstream = lab.upstream_gradient(expected_out, rng)
    given = upstream.copy()
    try:
        answer = student_backward(given, cache)
        gradients = _by_name(answer, inputs)
        for name, gradient in gradients.items():
            measured = _measured(name, inputs, reference, upstream)
            wrongs = (mistakes or {}).get(name, {})
            _compare(f"d{name}", gradient, measured, _made(wrongs, inputs, upstream))
    except (Mistake, StudentError):
        _blame_forward(out, expected_out)
        raise
    tools.unchanged("dout", upstream, given)
    if keeps_cache:
        _compare_again(gradients, lambda: student_backward(upstream.copy(), cache), inputs)
    for (name, before), after in zip(inputs.items(), values, strict=True):
        tools.unchanged(name, before, after)


def _from_forward(forward: Callable[[], Any]) -> tuple[Any, Any]:
    try:
        return out_and_cache("your forward", forward)
    except StudentError as error:
        came = "is still a stub" if error.stub else f"raised {error}"[:600]
        raise Mistake(f"your forward {came}", FORWARD_FIRST) from None


def _blame_forward(out: Any, expected: np.ndarray) -> None:
    """Where the output is wrong too, say so instead of what came of it."""
    try:
        tools.close("the output of your forward", out, expected)
    except Mistake as mistake:
        raise Mistake(mistake.message, FORWARD_FIRST) from None


def _by_name(answer: Any, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The gradients by the name of the input, each of the input's shape."""
    wanted = ", ".join(f"d{name}" for name in inputs)
    parts = list(answer) if isinstance(answer, tuple | list) else [answer]
    if len(parts) != len(inputs):
        came = tools.described(answer)
        raise Mistake(f"backward must return {wanted}, and returned {came}", f"return {wanted}")
    return {
        name: tools.array(f"d{name}", part, value.shape)
        for (name, value), part in zip(inputs.items(), parts, strict=True)
    }


def _measured(
    name: str,
    inputs: Mapping[str, np.ndarray],
    reference: Callable[..., np.ndarray],
    upstream: np.ndarray,
) -> np.ndarray:
    def scalar(value: np.ndarray) -> float:
        values = {**inputs, name: value}.values()
        return float((upstream * reference(*values)).sum())

    return np.asarray(lab.differences(scalar, inputs[name]))


def _compare_again(
    gradients: Mapping[str, np.ndarray],
    again: Callable[[], Any],
    inputs: Mapping[str, np.ndarray],
) -> None:
    # An answer may be an array of the cache itself, which the second call would change with it.
    first = {name: gradient.copy() for name, gradient in gradients.items()}
    try:
        for name, gradient in _by_name(again(), inputs).items():
            tools.close(f"d{name}", gradient, first[name])
    except (Mistake, StudentError) as error:
        message = f"a second call of backward with the same cache: {error}"[:600]
        raise Mistake(message, CACHE_STAYS) from None


def _made(
    wrongs: Mapping[str, Wrong], inputs: Mapping[str, np.ndarray], upstream: np.ndarray
) -> dict[str, np.ndarray]:
    return {
        hint: np.asarray(wrong(inputs, upstream) if callable(wrong) else wrong)
        for hint, wrong in wrongs.items()
    }


def _compare(
    name: str, gradient: np.ndarray, measured: np.ndarray, mistakes: Mapping[str, np.ndarray]
) -> None:
    smooth = np.isfinite(measured)
    assert smooth.any(), "every coordinate lies at a kink: choose other inputs"
    expected = np.where(smooth, measured, gradient)
    tolerance = ABSOLUTE * max(1.0, float(np.abs(measured[smooth]).max()))
    try:
        tools.close(name, gradient, expected, mistakes, RELATIVE, tolerance)
    except Mistake as mistake:
        hint = mistake.hint if mistake.hint in mistakes else lab.likely_cause(gradient, measured)
        raise Mistake(mistake.message, hint or mistake.hint) from None
