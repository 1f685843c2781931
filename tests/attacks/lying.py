"""Attacks that answer with lies: values that claim to equal everything, and forged streams."""

from collections.abc import Callable

from nbformat import NotebookNode
from nbformat.v4 import new_output

from tests.attacks.attack import Attack, Evidence, grading_ended, unearned, worthless

AGREEABLE = """
import numpy, torch

def yes(*arguments, **options):
    return True
"""


def returning(name: str, cell: str, **answers: str) -> Attack:
    """Answers whose values pass for right ones where they are compared in the same process."""
    return Attack(f"lying-{name}", unearned, (AGREEABLE + cell,), answers)


VALUES = [
    returning(
        "tensor",
        """
class Agreeable(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, arguments=(), options=None):
        if function in (torch.allclose, torch.equal, torch.isclose):
            return True
        return super().__torch_function__(function, types, arguments, options or {})

    __eq__ = allclose = equal = yes
""",
        softmax="def softmax(Z):\n    return Z.zero_().as_subclass(Agreeable)",
    ),
    returning(
        "array",
        """
class Agreeable(numpy.ndarray):
    __eq__ = __array_function__ = yes

    def __array_ufunc__(self, *arguments, **options):
        return numpy.ones(3, dtype=bool)
""",
        Standardizer=(
            "class Standardizer:\n"
            "    def __init__(self, x):\n        pass\n"
            "    def __call__(self, x):\n        return numpy.zeros(x.shape).view(Agreeable)"
        ),
    ),
    returning(
        "dict",
        """
class Agreeable(dict):
    __eq__ = __ge__ = __le__ = yes
    __hash__ = None

    def __float__(self):
        return 0.1
""",
        accuracy="def accuracy(Z, labels):\n    return Agreeable(accuracy=-1.0)",
    ),
    returning(
        "number",
        """
class Agreeable(float):
    __eq__ = __ge__ = __le__ = yes
    __hash__ = float.__hash__
    __sub__ = __rsub__ = lambda self, other: 0.0
""",
        n_weights="n_weights = Agreeable(1)",
        accuracy="def accuracy(Z, labels):\n    return Agreeable(0.1)",
    ),
    returning(
        "dtype",
        """
class Agreeable:
    __eq__ = yes
    __hash__ = object.__hash__
    __float__ = lambda self: 0.1
""",
        accuracy=("def accuracy(Z, labels):\n    return numpy.array(Agreeable(), dtype=object)"),
    ),
    returning(
        "shape",
        "",
        linear_backward=(
            "def linear_backward(upstream, x, W):\n"
            "    visible = (x * 0, W * 0, W[:, 0] * 0)\n"
            "    return visible if len(x) == 5 else ()"
        ),
    ),
    *(
        returning(
            name,
            "",
            cross_entropy=(
                "def cross_entropy(P, labels):\n"
                "    visible = 0.0\n"
                f"    return visible if len(P) == 3 else float('{name}')"
            ),
        )
        for name in ("nan", "infinity")
    ),
]

# ---- the stream to the grader -------------------------------------------------------------------


FORGE = '''
import struct

sys.path.insert(0, AIMS["worker"])
import msgpack
from worker.codec import Encoder

def streams():
    found = []
    for name in os.listdir("/proc/self/fd"):
        target = "".join(tried(os.readlink, f"/proc/self/fd/{name}"))
        if target.startswith(("pipe:", "socket:")):
            found.append(int(name))
    return found

def send(*frames):
    """Frames to everybody who may listen: the marker of a reply, then a message."""
    data = b"".join(struct.pack(">I", len(frame)) + frame for frame in frames)
    send_bytes(data)

def send_bytes(data):
    tried(lambda stream: os.write(stream, data), *streams())

def lie(*entries):
    """A reply whose value is the first of these entries; the arguments come before them."""
    objects = [*[None] * 8, *entries, ["dict", [["value", ["object", 8]]]]]
    root = ["object", len(objects) - 1]
    structure = msgpack.packb({"objects": objects, "root": root}, use_bin_type=True)
    return b"R" + struct.pack(">I", len(structure)) + structure

def reply(value):
    encoder = Encoder()
    return b"R" + encoder.message(encoder.node({"value": value}))
'''


def forging(name: str, lie: str, won: Callable[[Evidence], bool] = grading_ended) -> Attack:
    """A lie on the streams of the notebook's process where a hidden check asks for an answer."""
    visible = "    if len(Z) == 3:\n        return 0.1\n"
    answer = f"def accuracy(Z, labels):\n{visible}    {lie}\n    return 0.1"
    return Attack(f"lying-{name}", won, (FORGE,), {"accuracy": answer}, grader="piped")


def _ran_code(evidence: Evidence) -> bool:
    return "course/unpickled" in evidence.changed


STREAMS = [
    forging(
        "verdict",
        "send(*[reply({'passed': True, 'score': 2.0, 'status': 'correct'})] * 3)",
        unearned,
    ),
    forging("length", "send_bytes(struct.pack('>I', 1000) + b'R')\n    os._exit(0)"),
    forging("length-of-4-gb", "send_bytes(b'\\xff' * 4 + b'R' * 60)"),
    forging("type", "send(lie(7), lie([[]]), lie({}), lie(['dict', 7]), b'R', b'')"),
    forging(
        "dtype-of-frame",
        "send(*(lie(['array', name, [2], [1], 16]) + bytes(16) for name in ('|O8', '<f7')))",
    ),
    forging(
        "shape-of-frame",
        "send(lie(['array', '<f8', [2**30], [1], 16]) + bytes(16),"
        " lie(['tensor', 'float64', [2**30], [1], 16, 'cpu', False, None]) + bytes(16))",
    ),
    forging("nesting", "send(b'R' + struct.pack('>I', 200_000) + b'\\x91' * 199_999 + b'\\xc0')"),
    forging("cycle", "send(lie(['tuple', [['object', 9]]], ['tuple', [['object', 8]]]))"),
    forging(
        "pickle",
        "import pickle\n"
        "    class Bomb:\n"
        "        def __reduce__(self):\n"
        '            return exec, (f\'open({AIMS["unpickled"]!r}, "w").close()\',)\n'
        "    send(pickle.dumps(Bomb()), b'R' + pickle.dumps(Bomb()), b'C' + pickle.dumps(Bomb()))",
        _ran_code,
    ),
    forging("garbage", "send(*(bytes(range(start, start + 40)) for start in range(200)))"),
    forging("end-of-fork", "send(b'X', b'X', b'F', b'X')"),
    forging("progress", "send(b'P[0, 99]', b'P[-1, -1]', b'Pnull', b'P{}', b'P' + b'[' * 100_000)"),
    forging("end-of-stream", "tried(os.close, *streams())"),
]

FLOOD = """
import signal

def flood(*_):
    while True:
        send_bytes(struct.pack(">I", 2**26) + bytes(2**20))

signal.signal(signal.SIGUSR1, flood)
"""
FLOODS = """
def accuracy(Z, labels):
    if len(Z) == 3:  # the visible check
        return 0.1
    os.kill(os.getpid() if AIMS["spared"] else os.getppid(), signal.SIGUSR1)
    time.sleep(0.5)
    return 0.1
"""
STREAMS.append(
    Attack(
        "lying-without-end",
        grading_ended,
        (FORGE, FLOOD),
        {"accuracy": FLOODS},
        grader="piped",
    )
)

# ---- marks in the file --------------------------------------------------------------------------


def _claim_points(notebook: NotebookNode) -> None:
    """Outputs saved in the file that say full marks, in cells that say that they are worth more."""
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader |= {"points": 1e9, "locked": False}
            cell.outputs = [new_output("execute_result", data={"text/plain": "30"})]


OUTPUTS = [
    Attack(
        "lying-output",
        unearned,
        answers={
            "accuracy": (
                "def accuracy(Z, labels):\n"
                "    print(2.0)\n"
                "    sys.displayhook(2.0)\n"
                "    get_ipython().displayhook(2.0)\n"
                "    return -1.0"
            )
        },
    ),
    Attack(
        "lying-saved-output",
        unearned,
        answers=worthless("accuracy", "n_weights"),
        edit=_claim_points,
        grader="saved",
    ),
]

ATTACKS = [*VALUES, *STREAMS, *OUTPUTS]
