"""Answers to the tasks of `solutions.training`."""

# Students write `loss += ...` with tensors and call `optimizer.step()` after `if training:`.
# mypy: disable-error-code="assignment, union-attr, return-value, arg-type, misc"

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from tests.wrong_answers import right, wrong

# epoch


@right("epoch")
def with_loaders(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    criterion = nn.CrossEntropyLoss(reduction="sum")
    loss_sum, n_right = 0.0, 0
    if optimizer is None:
        was_training = model.training
        model.eval()
        with torch.no_grad():
            for X_batch, y_batch in DataLoader(TensorDataset(X, y), batch_size):
                Y_tilde = model(X_batch)
                loss_sum += criterion(Y_tilde, y_batch).item()
                n_right += (Y_tilde.argmax(1) == y_batch).sum().item()
        if was_training:
            model.train()
    else:
        model.train()
        loader = DataLoader(TensorDataset(X, y), batch_size, shuffle=True, generator=generator)
        for X_batch, y_batch in loader:
            Y_tilde = model(X_batch)
            loss = criterion(Y_tilde, y_batch)
            (loss / len(X_batch)).backward()
            optimizer.step()
            optimizer.zero_grad()
            loss_sum += loss.item()
            n_right += (Y_tilde.argmax(1) == y_batch).sum().item()
    return loss_sum / len(X), n_right / len(X)


@right("epoch")
def with_lists_of_figures(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    losses: list[float] = []
    hits: list[bool] = []
    mode = model.training
    if optimizer is None:
        model.eval()
        order, gradients = range(len(X)), torch.inference_mode()
    else:
        model.train()
        order, gradients = torch.randperm(len(X), generator=generator), torch.enable_grad()
    with gradients:
        for start in range(0, len(X), batch_size):
            rows = [int(i) for i in order[start : start + batch_size]]
            Y_tilde = model(X[rows])
            each = functional.cross_entropy(Y_tilde, y[rows], reduction="none")
            if optimizer is not None:
                model.zero_grad()
                each.mean().backward()
                optimizer.step()
            losses += each.tolist()
            hits += (Y_tilde.argmax(dim=1) == y[rows]).tolist()
    model.train(mode)
    return float(np.mean(losses)), float(np.mean(hits))


@right("epoch")
def with_the_figures_first(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_mean, accuracy = torch.zeros(()), torch.zeros(())
    for rows in order.split(batch_size):
        share = len(rows) / len(X)
        with torch.set_grad_enabled(training):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
        loss_mean = loss_mean + share * loss.detach()
        accuracy = accuracy + share * (Y_tilde.argmax(dim=1) == y[rows]).float().mean()
        if training:
            optimizer.zero_grad(set_to_none=False)
            loss.backward()
            optimizer.step()
    model.train(mode)
    return loss_mean.item(), accuracy.item()


@wrong("epoch", hint="model.eval() is missing")
def forgets_eval(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train()
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="torch.no_grad() is missing")
def forgets_no_grad(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.enable_grad():
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="zero_grad() is missing")
def forgets_zero_grad(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="zero_grad not between")
def clears_between_backward_and_step(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                loss.backward()
                optimizer.zero_grad()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="model.train() is missing")
def forgets_train(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    if not training:
        model.eval()
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="model.train() is missing")
def never_in_train_mode(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.eval()
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="counts as much as")
def mean_of_the_batch_means(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0.0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item()
            n_right += (Y_tilde.argmax(dim=1) == y[rows]).double().mean().item()
    model.train(mode)
    n_batches = len(order.split(batch_size))
    return loss_sum / n_batches, n_right / n_batches


@wrong("epoch", hint="not batches times size")
def every_batch_counts_as_full(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    n = batch_size * len(order.split(batch_size))
    return loss_sum / n, n_right / n


@wrong("epoch", hint="weigh each by its size")
def mean_losses_over_examples(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item()
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="divide by the number of examples")
def returns_sums(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum, float(n_right)


@wrong("epoch", hint="percent")
def returns_percent(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X), 100 * n_right / len(X)


@wrong("epoch", hint="last batch alone")
def accuracy_of_the_last_batch(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, accuracy = 0.0, 0.0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            accuracy = (Y_tilde.argmax(dim=1) == y[rows]).double().mean().item()
    model.train(mode)
    return loss_sum / len(X), accuracy


@wrong("epoch", hint="last, smaller batch")
def drops_the_last_batch(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            if len(rows) < batch_size and len(X) > batch_size:
                continue
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="no shuffling")
def keeps_the_order(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="belong together")
def shuffles_inputs_and_classes_apart(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.arange(len(X))
    if training:
        X = X[torch.randperm(len(X), generator=generator)]
        y = y[torch.randperm(len(y), generator=generator)]
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="exactly once")
def draws_with_replacement(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = (
        torch.randint(len(X), (len(X),), generator=generator) if training else torch.arange(len(X))
    )
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="fixed seed")
def fixed_seed(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="generator")
def leaves_the_generator_aside(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.randperm(len(X)) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="one step a batch")
def one_step_an_epoch(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                loss.backward()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    if optimizer is not None:
        optimizer.step()
        optimizer.zero_grad()
    model.train(mode)
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="the rule is the optimizer's")
def steps_by_hand(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                with torch.no_grad():
                    for parameter in model.parameters():
                        parameter -= optimizer.param_groups[0]["lr"] * parameter.grad
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="before the step")
def figures_after_the_step(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                with torch.no_grad():
                    Y_tilde = model(X[rows])
                    loss = functional.cross_entropy(Y_tilde, y[rows])
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="softmax")
def softmax_before_the_loss(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows]).softmax(dim=1)
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="the mode that it had")
def keeps_eval_mode(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="the mode that it had")
def always_back_to_train(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train()
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="belongs to the evaluation alone")
def gradients_always_off(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.no_grad():
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="loss.item()")
def adds_up_tensors(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="mean over the batch")
def summed_loss(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows], reduction="sum")
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item()
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X), n_right / len(X)


@wrong("epoch", hint="two floats")
def loss_alone(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> float:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.split(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X)


@wrong("epoch", hint="number of examples a batch")
def batches_of_another_number(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    generator: torch.Generator | None = None,
) -> tuple[float, float]:
    training = optimizer is not None
    mode = model.training
    model.train(training)
    order = torch.randperm(len(X), generator=generator) if training else torch.arange(len(X))
    loss_sum, n_right = 0.0, 0
    with torch.set_grad_enabled(training):
        for rows in order.chunk(batch_size):
            Y_tilde = model(X[rows])
            loss = functional.cross_entropy(Y_tilde, y[rows])
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(rows)
            n_right += int((Y_tilde.argmax(dim=1) == y[rows]).sum())
    model.train(mode)
    return loss_sum / len(X), n_right / len(X)


# topk_accuracy


@right("topk_accuracy")
def by_rank(Y_tilde: Tensor, y: Tensor, k: int) -> float:
    if k < 1 or k > Y_tilde.size(1):
        raise ValueError("k out of range")
    of_class = Y_tilde.gather(1, y.unsqueeze(1))
    return float(((Y_tilde > of_class).sum(dim=1) < k).float().mean())


@right("topk_accuracy")
def by_loops(Y_tilde: Tensor, y: Tensor, k: int) -> float:
    if k not in range(1, Y_tilde.shape[1] + 1):
        raise ValueError(f"k = {k}")
    hits = 0
    for row, label in zip(Y_tilde.tolist(), y.tolist(), strict=True):
        best = sorted(range(len(row)), key=lambda j: row[j], reverse=True)[:k]
        hits += label in best
    return hits / len(y)


@wrong("topk_accuracy", hint="first guess only")
def top_one(Y_tilde: Tensor, y: Tensor, k: int) -> float:
    if not 1 <= k <= Y_tilde.shape[1]:
        raise ValueError(k)
    return (Y_tilde.argmax(dim=1) == y).double().mean().item()


@wrong("topk_accuracy", hint="share")
def number_of_hits(Y_tilde: Tensor, y: Tensor, k: int) -> int:
    if not 1 <= k <= Y_tilde.shape[1]:
        raise ValueError(k)
    return int((Y_tilde.topk(k).indices == y[:, None]).sum())


@wrong("topk_accuracy", hint="percent")
def topk_percent(Y_tilde: Tensor, y: Tensor, k: int) -> float:
    if not 1 <= k <= Y_tilde.shape[1]:
        raise ValueError(k)
    return 100 * (Y_tilde.topk(k).indices == y[:, None]).any(dim=1).double().mean().item()


@wrong("topk_accuracy", hint="smallest")
def k_smallest(Y_tilde: Tensor, y: Tensor, k: int) -> float:
    if not 1 <= k <= Y_tilde.shape[1]:
        raise ValueError(k)
    guesses = Y_tilde.argsort(dim=1)[:, :k]
    return (guesses == y[:, None]).any(dim=1).double().mean().item()


@wrong("topk_accuracy", hint="one guess too many")
def one_guess_too_many(Y_tilde: Tensor, y: Tensor, k: int) -> float:
    if not 1 <= k <= Y_tilde.shape[1]:
        raise ValueError(k)
    rank = (Y_tilde > Y_tilde.gather(1, y[:, None])).sum(dim=1)
    return (rank <= k).double().mean().item()


@wrong("topk_accuracy", hint="not by the number of guesses")
def share_of_guesses(Y_tilde: Tensor, y: Tensor, k: int) -> float:
    if not 1 <= k <= Y_tilde.shape[1]:
        raise ValueError(k)
    return (Y_tilde.topk(k).indices == y[:, None]).double().mean().item()


@wrong("topk_accuracy", hint="its k-th guess alone")
def kth_guess_alone(Y_tilde: Tensor, y: Tensor, k: int) -> float:
    if not 1 <= k <= Y_tilde.shape[1]:
        raise ValueError(k)
    return (Y_tilde.topk(k).indices[:, k - 1] == y).double().mean().item()


@wrong("topk_accuracy", hint="raise ValueError")
def any_k_is_fine(Y_tilde: Tensor, y: Tensor, k: int) -> float:
    k = max(1, min(k, Y_tilde.shape[1]))
    return (Y_tilde.topk(k).indices == y[:, None]).any(dim=1).double().mean().item()


@wrong("topk_accuracy", hint="fair question")
def refuses_all_classes(Y_tilde: Tensor, y: Tensor, k: int) -> float:
    if not 1 <= k < Y_tilde.shape[1]:
        raise ValueError(k)
    return (Y_tilde.topk(k).indices == y[:, None]).any(dim=1).double().mean().item()
