"""What the checks of `toolbox_layers` share: hints for shapes, and arrays in other layouts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from autograder.checks import gradients, tools

SHAPES = (
    "write the shape beside every array: x becomes N × D, one row of D numbers an example, the "
    "weights are D × M, and a gradient has the shape of what it belongs to"
)
NUMPY_COMPLAINS = ("matmul", "not aligned", "broadcast", "operands", "cannot reshape", "einsum")


@contextmanager
def hinted(hint: str = SHAPES) -> Iterator[None]:
    """Explain NumPy's errors over shapes, and every complaint without a hint of its own."""
    try:
        with tools.explained(hint, *NUMPY_COMPLAINS):
            yield
    except tools.Mistake as mistake:
        raise tools.Mistake(mistake.message, mistake.hint or hint) from None


@contextmanager
def cache_of(forward: Callable[[], Any], expected: np.ndarray) -> Iterator[Any]:
    """The cache of the student's own forward pass; a wrong output is named before what follows."""
    try:
        out, cache = gradients.out_and_cache("your forward", forward)
    except tools.StudentError as error:
        message = f"your forward raised {error}"[:600]
        raise tools.Mistake(message, gradients.FORWARD_FIRST) from None
    try:
        yield cache
    except (tools.Mistake, tools.StudentError):
        try:
            tools.close("the output of your forward", out, expected)
        except tools.Mistake as mistake:
            raise tools.Mistake(mistake.message, gradients.FORWARD_FIRST) from None
        raise


def every_second(values: np.ndarray) -> np.ndarray:
    """The same numbers as a view whose entries do not lie side by side in memory."""
    spread = np.zeros((*values.shape[:-1], 2 * values.shape[-1]), dtype=values.dtype)
    spread[..., ::2] = values
    return spread[..., ::2]
