"""Answers to the task of `solutions.digits`."""

import numpy as np
import torch
from torch import Tensor

from tests.wrong_answers import right, wrong


@right("confusion_matrix")
def with_a_loop(actual: Tensor, predicted: Tensor, n_classes: int) -> Tensor:
    matrix = torch.zeros(n_classes, n_classes, dtype=torch.int64)
    for i, j in zip(actual, predicted, strict=True):
        matrix[i, j] += 1
    return matrix


@right("confusion_matrix")
def with_one_hot_products(actual: Tensor, predicted: Tensor, n_classes: int) -> Tensor:
    classes = torch.arange(n_classes)
    rows = (actual[:, None] == classes).long()
    columns = (predicted[:, None] == classes).long()
    return rows.T @ columns


@right("confusion_matrix")
def with_index_put(actual: Tensor, predicted: Tensor, n_classes: int) -> Tensor:
    counts = torch.zeros((n_classes, n_classes), dtype=torch.long)
    ones = torch.ones(len(actual), dtype=torch.long)
    return counts.index_put_((actual, predicted), ones, accumulate=True)


@wrong("confusion_matrix", hint="rows are the actual")
def transposed(actual: Tensor, predicted: Tensor, n_classes: int) -> Tensor:
    pairs = predicted * n_classes + actual
    return torch.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)


@wrong("confusion_matrix", hint="counts")
def shares_of_each_row(actual: Tensor, predicted: Tensor, n_classes: int) -> Tensor:
    pairs = actual * n_classes + predicted
    counts = torch.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)
    return counts / counts.sum(dim=1, keepdim=True).clamp(min=1)


@wrong("confusion_matrix", hint="n_classes")
def classes_that_occur(actual: Tensor, predicted: Tensor, n_classes: int) -> Tensor:
    classes = torch.unique(torch.cat([actual, predicted]))
    matrix = torch.zeros(len(classes), len(classes), dtype=torch.int64)
    for row, i in enumerate(classes):
        for column, j in enumerate(classes):
            matrix[row, column] = ((actual == i) & (predicted == j)).sum()
    return matrix


@wrong("confusion_matrix", hint="n_classes")
def up_to_the_largest_class(actual: Tensor, predicted: Tensor, n_classes: int) -> Tensor:
    size = int(max(actual.max(), predicted.max())) + 1
    return torch.bincount(actual * size + predicted, minlength=size**2).reshape(size, size)


@wrong("confusion_matrix", hint="int64")
def counts_as_floats(actual: Tensor, predicted: Tensor, n_classes: int) -> Tensor:
    matrix = torch.zeros(n_classes, n_classes)
    for i, j in zip(actual.tolist(), predicted.tolist(), strict=True):
        matrix[i, j] += 1
    return matrix


@wrong("confusion_matrix", hint="diagonal")
def only_the_right_ones(actual: Tensor, predicted: Tensor, n_classes: int) -> Tensor:
    matrix = torch.zeros(n_classes, n_classes, dtype=torch.int64)
    for i in range(n_classes):
        matrix[i, i] = ((actual == i) & (predicted == i)).sum()
    return matrix


@wrong("confusion_matrix", hint="diagonal")
def only_the_mistakes(actual: Tensor, predicted: Tensor, n_classes: int) -> Tensor:
    matrix = torch.zeros(n_classes, n_classes, dtype=torch.int64)
    for i, j in zip(actual.tolist(), predicted.tolist(), strict=True):
        if i != j:
            matrix[i, j] += 1
    return matrix


@wrong("confusion_matrix", hint="repeated")
def repeated_pairs_count_once(actual: Tensor, predicted: Tensor, n_classes: int) -> Tensor:
    matrix = torch.zeros(n_classes, n_classes, dtype=torch.int64)
    matrix[actual, predicted] += 1
    return matrix


@wrong("confusion_matrix", hint="torch.Tensor")
def as_an_array(actual: Tensor, predicted: Tensor, n_classes: int) -> np.ndarray:
    matrix = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(matrix, (actual.numpy(), predicted.numpy()), 1)
    return matrix
