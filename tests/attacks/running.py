"""Grades the class by the command line, and watches what it does to everybody else."""

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from autograder.course import Course
from benchmarks.project import Project
from tests.attacks.attack import Aims
from tests.attacks.files import differences, snapshot
from tests.attacks.scene import ASSIGNMENT, Scene, submit_all

PATIENCE = 900
"""Seconds after which grading counts as stopped."""
ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER of linux/prctl.h
PARTS = ("autograder", "solutions", "exercises", "_build", "course/submitted")
"""Folders of the project in which grading changes nothing."""


@dataclass(frozen=True)
class Outcome:
    """What happened while the class was graded.

    status: of the command, None where it had to be ended; said: all that it printed. changed: files
    of the project that grading has no business with, and that are not what they were. left:
    processes that went on afterwards. bystander: whether a process that only stood by is alive.
    memory: bytes that the largest process outside the sandbox used.
    """

    status: int | None
    said: str
    changed: list[str]
    left: list[str]
    bystander: bool
    memory: int


def graded(scene: Scene, network: Aims) -> Outcome:
    """Have everybody submit, grade the class, and write its report."""
    project = scene.project
    secret = {"CANARY": scene.canaries["environment"]}
    idle = [sys.executable, "-c", "import time; time.sleep(10**6)"]
    with subprocess.Popen(idle, env=os.environ | secret) as bystander, _adopting() as orphans:
        submit_all(scene, network | {"bystander": bystander.pid})
        before = _parts(project)
        command = [sys.executable, "-m", "autograder", "grade", ASSIGNMENT]
        environment = project.environment(**secret)
        with subprocess.Popen(
            command,
            cwd=project.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as grading:
            said, status, memory = _finished(grading)
        left = orphans({bystander.pid})
        alive = bystander.poll() is None
        bystander.kill()
    project.run("report", ASSIGNMENT)
    return Outcome(status, said, differences(before, _parts(project)), left, alive, memory)


def graded_alone(scene: Scene) -> Course:
    """The honest students in a class of their own."""
    course = scene.alone
    for student in scene.honest:
        shutil.copytree(scene.project.course.submitted / student, course.submitted / student)
    scene.project.run("grade", ASSIGNMENT, "--course", course.directory, "--jobs", 1)
    return course


def _finished(process: "subprocess.Popen[bytes]") -> tuple[str, int | None, int]:
    """What it printed, its status and the memory of its largest process; it ends when it must."""
    peaks = [0]
    watch = threading.Thread(target=_watch, args=(process.pid, peaks))
    timer = threading.Timer(PATIENCE, _end, [process.pid])
    for thread in (watch, timer):
        thread.start()
    said, _ = process.communicate()
    in_time = timer.is_alive()
    timer.cancel()
    watch.join()
    return said.decode(errors="replace"), process.returncode if in_time else None, max(peaks)


def _watch(command: int, peaks: list[int]) -> None:
    """Note the highest memory, in bytes, of the command and the graders that it has started."""
    own = Path("/proc/self/ns/pid").readlink()
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(command)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            for each in (process, *process.children(recursive=True)):
                folder = Path(f"/proc/{each.pid}")
                with contextlib.suppress(OSError):
                    if Path(folder, "ns", "pid").readlink() == own:  # it is not in the sandbox
                        lines = Path(folder, "status").read_text().splitlines()
                        peaks += [int(line.split()[1]) * 1024 for line in lines if "VmHWM" in line]
            time.sleep(0.5)


def _end(process: int) -> None:
    for each in [*psutil.Process(process).children(recursive=True), psutil.Process(process)]:
        with contextlib.suppress(psutil.Error):
            each.kill()


@contextlib.contextmanager
def _adopting() -> Iterator["Orphans"]:
    """Become the parent of what processes started here leave behind, so that it can be told."""
    library = ctypes.CDLL(None)
    library.prctl(ADOPT_ORPHANS, 1, 0, 0, 0)
    try:
        yield Orphans({child.pid for child in psutil.Process().children(recursive=True)})
    finally:
        library.prctl(ADOPT_ORPHANS, 0, 0, 0, 0)


@dataclass(frozen=True)
class Orphans:
    """The processes that were there before."""

    before: set[int]

    def __call__(self, expected: set[int]) -> list[str]:
        """What runs now and did not before, ended; what was killed may take a moment to end."""
        new = [
            child
            for child in psutil.Process().children(recursive=True)
            if child.pid not in self.before | expected
        ]
        _, left = psutil.wait_procs(new, timeout=5)
        commands = []
        for process in left:
            with contextlib.suppress(psutil.Error):
                commands.append(" ".join(process.cmdline()))
                process.kill()
        return commands


def _parts(project: Project) -> dict[str, list[str | int]]:
    """What lies in the parts of the project, without what Python keeps there."""
    found = {
        f"{part}/{path}": state
        for part in PARTS
        for path, state in snapshot(project.folder / part).items()
    }
    return {path: state for path, state in found.items() if "__pycache__" not in path}
