"""The checks of `attention` where an answer is stranger than the named wrong ones."""

from typing import Any

import pytest
import torch
from torch import nn

from autograder import syntax
from autograder.assignment import Assignment
from autograder.checking import forbidden_calls
from autograder.student import LocalChannel, Student
from solutions import transformer
from tests.matrix import failures_of_reference, forbidden_in, graded, reference_namespace
from tests.strange import STRANGE, require_failure

ASSIGNMENT = Assignment.load("attention")
FORBIDDEN = forbidden_calls(ASSIGNMENT)
NUMBERS = [task.name for task in ASSIGNMENT.tasks if task.kind == "number"]
FUNCTIONS = [task.name for task in ASSIGNMENT.tasks if task.kind in ("function", "class")]
CLASSES = [task.name for task in ASSIGNMENT.tasks if task.kind == "class"]


@pytest.mark.parametrize("name", STRANGE)
def test_no_strange_value_breaks_a_check_or_earns_full_marks(name: str) -> None:
    strange = STRANGE[name]
    namespace: dict[str, Any] = dict.fromkeys(NUMBERS, strange)
    namespace |= dict.fromkeys(FUNCTIONS, lambda *args, **options: strange)
    namespace["attention_backward"] = lambda *args, **options: (strange, strange, strange)
    require_failure(ASSIGNMENT, namespace, [*FUNCTIONS, *NUMBERS])


@pytest.mark.parametrize("name", STRANGE)
def test_no_strange_output_of_a_module_breaks_a_check(name: str) -> None:
    strange = STRANGE[name]
    namespace: dict[str, Any] = {}
    for task in CLASSES:
        reference = ASSIGNMENT.reference(task)
        forward = {"forward": lambda self, *args: strange}
        namespace[task] = type(task, (reference,), forward)
    outcomes = require_failure(ASSIGNMENT, namespace, CLASSES)
    assert all(outcome.failure for outcome in outcomes)


@pytest.mark.parametrize("secret", [b"first", b"second", b"third"])
def test_reference_passes_whatever_the_hidden_inputs_are(secret: bytes) -> None:
    assert failures_of_reference(ASSIGNMENT, FUNCTIONS, secret) == []


@pytest.mark.parametrize("task", CLASSES)
def test_what_else_a_module_holds_costs_nothing(task: str) -> None:
    reference: Any = ASSIGNMENT.reference(task)

    class Richer(reference):
        def __init__(self, *sizes: int) -> None:
            super().__init__(*sizes)
            self.temperature = nn.Parameter(torch.ones(3))
            self.register_buffer("steps", torch.zeros(2))
            self.dropout = nn.Dropout(0.0)

    namespace = reference_namespace(ASSIGNMENT) | {task: Richer}
    verdict = graded(ASSIGNMENT, task, Student(LocalChannel(namespace)))
    assert verdict.status == "correct", verdict.failures


# ---- what would replace the task ----------------------------------------------------------------

IMPORTS = "import torch\nfrom torch import nn, Tensor\nfrom torch.nn import functional\n"
FUSED = "torch.nn.functional.scaled_dot_product_attention"
OWN = "def scaled_dot_product_attention(Q, K, V):\n    return (Q @ K.mT).softmax(-1) @ V\n"


def head(line: str, task: str = "SelfAttention") -> str:
    """A class task whose forward is one line."""
    return f"class {task}(nn.Module):\n    def forward(self, X, mask=None):\n        {line}\n"


def found(*sources: str, task: str = "SelfAttention") -> list[str]:
    cells = [syntax.parsed(source) for source in (IMPORTS, *sources)]
    assert all(cells)
    return syntax.forbidden_uses(cells, task, FORBIDDEN[task])


@pytest.mark.parametrize(
    ("task", "line"),
    [
        ("attention_weights", "return functional.scaled_dot_product_attention(Q, K, eye)"),
        ("attention_weights", "return nn.MultiheadAttention(4, 1)(Q, K, K)[1]"),
        ("scaled_dot_product_attention", "return nn.functional.scaled_dot_product_attention(Q)"),
        ("scaled_dot_product_attention", "return torch.ops.aten._scaled_dot_product_attention(Q)"),
        ("scaled_dot_product_attention", "return torch.nn.attention.flex_attention.flex(Q, K, V)"),
        ("softmax_backward", "return torch.autograd.grad(output, leaf, upstream)"),
        ("softmax_backward", "return torch._softmax_backward_data(upstream, A, -1, A.dtype)"),
        ("attention_backward", "return torch.func.vjp(attend, Q, K, V)[1](upstream)"),
        ("attention_backward", "output.backward(upstream)"),
        ("SelfAttention", "return nn.MultiheadAttention(4, 1)(X, X, X)[0]"),
        ("SelfAttention", "return nn.TransformerEncoderLayer(4, 1).self_attn(X, X, X)[0]"),
        ("MultiHeadSelfAttention", "return nn.MultiheadAttention(4, 2)(X, X, X)[0]"),
        ("MultiHeadSelfAttention", "return functional.multi_head_attention_forward(X, X, X)[0]"),
        ("TransformerBlock", "return nn.TransformerEncoderLayer(4, 2, norm_first=True)(X)"),
    ],
)
def test_the_call_that_would_replace_the_task_is_forbidden(task: str, line: str) -> None:
    assert forbidden_in(ASSIGNMENT, task, IMPORTS, line)


ACCUSED = {
    "functional": [head("return functional.scaled_dot_product_attention(X, X, X)")],
    "beside one's own": [OWN, head("return functional.scaled_dot_product_attention(X, X, X)")],
    "nn.functional": [OWN, head("return nn.functional.scaled_dot_product_attention(X, X, X)")],
    "torch.nn.functional": [head(f"return {FUSED}(X, X, X)")],
    "F": [
        "import torch.nn.functional as F",
        head("return F.scaled_dot_product_attention(X, X, X)"),
    ],
    "from import": [
        "from torch.nn.functional import scaled_dot_product_attention",
        head("return scaled_dot_product_attention(X, X, X)"),
    ],
    "from import with alias": [
        "from torch.nn.functional import scaled_dot_product_attention as fused",
        OWN,
        head("return fused(X, X, X)"),
    ],
    "from import that replaces one's own": [
        OWN,
        "from torch.nn.functional import scaled_dot_product_attention",
        head("return scaled_dot_product_attention(X, X, X)"),
    ],
    "star": [
        "from torch.nn.functional import *",
        head("return scaled_dot_product_attention(X, X, X)"),
    ],
    "alias": [f"fused = {FUSED}", head("return fused(X, X, X)")],
    "helper": [
        f"def mix(X):\n    return {FUSED}(X, X, X)",
        head("return mix(X)"),
    ],
    "one's own function that calls it": [
        f"def scaled_dot_product_attention(Q, K, V):\n    return {FUSED}(Q, K, V)",
        head("return scaled_dot_product_attention(X, X, X)"),
    ],
    "attribute": [
        f"class SelfAttention(nn.Module):\n    attend = staticmethod({FUSED})\n"
        "    def forward(self, X, mask=None):\n        return self.attend(X, X, X)"
    ],
}


@pytest.mark.parametrize("sources", ACCUSED.values(), ids=ACCUSED.keys())
def test_fused_attention_is_found_in_a_head(sources: list[str]) -> None:
    assert found(*sources) == [FUSED]


INNOCENT = {
    "one's own": [OWN, head("return scaled_dot_product_attention(X, X, X)")],
    "one's own in a later cell": [head("return scaled_dot_product_attention(X, X, X)"), OWN],
    "one's own after an import of that name": [
        "from torch.nn.functional import scaled_dot_product_attention",
        OWN,
        head("return scaled_dot_product_attention(X, X, X)"),
    ],
    "one's own after a star": [
        "from torch.nn.functional import *",
        OWN,
        head("return scaled_dot_product_attention(X, X, X)"),
    ],
    "a method of that name": [
        head("return self.scaled_dot_product_attention(X)")
        + "    def scaled_dot_product_attention(self, X):\n        return X\n"
    ],
    "a later task": [
        OWN,
        head("return scaled_dot_product_attention(X, X, X)"),
        head(
            "from torch.nn.functional import scaled_dot_product_attention as s; return s(X, X, X)",
            task="MultiHeadSelfAttention",
        ),
    ],
    "a comparison": [
        OWN,
        head("return scaled_dot_product_attention(X, X, X)"),
        f"right = {FUSED}(*torch.randn(3, 1, 2, 4))",
    ],
}


@pytest.mark.parametrize("sources", INNOCENT.values(), ids=INNOCENT.keys())
def test_nobody_is_accused_of_ones_own_function(sources: list[str]) -> None:
    assert found(*sources) == []
    own = [source for source in sources if "class" not in source]
    if OWN in own:
        assert found(*own, task="scaled_dot_product_attention") == []


@pytest.mark.parametrize("name", ["functional", "nn.functional", "torch.nn.functional"])
def test_fused_attention_is_allowed_in_several_heads(name: str) -> None:
    line = f"return {name}.scaled_dot_product_attention(X, X, X)"
    assert found(head(line, "MultiHeadSelfAttention"), task="MultiHeadSelfAttention") == []


def test_a_block_may_use_the_layers_that_its_init_gives() -> None:
    source = head("return self.attention(X, X, X)[0]", "TransformerBlock")
    init = "    def __init__(self):\n        self.attention = nn.MultiheadAttention(4, 2)\n"
    assert found(source + init, task="TransformerBlock") == []


def test_graded_numbers_are_those_of_the_network() -> None:
    """Counted in the layers themselves, in their maps, and by PyTorch's counter of operations."""
    from torch.utils.flop_counter import FlopCounterMode

    expected = ASSIGNMENT.expected_numbers
    layer = transformer.MultiHeadSelfAttention(80, 5)
    block = transformer.TransformerBlock(80, 5, 240)
    n_layer, n_block = (sum(p.numel() for p in module.parameters()) for module in (layer, block))
    assert (expected["n_attention_parameters"], expected["n_block_parameters"]) == (
        n_layer,
        n_block,
    )
    sizes = []
    for n_tokens in (145, 577):
        X = torch.zeros(1, n_tokens, 80)
        maps = block.attention(X, X, X, average_attn_weights=False)[1]
        sizes.append(7 * maps.numel())
    assert expected["n_map_entries"] == sizes[0]
    assert expected["map_growth"] == pytest.approx(sizes[1] / sizes[0])
    Q = torch.zeros(1, 5, 145, 16)
    with FlopCounterMode(display=False) as counter:
        torch.matmul(Q, Q.mT)
    assert expected["n_score_products"] == counter.get_total_flops() / 2  # it counts additions too
