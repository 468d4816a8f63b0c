"""Every stand-in by name: the name is that of its port, and of the link `gate-NAME` that leads to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

<<<<<<< HEAD
from sandbox.standins import audit, fhir, grafana, kubernetes, pagerduty, slack
=======
from sandbox.standins import audit, certificates, fhir, kubernetes, names
>>>>>>> dad464e418a9ee7a9bbccd845e51e3f27f2da68b

if TYPE_CHECKING:
    from pydantic import SecretStr
    from starlette.applications import Starlette

    Maker = Callable[[SecretStr, Mapping[str, Any]], Starlette]

MAKERS: Mapping[str, Maker] = {
    "certificates": certificates.make_app,
    "fhir": fhir.make_app,
<<<<<<< HEAD
    "grafana": grafana.make_app,
=======
    "names": names.make_app,
>>>>>>> dad464e418a9ee7a9bbccd845e51e3f27f2da68b
    "audit": audit.make_app,
    "kubernetes-eu": kubernetes.make_app,
    "kubernetes-us": kubernetes.make_app,
    "pagerduty": pagerduty.make_app,
    "slack": slack.make_app,
}
"""Each makes its application from the admin token and its own settings."""
