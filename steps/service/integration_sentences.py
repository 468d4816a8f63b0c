"""The platform's tries of its external services, and its FHIR server."""

from __future__ import annotations

from pytest_bdd import parsers, then, when

from steps.kit.check import Check
from steps.kit.run import Run
from steps.service.external import External
from steps.service.fhir import FhirServer
from steps.service.integrations import Tries


@when("the platform tries its external services in test mode", target_fixture="tries")
def try_them(run: Run, check: Check) -> Tries:
    return Tries(run.platform, run.availability, check)


@then(parsers.parse("the {name} try succeeds in every region"))
def succeeds(tries: Tries, name: str) -> None:
    tries.judge(name)


@when("the FHIR server is asked in every region", target_fixture="fhir")
def ask_fhir(run: Run, check: Check) -> FhirServer:
    return FhirServer(run.platform, run.availability, check)


@then("its CapabilityStatement is valid and offers what the platform needs")
def states_capabilities(fhir: FhirServer) -> None:
    fhir.states_capabilities()


@then("it gives nothing to whom it does not know")
def refuses_strangers(fhir: FhirServer) -> None:
    fhir.refuses_strangers()


@then("every vendor with an address of its own answers the gate")
def vendors_answer(external: External) -> None:
    external.vendors_answer()
