"""DNS records: what every authoritative server says of them, and what the world's caches do."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import probes
from checks.check import Check
from checks.failures import failure_of, instrument_error
from checks.platform import NotDescribedError, Platform
from checks.settling import Ended, Progress, Settled, settle_seconds, settled
from checks.zone import (
    Asked,
    Zone,
    all_silent,
    question,
    says,
    serials,
    some_silent,
    wanted,
)
from environments.sections.dns import DnsRecord, NameServer
from gates.decide.judgement import Judgement, harmless
from gates.decide.measured import same_set, within
from gates.decide.outcome import Outcome
from probes.observation import Observation

Accepted = Callable[[DnsRecord], Sequence[Sequence[str]]]
"""Which sets of values are right for a record."""

_NAME = re.compile(r"[A-Za-z0-9_.*: -]{1,255}")
_RCODES = {
    "NXDOMAIN": "says that there is no such name",
    "SERVFAIL": "fails to answer (SERVFAIL)",
    "REFUSED": "refuses to answer (REFUSED)",
}
_HAS_ANSWERED = frozenset({"NOERROR", "NXDOMAIN"})


class Names:
    """The zone of one platform, as one check looks at it; all regions share it."""

    def __init__(self, platform: Platform, check: Check) -> None:
        """Raise NotDescribedError where the environment says nothing of its zone."""
        self._platform = platform
        self._check = check
        self._zone = Zone.of(platform)

    def published(self) -> None:
        """Judge that every authoritative server says what the release wants."""
        self._judge_authoritative(lambda record: (record.values,))

    def published_before(self) -> None:
        """Judge the same while the release may not be deployed: what it will replace is right too."""
        self._judge_authoritative(lambda record: record.accepted_before)

    def propagated(self) -> None:
        """Judge that every resolver says what the release wants, waiting for what is on its way."""
        section = self._zone.section
        if not section.resolvers:
            raise NotDescribedError("the environment lacks dns.resolvers; add two or more")
        source = self._zone.ask(section.authoritative)
        waiting = [one for one in section.records if _may_arrive(source, one)]
        last = settled(
            self._platform,
            lambda: self._zone.ask(section.resolvers),
            lambda asked: _moving(on=any(_is_old(asked, one) for one in waiting)),
            settle_seconds(self._platform, self._platform.policy.dns.propagation),
        )
        self._observe({**source, **last.value})
        for record in section.records:
            if record in waiting:
                self._judge_resolvers(record, last)
            else:
                self._check.judge_everywhere(_unpublished(record))

    def _judge_authoritative(self, accepted: Accepted) -> None:
        section = self._zone.section
        last = settled(
            self._platform,
            lambda: self._zone.ask(section.authoritative),
            lambda asked: _moving(on=some_silent(asked) or len(serials(asked)) > 1),
            self._platform.confirm_seconds,
        )
        self._observe(last.value)
        if all_silent(last.value) and not self._a_resolver_answers():
            self._check.judge_everywhere(_no_network(section.zone))
            return
        for server in section.authoritative:
            self._judge_server(server, accepted, last)
        self._check.judge_everywhere(*_same_serial(section.zone, last.value))

    def _a_resolver_answers(self) -> bool:
        asked = self._zone.ask(self._zone.section.resolvers)
        self._observe(asked)
        return not all_silent(asked)

    def _judge_server(self, server: NameServer, accepted: Accepted, last: Settled[Asked]) -> None:
        mine = {one: seen for (name, one), seen in last.value.items() if name == server.name}
        if all(seen.failure is not None for seen in mine.values()):
            seen = next(iter(mine.values()))
            self._check.judge_everywhere(_away(f"{server.name} ({server.host})", seen, last))
            return
        for record in self._zone.section.records:
            subject = f"{question(record)} at {server.name}"
            seen = mine[question(record)]
            if seen.value is None:
                self._check.judge_everywhere(_away(subject, seen, last))
            else:
                found = self._of_authority(subject, record, seen.value, accepted(record))
                self._check.judge_everywhere(*found)

    def _of_authority(
        self,
        subject: str,
        record: DnsRecord,
        answer: probes.dns.DnsAnswer,
        accepted: Sequence[Sequence[str]],
    ) -> list[Judgement]:
        if answer.rcode not in _HAS_ANSWERED:
            return [_wrong(subject, _said(answer.rcode), answer.rcode)]
        if not answer.authoritative:
            sentence = (
                "answers without authority: the zone is delegated to it, and it does not have it"
            )
            return [_wrong(subject, sentence, "no authority")]
        found = [_values(subject, record, answer, accepted)]
        if answer.ttl_seconds is not None:
            policy = self._platform.policy.dns
            high = record.max_ttl or policy.max_ttl
            bounds = (min(policy.min_ttl, high), high)
            found.append(within(f"TTL of {subject}", answer.ttl_seconds, bounds, "s"))
        return found

    def _judge_resolvers(self, record: DnsRecord, last: Settled[Asked]) -> None:
        servers = self._zone.section.resolvers
        seen = {one.name: last.value[one.name, question(record)] for one in servers}
        answers = [one.value for one in seen.values() if one.value is not None]
        everywhere = bool(answers) and all(one.rcode == "SERVFAIL" for one in answers)
        for name, observation in seen.items():
            subject = f"{question(record)} at resolver {name}"
            answer = observation.value
            if answer is None:
                found = instrument_error(subject, failure_of(observation))
            elif answer.rcode in _HAS_ANSWERED or everywhere:
                found = _arrived(subject, record, answer, last)
            else:
                found = _no_help(subject, answer.rcode)
            self._check.judge_everywhere(found)

    def _observe(self, asked: Asked) -> None:
        for observation in asked.values():
            self._check.observe_everywhere(observation)


def _moving(*, on: bool) -> Progress:
    return Progress.MOVING if on else Progress.DONE


def _may_arrive(source: Asked, record: DnsRecord) -> bool:
    """Return whether some authoritative server has the values, or none can be asked from here."""
    answers = [seen.value for (_, one), seen in source.items() if one == question(record)]
    return all(one is None for one in answers) or any(
        says(one, record, record.values) for one in answers if one is not None
    )


def _is_old(asked: Asked, record: DnsRecord) -> bool:
    """Return whether some resolver answers something else; one that does not answer is not waited for."""
    answers = [seen.value for (_, one), seen in asked.items() if one == question(record)]
    return any(
        one is not None and one.rcode != "REFUSED" and not says(one, record, record.values)
        for one in answers
    )


def _values(
    subject: str,
    record: DnsRecord,
    answer: probes.dns.DnsAnswer,
    accepted: Sequence[Sequence[str]],
) -> Judgement:
    observed = [_shown(value) for value in answer.values]
    return same_set(subject, observed, [wanted(record, values) for values in accepted])


def _arrived(
    subject: str, record: DnsRecord, answer: probes.dns.DnsAnswer, last: Settled[Asked]
) -> Judgement:
    if says(answer, record, record.values):
        return _values(subject, record, answer, [record.values])
    found = ", ".join(map(_shown, answer.values)) or _said(answer.rcode)
    target = ", ".join(sorted(wanted(record, record.values)))
    undecided = last.ended is Ended.RUN_ENDED
    ttl = (
        "" if answer.ttl_seconds is None else f"; it may keep that for {answer.ttl_seconds} s more"
    )
    end = "; the run's deadline came before its time was up" if undecided else ttl
    return Judgement(
        outcome=Outcome.INCONCLUSIVE if undecided else Outcome.FAIL,
        rule="propagated",
        subject=subject,
        sentence=f"{subject} is still {found}{last.waited}, wanted {target}{end}",
        observed=found,
        target=target,
        clears=f"{subject} being {target}: its cache run out or flushed",
    )


def _unpublished(record: DnsRecord) -> Judgement:
    target = ", ".join(sorted(wanted(record, record.values)))
    return _wrong(
        str(question(record)),
        f"cannot arrive anywhere: no authoritative server has {target}; update the zone first",
        "not published",
    )


def _away(subject: str, seen: Observation[probes.dns.DnsAnswer], last: Settled[Asked]) -> Judgement:
    failure = failure_of(seen)
    undecided = last.ended is Ended.RUN_ENDED
    end = "the run's deadline came before that could be confirmed"
    others = "while other servers answer; what is left of the zone has one server less"
    return Judgement(
        outcome=Outcome.INCONCLUSIVE if undecided else Outcome.FAIL,
        rule="authoritative server",
        subject=subject,
        sentence=f"{subject}: {failure.kind.value}{last.waited}; {end if undecided else others}",
        observed=failure.kind.value,
        target="an answer",
        clears=f"{subject} answering",
    )


def _no_network(zone: str) -> Judgement:
    return Judgement(
        outcome=Outcome.ERROR,
        rule="instrument",
        subject=f"servers of {zone}",
        sentence=(
            f"No DNS server answers the gate, neither one of {zone} nor a resolver: it may not send "
            "to port 53 from here; no verdict about the zone"
        ),
        observed="no answer",
        clears="a gate that may ask DNS servers (UDP and TCP, port 53)",
    )


def _same_serial(zone: str, asked: Asked) -> list[Judgement]:
    found = serials(asked)
    subject = f"serial of {zone}"
    if not found:
        return [_wrong(subject, "is told by no server", "none")]
    listed = "; ".join(f"{harmless(serial)} at {', '.join(at)}" for serial, at in found.items())
    same = len(found) == 1
    wrong = f"{subject} differs: {listed}. Visitors of the older one get an older zone"
    return [
        Judgement(
            outcome=Outcome.PASS if same else Outcome.FAIL,
            rule="same serial",
            subject=subject,
            sentence=f"{subject} is {listed}" if same else wrong,
            observed=listed,
            target="the same everywhere",
            clears="" if same else "the zone transferred to every authoritative server",
        )
    ]


def _no_help(subject: str, rcode: str) -> Judgement:
    return Judgement(
        outcome=Outcome.ERROR,
        rule="instrument",
        subject=subject,
        sentence=f"{subject} {_said(rcode)}; it tells nothing about the record",
        observed=rcode,
        clears=f"{subject} answering the gate",
    )


def _wrong(subject: str, sentence: str, observed: str) -> Judgement:
    return Judgement(
        outcome=Outcome.FAIL,
        rule="answers",
        subject=subject,
        sentence=f"{subject} {sentence}",
        observed=observed,
        clears=f"{subject} answered as described",
    )


def _said(rcode: str) -> str:
    return _RCODES.get(rcode, f"answers {harmless(rcode)}" if rcode != "NOERROR" else "nothing")


def _shown(value: str) -> str:
    """Return a record's value as evidence may show it: a host or number, not any text."""
    return value if _NAME.fullmatch(value) else f"<text of {len(value)} characters>"
