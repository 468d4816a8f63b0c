from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load._engine._tally import MOST, Book, Tally
from load._engine._wire import Answer, Flight, Request, Trouble
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
@given(ANSWERS, st.integers(0, 30))
def test_what_two_workers_tell_adds_up_to_what_one_would_have(
    answers: list[tuple[str, int, int, str | None]], cut: int
) -> None:
    told = (json.dumps(tally_of(part).record()) for part in (answers[cut:], answers[:cut]))
    merged = Tally.whole(Tally.from_record(json.loads(one)) for one in told)
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
        "a second is not a number": ("seconds", {"now": {}}),
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


HOME = Request("home", b"")
TAKES_SECONDS = 0.25


def over(book: Book, count: int, *, stage: int = 0, begins: float = 100.0) -> None:
    """Let so many requests end, one each 64th of a second; every eighth fails."""
    for number in range(count):
        due_at = begins + number / 64
        answer = Answer(None, Trouble.LOST) if number % 8 == 7 else Answer(200, None, b"", 10)
        book.over(Flight(HOME, stage, due_at, due_at + 1 / 64), answer, due_at + TAKES_SECONDS)


def taken(book: Book) -> dict[int, Tally]:
    book.hand_over(last=True)
    return book.drain()


@pytest.mark.parametrize("count", [1, 63, 64, MOST - 1, MOST, MOST + 1, 2 * MOST])
def test_every_request_is_counted_once_in_its_second(count: int) -> None:
    book = Book(offset_seconds=0.5, late_seconds=0.01)
    over(book, count)
    tally = taken(book)[0]
    home = tally.endpoints["home"]
    assert (tally.due, tally.sent, tally.late, tally.dropped) == (count, count, count, 0)
    assert (home.response.count, home.service.count) == (count, count)
    assert home.statuses[200] + home.troubles.total() == count
    assert home.size_bytes == 10 * home.statuses[200]
    # By hand: number n is due at 100.5 + n / 64 and over a quarter of a second later.
    due = Counter(int(100.5 + n / 64) for n in range(count))
    sent = Counter(int(100.5 + (n + 1) / 64) for n in range(count))
    completed = Counter(int(100.75 + n / 64) for n in range(count))
    assert set(tally.seconds) == {*due, *sent, *completed}
    for at, second in tally.seconds.items():
        assert (second.due, second.sent, second.completed) == (due[at], sent[at], completed[at])
        assert second.response.count == second.completed
    assert sum(one.failed for one in tally.seconds.values()) == home.troubles.total()


def test_looks_between_lose_nothing_and_count_nothing_twice() -> None:
    book = Book(offset_seconds=0, late_seconds=0.01)
    looks: list[Tally] = []
    for number in range(5):
        over(book, MOST // 2, begins=100.0 + number)
        book.hand_over()
        # Nobody takes it: what comes later waits for its turn.
        book.hand_over()
        looks += book.drain().values()
    looks += taken(book).values()
    counted = Tally.whole(looks)
    assert counted.sent == counted.endpoints["home"].response.count == 5 * (MOST // 2)


def test_stages_are_kept_apart_and_nothing_is_made_of_nothing() -> None:
    book = Book(offset_seconds=0, late_seconds=0.01)
    assert taken(book) == {}
    over(book, 3, stage=1)
    over(book, 2, stage=2)
    book.dropped(2, 100.0)
    tallies = taken(book)
    assert {stage: one.due for stage, one in tallies.items()} == {1: 3, 2: 3}
    assert tallies[2].dropped == 1
    assert taken(book) == {}


def test_a_name_and_an_error_are_counted_as_one_line_of_plain_text() -> None:
    book = Book(offset_seconds=0, late_seconds=0.01)
    odd = Request("GET /\x1b[2J\nload: PASS\ud83d", b"", lambda _: "down\x00\r\n\ud83d")
    book.over(Flight(odd, 0, 100.0, 100.0), Answer(200, None), 100.1)
    ((name, endpoint),) = taken(book)[0].endpoints.items()
    assert name == "GET /\ufffd[2J load: PASS\ufffd"
    assert endpoint.troubles == {"down\ufffd\ufffd \ufffd": 1}
