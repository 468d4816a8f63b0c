"""What asks for a rollback without lasting: lost data, a breach, complaints, and a person's word.

All regions share what is read here. Each is confirmed by a second reading, but for what a person signed.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import probes
from environments.store import StoreError
from environments.yaml_file import ConfigurationError
from gates.decide.declared import Declared, declared, unclear
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import Failure, utc_now
from settings.flags import Audit
from settings.monitoring import Monitoring, Security
from settings.people import SupportDesk
from settings.rollback import Trigger
from steps.data import migrations
from steps.data.reads import Data
from steps.flags import flags, reading
from steps.kit.asked import Asked
from steps.kit.check import Check
from steps.kit.expect import need
from steps.kit.failures import failure_of
from steps.kit.platform import Platform
from steps.kit.statements import Books
from steps.monitoring import watchers
from steps.people import people
from steps.people.rules import complained
from steps.watch import rules
from steps.watch.asking import Condition, Seen, lost

_AS_GOOD_AS_NOW_SECONDS = 0.5
LEAST_GAP_SECONDS = 3.0
_LEAST_CALLS = 4
"""A reading is many calls, one after the other."""


def standing(platform: Platform, trigger: Trigger, words: Words) -> Iterator[Condition]:
    """Yield what a trigger watches in all regions together.

    Raises NotDescribedError for what the environment does not describe.
    """
    check, title, every = trigger.check, trigger.title, trigger.read_every
    if trigger.watches == "data":
        Data.of(platform)
        yield Standing(platform, title, functools.partial(_loss, check), every)
    if trigger.watches == "security":
        section = platform.section(Security)
        if section.alerts:
            watchdog = platform.section(Monitoring).alertmanager.watchdog
            ask = functools.partial(_breach, platform, section, watchdog)
            gap = platform.scaled(platform.policy.triggers.gap, LEAST_GAP_SECONDS)
            # Alertmanager keeps nothing of what was longer ago than a gap may be.
            yield Standing(platform, "security alerts", lambda _: ask(), known_for=gap)
        if section.events:
            events = functools.partial(_events, check, section.events, platform.section(Audit))
            yield Standing(platform, "security events", events, every)
    if trigger.complaints_over is not None:
        desk, limit = platform.section(SupportDesk), trigger.complaints_over
        yield Standing(platform, title, functools.partial(_complaints, desk, limit), every)
    statements = platform.environment.settings.statements
    if statements is not None and platform.policy.statements.declare is not None:
        # Nothing else has to bear a signature out.
        yield Standing(platform, "a person's word", lambda _: words.of(check), twice=False)


class Standing(Condition):
    """A reading that is good for all the time before it: what was lost by then is lost now."""

    for_seconds = 0.0

    def __init__(
        self,
        platform: Platform,
        subject: str,
        read: Callable[[Platform], rules.Found],
        every: float = 0.0,
        *,
        known_for: float = math.inf,
        twice: bool = True,
    ) -> None:
        self.subject, self.twice = subject, twice
        self.every_seconds = platform.scaled(every, 0.0)
        self._platform, self._read, self._known_for = platform, read, known_for
        self._longest = max(self.every_seconds, _LEAST_CALLS * platform.policy.deadlines.call)
        self._lock = threading.Lock()
        self._newest: tuple[float, rules.Found] | None = None

    def ask(self, times: Sequence[float], now: float) -> tuple[Seen, ...]:
        """Read once for all regions; what is well now was well before, what is not may not have been so."""
        old = [at for at in times if now - at > self._known_for]
        with self._lock:
            if self._newest is None or self._newest[0] < now:
                deadline = self._platform.deadline.sooner(self._longest)
                here = dataclasses.replace(self._platform, deadline=deadline)
                self._newest = now, self._read(here)
        holds, words = self._newest[1]
        missed = (lost(at, "was not asked then") for at in old)
        before = (Seen(at, words, None if holds else holds) for at in times[len(old) : -1])
        return (*missed, *before, Seen(now, words, holds))


def _loss(check: str, platform: Platform) -> rules.Found:
    """Ask what phase 2.2 asks, and for the sample of frozen rows, against the baseline."""
    data = Data.of(platform)
    parts = (migrations.rows_as_before, migrations.no_orphans, migrations.frozen_as_before)

    def judge(asked: Asked) -> None:
        asked.each(parts, lambda part: part(asked, data))

    return rules.lost(_judged(platform, check, judge))


def _breach(platform: Platform, section: Security, watchdog: str) -> rules.Found:
    """Ask for each of the alerts, and for the one that always fires: without it silence says nothing."""

    def firing(labels: dict[str, str]) -> probes.alerting.Alerts | Failure:
        found = probes.alerting.alerts(
            watchers.alertmanager(platform), labels, deadline=platform.call_deadline()
        )
        return failure_of(found) if found.value is None else found.value

    always = firing({"alertname": watchdog})
    if isinstance(always, Failure):
        return None, f"Alertmanager: {always.kind.value}"
    if not always.heard:
        return None, f"{watchdog} does not arrive at Alertmanager, so no other alert may"
    return rules.attacked(map(firing, section.alerts), platform.switched_at)


def _events(check: str, actions: Sequence[str], audit: Audit, platform: Platform) -> rules.Found:
    """Look for each action of an attack; that none is there counts only of a log that records a trial."""
    since = need(platform.switched_at, "traffic.switched_at (or --switched-at)")
    for action in actions:
        found = probes.audit.entries(
            reading.audit_target(platform),
            probes.audit.Query(since, action=action),
            deadline=platform.call_deadline(),
        )
        if found.value is None:
            return None, f"the audit log: {failure_of(found).kind.value}"
        # The server may not know a parameter: what counts is what the entries say.
        own = [one for one in found.value.entries if one.action == action and one.at >= since]
        if own:
            return True, f"{len(own)} of {action} in the audit log since the traffic switch"
    tried = _judged(platform, check, lambda asked: flags.recorded(asked, audit))
    bad = [one.sentence for one in tried if one.outcome is not Outcome.PASS]
    return (False, "no event") if tried and not bad else (None, "; ".join(bad) or "not tried")


def _complaints(desk: SupportDesk, limit: int, platform: Platform) -> rules.Found:
    """Count the complaints about critical functionality since the traffic switch."""
    found = people.complaints(platform, desk)
    if found.value is None:
        return None, f"the support desk: {failure_of(found).kind.value}"
    judged = complained(found.value, limit)
    return {Outcome.PASS: False, Outcome.FAIL: True}.get(judged.outcome), judged.sentence


class Words:
    """What people declared, read once for all triggers."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._lock = threading.Lock()
        self._read_at = -_AS_GOOD_AS_NOW_SECONDS
        self._found: Mapping[str, Declared] = {}
        self._unclear = ""

    def of(self, check: str) -> rules.Found:
        """Return whether somebody declared a trigger."""
        with self._lock:
            if time.monotonic() - self._read_at >= _AS_GOOD_AS_NOW_SECONDS:
                self._read_at = time.monotonic()
                here = self._platform
                try:
                    found = Books.of(here.environment, here.release).ledger(utc_now())
                    self._found = declared(found, here.policy.statements.declare)
                    self._unclear = "; ".join(unclear(found))
                except (ConfigurationError, StoreError) as exc:
                    self._unclear = str(exc)
            said = self._found.get(check)
            if said is not None:
                return True, str(said)
            return (None, self._unclear) if self._unclear else (False, "nobody declared it")


def _judged(
    platform: Platform, check: str, judge: Callable[[Asked], object]
) -> Sequence[Judgement]:
    """Return what other checks' rules say; nothing of it is kept."""
    trial = Check(check, platform.regions)
    asked = Asked(platform, trial, platform.regions)
    asked.each((asked,), judge)
    return [one for noted in trial.noted().values() for one in noted.judgements]
