"""What the site needs beyond Jupyter Book: its own MathJax, downloads and launch buttons of the
exercises, and a cache of executed pages that notices when the code that they import has changed."""

import hashlib
import os
import shutil
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from sphinx.application import ENV_PICKLE_FILENAME, Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.errors import ConfigError
from sphinx.util import logging

from autograder import kernels
from autograder.errors import CourseError
from autograder.publish import Repository

ROOT = Path(__file__).resolve().parents[2]
RELEASE = ROOT / "_build" / "release"
DOWNLOADS = ROOT / "_build" / "downloads"
CACHES = ROOT / "_build" / ".jupyter_cache"
IMPORTED = ["solutions/**/*.py", "exercises/**/*.py", "exercises/**/*.csv", "book/**/*.csv"]
IMPORTED += ["autograder/sandbox.py"]
MATHJAX_PARTS = ["tex-chtml.js", "input/tex/extensions", "output/chtml/fonts/woff-v2"]
LOGOS = {  # they come with the theme
    "Colab": "logo_colab.png",
    "Binder": "logo_binder.svg",
    "JupyterHub": "logo_jupyterhub.svg",
}
ZIP_DATE = (2026, 1, 1, 0, 0, 0)  # the same bytes from the same files

logger = logging.getLogger(__name__)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    kernels.use_forks()
    app.connect("config-inited", use_cache_of_this_code)
    app.connect("config-inited", take_launch_settings)
    app.connect("builder-inited", remove_old_tracebacks)
    app.connect("builder-inited", pack_releases)
    app.connect("source-read", add_download)
    app.connect("env-updated", write_every_page)
    app.connect("html-page-context", leave_out_thebe, priority=900)
    app.connect("html-page-context", add_launch_buttons, priority=900)
    app.add_config_value("course_launch", (None, ""), "html")
    app.connect("build-finished", copy_mathjax)
    app.connect("build-finished", forget_pages_with_warnings)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def use_cache_of_this_code(app: Sphinx, config: Config) -> None:
    """Execute all pages again when a module or a table that they may read has changed.

    The cache itself knows only the text of a page; both editions share it.
    """
    digest = hashlib.sha256()
    for path in sorted(path for pattern in IMPORTED for path in ROOT.glob(pattern)):
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    current = CACHES / digest.hexdigest()[:16]
    for path in CACHES.glob("*"):
        if path != current:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    config["nb_execution_cache_path"] = str(current)


def remove_old_tracebacks(app: Sphinx) -> None:
    """Keep what an earlier, failed build reported out of the site: it may quote the solutions."""
    shutil.rmtree(Path(app.outdir) / "reports", ignore_errors=True)


def pack_releases(app: Sphinx) -> None:
    """Put each release folder (notebook, library, data) into one archive for students."""
    for folder in sorted(path for path in RELEASE.glob("*") if path.is_dir()):
        DOWNLOADS.mkdir(parents=True, exist_ok=True)
        archive = DOWNLOADS / f"{folder.name}.zip"
        temporary = archive.with_suffix(".part")
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                name = str(path.relative_to(folder.parent))
                packed.writestr(zipfile.ZipInfo(name, ZIP_DATE), path.read_bytes())
        if archive.is_file() and archive.read_bytes() == temporary.read_bytes():
            temporary.unlink()
        else:
            temporary.replace(archive)


def add_download(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the download links under the title of an exercise page.

    They are added here because the sheet itself holds only Markdown that Jupyter shows too.
    """
    if not docname.startswith("exercises/"):
        return
    name = Path(docname).name
    if not (RELEASE / name / f"{name}.ipynb").is_file():
        logger.warning(
            "%s: no notebook to download; run: autograder build %s", RELEASE / name, name
        )
        return
    archive = os.path.relpath(DOWNLOADS / f"{name}.zip", app.srcdir)
    notebook = os.path.relpath(RELEASE / name / f"{name}.ipynb", app.srcdir)
    note = (
        ":::{admonition} Work on it\n:class: tip\n"
        f"Download {{download}}`{name}.zip </{archive}>` (the notebook with all"
        f" that it needs), unpack it, and open `{name}.ipynb` in Jupyter. The notebook alone:"
        f" {{download}}`{name}.ipynb </{notebook}>`.\n:::\n"
    )
    before, title, after = source[0].partition("\n# ")
    heading, _, rest = after.partition("\n")
    source[0] = f"{before}{title}{heading}\n\n{note}\n{rest}"


def take_launch_settings(app: Sphinx, config: Config) -> None:
    """Keep the theme from adding launch buttons of its own to every page.

    They would lead to the Markdown sources of the book, which no service opens.
    """
    options = config["html_theme_options"]
    hub = options.pop("launch_buttons", {}).get("jupyterhub_url", "")
    try:
        repository = Repository.parse(options.pop("repository_url", ""))
    except CourseError as error:
        raise ConfigError(str(error)) from error
    config["course_launch"] = (repository, hub)


def add_launch_buttons(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Let the student notebook of an exercise page be opened where it can be run."""
    repository, hub = app.config["course_launch"]
    if repository is None or not pagename.startswith("exercises/"):
        return
    buttons = [
        {
            "type": "link",
            "text": service,
            "tooltip": f"Open the notebook on {service}",
            "icon": f"_static/images/{LOGOS[service]}",
            "url": address,
        }
        for service, address in repository.launches(Path(pagename).name, hub).items()
    ]
    group = {
        "type": "group",
        "tooltip": "Open the notebook",
        "icon": "fas fa-rocket",
        "buttons": buttons,
        "label": "launch-buttons",
    }
    context["header_buttons"].append(group)


def write_every_page(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Write pages that did not change too: the numbers and targets that they refer to may have."""
    return sorted(env.found_docs)


def leave_out_thebe(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """Drop the scripts of Thebe, which the book does not use: they name another host."""
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "thebe" not in f"{script.filename} {script.attributes.get('body')}".lower()
    ]


def forget_pages_with_warnings(app: Sphinx, exception: Exception | None) -> None:
    """Let the next build read all pages again when this one warned.

    Otherwise it would take a page that failed as up to date, and say that all is well.
    """
    if exception is not None or app._warncount:
        (Path(app.doctreedir) / ENV_PICKLE_FILENAME).unlink(missing_ok=True)


def copy_mathjax(app: Sphinx, exception: Exception | None) -> None:
    """Serve MathJax with the site, from the installed package: the parts that pages load."""
    if exception is not None:
        return
    package = Path(str(distribution("sphinx-mathjax-offline").locate_file("")))
    origin = package / "sphinx-mathjax-offline" / "static" / "mathjax"
    for part in MATHJAX_PARTS:
        target = Path(app.outdir) / "_static" / "mathjax" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if (origin / part).is_dir():
            shutil.copytree(origin / part, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(origin / part, target)
