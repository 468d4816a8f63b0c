"""Certificates as clients meet them: every host at every address of every region."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import FailureKind
from settings.network import Certificates
from steps.kit.availability import Availability
from steps.kit.baseline import CannotCollectError
from steps.kit.check import Check
from steps.kit.expect import expect
from steps.kit.failures import failure_of, instrument_error
from steps.kit.platform import NotDescribedError, Platform
from steps.network.rules import at_least

_HTTPS = 443
_MOST_AT_ONCE = 8
_VERSIONS = ("TLSv1.2", "TLSv1.3")
_CHAIN = "the chain served: the certificate, then its intermediate ones (often fullchain.pem)"
_RENEWED = "a renewed certificate, loaded by every server"
_REMEDIES: Mapping[str, str] = {
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


@dataclasses.dataclass(frozen=True, slots=True)
class Meeting:
    """One host to be met at one address."""

    host: str
    node: probes.tls.TlsNode

    @property
    def subject(self) -> str:
        """Return it as sentences say it."""
        return f"certificate of {self.host} at {self.node.shown}"


class Meetings:
    """All handshakes of one check."""

    def __init__(self, platform: Platform, availability: Availability, check: Check) -> None:
        """Raise NotDescribedError where the environment names no host."""
        section = platform.environment.settings.certificates
        if section is None:
            raise NotDescribedError("the environment lacks the section certificates; add it")
        self._platform = platform
        self._availability = availability
        self._check = check
        self._section: Certificates = section
        self._ca_file = section.ca_file or platform.environment.settings.ca_file

    def judge(self) -> None:
        """Shake hands everywhere and judge trust, time left and protocol."""
        regions = self._platform.regions
        for region in regions:
            if len(regions) > 1 and region not in self._section.addresses:
                self._check.judge(region, _seen_from_here_alone(region))
        self._platform.each_region(self._judge_region)

    def _judge_region(self, region: str) -> None:
        meetings = list(self._meetings(region))
        if not meetings:
            return
        with concurrent.futures.ThreadPoolExecutor(min(len(meetings), _MOST_AT_ONCE)) as pool:
            shown = list(pool.map(lambda one: self._meet(region, one), meetings))
        for host in self._section.hosts:
            seen = [one for one in shown if one is not None and one.host == host]
            self._check.judge(region, *_nodes_agree(host, seen))

    def facts(self, region: str) -> Mapping[str, Any]:
        """Return what every host shows in a region; raises CannotCollectError when one shows nothing."""
        facts = {}
        for one in self._meetings(region):
            shown = self._meet(region, one)
            if shown is None:
                raise CannotCollectError(f"{one.subject}: there is no handshake")
            facts[f"{one.host} at {one.node.shown}"] = {
                "fingerprint": shown.fingerprint,
                "key": shown.key,
                "not_after": _date(shown),
            }
        return facts

    def _meetings(self, region: str) -> Iterator[Meeting]:
        for host in self._section.hosts:
            for address in self._section.addresses.get(region, (f"{host}:{_HTTPS}",)):
                name, _, port = address.rpartition(":")
                deadline = self._platform.call_deadline()
                found = probes.tls.nodes(name.strip("[]"), int(port), deadline=deadline)
                self._check.observe(region, found)
                if found.value is None:
                    subject = f"address of {host}, {name}"
                    self._check.judge(region, instrument_error(subject, failure_of(found)))
                    continue
                if found.value.beyond:
                    self._check.judge(region, _beyond(host, found.value.beyond))
                yield from (Meeting(host, node) for node in found.value.nodes)

    def _meet(self, region: str, meeting: Meeting) -> probes.tls.Handshake | None:
        reading = self._availability.reach(
            region,
            f"TLS at {meeting.node.shown}",
            meeting.subject,
            lambda: probes.tls.handshake(
                meeting.node,
                meeting.host,
                self._ca_file,
                deadline=self._platform.call_deadline(),
            ),
        )
        self._check.observe(region, reading.observation)
        failure = reading.observation.failure
        if failure is not None and failure.kind is FailureKind.NO_ROUTE:
            # An IPv6 address where the gate has no IPv6: that says nothing of the platform.
            self._check.judge(region, instrument_error(meeting.subject, failure))
            return None
        self._check.judge(region, *reading.judgements)
        shown = reading.observation.value
        if shown is not None and not reading.decided:
            self._check.judge(region, *self._of(meeting.subject, shown))
            if shown.other is not None:
                kind = "RSA" if shown.other.rsa else "ECDSA"
                self._check.judge(region, *self._of(f"{kind} {meeting.subject}", shown.other))
        return shown

    def _of(self, subject: str, shown: probes.tls.Handshake) -> Iterator[Judgement]:
        policy = self._platform.policy.certificates
        yield _trusted(subject, shown)
        if shown.days_left is not None:
            whose = " of an intermediate one" if shown.intermediate_first else ""
            what = f"{subject}, days left{whose}"
            left = at_least(what, shown.days_left, policy.min_days_left, "days")
            newer = f"{_CHAIN}, the newer ones" if shown.intermediate_first else _RENEWED
            yield dataclasses.replace(
                left,
                clears="" if left.outcome is Outcome.PASS else newer,
                data={**left.data, "not_after": _date(shown)},
            )
        if shown.protocol is not None:
            yield _protocol(subject, shown.protocol, policy.min_protocol)


def _seen_from_here_alone(region: str) -> Judgement:
    """Return what the hosts' own names leave open: they lead this gate to one region, whichever is asked."""
    return expect(
        None,
        f"certificates of {region}",
        f"{region} has no address of its own, so the hosts' own names are asked as for any region: what "
        f"{region} itself shows is not seen",
        f"certificates.addresses.{region}, or the gate run in each region (--region) and joined",
    )


def _trusted(subject: str, shown: probes.tls.Handshake) -> Judgement:
    problem = shown.problem
    names = ", ".join(shown.names) or "no host"
    seen = f" (made out to {names}; until {_date(shown)})" if shown.fingerprint else ""
    good = f"{subject} is good until {_date(shown)}"
    return Judgement(
        outcome=Outcome.PASS if problem is None else Outcome.FAIL,
        rule="trusted",
        subject=subject,
        sentence=good if problem is None else f"{subject}: {problem.value}{seen}",
        observed="trusted" if problem is None else problem.value,
        target="trusted under this name",
        clears="" if problem is None else _REMEDIES[problem.name],
        data={"fingerprint": shown.fingerprint},
    )


def _protocol(subject: str, found: str, oldest: str) -> Judgement:
    # A version that is not listed is older than every policy can ask for.
    modern = found in _VERSIONS[_VERSIONS.index(oldest) :]
    sentence = f"{subject}: its server agrees on {found}"
    return Judgement(
        outcome=Outcome.PASS if modern else Outcome.FAIL,
        rule="protocol",
        subject=subject,
        sentence=sentence if modern else f"{sentence}, wanted {oldest} or later",
        observed=found,
        target=oldest,
        clears="" if modern else f"a server that offers {oldest} or later",
    )


def _nodes_agree(host: str, seen: list[probes.tls.Handshake]) -> list[Judgement]:
    """Show whether several nodes have one key; different ones are allowed, so it never fails."""
    if len(seen) < 2:  # noqa: PLR2004 - one node agrees with itself
        return []
    keys = {one.key for one in seen}
    return [
        Judgement(
            outcome=Outcome.PASS,
            rule="shown only",
            subject=f"keys of {host}",
            sentence=f"{len(seen)} nodes of {host} show {len(keys)} different keys",
            observed=len(keys),
        )
    ]


def _beyond(host: str, nodes: Sequence[probes.tls.TlsNode]) -> Judgement:
    """Tell of addresses that a gate without IPv6 leaves out; the IPv4 ones beside them are asked."""
    listed = ", ".join(node.shown for node in nodes)
    return Judgement(
        outcome=Outcome.PASS,
        rule="shown only",
        subject=f"IPv6 addresses of {host}",
        sentence=f"not looked at: {listed} of {host}, as the gate has no IPv6; its IPv4 addresses are",
        observed=len(nodes),
    )


def _date(shown: probes.tls.Handshake) -> str:
    return "an unknown day" if shown.not_after is None else f"{shown.not_after:%Y-%m-%d}"


def certificate_facts(platform: Platform) -> Mapping[str, Any]:
    """Return fingerprint, key and last day of every certificate by region, for a baseline.

    Raises CannotCollectError when a host shows none.
    """
    check = Check("baseline", platform.regions)
    meetings = Meetings(platform, Availability(platform), check)
    return platform.each_region(meetings.facts)
