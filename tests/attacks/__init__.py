"""Hostile submissions, by what they are after; `tests/test_attacks.py` grades them all."""

from tests.attacks import (
    ending,
    flooding,
    folder,
    forks,
    lying,
    markup,
    reaching,
    reading,
    replacing,
    staying,
)

MODULES = (reading, replacing, lying, ending, staying, flooding, reaching, markup, folder, forks)
ATTACKS = [attack for module in MODULES for attack in module.ATTACKS]
