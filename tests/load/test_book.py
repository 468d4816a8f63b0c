from __future__ import annotations

from collections import Counter

from load._engine._tally import MOST, Book, Tally
from load._engine._wire import Answer, Flight, Request, Trouble
from load._run import whole
from tests.tables import cases

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


@cases(
    "count",
    {
        "one": 1,
        "almost a second's": 63,
        "a second's": 64,
        "almost full": MOST - 1,
        "just full": MOST,
        "more": MOST + 1,
        "full twice": 2 * MOST,
    },
)
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
    counted = whole(looks)
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
