"""Attacks that end the process that runs them, or never come to an end."""

from collections.abc import Callable

from tests.attacks.attack import Attack, Evidence, grading_ended


def ending(name: str, deed: str, won: Callable[[Evidence], bool] = grading_ended) -> Attack:
    """A deed done in a cell, between others, and once more in an answer."""
    lines = "\n    ".join(deed.splitlines())
    cells = (f"def deed():\n    {lines}\n\nbefore = 1\ndeed()", "after = 2")
    answers = {
        "accuracy": "def accuracy(Z, labels):\n    deed()\n    return -1.0",
        "n_weights": "n_weights = 900 * before * after // 2",
    }
    return Attack(f"ending-{name}", won, cells, answers, worth=3.0)


def signalled(evidence: Evidence) -> bool:
    """A signal ended the grader."""
    return grading_ended(evidence) and evidence.status is not None and evidence.status < 0


def never_ends(evidence: Evidence) -> bool:
    """The grader had to be ended."""
    return grading_ended(evidence) and evidence.status is None


ATTACKS = [
    ending("sys-exit", "sys.exit(0)"),
    ending("os-exit", "os._exit(0)"),
    ending("abort", "os.abort()", signalled),
    ending("segfault", "ctypes.string_at(0)", signalled),
    ending(
        "recursion",
        "sys.setrecursionlimit(10**9)\nfunction = lambda x: repr(x)\nnested = []\n"
        "for _ in range(10**5):\n    nested = [nested]\nfunction(nested)",
        signalled,
    ),
    Attack(
        "ending-loop",
        never_ends,
        answers={
            "accuracy": """
def accuracy(Z, labels):
    if len(Z) == 3:  # the visible check
        return 0.1
    import signal
    for number in range(1, 65):
        tried(lambda number: signal.signal(number, signal.SIG_IGN), number)
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
"""
        },
        patience=1.5,
    ),
    Attack(
        "ending-sleep",
        never_ends,
        answers={
            "accuracy": """
def accuracy(Z, labels):
    if len(Z) == 3:  # the visible check
        return 0.1
    time.sleep(10**6)
"""
        },
        patience=1.5,
    ),
]
