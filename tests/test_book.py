"""The book: it builds without a warning, and its pages keep the promises of the site.

The rules for a page are those of its anatomy: an alternative text for every picture, headings in
order, "what you will be able to do" at the top, questions with hidden answers at the end.
"""

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import jupytext
import pytest
import yaml
from bs4 import BeautifulSoup

from autograder.course import ROOT

TOC = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
DOCUMENTS = [TOC["root"]] + [
    chapter["file"] for part in TOC["parts"] for chapter in part["chapters"]
]
THEORY = [
    name for name in DOCUMENTS if name.startswith("book/unit") and not name.endswith("/index")
]
EXERCISES = [name for name in DOCUMENTS if name.startswith("exercises/")]
LOADED_BY = {
    "audio": "src",
    "embed": "src",
    "iframe": "src",
    "image": "href",
    "img": "src",
    "link": "href",
    "object": "data",
    "script": "src",
    "source": "src",
    "use": "href",
    "video": "src",
}
DRAWS = {
    f"torch.{name}"
    for name in ("bernoulli", "multinomial", "normal", "rand", "randint", "randn", "randperm")
}
NOT_LOADED = {"canonical", "license", "next", "prev", "search"}  # link rel=... that only point
CSS_URL = re.compile(r"""(?:url\(|@import\s+)\s*['"]?(?!['"]?data:)([^'")\s;]+)""")

pytestmark = pytest.mark.xdist_group("book")


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[str, BeautifulSoup]:
    """Every HTML page of the site, parsed, by its path inside the site."""
    return {
        str(path.relative_to(site)): BeautifulSoup(path.read_text(), "html.parser")
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.relative_to(site).parts
    }


def unseeded_draws(source: str) -> list[str]:
    """What draws from torch's global generator where no `torch.manual_seed` stands above it.

    A function may stand above the seed: it draws when it is called.
    """
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = {id(call): ast.unparse(call.func) for call in calls}
    seeds = [call.lineno for call in calls if named[id(call)] == "torch.manual_seed"]
    draws = [call for call in calls if named[id(call)].removesuffix("_like") in DRAWS]
    return [
        ast.unparse(call)
        for call in draws
        if "generator" not in {keyword.arg for keyword in call.keywords}
        and not any(line < call.lineno or id(call) in inside for line in seeds)
    ]


def is_foreign(address: str) -> bool:
    """Whether an address leads to another host."""
    return bool(urlsplit(address).netloc)


def loaded_addresses(page: BeautifulSoup) -> Iterator[str]:
    """What a browser fetches to show this page, apart from what style sheets ask for."""
    for tag, attribute in LOADED_BY.items():
        for element in page.find_all(tag):
            if tag == "link" and NOT_LOADED & set(element.get_attribute_list("rel")):
                continue
            if element.get(attribute):
                yield str(element[attribute])
            for candidate in str(element.get("srcset", "")).split(","):
                if candidate.strip():
                    yield candidate.split()[0]
    for styled in page.find_all(style=True):
        yield from CSS_URL.findall(str(styled["style"]))
    for style in page.find_all("style"):
        yield from CSS_URL.findall(style.get_text())


def test_every_document_of_the_contents_is_a_page(pages: dict[str, BeautifulSoup]) -> None:
    assert {f"{name}.html" for name in DOCUMENTS} <= set(pages)


def test_no_page_loads_anything_from_another_host(
    site: Path, pages: dict[str, BeautifulSoup]
) -> None:
    loaded = [(name, address) for name, page in pages.items() for address in loaded_addresses(page)]
    assert any("mathjax" in address for _, address in loaded)
    foreign = [(name, address) for name, address in loaded if is_foreign(address)]
    for sheet in site.rglob("*.css"):
        addresses = CSS_URL.findall(sheet.read_text())
        foreign += [(sheet.name, address) for address in addresses if is_foreign(address)]
    assert foreign == []


def test_no_inline_script_names_another_host(pages: dict[str, BeautifulSoup]) -> None:
    named = [
        (name, script.get_text()[:200])
        for name, page in pages.items()
        for script in page.find_all("script", src=False)
        if re.search(r"https?://", script.get_text())
    ]
    assert named == []


def test_what_pages_load_and_link_to_is_there(site: Path, pages: dict[str, BeautifulSoup]) -> None:
    ids = {name: {tag["id"] for tag in page.find_all(id=True)} for name, page in pages.items()}
    missing = []
    for name, page in pages.items():
        links = [str(link["href"]) for link in page.find_all("a", href=True)]
        for address in [*loaded_addresses(page), *links]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            target = target.resolve()
            if not target.exists():
                missing.append((name, address))
            elif parts.fragment and target.suffix == ".html":
                page_ids = ids[str(target.relative_to(site))]
                if unquote(parts.fragment) not in page_ids:
                    missing.append((name, address))
    assert missing == []


def test_the_pages_that_checks_point_to_are_there(pages: dict[str, BeautifulSoup]) -> None:
    named = {
        address
        for file in (ROOT / "autograder" / "checks").rglob("test_*.py")
        for address in re.findall(r'"(book/[^"]+)"', file.read_text())
    }
    assert named
    for address in sorted(named):
        page, _, anchor = address.partition("#")
        assert page in pages, address
        assert not anchor or pages[page].find(id=anchor) is not None, address


def test_every_picture_has_an_alternative_text(pages: dict[str, BeautifulSoup]) -> None:
    pictures = [
        (name, str(picture.get("src")), str(picture.get("alt", "")))
        for name, page in pages.items()
        for picture in page.select("article img")
    ]
    assert pictures
    bare = [
        (name, source)
        for name, source, alt in pictures
        if len(alt.split()) < 4 or Path(source).name in alt
    ]
    assert bare == []


def test_headings_descend_in_order(pages: dict[str, BeautifulSoup]) -> None:
    for name in DOCUMENTS:
        levels = [
            int(heading.name[1])
            for heading in pages[f"{name}.html"].select("article :is(h1, h2, h3, h4, h5, h6)")
        ]
        assert levels[0] == 1 and levels.count(1) == 1, f"{name}: {levels}"
        assert all(below <= above + 1 for above, below in itertools.pairwise(levels)), (
            f"{name}: {levels}"
        )


@pytest.mark.parametrize("name", THEORY)
def test_theory_pages_have_their_parts(name: str, pages: dict[str, BeautifulSoup]) -> None:
    article = pages[f"{name}.html"].select_one("article")
    assert article is not None
    first_box = article.select_one(".admonition-title")
    assert first_box is not None and first_box.get_text() == "What you will be able to do"
    answers = [summary.get_text(strip=True) for summary in article.select("details summary")]
    assert answers.count("Answer") >= 2
    assert article.select("div.math, span.math"), "a theory page without an equation"
    assert any("/exercises/" in str(link["href"]) for link in article.select("a[href]"))


def test_no_cell_shows_an_error_or_a_warning(pages: dict[str, BeautifulSoup]) -> None:
    bad = [
        (name, output.get_text()[:200])
        for name, page in pages.items()
        for output in page.select(".output.stderr, .output.traceback")
    ]
    assert bad == []


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if (ROOT / f"{name}.md").exists()])
def test_pages_draw_from_seeded_generators(name: str) -> None:
    """What a page asserts must hold every time that it is built."""
    cells = [
        cell
        for cell in jupytext.read(ROOT / f"{name}.md", fmt="md:myst").cells
        if cell.cell_type == "code"
    ]
    lines = [line for cell in cells for line in cell.source.splitlines()]
    source = "\n".join("pass" if line.startswith("%") else line for line in lines)
    assert unseeded_draws(source) == []


@pytest.mark.parametrize("name", EXERCISES)
def test_exercise_pages_offer_their_release(
    name: str, site: Path, pages: dict[str, BeautifulSoup]
) -> None:
    page = pages[f"{name}.html"]
    assignment = Path(name).name
    links = {
        Path(str(link["href"])).name: (site / name).parent / str(link["href"])
        for link in page.select("a.download[href]")
    }
    release = ROOT / "_build" / "release" / assignment / f"{assignment}.ipynb"
    assert links[f"{assignment}.ipynb"].read_bytes() == release.read_bytes()
    assert links[f"{assignment}.zip"].is_file()
    assert not page.select(".cell_output"), "exercises are shown, not executed"
