"""What the data say of the way back: the schema, the backup from before it, and what a restore loses."""

from __future__ import annotations

import datetime as dt
import re
import shlex
from functools import partial

import probes
from gates.decide.outcome import Outcome
from gates.decide.rollback import schema
from gates.decide.rollback.plan import OLD_CODE_RUNS
from probes.files import Entry
from probes.observation import utc_now
from settings.rollback import RollbackPolicy
from steps.data import backup_rules, backups, migration_rules, reads
from steps.data.migrations import recorded, shipped_scripts
from steps.data.reads import Data
from steps.kit.evidence import read_evidence
from steps.kit.expect import age
from steps.rollback.reading import Reading

TRIED = "rollback-test"
"""Kind of the evidence that the version before passed its tests on the release's schema."""
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")
_COUNT = "SELECT '{0}', count(*) FROM {0}"
"""Of a table; printed for people, never run."""
OF_THE_BACKUP = ("backup", "backup readable", "backup young", "restore tested", "loss counted")


def migrated(reading: Reading) -> None:
    """Which migrations were applied since the baseline, and whether the version before runs on them."""
    data = Data.of(reading.platform)
    new = _new(reading, data)
    reading.part("schema", bool(new), ", ".join(one.name for one in new))
    if not new:
        reading.fact(OLD_CODE_RUNS, value=True)
        return
    scripts = shipped_scripts(reading.asked, data)
    strange = [one.name for one in new if one.name not in scripts or not one.succeeded]
    if strange:
        why = f"migration {strange[0]} is not in the release, or was not applied to its end"
        reading.fact(OLD_CODE_RUNS, None, why)
        return
    texts = {one.name: scripts[one.name].decode("utf-8", "replace") for one in new}
    found = schema.read(texts)
    runs, why = found.old_code_runs, found.said
    if runs is None:
        runs, why = _tried(reading, why)
    reading.fact(OLD_CODE_RUNS, runs, why)


def _new(reading: Reading, data: Data) -> list[probes.sessions.Row]:
    """Return what began since the baseline and was not taken back, a failed one too."""
    before = set(reading.baseline.of(reads.MIGRATIONS, reading.platform.regions[0]))
    found = migration_rules.current(recorded(reading.asked, data).applied).values()
    return [one for one in found if one.name not in before and one.rolled_back_at is None]


def _tried(reading: Reading, why: str) -> tuple[bool | None, str]:
    """Return what the evidence of a try says where SQL alone does not settle it."""
    found = read_evidence(reading.platform, TRIED)
    reading.asked.keep(found.observation)
    if found.evidence is None or not found.believable:
        bad = next(one for one in found.judgements if one.outcome is not Outcome.PASS)
        return None, f"{why}; {bad.sentence}"
    result = found.evidence.result
    said = f"{why}; evidence {TRIED} says that the version before {result} on it"
    return None if result == "undecided" else result == "passed", said


def backup(policy: RollbackPolicy, reading: Reading) -> None:
    """Whether a backup from before the migrations is there, sound, young and tried, and what it lacks."""
    data = Data.of(reading.platform)
    begun = [one.started_at for one in _new(reading, data) if one.started_at is not None]
    listed = backups.listed(reading.asked, data)
    before = [one for one in listed if not begun or one.modified_at < min(begun)]
    if not before:
        why = f"no backup in {data.backups.location} is from before the migrations"
        reading.fact("backup", value=False, why=why)
    else:
        newest = before[0]
        seconds = (utc_now() - newest.modified_at).total_seconds()
        why = f"{newest.name}, {age(seconds)} old"
        if newest.modified_at < dt.datetime.fromisoformat(reading.baseline.taken_at):
            why += ", made before the baseline: more is lost than is counted"
        reading.fact("backup", value=True, why=why)
        read = reading.trial(lambda asked: backups.judge_readable(asked, data, newest))
        reading.fact("backup readable", *read)
        young = backup_rules.young_enough(
            newest, seconds, policy.backup_max_age, "one of this deployment"
        )
        reading.fact("backup young", young.outcome is Outcome.PASS, young.sentence)
        _plan_values(reading, data, newest)
    days = data.policy.restore_test.max_age_day_before
    tested = reading.trial(lambda asked: backups.judge_restore_test(asked, data, days))
    reading.fact("restore tested", *tested)
    _count_loss(reading, data)


def _count_loss(reading: Reading, data: Data) -> None:
    """Count what was written since the baseline, by table: a restore loses it."""
    before = reading.baseline.of(reads.ROWS, reading.platform.regions[0])
    uncounted = []
    for name, table in data.counted.items():
        found = reading.asked.read(f"the rows of {name}", partial(reads.count, data, name, table))
        if found.there and name in before:
            reading.lost[name] = found.rows - int(before[name]["rows"])
        else:
            uncounted.append(name)
    why = f"the baseline and the database do not both have {', '.join(uncounted)}"
    reading.fact("loss counted", not uncounted, why if uncounted else "")


def _plan_values(reading: Reading, data: Data, newest: Entry) -> None:
    login, moment = data.login, f"{utc_now():%Y%m%d_%H%M}"
    before = reading.baseline.of(reads.ROWS, reading.platform.regions[0])
    if not _PLAIN_NAME.fullmatch(login.database):
        reading.fact("backup readable", None, "the database's name can't stand in a command")
    server = ["-h", login.host, "-p", str(login.port)]
    scheme, found, path = newest.address.partition("://")
    if found and scheme not in ("file", "s3"):
        why = f"no command of the plan reads a backup from {scheme}://; name its folder"
        reading.fact("backup readable", None, why)
    streamed = scheme == "s3"
    address = shlex.quote(newest.address if streamed or not found else path)
    reading.put_plan(
        server=shlex.join(server),
        psql=shlex.join(["psql", "-X", "-v", "ON_ERROR_STOP=1", *server]),
        database=login.database,
        restored=f"{login.database}_restored_{moment}",
        aside=f"{login.database}_aside_{moment}",
        backup="" if streamed else f" {address}",
        open_backup=f"aws s3 cp {address} - | " if streamed else "",
        # Names of tables are checked when the environment is read.
        counts=shlex.quote(" UNION ALL ".join(map(_COUNT.format, data.counted))),
        counted=", ".join(f"{name} {one['rows']}" for name, one in before.items()),
    )
