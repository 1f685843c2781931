"""Workers forked from one parent, and tasks in forks of one notebook's state."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from autograder import parents, seccomp
from autograder.notebook import NotebookChannel
from autograder.parents import Parent
from autograder.processes import tree
from autograder.sandbox import Limits
from autograder.student import LocalChannel, StoppedError, Student
from autograder.submission import CodeCell
from autograder.workers import Worker
from tests.small_course import QUICK, SmallAssignment, graded, small_assignment, verdicts

STAMP = """
import os
import socket
from pathlib import Path

stamp = os.urandom(8).hex()
count = 0

def again():
    global count
    count += 1
    return count

def mark():
    return stamp

def hang():
    while True:
        pass

def end():
    os._exit(3)

def linger():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvp("sleep", ["sleep", "1000"])
        os._exit(0)
    os.wait()

def listen(name):
    global server
    server = socket.socket(socket.AF_UNIX)
    server.bind("\\0" + name)
    server.listen()

def connect(name):
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex("\\0" + name)

def processes():
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
"""
THREAD = """
import threading, time
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
"""
POOL = "import torch\ntorch.set_num_threads(2)\n(torch.ones(600, 600) @ torch.ones(600, 600)).sum()"


@contextlib.contextmanager
def notebook(*cells: str, limits: Limits = QUICK) -> Iterator[tuple[NotebookChannel, Student]]:
    found = [CodeCell(cell) for cell in cells]
    with contextlib.closing(NotebookChannel(found, [], [], "bubblewrap", limits)) as channel:
        yield channel, Student(channel)


def test_each_task_begins_with_the_state_after_the_cells() -> None:
    with notebook(STAMP) as (_, student):
        stamp = student.mark()
        for _ in range(3):
            student.begin_task()
            assert [student.again(), student.again()] == [1, 2]
            assert student.mark() == stamp


@pytest.mark.parametrize(("call", "status"), [("hang", "timeout"), ("end", "crashed")])
def test_the_end_of_a_fork_costs_nothing_else(call: str, status: str) -> None:
    with notebook(STAMP) as (channel, student):
        stamp = student.mark()
        student.begin_task()
        with pytest.raises(StoppedError) as caught:
            getattr(student, call)()
        assert caught.value.status == status
        student.begin_task()
        assert (student.mark(), student.again()) == (stamp, 1)
        assert not channel.wall


def test_what_a_task_leaves_behind_is_ended() -> None:
    with notebook(STAMP) as (_, student):
        student.begin_task()
        before = student.processes()
        student.linger()
        assert len(student.processes()) == len(before) + 1
        student.begin_task()
        # The first process buries what was ended when it comes to it.
        assert until(lambda: len(student.processes()) == len(before))


@pytest.mark.parametrize("threads", [THREAD, POOL], ids=["thread", "pool of threads"])
def test_a_notebook_with_threads_is_run_again_for_each_task(threads: str) -> None:
    with notebook(STAMP, threads) as (_, student):
        stamps = []
        for _ in range(3):
            student.begin_task()
            assert student.again() == 1
            stamps.append(student.mark())
        assert len(set(stamps)) == 3


@pytest.fixture
def small(tmp_path: Path) -> SmallAssignment:
    return small_assignment(tmp_path)


MEDDLING = "factor = 2\n\ndef double(x):\n    global factor\n    factor += 1\n    return 2 * x"
RELYING = "def total(x):\n    return factor / 2 * x.sum()"


def test_a_changed_global_in_one_task_does_not_touch_the_next(small: SmallAssignment) -> None:
    report = graded(small, [MEDDLING, RELYING, "number = 42"])
    assert {status for status, _ in verdicts(report).values()} == {"correct"}


@pytest.mark.parametrize("threads", [THREAD, POOL], ids=["thread", "pool of threads"])
def test_nor_where_the_notebook_has_threads(small: SmallAssignment, threads: str) -> None:
    report = graded(small, [threads, MEDDLING, RELYING, "number = 42"])
    assert {status for status, _ in verdicts(report).values()} == {"correct"}


def test_one_parent_gives_many_workers_that_do_not_see_each_other() -> None:
    parent = parents.parent_for("bubblewrap", "cpu", [])
    assert parents.parent_for("bubblewrap", "cpu", []) is parent
    workers = [Worker(parent, QUICK) for _ in range(3)]
    students = [Student(worker) for worker in workers]
    try:
        for student in students:
            assert student.run([(STAMP + "\nPath('mine').write_text('x')", [])]) == []
        for student in students:
            assert student.processes() == [1, 2]
        assert len({student.mark() for student in students}) == 3
        students[0].listen("meeting")
        assert [student.connect("meeting") == 0 for student in students] == [True, False, False]
    finally:
        for worker in workers:
            worker.close()


def test_a_worker_ends_with_its_grader_alone() -> None:
    """Two processes share a parent; one is killed while its worker is busy."""
    parent = parents.parent_for("bubblewrap", "cpu", [])
    mine = Worker(parent, QUICK)
    before = tree(parent._first)
    if (grader := os.fork()) == 0:
        Student(Worker(parent, Limits())).run([("while True:\n    pass", [])])
    try:
        assert until(lambda: any(p.cpu_times().user > 0.5 for p in added(parent, before)))
        busy = added(parent, before)
    finally:
        os.kill(grader, signal.SIGKILL)
        os.waitpid(grader, 0)
    _, alive = psutil.wait_procs(busy, 10)
    assert alive == []
    assert Student(mine).run([("1 + 1", [])]) == []
    mine.close()


def added(parent: Parent, before: Sequence[psutil.Process]) -> list[psutil.Process]:
    return [process for process in tree(parent._first) if process not in before]


def until(condition: Callable[[], bool]) -> bool:
    """Whether the condition holds within ten seconds."""
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_a_fork_that_closes_a_shared_parent_ends_nothing() -> None:
    parent = parents.parent_for("bubblewrap", "cpu", [])
    if (grader := os.fork()) == 0:
        parent.close()
        os._exit(0)
    os.waitpid(grader, 0)
    worker = Worker(parent, QUICK)
    assert Student(worker).run([("1 + 1", [])]) == []
    worker.close()


def test_a_parent_that_has_died_is_replaced() -> None:
    with notebook(STAMP) as (_, student):
        stamp = student.mark()
    psutil.Process(parents.parent_for("bubblewrap", "cpu", [])._process.pid).kill()
    with notebook(STAMP) as (_, student):
        assert student.mark() != stamp


def refusing(folder: Path, program: bytes) -> None:
    """A `bwrap` whose processes get a seccomp filter from the beginning."""
    (folder / "filter").write_bytes(program)
    real = shutil.which("bwrap")
    script = f'#!/bin/bash\nexec 9<"{folder}/filter"\nexec {real} --seccomp 9 "$@"\n'
    (folder / "bwrap").write_text(script)
    (folder / "bwrap").chmod(0o755)


def test_where_nested_namespaces_are_forbidden_each_worker_has_a_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: SmallAssignment
) -> None:
    refusing(tmp_path, seccomp.program())
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(parents, "_kept", {})
    parent = Parent("bubblewrap")
    assert parent.refusal and not parent.gives_many
    parent.close()
    report = graded(small, [MEDDLING, RELYING, "number = 42"])
    assert {status for status, _ in verdicts(report).values()} == {"correct"}
    assert parents._kept == {}


def family(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if process.is_running()]


def test_nothing_of_a_worker_stays_when_it_is_closed() -> None:
    parent = parents.parent_for("bubblewrap", "cpu", [])
    before = psutil.Process(parent._process.pid).children(recursive=True)
    with notebook(STAMP) as (_, student):
        student.linger()
        student.begin_task()
    after = psutil.Process(parent._process.pid).children(recursive=True)
    assert family(after) == family(before)


# ---- the budget of a call -----------------------------------------------------------------------

WORK = """
import os
import signal
import time
from pathlib import Path

def work(seconds):
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass
    return "done"

def forge():
    [pipe] = [fd for fd in range(3, 64) if _writes(fd)]
    while True:
        os.write(pipe, (6).to_bytes(4, "big") + b"P[0,1]")
        work(0.01)

def _writes(fd):
    try:
        return os.readlink(f"/proc/self/fd/{fd}").startswith("pipe") and not os.write(fd, b"")
    except OSError:
        return False

def send_out(children, seconds):
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in range(children):
        if (child := os.fork()) == 0:
            work(seconds)
            os._exit(0)
        try:
            os.waitpid(child, 0)
        except ChildProcessError:
            pass

def leave():
    Path("/tmp/mine").write_text("x")

def left():
    return Path("/tmp/mine").exists()
"""
LITTLE = Limits(call_cpu=0.3)


def test_a_budget_takes_the_place_of_the_usual_limit_and_ends() -> None:
    with notebook(WORK, limits=LITTLE) as (_, student):
        student.begin_task()
        with student.budget(2):
            assert student.work(0.8) == "done"
        with pytest.raises(StoppedError, match=r"more than 0\.3 seconds"):
            student.work(10)
        student.begin_task()
        with student.budget(0.1), pytest.raises(StoppedError, match=r"more than 0\.1 seconds"):
            student.work(10)


@pytest.mark.parametrize("call", ["hang", "forge"])
def test_the_sandbox_ends_what_goes_over_its_budget(call: str) -> None:
    """A forged report of progress wins no time."""
    with notebook(STAMP, WORK, limits=LITTLE) as (channel, student):
        student.begin_task()
        with student.budget(0.8), pytest.raises(StoppedError) as caught:
            getattr(student, call)()
        assert caught.value.reason == "the answer used more than 0.8 seconds of processor time"
        assert (caught.value.status, caught.value.wall) == ("timeout", False)
        student.begin_task()
        assert student.work(0) == "done"
        assert not channel.wall


def test_time_of_children_counts_also_where_nobody_waits_for_them() -> None:
    with notebook(WORK, limits=LITTLE) as (_, student):
        student.begin_task()
        with student.budget(1), pytest.raises(StoppedError, match="more than 1 seconds"):
            student.send_out(40, 0.1)


def test_in_process_a_call_over_its_budget_is_refused_afterwards() -> None:
    namespace: dict[str, Any] = {}
    exec(WORK, namespace)
    student = Student(LocalChannel(namespace))
    with student.budget(0.5):
        assert student.work(0.01) == "done"
    with student.budget(0.02), pytest.raises(StoppedError) as caught:
        student.work(0.1)
    assert caught.value.reason == "the answer used more than 0.02 seconds of processor time"
    assert student.work(0.1) == "done"


def test_a_worker_afresh_has_no_file_of_the_one_before() -> None:
    with notebook(STAMP, WORK) as (_, student):
        student.begin_task()
        stamp = student.mark()
        student.leave()
        student.begin_task()
        assert student.left() and student.mark() == stamp
        student.begin_task(afresh=True)
        assert not student.left() and student.mark() != stamp
        assert student.again() == 1
