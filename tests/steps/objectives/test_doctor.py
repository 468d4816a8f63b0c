"""The doctor on Prometheus: series that are to come, disks that nobody measures, workers behind one port."""

from __future__ import annotations

import itertools
import pathlib
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from settings.monitoring import FileSystems
from settings.objectives import Prometheus
from steps.kit.findings import Finding, Level, Subject
from steps.objectives.doctor import Asker, examine_metric, examine_prometheus, examine_storage
from tests.gates.decide.values import a_latency_objective
from tests.probes.servers import answer, closed_port, serving
from tests.steps.platforms import NOWHERE, a_platform
from tests.steps.scripted_prometheus import ONE, ScriptedPrometheus
from tests.tables import cases

METRIC = {"name": "seconds", "labels": {"job": "clinic", "version": "{release}"}}
OBJECTIVE = a_latency_objective()
Subjects = Callable[..., Subject]


@pytest.fixture
def subject(tmp_path: pathlib.Path, prometheus: ScriptedPrometheus) -> Subjects:
    """Return what makes a platform that this Prometheus watches, with more sections."""

    def subject(**sections: Any) -> Subject:
        described = {"job": "clinic", "scrape_interval": "5s"}
        at = {"eu": NOWHERE.format(closed_port())}
        return Subject(
            a_platform(
                tmp_path, at, prometheus_at=prometheus.url, prometheus=described, **sections
            ),
            release_known=True,
        )

    return subject


def examined(subject: Subjects, **traffic: str) -> Finding:
    asker = Asker.of(subject(metrics={OBJECTIVE.metric: METRIC}, traffic=traffic), "eu")
    return examine_metric(asker, OBJECTIVE)


def test_series_of_the_release_are_to_come_until_traffic_is_switched_and_only_where_others_are(
    subject: Subjects, prometheus: ScriptedPrometheus
) -> None:
    prometheus.answers = {'version="1.2.0"': (), 'count(seconds_bucket{job="clinic"': ONE}
    found = examined(subject)
    words = 'seconds has no series with version="1.2.0" yet, as before a deployment'
    assert (found.level, found.sentence) == (Level.WARN, words)
    assert examined(subject, switched_at="2026-01-31T22:00:00Z").level is Level.BAD
    prometheus.answers = {}
    assert examined(subject).level is Level.BAD


@cases("at_least level", {"all of them": (1, Level.OK), "one is missing": (2, Level.BAD)})
def test_file_systems_that_nobody_measures_are_told(
    subject: Subjects, prometheus: ScriptedPrometheus, at_least: int, level: Level
) -> None:
    labels = '{region="eu",x="y"}'
    prometheus.answers = {f"free{labels} / size{labels}": ONE}
    kind = FileSystems(available="free", size="size", labels={"x": "y"}, at_least=at_least)
    assert examine_storage(Asker.of(subject(), "eu"), "nodes", kind).level is level


@cases(
    "starts split",
    {
        "workers with counters of their own": ([b"1.7959e+09", b"1795900003.5"], True),
        "one process": ([b"1795900003.5"], False),
        "no start is told": ([], False),
    },
)
def test_workers_that_are_scraped_in_one_place(
    subject: Subjects, prometheus: ScriptedPrometheus, starts: Sequence[bytes], *, split: bool
) -> None:
    """The doctor meets each worker behind a port; a scraper that keeps its connection meets one."""
    workers = [answer(b"up 1\nprocess_start_time_seconds " + one + b"\n") for one in starts]
    turns = itertools.cycle(workers or [answer(b"up 1\n")])

    def behave(connection: socket.socket, over: threading.Event) -> None:
        next(turns)(connection, over)

    with serving(behave) as target:
        prometheus.answers = {"max(time()": ONE, "up{": (({"instance": target.url[7:]}, "1"),)}
        examined = subject()
        section = examined.settings.prometheus
        assert isinstance(section, Prometheus)
        _, scrapes, *_ = examine_prometheus(examined, "eu", section)
    assert scrapes.level is (Level.BAD if split else Level.OK), scrapes.sentence
    assert ("several processes answer" in scrapes.sentence) is split
