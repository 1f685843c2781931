"""Answers to the task of `solutions.gradients`."""

from collections.abc import Callable

import numpy as np

from solutions import gradients
from tests.wrong_answers import right, slip, wrong


@right("numerical_gradient")
def with_unit_vectors(
    f: Callable[[np.ndarray], float], x: np.ndarray, h: float = 1e-5
) -> np.ndarray:
    if x.dtype.kind != "f":
        raise TypeError("floats, please")
    slopes = []
    for i in range(x.size):
        step = np.zeros(x.size, dtype=x.dtype)
        step[i] = h
        step = step.reshape(x.shape)
        slopes.append((f(x + step) - f(x - step)) / (2 * h))
    return np.array(slopes, dtype=x.dtype).reshape(x.shape)


@right("numerical_gradient")
def in_place_and_back(
    f: Callable[[np.ndarray], float], x: np.ndarray, h: float = 1e-5
) -> np.ndarray:
    if not np.issubdtype(x.dtype, np.floating):
        raise TypeError(x.dtype)
    gradient = np.empty(x.shape, x.dtype)
    for index, old in np.ndenumerate(x.copy()):
        x[index] = old + h
        right_of_it = float(f(x))
        x[index] = old - h
        gradient[index] = (right_of_it - float(f(x))) / h / 2
        x[index] = old
    return gradient


@right("numerical_gradient")
def entry_by_entry_with_flat(
    f: Callable[[np.ndarray], float], x: np.ndarray, h: float = 1e-5
) -> np.ndarray:
    if np.issubdtype(x.dtype, np.integer) or x.dtype == bool:
        raise TypeError("whole numbers")
    gradient = np.zeros_like(x)
    for i in range(x.size):
        above, below = x.copy(), x.copy()
        above.flat[i] += h
        below.flat[i] -= h
        gradient.flat[i] = 0.5 * (f(above) - f(below)) / h
    return gradient


@right("numerical_gradient")
def divided_at_the_end(
    f: Callable[[np.ndarray], float], x: np.ndarray, h: float = 1e-5
) -> np.ndarray:
    if x.dtype.kind != "f":
        raise TypeError("x must hold floats")
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        old = x[index]
        x[index] = old + h
        gradient[index] = f(x)
        x[index] = old - h
        gradient[index] -= f(x)
        x[index] = old
    return gradient / (2 * h)  # a NumPy number where x has no dimension


slip(
    gradients.numerical_gradient,
    "to_one_side",
    {"point[index] = value - h": "point[index] = value", "2 * h": "h"},
    hint="to one side",
)

slip(
    gradients.numerical_gradient,
    "one_step_apart",
    {"(2 * h)": "h"},
    hint="2 h apart",
)

slip(
    gradients.numerical_gradient,
    "step_of_its_own",
    {"point, gradient": "h = 1e-05\n    point, gradient"},
    hint="the step is not the h",
)

slip(
    gradients.numerical_gradient,
    "half_a_step",
    {"value + h": "value + h / 2", "value - h": "value - h / 2", "(2 * h)": "h"},
    hint="h / 2",
)

slip(
    gradients.numerical_gradient,
    "below_minus_above",
    {"above - below": "below - above"},
    hint="opposite sign",
)

slip(
    gradients.numerical_gradient,
    "wanders",
    {"        point[index] = value\n": ""},
    hint="put each coordinate back",
)

slip(
    gradients.numerical_gradient,
    "leaves_x_moved",
    {"x.copy()": "x", "        point[index] = value\n": ""},
    hint="put each coordinate back",
)

slip(
    gradients.numerical_gradient,
    "adds_and_subtracts",
    {
        "x.copy()": "x",
        "point[index] = value + h": "point[index] += h",
        "point[index] = value - h": "point[index] -= 2 * h",
        "        point[index] = value\n": "        point[index] += h\n",
    },
    hint="leaves a rounding error",
)

slip(
    gradients.numerical_gradient,
    "takes_whole_numbers",
    {
        "    if not np.issubdtype(x.dtype, np.floating):\n"
        "        raise TypeError(f'x holds {x.dtype}; differences need floats, "
        "use x.astype(float)')\n": ""
    },
    hint="raise TypeError",
)

slip(
    gradients.numerical_gradient,
    "takes_float64_alone",
    {"not np.issubdtype(x.dtype, np.floating)": "x.dtype != np.float64"},
    hint="float32",
)

slip(
    gradients.numerical_gradient,
    "always_float64",
    {"np.zeros_like(x)": "np.zeros(x.shape)"},
    hint="dtype of x",
)


@wrong("numerical_gradient", hint="reshape(-1) of an array")
def along_a_flat_copy(
    f: Callable[[np.ndarray], float], x: np.ndarray, h: float = 1e-5
) -> np.ndarray:
    if not np.issubdtype(x.dtype, np.floating):
        raise TypeError(x.dtype)
    flat, slopes = x.reshape(-1), np.zeros(x.size, dtype=x.dtype)
    for i in range(x.size):
        value = flat[i]
        flat[i] = value + h
        above = f(x)
        flat[i] = value - h
        slopes[i] = (above - f(x)) / (2 * h)
        flat[i] = value
    return slopes.reshape(x.shape)


@wrong("numerical_gradient", hint="any shape")
def of_a_matrix_alone(
    f: Callable[[np.ndarray], float], x: np.ndarray, h: float = 1e-5
) -> np.ndarray:
    if not np.issubdtype(x.dtype, np.floating):
        raise TypeError(x.dtype)
    point, gradient = x.copy(), np.zeros_like(x)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            point[i, j] = x[i, j] + h
            above = f(point)
            point[i, j] = x[i, j] - h
            gradient[i, j] = (above - f(point)) / (2 * h)
            point[i, j] = x[i, j]
    return gradient


@wrong("numerical_gradient", hint="one at a time")
def all_at_once(f: Callable[[np.ndarray], float], x: np.ndarray, h: float = 1e-5) -> np.ndarray:
    if not np.issubdtype(x.dtype, np.floating):
        raise TypeError(x.dtype)
    return np.full_like(x, (f(x + h) - f(x - h)) / (2 * h))


@wrong("numerical_gradient", hint="shape of x")
def as_a_flat_vector(
    f: Callable[[np.ndarray], float], x: np.ndarray, h: float = 1e-5
) -> np.ndarray:
    if not np.issubdtype(x.dtype, np.floating):
        raise TypeError(x.dtype)
    units = h * np.eye(x.size, dtype=x.dtype).reshape(-1, *x.shape)
    return np.array([(f(x + unit) - f(x - unit)) / (2 * h) for unit in units], dtype=x.dtype)
