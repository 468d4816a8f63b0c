"""Feature flags in Redis: every key against the state that the environment describes for a moment."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import Observation
from settings.flags import Flags as Section
from steps.flags.rules import (
    Value,
    Words,
    no_strangers,
    percentage_is,
    percentage_readable,
    strangers,
    switch_is,
    switch_readable,
)
from steps.kit import failures
from steps.kit.baseline import SHARED, CannotCollectError
from steps.kit.check import Check
from steps.kit.platform import NotDescribedError, Platform
from steps.kit.readings import judge_everywhere, noted

SCAN_SECONDS = 60.0
"""A walk over every key is thousands of calls; a million keys take some seconds."""
FLAGS_IN_REDIS = "the flags in Redis"
NOTHING = Value(None, "<nothing>")


def section_of(platform: Platform) -> Section:
    """Return what the environment says of its flags; raises NotDescribedError."""
    section = platform.environment.settings.flags
    if section is None:
        raise NotDescribedError("the environment lacks the section flags; add it")
    return section


@dataclasses.dataclass(frozen=True, slots=True)
class Flags:
    """One reading of all described flags; without values where they could not be read."""

    platform: Platform
    check: Check
    section: Section
    values: Mapping[str, Value] | None

    @classmethod
    def read(cls, platform: Platform, check: Check) -> Flags:
        """Read both keys of every flag; an unreadable Redis is judged an ERROR here already."""
        texts = noted(check, look(platform), FLAGS_IN_REDIS)
        return cls(platform, check, section_of(platform), None if texts is None else values(texts))

    def in_state(self, moment: str) -> None:
        """Judge every flag against its state at a moment; raises NotDescribedError for an unknown one."""
        if moment not in self.section.states:
            raise NotDescribedError(f"the environment lacks flags.states.{moment}; add it")
        for flag, state in self.section.state(moment).items():
            self._judge(flag, state.enabled, state.percentage, moment)

    def unchanging(self) -> None:
        """Judge the flags that no moment may change."""
        for flag, state in self.section.always.items():
            self._judge(flag, state.enabled, state.percentage, "always")

    def readable(self) -> None:
        """Judge that every described flag holds what the platform can read."""
        for flag in _flags(self.section):
            switch, percentage = self.section.keys(flag)
            self._note(
                switch_readable(switch, self._value(switch), self._words),
                percentage_readable(percentage, self._value(percentage)),
            )

    def no_others(self) -> None:
        """Judge that no key is there that the environment does not describe."""
        if self.values is None or self.section.unknown == "ignore":
            return
        pattern = self.section.every_key
        observed = _found_keys(self.platform, pattern)
        found = noted(self.check, observed, f"the keys {pattern} in Redis")
        if found is None:
            return
        known = _keys(self.section, [*_flags(self.section), *self.section.temporary])
        others = strangers(found.names, frozenset(known))
        judge_everywhere(self.check, no_strangers(pattern, tuple(map(shown_text, others))))

    def _judge(self, flag: str, enabled: bool, percentage: int, moment: str) -> None:  # noqa: FBT001 - as the state says it
        switch, share = self.section.keys(flag)
        self._note(
            switch_is(
                switch, self._value(switch), enabled=enabled, words=self._words, moment=moment
            ),
            percentage_is(share, self._value(share), percentage, moment),
        )

    def _note(self, *judgements: Judgement) -> None:
        """Keep judgements, unless nothing could be read: that is judged already."""
        if self.values is not None:
            judge_everywhere(self.check, *judgements)

    def _value(self, key: str) -> Value:
        return (self.values or {}).get(key, NOTHING)

    @property
    def _words(self) -> Words:
        return Words(self.section.word_for_on, self.section.word_for_off)


def temporary_flags_gone(platform: Platform, check: Check) -> None:
    """Judge that no flag is left that may be there during a deployment only.

    It is one part of a check: a platform that describes no flags has none to leave.
    """
    section = platform.environment.settings.flags
    if section is None:
        return
    keys = [*_keys(section, section.temporary)]
    texts = noted(check, read_keys(platform, keys), "the temporary flags in Redis")
    if texts is not None:
        left = [key for key, held in texts.held.items() if not _value(held).missing]
        judge_everywhere(check, _gone(section.temporary, left))


def snapshot(platform: Platform) -> dict[str, Any]:
    """Return what every described flag holds, so far as evidence may show it: facts of the baseline.

    Raises CannotCollectError when the flags can't be read.
    """
    observed = look(platform)
    if observed.value is None:
        raise CannotCollectError(failures.failure_of(observed).detail)
    return {SHARED: dict(observed.value.facts())}


def look(platform: Platform) -> Observation[probes.redis_keys.Texts]:
    """Read both keys of every described flag."""
    section = section_of(platform)
    return read_keys(platform, [*_keys(section, _flags(section))])


def read_keys(platform: Platform, keys: list[str]) -> Observation[probes.redis_keys.Texts]:
    """Read some keys with the gate's own login to Redis; raises NotDescribedError without one."""
    return probes.redis_keys.texts(_target(platform), keys, deadline=platform.call_deadline())


def shown_text(text: str | None) -> str:
    """Return a text that anybody may have written, so far as evidence may show it."""
    return NOTHING.shown if text is None else probes.redis_keys.shown(text.encode())


def _target(platform: Platform) -> probes.redis.RedisTarget:
    target = platform.redis()
    if target is None:
        raise NotDescribedError("the environment lacks the section redis; add it")
    return target


def _found_keys(platform: Platform, pattern: str) -> Observation[probes.redis_keys.KeyNames]:
    deadline = platform.deadline.sooner(SCAN_SECONDS)
    return probes.redis_keys.key_names(_target(platform), pattern, deadline=deadline)


def _flags(section: Section) -> list[str]:
    return [*section.always, *next(iter(section.states.values()))]


def _keys(section: Section, flags: list[str] | tuple[str, ...]) -> Iterator[str]:
    for flag in flags:
        yield from section.keys(flag)


def values(texts: probes.redis_keys.Texts) -> dict[str, Value]:
    """Return what each key holds, to judge it by."""
    return {key: _value(held) for key, held in texts.held.items()}


def _value(held: probes.redis_keys.Held) -> Value:
    if held.text is None:
        return Value(None, held.shown)
    return Value(held.text.decode("utf-8", "backslashreplace"), held.shown)


def _gone(temporary: tuple[str, ...], left: list[str]) -> Judgement:
    subject = "temporary flags"
    listed = ", ".join(left)
    return Judgement(
        outcome=Outcome.FAIL if left else Outcome.PASS,
        rule="gone",
        subject=subject,
        sentence=f"{subject} are still there: {listed}"
        if left
        else f"{subject} are gone: {', '.join(temporary) or 'none was named'}",
        observed=len(left),
        target=0,
        clears=f"{listed} deleted the platform's own way" if left else "",
    )
