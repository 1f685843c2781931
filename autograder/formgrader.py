"""What formgrader shows of a submission: a student's words made harmless, the rubric beside them.

nbgrader_config.py puts these filters and the template formgrader.html.j2 into the page, which is
made anew at each look. Nothing of it enters a file, so no rubric is in what students get back.
"""

import re
from typing import Any

from bleach import clean
from nbconvert.preprocessors.sanitize import SanitizeHTML
from nbformat import NotebookNode

from autograder.assignment import Assignment, known
from autograder.rubrics import read_rubrics

TEXT = "b blockquote br code del em h1 h2 h3 h4 h5 h6 hr i li ol p s strong sub sup ul"
TABLES = "table tbody td th thead tr"
LAID_OUT = "a div img pre span"
TAGS = frozenset(f"{TEXT} {TABLES} {LAID_OUT}".split())
PICTURE = re.compile(r"data:image/(png|jpeg|gif);base64,[A-Za-z0-9+/=\s]*")


class SanitizeRest(SanitizeHTML):
    """Sanitises raw cells and outputs; Markdown, in which `<` may be text, once it is HTML."""

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict[str, Any], cell_index: int
    ) -> tuple[NotebookNode, dict[str, Any]]:
        if cell.cell_type == "markdown":
            return cell, resources
        return super().preprocess_cell(cell, resources, cell_index)


def sanitised(html: str) -> str:
    """What a student wrote as Markdown, with nothing left that acts or looks like formgrader's own.

    It takes the place of nbconvert's filter `strip_files_prefix`. No script, and no attribute that
    would run one; no id, which formgrader could take for one of its fields; links lead nowhere, for
    they could lead to a command of the server; of pictures, those pasted into the cell stay.
    """
    return clean(html, tags=TAGS, attributes=_is_harmless, protocols=["data"])


def rubric(task: str, assignment: str) -> str:
    """The rubric of a written answer as Markdown; "" where there is none."""
    return rubrics(assignment).get(task, "") if assignment in known() else ""


def rubrics(assignment: str) -> dict[str, str]:
    """The rubrics of an assignment by task; each ends with what the file says of all of them."""
    of_all, texts = read_rubrics(Assignment.load(assignment))
    return {task: f"{text}\n\n---\n\n{of_all}\n" for task, text in texts.items()}


def _is_harmless(tag: str, name: str, value: str) -> bool:
    """Whether a tag keeps this attribute: code keeps its colours, a picture what it shows."""
    match tag, name:
        case "img", "src":
            return PICTURE.fullmatch(value) is not None
        case ("img", "alt") | ("ol", "start"):
            return True
        case (("div" | "pre" | "span"), "class"):
            return value == "highlight" or len(value) <= 2  # the names that Pygments gives
    return False
