"""What the account's things are called, and what it holds: the deployment's facts, and what faults bend."""

from __future__ import annotations

import datetime as dt

from pydantic import Field

from sandbox.core.standins import State

# As in the runbook, so that the gate's policy fits as it is.
ACCOUNT = "123456789012"
REGION = "us-east-1"
BUCKET = "unified-health-web-prod"
DISTRIBUTION = "E1234567890"
INVALIDATION_PATH = "/*"
INVALIDATION_ORDERED_AFTER = dt.timedelta(milliseconds=200)
INVALIDATION_TAKES = dt.timedelta(seconds=1)
SECRETS = ("unified-health/prod/database", "unified-health/prod/jwt", "unified-health/prod/stripe")
KEY_USER = "unified-health-ci"
_LONG_AGO = dt.timedelta(days=30)


class AwsState(State):
    """How far the deployment has come in this account; then the troubles that faults lay over it."""

    image_versions: tuple[str, ...] = ("1.1.0",)
    """Versions whose images are in the registry."""
    web_version: str = "1.1.0"
    web_uploaded_at: dt.datetime = Field(
        default_factory=lambda: dt.datetime.now(dt.UTC) - _LONG_AGO
    )
    """When the bundle was uploaded; its invalidation is made a moment later."""

    web_bugs: tuple[str, ...] = ()
    """Mistakes in the sources that the newest bundle was built from."""
    missing_image: str | None = None
    """A repository without the newest version's tag."""
    moved_tag: str | None = None
    """A repository whose newest version's tag leads to another image."""
    mutable_tags: bool = False
    missing_asset: bool = False
    corrupted_asset: bool = False
    left_over: bool = False
    invalidation_stuck: bool = False
    invalidation_missing: bool = False
    invalidations_after: int = 0
    """How many of single files were ordered after the release's own."""
    stale_edge: str | None = None
    """A region whose edge serves the bundle before."""
    wrong_cache_header: bool = False
    old_secret_days: int = 0
    old_key_days: int = 0
    credentials_refused: bool = False
    throttled: bool = False
