"""Counting from samples, without a Prometheus: births, restarts, falls, twins, targets and volumes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gates.decide import sources, tally
from gates.decide.events import Cell, Counts
from gates.decide.samples import NotCountableError, Patience, Samples, Span
from gates.decide.targets import Target
from tests.gates.decide.values import PROPERTY

SCRAPE = 10.0
SPAN = Span(begin=1000.0, end=1100.0, scrape_seconds=SCRAPE, known_since=0.0)
TIMES = tuple(965.0 + SCRAPE * number for number in range(14))
"""Four scrapes before the range, ten in it."""
COLUMNS = tally.error_columns("status", "5..", frozenset({"/metrics"}))
NEW, OLD = 1050.0, 100.0
"""Starts of processes: in the range, and long before it."""
RESTART = {at: OLD if at < NEW else NEW for at in TIMES}


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


def counted(
    found: Sequence[Samples],
    scraped: Sequence[Samples] = (up(),),
    span: Span = SPAN,
    earlier: tally.Earlier | None = None,
) -> Counts:
    targets = sources.targets_of(scraped, SCRAPE)
    of = sources.sources_of("r", found, targets)
    return tally.tally("r", of, span, COLUMNS, earlier or {}).counts(None, span.begin, span.end)


def refused(
    found: Sequence[Samples], scraped: Sequence[Samples] = (up(),), span: Span = SPAN
) -> NotCountableError:
    with pytest.raises(NotCountableError) as caught:
        counted(found, scraped, span)
    return caught.value


def test_a_counter_grows_from_scrape_to_scrape() -> None:
    counts = counted([series(steady()), series([0] * 13 + [7], "503")])
    assert (counts.bad, counts.total) == (7, 1007)
    assert counts.cells[-1] == Cell("a", 1095.0, 7, 107)
    assert len(counts.cells) == 10


@pytest.mark.parametrize("grew", [3_000, 120_000])
def test_counters_that_jump_in_one_scrape_are_no_measurement(grew: int) -> None:
    jumps = [*steady(10)[:7], *steady(10, 7, first=1000.0 + grew)]
    assert "more than it can have had" in str(refused([series(jumps)]))


@pytest.mark.parametrize(
    "grew",
    [
        pytest.param([0] * 11 + [3_000, 3_000], id="traffic begins late"),
        pytest.param([3_000] * 5 + [0] + [6_000] + [3_000] * 6, id="a scrape is missed"),
        pytest.param([10] * 6 + [900] + [10] * 6, id="a small peak"),
    ],
)
def test_traffic_that_changes_is_counted(grew: list[int]) -> None:
    values = [1000.0 + sum(grew[:number]) for number in range(14)]
    assert counted([series(values)]).total == sum(grew[-10:])


def test_the_first_value_of_a_counter_that_begins_in_the_range_counts() -> None:
    assert counted([series(steady()), series([3, 5], "500")]).bad == 5


@pytest.mark.parametrize(
    ("earlier", "bad"), [(2.0, 3), (3.0, 2), (9.0, 5)], ids=["grown", "as it was", "from zero"]
)
def test_a_counter_that_comes_back_counts_what_it_gained_or_all_if_it_fell(
    earlier: float, bad: int
) -> None:
    back = series([3, 5], "500")
    known = {back.without("__name__"): earlier}
    assert counted([series(steady()), back], earlier=known).bad == bad


def test_a_new_pod_counts_from_its_first_scrape() -> None:
    scraped = (up(), up("b", TIMES[-3:]))
    new = [series([40, 60, 80], name="b"), series([4, 4, 4], "500", name="b")]
    assert counted([series(steady()), *new], scraped) == Counts(
        4, 1084, counted([series(steady()), *new], scraped).cells
    )


@pytest.mark.parametrize(
    ("scraped", "span"),
    [
        ((up("b", TIMES[-3:]), starts(dict.fromkeys(TIMES[-3:], OLD), "b")), SPAN),
        ((up("b", TIMES[:10], version="1"), up("b", TIMES[-3:])), SPAN),
        ((up("b", TIMES[-3:]),), dataclasses.replace(SPAN, known_since=1080.0)),
    ],
    ids=["its process is old", "its address is known", "Prometheus is new"],
)
def test_a_target_that_only_seems_new_brings_no_history(
    scraped: tuple[Samples, ...], span: Span
) -> None:
    found = [series(steady()), series([5000, 5020, 5040], name="b")]
    assert counted(found, (up(), *scraped), span).total == 1040


def test_a_restart_counts_all_since_even_where_it_is_more_than_before() -> None:
    restart = starts(RESTART)
    assert counted([series([60.0] * 9 + [90.0] * 5)], (up(), restart)).total == 90
    assert counted([series([60.0] * 9 + [30.0] * 5)], (up(), restart)).total == 30


@pytest.mark.parametrize(
    ("found", "scraped"),
    [
        ([series([*steady(10, 9), *steady(10, 5, first=900)])], (up(), starts(RESTART))),
        (
            [series(steady(10)), series([900, 910, 920], name="b")],
            (up(), up("b", TIMES[-3:]), starts(dict.fromkeys(TIMES[-3:], 1070.0), "b")),
        ),
    ],
    ids=["restarted", "a new pod"],
)
def test_a_young_process_with_a_long_history_restored_it(
    found: list[Samples], scraped: tuple[Samples, ...]
) -> None:
    """It is younger than its events, at three times the busiest rate that anybody shows."""
    error = refused(found, scraped)
    assert "900 events at once in counters that begin there" in str(error)
    assert error.patience is Patience.SAMPLES


def test_counters_that_begin_in_an_old_process_are_its_events() -> None:
    started = starts(dict.fromkeys(TIMES, OLD))
    assert counted([series([900])], (up(), started)).total == 900


def test_a_pod_that_was_found_late_counts_what_it_had_time_for() -> None:
    late = up("b", TIMES[-3:]), starts(dict.fromkeys(TIMES[-3:], 1015.0), "b")
    found = [series(steady()), series([600, 700, 800], name="b")]
    assert counted(found, (up(), *late)).total == 1800


FELL = [100.0, 110, 120, 130, 140, 150, 160, 170, 180, 5, 15, 25, 35, 45]


@pytest.mark.parametrize(
    ("scraped", "says"),
    [
        ((up(),), "exposes no process_start_time_seconds"),
        ((up(), starts(dict.fromkeys(TIMES, OLD))), "process_start_time_seconds did not change"),
    ],
    ids=["no start", "the same start"],
)
def test_a_fall_without_a_restart_is_not_counted(scraped: tuple[Samples, ...], says: str) -> None:
    error = refused([series(FELL)], scraped)
    assert says in str(error)
    assert error.patience is Patience.SAMPLES


def test_a_fall_after_a_failed_scrape_is_a_restart() -> None:
    kept = [at for at in TIMES if at != TIMES[8]]
    values = [value for at, value in zip(TIMES, FELL, strict=True) if at != TIMES[8]]
    found = Samples(series(FELL).labels, tuple(kept), tuple(values))
    # From 130 at the scrape before the range to 170, then 5 to 45.
    assert counted([found], (up(failed=[TIMES[8]]),)).total == 170 - 130 + 45


@pytest.mark.parametrize(
    ("values", "scraped"),
    [
        ([100, 10] * 7, (up(),)),
        (steady(), (up(), starts({at: OLD + 5 * (n % 2) for n, at in enumerate(TIMES)}))),
        (steady(), (up(), starts({at: OLD + 50 * (at > NEW) for at in TIMES}))),
    ],
    ids=["values in turn", "starts in turn", "an older process answers"],
)
def test_counters_of_several_workers_are_not_counted(
    values: list[float], scraped: tuple[Samples, ...]
) -> None:
    error = refused([series(values)], scraped)
    assert "split over workers" in str(error)
    assert error.patience is Patience.NONE


def test_two_falls_without_a_restart_are_two_workers() -> None:
    error = refused([series([*FELL[:10], 4, 14, 24, 34])])
    assert "steps back 2 times in 10 scrapes without a restart" in str(error)
    assert error.patience is Patience.NONE


def test_a_process_that_restarts_all_the_time_is_not_counted() -> None:
    restarts = starts({at: at for at in TIMES})
    assert "restarted 10 times in 10 scrapes" in str(refused([series([5] * 14)], (up(), restarts)))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_what_is_no_count_is_refused(value: float) -> None:
    assert "negative or not a finite number" in str(refused([series([*steady(count=13), value])]))


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ([series(steady(2e7))], "20,000,000 events in 10 s"),
        ([series(steady()), series([2001], "200", route="x")], "2,001 events at once"),
    ],
    ids=["a second", "at first"],
)
def test_more_events_than_can_be_are_refused(found: list[Samples], says: str) -> None:
    assert says in str(refused(found))


def test_first_values_of_twenty_scrapes_are_counted() -> None:
    assert counted([series(steady()), series([2000], "200", route="x")]).total == 3000


@pytest.mark.parametrize(
    ("status", "bad"),
    [
        ("503", True),
        ("200", False),
        ("5xx", True),
        ("5XX", True),
        ("2xx", False),
        ("", None),
        ("HTTP_500", None),
        ("500 Internal Server Error", None),
        ("5000", None),
        ("000", None),
        ("999", None),
        ("0", None),
        ("error", None),
    ],
)
def test_a_status_is_three_digits_or_a_class(status: str, bad: bool | None) -> None:  # noqa: FBT001 - a table's column
    assert tally.is_bad(status, "5..") is bad


def test_a_class_that_is_bad_in_part_can_not_be_read() -> None:
    assert tally.is_bad("5xx", "503") is None


def whole(found: Sequence[Samples], span: Span = SPAN) -> tally.Tally:
    of = sources.sources_of("r", found, sources.targets_of((up(),), SCRAPE))
    return tally.tally("r", of, span, COLUMNS, {})


def test_the_share_without_a_status_is_told() -> None:
    with pytest.raises(NotCountableError, match=r"^50\.00% of 2,000 events"):
        whole([series(steady()), series(steady(), "oops")]).check_readable("status")
    whole([series(steady()), series([5] * 14, "oops")]).check_readable("status")


@pytest.mark.parametrize(("idle", "stopped"), [(4, False), (5, True)])
def test_events_reach_to_the_newest_scrapes(idle: int, *, stopped: bool) -> None:
    growing = steady(count=14 - idle)
    found = whole([series([*growing, *[growing[-1]] * idle])])
    if not stopped:
        found.check_newest()
        return
    with pytest.raises(NotCountableError, match="no events since 00:17:25 UTC"):
        found.check_newest()


def test_scrapes_and_probes_are_no_traffic() -> None:
    assert counted([series(steady(), route="/metrics"), series(steady(2))]).total == 20
    with pytest.raises(NotCountableError, match="may all be scrapes and health probes"):
        whole([series(steady(6))]).check_not_own()
    whole([series(steady(7))]).check_not_own()
    routes = [series([1], base="/v1", route=route) for route in ("/v1/x", "/v1/y")]
    assert tally.tells_routes(routes)
    assert not tally.tells_routes(routes[:1])
    assert not tally.tells_routes([series([1], base="/v1", route=route) for route in ("x", "y")])


def test_a_part_of_the_range_counts_for_itself() -> None:
    found = whole([series(steady())])
    assert found.counts(None, 1050.0, 1100.0).total == 500
    assert found.counts(None, 1100.0, 1200.0) == Counts(0, 0)
    assert whole([]).counts(None, 1000.0, 1100.0) == Counts(0, 0)


def test_counters_of_errors_that_begin_with_errors_are_told() -> None:
    assert whole([series(steady()), series([3, 5], "500"), series([4, 6], route="x")]).begun() == 1
    assert whole([series(steady()), series([0, 5], "500")]).begun() == 0


def test_pods_of_one_name_are_told_apart_by_their_address() -> None:
    found = [series(steady(), pod="p"), series(steady(99), name="b", pod="p")]
    cells = counted(found, (up(pod="p"), up("b", pod="p"))).cells
    assert {cell.source for cell in cells} == {"p (a)", "p (b)"}


# --- histograms ------------------------------------------------------------------------------------


def histogram(**bounds: Sequence[float]) -> list[Samples]:
    """Return the series of a histogram: `count`, and one for each bound."""
    return [
        series(values) if le == "count" else series(values, le=le) for le, values in bounds.items()
    ]


def read(found: Sequence[Samples]) -> tally.Tally:
    of = sources.sources_of("r", found, sources.targets_of((up(),), SCRAPE))
    return tally.tally("r", of, SPAN, tally.latency_columns(frozenset({"/metrics"})), {})


def test_events_over_a_bound_are_those_of_the_count_that_are_not_below_it() -> None:
    scraped = series(steady(), route="/metrics")
    found = read([scraped, *histogram(**{"count": steady(), "0.50": steady(90)})])
    counts = found.counts(tally.bound_column(0.5), SPAN.begin, SPAN.end)
    assert (counts.bad, counts.total) == (100, 1000)


@pytest.mark.parametrize(("more", "bad"), [(2, 90), (3, None)])
def test_more_below_a_bound_than_there_are_is_a_hair_or_a_contradiction(
    more: int, bad: int | None
) -> None:
    below = [*steady(90, 13), 1000.0 + 90 * 12 + 100 + more]
    found = read(histogram(**{"count": steady(), "0.5": below}))
    if bad is not None:
        assert found.counts("le 0.5", SPAN.begin, SPAN.end).bad == bad
        return
    with pytest.raises(NotCountableError, match="a counts 3 more events below the bound than"):
        found.counts("le 0.5", SPAN.begin, SPAN.end)


@pytest.mark.parametrize("infinite", [996, 997, 1003, 1004])
def test_the_count_and_the_last_bucket_agree_but_for_a_hair(infinite: int) -> None:
    last = [*steady(count=13), 1000.0 + 300 + infinite]
    found = read(histogram(**{"count": steady(), "+Inf": last}))
    if infinite in (997, 1003):
        tally.check_whole("r", found)
        return
    says = f"r of a contradicts itself: _count grew by 1,000 and its bucket \\+Inf by {infinite:,}$"
    with pytest.raises(NotCountableError, match=says):
        tally.check_whole("r", found)


@pytest.mark.parametrize(
    ("lost", "says"),
    [
        ("count", "a exposes r_bucket without r_count; let it expose whole histograms"),
        ("+Inf", 'a exposes r_bucket without le="+Inf"; is it dropped by a relabelling?'),
        ("0.5", "r of a has no bound at 0.5 s; give all pods the same bounds"),
    ],
)
def test_a_histogram_has_its_count_its_last_bucket_and_the_bound(lost: str, says: str) -> None:
    parts = {"count": steady(), "0.5": steady(), "1.0": steady(), "+Inf": steady()}
    targets = sources.targets_of((up(),), SCRAPE)
    of = sources.sources_of("r", histogram(**parts), targets)
    tally.check_histograms("r", of, (0.5, 1))
    del parts[lost]
    of = sources.sources_of("r", histogram(**parts), targets)
    with pytest.raises(NotCountableError) as caught:
        tally.check_histograms("r", of, (0.5, 1))
    assert (str(caught.value), caught.value.patience) == (says, Patience.NONE)


# --- sources ---------------------------------------------------------------------------------------


def check_twins(found: Sequence[Samples], scraped: Sequence[Samples]) -> None:
    of = sources.sources_of("r", found, sources.targets_of(scraped, SCRAPE))
    sources.check_no_twins("r", of)


def shifted(samples: Samples, seconds: float, **labels: str) -> Samples:
    later = tuple(at + seconds for at in samples.times)
    return Samples({**samples.labels, **labels}, later, samples.values)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ({"service": "canary"}, 'a as service="" and service="canary"'),
        ({"prometheus_replica": "b"}, 'a as prometheus_replica="" and prometheus_replica="b"'),
        ({"job": "pods"}, 'a as job="api" and job="pods"'),
    ],
)
def test_one_address_is_one_source(labels: dict[str, str], says: str) -> None:
    one = series(steady())
    scraped = (up(), shifted(up(), 3, **labels))
    with pytest.raises(NotCountableError) as caught:
        check_twins([one, shifted(one, 3, **labels)], scraped)
    assert f"counts one source twice: {says}" in str(caught.value)


def test_one_address_after_the_other_is_one_target_renamed() -> None:
    first, second = TIMES[:7], TIMES[7:]
    found = [
        Samples({**pod(), "status": "200"}, first, (1.0,) * 7),
        Samples({**pod(service="x"), "status": "200"}, second, (1.0,) * 7),
    ]
    check_twins(found, (up(times=first), up(times=second, service="x")))


@pytest.mark.parametrize(
    ("start", "first", "twins"),
    [(OLD, 1003.0, True), (OLD + 1, 1003.0, False), (OLD, 5000.0, False)],
    ids=["one process", "two starts", "two counters"],
)
def test_one_process_behind_two_addresses_is_one_source(
    start: float, first: float, *, twins: bool
) -> None:
    found = [series(steady()), shifted(series(steady(first=first)), 3, instance="service:80")]
    scraped = (
        up(),
        shifted(up(), 3, instance="service:80"),
        starts(dict.fromkeys(TIMES, OLD)),
        shifted(starts(dict.fromkeys(TIMES, start)), 3, instance="service:80"),
    )
    if not twins:
        check_twins(found, scraped)
        return
    with pytest.raises(NotCountableError, match="twice: a and service:80"):
        check_twins(found, scraped)


def test_the_newest_start_tells_that_two_addresses_lead_to_one_process() -> None:
    before, moved = ({at: old if at < NEW else NEW for at in TIMES} for old in (OLD, OLD + 100))
    found = [series(steady()), shifted(series(steady(first=1003.0)), 3, instance="service:80")]
    other = (shifted(one, 3, instance="service:80") for one in (up(), starts(moved)))
    scraped = (up(), starts(before), *other)
    with pytest.raises(NotCountableError, match="twice: a and service:80"):
        check_twins(found, scraped)


def test_equal_values_of_unknown_processes_are_one_source() -> None:
    with pytest.raises(NotCountableError, match="twice: a and b"):
        check_twins([series(steady()), series(steady(), name="b")], (up(), up("b")))
    check_twins([series(steady()), series(steady(99), name="b")], (up(), up("b")))
    check_twins([series([5] * 14), series([5] * 14, name="b")], (up(), up("b")))


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ({"exported_instance": "x"}, "copies of another Prometheus's series"),
        ({"job": "recorded"}, "no scraped target brings"),
    ],
)
def test_copies_and_recorded_series_are_refused(labels: dict[str, str], says: str) -> None:
    with pytest.raises(NotCountableError, match=says):
        sources.sources_of(
            "r", [shifted(series(steady()), 0, **labels)], sources.targets_of((up(),), SCRAPE)
        )


def test_every_target_brings_the_metric_to_its_newest_scrapes() -> None:
    targets = sources.targets_of((up(), up("b")), SCRAPE)
    both = [series(steady()), series(steady(), name="b")]
    of = sources.sources_of("r", both, targets)
    sources.check_all_bring("r", of, targets)
    with pytest.raises(NotCountableError, match="b was scraped and exposed no r"):
        sources.check_all_bring("r", sources.sources_of("r", both[:1], targets), targets)
    old = Samples(both[1].labels, TIMES[:10], both[1].values[:10])
    with pytest.raises(NotCountableError, match="its r end 40 s earlier"):
        sources.check_all_bring("r", sources.sources_of("r", [both[0], old], targets), targets)


def test_another_job_brings_the_metric_of_every_pod_or_of_none() -> None:
    serving = sources.targets_of((up(pod="p"), up("b", pod="q")), SCRAPE)
    mesh = sources.targets_of([up(job="mesh", pod=name) for name in "pq"], SCRAPE)
    both = [series(steady(), job="mesh", pod=name) for name in "pq"]
    sources.check_every_pod("r", sources.sources_of("r", both, mesh), serving)
    with pytest.raises(NotCountableError, match="q of the release has no r, as other pods have"):
        sources.check_every_pod("r", sources.sources_of("r", both[:1], mesh), serving)
    ingress = sources.targets_of((up(job="ingress", pod="i"),), SCRAPE)
    of = sources.sources_of("r", [series(steady(), job="ingress", pod="i")], ingress)
    sources.check_every_pod("r", of, serving)


@pytest.mark.parametrize(
    ("scraped", "says"),
    [
        ((), "Prometheus scrapes no target of the release"),
        ((up(times=TIMES[:8]),), "scraped the release 65 s ago"),
        ((up(), up("b", failed=TIMES[-1:])), "can't scrape b of the release"),
    ],
    ids=["none", "stale", "down"],
)
def test_targets_that_do_not_serve_are_refused(scraped: tuple[Samples, ...], says: str) -> None:
    with pytest.raises(NotCountableError, match=says):
        sources.serving(sources.targets_of(scraped, SCRAPE), {"job": "api"}, SPAN)


def test_a_target_that_is_gone_is_not_waited_for() -> None:
    scraped = (up(), up("b", TIMES[:6]))
    (left,) = sources.serving(sources.targets_of(scraped, SCRAPE), {"job": "api"}, SPAN)
    assert left.name == "a"


@pytest.mark.parametrize(
    ("scrapes", "version", "there"),
    [
        pytest.param(TIMES[:6], "2", True, id="it left in the range"),
        pytest.param(TIMES[:3], "2", False, id="it left before"),
        pytest.param(TIMES, "2", False, id="it is there"),
        pytest.param(TIMES[:6], "", False, id="nobody says of which release"),
    ],
)
def test_what_a_pod_that_left_counted_is_wanted_too(
    scrapes: tuple[float, ...], version: str, *, there: bool
) -> None:
    targets = sources.targets_of((up(times=scrapes, version=version),), SCRAPE)
    assert bool(sources.gone(targets, {"job": "api", "version": "2"}, SPAN)) is there


def test_labels_of_a_target_may_contradict_those_of_a_metric() -> None:
    target = Target({"job": "api", "version": "1"}, TIMES, (), (), SCRAPE)
    assert target.may_bear({"job": "api", "route": "x"})
    assert not target.may_bear({"version": "2"})


def test_the_most_events_a_second_are_the_same_where_scrapes_are_a_second_apart() -> None:
    times = tuple(1060.0 + number for number in range(41))
    jumps = Samples(series([1]).labels, times, tuple(1_500_000.0 * n for n in range(41)))
    assert "1,500,000 events in 1 s" in str(refused([jumps], (up(times=times),)))


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
