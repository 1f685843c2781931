"""What is read once is read anew when it changes; what is not written whole is not written."""

from pathlib import Path

import pytest

from autograder import assignment as assignments
from autograder import course as courses
from autograder.assignment import Assignment
from autograder.course import site_url, write_atomically

SHEET = """\
---
course:
  solutions: [sums]
---

```{code-cell} ipython3
:task: total
total = None
```

```{code-cell} ipython3
:check: total
:points: 4
assert total
```
"""


def test_a_changed_sheet_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assignments, "EXERCISES", tmp_path)
    sheet = tmp_path / "sums" / "sums.md"
    write_atomically(sheet, SHEET)
    first = Assignment.load("sums")
    assert first.max_score == 4
    assert Assignment.load("sums") is first
    write_atomically(sheet, SHEET.replace("4", "5"))
    assert Assignment.load("sums").max_score == 5


def test_a_changed_address_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courses, "ROOT", tmp_path)
    for address in ("https://example.org/a", "https://example.org/b"):
        write_atomically(tmp_path / "_config.yml", f"html:\n  baseurl: {address}/\n")
        assert site_url() == address
    (tmp_path / "_config.yml").unlink()
    assert site_url().startswith("file://")


def test_an_interrupt_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "marks.csv"
    write_atomically(path, "old")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "replace", interrupt)
        write_atomically(path, "new")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]
