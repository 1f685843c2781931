"""The pages on which an instructor looks at submissions, from nbgrader's own server."""

import contextlib
import json
import secrets
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bs4 import BeautifulSoup

from benchmarks.project import Project

LISTS = ("manage_submissions/quick", "gradebook/quick/quick", "manage_students")
ACTIVE = ("html", "xml", "svg", "javascript")
"""What stands in the types of contents that a browser runs scripts of."""
START_SECONDS = 120
NUMBERS = """
    select student_id, submitted_notebook.id from submitted_notebook
    join submitted_assignment on submitted_assignment.id = submitted_notebook.assignment_id
"""


@dataclass(frozen=True)
class Pages:
    """Pages by student, and those that list the whole class by address.

    active: for each student the files beside the notebook that it links to and that a browser
    would run scripts of.
    """

    of_students: dict[str, str] = field(default_factory=dict)
    lists: dict[str, str] = field(default_factory=dict)
    active: dict[str, list[str]] = field(default_factory=dict)


def pages(project: Project, students: Sequence[str]) -> Pages:
    """What the server shows of these students."""
    with contextlib.closing(sqlite3.connect(project.course.directory / "gradebook.db")) as book:
        numbers = dict(book.execute(NUMBERS).fetchall())
    found = Pages()
    with _server(project) as server:
        for name in LISTS:
            found.lists[name], _ = server.get(name)
        for student in students:
            if student in numbers:
                address = f"submissions/{numbers[student]}/"
                found.of_students[student], _ = server.get(address)
                found.active[student] = _active(server, address, found.of_students[student])
    return found


def _active(server: "_Server", address: str, page: str) -> list[str]:
    links = [
        link.get("href") or link.get("src") for link in BeautifulSoup(page, "html.parser")(True)
    ]
    beside = {str(link) for link in links if link and not urllib.parse.urlparse(str(link)).scheme}
    names = [link for link in sorted(beside) if link[0] not in "/#"]
    return [name for name in names if any(word in server.get(address + name)[1] for word in ACTIVE)]


@dataclass(frozen=True)
class _Server:
    port: int
    token: str

    def get(self, page: str) -> tuple[str, str]:
        """A page of formgrader and the type of its content; "" where there is none."""
        address = f"http://127.0.0.1:{self.port}/formgrader/{urllib.parse.quote(page)}"
        asked = urllib.request.Request(address, headers={"Authorization": f"token {self.token}"})
        try:
            with urllib.request.urlopen(asked) as answer:
                return answer.read().decode(), answer.headers.get_content_type()
        except urllib.error.HTTPError:
            return "", ""


@contextlib.contextmanager
def _server(project: Project) -> Iterator[_Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        server = _Server(free.getsockname()[1], secrets.token_hex(16))
    settings = {
        "port": server.port,
        "port_retries": 0,
        "open_browser": False,
        "allow_root": True,
        "jpserver_extensions": {"nbgrader.server_extensions.formgrader": True},
    }
    config = project.folder / "jupyter_server_config.json"
    config.write_text(
        json.dumps({"ServerApp": settings, "IdentityProvider": {"token": server.token}})
    )
    log = project.folder / "jupyter_server.log"
    with log.open("wb") as file:
        running = subprocess.Popen(
            [sys.executable, "-m", "jupyter_server", f"--config={config}"],
            cwd=project.course.directory,
            env=project.environment(),
            stdout=file,
            stderr=file,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(server.port):
            assert running.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield server
    finally:
        running.terminate()
        running.wait()


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
