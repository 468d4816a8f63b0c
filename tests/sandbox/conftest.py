"""What several files of this folder ask for: the reference API with its servers, a loop."""

import pytest

from tests.sandbox.app_servers import api, servers

__all__ = ["api", "servers"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
