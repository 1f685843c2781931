"""What formgrader's page of a submission is made of: students' words, and rubrics."""

import pytest
from bs4 import BeautifulSoup
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_markdown_cell, new_notebook
from nbgrader.apps.nbgraderapp import NbGraderApp
from traitlets.config import Config

from autograder.assignment import Assignment, known
from autograder.course import ROOT
from autograder.formgrader import rubric, rubrics, sanitised

PNG = "data:image/png;base64,aGVsbG8="


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Config:
    """nbgrader's configuration as the project's own file makes it."""
    monkeypatch.chdir(ROOT)
    app = NbGraderApp()
    app.initialize([])
    app.clear_instance()
    return app.config


@pytest.mark.parametrize(
    "html",
    [
        '<a href="/formgrader/?path=x">notes</a>',
        '<a href="data:text/html,x">notes</a>',
        '<p id="why_activation" class="modal" onclick="x()">notes</p>',
        '<img src="plot.png" onerror="x()">notes',
        '<img src="data:image/svg+xml;base64,aGVsbG8=">notes',
        '<form action="/logout"><input id="why_activation">notes</form>',
        '<script src="x">notes</script><style>notes</style>',
    ],
)
def test_nothing_that_acts_is_left(html: str) -> None:
    page = BeautifulSoup(sanitised(html), "html.parser")
    assert "notes" in page.text
    acting = ("form", "input", "script", "style")
    assert not [tag for tag in page(True) if tag.attrs or tag.name in acting]


def test_pictures_pasted_into_a_cell_and_colours_of_code_are_kept() -> None:
    kept = [
        f'<img src="{PNG}" alt="a plot">',
        '<div class="highlight"><pre><span class="nb">abs</span></pre></div>',
        "<table><tbody><tr><td>1</td></tr></tbody></table>",
    ]
    assert [sanitised(html) for html in kept] == kept


def test_every_written_answer_has_its_own_rubric_to_show() -> None:
    for assignment in map(Assignment.load, known()):
        written = [task.name for task in assignment.tasks if task.kind == "written"]
        assert list(rubrics(assignment.name)) == written
        shown = {rubric(task, assignment.name) for task in written}
        assert len(shown) == len(written)
        assert all(text.startswith("Two points.") for text in shown)


def test_a_rubric_is_shown_in_formgrader_and_nowhere_else(config: Config) -> None:
    answer = new_markdown_cell("YOUR ANSWER HERE")
    answer.metadata["nbgrader"] = {"grade_id": "which_split", "solution": True, "grade": True}
    notebook = new_notebook(cells=[answer])
    page = HTMLExporter(config=config)
    shown, _ = page.from_notebook_node(notebook, {"assignment_id": "perceptron"})
    assert "largest of fifteen noisy values" in shown
    for elsewhere in ({}, {"assignment_id": "of another course"}):
        html, _ = page.from_notebook_node(notebook, elsewhere)
        assert "YOUR ANSWER HERE" in html and "fifteen" not in html
