"""What lets a browser open a site whose certificate an authority of one's own has signed.

Chromium reads its authorities from the machine alone. So the certificate is verified here, by chain, name
and dates, under `ca_file`; its public key is what the browser is told, and no other key opens anything.
"""

from __future__ import annotations

import base64
import hashlib
import socket
from urllib.parse import urlsplit

from probes import network
from probes.observation import Deadline

_HTTPS = 443
_LONGEST_SECONDS = 10.0


def key_of(site: str, ca_file: str, deadline: Deadline) -> str | None:
    """Return the digest of the public key of a site's certificate; None where it is not to be trusted."""
    from cryptography import x509  # noqa: PLC0415 - only where there is an authority of one's own
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - as above
        Encoding,
        PublicFormat,
    )

    parts, seconds = urlsplit(site), min(_LONGEST_SECONDS, deadline.remaining_seconds())
    if parts.scheme != "https" or not seconds:
        return None
    try:
        with (
            socket.create_connection((parts.hostname, parts.port or _HTTPS), seconds) as plain,
            network.tls_context(ca_file).wrap_socket(plain, server_hostname=parts.hostname) as tls,
        ):
            shown = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
    except (OSError, ValueError):
        return None  # The browser says what is wrong with it.
    key = shown.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(key).digest()).decode()
