"""What hidden checks compare with: messages name kind, place and likely cause, never the answer."""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from autograder.student import Handle, StudentError
from autograder.worker.codec import Peer

__all__ = [
    *("AUTOGRAD", "Mistake", "StudentError", "array", "close", "copied", "explained"),
    *("graph_is_off", "number", "numpy_generator", "require", "tensor", "unchanged", "wrong_view"),
]

AUTOGRAD = [
    *("torch.autograd", "torch.Tensor.backward", "torch.Tensor.requires_grad_", "torch.func"),
    *("torch.enable_grad", "torch.set_grad_enabled", "torch.inference_mode", "torch.ops"),
]
CONTIGUOUS = "reshape works where view needs contiguous memory"
GRAPH_IS_OFF = "automatic differentiation is off in this task: write the formulas out"

RELATIVE = {torch.float64: 1e-7, torch.float32: 2e-4, torch.bfloat16: 2e-2, torch.float16: 5e-3}
ABSOLUTE = {torch.float64: 1e-9, torch.float32: 1e-5, torch.bfloat16: 1e-2, torch.float16: 1e-3}

_REAL = int | float | np.integer | np.floating
_Numbers = torch.Tensor | np.ndarray


class Mistake(AssertionError):  # noqa: N818 - it reads as what the student made
    """An answer that is not right: `message` says what came, `hint` the likely cause."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def of_tasks(pages: Mapping[str, str], weight: float) -> pytest.MarkDecorator:
    """Mark a check that several tasks have alike; it takes the task's name as `task`.

    pages: each task's page of the book.
    """
    marks = {task: pytest.mark.task(task, weight=weight, page=page) for task, page in pages.items()}
    cases = [pytest.param(task, marks=mark, id=task) for task, mark in marks.items()]
    return pytest.mark.parametrize("task", cases)


def require(condition: bool, message: str, hint: str | None = None) -> None:
    """Raise Mistake unless the condition holds."""
    if not condition:
        raise Mistake(message, hint)


def tensor(
    name: str, value: Any, shape: Iterable[int] | None, dtype: torch.dtype | None = None
) -> torch.Tensor:
    """The answer as a plain tensor without its graph.

    A Python or NumPy number is taken for a tensor without dimensions. Raises Mistake that names
    type, shape or dtype where they are not as asked.
    """
    if isinstance(value, Handle):
        value = value.value()
    if isinstance(value, int | float | np.generic) and shape is not None and not tuple(shape):
        as_number(name, value)
        value = torch.as_tensor(value)
    if not isinstance(value, torch.Tensor):
        raise Mistake(f"{name} must be a torch.Tensor, and is {described(value)}")
    if value.is_complex():
        raise Mistake(f"{name} must hold real numbers, and holds complex ones")
    value = value.detach()
    if shape is not None and tuple(value.shape) != tuple(shape):
        raise Mistake(
            f"{name} must have shape {tuple(shape)}, and has shape {tuple(value.shape)}",
            _shape_hint(name, tuple(value.shape), tuple(shape)),
        )
    if dtype is not None and value.dtype != dtype:
        raise Mistake(f"{name} must have dtype {dtype}, and has dtype {value.dtype}")
    return value


def array(
    name: str, value: Any, shape: Iterable[int] | None, dtype: np.dtype | type | None = None
) -> np.ndarray:
    """The answer as a NumPy array of real numbers.

    A Python or NumPy number is taken for an array without dimensions. Raises Mistake that names
    type, shape or dtype where they are not as asked.
    """
    if isinstance(value, int | float | np.generic) and shape is not None and not tuple(shape):
        as_number(name, value)
        value = np.asarray(value)
    if not isinstance(value, np.ndarray):
        raise Mistake(f"{name} must be a NumPy array, and is {described(value)}")
    if value.dtype.kind not in "biuf":
        raise Mistake(f"{name} must hold real numbers, and has dtype {value.dtype}")
    tensor(name, _as_tensor(value), shape)
    if dtype is not None and value.dtype != np.dtype(dtype):
        raise Mistake(f"{name} must have dtype {np.dtype(dtype)}, and has dtype {value.dtype}")
    return value


def copied(value: np.ndarray) -> np.ndarray:
    """A copy whose entries lie as far apart in memory; NumPy's own closes the gaps of a view."""
    low, high = np.lib.array_utils.byte_bounds(value)
    first = value.__array_interface__["data"][0] - low
    copy = np.ndarray(value.shape, value.dtype, bytearray(high - low), first, value.strides)
    copy[...] = value
    return copy


def numpy_generator(rng: torch.Generator) -> np.random.Generator:
    """A NumPy generator of hidden inputs, that follows from the check's own generator."""
    return np.random.default_rng(int(torch.randint(2**62, (), generator=rng)))


def close(
    name: str,
    actual: _Numbers,
    expected: _Numbers,
    mistakes: Mapping[str, _Numbers] | None = None,
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """Compare every coordinate; the first of `mistakes` whose wrong value came gives the hint.

    |actual - expected| <= atol + rtol |expected|, with the tolerances of the coarser dtype; half
    precision is a coarser dtype only where it is expected. Where an array is expected, an array
    must have come, and where a tensor is, a tensor.
    """
    if isinstance(expected, np.ndarray):
        actual = _as_tensor(array(name, actual, expected.shape))
    wrongs = {hint: _as_tensor(wrong) for hint, wrong in (mistakes or {}).items()}
    _close(name, actual, _as_tensor(expected), wrongs, rtol, atol)


def _as_tensor(value: Any) -> Any:
    """An array as a tensor with the same numbers; anything else as it is."""
    if not isinstance(value, np.ndarray):
        return value
    widened = value.astype(np.int64) if value.dtype.kind == "u" else value
    return torch.from_numpy(np.array(widened, dtype=widened.dtype.newbyteorder("=")))


def _close(
    name: str,
    actual: Any,
    expected: torch.Tensor,
    mistakes: Mapping[str, torch.Tensor],
    rtol: float | None,
    atol: float | None,
) -> None:
    actual, expected = tensor(name, actual, expected.shape).cpu(), expected.detach().cpu()
    if _agrees(actual, expected, rtol, atol):
        return
    matching = (
        hint
        for hint, wrong in mistakes.items()
        if wrong.shape == actual.shape and _agrees(actual, wrong.detach().cpu(), rtol, atol)
    )
    hint = next(matching, None) or _general_hint(actual, expected, rtol, atol)
    raise Mistake(f"{name} is wrong {_worst(actual, expected)}", hint)


def number(
    name: str,
    value: Any,
    expected: float,
    mistakes: Mapping[str, float] | None = None,
    rel: float = 1e-6,
) -> None:
    """Compare one number, given as a Python or NumPy number or as a tensor of one item."""
    plain = as_number(name, value)
    if math.isclose(plain, expected, rel_tol=rel, abs_tol=rel * 1e-3):
        return
    for hint, wrong in (mistakes or {}).items():
        if math.isclose(plain, wrong, rel_tol=max(rel, 1e-3), abs_tol=rel):
            raise Mistake(f"{name} is {plain:.6g}, which is not right", hint)
    raise Mistake(f"{name} is {plain:.6g}, which is not right")


def as_number(name: str, value: Any) -> float:
    """A real number as float; raises Mistake for anything else."""
    if isinstance(value, Handle):
        value = value.value()
    if isinstance(value, torch.Tensor | np.ndarray) and math.prod(value.shape) == 1:
        value = value.item()
    if isinstance(value, bool | np.bool_) or not isinstance(value, _REAL):
        raise Mistake(f"{name} must be a number, and is {described(value)}")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise Mistake(f"{name} is a whole number beyond 2**63")
    return float(value)


def unchanged(name: str, before: _Numbers, after: _Numbers) -> None:
    """Verify that an argument was not modified."""
    one, other = (_as_tensor(value).detach() for value in (before, after))
    same = one.shape == other.shape and one.dtype == other.dtype
    if not same or not _identical(one, other):
        raise Mistake(
            f"the call modified its argument {name}",
            f"the argument {name} belongs to the caller: work on a copy, without in-place "
            "operations on it",
        )


@contextmanager
def explained(hint: str, *fragments: str) -> Iterator[None]:
    """Give the student's own exception a hint where its text holds one of the fragments."""
    try:
        yield
    except StudentError as error:
        if error.stub or not any(fragment in str(error) for fragment in fragments):
            raise
        raise Mistake(f"your code raised {error}"[:600], hint) from None


def wrong_view() -> AbstractContextManager[None]:
    """Explain the error of a view of memory that is not contiguous."""
    return explained(CONTIGUOUS, "view size")


def graph_is_off() -> AbstractContextManager[None]:
    """Explain what PyTorch raises where backward is called although no graph was recorded."""
    fragments = ("does not require grad", "inference tensor", "Inference tensor")
    return explained(GRAPH_IS_OFF, *fragments)


def described(value: Any) -> str:
    """The kind of a value in words, for a message."""
    if value is None:
        return "None (is a return statement missing?)"
    if isinstance(value, Handle):
        return f"a {value.type_name}"
    kind = value.handle.type_name if isinstance(value, Peer) else type(value).__name__
    if isinstance(value, tuple | list):
        return f"a {kind} of {len(value)} items"
    if isinstance(value, np.ndarray):
        return f"a NumPy array of shape {value.shape}"
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return f"a {kind}"


def _agrees(
    actual: torch.Tensor, expected: torch.Tensor, rtol: float | None, atol: float | None
) -> bool:
    own = actual.dtype if actual.dtype == torch.float32 else expected.dtype
    coarser = max((own, expected.dtype), key=lambda dtype: RELATIVE.get(dtype, 0.0))
    return torch.allclose(
        _comparable(actual),
        _comparable(expected),
        rtol=RELATIVE.get(coarser, 0.0) if rtol is None else rtol,
        atol=ABSOLUTE.get(coarser, 0.0) if atol is None else atol,
    )


def _identical(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(_comparable(one), _comparable(other), rtol=0, atol=0, equal_nan=True)


def _comparable(value: torch.Tensor) -> torch.Tensor:
    return value if value.is_complex() else value.to(torch.float64)


def _worst(actual: torch.Tensor, expected: torch.Tensor) -> str:
    got, want = _comparable(actual), _comparable(expected)
    if not bool(torch.isfinite(got).all()) and bool(torch.isfinite(want).all()):
        index = tuple(torch.nonzero(~torch.isfinite(got))[0].tolist())
        return f"at {_place(index)}: {got[index].item()} where a finite number belongs"
    error = (got - want).abs() / want.abs().clamp_min(1e-12)
    error = torch.nan_to_num(error, nan=math.inf)
    index = tuple(int(i) for i in np.unravel_index(int(error.argmax()), error.shape or (1,)))
    index = index if error.shape else ()
    share = float(((got - want).abs() > 1e-4 * want.abs() + 1e-6).double().mean())
    where = _place(index)
    size = error[index].item()
    return f"at {where}: the relative error is {size:.2g}, and {share:.0%} of the entries differ"


def _place(index: tuple[int, ...]) -> str:
    return f"index {list(index)}" if index else "its only entry"


def _shape_hint(name: str, came: tuple[int, ...], asked: tuple[int, ...]) -> str | None:
    if came != asked and came == asked[::-1]:
        return f"{name} is transposed"
    if math.prod(came) == math.prod(asked):
        return f"{name} has the right number of entries in another shape: a squeeze or a keepdim"
    if not came and asked:
        return f"{name} is one number where there should be one per entry: a sum or mean too many"
    return None


def _general_hint(
    actual: torch.Tensor, expected: torch.Tensor, rtol: float | None, atol: float | None
) -> str | None:
    if (
        actual.dim() == 2
        and actual.shape == expected.shape[::-1]
        and _agrees(actual.T, expected, rtol, atol)
    ):
        return "the matrix is transposed"
    actual = actual if actual.is_floating_point() else _comparable(actual)
    if _agrees(-actual, expected, rtol, atol):
        return "the sign is wrong"
    if expected.numel() > 1 and expected.is_floating_point() and bool(expected.any()):
        factor = float((actual.double() * expected.double()).sum() / (expected.double() ** 2).sum())
        if factor and math.isfinite(factor) and _agrees(actual / factor, expected, rtol, atol):
            return f"every entry is {factor:.4g} times what it should be"
    return None
