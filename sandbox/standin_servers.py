"""How the stand-ins are started, and how a phase of the deployment tells them its facts."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from sandbox.child import Command
from sandbox.layout import STANDINS
from sandbox.readiness import answers_http
from sandbox.reference_api import PYTHON
from sandbox.state import write_private
from sandbox.switchboard import put

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.layout import Layout

_SETTINGS: Mapping[str, Mapping[str, Any]] = {}
"""What a stand-in has to know at its start, by its name."""


def command(layout: Layout) -> Command:
    """Write the configuration of all stand-ins and return how they are started."""
    settings = layout.runtime / "standins.json"
    servers = {name: {"port": layout.ports[name], **_SETTINGS.get(name, {})} for name in STANDINS}
    configuration = {"admin_token": layout.passwords["api-admin"], "servers": servers}
    write_private(settings, json.dumps(configuration))
    return Command(
        name="standins",
        argv=(sys.executable, "-m", "sandbox.standins", str(settings)),
        log=layout.log("standins"),
        environment=PYTHON,
        ready=answers_http(layout.ports[STANDINS[-1]], "/_sandbox/ready"),
        ready_means=f"{STANDINS[-1]} answers /_sandbox/ready",
    )


async def tell(layout: Layout, name: str, **facts: Any) -> None:
    """Change facts of a stand-in for good; raises SandboxError."""
    await put(layout, name, "/_sandbox/state", facts)
