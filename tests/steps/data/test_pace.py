from __future__ import annotations

import time

import pytest

from steps.data.reads import MOST_PAUSE_SECONDS, paced


def pause_after(seconds: float, share: float, *, large: bool) -> list[float]:
    pauses: list[float] = []

    def read() -> str:
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            pass
        return "found"

    assert paced(read, share, lambda _: large, pauses.append) == "found"
    return pauses


def test_a_large_read_is_followed_by_a_pause_that_makes_it_a_small_share_of_the_time() -> None:
    (pause,) = pause_after(0.02, 0.05, large=True)
    assert 0.02 / (0.02 + pause) <= 0.05


def test_a_small_read_is_followed_by_nothing() -> None:
    assert pause_after(0.001, 0.05, large=False) == []


def test_no_pause_holds_a_run_up_for_minutes() -> None:
    assert pause_after(0.02, 1e-6, large=True) == [MOST_PAUSE_SECONDS]


def test_a_share_of_all_the_time_needs_no_pause() -> None:
    assert pause_after(0.001, 1.0, large=True) == [pytest.approx(0)]
