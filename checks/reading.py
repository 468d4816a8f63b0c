"""Reads of the data that a check and the baseline both make, each within the policy's time."""

from __future__ import annotations

import dataclasses

import probes
from checks.data import DataPlatform
from checks.pace import paced
from environments.sections.data import Reference, Table
from gates.decide.migrations import Applied
from probes.observation import Deadline, Observation


def count(data: DataPlatform, name: str, table: Table) -> Observation[probes.rows.Counted]:
    """Count a table within the policy's statement timeout."""
    asked = probes.rows.TableToCount(name, table.key, table.synthetic_column, table.nulls)
    return paced(
        lambda: probes.rows.counted(data.login, asked, _limits(data), deadline=_deadline(data)),
        data.policy.counts.large_reads,
        lambda observed: observed.value is not None and not observed.value.exact,
    )


def follow(data: DataPlatform, reference: Reference) -> Observation[probes.rows.Orphans]:
    """Count the orphans of a reference within the policy's statement timeout."""
    link = probes.rows.Link(
        reference.table, reference.column, reference.to_table, reference.to_column
    )
    return paced(
        lambda: probes.rows.orphans(data.login, link, _limits(data), deadline=_deadline(data)),
        data.policy.counts.large_reads,
        lambda observed: observed.value is not None and observed.value.looked_at is not None,
    )


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
