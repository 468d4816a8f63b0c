"""What a check is bound to: the release as its release.yaml describes it."""

from __future__ import annotations

from environments.release_file import Bound, read_release
from environments.yaml_file import ConfigurationError
from steps.kit.asked import Asked, Unread
from steps.kit.expect import expect


def described_release(asked: Asked) -> Bound:
    """Return what the release is; one that nobody described, or not well, decides nothing. Raises Unread."""
    platform = asked.platform
    try:
        return read_release(platform.environment, platform.release)
    except ConfigurationError as exc:
        clears = "a release.yaml of this release that can be read"
        asked.judge(expect(None, "release.yaml", str(exc), clears, rule="release described"))
        raise Unread("release.yaml") from exc
