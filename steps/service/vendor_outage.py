"""Is it a vendor that is down? Asked right after a step of the journey broke, in the same region.

A failed payment while the payment vendor is down says nothing about the release. The platform's own
report of its vendors may turn such a failure into "could not be decided", never into a success.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from gates.decide.judgement import Judgement
from gates.decide.outcome import Outcome
from probes import http
from probes.http import HttpAnswer, HttpTarget, NotJsonError
from probes.observation import Observation, utc_now
from settings.service import ExternalServices, HealthEndpoint, Vendor
from steps.kit.platform import Platform
from steps.service.health import service_healthy, services_of

SERVER_ERROR = 500


class Seen(enum.Enum):
    """How a vendor looks from where the gate runs."""

    UP = "answers the gate"
    DOWN = "fails for the gate too"
    UNKNOWN = "could not be asked by the gate"


@dataclasses.dataclass(frozen=True, slots=True)
class Outage:
    """One vendor that the platform reports down, alone, and that a broken step needs."""

    vendor: Vendor
    reported_by: str
    """Service and path of the platform's own report."""
    read_at: dt.datetime
    seen: Seen
    decider: str
    """Who decides when the gate can't tell vendor and release apart."""
    observations: tuple[Observation[HttpAnswer], ...]

    def read_with(self, found: Judgement) -> Judgement:
        """Return a step's FAIL as this outage leaves it: INCONCLUSIVE, or FAIL with the vendor up."""
        if found.outcome is not Outcome.FAIL:
            return found
        name = self.vendor.name
        if self.seen is Seen.UP:
            sentence = (
                f"{found.sentence}. {self.reported_by} reports {name} down, but {name} answers the "
                "gate: look at the release's own way to it (address, credential, network)"
            )
            return dataclasses.replace(found, sentence=sentence, data=self._data(found))
        return dataclasses.replace(
            found,
            outcome=Outcome.INCONCLUSIVE,
            rule="blocked by a vendor",
            sentence=f"{found.sentence}. Blocked by {name}, {self._why()}",
            clears=f"{name} up again, then a run in which this works",
            data=self._data(found),
        )

    def _why(self) -> str:
        """Return who says so, what else it may be, whom to call, and who decides."""
        vendor, owed = self.vendor, self.read_at + dt.timedelta(minutes=self.vendor.sla_minutes)
        called = (
            f"call {vendor.support_contact}; they owe an answer within {vendor.sla_minutes} min, "
            f"by {owed:%H:%M} UTC"
        )
        said = f"the only vendor that {self.reported_by} reports down"
        if self.seen is Seen.DOWN:
            return f"{said}, and which fails for the gate too: {called}"
        return (
            f"{said}. Either {vendor.name} is down ({called}), or this release has lost its way to "
            f"it (address, credential): {self.decider} decides which"
        )

    def _data(self, found: Judgement) -> dict[str, Any]:
        return {
            **found.data,
            "vendor": self.vendor.name,
            "support_contact": self.vendor.support_contact,
            "sla_minutes": self.vendor.sla_minutes,
            "reported_by": self.reported_by,
            "seen_by_the_gate": self.seen.value,
            "failed_rule": found.rule,
        }


def read_with(outage: Outage | None, judgements: tuple[Judgement, ...]) -> tuple[Judgement, ...]:
    """Return judgements as an outage leaves them, unchanged without one."""
    return judgements if outage is None else tuple(map(outage.read_with, judgements))


class VendorOutages:
    """Asks a region's platform, and then the vendor, whether a vendor's outage broke a step."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def behind(self, region: str, step: str) -> Outage | None:
        """Return the outage behind a broken step; None when the platform does not report just that.

        Several services down at once are no vendor's outage: then it is rather the platform's own
        way out that is broken, and the failure stands.
        """
        section = self._platform.environment.settings.external
        suspects = [one for one in section.vendors if step in one.needed_by] if section else []
        if section is None or not suspects:
            return None
        endpoint = self._platform.endpoint(section.service, section.endpoint)
        reported = http.request(
            self._platform.service(region, section.service),
            "GET",
            endpoint.path,
            deadline=self._platform.call_deadline(),
        )
        down = reported_down(endpoint, section, reported.value)
        vendor = next((one for one in suspects if down and down <= set(one.services)), None)
        if vendor is None:
            return None
        seen, asked = look_at(self._platform, vendor)
        return Outage(
            vendor=vendor,
            reported_by=f"{section.service} {endpoint.path}",
            read_at=utc_now(),
            seen=seen,
            decider=self._platform.environment.settings.owner,
            observations=(reported, *asked),
        )


def look_at(platform: Platform, vendor: Vendor) -> tuple[Seen, tuple[Observation[HttpAnswer], ...]]:
    """Ask the vendor itself, where the environment says how: the platform is a party to this."""
    if vendor.address is None:
        return Seen.UNKNOWN, ()
    address = urlsplit(vendor.address)
    target = HttpTarget(f"{address.scheme}://{address.netloc}")
    asked = http.request(target, "GET", address.path or "/", deadline=platform.call_deadline())
    # No answer at all may be the gate's own lack of a way out, and a cache's is old: neither proves anything.
    if asked.value is None or asked.value.from_cache is not None:
        return Seen.UNKNOWN, (asked,)
    return (Seen.DOWN if asked.value.status >= SERVER_ERROR else Seen.UP), (asked,)


def reported_down(
    endpoint: HealthEndpoint, section: ExternalServices, answer: HttpAnswer | None
) -> frozenset[str]:
    """Return the services that a report says are not healthy; none when it is no whole report."""
    services = services_of(endpoint, _object(answer))
    field = endpoint.status_field or "status"
    said = (services.get(name) for name in section.expected)
    if not all(isinstance(one, Mapping) and isinstance(one.get(field), str) for one in said):
        return frozenset()
    return frozenset(
        name
        for name in section.expected
        if service_healthy(endpoint, services, name).outcome is not Outcome.PASS
    )


def _object(answer: HttpAnswer | None) -> Mapping[str, Any]:
    try:
        body = answer.json() if answer is not None and answer.from_cache is None else None
    except NotJsonError:
        return {}
    return body if isinstance(body, Mapping) else {}
