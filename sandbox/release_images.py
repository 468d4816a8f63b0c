"""The evidence of the release's build: which images it has, by digest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sandbox.layout import RELEASE
from sandbox.standins.cluster.shown import digest_of
from sandbox.standins.cluster.state import APP
from sandbox.state import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sandbox.layout import Layout


def evidence_file(layout: Layout) -> Path:
    """Return the file: a JSON object, image name → digest."""
    return layout.state.path / "evidence" / "release-images.json"


def write(layout: Layout, images: Mapping[str, str]) -> None:
    """Note what was built and pushed; what is noted already of other images stays."""
    file = evidence_file(layout)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    write_private(file, json.dumps({**_read(file), **images}))


def api_digest(layout: Layout) -> str:
    """Return the digest of the release's API; one that nobody has built is noted as built now."""
    images = _read(evidence_file(layout))
    if APP not in images:
        images[APP] = digest_of(RELEASE)
        write(layout, images)
    return images[APP]


def _read(file: Path) -> dict[str, str]:
    if not file.exists():
        return {}
    return {str(name): str(digest) for name, digest in json.loads(file.read_bytes()).items()}
