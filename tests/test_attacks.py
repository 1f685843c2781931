"""Attacks on the grader: each works when it is run unprotected, and none works in the sandbox.

A task stands for an attack: its check gives marks for what only a successful attack can know or do.
"""

import contextlib
import hashlib
import inspect
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from autograder.assignment import Assignment, Task
from autograder.checking import result, run_checks
from autograder.checks import tools
from autograder.course import ROOT
from autograder.report import Report
from autograder.sandbox import Limits
from autograder.student import LocalChannel, Student
from solutions import by_hand
from tests.small_course import (
    ANSWERS,
    SECRET,
    SmallAssignment,
    graded,
    small_assignment,
    task_of,
)

CHECKS = '''
import json
from pathlib import Path

import pytest

from autograder.checks import tools

VALUES = json.loads(Path(__file__).with_name("values.json").read_text())
ANSWER_OF_READS_HIDDEN_CHECKS = "orange"


@pytest.mark.task("reads_hidden_checks")
def test_reads_hidden_checks(student):
    """The answer that stands in this file."""
    _require(student.reads_hidden_checks() == ANSWER_OF_READS_HIDDEN_CHECKS)


def _require(condition):
    tools.require(condition, "the attack failed")


def _told(name):
    @pytest.mark.task(name)
    def check(student):
        _require(getattr(student, name)() == VALUES["told"][name])

    return check


def _done(name):
    @pytest.mark.task(name)
    def check(student):
        getattr(student, name)()
        _require(Path(VALUES["done"][name]).exists())

    return check


for name in VALUES["told"]:
    globals()[f"test_{name}"] = _told(name)
for name in VALUES["done"]:
    globals()[f"test_{name}"] = _done(name)
'''

ATTACKS = """
import ctypes, hashlib, inspect, json, os, signal, socket, subprocess, sys
from pathlib import Path

AIMS = json.loads('@AIMS@')

def content(path):
    return Path(path).read_text()

def digest(data):
    return hashlib.sha256(data).hexdigest()

def reads_hidden_checks():
    return content(AIMS["checks"]).split('HIDDEN_CHECKS = "')[1].split('"')[0]

def reads_gradebook():
    return content(AIMS["gradebook"])

def reads_another_submission():
    return content(AIMS["submission"])

def reads_course_secret():
    return content(AIMS["secret"])

def reads_environment_of_the_grader():
    return digest(Path(f"/proc/{AIMS['pid']}/environ").read_bytes())

def reads_files_through_the_grader():
    return content(f"/proc/{AIMS['pid']}/root{AIMS['secret']}")

def reads_working_folder_of_the_parent():
    return os.readlink(f"/proc/{os.getppid()}/cwd")

def imports_hidden_checks():
    sys.path.append(AIMS["project"])
    from autograder.checks import tools
    return digest(inspect.getsource(tools).encode())

def imports_solutions():
    sys.path.append(AIMS["project"])
    from solutions import by_hand
    return digest(inspect.getsource(by_hand.forward).encode())

def asks_a_server_of_this_machine():
    with socket.create_connection(("127.0.0.1", AIMS["port"]), timeout=5) as connection:
        return connection.recv(100).decode()

def asks_a_server_without_a_file():
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect("\\0" + AIMS["abstract"])
        return connection.recv(100).decode()

def writes_own_mark():
    Path(AIMS["marks"]).write_text("100")

def writes_to_the_environment():
    Path(AIMS["package"]).write_text("import os")

def signals_the_grader():
    os.kill(AIMS["pid"], signal.SIGUSR1)
    os.kill(os.getppid(), signal.SIGUSR1)

def leaves_a_process_behind():
    code = f"import time, pathlib; time.sleep(0.5); pathlib.Path({AIMS['late']!r}).write_text('x')"
    subprocess.Popen([sys.executable, "-c", code + "; time.sleep(600)"], start_new_session=True)
    import time
    time.sleep(3)
"""


@dataclass
class Scene:
    """What attackers aim at, below one folder: a course, its gradebook, and this very process."""

    assignment: SmallAssignment
    aims: dict[str, Any] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    done: dict[str, str] = field(default_factory=dict)

    def report(self, isolation: str) -> Report:
        for path in self.done.values():
            Path(path).unlink(missing_ok=True)
        source = ATTACKS.replace("@AIMS@", json.dumps(self.aims))
        return graded(self.assignment, [source], Limits(), isolation=isolation)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def secrets_below(folder: Path) -> dict[str, str]:
    names = ("gradebook", "submission", "secret")
    for name in names:
        (folder / name).write_text(f"the content of {name} {os.urandom(8).hex()}")
    return {name: str(folder / name) for name in names}


def told_values(aims: dict[str, Any]) -> dict[str, str]:
    forward = inspect.getsource(by_hand.forward)
    return {
        "reads_gradebook": Path(aims["gradebook"]).read_text(),
        "reads_another_submission": Path(aims["submission"]).read_text(),
        "reads_course_secret": Path(aims["secret"]).read_text(),
        "reads_environment_of_the_grader": digest(Path("/proc/self/environ").read_bytes()),
        "reads_files_through_the_grader": Path(aims["secret"]).read_text(),
        "reads_working_folder_of_the_parent": str(Path.cwd()),
        "imports_hidden_checks": digest(Path(tools.__file__).read_bytes()),
        "imports_solutions": digest(forward.encode()),
        "asks_a_server_of_this_machine": aims["token"],
        "asks_a_server_without_a_file": aims["token"],
    }


def serve(server: socket.socket, token: str) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = server.accept()
            with connection:
                connection.sendall(token.encode())


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("scene")
    aims: dict[str, Any] = secrets_below(folder)
    aims |= {"pid": os.getpid(), "project": str(ROOT), "token": os.urandom(8).hex()}
    aims["abstract"] = f"autograder-test-{aims['token']}"
    done = {
        "writes_own_mark": str(folder / "marks"),
        "writes_to_the_environment": str(Path(sys.prefix) / f"attack-{aims['token']}"),
        "signals_the_grader": str(folder / "signalled"),
        "leaves_a_process_behind": str(folder / "late"),
    }
    aims |= {"marks": done["writes_own_mark"], "package": done["writes_to_the_environment"]}
    aims["late"] = done["leaves_a_process_behind"]
    signalled = Path(done["signals_the_grader"])
    before = signal.signal(signal.SIGUSR1, lambda *_: signalled.touch())
    with socket.create_server(("127.0.0.1", 0)) as local, socket.socket(socket.AF_UNIX) as unix:
        aims["port"] = local.getsockname()[1]
        unix.bind("\0" + aims["abstract"])
        unix.listen()
        for server in (local, unix):
            threading.Thread(target=serve, args=(server, aims["token"]), daemon=True).start()
        told = told_values(aims)
        names = ["reads_hidden_checks", *told, *done]
        assignment = small_assignment(folder, names, CHECKS)
        aims["checks"] = str(assignment.checks)
        values = {"told": told, "done": done}
        assignment.checks.with_name("values.json").write_text(json.dumps(values))
        yield Scene(assignment, aims, told, done)
    signal.signal(signal.SIGUSR1, before)
    Path(done["writes_to_the_environment"]).unlink(missing_ok=True)


def late_processes(scene: Scene) -> list[psutil.Process]:
    """Processes that the attack left behind, known by the path in their command line."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(f"Path({scene.aims['late']!r})" in word for word in process.cmdline()):
                found.append(process)
    return found


def test_every_attack_works_without_protection(scene: Scene) -> None:
    report = scene.report("process")
    lost = {task.name: task.failures for task in report.tasks if task.status != "correct"}
    assert lost == {}
    for process in late_processes(scene):
        process.kill()


def test_no_attack_works_in_the_sandbox(scene: Scene) -> None:
    report = scene.report("bubblewrap")
    assert {task.name: task.score for task in report.tasks} == dict.fromkeys(
        [task.name for task in scene.assignment.tasks], 0.0
    )
    assert not any(Path(path).exists() for path in scene.done.values())
    assert late_processes(scene) == []


def test_the_messages_of_failed_attacks_hold_no_secret(scene: Scene) -> None:
    names = ["reads_hidden_checks", *scene.told]
    student = Student(LocalChannel(dict.fromkeys(names, lambda: "nothing")))
    outcomes = run_checks(scene.assignment, student, names, secret=SECRET)
    assert len(outcomes) == len(names) and all(outcome.failure for outcome in outcomes)
    secrets = ["orange", *scene.told.values()]
    assert not any(secret in str(outcome.failure) for secret in secrets for outcome in outcomes)


# -- what would replace the comparison -----------------------------------------------------------


REPLACE = """
import builtins, math, numpy, torch

def yes(*arguments, **options):
    return True

def nothing(*arguments, **options):
    return None

for module, name in ((torch, "allclose"), (torch, "equal"), (math, "isclose"), (torch, "isclose")):
    setattr(module, name, yes)
for name in ("assert_allclose", "assert_array_equal", "assert_equal"):
    setattr(numpy.testing, name, nothing)
builtins.abs = lambda value: 0
torch.testing.assert_close = nothing
"""
AGREEABLE = '''
class Agreeable(torch.Tensor):
    """Equals everything that it is compared with."""

    @classmethod
    def __torch_function__(cls, function, types, arguments=(), options=None):
        if function in (torch.equal, torch.allclose, torch.isclose):
            return True
        return super().__torch_function__(function, types, arguments, options or {})

    def __eq__(self, other):
        return True

def double(x):
    return torch.zeros(3, 2).as_subclass(Agreeable)
'''


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the attacks of this process replace is put back afterwards."""
    import builtins
    import math

    owners: list[tuple[Any, str]] = [(builtins, "abs"), (math, "isclose")]
    owners += [(torch, name) for name in ("allclose", "equal", "isclose")]
    owners += [(torch.testing, "assert_close")]
    tests = ("assert_allclose", "assert_array_equal", "assert_equal")
    owners += [(np.testing, name) for name in tests]
    for owner, name in owners:
        monkeypatch.setattr(owner, name, getattr(owner, name))


REACHING_BACK = """
import sys

def total(x):
    frame = sys._getframe()
    while frame:
        if frame.f_code.co_name == "test_total":
            frame.f_locals["x"].zero_()
        frame = frame.f_back
    return 0.0
"""


def unprotected(small: SmallAssignment, cells: list[str], task: str) -> str:
    """The status of a task in a notebook that runs in this very process."""
    student = Student(LocalChannel({}))
    assert student.run([(cell, []) for cell in cells]) == []
    outcomes = run_checks(small, student, [task], secret=SECRET)
    return result(small.task(task), outcomes).status


def test_replaced_comparisons_and_variables_of_checks_are_not_in_reach(
    tmp_path: Path, restored: None
) -> None:
    small = small_assignment(tmp_path)
    report = graded(small, [REPLACE, AGREEABLE, REACHING_BACK, "number = 7"])
    assert {task.name: task.score for task in report.tasks} == dict.fromkeys(ANSWERS, 0.0)
    assert unprotected(small, [REACHING_BACK], "total") == "correct"
    agreeable: dict[str, Any] = {"torch": torch}
    exec(AGREEABLE, agreeable)
    assert torch.allclose(agreeable["double"](None), torch.ones(3, 2))
    assert unprotected(small, [REPLACE, "number = 7"], "number") == "correct"
    assert unprotected(small, [REPLACE, "def double(x):\n    return 3 * x"], "double") == "correct"


# -- the connection to the grader ----------------------------------------------------------------


FORGE = """
import os, struct, sys

def pipes():
    found = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{fd}").startswith("pipe"):
                found.append(int(fd))
        except OSError:
            pass
    return found

def send(*frames):
    data = b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames)
    for fd in pipes():
        try:
            os.write(fd, data)
        except OSError:
            pass

def reply(value):
    from worker.codec import Encoder
    encoder = Encoder()
    encoder.objects = encoder.entries = [None] * 8
    return b"R" + encoder.message(encoder.node({"value": value}))
"""


@pytest.mark.parametrize(
    "forged",
    [
        "send(reply({'score': 4, 'status': 'correct'}), reply(True), reply(None))",
        "send(b'P' + b'[' * 100000); return x",
        "send(b'P[0, 99]', b'P[-1, -1]', b'Pnull', b'P{}'); return x",
        "[os.write(fd, b'\\xff' * 8) for fd in pipes()[1:]]; return x",
        "[os.close(fd) for fd in pipes()]; return x",
        "os.kill(-1, 9); os.kill(os.getppid(), 9); os.kill(os.getpid(), 9)",
    ],
    ids=["lies", "deep", "progress", "length", "closed", "killed"],
)
def test_forged_frames_win_nothing(tmp_path: Path, forged: str) -> None:
    """At worst the forger's own tasks fail; the grader goes on and no wrong answer gets marks."""
    small = small_assignment(tmp_path, ["double"])
    report = graded(small, [FORGE, f"def double(x):\n    {forged}"])
    assert task_of(report, "double").score in (0.0, 1.0)
    assert task_of(report, "double").status != "correct"


@pytest.mark.parametrize(
    "forged",
    [
        "send(b'P' + b'[' * 100000)",
        "send(reply(5))",
        "send(reply([{'cell': [[]], 'type': 5}]), reply({'number': []}))",
        "send(b'P[0, 99]'); os._exit(1)",
    ],
    ids=["deep", "run", "errors and kinds", "place"],
)
def test_frames_forged_while_cells_run_win_nothing(tmp_path: Path, forged: str) -> None:
    small = small_assignment(tmp_path, ["number"])
    report = graded(small, [FORGE, f"number = 7\n{forged}"])
    assert task_of(report, "number").score == 0.0


def test_a_forged_reply_may_lie_and_no_more(tmp_path: Path) -> None:
    """The forger may put a right answer into a forged frame, as well as return it."""
    small = small_assignment(tmp_path, ["double", "number"])
    cells = [FORGE, "def double(x):\n    send(reply(2 * x))\n    return None", ANSWERS["number"]]
    report = graded(small, cells)
    assert task_of(report, "double").score <= 4.0
    assert report.score <= 8.0
    assert all(task.name in ("double", "number") for task in report.tasks)


# -- an answer that changes its own question -----------------------------------------------------


def zeroed(value: Any) -> None:
    """Put zeros into every tensor and array that is reached."""
    if isinstance(value, torch.Tensor) and not value.requires_grad:
        value.zero_()
    elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
        value[...] = 0
    elif isinstance(value, dict):
        for item in value.values():
            zeroed(item)
    elif isinstance(value, list | tuple):
        for item in value:
            zeroed(item)


PERCEPTRON = Assignment.load("perceptron")


def can_change_its_arguments(task: Task) -> bool:
    if task.kind != "function":
        return False
    parameters = inspect.signature(PERCEPTRON.reference(task)).parameters.values()
    kinds = ("Tensor", "Params", "dict", "ndarray")
    return any(kind in str(parameter.annotation) for kind in kinds for parameter in parameters)


@pytest.mark.parametrize("name", [t.name for t in PERCEPTRON.tasks if can_change_its_arguments(t)])
def test_an_answer_that_changes_its_question_is_not_right(name: str) -> None:
    """The reference answer to arguments that were set to zero first."""
    reference = PERCEPTRON.reference(name)

    def answer(*arguments: Any, **options: Any) -> Any:
        zeroed([arguments, options])
        return reference(*arguments, **options)

    outcomes = run_checks(PERCEPTRON, Student(LocalChannel({name: answer})), [name], secret=SECRET)
    verdict = result(PERCEPTRON.task(name), outcomes)
    assert verdict.score < verdict.points
