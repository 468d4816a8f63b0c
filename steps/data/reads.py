"""What all checks of the data need: the environment's section, the policy, the login."""

from __future__ import annotations

import dataclasses
from typing import Any

import probes
from gates.decide.judgement import Judgement
from probes.observation import Observation
from settings.data import Backups, Data, DataPolicy, Migrations
from steps.kit import failures
from steps.kit.check import Check
from steps.kit.platform import NotDescribedError, Platform


@dataclasses.dataclass(frozen=True, slots=True)
class DataPlatform:
    """The data of one platform, as the environment describes them and the policy wants them."""

    platform: Platform

    @property
    def section(self) -> Data:
        """The environment's description; raises NotDescribedError."""
        section = self.platform.environment.settings.data
        if section is None:
            raise NotDescribedError("the environment lacks the section data; add it")
        return section

    @property
    def backups(self) -> Backups:
        """Where backups are; raises NotDescribedError."""
        if self.section.backups is None:
            raise NotDescribedError("the environment lacks the section data.backups; add it")
        return self.section.backups

    @property
    def migrations(self) -> Migrations:
        """What is migrated how; raises NotDescribedError."""
        if self.section.migrations is None:
            raise NotDescribedError("the environment lacks the section data.migrations; add it")
        return self.section.migrations

    @property
    def policy(self) -> DataPolicy:
        """What is good enough; raises NotDescribedError."""
        if self.platform.policy.data is None:
            raise NotDescribedError(
                f"{self.platform.policy_folder} lacks the section data; add a data.yaml there"
            )
        return self.platform.policy.data

    @property
    def login(self) -> probes.postgres.PostgresTarget:
        """The gate's own login to the primary; raises NotDescribedError."""
        target = self.platform.postgres()
        if target is None:
            raise NotDescribedError("the environment lacks the section postgres; add it")
        return target


@dataclasses.dataclass(frozen=True, slots=True)
class DataSystem(DataPlatform):
    """The data as one check looks at them; shared by all regions."""

    check: Check

    def keep(self, observed: Observation[Any]) -> None:
        """Keep an observation of something that the regions share."""
        self.check.observe_everywhere(observed)

    def judge(self, *judgements: Judgement) -> None:
        """Judge something that the regions share."""
        self.check.judge_everywhere(*judgements)

    def unreadable(self, subject: str, observed: Observation[Any]) -> Judgement:
        """Return the ERROR of something that could not be read."""
        return failures.instrument_error(subject, failures.failure_of(observed))
