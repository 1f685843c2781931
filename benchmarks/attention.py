"""Time and memory of attention against the number of tokens, beside a convolution of like width.

Three layers read the same tokens, which are the pixels of a square map: attention by its formula,
attention by PyTorch's fused function, with the same weights, and a convolution of 3 × 3. They take
turns in one process. Inference is the forward pass without gradients; training is a forward and a
backward pass. The time is the median of the repeats, in processor time of one thread. The memory is
the most that PyTorch's allocator had handed out at one moment of the pass, beyond the tokens and
the weights.

    python -m benchmarks.attention [--repeats N] [--record]
"""

import argparse
from collections.abc import Callable
from functools import partial

import torch
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from benchmarks.one_thread import median_milliseconds, one_thread
from benchmarks.results import write_results

SIDES = (4, 8, 16, 24, 32, 48, 64)
EMBED_DIM, N_HEADS, KERNEL = 64, 4, 3
COLUMNS = ["layer", "pass", "tokens", "milliseconds", "mebibytes"]


def by_formula(Q: Tensor, K: Tensor, V: Tensor) -> Tensor:
    """Attention as it is written: the T × T maps are stored."""
    scores = Q @ K.transpose(-2, -1) / Q.shape[-1] ** 0.5
    return scores.softmax(dim=-1) @ V


class Attention(nn.Module):
    """Self-attention with several heads, whose core is given as a function of Q, K and V."""

    def __init__(self, core: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.core = core
        self.query, self.key, self.value, self.proj = (
            nn.Linear(EMBED_DIM, EMBED_DIM) for _ in range(4)
        )

    def forward(self, X: Tensor) -> Tensor:
        Q, K, V = (
            layer(X).unflatten(-1, (N_HEADS, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        return self.proj(self.core(Q, K, V).transpose(1, 2).flatten(-2))


class Convolution(nn.Module):
    """A convolution of the same width on the map whose pixels the tokens are."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(EMBED_DIM, EMBED_DIM, KERNEL, padding=KERNEL // 2)

    def forward(self, X: Tensor) -> Tensor:
        side = round(X.shape[1] ** 0.5)
        maps = X.transpose(1, 2).unflatten(-1, (side, side))
        return self.conv(maps).flatten(-2).transpose(1, 2)


def infer(layer: nn.Module, X: Tensor) -> None:
    """A forward pass that keeps nothing for gradients."""
    with torch.no_grad():
        layer(X)


def train(layer: nn.Module, X: Tensor) -> None:
    """A forward and a backward pass to the weights, whose gradients are then dropped."""
    layer(X).sum().backward()
    layer.zero_grad()


PASSES = {"inference": infer, "training": train}


def peak_bytes(work: Callable[[], None]) -> int:
    """The most bytes that a call holds at one moment, of those that it asked PyTorch for."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        work()
    assert profiled.profiler is not None and profiled.profiler.kineto_results is not None
    events = profiled.profiler.kineto_results.events()
    changes = [event for event in events if event.name() == "[memory]"]
    held = largest = 0
    for change in sorted(changes, key=lambda event: event.start_ns()):
        held += change.nbytes()
        largest = max(largest, held)
    return largest


def layers() -> dict[str, nn.Module]:
    """The three layers; the two attentions have equal weights."""
    formula, fused = Attention(by_formula), Attention(functional.scaled_dot_product_attention)
    fused.load_state_dict(formula.state_dict())
    return {"formula": formula, "fused": fused, "convolution": Convolution()}


@one_thread
def main() -> None:
    """Measure the layers in turn at each number of tokens, and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.attention",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--repeats", type=int, default=9, help="timed calls of each layer (9)")
    parser.add_argument("--record", action="store_true", help="write attention_cost.csv")
    options = parser.parse_args()

    torch.manual_seed(0)
    compared = layers()
    rows = []
    for side in track(SIDES, "sizes"):
        X = torch.randn(1, side**2, EMBED_DIM)
        torch.testing.assert_close(compared["formula"](X), compared["fused"](X))
        for phase, run in PASSES.items():
            calls = {name: partial(run, layer, X) for name, layer in compared.items()}
            memory = {name: peak_bytes(call) for name, call in calls.items()}
            for name, milliseconds in median_milliseconds(calls, options.repeats).items():
                mebibytes = f"{memory[name] / 2**20:.3f}"
                values = (name, phase, side**2, milliseconds, mebibytes)
                rows.append(dict(zip(COLUMNS, values, strict=True)))
    for row in rows:
        print("  ".join(f"{row[column]:>12}" for column in COLUMNS))
    if options.record:
        command = "python -m benchmarks.attention"
        command += f" --repeats {options.repeats} --record"
        print(write_results("attention_cost", command, "0: tokens and weights", COLUMNS, rows))


if __name__ == "__main__":
    main()
