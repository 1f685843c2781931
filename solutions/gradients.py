"""The gradient of any function of an array, measured."""

from collections.abc import Callable

import numpy as np


def numerical_gradient(
    f: Callable[[np.ndarray], float], x: np.ndarray, h: float = 1e-5
) -> np.ndarray:
    """Approximate the gradient of a scalar function by central differences.

    Each entry of x is moved by h up and by h down while the others stay:
    (f(x + h e) - f(x - h e)) / (2 h), with e the unit vector of that entry.

    Book: unit 4, page `gradient_check`.

    Args:
        f: the function, called twice for each entry of x; it takes an array like x and returns a
            number.
        x: the point, an array of floats of any shape, also () and also a view of other memory;
            after the call it holds exactly the numbers that it held before.
        h: the step, a positive number.

    Returns:
        A new array of the shape and the dtype of x.

    Raises:
        TypeError: x holds whole numbers or truth values: a step would be rounded away.
    """
    if not np.issubdtype(x.dtype, np.floating):
        raise TypeError(f"x holds {x.dtype}; differences need floats, use x.astype(float)")
    point, gradient = x.copy(), np.zeros_like(x)
    for index in np.ndindex(x.shape):
        value = point[index]
        point[index] = value + h
        above = f(point)
        point[index] = value - h
        below = f(point)
        point[index] = value
        gradient[index] = (above - below) / (2 * h)
    return gradient
