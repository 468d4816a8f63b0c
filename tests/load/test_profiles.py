from __future__ import annotations

import pytest

from load._options import PROFILES, stages, warm_up_seconds


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
