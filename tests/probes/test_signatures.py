"""Signatures of SSH keys in DSSE envelopes, held against OpenSSH's own program in both directions."""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import json
import pathlib
import shutil
import subprocess
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from probes import signatures
from probes.signatures import Envelope, MalformedError, NotSignedError, PublicKey, Signature
from tests.tables import cases

TYPE, PAYLOAD, NAMESPACE = "application/vnd.in-toto+json", b'{"a": 1}', "gate-statement"
MAKE: dict[str, Callable[[], signatures.PrivateKey]] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "nistp256": functools.partial(ec.generate_private_key, ec.SECP256R1()),
    "nistp384": functools.partial(ec.generate_private_key, ec.SECP384R1()),
    "rsa": functools.partial(rsa.generate_private_key, 65537, 2048),
}


@functools.cache
def private(kind: str) -> tuple[bytes, PublicKey]:
    made = MAKE[kind]()
    public = made.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    secret = made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return secret, PublicKey.parse(f"{public} somebody@example.org")


def envelope(kind: str = "ed25519") -> Envelope:
    return signatures.signed(TYPE, PAYLOAD, private(kind)[0], NAMESPACE)


def signers(one: Envelope, *keys: PublicKey, namespace: str = NAMESPACE) -> tuple[str, ...]:
    return signatures.verify(one, keys, namespace)


@cases("kind", {kind: kind for kind in MAKE})
def test_what_a_key_signed_verifies_with_it_alone(kind: str) -> None:
    """Read back from its file; another key, namespace, type or payload is nobody's signature."""
    key, other, made = private(kind)[1], PublicKey.parse(SK_OTHER), envelope(kind)
    assert Envelope.parse(made.written()) == made
    assert signers(made, other, key) == (key.fingerprint,)
    assert signers(made, other) == ()
    assert signers(made, key, namespace="gate-run") == ()
    assert signers(dataclasses.replace(made, payload=b'{"a": 2}'), key) == ()
    assert signers(dataclasses.replace(made, payload_type="text/plain"), key) == ()


def test_the_encoding_is_the_one_of_dsse() -> None:
    """The example of its specification."""
    found = signatures.pae("http://example.com/HelloWorld", b"hello world")
    assert found == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


needs_ssh_keygen = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="OpenSSH's client is not installed"
)


@needs_ssh_keygen
@cases("kind", {kind: kind for kind in MAKE})
def test_openssh_and_this_gate_accept_each_others_signatures(
    kind: str, tmp_path: pathlib.Path
) -> None:
    """With the user's key file, as `gate attest` signs; and only while the payload is the signed one."""
    secret, key = private(kind)
    file = tmp_path / "key"
    file.write_bytes(secret)
    file.chmod(0o600)
    theirs = signatures.signed_by_user(TYPE, PAYLOAD, file, NAMESPACE)
    assert signers(theirs, key) == (key.fingerprint,)
    assert signers(dataclasses.replace(theirs, payload=b"{}"), key) == ()
    ours = envelope(kind)
    assert ssh_keygen_verifies(ours, key, tmp_path, PAYLOAD)
    assert not ssh_keygen_verifies(ours, key, tmp_path, b"{}")


def ssh_keygen_verifies(
    one: Envelope, key: PublicKey, folder: pathlib.Path, payload: bytes
) -> bool:
    line = f"{key.algorithm} {base64.b64encode(key.blob).decode()}"
    (folder / "allowed").write_text(f"somebody {line}\n")
    begin, end = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
    armour = f"{begin}\n{base64.b64encode(one.signatures[0].blob).decode()}\n{end}\n"
    (folder / "signature").write_text(armour)
    command = ["ssh-keygen", "-Y", "verify", "-f", str(folder / "allowed"), "-I", "somebody"]
    done = subprocess.run(
        [*command, "-n", NAMESPACE, "-s", str(folder / "signature")],
        input=signatures.pae(TYPE, payload),
        capture_output=True,
        timeout=30,
        check=False,
    )
    return done.returncode == 0


@needs_ssh_keygen
def test_who_cannot_sign_is_told_why(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NotSignedError, match=r"ssh-keygen did not sign with .*nowhere"):
        signatures.signed_by_user(TYPE, PAYLOAD, tmp_path / "nowhere", NAMESPACE)
    with pytest.raises(NotSignedError, match="not a private SSH key without a passphrase"):
        signatures.signed(TYPE, PAYLOAD, b"another thing", NAMESPACE)


def strings(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


APPLICATION = b"ssh:"
_ED, _EC = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
_POINT = _EC.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
SK_KEYS = {
    "sk-ssh-ed25519@openssh.com": strings(_ED.public_key().public_bytes_raw(), APPLICATION),
    "sk-ecdsa-sha2-nistp256@openssh.com": strings(b"nistp256", _POINT, APPLICATION),
}


def sk_key(algorithm: str) -> PublicKey:
    return PublicKey.read(strings(algorithm.encode()) + SK_KEYS[algorithm])


SK_OTHER = (
    "sk-ssh-ed25519@openssh.com "
    + base64.b64encode(
        strings(b"sk-ssh-ed25519@openssh.com", bytes(31) + b"\1", APPLICATION)
    ).decode()
)


def by_security_key(algorithm: str, flags: int = 1, application: bytes = APPLICATION) -> Envelope:
    """Sign as a security key does: its application, flags and counter beside the message."""
    digest = hashlib.sha512(signatures.pae(TYPE, PAYLOAD)).digest()
    message = b"SSHSIG" + strings(NAMESPACE.encode(), b"", b"sha512", digest)
    tail = bytes([flags]) + (7).to_bytes(4, "big")
    wanted = hashlib.sha256(application).digest() + tail + hashlib.sha256(message).digest()
    if "ed25519" in algorithm:
        made = _ED.sign(wanted)
    else:
        numbers = decode_dss_signature(_EC.sign(wanted, ec.ECDSA(hashes.SHA256())))
        made = strings(*(n.to_bytes(n.bit_length() // 8 + 1, "big") for n in numbers))
    key = sk_key(algorithm)
    signature = strings(algorithm.encode(), made) + tail
    head = b"SSHSIG" + (1).to_bytes(4, "big")
    blob = head + strings(key.blob, NAMESPACE.encode(), b"", b"sha512", signature)
    return Envelope(TYPE, PAYLOAD, (Signature(key.fingerprint, blob),))


@cases("algorithm", {name: name for name in SK_KEYS})
def test_a_security_keys_signature_counts_once_it_was_touched(
    algorithm: str, tmp_path: pathlib.Path
) -> None:
    """Vectors made in software, which OpenSSH accepts too where it is installed."""
    key, made = sk_key(algorithm), by_security_key(algorithm)
    assert signers(made, key) == (key.fingerprint,)
    assert signers(by_security_key(algorithm, flags=0), key) == ()
    assert signers(by_security_key(algorithm, application=b"other:"), key) == ()
    if shutil.which("ssh-keygen"):
        assert ssh_keygen_verifies(made, key, tmp_path, PAYLOAD)


def test_no_flipped_bit_of_an_envelope_leaves_its_signature_valid() -> None:
    """Every bit of the file: it is malformed then, or nobody's."""
    whole, key = envelope().written(), private("ed25519")[1]
    compact = json.dumps(json.loads(whole), separators=(",", ":")).encode()
    left = []
    for at in range(len(compact) * 8):
        flipped = bytearray(compact)
        flipped[at // 8] ^= 1 << at % 8
        try:
            found = Envelope.parse(bytes(flipped))
        except MalformedError:
            continue
        if signers(found, key):
            left.append(at)
    assert signers(Envelope.parse(compact), key)
    assert left == []


def edited(**changes: object) -> bytes:
    return json.dumps(envelope().record() | changes).encode()


@cases(
    "data why",
    {
        "not JSON": (b"{", "it is not JSON"),
        "another thing in JSON": (b"[]", "it must have just payloadType, payload, signatures"),
        "a field too many": (edited(more=1), "it must have just"),
        "the same key twice": (
            edited()[:-1] + b', "payload": "e30="}',
            "it is not JSON",
        ),
        "too many signatures": (edited(signatures=[{}] * 17), "it has 17 signatures"),
        "a payload that is not text": (edited(payload=1), "its payload is not what it should be"),
        "a payload that is not base64": (edited(payload="e3*="), "what is not base64"),
        "base64 in another spelling": (edited(payload="e31="), "in another spelling"),
        "too large": (b" " * (signatures.MAX_BYTES + 1), "it is larger than"),
    },
)
def test_a_malformed_envelope_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(MalformedError, match=why):
        Envelope.parse(data)


_SMALL = rsa.generate_private_key(65537, 1024).public_key()  # noqa: S505 - to be refused
_RSA_1024 = _SMALL.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
_P521 = ec.generate_private_key(ec.SECP521R1()).public_key()


def of_blob(algorithm: str, blob: bytes) -> str:
    return f"{algorithm} {base64.b64encode(blob).decode()}"


@cases(
    "line why",
    {
        "nothing": ("", "it is cut off"),
        "another algorithm than it says": (
            "ssh-rsa " + SK_OTHER.split()[1],
            "it says ssh-rsa and holds sk-ssh-ed25519",
        ),
        "a short RSA key": (_RSA_1024, "fewer than 2048 bits"),
        "a curve that is not accepted": (
            _P521.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(),
            "of this kind are not accepted",
        ),
        "a point that is not on its curve": (
            of_blob(
                "ecdsa-sha2-nistp256",
                strings(b"ecdsa-sha2-nistp256", b"nistp256", b"\4" + bytes(64)),
            ),
            "its ecdsa-sha2-nistp256 key is not one",
        ),
        "more behind its end": (
            of_blob("ssh-ed25519", strings(b"ssh-ed25519", bytes(32)) + b"x"),
            "more comes behind its end",
        ),
    },
)
def test_a_malformed_key_is_refused_with_the_reason(line: str, why: str) -> None:
    with pytest.raises(MalformedError, match=why):
        PublicKey.parse(line)
