from __future__ import annotations

import dataclasses
import pathlib
import re
import ssl
from collections.abc import Iterator

import pytest

from gates.decide.outcome import Outcome
from probes import network, tls
from probes.observation import Deadline
from sandbox.systems.network.zone import HOSTS
from settings.network import CertificatePolicy, Certificates
from steps.kit.check import Check
from steps.kit.platform import NotDescribedError, Platform
from steps.network.reading import certificate_facts
from tests.golden import Said
from tests.probes import servers
from tests.probes.chains import a_chain
from tests.probes.servers import closed_port, serving
from tests.steps.network_platform import StandIn, tls_platform, tls_ports
from tests.steps.patient_server import patient_server
from tests.steps.platforms import a_platform
from tests.steps.scenarios import judged as by_id
from tests.steps.scenarios import wrong

API = HOSTS[0]


@pytest.fixture
def standin(tmp_path: pathlib.Path) -> Iterator[StandIn]:
    with tls_ports(tmp_path) as running:
        yield running


@pytest.fixture
def platform(tmp_path: pathlib.Path, standin: StandIn) -> Platform:
    """Return a platform of two regions with good certificates."""
    return tls_platform(tmp_path, standin)


def judged(platform: Platform, **changes: object) -> Check:
    """Run the check; sections of the environment may be changed."""
    settings = platform.environment.settings.model_copy(update=changes)
    loaded = dataclasses.replace(platform.environment, settings=settings)
    return by_id("T7-INFRA-7", dataclasses.replace(platform, environment=loaded))


def at(folder: pathlib.Path, *addresses: str) -> Platform:
    """Return a platform of one region that terminates TLS for the first host at these addresses."""
    authority = str(folder / "authority.pem")
    section = {"hosts": [API], "addresses": {"eu": [*addresses]}, "ca_file": authority}
    return a_platform(folder, {"eu": "http://127.0.0.1:9"}, certificates=section)


def test_good_certificates_pass_with_three_findings_for_each_host(platform: Platform) -> None:
    check = judged(platform)
    assert [check.outcome(region) for region in ("eu", "us")] == [Outcome.PASS] * 2
    assert len(check.noted()["eu"].judgements) == 3 * len(HOSTS)


@pytest.mark.parametrize("kind", ["expired", "ten-days-left", "other-host", "unknown-authority"])
def test_a_bad_certificate_in_one_region_fails_there_and_is_named(
    platform: Platform, standin: StandIn, kind: str, said: Said
) -> None:
    standin.bend(shown={f"us/{API}": kind})
    check = judged(platform)
    assert check.outcome("eu") is Outcome.PASS
    said([AGES.sub("…", one) for one in wrong(check, "us")])


AGES = re.compile(r"(?<=until )[^)]+|-\d.*(?= days,)")


def test_a_server_that_knows_only_old_versions_of_tls_fails(
    tmp_path: pathlib.Path, standin: StandIn
) -> None:
    found, *_ = wrong(judged(tls_platform(tmp_path, standin, us=standin.ports["old"])), "us")
    assert found.startswith("FAIL")
    assert "it offers only versions of TLS before 1.2" in found


def test_a_refused_handshake_fails_once_something_else_answers(
    tmp_path: pathlib.Path, standin: StandIn
) -> None:
    platform = tls_platform(tmp_path, standin, us=closed_port())
    assert judged(platform).outcome("us") is Outcome.ERROR
    with patient_server() as other:
        found, *_ = wrong(judged(platform, vantage_controls=(other.url,)), "us")
    assert found.startswith("FAIL")
    assert "connection refused" in found


def test_an_authority_file_that_is_gone_is_our_own_fault(
    tmp_path: pathlib.Path, platform: Platform
) -> None:
    (tmp_path / "authority.pem").unlink()
    found, *_ = wrong(judged(platform))
    assert found.startswith("ERROR")
    assert "check ca_file" in found


def test_several_addresses_are_all_asked_and_their_keys_compared(
    tmp_path: pathlib.Path, standin: StandIn
) -> None:
    both = [f"127.0.0.1:{standin.ports[region]}" for region in ("eu", "us")]
    check = judged(at(tmp_path, *both))
    assert check.outcome("eu") is Outcome.PASS
    said = [one.sentence for one in check.noted()["eu"].judgements]
    assert f"2 nodes of {API} show 1 different keys" in said


def test_a_gate_without_ipv6_looks_at_the_ipv4_addresses_of_the_same_name_and_says_so(
    tmp_path: pathlib.Path, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved, found = network.resolve, ["2001:db8::1", "127.0.0.1"]

    def resolve(host: str, port: int, deadline: Deadline) -> list[network.Address]:
        names = found if host == "edge.test" else [host]
        return [address for name in names for address in resolved(name, port, deadline)]

    monkeypatch.setattr(network, "resolve", resolve)
    monkeypatch.setattr(network, "has_route", lambda address: ":" not in address)
    check = judged(at(tmp_path, f"edge.test:{standin.ports['eu']}"))
    assert check.outcome("eu") is Outcome.PASS, wrong(check)
    assert "not checked: 2001:db8::1" in str(check.noted()["eu"].judgements)
    found.remove("127.0.0.1")
    alone = tls.nodes("edge.test", 443, deadline=Deadline.after(1)).value
    assert alone == tls.Nodes((tls.TlsNode("2001:db8::1", 443),))


def test_the_rsa_certificate_beside_a_good_one_fails_by_itself(tmp_path: pathlib.Path) -> None:
    chains = [a_chain(API, (400, 400, 90)), a_chain(API, (400, 400, 9), of_rsa=True)]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for _, middle, leaf in chains:
        (tmp_path / "server.pem").write_bytes(leaf + middle)
        context.load_cert_chain(tmp_path / "server.pem")
    (tmp_path / "authority.pem").write_bytes(b"".join(root for root, _, _ in chains))
    with serving(servers.hang, tls=context) as server:
        check = judged(at(tmp_path, f"127.0.0.1:{server.port}"))
    assert check.outcome("eu") is Outcome.FAIL
    assert wrong(check)[0].startswith(f"FAIL: RSA certificate of {API}")


def test_a_region_without_an_address_of_its_own_is_not_seen_where_several_are_asked(
    platform: Platform,
) -> None:
    section = platform.section(Certificates)
    nearest = {"hosts": ("localhost",), "addresses": {"eu": section.addresses["eu"]}}
    certificates = section.model_copy(update=nearest)
    both = judged(platform, certificates=certificates)
    assert "us has no separate address" in wrong(both, "us")[0]
    assert "no separate address" not in str(wrong(both, "eu"))
    alone = judged(dataclasses.replace(platform, regions=("us",)), certificates=certificates)
    assert "no separate address" not in str(wrong(alone, "us"))


def test_a_policy_may_want_tls_1_3(platform: Platform) -> None:
    strict = CertificatePolicy(min_protocol="TLSv1.3", min_days_left=80)
    policy = platform.policy.model_copy(update={"certificates": strict})
    assert judged(dataclasses.replace(platform, policy=policy)).outcome("eu") is Outcome.PASS


def test_an_environment_without_hosts_says_so(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NotDescribedError, match="section certificates"):
        judged(a_platform(tmp_path, {"eu": "http://127.0.0.1:9"}))


def test_a_baseline_holds_every_certificate(platform: Platform) -> None:
    facts = certificate_facts(platform)
    assert set(facts) == {"eu", "us"}
    assert len(facts["eu"]) == len(HOSTS)
