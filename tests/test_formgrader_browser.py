"""Written answers, graded by hand in a real browser: formgrader inside a running JupyterLab."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from nbgrader.utils import is_solution

from autograder.build import build
from autograder.course import ROOT, Course
from autograder.formgrader import rubrics
from tests.conftest import ASSIGNMENT, Answer, right_answer, submit, with_answers
from tests.test_leaks import leaks_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FrameLocator, Locator, Page

TASK = "why_activation"
POINTS = {"n_parameters": 1, "initial_loss": 1}
BY_HAND = 1.5
COMMENT = "A straight line: yes. And the accuracy?"
ANSWER = """Two **linear maps** in a row are one, also if `n_x < n_h`: $W_y W_h x + b$.

> The boundary is a straight line.
"""
HOSTILE = f"""# {TASK}

<div class="nbgrader_cell"><input id="{TASK}"></div><script>document.title = "taken"</script>

[my notes](/formgrader/?path=submitted/ada/{ASSIGNMENT})
"""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
REMEDY = "; install Chromium (Debian: apt-get install chromium) and pip install -e '.[browser]'"
START_SECONDS = 120
LONGEST_MS = 120_000


@dataclass
class Seen:
    """What an instructor saw from one button to the next, in text and as places on the page."""

    course: Course
    autograded: str = ""
    waiting: str = ""
    graded: str = ""
    answer: str = ""
    rubric: str = ""
    title: str = ""
    boxes: dict[str, dict[str, float]] = field(default_factory=dict)
    links: int = 0


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """A headless Chromium; without one the tests are skipped, or fail where it is required."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _do_without("the Python package playwright is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        _do_without(f"none of {', '.join(BROWSERS)} is installed")
    with sync_playwright() as playwright, ExitStack() as stack:
        yield stack.enter_context(playwright.chromium.launch(executable_path=program))


def _do_without(lacking: str) -> None:
    if os.environ.get("CHROMIUM") == "required":
        pytest.fail(lacking + REMEDY)
    pytest.skip(lacking + REMEDY)


@pytest.fixture(scope="module")
def seen(browser: "Browser", tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """One submission, graded by the button and then by hand, and its feedback page made."""
    folder = tmp_path_factory.mktemp("formgrader")
    course = Course(folder / "course", folder / "build")
    build([ASSIGNMENT], course)
    release = course.release / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    submit(course, "ada", submission(nbformat.read(release, as_version=4)))
    found = Seen(course)
    with jupyter_lab(course, folder) as (address, token):
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(LONGEST_MS)
        page.route(lambda url: not url.startswith(address), lambda route: route.abort())
        page.goto(f"{address}lab?token={token}")
        try:
            grade(page, found, lambda name: page.screenshot(path=folder / f"{name}.png"))
        except Exception:
            page.screenshot(path=folder / "failed.png")
            raise
    return found


def submission(release: NotebookNode) -> NotebookNode:
    """Two right answers, a written one, and a cell that pretends to be a part of formgrader."""
    notebook = with_answers(release, {name: right_answer(name) for name in POINTS})
    written = {c.metadata.nbgrader.grade_id: c for c in notebook.cells if is_solution(c)}
    written[TASK].source = ANSWER
    notebook.cells.insert(0, new_markdown_cell(HOSTILE))
    return notebook


@contextmanager
def jupyter_lab(course: Course, home: Path) -> Iterator[tuple[str, str]]:
    """A running server in the course folder, untouched by its user's settings: address, token."""
    places = {f"JUPYTER_{name}_DIR": str(home / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    words = ["--no-browser", "--allow-root", "--ServerApp.port=0"]
    log = home / "jupyter_lab.log"
    with log.open("wb") as file:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *words],
            cwd=course.directory,
            env=os.environ | places | {"PYTHONPATH": str(ROOT)},
            stdout=file,
            stderr=file,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (files := list(home.glob("RUNTIME/jpserver-*.json"))):
            assert server.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        about = json.loads(files[0].read_text())
        yield about["url"], about["token"]
    finally:
        server.terminate()
        server.wait()


def grade(page: "Page", seen: Seen, look: Callable[[str], Any]) -> None:
    """What an instructor does, from the menu of JupyterLab to the feedback page."""
    page.get_by_role("menuitem", name="Nbgrader").click()
    page.get_by_role("menuitem", name="Formgrader", exact=True).click()
    formgrader = page.frame_locator("iframe")
    row(formgrader, ASSIGNMENT).locator(".num-submissions a").click()
    press(formgrader, row(formgrader, "ada").locator(".autograde a"), look, "autograded")
    seen.autograded = row(formgrader, "ada").inner_text()

    formgrader.get_by_role("link", name="Manual Grading").click()
    formgrader.get_by_role("link", name=ASSIGNMENT).click()
    formgrader.locator("td").get_by_role("link", name=ASSIGNMENT).click()
    submitted = formgrader.get_by_role("link", name="Submission #1")
    submitted.wait_for()
    seen.waiting = row(formgrader, "Submission #1").inner_text()
    submitted.click()
    give_marks(page, formgrader, seen, look)

    formgrader.locator(".breadcrumb").get_by_role("link", name=ASSIGNMENT).last.click()
    submitted.wait_for()
    seen.graded = row(formgrader, "Submission #1").inner_text()
    look("graded")
    formgrader.get_by_role("link", name="Manage Assignments").click()
    row(formgrader, ASSIGNMENT).locator(".num-submissions a").click()
    press(formgrader, row(formgrader, "ada").locator(".generate-feedback a"), look, "feedback")


def give_marks(
    page: "Page", formgrader: "FrameLocator", seen: Seen, look: Callable[[str], Any]
) -> None:
    """Read the answer and its rubric, and give a mark and a comment."""
    mark = formgrader.locator(f"input#{TASK}.needs_manual_grade")
    mark.wait_for()
    beside = formgrader.locator(".with-rubric").filter(has=mark)
    parts = {"answer": beside.locator(".panel-primary"), "rubric": beside.locator(".rubric")}
    parts["answer"].scroll_into_view_if_needed()
    seen.boxes = {name: place_of(part) for name, part in parts.items()}
    seen.answer, seen.rubric = (part.inner_text() for part in parts.values())
    seen.title = formgrader.locator("body").evaluate("() => document.title")
    formgrader.get_by_text("my notes").wait_for()
    seen.links = formgrader.locator("a[href]", has_text="my notes").count()
    look("answer")
    for kind, box, value in (
        ("grade", formgrader.locator(f"input#{TASK}"), str(BY_HAND)),
        ("comment", formgrader.locator(f"#{TASK}-comment[placeholder]"), COMMENT),
    ):
        with page.expect_response(re.compile(f"/api/{kind}/")) as saved:
            box.fill(value)
            box.blur()
        assert saved.value.ok, saved.value.text()
    look("marked")


def place_of(part: "Locator") -> dict[str, float]:
    """Where a part of the page is, in pixels."""
    box = part.bounding_box()
    assert box is not None
    return {"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]}


def row(formgrader: "FrameLocator", name: str) -> "Locator":
    return formgrader.get_by_role("row").filter(has_text=name)


def press(
    formgrader: "FrameLocator", button: "Locator", look: Callable[[str], Any], name: str
) -> None:
    """Press a button of formgrader and close the window in which it says that all went well."""
    button.click()
    window = formgrader.locator(".modal.in")
    window.get_by_text("Success", exact=True).wait_for()
    look(name)
    window.locator(".modal-footer .close").click()
    window.wait_for(state="hidden")


def test_the_button_grades_what_checks_can_grade(seen: Seen) -> None:
    earned, waiting = sum(POINTS.values()), "needs manual grading"
    assert f"{earned} / 50" in seen.autograded and waiting in seen.autograded
    assert f"{earned} / 50" in seen.waiting


def test_the_rubric_stands_beside_the_answer(seen: Seen) -> None:
    answer, rubric = seen.boxes["answer"], seen.boxes["rubric"]
    assert answer["x"] + answer["width"] <= rubric["x"]
    assert abs(answer["y"] - rubric["y"]) < answer["height"]
    words = rubrics(ASSIGNMENT)[TASK].split()
    assert words[:2] == ["Two", "points."]
    assert "two linear maps in a row are one" in " ".join(seen.rubric.split())


def test_the_answer_reads_as_it_was_written(seen: Seen) -> None:
    assert "Two linear maps in a row are one, also if n_x < n_h:" in seen.answer
    assert "\nThe boundary is a straight line." in seen.answer


def test_a_student_adds_nothing_to_the_page_that_acts(seen: Seen) -> None:
    assert seen.title == ASSIGNMENT
    assert seen.links == 0


def test_the_mark_of_a_person_enters_the_total(seen: Seen, run: Callable[..., Answer]) -> None:
    total = sum(POINTS.values()) + BY_HAND
    assert f"{total} / 50" in seen.graded
    done = run("report", ASSIGNMENT, "--course", seen.course.directory, "--json")
    [student] = json.loads(done.out)["students"]
    assert (student["student"], student["mark"], student["waiting"]) == ("ada", total, 0)
    assert student["automatic"] == sum(POINTS.values())


def test_students_get_the_comment_and_never_the_rubric(seen: Seen) -> None:
    page = seen.course.feedback / "ada" / ASSIGNMENT / f"{ASSIGNMENT}.html"
    assert COMMENT in page.read_text()
    for folder in (seen.course.autograded, seen.course.feedback):
        assert not [leak for leak in leaks_in(folder) if "rubric" in leak]
