"""Answers to the tasks of `solutions.vit`."""

# Students write optimizers and schedules whose types mypy cannot follow.
# mypy: disable-error-code="no-any-return, return-value, assignment, arg-type, misc, operator"

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from solutions import vit
from tests.wrong_answers import right, slip, wrong

# vit_parameters


@right("vit_parameters")
def part_by_part(
    image_shape: tuple[int, int, int],
    patch_size: int,
    embed_dim: int,
    hidden_dim: int,
    n_blocks: int,
    n_classes: int,
) -> int:
    channels, height, width = image_shape
    if height % patch_size or width % patch_size:
        raise ValueError(f"{patch_size} does not divide {height} and {width}")
    n_patches = (height // patch_size) * (width // patch_size)
    embedding = (channels * patch_size**2 + 1) * embed_dim
    tokens = embed_dim + (1 + n_patches) * embed_dim
    attention = 4 * (embed_dim + 1) * embed_dim
    mlp = (embed_dim + 1) * hidden_dim + (hidden_dim + 1) * embed_dim
    norms = 2 * 2 * embed_dim
    blocks = n_blocks * (attention + mlp + norms)
    return embedding + tokens + blocks + 2 * embed_dim + (embed_dim + 1) * n_classes


@right("vit_parameters")
def counted_by_layers(
    image_shape: tuple[int, int, int],
    patch_size: int,
    embed_dim: int,
    hidden_dim: int,
    n_blocks: int,
    n_classes: int,
) -> int:
    channels, height, width = image_shape
    for side in (height, width):
        if side % patch_size:
            raise ValueError(f"{patch_size} does not divide {side}")

    def linear(n_in: int, n_out: int) -> int:
        return n_in * n_out + n_out

    total = linear(channels * patch_size * patch_size, embed_dim)
    total += embed_dim * (2 + (height // patch_size) * (width // patch_size))
    for _ in range(n_blocks):
        total += 4 * linear(embed_dim, embed_dim) + 4 * embed_dim
        total += linear(embed_dim, hidden_dim) + linear(hidden_dim, embed_dim)
    return total + 2 * embed_dim + linear(embed_dim, n_classes)


slip(
    part_by_part,
    "no_biases",
    {
        "embedding = (channels * patch_size ** 2 + 1) * embed_dim": (
            "embedding = channels * patch_size ** 2 * embed_dim"
        ),
        (
            "(embed_dim + 1) * embed_dim\n    mlp = (embed_dim + 1) * hidden_dim + (hidden_dim + 1)"
        ): ("embed_dim * embed_dim\n    mlp = embed_dim * hidden_dim + hidden_dim"),
        "(embed_dim + 1) * n_classes": "embed_dim * n_classes",
    },
    hint="biases of the linear layers",
)


slip(
    part_by_part,
    "no_class_token",
    {"tokens = embed_dim + (1 + n_patches) * embed_dim": ("tokens = (1 + n_patches) * embed_dim")},
    hint="class token itself",
)


slip(
    part_by_part,
    "positions_of_the_patches_alone",
    {
        "tokens = embed_dim + (1 + n_patches) * embed_dim": (
            "tokens = embed_dim + n_patches * embed_dim"
        )
    },
    hint="class token has a position",
)


@wrong("vit_parameters", hint="positions are learned")
def fixed_positions(
    image_shape: tuple[int, int, int],
    patch_size: int,
    embed_dim: int,
    hidden_dim: int,
    n_blocks: int,
    n_classes: int,
) -> int:
    channels, height, width = image_shape
    if height % patch_size or width % patch_size:
        raise ValueError(f"{patch_size} does not divide {height} and {width}")
    embedding = (channels * patch_size**2 + 1) * embed_dim
    tokens = embed_dim
    attention = 4 * (embed_dim + 1) * embed_dim
    mlp = (embed_dim + 1) * hidden_dim + (hidden_dim + 1) * embed_dim
    norms = 2 * 2 * embed_dim
    blocks = n_blocks * (attention + mlp + norms)
    return embedding + tokens + blocks + 2 * embed_dim + (embed_dim + 1) * n_classes


slip(
    part_by_part,
    "hidden_is_four_times",
    {"int) -> int:": ("int) -> int:\n    hidden_dim = 4 * embed_dim")},
    hint="hidden_dim",
)


slip(part_by_part, "no_last_norm", {"2 * embed_dim + ": ""}, hint="LayerNorm before the head")


slip(
    part_by_part,
    "one_norm_a_block",
    {"norms = 2 * 2 * embed_dim": "norms = 2 * embed_dim"},
    hint="two LayerNorms",
)


slip(
    part_by_part,
    "norms_without_shift",
    {"norms = 2 * 2 * embed_dim": "norms = 2 * embed_dim", "2 * embed_dim ": "embed_dim "},
    hint="a scale and a shift",
)


slip(
    part_by_part,
    "no_norms_at_all",
    {"norms = 2 * 2 * embed_dim": "norms = 0", "2 * embed_dim + ": ""},
    hint="LayerNorms have parameters",
)


slip(
    part_by_part,
    "no_output_projection",
    {
        "attention = 4 * (embed_dim + 1) * embed_dim": (
            "attention = 3 * (embed_dim + 1) * embed_dim"
        )
    },
    hint="output projection",
)


slip(
    part_by_part,
    "one_channel",
    {
        "channels, height, width = image_shape": "_, height, width = image_shape",
        "embedding = (channels * patch_size ** 2 + 1) * embed_dim": (
            "embedding = (patch_size ** 2 + 1) * embed_dim"
        ),
    },
    hint="all channels",
)


slip(
    part_by_part,
    "head_of_all_tokens",
    {"embed_dim + 1) * n_classes": "(1 + n_patches) * embed_dim + 1) * n_classes"},
    hint="class token alone",
)


slip(
    part_by_part,
    "one_block",
    {"blocks = n_blocks * (attention + mlp + norms)": ("blocks = 1 * (attention + mlp + norms)")},
    hint="each block has parameters of its own",
)


slip(
    part_by_part,
    "an_embedding_for_each_patch",
    {"(channels *": "n_patches * (channels *"},
    hint="shared by all patches",
)


@wrong("vit_parameters", hint="raise ValueError")
def rounds_down(
    image_shape: tuple[int, int, int],
    patch_size: int,
    embed_dim: int,
    hidden_dim: int,
    n_blocks: int,
    n_classes: int,
) -> int:
    channels, height, width = image_shape
    n_patches = (height // patch_size) * (width // patch_size)
    embedding = (channels * patch_size**2 + 1) * embed_dim
    tokens = embed_dim + (1 + n_patches) * embed_dim
    attention = 4 * (embed_dim + 1) * embed_dim
    mlp = (embed_dim + 1) * hidden_dim + (hidden_dim + 1) * embed_dim
    norms = 2 * 2 * embed_dim
    blocks = n_blocks * (attention + mlp + norms)
    return embedding + tokens + blocks + 2 * embed_dim + (embed_dim + 1) * n_classes


slip(
    part_by_part,
    "a_float",
    {"int) -> int:": "int) -> float:", "embedding +": "1.0 * embedding +"},
    hint="whole number",
)


# ViT


@right("ViT")
class NormOfTheClassTokenAlone(nn.Module):
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        patch_size: int,
        embed_dim: int,
        n_heads: int,
        n_blocks: int,
        n_classes: int,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        if height % patch_size or width % patch_size:
            raise ValueError(f"{patch_size} does not divide {height} and {width}")
        n_patches = (height // patch_size) * (width // patch_size)
        self.patch_size = patch_size
        self.patch_embedding = nn.Linear(channels * patch_size**2, embed_dim)
        self.class_token = nn.Parameter(0.02 * torch.randn(1, 1, embed_dim))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 1 + n_patches, embed_dim))
        layers = [
            nn.TransformerEncoderLayer(
                embed_dim,
                n_heads,
                4 * embed_dim,
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(n_blocks)
        ]
        self.blocks = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, n_classes)
        self.n_patches = n_patches
        self.pool = nn.Identity()

    def forward(self, X: Tensor) -> Tensor:
        n, channels, height, width = X.shape
        p = self.patch_size
        rows, columns = height // p, width // p
        grid = X.reshape(n, channels, rows, p, columns, p).permute(0, 2, 4, 1, 3, 5)
        tokens = self.patch_embedding(grid.reshape(n, self.n_patches, channels * p * p))
        tokens = torch.cat([self.class_token.repeat(n, 1, 1), tokens], dim=1)
        tokens = tokens + self.positions
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(self.norm(self.pool(tokens[:, 0])))


@right("ViT")
class PositionsInTwoParts(nn.Module):
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        patch_size: int,
        embed_dim: int,
        n_heads: int,
        n_blocks: int,
        n_classes: int,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        if height % patch_size or width % patch_size:
            raise ValueError(f"{patch_size} does not divide {height} and {width}")
        n_patches = (height // patch_size) * (width // patch_size)
        self.patch_size = patch_size
        self.patch_embedding = nn.Linear(channels * patch_size**2, embed_dim)
        self.class_token = nn.Parameter(0.02 * torch.randn(1, 1, embed_dim))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 1 + n_patches, embed_dim))
        layers = [
            nn.TransformerEncoderLayer(
                embed_dim,
                n_heads,
                4 * embed_dim,
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(n_blocks)
        ]
        self.blocks = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, n_classes)

    def forward(self, X: Tensor) -> Tensor:
        kernel = self.patch_embedding.weight.reshape(
            -1, X.shape[1], self.patch_size, self.patch_size
        )
        maps = functional.conv2d(X, kernel, self.patch_embedding.bias, stride=self.patch_size)
        patches = maps.flatten(2).transpose(1, 2) + self.positions[:, 1:]
        first = (self.class_token + self.positions[:, :1]).expand(X.shape[0], -1, -1)
        tokens = nn.Sequential(*self.blocks, self.norm)(torch.cat((first, patches), 1))
        return self.head(tokens)[:, 0]


slip(
    vit.ViT,
    "mean_pooling",
    {
        "return self.head(self.norm(tokens)[:, 0])": (
            "return self.head(self.norm(tokens).mean(dim=1))"
        )
    },
    hint="mean over the tokens",
)


slip(
    vit.ViT,
    "mean_of_the_patches",
    {
        "return self.head(self.norm(tokens)[:, 0])": (
            "return self.head(self.norm(tokens)[:, 1:].mean(dim=1))"
        )
    },
    hint="mean over the patches",
)


slip(
    vit.ViT,
    "no_final_norm",
    {"return self.head(self.norm(tokens)[:, 0])": "return self.head(tokens[:, 0])"},
    hint="last norm is missing",
)


slip(
    vit.ViT,
    "class_token_last",
    {
        "class_token, self.patch_embedding(patches)], dim=1)": (
            "self.patch_embedding(patches), class_token], dim=1)\n        tokens = tokens"
        ),
        "return self.head(self.norm(tokens)[:, 0])": ("return self.head(self.norm(tokens)[:, -1])"),
    },
    hint="before the patches, not after",
)


slip(
    vit.ViT,
    "reads_the_last_token",
    {"return self.head(self.norm(tokens)[:, 0])": ("return self.head(self.norm(tokens)[:, -1])")},
    hint="token of the last patch",
)


slip(
    vit.ViT,
    "reads_the_first_patch",
    {"return self.head(self.norm(tokens)[:, 0])": ("return self.head(self.norm(tokens)[:, 1])")},
    hint="token of the first patch",
)


slip(vit.ViT, "no_positions", {" + self.positions": ""}, hint="positions are missing")


slip(
    vit.ViT,
    "positions_before_the_class_token",
    {
        (
            "transpose(1, 2)\n"
            "        class_token = self.class_token.expand(len(X), -1, -1)\n"
            "        tokens = torch.cat([class_token, self.patch_embedding(patches)], "
            "dim=1) + self.positions"
        ): (
            "mT\n"
            "        tokens = self.patch_embedding(patches) + self.positions[:, 1:]\n"
            "        tokens = torch.cat([self.class_token.expand(len(X), -1, -1), tokens], "
            "dim=1)"
        )
    },
    hint="class token has a position too",
)


slip(
    vit.ViT,
    "positions_from_the_first_patch_on",
    {
        (
            "transpose(1, 2)\n"
            "        class_token = self.class_token.expand(len(X), -1, -1)\n"
            "        tokens = torch.cat([class_token, self.patch_embedding(patches)], "
            "dim=1) + self.positions"
        ): (
            "mT\n"
            "        tokens = self.patch_embedding(patches) + self.positions[:, :-1]\n"
            "        tokens = torch.cat([self.class_token.expand(len(X), -1, -1), tokens], "
            "dim=1)"
        )
    },
    hint="shifted by one",
)


slip(
    vit.ViT,
    "positions_in_every_block",
    {" + self.positions": "", "tokens = block(tokens)": "tokens = block(tokens + self.positions)"},
    hint="once, before the first block",
)


slip(
    vit.ViT,
    "patches_by_columns",
    {
        "X, self.patch_size, stride=self.patch_size).transpose(1, 2": (
            "X.mT, self.patch_size, stride=self.patch_size).mT\n"
            "        patches = patches.unflatten(2, (X.shape[1], self.patch_size, "
            "self.patch_size)).mT.flatten(2"
        )
    },
    hint="column by column",
)


slip(
    vit.ViT,
    "patches_on_their_side",
    {
        "transpose(1, 2": (
            "mT\n"
            "        patches = patches.unflatten(2, (X.shape[1], self.patch_size, "
            "self.patch_size)).mT.flatten(2"
        )
    },
    hint="within a patch",
)


slip(
    vit.ViT,
    "uses_one_block",
    {
        (" + self.positions\n        for block in self.blocks:\n            tokens = block"): (
            "\n        tokens = tokens + self.positions\n        tokens = self.blocks[0]"
        )
    },
    hint="first block alone",
)


slip(
    vit.ViT,
    "blocks_backwards",
    {
        (" + self.positions\n        for block in self.blocks"): (
            "\n        tokens = tokens + self.positions\n        for block in reversed(self.blocks)"
        )
    },
    hint="in reversed order",
)


slip(
    vit.ViT,
    "residuals_twice",
    {"tokens = block(tokens)": "tokens = tokens + block(tokens)"},
    hint="residual",
)


slip(
    vit.ViT,
    "norm_before_the_blocks",
    {
        " + self.positions": (
            "\n        tokens = tokens + self.positions\n        tokens = self.norm(tokens)"
        ),
        "return self.head(self.norm(tokens)[:, 0])": "return self.head(tokens[:, 0])",
    },
    hint="norm stands after the blocks",
)


slip(
    vit.ViT,
    "softmax_at_the_end",
    {
        "return self.head(self.norm(tokens)[:, 0])": (
            "return self.head(self.norm(tokens)[:, 0]).softmax(dim=1)"
        )
    },
    hint="softmax belongs to the loss",
)


slip(
    vit.ViT,
    "class_token_for_one_image",
    {
        (
            "transpose(1, 2)\n"
            "        class_token = self.class_token.expand(len(X), -1, -1)\n"
            "        tokens = torch.cat([class_token, self.patch_embedding(patches)], "
            "dim=1)"
        ): (
            "mT\n"
            "        tokens = torch.cat([self.class_token, self.patch_embedding(patches)], "
            "dim=1)\n"
            "        tokens = tokens"
        )
    },
    hint="expand",
)


slip(
    vit.ViT,
    "squeezes_a_batch_of_one",
    {
        "return self.head(self.norm(tokens)[:, 0])": (
            "return self.head(self.norm(tokens)[:, 0]).squeeze()"
        )
    },
    hint="a squeeze",
)


slip(
    vit.ViT,
    "detaches_the_tokens",
    {
        " + self.positions": (
            "\n        tokens = tokens + self.positions\n        tokens = tokens.detach()"
        )
    },
    hint="carry the graph",
)


# fit


@right("fit")
def with_the_rate_set_by_hand(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    epochs: int,
    batch_size: int,
    eta_max: float,
    warmup: int,
    weight_decay: float = 0.05,
    generator: torch.Generator | None = None,
) -> list[float]:
    n_batches = math.ceil(len(X) / batch_size)
    steps, step, losses = epochs * n_batches, 0, []
    optimizer = torch.optim.AdamW(model.parameters(), lr=eta_max, weight_decay=weight_decay)
    model.train()
    for _ in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            if step < warmup:
                eta = eta_max * (step + 1) / warmup
            else:
                t = (step - warmup) / (steps - warmup)
                eta = eta_max * 0.5 * (1 + math.cos(math.pi * t))
            for group in optimizer.param_groups:
                group["lr"] = eta
            loss = functional.cross_entropy(model(X[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            total += loss.item() * len(rows)
        losses.append(total / len(X))
    return losses


@right("fit")
def with_a_loader(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    epochs: int,
    batch_size: int,
    eta_max: float,
    warmup: int,
    weight_decay: float = 0.05,
    generator: torch.Generator | None = None,
) -> list[float]:
    loader = DataLoader(TensorDataset(X, y), batch_size, shuffle=True, generator=generator)
    steps = epochs * len(loader)
    optimizer = torch.optim.AdamW(model.parameters(), eta_max, weight_decay=weight_decay)
    step = np.arange(steps)
    t = (step - warmup) / max(steps - warmup, 1)
    rates = eta_max * np.where(
        step < warmup, (step + 1) / max(warmup, 1), 0.5 * (1 + np.cos(np.pi * t))
    )
    model.train(True)
    means, step = [], 0
    for _ in range(epochs):
        each = []
        for X_batch, y_batch in loader:
            optimizer.param_groups[0]["lr"] = float(rates[step])
            losses = functional.cross_entropy(model(X_batch), y_batch, reduction="none")
            losses.mean().backward()
            optimizer.step()
            optimizer.zero_grad()
            each += losses.tolist()
            step += 1
        means.append(float(np.mean(each)))
    return means


@right("fit")
def with_schedules_in_sequence(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    epochs: int,
    batch_size: int,
    eta_max: float,
    warmup: int,
    weight_decay: float = 0.05,
    generator: torch.Generator | None = None,
) -> list[float]:
    steps = epochs * -(-len(X) // batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=eta_max, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps - warmup, 1))
    if warmup > 0:
        climb = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min((step + 1) / warmup, 1)
        )
        schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [climb, schedule], [warmup])
    criterion = nn.CrossEntropyLoss()
    history = []
    model.train()
    for _ in range(epochs):
        order = torch.randperm(len(X), generator=generator)
        total = torch.zeros(())
        for start in range(0, len(X), batch_size):
            rows = order[start : start + batch_size]
            optimizer.zero_grad(set_to_none=False)
            loss = criterion(model(X[rows]), y[rows])
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach() * len(rows)
        history.append((total / len(X)).item())
    return history


slip(
    with_the_rate_set_by_hand,
    "no_warm_up",
    {
        (
            "if step < warmup:\n"
            "                eta = eta_max * (step + 1) / warmup\n"
            "            else:\n"
            "                t = (step - warmup) / (steps - warmup)\n"
            "                eta = eta_max * 0.5 * (1 + math.cos(math.pi * t"
        ): ("eta = eta_max * 0.5 * (1 + math.cos(math.pi * step / steps")
    },
    hint="warm-up is missing",
)


slip(
    with_the_rate_set_by_hand,
    "warm_up_from_zero",
    {"eta = eta_max * (step + 1) / warmup": "eta = eta_max * step / warmup"},
    hint="begins with a step of size 0",
)


slip(
    with_the_rate_set_by_hand,
    "constant_after_the_warm_up",
    {
        (
            "n_batches = math.ceil(len(X) / batch_size)\n"
            "    steps, step, losses = (epochs * n_batches, 0"
        ): ("step, losses = (0"),
        (
            "if step < warmup:\n"
            "                eta = eta_max * (step + 1) / warmup\n"
            "            else:\n"
            "                t = (step - warmup) / (steps - warmup)\n"
            "                eta = eta_max * 0.5 * (1 + math.cos(math.pi * t))"
        ): ("eta = eta_max * min((step + 1) / warmup, 1) if warmup else eta_max"),
    },
    hint="does not fall",
)


slip(
    with_the_rate_set_by_hand,
    "straight_line_down",
    {"eta = eta_max * 0.5 * (1 + math.cos(math.pi * t))": "eta = eta_max * (1 - t)"},
    hint="straight line",
)


slip(
    with_the_rate_set_by_hand,
    "cosine_over_all_steps",
    {"t = (step - warmup) / (steps - warmup)": "t = step / steps"},
    hint="begins where the warm-up ends",
)


@wrong("fit", hint="a constant rate")
def no_schedule(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    epochs: int,
    batch_size: int,
    eta_max: float,
    warmup: int,
    weight_decay: float = 0.05,
    generator: torch.Generator | None = None,
) -> list[float]:
    losses = []
    optimizer = torch.optim.AdamW(model.parameters(), lr=eta_max, weight_decay=weight_decay)
    model.train()
    for _ in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            loss = functional.cross_entropy(model(X[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        losses.append(total / len(X))
    return losses


slip(
    with_the_rate_set_by_hand,
    "a_whole_cosine",
    {
        "eta = eta_max * 0.5 * (1 + math.cos(math.pi * t))": (
            "eta = eta_max * 0.5 * (1 + math.cos(2 * math.pi * t))"
        )
    },
    hint="half a cosine",
)


slip(
    with_the_rate_set_by_hand,
    "schedule_by_epochs",
    {
        "steps, step, losses = (epochs * n_batches, 0, [])": "step, losses = (0, [])",
        ("if step < warmup:\n                eta = eta_max * (step"): (
            "epoch = step // n_batches\n"
            "            if epoch < warmup:\n"
            "                eta = eta_max * (epoch"
        ),
        "t = (step - warmup) / (steps - warmup)": "t = (epoch - warmup) / (epochs - warmup)",
    },
    hint="changes with every step, not with every epoch",
)


slip(
    with_the_rate_set_by_hand,
    "rate_set_once_an_epoch",
    {
        ("if step < warmup:\n                eta = eta_max * (step"): (
            "first = step - step % n_batches\n"
            "            if first < warmup:\n"
            "                eta = eta_max * (first"
        ),
        "t = (step - warmup) / (steps - warmup)": "t = (first - warmup) / (steps - warmup)",
    },
    hint="changes with every step, not with every epoch",
)


@wrong("fit", hint="zero_grad")
def never_clears_the_gradients(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    epochs: int,
    batch_size: int,
    eta_max: float,
    warmup: int,
    weight_decay: float = 0.05,
    generator: torch.Generator | None = None,
) -> list[float]:
    n_batches = math.ceil(len(X) / batch_size)
    steps, step, losses = epochs * n_batches, 0, []
    optimizer = torch.optim.AdamW(model.parameters(), lr=eta_max, weight_decay=weight_decay)
    model.train()
    for _ in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            if step < warmup:
                eta = eta_max * (step + 1) / warmup
            else:
                t = (step - warmup) / (steps - warmup)
                eta = eta_max * 0.5 * (1 + math.cos(math.pi * t))
            for group in optimizer.param_groups:
                group["lr"] = eta
            loss = functional.cross_entropy(model(X[rows]), y[rows])
            loss.backward()
            optimizer.step()
            step += 1
            total += loss.item() * len(rows)
        losses.append(total / len(X))
    return losses


@wrong("fit", hint="no parameter moves")
def clears_before_the_step(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    epochs: int,
    batch_size: int,
    eta_max: float,
    warmup: int,
    weight_decay: float = 0.05,
    generator: torch.Generator | None = None,
) -> list[float]:
    n_batches = math.ceil(len(X) / batch_size)
    steps, step, losses = epochs * n_batches, 0, []
    optimizer = torch.optim.AdamW(model.parameters(), lr=eta_max, weight_decay=weight_decay)
    model.train()
    for _ in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            if step < warmup:
                eta = eta_max * (step + 1) / warmup
            else:
                t = (step - warmup) / (steps - warmup)
                eta = eta_max * 0.5 * (1 + math.cos(math.pi * t))
            for group in optimizer.param_groups:
                group["lr"] = eta
            loss = functional.cross_entropy(model(X[rows]), y[rows])
            loss.backward()
            optimizer.zero_grad()
            optimizer.step()
            step += 1
            total += loss.item() * len(rows)
        losses.append(total / len(X))
    return losses


slip(
    with_the_rate_set_by_hand,
    "default_weight_decay",
    {"eta_max, weight_decay=weight_decay": "eta_max"},
    hint="weight decay is not the argument",
)


slip(
    with_the_rate_set_by_hand,
    "adam_with_l2",
    {"AdamW(model": "Adam(model"},
    hint="no L2 in the gradient",
)


slip(
    with_the_rate_set_by_hand,
    "stochastic_gradient_descent",
    {"AdamW(model": "SGD(model"},
    hint="plain gradient descent",
)


@wrong("fit", hint="model.train() is missing")
def stays_in_eval_mode(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    epochs: int,
    batch_size: int,
    eta_max: float,
    warmup: int,
    weight_decay: float = 0.05,
    generator: torch.Generator | None = None,
) -> list[float]:
    n_batches = math.ceil(len(X) / batch_size)
    steps, step, losses = epochs * n_batches, 0, []
    optimizer = torch.optim.AdamW(model.parameters(), lr=eta_max, weight_decay=weight_decay)
    for _ in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            if step < warmup:
                eta = eta_max * (step + 1) / warmup
            else:
                t = (step - warmup) / (steps - warmup)
                eta = eta_max * 0.5 * (1 + math.cos(math.pi * t))
            for group in optimizer.param_groups:
                group["lr"] = eta
            loss = functional.cross_entropy(model(X[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            total += loss.item() * len(rows)
        losses.append(total / len(X))
    return losses


slip(
    with_the_rate_set_by_hand,
    "no_shuffling",
    {"randperm(len(X), generator=generator": "arange(len(X)"},
    hint="order is drawn anew",
)


@wrong("fit", hint="order is drawn anew")
def one_order_for_all_epochs(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    epochs: int,
    batch_size: int,
    eta_max: float,
    warmup: int,
    weight_decay: float = 0.05,
    generator: torch.Generator | None = None,
) -> list[float]:
    n_batches = math.ceil(len(X) / batch_size)
    steps, step, losses = epochs * n_batches, 0, []
    optimizer = torch.optim.AdamW(model.parameters(), lr=eta_max, weight_decay=weight_decay)
    model.train()
    order = torch.randperm(len(X), generator=generator)
    for _ in range(epochs):
        total = 0.0
        for rows in order.split(batch_size):
            if step < warmup:
                eta = eta_max * (step + 1) / warmup
            else:
                t = (step - warmup) / (steps - warmup)
                eta = eta_max * 0.5 * (1 + math.cos(math.pi * t))
            for group in optimizer.param_groups:
                group["lr"] = eta
            loss = functional.cross_entropy(model(X[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            total += loss.item() * len(rows)
        losses.append(total / len(X))
    return losses


slip(
    with_the_rate_set_by_hand,
    "global_generator",
    {", generator=generator": ""},
    hint="generator that was passed in",
)


slip(
    with_the_rate_set_by_hand,
    "its_own_seed",
    {"model.train()": ("model.train()\n    generator = torch.Generator().manual_seed(0)")},
    hint="fixed seed",
)


slip(
    with_the_rate_set_by_hand,
    "drawn_with_replacement",
    {"randperm(len(X": "randint(len(X), (len(X),"},
    hint="every example is used exactly once",
)


slip(
    with_the_rate_set_by_hand,
    "drops_the_last_batch",
    {
        "n_batches = math.ceil(len(X) / batch_size)": "n_batches = len(X) // batch_size",
        ".split(batch_size": "[:n_batches * batch_size].split(batch_size",
    },
    hint="last, smaller batch is left out",
)


slip(
    with_the_rate_set_by_hand,
    "shuffles_the_images_alone",
    {", y[rows])": ", y[:len(rows)])"},
    hint="belong together",
)


slip(
    with_the_rate_set_by_hand,
    "mean_of_batch_means",
    {
        (" * len(rows)\n        losses.append(total / len(X)"): (
            "\n        losses.append(total / n_batches"
        )
    },
    hint="a batch of 1 counts as much",
)


slip(
    with_the_rate_set_by_hand,
    "sum_of_the_losses",
    {"losses.append(total / len(X))": "losses.append(total)"},
    hint="this is a sum",
)


slip(
    with_the_rate_set_by_hand,
    "returns_the_last_loss",
    {"list[float]": "float", "return losses": "return losses[-1]"},
    hint="one number for each epoch",
)


@wrong("fit", hint="one number for each epoch")
def returns_every_batch(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    epochs: int,
    batch_size: int,
    eta_max: float,
    warmup: int,
    weight_decay: float = 0.05,
    generator: torch.Generator | None = None,
) -> list[float]:
    n_batches = math.ceil(len(X) / batch_size)
    steps, step, losses = epochs * n_batches, 0, []
    optimizer = torch.optim.AdamW(model.parameters(), lr=eta_max, weight_decay=weight_decay)
    model.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            if step < warmup:
                eta = eta_max * (step + 1) / warmup
            else:
                t = (step - warmup) / (steps - warmup)
                eta = eta_max * 0.5 * (1 + math.cos(math.pi * t))
            for group in optimizer.param_groups:
                group["lr"] = eta
            loss = functional.cross_entropy(model(X[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            losses.append(loss.item())
    return losses


slip(
    with_the_rate_set_by_hand,
    "keeps_the_graphs",
    {
        "total = 0.0": "total = torch.zeros(())",
        "total += loss.item() * len(rows)": "total += loss * len(rows)",
    },
    hint="loss.item()",
)


slip(
    with_the_rate_set_by_hand,
    "looks_after_the_step",
    {
        "            step += 1": (
            "            step += 1\n"
            "            loss = functional.cross_entropy(model(X[rows]), y[rows])"
        )
    },
    hint="after the step",
)


slip(
    with_the_rate_set_by_hand,
    "softmax_before_the_loss",
    {", y[rows])": ".softmax(dim=1), y[rows])"},
    hint="softmax",
)
