from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from probes.observation import Failure, FailureKind, Observation, utc_now
from steps.kit.settling import Ended, Progress, SettleClocks, missed, settle_seconds, settled
from tests.steps.platforms import a_platform
from tests.tables import cases

URL = "http://127.0.0.1:9"


def says(*states: Progress) -> Callable[[], Progress]:
    """Return a look that sees these one after the other, the last one for ever."""
    waiting: Iterator[Progress] = iter(states)
    last = states[-1]
    return lambda: next(waiting, last)


def same(state: Progress) -> Progress:
    return state


MOVING, DONE, BROKEN = Progress.MOVING, Progress.DONE, Progress.BROKEN


@cases(
    "seen ended",
    {
        "what is done is not waited for": ([DONE], Ended.DONE),
        "what ended badly is not waited for": ([BROKEN], Ended.BROKEN),
        "what moves gets there": ([MOVING, MOVING, DONE], Ended.DONE),
        "a bad end ends the waiting": ([MOVING, BROKEN], Ended.BROKEN),
        "what never gets there": ([MOVING], Ended.TIME_UP),
        "a look that failed once": ([MOVING, Progress.UNREADABLE, DONE], Ended.DONE),
        "what can never be read": ([Progress.UNREADABLE], Ended.TIME_UP),
    },
)
def test_it_waits_as_long_as_something_is_in_progress(
    tmp_path: pathlib.Path, seen: list[Progress], ended: Ended
) -> None:
    platform = a_platform(tmp_path, {"eu": URL}, time_scale=60)
    found = settled(platform, says(*seen), same, 0.6)
    assert found.ended is ended
    assert found.value is seen[-1]
    assert (found.waited_seconds >= 0.6) == (ended is Ended.TIME_UP)


def test_a_run_without_time_left_decides_nothing(tmp_path: pathlib.Path) -> None:
    platform = a_platform(tmp_path, {"eu": URL}, run_seconds=0.1, time_scale=60)
    assert settled(platform, says(Progress.MOVING), same, 60).ended is Ended.RUN_ENDED


def test_checks_of_one_thing_share_its_time(tmp_path: pathlib.Path) -> None:
    platform = a_platform(tmp_path, {"eu": URL}, time_scale=60)
    clocks = SettleClocks()

    def clock() -> float:
        return clocks.running_seconds(("eu", "rollout"))

    first = settled(platform, says(Progress.MOVING), same, 1, clock=clock)
    second = settled(platform, says(Progress.MOVING), same, 1, clock=clock)
    assert (first.ended, second.ended) == (Ended.TIME_UP, Ended.TIME_UP)
    assert second.waited_seconds - first.waited_seconds < 0.9


def test_times_are_scaled_with_a_floor(tmp_path: pathlib.Path) -> None:
    platform = a_platform(tmp_path, {"eu": URL}, time_scale=60)
    assert settle_seconds(platform, 600) == 10
    assert settle_seconds(platform, 60) == 5


@pytest.mark.parametrize(
    ("kinds", "progress"),
    [
        (("REFUSED", "TIMEOUT", "SERVER_BUSY"), Progress.UNREADABLE),
        (("FORBIDDEN", "CREDENTIAL_REFUSED", "UNUSABLE_ANSWER"), BROKEN),
    ],
)
def test_only_what_may_pass_is_waited_out(kinds: tuple[str, ...], progress: Progress) -> None:
    for kind in kinds:
        failure = Failure(FailureKind[kind], "It did not work.")
        seen: Observation[Any] = Observation("probe", "target", utc_now(), 0.1, {}, None, failure)
        assert missed(seen) is progress
