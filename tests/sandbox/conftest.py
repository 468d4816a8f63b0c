"""What several files of this folder ask for: the reference API with its servers, a loop."""

from collections.abc import Iterator

import pytest

from tests.sandbox.app_servers import Api, Servers


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    running = Servers()
    try:
        running.start_all()
        yield running
    finally:
        running.stop_all()


@pytest.fixture(scope="session")
def one_api(servers: Servers) -> Api:
    return servers.start_api()


@pytest.fixture
def api(one_api: Api) -> Iterator[Api]:
    """Return the API without faults; it is freed of them afterwards."""
    yield one_api
    one_api.fault()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
