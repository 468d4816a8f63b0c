from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import pytest

from load._engine._engine import Request
from load._engine._wire import Answer
from load._scenario import Ask, Draws, Expect, LoadError, Scenario, Writer
from tests.tables import cases

BOOKED = Expect(status=201, equal={"status": "scheduled"}, present=("id",))


def written(ask: Ask, answer: int | None = None) -> Request:
    return Writer("http://here:80", headers={"X-Mark": "1"}).request(ask, answer)


def test_a_request_is_what_its_task_asks_for(said: Callable[..., None]) -> None:
    """A null server is told which answer is wanted; the path of the target stands before the request's."""
    values = Ask("GET", "/things/{thing}?of={owner}", {"thing": 7, "owner": "me"})
    asked = [
        written(Ask("GET", "/things"), 3),
        written(values, 3),
        written(Ask("POST", "/things", body={"name": "ä"}, token="t0k3n")),
        Writer("https://here/base/v2/", headers={}).request(Ask("GET", "/things")),
    ]
    said([[one.name, *one.data.decode().split("\r\n")] for one in asked])


@pytest.mark.parametrize("value", ["a/../b", "a b", "x\r\nHost: evil", "?a=b", "ä#"], ids=ascii)
def test_a_value_never_becomes_more_than_a_part_of_its_path(value: str) -> None:
    line = written(Ask("GET", "/things/{thing}", {"thing": value})).data.split(b"\r\n")[0].decode()
    assert line.count(" ") == 2
    assert line.count("/") == 3  # two of the path, one of HTTP/1.1
    assert "?" not in line


TWO_LINES = "x\r\nEvil: 1"


@pytest.mark.parametrize("where", [{"token": TWO_LINES}, {"headers": {"A": TWO_LINES}}], ids=str)
def test_a_header_with_two_lines_is_refused(where: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="one line"):
        written(Ask("GET", "/", **where))


@cases(
    "status body problem",
    {
        "right": (201, b'{"id": "1", "status": "scheduled"}', None),
        "another status": (200, b'{"id": "1", "status": "scheduled"}', "status 200, wanted 201"),
        # What an answer holds is never told: it may be a patient's.
        "wrong": (201, b'{"id": "1", "status": "Jane"}', "body field status is not 'scheduled'"),
        "a field missing": (201, b'{"status": "scheduled"}', "body field id is missing"),
        "a field empty": (201, b'{"id": "", "status": "scheduled"}', "body field id is missing"),
        "a list": (201, b'["id"]', "body is not a JSON object"),
        "an empty body": (201, b"", "body is empty"),
        "HTML": (201, b"<html>", "body is not JSON"),
    },
)
def test_every_answer_is_judged_by_status_and_body_and_right_ones_are_handed_on(
    status: int, body: bytes, problem: str | None
) -> None:
    seen: list[Any] = []
    for hand_on in (None, seen.append):
        request = written(Ask("POST", "/", body={}, expect=BOOKED, seen=hand_on))
        assert request.keep_body
        assert request.wrong(Answer(status, None, body)) == problem
    assert [one["id"] for one in seen] == ([] if problem else ["1"])


@cases("body", {"HTML": b"<html>", "a list": b"[1]", "nothing": b""})
def test_where_nothing_is_expected_of_the_body_any_will_do(body: bytes) -> None:
    request = written(Ask("GET", "/"))
    assert not request.keep_body
    assert request.wrong(Answer(200, None, body)) is None
    assert request.wrong(Answer(500, None, body)) == "status 500, wanted 200"


class Reader(Scenario):
    weight = 3

    def often(self) -> Ask:
        return self.get("/often")

    def seldom(self) -> Ask:
        return self.get("/seldom/{number}", number=self.unique())

    tasks: list[Any] = [often, often, often, seldom]  # noqa: RUF012 - as Locust's own list is


class Booker(Scenario):
    weight = 1

    def write(self) -> Ask:
        return self.post("/write", {"n": self.zipf(100)})

    tasks: list[Any] = [write]  # noqa: RUF012 - as Locust's own list is


def begun(*scenarios: Scenario, seed: str = "1") -> list[Scenario]:
    for one in scenarios:
        one.begin(seed=seed)
    return list(scenarios)


def test_tasks_are_drawn_by_the_weights_of_their_classes_and_their_own() -> None:
    draws = Draws(begun(Reader(), Booker()), seed="1")
    drawn = collections.Counter(draws.next().path for _ in range(8000))
    shares = {path: count / 8000 for path, count in drawn.items()}
    assert shares["/often"] == pytest.approx(9 / 16, abs=0.03)
    assert shares["/seldom/{number}"] == pytest.approx(3 / 16, abs=0.03)
    assert shares["/write"] == pytest.approx(1 / 4, abs=0.03)


def test_the_same_seed_draws_the_same_requests() -> None:
    sequences = [
        [draws.next() for _ in range(50)]
        for draws in (
            Draws(begun(Reader(), Booker(), seed=seed), seed=seed) for seed in ("1", "1", "2")
        )
    ]
    assert sequences[0] == sequences[1] != sequences[2]


def test_each_kind_of_request_is_told_once_and_without_a_task_nothing_can_be_drawn() -> None:
    kinds = Draws(begun(Reader(), Booker()), seed="1").kinds()
    assert [ask.name for ask in kinds] == ["GET /often", "GET /seldom/{number}", "POST /write"]

    class Empty(Scenario):
        weight = 1
        tasks: list[Any] = []  # noqa: RUF012 - as Locust's own list is

    with pytest.raises(LoadError, match="no task is left"):
        Draws(begun(Empty()), seed="1")


def test_numbers_are_unique_and_zipf_asks_for_the_first_most_often() -> None:
    (reader,) = begun(Reader())
    assert len({reader.unique() for _ in range(100)}) == 100
    drawn = collections.Counter(reader.zipf(100) for _ in range(20_000))
    assert set(drawn) <= set(range(1, 101))
    assert drawn[1] / drawn[10] == pytest.approx(10, rel=0.35)
    assert drawn[1] / 20_000 == pytest.approx(1 / sum(1 / k for k in range(1, 101)), abs=0.02)
