"""What a judgement measured, in labelled lines: the same facts in every report."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from gates.decide.judgement import Judgement, Scalar, amount, percent
from gates.decide.outcome import Outcome
from gates.decide.verdict import Observed, Result, Verdict
from reports.words import duration, moment

_OVER_BOUND = ("over_seconds", "bad", "lower_bound", "upper_bound")
WORTH_SHOWING_SECONDS = 0.05
"""A phase shorter than this explains no failure."""


@dataclasses.dataclass(frozen=True, slots=True)
class Fact:
    """One labelled line about a judgement."""

    label: str
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class KeyFigure:
    """One objective in one region: what it proved."""

    check: str
    region: str
    shown: str
    """The quantile, interpolated: `p95 142 ms`; empty for shares. Marked where it was decided by."""
    share: str
    """The share of bad events: `0.293 % over 200 ms`."""
    proved: str
    """What its 95 % bound proves of the true share: at most so much, of a FAIL at least so much."""
    budget: str
    samples: str

    @property
    def cells(self) -> tuple[str, ...]:
        """Return it all as a row of a table."""
        proved = self.proved.replace("at most", "≤").replace("at least", "≥")
        shown = (self.shown, self.share, proved)
        return (self.check, self.region, *shown, self.budget, self.samples)

    @property
    def text(self) -> str:
        """Return it all in one line."""
        shown = f"{self.shown}; " if self.shown else ""
        proved = f"proved {self.proved}, budget {self.budget}"
        return f"{shown}{self.share}, {proved}, {self.samples} samples"


def facts(judgement: Judgement | None) -> tuple[Fact, ...]:
    """Return what was observed, wanted, by how much, over which time, and what clears it."""
    if judgement is None:
        return ()
    if _interpolated(judgement):
        lines = _quantile_facts(judgement)
    else:
        lines = _objective_facts(judgement) if _counted(judgement) else _plain_facts(judgement)
    return (*lines, *_clears(judgement))


def is_objective(judgement: Judgement) -> bool:
    """Return whether events were counted against a share of the policy's."""
    return _counted(judgement) or _interpolated(judgement)


def numbers(judgement: Judgement) -> tuple[Fact, ...]:
    """Return value, target, bound, margin and samples, each by itself, so far as there are."""
    data, shares = judgement.data, _counted(judgement)
    found = {
        "value": _figure(judgement.observed, judgement, shares=shares),
        "target": _figure(judgement.target, judgement, shares=shares),
        "bound": _proved(judgement),
        "margin": _figure(data.get("margin"), judgement, shares=shares),
        "samples": f"{data['samples']:,.0f}" if _has_numbers(data, "samples") else "",
    }
    return tuple(Fact(name, text) for name, text in found.items() if text)


def _decisive(judgement: Judgement) -> Mapping[str, Any]:
    """Return the counts that decide: of an interpolated quantile, those over one of its two bounds."""
    failed = judgement.outcome is Outcome.FAIL
    data = judgement.data
    counts: Mapping[str, Any] = data["over_bounds"][failed] if _interpolated(judgement) else data
    return counts


def _proved(judgement: Judgement) -> str:
    """Return what the 95 % bound proves: a FAIL is bad by its lower one, whatever else by its upper one."""
    side, words = (
        ("lower", "at least") if judgement.outcome is Outcome.FAIL else ("upper", "at most")
    )
    counts, name = _decisive(judgement), f"{side}_bound"
    return f"{words} {percent(counts[name])}" if _has_numbers(counts, name) else ""


def _figure(value: Scalar, judgement: Judgement, *, shares: bool) -> str:
    if value is None:
        return ""
    if shares and isinstance(value, float):
        return percent(value)
    return f"{number(value, judgement.target)} {judgement.unit}".rstrip()


def explaining(judgement: Judgement) -> tuple[Fact, ...]:
    """Return the facts that are not one of its numbers."""
    return tuple(one for one in facts(judgement) if one.label not in ("measured", "wanted"))


def queries(judgement: Judgement | None) -> tuple[Fact, ...]:
    """Return the resolved queries of a judgement, ready to paste."""
    asked = judgement and judgement.data.get("queries")
    if not isinstance(asked, Mapping):
        return ()
    return tuple(
        Fact(name if name == "quantile" else f"{name} events", str(query))
        for name, query in asked.items()
    )


def slowest(result: Result) -> Fact | None:
    """Return the slowest observation of a result with its phases, if it took long or failed."""
    longest = max(result.observations, key=lambda one: one.elapsed_seconds, default=None)
    if longest is None:
        return None
    failed = longest.failure
    if longest.elapsed_seconds < WORTH_SHOWING_SECONDS and failed is None:
        return None
    ended = f", {failed.kind}" if failed else ""
    took = duration(longest.elapsed_seconds)
    return Fact("slowest", f"{longest.target} took {took}{_phases(longest)}{ended}")


def slowest_check(verdict: Verdict) -> str:
    """Return the check that took longest, with its time; empty where none was timed."""
    timed = {check.id: check.elapsed_seconds or 0.0 for check in verdict.checks}
    longest = max(timed, key=timed.__getitem__, default="")
    return f"{longest}, {duration(timed[longest])}" if timed.get(longest) else ""


def key_figures(verdict: Verdict) -> tuple[KeyFigure, ...]:
    """Return the objectives' figures: quantile shown, share with its proved bound, samples."""
    return tuple(
        _key_figure(check.id, region, judgement)
        for check in verdict.checks
        for region, result in check.regions.items()
        for judgement in result.judgements
        if (judgement.rule == "error budget" and _counted(judgement)) or _interpolated(judgement)
    )


def milliseconds(seconds: float) -> str:
    """Write a latency in whole milliseconds, or with a digit more under ten."""
    value = seconds * 1000
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"  # noqa: PLR2004 - two digits


def number(value: Scalar, beside: Scalar) -> str:
    """Write a value: thousands separated, floats short and never as `beside`, words quoted."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return amount(value, beside if isinstance(beside, int | float) else value)
    return f"“{value}”"


def _counted(judgement: Judgement) -> bool:
    wanted = ("bad", "samples", "lower_bound", "upper_bound")
    return isinstance(judgement.target, float) and _has_numbers(judgement.data, *wanted)


def _interpolated(judgement: Judgement) -> bool:
    """Return whether a quantile was judged by the two bounds around its target, with counts to show."""
    data, bounds = judgement.data, judgement.data.get("over_bounds")
    return (
        data.get("interpolated") is True
        and _has_numbers(data, "quantile", "samples", "budget")
        and isinstance(bounds, list)
        and len(bounds) == 2  # noqa: PLR2004 - the lower and the upper one
        and all(_has_numbers(over, *_OVER_BOUND) for over in bounds)
    )


def _has_numbers(data: object, *names: str) -> bool:
    return isinstance(data, Mapping) and all(
        isinstance(data.get(name), int | float) for name in names
    )


def _quantile_facts(judgement: Judgement) -> Iterator[Fact]:
    data, target = judgement.data, judgement.target
    name = f"p{data['quantile'] * 100:g}"
    if isinstance(judgement.observed, int | float):
        yield Fact("measured", f"{name} {milliseconds(judgement.observed)}, interpolated")
    if isinstance(target, float):
        yield Fact("wanted", f"{name} below {milliseconds(target)}, which no bucket bound marks")
    for over in data["over_bounds"]:
        events = data["samples"]
        share = _share(over["bad"] / events if events > 0 else None, over["bad"], events)
        bound = milliseconds(over["over_seconds"])
        yield Fact("counted", f"{share} over {bound}, 95 % bounds {_bounds(over)}")
    yield from _short(data)
    yield from _since(data)


def _objective_facts(judgement: Judgement) -> Iterator[Fact]:
    data = judgement.data
    share = _share(judgement.observed, data["bad"], data["samples"])
    yield Fact("measured", f"{share}, 95 % bounds {_bounds(data)}")
    over = data.get("over_seconds")
    what = f" over {milliseconds(over)}" if isinstance(over, int | float) else " failing"
    yield Fact("wanted", f"less than {percent(_budget(judgement))} of events{what}")
    yield from _by_how_much(judgement)
    yield from _since(data)
    yield from (Fact(name, text) for name, text in _shown(data))


def _share(share: Scalar, bad: float, events: float) -> str:
    if not isinstance(share, int | float):
        return "no events"
    return f"{percent(share)} ({bad:,.0f} of {events:,.0f} events)"


def _short(data: Mapping[str, Any]) -> Iterator[Fact]:
    if data.get("events_short") is not None:
        yield Fact("by", f"{data['events_short']:,} events short of a proof")


def _bounds(data: Mapping[str, Any]) -> str:
    return f"{percent(data['lower_bound'])} and {percent(data['upper_bound'])}"


def _by_how_much(judgement: Judgement) -> Iterator[Fact]:
    data = judgement.data
    yield from _short(data)
    if judgement.outcome is Outcome.FAIL and isinstance(judgement.observed, int | float):
        times = judgement.observed / _budget(judgement)
        proved = float(data["lower_bound"]) / _budget(judgement)
        yield Fact("by", f"{times:.3g} times the limit, proved at least {proved:.3g} times")
    if "steps_over" in data:
        steps = f"{data['steps_over']} of {data['steps']} steps"
        yield Fact("held", f"over the limit in {steps} of {duration(data['for_seconds'])}")


def _budget(judgement: Judgement) -> float:
    return judgement.target if isinstance(judgement.target, float) else 0.0


def _since(data: Mapping[str, Any]) -> Iterator[Fact]:
    if isinstance(data.get("look_back_seconds"), int | float):
        at = f" before {moment(data['evaluated_at'])}" if data.get("evaluated_at") else ""
        yield Fact("look-back", f"the {duration(data['look_back_seconds'])}{at}")


def _shown(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield quantiles such as p95_seconds; interpolated, so they are shown and never decide."""
    shown = data.get("shown")
    for name, value in shown.items() if isinstance(shown, Mapping) else ():
        if isinstance(value, int | float):
            yield str(name).removesuffix("_seconds"), milliseconds(value)


def _plain_facts(judgement: Judgement) -> Iterator[Fact]:
    unit = f" {judgement.unit}" if judgement.unit else ""
    if judgement.observed is not None:
        yield Fact("measured", f"{number(judgement.observed, judgement.target)}{unit}")
    if judgement.target is not None:
        side = f"{judgement.rule} " if judgement.rule in {"below", "at least"} else ""
        yield Fact("wanted", f"{side}{number(judgement.target, None)}{unit}")
    yield from _since(judgement.data)


def _clears(judgement: Judgement) -> Iterator[Fact]:
    if judgement.clears:
        yield Fact("clears", judgement.clears)


def _phases(observation: Observed) -> str:
    named = ", ".join(
        f"{name} {duration(seconds)}"
        for name, seconds in observation.phases.items()
        if seconds is not None and seconds >= WORTH_SHOWING_SECONDS
    )
    return f" ({named})" if named else ""


def _key_figure(check: str, region: str, judgement: Judgement) -> KeyFigure:
    """Return an objective's figure; an interpolated quantile is marked."""
    data, marked = judgement.data, _interpolated(judgement)
    bound = _decisive(judgement)
    over, samples = bound.get("over_seconds"), data["samples"]
    what = f"over {milliseconds(over)}" if isinstance(over, int | float) else "failed"
    mark = " (interpolated)" if marked else ""
    share = bound["bad"] / samples if samples > 0 else None
    if not marked:
        share = judgement.observed if isinstance(judgement.observed, float) else None
    return KeyFigure(
        check=check,
        region=region,
        shown=", ".join(f"{name} {text}{mark}" for name, text in _shown(data)),
        share="no events" if share is None else f"{percent(share)} {what}",
        proved=_proved(judgement),
        budget=percent(data["budget"] if marked else _budget(judgement)),
        samples=f"{samples:,.0f}",
    )
