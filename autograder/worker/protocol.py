"""Frames on a pipe: four bytes of length, then that many bytes."""

import struct
from typing import BinaryIO

MAX_FRAME = 130 * 2**20


class ProtocolError(Exception):
    """The peer closed the pipe or announced a frame beyond the limit."""


def write_frame(stream: BinaryIO, payload: bytes) -> None:
    """Send one frame; raises ProtocolError where it is too long."""
    if len(payload) > MAX_FRAME:
        raise ProtocolError(f"a frame of {len(payload)} bytes is over the limit")
    stream.write(struct.pack(">I", len(payload)) + payload)
    stream.flush()


def read_frame(stream: BinaryIO) -> bytes:
    """The next frame; raises ProtocolError at the end of the stream or beyond the limit."""
    (length,) = struct.unpack(">I", _exactly(stream, 4))
    if length > MAX_FRAME:
        raise ProtocolError(f"a frame of {length} bytes is over the limit")
    return _exactly(stream, length)


def _exactly(stream: BinaryIO, length: int) -> bytes:
    parts = []
    while length:
        part = stream.read(min(length, 2**20))
        if not part:
            raise ProtocolError("the peer closed the connection")
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
