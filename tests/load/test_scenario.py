from __future__ import annotations

import collections
from typing import Any

import pytest

from load._scenario import Ask, Draws, PrepareError, Scenario


class Reader(Scenario):
    weight = 3

    def often(self) -> Ask:
        return self.get("/often")

    def seldom(self) -> Ask:
        return self.get("/seldom/{number}", number=self.unique())

    tasks: list[Any] = [often, often, often, seldom]  # noqa: RUF012 - as Locust's own list is


class Writer(Scenario):
    weight = 1

    def write(self) -> Ask:
        return self.post("/write", {"n": self.zipf(100)})

    tasks: list[Any] = [write]  # noqa: RUF012 - as Locust's own list is


def begun(*scenarios: Scenario, seed: str = "1") -> list[Scenario]:
    for one in scenarios:
        one.begin(seed=seed)
    return list(scenarios)


def test_tasks_are_drawn_by_the_weights_of_their_classes_and_their_own() -> None:
    draws = Draws(begun(Reader(), Writer()), seed="1")
    drawn = collections.Counter(draws.next().path for _ in range(8000))
    shares = {path: count / 8000 for path, count in drawn.items()}
    assert shares["/often"] == pytest.approx(9 / 16, abs=0.03)
    assert shares["/seldom/{number}"] == pytest.approx(3 / 16, abs=0.03)
    assert shares["/write"] == pytest.approx(1 / 4, abs=0.03)


def test_the_same_seed_draws_the_same_requests() -> None:
    sequences = [
        [draws.next() for _ in range(50)]
        for draws in (
            Draws(begun(Reader(), Writer(), seed=seed), seed=seed) for seed in ("1", "1", "2")
        )
    ]
    assert sequences[0] == sequences[1] != sequences[2]


def test_each_kind_of_request_is_told_once() -> None:
    kinds = Draws(begun(Reader(), Writer()), seed="1").kinds()
    assert [ask.name for ask in kinds] == ["GET /often", "GET /seldom/{number}", "POST /write"]


def test_without_a_task_nothing_can_be_drawn() -> None:
    class Empty(Scenario):
        weight = 1
        tasks: list[Any] = []  # noqa: RUF012 - as Locust's own list is

    with pytest.raises(PrepareError, match="no task is left"):
        Draws(begun(Empty()), seed="1")


def test_zipf_asks_for_the_first_most_often() -> None:
    (reader,) = begun(Reader())
    drawn = collections.Counter(reader.zipf(100) for _ in range(20_000))
    assert set(drawn) <= set(range(1, 101))
    assert drawn[1] / drawn[10] == pytest.approx(10, rel=0.35)
    assert drawn[1] / 20_000 == pytest.approx(1 / sum(1 / k for k in range(1, 101)), abs=0.02)


def test_numbers_are_unique() -> None:
    (reader,) = begun(Reader())
    assert len({reader.unique() for _ in range(100)}) == 100
