"""Signatures of people and runners: DSSE envelopes whose signatures are those of SSH keys (SSHSIG).

What is signed is DSSE's pre-authentication encoding of type and payload; how, OpenSSH's PROTOCOL.sshsig,
so that `ssh-keygen -Y` signs and verifies the same bytes, with an agent or a security key too. A
namespace keeps a signature that was given for one purpose from serving another.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import json
import pathlib
import subprocess
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_ssh_private_key,
)

from probes import formats

MAX_BYTES: Final = 256 * 1024
"""No statement and no run needs a larger envelope."""
MOST_SIGNATURES: Final = 16
LEAST_RSA_BITS: Final = 2048
LONGEST_SIGNING_SECONDS: Final = 120.0
"""A passphrase is typed, or a security key touched."""
_MAGIC: Final = b"SSHSIG"
_ARMOUR: Final = ("-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----")
_TOUCHED: Final = 0x01
_CURVES: Final[Mapping[str, tuple[ec.EllipticCurve, hashes.HashAlgorithm]]] = {
    "nistp256": (ec.SECP256R1(), hashes.SHA256()),
    "nistp384": (ec.SECP384R1(), hashes.SHA384()),
}
_CURVE_OF: Final[Mapping[str, str]] = {
    "ecdsa-sha2-nistp256": "nistp256",
    "ecdsa-sha2-nistp384": "nistp384",
    "sk-ecdsa-sha2-nistp256@openssh.com": "nistp256",
}
_ED25519: Final = ("ssh-ed25519", "sk-ssh-ed25519@openssh.com")
_RSA: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "rsa-sha2-256": hashes.SHA256(),
    "rsa-sha2-512": hashes.SHA512(),
}
_HASHES: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
}
_Verifier = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey
PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class MalformedError(ValueError):
    """Not an envelope, a key or a signature; the text says what is wrong with it."""


class NotSignedError(Exception):
    """Nothing was signed; the text says why and what to do."""


@dataclasses.dataclass(frozen=True, slots=True)
class Signature:
    """One signature of an envelope."""

    keyid: str
    """Fingerprint of the key; a hint that proves nothing."""
    blob: bytes = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Envelope:
    """A payload with its signatures, as DSSE writes it."""

    payload_type: str
    payload: bytes = dataclasses.field(repr=False)
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, data: bytes) -> Envelope:
        """Read the one spelling that `record` writes; raises MalformedError."""
        if len(data) > MAX_BYTES:
            raise MalformedError(f"it is larger than {MAX_BYTES} bytes")
        try:
            held = formats.parse(data)
        except formats.NotJsonError as exc:
            raise MalformedError("it is not JSON") from exc
        return cls.of(held)

    @classmethod
    def of(cls, held: object) -> Envelope:
        """Read what JSON holds; raises MalformedError."""
        kind, payload, signatures = _fields(
            held, {"payloadType": str, "payload": str, "signatures": list}
        )
        if len(signatures) > MOST_SIGNATURES:
            raise MalformedError(f"it has {len(signatures)} signatures")
        return cls(kind, _decoded(payload), tuple(map(_signature, signatures)))

    def record(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "payloadType": self.payload_type,
            "payload": base64.b64encode(self.payload).decode(),
            "signatures": [
                {"keyid": one.keyid, "sig": base64.b64encode(one.blob).decode()}
                for one in self.signatures
            ],
        }

    def written(self) -> bytes:
        """Return it as a file holds it."""
        return (json.dumps(self.record(), indent=1) + "\n").encode()


@dataclasses.dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key of SSH."""

    algorithm: str
    """Such as ssh-ed25519; of security keys, sk-ssh-ed25519@openssh.com."""
    blob: bytes
    verifier: _Verifier
    application: bytes = b""
    """What a security key signs beside the message."""

    @classmethod
    def parse(cls, line: str) -> PublicKey:
        """Read a line such as `ssh-ed25519 AAAA… name`; raises MalformedError."""
        algorithm, _, rest = line.strip().partition(" ")
        key = cls.read(_decoded(rest.split(" ")[0]))
        if key.algorithm != algorithm:
            raise MalformedError(f"it says {algorithm} and holds {key.algorithm}")
        return key

    @classmethod
    def read(cls, blob: bytes) -> PublicKey:
        """Read a key as SSH sends it; raises MalformedError."""
        parts = _Reader(blob)
        algorithm = parts.text()
        try:
            verifier = _verifier(algorithm, parts)
        except MalformedError:
            raise
        except (ValueError, UnsupportedAlgorithm) as exc:
            raise MalformedError(f"its {algorithm} key is not one") from exc
        application = parts.string() if algorithm.startswith("sk-") else b""
        parts.ends()
        return cls(algorithm, blob, verifier, application)

    @property
    def fingerprint(self) -> str:
        """Return it as OpenSSH shows it: SHA256:…"""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode()
        return f"SHA256:{digest.rstrip('=')}"


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return what DSSE signs: neither type nor payload can be read as a part of the other."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def verify(envelope: Envelope, keys: Iterable[PublicKey], namespace: str) -> tuple[str, ...]:
    """Return the fingerprints of those keys whose signature of the envelope is valid, in its order."""
    known = {key.blob: key for key in keys}
    message = pae(envelope.payload_type, envelope.payload)
    found = (_signer(one, known, message, namespace) for one in envelope.signatures)
    return tuple(dict.fromkeys(one for one in found if one is not None))


def signer(armoured: str, message: bytes, keys: Iterable[PublicKey], namespace: str) -> str | None:
    """Return the fingerprint of the key that signed a message by itself, None for none of the keys.

    Raises MalformedError for what is not a signature.
    """
    blob = unarmoured(armoured)
    given = Signature(_signing_key(blob).fingerprint, blob)
    return _signer(given, {key.blob: key for key in keys}, message, namespace)


def signed(payload_type: str, payload: bytes, private_key: bytes, namespace: str) -> Envelope:
    """Sign in this process with a key file that has no passphrase; raises NotSignedError."""
    try:
        private = load_ssh_private_key(private_key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise NotSignedError("the key is not a private SSH key without a passphrase") from exc
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    try:
        key = PublicKey.parse(public.decode())
    except MalformedError as exc:
        raise NotSignedError(str(exc)) from exc
    wanted = _to_sign(namespace, "sha512", pae(payload_type, payload))
    head = _MAGIC + (1).to_bytes(4, "big")
    made = _ssh_signature(private, key.algorithm, wanted)
    parts = (key.blob, namespace.encode(), b"", b"sha512", made)
    return Envelope(payload_type, payload, (Signature(key.fingerprint, head + _strings(*parts)),))


def signed_by_user(
    payload_type: str, payload: bytes, key: pathlib.Path, namespace: str
) -> Envelope:
    """Sign with `ssh-keygen -Y sign`, which knows the agent, passphrases and security keys.

    `key` is a private key, or a public one whose private one the agent holds. Raises NotSignedError.
    """
    command = ["ssh-keygen", "-Y", "sign", "-f", str(key), "-n", namespace]
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the key is the user's own
            command,
            input=pae(payload_type, payload),
            capture_output=True,
            timeout=LONGEST_SIGNING_SECONDS,
            check=False,
        )
    except FileNotFoundError as exc:
        raise NotSignedError("ssh-keygen is not on the PATH; install OpenSSH's client") from exc
    except subprocess.TimeoutExpired as exc:
        raise NotSignedError(f"ssh-keygen took longer than {LONGEST_SIGNING_SECONDS:g} s") from exc
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise NotSignedError(f"ssh-keygen did not sign with {key}: {''.join(said) or 'no reason'}")
    blob = unarmoured(done.stdout.decode(errors="replace"))
    return Envelope(payload_type, payload, (Signature(_signing_key(blob).fingerprint, blob),))


def unarmoured(text: str) -> bytes:
    """Return the signature in a file of `ssh-keygen -Y sign`; raises MalformedError."""
    lines = text.strip().splitlines()
    if len(lines) < len(_ARMOUR) or (lines[0], lines[-1]) != _ARMOUR:
        raise MalformedError("it is not an SSH signature")
    return _decoded("".join(lines[1:-1]))


def _signer(
    signature: Signature, known: Mapping[bytes, PublicKey], message: bytes, namespace: str
) -> str | None:
    """Return the fingerprint of a known key that made a signature, else None."""
    try:
        parts = _Reader(signature.blob)
        if parts.take(len(_MAGIC)) != _MAGIC or parts.number() != 1:
            return None
        key, said = known.get(parts.string()), parts.text()
        reserved, hash_name, made = parts.string(), parts.text(), _Reader(parts.string())
        parts.ends()
        if key is None or said != namespace or reserved or hash_name not in _HASHES:
            return None
        _check(key, made, _to_sign(namespace, hash_name, message))
    except (MalformedError, InvalidSignature):
        return None
    return key.fingerprint if signature.keyid == key.fingerprint else None


def _signing_key(blob: bytes) -> PublicKey:
    parts = _Reader(blob)
    parts.take(len(_MAGIC) + 4)
    return PublicKey.read(parts.string())


def _to_sign(namespace: str, hash_name: str, message: bytes) -> bytes:
    digest = _HASHES[hash_name](message).digest()
    return _MAGIC + _strings(namespace.encode(), b"", hash_name.encode(), digest)


def _check(key: PublicKey, made: _Reader, wanted: bytes) -> None:
    """Check a signature of a key; raises InvalidSignature, MalformedError."""
    algorithm, signature = made.text(), made.string()
    if key.algorithm.startswith("sk-"):
        flags, counter = made.take(1), made.take(4)
        if not flags[0] & _TOUCHED:
            raise InvalidSignature
        application = hashlib.sha256(key.application).digest()
        wanted = application + flags + counter + hashlib.sha256(wanted).digest()
    made.ends()
    if isinstance(key.verifier, rsa.RSAPublicKey):
        if algorithm not in _RSA:
            raise InvalidSignature
        key.verifier.verify(signature, wanted, padding.PKCS1v15(), _RSA[algorithm])
        return
    if algorithm != key.algorithm:
        raise InvalidSignature
    if isinstance(key.verifier, ed25519.Ed25519PublicKey):
        key.verifier.verify(signature, wanted)
        return
    numbers = _Reader(signature)
    encoded = encode_dss_signature(numbers.integer(), numbers.integer())
    numbers.ends()
    key.verifier.verify(encoded, wanted, ec.ECDSA(_CURVES[_CURVE_OF[key.algorithm]][1]))


def _ssh_signature(private: object, algorithm: str, wanted: bytes) -> bytes:
    """Sign as SSH does; raises NotSignedError for a key that this gate would not accept."""
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return _strings(b"ssh-ed25519", private.sign(wanted))
    if isinstance(private, rsa.RSAPrivateKey):
        made = private.sign(wanted, padding.PKCS1v15(), hashes.SHA512())
        return _strings(b"rsa-sha2-512", made)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        digest = _CURVES[_CURVE_OF[algorithm]][1]
        numbers = decode_dss_signature(private.sign(wanted, ec.ECDSA(digest)))
        return _strings(algorithm.encode(), _strings(*map(_mpint, numbers)))
    raise NotSignedError("the key is neither of Ed25519, ECDSA nor RSA")


def _verifier(algorithm: str, parts: _Reader) -> _Verifier:
    """Read a public key behind the name of its algorithm; raises MalformedError, ValueError."""
    if algorithm in _ED25519:
        return ed25519.Ed25519PublicKey.from_public_bytes(parts.string())
    if algorithm == "ssh-rsa":
        exponent, modulus = parts.integer(), parts.integer()
        if modulus.bit_length() < LEAST_RSA_BITS:
            raise MalformedError(f"its RSA key has fewer than {LEAST_RSA_BITS} bits")
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    curve = _CURVE_OF.get(algorithm)
    if curve is None or parts.text() != curve:
        raise MalformedError("keys of this kind are not accepted")
    return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[curve][0], parts.string())


class _Reader:
    """Reads what SSH writes; raises MalformedError where it ends too soon, or not."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        found = self._data[self._at : self._at + size]
        if len(found) != size:
            raise MalformedError("it is cut off")
        self._at += size
        return found

    def number(self) -> int:
        """Return an unsigned number of four bytes."""
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        """Return bytes with their length before them."""
        return self.take(self.number())

    def text(self) -> str:
        """Return a name."""
        try:
            return self.string().decode("ascii")
        except UnicodeDecodeError as exc:
            raise MalformedError("it holds a name that is not ASCII") from exc

    def integer(self) -> int:
        """Return a positive number in its shortest spelling."""
        written = self.string()
        value = int.from_bytes(written, "big", signed=True)
        if value <= 0 or _mpint(value) != written:
            raise MalformedError("it holds a number that SSH would not write so")
        return value

    def ends(self) -> None:
        """Refuse what comes behind."""
        if self._at != len(self._data):
            raise MalformedError("more comes behind its end")


def _mpint(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def _strings(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _decoded(text: str) -> bytes:
    """Decode base64 in its one spelling; raises MalformedError."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise MalformedError("it holds what is not base64") from exc
    if base64.b64encode(data).decode() != text:
        raise MalformedError("it holds base64 in another spelling than the usual one")
    return data


def _signature(held: object) -> Signature:
    keyid, blob = _fields(held, {"keyid": str, "sig": str})
    return Signature(keyid, _decoded(blob))


def _fields(held: object, kinds: Mapping[str, type]) -> list[Any]:
    """Return the values of an object that has just these keys; raises MalformedError."""
    if not isinstance(held, dict) or held.keys() != kinds.keys():
        raise MalformedError(f"it must have just {', '.join(kinds)}")
    for name, kind in kinds.items():
        if not isinstance(held[name], kind):
            raise MalformedError(f"its {name} is not what it should be")
    return [held[name] for name in kinds]
