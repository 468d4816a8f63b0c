"""Chains of certificates by hand: an authority, an intermediate one, a host's."""

from __future__ import annotations

import datetime as dt
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def a_chain(
    host: str, days: tuple[float, float, float], *, of_rsa: bool = False
) -> tuple[bytes, bytes, bytes]:
    """Return, as PEM, an authority, an intermediate certificate and a host's with its key.

    `days` says how long each of them lasts; with `of_rsa` the host's own key is one of RSA.
    """
    top, above = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    own: Key = ec.generate_private_key(ec.SECP256R1())
    if of_rsa:
        own = rsa.generate_private_key(65537, 2048)
    kind = "RSA" if of_rsa else "ECDSA"
    authority, intermediate = (f"authority for {kind}", top), (f"intermediate for {kind}", above)
    root = made(authority[0], None, top, ca=True, days=(-1, days[0]))
    middle = made(intermediate[0], authority, above, ca=True, days=(-1, days[1]))
    leaf = made(host, intermediate, own, days=(-1, days[2]))
    return pem(root), pem(middle), pem(leaf, key=own)


def pem(*certificates: x509.Certificate, key: Key | None = None) -> bytes:
    """Return a key, if one is given, and certificates as files hold them."""
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    own = key.private_bytes(*form) if key else b""
    return own + b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


def made(subject: str, of: tuple[str, Key] | None, key: Key, **how: Any) -> x509.Certificate:
    """Return a certificate of `subject`, signed by the authority `of` or by itself.

    `how`: ca (whether it may sign others), days (from, until), fetched (whether it says where its
    issuer's is), usage (an extended key usage), hosts.
    """
    issuer, issuer_key = of or (subject, key)
    begins, ends = how.get("days", (-400, 90))
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    extensions: list[x509.ExtensionType] = [
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
        identifier,
    ]
    if not how.get("ca"):
        names = [x509.DNSName(one) for one in how.get("hosts", (subject,))]
        extensions.append(x509.SubjectAlternativeName(names))
    if how.get("fetched"):
        place = x509.UniformResourceIdentifier("http://ca.invalid/middle.crt")
        found = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, place)
        extensions.append(x509.AuthorityInformationAccess([found]))
    if "usage" in how:
        extensions.append(x509.ExtendedKeyUsage([how["usage"]]))
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins * day)
        .not_valid_after(now + ends * day)
        .add_extension(x509.BasicConstraints(how.get("ca", False), None), critical=True)
    )
    for one in extensions:
        builder = builder.add_extension(one, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
