"""Jupyter kernels that start at once: each is a fork of a Python that has imported what they use.

Most of the time that a page of the book needs is the import of torch in its kernel. Here it is
imported once for all pages: `use_forks()` makes this the way in which a process starts kernels.
"""

import atexit
import contextlib
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

from autograder.errors import CourseError
from autograder.preload import collector_off
from autograder.processes import is_alive

NAME = "forked"  # as the entry point in pyproject.toml
IMPORTED = (
    "ipykernel.kernelapp",
    "matplotlib.pyplot",
    "numpy",
    "scipy.stats",
    "sklearn.datasets",
    "torch",
    "torch._dynamo",  # which the first optimizer imports
    "torch.utils.flop_counter",
    "torchvision.models",
)
BACKEND = "module://matplotlib_inline.backend_inline"  # as ipykernel sets it


def use_forks() -> None:
    """Let this process start kernels as forks, where a process can safely be forked: on Linux."""
    if sys.platform == "linux":
        KernelProvisionerFactory.instance().default_provisioner_name = NAME


class ForkedProvisioner(LocalProvisioner):
    """Starts a kernel as a fork and watches over it as over any local kernel."""

    process: Any

    async def launch_kernel(self, cmd: list[str], **options: Any) -> KernelConnectionInfo:
        """Raises CourseError where no process starts from which kernels can be forked."""
        words = cmd[cmd.index("-f") :]
        if _host().has_ended:
            _host.cache_clear()
        self.pid = _host().fork(words, options.get("cwd") or Path.cwd(), options["env"])
        self.pgid = self.pid
        self.process = _Kernel(self.pid)
        return self.connection_info


class _Kernel:
    """What LocalProvisioner asks of a subprocess, of one that is no child of this process."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)

    def poll(self) -> int | None:
        return None if is_alive(self._process) else 0

    def wait(self) -> int:
        self._process.wait()
        return 0

    def send_signal(self, number: int) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            self._process.send_signal(number)


class _Host:
    """The process from which kernels are forked; it ends with the one that started it."""

    def __init__(self) -> None:
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                env=os.environ | {"MPLBACKEND": BACKEND},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                process_group=0,  # an interrupt from the keyboard is for whoever asks
            )
        atexit.register(self.end)

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def fork(self, words: Sequence[str], folder: str | Path, environment: dict[str, str]) -> int:
        """The number of a new kernel process with these arguments."""
        try:
            self._connection.send((words, folder, environment))
            number: int = self._connection.recv()
        except (EOFError, OSError) as error:
            raise CourseError("no kernel starts: what stands above says why") from error
        return number

    def end(self) -> None:
        self._connection.close()
        self._process.wait()


@cache
def _host() -> _Host:
    return _Host()


def main() -> None:
    """Import, then fork a kernel for each order that comes: arguments, folder, environment."""
    connection = Connection(int(sys.argv[1]))
    del sys.path[0]  # the folder in which this was started; a kernel looks in its own
    with collector_off():
        for name in IMPORTED:
            importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody here waits for kernels
    while True:
        try:
            words, folder, environment = connection.recv()
        except EOFError:
            os._exit(0)  # libraries have much to say about an end with so much imported
        if (number := os.fork()) == 0:
            connection.close()
            return _be_kernel(words, folder, environment)
        connection.send(number)


def _be_kernel(words: list[str], folder: str, environment: dict[str, str]) -> None:
    from ipykernel.kernelapp import IPKernelApp

    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    parent = f"--IPKernelApp.parent_handle={os.getppid()}"  # with which the kernel ends
    IPKernelApp.launch_instance([*words, parent])


if __name__ == "__main__":
    main()
