"""What the grader does with hostile bytes: targets that take any bytes and must raise nothing.

Each goes the way that bytes of a worker or of a submission go, up to the errors that the way
promises. What else is raised is a fault of the grader.
"""

import json
import logging
import struct
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import torch
from nbformat import NotebookNode

from autograder import syntax
from autograder.assignment import Assignment
from autograder.errors import CourseError
from autograder.preprocessor import restored
from autograder.student import Student, StudentError
from autograder.submission import Submission
from autograder.worker.codec import CodecError, Decoder, Encoder, write_back
from autograder.worker.protocol import ProtocolError, read_frame

TASKS = ("softmax", "forward", "Model", "n_parameters")
FORBIDDEN = ("torch.softmax", "torch.Tensor.softmax", "torch.autograd", "numpy.exp")


# -- what comes from a worker -------------------------------------------------------------------


def arguments() -> list[Any]:
    """Objects as a check hands them to a student's function, the large generator of torch apart."""
    weight = torch.ones(2, 3, requires_grad=True)
    weight.grad = torch.zeros(2, 3)
    shared = torch.arange(6.0)
    inner = [shared, {"x": shared.reshape(2, 3).T, 1: None}]
    plain = (1j, 2**70, slice(1, None), ..., torch.Size([2]), torch.float16, b"b", "é", -0.0)
    rng = np.random.default_rng(0)
    return [weight, inner, np.arange(6.0)[::2], np.array(["ab", "c"]), rng, plain]


def sent(value: Any) -> bytes:
    """A message that holds a value."""
    encoder = Encoder()
    return encoder.message(encoder.node(value))


def replied(value: Any) -> bytes:
    """A reply that has changed none of what was sent, whatever that was."""
    encoder = Encoder()
    encoder.objects, encoder.entries = [None] * 40, [None] * 40
    return encoder.message(encoder.node(value))


def decode(message: bytes) -> None:
    """Take a message as the grader takes a reply: into the objects that it had sent, and alone."""
    with suppress(CodecError):
        Decoder(message).root()
    with suppress(CodecError):
        Decoder(message).everything()
    encoder = Encoder()
    encoder.node(arguments())
    with suppress(CodecError):
        write_back(encoder.objects, Decoder(message))


class Replies:
    """A channel whose worker asks what it likes, and then replies what it likes."""

    def __init__(self, *replies: bytes, question: bytes | None = None) -> None:
        self._replies, self._question = list(replies), question

    def exchange(self, message: bytes, on_callback: Callable[[bytes], bytes]) -> bytes:
        if self._question is not None:
            on_callback(self._question)
        return self._replies.pop(0)


def reply(message: bytes) -> None:
    """Ask a worker in all ways in which the grader does; it gives this reply each time."""

    def student() -> Student:
        return Student(Replies(message, message))

    cells = [("x = 1", [0]), ("y = 2", [])]
    for error in student().run(cells):
        assert error["cell"] in range(len(cells))
        assert isinstance(error["type"], str) and isinstance(error["message"], str)
    kinds = student().kinds(list(TASKS))
    assert list(kinds) == list(TASKS) and all(isinstance(kind, str) for kind in kinds.values())
    with suppress(StudentError):
        student().value("n_parameters")
    with suppress(StudentError):
        student().forward(*arguments(), model=arguments())
    with suppress(StudentError):
        list(student().build("torch.nn.Linear", 2, 3))
    with suppress(StudentError):
        Student(Replies(sent({"value": 1}), question=message)).sgd(lambda *values: values)


def frames(stream: bytes) -> None:
    """Read frames from a stream up to its end."""
    file = BytesIO(stream)
    with suppress(ProtocolError):
        while True:
            read_frame(file)


# -- what comes in a submission -----------------------------------------------------------------


def notebook(data: bytes) -> None:
    """Read a submitted file, find the cells to run, and make the copy for the gradebook."""
    with tempfile.NamedTemporaryFile(suffix=".ipynb") as file:
        file.write(data)
        file.flush()
        try:
            submission = Submission.read(Path(file.name))
        except CourseError as error:
            assert str(error).isprintable() and len(str(error)) < 400
            return
    cells = submission.graded_cells(TASKS)
    assert [cell for cell in submission.cells if "no-grade" not in cell.tags] == [
        cell for cell in cells if "no-grade" not in cell.tags
    ]
    _read_trees([syntax.parsed(cell.source) for cell in cells])
    _restore(data)


def python(data: bytes) -> None:
    """Read any text as the code of a cell."""
    text = data.decode(errors="replace")
    syntax.error_line(text)
    syntax.imported_modules(text)
    cell = {"cell_type": "code", "metadata": {}, "source": text}
    notebook(json.dumps(vars_of_notebook([cell])).encode())


def vars_of_notebook(cells: list[Any]) -> dict[str, Any]:
    """The JSON of a notebook with these cells."""
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}


def _read_trees(trees: list[syntax.Cell]) -> None:
    """All that is asked of syntax trees."""
    skipped = syntax.skipped_statements(trees, TASKS)
    assert all(
        set(cell) <= set(range(len(tree))) for cell, tree in zip(skipped, trees, strict=True)
    )
    for task in TASKS:
        syntax.only_stubs(trees, task)
        assert set(syntax.forbidden_uses(trees, task, FORBIDDEN)) <= set(FORBIDDEN)
    for tree in trees:
        syntax.wanted_names(map(syntax.Names.of, tree))


@cache
def graded_cells() -> dict[str, NotebookNode]:
    """A few graded cells as the gradebook knows them, by name."""
    tasks = Assignment.load("perceptron").tasks
    tasks = [*tasks[:3], *(task for task in tasks if task.kind == "written")][:5]
    return {
        task.name: nbformat.from_dict(
            {
                "cell_type": "markdown" if task.kind == "written" else "code",
                "id": f"graded-{number}",
                "metadata": {"nbgrader": _nbgrader(task.name, task.kind == "written")},
                "source": task.check or task.stub,
            }
            | ({} if task.kind == "written" else {"execution_count": None, "outputs": []})
        )
        for number, task in enumerate(tasks)
    }


def _nbgrader(name: str, written: bool) -> dict[str, Any]:
    return {"grade_id": name, "grade": True, "solution": written, "locked": not written}


def _restore(data: bytes) -> None:
    """What we read as a notebook nbgrader reads too, and the copy has each graded cell once."""
    logging.disable()  # as the warnings: of what nbformat mends
    try:
        with warnings.catch_warnings(action="ignore"):
            read = nbformat.reads(data.decode(errors="replace"), as_version=4)
    finally:
        logging.disable(logging.NOTSET)
    copy = restored(read, graded_cells())
    nbformat.validate(copy)
    names = [cell.metadata.nbgrader.grade_id for cell in copy.cells if "nbgrader" in cell.metadata]
    assert sorted(names) == sorted(graded_cells())


TARGETS: dict[str, Callable[[bytes], None]] = {
    "codec": decode,
    "reply": reply,
    "frames": frames,
    "notebook": notebook,
    "python": python,
}


def seeds(target: str) -> list[bytes]:
    """Valid inputs of a target, from which to begin."""
    if target in ("codec", "reply"):
        errors = {"type": "E", "message": "m", "trace": "t", "stub": True}
        replies = [{"value": arguments()}, {"error": errors}, {"value": [{"cell": 1, **errors}]}]
        question = {"callback": 0, "arguments": [torch.ones(2), 3]}
        messages = [sent(value) for value in (question, arguments(), torch.Generator())]
        return [*messages, *map(replied, [*replies, {}, {"error": [1]}])]
    if target == "frames":
        return [struct.pack(">I", 3) + b"RabX", struct.pack(">I", 2**32 - 1)]
    sheet = Assignment.load("perceptron").notebook
    if target == "notebook":
        first = [cell | {"id": f"cell-{number}"} for number, cell in enumerate(sheet.cells[:8])]
        filled = nbformat.from_dict(vars_of_notebook([*first, *graded_cells().values()]))
        return [nbformat.writes(filled).encode()]
    return [cell.source.encode() for cell in sheet.cells if cell.cell_type == "code"]
