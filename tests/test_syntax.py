"""What syntax trees tell: stubs, the definition that counts, and forbidden library calls."""

import ast
import textwrap

import pytest

from autograder import syntax

FORBIDDEN = ["torch.softmax", "torch.nn.functional", "torch.Tensor.softmax", "torch.autograd"]


def cells(*sources: str) -> list[syntax.Cell]:
    return [syntax.parsed(textwrap.dedent(source)) for source in sources]


def uses(*sources: str, task: str = "answer") -> list[str]:
    return syntax.forbidden_uses(cells(*sources), task, FORBIDDEN)


# -- stubs and definitions ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    raise NotImplementedError('f: write your answer here')",
        "def f(x):\n    '''What it does.'''\n    raise NotImplementedError",
        "def f(x: int) -> int:\n    pass\n    raise NotImplementedError()",
        "class Net:\n    def __init__(self):\n        self.w = 1\n"
        "    def forward(self, x):\n        raise NotImplementedError('Net.forward')",
        "number = None",
    ],
)
def test_stubs(source: str) -> None:
    [statement] = syntax.parsed(source)
    assert syntax.is_stub(statement)


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    return x",
        "def f(x):\n    pass",
        "def f(x):\n    x = 1\n    raise NotImplementedError('half done')",
        "def f(x):\n    raise ValueError",
        "class Net:\n    def forward(self, x):\n        return x",
        "class Net:\n    def forward(self, x):\n        raise NotImplementedError\n"
        "    def backward(self, x):\n        return x",
        "number = 0",
        "number = f(None)",
    ],
)
def test_answers_that_are_no_stubs(source: str) -> None:
    [statement] = syntax.parsed(source)
    assert not syntax.is_stub(statement)


@pytest.mark.parametrize("source", ["def f(:", "x = '\ud800'", "x\0", "(" * 1000, "9" * 5000])
def test_what_does_not_parse_has_no_statements(source: str) -> None:
    assert syntax.parsed(source) == []


def test_parsing_a_students_code_prints_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    assert len(syntax.parsed("x = '\\d' is 'y'")) == 1
    assert list(recwarn) == []


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("a, (b, *c) = d, e.f = 1, g[h]", "abcd"),
        ("import a.b, c.d as e\nfrom f import g as h, i", "aehi"),
        ("for a in b:\n    c: int = 1\n    with d() as e:\n        f += 1", "acef"),
        ("def a(b):\n    c = 1\nclass d:\n    e = 1\nf = lambda g: (h := g)", "adf"),
        ("async def a():\n    pass\nif (b := c):\n    pass", "ab"),
    ],
)
def test_bound_names(source: str, names: str) -> None:
    bound = set().union(*(syntax.bound_names(part) for part in syntax.parsed(source)))
    assert bound - {"d"} == set(names) - {"d"} and ("d" in bound) == ("d" in names)


STUB = "def answer(x):\n    raise NotImplementedError"


def test_only_stubs() -> None:
    assert syntax.only_stubs(cells(STUB, STUB), "answer")
    assert not syntax.only_stubs(cells(STUB, "def answer(x):\n    return x"), "answer")
    assert not syntax.only_stubs(cells("x = 1"), "answer")
    assert syntax.only_stubs(cells("number = None"), "number")
    assert not syntax.only_stubs(cells("number = None\nnumber = 3"), "number")


def test_stubs_are_skipped_where_an_answer_stands_elsewhere() -> None:
    answer = "import torch\ndef answer(x):\n    return x"
    other = STUB.replace("answer", "other")
    found = syntax.skipped_statements(
        cells(STUB, answer, f"{STUB}\n{other}", "number = None"), ["answer", "other", "number"]
    )
    assert found == [[0], [], [0], []]


def test_a_helper_that_is_still_a_stub_runs() -> None:
    helper = STUB.replace("answer", "helper")
    assert syntax.skipped_statements(cells(helper, "helper = len"), ["answer"]) == [[], []]


# -- forbidden library calls -----------------------------------------------------------------------

ACCUSED = {
    "path": ("import torch\ndef answer(x):\n    return torch.softmax(x, 1)", "torch.softmax"),
    "alias": ("import torch as t\ndef answer(x):\n    return t.softmax(x, 1)", "torch.softmax"),
    "from": (
        "from torch import softmax\ndef answer(x):\n    return softmax(x, 1)",
        "torch.softmax",
    ),
    "from with alias": (
        "from torch import softmax as own\ndef answer(x):\n    return own(x, 1)",
        "torch.softmax",
    ),
    "star": ("from torch import *\ndef answer(x):\n    return softmax(x, 1)", "torch.softmax"),
    "module": (
        "import torch.nn.functional as F\ndef answer(x):\n    return F.relu(x)",
        "torch.nn.functional",
    ),
    "module from module": (
        "from torch.nn import functional\ndef answer(x):\n    return functional.relu(x)",
        "torch.nn.functional",
    ),
    "import in the answer": (
        "def answer(x):\n    from torch.autograd import grad\n    return grad(x, x)",
        "torch.autograd",
    ),
    "module imported in the answer": (
        "def answer(x):\n    import torch.autograd as a\n    return a.grad(x, x)",
        "torch.autograd",
    ),
    "local alias": (
        "import torch\ndef answer(x):\n    own = torch.softmax\n    return own(x, 1)",
        "torch.softmax",
    ),
    "local alias of the module": (
        "import torch\ndef answer(x):\n    t = torch\n    return t.softmax(x, 1)",
        "torch.softmax",
    ),
    "alias in another cell": (
        "import torch\nt = torch\nown = t.softmax\ndef answer(x):\n    return own(x, 1)",
        "torch.softmax",
    ),
    "conditional alias": (
        "import torch\nif True:\n    own = torch.softmax\ndef answer(x):\n    return own(x, 1)",
        "torch.softmax",
    ),
    "default": (
        "import torch\ndef answer(x, softmax=torch.softmax):\n    return softmax(x, 1)",
        "torch.softmax",
    ),
    "partial": (
        "import torch\nfrom functools import partial\nown = partial(torch.softmax, dim=1)\n"
        "def answer(x):\n    return own(x)",
        "torch.softmax",
    ),
    "lambda": (
        "import torch\nown = lambda x: torch.softmax(x, 1)\nanswer = lambda x: own(x)",
        "torch.softmax",
    ),
    "table of functions": (
        "import torch\nown = {'s': torch.softmax}\ndef answer(x):\n    return own['s'](x, 1)",
        "torch.softmax",
    ),
    "the function itself": ("import torch\nanswer = torch.softmax", "torch.softmax"),
    "imported under the task's name": (
        "from torch import softmax as answer",
        "torch.softmax",
    ),
    "helper": (
        "import torch\ndef answer(x):\n    return first(x)\ndef first(x):\n    return second(x)\n"
        "def second(x):\n    return torch.softmax(x, 1)",
        "torch.softmax",
    ),
    "helper in a branch": (
        "import torch\ntry:\n    def helper(x):\n        return torch.softmax(x, 1)\n"
        "finally:\n    pass\ndef answer(x):\n    return helper(x)",
        "torch.softmax",
    ),
    "class of the notebook": (
        "import torch\nclass Own:\n    def __call__(self, x):\n        return torch.softmax(x, 1)\n"
        "def answer(x):\n    return Own()(x)",
        "torch.softmax",
    ),
    "method of a tensor": ("def answer(x):\n    return x.softmax(1)", "torch.Tensor.softmax"),
    "method of the class": (
        "import torch\ndef answer(x):\n    return torch.Tensor.softmax(x, 1)",
        "torch.Tensor.softmax",
    ),
    "method of a result": (
        "def answer(x):\n    return (x @ x.T).softmax(1)",
        "torch.Tensor.softmax",
    ),
    "getattr": (
        "import torch\ndef answer(x):\n    return getattr(torch, 'softmax')(x, 1)",
        "torch.softmax",
    ),
    "getattr of a tensor": (
        "def answer(x):\n    return getattr(x, 'softmax')(1)",
        "torch.Tensor.softmax",
    ),
    "import before the stub": (
        "from torch import softmax as answer\ndef answer(x):\n    raise NotImplementedError",
        "torch.softmax",
    ),
    "import after the answer": (
        "def answer(x):\n    return x\nfrom torch import softmax as answer",
        "torch.softmax",
    ),
    "import read before the answer": (
        "from torch import softmax as answer\nkept = {1: answer}\n"
        "def answer(x):\n    return kept[1](x, 1)",
        "torch.softmax",
    ),
    "import read as a default of the answer": (
        "from torch import softmax as answer\ndef answer(x, own=answer):\n    return own(x, 1)",
        "torch.softmax",
    ),
    "decorator": (
        "import torch\n@torch.autograd.grad_mode.no_grad()\ndef answer(x):\n    return x",
        "torch.autograd",
    ),
    "closure": (
        "import torch\ndef answer(x):\n    def inner():\n        return torch.softmax(x, 1)\n"
        "    return inner()",
        "torch.softmax",
    ),
}


@pytest.mark.parametrize(("source", "name"), ACCUSED.values(), ids=ACCUSED.keys())
def test_forbidden_calls_are_found(source: str, name: str) -> None:
    assert uses(source) == [name]
    statements = syntax.parsed(source)
    one_cell_each = [ast.unparse(statement) for statement in statements]
    assert uses(*one_cell_each) == [name]


INNOCENT = {
    "own function of that name": (
        "import torch\ndef softmax(x):\n    return x.exp() / x.exp().sum()\n"
        "def answer(x):\n    return softmax(x)"
    ),
    "own function after an import": (
        "from torch import softmax\ndef softmax(x):\n    return x\n"
        "def answer(x):\n    return softmax(x)"
    ),
    "answer that replaces an import": (
        "from torch import softmax as answer\ndef answer(x):\n    return x\nshown = answer(1)"
    ),
    "local variable": (
        "from torch import softmax\ndef answer(x):\n    softmax = x.exp()\n    return softmax / 2"
    ),
    "parameter": "from torch import softmax\ndef answer(softmax):\n    return softmax + 1",
    "loop variable": (
        "from torch import softmax\ndef answer(x):\n    return [softmax for softmax in x]"
    ),
    "inner function": (
        "from torch import softmax\ndef answer(x):\n    def softmax(y):\n        return y\n"
        "    return softmax(x)"
    ),
    "key and text": (
        "import torch\ndef answer(x):\n    '''torch.softmax(x)'''\n"
        "    cache = {'softmax': 'x.softmax'}  # torch.softmax\n    return cache['softmax']"
    ),
    "keyword": "def answer(x):\n    return dict(softmax=x)",
    "own attribute": (
        "class Net:\n    def __init__(self):\n        self.softmax = 1\n"
        "    def forward(self, x):\n        return self.softmax * self.relu(x)\n"
        "    def relu(self, x):\n        return x\ndef answer(x):\n    return Net().forward(x)"
    ),
    "other library": (
        "import numpy as np\nfrom scipy.special import softmax\n"
        "def answer(x):\n    return np.softmax(softmax(x))"
    ),
    "another task may": (
        "import torch\ndef other(x):\n    return torch.softmax(x, 1)\ndef answer(x):\n    return x"
    ),
    "imported and not used": (
        "import torch.nn.functional as F\nfrom torch import softmax\ndef answer(x):\n    return x"
    ),
    "data that a call left": (
        "import torch\nweights = torch.softmax(torch.ones(3), 0)\n"
        "def answer(x):\n    return x * weights"
    ),
    "local name of a helper": (
        "import torch\ndef helper(x):\n    return torch.softmax(x, 1)\n"
        "def answer(x):\n    helper = x\n    return helper"
    ),
    "annotation": (
        "import torch.nn.functional as F\ndef answer(x: F.Tensor) -> F.Tensor:\n"
        "    y: F.Tensor = x\n    return y"
    ),
    "stub": "import torch\ndef answer(x):\n    raise NotImplementedError('torch.softmax')",
    "name that begins alike": "import torch\ndef answer(x):\n    return torch.softmax_of(x)",
    "module after which it is named": (
        "import torch\ndef answer(x):\n    return torch.nn.Linear(2, 3)(x)"
    ),
}


@pytest.mark.parametrize("source", INNOCENT.values(), ids=INNOCENT.keys())
def test_nobody_is_accused_falsely(source: str) -> None:
    assert uses(source) == []


def test_a_task_that_allows_the_call_is_not_asked() -> None:
    source = cells("import torch\ndef answer(x):\n    return torch.softmax(x, 1)")
    assert syntax.forbidden_uses(source, "answer", []) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def answer(x):\n    return other(x)", ["other"]),
        ("def answer(x):\n    return helper(x)\ndef helper(x):\n    return other(x)", ["other"]),
        ("alias = other\ndef answer(x):\n    return alias(x)", ["other"]),
        ("def answer(x):\n    return x.other()", []),
        ("def answer(other):\n    return other + 1", []),
        ("def answer(x):\n    return x\nassert answer(1) == other(1)", []),
    ],
)
def test_another_task_can_be_forbidden(source: str, found: list[str]) -> None:
    notebook = cells("def other(x):\n    return 2 * x", source)
    assert syntax.forbidden_uses(notebook, "answer", ["other"]) == found


def test_helpers_that_call_each_other_end() -> None:
    source = "def answer(x):\n    return other(x)\ndef other(x):\n    return answer(x).softmax(1)"
    assert uses(source) == ["torch.Tensor.softmax"]


# -- what is hostile ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    ["x = " + "-" * 2000 + "1", "x = a" + ".b" * 2000, "x = " + "+".join("a" * 2000)],
    ids=["signs", "attributes", "sums"],
)
def test_deep_trees_are_noticed(source: str) -> None:
    assert syntax.too_deep(source) or not syntax.parsed(source)


def test_trees_below_the_limit_are_followed() -> None:
    source = "def answer(x):\n    return " + "-" * (syntax.MAX_DEPTH - 20) + "x.softmax(1)"
    assert not syntax.too_deep(source)
    assert uses(source) == ["torch.Tensor.softmax"]


def test_many_small_functions_are_followed() -> None:
    number = 3000
    functions = [f"def f{n}(x):\n    return f{n + 1}(x)" for n in range(number)]
    last = f"def f{number}(x):\n    return x.softmax(1)"
    assert uses(*functions, last, "def answer(x):\n    return f0(x)") == ["torch.Tensor.softmax"]
