"""Guesses for a first environment file: which of a platform's metrics and labels mean what.

Pure rules over names. A guess is shown to a person, who decides; nothing here ever decides a release.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

STATUS_LABELS = (
    "status",
    "code",
    "status_code",
    "http_status_code",
    "http_response_status_code",
    "http_status",
    "response_code",
)
VERSION_LABELS = ("version", "release", "build", "app_version", "service_version", "image_tag")
REGION_LABELS = (
    "region",
    "zone",
    "site",
    "datacenter",
    "dc",
    "location",
    "cluster",
    "aws_region",
    "availability_zone",
)
_WORDS = {
    "http": 3,
    "web": 3,
    "request": 3,
    "response": 1,
    "page": 1,
    "server": 1,
    "api": 2,
    "duration": 1,
}
_TIME = re.compile(r"duration|latency|seconds|time")
_NOT_THE_PLATFORMS = re.compile(
    r"^(prometheus|promhttp|alertmanager|grafana|go|process|node|net|scrape|apiserver|etcd|kubelet|rest_client)_"
)
_VERSION = re.compile(r"v?\d+\.\d+(\.\d+)?([-+].+)?")
_STATE_WORDS = ("healthy", "ok", "up", "pass", "passing", "serving", "running", "alive", "green")
_STATE_FIELDS = ("status", "state", "health")


def ranked(names: Iterable[str]) -> list[str]:
    """Return names of request metrics, the likeliest first."""
    return sorted(set(names), key=lambda name: (-score(name), name))


def score(name: str) -> int:
    """Return how much a name sounds like the requests of a platform; 0 and below: not at all."""
    points = sum(weight for word, weight in _WORDS.items() if word in name)
    return points - (15 if _NOT_THE_PLATFORMS.match(name) else 0)


def is_duration_in_seconds(histogram: str) -> bool:
    """Return whether a histogram's name speaks of a time and not of milliseconds."""
    return bool(_TIME.search(histogram)) and not re.search(r"milli|_ms\b|micro|nano", histogram)


def label_for(
    candidates: Sequence[str], series: Iterable[Mapping[str, str]]
) -> tuple[str, list[str]] | None:
    """Return the first candidate label that the series have, with its values; None without one."""
    found = list(series)
    for label in candidates:
        values = sorted({one[label] for one in found if one.get(label)})
        if values:
            return label, values
    return None


def version_label(series: Iterable[Mapping[str, str]]) -> tuple[str, list[str]] | None:
    """Return the label that carries the release: its values must look like versions."""
    found = list(series)
    for label in VERSION_LABELS:
        values = sorted({one[label] for one in found if one.get(label)})
        if values and all(_VERSION.fullmatch(value) for value in values):
            return label, values
    return None


def health_fields(body: Mapping[str, object]) -> dict[str, str]:
    """Return which fields of a health answer say the state, the word for healthy, and the version.

    A word that nobody uses for healthy is not proposed as it: the service may be ill just now.
    """
    texts = {name: value for name, value in body.items() if isinstance(value, str)}
    state = next((name for name in texts if name.lower() in _STATE_FIELDS), None)
    state = state or next((n for n, text in texts.items() if text.lower() in _STATE_WORDS), None)
    version = next((name for name in texts if name.lower() in VERSION_LABELS), None)
    found = {} if state is None else {"status_field": state}
    if state is not None and texts[state].lower() in _STATE_WORDS:
        found["healthy"] = texts[state]
    return found if version is None else {**found, "version_field": version}
