"""DNS, certificates, the tries of external services and the FHIR server, as the gate is told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.core.layout import AUTHORITATIVE, HOST, REGIONS, RESOLVERS, certificates_name
from sandbox.systems.network.zone import HOSTS, ZONE, described

if TYPE_CHECKING:
    from sandbox.core.layout import Layout

_FHIR_LINKS = {"eu": "gate-fhir", "us": "gate-fhir-us"}


def part(layout: Layout) -> dict[str, Any]:
    """Return the sections."""
    return {
        "regions": {
            region: {"services": {"fhir": layout.url(_FHIR_LINKS[region])}} for region in REGIONS
        },
        "dns": {
            "zone": ZONE,
            "authoritative": [_server(layout, name) for name in AUTHORITATIVE],
            "resolvers": [_server(layout, name) for name in RESOLVERS],
            "records": described(),
        },
        "certificates": {
            "hosts": list(HOSTS),
            "addresses": {
                region: [f"{HOST}:{layout.ports[f'gate-{certificates_name(region)}']}"]
                for region in REGIONS
            },
            "ca_file": str(layout.authority),
        },
        "integrations": _integrations(),
        "fhir": {
            "service": "fhir",
            "resources": {
                name: ["read", "search-type"] for name in ("Appointment", "Patient", "Practitioner")
            },
            "protected_path": "/Patient/release-gate-control",
        },
    }


def _server(layout: Layout, name: str) -> dict[str, Any]:
    return {"name": name, "host": HOST, "port": layout.ports[name]}


def _integrations() -> dict[str, Any]:
    return {
        "service": "api",
        "tries": {
            "payment": {
                "path": "/v1/test/payment-gateway",
                "expect": {"status": "ok"},
                "needs": ["stripe"],
            },
            "notifications": {
                "path": "/v1/test/notifications",
                "expect": {"channels.sms": "ok", "channels.email": "ok"},
                "needs": ["twilio", "sendgrid"],
            },
        },
    }
