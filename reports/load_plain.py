"""A load run as plain lines for a terminal or a log: ASCII, the same from run to run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reports import load_words
from reports.load_record import DamagedLoadRecordError, checked
from reports.words import ascii_line

_MOST_REASONS = 12


def render(record: Mapping[str, Any]) -> str:
    """Return a run as plain lines; raises DamagedLoadRecordError."""
    try:
        known = checked(record)
        table = _table(known["endpoints"])
        lines = [*map(_plain, _head(known)), "", *table, *map(_plain, _tail(known))]
    except (KeyError, TypeError, AttributeError, IndexError) as exc:
        raise DamagedLoadRecordError("it is damaged: a part of it cannot be read") from exc
    return "".join(f"{line}\n" for line in lines)


def _head(record: Mapping[str, Any]) -> Iterator[str]:
    yield f"load: {record['result']} (exit code {record['exit_code']})"
    yield f"meaning: {load_words.meaning(record)}"
    yield f"run: {load_words.about(record)}"
    yield from _reasons(record)
    yield from (f"note: {remark}" for remark in load_words.remarks(record))
    if len(record["regions"]) > 1:
        yield from (f"region {name}: {result}" for name, result in record["regions"].items())
    yield from _stages(record)
    yield from _rate(record)


def _tail(record: Mapping[str, Any]) -> Iterator[str]:
    yield from _errors(record["endpoints"])
    if record["baseline"] is not None:
        yield from _baseline(record["baseline"])


def _reasons(record: Mapping[str, Any]) -> Iterator[str]:
    found = load_words.reasons(record)
    for one in found[:_MOST_REASONS]:
        yield f"reason {one.where}: {one.judgement.outcome} {one.judgement.sentence}"
        if one.judgement.clears:
            yield f"  clears: {one.judgement.clears}"
    if len(found) > _MOST_REASONS:
        yield f"reasons: {len(found) - _MOST_REASONS} more in the report"
    if not found:
        for one in load_words.proved(record)[:_MOST_REASONS]:
            yield f"proved {one.where}: {one.judgement.sentence}"


def _stages(record: Mapping[str, Any]) -> Iterator[str]:
    if len(record["stages"]) < 2:  # noqa: PLR2004 - of one there is nothing to list
        return
    for stage in record["stages"]:
        results = ", ".join(f"{region} {result}" for region, result in stage["regions"].items())
        judged = results or "not judged"
        sent = load_words.number(stage["sent_rps"])
        p99 = load_words.milliseconds(stage["response"].get("p99"))
        yield (
            f"stage {load_words.stage_label(stage)}: {load_words.planned(record, stage)} planned, "
            f"{sent}/s sent, p99 {p99} ms, {judged}"
        )


def _rate(record: Mapping[str, Any]) -> Iterator[str]:
    sums = record["totals"]
    yield (
        f"requests: {sums['due']:,} due, {sums['sent']:,} sent, {sums['late']:,} late, "
        f"{sums['dropped']:,} dropped, {sums['completed']:,} completed, {sums['failed']:,} failed"
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    header = ["region", "endpoint", "requests", "failed", *load_words.PERCENTILES]
    cells = [
        [
            ascii_line(row["region"]),
            ascii_line(row["endpoint"]),
            f"{row['requests']:,}",
            f"{row['failed']:,}",
        ]
        + [load_words.milliseconds(row["response"].get(name)) for name in load_words.PERCENTILES]
        for row in rows
    ]
    yield "response time from the intended time of sending, in milliseconds"
    yield from _aligned([header, *cells], left=2)


def _plain(line: str) -> str:
    indent = "  " if line.startswith("  ") else ""
    return f"{indent}{ascii_line(line)}"


def _aligned(rows: list[list[str]], left: int) -> Iterator[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()


def _errors(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for row in load_words.single(rows):
        for reason, count in row["errors"].items():
            share = load_words.share(count, row["requests"])
            yield f"errors {row['region']} {row['endpoint']}: {count:,} ({share}) {reason}"


def _baseline(baseline: Mapping[str, Any]) -> Iterator[str]:
    yield f"baseline: {load_words.baseline_remark(baseline)}"
    for row in baseline["rows"]:
        p50, p99 = (load_words.ratio(row[name]["ratio"]) for name in ("p50", "p99"))
        yield f"  {row['region']} {row['endpoint']}: p50 {p50}, p99 {p99} of the baseline's"
