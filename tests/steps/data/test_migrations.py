"""Prisma's own corners: what it takes for unchanged, what a squash leaves, what only drops an index."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from typing import Any

import pytest

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.postgres.schema import Structure, TableShape
from probes.repository import TaggedFiles
from steps.data import migration_rules as migrations
from steps.data.migration_rules import Applied, Released, released, scripts_of
from steps.data.schema_rules import no_drift

NOON = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
SCRIPT = b"-- DropIndex\nDROP INDEX x;\n"
SQUASHED = "000000000000_squashed_migrations"


def sha256(script: bytes) -> str:
    return hashlib.sha256(script).hexdigest()


def shipped(script: bytes, name: str = "20260101_one") -> tuple[Released, ...]:
    files = {f"prisma/migrations/{name}/migration.sql": script}
    scripts = scripts_of(TaggedFiles("c", files), "prisma/migrations")
    return tuple(released(name, script) for name, script in scripts.items())


def applied(name: str, checksum: str = "0", *, minutes: int = 0, by_hand: bool = False) -> Applied:
    """Return a migration that ended well so many minutes after noon, or was only declared applied."""
    ended = NOON + dt.timedelta(minutes=minutes)
    began = ended if by_hand else ended - dt.timedelta(seconds=1)
    return Applied(name, checksum, began, ended, steps=0 if by_hand else 1, has_logs=False)


def outcomes(judged: tuple[Judgement, ...]) -> set[Outcome]:
    return {one.outcome for one in judged}


WITH_A_SMALL_BYTE = next(
    script for script in (b"SELECT %d;\n" % n for n in range(100)) if "0" in sha256(script)[::2]
)
UNPADDED = "".join(f"{byte:x}" for byte in hashlib.sha256(WITH_A_SMALL_BYTE).digest())


@pytest.mark.parametrize(
    ("script", "checksum"),
    [
        pytest.param(SCRIPT, sha256(SCRIPT), id="as it is"),
        pytest.param(SCRIPT, sha256(SCRIPT.replace(b"\n", b"\r\n")), id="applied from Windows"),
        pytest.param(SCRIPT.replace(b"\n", b"\r\n"), sha256(SCRIPT), id="committed from Windows"),
        pytest.param(WITH_A_SMALL_BYTE, UNPADDED, id="noted by a Prisma that dropped zeros"),
    ],
)
def test_what_prisma_takes_for_unchanged_is_unchanged(script: bytes, checksum: str) -> None:
    judged = migrations.judged(shipped(script), [applied("20260101_one", checksum)], ())
    assert outcomes(judged) == {Outcome.PASS}


ONE = "20260101_one"
GOOD = applied(ONE, sha256(SCRIPT))
BY_HAND = applied(ONE, sha256(SCRIPT), by_hand=True)
FAILED = dataclasses.replace(GOOD, finished_at=None)
TAKEN_BACK = dataclasses.replace(GOOD, rolled_back_at=NOON)
RUN_AGAIN = "`prisma migrate deploy` having applied it"


@pytest.mark.parametrize(
    ("rows", "says", "clears"),
    [
        pytest.param(
            [], "is in the release, but was not applied", RUN_AGAIN, id="another was applied"
        ),
        pytest.param(
            [FAILED, GOOD],
            "failed: it began at 11:59:59 UTC and never finished",
            "mend it, `prisma migrate resolve`, then `prisma migrate deploy` again",
            id="a failed row counts first",
        ),
        pytest.param(
            [dataclasses.replace(FAILED, started_at=None)],
            "failed: it began at an unknown time and never finished",
            "mend it, `prisma migrate resolve`, then `prisma migrate deploy` again",
            id="failed at an unknown time",
        ),
        pytest.param(
            [TAKEN_BACK],
            "was rolled back at 12:00:00 UTC and not applied again",
            RUN_AGAIN,
            id="rolled back",
        ),
        pytest.param(
            [applied(ONE, sha256(b"x"))],
            "was edited after the release: applied with checksum 2d711642b726…, "
            f"the release has {sha256(SCRIPT)[:12]}…",
            "the script that was applied back in the release, and the change in a new migration",
            id="edited",
        ),
        pytest.param(
            [BY_HAND],
            "was declared applied (`prisma migrate resolve --applied`) and never ran",
            "it applied, or examined and named under data.migrations.declared_applied",
            id="by hand",
        ),
        pytest.param(
            [dataclasses.replace(GOOD, steps=0)],
            "was declared applied (`prisma migrate resolve --applied`) and never ran",
            "it applied, or examined and named under data.migrations.declared_applied",
            id="without a step",
        ),
        pytest.param(
            [dataclasses.replace(BY_HAND, steps=None)],
            "was declared applied (`prisma migrate resolve --applied`) and never ran",
            "it applied, or examined and named under data.migrations.declared_applied",
            id="in no time",
        ),
    ],
)
def test_each_way_of_not_being_applied_is_told(rows: list[Applied], says: str, clears: str) -> None:
    found = migrations.judged(shipped(SCRIPT), rows, ("another",))
    assert found == (
        Judgement(
            Outcome.FAIL,
            "migration applied",
            ONE,
            f"migration {ONE} {says}",
            observed=ONE,
            clears=clears,
            data={"migration": ONE},
        ),
    )


@pytest.mark.parametrize("rows", [[GOOD], [TAKEN_BACK, GOOD], [GOOD, TAKEN_BACK]])
def test_an_applied_migration_passes_whatever_was_rolled_back_before(rows: list[Applied]) -> None:
    old = dataclasses.replace(applied("20250101_gone"), rolled_back_at=NOON)
    assert migrations.judged(shipped(SCRIPT), [*rows, old], ()) == (
        Judgement(
            Outcome.PASS,
            "migration applied",
            "migrations",
            "all 1 migrations of the release are applied, unchanged, and no other",
            observed=1,
            target=1,
        ),
    )


def test_one_that_the_release_does_not_ship_is_a_stranger() -> None:
    (found,) = migrations.judged(shipped(SCRIPT), [GOOD, applied("20260201_two")], ())
    assert found.sentence == (
        "migration 20260201_two is in the database, but not in the release: another branch or a newer "
        "release ran it"
    )
    assert found.clears == "the release that ships it, or that migration taken back"


def test_a_release_without_migrations_is_undecided() -> None:
    assert migrations.judged((), [], ()) == (
        Judgement(
            Outcome.INCONCLUSIVE,
            "migration applied",
            "migrations",
            "the release ships no migration at all; is data.migrations.folder right?",
            clears="the folder that holds the release's migrations",
        ),
    )


@pytest.mark.parametrize(
    ("rows", "found", "outcome", "says", "clears"),
    [
        ([applied("1"), GOOD], ONE, Outcome.PASS, f"the schema is at {ONE}", ""),
        ([FAILED], None, Outcome.FAIL, "the schema is at no migration", ONE),
        ([TAKEN_BACK, applied("1")], "1", Outcome.FAIL, "the schema is at 1", ONE),
        ([GOOD, applied("3")], "3", Outcome.FAIL, "the schema is at 3", ONE),
    ],
    ids=["the last", "none", "an older", "a newer"],
)
def test_the_version_is_the_last_that_ended_well(
    rows: list[Applied], found: str | None, outcome: Outcome, says: str, clears: str
) -> None:
    assert migrations.version_judged(shipped(SCRIPT), rows, ()) == Judgement(
        outcome,
        "schema version",
        "schema version",
        says + (f", the release wants {clears}" if clears else ""),
        observed=found,
        target=ONE,
        clears=clears and f"{clears} applied, and nothing after it",
    )


def test_no_version_at_all_is_none() -> None:
    found = migrations.version_judged((), [], ())
    assert found.outcome is Outcome.FAIL
    assert found.sentence == "the schema is at no migration, the release wants some migration"


class TestSquash:
    """One migration in the place of those before it, declared applied where they ran."""

    ROWS = (
        applied("20250101_old"),
        applied("20250201_old_too", minutes=1),
        applied(SQUASHED, sha256(SCRIPT), minutes=2, by_hand=True),
    )

    def test_what_it_replaced_is_no_stranger(self) -> None:
        released = shipped(SCRIPT, SQUASHED)
        (found,) = migrations.judged(released, self.ROWS, (SQUASHED,))
        assert found.outcome is Outcome.PASS
        assert "2 older ones" in found.sentence
        version = migrations.version_judged(released, self.ROWS, (SQUASHED,))
        assert version.outcome is Outcome.PASS

    def test_that_nobody_examined_replaces_nothing(self) -> None:
        judged = migrations.judged(shipped(SCRIPT, SQUASHED), self.ROWS, ())
        assert outcomes(judged) == {Outcome.FAIL}
        assert len(judged) == 3

    def test_what_ran_later_is_a_stranger(self) -> None:
        rows = (*self.ROWS, applied("20250301_of_a_branch", minutes=3))
        (found,) = migrations.judged(shipped(SCRIPT, SQUASHED), rows, (SQUASHED,))
        assert found.outcome is Outcome.FAIL
        assert found.subject == "20250301_of_a_branch"

    def test_what_failed_before_it_is_still_told(self) -> None:
        failed = dataclasses.replace(applied("20250301_broke"), finished_at=None)
        (found,) = migrations.judged(shipped(SCRIPT, SQUASHED), (failed, *self.ROWS), (SQUASHED,))
        assert found.subject == "20250301_broke"


UNTOLD = dataclasses.replace(GOOD, has_logs=None)
LOGGED = dataclasses.replace(GOOD, has_logs=True)


@pytest.mark.parametrize(
    ("rows", "outcome", "says", "bad"),
    [
        ([GOOD], Outcome.PASS, "Prisma logged no error for any of 1 migrations", []),
        (
            [UNTOLD],
            Outcome.PASS,
            "no migration is unfinished; the gate is not told whether Prisma logged errors",
            [],
        ),
        (
            [LOGGED, applied("0"), dataclasses.replace(FAILED, name="a", has_logs=None)],
            Outcome.FAIL,
            f"Prisma logged an error for {ONE}, a; read _prisma_migrations.logs there",
            [ONE, "a"],
        ),
        (
            [GOOD, dataclasses.replace(LOGGED, rolled_back_at=NOON)],
            Outcome.PASS,
            "Prisma logged no error for any of 1 migrations",
            [],
        ),
    ],
    ids=["none", "not told", "logged and unfinished", "of one rolled back"],
)
def test_what_prisma_logged_is_told_by_name(
    rows: list[Applied], outcome: Outcome, says: str, bad: list[str]
) -> None:
    assert migrations.logs_judged(rows, told=rows != [UNTOLD]) == Judgement(
        outcome,
        "no logged error",
        "Prisma's logs",
        says,
        observed=len(bad),
        target=0,
        clears="the migration mended and applied" if bad else "",
        data={"migrations": bad},
    )


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "the database notes no migration, so no error of one can be told"),
        ([TAKEN_BACK], "the database notes no migration, so no error of one can be told"),
        (
            [GOOD, UNTOLD],
            "data.migrations.has_logs_column says neither yes nor no of every migration",
        ),
    ],
    ids=["no migration", "none that counts", "neither yes nor no"],
)
def test_logs_that_tell_nothing_are_undecided(rows: list[Applied], says: str) -> None:
    assert migrations.logs_judged(rows, told=True) == Judgement(
        Outcome.INCONCLUSIVE,
        "no logged error",
        "Prisma's logs",
        says,
        clears="a view like that of deploy/postgres/gate_role.sql, over Prisma's own table",
    )


def structure(fingerprint: str, *indexes: str) -> Structure:
    return Structure({"public.visits": TableShape(("id",), fingerprint, indexes)}, ())


BEFORE: dict[str, dict[str, Any]] = {
    "tables": {"public.visits": "a"},
    "indexes": {"public.visits": ["visits_day_idx"]},
}


@pytest.mark.parametrize(
    "script",
    [
        'ALTER TABLE "visits" ADD COLUMN "note" TEXT;',
        'ALTER TABLE "public"."visits" ADD COLUMN "note" TEXT;',
        "ALTER TABLE ONLY public.visits ADD COLUMN note text;",
        "alter table Public . Visits add column note text;",
        'DROP INDEX "visits_day_idx";',
        'DROP INDEX "public"."visits_day_idx";',
        'ALTER INDEX "visits_old_key" RENAME TO "visits_new_key";',
    ],
)
def test_a_table_that_a_new_migration_changes_is_no_drift(script: str) -> None:
    now = structure("b", "visits_new_key")
    assert no_drift(BEFORE, now, [script], "the baseline").outcome is Outcome.PASS


@pytest.mark.parametrize(
    "script",
    [
        'ALTER TABLE "revisits" ADD COLUMN "note" TEXT;',
        'ALTER TABLE "visits_old" ADD COLUMN "note" TEXT;',
        'ALTER TABLE "archive"."visits" ADD COLUMN "note" TEXT;',
        "ALTER TABLE archive.visits ADD COLUMN note text;",
        'DROP INDEX "visits_day_idx_2";',
    ],
)
def test_a_table_that_only_resembles_a_changed_one_has_drifted(script: str) -> None:
    found = no_drift(BEFORE, structure("b"), [script], "the baseline")
    assert found.outcome is Outcome.FAIL
    assert "public.visits (altered)" in found.sentence
