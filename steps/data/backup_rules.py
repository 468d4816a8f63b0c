"""Backups: one of this deployment is there, as big as the others, in both places, and restorable."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import probes
from gates.decide.judgement import Judgement
from probes.files import Entry
from probes.observation import FailureKind, utc_now
from settings.data import Data
from steps.data.reads import DataSystem
from steps.kit import failures
from steps.kit.check import Check
from steps.kit.expect import expect
from steps.kit.platform import Platform
from steps.kit.units import age, megabytes

_MEGABYTE = 1024 * 1024
_CLOCKS_DIFFER_SECONDS = 120.0
_LONGEST_DUMP = dt.timedelta(days=1)
"""Between a dump's beginning and its file's time; its clock may be of any time zone."""
_READ_SECONDS = 60.0
"""Reading a whole backup may take longer than an ordinary call."""


@dataclasses.dataclass(frozen=True, slots=True)
class BackupFolder:
    """The backups that are there, the newest first, and the time at which that was so."""

    system: DataSystem
    entries: tuple[Entry, ...] | None
    """None when they could not be listed, which is judged already."""
    at: dt.datetime

    @classmethod
    def look(cls, platform: Platform, check: Check) -> BackupFolder:
        """List the backups, and judge it when that is not possible."""
        system = DataSystem(platform, check)
        place = system.backups
        observed = probes.files.listing(
            place.location, place.pattern, deadline=platform.call_deadline()
        )
        system.keep(observed)
        if observed.value is not None:
            return cls(system, observed.value.entries, utc_now())
        failure = failures.failure_of(observed)
        gone = failure.kind is FailureKind.UNUSABLE_ANSWER
        judged = failures.subject_wrong if gone else failures.instrument_error
        system.judge(judged("the backup folder", failure))
        return cls(system, None, utc_now())

    @property
    def newest(self) -> Entry | None:
        """The newest backup."""
        return self.entries[0] if self.entries else None

    def of_this_deployment(self) -> None:
        """Judge that there is a backup as young as one made for this deployment."""
        self._young(self.system.policy.backups.of_this_deployment, "a backup of this deployment")

    def recent(self) -> None:
        """Judge that the newest backup is no older than one may be before a deployment."""
        self._young(self.system.policy.backups.max_age, "a recent backup")

    def readable(self) -> None:
        """Judge that the newest backup can be read, to its end if it is no giant, and holds all tables."""
        system, newest = self.system, self.newest
        most_bytes = system.policy.backups.read_whole_up_to_mb * _MEGABYTE
        if newest is None:
            return
        observed = probes.backup.contents(
            newest.address,
            system.backups.pg_restore,
            whole=newest.size <= most_bytes,
            deadline=system.platform.deadline.sooner(_READ_SECONDS),
        )
        system.keep(observed)
        if observed.value is None:
            system.judge(system.unreadable(f"backup {newest.name}", observed))
            return
        system.judge(_read(newest, observed.value))
        if observed.value.listed:
            self._of_this_database(newest, observed.value)

    def _of_this_database(self, newest: Entry, contents: probes.backup.Contents) -> None:
        """Judge what the backup says of itself: whose it is, when it was begun, and what it holds."""
        if contents.created_at is not None:
            self.system.judge(_made(newest, contents.created_at))
        login = self.system.platform.postgres()
        if login is not None and contents.database not in {None, login.database}:
            self._named_otherwise(newest, contents.database)
        lacking: Sequence[str] | None = _lacking(contents.tables, _existing(self.system.section))
        if login is not None and lacking:
            lacking = self._not_in_partitions(lacking, contents.tables)
        if lacking is not None:
            self.system.judge(_holds(newest, contents.tables, lacking))

    def _named_otherwise(self, newest: Entry, dumped: str | None) -> None:
        """Judge the name of the dumped database by the server's own: a pool may have another."""
        system = self.system
        deadline = system.platform.call_deadline()
        observed = probes.postgres.server_state(system.login, deadline=deadline)
        system.keep(observed)
        if observed.value is None:
            system.judge(system.unreadable("the database's own name", observed))
        elif observed.value.database != dumped:
            system.judge(_of_another(newest, dumped, observed.value.database))

    def _not_in_partitions(
        self, lacking: Sequence[str], found: Sequence[str]
    ) -> Sequence[str] | None:
        """Return what is still lacking if rows lie in partitions; None where that can't be told."""
        system = self.system
        observed = probes.schema.partitions(
            system.login, lacking, deadline=system.platform.call_deadline()
        )
        system.keep(observed)
        if observed.value is None:
            system.judge(system.unreadable("the partitions of tables", observed))
            return None
        parts = observed.value.with_rows
        return _lacking(found, [part for name in lacking for part in parts.get(name, (name,))])

    def of_usual_size(self) -> None:
        """Judge the newest backup's size against the median of the earlier ones."""
        policy = self.system.policy.backups
        if not self._any():
            return
        newest, *others = self.entries or ()
        earlier = [one.size for one in others[: policy.compared_with]]
        self.system.judge(_size(newest, earlier, policy.size_tolerance))

    def where_it_belongs(self) -> None:
        """Judge that the newest backup is of this deployment, lies there, and has its copy apart."""
        self.of_this_deployment()
        system, newest = self.system, self.newest
        place = system.backups.kept_apart
        if newest is None or place is None:
            return
        observed = probes.files.listing(
            place, system.backups.pattern, deadline=system.platform.call_deadline()
        )
        system.keep(observed)
        if observed.value is None:
            system.judge(system.unreadable(f"the copies in {place}", observed))
            return
        copies = {one.name: one.size for one in observed.value.entries}
        system.judge(_copy(newest, copies.get(newest.name), place))

    def restored_a_week_before(self) -> None:
        """Judge the last restore test as a week before the deployment wants it."""
        self._restore_test(self.system.policy.restore_test.max_age)

    def restored_the_day_before(self) -> None:
        """Judge the last restore test as the day before the deployment wants it."""
        self._restore_test(self.system.policy.restore_test.max_age_day_before)

    def _restore_test(self, max_age_seconds: float) -> None:
        system = self.system
        location = system.backups.restore_test
        if location is None:
            system.judge(_no_restore_test("the environment names no data.backups.restore_test"))
            return
        observed = probes.files.content(location, deadline=system.platform.call_deadline())
        system.keep(observed)
        if observed.value is not None:
            system.judge(*restore_judged(observed.value.data, self.at, max_age_seconds))
            return
        failure = failures.failure_of(observed)
        if failure.kind is FailureKind.UNUSABLE_ANSWER:
            system.judge(_no_restore_test(failure.detail.removesuffix(".")))
        else:
            system.judge(system.unreadable("the restore test's result", observed))

    def _any(self) -> bool:
        """Tell whether there is a backup; judges that there is none."""
        if self.entries == ():
            self.system.judge(_none_at_all(self.system.backups.location))
        return bool(self.entries)

    def _young(self, limit_seconds: float, what: str) -> None:
        newest = self.newest
        if not self._any() or newest is None:
            return
        seconds = (self.at - newest.modified_at).total_seconds()
        self.system.judge(_age(newest, seconds, limit_seconds, what))


def _none_at_all(location: str) -> Judgement:
    return expect(
        good=False,
        rule="backup",
        subject="backup",
        sentence=f"there is no backup in {location}",
        clears=f"a finished backup in {location}",
    )


def _age(newest: Entry, seconds: float, limit_seconds: float, what: str) -> Judgement:
    future = seconds < -_CLOCKS_DIFFER_SECONDS
    found = f"{age(-seconds)} in the future" if future else f"{age(max(0.0, seconds))} old"
    return expect(
        good=not future and seconds <= limit_seconds,
        rule="backup age",
        subject="backup",
        sentence=f"the newest backup, {newest.name}, is {found}, wanted {what}: "
        f"at most {age(limit_seconds)} old",
        clears="a backup made now",
        observed=round(seconds),
        target=limit_seconds,
        unit="s",
        data={"backup": newest.name},
    )


def _read(newest: Entry, contents: probes.backup.Contents) -> Judgement:
    good = contents.listed and contents.whole is not False and contents.ends is not False
    found = "can be read to its end"
    if contents.ends:
        found = "has a readable table of contents and ends as a dump does"
    if not contents.listed:
        found = "is damaged: pg_restore can't read its table of contents"
    elif contents.whole is False:
        found = "is damaged: pg_restore can't read it to its end"
    elif contents.ends is False:
        found = "is damaged: it breaks off, or is still being written"
    return expect(
        good=good,
        rule="backup readable",
        subject=f"backup {newest.name}",
        sentence=f"backup {newest.name} {found}",
        clears="a backup that pg_restore reads without an error",
        data={"sha256": contents.sha256},
    )


def _existing(section: Data) -> tuple[str, ...]:
    """Return the tables that are older than the release: those with rows to compare."""
    return tuple(name for name, table in section.tables.items() if table.counted is not None)


def _made(newest: Entry, begun: dt.datetime) -> Judgement:
    """Judge that the file is no copy of an older backup, which makes it look young."""
    good = newest.modified_at - begun <= _LONGEST_DUMP
    return expect(
        good=good,
        rule="backup made",
        subject=f"backup {newest.name}",
        sentence=f"backup {newest.name} was begun on {begun:%d %b %Y} and written "
        + ("then" if good else f"on {newest.modified_at:%d %b %Y}: it is a copy of an old one"),
        clears="a backup made now",
    )


def _of_another(newest: Entry, dumped: str | None, wanted: str) -> Judgement:
    return expect(
        good=False,
        rule="backup of this database",
        subject=f"backup {newest.name}",
        sentence=f"backup {newest.name} is of the database {dumped}, wanted {wanted}",
        clears=f"a backup of {wanted}, and those of other databases in another folder",
        observed=dumped,
        target=wanted,
    )


def _lacking(found: Sequence[str], wanted: Sequence[str]) -> list[str]:
    return sorted({probes.schema.qualified(name) for name in wanted} - set(found))


def _holds(newest: Entry, found: Sequence[str], lacking: Sequence[str]) -> Judgement:
    return expect(
        good=bool(found) and not lacking,
        rule="backup complete",
        subject=f"backup {newest.name}",
        sentence=f"backup {newest.name} holds the rows of {len(found)} tables"
        + (f", but not of {', '.join(lacking)}" if lacking else ""),
        clears="a backup of the whole database",
        observed=len(found),
        data={"missing": [*lacking]},
    )


def _size(newest: Entry, earlier: list[int], tolerance: float) -> Judgement:
    if newest.size == 0:
        return expect(
            good=False,
            rule="backup size",
            subject=f"backup {newest.name}",
            sentence=f"backup {newest.name} is empty",
            clears="a backup that holds something",
            observed=0,
        )
    if not earlier:
        return expect(
            None,
            f"backup {newest.name}",
            f"backup {newest.name} has {megabytes(newest.size)}, and there is no earlier one to "
            "compare it with",
            "an earlier backup in the same folder, or a person's word for the size",
        )
    usual = statistics.median(earlier)
    least, most = usual * (1 - tolerance), usual * (1 + tolerance)
    return expect(
        good=least <= newest.size <= most,
        rule="backup size",
        subject=f"backup {newest.name}",
        sentence=f"backup {newest.name} has {megabytes(newest.size)}, the median of the "
        f"{len(earlier)} before it is {megabytes(usual)}; wanted {megabytes(least)} to {megabytes(most)}",
        clears="a backup of the usual size, or the reason why the database grew or shrank",
        observed=newest.size,
        target=usual,
        unit="bytes",
        data={"compared_with": len(earlier), "least": least, "most": most},
    )


def _copy(newest: Entry, copied: int | None, place: str) -> Judgement:
    found = (
        f"has {megabytes(copied)} of {megabytes(newest.size)}"
        if copied is not None
        else "is missing"
    )
    good = copied == newest.size
    return expect(
        good=good,
        rule="backup copy",
        subject=f"backup {newest.name}",
        sentence=f"the copy of {newest.name} in {place} {'is there' if good else found}",
        clears=f"the whole backup copied to {place}",
        observed=copied,
        target=newest.size,
        unit="bytes",
    )


def _no_restore_test(why: str) -> Judgement:
    return expect(
        None,
        "restore test",
        f"no restore test is known: {why}",
        "a backup restored into a scratch database, compared, and its result written there",
    )


def restore_judged(data: bytes, now: dt.datetime, max_age_seconds: float) -> tuple[Judgement, ...]:
    """Judge the evidence of a restore test: its result and its age; a damaged file decides nothing."""
    try:
        said = json.loads(data)
        finished = dt.datetime.fromisoformat(said["finished_at"])
        seconds = (now - finished).total_seconds()
        result, backup = str(said["result"]), str(said["backup"])
        short = _short_tables(said.get("tables", {}))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return (
            expect(
                None,
                "restore test",
                "the restore test's result is damaged: it needs result, backup and finished_at with "
                "its time zone; tables, where it is there, needs before and restored of each",
                "the file as docs/platform-contract.md describes it",
            ),
        )
    return (_restored(result, said, short), _restored_lately(seconds, max_age_seconds, backup))


def _restored(result: str, said: Mapping[str, Any], short: Sequence[str]) -> Judgement:
    good = result == "passed" and not short
    words = "passed" if good else "failed"
    return expect(
        good=good,
        rule="restore test",
        subject="restore test",
        sentence=f"the last restore test {words}"
        + (f": rows were missing in {', '.join(short)}" if short else ""),
        clears="a restore test that passes",
        observed=words,
        target="passed",
        data={"sha256": str(said.get("sha256"))[:64], "missing_rows_in": list(short)},
    )


def _short_tables(tables: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return the tables that came back with fewer rows than they had; raises for another form."""
    return sorted(
        name for name, counts in tables.items() if int(counts["restored"]) < int(counts["before"])
    )


def _restored_lately(seconds: float, max_age_seconds: float, backup: str) -> Judgement:
    future = seconds < -_CLOCKS_DIFFER_SECONDS
    found = f"{age(-seconds)} in the future" if future else f"{age(max(0.0, seconds))} ago"
    return expect(
        good=not future and seconds <= max_age_seconds,
        rule="restore test age",
        subject="restore test",
        sentence=f"the last restore test, of {backup[:80]}, was {found}, wanted within "
        f"{age(max_age_seconds)}",
        clears="a restore test of a backup made lately",
        observed=round(seconds),
        target=max_age_seconds,
        unit="s",
    )
