"""The time that a deployment takes: from its history, against the plan and the deployment window."""

from __future__ import annotations

import dataclasses

from environments.store import StoreError, store_of
from gates.decide import schedule
from gates.decide.history import ONE_DEPLOYMENT, PhaseRun, phase_runs
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import utc_now
from settings.people import DeploymentPolicy
from steps.kit.check import Check
from steps.kit.history import History
from steps.kit.platform import NotDescribedError, Platform


@dataclasses.dataclass(frozen=True, slots=True)
class Schedule:
    """The times of one deployment's phases, as one check looks at them; shared by all regions."""

    platform: Platform
    check: Check
    runs: tuple[PhaseRun, ...] | None
    """None: they can't be read, and that is judged."""

    @classmethod
    def read(cls, platform: Platform, check: Check) -> Schedule:
        """Read the history; one that can't be read or believed is an ERROR."""
        loaded = platform.environment
        try:
            runs = phase_runs(
                History(store_of(loaded), loaded.settings.name, platform.release.tag).entries()
            )
        except StoreError as exc:
            check.judge_everywhere(
                Judgement(
                    outcome=Outcome.ERROR,
                    rule=schedule.RULE,
                    subject="the history of the deployment",
                    sentence=str(exc),
                    clears="a history that can be read and believed",
                )
            )
            return cls(platform, check, None)
        # What is older belongs to another try of this release.
        since = utc_now() - ONE_DEPLOYMENT
        return cls(platform, check, tuple(run for run in runs if run.started_at >= since))

    def fits(self) -> None:
        """Judge whether the rest of the deployment and a rollback fit into the deployment window."""
        if self.runs is None:
            return
        now = utc_now()
        phase = self.platform.phase or schedule.current_phase(self.runs)
        took = schedule.spent(phase, self.runs, now, self._policy)
        judged = schedule.judge(phase, took, now, self._windows, self._policy)
        self.check.judge_everywhere(judged)

    @property
    def _policy(self) -> DeploymentPolicy:
        policy = self.platform.policy.deployment
        if policy is None:
            raise NotDescribedError(
                f"{self.platform.policy_folder} lacks the section deployment; add a deployment.yaml there"
            )
        return policy

    @property
    def _windows(self) -> list[schedule.WeeklyWindow]:
        section = self.platform.environment.settings.deployment
        windows = section.windows if section is not None else ()
        return [schedule.WeeklyWindow(window.opens, window.closes) for window in windows]
