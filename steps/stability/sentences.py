"""The first hour's figures and events: within their limits, and as they were before the release."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gates.decide.judgement import Judgement
from probes.observation import pause
from settings.monitoring import EventsLimit, FigureLimit, Stability
from steps.kit.asked import Asked
from steps.kit.baseline import before
from steps.kit.expect import need
from steps.kit.platform import NotDescribedError
from steps.kit.run import Run
from steps.kit.sentence import then, when
from steps.objectives.instrument import Inspector, UnfitError, unfit
from steps.objectives.objectives import released_since
from steps.stability import reading, rules
from steps.stability.reading import COLLECTOR, Now
from steps.stability.rules import Points, Was

_HAIR_SECONDS = 0.5
"""The server's time moves on while it is asked."""
Limit = FigureLimit | EventsLimit
Limits = tuple[Limit, ...]
Judged = Callable[[Now, Limit, Was | None], Iterator[Judgement]]


@when("the release has carried traffic for the whole look-back", target_fixture="limits")
def limits(asked: Asked) -> Limits:
    """Return what the policy measures this check by; raises NotDescribedError where it has nothing."""
    policy, own = asked.platform.policy.stability, asked.check.id
    every: Limits = (*policy.figures, *policy.events)
    found = tuple(one for one in every if one.check == own)
    return _some(asked, found, f"a figure or events of stability for {own}; add one")


@when("every figure of the first hour is read since the traffic switch", target_fixture="limits")
def every_figure(asked: Asked) -> Limits:
    """Return the figures of all checks; raises NotDescribedError where the policy has none."""
    return _some(asked, asked.platform.policy.stability.figures, "figures of stability")


def _some(asked: Asked, found: Limits, what: str) -> Limits:
    if not found:
        raise NotDescribedError(f"{asked.platform.policy_folder} lacks {what}")
    return found


@then("what the policy measures it by keeps to its limits, and is as it was before the release")
def as_before(run: Run, asked: Asked, limits: Limits) -> None:
    """Judge every figure and all events of this check in every region, against policy and baseline."""
    _judge_each(
        run, asked, limits, lambda now, one, was: _judged(now, one, was, _own_reads(run, now, one))
    )


@then("if its trend continues, it keeps to its limit for the same time again")
def no_trend(run: Run, asked: Asked, limits: Limits) -> None:
    """Judge the trend of this check's figures over the look-back."""
    _judge_trends(run, asked, limits, lambda now: now)


@then("if their trends continue, all of them keep to their limits for the same time again")
def no_trend_of_a_day(run: Run, asked: Asked, limits: Limits) -> None:
    """Judge the trend of every figure since the traffic switch, over up to a day."""
    _judge_trends(run, asked, limits, Now.over_a_day)


def _judge_trends(run: Run, asked: Asked, limits: Limits, span: Callable[[Now], Now]) -> None:
    def judged(now: Now, one: Limit, was: Was | None) -> Iterator[Judgement]:
        if isinstance(one, FigureLimit):
            yield rules.trend(one, _points(span(now), one), was)

    _judge_each(run, asked, limits, judged)


def _judge_each(run: Run, asked: Asked, limits: Limits, judged: Judged) -> None:
    """Judge each figure and kind of events in every region, once the release has served long enough."""
    section = asked.platform.section(Stability)
    compares = any(isinstance(one, EventsLimit) or one.change is not None for one in limits)
    earlier = before(asked.platform, asked.check, COLLECTOR) if compares else {}

    def measured(here: Asked) -> None:
        try:
            now = _whole_look_back(run, here, section)
        except UnfitError as exc:
            here.judge(exc.judgement)
            return
        for one in limits:
            name = one.events if isinstance(one, EventsLimit) else one.figure
            was = reading.was(here.platform, earlier.get(here.region), name)
            try:
                here.judge(*judged(now, one, was))
            except UnfitError as exc:
                here.judge(exc.judgement)

    asked.in_each_region(measured)


def _whole_look_back(run: Run, here: Asked, section: Stability) -> Now:
    """Wait until the release has served for the whole look-back; raises UnfitError where it has not."""
    inspector = Inspector(here.platform, here.region, here.keep)

    def known() -> Now:
        fit = inspector.inspect()
        since = released_since(here.platform, fit, inspector.scrape_seconds)
        return Now.of(inspector, section, fit, since)

    now = known()
    wait = now.ranges.look_back - now.seconds + _HAIR_SECONDS
    if _HAIR_SECONDS < wait < here.platform.deadline.remaining_seconds():
        run.events.write(
            "waiting", check=here.check.id, region=here.region, awaited="the whole look-back"
        )
        pause(wait)
        now = known()
    if now.seconds < now.ranges.look_back:
        raise unfit(
            f"{now.seconds:.0f} s of the look-back's {now.ranges.look_back:.0f} s are known: the run ended, "
            "or Prometheus was restarted"
        )
    return now


def _own_reads(run: Run, now: Now, one: Limit) -> float:
    """Return how many of these events may be reads of this run's own lease: those count as requests."""
    settings, end = now.inspector.platform.environment.settings, now.fit.server_time.timestamp()
    events = now.section.events.get(one.events) if isinstance(one, EventsLimit) else None
    if events is None or events.name not in {one.name for one in settings.metrics.values()}:
        return 0.0
    return run.lease.reads(end - now.seconds, end)


def _judged(now: Now, one: Limit, was: Was | None, own: float) -> Iterator[Judgement]:
    """Yield what one figure or kind of events comes to; that there is no baseline is judged already."""
    if isinstance(one, EventsLimit):
        need(now.section.events.get(one.events), f"stability.events.{one.events}")
        counted = now.events(one.events)
        if was is not None:
            yield rules.rate_kept(one.title, counted, was, one.keeps, own)
        if one.failed is not None and one.failed_rise is None:
            yield rules.few_failed(one.title, counted, one.failed)
        elif one.failed is not None and one.failed_rise is not None and was is not None:
            yield rules.share_not_risen(one.title, counted, was, one.failed_rise, one.failed)
        return
    points = _points(now, one)
    if one.limit is not None:
        yield rules.within(one, points)
    if one.change is not None and was is not None:
        yield rules.unchanged(one, points, was)


def _points(now: Now, one: FigureLimit) -> Points:
    need(now.section.figures.get(one.figure), f"stability.figures.{one.figure}")
    return now.points(one.figure)
