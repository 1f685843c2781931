"""The rubrics of an assignment's written answers, which are secret."""

import re

from autograder.assignment import Assignment

HEADING = re.compile(r"^## +`?(\w+)`?\s*$", re.MULTILINE)


def read_rubrics(assignment: Assignment) -> tuple[str, dict[str, str]]:
    """What is said to those who grade by hand, and the rubric of each written answer, as Markdown.

    Without a file there is neither.
    """
    if not assignment.rubrics.is_file():
        return "", {}
    opening, *parts = HEADING.split(assignment.rubrics.read_text(encoding="utf-8"))
    advice = "\n".join(line for line in opening.splitlines() if not line.startswith("# "))
    texts = (text.strip() for text in parts[1::2])
    return advice.strip(), dict(zip(parts[::2], texts, strict=True))
