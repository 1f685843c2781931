"""Attacks that use up memory, disk, descriptors or the patience of who reads their output."""

from tests.attacks.attack import TELLS, Attack, Evidence, told


def flooding(name: str, body: str, tells: bool = True) -> Attack:
    """Tells how much it got if that is more than the sandbox allows."""
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    cell = f"def loot():\n    LIMITS = AIMS['limits']\n{lines}\n"
    return Attack(f"flooding-{name}", told, (cell,), TELLS, tells=tells)


def _fills_the_disk(evidence: Evidence) -> bool:
    return evidence.size >= 10**8


ATTACKS = [
    flooding(
        "memory",
        """
import numpy
size = LIMITS["memory"] + 2**30
return [f"{block.nbytes} bytes" for block in tried(numpy.zeros, size // 8)]
""",
    ),
    flooding(
        "shared-memory",
        """
import mmap
size = LIMITS["memory"] + 2**27
block = mmap.mmap(-1, size)
for place in range(0, size, 4096):
    block[place] = 1
return f"{size} bytes"
""",
        tells=False,
    ),
    flooding(
        "file",
        """
with open("flood", "wb", buffering=0) as file:
    written = sum(tried(file.write, *[bytes(2**20)] * (LIMITS["file"] // 2**20 + 8)))
os.unlink("flood")
return f"{written} bytes" if written > LIMITS["file"] else None
""",
    ),
    flooding(
        "disk",
        """
written = 0
for number in range(LIMITS["scratch"] // 2**22 + 4):
    written += sum(tried(Path(f"flood-{number}").write_bytes, bytes(2**22)))
tried(os.unlink, *(path for path in Path.cwd().iterdir() if path.name.startswith("flood-")))
return f"{written} bytes" if written > LIMITS["scratch"] else None
""",
    ),
    flooding(
        "descriptors",
        """
files = tried(open, *["/dev/null"] * (LIMITS["open_files"] + 40))
return f"{len(files)} files" if len(files) > LIMITS["open_files"] else None
""",
    ),
    Attack(
        "flooding-output",
        _fills_the_disk,
        ('for _ in range(100_000):\n    print("x" * 999)\n    print("y", file=sys.stderr)',),
    ),
    Attack(
        "flooding-one-line",
        _fills_the_disk,
        ('print("x" * 10**8)\nraise ValueError("x" * 10**8)',),
        {
            "accuracy": 'def accuracy(Z, labels):\n    raise ValueError("x" * 10**8)',
            "linear_forward": 'def linear_forward(x, W, b):\n    return "x" * 10**8',
        },
    ),
]
