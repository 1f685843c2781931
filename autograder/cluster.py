"""Grades on an existing Dask cluster.

Each notebook travels to a worker with its settings and the course secret, which draws the hidden
inputs: the connections must be private, in a network of their own or by TLS as Dask's own
configuration sets it up. The worker grades in a process of its own, and only where the files and
libraries that decide on marks are the same there as here. Results come back to the one process
that keeps them.
"""

import asyncio
import contextlib
import logging
import os
import pickle
import sys
import threading
import time
import warnings
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING
from uuid import uuid4

from autograder.errors import CourseError
from autograder.graders import Graders
from autograder.work import Conditions, Result, Work

if TYPE_CHECKING:
    from distributed import Client

Answer = tuple[str, Result | None, str]
"""A worker's address, its result, and where there is none why it refuses."""

CONNECT_SECONDS = 10
"""How long a scheduler has to answer."""

WORKER_SECONDS = 60
"""How long there may be no worker before grading stops."""

WORKERS_DIED = "the workers that graded it ended without a result; grade it by hand"

SAME_THERE = "install the same project and packages on all workers"

# Source, as a function of ours would end a worker that has another Python or not the project.
ON_THE_WORKER = """
import pickle
from distributed import get_worker

try:
    from autograder.cluster import grade_here
    answer = grade_here(pickle.loads(work))
except Exception as error:
    answer = None, f"{type(error).__name__}: {error}"
answer = get_worker().address, *answer
"""
RUN = "exec(script, names) or names['answer']"

_TRIES = 2
_POLL_SECONDS = 5.0
_LEAST_IN_FLIGHT = 8

_on_this_machine = Graders(os.cpu_count() or 1)


class Cluster:
    """The workers of the Dask scheduler at an address such as tcp://10.0.0.1:8786.

    Workers may come and go. Raises CourseError where `distributed` is not installed or no
    scheduler answers.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._client = _connected(address)
        self.slots = max(_LEAST_IN_FLIGHT, 2 * sum(self._client.nthreads().values()))
        self._refusals: dict[str, str] = {}
        self._has_graded = False
        self._noting = threading.Lock()

    def grade(self, work: Work) -> Result:
        """The notebook's result from a worker that grades as this machine would.

        Raises CourseError where there is no such worker, and once this is closed.
        """
        for _ in range(_TRIES):
            while (answer := self._answer(work)) is not None:
                worker, result, refusal = answer
                if result is not None:
                    self._has_graded = True
                    return result
                self._note(worker, refusal)
        return Result(work.student, "", error=f"{work.path}: {WORKERS_DIED}")

    def close(self) -> None:
        """Leave the cluster; what a worker has begun, it finishes for nobody."""
        self._client.close()

    def _answer(self, work: Work) -> Answer | None:
        """What a worker answers; None where several died of the question."""
        from distributed import KilledWorker

        try:
            return self._awaited(pickle.dumps(work))
        except KilledWorker:
            return None
        except CourseError:
            raise
        except (CancelledError, OSError) as error:
            message = "the scheduler has gone; what is graded is kept: run again"
            raise CourseError(f"{self._address}: {message}") from error
        except Exception as error:
            message = f"the cluster cannot grade ({error!r:.200})"
            raise CourseError(f"{self._address}: {message}; {SAME_THERE}") from error

    def _awaited(self, work: bytes) -> Answer:
        """The answer of any worker that may still answer."""
        while True:
            workers = self._willing()
            names = {"script": ON_THE_WORKER, "names": {"work": work}}
            future = self._client.submit(eval, RUN, names, workers=workers, key=f"grade-{uuid4()}")
            while not set(workers).isdisjoint(self._willing()):
                with contextlib.suppress(TimeoutError):
                    answer: Answer = future.result(_POLL_SECONDS)
                    return answer
            future.cancel()

    def _willing(self) -> list[str]:
        """The addresses of the workers that do not refuse, as soon as there are any."""
        deadline = time.monotonic() + WORKER_SECONDS
        while True:
            present = self._client.nthreads()
            if willing := [worker for worker in present if worker not in self._refusals]:
                return willing
            refusals = [f"{worker}: {self._refusals[worker]}" for worker in present]
            if refusals and not self._has_graded:
                message = f"no worker grades as this machine would ({refusals[0]}); {SAME_THERE}"
                raise CourseError(f"{self._address}: {message}")
            if time.monotonic() > deadline:
                message = f"no worker that grades for {WORKER_SECONDS} seconds"
                raise CourseError(f"{self._address}: {message}; start some and run again")
            time.sleep(1)

    def _note(self, worker: str, refusal: str) -> None:
        with self._noting:
            if worker not in self._refusals:
                self._refusals[worker] = refusal
                print(f"{worker} refuses to grade: {refusal}; {SAME_THERE}", file=sys.stderr)


def grade_here(work: Work) -> tuple[Result | None, str]:
    """The result, or why this machine refuses: its files or libraries are not those asked for."""
    differences = Conditions.here(work.assignment).differences(work.conditions)
    if differences:
        return None, ", ".join(differences)
    return _on_this_machine.grade(work), ""


def _connected(address: str) -> "Client":
    try:
        from distributed import Client
    except ImportError:
        remedy = "install it: pip install -e '.[cluster]'"
        raise CourseError(f"--cluster needs Dask's package distributed; {remedy}") from None
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # our errors say it
    # Notebooks with large outputs are graded all the same.
    warnings.filterwarnings("ignore", message="Sending large graph")
    try:
        asyncio.run(_reach(address))  # a client that has failed keeps its process waiting
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TypeError, ValueError) as error:
        raise CourseError(f"{address}: no Dask scheduler answers there: {error}") from error


async def _reach(address: str) -> None:
    """Connect and leave; raises what stands against it."""
    from distributed import Security
    from distributed.comm import connect

    settings = Security().get_connection_args("client")
    await (await connect(address, timeout=CONNECT_SECONDS, **settings)).close()
