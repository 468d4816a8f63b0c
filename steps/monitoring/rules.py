"""What is said of alert rules, routes, scrape targets, Alertmanager and dashboards, from what was read."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from steps.kit.expect import expect, measured

_MATCHER = re.compile(
    r"""\s*(?P<quote>"?)(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P=quote)\s*(?P<sign>=~|!~|!=|=)\s*"""
    r"""(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^",{}]*?))\s*"""
)
_ESCAPED = re.compile(r"\\(.)")
_AT_TIMES = ("mute_time_intervals", "active_time_intervals")


class UnreadableRouteError(ValueError):
    """A route says something that this reader does not know; then nothing can be said of it."""


def receivers(route: Mapping[str, Any], labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return the receivers that an alert with these labels reaches at any time, in order.

    The root matches everything. The first child that matches takes the alert, and those after it too
    where it says `continue`; without a matching child the node itself does. Raises
    UnreadableRouteError.
    """
    return tuple(receiver for receiver, always in _reached(route, labels) if always)


def receivers_at_times(route: Mapping[str, Any], labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return the receivers that hear of such an alert at some times of the week alone."""
    return tuple(receiver for receiver, always in _reached(route, labels) if not always)


def _reached(
    route: Mapping[str, Any], labels: Mapping[str, str], inherited: str = ""
) -> Iterator[tuple[str, bool]]:
    """Yield each receiver, and whether it hears at any time; times are not handed on to children."""
    receiver, taken = str(route.get("receiver") or inherited), False
    for child in _list(route, "routes"):
        if not isinstance(child, Mapping):
            raise UnreadableRouteError("a route is not a mapping")
        if not _matches(child, labels):
            continue
        taken = True
        yield from _reached(child, labels, receiver)
        if child.get("continue") is not True:
            return
    if not taken:
        yield receiver, not any(route.get(key) for key in _AT_TIMES)


def _matches(route: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    matchers = [
        *((name, "=", value) for name, value in _mapping(route, "match")),
        *((name, "=~", value) for name, value in _mapping(route, "match_re")),
        *map(_parsed, _list(route, "matchers")),
    ]
    return all(_fits(labels.get(name, ""), sign, value) for name, sign, value in matchers)


def _fits(observed: str, sign: str, value: str) -> bool:
    if sign in ("=", "!="):
        return (observed == value) is (sign == "=")
    try:
        return (re.fullmatch(value, observed) is not None) is (sign == "=~")
    except re.error:
        raise UnreadableRouteError("a matcher's regular expression is not understood") from None


def _parsed(matcher: object) -> tuple[str, str, str]:
    match = _MATCHER.fullmatch(matcher) if isinstance(matcher, str) else None
    if match is None:
        raise UnreadableRouteError("a matcher is not understood")
    quoted = match["quoted"]
    value = match["plain"] if quoted is None else _ESCAPED.sub(_meant, quoted)
    return match["name"], match["sign"], value


def _meant(escaped: re.Match[str]) -> str:
    return "\n" if escaped[1] == "n" else escaped[1]


def _mapping(route: Mapping[str, Any], key: str) -> list[tuple[str, str]]:
    value = route.get(key) or {}
    if not isinstance(value, Mapping):
        raise UnreadableRouteError(f"{key} is not a mapping")
    return [(str(name), str(text)) for name, text in value.items()]


def _list(route: Mapping[str, Any], key: str) -> Sequence[object]:
    value = route.get(key) or []
    if not isinstance(value, list):
        raise UnreadableRouteError(f"{key} is not a list")
    return value


_VARIABLE = re.compile(r"\$\{(\w+)[^}]*\}|\$(\w+)|\[\[(\w+)[^\]]*\]\]")
"""The three ways in which Grafana writes one."""
_SCRAPES_A_RATE = 4
"""`$__rate_interval` holds so many."""
_RANGE_SECONDS = 3600
_FEWEST_STEPS = 2


# --- alert rules


@dataclasses.dataclass(frozen=True, slots=True)
class ShippedRule:
    """An alerting rule as the release ships it."""

    name: str
    expression: str
    for_seconds: float
    labels: Mapping[str, str]

    @property
    def severity(self) -> str:
        """Return the label that decides whom it reaches; empty without one."""
        return _severity(self.labels)


def _severity(labels: Mapping[str, str]) -> str:
    return labels.get("severity", "")


def as_shipped(
    wanted: ShippedRule,
    found: Sequence[probes.alerting.AlertRule],
    spelled: Callable[[str], str],
    now: dt.datetime,
    evaluated_within: float,
) -> Judgement:
    """Judge that one loaded rule is the wanted one, in good health, and was evaluated lately."""
    wrong = f"is loaded {len(found)} times, wanted once"
    if len(found) == 1:
        rule = found[0]
        age = (now - rule.evaluated_at).total_seconds() if rule.evaluated_at else math.inf
        late = age > max(evaluated_within, 2 * rule.interval_seconds)
        findings = {
            "has another expression than the release ships": (
                spelled(rule.expression) != wanted.expression
            ),
            f"waits {rule.for_seconds:g} s, wanted {wanted.for_seconds:g} s": (
                rule.for_seconds != wanted.for_seconds
            ),
            f"has another severity than {wanted.severity}": (
                _severity(rule.labels) != wanted.severity
            ),
            "is loaded but can't be evaluated": rule.health not in ("ok", "unknown"),
            "is loaded but was not evaluated lately": rule.health == "unknown" or late,
        }
        wrong = ", ".join(words for words, so in findings.items() if so)
    subject = f"alert rule {wanted.name}"
    sentence = f"alert rule {wanted.name} {wrong or 'is loaded as shipped and evaluated'}"
    clears = f"{wanted.name} loaded as the release ships it"
    return expect(not wrong, subject, sentence, clears, rule="alert rule as shipped")


def loaded_as(
    wanted: ShippedRule,
    shipped: Sequence[ShippedRule],
    loaded: Sequence[probes.alerting.AlertRule],
    spelled: Callable[[str], str],
) -> Sequence[probes.alerting.AlertRule]:
    """Return the loaded rules that may be the wanted one; one of them where nothing is doubled.

    One name with two severities is two rules. Rules that share both, such as those of the rates at
    which a budget burns, are told apart by their expressions.
    """
    found = [rule for rule in loaded if rule.name == wanted.name]
    if len(found) > 1:
        found = [rule for rule in found if _severity(rule.labels) == wanted.severity]
    alike = [one for one in shipped if (one.name, one.severity) == (wanted.name, wanted.severity)]
    if len(found) > 1 and len(found) == len(alike):
        found = [rule for rule in found if spelled(rule.expression) == wanted.expression][:1]
    return found


# --- Alertmanager


def routed(
    configured: probes.alerting.Configuration,
    receivers: Mapping[str, str],
    shipped: Sequence[ShippedRule],
) -> Iterator[Judgement]:
    """Judge that every shipped alert of each severity reaches its receiver; one PASS a severity."""
    for severity, receiver in receivers.items():
        alerts = [
            {**rule.labels, "alertname": rule.name} for rule in shipped if rule.severity == severity
        ]
        found = [
            _reaches(configured, labels, receiver) for labels in alerts or [{"severity": severity}]
        ]
        yield from [one for one in found if one.outcome is not Outcome.PASS] or found[:1]


def _reaches(
    configured: probes.alerting.Configuration, labels: Mapping[str, str], receiver: str
) -> Judgement:
    """Judge that an alert with these labels reaches a receiver at any time."""
    named = f" such as {labels['alertname']}" if "alertname" in labels else ""
    subject = f"alerts of severity {labels['severity']}{named}"
    try:
        reached = receivers(configured.route, labels)
        at_times = receivers_at_times(configured.route, labels)
    except UnreadableRouteError as exc:
        return expect(None, subject, f"Alertmanager's routes: {exc}", "routes that can be read")
    if receiver in at_times and receiver not in reached:
        sentence = f"{subject} reach {receiver} at some times alone (mute or active time intervals)"
        return expect(None, subject, sentence, f"a route to {receiver} that is never muted")
    good = receiver in reached and configured.receivers.get(receiver, 0) > 0
    says = f"reach {receiver}" if good else f"reach {receiver}, which notifies nobody"
    if receiver not in reached:
        says = f"reach {', '.join(reached)}, wanted {receiver}"
    clears = f"a route from {labels['severity']} to {receiver}, with an integration"
    return expect(good, subject, f"{subject} {says}", clears, rule="receiver of a severity")


def arrives(name: str, count: int, servers: int, quiet: int) -> Judgement:
    """Judge that the watchdog of every Prometheus arrives: that of one says nothing of the others.

    One that is silenced counts as away: what silences it may silence everything.
    """
    subject = "the watchdog alert"
    sentence = f"Alertmanager holds {count} alerts {name}, which always fires: wanted "
    sentence += "at least 1" if servers == 1 else f"one from each of {servers} Prometheus servers"
    if quiet:
        sentence += f"; {quiet} more are silenced or inhibited, as other alerts may be"
    if 0 < count < servers:
        clears = f"external_labels that distinguish the {servers} apart, and the watchdog of each"
        return expect(None, subject, f"{sentence}; which one is missing is unknown", clears)
    clears = "a watchdog that travels from Prometheus to Alertmanager"
    good = count > 0
    return expect(good, subject, sentence, clears, **measured("watchdog", count, servers))


def unheard(
    labels: Mapping[str, Mapping[str, str]], heard: Sequence[Mapping[str, str]]
) -> list[str]:
    """Return the regions that no alert is of, as far as alerts carry the labels that tell them apart."""
    carried = {name for one in heard for name in one}
    known = {
        region: {name: value for name, value in own.items() if name in carried}
        for region, own in labels.items()
    }
    return [
        region
        for region, own in known.items()
        if own and not any(own.items() <= one.items() for one in heard)
    ]


# --- targets


def jobs_up(
    wanted: Mapping[str, int], targets: Sequence[probes.alerting.ScrapeTarget]
) -> Iterator[Judgement]:
    """Judge each job: all its targets are there, and all of them are up."""
    for job, count in wanted.items():
        yield job_up(job, count, [one.up for one in targets if one.job == job])


def job_up(job: str, wanted: int, up: Sequence[bool]) -> Judgement:
    """Judge the targets of one job."""
    good = len(up) == wanted and all(up)
    subject = f"targets of {job}"
    sentence = f"{sum(up)} of {len(up)} targets of {job} are up, wanted all of {wanted}"
    clears = f"{wanted} targets of {job}, all up"
    return expect(good, subject, sentence, clears, **measured("all targets up", sum(up), wanted))


@dataclasses.dataclass(frozen=True, slots=True)
class Steps:
    """The look-back, cut into steps that each hold some scrapes."""

    end: dt.datetime
    look_back_seconds: float
    seconds: float

    @property
    def start(self) -> dt.datetime:
        """The first step's time."""
        whole = math.floor(self.look_back_seconds / self.seconds)
        return self.end - dt.timedelta(seconds=whole * self.seconds)

    def since(self, first: dt.datetime) -> int:
        """Return how many steps there are from one on, with that one."""
        return round((self.end - first).total_seconds() / self.seconds) + 1


@dataclasses.dataclass(frozen=True, slots=True)
class Scrapes:
    """How many targets of a job were scraped in each step, and how many had to be.

    A job that a deployment scales up has had fewer targets before: one of them must have been
    scraped all the time, all of them since all were there.
    """

    targets: int
    counts: tuple[tuple[dt.datetime, float], ...]
    fewest_before: int | None = None
    """Of the time before all were there; None: as many as now. 0: there was no such job."""

    @property
    def complete_since(self) -> dt.datetime | None:
        """The first step in which every target was scraped."""
        return min((at for at, count in self.counts if count >= self.targets), default=None)

    @property
    def begins(self) -> dt.datetime | None:
        """From when on gaps count: None stands for the whole look-back."""
        return self.complete_since if self.fewest_before == 0 else None

    def of_a_job_that_had(self, series: int) -> Scrapes:
        """Take into account how many targets were ever seen before the look-back."""
        if series >= self.targets:
            return self
        return dataclasses.replace(self, fewest_before=min(series, 1))

    def good(self) -> int:
        """Return how many steps had as many scraped targets as they had to have."""
        complete = self.complete_since
        early = self.targets if self.fewest_before is None else self.fewest_before
        return sum(
            count >= (self.targets if complete is None or at >= complete else early)
            for at, count in self.counts
            if self.begins is None or at >= self.begins
        )


def no_gaps(job: str, scrapes: Scrapes, steps: Steps, *, partial: bool) -> Judgement:
    """Judge that a job was scraped in every step; a partial answer proves nothing."""
    subject = f"scrapes of {job}"
    if partial:
        sentence = "Prometheus warns that its answer may be partial"
        return expect(None, subject, sentence, "a whole answer")
    wanted = steps.since(scrapes.begins or steps.start)
    if wanted < _FEWEST_STEPS:
        sentence = f"{job} is scraped since less than {steps.seconds * _FEWEST_STEPS:g} s"
        return expect(None, subject, sentence, "another run in a minute")
    good = scrapes.good()
    return expect(
        good >= wanted,
        subject,
        f"{job} was scraped in {good} of {wanted} steps of {steps.seconds:g} s, wanted in all",
        f"{wanted} steps without a gap of {steps.seconds:g} s",
        **measured("no gaps", good, wanted),
    )


# --- dashboards


def loaded_once(title: str, there: int) -> Judgement:
    """Judge that Grafana has one dashboard of a title."""
    subject = f"dashboard {title}"
    sentence = f"Grafana has {there} dashboards “{title}”, wanted 1"
    clears = f"one dashboard “{title}”"
    return expect(there == 1, subject, sentence, clears, **measured("loaded once", there, 1))


def asks_something(title: str, queries: int) -> Judgement:
    """Judge that a dashboard has queries at all."""
    subject = f"dashboard {title}"
    sentence = f"dashboard “{title}” has {queries} queries, wanted at least 1"
    clears = f"panels on “{title}”"
    return expect(queries > 0, subject, sentence, clears, **measured("asks something", queries, 1))


def no_query(title: str) -> Judgement:
    """Return the FAIL of a dashboard without any query."""
    what = f"dashboard “{title}”"
    sentence = f"{what} has no query, wanted at least 1"
    clears = f"{what} with its panels"
    return expect(
        good=False, subject=what, sentence=sentence, clears=clears, **measured("data flow", 0, 1)
    )


def shows_data(what: str, values: Sequence[float], choices: Sequence[str]) -> Judgement:
    """Judge that a query has series with a number; nothing for a saved choice decides nothing."""
    numbers = sum(map(math.isfinite, values))
    if not numbers and choices:
        sentence = f"{what} shows nothing for the saved {', '.join(choices)}"
        return expect(None, what, f"{sentence}; a browser may choose another", "a look at it")
    return expect(
        numbers > 0,
        what,
        f"{what} shows {numbers} series with a number, wanted at least 1",
        f"metrics behind {what}",
        **measured("data flow", numbers, 1),
    )


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
        chosen = choices.get(name)
        (used if chosen else unknown).append(name)
        return chosen or match[0]

    replaced = _VARIABLE.sub(value, text)
    return Written(replaced, tuple(dict.fromkeys(used)), tuple(dict.fromkeys(unknown)))
