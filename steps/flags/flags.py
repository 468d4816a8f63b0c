"""Feature flags in Redis against the state of a moment, and the audit log of how they came to it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
from collections.abc import Iterator, Mapping, Sequence

from pytest_bdd import parsers

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.http import HttpAnswer
from probes.observation import Observation, pause, utc_now
from settings.flags import Audit, AuditTrial, Flags, FlagState
from steps.flags import reading, rules
from steps.flags.reading import shown_text
from steps.flags.rules import Change, Covered, Logged, Sent, Value
from steps.kit import settling
from steps.kit.asked import Asked
from steps.kit.expect import measured, need, nothing_to_judge, unable
from steps.kit.failures import failure_of
from steps.kit.platform import NotDescribedError
from steps.kit.sentence import described, then
from steps.kit.settling import Progress, missed, settle_seconds, settled

described("the feature flags are read", Flags, "flags")


@then(parsers.parse('every flag is in the state "{moment}"'))
def in_state(asked: Asked, flags: Flags, moment: str) -> None:
    need(flags.states.get(moment), f"flags.states.{moment}")
    _judge(asked, flags, flags.state(moment), moment)


@then("the flags that no deployment may change are as they always are")
def unchanging(asked: Asked, flags: Flags) -> None:
    _judge(asked, flags, flags.always, "always")


@then("as many days have passed since the traffic switch as the day of the rollout asks for")
def day_has_come(asked: Asked, flags: Flags) -> None:  # noqa: ARG001 - that there are flags
    platform = asked.platform
    passed, day = None, platform.phase or 0
    if platform.switched_at is not None:
        passed = (utc_now() - platform.switched_at).total_seconds() / platform.scaled(86_400.0, 1.0)
    asked.judge(rules.day_has_come(day, passed))


@then("each new feature has the percentage of its day, by both its keys")
def at_its_day(asked: Asked, flags: Flags) -> None:
    day = asked.platform.phase or 0
    wanted = asked.platform.policy.rollout.of(day)
    if not flags.rolled_out:
        raise NotDescribedError("the last of flags.states gives no flag to some users; add it")
    states = {
        flag: FlagState(enabled=state.enabled, percentage=wanted)
        for flag, state in flags.rolled_out.items()
    }
    _judge(asked, flags, states, f"of day {day}")


@then("every flag holds a value that the platform can read")
def readable(asked: Asked, flags: Flags) -> None:
    held = _held(asked)
    for flag in reading.flags_of(flags):
        switch, percentage = flags.keys(flag)
        asked.judge(
            rules.switch_readable(switch, held.get(switch, reading.NOTHING), flags),
            rules.percentage_readable(percentage, held.get(percentage, reading.NOTHING)),
        )


@then("no flag is there that the environment does not describe")
def no_others(asked: Asked, flags: Flags) -> None:
    if flags.unknown == "ignore":
        asked.judge(nothing_to_judge("flags not described", "flags.unknown is “ignore”"))
        return
    _held(asked)  # where Redis can't be read, that is judged once
    pattern = flags.every_key
    found = asked.read(
        f"the keys {pattern} in Redis",
        lambda: reading.found_keys(asked.platform, pattern),
        reading.unread,
    )
    known = reading.keys_of(flags, [*reading.flags_of(flags), *flags.temporary])
    others = sorted(found.names.difference(known))
    asked.judge(rules.no_strangers(pattern, tuple(map(shown_text, others))))


@then("the flags that were there only for the deployment are gone")
def temporary_gone(asked: Asked) -> None:
    # One part of a check: a platform that describes no flags has none to leave.
    section = asked.platform.environment.settings.flags
    if section is None:
        asked.judge(nothing_to_judge("temporary flags", "the environment describes no flags"))
        return
    keys = reading.keys_of(section, section.temporary)
    texts = asked.read(
        "the temporary flags in Redis",
        lambda: reading.read_keys(asked.platform, keys),
        reading.unread,
    )
    left = [key for key, value in reading.values(texts).items() if not value.missing]
    asked.judge(rules.gone(section.temporary, left))


def _held(asked: Asked) -> Mapping[str, Value]:
    """Return what every described key holds; raises Unread."""
    subject = "the flags in Redis"
    texts = asked.read(subject, lambda: reading.look(asked.platform), reading.unread)
    return reading.values(texts)


def _judge(asked: Asked, flags: Flags, states: Mapping[str, FlagState], moment: str) -> None:
    held = _held(asked)
    if not states:
        asked.judge(nothing_to_judge(f"flags, {moment}", "the environment describes none"))
    for flag, state in states.items():
        switch, share = flags.keys(flag)
        value, part = held.get(switch, reading.NOTHING), held.get(share, reading.NOTHING)
        asked.judge(
            rules.switch_is(switch, value, enabled=state.enabled, flags=flags, moment=moment),
            rules.percentage_is(share, part, state.percentage, moment),
        )


_OK = 200

described("the gate reads something harmless under a unique id in every region", Audit, "audit")


@then("the audit log has exactly one entry of it: who, when, what")
def recorded(asked: Asked, audit: Audit) -> None:
    asked.in_each_region(lambda here: _try(here, audit))


def _try(here: Asked, audit: Audit) -> None:
    """Send the read, wait for its entry, and judge what was found."""
    platform, subject = here.platform, f"the audit log, of a read of {audit.trial.service}"
    unique, began = f"release-gate-audit-{secrets.token_hex(12)}", utc_now()
    answer = here.read(subject, lambda: _send(here, audit.trial, unique))
    sent = Sent(unique, began, utc_now())
    if answer.status != _OK:
        # Nothing can be in the log, and that is not a finding about it.
        sentence = (
            f"the read that the log should record was answered with status {answer.status}; "
            "check audit.trial of the environment"
        )
        figures = measured("instrument", answer.status, _OK)
        here.judge(unable(subject, sentence, "a read that is answered with 200", **figures))
        return
    seconds = settle_seconds(platform, audit.appears_within)
    last = settled(platform, lambda: _look(here, audit, sent), _progress, seconds).value
    if last.value is not None and len(last.value.entries) == 1:
        # One more look: a log that keeps everything twice may do so one after the other.
        pause(platform.scaled(settling.LOOK_EVERY_SECONDS, settling.LOOK_FLOOR_SECONDS))
        last = _look(here, audit, sent)
    found = here.read("the audit log", lambda: last, reading.unread)
    here.judge(rules.recorded(subject, audit, sent, found.entries, seconds))


def _send(here: Asked, trial: AuditTrial, unique: str) -> Observation[HttpAnswer]:
    return probes.http.request(
        here.platform.service(here.region, trial.service),
        "GET",
        trial.path.format(id=unique),
        deadline=here.platform.call_deadline(),
        headers={trial.header: unique, **here.platform.bearer(trial.token)},
    )


def _look(here: Asked, audit: Audit, sent: Sent) -> Observation[probes.audit.Entries]:
    skew = dt.timedelta(seconds=audit.max_clock_skew)
    query = probes.audit.Query(sent.began - skew, request_id=sent.id)
    target, deadline = reading.audit_target(here.platform), here.platform.call_deadline()
    observed = probes.audit.entries(target, query, deadline=deadline)
    if observed.value is None:
        return observed
    # The server may not know the parameter: what counts is the id in the entry.
    own = tuple(entry for entry in observed.value.entries if entry.request_id == sent.id)
    return dataclasses.replace(observed, value=dataclasses.replace(observed.value, entries=own))


def _progress(observed: Observation[probes.audit.Entries]) -> Progress:
    if observed.value is None:
        return missed(observed)
    return Progress.DONE if observed.value.entries else Progress.MOVING


# --- the changes of the flags


described("the feature flags are held against the audit log", Flags, "flags")


@then(
    parsers.parse('it has every change up to the state "{moment}": who, when, from what, to what')
)
def tells_of_every_change(asked: Asked, flags: Flags, moment: str) -> None:
    # Nothing leads to the first moment.
    if moment not in flags.states or not flags.earlier(moment):
        raise NotDescribedError(
            f"flags.states of the environment needs {moment}, and before it the state that "
            "the flags are in until then; add them"
        )
    audit = asked.platform.section(Audit)
    last = settled(
        asked.platform,
        lambda: _compared(asked, flags, audit, moment),
        lambda look: look.progress,
        settle_seconds(asked.platform, audit.appears_within),
    ).value
    for subject, seen in (("the flags in Redis", last.flags), ("the audit log", last.log)):
        asked.keep(seen)
        if seen.value is None:
            asked.judge(reading.unread(subject, failure_of(seen)))
    asked.judge(*last.judgements)


@dataclasses.dataclass(frozen=True, slots=True)
class _Compared:
    """Flags and log, read one right after the other, and what is to be said of them."""

    flags: Observation[probes.redis_keys.Texts]
    log: Observation[probes.audit.Entries]
    judgements: tuple[Judgement, ...] = ()
    in_place: frozenset[str] = frozenset()
    """Subjects of judgements about keys that are what they are to be: their entries may yet come."""

    @property
    def progress(self) -> Progress:
        """Return whether waiting can help: it does where a change has happened and its entry is late."""
        if self.flags.value is None:
            return missed(self.flags)
        if self.log.value is None:
            return missed(self.log)
        failed = [one for one in self.judgements if one.outcome is not Outcome.PASS]
        if not failed:
            return Progress.DONE
        late = all(one.subject in self.in_place for one in failed)
        return Progress.MOVING if late else Progress.BROKEN


def _compared(asked: Asked, flags: Flags, audit: Audit, moment: str) -> _Compared:
    held = reading.look(asked.platform)
    since = utc_now() - dt.timedelta(seconds=flags.changes_within)
    log = probes.audit.entries(
        reading.audit_target(asked.platform),
        probes.audit.Query(since, audit.flag_change),
        deadline=asked.platform.call_deadline(),
    )
    if held.value is None or log.value is None:
        return _Compared(held, log)
    covered = Covered(since, utc_now(), audit.max_clock_skew)
    changes = [*_changes(flags, moment, reading.values(held.value))]
    # The server may not know the parameter: what counts is the action of the entry.
    entries = [one for one in log.value.entries if one.action == audit.flag_change]
    logged = _by_key(flags, entries, since)
    judged = [rules.logged_truly(one, logged.get(one.key, ()), covered) for one in changes]
    told = zip(changes, judged, strict=True)
    in_place = frozenset(one.subject for change, one in told if change.now == change.wanted)
    return _Compared(held, log, tuple(judged), in_place)


def _changes(section: Flags, moment: str, held: Mapping[str, Value]) -> Iterator[Change]:
    earlier = section.earlier(moment)
    for flag, state in section.state(moment).items():
        before = [_texts(section, one[flag]) for one in earlier]
        for place, key in enumerate(section.keys(flag)):
            yield Change(
                key=key,
                starts=tuple(texts[place] for texts in before),
                wanted=_texts(section, state)[place],
                now=_normal(section, key, held.get(key, reading.NOTHING).shown),
            )


def _texts(section: Flags, state: FlagState) -> tuple[str, str]:
    """Return what both keys of a flag hold in a state."""
    return section.word(enabled=state.enabled), str(state.percentage)


def _by_key(
    section: Flags, entries: Sequence[probes.audit.Entry], since: dt.datetime
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


def _normal(section: Flags, key: str, shown: str) -> str:
    """Return a value to compare: a percentage that is not there is 0."""
    prefix, _, suffix = section.percentage_key.partition("{flag}")
    is_percentage = key.startswith(prefix) and key.endswith(suffix) and suffix != ""
    return "0" if is_percentage and shown == reading.NOTHING.shown else shown
