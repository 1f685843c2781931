"""Nothing hidden stands in what students receive, in the gradebook's copies, or in what is public.

Code is compared as syntax trees whose names are replaced by numbers, so that a renamed answer is
found as well. Below a certain size a match means nothing: everybody writes those lines.
"""

import ast
import html
import inspect
import json
import re
import sqlite3
import zipfile
from collections.abc import Collection, Iterator
from functools import cache
from itertools import accumulate
from pathlib import Path

import nbformat
import pytest

from autograder.assignment import CHECKS, Assignment, known
from autograder.build import build
from autograder.course import ROOT, Course
from autograder.edition import MARK, pages
from autograder.publish import publish
from autograder.solve import solved_notebook
from tests.wrong_answers import load_all

SMALLEST = 24  # nodes of a syntax tree
TEXT_FILES = {".html", ".ipynb", ".md", ".py", ".txt"}
SHORTEST_SENTENCE = 40  # characters of a rubric
FEWEST_JOINTS = 3  # underscores in the name of a wrong answer
FENCED = re.compile(
    r"^(?P<fence>`{3,}|~{3,}) *\{?(?:code-cell|code|python|ipython3)[^\n]*\n"
    r"(?P<code>.*?)^(?P=fence)",
    re.M | re.S,
)

Shape = tuple[int, int]
"""Of a run of statements: how many they are, and how many nodes their syntax trees have."""


# ---- what is hidden -----------------------------------------------------------------------------


def secret_files() -> list[Path]:
    return sorted([*(ROOT / "solutions").glob("*.py"), *CHECKS.rglob("*.py")])


@cache
def secret_code() -> dict[Shape, dict[tuple[str, ...], str]]:
    """Bodies of the hidden functions by their shape: normalised, with where they stand.

    The __init__ of a class is given in its stub.
    """
    secrets: dict[Shape, dict[tuple[str, ...], str]] = {}
    for file in secret_files():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name != "__init__":
                for body in bodies_without_docstring(node):
                    n_nodes = sum(map(size, body))
                    if n_nodes >= SMALLEST:
                        of_shape = secrets.setdefault((len(body), n_nodes), {})
                        of_shape[normalised(body)] = f"{file.name}: {node.name}"
    return secrets


def bodies_without_docstring(function: ast.FunctionDef) -> Iterator[list[ast.stmt]]:
    """The body, and the body without its return: in a notebook an answer may stand outside."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    yield body
    if isinstance(body[-1], ast.Return):
        yield body[:-1]


@cache
def secret_sentences() -> set[str]:
    lines = [line for file in CHECKS.rglob("*.md") for line in file.read_text().splitlines()]
    return {squeezed(line.lstrip("-*# ")) for line in lines if len(line) >= SHORTEST_SENTENCE}


@cache
def secret_numbers() -> dict[str, float]:
    return {
        name: value
        for assignment in map(Assignment.load, known())
        for name, value in assignment.expected_numbers.items()
    }


@cache
def secret_names() -> frozenset[str]:
    """Names of the wrong answers that the checks catch, where a name is more than a few words."""
    names = (variant.name for variant in load_all() if callable(variant.answer))
    return frozenset(name for name in names if name.count("_") >= FEWEST_JOINTS)


# ---- how two pieces of code are compared --------------------------------------------------------


def size(statement: ast.stmt) -> int:
    marks = ast.expr_context | ast.operator
    return sum(not isinstance(node, marks) for node in ast.walk(statement))


def normalised(body: list[ast.stmt]) -> tuple[str, ...]:
    """All of the statements, with names replaced by the order of their first appearance."""
    numbers: dict[str, str] = {}
    found: list[str] = []

    def add(part: object) -> None:
        if isinstance(part, ast.Name | ast.arg):
            name = part.id if isinstance(part, ast.Name) else part.arg
            found.append(numbers.setdefault(name, f"name {len(numbers)}"))
        elif isinstance(part, ast.AST):
            found.append(type(part).__name__)
            for field in part._fields:
                add(getattr(part, field, None))
        elif isinstance(part, list):
            found.append(f"{len(part)} of")
            for each in part:
                add(each)
        else:
            found.append(repr(part))

    add(body)
    return tuple(found)


def runs(code: str, shapes: Collection[Shape]) -> Iterator[tuple[Shape, list[ast.stmt]]]:
    """Runs of neighbouring statements of these shapes, at any depth; none if it is not Python."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return
    lengths = {length for length, _ in shapes}
    for node in ast.walk(tree):
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(node, block, None)
            if isinstance(statements, list):
                upto = [0, *accumulate(map(size, statements))]
                for length in lengths:
                    for start in range(len(statements) - length + 1):
                        shape = length, upto[start + length] - upto[start]
                        if shape in shapes:
                            yield shape, statements[start : start + length]


# ---- what is published --------------------------------------------------------------------------


COUNTED = re.compile(
    r'<span class="(eqno|caption-number|std std-numref)">.*?</span>'
    r'|<a[^>]* href="[^"]*#equation-[^>]*>[^<]*</a>'
)
"""Numbers of equations and figures, and references to them: they tell how many there are."""


def code_and_text(file: Path | zipfile.Path) -> tuple[list[str], str]:
    """Pieces of a published file that may be code, and all of it that a reader sees."""
    content = file.read_text(encoding="utf-8", errors="replace")
    if file.suffix == ".ipynb":
        cells = nbformat.reads(content, as_version=4).cells
        outputs = [json.dumps(cell.get("outputs", [])) for cell in cells]
        sources = [cell.source for cell in cells]
        return sources, "\n".join(sources + outputs)
    if file.suffix == ".html":
        shown = re.sub(r"<(script|style)\b.*?</\1>", "", content, flags=re.S)
        shown = COUNTED.sub("", shown)
        pieces = re.findall(r"<pre[^>]*>(.*?)</pre>", shown, flags=re.S)
        return [untagged(piece) for piece in pieces], untagged(shown)
    if file.suffix == ".py":
        return [content], content
    return [block["code"] for block in FENCED.finditer(content)], content


def untagged(text: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", text))


def squeezed(text: str) -> str:
    return " ".join(text.split())


def leaks_in(folder: Path) -> list[str]:
    """What hidden code, sentence or number is found in the files below a folder."""
    files = [file for file in published(folder) if file.suffix in TEXT_FILES]
    assert files, f"{folder}: nothing to look at"
    return [leak for file in files for leak in leaks(str(file), *code_and_text(file))]


def published(folder: Path) -> Iterator[Path | zipfile.Path]:
    """The files below a folder, and those in its archives."""
    for file in sorted(folder.rglob("*")):
        yield file
        if file.suffix == ".zip":
            with zipfile.ZipFile(file) as packed:
                names = packed.namelist()
            yield from (zipfile.Path(file, name) for name in names)


def leaks(place: str, code: list[str], text: str) -> list[str]:
    """The same for one file's pieces of code and its text."""
    found = [
        f"{place}: the body of {body}" for piece in code for body in hidden_bodies(piece.strip())
    ]
    words = squeezed(text)
    found += [f"{place}: rubric {line!r}" for line in secret_sentences() if line in words]
    named = secret_names() & set(re.findall(r"\w+", text))
    found += [f"{place}: the wrong answer {name}" for name in sorted(named)]
    found += [f"{place}: of the instructors' edition"] if MARK in words else []
    for name, value in secret_numbers().items():
        assigned = re.search(rf"^{name} *(:[^=\n]*)?= *(?!None\b)\S", text, re.M)
        if assigned or number_stands_in(text, value):
            found.append(f"{place}: the value of {name}")
    return found


@cache
def hidden_bodies(piece: str) -> tuple[str, ...]:
    """Where the hidden bodies in a piece of code stand; the same cells lie in many files."""
    secrets = secret_code()
    found = ((secrets[shape], normalised(run)) for shape, run in runs(piece, secrets))
    return tuple(of_shape[body] for of_shape, body in found if body in of_shape)


def number_stands_in(text: str, value: float) -> bool:
    """Whether a number that means something (three digits or more) is written out."""
    digits = str(int(value)) if value == int(value) else f"{value:.6f}".rstrip("0")[:5]
    significant = digits.replace(".", "").lstrip("0")
    if len(significant) < 3:
        return False
    tail = r"\d*" if "." in digits else r"(?![\d.]*\d)"
    return re.search(rf"(?<![\w.]){re.escape(digits)}{tail}(?!\w)", text) is not None


# ---- tests --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    folder = tmp_path_factory.mktemp("leaks")
    course = Course(folder / "course", folder / "build")
    build(None, course)
    return course


def test_release_and_source_are_clean(course: Course) -> None:
    assert leaks_in(course.build) == []


def test_what_is_public_is_clean(site: Path, tmp_path: Path) -> None:
    """The public edition, and what `make publish` adds to its pages."""
    public = publish(None, site, target=tmp_path / "public")
    assert {page.relative_to(site) for page in site.rglob("*.html")} <= {
        page.relative_to(public) for page in public.rglob("*.html")
    }
    assert leaks_in(public) == []


@pytest.fixture(scope="module")
def added() -> dict[str, str]:
    """The pages that the instructors' edition adds."""
    return pages()


@pytest.mark.parametrize("name", known())
def test_the_instructors_pages_are_full_of_leaks(
    name: str, added: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / f"{name}.md").write_text(added[name])
    found = "\n".join(leaks_in(tmp_path))
    for kind in ("the body of", "rubric", "the wrong answer"):
        assert f": {kind} " in found, kind
    for number in Assignment.load(name).expected_numbers:
        assert f": the value of {number}" in found
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as packed:
        packed.write(tmp_path / f"{name}.md", f"{name}.md")
    (tmp_path / f"{name}.md").unlink()
    assert len(leaks_in(tmp_path)) == len(found.splitlines()), "they are found in archives as well"


def test_gradebook_copies_are_clean(course: Course) -> None:
    with sqlite3.connect(course.directory / "gradebook.db") as gradebook:
        sources = [row[0] for row in gradebook.execute("select source from source_cell")]
    assert len(sources) == sum(len(Assignment.load(name).tasks) for name in known())
    assert leaks("source_cell", sources, "\n".join(sources)) == []


def test_release_folder_holds_only_what_students_need(course: Course) -> None:
    for name in known():
        data = {file.name for file in Assignment.load(name).data_files}
        files = {file.name for file in (course.release / name).rglob("*") if file.is_file()}
        assert files == data | {"lab.py", f"{name}.ipynb"}


def test_release_imports_nothing_of_the_course(course: Course) -> None:
    for file in course.release.rglob("*"):
        for code in code_and_text(file)[0] if file.suffix in TEXT_FILES else []:
            if "import" in code:
                assert not re.search(r"\b(solutions|autograder|exercises)\b", code), file


@pytest.mark.parametrize("name", known())
def test_every_stub_raises_and_nothing_else(name: str, course: Course) -> None:
    assignment = Assignment.load(name)
    notebook = nbformat.read(course.release / name / f"{name}.ipynb", as_version=4)
    code = {cell.source for cell in notebook.cells if cell.cell_type == "code"}
    for task in assignment.tasks:
        if task.kind != "function":
            continue
        assert task.stub in code
        (function,) = ast.parse(task.stub).body
        assert isinstance(function, ast.FunctionDef)
        docstring, error = function.body
        assert isinstance(docstring, ast.Expr)
        message = f"{task.name}: write your answer here"
        assert ast.unparse(error) == f"raise NotImplementedError({message!r})"


@pytest.mark.parametrize("name", known())
def test_the_solved_notebook_is_full_of_leaks(name: str) -> None:
    """The comparison finds every answer that is large enough, also under other names."""
    assignment = Assignment.load(name)
    cells = [cell.source for cell in solved_notebook(assignment).cells]
    found = "\n".join(leaks("solved", cells, "\n".join(cells)))
    for task in assignment.tasks:
        if task.kind == "number":
            assert f"the value of {task.name}" in found
        if task.kind == "function":
            function = ast.parse(inspect.getsource(assignment.reference(task))).body[0]
            assert isinstance(function, ast.FunctionDef)
            if sum(map(size, next(bodies_without_docstring(function)))) >= SMALLEST:
                assert f": {task.name}\n" in f"{found}\n"


RENAMED = """
def f(a, b, c):
    d, e = b["X"], b["h"]
    g = (b["y_hat"] - c) / len(c)
    k = (g @ a["Wy"]) * (1 - e**2)
    return {"Wh": k.T @ d, "bh": k.sum(dim=0), "Wy": g.T @ e, "by": g.sum(dim=0)}
"""


def test_a_renamed_answer_is_found_wherever_it_stands(tmp_path: Path) -> None:
    page = "<pre><span>{}</span></pre>".format(html.escape(RENAMED).replace("a[", "<b>a</b>["))
    inline = "if True:\n" + "\n".join(RENAMED.splitlines()[2:-1])
    (tmp_path / "page.html").write_text(page)
    (tmp_path / "sheet.md").write_text(f"# Title\n\n```{{code-cell}} ipython3\n{RENAMED}\n```\n")
    (tmp_path / "lab.py").write_text(inline)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(RENAMED)])
    nbformat.write(notebook, tmp_path / "notebook.ipynb")
    found = leaks_in(tmp_path)
    places = {Path(leak.partition(":")[0]).name for leak in found if "backward" in leak}
    assert places == {"page.html", "sheet.md", "lab.py", "notebook.ipynb"}


def test_numbers_are_found_where_they_mean_something() -> None:
    loss = secret_numbers()["initial_loss"]
    assert number_stands_in(f"it is about {loss:.4f}", loss)
    assert not number_stands_in("it is about 1.24", loss)
    passes = secret_numbers()["naive_passes"]
    assert number_stands_in(f"so {passes} passes.", passes)
    assert not number_stands_in(f"0.{passes} and 1{passes} and a{passes}", passes)
    assert not number_stands_in("0.6 of all", 0.6)


def test_sentences_of_rubrics_are_found() -> None:
    sentences = secret_sentences()
    assert sentences
    sentence = max(sentences)
    assert leaks("page", [], f"Before.\n{sentence.replace(' ', chr(10), 1)} After.")
