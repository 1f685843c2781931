"""A signal to stop is heard, but what is being done is done to its end."""

import os
import signal
from collections.abc import Iterator
from threading import Thread

import pytest

from autograder.stopping import SIGNALS, until_stopped


def send(number: int) -> None:
    os.kill(os.getpid(), number)


class Items:
    """Three numbers; before the second, a signal comes, and again while all is cleared away."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.cleared = False

    def __iter__(self) -> Iterator[int]:
        try:
            yield 1
            send(self.number)
            yield 2
            yield 3
        finally:
            send(self.number)
            self.cleared = True


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_in_waiting_ends_it(number: int) -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    items, seen = Items(number), []
    with pytest.raises(KeyboardInterrupt), until_stopped(iter(items)) as numbers:
        for item in numbers:
            seen.append(item)
    assert (seen, items.cleared) == ([1], True)
    assert [signal.getsignal(each) for each in SIGNALS] == before


@pytest.mark.parametrize("number", SIGNALS)
def test_what_is_done_with_an_item_is_done_to_its_end(number: int) -> None:
    seen = []
    with pytest.raises(KeyboardInterrupt), until_stopped(iter("abc")) as letters:
        for letter in letters:
            send(number)
            seen.append(letter)
    assert seen == ["a"]


def test_an_error_clears_away_as_well() -> None:
    items = Items(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), until_stopped(iter(items)) as numbers:
        for item in numbers:
            item / 0
    assert items.cleared


def test_what_was_not_waited_for_is_cleared_away() -> None:
    items = Items(signal.SIGINT)
    numbers = iter(items)
    next(numbers)
    with until_stopped(numbers):
        send(signal.SIGINT)
    assert items.cleared


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with until_stopped(iter(Items(signal.SIGINT))) as numbers:
            assert list(numbers) == [1, 2, 3]
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_get_the_items() -> None:
    seen: list[str] = []

    def see() -> None:
        with until_stopped(iter("abc")) as letters:
            seen.extend(letters)

    thread = Thread(target=see)
    thread.start()
    thread.join()
    assert seen == ["a", "b", "c"]
