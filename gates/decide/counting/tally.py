"""Counts events from samples: for each source and scrape how many there were, and how many were bad."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from gates.decide.counting.samples import (
    NotCountableError,
    Patience,
    Samples,
    Span,
    Target,
    growths,
)
from gates.decide.counting.sources import Source
from gates.decide.counting.statistics import Cell, Counts
from gates.decide.judgement import percent

ALL, BAD, UNREADABLE, FIRST, BEGUN = "all", "bad", "unreadable", "first", "begun"
INFINITE = float("inf")
_HAIR_EVENTS = 2.0
_HAIR_SHARE = 0.001
"""A scrape may meet a histogram between two of its lines."""
_OFTEN = 3
_OFTEN_SHARE = 0.25
_FIRST_FACTOR = 20.0
_FIRST_LEAST = 1000.0
"""A counter's first value is no more than so many scrapes' worth of events, or was not counted from zero."""
_YOUNG_FACTOR = 3.0
_YOUNG_LEAST = 100.0
"""The same for each scrape that a young process has lived: one that restores counters shows more."""
_MOST_PER_SECOND = 1_000_000.0
_NEWEST_SHARE = 0.25
_NEWEST_SCRAPES = 5
_OWN_PER_SCRAPE, _OWN_PER_SECOND = 1.0, 0.5
"""What scrapes and probes of Kubernetes and of load balancers may add to a target."""
_STATUS = re.compile(r"[0-9]{3}")
_OF_HTTP = re.compile(r"[1-5][0-9]{2}")
_STATUS_CLASS = re.compile(r"[1-5]xx", re.IGNORECASE)

Earlier = Mapping[frozenset[tuple[str, str]], float]
"""The values, in the hour before what was read, of counters that began in it; by labels without __name__."""
Columns = Callable[[Samples], Iterable[str]]


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """What one source counted up to one scrape, by column."""

    source: str
    since: float
    at: float
    started: float
    """Its process, as it says itself; minus infinity where it does not."""
    amounts: Mapping[str, float]

    def of(self, column: str) -> float:
        """Return the events of a column."""
        return self.amounts.get(column, 0.0)


@dataclasses.dataclass(frozen=True, slots=True)
class Tally:
    """All rows of what was read."""

    rows: tuple[Row, ...]
    span: Span

    def counts(self, over: str | None, begin: float, end: float) -> Counts:
        """Return the events of a part of the span; `over` names the bound that good ones stay below."""
        slack = 1.1 * self.span.scrape_seconds
        cells = tuple(
            Cell(row.source, row.at, self._bad(row, over), row.of(ALL))
            for row in self.rows
            if begin < row.at <= end and row.since >= begin - slack
        )
        return Counts(sum(cell.bad for cell in cells), sum(cell.total for cell in cells), cells)

    def begun(self) -> float:
        """Return how many counters of errors began with errors in them instead of at zero."""
        return sum(row.of(BEGUN) for row in self.rows)

    def _bad(self, row: Row, over: str | None) -> float:
        if over is None:
            return row.of(BAD)
        total = row.of(ALL)
        bad = total - row.of(over)
        if bad < -_hair(total):
            raise NotCountableError(
                f"{row.source} counts {-bad:,.0f} more events below the bound than events: its histogram "
                "contradicts itself"
            )
        return max(0.0, bad)

    def check_newest(self) -> None:
        """Raise NotCountableError where the newest part of the span has no events: then it proves nothing."""
        last = max((row.at for row in self.rows if row.of(ALL) > 0), default=None)
        span = self.span
        part = max(_NEWEST_SCRAPES * span.scrape_seconds, _NEWEST_SHARE * (span.end - span.begin))
        if last is not None and span.end - last > part:
            raise NotCountableError(
                f"no events since {_clock(last)}: the traffic has stopped", Patience.SAMPLES
            )

    def check_readable(self, label: str) -> None:
        """Raise NotCountableError where events bear no status that can be read."""
        events = sum(row.of(ALL) for row in self.rows)
        unreadable = sum(row.of(UNREADABLE) for row in self.rows)
        if unreadable > 0:
            raise NotCountableError(
                f"{percent(unreadable / events)} of {events:,.0f} events have no readable status: "
                f"their label {label} is missing, or no status such as 503",
                Patience.NONE,
            )

    def check_not_own(self) -> None:
        """Raise NotCountableError where all events may be scrapes and probes that no label tells apart."""
        events = sum(row.of(ALL) for row in self.rows)
        own = sum(_OWN_PER_SCRAPE + _OWN_PER_SECOND * (row.at - row.since) for row in self.rows)
        if 0 < events <= own:
            raise NotCountableError(
                f"{events:,.0f} events in {len(self.rows)} scrapes may all be scrapes and health probes, and "
                "no label names the route; leave those out of the metric, or wait for real traffic",
                Patience.SAMPLES,
            )


def tally(
    metric: str, sources: Sequence[Source], span: Span, columns: Columns, earlier: Earlier
) -> Tally:
    """Count what the series grew by, in the columns that each belongs to; raises NotCountableError."""
    rows = tuple(
        row
        for name, source in _named(sources)
        for row in _rows(metric, name, source, span, (columns, earlier))
    )
    _check_volumes(metric, rows)
    return Tally(rows, span)


def _named(sources: Sequence[Source]) -> list[tuple[str, Source]]:
    """Name each source by its pod, and by its address too where two have one name."""
    names = Counter(source.target.name for source in sources)
    return [
        (name if names[name] == 1 else f"{name} ({source.target.labels.get('instance')})", source)
        for source in sources
        for name in [source.target.name]
    ]


def _rows(
    metric: str, name: str, source: Source, span: Span, how: tuple[Columns, Earlier]
) -> list[Row]:
    columns, earlier = how
    amounts: dict[float, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    fell: set[float] = set()
    for series in source.series:
        mine = tuple(columns(series))
        known = earlier.get(series.without("__name__")) if mine else None
        for growth in growths(series, source.target, span, known) if mine else ():
            for column in mine:
                amounts[growth.at][column] += growth.amount
            if growth.begins and growth.amount > 0 and BAD in mine:
                amounts[growth.at][BEGUN] += 1
            if growth.first and ALL in mine:
                amounts[growth.at][FIRST] += growth.amount
            if growth.fell:
                fell.add(growth.at)
    _check_process(metric, name, source.target, span, fell)
    target = source.target
    return [
        Row(name, target.scrape_before(at), at, target.started_at(at) or -INFINITE, dict(found))
        for at, found in sorted(amounts.items())
    ]


def _check_process(
    metric: str, name: str, target: Target, span: Span, fell: Iterable[float]
) -> None:
    """Raise NotCountableError for counters that several processes keep, or that are lost again and again."""
    unexplained = sorted(fell)
    scrapes = [at for at in target.scrapes if at > span.begin]
    if target.answers_in_turn() or len(unexplained) > 1:
        raise NotCountableError(
            f"{metric} of {name} steps back {len(unexplained)} times in {len(scrapes)} scrapes without a "
            "restart: its counters are split over workers that answer in turn, or a load balancer is "
            "scraped instead of its pods",
            Patience.NONE,
        )
    if unexplained:
        why = (
            "its process_start_time_seconds did not change"
            if target.starts
            else "it exposes no process_start_time_seconds"
        )
        raise NotCountableError(
            f"{metric} of {name} fell at {_clock(unexplained[0])} without a known restart: {why}",
            Patience.SAMPLES,
        )
    restarts = sum(
        target.restarted(target.scrape_before(at), at) for at in scrapes if at > span.begin
    )
    if restarts >= _OFTEN and restarts > _OFTEN_SHARE * len(scrapes):
        raise NotCountableError(
            f"{name} restarted {restarts} times in {len(scrapes)} scrapes: what it counted before each "
            "restart is lost"
        )


def _check_volumes(metric: str, rows: Sequence[Row]) -> None:
    """Raise NotCountableError for more events than a target can have had since the scrape before."""
    usual = max((row.of(ALL) - row.of(FIRST) for row in rows), default=0.0)
    largest: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        largest[row.source] = sorted([*largest[row.source], row.of(ALL) - row.of(FIRST)])[-2:]
    for row in rows:
        events, first = row.of(ALL), row.of(FIRST)
        # Beside the largest of the source's others: traffic that begins late shows more than once.
        jumped, peaks = events - first, largest[row.source]
        other = peaks[0] if jumped == peaks[-1] else peaks[-1]
        if events > _MOST_PER_SECOND * max(row.at - row.since, 1.0):
            found = f"{events:,.0f} events in {row.at - row.since:.0f} s"
        elif first > _most_at_first(row, usual):
            found = f"{first:,.0f} events at once in counters that begin there"
        elif jumped > max(_FIRST_LEAST, _FIRST_FACTOR * other):
            found = f"{jumped:,.0f} events in one scrape and at most {other:,.0f} in any other"
        else:
            continue
        raise NotCountableError(
            f"{metric} of {row.source} shows {found} at {_clock(row.at)}: more than it can have had since "
            "the scrape before; are they restored from elsewhere, or no counters?",
            Patience.SAMPLES,
        )


def _most_at_first(row: Row, usual: float) -> float:
    """Return how many events counters that begin at this scrape may show; a scrape has `usual` at most."""
    lived_scrapes = (row.at - min(row.started, row.since)) / (row.at - row.since)
    if _YOUNG_FACTOR * lived_scrapes < _FIRST_FACTOR:
        return max(_YOUNG_LEAST, _YOUNG_FACTOR * lived_scrapes * usual)
    return max(_FIRST_LEAST, _FIRST_FACTOR * usual)


def error_columns(status_label: str, bad_status: str, own_paths: frozenset[str]) -> Columns:
    """Return in which columns a counter's series belongs: all, and bad or unreadable by its status."""

    def columns(series: Samples) -> Iterable[str]:
        if is_own(series, own_paths):
            return ()
        bad = is_bad(series.labels.get(status_label, ""), bad_status)
        if bad is None:
            return ALL, UNREADABLE
        return (ALL, BAD) if bad else (ALL,)

    return columns


def latency_columns(own_paths: frozenset[str]) -> Columns:
    """Return in which columns a histogram's series belongs: all for its count, else its bound."""

    def columns(series: Samples) -> Iterable[str]:
        if is_own(series, own_paths):
            return ()
        bound = series.labels.get("le")
        return (ALL,) if bound is None else (bound_column(float(bound)),)

    return columns


def bound_column(bound_seconds: float) -> str:
    """Return the column of events at or below a bound; `1` and `1.0` are one."""
    return f"le {bound_seconds:g}"


def is_bad(status: str, bad_status: str) -> bool | None:
    """Return whether a status is bad; None where it can't be read. `5xx` stands for its hundred.

    What is not a status of HTTP, such as 000 for a request without an answer, is good by no rule.
    """
    if _STATUS.fullmatch(status):
        bad = re.fullmatch(bad_status, status) is not None
        return bad if bad or _OF_HTTP.fullmatch(status) else None
    if not _STATUS_CLASS.fullmatch(status):
        return None
    found = {re.fullmatch(bad_status, f"{status[0]}{rest:02}") is not None for rest in range(100)}
    return found.pop() if len(found) == 1 else None


def is_own(series: Samples, own_paths: frozenset[str]) -> bool:
    """Return whether a series counts scrapes or health checks: a label of it is their path."""
    return not own_paths.isdisjoint(series.labels.values())


def tells_routes(series: Iterable[Samples]) -> bool:
    """Return whether a label tells the route, so that scrapes and probes would be seen.

    One that is the same everywhere, such as a base path, does not.
    """
    found = {pair for one in series for pair in one.labels.items() if pair[1].startswith("/")}
    return len(found) > len({label for label, _ in found})


def check_histograms(metric: str, sources: Sequence[Source], bounds: Sequence[float]) -> None:
    """Raise NotCountableError unless each histogram has its count, +Inf and the bounds, once each."""
    for source in sources:
        parts: dict[str, set[frozenset[tuple[str, str]]]] = defaultdict(set)
        for series in source.series:
            parts[series.labels.get("le", "count")].add(series.without("__name__", "le"))
        found = {"count": parts.pop("count", set())}
        for le, histograms in parts.items():
            found.setdefault(bound_column(float(le)), set()).update(histograms)
        everything = set().union(*found.values())
        for part in ("count", *(bound_column(bound) for bound in (*bounds, INFINITE))):
            if found.get(part) != everything:
                raise NotCountableError(_lacks(metric, source.target.name, part), Patience.NONE)


def _lacks(metric: str, name: str, part: str) -> str:
    if part == "count":
        return (
            f"{name} exposes {metric}_bucket without {metric}_count; let it expose whole histograms"
        )
    if part == bound_column(INFINITE):
        return f'{name} exposes {metric}_bucket without le="+Inf"; is it dropped by a relabelling?'
    return f"{metric} of {name} has no bound at {part.removeprefix('le ')} s; give all pods the same bounds"


def check_whole(metric: str, found: Tally) -> None:
    """Raise NotCountableError where a source's count and its bucket +Inf disagree by more than a hair."""
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for row in found.rows:
        sums[row.source][0] += row.of(ALL)
        sums[row.source][1] += row.of(bound_column(INFINITE))
    for source, (counted, infinite) in sums.items():
        if abs(counted - infinite) > _hair(counted):
            raise NotCountableError(
                f"{metric} of {source} contradicts itself: _count grew by {counted:,.0f} and its "
                f"bucket +Inf by {infinite:,.0f}"
            )


def _hair(events: float) -> float:
    return _HAIR_EVENTS + _HAIR_SHARE * events


def _clock(at: float) -> str:
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%H:%M:%S} UTC"
