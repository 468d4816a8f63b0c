"""Ways to break the evidence of the builds; all else of the delivery is what AWS shows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sandbox.core.errors import SandboxError
from sandbox.systems.delivery.deployment import evidence_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.core.breakage import Breakage


async def evidence(it: Breakage, kind: str, values: Mapping[str, Any]) -> None:
    """Have evidence of the release say something else."""
    whole = _evidence(it, kind)
    evidence_file(it.layout, kind).write_text(json.dumps({**json.loads(whole), **values}))


async def evidence_halved(it: Breakage, kind: str) -> None:
    """Cut evidence of the release in half."""
    whole = _evidence(it, kind)
    evidence_file(it.layout, kind).write_text(whole[: len(whole) // 2])


def _evidence(it: Breakage, kind: str) -> str:
    """Put the evidence aside and return it."""
    aside = it.aside(evidence_file(it.layout, kind))
    if not aside.exists():
        raise SandboxError(f"there is no evidence {kind} yet: the deployment's phase writes it.")
    return aside.read_text(encoding="utf-8")


KINDS = (evidence, evidence_halved)
