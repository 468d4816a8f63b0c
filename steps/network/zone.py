"""Asks the servers of a zone: every question to every server at once."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import probes
from probes.observation import Observation
from settings.network import Dns, DnsRecord, NameServer
from steps.kit.baseline import SHARED, CannotCollectError
from steps.kit.platform import NotDescribedError, Platform

_MOST_AT_ONCE = 16
_SOA_FIELDS = 7
_SERIAL_FIELD = 2
_COUNTRY, _SECOND_LEVEL = 2, 3
"""Letters of a country's domain, and of what many have below it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """One name and type; the zone's own SOA has its serial."""

    name: str
    type: str

    def __str__(self) -> str:
        """Return it as sentences say it."""
        return f"{self.name} {self.type}"


Asked = Mapping[tuple[str, Question], Observation["probes.dns.DnsAnswer"]]
"""By server's name and question."""


@dataclasses.dataclass(frozen=True, slots=True)
class Zone:
    """The zone of a platform."""

    platform: Platform
    section: Dns

    @classmethod
    def of(cls, platform: Platform) -> Zone:
        """Return it; raises NotDescribedError where the environment says nothing of it."""
        section = platform.environment.settings.dns
        if section is None:
            raise NotDescribedError("the environment lacks the section dns; add it")
        return cls(platform, section)

    @property
    def delegation(self) -> Question:
        """The question for the servers that the zone itself names."""
        return Question(self.section.zone, "NS")

    def ask(self, servers: Sequence[NameServer], *also: Question) -> Asked:
        """Ask each server for the serial and each record; a silent one costs one deadline in all."""
        soa = Question(self.section.zone, "SOA")
        questions = dict.fromkeys([soa, *(question(one) for one in self.section.records), *also])
        wanted = [(server, one) for server in servers for one in questions]
        if not wanted:
            return {}
        with concurrent.futures.ThreadPoolExecutor(min(len(wanted), _MOST_AT_ONCE)) as pool:
            answers = list(pool.map(self._ask_one, wanted))
        return {
            (server.name, one): answer
            for (server, one), answer in zip(wanted, answers, strict=True)
        }

    def _ask_one(self, wanted: tuple[NameServer, Question]) -> Observation[probes.dns.DnsAnswer]:
        server, one = wanted
        target = probes.dns.DnsServer(server.name, server.host, server.port)
        deadline = self.platform.call_deadline()
        return probes.dns.ask(target, one.name, one.type, deadline=deadline)


def question(record: DnsRecord) -> Question:
    """Return what is asked for a record."""
    return Question(record.name, record.type)


def wanted(record: DnsRecord, values: Sequence[str]) -> tuple[str, ...]:
    """Return the values of a record as answers have them; raises NotDescribedError for a mistyped one."""
    try:
        return tuple(probes.dns.normalised(record.type, value) for value in values)
    except ValueError as exc:
        raise NotDescribedError(f"dns.records: {record.name}: {exc}; correct it") from exc


def serials(asked: Asked) -> dict[str, dict[str, list[str]]]:
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


def differing(asked: Asked) -> bool:
    """Return whether servers of one provider have different serials."""
    return any(len(of_provider) > 1 for of_provider in serials(asked).values())


def _provider(primary: str) -> str:
    """Return the domain of a primary's name: its last two labels, three below such as co.uk."""
    labels = primary.lower().rstrip(".").split(".")
    below = len(labels[-1]) == _COUNTRY and len(labels[-2:][0]) <= _SECOND_LEVEL
    return ".".join(labels[-3:] if below else labels[-2:])


def values_of(asked: Asked, one: Question) -> set[str]:
    """Return all that any server answers to a question."""
    answers = [seen.value for (_, asked_for), seen in asked.items() if asked_for == one]
    return {value for answer in answers if answer is not None for value in answer.values}


def some_silent(asked: Asked) -> bool:
    """Return whether any question had no answer at all."""
    return any(one.failure is not None for one in asked.values())


def all_silent(asked: Asked) -> bool:
    """Return whether no question had an answer."""
    return all(one.failure is not None for one in asked.values())


def says(answer: probes.dns.DnsAnswer, record: DnsRecord, values: Sequence[str]) -> bool:
    """Return whether an answer is exactly these values of a record."""
    return answer.rcode == "NOERROR" and set(answer.values) == set(wanted(record, values))


def dns_facts(platform: Platform) -> Mapping[str, Any]:
    """Return the records as the first authoritative server that answers has them, for a baseline.

    Raises CannotCollectError when none answers.
    """
    zone = Zone.of(platform)
    facts: dict[str, Any] = {}
    for (_, one), observation in zone.ask(zone.section.authoritative).items():
        if observation.value is not None and str(one) not in facts:
            facts[str(one)] = dict(observation.value.facts())
    if not facts:
        raise CannotCollectError(f"no authoritative server of {zone.section.zone} answers")
    return {SHARED: facts}
