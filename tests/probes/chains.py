"""Chains of certificates by hand: an authority, an intermediate one, a host's."""

from __future__ import annotations

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

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
