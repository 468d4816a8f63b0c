"""How AWS is started, and how the deployment tells it what is there."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from sandbox.core.child import Command
from sandbox.core.layout import AWS_SERVERS
from sandbox.core.readiness import answers_http
from sandbox.core.state import write_private
from sandbox.core.switchboard import put
from sandbox.systems.service.reference_api import PYTHON

if TYPE_CHECKING:
    from sandbox.core.layout import Layout

# moto asks the machine for credentials of its own otherwise, and waits for an answer.
_ENVIRONMENT = {**PYTHON, "AWS_EC2_METADATA_DISABLED": "true"}


def command(layout: Layout) -> Command:
    """Write the configuration and return how AWS is started, with the edges of the web site."""
    settings = layout.runtime / "aws.json"
    ports = {name: layout.ports[name] for name in AWS_SERVERS}
    configuration = {
        "admin_token": layout.passwords["api-admin"],
        "gate_key_id": layout.passwords["aws-gate-id"],
        "operator_key_id": layout.passwords["aws-operator-id"],
        "ports": ports,
    }
    write_private(settings, json.dumps(configuration))
    return Command(
        name="aws",
        argv=(sys.executable, "-m", "sandbox.systems.delivery.aws", str(settings)),
        log=layout.log("aws"),
        environment=_ENVIRONMENT,
        ready=answers_http(layout.ports["aws"], "/_sandbox/ready"),
        ready_means="it answers /_sandbox/ready",
    )


async def tell(layout: Layout, **facts: Any) -> None:
    """Change facts of the account for good; raises SandboxError."""
    await put(layout, "aws", "/_sandbox/state", facts)
