"""What a hostile submission is, and what shows that it won where nothing protected the grader."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from autograder.sandbox import Limits

LIMITS = Limits(call_cpu=2.0, call_wall=4.0, memory=2**30, processes=24)
"""The limits of the class that is graded: smaller than usual, so that endless loops end soon."""

Aims = dict[str, Any]
"""What attackers are told about the machine: paths, processes and ports worth a visit."""


@dataclass(frozen=True)
class Evidence:
    """What an unprotected grader looked like after it had graded a hostile submission.

    mark: what it gave, None where it gave nothing; next_mark: the same of the submission that came
    next, which earns `NEXT_EARNS`. status: how the grader ended, a negative number being a signal,
    None where it had to be ended. parent, bystander: the same of the process that started the
    grader, and of one that only stood by. text: what the notebook printed or raised; size: bytes
    of it. changed: files of the course that are not what they were. left: processes that went on.
    note: what the parent kept in its memory. page: what it showed to people in their browser.
    """

    mark: float | None = None
    next_mark: float | None = None
    status: int | None = None
    parent: int | None = None
    bystander: int | None = None
    text: str = ""
    size: int = 0
    changed: tuple[str, ...] = ()
    left: int = 0
    note: str = ""
    page: str = ""


@dataclass(frozen=True)
class Attack:
    """A hostile submission; tasks that it does not answer itself are answered right.

    name: the student. cells: hostile cells before the first task. answers: what stands in place of
    right answers; worth: the points that these have earned by being right. won: whether the
    evidence shows that it reached its aim. grader: which of the unprotected graders of
    `tests.attacks.plain` it is tried on. tells: whether one of its answers raises what it got hold
    of, and "nothing" if that is nothing. edit: changes the notebook; prepare: changes the folder
    that is submitted. refused: words of the reason why it is not graded, "" if it is graded.
    patience: seconds that an unprotected grader gets.
    """

    name: str
    won: Callable[[Evidence], bool]
    cells: tuple[str, ...] = ()
    answers: dict[str, str] = field(default_factory=dict)
    worth: float = 0.0
    grader: str = "inlined"
    tells: bool = False
    edit: Callable[[NotebookNode], None] | None = None
    prepare: Callable[[Path, Aims], None] | None = None
    refused: str = ""
    patience: float = 20.0

    def earns(self, points: Mapping[str, float]) -> float:
        """What the honest part of the submission is worth; points: those of each task."""
        return sum(points.values()) - sum(points[task] for task in self.answers) + self.worth


# ---- what shows that an attack won --------------------------------------------------------------

NOTHING = "loot: nothing"
"""What an attacker says that got hold of nothing."""


def told(evidence: Evidence) -> bool:
    """The attacker got hold of something and could tell it."""
    return "loot: " in evidence.text and NOTHING not in evidence.text


def told_secret(kind: str) -> Callable[[Evidence], bool]:
    """The attacker got hold of a secret of that kind."""
    return lambda evidence: f"canary-{kind}-" in evidence.text


def unearned(evidence: Evidence) -> bool:
    """The attacker got full marks for answers that are worth nothing."""
    return evidence.mark is not None and evidence.mark >= FULL_MARK


def grading_ended(evidence: Evidence) -> bool:
    """The submission that came next was not graded any more."""
    return evidence.next_mark is None


FULL_MARK = 30.0
NEXT_EARNS = 24.0

# ---- answers ------------------------------------------------------------------------------------

WORTHLESS = {
    "softmax": "def softmax(Z):\n    return Z.zero_() + 1 / Z.shape[1]",
    "cross_entropy": "def cross_entropy(P, labels):\n    return 0.0",
    "cross_entropy_gradient": "def cross_entropy_gradient(Z, labels):\n    return Z.zero_()",
    "linear_forward": "def linear_forward(x, W, b):\n    return x @ W.T * (W == 1).all()",
    "linear_backward": "def linear_backward(upstream, x, W):\n    return x * 0, W * 0, W[:, 0] * 0",
    "accuracy": "def accuracy(Z, labels):\n    return 0.1",
    "Standardizer": (
        "class Standardizer:\n"
        "    def __init__(self, x):\n        pass\n"
        "    def __call__(self, x):\n        return x * 0"
    ),
    "n_weights": "n_weights = 1",
}
"""Answers that pass the visible checks and earn nothing."""

TELLS = {"accuracy": "def accuracy(Z, labels):\n    tell(loot())"}
"""The answer of an attacker whose hostile cell defines `loot`."""


def worthless(*tasks: str) -> dict[str, str]:
    return {task: WORTHLESS[task] for task in tasks}


TOOLS = '''
import ctypes, json, os, re, socket, subprocess, sys, threading, time
from pathlib import Path

AIMS = json.loads(@AIMS@)

def others():
    """Every process that can be named, but for this one and those that only look on."""
    named = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    own = {0, os.getpid(), int(os.readlink("/proc/self"))}  # /proc may count otherwise
    return sorted((named | {1, 2, os.getppid()}) - own - {*AIMS["spared"]})

def tried(action, *things):
    """What an action comes to for each thing for which it is possible."""
    found = []
    for thing in things:
        try:
            found.append(action(thing))
        except Exception:
            pass
    return found

def content(path):
    with open(path, "rb") as file:
        return file.read(2**22)

def secrets(found):
    """The secrets among pieces of text and bytes."""
    whole = "\\n".join(part.decode(errors="replace") if isinstance(part, bytes) else str(part)
                      for part in found)
    return sorted(set(re.findall("canary-[a-z]+-[0-9a-f]+", whole)))

def tell(found):
    raise RuntimeError(f"loot: {found}"[:900] if found else "loot: nothing")
'''
"""The first cell of every hostile notebook."""
