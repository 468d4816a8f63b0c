"""What the rules say, word for word and figure for figure, in said.json beside this file.

`.venv/bin/python -m tests.gates.decide.test_said` writes it anew after a change that is meant: read its diff.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from gates.decide.judgement import Judgement
from gates.decide.release import Release
from probes import tls
from probes.dns import DnsAnswer
from probes.observation import Failure, FailureKind, Observation
from settings.data import CountRule
from settings.network import CertificatePolicy, Dns, DnsRecord
from steps.data.rules import Band, Count, moved, nulls_moved
from steps.kit.evidence import AgeLimit, judge_identity
from steps.kit.settling import Ended, Settled
from steps.network import rules as dns_rules
from steps.network.rules import Answers, Question, at_least, same_set, within
from tests.gates.decide import (
    test_bursts,
    test_catalogue,
    test_history,
    test_judgement,
    test_objective,
    test_quantile,
    test_schedule,
    test_scope,
    test_tally,
)
from tests.golden import plainly
from tests.settings import said as policies
from tests.steps.data import said as data
from tests.steps.flags import said as flags
from tests.steps.kit import test_evidence
from tests.steps.monitoring import said as monitoring
from tests.steps.people import said as people
from tests.steps.service import said as services

FILE = pathlib.Path(__file__).with_name("said.json")
SAID = json.loads(FILE.read_text(encoding="utf-8"))


def ages() -> list[Judgement]:
    made = ("21:00:00", "20:59:59", "22:05:00", "22:05:01")
    release = Release.parse("1.2.0")
    found = [
        one
        for at in made
        for one in judge_identity(
            "it",
            test_evidence.evidence(created_at=f"2026-01-31T{at}+00:00"),
            "image-build",
            release,
            age=test_evidence.LIMIT,
        )
    ]
    old = AgeLimit(now=test_evidence.NOW, max_seconds=2 * 86400)
    stale = test_evidence.evidence(created_at="2026-01-28T22:00:00+00:00")
    return [*found, *judge_identity("it", stale, "image-build", release, age=old)]


def counts() -> list[Judgement]:
    rule = CountRule.model_validate({"fewer": "10%", "more": "20%", "more_rows": 5})
    before = Count(1000)
    read = [Count(rows) for rows in (1000, 900, 899, 1205, 1206)]
    read += [Count(rows, 50, exact=False) for rows in (1000, 850, 800, 700, 1305, 1306)]
    return [
        *(
            moved("visits", before, now, Band.around(before, now, rule, 0.05), "the baseline")
            for now in read
        ),
        *(nulls_moved("visits.day", 10, now, 1000, 0.01) for now in (20, 21, 1021)),
    ]


def network_rules() -> list[Judgement]:
    return [
        same_set("zone", ["b", "a"], [["a"], ["a", "b"]]),
        same_set("zone", [], [["a"], ["b", "a"]]),
        at_least("keys", 5, 5, "days"),
        at_least("keys", 3.5, 5, "days"),
        at_least("days left", 29.99999, 30, "days"),
        *(within("ttl", seconds, (60, 300), "s") for seconds in (60, 300, 301, 59)),
    ]


def names() -> Iterator[Judgement]:
    name = "api.clinic.example"
    record = DnsRecord.model_validate(
        {"name": name, "type": "A", "values": ["192.0.2.9", "192.0.2.8"]}
    )
    zone = Dns.model_validate(
        {
            "zone": "clinic.example",
            "authoritative": [{"name": "ns1", "host": "192.0.2.1"}],
            "records": [{"name": name, "type": "A", "values": ["192.0.2.9"]}],
        }
    )
    nothing: Answers = {}
    for ended in (Ended.TIME_UP, Ended.RUN_ENDED):
        last = Settled(nothing, ended, 7.0)
        for values, rcode in ((("192.0.2.1", "192.0.2.2"), "NOERROR"), ((), "NXDOMAIN")):
            answer = DnsAnswer(rcode, values, 60, authoritative=True)
            yield dns_rules.arrived(name, record, answer, last)
        for kind in (FailureKind.TIMEOUT, FailureKind.NO_ROUTE):
            yield dns_rules.away("ns1", Failure(kind, "It does not answer."), last)
    silent = DnsAnswer("NXDOMAIN", (), None, authoritative=True)
    yield dns_rules.arrived(name, record, silent, Settled(nothing, Ended.TIME_UP, 7.0))
    right = DnsAnswer("NOERROR", ("192.0.2.8", "192.0.2.9"), 60, authoritative=True)
    yield dns_rules.arrived(name, record, right, Settled(nothing, Ended.DONE, 0.0))
    yield dns_rules.unpublished(record)
    yield dns_rules.undescribed(zone, ["ns2.clinic.example", "ns1.clinic.example"])
    yield dns_rules.no_network("clinic.example")
    yield from (dns_rules.no_help("a resolver", code) for code in ("REFUSED", "SERVFAIL"))
    for second in ("8", "7"):
        yield from dns_rules.same_serial("clinic.example", serials("7", second))
    yield from dns_rules.same_serial("clinic.example", nothing)


def certificates() -> Iterator[Judgement]:
    host = "api.clinic.example"
    until = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
    good = tls.Handshake(host, None, "TLSv1.2", 90.0, until, (host, "clinic.example"), "f1", "k1")
    changes: tuple[dict[str, Any], ...] = (
        *({}, {"days_left": 30.0}, {"days_left": 29.5}, {"protocol": "TLSv1.1"}),
        {"days_left": 29.5, "intermediate_first": True, "protocol": "TLSv1.3"},
        {"days_left": None, "not_after": None, "protocol": None},
        *({"problem": tls.Problem.OTHER_NAME, "names": one} for one in ((), ("a", "b"))),
        {"problem": tls.Problem.OLD_TLS, "fingerprint": "", "days_left": None, "protocol": None},
    )
    wanted = CertificatePolicy(min_protocol="TLSv1.2", min_days_left=30)
    for one in changes:
        yield from dns_rules.handshake(host, dataclasses.replace(good, **one), wanted)
    stricter = CertificatePolicy(min_protocol="TLSv1.3", min_days_left=90)
    yield from dns_rules.handshake(host, good, stricter)
    for nodes in ([good], [good, good], [good, dataclasses.replace(good, key="k2")]):
        yield from dns_rules.nodes_agree(host, nodes)
    yield dns_rules.beyond(host, [tls.TlsNode("2001:db8::1", 443), tls.TlsNode("2001:db8::2", 444)])
    yield dns_rules.seen_from_here_alone("us")


def serials(*of_servers: str) -> Answers:
    return {
        (f"ns{number}", Question("clinic.example", "SOA")): Observation(
            probe="dns",
            target="SOA",
            started_at=test_evidence.NOW,
            elapsed_seconds=0.1,
            phases={},
            value=DnsAnswer("NOERROR", (f"ns1. root. {one} 1 2 3 4",), 60, authoritative=True),
            failure=None,
        )
        for number, one in enumerate(of_servers, 1)
    }


CASES: dict[str, Callable[[], Iterable[Judgement | str]]] = {
    "refused objectives": policies.objectives,
    "refused policies": policies.policies,
    "refused catalogues": lambda: map(test_catalogue.refused, test_catalogue.REFUSED.values()),
    "counts": test_tally.counts_said,
    "refused counts": lambda: map(test_tally.refused, test_tally.REFUSED.values()),
    "what the gates ask": test_scope.gates_said,
    "what was not asked": test_scope.not_asked_said,
    "what a phase lacks": test_history.gaps_said,
    "plain rules": test_judgement.rules_said,
    "rules of the network": network_rules,
    "objectives": test_objective.objectives_said,
    "rollback limits": test_objective.rollbacks_said,
    "bursts": test_bursts.bursts_said,
    "quantiles": test_quantile.quantiles_said,
    "flags": flags.values,
    "the log of flags": flags.logs,
    "the log of a read": flags.reads,
    "routes of alerts": monitoring.routes,
    "alert rules": monitoring.of_rules,
    "alerts and targets": monitoring.of_alerts,
    "scrapes": monitoring.of_scrapes,
    "dashboards": monitoring.of_dashboards,
    "certificates": certificates,
    "contacts": people.contacts,
    "names": names,
    "the time that phases took": test_schedule.spent_said,
    "the time left": test_schedule.left_said,
    "whether the rest fits": test_schedule.fit_said,
    "the age of evidence": ages,
    "counts of rows": counts,
    "backups": data.backups,
    "migrations": data.migrations,
    "the schema": data.schema,
    "rows": data.rows,
    "frozen rows": data.frozen,
    "connections": data.connections,
    "servers": services.servers,
    "vendors": services.vendors,
    "tries": services.tries,
    "FHIR": services.fhir,
    "bodies": services.bodies,
}


def said(case: str) -> list[Any]:
    return [one if isinstance(one, str) else plainly(one.record()) for one in CASES[case]()]


@pytest.mark.parametrize("case", sorted({*CASES, *SAID}))
def test_it_is_said_word_for_word(case: str) -> None:
    assert said(case) == SAID[case]


def page() -> str:
    """Return the file: a line for each thing that is said."""
    parts = []
    for case in CASES:
        lines = ",\n".join(
            f" {json.dumps(one, ensure_ascii=False, allow_nan=False)}" for one in said(case)
        )
        parts.append(f"{json.dumps(case)}: [\n{lines}\n]")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
