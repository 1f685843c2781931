"""What the checks of the update rules share: steps that follow each other, by a rule's formula."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograder.checks import tools

PAIR = "return two things, the new parameter and the dict for the next step: return next_w, config"
NONE = "config may be None or lack a setting: give every missing one its default"
EVERY_SETTING = "the returned dict holds every setting, defaults included"
CHANGED = "the settings go on to the next step as they came"
DTYPE = (
    "the new parameter has the dtype of w: zeros(w.shape) is float64, and so are numbers of NumPy "
    "such as np.sqrt(0.5); zeros_like(w) and numbers of Python are not"
)
OWN_STATE = (
    "each parameter has a state of its own: a dict that is made once, as the default value of an "
    "argument or outside of the function, is shared by all parameters"
)

Config = dict[str, Any]
Rule = Callable[[np.ndarray, np.ndarray, Config], tuple[np.ndarray, Config]]


@dataclass
class UpdateRule:
    """An update rule as it should be, and as it is often got wrong.

    expected and mistakes are called with complete settings and state; they return the next
    parameter and the next state. `kept` explains a state that is missing from the returned dict.
    """

    name: str
    defaults: Config
    state: tuple[str, ...]
    expected: Rule
    mistakes: Mapping[str, Rule]
    kept: str = ""
    not_finite: str | None = None
    start: Callable[[np.ndarray], Config] = field(default=lambda w: {})

    def complete(self, w: np.ndarray, config: Config | None) -> Config:
        """Settings and state of the first step."""
        return {**self.defaults, **self.start(w), **(config or {})}

    @property
    def default_hint(self) -> str:
        values = ", ".join(f"{name} {value:g}" for name, value in self.defaults.items())
        return f"a setting that is left out has its default: {values}"


def step(rule: UpdateRule, call: Callable[..., Any], *arguments: Any) -> tuple[np.ndarray, Config]:
    """One step of the student's, of the right form; w and dw are verified to be unchanged."""
    w, dw = arguments[:2]
    given = tools.copied(w), tools.copied(dw)
    with (
        tools.explained(NONE, "NoneType", "KeyError"),
        tools.explained(OWN_STATE, "could not be broadcast"),
    ):
        answer = call(*given, *arguments[2:])
    pair = isinstance(answer, tuple | list) and len(answer) == 2
    if not pair or not isinstance(answer[1], dict):
        raise tools.Mistake(f"{rule.name} returned {tools.described(answer)}", PAIR)
    for name, before, after in zip(("w", "dw"), (w, dw), given, strict=True):
        tools.unchanged(name, before, after)
    return tools.array("next_w", answer[0], w.shape), answer[1]


def follow(
    rule: UpdateRule,
    call: Callable[..., Any],
    w: np.ndarray,
    gradients: list[np.ndarray],
    config: Config | None,
) -> None:
    """Compare parameter and state after each of several steps, with the formulas' own."""
    right = rule.complete(w, config)
    wrong = {hint: dict(right) for hint in rule.mistakes}
    arguments: list[Any] = [] if config is None else [_copied(config)]
    for number, dw in enumerate(gradients, start=1):
        came, returned = step(rule, call, w, dw, *arguments)
        expected, new, results = _by_formula(rule, w, dw, right, wrong)
        old, right = right, {**right, **new}
        wrong = {hint: {**wrong[hint], **result[1]} for hint, result in results.items()}
        _compare_parameter(rule, f"next_w after step {number}", came, expected, results)
        _compare_state(rule, returned, old, right, wrong, number)
        w, arguments = expected, [returned]


def _by_formula(
    rule: UpdateRule, w: np.ndarray, dw: np.ndarray, right: Config, wrong: dict[str, Config]
) -> tuple[np.ndarray, Config, dict[str, tuple[np.ndarray, Config]]]:
    """The next parameter and state, and those after each mistake."""
    with np.errstate(all="ignore"):
        results = {hint: rule.mistakes[hint](w, dw, wrong[hint]) for hint in wrong}
        return *rule.expected(w, dw, right), results


def _compare_parameter(
    rule: UpdateRule,
    name: str,
    came: np.ndarray,
    expected: np.ndarray,
    results: dict[str, tuple[np.ndarray, Config]],
) -> None:
    wrong = {hint: result[0] for hint, result in results.items()}
    if np.isfinite(came).all():
        tools.close(name, came, expected, wrong)
        return
    alike = (hint for hint in wrong if np.allclose(came, wrong[hint], equal_nan=True))
    raise tools.Mistake(f"{name} holds nan or infinity", next(alike, rule.not_finite))


def _compare_state(
    rule: UpdateRule,
    returned: Config,
    old: Config,
    right: Config,
    wrong: dict[str, Config],
    number: int,
) -> None:
    for key in rule.defaults:
        tools.require(key in returned, f"config[{key!r}] is not there", EVERY_SETTING)
        same = tools.as_number(key, returned[key]) == right[key]
        tools.require(same, f"config[{key!r}] is not what it was", CHANGED)
    for key in rule.state:
        name = f"config[{key!r}] after step {number}"
        tools.require(key in returned, f"{name} is not there", rule.kept)
        mistakes = {hint: state[key] for hint, state in wrong.items()} | {rule.kept: old[key]}
        if isinstance(right[key], np.ndarray):
            value = tools.array(name, returned[key], right[key].shape)
            tools.close(name, value, right[key], mistakes)
        else:
            tools.number(name, returned[key], right[key], mistakes)


def _copied(config: Config) -> Config:
    return {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in config.items()}


@contextmanager
def _from_defaults(rule: UpdateRule) -> Iterator[None]:
    """Where settings are left out, a mistake that nothing else explains is in the defaults."""
    try:
        yield
    except tools.Mistake as mistake:
        unexplained = mistake.hint in (None, CHANGED) or mistake.hint.startswith("every entry is")
        hint = rule.default_hint if unexplained else mistake.hint
        raise tools.Mistake(mistake.message, hint) from None


def check_defaults(
    rule: UpdateRule, call: Callable[..., Any], w: np.ndarray, gradients: list[np.ndarray]
) -> None:
    """Steps without a dict, and from one that is None, empty, or holds the learning rate alone."""
    step(rule, call, w, gradients[0], None)
    with _from_defaults(rule):
        for config in (None, {}, {"learning_rate": 0.25}):
            follow(rule, call, w, gradients, config)


def check_float32(
    rule: UpdateRule, call: Callable[..., Any], w: np.ndarray, dw: np.ndarray
) -> None:
    """A parameter in float32 stays one."""
    w, dw = w.astype(np.float32), dw.astype(np.float32)
    came, _ = step(rule, call, w, dw)
    tools.require(came.dtype == np.float32, f"next_w has dtype {came.dtype}, w has float32", DTYPE)


def check_own_state(
    rule: UpdateRule, call: Callable[..., Any], w: np.ndarray, gradients: list[np.ndarray]
) -> None:
    """The first step of a second parameter, after steps of a first one, in Fortran order."""
    w = np.asfortranarray(w)
    before, _ = step(rule, call, w, gradients[2])
    first, config = step(rule, call, w, gradients[0])
    step(rule, call, first, gradients[1], config)
    came, _ = step(rule, call, w, gradients[2])
    name = "next_w of the second parameter"
    same = np.allclose(before, came, rtol=1e-9, atol=1e-12, equal_nan=True)
    tools.require(same, f"{name} depends on the steps of the first one", OWN_STATE)
    fresh = rule.complete(w, None)
    wrong = dict.fromkeys(rule.mistakes, fresh)
    expected, _, results = _by_formula(rule, w, gradients[2], fresh, wrong)
    with _from_defaults(rule):
        _compare_parameter(rule, name, came, expected, results)
