"""External services as the platform reports them, and the vendors who owe them."""

from __future__ import annotations

from gates.decide.judgement import contains_all
from probes.observation import utc_now
from settings.service import ExternalServices
from steps.kit.asked import Asked
from steps.kit.expect import nothing_to_judge
from steps.kit.run import Run
from steps.kit.sentence import then, when
from steps.service import rules
from steps.service.endpoint import Endpoint
from steps.service.health_rules import answers, service_healthy, services_of
from steps.service.outages import look_at


@when("the external services are read in every region", target_fixture="external")
def read(run: Run, asked: Asked) -> Endpoint:
    section = asked.platform.section(ExternalServices)
    # Each answer has the platform ask every vendor: it is read once, and never for every replica.
    return Endpoint.of(run, asked, section.service, section.endpoint).read(every_replica=False)


@then("every expected service is reported")
def all_reported(asked: Asked, external: Endpoint) -> None:
    expected, subject = (
        asked.platform.section(ExternalServices).expected,
        f"{external.subject} services",
    )
    external.judge(lambda answer: answers(external.subject, answer, rules.OK))
    external.judge_bodies(
        lambda body: [contains_all(subject, services_of(external.described, body), expected)]
    )


@then("every expected service is healthy")
def all_healthy(asked: Asked, external: Endpoint) -> None:
    described, expected = external.described, asked.platform.section(ExternalServices).expected
    external.judge_bodies(
        lambda body: [
            service_healthy(described, services_of(described, body), name) for name in expected
        ]
    )


@then("every vendor is up; a red one comes with its support contact and the time it owes an answer")
def vendors_up(asked: Asked, external: Endpoint) -> None:
    described, vendors, now = (
        external.described,
        asked.platform.section(ExternalServices).vendors,
        utc_now(),
    )
    external.judge_bodies(
        lambda body: [rules.vendor_up(vendor, described, body, now) for vendor in vendors]
    )


@then("every vendor with its own address answers the gate")
def vendors_answer(asked: Asked) -> None:
    vendors = asked.platform.section(ExternalServices).vendors
    addressed = [one for one in vendors if one.address is not None]
    for vendor in addressed:
        seen, observations = look_at(asked.platform, vendor)
        for observed in observations:
            asked.keep(observed)
        asked.judge(rules.vendor_answers(vendor, seen, utc_now()))
    if not addressed:
        asked.judge(nothing_to_judge("the vendors' own addresses", "the environment names none"))
