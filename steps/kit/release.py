"""What a check is bound to: the release as its release.yaml describes it."""

from __future__ import annotations

import pathlib
import tempfile

import probes
from environments.loader import Loaded
from environments.release_file import Bound, read_release
from environments.yaml_file import ConfigurationError
from probes.observation import Deadline
from steps.kit.asked import Asked, Unread
from steps.kit.expect import expect

CLONE_SECONDS = 30.0
"""What a clone, or all pages of a forge, may take: many calls."""


def authors(loaded: Loaded, release: Bound) -> frozenset[str] | None:
    """Return the addresses of those who wrote the release's commits; None where that can't be read.

    Nobody is known of an environment without a source.
    """
    source, previous = loaded.settings.source, f"refs/tags/{release.file.previous}"
    if source is None:
        return frozenset()
    deadline = Deadline.after(CLONE_SECONDS)
    with tempfile.TemporaryDirectory(prefix="release-gate-") as folder:
        place = probes.git.Place(loaded.path.parent / source.repository, source.repository)
        if probes.git.is_address(source.repository):
            clone = pathlib.Path(folder) / "clone"
            cloned = probes.git.cloned(source.repository, clone, deadline=deadline).value
            place = cloned or place
        found = probes.git.authors(place, previous, release.commit, deadline=deadline).value
    return None if found is None or not found.addresses else found.addresses


def described_release(asked: Asked) -> Bound:
    """Return what the release is; one that nobody described, or not well, decides nothing. Raises Unread."""
    platform = asked.platform
    try:
        return read_release(platform.environment, platform.release)
    except ConfigurationError as exc:
        clears = "a release.yaml of this release that can be read"
        asked.judge(expect(None, "release.yaml", str(exc), clears, rule="release described"))
        raise Unread("release.yaml") from exc
