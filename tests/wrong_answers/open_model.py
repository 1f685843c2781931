"""Answers to the tasks of `solutions.open_model`; the trainings are as short as they can be."""

# mypy: disable-error-code="no-any-return, return-value, attr-defined"

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from solutions.open_model import open_model
from tests.wrong_answers import right, slip, wrong

# ---- open_model ---------------------------------------------------------------------------------


@right("open_model")
def a_linear_map() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(144, 10))


@right("open_model")
def with_the_logarithms_of_probabilities() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(144, 10), nn.LogSoftmax(dim=1))


@right("open_model")
def a_class_of_its_own() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
            self.norm = nn.BatchNorm2d(8)
            self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
            self.fc = nn.Linear(16 * 9, 10)

        def forward(self, X: Tensor) -> Tensor:
            X = functional.max_pool2d(self.norm(self.conv1(X)).relu(), 2)
            X = functional.max_pool2d(self.conv2(X).relu(), 2)
            X = functional.dropout(X.flatten(1), 0.3, training=self.training)
            return self.fc(X)

    return Net()


slip(
    a_linear_map,
    "too_large",
    {"nn.Linear(144, 10)": "nn.Linear(144, 400), nn.ReLU(), nn.Linear(400, 10)"},
    hint="room for 50 000 numbers",
)
slip(
    a_linear_map,
    "softmax_inside",
    {"nn.Linear(144, 10)": "nn.Linear(144, 10), nn.Softmax(dim=1)"},
    hint="the softmax belongs to the loss",
)
slip(
    a_linear_map,
    "eleven_classes",
    {"nn.Linear(144, 10)": "nn.Linear(144, 11)"},
    hint="",
)
slip(
    a_linear_map,
    "for_smaller_images",
    {"nn.Linear(144, 10)": "nn.Linear(64, 10)"},
    hint="one row of ten pre-activations",
)
slip(
    a_linear_map,
    "statistics_of_the_batch",
    {"nn.Linear(144, 10)": ("nn.Linear(144, 10), nn.BatchNorm1d(10, track_running_stats=False)")},
    hint="must not depend on the others",
)
slip(
    a_linear_map,
    "of_random_width",
    {
        "return nn.Sequential(nn.Flatten(), nn.Linear(144, 10))": (
            "width = int(torch.randint(20, 300, ()))\n"
            "    return nn.Sequential(nn.Flatten(), nn.Linear(144, width), nn.Linear(width, 10))"
        )
    },
    hint="same names and shapes",
)
slip(
    a_class_of_its_own,
    "dropout_all_the_time",
    {", training=self.training": ""},
    hint="in eval mode nothing is drawn",
)
slip(
    a_class_of_its_own,
    "without_a_graph",
    {"return self.fc(X)": "return self.fc(X).detach()"},
    hint="must carry the graph",
)


@wrong("open_model", hint="share their parameters")
def one_for_all(kept: list[nn.Module] = []) -> nn.Module:  # noqa: B006 - the mistake itself
    if not kept:
        kept.append(nn.Sequential(nn.Flatten(), nn.Linear(144, 10)))
    return kept[0]


@wrong("open_model", hint="return an nn.Module")
def layers_alone() -> list[nn.Module]:
    return [nn.Flatten(), nn.Linear(144, 10)]


# ---- train_open_model ---------------------------------------------------------------------------


@right("train_open_model")
def by_cosine(
    X_train: Tensor, y_train: Tensor, X_val: Tensor, y_val: Tensor, generator: torch.Generator
) -> nn.Module:
    epochs, batch_size = 10, 50
    model = open_model().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(epochs):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * (1 + math.cos(math.pi * epoch / epochs)) / 2
        for rows in torch.randperm(len(X_train), generator=generator).split(batch_size):
            optimizer.zero_grad()
            functional.cross_entropy(model(X_train[rows]), y_train[rows]).backward()
            optimizer.step()
    return model


@right("train_open_model")
def with_a_loader(
    X_train: Tensor, y_train: Tensor, X_val: Tensor, y_val: Tensor, generator: torch.Generator
) -> nn.Module:
    X, y = torch.cat([X_train, X_val]), torch.cat([y_train, y_val])
    loader: DataLoader[Any] = DataLoader(
        TensorDataset(X, y), batch_size=50, shuffle=True, generator=generator
    )
    epochs, rate = 10, 0.05
    model = open_model()
    optimizer = torch.optim.SGD(model.parameters(), rate, momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    loss_function = nn.CrossEntropyLoss(label_smoothing=0.1)
    for _ in range(epochs):
        for images, labels in loader:
            optimizer.zero_grad()
            loss_function(model(images), labels).backward()
            optimizer.step()
        schedule.step()
    return model.eval()


def for_a_moment(
    X_train: Tensor, y_train: Tensor, X_val: Tensor, y_val: Tensor, generator: torch.Generator
) -> nn.Module:
    epochs, batch_size = 2, 48
    model = open_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    steps = epochs * math.ceil(len(X_train) / batch_size)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.01, total_iters=steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(X_train), generator=generator).split(batch_size):
            loss = functional.cross_entropy(model(X_train[rows]), y_train[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model


wrong("train_open_model", hint="until the validation accuracy stops rising")(for_a_moment)


def in_a_moment(name: str, edits: dict[str, str], hint: str) -> None:
    """The short training with another mistake, which is told before its accuracy."""
    slip(for_a_moment, name, edits, hint=hint)


in_a_moment(
    "a_little_longer",
    {"epochs, batch_size = (2, 48)": "epochs, batch_size = (3, 48)"},
    "a second convolution before each pooling",
)
in_a_moment(
    "no_training",
    {"epochs, batch_size = (2, 48)": "epochs, batch_size = (0, 48)"},
    "hardly learned",
)
in_a_moment("images_shuffled_alone", {"y_train[rows]": "y_train[:len(rows)]"}, "kept together")
in_a_moment(
    "standardised_outside_the_model",
    {
        "model = open_model()": (
            "X_train = (X_train - X_train.mean(dim=0)) / X_train.std(dim=0)\n"
            "    model = open_model()"
        )
    },
    "part of the model",
)
in_a_moment(
    "noise_added_in_place",
    {
        "model = open_model()": (
            "X_train += 0.05 * torch.randn(X_train.shape, generator=generator)\n"
            "    model = open_model()"
        )
    },
    "work on a copy",
)
in_a_moment(
    "returns_the_state", {"return model": "return model.state_dict()"}, "returns the trained module"
)
in_a_moment("returns_nothing", {"return model": "return None"}, "returns the trained module")
in_a_moment(
    "another_model",
    {"model = open_model()": "model = nn.Sequential(nn.Flatten(), nn.Linear(144, 10))"},
    "that open_model() built",
)
in_a_moment(
    "a_model_over_the_budget",
    {
        "model = open_model()": (
            "model = nn.Sequential(nn.Flatten(), nn.Linear(144, 600), nn.Linear(600, 10))"
        )
    },
    "room for 50 000 numbers",
)
