"""A load run for people: one page, verdict and reasons first, and plain lines for a terminal or a log.

Of the page's charts: what each of them shows, and where its points lie. The page's template draws them as
inline SVG: no script, no outside resource, readable in the dark and on paper (ADR 0035).
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jinja2
import yaml

from reports import load_words
from reports.load_words import DamagedLoadRecordError, checked, is_closed
from reports.texts import drawn
from reports.words import ascii_line, moment, one_line

_MOST_REASONS = 12


class _Ascii(str):
    """A line of ASCII already, whose spaces are meant."""

    __slots__ = ()


def render(record: Mapping[str, Any]) -> str:
    """Return the page of a run; raises DamagedLoadRecordError."""
    return _drawn("load_page.html.j2", _shown, record)


def plain(record: Mapping[str, Any]) -> str:
    """Return a run as plain lines, the same from run to run; raises DamagedLoadRecordError."""
    return _drawn("load_run.txt.j2", _ascii, record)


def _drawn(template: str, written: Any, record: Mapping[str, Any]) -> str:
    try:
        known = checked(record)
        return drawn(
            template,
            written,
            record=known,
            words=load_words,
            moment=moment,
            charts=sys.modules[__name__],
            shown=load_words.reasons(known) or load_words.proved(known),
            most=_MOST_REASONS,
            in_ms=[f"{name} ms" for name in load_words.PERCENTILES],
            table=list(_table(known["endpoints"])),
        )
    except (KeyError, TypeError, AttributeError, IndexError, jinja2.UndefinedError) as exc:
        raise DamagedLoadRecordError("it is damaged: a part of it cannot be read") from exc


def _shown(value: object) -> object:
    """Return any value as one plain line, which the template then escapes; its own markup as it is."""
    return value if hasattr(value, "__html__") else one_line(str(value))


def _ascii(value: object) -> str:
    return value if isinstance(value, _Ascii) else ascii_line(str(value))


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterator[_Ascii]:
    """Yield the lines of a table whose first two columns are names, and all others numbers."""
    cells = [["region", "endpoint", "requests", "failed", *load_words.PERCENTILES]]
    for row in rows:
        times = [load_words.milliseconds(row["response"].get(p)) for p in load_words.PERCENTILES]
        names = [ascii_line(row[name]) for name in ("region", "endpoint")]
        cells.append([*names, *(f"{row[name]:,}" for name in ("requests", "failed")), *times])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        padded = (
            cell.ljust(width) if place < 2 else cell.rjust(width)  # noqa: PLR2004 - the names
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        yield _Ascii("  ".join(padded).rstrip())


WIDTH, HEIGHT = 760, 216
LEFT, RIGHT, TOP, FLOOR = 84, 736, 12, 156
"""The edges of what the axes enclose, in pixels."""
MOST_POINTS = 400
"""A longer run is drawn by the worst second of each stretch."""
_CHARTS = pathlib.Path(__file__).with_name("load_charts.yaml")
_TICKS = 5
_MOST_LOG_TICKS = 7

Row = Mapping[str, Any]
Band = tuple[float, float, str]
Point = tuple[float, float | None]


class Line(NamedTuple):
    """One line of a chart; a None breaks it."""

    name: str
    look: str
    """Its class in the style sheet."""
    points: Sequence[Point]


class Axis(NamedTuple):
    """One direction of a chart."""

    label: str
    write: Callable[[float], str]
    log: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Chart:
    """Lines over one pair of axes."""

    id: str
    title: str
    description: str
    """What a reader who does not see it should know."""
    across: Axis
    up: Axis
    lines: Sequence[Line]
    bands: Sequence[Band] = ()
    """Stretches of the horizontal axis to be shaded, and what they are."""

    def drawn(self) -> Drawing | None:
        """Return where everything lies; None of no points."""
        places = [x for line in self.lines for x, _ in line.points]
        values = [y for line in self.lines for _, y in line.points if y is not None]
        if not values:
            return None
        across = _Scale.of(self.across, places, LEFT, RIGHT)
        up = _Scale.of(self.up, values, FLOOR, TOP, from_zero=True)
        return Drawing(
            [(across.px(begin), across.px(end), name) for begin, end, name in self.bands],
            across.ticks(),
            up.ticks(),
            [(line.look, _path(line, across, up)) for line in self.lines],
        )


class Drawing(NamedTuple):
    """A chart in pixels."""

    bands: list[Band]
    across: list[tuple[float, str]]
    """Ticks: where, and what is written there."""
    up: list[tuple[float, str]]
    paths: list[tuple[str, str]]
    """Class and path of each line."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Scale:
    axis: Axis
    low: float
    high: float
    from_px: float
    to_px: float

    @classmethod
    def of(
        cls,
        axis: Axis,
        values: list[float],
        from_px: float,
        to_px: float,
        *,
        from_zero: bool = False,
    ) -> _Scale:
        if axis.log:
            values = [value for value in values if value > 0] or [1.0]
        low, high = min(values), max(values)
        if from_zero:
            low, high = (low * 0.9, high * 1.1) if axis.log else (0.0, high * 1.05)
        return cls(axis, low, high if high > low else low + 1, from_px, to_px)

    def px(self, value: float) -> float:
        low, high, at = (self._even(one) for one in (self.low, self.high, value))
        part = min(max((at - low) / (high - low), 0.0), 1.0)
        return round(self.from_px + part * (self.to_px - self.from_px), 1)

    def _even(self, value: float) -> float:
        return math.log10(max(value, self.low)) if self.axis.log else value

    def ticks(self) -> list[tuple[float, str]]:
        values = _log_ticks(self.low, self.high) if self.axis.log else _ticks(self.low, self.high)
        return [(self.px(value), self.axis.write(value)) for value in values]


def _path(line: Line, across: _Scale, up: _Scale) -> str:
    pieces, pen = [], "M"
    for x, y in line.points:
        if y is not None:
            pieces.append(f"{pen}{across.px(x):g} {up.px(y):g}")
        pen = "M" if y is None else "L"
    return "".join(pieces)


def _ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / _TICKS
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * one for one in (1, 2, 5, 10) if unit * one >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [place * step for place in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine, coarse = (
        [one for decade in decades for step in steps if low <= (one := step * 10.0**decade) <= high]
        for steps in ((1, 2, 5), (1,))
    )
    return fine if len(fine) <= _MOST_LOG_TICKS else coarse


def over_time(record: Row) -> Iterator[Chart]:
    """Yield the charts over the time of a run: what was sent and came back, how slow, the generator."""
    time = Axis("minutes:seconds since the first request", _clock)
    rows, bands = _Rows(record["timeline"]), _unmeasured(record)
    for one in yaml.safe_load(_CHARTS.read_bytes()):
        shown = [line for line in one["lines"] if not (line.get("open") and is_closed(record))]
        lines = [rows.line(line, record["policy"]["generator"]) for line in shown]
        up = Axis(one["label"], _WRITTEN[one["written"]], one.get("log", False))
        words = one["description"].format_map(record["totals"])
        worst = rows.worst if one.get("says_worst") else ""
        yield Chart(one["id"], one["title"], f"{words}{worst}", time, up, lines, bands)


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
        self.worst = f" Each point is the worst of {self.step} seconds." if self.step > 1 else ""
        self._stretches = [rows[at : at + self.step] for at in range(0, len(rows), self.step)]

    def points(self, name: str, worst: Callable[[list[float]], float]) -> list[Point]:
        """Return one figure over time, the worst of each stretch."""
        return [
            (stretch[0]["at"], worst(values) if values else None)
            for stretch in self._stretches
            for values in [[row[name] for row in stretch if row[name] is not None]]
        ]

    def line(self, line: Row, limits: Row) -> Line:
        """Return a line as `load_charts.yaml` describes it: a limit is level."""
        if "limit" in line:
            limit = limits[line["limit"]]
            points: list[Point] = [(stretch[0]["at"], limit) for stretch in self._stretches]
        else:
            points = self.points(line["of"], min if line["worst"] == "min" else max)
        return Line(line["name"], line["look"], points)


def _unmeasured(record: Row) -> list[Band]:
    """Return the stretches that are shown and not judged."""
    found = []
    for stage in record["plan"]["stages"]:
        within = [row["at"] for row in record["timeline"] if row["stage"] == stage["number"]]
        if within and not stage["measured"]:
            name = f"{load_words.stage_name(stage)}: not judged"
            found.append((min(within), max(within) + 1, name))
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


_WRITTEN = {
    "number": load_words.number,
    "percent": load_words.percent,
    "milliseconds": _milliseconds,
}
