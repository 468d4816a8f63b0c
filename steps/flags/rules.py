"""Feature flags: what a key holds against what it must hold, typed to the letter."""

from __future__ import annotations

import dataclasses
import re

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome

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


@dataclasses.dataclass(frozen=True, slots=True)
class Words:
    """What a switch holds, to the letter."""

    on: str
    off: str

    def word(self, *, enabled: bool) -> str:
        """Return the word for on or off."""
        return self.on if enabled else self.off


def switch_is(key: str, value: Value, *, enabled: bool, words: Words, moment: str) -> Judgement:
    """PASS when the switch holds exactly the wanted word; FAIL otherwise, also when it is missing."""
    wanted = words.word(enabled=enabled)
    if value.text == wanted:
        return _held(key, value, wanted, moment)
    if value.text not in (words.on, words.off):
        return _unreadable(key, value, wanted, _near(value, (words.on, words.off)), moment)
    return _other(key, value, wanted, moment)


def percentage_is(key: str, value: Value, wanted: int, moment: str) -> Judgement:
    """PASS when the key holds exactly that whole number; no key counts as 0."""
    if value.text == str(wanted) or (value.missing and wanted == 0):
        return _held(key, value, str(wanted), moment)
    if value.text is None or not _PERCENTAGE.fullmatch(value.text):
        return _unreadable(key, value, str(wanted), _near_number(value), moment)
    return _other(key, value, str(wanted), moment)


def switch_readable(key: str, value: Value, words: Words) -> Judgement:
    """PASS when the switch holds one of the two words; FAIL otherwise, also when it is missing."""
    if value.text in (words.on, words.off):
        return _readable(key, value)
    wanted = f"{words.on} or {words.off}"
    return _unreadable(key, value, wanted, _near(value, (words.on, words.off)), "")


def percentage_readable(key: str, value: Value) -> Judgement:
    """PASS when the key holds a whole number from 0 to 100, or is not there."""
    if value.missing or (value.text is not None and _PERCENTAGE.fullmatch(value.text)):
        return _readable(key, value)
    return _unreadable(key, value, "0 to 100", _near_number(value), "")


def strangers(found: frozenset[str], known: frozenset[str]) -> tuple[str, ...]:
    """Return the keys that nobody described, in order."""
    return tuple(sorted(found - known))


def no_strangers(pattern: str, shown: tuple[str, ...]) -> Judgement:
    """PASS when no key is there that nobody described; the keys are given as they may be shown."""
    subject = f"keys {pattern} that nobody described"
    if not shown:
        return Judgement(
            Outcome.PASS, "described", subject, f"every key {pattern} is described", 0, 0
        )
    listed = ", ".join(shown[:10]) + (" …" if len(shown) > 10 else "")  # noqa: PLR2004 - a sentence stays readable
    return Judgement(
        outcome=Outcome.FAIL,
        rule="described",
        subject=subject,
        sentence=f"{len(shown)} {subject}: {listed}. Describe the flag in the environment, or remove it",
        observed=len(shown),
        target=0,
        clears="every flag described in the environment file",
        data={"keys": list(shown[:100])},
    )


def _held(key: str, value: Value, wanted: str, moment: str) -> Judgement:
    found = "is missing, which counts as" if value.missing else "is"
    return Judgement(
        outcome=Outcome.PASS,
        rule="flag",
        subject=key,
        sentence=f"{key} {found} “{wanted}”, as in the state {moment}",
        observed=value.shown,
        target=wanted,
    )


def _other(key: str, value: Value, wanted: str, moment: str) -> Judgement:
    return _failed(key, value, wanted, f"is “{value.shown}”, wanted “{wanted}”{_in(moment)}")


def _unreadable(key: str, value: Value, wanted: str, near: str, moment: str) -> Judgement:
    if value.missing:
        return _failed(key, value, wanted, f"is missing, wanted “{wanted}”{_in(moment)}")
    return _failed(
        key, value, wanted, f"holds {_quoted(value.shown)}{near}, wanted “{wanted}”{_in(moment)}"
    )


def _failed(key: str, value: Value, wanted: str, finding: str) -> Judgement:
    return Judgement(
        outcome=Outcome.FAIL,
        rule="flag",
        subject=key,
        sentence=f"{key} {finding}",
        observed=value.shown,
        target=wanted,
        clears=f"{key} set to “{wanted}” the platform's own way, so that the change is logged",
    )


def _readable(key: str, value: Value) -> Judgement:
    sentence = f"{key} {'is not there' if value.missing else f'holds {_quoted(value.shown)}'}"
    return Judgement(Outcome.PASS, "readable", key, sentence, value.shown)


def _in(moment: str) -> str:
    return f" in the state {moment}" if moment else ""


def _quoted(text: str) -> str:
    return text if text.startswith("<") else f"“{text}”"


def _near(value: Value, words: tuple[str, ...]) -> str:
    """Return what a strange value comes close to: then it is a slip of the hand that is easily missed."""
    plain = (value.text or "").strip().strip("\"'").lower()
    meant = next((word for word in words if plain == word.lower()), None)
    return f", which is “{meant}” only but for blanks, quotes or capitals" if meant else ""


def _near_number(value: Value) -> str:
    plain = (value.text or "").strip().rstrip("%").strip()
    return ", which is no whole number to the letter" if _PERCENTAGE.fullmatch(plain) else ""
