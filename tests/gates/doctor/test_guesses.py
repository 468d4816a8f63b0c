from __future__ import annotations

import pytest

from gates.doctor import init_look as guesses


def test_a_platforms_own_requests_come_before_those_of_its_tools() -> None:
    names = ["prometheus_http_request_duration_seconds", "web_request_seconds", "job_seconds"]
    assert guesses.ranked(names)[0] == "web_request_seconds"
    assert guesses.ranked([*names, "http_request_duration_seconds"])[0].startswith("http_")


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("http_request_duration_seconds", True),
        ("page_latency", True),
        ("request_duration_milliseconds", False),
        ("response_time_ms", False),
        ("response_size_bytes", False),
    ],
)
def test_only_times_in_seconds_can_be_compared_with_a_target(name: str, *, fits: bool) -> None:
    assert guesses.is_duration_in_seconds(name) is fits


def test_a_version_label_must_hold_versions() -> None:
    assert guesses.version_label([{"version": "v2"}, {"build": "3.1.4"}]) == ("build", ["3.1.4"])
    assert guesses.version_label([{"version": "blue"}]) is None


def test_the_regions_are_all_values_of_the_first_usual_label() -> None:
    series = [{"zone": "us"}, {"zone": "eu"}, {"dc": "x"}]
    assert guesses.label_for(guesses.REGION_LABELS, series) == ("zone", ["eu", "us"])
    assert guesses.label_for(guesses.REGION_LABELS, [{}]) is None


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        pytest.param(
            {"state": "serving", "build": "3.1.4", "uptime": 5},
            {"status_field": "state", "healthy": "serving", "version_field": "build"},
            id="by the names of the fields",
        ),
        pytest.param(
            {"db": "up"}, {"status_field": "db", "healthy": "up"}, id="by a word for healthy"
        ),
        pytest.param(
            {"status": "degraded"},
            {"status_field": "status"},
            id="ill while it is looked at: its word is not the one for healthy",
        ),
        pytest.param({"uptime": 5}, {}, id="nothing that says how it is"),
    ],
)
def test_fields_of_a_health_answer(body: dict[str, object], fields: dict[str, str]) -> None:
    assert guesses.health_fields(body) == fields
