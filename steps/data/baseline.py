"""What a baseline keeps of the data: counts, orphans, fingerprints, names of migrations; never a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from probes.observation import Facts, Observation
from steps.data import reads
from steps.data.migration_rules import applied_of, current
from steps.data.reads import Data
from steps.data.rules import named
from steps.kit import failures
from steps.kit.asked import Asked
from steps.kit.baseline import SHARED, Before, CannotCollectError, before
from steps.kit.platform import Platform

ROWS, ORPHANS, SCHEMA, MIGRATIONS = "row counts", "orphans", "schema", "migrations"
"""The names of the collectors."""

V = TypeVar("V", bound=Facts)


def rows(platform: Platform) -> Mapping[str, Any]:
    """Collect rows and nulls of every counted table; raises CannotCollectError."""
    data = Data.of(platform)
    facts = {}
    for name, table in data.counted.items():
        one = _value(f"the rows of {name}", reads.count(data, name, table))
        if one.there:
            counted = {"rows": one.rows, "error_rows": one.error_rows, "exact": one.exact}
            facts[name] = {**counted, "nulls": dict(one.nulls)}
    return {SHARED: facts}


def orphans(platform: Platform) -> Mapping[str, Any]:
    """Collect the orphans of every reference; raises CannotCollectError."""
    data = Data.of(platform)
    found = {
        named(reference): _value(named(reference), reads.follow(data, reference))
        for reference in data.section.references
    }
    return {SHARED: {name: one.found for name, one in found.items() if one.there}}


def schema(platform: Platform) -> Mapping[str, Any]:
    """Collect every table's fingerprint and indexes, and what is unfinished; raises CannotCollectError."""
    structure = _value("the schema", reads.schema(Data.of(platform)))
    facts = {
        "fingerprint": structure.fingerprint,
        "tables": {name: shape.fingerprint for name, shape in structure.tables.items()},
        "indexes": {name: list(shape.indexes) for name, shape in structure.tables.items()},
        "unfinished": [one.key for one in structure.unfinished],
    }
    return {SHARED: facts}


def migrations(platform: Platform) -> Mapping[str, Any]:
    """Collect the names of the migrations that were applied; raises CannotCollectError."""
    record = _value("Prisma's record of migrations", reads.record(Data.of(platform)))
    applied = current(applied_of(record))
    return {SHARED: sorted(name for name, row in applied.items() if row.succeeded)}


def known(asked: Asked, name: str) -> Before | None:
    """Return what a collector had found; None where nobody did, which is judged already."""
    return next(iter(before(asked.platform, asked.check, name).values()), None)


def _value(what: str, observed: Observation[V]) -> V:
    if observed.value is None:
        raise CannotCollectError(f"{what}: {failures.failure_of(observed).detail}")
    return observed.value
