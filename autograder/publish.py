"""What is public: the site and the student notebooks, laid out for any static host.

The folder is also the branch of a public repository: from it Colab, Binder and a JupyterHub open
the notebooks. `python -m autograder.publish` lays it out for `make publish`.
"""

import ast
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path
from urllib.parse import urlencode

import nbformat
from nbformat.v4 import new_code_cell

from autograder.assignment import known
from autograder.build import notebook_text
from autograder.course import BUILD, ROOT, reason, site_url
from autograder.edition import MARK
from autograder.errors import CourseError

SITE = BUILD / "html"
RELEASE = BUILD / "release"
PUBLIC = BUILD / "public"
NOTEBOOKS = "notebooks"
BRANCH = "gh-pages"
ADDRESS = re.compile(r"https://github\.com/(?P<owner>[\w-]+)/(?P<name>[\w.-]+?)(?:\.git)?/?")
COLAB_CELL = """\
import sys

if "google.colab" in sys.modules:  # it opens the notebook alone: fetch what belongs beside it
    from pathlib import Path
    from urllib.request import urlretrieve

    for beside in {names!r}:
        Path(beside).parent.mkdir(parents=True, exist_ok=True)
        urlretrieve("{folder}/" + beside, beside)
"""


@dataclass(frozen=True)
class Repository:
    """The public repository on GitHub, whose branch gh-pages holds what is published."""

    owner: str
    name: str

    @classmethod
    def parse(cls, address: str) -> "Repository | None":
        """The repository of the setting `repository: url`; None where it is empty.

        Raises CourseError for what is not the address of a repository on GitHub.
        """
        if not address:
            return None
        found = ADDRESS.fullmatch(address)
        if found is None:
            message = f"repository.url: {address!r} is not https://github.com/OWNER/NAME"
            raise CourseError(f"{ROOT / '_config.yml'}: {message}; correct it or leave it empty")
        return cls(found["owner"], found["name"])

    @classmethod
    def configured(cls) -> "Repository | None":
        """The one that _config.yml names."""
        import yaml

        config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
        return cls.parse((config.get("repository") or {}).get("url") or "")

    @property
    def site(self) -> str:
        """The address of its pages, without a slash at its end."""
        host = f"{self.owner.lower()}.github.io"
        return f"https://{host}" if self.name.lower() == host else f"https://{host}/{self.name}"

    @property
    def remote(self) -> str:
        """Where git pushes to with a deploy key."""
        return f"git@github.com:{self.owner}/{self.name}.git"

    def files(self, assignment: str) -> str:
        """Where the single files of an assignment can be fetched."""
        host = "https://raw.githubusercontent.com"
        return f"{host}/{self.owner}/{self.name}/{BRANCH}/{NOTEBOOKS}/{assignment}"

    def launches(self, assignment: str, hub: str = "") -> dict[str, str]:
        """By service the address that opens the student notebook there.

        hub: the address of a JupyterHub with nbgitpuller, "" for none.
        """
        path = f"{NOTEBOOKS}/{assignment}/{assignment}.ipynb"
        place = f"{self.owner}/{self.name}"
        links = {
            "Colab": f"https://colab.research.google.com/github/{place}/blob/{BRANCH}/{path}",
            "Binder": f"https://mybinder.org/v2/gh/{place}/{BRANCH}?urlpath=lab/tree/{path}",
        }
        if hub:
            pull = {
                "repo": f"https://github.com/{place}",
                "branch": BRANCH,
                "urlpath": f"lab/tree/{self.name}/{path}",
            }
            links["JupyterHub"] = f"{hub.rstrip('/')}/hub/user-redirect/git-pull?{urlencode(pull)}"
        return links


def publish(
    repository: Repository | None,
    site: Path = SITE,
    release: Path = RELEASE,
    target: Path = PUBLIC,
) -> Path:
    """Lay out the site and the student notebooks; returns the folder.

    It appears complete or not at all, in place of the one before it. Links to the built site on
    this machine lead to the public one instead. Raises CourseError when the site or a release is
    not built, or when a page is of the instructors' edition.
    """
    if not (site / "index.html").is_file():
        raise CourseError(f"{site}: no site yet; run: make book")
    for page in site.rglob("*.html"):
        if MARK in page.read_text(encoding="utf-8"):
            raise CourseError(f"{page}: of the instructors' edition; run: make publish")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".staging-", dir=target.parent) as temporary:
            staging = Path(temporary)
            new = staging / "new"
            shutil.copytree(site, new, ignore=shutil.ignore_patterns(".*", "reports"))
            _add_notebooks(new, release, repository)
            _lead_to_the_public_site(new, repository.site if repository else "../..")
            if target.exists():
                target.rename(staging / "old")
            new.rename(target)
    except OSError as error:
        raise CourseError(f"{target}: cannot be written: {reason(error)}") from error
    return target


def _add_notebooks(public: Path, release: Path, repository: Repository | None) -> None:
    """The student folders, what a host must know of the site, and what Binder has to install."""
    for name in known():
        origin, folder = release / name, public / NOTEBOOKS / name
        if not (origin / f"{name}.ipynb").is_file():
            raise CourseError(f"{origin}: no notebook to publish; run: autograder build {name}")
        shutil.copytree(origin, folder, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        if repository is not None:
            _prepare_for_colab(folder / f"{name}.ipynb", repository.files(name))
    (public / ".nojekyll").touch()  # GitHub Pages would leave out folders that start with "_"
    (public / "binder").mkdir()
    lines = "".join(f"{line}\n" for line in requirements(public / NOTEBOOKS))
    (public / "binder" / "requirements.txt").write_text(lines, encoding="utf-8")


def _prepare_for_colab(path: Path, address: str) -> None:
    """Put a cell before the first code: on Colab it fetches the files beside the notebook."""
    files = sorted(file for file in path.parent.rglob("*") if file.is_file() and file != path)
    names = [file.relative_to(path.parent).as_posix() for file in files]
    notebook = nbformat.read(path, as_version=4)
    source = COLAB_CELL.format(names=names, folder=address).rstrip()
    cell = new_code_cell(source, metadata={"tags": ["no-grade"]}, id="fetch-on-colab")
    first = next(i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    notebook.cells.insert(first, cell)
    path.write_text(notebook_text(notebook), encoding="utf-8")


def requirements(folder: Path) -> list[str]:
    """The packages that the notebooks and modules below a folder import, as the lock pins them."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    providers = packages_distributions()
    wanted = {"jupyterlab"}
    for module in _imported(folder):
        wanted.update(name.lower() for name in providers.get(module, []))
    return [line for line in lock if line.partition("==")[0] in wanted]


def _imported(folder: Path) -> Iterator[str]:
    """Names of the packages that code below a folder imports."""
    for file in sorted(folder.rglob("*")):
        if file.suffix == ".ipynb":
            cells = nbformat.read(file, as_version=4).cells
            sources = [cell.source for cell in cells if cell.cell_type == "code"]
        else:
            sources = [file.read_text(encoding="utf-8")] if file.suffix == ".py" else []
        for node in (node for source in sources for node in ast.walk(ast.parse(source))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.partition(".")[0]


def _lead_to_the_public_site(public: Path, address: str) -> None:
    """Let notebooks, those offered for download included, link to the site where it will stand.

    They lie two folders deep; where the address of the site is not known the links are relative.
    """
    old, new = site_url().encode(), address.encode()
    if not old.startswith(b"file:"):
        return
    for file in public.rglob("*.ipynb"):
        file.write_bytes(file.read_bytes().replace(old, new))
    for file in public.rglob("*.zip"):
        with zipfile.ZipFile(file) as packed:
            members = [(member, packed.read(member)) for member in packed.infolist()]
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            for member, content in members:
                is_notebook = member.filename.endswith(".ipynb")
                packed.writestr(member, content.replace(old, new) if is_notebook else content)


if __name__ == "__main__":
    try:
        print(publish(Repository.configured()))
    except CourseError as error:
        sys.exit(f"autograder: {error}")
