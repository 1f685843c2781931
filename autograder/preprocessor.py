"""Our grading inside nbgrader: the preprocessors that nbgrader_config.py puts in its pipeline.

nbgrader sanitises a copy of the submission, executes it, and reads each mark from the outputs of
the graded cells. Here the copy is not executed: the submitted file is graded by the hidden checks
in another process, and the copy receives the results.
"""

import json
import re
from pathlib import Path
from typing import Any

from nbformat import NotebookNode, from_dict
from nbformat.v4 import new_notebook
from nbgrader.api import Gradebook, SourceCell
from nbgrader.preprocessors import NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution
from traitlets import Unicode

from autograder import pages, results
from autograder.assignment import Assignment
from autograder.errors import CourseError
from autograder.report import Report, TaskResult

CELL_TYPES = ("code", "markdown", "raw")
PICTURES = ("image/png", "image/jpeg", "image/gif")
LOST = "*(This cell is not in the submission. The answer may stand in another cell.)*"
BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")

_grader = results.Grader()


class RestoreCells(NbGraderPreprocessor):
    """Makes the copy of a submission whole: every graded cell stands in it exactly once.

    The student's cells keep their source alone: what nbgrader reads as its own in a cell's
    metadata comes from the gradebook. Lost graded cells come back in the sheet's order.
    """

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        names = resources["nbgrader"]
        with Gradebook(names["db_url"]) as gradebook:
            notebook = gradebook.find_notebook(names["notebook"], names["assignment"])
            points = {cell.name: cell.max_score for cell in notebook.grade_cells}
            written = {cell.name for cell in notebook.solution_cells}
            sources = {cell.name: cell for cell in notebook.source_cells if cell.name in points}
            masters = {
                task.name: _master(number, source, points[task.name], task.name in written)
                for number, task in enumerate(Assignment.load(names["assignment"]).tasks)
                if (source := sources.get(task.name)) is not None
            }
        return restored(nb, masters), resources


class RunChecks(NbGraderPreprocessor):
    """Grades the submitted file in another process and writes the results into the copy.

    Each automatically graded cell ends with exactly one number, the only thing in the copy that
    nbgrader takes for a mark, and with what the student may read about it.
    """

    isolation = Unicode("bubblewrap", help="bubblewrap, or process (weaker)").tag(config=True)
    device = Unicode("cpu", help="cpu or cuda").tag(config=True)

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        job = self._job(resources["nbgrader"])
        # A converter of `autograder grade` brings the result along.
        result = getattr(self.parent.parent, "result", None) or _grader.result(job)
        if result.report is None:
            raise CourseError(result.error)
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.execution_count = None
                cell.outputs = _outputs(cell, result.report) if is_grade(cell) else []
        nb.metadata["course"] = {
            "assignment": job.assignment,
            "key": result.key,
            "timestamp": timestamp(job.notebook.parent),
            "report": result.report.as_dict(),
        }
        return nb, resources

    def _job(self, names: dict[str, str]) -> results.Job:
        coursedir = self.parent.parent.coursedir
        submitted = coursedir.format_path(
            coursedir.submitted_directory, names["student"], names["assignment"]
        )
        return results.Job(
            course=Path(coursedir.root),
            assignment=names["assignment"],
            student=names["student"],
            notebook=Path(submitted) / f"{names['notebook']}.ipynb",
            isolation=self.isolation,
            device=self.device,
        )


def restored(nb: NotebookNode, masters: dict[str, NotebookNode]) -> NotebookNode:
    """The notebook with the graded cells of `masters`, in whose order lost ones come back."""
    chosen = {name: _choose(nb.cells, name, master) for name, master in masters.items()}
    name_of = {number: name for name, number in chosen.items() if number is not None}
    cells = [
        _graded(cell, masters[name_of[number]]) if number in name_of else _plain(number, cell)
        for number, cell in enumerate(nb.cells)
    ]
    position = 0
    for name, master in masters.items():
        if chosen[name] is None:
            cells.insert(position, _lost(master))
        position = 1 + next(number for number, cell in enumerate(cells) if _grade_id(cell) == name)
    metadata = {"language_info": {"name": "python"}}
    return new_notebook(cells=cells, metadata=metadata)


def timestamp(folder: Path) -> str:
    """The time of submission that nbgrader's collect wrote beside the notebook, "" if none."""
    try:
        return (folder / "timestamp.txt").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _choose(cells: list[NotebookNode], name: str, master: NotebookNode) -> int | None:
    """Which of the cells of that name counts: the last with an answer in it, else the last."""
    named = [number for number, cell in enumerate(cells) if _grade_id(cell) == name]
    answered = [number for number in named if _source(cells[number]) != master.source]
    return max(answered or named, default=None)


def _grade_id(cell: NotebookNode) -> Any:
    metadata = cell.get("metadata")
    data = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    return data.get("grade_id") if isinstance(data, dict) else None


def _source(cell: NotebookNode) -> str:
    """The text of a cell; one may lack it, for what students submit is not validated."""
    return cell.get("source", "")


def _plain(number: int, cell: NotebookNode) -> NotebookNode:
    """A cell that is not graded: its source, and the pictures pasted into it."""
    kind = cell.cell_type if cell.cell_type in CELL_TYPES else "raw"
    return _cell(kind, f"cell-{number}", _source(cell), {}, **_pictures(cell))


def _cell(kind: str, name: str, source: str, metadata: dict[str, Any], **more: Any) -> NotebookNode:
    """A cell without outputs.

    The functions of nbformat that make one also validate it; here, the notebook will be validated.
    """
    parts = {"cell_type": kind, "id": name, "metadata": metadata, "source": source} | more
    return from_dict(parts | ({"execution_count": None, "outputs": []} if kind == "code" else {}))


def _graded(cell: NotebookNode, master: NotebookNode) -> NotebookNode:
    """A graded cell: the master's, but for the text and pictures of a written answer."""
    if not is_solution(master):
        return master
    return NotebookNode(master | _pictures(cell) | {"source": _source(cell)})


def _lost(master: NotebookNode) -> NotebookNode:
    """A graded cell that the submission lacks; a person looks for the written answer elsewhere."""
    note = f"{LOST}\n\n{master.source}" if is_solution(master) else master.source
    return NotebookNode(master | {"source": note})


def _pictures(cell: NotebookNode) -> dict[str, Any]:
    """The pictures pasted into a Markdown cell, and nothing else that it has attached."""
    attachments = cell.get("attachments") if cell.cell_type == "markdown" else None
    if not isinstance(attachments, dict):
        return {}
    pictures = {
        name: {kind: data for kind, data in bundle.items() if _is_picture(kind, data)}
        for name, bundle in attachments.items()
        if isinstance(bundle, dict)
    }
    return {"attachments": pictures}


def _is_picture(kind: str, data: Any) -> bool:
    return kind in PICTURES and isinstance(data, str) and BASE64.fullmatch(data) is not None


def _master(number: int, cell: SourceCell, points: float, written: bool) -> NotebookNode:
    """A graded cell as the gradebook knows it."""
    metadata = {
        "schema_version": 3,
        "grade_id": cell.name,
        "cell_type": cell.cell_type,
        "grade": True,
        "solution": written,
        "locked": cell.locked,
        "task": False,
        "points": points,
        "checksum": cell.checksum,
    }
    return _cell(cell.cell_type, f"graded-{number}", cell.source, {"nbgrader": metadata})


def _outputs(cell: NotebookNode, report: Report) -> list[NotebookNode]:
    """What stands under a graded cell: the result in words, and the one number that counts."""
    name, maximum = cell.metadata.nbgrader.grade_id, float(cell.metadata.nbgrader.points)
    task = report.task(name)
    if task is None or float(task.points) != maximum:
        asked = "no such task" if task is None else f"{task.points:g} points"
        raise CourseError(
            f"task {name}: {maximum:g} points in the gradebook, {asked} in the exercise; "
            f"run `autograder build {report.assignment}` again"
        )
    words = {"text/html": pages.render("cell.html.j2", task=task), "text/plain": _words(task)}
    number = {"text/plain": json.dumps(task.score)}
    return from_dict(
        [
            {"output_type": "display_data", "data": words, "metadata": {}},
            {
                "output_type": "execute_result",
                "data": number,
                "metadata": {},
                "execution_count": None,
            },
        ]
    )


def _words(task: TaskResult) -> str:
    first = f"{pages.points(task.score)} of {pages.points(task.points)} points: {task.status}"
    return "\n".join([first, *task.hints])
