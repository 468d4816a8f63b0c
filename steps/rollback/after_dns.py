"""After a rollback of DNS records: the zone's servers as the baseline had them, and who is reached there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from gates.decide.judgement import Judgement, equals
from probes import http
from probes.http import HttpAnswer
from settings.network import DnsRecord
from steps.cluster.clusters import Clusters
from steps.cluster.sentences import live_keeps_endpoints
from steps.kit.asked import Asked
from steps.kit.availability import usable
from steps.kit.baseline import Before, before
from steps.kit.expect import expect, nothing_to_judge
from steps.kit.run import Run
from steps.kit.sentence import then, when
from steps.network.names import certificates_good
from steps.network.reading import Zone
from steps.network.rules import question, wanted

_OK = 200


@when("the zone's servers are asked for the records of before the release", target_fixture="zone")
def zone_before(asked: Asked) -> Zone:
    """Return the zone with the baseline's values in place of the release's; judges what has none."""
    zone = Zone.of(asked.platform)
    known = next(iter(before(asked.platform, asked.check, "DNS records").values()), None)
    reverted = [_reverted(record, known) for record in zone.section.records if known is not None]
    asked.judge(*(one for one in reverted if isinstance(one, Judgement)))
    records = tuple(one for one in reverted if isinstance(one, DnsRecord))
    return dataclasses.replace(zone, section=zone.section.model_copy(update={"records": records}))


def _reverted(record: DnsRecord, known: Before) -> DnsRecord | Judgement:
    """Return a record as it has to be again; what the baseline can't tell of it is left open."""
    fact: Mapping[str, Any] = known.facts.get(str(question(record)), {})
    values: Sequence[str] = fact.get("values", ())
    if record.type == "TXT":
        # A baseline keeps no text: the environment alone says what it was.
        values = record.values if record.before is None else record.before
    subject, why = str(question(record)), ""
    if not values:
        why = f"does not hold what {subject} was"
    elif record.before is not None and set(values) == set(wanted(record, record.values)):
        why = f"has the release's own values of {subject}: it was taken too late"
    if why:
        clears = "a person's word on what it was"
        return expect(None, subject, f"{known.baseline} {why}", clears, rule="baseline")
    return record.model_copy(update={"values": tuple(values), "before": None})


@then("the traffic of every region arrives at ready pods")
def arrives(run: Run, asked: Asked) -> None:
    """Judge that behind each region's Service are enough ready pods, whichever version has the traffic."""
    if asked.platform.environment.settings.kubernetes is None:
        asked.judge(nothing_to_judge("endpoints", "the environment describes no cluster"))
        return
    live_keeps_endpoints(run.shared(Clusters.of), asked)


@then("every service of every region answers")
def every_service_answers(run: Run, asked: Asked) -> None:
    """Judge each service by its health endpoints, or, without any, by any answer that is its own."""

    def judge(here: Asked) -> None:
        for name in here.platform.environment.settings.regions[here.region].services:
            here.each((name,), lambda service: _answers(run, here, service))

    asked.in_each_region(judge)


def _answers(run: Run, here: Asked, service: str) -> None:
    platform = here.platform
    described = platform.environment.settings.services.get(service)
    outside = platform.environment.settings.external
    paths = [
        endpoint.path
        for name, endpoint in (described.health if described else {}).items()
        # What vendors are well or not is no finding about the rollback.
        if outside is None or (outside.service, outside.endpoint) != (service, name)
    ]
    here.each(paths or ["/"], lambda path: _answers_at(run, here, service, path, own=bool(paths)))


def _answers_at(run: Run, here: Asked, service: str, path: str, *, own: bool) -> None:
    """Judge one path; `own`: it is a health endpoint, which has to answer with 200."""
    platform = here.platform
    target, subject = platform.service(here.region, service), f"{service} {path}"

    def judged(answer: HttpAnswer) -> list[Judgement]:
        refused = [*usable(subject, answer)]
        status = [equals(f"{subject} status", answer.status, _OK)] if own else []
        return refused or status

    answer = run.availability.read(
        here,
        service,
        subject,
        lambda: http.request(target, "GET", path, deadline=platform.call_deadline()),
        judged,
    )
    if not own:
        here.judge(expect(True, subject, f"{subject} answers with status {answer.status}"))


@then("every host is served under its own name in every region")
def served_under_its_name(run: Run, asked: Asked) -> None:
    section = asked.platform.environment.settings.certificates
    if section is None:
        asked.judge(nothing_to_judge("names", "the environment names no hosts under certificates"))
        return
    certificates_good(run, asked, section)
