"""External services as the platform reports them, and the vendors who owe them."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes.observation import utc_now
from settings.service import ExternalServices, Vendor
from steps.kit.availability import Availability
from steps.kit.check import Check
from steps.kit.platform import NotDescribedError, Platform
from steps.service.health import Health, Readings, service_healthy, services_of
from steps.service.vendor_outage import Seen, look_at

_OUTCOMES = {Seen.UP: Outcome.PASS, Seen.DOWN: Outcome.FAIL, Seen.UNKNOWN: Outcome.INCONCLUSIVE}


@dataclasses.dataclass(frozen=True, slots=True)
class External:
    """One reading of the external health endpoint in every region."""

    platform: Platform
    check: Check
    health: Health
    readings: Readings
    section: ExternalServices
    read_at: dt.datetime

    @classmethod
    def read(cls, platform: Platform, availability: Availability, check: Check) -> External:
        """Read it; NotDescribedError where the environment lacks the section external; add it."""
        section = platform.environment.settings.external
        if section is None:
            raise NotDescribedError("the environment lacks the section external; add it")
        health = Health(platform, availability, check, section.service, section.endpoint)
        # Each answer has the platform ask every vendor: it is read once, and never for every replica.
        readings = health.read(every_replica=False)
        return cls(platform, check, health, readings, section, utc_now())

    def all_reported(self) -> None:
        """Judge that it answers 200 and reports on every expected service."""
        self.health.answers(self.readings, 200)
        self.health.lists_services(self.readings, self.section.expected)

    def all_healthy(self) -> None:
        """Judge that every expected service is healthy."""
        self.health.services_healthy(self.readings, self.section.expected)

    def vendors_up(self) -> None:
        """Judge every vendor; a red one comes with whom to call and until when they owe an answer."""

        def judge(body: Mapping[str, Any]) -> list[Judgement]:
            services = services_of(self.health.endpoint, body)
            return [self._vendor(vendor, services) for vendor in self.section.vendors]

        self.health.judge_each_body(self.readings, judge)

    def vendors_answer(self) -> None:
        """Judge every vendor that has an address of its own by what it answers the gate itself."""
        platform, check = self.platform, self.check
        for vendor in self.section.vendors:
            if vendor.address is None:
                continue
            seen, observations = look_at(platform, vendor)
            for observation in observations:
                check.observe_everywhere(observation)
            check.judge_everywhere(self._answer(vendor, seen))

    def _answer(self, vendor: Vendor, seen: Seen) -> Judgement:
        sentence = f"{vendor.name} {seen.value}"
        if seen is Seen.DOWN:
            sentence += f": {self._whom_to_call(vendor)}"
        if seen is Seen.UNKNOWN:
            sentence += f" ({vendor.address}): open the way there, or leave its address out"
        return Judgement(
            outcome=_OUTCOMES[seen],
            rule="vendor answers",
            subject=f"{vendor.name} itself",
            sentence=sentence,
            observed=seen.value,
            target=Seen.UP.value,
            clears="" if seen is Seen.UP else f"{vendor.name} answering the gate",
            data={"support_contact": vendor.support_contact, "sla_minutes": vendor.sla_minutes},
        )

    def _whom_to_call(self, vendor: Vendor) -> str:
        owed = self.read_at + dt.timedelta(minutes=vendor.sla_minutes)
        return (
            f"call {vendor.support_contact}; they owe an answer within {vendor.sla_minutes} min, "
            f"by {owed:%H:%M} UTC"
        )

    def _vendor(self, vendor: Vendor, services: Mapping[str, Any]) -> Judgement:
        endpoint = self.health.endpoint
        states = [service_healthy(endpoint, services, name) for name in vendor.services]
        red = [state.subject for state in states if state.outcome is not Outcome.PASS]
        sentence = f"{vendor.name} is up"
        if red:
            sentence = f"{vendor.name} is not up ({', '.join(red)}): {self._whom_to_call(vendor)}"
        return Judgement(
            outcome=Outcome.FAIL if red else Outcome.PASS,
            rule="vendor up",
            subject=vendor.name,
            sentence=sentence,
            observed="down" if red else "up",
            target="up",
            clears=f"{vendor.name} healthy again" if red else "",
            data={"support_contact": vendor.support_contact, "sla_minutes": vendor.sla_minutes},
        )
