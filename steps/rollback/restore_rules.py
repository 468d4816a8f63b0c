"""What a restored database has to be, and what stood still meanwhile: judged from what was told and read."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import probes
from gates.decide.history import Entry, Kind
from gates.decide.judgement import Judgement, equals
from gates.decide.outcome import Decision
from probes.files import Entry as File
from probes.kubernetes.objects import Pod
from steps.cluster.rules import Look, few, found, running
from steps.data.rules import Band, Count, within
from steps.kit.evidence import Evidence
from steps.kit.expect import age, expect, measured, unable
from steps.kit.settling import Settled

if TYPE_CHECKING:
    from probes.prometheus import Series

_SAME_MOMENT = dt.timedelta(seconds=2)
"""A cluster's times are whole seconds, and clocks differ: what is nearer than this began at once."""
_ASKED_OF_THE_BACKUP = "1.1"
_OVER = ("Succeeded", "Failed")
_WRITTEN = "written by whoever restored, as docs/platform-contract.md says"


@dataclasses.dataclass(frozen=True, slots=True)
class Restore:
    """One restore, as whoever carried it out says; each of its words is held against something else."""

    began: dt.datetime
    ended: dt.datetime
    backup: str
    """Name of the file."""
    digest: str
    """As `sha256:…`."""
    before: Mapping[str, int]
    """Rows that were there until then, by table, in small letters."""

    @property
    def window(self) -> str:
        """Return when it was, for sentences."""
        return f"{self.began:%H:%M:%S} to {self.ended:%H:%M:%S} UTC"


def restore_of(subject: str, evidence: Evidence) -> Restore | Judgement:
    """Return the restore that a document tells of; INCONCLUSIVE where it does not tell enough."""
    facts = evidence.facts
    try:
        began, ended = (_moment(facts[key]) for key in ("began_at", "ended_at"))
        (artefact,) = evidence.artefacts
    except (KeyError, ValueError, TypeError):
        sentence = (
            f"{subject} does not say what was restored when: it needs the facts began_at and ended_at, "
            "with their time zone, and the backup's file as its one artefact"
        )
        return expect(None, subject, sentence, f"{subject} {_WRITTEN}")
    before = {
        name.removeprefix("before."): rows
        for name, rows in facts.items()
        if name.startswith("before.") and isinstance(rows, int) and not isinstance(rows, bool)
    }
    return Restore(began, ended, artefact.name, artefact.digest, before)


def _moment(told: object) -> dt.datetime:
    at = dt.datetime.fromisoformat(str(told))
    if at.tzinfo is None:
        raise ValueError("no time zone")
    return at.astimezone(dt.UTC)


def well_timed(
    subject: str, restore: Restore, baseline: dt.datetime, now: dt.datetime
) -> Judgement:
    """Judge that a restore is one of this deployment and has ended; no other says anything here."""
    good = baseline < restore.began < restore.ended <= now + _SAME_MOMENT
    sentence = f"{subject} tells of a restore on {restore.began:%d %b}, {restore.window}"
    if not good:
        sentence += f", which is not between the baseline of {baseline:%d %b %H:%M:%S} UTC and now"
    clears = f"{subject} of the restore after this baseline, {_WRITTEN}"
    return expect(True if good else None, subject, sentence, clears, rule="restore")


# --- what stood still meanwhile


def no_writer_stayed(found: probes.sessions.Writers, restore: Restore) -> Judgement:
    """Judge that whoever is connected and may write came after the restore."""
    subject = "sessions that may write"
    if not found.may_look:
        sentence = f"{subject}: the gate's login does not see them; GRANT pg_read_all_stats to it"
        return unable(subject, sentence, "that grant; deploy/postgres/gate_role.sql has it")
    if any(at is None for _, at in found.since):
        sentence = f"{subject}: the server hides since when some of them are connected"
        return expect(None, subject, sentence, "pg_stat_activity shown as PostgreSQL shows it")
    old = [login for login, at in found.since if at and at < restore.ended - _SAME_MOMENT]
    sentence = f"{subject}: all {len(found.since)} began after the restore"
    if old:
        began = f"{len(old)} of {len(found.since)} began before it ended, at {restore.ended:%H:%M:%S} UTC"
        who = ", ".join(sorted(set(old)))
        sentence = f"{subject}: {began}, as {who}: they could write while it ran"
    clears = "those sessions ended, and the restore done again with nobody connected"
    facts = measured("writers", len(old), 0, "sessions")
    return expect(not old, subject, sentence, clears, **facts)


def older(pods: Collection[Pod], restore: Restore) -> list[str]:
    """Return the pods that were there before a restore ended, in words; one of no known age among them."""
    there, limit = (one for one in pods if one.phase not in _OVER), restore.ended - _SAME_MOMENT
    old = [one.name for one in there if one.created_at is None or one.created_at < limit]
    return [f"{few(old)}: older than the end of the restore, {restore.ended:%H:%M:%S} UTC"] * bool(
        old
    )


def no_pod_stayed(look: Look, restore: Restore) -> Judgement:
    """Judge that every pod with the app's labels, whoever runs it, came after the restore."""
    pods = look.workload.pods
    return found(
        "pods of the app during the restore",
        older(pods, restore),
        f"all {len(pods)} were made after it",
        "the app scaled to 0 before the restore, and the restore done again",
    )


def was_silent(
    during: Sequence[Series], scrapes: float, wanted: float, now: float, restore: Restore
) -> Judgement:
    """Judge that no target of the app answered Prometheus while a backup was restored.

    `during`: the highest `up` of each target; `scrapes`: the most samples that any target at all has of
    that time, of which there have to be `wanted`; `now`: how many targets of the app answer by now.
    """
    subject = "targets of the app during the restore"
    answered = [one for one in during if one.value != 0]
    facts = measured("stopped", len(answered), 0, "targets")
    if answered:
        sentence = f"{subject}: {len(answered)} answered Prometheus, {restore.window}: the app ran"
        clears = "the app stopped before the restore, and the restore done again"
        return expect(False, subject, sentence, clears, **facts)
    if scrapes < wanted:
        why = f"Prometheus has {scrapes:g} scrapes of that time, wanted {wanted:g}"
        sentence = f"{subject}: {why}, so its silence proves nothing"
        return expect(None, subject, sentence, "a person who saw that the app was stopped", **facts)
    if not now:
        why = "none answers now either, so prometheus.job may name something else than the app"
        return expect(None, subject, f"{subject}: {why}", "the app's targets scraped", **facts)
    sentence = f"{subject}: none answered Prometheus in {scrapes:g} scrapes, {restore.window}"
    return expect(True, subject, sentence, **facts)


# --- what was restored


def asked_at(entries: Sequence[Entry]) -> dt.datetime | None:
    """Return when the last GO of phase 1.1 since the baseline was, which named the backup."""
    at = None
    for entry in entries:
        if entry.kind is Kind.BASELINE:
            at = None
        said = entry.parts.get(_ASKED_OF_THE_BACKUP, {})
        if entry.kind is Kind.ENDED and said and {*said.values()} == {Decision.GO}:
            at = entry.at
    return at


def the_backup(
    restore: Restore,
    listed: Sequence[File],
    asked_at: dt.datetime | None,
    baseline: dt.datetime,
    max_age_seconds: float,
) -> Judgement:
    """Judge that the backup restored is the one of this deployment: the newest when phase 1.1 was GO.

    Where no run of it is known, only one that is too old for any deployment of this baseline is wrong.
    """
    until = asked_at or restore.began
    wanted = next((one for one in listed if one.modified_at <= until), None)
    mine = next((one for one in listed if one.name == restore.backup), None)
    subject = f"backup {restore.backup}"
    rule = "backup restored"
    if mine is None:
        sentence = f"{subject} was restored, and is not among the backups any more"
        return expect(None, subject, sentence, "that file, as it was restored", rule=rule)
    seconds = (baseline - mine.modified_at).total_seconds()
    good: bool | None = wanted is not None and wanted.name == mine.name
    sentence = f"{subject}, of {mine.modified_at:%d %b %H:%M:%S} UTC, was restored"
    if seconds > max_age_seconds:
        good = False
        sentence += f"; it is {age(seconds)} older than the baseline"
    elif not good:
        good = False if asked_at else None
        whose = "phase 1.1 was asked about" if asked_at else "the newest before the restore is"
        sentence += "" if wanted is None else f"; {whose} {wanted.name}"
    clears = f"{wanted.name if wanted else 'the backup of this deployment'} restored"
    kept = {"backup": mine.name, "asked": asked_at and asked_at.isoformat()}
    return expect(good, subject, sentence, clears, rule=rule, data=kept)


def same_file(restore: Restore, sha256: str) -> Judgement:
    """Judge that the file is the one that was restored, byte by byte."""
    return equals(f"digest of {restore.backup}", f"sha256:{sha256}", restore.digest)


def holds_it(
    name: str, dumped: probes.dumped.DumpedTable | None, now: Count, keys_there: int, fewer: float
) -> Judgement:
    """Judge that a table holds what the backup holds: all its rows, the very ones.

    `fewer`: by which share a table may shrink, by the policy's rule. How many came since, the baseline tells.
    """
    if dumped is None:
        sentence = f"{name}: the backup holds no rows of it that could be counted"
        return expect(None, name, sentence, "a backup with its rows, by pg_dump without --inserts")
    wanted, least = len(dumped.sample), dumped.rows * (1 - fewer)
    band = Band(least, math.inf, 0)
    good = within(now.rows, now.error_rows, band) if keys_there == wanted or fewer else False
    sentence = f"{name} has {now.shown}, the backup {dumped.rows:,}"
    if keys_there != wanted:
        sentence += f"; of {wanted} keys of the backup {wanted - keys_there} are not there"
    if not good:
        sentence += f"; wanted at least {round(least):,} rows"
    clears = "the backup restored whole, into an empty database"
    facts = measured("restored", now.rows, dumped.rows, "rows")
    return expect(good, name, sentence, clears, **facts, data={"keys": wanted, "there": keys_there})


def made_anew(before: Mapping[str, Any], structure: probes.schema.Structure) -> Judgement:
    """Judge that no table of before is there still: a restore makes each anew, under another number."""
    subject, known = "the tables of before", before.get("oids", {})
    if not known:
        sentence = f"{subject}: the baseline does not number them"
        return expect(None, subject, sentence, "a baseline of this version of the gate")
    kept = [name for name, shape in structure.tables.items() if shape.oid == known.get(name)]
    return found(
        subject,
        [f"{few(kept)}: still there as before, not restored"] * bool(kept),
        f"all {len(known)} were made anew",
        "the backup restored: dropped and made again, or into a fresh database",
    )


def migrations_as_before(
    subject: str, before: Collection[str], rows: Sequence[tuple[str, bool]]
) -> Judgement:
    """Judge that the database has the baseline's migrations and no other; `rows`: name, ended well."""
    good = {name for name, succeeded in rows if succeeded}
    wrong = [f"{name} is still there" for name in sorted({name for name, _ in rows} - set(before))]
    wrong += [f"{name} is not" for name in sorted(set(before) - good)]
    fine = f"the {len(before)} of the baseline, and no other"
    if not before:
        sentence = f"{subject}: the baseline has none, so nothing tells what was restored"
        clears = "a baseline with the migrations of the version before"
        return expect(None, subject, sentence, clears)
    return found(subject, wrong, fine, "the backup from before the release's migrations restored")


# --- what runs again, and what is lost


def began_again(
    settled: Settled[Look], before: Mapping[str, Mapping[str, Any]], restore: Restore
) -> Iterator[Judgement]:
    """Judge that what ran before runs again, as many pods as then, each made after the restore."""
    look, old = settled.value, {name: was for name, was in before.items() if was["replicas"]}
    if not old:
        sentence = "the baseline has no running workload, so nothing tells how many pods there were"
        yield expect(None, "restart", sentence, "a person's word on how many there were")
        return
    now = {one.name: one.wanted for one in look.workload.deployments}
    versions = sorted({str(was["version"]) for was in old.values()})
    wrong = [f"{name} is gone" for name in sorted(old.keys() - now.keys())]
    wrong += [
        f"{name} wants {now[name]} pods, before it were {was['replicas']}"
        for name, was in old.items()
        if name in now and now[name] != was["replicas"]
    ]
    more = {name: wanted for name, wanted in now.items() if wanted and name not in old}
    wrong += [f"{name} still wants {wanted} pods" for name, wanted in more.items()]
    wrong += older(look.pods(versions), restore)
    counts = ", ".join(f"{name} with {was['replicas']}" for name, was in old.items())
    clears = "each scaled to the baseline's number, after the restore"
    yield found("restart", wrong, f"{counts} pods, as before", clears, settled.ended)
    yield running(settled, versions, sum(int(was["replicas"]) for was in old.values()))


def lost(
    restore: Restore, dumped: Mapping[str, probes.dumped.DumpedTable], tables: Mapping[str, str]
) -> Judgement:
    """Judge that what a restore lost is counted, table by table; how much it is people assess.

    `tables`: of each counted table its name with the schema.
    """
    rows: dict[str, int] = {}
    for name, whole in tables.items():
        if name.lower() in restore.before and whole in dumped:
            held = dumped[whole]
            rows[name] = restore.before[name.lower()] - held.rows - held.synthetic
    missing = sorted(tables.keys() - rows.keys())
    subject = "rows since the backup"
    told = ", ".join(f"{name} {count:,}" for name, count in rows.items())
    sentence = f"{subject}, lost by the restore: {told or 'nobody counted any'}"
    if missing:
        sentence += f"; nobody counted {', '.join(missing)} before it"
    clears = "the facts before.TABLE in the restore's evidence, counted in the database set aside"
    facts = measured("loss assessed", sum(rows.values()), None, "rows")
    good = None if missing or not tables else True
    return expect(good, subject, sentence, clears, **facts, data={"lost": rows})
