from __future__ import annotations

import dataclasses
import errno
import pathlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gates.decide.outcome import Outcome
from probes import network
from probes.dns import DnsAnswer
from probes.observation import Deadline, Observation, utc_now
from sandbox.core.layout import RESOLVERS
from sandbox.systems.network.zone import CHANGED, HOSTS
from steps.kit.check import Check
from steps.kit.platform import NotDescribedError
from steps.network.reading import dns_facts
from steps.network.rules import Question, differing, same_serial
from tests.golden import Said
from tests.steps.network_platform import StandIn, dns_platform, name_servers
from tests.steps.platforms import a_platform
from tests.steps.scenarios import judged as by_id
from tests.steps.scenarios import told
from tests.tables import beside, cases

PUBLISHED, PROPAGATED = "D6.1-1", "D6.1-2"


@pytest.fixture(scope="module")
def servers() -> Iterator[StandIn]:
    with name_servers() as running:
        yield running


@dataclasses.dataclass(frozen=True, slots=True)
class Zone:
    """A zone after its update, as two regions see it."""

    folder: pathlib.Path
    servers: StandIn

    def judged(self, check_id: str, **changes: Any) -> Check:
        return by_id(check_id, dns_platform(self.folder, self.servers, **changes))

    def server(self, name: str) -> dict[str, Any]:
        return {"name": name, "host": "127.0.0.1", "port": self.servers.ports[name]}


@pytest.fixture
def zone(tmp_path: pathlib.Path, servers: StandIn) -> Iterator[Zone]:
    yield Zone(tmp_path, servers)
    servers.bend()


BENT = beside(__file__, "bent_names.yaml")


@cases(
    "check_id bent",
    {
        f"{check_id}: {name}": (check_id, bent)
        for check_id, rows in BENT.items()
        for name, bent in rows.items()
    },
)
def test_every_server_is_judged_by_itself_and_resolvers_once_they_answer_wrongly(
    zone: Zone, check_id: str, bent: dict[str, Any], said: Said
) -> None:
    zone.servers.bend(**bent)
    check = zone.judged(check_id)
    assert told(check, "eu") == told(check, "us")
    said(told(check))


def test_a_server_without_a_way_there_from_here_is_an_error_of_ours(
    zone: Zone, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    resolved = network.resolve

    def resolve(host: str, port: int, deadline: Deadline) -> list[network.Address]:
        if host == "2001:db8::53":
            raise OSError(errno.ENETUNREACH, "no IPv6 here")
        return resolved(host, port, deadline)

    monkeypatch.setattr(network, "resolve", resolve)
    beyond = {"name": "ns2", "host": "2001:db8::53"}
    said(told(zone.judged(PUBLISHED, authoritative=[zone.server("ns1"), beyond])))


def test_what_is_on_its_way_is_waited_for(zone: Zone) -> None:
    zone.servers.bend(changed_at=time.time(), propagation_seconds=0.6)
    assert zone.judged(PROPAGATED).outcome("eu") is Outcome.PASS


def test_a_record_may_allow_itself_a_longer_ttl(zone: Zone) -> None:
    zone.servers.bend(ttl_seconds=3600)
    record = {"name": HOSTS[0], "type": "A", "values": ["192.0.2.20", "192.0.2.10"]}
    allowed = zone.judged(PUBLISHED, records=[{**record, "max_ttl": "1h"}])
    assert allowed.outcome("eu") is Outcome.PASS


def test_a_mistyped_value_and_missing_resolvers_name_the_key(zone: Zone) -> None:
    record = {"name": HOSTS[0], "type": "A", "values": ["not an address"]}
    with pytest.raises(NotDescribedError, match=r"dns\.records: api.*is not a valid A record"):
        zone.judged(PUBLISHED, records=[record])
    for resolvers in ([], [zone.server(RESOLVERS[0])]):
        with pytest.raises(NotDescribedError, match=r"dns\.resolvers; add two or more"):
            zone.judged(PROPAGATED, resolvers=resolvers)


def test_an_environment_without_a_zone_says_so(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NotDescribedError, match="section dns"):
        by_id(PUBLISHED, a_platform(tmp_path, {"eu": "http://127.0.0.1:9"}))


def test_a_baseline_holds_the_records(zone: Zone) -> None:
    facts = dns_facts(dns_platform(zone.folder, zone.servers))["shared"]
    assert facts[CHANGED]["values"] == ["198.51.100.2"]


def soa(primary: str, serial: int) -> Observation[DnsAnswer]:
    value = f"{primary}. hostmaster.clinic.test. {serial} 7200 900 1209600 86400"
    answer = DnsAnswer("NOERROR", (value,), 900, authoritative=True)
    return Observation("dns", "ns", utc_now(), 0.1, {}, answer, None)


@cases(
    "first second outcomes",
    {
        "one provider": (("ns-1.one.test", 7), ("ns-1.one.test", 7), ["PASS"]),
        "one server behind": (("ns-1.one.test", 7), ("ns-1.one.test", 6), ["FAIL"]),
        "by several primaries": (("ns-1.one.test", 7), ("ns-2.ONE.test", 6), ["FAIL"]),
        "two below co.uk": (("ns.one.co.uk", 7), ("ns.two.co.uk", 6), ["PASS", "PASS"]),
        "two providers": (("ns-1.one.test", 1), ("ns1.two.test", 1_495_621_429), ["PASS", "PASS"]),
    },
)
def test_serials_are_compared_within_a_provider(
    first: tuple[str, int], second: tuple[str, int], outcomes: list[str]
) -> None:
    asked = {
        ("ns1", Question("clinic.test", "SOA")): soa(*first),
        ("ns2", Question("clinic.test", "SOA")): soa(*second),
    }
    judgements = same_serial("clinic.test", asked)
    assert [one.outcome.name for one in judgements] == outcomes
    assert differing(asked) is ("FAIL" in outcomes)
    if len(judgements) > 1:
        assert len({one.subject for one in judgements}) == len(judgements)
