"""Figures of the contract tests: how long a pass takes, what it reaches and sends; seeded faults found.

The reference API is a real one, on Postgres and Redis of its own; whatever asks it is counted by its server.
"""

from __future__ import annotations

import collections
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bench import Figure
from bench.mutants import draw
from gates.decide.outcome import Outcome
from gates.load import ROOT
from sandbox.app.bent import Bent
from steps.kit.check import Check
from steps.kit.platform import NotDescribedError, Platform
from tests.sandbox.app_servers import SYNTHETIC_DOMAIN, SYNTHETIC_TOKEN, Api, Servers
from tests.steps.platforms import a_platform, a_policy
from tests.steps.scenarios import a_run, judged

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

READ, FULL, DOCUMENT = "CT-READ-1", "CT-FULL-1", "CT-DOC-1"
READ_SECONDS, BUDGET_SECONDS = 15.0, 60.0
MUTANTS, SEED = 24, 20261130
RUNS = 100
_GATE = ("-c", "from gates.cli.main import run; run()")
_COMMANDS = (
    ("-m", "pytest", "-q", "-m", "contract"),
    (*_GATE, "post-deploy", "--window", "1h"),
    (*_GATE, "phase", "4"),
)
_SAFE = ("GET", "HEAD")
_LEFT_OUT = {
    "GET /v1/synthetic/records": "it names the records of every run",
    "DELETE /v1/synthetic/records": "it would delete the records of other runs",
    "POST /v1/auth/logout": "it ends the session that all others are asked with",
}
_PROVIDER = "synthetic-provider"


class Sent:
    """Counts what arrives at a server, by method; an application around another."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.methods: collections.Counter[str] = collections.Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count one request and pass it on."""
        if scope["type"] == "http":
            self.methods[scope["method"]] += 1
        await self._app(scope, receive, send)

    @property
    def unsafe(self) -> int:
        """How many requests were none that only read."""
        return sum(count for method, count in self.methods.items() if method not in _SAFE)


def figures() -> Iterator[Figure]:
    """Yield the seconds of both passes, what they reached, what a read-only one sent, and mutants found."""
    with _served() as (api, sent, folder):
        yield from _passes(api, folder)
        yield from _read_only_runs(api, sent, folder)
        yield from _mutants(api, folder)


@contextlib.contextmanager
def _served() -> Iterator[tuple[Api, Sent, pathlib.Path]]:
    """Yield the reference API, what counts its requests, and a folder for environments."""
    servers, counters = Servers(), list[Sent]()

    def counted(app: ASGIApp) -> ASGIApp:
        counters.append(Sent(app))
        return counters[-1]

    with tempfile.TemporaryDirectory(prefix="bench-") as folder, contextlib.ExitStack() as stack:
        stack.callback(servers.stop_all)
        servers.start_all()
        api = servers.start_api(around=counted)
        yield api, counters[0], pathlib.Path(folder)


def _platform(api: Api, folder: pathlib.Path, *, writes: bool) -> Platform:
    (folder / "token").write_text(SYNTHETIC_TOKEN, encoding="utf-8")
    contract: dict[str, Any] = {
        "service": "api",
        "released": str(ROOT / "contract" / "openapi" / "v{release}.json"),
        "writes": writes,
        "budget": f"{BUDGET_SECONDS:.0f}s",
        "requests_per_second": 500,
        "values": {"provider_id": _PROVIDER, "providerId": _PROVIDER, "patient_id": "me"},
        "leave_out": _LEFT_OUT,
    }
    own = {
        "values": {
            **contract["values"],
            **dict.fromkeys(("appointment_id", "appointmentId"), "{appointment}"),
            "date": "{in_a_week}",
        },
        "bodies": {"POST /v1/auth/login": {"email": "{email}", "password": "{password}"}},
    }
    synthetic = {"service": "api", "email_domain": SYNTHETIC_DOMAIN, "provider_id": _PROVIDER}
    more: dict[str, Any] = {"synthetic": {**synthetic, "token": "file:token"}} if writes else {}
    return a_platform(
        folder,
        {"eu": str(api.http.base_url).rstrip("/")},
        policy=a_policy(call="20s"),
        run_seconds=600,
        contract={**contract, **(own if writes else {"token": "file:token"})},
        **more,
    )


def _run(check: str, platform: Platform) -> tuple[Check, float, pathlib.Path]:
    """Run a check by its id; return what it noted, its seconds and the folder of its events."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=platform.environment.path.parent))
    started = time.perf_counter()
    with a_run(platform, folder) as run:
        found = judged(check, platform, run=run)
    return found, time.perf_counter() - started, folder


def _passes(api: Api, folder: pathlib.Path) -> Iterator[Figure]:
    platform = _platform(api, folder, writes=True)
    for check, name, bound in (
        (READ, "read-only pass", READ_SECONDS),
        (FULL, "full pass, with its start", BUDGET_SECONDS + 5),
    ):
        found, seconds, _ = _run(check, platform)
        bad = [one.sentence for one in found.noted()["eu"].judgements if one.outcome != "PASS"]
        _note(f"{check}: {found.outcome('eu')} {' | '.join(bad)}")
        yield Figure(name, seconds, bound, "s")
        yield Figure(f"findings of the {name.split(',')[0]}, nothing broken", len(bad), 0, "")
        yield Figure(
            f"operations with a 2xx, {name.split(',')[0]}", _share(found), 95, "%", at_least=True
        )


def _share(check: Check) -> float:
    """Return the share of operations that succeeded, in percent; NaN where the check does not say."""
    shares = (
        one.observed
        for one in check.noted()["eu"].judgements
        if one.rule == "operations that succeeded"
    )
    found = next(shares, None)
    return float(found) * 100 if isinstance(found, int | float) else float("nan")


def _read_only_runs(api: Api, sent: Sent, folder: pathlib.Path) -> Iterator[Figure]:
    """Ask an environment that allows no writes for every check of the contract, again and again."""
    sent.methods.clear()
    for number in range(RUNS):
        platform = _platform(api, folder, writes=False)
        if number % 10 == 0:
            _command(_COMMANDS[number // 10 % len(_COMMANDS)], platform)
            continue
        with contextlib.suppress(NotDescribedError):  # such as a full pass where nothing is written
            _run((READ, FULL, DOCUMENT)[number % 3], platform)
    _note(f"{RUNS} runs sent {dict(sent.methods)}")
    yield Figure(f"requests but GET and HEAD of {RUNS} read-only runs", sent.unsafe, 0, "requests")


def _command(command: tuple[str, ...], platform: Platform) -> None:
    """Run a command as people do; what it finds of an API without a platform around it does not matter."""
    environment = str(platform.environment.path)
    subprocess.run(  # noqa: S603 - our own commands
        [sys.executable, *command, "--release", "v1.2.0", "--env", environment],
        cwd=ROOT,
        env={**os.environ, "GATE_OUT": str(platform.environment.path.parent / "out")},
        capture_output=True,
        timeout=300,
        check=False,
    )


def _mutants(api: Api, folder: pathlib.Path) -> Iterator[Figure]:
    document = api.http.get("/openapi.json").json()
    drawn = draw(document, MUTANTS, SEED, without=_LEFT_OUT)
    found = 0
    for mutant in drawn:
        api.fault(bent=[mutant.model_dump()])
        # Each its own: a platform has one deadline for all its checks.
        red = _is_found(mutant, _platform(api, folder, writes=True))
        found += red
        _note(f"{'found ' if red else 'MISSED'} {_said(mutant)}")
    api.fault()
    share = 100 * found / len(drawn)
    yield Figure(f"of {len(drawn)} seeded contract faults, found", share, 90, "%", at_least=True)


def _is_found(mutant: Bent, platform: Platform) -> bool:
    """Tell whether a pass finds something wrong with the operation that is bent."""
    return any(
        one.outcome is Outcome.FAIL and one.subject == mutant.operation
        for check in (FULL, READ)
        for one in _run(check, platform)[0].noted()["eu"].judgements
    )


def _said(mutant: Bent) -> str:
    return " ".join(str(one) for one in mutant.model_dump(exclude_defaults=True).values())


def _note(line: str) -> None:
    sys.stderr.write(f"{line}\n")
