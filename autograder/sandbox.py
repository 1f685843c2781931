"""What the sandbox looks like from inside, and the limits of what runs in it.

`bubblewrap` is the boundary: no network, an own process space, a read-only Python environment, an
empty home, a size-limited scratch space, and no sight of anything else. `process` is the explicit,
weaker choice for systems without it: no boundary, and limits on time, memory and files alone.
"""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from autograder.course import ROOT
from autograder.errors import CourseError
from autograder.worker.confine import HOME, SCRATCH

WORKER = Path(__file__).resolve().parent / "worker"
ISOLATIONS = ("bubblewrap", "process")
DEVICES = ("cpu", "cuda")
PROGRAM = (sys.executable, "-P", "-m", "worker")


@dataclass(frozen=True)
class Limits:
    """What one notebook may use; times in seconds, sizes in bytes.

    All but `notebook_wall` begin anew where a notebook has to be run again.

    A call is one request: a statement of a cell, or a call of a task's function. Limits count
    processor time; the wall-clock limit is there for code that waits.
    """

    call_cpu: float = 10.0
    call_wall: float = 60.0
    start_wall: float = 120.0
    notebook_cpu: float = 300.0
    notebook_wall: float = 900.0
    memory: int = 4 * 2**30
    scratch: int = 64 * 2**20
    file: int = 32 * 2**20
    open_files: int = 256
    processes: int = 64
    restarts: int = 20


def bubblewrap_command(scratch: int, device: str) -> list[str]:
    """The command line that starts a worker's parent in bubblewrap; its settings are still to come.

    scratch: size of each scratch folder in bytes.
    """
    program = shutil.which("bwrap")
    if program is None:
        raise CourseError(
            "bubblewrap is not installed, and student code runs only in it: install it "
            "(Debian, Ubuntu: apt-get install bubblewrap), or choose --isolation process"
        )
    command = [program, "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
    command += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    command += ["--unshare-cgroup-try", "--hostname", "worker"]
    if is_root():
        for right in ("KILL", "SETUID", "SETGID", "SYS_ADMIN"):  # given up before student code runs
            command += ["--cap-add", f"CAP_{right}"]
    else:
        command += ["--unshare-user"]
    command += ["--proc", "/proc", "--dev", "/dev"]
    for folder in SCRATCH:
        command += ["--size", str(scratch), "--perms", "1777", "--tmpfs", folder]
    for path in visible_folders():  # after /tmp and /home, in which the environment may lie
        command += _mounted(path)
    if device == "cuda":
        command += _cuda_devices()
    command += ["--dir", "/grader", "--ro-bind", str(WORKER), "/grader/worker"]
    for name, value in (environment(HOME) | {"PYTHONPATH": "/grader"}).items():
        command += ["--setenv", name, value]
    command += ["--remount-ro", "/dev", "--remount-ro", "/"]  # both are memory without a limit
    return [*command, "--chdir", HOME, "--", *PROGRAM]


def environment(home: str) -> dict[str, str]:
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {
        "HOME": home,
        "IPYTHONDIR": f"{home}/.ipython",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": f"{home}/.matplotlib",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "USER": "student",
        **dict.fromkeys(threads, "1"),
    }


def visible_folders() -> list[Path]:
    """System and Python folders; CourseError where one of them would show the project."""
    folders = [*_system_folders(), *_python_folders()]
    for folder in folders:
        if ROOT.is_relative_to(folder.resolve()):
            raise CourseError(
                f"{ROOT}: the sandbox shows {folder} to student code, and the project lies in it; "
                "move the project, and install it with pip install --editable"
            )
    return folders


def _system_folders() -> list[Path]:
    names = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/fonts", "/etc/ld.so.cache")
    return [Path(name) for name in names if Path(name).exists()]


def _mounted(path: Path) -> list[str]:
    """The path at its own place, read-only; the folders above it hold nothing else."""
    if path.is_symlink():
        return ["--symlink", str(path.readlink()), str(path)]
    above = [word for parent in reversed(path.parents[:-1]) for word in ("--dir", str(parent))]
    return [*above, "--ro-bind", str(path), str(path)]


def _python_folders() -> list[Path]:
    """The Python installation and its environment, where they are not below /usr anyway."""
    folders = dict.fromkeys(Path(name) for name in (sys.base_prefix, sys.prefix))
    return [folder for folder in folders if not folder.is_relative_to("/usr")]


def _cuda_devices() -> list[str]:
    devices = [*Path("/dev").glob("nvidia*")]
    if not devices:
        raise CourseError("/dev/nvidia*: no CUDA device; grade with --device cpu")
    return [word for path in devices for word in ("--dev-bind", str(path), str(path))]


def is_root() -> bool:
    return os.geteuid() == 0
