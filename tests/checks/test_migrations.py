"""Prisma's own corners: what it takes for unchanged, what a squash leaves, what only drops an index."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from typing import Any

import pytest

from checks.migrations import ReleasedFiles, drift_judged
from gates.decide import migrations
from gates.decide.judgement import Judgement
from gates.decide.migrations import Applied, Released
from gates.decide.outcome import Outcome
from probes.repository import TaggedFiles
from probes.schema import Structure, TableShape

NOON = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
SCRIPT = b"-- DropIndex\nDROP INDEX x;\n"
SQUASHED = "000000000000_squashed_migrations"


def sha256(script: bytes) -> str:
    return hashlib.sha256(script).hexdigest()


def shipped(script: bytes, name: str = "20260101_one") -> tuple[Released, ...]:
    files = {f"prisma/migrations/{name}/migration.sql": script}
    return ReleasedFiles.of(TaggedFiles("c", files), "prisma/migrations").migrations


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


def test_another_script_was_edited() -> None:
    (found,) = migrations.judged(shipped(SCRIPT), [applied("20260101_one", sha256(b"x"))], ())
    assert found.outcome is Outcome.FAIL
    assert "was edited after the release" in found.sentence


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


class TestLogs:
    """Prisma's note of an error in the database."""

    def test_of_no_migration_say_nothing(self) -> None:
        assert migrations.logs_judged([], told=True).outcome is Outcome.INCONCLUSIVE

    def test_that_are_no_yes_or_no_say_nothing(self) -> None:
        untold = dataclasses.replace(applied("20260101_one"), has_logs=None)
        assert migrations.logs_judged([untold], told=True).outcome is Outcome.INCONCLUSIVE
        assert migrations.logs_judged([untold], told=False).outcome is Outcome.PASS


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
    assert drift_judged(BEFORE, now, [script], "the baseline").outcome is Outcome.PASS


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
    found = drift_judged(BEFORE, structure("b"), [script], "the baseline")
    assert found.outcome is Outcome.FAIL
    assert "public.visits (altered)" in found.sentence
