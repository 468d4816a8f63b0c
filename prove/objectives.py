"""Proof of the counting: through a real Prometheus, what is decided was counted right."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import pathlib
import random
import tempfile
import time

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from gates.load import load_policy
from prove import Cases, Remark
from prove.instruments import Asked, Metrics, prometheus, victoria_metrics, write
from prove.streams import BOUNDS, RELEASE, Frame, Platform, Truth, scenario, scraped, truth
from sandbox.core import SandboxError
from settings.objectives import Objective
from tests.probes.servers import wait_until

PROMISE = (
    "what an objective decides about any platform was counted right through the real instrument"
)
LOOK_BACK_SECONDS = 50.0
LEAD_SECONDS, AHEAD_SECONDS = 10.0, 8.0
"""Scenarios begin so long before their look-back, and go on while they are judged."""
SETTLED_SECONDS = 15.0
SELDOM = 8
"""One scenario of so many is VictoriaMetrics' to tell; the others are Prometheus's."""
ENOUGH_EVENTS = {"errors": 3300, "latency": 70}
HAIR_EVENTS, HAIR_SHARE = 2, 0.001
SELECTED = {"version": "{release}"}
CHECKS = {"errors": "IV-PERF-3", "latency": "IV-PERF-1"}
"""The objectives that are asked: with the bounds of the scenarios' histograms."""


def counted_right(seed: int) -> Cases:
    """Yield scenarios, each of them judged once by the product's own checks."""
    chance = random.Random(seed)  # noqa: S311 - cases, no secrets
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="prove-")))
        urls = [stack.enter_context(prometheus({}, "--web.enable-remote-write-receiver"))]
        try:
            urls.append(stack.enter_context(victoria_metrics()))
        except SandboxError as exc:
            yield Remark(f"not tried: VictoriaMetrics: {exc}")
        time.sleep(LEAD_SECONDS + LOOK_BACK_SECONDS + SETTLED_SECONDS)
        for number in itertools.count():
            url = urls[-1] if number % SELDOM == 0 else urls[0]
            yield _case(chance, f"job-{number}", url, folder)


def _case(chance: random.Random, job: str, url: str, folder: pathlib.Path) -> str | None:
    now = time.time()
    begin = now - LOOK_BACK_SECONDS
    frame = Frame(begin - LEAD_SECONDS, begin, now + AHEAD_SECONDS)
    platform, kind = scenario(chance, frame)
    samples = scraped(platform, kind, frame.end)
    write(url, {(*labels, ("job", job)): one for labels, one in samples.items()})
    asked = Asked(url, job, platform.scrape_seconds, _metrics(job), SELECTED, _objectives())
    # VictoriaMetrics takes a moment until it finds what it was given.
    wait_until(lambda: not samples or asked.sees("up"), "the samples can be asked for", 30)
    judgement = asked.judged(CHECKS[kind], folder)
    if time.time() > frame.end - platform.scrape_seconds and not _decided(judgement):
        return None  # this machine was so busy that the scenario's scrapes had ended
    wrong = _wrong(platform, kind, judgement)
    return wrong and f"{', '.join(platform.flaws) or 'no flaw'}, {kind}: {wrong}"


def _metrics(job: str) -> Metrics:
    labels = {"job": job, **SELECTED}
    return {
        "requests_total": {
            "name": "http_requests_total",
            "labels": labels,
            "status_label": "status",
        },
        "request_duration": {"name": "http_request_duration_seconds", "labels": labels},
    }


def _wrong(platform: Platform, kind: str, judgement: Judgement | None) -> str | None:
    """Return what is wrong with a decision; undecided is never wrong, but where nothing is odd."""
    if judgement is None or not _decided(judgement):
        return _needlessly(platform, kind)
    end = dt.datetime.fromisoformat(judgement.data["evaluated_at"]).timestamp()
    seconds = float(judgement.data["look_back_seconds"])
    really = truth(platform, RELEASE, kind, end - seconds, end)
    counted = {"all": judgement.data["samples"], "bad": judgement.data["bad"]}
    for what, number in counted.items():
        hair = HAIR_EVENTS + HAIR_SHARE * counted["all"]
        if not really.least[what] - hair <= number <= really.most[what] + hair:
            return (
                f"{judgement.outcome}: {number:,.0f} {what} events counted, really between "
                f"{really.least[what]:,} and {really.most[what]:,}"
            )
    return _stopped(really, judgement, end, seconds)


def _decided(judgement: Judgement | None) -> bool:
    return judgement is not None and judgement.outcome in (Outcome.PASS, Outcome.FAIL)


def _needlessly(platform: Platform, kind: str) -> str | None:
    """Return that a platform without flaws was left undecided, although its events prove enough."""
    end = time.time()
    really = truth(platform, RELEASE, kind, end - LOOK_BACK_SECONDS, end)
    enough = really.least["all"] > ENOUGH_EVENTS[kind] and not really.most["bad"]
    if platform.flaws or not enough:
        return None
    return f"undecided, with {really.least['all']:,} good events"


def _stopped(really: Truth, judgement: Judgement, end: float, seconds: float) -> str | None:
    if judgement.outcome is Outcome.PASS and end - really.newest > seconds / 2:
        return f"PASS, and the last event was {end - really.newest:.0f} s before"
    return None


def _objectives() -> tuple[Objective, ...]:
    """Return the policy's with the look-back and the bounds of the scenarios."""
    return tuple(
        one.model_copy(
            update={
                "look_back": LOOK_BACK_SECONDS,
                "wait_for_samples": 0.0,
                "rollback": None,
                "bucket_bounds": BOUNDS if one.kind == "latency" else (),
                "shown_quantile": None,
            }
        )
        for one in load_policy().objectives
        if one.check in CHECKS.values()
    )
