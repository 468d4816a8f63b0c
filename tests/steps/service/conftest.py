from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gates.decide.judgement import Judgement
from smoke.journey import STEPS
from steps.kit.check import Check
from steps.kit.platform import Platform
from steps.kit.request import EVENTS
from steps.kit.run import Run
from tests.steps.patient_server import PatientServer, patient_server
from tests.steps.platforms import a_platform
from tests.steps.scenarios import a_run, all_of, judged, told

SYNTHETIC = {
    "service": "api",
    "email_domain": "synthetic.example",
    "token": "file:token",
    "provider_id": "synthetic-provider",
}
VENDOR: dict[str, Any] = {
    "name": "Payfast",
    "services": ["pay"],
    "support_contact": "help@payfast.example",
    "sla_minutes": 30,
}


@dataclasses.dataclass
class Walk:
    """One run on one region's platform: each of its checks judges a step of the same journey."""

    platform: Platform
    run: Run

    def judged(self, name: str) -> list[Judgement]:
        return all_of(self._check(name))

    def outcomes(self) -> list[str]:
        """Return the outcome of every step, in the journey's order."""
        return [str(self._check(name).outcome("eu")) for name in STEPS]

    def told(self) -> dict[str, list[str]]:
        """Return what is said of every step, and which step it was blocked by."""
        checks = {name: self._check(name) for name in STEPS}
        return {
            name: told(check)
            + [
                f"blocked by {one.data['blocked_by']}"
                for one in all_of(check)
                if "blocked_by" in one.data
            ]
            for name, check in checks.items()
        }

    def _check(self, name: str) -> Check:
        return judged(f"IV-FLOW-{STEPS.index(name) + 1}", self.platform, run=self.run)

    @property
    def problems(self) -> list[str]:
        events = (self.run.run_dir / EVENTS).read_text().splitlines()
        return [json.loads(line)["sentence"] for line in events]


AWalk = Callable[..., Walk]


@pytest.fixture
def server() -> Iterator[PatientServer]:
    with patient_server() as serving:
        yield serving


@pytest.fixture
def a_walk(tmp_path: pathlib.Path, server: PatientServer) -> Iterator[AWalk]:
    """Return how to make a walk through the server; sections are added to its environment."""
    with contextlib.ExitStack() as stack:

        def make(**sections: Any) -> Walk:
            (tmp_path / "token").write_text("sentinel-admin")
            run_dir = tmp_path / "out" / "run-2"
            run_dir.mkdir(parents=True)
            platform = a_platform(tmp_path, {"eu": server.url}, synthetic=SYNTHETIC, **sections)
            return Walk(platform, stack.enter_context(a_run(platform, run_dir)))

        yield make
