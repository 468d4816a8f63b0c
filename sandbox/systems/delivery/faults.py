"""Faults of registry, web application, mobile contracts, secrets and evidence."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.core.errors import SandboxError
from sandbox.core.layout import PREVIOUS, REGIONS, RELEASE
from sandbox.core.state import write_private
from sandbox.faults.actions import Action, LinksChanged, StandInBent, Switches
from sandbox.systems.delivery import evidence_files
from sandbox.systems.delivery.builds import REPOSITORIES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.faults.holds import Holds

_IMAGES, _WEB = "image-build", "web-build"


@dataclass(frozen=True, slots=True)
class EvidenceChanged:
    """Evidence of the release that says something else, or is cut in half."""

    kind: str
    values: Mapping[str, Any] = field(default_factory=dict)
    cut: bool = False

    async def apply(self, holds: Holds, fault: str) -> None:
        """Change it, and keep how it was."""
        file = evidence_files.path(holds.platform.layout, RELEASE, self.kind)
        kept = _kept(file, fault)
        try:
            whole = file.read_text(encoding="utf-8")
        except OSError as exc:
            raise SandboxError(
                f"there is no evidence {self.kind} yet: the deployment's phase writes it."
            ) from exc
        write_private(kept, whole)
        changed = json.dumps(json.loads(whole) | dict(self.values))
        write_private(file, changed[: len(changed) // 2] if self.cut else changed)

    async def revert(self, holds: Holds, fault: str) -> None:
        """Put it back as it was."""
        file = evidence_files.path(holds.platform.layout, RELEASE, self.kind)
        kept = _kept(file, fault)
        if kept.exists():
            kept.replace(file)


def _kept(file: Path, fault: str) -> Path:
    return file.with_name(f"{file.name}.before-{fault}")


def _aws(**values: Any) -> Action:
    return StandInBent("aws", values)


FAULTS: dict[str, Action] = {
    "image-missing": _aws(missing_image=REPOSITORIES[0]),
    "image-tag-moved": _aws(moved_tag=REPOSITORIES[0]),
    "image-tags-mutable": _aws(mutable_tags=True),
    "image-build-failed": EvidenceChanged(_IMAGES, {"result": "failed"}),
    "image-evidence-of-another-release": EvidenceChanged(_IMAGES, {"release": f"v{PREVIOUS}"}),
    "image-evidence-damaged": EvidenceChanged(_IMAGES, cut=True),
    "web-build-failed": EvidenceChanged(_WEB, {"result": "failed"}),
    "web-evidence-outdated": EvidenceChanged(_WEB, {"created_at": "2024-01-15T10:00:00+00:00"}),
    "web-asset-missing": _aws(missing_asset=True),
    "web-asset-corrupted": _aws(corrupted_asset=True),
    "web-left-overs": _aws(left_over=True),
    "web-invalidation-missing": _aws(invalidation_missing=True),
    "web-invalidations-of-single-files": _aws(invalidations_after=150),
    "web-invalidation-endless": _aws(invalidation_stuck=True),
    "web-stale-edge": _aws(stale_edge=REGIONS[0]),
    "web-cache-header-wrong": _aws(wrong_cache_header=True),
    "web-site-down": LinksChanged((f"cdn-{REGIONS[0]}",), {"mode": "refuse"}),
    "mobile-field-missing": Switches({"mobile_field_missing": "specialty"}),
    "mobile-version-refused": Switches({"mobile_version_refused": "1.1.0"}),
    "mobile-breaking-change": Switches({"openapi_broken": True}),
    "secret-too-old": _aws(old_secret_days=100),
    "access-key-too-old": _aws(old_key_days=100),
    "aws-down-images": LinksChanged(("gate-aws",), {"mode": "refuse"}),
    "aws-down-frontend": LinksChanged(("gate-aws",), {"mode": "refuse"}),
    "aws-down-secrets": LinksChanged(("gate-aws",), {"mode": "refuse"}),
    "aws-credential-refused": _aws(credentials_refused=True),
    "aws-throttled": _aws(throttled=True),
}
