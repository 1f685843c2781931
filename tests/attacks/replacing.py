"""Attacks that replace what compares, imports, reads or compiles the hidden checks."""

from tests.attacks.attack import Attack, unearned, worthless

YES = """
def yes(*arguments, **options):
    return True
"""


def replacing(name: str, cell: str, *tasks: str) -> Attack:
    """Answers that are worth nothing, behind a cell that makes them pass in one process."""
    return Attack(f"replacing-{name}", unearned, (cell,), worthless(*tasks))


ATTACKS = [
    replacing(
        "comparisons",
        YES
        + """
import math, numpy, torch

for module in (math, numpy, torch):
    for name in ("allclose", "array_equal", "equal", "isclose"):
        setattr(module, name, yes)
for name in ("assert_allclose", "assert_array_equal", "assert_equal"):
    setattr(numpy.testing, name, yes)
torch.testing.assert_close = torch.Tensor.allclose = torch.Tensor.equal = yes
""",
        "softmax",
        "cross_entropy_gradient",
        "linear_forward",
        "Standardizer",
    ),
    replacing(
        "builtins",
        YES
        + """
import builtins

builtins.all = yes
builtins.abs = lambda value: 0
""",
        "linear_backward",
        "cross_entropy",
    ),
    replacing(
        "imports",
        YES
        + """
import builtins, importlib.abc, importlib.machinery, types

class Agreeable(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda value, *arguments, **options: value * 0 if name == "softmax" else True

class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name == "scipy.special" else None

    def create_module(self, specification):
        return Agreeable(specification.name)

    def exec_module(self, module):
        pass

def importing(name, *arguments, real=builtins.__import__):
    return Agreeable(name) if name == "numpy.testing" else real(name, *arguments)

sys.meta_path.insert(0, Finder())
sys.modules.pop("scipy.special", None)
builtins.__import__ = importing
""",
        "softmax",
        "linear_forward",
    ),
    replacing(
        "transformers",
        """
def harmless(lines):
    return [line.replace("assert ", "assert True or ") for line in lines]

get_ipython().input_transformers_cleanup.append(harmless)
get_ipython().input_transformers_post.append(harmless)
""",
        "softmax",
        "accuracy",
        "Standardizer",
        "n_weights",
    ),
    replacing(
        "events",
        """
def look(info):
    for name, value in re.findall(r"(\\w+) == (\\d+)", info.raw_cell):
        get_ipython().user_ns[name] = int(value)

get_ipython().events.register("pre_run_cell", look)
""",
        "n_weights",
    ),
    replacing(
        "syntax-trees",
        """
import ast

class Harmless(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.copy_location(ast.Pass(), node)

def parsing(*arguments, real=ast.parse, **options):
    return ast.fix_missing_locations(Harmless().visit(real(*arguments, **options)))

ast.parse = parsing
get_ipython().ast_transformers.append(Harmless())
""",
        "softmax",
        "accuracy",
        "n_weights",
    ),
    replacing(
        "compile",
        """
import ast, builtins

class Harmless(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.copy_location(ast.Pass(), node)

def compiling(source, *arguments, real=builtins.compile, **options):
    if isinstance(source, ast.AST):
        source = ast.fix_missing_locations(Harmless().visit(source))
    return real(source, *arguments, **options)

def executing(source, *arguments, real=builtins.exec):
    try:
        return real(source, *arguments)
    except AssertionError:
        return None

builtins.compile, builtins.exec = compiling, executing
""",
        "softmax",
        "accuracy",
        "n_weights",
    ),
    Attack(
        "replacing-variables-of-checks",
        unearned,
        answers={
            "accuracy": """
def accuracy(Z, labels):
    frame = sys._getframe()
    while frame:
        for names in (frame.f_globals, frame.f_locals):
            if "expected" in names:
                names["expected"] = 0.1
        frame = frame.f_back
    Z.zero_()
    labels.zero_()
    return 0.1
"""
        },
    ),
]
