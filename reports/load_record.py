"""A load run's record as it was written, checked: no report shows PASS for a run that is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gates.decide.judgement import Judgement
from load.verdict import LoadResult, result_of

SCHEMA = 1
KIND = "load run"
COMPLETE, INCOMPLETE = "complete", "incomplete"
_PARTS: Mapping[str, type] = {
    "plan": dict,
    "versions": dict,
    "machine": dict,
    "judgements": list,
    "regions": dict,
    "stages": list,
    "endpoints": list,
    "timeline": list,
    "spectrum": list,
    "workers": list,
    "counted": list,
    "totals": dict,
}


class DamagedLoadRecordError(ValueError):
    """The record is none of a load run, or it contradicts itself; the text says where."""


def checked(record: object) -> Mapping[str, Any]:
    """Return the record of a complete run; raises DamagedLoadRecordError for anything else.

    The result is made again from the judgements: what says PASS and holds a reason against it is
    damaged.
    """
    if not isinstance(record, Mapping) or record.get("kind") != KIND:
        raise DamagedLoadRecordError("it is not a record of a load run")
    if record.get("schema") != SCHEMA:
        raise DamagedLoadRecordError(
            f"its schema is {record.get('schema')!r}, and only {SCHEMA} is known"
        )
    if record.get("state") != COMPLETE:
        raise DamagedLoadRecordError("the run was killed or has not ended, so it has no result")
    for name, kind in _PARTS.items():
        if not isinstance(record.get(name), kind):
            raise DamagedLoadRecordError(f"it is damaged: “{name}” is missing or of another type")
        if kind is list and not all(isinstance(row, Mapping) for row in record[name]):
            raise DamagedLoadRecordError(f"it is damaged: a part of “{name}” is of another type")
    _check_result(record)
    for row in record["endpoints"]:
        _check_row(row)
    return record


def _check_result(record: Mapping[str, Any]) -> None:
    try:
        result = LoadResult(record["result"])
        required = [one for one in judgements(record) if one[0]["required"] is True]
        made = result_of(judgement for _, judgement in required)
    except (KeyError, TypeError, ValueError):
        raise DamagedLoadRecordError("it is damaged: a judgement cannot be read") from None
    if all(place["stage"] is None for place, _ in required):
        made = LoadResult.INVALID
    if result is not made or record.get("exit_code") != result.exit_code:
        raise DamagedLoadRecordError(
            "it contradicts itself: its judgements amount to another result"
        )


def _check_row(row: object) -> None:
    if not isinstance(row, Mapping) or not all(
        isinstance(row.get(name), kind)
        for name, kind in (
            ("region", str),
            ("endpoint", str),
            ("response", dict),
            ("service", dict),
        )
    ):
        raise DamagedLoadRecordError("it is damaged: a row of its table is none")
    values = [*row["response"].values(), *row["service"].values()]
    if not all(isinstance(value, int | float) and value >= 0 for value in values):
        raise DamagedLoadRecordError("it is damaged: a duration of its table is none")


def judgements(record: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Judgement]]:
    """Yield every judgement with where it was made: its stage and region, both None for the run."""
    for one in record["judgements"]:
        yield one, Judgement.from_record(one["judgement"])
