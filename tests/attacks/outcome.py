"""What came of the class for whom, and what an unprotected grader comes to."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from autograder import results
from autograder.course import Course
from autograder.marks import marks
from autograder.report import Report
from tests.attacks import ATTACKS
from tests.attacks.attack import Attack, Evidence
from tests.attacks.formgrader import Pages, pages
from tests.attacks.room import Request, evidence
from tests.attacks.running import Outcome, graded, graded_alone
from tests.attacks.scene import ASSIGNMENT, Scene, listening, unprotected_project


@dataclass
class HostileClass:
    """Everything that came of the class; `alone` is the course of the honest among themselves."""

    scene: Scene
    outcome: Outcome
    alone: Course
    formgrader: Pages

    @property
    def course(self) -> Course:
        return self.scene.project.course

    @cached_property
    def marks(self) -> dict[str, float]:
        """The marks in the gradebook, by student."""
        return {mark.student: mark.score for mark in marks(self.course, ASSIGNMENT)}

    def report(self, student: str) -> Report | None:
        """The report of a submission, None where it was refused."""
        return _result(self.course, student)[0]

    def refusal(self, student: str) -> str:
        """Why a submission was not graded, "" where it was."""
        return _result(self.course, student)[1]

    def feedback(self, student: str) -> str:
        """The page that the student receives."""
        return (self.course.feedback / student / ASSIGNMENT / f"{ASSIGNMENT}.html").read_text()

    def outputs(self, student: str) -> dict[str, str]:
        """All that came of a submission, by path: graded copy, feedback, and result."""
        folders = (self.course.autograded / student, self.course.feedback / student)
        files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
        files.append(self.course.reports / ASSIGNMENT / "submissions" / f"{student}.json")
        return {str(file): file.read_bytes().decode(errors="replace") for file in files}

    @cached_property
    def class_outputs(self) -> dict[str, str]:
        """What speaks of the whole class: its report, and what the commands printed."""
        files = [file for file in (self.course.reports / ASSIGNMENT).iterdir() if file.is_file()]
        return {file.name: file.read_text() for file in files} | {"said": self.outcome.said}

    @cached_property
    def harm(self) -> list[str]:
        """What grading has done to anybody but the attackers."""
        secret = self.scene.canaries["secret"].encode()
        folders = [{path.name for path in each.directory.iterdir()} for each in self.courses]
        harm = {
            "grading was stopped": self.outcome.status is None,
            "a process that stood by has ended": not self.outcome.bystander,
            "processes were left": self.outcome.left,
            "files were changed": self.outcome.changed,
            "files were added": folders[0] ^ folders[1],
            "the secret was changed": self.course.secret != secret,
            "other results": [name for name in self.scene.honest if not self._is_as_alone(name)],
        }
        return [f"{kind}: {what}" for kind, what in harm.items() if what]

    @property
    def courses(self) -> tuple[Course, Course]:
        return self.course, self.alone

    def _is_as_alone(self, student: str) -> bool:
        """Whether an honest student has what the same submission earns among honest ones."""
        one, other = (_result(course, student) for course in self.courses)
        assert other[0] is not None
        return one == other and self.marks.get(student) == other[0].score


def grade_all(scene: Scene, folder: Path) -> HostileClass:
    """Grade the class and the honest by themselves, and look at formgrader's pages."""
    with listening(scene.canaries["socket"], folder) as network:
        outcome = graded(scene, network)
    alone = graded_alone(scene)
    shown = [attack.name for attack in ATTACKS if attack.name.startswith("markup-")]
    return HostileClass(scene, outcome, alone, pages(scene.project, shown))


def graded_unprotected(
    scene: Scene, attacks: Sequence[Attack], folder: Path
) -> dict[str, Evidence]:
    """What each of the submissions did to a grader without protection, by student."""
    requests = []
    with listening(scene.canaries["socket"], folder) as network:
        for number, attack in enumerate(attacks):
            project = folder / str(number)
            unprotected_project(scene, attack, project, network)
            requests.append(
                Request(attack.name, str(project), attack.grader, attack.patience, scene.canaries)
            )
        return evidence(folder, requests)


def _result(course: Course, student: str) -> tuple[Report | None, str]:
    found = results.load(course, ASSIGNMENT, student)
    assert found is not None, f"{student}: neither graded nor refused"
    return found.report, found.error or ""
