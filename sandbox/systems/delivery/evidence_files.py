"""The evidence that the platform's build writes, as docs/platform-contract.md asks for it."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from sandbox.core.state import write_private
from sandbox.systems.delivery.builds import commit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.core.layout import Layout


def path(layout: Layout, version: str, kind: str) -> Path:
    """Return where the evidence of a kind lies for a version."""
    return layout.evidence / f"v{version}" / f"{kind}.json"


def write(layout: Layout, version: str, kind: str, artefacts: Mapping[str, str]) -> None:
    """Write evidence of something that passed, with the digest of each artefact."""
    document: dict[str, Any] = {
        "schema": 1,
        "kind": kind,
        "release": f"v{version}",
        "commit": commit(version),
        "created_at": dt.datetime.now(dt.UTC).isoformat(),
        "result": "passed",
        "artefacts": [{"name": name, "digest": digest} for name, digest in artefacts.items()],
    }
    file = path(layout, version, kind)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(file, json.dumps(document, indent=1))
