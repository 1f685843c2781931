"""Ctrl-C and SIGTERM stop a long run, but only where nothing is half done."""

import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from autograder.errors import CourseError

T = TypeVar("T")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StoppedError(CourseError):
    """Somebody stopped the run before it was done."""

    exit_status = 130


@contextmanager
def until_stopped(items: Iterator[T]) -> Iterator[Iterator[T]]:
    """The items, closed at the end; a signal to stop raises KeyboardInterrupt in waiting for one.

    It is raised nowhere else in this context: what is being done is done to its end. Only the
    main thread is told of signals; in any other, nothing changes.
    """
    waiting = stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped, waiting
        stopped = True
        if waiting:
            waiting = False
            raise KeyboardInterrupt

    def awaited() -> Iterator[T]:
        nonlocal waiting
        while True:
            waiting = True
            try:
                if stopped:
                    raise KeyboardInterrupt
                item = next(items)
            except StopIteration:
                return
            finally:
                waiting = False
            yield item

    main = threading.current_thread() is threading.main_thread()
    heeded = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heeded if main}
    try:
        yield awaited()
    finally:
        if isinstance(items, Generator):
            items.close()
        for number, handler in before.items():
            signal.signal(number, handler)
