"""Grades hostile submissions unprotected, in a room of its own, and takes down what happened.

The room is a bubblewrap sandbox that keeps the machine out of reach and nothing else: the course
lies open, as it does for a grader that runs notebooks in its own process. Run as
`python -m tests.attacks.room REQUESTS ANSWER`, both JSON: lists of `Request`, `Evidence` by name.
"""

import contextlib
import ctypes
import gc
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autograder.course import ROOT
from tests.attacks.attack import Evidence
from tests.attacks.files import Snapshot, differences, snapshot

NEXT = "next"
UNTOUCHED = b": untouched"
OBSERVER = 2  # bubblewrap itself is the first process of the room
MAX_TEXT = 2**22
MEMORY = 7 * 2**29
"""Bytes of memory that an unprotected grader may use: more than the sandbox allows."""


@dataclass(frozen=True)
class Request:
    """A submission to grade: the folder of its project, and who grades it for how many seconds."""

    name: str
    project: str
    grader: str
    patience: float
    canaries: dict[str, str]


def evidence(base: Path, requests: list[Request]) -> dict[str, Evidence]:
    """What each of the submissions did to an unprotected grader; base: where all of them lie."""
    answer = base / "evidence.json"
    question = base / "requests.json"
    question.write_text(json.dumps([asdict(request) for request in requests]))
    program = shutil.which("bwrap")
    assert program is not None
    room = [program, "--ro-bind", "/", "/", "--bind", str(base), str(base), "--dev", "/dev"]
    room += ["--unshare-pid", "--proc", "/proc", "--die-with-parent", "--new-session"]
    command = [*room, "--", sys.executable, "-m", "tests.attacks.room", str(question), str(answer)]
    folders = os.pathsep.join(map(str, (ROOT, ROOT / "autograder", ROOT / "exercises")))
    settings = {"PYTHONPATH": folders, "OMP_NUM_THREADS": "1", "HOME": str(base)}
    secrets = {
        "CANARY": requests[0].canaries["environment"],
        "CHECKS_CANARY": requests[0].canaries["checks"],
    }
    done = subprocess.run(
        command,
        cwd=base,
        env=os.environ | settings | secrets,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name: Evidence(**found) for name, found in json.loads(answer.read_text()).items()}


def main(question: Path, answer: Path) -> None:
    assert os.getpid() == OBSERVER, "outside of its room this would end every process in reach"
    from tests.attacks import plain  # imports once what every grader needs

    plain.prepare()
    gc.freeze()
    requests = [Request(**request) for request in json.loads(question.read_text())]
    found = {request.name: asdict(_observed(request, plain.GRADERS)) for request in requests}
    answer.write_text(json.dumps(found))


def _observed(request: Request, graders: dict[str, Callable[[Path], float]]) -> Evidence:
    project = Path(request.project)
    before = snapshot(project)
    bystander = _forked(lambda: time.sleep(10**6))
    parent = _forked(lambda: _lead(request, graders))
    parent_status = _awaited(parent, request.patience)
    left = _left(bystander)
    bystander_status = _awaited(bystander, 0)
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    told = _content(project / "parent.json"), _content(project / "marks.json")
    noted = {key: value for text in told for key, value in json.loads(text or "{}").items()}
    return Evidence(
        parent=parent_status,
        bystander=bystander_status,
        left=left,
        text=_content(project / "output"),
        page=_content(project / "course" / "autograded" / "page.html"),
        **_changes(project, before),
        **noted,
    )


def _lead(request: Request, graders: dict[str, Callable[[Path], float]]) -> None:
    """What a process does that forks a grader and waits for it, with a secret in its memory."""
    project = Path(request.project)
    opened = os.open(project / "course" / "secret", os.O_RDONLY)
    grader = _forked(lambda: _grade(project, request.name, graders[request.grader]))
    note = _note(request.canaries["memory"].encode())
    _, status = os.waitpid(grader, 0)
    noted = {"status": os.waitstatus_to_exitcode(status), "note": note.value.decode()}
    (project / "parent.json").write_text(json.dumps(noted))
    os.close(opened)


def _note(canary: bytes) -> ctypes.Array[ctypes.c_char]:
    """Text that stands in memory once: its parts are put together where it is."""
    note = ctypes.create_string_buffer(canary, 100)
    for place, number in enumerate(UNTOUCHED, len(canary)):
        note[place] = bytes([number])
    return note


def _grade(project: Path, student: str, grader: Callable[[Path], float]) -> None:
    """Grade the submission and then the next one; a process ends when its threads have."""
    for limit, value in ((resource.RLIMIT_DATA, MEMORY), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (value, value))
    output = os.open(project / "output", os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(project / "course" / "autograded")
    marks = {}
    for who, name in (("mark", student), ("next_mark", NEXT)):
        marks[who] = grader(project / "course" / "submitted" / name / "quick")
        sys.stdout.flush()
        (project / "marks.json").write_text(json.dumps(marks))
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()


def _forked(body: Callable[[], None]) -> int:
    """The number of a process that does this and no more."""
    number = os.fork()
    if number == 0:
        try:
            body()
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    return number


def _awaited(process: int, seconds: float) -> int | None:
    """How a child ended, a negative number being a signal; None if it goes on."""
    deadline = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            return None
        time.sleep(0.01)


def _left(bystander: int) -> int:
    """How many processes stay after the time to finish, or to do what they stay for."""
    deadline = time.monotonic() + 1
    while set(_processes()) - {bystander} and time.monotonic() < deadline:
        time.sleep(0.01)
    return len(set(_processes()) - {bystander})


def _processes() -> list[int]:
    """The processes in the room that have not ended, without the observer and the guard."""
    names = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
    running = [name for name in names if "\nState:\tZ" not in _content(f"/proc/{name}/status")]
    return [int(name) for name in running if int(name) not in (1, OBSERVER)]


def _changes(project: Path, before: Snapshot) -> dict[str, Any]:
    after = snapshot(project)
    changed = differences(before, after)
    sizes = [after[path][1] for path in changed if path in after and len(after[path]) > 1]
    return {"changed": tuple(changed), "size": sum(map(int, sizes))}


def _content(path: Path | str) -> str:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(MAX_TEXT).decode(errors="replace")
    except OSError:
        return ""


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
