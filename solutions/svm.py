"""Support vector machines on the circles: kernels and C, chosen on validation data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.svm import SVC


def best_svm(
    X_train: np.ndarray,
    y_train: np.ndarray,
    X_val: np.ndarray,
    y_val: np.ndarray,
    kernels: Sequence[str],
    Cs: Sequence[float],
) -> tuple[str, float, float]:
    """Choose the kernel and the C whose support vector machine does best on validation data.

    Train one `sklearn.svm.SVC` for each kernel and each C on the training set, everything else left
    at its default, and compare their accuracies on the validation set. Where several are equally
    good, the first one counts: kernels in the order given, and for each kernel the values of C in
    the order given.

    Book: book/unit1/svm, the choice of kernel and C.

    Args:
        X_train: training inputs, N × n_x.
        y_train: class of each training example, (N,), whole numbers.
        X_val: validation inputs, M × n_x.
        y_val: class of each validation example, (M,).
        kernels: names that SVC knows: "linear", "poly", "sigmoid", "rbf".
        Cs: positive numbers; a small C regularises more.

    Returns:
        The kernel, the C, and their accuracy on the validation set, in [0, 1].
    """
    best = ("", 0.0, -1.0)
    for kernel in kernels:
        for C in Cs:
            accuracy = SVC(kernel=kernel, C=C).fit(X_train, y_train).score(X_val, y_val)
            if accuracy > best[2]:
                best = (kernel, float(C), float(accuracy))
    return best


KERNELS: dict[str, dict[str, Any]] = {
    "linear": {"kernel": "linear"},
    "polynomial, degree 3 (default)": {"kernel": "poly"},
    "polynomial, degree 2": {"kernel": "poly", "degree": 2},
    "polynomial, degree 3, coef0 = 1": {"kernel": "poly", "coef0": 1.0},
    "sigmoid (default)": {"kernel": "sigmoid"},
    "RBF (default)": {"kernel": "rbf"},
}
CS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)


@dataclass(frozen=True)
class KernelScore:
    """One kernel of the comparison, its C chosen on the validation set.

    Attributes:
        name: the kernel as `KERNELS` names it.
        validation: validation accuracy for each C of the sweep, in [0, 1].
        C: the value with the best validation accuracy, the first one where several are equal.
        test: test accuracy of the machine with that C, the only one that saw the test set.
        machine: that machine, trained on the training set.
    """

    name: str
    validation: dict[float, float]
    C: float
    test: float
    machine: SVC


def svm_kernel_scores(
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    kernels: Mapping[str, Mapping[str, Any]] = KERNELS,
    Cs: Sequence[float] = CS,
) -> list[KernelScore]:
    """Sweep C for each kernel, choose it on the validation set, and report the test set once.

    Args:
        train: inputs (N × n_x) and classes (N,) that every machine is trained on.
        validation: the same for the examples that C is chosen on.
        test: the same for the examples that the chosen machine of each kernel is scored on.
        kernels: a name for each kernel, and the arguments of `SVC` that make it.
        Cs: values of C to try.

    Returns:
        One score a kernel, in the order of `kernels`.
    """
    scores = []
    for name, arguments in kernels.items():
        machines = {C: SVC(C=C, **arguments).fit(*train) for C in Cs}
        accuracies = {C: float(machine.score(*validation)) for C, machine in machines.items()}
        C = max(accuracies, key=accuracies.__getitem__)
        machine = machines[C]
        scores.append(KernelScore(name, accuracies, C, float(machine.score(*test)), machine))
    return scores
