"""Values as bytes, in a closed vocabulary that never runs code: the only way across the boundary.

A message is a MessagePack map `{"objects": [...], "root": node}`, followed by the data of arrays,
tensors and generators. Everything that has an identity (lists, tuples, dicts, arrays, tensors,
random generators, handles) stands once in the object table and is referred to by its index, so
that one object passed twice stays one object and a cycle costs nothing. The peer keeps the table:
objects that were sent come back under the same index, and `write_back` writes what changed into
the sender's own objects.

Both sides use this module. What a worker sends is hostile until it is decoded: every length, type
and shape is verified, and anything else raises `CodecError`. The map is limited to a small share
of a message because a byte of it can become an object of a hundred bytes.
"""

import math
import re
import struct
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import msgpack
import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided

MAX_MESSAGE = 128 * 2**20
MAX_BYTES = 64 * 2**20
MAX_STRUCTURE = 4 * 2**20
MAX_OBJECTS = 100_000
MAX_ITEMS = 1_000_000
MAX_DIMENSIONS = 16
MAX_TUPLE_KEYS = 1000
MAX_DIGITS = 4000

_PLAIN = (type(None), bool, float, str, bytes)
_TORCH_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
        *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
        *(torch.bool, torch.complex64, torch.complex128),
    )
}
_NUMPY_KINDS = "biufcUS"
_NUMPY_NAME = re.compile(f"[<>|=][{_NUMPY_KINDS}][0-9]{{1,5}}")
_LAST_CHARACTER = 0x10FFFF
# Nested, not hashable, or of many values with one hash: extended precision is hashed as a float64.
_SLOW_KEYS = (tuple, slice, complex, np.complexfloating, np.longdouble)
_CONTAINERS = (tuple, list, dict)
_DATA_PLACE = {"tensor": 4, "array": 4, "torch_generator": 1}

Node = Any
Foreign = Callable[[Any], list[Any]]
Local = Callable[[list[Any]], Any]


class CodecError(Exception):
    """A value outside the vocabulary, or bytes that do not follow the protocol."""


class Peer:
    """A container whose class is the peer's own: the original stays there and comes back to it."""

    handle: Any


class PeerTuple(Peer, tuple):
    """The items of a tuple, such as a named one."""


class PeerList(Peer, list):
    """The items of a list; the original has the present ones again when it comes back."""


class PeerDict(Peer, dict):
    """The items of a dict, as of a list."""


def _refuse_to_encode(value: Any) -> list[Any]:
    raise CodecError(f"cannot send a value of type {type(value).__name__}")


def _refuse_to_decode(entry: list[Any]) -> Any:
    raise CodecError(f"unknown object {str(entry[0])[:40]!r}")


class Encoder:
    """Collects the objects of one message.

    `foreign` turns a value outside the vocabulary into an entry of the table (a handle, a recipe,
    a callback); by default such a value raises CodecError. With `keeps_classes` it also makes the
    handle of a tuple, list or dict of another class than these: the receiver has its items in a
    `Peer`. Without, they are sent as plain ones.
    """

    def __init__(self, foreign: Foreign = _refuse_to_encode, keeps_classes: bool = False) -> None:
        self.objects: list[Any] = []
        self.entries: list[list[Any] | None] = []
        self._index: dict[int, int] = {}
        self._foreign = foreign
        self._keeps_classes = keeps_classes

    def returning(self, received: "Decoder") -> "Encoder":
        """Begin the table with the objects that came, each None unless it has changed since."""
        self.objects = list(received.everything())
        self.entries = [None] * len(self.objects)
        self._index = {id(value): index for index, value in enumerate(self.objects)}
        for index, (value, before) in enumerate(
            zip(received.objects, received.entries, strict=True)
        ):
            if before[0] in _MUTABLE_KINDS and (now := self.entry(value)) != before:
                self.entries[index] = now
        return self

    def node(self, value: Any) -> Node:
        """A reference to `value`, which is added to the table where it has an identity."""
        if type(value) in _PLAIN:
            return value
        if type(value) is int:
            return value if _is_short(value) else ["int", str(value)]
        immutable = _immutable_node(value, self.node)
        if immutable is not None:
            return immutable
        index = self._index.get(id(value))
        if index is None:
            index = self._add(value)
        return ["object", index]

    def _add(self, value: Any) -> int:
        index = len(self.objects)
        self._index[id(value)] = index
        self.objects.append(value)
        self.entries.append(None)
        self.entries[index] = self.entry(value)
        return index

    def entry(self, value: Any) -> list[Any]:
        """The description of one object; its parts are nodes."""
        if isinstance(value, dict):
            pairs = [[self.node(key), self.node(item)] for key, item in value.items()]
            return ["dict", pairs, *self._original(value)]
        if isinstance(value, PeerTuple):
            return self._foreign(value.handle)
        if isinstance(value, tuple | list):
            kind = "list" if isinstance(value, list) else "tuple"
            return [kind, [self.node(item) for item in value], *self._original(value)]
        if isinstance(value, torch.Tensor) and value.grad_fn is None:
            return self._tensor(value)
        if isinstance(value, np.ndarray) and value.dtype.kind in _NUMPY_KINDS:
            return ["array", value.dtype.str, *_array_layout(value)]
        if isinstance(value, torch.Generator):
            return ["torch_generator", value.get_state().numpy().tobytes()]
        if isinstance(value, np.random.Generator) and type(value.bit_generator) is np.random.PCG64:
            return ["numpy_generator", _numpy_state(value.bit_generator.state, self.node)]
        return self._foreign(value)

    def _original(self, value: Any) -> list[list[Any]]:
        """The handle of a container of another class than the plain ones, where it is kept."""
        if isinstance(value, Peer):
            return [self._foreign(value.handle)]
        kept = self._keeps_classes and type(value) not in _CONTAINERS
        return [self._foreign(value)] if kept else []

    def _tensor(self, value: torch.Tensor) -> list[Any]:
        name = str(value.dtype).removeprefix("torch.")
        if name not in _TORCH_DTYPES or value.layout is not torch.strided or value.is_meta:
            return self._foreign(value)
        grad = None if value.grad is None else self.node(_without_graph(value.grad))
        plain = value.detach().resolve_conj().resolve_neg().cpu()
        shape, strides = list(plain.shape), list(plain.stride())
        data = _laid_out(plain).view(torch.uint8).numpy().tobytes() if plain.numel() else b""
        return ["tensor", name, shape, strides, data, str(value.device), value.requires_grad, grad]

    def message(self, root: Node) -> bytes:
        """The bytes of the whole message; CodecError where it is nested too deeply or too large."""
        parts: list[bytes] = []
        objects = [_data_apart(entry, parts) for entry in self.entries]
        return pack({"objects": objects, "root": root}, parts)


def _is_short(value: int) -> bool:
    return -(2**63) <= value < 2**63


def _without_graph(gradient: torch.Tensor) -> torch.Tensor:
    return gradient if gradient.grad_fn is None else gradient.detach()


def _immutable_node(value: Any, node: Callable[[Any], Node]) -> Node | None:
    if type(value) is complex:
        return ["complex", value.real, value.imag]
    if type(value) is slice:
        return ["slice", node(value.start), node(value.stop), node(value.step)]
    if value is Ellipsis:
        return ["ellipsis"]
    if isinstance(value, torch.Size):
        return ["size", [int(length) for length in value]]
    if isinstance(value, torch.dtype):
        return ["dtype", str(value).removeprefix("torch.")]
    if isinstance(value, torch.device):
        return ["device", str(value)]
    if isinstance(value, np.generic) and value.dtype.kind in _NUMPY_KINDS:
        array = np.array([value])  # in which an empty text has a size
        return ["scalar", array.dtype.str, array.tobytes()]
    return None


def _laid_out(plain: torch.Tensor) -> torch.Tensor:
    """The items from the first to the last one in memory, without dimensions.

    Items between them that do not belong to the tensor stay behind: they travel as zeros.
    """
    if plain.is_contiguous():
        return plain.as_strided((plain.numel(),), (1,))
    span = _span(plain.shape, plain.stride())
    whole = plain.as_strided((span,), (1,))
    mine = torch.arange(span).as_strided(plain.shape, plain.stride()).flatten()
    return torch.zeros_like(whole).index_copy_(0, mine, whole[mine])


def _array_layout(value: np.ndarray) -> tuple[list[int], list[int], bytes]:
    """Shape, strides in items, and the bytes from the first to the last item.

    A layout that items cannot count (negative or odd strides) is sent as a contiguous copy; items
    in between that do not belong to the array stay behind.
    """
    size = value.dtype.itemsize
    regular = size > 0 and all(step >= 0 and step % size == 0 for step in value.strides)
    plain = np.asarray(value) if regular else np.array(value, order="C", subok=False)
    shape, strides = list(plain.shape), [step // max(size, 1) for step in plain.strides]
    whole = np.zeros(_span(shape, strides), dtype=plain.dtype)
    if whole.size:
        as_strided(whole, shape, plain.strides)[...] = plain
    return shape, strides, whole.tobytes()


def _numpy_state(state: Any, node: Callable[[Any], Node]) -> Any:
    return {key: _numpy_state(item, node) if isinstance(item, dict) else node(item)
            for key, item in state.items()}  # fmt: skip


def _span(shape: Iterable[int], strides: Iterable[int]) -> int:
    """How many items lie between the first and the last one of a strided layout, both included."""
    lengths = list(shape)
    if 0 in lengths:
        return 0
    return 1 + sum((length - 1) * step for length, step in zip(lengths, strides, strict=True))


class Decoder:
    """Rebuilds the objects of one message.

    `local` turns an entry outside the vocabulary into a value.
    """

    def __init__(self, message: bytes, local: Local = _refuse_to_decode) -> None:
        content, data = unpack(message)
        if not isinstance(content, dict) or not isinstance(content.get("objects"), list):
            raise CodecError("a message is a map with a list of objects")
        if len(content["objects"]) > MAX_OBJECTS:
            raise CodecError(f"more than {MAX_OBJECTS} objects")
        self.entries: list[list[Any]] = _data_together(content["objects"], data)
        self.objects: list[Any] = [_ABSENT] * len(self.entries)
        self._items = 0
        self._items_of = [1] * len(self.entries)
        self._root = content.get("root")
        self._local = local

    def root(self) -> Any:
        return self.guarded(lambda: self.value(self._root))

    def everything(self) -> list[Any]:
        """All objects of the table, in order."""
        return self.guarded(lambda: [self._object(index) for index in range(len(self.entries))])

    def guarded(self, build: Callable[[], Any]) -> Any:
        """What `build` returns; whatever it raises over hostile content becomes CodecError."""
        try:
            return build()
        except CodecError:
            raise
        except RecursionError:
            raise CodecError("the value is nested too deeply") from None
        except Exception as error:
            raise CodecError(f"malformed value: {type(error).__name__}") from None

    def value(self, node: Node) -> Any:
        """The value of a node.

        Items are counted as often as they are reached: a list of a list twice, that of another
        twice, and so on, is short to send and endless to print, to hash and to compare.
        """
        self._items += 1
        if self._items > MAX_ITEMS:
            raise CodecError(f"more than {MAX_ITEMS} items")
        if isinstance(node, (*_PLAIN, int)):
            return node
        tag, *parts = node
        if tag == "object":
            return self._object(parts[0])
        return self._immutable(tag, parts)

    def _immutable(self, tag: str, parts: list[Any]) -> Any:
        if tag == "int":
            if not isinstance(parts[0], str) or len(parts[0]) > MAX_DIGITS:
                raise CodecError(f"an integer of more than {MAX_DIGITS} digits")
            return int(parts[0])
        if tag == "complex":
            return complex(parts[0], parts[1])
        if tag == "slice":
            start, stop, step = (self._bound(part) for part in parts)
            return slice(start, stop, step)
        if tag == "ellipsis":
            return Ellipsis
        if tag == "size":
            return torch.Size(parts[0])
        if tag == "dtype":
            return _TORCH_DTYPES[parts[0]]
        if tag == "device":
            return torch.device(parts[0])
        if tag == "scalar":
            return _array(parts[0], [], [], parts[1])[()]
        raise CodecError("unknown value")

    def _bound(self, node: Node) -> int | np.integer | None:
        bound = self.value(node)
        if bound is not None and not isinstance(bound, int | np.integer):
            raise CodecError("a slice between things that are no integers")
        return bound

    def _object(self, index: int) -> Any:
        if type(index) is not int or not 0 <= index < len(self.entries):
            raise CodecError("a reference to no object")
        if self.objects[index] is _ABSENT:
            before = self._items
            self._build(index)
            self._items_of[index] += self._items - before
        else:
            self._items += self._items_of[index]
        if self.objects[index] is _UNFINISHED:
            raise CodecError("a tuple or a gradient that contains itself")
        return self.objects[index]

    def _build(self, index: int) -> None:
        kind, *parts = self.entries[index]
        if kind in ("dict", "list"):
            self.objects[index] = container = self._empty(kind, *parts[1:])
            self.objects[index] = _filled(container, self.contents(kind, parts[0]))
        else:
            self.objects[index] = _UNFINISHED
            whole = self._tuple(*parts) if kind == "tuple" else self.build(self.entries[index])
            self.objects[index] = whole

    def _empty(self, kind: str, original: list[Any] | None = None) -> list | dict:
        """What a list or dict is filled into: one's own original that comes back, if it is one."""
        plain, peers = (dict, PeerDict) if kind == "dict" else (list, PeerList)
        if original is None:
            return plain()
        known = self._local(original)
        return known if isinstance(known, plain) else _of_peer(peers(), known)

    def _tuple(self, nodes: list[Any], original: list[Any] | None = None) -> tuple:
        items = tuple(self.value(node) for node in nodes)
        return items if original is None else _of_peer(PeerTuple(items), self._local(original))

    def contents(self, kind: str, nodes: list[Any]) -> list[Any]:
        return self.items(nodes) if kind == "dict" else [self.value(node) for node in nodes]

    def items(self, pairs: list[Any]) -> list[tuple[Any, Any]]:
        """Keys and values of a dict; keys that can be chosen to be slow to hash are refused."""
        items = [(self.value(key), self.value(item)) for key, item in pairs]
        tuples = [key for key, _ in items if isinstance(key, tuple)]
        if len(tuples) > MAX_TUPLE_KEYS:
            raise CodecError(f"more than {MAX_TUPLE_KEYS} keys that are tuples")
        parts = [part for key in tuples for part in key]
        for key in (*(key for key, _ in items if not isinstance(key, tuple)), *parts):
            long = isinstance(key, int) and not _is_short(key)
            if long or isinstance(key, _SLOW_KEYS):
                raise CodecError(f"a key of type {type(key).__name__}")
        return items

    def build(self, entry: list[Any]) -> Any:
        """The object of an entry that is not a container."""
        kind, *parts = entry
        if kind == "tensor":
            return self._tensor(*parts)
        if kind == "array":
            return _array(*parts)
        if kind == "torch_generator":
            return _torch_generator(parts[0])
        if kind == "numpy_generator":
            return self._numpy_generator(parts[0])
        return self._local(entry)

    def _tensor(
        self,
        name: str,
        shape: list[int],
        strides: list[int],
        data: bytes,
        device: str,
        requires_grad: bool,
        grad: Node,
    ) -> torch.Tensor:
        dtype = _TORCH_DTYPES[name]
        span = _verified_span(shape, strides, len(data), dtype.itemsize)
        if dtype is torch.bool:
            _verify_truth_values(data)
        if span:
            flat = torch.frombuffer(bytearray(data), dtype=dtype)
            tensor = flat.as_strided(shape, strides).to(_device(device))
        else:
            tensor = torch.empty(shape, dtype=dtype, device=_device(device))
        if requires_grad is True:
            tensor.requires_grad_(True)
        if grad is not None:
            tensor.grad = self.value(grad)
        return tensor

    def _numpy_generator(self, state: Any) -> np.random.Generator:
        restored: Any = {
            key: {inner: self.value(item) for inner, item in part.items()}
            if isinstance(part, dict)
            else self.value(part)
            for key, part in state.items()
        }
        bits = np.random.PCG64()  # the others trust a position in a buffer that they are given
        bits.state = restored
        return np.random.Generator(bits)


def _of_peer(container: Peer, handle: Any) -> Any:
    container.handle = handle
    return container


def _filled(container: list | dict, items: list[Any]) -> list | dict:
    """The container with these items alone; a plain one where its class does not take them."""
    before = dict(container) if isinstance(container, dict) else {}
    try:
        _refill(container, items)
    except Exception:
        if isinstance(container, list):
            return items
        dict.update(container, before)
        return dict(items)
    return container


class _Marker:
    pass


_ABSENT, _UNFINISHED = _Marker(), _Marker()


def _array(name: str, shape: list[int], strides: list[int], data: bytes) -> np.ndarray:
    dtype = _numpy_dtype(name)
    span = _verified_span(shape, strides, len(data), dtype.itemsize)
    if dtype.kind == "b":
        _verify_truth_values(data)
    if dtype.kind == "U":
        _verify_characters(data, dtype.byteorder)
    if not span:
        return np.empty(shape, dtype=dtype)
    flat = np.frombuffer(bytearray(data), dtype=dtype)
    return as_strided(flat, shape, [step * dtype.itemsize for step in strides])


def _numpy_dtype(name: str) -> np.dtype:
    dtype = np.dtype(name) if _NUMPY_NAME.fullmatch(name) else None
    if dtype is None or dtype.itemsize == 0:
        raise CodecError("an unknown dtype")
    return dtype


def _verify_truth_values(data: bytes) -> None:
    """NumPy and torch take it for granted that a truth value is the byte 0 or 1."""
    if data.strip(b"\0\1"):
        raise CodecError("a truth value that is neither true nor false")


def _verify_characters(data: bytes, order: str) -> None:
    if data and np.frombuffer(data, dtype=f"{order}u4").max() > _LAST_CHARACTER:
        raise CodecError("a character that does not exist")


def _verified_span(shape: list[int], strides: list[int], length: int, item: int) -> int:
    if len(shape) > MAX_DIMENSIONS or len(shape) != len(strides):
        raise CodecError("shape and strides do not belong together")
    if not all(type(number) is int and 0 <= number <= MAX_BYTES for number in (*shape, *strides)):
        raise CodecError("a length or stride that no array has")
    span = _span(shape, strides)
    if math.prod(shape) * item > MAX_BYTES or span * item != length:
        raise CodecError("the data do not have the length that the shape asks for")
    return span


def _device(name: str) -> torch.device:
    device = torch.device(name)
    if device.type == "cuda" and torch.cuda.is_available():
        return device
    return torch.device("cpu")


def _torch_generator(state: bytes) -> torch.Generator:
    _, left, _, following = struct.unpack_from("<QiiQ", state)
    if left + following > _GENERATOR_WORDS + 1:
        raise CodecError("a generator that would read past its state")
    generator = torch.Generator()
    generator.set_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))
    return generator


_GENERATOR_WORDS = 624


def write_back(originals: list[Any], decoder: Decoder) -> Any:
    """Write the peer's changes into the objects that were sent to it; return the message's root.

    The peer's table begins with those objects in their order; None in place of an entry says that
    the object has not changed.
    """
    if len(decoder.entries) < len(originals):
        raise CodecError("objects that were sent are missing")
    changed = []
    for index, original in enumerate(originals):
        if decoder.entries[index] is not None and isinstance(original, _MUTABLE):
            changed.append((original, decoder.entries[index]))
        decoder.objects[index] = original
    root = decoder.root()
    for original, entry in changed:
        decoder.guarded(partial(_restore, original, entry, decoder))
    return root


_MUTABLE_KINDS = ("list", "dict", "tensor", "array", "torch_generator", "numpy_generator")
_MUTABLE = (list, dict, torch.Tensor, np.ndarray, torch.Generator, np.random.Generator)


def _restore(original: Any, entry: list[Any], decoder: Decoder) -> None:
    if isinstance(original, list | dict):
        kind, nodes, *_ = entry
        if kind != ("list" if isinstance(original, list) else "dict"):
            raise CodecError("an object changed its type")
        _refill(original, decoder.contents(kind, nodes))
        return
    present = decoder.build(entry)
    if isinstance(original, torch.Tensor) and isinstance(present, torch.Tensor):
        _restore_tensor(original, present)
    elif isinstance(original, np.ndarray) and isinstance(present, np.ndarray):
        np.copyto(original, present, casting="no")
    elif isinstance(original, torch.Generator) and isinstance(present, torch.Generator):
        original.set_state(present.get_state())
    elif isinstance(original, np.random.Generator) and isinstance(present, np.random.Generator):
        original.bit_generator.state = present.bit_generator.state
    else:
        raise CodecError("an object changed its type")


def _refill(original: list | dict, items: list[Any]) -> None:
    if isinstance(original, list):
        original[:] = items
    else:
        original.clear()
        original.update(dict(items))


def _restore_tensor(original: torch.Tensor, present: torch.Tensor) -> None:
    with torch.no_grad():
        if original.shape == present.shape and original.dtype == present.dtype:
            if not torch.equal(original, present):  # copying into an expanded tensor is an error
                original.data.copy_(present)
        else:
            original.data = present.detach()
    original.grad = present.grad
    if original.requires_grad != present.requires_grad:
        original.requires_grad_(present.requires_grad)


def _data_apart(entry: list[Any] | None, parts: list[bytes]) -> list[Any] | None:
    """The entry with the length of its data in place of the data, which go to `parts`."""
    if entry is None or entry[0] not in _DATA_PLACE:
        return entry
    place = _DATA_PLACE[entry[0]]
    parts.append(entry[place])
    return [*entry[:place], len(entry[place]), *entry[place + 1 :]]


def _data_together(entries: list[Any], data: memoryview) -> list[Any]:
    """The inverse: entries with their data; raises CodecError where a length is not right."""
    for entry in entries:
        if not isinstance(entry, list) or not entry or not isinstance(entry[0], str):
            if entry is not None:
                raise CodecError("an entry that is no list")
            continue
        place = _DATA_PLACE.get(entry[0])
        if place is None:
            continue
        length = entry[place] if place < len(entry) else None
        if type(length) is not int or not 0 <= length <= len(data):
            raise CodecError("data that are not there")
        entry[place], data = bytes(data[:length]), data[length:]
    return entries


def pack(content: Any, parts: Sequence[bytes] = ()) -> bytes:
    """The length of a MessagePack structure, the structure, and data that belong to it.

    Raises CodecError where it is nested too deeply or too large.
    """
    try:
        structure = msgpack.packb(content, use_bin_type=True)
    except (ValueError, OverflowError, RecursionError) as error:
        raise CodecError(f"cannot be packed: {type(error).__name__}") from None
    if len(structure) > MAX_STRUCTURE:
        raise CodecError("too many items; return an array or a tensor instead of many numbers")
    if len(structure) + sum(map(len, parts)) > MAX_MESSAGE:
        raise CodecError(f"arrays of more than {MAX_MESSAGE // 2**20} MB")
    return b"".join((struct.pack(">I", len(structure)), structure, *parts))


def unpack(message: bytes) -> tuple[Any, memoryview]:
    """The inverse; raises CodecError for anything malformed."""
    whole = memoryview(message)
    length = int.from_bytes(whole[:4], "big")
    if len(whole) < 4 or length > min(MAX_STRUCTURE, len(whole) - 4):
        raise CodecError("not a message: its length is wrong")
    try:
        return msgpack.unpackb(whole[4 : 4 + length], raw=False), whole[4 + length :]
    except Exception as error:  # whatever the parser meets in hostile bytes
        raise CodecError(f"not a message: {type(error).__name__}") from None
