from __future__ import annotations

from gates.doctor import init as guesses
from tests.tables import cases


def test_a_platforms_own_requests_come_before_those_of_its_tools() -> None:
    found = ["prometheus_http_request_duration_seconds", "web_request_seconds", "job_seconds"]
    assert guesses.ranked(found)[0] == "web_request_seconds"
    assert guesses.ranked([*found, "http_request_duration_seconds"])[0].startswith("http_")
    # Only times in seconds can be compared with a target.
    names = ("http_request_duration_seconds", "page_latency", "request_duration_milliseconds")
    fit = filter(
        guesses.is_duration_in_seconds, (*names, "response_time_ms", "response_size_bytes")
    )
    assert list(fit) == list(names[:2])


def test_a_version_label_must_hold_versions_and_the_regions_are_all_values_of_the_first_usual_label() -> (
    None
):
    assert guesses.version_label([{"version": "v2"}, {"build": "3.1.4"}]) == ("build", ["3.1.4"])
    assert guesses.version_label([{"version": "blue"}]) is None
    series = [{"zone": "us"}, {"zone": "eu"}, {"dc": "x"}]
    assert guesses.label_for(guesses.REGION_LABELS, series) == ("zone", ["eu", "us"])
    assert guesses.label_for(guesses.REGION_LABELS, [{}]) is None


BY_NAME = {"status_field": "state", "healthy": "serving", "version_field": "build"}


@cases(
    "body fields",
    {
        "by the names of the fields": ({"state": "serving", "build": "3.1.4", "up": 5}, BY_NAME),
        "by a word for healthy": ({"db": "up"}, {"status_field": "db", "healthy": "up"}),
        "ill just now: its word is not it": ({"status": "degraded"}, {"status_field": "status"}),
        "nothing that says how it is": ({"uptime": 5}, {}),
    },
)
def test_fields_of_a_health_answer(body: dict[str, object], fields: dict[str, str]) -> None:
    assert guesses.health_fields(body) == fields
