"""The doctor on Prometheus: series that are to come, disks that nobody measures, workers behind one port."""

from __future__ import annotations

import itertools
import pathlib
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gates.doctor.look import subject_of
from probes.prometheus import Series
from settings.monitoring import FileSystems
from settings.objectives import Prometheus
from steps.kit.findings import Finding, Level, Subject
from steps.objectives.doctor import (
    Asker,
    examine_metric,
    examine_overlaps,
    examine_prometheus,
    examine_storage,
)
from steps.objectives.overlap import overlaps
from steps.objectives.rules import room_on
from tests.environments.files import SECRETS, VALID, loaded
from tests.gates.decide.values import a_latency_objective
from tests.golden import Said
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


ADDRESS = "http://prometheus.eu.clinic.example:9090"
ONE_FOR_BOTH = VALID.replace("http://prometheus.us.clinic.example:9090", f"{ADDRESS}/")
BOTH = ("eu", "us")


def with_us(labels: str) -> str:
    """Return one Prometheus for both regions, and these labels of us."""
    return ONE_FOR_BOTH.replace("labels: {region: us}", f"labels: {labels}")


ALIKE = with_us("{region: eu}")
TWO_SPELLINGS = ALIKE.replace(f"{ADDRESS}/", "http://Prometheus.EU.clinic.example.:9090")


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


@cases(
    "content regions parted",
    {
        "each its own Prometheus": (VALID, BOTH, True),
        "one, and different values of one label": (ONE_FOR_BOTH, BOTH, True),
        "one, and the same labels": (ALIKE, BOTH, False),
        "one by two spellings, and the same labels": (TWO_SPELLINGS, BOTH, False),
        "the same labels, but asked alone": (ALIKE, ("us",), True),
        "one, and the labels of one select the other's series too": (with_us("{}"), BOTH, False),
        "one, and labels that a series may have both": (with_us("{cluster: us}"), BOTH, False),
    },
)
def test_regions_of_one_run_are_told_apart(
    tmp_path: pathlib.Path, content: str, regions: tuple[str, ...], *, parted: bool
) -> None:
    found = list(overlaps(loaded(tmp_path, content).settings, regions))
    assert (not found) is parted, found
    assert all("eu and us have one Prometheus" in sentence for sentence, _ in found)


def test_the_doctor_says_it_first(tmp_path: pathlib.Path) -> None:
    (found,) = examine_overlaps(subject_of(loaded(tmp_path, ALIKE), "v1.2.0", ()))
    assert found.level is Level.BAD
    assert "regions.us.labels" in " ".join(found.remedy)
    assert examine_overlaps(subject_of(loaded(tmp_path, VALID), "v1.2.0", ())) == []


def shares(*values: float) -> list[Series]:
    return [Series({"instance": f"node-{n}"}, value) for n, value in enumerate(values)]


@cases(
    "values",
    {
        "room enough": (shares(0.5, 0.151),),
        "one is nearly full": (shares(0.5, 0.149),),
        "just enough": (shares(0.15, 0.15),),
        "more used than there is": (shares(0.5, -0.01),),
        "one is not measured": (shares(0.5),),
        "none is measured": (shares(),),
        "of no size": (shares(0.5, float("nan")),),
        "of size zero": (shares(0.5, float("inf")),),
        "the two metrics swapped": (shares(0.5, 1.6),),
    },
)
def test_the_fullest_file_system_decides(values: list[Series], said: Said) -> None:
    found = room_on("nodes", values, 2, 0.15)
    said(f"{found.outcome}: {found.sentence}")
