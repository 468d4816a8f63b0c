"""External services as the platform reports them, and the vendors who owe them.

Is it a vendor that is down? That is asked right after a step of the journey broke, in the same region: a
failed payment while the payment vendor is down says nothing about the release. The platform's own report
of its vendors may turn such a failure into "could not be decided", never into a success.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from gates.decide.judgement import contains_all
from probes import http
from probes.http import HttpAnswer, HttpTarget
from probes.observation import Observation, utc_now
from settings.service import ExternalServices, Vendor
from steps.kit.asked import Asked
from steps.kit.expect import need
from steps.kit.platform import Platform
from steps.kit.run import Run
from steps.kit.sentence import then, when
from steps.service import rules
from steps.service.endpoint import Endpoint
from steps.service.health_rules import answers, service_healthy, services_of

Asks = tuple[Observation[HttpAnswer], ...]


def _section(asked: Asked) -> ExternalServices:
    return need(asked.platform.environment.settings.external, "the section external")


@when("the external services are read in every region", target_fixture="external")
def read(run: Run, asked: Asked) -> Endpoint:
    section = _section(asked)
    # Each answer has the platform ask every vendor: it is read once, and never for every replica.
    return Endpoint.of(run, asked, section.service, section.endpoint).read(every_replica=False)


@then("every expected service is reported")
def all_reported(asked: Asked, external: Endpoint) -> None:
    expected, subject = _section(asked).expected, f"{external.subject} services"
    external.judge(lambda answer: answers(external.subject, answer, rules.OK))
    external.judge_bodies(
        lambda body: [contains_all(subject, services_of(external.described, body), expected)]
    )


@then("every expected service is healthy")
def all_healthy(asked: Asked, external: Endpoint) -> None:
    described, expected = external.described, _section(asked).expected
    external.judge_bodies(
        lambda body: [
            service_healthy(described, services_of(described, body), name) for name in expected
        ]
    )


@then("every vendor is up; a red one comes with its support contact and the time it owes an answer")
def vendors_up(asked: Asked, external: Endpoint) -> None:
    described, vendors, now = external.described, _section(asked).vendors, utc_now()
    external.judge_bodies(
        lambda body: [rules.vendor_up(vendor, described, body, now) for vendor in vendors]
    )


@then("every vendor with an address of its own answers the gate")
def vendors_answer(asked: Asked) -> None:
    for vendor in _section(asked).vendors:
        if vendor.address is not None:
            seen, observations = look_at(asked.platform, vendor)
            for observed in observations:
                asked.keep(observed)
            asked.judge(rules.vendor_answers(vendor, seen, utc_now()))


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
