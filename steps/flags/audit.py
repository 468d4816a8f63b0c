"""Is the audit log on? The gate does something harmless and looks for exactly its entry."""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.audit import Entries, Entry
from probes.http import HttpAnswer
from probes.observation import Observation, pause, utc_now
from settings.flags import Audit
from steps.flags.change_log import section_of, target_of
from steps.kit import failures
from steps.kit.check import Check
from steps.kit.platform import Platform
from steps.kit.readings import unread
from steps.kit.settling import (
    LOOK_EVERY_SECONDS,
    LOOK_FLOOR_SECONDS,
    Progress,
    missed,
    settle_seconds,
    settled,
)

_OK = 200


@dataclasses.dataclass(frozen=True, slots=True)
class _Sent:
    """One harmless read: its unique id, and between which times it was carried out."""

    id: str
    began: dt.datetime
    ended: dt.datetime


def recorded(platform: Platform, check: Check) -> None:
    """Judge in every region that a read under a unique id has exactly one entry, in time and in truth."""
    section = section_of(platform)
    platform.each_region(lambda region: _Trial(platform, check, section, region).judge())


@dataclasses.dataclass(frozen=True, slots=True)
class _Trial:
    """The trial of the audit log in one region."""

    platform: Platform
    check: Check
    section: Audit
    region: str

    def judge(self) -> None:
        """Send the read, wait for its entry, and judge what was found."""
        sent, answer = self._send()
        self.check.observe(self.region, answer)
        problem = _not_done(self._subject, answer)
        if problem is not None:
            self.check.judge(self.region, problem)
            return
        seconds = settle_seconds(self.platform, self.section.appears_within)
        last = settled(self.platform, lambda: self._look(sent), _progress, seconds).value
        if last.value is not None and len(last.value.entries) == 1:
            # One more look: a log that keeps everything twice may do so one after the other.
            pause(self.platform.scaled(LOOK_EVERY_SECONDS, LOOK_FLOOR_SECONDS))
            last = self._look(sent)
        self.check.observe(self.region, last)
        self.check.judge(self.region, self._judged(sent, last, seconds))

    @property
    def _subject(self) -> str:
        return f"the audit log, of a read of {self.section.trial.service}"

    def _send(self) -> tuple[_Sent, Observation[HttpAnswer]]:
        trial = self.section.trial
        unique = f"release-gate-audit-{secrets.token_hex(12)}"
        token = self.platform.environment.secret(trial.token)
        began = utc_now()
        answer = probes.http.request(
            self.platform.service(self.region, trial.service),
            "GET",
            trial.path.format(id=unique),
            deadline=self.platform.call_deadline(),
            headers={
                trial.header: unique,
                "Authorization": type(token)(f"Bearer {token.get_secret_value()}"),
            },
        )
        return _Sent(unique, began, utc_now()), answer

    def _look(self, sent: _Sent) -> Observation[Entries]:
        skew = dt.timedelta(seconds=self.section.max_clock_skew)
        query = probes.audit.Query(sent.began - skew, request_id=sent.id)
        deadline = self.platform.call_deadline()
        observed = probes.audit.entries(target_of(self.platform), query, deadline=deadline)
        if observed.value is None:
            return observed
        # The server may not know the parameter: what counts is the id in the entry.
        own = tuple(entry for entry in observed.value.entries if entry.request_id == sent.id)
        return dataclasses.replace(observed, value=dataclasses.replace(observed.value, entries=own))

    def _judged(self, sent: _Sent, last: Observation[Entries], seconds: float) -> Judgement:
        if last.value is None:
            return unread("the audit log", last)
        count = len(last.value.entries)
        if count != 1:
            found = "no entry" if count == 0 else f"{count} entries"
            return self._failed(
                sent,
                count,
                f"a read under the id {sent.id} has {found} in the audit log"
                f"{f' after {seconds:.0f} s' if count == 0 else ''}, wanted exactly one",
            )
        wrong = self._wrong(sent, last.value.entries[0])
        if wrong:
            return self._failed(sent, count, f"the entry of the read {sent.id} {wrong}")
        return Judgement(
            outcome=Outcome.PASS,
            rule="recorded",
            subject=self._subject,
            sentence=f"a read under the id {sent.id} has exactly one entry in the audit log",
            observed=count,
            target=1,
            data={"request_id": sent.id},
        )

    def _wrong(self, sent: _Sent, entry: Entry) -> str:
        """Return what an entry says wrongly, empty where it tells who did what and when."""
        skew = dt.timedelta(seconds=self.section.max_clock_skew)
        if entry.action != self.section.trial.action:
            return f"calls it otherwise than “{self.section.trial.action}”"
        if not (entry.actor or "").strip():
            return "does not say who did it"
        if not sent.began - skew <= entry.at <= sent.ended + skew:
            return f"bears the time {entry.at:%Y-%m-%d %H:%M:%S %Z}, not that of the read"
        return ""

    def _failed(self, sent: _Sent, count: int, sentence: str) -> Judgement:
        header = self.section.trial.header
        replaced = f"; or another audit.trial.header, if a gateway on the way replaces {header}"
        return Judgement(
            outcome=Outcome.FAIL,
            rule="recorded",
            subject=self._subject,
            sentence=sentence,
            observed=count,
            target=1,
            clears="an audit log that is on and keeps each access once, with who and when"
            + ("" if count else replaced),
            data={"request_id": sent.id},
        )


def _progress(observed: Observation[Entries]) -> Progress:
    if observed.value is None:
        return missed(observed)
    return Progress.DONE if observed.value.entries else Progress.MOVING


def _not_done(subject: str, answer: Observation[HttpAnswer]) -> Judgement | None:
    """Return why nothing can be in the log: the read itself did not work. That is no finding about it."""
    if answer.value is None:
        return failures.instrument_error(subject, failures.failure_of(answer))
    if answer.value.status == _OK:
        return None
    return Judgement(
        outcome=Outcome.ERROR,
        rule="instrument",
        subject=subject,
        sentence=f"the read that the log should record was answered with status {answer.value.status}; "
        "check audit.trial of the environment",
        observed=answer.value.status,
        target=_OK,
        clears="a read that is answered with 200",
    )
