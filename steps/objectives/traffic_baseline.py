"""Has somebody captured the traffic of the day, before the release meets it? (T2H-TASK-4)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from environments.store import DamagedRecordError, StoreError
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import utc_now
from steps.kit.baseline import Baseline, NoBaselineError, command, load_baseline
from steps.kit.check import Check
from steps.kit.expect import expect
from steps.kit.platform import Platform
from steps.kit.units import age


def judge(platform: Platform, check: Check) -> None:
    """Judge that the baseline of this release is young and holds each region's traffic and latency."""
    try:
        baseline = load_baseline(platform)
    except NoBaselineError as exc:
        check.judge_everywhere(
            expect(
                good=False,
                rule="baseline taken",
                subject="the baseline",
                sentence=str(exc),
                clears=command(platform),
            )
        )
        return
    except (DamagedRecordError, StoreError) as exc:
        judgement = Judgement(
            Outcome.ERROR, "baseline taken", "the baseline", str(exc), clears=command(platform)
        )
        check.judge_everywhere(judgement)
        return
    check.judge_everywhere(_young(platform, baseline))
    for region in platform.regions:
        check.judge(
            region,
            *(
                expect(None, "the baseline", f"{baseline.named} holds no {what}", command(platform))
                for what in _lacking(baseline, region)
            ),
        )


def _young(platform: Platform, baseline: Baseline) -> Judgement:
    limit = platform.policy.people.baseline_max_age
    old = (utc_now() - dt.datetime.fromisoformat(baseline.taken_at)).total_seconds()
    return expect(
        good=old <= limit,
        rule="baseline age",
        subject="the baseline",
        sentence=f"the baseline is {age(max(0.0, old))} old, wanted at most {age(limit)} old",
        clears=command(platform),
        observed=round(old),
        target=limit,
        unit="s",
    )


def _lacking(baseline: Baseline, region: str) -> Iterator[str]:
    """Yield what was not captured: a metric that was not there leaves nothing to compare with."""
    rate = _of(baseline, "traffic", region).get("requests_per_second")
    if rate is None:
        yield f"requests a second of {region}; is the metric requests_total described and there?"
        return
    quantiles = _of(baseline, "latency", region)
    # Without a request there is no latency, and that is no lack.
    if rate > 0 and all(value is None for value in quantiles.values()):
        yield f"latency of {region}; is the metric request_duration described and there?"


def _of(baseline: Baseline, name: str, region: str) -> Mapping[str, Any]:
    try:
        found = baseline.of(name, region)
    except NoBaselineError:
        return {}
    return found if isinstance(found, Mapping) else {}
