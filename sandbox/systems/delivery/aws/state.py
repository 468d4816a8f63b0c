"""What the account holds: the deployment's facts, and what faults want otherwise for a while."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Facts(_Part):
    """How far the deployment has come in this account."""

    image_versions: tuple[str, ...] = ("1.1.0",)
    """Versions whose images are in the registry."""
    web_version: str = "1.1.0"
    web_uploaded_at: dt.datetime
    """When the bundle was uploaded; its invalidation is made a second later."""


class Bent(_Part):
    """What a fault wants otherwise; the default is nothing."""

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
