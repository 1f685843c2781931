"""What grading again changes: a student's marks before and after, task by task.

Points that a person gave stay. Where they may be out of date, because the checks now say something
else or the answer has changed, the person is asked to look at them again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbgrader.api import Grade, Gradebook

from autograder.marks import Entry, TaskGrade
from autograder.pages import points
from autograder.report import DECIMALS, plain


@dataclass(frozen=True)
class ByHand:
    """Points that a person gave; `settled`: nbgrader asks nobody to look at them again."""

    points: float
    settled: bool


@dataclass(frozen=True)
class Standing:
    """What gradebook and graded copy hold of a submission.

    handed_in: what the student wrote, by the name of a written answer or the id of another cell;
    empty where that is unknown.
    """

    entry: Entry
    by_hand: Mapping[str, ByHand]
    handed_in: Mapping[str, Any]

    @classmethod
    def of(cls, gradebook: Gradebook, assignment: str, entry: Entry, handed_in: Any) -> "Standing":
        """The standing of a student whose entry this is."""
        grades = _by_hand(gradebook, assignment, entry.student)
        return cls(
            entry,
            {
                name: ByHand(grade.manual_score, settled=not grade.needs_manual_grade)
                for name, grade in grades.items()
            },
            handed_in,
        )


@dataclass(frozen=True)
class Change:
    """What becomes of one task.

    old, new: the points that count; None where an answer waits for a person, or there is no task.
    old_automatic, new_automatic: the checks' points; None for a written answer.
    by_hand: the points that a person gave, which stay; `review`: they may be out of date.
    """

    task: str
    old: float | None
    new: float | None
    old_automatic: float | None
    new_automatic: float | None
    by_hand: float | None = None
    review: bool = False


@dataclass(frozen=True)
class Difference:
    """What becomes of a student's mark; `old` is None where the gradebook had none.

    resubmitted: another notebook was handed in meanwhile. The late penalties are taken off in the
    marks already.
    """

    student: str
    old: float | None
    new: float
    max_score: float
    old_penalty: float = 0.0
    new_penalty: float = 0.0
    resubmitted: bool = False
    changes: tuple[Change, ...] = ()


def difference(before: Standing | None, after: Standing) -> Difference | None:
    """What changes from one standing to the other; None where nothing does."""
    mark = after.entry.mark
    if before is None:
        return Difference(mark.student, None, mark.score, mark.max_score, 0.0, mark.late_penalty)
    old = before.entry.mark
    changes = _changes(before, after)
    if not changes and _same(old.score, mark.score) and _same(old.late_penalty, mark.late_penalty):
        return None
    return Difference(
        student=mark.student,
        old=old.score,
        new=mark.score,
        max_score=mark.max_score,
        old_penalty=old.late_penalty,
        new_penalty=mark.late_penalty,
        resubmitted=bool(before.handed_in) and _resubmitted(before, after),
        changes=changes,
    )


def keep_settled(gradebook: Gradebook, assignment: str, before: Standing, after: Standing) -> None:
    """Spare people another look at points of theirs that cannot be out of date.

    nbgrader asks for one after each grading, whatever has changed.
    """
    for name, grade in _by_hand(gradebook, assignment, after.entry.student).items():
        given = before.by_hand.get(name)
        if given is not None and given.settled and not _out_of_date(name, before, after):
            grade.needs_manual_grade = False


def rows(difference: Difference) -> Iterator[tuple[str, str, str, str, str]]:
    """A table's rows in words: student, task, old, new, and what there is to know about it."""
    student = plain(difference.student)
    for change in difference.changes:
        note = _note(change, difference.resubmitted)
        yield student, change.task, _words(change.old), _words(change.new), note
    if not _same(difference.old_penalty, difference.new_penalty):
        old, new = points(0 - difference.old_penalty), points(0 - difference.new_penalty)
        yield student, "(late)", old, new, "penalty"
    old = "none" if difference.old is None else points(difference.old)
    new = f"{points(difference.new)} of {points(difference.max_score)}"
    yield student, "total", old, new, "handed in again" if difference.resubmitted else ""


def summary(differences: Sequence[Difference]) -> list[str]:
    """In lines, how many marks and points of each task rise and fall, and where to look again."""
    changes = [change for each in differences for change in each.changes]
    marks = _counts([(each.old, each.new) for each in differences])
    counts = [("marks", marks)] + [
        (task, _counts([(change.old, change.new) for change in changes if change.task == task]))
        for task in dict.fromkeys(change.task for change in changes)
    ]
    lines = [f"{name}: {words}" for name, words in counts if words]
    review = sum(change.review for change in changes)
    return lines + ([f"points by hand to look at again in formgrader: {review}"] if review else [])


def _counts(pairs: Sequence[tuple[float | None, float | None]]) -> str:
    """How many of these old and new points differ in which direction."""
    counts = {
        "new": sum(old is None and new is not None for old, new in pairs),
        "open": sum(old is not None and new is None for old, new in pairs),
        "higher": sum(old is not None and new is not None and new > old for old, new in pairs),
        "lower": sum(old is not None and new is not None and new < old for old, new in pairs),
    }
    return ", ".join(f"{number} {what}" for what, number in counts.items() if number)


def _note(change: Change, resubmitted: bool) -> str:
    if change.by_hand is None:
        return ""
    words = "by hand, kept"
    automatic = (change.old_automatic, change.new_automatic)
    if None not in automatic and automatic[0] != automatic[1]:
        old, new = map(_words, automatic)
        words += f"; the checks gave {old}, now {new}"
    elif change.review and resubmitted:
        words += "; the answer has changed" if None in automatic else "; handed in again"
    return f"{words}: look again" if change.review else words


def _words(value: float | None) -> str:
    return "open" if value is None else points(value)


def _by_hand(gradebook: Gradebook, assignment: str, student: str) -> dict[str, Grade]:
    """The grades of the submission in which a person gave points, by task."""
    notebook = gradebook.find_submission_notebook(assignment, assignment, student)
    return {grade.name: grade for grade in notebook.grades if grade.manual_score is not None}


def _changes(before: Standing, after: Standing) -> tuple[Change, ...]:
    found = []
    for name in dict.fromkeys([*before.entry.tasks, *after.entry.tasks]):
        old, new = before.entry.tasks.get(name), after.entry.tasks.get(name)
        given = after.by_hand.get(name)
        change = Change(
            task=name,
            old=_counting(old),
            new=_counting(new),
            old_automatic=old.automatic if old else None,
            new_automatic=new.automatic if new else None,
            by_hand=given.points if given else None,
            review=given is not None and _out_of_date(name, before, after),
        )
        if change.review or not _same(change.old, change.new):
            found.append(change)
    return tuple(found)


def _out_of_date(task: str, before: Standing, after: Standing) -> bool:
    """Whether a person who gave points for the task saw something else than there is now."""
    if task in after.handed_in:
        return bool(before.handed_in.get(task) != after.handed_in[task])
    old, new = before.entry.tasks.get(task), after.entry.tasks[task]
    return old is None or old.automatic != new.automatic or _resubmitted(before, after)


def _resubmitted(before: Standing, after: Standing) -> bool:
    return before.handed_in != after.handed_in


def _counting(grade: TaskGrade | None) -> float | None:
    return None if grade is None or grade.waits else grade.score


def _same(old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is new
    return round(old, DECIMALS) == round(new, DECIMALS)
