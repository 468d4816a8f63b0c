from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from gates.decide.outcome import Outcome
from tests.steps.audit_server import CHANGED, READ, TOKEN, AuditServer, audit_server
from tests.steps.platforms import a_platform
from tests.steps.scenarios import judged
from tests.tables import cases


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AuditServer]:
    monkeypatch.setenv("AUDIT_TOKEN", TOKEN)
    with audit_server() as serving:
        yield serving


def section(url: str) -> dict[str, Any]:
    """Return the section `audit` around one server."""
    return {
        "address": url,
        "token": "env:AUDIT_TOKEN",
        "flag_change": CHANGED,
        "appears_within": "500ms",
        "trial": {
            "service": "api",
            "path": "/records?tag={id}",
            "token": "env:AUDIT_TOKEN",
            "action": READ,
        },
    }


NO_ENTRY = "has no entry in the audit log after 5 s, wanted exactly one"
OTHERWISE = "calls it otherwise than “records.listed”"
OLD = "bears the time 2020-01-01 00:00:00 UTC, not that of the read"


@cases(
    "behaviour outcome said",
    {
        "exactly one entry": ({}, Outcome.PASS, "has exactly one entry in the audit log"),
        "an entry that takes its time": ({"late_looks": 3}, Outcome.PASS, ""),
        "kept twice": ({"copies": 2}, Outcome.FAIL, "has 2 entries in the audit log, wanted"),
        "of nobody": ({"changes": {"actor": " "}}, Outcome.FAIL, "does not say who did it"),
        "of another action": ({"changes": {"action": "x"}}, Outcome.FAIL, OTHERWISE),
        "of another time": ({"changes": {"at": "2020-01-01T00:00:00Z"}}, Outcome.FAIL, OLD),
        "the log is off": ({"copies": 0}, Outcome.FAIL, NO_ENTRY),
        "the id is not kept": ({"changes": {"request_id": "other"}}, Outcome.FAIL, NO_ENTRY),
        "the log is away": ({"log_status": 503}, Outcome.ERROR, ""),
        "the log refuses the gate": ({"log_status": 401}, Outcome.ERROR, ""),
        "the log answers something else": ({"body": []}, Outcome.INCONCLUSIVE, ""),
        "the read itself fails": ({"service_status": 500}, Outcome.ERROR, "with status 500"),
        "the read is refused": ({"service_status": 401}, Outcome.ERROR, "with status 401"),
    },
)
def test_a_harmless_read_has_exactly_one_true_entry(
    server: AuditServer,
    tmp_path: pathlib.Path,
    behaviour: dict[str, Any],
    outcome: Outcome,
    said: str,
) -> None:
    server.add()  # what else there is does not count
    for name, value in behaviour.items():
        setattr(server, name, value)
    platform = a_platform(tmp_path, {"eu": server.url}, audit=section(server.url), time_scale=60)
    (found,) = judged("T7-SEC-6", platform).noted()["eu"].judgements
    assert found.outcome is outcome, found.sentence
    assert said in found.sentence
    if said == NO_ENTRY:
        # Envoy, and so Istio, replaces X-Request-Id of whoever comes from outside.
        assert "another audit.trial.header, if a gateway on the way replaces" in found.clears
