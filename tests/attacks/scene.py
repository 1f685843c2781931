"""The class that hostile and honest students submit to, full of secrets that must not get out."""

import contextlib
import json
import re
import secrets
import shutil
import socket
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
import psutil
from nbformat import NotebookNode

from autograder.course import ROOT, Course
from benchmarks.project import ANSWERS, WRONG, Project, answered, lay_out
from tests.attacks import ATTACKS
from tests.attacks.attack import LIMITS, TOOLS, WORTHLESS, Aims, Attack
from tests.attacks.room import NEXT, OBSERVER

KINDS = [
    "checks",
    "solutions",
    "environment",
    "gradebook",
    "secret",
    "submission",
    "socket",
    "memory",
]
ASSIGNMENT = "quick"
EVERY = 10
"""There is an honest student after so many hostile ones."""
NO_PROCESS = 2**22
"""A number that no process has."""


@dataclass(frozen=True)
class Scene:
    """A project whose secrets are marked, and the honest students among the hostile ones."""

    project: Project
    canaries: dict[str, str]

    @property
    def alone(self) -> Course:
        """The course folder for the honest students among themselves."""
        return Course(self.project.folder / "alone", self.project.course.build)

    @cached_property
    def points(self) -> dict[str, float]:
        """The points of each task."""
        names = (cell.metadata.get("nbgrader") for cell in self.project.released.cells)
        return {name.grade_id: name.points for name in names if name}

    @property
    def honest(self) -> dict[str, dict[str, str]]:
        """Answers by student and task: all right, or one of them wrong."""
        tasks = list(ANSWERS)
        spread = sorted(attack.name for attack in ATTACKS if "<" not in attack.name)[::EVERY]
        answers = {
            f"{name}-then": ANSWERS | {task: WRONG[task] for task in tasks[number : number + 1]}
            for number, name in enumerate(spread)
        }
        return answers | {NEXT: ANSWERS | {"linear_backward": WORTHLESS["linear_backward"]}}

    def aims(self, folder: Path, network: Aims) -> Aims:
        """What attackers are told about a project in this folder."""
        course = folder / "course"
        limits = ("memory", "scratch", "file", "open_files", "processes")
        return {
            "project": str(folder),
            "checks": str(folder / "autograder" / "checks" / "quick" / "test_quick.py"),
            "solutions": str(folder / "solutions" / "quick.py"),
            "secret": str(course / "secret"),
            "gradebook": str(course / "gradebook.db"),
            "submitted": str(course / "submitted"),
            "unpickled": str(course / "unpickled"),
            "late": str(course / "late"),
            "scratch": str(course),
            "worker": "/grader",
            "spared": [],
            "limits": {name: getattr(LIMITS, name) for name in limits},
            "token": self.canaries["submission"].split("-")[-1],
            **network,
        }

    def notebook(self, attack: Attack, aims: Aims) -> NotebookNode:
        """A hostile notebook."""
        tools = TOOLS.replace("@AIMS@", repr(json.dumps(aims)))
        cells = [tools, *attack.cells]
        notebook = answered(self.project.released, ANSWERS | attack.answers, cells)
        if attack.edit is not None:
            attack.edit(notebook)
        return notebook

    def honest_notebook(self, student: str) -> NotebookNode:
        """An honest notebook; that of one student holds a secret."""
        cells = [f"# {self.canaries['submission']}"] if student == NEXT else []
        return answered(self.project.released, self.honest[student], cells)


# ---- the class ----------------------------------------------------------------------------------


def set_up(folder: Path) -> Scene:
    """Lay out the project in a new folder, and mark its secrets."""
    project = lay_out(folder)
    canaries = {kind: f"canary-{kind}-{secrets.token_hex(9)}" for kind in (*KINDS, "memory")}
    scene = Scene(project, canaries)
    sandbox = folder / "autograder" / "sandbox.py"
    text = sandbox.read_text()
    for name in ("call_cpu", "call_wall", "memory", "processes"):
        value = getattr(LIMITS, name)
        text, number = re.subn(rf"^(    {name}: \w+) = .*", rf"\1 = {value}", text, flags=re.M)
        assert number == 1, f"{name} is no limit any more"
    sandbox.write_text(text)
    aims = scene.aims(folder, {})
    for kind in ("checks", "solutions"):
        with Path(aims[kind]).open("a") as file:
            file.write(f'\nCANARY = "{canaries[kind]}"\n')
    Path(aims["secret"]).write_text(canaries["secret"])
    with sqlite3.connect(aims["gradebook"]) as gradebook:
        name = canaries["gradebook"]
        gradebook.execute("insert into student (id, first_name) values ('zz', ?)", [name])
    gradebook.close()
    shutil.copytree(project.course.directory, scene.alone.directory)
    return scene


def submit_all(scene: Scene, network: Aims) -> None:
    """Put the submissions of all students where nbgrader's collect puts them."""
    aims = scene.aims(scene.project.folder, network)
    for student in scene.honest:
        notebook = scene.honest_notebook(student)
        scene.project.submit(student, nbformat.writes(notebook).encode())
    for attack in ATTACKS:
        notebook = scene.notebook(attack, aims)
        path = scene.project.submit(attack.name, nbformat.writes(notebook).encode())
        if attack.prepare is not None:
            attack.prepare(path.parent, aims)


def unprotected_project(scene: Scene, attack: Attack, folder: Path, network: Aims) -> None:
    """A small copy of the project with two submissions: the hostile one and the next."""
    places = {"worker": str(ROOT / "autograder"), "spared": [OBSERVER], "bystander": NO_PROCESS}
    aims = scene.aims(folder, network | places)
    own = scene.aims(scene.project.folder, {})
    without = shutil.ignore_patterns("__pycache__", "templates")
    for part in ("autograder", "solutions"):
        shutil.copytree(scene.project.folder / part, folder / part, ignore=without)
    for kind in ("secret", "gradebook"):
        Path(aims[kind]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(own[kind], aims[kind])
    (folder / "course" / "autograded").mkdir()
    for student, notebook in (
        (NEXT, scene.honest_notebook(NEXT)),
        (attack.name, scene.notebook(attack, aims)),
    ):
        place = Path(aims["submitted"]) / student / "quick"
        place.mkdir(parents=True)
        nbformat.write(notebook, place / "quick.ipynb")
        if student == attack.name and attack.prepare is not None:
            attack.prepare(place, aims)


# ---- what attackers aim at ----------------------------------------------------------------------


@contextlib.contextmanager
def listening(canary: str, folder: Path) -> Iterator[Aims]:
    """Servers of this machine that tell a secret to whoever connects."""
    folder.mkdir()
    path = folder / "server"
    abstract = f"server-{secrets.token_hex(9)}"
    with (
        socket.create_server(("0.0.0.0", 0)) as everywhere,
        socket.socket(socket.AF_UNIX) as named,
        socket.socket(socket.AF_UNIX) as hidden,
    ):
        named.bind(str(path))
        hidden.bind(f"\0{abstract}")
        for server in (everywhere, named, hidden):
            server.listen()
            threading.Thread(target=_serve, args=(server, canary), daemon=True).start()
        port = everywhere.getsockname()[1]
        yield {"port": port, "host": _address(), "abstract": abstract, "socket": str(path)}


def _serve(server: socket.socket, canary: str) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = server.accept()
            with connection:
                connection.sendall(canary.encode())


def _address() -> str:
    """An address of this machine that is not loopback, where it has one."""
    addresses = [entry for entries in psutil.net_if_addrs().values() for entry in entries]
    found = [entry.address for entry in addresses if entry.family == socket.AF_INET]
    return next((address for address in found if not address.startswith("127.")), "127.0.0.2")
