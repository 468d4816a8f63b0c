"""Writes what was seen as an environment file for a person to complete."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Sequence

from environments.yaml_file import PLACEHOLDER
from gates.doctor.init_look import Named, Seen

_SHOWN = 5
_RELEASE = '"{release}"'


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What the caller named."""

    name: str
    """Of the environment."""
    prometheus: str | None
    service: str | None


def environment_file(asked: Asked, seen: Seen) -> str:
    """Return the file's text: ordinary YAML, with EDIT-ME where only a person knows."""
    return "\n".join([*_head(asked), *_regions(asked, seen), *_rest(seen), ""])


def findings(seen: Seen) -> Iterator[str]:
    """Yield a sentence for each thing that was found or looked for in vain."""
    yield f"jobs: {_list(seen.jobs)}"
    yield f"request-duration histograms: {_list([_of(one) for one in seen.histograms])}"
    if seen.bounds:
        yield f"bounds of {seen.histograms[0].name}: {_numbers(seen.bounds)}"
    counters = [f"{_of(one)} by {one.status_label}" for one in seen.counters]
    yield f"counters with an HTTP status: {_list(counters)}"
    for what, label in (("release", seen.metric_version), ("region", seen.region)):
        shown = f"{label[0]} ({_list(label[1])})" if label else "none found"
        yield f"label of the {what}: {shown}"
    yield f"health endpoint: {seen.health.path if seen.health else 'none found'}"


def _head(asked: Asked) -> Iterator[str]:
    yield f"# Proposed by gate init from {asked.prometheus or 'nothing'}; guesses: look at each line."
    yield f"# Replace what says {PLACEHOLDER}, then run gate doctor with this file. Every key is explained in"
    yield "# docs/environments.md; sections such as postgres, redis and synthetic are there to be added."
    yield "schema: 1"
    yield f"name: {asked.name}"
    yield f"owner: {_mark('who is called when nobody else owns a red check')}"
    yield "# The runbook's checks apply; for checks of your own (docs/adr/0017):"
    yield "# checks: checks"
    yield "# Traffic counts since the switch; --switched-at says it for one run."
    yield "traffic: {}"


def _regions(asked: Asked, seen: Seen) -> Iterator[str]:
    label, values = seen.region or ("", ["main"])
    if len(values) > 1 and asked.service:
        yield "public:"
        yield f"  api: {_text(asked.service)}"
    yield "regions:"
    names: set[str] = set()
    for value in values:
        yield f"  {_key(value, names)}:"
        alone = asked.service if len(values) == 1 else None
        hint = f"address of the service in {value} alone"
        yield f"    services: {{api: {_text(alone) if alone else _mark(hint)}}}"
        where = _text(asked.prometheus) if asked.prometheus else _mark("its Prometheus")
        yield f"    prometheus: {where}"
        yield f"    labels: {{{label}: {_text(value)}}}" if label else "    labels: {}"


def _rest(seen: Seen) -> Iterator[str]:
    yield "services:"
    yield "  api:"
    yield "    # With several replicas name the header in which each names itself, replica_header: X-Pod."
    yield "    # A single one is replicas: 1. docs/platform-contract.md says why."
    yield "    health:"
    path = seen.health.path if seen.health else f"{PLACEHOLDER}: path of the health endpoint"
    fields = dict(seen.health.fields) if seen.health else {}
    if "status_field" in fields:
        fields.setdefault("healthy", f"{PLACEHOLDER}: what that field says of a healthy service")
    more = "".join(f", {name}: {_text(value)}" for name, value in fields.items())
    if seen.health is None:
        yield "      # Beside path: status_field, healthy, version_field, as its JSON has them."
    yield f"      liveness: {{path: {_text(path)}{more}}}"
    yield "prometheus:"
    yield f"  job: {_text(seen.job) if seen.job else _mark('the scrape job of the platform')}"
    yield from _interval(seen.scrape_seconds)
    if seen.version:
        yield f"  target_labels: {{{seen.version[0]}: {_RELEASE}}}"
    yield from _metrics(seen)


def _interval(seconds: float | None) -> Iterator[str]:
    if seconds is None:
        yield f"  scrape_interval: {_mark('of that job, such as 15s')}"
    else:
        yield f"  scrape_interval: {round(seconds * 1000)}ms"


def _metrics(seen: Seen) -> Iterator[str]:
    yield "metrics:"
    if not seen.metric_version:
        yield f"  # {PLACEHOLDER}? No label carries the release: old and new samples can't be distinguished."
    if seen.histograms:
        yield from _others(seen.histograms)
        yield f"  request_duration: {{{_metric(seen.histograms[0], seen)}}}"
        yield "  # The policy's objectives on request_duration need exactly these bounds (seconds):"
        yield f"  #   bucket_bounds: [{_numbers(seen.bounds)}]"
    else:
        yield f"  request_duration: {{name: {_mark('histogram of request durations in seconds')}}}"
    if seen.counters:
        yield from _others(seen.counters)
        status = f"status_label: {seen.counters[0].status_label}"
        yield f"  requests_total: {{{_metric(seen.counters[0], seen)}, {status}}}"
    else:
        yield f"  requests_total: {{name: {_mark('counter of requests with their HTTP status')}}}"


def _others(found: Sequence[Named]) -> Iterator[str]:
    if len(found) > 1:
        yield f"  # Others: {_list([_of(one) for one in found[1:]])}"


def _metric(metric: Named, seen: Seen) -> str:
    version = f", {seen.metric_version[0]}: {_RELEASE}" if seen.metric_version else ""
    return f"name: {metric.name}, labels: {{job: {_text(metric.job)}{version}}}"


def _of(metric: Named) -> str:
    return f"{metric.name} of job {metric.job}"


def _key(value: str, taken: set[str]) -> str:
    """Return a name for a region that no other has: labels may hold what names may not."""
    base = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-") or "region"
    base = base if base[0].isalpha() else f"r-{base}"
    key = base
    while key in taken:
        key += "-x"
    taken.add(key)
    return key


def _mark(hint: str) -> str:
    return _text(f"{PLACEHOLDER}: {hint}")


def _text(value: str) -> str:
    """Return a text as YAML reads it back, whatever is in it: JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _list(values: Sequence[str]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return (", ".join(values[:_SHOWN]) or "none found") + more
