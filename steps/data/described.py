"""What all checks of the data need: the environment's section, the policy, the login, words for ages."""

from __future__ import annotations

import dataclasses
from typing import Any

import probes
from checks import failures
from checks.check import Check
from checks.platform import NotDescribedError, Platform
from environments.sections.data import Backups, Data, Migrations
from gates.decide.data_policy import DataPolicy
from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import Observation

_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


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


def age(seconds: float) -> str:
    """Return a time span as people say it: 35 d, 7.5 h, 12 min, 8 s."""
    for size, unit in _UNITS:
        if abs(seconds) >= 2 * size or (unit == "min" and abs(seconds) >= size):
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.0f} s"


def megabytes(size: float) -> str:
    """Return a size as people say it."""
    return f"{size / 1_000_000:,.1f} MB" if size >= 100_000 else f"{size:,.0f} bytes"  # noqa: PLR2004 - a tenth of the unit


def missing(subject: str, sentence: str, clears: str) -> Judgement:
    """Return the INCONCLUSIVE of evidence that is not there."""
    return Judgement(
        outcome=Outcome.INCONCLUSIVE,
        rule="evidence",
        subject=subject,
        sentence=sentence,
        clears=clears,
    )


def verdict(
    *, good: bool, rule: str, subject: str, sentence: str, clears: str, **more: Any
) -> Judgement:
    """Return a PASS or FAIL; `clears` is kept for a FAIL alone."""
    return Judgement(
        outcome=Outcome.PASS if good else Outcome.FAIL,
        rule=rule,
        subject=subject,
        sentence=sentence,
        clears="" if good else clears,
        **more,
    )
