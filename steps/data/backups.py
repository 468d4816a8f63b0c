"""Backups: one of this deployment is there, as big as the others, in both places, and restorable."""

from __future__ import annotations

import probes
from gates.decide.judgement import Judgement
from probes.files import Entry, Listing
from probes.observation import Failure, FailureKind, Observation, utc_now
from steps.data import backup_rules as rules
from steps.data.reads import Data
from steps.kit import failures
from steps.kit.asked import Asked, Unread
from steps.kit.sentence import then, when

_MEGABYTE = 1024 * 1024
_READ_SECONDS = 60.0
"""Reading a whole backup may take longer than an ordinary call."""
_FOLDER, _RESTORE_TEST = "the backup folder", "the restore test's result"


@when("the backups of the database are listed", target_fixture="data")
def list_backups(asked: Asked) -> Data:
    data = Data.of(asked.platform)
    asked.look(_FOLDER, lambda: _listing(data, data.backups.location))
    return data


@then("the newest one was made for this deployment")
def of_this_deployment(asked: Asked, data: Data) -> None:
    _judge_age(asked, data, data.policy.backups.of_this_deployment, "a backup of this deployment")


@then("the newest one is recent")
def recent(asked: Asked, data: Data) -> None:
    _judge_age(asked, data, data.policy.backups.max_age, "a recent backup")


@then("pg_restore can read it and finds the rows of every table")
def readable(asked: Asked, data: Data) -> None:
    # That there is no backup is another sentence's to say.
    asked.each(listed(asked, data)[:1], lambda newest: judge_readable(asked, data, newest))


@then("the newest one is about as big as the ones before it")
def of_usual_size(asked: Asked, data: Data) -> None:
    policy, newest = data.policy.backups, _newest(asked, data)
    earlier = [one.size for one in listed(asked, data)[1 : policy.compared_with + 1]]
    asked.judge(rules.of_usual_size(newest, earlier, policy.size_tolerance))


@then("the newest one is of this deployment and has its copy apart")
def where_it_belongs(asked: Asked, data: Data) -> None:
    wanted, place = "a backup of this deployment", data.backups.kept_apart
    _judge_age(asked, data, data.policy.backups.of_this_deployment, wanted)
    if place is not None:
        newest = _newest(asked, data)
        found = asked.read(f"the copies in {place}", lambda: _listing(data, place))
        sizes = {one.name: one.size for one in found.entries}
        asked.judge(rules.copied(newest, sizes.get(newest.name), place))


@then("the last restore test passed within the month")
def restored_within_the_month(asked: Asked, data: Data) -> None:
    judge_restore_test(asked, data, data.policy.restore_test.max_age)


@then("the last restore test passed within the week")
def restored_within_the_week(asked: Asked, data: Data) -> None:
    judge_restore_test(asked, data, data.policy.restore_test.max_age_day_before)


def _listing(data: Data, place: str) -> Observation[Listing]:
    deadline = data.platform.call_deadline()
    return probes.files.listing(place, data.backups.pattern, deadline=deadline)


def listed(asked: Asked, data: Data) -> tuple[Entry, ...]:
    """Return the backups, the newest first; that their folder is not there is the platform's fault."""

    def judged(subject: str, failure: Failure) -> Judgement:
        gone = failure.kind is FailureKind.UNUSABLE_ANSWER
        return (failures.subject_wrong if gone else failures.instrument_error)(subject, failure)

    return asked.read(_FOLDER, lambda: _listing(data, data.backups.location), judged).entries


def _newest(asked: Asked, data: Data) -> Entry:
    """Return the newest backup; judges that there is none."""
    for newest in listed(asked, data):
        return newest
    asked.judge(rules.none_at_all(data.backups.location))
    raise Unread(_FOLDER)


def _judge_age(asked: Asked, data: Data, limit_seconds: float, wanted: str) -> None:
    newest = _newest(asked, data)
    seconds = (utc_now() - newest.modified_at).total_seconds()
    asked.judge(rules.young_enough(newest, seconds, limit_seconds, wanted))


def judge_readable(asked: Asked, data: Data, newest: Entry) -> None:
    """Read a backup, to its end if it is no giant."""
    contents = asked.read(
        f"backup {newest.name}",
        lambda: probes.backup.contents(
            newest.address,
            data.backups.pg_restore,
            whole=newest.size <= data.policy.backups.read_whole_up_to_mb * _MEGABYTE,
            deadline=asked.platform.deadline.sooner(_READ_SECONDS),
        ),
    )
    asked.judge(rules.can_be_read(newest, contents))
    if contents.listed:
        if contents.created_at is not None:
            asked.judge(rules.begun_lately(newest, contents.created_at))
        login = asked.platform.postgres()
        if login is not None and contents.database not in {None, login.database}:
            asked.each((newest,), lambda one: _judge_database(asked, data, one, contents.database))
        lacking = rules.lacking(contents.tables, data.counted)
        if login is not None and lacking:
            lacking = _not_in_partitions(asked, data, lacking, contents.tables)
        asked.judge(rules.holds(newest, contents.tables, lacking))


def _judge_database(asked: Asked, data: Data, newest: Entry, dumped: str | None) -> None:
    """Judge the name of the dumped database by the server's own: a pool may have another."""
    server = asked.read(
        "the database's own name",
        lambda: probes.postgres.server_state(data.login, deadline=asked.platform.call_deadline()),
    )
    if server.database != dumped:
        asked.judge(rules.of_another(newest, dumped, server.database))


def _not_in_partitions(
    asked: Asked, data: Data, lacking: list[str], found: tuple[str, ...]
) -> list[str]:
    """Return what is still lacking if rows lie in partitions."""
    deadline = asked.platform.call_deadline()
    parts = asked.read(
        "the partitions of tables",
        lambda: probes.schema.partitions(data.login, lacking, deadline=deadline),
    ).with_rows
    return rules.lacking(found, [part for name in lacking for part in parts.get(name, (name,))])


def judge_restore_test(asked: Asked, data: Data, max_age_seconds: float) -> None:
    location = data.backups.restore_test
    if location is None:
        asked.judge(rules.no_restore_test("the environment names no data.backups.restore_test"))
        return

    def judged(subject: str, failure: Failure) -> Judgement:
        if failure.kind is FailureKind.UNUSABLE_ANSWER:
            return rules.no_restore_test(failure.detail.removesuffix("."))
        return failures.instrument_error(subject, failure)

    deadline = asked.platform.call_deadline()
    content = asked.read(
        _RESTORE_TEST, lambda: probes.files.content(location, deadline=deadline), judged
    )
    asked.judge(*rules.restored(content.data, utc_now(), max_age_seconds))
