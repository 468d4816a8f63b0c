"""Prisma's migrations: what the release ships against what the database says of them.

A row is written before its migration runs. `finished_at` says that it ended well, `rolled_back_at` that
the row no longer counts; with neither it failed. One declared applied by hand has both times equal.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Collection, Mapping, Sequence

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome


@dataclasses.dataclass(frozen=True, slots=True)
class Released:
    """A migration as the release ships it."""

    name: str
    checksum: str
    """Sha256 of its script, in hex."""
    also: frozenset[str] = frozenset()
    """Other checksums by which Prisma knows this script."""

    def is_script_of(self, row: Applied) -> bool:
        """Tell whether this script is what a row says was applied."""
        return row.checksum == self.checksum or row.checksum in self.also


@dataclasses.dataclass(frozen=True, slots=True)
class Applied:
    """One row of Prisma's table."""

    name: str
    checksum: str
    started_at: dt.datetime | None
    finished_at: dt.datetime | None
    rolled_back_at: dt.datetime | None = None
    steps: int | None = None
    """How many steps ran; 0 for one that was declared applied."""
    has_logs: bool | None = None
    """Whether Prisma logged an error; None where the gate is not told."""

    @property
    def succeeded(self) -> bool:
        """Whether it ended well and counts."""
        return self.finished_at is not None and self.rolled_back_at is None

    @property
    def failed(self) -> bool:
        """Whether it began and never ended."""
        return self.finished_at is None and self.rolled_back_at is None

    @property
    def never_ran(self) -> bool:
        """Whether somebody declared it applied instead of running it."""
        return self.succeeded and (self.finished_at == self.started_at or self.steps == 0)


def current(rows: Sequence[Applied]) -> dict[str, Applied]:
    """Return the row that counts for each name: a failed one first, else the newest not rolled back."""
    kept: dict[str, Applied] = {}
    for row in rows:
        known = kept.get(row.name)
        if known is None or _weight(row) >= _weight(known):
            kept[row.name] = row
    return kept


def _weight(row: Applied) -> int:
    # A rolled back row counts only where there is no other; a failed one hides behind nothing.
    return 0 if row.rolled_back_at is not None else 1 if row.succeeded else 2


def judged(
    released: Sequence[Released], rows: Sequence[Applied], declared_applied: Collection[str]
) -> tuple[Judgement, ...]:
    """Judge every migration of the release and of the database; each finding names its migration."""
    found = current(rows)
    shipped = {one.name for one in released}
    squashed = _squashed(found, shipped, declared_applied)
    of_release = [_shipped(one, found.get(one.name), declared_applied) for one in released]
    strangers = [
        _finding(
            row.name,
            "is in the database, but not in the release: another branch or a newer release ran it",
            "the release that ships it, or that migration taken back",
        )
        for name, row in found.items()
        if name not in {*shipped, *squashed} and row.rolled_back_at is None
    ]
    bad = [one for one in (*of_release, *strangers) if one is not None]
    if bad:
        return tuple(bad)
    return (_all_well(released, squashed),)


def _squashed(
    found: Mapping[str, Applied], shipped: Collection[str], declared_applied: Collection[str]
) -> set[str]:
    """Return what a squash left: it ended before a migration that was declared applied in its place."""
    declared_at = [
        row.started_at
        for name, row in found.items()
        if name in shipped and name in declared_applied and row.never_ran and row.started_at
    ]
    return {
        name
        for name, row in found.items()
        if name not in shipped
        and row.succeeded
        and any(row.finished_at and row.finished_at <= moment for moment in declared_at)
    }


def _shipped(
    one: Released, row: Applied | None, declared_applied: Collection[str]
) -> Judgement | None:
    """Return what is wrong with a migration of the release; None when nothing is."""
    problem = _problem(one, row, declared_applied)
    return None if problem is None else _finding(one.name, *problem)


def _problem(
    one: Released, row: Applied | None, declared_applied: Collection[str]
) -> tuple[str, str] | None:
    run_again = "`prisma migrate deploy` having applied it"
    if row is None:
        return "is in the release, but was not applied", run_again
    if row.failed:
        resolve = "mend it, `prisma migrate resolve`, then `prisma migrate deploy` again"
        return f"failed: it began at {_time(row.started_at)} and never finished", resolve
    if row.rolled_back_at is not None:
        return f"was rolled back at {_time(row.rolled_back_at)} and not applied again", run_again
    if not one.is_script_of(row):
        sums = f"applied with checksum {row.checksum[:12]}…, the release has {one.checksum[:12]}…"
        return (
            f"was edited after the release: {sums}",
            "the script that was applied back in the release, and the change in a new migration",
        )
    if row.never_ran and one.name not in declared_applied:
        return (
            "was declared applied (`prisma migrate resolve --applied`) and never ran",
            "it applied, or examined and named under data.migrations.declared_applied",
        )
    return None


def _finding(name: str, what: str, clears: str) -> Judgement:
    return Judgement(
        outcome=Outcome.FAIL,
        rule="migration applied",
        subject=name,
        sentence=f"migration {name} {what}",
        observed=name,
        clears=clears,
        data={"migration": name},
    )


def _all_well(released: Sequence[Released], squashed: Collection[str]) -> Judgement:
    if not released:
        return Judgement(
            outcome=Outcome.INCONCLUSIVE,
            rule="migration applied",
            subject="migrations",
            sentence="the release ships no migration at all; is data.migrations.folder right?",
            clears="the folder that holds the release's migrations",
        )
    return Judgement(
        outcome=Outcome.PASS,
        rule="migration applied",
        subject="migrations",
        sentence=f"all {len(released)} migrations of the release are applied, unchanged, and no other"
        + (f" but {len(squashed)} older ones that a squash replaced" if squashed else ""),
        observed=len(released),
        target=len(released),
    )


def version_judged(
    released: Sequence[Released], rows: Sequence[Applied], declared_applied: Collection[str]
) -> Judgement:
    """Judge that the last migration that ended well is the last one of the release."""
    wanted = max((one.name for one in released), default=None)
    known = current(rows)
    squashed = _squashed(known, {one.name for one in released}, declared_applied)
    ended_well = (name for name, row in known.items() if row.succeeded and name not in squashed)
    found = max(ended_well, default=None)
    good = wanted is not None and found == wanted
    return Judgement(
        outcome=Outcome.PASS if good else Outcome.FAIL,
        rule="schema version",
        subject="schema version",
        sentence=f"the schema is at {found or 'no migration'}"
        + ("" if good else f", the release wants {wanted or 'some migration'}"),
        observed=found,
        target=wanted,
        clears="" if good else f"{wanted} applied, and nothing after it",
    )


def logs_judged(rows: Sequence[Applied], *, told: bool) -> Judgement:
    """Judge whether Prisma logged an error for a migration that counts; its words are never read.

    `told`: the environment names a column that says so; if not, another source has to.
    """
    counting = [row for row in rows if row.rolled_back_at is None]
    known = [row for row in counting if row.has_logs is not None]
    bad = sorted({row.name for row in counting if row.has_logs or row.failed})
    if not bad and (not counting or (told and len(known) < len(counting))):
        return _tells_nothing(counting)
    if bad:
        sentence = (
            f"Prisma logged an error for {', '.join(bad)}; read _prisma_migrations.logs there"
        )
    elif len(known) < len(counting):
        sentence = "no migration is unfinished; the gate is not told whether Prisma logged errors"
    else:
        sentence = f"Prisma logged no error for any of {len(counting)} migrations"
    return Judgement(
        outcome=Outcome.FAIL if bad else Outcome.PASS,
        rule="no logged error",
        subject="Prisma's logs",
        sentence=sentence,
        observed=len(bad),
        target=0,
        clears="the migration mended and applied" if bad else "",
        data={"migrations": bad},
    )


def _tells_nothing(counting: Sequence[Applied]) -> Judgement:
    return Judgement(
        outcome=Outcome.INCONCLUSIVE,
        rule="no logged error",
        subject="Prisma's logs",
        sentence="data.migrations.has_logs_column says neither yes nor no of every migration"
        if counting
        else "the database notes no migration, so no error of one can be told",
        clears="a view like that of deploy/postgres/gate_role.sql, over Prisma's own table",
    )


def _time(moment: dt.datetime | None) -> str:
    return "an unknown time" if moment is None else f"{moment.astimezone(dt.UTC):%H:%M:%S} UTC"
