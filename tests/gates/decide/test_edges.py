"""The rules that decide, exactly at their bounds and word for word where no other test says so."""

from __future__ import annotations

from typing import Any

import pytest

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from gates.doctor import init as guesses
from load.verdict import _judge
from steps.monitoring import rules as alerts


def test_what_failed_is_told_before_what_is_undecided() -> None:
    def one(outcome: Outcome) -> Judgement:
        return Judgement(outcome=outcome, rule="r", subject="s", sentence=outcome.value, clears="c")

    both = [one(Outcome.INCONCLUSIVE), one(Outcome.FAIL)]
    assert _judge._first_bad(both) == "FAIL"
    assert _judge._first_bad([]) == "it was not measured"


@pytest.mark.parametrize(
    ("name", "points"), [("http_requests_total", 0), ("prometheus_http_requests_total", -15)]
)
def test_a_name_of_the_instruments_own_loses_fifteen_points(name: str, points: int) -> None:
    assert guesses.score(name) - guesses.score("http_requests_total") == points


def test_a_root_without_a_receiver_reaches_nobody_by_name() -> None:
    root: dict[str, Any] = {"routes": []}
    assert alerts.receivers(root, {}) == ("",)
    assert alerts.receivers_at_times(root, {}) == ()
