"""Look-alikes: answers that share what few others have, side by side, for a person to judge.

Statements and words that the release or the reference explains count nothing, and the others the
less, the more of the class has them. Nothing is run, and nothing is written to the gradebook.
"""

import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from rapidfuzz.distance import Indel
from rapidfuzz.process import cdist
from scipy.sparse import lil_array

from autograder import pages, results
from autograder.answers import Answer, Given, Part, handed_in
from autograder.assignment import Assignment
from autograder.course import Course, write_atomically
from autograder.errors import CourseError
from autograder.gradebook import submissions

LEAST = 60.0
LEAST_LIKENESS = 0.75
MANY_TASKS = 3
NEARLY, LONG = 0.9, 10  # all but a token or two of a statement that has so many
SMALL_CLASS = 20
MOST_LISTED = 40
MOST_WORDS = 12
NAME = re.compile(r"[^\W\d]\w\w+")

JUDGE = (
    "This is material for a person to judge, never a verdict. Who worked together where that was "
    "allowed, or followed the same book, tutorial or assistant, can be listed here too. Nothing of "
    "it is written to the gradebook, and no mark depends on it."
)


@dataclass(frozen=True)
class Line:
    """A line of an answer; `holders` have what is on it, 0 where it is not shared by the two."""

    text: str
    holders: int = 0


@dataclass(frozen=True)
class Side:
    """One of two answers, as a student wrote it, and who else wrote the same, names aside."""

    students: tuple[str, ...]
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Match:
    """Two answers to a task that are alike in what few others have.

    weight: the size of what they share, each part counted the less the more students have it;
    likeness: the share of what is beyond release and reference that agrees in order; words: what
    stands in both and in nobody else's answer, as it was typed.
    """

    task: str
    weight: float
    likeness: float
    words: tuple[str, ...]
    sides: tuple[Side, Side]

    @property
    def students(self) -> tuple[str, ...]:
        """All whose answers these are."""
        return tuple(sorted({name for side in self.sides for name in side.students}))


@dataclass(frozen=True)
class TaskMatches:
    """What was found in a task: the matches with the largest weights, and how many there are."""

    task: str
    answers: int
    found: int
    matches: tuple[Match, ...]


@dataclass(frozen=True)
class Pair:
    """Two students who share much over all tasks; the weight of each task in which they do."""

    students: tuple[str, str]
    weight: float
    tasks: dict[str, float]


@dataclass(frozen=True)
class LookAlikes:
    """What is alike in the submissions to an assignment, and what could not be compared.

    least: the weight from which matches are listed; usual: what the middle pair of students shares
    over all tasks, which pairs must exceed by three times as much.
    """

    assignment: str
    least: float
    compared: int
    usual: float
    pairs: tuple[Pair, ...]
    tasks: tuple[TaskMatches, ...]
    left_out: dict[str, list[str]]

    def to_json(self) -> str:
        """All but the answers themselves as JSON, with a final line feed."""
        data = {"note": JUDGE} | asdict(self)
        for task, found in zip(data["tasks"], self.tasks, strict=True):
            task["matches"] = [
                {
                    "students": match.students,
                    "weight": match.weight,
                    "likeness": match.likeness,
                    "words": match.words,
                }
                for match in found.matches
            ]
        return _printable(json.dumps(data, indent=2, ensure_ascii=False) + "\n")

    def to_html(self) -> str:
        """The page."""
        page = pages.render("similar.html.j2", found=self, judge=JUDGE, small=SMALL_CLASS)
        return _printable(page)


def _printable(text: str) -> str:
    """The text without what a folder's name may hold and UTF-8 may not."""
    return text.encode(errors="replace").decode()


def write(found: LookAlikes, course: Course) -> list[Path]:
    """Write what was found as HTML and JSON; returns the files, the page first."""
    folder = results.folder(course, found.assignment)
    contents = {"similar.html": found.to_html(), "similar.json": found.to_json()}
    for name, content in contents.items():
        write_atomically(folder / name, content, mode=0o600)
    return [folder / name for name in contents]


def look_alikes(
    assignment: str,
    course: Course,
    least: float = LEAST,
    progress: Callable[[int, int], None] = lambda done, all_: None,
) -> LookAlikes:
    """Compare all submissions, task by task.

    least: the weight from which a match is listed. progress: called with the number of notebooks
    that are read and of all. Raises CourseError for an unknown assignment and where nothing is
    submitted; a notebook that cannot be read is among those left out, with the reason.
    """
    sheet = Assignment.load(assignment)
    folders = submissions(course, assignment)
    given = Given(sheet)
    answers: dict[str, list[Answer]] = {task.name: [] for task in sheet.tasks}
    left_out: dict[str, list[str]] = {}
    for number, folder in enumerate(folders):
        progress(number, len(folders))
        student = folder.parent.name
        try:
            results.require_plain_files(folder)
            handed = handed_in(student, folder / f"{assignment}.ipynb", sheet, given)
        except CourseError as error:
            left_out[student] = [str(error)]
            continue
        for task, answer in handed.answers.items():
            answers[task].append(answer)
        if handed.problems:
            left_out[student] = handed.problems
    compared = [Compared(task, found, given) for task, found in answers.items() if len(found) > 1]
    usual, pairs = _pairs(compared, MANY_TASKS * least)
    return LookAlikes(
        assignment=assignment,
        least=least,
        compared=len({answer.student for found in answers.values() for answer in found}),
        usual=round(usual, 1),
        pairs=pairs,
        tasks=tuple(task.matches(least) for task in compared),
        left_out=left_out,
    )


def rarity(holders: int, answers: int) -> float:
    """1 for what two of so many answers have, 0 for what all have.

    A small class does not tell what is rare: it counts for twenty.
    """
    return max(0.0, 1 - math.log(holders / 2) / math.log(max(answers, SMALL_CLASS) / 2))


class Compared:
    """The answers to a task, those that are alike, names aside, taken together."""

    def __init__(self, task: str, answers: Sequence[Answer], given: Given) -> None:
        self.task = task
        self.answers = answers
        self.holders = _holders(answers)
        alike: dict[tuple[str, ...], list[Answer]] = defaultdict(list)
        for answer in answers:
            alike[answer.forms].append(answer)
        self.groups = [group for forms, group in alike.items() if forms]
        self.group_of = {
            answer.student: number for number, group in enumerate(self.groups) for answer in group
        }
        self.weights = self._weights(given)

    def matches(self, least: float) -> TaskMatches:
        """The matches of at least such a weight."""
        found = []
        for one, other in np.argwhere(np.triu(self.weights >= least)):
            left, right = self.groups[one], self.groups[other]
            if one != other or len(left) > 1:
                likeness = _likeness(left[0], right[0])
                if likeness >= LEAST_LIKENESS:
                    found.append((float(self.weights[one, other]), likeness, left, right))
        found.sort(key=lambda match: (-match[0], match[2][0].student, match[3][0].student))
        listed = tuple(self._match(*match) for match in found[:MOST_LISTED])
        return TaskMatches(self.task, len(self.answers), len(found), listed)

    def _weights(self, given: Given) -> np.ndarray:
        """What each two groups share; on the diagonal, what the answers of a group do."""
        parts = {part.form: part for group in self.groups for part in group[0].parts}
        shared = [form for form in parts if self.holders[form] > 1]
        column = {form: number for number, form in enumerate(shared)}
        having = lil_array((len(self.groups), len(shared)))
        for row, group in enumerate(self.groups):
            for form in group[0].forms:
                if form in column:
                    having[row, column[form]] = 1
        counts = [rarity(self.holders[form], len(self.answers)) for form in shared]
        sizes = [given.beyond(parts[form]) for form in shared]
        rows = having.tocsr()
        return ((rows * np.multiply(sizes, counts)) @ rows.T).toarray()

    def _match(
        self, weight: float, likeness: float, left: Sequence[Answer], right: Sequence[Answer]
    ) -> Match:
        first, second = (left[0], left[1]) if left is right else (left[0], right[0])
        sides = (left[:1], left[1:]) if left is right else (left, right)
        shared = set(first.forms) & set(second.forms)
        names = [tuple(answer.student for answer in side) for side in sides]
        return Match(
            task=self.task,
            weight=round(weight, 1),
            likeness=round(likeness, 3),
            words=self._words(first, second, {*names[0], *names[1]}),
            sides=(
                Side(names[0], self._lines(first, shared)),
                Side(names[1], self._lines(second, shared)),
            ),
        )

    def _lines(self, answer: Answer, shared: set[str]) -> tuple[Line, ...]:
        texts = answer.text.split("\n")
        holders = [0] * len(texts)
        for part in answer.parts:
            if part.form in shared:
                for number in part.lines:
                    holders[number] = self.holders[part.form]
        return tuple(Line(*line) for line in zip(texts, holders, strict=True))

    def _words(self, first: Answer, second: Answer, students: set[str]) -> tuple[str, ...]:
        """What both wrote, and nobody but these students."""
        also = set(_words(second))
        rare = [w for w in _words(first) if w in also and self._writers[w] <= students]
        return tuple(rare[:MOST_WORDS])

    @cached_property
    def _writers(self) -> dict[str, set[str]]:
        writers: dict[str, set[str]] = defaultdict(set)
        for answer in self.answers:
            for word in _words(answer):
                writers[word].add(answer.student)
        return writers


def _words(answer: Answer) -> list[str]:
    """Names and the words of comments and texts, each once, in order."""
    return list(dict.fromkeys(NAME.findall(answer.text)))


def _holders(answers: Sequence[Answer]) -> dict[str, int]:
    """How many students have each form or, of one that two of them have, nearly this form."""
    students: dict[str, set[str]] = defaultdict(set)
    parts: dict[str, Part] = {}
    for answer in answers:
        for part in answer.parts:
            students[part.form].add(answer.student)
            parts[part.form] = part
    long = [part for part in parts.values() if len(part.tokens) >= LONG]
    signs = [part.signs for part in long]
    holders = {form: len(having) for form, having in students.items()}
    scorer = Indel.normalized_similarity
    for one, part in zip(signs, long, strict=True):
        if holders[part.form] > 1:
            [likeness] = cdist([one], signs, scorer=scorer, score_cutoff=NEARLY)
            near = [students[long[place].form] for place in np.flatnonzero(likeness)]
            holders[part.form] = len(set().union(*near))
    return holders


def _likeness(one: Answer, other: Answer) -> float:
    return Indel.normalized_similarity(one.signs, other.signs, score_cutoff=LEAST_LIKENESS)


def _pairs(compared: Sequence[Compared], least: float) -> tuple[float, tuple[Pair, ...]]:
    """What pairs of students usually share over all tasks, and the pairs that share most.

    The usual weight is that of the middle pair; those are listed that exceed it by `least`.
    """
    students = sorted({student for task in compared for student in task.group_of})
    total = np.zeros((len(students), len(students)))
    for task in compared:
        here = [place for place, name in enumerate(students) if name in task.group_of]
        groups = [task.group_of[students[place]] for place in here]
        total[np.ix_(here, here)] += task.weights[np.ix_(groups, groups)]
    upper = total[np.triu_indices(len(students), 1)]
    usual = float(np.median(upper)) if len(students) >= SMALL_CLASS else 0.0
    places = np.argwhere(np.triu(total >= usual + least, 1))
    ordered = sorted(places.tolist(), key=lambda place: (-total[*place], place))
    names = [(students[one], students[other]) for one, other in ordered[:MOST_LISTED]]
    return usual, tuple(_pair(compared, *pair) for pair in names)


def _pair(compared: Sequence[Compared], one: str, other: str) -> Pair:
    both = [task for task in compared if one in task.group_of and other in task.group_of]
    weights = {task.task: task.weights[task.group_of[one], task.group_of[other]] for task in both}
    tasks = {task: round(float(weight), 1) for task, weight in weights.items() if weight > 0}
    return Pair((one, other), round(float(sum(weights.values())), 1), tasks)
