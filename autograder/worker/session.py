"""One notebook's state, and the closed list of what the grader may ask of it.

A request and a reply are codec messages whose root is a dict. What student code returns and the
codec has no word for stays here, under a number: a handle.
"""

import ast
import codeop
import importlib
import linecache
import random
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from .codec import CodecError, Decoder, Encoder

Ask = Callable[[bytes], bytes]
Progress = Callable[[int, int], None]

MAX_TEXT = 4000

_DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)


class Session:
    """The namespace of one notebook and the handles that the grader holds into it.

    `ask` carries a callback to the grader and brings its answer; `progress` is told the cell and
    the statement about to run.
    """

    def __init__(
        self,
        namespace: dict[str, Any],
        ask: Ask | None = None,
        progress: Progress = lambda cell, statement: None,
    ) -> None:
        self.namespace = namespace
        self.ask = ask
        self._progress = progress
        self._handles: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._compile: Any = codeop.Compile()  # remembers the notebook's `from __future__` imports

    def answer(self, message: bytes) -> bytes:
        """Do what the message asks; every failure of student code becomes an error in the reply."""
        decoder = Decoder(message, self._local)
        try:
            request = decoder.root()
            reply = {"value": _OPERATIONS[request["do"]](self, request)}
            return self._encoded(decoder, reply)
        except BaseException as error:  # SystemExit and KeyboardInterrupt are a student's too
            return self._refused(decoder, {"error": describe(error)})

    def _encoded(self, received: Decoder, reply: dict[str, Any]) -> bytes:
        encoder = Encoder(self._foreign, keeps_classes=True).returning(received)
        return encoder.message(encoder.node(reply))

    def _refused(self, received: Decoder, reply: dict[str, Any]) -> bytes:
        try:
            return self._encoded(received, reply)
        except BaseException:  # an argument holds now what cannot be sent: leave it as it was
            encoder = Encoder()
            encoder.entries = [None] * len(received.entries)
            encoder.objects = list(encoder.entries)
            return encoder.message(encoder.node(reply))

    def _foreign(self, value: Any) -> list[Any]:
        kept = value.value if isinstance(value, _Kept) else value
        number = self._numbers.get(id(kept))
        if number is None:
            number = self._numbers[id(kept)] = len(self._handles)
            self._handles.append(kept)
        return ["handle", number, type(kept).__name__[:80]]

    def _local(self, entry: list[Any]) -> Any:
        kind, number = entry[0], entry[1]
        if kind == "handle":
            return self._handles[number]
        if kind == "callback":
            return lambda *arguments: self._call_back(number, arguments)
        raise CodecError(f"unknown object {kind!r}")

    def _call_back(self, number: int, arguments: tuple[Any, ...]) -> Any:
        assert self.ask is not None, "this session has nobody to call back"
        encoder = Encoder(self._foreign)
        values = [_plain(argument) for argument in arguments]
        question = encoder.message(encoder.node({"callback": number, "arguments": values}))
        answer = Decoder(self.ask(question), self._local).root()
        if "error" in answer:
            raise TypeError(answer["error"])
        return answer["value"]

    def run(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        """Run cells statement by statement and return what they raised.

        An error ends its cell but for the definitions that follow, and the next cell goes on.
        Cells that missed a name run again at the end, for as long as that helps one of them:
        students run cells in any order.
        """
        cells = request["cells"]
        errors = {number: self._run_cell(number, *cell) for number, cell in enumerate(cells)}
        missed, before = _missed_a_name(errors), len(cells) + 1
        while 0 < len(missed) < before:
            errors |= {number: self._run_cell(number, *cells[number]) for number in missed}
            missed, before = _missed_a_name(errors), len(missed)
        return [{"cell": number, **error} for number, error in errors.items() if error is not None]

    def _run_cell(self, number: int, source: str, skipped: list[int]) -> dict[str, Any] | None:
        filename = f"<cell {number + 1}>"
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
        first_error = None
        try:
            statements = ast.parse(source).body
        except BaseException as error:
            return describe(error)
        for position, statement in enumerate(statements):
            if position in skipped or (first_error and not isinstance(statement, _DEFINITIONS)):
                continue
            self._progress(number, position)
            try:
                exec(self._compile(ast.Module([statement], []), filename, "exec"), self.namespace)
            except BaseException as error:
                first_error = first_error or describe(error)
        return first_error

    def kinds(self, request: dict[str, Any]) -> dict[str, str]:
        """What each name stands for: missing, none, class, function or value."""
        return {name: _kind(self.namespace, name) for name in request["names"]}

    def get(self, request: dict[str, Any]) -> Any:
        return self.namespace[request["name"]]

    def call(self, request: dict[str, Any]) -> Any:
        with _autograd(request["autograd"]):
            return self.namespace[request["name"]](*request["args"], **request["kwargs"])

    def build(self, request: dict[str, Any]) -> Any:
        module, _, name = request["path"].rpartition(".")
        made = getattr(importlib.import_module(module), name)(*request["args"], **request["kwargs"])
        return _Kept(made)

    def seed(self, request: dict[str, Any]) -> None:
        start_generators(request["seed"])

    def keep(self, request: dict[str, Any]) -> Any:
        return _Kept(request["kept"])

    def use(self, request: dict[str, Any]) -> Any:
        """One of the closed list of operations on a handle."""
        operation = _HANDLE_OPERATIONS[request["operation"]]
        with _autograd(request["autograd"]):
            kept = self._handles[request["handle"]]
            return operation(kept, *request["args"], **request["kwargs"])


def _missed_a_name(errors: dict[int, dict[str, Any] | None]) -> list[int]:
    return [number for number, error in errors.items() if error and error["type"] == "NameError"]


def start_generators(seed: int) -> None:
    """Seed the global generators: a notebook that draws from them does so repeatably.

    For each kind of device that is not there torch.manual_seed would keep a stack trace.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)
    torch.cuda.manual_seed_all(seed)


class _Kept:
    """A value that stays here although the codec could send it."""

    def __init__(self, value: Any) -> None:
        self.value = value


def describe(error: BaseException) -> dict[str, Any]:
    """Type, message and traceback of a student's error, as bounded text."""
    try:
        name = _text(type(error).__name__[:80])
        message = _text(str(error)[:MAX_TEXT])
        trace = _text("".join(traceback.format_exception(error))[-MAX_TEXT:])
    except BaseException:  # a __str__ of the student's own may do anything
        name, message, trace = "Exception", "", ""
    stub = isinstance(error, NotImplementedError)
    return {"type": name, "message": message, "trace": trace, "stub": stub}


def _text(text: str) -> str:
    """What can be sent of a text: half a surrogate pair becomes a question mark."""
    return text.encode(errors="replace").decode()


def _kind(namespace: dict[str, Any], name: str) -> str:
    if name not in namespace:
        return "missing"
    value = namespace[name]
    if value is None:
        return "none"
    if isinstance(value, type):
        return "class"
    return "function" if callable(value) else "value"


@contextmanager
def _autograd(on: bool) -> Iterator[None]:
    with torch.inference_mode(not on):
        yield


def _attribute(value: Any, name: str) -> Any:
    found = getattr(value, name)
    if callable(found) and not isinstance(found, torch.nn.Module):
        raise AttributeError(f"{name} is not data")
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach() if value.grad_fn is not None else value
    return value


def _parameters(model: Any) -> dict[str, torch.Tensor]:
    copies = {}
    for name, parameter in model.named_parameters():
        copies[name] = parameter.detach().clone()
        if parameter.grad is not None:
            copies[name].grad = parameter.grad.detach().clone()
    return copies


_OPERATIONS: dict[str, Callable[[Session, dict[str, Any]], Any]] = {
    "run": Session.run,
    "kinds": Session.kinds,
    "get": Session.get,
    "call": Session.call,
    "build": Session.build,
    "keep": Session.keep,
    "seed": Session.seed,
    "use": Session.use,
}

_HANDLE_OPERATIONS: dict[str, Callable[..., Any]] = {
    "call": lambda value, *args, **kwargs: value(*args, **kwargs),
    "item": lambda value, key: value[key],
    "length": len,
    "attribute": _attribute,
    "value": _plain,
    "backward": lambda value, gradient=None: value.backward(gradient),
    "parameters": _parameters,
    "parameter_list": lambda model: _Kept(list(model.parameters())),
    "state_dict": lambda value: dict(value.state_dict()),
    "load_state_dict": lambda value, state: _nothing(value.load_state_dict(state)),
    "train": lambda model: _nothing(model.train()),
    "eval": lambda model: _nothing(model.eval()),
    "next": lambda value: next(value),
    "iterate": lambda value: _Kept(iter(value)),
    "zero_grad": lambda value: _nothing(value.zero_grad()),
    "step": lambda optimizer: _nothing(optimizer.step()),
}


def _nothing(_: Any) -> None:
    return None
