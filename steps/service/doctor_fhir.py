"""The doctor on a region's FHIR server: its statement is found where the environment says."""

from __future__ import annotations

import probes
from probes.fhir import NotACapabilityStatementError
from settings.service import Fhir
from steps.kit.failures import failure_of
from steps.kit.findings import Finding, Keys, Level, Subject, unreachable

_SYSTEM = "FHIR"
_OK = 200


def examine_fhir(subject: Subject, region: str, section: Fhir) -> list[Finding]:
    """Read the CapabilityStatement."""
    observed = probes.http.request(
        subject.platform.service(region, section.service),
        "GET",
        section.path,
        headers={"Accept": probes.fhir.ACCEPT},
        max_bytes=probes.fhir.MAX_BYTES,
        deadline=subject.deadline(),
    )
    if observed.value is None:
        keys = Keys(f"regions.{region}.services.{section.service}", "ca_file", "")
        return [unreachable(subject, _SYSTEM, region, failure_of(observed), keys)]
    mends = (subject.key("fhir.path", "the path of the server's CapabilityStatement"),)
    if observed.value.status != _OK:
        words = f"GET {section.path} answers {observed.value.status}"
        return [Finding(_SYSTEM, region, Level.BAD, words, mends)]
    try:
        stated = probes.fhir.capability(observed.value)
    except NotACapabilityStatementError as exc:
        return [Finding(_SYSTEM, region, Level.BAD, f"GET {section.path}: {exc}", mends)]
    words = f"states FHIR {stated.fhir_version} with {len(stated.interactions)} kinds of resources"
    return [Finding(_SYSTEM, region, Level.OK, words)]
