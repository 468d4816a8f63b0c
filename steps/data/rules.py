"""Counts against a baseline, orphans and connections: how much is too much, and what can't be told."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Meaning
from settings.data import ConnectionPolicy, CountPolicy, CountRule, Reference, Table
from steps.kit.baseline import Before
from steps.kit.expect import age, expect, measured, unable

_MEGABYTE = 1024 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Count:
    """A number of rows; an estimate may be wrong by `error_rows`."""

    rows: int
    error_rows: int = 0
    exact: bool = True

    @property
    def shown(self) -> str:
        """Return the number as people read it."""
        if self.exact:
            return f"{self.rows:,} rows"
        return f"about {self.rows:,} rows (± {self.error_rows:,}, from a sample)"


@dataclasses.dataclass(frozen=True, slots=True)
class Band:
    """How many rows there may be now."""

    least: float
    most: float
    unseen_rows: int
    """A smaller difference than this a sample would not show; 0 when both were counted."""

    @classmethod
    def around(cls, before: Count, now: Count, rule: CountRule, estimate_tolerance: float) -> Band:
        """Return the band of a rule; samples are not held to less than their tolerance."""
        exact = before.exact and now.exact
        slack = 0.0 if exact else before.rows * estimate_tolerance
        return cls(
            least=before.rows * (1 - rule.fewer) - slack,
            most=before.rows * (1 + rule.more) + rule.more_rows + slack,
            unseen_rows=0 if exact else round(slack),
        )


def moved(table: str, before: Count, now: Count, band: Band, baseline: str) -> Judgement:
    """Judge a table's count; `baseline` says which snapshot it is compared with."""
    doubt, difference = before.error_rows + now.error_rows, now.rows - before.rows
    good = within(now.rows, doubt, band)
    compared = "as many as"
    if difference:
        compared = f"{abs(difference):,} {'fewer' if difference < 0 else 'more'} than"
    sentence = f"{table} has {now.shown}, {compared} {baseline}, which has {before.shown}"
    if not good:
        sentence += f"; wanted {round(band.least):,} to {round(band.most):,}"
        sentence += ", which the samples can't decide" if good is None else ""
    elif band.unseen_rows:
        sentence += f"; under {band.unseen_rows:,} rows a sample sees no difference"
    what = "the missing rows restored" if difference < 0 else "the surplus rows explained"
    return expect(
        good,
        table,
        sentence,
        f"{what}, or a new baseline if the change is meant",
        **measured("row count", now.rows, before.rows, "rows"),
        data={
            "difference": difference,
            "least": round(band.least),
            "most": round(band.most),
            "error_rows": doubt,
            "exact": now.exact,
        },
    )


def within(rows: int, doubt: int, band: Band) -> bool | None:
    """Tell whether a count is in its band; None where its error spans a bound."""
    if band.least <= rows - doubt and rows + doubt <= band.most:
        return True
    return False if rows + doubt < band.least or rows - doubt > band.most else None


def nulls_moved(column: str, before: int, now: int, rows: int, share: float) -> Judgement:
    """Judge how many values of a column are null, against the baseline."""
    most = before + round(rows * share)
    sentence = f"{column} is null in {now:,} rows, the baseline has {before:,}"
    return expect(
        now <= most,
        column,
        sentence + (f"; {now - most:,} more than allowed" if now > most else ""),
        "the values restored, or a new baseline if it is meant",
        **measured("nulls", now, most, "rows"),
    )


def counted(
    name: str, table: Table, found: probes.rows.Counted, before: Before, policy: CountPolicy
) -> list[Judgement]:
    """Judge one counted table against the baseline, by the policy's rule for it."""
    if not found.there:
        return [gone(name)]
    if name not in before.facts:
        why = f"{before.baseline} has no count of {name}; the table was not there, or not described"
        clears = "a baseline taken with this description, before the deployment"
        return [expect(None, name, why, clears)]
    rule = policy.rules.get(table.counted or "")
    if rule is None:
        why = f"data.yaml of the policy has no rule “{table.counted}”, which data.tables.{name}.counted names"
        return [unable(name, why, "that rule, or the name of one that is there")]
    facts = before.facts[name]
    was = Count(int(facts["rows"]), int(facts["error_rows"]), bool(facts["exact"]))
    now = Count(found.rows, found.error_rows, found.exact)
    band = Band.around(was, now, rule, policy.estimate_tolerance)
    nulls = _nulls(name, table, found, before, policy.more_nulls)
    return [moved(name, was, now, band, before.baseline), *nulls]


def _nulls(
    name: str, table: Table, found: probes.rows.Counted, before: Before, share: float
) -> Iterator[Judgement]:
    """Judge the nulls of each named column; one that can't be compared is no good sign."""
    known = before.facts[name].get("nulls", {})
    exact = found.exact and before.facts[name]["exact"]
    for column in table.nulls:
        where = f"{name}.{column}"
        if column not in known or column not in found.nulls:
            sentence = f"{before.baseline} has no count of nulls in {where}"
            clears = "a baseline taken with this description, before the deployment"
            yield expect(None, where, sentence, clears)
        elif not exact:
            sentence = f"nulls in {where} can't be compared: {name} is counted from a sample"
            clears = f"a higher data.counts.exact_up_to_rows, or {column} left out of nulls"
            yield expect(None, where, sentence, clears)
        else:
            yield nulls_moved(where, known[column], found.nulls[column], found.rows, share)


def unchanged(name: str, found: probes.rows.Sampled, before: Before) -> Judgement:
    """Judge that the frozen rows of a table are what they were."""
    was = before.facts.get(name)
    if was is None or not was["rows"] or was["types"] != found.types:
        lacks = "has no sample of" if was is None else "has no row in its sample of"
        if was is not None and was["rows"]:
            lacks = f"has other types of columns than {found.types} in"
        sentence = f"{before.baseline} {lacks} {name}, so its frozen rows can't be compared"
        return expect(None, name, sentence, "a new baseline, before the deployment")
    same = (found.rows, found.checksum) == (was["rows"], was["checksum"])
    sentence = f"a sample of {was['rows']:,} rows of {name} from before {was['before']} "
    sentence += "is what it was" if same else "is another one than in "
    return expect(
        same,
        name,
        sentence if same else sentence + before.baseline,
        "the rows restored",
        **measured("frozen rows", found.rows, was["rows"], "rows"),
    )


def gone(name: str) -> Judgement:
    """Return the FAIL of a table that is not there."""
    return expect(
        False,
        name,
        f"there is no table {name}",
        "the migration that makes it, or its restore from the backup",
        **measured("table there", 0),
    )


def named(reference: Reference) -> str:
    """Return a reference in words."""
    return f"{reference.table}.{reference.column} → {reference.to_table}.{reference.to_column}"


def no_orphan(
    reference: Reference, found: probes.rows.Orphans, known: Mapping[str, Any]
) -> Judgement:
    """Judge the orphans of one reference; those that the baseline has too are not this release's doing."""
    name = named(reference)
    if not found.there:
        return gone(f"{reference.table} or {reference.to_table}")
    before = known.get(name)
    old = isinstance(before, int) and 0 < found.found <= before
    looked_at = ""
    if found.looked_at is not None:
        looked_at = f" (followed {found.looked_at:,} rows, a sample evenly over the table)"
    sentence = f"{name}: no row points nowhere{looked_at}"
    if found.found:
        more = " or more" if found.found >= probes.rows.MAX_ORPHANS else ""
        points = "row points" if found.found == 1 else f"rows{more} point"
        sentence = f"{name}: {found.found:,} {points} nowhere{looked_at}; "
        sentence += (
            "no baseline has counted them" if before is None else f"the baseline has {before:,}"
        )
        sentence += ", so they are older than this release" if old else ""
    return expect(
        not found.found,
        name,
        sentence,
        "the rows that they refer to restored, or the orphans removed",
        **measured("no orphans", found.found, 0, "rows"),
        means=Meaning.HOLD if old else None,
        data={"baseline": before, "looked_at": found.looked_at},
    )


def is_primary(found: probes.sessions.Sessions) -> Judgement:
    """Judge that what answers is the primary."""
    sentence = "the primary answers the gate"
    if found.in_recovery:
        sentence = "the database answers as a standby, wanted the primary"
    return expect(
        not found.in_recovery,
        "the database",
        sentence,
        "the primary behind that address",
        **measured("primary", "standby" if found.in_recovery else "primary", "primary"),
    )


def room_to_spare(found: probes.sessions.Sessions, policy: ConnectionPolicy) -> Judgement:
    """Judge that enough connections are free for the pools of both versions."""
    allowed = int(found.available * policy.max_used)
    return expect(
        found.used <= allowed,
        "connections",
        f"{found.used} of {found.available} connections are in use, the gate's own left out; "
        f"wanted at most {allowed} ({policy.max_used:.0%}), so that the new version's pools fit beside",
        f"{max(0, found.used - allowed)} connections fewer, or a higher max_connections",
        **measured("connections", found.used, allowed, "connections"),
    )


def standbys_keep_up(
    found: probes.sessions.Sessions, wanted: int, policy: ConnectionPolicy
) -> list[Judgement]:
    """Judge that so many standbys stream, and that none is too far behind."""
    if not wanted and not found.standbys:
        return []
    # What never says how far it replayed is not a standby: it archives the log (pg_receivewal, Barman).
    streaming = [
        one for one in found.standbys if one.state == "streaming" and one.behind_bytes is not None
    ]
    enough = expect(
        len(streaming) >= wanted,
        "standbys",
        f"{len(streaming)} standbys stream from the primary, wanted {wanted}",
        f"{max(0, wanted - len(streaming))} more standbys streaming",
        **measured("standbys", len(streaming), wanted),
    )
    return [enough, *(_lag(number, one, policy) for number, one in enumerate(streaming, start=1))]


def _lag(number: int, standby: probes.sessions.Standby, policy: ConnectionPolicy) -> Judgement:
    seconds = standby.behind_seconds or 0.0
    megabytes = (standby.behind_bytes or 0) / _MEGABYTE
    return expect(
        seconds <= policy.max_lag and megabytes <= policy.max_lag_mb,
        f"standby {number}",
        f"standby {number} is {age(seconds)} and {megabytes:.1f} MB behind, wanted at most "
        f"{age(policy.max_lag)} and {policy.max_lag_mb:g} MB",
        "the standby caught up",
        **measured("replication lag", round(seconds, 3), policy.max_lag, "s"),
        data={"behind_megabytes": round(megabytes, 3)},
    )
