"""The policy of data: how old a backup may be, by how much a count may move, how full the connections."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import Field, model_validator

from settings.sections import Name, Seconds, Section, Share

Age = Annotated[Seconds, Field(gt=0, le=92 * 86400)]
_MOST_STATEMENT_SECONDS = 30.0
MOST_FEWER = 0.9
_ERROR_LINES = (
    "Error: P3018",
    'ERROR:  relation "bookings" does not exist',
    "Database error code: 42P01",
)
"""How Prisma and Postgres say that a migration failed."""


class BackupPolicy(Section):
    """How young, how big and how closely read a backup has to be."""

    of_this_deployment: Annotated[Seconds, Field(gt=0, le=86400)]
    """Phase 1.1: the newest backup may be that old."""
    max_age: Age
    """Before the deployment."""
    size_tolerance: Annotated[Share, Field(gt=0, le=0.9)]
    """Against the median of the earlier ones, either way."""
    compared_with: int = Field(gt=0, le=100)
    """So many earlier ones at most."""
    read_whole_up_to_mb: float = Field(ge=0)
    """Up to this size every block is read; above it the table of contents and the end."""


class RestoreTestPolicy(Section):
    """How young the last restore test has to be."""

    max_age: Age
    """A week before the deployment."""
    max_age_day_before: Age
    """The day before."""


class MigrationLogPolicy(Section):
    """What a migration log may and must say; patterns are searched line by line."""

    errors: tuple[str, ...] = Field(min_length=1)
    success: tuple[str, ...] = Field(min_length=1)
    settle_for: Seconds = Field(ge=0, le=3600)
    """How long a migration that runs now is waited for."""

    @model_validator(mode="after")
    def _patterns(self) -> Self:
        for pattern in (*self.errors, *self.success):
            try:
                matches_anything = re.search(pattern, "") is not None
            except re.error:
                raise ValueError(f"“{pattern}” is no regular expression; mend it") from None
            if matches_anything:
                raise ValueError(f"“{pattern}” matches every line, so it tells nothing; narrow it")
        self._tells_a_failure()
        return self

    def _tells_a_failure(self) -> None:
        """Refuse patterns by which a failed migration would look applied."""
        if not any(re.search(one, line) for one in self.errors for line in _ERROR_LINES):
            raise ValueError(
                "errors matches no line of a failed migration, such as “Error: P3018”; add '^Error\\b'"
            )
        taken = [one for one in self.success for line in _ERROR_LINES if re.search(one, line)]
        if taken:
            raise ValueError(
                f"success “{taken[0]}” matches a line of a failed migration; narrow it"
            )


class CountRule(Section):
    """By how much a count may move from the baseline."""

    fewer: Share
    more: Annotated[Share, Field(le=10)]
    more_rows: int = Field(default=0, ge=0, le=1_000_000)
    """So many more rows are allowed however small the table is."""

    @model_validator(mode="after")
    def _can_fail(self) -> Self:
        if self.fewer >= 1:
            raise ValueError("fewer 100% can never fail: every row may go; lower it")
        if self.fewer > MOST_FEWER:
            raise ValueError(
                f"fewer {self.fewer * 100:g}% hardly ever fails: most rows may go; at most "
                f"{MOST_FEWER * 100:g}%"
            )
        return self


class CountPolicy(Section):
    """How rows are counted, and what of a difference is allowed."""

    statement_timeout: Seconds = Field(gt=0, le=_MOST_STATEMENT_SECONDS)
    """No statement of a count runs longer; Postgres ends it."""
    exact_up_to_rows: int = Field(ge=0)
    exact_up_to_mb: float = Field(ge=0)
    """A table above either is counted from a sample."""
    sampled_blocks: int = Field(ge=100, le=20_000)
    """Of 8 kB each."""
    large_reads: Share = Field(default=0.02, gt=0, le=1)
    """Reads of samples take no more of the time than this: a pause follows each."""
    estimate_tolerance: Annotated[Share, Field(ge=0, le=0.2)]
    """A sample is not held to less than this."""
    rules: dict[Name, CountRule] = Field(min_length=1)
    """By name, as the environment's tables name them."""
    more_nulls: Annotated[Share, Field(ge=0, le=0.5)]
    """Nulls above the baseline's, as a share of the rows."""


class ConnectionPolicy(Section):
    """How full the connections may be, and how far the standby behind."""

    max_used: Annotated[Share, Field(gt=0, le=0.95)]
    max_lag: Seconds = Field(gt=0, le=3600)
    max_lag_mb: float = Field(gt=0, le=16_384)


class DataPolicy(Section):
    """gates/policy/data.yaml."""

    backups: BackupPolicy
    restore_test: RestoreTestPolicy
    migration_log: MigrationLogPolicy
    counts: CountPolicy
    connections: ConnectionPolicy
