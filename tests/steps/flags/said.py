"""Every way in which the rules of flags and their log judge; `tests.gates.decide.test_said` keeps it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import Any

from gates.decide.judgement import Judgement
from probes.audit import Entry
from settings.flags import Audit, Flags
from steps.flags import rules
from steps.flags.rules import Change, Covered, Logged, Value

FLAGS = Flags.model_validate({"states": {"before": {"f": {"enabled": True}}}})
NOTHING, A_LIST = Value(None, "<nothing>"), Value(None, "<a list>")
STRANGE = Value("False ", "<6 bytes, sha256 9e837112…>")
NOW = dt.datetime(2026, 1, 31, 22, 30, tzinfo=dt.UTC)
COVERED = Covered(NOW - dt.timedelta(hours=4), NOW, 30)


def values() -> Iterator[Judgement]:
    texts = [Value(text, text) for text in ("true", "false", " True", "maybe", "0", "", '"false"')]
    for value in (*texts, STRANGE, NOTHING, A_LIST):
        for enabled in (True, False):
            yield rules.switch_is("f", value, enabled=enabled, flags=FLAGS, moment="before")
        yield rules.switch_readable("f", value, FLAGS)
    numbers = [
        "0",
        "10",
        "11",
        "20",
        "100",
        "101",
        "-1",
        "10 %",
        "ten",
        "010",
        "10.0",
        "\u0660",
        "",
    ]
    for value in (*(Value(text, text) for text in numbers), NOTHING, A_LIST):
        for wanted in (0, 10):
            yield rules.percentage_is("p", value, wanted, "after")
        yield rules.percentage_readable("p", value)
    yield rules.no_strangers("feature:*", ("a", "b"))
    for temporary, left in (((), ()), (("a", "b"), ()), (("a", "b"), ("b",))):
        yield rules.gone(temporary, left)
    for passed in (None, -0.1, 0.0, 0.99, 1.0, 2.5):
        yield rules.day_has_come(2, passed)
    for count in (0, 1, 10, 101):
        yield rules.no_strangers("feature:*", tuple(f"f{number}" for number in range(count)))


DUE = Change("feature:x", starts=("true",), wanted="false", now="false")
LATER = Change("feature:x:percentage", starts=("0", "0"), wanted="10", now="10")
UNCHANGED = Change("feature:y", starts=("false",), wanted="false", now="false")
UNDONE = dataclasses.replace(DUE, now="true")


def entry(old: str, new: str, minute: int = 0, actor: str | None = "ops") -> Logged:
    return Logged(dt.datetime(2026, 1, 31, 22, minute, tzinfo=dt.UTC), actor, old, new)


OFF, SKEWED = entry("true", "false"), dt.timedelta(seconds=30)
OFF_AND_ON = (entry("true", "false", 1), entry("false", "true", 2))
WHOLE: dict[str, tuple[Change, *tuple[Logged, ...]]] = {
    "one change": (DUE, OFF),
    "by way of another value": (DUE, entry("true", "x", 1), entry("x", "false", 2)),
    "entries in another order than their times": (
        *(DUE, entry("false", "true", 2)),
        *(entry("true", "false", 3), entry("true", "false", 1)),
    ),
    "the changes of two phases": (
        dataclasses.replace(LATER, starts=("5", "0")),
        *(entry("5", "0", 1), entry("0", "10", 2)),
    ),
    "the later phase alone": (LATER, entry("0", "10")),
    "nothing to change and nothing logged": (UNCHANGED,),
    "there and back": (UNCHANGED, entry("false", "true", 1), entry("true", "false", 2)),
    "an entry within the allowed skew": (DUE, dataclasses.replace(OFF, at=NOW + SKEWED)),
}
BROKEN: dict[str, tuple[Change, *tuple[Logged, ...]]] = {
    "no entry of a change that was due": (DUE,),
    "a phase that was not carried out": (UNDONE,),
    "nobody asked for it and nobody logged it": (dataclasses.replace(UNCHANGED, now="true"),),
    "a last entry that says otherwise": (DUE, *OFF_AND_ON),
    "a gap between two entries": (DUE, entry("true", "5", 1), entry("7", "false", 2)),
    "an entry that comes twice": (DUE, OFF, OFF),
    "a beginning that is not the state before": (DUE, entry("20", "false")),
    "an entry of nobody": (DUE, entry("true", "false", actor=None)),
    "an entry of tomorrow": (DUE, entry("true", "false", minute=31)),
    "a change back after the phase": (UNDONE, *OFF_AND_ON),
    "more gaps than are kept": (DUE, *(entry("true", "false", minute) for minute in range(22))),
}


def logs() -> Iterator[Judgement]:
    """Yield what is said of logs that tell it all, and then of those that do not."""
    for name, (change, *entries) in {**WHOLE, **BROKEN}.items():
        found = rules.logged_truly(change, tuple(entries), COVERED)
        yield dataclasses.replace(found, subject=f"{found.subject}: {name}")


AUDIT = Audit.model_validate(
    {
        "address": "https://audit.clinic.example",
        "token": "file:audit",
        "flag_change": "flag",
        "trial": {"service": "api", "path": "/x/{id}", "token": "file:trial", "action": "read"},
    }
)
SENT = rules.Sent("r1", NOW, NOW + dt.timedelta(seconds=1))


def reads() -> Iterator[Judgement]:
    """Yield what is said of a read that took a second, where clocks may differ by 30 s."""
    read = Entry("1", NOW, "gate", "read", None, None, None, "r1")
    changes: list[dict[str, Any]] = [
        *({}, {"action": "write"}, {"actor": None}, {"actor": " "}),
        *({"at": NOW + dt.timedelta(seconds=seconds)} for seconds in (-31, -30, 31, 32)),
    ]
    for entries in ([], *([dataclasses.replace(read, **one)] for one in changes), [read, read]):
        yield rules.recorded("the log", AUDIT, SENT, entries, 60.0)
