"""Faults: each can be seen from outside while it is applied, and nothing of it remains afterwards."""

from __future__ import annotations

import csv
import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from sandbox.core import SandboxError, UnknownNameError
from sandbox.faults import catalogue
from sandbox.faults.book import bound
from tests.sandbox.platforms import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.sandbox.platforms import Sandbox

_CATALOGUE = (CHECKOUT / "features" / "catalogue.csv").read_text(encoding="utf-8")
_KNOWN_CHECKS = {row["id"] for row in csv.DictReader(_CATALOGUE.splitlines())}


def _answer(url: str) -> tuple[int, Any]:
    """Return status and JSON body; status 0 when there is no answer at all."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - loopback
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, None
    except OSError:
        return 0, None


def _api(platform: Sandbox, region: str, path: str) -> tuple[int, Any]:
    return _answer(platform.environment().regions[region].services["api"] + path)


def _prometheus(platform: Sandbox) -> int:
    return _answer(platform.environment().regions["eu"].prometheus + "/api/v1/query?query=1")[0]


def _gate_login(platform: Sandbox) -> str:
    settings = platform.environment().postgres
    assert settings is not None
    password = Path(settings.password.removeprefix("file:")).read_text(encoding="utf-8")
    try:
        with psycopg.connect(
            host=settings.host,
            port=settings.port,
            dbname=settings.database,
            user=settings.user,
            password=password,
        ) as connection:
            row = connection.execute(
                "SELECT has_table_privilege('appointments', 'UPDATE')"
            ).fetchone()
            return "may write" if row == (True,) else "reads"
    except psycopg.OperationalError:
        return "refused"


def _slow(platform: Sandbox, path: str) -> bool:
    begun = time.monotonic()
    assert _api(platform, "eu", path)[0] == 200
    return time.monotonic() - begun > 0.02


_VISIBLE: dict[str, Callable[[Sandbox], bool]] = {
    "api-down-eu": lambda p: (_api(p, "eu", "/health")[0], _api(p, "us", "/health")[0]) == (0, 200),
    "api-down-everywhere": lambda p: _api(p, "us", "/health")[0] == 0,
    "postgres-down": lambda p: _api(p, "eu", "/health/db")[0] == 503,
    "standby-down": lambda p: _process(p, "postgres-standby").startswith("ended"),
    "redis-down": lambda p: _api(p, "us", "/health/redis")[0] == 503,
    "redis-slow": lambda p: _api(p, "eu", "/health/redis")[1]["latency_ms"] > 20,
    "wrong-version": lambda p: _api(p, "us", "/health")[1]["version"] == "1.1.9",
    "old-version-in-one-region": lambda p: (
        [_api(p, region, "/health")[1]["version"] for region in ("eu", "us")] == ["1.1.0", "1.2.0"]
    ),
    "vendor-down": lambda p: (
        _answer(p.ask({"do": "status"})["urls"]["vendors"] + "/stripe/status")[0] == 503
    ),
    "health-slow": lambda p: _api(p, "eu", "/health/db")[1]["latency_ms"] > 50,
    "expired-credential": lambda p: _gate_login(p) == "refused",
    "gate-can-write": lambda p: _gate_login(p) == "may write",
    "gate-without-network": lambda p: (
        (_prometheus(p), _api(p, "us", "/health")[0], _gate_login(p)) == (0, 0, "refused")
    ),
    "prometheus-down": lambda p: _prometheus(p) == 0,
    "prometheus-slow": lambda p: _prometheus(p) == 0,
    "too-little-traffic": lambda p: (_runtime(p) / "traffic-cap.json").exists(),
}


def _process(platform: Sandbox, name: str) -> str:
    rows = platform.ask({"do": "status"})["processes"]
    return next(str(row["state"]) for row in rows if row["name"] == name)


def _runtime(platform: Sandbox) -> Path:
    record = platform.state.running()
    assert record is not None
    return record.runtime


def _fault(platform: Sandbox, action: str, name: str) -> bool:
    return bool(platform.ask({"do": "fault", "action": action, "name": name})["changed"])


@pytest.mark.parametrize("name", _VISIBLE)
def test_a_fault_shows_while_it_is_applied_and_only_then(
    whole_platform: Sandbox, name: str
) -> None:
    visible = _VISIBLE[name]
    assert not visible(whole_platform)
    assert _fault(whole_platform, "apply", name)
    assert visible(whole_platform)
    assert _fault(whole_platform, "revert", name)
    assert not visible(whole_platform)


def test_a_fault_is_applied_and_reverted_at_most_once(whole_platform: Sandbox) -> None:
    assert _fault(whole_platform, "apply", "wrong-version")
    assert not _fault(whole_platform, "apply", "wrong-version")
    assert _fault(whole_platform, "revert", "wrong-version")
    assert not _fault(whole_platform, "revert", "wrong-version")


def test_a_part_is_whole_again_when_the_last_fault_that_holds_it_is_gone(
    whole_platform: Sandbox,
) -> None:
    for name in ("gate-without-network", "old-version-in-one-region"):
        _fault(whole_platform, "apply", name)
    _fault(whole_platform, "revert", "gate-without-network")
    assert _api(whole_platform, "eu", "/health")[1]["version"] == "1.1.0"
    _fault(whole_platform, "revert", "old-version-in-one-region")
    assert _api(whole_platform, "eu", "/health")[1]["version"] == "1.2.0"


def test_switches_of_two_faults_are_in_force_together(whole_platform: Sandbox) -> None:
    for name in ("wrong-version", "health-slow"):
        _fault(whole_platform, "apply", name)
    assert _api(whole_platform, "eu", "/health")[1]["version"] == "1.1.9"
    assert _api(whole_platform, "eu", "/health/db")[1]["latency_ms"] > 50


def test_a_fault_is_a_release_that_went_live_with_it(whole_platform: Sandbox) -> None:
    before = whole_platform.environment().traffic.switched_at
    _fault(whole_platform, "apply", "wrong-version")
    applied = whole_platform.environment().traffic.switched_at
    _fault(whole_platform, "revert", "wrong-version")
    reverted = whole_platform.environment().traffic.switched_at
    assert before is not None
    assert applied is not None
    assert reverted is not None
    assert before < applied < reverted


def test_an_unknown_fault_is_a_mistake_in_the_command(platform: Sandbox) -> None:
    assert platform.run("fault", "apply", "meteor").returncode == 64


def test_a_fault_stays_noted_until_its_revert_succeeds(whole_platform: Sandbox) -> None:
    whole_platform.ask({"do": "stop", "process": "redis"})
    with pytest.raises(SandboxError, match="Redis did not take the order"):
        _fault(whole_platform, "apply", "redis-out-of-memory")
    assert whole_platform.ask({"do": "status"})["faults"] == ["redis-out-of-memory"]
    whole_platform.ask({"do": "start", "process": "redis"})
    assert _fault(whole_platform, "revert", "redis-out-of-memory")
    assert whole_platform.ask({"do": "status"})["faults"] == []


@pytest.mark.parametrize("fault", catalogue.load(), ids=lambda fault: fault.name)
def test_a_fault_can_be_applied_and_its_expectations_name_known_checks_once(
    fault: catalogue.Fault,
) -> None:
    assert bound(fault.does, None)
    named = [*fault.fail, *fault.inconclusive, *fault.error]
    assert set(named) <= _KNOWN_CHECKS
    assert len(named) == len(set(named))


def test_every_check_is_turned_red_by_some_fault() -> None:
    failing = {check for fault in catalogue.load() for check in fault.fail}
    assert failing == _KNOWN_CHECKS


def test_an_unknown_name_is_told_apart_from_a_failure(platform: Sandbox) -> None:
    with pytest.raises(UnknownNameError):
        _fault(platform, "apply", "meteor")
