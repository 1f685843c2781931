"""The instructors' edition, what is published, and the buttons that open student notebooks."""

import dataclasses
import itertools
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup

from autograder import edition, publish
from autograder.assignment import Assignment, known
from autograder.course import ROOT, site_url
from autograder.edition import ADDED, MARK, contents, lay_out, pages
from autograder.errors import CourseError
from autograder.publish import BRANCH, COLAB_CELL, NOTEBOOKS, RELEASE, Repository
from autograder.solve import answer
from tests.conftest import files_in
from tests.test_leaks import leaks_in
from tests.wrong_answers import load_all

ASSIGNMENT = "perceptron"
REPOSITORY = Repository("Someone", "vision")
ADDRESS = "https://github.com/Someone/vision"
HUB = "https://hub.example.org"
WORKFLOW = ROOT / ".github" / "workflows" / "pages.yml"


# ---- the pages of the instructors' edition ------------------------------------------------------


@pytest.fixture(scope="module")
def added() -> dict[str, str]:
    return pages()


@pytest.mark.parametrize("name", known())
def test_every_task_has_its_answer_or_its_rubric(name: str, added: dict[str, str]) -> None:
    assignment = Assignment.load(name)
    sections = added[name].split("\n## `")[1:]
    assert [section.partition("`")[0] for section in sections] == [t.name for t in assignment.tasks]
    for task, section in zip(assignment.tasks, sections, strict=True):
        if task.kind == "written":
            heading, _, rubric = assignment.rubrics.read_text().partition(f"\n## {task.name}\n")
            assert heading and rubric.partition("\n## ")[0].strip() in section
        else:
            assert answer(assignment, task) in section
    if assignment.rubrics.is_file():
        advice = assignment.rubrics.read_text().partition("\n## ")[0].partition("\n")[2]
        assert advice.strip() in added[name]


@pytest.mark.parametrize("name", known())
def test_every_wrong_answer_stands_in_the_table(name: str, added: dict[str, str]) -> None:
    assignment = Assignment.load(name)
    tasks, modules = [task.name for task in assignment.tasks], assignment.solutions
    wrong = [v for v in load_all() for task in tasks if not v.correct and v.answers(task, modules)]
    lines = added[name].replace("\\", "").splitlines()
    rows = [line for line in lines if line.startswith("| ") and not line.startswith("| wrong ")]
    assert len(rows) == len(wrong)
    for variant in wrong:
        label = f"`{variant.name}`" if callable(variant.answer) else repr(variant.answer)
        assert f"| {label} | {' '.join(str(variant.hint).split())} |" in rows


def test_the_contents_are_the_books_with_solutions_after_each_exercise() -> None:
    toc = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
    about, *parts = contents(toc)["parts"]
    assert [chapter["file"] for chapter in about["chapters"]] == [f"{ADDED}/index"]
    files = [chapter["file"] for part in parts for chapter in part["chapters"]]
    public = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    assert [file for file in files if not file.startswith(f"{ADDED}/")] == public
    followed = dict(itertools.pairwise(files))
    for name in known():
        assert followed[f"exercises/{name}/{name}"] == f"{ADDED}/{name}"


def test_an_answer_without_a_rubric_is_named() -> None:
    nowhere = dataclasses.replace(Assignment.load(ASSIGNMENT), name="nowhere")
    with pytest.raises(CourseError, match=r"rubrics\.md: no rubric of which_split, why_activation"):
        edition._solutions(nowhere, [])


def test_sources_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CourseError, match=r"file/source: cannot be written"):
        lay_out(tmp_path / "file" / "source")


# ---- a small book, built ------------------------------------------------------------------------


def built(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The edition's pages of one assignment, with another configuration, nothing executed."""
    source = lay_out(folder / "source")
    config = yaml.safe_load((source / "_config.yml").read_text())
    config["execute"]["execute_notebooks"] = "off"
    change(config)
    (source / "_config.yml").write_text(yaml.safe_dump(config))
    chapters = [{"file": f"exercises/{ASSIGNMENT}/{ASSIGNMENT}"}, {"file": "book/notation"}]
    toc = {"format": "jb-book", "root": f"{ADDED}/{ASSIGNMENT}", "chapters": chapters}
    (source / "_toc.yml").write_text(yaml.safe_dump(toc))
    program = Path(sys.executable).parent / "jupyter-book"
    command = [str(program), "build", str(source), "--path-output", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return folder / "_build" / "html"


def parsed(site: Path) -> Iterator[tuple[str, BeautifulSoup]]:
    """The pages that have a place in the book, by their path."""
    for path in sorted(site.rglob("*.html")):
        name = str(path.relative_to(site))
        if name != "index.html" and not name.startswith("_static"):
            yield name, BeautifulSoup(path.read_text(), "html.parser")


def launches(page: BeautifulSoup) -> dict[str, str]:
    """The launch buttons of a page: what each is called, and where it leads."""
    links = page.select(".dropdown-launch-buttons a[href]")
    return {link.get_text(strip=True): str(link["href"]) for link in links}


@pytest.fixture(scope="module")
def instructors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The instructors' edition of one assignment, with launch buttons."""

    def change(config: dict[str, Any]) -> None:
        config["repository"]["url"] = ADDRESS
        config["launch_buttons"]["jupyterhub_url"] = f"{HUB}/"

    return built(tmp_path_factory.mktemp("instructors"), change)


def test_the_mark_is_seen_on_every_page(instructors: Path) -> None:
    found = dict(parsed(instructors))
    assert len(found) > 3
    for name, page in found.items():
        banner = page.select_one(".bd-header-announcement")
        assert banner is not None and banner.get_text(strip=True) == MARK, name
        assert page.title is not None and "(instructors' edition)" in page.title.text.replace(
            "’", "'"
        )


def test_its_solutions_are_what_the_test_for_leaks_finds(instructors: Path) -> None:
    found = "\n".join(leaks_in(instructors / ADDED))
    assert ": the body of by_hand.py: backward" in found
    assert ": rubric " in found
    assert ": the value of naive_passes" in found
    assert ": the wrong answer " in found


def test_buttons_open_the_student_notebook(instructors: Path) -> None:
    buttons = {name: launches(page) for name, page in parsed(instructors)}
    exercise = f"exercises/{ASSIGNMENT}/{ASSIGNMENT}.html"
    notebook = f"{NOTEBOOKS}/{ASSIGNMENT}/{ASSIGNMENT}.ipynb"
    assert buttons.pop(exercise) == {
        "Colab": f"https://colab.research.google.com/github/Someone/vision/blob/{BRANCH}/{notebook}",
        "Binder": f"https://mybinder.org/v2/gh/Someone/vision/{BRANCH}?urlpath=lab/tree/{notebook}",
        "JupyterHub": (
            f"{HUB}/hub/user-redirect/git-pull?repo=https%3A%2F%2Fgithub.com%2FSomeone%2Fvision"
            f"&branch={BRANCH}&urlpath=lab%2Ftree%2Fvision%2F{notebook.replace('/', '%2F')}"
        ),
    }
    assert not any(buttons.values()), "pages without a notebook have no such button"


def test_without_the_setting_there_is_no_button(tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        config["repository"]["url"] = ""
        config["launch_buttons"]["jupyterhub_url"] = HUB

    assert not any(launches(page) for _, page in parsed(built(tmp_path, change)))


def test_the_address_of_a_repository() -> None:
    assert Repository.parse("") is None
    for address in (ADDRESS, f"{ADDRESS}/", f"{ADDRESS}.git"):
        assert Repository.parse(address) == REPOSITORY
    assert REPOSITORY.site == "https://someone.github.io/vision"
    assert Repository("Someone", "someone.github.io").site == "https://someone.github.io"
    assert REPOSITORY.remote == "git@github.com:Someone/vision.git"


@pytest.mark.parametrize(
    "address", ["vision", "https://example.org/a/b", f"{ADDRESS}/tree/main", "https://github.com/a"]
)
def test_what_is_no_address_of_a_repository(address: str) -> None:
    with pytest.raises(CourseError, match=r"_config\.yml: repository\.url: .* correct it or leave"):
        Repository.parse(address)


# ---- what is published --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def public(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish.publish(REPOSITORY, site, target=tmp_path_factory.mktemp("public") / "public")


def test_public_are_the_site_and_the_notebooks_and_nothing_else(public: Path, site: Path) -> None:
    pages = {name for name in files_in(site) if not name.startswith(("reports/", "."))}
    notebooks = {
        f"{NOTEBOOKS}/{name}" for name in files_in(RELEASE) if name.split("/")[0] in known()
    }
    assert set(files_in(public)) == pages | notebooks | {".nojekyll", "binder/requirements.txt"}


def test_student_folders_are_as_released_but_for_their_links(public: Path) -> None:
    for name in known():
        released = files_in(RELEASE / name)
        published = files_in(public / NOTEBOOKS / name)
        notebook = nbformat.reads(published.pop(f"{name}.ipynb").decode(), as_version=4)
        original = nbformat.reads(released.pop(f"{name}.ipynb").decode(), as_version=4)
        assert published == released
        [fetches] = [cell for cell in notebook.cells if cell.id == "fetch-on-colab"]
        notebook.cells.remove(fetches)
        address = REPOSITORY.site if site_url().startswith("file:") else site_url()
        for cell in original.cells:
            cell.source = cell.source.replace(site_url(), address)
        assert notebook == original


def test_nothing_public_names_a_folder_of_this_machine(public: Path) -> None:
    for file in public.rglob("*"):
        if file.suffix == ".zip":
            with zipfile.ZipFile(file) as packed:
                contents = [packed.read(name) for name in packed.namelist()]
        else:
            contents = [file.read_bytes()] if file.is_file() else []
        assert not any(b"file://" in content for content in contents), file
        assert not any(str(ROOT).encode() in content for content in contents), file


def test_without_an_address_links_are_relative_and_lead_to_pages(
    site: Path, tmp_path: Path
) -> None:
    public = publish.publish(None, site, target=tmp_path / "public")
    assert (
        "fetch-on-colab"
        not in (public / NOTEBOOKS / f"{ASSIGNMENT}/{ASSIGNMENT}.ipynb").read_text()
    )
    if site_url().startswith("file:"):
        folder = public / NOTEBOOKS / ASSIGNMENT
        assert "](../../book/notation.html)" in (folder / f"{ASSIGNMENT}.ipynb").read_text()
        assert (folder / "../../book/notation.html").is_file()


def test_publishing_again_gives_the_same_and_leaves_nothing_behind(
    public: Path, site: Path
) -> None:
    before = files_in(public)
    (public / "left.html").touch()
    publish.publish(REPOSITORY, site, target=public)
    assert files_in(public) == before
    assert [path.name for path in public.parent.iterdir()] == ["public"]


def test_binder_installs_what_the_notebooks_import(public: Path) -> None:
    lines = (public / "binder" / "requirements.txt").read_text().splitlines()
    names = {line.partition("==")[0] for line in lines}
    assert {"jupyterlab", "matplotlib", "numpy", "scikit-learn", "torch"} <= names
    assert set(lines) <= set((ROOT / "requirements.lock").read_text().splitlines())


def test_the_cell_for_colab_fetches_what_belongs_beside_the_notebook(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    (there / "data").mkdir(parents=True)
    here.mkdir()
    (there / "lab.py").write_text("print('fetched')\n")
    (there / "data" / "points.csv").write_text("x,y\n")
    names = ["data/points.csv", "lab.py"]
    cell = COLAB_CELL.format(names=names, folder=there.as_uri())
    subprocess.run([sys.executable, "-c", cell], cwd=here, check=True)
    assert files_in(here) == {}, "elsewhere it does nothing"
    on_colab = f"import sys\nsys.modules['google.colab'] = sys\n{cell}"
    subprocess.run([sys.executable, "-c", on_colab], cwd=here, check=True)
    assert files_in(here) == files_in(there)


def test_what_cannot_be_published(instructors: Path, tmp_path: Path) -> None:
    target = tmp_path / "public"
    with pytest.raises(CourseError, match=r"of the instructors' edition; run: make publish"):
        publish.publish(None, instructors, target=target)
    with pytest.raises(CourseError, match=r"no site yet; run: make book"):
        publish.publish(None, tmp_path, target=target)
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").touch()
    with pytest.raises(CourseError, match=r"no notebook to publish; run: autograder build"):
        publish.publish(None, site, tmp_path / "empty", target)
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_make_builds_the_edition_in_its_own_folder() -> None:
    make = ["make", "--dry-run", "book", "EDITION=instructor"]
    commands = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "-m autograder.edition" in commands
    assert f"jupyter-book build {edition.SOURCES.relative_to(ROOT)} --path-output" in commands
    assert "_build/html" not in commands.replace("_build/instructor/_build/html", "")


# ---- the workflow -------------------------------------------------------------------------------


def test_the_workflow_pushes_what_is_public(tmp_path: Path) -> None:
    """Its last step, run here against a repository on disk: first push, a change, no change."""
    steps = yaml.safe_load(WORKFLOW.read_text())["jobs"]["publish"]["steps"]
    script = next(step["run"] for step in steps if step.get("name") == "Push what is public")
    remote, work = tmp_path / "remote.git", tmp_path / "work"
    subprocess.run(["git", "init", "--quiet", "--bare", remote], check=True)
    public = work / "_build" / "public"
    public.mkdir(parents=True)

    def pushed(number: int) -> tuple[int, dict[str, bytes]]:
        """How many commits the branch has after a run, and what lies in it."""
        temporary, clone = tmp_path / f"temporary{number}", tmp_path / f"clone{number}"
        temporary.mkdir()
        environment = os.environ | {"REMOTE": remote.as_uri(), "RUNNER_TEMP": str(temporary)}
        subprocess.run(["bash", "-e", "-c", script], cwd=work, env=environment, check=True)
        clone_it = ["git", "clone", "--quiet", "--branch", BRANCH, str(remote), str(clone)]
        subprocess.run(clone_it, check=True)
        count = ["git", "rev-list", "--count", "HEAD"]
        commits = subprocess.run(count, cwd=clone, check=True, capture_output=True, text=True)
        files = files_in(clone)
        return int(commits.stdout), {
            name: content for name, content in files.items() if not name.startswith(".git/")
        }

    (public / ".nojekyll").touch()
    (public / "index.html").write_text("first")
    assert pushed(1) == (1, files_in(public))
    (public / ".nojekyll").unlink()
    (public / "index.html").write_text("second")
    assert pushed(2) == (2, files_in(public))
    assert pushed(3) == (2, files_in(public))


def test_the_workflow_publishes_as_we_do() -> None:
    text = WORKFLOW.read_text()
    assert "- run: make publish" in text
    assert f"HEAD:refs/heads/{BRANCH}" in text
    assert "Repository.configured().remote" in text
