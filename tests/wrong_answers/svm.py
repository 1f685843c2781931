"""Answers to the task of `solutions.svm`."""

from collections.abc import Sequence

import numpy as np
from sklearn.svm import SVC

from tests.wrong_answers import right, wrong


@right("best_svm")
def with_a_sorted_list(
    X_train: np.ndarray,
    y_train: np.ndarray,
    X_val: np.ndarray,
    y_val: np.ndarray,
    kernels: Sequence[str],
    Cs: Sequence[float],
) -> tuple[str, float, float]:
    tried = []
    for kernel in kernels:
        for C in Cs:
            machine = SVC(C=C, kernel=kernel)
            machine.fit(X_train, y_train)
            tried.append((kernel, C, np.mean(machine.predict(X_val) == y_val)))
    return max(tried, key=lambda entry: entry[2])


@right("best_svm")
def with_a_table(
    X_train: np.ndarray,
    y_train: np.ndarray,
    X_val: np.ndarray,
    y_val: np.ndarray,
    kernels: Sequence[str],
    Cs: Sequence[float],
) -> tuple[str, float, float]:
    hits = np.zeros((len(kernels), len(Cs)), dtype=int)
    for i, kernel in enumerate(kernels):
        for j, C in enumerate(Cs):
            hits[i, j] = np.sum(
                SVC(C=C, kernel=kernel).fit(X_train, y_train).predict(X_val) == y_val
            )
    row, column = divmod(int(hits.argmax()), len(Cs))
    return kernels[row], Cs[column], hits.max() / len(y_val)


@wrong("best_svm", hint="trained on")
def chosen_on_the_training_set(
    X_train: np.ndarray,
    y_train: np.ndarray,
    X_val: np.ndarray,
    y_val: np.ndarray,
    kernels: Sequence[str],
    Cs: Sequence[float],
) -> tuple[str, float, float]:
    best, best_accuracy = None, -1.0
    for kernel in kernels:
        for C in Cs:
            machine = SVC(kernel=kernel, C=C).fit(X_train, y_train)
            if machine.score(X_train, y_train) > best_accuracy:
                best_accuracy = machine.score(X_train, y_train)
                best = (kernel, C, machine.score(X_val, y_val))
    assert best is not None
    return best


@wrong("best_svm", hint="the first")
def last_of_equals(
    X_train: np.ndarray,
    y_train: np.ndarray,
    X_val: np.ndarray,
    y_val: np.ndarray,
    kernels: Sequence[str],
    Cs: Sequence[float],
) -> tuple[str, float, float]:
    best = ("", 0.0, 0.0)
    for kernel in kernels:
        for C in Cs:
            accuracy = SVC(kernel=kernel, C=C).fit(X_train, y_train).score(X_val, y_val)
            if accuracy >= best[2]:
                best = (kernel, C, accuracy)
    return best


@wrong("best_svm", hint="kernels in the order given")
def values_of_c_outside(
    X_train: np.ndarray,
    y_train: np.ndarray,
    X_val: np.ndarray,
    y_val: np.ndarray,
    kernels: Sequence[str],
    Cs: Sequence[float],
) -> tuple[str, float, float]:
    best = ("", 0.0, -1.0)
    for C in Cs:
        for kernel in kernels:
            accuracy = SVC(kernel=kernel, C=C).fit(X_train, y_train).score(X_val, y_val)
            if accuracy > best[2]:
                best = (kernel, C, accuracy)
    return best


@wrong("best_svm", hint="C is not passed")
def always_the_default_c(
    X_train: np.ndarray,
    y_train: np.ndarray,
    X_val: np.ndarray,
    y_val: np.ndarray,
    kernels: Sequence[str],
    Cs: Sequence[float],
) -> tuple[str, float, float]:
    best = ("", 0.0, -1.0)
    for kernel in kernels:
        for C in Cs:
            accuracy = SVC(kernel=kernel).fit(X_train, y_train).score(X_val, y_val)
            if accuracy > best[2]:
                best = (kernel, C, accuracy)
    return best


@wrong("best_svm", hint="kernel is not passed")
def always_the_default_kernel(
    X_train: np.ndarray,
    y_train: np.ndarray,
    X_val: np.ndarray,
    y_val: np.ndarray,
    kernels: Sequence[str],
    Cs: Sequence[float],
) -> tuple[str, float, float]:
    best = ("", 0.0, -1.0)
    for kernel in kernels:
        for C in Cs:
            accuracy = SVC(C=C).fit(X_train, y_train).score(X_val, y_val)
            if accuracy > best[2]:
                best = (kernel, C, accuracy)
    return best


@wrong("best_svm", hint="error rate")
def returns_the_error_rate(
    X_train: np.ndarray,
    y_train: np.ndarray,
    X_val: np.ndarray,
    y_val: np.ndarray,
    kernels: Sequence[str],
    Cs: Sequence[float],
) -> tuple[str, float, float]:
    best = ("", 0.0, 2.0)
    for kernel in kernels:
        for C in Cs:
            machine = SVC(kernel=kernel, C=C).fit(X_train, y_train)
            error = np.mean(machine.predict(X_val) != y_val)
            if error < best[2]:
                best = (kernel, C, error)
    return best


@wrong("best_svm", hint="kernel, C, accuracy")
def swaps_kernel_and_c(
    X_train: np.ndarray,
    y_train: np.ndarray,
    X_val: np.ndarray,
    y_val: np.ndarray,
    kernels: Sequence[str],
    Cs: Sequence[float],
) -> tuple[float, str, float]:
    best = (0.0, "", -1.0)
    for kernel in kernels:
        for C in Cs:
            accuracy = SVC(kernel=kernel, C=C).fit(X_train, y_train).score(X_val, y_val)
            if accuracy > best[2]:
                best = (C, kernel, accuracy)
    return best


@wrong("best_svm", hint="the worst")
def keeps_the_worst(
    X_train: np.ndarray,
    y_train: np.ndarray,
    X_val: np.ndarray,
    y_val: np.ndarray,
    kernels: Sequence[str],
    Cs: Sequence[float],
) -> tuple[str, float, float]:
    best = ("", 0.0, 2.0)
    for kernel in kernels:
        for C in Cs:
            accuracy = SVC(kernel=kernel, C=C).fit(X_train, y_train).score(X_val, y_val)
            if accuracy < best[2]:
                best = (kernel, C, accuracy)
    return best


@wrong("best_svm", hint="in [0, 1]")
def accuracy_in_per_cent(
    X_train: np.ndarray,
    y_train: np.ndarray,
    X_val: np.ndarray,
    y_val: np.ndarray,
    kernels: Sequence[str],
    Cs: Sequence[float],
) -> tuple[str, float, float]:
    best = ("", 0.0, -1.0)
    for kernel in kernels:
        for C in Cs:
            accuracy = 100 * SVC(kernel=kernel, C=C).fit(X_train, y_train).score(X_val, y_val)
            if accuracy > best[2]:
                best = (kernel, C, accuracy)
    return best


@wrong("best_svm", hint="trained on")
def trained_on_both_sets(
    X_train: np.ndarray,
    y_train: np.ndarray,
    X_val: np.ndarray,
    y_val: np.ndarray,
    kernels: Sequence[str],
    Cs: Sequence[float],
) -> tuple[str, float, float]:
    X, y = np.concatenate([X_train, X_val]), np.concatenate([y_train, y_val])
    best = ("", 0.0, -1.0)
    for kernel in kernels:
        for C in Cs:
            accuracy = SVC(kernel=kernel, C=C).fit(X, y).score(X_val, y_val)
            if accuracy > best[2]:
                best = (kernel, C, accuracy)
    return best
