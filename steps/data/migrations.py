"""Migrations: the release's own against the database's record, their log, and the schema they left."""

from __future__ import annotations

from collections.abc import Mapping

import probes
from gates.decide.judgement import Judgement
from probes.observation import Failure, FailureKind, Observation
from probes.repository import RepositoryTarget
from steps.data import migration_rules as rules
from steps.data import reads, schema_rules
from steps.data.baseline import MIGRATIONS, SCHEMA, known
from steps.data.reads import Data
from steps.kit import failures
from steps.kit.asked import Asked
from steps.kit.expect import expect
from steps.kit.sentence import then, when
from steps.kit.settling import Ended, Progress, missed, settle_seconds, settled

_READ_SECONDS = 20.0
"""A release repository that has to be cloned takes longer than an ordinary call."""
_RECORD = "Prisma's record of migrations"


@when(
    "the migrations of the release are compared with those of the database", target_fixture="data"
)
def compare(asked: Asked) -> Data:
    return Data.of(asked.platform)


@then("every one was applied, unchanged, and no other")
def all_applied(asked: Asked, data: Data) -> None:
    # One that runs now is waited for; one that failed is judged at once.
    platform, seconds = asked.platform, data.policy.migration_log.settle_for
    looked = settled(
        platform, lambda: reads.record(data), _progress, settle_seconds(platform, seconds)
    )
    scripts, record = asked.both(
        lambda: _scripts(asked, data), lambda: asked.read(_RECORD, lambda: looked.value)
    )
    if looked.ended in (Ended.TIME_UP, Ended.RUN_ENDED):
        time_up, seen = (
            looked.ended is Ended.TIME_UP,
            record.holder is probes.sessions.Holder.MIGRATING,
        )
        asked.judge(rules.still_running(time_up=time_up, waited=looked.waited, seen=seen))
        return
    if record.holder is probes.sessions.Holder.IDLE:
        asked.judge(rules.held_idle())
    declared = data.migrations.declared_applied
    asked.judge(*rules.judged(_released(scripts), rules.applied_of(record), declared))


@then("no error was logged in the database")
def nothing_logged(asked: Asked, data: Data) -> None:
    told = data.migrations.has_logs_column is not None
    asked.judge(rules.logs_judged(rules.applied_of(_record(asked, data)), told=told))


@then("the log of the run shows no error and its success")
def log_is_clean(asked: Asked, data: Data) -> None:
    location = data.migrations.log
    if location is None:
        asked.judge(rules.without_a_log(told=data.migrations.has_logs_column is not None))
        return
    deadline = asked.platform.call_deadline()
    log = asked.read(
        "the migration log", lambda: probes.files.content(location, deadline=deadline), _no_log
    )
    scripts, record = asked.both(lambda: _scripts(asked, data), lambda: _record(asked, data))
    name = max(scripts, default="")
    last = rules.current(rules.applied_of(record)).get(name)
    asked.judge(rules.log_judged(log, data.policy.migration_log, name, last))


@then("the last one is the last one of the release")
def schema_version(asked: Asked, data: Data) -> None:
    scripts, record = asked.both(lambda: _scripts(asked, data), lambda: _record(asked, data))
    declared, rows = data.migrations.declared_applied, rules.applied_of(record)
    asked.judge(rules.version_judged(_released(scripts), rows, declared))


@then("nothing of the schema changed without a migration")
def no_drift(asked: Asked, data: Data) -> None:
    structure = asked.read("the schema", lambda: reads.schema(data))
    before, migrated = known(asked, SCHEMA), known(asked, MIGRATIONS)
    older = () if before is None else before.facts.get("unfinished", ())
    asked.judge(*schema_rules.nothing_unfinished(structure.unfinished, older))
    if before is not None and migrated is not None:
        shipped, old = _scripts(asked, data), set(migrated.facts)
        new = [
            script.decode("utf-8", "replace") for name, script in shipped.items() if name not in old
        ]
        asked.judge(schema_rules.no_drift(before.facts, structure, new, before.baseline))


def _progress(observed: Observation[probes.sessions.Record]) -> Progress:
    if observed.value is None:
        return missed(observed)
    return Progress.MOVING if observed.value.running else Progress.DONE


def _record(asked: Asked, data: Data) -> probes.sessions.Record:
    return asked.read(_RECORD, lambda: reads.record(data))


def _scripts(asked: Asked, data: Data) -> Mapping[str, bytes]:
    """Return the scripts of the release's migrations, by name."""
    section, release = data.migrations, asked.platform.release.number
    folder, tag = section.folder.strip("/"), section.tag.replace("{release}", release)
    found = asked.read(
        "the release repository",
        lambda: probes.repository.tagged_files(
            RepositoryTarget(section.repository, tag, folder),
            deadline=asked.platform.deadline.sooner(_READ_SECONDS),
        ),
    )
    return rules.scripts_of(found, folder)


def _released(scripts: Mapping[str, bytes]) -> tuple[rules.Released, ...]:
    return tuple(rules.released(name, script) for name, script in scripts.items())


def _no_log(subject: str, failure: Failure) -> Judgement:
    if failure.kind is not FailureKind.UNUSABLE_ANSWER:
        return failures.instrument_error(subject, failure)
    sentence = f"there is no migration log: {failure.detail}"
    clears = "what `prisma migrate deploy` printed, kept there"
    return expect(None, "migration log", sentence, clears)
