from __future__ import annotations

import argparse
from typing import Any

import pytest

from environments.yaml_file import RequestError
from gates.load import ROOT
from load._options import PROFILES, Options, add_arguments, command_line, stages, warm_up_seconds
from tests.tables import cases

PLAIN: dict[str, Any] = {
    "env": "local", "release": None, "region": None, "host": None, "rps": None, "profile_name": None,
    "closed": None, "arrivals": "poisson", "seed": 1, "null_server": False, "calibrate": 3.0,
    "connections": 512, "deadline": 10.0, "baseline": None, "report_to": None, "run_time": None,
    "num_users": None, "headless": True,
}  # fmt: skip


def options(**changes: Any) -> Options:
    return Options.of(argparse.Namespace(**{**PLAIN, **changes}))


@cases(
    "changes profile rps seconds",
    {
        "users of Locust's own say the rate": ({"num_users": 5}, "manual", 0, 0),
        "a rate is held": ({"rps": 100.0}, "steady", 100, 300),
        "callers who wait are connections": ({"closed": 50}, "steady", 50, 300),
        "as long as -t says": ({"rps": 100.0, "run_time": 60}, "steady", 100, 60),
        "a profile as it is": ({"profile_name": "smoke"}, "smoke", 120, 60),
        "a profile as asked": (
            {"profile_name": "soak", "rps": 7.0, "run_time": 3600},
            "soak",
            7,
            3600,
        ),
    },
)
def test_a_rate_or_a_profile_makes_a_plan(
    changes: dict[str, Any], profile: str, rps: float, seconds: float
) -> None:
    made = options(**changes).plan
    assert (made.profile, made.peak) == (profile, rps)
    assert made.model == ("closed" if "closed" in changes else "open")
    held = [(one.rps, one.seconds) for one in made.stages[-1:]]
    assert held == ([(rps, seconds)] if rps else [])


def test_a_null_server_needs_no_calibration_beside_it() -> None:
    assert options(null_server=True, rps=10.0).calibrate_seconds == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rps": 0.0}, "--rps 0: must be above 0"),
        ({"rps": -1.0}, "--rps -1: must be above 0"),
        ({"rps": float("nan")}, "--rps nan: must be above 0"),
        ({"rps": float("inf")}, "--rps inf: must be above 0"),
        ({"closed": 0}, "--closed 0: must be above 0"),
        ({"deadline": 0.0}, "--deadline 0"),
        ({"rps": 5.0, "run_time": 0}, "--run-time 0: must be above 0"),
        ({"calibrate": -1.0}, "--calibrate -1"),
        ({"closed": 5, "rps": 5.0}, "name one"),
        ({"null_server": True, "host": "http://127.0.0.1"}, "name one of them"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(RequestError, match=words):
        options(**changes)


def test_every_option_is_in_the_load_tests_page() -> None:
    page = (ROOT / "docs" / "load-test.md").read_text(encoding="utf-8")
    ours: list[str] = []

    class Parser:
        def add_argument(self, name: str, **_: Any) -> None:
            ours.append(name)

    add_arguments(Parser())
    assert "--rps" in ours
    assert [name for name in ours if f"`{name}" not in page] == []


def test_the_command_is_told_without_its_secrets() -> None:
    typed = ["/x/locust", "-f", "load", "--tls-key", "k", "--web-login=u:p", "--rps", "5"]
    assert command_line(typed) == "locust -f load --tls-key *** --web-login=*** --rps 5"
    kept = ["/x/locust", "--report-to=ftp://me:secret@files.example/load"]
    assert command_line(kept) == "locust --report-to=ftp://***@files.example/load"


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_warms_up_first_and_measures_then(name: str) -> None:
    planned = stages(name, rps=None, seconds=None)
    assert [stage.number for stage in planned] == list(range(len(planned)))
    assert not planned[0].measured
    assert planned[1].measured
    assert all(stage.rps > 0 and stage.seconds > 0 and stage.title for stage in planned)


def test_steady_holds_the_rate_that_is_wanted_for_the_time_that_is_wanted() -> None:
    warm_up, steady = stages("steady", rps=500, seconds=60)
    assert (steady.rps, steady.seconds) == (500, 60)
    assert (warm_up.rps, warm_up.seconds) == (500, 6)


def test_a_ramp_rises_past_the_rate_that_is_wanted() -> None:
    _, *steps = stages("ramp", rps=1000, seconds=10)
    rates = [stage.rps for stage in steps]
    assert rates == sorted(set(rates))
    assert (rates[0], rates[-1]) == (500, 1500)
    assert 1000 in rates
    assert [stage.required for stage in steps] == [rate <= 1000 for rate in rates]


def test_a_spike_is_shown_and_what_comes_before_and_after_is_judged() -> None:
    _, before, spike, after = stages("spike", rps=100, seconds=20)
    assert spike.rps == 3 * before.rps == 3 * after.rps
    assert (before.measured, spike.measured, after.measured) == (True, False, True)


@pytest.mark.parametrize(("measured", "warm"), [(1, 3), (60, 6), (10_000, 30)])
def test_a_warm_up_is_neither_too_short_nor_too_long(measured: float, warm: float) -> None:
    assert warm_up_seconds(measured) == warm
