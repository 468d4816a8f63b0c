"""The platform's own audit log against its feature flags: every change of this deployment stands there."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import Observation, utc_now
from settings.flags import Audit, FlagState
from settings.flags import Flags as FlagSection
from steps.flags.changes import Change, Covered, Logged, logged_truly
from steps.flags.flags import FLAGS_IN_REDIS, NOTHING, look, shown_text, values
from steps.flags.flags import section_of as flags_section
from steps.flags.rules import Value
from steps.kit.check import Check
from steps.kit.platform import NotDescribedError, Platform
from steps.kit.readings import judge_everywhere, noted
from steps.kit.settling import Progress, missed, settle_seconds, settled


def section_of(platform: Platform) -> Audit:
    """Return what the environment says of the audit log; raises NotDescribedError."""
    section = platform.environment.settings.audit
    if section is None:
        raise NotDescribedError("the environment lacks the section audit; add it")
    return section


def target_of(platform: Platform) -> probes.audit.AuditTarget:
    """Return the gate's access to the audit log; raises NotDescribedError without one."""
    section = section_of(platform)
    return probes.audit.AuditTarget(
        section.address,
        section.path,
        platform.environment.secret(section.token),
        section.ca_file,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Look:
    """Flags and log, read one right after the other, and what is to be said of them."""

    flags: Observation[probes.redis_keys.Texts]
    log: Observation[probes.audit.Entries]
    judgements: tuple[Judgement, ...] = ()
    in_place: frozenset[str] = frozenset()
    """Subjects of judgements about keys that are what they are to be: their entries may yet come."""

    @property
    def progress(self) -> Progress:
        """Return whether waiting can help: it does where a change has happened and its entry is late."""
        unknown = next((one for one in (self.flags, self.log) if one.value is None), None)
        if unknown is not None:
            return missed(unknown)
        failed = [one for one in self.judgements if one.outcome is not Outcome.PASS]
        if not failed:
            return Progress.DONE
        late = all(one.subject in self.in_place for one in failed)
        return Progress.MOVING if late else Progress.BROKEN


@dataclasses.dataclass(frozen=True, slots=True)
class ChangeLog:
    """The flags and the log's entries about them."""

    platform: Platform
    check: Check

    def tells_of_changes_to(self, moment: str) -> None:
        """Judge that the log tells how every flag came to its state at a moment.

        Raises NotDescribedError for an unknown moment, and for the first: nothing leads to it.
        """
        flags = flags_section(self.platform)
        if moment not in flags.states or not flags.earlier(moment):
            raise NotDescribedError(
                f"flags.states of the environment needs {moment}, and before it the state that "
                "the flags are in until then; add them"
            )
        seconds = settle_seconds(self.platform, section_of(self.platform).appears_within)
        last = settled(
            self.platform, lambda: self._look(flags, moment), lambda look: look.progress, seconds
        ).value
        noted(self.check, last.flags, FLAGS_IN_REDIS)
        noted(self.check, last.log, "the audit log")
        judge_everywhere(self.check, *last.judgements)

    def _look(self, flags: FlagSection, moment: str) -> _Look:
        section = section_of(self.platform)
        held = look(self.platform)
        until = utc_now()
        since = until - dt.timedelta(seconds=flags.changes_within)
        observed = probes.audit.entries(
            target_of(self.platform),
            probes.audit.Query(since, section.flag_change),
            deadline=self.platform.call_deadline(),
        )
        if held.value is None or observed.value is None:
            return _Look(held, observed)
        covered = Covered(since, utc_now(), section.max_clock_skew)
        changes = [*_changes(flags, moment, values(held.value))]
        # The server may not know the parameter: what counts is the action of the entry.
        told = [one for one in observed.value.entries if one.action == section.flag_change]
        logged = _by_key(flags, told, since)
        judged = [logged_truly(one, logged.get(one.key, ()), covered) for one in changes]
        in_place = frozenset(
            judgement.subject
            for change, judgement in zip(changes, judged, strict=True)
            if change.now == change.wanted
        )
        return _Look(held, observed, tuple(judged), in_place)


def _changes(section: FlagSection, moment: str, held: Mapping[str, Value]) -> Iterator[Change]:
    wanted, earlier = section.state(moment), section.earlier(moment)
    for flag, state in wanted.items():
        keys = section.keys(flag)
        before = [_texts(section, one[flag]) for one in earlier]
        for place, key in enumerate(keys):
            yield Change(
                key=key,
                starts=tuple(texts[place] for texts in before),
                wanted=_texts(section, state)[place],
                now=_normal(section, key, held.get(key, NOTHING).shown),
            )


def _texts(section: FlagSection, state: FlagState) -> tuple[str, str]:
    """Return what both keys of a flag hold in a state."""
    word = section.word_for_on if state.enabled else section.word_for_off
    return word, str(state.percentage)


def _by_key(
    section: FlagSection, entries: Sequence[probes.audit.Entry], since: dt.datetime
) -> dict[str, tuple[Logged, ...]]:
    """Return the entries about each key; older ones are left out, whatever the server understood."""
    found: dict[str, tuple[Logged, ...]] = {}
    for entry in entries:
        if entry.target is None or entry.at < since:
            continue
        logged = Logged(
            at=entry.at.astimezone(dt.UTC),
            actor=shown_text(entry.actor) if entry.actor and entry.actor.strip() else None,
            old=_normal(section, entry.target, shown_text(entry.old)),
            new=_normal(section, entry.target, shown_text(entry.new)),
        )
        found[entry.target] = (*found.get(entry.target, ()), logged)
    return found


def _normal(section: FlagSection, key: str, shown: str) -> str:
    """Return a value to compare: a percentage that is not there is 0."""
    prefix, _, suffix = section.percentage_key.partition("{flag}")
    is_percentage = key.startswith(prefix) and key.endswith(suffix) and suffix != ""
    return "0" if is_percentage and shown == NOTHING.shown else shown
