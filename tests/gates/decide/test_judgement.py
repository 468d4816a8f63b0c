from __future__ import annotations

import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.decide.judgement import (
    Judgement,
    Scalar,
    below,
    contains_all,
    equals,
    harmless,
    outcome_of,
)
from gates.decide.outcome import Meaning, Outcome
from steps.network.rules import at_least
from tests.gates.decide.values import PROPERTY, a_judgement

BEYOND_FLOATS = 10**400


class Strange:
    """What no JSON value is."""


@pytest.mark.parametrize(
    ("observed", "target", "outcome"),
    [
        ("healthy", "healthy", "PASS"),
        (200, 200, "PASS"),
        (True, True, "PASS"),
        ("Healthy", "healthy", "FAIL"),
        (" healthy", "healthy", "FAIL"),
        ("healthy\n", "healthy", "FAIL"),
        (True, 1, "FAIL"),
        (1, True, "FAIL"),
        ("1", 1, "FAIL"),
        (1.0, 1, "FAIL"),
        ("200", 200, "FAIL"),
        (None, "healthy", "FAIL"),
        ([], "healthy", "FAIL"),
        (["healthy"], "healthy", "FAIL"),
        ({}, "", "FAIL"),
        (math.nan, "healthy", "FAIL"),
    ],
    ids=repr,
)
def test_equal_means_the_same_value_of_the_same_type(
    observed: object, target: Scalar, outcome: str
) -> None:
    assert equals("the status", observed, target).outcome == outcome


def test_what_is_not_equal_says_what_was_found_what_was_wanted_and_what_clears_it() -> None:
    judgement = equals("api /health status", "degraded", "healthy")
    assert judgement.sentence == "api /health status is “degraded”, wanted “healthy”"
    assert judgement.clears == "api /health status “healthy”"


@pytest.mark.parametrize(
    ("observed", "outcome"),
    [
        (49.999, "PASS"),
        (0, "PASS"),
        (50, "FAIL"),
        (50.0, "FAIL"),
        (50.001, "FAIL"),
        (math.nan, "FAIL"),
        (math.inf, "FAIL"),
        (-math.inf, "FAIL"),
        (BEYOND_FLOATS, "FAIL"),
        (-BEYOND_FLOATS, "FAIL"),
        (True, "FAIL"),
        (False, "FAIL"),
        ("12", "FAIL"),
        (None, "FAIL"),
        ([12], "FAIL"),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_below_a_limit_are_finite_numbers_under_it_and_nothing_else(
    observed: object, outcome: str
) -> None:
    judgement = below("the latency", observed, 50, "ms")
    assert judgement.outcome == outcome
    json.dumps(judgement.record(), allow_nan=False)


@pytest.mark.parametrize(
    ("observed", "missing"),
    [
        ({"mail": {}, "pay": {}}, []),
        (["mail", "pay", "more"], []),
        ({"mail": {}}, ["pay"]),
        ({}, ["mail", "pay"]),
        ("mail pay", ["mail", "pay"]),
        (None, ["mail", "pay"]),
    ],
    ids=repr,
)
def test_contains_all_names_what_is_missing(observed: object, missing: list[str]) -> None:
    judgement = contains_all("the services", observed, ("mail", "pay"))
    assert judgement.data["missing"] == missing
    assert (judgement.outcome is Outcome.PASS) == (not missing)


@pytest.mark.parametrize(
    ("value", "like"),
    [
        ("unhealthy", "healthy"),
        ("OUT_OF_SERVICE", "UP"),
        ("OutOfService", "healthy"),
        ("", "healthy"),
        ("1.1.0", "1.2.0"),
        ("v1.2.0-rc.1", "v1.2.0"),
        ("2026.11.3", "2026.12.1"),
        ("9f86d081884c7d65", "0b14d501a594442a"),
        ("1.1.0-47f73a9", "1.2.0-5d54fb2"),
        ("20", "100"),
        ("30s", "5s"),
        ("debug", "info"),
        (404, 200),
        (12.5, 50),
        (True, "healthy"),
        (None, "healthy"),
        ("a word of ours", "a word of ours"),
    ],
)
def test_a_state_or_what_has_the_shape_of_what_was_wanted_is_shown(
    value: Scalar, like: Scalar
) -> None:
    assert harmless(value, like) == value


@pytest.mark.parametrize("like", [None, "healthy", "1.2.0", "0b14d501a594442a", "100", 200, True])
@pytest.mark.parametrize(
    "text",
    [
        "123-45-6789",
        "123456789",
        "Maria.Schmidt",
        "Maria",
        "555.123.4567",
        "1984.05.12",
        "12.05.1984",
        "192.168.100.17",
        "MRN0042424242",
        "Maria Musterfrau",
        "Müller",
        "maria.musterfrau@example.org",
        "patient: Maria Musterfrau, born 1980-01-31",
        "healthy\n",
        "healthy\nMaria",
        "1.2.0-Maria",
        "\x1b[2Jhealthy",
        "\u202eydaer",
        "x" * 41,
        "<script>",
        "O'Brien",
        "a\tb",
    ],
    ids=repr,
)
def test_any_other_text_is_described_and_never_copied(text: str, like: Scalar) -> None:
    assert harmless(text, like) == f"a text of {len(text)} characters"


def test_a_number_where_a_word_was_wanted_is_not_shown() -> None:
    assert harmless(123456789, "healthy") == "a number"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"name": "Maria"}, "a value of type dict"),
        (["Maria"], "a value of type list"),
        (Strange(), "a value of type Strange"),
        (math.nan, "a number beyond all bounds"),
        (math.inf, "a number beyond all bounds"),
        (BEYOND_FLOATS, "a number beyond all bounds"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_plain_value_is_named_by_its_kind(value: object, shown: str) -> None:
    assert harmless(value) == shown


@PROPERTY
@given(st.text(min_size=1))
def test_whatever_text_is_shown_has_no_room_for_a_sentence(text: str) -> None:
    shown = str(harmless(text))
    if shown == text:
        assert len(text) <= 40
        assert text.isascii()
        assert not set(text) & set(" @\n\r\t\x1b<>'\"")


@pytest.mark.parametrize("rule", ["equals", "below"])
def test_a_planted_patients_name_reaches_no_part_of_a_judgement(rule: str) -> None:
    planted = "Maria Musterfrau"
    judgements = {
        "equals": equals("the status", planted, "healthy"),
        "below": below("the latency", planted, 50, "ms"),
    }
    assert "Muster" not in json.dumps(judgements[rule].record())


finite = st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.integers() | finite | st.text()
any_judgement = st.builds(
    Judgement,
    outcome=st.sampled_from(Outcome),
    rule=st.text(),
    subject=st.text(),
    sentence=st.text(),
    observed=scalars,
    target=scalars,
    unit=st.text(),
    means=st.none() | st.sampled_from(Meaning),
    clears=st.text(),
    data=st.dictionaries(st.text(), st.lists(scalars)),
)


@PROPERTY
@given(any_judgement)
def test_a_judgement_survives_its_way_through_json(judgement: Judgement) -> None:
    line = json.dumps(judgement.record(), allow_nan=False)
    assert Judgement.from_record(json.loads(line)) == judgement


@pytest.mark.parametrize(
    "damage",
    [
        {"outcome": "GREEN"},
        {"outcome": None},
        {"outcome": []},
        {"means": "perhaps"},
        {"means": ""},
        {"sentence": 7},
        {"sentence": None},
        {"subject": []},
        {"data": []},
        {"data": None},
        {"observed": {"name": "Maria"}},
        {"observed": math.nan},
        {"target": [1]},
        {"unheard_of": 1},
    ],
    ids=repr,
)
def test_a_damaged_record_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Judgement.from_record({**a_judgement().record(), **damage})


@pytest.mark.parametrize("field", [one.name for one in dataclasses.fields(Judgement)][:4])
def test_a_record_without_its_main_fields_is_refused(field: str) -> None:
    record = a_judgement().record()
    del record[field]
    with pytest.raises((KeyError, TypeError, ValueError)):
        Judgement.from_record(record)


def test_no_judgements_have_no_outcome() -> None:
    assert outcome_of(()) is None


@pytest.mark.parametrize(
    ("observed", "limit", "shown", "clears"),
    [
        pytest.param(12.34, 10, "12.3", "2.34 ms less", id="three figures"),
        pytest.param(1234.56, 1000, "1235", "235 ms less", id="a large number without exponent"),
        pytest.param(10.0000019, 10, "10.000002", "below 10 ms", id="a hair over its limit"),
        pytest.param(10, 10, "10", "below 10 ms", id="at its limit"),
        pytest.param(0.000373, 10, "0.000373", "", id="a small number without exponent"),
        pytest.param(9.9996, 10, "9.9996", "", id="a hair under its limit"),
        pytest.param(0, 10, "0", "", id="nothing"),
        pytest.param(1e300, 10, "1e+300", "1e+300 ms less", id="beyond all figures"),
    ],
)
def test_a_number_never_reads_as_its_limit_nor_with_an_exponent(
    observed: float, limit: float, shown: str, clears: str
) -> None:
    judged = below("the latency", observed, limit, "ms")
    assert judged.sentence == f"the latency is {shown} ms, wanted below {limit} ms"
    assert judged.clears == clears


def test_days_left_that_are_a_hair_too_few_say_so() -> None:
    judged = at_least("days left", 29.99999, 30, "days")
    assert judged.sentence == "days left is 29.99999 days, wanted at least 30 days"
    assert judged.clears == "at least 30 days"
