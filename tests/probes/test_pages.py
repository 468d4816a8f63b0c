"""A page that is cut short decides nothing, whichever system answers it."""

from __future__ import annotations

from pydantic import SecretStr

from probes import grafana, pagerduty
from probes.http import HttpTarget
from probes.observation import Deadline, FailureKind
from tests.probes.servers import brought, failed
from tests.steps.moody import moody, saying


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
