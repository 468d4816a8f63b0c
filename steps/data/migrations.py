"""The database: its migrations, the tables and schema that they left, and connections before them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import probes
from gates.decide.history import ONE_DEPLOYMENT
from gates.decide.judgement import Judgement
from probes.git import RepositoryTarget
from probes.observation import Failure, FailureKind, Observation, utc_now
from settings.data import Reference
from steps.data import migration_rules, reads, rules, schema_rules
from steps.data.reads import FROZEN, MIGRATIONS, ORPHANS, ROWS, SCHEMA, Data, known
from steps.kit import failures
from steps.kit.asked import Asked
from steps.kit.baseline import before_if_any, command
from steps.kit.expect import expect, unable
from steps.kit.sentence import then, when
from steps.kit.settling import Ended, Progress, missed, settle_seconds, settled

_READ_SECONDS = 20.0
"""A release repository that has to be cloned takes longer than an ordinary call."""
_RECORD = "Prisma's record of migrations"


@when("the tables of the database are read", target_fixture="data")
@when(
    "the migrations of the release are compared with those of the database", target_fixture="data"
)
def of_the_database(asked: Asked) -> Data:
    return Data.of(asked.platform)


@then("every one was applied, unchanged, and no other")
def all_applied(asked: Asked, data: Data) -> None:
    # One that runs now is waited for; one that failed is judged at once.
    seconds = settle_seconds(asked.platform, data.policy.migration_log.settle_for)
    looked = settled(asked.platform, lambda: reads.record(data), _progress, seconds)
    scripts, record = asked.both(
        lambda: shipped_scripts(asked, data), lambda: asked.read(_RECORD, lambda: looked.value)
    )
    if looked.ended in (Ended.TIME_UP, Ended.RUN_ENDED):
        seen = record.holder is probes.sessions.Holder.MIGRATING
        up, waited = looked.ended is Ended.TIME_UP, looked.waited
        asked.judge(migration_rules.still_running(time_up=up, waited=waited, seen=seen))
        return
    if record.holder is probes.sessions.Holder.IDLE:
        asked.judge(migration_rules.held_idle())
    declared = data.migrations.declared_applied
    asked.judge(*migration_rules.judged(_released(scripts), record.applied, declared))


@then("no error was logged in the database")
def nothing_logged(asked: Asked, data: Data) -> None:
    told = data.migrations.has_logs_column is not None
    asked.judge(migration_rules.logs_judged(recorded(asked, data).applied, told=told))


@then("the log of the run shows no error and its success")
def log_is_clean(asked: Asked, data: Data) -> None:
    location = data.migrations.log
    if location is None:
        asked.judge(migration_rules.without_a_log(told=data.migrations.has_logs_column is not None))
        return
    deadline = asked.platform.call_deadline()
    log = asked.read(
        "the migration log", lambda: probes.files.content(location, deadline=deadline), _no_log
    )
    scripts, record = asked.both(
        lambda: shipped_scripts(asked, data), lambda: recorded(asked, data)
    )
    name = max(scripts, default="")
    last = migration_rules.current(record.applied).get(name)
    asked.judge(migration_rules.log_judged(log, data.policy.migration_log, name, last))


@then("the last one is the last one of the release")
def schema_version(asked: Asked, data: Data) -> None:
    scripts, record = asked.both(
        lambda: shipped_scripts(asked, data), lambda: recorded(asked, data)
    )
    declared = data.migrations.declared_applied
    asked.judge(migration_rules.version_judged(_released(scripts), record.applied, declared))


@then("nothing of the schema changed without a migration")
def no_drift(asked: Asked, data: Data) -> None:
    structure = asked.read("the schema", lambda: reads.structure(data))
    before, migrated = known(asked, SCHEMA), known(asked, MIGRATIONS)
    older = () if before is None else before.facts.get("unfinished", ())
    asked.judge(*schema_rules.nothing_unfinished(structure.unfinished, older))
    if before is not None and migrated is not None:
        shipped, old = shipped_scripts(asked, data), set(migrated.facts)
        new = [one.decode("utf-8", "replace") for name, one in shipped.items() if name not in old]
        asked.judge(schema_rules.no_drift(before.facts, structure, new, before.baseline))


def _progress(observed: Observation[probes.sessions.Record]) -> Progress:
    if observed.value is None:
        return missed(observed)
    return Progress.MOVING if observed.value.running else Progress.DONE


def recorded(asked: Asked, data: Data) -> probes.sessions.Record:
    """Return Prisma's record of what was applied; raises Unread."""
    return asked.read(_RECORD, lambda: reads.record(data))


def shipped_scripts(asked: Asked, data: Data) -> Mapping[str, bytes]:
    """Return the scripts of the release's migrations, by name."""
    section, release = data.migrations, asked.platform.release.number
    folder, tag = section.folder.strip("/"), section.tag.replace("{release}", release)
    found = asked.read(
        "the release repository",
        lambda: probes.git.tagged_files(
            RepositoryTarget(section.repository, tag, folder),
            deadline=asked.platform.deadline.sooner(_READ_SECONDS),
        ),
    )
    return migration_rules.scripts_of(found, folder)


def _released(scripts: Mapping[str, bytes]) -> migration_rules.Released:
    return {name: migration_rules.checksums(script) for name, script in scripts.items()}


def _no_log(subject: str, failure: Failure) -> Judgement:
    if failure.kind is not FailureKind.UNUSABLE_ANSWER:
        return failures.instrument_error(subject, failure)
    sentence = f"there is no migration log: {failure.detail}"
    clears = "what `prisma migrate deploy` printed, kept there"
    return expect(None, "migration log", sentence, clears)


@then("every expected table has every expected column")
def all_there(asked: Asked, data: Data) -> None:
    structure = asked.read("the schema", lambda: reads.structure(data))
    tables = data.section.tables.items()
    asked.judge(*(schema_rules.table_there(name, table, structure) for name, table in tables))


@then("every counted table has as many rows as the baseline allows")
def rows_as_before(asked: Asked, data: Data) -> None:
    before = known(asked, ROWS)
    if before is None:
        return
    if utc_now() - dt.datetime.fromisoformat(before.taken_at) > ONE_DEPLOYMENT:
        sentence = (
            f"{before.baseline} is not of the day before now: rows that came since would hide "
            "lost ones"
        )
        clears = f"a baseline of this try, taken before its migration: {command(asked.platform)}"
        asked.judge(expect(None, "the baseline", sentence, clears))
        return

    def judge(name: str) -> None:
        table = data.counted[name]
        found = asked.read(f"the rows of {name}", lambda: reads.count(data, name, table))
        asked.judge(*rules.counted(name, table, found, before, data.policy.counts))

    asked.each(data.counted, judge)


@then("no row is an orphan and every foreign key holds")
def no_orphans(asked: Asked, data: Data) -> None:
    before = before_if_any(asked.platform, ORPHANS, asked.regions[0]) or {}

    def judge(reference: Reference) -> None:
        name = rules.named(reference)
        found = asked.read(name, lambda: reads.follow(data, reference))
        asked.judge(rules.no_orphan(reference, found, before))

    asked.each(data.section.references, judge)
    structure = asked.read("the schema", lambda: reads.structure(data))
    asked.judge(*schema_rules.keys_hold(structure.foreign_keys, data.section.references))


def frozen_as_before(asked: Asked, data: Data) -> None:
    """Judge the frozen rows of every table; nothing where none is described."""
    before = known(asked, FROZEN) if data.frozen else None

    def judge(name: str) -> None:
        if before is not None:
            since = (before.facts.get(name) or {}).get("before")
            subject, table = f"the frozen rows of {name}", data.frozen[name]
            found = asked.read(subject, lambda: reads.sample(data, name, table, since))
            asked.judge(rules.unchanged(name, found, before))

    asked.each(data.frozen, judge)


@then("the primary answers, has connections to spare, and its standbys keep up")
def connections(asked: Asked) -> None:
    data, deadline = Data.of(asked.platform), asked.platform.call_deadline()
    policy = data.policy.connections
    found = asked.read(
        "the database, asked by the gate",
        lambda: probes.sessions.sessions(data.login, deadline=deadline),
    )
    asked.judge(rules.is_primary(found))
    if not found.may_look:
        # Without that right only the gate's own sessions are seen: no finding about the platform.
        sentence = (
            "the gate's login sees neither the connections of others nor the standbys; "
            "GRANT pg_read_all_stats to it"
        )
        clears = "that grant; deploy/postgres/gate_role.sql has it"
        asked.judge(unable("connections", sentence, clears))
        return
    asked.judge(rules.room_to_spare(found, policy))
    if not found.in_recovery:
        asked.judge(*rules.standbys_keep_up(found, data.section.standbys, policy))
