"""What a release is made of and where it goes: registry, web bundle, mobile contracts, secrets, evidence."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from settings.objectives import BoundedWait
from settings.sections import (
    HttpUrl,
    Name,
    Seconds,
    SecretReference,
    Section,
    Share,
    Text,
    doubled,
    server_of,
)

MAX_SECRET_SECONDS = 366 * 86400.0


class EvidenceStore(Section):
    """Where other tools put their evidence: `<here>/v1.2.0/KIND.json`, one document for each kind.

    The kind `files` lists the files that lie beside it: results of tests, scans and runs.
    """

    folder: Text | None = None
    """A folder that the gate can read, relative to this file."""
    url: HttpUrl | None = None
    """Or an address below which the documents are answered."""
    token: SecretReference | None = None
    """Sent as a bearer token to `url`."""
    proofs: bool = True
    """Whether the countdown reads there what tests, scans and staging's runs brought
    (`evidence.proofs` of the policy); false where builds alone leave anything there."""

    def _refusals(self) -> Iterator[str]:
        if (self.folder is None) == (self.url is None):
            yield "evidence needs a folder or a url, one of them"


class Aws(Section):
    """The gate's own read-only access; deploy/aws/gate_policy.json is all that it needs."""

    region: Text
    """Of the registry and of Secrets Manager, such as us-east-1."""
    endpoint_url: HttpUrl | None = None
    """Another address of all its services; for the local platform and private endpoints."""
    access_key_id: SecretReference | None = None
    """Left out: the credentials that the gate's process has anyway (a role of its pod or runner)."""
    secret_access_key: SecretReference | None = None
    """Belongs to the access key."""
    session_token: SecretReference | None = None
    """Where the credentials are temporary."""
    ca_file: str | None = None
    """File of the authority that signs the endpoint's certificate, where it is not a public one."""

    def _refusals(self) -> Iterator[str]:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            yield "access_key_id and secret_access_key belong together; name both"


class Images(Section):
    """The container images of a release, in the registry."""

    repositories: tuple[Text, ...] = Field(min_length=1)
    """Names of the repositories; each gets one image for each release."""
    tag: str = "v{release}"
    """The release's tag; `{release}` becomes the release, such as 1.2.0."""
    registry_id: str | None = Field(default=None, pattern=r"^\d{12}$")
    """The account that owns the registry, where it is not the gate's."""
    evidence: Name = "image-build"
    """Kind of the evidence that names the digest of each repository's image."""
    tags_are_immutable: bool = False
    """Whether the registry must refuse to move a tag."""

    def _refusals(self) -> Iterator[str]:
        if "{release}" not in self.tag:
            yield (
                f"tag “{self.tag}” lacks {{release}}, so every release would have the same; write it like "
                "v{release}"
            )


_MOST_PAGE_SECONDS = 3600


class CacheHeaders(Section):
    """What browsers and edges are told to keep: the directives of Cache-Control, in any order."""

    page: Text = "no-cache"
    """Of the page: it must be asked for again, or it names assets of yesterday."""
    assets: Text = "public, max-age=31536000, immutable"
    """Of assets, whose names change with their content."""

    def _refusals(self) -> Iterator[str]:
        kept = re.search(r"max-age=0*([1-9]\d{3,})", self.page.lower())
        if "immutable" in self.page.lower() or (kept and int(kept[1]) > _MOST_PAGE_SECONDS):
            yield (
                f"page “{self.page}” is kept for good, so browsers would go on with the old build; write "
                "no-cache"
            )


class Frontend(Section):
    """The web application: its bundle in a bucket, the distribution before it, the site that users see."""

    bucket: Text
    """Holds the bundle."""
    prefix: str = ""
    """Below which the bundle lies."""
    ignored: tuple[Text, ...] = ()
    """Prefixes of objects that belong to no bundle, such as .well-known/; they are no left-overs, and a page
    may name them."""
    distribution: Text
    """Id of the distribution whose caches are invalidated."""
    invalidation_path: str = Field(default="/*", pattern=r"^/")
    """What an invalidation must cover."""
    manifest: Text = "build-manifest.json"
    """Object that lists the bundle's files, with the digest that the build's evidence names."""
    evidence: Name = "web-build"
    """Kind of the build's evidence."""
    site: HttpUrl | None = None
    """The site's one address, where every region is served by the edge nearest to it. The gate then sees
    the edge nearest to itself: run it in each region and join the runs."""
    sites: dict[Name, HttpUrl] = Field(default_factory=dict)
    """Or an address for each region."""
    page: str = Field(default="/", pattern=r"^/")
    """Path of the page that is looked at."""
    page_file: Text = "index.html"
    """The file of the bundle that this path serves."""
    build_id_meta: Text = "build-id"
    """Name of the `<meta>` element in which the page tells its build."""
    cache_headers: CacheHeaders = CacheHeaders()
    """What the site must say of caching."""

    def _refusals(self) -> Iterator[str]:
        hidden = [one for one in self.ignored for file in self._looked_at if file.startswith(one)]
        if hidden:
            yield f"ignored “{hidden[0]}” hides files that are checked; narrow it"
        if (self.site is None) == (not self.sites):
            yield "frontend needs site or sites, one of them"
        seen: dict[str, str] = {}
        for region, address in self.sites.items():
            server = server_of(address)
            if server in seen:
                yield (
                    f"sites.{region} and sites.{seen[server]} are the same address, so one region's edge "
                    "would never be seen; give each its own, or name it as site"
                )
            seen[server] = region

    @property
    def _looked_at(self) -> tuple[str, ...]:
        return (f"{self.prefix}{self.page_file}", f"{self.prefix}{self.manifest}", self.page_file)

    def address(self, region: str) -> str:
        """Return the site's address as a region sees it."""
        return self.site or self.sites[region]


class Mobile(Section):
    """The mobile apps that are in use: what they ask for, and what they can read."""

    service: Name
    """Which service they talk to."""
    header: str = Field(default="X-App-Version", pattern=r"^[A-Za-z][A-Za-z0-9-]*$")
    """How an app tells its version."""
    versions: tuple[Text, ...] = Field(min_length=1)
    """The versions in use; each has a folder below `contracts`."""
    contracts: Text
    """Folder of the contracts, relative to this file: `VERSION/contract.yaml` and its schemas."""
    token: SecretReference | None = None
    """A bearer token that may read what the contracts read and that names no patient."""
    values: dict[str, str] = Field(default_factory=dict)
    """What stands for `{name}` in a contract's paths, such as the id of a synthetic provider."""
    previous_openapi: Text
    """The OpenAPI document of the release before, relative to this file."""
    openapi_path: str = Field(default="/openapi.json", pattern=r"^/")
    """Where the service serves its own."""


class Secrets(Section):
    """Secrets of the platform whose age is watched; their values are never read."""

    names: tuple[Text, ...] = Field(min_length=1)
    """As Secrets Manager knows them."""
    access_key_users: tuple[Text, ...] = ()
    """Users whose active access keys are watched too."""


class SecretAge(Section):
    """How old a secret may be before it has to be rotated."""

    max_age: Seconds = Field(default=90 * 86400.0, gt=0, le=MAX_SECRET_SECONDS)
    """Since its value was made; the runbook rotates every 90 days."""


class AcceptedChange(Section):
    """A change of the API that somebody answers for: shown until its last day, and no finding."""

    change: Text
    """Word for word as D4.2-3, CT-DIFF-1 or a contract test reports it, such as `POST /v1/login: is gone`."""
    reason: Text
    """Why nobody is hit, or why that is wanted."""
    until: dt.date
    """The last day on which it counts, in UTC."""


class ContractPolicy(Section):
    """Which changes of the API's document may break somebody, and how much of it must be tested."""

    accepted: tuple[AcceptedChange, ...] = ()
    """Changes that somebody answers for, each until a day."""
    answered: Annotated[Share, Field(ge=0.5, le=1)] = 0.95
    """Operations that must have succeeded (2xx) in a contract test, of all that were asked: of the
    others nothing is proved."""

    def _refusals(self) -> Iterator[str]:
        if twice := doubled([one.change for one in self.accepted]):
            yield f"accepted lists “{twice[0]}” twice; keep one"


class Invalidation(Section):
    """How long the invalidation of a content delivery network may take."""

    settle_for: BoundedWait = 900.0
    """From its creation to `Completed`; still in progress by then is a FAIL."""
