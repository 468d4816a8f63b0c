"""What asks for a rollback without lasting: lost data, a breach, complaints, and a person's word.

All regions share what is read here. Each is confirmed by a second reading, but for what a person signed.
"""

from __future__ import annotations

import dataclasses
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
from settings.triggers import Trigger
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
from steps.people import support
from steps.people.rules import complained
from steps.watch import rules
from steps.watch.asking import Condition, Seen, lost

_AS_GOOD_AS_NOW_SECONDS = 0.5
LEAST_GAP_SECONDS = 3.0
_LEAST_CALLS = 4
"""A reading is many calls, one after the other."""
Found = tuple[bool | None, str]
"""Whether it holds, and in words why; None: not to be told."""


def standing(platform: Platform, trigger: Trigger, words: Words) -> Iterator[Condition]:
    """Yield what a trigger watches in all regions together.

    Raises NotDescribedError for what the environment does not describe.
    """
    if trigger.watches == "data":
        yield Loss(platform, trigger)
    if trigger.watches == "security":
        section = platform.section(Security)
        if section.alerts:
            yield Breach(platform, section)
        if section.events:
            yield Events(platform, trigger, section)
    if trigger.complaints_over is not None:
        yield Complaints(platform, trigger, trigger.complaints_over)
    statements = platform.environment.settings.statements
    if statements is not None and platform.policy.statements.declare is not None:
        yield Word(platform, trigger, words)


class Standing:
    """A reading that is good for all the time before it: what was lost by then is lost now."""

    limit: float | None = None
    for_seconds = 0.0
    twice = True

    def __init__(self, platform: Platform, subject: str, every: float = 0.0) -> None:
        self.subject = subject
        self.every_seconds = platform.scaled(every, 0.0)
        longest = max(self.every_seconds, _LEAST_CALLS * platform.policy.deadlines.call)
        self._whole, self._longest = platform, longest
        self._lock = threading.Lock()
        self._newest: tuple[float, Found] | None = None

    @property
    def platform(self) -> Platform:
        """The platform, with the deadline of one reading."""
        deadline = self._whole.deadline.sooner(self._longest)
        return dataclasses.replace(self._whole, deadline=deadline)

    def ready_in_seconds(self) -> float:
        """Return 0: it can be asked at once."""
        return 0.0

    def proves(self, since: float, until: float, now: float) -> bool:  # noqa: ARG002 - no sample is drawn
        """Return True: a second reading bears it out."""
        return True

    def ask(self, times: Sequence[float], now: float) -> tuple[Seen, ...]:
        """Read once for all regions; what is well now was well before, what is not may not have been so."""
        with self._lock:
            if self._newest is None or self._newest[0] < now:
                self._newest = now, self.read()
        holds, words = self._newest[1]
        before = (Seen(at, words, None if holds else holds) for at in times[:-1])
        return (*before, Seen(now, words, holds))

    def read(self) -> Found:
        """Return what is found now."""
        raise NotImplementedError


class Loss(Standing):
    """Rows, references and frozen rows against the baseline."""

    def __init__(self, platform: Platform, trigger: Trigger) -> None:
        super().__init__(platform, trigger.title, trigger.read_every)
        self._check = trigger.check
        Data.of(platform)

    def read(self) -> Found:
        """Ask what phase 2.2 asks, and for the sample of frozen rows."""
        platform = self.platform
        data = Data.of(platform)

        def judge(asked: Asked) -> None:
            parts = (
                migrations.rows_as_before,
                migrations.no_orphans,
                migrations.frozen_as_before,
            )
            asked.each(parts, lambda part: part(asked, data))

        return rules.lost(_judged(platform, self._check, judge))


class Breach(Standing):
    """Alerts of security that began since the traffic switch."""

    def __init__(self, platform: Platform, section: Security) -> None:
        super().__init__(platform, "security alerts")
        self._alerts = section.alerts
        self._gap_seconds = platform.scaled(platform.policy.triggers.gap, LEAST_GAP_SECONDS)
        self._watchdog = platform.section(Monitoring).alertmanager.watchdog

    def ask(self, times: Sequence[float], now: float) -> tuple[Seen, ...]:
        """Ask what fires now; Alertmanager keeps nothing of what was longer ago than a gap may be."""
        old = [at for at in times if now - at > self._gap_seconds]
        missed = (lost(at, "was not asked then") for at in old)
        return (*missed, *super().ask(times[len(old) :], now))

    def read(self) -> Found:
        """Ask for each of the alerts, and for the one that always fires: without it silence says nothing."""
        always = self._firing({"alertname": self._watchdog})
        if isinstance(always, Failure):
            return None, f"Alertmanager: {always.kind.value}"
        if not always.heard:
            return None, f"{self._watchdog} does not arrive at Alertmanager, so no other alert may"
        return rules.attacked(map(self._firing, self._alerts), self._whole.switched_at)

    def _firing(self, labels: dict[str, str]) -> probes.alerting.Alerts | Failure:
        platform = self.platform
        found = probes.alerting.labelled(
            watchers.alertmanager(platform), labels, deadline=platform.call_deadline()
        )
        return failure_of(found) if found.value is None else found.value


class Events(Standing):
    """What the audit log says of attacks since the traffic switch."""

    def __init__(self, platform: Platform, trigger: Trigger, section: Security) -> None:
        super().__init__(platform, "security events", trigger.read_every)
        self._actions = section.events
        self._check = trigger.check
        self._audit = platform.section(Audit)

    def read(self) -> Found:
        """Look for each action; that none is there counts only of a log that records a trial."""
        platform = self.platform
        since = need(platform.switched_at, "traffic.switched_at (or --switched-at)")
        for action in self._actions:
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
        tried = _judged(platform, self._check, lambda asked: flags.recorded(asked, self._audit))
        bad = [one.sentence for one in tried if one.outcome is not Outcome.PASS]
        return (False, "no event") if tried and not bad else (None, "; ".join(bad) or "not tried")


class Complaints(Standing):
    """Complaints about critical functionality since the traffic switch."""

    def __init__(self, platform: Platform, trigger: Trigger, limit: int) -> None:
        super().__init__(platform, trigger.title, trigger.read_every)
        self._limit = limit
        self._desk = platform.section(SupportDesk)

    def read(self) -> Found:
        """Count them."""
        found = support.complaints(self.platform, self._desk)
        if found.value is None:
            return None, f"the support desk: {failure_of(found).kind.value}"
        judged = complained(found.value, self._limit)
        holds = {Outcome.PASS: False, Outcome.FAIL: True}.get(judged.outcome)
        return holds, judged.sentence


class Words:
    """What people declared, read once for all triggers."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._lock = threading.Lock()
        self._read_at = -_AS_GOOD_AS_NOW_SECONDS
        self._found: Mapping[str, Declared] = {}
        self._unclear = ""

    def of(self, check: str) -> Found:
        """Return whether somebody declared a trigger."""
        with self._lock:
            if time.monotonic() - self._read_at >= _AS_GOOD_AS_NOW_SECONDS:
                self._read_at = time.monotonic()
                self._read()
            said = self._found.get(check)
            if said is not None:
                return True, str(said)
            return (None, self._unclear) if self._unclear else (False, "nobody declared it")

    def _read(self) -> None:
        here = self._platform
        try:
            found = Books.of(here.environment, here.release).ledger(utc_now())
        except (ConfigurationError, StoreError) as exc:
            self._unclear = str(exc)
            return
        self._found = declared(found, here.policy.statements.declare)
        self._unclear = "; ".join(unclear(found))


class Word(Standing):
    """A person's signed word that a trigger fires: nothing else has to bear it out."""

    twice = False

    def __init__(self, platform: Platform, trigger: Trigger, words: Words) -> None:
        super().__init__(platform, "a person's word")
        self._check, self._words = trigger.check, words

    def read(self) -> Found:
        """Look whether somebody signed it."""
        return self._words.of(self._check)


def _judged(
    platform: Platform, check: str, judge: Callable[[Asked], object]
) -> Sequence[Judgement]:
    """Return what other checks' rules say; nothing of it is kept."""
    trial = Check(check, platform.regions)
    asked = Asked(platform, trial, platform.regions)
    asked.each((asked,), judge)
    return [one for noted in trial.noted().values() for one in noted.judgements]
