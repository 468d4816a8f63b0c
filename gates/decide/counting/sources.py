"""From which target each series comes, and whether one stream of events is counted twice."""

from __future__ import annotations

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from gates.decide.counting.samples import NotCountableError, Patience, Samples, Span, Target, newest

FRESH_SCRAPES = 3
"""The newest sample may be two scrapes old, and one more for the scrape under way."""
START = "process_start_time_seconds"
_COPIED = ("exported_instance", "exported_job")
_SAME_PROCESS_SECONDS = 0.02
_SHOWN_NAMES = 3
_TELLING_VALUES = 5
"""Two counters with so many different values in common are one."""


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """A target and the series of one metric that it brings."""

    target: Target
    series: tuple[Samples, ...]


def targets_of(read: Sequence[Samples], scrape_seconds: float) -> tuple[Target, ...]:
    """Return the targets that series of `up` and of process_start_time_seconds tell of."""
    ups = [one for one in read if one.labels.get("__name__") == "up"]
    starts: dict[tuple[str, str], list[Samples]] = defaultdict(list)
    for one in read:
        if one.labels.get("__name__") == START:
            starts[_address(one)].append(one)
    begins: dict[str, float] = {}
    for up in ups:
        _, instance = _address(up)
        begins[instance] = min(begins.get(instance, up.times[0]), up.times[0])
    return tuple(
        _target(up, starts[_address(up)], scrape_seconds, begins[_address(up)[1]]) for up in ups
    )


def _target(
    up: Samples, starts: Iterable[Samples], scrape_seconds: float, address_since: float
) -> Target:
    own = max(starts, key=lambda one: _agreement(one, up.labels), default=None)
    pairs = list(zip(up.times, up.values, strict=True))
    return Target(
        labels={name: value for name, value in up.labels.items() if name != "__name__"},
        scrapes=tuple(at for at, value in pairs if value == 1),
        failed=tuple(at for at, value in pairs if value != 1),
        starts=tuple(zip(own.times, own.values, strict=True)) if own is not None else (),
        scrape_seconds=scrape_seconds,
        seen_before=address_since < up.times[0],
    )


def serving(targets: Iterable[Target], labels: Mapping[str, str], span: Span) -> list[Target]:
    """Return the targets with these labels that are scraped now; raises NotCountableError.

    One that was not scraped lately is gone: Prometheus notes every scrape, also those that fail.
    """
    chosen = [one for one in targets if labels.items() <= one.labels.items()]
    if not chosen:
        raise NotCountableError(f"Prometheus scrapes no target of the release: up{_shown(labels)}")
    age = span.end - max(one.last for one in chosen)
    if age > FRESH_SCRAPES * span.scrape_seconds:
        raise NotCountableError(
            f"Prometheus scraped the release {age:.0f} s ago and not since; is scrape_interval right?"
        )
    now = [one for one in chosen if span.end - one.last <= FRESH_SCRAPES * span.scrape_seconds]
    down = [one.name for one in now if not one.is_up]
    if down:
        raise NotCountableError(
            f"Prometheus can't scrape {_list(down)} of the release; see up{_shown(labels)} == 0"
        )
    return now


def gone(targets: Iterable[Target], labels: Mapping[str, str], span: Span) -> list[Target]:
    """Return the targets with all these labels that were scraped in the range and are no more."""
    lately = span.end - FRESH_SCRAPES * span.scrape_seconds
    return [
        one
        for one in targets
        if labels.items() <= one.labels.items()
        and one.last < lately
        and any(at > span.begin for at in one.scrapes)
    ]


def sources_of(
    metric: str, series: Iterable[Samples], targets: Sequence[Target]
) -> tuple[Source, ...]:
    """Give each series to its target; raises NotCountableError for copies and for what no target brings."""
    found: dict[int, list[Samples]] = defaultdict(list)
    by_address: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, target in enumerate(targets):
        by_address[target.address].append(number)
    for one in series:
        if any(label in one.labels for label in _COPIED):
            raise NotCountableError(
                f"{metric} has copies of another Prometheus's series (label exported_instance or "
                "exported_job): ask the Prometheus that scrapes the pods",
                Patience.NONE,
            )
        choice = by_address.get(_address(one))
        if not choice:
            raise NotCountableError(
                f"{metric} has series that no scraped target brings (their job and instance have no `up`): "
                "recorded, pushed or summed counters hide restarts; choose those of the pods",
                Patience.NONE,
            )
        best = max(choice, key=lambda number: _agreement(one, targets[number].labels))
        found[best].append(one)
    return tuple(Source(targets[number], tuple(those)) for number, those in found.items())


def check_all_bring(metric: str, sources: Sequence[Source], wanted: Sequence[Target]) -> None:
    """Raise NotCountableError unless every target brings the metric, up to its newest scrapes."""
    bring = {id(one.target): newest(one.series) for one in sources}
    for target in wanted:
        if id(target) not in bring:
            raise NotCountableError(
                f"{target.name} was scraped and exposed no {metric}: its events are missing; let every pod "
                "of the release expose it from its start, or narrow prometheus.target_labels to them"
            )
        behind = target.scrapes[-1] - bring[id(target)]
        if behind > FRESH_SCRAPES * target.scrape_seconds:
            raise NotCountableError(
                f"{target.name} is scraped, but the samples of its {metric} end {behind:.0f} s earlier: it "
                "stopped exposing it, or sets its samples' times itself (honor_timestamps: false)"
            )


def check_every_pod(metric: str, sources: Iterable[Source], serving: Iterable[Target]) -> None:
    """Raise NotCountableError where another job (a sidecar's) brings the metric of some pods only."""
    bring = {one.target.labels.get("pod") for one in sources}
    wanted = {name for one in serving if (name := one.labels.get("pod"))}
    if bring & wanted and not wanted <= bring:
        raise NotCountableError(
            f"{_list([*(wanted - bring)])} of the release has no {metric}, as other pods have: its events "
            "are missing; let every pod of the release expose it from its start"
        )


def check_no_twins(metric: str, sources: Sequence[Source]) -> None:
    """Raise NotCountableError where two sources are one: one address, one process, the same values."""
    for one, other in _likely_twins(sources):
        if _place(one.target) == _place(other.target):
            names = f"{one.target.name} as {_difference(one.target, other.target)}"
        elif _same_stream(one, other):
            names = f"{one.target.name} and {other.target.name}"
        else:
            continue
        raise NotCountableError(
            f"{metric} counts one source twice: {names}; scrape it once, or select one of them by "
            "the metric's labels or match",
            Patience.NONE,
        )


def _likely_twins(sources: Sequence[Source]) -> Iterator[tuple[Source, Source]]:
    """Yield pairs at one address, with one start of their processes, or with the same values."""
    keyed: dict[object, list[Source]] = defaultdict(list)
    for source in sources:
        keyed["place", _place(source.target)].append(source)
        if source.target.starts:
            start = source.target.starts[-1][1]
            for near in {round(start, 1), round(start + _SAME_PROCESS_SECONDS, 1)}:
                keyed["start", near].append(source)
        else:
            keyed["values", _values(source)].append(source)
    for group in keyed.values():
        for one, other in itertools.combinations(group, 2):
            if _overlap(one.target, other.target):
                yield one, other


def _place(target: Target) -> tuple[str, str]:
    return target.labels.get("instance", ""), target.labels.get("pod", "")


def _overlap(one: Target, other: Target) -> bool:
    """Return whether both were scraped in the same time: one after the other is one target, renamed."""
    begin, end = max(one.scrapes[0], other.scrapes[0]), min(one.last, other.last)
    return end - begin > one.scrape_seconds


def _same_stream(one: Source, other: Source) -> bool:
    """Return whether two targets show the counters of one process."""
    if one.target.starts and other.target.starts:
        apart = abs(one.target.starts[-1][1] - other.target.starts[-1][1])
        return apart <= _SAME_PROCESS_SECONDS and _interlaced(one, other)
    values = _values(one)
    return values == _values(other) and len(values) >= _TELLING_VALUES


def _interlaced(one: Source, other: Source) -> bool:
    """Return whether each total of one lies between those of the other before and after it, and they grow.

    A sample bears the time at which its scrape began; a busy pod answers up to a scrape later.
    """
    first, second = _totals(one), _totals(other)
    grows = len(set(first.values())) >= _TELLING_VALUES
    lags = (0.0, one.target.scrape_seconds)
    return grows and any(_in_turn(first, second, lag) for lag in lags)


def _in_turn(first: Mapping[float, float], second: Mapping[float, float], lag: float) -> bool:
    told = 0
    for at, value in first.items():
        below = [total for when, total in second.items() if when <= at - lag]
        above = [total for when, total in second.items() if when >= at + lag]
        if not below or not above:
            continue
        if not below[-1] <= value <= above[0]:
            return False
        told += 1
    return told >= _TELLING_VALUES


def _totals(source: Source) -> dict[float, float]:
    totals: dict[float, float] = defaultdict(float)
    for one in source.series:
        for at, value in zip(one.times, one.values, strict=True):
            totals[at] += value
    return dict(sorted(totals.items()))


def _values(source: Source) -> tuple[float, ...]:
    """Return the different totals that a source went through, without the ends: one may lack them."""
    return tuple(dict.fromkeys(_totals(source).values()))[1:-1]


def _difference(one: Target, other: Target) -> str:
    """Return the label by which two targets of one address differ, and both its values."""
    for label in sorted({*one.labels, *other.labels}):
        here, there = one.labels.get(label, ""), other.labels.get(label, "")
        if here != there:
            return f'{label}="{here}" and {label}="{there}"'
    return "two targets"


def _address(series: Samples) -> tuple[str, str]:
    return series.labels.get("job", ""), series.labels.get("instance", "")


def _agreement(series: Samples, labels: Mapping[str, str]) -> int:
    agrees = sum(series.labels.get(name) == value for name, value in labels.items())
    return 2 * agrees - len(labels)


def _shown(labels: Mapping[str, str]) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items())) + "}"


def _list(names: Sequence[str]) -> str:
    shown, more = ", ".join(sorted(names)[:_SHOWN_NAMES]), len(names) - _SHOWN_NAMES
    return f"{shown} and {more} more" if more > 0 else shown
