"""Registry, web application, mobile contracts, secrets and evidence of the local platform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.core import CHECKOUT
from sandbox.core.layout import PREVIOUS, WEB_EDGES
from sandbox.systems.delivery.aws.names import BUCKET, DISTRIBUTION, KEY_USER, REGION, SECRETS
from sandbox.systems.delivery.builds import REPOSITORIES
from sandbox.systems.service.reference_api import SYNTHETIC_PROVIDER

if TYPE_CHECKING:
    from sandbox.core.layout import Layout

_CONTRACT = CHECKOUT / "contract"


def part(layout: Layout) -> dict[str, Any]:
    """Return the sections of the delivery."""
    return {
        "evidence": {"folder": str(layout.evidence)},
        "aws": {
            "region": REGION,
            "endpoint_url": layout.url("gate-aws"),
            "access_key_id": f"file:{layout.secret_file('aws-gate-id')}",
            "secret_access_key": f"file:{layout.secret_file('aws-gate')}",
        },
        "images": {"repositories": list(REPOSITORIES), "tags_are_immutable": True},
        "frontend": {
            "bucket": BUCKET,
            "distribution": DISTRIBUTION,
            "sites": {region: layout.url(f"cdn-{region}") for region in WEB_EDGES.values()},
        },
        "mobile": {
            "service": "api",
            "versions": ["1.0.0", "1.1.0"],
            "contracts": str(_CONTRACT / "mobile"),
            "token": f"file:{layout.secret_file('synthetic')}",
            "values": {"provider": SYNTHETIC_PROVIDER},
            "previous_openapi": str(_CONTRACT / "openapi" / f"v{PREVIOUS}.json"),
        },
        "secrets": {"names": list(SECRETS), "access_key_users": [KEY_USER]},
    }
