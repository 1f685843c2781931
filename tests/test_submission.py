"""What is wrong with a submitted file is said in one line; magics are idle; no-grade cells rest."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder import submission, syntax
from autograder.errors import CourseError
from autograder.submission import CodeCell, Submission

PYTHON = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}


def notebook(**changes: Any) -> dict[str, Any]:
    cells = [{"cell_type": "code", "metadata": {}, "source": ["x = 1\n", "y = 2"], "outputs": []}]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": PYTHON, "cells": cells} | changes


def code(source: Any, **more: Any) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "source": source} | more


def read(folder: Path, content: Any) -> Submission:
    path = folder / "work.ipynb"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return Submission.read(path)


def refused(path: Path) -> str:
    """The one line that says why and what to do."""
    with pytest.raises(CourseError) as caught:
        Submission.read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and len(message) < 400
    return message.removeprefix(f"{path}: ")


BAD = {
    "empty": (b"", "empty", "save it and submit it again"),
    "blank": (b" \n\n", "empty", "save it and submit it again"),
    "text": (b"dear teacher", "not a notebook", "submit it again"),
    "PDF": (b"%PDF-1.7\xff\xfe", "not a notebook", "submit it again"),
    "cut": (json.dumps(notebook()).encode()[:-20], "cut off half-way", "submit it again"),
    "deep": (b"[" * 100_000 + b"]" * 100_000, "not a notebook", "submit it again"),
    "deep map": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "not a notebook", "submit it"),
    "long number": (b'{"nbformat": ' + b"9" * 10_000 + b"}", "not a notebook", "submit it"),
    "list": ([1], "not a notebook", ".ipynb"),
    "other JSON": ({"cells": []}, "not a notebook", ".ipynb"),
    "version 3": ({"nbformat": 3, "worksheets": []}, "nbformat 3, and not 4", "open it"),
    "version of text": (notebook(nbformat="4"), "nbformat '4'", "open it"),
    "version 4.0": (notebook(nbformat=3.9), "nbformat 3.9", "open it"),
    "version 5": (notebook(nbformat=5), "nbformat 5, and not 4", "open it"),
    "minor version": (notebook(nbformat_minor="5"), "nbformat_minor '5'", "open it"),
    "no metadata": ({"nbformat": 4, "cells": []}, "without cells or metadata", "submit it again"),
    "no cells": ({"nbformat": 4, "metadata": {}}, "without cells", "submit it again"),
    "cells in a map": (notebook(cells={"a": 1}), "without cells", "submit it again"),
    "metadata": (notebook(metadata=[]), "without cells or metadata", "submit it again"),
    "cell": (notebook(cells=[7]), "cell 1 is malformed", "submit it again"),
    "cell type": (notebook(cells=[{"cell_type": 1}]), "cell 1 is malformed", "submit it again"),
    "source": (notebook(cells=[code([1])]), "cell 1 is malformed", "submit it again"),
    "no metadata of a cell": (
        notebook(cells=[code("x = 1"), {"cell_type": "code", "source": "x = 1"}]),
        "cell 2 is malformed",
        "submit it again",
    ),
    "outputs": (
        notebook(cells=[code("x = 1", outputs=["text"])]),
        "cell 1 is malformed",
        "submit it again",
    ),
    "attachments": (
        notebook(cells=[{"cell_type": "markdown", "metadata": {}, "attachments": []}]),
        "cell 1 is malformed",
        "submit it again",
    ),
    "language": (
        notebook(metadata={"kernelspec": {"name": "ir", "language": "R"}}),
        "language 'R'",
        "set its kernel to Python",
    ),
    "language of the cells": (
        notebook(metadata={"language_info": {"name": "julia\n\x1b[31m" + "x" * 500}}),
        "language 'julia",
        "set its kernel to Python",
    ),
    "much code": (
        notebook(cells=[code("x=1\n" * 2**19 + "x")]),
        "more than 1 MB of code",
        "not graded",
    ),
}


@pytest.mark.parametrize(("content", "reason", "remedy"), BAD.values(), ids=BAD.keys())
def test_bad_files_are_named_with_reason_and_remedy(
    tmp_path: Path, content: Any, reason: str, remedy: str
) -> None:
    path = tmp_path / "work.ipynb"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    message = refused(path)
    assert reason in message and remedy in message
    assert message.isprintable()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "missing.ipynb")
    assert "a folder" in refused(tmp_path)
    pipe, link, device = tmp_path / "pipe", tmp_path / "link", Path("/dev/zero")
    os.mkfifo(pipe)
    link.symlink_to(tmp_path / "solved.ipynb")
    (tmp_path / "solved.ipynb").write_text(json.dumps(notebook()))
    assert "not a file" in refused(pipe)
    assert "not a file" in refused(device)
    assert "symbolic link" in refused(link)
    assert "cannot be read" in refused(tmp_path / "solved.ipynb" / "beyond")


def test_an_absurd_size_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.ipynb"
    with path.open("wb") as file:
        file.truncate(2**40)
    assert "1048576 MB; clear the outputs" in refused(path)


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "loop.ipynb"
    path.symlink_to(path)
    assert "symbolic link" in refused(path)
    assert "cannot be read" in refused(Path("/proc/self/mem/x"))


def test_descriptors_are_closed_whatever_comes(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in (tmp_path, tmp_path / "missing", Path("/dev/zero")):
        refused(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_notebook_is_read(tmp_path: Path) -> None:
    tagged = new_code_cell("y = 2", metadata={"tags": ["no-grade"]})
    cells = [new_code_cell("x = 1"), new_markdown_cell("text"), tagged]
    metadata = PYTHON | {"course": {"assignment": "perceptron"}}
    found = read(tmp_path, new_notebook(cells=cells, metadata=metadata))
    assert found.assignment == "perceptron"
    assert found.cells == (CodeCell("x = 1"), CodeCell("y = 2", ("no-grade",)))


@pytest.mark.parametrize(
    "changes",
    [
        {"nbformat_minor": 0, "cells": [code("x = 1")]},
        {"metadata": {}, "cells": [code(["x =", " 1"])]},
        {
            "metadata": {"course": [], "kernelspec": 3, "language_info": {"name": "ipython"}},
            "cells": [code("x = 1", metadata={"tags": "no-grade"})],
        },
        {"cells": [{"cell_type": "raw", "metadata": {}}, code("x = 1")]},
    ],
)
def test_what_is_odd_but_clear_is_graded(tmp_path: Path, changes: dict[str, Any]) -> None:
    found = read(tmp_path, notebook(**changes))
    assert found.cells == (CodeCell("x = 1"),) and found.assignment is None


def test_half_a_surrogate_pair_becomes_a_question_mark(tmp_path: Path) -> None:
    content = notebook(cells=[code("x = '\ud83d'")])
    assert read(tmp_path, content).cells == (CodeCell("x = '?'"),)


def test_a_cell_that_is_nested_too_deeply_says_so(tmp_path: Path) -> None:
    content = notebook(cells=[code("x = " + "-" * 2000 + "1")])
    [cell] = read(tmp_path, content).cells
    with pytest.raises(RecursionError, match="too deeply"):
        exec(cell.source)


# -- magics ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("!pip install torch \\\n    numpy\nx = 1", "pass\n\nx = 1"),
        ("%pip install torch\n%load_ext autoreload\n%autoreload 2", "pass\npass\npass"),
        ("files = !ls\nx = files", "files = None\nx = files"),
        ("where = %pwd", "where = None"),
        ("?help\nhelp?\ntorch.nn??\nx = 1", "pass\npass\npass\nx = 1"),
        ("%time x = f(1)\nt = %time f(2)", "x = f(1)\nt = f(2)"),
        ("if x:\n    !ls\n    %time y = 1\n", "if x:\n    pass\n    y = 1\n"),
        ("%timeit f(1)\n%%not_a_cell_magic", "pass\npass"),
        ("!echo it's 'here\nx = 1", "pass\nx = 1"),
        ("%%time\nx = 1", "x = 1"),
        ("\n%%capture output\n%%time\nx = 1", "x = 1"),
        ("%%timeit -n 10\nf(1)", "f(1)"),
        ("%%bash\nrm -rf /", ""),
        ("%%writefile lab.py\nx = 1", ""),
        ("%%html", ""),
        ("x = a % b\ny = 'what?!'\nz = x != y", "x = a % b\ny = 'what?!'\nz = x != y"),
        ("text = '''\n%matplotlib\n!ls\n'''\n%pwd", "text = '''\n%matplotlib\n!ls\n'''\npass"),
        ("f(a\n  %b)", "f(a\n  %b)"),
        ("def f(:\n    %time x = 1", "def f(:\n    %time x = 1"),
        ("", ""),
    ],
)
def test_magics_are_idle_and_the_rest_is_kept(tmp_path: Path, source: str, plain: str) -> None:
    [cell] = read(tmp_path, notebook(cells=[code(source)])).cells
    assert cell.source == plain
    assert bool(syntax.parsed(plain)) == (plain != "" and "def f(:" not in plain)


def test_very_many_magics_end(tmp_path: Path) -> None:
    many = "%%time\n" * 10_000 + "%pwd\n" * 5000 + "x = 1"
    [cell] = read(tmp_path, notebook(cells=[code(many)])).cells
    assert cell.source.endswith("%pwd\nx = 1") and cell.source.startswith("pass\n")
    assert 100 < cell.source.count("pass") < 1000


def test_parsing_for_magics_has_an_end_for_the_whole_notebook(tmp_path: Path) -> None:
    hostile = "x = [" + "1, " * 15_000 + "]\n" + "%pwd\n" * 300
    found = read(tmp_path, notebook(cells=[code(hostile)] * 15 + [code("%pwd\nx = 1")]))
    idle = sum(cell.source.count("pass") for cell in found.cells)
    assert 0 < idle <= submission.MAX_PARSED / len(hostile)
    assert found.cells[-1].source == "%pwd\nx = 1"


# -- cells that are not graded --------------------------------------------------------------------


def graded(*cells: tuple[str, bool], tasks: tuple[str, ...] = ("answer",)) -> list[str]:
    made = tuple(CodeCell(source, ("no-grade",) if rests else ()) for source, rests in cells)
    return [cell.source for cell in Submission(Path("x"), None, made).graded_cells(tasks)]


def test_no_grade_cells_rest_unless_something_needs_them() -> None:
    cells = [
        ("import torch", False),
        ("one = 1", True),
        ("two = one + one", True),
        ("def answer(x):\n    return x * two", False),
        ("losses = train(model)", True),
        ("plot(losses)", True),
        ("model = 5", True),
    ]
    assert graded(*cells) == ["import torch", "one = 1", "two = one + one", cells[3][0]]


def test_a_task_in_a_no_grade_cell_is_graded() -> None:
    assert graded(("answer = helper", True), ("helper = 1", True), ("print(helper)", True)) == [
        "answer = helper",
        "helper = 1",
    ]


def test_imports_in_no_grade_cells_are_found() -> None:
    cells = [("import numpy as np\nimport time", True), ("answer = np.pi", False)]
    assert graded(*cells) == [source for source, _ in cells]


@pytest.mark.parametrize(
    "graded_cell",
    [
        "def answer(x):\n    return x",
        "def answer(y):\n    x = y\n    return [x for x in y]",
        "x = 2\nanswer = x",
        "answer = lambda x=2: x",
        "def answer():\n    return x\nx = 1",
    ],
    ids=["parameter", "local", "own", "lambda", "own, bound later"],
)
def test_a_name_of_its_own_needs_no_other_cell(graded_cell: str) -> None:
    assert graded(("x = train()", True), (graded_cell, False)) == [graded_cell]


@pytest.mark.parametrize(
    "graded_cell",
    [
        "def answer():\n    return x",
        "x = x[:3]\nanswer = x",
        "x += 1\nanswer = x",
        "answer = [x for _ in range(3)]",
        "class answer:\n    size = x",
        "def answer(y=x):\n    return y",
        "answer = x\nx = 1",
        "return x  # no statement of a cell",
    ],
)
def test_a_name_from_elsewhere_needs_its_cell(graded_cell: str) -> None:
    cells = [("x = [1, 2, 3, 4]", True), (graded_cell, False)]
    assert graded(*cells) == [source for source, _ in cells]
