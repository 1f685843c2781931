"""Kernels that are forks: of one process that imports, and otherwise like any other kernel."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

pytestmark = [
    pytest.mark.usefixtures("forked_kernels"),
    pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux alone"),
]


class Kernel:
    """A kernel in a folder, and what cells print there."""

    def __init__(self, folder: Path) -> None:
        self.manager = KernelManager()
        self.manager.start_kernel(cwd=str(folder), env=os.environ | {"PLACE": "here"})
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def printed(self, cell: str) -> str:
        texts: list[str] = []
        self.client.execute_interactive(
            cell,
            timeout=60,
            output_hook=lambda message: texts.append(message["content"].get("text", "")),
        )
        return "".join(texts)

    def end(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def process(self) -> psutil.Process:
        return psutil.Process(int(self.printed("import os; print(os.getpid())")))


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    (tmp_path / "beside.py").write_text("NAME = 'beside'")
    made = Kernel(tmp_path)
    yield made
    made.end()


def test_a_kernel_has_its_own_folder_and_environment(kernel: Kernel, tmp_path: Path) -> None:
    cell = "import os, beside; print(os.getcwd(), os.environ['PLACE'], beside.NAME)"
    assert kernel.printed(cell).split() == [str(tmp_path), "here", "beside"]


def test_torch_is_there_and_no_name_is(kernel: Kernel) -> None:
    assert kernel.printed("import sys; print('torch' in sys.modules, 'torch' in globals())") == (
        "True False\n"
    )


def test_kernels_are_separate_forks_of_one_process(kernel: Kernel, tmp_path: Path) -> None:
    other = Kernel(tmp_path)
    kernel.printed("import torch; torch.left = 'behind'")
    assert other.printed("import torch; print(hasattr(torch, 'left'))") == "False\n"
    assert other.process().parent() == kernel.process().parent()
    other.end()


def test_a_kernel_knows_how_its_own_children_ended(kernel: Kernel) -> None:
    cell = "import subprocess; print(subprocess.run(['false']).returncode)"
    assert kernel.printed(cell) == "1\n"


def test_a_kernel_can_be_interrupted(kernel: Kernel) -> None:
    waiting = kernel.client.execute("import time\nprint('begun', flush=True)\ntime.sleep(60)")
    while kernel.client.get_iopub_msg(timeout=10)["msg_type"] != "stream":
        pass
    kernel.manager.interrupt_kernel()
    while (reply := kernel.client.get_shell_msg(timeout=10))["parent_header"]["msg_id"] != waiting:
        pass
    assert reply["content"]["ename"] == "KeyboardInterrupt"


@pytest.mark.parametrize("now", [True, False])
def test_a_kernel_that_is_shut_down_is_gone(kernel: Kernel, now: bool) -> None:
    process = kernel.process()
    assert kernel.manager.is_alive()
    kernel.manager.shutdown_kernel(now=now)
    assert not process.is_running()
    assert not kernel.manager.is_alive()


def test_a_kernel_ends_with_the_process_that_it_comes_from(kernel: Kernel, tmp_path: Path) -> None:
    process = kernel.process()
    host = process.parent()
    assert host is not None
    host.kill()
    process.wait(10)
    other = Kernel(tmp_path)
    assert other.process().parent() not in (None, host)
    other.end()
