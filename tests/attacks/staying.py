"""Attacks that stay behind, or multiply."""

from tests.attacks.attack import Attack, Evidence, told

LATE = """
def late():
    time.sleep(0.1)
    tried(Path(AIMS["late"]).write_text, "late")
    time.sleep(600)
"""


def _left_behind(evidence: Evidence) -> bool:
    return evidence.left > 0 and "course/late" in evidence.changed


ATTACKS = [
    Attack(
        "staying-threads",
        lambda evidence: evidence.status is None,
        (
            """
def wait(sleep=time.sleep):
    while True:
        sleep(0.01)

for _ in range(4):
    threading.Thread(target=wait).start()
""",
        ),
        patience=2.5,
    ),
    Attack(
        "staying-processes",
        _left_behind,
        (
            LATE
            + """
def leave():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            late()
        os._exit(0)

leave()
code = f"import pathlib, time; time.sleep(600); {AIMS['late']!r}"
subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
""",
        ),
        {"accuracy": "def accuracy(Z, labels):\n    leave()\n    return -1.0"},
    ),
    Attack(
        "staying-fork-bomb",
        told,
        (
            """
def loot():
    readable, writable = os.pipe()
    first = os.getpid()
    for _ in range(5):  # the bomb is cut off at 32 processes
        tried(lambda _: os.fork(), None)
    os.write(writable, b"1")
    if os.getpid() != first:
        time.sleep(600)
        os._exit(0)
    os.set_blocking(readable, False)
    number = 0
    while found := (time.sleep(0.3), tried(lambda size: os.read(readable, size), 1000))[1]:
        number += len(found[0])
    return number if number > AIMS["limits"]["processes"] else None
""",
        ),
        {"accuracy": "def accuracy(Z, labels):\n    tell(loot())"},
        tells=True,
    ),
]
