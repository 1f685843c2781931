"""What the sandbox keeps from student code, and how it ends what goes on too long."""

import json
import os
import platform
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from autograder import parents, sandbox, seccomp
from autograder.course import ROOT
from autograder.errors import CourseError
from autograder.notebook import NotebookChannel
from autograder.parents import Parent
from autograder.sandbox import Limits
from autograder.student import StoppedError, Student, StudentError
from autograder.submission import CodeCell
from autograder.workers import Worker

MEGABYTE = 2**20
SMALL = Limits(
    call_cpu=1,
    call_wall=60,
    memory=3 * 2**30 // 2,
    scratch=8 * MEGABYTE,
    file=4 * MEGABYTE,
    open_files=64,
    processes=12,
)

OUTER = {b"PATH", b"PWD", b""}
LOOK = """
import ctypes, os, resource, shutil, socket, subprocess, sys, tempfile
import numpy, torch

def listing(path):
    return sorted(os.listdir(path))

def reads(path):
    try:
        return open(path, "rb").read(1000)
    except OSError as error:
        return error.errno

def writes(path):
    try:
        with open(path, "w") as file:
            file.write("x")
        return True
    except OSError:
        return False

def attempt(action, *arguments):
    try:
        return getattr(os, action)(*arguments)
    except OSError as error:
        return error.errno

def environment():
    return dict(os.environ)

def identity():
    return {"uid": os.getresuid(), "gid": os.getresgid(), "groups": os.getgroups(),
            "pid": os.getpid(), "cwd": os.getcwd()}

def status():
    return dict(line.strip("\\n").split(":\\t", 1) for line in open("/proc/self/status")
                if ":\\t" in line)

def processes():
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())

def interfaces():
    return [name for _, name in socket.if_nameindex()]

def connects(host, port):
    with socket.socket() as client:
        client.settimeout(2)
        return client.connect_ex((host, port))

def descriptors():
    return {int(fd): os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
            if os.path.lexists(f"/proc/self/fd/{fd}")}

def system_call(number, *arguments):
    library = ctypes.CDLL(None, use_errno=True)
    result = library.syscall(number, *map(ctypes.c_long, arguments))
    return ctypes.get_errno() if result == -1 else 0

def threads():
    return torch.get_num_threads(), len(os.listdir("/proc/self/task"))

def limits():
    return {name: resource.getrlimit(getattr(resource, name))
            for name in ("RLIMIT_CORE", "RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_FSIZE",
                         "RLIMIT_NOFILE", "RLIMIT_NPROC")}

def fill(folder, size):
    written = 0
    try:
        for number in range(1000):
            with open(f"{folder}/{number}", "wb") as file:
                written += file.write(bytes(size))
    except OSError:
        pass
    finally:
        for name in os.listdir(folder):
            if name.isdigit():
                os.unlink(f"{folder}/{name}")
    return written

def file_of(size):
    with open("large", "wb", buffering=0) as file:
        written = sum(file.write(bytes(2**20)) for _ in range(size // 2**20))
    return written

def open_many():
    files = []
    try:
        while len(files) < 10_000:
            files.append(open("/dev/null"))
    except OSError:
        return len(files)
    finally:
        for file in files:
            file.close()

def fork_many():
    children = []
    try:
        while len(children) < 1000:
            child = os.fork()
            if child == 0:
                import time
                time.sleep(60)
                os._exit(0)
            children.append(child)
    except OSError:
        return len(children)
    finally:
        for child in children:
            os.kill(child, 9)
            os.waitpid(child, 0)

def allocate(gigabytes):
    return numpy.ones(gigabytes * 2**27).sum()

def share(size):
    import mmap
    block = mmap.mmap(-1, size)
    while True:
        for place in range(0, size, 4096):
            block[place] = 1

def flood():
    for _ in range(100):
        os.write(1, bytes(2**20))
        os.write(2, bytes(2**20))
        print("x" * 2**20)
        print("x" * 2**20, file=sys.stderr)
    return "done"

def loop():
    while True:
        pass

def wait():
    import time
    time.sleep(1000)

def crash():
    ctypes.string_at(0)

def linger():
    sleeper = [sys.executable, "-c", "import time; time.sleep(1000)"]
    subprocess.Popen(sleeper, start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        import time
        time.sleep(1000)
    return processes()

def one():
    return 1
"""


PRELOAD = ("numpy", "torch")
PUBLIC = {"lab.py": (ROOT / "exercises" / "lab.py").read_bytes()}


def started(
    limits: Limits = SMALL, isolation: str = "bubblewrap", nested: bool = True
) -> tuple[Worker, Student]:
    """A worker that can look around, forked from the parent of this process or alone."""
    parent = (
        parents.parent_for(isolation, "cpu", PRELOAD)
        if nested
        else Parent(isolation, "cpu", PRELOAD, nested=False)
    )
    worker = Worker(parent, limits, PUBLIC)
    student = Student(worker)
    assert student.run([(LOOK, [])]) == []
    return worker, student


@pytest.fixture(scope="module", params=["forked", "alone"])
def look(request: pytest.FixtureRequest) -> Iterator[Student]:
    """A notebook in the sandbox that looks around; its tests leave it alive."""
    worker, student = started(nested=request.param == "forked")
    yield student
    worker.close()


# -- what is there and what is not ----------------------------------------------------------------


def test_only_the_python_environment_of_the_project_is_there(look: Student) -> None:
    assert look.listing(str(ROOT)) == [Path(sys.prefix).relative_to(ROOT).parts[0]]
    for path in (
        "autograder/checks/tools.py",
        "solutions/by_hand.py",
        "exercises",
        "pyproject.toml",
    ):
        assert (ROOT / path).exists()
        assert look.reads(str(ROOT / path)) == 2
    assert look.listing("/grader") == ["worker"]


def python_below(folder: str) -> set[str]:
    """What of a folder is there because this Python lies below it."""
    homes = [Path(home) for home in (sys.prefix, sys.base_prefix)]
    return {home.relative_to(folder).parts[0] for home in homes if home.is_relative_to(folder)}


def test_nothing_of_the_machine_is_there(look: Student) -> None:
    for path in ("/etc/passwd", "/etc/hostname", "/run", "/sys", "/srv"):
        assert look.reads(path) in (2, 13)
    for path in ("/var", "/proc/1/root/var"):
        assert look.reads(path) in ((2, 13) if not python_below("/var") else (2, 13, 21))
    assert set(look.listing("/etc")) <= {"fonts", "ld.so.cache"}
    assert set(look.listing("/tmp")) == python_below("/tmp")
    assert set(look.listing("/home")) == {"student"} | python_below("/home")
    system = {"bin", "etc", "lib", "lib32", "lib64", "sbin", "usr"}
    own = {"dev", "grader", "home", "proc", "tmp"}
    assert set(look.listing("/")) <= system | own | python_below("/")


def test_the_notebook_finds_its_files_beside_it(look: Student) -> None:
    assert look.identity()["cwd"] == "/home/student"
    assert look.listing("/home/student") == ["lab.py"]
    assert b'"""' in look.reads("lab.py")
    assert (
        not look.writes("lab.py") and look.writes("mine") and look.attempt("unlink", "mine") is None
    )


def test_the_environment_is_empty_but_for_our_own(look: Student) -> None:
    assert set(look.environment()) <= {
        *("HOME", "USER", "PATH", "LANG", "PWD", "PYTHONPATH", "PYTHONHASHSEED"),
        *("PYTHONDONTWRITEBYTECODE", "IPYTHONDIR", "MPLBACKEND", "MPLCONFIGDIR"),
        *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    }
    outer = look.reads("/proc/1/environ")  # not for root's worker, which is another user
    assert outer == 13 or {part.split(b"=")[0] for part in outer.split(b"\0")} <= OUTER


def test_no_network(look: Student) -> None:
    assert look.interfaces() == ["lo"]
    assert look.connects("192.0.2.1", 80) != 0


def test_its_own_process_space(look: Student) -> None:
    assert look.processes() == [1, look.identity()["pid"]]
    assert look.attempt("kill", os.getpid(), 0) == 3
    assert look.attempt("kill", 1, 0) in (None, 1)


def test_an_ordinary_user_without_any_right(look: Student) -> None:
    identity, status = look.identity(), look.status()
    if os.geteuid() == 0:
        assert all(user >= 2_000_000 for user in (*identity["uid"], *identity["gid"]))
    assert identity["groups"] in ([], [65534])
    assert [status[name].strip("0") for name in ("CapPrm", "CapEff", "CapAmb")] == ["", "", ""]
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert look.attempt("setuid", 0) == 1 or os.geteuid() != 0


def test_mounts_are_read_only_but_for_scratch_space(look: Student) -> None:
    folders = [*("/", "/dev", "/etc", "/usr", "/usr/bin", "/grader", "/grader/worker", "/home")]
    folders += [str(ROOT), sys.prefix, sys.base_prefix, str(Path(torch.__file__).parent)]
    assert not any(look.writes(f"{folder}/mine") for folder in folders)
    for folder in ("/tmp", "/home/student", "/dev/shm"):
        assert look.writes(f"{folder}/mine")
        look.attempt("unlink", f"{folder}/mine")


def test_no_descriptor_of_the_grader_but_the_two_pipes(look: Student) -> None:
    kinds = sorted(target.split(":")[0] for target in look.descriptors().values())
    assert kinds.count("pipe") == 2
    assert set(kinds) <= {"pipe", "/dev/null"} | {f"/proc/{look.identity()['pid']}/fd"}


def test_single_threaded(look: Student) -> None:
    assert look.threads() == (1, 1)


def test_system_calls_that_go_round_the_limits_are_unknown(look: Student) -> None:
    machine = platform.machine()
    for name, numbers in seccomp._REFUSED.items():
        assert look.system_call(numbers[machine], 0, 0, 0, 0, 0) == 38, name
    new_user_namespace = 0x10000000 | signal.SIGCHLD
    assert look.system_call(seccomp._CLONE[machine], new_user_namespace, 0, 0, 0, 0) == 38
    assert look.fork_many() > 0


# -- limits ---------------------------------------------------------------------------------------


def test_limits_are_set_and_cannot_be_raised(look: Student) -> None:
    limits = look.limits()
    assert limits["RLIMIT_FSIZE"] == (SMALL.file, SMALL.file)
    assert limits["RLIMIT_DATA"] == (SMALL.memory, SMALL.memory)
    assert limits["RLIMIT_CORE"] == (0, 0)
    assert limits["RLIMIT_CPU"][0] == limits["RLIMIT_CPU"][1] > SMALL.notebook_cpu


@pytest.mark.parametrize("folder", ["/tmp", "/home/student", "/dev/shm"])
def test_scratch_space_is_limited(look: Student, folder: str) -> None:
    assert 0 < look.fill(folder, MEGABYTE) <= Limits().scratch


def test_files_are_limited(look: Student) -> None:
    with pytest.raises(StudentError) as caught:
        look.file_of(2 * SMALL.file)
    assert caught.value.type == "OSError"
    look.attempt("unlink", "large")


def test_open_files_are_limited(look: Student) -> None:
    assert 0 < look.open_many() < SMALL.open_files


def test_processes_are_limited(look: Student) -> None:
    assert 0 < look.fork_many() < SMALL.processes


def test_memory_is_limited(look: Student) -> None:
    with pytest.raises(StudentError) as caught:
        look.allocate(4)
    assert "MemoryError" in caught.value.type


def test_output_is_thrown_away(look: Student) -> None:
    assert look.flood() == "done"


def ended(call: str, *arguments: Any, limits: Limits = SMALL) -> StoppedError:
    """Why a worker was ended during a call; nothing of it is left."""
    worker, student = started(limits)
    family = [worker._ancestor, *worker._ancestor.children(recursive=True)]
    with pytest.raises(StoppedError) as caught:
        getattr(student, call)(*arguments)
    assert_ended(family)
    return caught.value


def assert_ended(family: list[psutil.Process]) -> None:
    """Wait until the processes have ended; who has to bury them is not our concern."""
    for process in family:
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)


def test_processor_time_is_limited() -> None:
    stopped = ended("loop")
    assert (stopped.status, stopped.wall) == ("timeout", False)
    assert "1 seconds of processor time" in stopped.reason


def test_waiting_is_limited_and_marked() -> None:
    stopped = ended("wait", limits=Limits(call_wall=1))
    assert (stopped.status, stopped.wall) == ("timeout", True)


def test_shared_memory_is_limited() -> None:
    stopped = ended("share", 2**30, limits=Limits(memory=2**30, call_cpu=60))
    assert (stopped.status, stopped.wall) == ("crashed", False)
    assert "1 GB of memory" in stopped.reason


def test_nothing_is_left_after_the_end() -> None:
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    worker, student = started()
    assert len(student.linger()) > 3
    family = [worker._ancestor, *worker._ancestor.children(recursive=True)]
    assert len(family) >= 5
    worker.close()
    worker.close()
    assert_ended(family)
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


FORGE = (
    LOOK
    + """
def forge(pause):
    import time
    fd = max(fd for fd, target in descriptors().items() if target.startswith("pipe"))
    while True:
        os.write(fd, (6).to_bytes(4, "big") + b"P[0,1]")
        time.sleep(pause)
"""
)


@pytest.mark.parametrize(
    ("pause", "limits", "wall"),
    [
        (0, Limits(call_cpu=1, call_wall=60, notebook_cpu=6), False),
        (0.1, Limits(call_wall=1, notebook_wall=8), True),
    ],
    ids=["busy", "waiting"],
)
def test_forged_progress_does_not_win_time_without_end(
    pause: float, limits: Limits, wall: bool
) -> None:
    """A report of progress begins a call's time anew; the time of the notebook goes on."""
    channel = NotebookChannel([CodeCell(FORGE)], [], [], "bubblewrap", limits)
    with pytest.raises(StoppedError) as caught:
        Student(channel).forge(pause)
    assert (caught.value.status, caught.value.wall) == ("timeout", wall)
    channel.close()


# -- a notebook whose worker is lost --------------------------------------------------------------


def test_after_a_hang_and_a_crash_the_rest_of_the_notebook_is_there() -> None:
    cells = [
        CodeCell(LOOK),
        CodeCell("x = 1\nwhile True:\n    pass\ny = 2"),
        CodeCell("z = 3"),
    ]
    channel = NotebookChannel(cells, [], [], "bubblewrap", SMALL)
    student = Student(channel)
    assert [student.value(name) for name in "xyz"] == [1, 2, 3]
    assert list(channel.stopped) == [1] and channel.stopped[1].status == "timeout"
    with pytest.raises(StoppedError) as caught:
        student.crash()
    assert (caught.value.status, caught.value.wall) == ("crashed", False)
    assert [student.value(name) for name in "xyz"] == [1, 2, 3]
    assert not channel.wall
    channel.close()


def test_a_notebook_that_only_crashes_is_given_up() -> None:
    cells = [CodeCell("import os\nos._exit(1)\nos._exit(2)\nx = 1")]
    channel = NotebookChannel(cells, [], [], "bubblewrap", Limits(restarts=0))
    with pytest.raises(StoppedError, match="ended 1 times"):
        Student(channel).value("x")
    channel.close()


# -- systems without a sandbox --------------------------------------------------------------------


def test_without_bubblewrap_grading_stops_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CourseError, match=r"apt-get install bubblewrap.*--isolation process"):
        Parent("bubblewrap")


def test_a_sandbox_that_does_not_start_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text(
        "#!/bin/sh\necho 'bwrap: no permissions to create new namespace' >&2\nexit 1\n"
    )
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(CourseError, match=r"no permissions.*--isolation process") as caught:
        Parent("bubblewrap").refusal  # noqa: B018
    assert "\n" not in str(caught.value)


def test_a_project_that_the_sandbox_would_show_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "ROOT", Path("/usr/share/course"))
    with pytest.raises(CourseError, match="pip install --editable"):
        Parent("bubblewrap")


def test_process_isolation_works_and_protects_nothing() -> None:
    _, student = started(isolation="process")
    assert student.one() == 1
    assert "pyproject.toml" in student.listing(str(ROOT))
    assert student.environment().keys() >= {"HOME", "OMP_NUM_THREADS"}
    home = student.identity()["cwd"]
    assert student.listing(home) == ["lab.py"]
    with pytest.raises(StoppedError):
        student.loop()
    assert not Path(home).exists()


def test_the_filter_is_known_for_both_machines() -> None:
    for machine in ("x86_64", "aarch64"):
        program = seccomp.program(machine)
        lines = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
        assert all(place + 1 + max(line[1:3]) < len(lines) for place, line in enumerate(lines[:-3]))
    with pytest.raises(CourseError, match="riscv64"):
        seccomp.program("riscv64")


def test_numbers_of_the_filter_are_those_of_this_machine() -> None:
    """The kernel's headers, where they are installed, know the same numbers."""
    header = Path(f"/usr/include/{platform.machine()}-linux-gnu/asm/unistd_64.h")
    if platform.machine() != "x86_64" or not header.exists():
        pytest.skip("no kernel headers of this machine are installed")
    known = dict(line.split()[1:3] for line in header.read_text().splitlines() if "__NR_" in line)
    for name, numbers in seccomp._REFUSED.items():
        assert numbers["x86_64"] == int(known[f"__NR_{name}"])
    assert seccomp._SIGACTION["x86_64"] == int(known["__NR_rt_sigaction"])


def test_a_worker_dies_with_the_grader() -> None:
    """The grader is killed outright: nothing that it started goes on."""
    code = (
        "import psutil, json, sys\n"
        "from autograder.parents import Parent\n"
        "from autograder.sandbox import Limits\n"
        "from autograder.workers import Worker\n"
        "worker = Worker(Parent('bubblewrap'), Limits())\n"
        "me = psutil.Process()\n"
        "print(json.dumps([p.pid for p in me.children(recursive=True)]), flush=True)\n"
        "sys.stdin.read()\n"
    )
    grader = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    assert grader.stdout is not None
    family = [psutil.Process(pid) for pid in json.loads(grader.stdout.readline())]
    assert len(family) >= 2
    grader.kill()
    grader.communicate()
    assert_ended(family)
