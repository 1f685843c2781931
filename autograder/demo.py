"""A small class from start to marks, on bundled data: what `autograder demo` runs.

Everything is written below `_build/demo`. The class holds each kind of submission that a grader
meets: right, wrong, untouched, crashing, endless, mangled and hostile ones.
"""

import copy
import shutil
from collections.abc import Callable
from dataclasses import dataclass

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from autograder.assignment import Assignment
from autograder.build import build, notebook_text
from autograder.course import BUILD, Course, write_atomically
from autograder.solve import solved_notebook
from tests.wrong_answers import load_all

ASSIGNMENT = "perceptron"
FOLDER = BUILD / "demo"

ENDLESS_LOOP = """\
def sgd(params, grads, eta):
    while True:
        for name in params:
            params[name] -= eta * grads[name]
"""

CRASH = """\
import os

os.abort()  # the process that runs this notebook ends here
"""

FORGERY = """\
# looks for the hidden checks and for the gradebook, and tries to write its own mark
import glob
import os
import sys

found = [
    path
    for pattern in ("/**/checks/**/*.py", "/**/gradebook.db", "/**/solutions/*.py")
    for path in glob.glob(pattern, recursive=True)
    if "site-packages" not in path
]
print("hidden files in sight:", found)
for path in found:
    with open(path, "a") as file:
        file.write("\\n")
for descriptor in os.listdir("/proc/self/fd"):
    if int(descriptor) > 2:
        try:
            os.write(int(descriptor), b"score: 100")
        except OSError:
            pass
AssertionError.__init__ = lambda *arguments: sys.exit(0)
"""


@dataclass(frozen=True)
class Submission:
    """A student of the demo, what is special about the notebook, and the notebook."""

    student: str
    story: str
    make: Callable[[NotebookNode, NotebookNode], NotebookNode]


def prepare() -> tuple[Course, dict[str, str]]:
    """Build the assignment and write the submissions; an earlier demo is replaced.

    Returns the demo's course and, by student, what is special about the submission.
    """
    shutil.rmtree(FOLDER, ignore_errors=True)
    course = Course(FOLDER / "course", build=FOLDER)
    [release] = build([ASSIGNMENT], course)
    assignment = Assignment.load(ASSIGNMENT)
    solved = solved_notebook(assignment)
    untouched = nbformat.read(release.notebook, as_version=4)
    for submission in SUBMISSIONS:
        notebook = submission.make(copy.deepcopy(solved), copy.deepcopy(untouched))
        folder = course.submitted / submission.student / ASSIGNMENT
        write_atomically(folder / f"{ASSIGNMENT}.ipynb", notebook_text(notebook))
    return course, {submission.student: submission.story for submission in SUBMISSIONS}


def _answers(**names: str) -> Callable[[NotebookNode, NotebookNode], NotebookNode]:
    """The solved notebook with some tasks answered by variants of tests/wrong_answers, by name."""

    def make(solved: NotebookNode, release: NotebookNode) -> NotebookNode:
        modules = Assignment.load(ASSIGNMENT).solutions
        variants = {(variant.task, variant.name): variant for variant in load_all(modules)}
        for task, name in names.items():
            _cell_of(solved, task).source = variants[task, name].source()
        return solved

    return make


def _cell_of(notebook: NotebookNode, task: str) -> NotebookNode:
    """The cell before the one that carries the task's points."""
    return notebook.cells[_position(notebook, task) - 1]


def _position(notebook: NotebookNode, task: str) -> int:
    for position, cell in enumerate(notebook.cells):
        if cell.metadata.get("nbgrader", {}).get("grade_id") == task:
            return position
    raise LookupError(f"no cell of task {task} in the notebook")


def _untouched(solved: NotebookNode, release: NotebookNode) -> NotebookNode:
    return release


def _first_part(solved: NotebookNode, release: NotebookNode) -> NotebookNode:
    """Answered up to `backward`, where this student stopped."""
    end = _position(solved, "backward") - 1
    release.cells[:end] = solved.cells[:end]
    return release


def _crashing(solved: NotebookNode, release: NotebookNode) -> NotebookNode:
    solved.cells.insert(_position(solved, "sgd") + 1, new_code_cell(CRASH, id="crash"))
    return solved


def _endless(solved: NotebookNode, release: NotebookNode) -> NotebookNode:
    _cell_of(solved, "sgd").source = ENDLESS_LOOP
    return solved


def _mangled(solved: NotebookNode, release: NotebookNode) -> NotebookNode:
    """A deleted check, a deleted task, a stub pasted a second time below its answer."""
    stub = copy.deepcopy(_cell_of(release, "forward"))
    stub.id = "second-stub"
    duplicate = copy.deepcopy(_cell_of(solved, "backward"))
    duplicate.id = "pasted-again"
    del solved.cells[_position(solved, "loss_accuracy")]
    del solved.cells[_position(solved, "confusion_matrix") - 1]
    solved.cells += [stub, duplicate]
    return solved


def _hostile(solved: NotebookNode, release: NotebookNode) -> NotebookNode:
    """Honest up to `backward`; the rest is left to the forgery."""
    notebook = _first_part(solved, release)
    notebook.cells.insert(1, new_code_cell(FORGERY, id="forgery"))
    return notebook


SUBMISSIONS = [
    Submission("ada", "everything right", _answers()),
    Submission(
        "boris", "a gradient summed, not averaged", _answers(backward="summed_over_the_batch")
    ),
    Submission("chen", "softmax along the wrong axis", _answers(forward="softmax_over_the_batch")),
    Submission(
        "dina",
        "sign of the step, last batch dropped",
        _answers(sgd="ascent", minibatches="last_batch_dropped"),
    ),
    Submission(
        "emil",
        "zero_grad forgotten; softmax in the model",
        _answers(autograd_step="gradients_add_up", init_model="softmax_at_the_end"),
    ),
    Submission(
        "fatima", "kernel chosen on training data", _answers(best_svm="chosen_on_the_training_set")
    ),
    Submission(
        "goran",
        "right, in other styles",
        _answers(backward="loop_over_the_batch", minibatches="order_by_sorting_random_keys"),
    ),
    Submission("hana", "the untouched release", _untouched),
    Submission("ines", "stopped half-way", _first_part),
    Submission("jonas", "a cell that crashes half-way", _crashing),
    Submission("kim", "an endless loop in sgd", _endless),
    Submission("lena", "deleted and duplicated cells", _mangled),
    Submission("mallory", "tries to write its own mark", _hostile),
]
