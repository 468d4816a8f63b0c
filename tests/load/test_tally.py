from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from load._engine._tally import Tally
from tests.tables import cases

ANSWERS = st.lists(
    st.tuples(
        st.sampled_from(["login", "booking"]),
        st.integers(0, 3),
        st.sampled_from([1, 2, 4, 500, 1000]),
        st.sampled_from([None, "status 500", "no connection"]),
    ),
    max_size=30,
)


def tally_of(answers: list[tuple[str, int, int, str | None]]) -> Tally:
    """Count answers of whole milliseconds that have powers of two: their sums are exact."""
    made = Tally()
    for name, at, thousandths, trouble in answers:
        seconds = thousandths / 1024
        made.due += 1
        made.sent += 1
        made.lag.record(seconds)
        second = made.second(at)
        second.due += 1
        second.sent += 1
        second.completed += 1
        second.response.record(seconds)
        second.longest_lag_seconds = max(second.longest_lag_seconds, seconds)
        endpoint = made.endpoint(name)
        endpoint.response.record(seconds)
        endpoint.service.record(seconds)
        endpoint.size_bytes += thousandths
        endpoint.statuses[200 if trouble is None else 500] += 1
        if trouble is not None:
            second.failed += 1
            endpoint.troubles[trouble] += 1
    return made


@settings(max_examples=50)
@given(ANSWERS)
def test_a_tally_is_the_same_after_a_message(
    answers: list[tuple[str, int, int, str | None]],
) -> None:
    tally = tally_of(answers)
    told = json.loads(json.dumps(tally.record()))
    assert Tally.from_record(told).record() == tally.record()


@settings(max_examples=50)
@given(ANSWERS, st.integers(0, 30))
def test_what_two_workers_tell_adds_up_to_what_one_would_have(
    answers: list[tuple[str, int, int, str | None]], cut: int
) -> None:
    merged = Tally.from_record(tally_of(answers[cut:]).record())
    merged.merge(Tally.from_record(tally_of(answers[:cut]).record()))
    assert merged.record() == tally_of(answers).record()


def _without(*path: str) -> Callable[[dict[str, Any]], None]:
    def remove(record: dict[str, Any]) -> None:
        for key in path[:-1]:
            record = record[key]
        del record[path[-1]]

    return remove


def _with(value: object, *path: str) -> Callable[[dict[str, Any]], None]:
    def put(record: dict[str, Any]) -> None:
        for key in path[:-1]:
            record = record[key]
        record[path[-1]] = value

    return put


@cases(
    "damage",
    {
        "a count is missing": _without("due"),
        "the seconds are missing": _without("seconds"),
        "a histogram is missing": _without("lag"),
        "a count is negative": _with(-1, "sent"),
        "a count is a text": _with("7", "sent"),
        "a count is broken": _with(1.5, "dropped"),
        "the endpoints are a list": _with([], "endpoints"),
        "a second is no number": _with({"now": {}}, "seconds"),
        "a lag is nothing": _with(None, "seconds", "1", "longest_lag_seconds"),
        "a lag is negative": _with(-0.1, "seconds", "1", "longest_lag_seconds"),
        "the statuses are a text": _with("200", "endpoints", "login", "statuses"),
        "a status is a word": _with({"x": 1}, "endpoints", "login", "statuses"),
        "a histogram is nothing": _with(None, "endpoints", "login", "response"),
    },
)
def test_a_damaged_record_is_refused(damage: Callable[[dict[str, Any]], None]) -> None:
    record = json.loads(json.dumps(tally_of([("login", 1, 4, None)]).record()))
    damage(record)
    with pytest.raises(ValueError, match=r"damaged|invalid literal"):
        Tally.from_record(record)


@pytest.mark.parametrize("record", [None, [], "tally", 3])
def test_what_is_no_record_is_refused(record: object) -> None:
    with pytest.raises(ValueError, match="damaged"):
        Tally.from_record(record)
