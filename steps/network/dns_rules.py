"""What is said of DNS answers: each finding as a judgement, with what would clear it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import Failure, FailureKind
from settings.network import Dns, DnsRecord
from steps.kit.expect import expect
from steps.kit.failures import instrument_error
from steps.kit.settling import Ended, Settled
from steps.network.rules import same_set
from steps.network.zone import Asked, question, says, serials, wanted

_NAME = re.compile(r"[A-Za-z0-9_.*: -]{1,255}")
_RCODES = {
    "NXDOMAIN": "says that there is no such name",
    "SERVFAIL": "fails to answer (SERVFAIL)",
    "REFUSED": "refuses to answer (REFUSED)",
}


def has_values(
    subject: str,
    record: DnsRecord,
    answer: probes.dns.DnsAnswer,
    accepted: Sequence[Sequence[str]],
) -> Judgement:
    """Judge that an answer is one of the accepted sets."""
    observed = [_shown(value) for value in answer.values]
    return same_set(subject, observed, [wanted(record, values) for values in accepted])


def arrived(
    subject: str, record: DnsRecord, answer: probes.dns.DnsAnswer, last: Settled[Asked]
) -> Judgement:
    """Judge one resolver's last answer."""
    if says(answer, record, record.values):
        return has_values(subject, record, answer, [record.values])
    found = ", ".join(map(_shown, answer.values))
    still = f"is still {found}" if found else f"still {said(answer.rcode)}"
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
        sentence=f"{subject} {still}{last.waited}, wanted {target}{end}",
        observed=found or answer.rcode,
        target=target,
        clears=f"{subject} being {target}: its cache run out or flushed",
    )


def unpublished(record: DnsRecord) -> Judgement:
    """Return the FAIL of a record that no authoritative server has."""
    target = ", ".join(sorted(wanted(record, record.values)))
    return wrong(
        str(question(record)),
        f"cannot arrive anywhere: no authoritative server has {target}; update the zone first",
        "not published",
    )


def undescribed(section: Dns, named: Collection[str]) -> Judgement:
    """Return what servers leave open that the zone names and the environment does not."""
    return expect(
        None,
        f"servers of {section.zone}",
        f"{section.zone} names {len(named)} servers ({', '.join(map(_shown, sorted(named)))}) and "
        f"dns.authoritative {len(section.authoritative)}: what the others tell visitors is not seen",
        "every one of them under dns.authoritative",
    )


def away(subject: str, failure: Failure, last: Settled[Asked]) -> Judgement:
    """Return what a silent authoritative server means; one without a way there from here means nothing."""
    if failure.kind is FailureKind.NO_ROUTE:
        return instrument_error(subject, failure)
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


def no_network(zone: str) -> Judgement:
    """Return the ERROR of a gate that no DNS server answers."""
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


def same_serial(zone: str, asked: Asked) -> list[Judgement]:
    """Judge that every server that answers has the zone's same serial as the others of its provider."""
    found = serials(asked)
    if not found:
        return [wrong(f"serial of {zone}", "is told by no server", "none")]
    several = len(found) > 1
    return [
        _serial(f"serial of {zone}" + (f" at {provider}" if several else ""), of_provider)
        for provider, of_provider in found.items()
    ]


def _serial(subject: str, found: Mapping[str, Sequence[str]]) -> Judgement:
    listed = "; ".join(f"{serial} at {', '.join(at)}" for serial, at in found.items())
    same = len(found) == 1
    differs = f"{subject} differs: {listed}. Visitors of the older one get an older zone"
    return Judgement(
        outcome=Outcome.PASS if same else Outcome.FAIL,
        rule="same serial",
        subject=subject,
        sentence=f"{subject} is {listed}" if same else differs,
        observed=listed,
        target="the same everywhere",
        clears="" if same else "the zone transferred to every authoritative server",
    )


def no_help(subject: str, rcode: str) -> Judgement:
    """Return the ERROR of a resolver that does not serve the gate."""
    return Judgement(
        outcome=Outcome.ERROR,
        rule="instrument",
        subject=subject,
        sentence=f"{subject} {said(rcode)}; it tells nothing about the record",
        observed=rcode,
        clears=f"{subject} answering the gate",
    )


def wrong(subject: str, sentence: str, observed: str) -> Judgement:
    """Return the FAIL of a server that answers wrongly."""
    return Judgement(
        outcome=Outcome.FAIL,
        rule="answers",
        subject=subject,
        sentence=f"{subject} {sentence}",
        observed=observed,
        clears=f"{subject} answered as described",
    )


def said(rcode: str) -> str:
    """Return an answer's code in words."""
    return _RCODES.get(rcode, "answers nothing" if rcode == "NOERROR" else f"answers {rcode}")


def _shown(value: str) -> str:
    """Return a record's value as evidence may show it: a host or number, not any text."""
    return value if _NAME.fullmatch(value) else f"a text of {len(value)} characters"
