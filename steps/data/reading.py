"""Reads of the data that a check and the baseline both make, each within the policy's time."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

import probes
from probes.observation import Deadline, Facts, FailureKind, Observation
from settings.data import Reference, Table
from steps.data.reads import DataPlatform
from steps.data.migration_rules import Applied
from steps.data.pace import paced

V = TypeVar("V", bound=Facts)


def count(data: DataPlatform, name: str, table: Table) -> Observation[probes.rows.Counted]:
    """Count a table within the policy's statement timeout."""
    asked = probes.rows.TableToCount(name, table.key, table.synthetic_column, table.nulls)
    observed = paced(
        lambda: probes.rows.counted(data.login, asked, _limits(data), deadline=_deadline(data)),
        data.policy.counts.large_reads,
        lambda observed: observed.value is not None and not observed.value.exact,
    )
    return _with_remedy(observed)


def follow(data: DataPlatform, reference: Reference) -> Observation[probes.rows.Orphans]:
    """Count the orphans of a reference within the policy's statement timeout."""
    link = probes.rows.Link(
        reference.table, reference.column, reference.to_table, reference.to_column
    )
    observed = paced(
        lambda: probes.rows.orphans(data.login, link, _limits(data), deadline=_deadline(data)),
        data.policy.counts.large_reads,
        lambda observed: observed.value is not None and observed.value.looked_at is not None,
    )
    return _with_remedy(observed)


def _with_remedy(observed: Observation[V]) -> Observation[V]:
    """Return what was observed; one that took too long says what shortens it."""
    failure = observed.failure
    if failure is None or (failure.kind, failure.phase) != (FailureKind.TIMEOUT, "query"):
        return observed
    detail = (
        f"{failure.detail.removesuffix('.')}; lower exact_up_to_rows or exact_up_to_mb in "
        "data.yaml of the policy, so that a sample is read (a partitioned table has none: leave it out)."
    )
    return dataclasses.replace(observed, failure=dataclasses.replace(failure, detail=detail))


def _limits(data: DataPlatform) -> probes.rows.Limits:
    counts = data.policy.counts
    return probes.rows.Limits(counts.exact_up_to_rows, counts.exact_up_to_mb, counts.sampled_blocks)


def _deadline(data: DataPlatform) -> Deadline:
    return data.platform.deadline.sooner(data.policy.counts.statement_timeout)


def named(reference: Reference) -> str:
    """Return a reference in words."""
    return f"{reference.table}.{reference.column} → {reference.to_table}.{reference.to_column}"


def applied_of(record: probes.migrations.Record) -> tuple[Applied, ...]:
    """Return the rows of a record as the rules know them."""
    return tuple(Applied(**dataclasses.asdict(row)) for row in record.applied)
