from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from probes import observation as waiting


@pytest.fixture(autouse=True)
def _begun() -> Iterator[None]:
    waiting.begin()
    yield
    waiting.begin()


def test_a_wait_lasts_as_long_as_it_is_told() -> None:
    began = time.monotonic()
    waiting.pause(0.05)
    waiting.pause(-1)
    assert 0.05 <= time.monotonic() - began < 5


def test_stopping_ends_every_wait_in_every_thread_and_those_to_come() -> None:
    begun = threading.Barrier(4)

    def wait() -> None:
        begun.wait(5)
        waiting.pause(60)

    with ThreadPoolExecutor(3) as pool:
        waits = [pool.submit(wait) for _ in range(3)]
        begun.wait(5)
        assert waiting.stop()
        assert all(isinstance(one.exception(5), waiting.Stopped) for one in waits)
    assert not waiting.stop()
    with pytest.raises(KeyboardInterrupt):
        waiting.pause(60)
