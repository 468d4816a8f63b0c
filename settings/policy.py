"""The policy: objectives and how long an unavailability lasts before it counts.

Parsed once from gates/policy/*.yaml. Whatever could make a gate unable to fail, unable to pass or
unbounded is refused here, at load, with the reason and the remedy.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from settings.browser import AccessibilityPolicy, BrowserPolicy, VitalsPolicy
from settings.data import DataPolicy
from settings.delivery import ContractPolicy, Invalidation, SecretAge
from settings.flags import RolloutPolicy
from settings.load import LoadPolicy
from settings.monitoring import LogsPolicy, MonitoringPolicy, StabilityPolicy, StoragePolicy
from settings.network import CertificatePolicy, DnsPolicy
from settings.objectives import MAX_WAIT_SECONDS, Objective
from settings.people import (
    CalendarPolicy,
    DeploymentPolicy,
    PeoplePolicy,
    SignOffPolicy,
    SupportPolicy,
)
from settings.proofs import EvidencePolicy
from settings.rollback import WAYS, RollbackPolicy, TriggersPolicy
from settings.sections import Seconds, Section, Text, doubled
from settings.service import Availability
from settings.source import SourcePolicy
from settings.statements import StatementsPolicy


class Deadlines(Section):
    """How long one call may take, and how long a whole run."""

    call: Seconds = Field(gt=0, le=60)
    """One question to one system."""
    run: Seconds = Field(gt=0, le=MAX_WAIT_SECONDS)
    """The whole run; what was not asked by then is missing, and nothing missing is a GO."""


class Policy(Section):
    """All of gates/policy/*.yaml together."""

    schema_version: Literal[1] = Field(alias="schema")
    """The version of the format, in each file."""
    availability: Availability
    deadlines: Deadlines
    objectives: tuple[Objective, ...] = Field(min_length=1)
    """What is counted of requests, and how many may be bad."""
    deployment: DeploymentPolicy | None = None
    """Without it a stopped deployment is not told what to undo, and no time is planned."""
    rollback: RollbackPolicy | None = None
    """Without it no way back can be planned."""
    data: DataPolicy | None = None
    """Without it nothing of the data is judged, so their checks say that they can't be."""
    storage: StoragePolicy = StoragePolicy()
    load: LoadPolicy | None = None
    """Without it no load run can be judged, so none is begun."""
    dns: DnsPolicy = DnsPolicy()
    certificates: CertificatePolicy = CertificatePolicy()
    monitoring: MonitoringPolicy = MonitoringPolicy()
    stability: StabilityPolicy = StabilityPolicy()
    logs: LogsPolicy = LogsPolicy()
    rollout: RolloutPolicy = RolloutPolicy()
    people: PeoplePolicy = PeoplePolicy()
    support: SupportPolicy = SupportPolicy()
    calendar: CalendarPolicy = CalendarPolicy()
    source: SourcePolicy = SourcePolicy()
    sign_off: SignOffPolicy = SignOffPolicy()
    statements: StatementsPolicy = StatementsPolicy()
    evidence: EvidencePolicy = EvidencePolicy()
    secrets: SecretAge = SecretAge()
    invalidation: Invalidation = Invalidation()
    contract: ContractPolicy = ContractPolicy()
    browser: BrowserPolicy = BrowserPolicy()
    accessibility: AccessibilityPolicy = AccessibilityPolicy()
    vitals: VitalsPolicy = VitalsPolicy()
    triggers: TriggersPolicy = TriggersPolicy()
    system_owners: dict[Text, Text] = Field(default_factory=dict)
    """Who can fix what the gate asks, such as prometheus, or a service by its name; else a check's owner."""

    def _refusals(self) -> Iterator[str]:
        checks = [check for one in self.objectives for check in (one.check, *one.also)]
        if doubled(checks):
            yield f"two objectives for {', '.join(doubled(checks))}; keep one of each"
        put_off = self.deployment.hotfix if self.deployment is not None else ()
        never = self.statements.waivers.never if self.statements.waivers is not None else ()
        for check in put_off:
            if any(fnmatch.fnmatchcase(check, one) for one in never):
                yield f"deployment.hotfix names {check}, which nobody may waive; remove it"
        if self.rollback is not None:
            timed = {} if self.deployment is None else self.deployment.rollback
            for way in sorted(set(WAYS) - {*timed, *self.rollback.takes}):
                yield f"rollback.takes has no time for {way}; add it"

    def objective(self, check: str) -> Objective:
        """Return the objective of a check; raises LookupError when the policy has none."""
        for objective in self.objectives:
            if check in (objective.check, *objective.also):
                return objective
        raise LookupError(f"the policy has no objective for {check}")
