"""Counting from samples, without a Prometheus: births, restarts, falls, twins, targets and volumes."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.decide.counting import samples, sources, tally
from gates.decide.counting.samples import NotCountableError, Samples, Span, Target
from gates.decide.counting.statistics import Cell, Counts
from tests.gates.decide.values import PROPERTY
from tests.tables import cases

SCRAPE = 10.0
SPAN = Span(begin=1000.0, end=1100.0, scrape_seconds=SCRAPE, known_since=0.0)
TIMES = tuple(965.0 + SCRAPE * number for number in range(14))
"""Four scrapes before the range, ten in it."""
BY_STATUS = functools.partial(tally.error_columns, "status", "5..", frozenset({"/metrics"}))
BY_BOUND = functools.partial(tally.latency_columns, frozenset({"/metrics"}))
NEW, OLD = 1050.0, 100.0
"""Starts of processes: in the range, and long before it."""
FELL = [100.0, 110, 120, 130, 140, 150, 160, 170, 180, 5, 15, 25, 35, 45]


def pod(name: str = "a", **labels: str) -> dict[str, str]:
    return {"job": "api", "instance": name, **labels}


def up(
    name: str = "a", times: Sequence[float] = TIMES, failed: Sequence[float] = (), **labels: str
) -> Samples:
    values = tuple(0.0 if at in failed else 1.0 for at in times)
    return Samples({**pod(name, **labels), "__name__": "up"}, tuple(times), values)


def starts(values: Mapping[float, float], name: str = "a") -> Samples:
    labels = {**pod(name), "__name__": sources.START}
    return Samples(labels, tuple(values), tuple(values.values()))


def series(values: Sequence[float], status: str = "200", name: str = "a", **more: str) -> Samples:
    """Return a counter whose last value belongs to the last scrape."""
    labels = {**pod(name), "__name__": "r", "status": status, **more}
    return Samples(labels, TIMES[len(TIMES) - len(values) :], tuple(map(float, values)))


def steady(step: float = 100.0, count: int = 14, first: float = 1000.0) -> list[float]:
    return [first + step * number for number in range(count)]


def idle(scrapes: int) -> Samples:
    """Return a counter that does not grow in its newest scrapes."""
    growing = steady(count=14 - scrapes)
    return series([*growing, *[growing[-1]] * scrapes])


def shifted(found: Samples, seconds: float, **labels: str) -> Samples:
    later = tuple(at + seconds for at in found.times)
    return Samples({**found.labels, **labels}, later, found.values)


def histogram(**bounds: Sequence[float]) -> list[Samples]:
    """Return the series of a histogram: `count`, and one for each bound."""
    return [
        series(values) if le == "count" else series(values, le=le) for le, values in bounds.items()
    ]


ONE, TWO = (up(),), (up(), up("b"))
STEADY, OF_B = series(steady()), series(steady(), name="b")
RESTARTED = up(), starts({at: OLD if at < NEW else NEW for at in TIMES})
LATE = up("b", TIMES[-3:])
"""A target that is scraped for the last three times only."""


def of(found: Sequence[Samples], scraped: Sequence[Samples] = ONE) -> tuple[sources.Source, ...]:
    return sources.sources_of("r", found, sources.targets_of(scraped, SCRAPE))


def whole(
    found: Sequence[Samples],
    scraped: Sequence[Samples] = ONE,
    span: Span = SPAN,
    earlier: tally.Earlier | None = None,
    columns: Callable[[], tally.Columns] = BY_STATUS,
) -> tally.Tally:
    return tally.tally("r", of(found, scraped), span, columns(), earlier or {})


def counted(found: Sequence[Samples], scraped: Sequence[Samples] = ONE, **how: Any) -> Counts:
    span = how.get("span", SPAN)
    return whole(found, scraped, **how).counts(None, span.begin, span.end)


def read(**bounds: Sequence[float]) -> tally.Tally:
    return whole(histogram(**bounds), columns=BY_BOUND)


def serving(*scraped: Samples) -> list[Target]:
    return sources.serving(sources.targets_of(scraped, SCRAPE), {"job": "api"}, SPAN)


def check_twins(found: Sequence[Samples], scraped: Sequence[Samples]) -> None:
    sources.check_no_twins("r", of(found, scraped))


def check_all_bring(*found: Samples) -> None:
    targets = sources.targets_of(TWO, SCRAPE)
    sources.check_all_bring("r", sources.sources_of("r", found, targets), targets)


def check_every_pod(job: str, pods: str, scraped: str) -> None:
    """Check the metric that another job brings of some pods, of those that it scrapes."""
    ours = sources.targets_of((up(pod="p"), up("b", pod="q")), SCRAPE)
    found = [series(steady(), job=job, pod=name) for name in pods]
    sources.check_every_pod("r", of(found, [up(job=job, pod=name) for name in scraped]), ours)


PARTS = {"count": steady(), "0.5": steady(), "1.0": steady(), "+Inf": steady()}


def check_parts(lost: str = "") -> None:
    parts = {part: values for part, values in PARTS.items() if part != lost}
    tally.check_histograms("r", of(histogram(**parts)), (0.5, 1))


def check_whole(infinite: float) -> None:
    last = [*steady(count=13), 1000.0 + 300 + infinite]
    tally.check_whole("r", read(**{"count": steady(), "+Inf": last}))


def over_half_a_second(more: float) -> float:
    """Return the events over a bound where `more` than all were below it in the last scrape."""
    below = [*steady(90, 13), 1000.0 + 90 * 12 + 100 + more]
    return read(**{"count": steady(), "0.5": below}).counts("le 0.5", SPAN.begin, SPAN.end).bad


def relabelled(**labels: str) -> None:
    check_twins([STEADY, shifted(STEADY, 3, **labels)], (up(), shifted(up(), 3, **labels)))


def behind_a_service(
    start: Mapping[float, float], other: Mapping[float, float], first: float = 1003.0
) -> None:
    """Check two addresses whose processes began so; the other's counters begin with `first`."""
    found = [STEADY, shifted(series(steady(first=first)), 3, instance="service:80")]
    moved = (shifted(one, 3, instance="service:80") for one in (up(), starts(other)))
    check_twins(found, (up(), starts(start), *moved))


def begun(at: float) -> dict[float, float]:
    return dict.fromkeys(TIMES, at)


def begun_anew(before: float) -> dict[float, float]:
    return {at: before if at < NEW else NEW for at in TIMES}


def begun_at(*moments: float) -> Samples:
    """Return the starts of a process that began long ago, and anew at these moments."""
    return starts({at: max(one for one in (OLD, *moments) if one <= at) for at in TIMES})


def jump(by: float) -> Samples:
    return series([*steady(10)[:7], *steady(10, 7, first=1000.0 + by)])


SECONDS = tuple(1060.0 + number for number in range(41))
REFUSED: dict[str, Callable[[], object]] = {
    "a fall, and no start is told": lambda: counted([series(FELL)]),
    "a fall, and the start is the same": lambda: counted(
        [series(FELL)], (up(), starts(begun(OLD)))
    ),
    "values in turn": lambda: counted([series([100, 10] * 7)]),
    "a process that restarts all the time": lambda: counted(
        [series([5] * 14)], (up(), starts({at: at for at in TIMES}))
    ),
    "three restarts in ten scrapes": lambda: counted(
        [series([5] * 14)], (up(), begun_at(1010, 1040, 1070))
    ),
    "NaN": lambda: counted([series([*steady(count=13), math.nan])]),
    "more a second than can be": lambda: counted([series(steady(2e7))]),
    "more at first than twenty scrapes": lambda: counted([STEADY, series([2001], route="x")]),
    "a jump": lambda: counted([jump(3_000)]),
    "a copy, by its job": lambda: of([shifted(STEADY, 0, exported_job="x")]),
    "a recorded series": lambda: of([shifted(STEADY, 0, job="recorded")]),
    "no status can be read": lambda: whole([series(steady(), "oops")]).check_readable("status"),
    "one event has no status": lambda: whole(
        [STEADY, series([0] * 13 + [1], "oops")]
    ).check_readable("status"),
    "the traffic has stopped": lambda: whole([idle(5)]).check_newest(),
    "scrapes and probes alone": lambda: whole([series(steady(6))]).check_not_own(),
    "no target": serving,
    "a stale target": lambda: serving(up(times=TIMES[:8])),
    "targets that are down": lambda: serving(
        up(), *(up(name, failed=TIMES[-1:]) for name in "edcb")
    ),
    "half of the events have no status": lambda: whole(
        [STEADY, series(steady(), "oops")]
    ).check_readable("status"),
    "an infinite value": lambda: counted([series([*steady(count=13), math.inf])]),
    "a negative value": lambda: counted([series([*steady(count=13), -1.0])]),
    "a large jump": lambda: counted([jump(120_000)]),
    "a restarted process, younger than its events": lambda: counted(
        [series([*steady(10, 9), *steady(10, 5, first=900)])], RESTARTED
    ),
    "a new pod, younger than its events": lambda: counted(
        [series(steady(10)), series([900, 910, 920], name="b")],
        (up(), LATE, starts(dict.fromkeys(TIMES[-3:], 1070.0), "b")),
    ),
    "two falls without a restart": lambda: counted([series([*FELL[:10], 4, 14, 24, 34])]),
    "starts in turn": lambda: counted(
        [STEADY], (up(), starts({at: OLD + 5 * (n % 2) for n, at in enumerate(TIMES)}))
    ),
    "an older process answers": lambda: counted(
        [STEADY], (up(), starts({at: OLD + 50 * (at > NEW) for at in TIMES}))
    ),
    "more a second, where scrapes are a second apart": lambda: counted(
        [Samples(series([1]).labels, SECONDS, tuple(1_500_000.0 * n for n in range(41)))],
        (up(times=SECONDS),),
    ),
    "a copy, by its instance": lambda: of([shifted(STEADY, 0, exported_instance="x")]),
    "more below a bound than there are": lambda: over_half_a_second(more=3),
    "a last bucket that lacks events": lambda: check_whole(996),
    "a last bucket with more events": lambda: check_whole(1004),
    **{f"a histogram without {part}": functools.partial(check_parts, part) for part in PARTS},
    "one address twice, by service": lambda: relabelled(service="canary"),
    "one address twice, by Prometheus": lambda: relabelled(prometheus_replica="b"),
    "one address twice, by job": lambda: relabelled(job="pods"),
    "one address twice, of a service and of none": lambda: check_twins(
        [shifted(STEADY, 3, service="canary"), STEADY], (shifted(up(), 3, service="canary"), up())
    ),
    "one process behind two addresses": lambda: behind_a_service(begun(OLD), begun(OLD)),
    "two addresses whose newest start is one": lambda: behind_a_service(
        begun_anew(OLD), begun_anew(OLD + 100)
    ),
    "equal values of unknown processes": lambda: check_twins([STEADY, OF_B], TWO),
    "a target without the metric": lambda: check_all_bring(STEADY),
    "a target whose samples end early": lambda: check_all_bring(
        STEADY, Samples(OF_B.labels, TIMES[:10], OF_B.values[:10])
    ),
    "a sidecar of one pod": lambda: check_every_pod("mesh", "p", "pq"),
}
"""What is not counted, or not from these targets: said.json has why, and what waiting may change."""


def refused(ask: Callable[[], object]) -> str:
    with pytest.raises(NotCountableError) as caught:
        ask()
    return f"{caught.value.patience.name}: {caught.value}"


def test_a_counter_grows_from_scrape_to_scrape() -> None:
    counts = counted([STEADY, series([0] * 13 + [7], "503")])
    assert (counts.bad, counts.total) == (7, 1007)
    assert counts.cells[-1] == Cell("a", 1095.0, 7, 107)
    assert len(counts.cells) == 10


def grown(*steps: float) -> Samples:
    return series([1000.0 + sum(steps[:number]) for number in range(14)])


def without_scrape(found: Samples, place: int) -> Samples:
    times, values = found.times, found.values
    left = (times[:place] + times[place + 1 :], values[:place] + values[place + 1 :])
    return Samples(found.labels, *left)


BACK = series([3, 5], "500")
OLD_B = series([5000, 5020, 5040], name="b")
Found = tuple[list[Samples], Sequence[Samples], dict[str, Any]]
COUNTED: dict[str, Found] = {
    "traffic begins late": ([grown(*[0] * 11, 3000, 3000)], ONE, {}),
    "a scrape is missed": ([grown(*[3000] * 5, 0, 6000, *[3000] * 6)], ONE, {}),
    "a small peak": ([grown(*[10] * 6, 900, *[10] * 6)], ONE, {}),
    "the first value of a new counter": ([STEADY, BACK], ONE, {}),
    **{
        f"a counter that comes back: {value:g} before": (
            [STEADY, BACK],
            ONE,
            {"earlier": {BACK.without("__name__"): value}},
        )
        for value in (2.0, 3.0, 9.0)
    },
    "a new pod counts from its first scrape": (
        [STEADY, series([40, 60, 80], name="b"), series([4, 4, 4], "500", name="b")],
        (up(), LATE),
        {},
    ),
    "seems new, its process is old": (
        [STEADY, OLD_B],
        (up(), LATE, starts(dict.fromkeys(TIMES[-3:], OLD), "b")),
        {},
    ),
    "seems new, its address is known": (
        [STEADY, OLD_B],
        (up(), up("b", TIMES[:10], version="1"), LATE),
        {},
    ),
    "seems new, Prometheus is new": (
        [STEADY, OLD_B],
        (up(), LATE),
        {"span": dataclasses.replace(SPAN, known_since=1080.0)},
    ),
    "restarted, more than before": ([series([60] * 9 + [90] * 5)], RESTARTED, {}),
    "restarted, less than before": ([series([60] * 9 + [30] * 5)], RESTARTED, {}),
    "begun in an old process": ([series([900])], (up(), starts(begun(OLD))), {}),
    "a pod found late counts what it had time for": (
        [STEADY, series([600, 700, 800], name="b")],
        (up(), LATE, starts(dict.fromkeys(TIMES[-3:], 1015.0), "b")),
        {},
    ),
    "a fall after a failed scrape is a restart": (
        [without_scrape(series(FELL), 8)],
        (up(failed=[TIMES[8]]),),
        {},
    ),
    "two restarts in ten scrapes": ([series([5] * 14)], (up(), begun_at(1010, 1040)), {}),
    "a million a second": ([series(steady(1e7))], ONE, {}),
    "twenty scrapes at first": ([STEADY, series([2000], route="x")], ONE, {}),
    "no scrapes": ([series(steady(), route="/metrics"), series(steady(2))], ONE, {}),
}
"""Series, what was scraped, and what else is known; just inside of what is refused."""
STATUSES = (
    *("503", "5xx", "5XX", "200", "2xx", "", "HTTP_500", "500 Internal Server Error", "5000"),
    *("000", "999", "0", "error"),
)


def counts_said() -> Iterator[str]:
    """Yield what is counted in the range, and how statuses are read; said.json has it."""
    for name, (found, scraped, how) in COUNTED.items():
        counts = counted(found, scraped, **how)
        yield f"{name}: {counts.bad:g} of {counts.total:g}"
    for status in STATUSES:
        yield f"{status}: {tally.is_bad(status, '5..')}"


def test_what_may_be_counted_is_not_refused() -> None:
    """Each just inside of a bound; REFUSED has what lies outside. Different sources are no twins."""
    assert tally.is_bad("5xx", "503") is None
    whole([STEADY, series([5] * 14, "oops")]).check_readable("status")
    whole([idle(4)]).check_newest()
    whole([grown(*[100] * 8, 0, 0, 0, 0, 1)]).check_newest()
    whole([idle(11)], span=dataclasses.replace(SPAN, begin=95.0, end=1095.0)).check_newest()
    whole([idle(5)], span=dataclasses.replace(SPAN, end=1095.0)).check_newest()
    whole([series(steady(7))]).check_not_own()
    check_parts()
    check_whole(997)
    check_whole(1003)
    assert over_half_a_second(more=2) == 90
    check_all_bring(STEADY, OF_B)
    check_every_pod("mesh", "pq", "pq")
    check_every_pod("ingress", "i", "i")
    behind_a_service(begun(OLD), begun(OLD + 1))
    behind_a_service(begun(OLD), begun(OLD), first=5000.0)
    check_twins([STEADY, series(steady(99), name="b")], TWO)
    check_twins([series([5] * 14), series([5] * 14, name="b")], TWO)
    first, second = TIMES[:7], TIMES[7:]
    renamed = [
        Samples({**pod(), "status": "200"}, first, (1.0,) * 7),
        Samples({**pod(service="x"), "status": "200"}, second, (1.0,) * 7),
    ]
    check_twins(renamed, (up(times=first), up(times=second, service="x")))


def test_a_label_tells_the_route_where_its_values_are_paths_that_differ() -> None:
    routes = [series([1], base="/v1", route=route) for route in ("/v1/x", "/v1/y")]
    assert tally.tells_routes(routes)
    assert not tally.tells_routes(routes[:1])
    assert not tally.tells_routes([series([1], base="/v1", route=route) for route in ("x", "y")])


def test_a_part_of_the_range_counts_for_itself() -> None:
    found = whole([STEADY])
    assert found.counts(None, 1050.0, 1100.0).total == 500
    assert found.counts(None, 1100.0, 1200.0) == Counts(0, 0)
    assert whole([]).counts(None, 1000.0, 1100.0) == Counts(0, 0)
    # And counters of errors that begin with errors are told.
    assert whole([STEADY, series([3, 5], "500"), series([4, 6], route="x")]).begun() == 1
    assert whole([STEADY, series([0, 5], "500")]).begun() == 0


def test_the_status_label_says_in_which_columns_a_series_belongs() -> None:
    columns = tally.error_columns("code", "5..", frozenset({"/metrics"}))
    assert tuple(columns(series([1], code="503"))) == (tally.ALL, tally.BAD)
    assert tuple(columns(series([1], code="200"))) == (tally.ALL,)
    assert tuple(columns(series([1]))) == (tally.ALL, tally.UNREADABLE)
    assert tuple(columns(series([1], code="503", route="/metrics"))) == ()


def test_events_over_a_bound_are_those_of_the_count_that_are_not_below_it() -> None:
    parts = histogram(**{"count": steady(), "0.50": steady(90)})
    found = whole([series(steady(), route="/metrics"), *parts], columns=BY_BOUND)
    counts = found.counts(tally.bound_column(0.5), SPAN.begin, SPAN.end)
    assert (counts.bad, counts.total) == (100, 1000)


def test_a_histograms_parts_belong_together_by_their_labels_and_not_by_name() -> None:
    def part(kind: str, **more: str) -> Samples:
        return Samples({**pod(), "__name__": f"t_{kind}", **more}, TIMES, (1.0,) * 14)

    parts = [part("count"), part("bucket", le="0.2"), part("bucket", le="+Inf")]
    tally.check_histograms("t", of(parts), [0.2])


# --- sources ---------------------------------------------------------------------------------------


def test_a_target_that_is_gone_is_not_waited_for_and_pods_of_one_name_are_told_apart() -> None:
    (left,) = serving(up(), up("b", TIMES[:6]))
    assert left.name == "a"
    in_time = dataclasses.replace(SPAN, end=TIMES[-1] + sources.FRESH_SCRAPES * SCRAPE)
    assert sources.serving([left], {"job": "api"}, in_time) == [left]
    found = [series(steady(), pod="p"), series(steady(99), name="b", pod="p")]
    cells = counted(found, (up(pod="p"), up("b", pod="p"))).cells
    assert {cell.source for cell in cells} == {"p (a)", "p (b)"}


@cases(
    "scrapes version there",
    {
        "it left in the range": (TIMES[:6], "2", True),
        "it left before": (TIMES[:3], "2", False),
        "it left as it began": ((SPAN.begin - SCRAPE, SPAN.begin), "2", False),
        "it left a second later": ((SPAN.begin, SPAN.begin + 1), "2", True),
        "it is there": (TIMES, "2", False),
        "nobody says of which release": (TIMES[:6], "", False),
    },
)
def test_what_a_pod_that_left_counted_is_wanted_too(
    scrapes: tuple[float, ...], version: str, *, there: bool
) -> None:
    targets = sources.targets_of((up(times=scrapes, version=version),), SCRAPE)
    assert bool(sources.gone(targets, {"job": "api", "version": "2"}, SPAN)) is there


def test_labels_of_a_target_may_contradict_a_metrics_and_names_are_shown_up_to_three() -> None:
    target = Target({"job": "api", "version": "1"}, TIMES, (), (), SCRAPE)
    assert target.may_bear({"job": "api", "route": "x"})
    assert not target.may_bear({"version": "2"})
    assert sources._list(["c", "a", "b"]) == "a, b, c"
    assert sources._list(["d", "c", "a", "b"]) == "a, b, c and 1 more"


FIVE, BETWEEN = [1.0, 2, 3, 4, 5], [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]


def a_source(totals: list[float], shift: float = 0.0, start: float | None = None) -> sources.Source:
    (target,) = sources.targets_of(ONE, SCRAPE)
    if start is not None:
        target = dataclasses.replace(target, starts=((TIMES[0], start),))
    return sources.Source(target, (shifted(series(totals), shift),))


def test_five_totals_in_turn_tell_one_process_and_four_do_not() -> None:
    """Also where a scrape was asked 3 s after the other, and answered after the other's next one."""
    assert sources._interlaced(a_source(FIVE), a_source(BETWEEN, 3)) is True
    assert sources._interlaced(a_source(FIVE), a_source(BETWEEN[1:], 3)) is False
    totals, late = ([10.0 * at + more for at in range(10)] for more in (0, 3))
    late[4], late[6] = 52, 72
    assert sources._interlaced(a_source(totals), a_source(late, 3)) is True
    assert sources._interlaced(a_source(late, 3), a_source(totals)) is True
    # Totals a scrape of traffic apart are of two processes.
    ahead = [total + 25 for total in totals]
    assert sources._interlaced(a_source(totals), a_source(ahead, 3)) is False


def test_starts_two_hundredths_of_a_second_apart_are_one_process() -> None:
    for apart, same in ((0.02, True), (0.03, False)):
        one, other = a_source(FIVE, start=0.0), a_source(BETWEEN, 3, start=apart)
        assert sources._same_stream(one, other) is same


def test_the_ends_of_what_a_source_went_through_are_left_out() -> None:
    source = a_source([0, 1, 1, 2, 3, 9])
    assert sources._values(source) == (1.0, 2.0, 3.0)
    several = (*source.series, series([0, 0, 5, 5, 5, 5], "500"))
    assert sources._values(sources.Source(source.target, several)) == (1.0, 6.0, 7.0, 8.0)


def test_a_process_that_begins_anew_shows_its_first_value() -> None:
    (target,) = sources.targets_of(ONE, SCRAPE)
    fell = samples._growth(1050.0, 3.0, (1040.0, 9.0), None, (target, SPAN))
    assert fell == samples.Growth(1050.0, 3.0, first=True, fell=True)


# --- whatever happens ------------------------------------------------------------------------------

steps = st.lists(st.integers(0, 50), min_size=14, max_size=14)


@PROPERTY
@given(good=steps, bad=steps, born=st.integers(0, 13), restart=st.integers(0, 13))
def test_counts_are_the_events_of_the_range(
    good: list[int], bad: list[int], born: int, restart: int
) -> None:
    """Truth is known: a process that restarts once, and errors whose counter may begin at any scrape."""

    def counter(events: list[int], since: int) -> Samples:
        total, values = 0, []
        for number, amount in enumerate(events):
            total = amount if number == restart else total + amount
            values.append(total)
        status = "500" if events is bad else "200"
        return series(values[since:], status)

    first = next((n for n, amount in enumerate(bad) if amount and n >= born), 13)
    bad[:first] = [0] * first
    started = {at: OLD if n < restart else TIMES[restart] - 5 for n, at in enumerate(TIMES)}
    counts = counted([counter(good, 0), counter(bad, first)], (up(), starts(started)))
    assert counts.total == sum(good[4:]) + sum(bad[4:])
    assert counts.bad == sum(bad[4:])
    assert sum(cell.bad for cell in counts.cells) == counts.bad
