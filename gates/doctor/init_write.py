"""Writes what was seen as an environment file for a person to complete."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
from collections.abc import Iterator, Sequence

import jinja2

from environments.yaml_file import PLACEHOLDER
from gates.doctor.init_look import Named, Seen

_SHOWN = 5


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What the caller named."""

    name: str
    """Of the environment."""
    prometheus: str | None
    service: str | None


def environment_file(asked: Asked, seen: Seen) -> str:
    """Return the file's text: ordinary YAML, with EDIT-ME where only a person knows."""
    fields = dict(seen.health.fields) if seen.health else {}
    if "status_field" in fields:
        fields.setdefault("healthy", f"{PLACEHOLDER}: what that field says of a healthy service")
    template = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=False,  # noqa: S701 - YAML: each text is written as JSON, which YAML reads back
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    template.filters |= {"text": _text, "listed": _list, "numbers": _numbers, "named": _named}
    return template.get_template("init.yaml.j2").render(
        asked=asked,
        seen=seen,
        edit=PLACEHOLDER,
        mark=lambda hint: _text(f"{PLACEHOLDER}: {hint}"),
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


def _text(value: str) -> str:
    """Return a text as YAML reads it back, whatever is in it: JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _list(values: Sequence[str]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return (", ".join(values[:_SHOWN]) or "none found") + more
