"""Feature flags in Redis: every key against the state that the environment describes for a moment."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_bdd import parsers

from settings.flags import Flags, FlagState
from steps.flags import reading, rules
from steps.flags.rules import Value
from steps.kit.asked import Asked
from steps.kit.expect import need, nothing_to_judge
from steps.kit.sentence import described, then

described("the feature flags are read", Flags, "flags")


@then(parsers.parse('every flag is in the state "{moment}"'))
def in_state(asked: Asked, flags: Flags, moment: str) -> None:
    need(flags.states.get(moment), f"flags.states.{moment}")
    _judge(asked, flags, flags.state(moment), moment)


@then("the flags that no deployment may change are as they always are")
def unchanging(asked: Asked, flags: Flags) -> None:
    _judge(asked, flags, flags.always, "always")


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
    others = rules.strangers(found.names, frozenset(known))
    asked.judge(rules.no_strangers(pattern, tuple(map(reading.shown_text, others))))


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
