"""What a backup has to be: young, readable, of this database, of the usual size, copied, restorable."""

from __future__ import annotations

import datetime as dt
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import probes
from gates.decide.judgement import Judgement
from probes.files import Entry
from steps.kit.expect import age, expect, measured, megabytes

_CLOCKS_DIFFER_SECONDS = 120.0
_LONGEST_DUMP = dt.timedelta(days=1)
"""Between a dump's beginning and its file's time; its clock may be of any time zone."""
_MADE_NOW = "a backup made now"


def none_at_all(location: str) -> Judgement:
    """Return the FAIL of a folder without a backup."""
    sentence, clears = f"there is no backup in {location}", f"a finished backup in {location}"
    return expect(False, "backup", sentence, clears, rule="backup")


def young_enough(newest: Entry, seconds: float, limit_seconds: float, wanted: str) -> Judgement:
    """Judge a backup's age; one from the future has a wrong clock, or a forged time."""
    return expect(
        -_CLOCKS_DIFFER_SECONDS <= seconds <= limit_seconds,
        "backup",
        f"the newest backup, {newest.name}, is {_when(seconds, 'old')}, wanted {wanted}: at most "
        f"{age(limit_seconds)} old",
        _MADE_NOW,
        **measured("backup age", round(seconds), limit_seconds, "s"),
        data={"backup": newest.name},
    )


def _when(seconds: float, past: str) -> str:
    future = seconds < -_CLOCKS_DIFFER_SECONDS
    return f"{age(-seconds)} in the future" if future else f"{age(max(0.0, seconds))} {past}"


def can_be_read(newest: Entry, contents: probes.backup.Contents) -> Judgement:
    """Judge that pg_restore reads its table of contents, and all of it or its end."""
    found, damage = "can be read to its end", ""
    if contents.ends:
        found = "has a readable table of contents and ends as a dump does"
    if not contents.listed:
        damage = "pg_restore can't read its table of contents"
    elif contents.whole is False:
        damage = "pg_restore can't read it to its end"
    elif contents.ends is False:
        damage = "it breaks off, or is still being written"
    return expect(
        not damage,
        f"backup {newest.name}",
        f"backup {newest.name} {f'is damaged: {damage}' if damage else found}",
        "a backup that pg_restore reads without an error",
        rule="backup readable",
        data={"sha256": contents.sha256},
    )


def begun_lately(newest: Entry, begun: dt.datetime) -> Judgement:
    """Judge that the file is not a copy of an older backup, which makes it look young."""
    good = newest.modified_at - begun <= _LONGEST_DUMP
    written = "then" if good else f"on {newest.modified_at:%d %b %Y}: it is a copy of an old one"
    sentence = f"backup {newest.name} was begun on {begun:%d %b %Y} and written {written}"
    return expect(good, f"backup {newest.name}", sentence, _MADE_NOW, rule="backup made")


def of_another(newest: Entry, dumped: str | None, wanted: str) -> Judgement:
    """Return the FAIL of a backup of another database."""
    return expect(
        False,
        f"backup {newest.name}",
        f"backup {newest.name} is of the database {dumped}, wanted {wanted}",
        f"a backup of {wanted}, and those of other databases in another folder",
        **measured("backup of this database", dumped, wanted),
    )


def lacking(found: Sequence[str], wanted: Iterable[str]) -> list[str]:
    """Return which of the wanted tables are not among those found."""
    return sorted({probes.schema.qualified(name) for name in wanted} - set(found))


def holds(newest: Entry, found: Sequence[str], lacking: Sequence[str]) -> Judgement:
    """Judge that a backup holds the rows of every table."""
    sentence = f"backup {newest.name} holds the rows of {len(found)} tables"
    return expect(
        bool(found) and not lacking,
        f"backup {newest.name}",
        sentence + (f", but not of {', '.join(lacking)}" if lacking else ""),
        "a backup of the whole database",
        **measured("backup complete", len(found)),
        data={"missing": [*lacking]},
    )


def of_usual_size(newest: Entry, earlier: Sequence[int], tolerance: float) -> Judgement:
    """Judge a backup's size against the median of the earlier ones."""
    subject, rule = f"backup {newest.name}", "backup size"
    if newest.size == 0:
        clears = "a backup that holds something"
        return expect(False, subject, f"{subject} is empty", clears, **measured(rule, 0))
    has = f"{subject} has {megabytes(newest.size)}"
    if not earlier:
        sentence = f"{has}, and there is no earlier one to compare it with"
        clears = "an earlier backup in the same folder, or a person's confirmation of the size"
        return expect(None, subject, sentence, clears)
    usual = statistics.median(earlier)
    least, most = usual * (1 - tolerance), usual * (1 + tolerance)
    return expect(
        least <= newest.size <= most,
        subject,
        f"{has}, the median of the {len(earlier)} before it is {megabytes(usual)}; wanted "
        f"{megabytes(least)} to {megabytes(most)}",
        "a backup of the usual size, or the reason why the database grew or shrank",
        **measured(rule, newest.size, usual, "bytes"),
        data={"compared_with": len(earlier), "least": least, "most": most},
    )


def copied(newest: Entry, size: int | None, place: str) -> Judgement:
    """Judge the copy of a backup by its size; None where there is no copy."""
    found = "is missing"
    if size is not None:
        same = size == newest.size
        found = "is there" if same else f"has {megabytes(size)} of {megabytes(newest.size)}"
    return expect(
        size == newest.size,
        f"backup {newest.name}",
        f"the copy of {newest.name} in {place} {found}",
        f"the whole backup copied to {place}",
        **measured("backup copy", size, newest.size, "bytes"),
    )


def no_restore_test(why: str) -> Judgement:
    """Return that nothing is known of a restore test."""
    clears = "a backup restored into a scratch database, compared, and its result written there"
    return expect(None, "restore test", f"no restore test is known: {why}", clears)


def restored(data: bytes, now: dt.datetime, max_age_seconds: float) -> tuple[Judgement, ...]:
    """Judge the evidence of a restore test: its result and its age; a damaged file decides nothing."""
    try:
        said = json.loads(data)
        seconds = (now - dt.datetime.fromisoformat(said["finished_at"])).total_seconds()
        result, backup = str(said["result"]), str(said["backup"])
        short = _short_tables(said.get("tables", {}))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        sentence = (
            "the restore test's result is damaged: it needs result, backup and finished_at with "
            "its time zone; tables, where it is there, needs before and restored of each"
        )
        clears = "the file as docs/platform-contract.md describes it"
        return (expect(None, "restore test", sentence, clears),)
    return (_ended_well(result, said, short), _lately(seconds, max_age_seconds, backup))


def _short_tables(tables: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return the tables that came back with fewer rows than they had; raises for another form."""
    return sorted(
        name for name, counts in tables.items() if int(counts["restored"]) < int(counts["before"])
    )


def _ended_well(result: str, said: Mapping[str, Any], short: Sequence[str]) -> Judgement:
    good = result == "passed" and not short
    words, missing = "passed" if good else "failed", ", ".join(short)
    return expect(
        good,
        "restore test",
        f"the last restore test {words}" + (f": rows were missing in {missing}" if short else ""),
        "a restore test that passes",
        **measured("restore test", words, "passed"),
        data={"sha256": str(said.get("sha256"))[:64], "missing_rows_in": list(short)},
    )


def _lately(seconds: float, max_age_seconds: float, backup: str) -> Judgement:
    return expect(
        -_CLOCKS_DIFFER_SECONDS <= seconds <= max_age_seconds,
        "restore test",
        f"the last restore test, of {backup[:80]}, was {_when(seconds, 'ago')}, wanted within "
        f"{age(max_age_seconds)}",
        "a restore test of a backup made lately",
        **measured("restore test age", round(seconds), max_age_seconds, "s"),
    )
