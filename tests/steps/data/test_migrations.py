"""Prisma's own corners: what it takes for unchanged, and which script changes which table."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import pytest

from gates.decide.outcome import Outcome
from probes.git import TaggedFiles
from probes.postgres.schema import Structure, TableShape
from steps.data.migration_rules import checksums, judged, scripts_of
from steps.data.schema_rules import no_drift
from tests.steps.data.said import GOOD, ONE

SCRIPT = b"-- DropIndex\nDROP INDEX x;\n"


def sha256(script: bytes) -> str:
    return hashlib.sha256(script).hexdigest()


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
    files = {f"prisma/migrations/{ONE}/migration.sql": script, "prisma/schema.prisma": b""}
    ((name, data),) = scripts_of(TaggedFiles("c", files), "prisma/migrations").items()
    (found,) = judged({name: checksums(data)}, [dataclasses.replace(GOOD, checksum=checksum)], ())
    assert found.outcome is Outcome.PASS


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
