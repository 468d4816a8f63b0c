"""Why a verdict is not GO, each cause once: the one grouping that every report and the live screen show.

An instrument that cannot be reached leaves many checks undecided in many regions, and is one thing to
fix, by whoever keeps that instrument. A function of reasons and of what was observed, nothing else.
"""

from __future__ import annotations

import collections
import dataclasses
import urllib.parse
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

from gates.decide.fold import MISSING, Reason
from gates.decide.outcome import Decision, Outcome, worst_decision
from gates.decide.verdict import Observed, Verdict

INSTRUMENTS = {
    "prometheus": "Prometheus",
    "alertmanager": "Alertmanager",
    "grafana": "Grafana",
    "postgres": "PostgreSQL",
    "redis": "Redis",
    "kubernetes": "Kubernetes",
    "aws": "AWS",
    "pagerduty": "PagerDuty",
    "slack": "Slack",
    "audit": "The audit log",
    "git": "The release repository",
    "backup": "The backup store",
}
"""What probes ask, by the name that their observations bear."""
_NO_ANSWER = frozenset(
    ("name not resolved", "no route", "connection refused", "timeout", "connection lost")
)
_CONDITIONS = {
    **dict.fromkeys((*_NO_ANSWER, "TLS handshake failed"), "is unreachable"),
    "credential refused": "refuses the gate's login",
    "not permitted": "does not permit what the gate asks",
    **dict.fromkeys(("server refuses for now", "server error"), "answers with errors"),
    "login may write": "lets the gate write",
}
"""What is the matter with an instrument, by the kind of failure; any other kind is about one question."""

ObservedFor = Callable[[Reason], Iterable[Observed]]


class _Key(NamedTuple):
    """What the reasons of one cause have in common."""

    kind: str
    what: Hashable = None
    place: str = ""
    """An address or a sentence; causes that differ in it alone are one where each region has its own."""


_NO_NETWORK, _TOO_FEW, _RUN = _Key("no network"), _Key("too few events"), _Key("run")


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One sentence with every check and region that found it."""

    checks: tuple[str, ...]
    """Empty: the run itself."""
    regions: tuple[str, ...]
    decision: Decision
    sentence: str
    reason: Reason
    """The first of those that it is about."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cause:
    """One thing to fix, with every reason that comes from it."""

    shared: str | None
    """The sentence for all of its checks; None where its findings say their own."""
    owners: tuple[str, ...]
    """Who can fix it: the owner of the system that is down, else those of its checks."""
    reasons: tuple[Reason, ...]

    @property
    def checks(self) -> tuple[str, ...]:
        """Its checks, in order; none: the run itself."""
        return _checks(self.reasons)

    @property
    def title(self) -> str:
        """What to call it where no check gives it a name."""
        return self.shared or self.reasons[0].sentence

    @property
    def owner(self) -> str:
        """Its owners in one text; empty where nobody is named."""
        return ", ".join(self.owners)

    def findings(self, apart: Callable[[Reason], bool] = lambda _: False) -> tuple[Finding, ...]:
        """Return what was found, once for all regions that found the same, but for those set `apart`."""
        if self.shared is not None:
            return (_finding(self.reasons, self.shared),)
        groups: dict[Hashable, list[Reason]] = collections.defaultdict(list)
        for one in self.reasons:
            groups[_said(one), one.region if apart(one) else None].append(one)
        return tuple(_finding(group, group[0].sentence) for group in groups.values())


def causes_of(verdict: Verdict) -> tuple[Cause, ...]:
    """Return why a verdict is not GO, the worst cause first."""
    return causes(verdict.reasons, _observed_in(verdict), verdict.system_owners)


def advised_by(verdict: Verdict) -> tuple[Cause, ...]:
    """Return what does not count, grouped as causes are."""
    return causes(verdict.advisories, _observed_in(verdict), verdict.system_owners)


def causes(
    reasons: Sequence[Reason], observed: ObservedFor, owners: Mapping[str, str]
) -> tuple[Cause, ...]:
    """Return the causes of these reasons, each in place of its first one.

    `observed` returns what was asked for a reason, `owners` are those of systems.
    """
    groups: dict[_Key, list[Reason]] = collections.defaultdict(list)
    for one, key in zip(reasons, _keys(reasons, observed), strict=True):
        groups[key].append(one)
    failed = frozenset(one.check for one in reasons if one.outcome == Outcome.FAIL)
    return tuple(_cause(key, group, owners, failed) for key, group in _joined(groups).items())


def listed(names: Sequence[str]) -> str:
    """Write names as people do: `eu`, `eu and us`, `eu, us and ap`."""
    *before, last = names or ("",)
    return f"{', '.join(before)} and {last}" if before else last


def checks_in(number: int) -> str:
    """Write a number of checks: `1 check`, `4 checks`."""
    return f"{number} check{'s' * (number != 1)}"


def _observed_in(verdict: Verdict) -> ObservedFor:
    def observed(reason: Reason) -> Iterable[Observed]:
        found = verdict.result(reason)
        return () if found is None else found.observations

    return observed


def _keys(reasons: Sequence[Reason], observed: ObservedFor) -> list[_Key]:
    """Return for each reason what it has in common with others of its cause."""
    saying: dict[Hashable, dict[str | None, None]] = collections.defaultdict(dict)
    missing: dict[str | None, list[str | None]] = collections.defaultdict(list)
    for one in reasons:
        saying[_said(one)][one.check] = None
        if one.outcome == MISSING:
            missing[one.check].append(one.region)
    cut_off = {one.region for one in reasons if _says_no_network(one)}

    def key(one: Reason) -> _Key:
        if one.check is None:
            return _RUN
        if one.outcome == MISSING:
            return _Key(MISSING, tuple(missing[one.check]))
        found = _failed_key(one, observed) or _undecided_key(one)
        if one.region in cut_off and (
            _says_no_network(one) or (found and found.kind in ("system", "blocked"))
        ):
            return _NO_NETWORK
        together = tuple(saying[_said(one)])
        same = _Key("same", (one.outcome, *together), one.sentence)
        return found or (same if together[1:] else _Key("check", one.check))

    return [key(one) for one in reasons]


def _said(one: Reason) -> Hashable:
    """Return what a reason says; how often and how long an unavailable system was asked is no matter."""
    found = one.judgement
    if found is not None and found.rule == "available":
        return one.outcome, found.subject, found.observed
    return one.outcome, one.sentence


def _says_no_network(one: Reason) -> bool:
    found = one.judgement
    return found is not None and (found.rule, found.outcome) == ("available", Outcome.ERROR)


def _failed_key(reason: Reason, observed: ObservedFor) -> _Key | None:
    """Return which system failed, how and where; None where none did, or a single question did."""
    judgement = reason.judgement
    for one in () if judgement is None else observed(reason):
        if one.failure is None or judgement is None or one.failure.kind != judgement.observed:
            continue
        kind, detail = one.failure.kind, one.failure.detail
        if judgement.outcome is Outcome.ERROR and one.probe in INSTRUMENTS and kind in _CONDITIONS:
            return _Key("system", (one.probe, kind), detail)
        if judgement.rule == "available" and kind in _NO_ANSWER:
            host = urllib.parse.urlsplit(one.target.rpartition(" ")[2]).netloc
            return _Key("service", None, host) if host else None
    return None


def _undecided_key(reason: Reason) -> _Key | None:
    data = {} if reason.judgement is None else reason.judgement.data
    if reason.outcome == Outcome.INCONCLUSIVE.value and data.get("events_short"):
        return _TOO_FEW
    blocked = data.get("blocked_by")
    return _Key("blocked", blocked) if isinstance(blocked, str) else None


def _joined(groups: Mapping[_Key, list[Reason]]) -> Mapping[_Key, list[Reason]]:
    """Put causes together that differ in their place alone, where each region has one of its own."""
    joined: dict[_Key, list[Reason]] = {}
    for key, group in groups.items():
        short = key._replace(place="")
        met = {one.region for one in joined.get(short, ())}
        apart = met & {one.region for one in group}
        joined.setdefault(key if apart else short, []).extend(group)
    return joined


def _cause(
    key: _Key, group: Sequence[Reason], owners: Mapping[str, str], failed: frozenset[str | None]
) -> Cause:
    system = key.what[0] if isinstance(key.what, tuple) else _name(key, group)
    kept = owners.get(system) if key.kind in ("system", "service") else None
    named = [kept] if kept else [one.owner for one in group if one.owner and key != _NO_NETWORK]
    if key == _TOO_FEW:
        most = max(group, key=_short)
        group = [most, *(one for one in group if one is not most)]
    left = len(set(_checks(group)) - failed)
    undecided = f": {checks_in(left)} undecided" if left else ""
    return Cause(_shared(key, group, undecided), tuple(dict.fromkeys(named)), tuple(group))


def _name(key: _Key, group: Sequence[Reason]) -> str:
    """Return what to call a system; a service by its name in the sentences: `api /health` is api."""
    if key.kind == "system" and isinstance(key.what, tuple):
        return INSTRUMENTS[key.what[0]]
    subjects = [one.judgement.subject for one in group if one.judgement]
    return min(subjects, key=lambda one: " /" not in one, default="").partition(" /")[0]


def _shared(key: _Key, group: Sequence[Reason], undecided: str) -> str | None:
    """Return the sentence for all checks of a cause; None where each finding says its own."""
    number, where = len(_checks(group)), listed(_regions(group))
    if key.kind == "system" and isinstance(key.what, tuple):
        kind = key.what[1]
        told = " ".join(dict.fromkeys(one.sentence.partition(f"{kind}. ")[2] for one in group))
        how = f", {kind}" if kind in _NO_ANSWER else ""
        return f"{_name(key, group)} {_CONDITIONS[kind]} in {where}{how}{undecided}. {told}"
    if key.kind == MISSING:
        did = "ran and judged nothing" if "judged nothing" in group[0].sentence else "did not run"
        named = checks_in(number) if number > 1 else "the check"
        return f"{named} {did} in {where}; every required check runs exactly once"
    if key == _NO_NETWORK:
        return f"The gate has no network in {where}{undecided}; nothing at all answers it there"
    return _shared_by_several(key, group, number, where) if number > 1 else None


def _shared_by_several(key: _Key, group: Sequence[Reason], number: int, where: str) -> str | None:
    if key.kind == "service":
        failed = f"{checks_in(number)} failed. {group[0].sentence}"
        return f"{_name(key, group)} is unreachable in {where}: {failed}"
    if key == _TOO_FEW:
        lacking = (
            f"{group[0].check} in {group[0].region} lacks most, {_short(group[0]):,.0f} events"
        )
        return f"Too few events in {where}: {checks_in(number)} undecided; {lacking}"
    if key.kind == "blocked":
        tried = f"{checks_in(number)} could not be tried in {where}"
        return f"{tried}: blocked by the broken step “{key.what}”"
    return None


def _short(one: Reason) -> float:
    """Return how many events a proof lacks."""
    return 0.0 if one.judgement is None else float(one.judgement.data["events_short"])


def _finding(group: Sequence[Reason], sentence: str) -> Finding:
    decision = worst_decision(one.decision for one in group)
    return Finding(_checks(group), _regions(group), decision, sentence, group[0])


def _checks(group: Iterable[Reason]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.check for one in group if one.check))


def _regions(group: Iterable[Reason]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.region for one in group if one.region))
