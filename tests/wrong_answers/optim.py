"""Answers to the task of `solutions.optim`."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from tests.wrong_answers import right, wrong


@right("train")
def with_a_loader(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> list[float]:
    loader = DataLoader(TensorDataset(X, Y), batch_size, shuffle=True, generator=generator)
    criterion = nn.CrossEntropyLoss(reduction="none")
    history = []
    for _epoch in range(epochs):
        seen: list[float] = []
        for X_batch, Y_batch in loader:
            losses = criterion(model(X_batch), Y_batch)
            losses.mean().backward()
            optimizer.step()
            optimizer.zero_grad()
            seen += losses.tolist()
        history.append(sum(seen) / len(seen))
    return history


@right("train")
def with_slices_and_labels(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> list[float]:
    labels = Y.argmax(dim=1)
    history = []
    for _epoch in range(epochs):
        order = torch.randperm(X.shape[0], generator=generator)
        X_mixed, labels_mixed = X[order], labels[order]
        total = torch.zeros(())
        for start in range(0, X.shape[0], batch_size):
            batch = slice(start, start + batch_size)
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(X_mixed[batch]), labels_mixed[batch])
            loss.backward()
            optimizer.step()
            total = total.to(loss) + loss.detach() * len(X_mixed[batch])
        history.append(float(total) / X.shape[0])
    return history


@right("train")
def by_sorting_noise(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> list[float]:
    means: list[float] = []
    while len(means) < epochs:
        order = torch.rand(len(X), generator=generator).argsort()
        losses, sizes = [], []
        for rows in order.split(batch_size):
            loss = functional.cross_entropy(model(X[rows]), Y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            sizes.append(len(rows))
        means.append(np.average(losses, weights=sizes).item())
    return means


@wrong("train", hint="zero_grad")
def gradients_pile_up(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> list[float]:
    history = []
    for _epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            loss = functional.cross_entropy(model(X[rows]), Y[rows])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        history.append(total / len(X))
    return history


@wrong("train", hint="zero_grad")
def zeroes_between_backward_and_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> list[float]:
    history = []
    for _epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            loss = functional.cross_entropy(model(X[rows]), Y[rows])
            loss.backward()
            optimizer.zero_grad()
            optimizer.step()
            total += loss.item() * len(rows)
        history.append(total / len(X))
    return history


@wrong("train", hint="no shuffling")
def keeps_the_order(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> list[float]:
    history = []
    for _epoch in range(epochs):
        total = 0.0
        for rows in torch.arange(len(X)).split(batch_size):
            loss = functional.cross_entropy(model(X[rows]), Y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        history.append(total / len(X))
    return history


@wrong("train", hint="in every epoch")
def shuffles_once(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> list[float]:
    history = []
    order = torch.randperm(len(X), generator=generator)
    for _epoch in range(epochs):
        total = 0.0
        for rows in order.split(batch_size):
            loss = functional.cross_entropy(model(X[rows]), Y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        history.append(total / len(X))
    return history


@wrong("train", hint="belong together")
def shuffles_inputs_and_targets_apart(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> list[float]:
    history = []
    for _epoch in range(epochs):
        X_mixed = X[torch.randperm(len(X), generator=generator)]
        Y_mixed = Y[torch.randperm(len(Y), generator=generator)]
        total = 0.0
        pairs = zip(X_mixed.split(batch_size), Y_mixed.split(batch_size), strict=True)
        for X_batch, Y_batch in pairs:
            loss = functional.cross_entropy(model(X_batch), Y_batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(X_batch)
        history.append(total / len(X))
    return history


@wrong("train", hint="exactly once")
def draws_with_replacement(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> list[float]:
    history = []
    for _epoch in range(epochs):
        total = 0.0
        for rows in torch.randint(len(X), (len(X),), generator=generator).split(batch_size):
            loss = functional.cross_entropy(model(X[rows]), Y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        history.append(total / len(X))
    return history


@wrong("train", hint="last, smaller batch")
def drops_the_last_batch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> list[float]:
    history = []
    for _epoch in range(epochs):
        order = torch.randperm(len(X), generator=generator)
        total, seen = 0.0, 0
        for i in range(max(len(X) // batch_size, 1)):
            rows = order[i * batch_size : (i + 1) * batch_size]
            loss = functional.cross_entropy(model(X[rows]), Y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
            seen += len(rows)
        history.append(total / seen)
    return history


@wrong("train", hint="as much as")
def mean_of_the_batch_means(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> list[float]:
    history = []
    for _epoch in range(epochs):
        losses = []
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            loss = functional.cross_entropy(model(X[rows]), Y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        history.append(sum(losses) / len(losses))
    return history


@wrong("train", hint="number of examples")
def sum_over_the_batches(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> list[float]:
    history = []
    for _epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            loss = functional.cross_entropy(model(X[rows]), Y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        history.append(total / len(X))
    return history


@wrong("train", hint="one step a batch")
def one_step_an_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> list[float]:
    history = []
    for _epoch in range(epochs):
        total = 0.0
        optimizer.zero_grad()
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            loss = functional.cross_entropy(model(X[rows]), Y[rows])
            loss.backward()
            total += loss.item() * len(rows)
        optimizer.step()
        history.append(total / len(X))
    return history


@wrong("train", hint="a list")
def last_loss_only(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> float:
    mean = 0.0
    for _epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            loss = functional.cross_entropy(model(X[rows]), Y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        mean = total / len(X)
    return mean


@wrong("train", hint="one number an epoch")
def loss_of_every_batch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> list[float]:
    history = []
    for _epoch in range(epochs):
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            loss = functional.cross_entropy(model(X[rows]), Y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            history.append(loss.item())
    return history


@wrong("train", hint="one epoch too many")
def one_epoch_too_many(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> list[float]:
    history = []
    for _epoch in range(epochs + 1):
        total = 0.0
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            loss = functional.cross_entropy(model(X[rows]), Y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        history.append(total / len(X))
    return history[:epochs]


@wrong("train", hint="before the step")
def loss_after_each_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> list[float]:
    history = []
    for _epoch in range(epochs):
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            loss = functional.cross_entropy(model(X[rows]), Y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            history.append(functional.cross_entropy(model(X), Y).item())
    return history


@wrong("train", hint="mean over the batch")
def trains_on_the_sum(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> list[float]:
    history = []
    for _epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            loss = functional.cross_entropy(model(X[rows]), Y[rows], reduction="sum")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        history.append(total / len(X))
    return history


@wrong("train", hint="optimizer.step")
def steps_by_hand(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> list[float]:
    history = []
    eta = optimizer.param_groups[0]["lr"]
    for _epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            loss = functional.cross_entropy(model(X[rows]), Y[rows])
            model.zero_grad()
            loss.backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.sub_(eta * parameter.grad)
            total += loss.item() * len(rows)
        history.append(total / len(X))
    return history


@wrong("train", hint="generator")
def leaves_the_generator_aside(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> list[float]:
    history = []
    for _epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(X)).split(batch_size):
            loss = functional.cross_entropy(model(X[rows]), Y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        history.append(total / len(X))
    return history


@wrong("train", hint="softmax")
def softmax_before_the_loss(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    X: Tensor,
    Y: Tensor,
    batch_size: int,
    epochs: int,
    generator: torch.Generator | None = None,
) -> list[float]:
    history = []
    for _epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            loss = functional.cross_entropy(torch.softmax(model(X[rows]), dim=1), Y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        history.append(total / len(X))
    return history
