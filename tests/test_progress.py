"""What is seen of a run: failures when they happen, and one line where all fail alike."""

import json

import pytest

from autograder.errors import CourseError
from autograder.gradebook import Outcome
from autograder.marks import Mark
from autograder.progress import Watch
from autograder.stopping import StoppedError

ADA = Outcome("ada", "graded", Mark("ada", 3.5, 8, 0.5, 1), automatic=4.0, max_automatic=6.0)
BEA = Outcome("bea", "failed", reason="bea.ipynb: not\na notebook \x1b[31m")
CEM = Outcome("cem", "failed", reason="no bubblewrap")
DAN = Outcome("dan", "failed", reason="no bubblewrap")


def failures(capsys: pytest.CaptureFixture[str]) -> list[str]:
    lines = capsys.readouterr().err.splitlines()
    return [line for line in lines if line.startswith("autograder: ")]


def test_a_failure_is_told_when_it_happens(capsys: pytest.CaptureFixture[str]) -> None:
    with Watch("quick") as watch:
        watch(ADA, 2)
        watch(BEA, 2)
        assert failures(capsys) == [
            "autograder: bea: not graded: bea.ipynb: not a notebook \ufffd[31m"
        ]
    assert failures(capsys) == []


@pytest.mark.parametrize("other", [ADA, BEA])
def test_equal_failures_wait_for_another_outcome(
    capsys: pytest.CaptureFixture[str], other: Outcome
) -> None:
    with Watch("quick") as watch:
        watch(CEM, 3)
        watch(DAN, 3)
        assert failures(capsys) == []
        watch(other, 3)
        assert [line.split(": ")[1] for line in failures(capsys)][:2] == ["cem", "dan"]


def test_a_failure_of_all_is_left_to_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CourseError), Watch("quick") as watch:
        watch(CEM, 2)
        watch(DAN, 2)
        raise CourseError("no bubblewrap")
    assert failures(capsys) == []


def test_a_failure_is_told_when_nothing_else_comes(capsys: pytest.CaptureFixture[str]) -> None:
    with Watch("quick") as watch:
        watch(CEM, 1)
    assert len(failures(capsys)) == 1
    with pytest.raises(StoppedError), Watch("quick") as watch:
        watch(CEM, 2)
        raise StoppedError("stopped")
    assert len(failures(capsys)) == 1


def test_lines_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    with Watch("quick", as_json=True) as watch:
        watch(ADA, 2)
        watch(BEA, 2)
    ada, bea, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert ada == {
        "student": "ada",
        "status": "graded",
        "score": 3.5,
        "max_score": 8,
        "late_penalty": 0.5,
        "waiting": 1,
        "automatic": 4.0,
        "max_automatic": 6.0,
        "reason": None,
    }
    assert (bea["status"], bea["score"], bea["reason"]) == ("failed", None, BEA.reason)
    counts = {"submissions": 2, "graded": 1, "stored": 0, "failed": 1}
    assert summary == {"assignment": "quick"} | counts | {"stopped": False}


def test_an_interrupt_before_the_first_result_is_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(StoppedError, match="run the same command again"), Watch("quick"):
        raise KeyboardInterrupt
    assert "Traceback" not in capsys.readouterr().err
