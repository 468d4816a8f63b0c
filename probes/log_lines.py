"""What the lines of a log say: counts by level, signature and event. No line, and no part of one, is kept.

A signature is what a message has of words that everybody's logs have, or that the environment names:
everything else (numbers, ids, names, what stands in quotes) becomes “…”. So no patient can be in it.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import itertools
import json
import pathlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from probes.observation import EVERYTHING, Shown

WORDS: Final = frozenset(
    yaml.safe_load(pathlib.Path(__file__).with_name("log_words.yaml").read_bytes())
)
"""What a signature may show; whoever knows these knows nothing of a patient."""
_TELLING_WORDS: Final = 2
_TELLING_LETTERS: Final = 4
_HARMLESS: Final = frozenset(
    {
        *("trace", "debug", "verbose", "info", "notice", "log", "warn", "warning"),
        *("10", "20", "30", "40"),
    }
)
_MOST_WORDS: Final = 12
_HIDDEN: Final = "…"
_QUOTED: Final = re.compile(r"\"[^\"]*\"|'[^']*'|`[^`]*`|“[^”]*”")


@dataclasses.dataclass(frozen=True, slots=True)
class LogRules:
    """How a line tells that it is an error."""

    level_field: str
    error_levels: frozenset[str]
    error_words: tuple[str, ...]
    tail_lines: int


@dataclasses.dataclass(frozen=True, slots=True)
class Format:
    """How lines are read, and which words and events of them may be shown."""

    rules: LogRules
    message_field: str
    event_field: str
    events: frozenset[str]
    words: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class Counts(Shown):
    """How many lines there are, by what they say."""

    KEPT = EVERYTHING

    lines: int
    unreadable: int
    """Lines without a level that is known: whether they are errors, nobody can tell."""
    by_level: Mapping[str, int]
    errors: Mapping[str, int]
    """Of error levels, by level and signature."""
    events: Mapping[str, int]
    """Of those that the environment names."""


@dataclasses.dataclass(frozen=True, slots=True)
class Log(Shown):
    """What a program logged in a time, over all that it runs in."""

    KEPT = EVERYTHING

    counts: Counts
    since: dt.datetime
    """From when on every line is there, as far as `lacking` does not say otherwise."""
    newest: dt.datetime | None
    sources: tuple[str, ...]
    """Pods, or streams of a store, that had lines to be read."""
    lacking: tuple[str, ...] = ()
    """What may be missing of it, in words."""


def counted(lines: Iterable[str], form: Format) -> Counts:
    """Count lines; nothing of them that `form` and WORDS do not name is in the result."""
    levels, errors, events, number = (collections.Counter[str]() for _ in range(4))
    for line in lines:
        fields = _fields(line)
        level, is_error = _level(line, fields, form.rules)
        number["lines"] += 1
        number["unreadable"] += not level
        levels[level] += bool(level)
        event = fields.get(form.event_field)
        if isinstance(event, str) and event in form.events:
            events[event] += 1
        if is_error:
            message = fields.get(form.message_field) if fields else line
            errors[f"{level}: {signature(message, form.words)}"] += 1
    by_level = {level: count for level, count in levels.items() if count}
    return Counts(number["lines"], number["unreadable"], by_level, dict(errors), dict(events))


def signature(message: object, words: frozenset[str] = frozenset()) -> str:
    """Return what a message has of known words, in order, with “…” for whatever stands between them."""
    if not isinstance(message, str):
        return _HIDDEN
    tokens = _QUOTED.sub(f" {_HIDDEN} ", message).lower().split()
    bare = (one.strip(".,:;!?()[]{}<>=-") for one in tokens)
    shown = [one if one in WORDS or one in words else _HIDDEN for one in bare]
    # Several unknown words are one gap: a name may have two.
    kept = [word for word, _ in itertools.groupby(shown)]
    return " ".join(kept[:_MOST_WORDS]) or _HIDDEN


def is_telling(found: str) -> bool:
    """Tell whether a signature, as `Counts.errors` has it, says enough to be known again.

    One of fewer words may be of anything, and is never what was known before.
    """
    words = found.partition(": ")[2].split()
    return sum(len(one) >= _TELLING_LETTERS for one in words) >= _TELLING_WORDS


def _fields(line: str) -> Mapping[str, Any]:
    if not line.startswith("{"):
        return {}
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def error_level(line: str, rules: LogRules) -> str | None:
    """Return which of the error levels or words a line has; None when it is not an error."""
    return _error_level(line, level_of(line, rules), rules)


def level_of(line: str, rules: LogRules) -> str | int | None:
    """Return the level of a line that is a JSON object with one."""
    return _told(_fields(line), rules)


def _told(fields: Mapping[str, Any], rules: LogRules) -> str | int | None:
    level = fields.get(rules.level_field)
    return level if isinstance(level, str | int) and not isinstance(level, bool) else None


def _error_level(line: str, level: str | int | None, rules: LogRules) -> str | None:
    if isinstance(level, str):
        return level.lower() if level.lower() in rules.error_levels else None
    # Some loggers number their levels; one whose numbers nobody described may still use words.
    if level is not None and str(level) in rules.error_levels:
        return str(level)
    return next(
        (word for word in rules.error_words if re.search(rf"\b{re.escape(word)}\b", line)), None
    )


def _level(line: str, fields: Mapping[str, Any], rules: LogRules) -> tuple[str, bool]:
    """Return a line's level and whether it is one of errors; no level where that is not known."""
    told = _told(fields, rules)
    level = str(told).lower()
    if told is not None and level in _HARMLESS and level not in rules.error_levels:
        return level, False
    found = (_error_level(line, told, rules) or "").lower()
    return found, bool(found)
