"""DNS records and certificates."""

from __future__ import annotations

from pytest_bdd import then, when

from steps.kit.check import Check
from steps.kit.run import Run
from steps.network.certificates import Meetings
from steps.network.dns import Names


@when("the zone's servers are asked", target_fixture="names")
def ask(run: Run, check: Check) -> Names:
    return Names(run.platform, check)


@then("every authoritative server has the wanted records, the same serial and sane TTLs")
def published(names: Names) -> None:
    names.published()


@then("every authoritative server has the records of before or after the release, and sane TTLs")
def published_before(names: Names) -> None:
    names.published_before()


@then("every resolver has the wanted records within the policy's time")
def propagated(names: Names) -> None:
    names.propagated()


@when("TLS is spoken with every host in every region", target_fixture="meetings")
def meet(run: Run, check: Check) -> Meetings:
    return Meetings(run.platform, run.availability, check)


@then("every certificate is trusted under its host's name and lasts as long as the policy wants")
def certificates_good(meetings: Meetings) -> None:
    meetings.judge()
