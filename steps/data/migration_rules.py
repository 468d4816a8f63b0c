"""Prisma's migrations: what the release ships against what the database says of them."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from gates.decide.judgement import Judgement
from probes.files import Content
from probes.git import TaggedFiles
from settings.data import MigrationLogPolicy
from steps.kit.expect import expect, measured, nothing_to_judge

if TYPE_CHECKING:
    from probes.postgres.sessions import Row

_SCRIPT = "migration.sql"
_CLOCKS_DIFFER = dt.timedelta(seconds=2)
"""By so much the clocks of the database and of the log's writer may differ."""


Released = Mapping[str, Sequence[str]]
"""The checksums of each migration that the release ships, by its name."""


def scripts_of(found: TaggedFiles, folder: str) -> dict[str, bytes]:
    """Return the scripts of the migrations among the files of a tag, by name: one in each folder."""
    names = re.compile(rf"{re.escape(folder.strip('/'))}/([^/]+)/{_SCRIPT}")
    matches = ((names.fullmatch(path), data) for path, data in sorted(found.files.items()))
    return {match[1]: data for match, data in matches if match}


def checksums(script: bytes) -> list[str]:
    """Return every checksum, in hex, that Prisma takes for a script's: first its sha256.

    Line ends of Windows and Unix are one to it, and older versions dropped the zero of a small byte.
    """
    unix, windows = script.replace(b"\r\n", b"\n"), script.replace(b"\n", b"\r\n")
    digests = [hashlib.sha256(one) for one in (script, unix, windows)]
    unpadded = ["".join(f"{byte:x}" for byte in one.digest()) for one in digests]
    return [*(one.hexdigest() for one in digests), *unpadded]


def current(rows: Sequence[Row]) -> dict[str, Row]:
    """Return the row that counts for each name: a failed one first, else the newest not rolled back."""
    kept: dict[str, Row] = {}
    for row in rows:
        known = kept.get(row.name)
        if known is None or _weight(row) >= _weight(known):
            kept[row.name] = row
    return kept


def _weight(row: Row) -> int:
    # A rolled back row counts only where there is no other; a failed one hides behind nothing.
    return 0 if row.rolled_back_at is not None else 1 if row.succeeded else 2


def judged(
    released: Released, rows: Sequence[Row], declared_applied: Collection[str]
) -> tuple[Judgement, ...]:
    """Judge every migration of the release and of the database; each finding names its migration."""
    found = current(rows)
    squashed = _squashed(found, released, declared_applied)
    problems = {
        name: _problem(name, sums, found.get(name), declared_applied)
        for name, sums in released.items()
    } | {
        name: _STRANGER
        for name, row in found.items()
        if name not in {*released, *squashed} and row.rolled_back_at is None
    }
    bad = [_bad(name, *problem) for name, problem in problems.items() if problem is not None]
    return tuple(bad) or (_all_well(len(released), len(squashed)),)


_STRANGER = (
    "is in the database, but not in the release: another branch or a newer release ran it",
    "the release that ships it, or that migration taken back",
)


def _squashed(
    found: Mapping[str, Row], shipped: Collection[str], declared_applied: Collection[str]
) -> set[str]:
    """Return what a squash left: it ended before a migration that was declared applied in its place."""
    declared_at = [
        row.started_at
        for name, row in found.items()
        if name in shipped and name in declared_applied and row.never_ran and row.started_at
    ]
    return {
        name
        for name, row in found.items()
        if name not in shipped
        and row.succeeded
        and any(row.finished_at and row.finished_at <= moment for moment in declared_at)
    }


def _problem(
    name: str, sums: Sequence[str], row: Row | None, declared_applied: Collection[str]
) -> tuple[str, str] | None:
    """Return what is wrong with a migration of the release, and what clears it; None when nothing is."""
    run_again = "`prisma migrate deploy` having applied it"
    if row is None:
        return "is in the release, but was not applied", run_again
    if row.failed:
        resolve = "fix it, `prisma migrate resolve`, then `prisma migrate deploy` again"
        return f"failed: it began at {_time(row.started_at)} and never finished", resolve
    if row.rolled_back_at is not None:
        return f"was rolled back at {_time(row.rolled_back_at)} and not applied again", run_again
    if row.checksum not in sums:
        both = f"applied with checksum {row.checksum[:12]}…, the release has {sums[0][:12]}…"
        return (
            f"was edited after the release: {both}",
            "the script that was applied back in the release, and the change in a new migration",
        )
    if row.never_ran and name not in declared_applied:
        return (
            "was declared applied (`prisma migrate resolve --applied`) and never ran",
            "it applied, or examined and named under data.migrations.declared_applied",
        )
    return None


def _bad(name: str, what: str, clears: str) -> Judgement:
    figures = {**measured("migration applied", name), "data": {"migration": name}}
    return expect(False, name, f"migration {name} {what}", clears, **figures)


def _all_well(released: int, squashed: int) -> Judgement:
    subject, rule = "migrations", "migration applied"
    if not released:
        sentence = "the release ships no migration at all; is data.migrations.folder right?"
        clears = "the folder that holds the release's migrations"
        return expect(None, subject, sentence, clears, rule=rule)
    sentence = f"all {released} migrations of the release are applied, unchanged, and no other"
    if squashed:
        sentence += f" but {squashed} older ones that a squash replaced"
    return expect(True, subject, sentence, **measured(rule, released, released))


def version_judged(
    released: Released, rows: Sequence[Row], declared_applied: Collection[str]
) -> Judgement:
    """Judge that the last migration that ended well is the last one of the release."""
    wanted = max(released, default=None)
    known = current(rows)
    squashed = _squashed(known, released, declared_applied)
    ended_well = (name for name, row in known.items() if row.succeeded and name not in squashed)
    found = max(ended_well, default=None)
    good = wanted is not None and found == wanted
    sentence = f"the schema is at {found or 'no migration'}"
    return expect(
        good,
        "schema version",
        sentence if good else f"{sentence}, the release wants {wanted or 'some migration'}",
        f"{wanted} applied, and nothing after it",
        **measured("schema version", found, wanted),
    )


def logs_judged(rows: Sequence[Row], *, told: bool) -> Judgement:
    """Judge whether Prisma logged an error for a migration that counts; its words are never read.

    `told`: the environment names a column that says so; if not, another source has to.
    """
    counting = [row for row in rows if row.rolled_back_at is None]
    known = [row for row in counting if row.has_logs is not None]
    bad = sorted({row.name for row in counting if row.has_logs or row.failed})
    subject, rule = "Prisma's logs", "no logged error"
    if not bad and (not counting or (told and len(known) < len(counting))):
        sentence = "data.migrations.has_logs_column says neither yes nor no of every migration"
        if not counting:
            sentence = "the database notes no migration, so its errors are unknown"
        clears = "a view like that of deploy/postgres/gate_role.sql, over Prisma's own table"
        return expect(None, subject, sentence, clears, rule=rule)
    sentence = f"Prisma logged no error for any of {len(counting)} migrations"
    if bad:
        sentence = (
            f"Prisma logged an error for {', '.join(bad)}; read _prisma_migrations.logs there"
        )
    elif len(known) < len(counting):
        sentence = "no migration is unfinished; whether Prisma logged errors is unknown"
    return expect(
        not bad,
        subject,
        sentence,
        "the migration fixed and applied",
        **measured(rule, len(bad), 0),
        data={"migrations": bad},
    )


def still_running(*, time_up: bool, waited: str, seen: bool) -> Judgement:
    """Return what a running migration means; `seen`: that its session migrates can be seen."""
    more, clears = "", "the migration ended; then run again"
    if not seen:
        more = ", and what that session does is hidden from the gate"
        clears = "GRANT pg_read_all_stats TO the gate's login; then run again"
    sentence = f"a migration still runs{waited}: a session holds Prisma's lock{more}"
    good = False if time_up and seen else None
    return expect(good, "migrations", sentence, clears, rule="migration settled")


def held_idle() -> Judgement:
    """Return the PASS of a lock that an idle session holds."""
    sentence = (
        "no migration runs: an idle session holds Prisma's lock, so the next one will wait for it"
    )
    return expect(True, "migrations", sentence, rule="migration settled")


def without_a_log(*, told: bool) -> Judgement:
    """Return what is known without a log: what `has_logs_column` says is another sentence's, if any."""
    if told:
        return nothing_to_judge("migration log", "the environment names has_logs_column instead")
    sentence = (
        "nothing says whether an error was logged: the environment names neither "
        "data.migrations.log nor has_logs_column"
    )
    return expect(None, "migration log", sentence, "one of them in the environment")


def log_judged(log: Content, policy: MigrationLogPolicy, name: str, last: Row | None) -> Judgement:
    """Judge a migration log; its lines may quote data, so only their numbers are told.

    It has to say that it succeeded, and to be written after the release's last migration, `name`, ended.
    """
    subject = rule = "migration log"
    lines = log.data.decode("utf-8", "replace").splitlines()
    bad = [number for number, line in enumerate(lines, start=1) if _matches(line, policy.errors)]
    if bad:
        shown = ", ".join(map(str, bad[:5])) + (", …" if len(bad) > 5 else "")  # noqa: PLR2004 - enough to find it
        return expect(
            False,
            subject,
            f"the migration log has {len(bad)} lines that report an error: line {shown}",
            "the migration fixed and run again",
            **measured(rule, len(bad), 0),
        )
    ran_at = None if last is None else last.finished_at
    if ran_at is None or log.modified_at < ran_at - _CLOCKS_DIFFER:
        sentence = f"the migration log is of another run: it is from {log.modified_at:%d %b %H:%M:%S} UTC, "
        sentence += f"{name} ran later" if ran_at else f"and {name} has not ended"
        return expect(None, subject, sentence, f"the log of the run that applied {name}")
    ended = any(_matches(line, policy.success) for line in lines)
    sentence = "the migration log breaks off: it does not say that the migrations were applied"
    if ended:
        sentence = f"the migration log has {len(lines)} lines and no error"
    return expect(ended, subject, sentence, "a log that says how the run ended", rule=rule)


def _matches(line: str, patterns: Sequence[str]) -> bool:
    return any(re.search(pattern, line) for pattern in patterns)


def _time(moment: dt.datetime | None) -> str:
    return "an unknown time" if moment is None else f"{moment.astimezone(dt.UTC):%H:%M:%S} UTC"
