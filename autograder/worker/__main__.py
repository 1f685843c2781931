"""The process from which workers are forked: it imports once what every notebook needs.

Started as `python -m worker SETTINGS` inside the sandbox; SETTINGS is JSON with the descriptor of
the control socket and the modules to import. It never runs student code itself, unless it is
ordered to become the worker. Nothing in it is secret.
"""

import importlib
import json
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgpack

from . import confine, pages
from .protocol import write_frame
from .serving import serve

Order = dict[str, Any]


def main(settings: dict[str, Any]) -> None:
    """Say whether workers can be forked here, and start one for each order that comes."""
    control = socket.socket(fileno=settings["control"])
    for module in settings["preload"]:
        with suppress(Exception):  # a notebook may want what is not installed: it is told itself
            importlib.import_module(module)
    refusal = _why_not(settings) if settings["nested"] else "not asked for"
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the grader reads stderr only up to here
    control.sendall(refusal.encode() + b"\0")
    if not refusal:
        pages.gather()
    while received := _received(control):
        order, descriptors = received
        if not order["fork"]:
            control.close()
            _become(order, descriptors)
            return
        if os.fork() == 0:
            control.close()
            _start(order, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _received(control: socket.socket) -> tuple[Order, list[int]] | None:
    """The next order with the two descriptors of its worker; None when the grader has gone."""
    header, descriptors, _, _ = socket.recv_fds(control, 4, 2)
    if len(header) < 4:
        return None
    length = int.from_bytes(header, "big")
    return msgpack.unpackb(control.recv(length, socket.MSG_WAITALL)), descriptors


def _why_not(settings: dict[str, Any]) -> str:
    """The reason why this process cannot be forked into namespaces; "" where it can."""
    if len(list(Path("/proc/self/task").iterdir())) != 1:
        return "an imported library has started threads"
    confine.hide()
    readable, writable = os.pipe()
    if (child := os.fork()) == 0:
        words = b""
        try:
            confine.enter_namespaces()
            if (inner := os.fork()) == 0:
                _surround(settings, writable)
            os.waitpid(inner, 0)
        except OSError as error:
            words = str(error).encode()
        os.write(writable, words)
        os._exit(0)
    os.close(writable)
    os.waitpid(child, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for workers
    with os.fdopen(readable, "rb") as file:
        return file.read().decode()


def _surround(settings: dict[str, Any], writable: int) -> None:
    try:
        confine.mount_surroundings(2**20, settings["visible"])
    except OSError as error:
        os.write(writable, str(error).encode())
    os._exit(0)


def _start(order: Order, descriptors: list[int]) -> None:
    """Fork the worker into its namespaces and wait for it; never returns.

    Three processes: the one that enters the namespaces, the first one in them, which buries the
    orphans and takes all with it when it ends, and the worker.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        confine.enter_namespaces()
        if (first := os.fork()) == 0:
            confine.mount_surroundings(order["scratch"], order["visible"])
            os.chdir(confine.HOME)
            confine.lay_out(order["public"], protect=True)
            confine.restrict(order)
            if (worker := os.fork()) == 0:
                serve(*descriptors)
                os._exit(0)
            _close(descriptors)
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # which the first process never receives
            while os.wait()[0] != worker:
                pass
        else:
            _close(descriptors)
            os.waitpid(first, 0)
    except BaseException as error:
        with suppress(OSError), os.fdopen(descriptors[1], "wb") as replies:
            write_frame(replies, b"!" + str(error).encode())
    os._exit(0)


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _become(order: Order, descriptors: list[int]) -> None:
    """Be the worker oneself, in the sandbox as it is."""
    confine.lay_out(order["public"], protect=False)
    confine.restrict(order)
    serve(*descriptors)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
