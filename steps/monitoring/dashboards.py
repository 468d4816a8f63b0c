"""Dashboards: are they loaded with the release's panels, and does each query return data now?"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from functools import partial

import probes
from gates.decide.judgement import Judgement, contains_all
from probes.observation import Failure
from settings.monitoring import Monitoring
from steps.kit.asked import Asked, Unread
from steps.kit.expect import expect
from steps.kit.failures import instrument_error
from steps.kit.sentence import described, then
from steps.monitoring import rules, watchers

_SPEAKS_PROMQL = re.compile(r".*prometheus.*|victoriametrics-(metrics-)?datasource")
_PLUGIN = re.compile(r"[a-z][a-z-]{0,60}")
"""How Grafana names the plugin of a data source."""
_SCRAPE_SECONDS = 15.0
"""Grafana's own guess where nobody tells."""


described("the dashboards are read", Monitoring, "monitoring")


@then("every dashboard is there and asks something")
def all_loaded(asked: Asked, monitoring: Monitoring) -> None:
    def judge(title: str) -> None:
        asked.judge(rules.loaded_once(title, len(_found(asked, title))))
        asked.judge(rules.asks_something(title, len(_dashboard(asked, title).queries)))

    asked.each(monitoring.grafana.dashboards, judge)


@then("every dashboard has the panels of the release")
def of_the_release(asked: Asked, monitoring: Monitoring) -> None:
    def judge(title: str) -> None:
        panels, wanted = _dashboard(asked, title).panels, monitoring.grafana.dashboards[title]
        asked.judge(contains_all(f"panels of “{title}”", panels, wanted))

    asked.each(monitoring.grafana.dashboards, judge)


@then("every query of theirs returns data")
def data_flow(asked: Asked, monitoring: Monitoring) -> None:
    # A dashboard that is missing, or shows nothing at all, has no data either.
    all_loaded(asked, monitoring)

    def judge(title: str) -> None:
        dashboard = _dashboard(asked, title)
        if not dashboard.queries:
            asked.judge(rules.no_query(title))
        for number, query in enumerate(dashboard.queries):
            what = f"panel “{query.panel}” of “{title}”"
            with contextlib.suppress(Unread):
                asked.judge(_flow(asked, what, number, query, dashboard.variables))

    asked.each(monitoring.grafana.dashboards, judge)


def _grafana_error(_: str, failure: Failure) -> Judgement:
    return instrument_error("Grafana", failure)


def _found(asked: Asked, title: str) -> tuple[str, ...]:
    """Return the uids of the dashboards of a title; raises Unread."""
    target, deadline = watchers.grafana(asked.platform), asked.platform.call_deadline()
    ask = partial(probes.grafana.find, target, title, deadline=deadline)
    return asked.read(f"uids of {title}", ask, _grafana_error).uids


def _dashboard(asked: Asked, title: str) -> probes.grafana.Dashboard:
    """Return the one dashboard of a title; raises Unread, also where there is none or a second."""
    uids = _found(asked, title)
    if len(uids) != 1:
        raise Unread(title)
    target, deadline = watchers.grafana(asked.platform), asked.platform.call_deadline()
    ask = partial(probes.grafana.dashboard, target, uids[0], deadline=deadline)
    return asked.read(f"dashboard {title}", ask, _grafana_error)


def _flow(
    asked: Asked,
    what: str,
    number: int,
    query: probes.grafana.PanelQuery,
    choices: Mapping[str, str],
) -> Judgement:
    """Judge one query, asked as Grafana asks; raises Unread."""
    text = rules.written(query.expression, choices, _scrape_seconds(asked))
    source, kind = _source(asked, query, choices)
    if not text.text or (kind and not _SPEAKS_PROMQL.fullmatch(kind)):
        shown = kind if not kind or _PLUGIN.fullmatch(kind) else "another source"
        sentence = f"{what} asks {shown or 'nothing'}, no Prometheus: not checked"
        return expect(None, what, sentence, f"a look at {what} by somebody")
    if text.unknown or not source:
        lacks = ", ".join(text.unknown) or query.datasource or "its data source"
        sentence = f"{what} can't be asked: the dashboard is saved without a value for {lacks}"
        return expect(None, what, sentence, f"a value for {lacks}, or a look at {what} by somebody")
    vector = asked.read(
        f"{what}, query {number}",
        lambda: probes.prometheus.instant(
            watchers.through_grafana(asked.platform, source),
            text.text,
            deadline=asked.platform.call_deadline(),
        ),
        lambda _, failure: instrument_error("Prometheus", failure),
    )
    return rules.shows_data(what, [one.value for one in vector.series], text.choices)


def _scrape_seconds(asked: Asked) -> float:
    prometheus = asked.platform.environment.settings.prometheus
    return prometheus.scrape_interval if prometheus else _SCRAPE_SECONDS


def _source(
    asked: Asked, query: probes.grafana.PanelQuery, choices: Mapping[str, str]
) -> tuple[str, str]:
    """Return uid and kind of a query's data source; an empty uid where nobody knows it."""
    name = rules.written(query.datasource, choices, _scrape_seconds(asked))
    if name.unknown or query.kind == "library":
        return "", query.kind
    if query.kind and name.text and not name.choices:
        return name.text, query.kind
    target, deadline = watchers.grafana(asked.platform), asked.platform.call_deadline()
    ask = partial(probes.grafana.sources, target, deadline=deadline)
    with contextlib.suppress(Unread):
        known = asked.read("Grafana's data sources", ask, _grafana_error).by_name
        return known.get(name.text, ("", query.kind))
    return "", query.kind
