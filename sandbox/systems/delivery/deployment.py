"""Phases 3.1 and 4.1: images and web bundle are built, put in their places and proved."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sandbox.core.layout import PREVIOUS, RELEASE
from sandbox.systems.delivery import aws_server, evidence_files
from sandbox.systems.delivery.builds import MANIFEST, REPOSITORIES, image_digest, web_bundle

if TYPE_CHECKING:
    from sandbox.parts import Platform


async def push_images(platform: Platform) -> None:
    """Push the release's images beside the old ones and write the build's evidence."""
    await aws_server.tell(platform.layout, image_versions=[PREVIOUS, RELEASE])
    digests = {repository: image_digest(repository, RELEASE) for repository in REPOSITORIES}
    evidence_files.write(platform.layout, RELEASE, "image-build", digests)


async def upload_web(platform: Platform) -> None:
    """Upload the release's bundle, delete the old one, order the edges to forget it."""
    await aws_server.tell(platform.layout, web_version=RELEASE)
    manifest = web_bundle(RELEASE)[MANIFEST].content
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    evidence_files.write(platform.layout, RELEASE, "web-build", {MANIFEST: digest})
