"""What calls cost on one thread.

Processor time does not change with other work on the machine as the time on the clock does. With
further threads it would: they spin while they wait for the next piece of work. Some functions of
PyTorch also hold memory for each thread.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from threadpoolctl import threadpool_limits

P = ParamSpec("P")
T = TypeVar("T")


def one_thread(function: Callable[P, T]) -> Callable[P, T]:
    """The function with NumPy and PyTorch on one thread while it runs."""
    return threadpool_limits.wrap(limits=1)(function)


def seconds_of(call: Callable[[], Any]) -> float:
    """Seconds of processor time that a call takes."""
    start = time.process_time()
    call()
    return time.process_time() - start


def median_milliseconds(calls: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, str]:
    """Milliseconds of processor time of each call, the median of the repeats, taken in turn."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].append(seconds_of(call))
    return {name: f"{1000 * statistics.median(taken):.3f}" for name, taken in times.items()}
