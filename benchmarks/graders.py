"""The graders that are compared, each run and measured in a course folder of its own."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from autograder.errors import CourseError
from benchmarks import classic, project
from benchmarks.classic import ClassicCourse
from benchmarks.comparing import Marks, marks
from benchmarks.measuring import Measurement, measured
from benchmarks.project import Project
from benchmarks.submissions import Generated

NBGRADER = "nbgrader, 1 process"
XARGS = "nbgrader, xargs -P2"
OURS = "autograder grade"
GRADED = "autograded/*/*/*.ipynb"
LIBRARIES = "import IPython, ipykernel, matplotlib.pyplot, nbgrader.apps, torch.testing"


@dataclass(frozen=True)
class Run:
    """What one grader took for so many submissions."""

    grader: str
    assignment: str
    submissions: int
    cost: Measurement


class Bench:
    """Runs graders in folders below one folder and shows on stderr how far they are."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._console = folder, Console(stderr=True, highlight=False)

    def compare(self, submissions: Sequence[Generated]) -> tuple[list[Run], dict[str, Marks]]:
        """Three runs on the same submissions of `quick`, ours last, and the marks by grader."""
        self._say(f"preparing {len(submissions)} submissions for each grader")
        ours = self._laid_out("quick", submissions)
        one = classic.lay_out(self._folder / "classic")
        for submission in submissions:
            one.submit(submission.student, submission.cells_by_task, submission.extra_cells)
        two = one.copy(self._folder / "classic-xargs")
        # The first run must not be the one that waits for the disk.
        subprocess.run([sys.executable, "-c", LIBRARIES], check=True, capture_output=True)
        runs = [
            self.nbgrader(one, len(submissions)),
            self.xargs(two, [submission.student for submission in submissions]),
            self.autograder(ours, len(submissions)),
        ]
        books = {NBGRADER: one.gradebook, XARGS: two.gradebook, OURS: ours.course.gradebook_url}
        return runs, {grader: marks(address) for grader, address in books.items()}

    def alone(self, assignment: str, submissions: Sequence[Generated]) -> Run:
        """Our grader on a class of its own."""
        self._say(f"preparing {len(submissions)} submissions of {assignment}")
        return self.autograder(self._laid_out(assignment, submissions), len(submissions))

    def _laid_out(self, assignment: str, submissions: Sequence[Generated]) -> Project:
        number = sum(1 for _ in self._folder.glob("project-*"))
        copy = project.lay_out(self._folder / f"project-{number}", assignment)
        for submission in submissions:
            copy.submit(submission.student, submission.cells_by_task, submission.extra_cells)
        return copy

    def nbgrader(self, course: ClassicCourse, number: int) -> Run:
        """One process of nbgrader for all submissions."""
        command = [sys.executable, "-m", "nbgrader", "autograde", "quick"]
        cost = self._cost(NBGRADER, number, command, course.folder, course.environment())
        return Run(NBGRADER, "quick", number, cost)

    def xargs(self, course: ClassicCourse, students: Sequence[str]) -> Run:
        """A process of nbgrader for each submission, two at a time."""
        names = course.folder / "students"
        names.write_text("".join(f"{student}\n" for student in students))
        command = ["xargs", "-a", str(names), "-P2", "-n1"]
        command += [sys.executable, "-m", "nbgrader", "autograde", "quick", "--student"]
        cost = self._cost(XARGS, len(students), command, course.folder, course.environment())
        return Run(XARGS, "quick", len(students), cost)

    def autograder(self, copy: Project, number: int) -> Run:
        """Our grader as it is by default."""
        command = [sys.executable, "-m", "autograder", "grade", copy.assignment]
        what = f"{OURS} {copy.assignment}"
        cost = self._cost(what, number, command, copy.folder, copy.environment())
        return Run(OURS, copy.assignment, number, cost)

    def _cost(
        self,
        what: str,
        number: int,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
    ) -> Measurement:
        """Run a grader; the notebooks in its folder of graded ones tell how far it is."""
        log = folder.with_suffix(".log")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), console=self._console) as bar:
            task = bar.add_task(what, total=number)

            def watch() -> None:
                done = [*folder.glob(GRADED), *folder.glob(f"course/{GRADED}")]
                bar.update(task, completed=len(done))

            cost = measured(command, folder, environment, log, watch)
            watch()
        if cost.status:
            words = log.read_text(errors="replace").split("\n")
            last = next((line for line in reversed(words) if line.strip()), "it said nothing")
            raise CourseError(f"{log}: {what} ended with status {cost.status}: {last}")
        return cost

    def _say(self, what: str) -> None:
        self._console.print(what)
