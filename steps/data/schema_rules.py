"""The schema's shape: tables with their columns, keys that hold, nothing unfinished, nothing drifted."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Meaning
from settings.data import Reference, Table
from steps.data.rules import gone, named
from steps.kit.expect import expect, measured

_TABLE = "ALTER TABLE {table} "
_NEVER_CHECKED = "is not validated: rows from before it were never checked"
_UNFINISHED = {
    "index": (
        "is invalid: it was not built to its end",
        "DROP INDEX CONCURRENTLY {name}, and create it again",
    ),
    "index partitioned": (
        "is invalid: not every partition has its part",
        "the missing index made on each partition: ALTER INDEX {name} ATTACH PARTITION …",
    ),
    "constraint not validated": (_NEVER_CHECKED, _TABLE + "VALIDATE CONSTRAINT {name}"),
    "constraint not enforced": (
        "is not enforced",
        _TABLE + "DROP CONSTRAINT {name}, and add it again without NOT ENFORCED",
    ),
    "constraint switched off": (
        "is switched off: its triggers do not fire",
        _TABLE + "ENABLE TRIGGER ALL",
    ),
    "trigger": ("is disabled", _TABLE + "ENABLE TRIGGER {name}"),
    "rule": ("is disabled", _TABLE + "ENABLE RULE {name}"),
    "event trigger": ("is disabled", "ALTER EVENT TRIGGER {name} ENABLE"),
    "materialized view": (
        "was never filled: whoever reads it gets an error",
        "REFRESH MATERIALIZED VIEW {table}",
    ),
    "type": ("is left over: nothing uses it", "DROP TYPE {table}"),
    "partition": ("is half detached", "ALTER TABLE {state} DETACH PARTITION {table} FINALIZE"),
}
"""By kind: what is wrong, and what ends it."""
_REINDEX = re.compile(r"_cc(new|old)\d*$")
_SHOWN = 5


def table_there(name: str, table: Table, structure: probes.schema.Structure) -> Judgement:
    """Judge that a table is there with every expected column."""
    shape, expected = structure.tables.get(probes.schema.qualified(name)), len(table.columns)
    if shape is None:
        return gone(name)
    lacking = [column for column in table.columns if column not in shape.columns]
    has = f"lacks {', '.join(lacking)}" if lacking else f"has all {expected} expected columns"
    return expect(
        not lacking,
        name,
        f"table {name} {has}",
        f"the migration that brings {', '.join(lacking)}",
        **measured("table there", expected - len(lacking), expected, "columns"),
        data={"missing": lacking},
    )


def keys_hold(
    keys: Sequence[probes.schema.ForeignKey], wanted: Sequence[Reference]
) -> list[Judgement]:
    """Judge that every declared reference is there and holds, and that no other one is loose."""
    loose = [judgement for key in keys if (judgement := _loose(key)) is not None]
    declared = {(key.table, column, key.to_table) for key in keys for column in key.columns}
    full = probes.schema.qualified
    absent = [
        expect(
            False,
            named(one),
            f"no foreign key backs {named(one)}: new orphans can come at any time",
            "the foreign key made again",
            rule="foreign key",
        )
        for one in wanted
        if one.declared and (full(one.table), one.column, full(one.to_table)) not in declared
    ]
    if loose or absent:
        return [*loose, *absent]
    if not keys:
        sentence = (
            "the database has no foreign key and the environment names no reference, "
            "so an orphan can't be seen"
        )
        clears = "data.references, each with the tables that refer to one another"
        return [expect(None, "foreign keys", sentence, clears)]
    sentence = f"all {len(keys)} foreign keys are validated and enforced"
    return [expect(True, "foreign keys", sentence, rule="foreign key")]


def _loose(key: probes.schema.ForeignKey) -> Judgement | None:
    if key.enforced and key.triggers and key.validated:
        return None
    if not (key.enforced and key.triggers):
        what = "is switched off: new orphans can come at any time"
        clears = f"ALTER TABLE {key.table} ENABLE TRIGGER ALL, or the constraint enforced again"
    else:
        what = _NEVER_CHECKED
        clears = f"ALTER TABLE {key.table} VALIDATE CONSTRAINT {key.name}"
    sentence = f"foreign key {key.name} of {key.table} {what}"
    return expect(False, key.name, sentence, clears, rule="foreign key", means=Meaning.HOLD)


def no_drift(
    known: Mapping[str, Mapping[str, Any]],
    now: probes.schema.Structure,
    new_scripts: Sequence[str],
    baseline: str,
) -> Judgement:
    """Judge which tables changed since the baseline without a new migration that mentions them."""
    before: Mapping[str, str] = known["tables"]
    if not before:
        sentence = f"{baseline} holds the shape of no table, so a change can't be seen"
        return expect(None, "schema", sentence, "a baseline that sees the tables")
    after = {name: shape.fingerprint for name, shape in now.tables.items()}
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    meant = [one for one in changed if _mentioned(one, _indexes(one, known, now), new_scripts)]
    drifted = [f"{name} ({_how(name, before, after)})" for name in changed if name not in meant]
    sentence = f"the schema's fingerprint is {now.fingerprint}; since {baseline}, "
    sentence += f"{len(meant)} tables changed, each by a new migration"
    if drifted:
        sentence = f"changed without any new migration since {baseline}: {', '.join(drifted)}"
    return expect(
        not drifted,
        "schema",
        sentence,
        "the change taken back, or made by a migration of the release",
        **measured("no drift", now.fingerprint),
        data={"changed": changed, "drifted": drifted},
    )


def _indexes(
    table: str, known: Mapping[str, Mapping[str, Any]], now: probes.schema.Structure
) -> set[str]:
    """Return the names of a table's indexes, those that are gone too."""
    shape = now.tables.get(table)
    return {*known.get("indexes", {}).get(table, ()), *(shape.indexes if shape else ())}


def _mentioned(table: str, indexes: Collection[str], scripts: Sequence[str]) -> bool:
    """Tell whether a script names a table or one of its indexes, alone or with the right schema."""
    schema, _, name = table.rpartition(".")
    names = "|".join(map(re.escape, sorted({name, *indexes})))
    word = rf'(?<![\w."])(?:"?{re.escape(schema)}"?\s*\.\s*)?"?(?:{names})(?!\w)'
    return any(re.search(word, script, re.IGNORECASE) for script in scripts)


def _how(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    if name not in after:
        return "gone"
    return "new" if name not in before else "altered"


def nothing_unfinished(
    found: Sequence[probes.schema.Unfinished], older: Collection[str]
) -> list[Judgement]:
    """Judge what is unfinished in the schema, whoever made it, one finding for each kind.

    What the baseline has too holds the release, and so does what only has to be validated.
    """
    kinds: dict[tuple[str, bool, bool], list[probes.schema.Unfinished]] = {}
    for one in found:
        kinds.setdefault((_kind(one), one.in_progress, one.key in older), []).append(one)
    return [_unfinished(listed, old=old) for (_, _, old), listed in kinds.items()]


def _kind(one: probes.schema.Unfinished) -> str:
    return one.what if one.what == "partition" else f"{one.what} {one.state}".strip()


def _unfinished(listed: Sequence[probes.schema.Unfinished], *, old: bool) -> Judgement:
    first, kind = listed[0], _kind(listed[0])
    names = ", ".join(f"{one.name} of {one.table}" for one in listed[:_SHOWN])
    names += f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    if first.in_progress:
        sentence = f"{first.what} {names} is invalid, and an index is being built right now"
        return expect(
            None, f"{first.what} {first.name}", sentence, "the build ended; then run again"
        )
    what, clears = _UNFINISHED[kind]
    if _REINDEX.search(first.name):
        what = "is what a REINDEX CONCURRENTLY left that broke off"
        clears = "DROP INDEX CONCURRENTLY {name}; after _ccnew also REINDEX again"
    hold = old or kind == "constraint not validated"
    quoted = probes.schema.quoted(first.table)
    return expect(
        False,
        f"{first.what} {first.name}",
        f"{first.what} {names} {what}"
        + ("; the baseline has it too, so it is older than this release" if old else ""),
        clears.format(name=f'"{first.name}"', table=quoted, state=first.state),
        **measured("nothing unfinished", len(listed), 0),
        means=Meaning.HOLD if hold else None,
        data={"unfinished": [one.key for one in listed]},
    )
