"""A judgement: one measured value against one rule, with everything that explains it, as data."""

from __future__ import annotations

import dataclasses
import enum
import math
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

from gates.decide.kept import Kept
from gates.decide.outcome import Meaning, Outcome, worst_outcome
from gates.decide.plain_text import cleaned

Scalar = str | int | float | bool | None


def _bounded(value: Scalar) -> Scalar:
    if isinstance(value, int) and not isinstance(value, bool) and _finite(value) is None:
        raise ValueError("a number beyond all bounds")
    return value


_Shown = Annotated[Scalar, AfterValidator(_bounded)]
UNAUTHORIZED, FORBIDDEN, TOO_MANY_REQUESTS = 401, 403, 429
REFUSALS = (UNAUTHORIZED, FORBIDDEN, TOO_MANY_REQUESTS, 407, 511)
"""Statuses that refuse whoever asks, and so say nothing of patients; 407 and 511 are a proxy's of ours."""
_STATES = frozenset(
    {
        "",
        *("ok", "okay", "up", "down", "healthy", "unhealthy", "degraded", "error", "failed"),
        *("failing", "failure", "fail", "pass", "passed", "passing", "warn", "warning"),
        *("critical", "available", "unavailable", "alive", "dead", "ready", "notready"),
        *("starting", "stopping", "started", "stopped", "running", "connected"),
        *("disconnected", "online", "offline", "operational", "outofservice", "maintenance"),
        *("partial", "unknown", "green", "yellow", "red", "true", "false", "yes", "no", "on"),
        *("off", "enabled", "disabled", "none", "active", "inactive", "busy", "idle"),
        *("timeout", "serving", "notserving", "success", "successful", "live", "pending"),
        *("debug", "info", "trace"),
    }
)
_COMMIT = r"g?(?=\d*[a-f])(?=[a-f]*\d)[0-9a-f]{7,40}"
_SUFFIX = rf"([-+.]?(alpha|beta|rc|dev|pre)[.-]?\d{{0,3}}|[-+]{_COMMIT})?"
_SHAPES = (
    # A version: not as long as a telephone number, and no date of birth unless a year was wanted.
    re.compile(rf"v?(0|[1-9]\d{{0,2}})(\.(0|[1-9]\d{{0,2}})){{1,2}}{_SUFFIX}"),
    re.compile(rf"v?20\d\d(\.(0|[1-9]\d{{0,2}})){{1,2}}{_SUFFIX}"),
    re.compile(rf"{_COMMIT}|sha256:[0-9a-f]{{64}}"),
    # A setting, such as 20, 1.5 or 30s.
    re.compile(r"\d{1,5}(\.\d{1,3})?(ms|s|m|h|d|%|[KMG]i?B?)?"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Judgement(Kept):
    """What one rule says of one measured thing in one region."""

    outcome: Outcome
    rule: str
    """Name of the rule, e.g. `equals`, `below`, `error budget`."""
    subject: str
    """What was measured, in words."""
    sentence: str
    """The finding for people: what was found and what was wanted."""
    observed: _Shown = None
    target: _Shown = None
    unit: str = ""
    means: Meaning | None = None
    """What a FAIL asks for here, where that is less than the catalogue's `on_fail`."""
    clears: str = ""
    """What would turn this into a PASS."""
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Bounds, margin, look-back, samples, resolved query, server time: JSON values."""

    def __post_init__(self) -> None:
        """Make every text plain: a sentence may quote what a server said."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, enum.Enum):
                object.__setattr__(self, field.name, cleaned(value))


def outcome_of(judgements: tuple[Judgement, ...]) -> Outcome | None:
    """Return the worst outcome, or None when nothing was judged: then the check did not run."""
    return worst_outcome(item.outcome for item in judgements) if judgements else None


def harmless(value: object, like: Scalar = None) -> Scalar:
    """Return a value as evidence may show it; `like` is what was wanted of that field.

    A server in trouble may put anything into a field: a patient's name, mail address or number. So a
    text is shown only where it is a common word for a state, or has the shape of what was wanted
    (a version, a digest, a setting); any other is described by its length instead of being copied.
    """
    if value is None or isinstance(value, bool) or (type(value) is type(like) and value == like):
        return value
    if isinstance(value, int | float):
        if _finite(value) is None:
            return "a number beyond all bounds"
        return "a number" if isinstance(like, str) else value
    if isinstance(value, str):
        return value if _may_be_shown(value, like) else f"a text of {len(value)} characters"
    return f"a value of type {type(value).__name__}"


def _may_be_shown(text: str, like: Scalar) -> bool:
    if re.sub(r"[-_]", "", text.lower()) in _STATES:
        return True
    wanted = like if isinstance(like, str) else ""
    return any(shape.fullmatch(wanted) and shape.fullmatch(text) for shape in _SHAPES)


def refuses_asker(subject: str, status: int) -> Judgement:
    """Return the ERROR of an answer that refuses the gate itself: it says nothing of patients."""
    throttled = status == TOO_MANY_REQUESTS
    why = "throttles the gate" if throttled else "does not know the gate or does not let it in"
    remedy = (
        "let it ask more often" if throttled else "let it in without a login, or past the filter"
    )
    return Judgement(
        outcome=Outcome.ERROR,
        rule="our side",
        subject=subject,
        sentence=f"{subject} {why}: status {status}. It says nothing of patients; {remedy}",
        observed=status,
        clears="the gate's requests answered",
    )


def from_cache(subject: str, header: str) -> Judgement:
    """Return what an answer out of a cache says of the service now: nothing."""
    return Judgement(
        outcome=Outcome.INCONCLUSIVE,
        rule="fresh",
        subject=subject,
        sentence=f"{subject} was answered by a cache ({header}), so the service itself was not reached; "
        "let no cache keep this answer (Cache-Control: no-store)",
        observed=header,
        clears="an answer of the service itself",
    )


def equals(subject: str, observed: object, target: Scalar) -> Judgement:
    """PASS when the observed value is the target, of the same type; FAIL otherwise."""
    same = type(observed) is type(target) and observed == target
    shown = harmless(observed, target)
    verb = "is" if same else f"is {_described(observed, shown)}, wanted"
    return Judgement(
        outcome=Outcome.PASS if same else Outcome.FAIL,
        rule="equals",
        subject=subject,
        sentence=f"{subject} {verb} {_quoted(target)}",
        observed=shown,
        target=target,
        clears="" if same else f"{subject} {_quoted(target)}",
    )


def below(subject: str, observed: object, limit: float, unit: str, **data: Any) -> Judgement:
    """PASS when a finite number is under the limit; FAIL otherwise, also for what is not a number."""
    number, wanted = _finite(observed), f"{limit:g} {unit}"
    passed = number is not None and number < limit
    if number is None:
        shown = harmless(observed, limit)
        found = f"is {_described(observed, shown)}, wanted a number below {wanted}"
        clears = f"a number below {wanted}"
    else:
        shown = number
        found = f"is {amount(number, limit)} {unit}, wanted below {wanted}"
        clears = "" if passed else more_or_less(number, limit, unit, "less")
        data = {"margin": limit - number, **data}
    return Judgement(
        outcome=Outcome.PASS if passed else Outcome.FAIL,
        rule="below",
        subject=subject,
        sentence=f"{subject} {found}",
        observed=shown,
        target=limit,
        unit=unit,
        clears=clears,
        data=data,
    )


_BEYOND_FIGURES = 1e15


def amount(number: float, beside: float) -> str:
    """Write a number to three figures, and to more where it would read as `beside`, which it is not."""
    size = abs(number)
    if size >= _BEYOND_FIGURES:
        return f"{number:.3g}"
    figures = 2 - math.floor(math.log10(size)) if size else 0
    for decimals in (min(max(figures, 0), 6), 6, 9, 12):
        text = f"{number:.{decimals}f}"
        if number == beside or float(text) != beside:
            break
    short = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if short == "-0" else short


def percent(share: float, beside: float = 0.0) -> str:
    """Write a share for people, `3.06 %`, as `amount` does: never as `beside`, which it is not."""
    return f"{amount(share * 100, beside * 100)} %"


def more_or_less(number: float, limit: float, unit: str, word: str) -> str:
    """Return what clears a number on the wrong side of its limit; a hair is told by the limit alone."""
    margin = abs(number - limit)
    if margin <= abs(limit) / 1000:
        return f"{'below' if word == 'less' else 'at least'} {limit:g} {unit}"
    return f"{amount(margin, 0)} {unit} {word}"


def contains_all(subject: str, observed: object, wanted: tuple[str, ...]) -> Judgement:
    """PASS when every wanted name is among the observed ones; FAIL naming the missing ones."""
    present = set(observed) if isinstance(observed, Mapping | list | tuple) else set()
    missing = [name for name in wanted if name not in present]
    return Judgement(
        outcome=Outcome.FAIL if missing else Outcome.PASS,
        rule="contains all",
        subject=subject,
        sentence=f"{subject} lacks {', '.join(missing)}"
        if missing
        else f"{subject} has all {len(wanted)} expected names",
        observed=len(wanted) - len(missing),
        target=len(wanted),
        clears=f"{subject} reporting {', '.join(missing)}" if missing else "",
        data={"missing": missing, "wanted": list(wanted)},
    )


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _described(observed: object, shown: Scalar) -> str:
    """Quote what is shown as it is, and nothing that only describes it."""
    return _quoted(shown) if shown is observed or shown == observed else str(shown)


def _quoted(value: Scalar) -> str:
    return f"“{value}”" if isinstance(value, str) else str(value)
