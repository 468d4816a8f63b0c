"""External services: as reported, their vendors and outages, the platform's own tries, its FHIR server."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlsplit

from pytest_bdd import parsers

import probes
from environments.yaml_file import ConfigurationError, read_json
from gates.decide.judgement import contains_all, equals
from gates.decide.outcome import Outcome
from probes import http
from probes.http import HttpAnswer, HttpTarget
from probes.observation import Observation, utc_now
from settings.service import ExternalServices, Fhir, Integrations, Vendor
from steps.kit.asked import Asked
from steps.kit.expect import need, nothing_to_judge, unable
from steps.kit.platform import Platform
from steps.kit.run import Run
from steps.kit.sentence import described, then, when
from steps.service import rules
from steps.service.endpoint import Endpoint
from steps.service.health_rules import answers, service_healthy, services_of


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


described("the platform tries its external services in test mode", Integrations, "tries")


@then(parsers.parse("the {name} try succeeds in every region"))
def try_succeeds(run: Run, asked: Asked, tries: Integrations, name: str) -> None:
    tried = need(tries.tries.get(name), f"integrations.tries.{name}")
    subject, external = f"{name} try {tried.path}", asked.platform.environment.settings.external
    vendors = external.vendors if external is not None else ()

    def judge(one: Asked) -> None:
        def ask() -> Observation[HttpAnswer]:
            return http.request(
                one.platform.service(one.region, tries.service),
                "POST",
                tried.path,
                deadline=one.platform.call_deadline(),
                json={},
                headers=one.platform.bearer(tries.token),
            )

        reading = run.availability.reach(one.region, tries.service, subject, ask)
        one.keep(reading.observation)
        found, answer = list(reading.judgements), reading.observation.value
        if answer is not None:
            found += rules.try_worked(subject, answer, tried, unavailable=reading.decided)
        if any(each.outcome is Outcome.FAIL for each in found):
            needed = [vendor for vendor in vendors if set(vendor.services) & set(tried.needs)]
            found += map(rules.behind, needed)
        one.judge(*found)

    asked.in_each_region(judge)


described("the FHIR server is asked in every region", Fhir, "fhir")


@then("its CapabilityStatement is valid and offers what the platform needs")
def states_capabilities(run: Run, asked: Asked, fhir: Fhir) -> None:
    subject = f"FHIR {fhir.path}"

    def judge(one: Asked) -> None:
        ask = partial(_ask, one, fhir, fhir.path)
        answer = run.availability.read(one, fhir.service, subject, ask)
        one.judge(equals(f"{subject} status", answer.status, rules.OK))
        if answer.status == rules.OK:
            one.judge(*rules.states_capabilities(subject, answer, fhir))

    asked.in_each_region(judge)


@then("it offers all that the release before offered")
def keeps_offering(run: Run, asked: Asked, fhir: Fhir) -> None:
    subject = f"FHIR {fhir.path}"
    if fhir.previous is None:
        asked.judge(nothing_to_judge(f"{subject} before", "the environment names no fhir.previous"))
        return
    try:
        before = probes.fhir.stated(read_json(asked.platform.beside(fhir.previous)))
        why = "" if before.interactions else "it states no resource, so nothing could be missed."
    except (ConfigurationError, probes.fhir.NotACapabilityStatementError) as exc:
        why = str(exc)
    if why:
        sentence = f"the CapabilityStatement of the release before can't be used: {why}"
        asked.judge(unable(subject, sentence, "fhir.previous fixed"))
        return

    def judge(one: Asked) -> None:
        answer = run.availability.read(
            one, fhir.service, subject, partial(_ask, one, fhir, fhir.path)
        )
        judged = rules.keeps_offering(subject, answer, before)
        if judged is not None:
            one.judge(judged)

    asked.in_each_region(judge)


@then("it gives nothing to whom it does not know")
def refuses_strangers(run: Run, asked: Asked, fhir: Fhir) -> None:
    path, subject = fhir.protected_path, "FHIR record without a login"
    if path is None:
        asked.judge(nothing_to_judge(subject, "the environment names no fhir.protected_path"))
        return

    def judge(one: Asked) -> None:
        # Here a refusal is what is asked for.
        ask, judged = partial(_ask, one, fhir, path), partial(rules.refused, subject)
        run.availability.read(one, fhir.service, subject, ask, judged)

    asked.in_each_region(judge)


def _ask(one: Asked, fhir: Fhir, path: str) -> Observation[HttpAnswer]:
    return http.request(
        one.platform.service(one.region, fhir.service),
        "GET",
        path,
        deadline=one.platform.call_deadline(),
        headers={"Accept": probes.fhir.ACCEPT},
        max_bytes=probes.fhir.MAX_BYTES,
    )


# --- is it a vendor that is down? Asked right after a step of the journey broke, in the same region.
#
# A failed payment while the payment vendor is down says nothing about the release. The platform's own
# report of its vendors may turn such a failure into "could not be decided", never into a success.

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
