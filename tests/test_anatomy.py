"""The rules that an exercise sheet keeps, and that a script can check."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from nbformat import NotebookNode

from autograder import stubs
from autograder.assignment import Assignment, Task, find_reference, known, read
from autograder.checking import files_by_task
from autograder.errors import CourseError
from exercises import lab
from tests.matrix import variants_of
from tests.wrong_answers import Variant

BLANK = "YOUR ANSWER HERE"  # what nbgrader puts into a written answer's cell
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
DIRECTIVE = re.compile(r"^(:::|```\{|\$\$.*\(\w+\)$|\(\S+\)=$)|\{[a-z:]+\}`", re.MULTILINE)

SHEETS = [Assignment.load(name) for name in known()]
sheets = pytest.mark.parametrize("assignment", SHEETS, ids=known())


def prose(assignment: Assignment) -> str:
    cells = assignment.notebook.cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def imports_of(assignment: Assignment) -> str:
    """The first code cell without the library that lies beside the notebook."""
    code = [cell.source for cell in assignment.notebook.cells if cell.cell_type == "code"]
    return code[0].replace("import lab\n", "").removesuffix("import lab")


def of_kind(assignment: Assignment, key: str) -> list[tuple[int, NotebookNode]]:
    cells = enumerate(assignment.notebook.cells)
    return [(position, cell) for position, cell in cells if key in cell.metadata]


# ---- tasks --------------------------------------------------------------------------------------


@sheets
def test_every_task_has_a_lead_in(assignment: Assignment) -> None:
    for position, cell in of_kind(assignment, "task") + of_kind(assignment, "written"):
        before = assignment.notebook.cells[position - 1]
        name = cell.metadata.get("task") or cell.metadata["written"]
        assert before.cell_type == "markdown", f"{name}: no prose before it"


@sheets
def test_every_task_is_followed_by_its_check(assignment: Assignment) -> None:
    cells = assignment.notebook.cells
    for position, cell in of_kind(assignment, "task"):
        assert cells[position + 1].metadata.get("check") == cell.metadata["task"]


@sheets
def test_every_check_ends_by_saying_what_passed(assignment: Assignment) -> None:
    for _, cell in of_kind(assignment, "check"):
        name = cell.metadata["check"]
        words = f"{name}: visible checks passed; the hidden ones run when your work is graded"
        assert cell.source.splitlines()[-1] == f'print("{words}")'


@sheets
def test_every_assertion_has_a_message(assignment: Assignment) -> None:
    for _, cell in of_kind(assignment, "check"):
        assertions = [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Assert)]
        tools = "lab.check_" in cell.source
        assert assertions or tools, cell.metadata["check"]
        assert all(assertion.msg is not None for assertion in assertions), cell.metadata["check"]


@sheets
def test_every_task_has_hidden_checks(assignment: Assignment) -> None:
    assert set(files_by_task(assignment)) == {
        task.name for task in assignment.tasks if task.kind != "written"
    }


@sheets
def test_every_written_answer_has_a_rubric(assignment: Assignment) -> None:
    written = {task.name: task for task in assignment.tasks if task.kind == "written"}
    headings = re.findall(r"^#+ +`?(\w+)`?", assignment.rubrics.read_text(), re.MULTILINE)
    assert set(written) <= set(headings)
    assert all(task.stub == BLANK for task in written.values())


@sheets
def test_numbers_have_expected_values(assignment: Assignment) -> None:
    numbers = {task.name for task in assignment.tasks if task.kind == "number"}
    assert set(assignment.expected_numbers) == numbers


@sheets
def test_stubs_need_only_the_first_cell(assignment: Assignment) -> None:
    namespace: dict[str, Any] = {}
    exec(imports_of(assignment), namespace)
    for task in assignment.tasks:
        if task.kind in ("function", "class"):
            exec(task.stub, namespace)
            assert namespace[task.name].__doc__ == assignment.reference(task).__doc__


@sheets
def test_only_known_tags(assignment: Assignment) -> None:
    tags = {tag for _, cell in of_kind(assignment, "tags") for tag in cell.metadata["tags"]}
    assert tags <= {"no-grade"}


@sheets
def test_cells_that_train_or_plot_are_not_graded(assignment: Assignment) -> None:
    for cell in assignment.notebook.cells:
        if cell.cell_type == "code" and re.search(r"lab\.plot_|plt\.show|n_epochs", cell.source):
            assert cell.metadata.get("tags") == ["no-grade"], cell.source


# ---- visible checks -----------------------------------------------------------------------------


def complaint(assignment: Assignment, task: Task, answer: Any) -> str | None:
    """What the visible check says about an answer, the other tasks being right."""
    namespace: dict[str, Any] = {"lab": lab}
    exec(imports_of(assignment), namespace)
    for other in assignment.tasks:
        if other.kind in ("function", "class"):
            namespace[other.name] = assignment.reference(other)
    namespace[task.name] = answer
    try:
        exec(task.check, namespace)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def answers_to(assignment: Assignment) -> list[tuple[Task, Variant]]:
    tasks = assignment.tasks
    return [(task, variant) for task in tasks for variant in variants_of(assignment, task.name)]


@sheets
@pytest.mark.filterwarnings("ignore")
def test_visible_checks_accept_every_correct_answer(assignment: Assignment) -> None:
    for task, variant in answers_to(assignment):
        if variant.correct:
            found = complaint(assignment, task, variant.answer)
            assert found is None, f"{task.name}, {variant.name}: {found}"


@sheets
@pytest.mark.filterwarnings("ignore")
def test_visible_checks_catch_half_of_the_wrong_functions(assignment: Assignment) -> None:
    caught: dict[str, list[bool]] = {}
    for task, variant in answers_to(assignment):
        if not variant.correct and task.kind == "function":
            found = complaint(assignment, task, variant.answer)
            caught.setdefault(task.name, []).append(found is not None)
    for name, found_or_not in caught.items():
        assert sum(found_or_not) >= len(found_or_not) / 2, name


# ---- prose --------------------------------------------------------------------------------------


@sheets
def test_every_part_asks_for_a_prediction(assignment: Assignment) -> None:
    parts = re.split(r"^## ", prose(assignment), flags=re.MULTILINE)[1:]
    assert parts
    for part in parts:
        assert "**Predict.**" in part, part.splitlines()[0]


@sheets
def test_points_of_the_parts_add_up(assignment: Assignment) -> None:
    rows = re.findall(r"^\| *\d+ *\|.*\| *(\d*) *\|$", prose(assignment), re.MULTILINE)
    assert sum(int(points) for points in rows if points) == assignment.max_score


@sheets
def test_prose_reads_in_plain_jupyter(assignment: Assignment) -> None:
    assert DIRECTIVE.findall(prose(assignment)) == []


@sheets
def test_links_lead_somewhere(assignment: Assignment) -> None:
    targets = [link for link in LINK.findall(prose(assignment)) if "://" not in link]
    assert targets
    for target in targets:
        page, _, anchor = target.partition("#")
        file = assignment.path.parent / page
        assert file.is_file(), target
        assert not anchor or f"({anchor})=" in file.read_text(), target


@sheets
def test_jupytext_keeps_what_the_course_needs(assignment: Assignment, tmp_path: Path) -> None:
    """An author may save the sheet from Jupyter."""
    import jupytext

    saved = tmp_path / assignment.path.name
    jupytext.write(assignment.notebook, saved, fmt="md:myst")
    again = read(saved)
    assert (again.tasks, again.solutions) == (assignment.tasks, assignment.solutions)


# ---- stubs --------------------------------------------------------------------------------------


@sheets
def test_sheet_is_in_sync_with_the_solutions(assignment: Assignment) -> None:
    text = assignment.path.read_text()
    assert stubs.in_sync(assignment.path, text, assignment.solutions) == text, "autograder sync"


@sheets
def test_sync_mends_stubs_and_nothing_else(assignment: Assignment) -> None:
    text = assignment.path.read_text()
    task = next(task for task in assignment.tasks if task.kind == "function")
    spoilt = text.replace(task.stub, f"def {task.name}():\n    pass")
    assert spoilt != text
    assert stubs.in_sync(assignment.path, spoilt, assignment.solutions) == text
    emptied = text.replace(task.stub + "\n", "")
    assert stubs.in_sync(assignment.path, emptied, assignment.solutions) == text


@sheets
def test_sync_keeps_line_ends_and_strange_prose(assignment: Assignment) -> None:
    text = "\ufeffodd \t\r\nprose  \n\n" + assignment.path.read_text() + "\n\n no end"
    assert stubs.in_sync(assignment.path, text, assignment.solutions) == text


def test_sync_writes_only_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed = Assignment.load("perceptron").path.read_text()
    monkeypatch.setattr("autograder.assignment.EXERCISES", tmp_path)
    sheet = tmp_path / "perceptron" / "perceptron.md"
    sheet.parent.mkdir()
    sheet.write_text(committed.replace('"forward: write', '"forward: do not write'))
    assert stubs.sync() == [sheet]
    assert sheet.read_text() == committed
    written = sheet.stat().st_mtime_ns
    assert stubs.sync(["perceptron"]) == []
    assert sheet.stat().st_mtime_ns == written
    with pytest.raises(CourseError, match="unknown assignment"):
        stubs.sync(["perceptrons"])


def test_sync_names_a_missing_reference() -> None:
    assignment = Assignment.load("perceptron")
    text = "```{code-cell} ipython3\n:task: no_such_task\n\n```\n"
    with pytest.raises(CourseError, match="no no_such_task in solutions/"):
        stubs.in_sync(assignment.path, text, assignment.solutions)


class Doubler:
    """Multiplies by two."""

    factor = 2

    def __init__(self, offset: float) -> None:
        """Keep the offset."""
        self.offset = offset

    def forward(self, x: float) -> float:
        """Twice x and the offset."""
        return self._twice(x) + self.offset

    def _twice(self, x: float) -> float:
        return self.factor * x


CLASS_STUB = '''\
class Doubler:
    """Multiplies by two."""

    def __init__(self, offset: float) -> None:
        """Keep the offset."""
        self.offset = offset

    def forward(self, x: float) -> float:
        """Twice x and the offset."""
        raise NotImplementedError("Doubler.forward: write your answer here")'''


def test_stub_of_a_class() -> None:
    assert stubs.stub("Doubler", Doubler) == CLASS_STUB


def undocumented(x: float) -> float:
    return x


def test_reference_without_docstring_is_refused() -> None:
    with pytest.raises(CourseError, match="undocumented has no docstring"):
        stubs.stub("undocumented", undocumented)


# ---- sheets that break the rules ----------------------------------------------------------------

HEAD = "---\njupytext: {}\ncourse:\n  solutions: [by_hand]\n---\n\n"


def cell(options: str, body: str) -> str:
    lines = "".join(f":{option}\n" for option in options.split(";"))
    return f"```{{code-cell}} ipython3\n{lines}\n{body}\n```\n\n"


TASK = cell("task: sgd", "def sgd():\n    pass")
CHECK = cell("check: sgd;points: 2", "print(1)")
NUMBER = cell("task: n", "n = None") + cell("check: n;points: 1", "print(1)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + TASK, "cell 1: task 'sgd' has no check after it"),
        (HEAD + TASK + NUMBER, "cell 1: task 'sgd' has no check; `:check: sgd` comes next"),
        (HEAD + NUMBER + CHECK, "cell 3: the check of 'sgd' does not follow its task"),
        (HEAD + 2 * (TASK + CHECK), "cell 3: a second task named 'sgd'"),
        (HEAD + TASK + cell("check: sgd", "print(1)"), "points must be a positive number"),
        (HEAD + TASK + cell("check: sgd;points: true", "1"), "points must be a positive number"),
        (HEAD + TASK + cell("check: sgd;points: 0", "1"), "points must be a positive number"),
        (HEAD + cell("task: sgd", "x = 1") + CHECK, "'sgd' is neither defined nor set to None"),
        (HEAD + cell("task: sgd", "def sgd(:") + CHECK, "cell 1: task 'sgd': .* in line 1"),
        (HEAD + cell("written: why;points: 1", "x"), "a written answer must be a Markdown cell"),
        (HEAD + "prose", "no task in it"),
        ("---\njupytext: {}\n---\n\n" + TASK + CHECK, "the front matter lacks `course:"),
        ("---\na: [\n---\n", "not a MyST notebook"),
    ],
)
def test_broken_sheet_is_one_line_with_file_and_cell(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "sheet.md"
    path.write_text(text)
    with pytest.raises(CourseError, match=message) as error:
        read(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_missing_sheet_and_unknown_names() -> None:
    with pytest.raises(CourseError, match=r"gone\.md: cannot be read: No such file"):
        read(Path("gone.md"))
    with pytest.raises(CourseError, match=r"unknown assignment 'percept'; known are: .*perceptron"):
        Assignment.load("percept")
    assignment = Assignment.load("perceptron")
    with pytest.raises(CourseError, match=r"unknown task 'forwards'; known are: .*forward"):
        assignment.task("forwards")
    with pytest.raises(CourseError, match="no forwards in solutions/"):
        find_reference(assignment.path, assignment.solutions, "forwards")
