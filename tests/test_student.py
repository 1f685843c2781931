"""What a check sees of a notebook, through the session in this process."""

from collections import OrderedDict, defaultdict, namedtuple
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from autograder.student import Handle, LocalChannel, Student, StudentError
from autograder.worker.codec import Encoder, PeerDict, PeerList, PeerTuple, pack
from autograder.worker.session import _OPERATIONS


def student(**names: Any) -> Student:
    return Student(LocalChannel(names))


def returning(value: Any) -> Any:
    """What a check receives when the student's function returns `value`."""
    return student(answer=lambda: value).answer()


class Forger:
    """A channel whose worker replies what it likes."""

    def __init__(self, *replies: bytes) -> None:
        self._replies = list(replies)

    def exchange(self, message: bytes, on_callback: Any) -> bytes:
        return self._replies.pop(0)


def forged(reply: Any) -> Student:
    encoder = Encoder()
    objects = [None] * 20
    encoder.objects, encoder.entries = list(objects), list(objects)
    return Student(Forger(encoder.message(encoder.node(reply))))


# -- calls and values ---------------------------------------------------------------------------


def test_functions_are_called_with_positional_and_named_arguments() -> None:
    one = student(power=lambda base, *, exponent: base**exponent)
    assert one.power(3, exponent=2) == 9


def test_values_and_kinds() -> None:
    one = student(number=0.5, none=None, function=len, Class=nn.Linear)
    assert one.value("number") == 0.5
    names = ["number", "none", "function", "Class", "nothing"]
    assert list(one.kinds(names).values()) == ["value", "none", "function", "class", "missing"]


def test_names_may_differ_in_the_notebook() -> None:
    namespace = {"softmax__wrong": lambda: "wrong", "softmax": lambda: "right", "n__1": 3}
    renamed = Student(LocalChannel(namespace), {"softmax": "softmax__wrong", "n": "n__1"})
    assert renamed.softmax() == "wrong"
    assert renamed.value("n") == 3
    assert renamed.kinds(["softmax", "n"]) == {"softmax": "function", "n": "value"}


def test_private_names_are_no_functions_of_the_notebook() -> None:
    with pytest.raises(AttributeError):
        student()._secret()


def test_missing_names_are_errors_of_the_student() -> None:
    with pytest.raises(StudentError) as caught:
        student().forward()
    assert caught.value.type == "KeyError"


def test_containers_of_another_class_arrive_without_what_it_can_do() -> None:
    pair = namedtuple("pair", "one two")
    received = returning(
        [pair(1, 2), OrderedDict(a=1), defaultdict(int, b=2), torch.ones(2).max(0), Stack([3])]
    )
    kinds = [PeerTuple, PeerDict, PeerDict, PeerTuple, PeerList]
    assert [type(item) for item in received] == kinds
    assert received[:3] == [(1, 2), {"a": 1}, {"b": 2}] and received[4] == [3]


def test_a_tuple_of_another_class_comes_back_as_it_was() -> None:
    pair = namedtuple("pair", "one two")

    def second(nested: Any) -> Any:
        [kept, plain] = nested["pairs"]
        return kept.two, type(plain) is tuple, kept

    x = np.ones(2)
    notebook = student(pack=lambda x: pair(x, [x, 3]), second=second)
    packed = notebook.pack(x)
    assert isinstance(packed, tuple) and packed[0] is x is packed[1][0]
    two, plain, kept = notebook.second({"pairs": [packed, (1, 2)]})
    assert two[1] == 3 and plain and kept is packed


class Stack(list):
    """A list that a student wrote."""

    def top(self) -> Any:
        return self[-1]


class Attributes(dict):
    """A dict whose keys are its attributes."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


def test_a_list_or_dict_of_another_class_comes_back_as_it_was_with_its_present_items() -> None:
    mine: dict[str, Any] = {
        "dict": Attributes(x=1),
        "list": Stack([1]),
        "ordered": OrderedDict(b=1, a=2),
    }

    def change(dict: Any, list: Any, ordered: Any) -> Any:
        assert dict is mine["dict"] and list is mine["list"] and ordered is mine["ordered"]
        seen = dict.x, list.top(), [*ordered]
        dict["y"], list[0] = np.ones(2), 5
        ordered.move_to_end("b")
        return seen

    notebook = student(mine=lambda: mine, change=change)
    came = notebook.mine()
    came["dict"]["x"] = 4
    came["list"].append(6)
    assert notebook.change(**came) == (4, 6, ["b", "a"])
    assert came["dict"]["x"] == 4 and came["dict"]["y"].tolist() == [1, 1]
    assert came["list"] == [5, 6] and [*came["ordered"]] == ["a", "b"]


def test_arrays_of_a_dict_of_another_class_stay_the_same_ones() -> None:
    def step(params: Any) -> None:
        params.w -= 1

    notebook = student(start=lambda: Attributes(w=np.ones(2)), step=step)
    params = notebook.start()
    w = params["w"]
    notebook.step(params)
    assert params["w"] is w and w.tolist() == [0, 0]


class Frozen(dict):
    def update(self, *args: Any, **items: Any) -> None:
        raise TypeError("it is frozen")

    __setitem__ = update


def test_a_dict_that_takes_no_items_comes_back_as_a_plain_one() -> None:
    frozen = Frozen(a=1)
    notebook = student(start=lambda: frozen, read=lambda cache: (cache["a"], str(type(cache))))
    assert notebook.read(notebook.start()) == (1, "<class 'dict'>")
    assert frozen == {"a": 1}


class EqualDict(dict):
    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False


class EqualTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.equal, torch.allclose):
            return True
        return super().__torch_function__(func, types, args, kwargs or {})

    def __eq__(self, other: object) -> Any:
        return True


def test_values_that_claim_to_equal_everything_arrive_as_plain_data() -> None:
    liars = [EqualDict(a=1), torch.zeros(2).as_subclass(EqualTensor)]
    assert liars[0] == {"b": 2} and torch.equal(liars[1], torch.ones(2))  # type: ignore[arg-type]
    received = returning(liars)
    assert type(received[0]) is PeerDict and received[0] != {"b": 2}
    assert type(received[1]) is torch.Tensor and not torch.equal(received[1], torch.ones(2))


def test_changes_in_place_come_back_also_after_an_error() -> None:
    def answer(x: torch.Tensor) -> None:
        x.zero_()
        raise ValueError("too late")

    x = torch.ones(2)
    with pytest.raises(StudentError):
        student(answer=answer).answer(x)
    assert x.tolist() == [0, 0]


def test_an_argument_that_can_no_longer_be_sent_is_left_as_it_was() -> None:
    def answer(batch: list[Any]) -> int:
        deep: list[Any] = []
        for _ in range(5000):
            deep = [deep]
        batch.append(deep)
        return 1

    batch = [1]
    with pytest.raises(StudentError):
        student(answer=answer).answer(batch)
    assert batch == [1]


@pytest.mark.parametrize(
    "value", ["\ud800", [2.0] * 10**6, 10**5000], ids=["half", "long", "digits"]
)
def test_values_that_cannot_be_sent_are_errors_of_the_student(value: Any) -> None:
    with pytest.raises(StudentError):
        returning(value)


# -- errors -------------------------------------------------------------------------------------


class HostileError(Exception):
    def __str__(self) -> str:
        raise SystemExit("from __str__")


class Nameless(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError("no name")


class OddError(Exception, metaclass=Nameless):
    pass


@pytest.mark.parametrize(
    ("raised", "type_name", "message"),
    [
        (ValueError("two\nlines"), "ValueError", "two\nlines"),
        (SystemExit(3), "SystemExit", "3"),
        (KeyboardInterrupt(), "KeyboardInterrupt", ""),
        (GeneratorExit(), "GeneratorExit", ""),
        (MemoryError(), "MemoryError", ""),
        (ValueError("half a pair \ud800"), "ValueError", "half a pair ?"),
        (HostileError(), "Exception", ""),
        (OddError(), "Exception", ""),
    ],
    ids=["value", "exit", "interrupt", "generator", "memory", "surrogate", "hostile", "nameless"],
)
def test_whatever_is_raised_becomes_a_student_error(
    raised: BaseException, type_name: str, message: str
) -> None:
    def answer() -> None:
        raise raised

    with pytest.raises(StudentError) as caught:
        student(answer=answer).answer()
    assert (caught.value.type, caught.value.message) == (type_name, message)
    assert not caught.value.stub


def test_long_errors_are_cut() -> None:
    def answer() -> None:
        raise ValueError("x" * 10**6)

    with pytest.raises(StudentError) as caught:
        student(answer=answer).answer()
    assert len(caught.value.message) == 4000


def test_stubs_are_told_from_errors() -> None:
    def answer() -> None:
        raise NotImplementedError("answer: write your answer here")

    with pytest.raises(StudentError) as caught:
        student(answer=answer).answer()
    assert caught.value.stub


# -- handles ------------------------------------------------------------------------------------


def test_a_tensor_with_a_graph_is_a_handle() -> None:
    loss = student(loss=lambda w: (w * w).sum()).loss(torch.ones(3, requires_grad=True))
    assert isinstance(loss, Handle) and loss.type_name == "Tensor"
    assert loss.value().item() == 3.0 and not loss.value().requires_grad


def test_backward_reaches_what_was_put_there() -> None:
    one = student(square=lambda w: w * w)
    weight = one.put(torch.arange(3.0, requires_grad=True))
    one.square(weight).backward(torch.tensor([1.0, 10.0, 100.0]))
    assert weight.value().grad.tolist() == [0, 20, 400]
    weight.zero_ = None  # type: ignore[attr-defined]  # a handle holds no method of the object


def test_models_optimizers_and_their_operations() -> None:
    one = student()
    model = one.build("torch.nn.Sequential", one.build("torch.nn.Linear", 2, 3), nn_dropout(one))
    weight = torch.ones(3, 2)
    model.load_state_dict({"0.weight": weight, "0.bias": torch.zeros(3)})
    optimizer = one.build("torch.optim.SGD", model.parameter_list(), lr=0.5)
    model.eval()
    assert not model.attribute("training")
    model.train()
    assert model.attribute("training")
    model(torch.ones(1, 2)).backward(torch.ones(1, 3))
    assert model.parameters()["0.weight"].grad.tolist() == weight.tolist()
    optimizer.step()
    assert model.state_dict()["0.weight"].tolist() == (weight * 0.5).tolist()
    optimizer.zero_grad()
    assert model.parameters()["0.weight"].grad is None
    assert model[0].attribute("weight").shape == (3, 2)
    assert model.length() == 2


def nn_dropout(one: Student) -> Handle:
    return one.build("torch.nn.Dropout", 0.0)


def test_a_handle_goes_back_as_the_object_that_it_stands_for() -> None:
    one = student(make=lambda: {1, 2}, same=lambda a, b: a is b, size=len, back=lambda a: [a])
    first = one.make()
    assert first.type_name == "set"
    assert one.same(first, first) is True
    assert one.same(first, one.make()) is False
    assert one.back(first) == [first]
    assert one.size(first) == 2


def test_functions_and_iterators_stay_in_the_worker() -> None:
    one = student(make=lambda n: lambda x: x + n, count=lambda: iter([1, torch.ones(2)]))
    assert one.make(2)(3) == 5
    numbers = one.count()
    assert numbers.next() == 1 and torch.equal(numbers.next(), torch.ones(2))
    with pytest.raises(StudentError) as caught:
        numbers.next()
    assert caught.value.type == "StopIteration"
    assert list(one.build("builtins.range", 3)) == [0, 1, 2]


def test_an_endless_iterator_ends() -> None:
    endless = student().build("itertools.count")
    with pytest.raises(StudentError, match="goes on"):
        list(endless)


def test_a_method_is_no_attribute() -> None:
    model = student().build("torch.nn.Linear", 2, 3)
    for name in ("forward", "parameters", "__init__", "__class__"):
        with pytest.raises(StudentError) as caught:
            model.attribute(name)
        assert caught.value.type == "AttributeError"


@pytest.mark.parametrize("operation", ["__reduce__", "eval_", "exec", "apply", "", "attributes"])
def test_operations_outside_the_list_are_refused(operation: str) -> None:
    model = student().build("torch.nn.Linear", 2, 3)
    with pytest.raises(StudentError) as caught:
        model._use(operation)
    assert caught.value.type == "KeyError"


def test_requests_outside_the_list_are_refused() -> None:
    assert sorted(_OPERATIONS) == ["build", "call", "get", "keep", "kinds", "run", "seed", "use"]
    with pytest.raises(StudentError) as caught:
        student()._request("exec", code="1")
    assert caught.value.type == "KeyError"


def test_a_handle_of_nothing_is_refused() -> None:
    one = student(answer=lambda x: x)
    with pytest.raises(StudentError):
        one.answer(Handle(one, 12, "thing"))


# -- functions as arguments ---------------------------------------------------------------------


def test_a_function_argument_runs_in_the_grader() -> None:
    seen = []

    def f(x: torch.Tensor) -> torch.Tensor:
        seen.append(x)
        return (x * x).sum()

    slope = student(slope=lambda f, x: f(x + 1) - f(x)).slope(f, torch.ones(2))
    assert slope.item() == 6.0 and len(seen) == 2


def test_a_function_argument_sees_values_without_a_graph() -> None:
    def answer(f: Any, x: torch.Tensor) -> Any:
        return f(x * 2)

    x = torch.ones(2, requires_grad=True)
    assert student(answer=answer).answer(lambda y: y.requires_grad, x) is False


def test_hostile_arguments_of_a_callback_are_the_students_error() -> None:
    with pytest.raises(StudentError, match="raised TypeError"):
        student(answer=lambda f: f("text")).answer(lambda x: x - 1)
    with pytest.raises(StudentError):
        student(answer=lambda f: f(1, 2, 3)).answer(lambda x: x)


def test_what_a_callback_raises_tells_only_its_type() -> None:
    def secret(x: int) -> None:
        raise ValueError("the expected answer is 42")

    with pytest.raises(StudentError) as caught:
        student(answer=lambda f: f(1)).answer(secret)
    assert "42" not in caught.value.message + caught.value.trace


def test_a_check_may_complain_in_a_callback() -> None:
    def answer(f: Any) -> int:
        try:
            return f(1)
        except Exception:
            return 2

    def complain(x: int) -> None:
        raise AssertionError("called with an integer")

    with pytest.raises(AssertionError, match="called with an integer"):
        student(answer=answer).answer(complain)


def test_a_callback_cannot_call_the_student() -> None:
    one = student(answer=lambda f: f(), other=lambda: 1)
    with pytest.raises(AssertionError, match="cannot call the student"):
        one.answer(lambda: one.other())


# -- automatic differentiation off ----------------------------------------------------------------


def backward(w: torch.Tensor) -> Any:
    (w * w).sum().backward()
    return w.grad


def turned_on(w: torch.Tensor) -> Any:
    with torch.enable_grad():
        leaf = torch.ones(2).requires_grad_()
        return torch.autograd.grad((leaf * w).sum(), leaf)[0]


@pytest.mark.parametrize("answer", [backward, turned_on])
def test_no_autograd_records_no_graph(answer: Any) -> None:
    one = student(answer=answer)
    assert one.answer(torch.ones(2, requires_grad=True)).shape == (2,)
    with one.no_autograd(), pytest.raises(StudentError):
        one.answer(torch.ones(2, requires_grad=True))
    assert one.answer(torch.ones(2, requires_grad=True)).shape == (2,)


def test_no_autograd_may_be_nested_and_holds_for_handles() -> None:
    one = student(scale=lambda w: 2 * w)
    model = one.build("torch.nn.Linear", 1, 1)
    with one.no_autograd():
        with one.no_autograd():
            pass
        assert isinstance(one.scale(torch.ones(1, requires_grad=True)), torch.Tensor)
        assert isinstance(model(torch.ones(1)), torch.Tensor)
    assert isinstance(model(torch.ones(1)), Handle)


def test_results_made_without_autograd_can_be_used_with_it() -> None:
    one = student(scale=lambda w: 2 * w)
    with one.no_autograd():
        result = one.scale(torch.ones(2))
    result.requires_grad_()
    (result * 3).sum().backward()
    assert result.grad.tolist() == [3, 3]


# -- replies that no honest worker sends --------------------------------------------------------

EXPLOSIVE: list[Any] = [1]
for _ in range(12):
    EXPLOSIVE = [EXPLOSIVE, EXPLOSIVE]


@pytest.mark.parametrize(
    "reply",
    [
        5,
        None,
        [],
        {},
        {"other": 1},
        {"error": 3},
        {"error": {"type": EXPLOSIVE, "message": torch.ones(3), "trace": {}}},
    ],
    ids=["number", "none", "list", "empty", "key", "error", "error parts"],
)
def test_forged_replies_are_errors_of_the_student(reply: Any) -> None:
    with pytest.raises(StudentError) as caught:
        forged(reply).forward()
    assert all(type(part) is str for part in (caught.value.type, caught.value.message))


@pytest.mark.parametrize("reply", [b"", b"\0\0\0\0", b"\xff" * 40, pack(["no map"])])
def test_bytes_that_are_no_reply_are_errors_of_the_student(reply: bytes) -> None:
    with pytest.raises(StudentError, match="cannot be read"):
        Student(Forger(reply)).forward()


@pytest.mark.parametrize(
    "answer", [5, {"forward": EXPLOSIVE}, {"forward": "unheard of"}, {}, ["forward"]]
)
def test_forged_kinds_leave_it_to_the_checks(answer: Any) -> None:
    assert forged({"value": answer}).kinds(["forward"]) in (
        {"forward": "value"},
        {"forward": "missing"},
    )
    assert forged({"error": {}}).kinds(["forward"]) == {"forward": "value"}


@pytest.mark.parametrize(
    "found",
    [
        7,
        [3, None],
        [{"cell": 9, "type": "E", "message": "no such cell"}],
        [{"cell": True}],
        [{"cell": np.int64(0)}],
        [{"cell": "0"}],
    ],
)
def test_forged_errors_of_cells_are_dropped(found: Any) -> None:
    assert forged({"value": found}).run([("x = 1", [])]) == []


def test_texts_of_cell_errors_are_texts() -> None:
    found = [{"cell": 0, "type": EXPLOSIVE, "message": 5}]
    assert forged({"value": found}).run([("", [])]) == [{"cell": 0, "type": "", "message": ""}]


# -- running cells --------------------------------------------------------------------------------


def run(*cells: str, skipped: dict[int, list[int]] | None = None) -> tuple[Student, list[Any]]:
    one = Student(LocalChannel({}))
    left_out = skipped or {}
    return one, one.run([(cell, left_out.get(place, [])) for place, cell in enumerate(cells)])


def test_definitions_after_an_error_still_count() -> None:
    one, errors = run("1 / 0\ndef f():\n    return 1\nx = 5", "y = 2")
    assert one.f() == 1 and one.value("y") == 2
    assert one.kinds(["x"]) == {"x": "missing"}
    assert errors == [{"cell": 0, "type": "ZeroDivisionError", "message": "division by zero"}]


def test_cells_in_another_order_are_run_again() -> None:
    one, errors = run("z = y", "y = twice(2)", "def twice(x):\n    return two * x", "two = 2")
    assert one.value("z") == 4 and errors == []
    one, errors = run("x = nowhere", "y = x")
    assert [error["type"] for error in errors] == ["NameError", "NameError"]


def test_a_cell_that_does_not_parse_is_named() -> None:
    one, errors = run("def f(:", "x = 1")
    assert [error["type"] for error in errors] == ["SyntaxError"] and one.value("x") == 1


def test_skipped_statements_do_not_run() -> None:
    one, _ = run("x = 1\nx = 2", skipped={0: [1]})
    assert one.value("x") == 1


def test_imports_from_the_future_hold_for_the_cells_that_follow() -> None:
    one, errors = run(
        "from __future__ import annotations", "def f(x: Unheard) -> Of:\n    return x"
    )
    assert errors == [] and one.f(1) == 1
