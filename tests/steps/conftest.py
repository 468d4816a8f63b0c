from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest
import trustme

from tests.steps.records import Records, records_server
from tests.steps.scripted_prometheus import ScriptedPrometheus, scripted_prometheus


@pytest.fixture(scope="session")
def server_tls() -> ssl.SSLContext:
    """Return a server's side of TLS whose authority nobody was told of."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Records]:
    """Return a database with the platform's schema, the gate's kit, and what a deployment leaves."""
    folder = tmp_path_factory.mktemp("records")
    trustme.CA().cert_pem.write_to_path(folder / "ca.pem")
    with records_server(str(folder / "ca.pem"), folder) as running:
        yield running


@pytest.fixture
def prometheus() -> Iterator[ScriptedPrometheus]:
    """Return a Prometheus that says what a test wants."""
    with scripted_prometheus() as serving:
        yield serving
