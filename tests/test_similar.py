"""Look-alikes: what two share that few others have is shown to a person, and nothing else is."""

import ast
import inspect
import json
import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, writes

from autograder.assignment import Assignment
from autograder.course import ROOT, Course
from autograder.similar import JUDGE, SMALL_CLASS, LookAlikes, Match, look_alikes, rarity
from tests.conftest import ASSIGNMENT, Answer, submit
from tests.test_feedback import SCRIPT, assert_self_contained
from tests.wrong_answers import load_all

Answers = Mapping[str, str]

WORDS = (ROOT / "LICENSE-text").read_text().split()
SHORT = (
    "def sgd(params, grads, eta):\n    for n, p in enumerate(params):\n        p -= eta * grads[n]"
)


def made_up(task: str, seed: int, statements: int = 9) -> str:
    """An answer that nobody else would write."""
    draw = random.Random(f"{task} {seed}")
    lines = [f"def {task}(x, y):"]
    for _ in range(statements):
        method, key = draw.choice(("sum", "max", "exp", "view", "mean")), draw.randrange(10**6)
        operator = draw.choice("+-*/@")
        lines.append(f"    x = x.{method}({key}) {operator} y[{draw.randrange(10**6)}]")
    return "\n".join([*lines, "    return x"])


def prose(seed: int, words: int = 70) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def notebook(answers: Answers, cells: tuple[str, ...] = ()) -> str:
    """A student's notebook: prose in the marked cells, anything else in cells of code."""
    written = {task.name for task in Assignment.load(ASSIGNMENT).tasks if task.kind == "written"}
    made = [new_code_cell(source) for source in cells]
    for task, source in answers.items():
        marked = {"nbgrader": {"grade_id": task, "solution": True}}
        is_prose = task in written
        made.append(
            new_markdown_cell(source, metadata=marked) if is_prose else new_code_cell(source)
        )
    return writes(new_notebook(cells=made))


def handed_in(course: Course, answers: Mapping[str, Answers | str | bytes]) -> Course:
    """A class: the answers of each student, or the file."""
    for student, content in answers.items():
        text = content if isinstance(content, str | bytes) else notebook(content)
        submit(course, student, text.encode() if isinstance(text, str) else text)
    return course


def others(number: int = 25, *tasks: str) -> dict[str, Answers]:
    """Students who wrote everything themselves."""
    chosen = tasks or ("backward", "train")
    return {f"s{seed}": {task: made_up(task, seed) for task in chosen} for seed in range(number)}


def twice(answers: Answers, first: str = "ada") -> dict[str, Answers]:
    """Two students with the same answers."""
    return {first: answers, "bert": answers}


def compared(folder: Path, answers: Mapping[str, Answers | str | bytes]) -> LookAlikes:
    return look_alikes(ASSIGNMENT, handed_in(Course(folder / "course"), answers))


def matches(found: LookAlikes) -> dict[tuple[str, tuple[str, ...]], Match]:
    listed = [match for task in found.tasks for match in task.matches]
    return {(match.task, match.students): match for match in listed}


def renamed(source: str, names: Mapping[str, str]) -> str:
    """The same code with other names and a comment, as one who copies would change it."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
        elif isinstance(node, ast.arg):
            node.arg = names.get(node.arg, node.arg)
    first, rest = ast.unparse(tree).split("\n", 1)
    return f'{first}\n    """My own work."""\n    # all by myself\n{rest}'


def reference(task: str, module: str = "by_hand") -> str:
    source = (ROOT / "solutions" / f"{module}.py").read_text()
    found = (node for node in ast.parse(source).body if getattr(node, "name", "") == task)
    return ast.unparse(next(found))


# ---- what is listed -----------------------------------------------------------------------------


def test_a_copy_under_other_names_is_listed(tmp_path: Path) -> None:
    original = made_up("backward", 100)
    copy = renamed(original, {"x": "gradient", "y": "activations"})
    found = compared(
        tmp_path, {**others(), "ada": {"backward": original}, "bert": {"backward": copy}}
    )
    [match] = matches(found).values()
    assert (match.task, match.students, match.likeness) == ("backward", ("ada", "bert"), 1)
    assert [side.students for side in match.sides] == [("ada",), ("bert",)]
    left, right = ([line for line in side.lines if line.holders] for side in match.sides)
    assert len(left) == len(right) >= 9 and {line.holders for line in left[:-1]} == {2}
    assert "# all by myself" in "\n".join(line.text for line in match.sides[1].lines)
    assert found.compared == 27 and found.left_out == {}


def test_a_copy_with_moved_and_changed_lines_is_listed(tmp_path: Path) -> None:
    original = made_up("backward", 100, 14)
    lines = original.split("\n")
    lines[2], lines[3] = lines[3], lines[2]
    lines[8] = "    x = x.softmax(0)"
    changed = "\n".join([*lines[:5], "    print(x)", *lines[5:]])
    found = compared(
        tmp_path, {**others(), "ada": {"backward": original}, "bert": {"backward": changed}}
    )
    [match] = matches(found).values()
    assert match.students == ("ada", "bert") and 0.75 <= match.likeness < 1


def test_answers_that_moved_into_helpers_are_compared(tmp_path: Path) -> None:
    inner = made_up("backward", 100)
    outer = "def backward(x, y):\n    return work(x, y)"
    one = f"{inner.replace('backward', 'work')}\n\n{outer}"
    other = f"{outer}\n\n{renamed(inner.replace('backward', 'work'), {'x': 'a', 'y': 'b'})}"
    found = compared(tmp_path, {**others(), "ada": {"backward": one}, "bert": {"backward": other}})
    assert matches(found).keys() == {("backward", ("ada", "bert"))}


def test_all_who_share_a_form_are_one_match(tmp_path: Path) -> None:
    same = {name: {"train": made_up("train", 100)} for name in ("ada", "bert", "carl")}
    [match] = matches(compared(tmp_path, {**others(), **same})).values()
    assert match.students == ("ada", "bert", "carl")


def test_copied_prose_with_some_words_changed_is_listed(tmp_path: Path) -> None:
    words = prose(100).split()
    words[10], words[40] = "rather", "indeed"
    answers = {f"s{seed}": {"why_activation": prose(seed)} for seed in range(25)}
    copies = {"ada": {"why_activation": prose(100)}, "bert": {"why_activation": " ".join(words)}}
    [match] = matches(compared(tmp_path, {**answers, **copies})).values()
    assert match.students == ("ada", "bert") and match.likeness > 0.75


def test_many_short_answers_in_common_are_listed_as_a_pair(tmp_path: Path) -> None:
    tasks = [task.name for task in Assignment.load(ASSIGNMENT).tasks if task.kind == "function"]
    alike = {task: made_up(task, 100, 2) for task in tasks}
    answers = {f"s{n}": {task: made_up(task, n, 2) for task in tasks} for n in range(25)}
    found = compared(tmp_path, {**answers, **twice(alike)})
    assert not matches(found)
    [pair] = found.pairs
    assert pair.students == ("ada", "bert") and pair.tasks.keys() == set(tasks)
    assert pair.weight > found.usual + 3 * found.least


def test_words_that_nobody_else_has_are_named(tmp_path: Path) -> None:
    odd = made_up("backward", 100) + "  # the wibbly gradient"
    found = compared(tmp_path, {**others(), **twice({"backward": odd})})
    [match] = matches(found).values()
    assert "wibbly" in match.words and "return" not in match.words


# ---- what is not listed -------------------------------------------------------------------------


def test_three_equal_lines_are_no_evidence(tmp_path: Path) -> None:
    found = compared(tmp_path, {**others(), **twice({"sgd": SHORT})})
    assert not matches(found) and not found.pairs


def test_what_much_of_the_class_has_is_no_evidence(tmp_path: Path) -> None:
    usual = made_up("backward", 100)
    same = {f"same{number}": {"backward": usual} for number in range(20)}
    found = compared(tmp_path, {**others(), **same})
    assert not matches(found) and not found.pairs


def test_a_long_line_that_the_class_has_nearly_so_is_no_evidence(tmp_path: Path) -> None:
    lines = made_up("backward", 100).split("\n")
    longest = " + ".join(line.strip()[4:] for line in lines[1:-1])

    def variant(number: int) -> dict[str, str]:
        return {"backward": f"{lines[0]}\n    return {longest} + {number}"}

    unlike = compared(tmp_path / "unlike", {**others(), **twice(variant(0))})
    assert len(matches(unlike)) == 1
    class_of_one_mind = {f"s{number}": variant(number) for number in range(1, 25)}
    found = compared(tmp_path / "like", {**class_of_one_mind, **twice(variant(0))})
    assert not matches(found) and not found.pairs


def test_the_same_slips_in_the_reference_are_no_evidence(tmp_path: Path) -> None:
    slips = {}
    for task in ("backward", "loss_accuracy", "init_params"):
        tree = ast.parse(reference(task))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and type(node.value) is int:
                node.value += 7
        assert ast.unparse(tree) != reference(task)
        slips[task] = ast.unparse(tree)
    found = compared(tmp_path, {**others(), **twice(slips)})
    assert not matches(found) and not found.pairs


def test_the_reference_and_the_release_are_no_evidence(tmp_path: Path) -> None:
    assignment = Assignment.load(ASSIGNMENT)
    stubs = {task.name: task.stub for task in assignment.tasks}
    right = stubs | {task: reference(task) for task in ("backward", "forward", "loss_accuracy")}
    renamed_right = right | {"backward": renamed(right["backward"], {"X": "data", "cache": "kept"})}
    found = compared(tmp_path, {"ada": right, "bert": renamed_right, "carl": stubs, "dora": right})
    assert not matches(found) and not found.pairs
    assert {task.task: task.answers for task in found.tasks if task.answers} == dict.fromkeys(
        ("forward", "loss_accuracy", "backward"), 3
    )


def test_different_answers_to_the_same_task_are_not_listed(tmp_path: Path) -> None:
    """The wrong answers and the other styles that the checks are tried on, one a student."""
    answers: dict[str, dict[str, str]] = {}
    tasks = {task.name for task in Assignment.load(ASSIGNMENT).tasks if task.kind == "function"}
    number = dict.fromkeys(tasks, 0)
    for variant in load_all():
        if variant.task in tasks:
            student = f"s{number[variant.task]}"
            answers.setdefault(student, {})[variant.task] = variant.source()
            number[variant.task] += 1
    found = compared(tmp_path, answers)
    assert sum(task.answers for task in found.tasks) > 150
    assert not matches(found) and not found.pairs


def test_rarity_falls_from_one_to_nothing() -> None:
    assert [rarity(2, 300), rarity(300, 300)] == [1, 0]
    assert 0.3 < rarity(30, 300) < 0.6
    assert rarity(3, 3) == rarity(3, SMALL_CLASS) > 0.8


# ---- what cannot be compared --------------------------------------------------------------------


def deep(sign: str) -> str:
    return f"def backward(x):\n    return {sign * 60000}x"


def hostile() -> dict[str, tuple[Any, str]]:
    """Notebooks by student, with what is said of them."""
    ends = "more than 20000 characters; not compared"
    return {
        "cut": (notebook({"train": SHORT})[:100], "cut off half-way"),
        "nested": (b"[" * 100_000, "not a notebook"),
        "huge": (notebook({"train": "x = 1\n" * 2**18}), "more than 1 MB of code"),
        "elsewhere": (
            writes(new_notebook(metadata={"course": {"assignment": "vit"}})),
            "a notebook of another assignment",
        ),
        "long": ({"backward": made_up("backward", 1, 2000)}, f"backward: {ends}"),
        "wordy": ({"why_activation": prose(1, 9000)}, f"why_activation: {ends}"),
        "broken": ({"backward": "def backward(x:\n    return x"}, "code cell 1 cannot be read as"),
        "zero": (
            {"backward": "def backward(x):\n    return '\0'"},
            "code cell 1 cannot be read as",
        ),
        "deep": ({"backward": deep("not ")}, "code cell 1 cannot be read as"),
        "deeper": ({"backward": deep("-")}, "code cell 1 cannot be read as"),
        "tower": ({"backward": "def backward(x):\n  x" + ".a" * 400}, "nested too deeply"),
    }


def test_what_cannot_be_compared_is_named_and_the_rest_is_compared(tmp_path: Path) -> None:
    same = made_up("backward", 100) + f"\n\nbig = 0x{'f' * 9000}\n"
    bad = hostile()
    files = {student: content for student, (content, _) in bad.items()}
    answers = {**others(), **files, **twice({"backward": same})}
    course = handed_in(Course(tmp_path / "course"), answers)
    (course.submitted / "linked" / ASSIGNMENT).mkdir(parents=True)
    link = course.submitted / "linked" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    link.symlink_to(course.submitted / "ada" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb")
    (course.submitted / "absent" / ASSIGNMENT).mkdir(parents=True)
    found = look_alikes(ASSIGNMENT, course)
    assert matches(found).keys() == {("backward", ("ada", "bert"))}
    said = {student: reason for student, (_, reason) in bad.items()}
    said |= {"linked": "a symbolic link", "absent": "no such file"}
    assert found.left_out.keys() == said.keys()
    for student, reason in said.items():
        assert reason in " ".join(found.left_out[student])


@pytest.mark.parametrize("end", ["\r", "\r\n"])
def test_lines_that_end_otherwise_are_compared(end: str, tmp_path: Path) -> None:
    source = made_up("backward", 100).replace("\n", end)
    [match] = matches(compared(tmp_path, {**others(), **twice({"backward": source})})).values()
    assert [line.text for line in match.sides[0].lines] == source.split(end)


def test_a_folder_whose_name_is_no_text_is_compared(
    tmp_path: Path, run: Callable[..., Answer]
) -> None:
    same = twice({"backward": made_up("backward", 100)}, os.fsdecode(b"ad\xe9"))
    course = handed_in(Course(tmp_path / "course"), {**others(), **same})
    answer = run("similar", ASSIGNMENT, "--course", course.directory, "--json")
    assert (answer.status, "ad?" in answer.out) == (0, True)
    assert "ad?" in (course.reports / ASSIGNMENT / "similar.html").read_text()


def test_numbers_without_end_and_all_kinds_of_statements_are_compared(tmp_path: Path) -> None:
    source = inspect.cleandoc(f"""
        def backward(x, y):
            if x: y = 0x{"f" * 9000}
            try:
                pass
            except ValueError as problem:
                raise KeyError(f"{{x!r:>4}}") from problem
            match x:
                case [1, *rest] if rest:
                    del rest
                case {{"key": (2 | 3) as value}}:
                    return lambda z, /, *, w=1: (yield (z, w, value))
            @staticmethod
            def inner(*many, **named): ...
            with open(x) as file, y: global z
            return [a async for a in x if (b := a)], x[::2], 1j, b"", ...
    """)
    found = compared(tmp_path, twice({"backward": source}))
    [match] = matches(found).values()
    assert match.likeness == 1 and found.left_out == {}


def test_nothing_is_run_or_written_but_the_two_reports(
    tmp_path: Path, run: Callable[..., Answer]
) -> None:
    trace = tmp_path / "ran"
    source = f"{made_up('backward', 100)}\n\nopen({str(trace)!r}, 'w')\n"
    course = handed_in(Course(tmp_path / "course"), twice({"backward": source}))
    before = {path: path.lstat().st_mtime_ns for path in course.submitted.rglob("*")}
    answer = run("similar", ASSIGNMENT, "--course", course.directory)
    assert answer.status == 0 and not trace.exists()
    assert {path: path.lstat().st_mtime_ns for path in course.submitted.rglob("*")} == before
    files = {path for path in course.directory.rglob("*") if path.is_file()} - before.keys()
    assert {str(path) for path in files} == set(answer.out.split())
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)


# ---- what is shown ------------------------------------------------------------------------------


def test_the_page_is_self_contained_and_shows_text_as_text(tmp_path: Path) -> None:
    odd = f"{made_up('backward', 100)}  # {SCRIPT} &amp;"
    same = twice({"backward": odd}, f"ada {SCRIPT[:8]}")
    found = compared(tmp_path, {**others(), **same, "cut": "{<b>"})
    page = assert_self_contained(found.to_html())
    assert page.text.count(f"# {SCRIPT} &amp;") == 2
    assert f"ada {SCRIPT[:8]}" in page.text and "not a notebook" in page.text
    assert " ".join(JUDGE.split()) in " ".join(page.text.split())
    assert "2 of 27 have this or nearly this" in found.to_html()


def test_a_class_without_look_alikes_has_a_page(tmp_path: Path) -> None:
    page = assert_self_contained(compared(tmp_path, others()).to_html())
    assert "Nothing stands out" in page.text and "Over all tasks" not in page.text
    alone = assert_self_contained(compared(tmp_path / "alone", others(1)).to_html())
    assert "Nothing stands out" in alone.text


def test_the_command_prints_json_with_the_note(tmp_path: Path, run: Callable[..., Answer]) -> None:
    same = twice({"backward": made_up("backward", 100)})
    course = handed_in(Course(tmp_path), {**others(), **same})
    answer = run("similar", ASSIGNMENT, "--course", course.directory, "--json")
    data = json.loads(answer.out)
    assert (answer.status, data["note"]) == (0, JUDGE)
    [match] = [match for task in data["tasks"] for match in task["matches"]]
    assert match["students"] == ["ada", "bert"] and match["weight"] > data["least"]
    assert json.loads((course.reports / ASSIGNMENT / "similar.json").read_text()) == data
    strict = run("similar", ASSIGNMENT, "--course", course.directory, "--json", "--least", "900")
    assert not any(task["matches"] for task in json.loads(strict.out)["tasks"])


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("perzeptron",), 1, "unknown assignment 'perzeptron'; known are:"),
        ((ASSIGNMENT,), 1, "nothing submitted; put notebooks at"),
        ((ASSIGNMENT, "--least", "0"), 2, "--least"),
    ],
)
def test_wrong_use_is_named(
    words: tuple[str, ...], status: int, message: str, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    answer = run("similar", *words, "--course", tmp_path)
    assert answer.status == status and message in answer.err
    assert not list(tmp_path.iterdir())
