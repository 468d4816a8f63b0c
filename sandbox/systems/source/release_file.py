"""What the platform's release is: written once, before anything is bound to it."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

from sandbox.core.layout import PREVIOUS, RELEASE
from sandbox.core.state import write_private
from sandbox.systems.delivery.builds import REPOSITORIES, image_digest
from sandbox.systems.source import repository

if TYPE_CHECKING:
    from sandbox.core.layout import Layout

_STARTS_IN = dt.timedelta(hours=2)
_CHANGES = ("code", "schema", "flags", "dns", "configuration", "assets", "alert_rules")


def write(layout: Layout) -> None:
    """Write release.yaml; the release changes everything that one can change. Raises SandboxError."""
    starts = dt.datetime.now(dt.UTC).replace(microsecond=0) + _STARTS_IN
    described = {
        "schema": 1,
        "version": f"v{RELEASE}",
        "previous": f"v{PREVIOUS}",
        "kind": "standard",
        "commit": repository.commit(layout.release_repository, RELEASE),
        "images": {name: image_digest(name, RELEASE) for name in REPOSITORIES},
        "changes": dict.fromkeys(_CHANGES, True),
        "planned_start": starts.isoformat(),
        "tickets": ["UH-1201", "UH-1207"],
    }
    layout.release_file.parent.mkdir(mode=0o700, parents=True)
    write_private(layout.release_file, json.dumps(described, indent=1) + "\n")
