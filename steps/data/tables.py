"""Tables after a migration: there with their columns, as many rows as before, no row that points nowhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import probes
from gates.decide.history import ONE_DEPLOYMENT
from gates.decide.judgement import Judgement
from gates.decide.outcome import Meaning, Outcome
from probes.observation import Observation, utc_now
from settings.data import CountPolicy, Reference, Table
from steps.data.baseline import ORPHANS, ROWS, known, known_if_any
from steps.data.rules import Band, Count, moved, nulls_moved
from steps.data.reads import DataSystem
from steps.data.reading import count, follow, named
from steps.kit.baseline import Before, command
from steps.kit.check import Check
from steps.kit.expect import expect
from steps.kit.platform import Platform


class TableCheck:
    """The tables of one platform, as one check looks at them."""

    def __init__(self, platform: Platform, check: Check) -> None:
        self.system = DataSystem(platform, check)
        self._platform = platform

    def all_there(self) -> None:
        """Judge that every expected table is there with every expected column."""
        structure = self._structure()
        if structure is not None:
            tables = self.system.section.tables
            self.system.judge(*(_there(name, one, structure) for name, one in tables.items()))

    def rows_as_before(self) -> None:
        """Judge each counted table against the baseline, by the policy's rule for it."""
        policy = self.system.policy.counts
        before = known(self.system, ROWS)
        if before is None:
            return
        if not _of_this_deployment(before):
            self.system.judge(_of_another_try(before, command(self._platform)))
            return
        for name, table in self.system.section.tables.items():
            if table.counted is not None:
                observed = count(self.system, name, table)
                self.system.keep(observed)
                self.system.judge(*self._counted(name, table, observed, before, policy))

    def no_orphans(self) -> None:
        """Judge that no row refers to what is not there, and that declared references hold."""
        structure = self._structure()
        before = known_if_any(self.system, ORPHANS) or {}
        for reference in self.system.section.references:
            observed = follow(self.system, reference)
            self.system.keep(observed)
            if observed.value is None:
                self.system.judge(self.system.unreadable(named(reference), observed))
            else:
                self.system.judge(orphans_judged(reference, observed.value, before))
        if structure is not None:
            wanted = self.system.section.references
            self.system.judge(*keys_judged(structure.foreign_keys, wanted))

    def _structure(self) -> probes.schema.Structure | None:
        observed = probes.schema.structure(
            self.system.login, deadline=self._platform.call_deadline()
        )
        self.system.keep(observed)
        if observed.value is None:
            self.system.judge(self.system.unreadable("the schema", observed))
        return observed.value

    def _counted(
        self,
        name: str,
        table: Table,
        observed: Observation[probes.rows.Counted],
        before: Before,
        policy: CountPolicy,
    ) -> list[Judgement]:
        found = observed.value
        if found is None:
            return [self.system.unreadable(f"the rows of {name}", observed)]
        if not found.there:
            return [_gone(name)]
        if name not in before.facts:
            return [_not_counted(name, before.baseline)]
        was, now = _count_of(before.facts[name]), Count(found.rows, found.error_rows, found.exact)
        rule = policy.rules.get(table.counted or "")
        if rule is None:
            return [_no_rule(name, table.counted)]
        band = Band.around(was, now, rule, policy.estimate_tolerance)
        nulls = self._nulls(name, table, found, before)
        return [moved(name, was, now, band, before.baseline), *nulls]

    def _nulls(
        self, name: str, table: Table, found: probes.rows.Counted, before: Before
    ) -> Iterator[Judgement]:
        """Judge the nulls of each named column; one that can't be compared is no good sign."""
        known = before.facts[name].get("nulls", {})
        exact = found.exact and before.facts[name]["exact"]
        share = self.system.policy.counts.more_nulls
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
                now = found.nulls[column]
                yield nulls_moved(where, known[column], now, found.rows, share)


def _of_this_deployment(before: Before) -> bool:
    return utc_now() - dt.datetime.fromisoformat(before.taken_at) <= ONE_DEPLOYMENT


def _of_another_try(before: Before, command: str) -> Judgement:
    return expect(
        None,
        "the baseline",
        f"{before.baseline} is not of the day before now: rows that came since would hide lost ones",
        f"a baseline of this try, taken before its migration: {command}",
    )


def _there(name: str, table: Table, structure: probes.schema.Structure) -> Judgement:
    shape = structure.tables.get(probes.schema.qualified(name))
    if shape is None:
        return _gone(name)
    lacking = [column for column in table.columns if column not in shape.columns]
    return expect(
        good=not lacking,
        rule="table there",
        subject=name,
        sentence=f"table {name} lacks {', '.join(lacking)}"
        if lacking
        else f"table {name} has all {len(table.columns)} expected columns",
        clears=f"the migration that brings {', '.join(lacking)}",
        observed=len(table.columns) - len(lacking),
        target=len(table.columns),
        unit="columns",
        data={"missing": lacking},
    )


def _gone(name: str) -> Judgement:
    return expect(
        good=False,
        rule="table there",
        subject=name,
        sentence=f"there is no table {name}",
        clears="the migration that makes it, or its restore from the backup",
        observed=0,
    )


def _not_counted(name: str, baseline: str) -> Judgement:
    return expect(
        None,
        name,
        f"{baseline} has no count of {name}; the table was not there, or not described",
        "a baseline taken with this description, before the deployment",
    )


def _no_rule(name: str, rule: str | None) -> Judgement:
    return Judgement(
        outcome=Outcome.ERROR,
        rule="our side",
        subject=name,
        sentence=f"data.yaml of the policy has no rule “{rule}”, which data.tables.{name}.counted names",
        clears="that rule, or the name of one that is there",
    )


def _count_of(facts: Mapping[str, Any]) -> Count:
    return Count(int(facts["rows"]), int(facts["error_rows"]), bool(facts["exact"]))


def orphans_judged(
    reference: Reference, found: probes.rows.Orphans, known: Mapping[str, Any]
) -> Judgement:
    """Judge the orphans of one reference; those that the baseline has too are not this release's doing."""
    name = named(reference)
    if not found.there:
        return _gone(f"{reference.table} or {reference.to_table}")
    before = known.get(name)
    old = isinstance(before, int) and 0 < found.found <= before
    sentence = f"{name}: no row points nowhere" + _looked_at(found)
    if found.found:
        more = " or more" if found.found >= probes.postgres.rows.MAX_ORPHANS else ""
        points = "row points" if found.found == 1 else f"rows{more} point"
        sentence = f"{name}: {found.found:,} {points} nowhere" + _looked_at(found)
        unknown = "no baseline has counted them"
        sentence += f"; {unknown if before is None else f'the baseline has {before:,}'}"
        sentence += ", so they are older than this release" if old else ""
    return expect(
        good=not found.found,
        rule="no orphans",
        subject=name,
        sentence=sentence,
        clears="the rows that they refer to restored, or the orphans removed",
        observed=found.found,
        target=0,
        unit="rows",
        means=Meaning.HOLD if old else None,
        data={"baseline": before, "looked_at": found.looked_at},
    )


def _looked_at(found: probes.rows.Orphans) -> str:
    if found.looked_at is None:
        return ""
    return f" (followed {found.looked_at:,} rows, a sample evenly over the table)"


def keys_judged(
    keys: tuple[probes.schema.ForeignKey, ...], wanted: tuple[Reference, ...]
) -> list[Judgement]:
    """Judge that every declared reference is there and holds, and that no other one is loose."""
    loose = [judgement for key in keys if (judgement := _loose(key)) is not None]
    declared = {(key.table, column, key.to_table) for key in keys for column in key.columns}
    absent = [
        expect(
            good=False,
            rule="foreign key",
            subject=named(reference),
            sentence=f"no foreign key stands behind {named(reference)}: new orphans can come at any time",
            clears="the foreign key made again",
        )
        for reference in wanted
        if reference.declared
        and (
            probes.schema.qualified(reference.table),
            reference.column,
            probes.schema.qualified(reference.to_table),
        )
        not in declared
    ]
    found = [*loose, *absent]
    if found:
        return found
    if not keys:
        sentence = "the database has no foreign key and the environment names no reference"
        clears = "data.references, each with the tables that refer to one another"
        return [expect(None, "foreign keys", f"{sentence}, so no orphan can be told", clears)]
    sentence = f"all {len(keys)} foreign keys are validated and enforced"
    return [
        expect(good=True, rule="foreign key", subject="foreign keys", sentence=sentence, clears="")
    ]


def _loose(key: probes.schema.ForeignKey) -> Judgement | None:
    if key.enforced and key.triggers and key.validated:
        return None
    if not (key.enforced and key.triggers):
        what = "is switched off: new orphans can come at any time"
        clears = f"ALTER TABLE {key.table} ENABLE TRIGGER ALL, or the constraint enforced again"
    else:
        what = "is not validated: rows from before it were never looked at"
        clears = f"ALTER TABLE {key.table} VALIDATE CONSTRAINT {key.name}"
    return expect(
        good=False,
        rule="foreign key",
        subject=key.name,
        sentence=f"foreign key {key.name} of {key.table} {what}",
        clears=clears,
        means=Meaning.HOLD,
    )
