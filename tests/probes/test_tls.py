"""Handshakes: what a certificate says, and chains as they go wrong in public, each with its own word."""

from __future__ import annotations

import json
import pathlib
import ssl
from collections.abc import Callable, Iterator, Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from gates.decide.outcome import Outcome
from probes.observation import Deadline, FailureKind, Observation
from probes.tls import Handshake, Problem, TlsNode, handshake, nodes
from sandbox.systems.network.zone import HOSTS, ZONE
from steps.network.rules import REMEDIES, trusted
from tests.probes import servers
from tests.probes.chains import a_chain, made, pem
from tests.probes.servers import brought, closed_port, failed, serving
from tests.steps.network_platform import StandIn, tls_ports
from tests.tables import cases

API = HOSTS[0]


@pytest.fixture
def standin(tmp_path: pathlib.Path) -> Iterator[StandIn]:
    with tls_ports(tmp_path) as running:
        yield running


def asked(
    port: int, authority: pathlib.Path | None = None, seconds: float = 5
) -> Observation[Handshake]:
    node = TlsNode("127.0.0.1", port)
    return handshake(
        node, API, str(authority) if authority else None, deadline=Deadline.after(seconds)
    )


def served(
    folder: pathlib.Path, chains: Sequence[bytes], trusted: Sequence[bytes]
) -> Observation[Handshake]:
    """Shake hands with a server that has these keys with their chains, trusting some authorities."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    for number, chain in enumerate(chains):
        file = folder / f"server-{number}.pem"
        file.write_bytes(chain)
        context.load_cert_chain(file)
    (folder / "trusted.pem").write_bytes(b"".join(trusted))
    with serving(servers.hang, tls=context) as server:
        return asked(server.port, folder / "trusted.pem")


def test_a_good_handshake_tells_names_days_key_and_protocol(
    tmp_path: pathlib.Path, standin: StandIn
) -> None:
    seen = asked(standin.ports["eu"], tmp_path / "authority.pem")
    found = brought(seen)
    assert (found.problem, found.names, found.protocol) == (None, (API,), "TLSv1.3")
    assert 89 < (found.days_left or 0) < 91
    assert len(found.fingerprint) == len(found.key) == 64
    assert found.other is None
    json.dumps(seen.record(), allow_nan=False)
    only_public = brought(asked(standin.ports["eu"]))
    assert only_public.problem is Problem.UNTRUSTED
    assert only_public.not_after is not None


def test_an_intermediate_certificate_that_expires_first_counts(tmp_path: pathlib.Path) -> None:
    root, middle, leaf = a_chain(API, (400, 10, 90))
    found = brought(served(tmp_path, [leaf + middle], [root]))
    assert found.problem is None
    assert 9 < (found.days_left or 0) < 11
    assert found.intermediate_first


def with_both(folder: pathlib.Path, rsa: tuple[bytes, bytes, bytes]) -> Observation[Handshake]:
    """Shake hands with a server that has one of ECDSA for 90 days, and this one of RSA."""
    chains = [a_chain(API, (400, 400, 90)), rsa]
    own = [leaf + middle for _, middle, leaf in chains]
    return served(folder, own, [root for root, _, _ in chains])


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
    assert other.days_left == pytest.approx(days, abs=1)


@cases("name seen", {"elsewhere": ("elsewhere.test", False), "every host": (f"*.{ZONE}", True)})
def test_the_default_of_a_server_is_no_certificate_of_the_host(
    tmp_path: pathlib.Path, name: str, *, seen: bool
) -> None:
    shown = brought(with_both(tmp_path, a_chain(name, (400, 400, 5), of_rsa=True)))
    assert (shown.other is not None) is seen


def test_a_port_that_refuses_and_one_without_tls_and_a_silent_one_are_told_apart() -> None:
    failed(asked(closed_port(), seconds=2), FailureKind.REFUSED)
    with serving(servers.hang) as server:
        silent = asked(server.port, seconds=0.5)
    failed(silent, FailureKind.TIMEOUT)
    assert silent.elapsed_seconds < 15


def test_every_address_behind_a_name_is_told_once() -> None:
    found = brought(nodes("localhost", 443, deadline=Deadline.after(5))).nodes
    assert "127.0.0.1" in {node.address for node in found}
    assert len(set(found)) == len(found)
    unknown = nodes("no-such-host.invalid", 443, deadline=Deadline.after(5))
    failed(unknown, FailureKind.NAME_NOT_RESOLVED)


KEYS = [ec.generate_private_key(ec.SECP256R1()) for _ in range(4)]
ROOT_KEY, OLD_KEY, MIDDLE_KEY, KEY = KEYS
SMALL_KEY = rsa.generate_private_key(65537, 1024)  # noqa: S505 - the mishap itself
ROOT, OLD, MIDDLE = ("Root", ROOT_KEY), ("Old Root", OLD_KEY), ("Middle", MIDDLE_KEY)
GOOD_ROOT = made("Root", None, ROOT_KEY, ca=True, days=(-900, 900))
EXPIRED_ROOT = made("Root", None, ROOT_KEY, ca=True, days=(-900, -5))
OLD_ROOT = made("Old Root", None, OLD_KEY, ca=True, days=(-4000, -30))
CROSS = made("Root", OLD, ROOT_KEY, ca=True, days=(-2000, -30))
GOOD_MIDDLE = made("Middle", ROOT, MIDDLE_KEY, ca=True, days=(-800, 800))
EXPIRED_MIDDLE = made("Middle", ROOT, MIDDLE_KEY, ca=True, days=(-800, -5))
COMING_MIDDLE = made("Middle", ROOT, MIDDLE_KEY, ca=True, days=(5, 800))
FALSE_MIDDLE = made("Middle", ROOT, MIDDLE_KEY, ca=False, days=(-800, 800))
LEAF = made(API, MIDDLE, KEY, fetched=True)
STRANGER = made(API, OLD, KEY)
_CLIENTS = ExtendedKeyUsageOID.CLIENT_AUTH
_Chain = tuple[x509.Certificate, ...]
WHOLE = (LEAF, GOOD_MIDDLE)
MISHAPS: dict[str, tuple[_Chain, _Chain]] = {
    "a good chain": (WHOLE, (GOOD_ROOT,)),
    "and a cross-signed root that is expired": ((*WHOLE, CROSS), (GOOD_ROOT,)),
    "whose old root is trusted too": ((*WHOLE, CROSS, OLD_ROOT), (OLD_ROOT, GOOD_ROOT)),
    "in the wrong order": ((LEAF, CROSS, GOOD_MIDDLE), (GOOD_ROOT,)),
    "an expired copy sent too": ((LEAF, EXPIRED_MIDDLE, GOOD_MIDDLE), (GOOD_ROOT,)),
    "the intermediate one not sent": ((LEAF,), (GOOD_ROOT,)),
    "another one sent in its place": ((LEAF, CROSS), (GOOD_ROOT,)),
    "the intermediate one expired": ((LEAF, EXPIRED_MIDDLE), (GOOD_ROOT,)),
    "the intermediate one not yet valid": ((LEAF, COMING_MIDDLE), (GOOD_ROOT,)),
    "signed by one that may not": ((LEAF, FALSE_MIDDLE), (GOOD_ROOT,)),
    "the root here expired": (WHOLE, (EXPIRED_ROOT,)),
    "a whole chain to an unknown root": (WHOLE, (OLD_ROOT,)),
    "with that root sent": ((*WHOLE, GOOD_ROOT), (OLD_ROOT,)),
    "signed by a strange authority": ((STRANGER,), (GOOD_ROOT,)),
    "signed by itself": ((made(API, None, KEY),), (GOOD_ROOT,)),
    "expired": ((made(API, ROOT, KEY, days=(-90, -1)),), (GOOD_ROOT,)),
    "to come": ((made(API, ROOT, KEY, days=(1, 90)),), (GOOD_ROOT,)),
    "made out to another name": ((made(API, ROOT, KEY, hosts=("else.test",)),), (GOOD_ROOT,)),
    "made for clients": ((made(API, ROOT, KEY, usage=_CLIENTS),), (GOOD_ROOT,)),
    "a key that is too small": ((made(API, ROOT, SMALL_KEY),), (GOOD_ROOT,)),
}


def test_every_mishap_has_its_own_word(tmp_path: pathlib.Path, said: Callable[..., None]) -> None:
    def problem(sent: _Chain, trusted: _Chain) -> str | None:
        key = SMALL_KEY if sent[0].public_key() == SMALL_KEY.public_key() else KEY
        found = brought(served(tmp_path, [pem(*sent, key=key)], [pem(*trusted)])).problem
        return found and found.name

    said({name: problem(*chains) for name, chains in MISHAPS.items()})


def test_a_missing_intermediate_certificate_is_served_and_not_renewed(
    tmp_path: pathlib.Path,
) -> None:
    seen = served(tmp_path, [pem(LEAF, key=KEY)], [pem(GOOD_ROOT)])
    judged = trusted("certificate of api", brought(seen))
    assert judged.outcome is Outcome.FAIL
    assert "its server does not send the intermediate certificate" in judged.sentence
    assert judged.clears.startswith("the chain served")
    assert "need not be renewed" in judged.clears


def test_every_problem_has_a_remedy() -> None:
    assert {one.name for one in Problem} == set(REMEDIES)
