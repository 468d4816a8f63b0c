"""Proof on applications of others: Django and FastAPI with their usual exporters and several workers."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import pathlib
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

import httpx
import yaml

from gates.decide.outcome import Outcome
from gates.load import ROOT, load_policy
from prove import Cases
from prove.instruments import Asked, Metrics, answers, installed, prometheus
from settings.objectives import Objective
from tests.probes.real_servers import running
from tests.probes.servers import closed_port, wait_until

PROMISE = (
    "Django and FastAPI with their usual exporters get true verdicts: healthy, 3 % errors, slow, silent, "
    "idle, split over workers"
)
LOCK = ROOT / "requirements-foreign.lock"
START_SECONDS = 180
WORKERS, CALLERS, REQUESTS_PER_SECOND = 3, 6, 60
LOOK_BACK_SECONDS, SETTLE_SECONDS = 30.0, 8.0
ERRORS, LATENCY = "IV-PERF-3", "IV-PERF-1"
UNDECIDED = Outcome.INCONCLUSIVE
EXPECTED: Mapping[str, tuple[Outcome, Outcome]] = {
    "healthy": (Outcome.PASS, Outcome.PASS),
    "errors": (Outcome.FAIL, Outcome.PASS),
    "slow": (Outcome.PASS, Outcome.FAIL),
    "silent": (UNDECIDED, UNDECIDED),
    "idle": (UNDECIDED, UNDECIDED),
    "split": (UNDECIDED, UNDECIDED),
}
"""By mood: what is to be said of the errors and of the latency."""


@dataclasses.dataclass(frozen=True, slots=True)
class Application:
    """An application and how its exporter names what is asked for."""

    name: str
    server: str
    """A module of Python and its arguments, with WORKERS and PORT in it.

    Connections are kept for less than a scrape, as they are where one scrapes every 15 s: a connection
    that Prometheus keeps shows it one worker alone, and nothing in its samples tells.
    """
    made_by: str
    metrics: Metrics
    bounds: Sequence[float]


APPLICATIONS = tuple(
    Application(name, **fields)
    for name, fields in yaml.safe_load(
        pathlib.Path(__file__).with_name("foreign.yaml").read_bytes()
    ).items()
)


def true_verdicts(_seed: int) -> Cases:
    """Yield each application in each mood, again and again; there is nothing to choose by a seed."""
    packages = installed(LOCK)
    for application, mood in itertools.cycle(itertools.product(APPLICATIONS, EXPECTED)):
        yield _case(application, mood, packages)


def _case(application: Application, mood: str, packages: pathlib.Path) -> str | None:
    port = closed_port()
    job = {"job_name": "api", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    scrapes = {"scrape_interval": "1s", "scrape_timeout": "900ms"}
    with (
        tempfile.TemporaryDirectory(prefix="prove-", ignore_cleanup_errors=True) as folder,
        _serving(application, mood, packages, pathlib.Path(folder), port),
        prometheus({"global": scrapes, "scrape_configs": [job]}) as url,
        contextlib.nullcontext() if mood == "idle" else _used(port),
    ):
        time.sleep(LOOK_BACK_SECONDS + SETTLE_SECONDS)
        asked = Asked(url, "api", 1.0, application.metrics, {}, _objectives(application))
        found = {one: asked.judged(one, pathlib.Path(folder)) for one in (ERRORS, LATENCY)}
    wrong = [
        f"{one}: {said.outcome if said else UNDECIDED}, not {wanted}"
        + (f" ({said.sentence})" if said else "")
        for (one, said), wanted in zip(found.items(), EXPECTED[mood], strict=True)
        if (said.outcome if said else UNDECIDED) is not wanted
    ]
    return f"{application.name}, {mood}: {'; '.join(wrong)}" if wrong else None


@contextlib.contextmanager
def _serving(
    application: Application, mood: str, packages: pathlib.Path, folder: pathlib.Path, port: int
) -> Iterator[None]:
    """Run the application with several workers, that share their counters but where they are split."""
    counters = folder / "counters"
    counters.mkdir()
    environment = {"PYTHONPATH": f"{packages}:{ROOT}", "MOOD": mood, "HOME": str(folder)}
    if mood != "split":
        environment["PROMETHEUS_MULTIPROC_DIR"] = str(counters)
    server = application.server.replace("WORKERS", str(WORKERS)).replace("PORT", str(port))
    argv = [sys.executable, "-m", *server.split(), f"prove.{application.made_by}"]
    with running(argv, folder=folder, environment=environment):
        wait_until(
            lambda: answers(f"http://127.0.0.1:{port}/metrics"),
            f"{application.name} answers",
            START_SECONDS,
        )
        yield


@contextlib.contextmanager
def _used(port: int) -> Iterator[None]:
    """Send requests at an even rate, from several callers, until the block ends."""
    over = threading.Event()

    def call() -> None:
        pause = CALLERS / REQUESTS_PER_SECOND
        due = time.monotonic()
        with httpx.Client(timeout=5) as client:
            while not over.is_set():
                with contextlib.suppress(httpx.HTTPError):
                    client.get(f"http://127.0.0.1:{port}/v1/visits")
                due = max(due + pause, time.monotonic() - 1)
                over.wait(max(0.0, due - time.monotonic()))

    callers = [threading.Thread(target=call) for _ in range(CALLERS)]
    for one in callers:
        one.start()
    try:
        yield
    finally:
        over.set()
        for one in callers:
            one.join(timeout=10)


def _objectives(application: Application) -> tuple[Objective, ...]:
    """Return the policy's with this look-back: fewer than 1 % errors, fewer than 5 % over half a second."""
    errors, latency = (load_policy().objective(one) for one in (ERRORS, LATENCY))
    times = {"look_back": LOOK_BACK_SECONDS, "wait_for_samples": 0.0, "rollback": None}
    half_a_second = {
        "bucket_bounds": application.bounds,
        "target": latency.target.model_copy(update={"over_seconds": 0.5}),
    }
    return (
        errors.model_copy(
            update={**times, "target": errors.target.model_copy(update={"budget": 0.01})}
        ),
        latency.model_copy(update={**times, **half_a_second}),
    )
