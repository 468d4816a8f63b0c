"""The AWS probe: registry, bucket, distribution and the age of secrets, read by boto3 under a deadline.

Only actions of deploy/aws/gate_policy.json are called; a test records every call and compares. The value
of a secret is never asked for. One request is one attempt: the libraries' own repeating is off.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import fnmatch
import functools
import hashlib
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import boto3
from botocore import exceptions as boto
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from pydantic import SecretStr

from probes import network
from probes.observation import (
    Deadline,
    Document,
    FailureKind,
    FoundError,
    Kinds,
    Observation,
    PhaseClock,
    Shown,
    V,
    explained,
    failures_of,
    kind_of,
    kinds_of,
    observed,
)

# The one mapping of this module; a test walks the library's exceptions.
_KINDS: Final[Kinds] = {
    boto.ConnectTimeoutError: FailureKind.TIMEOUT,
    boto.ReadTimeoutError: FailureKind.TIMEOUT,
    boto.HTTPClientError: FailureKind.CONNECTION_LOST,
    boto.ResponseStreamingError: FailureKind.CONNECTION_LOST,
    boto.IncompleteReadError: FailureKind.CONNECTION_LOST,
    boto.SSLError: FailureKind.TLS_FAILED,
    boto.EndpointConnectionError: FailureKind.REFUSED,
    **dict.fromkeys(
        (
            *(boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError),
            *(boto.TokenRetrievalError, boto.SSOError, boto.LoginError),
        ),
        FailureKind.CREDENTIAL_REFUSED,
    ),
    ResponseParserError: FailureKind.PROTOCOL,
    # What is left is ours: a bad parameter, an unknown region, a profile that is not there.
    boto.BotoCoreError: FailureKind.OUR_FAULT,
    boto.ProxyConnectionError: FailureKind.OUR_FAULT,
    boto.MissingServiceIdError: FailureKind.OUR_FAULT,
    boto.UndefinedModelAttributeError: FailureKind.OUR_FAULT,
}
_KIND_BY_CODE: Final = kinds_of("aws")
_SERVER_ERROR = 500
NOT_THERE: Final = frozenset(
    {
        *("RepositoryNotFoundException", "ImageNotFoundException", "NoSuchKey"),
        *("ResourceNotFoundException", "NoSuchEntity"),
    }
)
"""Codes that say that the thing itself is missing: an answer, no failure."""
SENTENCES: Final = failures_of("aws")


def failure_kind(exc: BaseException) -> FailureKind | None:
    """Return what an exception of botocore means; None: not its own."""
    # An answer without what the service always tells: something else listens there.
    if isinstance(exc, KeyError | IndexError | TypeError | AttributeError):
        return FailureKind.UNUSABLE_ANSWER
    if isinstance(exc, boto.ClientError):
        known = _KIND_BY_CODE.get(code(exc))
        if known is not None:
            return known
        status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return FailureKind.SERVER_ERROR if status >= _SERVER_ERROR else FailureKind.QUERY_REJECTED
    return kind_of(exc, _KINDS)


def code(exc: boto.ClientError) -> str:
    """Return the service's word for an error, such as AccessDenied."""
    return str(exc.response.get("Error", {}).get("Code", ""))


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
class RegistryImage(Shown):
    """Where a tag of a repository leads; no digest while the tag is not there."""

    KEPT = ("repository", "tag", "digest", "pushed_at", "tags_are_immutable")

    repository: str
    tag: str
    digest: str | None
    pushed_at: dt.datetime | None
    tags_are_immutable: bool | None
    """Of this tag; None when the repository itself is not there."""


@dataclasses.dataclass(frozen=True, slots=True)
class RepositoryTags(Shown):
    """The digest of each of the newest tags of a repository; None where there is no repository."""

    KEPT = ("repository", "digests")

    repository: str
    digests: Mapping[str, str] | None


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
class ObjectDigests:
    """The sha256 of objects by key, computed from what the bucket really sends; None: not there."""

    sha256: Mapping[str, str | None]

    def facts(self) -> Mapping[str, object]:
        """Return how many were read."""
        return {"objects": len(self.sha256)}


@dataclasses.dataclass(frozen=True, slots=True)
class Invalidation(Shown):
    """One order to a content delivery network to forget what it keeps."""

    KEPT = ("id", "created_at", "status")

    id: str
    created_at: dt.datetime
    status: str
    """`InProgress` or `Completed`."""
    paths: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Invalidations(Shown):
    """The invalidations of a distribution since a time, newest first."""

    KEPT = ("invalidations",)

    invalidations: tuple[Invalidation, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class SecretDates(Shown):
    """When the value of a secret that is in force was made; None where there is none."""

    KEPT = ("name", "value_made_at", "rotates", "deleted")

    name: str
    value_made_at: dt.datetime | None
    rotates: bool
    deleted: bool


@dataclasses.dataclass(frozen=True, slots=True)
class AccessKeys(Shown):
    """When the active access keys of a user were made; None where there is no such user."""

    KEPT = ("user", "made_at")  # never a key's id

    user: str
    made_at: tuple[dt.datetime, ...] | None


MAX_OBJECT_BYTES: Final = 64 * 1_048_576
MAX_OBJECTS: Final = 20_000
_MOST_PAGES: Final = 50
_MOST_TAGS: Final = 50
_CHUNK_BYTES: Final = 262_144
_READERS: Final = 8
_LEAST_TIMEOUT_SECONDS: Final = 0.05
T = TypeVar("T")


@functools.cache
def session() -> boto3.session.Session:
    """Return the one session of this process: it reads the services' descriptions once."""
    return boto3.session.Session()


@dataclasses.dataclass(frozen=True, slots=True)
class Caller:
    """Makes clients of services for one question."""

    target: AwsTarget
    what: str
    """Is asked."""
    deadline: Deadline

    def client(self, service: str) -> Any:
        """Return a client whose every request ends with the deadline."""
        left = max(self.deadline.remaining_seconds(), _LEAST_TIMEOUT_SECONDS)
        target = self.target
        return session().client(
            service,
            region_name=target.region,
            endpoint_url=target.endpoint_url,
            aws_access_key_id=_plain(target.access_key_id),
            aws_secret_access_key=_plain(target.secret_access_key),
            aws_session_token=_plain(target.session_token),
            verify=target.ca_file,
            config=Config(
                connect_timeout=left,
                read_timeout=left,
                retries={"total_max_attempts": 1},
                max_pool_connections=_READERS,
                user_agent_extra="deployment-gate",
            ),
        )

    def in_time(self) -> None:
        """Raise FoundError once the deadline is over: pages and chunks each have their own timeout."""
        if self.deadline.remaining_seconds() <= 0:
            raise self.stopped(FailureKind.TIMEOUT)

    def stopped(self, kind: FailureKind) -> FoundError:
        """Return what to raise where the reading itself is ended."""
        return FoundError(kind, f"{self.what}: {SENTENCES[kind]}.")


def image(
    target: AwsTarget,
    repository: str,
    tag: str,
    *,
    deadline: Deadline,
    registry_id: str | None = None,
) -> Observation[RegistryImage]:
    """Look a tag up in the registry: its digest, and whether the repository lets it move."""
    registry = {} if registry_id is None else {"registryId": registry_id}

    def ask(caller: Caller) -> RegistryImage:
        client = caller.client("ecr")
        found = or_none(
            lambda: client.describe_repositories(repositoryNames=[repository], **registry)
        )
        if found is None:
            return RegistryImage(repository, tag, None, None, None)
        immutable = _is_immutable(found["repositories"][0], tag)
        caller.in_time()
        images = or_none(
            lambda: client.describe_images(
                repositoryName=repository, imageIds=[{"imageTag": tag}], **registry
            )
        )
        detail = images["imageDetails"][0] if images and images["imageDetails"] else {}
        digest, pushed = detail.get("imageDigest"), detail.get("imagePushedAt")
        return RegistryImage(repository, tag, digest, pushed, immutable)

    return observe(target, f"ecr {repository}:{tag}", deadline, ask)


def _is_immutable(repository: Mapping[str, Any], tag: str) -> bool:
    """Return whether a tag must stay where it is; a repository may rule otherwise for some tags."""
    filters = repository.get("imageTagMutabilityExclusionFilters") or ()
    # A filter knows `*` and letters that mean themselves.
    excluded = any(fnmatch.fnmatchcase(tag, one["filter"]) for one in filters)
    return repository.get("imageTagMutability", "").startswith("IMMUTABLE") is not excluded


def tags(
    target: AwsTarget, repository: str, *, deadline: Deadline, registry_id: str | None = None
) -> Observation[RepositoryTags]:
    """Return the tags of the newest 50 images of a repository."""
    registry = {} if registry_id is None else {"registryId": registry_id}

    def ask(caller: Caller) -> RepositoryTags:
        pages = caller.client("ecr").get_paginator("describe_images")
        found = or_none(lambda: _images(caller, pages, {"repositoryName": repository, **registry}))
        if found is None:
            return RepositoryTags(repository, None)
        newest = sorted(found, key=operator.itemgetter("imagePushedAt"))[-_MOST_TAGS:]
        return RepositoryTags(
            repository,
            {tag: one["imageDigest"] for one in newest for tag in one.get("imageTags", ())},
        )

    return observe(target, f"ecr {repository}", deadline, ask)


def _images(caller: Caller, pages: Any, wanted: Mapping[str, str]) -> list[Mapping[str, Any]]:
    images = []
    for page in pages.paginate(**wanted):
        caller.in_time()
        images += page["imageDetails"]
    return images


def bucket(target: AwsTarget, name: str, prefix: str, *, deadline: Deadline) -> Observation[Bucket]:
    """List the objects below a prefix, page by page; more than 20,000 are no answer."""

    def ask(caller: Caller) -> Bucket:
        objects: dict[str, StoredObject] = {}
        pages = caller.client("s3").get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=name, Prefix=prefix):
            caller.in_time()
            for one in page.get("Contents", ()):
                objects[one["Key"]] = StoredObject(one["Size"], one["LastModified"])
            if len(objects) > MAX_OBJECTS:
                raise caller.stopped(FailureKind.TOO_LARGE)
        return Bucket(objects)

    return observe(target, f"s3://{name}/{prefix}", deadline, ask)


def content(
    target: AwsTarget, bucket_name: str, key: str, *, deadline: Deadline
) -> Observation[Document]:
    """Read one object."""

    def ask(caller: Caller) -> Document:
        chunks = _chunks(caller, caller.client("s3"), bucket_name, key)
        return Document(None if chunks is None else b"".join(chunks))

    return observe(target, f"s3://{bucket_name}/{key}", deadline, ask)


def digests(
    target: AwsTarget, bucket_name: str, keys: Iterable[str], *, deadline: Deadline
) -> Observation[ObjectDigests]:
    """Read objects and compute their digests: an ETag is none for every way of uploading."""
    wanted = tuple(keys)

    def ask(caller: Caller) -> ObjectDigests:
        client = caller.client("s3")

        def digest(key: str) -> str | None:
            hashed = hashlib.sha256()
            chunks = _chunks(caller, client, bucket_name, key)
            for chunk in chunks or ():
                hashed.update(chunk)
            return None if chunks is None else hashed.hexdigest()

        with ThreadPoolExecutor(_READERS) as pool:
            return ObjectDigests(dict(zip(wanted, pool.map(digest, wanted), strict=True)))

    return observe(target, f"s3://{bucket_name} ({len(wanted)} objects)", deadline, ask)


def invalidations(
    target: AwsTarget,
    distribution: str,
    since: dt.datetime,
    *,
    deadline: Deadline,
    enough: Callable[[Invalidation], bool] = lambda _: False,
) -> Observation[Invalidations]:
    """Return the invalidations that were made since a time, with their paths, the newest first.

    They are read from the oldest one on, until one is `enough`: others may follow a release's own by
    the hundred. More than 5,000 are no answer.
    """

    def ask(caller: Caller) -> Invalidations:
        client = caller.client("cloudfront")
        found: list[Invalidation] = []
        for one in sorted(
            _listed(caller, client, distribution, since), key=operator.itemgetter("CreateTime")
        ):
            caller.in_time()
            whole = client.get_invalidation(DistributionId=distribution, Id=one["Id"])
            batch = whole["Invalidation"]["InvalidationBatch"]
            paths = tuple(batch["Paths"].get("Items") or ())
            status = whole["Invalidation"]["Status"]
            found.insert(0, Invalidation(one["Id"], one["CreateTime"], status, paths))
            if enough(found[0]):
                break
        return Invalidations(tuple(found))

    return observe(target, f"cloudfront {distribution}", deadline, ask)


def _listed(
    caller: Caller, client: Any, distribution: str, since: dt.datetime
) -> Iterator[Mapping[str, Any]]:
    """Yield what was made since a time; CloudFront lists the newest ones first."""

    def ask(**words: str) -> Any:
        return client.list_invalidations(DistributionId=distribution, **words)["InvalidationList"]

    for page in _pages(caller, ask, ("Marker", "NextMarker")):
        items = page.get("Items") or ()
        yield from (each for each in items if each["CreateTime"] >= since)
        if any(each["CreateTime"] < since for each in items):
            return


def _pages(
    caller: Caller, ask: Callable[..., Any], names: tuple[str, str], **words: str
) -> Iterator[Any]:
    """Yield every page of an answer; raises FoundError beyond 50, as half an answer is none.

    `names`: what a request calls the place to begin at, and an answer the next one.
    """
    marker: dict[str, str] = {}
    for _ in range(_MOST_PAGES):
        caller.in_time()
        page = ask(**words, **marker)
        yield page
        following = page.get(names[1])
        if not page.get("IsTruncated", bool(following)):
            return
        if not following:
            raise caller.stopped(FailureKind.UNUSABLE_ANSWER)
        marker = {names[0]: following}
    raise caller.stopped(FailureKind.TOO_LARGE)


def secret_dates(target: AwsTarget, name: str, *, deadline: Deadline) -> Observation[SecretDates]:
    """Return since when a secret has its value; the value itself is not asked for.

    The version's own date counts: a secret's LastChangedDate moves with every tag and description.
    """

    def ask(caller: Caller) -> SecretDates:
        client = caller.client("secretsmanager")
        described = or_none(lambda: client.describe_secret(SecretId=name))
        if described is None:
            return SecretDates(name, None, rotates=False, deleted=False)
        rotates = bool(described.get("RotationEnabled"))
        deleted = described.get("DeletedDate") is not None
        names = ("NextToken", "NextToken")
        pages = _pages(caller, client.list_secret_version_ids, names, SecretId=name)
        versions = [one for found in pages for one in found.get("Versions", ())]
        current = [one for one in versions if "AWSCURRENT" in one.get("VersionStages", ())]
        made = current[0].get("CreatedDate") if current else None
        return SecretDates(name, made, rotates=rotates, deleted=deleted)

    return observe(target, f"secret {name}", deadline, ask)


def access_keys(target: AwsTarget, user: str, *, deadline: Deadline) -> Observation[AccessKeys]:
    """Return since when a user has each active access key."""

    def ask(caller: Caller) -> AccessKeys:
        list_keys = caller.client("iam").list_access_keys
        listed = or_none(lambda: [*_pages(caller, list_keys, ("Marker", "Marker"), UserName=user)])
        if listed is None:
            return AccessKeys(user, None)
        keys = [one for found in listed for one in found["AccessKeyMetadata"]]
        active = [one for one in keys if one["Status"] == "Active"]
        return AccessKeys(user, tuple(sorted(one["CreateDate"] for one in active)))

    return observe(target, f"access keys of {user}", deadline, ask)


def _chunks(caller: Caller, client: Any, bucket_name: str, key: str) -> Iterable[bytes] | None:
    answer = or_none(lambda: client.get_object(Bucket=bucket_name, Key=key))
    return answer and _read(caller, answer["Body"])


def _read(caller: Caller, body: Any) -> Iterable[bytes]:
    size = 0
    try:
        for chunk in body.iter_chunks(_CHUNK_BYTES):
            caller.in_time()
            size += len(chunk)
            if size > MAX_OBJECT_BYTES:
                raise caller.stopped(FailureKind.TOO_LARGE)
            yield chunk
    finally:
        body.close()


def or_none(ask: Callable[[], T]) -> T | None:
    """Return an answer, or None where the thing itself is missing."""
    try:
        return ask()
    except ClientError as exc:
        if code(exc) in NOT_THERE:
            return None
        raise


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def observe(
    target: AwsTarget, what: str, deadline: Deadline, ask: Callable[[Caller], V]
) -> Observation[V]:
    """Ask the services in time, and return what they say or why they say nothing."""

    def measured(_: PhaseClock) -> V:
        caller = Caller(target, what, deadline)
        caller.in_time()
        try:
            # The library's timeouts are of each byte: one that comes now and then would keep it for ever.
            return network.within(deadline, lambda: ask(caller))
        except TimeoutError:
            raise caller.stopped(FailureKind.TIMEOUT) from None

    return observed("aws", what, measured, explained(what, failure_kind, SENTENCES))
