"""Every way in which the rules of the data judge; `tests.gates.decide.test_said` keeps what they say."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

from gates.decide.judgement import Judgement
from gates.load import load_policy
from probes.files import Content, Entry
from probes.postgres.backup import Contents
from probes.postgres.rows import MAX_ORPHANS, Counted, Orphans, Sampled
from probes.postgres.schema import ForeignKey, Structure, TableShape, Unfinished
from probes.postgres.sessions import Row, Sessions, Standby
from settings.data import Reference, Table
from steps.data import backup_rules, migration_rules, rules, schema_rules
from steps.kit.baseline import Before

NOON = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
HOUR, MEGABYTE = 3600.0, 1024 * 1024
NEWEST = Entry("x.dump", "/backups/x.dump", 2_000_000, NOON)
WHOLE = Contents(("public.visits",), listed=True, whole=True, sha256="a1")
VISITS = Reference(table="visits", column="patient_id", to_table="patients")
KEY = ForeignKey(
    name="key",
    table="public.visits",
    to_table="public.patients",
    columns=("clinic_id", "patient_id"),
    validated=True,
    enforced=True,
    triggers=True,
)
POLICY = load_policy().data
ONE = "20260101_one"
SHIPPED = {ONE: ("a" * 64, "b" * 64)}
GOOD = Row(ONE, "a" * 64, NOON - dt.timedelta(seconds=1), NOON, steps=1, has_logs=False)
BY_HAND = dataclasses.replace(GOOD, started_at=NOON, steps=0)
FAILED = dataclasses.replace(GOOD, finished_at=None)
TAKEN_BACK = dataclasses.replace(GOOD, rolled_back_at=NOON)


def applied(name: str, **changes: Any) -> Row:
    return dataclasses.replace(GOOD, name=name, **changes)


def backups() -> Iterator[Judgement]:
    yield backup_rules.none_at_all("/backups")
    for seconds in (-121, -120, 2 * HOUR, 2 * HOUR + 1):
        yield backup_rules.young_enough(NEWEST, seconds, 2 * HOUR, "a recent backup")
    for contents in (
        WHOLE,
        dataclasses.replace(WHOLE, whole=False),
        dataclasses.replace(WHOLE, listed=False),
        dataclasses.replace(WHOLE, whole=None, ends=True),
        dataclasses.replace(WHOLE, whole=None, ends=False),
    ):
        yield backup_rules.can_be_read(NEWEST, contents)
    for hours in (0, 23, 24, 25):
        yield backup_rules.begun_lately(NEWEST, NOON - dt.timedelta(hours=hours))
    yield backup_rules.of_another(NEWEST, "staging", "clinic")
    for found, lacking in (
        (WHOLE.tables, ()),
        ((), ()),
        (WHOLE.tables, backup_rules.lacking(WHOLE.tables, ("b.x", "visits", "a"))),
    ):
        yield backup_rules.holds(NEWEST, found, lacking)
    sizes = (0, 99_999, 100_000, 300_000, 300_001)
    for size, earlier in (
        (2_000_000, []),
        *((size, [100_000, 200_000, 900_000]) for size in sizes),
    ):
        newest = dataclasses.replace(NEWEST, size=size)
        yield backup_rules.of_usual_size(newest, earlier, 0.5)
    for copy in (None, 5, NEWEST.size):
        yield backup_rules.copied(NEWEST, copy, "s3://apart")
    yield from restore_tests()


def restore_tests() -> Iterator[Judgement]:
    yield backup_rules.no_restore_test("nobody wrote it")
    good = {"result": "passed", "backup": "x.dump", "sha256": "a1", "finished_at": "2026-01-31T11Z"}
    short = {"visits": {"before": 3, "restored": 2}, "logs": {"before": 3, "restored": 3}}
    changed: list[dict[str, Any]] = [
        {},
        {"finished_at": "2026-01-24T12Z"},
        {"finished_at": "2026-01-24T11:59:59Z"},
        *({"finished_at": f"2026-01-31T{at}Z"} for at in ("11:59", "12:02", "12:02:01")),
        {"finished_at": "2026-01-31T11"},
        {"result": "failed"},
        {"tables": short},
        {"tables": []},
        {"tables": {"visits": {"before": 3}}},
        {"tables": {"visits": {"before": "many", "restored": 3}}},
    ]
    for changes in changed:
        yield from backup_rules.restored(json.dumps({**good, **changes}).encode(), NOON, 168 * HOUR)
    huge = '{{"result": "", "backup": "", "finished_at": "2026-01-31T11Z", "tables": {}}}'
    tables = '{"visits": {"before": 3, "restored": 1e999}}'
    for text in ("[]", '{"result": "passed"}', huge.format(tables), "[" * 100_000):
        yield from backup_rules.restored(text.encode(), NOON, HOUR)


def migrations() -> Iterator[Judgement]:
    other = applied("20260201_two")
    old = applied("20250101_old", finished_at=NOON - dt.timedelta(hours=1))
    for rows, declared in (
        ([], ()),
        ([GOOD], ()),
        ([TAKEN_BACK, GOOD, applied("20250101_gone", rolled_back_at=NOON)], ()),
        ([GOOD, TAKEN_BACK], ()),
        ([applied(ONE, checksum="b" * 64)], ()),
        ([applied(ONE, checksum="c" * 64)], ()),
        ([FAILED, GOOD], ()),
        ([applied(ONE, started_at=None, finished_at=None)], ()),
        ([TAKEN_BACK], ()),
        ([BY_HAND], ("another",)),
        ([applied(ONE, steps=0)], ()),
        ([applied(ONE, started_at=NOON, steps=None)], ()),
        ([GOOD, other], ()),
        ([old, BY_HAND], (ONE,)),
        ([old, BY_HAND, applied("20250301_branch", finished_at=NOON + dt.timedelta(1))], (ONE,)),
        ([applied("20250301_broke", finished_at=None), old, BY_HAND], (ONE,)),
        ([old, BY_HAND], ()),
    ):
        yield from migration_rules.judged(SHIPPED, rows, declared)
        yield migration_rules.version_judged(SHIPPED, rows, declared)
    yield from migration_rules.judged({}, [], ())
    yield migration_rules.version_judged({}, [], ())
    untold = applied("2", has_logs=None)
    logged = applied("3", has_logs=True)
    for rows in (
        [GOOD],
        [untold],
        [GOOD, untold],
        [logged, GOOD, applied("a", finished_at=None, has_logs=None)],
        [GOOD, applied("3", has_logs=True, rolled_back_at=NOON)],
        [],
        [TAKEN_BACK],
    ):
        for told in (True, False):
            yield migration_rules.logs_judged(rows, told=told)
    yield from migration_logs()
    yield migration_rules.held_idle()
    yield from (migration_rules.without_a_log(told=told) for told in (True, False))
    for time_up, seen in ((True, True), (True, False), (False, True)):
        yield migration_rules.still_running(time_up=time_up, waited=" after 5 s", seen=seen)


def migration_logs() -> Iterator[Judgement]:
    assert POLICY is not None
    done = "have been successfully applied"
    for text, at, last in (
        (done, NOON, GOOD),
        ("No pending migrations to apply", NOON - dt.timedelta(seconds=2), GOOD),
        (done, NOON - dt.timedelta(seconds=3), GOOD),
        (done, NOON, FAILED),
        (done, NOON, None),
        ("Applying", NOON, GOOD),
        (f"{done}\nError: sentinel\n", NOON, GOOD),
        ("Error:\n" * 6, NOON, GOOD),
    ):
        log = Content(text.encode(), at)
        yield migration_rules.log_judged(log, POLICY.migration_log, ONE, last)


def schema() -> Iterator[Judgement]:
    shapes = {f"public.{name}": TableShape(("id", "day"), "new", ("by_day",)) for name in "abc"}
    now = Structure(shapes, (), ())
    for name, columns in (("a", ("id",)), ("a", ("id", "x", "y")), ("d", ("id",))):
        yield schema_rules.table_there(name, Table(columns=columns), now)
    loose = [
        dataclasses.replace(KEY, validated=False),
        dataclasses.replace(KEY, enforced=False),
        dataclasses.replace(KEY, name="off", triggers=False),
    ]
    undeclared = VISITS.model_copy(update={"declared": False})
    for keys, wanted in (
        ([KEY], [VISITS]),
        (loose, []),
        ([KEY], [VISITS.model_copy(update={"column": "doctor_id"})]),
        ([], [undeclared]),
        ([], []),
    ):
        yield from schema_rules.keys_hold(keys, wanted)
    tables = {"public.a": "new", "public.b": "old", "public.gone": "old"}
    before: dict[str, Any] = {"tables": tables, "indexes": {"public.gone": ["by_name"]}}
    for scripts in (
        [],
        ["ALTER TABLE b", "CREATE TABLE c", "drop index by_name"],
        ["ALTER TABLE b2"],
    ):
        yield schema_rules.no_drift(before, now, scripts, "the baseline")
    yield schema_rules.no_drift({"tables": {}}, now, [], "the baseline")
    yield from unfinished()


def unfinished() -> Iterator[Judgement]:
    found = [
        Unfinished(what, f"{what[0]}1", "public.visits", state)
        for what, state in (
            ("index", ""),
            ("index", "partitioned"),
            *(("constraint", state) for state in ("not validated", "not enforced", "switched off")),
            *((what, "") for what in ("trigger", "rule", "event trigger", "type")),
            ("materialized view", ""),
            ("partition", "public.parts"),
        )
    ]
    building = Unfinished("index", "slow", "public.visits", in_progress=True)
    many = [Unfinished("trigger", f"t{number}", "public.visits") for number in range(9)]
    yield from schema_rules.nothing_unfinished([*found, building], ())
    yield from schema_rules.nothing_unfinished(found[:1], (found[0].key,))
    yield from schema_rules.nothing_unfinished(many[:5], ())
    yield from schema_rules.nothing_unfinished(many, ())
    yield from schema_rules.nothing_unfinished([Unfinished("index", "x_ccnew1", "public.x")], ())


def rows() -> Iterator[Judgement]:
    assert POLICY is not None
    table = Table(columns=("id",), counted="grows", nulls=("day", "doctor"))
    facts = {"rows": 100, "error_rows": 0, "exact": True, "nulls": {"day": 3}}
    for was, found, rule in (
        (facts, Counted(there=False), "grows"),
        (None, Counted(there=True, rows=100), "grows"),
        (facts, Counted(there=True, rows=100), "shrinks"),
        (facts, Counted(there=True, rows=99, nulls={"day": 3, "doctor": 0}), "grows"),
        (facts, Counted(there=True, rows=100, nulls={"day": 4}), "grows"),
        (facts, Counted(there=True, rows=100, exact=False, nulls={"day": 3}), "grows"),
        ({**facts, "exact": False}, Counted(there=True, rows=100, nulls={"day": 3}), "grows"),
    ):
        before = Before({} if was is None else {"visits": was}, "the baseline", "2026-01-31")
        asked = table.model_copy(update={"counted": rule})
        yield from rules.counted("visits", asked, found, before, POLICY.counts)
    name = rules.named(VISITS)
    for orphans, known in (
        (Orphans(there=False), {}),
        (Orphans(there=True), {}),
        (Orphans(there=True, looked_at=9000), {name: 0}),
        (Orphans(there=True, found=1), {name: 0}),
        (Orphans(there=True, found=2, looked_at=9), {}),
        (Orphans(there=True, found=2), {name: 2}),
        (Orphans(there=True, found=3), {name: 2}),
        (Orphans(there=True, found=MAX_ORPHANS), {name: 2}),
    ):
        yield rules.no_orphan(VISITS, orphans, known)


def connections() -> Iterator[Judgement]:
    assert POLICY is not None
    policy = POLICY.connections
    idle = Sessions(in_recovery=False, available=100, used=80, may_look=True, standbys=())
    for used in (80, 81, 100):
        yield rules.room_to_spare(dataclasses.replace(idle, used=used), policy)
    for in_recovery in (False, True):
        yield rules.is_primary(dataclasses.replace(idle, in_recovery=in_recovery))
    limit = 64 * MEGABYTE
    standbys = [
        Standby("streaming", behind_bytes, behind_seconds)
        for behind_bytes, behind_seconds in (
            *((limit, 30.0), (limit + MEGABYTE, 30.0), (limit, 30.5)),
            *((0, None), (None, None)),
        )
    ]
    standbys.append(Standby("catchup", 0, 0.0))
    found = dataclasses.replace(idle, standbys=tuple(standbys))
    for wanted in (4, 5):
        yield from rules.standbys_keep_up(found, wanted, policy)
    yield from rules.standbys_keep_up(idle, 1, policy)
    yield from rules.standbys_keep_up(idle, 0, policy)


def frozen() -> Iterator[Judgement]:
    kept = {"rows": 2, "checksum": "a", "types": "int4", "before": "2026-01-31"}
    found = Sampled("2026-01-31", 2, "a", "int4")
    others = ({"rows": 1}, {"checksum": "b"}, {"types": "int8"}, {"rows": 0})
    for one in (found, *(dataclasses.replace(found, **other) for other in others)):
        yield rules.unchanged("visits", one, Before({"visits": kept}, "the baseline", "then"))
    for facts in ({}, {"visits": {**kept, "rows": 0}}):
        yield rules.unchanged("visits", found, Before(facts, "the baseline", "then"))
