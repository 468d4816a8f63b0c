"""The charts of a load run: what was sent and came back each second, how slow, how the generator was."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from reports import load_words
from reports.load_charts import Axis, Chart, Line, Point

MOST_POINTS = 400
"""A longer run is drawn by the worst second of each stretch."""

Row = Mapping[str, Any]


def charts(record: Row) -> Iterator[Chart]:
    """Yield the charts over the time of a run."""
    rows = _Rows(record["timeline"])
    bands = _unmeasured(record)
    across = Axis("minutes:seconds since the first request", _clock)
    worst = f" Each point is the worst of {rows.step} seconds." if rows.step > 1 else ""
    sums = record["totals"]
    planned = Line("planned", "limit", rows.points("target", max))
    yield Chart(
        "rate",
        "Sent and completed",
        f"Planned, sent and completed requests in each second; {sums['sent']:,} of {sums['due']:,} "
        f"were sent and {sums['failed']:,} failed.{worst}",
        across,
        Axis("requests a second", load_words.number),
        (
            *([] if load_words.is_closed(record) else [planned]),
            Line("sent", "one", rows.points("sent", min)),
            Line("completed", "two", rows.points("completed", min)),
            Line("failed", "three", rows.points("failed", max)),
        ),
        bands,
    )
    yield Chart(
        "latency",
        "Response time from the intended time of sending",
        f"Median and 99th percentile of the requests completed in each second, logarithmic.{worst}",
        across,
        Axis("milliseconds", _milliseconds, log=True),
        (Line("p99", "two", rows.points("p99", max)), Line("p50", "one", rows.points("p50", max))),
        bands,
    )
    yield from _generator(record, rows, across, bands)


def _generator(
    record: Row, rows: _Rows, across: Axis, bands: Sequence[tuple[float, float, str]]
) -> Iterator[Chart]:
    limits = record["policy"]["generator"]
    yield Chart(
        "cpu",
        "Processor of the busiest worker",
        "Share of one core that the busiest worker's process used in each second.",
        across,
        Axis("share of a core", load_words.percent),
        (
            Line("limit", "limit", rows.level(limits["worker_cpu"])),
            Line("CPU", "one", rows.points("cpu", max)),
        ),
        bands,
    )
    yield Chart(
        "lag",
        "Longest lag of the engine's clock",
        "How much later than meant the engine's clock ticked, at worst, in each second; 99 of 100 ticks "
        "have to stay under the limit.",
        across,
        Axis("milliseconds", _milliseconds),
        (
            Line("limit at p99", "limit", rows.level(limits["lag_p99"])),
            Line("longest lag", "one", rows.points("lag", max)),
        ),
        bands,
    )
    yield Chart(
        "flight",
        "In flight",
        "How many requests had no answer yet, over all workers, in each second.",
        across,
        Axis("requests", load_words.number),
        (Line("in flight", "one", rows.points("in_flight", max)),),
        bands,
    )


def spectra(record: Row) -> Iterator[Chart]:
    """Yield the percentile spectrum of each region: how slow the slowest one in so many is."""
    for place, row in enumerate(record["spectrum"]):
        yield Chart(
            f"spectrum-{place}",
            f"{row['region']}: how slow the slowest are",
            "Durations in milliseconds over percentiles, both logarithmic: the further right, the "
            "rarer. From the time due, and from the time sent.",
            Axis("percentile", _percentile, log=True),
            Axis("milliseconds", _milliseconds, log=True),
            (
                Line("from the time due", "two", [(one[0], one[1]) for one in row["points"]]),
                Line("from the time sent", "one", [(one[0], one[2]) for one in row["points"]]),
            ),
        )


class _Rows:
    """The seconds of a run, thinned out to what a chart can show; no bad second gets lost."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.step = max(1, math.ceil(len(rows) / MOST_POINTS))
        self._stretches = [rows[at : at + self.step] for at in range(0, len(rows), self.step)]

    def points(self, name: str, worst: Callable[[list[float]], float]) -> list[Point]:
        """Return one figure over time, the worst of each stretch."""
        return [
            (stretch[0]["at"], worst(values) if values else None)
            for stretch in self._stretches
            for values in [[row[name] for row in stretch if row[name] is not None]]
        ]

    def level(self, value: float) -> list[Point]:
        """Return a level line."""
        return [(stretch[0]["at"], value) for stretch in self._stretches]


def _unmeasured(record: Row) -> list[tuple[float, float, str]]:
    """Return the stretches that are shown and not judged."""
    names = {
        stage["number"]: load_words.stage_name(stage)
        for stage in record["plan"]["stages"]
        if not stage["measured"]
    }
    found = []
    for number, name in names.items():
        within = [row["at"] for row in record["timeline"] if row["stage"] == number]
        if within:
            found.append((min(within), max(within) + 1, f"{name}: not judged"))
    return found


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.6g}"


def _percentile(rarity: float) -> str:
    """Write 1 in so many as a percentile: 100 as p99, 1000 as p99.9."""
    digits = max(0, math.ceil(math.log10(rarity) - 1e-9) - 2)
    return f"p{100 * (1 - 1 / rarity):.{digits}f}"
