"""The process from which workers are forked: it imports once what every notebook needs.

Started as `python -m worker SETTINGS` inside the sandbox; SETTINGS is JSON with the descriptor of
the control socket and the modules to import. It never runs student code itself, unless it is
ordered to become the worker. Nothing in it is secret.
"""

import gc
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

Order = dict[str, Any]


def main(settings: dict[str, Any]) -> None:
    """Say whether workers can be forked here, and start one for each order that comes."""
    control = socket.socket(fileno=settings["control"])
    gc.disable()  # what is imported stays: the collector would look through it many times
    importlib.import_module("worker.serving")
    for module in settings["preload"]:
        with suppress(Exception):  # a notebook may want what is not installed: it is told itself
            importlib.import_module(module)
    gc.freeze()  # nor may it write to every page that parent and forks share
    gc.enable()
    refusal = _why_not(settings) if settings["nested"] else "not asked for"
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the grader reads stderr only up to here
    control.sendall(refusal.encode() + b"\0")
    workers = 0
    while descriptors := _received(control):
        if refusal:
            control.close()
            _become(*descriptors)
            return
        if (workers := workers + 1) == pages.WORTH_GATHERING:
            pages.gather()
        if os.fork() == 0:
            control.close()
            _start(*descriptors)
        _close(*descriptors)


def _received(control: socket.socket) -> list[int] | None:
    """Descriptors of the next worker: requests, replies, lifeline; None when nobody will ask."""
    word, descriptors, _, _ = socket.recv_fds(control, 1, 3)
    return descriptors if word else None


def _order(lifeline: socket.socket) -> Order:
    """What the worker is to be; the byte that asks for it tells the grader which process asks."""
    lifeline.sendall(b"?")
    header = lifeline.recv(4, socket.MSG_WAITALL)
    return msgpack.unpackb(lifeline.recv(int.from_bytes(header, "big"), socket.MSG_WAITALL))


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


def _start(requests: int, replies: int, lifeline: int) -> None:
    """Fork the worker into its namespaces and wait until the grader lets go; never returns.

    Three processes: the one that enters the namespaces, the first one in them, which buries the
    orphans and takes all with it when it ends, and the worker.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    grader = socket.socket(fileno=lifeline)
    try:
        order = _order(grader)
        confine.enter_namespaces()
        if os.fork() == 0:
            grader.close()
            confine.mount_surroundings(order["scratch"], order["visible"])
            os.chdir(confine.HOME)
            confine.lay_out(order["public"], protect=True)
            confine.restrict(order)
            confine.end_with_parent()
            if (worker := os.fork()) == 0:
                _serve(requests, replies)
                os._exit(0)
            _close(requests, replies)
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # which the first process never receives
            while os.wait()[0] != worker:
                pass
        else:
            _close(requests, replies)
            grader.recv(1)
    except BaseException as error:
        with suppress(OSError), os.fdopen(replies, "wb") as stream:
            write_frame(stream, b"!" + str(error).encode())
    os._exit(0)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def _become(requests: int, replies: int, lifeline: int) -> None:
    """Be the worker oneself, in the sandbox as it is."""
    with socket.socket(fileno=lifeline) as grader:
        order = _order(grader)
    confine.lay_out(order["public"], protect=False)
    confine.restrict(order)
    _serve(requests, replies)


def _serve(requests: int, replies: int) -> None:
    from .serving import serve  # with torch, which `main` has imported

    serve(requests, replies)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
