"""The section `monitoring` of a test's environment: what a test leaves out is out of reach."""

from __future__ import annotations

import pathlib
from typing import Any

from tests.probes.servers import closed_port
from tests.steps.platforms import NOWHERE


def monitoring(folder: pathlib.Path, **changes: Any) -> dict[str, Any]:
    """Return the section; of a part that is a mapping, single keys may be changed."""
    (folder / "grafana").write_text("sentinel")
    nowhere = NOWHERE.format(closed_port())
    section: dict[str, Any] = {
        "rules": str(folder / "rules.yaml"),
        "alertmanager": {"url": nowhere, "receivers": {"critical": "x"}},
        "grafana": {"url": nowhere, "token": "file:grafana", "dashboards": {"Overview": []}},
    }
    for key, value in changes.items():
        section[key] = section.get(key, {}) | value if isinstance(value, dict) else value
    return section
