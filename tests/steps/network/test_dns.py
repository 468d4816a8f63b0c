from __future__ import annotations

import errno
import json
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
from sandbox.systems.network.zone import BEFORE, CHANGED, HOSTS
from steps.kit.check import Check
from steps.kit.platform import NotDescribedError
from steps.network.reading import dns_facts
from steps.network.rules import Question, differing, same_serial
from tests.steps.network_platform import StandIn, dns_platform, findings, name_servers
from tests.steps.platforms import a_platform
from tests.steps.scenarios import judged as by_id
from tests.tables import cases

BEFORE_IT, PUBLISHED, PROPAGATED = "T7-INFRA-6", "D6.1-1", "D6.1-2"
ALL_SILENT = {"silent": ["ns1", "ns2"], "silent_resolvers": list(RESOLVERS)}
ELSEWHERE = {"wrong": {CHANGED: ["203.0.113.66"]}}


@pytest.fixture(scope="module")
def module_servers() -> Iterator[StandIn]:
    with name_servers() as running:
        yield running


@pytest.fixture
def servers(module_servers: StandIn) -> Iterator[StandIn]:
    yield module_servers
    module_servers.bend()


def judged(folder: pathlib.Path, servers: StandIn, check_id: str, **changes: Any) -> Check:
    check = by_id(check_id, dns_platform(folder, servers, **changes))
    json.dumps([one.record() for one in check.noted()["us"].judgements], allow_nan=False)
    return check


@pytest.mark.parametrize("check_id", [PUBLISHED, BEFORE_IT, PROPAGATED])
def test_a_zone_as_described_passes_in_every_region(
    tmp_path: pathlib.Path, servers: StandIn, check_id: str
) -> None:
    check = judged(tmp_path, servers, check_id)
    assert [check.outcome(region) for region in ("eu", "us")] == [Outcome.PASS] * 2


@cases(
    "bent outcome says",
    {
        "another address": (
            ELSEWHERE,
            "FAIL",
            f"{CHANGED} at ns1 is 203.0.113.66, wanted 198.51.100.2",
        ),
        "not updated yet": (
            {"records": BEFORE},
            "FAIL",
            f"{CHANGED} at ns2 is 198.51.100.1, wanted 198.51.100.2",
        ),
        "a server that missed the transfer": (
            {"behind": ["ns2"]},
            "FAIL",
            "2026013101 at ns1; 2026013100 at ns2",
        ),
        "a name without its addresses": (
            {"wrong": {f"{HOSTS[0]} A": []}},
            "FAIL",
            f"{HOSTS[0]} A at ns1 is nothing",
        ),
        "a TTL over the policy's": (
            {"ttl_seconds": 86_400},
            "FAIL",
            "at ns1 is 86400 s, wanted 30 to 300 s",
        ),
        "a TTL under the policy's": (
            {"ttl_seconds": 5},
            "FAIL",
            "at ns1 is 5 s, wanted 30 to 300 s",
        ),
        "a lame server": (
            {"rcodes": {"ns2": "REFUSED"}},
            "FAIL",
            "at ns2 refuses to answer (REFUSED)",
        ),
        "a server in trouble": (
            {"rcodes": {"ns2": "SERVFAIL"}},
            "FAIL",
            "at ns2 fails to answer (SERVFAIL)",
        ),
        "a silent server": ({"silent": ["ns2"]}, "FAIL", "ns2 (127.0.0.1): timeout"),
        "all authoritative servers silent, resolvers answering": (
            {"silent": ["ns1", "ns2"]},
            "FAIL",
            "ns1 (127.0.0.1): timeout",
        ),
        "no DNS from here at all": (ALL_SILENT, "ERROR", "No DNS server answers the gate"),
        "a server that the environment forgets": (
            {"delegated": ["ns1", "ns2", "ns3"]},
            "INCONCLUSIVE",
            "and dns.authoritative 2",
        ),
    },
)
def test_authoritative_servers_are_judged_each_by_itself(
    tmp_path: pathlib.Path, servers: StandIn, bent: dict[str, Any], outcome: str, says: str
) -> None:
    servers.bend(**bent)
    check = judged(tmp_path, servers, PUBLISHED)
    assert check.outcome("us") == outcome
    assert says in "\n".join(findings(check))


def test_a_server_without_a_way_there_from_here_is_an_error_of_ours(
    tmp_path: pathlib.Path, servers: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved = network.resolve

    def resolve(host: str, port: int, deadline: Deadline) -> list[network.Address]:
        if host == "2001:db8::53":
            raise OSError(errno.ENETUNREACH, "no IPv6 here")
        return resolved(host, port, deadline)

    monkeypatch.setattr(network, "resolve", resolve)
    here = {"name": "ns1", "host": "127.0.0.1", "port": servers.ports["ns1"]}
    beyond = {"name": "ns2", "host": "2001:db8::53"}
    check = judged(tmp_path, servers, PUBLISHED, authoritative=[here, beyond])
    assert check.outcome("us") is Outcome.ERROR
    assert "no route" in findings(check)[0]


@pytest.mark.parametrize(
    ("bent", "outcome"), [({"records": BEFORE}, "PASS"), (ELSEWHERE, "FAIL"), (ALL_SILENT, "ERROR")]
)
def test_before_the_deployment_the_old_records_are_right_too(
    tmp_path: pathlib.Path, servers: StandIn, bent: dict[str, Any], outcome: str
) -> None:
    servers.bend(**bent)
    assert judged(tmp_path, servers, BEFORE_IT).outcome("eu") == outcome


@cases(
    "bent outcome says",
    {
        "a resolver that never forgets": (
            {"stale": ["resolver-2"]},
            "FAIL",
            "is still 198.51.100.1 after 1 s of waiting",
        ),
        "nothing to propagate": ({"records": BEFORE}, "FAIL", "cannot arrive anywhere"),
        "a silent resolver of ours": (
            {"silent_resolvers": ["resolver-1"]},
            "ERROR",
            "resolver resolver-1: timeout",
        ),
        "one resolver in trouble": (
            {"rcodes": {"resolver-1": "SERVFAIL"}},
            "ERROR",
            "resolver-1 fails to answer",
        ),
        "a resolver that does not serve us": (
            {"rcodes": {"resolver-1": "REFUSED"}},
            "ERROR",
            "resolver-1 refuses to answer",
        ),
        "every resolver in trouble: the zone": (
            {"rcodes": dict.fromkeys(RESOLVERS, "SERVFAIL")},
            "FAIL",
            "still fails to answer",
        ),
        "a resolver that denies the name": (
            {"rcodes": {"resolver-2": "NXDOMAIN"}},
            "FAIL",
            "still says that there is no such name",
        ),
        "authoritative servers that can't be asked from here": (
            {"silent": ["ns1", "ns2"]},
            "PASS",
            "",
        ),
    },
)
def test_resolvers_are_instruments_until_they_answer_wrongly(
    tmp_path: pathlib.Path, servers: StandIn, bent: dict[str, Any], outcome: str, says: str
) -> None:
    servers.bend(**bent)
    check = judged(tmp_path, servers, PROPAGATED)
    assert check.outcome("eu") == outcome
    assert says in "\n".join(findings(check))


def test_what_is_on_its_way_is_waited_for(tmp_path: pathlib.Path, servers: StandIn) -> None:
    servers.bend(changed_at=time.time(), propagation_seconds=0.6)
    assert judged(tmp_path, servers, PROPAGATED).outcome("eu") is Outcome.PASS


def test_a_record_may_allow_itself_a_longer_ttl(tmp_path: pathlib.Path, servers: StandIn) -> None:
    servers.bend(ttl_seconds=3600)
    record = {"name": HOSTS[0], "type": "A", "values": ["192.0.2.20", "192.0.2.10"]}
    allowed = judged(tmp_path, servers, PUBLISHED, records=[{**record, "max_ttl": "1h"}])
    assert allowed.outcome("eu") is Outcome.PASS


def test_a_mistyped_value_and_missing_resolvers_name_the_key(
    tmp_path: pathlib.Path, servers: StandIn
) -> None:
    record = {"name": HOSTS[0], "type": "A", "values": ["not an address"]}
    with pytest.raises(NotDescribedError, match=r"dns\.records: api.*is not a valid A record"):
        judged(tmp_path, servers, PUBLISHED, records=[record])
    port = servers.ports[RESOLVERS[0]]
    alone = {"name": RESOLVERS[0], "host": "127.0.0.1", "port": port}
    for resolvers in ([], [alone]):
        with pytest.raises(NotDescribedError, match=r"dns\.resolvers; add two or more"):
            judged(tmp_path, servers, PROPAGATED, resolvers=resolvers)


def test_an_environment_without_a_zone_says_so(tmp_path: pathlib.Path) -> None:
    platform = a_platform(tmp_path, {"eu": "http://127.0.0.1:9"})
    with pytest.raises(NotDescribedError, match="section dns"):
        by_id(PUBLISHED, platform)


def test_a_baseline_holds_the_records(tmp_path: pathlib.Path, servers: StandIn) -> None:
    facts = dns_facts(dns_platform(tmp_path, servers))["shared"]
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
