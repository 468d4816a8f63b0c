"""The time of a deployment: open windows, days on which nobody deploys, and how long the phases take."""

from __future__ import annotations

import dataclasses
import datetime as dt
from functools import partial

import probes
from environments.release_file import path_of, read_release
from environments.store import StoreError
from environments.yaml_file import ConfigurationError
from gates.decide import schedule, statements, windows
from gates.decide.history import ONE_DEPLOYMENT, PhaseRun, phase_runs
from gates.decide.schedule import Needed, WeeklyWindow, Window
from gates.decide.windows import Span
from probes.http import HttpTarget
from probes.observation import utc_now
from settings.people import Calendar, Deployment, DeploymentPolicy
from steps.kit.asked import Asked, Unread
from steps.kit.baseline import history_of
from steps.kit.chain import History
from steps.kit.expect import nothing_to_judge, unable
from steps.kit.platform import NotDescribedError, Platform
from steps.kit.sentence import then, when
from steps.kit.statements import asking
from steps.people import rules

_APPROVAL = "WIN-3"
"""The item by which a deployment outside of the windows is approved."""


@when("the time of what is left of the deployment is planned", target_fixture="planned")
def planned(asked: Asked) -> Span:
    """Return from when to when it goes on, its validation and a rollback included."""
    start = _start(asked, utc_now())
    return Span(start, start + needed(asked.platform).total)


@then("all of it lies in an open deployment window")
def in_an_open_window(asked: Asked, planned: Span) -> None:
    platform = asked.platform
    open_then = open_windows(platform, platform.section(Deployment))
    asked.judge(windows.fits(planned.begins, needed(platform), open_then))


@then("no day on which nobody deploys lies in it")
def no_blackout_day(asked: Asked, planned: Span) -> None:
    section = asked.platform.section(Calendar)
    if not section.blackouts:
        asked.judge(nothing_to_judge("blackout days", "calendar.blackouts names none"))
        return
    asked.judge(
        rules.free("blackout days", windows.blackout_days(section.blackouts, planned), planned)
    )


@then("no entry of the calendars lies in it")
def no_entry(asked: Asked, planned: Span) -> None:
    section, policy = asked.platform.section(Calendar), asked.platform.policy.calendar
    until = planned.ends + dt.timedelta(seconds=policy.known_ahead)

    def judge(name: str) -> None:
        now, call, subject = utc_now(), asked.platform.call_deadline, f"the calendar {name}"
        feed = source(asked.platform, name)
        ask = partial(probes.calendar.between, feed, planned.begins, until, now)
        found = asked.read(subject, lambda: ask(deadline=call()))
        entries = [Span(one.begins, one.ends, one.title) for one in found.entries]
        asked.judge(
            rules.free(subject, entries, planned),
            rules.believed(subject, found.written_at, entries, planned, policy, now),
        )

    asked.each(section.feeds, judge)


def source(platform: Platform, name: str) -> probes.calendar.Feed:
    """Return where a calendar of the environment is published."""
    section = platform.section(Calendar)
    feed = section.feeds[name]
    target = HttpTarget(feed.url, section.ca_file, platform.bearer(feed.token))
    return probes.calendar.Feed(name, target, platform.secret(feed.path), feed.time_zone)


def open_windows(platform: Platform, described: Deployment) -> list[Window]:
    """Return the times in which one may deploy: those of each week, and an approved emergency."""
    weekly = [WeeklyWindow(one.opens, one.closes) for one in described.windows]
    emergency = _emergency(platform)
    return [*weekly, *([] if emergency is None else [emergency])]


def _emergency(platform: Platform) -> Span | None:
    """Return from when to when a deployment outside of the windows is approved; None where it is not.

    It begins with the gate's first receipt of the approval and ends as that does, and once it is as old as
    policy lets it be.
    """
    if platform.environment.settings.statements is None:
        return None
    try:
        found = asking(platform.environment, platform.policy, platform.release)
    except (ConfigurationError, StoreError):
        return None  # as if nobody had signed; the signed items say what is wrong
    if _APPROVAL not in found.items:
        return None
    around = dataclasses.replace(found.around, emergency=True)
    rule = found.items[_APPROVAL]
    count = statements.count(_APPROVAL, rule, found.ledger, around)
    if not count.good:
        return None
    who = " and ".join(one.statement.name for one in count.signed)
    begins = max(one.received_at for one in count.signed)
    longest = dt.timedelta(seconds=rule.max_age)
    ends = min(min(one.statement.expires_at, one.since + longest) for one in count.signed)
    return Span(begins, ends, f"emergency approved by {who}")


def needed(platform: Platform) -> Needed:
    """Return what the deployment needs after the phase that is asked about; before it, all of it."""
    return Needed.after(platform.phase or 0, plan(platform))


def plan(platform: Platform) -> DeploymentPolicy:
    """Return the plan; raises NotDescribedError without one."""
    if platform.policy.deployment is None:
        where = platform.policy_folder
        raise NotDescribedError(
            f"{where} lacks the section deployment; add a deployment.yaml there"
        )
    return platform.policy.deployment


def _start(asked: Asked, now: dt.datetime) -> dt.datetime:
    """Return when what is asked about begins: now, or before the deployment its planned start."""
    loaded, release = asked.platform.environment, asked.platform.release
    if asked.platform.phase is not None or not path_of(loaded, release).is_file():
        return now
    try:
        return max(now, read_release(loaded, release).file.planned_start)
    except ConfigurationError as exc:
        clears = "a release.yaml that can be read"
        asked.judge(unable("the planned start", str(exc), clears, rule="window"))
        return now


@when("the times of the deployment's phases are read", target_fixture="history")
def history(asked: Asked) -> History:
    return history_of(asked.platform)


@then("the rest of the deployment and a rollback fit into the deployment window")
def the_rest_fits(asked: Asked, history: History) -> None:
    platform, runs, now = asked.platform, _runs(asked, history), utc_now()
    described, policy = platform.environment.settings.deployment, plan(platform)
    open_now = [] if described is None else open_windows(platform, described)
    phase = platform.phase or schedule.current_phase(runs)
    took = schedule.spent(phase, runs, now, policy)
    asked.judge(schedule.judge(phase, took, now, open_now, policy))


def _runs(asked: Asked, history: History) -> tuple[PhaseRun, ...]:
    """Return this try's runs; a history that can't be read or believed is an ERROR. Raises Unread."""
    try:
        runs = phase_runs(history.entries())
    except StoreError as exc:
        subject, clears = "the history of the deployment", "a history that can be read and believed"
        asked.judge(unable(subject, str(exc), clears, rule=schedule.RULE))
        raise Unread(subject) from exc
    # What is older belongs to another try of this release.
    since = utc_now() - ONE_DEPLOYMENT
    return tuple(run for run in runs if run.started_at >= since)
