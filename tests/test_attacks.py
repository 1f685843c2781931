"""Attacks on the grader: each works where nothing protects it, and none works in the sandbox.

All hostile submissions of `tests.attacks` are graded in one class by the command line, with honest
ones between them; and each once more by a grader without protection, in a room of its own.
"""

import html
import inspect
import json
import pickle
import re
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock

from autograder.assignment import Assignment, Task
from autograder.checking import result, run_checks
from autograder.course import ROOT
from autograder.student import LocalChannel, Student
from tests.attacks import ATTACKS, scene
from tests.attacks.attack import (
    FULL_MARK,
    NEXT_EARNS,
    NOTHING,
    WORTHLESS,
    Attack,
    Evidence,
    unearned,
)
from tests.attacks.outcome import HostileClass, grade_all, graded_unprotected
from tests.attacks.page import dangerous
from tests.attacks.scene import ASSIGNMENT, Scene
from tests.small_course import ANSWERS, SECRET, SmallAssignment, graded, small_assignment, task_of

HARMLESS = Attack("harmless", lambda evidence: False)
LARGEST = 2**20  # bytes of all that comes of a submission
MUCH_MEMORY = 3 * 2**29  # bytes; a grader has torch and its sandbox, and little of a submission
each_attack = pytest.mark.parametrize("attack", ATTACKS, ids=[attack.name for attack in ATTACKS])
MARKUP = [
    attack.name for attack in ATTACKS if attack.name.startswith("markup-") and not attack.refused
]


# -- the class, and the graders without protection ------------------------------------------------


def shared(folder: Path, name: str, make: Callable[[Path], Any]) -> Any:
    """What `make` returns; the processes of one test run make it once."""
    kept = folder / f"{name}.pickle"
    with FileLock(folder / f"{name}.lock"):
        if not kept.exists():
            kept.write_bytes(pickle.dumps(make(folder / name)))
        return pickle.loads(kept.read_bytes())


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    base = tmp_path_factory.getbasetemp()
    place = (base if worker_id == "master" else base.parent) / "attacks"
    place.mkdir(exist_ok=True)
    return place


@pytest.fixture(scope="session")
def project(folder: Path) -> Scene:
    """The project and its secrets, before anybody has submitted anything."""
    return shared(folder, "project", scene.set_up)


@pytest.fixture(scope="session")
def unprotected(folder: Path, project: Scene) -> dict[str, Evidence]:
    """What each submission did to a grader without protection, by student."""
    submissions = [*ATTACKS, HARMLESS]
    return shared(folder, "room", lambda place: graded_unprotected(project, submissions, place))


@pytest.fixture(scope="session")
def hostile_class(folder: Path, project: Scene) -> HostileClass:
    """The class after it was graded."""
    return shared(folder, "class", lambda place: grade_all(project, place))


@pytest.fixture(scope="session")
def hidden_lines(project: Scene) -> set[str]:
    """The lines of the hidden checks that say something, but for what students are told."""
    files = (project.project.folder / "autograder" / "checks" / ASSIGNMENT).glob("*.py")
    lines = {line.strip() for file in files for line in file.read_text().splitlines()}
    told = "\n".join(cell.source for cell in project.project.released.cells)
    return {line for line in lines if len(line) > 40 and '"""' not in line and line not in told}


def assert_nothing_secret(outputs: dict[str, str], project: Scene, hidden: set[str]) -> None:
    """No secret, no hidden line and nothing that a terminal would act on."""
    assert len(hidden) > 50
    told = [*project.canaries.values(), *hidden, *(json.dumps(line)[1:-1] for line in hidden)]
    for path, text in outputs.items():
        found = [secret for secret in told if secret in text or html.escape(secret) in text]
        assert found == [], path
        assert "\x1b" not in text, path


# -- every attack ---------------------------------------------------------------------------------


@each_attack
def test_it_wins_unprotected(attack: Attack, unprotected: dict[str, Evidence]) -> None:
    assert attack.won(unprotected[attack.name]), unprotected[attack.name]


@each_attack
def test_it_wins_nothing_in_the_sandbox(
    attack: Attack, hostile_class: HostileClass, hidden_lines: set[str]
) -> None:
    student, project = attack.name, hostile_class.scene
    outputs = hostile_class.outputs(student)
    if attack.refused:
        refusal = hostile_class.refusal(student)
        assert attack.refused in refusal
        assert str(hostile_class.course.submitted / student) in refusal
        assert student not in hostile_class.marks
        assert len(outputs) == 1
    else:
        report = hostile_class.report(student)
        assert report is not None, hostile_class.refusal(student)
        assert report.score == attack.earns(project.points)
        assert hostile_class.marks[student] == attack.earns(project.points)
        assert attack.tells == (NOTHING in hostile_class.feedback(student))
    assert_nothing_secret(outputs, project, hidden_lines)
    assert sum(map(len, outputs.values())) < LARGEST
    assert hostile_class.harm == []


# -- the class ------------------------------------------------------------------------------------


def test_everybody_else_was_graded(hostile_class: HostileClass) -> None:
    refused = {attack.name for attack in ATTACKS if attack.refused}
    everybody = {attack.name for attack in ATTACKS} | set(hostile_class.scene.honest)
    assert set(hostile_class.marks) == everybody - refused
    assert hostile_class.outcome.status == 1
    said = hostile_class.outcome.said
    assert all(f"autograder: {name}: not graded: " in said for name in refused)
    assert "Traceback" not in said


def test_no_submission_fills_the_memory_of_the_grader(hostile_class: HostileClass) -> None:
    assert 2**28 < hostile_class.outcome.memory < MUCH_MEMORY


def test_honest_students_get_what_their_answers_are_worth(hostile_class: HostileClass) -> None:
    honest = hostile_class.scene.honest
    right = [name for name, answers in honest.items() if answers == scene.ANSWERS]
    assert {hostile_class.marks[name] for name in right} == {FULL_MARK}
    assert hostile_class.marks[scene.NEXT] == NEXT_EARNS
    others = set(honest) - set(right)
    assert len(others) > 5
    assert all(0 < hostile_class.marks[name] < FULL_MARK for name in others)


def test_what_speaks_of_the_class_tells_no_secret(
    hostile_class: HostileClass, hidden_lines: set[str]
) -> None:
    assert {"class.html", "class.json", "marks.csv"} < set(hostile_class.class_outputs)
    assert_nothing_secret(hostile_class.class_outputs, hostile_class.scene, hidden_lines)


def test_a_wrong_answer_is_not_told_the_right_one(hostile_class: HostileClass) -> None:
    wrong = [a.name for a in ATTACKS if a.answers.get("n_weights") == WORTHLESS["n_weights"]]
    assert wrong
    assert not any("900" in hostile_class.feedback(name) for name in wrong)


@pytest.mark.parametrize("student", MARKUP)
def test_no_script_of_a_student_reaches_a_browser(
    student: str, hostile_class: HostileClass
) -> None:
    assert dangerous(hostile_class.feedback(student)) == []
    assert dangerous(hostile_class.formgrader.of_students[student]) == []
    assert hostile_class.formgrader.active[student] == []


def test_no_script_reaches_the_pages_of_the_class(hostile_class: HostileClass) -> None:
    pages = [hostile_class.class_outputs["class.html"], *hostile_class.formgrader.lists.values()]
    assert [dangerous(page) for page in pages] == [[]] * len(pages)


def test_a_harmless_submission_harms_no_unprotected_grader(
    unprotected: dict[str, Evidence],
) -> None:
    evidence = unprotected[HARMLESS.name]
    assert (evidence.mark, evidence.next_mark) == (FULL_MARK, NEXT_EARNS)
    assert (evidence.status, evidence.parent, evidence.bystander) == (0, 0, None)
    assert evidence.left == 0 and evidence.note.endswith(": untouched")
    others = [attack for attack in ATTACKS if attack.won is not unearned]
    assert len(others) > 50
    assert [attack.name for attack in others if attack.won(evidence)] == []


def test_what_honest_work_is_worth(project: Scene) -> None:
    assert sum(project.points.values()) == FULL_MARK
    assert HARMLESS.earns(project.points) == FULL_MARK


def test_every_attack_is_named_on_the_page_of_threats() -> None:
    page = (ROOT / "book" / "instructors" / "threat_model.md").read_text()
    cells = [line.split("|")[3] for line in page.splitlines() if line.count("|") == 4]
    assert {attack.name for attack in ATTACKS} == set().union(*map(named_in, cells))


def named_in(cell: str) -> set[str]:
    """Names of attacks: `reading-files`, `-frames` of the same kind, `-notes-*` of several."""
    found, kind = set(), ""
    for word in re.findall(r"`([a-z0-9*-]+)`", cell):
        word = kind + word if word.startswith("-") else word
        kind = word.partition("-")[0]
        found |= {attack.name for attack in ATTACKS if fnmatch(attack.name, word)} or {word}
    return found


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


def status_in_process(small: SmallAssignment, cells: list[str], task: str) -> str:
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
    assert status_in_process(small, [REACHING_BACK], "total") == "correct"
    agreeable: dict[str, Any] = {"torch": torch}
    exec(AGREEABLE, agreeable)
    assert torch.allclose(agreeable["double"](None), torch.ones(3, 2))
    assert status_in_process(small, [REPLACE, "number = 7"], "number") == "correct"
    assert (
        status_in_process(small, [REPLACE, "def double(x):\n    return 3 * x"], "double")
        == "correct"
    )


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
