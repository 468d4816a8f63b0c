"""The words that every report shares: what a decision means, what to do next, how times are written."""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from gates.decide.fold import DOUBLED, MISSING, WAIVED
from gates.decide.outcome import Decision, Outcome
from gates.decide.statements import Kind, Overridden
from gates.decide.verdict import CheckResult, Verdict
from reports import verdict as kept
from reports.causes import Cause, causes_of, checks_in

GATE = "./harness gate" if __package__ == "reports" else "gate"
"""How the gate is called, from a checkout or installed; what is shown can be pasted."""

NO_VERDICT = "NO VERDICT"
OVERRIDDEN = "OVERRIDDEN"
RECOMMENDS = "The gate recommends a rollback; it does not authorise one."

_MEANINGS = {
    Decision.GO: "Every required check ran and passed.",
    Decision.HOLD: "Do not go on yet.",
    Decision.NO_GO: "Measured and bad before the deployment: do not deploy.",
    Decision.STOP: "Measured and bad in a step that carries no traffic: stop, undo what was begun.",
    Decision.ROLLBACK: "Measured and bad while the release carries traffic.",
}
_STATES = {
    "incomplete": "The gate was killed or is still running. No verdict is never GO.",
    "interrupted": "The gate was interrupted before it could decide. No verdict is never GO.",
    "refused": "The gate refused to run: what it was given is wrong. Nothing was decided.",
    "failed": "The gate itself failed. This says nothing about the platform, and it is not GO.",
}
_WINDOWS = ("15m", "1h", "24h")
MOST_NAMED = 6
"""Checks of one cause that are named; all of them are under "Every check" and in JSON."""
FEW = 2
"""Red checks named in a line about a region."""
ALMOST_A_SECOND = 0.9995
"""From here on three digits of milliseconds would round to a second."""
MINUTE_SECONDS = 60
HOUR_SECONDS = 3600
DAY_SECONDS = 86400


def decision_word(verdict: Verdict) -> str:
    """Return the one word that stands above everything."""
    if verdict.overridden is not None:
        return OVERRIDDEN
    if verdict.complete and verdict.decision is not None:
        return verdict.decision.value
    if verdict.state == "interrupted":
        return Decision.HOLD.value
    return NO_VERDICT


def meaning(verdict: Verdict) -> str:
    """Return in one sentence what the decision means."""
    if not verdict.complete or verdict.decision is None:
        return _STATES[verdict.state]
    if verdict.overridden is not None:
        return f"It could not be decided and is not GO: {verdict.overridden}."
    if verdict.decision is Decision.HOLD:
        return f"{_MEANINGS[Decision.HOLD]} {_why_hold(verdict)}"
    if verdict.decision is Decision.GO and (verdict.not_asked or verdict.waived):
        asked = "check that was asked" if verdict.not_asked else "required check"
        nothing = " It says nothing of what was not asked." if verdict.not_asked else ""
        return f"Every {asked} ran and passed{_but_waived(verdict)}.{nothing}"
    return _MEANINGS[verdict.decision]


def _but_waived(verdict: Verdict) -> str:
    waived = {one.check for one in verdict.waived}
    return f", but for {checks_in(len(waived))} that people waived" if waived else ""


def by_people(verdict: Verdict) -> tuple[str, ...]:
    """Return what people let pass or decided, one line each."""
    found = [f"{OVERRIDDEN}: {verdict.overridden}"] if verdict.overridden is not None else []
    for waiver in verdict.waivers:
        reasons = [one for one in verdict.waived if one.check == waiver.check]
        if reasons:
            regions = ", ".join(dict.fromkeys(str(one.region) for one in reasons))
            was = f"{reasons[0].outcome}: {reasons[0].sentence}"
            found.append(f"{WAIVED} {waiver.check} in {regions}, {waiver}. It was {was}")
    return tuple(map(one_line, found))


def _why_hold(verdict: Verdict) -> str:
    failed = {reason.outcome == Outcome.FAIL.value for reason in verdict.reasons}
    if failed == {True}:
        if verdict.gate == "post-rollback":
            return "Something was measured and is not as before: the rollback is not complete."
        return "Something was measured and missed; it does not ask for a rollback."
    if True in failed:
        return "Something was missed, and something could not be decided."
    return "It could not be decided: no proof of a fault, and none of health."


def not_asked(verdict: Verdict) -> tuple[str, ...]:
    """Return what the decision says nothing of, one line for each reason."""
    by_why: dict[str, list[str]] = {}
    for one in verdict.not_asked:
        checks = f" ({checks_in(len(one.checks))})" if one.checks else ""
        by_why.setdefault(one.why, []).append(f"{one.what}{checks}")
    return tuple(one_line(f"{', '.join(what)}: {why}") for why, what in by_why.items())


def about(verdict: Verdict) -> str:
    """Return what was judged: release and environment."""
    release = f"{verdict.release} on " if verdict.release else ""
    return one_line(f"{release}{verdict.environment}")


def scope(verdict: Verdict) -> str:
    """Return which gate judged: gate, window, stage."""
    window = f", first {window_words(verdict.window)}" if verdict.window else ""
    at = f", due by {verdict.at}" if verdict.at else ""
    stage = f", {verdict.stage}" if verdict.stage else ""
    only = f", only {named(verdict.only)}" if verdict.only else ""
    scale = f", times divided by {verdict.time_scale:g}" if verdict.time_scale != 1 else ""
    return one_line(f"{gate_name(verdict)}{window}{at}{only}{stage}{scale}")


def gate_name(verdict: Verdict) -> str:
    """Return the gate as on the command line: post-deploy, phase 2.1, post-rollback --method flags."""
    if verdict.gate == "post-rollback":
        return " --method ".join((verdict.gate, *(verdict.phase or "").split(",")))
    return f"{verdict.gate} {verdict.phase}" if verdict.phase else verdict.gate


def area(check: CheckResult) -> str:
    """Return what of the runbook a check belongs to, by its feature: user flows, performance."""
    file = (check.scenario or "").rpartition(":")[0]
    return pathlib.PurePosixPath(file).stem.replace("_", " ") or check.phase


def window_words(window: str) -> str:
    """Write out what follows "the first": 15m as 15 minutes, 1h as hour."""
    units = {"m": "minute", "h": "hour"}
    number, unit = window[:-1], units.get(window[-1:])
    if unit is None or not number.isdigit():
        return window
    return unit if number == "1" else f"{number} {unit}s"


def next_steps(verdict: Verdict) -> tuple[str, ...]:
    """Return what to do now, in order; sentences that fit the decision."""
    if not verdict.complete:
        return _steps_without_verdict(verdict)
    if verdict.decision is Decision.GO:
        return _steps_after_go(verdict)
    again = f"Ask again: {again_command(verdict)}"
    if verdict.overridden is not None:
        return _steps_as_people_decided(verdict, verdict.overridden)
    if verdict.decision is Decision.HOLD:
        return (*_steps_on_hold(verdict), again)
    if verdict.decision is Decision.ROLLBACK:
        return (
            f"{RECOMMENDS} Whoever may order a rollback decides now.",
            f"Which way leads back, with its commands: {command(verdict, 'rollback plan')}",
            f"Call the owners of the red checks: {owners(verdict)}.",
            f"After a rollback or a repair, ask again: {again_command(verdict)}",
        )
    undo = "Do not switch traffic; undo what was begun."
    first = "Do not deploy." if verdict.decision is Decision.NO_GO else undo
    return (first, f"The owners of the red checks fix them: {owners(verdict)}.", again)


def _steps_on_hold(verdict: Verdict) -> tuple[str, str]:
    hold = f"Hold the release where it is. {deciders(verdict)}"
    if verdict.gate == "post-rollback":
        hold = (
            "The rollback is not proved complete: deploy nothing else; whoever ordered it goes on with it, "
            f"by {command(verdict, 'rollback plan')}. {deciders(verdict)}"
        )
    if any(reason.owner for reason in verdict.reasons):
        return hold, "Fix what is red; each entry says what clears it."
    return hold, "Fix what is listed under Why; it is about the run and not about the platform."


def _steps_as_people_decided(verdict: Verdict, by: Overridden) -> tuple[str, ...]:
    if by.decision is not Kind.PROCEED:
        return ("Roll back, by the runbook; people decided it.", f"Then: {again_command(verdict)}")
    if verdict.follows:
        return (f"When the next step is carried out: {command(verdict, verdict.follows)}",)
    return (f"Ask again when what was red is fixed: {again_command(verdict)}",)


def _steps_without_verdict(verdict: Verdict) -> tuple[str, ...]:
    again = f"Run it again: {again_command(verdict)}"
    if verdict.state == "refused":
        return ("Fix what is named above.", again)
    if verdict.state == "failed":
        return (f"Look into {evidence(verdict)} and report it as a fault of the gate.", again)
    return (f"What was measured until then: {explain_command(verdict)}", again)


VERIFIED_AS = {
    "feature flags": "flags",
    **{one: one for one in ("kubernetes", "dns", "database")},
    "roll forward": "forward",
}
"""What `gate post-rollback --method` calls the runbook's methods."""


def verify_commands(verdict: Verdict) -> tuple[str, ...]:
    """Return what verifies a rollback by the plan of this verdict, as one command; none without a plan."""
    choice = data_of(verdict, "METHOD-1").get("choice") or {}
    ways = (choice.get("plan") or {}).get("ways", ())
    named = [f"--method {VERIFIED_AS[way]}" for way in ways if way in VERIFIED_AS]
    # Its switch is the rollback's own: the release's, which this run was given, is another one.
    asked = dataclasses.replace(verdict, switched_at_given=False)
    return (command(asked, f"post-rollback {' '.join(named)}"),) if named else ()


def data_of(verdict: Verdict, check: str) -> Mapping[str, Any]:
    """Return the data of a check's judgement that has any; the regions share them."""
    found = verdict.check(check)
    for result in found.regions.values() if found is not None else ():
        for judgement in result.judgements:
            if judgement.data:
                return judgement.data
    return {}


def _steps_after_go(verdict: Verdict) -> tuple[str, ...]:
    if verify := verify_commands(verdict):
        return (f"When whoever may order it has, and it is carried out: {verify[0]}",)
    if verdict.other_regions:
        here, others = ", ".join(verdict.regions), ", ".join(verdict.other_regions)
        join = f"{GATE} join {verdict.run} RUN"
        return (f"This is GO for {here} alone. Ask {others} too, then join the runs: {join}",)
    if verdict.follows:
        return (f"Go on. When the next step is carried out: {command(verdict, verdict.follows)}",)
    later = _WINDOWS[_WINDOWS.index(verdict.window) + 1 :] if verdict.window in _WINDOWS else ()
    if not later:
        return ("Nothing: this gate asks for no more.",)
    again = again_command(verdict, window=later[0])
    return (f"Go on. Later, for the first {window_words(later[0])}: {again}",)


def deciders(verdict: Verdict) -> str:
    """Return who decides about a release that is on hold."""
    named = owners(verdict)
    if named == "nobody named":
        return "The release manager decides; no check is red, the run itself is incomplete."
    return f"The owners of the red checks decide: {named}."


def owners(verdict: Verdict) -> str:
    """Return who can fix what is red, the worst cause's owner first."""
    named = dict.fromkeys(owner for cause in causes_of(verdict) for owner in cause.owners)
    return ", ".join(named) or "nobody named"


def evidence(verdict: Verdict) -> str:
    """Return the run's folder, seen from the checkout."""
    return f"{kept.OUT}/{verdict.run}"


def bundle(verdict: Verdict) -> str:
    """Return whether the run's evidence bundle is signed; nothing of a run that measured nothing."""
    if not verdict.checks:
        return ""
    return f"signed by {verdict.signed_by}" if verdict.signed_by else "not signed"


def verify_command(verdict: Verdict) -> str:
    """Return the command that holds this run against its bundle."""
    return f"{GATE} verify {verdict.run}"


def explain_command(verdict: Verdict) -> str:
    """Return the command that explains this run."""
    return f"{GATE} explain {verdict.run}"


def again_command(verdict: Verdict, *, window: str | None = None) -> str:
    """Return the command that asks the same question again."""
    again = command(verdict, gate_name(verdict))
    wanted = window or verdict.window
    flag = "--for" if verdict.gate == "watch" else "--window"
    again += f" {flag} {wanted}" if wanted else ""
    again += (
        f" --resume {verdict.run}"
        if verdict.gate == "watch" and verdict.state == "interrupted"
        else ""
    )
    asked = verdict.asked_regions or (verdict.regions if verdict.other_regions else ())
    again += "".join(f" --region {shlex.quote(region)}" for region in asked)
    due = "--day" if verdict.gate == "rollout" else "--at"
    again += f" {due} {verdict.at}" if verdict.at else ""
    return again + "".join(f" --only {check}" for check in verdict.only)


def command(verdict: Verdict, gate: str) -> str:
    """Return a gate's command for the same environment and release, and the switch where it was told."""
    release = f" --release {shlex.quote(verdict.release)}" if verdict.release else ""
    switched = f" --switched-at {verdict.traffic_switched_at}" if verdict.switched_at_given else ""
    return f"{GATE} {gate} --env {shlex.quote(verdict.env)}{release}{switched}"


def tally(verdict: Verdict) -> str:
    """Return how many results there are by outcome, the worst first: `1 FAIL, 35 PASS`."""
    order = [DOUBLED, MISSING, *(outcome.value for outcome in reversed(Outcome))]
    order.insert(order.index(Outcome.PASS), WAIVED)
    counted = [f"{verdict.counts[word]} {word}" for word in order if verdict.counts.get(word)]
    return ", ".join(counted) or "no results"


def where(cause: Cause) -> str:
    """Return a cause's outcomes by region: `FAIL in eu, us`."""
    regions: dict[str, list[str]] = {}
    for reason in cause.reasons:
        named = regions.setdefault(reason.outcome, [])
        if reason.region is not None and reason.region not in named:
            named.append(reason.region)
    return "; ".join(
        f"{outcome} in {', '.join(named)}" if named else outcome
        for outcome, named in regions.items()
    )


def red_of(verdict: Verdict, region: str) -> str:
    """Return the first red checks of a region: `: IV-PERF-3 FAIL, and 4 more`; empty for none."""
    red: dict[str, str] = {}
    for reason in verdict.reasons:
        if reason.region == region and reason.check is not None:
            red.setdefault(reason.check, reason.outcome)
    named = [f"{check} {outcome}" for check, outcome in red.items()]
    more = [f"{len(named) - FEW} more"] if named[FEW:] else []
    return f": {', '.join([*named[:FEW], *more])}" if named else ""


def called(verdict: Verdict, cause: Cause) -> str:
    """Return what a cause is called: its check and title, its checks, or the run."""
    if len(cause.checks) != 1:
        return named(cause.checks) if cause.checks else "Run The run itself"
    check = verdict.check(cause.checks[0])
    return f"{cause.checks[0]} {(check and check.title) or ''}".rstrip()


def named(checks: Sequence[str], most: int = MOST_NAMED) -> str:
    """Return ids of checks, the first of many: `IV-PERF-1, IV-PERF-2`; `run` for the run itself."""
    more = len(checks) - most
    return ", ".join([*checks[:most], *([f"{more} more"] if more > 0 else [])]) or "run"


def duration(seconds: float) -> str:
    """Write a length of time for people: 12 ms, 0.4 s, 31 s, 4 min 05 s, 2 h 10 min, 3 days."""
    if seconds < ALMOST_A_SECOND:
        return f"{seconds * 1000:.3g} ms"
    if seconds < MINUTE_SECONDS:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    if whole < HOUR_SECONDS:
        return f"{whole // MINUTE_SECONDS} min {whole % MINUTE_SECONDS:02d} s"
    if whole < DAY_SECONDS:
        return f"{whole // HOUR_SECONDS} h {whole % HOUR_SECONDS // MINUTE_SECONDS:02d} min"
    days = whole // DAY_SECONDS
    return "1 day" if days == 1 else f"{days} days"


def moment(text: str) -> str:
    """Write an ISO time for people, in UTC; what is not a time is shown as it is."""
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


_ASCII = str.maketrans(
    {"“": '"', "”": '"', "→": "->", "≤": "<=", "≥": ">=", "·": "-", "…": "...", "\u00a0": " "}
)


def one_line(text: str) -> str:
    """Return text on one line, without control or invisible characters that move a terminal."""
    flat = " ".join(text.split())
    if flat.isprintable():
        return flat
    return "".join(character for character in flat if character.isprintable())


def ascii_line(text: str) -> str:
    """Return one line of printable ASCII: logs and old terminals show nothing else reliably."""
    return one_line(text.translate(_ASCII)).encode("ascii", "replace").decode()
