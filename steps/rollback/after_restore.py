"""After a restore of the database: what stood still, what was restored, what runs again, what is lost."""

from __future__ import annotations

import datetime as dt
import functools
import math
import threading

import probes
from environments.store import StoreError
from gates.decide.history import ONE_DEPLOYMENT
from gates.decide.judgement import Judgement
from probes.files import Entry
from probes.observation import Observation, utc_now
from settings.objectives import Prometheus
from steps.cluster.clusters import DEPLOYMENTS, ROLLOUT, Clusters
from steps.cluster.rules import progress
from steps.data import backups, migration_rules, reads, schema_rules
from steps.data.migrations import recorded, rows_as_before
from steps.data.reads import MIGRATIONS, ROWS, SCHEMA, Data, known
from steps.data.rules import Count, gone
from steps.kit.asked import Asked, Unread
from steps.kit.baseline import baseline_of, before, history_of
from steps.kit.evidence import judge_result, read_evidence
from steps.kit.expect import expect, nothing_to_judge, unable
from steps.kit.run import Run
from steps.kit.sentence import then, when
from steps.objectives.promql import samples, selector
from steps.rollback import restore_rules as rules
from steps.rollback.restore_rules import Restore
from steps.statements.signed import judge_signed

KIND = "database-restore"
"""Of the evidence that whoever restores the database leaves."""
_SUBJECT = f"evidence {KIND}"
_READ_SECONDS = 60.0
_MOST_SCRAPES_MISSED = 0.2


@when("the restore of the database is read", target_fixture="restore")
def read_restore(asked: Asked) -> Restore | None:
    """Return what whoever restored says of it; None, and judged, where nothing can be believed."""
    reading = read_evidence(asked.platform, KIND)
    reading.note(asked.check)
    baseline = baseline_of(asked.platform, asked.check)
    if reading.evidence is None or not reading.believable or baseline is None:
        return None
    told = rules.restore_of(_SUBJECT, reading.evidence)
    if isinstance(told, Judgement):
        asked.judge(told)
        return None
    timed = rules.well_timed(
        _SUBJECT, told, dt.datetime.fromisoformat(baseline.taken_at), utc_now()
    )
    asked.judge(judge_result(_SUBJECT, reading.evidence), timed)
    return told


def _told(restore: Restore | None) -> Restore:
    if restore is None:
        raise Unread(_SUBJECT)
    return restore


@then("nobody who could write was connected since before its end")
def no_writer(asked: Asked, restore: Restore | None) -> None:
    told, data = _told(restore), Data.of(asked.platform)
    deadline = asked.platform.call_deadline()
    found = asked.read(
        "the sessions of the database",
        lambda: probes.sessions.writers(data.login, [*data.section.tables], deadline=deadline),
    )
    asked.judge(rules.no_writer_stayed(found, told))


@then("every pod of the app is younger than it, in every region")
def no_pod(run: Run, asked: Asked, restore: Restore | None) -> None:
    told = _told(restore)
    if asked.platform.environment.settings.kubernetes is None:
        asked.judge(nothing_to_judge("pods", "the environment describes no cluster"))
        return
    clusters = run.shared(Clusters.of)
    clusters.in_each_region(
        asked, lambda here: here.judge(rules.no_pod_stayed(clusters.looked_at(here), told))
    )


@then("nothing of the app answered Prometheus while it ran, in any region")
def silent(asked: Asked, restore: Restore | None) -> None:
    """Judge the highest `up` of each of the app's targets, and how often Prometheus scraped at all."""
    told = _told(restore)
    section = asked.platform.section(Prometheus)
    seconds = (told.ended - told.began).total_seconds()
    wanted = max(1.0, math.floor(seconds / section.scrape_interval * (1 - _MOST_SCRAPES_MISSED)))

    def judge(here: Asked) -> None:
        up = selector("up", here.platform.labels(here.region, {"job": section.job}))
        during = _vector(here, f"max_over_time({samples(up, seconds)})", told.ended)
        scrapes = _vector(here, f"max(count_over_time({samples('up', seconds)}))", told.ended)
        now = _vector(here, f"count({up} == 1)", None)
        most, answers = (sum(one.value for one in found) for found in (scrapes, now))
        here.judge(rules.was_silent(during, most, wanted, answers, told))

    asked.in_each_region(judge)


def _vector(
    here: Asked, query: str, at: dt.datetime | None
) -> tuple[probes.prometheus.Series, ...]:
    """Return the series of an answer that is whole; raises Unread."""
    target, deadline = here.platform.prometheus(here.region), here.platform.call_deadline()
    subject = f"Prometheus, {query}"
    found = here.read(
        subject, lambda: probes.prometheus.instant(target, query, at=at, deadline=deadline)
    )
    if found.warnings or not all(one.finite for one in found.series):
        sentence = f"{subject}: its answer is not whole, or no number"
        here.judge(expect(None, subject, sentence, "an answer without warnings", rule="instrument"))
        raise Unread(subject)
    return found.series


class Dumps:
    """The backups that were read, each once for all checks of a run."""

    def __init__(self, run: Run) -> None:
        self._platform = run.platform
        self._lock = threading.Lock()
        self._read: dict[str, Observation[probes.dumped.Dumped]] = {}

    def of(self, data: Data, file: Entry) -> Observation[probes.dumped.Dumped]:
        """Read one; what takes longer than a minute is a failure."""
        wanted = {
            probes.schema.qualified(name): (table.key, table.synthetic_column)
            for name, table in data.counted.items()
        }
        deadline = self._platform.deadline.sooner(_READ_SECONDS)
        with self._lock:
            if file.address not in self._read:
                self._read[file.address] = probes.dumped.dumped(
                    file.address, data.backups.pg_restore, wanted, deadline=deadline
                )
            return self._read[file.address]


def _dumped(run: Run, asked: Asked, data: Data, restore: Restore) -> probes.dumped.Dumped:
    """Return what the restored backup holds; raises Unread."""
    listed = backups.listed(asked, data)
    file = next((one for one in listed if one.name == restore.backup), None)
    if file is None:
        asked.judge(rules.the_backup(restore, listed, None, restore.began, 0.0))
        raise Unread(restore.backup)
    most = data.policy.backups.read_whole_up_to_mb
    if file.size > most * 1024 * 1024:
        sentence = f"{file.name} is larger than {most:g} MB, so what it holds is not read"
        clears = "a higher data.backups.read_whole_up_to_mb of the policy"
        asked.judge(expect(None, file.name, sentence, clears))
        raise Unread(file.name)
    return asked.read(f"backup {file.name}", lambda: run.shared(Dumps).of(data, file))


@then("it was the backup of this deployment")
def of_this_deployment(run: Run, asked: Asked, restore: Restore | None) -> None:
    told, data = _told(restore), Data.of(asked.platform)
    baseline = baseline_of(asked.platform, asked.check)
    try:
        asked_at = rules.asked_at(history_of(asked.platform).entries())
    except StoreError as exc:
        asked.judge(unable("the history", str(exc), "a state that can be read"))
        return
    if baseline is not None:
        at, listed = dt.datetime.fromisoformat(baseline.taken_at), backups.listed(asked, data)
        limit = data.policy.backups.of_this_deployment
        asked.judge(rules.the_backup(told, listed, asked_at, at, limit))
    asked.judge(rules.same_file(told, _dumped(run, asked, data, told).sha256))


@then("every table was made anew, and holds what the backup holds")
def holds_the_backup(run: Run, asked: Asked, restore: Restore | None) -> None:
    told, data = _told(restore), Data.of(asked.platform)
    was = known(asked, SCHEMA)
    if was is not None:
        structure = asked.read("the schema", lambda: reads.structure(data))
        asked.judge(rules.made_anew(was.facts, structure))
    dumped = _dumped(run, asked, data, told)
    asked.each(data.counted, lambda name: _holds(asked, data, name, dumped))


def _holds(asked: Asked, data: Data, name: str, dumped: probes.dumped.Dumped) -> None:
    table, found = data.counted[name], dumped.tables.get(probes.schema.qualified(name))
    rule = data.policy.counts.rules.get(table.counted or "")
    now = asked.read(f"the rows of {name}", lambda: reads.count(data, name, table))
    if not now.there or rule is None:
        asked.judge(gone(name))
        return
    keys = [] if found is None else found.keys
    there = asked.read(
        f"some keys of {name}",
        lambda: probes.rows.keys_found(
            data.login,
            probes.rows.TableToCount(name, table.key),
            keys,
            deadline=asked.platform.call_deadline(),
        ),
    )
    rows = Count(now.rows, now.error_rows, now.exact)
    asked.judge(rules.holds_it(name, found, rows, there.found, rule.fewer))


@then("the migrations are those of before the release")
def migrations_back(asked: Asked) -> None:
    data = Data.of(asked.platform)
    was = known(asked, MIGRATIONS)
    if was is None:
        return
    applied = migration_rules.current(recorded(asked, data).applied).values()
    rows = [(one.name, one.succeeded) for one in applied if one.rolled_back_at is None]
    asked.judge(rules.migrations_as_before("migrations", was.facts, rows))


@then("the schema is the one of before the release, and nothing of it is unfinished")
def schema_back(asked: Asked, data: Data) -> None:
    was = known(asked, SCHEMA)
    structure = asked.read("the schema", lambda: reads.structure(data))
    if was is not None:
        older = was.facts.get("unfinished", ())
        asked.judge(*schema_rules.nothing_unfinished(structure.unfinished, older))
        # No migration of the release may have left anything, so none excuses a change.
        asked.judge(schema_rules.no_drift(was.facts, structure, (), was.baseline))


@then("every counted table has as many rows as the baseline allows while it is young")
def rows_back(asked: Asked, data: Data) -> None:
    was = known(asked, ROWS)
    if was is None:
        return
    if utc_now() - dt.datetime.fromisoformat(was.taken_at) > ONE_DEPLOYMENT:
        why = f"{was.baseline} is too old to count by; RB-DB-2 counts by the backup"
        asked.judge(nothing_to_judge("the numbers of rows", why))
        return
    rows_as_before(asked, data)


@then("what ran before the release runs again, as many pods as then")
def runs_again(run: Run, asked: Asked, restore: Restore | None) -> None:
    told, clusters = _told(restore), run.shared(Clusters.of)
    was = before(asked.platform, asked.check, DEPLOYMENTS)

    def judge(here: Asked) -> None:
        if here.region not in was:
            return
        facts = was[here.region].facts["deployments"]
        old = [one for one in facts.values() if one["replicas"]]
        again = functools.partial(
            progress,
            versions=sorted({str(one["version"]) for one in old}),
            minimum=sum(int(one["replicas"]) for one in old),
        )
        settled = clusters.settled(here, ROLLOUT, again)
        here.judge(*rules.began_again(settled, facts, told))

    clusters.in_each_region(asked, judge)


@then("what it lost is counted, table by table")
def loss(run: Run, asked: Asked, restore: Restore | None) -> None:
    told, data = _told(restore), Data.of(asked.platform)
    dumped = _dumped(run, asked, data, told)
    tables = {name: probes.schema.qualified(name) for name in data.counted}
    asked.judge(rules.lost(told, dumped.tables, tables))


@then("its assessment is signed since, as the policy asks")
def loss_signed(run: Run, asked: Asked, restore: Restore | None) -> None:
    if asked.platform.environment.settings.statements is None:
        sentence = "the environment lacks the section statements, so nobody can sign what was lost"
        asked.judge(expect(None, asked.check.id, sentence, "that section, and a signature"))
        return
    judge_signed(asked, run, asked.check.id, _told(restore).ended)
