"""From the exercise sheet to what students receive, and the course folder that it is built for."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from autograder import course as course_module
from autograder.assignment import Assignment, known
from autograder.build import Release, build, source_notebook
from autograder.course import BUILD, Course, write_atomically
from autograder.errors import CourseError
from autograder.solve import answer, solve, solved_notebook
from tests.conftest import files_in

SITE = "https://example.org/course"

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    folder = tmp_path_factory.mktemp("build")
    return Course(folder / "course", folder / "build")


@pytest.fixture(scope="module")
def releases(course: Course) -> list[Release]:
    return build(None, course)


@pytest.fixture(scope="module")
def release(releases: list[Release]) -> Release:
    return next(release for release in releases if release.assignment == "perceptron")


@pytest.fixture(scope="module")
def perceptron() -> Assignment:
    return Assignment.load("perceptron")


def executed(notebook: Any, folder: Path) -> str:
    """Run a notebook in a fresh kernel; returns what its cells printed."""
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


# ---- build --------------------------------------------------------------------------------------


def test_building_all_builds_all(releases: list[Release], course: Course) -> None:
    assert [release.assignment for release in releases] == known()
    for release in releases:
        assert release.notebook == course.release / release.assignment / release.notebook.name
        assert release.notebook.is_file()


def test_building_twice_gives_identical_bytes(release: Release, tmp_path: Path) -> None:
    elsewhere = Course(tmp_path / "course", tmp_path / "build")
    first = build(["perceptron"], elsewhere)[0]
    once = files_in(first.folder), files_in(first.source)
    second = build(["perceptron"], elsewhere)[0]
    assert (files_in(second.folder), files_in(second.source)) == once
    assert (files_in(release.folder), files_in(release.source)) == once


def test_release_is_nbgraders_source_with_its_files(
    release: Release, perceptron: Assignment
) -> None:
    for file in ["lab.py", *(file.name for file in perceptron.data_files)]:
        assert (release.folder / file).read_bytes() == (release.source / file).read_bytes()
    source = nbformat.read(release.source / "perceptron.ipynb", as_version=4)
    notebook = nbformat.read(release.notebook, as_version=4)
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in source.cells]
    graded = [cell.metadata.nbgrader for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert all("checksum" in metadata for metadata in graded)
    assert notebook.metadata.kernelspec.name == "python3"


def test_graded_cells_have_the_tasks_names_and_points(
    release: Release, perceptron: Assignment
) -> None:
    cells = nbformat.read(release.notebook, as_version=4).cells
    of_nbgrader = [cell for cell in cells if "nbgrader" in cell.metadata]
    graded = {cell.metadata.nbgrader.grade_id: cell for cell in of_nbgrader}
    assert list(graded) == [task.name for task in perceptron.tasks]
    for task in perceptron.tasks:
        metadata = graded[task.name].metadata.nbgrader
        written = task.kind == "written"
        assert metadata.schema_version == 3
        assert (metadata.points, metadata.grade) == (task.points, True)
        assert (metadata.locked, metadata.solution) == (not written, written)
        assert graded[task.name].source == (task.stub if written else task.check)


def test_gradebook_knows_the_assignment(
    release: Release, course: Course, perceptron: Assignment
) -> None:
    from nbgrader.api import Gradebook

    with Gradebook(course.gradebook_url) as gradebook:
        assert gradebook.find_assignment("perceptron").max_score == perceptron.max_score


def test_stubs_cannot_be_deleted_and_tags_stay(release: Release, perceptron: Assignment) -> None:
    cells = nbformat.read(release.notebook, as_version=4).cells
    stubs = {task.stub for task in perceptron.tasks if task.kind != "written"}
    for cell in cells:
        if cell.source in stubs:
            assert cell.metadata.deletable is False
    skipped = [cell for cell in perceptron.notebook.cells if "tags" in cell.metadata]
    tagged = [cell for cell in cells if cell.metadata.get("tags") == ["no-grade"]]
    assert [cell.source for cell in tagged] == [cell.source for cell in skipped]


def test_cell_ids_are_unique_and_outlive_other_edits(perceptron: Assignment) -> None:
    before = {cell.id: cell.source for cell in source_notebook(perceptron, SITE).cells}
    assert len(before) == len(perceptron.notebook.cells)
    more = nbformat.from_dict(perceptron.notebook)
    more.cells = [nbformat.v4.new_markdown_cell("New."), *perceptron.notebook.cells]
    edited = Assignment("perceptron", perceptron.path, perceptron.tasks, [], more)
    after = {cell.source: cell.id for cell in source_notebook(edited, SITE).cells}
    for task in perceptron.tasks:
        if task.kind != "written":
            assert before[after[task.check]] == task.check
            assert before[after[task.stub]] == task.stub


def test_links_to_the_book_lead_to_the_site(perceptron: Assignment) -> None:
    text = "\n".join(cell.source for cell in source_notebook(perceptron, SITE).cells)
    assert f"]({SITE}/book/unit1/loss.html)" in text
    assert ".md)" not in text
    assert "](.." not in text


def linked(link: str, tmp_path: Path, folder: Path) -> str:
    cell = nbformat.v4.new_markdown_cell(f"See [a page]({link}).")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    assignment = Assignment("sheet", folder / "sheet.md", [], [], notebook)
    return source_notebook(assignment, SITE).cells[0].source


def test_links_keep_anchors_and_other_addresses(tmp_path: Path, perceptron: Assignment) -> None:
    folder = perceptron.path.parent
    assert linked("../../book/a.md#b", tmp_path, folder) == f"See [a page]({SITE}/book/a.html#b)."
    other = f"See [a page]({SITE}/exercises/vit/vit.html)."
    assert linked("../vit/vit.md", tmp_path, folder) == other
    for untouched in ("https://example.org/x.md", "circles.csv"):
        assert linked(untouched, tmp_path, folder) == f"See [a page]({untouched})."
    with pytest.raises(CourseError, match=r"the link .* leaves the project"):
        linked("../../../outside.md", tmp_path, folder)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("html:\n  baseurl: https://example.org/course/\n", SITE),
        ("html: {}\n", (BUILD / "html").as_uri()),
        ("title: x\n", (BUILD / "html").as_uri()),
        ("", (BUILD / "html").as_uri()),
        (None, (BUILD / "html").as_uri()),
    ],
)
def test_site_comes_from_the_books_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str | None, expected: str
) -> None:
    monkeypatch.setattr(course_module, "ROOT", tmp_path)
    if config is not None:
        (tmp_path / "_config.yml").write_text(config)
    assert Course(tmp_path).site == expected


def test_unknown_assignment_builds_nothing(tmp_path: Path) -> None:
    course = Course(tmp_path / "course", tmp_path / "build")
    with pytest.raises(CourseError, match=r"unknown assignment 'percept'; known are: .*perceptron"):
        build(["perceptron", "percept"], course)
    assert list(tmp_path.iterdir()) == []


def test_failure_of_nbgrader_leaves_the_old_release(tmp_path: Path) -> None:
    course = Course(tmp_path / "course", tmp_path / "build")
    made = build(["perceptron"], course)[0]
    before = files_in(course.build)
    (course.directory / "gradebook.db").write_bytes(b"this is no database, " * 100)
    with pytest.raises(CourseError, match=r"perceptron failed: .*database") as error:
        build(["perceptron"], course)
    assert "\n" not in str(error.value)
    assert files_in(course.build) == before
    assert [path.name for path in course.build.iterdir() if path.name.startswith(".")] == []
    assert made.notebook.is_file()


def test_nbgraders_own_command_makes_the_same_release(tmp_path: Path) -> None:
    from nbgrader.apps import NbGraderAPI
    from traitlets.config.loader import PyFileConfigLoader

    course = Course(tmp_path / "course", tmp_path / "build")
    before = files_in(build(["perceptron"], course)[0].folder)
    config = PyFileConfigLoader(course.config.name, path=str(course.directory)).load_config()
    api = NbGraderAPI(config=config)
    assert api.get_source_assignments() == {"perceptron"}
    assert api.generate_assignment("perceptron")["success"]
    assert files_in(course.release / "perceptron") == before


# ---- running what was built ---------------------------------------------------------------------


@pytest.mark.usefixtures("forked_kernels")
def test_release_runs_up_to_the_first_stub(release: Release, perceptron: Assignment) -> None:
    notebook = nbformat.read(release.notebook, as_version=4)
    first = perceptron.tasks[0]
    with pytest.raises(CellExecutionError) as error:
        executed(notebook, release.folder)
    assert error.value.ename == "NotImplementedError"
    assert error.value.evalue == f"{first.name}: write your answer here"


@pytest.mark.usefixtures("forked_kernels")
@pytest.mark.parametrize("name", known())
def test_solved_notebook_runs_and_passes_every_visible_check(
    name: str, releases: list[Release]
) -> None:
    assignment = Assignment.load(name)
    folder = next(release.folder for release in releases if release.assignment == name)
    printed = executed(solved_notebook(assignment), folder)
    for task in assignment.tasks:
        if task.kind != "written":
            assert f"{task.name}: visible checks passed" in printed


# ---- solve --------------------------------------------------------------------------------------


def test_solve_writes_the_release_with_answers(
    release: Release, perceptron: Assignment, tmp_path: Path
) -> None:
    solve("perceptron", tmp_path / "new" / "solved.ipynb")
    solved = nbformat.read(tmp_path / "new" / "solved.ipynb", as_version=4)
    released = nbformat.read(release.notebook, as_version=4)
    answers = {task.stub: answer(perceptron, task) for task in perceptron.tasks if task.check}
    for ours, theirs in zip(solved.cells, released.cells, strict=True):
        assert ours.id == theirs.id
        assert ours.source == answers.get(theirs.source, theirs.source)
    assert "NotImplementedError" not in "".join(cell.source for cell in solved.cells[1:])


def test_answers_bring_their_imports_and_only_those(perceptron: Assignment) -> None:
    for task in perceptron.tasks:
        if task.kind == "function":
            namespace: dict[str, Any] = {}
            exec(answer(perceptron, task), namespace)
            assert callable(namespace[task.name])
    assert answer(perceptron, perceptron.task("n_parameters")).startswith("def n_parameters")


def test_solve_leaves_no_half_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CourseError, match="cannot be written"):
        solve("perceptron", tmp_path / "file" / "solved.ipynb")
    with pytest.raises(CourseError, match="cannot be written"):
        solve("perceptron", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# ---- the course folder --------------------------------------------------------------------------


def test_course_paths_are_absolute_and_default_to_the_projects_build() -> None:
    course = Course(Path("spring"))
    assert course.directory == Path.cwd() / "spring"
    assert course.source == BUILD / "source"
    assert course.release == BUILD / "release"


def test_secret_is_drawn_once_and_private(tmp_path: Path) -> None:
    course = Course(tmp_path / "course")
    secret = course.secret
    assert len(secret) == 32
    assert Course(tmp_path / "course").secret == secret
    assert Course(tmp_path / "other").secret != secret
    (file,) = course.directory.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_faster_process_draws_the_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    course = Course(tmp_path)
    theirs = bytes(32)

    def meanwhile(source: str, target: Path) -> None:
        Path(target).write_bytes(theirs)
        raise FileExistsError(17, "File exists")

    monkeypatch.setattr(os, "link", meanwhile)
    assert course.secret == theirs
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_truncated_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"short")
    with pytest.raises(CourseError, match=r"secret: not a course secret \(5 bytes"):
        _ = Course(tmp_path).secret


def test_course_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    course = Course(tmp_path / "file" / "course")
    with pytest.raises(CourseError, match="the course folder cannot be created"):
        course.ensure()
    with pytest.raises(CourseError, match="the course secret cannot be read or created"):
        _ = course.secret
    with pytest.raises(CourseError, match="cannot be"):
        build(["perceptron"], Course(tmp_path / "course", tmp_path / "file"))


def test_ensure_keeps_the_instructors_settings(tmp_path: Path) -> None:
    course = Course(tmp_path / "course")
    course.ensure()
    assert course.gradebook_url == f"sqlite:///{tmp_path}/course/gradebook.db"
    url = "postgresql://localhost/grades"
    with course.config.open("a") as config:
        config.write(f"c.CourseDirectory.db_url = {url!r}\n")
    course.ensure()
    assert course.gradebook_url == url


def test_course_without_its_project_stops_nbgrader(tmp_path: Path) -> None:
    """Without our configuration nbgrader would run submissions unprotected."""
    course = Course(tmp_path / "course")
    course.ensure()
    moved = course.config.read_text().replace(str(course_module.ROOT), str(tmp_path / "gone"))
    course.config.write_text(moved)
    with pytest.raises(CourseError, match=r"no project in .*gone"):
        _ = course.gradebook_url


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def no_space(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", no_space)
    yield


@pytest.mark.usefixtures("full_disk")
def test_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "marks.csv").write_text("old")
    with pytest.raises(CourseError, match="No space left on device; free some space"):
        write_atomically(tmp_path / "marks.csv", "new")
    assert files_in(tmp_path) == {"marks.csv": b"old"}
