"""DNS records at every server and in the world's caches, and certificates as clients meet them."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Mapping, Sequence

import probes
from gates.decide.judgement import Judgement
from probes.observation import Failure, Observation
from settings.network import Certificates, DnsRecord, NameServer
from steps.kit.asked import Asked
from steps.kit.failures import failure_of, instrument_error
from steps.kit.platform import NotDescribedError
from steps.kit.run import Run
from steps.kit.sentence import described, then, when
from steps.kit.settling import Progress, Settled, settle_seconds, settled
from steps.network import reading, rules
from steps.network.reading import Zone
from steps.network.rules import Answers, Question, question

Accepted = Callable[[DnsRecord], Sequence[Sequence[str]]]
"""Which sets of values are right for a record."""
OfServer = Mapping[Question, Observation["probes.dns.DnsAnswer"]]
"""The answers of one server."""

_FEWEST_RESOLVERS = 2
"""One cache says nothing of the world's others."""
_HAS_ANSWERED = frozenset({"NOERROR", "NXDOMAIN"})


@when("the zone's servers are asked", target_fixture="zone")
def zone(asked: Asked) -> Zone:
    found = Zone.of(asked.platform)
    for record in found.section.records:
        for values in record.accepted_before:
            rules.wanted(record, values)  # a mistyped one is told before anybody is asked
    return found


@then("every authoritative server has the wanted records, the same serial and sane TTLs")
def published(asked: Asked, zone: Zone) -> None:
    _judge_authoritative(asked, zone, lambda record: (record.values,))


@then("every authoritative server has the records of before or after the release, and sane TTLs")
def published_before(asked: Asked, zone: Zone) -> None:
    # While the release may not be deployed, what it will replace is right too.
    _judge_authoritative(asked, zone, lambda record: record.accepted_before)


@then("every resolver has the wanted records within the policy's time")
def propagated(asked: Asked, zone: Zone) -> None:
    section = zone.section
    if len(section.resolvers) < _FEWEST_RESOLVERS:
        raise NotDescribedError("the environment lacks dns.resolvers; add two or more")
    source = zone.ask(section.authoritative)
    waiting = [one for one in section.records if _may_arrive(source, one)]
    last = settled(
        asked.platform,
        lambda: zone.ask(section.resolvers),
        lambda found: _moving(
            on=rules.some_silent(found) or any(_is_old(found, one) for one in waiting)
        ),
        settle_seconds(asked.platform, asked.platform.policy.dns.propagation),
    )
    _keep(asked, {**source, **last.value})
    asked.judge(*(rules.unpublished(one) for one in section.records if one not in waiting))
    broken = _all_broken(last.value)
    for server in section.resolvers:
        asked.judge(*_of_resolver(server, waiting, last, broken=broken))


def _judge_authoritative(asked: Asked, zone: Zone, accepted: Accepted) -> None:
    section = zone.section
    last = settled(
        asked.platform,
        lambda: zone.ask(section.authoritative, zone.delegation),
        lambda found: _moving(on=rules.some_silent(found) or rules.differing(found)),
        asked.platform.confirm_seconds,
    )
    _keep(asked, last.value)
    if rules.all_silent(last.value):
        resolved = zone.ask(section.resolvers)
        _keep(asked, resolved)
        if rules.all_silent(resolved):
            asked.judge(rules.no_network(section.zone))
            return
    for server in section.authoritative:
        asked.judge(*_of_server(asked, zone, server, accepted, last))
    asked.judge(*rules.same_serial(section.zone, last.value))
    named = rules.values_of(last.value, zone.delegation)
    if len(named) > len(section.authoritative):
        asked.judge(rules.undescribed(section, named))


def _of_server(
    asked: Asked, zone: Zone, server: NameServer, accepted: Accepted, last: Settled[Answers]
) -> list[Judgement]:
    mine = _answers_of(server, last.value)
    silent, refused = _all_failed(mine), _all_refused(mine)
    if silent is not None:
        return [rules.away(f"{server.name} ({server.host})", silent, last)]
    if refused is not None:
        subject = f"{zone.section.zone} at {server.name}"
        return [rules.wrong(subject, rules.said(refused), refused)]
    found: list[Judgement] = []
    for record in zone.section.records:
        subject, seen = f"{question(record)} at {server.name}", mine[question(record)]
        if seen.value is None:
            found.append(rules.away(subject, failure_of(seen), last))
        else:
            found += _of_authority(asked, subject, record, seen.value, accepted(record))
    return found


def _of_authority(
    asked: Asked,
    subject: str,
    record: DnsRecord,
    answer: probes.dns.DnsAnswer,
    accepted: Sequence[Sequence[str]],
) -> list[Judgement]:
    if answer.rcode not in _HAS_ANSWERED:
        return [rules.wrong(subject, rules.said(answer.rcode), answer.rcode)]
    if not answer.authoritative:
        sentence = "answers without authority: the zone is delegated to it, and it does not have it"
        return [rules.wrong(subject, sentence, "no authority")]
    found = [rules.has_values(subject, record, answer, accepted)]
    if answer.ttl_seconds is not None:
        policy = asked.platform.policy.dns
        high = record.max_ttl or policy.max_ttl
        bounds = (min(policy.min_ttl, high), high)
        found.append(rules.within(f"TTL of {subject}", answer.ttl_seconds, bounds, "s"))
    return found


def _of_resolver(
    server: NameServer, records: Sequence[DnsRecord], last: Settled[Answers], *, broken: bool
) -> list[Judgement]:
    mine, found = _answers_of(server, last.value), []
    silent = _all_failed(mine)
    if silent is not None:
        return [instrument_error(f"resolver {server.name}", silent)]
    for record in records:
        subject, seen = f"{question(record)} at resolver {server.name}", mine[question(record)]
        if seen.value is None:
            found.append(instrument_error(subject, failure_of(seen)))
        elif seen.value.rcode in _HAS_ANSWERED or broken:
            found.append(rules.arrived(subject, record, seen.value, last))
        else:
            found.append(rules.no_help(subject, seen.value.rcode))
    return found


def _keep(asked: Asked, answers: Answers) -> None:
    for observation in answers.values():
        asked.keep(observation)


def _answers_of(server: NameServer, answers: Answers) -> OfServer:
    return {one: seen for (name, one), seen in answers.items() if name == server.name}


def _all_failed(answers: OfServer) -> Failure | None:
    """Return why a server is silent, where it answered nothing at all."""
    silent = all(seen.failure is not None for seen in answers.values())
    return failure_of(next(iter(answers.values()))) if silent else None


def _all_refused(answers: OfServer) -> str | None:
    """Return with what a server turns every question away, where it does."""
    rcodes = {seen.value.rcode for seen in answers.values() if seen.value is not None}
    only = rcodes.pop() if len(rcodes) == 1 else "NOERROR"
    return None if only in _HAS_ANSWERED else only


def _all_broken(found: Answers) -> bool:
    """Return whether every resolver that answers says SERVFAIL: then it is the zone that is broken."""
    rcodes = {seen.value.rcode for seen in found.values() if seen.value is not None}
    return rcodes == {"SERVFAIL"}


def _moving(*, on: bool) -> Progress:
    return Progress.MOVING if on else Progress.DONE


def _may_arrive(source: Answers, record: DnsRecord) -> bool:
    """Return whether some authoritative server has the values, or none can be asked from here."""
    answers = [seen.value for (_, one), seen in source.items() if one == question(record)]
    return all(one is None for one in answers) or any(
        rules.says(one, record, record.values) for one in answers if one is not None
    )


def _is_old(found: Answers, record: DnsRecord) -> bool:
    """Return whether some resolver answers something else."""
    answers = [seen.value for (_, one), seen in found.items() if one == question(record)]
    return any(
        one is not None and one.rcode != "REFUSED" and not rules.says(one, record, record.values)
        for one in answers
    )


_MOST_AT_ONCE = 8


described("TLS is spoken with every host in every region", Certificates, "certificates")


@then("every certificate is trusted under its host's name and lasts as long as the policy wants")
def certificates_good(run: Run, asked: Asked, certificates: Certificates) -> None:
    def judge(here: Asked) -> None:
        if len(asked.regions) > 1 and here.region not in certificates.addresses:
            here.judge(rules.seen_from_here_alone(here.region))
        meetings = list(reading.meetings(here))
        if not meetings:
            return
        with concurrent.futures.ThreadPoolExecutor(min(len(meetings), _MOST_AT_ONCE)) as pool:
            shown = list(pool.map(lambda one: reading.meet(here, run.availability, one), meetings))
        for host in certificates.hosts:
            seen = [one for one in shown if one is not None and one.host == host]
            here.judge(*rules.nodes_agree(host, seen))

    asked.in_each_region(judge)
