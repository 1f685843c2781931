"""What a hidden check sees of a notebook: an object with the student's functions on it.

`Student` speaks the codec over a channel. The channel is a session in this process (reference
solutions, wrong answers, stubs) or a sandboxed worker: a check cannot tell which.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

from autograder.worker.codec import CodecError, Decoder, Encoder, write_back
from autograder.worker.session import Session

OnCallback = Callable[[bytes], bytes]

MAX_ITEMS = 10_000
MAX_TEXT = 4000
KINDS = ("missing", "none", "class", "function", "value")


class Channel(Protocol):
    """Carries one request to a session and brings its reply; callbacks are answered on the way."""

    def exchange(self, message: bytes, on_callback: OnCallback) -> bytes: ...


@runtime_checkable
class TaskChannel(Channel, Protocol):
    """A channel that can return to the state after the notebook's cells."""

    def begin_task(self, afresh: bool = False) -> None: ...


@runtime_checkable
class BudgetChannel(Channel, Protocol):
    """A channel that holds each request to `budget` seconds of processor time, if one is given."""

    budget: float | None


class StudentError(Exception):
    """The student's code raised: `type`, `message` and `trace` are untrusted text.

    `stub` is true for NotImplementedError, which no check takes for an expected error.
    """

    def __init__(self, type: str, message: str, trace: str = "", stub: bool = False) -> None:
        super().__init__(f"{type}: {message}")
        self.type, self.message, self.trace, self.stub = type, message, trace, stub


class StoppedError(Exception):
    """The worker was ended during a call; `reason` is what the student reads.

    `status` is timeout or crashed; `wall` says that it was the clock that ran out and not the
    processor time, which on a busy machine need not be the student's fault.
    """

    def __init__(self, status: str, reason: str, wall: bool = False) -> None:
        super().__init__(reason)
        self.status, self.reason, self.wall = status, reason, wall


def over_budget(seconds: float) -> str:
    """Why a call was ended, or is refused, that took more than so much processor time."""
    return f"the answer used more than {seconds:g} seconds of processor time"


class LocalChannel:
    """A session in this process, behind the same bytes as a sandboxed one.

    Nothing ends what it runs: a request over the budget is refused afterwards.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._session = Session(namespace)
        self.budget: float | None = None

    def exchange(self, message: bytes, on_callback: OnCallback) -> bytes:
        self._session.ask = on_callback
        start = time.process_time()
        answer = self._session.answer(message)
        if self.budget is not None and time.process_time() - start > self.budget:
            raise StoppedError("timeout", over_budget(self.budget))
        return answer


class Student:
    """Calls the functions of one notebook by name.

    `names` maps a task's name to the name that it has in the notebook, where that differs.
    """

    def __init__(self, channel: Channel, names: Mapping[str, str] | None = None) -> None:
        self._channel = channel
        self._names = dict(names or {})
        self._callbacks: list[Callable[..., Any]] = []
        self._autograd = True
        self._answering = False
        self._complaint: AssertionError | None = None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)

        def call(*args: Any, **kwargs: Any) -> Any:
            target = self._names.get(name, name)
            return self._request("call", name=target, args=args, kwargs=kwargs)

        return call

    def value(self, name: str) -> Any:
        """The variable of that name."""
        return self._request("get", name=self._names.get(name, name))

    def kinds(self, names: list[str]) -> dict[str, str]:
        """What each name stands for: missing, none, class, function or value.

        A notebook that gives no sensible answer has all of them, until a check looks closer.
        """
        present = {name: self._names.get(name, name) for name in names}
        try:
            kinds = self._request("kinds", names=list(present.values()))
        except StudentError:
            kinds = {}
        told = {name: _item(kinds, target) for name, target in present.items()}
        return {name: kind if kind in KINDS else "value" for name, kind in told.items()}

    def run(self, cells: Sequence[tuple[str, Sequence[int]]]) -> list[dict[str, Any]]:
        """Run cells, each a source and the statements to leave out; what they raised, by cell.

        Each error has `cell`, a number, and the texts `type` and `message`, which are untrusted.
        """
        try:
            found = self._request("run", cells=[[source, list(left)] for source, left in cells])
        except StudentError as error:
            return [{"cell": 0, "type": error.type, "message": error.message}]
        return [
            {"cell": number, "type": _text(error, "type"), "message": _text(error, "message")}
            for error in (found if isinstance(found, list) else [])
            if type(number := _item(error, "cell")) is int and number in range(len(cells))
        ]

    def build(self, path: str, *args: Any, **kwargs: Any) -> "Handle":
        """A public object, such as torch.nn.Linear, made in the worker."""
        return _object(self._request("build", path=path, args=args, kwargs=kwargs))

    def begin_task(self, afresh: bool = False) -> None:
        """Return to the state after the notebook's cells, where the channel can do that.

        afresh: the cells run again in a new worker, so that no file is left of what ran before.
        """
        if isinstance(self._channel, TaskChannel):
            self._channel.begin_task(afresh)

    def start_generators(self, seed: int) -> None:
        """Seed the global random generators of the notebook's process."""
        self._request("seed", seed=seed)

    def put(self, value: Any) -> "Handle":
        """Keep plain data in the worker as one object; `Handle.value` reads its present state."""
        return _object(self._request("keep", kept=value))

    @contextmanager
    def no_autograd(self) -> Iterator[None]:
        """Calls inside run in inference mode: PyTorch records no graph."""
        before, self._autograd = self._autograd, False
        try:
            yield
        finally:
            self._autograd = before

    @contextmanager
    def budget(self, seconds: float) -> Iterator[None]:
        """Each call inside may use so many seconds of processor time, in place of the usual limit.

        One that uses more raises StoppedError, in the sandbox as soon as it does.
        """
        assert isinstance(self._channel, BudgetChannel), "this channel keeps no budget"
        before, self._channel.budget = self._channel.budget, seconds
        try:
            yield
        finally:
            self._channel.budget = before

    def _request(self, do: str, **content: Any) -> Any:
        assert not self._answering, "a function given as an argument cannot call the student"
        encoder = Encoder(self._foreign)
        root = encoder.node({"do": do, "autograd": self._autograd, **content})
        self._complaint = None
        reply = self._channel.exchange(encoder.message(root), self._answer_callback)
        if self._complaint is not None:
            raise self._complaint
        try:
            answer = write_back(encoder.objects, Decoder(reply, self._local))
            if not isinstance(answer, dict):
                raise CodecError("a reply is a dict")
            if "error" in answer:
                raise _student_error(answer["error"])
            return answer["value"]
        except (CodecError, KeyError) as error:
            raise StudentError(
                "CodecError", f"the returned value cannot be read: {error}"
            ) from None

    def _foreign(self, value: Any) -> list[Any]:
        if isinstance(value, Handle):
            return ["handle", value.number, value.type_name]
        if callable(value):
            self._callbacks.append(value)
            return ["callback", len(self._callbacks) - 1]
        raise CodecError(f"a check cannot send a {type(value).__name__}")

    def _local(self, entry: list[Any]) -> Any:
        kind, number, name = entry
        known = kind == "handle" and type(number) is int and 0 <= number < 2**31
        if known and isinstance(name, str):
            return Handle(self, number, name[:80])
        raise CodecError("unknown object")

    def _answer_callback(self, question: bytes) -> bytes:
        """The answer of a check's function; what it raises over hostile arguments goes back.

        A check's own complaint (AssertionError) ends the check instead.
        """
        self._answering = True
        try:
            asked = Decoder(question, self._local).root()
            value = self._callbacks[asked["callback"]](*asked["arguments"])
            return self._encoded({"value": value})
        except AssertionError as complaint:
            self._complaint = self._complaint or complaint
            why = "refused what it was given"
        except Exception as error:
            why = f"raised {type(error).__name__}"
        finally:
            self._answering = False
        return self._encoded({"error": f"the function given as an argument {why}"})

    def _encoded(self, answer: dict[str, Any]) -> bytes:
        encoder = Encoder(self._foreign)
        return encoder.message(encoder.node(answer))


class Handle:
    """Something that stays in the worker, with a closed list of operations."""

    def __init__(self, student: Student, number: int, type_name: str) -> None:
        self.number, self.type_name = number, type_name
        self._student = student

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._use("call", *args, **kwargs)

    def __getitem__(self, key: Any) -> Any:
        return self._use("item", key)

    def __iter__(self) -> Iterator[Any]:
        iterator = _object(self._use("iterate"))
        for _ in range(MAX_ITEMS):
            try:
                yield iterator.next()
            except StudentError as error:
                if error.type == "StopIteration":
                    return
                raise
        raise StudentError("RuntimeError", f"an iterator that goes on after {MAX_ITEMS} items")

    def attribute(self, name: str) -> Any:
        """An attribute that is data or a submodule."""
        return self._use("attribute", name)

    def value(self) -> Any:
        """The present state: a tensor without its graph, a container that was `put` there."""
        return self._use("value")

    def backward(self, gradient: Any = None) -> None:
        self._use("backward", gradient)

    def parameters(self) -> dict[str, Any]:
        """Copies of a model's parameters by name, each with its `.grad`."""
        return self._use("parameters")

    def parameter_list(self) -> "Handle":
        """The live parameters, as the argument of an optimizer that is built in the worker."""
        return _object(self._use("parameter_list"))

    def state_dict(self) -> dict[str, Any]:
        return self._use("state_dict")

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._use("load_state_dict", state)

    def train(self) -> None:
        self._use("train")

    def eval(self) -> None:
        self._use("eval")

    def next(self) -> Any:
        return self._use("next")

    def length(self) -> int:
        return self._use("length")

    def zero_grad(self) -> None:
        self._use("zero_grad")

    def step(self) -> None:
        self._use("step")

    def _use(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        request = self._student._request
        return request("use", handle=self.number, operation=operation, args=args, kwargs=kwargs)


def _student_error(content: Any) -> StudentError:
    type_name, message, trace = (_text(content, key) for key in ("type", "message", "trace"))
    stub = _item(content, "stub") is True
    return StudentError(type_name or "Exception", message, trace, stub)


def _object(answer: Any) -> "Handle":
    """What stays in the worker; a notebook that forges another answer has failed."""
    if not isinstance(answer, Handle):
        raise StudentError("TypeError", "the notebook gave a value in place of an object")
    return answer


def _item(content: Any, key: str) -> Any:
    return content.get(key) if isinstance(content, dict) else None


def _text(content: Any, key: str) -> str:
    """The text under a key of what came; "" where it is none."""
    text = _item(content, key)
    return text[:MAX_TEXT] if isinstance(text, str) else ""
