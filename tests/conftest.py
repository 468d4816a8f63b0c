"""One platform for all tests that need one; it goes down with pytest, however that ends."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from sandbox.state import StateDirectory
from tests.sandbox.platforms import Sandbox


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Return a running platform without faults."""
    sandbox = Sandbox(StateDirectory(tmp_path_factory.mktemp("platform") / "state"))
    up = sandbox.run("up", "--owner", str(os.getpid()))
    assert up.returncode == 0, up.stderr
    yield sandbox
    down = sandbox.run("down")
    assert down.returncode == 0, down.stderr


@pytest.fixture
def whole_platform(platform: Sandbox) -> Iterator[Sandbox]:
    """Return the running platform and revert every fault that the test leaves applied."""
    yield platform
    platform.ask({"do": "fault", "action": "revert-all"})


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one process, in their order; where a test names its group, that counts."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(str(item.path)))
