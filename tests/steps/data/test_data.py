"""Every check of the data: PASS where all is sound, FAIL for its fault, ERROR without sight."""

from __future__ import annotations

import datetime as dt
import os
import pathlib
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gates.decide.outcome import Meaning, Outcome
from probes.observation import Failure, FailureKind, Observation, utc_now
from probes.postgres.rows import Counted
from steps.collectors import COLLECTORS, collect
from steps.data.reads import MOST_PAUSE_SECONDS, paced, with_remedy
from steps.kit.check import Check
from steps.kit.platform import Platform
from tests.golden import Said
from tests.probes.servers import closed_port
from tests.steps.platforms import described, keep_baseline, ruled
from tests.steps.records import TABLES, Records
from tests.steps.scenarios import all_of, bad, judged, outcome, sentence, told
from tests.tables import beside, cases

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
    keep_baseline(platform, collect(platform, of_data), taken_at=taken_at)
    return platform


@pytest.mark.parametrize("name", EVERY)
def test_a_sound_database_passes_and_nothing_of_a_patient_is_kept(
    name: str, platform: Platform
) -> None:
    check = judged(name, platform)
    assert check.outcome("eu") is Outcome.PASS
    assert {one.outcome for one in all_of(check)} == {Outcome.PASS}


BROKEN = beside(__file__, "broken.yaml")


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


@cases(
    "broken",
    {
        "not validated": f"{MAKE_KEY} NOT VALID",
        "switched off": "ALTER TABLE appointments DISABLE TRIGGER ALL",
    },
)
def test_a_foreign_key_that_holds_nothing_back_holds_the_release(
    broken: str, records: Records, platform: Platform, said: Said
) -> None:
    fixed = f"{MAKE_KEY}; ALTER TABLE appointments ENABLE TRIGGER ALL"
    with records.changed(broken, fixed):
        found = bad("D2.2-3", platform)
    assert {one.means for one in found} == {Meaning.HOLD}
    said([*map(sentence, found)])


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
        (found, *_) = told(judged("D2.2-2", platform))
    assert "patients has 20 rows, as many as" in found


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


@pytest.fixture
def newest(records: Records) -> Iterator[pathlib.Path]:
    """Return the newest backup, and make it whole again."""
    file = records.backups / "pre-migration.dump"
    whole = file.read_bytes()
    os.utime(file)
    yield file
    file.write_bytes(whole)


GIANT = {"data.backups": {"read_whole_up_to_mb": 0}}
"""Its table of contents is at the beginning: a pg_dump that was killed leaves it whole."""


@cases(
    "check_id kept rules",
    {
        "cut off": ("D1.1-1", slice(-100), {}),
        "cut to its head": ("D1.1-1", slice(300), {}),
        "a giant, to its end": ("D1.1-1", slice(None), GIANT),
        "a giant, cut off": ("D1.1-1", slice(-100), GIANT),
        "empty": ("D1.1-2", slice(0), {}),
        "small": ("D1.1-2", slice(100), {}),
    },
)
def test_a_damaged_backup_fails(
    check_id: str,
    kept: slice,
    rules: dict[str, Any],
    newest: pathlib.Path,
    platform: Platform,
    said: Said,
) -> None:
    newest.write_bytes(newest.read_bytes()[kept])
    for path, changes in rules.items():
        platform = ruled(platform, path, **changes)
    said(of_files(judged(check_id, platform)), {str(newest.parent): "BACKUPS"})


SIZES = re.compile(r"\d[\d,.]*(?= (bytes|kB|MB|s old|min old))|(?<=begun on )[\w ]+(?= and)")


def of_files(check: Check) -> list[str]:
    """Return what is said, without sizes and ages of files."""
    return [SIZES.sub("…", one) for one in told(check)]


def test_an_old_backup_fails(newest: pathlib.Path, platform: Platform) -> None:
    for file in newest.parent.iterdir():
        os.utime(file, (time.time() - 3 * 3600,) * 2)
    found = bad("D1.1-1", platform)
    os.utime(newest)
    assert "is 3 h old, wanted a backup of this deployment: at most 2 h old" in found[0].sentence


def test_a_dump_of_another_database_or_without_a_tables_rows_fails(
    newest: pathlib.Path, platform: Platform, records: Records
) -> None:
    records.dump(newest.name, "--exclude-table-data=patients")
    (found,) = bad("D1.1-1", platform)
    assert "but not of public.patients" in found.sentence
    with records.changed("CREATE DATABASE staging", "DROP DATABASE staging"):
        records.dump(newest.name, "--dbname=staging")
        found, *_ = bad("D1.1-1", platform)
    assert "is of the database staging, wanted clinic" in found.sentence


def test_a_table_in_partitions_is_held_by_those_with_rows(
    newest: pathlib.Path, records: Records, tmp_path: pathlib.Path
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
    newest: pathlib.Path, platform: Platform, tmp_path: pathlib.Path
) -> None:
    apart = described(platform, "data.backups", kept_apart=str(tmp_path))
    (missing,) = bad("D1.1-3", apart)
    (tmp_path / newest.name).write_bytes(b"short")
    (shorter,) = bad("D1.1-3", apart)
    (tmp_path / newest.name).write_bytes(newest.read_bytes())
    assert "is missing" in missing.sentence
    assert "has 5 bytes of" in shorter.sentence
    assert outcome("D1.1-3", apart) is Outcome.PASS


OF_FILES = ("D1.1-1", "D1.1-2", "D1.1-3", "T1-FINAL-6")


@cases(
    "checks changes found",
    {
        "no backup": (OF_FILES[:3], {"location": "{}", "pattern": "*.none"}, "FAIL"),
        "no folder": (OF_FILES[:3], {"location": "{}/nowhere"}, "FAIL"),
        "a folder that can't be read": (OF_FILES, {"location": "{}/loop"}, "ERROR"),
        "no pg_restore": (OF_FILES[:1], {"pg_restore": "/nowhere/pg_restore"}, "ERROR"),
        "no restore test described": (OF_FILES[3:], {"restore_test": None}, "INCONCLUSIVE"),
        "no restore test": (OF_FILES[3:], {"restore_test": "{}/none.json"}, "INCONCLUSIVE"),
    },
)
def test_backups_that_are_not_there_or_can_not_be_read(
    checks: tuple[str, ...],
    changes: dict[str, str | None],
    found: str,
    platform: Platform,
    tmp_path: pathlib.Path,
) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    placed = {name: value and value.format(tmp_path) for name, value in changes.items()}
    elsewhere = described(platform, "data.backups", **placed)
    for name in checks:
        assert outcome(name, elsewhere) == found
        if "pg_restore" in changes:
            assert "/nowhere/pg_restore can't be run here; install it" in str(bad(name, elsewhere))


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


@cases(
    "seconds share large pauses",
    {
        "a large one is a small share of the time": (0.02, 0.05, True, (0.38, MOST_PAUSE_SECONDS)),
        "a small one needs none": (0.001, 0.05, False, None),
        "no pause holds a run up for minutes": (0.02, 1e-6, True, (MOST_PAUSE_SECONDS,) * 2),
        "a share of all the time needs none": (0.001, 1.0, True, (0.0, 1e-6)),
    },
)
def test_a_pause_follows_a_large_read(
    seconds: float, share: float, *, large: bool, pauses: tuple[float, float] | None
) -> None:
    paused: list[float] = []

    def read() -> str:
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            pass
        return "found"

    assert paced(read, share, lambda _: large, paused.append) == "found"
    assert len(paused) == (pauses is not None)
    assert pauses is None or pauses[0] <= paused[0] <= pauses[1]
