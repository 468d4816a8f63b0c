"""What a baseline keeps of the data: counts, orphans, fingerprints, names of migrations; never a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import probes
from environments.store import DamagedRecordError, StoreError
from probes.observation import Facts, Observation
from steps.data.reads import DataPlatform, DataSystem
from steps.data.migration_rules import current
from steps.data.reading import applied_of, count, follow, named
from steps.kit import failures
from steps.kit.baseline import (
    SHARED,
    Before,
    CannotCollectError,
    NoBaselineError,
    before,
    load_baseline,
)
from steps.kit.platform import Platform

ROWS, ORPHANS, SCHEMA, MIGRATIONS = "row counts", "orphans", "schema", "migrations"
"""The names of the collectors."""

V = TypeVar("V", bound=Facts)


def rows(platform: Platform) -> Mapping[str, Any]:
    """Collect rows and nulls of every counted table; raises CannotCollectError."""
    data = DataPlatform(platform)
    facts = {}
    for name, table in data.section.tables.items():
        if table.counted is None:
            continue
        found = _value(f"the rows of {name}", count(data, name, table))
        if found.there:
            facts[name] = {
                "rows": found.rows,
                "error_rows": found.error_rows,
                "exact": found.exact,
                "nulls": dict(found.nulls),
            }
    return {SHARED: facts}


def orphans(platform: Platform) -> Mapping[str, Any]:
    """Collect the orphans of every reference; raises CannotCollectError."""
    data = DataPlatform(platform)
    found = {
        named(reference): _value(named(reference), follow(data, reference))
        for reference in data.section.references
    }
    return {SHARED: {name: one.found for name, one in found.items() if one.there}}


def schema(platform: Platform) -> Mapping[str, Any]:
    """Collect every table's fingerprint and indexes, and what is unfinished; raises CannotCollectError."""
    deadline = platform.call_deadline()
    login = DataPlatform(platform).login
    structure = _value("the schema", probes.postgres.schema.structure(login, deadline=deadline))
    tables = {name: shape.fingerprint for name, shape in structure.tables.items()}
    indexes = {name: list(shape.indexes) for name, shape in structure.tables.items()}
    unfinished = [one.key for one in structure.unfinished]
    facts = {"fingerprint": structure.fingerprint, "tables": tables, "indexes": indexes}
    return {SHARED: {**facts, "unfinished": unfinished}}


def migrations(platform: Platform) -> Mapping[str, Any]:
    """Collect the names of the migrations that were applied; raises CannotCollectError."""
    data = DataPlatform(platform)
    section = data.migrations
    observed = probes.migrations.record(
        data.login, section.table, section.has_logs_column, deadline=platform.call_deadline()
    )
    applied = current(applied_of(_value("Prisma's record of migrations", observed)))
    return {SHARED: sorted(name for name, row in applied.items() if row.succeeded)}


def known(system: DataSystem, name: str) -> Before | None:
    """Return what a collector had found; None where nobody did, which is judged already."""
    found = before(system.platform, system.check, name)
    return next(iter(found.values()), None)


def known_if_any(system: DataSystem, name: str) -> Any:
    """Return what a collector had found, for a check that can do without; None where nobody did."""
    try:
        return load_baseline(system.platform).of(name, system.platform.regions[0])
    except (NoBaselineError, DamagedRecordError, StoreError):
        return None


def _value(what: str, observed: Observation[V]) -> V:
    if observed.value is None:
        raise CannotCollectError(f"{what}: {failures.failure_of(observed).detail}")
    return observed.value
