"""The account's data in moto's backends: put there whole, again and again, with the dates of the state."""

from __future__ import annotations

import datetime as dt
import json
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from moto import backends
from moto.cloudfront.models import Invalidation

from sandbox.systems.delivery.aws.state import (
    ACCOUNT,
    BUCKET,
    DISTRIBUTION,
    INVALIDATION_ORDERED_AFTER,
    INVALIDATION_PATH,
    INVALIDATION_TAKES,
    KEY_USER,
    REGION,
    SECRETS,
)
from sandbox.systems.delivery.builds import REPOSITORIES, image_digest, image_manifest, web_bundle
from sandbox.systems.network.zone import BEFORE, HOSTED_ZONE, TTL_SECONDS, ZONE, changes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sandbox.systems.delivery.aws.guard import Application
    from sandbox.systems.delivery.aws.state import AwsState
    from sandbox.systems.delivery.builds import BuiltFile

_ROTATED = dt.timedelta(days=21)


class Account:
    """One account; `show` makes the backends hold exactly what facts and faults say.

    Who asks meanwhile waits: nobody sees an account that is half shown.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ecr = backends.get_backend("ecr")[ACCOUNT][REGION]
        self._s3 = backends.get_backend("s3")[ACCOUNT]["aws"]
        self._cloudfront = backends.get_backend("cloudfront")[ACCOUNT]["aws"]
        self._secrets: Any = backends.get_backend("secretsmanager")[ACCOUNT][REGION]
        self._iam: Any = backends.get_backend("iam")[ACCOUNT]["aws"]
        self._began_at = dt.datetime.now(dt.UTC)
        self._make_once()

    def show(self, state: AwsState) -> None:
        """Put everything there anew; dates stay those of the state."""
        with self._lock:
            self._show_images(state)
            self._show_bundle(state)
            self._show_invalidation(state)
            self._show_secrets(state)

    def serving(self, services: Application) -> Application:
        """Return the services that answer from this account's backends."""

        def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            with self._lock:
                return services(environ, start_response)

        return serve

    def _make_once(self) -> None:
        self._s3.create_bucket(BUCKET, REGION)
        distribution, *_ = self._cloudfront.create_distribution(_distribution(), [])
        distribution.id = distribution.distribution_id = DISTRIBUTION
        self._cloudfront.distributions = {DISTRIBUTION: distribution}
        self._make_zone()
        self._iam.create_user(REGION, KEY_USER)
        self._iam.create_access_key(KEY_USER)
        for name in SECRETS:
            self._secrets.create_secret(
                name=name,
                secret_string="kept elsewhere",  # noqa: S106 - nobody ever logs in with it
                secret_binary=None,
                description="a secret of the platform",
                tags=[],
                kms_key_id=None,
                client_request_token=None,
                replica_regions=[],
                force_overwrite=False,
            )
        # moto tells the present as every version's date.
        self._secrets.list_secret_version_ids = partial(_version_ids, self._secrets)

    def _make_zone(self) -> None:
        route53: Any = backends.get_backend("route53")[ACCOUNT]["aws"]
        zone = route53.create_hosted_zone(name=f"{ZONE}.", private_zone=False)
        zone.resource_id = HOSTED_ZONE
        route53.zones = {HOSTED_ZONE: zone}
        route53.change_resource_record_sets(HOSTED_ZONE, changes(BEFORE, TTL_SECONDS))

    def _show_images(self, state: AwsState) -> None:
        newest = state.image_versions[-1]
        self._ecr.repositories.clear()
        for repository in REPOSITORIES:
            self._ecr.create_repository(
                repository_name=repository,
                registry_id=None,
                encryption_config={"encryptionType": "AES256"},
                image_scan_config={"scanOnPush": True},
                image_tag_mutability="MUTABLE" if state.mutable_tags else "IMMUTABLE",
                tags=[],
            )
            for version in state.image_versions:
                if version == newest and state.missing_image == repository:
                    continue
                moved = version == newest and state.moved_tag == repository
                source = f"{version}-hotfix" if moved else version
                self._ecr.put_image(
                    repository,
                    image_manifest(repository, source),
                    f"v{version}",
                    digest=image_digest(repository, source),
                )

    def _show_bundle(self, state: AwsState) -> None:
        bucket = self._s3.get_bucket(BUCKET)
        bucket.keys.clear()
        files = dict(web_bundle(state.web_version, state.web_bugs))
        asset = next(name for name in files if name.startswith("assets/app."))
        if state.missing_asset:
            del files[asset]
        if state.left_over:
            old = web_bundle("1.0.0")
            files = {**{name: old[name] for name in old if name.startswith("assets/")}, **files}
        for name, file in files.items():
            corrupted = state.corrupted_asset and name == asset
            self._upload(name, file, file.content[:-1] if corrupted else file.content, state)
        for key in bucket.keys.values():
            key.last_modified = state.web_uploaded_at.replace(tzinfo=None)

    def _upload(self, name: str, file: BuiltFile, content: bytes, state: AwsState) -> None:
        wrong = state.wrong_cache_header and name.startswith("assets/")
        stored = self._s3.put_object(BUCKET, name, content)
        stored.set_metadata(
            {
                "cache-control": "max-age=60" if wrong else file.cache,
                "content-type": file.content_type,
            }
        )

    def _show_invalidation(self, state: AwsState) -> None:
        ordered = Invalidation(
            self._cloudfront.distributions[DISTRIBUTION],
            [INVALIDATION_PATH],
            f"release-{state.web_version}",
        )
        ordered.id = f"I{state.web_version.replace('.', '')}RELEASE"
        made_at = state.web_uploaded_at + INVALIDATION_ORDERED_AFTER
        ordered.create_time = made_at.replace(tzinfo=None)
        over = dt.datetime.now(dt.UTC) >= made_at + INVALIDATION_TAKES
        done = over and not state.invalidation_stuck
        ordered.status = "Completed" if done else "InProgress"
        found = [] if state.invalidation_missing else [ordered]
        for number in range(state.invalidations_after):
            small = Invalidation(
                ordered.distribution, [f"/config/{number}.json"], f"small-{number}"
            )
            small.id = f"{ordered.id}{number}"  # the same whenever it is shown anew
            small.create_time = ordered.create_time + dt.timedelta(milliseconds=1 + number)
            small.status = "Completed"
            found.insert(0, small)  # CloudFront lists the newest first
        self._cloudfront.invalidations = {DISTRIBUTION: found}

    def _show_secrets(self, state: AwsState) -> None:
        for number, name in enumerate(SECRETS):
            extra = dt.timedelta(days=state.old_secret_days if number == 0 else 0)
            made_at = self._began_at - _ROTATED - extra
            secret = self._secrets.secrets[name]
            secret.created_date = int(made_at.timestamp())
            for version in secret.versions.values():
                version["createdate"] = int(made_at.timestamp())
        made_at = self._began_at - _ROTATED - dt.timedelta(days=state.old_key_days)
        for key in self._iam.users[_user_id(self._iam)].access_keys:
            key.create_date = made_at.replace(tzinfo=None)

    def object(self, name: str) -> tuple[bytes, Mapping[str, str]] | None:
        """Return an object of the bucket with its metadata; None where there is none."""
        with self._lock:
            found = self._s3.get_bucket(BUCKET).keys.get(name)
        return None if found is None else (found.value, dict(found.metadata))


def _user_id(iam: Any) -> str:
    found: str = next(key for key, user in iam.users.items() if user.name == KEY_USER)
    return found


def _version_ids(backend: Any, secret_id: str) -> str:
    secret = backend.secrets[secret_id]
    versions = [
        {
            "VersionId": version_id,
            "VersionStages": version["version_stages"],
            "CreatedDate": version["createdate"],
        }
        for version_id, version in secret.versions.items()
    ]
    return json.dumps({"ARN": secret.arn, "Name": secret.name, "Versions": versions})


def _distribution() -> dict[str, Any]:
    origin = {"Id": "web", "DomainName": f"{BUCKET}.s3.amazonaws.com", "OriginPath": ""}
    return {
        "CallerReference": "web",
        "Comment": "the web application",
        "Enabled": True,
        "Origins": {"Quantity": 1, "Items": [origin]},
        "DefaultCacheBehavior": {"TargetOriginId": "web", "ViewerProtocolPolicy": "allow-all"},
    }
