"""The database: tables with their columns, rows and references after a migration; connections before it."""

from __future__ import annotations

import datetime as dt

import probes
from gates.decide.history import ONE_DEPLOYMENT
from probes.observation import utc_now
from settings.data import Reference
from steps.data import reads, rules, schema_rules
from steps.data.baseline import ORPHANS, ROWS, known
from steps.data.reads import Data
from steps.kit.asked import Asked
from steps.kit.baseline import before_if_any, command
from steps.kit.expect import expect, unable
from steps.kit.sentence import then, when


@when("the tables of the database are read", target_fixture="data")
def read_tables(asked: Asked) -> Data:
    return Data.of(asked.platform)


@then("every expected table has every expected column")
def all_there(asked: Asked, data: Data) -> None:
    structure = asked.read("the schema", lambda: reads.schema(data))
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
    structure = asked.read("the schema", lambda: reads.schema(data))
    asked.judge(*schema_rules.keys_hold(structure.foreign_keys, data.section.references))


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
