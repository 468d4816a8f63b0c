"""What is said of DNS answers and certificates: each finding with what would clear it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

import probes
from gates.decide.judgement import Judgement, amount, more_or_less
from probes.observation import Failure, FailureKind, Observation
from settings.network import CertificatePolicy, Dns, DnsRecord
from steps.kit.expect import expect, measured, unable
from steps.kit.failures import instrument_error
from steps.kit.platform import NotDescribedError
from steps.kit.settling import Ended, Settled

_NAME = re.compile(r"[A-Za-z0-9_.*: -]{1,255}")
_RCODES = {
    "NXDOMAIN": "says that there is no such name",
    "SERVFAIL": "fails to answer (SERVFAIL)",
    "REFUSED": "refuses to answer (REFUSED)",
}
_SOA_FIELDS = 7
_SERIAL_FIELD = 2
_COUNTRY, _SECOND_LEVEL = 2, 3
"""Letters of a country's domain, and of what many have below it."""
_VERSIONS = ("TLSv1.2", "TLSv1.3")
_CHAIN = "the chain served: the certificate, then its intermediate ones (often fullchain.pem)"
_RENEWED = "a renewed certificate, loaded by every server"
REMEDIES: Mapping[str, str] = {
    "UNTRUSTED": "a certificate of a trusted authority, with its whole chain served; or, for an "
    "authority of your own, its certificate in certificates.ca_file",
    "SELF_SIGNED": "a certificate of an authority in place of the self-signed one",
    "NO_CHAIN": f"{_CHAIN}; the certificate itself need not be renewed",
    "EXPIRED": _RENEWED,
    "ABOVE_EXPIRED": f"{_CHAIN}, of which none is expired; ask the authority for its current ones",
    "AUTHORITY_EXPIRED": "a certificate of an authority that is still valid, or its new certificate "
    "in certificates.ca_file",
    "NOT_YET_VALID": "a certificate that is valid now, or the clocks of gate and authority set",
    "ABOVE_NOT_YET_VALID": f"{_CHAIN}, each valid now",
    "OTHER_NAME": "a certificate made out to this host, served under its name (SNI)",
    "NOT_A_SERVERS": "a certificate for servers (extended key usage serverAuth)",
    "NO_AUTHORITY": "a certificate of an authority, with its whole chain served",
    "TOO_WEAK": "a certificate with RSA of 2,048 bits or more, or ECDSA, signed with SHA-256",
    "OLD_TLS": "a server that offers TLS 1.2 or later",
    "OTHER": "a certificate that `openssl s_client -verify_return_error` accepts",
}
"""By the name of a `probes.tls.Problem`, which is loaded with its library at its first use."""


# --- sets and bounded numbers


def same_set(
    subject: str, observed: Collection[str], accepted: Sequence[Collection[str]]
) -> Judgement:
    """PASS when the observed values are exactly one of the accepted sets, in any order."""
    same = any(set(observed) == set(one) for one in accepted)
    found, wanted = _listed(observed), " or ".join(_listed(one) for one in accepted)
    sentence = f"{subject} is {found}" if same else f"{subject} is {found}, wanted {wanted}"
    clears = f"{subject} being {wanted}"
    return expect(same, subject, sentence, clears, **measured("same set", found, wanted))


def at_least(subject: str, observed: float, floor: float, unit: str) -> Judgement:
    """PASS when a finite number is the floor or more."""
    passed = observed >= floor
    return expect(
        passed,
        subject,
        f"{subject} is {amount(observed, floor)} {unit}, wanted at least {floor:g} {unit}",
        more_or_less(observed, floor, unit, "more"),
        **measured("at least", observed, floor, unit),
        data={"margin": observed - floor},
    )


def within(subject: str, observed: int, bounds: tuple[float, float], unit: str) -> Judgement:
    """PASS when a whole number is between both bounds, or one of them."""
    low, high = bounds
    return expect(
        low <= observed <= high,
        subject,
        f"{subject} is {observed} {unit}, wanted {low:g} to {high:g} {unit}",
        f"a value between {low:g} and {high:g} {unit}",
        **measured("within", observed, high if observed > high else low, unit),
    )


def _listed(values: Collection[str]) -> str:
    return ", ".join(sorted(values)) or "nothing"


# --- what servers of a zone answer


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """One name and type; the zone's own SOA has its serial."""

    name: str
    type: str

    def __str__(self) -> str:
        """Return it as sentences say it."""
        return f"{self.name} {self.type}"


Answers = Mapping[tuple[str, Question], Observation["probes.dns.DnsAnswer"]]
"""By server's name and question."""


def question(record: DnsRecord) -> Question:
    """Return what is asked for a record."""
    return Question(record.name, record.type)


def wanted(record: DnsRecord, values: Sequence[str]) -> tuple[str, ...]:
    """Return the values of a record as answers have them; raises NotDescribedError for a mistyped one."""
    try:
        return tuple(probes.dns.normalised(record.type, value) for value in values)
    except ValueError as exc:
        raise NotDescribedError(f"dns.records: {record.name}: {exc}; correct it") from exc


def serials(asked: Answers) -> dict[str, dict[str, list[str]]]:
    """Return by provider the serials of the zone, each with the servers that have it.

    Two providers fill their zones by themselves and count apart; which is a server's, the name of the
    primary in its SOA record says. What their records say must be the same all the same.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for (server, one), observation in asked.items():
        answer = observation.value
        if one.type != "SOA" or answer is None or not answer.values:
            continue
        fields = answer.values[0].split()
        if len(fields) == _SOA_FIELDS:
            of_provider = found.setdefault(_provider(fields[0]), {})
            of_provider.setdefault(fields[_SERIAL_FIELD], []).append(server)
    return found


def differing(asked: Answers) -> bool:
    """Return whether servers of one provider have different serials."""
    return any(len(of_provider) > 1 for of_provider in serials(asked).values())


def _provider(primary: str) -> str:
    """Return the domain of a primary's name: its last two labels, three below such as co.uk."""
    labels = primary.lower().rstrip(".").split(".")
    below = len(labels[-1]) == _COUNTRY and len(labels[-2:][0]) <= _SECOND_LEVEL
    return ".".join(labels[-3:] if below else labels[-2:])


def values_of(asked: Answers, one: Question) -> set[str]:
    """Return all that any server answers to a question."""
    answers = [seen.value for (_, asked_for), seen in asked.items() if asked_for == one]
    return {value for answer in answers if answer is not None for value in answer.values}


def some_silent(asked: Answers) -> bool:
    """Return whether any question had no answer at all."""
    return any(one.failure is not None for one in asked.values())


def all_silent(asked: Answers) -> bool:
    """Return whether no question had an answer."""
    return all(one.failure is not None for one in asked.values())


def says(answer: probes.dns.DnsAnswer, record: DnsRecord, values: Sequence[str]) -> bool:
    """Return whether an answer is exactly these values of a record."""
    return answer.rcode == "NOERROR" and set(answer.values) == set(wanted(record, values))


def has_values(
    subject: str, record: DnsRecord, answer: probes.dns.DnsAnswer, accepted: Sequence[Sequence[str]]
) -> Judgement:
    """Judge that an answer is one of the accepted sets."""
    observed = [_shown(value) for value in answer.values]
    return same_set(subject, observed, [wanted(record, values) for values in accepted])


def arrived(
    subject: str, record: DnsRecord, answer: probes.dns.DnsAnswer, last: Settled[Answers]
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
    return expect(
        None if undecided else False,
        subject,
        f"{subject} {still}{last.waited}, wanted {target}{end}",
        f"{subject} being {target}: its cache run out or flushed",
        **measured("propagated", found or answer.rcode, target),
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
        f"dns.authoritative {len(section.authoritative)}: what the others answer visitors is not seen",
        "every one of them under dns.authoritative",
    )


def away(subject: str, failure: Failure, last: Settled[Answers]) -> Judgement:
    """Return what a silent authoritative server means; one without a way there from here means nothing."""
    if failure.kind is FailureKind.NO_ROUTE:
        return instrument_error(subject, failure)
    undecided = last.ended is Ended.RUN_ENDED
    end = "the run's deadline came before that could be confirmed"
    others = "while other servers answer; what is left of the zone has one server less"
    return expect(
        None if undecided else False,
        subject,
        f"{subject}: {failure.kind.value}{last.waited}; {end if undecided else others}",
        f"{subject} answering",
        **measured("authoritative server", failure.kind.value, "an answer"),
    )


def no_network(zone: str) -> Judgement:
    """Return the ERROR of a gate that no DNS server answers."""
    return unable(
        f"servers of {zone}",
        f"No DNS server answers the gate, neither one of {zone} nor a resolver: it may not send "
        "to port 53 from here; no verdict about the zone",
        "a gate that may ask DNS servers (UDP and TCP, port 53)",
        **measured("instrument", "no answer"),
    )


def same_serial(zone: str, asked: Answers) -> list[Judgement]:
    """Judge that every server that answers has the zone's same serial as the others of its provider."""
    found = serials(asked)
    if not found:
        return [wrong(f"serial of {zone}", "is returned by no server", "none")]
    several = len(found) > 1
    return [
        _serial(f"serial of {zone}" + (f" at {provider}" if several else ""), of_provider)
        for provider, of_provider in found.items()
    ]


def _serial(subject: str, found: Mapping[str, Sequence[str]]) -> Judgement:
    listed = "; ".join(f"{serial} at {', '.join(at)}" for serial, at in found.items())
    same = len(found) == 1
    differs = f"{subject} differs: {listed}. Visitors of the older one get an older zone"
    sentence = f"{subject} is {listed}" if same else differs
    clears = "the zone transferred to every authoritative server"
    return expect(
        same, subject, sentence, clears, **measured("same serial", listed, "the same everywhere")
    )


def no_help(subject: str, rcode: str) -> Judgement:
    """Return the ERROR of a resolver that does not serve the gate."""
    sentence = f"{subject} {said(rcode)}; it says nothing about the record"
    clears = f"{subject} answering the gate"
    return unable(subject, sentence, clears, **measured("instrument", rcode))


def wrong(subject: str, sentence: str, observed: str) -> Judgement:
    """Return the FAIL of a server that answers wrongly."""
    return expect(
        False,
        subject,
        f"{subject} {sentence}",
        f"{subject} answered as described",
        **measured("answers", observed),
    )


def said(rcode: str) -> str:
    """Return an answer's code in words."""
    return _RCODES.get(rcode, "answers nothing" if rcode == "NOERROR" else f"answers {rcode}")


def _shown(value: str) -> str:
    """Return a record's value as evidence may show it: a host or number, not any text."""
    return value if _NAME.fullmatch(value) else f"a text of {len(value)} characters"


# --- certificates


def seen_from_here_alone(region: str) -> Judgement:
    """Return what the hosts' own names leave open: they lead this gate to one region, whichever is asked."""
    return expect(
        None,
        f"certificates of {region}",
        f"{region} has no separate address, so the hosts' own names are asked as for any region: what "
        f"{region} itself shows is not seen",
        f"certificates.addresses.{region}, or the gate run in each region (--region) and joined",
    )


def handshake(
    subject: str, shown: probes.tls.Handshake, policy: CertificatePolicy
) -> Iterator[Judgement]:
    """Judge what one handshake shows: trust, days left and protocol; so far as it came to each."""
    yield trusted(subject, shown)
    if shown.days_left is not None:
        whose = " of an intermediate one" if shown.intermediate_first else ""
        what = f"{subject}, days left{whose}"
        left = at_least(what, shown.days_left, policy.min_days_left, "days")
        newer = f"{_CHAIN}, the newer ones" if shown.intermediate_first else _RENEWED
        yield dataclasses.replace(
            left,
            clears=left.clears and newer,
            data={**left.data, "not_after": last_day(shown)},
        )
    if shown.protocol is not None:
        yield _protocol(subject, shown.protocol, policy.min_protocol)


def trusted(subject: str, shown: probes.tls.Handshake) -> Judgement:
    """Judge that a certificate is trusted under its host's name."""
    problem, until = shown.problem, last_day(shown)
    names = ", ".join(shown.names) or "no host"
    seen = f" (made out to {names}; until {until})" if shown.fingerprint else ""
    wrong = "" if problem is None else f"{subject}: {problem.value}{seen}"
    return expect(
        problem is None,
        subject,
        wrong or f"{subject} is good until {until}",
        "" if problem is None else REMEDIES[problem.name],
        **measured(
            "trusted", "trusted" if problem is None else problem.value, "trusted under this name"
        ),
        data={"fingerprint": shown.fingerprint},
    )


def _protocol(subject: str, found: str, oldest: str) -> Judgement:
    # A version that is not listed is older than every policy can ask for.
    modern = found in _VERSIONS[_VERSIONS.index(oldest) :]
    sentence = f"{subject}: its server agrees on {found}"
    return expect(
        modern,
        subject,
        sentence if modern else f"{sentence}, wanted {oldest} or later",
        f"a server that offers {oldest} or later",
        **measured("protocol", found, oldest),
    )


def nodes_agree(host: str, seen: Sequence[probes.tls.Handshake]) -> list[Judgement]:
    """Show whether several nodes have one key; different ones are allowed, so it never fails."""
    if len(seen) < 2:  # noqa: PLR2004 - one node agrees with itself
        return []
    keys = len({one.key for one in seen})
    sentence = f"{len(seen)} nodes of {host} show {keys} different keys"
    return [_shown_only(f"keys of {host}", sentence, keys)]


def beyond(host: str, nodes: Sequence[probes.tls.TlsNode]) -> Judgement:
    """Tell of addresses that a gate without IPv6 leaves out; the IPv4 ones beside them are asked."""
    listed = ", ".join(node.shown for node in nodes)
    return _shown_only(
        f"IPv6 addresses of {host}",
        f"not checked: {listed} of {host}, as the gate has no IPv6; its IPv4 addresses are",
        len(nodes),
    )


def _shown_only(subject: str, sentence: str, observed: int) -> Judgement:
    return expect(True, subject, sentence, **measured("shown only", observed))


def last_day(shown: probes.tls.Handshake) -> str:
    """Return the last day of what a handshake showed."""
    return "an unknown day" if shown.not_after is None else f"{shown.not_after:%Y-%m-%d}"
