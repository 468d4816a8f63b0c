"""The panels of a dashboard, asked as Grafana asks: does each query return data now?"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping

import probes
from gates.decide.judgement import Judgement
from steps.kit import failures
from steps.kit.check import Check
from steps.kit.expect import expect
from steps.kit.platform import Platform
from steps.monitoring import watchers

_VARIABLE = re.compile(r"\$\{(\w+)[^}]*\}|\$(\w+)|\[\[(\w+)[^\]]*\]\]")
"""The three ways in which Grafana writes one."""
_SPEAKS_PROMQL = re.compile(r".*prometheus.*|victoriametrics-(metrics-)?datasource")
_PLUGIN = re.compile(r"[a-z][a-z-]{0,60}")
"""How Grafana names the plugin of a data source."""
_SCRAPE_SECONDS = 15.0
"""Grafana's own guess where nobody tells."""
_SCRAPES_A_RATE = 4
"""`$__rate_interval` holds so many."""
_RANGE_SECONDS = 3600


@dataclasses.dataclass(frozen=True, slots=True)
class Written:
    """A text with its variables replaced."""

    text: str
    choices: tuple[str, ...]
    """The dashboard's own variables in it: a browser may choose another value for each."""
    unknown: tuple[str, ...]
    """Those without a value."""


def written(text: str, choices: Mapping[str, str], scrape_seconds: float) -> Written:
    """Replace the variables of a text: Grafana's own times, and what the dashboard is saved with."""
    rate = f"{math.ceil(_SCRAPES_A_RATE * scrape_seconds)}s"
    own = {
        "__rate_interval": rate,
        "__interval": rate,
        "__range": f"{_RANGE_SECONDS}s",
        "__range_s": str(_RANGE_SECONDS),
    }
    used: list[str] = []
    unknown: list[str] = []

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2] or match[3]
        if name in own:
            return own[name]
        if name not in choices and not name.startswith("__"):
            return match[0]  # such as the $1 of label_replace
        chosen = choices.get(name, "")
        (used if chosen else unknown).append(name)
        return chosen or match[0]

    replaced = _VARIABLE.sub(value, text)
    return Written(replaced, tuple(dict.fromkeys(used)), tuple(dict.fromkeys(unknown)))


class Panels:
    """The panels of one platform's dashboards as one check looks at them; shared by all regions."""

    def __init__(self, platform: Platform, check: Check) -> None:
        self._platform = platform
        self._check = check
        self._sources: Mapping[str, tuple[str, str]] | None = None
        prometheus = platform.environment.settings.prometheus
        self._scrape_seconds = prometheus.scrape_interval if prometheus else _SCRAPE_SECONDS

    def flow(self, title: str, dashboard: probes.grafana.Dashboard) -> Iterator[Judgement]:
        """Judge each query of a dashboard; one without any shows nothing."""
        if not dashboard.queries:
            what = f"dashboard “{title}”"
            yield expect(
                good=False,
                rule="data flow",
                subject=what,
                sentence=f"{what} has no query, wanted at least 1",
                clears=f"{what} with its panels",
                observed=0,
                target=1,
            )
        for query in dashboard.queries:
            what = f"panel “{query.panel}” of “{title}”"
            yield self._of_query(what, query, dashboard.variables)

    def _of_query(
        self, what: str, query: probes.grafana.PanelQuery, choices: Mapping[str, str]
    ) -> Judgement:
        asked = written(query.expression, choices, self._scrape_seconds)
        source, kind = self._source(query, choices)
        if not asked.text or (kind and not _SPEAKS_PROMQL.fullmatch(kind)):
            shown = kind if not kind or _PLUGIN.fullmatch(kind) else "another source"
            sentence = f"{what} asks {shown or 'nothing'}, no Prometheus: not looked at"
            return expect(None, what, sentence, f"a look at {what} by somebody")
        if asked.unknown or not source:
            lacks = ", ".join(asked.unknown) or query.datasource or "its data source"
            sentence = f"{what} can't be asked: the dashboard is saved without a value for {lacks}"
            return expect(
                None, what, sentence, f"a value for {lacks}, or a look at {what} by somebody"
            )
        observed = probes.prometheus.instant(
            watchers.through_grafana(self._platform, source),
            asked.text,
            deadline=self._platform.call_deadline(),
        )
        self._check.observe_everywhere(observed)
        if observed.value is None:
            return failures.instrument_error("Prometheus", failures.failure_of(observed))
        numbers = [one.value for one in observed.value.series if math.isfinite(one.value)]
        if not numbers and asked.choices:
            sentence = f"{what} shows nothing for the saved {', '.join(asked.choices)}"
            return expect(None, what, f"{sentence}; a browser may choose another", "a look at it")
        return expect(
            good=bool(numbers),
            rule="data flow",
            subject=what,
            sentence=f"{what} shows {len(numbers)} series with a number, wanted at least 1",
            clears=f"metrics behind {what}",
            observed=len(numbers),
            target=1,
        )

    def _source(
        self, query: probes.grafana.PanelQuery, choices: Mapping[str, str]
    ) -> tuple[str, str]:
        """Return uid and kind of a query's data source; an empty uid where nobody knows it."""
        name = written(query.datasource, choices, self._scrape_seconds)
        if name.unknown or query.kind == "library":
            return "", query.kind
        if query.kind and name.text and not name.choices:
            return name.text, query.kind
        return self._known().get(name.text, ("", query.kind))

    def _known(self) -> Mapping[str, tuple[str, str]]:
        """Return what Grafana says of its data sources, asked once."""
        if self._sources is None:
            target = watchers.grafana(self._platform)
            observed = probes.grafana.sources(target, deadline=self._platform.call_deadline())
            self._check.observe_everywhere(observed)
            if observed.value is None:
                failure = failures.failure_of(observed)
                self._check.judge_everywhere(failures.instrument_error("Grafana", failure))
            self._sources = observed.value.by_name if observed.value else {}
        return self._sources
