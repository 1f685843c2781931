"""Grading a class that is killed again and again, beside the same class undisturbed.

The same course folder is graded twice: once to the end, and once in runs that are killed (SIGKILL)
at random moments and started again, until one ends. Gradebook, graded copies, feedback pages and
stored results must be the same then, the students' files as they were, and no process left behind.

    python -m benchmarks.soak [--submissions N] [--kills N] [--seed N] [--folder DIR] [--record]
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from autograder.course import BUILD
from benchmarks.measuring import adopt_orphans
from benchmarks.project import Project, lay_out
from benchmarks.soak_class import ask_for_prose, hand_in
from benchmarks.soak_folder import Contents, differences, touched

SECONDS_TO_END = 30
WORDS = ("grade", "quick")
HOW = {
    "its process group": "as `timeout` or a closing terminal would: the graders have to notice",
    "every process": "as the loss of power would",
}


@dataclass(frozen=True)
class Run:
    """One run of `autograder grade`, and what it left when it ended or was killed.

    killed: what got the signal, "" for a run that ended by itself. copies: graded copies in the
    course folder. processes, temporary: what was left of them; students: which of their files it
    changed; all in words.
    """

    killed: str
    status: int
    seconds: float
    copies: int
    processes: list[str]
    temporary: list[str]
    students: list[str]


@dataclass
class Soak:
    """A project in a folder of its own, in which everything happens."""

    folder: Path
    project: Project = field(init=False)

    def prepare(self, submissions: int, seed: int) -> None:
        """Lay the project out, with a class whose work is there to be graded."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._temporary.mkdir(parents=True)
        self.project = lay_out(self.folder / "project")
        ask_for_prose(self.project)
        hand_in(self.project, submissions, seed)
        shutil.copytree(self._course, self.folder / "before")

    def undisturbed(self) -> tuple[Run, Contents]:
        """One run to the end; afterwards the course folder is again as it was before."""
        run = self._run()
        contents = Contents.of(self.project.course)
        self._course.rename(self.folder / "undisturbed")
        shutil.copytree(self.folder / "before", self._course)
        return run, contents

    def disturbed(self, moments: Sequence[float], draw: random.Random) -> list[Run]:
        """Runs that are killed after so many seconds each, and one that is not."""
        runs = []
        for number, seconds in enumerate(moments, 1):
            runs.append(run := self._run(seconds, draw.choice(list(HOW))))
            print(f"kill {number}: {_words(run)}", flush=True)
        return [*runs, self._run()]

    def _run(self, seconds: float | None = None, killed: str = "") -> Run:
        submitted = self.project.course.submitted
        before = touched(submitted)
        start = time.monotonic()
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "autograder", *WORDS],
                cwd=self.project.folder,
                env=self.project.environment(TMPDIR=str(self._temporary)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            process.wait(seconds)
            killed = ""
        except subprocess.TimeoutExpired:
            _kill(process.pid, killed)
            process.wait()
        took = time.monotonic() - start
        left = _left_behind()
        copies = sum(1 for _ in self.project.course.autograded.glob("*/*/*.ipynb"))
        temporary = [path.name for path in self._temporary.iterdir()]
        changed = differences(before, touched(submitted))
        return Run(killed, process.returncode, took, copies, left, temporary, changed)

    @property
    def _course(self) -> Path:
        return self.project.course.directory

    @property
    def _temporary(self) -> Path:
        return self.folder / "tmp"


def _kill(pid: int, what: str) -> None:
    below = psutil.Process(pid).children(recursive=True)
    os.killpg(pid, signal.SIGKILL)
    if what == "every process":
        for process in below:
            with contextlib.suppress(psutil.Error):
                process.kill()


def _left_behind() -> list[str]:
    """The processes that do not end by themselves after their run; they are ended here."""
    deadline = time.monotonic() + SECONDS_TO_END
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.05)
        except ChildProcessError:
            return []
    left = psutil.Process().children(recursive=True)
    words = [" ".join(process.cmdline())[:100] for process in left]
    for process in left:
        process.kill()
    return words


def moments(kills: int, duration: float, draw: random.Random) -> list[float]:
    """Seconds from the start of each run to its end, which add up to less than the duration."""
    drawn = sorted(draw.uniform(0, duration) for _ in range(kills))
    return [later - earlier for earlier, later in zip([0.0, *drawn], drawn, strict=False)]


def soak(folder: Path, submissions: int, kills: int, seed: int) -> tuple[list[Run], list[str]]:
    """The runs, the undisturbed one first, and in words whatever is not as it must be."""
    print(f"handing in {submissions} submissions of quick", flush=True)
    these = Soak(folder)
    these.prepare(submissions, seed)
    calm, expected = these.undisturbed()
    print(f"undisturbed: {_words(calm)}", flush=True)
    draw = random.Random(seed)
    runs = these.disturbed(moments(kills, calm.seconds, draw), draw)
    print(f"last: {_words(runs[-1])}", flush=True)
    found = Contents.of(these.project.course)
    wrong = expected.differences(found)
    for run in (calm, *runs):
        wrong += [f"a student's file: {words}" for words in run.students]
        wrong += [f"a process left behind: {words}" for words in run.processes]
    if runs[-1].status != calm.status:
        wrong.append(f"exit status {runs[-1].status} instead of {calm.status}")
    print(f"compared: {len(expected.files)} files, {sum(expected.rows.values())} rows", flush=True)
    for name in (*found.remains, *runs[-1].temporary):
        print(f"note: a temporary file of a killed run is still there: {name}", flush=True)
    return [calm, *runs], wrong


def _words(run: Run) -> str:
    ended = f"{run.killed} killed" if run.killed else f"ended with status {run.status}"
    left = [*run.processes, *run.temporary]
    more = f"; left: {', '.join(left)}" if left else ""
    return f"{ended} after {run.seconds:.1f} s, {run.copies} graded copies there{more}"


def main() -> None:
    """Soak, print, and write the table where asked; exit status 1 where anything is wrong."""
    options = _parsed()
    adopt_orphans()
    runs, wrong = soak(options.folder, options.submissions, options.kills, options.seed)
    for words in wrong:
        print(f"wrong: {words}")
    killed = sum(1 for run in runs if run.killed)
    verdict = f"different in {len(wrong)} places" if wrong else "the same as undisturbed"
    print(f"{options.submissions} submissions, killed {killed} times: {verdict}")
    if options.record:
        _record(options, runs, verdict)
    sys.exit(1 if wrong else 0)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--submissions", type=int, default=200, help="in the class (200)")
    parser.add_argument("--kills", type=int, default=5, help="runs that are killed (5)")
    parser.add_argument("--seed", type=int, default=0, help="of submissions and moments (0)")
    parser.add_argument("--folder", type=Path, default=BUILD / "soak", help="made anew")
    parser.add_argument("--record", action="store_true", help="write book/results/soak.csv")
    return parser.parse_args()


def _record(options: argparse.Namespace, runs: Sequence[Run], verdict: str) -> None:
    from benchmarks.results import write_results  # imports torch, which the soak does without

    columns = ["run", "killed", "seconds", "graded_copies", "processes_left", "verdict"]
    names = ["undisturbed", *(f"disturbed {number}" for number in range(1, len(runs)))]
    rows = [
        {
            "run": name,
            "killed": run.killed,
            "seconds": f"{run.seconds:.1f}",
            "graded_copies": run.copies,
            "processes_left": len(run.processes),
            "verdict": verdict if run is runs[-1] else "",
        }
        for name, run in zip(names, runs, strict=True)
    ]
    command = f"python -m benchmarks.soak --submissions {options.submissions}"
    command += f" --kills {options.kills} --seed {options.seed} --record"
    seeds = f"{options.seed}: the generated submissions, and when each run is killed"
    print(write_results("soak", command, seeds, columns, rows, ["nbgrader"]))


if __name__ == "__main__":
    main()
