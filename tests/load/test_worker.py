"""A worker's side of a run, without Locust: what it does while it prepares, and when nobody leads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
import pytest

from load import _worker
from load._run import PART, READY
from load._scenario import Ask, Scenario, Target
from load._worker import Worker
from tests.load.runs import a_setting, wait_for
from tests.load.wires import null_server


class Reader(Scenario):
    weight = 1

    def look(self) -> Ask:
        return self.get("/")

    tasks = [look]  # noqa: RUF012 - so Locust keeps them


class Hanging(Reader):
    def prepare(self, target: Target) -> None:
        del target
        gevent.sleep(100)
        raise AssertionError("it went on")


class Mistaken(Reader):
    def prepare(self, target: Target) -> None:
        raise KeyError(target.region)


class Told:
    """What a worker told its master."""

    def __init__(self) -> None:
        self.all: list[tuple[str, dict[str, Any]]] = []

    def send(self, kind: str, data: dict[str, Any]) -> None:
        self.all.append((kind, data))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for which, data in self.all if which == kind]


def a_worker(
    told: Told, scenario: type[Scenario], silent: Callable[[], float] = lambda: 0.0
) -> Worker:
    return Worker(
        name=lambda: "here#0", scenarios=lambda: [scenario()], tokens=lambda: 1, send=told.send,
        counted=lambda _: None, silent_seconds=silent,
    )  # fmt: skip


def armed(worker: Worker, port: int = 1) -> Worker:
    worker.arm(a_setting(port=port).record())
    return worker


def test_a_worker_that_is_stopped_prepares_nothing_more() -> None:
    told = Told()
    worker = armed(a_worker(told, Hanging))
    worker.begin()
    gevent.idle()
    worker.stop()
    # And one that had not begun says so, and never begins.
    early = armed(a_worker(told, Reader))
    early.stop()
    early.begin()
    gevent.idle()
    assert [(kind, data["final"]) for kind, data in told.all] == [(PART, True)] * 2


def test_a_scenarios_mistake_is_told_with_its_kind_and_place() -> None:
    told = Told()
    armed(a_worker(told, Mistaken)).begin()
    wait_for(lambda: told.of(READY))
    (ready,) = told.of(READY)
    assert ready["error"].startswith("KeyError in prepare, line ")


def test_a_worker_that_nobody_leads_sends_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_worker, "PULSE_SECONDS", 0.01)
    told, silent = Told(), [0.0]
    with null_server() as port:
        worker = armed(a_worker(told, Reader, lambda: silent[0]), port)
        worker.begin()
        wait_for(lambda: told.of(READY))
        worker.set_stage({"number": 0, "per_token": 10.0})
        silent[0] = _worker.SILENT_SECONDS + 1
        wait_for(lambda: any(part["final"] for part in told.of(PART)))
