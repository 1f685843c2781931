"""HTML from our own templates: every value is escaped, no page asks another host for anything."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from autograder.course import site_url
from autograder.report import STATUSES

TEMPLATES = Path(__file__).resolve().parent / "templates"


def render(template: str, **values: Any) -> str:
    """The template of that name with these values; links to the book start at `site`."""
    return _environment().get_template(template).render(site=site_url(), **values)


def points(value: float) -> str:
    """Points as people write them: at most two decimals, none that are zero."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["points"] = points
    environment.globals["meaning"] = STATUSES
    return environment
