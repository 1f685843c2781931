"""Time of one convolution by loops, by im2col and by PyTorch, forward and backward.

The three compute the same layer in float32 with the same weights, on square images of growing side,
and take turns in one process. Forward keeps what backward needs; backward gives the gradients of
images, kernels and biases. The time is the median of the repeats, in processor time of one thread.

    python -m benchmarks.convolutions [--repeats N] [--record]
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch.nn import functional

from benchmarks.one_thread import median_milliseconds, one_thread
from benchmarks.results import write_results
from solutions.convolution_loops import conv_backward_naive, conv_forward_naive
from solutions.im2col import conv_backward_im2col, conv_forward_im2col

SIDES = (8, 16, 32)
N_IMAGES, CHANNELS, FILTERS, KERNEL, STRIDE, PAD = 8, 16, 32, 3, 1, 1
COLUMNS = ["method", "pass", "side", "multiply_adds", "cpu_milliseconds"]

Call = Callable[[], Any]
Arrays = Sequence[np.ndarray]


def by_hand(
    forward: Callable[..., Any], backward: Callable[..., Any], inputs: Arrays, upstream: np.ndarray
) -> dict[str, Call]:
    """The two passes of a pair of functions on NumPy arrays, as calls without arguments."""
    forward_pass = partial(forward, *inputs, {"stride": STRIDE, "pad": PAD})
    _, cache = forward_pass()
    return {
        "forward": lambda: [forward_pass()[0]],
        "backward": partial(backward, upstream, cache),
    }


def by_pytorch(inputs: Arrays, upstream: np.ndarray) -> dict[str, Call]:
    """The two passes of PyTorch's convolution; the forward pass records its graph."""
    x, w, b = (torch.from_numpy(value).requires_grad_() for value in inputs)
    out, gradient = functional.conv2d(x, w, b, STRIDE, PAD), torch.from_numpy(upstream)
    return {
        "forward": lambda: [functional.conv2d(x, w, b, STRIDE, PAD).detach()],
        "backward": lambda: torch.autograd.grad(out, [x, w, b], gradient, retain_graph=True),
    }


def methods(side: int, rng: np.random.Generator) -> dict[str, dict[str, Call]]:
    """The three methods on the same layer and the same images of `side` × `side`."""
    shapes = ((N_IMAGES, CHANNELS, side, side), (FILTERS, CHANNELS, KERNEL, KERNEL), (FILTERS,))
    inputs = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    positions = (side + 2 * PAD - KERNEL) // STRIDE + 1
    upstream = rng.standard_normal((N_IMAGES, FILTERS, positions, positions)).astype(np.float32)
    return {
        "loops": by_hand(conv_forward_naive, conv_backward_naive, inputs, upstream),
        "im2col": by_hand(conv_forward_im2col, conv_backward_im2col, inputs, upstream),
        "PyTorch": by_pytorch(inputs, upstream),
    }


def require_agreement(calls: Mapping[str, Call]) -> None:
    """Require that all methods return the same arrays, up to rounding in float32."""
    expected = [torch.as_tensor(value) for value in calls["PyTorch"]()]
    for call in calls.values():
        came = [torch.as_tensor(value) for value in call()]
        torch.testing.assert_close(came, expected, rtol=1e-3, atol=1e-3)


@one_thread
def measure(sides: Sequence[int], repeats: int) -> list[dict[str, Any]]:
    """One row a side, pass and method, the methods of a pass timed in turn.

    Raises AssertionError where the methods do not agree.
    """
    rng, rows = np.random.default_rng(0), []
    for side in track(sides, "sizes"):
        compared = methods(side, rng)
        outputs = N_IMAGES * FILTERS * ((side + 2 * PAD - KERNEL) // STRIDE + 1) ** 2
        products = outputs * CHANNELS * KERNEL**2
        # Backward: one product for the gradient of the images, and one for that of the kernels.
        for which, multiply_adds in (("forward", products), ("backward", 2 * products)):
            calls = {method: passes[which] for method, passes in compared.items()}
            require_agreement(calls)
            for method, milliseconds in median_milliseconds(calls, repeats).items():
                values = (method, which, side, multiply_adds, milliseconds)
                rows.append(dict(zip(COLUMNS, values, strict=True)))
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the three methods on each size, and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.convolutions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--repeats", type=int, default=7, help="timed calls of each method (7)")
    parser.add_argument("--record", action="store_true", help="write convolutions.csv")
    options = parser.parse_args(arguments)

    rows = measure(SIDES, options.repeats)
    for row in rows:
        print("  ".join(f"{row[column]:>16}" for column in COLUMNS))
    if options.record:
        command = "python -m benchmarks.convolutions"
        command += f" --repeats {options.repeats} --record"
        seeds = "0: images, kernels, biases and upstream gradient"
        print(write_results("convolutions", command, seeds, COLUMNS, rows))


if __name__ == "__main__":
    main()
