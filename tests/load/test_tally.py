from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load._engine._tally import Tally
from tests.gates.decide.values import PROPERTY
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


@PROPERTY
@given(ANSWERS)
def test_a_tally_is_the_same_after_a_message(
    answers: list[tuple[str, int, int, str | None]],
) -> None:
    tally = tally_of(answers)
    told = json.loads(json.dumps(tally.record()))
    assert Tally.from_record(told).record() == tally.record()


@PROPERTY
@given(ANSWERS, st.integers(0, 30))
def test_what_two_workers_tell_adds_up_to_what_one_would_have(
    answers: list[tuple[str, int, int, str | None]], cut: int
) -> None:
    merged = Tally.from_record(tally_of(answers[cut:]).record())
    merged.merge(Tally.from_record(tally_of(answers[:cut]).record()))
    assert merged.record() == tally_of(answers).record()


GONE = object()


@cases(
    "place value",
    {
        "a count is missing": ("due", GONE),
        "the seconds are missing": ("seconds", GONE),
        "a histogram is missing": ("lag", GONE),
        "a count is negative": ("sent", -1),
        "a count is a text": ("sent", "7"),
        "a count is broken": ("dropped", 1.5),
        "the endpoints are a list": ("endpoints", []),
        "a second is no number": ("seconds", {"now": {}}),
        "a lag is nothing": ("seconds 1 longest_lag_seconds", None),
        "a lag is negative": ("seconds 1 longest_lag_seconds", -0.1),
        "the statuses are a text": ("endpoints login statuses", "200"),
        "a status is a word": ("endpoints login statuses", {"x": 1}),
        "fewer than none": ("endpoints login troubles", {"status 500": -1}),
        "a histogram is nothing": ("endpoints login response", None),
        "everything is nothing": ("", None),
        "everything is a list": ("", []),
    },
)
def test_a_damaged_record_is_refused(place: str, value: object) -> None:
    record = part = json.loads(json.dumps(tally_of([("login", 1, 4, None)]).record()))
    *path, last = place.split(" ")
    for key in path:
        part = part[key]
    if value is GONE:
        del part[last]
    elif last:
        part[last] = value
    with pytest.raises(ValueError, match="damaged"):
        Tally.from_record(record if last else value)
