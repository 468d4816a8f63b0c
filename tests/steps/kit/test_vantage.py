from __future__ import annotations

import pathlib
import time

import pytest

from probes import http
from steps.kit.availability import witness
from steps.kit.platform import Platform
from tests.probes.servers import Behaviour, answer, closed_port
from tests.steps.moody import DOWN, FAILING, UP, moody, several
from tests.steps.platforms import NOWHERE, a_platform

NOBODY = NOWHERE.format(closed_port())
LOGIN_PAGE = answer(b"<html>", content_type="text/html")


def test_nobody_answers_a_gate_without_network(tmp_path: pathlib.Path) -> None:
    controls = [NOWHERE.format(closed_port())]
    platform = a_platform(tmp_path, {"eu": NOBODY}, vantage_controls=controls)
    assert witness(platform, "eu") is None


@pytest.mark.parametrize("mood", [UP, FAILING, LOGIN_PAGE], ids=["well", "a 500", "a login page"])
def test_any_answer_of_another_region_proves_that_the_gate_has_network(
    tmp_path: pathlib.Path, mood: Behaviour
) -> None:
    with moody(mood) as other:
        platform = a_platform(tmp_path, {"eu": NOBODY, "us": other.url})
        assert witness(platform, "eu") == "api in us"


def test_a_region_is_no_witness_of_its_own_absence(tmp_path: pathlib.Path) -> None:
    with moody() as itself:
        assert witness(a_platform(tmp_path, {"eu": itself.url}), "eu") is None


def test_a_vantage_control_is_a_witness(tmp_path: pathlib.Path) -> None:
    with several("dead", "alive") as controls:
        controls["dead"].mood = DOWN
        addresses = [one.url for one in controls.values()]
        platform = a_platform(tmp_path, {"eu": NOBODY}, vantage_controls=addresses)
        assert witness(platform, "eu") == "vantage control 2"


def test_prometheus_is_a_witness(tmp_path: pathlib.Path) -> None:
    with moody() as prometheus:
        platform = a_platform(tmp_path, {"eu": NOBODY}, prometheus_at=prometheus.url)
        assert witness(platform, "eu") == "Prometheus"


def seconds_to_read(platform: Platform) -> float:
    def read(region: str) -> int | None:
        target = platform.service(region, "api")
        observed = http.request(target, "GET", "/health", deadline=platform.call_deadline())
        return None if observed.value is None else observed.value.status

    started = time.monotonic()
    assert set(platform.each_region(read).values()) == {200}
    return time.monotonic() - started


def test_ten_slow_regions_take_about_as_long_as_one(tmp_path: pathlib.Path) -> None:
    def slow(connection: object, over: object) -> None:
        over.wait(0.3)  # type: ignore[attr-defined]  # an Event: the server's latency, 300 ms
        UP(connection, over)  # type: ignore[arg-type]  # handed on

    names = [f"region-{number}" for number in range(10)]
    with several(*names, mood=slow) as services:
        addresses = {name: one.url for name, one in services.items()}
        one = seconds_to_read(a_platform(tmp_path, {"region-0": addresses["region-0"]}))
        ten = seconds_to_read(a_platform(tmp_path, addresses))
    # The figure is 1.3 (./harness bench); twice leaves room for a busy machine, ten times would fail.
    assert ten < 2 * one
