"""The TLS probe: a real handshake under a host's name, and what its certificate says.

A certificate that nobody should trust is a value too, with the reason why: it is read in a second
handshake that sends nothing. Only the lack of a handshake is a failure.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import hashlib
import re
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from probes import network
from probes.observation import (
    EVERYTHING,
    Deadline,
    FailureKind,
    Observation,
    PhaseClock,
    Shown,
    explained,
    failures_of,
    observed,
    utc_now,
)

PHASES: Final = ("resolve", "connect", "tls", "certificate")


class Problem(enum.Enum):
    """Why a certificate is not to be trusted under a name, in words."""

    UNTRUSTED = "it is signed by an authority that is not trusted here"
    SELF_SIGNED = "it is self-signed"
    NO_CHAIN = "its server does not send the intermediate certificate that signed it"
    EXPIRED = "it is expired"
    ABOVE_EXPIRED = "an intermediate certificate that its server sends is expired"
    AUTHORITY_EXPIRED = "the certificate of the authority that is trusted here is expired"
    NOT_YET_VALID = "it is not valid yet"
    ABOVE_NOT_YET_VALID = "a certificate above it is not valid yet"
    OTHER_NAME = "it is made out to another name"
    NOT_A_SERVERS = "it is not made for servers"
    NO_AUTHORITY = "the certificate that signed it may not sign any"
    TOO_WEAK = "its key or signature, or one above it, is too weak"
    OLD_TLS = "it offers only versions of TLS before 1.2"
    OTHER = "it does not verify"


_UNKNOWN_ISSUER: Final = frozenset({2, 19, 20, 21, 27})
_EXPIRED: Final = 10
_NOT_YET_VALID: Final = 9
_BY_CODE: Final = {
    18: Problem.SELF_SIGNED,
    24: Problem.NO_AUTHORITY,
    26: Problem.NOT_A_SERVERS,
    32: Problem.NO_AUTHORITY,
    62: Problem.OTHER_NAME,
    64: Problem.OTHER_NAME,
    66: Problem.TOO_WEAK,
    67: Problem.TOO_WEAK,
    68: Problem.TOO_WEAK,
    79: Problem.NO_AUTHORITY,
}
"""What OpenSSL's codes of a failed verification mean (x509_vfy.h)."""
_OLD_PROTOCOL: Final = frozenset(
    {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_SSL_VERSION"}
)
_HOST: Final = re.compile(r"[A-Za-z0-9_.*:-]{1,255}")
_SENTENCES: Final = failures_of("tls")


@dataclasses.dataclass(frozen=True, slots=True)
class TlsNode:
    """One address that terminates TLS."""

    address: str
    port: int

    @property
    def shown(self) -> str:
        """Return it as reports show it."""
        return f"{self.address}:{self.port}"


@dataclasses.dataclass(frozen=True, slots=True)
class Nodes:
    """Every address behind a name."""

    nodes: tuple[TlsNode, ...]
    beyond: tuple[TlsNode, ...] = ()
    """IPv6 addresses beside IPv4 ones, where this machine has no IPv6."""

    def facts(self) -> Mapping[str, object]:
        """Return the addresses."""
        return {
            "addresses": [node.shown for node in self.nodes],
            "without a route": [node.shown for node in self.beyond],
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Handshake(Shown):
    """What a node showed for a host's name; days are counted when it was looked at."""

    KEPT = EVERYTHING

    host: str
    problem: Problem | None
    """Why it is not to be trusted under this name; None when it is."""
    protocol: str | None
    """`TLSv1.2`, `TLSv1.3`; None when the node offers none of them."""
    days_left: float | None
    """Of whatever expires first on the way to the authority: its own, or an intermediate one's."""
    not_after: dt.datetime | None
    names: tuple[str, ...] = ()
    """The hosts that it is made out to."""
    fingerprint: str = ""
    key: str = ""
    intermediate_first: bool = False
    """Whether an intermediate certificate expires before it."""
    rsa: bool = False
    other: Handshake | None = None
    """The certificate for clients of the other kind of key (RSA or ECDSA), where it has one for each."""


def nodes(host: str, port: int, *, deadline: Deadline) -> Observation[Nodes]:
    """Return every address behind a name, in the system's order."""

    def measured(clock: PhaseClock) -> Nodes:
        clock.enter("resolve")
        found = network.resolve(host, port, deadline)
        # One address may be listed once for each protocol.
        every = [TlsNode(str(one), port) for one in dict.fromkeys(a[0] for _, a in found)]
        lost = [one for one in every if ":" in one.address and not network.has_route(one.address)]
        if len(lost) == len(every):
            lost = []
        return Nodes(tuple(one for one in every if one not in lost), tuple(lost))

    explain = explained(f"{host}:{port}", failure_kind, _SENTENCES)
    return observed("tls", f"address of {host}", measured, explain, phases=["resolve"])


def handshake(
    node: TlsNode, host: str, ca_file: str | None, *, deadline: Deadline
) -> Observation[Handshake]:
    """Shake hands with a node under a host's name, trusting the public authorities or `ca_file`."""
    return observed(
        "tls",
        f"tls://{node.shown} as {host}",
        lambda clock: _look(node, host, ca_file, deadline, clock),
        explained(f"{host} at {node.shown}", failure_kind, _SENTENCES),
        PHASES,
    )


def _look(
    node: TlsNode, host: str, ca_file: str | None, deadline: Deadline, clock: PhaseClock
) -> Handshake:
    try:
        shown = _shown(node, host, network.tls_context(ca_file), deadline, clock)
    except ssl.SSLError as exc:
        if exc.reason not in _OLD_PROTOCOL:
            raise
        return Handshake(host, Problem.OLD_TLS, None, None, None)
    try:
        context = _context_for(ca_file, rsa=not shown.rsa)
        other = _shown(node, host, context, deadline, clock)
    except OSError:
        return shown  # it has none, or none that any client of that kind ever meets
    if not _is_for(host, other.names):
        return shown  # the server's own default, for names that it does not know
    return dataclasses.replace(shown, other=dataclasses.replace(other, protocol=None))


def _shown(
    node: TlsNode, host: str, context: ssl.SSLContext, deadline: Deadline, clock: PhaseClock
) -> Handshake:
    problem = None
    try:
        protocol, chain = _shake(node, host, context, deadline, clock)
    except ssl.SSLCertVerificationError as exc:
        protocol, sent = _shake(node, host, _trusting(context), deadline, clock)
        problem, chain = _problem(exc.verify_code, sent), sent[:1]
    clock.enter("certificate")
    return _described(host, problem, protocol, chain)


def _shake(
    node: TlsNode, host: str, context: ssl.SSLContext, deadline: Deadline, clock: PhaseClock
) -> tuple[str, list[bytes]]:
    connection = network.open_tcp(node.address, node.port, deadline, clock)
    clock.enter("tls")
    with network.wrap_tls(connection, host, context, deadline) as shaken:
        return shaken.version() or "", _chain(shaken)


def _chain(shaken: ssl.SSLSocket) -> list[bytes]:
    """Return the certificate and the intermediate ones above it, without the authority's own.

    Python offers the chain from 3.13 on; before, only the object behind the socket does. Of a chain
    that was not verified it is all that the server sent, in its order.
    """
    leaf = shaken.getpeercert(binary_form=True) or b""
    verified = shaken.context.verify_mode is ssl.CERT_REQUIRED
    name = "get_verified_chain" if verified else "get_unverified_chain"
    offered = getattr(shaken, name, None)
    if offered is not None:
        chain = list(offered())
    else:
        told: list[Any] = getattr(getattr(shaken, "_sslobj", None), name, list)() or []
        chain = [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in told]
    return [leaf, *(chain[1:-1] if verified else chain[1:])]


def _context_for(ca_file: str | None, *, rsa: bool) -> ssl.SSLContext:
    """Return a verifying context that takes one kind of key: only TLS 1.2 lets a client say so here."""
    context = ssl.create_default_context(cafile=ca_file or network.PUBLIC_AUTHORITIES)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("aRSA" if rsa else "aECDSA")
    return context


def _trusting(verifying: ssl.SSLContext) -> ssl.SSLContext:
    """Return a context that reads any certificate; nothing is ever sent through it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = verifying.maximum_version
    offered = ":".join(one["name"] for one in verifying.get_ciphers())
    context.set_ciphers(offered)
    return context


def _problem(verify_code: int, sent: list[bytes]) -> Problem:
    if verify_code in _UNKNOWN_ISSUER:
        return _of_unknown_issuer(sent)
    if verify_code in (_EXPIRED, _NOT_YET_VALID):
        return _of_time(sent, expired=verify_code == _EXPIRED)
    return _BY_CODE.get(verify_code, Problem.OTHER)


def _of_unknown_issuer(sent: list[bytes]) -> Problem:
    """Return whether the chain has a gap above the certificate, or ends at a stranger.

    An authority of one's own that signs without an intermediate certificate looks like a gap only
    where the certificate says where to fetch its issuer's, or where others are sent that did not sign it.
    """
    leaf, *others = map(x509.load_der_x509_certificate, sent)
    if any(one.subject == leaf.issuer for one in others) or leaf.subject == leaf.issuer:
        return Problem.UNTRUSTED
    fetched = any(
        one.oid == x509.oid.ExtensionOID.AUTHORITY_INFORMATION_ACCESS for one in leaf.extensions
    )
    return Problem.NO_CHAIN if fetched or others else Problem.UNTRUSTED


def _of_time(sent: list[bytes], *, expired: bool) -> Problem:
    """Return which certificate of a chain it is whose time is over, or has not come."""
    now = utc_now()
    outside = [
        one.not_valid_after_utc < now if expired else one.not_valid_before_utc > now
        for one in map(x509.load_der_x509_certificate, sent)
    ]
    if outside[0]:
        return Problem.EXPIRED if expired else Problem.NOT_YET_VALID
    if not expired:
        return Problem.ABOVE_NOT_YET_VALID
    return Problem.ABOVE_EXPIRED if any(outside) else Problem.AUTHORITY_EXPIRED


def _described(host: str, problem: Problem | None, protocol: str, chain: list[bytes]) -> Handshake:
    certificate, *above = map(x509.load_der_x509_certificate, chain)
    ends = min(one.not_valid_after_utc for one in (certificate, *above))
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Handshake(
        host=host,
        problem=problem,
        protocol=protocol,
        days_left=(ends - utc_now()) / dt.timedelta(days=1),
        not_after=ends,
        names=_names(certificate),
        fingerprint=hashlib.sha256(chain[0]).hexdigest(),
        key=hashlib.sha256(key).hexdigest(),
        intermediate_first=ends < certificate.not_valid_after_utc,
        rsa=isinstance(certificate.public_key(), RSAPublicKey),
    )


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    names = found.value.get_values_for_type(x509.DNSName)
    return tuple(name for name in names if _HOST.fullmatch(name))


def _is_for(host: str, names: Sequence[str]) -> bool:
    """Return whether a certificate is made out to a host, or to all beside it."""
    beside = f"*.{host.lower().partition('.')[2]}"
    return any(name.lower() in (host.lower(), beside) for name in names)


def failure_kind(exc: BaseException) -> FailureKind | None:
    """Return what an exception of the system, of OpenSSL or of the certificate's parser means."""
    return network.kind_of_any(exc, {ValueError: FailureKind.UNUSABLE_ANSWER})
