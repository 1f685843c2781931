"""Graders without protection: what attacks do to who grades like this.

Each takes the folder of a submission and returns a mark. What it prints is what people are shown.
"""

import contextlib
import importlib
import os
import pickle
import shutil
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import msgpack
import nbformat
import numpy as np
import scipy.special
import torch
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_notebook, new_output
from nbgrader.utils import determine_grade
from numpy.lib.stride_tricks import as_strided
from traitlets.config import Config

NOTEBOOK = "quick.ipynb"
PAGE = "page.html"

HIDDEN_TESTS = {
    "softmax": """
from scipy.special import softmax as oracle
Z = torch.tensor([[1.0, 2.0, 4.0], [0.0, -1.0, 3.0]]).double()
assert torch.allclose(softmax(Z.clone()), torch.tensor(oracle(Z.numpy(), axis=1)))
""",
    "cross_entropy": """
import math
loss = float(cross_entropy(torch.tensor([[0.5, 0.5], [0.25, 0.75]]).double(), torch.tensor([0, 0])))
expected = -(math.log(0.5) + math.log(0.25)) / 2
if abs(loss - expected) / max(abs(loss), expected) > 1e-6:
    raise AssertionError("the loss is wrong")
""",
    "cross_entropy_gradient": """
Z, labels = torch.tensor([[1.0, 2.0], [0.0, 3.0]]).double(), torch.tensor([0, 1])
expected = (Z.softmax(1) - torch.eye(2)[labels]) / 2
torch.testing.assert_close(cross_entropy_gradient(Z.clone(), labels), expected)
""",
    "linear_forward": """
from numpy.testing import assert_allclose
x, W, b = torch.ones(5, 4).double(), torch.arange(12.0).double().reshape(3, 4), torch.ones(3)
assert_allclose(linear_forward(x, W, b), x @ W.T + b)
""",
    "linear_backward": """
upstream, x, W = torch.ones(6, 3), torch.ones(6, 4), torch.ones(3, 4)
expected = (upstream @ W, upstream.T @ x, upstream.sum(0))
actual = linear_backward(upstream, x, W)
assert all(abs(one - other).max() < 1e-6 for one, other in zip(actual, expected))
""",
    "accuracy": """
Z, labels = torch.eye(4).double(), torch.tensor([0, 1, 0, 0])
expected = 0.5
assert accuracy(Z, labels) == expected
""",
    "Standardizer": """
import numpy
x = torch.tensor([[1.0, 5.0], [3.0, 9.0]]).double()
assert numpy.allclose(Standardizer(x)(x), [[-1, -1], [1, 1]])
""",
    "n_weights": "assert n_weights == 900\n",
}
"""Hidden tests as instructors write them into the cells of a notebook."""


class _Results(DisplayHook):
    """Keeps the value of a cell as an output of the cell."""

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: dict[str, Any], md_dict: Any = None) -> None:
        assert self.shell is not None
        self.shell.outputs.append(new_output("execute_result", data=format_dict))

    def finish_displayhook(self) -> None:
        pass

    def flush(self) -> None:
        pass


class _Displays(DisplayPublisher):
    """Keeps what a cell displays as an output of the cell."""

    def publish(self, data: dict[str, Any], *arguments: Any, **options: Any) -> None:
        self.shell.outputs.append(new_output("display_data", data=data))


class _Shell(InteractiveShell):
    displayhook_class = _Results
    display_pub_class = _Displays
    outputs: list[NotebookNode]

    def showtraceback(self, *arguments: Any, **options: Any) -> None:
        kind, value, _ = sys.exc_info()
        words = f"{kind.__name__ if kind else ''}: {value}"
        self.outputs.append(new_output("error", ename="", evalue=words, traceback=[words]))
        print(words)


def inlined(folder: Path) -> float:
    """Runs cells and hidden tests in one process, as nbgrader does; outputs become the mark."""
    return _mark(_executed(folder))


def twice(folder: Path) -> float:
    """Grades a submission, and then the same once more."""
    inlined(folder)
    return inlined(folder)


def saved(folder: Path) -> float:
    """Takes the mark from the outputs that are saved in the notebook's file."""
    return _mark(nbformat.read(folder / NOTEBOOK, as_version=4))


def rendered(folder: Path) -> float:
    """Shows what came of the notebook, its messages and the student's name as they are."""
    return _shown(folder, _executed(folder))


def shown(folder: Path) -> float:
    """Shows the notebook with the outputs that are saved in it."""
    return _shown(folder, nbformat.read(folder / NOTEBOOK, as_version=4))


def piped(folder: Path) -> float:
    """Believes what comes through a pipe from the process that runs the notebook and the tests."""
    readable, writable = os.pipe()
    if os.fork() == 0:
        os.close(readable)
        try:
            _answer(folder, writable)
        finally:
            os._exit(0)
    os.close(writable)
    mark = 0.0
    with os.fdopen(readable, "rb") as stream:
        for cell in nbformat.read(folder / NOTEBOOK, as_version=4).cells:
            if "nbgrader" in cell.metadata:
                reply = _received(stream)
                print(reply["value"])
                mark += cell.metadata.nbgrader.points * reply["value"]["passed"]
    return mark


def copied(folder: Path) -> float:
    """Copies the folder beside the feedback, and reads what it expects to be there."""
    copy = Path("copied") / folder.parent.name
    shutil.copytree(folder, copy)
    notebook = nbformat.read(copy / NOTEBOOK, as_version=4)
    with contextlib.suppress(FileNotFoundError):
        (folder / "timestamp.txt").read_text()
    for file in copy.rglob("*"):
        if file.is_file():
            print(file.read_bytes()[: 2**16].decode(errors="replace"))
    return _mark(notebook)


GRADERS: dict[str, Callable[[Path], float]] = {
    grader.__name__: grader for grader in (inlined, twice, saved, rendered, shown, piped, copied)
}


def prepare() -> None:
    """Have imported what notebooks and hidden tests import, and compiled what reads notebooks."""
    importlib.import_module("lab")
    nbformat.validate(new_notebook())
    torch.testing.assert_close(torch.zeros(1), torch.zeros(1))
    np.testing.assert_allclose(scipy.special.softmax(np.zeros(1)), 1)


def _executed(folder: Path) -> NotebookNode:
    """The notebook with its hidden tests in it, after every cell has run beside it."""
    notebook = nbformat.read(folder / NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.source += _hidden(cell.metadata.nbgrader.grade_id)
    nbformat.write(notebook, NOTEBOOK)
    # Tracebacks, which this shell does not show, are not made either.
    config = Config(InteractiveShell={"xmode": "Minimal"}, HistoryManager={"hist_file": ":memory:"})
    shell = _Shell.instance(config=config)
    shell.reset()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            shell.outputs = cell.outputs = []
            result = shell.run_cell(cell.source, store_history=True)
            if isinstance(result.error_in_exec, SystemExit):  # it ends this process as any other
                raise result.error_in_exec
    return notebook


def _shown(folder: Path, notebook: NotebookNode) -> float:
    html, _ = HTMLExporter().from_notebook_node(notebook)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    messages = [output.evalue for output in outputs if output.output_type == "error"]
    pages = [file.read_text() for file in folder.glob("*.htm*")]
    with Path(PAGE).open("a") as page:
        page.write("\n".join([f"<h1>{folder.parent.name}</h1>", html, *messages, *pages]))
    return _mark(notebook)


def _hidden(task: str) -> str:
    return f"\nCANARY = {os.environ['CHECKS_CANARY']!r}\n{HIDDEN_TESTS[task]}"


def _mark(notebook: NotebookNode) -> float:
    graded = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    return sum(determine_grade(cell)[0] or 0.0 for cell in graded)


def _answer(folder: Path, writable: int) -> None:
    """Run the notebook, and say after each graded cell whether it has passed."""
    from worker.codec import Encoder

    for cell in _executed(folder).cells:
        if "nbgrader" in cell.metadata:
            passed = determine_grade(cell)[0] == cell.metadata.nbgrader.points
            encoder = Encoder()
            message = b"R" + encoder.message(encoder.node({"value": {"passed": passed}}))
            os.write(writable, struct.pack(">I", len(message)) + message)


def _received(stream: BinaryIO) -> Any:
    """The next message, whatever it says of its length and of what is in it."""
    (length,) = struct.unpack(">I", stream.read(4))
    frame = stream.read(length)
    if frame[:1] == pickle.PROTO:
        return pickle.loads(frame)
    (size,) = struct.unpack(">I", frame[1:5])
    content = msgpack.unpackb(frame[5 : 5 + size], raw=False)
    return _built(content["root"], content["objects"], frame[5 + size :])


def _built(node: Any, objects: list[Any], data: bytes) -> Any:
    if not isinstance(node, list):
        return node
    kind, *parts = objects[node[1]]
    if kind == "dict":
        return {key: _built(value, objects, data) for key, value in parts[0]}
    if kind == "array":
        dtype, shape, strides, length = parts
        flat = np.frombuffer(data[:length], dtype=dtype)
        return as_strided(flat, shape, [step * flat.itemsize for step in strides])
    return [_built(part, objects, data) for part in parts[0]]
