"""Faults of DNS, certificates, the tries of external services and the FHIR server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.core.layout import AUTHORITATIVE, RESOLVERS, certificates_name
from sandbox.faults.actions import LinksChanged, StandInBent, VendorDown
from sandbox.systems.network.zone import CHANGED, HOSTS

if TYPE_CHECKING:
    from sandbox.faults.actions import Action

_API, _APP, _FHIR_HOST, _STATUS = HOSTS
_BOTH_FHIR = ("gate-fhir", "gate-fhir-us")
_ALL_SILENT = StandInBent(
    "names", {"silent": list(AUTHORITATIVE), "silent_resolvers": list(RESOLVERS)}
)


def _shown(host: str, kind: str) -> StandInBent:
    return StandInBent("certificates", {"shown": {host: kind}})


FAULTS: dict[str, Action] = {
    "dns-record-wrong": StandInBent("names", {"wrong": {CHANGED: ["203.0.113.66"]}}),
    "dns-server-missed-the-transfer": StandInBent("names", {"behind": ["ns2"]}),
    "dns-ttl-too-long": StandInBent("names", {"ttl_seconds": 86_400}),
    "dns-server-silent": StandInBent("names", {"silent": ["ns2"]}),
    "dns-server-lame": StandInBent("names", {"rcodes": {"ns2": "REFUSED"}}),
    "dns-validation-broken": StandInBent(
        "names", {"rcodes": {"resolver-1": "SERVFAIL", "resolver-2": "SERVFAIL"}}
    ),
    "dns-resolver-never-forgets": StandInBent("names", {"stale": ["resolver-2"]}),
    "dns-resolver-silent": StandInBent("names", {"silent_resolvers": ["resolver-1"]}),
    "dns-blocked": _ALL_SILENT,
    "dns-record-taken-over": StandInBent("names", {"wrong": {CHANGED: ["203.0.113.66"]}}),
    "dns-record-gone": StandInBent("names", {"wrong": {f"{_API} A": []}}),
    "dns-blocked-before": _ALL_SILENT,
    "certificate-expired": _shown(_API, "expired"),
    "certificate-ten-days-left": _shown(f"us/{_APP}", "ten-days-left"),
    "certificate-of-another-host": _shown(_STATUS, "other-host"),
    "certificate-without-its-intermediate": _shown(_APP, "wrong-intermediate"),
    "certificate-of-an-unknown-authority": _shown(_FHIR_HOST, "unknown-authority"),
    "tls-1.1-only": LinksChanged(
        (f"gate-{certificates_name('us')}",), {"target": certificates_name("old")}
    ),
    "tls-refused-in-one-region": LinksChanged(
        (f"gate-{certificates_name('eu')}",), {"mode": "refuse"}
    ),
    "vendor-down-before": VendorDown("auth0"),
    "payment-gateway-down": VendorDown("stripe"),
    "mail-down": VendorDown("sendgrid"),
    "vendor-down-in-phase-6": VendorDown("azure"),
    "fhir-old-version": StandInBent("fhir", {"fhir_version": "3.0.2"}),
    "fhir-resource-missing": StandInBent("fhir", {"resources": ["Patient", "Practitioner"]}),
    "fhir-interaction-missing": StandInBent("fhir", {"interactions": ["read"]}),
    "fhir-operation-outcome": StandInBent("fhir", {"resource_type": "OperationOutcome"}),
    "fhir-html": StandInBent("fhir", {"html": True}),
    "fhir-open-to-everybody": StandInBent("fhir", {"open_to_everybody": True}),
    "fhir-down": LinksChanged(_BOTH_FHIR, {"mode": "refuse"}),
}
