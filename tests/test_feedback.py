"""The student's page: marks, hints and links, nothing hidden, nothing that runs."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from autograder import feedback
from autograder.course import Course, site_url
from autograder.feedback import Mark
from autograder.gradebook import grade_class
from autograder.report import Failure, Report, TaskResult
from tests.conftest import ASSIGNMENT, Answer, ClassOfStudents

SCRIPT = "<script>alert('boo')</script>"
TOTALS = {"student": "ada", "score": 3.5, "max_score": 8.0, "late_penalty": 0}


class Page(HTMLParser):
    """The tags of a page, what they load, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.text = ""
        self.handlers: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.text += " "
        for name, value in attrs:
            if name.startswith("on"):
                self.handlers.append(name)
            elif name == "href":
                (self.links if tag == "a" else self.loaded).append(value or "")
            elif name in ("src", "srcset", "data"):
                self.loaded.append(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def assert_self_contained(html: str) -> Page:
    """The page loads nothing and runs nothing."""
    page = Page(html)
    assert page.loaded == []
    assert page.handlers == []
    assert not {"script", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert "@import" not in html and "url(" not in html
    assert "default-src 'none'" in html
    return page


def made_up_page() -> str:
    """A page with every status, with a submission's text wherever such text can stand."""
    problem = Failure(f"Sums {SCRIPT}.", f"got {SCRIPT}", f"add {SCRIPT}", "book/unit1/a.html#b")
    wrong = TaskResult("sums", 4, 1.5, "partial", (problem, problem))
    right = TaskResult("products", 2, 2, "correct")
    written = TaskResult("why", 2, 0, "manual")
    report = Report.of("sums", "process", (wrong, right, written), "n.ipynb", (f"said {SCRIPT}",))
    marks = [
        Mark(wrong, 1.5),
        Mark(right, 2),
        Mark(written, 0, waits=True, answer=f"Because {SCRIPT}", comment=f"No {SCRIPT}"),
    ]
    return feedback.page(report, marks, TOTALS)


def test_what_a_submission_says_is_shown_as_text() -> None:
    page = assert_self_contained(made_up_page())
    for words in ("Sums", "got", "add", "said", "Because", "No"):
        assert f"{words} {SCRIPT}" in page.text


def test_the_page_says_status_points_hint_link_and_isolation() -> None:
    page = Page(made_up_page())
    text = re.sub(r"\s+", " ", page.text)
    assert "3.5 of 8 points" in text
    assert "sums partial 1.5 / 4" in text
    assert "products correct 2 / 2" in text
    assert "why not graded yet – / 2" in text
    assert "2 of these points are for written answers" in text
    assert "the weaker isolation" in text
    assert f"{site_url()}/book/unit1/a.html#b" in page.links


def test_failures_that_say_the_same_are_told_once() -> None:
    assert Page(made_up_page()).text.count("What came") == 1


def test_a_perfect_page_has_nothing_to_tell() -> None:
    task = TaskResult("sums", 4, 4, "correct")
    report = Report.of("sums", "bubblewrap", (task,), "n.ipynb")
    html = feedback.page(report, [Mark(task, 4)], TOTALS | {"score": 8.0})
    assert "Every check of every task passed." in html


def page_of(course: Course, student: str) -> str:
    return (course.feedback / student / ASSIGNMENT / f"{ASSIGNMENT}.html").read_text()


def test_the_wrong_answer_finds_its_hint_and_its_page(graded_class: ClassOfStudents) -> None:
    page = assert_self_contained(page_of(graded_class.course, "summed"))
    section = re.sub(r"\s+", " ", page.text).partition("What was found")[2]
    assert re.search(r"backward partial .* Hint: [^.]*mean", section)
    assert any(link.startswith(f"{site_url()}/book/unit1/") for link in page.links)
    assert "in bubblewrap" in page.text


@pytest.mark.parametrize("student", ["few", "full", "mangled", "noisy", "untouched"])
def test_every_page_is_self_contained(graded_class: ClassOfStudents, student: str) -> None:
    page = assert_self_contained(page_of(graded_class.course, student))
    assert f"Feedback for {student}" in page.text


def test_marks_and_comments_of_a_person_are_on_the_page(
    graded_class: ClassOfStudents, tmp_path: Path, run: Callable[..., Answer]
) -> None:
    from nbgrader.api import Gradebook

    course = graded_class.copy(tmp_path / "course", without=("cut",))
    with Gradebook(course.gradebook_url) as gradebook:
        names = (ASSIGNMENT, ASSIGNMENT, "mangled")
        gradebook.find_grade("why_activation", *names).manual_score = 1.5
        gradebook.find_grade("backward", *names).manual_score = 0.25
        gradebook.find_comment("why_activation", *names).manual_comment = "Nearly."
        gradebook.db.commit()
    assert "Nearly." not in page_of(course, "mangled")
    grade_class(ASSIGNMENT, course)
    text = re.sub(r"\s+", " ", Page(page_of(course, "mangled")).text)
    assert "why_activation graded by hand 1.5 / 2" in text
    assert "Comment: Nearly." in text
    assert "a person changed the mark" in text
