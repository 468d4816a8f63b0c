from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from environments.yaml_file import RequestError
from gates.load import ROOT
from load._options import PROFILES, Options, add_arguments, command_line, stages, warm_up_seconds
from load.verdict import unprovable
from tests.load.runs import load_rules
from tests.tables import cases

PLAIN: dict[str, Any] = {
    "env": "local", "release": None, "region": None, "host": None, "rps": None, "profile_name": None,
    "closed": None, "arrivals": "poisson", "seed": 1, "null_server": False, "calibrate": 3.0,
    "connections": 512, "deadline": 10.0, "baseline": None, "report_to": None, "run_time": None,
    "num_users": None, "headless": True,
}  # fmt: skip


def options(**changes: Any) -> Options:
    return Options.of(argparse.Namespace(**{**PLAIN, **changes}))


def test_without_any_time_a_run_lasts_as_long_as_the_policy_says() -> None:
    assert options().lasting(60).plan.run_seconds == 60
    assert options(run_time=5).lasting(60).plan.run_seconds == 5
    assert options(headless=False).lasting(60).plan.run_seconds is None, "its page ends it"
    assert options(rps=5.0).lasting(60).plan.run_seconds is None, "its stages say it"


@cases(
    "asked says",
    {
        "enough for every objective": ({"rps": 120.0, "run_time": 60}, None),
        "too few": ({"rps": 100.0, "run_time": 5}, "sends 250 requests to a region"),
        "too few users": ({"num_users": 10, "run_time": 5}, "takes 2,995 good ones"),
        "a ramp's step is a stage": ({"profile_name": "ramp", "rps": 100.0, "run_time": 30}, "750"),
        "callers who wait have no rate": ({"closed": 5, "run_time": 5}, None),
    },
)
def test_a_run_that_can_prove_nothing_says_so_before_it_begins(
    asked: dict[str, Any], says: str | None
) -> None:
    found = options(**asked)
    plan = dataclasses.replace(found.plan, regions={"eu": "http://eu", "us": "http://us"})
    events = plan.least_events(found.users or 1)
    why = None if events is None else unprovable(events, load_rules().objectives)
    assert (why is None) is (says is None)
    assert says is None or says in str(why)


@cases(
    "changes",
    {
        "users of Locust's own say the rate": {"num_users": 5},
        "a rate is held": {"rps": 100.0},
        "callers who wait are connections": {"closed": 50},
        "as long as -t says": {"rps": 500.0, "run_time": 60},
        "a profile as it is": {"profile_name": "smoke"},
        "a profile as asked": {"profile_name": "soak", "rps": 7.0, "run_time": 3600},
        "a ramp rises past the rate that is wanted": {
            "profile_name": "ramp",
            "rps": 1000.0,
            "run_time": 10,
        },
        "before and after a spike is judged": {
            "profile_name": "spike",
            "rps": 100.0,
            "run_time": 20,
        },
    },
)
def test_a_rate_or_a_profile_makes_a_plan(
    changes: dict[str, Any], said: Callable[..., None]
) -> None:
    made = options(**changes).plan
    assert options(null_server=True, rps=10.0).calibrate_seconds == 0
    said([made.profile, made.model, made.peak, [dataclasses.asdict(one) for one in made.stages]])


def test_what_makes_no_sense_is_refused_in_one_sentence(said: Callable[..., None]) -> None:
    found = []
    asked: list[dict[str, Any]] = [
        *({"rps": rate} for rate in (0.0, -1.0, float("nan"), float("inf"))),
        *({"closed": 0}, {"deadline": 0.0}, {"rps": 5.0, "run_time": 0}, {"calibrate": -1.0}),
        *({"closed": 5, "rps": 5.0}, {"null_server": True, "host": "http://127.0.0.1"}),
    ]
    for changes in asked:
        with pytest.raises(RequestError) as caught:
            options(**changes)
        found.append(str(caught.value))
    said(found)


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


@pytest.mark.parametrize(("measured", "warm"), [(1, 3), (60, 6), (10_000, 30)])
def test_a_warm_up_is_neither_too_short_nor_too_long(measured: float, warm: float) -> None:
    assert warm_up_seconds(measured) == warm
