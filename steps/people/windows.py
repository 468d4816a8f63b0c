"""The time that a deployment takes: from its history, against the plan and the deployment window."""

from __future__ import annotations

from environments.store import StoreError
from gates.decide import schedule
from gates.decide.history import ONE_DEPLOYMENT, PhaseRun, phase_runs
from probes.observation import utc_now
from steps.kit.asked import Asked, Unread
from steps.kit.baseline import history_of
from steps.kit.expect import unable
from steps.kit.history import History
from steps.kit.platform import NotDescribedError
from steps.kit.sentence import then, when


@when("the times of the deployment's phases are read", target_fixture="history")
def history(asked: Asked) -> History:
    return history_of(asked.platform)


@then("the rest of the deployment and a rollback fit into the deployment window")
def the_rest_fits(asked: Asked, history: History) -> None:
    platform, runs, now = asked.platform, _runs(asked, history), utc_now()
    policy, described = platform.policy.deployment, platform.environment.settings.deployment
    if policy is None:
        where = platform.policy_folder
        raise NotDescribedError(
            f"{where} lacks the section deployment; add a deployment.yaml there"
        )
    windows = [
        schedule.WeeklyWindow(one.opens, one.closes)
        for one in (described.windows if described is not None else ())
    ]
    phase = platform.phase or schedule.current_phase(runs)
    took = schedule.spent(phase, runs, now, policy)
    asked.judge(schedule.judge(phase, took, now, windows, policy))


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
