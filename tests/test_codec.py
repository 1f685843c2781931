"""The codec carries values faithfully, and hostile bytes raise CodecError and nothing else."""

import contextlib
import math
import struct
from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder.worker import codec
from autograder.worker.codec import CodecError, Decoder, Encoder, write_back

TORCH_DTYPES = [
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.bool, torch.complex64, torch.complex128),
]
quick = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
thorough = settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))


def sent(value: Any) -> bytes:
    encoder = Encoder()
    return encoder.message(encoder.node(value))


def round_trip(value: Any) -> Any:
    return Decoder(sent(value)).root()


def visit(value: Any, change: Callable[[Any], Any]) -> Any:
    """What the sender receives when the peer runs `change` on a copy of what was sent."""
    encoder = Encoder()
    received = Decoder(encoder.message(encoder.node(value)))
    answer = change(received.root())
    returning = Encoder().returning(received)
    reply = returning.message(returning.node(answer))
    return write_back(encoder.objects, Decoder(reply))


def message(objects: list[Any], root: Any, data: bytes = b"") -> bytes:
    structure = msgpack.packb({"objects": objects, "root": root}, use_bin_type=True)
    return struct.pack(">I", len(structure)) + structure + data


def same(one: Any, other: Any) -> bool:
    """Equality in which nan equals nan and types count."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return one == other


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(10**300), max_value=10**300),
    st.floats(),
    st.text(),
    st.binary(),
)
keys = st.one_of(st.text(), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.none())
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner), st.lists(inner).map(tuple), st.dictionaries(keys, inner)
    ),
    max_leaves=20,
)


# -- values that come back as they were --------------------------------------------------------


@quick
@given(values)
def test_plain_values_come_back_equal(value: Any) -> None:
    assert same(round_trip(value), value)


@pytest.mark.parametrize(
    "value",
    [
        *(math.inf, -math.inf, 1 + 2j, complex(math.inf, -0.0), 2**63, -(2**63) - 1, 10**3000),
        *(slice(1, None, -2), slice(None), ..., torch.Size([2, 0, 3]), torch.bfloat16),
        *(torch.device("cpu"), "\N{GREEK SMALL LETTER ALPHA}", {(1, "a"): [()]}),
    ],
    ids=lambda value: str(value)[:20],
)
def test_single_values_come_back_equal(value: Any) -> None:
    assert same(round_trip(value), value)


@pytest.mark.parametrize(
    "scalar",
    [np.float32(1.5), np.int8(-3), np.bool_(True), np.complex64(1j), np.str_("é"), np.bytes_(b"x")],
    ids=repr,
)
def test_numpy_scalars_keep_their_type(scalar: np.generic) -> None:
    assert same(round_trip(scalar), scalar)


def test_subclasses_of_containers_become_plain_ones() -> None:
    pair = namedtuple("pair", "one two")
    value = [pair(1, 2), OrderedDict(a=1), defaultdict(list, b=[2]), torch.ones(2).max(0)]
    assert round_trip(value)[:3] == [(1, 2), {"a": 1}, {"b": [2]}]
    assert {type(item) for item in round_trip(value)} == {tuple, dict}


def test_cycles_and_shared_objects_keep_their_identity() -> None:
    ring: list[Any] = [1]
    ring.append({"ring": ring})
    tensor = torch.ones(2)
    received = round_trip({"ring": ring, "pair": (tensor, [tensor])})
    assert received["ring"][1]["ring"] is received["ring"]
    assert received["pair"][0] is received["pair"][1][0]


def test_a_long_chain_of_shared_lists_is_refused_on_both_sides() -> None:
    chain: list[Any] = []
    for _ in range(100_000):
        chain = [chain]
    with pytest.raises((CodecError, RecursionError)):
        sent(chain)


@quick
@given(
    hnp.arrays(
        dtype=st.one_of(
            *(hnp.boolean_dtypes(), hnp.integer_dtypes(), hnp.unsigned_integer_dtypes()),
            *(hnp.floating_dtypes(), hnp.complex_number_dtypes()),
            *(hnp.unicode_string_dtypes(min_len=1), hnp.byte_string_dtypes(min_len=1)),
        ),
        shape=hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    st.data(),
)
def test_arrays_come_back_equal_whatever_their_layout(array: np.ndarray, data: Any) -> None:
    if array.ndim:
        array = array[data.draw(hnp.basic_indices(array.shape, allow_ellipsis=False))]
    array = np.asarray(array).T
    received = round_trip(array)
    assert received.dtype == array.dtype and received.shape == array.shape
    assert received.tobytes() == array.tobytes()


def test_strides_of_arrays_and_tensors_are_kept() -> None:
    array = np.arange(24.0).reshape(4, 6)
    for view in (array.T, array[::2, 1::3], np.broadcast_to(array[0], (3, 6))):
        assert round_trip(view).strides == view.strides
        tensor = torch.from_numpy(array.copy()).T[1:, ::2]
        assert round_trip(tensor).stride() == tensor.stride()


def test_what_lies_between_the_items_of_a_view_is_not_sent() -> None:
    table = np.full((5, 2), 7, dtype=np.uint8)
    table[:, 0] = range(1, 6)
    for view in (table[:, 0], torch.from_numpy(table)[:, 0]):
        assert round_trip(view).tolist() == [1, 2, 3, 4, 5]
        assert sent(view).endswith(bytes([1, 0, 2, 0, 3, 0, 4, 0, 5]))


@pytest.mark.parametrize("dtype", TORCH_DTYPES, ids=str)
def test_tensors_of_every_dtype_and_layout(dtype: torch.dtype) -> None:
    base = torch.arange(24).reshape(4, 6).to(dtype)
    layouts = [base, base.T, base[1::2, ::3], base[0].expand(3, 6), base[0, 0], base[:0], base[2:3]]
    layouts += [base.as_strided((3, 3), (2, 1)), torch.empty((0, 3), dtype=dtype)]
    for tensor in layouts:
        received = round_trip(tensor)
        assert received.dtype == dtype and received.shape == tensor.shape
        assert torch.equal(received, tensor)
        assert tensor.numel() == 0 or received.stride() == tensor.stride()


def test_bits_of_floats_survive() -> None:
    tensor = torch.tensor([math.nan, -0.0, math.inf, 1e-45])
    received = round_trip(tensor)
    assert torch.equal(received.view(torch.int32), tensor.view(torch.int32))


def test_lazy_conjugates_and_negatives_are_resolved() -> None:
    tensor = torch.tensor([1 + 2j, 3 - 4j])
    assert torch.equal(round_trip(tensor.conj()), tensor.conj().resolve_conj())
    assert torch.equal(round_trip(tensor.conj().imag), torch.tensor([-2.0, 4.0]))


def test_leaves_keep_requires_grad_and_grad() -> None:
    weight = torch.ones(3, requires_grad=True)
    (weight * torch.arange(3.0)).sum().backward()
    shared = torch.ones(3, requires_grad=True)
    shared.grad = weight.grad
    first, second, third = round_trip((weight, shared, torch.ones(3)))
    assert first.requires_grad and not third.requires_grad
    assert torch.equal(first.grad, torch.arange(3.0))
    assert first.grad is second.grad


def test_tensors_with_a_graph_and_unknown_objects_are_left_to_the_caller() -> None:
    graph = torch.ones(2, requires_grad=True) * 2
    sparse = torch.eye(2).to_sparse()
    for value in (graph, sparse, torch.ones(2, device="meta"), object(), {1, 2}, np.dtype("f8")):
        with pytest.raises(CodecError, match="cannot send"):
            sent(value)
        encoder = Encoder(lambda value: ["handle", 3, "thing"])
        decoder = Decoder(encoder.message(encoder.node([value])), lambda entry: entry)
        assert decoder.root() == [["handle", 3, "thing"]]


def test_generators_continue_with_the_same_draws() -> None:
    ours = torch.Generator().manual_seed(5)
    torch.randn(700, generator=ours)
    theirs = round_trip(ours)
    assert torch.equal(torch.randn(9, generator=ours), torch.randn(9, generator=theirs))
    numbers = np.random.default_rng(5)
    numbers.integers(10, size=3, dtype=np.int32)
    copy = round_trip(numbers)
    assert numbers.standard_normal(5).tolist() == copy.standard_normal(5).tolist()


# -- changes that come back ---------------------------------------------------------------------


def test_changes_of_every_mutable_kind_come_back() -> None:
    mine: dict[str, Any] = {
        "list": [1, 2],
        "dict": OrderedDict(a=1),
        "tensor": torch.ones(2, 3).T,
        "array": np.zeros((2, 2)),
        "torch": torch.Generator().manual_seed(1),
        "numpy": np.random.default_rng(1),
    }
    before = dict(mine)

    def change(theirs: dict[str, Any]) -> None:
        theirs["list"].append(theirs["list"])
        theirs["dict"].clear()
        theirs["dict"]["b"] = theirs["tensor"]
        theirs["tensor"][0] = 5
        theirs["array"][1] = 7
        torch.rand(3, generator=theirs["torch"])
        theirs["numpy"].random(3)
        theirs["new"] = "key"

    visit(mine, change)
    assert all(mine[name] is before[name] for name in before)
    assert mine["list"][:2] == [1, 2] and mine["list"][2] is mine["list"]
    assert list(mine["dict"]) == ["b"] and mine["dict"]["b"] is mine["tensor"]
    assert mine["tensor"].tolist() == [[5, 5], [1, 1], [1, 1]]
    assert mine["array"].tolist() == [[0, 0], [7, 7]]
    assert mine["new"] == "key"
    expected, numbers = torch.Generator().manual_seed(1), np.random.default_rng(1)
    torch.rand(3, generator=expected)
    numbers.random(3)
    assert torch.equal(torch.rand(1, generator=mine["torch"]), torch.rand(1, generator=expected))
    assert mine["numpy"].random() == numbers.random()


def test_gradients_come_back_and_go_away() -> None:
    weight, used = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    used.grad = torch.ones(2)

    def change(pair: tuple[torch.Tensor, torch.Tensor]) -> None:
        (pair[0] * 3).sum().backward()
        pair[1].grad = None
        pair[1].requires_grad_(False)

    visit((weight, used), change)
    assert weight.grad is not None and weight.grad.tolist() == [3, 3]
    assert used.grad is None and not used.requires_grad


def test_an_expanded_tensor_gets_its_gradient() -> None:
    weight = torch.zeros(1).expand(3).requires_grad_()
    visit(weight, lambda theirs: theirs.sum().backward())
    assert weight.grad is not None and weight.grad.tolist() == [1, 1, 1]


def test_a_returned_argument_is_the_argument() -> None:
    batch = [torch.ones(2), np.ones(2)]
    returned = visit(batch, lambda theirs: (theirs[1], theirs, theirs[0]))
    assert returned[0] is batch[1] and returned[1] is batch and returned[2] is batch[0]


def test_unchanged_arguments_are_not_written_to() -> None:
    frozen = np.arange(3.0)
    frozen.flags.writeable = False
    assert visit([frozen, frozen[::2]], lambda theirs: theirs[0].sum()) == 3.0


def test_changes_of_type_are_refused() -> None:
    for mine, theirs in (([1], {1: 2}), (torch.ones(2), np.ones(2)), (np.ones(2), torch.ones(3))):
        encoder = Encoder()
        encoder.message(encoder.node(mine))
        other = Encoder()
        other.node(theirs)
        with pytest.raises(CodecError):
            write_back(encoder.objects, Decoder(other.message(None)))


def test_a_reply_without_the_objects_that_were_sent_is_refused() -> None:
    encoder = Encoder()
    encoder.node([1, [2]])
    with pytest.raises(CodecError, match="missing"):
        write_back(encoder.objects, Decoder(sent(None)))


# -- hostile bytes ------------------------------------------------------------------------------


def decode(data: bytes) -> None:
    """Take a message as the grader takes a reply: all of it, and into objects of its own."""
    decoder = Decoder(data, _handle)
    decoder.root()
    decoder.everything()
    mine = [[1], {"a": 2}, torch.ones(3), np.ones(3), torch.Generator(), np.random.default_rng(0)]
    write_back(mine[: len(Decoder(data).entries)], Decoder(data, _handle))


def _handle(entry: list[Any]) -> Any:
    raise CodecError("no handle here")


def _rich() -> Any:
    weight = torch.ones(2, 3, requires_grad=True)
    weight.grad = torch.zeros(2, 3)
    arrays = [np.arange(6.0)[::2], np.array(["ab", "c"]), np.array([True, False]), np.float32(2)]
    generators = (torch.Generator(), np.random.default_rng(0))
    others = [2**70, 1j, slice(1, 2), ..., torch.Size([1]), torch.float16, torch.device("cpu")]
    return {
        "w": weight,
        "a": arrays,
        3: generators,
        "o": others,
        (1, 2): None,
        "t": weight.detach().T.half(),
    }


RICH = sent(_rich())


@thorough
@given(st.binary(max_size=200))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(CodecError):
        decode(data)
    with pytest.raises(CodecError):
        decode(struct.pack(">I", len(data)) + data)


@thorough
@given(st.integers(0, len(RICH) - 1))
def test_truncated_messages_are_refused(length: int) -> None:
    with pytest.raises(CodecError):
        decode(RICH[:length])


@thorough
@given(st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), min_size=1, max_size=8))
def test_messages_with_changed_bytes_raise_only_codec_errors(changes: list[Any]) -> None:
    data = bytearray(RICH)
    for place, byte in changes:
        data[place] = byte
    _decodes_or_refuses(bytes(data))


def _decodes_or_refuses(data: bytes) -> None:
    with contextlib.suppress(CodecError):
        decode(data)


junk = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats()),
        *(st.text(max_size=4), st.binary(max_size=9)),
        st.sampled_from(
            ["object", "int", "tensor", "array", "list", "dict", "tuple", "float32", "<f4", "<U2"]
        ),
    ),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


@thorough
@given(st.data())
def test_structures_with_exchanged_parts_raise_only_codec_errors(data: Any) -> None:
    """Valid msgpack in which one part, anywhere, is replaced by something else."""
    structure, blobs = codec.unpack(RICH)
    place: Any = structure
    while True:
        key = data.draw(
            st.sampled_from(list(place) if isinstance(place, dict) else range(len(place)))
        )
        if not isinstance(place[key], list | dict) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(junk)
    packed = msgpack.packb(structure, use_bin_type=True)
    _decodes_or_refuses(struct.pack(">I", len(packed)) + packed + bytes(blobs))


@thorough
@given(st.lists(junk, max_size=6), junk, st.binary(max_size=40))
def test_any_structure_raises_only_codec_errors(objects: list[Any], root: Any, data: bytes) -> None:
    _decodes_or_refuses(message(objects, root, data))


@thorough
@given(
    st.sampled_from(["tensor", "array"]),
    st.lists(st.integers(-2, 5), max_size=4),
    st.lists(st.integers(-2, 5), max_size=4),
    st.integers(0, 64),
)
def test_views_never_leave_their_own_data(
    kind: str, shape: list[int], strides: list[int], items: int
) -> None:
    """Every item that can be reached is one that was sent."""
    data = b"\x01" * items
    rest = ["cpu", False, None] if kind == "tensor" else []
    name = "uint8" if kind == "tensor" else "|u1"
    entry = [kind, name, shape, strides, items, *rest]
    try:
        value = Decoder(message([entry], ["object", 0], data)).root()
    except CodecError:
        return
    assert list(value.shape) == shape
    assert not value.reshape(-1).tolist() or set(value.reshape(-1).tolist()) == {1}
    reach = sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    assert value.size == 0 if kind == "array" and 0 in shape else True
    assert 0 in shape or reach < items


def tensor_entry(**parts: Any) -> list[Any]:
    entry = {"name": "float32", "shape": [2], "strides": [1], "length": 8, "device": "cpu"}
    entry |= {"requires_grad": False, "grad": None} | parts
    return ["tensor", *entry.values()]


HOSTILE_ENTRIES = {
    "negative stride": tensor_entry(strides=[-1]),
    "negative length": tensor_entry(shape=[-2]),
    "fractional length": tensor_entry(shape=[2.0]),
    "true as length": tensor_entry(shape=[True], length=4),
    "shape beyond the data": tensor_entry(shape=[2**40]),
    "stride beyond the data": tensor_entry(strides=[2**40]),
    "stride that no machine has": tensor_entry(shape=[1], strides=[2**63], length=4),
    "huge shape without data": tensor_entry(shape=[2**30], strides=[0], length=4),
    "huge empty shape": tensor_entry(shape=[0, 2**62, 2**62], strides=[1, 1, 1], length=0),
    "many empty dimensions": tensor_entry(shape=[0] + [2**26] * 15, strides=[1] * 16, length=0),
    "too many dimensions": tensor_entry(shape=[1] * 64, strides=[1] * 64, length=4),
    "wrong item size": tensor_entry(name="float64"),
    "unknown dtype": tensor_entry(name="float8"),
    "dtype that is a list": tensor_entry(name=["float32"]),
    "data that are missing": tensor_entry(shape=[100], length=400),
    "data as a text": ["tensor", "float32", [2], [1], "12345678", "cpu", False, None],
    "gradient of another shape": tensor_entry(grad=["object", 1]),
    "gradient that is itself": tensor_entry(grad=["object", 0]),
    "gradient that is no tensor": tensor_entry(grad=5),
    "integers that require a gradient": tensor_entry(
        name="int64", shape=[1], length=8, requires_grad=True
    ),
    "device that does not exist": tensor_entry(device="nowhere"),
    "truth value 2": tensor_entry(name="bool", shape=[8]),
    "truth value 2 in an array": ["array", "|b1", [8], [1], 8],
    "character that does not exist": ["array", "<U2", [1], [1], 8],
    "structured dtype": ["array", "f4,f4", [1], [1], 8],
    "object dtype": ["array", "|O", [1], [1], 8],
    "object dtype with size": ["array", "|O8", [1], [1], 8],
    "items of a gigabyte": ["array", "<U250000000", [0], [1], 0],
    "items without size": ["array", "<U0", [5], [1], 0],
    "generator without state": ["torch_generator", 0],
    "generator of another size": ["torch_generator", 8],
    "tuple that contains itself": ["tuple", [["object", 0]]],
    "named tuple that contains itself": ["tuple", [["object", 0]], ["handle", 0, "pair"]],
    "original that is no handle": ["tuple", [1], ["list", []]],
    "original that is a number": ["list", [1], 5],
    "two originals": ["dict", [], ["handle", 0, "Cache"], ["handle", 1, "Cache"]],
    "dict that is its own key": ["dict", [[["object", 0], 1]], ["handle", 0, "Cache"]],
    "reference to nothing": ["list", [["object", 7]]],
    "negative reference": ["list", [["object", -1]]],
    "reference by truth value": ["list", [["object", True]]],
    "dict of no pairs": ["dict", [1, 2]],
    "key that is a list": ["dict", [[["object", 1], 1]]],
    "key that is a long integer": ["dict", [[["int", str(10**40)], 1]]],
    "key that is complex": ["dict", [[["complex", 1.0, 2.0], 1]]],
    "nothing": [],
    "kind that is a list": [["list"], []],
    "unknown kind": ["pickle", b"cos\nsystem\n"],
    "integer of many digits": ["list", [["int", "9" * 5000]]],
    "integer that is none": ["list", [["int", "1_0x"]]],
    "slice of lists": ["list", [["slice", ["object", 1], None, None]]],
    "dtype by any name": ["list", [["dtype", "nn"]]],
    "size of texts": ["list", [["size", ["a"]]]],
}


def handle(entry: list[Any]) -> list[Any]:
    kind, number, name = entry
    if (kind, type(number), type(name)) != ("handle", int, str):
        raise CodecError("no handle")
    return entry


@pytest.mark.parametrize("entry", HOSTILE_ENTRIES.values(), ids=HOSTILE_ENTRIES.keys())
def test_hostile_entries_are_refused(entry: list[Any]) -> None:
    data = b"\xff" * 8
    with pytest.raises(CodecError):
        decoder = Decoder(message([entry, ["list", []]], ["object", 0], data), handle)
        decoder.root()


NUMPY_STATE = {
    "bit_generator": "PCG64",
    "state": {"state": ["int", str(2**90)], "inc": 1},
    "has_uint32": 0,
    "uinteger": 0,
}


@pytest.mark.parametrize(
    "change",
    [
        {"bit_generator": "MT19937", "state": {"key": [0] * 624, "pos": 10**6}},
        {"bit_generator": ["object", 0]},
        {"state": 5},
        {"state": {"state": ["int", str(2**200)], "inc": 1}},
        {"has_uint32": "yes"},
    ],
)
def test_hostile_numpy_generators_are_refused(change: dict[str, Any]) -> None:
    Decoder(message([["numpy_generator", NUMPY_STATE]], ["object", 0])).root()
    with pytest.raises(CodecError):
        Decoder(message([["numpy_generator", NUMPY_STATE | change]], ["object", 0])).root()


def test_a_torch_generator_never_reads_past_its_state() -> None:
    state = torch.Generator().get_state().numpy().tobytes()
    hostile = struct.pack("<QiiQ", 1, 624, 1, 624) + state[24:]
    with pytest.raises(CodecError):
        Decoder(message([["torch_generator", len(hostile)]], ["object", 0], hostile)).root()


@pytest.mark.parametrize("kind", ["list", "tuple"])
def test_deep_nesting_through_references_is_refused(kind: str) -> None:
    depth = 100_000
    objects = [[kind, [["object", place + 1]]] for place in range(depth - 1)] + [[kind, []]]
    with pytest.raises(CodecError):
        Decoder(message(objects, ["object", 0])).root()
    with pytest.raises(CodecError):
        Decoder(message(objects, ["object", 0])).everything()


def test_deep_nesting_of_the_structure_is_refused() -> None:
    structure = b"\x91" * 100_000 + b"\xc0"
    with pytest.raises(CodecError):
        Decoder(struct.pack(">I", len(structure)) + structure)


@pytest.mark.parametrize("kind", ["list", "tuple"])
def test_what_grows_when_it_is_read_is_refused(kind: str) -> None:
    """Two references to the next level on each of 60 levels: 2**60 items to print or to hash."""
    objects: list[Any] = [[kind, [["object", n + 1], ["object", n + 1]]] for n in range(60)]
    with pytest.raises(CodecError, match="items"):
        Decoder(message([*objects, [kind, []]], ["object", 0])).root()


def test_keys_of_nested_tuples_are_refused() -> None:
    objects = [["dict", [[["object", 1], 0]]], ["tuple", [["object", 2]]], ["tuple", []]]
    with pytest.raises(CodecError):
        Decoder(message(objects, ["object", 0])).root()


@pytest.mark.parametrize(
    "structure",
    [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff",
    ],
    ids=["array", "map", "bytes", "extension"],
)
def test_announced_lengths_allocate_nothing(structure: bytes) -> None:
    with pytest.raises(CodecError):
        Decoder(struct.pack(">I", len(structure)) + structure)


def test_a_structure_over_the_limit_is_refused_unread() -> None:
    structure = b"\x80" * (codec.MAX_STRUCTURE + 1)
    with pytest.raises(CodecError, match="length"):
        Decoder(struct.pack(">I", len(structure)) + structure)
    with pytest.raises(CodecError, match="tensor instead"):
        sent([1.5] * codec.MAX_STRUCTURE)


def test_the_limit_on_objects_holds() -> None:
    objects = [["list", []]] * (codec.MAX_OBJECTS + 1)
    with pytest.raises(CodecError, match="objects"):
        Decoder(message(objects, None))


def test_arrays_over_the_limit_are_refused() -> None:
    large = torch.zeros(1, dtype=torch.uint8).expand(codec.MAX_BYTES + 1)
    with pytest.raises(CodecError):
        round_trip(large)
    with pytest.raises(CodecError, match="MB"):
        codec.pack({}, [bytes(2**20)] * 129)
