"""Before a deployment: room on the file systems, and the traffic of the day captured (T2H-TASK-4)."""

from __future__ import annotations

from environments.store import StoreError
from probes.observation import utc_now
from steps.kit.asked import Asked
from steps.kit.baseline import Baseline, NoBaselineError, command, load_baseline
from steps.kit.expect import expect, nothing_to_judge, unable
from steps.kit.run import Run
from steps.kit.sentence import then, when
from steps.objectives.instrument import Inspector, UnfitError
from steps.objectives.promql import free_shares
from steps.objectives.rules import lacking, of_today, room_on

Lookup = Baseline | NoBaselineError | StoreError


@then("no file system is nearly full")
def file_systems(asked: Asked) -> None:
    """Judge the fullest file system of each kind that the environment names, in every region."""
    platform = asked.platform
    min_free = platform.policy.storage.min_free

    def measured(here: Asked) -> None:
        storage = platform.environment.settings.storage
        if not storage:
            here.judge(nothing_to_judge("room on file systems", "the environment has no storage"))
        for name, kind in storage.items():
            query = free_shares(kind, platform.labels(here.region, kind.labels))
            try:
                inspector = Inspector(platform, here.region, here.keep)
                found = inspector.vector(query, None, f"the free space of {name}").series
            except UnfitError as exc:
                here.judge(exc.judgement)
            else:
                here.judge(room_on(name, found, kind.at_least, min_free))

    asked.in_each_region(measured)


@when("the baseline of the release is looked up", target_fixture="looked_up")
def look_up_baseline(run: Run) -> Lookup:
    """Return the baseline, or why there is none to believe."""
    try:
        return load_baseline(run.platform)
    except (NoBaselineError, StoreError) as exc:
        return exc


@then("it is of today and holds traffic and latency")
def baseline_taken(looked_up: Lookup, asked: Asked) -> None:
    """Judge that the baseline of this release is young and holds each region's traffic and latency."""
    take_one = command(asked.platform)
    if isinstance(looked_up, NoBaselineError):
        asked.judge(expect(False, "the baseline", str(looked_up), take_one, rule="baseline taken"))
        return
    if not isinstance(looked_up, Baseline):
        asked.judge(unable("the baseline", str(looked_up), take_one, rule="baseline taken"))
        return
    limit = asked.platform.policy.people.baseline_max_age
    asked.judge(of_today(looked_up, utc_now(), limit, take_one))
    for region in asked.regions:
        for what in lacking(looked_up, region):
            words = f"{looked_up.named} holds no {what}"
            asked.check.judge(region, expect(None, "the baseline", words, take_one))
