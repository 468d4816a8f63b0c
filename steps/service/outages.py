"""Is it a vendor that is down? Asked right after a step of the journey broke, in the same region.

A failed payment while the payment vendor is down says nothing about the release. The platform's own report
of its vendors may turn such a failure into "could not be decided", never into a success.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from probes import http
from probes.http import HttpAnswer, HttpTarget
from probes.observation import Observation, utc_now
from settings.service import Vendor
from steps.kit.platform import Platform
from steps.service import rules

Asks = tuple[Observation[HttpAnswer], ...]


def outage_behind(platform: Platform, region: str, step: str) -> tuple[rules.Outage, Asks] | None:
    """Return the outage behind a broken step; None when the platform does not report just that.

    Several services down at once are no vendor's outage: then it is rather the platform's own way out
    that is broken, and the failure stands.
    """
    section = platform.environment.settings.external
    suspects = [one for one in section.vendors if step in one.needed_by] if section else []
    if section is None or not suspects:
        return None
    endpoint = platform.endpoint(section.service, section.endpoint)
    target, deadline = platform.service(region, section.service), platform.call_deadline()
    reported = http.request(target, "GET", endpoint.path, deadline=deadline)
    down = rules.reported_down(endpoint, section, reported.value)
    vendor = next((one for one in suspects if down and down <= set(one.services)), None)
    if vendor is None:
        return None
    seen, asks = look_at(platform, vendor)
    reporter, owner = f"{section.service} {endpoint.path}", platform.environment.settings.owner
    return rules.Outage(vendor, reporter, utc_now(), seen, owner), (reported, *asks)


def look_at(platform: Platform, vendor: Vendor) -> tuple[rules.Seen, Asks]:
    """Ask the vendor itself, where the environment says how: the platform is a party to this."""
    if vendor.address is None:
        return rules.Seen.UNKNOWN, ()
    address = urlsplit(vendor.address)
    target = HttpTarget(f"{address.scheme}://{address.netloc}")
    asked = http.request(target, "GET", address.path or "/", deadline=platform.call_deadline())
    # No answer at all may be the gate's own lack of a way out, and a cache's is old: neither proves anything.
    if asked.value is None or asked.value.from_cache is not None:
        return rules.Seen.UNKNOWN, (asked,)
    up = asked.value.status < rules.SERVER_ERROR
    return (rules.Seen.UP if up else rules.Seen.DOWN), (asked,)
