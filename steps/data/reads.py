"""Reads of the data, each within the policy's time, and what a baseline keeps of them: never a row."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import probes
from probes.observation import Deadline, Facts, FailureKind, Observation, pause
from settings import data as settings
from settings.data import DataPolicy
from steps.data.migration_rules import current
from steps.data.rules import named
from steps.kit import failures
from steps.kit.asked import Asked
from steps.kit.baseline import SHARED, Before, CannotCollectError, before
from steps.kit.expect import need
from steps.kit.platform import NotDescribedError, Platform

MOST_PAUSE_SECONDS = 5.0
"""No pause is longer: a slow database must not hold a run up for minutes."""

T = TypeVar("T")
V = TypeVar("V", bound=Facts)


@dataclasses.dataclass(frozen=True, slots=True)
class Data:
    """The data of one platform, as the environment describes them and the policy wants them."""

    platform: Platform
    section: settings.Data
    policy: DataPolicy

    @classmethod
    def of(cls, platform: Platform) -> Data:
        """Return those of a platform; raises NotDescribedError."""
        section = need(platform.environment.settings.data, "the section data")
        if platform.policy.data is None:
            raise NotDescribedError(
                f"{platform.policy_folder} lacks the section data; add a data.yaml there"
            )
        return cls(platform, section, platform.policy.data)

    @property
    def backups(self) -> settings.Backups:
        """Where backups are."""
        return need(self.section.backups, "the section data.backups")

    @property
    def migrations(self) -> settings.Migrations:
        """What is migrated how."""
        return need(self.section.migrations, "the section data.migrations")

    @property
    def login(self) -> probes.postgres.PostgresTarget:
        """The gate's own login to the primary."""
        return need(self.platform.postgres(), "the section postgres")

    @property
    def counted(self) -> dict[str, settings.Table]:
        """The tables whose rows are counted, by name: those that are older than the release."""
        return {name: one for name, one in self.section.tables.items() if one.counted is not None}

    @property
    def frozen(self) -> dict[str, settings.Table]:
        """The tables of whose rows something never changes, by name."""
        return {name: one for name, one in self.section.tables.items() if one.frozen is not None}


def structure(data: Data) -> Observation[probes.schema.Structure]:
    """Read the shape of every table."""
    return probes.schema.structure(data.login, deadline=data.platform.call_deadline())


def record(data: Data) -> Observation[probes.sessions.Record]:
    """Read Prisma's record of migrations."""
    section, deadline = data.migrations, data.platform.call_deadline()
    return probes.sessions.record(
        data.login, section.table, section.has_logs_column, deadline=deadline
    )


def count(data: Data, name: str, table: settings.Table) -> Observation[probes.rows.Counted]:
    """Count a table within the policy's statement timeout."""
    asked = probes.rows.TableToCount(name, table.key, table.synthetic_column, table.nulls)
    observed = paced(
        lambda: probes.rows.counted(data.login, asked, _limits(data), deadline=_deadline(data)),
        data.policy.counts.large_reads,
        lambda observed: observed.value is not None and not observed.value.exact,
    )
    return with_remedy(observed)


def follow(data: Data, reference: settings.Reference) -> Observation[probes.rows.Orphans]:
    """Count the orphans of a reference within the policy's statement timeout."""
    link = probes.rows.Link(
        reference.table, reference.column, reference.to_table, reference.to_column
    )
    observed = paced(
        lambda: probes.rows.orphans(data.login, link, _limits(data), deadline=_deadline(data)),
        data.policy.counts.large_reads,
        lambda observed: observed.value is not None and observed.value.looked_at is not None,
    )
    return with_remedy(observed)


def paced(
    read: Callable[[], T],
    share: float,
    is_large: Callable[[T], bool],
    sleep: Callable[[float], object] = pause,
) -> T:
    """Read, and pause after a large read: such reads take no more of the time than a share.

    Most of the time the platform's own work has its database to itself.
    """
    began = time.monotonic()
    found = read()
    if is_large(found):
        sleep(min(MOST_PAUSE_SECONDS, (time.monotonic() - began) * (1 / share - 1)))
    return found


def with_remedy(observed: Observation[V]) -> Observation[V]:
    """Return what was observed; one that took too long says what shortens it."""
    failure = observed.failure
    if failure is None or (failure.kind, failure.phase) != (FailureKind.TIMEOUT, "query"):
        return observed
    detail = (
        f"{failure.detail.removesuffix('.')}; lower exact_up_to_rows or exact_up_to_mb in "
        "data.yaml of the policy, so that a sample is read (a partitioned table has none: leave it out)."
    )
    return dataclasses.replace(observed, failure=dataclasses.replace(failure, detail=detail))


def _limits(data: Data) -> probes.rows.Limits:
    counts = data.policy.counts
    return probes.rows.Limits(counts.exact_up_to_rows, counts.exact_up_to_mb, counts.sampled_blocks)


def _deadline(data: Data) -> Deadline:
    return data.platform.deadline.sooner(data.policy.counts.statement_timeout)


ROWS, ORPHANS, SCHEMA, MIGRATIONS = "row counts", "orphans", "schema", "migrations"
FROZEN = "frozen rows"
"""The names of the collectors."""


def rows(platform: Platform) -> Mapping[str, Any]:
    """Collect rows and nulls of every counted table; raises CannotCollectError."""
    data = Data.of(platform)
    facts = {}
    for name, table in data.counted.items():
        one = _value(f"the rows of {name}", count(data, name, table))
        if one.there:
            counted = {"rows": one.rows, "error_rows": one.error_rows, "exact": one.exact}
            facts[name] = {**counted, "nulls": dict(one.nulls)}
    return {SHARED: facts}


def orphans(platform: Platform) -> Mapping[str, Any]:
    """Collect the orphans of every reference; raises CannotCollectError."""
    data = Data.of(platform)
    found = {
        named(reference): _value(named(reference), follow(data, reference))
        for reference in data.section.references
    }
    return {SHARED: {name: one.found for name, one in found.items() if one.there}}


def sample(
    data: Data, name: str, table: settings.Table, before: str | None
) -> Observation[probes.rows.Sampled]:
    """Read the checksum of a sample of a table's frozen rows; `before` is None for the first one."""
    frozen = need(table.frozen, f"data.tables.{name}.frozen")
    asked = probes.rows.FrozenRows(
        name, table.key, frozen.columns, frozen.written, table.synthetic_column
    )
    return with_remedy(probes.rows.sampled(data.login, asked, before, deadline=_deadline(data)))


def frozen(platform: Platform) -> Mapping[str, Any]:
    """Collect the checksum of every table's frozen rows; raises CannotCollectError."""
    data = Data.of(platform)
    found = {
        name: _value(f"the frozen rows of {name}", sample(data, name, table, None))
        for name, table in data.frozen.items()
    }
    return {SHARED: {name: dataclasses.asdict(one) for name, one in found.items()}}


def schema(platform: Platform) -> Mapping[str, Any]:
    """Collect every table's fingerprint and indexes, and what is unfinished; raises CannotCollectError."""
    found = _value("the schema", structure(Data.of(platform)))
    facts = {
        "fingerprint": found.fingerprint,
        "tables": {name: shape.fingerprint for name, shape in found.tables.items()},
        "indexes": {name: list(shape.indexes) for name, shape in found.tables.items()},
        "oids": {name: shape.oid for name, shape in found.tables.items()},
        "unfinished": [one.key for one in found.unfinished],
    }
    return {SHARED: facts}


def migrations(platform: Platform) -> Mapping[str, Any]:
    """Collect the names of the migrations that were applied; raises CannotCollectError."""
    found = _value("Prisma's record of migrations", record(Data.of(platform)))
    applied = current(found.applied)
    return {SHARED: sorted(name for name, row in applied.items() if row.succeeded)}


def known(asked: Asked, name: str) -> Before | None:
    """Return what a collector had found; None where nobody did, which is judged already."""
    return next(iter(before(asked.platform, asked.check, name).values()), None)


def _value(what: str, observed: Observation[V]) -> V:
    if observed.value is None:
        raise CannotCollectError(f"{what}: {failures.failure_of(observed).detail}")
    return observed.value
