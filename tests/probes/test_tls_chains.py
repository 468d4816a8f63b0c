"""Chains as they go wrong in public, each with the words and the remedy that fit it."""

from __future__ import annotations

import pathlib
import ssl

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from gates.decide.outcome import Outcome
from probes.observation import Deadline
from probes.tls import Handshake, Problem, TlsNode, handshake
from steps.network.rules import REMEDIES, trusted
from tests.probes import servers
from tests.probes.chains import made
from tests.probes.servers import brought, serving
from tests.tables import cases

HOST = "api.clinic.test"
KEYS = [ec.generate_private_key(ec.SECP256R1()) for _ in range(4)]
ROOT_KEY, OLD_KEY, MIDDLE_KEY, KEY = KEYS
ROOT, OLD, MIDDLE = ("Root", ROOT_KEY), ("Old Root", OLD_KEY), ("Middle", MIDDLE_KEY)
GOOD_ROOT = made(*ROOT[:1], None, ROOT_KEY, ca=True, days=(-900, 900))
EXPIRED_ROOT = made(*ROOT[:1], None, ROOT_KEY, ca=True, days=(-900, -5))
OLD_ROOT = made(*OLD[:1], None, OLD_KEY, ca=True, days=(-4000, -30))
CROSS = made("Root", OLD, ROOT_KEY, ca=True, days=(-2000, -30))
GOOD_MIDDLE = made("Middle", ROOT, MIDDLE_KEY, ca=True, days=(-800, 800))
EXPIRED_MIDDLE = made("Middle", ROOT, MIDDLE_KEY, ca=True, days=(-800, -5))
COMING_MIDDLE = made("Middle", ROOT, MIDDLE_KEY, ca=True, days=(5, 800))
FALSE_MIDDLE = made("Middle", ROOT, MIDDLE_KEY, ca=False, days=(-800, 800))
LEAF = made(HOST, MIDDLE, KEY, fetched=True)
STRANGER = made(HOST, OLD, KEY)
SMALL_KEY = rsa.generate_private_key(65537, 1024)  # noqa: S505 - the mishap itself


def shown(
    folder: pathlib.Path,
    sent: tuple[x509.Certificate, ...],
    trusted: tuple[x509.Certificate, ...],
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = KEY,
) -> Handshake:
    """Shake hands with a server that sends a chain, trusting some authorities."""
    chain = b"".join(one.public_bytes(Encoding.PEM) for one in sent)
    own = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "server.pem").write_bytes(own + chain)
    (folder / "ca.pem").write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in trusted))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(folder / "server.pem")
    with serving(servers.hang, tls=context) as server:
        node = TlsNode("127.0.0.1", server.port)
        seen = handshake(node, HOST, str(folder / "ca.pem"), deadline=Deadline.after(5))
    return brought(seen)


@cases(
    "sent trusted problem",
    {
        "a good chain": ((LEAF, GOOD_MIDDLE), (GOOD_ROOT,), None),
        "and a cross-signed root that is expired": ((LEAF, GOOD_MIDDLE, CROSS), (GOOD_ROOT,), None),
        "whose old root is trusted too": (
            (LEAF, GOOD_MIDDLE, CROSS, OLD_ROOT),
            (OLD_ROOT, GOOD_ROOT),
            None,
        ),
        "in the wrong order": ((LEAF, CROSS, GOOD_MIDDLE), (GOOD_ROOT,), None),
        "an expired copy sent too": ((LEAF, EXPIRED_MIDDLE, GOOD_MIDDLE), (GOOD_ROOT,), None),
        "the intermediate one not sent": ((LEAF,), (GOOD_ROOT,), Problem.NO_CHAIN),
        "another one sent in its place": ((LEAF, CROSS), (GOOD_ROOT,), Problem.NO_CHAIN),
        "the intermediate one expired": (
            (LEAF, EXPIRED_MIDDLE),
            (GOOD_ROOT,),
            Problem.ABOVE_EXPIRED,
        ),
        "the intermediate one not yet valid": (
            (LEAF, COMING_MIDDLE),
            (GOOD_ROOT,),
            Problem.ABOVE_NOT_YET_VALID,
        ),
        "signed by one that may not": ((LEAF, FALSE_MIDDLE), (GOOD_ROOT,), Problem.NO_AUTHORITY),
        "the root here expired": ((LEAF, GOOD_MIDDLE), (EXPIRED_ROOT,), Problem.AUTHORITY_EXPIRED),
        "a whole chain to an unknown root": ((LEAF, GOOD_MIDDLE), (OLD_ROOT,), Problem.UNTRUSTED),
        "with that root sent": ((LEAF, GOOD_MIDDLE, GOOD_ROOT), (OLD_ROOT,), Problem.UNTRUSTED),
        "signed by a strange authority": ((STRANGER,), (GOOD_ROOT,), Problem.UNTRUSTED),
        "signed by itself": ((made(HOST, None, KEY),), (GOOD_ROOT,), Problem.SELF_SIGNED),
        "expired": ((made(HOST, ROOT, KEY, days=(-90, -1)),), (GOOD_ROOT,), Problem.EXPIRED),
        "to come": ((made(HOST, ROOT, KEY, days=(1, 90)),), (GOOD_ROOT,), Problem.NOT_YET_VALID),
        "made out to another name": (
            (made(HOST, ROOT, KEY, hosts=("elsewhere.test",)),),
            (GOOD_ROOT,),
            Problem.OTHER_NAME,
        ),
        "made for clients": (
            (made(HOST, ROOT, KEY, usage=ExtendedKeyUsageOID.CLIENT_AUTH),),
            (GOOD_ROOT,),
            Problem.NOT_A_SERVERS,
        ),
    },
)
def test_every_mishap_has_its_own_word(
    sent: tuple[x509.Certificate, ...],
    trusted: tuple[x509.Certificate, ...],
    problem: Problem | None,
    tmp_path: pathlib.Path,
) -> None:
    assert shown(tmp_path, sent, trusted).problem is problem


def test_a_key_that_is_too_small_has_its_own_word(tmp_path: pathlib.Path) -> None:
    small = made(HOST, ROOT, SMALL_KEY)
    found = shown(tmp_path, (small,), (GOOD_ROOT,), SMALL_KEY)
    assert found.problem is Problem.TOO_WEAK


def test_a_missing_intermediate_certificate_is_served_and_not_renewed(
    tmp_path: pathlib.Path,
) -> None:
    judged = trusted("certificate of api", shown(tmp_path, (LEAF,), (GOOD_ROOT,)))
    assert judged.outcome is Outcome.FAIL
    assert "its server does not send the intermediate certificate" in judged.sentence
    assert judged.clears.startswith("the chain served")
    assert "need not be renewed" in judged.clears


def test_every_problem_has_a_remedy() -> None:
    assert {one.name for one in Problem} == set(REMEDIES)
