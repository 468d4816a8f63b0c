"""Feature flags and the audit log: what a key holds, typed to the letter, and how it came to that.

Of a log of changes: nothing unlogged, nothing contradicted, nobody nameless.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import re
from collections.abc import Iterator, Sequence

import probes
from gates.decide.judgement import Judgement
from settings.flags import Audit, Flags
from steps.kit.expect import expect, measured, since_unknown

_PERCENTAGE = re.compile(r"0|[1-9][0-9]?|100")


@dataclasses.dataclass(frozen=True, slots=True)
class Value:
    """What one key holds."""

    text: str | None
    """To the letter; None where there is no key or no text."""
    shown: str
    """The same, so far as evidence may show it."""

    @property
    def missing(self) -> bool:
        """Whether there is no key at all."""
        return self.text is None and self.shown == "<nothing>"


def switch_is(key: str, value: Value, *, enabled: bool, flags: Flags, moment: str) -> Judgement:
    """PASS when the switch holds exactly the wanted word; FAIL otherwise, also when it is missing."""
    wanted, readable = flags.word(enabled=enabled), value.text in flags.words
    return _is(key, value, wanted, moment, near=None if readable else _near(value, flags.words))


def percentage_is(key: str, value: Value, wanted: int, moment: str) -> Judgement:
    """PASS when the key holds exactly that whole number; no key counts as 0."""
    near = None if _is_percentage(value) else _near_number(value)
    return _is(key, value, str(wanted), moment, near=near, missing_is="0")


def switch_readable(key: str, value: Value, flags: Flags) -> Judgement:
    """PASS when the switch holds one of the two words; FAIL otherwise, also when it is missing."""
    near, wanted = _near(value, flags.words), " or ".join(flags.words)
    return _readable(key, value, wanted, near, good=value.text in flags.words)


def percentage_readable(key: str, value: Value) -> Judgement:
    """PASS when the key holds a whole number from 0 to 100, or is not there."""
    good = value.missing or _is_percentage(value)
    return _readable(key, value, "0 to 100", _near_number(value), good=good)


def no_strangers(pattern: str, shown: tuple[str, ...]) -> Judgement:
    """PASS when every key is described; those that are not are given as they may be shown."""
    subject, are = f"keys {pattern}", "is" if len(shown) == 1 else "are"
    listed = ", ".join(shown[:10]) + (" …" if len(shown) > 10 else "")  # noqa: PLR2004 - a sentence stays readable
    return expect(
        not shown,
        subject,
        f"{len(shown)} of the {subject} {are} not described: {listed}. Describe the flag in the "
        "environment, or remove it"
        if shown
        else f"every key {pattern} is described",
        "every flag described in the environment file",
        **measured("described", len(shown), 0),
        data={"keys": list(shown[:100])} if shown else None,
    )


def gone(temporary: Sequence[str], left: Sequence[str]) -> Judgement:
    """PASS when no key of a temporary flag is left."""
    listed, subject = ", ".join(left), "temporary flags"
    sentence = (
        f"{subject} are still there: {listed}"
        if left
        else f"{subject} are gone: {', '.join(temporary) or 'none was named'}"
    )
    clears = f"{listed} deleted the platform's own way"
    return expect(not left, subject, sentence, clears, **measured("gone", len(left), 0))


def _is(
    key: str, value: Value, wanted: str, moment: str, *, near: str | None, missing_is: str = ""
) -> Judgement:
    """Judge what a key holds; `near` is None where the platform can read it, wanted or not."""
    if value.text == wanted or (value.missing and wanted == missing_is):
        found = "is missing, which counts as" if value.missing else "is"
        return _flag(key, value, wanted, f"{found} “{wanted}”, as in the state {moment}", good=True)
    at = f" in the state {moment}" if moment else ""
    found = _unreadable(value, near) if near is not None else f"is “{value.shown}”"
    return _flag(key, value, wanted, f"{found}, wanted “{wanted}”{at}")


def _readable(key: str, value: Value, wanted: str, near: str, *, good: bool) -> Judgement:
    if not good:
        return _flag(key, value, wanted, f"{_unreadable(value, near)}, wanted “{wanted}”")
    sentence = f"{key} is not there" if value.missing else f"{key} holds {_quoted(value.shown)}"
    return expect(good, key, sentence, **measured("readable", value.shown))


def _unreadable(value: Value, near: str) -> str:
    return "is missing" if value.missing else f"holds {_quoted(value.shown)}{near}"


def _flag(key: str, value: Value, wanted: str, finding: str, *, good: bool = False) -> Judgement:
    sentence = f"{key} {finding}"
    clears = f"{key} set to “{wanted}” the platform's own way, so that the change is logged"
    return expect(good, key, sentence, clears, **measured("flag", value.shown, wanted))


def _quoted(text: str) -> str:
    return text if text.startswith("<") else f"“{text}”"


def _is_percentage(value: Value) -> bool:
    return value.text is not None and _PERCENTAGE.fullmatch(value.text) is not None


def _near(value: Value, words: tuple[str, ...]) -> str:
    """Return what a strange value comes close to: then it is a slip of the hand that is easily missed."""
    plain = (value.text or "").strip().strip("\"'").lower()
    meant = next((word for word in words if plain == word.lower()), None)
    return f", which is “{meant}” only but for blanks, quotes or capitals" if meant else ""


def _near_number(value: Value) -> str:
    plain = (value.text or "").strip().rstrip("%").strip()
    return ", which is not a whole number to the letter" if _PERCENTAGE.fullmatch(plain) else ""


def day_has_come(day: int, passed: float | None) -> Judgement:
    """Judge that a day of the rollout has begun: day 1 with the traffic switch, day 2 a day later."""
    subject = f"day {day} of the rollout"
    if passed is None or passed < 0:
        return since_unknown(subject)
    sentence = f"{subject}: {passed:.1f} days have passed since the traffic switch"
    clears = f"{day - 1} days between the traffic switch and now"
    figures = measured("day", round(passed, 3), day - 1, "days")
    return expect(passed >= day - 1 or None, subject, sentence, clears, **figures)


# --- the log of changes


@dataclasses.dataclass(frozen=True, slots=True)
class Logged:
    """One logged change of one key; texts are those that evidence may show."""

    at: dt.datetime
    actor: str | None
    old: str
    new: str


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """What one key has to have gone through."""

    key: str
    starts: tuple[str, ...]
    """What it may have been at the start of what the log covers; the last one is what it was to be
    just before this change."""
    wanted: str
    now: str
    """What it is."""

    @property
    def due(self) -> bool:
        """Whether it has to change at all."""
        return self.starts[-1] != self.wanted


@dataclasses.dataclass(frozen=True, slots=True)
class Covered:
    """The time that the log was read for."""

    since: dt.datetime
    until: dt.datetime
    skew_seconds: float


def logged_truly(change: Change, entries: tuple[Logged, ...], covered: Covered) -> Judgement:
    """PASS when the entries tell without a gap how the key came to what it is; FAIL otherwise.

    Entries are given as the log has them, oldest first.
    """
    ordered = tuple(sorted(entries, key=lambda entry: entry.at))
    problems = list(_problems(change, ordered, covered))
    since = f"{covered.since:%H:%M} UTC"
    told = _told(ordered, since) if not problems else "; ".join(problems)
    return expect(
        not problems,
        f"changes of {change.key}",
        f"{change.key}: {told}",
        "an audit log that says who changed it, when, from what to what",
        **measured("logged", len(ordered), 1 if change.due else None, "entries"),
        data={
            "since": covered.since.isoformat(),
            "now": change.now,
            "wanted": change.wanted,
            "entries": [
                {"at": one.at.isoformat(), "actor": one.actor, "old": one.old, "new": one.new}
                for one in ordered[-20:]
            ],
        },
    )


def _problems(change: Change, entries: tuple[Logged, ...], covered: Covered) -> Iterator[str]:
    since = f"{covered.since:%H:%M} UTC"
    if not entries:
        yield from _without_entries(change, since)
        return
    if entries[0].old not in change.starts:
        yield (
            f"the first entry since {since} says that it was “{entries[0].old}”, but it was to be "
            f"“{change.starts[-1]}”: an earlier change is not logged"
        )
    for one, other in itertools.pairwise(entries):
        if one.new != other.old:
            yield (
                f"between {one.at:%H:%M:%S} and {other.at:%H:%M:%S} UTC it went from “{one.new}” to "
                f"“{other.old}” without an entry"
            )
    yield from _end(change, entries[-1])
    latest = covered.until + dt.timedelta(seconds=covered.skew_seconds)
    for entry in entries:
        if not entry.actor:
            yield f"the entry of {entry.at:%H:%M:%S} UTC does not say who did it"
        if entry.at > latest:
            yield f"an entry bears the time {entry.at:%Y-%m-%d %H:%M:%S} UTC, which is yet to come"


def _without_entries(change: Change, since: str) -> Iterator[str]:
    if change.due:
        yield (
            f"the audit log has no entry since {since} that sets it from “{change.starts[-1]}” to "
            f"“{change.wanted}” (it is “{change.now}”)"
        )
    elif change.now not in change.starts:
        yield (
            f"it is “{change.now}” and was to be “{change.starts[-1]}”, and the audit log has no entry "
            f"since {since} that says who changed it"
        )


def _end(change: Change, last: Logged) -> Iterator[str]:
    if last.new != change.now:
        yield (
            f"the last entry, of {last.at:%H:%M:%S} UTC by {last.actor or 'nobody'}, says “{last.new}”, "
            f"but it is “{change.now}”: changed past the log, or logged wrongly"
        )
    elif change.due and last.new != change.wanted:
        yield f"its last entry leaves it at “{last.new}”, wanted “{change.wanted}”"


def _told(entries: tuple[Logged, ...], since: str) -> str:
    if not entries:
        return f"unchanged, and no entry since {since}"
    last = entries[-1]
    return f"“{last.old}” to “{last.new}” by {last.actor} at {last.at:%H:%M:%S} UTC"


# --- the trial of the audit log


@dataclasses.dataclass(frozen=True, slots=True)
class Sent:
    """One harmless read: its unique id, and between which times it was carried out."""

    id: str
    began: dt.datetime
    ended: dt.datetime


def recorded(
    subject: str, audit: Audit, sent: Sent, entries: Sequence[probes.audit.Entry], seconds: float
) -> Judgement:
    """PASS when a read has exactly one entry, in time and in truth."""
    count, read = len(entries), f"a read under the id {sent.id} has"
    clears = "an audit log that is on and keeps each access once, with who and when"
    if count == 1:
        wrong = _wrong(audit, sent, entries[0])
    elif count:
        wrong = f"{read} {count} entries in the audit log, wanted exactly one"
    else:
        wrong = f"{read} no entry in the audit log after {seconds:.0f} s, wanted exactly one"
        clears += f"; or another audit.trial.header, if a gateway on the way replaces {audit.trial.header}"
    sentence = wrong or f"{read} exactly one entry in the audit log"
    figures = measured("recorded", count, 1)
    return expect(not wrong, subject, sentence, clears, **figures, data={"request_id": sent.id})


def _wrong(audit: Audit, sent: Sent, entry: probes.audit.Entry) -> str:
    """Return what an entry says wrongly, empty where it tells who did what and when."""
    skew, wrong = dt.timedelta(seconds=audit.max_clock_skew), ""
    if entry.action != audit.trial.action:
        wrong = f"calls it otherwise than “{audit.trial.action}”"
    elif not (entry.actor or "").strip():
        wrong = "does not say who did it"
    elif not sent.began - skew <= entry.at <= sent.ended + skew:
        wrong = f"bears the time {entry.at:%Y-%m-%d %H:%M:%S %Z}, not that of the read"
    return wrong and f"the entry of the read {sent.id} {wrong}"
