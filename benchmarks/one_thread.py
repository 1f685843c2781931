"""What a call costs on one thread, in processor time.

Other work on the machine does not change it as it changes the time on the clock. Further threads
would: they spin while they wait for the next piece of work, and the processor counts that too.
"""

import time
from collections.abc import Callable
from typing import Any

from threadpoolctl import threadpool_limits


def seconds_of(call: Callable[[], Any]) -> float:
    """Seconds of processor time that a call takes with NumPy and PyTorch on one thread."""
    with threadpool_limits(limits=1):
        start = time.process_time()
        call()
        return time.process_time() - start
