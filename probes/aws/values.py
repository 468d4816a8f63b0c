"""What the AWS probe brings back, and whom it asks; `facts` are what may be kept of each."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Mapping

from pydantic import SecretStr


@dataclasses.dataclass(frozen=True, slots=True)
class AwsTarget:
    """Whose AWS: region, endpoint and credentials; without a key those of the process are used."""

    region: str
    endpoint_url: str | None = None
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    ca_file: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class RegistryImage:
    """Where a tag of a repository leads; no digest while the tag is not there."""

    repository: str
    tag: str
    digest: str | None
    pushed_at: dt.datetime | None
    tags_are_immutable: bool | None
    """Of this tag; None when the repository itself is not there."""

    def facts(self) -> Mapping[str, object]:
        """Return everything: none of it is private."""
        pushed = self.pushed_at and self.pushed_at.isoformat()
        return {**dataclasses.asdict(self), "pushed_at": pushed}


@dataclasses.dataclass(frozen=True, slots=True)
class RepositoryTags:
    """The digest of each of the newest tags of a repository; None where there is no repository."""

    repository: str
    digests: Mapping[str, str] | None

    def facts(self) -> Mapping[str, object]:
        """Return everything: none of it is private."""
        return {"repository": self.repository, "digests": self.digests and dict(self.digests)}


@dataclasses.dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a bucket."""

    size_bytes: int
    modified_at: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True)
class Bucket:
    """The objects below a prefix, by key."""

    objects: Mapping[str, StoredObject]

    def facts(self) -> Mapping[str, object]:
        """Return the number of objects and bytes, and when the newest one was written."""
        newest = max((one.modified_at for one in self.objects.values()), default=None)
        return {
            "objects": len(self.objects),
            "size_bytes": sum(one.size_bytes for one in self.objects.values()),
            "newest": newest and newest.isoformat(),
        }


@dataclasses.dataclass(frozen=True, slots=True)
class ObjectContent:
    """One object, or None where there is none."""

    content: bytes | None = dataclasses.field(repr=False)

    def facts(self) -> Mapping[str, object]:
        """Return size and digest."""
        if self.content is None:
            return {"present": False}
        digest = hashlib.sha256(self.content).hexdigest()
        return {"present": True, "size_bytes": len(self.content), "sha256": digest}


@dataclasses.dataclass(frozen=True, slots=True)
class ObjectDigests:
    """The sha256 of objects by key, computed from what the bucket really sends; None: not there."""

    sha256: Mapping[str, str | None]

    def facts(self) -> Mapping[str, object]:
        """Return how many were read."""
        return {"objects": len(self.sha256)}


@dataclasses.dataclass(frozen=True, slots=True)
class Invalidation:
    """One order to a content delivery network to forget what it keeps."""

    id: str
    created_at: dt.datetime
    status: str
    """`InProgress` or `Completed`."""
    paths: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Invalidations:
    """The invalidations of a distribution since a time, newest first."""

    invalidations: tuple[Invalidation, ...]

    def facts(self) -> Mapping[str, object]:
        """Return each with its status."""
        return {
            "invalidations": [
                {"id": one.id, "created_at": one.created_at.isoformat(), "status": one.status}
                for one in self.invalidations
            ]
        }


@dataclasses.dataclass(frozen=True, slots=True)
class SecretDates:
    """When the value of a secret that is in force was made; None where there is none."""

    name: str
    value_made_at: dt.datetime | None
    rotates: bool
    deleted: bool

    def facts(self) -> Mapping[str, object]:
        """Return everything: the value was never read."""
        made = self.value_made_at and self.value_made_at.isoformat()
        return {**dataclasses.asdict(self), "value_made_at": made}


@dataclasses.dataclass(frozen=True, slots=True)
class AccessKeys:
    """When the active access keys of a user were made; None where there is no such user."""

    user: str
    made_at: tuple[dt.datetime, ...] | None

    def facts(self) -> Mapping[str, object]:
        """Return how many and since when; never a key's id."""
        made = None if self.made_at is None else [one.isoformat() for one in self.made_at]
        return {"user": self.user, "made_at": made}
