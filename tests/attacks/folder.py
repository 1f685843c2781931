"""Attacks by what lies in the folder that is submitted: links, pipes, and absurd sizes."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

from tests.attacks.attack import Aims, Attack, Evidence, grading_ended, told_secret

NOTEBOOK = "quick.ipynb"
HUGE = 300 * 2**20  # bytes; sparse, so that it takes up no space before it is copied
MANY = 3000
PIPE = "neither a file nor a folder"
SHORTLY = 1.5  # seconds; who reads from a pipe waits for ever


def submitting(
    name: str,
    prepare: Callable[[Path, Aims], None],
    won: Callable[[Evidence], bool] = grading_ended,
    refused: str = "",
    patience: float = 20.0,
) -> Attack:
    """Answers that are right, in a folder that is not what it seems."""
    return Attack(
        f"folder-{name}",
        won,
        grader="copied",
        prepare=prepare,
        refused=refused,
        patience=patience,
    )


def _copied_much(evidence: Evidence) -> bool:
    return evidence.size >= HUGE


def _copied_many(evidence: Evidence) -> bool:
    return len(evidence.changed) >= MANY


def _notebook_is_a_link(folder: Path, aims: Aims) -> None:
    (folder / NOTEBOOK).unlink()
    (folder / NOTEBOOK).symlink_to(Path(aims["submitted"]) / "next" / "quick" / NOTEBOOK)


def _link_beside(folder: Path, aims: Aims) -> None:
    (folder / "data.csv").symlink_to(aims["secret"])


def _link_to_a_folder(folder: Path, aims: Aims) -> None:
    (folder / "images").symlink_to(Path(aims["submitted"]) / "next")


def _folder_is_a_link(folder: Path, aims: Aims) -> None:
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    folder.symlink_to(Path(aims["submitted"]) / "next" / "quick")


def _notebook_is_a_pipe(folder: Path, aims: Aims) -> None:
    (folder / NOTEBOOK).unlink()
    os.mkfifo(folder / NOTEBOOK)


def _pipe_beside(folder: Path, aims: Aims) -> None:
    os.mkfifo(folder / "data.csv")


def _timestamp_is_a_pipe(folder: Path, aims: Aims) -> None:
    os.mkfifo(folder / "timestamp.txt")


def _socket_beside(folder: Path, aims: Aims) -> None:
    place = os.open(folder, os.O_RDONLY)  # the path of a socket has to be a short one
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{place}/data.csv")
    os.close(place)


def _huge_notebook(folder: Path, aims: Aims) -> None:
    os.truncate(folder / NOTEBOOK, HUGE)


def _huge_file_beside(folder: Path, aims: Aims) -> None:
    with (folder / "data.csv").open("wb") as file:
        file.truncate(HUGE)


def _huge_timestamp(folder: Path, aims: Aims) -> None:
    with (folder / "timestamp.txt").open("wb") as file:
        file.truncate(HUGE)


def _many_files(folder: Path, aims: Aims) -> None:
    for number in range(MANY):
        (folder / f"{number}.txt").touch()


def _deep_folders(folder: Path, aims: Aims) -> None:
    """Deeper than a path can be long."""
    name = "nested" * 40
    place = os.open(folder, os.O_RDONLY)
    for _ in range(20):
        os.mkdir(name, dir_fd=place)
        inner = os.open(name, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)


def _nested_json(folder: Path, aims: Aims) -> None:
    (folder / NOTEBOOK).write_text("[" * 10**6)


def _notebook_is_a_folder(folder: Path, aims: Aims) -> None:
    (folder / NOTEBOOK).rename(folder / "other.ipynb")
    (folder / NOTEBOOK).mkdir()


ATTACKS = [
    submitting("notebook-link", _notebook_is_a_link, told_secret("submission"), "symbolic link"),
    submitting("link-beside", _link_beside, told_secret("secret"), "symbolic link"),
    submitting("link-to-folder", _link_to_a_folder, told_secret("submission"), "symbolic link"),
    submitting("is-link", _folder_is_a_link, told_secret("submission"), "symbolic link"),
    submitting("notebook-pipe", _notebook_is_a_pipe, refused=PIPE, patience=SHORTLY),
    submitting("pipe-beside", _pipe_beside, refused=PIPE, patience=SHORTLY),
    submitting("timestamp-pipe", _timestamp_is_a_pipe, refused=PIPE, patience=SHORTLY),
    submitting("socket-beside", _socket_beside, refused=PIPE),
    submitting("huge-notebook", _huge_notebook, refused="more than 256 MB"),
    submitting("huge-file-beside", _huge_file_beside, _copied_much, "more than 256 MB"),
    submitting("huge-timestamp", _huge_timestamp, _copied_much, "more than 256 MB"),
    submitting("many-files", _many_files, _copied_many, refused="more than"),
    submitting("deep-folders", _deep_folders, refused="nested too deeply"),
    submitting("nested-json", _nested_json, refused="not a notebook"),
    submitting("notebook-is-folder", _notebook_is_a_folder, refused="a folder"),
]
