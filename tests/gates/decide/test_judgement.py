from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.decide.judgement import (
    Judgement,
    Scalar,
    below,
    contains_all,
    equals,
    from_cache,
    harmless,
    outcome_of,
    refuses_asker,
)
from gates.decide.outcome import Meaning, Outcome
from tests.gates.decide.values import PROPERTY, a_judgement

BEYOND_FLOATS = 10**400


class Strange:
    """What no JSON value is."""


EQUALS: tuple[tuple[object, Scalar], ...] = (
    *(("healthy", "healthy"), (200, 200), (True, True)),
    *(("Healthy", "healthy"), (" healthy", "healthy"), ("healthy\n", "healthy")),
    *((True, 1), (1, True), ("1", 1), (1.0, 1), ("200", 200), ({}, "")),
    *((None, "healthy"), ([], "healthy"), (["healthy"], "healthy"), (math.nan, "healthy")),
    *(("degraded", "healthy"), ("Maria", "healthy"), ("1.1.0", "1.2.0")),
)
BELOW: tuple[object, ...] = (
    *(49.999, 0, 50, 50.0, 50.001, math.nan, math.inf, -math.inf, BEYOND_FLOATS, -BEYOND_FLOATS),
    *(True, False, "12", "NaN", None, [12]),
)
CONTAIN: tuple[object, ...] = (
    *({"mail": {}, "pay": {}}, ["mail", "pay", "more"], {"mail": {}}, {}, "mail pay", None),
    ["mail"],
)
CLOSE = (
    *((12.34, 10), (1234.56, 1000), (10.0000019, 10), (10, 10), (0.000373, 10), (9.9996, 10)),
    *((0, 10), (1e300, 10), (0.000012345, 10), (0.0123456789, 10)),
)
"""A number never reads as its limit, nor with an exponent where it can be written without one."""


def rules_said() -> Iterator[Judgement]:
    """Yield what the plain rules say, first of what passes; said.json has it."""
    yield from (equals("the status", *one) for one in EQUALS)
    yield from (below("the latency", one, 50, "ms", samples=3) for one in BELOW)
    yield from (below("the latency", number, limit, "ms") for number, limit in CLOSE)
    yield from (contains_all("the services", one, ("mail", "pay")) for one in CONTAIN)
    yield contains_all("the services", ["mail"], ("mail", "pay", "fax"))
    yield from (refuses_asker("api", status) for status in (429, 403))
    yield from_cache("api", "Age: 5")


@pytest.mark.parametrize(
    ("value", "like"),
    [
        *(("unhealthy", "healthy"), ("OUT_OF_SERVICE", "UP"), ("OutOfService", "healthy")),
        *(("", "healthy"), ("1.1.0", "1.2.0"), ("v1.2.0-rc.1", "v1.2.0")),
        *(("2026.11.3", "2026.12.1"), ("9f86d081884c7d65", "0b14d501a594442a")),
        *(("1.1.0-47f73a9", "1.2.0-5d54fb2"), ("20", "100"), ("30s", "5s"), ("debug", "info")),
        *((404, 200), (12.5, 50), (True, "healthy"), (None, "healthy")),
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
        *("123-45-6789", "123456789", "555.123.4567", "1984.05.12", "12.05.1984"),
        *("192.168.100.17", "MRN0042424242", "Maria.Schmidt", "Maria", "Maria Musterfrau"),
        *("Müller", "maria.musterfrau@example.org", "O'Brien", "1.2.0-Maria", "healthy\nMaria"),
        "patient: Maria Musterfrau, born 1980-01-31",
        *("healthy\n", "\x1b[2Jhealthy", "\u202eydaer", "x" * 41, "<script>", "a\tb"),
    ],
    ids=repr,
)
def test_any_other_text_is_described_and_never_copied(text: str, like: Scalar) -> None:
    assert harmless(text, like) == f"a text of {len(text)} characters"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        *(({"name": "Maria"}, "a value of type dict"), (["Maria"], "a value of type list")),
        (Strange(), "a value of type Strange"),
        *((one, "a number beyond all bounds") for one in (math.nan, math.inf, BEYOND_FLOATS)),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_plain_value_is_named_by_its_kind(value: object, shown: str) -> None:
    assert harmless(value) == shown
    assert harmless(123456789, "healthy") == "a number"


@PROPERTY
@given(st.text(min_size=1))
def test_whatever_text_is_shown_has_no_room_for_a_sentence(text: str) -> None:
    shown = str(harmless(text))
    if shown == text:
        assert len(text) <= 40
        assert text.isascii()
        assert not set(text) & set(" @\n\r\t\x1b<>'\"")


def test_a_planted_patients_name_reaches_no_part_of_a_judgement() -> None:
    assert outcome_of(()) is None
    planted = "Maria Musterfrau"
    judged = equals("the status", planted, "healthy"), below("the latency", planted, 50, "ms")
    assert "Muster" not in json.dumps([one.record() for one in judged])


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


DAMAGED: dict[str, tuple[object, ...]] = {
    "outcome": ("GREEN", None, []),
    "means": ("perhaps", ""),
    "sentence": (7, None),
    "subject": ([],),
    "data": ([], None),
    "observed": ({"name": "Maria"}, math.nan),
    "target": ([1],),
    "unheard_of": (1,),
}


@pytest.mark.parametrize(
    "damage", [{key: one} for key, values in DAMAGED.items() for one in values], ids=repr
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
