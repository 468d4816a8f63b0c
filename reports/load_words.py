"""A load run's record as it was written, checked, and the words of its reports.

No report shows PASS for a run that is none: the result is made again from the judgements.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from load.verdict import LoadResult, result_of
from reports.words import duration, one_line

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
NOTHING = "-"
ALL = "all"
"""Stands in a table for all regions, or for all endpoints, together."""
PERCENTILES = ("p50", "p90", "p95", "p99", "p99.9", "max")
OBJECTIVE = "error budget"
"""The rule of judgements about the platform; every other one is about the generator."""
_HUNDRED_MS, _TEN_MS, _TEN_TIMES = 100.0, 10.0, 10.0
_MEANINGS = {
    LoadResult.PASS: "The platform held what was asked of it; every objective is proved.",
    LoadResult.FAIL: "The platform did not hold what was asked of it.",
    LoadResult.INVALID: "This run proves nothing about the platform, neither good nor bad.",
}
_CAUSES = {
    "generator": "The generator was the limit, not the platform",
    "target": "The platform was the limit",
    "connections": "The connections to the platform were the limit",
    "ports": "Ports, descriptors or names of the generator's machine were the limit",
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


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """A judgement with its place in words."""

    where: str
    judgement: Judgement
    required: bool


def connections(totals: Mapping[str, Any]) -> str:
    """Return how many connections were made, to which addresses, and which took none."""
    made = ", ".join(f"{count:,} to {one}" for one, count in totals["addresses"].items())
    refused = [f"{one} refused {count:,}" for one, count in totals["refused_addresses"].items()]
    return "; ".join([made or "none", *refused])


def meaning(record: Mapping[str, Any]) -> str:
    """Return in one sentence what the result means."""
    return _MEANINGS[LoadResult(record["result"])]


def about(record: Mapping[str, Any]) -> str:
    """Return what was run: profile, rate, model, environment, release, regions."""
    plan = record["plan"]
    required = (one for one in plan["stages"] if one["measured"] and one["required"])
    rates = [stage["rps"] for stage in required if stage["rps"] is not None] or [0]
    unit = (
        " connections, closed model"
        if is_closed(record)
        else f" requests/s, {plan['arrivals']} arrivals"
    )
    rate = (
        number(rates[0])
        if len(set(rates)) == 1
        else f"{number(min(rates))} to {number(max(rates))}"
    )
    release = f"{plan['release']} on " if plan["release"] else ""
    took = duration(record["elapsed_seconds"])
    where = f"{release}{plan['environment']} ({', '.join(sorted(plan['regions']))})"
    return one_line(f"{plan['profile']}, {rate}{unit}, {took}, {where}")


def is_closed(record: Mapping[str, Any]) -> bool:
    """Whether callers waited for their answers, so that no rate was planned."""
    return bool(record["plan"]["model"] == "closed")


def planned(record: Mapping[str, Any], stage: Mapping[str, Any]) -> str:
    """Return what a stage was meant to send: a rate, or so many callers."""
    return number(stage["rps"]) + (" callers" if is_closed(record) else "/s")


def reasons(record: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Return what stands against PASS, failures of the platform first."""
    bad = [
        one
        for one in findings(record)
        if one.required and one.judgement.outcome not in (Outcome.PASS, Outcome.NOT_APPLICABLE)
    ]
    return tuple(sorted(bad, key=lambda one: one.judgement.outcome is not Outcome.FAIL))


def findings(record: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Return every judgement with its place."""
    titles = {stage["number"]: stage_name(stage) for stage in record["plan"]["stages"]}
    several = sum(1 for stage in record["plan"]["stages"] if stage["measured"]) > 1
    return tuple(
        Finding(_where(place, titles, several=several), judgement, place["required"])
        for place, judgement in judgements(record)
    )


def proved(record: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Return the objectives that were proved, of those that had to be."""
    return tuple(
        one
        for one in findings(record)
        if one.required
        and one.judgement.rule == OBJECTIVE
        and one.judgement.outcome is Outcome.PASS
    )


def stage_name(stage: Mapping[str, Any]) -> str:
    """Return how people call a stage."""
    return one_line(str(stage["title"])) or f"stage {stage['number']}"


def stage_label(stage: Mapping[str, Any]) -> str:
    """Return a stage's name, and whether the run may pass without it."""
    beyond = " (beyond what is wanted)" if stage["measured"] and not stage["required"] else ""
    return f"{stage_name(stage)}{beyond}"


def remarks(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is to be said beside the verdict."""
    limit = record["bottleneck"]
    if limit is not None:
        said = {one.judgement.sentence for one in reasons(record)}
        more = "" if limit["sentence"] in said else f": {limit['sentence']}"
        yield f"{_CAUSES[limit['cause']]}{more}."
    if record["sustained"] is not None:
        yield from _sustained(record["sustained"])
    if record["recovery"] is not None:
        yield _recovery(record["recovery"])
    if record["plan"]["model"] == "closed":
        yield (
            "Closed model: while the platform stalls nobody asks, so its latencies look better than "
            "callers would find them (coordinated omission). It proves no rate."
        )


def _sustained(found: Mapping[str, Any]) -> Iterator[str]:
    if found["rps"] is None:
        yield f"No sustainable rate was found; {found['why_not_more']}."
        return
    more = found["why_not_more"]
    why = f"; above it, {more}" if more else "; nothing above it was tried"
    yield f"Maximum sustainable rate: {number(found['rps'])} requests/s{why}."


def _recovery(found: Mapping[str, Any]) -> str:
    spike = f"the spike of {number(found['rps'])} requests/s"
    if found["seconds"] is None:
        return f"After {spike} the platform did not come back under its targets within the run."
    return f"After {spike} the platform was back under its targets in {found['seconds']} s."


def _where(place: Mapping[str, Any], titles: Mapping[int, str], *, several: bool) -> str:
    if place["region"] is None:
        return "whole run"
    title = titles.get(place["stage"], "") if several else ""
    return one_line(", ".join(part for part in (title, place["region"]) if part))


def single(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the rows of one endpoint in one region: what others sum up is not told twice."""
    return [row for row in rows if ALL not in (row["region"], row["endpoint"])]


def baseline_remark(baseline: Mapping[str, Any]) -> str:
    """Return which run it is compared with, and whether the two compare at all."""
    release = f" of {baseline['release']}" if baseline["release"] else ""
    other = f"; the two differ in {', '.join(baseline['differs'])}" if baseline["differs"] else ""
    return one_line(
        f"The run{release} that began at {baseline['started_at']}; it was {baseline['result']}{other}."
    )


def milliseconds(seconds: float | None) -> str:
    """Write a duration for a column of milliseconds: 0.42, 1.23, 14.2, 1,520."""
    if seconds is None:
        return NOTHING
    value = seconds * 1000
    if value >= _HUNDRED_MS:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= _TEN_MS else f"{value:.2f}"


def count(value: int) -> str:
    """Write a whole number: 10,000."""
    return f"{value:,}"


def number(value: float | None) -> str:
    """Write a count or a rate: 10,000 or 33.3."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def share(part: float, of: float) -> str:
    """Write a share in per cent: 0.12 %."""
    return f"{100 * part / of:.3g} %" if of else NOTHING


def percent(value: float | None) -> str:
    """Write a share that is none of counts: 83 %."""
    return NOTHING if value is None else f"{100 * value:.0f} %"


def ratio(value: float | None) -> str:
    """Write how many times as much: 1.20x, 178x."""
    if value is None:
        return NOTHING
    return f"{value:.2f}x" if value < _TEN_TIMES else f"{value:,.0f}x"


def size(length: float) -> str:
    """Write a number of bytes: 12.3 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if length < 1000 or unit == "GB":  # noqa: PLR2004 - SI prefixes
            break
        length /= 1000
    return f"{length:.3g} {unit}"
