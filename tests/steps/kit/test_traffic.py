"""The command that sends traffic: whatever it does, the check goes on and counts what there is."""

from __future__ import annotations

import pathlib
import sys
import time

import pytest

from settings.objectives import Lease
from steps.kit.leases import TrafficLease
from tests.sandbox.platforms import eventually

HANGS = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
NOTES = "import sys; open(sys.argv[1], 'a').write(sys.argv[2] + ' ')"
IMPATIENT_SECONDS = 3.0


def a_lease(*command: str) -> Lease:
    return Lease(command=list(command), requests_per_second=100)


def test_the_command_is_told_how_long_the_traffic_is_wanted(tmp_path: pathlib.Path) -> None:
    TrafficLease(a_lease(sys.executable, "-c", NOTES, str(tmp_path / "noted"), "{seconds}")).renew()
    assert (tmp_path / "noted").read_text() == "60 "


def test_a_lease_with_time_left_is_not_taken_again(tmp_path: pathlib.Path) -> None:
    traffic = TrafficLease(a_lease(sys.executable, "-c", NOTES, str(tmp_path / "noted"), "again"))
    traffic.renew()
    traffic.renew()
    assert (tmp_path / "noted").read_text() == "again "


def test_without_an_offer_nothing_happens() -> None:
    traffic = TrafficLease(None)
    traffic.renew()
    assert traffic.reads(0, time.time() + 60) == 0


def test_what_was_asked_for_is_known_for_any_stretch_and_counted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = {"now": 1000.0}
    monkeypatch.setattr(time, "time", lambda: clock["now"])
    monkeypatch.setattr(time, "monotonic", lambda: clock["now"])
    traffic = TrafficLease(a_lease(sys.executable, "-c", ""))
    for clock["now"] in (1000.0, 1040.0, 1200.0):
        traffic.renew()
    assert traffic.reads(0, 1000) == 0
    assert traffic.reads(990, 1010) == 10 * 100
    assert traffic.reads(900, 1150) == 100 * 100
    assert traffic.reads(1150, 1230) == 30 * 100


def test_a_command_that_hangs_is_ended_and_not_waited_for_again(tmp_path: pathlib.Path) -> None:
    began = time.monotonic()
    traffic = TrafficLease(
        a_lease(sys.executable, "-c", HANGS, str(tmp_path / "pid")),
        patience_seconds=IMPATIENT_SECONDS,
    )
    traffic.renew()
    process = pathlib.Path("/proc") / (tmp_path / "pid").read_text()
    eventually("the hanging command has ended", lambda: not process.exists())
    traffic.renew()
    assert time.monotonic() - began < 3 * IMPATIENT_SECONDS


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("no-such-command-anywhere", "{seconds}"), id="it is not installed"),
        pytest.param((__file__,), id="it is not a program"),
        pytest.param((sys.executable, "-c", "raise SystemExit(3)"), id="it ends with 3"),
    ],
)
def test_a_command_that_fails_is_no_error_of_the_check(command: tuple[str, ...]) -> None:
    TrafficLease(a_lease(*command)).renew()
