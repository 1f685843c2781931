"""What a command costs: wall time, processor time and peak memory of it and of all below it.

The measuring runs as a program of its own, because it adopts every process below it that loses
its parent (PR_SET_CHILD_SUBREAPER) and waits for them all. Waiting alone does not tell the whole
processor time (see `processor_time`): it is taken from a control group where one can be made.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from autograder.errors import CourseError
from benchmarks.processor_time import Group, new_group

SAMPLE_SECONDS = 0.5
POLL_SECONDS = 0.01
GRACE_SECONDS = 5
PR_SET_CHILD_SUBREAPER = 36
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Measurement:
    """A command that has ended.

    seconds: wall time until the command itself ended.
    cpu: seconds of processor time, user and system, of all its processes.
    cpu_complete: whether cpu includes processes that ended with nobody waiting for them.
    memory: the most bytes that its processes held at once, sampled twice a second; what several
        of them share is counted once (the sum of their proportional set sizes).
    """

    status: int
    seconds: float
    cpu: float
    cpu_complete: bool
    memory: int


def measured(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    log: Path,
    watch: Callable[[], None] = lambda: None,
) -> Measurement:
    """Run a command in a folder and measure it; what it prints goes to the file `log`.

    `watch` is called twice a second while it runs. Raises CourseError where the command cannot be
    started or measured.
    """
    order = {"command": command, "folder": str(folder), "log": str(log)}
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.measuring"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdin and program.stdout and program.stderr
        try:
            json.dump(order | {"environment": dict(environment)}, program.stdin)
            program.stdin.close()
            while program.poll() is None:
                watch()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    program.wait(SAMPLE_SECONDS)
        finally:
            program.terminate()
        if program.returncode:
            why = program.stderr.read().strip().rpartition("\n")[2]
            raise CourseError(f"{command[0]}: cannot be measured: {why}")
        return Measurement(**json.load(program.stdout))


def main() -> None:
    """Measure the command that comes as JSON on stdin; print the measurement as JSON."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    adopt_orphans()
    try:
        with new_group() as group:
            try:
                result = _measure(group, **json.load(sys.stdin))
            finally:
                _end_descendants()
    except KeyboardInterrupt:
        sys.exit(130)
    print(json.dumps(asdict(result)))


def _measure(
    group: Group | None,
    command: Sequence[str],
    folder: str,
    environment: Mapping[str, str],
    log: str,
) -> Measurement:
    start = time.monotonic()
    with Path(log).open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=group.enter if group else None,
        )
    cpu, memory, sampled, end = 0.0, 0, 0.0, 0.0
    with contextlib.suppress(ChildProcessError):  # no process is left
        while True:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            now = time.monotonic()
            if pid:
                cpu += usage.ru_utime + usage.ru_stime
                if pid == process.pid:
                    process.returncode, end = os.waitstatus_to_exitcode(status), now
                continue
            if now - sampled > SAMPLE_SECONDS:
                memory, sampled = max(memory, _memory()), now
            if end and now - end > GRACE_SECONDS:
                _kill_descendants()
            time.sleep(POLL_SECONDS)
    cpu = group.seconds() if group else cpu
    return Measurement(process.returncode, end - start, cpu, group is not None, memory)


def adopt_orphans() -> None:
    """Become the parent of every process below this one that loses its own."""
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError("PR_SET_CHILD_SUBREAPER is refused; measure on Linux")


def _memory() -> int:
    """Bytes that the processes below this one hold, shared memory counted once."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total


def _end_descendants() -> None:
    """Kill all that still runs, and wait until nothing of it is left."""
    with contextlib.suppress(ChildProcessError):
        while True:
            _kill_descendants()
            os.wait()


def _kill_descendants() -> None:
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            process.kill()


if __name__ == "__main__":
    main()
