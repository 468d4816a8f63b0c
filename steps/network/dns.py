"""DNS records: what every authoritative server says of them, and what the world's caches do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import probes
from gates.decide.judgement import Judgement
from probes.observation import Failure, Observation
from settings.network import DnsRecord, NameServer
from steps.kit.check import Check
from steps.kit.failures import failure_of, instrument_error
from steps.kit.platform import NotDescribedError, Platform
from steps.kit.settling import Progress, Settled, settle_seconds, settled
from steps.network.dns_rules import (
    arrived,
    away,
    has_values,
    no_help,
    no_network,
    said,
    same_serial,
    undescribed,
    unpublished,
    wrong,
)
from steps.network.rules import within
from steps.network.zone import (
    Asked,
    Question,
    Zone,
    all_silent,
    differing,
    question,
    says,
    some_silent,
    values_of,
    wanted,
)

Accepted = Callable[[DnsRecord], Sequence[Sequence[str]]]
"""Which sets of values are right for a record."""

Answers = Mapping[Question, Observation["probes.dns.DnsAnswer"]]
"""Of one server."""

_FEWEST_RESOLVERS = 2
"""One cache says nothing of the world's others."""
_HAS_ANSWERED = frozenset({"NOERROR", "NXDOMAIN"})


class Names:
    """The zone of one platform, as one check looks at it; all regions share it."""

    def __init__(self, platform: Platform, check: Check) -> None:
        """Raise NotDescribedError where the environment says nothing of its zone, or a value wrongly."""
        self._platform = platform
        self._check = check
        self._zone = Zone.of(platform)
        for record in self._zone.section.records:
            for values in record.accepted_before:
                wanted(record, values)

    def published(self) -> None:
        """Judge that every authoritative server says what the release wants."""
        self._judge_authoritative(lambda record: (record.values,))

    def published_before(self) -> None:
        """Judge the same while the release may not be deployed: what it will replace is right too."""
        self._judge_authoritative(lambda record: record.accepted_before)

    def propagated(self) -> None:
        """Judge that every resolver says what the release wants, waiting for what is on its way."""
        section = self._zone.section
        if len(section.resolvers) < _FEWEST_RESOLVERS:
            raise NotDescribedError("the environment lacks dns.resolvers; add two or more")
        source = self._zone.ask(section.authoritative)
        waiting = [one for one in section.records if _may_arrive(source, one)]
        last = settled(
            self._platform,
            lambda: self._zone.ask(section.resolvers),
            lambda asked: _moving(
                on=some_silent(asked) or any(_is_old(asked, one) for one in waiting)
            ),
            settle_seconds(self._platform, self._platform.policy.dns.propagation),
        )
        self._observe({**source, **last.value})
        for record in section.records:
            if record not in waiting:
                self._check.judge_everywhere(unpublished(record))
        broken = _all_broken(last.value)
        for server in section.resolvers:
            self._judge_resolver(server, waiting, last, broken=broken)

    def _judge_authoritative(self, accepted: Accepted) -> None:
        section = self._zone.section
        last = settled(
            self._platform,
            lambda: self._zone.ask(section.authoritative, self._zone.delegation),
            lambda asked: _moving(on=some_silent(asked) or differing(asked)),
            self._platform.confirm_seconds,
        )
        self._observe(last.value)
        if all_silent(last.value) and not self._a_resolver_answers():
            self._check.judge_everywhere(no_network(section.zone))
            return
        for server in section.authoritative:
            self._judge_server(server, accepted, last)
        self._check.judge_everywhere(*same_serial(section.zone, last.value))
        named = values_of(last.value, self._zone.delegation)
        if len(named) > len(section.authoritative):
            self._check.judge_everywhere(undescribed(section, named))

    def _a_resolver_answers(self) -> bool:
        asked = self._zone.ask(self._zone.section.resolvers)
        self._observe(asked)
        return not all_silent(asked)

    def _judge_server(self, server: NameServer, accepted: Accepted, last: Settled[Asked]) -> None:
        mine = _of_server(last.value, server)
        silent, refused = _all_failed(mine), _all_refused(mine)
        if silent is not None:
            self._check.judge_everywhere(away(f"{server.name} ({server.host})", silent, last))
            return
        if refused is not None:
            zone = f"{self._zone.section.zone} at {server.name}"
            self._check.judge_everywhere(wrong(zone, said(refused), refused))
            return
        for record in self._zone.section.records:
            subject = f"{question(record)} at {server.name}"
            seen = mine[question(record)]
            if seen.value is None:
                self._check.judge_everywhere(away(subject, failure_of(seen), last))
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
            return [wrong(subject, said(answer.rcode), answer.rcode)]
        if not answer.authoritative:
            sentence = (
                "answers without authority: the zone is delegated to it, and it does not have it"
            )
            return [wrong(subject, sentence, "no authority")]
        found = [has_values(subject, record, answer, accepted)]
        if answer.ttl_seconds is not None:
            policy = self._platform.policy.dns
            high = record.max_ttl or policy.max_ttl
            bounds = (min(policy.min_ttl, high), high)
            found.append(within(f"TTL of {subject}", answer.ttl_seconds, bounds, "s"))
        return found

    def _judge_resolver(
        self,
        server: NameServer,
        records: Sequence[DnsRecord],
        last: Settled[Asked],
        *,
        broken: bool,
    ) -> None:
        mine = _of_server(last.value, server)
        silent = _all_failed(mine)
        if silent is not None:
            self._check.judge_everywhere(instrument_error(f"resolver {server.name}", silent))
            return
        for record in records:
            subject = f"{question(record)} at resolver {server.name}"
            seen = mine[question(record)]
            if seen.value is None:
                found = instrument_error(subject, failure_of(seen))
            elif seen.value.rcode in _HAS_ANSWERED or broken:
                found = arrived(subject, record, seen.value, last)
            else:
                found = no_help(subject, seen.value.rcode)
            self._check.judge_everywhere(found)

    def _observe(self, asked: Asked) -> None:
        for observation in asked.values():
            self._check.observe_everywhere(observation)


def _of_server(asked: Asked, server: NameServer) -> Answers:
    return {one: seen for (name, one), seen in asked.items() if name == server.name}


def _all_failed(answers: Answers) -> Failure | None:
    """Return why a server is silent, where it answered nothing at all."""
    silent = all(seen.failure is not None for seen in answers.values())
    return failure_of(next(iter(answers.values()))) if silent else None


def _all_refused(answers: Answers) -> str | None:
    """Return with what a server turns every question away, where it does."""
    rcodes = {seen.value.rcode for seen in answers.values() if seen.value is not None}
    only = rcodes.pop() if len(rcodes) == 1 else "NOERROR"
    return None if only in _HAS_ANSWERED else only


def _all_broken(asked: Asked) -> bool:
    """Return whether every resolver that answers says SERVFAIL: then it is the zone that is broken."""
    rcodes = {seen.value.rcode for seen in asked.values() if seen.value is not None}
    return rcodes == {"SERVFAIL"}


def _moving(*, on: bool) -> Progress:
    return Progress.MOVING if on else Progress.DONE


def _may_arrive(source: Asked, record: DnsRecord) -> bool:
    """Return whether some authoritative server has the values, or none can be asked from here."""
    answers = [seen.value for (_, one), seen in source.items() if one == question(record)]
    return all(one is None for one in answers) or any(
        says(one, record, record.values) for one in answers if one is not None
    )


def _is_old(asked: Asked, record: DnsRecord) -> bool:
    """Return whether some resolver answers something else."""
    answers = [seen.value for (_, one), seen in asked.items() if one == question(record)]
    return any(
        one is not None and one.rcode != "REFUSED" and not says(one, record, record.values)
        for one in answers
    )
