from __future__ import annotations

import json
import pathlib
import ssl
from collections.abc import Iterator

import pytest

from probes.observation import Deadline, FailureKind, Observation
from probes.tls import Handshake, Problem, TlsNode, handshake, nodes
from sandbox.systems.network.zone import HOSTS, ZONE
from tests.probes import servers
from tests.probes.chains import a_chain
from tests.probes.servers import brought, closed_port, failed, serving
from tests.steps.network_platform import StandIn, tls_ports

API = HOSTS[0]


@pytest.fixture
def standin(tmp_path: pathlib.Path) -> Iterator[StandIn]:
    with tls_ports(tmp_path) as running:
        yield running


def test_a_good_handshake_tells_names_days_key_and_protocol(
    tmp_path: pathlib.Path, standin: StandIn
) -> None:
    node = TlsNode("127.0.0.1", standin.ports["eu"])
    authority = str(tmp_path / "authority.pem")
    seen = handshake(node, API, authority, deadline=Deadline.after(5))
    found = brought(seen)
    assert (found.problem, found.names, found.protocol) == (None, (API,), "TLSv1.3")
    assert found.days_left is not None
    assert 89 < found.days_left < 91
    assert len(found.fingerprint) == len(found.key) == 64
    assert found.other is None
    json.dumps(seen.record(), allow_nan=False)


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("expired", "it is expired"),
        ("other-host", "it is made out to another name"),
        ("unknown-authority", "it is signed by an authority that is not trusted here"),
    ],
)
def test_what_is_not_to_be_trusted_is_a_value_with_its_reason(
    tmp_path: pathlib.Path, standin: StandIn, kind: str, problem: str
) -> None:
    standin.bend(shown={API: kind})
    node = TlsNode("127.0.0.1", standin.ports["eu"])
    authority = str(tmp_path / "authority.pem")
    seen = brought(handshake(node, API, authority, deadline=Deadline.after(5)))
    assert seen.problem is not None
    assert seen.problem.value == problem
    assert seen.not_after is not None


def test_an_intermediate_certificate_that_expires_first_counts(tmp_path: pathlib.Path) -> None:
    root, middle, leaf = a_chain(API, (400, 10, 90))
    (tmp_path / "authority.pem").write_bytes(root)
    (tmp_path / "server.pem").write_bytes(leaf + middle)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    with serving(servers.hang, tls=context) as server:
        node = TlsNode("127.0.0.1", server.port)
        authority = str(tmp_path / "authority.pem")
        seen = handshake(node, API, authority, deadline=Deadline.after(5)).value
    assert seen is not None
    assert seen.problem is None
    assert seen.days_left is not None
    assert 9 < seen.days_left < 11
    assert seen.intermediate_first


def with_both(folder: pathlib.Path, rsa: tuple[bytes, bytes, bytes]) -> Observation[Handshake]:
    """Shake hands with a server that has one of ECDSA for 90 days, and this one of RSA."""
    chains = [a_chain(API, (400, 400, 90)), rsa]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for number, (_, middle, leaf) in enumerate(chains):
        file = folder / f"server-{number}.pem"
        file.write_bytes(leaf + middle)
        context.load_cert_chain(file)
    authorities = folder / "authority.pem"
    authorities.write_bytes(b"".join(root for root, _, _ in chains))
    with serving(servers.hang, tls=context) as server:
        node = TlsNode("127.0.0.1", server.port)
        return handshake(node, API, str(authorities), deadline=Deadline.after(5))


@pytest.mark.parametrize("days", [90, 5, -0.5])
def test_the_certificate_for_clients_of_the_other_kind_of_key_is_seen_too(
    tmp_path: pathlib.Path, days: float
) -> None:
    seen = with_both(tmp_path, a_chain(API, (400, 400, days), of_rsa=True))
    json.dumps(seen.record(), allow_nan=False)
    found = brought(seen)
    assert (found.rsa, found.problem) == (False, None)
    other = found.other
    assert other is not None
    assert (other.rsa, other.problem) == (True, None if days > 0 else Problem.EXPIRED)
    assert other.days_left is not None
    assert abs(other.days_left - days) < 1


@pytest.mark.parametrize(("name", "seen"), [("elsewhere.test", False), (f"*.{ZONE}", True)])
def test_the_default_of_a_server_is_no_certificate_of_the_host(
    tmp_path: pathlib.Path, name: str, *, seen: bool
) -> None:
    shown = brought(with_both(tmp_path, a_chain(name, (400, 400, 5), of_rsa=True)))
    assert (shown.other is not None) is seen


def test_without_a_ca_file_only_public_authorities_count(standin: StandIn) -> None:
    node = TlsNode("127.0.0.1", standin.ports["eu"])
    seen = brought(handshake(node, API, None, deadline=Deadline.after(5)))
    assert seen.problem is Problem.UNTRUSTED


def test_a_port_that_refuses_and_one_without_tls_and_a_silent_one_are_told_apart() -> None:
    refused = handshake(TlsNode("127.0.0.1", closed_port()), API, None, deadline=Deadline.after(2))
    failed(refused, FailureKind.REFUSED)
    with serving(servers.hang) as server:
        silent = handshake(
            TlsNode("127.0.0.1", server.port), API, None, deadline=Deadline.after(0.5)
        )
    failed(silent, FailureKind.TIMEOUT)
    assert silent.elapsed_seconds < 3


def test_every_address_behind_a_name_is_told_once() -> None:
    found = brought(nodes("localhost", 443, deadline=Deadline.after(5)))
    assert "127.0.0.1" in {node.address for node in found.nodes}
    assert len(set(found.nodes)) == len(found.nodes)
    unknown = nodes("no-such-host.invalid", 443, deadline=Deadline.after(5))
    failed(unknown, FailureKind.NAME_NOT_RESOLVED)
