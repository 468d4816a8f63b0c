"""The rules that decide, exactly at their bounds and word for word where no other test says so."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from gates.decide import samples, sources, statistics, tally
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from gates.decide.samples import NotCountableError, Patience, Samples
from gates.doctor import guesses
from load.verdict import _findings
from steps.delivery import openapi
from steps.flags import rules as flags
from steps.monitoring import alert_routes
from tests.gates.decide import test_tally as values
from tests.gates.decide.test_tally import SCRAPE, SPAN, TIMES, series, steady, up


def test_events_must_reach_into_the_newest_quarter_of_a_long_range() -> None:
    long = dataclasses.replace(SPAN, begin=95.0, end=1095.0)
    growing = steady(count=3)
    values.whole([series([*growing, *[growing[-1]] * 11])], long).check_newest()


def test_events_that_end_exactly_there_are_new_enough() -> None:
    growing = steady(count=9)
    short = dataclasses.replace(SPAN, end=1095.0)
    values.whole([series([*growing, *[growing[-1]] * 5])], short).check_newest()


def test_the_status_label_says_in_which_columns_a_series_belongs() -> None:
    columns = tally.error_columns("code", "5..", frozenset({"/metrics"}))
    assert tuple(columns(series([1], code="503"))) == (tally.ALL, tally.BAD)
    assert tuple(columns(series([1], code="200"))) == (tally.ALL,)
    assert tuple(columns(series([1]))) == (tally.ALL, tally.UNREADABLE)
    assert tuple(columns(series([1], code="503", route="/metrics"))) == ()


def test_a_histograms_parts_belong_together_by_their_labels_and_not_by_name() -> None:
    def part(kind: str, **more: str) -> Samples:
        return Samples({**values.pod(), "__name__": f"t_{kind}", **more}, TIMES, (1.0,) * 14)

    whole = [part("count"), part("bucket", le="0.2"), part("bucket", le="+Inf")]
    targets = sources.targets_of((up(),), SCRAPE)
    tally.check_histograms("t", sources.sources_of("t", whole, targets), [0.2])


@pytest.mark.parametrize(("at", "there"), [(SPAN.begin, 0), (SPAN.begin + 1, 1)])
def test_a_target_that_left_before_the_range_is_not_of_it(at: float, there: int) -> None:
    targets = sources.targets_of((up(times=(at - SCRAPE, at)),), SCRAPE)
    assert len(sources.gone(targets, {"job": "api"}, SPAN)) == there


def test_names_are_shown_up_to_three() -> None:
    assert sources._list(["c", "a", "b"]) == "a, b, c"
    assert sources._list(["d", "c", "a", "b"]) == "a, b, c and 1 more"


def test_a_twin_does_not_go_away_by_waiting() -> None:
    one = series(steady())
    twin = values.shifted(one, 3, service="canary")
    with pytest.raises(NotCountableError) as caught:
        values.check_twins([one, twin], (up(), values.shifted(up(), 3, service="canary")))
    assert caught.value.patience is Patience.NONE
    assert str(caught.value).endswith("or select one of them by the metric's labels or match")


def test_a_pod_without_the_metric_is_asked_for_word_for_word() -> None:
    serving = sources.targets_of((up(pod="p"), up("b", pod="q")), SCRAPE)
    mesh = sources.targets_of([up(job="mesh", pod=name) for name in "pq"], SCRAPE)
    found = sources.sources_of("r", [series(steady(), job="mesh", pod="p")], mesh)
    with pytest.raises(
        NotCountableError, match="every pod of the release expose it from its start"
    ):
        sources.check_every_pod("r", found, serving)


def a_source(totals: list[float], shift: float = 0.0) -> sources.Source:
    target = sources.targets_of((up(),), SCRAPE)[0]
    found = values.shifted(series(totals), shift)
    return sources.Source(target, (found,))


def test_five_totals_in_turn_tell_one_process_and_four_do_not() -> None:
    five, between = [1.0, 2, 3, 4, 5], [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    assert sources._interlaced(a_source(five), a_source(between, 3)) is True
    assert sources._interlaced(a_source(five), a_source(between[1:], 3)) is False


def test_starts_two_hundredths_of_a_second_apart_are_one_process() -> None:
    one, other = a_source([1.0, 2, 3, 4, 5]), a_source([0.5, 1.5, 2.5, 3.5, 4.5, 5.5], 3)

    def begun(source: sources.Source, at: float) -> sources.Source:
        target = dataclasses.replace(source.target, starts=((TIMES[0], at),))
        return sources.Source(target, source.series)

    assert sources._same_stream(begun(one, 0.0), begun(other, 0.02)) is True
    assert sources._same_stream(begun(one, 0.0), begun(other, 0.03)) is False


def test_the_ends_of_what_a_source_went_through_are_left_out() -> None:
    assert sources._values(a_source([0, 1, 1, 2, 3, 9])) == (1.0, 2.0, 3.0)


def test_a_process_that_begins_anew_shows_its_first_value() -> None:
    target = sources.targets_of((up(),), SCRAPE)[0]
    fell = samples._growth(1050.0, 3.0, (1040.0, 9.0), None, (target, SPAN))
    assert fell == samples.Growth(1050.0, 3.0, first=True, begins=False, fell=True)


def test_what_failed_is_told_before_what_is_undecided() -> None:
    def one(outcome: Outcome) -> Judgement:
        return Judgement(outcome=outcome, rule="r", subject="s", sentence=outcome.value, clears="c")

    both = [one(Outcome.INCONCLUSIVE), one(Outcome.FAIL)]
    assert _findings._first_bad(both) == "FAIL"
    assert _findings._first_bad([]) == "it was not measured"


@pytest.mark.parametrize(
    ("name", "points"), [("http_requests_total", 0), ("prometheus_http_requests_total", -15)]
)
def test_a_name_of_the_instruments_own_loses_fifteen_points(name: str, points: int) -> None:
    assert guesses.score(name) - guesses.score("http_requests_total") == points


def test_a_root_without_a_receiver_reaches_nobody_by_name() -> None:
    root: dict[str, Any] = {"routes": []}
    assert alert_routes.receivers(root, {}) == ("",)
    assert alert_routes.receivers_at_times(root, {}) == ()


def test_a_switch_names_no_moment() -> None:
    found = flags.switch_readable("maintenance", flags.Value(None, ""), flags.Words("on", "off"))
    assert found.sentence == "maintenance holds “”, wanted “on or off”"


def test_no_event_and_more_is_certain() -> None:
    assert statistics.poisson_tail(0, 2.0) == 1.0


STRICT = {"additionalProperties": False}


@pytest.mark.parametrize(
    ("was", "now", "breaks"),
    [(STRICT, STRICT, True), ({}, {}, False), ({}, STRICT, False), (STRICT, {}, False)],
)
def test_a_field_that_a_strict_request_no_longer_takes_is_refused(
    was: dict[str, bool], now: dict[str, bool], *, breaks: bool
) -> None:
    def api(fields: str, extra: dict[str, bool]) -> dict[str, Any]:
        properties = {one: {"type": "string"} for one in fields}
        schema = {"type": "object", "properties": properties, **extra}
        content = {"application/json": {"schema": schema}}
        asked = {"requestBody": {"content": content}, "responses": {"200": {"description": "in"}}}
        return {"paths": {"/x": {"post": asked}}}

    found = openapi.compared(api("ab", was), api("a", now), ["POST /x"])
    refused = "POST /x: request takes the field b no more"
    assert (refused in found.breaking) is breaks
    assert ("POST /x: request: the field b is gone" in found.not_compared) is not breaks
