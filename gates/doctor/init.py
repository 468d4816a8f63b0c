"""What `gate init` reads of a live Prometheus and a service, its guesses what means what, and its file.

The guesses are pure rules over names. A guess is shown to a person, who decides; nothing here ever decides
a release.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from environments.yaml_file import PLACEHOLDER
from probes import http, prometheus
from probes.formats import NotJsonError
from probes.observation import Deadline, Failure, FailureKind
from probes.prometheus import PrometheusTarget, Series, scrape_intervals
from reports.texts import as_json, drawn
from steps.kit.failures import failure_of
from steps.objectives.promql import selector

STATUS_LABELS = (
    *("status", "code", "status_code", "http_status_code", "http_response_status_code"),
    *("http_status", "response_code"),
)
VERSION_LABELS = ("version", "release", "build", "app_version", "service_version", "image_tag")
REGION_LABELS = (
    *("region", "zone", "site", "datacenter", "dc", "location", "cluster", "aws_region"),
    "availability_zone",
)
_WORDS = {"http": 3, "web": 3, "request": 3, "api": 2}
_WORDS |= dict.fromkeys(("response", "page", "server", "duration"), 1)
_TIME = re.compile(r"duration|latency|seconds|time")
_NOT_THE_PLATFORMS = re.compile(
    r"^(prometheus|promhttp|alertmanager|grafana|go|process|node|net|scrape|apiserver|etcd|kubelet|rest_client)_"
)
_VERSION = r"v?\d+\.\d+(\.\d+)?([-+].+)?"
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
    candidates: Sequence[str], series: Iterable[Mapping[str, str]], values_are: str = "(?s:.*)"
) -> tuple[str, list[str]] | None:
    """Return the first candidate label whose values all match, with them; None without one."""
    found = list(series)
    for label in candidates:
        values = sorted({one[label] for one in found if one.get(label)})
        if values and all(re.fullmatch(values_are, value) for value in values):
            return label, values
    return None


def version_label(series: Iterable[Mapping[str, str]]) -> tuple[str, list[str]] | None:
    """Return the label that carries the release: its values must look like versions."""
    return label_for(VERSION_LABELS, series, _VERSION)


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


CALL_SECONDS = 10.0
HEALTH_PATHS = ("/health", "/healthz", "/status", "/api/health", "/actuator/health", "/livez")
_MOST_SERIES = 200
_OK = 200
_SERVER_ERROR = 500


class NothingSeenError(Exception):
    """What was to be looked at did not answer; the text says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)


@dataclasses.dataclass(frozen=True, slots=True)
class Named:
    """A metric of one job; a counter with the label that holds the HTTP status."""

    name: str
    job: str
    status_label: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Health:
    """A health endpoint that answered with JSON."""

    path: str
    fields: Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """What was found; everything is empty where nothing was asked."""

    jobs: Sequence[str] = ()
    histograms: Sequence[Named] = ()
    """The likeliest first."""
    bounds: Sequence[float] = ()
    """Of the first histogram, in seconds."""
    counters: Sequence[Named] = ()
    """Of the same job as the first histogram where there are any, the likeliest first."""
    scrape_seconds: float | None = None
    version: tuple[str, Sequence[str]] | None = None
    """The label of `up` that carries the release, with its values."""
    metric_version: tuple[str, Sequence[str]] | None = None
    """The same of the metrics."""
    region: tuple[str, Sequence[str]] | None = None
    health: Health | None = None

    @property
    def job(self) -> str | None:
        """Return the job whose requests are counted."""
        if self.histograms:
            return self.histograms[0].job
        return self.counters[0].job if self.counters else None


def look(target: PrometheusTarget) -> Seen:
    """Return what a Prometheus holds; raises NothingSeenError when it does not answer."""
    jobs = [one.labels.get("job", "") for one in _series(target, "count by (job) (up)")]
    histograms = _histograms(target)
    counters = _counters(target)
    job = histograms[0].job if histograms else (counters[0].job if counters else None)
    if job is None:
        return Seen(jobs=sorted(filter(None, jobs)))
    same_job = [one for one in counters if one.job == job]
    up = _labels(target, selector("up", {"job": job}))
    measured = [f"{one.name}_count" for one in histograms[:1]] or [counters[0].name]
    of_metric = _labels(target, selector(measured[0], {"job": job}))
    intervals = scrape_intervals(target, deadline=Deadline.after(CALL_SECONDS)).value
    return Seen(
        jobs=sorted(filter(None, jobs)),
        histograms=histograms,
        bounds=_bounds(target, histograms[0]) if histograms else (),
        counters=same_job or counters,
        scrape_seconds=intervals.seconds.get(job) if intervals else None,
        version=version_label(up),
        metric_version=version_label(of_metric),
        region=label_for(REGION_LABELS, of_metric),
    )


def look_at_service(base_url: str) -> Health | None:
    """Return the first usual health path that answers 200 and a JSON object; None without one.

    Raises NothingSeenError when the service does not answer at all, or with server errors alone.
    """
    target = http.HttpTarget(base_url.rstrip("/"))
    statuses = []
    for path in HEALTH_PATHS:
        observed = http.request(target, "GET", path, deadline=Deadline.after(CALL_SECONDS))
        answer = observed.value
        if answer is None:
            raise NothingSeenError(failure_of(observed))
        if answer.status == _OK and (body := _object(answer)) is not None:
            return Health(path, health_fields(body))
        statuses.append(answer.status)
    if min(statuses) >= _SERVER_ERROR:
        detail = f"it answers {statuses[0]} on every usual health path."
        raise NothingSeenError(Failure(FailureKind.SERVER_ERROR, detail))
    return None


def _object(answer: http.HttpAnswer) -> Mapping[str, object] | None:
    try:
        body = answer.json()
    except NotJsonError:
        return None
    return body if isinstance(body, Mapping) else None


def _histograms(target: PrometheusTarget) -> list[Named]:
    query = 'count by (__name__, job) ({__name__=~".+_bucket",le!=""})'
    found = [
        Named(one.labels["__name__"].removesuffix("_bucket"), one.labels.get("job", ""))
        for one in _series(target, query)
    ]
    return _ranked([one for one in found if is_duration_in_seconds(one.name)])


def _counters(target: PrometheusTarget) -> list[Named]:
    found: list[Named] = []
    for label in STATUS_LABELS:
        statuses = f'__name__=~".+_(total|count)",{label}=~"[1-5][0-9][0-9]"'
        series = _series(target, f"count by (__name__, job) ({{{statuses}}})")
        found += [Named(one.labels["__name__"], one.labels.get("job", ""), label) for one in series]
    return _ranked(found)


def _ranked(found: Sequence[Named]) -> list[Named]:
    order = {name: number for number, name in enumerate(ranked(one.name for one in found))}
    return sorted(found, key=lambda one: (order[one.name], one.job))


def _bounds(target: PrometheusTarget, histogram: Named) -> list[float]:
    query = f"count by (le) ({selector(histogram.name + '_bucket', {'job': histogram.job})})"
    bounds = sorted(float(one.labels.get("le", "nan")) for one in _series(target, query))
    return [bound for bound in bounds if bound != float("inf")]


def _labels(target: PrometheusTarget, query: str) -> list[Mapping[str, str]]:
    return [one.labels for one in _series(target, f"topk({_MOST_SERIES}, {query})")]


def _series(target: PrometheusTarget, query: str) -> tuple[Series, ...]:
    observed = prometheus.instant(target, query, deadline=Deadline.after(CALL_SECONDS))
    if observed.value is None:
        raise NothingSeenError(failure_of(observed))
    return observed.value.series


_SHOWN = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What the caller named."""

    name: str
    """Of the environment."""
    prometheus: str | None
    service: str | None
    checks: str | None = None
    """The folder of checks of its own; None: the gate's."""


def environment_file(asked: Asked, seen: Seen) -> str:
    """Return the file's text: ordinary YAML, with EDIT-ME where only a person knows."""
    fields = dict(seen.health.fields) if seen.health else {}
    if "status_field" in fields:
        fields.setdefault("healthy", f"{PLACEHOLDER}: what that field says of a healthy service")
    return drawn(
        pathlib.Path(__file__).with_name("init.yaml.j2"),
        str,
        text=as_json,
        listed=_list,
        numbers=_numbers,
        named=_named,
        asked=asked,
        seen=seen,
        edit=PLACEHOLDER,
        mark=lambda hint: as_json(f"{PLACEHOLDER}: {hint}"),
        regions=_regions(seen.region[1] if seen.region else ["main"]),
        health_fields=fields,
    )


def findings(seen: Seen) -> Iterator[str]:
    """Yield a sentence for each thing that was found or looked for in vain."""
    yield f"jobs: {_list(seen.jobs)}"
    yield f"request-duration histograms: {_list(_named(seen.histograms))}"
    if seen.bounds:
        yield f"bounds of {seen.histograms[0].name}: {_numbers(seen.bounds)}"
    counters = [
        f"{name} by {one.status_label}"
        for name, one in zip(_named(seen.counters), seen.counters, strict=True)
    ]
    yield f"counters with an HTTP status: {_list(counters)}"
    for what, label in (("release", seen.metric_version), ("region", seen.region)):
        shown = f"{label[0]} ({_list(label[1])})" if label else "none found"
        yield f"label of the {what}: {shown}"
    yield f"health endpoint: {seen.health.path if seen.health else 'none found'}"


def _regions(values: Sequence[str]) -> list[tuple[str, str]]:
    """Return each region's label with a name that no other has: labels may hold what names may not."""
    named: dict[str, str] = {}
    for value in values:
        base = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-") or "region"
        key = base if base[0].isalpha() else f"r-{base}"
        while key in named:
            key += "-x"
        named[key] = value
    return list(named.items())


def _named(metrics: Sequence[Named]) -> list[str]:
    return [f"{one.name} of job {one.job}" for one in metrics]


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _list(values: Sequence[str]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return (", ".join(values[:_SHOWN]) or "none found") + more
