from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from gates.decide.judgement import Judgement
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


def tried(folder: pathlib.Path, server: AuditServer) -> Judgement:
    """Try the log of a platform of one region and return what is said of it."""
    platform = a_platform(folder, {"eu": server.url}, audit=section(server.url), time_scale=60)
    check = judged("T7-SEC-6", platform)
    (judgement,) = check.noted()["eu"].judgements
    return judgement


def test_exactly_one_entry_passes(server: AuditServer, tmp_path: pathlib.Path) -> None:
    server.add()
    found = tried(tmp_path, server)
    assert found.outcome is Outcome.PASS, found.sentence


def test_an_entry_may_take_its_time(server: AuditServer, tmp_path: pathlib.Path) -> None:
    server.late_looks = 3
    assert tried(tmp_path, server).outcome is Outcome.PASS


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "kept twice": ({"copies": 2}, "has 2 entries in the audit log, wanted exactly one"),
    "of nobody": ({"changes": {"actor": " "}}, "does not say who did it"),
    "of another action": ({"changes": {"action": "x"}}, "calls it otherwise than “records.listed”"),
    "of another time": (
        {"changes": {"at": "2020-01-01T00:00:00Z"}},
        "bears the time 2020-01-01 00:00:00 UTC, not that of the read",
    ),
}


@pytest.mark.parametrize(
    ("behaviour", "said"), WRONG.values(), ids=[f"an entry {x}" for x in WRONG]
)
def test_an_entry_that_is_wrong_fails(
    server: AuditServer, tmp_path: pathlib.Path, behaviour: dict[str, Any], said: str
) -> None:
    for name, value in behaviour.items():
        setattr(server, name, value)
    found = tried(tmp_path, server)
    assert found.outcome is Outcome.FAIL
    assert said in found.sentence


@cases(
    "behaviour",
    {"the log is off": {"copies": 0}, "the id is not kept": {"changes": {"request_id": "another"}}},
)
def test_no_entry_fails_once_its_time_is_up(
    server: AuditServer, tmp_path: pathlib.Path, behaviour: dict[str, Any]
) -> None:
    for name, value in behaviour.items():
        setattr(server, name, value)
    found = tried(tmp_path, server)
    assert found.outcome is Outcome.FAIL
    assert "has no entry in the audit log after 5 s, wanted exactly one" in found.sentence
    # Envoy, and so Istio, replaces X-Request-Id of whoever comes from outside.
    assert "another audit.trial.header, if a gateway on the way replaces" in found.clears


@cases(
    "behaviour outcome",
    {
        "the log is away": ({"log_status": 503}, Outcome.ERROR),
        "the log refuses the gate": ({"log_status": 401}, Outcome.ERROR),
        "the log answers something else": ({"body": []}, Outcome.INCONCLUSIVE),
        "the read itself fails": ({"service_status": 500}, Outcome.ERROR),
        "the read is refused": ({"service_status": 401}, Outcome.ERROR),
    },
)
def test_what_could_not_be_tried_says_nothing_of_the_log(
    server: AuditServer, tmp_path: pathlib.Path, behaviour: dict[str, Any], outcome: Outcome
) -> None:
    for name, value in behaviour.items():
        setattr(server, name, value)
    assert tried(tmp_path, server).outcome is outcome
