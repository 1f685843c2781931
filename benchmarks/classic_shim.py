"""What the inlined hidden tests of a classic course use in place of our boundary.

A classic course has this file, as `shim.py`, beside its notebook: tests run in the student's own
kernel, so that the student is simply what the notebook defines.
"""

from collections.abc import Mapping
from typing import Any


class Student:
    """The names that a notebook defines."""

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self._namespace = namespace

    def __getattr__(self, name: str) -> Any:
        return self.value(name)

    def value(self, name: str) -> Any:
        """The variable of that name; NameError where the notebook defines none."""
        if name not in self._namespace:
            raise NameError(f"name {name!r} is not defined")
        return self._namespace[name]


class Handle:
    """Stands for values that stay in a worker: here there are none."""


class StudentError(Exception):
    """What our boundary raises for an error of the student's: here the error itself comes."""
