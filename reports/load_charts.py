"""Line charts as inline SVG: no script, no outside resource, readable in the dark and on paper."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

WIDTH, HEIGHT = 760, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 12, 34
_TICKS = 5
_LOG_STEPS = (1, 2, 5)
_MOST_LOG_TICKS = 7

Point = tuple[float, float | None]


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart; a None breaks it."""

    name: str
    look: str
    """Its class in the style sheet."""
    points: Sequence[Point]


@dataclasses.dataclass(frozen=True, slots=True)
class Axis:
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
    bands: Sequence[tuple[float, float, str]] = ()
    """Stretches of the horizontal axis to be shaded, and what they are."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    log: bool
    from_px: float
    to_px: float

    def px(self, value: float) -> float:
        low, high, at = (self._even(one) for one in (self.low, self.high, value))
        part = (at - low) / (high - low) if high > low else 0.0
        return round(self.from_px + min(max(part, 0.0), 1.0) * (self.to_px - self.from_px), 1)

    def _even(self, value: float) -> float:
        return math.log10(max(value, self.low)) if self.log else value

    def ticks(self) -> list[float]:
        return _log_ticks(self.low, self.high) if self.log else _ticks(self.low, self.high)


def draw(chart: Chart) -> str:
    """Return a chart as a figure with its legend; of no points a sentence that says so."""
    places = [x for line in chart.lines for x, _ in line.points]
    values = [y for line in chart.lines for _, y in line.points if y is not None]
    if not values:
        return f"<figure><figcaption>{escape(chart.title)}: not measured.</figcaption></figure>"
    across = _scale(chart.across, places, _LEFT, WIDTH - _RIGHT)
    up = _scale(chart.up, values, HEIGHT - _BOTTOM, _TOP, from_zero=True)
    parts = [
        *_bands(chart, across),
        *_grid(chart, across, up),
        *(_line(line, across, up) for line in chart.lines),
    ]
    return (
        f"<figure><figcaption><b>{escape(chart.title)}</b>, {escape(chart.up.label)} {_legend(chart)}"
        "</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-labelledby="{chart.id}-t {chart.id}-d">'
        f'<title id="{chart.id}-t">{escape(chart.title)}</title>'
        f'<desc id="{chart.id}-d">{escape(chart.description)}</desc>'
        f"{''.join(parts)}</svg></figure>"
    )


def _legend(chart: Chart) -> str:
    return " ".join(
        f'<span class="key"><svg class="swatch" viewBox="0 0 26 8" aria-hidden="true">'
        f'<path class="{line.look}" d="M1 4H25"/></svg>{escape(line.name)}</span>'
        for line in chart.lines
    )


def _scale(
    axis: Axis, values: Sequence[float], from_px: float, to_px: float, *, from_zero: bool = False
) -> _Scale:
    low, high = min(values), max(values)
    if axis.log:
        positive = [value for value in values if value > 0] or [1.0]
        low, high = min(positive), max(positive)
        if from_zero:
            low, high = low * 0.9, high * 1.1
    elif from_zero:
        low, high = 0.0, high * 1.05
    if high <= low:
        high = low + 1
    return _Scale(low=low, high=high, log=axis.log, from_px=from_px, to_px=to_px)


def _bands(chart: Chart, across: _Scale) -> Iterator[str]:
    for begin, end, name in chart.bands:
        left, right = across.px(begin), across.px(end)
        yield (
            f'<rect class="band" x="{left}" y="{_TOP}" width="{max(right - left, 0):.1f}" '
            f'height="{HEIGHT - _TOP - _BOTTOM}"><title>{escape(name)}</title></rect>'
        )


def _grid(chart: Chart, across: _Scale, up: _Scale) -> Iterator[str]:
    floor = HEIGHT - _BOTTOM
    for value in up.ticks():
        y = up.px(value)
        yield f'<path class="grid" d="M{_LEFT} {y}H{WIDTH - _RIGHT}"/>'
        yield f'<text class="up" x="{_LEFT - 6}" y="{y + 4:.1f}">{escape(chart.up.write(value))}</text>'
    for value in across.ticks():
        x = across.px(value)
        yield f'<path class="grid" d="M{x} {floor}v4"/>'
        yield f'<text class="across" x="{x}" y="{floor + 16}">{escape(chart.across.write(value))}</text>'
    middle = (_LEFT + WIDTH) / 2
    label = escape(chart.across.label)
    yield f'<text class="across" x="{middle}" y="{HEIGHT - 4}">{label}</text>'


def _line(line: Line, across: _Scale, up: _Scale) -> str:
    pieces: list[str] = []
    pen = "M"
    for x, y in line.points:
        if y is None:
            pen = "M"
            continue
        pieces.append(f"{pen}{across.px(x):g} {up.px(y):g}")
        pen = "L"
    return f'<path class="{line.look}" d="{"".join(pieces)}"/>' if pieces else ""


def _ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / _TICKS
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * one for one in (1, 2, 5, 10) if unit * one >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [place * step for place in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    inside = [
        step * 10.0**decade
        for decade in decades
        for step in _LOG_STEPS
        if low <= step * 10.0**decade <= high
    ]
    if len(inside) <= _MOST_LOG_TICKS:
        return inside
    return [10.0**decade for decade in decades if low <= 10.0**decade <= high]
