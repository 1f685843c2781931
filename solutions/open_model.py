"""The open task: a model of distorted digits, and how it is trained."""

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional


def open_model() -> nn.Module:
    """Build the model of the open task, untrained.

    It classifies images of 1 × 12 × 12 pixels into ten classes. The state, that is all tensors of
    its state_dict, may hold no more than 50 000 numbers of four bytes: parameters and running
    statistics alike. In eval mode the output for an image does not depend on chance.

    Book: unit 4, page `open_model`.

    Returns:
        A module that maps B × 1 × 12 × 12 to pre-activations, B × 10. Every call builds a new one,
        whose state has the same names and shapes.
    """

    def block(n_in: int, n_out: int) -> list[nn.Module]:
        conv = nn.Conv2d(n_in, n_out, kernel_size=3, padding=1, bias=False)
        return [conv, nn.BatchNorm2d(n_out), nn.ReLU()]

    return nn.Sequential(
        *(*block(1, 16), *block(16, 16), nn.MaxPool2d(2)),
        *(*block(16, 32), *block(32, 32), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Dropout(0.2), nn.Linear(32 * 3 * 3, 10)),
    )


def train_open_model(
    X_train: Tensor, y_train: Tensor, X_val: Tensor, y_val: Tensor, generator: torch.Generator
) -> nn.Module:
    """Train a model of open_model() on the images given, within 30 seconds of processor time.

    What is learned must be in the state of the module that is returned: the grader copies that
    state into another model of open_model(), in a process that knows nothing of this training, and
    gives it the test images as they are.

    Book: unit 4, page `open_model`.

    Args:
        X_train: images to learn from, N × 1 × 12 × 12, float32; not modified.
        y_train: class of each of them, (N,), int64, from 0 to 9; not modified.
        X_val: images of other originals, for choices, M × 1 × 12 × 12; not modified.
        y_val: class of each of them, (M,); not modified.
        generator: a CPU generator, source of every draw but that of the initial weights, which
            layers draw from the global one.

    Returns:
        The trained module.
    """
    epochs, batch_size, padding = 12, 64, 1
    model = open_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    steps = epochs * math.ceil(len(X_train) / batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    size, larger = X_train.shape[-1], functional.pad(X_train, (padding,) * 4)
    best, best_accuracy = model.state_dict(), -1.0
    for _ in range(epochs):
        model.train()
        for rows in torch.randperm(len(X_train), generator=generator).split(batch_size):
            i, j = torch.randint(2 * padding + 1, (2,), generator=generator).tolist()
            shifted = larger[rows, :, i : i + size, j : j + size]
            loss = functional.cross_entropy(model(shifted), y_train[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        model.eval()
        with torch.no_grad():
            accuracy = (model(X_val).argmax(dim=1) == y_val).double().mean().item()
        if accuracy >= best_accuracy:
            best, best_accuracy = copy.deepcopy(model.state_dict()), accuracy
    model.load_state_dict(best)
    return model
