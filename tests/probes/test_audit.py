"""The audit log; and pages of other APIs that are cut short, which decide nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr

from probes import audit, grafana, pagerduty
from probes.audit import AuditTarget, Entries, Query
from probes.http import HttpTarget
from probes.observation import Deadline, FailureKind, Observation
from tests.probes.servers import brought, failed, reading
from tests.steps.audit_server import TOKEN, AuditServer, audit_server
from tests.steps.moody import moody, saying

HOUR_AGO = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)


@pytest.fixture
def server() -> Iterator[AuditServer]:
    with audit_server() as serving:
        yield serving


def read(url: str, token: str = TOKEN) -> Observation[Entries]:
    target = AuditTarget(url, "/v1/audit", SecretStr(token))
    return audit.entries(target, Query(HOUR_AGO, "flag.changed"), deadline=Deadline.after(5))


def test_all_pages_are_read(server: AuditServer) -> None:
    server.page = 2
    for number in range(5):
        server.add(target=f"k{number}", old="true", new="false")
    found = brought(read(server.url))
    assert [entry.target for entry in found.entries] == ["k0", "k1", "k2", "k3", "k4"]
    assert found.pages == 3
    first = found.entries[0]
    assert (first.actor, first.old, first.new) == ("ops", "true", "false")
    assert first.at.tzinfo is not None


def test_an_entry_that_comes_twice_is_one(server: AuditServer) -> None:
    server.add(target="k", old="true", new="false")
    server.entries *= 2  # delivered at least once, or on two pages that overlap
    server.add(target="k", old="true", new="false")
    assert [entry.id for entry in brought(read(server.url)).entries] == ["1", "3"]


def test_evidence_holds_counts_alone(server: AuditServer) -> None:
    server.add(actor="jane.doe@example.org", old="secret-old")
    observed = read(server.url)
    assert observed.record()["facts"] == {"entries": 1, "pages": 1}
    for private in ("jane", "Jane", "secret-old", TOKEN):
        assert private not in repr(observed)


def test_a_log_without_end_is_a_failure(server: AuditServer) -> None:
    server.page = 1
    for _ in range(25):
        server.add()
    failed(read(server.url), FailureKind.UNUSABLE_ANSWER)


def test_a_wrong_token_is_a_failure(server: AuditServer) -> None:
    failed(read(server.url, "x"), FailureKind.CREDENTIAL_REFUSED)


GOOD = {"id": "1", "at": "2026-01-31T22:00:00Z", "actor": "ops", "action": "flag.changed"}
STRANGE: dict[str, object] = {
    "no list": {"entries": {}},
    "an entry that is not an object": {"entries": ["x"]},
    "an entry without an id": {"entries": [{**GOOD, "id": None}]},
    "an entry without an action": {"entries": [{**GOOD, "action": ""}]},
    "a time that is none": {"entries": [{**GOOD, "at": "yesterday"}]},
    "a time without its zone": {"entries": [{**GOOD, "at": "2026-01-31T22:00:00"}]},
    "a value that is not text": {"entries": [{**GOOD, "new": True}]},
    "a next page that is a number": {"entries": [], "next": 2},
    "the least that an entry may hold": {"entries": [GOOD]},
}


def test_an_answer_of_another_kind_decides_nothing(
    server: AuditServer, said: Callable[..., None]
) -> None:
    found = {}
    for name, server.body in STRANGE.items():
        found[name] = reading(read(server.url))
    said(found)


def test_five_thousand_dashboards_are_not_all_of_them() -> None:
    hits = [{"uid": f"u{n}", "title": "other"} for n in range(5000)]
    with moody(saying(hits)) as server:
        seen = grafana.find(HttpTarget(server.url), "Release", deadline=Deadline.after(10))
    failed(seen, FailureKind.UNUSABLE_ANSWER)


def test_a_page_without_a_person_does_not_say_that_nobody_is_on_call() -> None:
    entries = {"oncalls": [{"user": None}], "more": True}
    with moody(saying({**entries, "more": False}), saying(entries)) as server:
        target = pagerduty.target(server.url, SecretStr("token"))
        cut = pagerduty.answering(target, "P1", deadline=Deadline.after(10))
        whole = pagerduty.answering(target, "P1", deadline=Deadline.after(10))
    failed(cut, FailureKind.UNUSABLE_ANSWER)
    assert brought(whole).people == 0
