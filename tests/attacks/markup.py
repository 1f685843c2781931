"""Attacks on the browser of who reads what came out: scripts in outputs, names, and messages."""

from collections.abc import Callable
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_output, new_raw_cell

from tests.attacks.attack import Aims, Attack, Evidence
from tests.attacks.page import dangerous

HOSTILE = (
    "<script>owned()</script><img src=x onerror=owned()><svg onload=owned()></svg>"
    "</pre></td></li></textarea></title><script>owned()</script>"
    "\"'><b onmouseover=owned()>x</b><a href=' javascript:owned()'>x</a>"
    "<iframe srcdoc='<script>owned()</script>'></iframe>"
    "<meta http-equiv=refresh content='0;url=javascript:owned()'>"
    "{{ owned }}{% raw %}]]>--><!--\x1b]0;owned\x07\x1b[2J\u202e"
)
CELL = f"HOSTILE = {HOSTILE!r}\n"


def _reached(evidence: Evidence) -> bool:
    return dangerous(evidence.page) != []


def markup(
    name: str,
    cell: str = "",
    answers: dict[str, str] | None = None,
    edit: Callable[[NotebookNode], None] | None = None,
    prepare: Callable[[Path, Aims], None] | None = None,
    grader: str = "rendered",
    refused: str = "",
) -> Attack:
    return Attack(
        f"markup-{name}",
        _reached,
        (CELL + cell,),
        answers or {},
        grader=grader,
        edit=edit,
        prepare=prepare,
        refused=refused,
    )


def _save_outputs(notebook: NotebookNode) -> None:
    """Markup wherever a notebook's file has room for it."""
    data = {"text/html": HOSTILE, "image/svg+xml": HOSTILE, "application/javascript": "owned()"}
    for number, cell in enumerate(notebook.cells):
        cell.metadata |= {"tags": [HOSTILE], "name": HOSTILE}
        cell.id = f"cell-{number}"
        if cell.cell_type == "code":
            cell.outputs = [
                new_output("display_data", data=data),
                new_output("execute_result", data=data),
                new_output("error", ename=HOSTILE, evalue=HOSTILE, traceback=[HOSTILE]),
            ]
        if cell.cell_type == "markdown":
            cell.attachments = {HOSTILE: {"image/png": HOSTILE, "text/html": HOSTILE}}
    notebook.metadata |= {"title": HOSTILE, "authors": [{"name": HOSTILE}]}


def _write_markup(notebook: NotebookNode) -> None:
    raw = {"raw_mimetype": "text/html", "format": "text/html"}
    cells = [
        new_markdown_cell(f"# {HOSTILE}\n\n{HOSTILE}\n\n`{HOSTILE}`\n\n${HOSTILE}$"),
        new_raw_cell(HOSTILE, metadata=raw),
    ]
    notebook.cells[1:1] = cells


def _write_links(notebook: NotebookNode) -> None:
    source = """
[a](javascript:owned()) [b](JaVaScRiPt:owned()) [c](vbscript:owned()) ![d](javascript:owned())
[e](data:text/html;base64,PHNjcmlwdD5vd25lZCgpPC9zY3JpcHQ+#owned) [f][owned]

[owned]: javascript:owned()
"""
    notebook.cells.insert(1, new_markdown_cell(source))


def _add_pages(folder: Path, aims: Aims) -> None:
    page = f"<!DOCTYPE html><title>x</title>{HOSTILE}"
    for name in ("page.html", "quick.html", "picture.svg", "page.xhtml", "page.HTM"):
        (folder / name).write_text(page)
    (folder / "<img src=x onerror=owned()>.ipynb").write_text(page)


def _link_pages(notebook: NotebookNode) -> None:
    source = "[my solution](page.html) ![a picture](picture.svg) [more](page.xhtml)"
    notebook.cells.insert(1, new_markdown_cell(source))


NAMES = """
Named = type("<script>owned()</script>", (Exception,), {})
Kept = type("<img src=x onerror=owned()>", (), {"__repr__": lambda self: HOSTILE})

def raising():
    raise Named(HOSTILE)

raising.__name__ = raising.__qualname__ = HOSTILE
"""

ATTACKS = [
    markup(
        "outputs",
        """
from IPython.display import HTML, Javascript, display

print(HOSTILE)
print(HOSTILE, file=sys.stderr)
display(HTML(HOSTILE), Javascript("owned()"))
display({"text/html": HOSTILE, "text/markdown": HOSTILE}, raw=True)
HTML(HOSTILE)
""",
    ),
    markup(
        "messages",
        "raise ValueError(HOSTILE)",
        {"accuracy": "def accuracy(Z, labels):\n    raise ValueError(HOSTILE)"},
    ),
    markup(
        "names",
        NAMES + "raising()",
        {
            "accuracy": "def accuracy(Z, labels):\n    raise Named('x')",
            "linear_forward": "def linear_forward(x, W, b):\n    return Kept()",
            "n_weights": "n_weights = Kept()",
        },
    ),
    markup(
        "tracebacks",
        "code = compile(f'def named():\\n    raise ValueError({HOSTILE!r})', HOSTILE, 'exec')\n"
        "exec(code)\nnamed()",
        {"accuracy": "def accuracy(Z, labels):\n    named()"},
    ),
    markup("saved-outputs", edit=_save_outputs, grader="shown"),
    markup("cells", edit=_write_markup),
    markup("links", edit=_write_links),
    markup("pages", edit=_link_pages, prepare=_add_pages),
    markup("student-<img src=x onerror=owned()>", refused="rename the folder"),
    markup("student-\"'><svg onload=owned()>", refused="rename the folder"),
]
