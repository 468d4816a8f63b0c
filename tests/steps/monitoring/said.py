"""Every way in which the rules of monitoring judge; `tests.gates.decide.test_said` keeps what they say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from gates.decide.judgement import Judgement
from probes.prometheus.alerting import AlertRule, Configuration, ScrapeTarget
from steps.monitoring import rules
from steps.monitoring.rules import (
    Scrapes,
    ShippedRule,
    Steps,
    UnreadableRouteError,
    receivers,
    receivers_at_times,
)

PAGE = {"receiver": "page"}
NIGHTS = ["nights"]
UNREADABLE: tuple[dict[str, Any], ...] = (
    {"matchers": ["severity"]},
    {"matchers": [7]},
    {"matchers": "x"},
    {"matchers": ["severity=critical,team=web"]},
    {"routes": {"a": 1}},
    {"routes": [[]]},
    {"match": ["severity"]},
    {"match_re": {"severity": "("}},
)
ROUTES: dict[str, list[dict[str, Any]]] = {
    "a tree without children takes everything": [],
    "the child that matches takes it": [{**PAGE, "matchers": ['severity="critical"']}],
    "no child matches": [{**PAGE, "matchers": ["severity = warning"]}],
    "the first one wins": [{**PAGE, "match": {"severity": "critical"}}, {"receiver": "two"}],
    "continue goes on": [{**PAGE, "continue": True}, {"receiver": "two"}],
    "a child's child": [{"match_re": {"severity": "crit.*"}, "routes": [{"receiver": "deep"}]}],
    "a child without a receiver has its parent's": [
        {"match": {"team": "api"}, "routes": [{"match": {"team": "web"}}]}
    ],
    "a missing label is empty": [{**PAGE, "matchers": ['severity!~"warn.*"', 'region=""']}],
    "names quoted and values escaped": [
        {**PAGE, "matchers": [r'"severity"=~"crit\\w+"', 'team!="a\\"b"']}
    ],
    "an escaped line break": [{**PAGE, "matchers": [r'lines="a\nb\tc"']}],
    "a child is not muted with its parent": [
        {**PAGE, "mute_time_intervals": NIGHTS, "routes": [{}]}
    ],
    "a regular expression matches whole values": [{**PAGE, "match_re": {"severity": "crit"}}],
    **{
        f"{key} tells a receiver apart": [
            {**PAGE, "continue": True, key: NIGHTS},
            {"receiver": "chat"},
        ]
        for key in ("mute_time_intervals", "active_time_intervals")
    },
    **{f"unreadable: {child}": [child] for child in UNREADABLE},
}


def routes() -> Iterator[str]:
    """Yield whom an alert reaches at any time, and whom at times alone."""
    labels = {"severity": "critical", "team": "api", "lines": "a\nbtc"}
    for name, children in ROUTES.items():
        tree = {"receiver": "default", "routes": children}
        try:
            reached, at_times = receivers(tree, labels), receivers_at_times(tree, labels)
        except UnreadableRouteError as exc:
            yield f"{name}: {exc}"
        else:
            also = f"; at times {', '.join(at_times)}" if at_times else ""
            yield f"{name}: {', '.join(reached) or 'nobody'}{also}"


NOW = dt.datetime(2026, 1, 31, 22, 0, tzinfo=dt.UTC)
WANTED = ShippedRule("ErrorsHigh", "errors > 3", 120.0, {"severity": "critical"})
LOADED = {
    "name": "ErrorsHigh",
    "expression": "errors > 3",
    "for_seconds": 120.0,
    "labels": {"severity": "critical"},
    "health": "ok",
    "state": "inactive",
    "evaluated_at": NOW,
    "interval_seconds": 15.0,
}


def loaded(**changes: Any) -> AlertRule:
    return AlertRule(**{**LOADED, **changes})


def ago(seconds: float) -> dt.datetime:
    return NOW - dt.timedelta(seconds=seconds)


def of_rules() -> Iterator[Judgement]:
    """Yield what is said of a rule that must have been evaluated within a minute."""
    found: list[dict[str, Any]] = [
        *({}, {"expression": "errors > 300"}, {"for_seconds": 0.5}, {"labels": {}}),
        *({"health": "err"}, {"health": "unknown"}, {"evaluated_at": None}),
        *({"evaluated_at": ago(60)}, {"evaluated_at": ago(61)}),
        *({"evaluated_at": ago(s), "interval_seconds": 300.0} for s in (600, 601)),
        {"for_seconds": 0.0, "labels": {"severity": "warning"}, "health": "err"},
    ]
    for rules_found in ([], *([loaded(**one)] for one in found), [loaded(), loaded()]):
        yield rules.as_shipped(WANTED, rules_found, str.strip, NOW, 60.0)


def of_alerts() -> Iterator[Judgement]:
    """Yield what is said of the way of alerts, of the watchdog, and of targets."""
    by_severity = [{**PAGE, "match": {"severity": "critical"}}]
    by_name = [{"receiver": "chat", "match": {"alertname": "ErrorsHigh"}}, *by_severity]
    muted = [{**by_severity[0], "mute_time_intervals": NIGHTS, "continue": True}]
    unreadable = [{"match": ["severity"]}]
    other = ShippedRule("SlowHigh", "slow", 0.0, {"severity": "critical", "team": "api"})
    for shipped in ((), (WANTED, other)):
        for children in (by_severity, by_name, muted, [*muted, *by_severity], unreadable):
            for integrations in ({"page": 1, "default": 1}, {}):
                route = {"receiver": "default", "routes": children}
                told = Configuration(route, integrations)
                yield from rules.routed(told, {"critical": "page", "info": "default"}, shipped)
    for count, servers, quiet in ((1, 1, 0), (0, 1, 2), (2, 2, 0), (1, 2, 0), (0, 2, 0), (3, 2, 1)):
        yield rules.arrives("Watchdog", count, servers, quiet)
    targets = [ScrapeTarget(job, {}, up) for job, up in (("a", True), ("a", False), ("b", True))]
    yield from rules.jobs_up({"a": 2, "b": 1, "c": 1}, targets)
    yield rules.job_up("d", 1, [True, True])


def of_scrapes() -> Iterator[Judgement]:
    """Yield what is said of a minute in steps of 15 s, by how many were scraped in each."""
    steps = Steps(NOW, 74.0, 15.0)

    def said(counts: str, targets: int = 2, before: int = 2, **how: bool) -> Judgement:
        counted = tuple((ago(15 * n), float(one)) for n, one in enumerate(reversed(counts)))
        scrapes = Scrapes(targets, counted).of_a_job_that_had(before)
        return rules.no_gaps("api", scrapes, steps, **{"partial": False, **how})

    for counts in ("22222", "11222", "22122", "22212", "02222", "2222", "33333", "00000"):
        yield said(counts)
    for counts in ("11222", "10222", "01222", "11212", "11221", "00220", "11111", "00000"):
        yield from (said(counts, before=1), said(counts, before=0))
    yield from (said(counts, before=0) for counts in ("2", "22", "202"))
    yield from (said("11133", targets=3, before=2), said("22222", partial=True))


def of_dashboards() -> Iterator[Judgement | str]:
    """Yield what is said of dashboards, their queries and their variables."""
    for number in (0, 1, 2):
        yield from (rules.loaded_once("Clinic", number), rules.asks_something("Clinic", number))
    yield rules.no_query("Clinic")
    for values in ([], [float("nan")], [1.0, float("inf")]):
        for choices in ((), ("pod", "zone")):
            yield rules.shows_data("panel “x”", values, choices)
    for text in (
        "$a [[a]] ${b:regex} $b",
        "$gone $__from $gone $1",
        "$__interval $__rate_interval $__range $__range_s",
    ):
        yield str(rules.written(text, {"a": "1", "b": "2", "gone": ""}, 7.6))
