from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from probes import aws
from probes.aws import AwsTarget
from probes.observation import Deadline, FailureKind, Observation
from sandbox.systems.delivery.aws.names import BUCKET, DISTRIBUTION, KEY_USER, SECRETS
from sandbox.systems.delivery.builds import MANIFEST, REPOSITORIES, image_digest, web_bundle
from sandbox.systems.network import zone
from sandbox.systems.network.hosted_zone import HOSTED_ZONE, Operator
from tests.aws_server import OPERATOR_ID, AwsServer, aws_server
from tests.checkout import ROOT
from tests.probes.servers import answer, brought, closed_port, failed, hang, reset, serving
from tests.tables import cases

POLICY = json.loads((ROOT / "deploy" / "aws" / "gate_policy.json").read_text(encoding="utf-8"))
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
API = REPOSITORIES[0]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsServer]:
    with aws_server(tmp_path_factory.mktemp("aws")) as running:
        yield running


def soon() -> Deadline:
    return Deadline.after(15)


def all_questions(target: AwsTarget) -> list[Observation[Any]]:
    """Ask everything that the probe can ask, once."""
    return [
        aws.image(target, API, "v1.1.0", deadline=soon()),
        aws.tags(target, API, deadline=soon()),
        aws.bucket(target, BUCKET, "", deadline=soon()),
        aws.content(target, BUCKET, MANIFEST, deadline=soon()),
        aws.digests(target, BUCKET, ["index.html"], deadline=soon()),
        aws.invalidations(target, DISTRIBUTION, LONG_AGO, deadline=soon()),
        aws.secret_dates(target, SECRETS[0], deadline=soon()),
        aws.access_keys(target, KEY_USER, deadline=soon()),
    ]


class TestAnswers:
    def test_a_tag_leads_to_its_digest(self, server: AwsServer) -> None:
        found = brought(aws.image(server.target(), API, "v1.1.0", deadline=soon()))
        assert found.digest == image_digest(API, "1.1.0")
        assert found.tags_are_immutable is True

    def test_a_tag_that_is_not_there_has_no_digest(self, server: AwsServer) -> None:
        found = brought(aws.image(server.target(), API, "v9.9.9", deadline=soon()))
        assert (found.digest, found.tags_are_immutable) == (None, True)

    def test_a_repository_that_is_not_there_is_told_apart(self, server: AwsServer) -> None:
        found = brought(aws.image(server.target(), "unified-health-x", "v1.1.0", deadline=soon()))
        assert (found.digest, found.tags_are_immutable) == (None, None)
        tags = brought(aws.tags(server.target(), "unified-health-x", deadline=soon()))
        assert tags.digests is None

    def test_the_tags_of_a_repository_come_with_their_digests(self, server: AwsServer) -> None:
        found = brought(aws.tags(server.target(), API, deadline=soon()))
        assert found.digests == {"v1.1.0": image_digest(API, "1.1.0")}

    def test_a_bucket_lists_every_object_with_its_size(self, server: AwsServer) -> None:
        found = brought(aws.bucket(server.target(), BUCKET, "", deadline=soon()))
        built = web_bundle("1.1.0")
        sizes = {name: one.size_bytes for name, one in found.objects.items()}
        assert sizes == {name: len(file.content) for name, file in built.items()}

    def test_digests_are_of_what_the_bucket_sends(self, server: AwsServer) -> None:
        with server.bent(corrupted_asset=True):
            asset = next(name for name in web_bundle("1.1.0") if name.startswith("assets/app."))
            found = aws.digests(
                server.target(), BUCKET, [asset, "nothing.js"], deadline=soon()
            ).value
        assert found is not None
        assert found.sha256["nothing.js"] is None
        assert found.sha256[asset] not in (None, asset)

    def test_an_object_that_is_not_there_is_no_failure(self, server: AwsServer) -> None:
        found = brought(aws.content(server.target(), BUCKET, "nothing.js", deadline=soon()))
        assert found.content is None

    def test_an_invalidation_comes_with_status_and_paths(self, server: AwsServer) -> None:
        found = brought(aws.invalidations(server.target(), DISTRIBUTION, LONG_AGO, deadline=soon()))
        assert [(one.status, one.paths) for one in found.invalidations] == [("Completed", ("/*",))]

    def test_what_follows_a_releases_own_invalidation_does_not_hide_it(
        self, server: AwsServer
    ) -> None:
        with server.bent(invalidations_after=250):
            every = aws.invalidations(
                server.target(), DISTRIBUTION, LONG_AGO, deadline=Deadline.after(60)
            ).value
            first = aws.invalidations(
                server.target(), DISTRIBUTION, LONG_AGO, deadline=soon(), enough=lambda _: True
            ).value
        assert every is not None
        assert first is not None
        assert len(every.invalidations) == 251
        assert [one.paths for one in first.invalidations] == [("/*",)]

    def test_one_from_before_the_upload_is_none(self, server: AwsServer) -> None:
        now = dt.datetime.now(dt.UTC)
        found = brought(aws.invalidations(server.target(), DISTRIBUTION, now, deadline=soon()))
        assert found.invalidations == ()

    def test_the_dates_of_a_secret_are_those_of_its_value(self, server: AwsServer) -> None:
        found = brought(aws.secret_dates(server.target(), SECRETS[0], deadline=soon()))
        assert found.value_made_at is not None
        assert 20 < (dt.datetime.now(dt.UTC) - found.value_made_at).days < 23

    def test_a_secret_that_is_not_there_has_no_date(self, server: AwsServer) -> None:
        found = brought(aws.secret_dates(server.target(), "unified-health/x", deadline=soon()))
        assert (found.value_made_at, found.deleted) == (None, False)

    def test_access_keys_come_with_their_dates_and_without_their_ids(
        self, server: AwsServer
    ) -> None:
        seen = aws.access_keys(server.target(), KEY_USER, deadline=soon())
        found = brought(seen)
        assert found.made_at is not None
        assert len(found.made_at) == 1
        assert "AKIA" not in json.dumps(seen.record())

    def test_a_user_who_is_not_there_has_none(self, server: AwsServer) -> None:
        found = brought(aws.access_keys(server.target(), "unified-health-x", deadline=soon()))
        assert found.made_at is None


def an_image(target: AwsTarget, seconds: float = 15) -> Observation[aws.RegistryImage]:
    return aws.image(target, API, "v1.1.0", deadline=Deadline.after(seconds))


class TestFailures:
    @cases(
        "behave kind",
        {
            "a broken connection": (reset, FailureKind.CONNECTION_LOST),
            "a login page": (
                answer(b"<html>sign in</html>", content_type="text/html"),
                FailureKind.UNUSABLE_ANSWER,
            ),
            "an empty answer": (answer(b"{}"), FailureKind.UNUSABLE_ANSWER),
            "an error of its own": (
                answer(b"{}", status="500 Internal Server Error"),
                FailureKind.SERVER_ERROR,
            ),
            "a rejected request": (
                answer(b'{"__type": "ValidationException"}', status="400 Bad Request"),
                FailureKind.QUERY_REJECTED,
            ),
            "throttling": (
                answer(b'{"__type": "ThrottlingException"}', status="400 Bad Request"),
                FailureKind.SERVER_BUSY,
            ),
        },
    )
    def test_what_a_server_does_wrong_has_its_kind(
        self, server: AwsServer, behave: Any, kind: FailureKind
    ) -> None:
        with serving(behave) as wrong:
            seen = an_image(server.target(endpoint_url=wrong.url))
        failed(seen, kind)

    def test_nothing_that_listens_is_refused(self, server: AwsServer) -> None:
        seen = an_image(server.target(endpoint_url=f"http://127.0.0.1:{closed_port()}"))
        failed(seen, FailureKind.REFUSED)

    def test_silence_ends_with_the_deadline_and_is_asked_once(self, server: AwsServer) -> None:
        with serving(hang) as silent:
            seen = an_image(server.target(endpoint_url=silent.url), seconds=0.5)
        failed(seen, FailureKind.TIMEOUT)
        assert seen.elapsed_seconds < 5
        assert silent.connections == 1

    @cases(
        "values kind",
        {
            "expired": ({"credentials_refused": True}, FailureKind.CREDENTIAL_REFUSED),
            "throttled": ({"throttled": True}, FailureKind.SERVER_BUSY),
        },
    )
    def test_every_service_says_it_in_its_own_format(
        self, server: AwsServer, values: dict[str, Any], kind: FailureKind
    ) -> None:
        with server.bent(**values):
            seen = all_questions(server.target())
        assert {one.failure and one.failure.kind for one in seen} == {kind}

    def test_an_unknown_key_is_our_credential_refused_everywhere(self, server: AwsServer) -> None:
        seen = all_questions(server.target(key_id="somebody-elses"))
        kinds = {one.failure and one.failure.kind for one in seen}
        assert kinds == {FailureKind.CREDENTIAL_REFUSED}
        assert "sentinel" not in json.dumps([one.record() for one in seen])

    def test_what_the_policy_does_not_name_is_not_permitted(self, server: AwsServer) -> None:
        seen = aws.bucket(server.target(), "patients-documents", "", deadline=soon())
        assert "gate_policy.json" in failed(seen, FailureKind.FORBIDDEN).detail

    def test_an_object_beyond_all_bounds_is_too_large(
        self, server: AwsServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(aws, "MAX_OBJECT_BYTES", 10)
        seen = aws.content(server.target(), BUCKET, MANIFEST, deadline=soon())
        failed(seen, FailureKind.TOO_LARGE)


class TestLeastPrivilege:
    def test_exactly_the_actions_of_the_policy_are_called(self, server: AwsServer) -> None:
        called = set()

        def note(model: Any, **_: Any) -> None:
            service = model.service_model.signing_name
            # Listing a bucket's objects is permitted by an action of another name.
            name = {"ListObjectsV2": "ListBucket"}.get(model.name, model.name)
            called.add(f"{service}:{name}")

        aws.session().events.register("before-call.*.*", note)
        try:
            seen = all_questions(server.target())
        finally:
            aws.session().events.unregister("before-call.*.*", note)
        assert [one.failure for one in seen] == [None] * len(seen)
        assert called == _allowed()

    @cases(
        "service order",
        {
            "a secret's value": (
                "secretsmanager",
                lambda client: client.get_secret_value(SecretId=SECRETS[0]),
            ),
            "writing an object": (
                "s3",
                lambda client: client.put_object(Bucket=BUCKET, Key="x", Body=b"x"),
            ),
            "deleting an object": (
                "s3",
                lambda client: client.delete_object(Bucket=BUCKET, Key="index.html"),
            ),
            "listing buckets": ("s3", lambda client: client.list_buckets()),
            "deleting a repository": (
                "ecr",
                lambda client: client.delete_repository(repositoryName=API),
            ),
            "pushing an image": (
                "ecr",
                lambda client: client.put_image(repositoryName=API, imageManifest="{}"),
            ),
            "making a key": ("iam", lambda client: client.create_access_key(UserName=KEY_USER)),
            "reading the zone": ("route53", lambda client: client.list_hosted_zones()),
            "deleting the zone": (
                "route53",
                lambda client: client.delete_hosted_zone(Id=HOSTED_ZONE),
            ),
            "invalidating": (
                "cloudfront",
                lambda client: client.create_invalidation(
                    DistributionId=DISTRIBUTION,
                    InvalidationBatch={
                        "Paths": {"Quantity": 1, "Items": ["/*"]},
                        "CallerReference": "x",
                    },
                ),
            ),
        },
    )
    def test_what_the_gate_must_not_do_is_refused(
        self, server: AwsServer, service: str, order: Callable[[Any], object]
    ) -> None:
        client = aws.session().client(
            service,
            region_name="us-east-1",
            endpoint_url=server.url(),
            aws_access_key_id="the-gates-key",
            aws_secret_access_key="x",
        )
        with pytest.raises(ClientError, match="AccessDenied"):
            order(client)


def _allowed() -> set[str]:
    actions = (statement["Action"] for statement in POLICY["Statement"])
    return {action for told in actions for action in ([told] if isinstance(told, str) else told)}


def test_a_deadline_that_is_over_reads_no_further_page(server: AwsServer) -> None:
    seen = aws.bucket(server.target(), BUCKET, "", deadline=Deadline.after(-1))
    failed(seen, FailureKind.TIMEOUT)


def test_the_policy_allows_no_wildcard_of_actions() -> None:
    assert not any("*" in action for action in _allowed())


def test_whoever_deploys_changes_the_zone_and_reads_what_it_holds(server: AwsServer) -> None:
    operator = Operator(server.url(), OPERATOR_ID, "secret")
    assert operator.held() == zone.BEFORE
    assert operator.publish(zone.AFTER, 60) == zone.AFTER
