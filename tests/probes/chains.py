"""Chains of certificates by hand: an authority, an intermediate one, a host's."""

from __future__ import annotations

import datetime as dt
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def a_chain(
    host: str, days: tuple[float, float, float], *, of_rsa: bool = False
) -> tuple[bytes, bytes, bytes]:
    """Return, as PEM, an authority, an intermediate certificate and a host's with its key.

    `days` says how long each of them lasts; with `of_rsa` the host's own key is one of RSA.
    """
    keys: list[_Key] = [ec.generate_private_key(ec.SECP256R1()) for _ in days]
    if of_rsa:
        keys[2] = rsa.generate_private_key(65537, 2048)
    kind = "RSA" if of_rsa else "ECDSA"
    names = [_name(f"authority for {kind}"), _name(f"intermediate for {kind}"), _name(host)]
    made = [
        _signed(names[n], keys[n], names[max(0, n - 1)], keys[max(0, n - 1)], days[n], host)
        for n in range(3)
    ]
    key = keys[2].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made[0], made[1], key + made[2]


def made(subject: str, of: tuple[str, _Key] | None, key: _Key, **how: Any) -> x509.Certificate:
    """Return a certificate of `subject`, signed by the authority `of` or by itself.

    `how`: ca (whether it may sign others), days (from, until), fetched (whether it says where its
    issuer's is), usage (an extended key usage), hosts.
    """
    issuer, issuer_key = of or (subject, key)
    begins, ends = how.get("days", (-400, 90))
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins * day)
        .not_valid_after(now + ends * day)
        .add_extension(
            x509.BasicConstraints(ca=how.get("ca", False), path_length=None), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if not how.get("ca"):
        hosts = x509.SubjectAlternativeName(
            [x509.DNSName(one) for one in how.get("hosts", (subject,))]
        )
        builder = builder.add_extension(hosts, critical=False)
    if how.get("fetched"):
        place = x509.UniformResourceIdentifier("http://ca.invalid/middle.crt")
        found = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, place)
        builder = builder.add_extension(x509.AuthorityInformationAccess([found]), critical=False)
    if "usage" in how:
        builder = builder.add_extension(x509.ExtendedKeyUsage([how["usage"]]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _signed(
    subject: x509.Name,
    key: _Key,
    issuer: x509.Name,
    issuer_key: _Key,
    days: float,
    host: str,
) -> bytes:
    now = dt.datetime.now(dt.UTC)
    is_authority = subject != _name(host)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if not is_authority:
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(Encoding.PEM)
