"""Collects what a baseline keeps of the data: counts, orphans, fingerprints, names; never a row."""

from __future__ import annotations

from typing import Any, TypeVar

import probes
from checks import failures
from checks.data import DataPlatform
from checks.migrations import applied_of
from checks.platform import Platform
from checks.tables import count, follow, named
from gates.decide.migrations import current
from probes.observation import Facts, Observation

V = TypeVar("V", bound=Facts)


class NotCollectedError(Exception):
    """A fact of the data could not be read; the text says which and why."""


def collect(platform: Platform) -> dict[str, Any]:
    """Return JSON facts of the data; empty without the section data; raises NotCollectedError."""
    if platform.environment.settings.data is None:
        return {}
    data = DataPlatform(platform)
    facts = {"rows": _rows(data), "orphans": _orphans(data), "schema": _schema(data)}
    return facts if data.section.migrations is None else {**facts, "migrations": _migrations(data)}


def _rows(data: DataPlatform) -> dict[str, Any]:
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
    return facts


def _orphans(data: DataPlatform) -> dict[str, int]:
    found = {
        named(reference): _value(named(reference), follow(data, reference))
        for reference in data.section.references
    }
    return {name: orphans.found for name, orphans in found.items() if orphans.there}


def _schema(data: DataPlatform) -> dict[str, Any]:
    deadline = data.platform.call_deadline()
    structure = _value("the schema", probes.schema.structure(data.login, deadline=deadline))
    tables = {name: shape.fingerprint for name, shape in structure.tables.items()}
    return {"fingerprint": structure.fingerprint, "tables": tables}


def _migrations(data: DataPlatform) -> list[str]:
    section = data.migrations
    observed = probes.migrations.record(
        data.login, section.table, section.has_logs_column, deadline=data.platform.call_deadline()
    )
    rows = applied_of(_value("Prisma's record of migrations", observed))
    return sorted(name for name, row in current(rows).items() if row.succeeded)


def _value(what: str, observed: Observation[V]) -> V:
    if observed.value is None:
        raise NotCollectedError(f"{what}: {failures.failure_of(observed).detail}")
    return observed.value
