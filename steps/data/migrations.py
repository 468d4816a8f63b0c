"""Migrations: the release's own against the database's record, their log, and the schema they left."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Meaning, Outcome
from probes.files import Content
from probes.observation import FailureKind, Observation
from probes.repository import RepositoryTarget, TaggedFiles
from settings.data import MigrationLogPolicy
from steps.data import migration_rules as migrations
from steps.data.baseline import MIGRATIONS, SCHEMA, known
from steps.data.reads import DataSystem
from steps.data.migration_rules import Applied, Released
from steps.data.reading import applied_of
from steps.kit import failures
from steps.kit.check import Check
from steps.kit.expect import expect
from steps.kit.platform import Platform
from steps.kit.settling import Ended, Progress, Settled, missed, settle_seconds, settled

_READ_SECONDS = 20.0
"""A release repository that has to be cloned takes longer than an ordinary call."""
_SCRIPT = "migration.sql"
_CLOCKS_DIFFER = dt.timedelta(seconds=2)
"""By so much the clocks of the database and of the log's writer may differ."""


@dataclasses.dataclass(frozen=True, slots=True)
class ReleasedFiles:
    """The release's migrations with their scripts."""

    migrations: tuple[Released, ...]
    scripts: Mapping[str, str]
    """By name; to see which tables they mention."""

    @classmethod
    def of(cls, found: TaggedFiles, folder: str) -> ReleasedFiles:
        """Return the migrations among the files of a tag: every folder with a migration.sql."""
        names = re.compile(rf"{re.escape(folder.strip('/'))}/([^/]+)/{_SCRIPT}")
        scripts = {
            match[1]: data
            for path, data in sorted(found.files.items())
            if (match := names.fullmatch(path))
        }
        return cls(
            tuple(_released(name, data) for name, data in scripts.items()),
            {name: data.decode("utf-8", "replace") for name, data in scripts.items()},
        )


def _released(name: str, script: bytes) -> Released:
    """Return a migration with every checksum that Prisma takes for its script's.

    Line ends of Windows and Unix are one to it, and older versions dropped the zero of a small byte.
    """
    unix, windows = script.replace(b"\r\n", b"\n"), script.replace(b"\n", b"\r\n")
    digests = [hashlib.sha256(one) for one in (script, unix, windows)]
    unpadded = {"".join(f"{byte:x}" for byte in one.digest()) for one in digests}
    padded = {one.hexdigest() for one in digests}
    return Released(name, digests[0].hexdigest(), frozenset(padded | unpadded))


class MigrationCheck:
    """What the release ships and what the database says, read once for one check."""

    def __init__(self, platform: Platform, check: Check) -> None:
        self.system = DataSystem(platform, check)
        self._platform = platform

    def all_applied(self) -> None:
        """Judge that every migration of the release ran, unchanged, and no other; waits for a running one."""
        released, looked = self._released(), self._settled()
        record = None if looked is None else looked.value.value
        if released is None or looked is None or record is None:
            return
        if looked.ended in (Ended.TIME_UP, Ended.RUN_ENDED):
            self.system.judge(_still_running(looked, record.holder))
            return
        if record.holder is probes.migrations.Holder.IDLE:
            self.system.judge(_held_idle())
        declared = self.system.migrations.declared_applied
        self.system.judge(*migrations.judged(released.migrations, applied_of(record), declared))

    def nothing_logged(self) -> None:
        """Judge that Prisma noted no error in the database."""
        record = self._record()
        if record is not None:
            told = self.system.migrations.has_logs_column is not None
            self.system.judge(migrations.logs_judged(applied_of(record), told=told))

    def log_is_clean(self) -> None:
        """Judge the log of `prisma migrate deploy`: it succeeded, and named what the release brought."""
        section = self.system.migrations
        location = section.log
        if location is None:
            if section.has_logs_column is None:
                self.system.judge(_nobody_tells())
            return
        policy = self.system.policy.migration_log
        observed = probes.files.content(location, deadline=self._platform.call_deadline())
        self.system.keep(observed)
        if observed.value is None:
            self.system.judge(_no_log(self.system, observed))
            return
        released, record = self._released(), self._record()
        if released is not None and record is not None:
            name = max((one.name for one in released.migrations), default="")
            last = migrations.current(applied_of(record)).get(name)
            self.system.judge(log_judged(observed.value, policy, name, last))

    def schema_version(self) -> None:
        """Judge that the last applied migration is the last one of the release."""
        released, record = self._released(), self._record()
        if released is not None and record is not None:
            declared = self.system.migrations.declared_applied
            rows = applied_of(record)
            self.system.judge(migrations.version_judged(released.migrations, rows, declared))

    def no_drift(self) -> None:
        """Judge that nothing is unfinished, and nothing changed that no new migration mentions."""
        structure = probes.schema.structure(
            self.system.login, deadline=self._platform.call_deadline()
        )
        self.system.keep(structure)
        if structure.value is None:
            self.system.judge(self.system.unreadable("the schema", structure))
            return
        before, migrated = known(self.system, SCHEMA), known(self.system, MIGRATIONS)
        older = () if before is None else before.facts.get("unfinished", ())
        self.system.judge(*unfinished_judged(structure.value.unfinished, older))
        released = None if before is None or migrated is None else self._released()
        if before is not None and migrated is not None and released is not None:
            old = set(migrated.facts)
            new = [text for name, text in released.scripts.items() if name not in old]
            self.system.judge(drift_judged(before.facts, structure.value, new, before.baseline))

    def _released(self) -> ReleasedFiles | None:
        section = self.system.migrations
        target = RepositoryTarget(
            section.repository,
            section.tag.replace("{release}", self._platform.release.number),
            section.folder.strip("/"),
        )
        deadline = self._platform.deadline.sooner(_READ_SECONDS)
        observed = probes.repository.tagged_files(target, deadline=deadline)
        self.system.keep(observed)
        if observed.value is None:
            self.system.judge(self.system.unreadable("the release repository", observed))
            return None
        return ReleasedFiles.of(observed.value, section.folder)

    def _record(self) -> probes.migrations.Record | None:
        observed = self._look()
        self.system.keep(observed)
        return self._value(observed)

    def _settled(self) -> Settled[Observation[probes.migrations.Record]] | None:
        seconds = settle_seconds(self._platform, self.system.policy.migration_log.settle_for)
        looked = settled(self._platform, self._look, _progress, seconds)
        self.system.keep(looked.value)
        return None if self._value(looked.value) is None else looked

    def _look(self) -> Observation[probes.migrations.Record]:
        section = self.system.migrations
        return probes.migrations.record(
            self.system.login,
            section.table,
            section.has_logs_column,
            deadline=self._platform.call_deadline(),
        )

    def _value(
        self, observed: Observation[probes.migrations.Record]
    ) -> probes.migrations.Record | None:
        if observed.value is None:
            self.system.judge(self.system.unreadable("Prisma's record of migrations", observed))
        return observed.value


def _progress(observed: Observation[probes.migrations.Record]) -> Progress:
    # A failed migration is judged at once.
    if observed.value is None:
        return missed(observed)
    return Progress.MOVING if observed.value.running else Progress.DONE


def _still_running(looked: Settled[Any], holder: probes.migrations.Holder | None) -> Judgement:
    seen = holder is probes.migrations.Holder.MIGRATING
    more = "" if seen else ", and what that session does is hidden from the gate"
    return Judgement(
        outcome=Outcome.FAIL if looked.ended is Ended.TIME_UP and seen else Outcome.INCONCLUSIVE,
        rule="migration settled",
        subject="migrations",
        sentence=f"a migration still runs{looked.waited}: a session holds Prisma's lock{more}",
        clears="the migration ended; then run again"
        if seen
        else "GRANT pg_read_all_stats TO the gate's login; then run again",
    )


def _held_idle() -> Judgement:
    sentence = (
        "no migration runs: an idle session holds Prisma's lock, so the next one will wait for it"
    )
    return expect(
        good=True, rule="migration settled", subject="migrations", sentence=sentence, clears=""
    )


def _no_log(system: DataSystem, observed: Observation[Content]) -> Judgement:
    failure = failures.failure_of(observed)
    if failure.kind is not FailureKind.UNUSABLE_ANSWER:
        return system.unreadable("the migration log", observed)
    return expect(
        None,
        "migration log",
        f"there is no migration log: {failure.detail}",
        "what `prisma migrate deploy` printed, kept there",
    )


def _nobody_tells() -> Judgement:
    return expect(
        None,
        "migration log",
        "nobody tells the gate whether an error was logged: the environment names neither "
        "data.migrations.log nor has_logs_column",
        "one of them in the environment",
    )


def log_judged(
    log: Content, policy: MigrationLogPolicy, name: str, last: Applied | None
) -> Judgement:
    """Judge a migration log; its lines may quote data, so only their numbers are told.

    It has to say that it succeeded, and to be written after the release's last migration, `name`, ended.
    """
    lines = log.data.decode("utf-8", "replace").splitlines()
    bad = [number for number, line in enumerate(lines, start=1) if _matches(line, policy.errors)]
    if bad:
        shown = ", ".join(map(str, bad[:5])) + (", …" if len(bad) > 5 else "")  # noqa: PLR2004 - enough to find it
        return expect(
            good=False,
            rule="migration log",
            subject="migration log",
            sentence=f"the migration log has {len(bad)} lines that tell of an error: line {shown}",
            clears="the migration mended and run again",
            observed=len(bad),
            target=0,
        )
    ran_at = None if last is None else last.finished_at
    if ran_at is None or log.modified_at < ran_at - _CLOCKS_DIFFER:
        return expect(
            None,
            "migration log",
            f"the migration log is of another run: it is from {log.modified_at:%d %b %H:%M:%S} UTC, "
            + (f"{name} ran later" if ran_at else f"and {name} has not ended"),
            f"the log of the run that applied {name}",
        )
    ended = any(_matches(line, policy.success) for line in lines)
    return expect(
        good=ended,
        rule="migration log",
        subject="migration log",
        sentence=f"the migration log has {len(lines)} lines and no error"
        if ended
        else "the migration log breaks off: it does not say that the migrations were applied",
        clears="a log that says how the run ended",
    )


def _matches(line: str, patterns: Sequence[str]) -> bool:
    return any(re.search(pattern, line) for pattern in patterns)


def drift_judged(
    known: Mapping[str, Mapping[str, Any]],
    now: probes.schema.Structure,
    new_scripts: Sequence[str],
    baseline: str,
) -> Judgement:
    """Judge which tables changed since the baseline without a new migration that mentions them."""
    before: Mapping[str, str] = known["tables"]
    if not before:
        sentence = f"{baseline} holds the shape of no table, so no change can be told"
        return expect(None, "schema", sentence, "a baseline that sees the tables")
    after = {name: shape.fingerprint for name, shape in now.tables.items()}
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    indexes = {name: _indexes(name, known, now) for name in changed}
    meant = [name for name in changed if _mentioned(name, indexes[name], new_scripts)]
    drifted = [f"{name} ({_how(name, before, after)})" for name in changed if name not in meant]
    sentence = f"the schema's fingerprint is {now.fingerprint}; since {baseline}, "
    sentence += f"{len(meant)} tables changed, each by a new migration"
    if drifted:
        sentence = f"changed without any new migration since {baseline}: {', '.join(drifted)}"
    return expect(
        good=not drifted,
        rule="no drift",
        subject="schema",
        sentence=sentence,
        clears="the change taken back, or made by a migration of the release",
        observed=now.fingerprint,
        data={"changed": changed, "drifted": drifted},
    )


def _indexes(
    table: str, known: Mapping[str, Mapping[str, Any]], now: probes.schema.Structure
) -> set[str]:
    """Return the names of a table's indexes, those that are gone too."""
    shape = now.tables.get(table)
    return {*known.get("indexes", {}).get(table, ()), *(shape.indexes if shape else ())}


def _mentioned(table: str, indexes: Collection[str], scripts: Sequence[str]) -> bool:
    """Tell whether a script names a table or one of its indexes, alone or with the right schema."""
    schema, _, name = table.rpartition(".")
    names = "|".join(map(re.escape, sorted({name, *indexes})))
    word = rf'(?<![\w."])(?:"?{re.escape(schema)}"?\s*\.\s*)?"?(?:{names})(?!\w)'
    return any(re.search(word, script, re.IGNORECASE) for script in scripts)


def _how(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    if name not in after:
        return "gone"
    return "new" if name not in before else "altered"


_UNFINISHED = {
    "index": (
        "is invalid: it was not built to its end",
        "DROP INDEX CONCURRENTLY {name}, and create it again",
    ),
    "index partitioned": (
        "is invalid: not every partition has its part",
        "the missing index made on each partition: ALTER INDEX {name} ATTACH PARTITION …",
    ),
    "constraint not validated": (
        "is not validated: rows from before it were never checked",
        "ALTER TABLE {table} VALIDATE CONSTRAINT {name}",
    ),
    "constraint not enforced": (
        "is not enforced",
        "ALTER TABLE {table} DROP CONSTRAINT {name}, and add it again without NOT ENFORCED",
    ),
    "constraint switched off": (
        "is switched off: its triggers do not fire",
        "ALTER TABLE {table} ENABLE TRIGGER ALL",
    ),
    "trigger": ("is disabled", "ALTER TABLE {table} ENABLE TRIGGER {name}"),
    "rule": ("is disabled", "ALTER TABLE {table} ENABLE RULE {name}"),
    "event trigger": ("is disabled", "ALTER EVENT TRIGGER {name} ENABLE"),
    "materialized view": (
        "was never filled: whoever reads it gets an error",
        "REFRESH MATERIALIZED VIEW {table}",
    ),
    "type": ("is left over: nothing uses it", "DROP TYPE {table}"),
    "partition": (
        "is half detached",
        "ALTER TABLE {state} DETACH PARTITION {table} FINALIZE",
    ),
}
"""By kind: what is wrong, and what ends it."""
_REINDEX = re.compile(r"_cc(new|old)\d*$")
_SHOWN = 5


def unfinished_judged(
    found: Sequence[probes.schema.Unfinished], older: Collection[str]
) -> list[Judgement]:
    """Judge what is unfinished in the schema, whoever made it, one finding for each kind.

    What the baseline has too holds the release, and so does what only has to be validated.
    """
    kinds: dict[tuple[str, bool, bool], list[probes.schema.Unfinished]] = {}
    for one in found:
        kinds.setdefault((_kind(one), one.in_progress, one.key in older), []).append(one)
    return [_unfinished(listed, old=old) for (_, _, old), listed in kinds.items()]


def _kind(one: probes.schema.Unfinished) -> str:
    return one.what if one.what == "partition" else f"{one.what} {one.state}".strip()


def _unfinished(listed: Sequence[probes.schema.Unfinished], *, old: bool) -> Judgement:
    first, kind = listed[0], _kind(listed[0])
    names = ", ".join(f"{one.name} of {one.table}" for one in listed[:_SHOWN])
    names += f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    if first.in_progress:
        return expect(
            None,
            f"{first.what} {first.name}",
            f"{first.what} {names} is invalid, and an index is being built right now",
            "the build ended; then run again",
        )
    what, clears = _UNFINISHED[kind]
    if _REINDEX.search(first.name):
        what = "is what a REINDEX CONCURRENTLY left that broke off"
        clears = "DROP INDEX CONCURRENTLY {name}; after _ccnew also REINDEX again"
    hold = old or kind == "constraint not validated"
    return expect(
        good=False,
        rule="nothing unfinished",
        subject=f"{first.what} {first.name}",
        sentence=f"{first.what} {names} {what}"
        + ("; the baseline has it too, so it is older than this release" if old else ""),
        clears=clears.format(
            name=f'"{first.name}"',
            table=probes.postgres.schema.quoted(first.table),
            state=first.state,
        ),
        observed=len(listed),
        target=0,
        means=Meaning.HOLD if hold else None,
        data={"unfinished": [one.key for one in listed]},
    )
