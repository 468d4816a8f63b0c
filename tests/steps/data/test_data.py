"""Every check of the data: PASS where all is sound, FAIL for its fault, ERROR without sight."""

from __future__ import annotations

import datetime as dt
import os
import pathlib
import time
from typing import Any

import pytest
import yaml

from gates.decide.outcome import Meaning, Outcome
from probes.observation import Failure, FailureKind, Observation, utc_now
from probes.postgres.rows import Counted
from steps.collectors import COLLECTORS, collect
from steps.data.reads import with_remedy
from steps.kit import baseline
from steps.kit.platform import Platform
from tests.probes.servers import closed_port
from tests.steps.platforms import described, ruled
from tests.steps.records import TABLES, Records
from tests.steps.scenarios import all_of, bad, judged, outcome
from tests.tables import cases

TAKEN_AT = (utc_now() - dt.timedelta(hours=1)).isoformat(timespec="seconds")
KEY = "appointments_patient_id_fkey"
MAKE_KEY = (
    f"ALTER TABLE appointments DROP CONSTRAINT IF EXISTS {KEY}, ADD CONSTRAINT {KEY} "
    "FOREIGN KEY (patient_id) REFERENCES patients (id)"
)
EVERY = (
    *("D1.1-1", "D1.1-2", "D1.1-3", "T1-FINAL-6", "D2.1-1", "D2.1-2", "D2.1-3"),
    *("D2.2-1", "D2.2-2", "D2.2-3", "T2H-TASK-5"),
)
OF_THE_DATABASE = [name for name in EVERY if name.startswith(("D2", "T2"))]


@pytest.fixture
def platform(records: Records, tmp_path: pathlib.Path) -> Platform:
    """Return the sound platform, with its baseline taken."""
    return with_baseline(records.platform(tmp_path))


def with_baseline(platform: Platform, taken_at: str = TAKEN_AT) -> Platform:
    """Take the baseline of the data."""
    of_data = [one for one in COLLECTORS if one.section in {"data", "migrations"}]
    record = {
        "schema": 1,
        "run": "before",
        "environment": "clinic",
        "release": platform.release.tag,
        "taken_at": taken_at,
        "regions": ["eu"],
        "facts": collect(platform, of_data),
    }
    baseline.keep(record, baseline.history_of(platform))
    return platform


@pytest.mark.parametrize("name", EVERY)
def test_a_sound_database_passes_and_nothing_of_a_patient_is_kept(
    name: str, platform: Platform
) -> None:
    check = judged(name, platform)
    assert check.outcome("eu") is Outcome.PASS
    assert {one.outcome for one in all_of(check)} == {Outcome.PASS}
    assert "sentinel" not in str(check.noted())


BROKEN = yaml.safe_load(pathlib.Path(__file__).with_name("broken.yaml").read_text("utf-8"))


@pytest.mark.parametrize(
    "row", BROKEN, ids=[f"{row['check']}: {row['said'][:60]}" for row in BROKEN]
)
def test_a_database_that_is_wrong_fails_and_says_how(
    row: dict[str, str], records: Records, platform: Platform
) -> None:
    with records.changed(row["broken"], row["fixed"]):
        found = bad(row["check"], platform)
    assert Outcome.FAIL in {one.outcome for one in found}
    assert row["said"].format(taken_at=TAKEN_AT) in " ".join(one.sentence for one in found)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (f"{MAKE_KEY} NOT VALID", "is not validated"),
        ("ALTER TABLE appointments DISABLE TRIGGER ALL", "is switched off"),
    ],
)
def test_a_foreign_key_that_holds_nothing_back_holds_the_release(
    broken: str, said: str, records: Records, platform: Platform
) -> None:
    fixed = f"{MAKE_KEY}; ALTER TABLE appointments ENABLE TRIGGER ALL"
    with records.changed(broken, fixed):
        found = bad("D2.2-3", platform)
    assert all(said in one.sentence for one in found)
    assert {one.means for one in found} == {Meaning.HOLD}


def test_orphans_that_the_baseline_has_too_are_not_this_releases_doing(
    records: Records, tmp_path: pathlib.Path
) -> None:
    orphan = "UPDATE appointments SET patient_id = '{}' WHERE id = '1'"
    with records.changed(orphan.format("nobody"), orphan.format(1)):
        (found,) = bad("D2.2-3", with_baseline(records.platform(tmp_path)))
    assert found.means is Meaning.HOLD
    assert "older than this release" in found.sentence


def test_synthetic_rows_are_left_out_of_counts(records: Records, platform: Platform) -> None:
    added = "INSERT INTO patients (id, name, region, synthetic_tag) VALUES ('t', 'x', 'eu', 'run')"
    with records.changed(added, "DELETE FROM patients WHERE id = 't'"):
        (found, *_) = judged("D2.2-2", platform).noted()["eu"].judgements
    assert "patients has 20 rows, as many as" in found.sentence


@pytest.mark.parametrize("name", OF_THE_DATABASE)
def test_a_database_that_does_not_answer_the_gate_is_an_error(
    name: str, platform: Platform
) -> None:
    away = described(settling_at_once(platform), "postgres", port=closed_port())
    assert outcome(name, away) is Outcome.ERROR


def settling_at_once(platform: Platform) -> Platform:
    """Return a platform whose migrations are waited for half a second."""
    return ruled(platform, "data.migration_log", settle_for=0.5)


@pytest.mark.parametrize("name", ["D2.2-2", "D2.2-3"])
def test_a_locked_table_is_an_error_soon_and_hides_no_other(
    name: str, records: Records, platform: Platform
) -> None:
    with records.locked("patients"):
        begun = time.monotonic()
        check = judged(name, platform)
    assert time.monotonic() - begun < 8
    assert check.outcome("eu") is Outcome.ERROR
    assert len(all_of(check)) > 1


@pytest.mark.parametrize(("phase", "told"), [("query", True), ("login", False)])
def test_a_count_that_takes_too_long_names_what_shortens_it(phase: str, *, told: bool) -> None:
    failure = Failure(FailureKind.TIMEOUT, "db: it gave no complete answer.", phase)
    observed: Observation[Counted] = Observation(
        "postgres", "db", utc_now(), 4.0, {}, None, failure
    )
    assert ("lower exact_up_to_rows or exact_up_to_mb" in str(with_remedy(observed))) is told


@pytest.mark.parametrize("name", ["D2.1-3", "D2.2-2"])
def test_without_a_baseline_nothing_is_decided(
    name: str, records: Records, tmp_path: pathlib.Path
) -> None:
    found = bad(name, records.platform(tmp_path))
    assert {one.outcome for one in found} == {Outcome.INCONCLUSIVE}
    assert any("gate baseline" in one.clears for one in found)


@cases(
    "hours outcome",
    {"of another try": (25, Outcome.INCONCLUSIVE), "from the future": (-1, Outcome.ERROR)},
)
def test_rows_that_came_since_an_old_baseline_would_hide_lost_ones(
    hours: int, outcome: Outcome, records: Records, tmp_path: pathlib.Path
) -> None:
    taken_at = (utc_now() - dt.timedelta(hours=hours)).isoformat()
    (found,) = bad("D2.2-2", with_baseline(records.platform(tmp_path), taken_at))
    assert found.outcome is outcome
    assert "gate baseline" in found.clears


def test_a_migration_that_runs_is_waited_for(records: Records, tmp_path: pathlib.Path) -> None:
    hurried = settling_at_once(records.platform(tmp_path))
    with records.superuser() as prisma:
        prisma.execute(b"SELECT pg_advisory_lock(72707369)")
        (found,) = bad("D2.1-1", hurried)
    assert found.outcome is Outcome.FAIL
    assert "a migration still runs" in found.sentence


@pytest.mark.parametrize("name", ["D2.1-1", "D2.1-2", "D2.1-3"])
def test_a_release_repository_without_the_tag_is_an_error(name: str, platform: Platform) -> None:
    found = bad(name, described(platform, "data.migrations", tag="v9"))
    assert Outcome.ERROR in {one.outcome for one in found}
    assert "has no tag v9" in " ".join(one.sentence for one in found)


@cases(
    "text found",
    {
        "success": ("All migrations have been successfully applied.\n", Outcome.PASS),
        "an error": ("Error: P3018\nsentinel-9f2-patient\n", Outcome.FAIL),
        "no log": (None, Outcome.INCONCLUSIVE),
    },
)
def test_a_migration_log_decides_by_its_lines_and_none_is_quoted(
    text: str | None, found: Outcome, records: Records, platform: Platform
) -> None:
    kept = records.log.rename(records.log.with_suffix(".kept"))
    if text is not None:
        records.log.write_text(text)
    try:
        check = judged("D2.1-2", platform)
    finally:
        kept.rename(records.log)
    assert check.outcome("eu") is found
    assert "sentinel" not in str(check.noted())


_BY_MONTH = """
CREATE TABLE "Stay" (id int, month int) PARTITION BY RANGE (month);
CREATE TABLE stays_1 PARTITION OF "Stay" FOR VALUES FROM (1) TO (2);
CREATE TABLE stays_2 PARTITION OF "Stay" FOR VALUES FROM (2) TO (3);
INSERT INTO "Stay" VALUES (1, 1);
"""


class TestBackups:
    """What is in the backup folder."""

    @pytest.fixture
    def newest(self, records: Records) -> Any:
        """Return the newest backup, and make it whole again."""
        file = records.backups / "pre-migration.dump"
        whole = file.read_bytes()
        os.utime(file)
        yield file
        file.write_bytes(whole)

    @pytest.mark.parametrize(
        ("kept", "said"),
        [
            (slice(-100), "can't read it to its end"),
            (slice(300), "can't read its table of contents"),
        ],
    )
    def test_a_damaged_backup_fails(
        self, kept: slice, said: str, newest: pathlib.Path, platform: Platform
    ) -> None:
        newest.write_bytes(newest.read_bytes()[kept])
        found = bad("D1.1-1", platform)
        assert said in " ".join(one.sentence for one in found)

    @pytest.mark.parametrize(("kept", "outcome"), [(None, Outcome.PASS), (-100, Outcome.FAIL)])
    def test_the_end_of_a_giant_is_looked_at(
        self, kept: int | None, outcome: Outcome, newest: pathlib.Path, platform: Platform
    ) -> None:
        """Its table of contents stands at the beginning: a pg_dump that was killed leaves it whole."""
        newest.write_bytes(newest.read_bytes()[:kept])
        check = judged("D1.1-1", ruled(platform, "data.backups", read_whole_up_to_mb=0))
        assert check.outcome("eu") is outcome
        said = [one.sentence for one in check.noted()["eu"].judgements]
        assert any("breaks off" in one for one in said) is (outcome is Outcome.FAIL)

    def test_an_old_backup_fails(self, newest: pathlib.Path, platform: Platform) -> None:
        for file in newest.parent.iterdir():
            os.utime(file, (time.time() - 3 * 3600,) * 2)
        found = bad("D1.1-1", platform)
        os.utime(newest)
        assert (
            "is 3 h old, wanted a backup of this deployment: at most 2 h old" in found[0].sentence
        )

    @pytest.mark.parametrize(
        ("size", "said"), [(0, "is empty"), (100, "the median of the 1 before it")]
    )
    def test_a_backup_of_another_size_fails(
        self, size: int, said: str, newest: pathlib.Path, platform: Platform
    ) -> None:
        newest.write_bytes(b"x" * size)
        (found,) = bad("D1.1-2", platform)
        assert found.outcome is Outcome.FAIL
        assert said in found.sentence

    def test_a_dump_without_a_tables_rows_fails(
        self, newest: pathlib.Path, platform: Platform, records: Records
    ) -> None:
        records.dump(newest.name, "--exclude-table-data=patients")
        (found,) = bad("D1.1-1", platform)
        assert "but not of public.patients" in found.sentence

    def test_a_dump_of_another_database_fails(
        self, newest: pathlib.Path, platform: Platform, records: Records
    ) -> None:
        with records.changed("CREATE DATABASE staging", "DROP DATABASE staging"):
            records.dump(newest.name, "--dbname=staging")
            found = bad("D1.1-1", platform)
        assert "is of the database staging, wanted clinic" in found[0].sentence

    def test_a_table_in_partitions_is_held_by_those_with_rows(
        self, newest: pathlib.Path, records: Records, tmp_path: pathlib.Path
    ) -> None:
        table = {"columns": ["id"], "counted": "grows"}
        platform = records.platform(tmp_path, tables={"Stay": table}, references=[])
        with records.changed(_BY_MONTH, 'DROP TABLE "Stay"'):
            records.dump(newest.name)
            held = bad("D1.1-1", platform)
            records.dump(newest.name, "--exclude-table-data=stays_1")
            (found,) = bad("D1.1-1", platform)
        assert held == []
        assert "but not of public.stays_1" in found.sentence

    def test_a_copy_that_is_missing_or_shorter_fails(
        self, newest: pathlib.Path, platform: Platform, tmp_path: pathlib.Path
    ) -> None:
        apart = described(platform, "data.backups", kept_apart=str(tmp_path))
        (missing,) = bad("D1.1-3", apart)
        (tmp_path / newest.name).write_bytes(b"short")
        (shorter,) = bad("D1.1-3", apart)
        (tmp_path / newest.name).write_bytes(newest.read_bytes())
        assert "is missing" in missing.sentence
        assert "has 5 bytes of" in shorter.sentence
        assert outcome("D1.1-3", apart) is Outcome.PASS

    @pytest.mark.parametrize("name", ["D1.1-1", "D1.1-2", "D1.1-3"])
    def test_no_backup_and_no_folder_fail(
        self, name: str, platform: Platform, tmp_path: pathlib.Path
    ) -> None:
        empty = described(platform, "data.backups", location=str(tmp_path), pattern="*.none")
        gone = described(platform, "data.backups", location=str(tmp_path / "nowhere"))
        assert outcome(name, empty) is Outcome.FAIL
        assert outcome(name, gone) is Outcome.FAIL

    @pytest.mark.parametrize("name", ["D1.1-1", "D1.1-2", "D1.1-3", "T1-FINAL-6"])
    def test_a_folder_that_cannot_be_read_is_an_error(
        self, name: str, platform: Platform, tmp_path: pathlib.Path
    ) -> None:
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        looped = described(platform, "data.backups", location=str(tmp_path / "loop"))
        assert outcome(name, looped) is Outcome.ERROR

    def test_a_missing_pg_restore_is_our_own_error(self, platform: Platform) -> None:
        (found,) = bad(
            "D1.1-1", described(platform, "data.backups", pg_restore="/nowhere/pg_restore")
        )
        assert found.outcome is Outcome.ERROR
        assert "/nowhere/pg_restore can't be run here; install it" in found.sentence

    def test_without_a_restore_test_nothing_is_decided(
        self, platform: Platform, tmp_path: pathlib.Path
    ) -> None:
        unnamed = described(platform, "data.backups", restore_test=None)
        absent = described(platform, "data.backups", restore_test=str(tmp_path / "none.json"))
        assert outcome("T1-FINAL-6", unnamed) is Outcome.INCONCLUSIVE
        assert outcome("T1-FINAL-6", absent) is Outcome.INCONCLUSIVE


def test_standbys_that_are_missing_fail(platform: Platform) -> None:
    (found,) = bad("T2H-TASK-5", described(platform, "data", standbys=1))
    assert found.sentence == "0 standbys stream from the primary, wanted 1"


def test_connections_that_the_login_may_not_see_are_no_free_ones(
    records: Records, platform: Platform
) -> None:
    blind = "REVOKE pg_read_all_stats FROM release_gate"
    crowd = [records.superuser() for _ in range(10)]
    with records.changed(blind, "GRANT pg_read_all_stats TO release_gate"):
        found = bad("T2H-TASK-5", platform)
    for one in crowd:
        one.close()
    assert [one.outcome for one in found] == [Outcome.ERROR]
    assert "GRANT pg_read_all_stats" in found[0].sentence


def test_connections_that_are_nearly_used_up_fail(records: Records, platform: Platform) -> None:
    crowd = [records.superuser() for _ in range(15)]
    (found,) = bad("T2H-TASK-5", platform)
    for one in crowd:
        one.close()
    assert found.outcome is Outcome.FAIL
    assert "connections are in use, the gate's own left out; wanted at most" in found.sentence


def test_a_rule_that_the_policy_lacks_is_our_error(
    records: Records, tmp_path: pathlib.Path
) -> None:
    table = {**TABLES["patients"], "counted": "shrinks"}
    changed = with_baseline(records.platform(tmp_path, tables={"patients": table}, references=[]))
    (found,) = bad("D2.2-2", changed)
    assert found.outcome is Outcome.ERROR
