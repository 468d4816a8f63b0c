from __future__ import annotations

from collections.abc import Iterator

import pytest
import trustme

from probes.redis import RedisTarget
from tests.probes import real_servers
from tests.probes.real_servers import Database


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture(scope="session")
def database(ca_file: str) -> Iterator[Database]:
    with real_servers.postgres_server(ca_file) as running:
        yield running


@pytest.fixture(scope="session")
def redis_target(authority: trustme.CA) -> Iterator[RedisTarget]:
    with real_servers.redis_server(authority) as running:
        yield running


@pytest.fixture(scope="session")
def prometheus_url() -> Iterator[str]:
    with real_servers.prometheus_server() as running:
        yield running
