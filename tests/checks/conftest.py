from __future__ import annotations

import ssl

import pytest
import trustme


@pytest.fixture(scope="session")
def server_tls() -> ssl.SSLContext:
    """Return a server's side of TLS whose authority nobody was told of."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    return context
