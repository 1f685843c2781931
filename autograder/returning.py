"""Feedback pages in a zip, under the names by which a learning platform knows whose they are."""

import io
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from nbgrader.api import Gradebook

from autograder import feedback, results
from autograder.assignment import sheet_path
from autograder.collecting import Collected, downloaded, read_collected
from autograder.course import Course, write_atomically
from autograder.errors import CourseError
from autograder.marks import entry, opened
from autograder.preprocessor import timestamp
from autograder.writer import GradedCopy

PLATFORMS = {"moodle": "Moodle", "canvas": "Canvas"}
SAME_TIME = (1980, 1, 1, 0, 0, 0)  # equal pages make equal archives


@dataclass(frozen=True)
class Returned:
    """What packing came to.

    packed: the students whose page is in the file; waiting: those of them with answers that a
    person has yet to grade; problems: students whose page is not in the file, and why.
    """

    assignment: str
    platform: str
    file: Path
    packed: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)


def pack(assignment: str, course: Course, platform: str, output: Path | None = None) -> Returned:
    """Pack the feedback pages as a platform takes them back.

    platform: one of `PLATFORMS`, from which `collect` got the work; output: None stands for a file
    beside the class report. Raises CourseError where nothing can be packed.
    """
    sheet_path(assignment)
    default = results.folder(course, assignment) / f"feedback-{platform}.zip"
    made = Returned(assignment, platform, (output or default).absolute())
    collected = _collected(assignment, course, platform)
    archive = io.BytesIO()
    with (
        opened(course, assignment) as gradebook,
        zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file,
    ):
        for student, label in _labels(collected, made.problems).items():
            try:
                page, waits = _page(assignment, course, gradebook, student)
            except CourseError as error:
                made.problems[student] = str(error)
                continue
            _add(file, _entry_name(platform, label, assignment), page)
            made.packed.append(student)
            made.waiting.extend([student] if waits else [])
    made.problems.update(_of_others(assignment, course, collected, platform))
    if not made.packed:
        student, problem = next(iter(made.problems.items()))
        raise CourseError(f"{course.feedback}: no page to return ({student}: {problem})")
    write_atomically(made.file, archive.getvalue(), mode=0o600)
    return made


def _collected(assignment: str, course: Course, platform: str) -> dict[str, Collected]:
    """What was collected from the platform, by student."""
    found = read_collected(course, assignment)
    kept = {name: found[name] for name in sorted(found) if found[name].platform == platform}
    if not kept:
        message = f"nothing of {assignment} was collected from {PLATFORMS[platform]}"
        remedy = f"run `autograder collect {assignment} ZIP` with its download"
        raise CourseError(f"{downloaded(course, assignment)}: {message}; {remedy}")
    return kept


def _labels(collected: dict[str, Collected], problems: dict[str, str]) -> dict[str, str]:
    """The name of each student's place; one that may mislead goes to no one."""
    users = Counter(each.user for each in collected.values())
    labels = {}
    for student, each in collected.items():
        if users[each.user] > 1:
            problems[student] = f"the platform's number {each.user} is of several students"
        elif not each.label or set("/\\") & set(each.label) or each.label.startswith("."):
            problems[student] = f"{each.label!r} is no name of a place; collect the work again"
        else:
            labels[student] = each.label
    return labels


def _page(assignment: str, course: Course, gradebook: Gradebook, student: str) -> tuple[str, bool]:
    """The student's page, and whether an answer waits for a person; it tells today's marks."""
    grade = f"run `autograder grade {assignment}`"
    copy = GradedCopy.read(course.autograded / student / assignment / f"{assignment}.ipynb")
    found = entry(gradebook, assignment, student)
    if copy is None or found is None:
        raise CourseError(f"not graded; {grade}")
    if copy.timestamp != timestamp(course.submitted / student / assignment):
        raise CourseError(f"submitted again since it was graded; {grade}")
    path = course.feedback / student / assignment / f"{assignment}.html"
    page = feedback.page_of(copy.report, found, copy.answers)
    try:
        written = path.read_text()
    except (OSError, UnicodeDecodeError):
        written = ""
    if written != page:
        raise CourseError(f"the feedback page does not tell the marks in the gradebook; {grade}")
    return page, found.mark.waiting > 0


def _entry_name(platform: str, label: str, assignment: str) -> str:
    """The name in the archive: Moodle takes folders, Canvas names that start alike."""
    return f"{label}{'/' if platform == 'moodle' else ''}{assignment}_feedback.html"


def _add(archive: zipfile.ZipFile, name: str, page: str) -> None:
    info = zipfile.ZipInfo(name, SAME_TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    archive.writestr(info, page)


def _of_others(
    assignment: str, course: Course, collected: dict[str, Collected], platform: str
) -> dict[str, str]:
    """Why pages stay here that are of work from elsewhere."""
    pages = course.feedback.glob(f"*/{assignment}/{assignment}.html")
    students = {page.parent.parent.name for page in pages} - collected.keys()
    return dict.fromkeys(sorted(students), f"not collected from {PLATFORMS[platform]}")
