"""The simulator of `prove objectives` is honest: it knows what happened, and what nobody can know."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import random

import pytest

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from prove.objectives import _wrong
from prove.streams import (
    FLAWS,
    RELEASE,
    Event,
    Frame,
    Platform,
    Pod,
    Process,
    scenario,
    scraped,
    truth,
)

ONE_A_SECOND = tuple(
    Event(at + 0.5, "500" if at == 30 else "200", 0.01, "/v1/a") for at in range(60)
)
POD = Pod("10.0.0.1:80", RELEASE, (Process(-100.0, 200.0, ONE_A_SECOND),), first_scrape=0.0)
PLATFORM = Platform((POD,), 1.0, ())


def series(platform: Platform, status: str) -> list[tuple[float, float]]:
    (found,) = (
        samples
        for labels, samples in scraped(platform, "errors", 60.0).items()
        if ("status", status) in labels
    )
    return found


def test_a_counter_shows_what_happened_until_its_scrape() -> None:
    assert series(PLATFORM, "500")[29:33] == [(29.0, 0.0), (30.0, 0.0), (31.0, 1.0), (32.0, 1.0)]
    assert series(PLATFORM, "200")[-1] == (60.0, 59.0)
    # A series may be born with its first event.
    newborn = dataclasses.replace(POD, born_at_zero=False)
    assert series(Platform((newborn,), 1.0, ()), "500")[0] == (31.0, 1.0)


def test_the_ends_of_a_range_are_cut_by_scrapes_and_nothing_else_is() -> None:
    really = truth(PLATFORM, RELEASE, "errors", 10.2, 50.2)
    assert (really.least["all"], really.most["all"]) == (39, 42)
    assert (really.least["bad"], really.most["bad"]) == (1, 1)
    # A busy machine judges a scenario after its last scrape.
    over = dataclasses.replace(PLATFORM, ends=50.2)
    assert truth(over, RELEASE, "errors", 12.2, 52.2).most["all"] == 40


def test_what_no_scrape_met_before_a_restart_is_known_to_nobody() -> None:
    before = Process(-100.0, 30.9, tuple(one for one in ONE_A_SECOND if one.at < 30.9))
    after = Process(30.9, 200.0, tuple(one for one in ONE_A_SECOND if one.at >= 30.9))
    restarted = dataclasses.replace(POD, processes=(before, after))
    really = truth(Platform((restarted,), 1.0, ()), RELEASE, "errors", 10.2, 50.2)
    assert really.most["bad"] == 0


def test_a_failed_scrape_ends_the_series_with_a_marker() -> None:
    gap = dataclasses.replace(POD, gaps=((20.0, 22.0),))
    found = series(Platform((gap,), 1.0, ()), "200")
    assert [at for at, value in found if math.isnan(value)] == [20.0]


@pytest.mark.parametrize(
    ("samples", "bad", "found"),
    [(40, 1, False), (80, 1, True), (40, 8, True), (20, 1, True)],
    ids=["right", "twice", "errors that were none", "half"],
)
def test_a_decision_from_wrong_counts_is_found(samples: int, bad: int, *, found: bool) -> None:
    at = dt.datetime.fromtimestamp(50.2, dt.UTC).isoformat()
    data = {"evaluated_at": at, "look_back_seconds": 40.0, "samples": samples, "bad": bad}
    judgement = Judgement(Outcome.FAIL, "error budget", "errors", "too many", data=data)
    assert (_wrong(PLATFORM, "errors", judgement) is not None) is found
    undecided = dataclasses.replace(judgement, outcome=Outcome.INCONCLUSIVE)
    assert _wrong(Platform((POD,), 1.0, ("gap",)), "errors", undecided) is None


def test_every_flaw_comes_up() -> None:
    chance = random.Random(3)  # noqa: S311 - scenarios, no secrets
    frame = Frame(0.0, 10.0, 60.0)
    seen = {flaw for _ in range(120) for flaw in scenario(chance, frame)[0].flaws}
    assert seen == set(FLAWS)
