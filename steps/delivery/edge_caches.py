"""The content delivery network has forgotten the old bundle."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import probes
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import Observation
from steps.delivery.aws_account import aws_target
from steps.delivery.bundle import described, is_of_others, objects, read_manifest
from steps.kit.check import Check
from steps.kit.failures import failure_of, instrument_error
from steps.kit.platform import Platform
from steps.kit.settling import Ended, Progress, Settled, missed, settle_seconds, settled

_DONE = "completed"

if TYPE_CHECKING:
    Look = Observation[probes.aws.Invalidations]


def invalidated(platform: Platform, check: Check) -> None:
    """Judge that an invalidation of everything was made after the upload, and wait for its end."""
    reading = read_manifest(platform)
    reading.note(check)
    if reading.manifest is None:
        return
    settings = described(platform)
    listed = objects(platform)
    check.observe_everywhere(listed)
    if listed.value is None:
        error = instrument_error(f"bucket {settings.bucket}", failure_of(listed))
        check.judge_everywhere(error)
        return
    found = listed.value.objects.items()
    uploaded_at = max(one.modified_at for key, one in found if not is_of_others(settings, key))
    end = _settled(platform, uploaded_at)
    check.observe_everywhere(end.value)
    check.judge_everywhere(_judged(platform, end, uploaded_at))


def _settled(platform: Platform, uploaded_at: dt.datetime) -> Settled[Look]:
    settings, target = described(platform), aws_target(platform)

    def done(one: probes.aws.Invalidation) -> bool:
        covers = any(_covers(path, settings.invalidation_path) for path in one.paths)
        return covers and one.status.lower() == _DONE

    def look() -> Look:
        return probes.aws.invalidations(
            target,
            settings.distribution,
            uploaded_at,
            deadline=platform.call_deadline(),
            enough=done,
        )

    seconds = settle_seconds(platform, platform.policy.invalidation.settle_for)
    return settled(platform, look, lambda seen: _progress(platform, seen), seconds)


def _progress(platform: Platform, seen: Look) -> Progress:
    if seen.value is None:
        return missed(seen)
    statuses = _statuses(platform, seen)
    if not statuses:
        return Progress.BROKEN
    return Progress.DONE if _DONE in statuses else Progress.MOVING


def _statuses(platform: Platform, seen: Look) -> list[str]:
    """Return the status of each invalidation that covers what must be forgotten."""
    wanted = described(platform).invalidation_path
    found = () if seen.value is None else seen.value.invalidations
    return [one.status.lower() for one in found if any(_covers(path, wanted) for path in one.paths)]


def _covers(path: str, wanted: str) -> bool:
    """Return whether an invalidated path is the wanted one, or more; `*` is a path's last letter."""
    return path == wanted or (path.endswith("*") and wanted.startswith(path[:-1]))


def _judged(platform: Platform, end: Settled[Look], uploaded_at: dt.datetime) -> Judgement:
    settings = described(platform)
    subject = f"invalidation of {settings.distribution}"
    if end.value.value is None:
        return instrument_error(subject, failure_of(end.value))
    since = f"the upload at {uploaded_at.astimezone(dt.UTC):%H:%M:%S} UTC"
    limit = settle_seconds(platform, platform.policy.invalidation.settle_for)
    sentences = {
        Ended.DONE: f"{subject} since {since} is completed{end.waited}",
        Ended.BROKEN: f"{subject}: none of {settings.invalidation_path} was made since {since}; "
        "edges go on serving the old pages: make one",
        Ended.TIME_UP: f"{subject} is still in progress{end.waited}, wanted within {limit:.0f} s",
        Ended.RUN_ENDED: f"{subject} is in progress, and the run's deadline came first",
    }
    outcomes = {Ended.DONE: Outcome.PASS, Ended.RUN_ENDED: Outcome.INCONCLUSIVE}
    outcome = outcomes.get(end.ended, Outcome.FAIL)
    statuses = _statuses(platform, end.value)
    return Judgement(
        outcome=outcome,
        rule="invalidated",
        subject=subject,
        sentence=sentences[end.ended],
        observed=statuses[0] if statuses else "none",
        target=_DONE,
        clears="" if outcome is Outcome.PASS else f"a completed {subject} since {since}",
        data={"waited_seconds": round(end.waited_seconds, 1)},
    )
