"""After a restore, by tables: the platforms that I did not write, and what must not pass on them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from gates.decide.history import Entry, Kind
from gates.decide.judgement import Judgement
from gates.decide.outcome import Decision, Outcome
from probes.files import Entry as File
from probes.kubernetes.objects import Pod
from probes.postgres.dumped import DumpedTable
from probes.postgres.schema import Structure, TableShape
from probes.postgres.sessions import Writers
from probes.prometheus import Series
from steps.data.rules import Count
from steps.kit.evidence import Evidence
from steps.rollback import restore_rules as rules
from steps.rollback.restore_rules import Restore
from tests.tables import cases

pytestmark = pytest.mark.usefixtures("judgements_said")
PASS, FAIL, OPEN, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.ERROR
NOON = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
SECOND = dt.timedelta(seconds=1)
DIGEST = f"sha256:{'1' * 64}"
RESTORE = Restore(NOON, NOON + 30 * MINUTE, "pre.dump", DIGEST, {"visits": 12, "patients": 5})
END = RESTORE.ended


def document(**changes: Any) -> Evidence:
    told = {
        "schema": 1,
        "kind": "database-restore",
        "release": "v1.2.0",
        "commit": "0f9a0f9",
        "created_at": END.isoformat(),
        "result": "passed",
        "artefacts": [{"name": "pre.dump", "digest": DIGEST}],
        "facts": {
            "began_at": NOON.isoformat(),
            "ended_at": END.isoformat(),
            "before.visits": 12,
            "before.patients": 5,
        },
        **changes,
    }
    return Evidence.model_validate(told)


def test_a_document_tells_of_a_restore() -> None:
    assert rules.restore_of("evidence", document()) == RESTORE


@cases(
    "changes",
    {
        "no time": {"facts": {"began_at": NOON.isoformat()}},
        "a time without its zone": {
            "facts": {"began_at": "2026-01-31T12:00:00", "ended_at": END.isoformat()}
        },
        "a time that is none": {"facts": {"began_at": 12, "ended_at": True}},
        "no backup": {"artefacts": []},
        "two backups": {
            "artefacts": [
                {"name": "a", "digest": DIGEST},
                {"name": "b", "digest": f"sha256:{'2' * 64}"},
            ]
        },
    },
)
def test_a_document_that_does_not_say_what_and_when_decides_nothing(
    changes: dict[str, Any],
) -> None:
    found = rules.restore_of("evidence", document(**changes))
    assert isinstance(found, Judgement)
    assert found.outcome is OPEN


@cases(
    "began ended outcome",
    {
        "between the baseline and now": (NOON, END, PASS),
        "before the baseline: of another try": (NOON - 90 * MINUTE, END, OPEN),
        "ended before it began": (END, NOON, OPEN),
        "still to come": (NOON, END + 90 * MINUTE, OPEN),
    },
)
def test_a_restore_is_of_this_deployment(
    began: dt.datetime, ended: dt.datetime, outcome: Outcome
) -> None:
    told = Restore(began, ended, "pre.dump", DIGEST, {})
    assert rules.well_timed("x", told, NOON - 60 * MINUTE, END + MINUTE).outcome is outcome


@cases(
    "writers outcome",
    {
        "nobody is connected": (Writers(may_look=True, since=()), PASS),
        "all came later": (Writers(may_look=True, since=(("app", END + SECOND),)), PASS),
        "in the second in which it ended": (Writers(may_look=True, since=(("app", END),)), PASS),
        "one has been there all the time": (
            Writers(may_look=True, since=(("app", NOON - MINUTE), ("app", END + SECOND))),
            FAIL,
        ),
        "one came while it ran": (Writers(may_look=True, since=(("psql", END - MINUTE),)), FAIL),
        "the server hides since when": (Writers(may_look=True, since=(("app", None),)), OPEN),
        "the gate sees its own sessions alone": (Writers(may_look=False, since=()), ERROR),
    },
)
def test_a_writer_that_stayed_is_seen(writers: Writers, outcome: Outcome) -> None:
    assert rules.no_writer_stayed(writers, RESTORE).outcome is outcome


def a_pod(created: dt.datetime | None, phase: str = "Running") -> Pod:
    return Pod.model_validate(
        {
            "metadata": {
                "name": "one",
                "uid": "1",
                "creationTimestamp": created and created.isoformat(),
            },
            "spec": {"containers": [{"name": "api"}]},
            "status": {"phase": phase},
        }
    )


@cases(
    "pod old",
    {
        "made after it": (a_pod(END + SECOND), 0),
        "in the second in which it ended": (a_pod(END - SECOND), 0),
        "made while it ran": (a_pod(END - MINUTE), 1),
        "of no known age": (a_pod(None), 1),
        "an old one that is over": (a_pod(NOON - MINUTE, "Succeeded"), 0),
    },
)
def test_a_pod_that_is_older_than_the_end_is_named(pod: Pod, old: int) -> None:
    assert len(rules.older([pod], RESTORE)) == old


@cases(
    "ups scrapes now outcome",
    {
        "every target was down": ([0.0, 0.0], 120, 3, PASS),
        "no target was there": ([], 120, 3, PASS),
        "one answered once": ([0.0, 1.0], 120, 3, FAIL),
        "Prometheus was down, too": ([], 0, 3, OPEN),
        "Prometheus was down half of the time": ([], 60, 3, OPEN),
        "the label is of nothing": ([], 120, 0, OPEN),
    },
)
def test_silence_counts_where_somebody_listened(
    ups: list[float], scrapes: float, now: float, outcome: Outcome
) -> None:
    during = [Series({"instance": str(n)}, value) for n, value in enumerate(ups)]
    assert rules.was_silent(during, scrapes, 96, now, RESTORE).outcome is outcome


def an_entry(kind: Kind, at: dt.datetime, **said: Decision) -> Entry:
    parts = {"1.1": said} if said else {}
    return Entry(kind, "run", at, ("eu", "us"), parts=parts, phase="1")


GO, HOLD = Decision.GO, Decision.HOLD


@cases(
    "entries at",
    {
        "nobody asked": ([an_entry(Kind.BASELINE, NOON)], None),
        "the last one that was GO": (
            [
                an_entry(Kind.BASELINE, NOON),
                an_entry(Kind.ENDED, NOON + MINUTE, eu=GO, us=GO),
                an_entry(Kind.ENDED, NOON + 2 * MINUTE, eu=GO, us=GO),
                an_entry(Kind.ENDED, NOON + 3 * MINUTE, eu=GO, us=HOLD),
            ],
            NOON + 2 * MINUTE,
        ),
        "of a try before the last baseline": (
            [an_entry(Kind.ENDED, NOON, eu=GO), an_entry(Kind.BASELINE, NOON + MINUTE)],
            None,
        ),
    },
)
def test_phase_1_named_the_backup_when_it_was_go(
    entries: list[Entry], at: dt.datetime | None
) -> None:
    assert rules.asked_at(entries) == at


def a_file(name: str, minutes: float) -> File:
    """Return a backup of so many minutes after the baseline, which is taken an hour before the restore."""
    return File(name, f"/backups/{name}", 1, NOON - 60 * MINUTE + minutes * MINUTE)


MINE, NIGHTLY, LATER = a_file("pre.dump", 5), a_file("night.dump", -480), a_file("later.dump", 40)


@cases(
    "listed restored asked outcome",
    {
        "the one that phase 1 was asked about": ([LATER, MINE, NIGHTLY], "pre.dump", 10, PASS),
        "a later one": ([LATER, MINE, NIGHTLY], "later.dump", 10, FAIL),
        "last night's": ([MINE, NIGHTLY], "night.dump", 10, FAIL),
        "last night's, and nobody knows of phase 1": (
            [MINE, NIGHTLY],
            "night.dump",
            None,
            FAIL,
        ),
        "the newest, and nobody knows of phase 1": ([MINE, NIGHTLY], "pre.dump", None, PASS),
        "an earlier one, and nobody knows of phase 1": (
            [LATER, MINE, NIGHTLY],
            "pre.dump",
            None,
            OPEN,
        ),
        "one that is not there any more": ([MINE, NIGHTLY], "gone.dump", 10, OPEN),
        "last night's is the newest that there is": ([NIGHTLY], "night.dump", None, FAIL),
    },
)
def test_the_backup_is_the_one_of_this_deployment(
    listed: list[File], restored: str, asked: float | None, outcome: Outcome
) -> None:
    told = Restore(NOON, END, restored, DIGEST, {})
    baseline = NOON - 60 * MINUTE
    at = None if asked is None else baseline + asked * MINUTE
    assert rules.the_backup(told, listed, at, baseline, 7200.0).outcome is outcome


def held(rows: int, keys: int) -> DumpedTable:
    return DumpedTable(rows=rows, sample=[(-n, str(n).encode()) for n in range(keys)])


@cases(
    "dumped now there outcome",
    {
        "all of it": (held(100, 10), 100, 10, PASS),
        "and what was written since": (held(100, 10), 130, 10, PASS),
        "a row short": (held(100, 10), 99, 10, FAIL),
        "as many rows, and others": (held(100, 10), 100, 9, FAIL),
        "none of none": (held(0, 0), 0, 0, PASS),
        "not in the backup": (None, 100, 0, OPEN),
    },
)
def test_a_table_holds_what_the_backup_holds(
    dumped: DumpedTable | None, now: int, there: int, outcome: Outcome
) -> None:
    assert rules.holds_it("visits", dumped, Count(now), there, 0.0).outcome is outcome


@cases(
    "known outcome",
    {
        "other tables under the old names": ({"public.visits": 8}, PASS),
        "the very table of before": ({"public.visits": 7}, FAIL),
        "a baseline that numbers none": ({}, OPEN),
    },
)
def test_a_table_that_was_never_dropped_is_not_restored(
    known: dict[str, int], outcome: Outcome
) -> None:
    structure = Structure({"public.visits": TableShape(("id",), "f", oid=7)}, ())
    assert rules.made_anew({"oids": known}, structure).outcome is outcome


@cases(
    "before rows outcome",
    {
        "as before": (["a", "b"], [("a", True), ("b", True)], PASS),
        "one of the release": (["a"], [("a", True), ("b", True)], FAIL),
        "one of the release that failed": (["a"], [("a", True), ("b", False)], FAIL),
        "one of before is missing": (["a", "b"], [("a", True)], FAIL),
        "nobody knows what was there": ([], [("a", True)], OPEN),
    },
)
def test_the_migrations_are_those_of_before(
    before: list[str], rows: list[tuple[str, bool]], outcome: Outcome
) -> None:
    assert rules.migrations_as_before("migrations", before, rows).outcome is outcome


@cases(
    "dumped outcome rows",
    {
        "counted before and in the backup": (
            {"visits": held(9, 0), "patients": held(5, 0)},
            PASS,
            3,
        ),
        "a table that the backup lacks": ({"visits": held(9, 0)}, OPEN, 3),
    },
)
def test_what_was_lost_is_counted_by_table(
    dumped: dict[str, DumpedTable], outcome: Outcome, rows: int
) -> None:
    found = rules.lost(RESTORE, dumped, {"visits": "visits", "patients": "patients"})
    assert (found.outcome, found.observed) == (outcome, rows)
    assert "visits 3" in found.sentence


@pytest.mark.parametrize("tables", [{}, {"Visits": "visits", "invoices": "invoices"}])
def test_a_loss_that_nobody_counted_is_not_assessed(tables: dict[str, str]) -> None:
    dumped = {"visits": held(9, 0), "invoices": held(1, 0)}
    assert rules.lost(RESTORE, dumped, tables).outcome is OPEN
