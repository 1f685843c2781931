"""Hostile bytes, drawn at random: the grader refuses them in the words that it has promised.

`make soak` draws more: FUZZ_EXAMPLES a test, other ones each time.
"""

import contextlib
import copy
import json
import math
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import psutil
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

from autograder import syntax
from autograder.errors import CourseError
from autograder.parents import Connection
from autograder.sandbox import Limits
from autograder.student import LocalChannel, OnCallback, StoppedError, Student, StudentError
from autograder.submission import MAX_ROUNDS, CodeCell, Submission
from autograder.worker import codec
from autograder.worker.codec import CodecError, Decoder, Encoder, write_back
from autograder.worker.protocol import MAX_FRAME
from autograder.workers import Worker
from tests import fuzzing

EXAMPLES = os.environ.get("FUZZ_EXAMPLES")


def examples(number: int) -> settings:
    """So many examples, the same each time; where more are asked for, as many and other ones."""
    return settings(
        deadline=None,
        max_examples=max(number, int(EXAMPLES or 0)),
        derandomize=EXAMPLES is None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


# -- values -----------------------------------------------------------------------------------

INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
COMPLEX = (torch.complex64, torch.complex128)
ARRAY_DTYPES = ["?", "<i1", ">i2", "<u8", "<f2", ">f4", "<f8", "<f16", "<c8", ">c16", "<U3", "|S2"]
GENERATORS = (torch.Generator, np.random.Generator)
WITH_IDENTITY = (list, dict, np.ndarray, torch.Tensor, *GENERATORS)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[list[int], list[int], int]:
    """Shape, strides in items (0 and overlapping ones too), and the items that this takes."""
    shape = draw(st.lists(st.integers(0, 3), max_size=3))
    strides = [draw(st.integers(0, 5)) for _ in shape]
    reach = sum((length - 1) * step for length, step in zip(shape, strides, strict=True))
    return shape, strides, 0 if 0 in shape else reach + 1


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    shape, strides, span = draw(layouts())
    dtype = draw(st.sampled_from([torch.bool, *INTEGERS, *FLOATS, *COMPLEX]))
    data = draw(st.binary(min_size=(span + 1) * 16, max_size=(span + 1) * 16))
    flat = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    items = flat.bitwise_and(1).bool() if dtype is torch.bool else flat.view(dtype)
    tensor = items.clone().as_strided(shape, strides, draw(st.integers(0, 1)))
    if dtype in (*FLOATS, *COMPLEX) and draw(st.booleans()):
        tensor.requires_grad_(True)
        if draw(st.booleans()):
            tensor.grad = torch.ones_like(tensor)
    return tensor


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    """Any dtype; negative strides, gaps, transposed and broadcast ones."""
    dtype = np.dtype(draw(st.sampled_from(ARRAY_DTYPES)))
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    size = math.prod(shape)
    if dtype.kind == "U":
        text = draw(st.lists(st.text(max_size=3), min_size=size, max_size=size))
        array = np.array(text, dtype=dtype)
    else:
        data = draw(st.binary(min_size=size * dtype.itemsize, max_size=size * dtype.itemsize))
        array = np.frombuffer(bytearray(data), dtype=np.uint8 if dtype.kind == "b" else dtype)
        array = array % 2 == 1 if dtype.kind == "b" else array
    array = array.reshape(shape).transpose(draw(st.permutations(range(len(shape)))))
    steps = tuple(slice(None, None, draw(st.sampled_from([1, 2, -1, -2]))) for _ in shape)
    array = array[steps]
    return (
        as_strided(array, (2, *array.shape), (0, *array.strides)) if draw(st.booleans()) else array
    )


@st.composite
def drawn_generators(draw: st.DrawFn) -> torch.Generator | np.random.Generator:
    seed, numbers = draw(st.integers(0, 2**64 - 1)), draw(st.integers(0, 700))
    if draw(st.booleans()):
        generator = torch.Generator().manual_seed(seed)
        torch.rand(numbers, generator=generator)
        return generator
    numpy = np.random.default_rng(seed)
    numpy.integers(7, size=numbers, dtype=np.int32)
    return numpy


integers = st.integers() | st.integers(-(10**400), 10**400)
bounds = st.none() | integers
leaves = st.one_of(
    st.sampled_from([None, True, False, ..., torch.float16, torch.bool, torch.device("cpu")]),
    *(integers, st.floats(), st.complex_numbers(), st.text(), st.binary()),
    st.builds(slice, bounds, bounds, bounds),
    st.lists(st.integers(0, 9), max_size=3).map(torch.Size),
    arrays().filter(lambda array: array.size > 0).map(lambda array: array.flat[0]),
    *(arrays(), tensors(), drawn_generators()),
)
keys = st.one_of(st.text(max_size=3), st.integers(-3, 2**63 - 1), st.booleans(), st.floats())


@st.composite
def graphs(draw: st.DrawFn) -> Any:
    """Containers that hold leaves, each other and, where there are no tuples, themselves."""
    nodes: list[Any] = draw(st.lists(leaves, min_size=1, max_size=4))
    for kind in draw(st.lists(st.sampled_from([list, dict, tuple]), max_size=5)):
        parts = draw(st.lists(st.sampled_from(nodes), max_size=3))
        nodes.append(dict(zip(draw(_keys(parts)), parts, strict=True)) if kind is dict
                     else kind(parts))  # fmt: skip
    for node in nodes if tuple not in map(type, nodes) else []:
        if type(node) is list and draw(st.booleans()):
            node.append(draw(st.sampled_from(nodes)))
        if type(node) is dict and draw(st.booleans()):
            node[(1, "again")] = draw(st.sampled_from(nodes))
    return nodes[-1]


def _keys(parts: list[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(keys, min_size=len(parts), max_size=len(parts), unique_by=repr).filter(
        lambda drawn: len(set(drawn)) == len(parts)
    )


def alike(one: Any, other: Any, pairs: dict[int, Any]) -> bool:
    """Whether two graphs are the same in type, form, bits and in what is one object.

    `pairs` holds what has been compared already, by identity.
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, WITH_IDENTITY):
        if id(one) in pairs:
            return pairs[id(one)] is other
        pairs[id(one)] = other
    if isinstance(one, torch.Size) or not isinstance(one, (*WITH_IDENTITY, tuple)):
        return _bits(one) == _bits(other)
    if isinstance(one, dict | list | tuple):
        parts = [list(chain.from_iterable(each.items())) if isinstance(each, dict) else each
                 for each in (one, other)]  # fmt: skip
        return len(one) == len(other) and all(
            alike(mine, theirs, pairs) for mine, theirs in zip(*parts, strict=True)
        )
    if isinstance(one, torch.Tensor):
        return _form(one) == _form(other) and alike(one.grad, other.grad, pairs)
    return _form(one) == _form(other)


def _bits(value: Any) -> Any:
    if isinstance(value, float):
        return struct.pack("d", value)
    if isinstance(value, complex):
        return struct.pack("2d", value.real, value.imag)
    return (value.dtype, repr(value)) if isinstance(value, np.generic) else repr(value)


def _form(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        strides = value.stride() if value.numel() else None
        data = value.detach().clone(memory_format=torch.contiguous_format).flatten()
        bits = data.view(torch.uint8).tolist() if value.numel() else []
        return value.dtype, value.shape, strides, value.requires_grad, bits
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, repr(value.tolist())
    if isinstance(value, torch.Generator):
        return value.get_state().tolist()
    return value.bit_generator.state


@examples(150)
@given(graphs())
@example(torch.tensor(5.0).expand(1))  # contiguous, and with a stride of 0
@example(np.str_(""))
def test_any_value_comes_back_the_same(value: Any) -> None:
    assert alike(value, Decoder(fuzzing.sent(value)).root(), {})


@examples(60)
@given(graphs(), st.data())
def test_whatever_the_peer_changes_comes_back(value: Any, data: st.DataObject) -> None:
    mine = [value]
    encoder = Encoder()
    received = Decoder(encoder.message(encoder.node(mine)))
    theirs = received.root()
    for found in received.everything():
        _change(found, received.everything(), data.draw)
    reply = Encoder().returning(received)
    write_back(encoder.objects, Decoder(reply.message(reply.node(None))))
    assert alike(mine, theirs, {})


def _change(value: Any, others: list[Any], draw: Any) -> None:
    """Do to an object of the peer's what a student's function may do to an argument."""
    if isinstance(value, list) and draw(st.booleans()):
        value[: draw(st.integers(0, 2))] = [draw(st.sampled_from(others)), draw(leaves)]
    elif isinstance(value, dict) and draw(st.booleans()):
        value[draw(keys)] = draw(st.sampled_from(others) | leaves)
    elif isinstance(value, torch.Tensor) and draw(st.booleans()):
        with contextlib.suppress(
            RuntimeError
        ):  # an item that is there twice, as in an expanded one
            value.data.copy_(torch.full_like(value, draw(st.integers(0, 1))))
    elif isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and draw(st.booleans()):
        value.fill(draw(st.integers(0, 1)))
    elif isinstance(value, torch.Generator):
        torch.rand(draw(st.integers(0, 3)), generator=value)


@examples(20)
@given(st.text(st.characters(codec=None), max_size=5), st.sampled_from([list, "key", "text"]))
def test_half_a_surrogate_pair_is_refused_by_the_sender(text: str, where: Any) -> None:
    text = f"{text}\ud800"
    with pytest.raises(CodecError):
        fuzzing.sent({text: 1} if where == "key" else [text] if where is list else text)


# -- messages ---------------------------------------------------------------------------------

MESSAGES = fuzzing.seeds("codec")


@st.composite
def mutated(draw: st.DrawFn, messages: list[bytes]) -> bytes:
    """A valid message with some bits turned, parts cut out, doubled, or put in from another."""
    data = bytearray(draw(st.sampled_from(messages)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from([0, 1, 2, 4, 8, 100]))
        match draw(st.sampled_from(["turn", "cut", "double", "splice", "number", "end"])):
            case "turn" if start < len(data):
                data[start] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del data[start : start + length]
            case "double":
                data[start:start] = data[start : start + length]
            case "splice":
                other = draw(st.sampled_from(messages))
                place = draw(st.integers(0, len(other)))
                data[start : start + length] = other[place : place + length]
            case "number":
                number = draw(st.sampled_from([0, 1, 2**31, 2**32 - 1, len(data), len(data) - 4]))
                data[start : start + 4] = struct.pack(">I", max(0, number))
            case "end":
                del data[start:]
    return bytes(data)


@st.composite
def rearranged(draw: st.DrawFn) -> bytes:
    """A message of valid entries in another order, of other messages, or with others' parts."""
    structures = [codec.unpack(message) for message in MESSAGES]
    content, data = copy.deepcopy(draw(st.sampled_from([s[0] for s in structures]))), b""
    entries = [entry for structure, _ in structures for entry in structure["objects"] if entry]
    for _ in range(draw(st.integers(1, 4))):
        chosen = copy.deepcopy(draw(st.sampled_from(entries)))
        place = draw(st.integers(0, max(0, len(content["objects"]) - 1)))
        match draw(st.sampled_from(["replace", "insert", "remove", "part"])):
            case "replace":
                content["objects"][place : place + 1] = [chosen]
            case "insert":
                content["objects"].insert(place, chosen)
            case "remove":
                del content["objects"][place : place + 1]
            case "part" if entry := next(filter(None, content["objects"][place:]), None):
                entry[draw(st.integers(0, len(entry) - 1))] = draw(st.sampled_from(chosen))
    content["root"] = draw(st.sampled_from([["object", 0], content["root"], *entries]))
    data = draw(st.sampled_from([bytes(blobs) for _, blobs in structures]))
    packed = msgpack.packb(content, use_bin_type=True)
    return struct.pack(">I", len(packed)) + packed + data


@examples(400)
@given(mutated(MESSAGES) | rearranged())
def test_mutated_messages_are_read_or_refused(message: bytes) -> None:
    fuzzing.decode(message)


@examples(500)
@given(mutated(MESSAGES) | rearranged() | st.binary(max_size=99))
def test_a_check_meets_only_errors_of_the_student(message: bytes) -> None:
    fuzzing.reply(message)


def test_a_value_in_place_of_an_object_is_an_error_of_the_student() -> None:
    fuzzing.reply(fuzzing.replied({"value": torch.Generator()}))


class Garbled:
    """A channel to a session in this process; what it replies is changed on the way."""

    def __init__(self, namespace: dict[str, Any], change: Any) -> None:
        self._channel, self._change = LocalChannel(namespace), change

    def exchange(self, message: bytes, on_callback: OnCallback) -> bytes:
        reply = self._channel.exchange(message, lambda asked: on_callback(self._change(asked)))
        return self._change(reply)


def _student_function(*values: Any, model: Any, f: Any) -> Any:
    values[0].data += 1
    values[1].append(values[0])
    values[2][:] = 7
    return f(values[0]), model, values


@examples(150)
@given(st.data())
def test_true_replies_changed_on_the_way(data: st.DataObject) -> None:
    """The arguments keep their types, whatever is written back into them."""
    given_ = fuzzing.arguments()
    student = Student(
        Garbled({"f": _student_function}, lambda reply: data.draw(mutated([reply, *MESSAGES])))
    )
    with contextlib.suppress(StudentError):
        student.f(*given_, model={"weights": given_}, f=lambda x: x)
    assert [type(value) for value in given_] == [type(value) for value in fuzzing.arguments()]


def test_keys_that_share_one_hash_are_refused() -> None:
    """They make a dict quadratic: extended precision is hashed as a float64."""
    tiny = [np.longdouble(2) ** -(16000 + n) for n in range(3)]
    assert len({hash(key) for key in tiny}) == 1
    with pytest.raises(CodecError, match="key of type longdouble"):
        Decoder(fuzzing.sent(dict.fromkeys(tiny))).root()


@pytest.mark.parametrize("length", [1, 2])
def test_a_gradient_that_contains_itself_is_refused_at_once(length: int) -> None:
    """Followed down to the limit on recursion, it would copy the data of each tensor each time."""
    objects = [
        ["tensor", "float32", [2], [1], 8, "cpu", False, ["object", (place + 1) % length]]
        for place in range(length)
    ]
    packed = msgpack.packb({"objects": objects, "root": ["object", 0]}, use_bin_type=True)
    with pytest.raises(CodecError, match="contains itself"):
        Decoder(struct.pack(">I", len(packed)) + packed + bytes(8 * length)).root()


# -- frames -----------------------------------------------------------------------------------

kinds = st.sampled_from([b"R", b"C", b"P", b"F", b"T", b"X", b"!", b"", b"?"])
contents = st.one_of(
    st.binary(max_size=30),
    mutated(MESSAGES),
    st.recursive(
        st.none() | st.integers() | st.floats(), lambda inner: st.lists(inner, max_size=3)
    ).map(lambda value: json.dumps(value).encode()),
    st.just(b"[" * 5000),
)
frames = st.builds(lambda kind, content: kind + content, kinds, contents).map(
    lambda frame: struct.pack(">I", len(frame)) + frame
)
lengths = st.sampled_from([0, 1, 5, MAX_FRAME, MAX_FRAME + 1, 2**32 - 1])
streams = st.lists(
    frames | lengths.map(lambda length: struct.pack(">I", length)) | st.binary(max_size=9),
    max_size=5,
).map(b"".join)


@examples(200)
@given(streams)
def test_any_stream_is_frames_or_refused(stream: bytes) -> None:
    fuzzing.frames(stream)


class Wires:
    """A parent whose workers have written what they like, and are no more."""

    gives_many = True

    def __init__(self, written: bytes, ancestor: psutil.Process) -> None:
        self._written, self._ancestor = written, ancestor
        self.theirs: list[int] = []

    def worker(self, limits: Limits, public: Any) -> Connection:
        requests, ours_to_write = os.pipe()
        ours_to_read, replies = os.pipe()
        os.write(replies, self._written)
        os.close(replies)
        self.theirs.append(requests)
        return Connection(ours_to_write, ours_to_read, socket.socket(), self._ancestor)

    def close(self) -> None:
        for descriptor in self.theirs:
            os.close(descriptor)


@contextlib.contextmanager
def victim() -> Iterator[psutil.Process]:
    """A process that may be ended in place of a worker."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.kill()


READY = struct.pack(">I", 5) + b"Pnull"


@examples(40)
@given(streams, st.booleans())
def test_a_worker_may_write_what_it_likes(stream: bytes, forked: bool) -> None:
    """Requests to it end in a reply, in an error of the student, or in its end."""
    with victim() as process, contextlib.closing(Wires(READY + stream, process)) as wires:
        worker = Worker(wires, Limits())  # type: ignore[arg-type]
        student = Student(worker)
        try:
            if forked:
                worker.fork()
            if not worker.is_closed:
                with contextlib.suppress(StudentError):
                    student.sgd(lambda *values: values, [1])
            if not worker.is_closed:
                student.run([("x = 1", [])])
            worker.end_fork()
        except StoppedError as stopped:
            assert stopped.status in ("crashed", "timeout")
        finally:
            worker.close()
        progress = worker.progress
        assert progress is None or [type(part) for part in progress] == [int, int]


@examples(15)
@given(streams)
def test_a_worker_that_does_not_start_is_one_error(stream: bytes) -> None:
    with (
        victim() as process,
        contextlib.closing(Wires(stream, process)) as wires,
        contextlib.suppress(CourseError, ChildProcessError),
    ):
        Worker(wires, Limits()).close()  # type: ignore[arg-type]


# -- submissions ------------------------------------------------------------------------------

SHEET = fuzzing.seeds("notebook")[0]
scalars = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9)),
    st.sampled_from(
        ["code", "markdown", "no-grade", "python", "R", "nbgrader", "softmax", "image/png", 4, 5]
    ),
)
names = st.sampled_from(
    [
        *("nbformat", "nbformat_minor", "metadata", "cells", "cell_type", "source", "outputs"),
        *("id", "tags", "course", "assignment", "kernelspec", "language_info", "language", "name"),
        *("nbgrader", "grade_id", "grade", "solution", "attachments", "execution_count", "x"),
    ]
)
structures = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=5),
    max_leaves=20,
)
cells = st.fixed_dictionaries(
    {"cell_type": st.sampled_from(["code", "markdown", "raw"]) | scalars},
    optional={"source": structures, "metadata": structures, "outputs": structures, "id": scalars},
)
notebooks = st.builds(
    lambda more, cells: fuzzing.vars_of_notebook(cells) | more,
    st.dictionaries(names, structures, max_size=2),
    st.lists(cells, max_size=4),
)


@st.composite
def mutated_notebooks(draw: st.DrawFn) -> dict[str, Any]:
    """A real notebook with cells doubled, removed, exchanged, and parts that are something else."""
    notebook = json.loads(SHEET)
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(notebook["cells"]) - 1))
        other = draw(st.integers(0, len(notebook["cells"]) - 1))
        match draw(st.sampled_from(["part", "double", "move", "remove"])):
            case "double":
                notebook["cells"].insert(other, copy.deepcopy(notebook["cells"][place]))
            case "remove" if len(notebook["cells"]) > 1:
                del notebook["cells"][place]
            case "move":
                notebook["cells"].insert(other, notebook["cells"].pop(place))
            case "part":
                _exchange(draw, draw(st.sampled_from([notebook, notebook["cells"][place]])))
                if not isinstance(notebook.get("cells"), list) or not notebook["cells"]:
                    break
    return notebook


def _exchange(draw: st.DrawFn, place: Any) -> None:
    """Put something else somewhere below a dict or a list, or take it away."""
    while isinstance(place, dict | list) and place:
        key = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        below = place[key]
        if isinstance(below, dict | list) and below and draw(st.booleans()):
            place = below
            continue
        if draw(st.booleans()):
            place[key] = draw(structures)
        else:
            del place[key]
        return


@examples(200)
@given(structures | notebooks)
@example({"nbformat": "\x1b[2J\n"})
def test_any_structure_is_read_or_refused(content: Any) -> None:
    fuzzing.notebook(json.dumps(content).encode())


@examples(250)
@given(mutated_notebooks())
def test_a_mutated_notebook_is_read_or_refused(content: Any) -> None:
    fuzzing.notebook(json.dumps(content).encode())


@examples(60)
@given(mutated([SHEET]))
def test_any_file_is_read_or_refused(data: bytes) -> None:
    fuzzing.notebook(data)


# -- code -------------------------------------------------------------------------------------

SOURCES = [source.decode() for source in fuzzing.seeds("python")]
pieces = st.sampled_from(
    [
        *(
            "def ",
            "class ",
            "lambda x: ",
            "if ",
            "else:",
            "for x in ",
            "import ",
            "from ",
            "return ",
        ),
        *(
            "async ",
            "await ",
            "yield ",
            "global x",
            "nonlocal x",
            "match x:\n case ",
            "try:",
            "del ",
        ),
        *("*", "**", "=", ":=", "+=", "->", ":", ";", ".", ",", "(", ")", "[", "]", "{", "}", "@"),
        *("\n", "\n    ", "\n\t", "\r", "\\\n", " ", "#", "'", '"""', 'f"{x!r:{y}}"', "b'\\xff'"),
        *("%matplotlib inline", "%%time\n", "!ls", "x?", "%time ", "\x00", "\x0c", "\u2028", "é"),
        *("torch", "softmax", "x", "self", "getattr(x, 'softmax')", "torch.autograd.grad", "NaN"),
        *("0x" + "f" * 5000, "1" * 5000, "(" * 300, "-" * 300, "x." * 300, "not " * 300),
        *("from torch import *", "import torch as t", "raise NotImplementedError", "no-grade"),
    ]
)
soup = st.lists(pieces | st.text(max_size=2), max_size=25).map("".join)
expressions = st.recursive(
    st.sampled_from(["x", "self", "torch", "torch.softmax", "1", "'s'", "None", "...", "-1j"]),
    lambda inner: st.one_of(
        st.builds("({}).{}".format, inner, st.sampled_from(["softmax", "autograd", "x"])),
        st.builds("({})({}, *{}, k={})".format, inner, inner, inner, inner),
        st.builds("(y := {})".format, inner),
        st.builds("[{} for x in {} if {}]".format, inner, inner, inner),
        st.builds("(lambda x, *a, k={}: {})".format, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("getattr({}, 'softmax')({})".format, inner, inner),
        st.builds("{{{}: {}, **{}}}".format, inner, inner, inner),
        st.builds("(await {})".format, inner),
        st.builds('f"{{{}:{{{}}}}}"'.format, st.just("x"), st.just("y")),
    ),
    max_leaves=6,
)
simple = st.one_of(
    expressions,
    st.builds("x = y.z = {}".format, expressions),
    st.builds("softmax, *x[0] = {}".format, expressions),
    st.builds("x: {} = {}".format, expressions, expressions),
    st.builds("forward += {}".format, expressions),
    st.builds("return {}".format, expressions),
    st.builds("raise NotImplementedError({})".format, expressions),
    st.builds("del x, y[{}]".format, expressions),
    st.sampled_from(["import torch as x", "from torch import softmax as y", "from torch import *"]),
    st.sampled_from(["from . import x", "global x, softmax", "pass", "nonlocal x", "break"]),
)
statements = st.recursive(
    simple,
    lambda inner: st.builds(
        lambda head, body: head + ":\n" + "\n".join(f"    {line}" for line in body.split("\n")),
        st.one_of(
            st.builds("def softmax(x: {} = 1, *y, z={})".format, expressions, expressions),
            st.builds("class Model({})".format, expressions),
            st.builds("for x, y in {}".format, expressions),
            st.builds("with {} as x, {}".format, expressions, expressions),
            st.builds("if (forward := {})".format, expressions),
            *(
                st.just("async def forward()"),
                st.just("while x"),
                st.just("@x\ndef n_parameters()"),
            ),
        ),
        st.lists(inner, min_size=1, max_size=3).map("\n".join),
    ),
    max_leaves=8,
)
code = st.lists(statements, max_size=5).map("\n".join)


@st.composite
def mutated_code(draw: st.DrawFn) -> str:
    """Code of the real notebook with pieces put in and lines taken out."""
    lines = "\n".join(draw(st.lists(st.sampled_from(SOURCES), min_size=1, max_size=3))).split("\n")
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(lines) - 1))
        column = draw(st.integers(0, len(lines[place])))
        lines[place] = lines[place][:column] + draw(soup) + lines[place][column:]
        if draw(st.booleans()) and len(lines) > 1:
            del lines[draw(st.integers(0, len(lines) - 1))]
    return "\n".join(lines)


@examples(300)
@given(soup | code | mutated_code())
def test_any_text_is_read_as_code(text: str) -> None:
    fuzzing.python(text.encode(errors="replace"))


# -- what would cost the square of its size ---------------------------------------------------


def test_very_many_cells_that_need_each_other_all_run() -> None:
    """Who needs whom is followed so far and no further."""

    def run(chain: int) -> list[CodeCell]:
        needed = [CodeCell(f"a{n} = a{n + 1}", ("no-grade",)) for n in range(chain)]
        cells = (CodeCell("answer = a0"), *needed, CodeCell("plot = 1", ("no-grade",)))
        return Submission(Path("x"), None, cells).graded_cells(["answer"])

    assert len(run(MAX_ROUNDS - 2)) == 1 + MAX_ROUNDS - 2
    assert len(run(MAX_ROUNDS + 1)) == 1 + MAX_ROUNDS + 1 + 1


@pytest.mark.parametrize(
    "source",
    [
        "import torch\na0 = torch.autograd\n"
        + "".join(f"a{n + 1} = a{n}.aaaaaaaaaa\n" for n in range(100))
        + "def softmax(): return a100",
        "import torch.autograd." + "a" * 1000 + " as a\ndef softmax(): return a",
        "def softmax():\n    from torch.autograd." + "a" * 1000 + " import b",
        "from torch.autograd." + "a" * 1000 + " import *\ndef softmax(): return b",
        "from torch import *\ndef softmax(): return autograd.grad",
    ],
    ids=["aliases", "import", "import from", "star below", "star above"],
)
def test_a_long_path_into_a_forbidden_module_is_one(source: str) -> None:
    for forbidden in ("torch.autograd", "torch.autogra"):
        uses = syntax.forbidden_uses([syntax.parsed(source)], "softmax", [forbidden])
        assert uses == [forbidden] * (forbidden == "torch.autograd")


def test_paths_are_cut() -> None:
    scope = syntax._notebook_scope(syntax.parsed(f"from {'m' * 999} import a\nb = a.{'c' * 999}"))
    assert [len(path or "") for path in scope.paths.values()] == [syntax.MAX_PATH] * 2
