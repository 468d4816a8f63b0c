"""Every stand-in by name: the name is that of its port, and of the link `gate-NAME` that leads to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sandbox.systems.cluster import kubernetes
from sandbox.systems.flags import audit
from sandbox.systems.monitoring import grafana
from sandbox.systems.network import certificates, names
from sandbox.systems.people import pagerduty, slack
from sandbox.systems.service import fhir

if TYPE_CHECKING:
    from pydantic import SecretStr
    from starlette.applications import Starlette

    Maker = Callable[[SecretStr, Mapping[str, Any]], Starlette]

MAKERS: Mapping[str, Maker] = {
    "certificates": certificates.make_app,
    "fhir": fhir.make_app,
    "grafana": grafana.make_app,
    "names": names.make_app,
    "audit": audit.make_app,
    "kubernetes-eu": kubernetes.make_app,
    "kubernetes-us": kubernetes.make_app,
    "pagerduty": pagerduty.make_app,
    "slack": slack.make_app,
}
"""Each makes its application from the admin token and its own settings."""
