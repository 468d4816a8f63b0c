"""The AWS probe against the local platform's account, and against answers that this account never gives."""

from __future__ import annotations

import datetime as dt
import functools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pydantic import SecretStr

from probes import aws
from probes.aws import AwsTarget
from probes.aws import logs as cloudwatch
from probes.log_lines import Format, LogRules
from probes.observation import Deadline, Observation
from probes.observation import FailureKind as Kind
from sandbox.systems.delivery.aws.state import BUCKET, DISTRIBUTION, KEY_USER, SECRETS
from sandbox.systems.delivery.builds import MANIFEST, REPOSITORIES, image_digest, web_bundle
from sandbox.systems.network import zone
from sandbox.systems.network.zone import HOSTED_ZONE, Operator
from tests.aws_server import KEY_ID, OPERATOR_ID, AwsServer, aws_server
from tests.checkout import ROOT
from tests.probes.servers import Behaviour, answer, brought, failed, hang, reading, reset, serving
from tests.steps.moody import moody, saying
from tests.tables import cases

POLICY = json.loads((ROOT / "deploy" / "aws" / "gate_policy.json").read_text(encoding="utf-8"))
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
NOW = dt.datetime.now(dt.UTC)
API = REPOSITORIES[0]
LOG_GROUP = "/unified-health/app"
FORM = Format(LogRules("level", frozenset({"error"}), (), 0), "msg", "event", frozenset({"alert"}))
STREAM = "ip-10-0-0-7-application.var.log.containers.{}_unified-health_api-0a1b2c.log"
LINES = {
    STREAM.format("api-v1.2.0-7f9c-x2b"): [
        json.dumps({"level": "info", "msg": "Request answered for Jane Doe"}),
        json.dumps({"level": "error", "msg": "Payment rejected for Jane Doe"}),
        json.dumps({"level": "warn", "event": "alert", "msg": "x"}),
    ],
    "api-wrapped": [
        json.dumps(
            {
                "log": json.dumps({"level": "error", "msg": "Payment rejected for Joe"}),
                "kubernetes": {"pod_name": "api-v1.2.0-7f9c-y3c"},
            }
        )
    ],
}
QUESTIONS: tuple[tuple[Any, ...], ...] = (
    (aws.image, API, "v1.1.0"),
    (aws.tags, API),
    (aws.bucket, BUCKET, ""),
    (aws.content, BUCKET, MANIFEST),
    (aws.digests, BUCKET, ["index.html"]),
    (aws.invalidations, DISTRIBUTION, LONG_AGO),
    (aws.secret_dates, SECRETS[0]),
    (aws.access_keys, KEY_USER),
    (cloudwatch.since, cloudwatch.Group(LOG_GROUP), LONG_AGO, FORM),
)
"""Everything that the probe can ask."""
Said = Callable[..., None]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsServer]:
    with aws_server(tmp_path_factory.mktemp("aws")) as running:
        running.log(LOG_GROUP, LINES)
        yield running


def asked(target: AwsTarget, question: Any, *words: Any, **more: Any) -> Observation[Any]:
    return question(target, *words, **{"deadline": Deadline.after(15), **more})  # type: ignore[no-any-return]  # a row of a table


@pytest.fixture
def told(server: AwsServer) -> Callable[..., Any]:
    """Return what asks the account and returns the answer, which must be one."""
    return lambda *words, **more: brought(asked(server.target(), *words, **more))


NONE, SECRET = "unified-health-x", "unified-health/x"
THINGS: dict[str, tuple[Any, ...]] = {
    "no tag": (aws.image, API, "v9"),
    "no repository": (aws.image, NONE, "v1"),
    "no repository's tags": (aws.tags, NONE),
    "no object": (aws.content, BUCKET, "nothing.js"),
    "no secret": (aws.secret_dates, SECRET),
    "no user": (aws.access_keys, NONE),
    "an invalidation from before": (aws.invalidations, DISTRIBUTION, NOW),
}


@cases("question", {name: (one,) for name, one in THINGS.items()})
def test_what_is_there_and_what_is_not_are_answers(
    server: AwsServer, question: tuple[Any, ...], said: Said
) -> None:
    said(reading(asked(server.target(), *question)))


def test_a_tag_leads_to_its_digest(told: Callable[..., Any]) -> None:
    found = told(aws.image, API, "v1.1.0")
    assert (found.digest, found.tags_are_immutable) == (image_digest(API, "1.1.0"), True)
    assert told(aws.tags, API).digests == {"v1.1.0": found.digest}


def test_a_bucket_lists_every_object_with_its_size(told: Callable[..., Any]) -> None:
    sizes = {name: one.size_bytes for name, one in told(aws.bucket, BUCKET, "").objects.items()}
    assert sizes == {name: len(file.content) for name, file in web_bundle("1.1.0").items()}


def test_digests_are_of_what_the_bucket_sends(server: AwsServer, told: Callable[..., Any]) -> None:
    asset = next(name for name in web_bundle("1.1.0") if name.startswith("assets/app."))
    with server.bent(corrupted_asset=True):
        found = told(aws.digests, BUCKET, [asset, "nothing.js"]).sha256
    assert found["nothing.js"] is None
    assert found[asset] not in (None, asset)


def test_what_follows_a_releases_own_invalidation_does_not_hide_it(
    server: AwsServer, told: Callable[..., Any]
) -> None:
    ask = functools.partial(told, aws.invalidations, DISTRIBUTION, LONG_AGO)
    (own,) = ask().invalidations
    assert (own.status, own.paths) == ("Completed", ("/*",))
    with server.bent(invalidations_after=120):
        # The oldest of them stands on the last of two pages.
        first = ask(enough=lambda _: True)
    assert [one.paths for one in first.invalidations] == [("/*",)]


def test_an_invalidation_keeps_its_id_whatever_else_changes(
    server: AwsServer, told: Callable[..., Any]
) -> None:
    """Between the list of them and the question for one of it, a bundle may be uploaded."""
    with server.bent(invalidations_after=3):
        before = told(aws.invalidations, DISTRIBUTION, LONG_AGO).invalidations
    assert len(before) == 4
    with server.bent(invalidations_after=3, left_over=True):
        assert told(aws.invalidations, DISTRIBUTION, LONG_AGO).invalidations == before


def test_the_dates_of_a_secret_are_those_of_its_value(told: Callable[..., Any]) -> None:
    made_at = told(aws.secret_dates, SECRETS[0]).value_made_at
    assert 20 < (dt.datetime.now(dt.UTC) - made_at).days < 23


def test_access_keys_come_with_their_dates_and_without_their_ids(server: AwsServer) -> None:
    seen = asked(server.target(), aws.access_keys, KEY_USER)
    assert len(brought(seen).made_at) == 1
    assert "AKIA" not in json.dumps(seen.record())


def test_lines_of_a_log_group_are_counted_by_pod_and_none_is_kept(server: AwsServer) -> None:
    seen = asked(server.target(), *QUESTIONS[-1])
    log = brought(seen)
    assert log.sources == ("api-v1.2.0-7f9c-x2b", "api-v1.2.0-7f9c-y3c")
    assert log.counts.by_level == {"info": 1, "error": 2, "warn": 1}
    assert (log.counts.lines, log.counts.unreadable, log.counts.events) == (4, 0, {"alert": 1})
    (signature,) = log.counts.errors
    assert log.counts.errors[signature] == 2
    assert log.newest is not None
    assert log.lacking == ()
    # It has been there since its first line alone: nothing shows what was before.
    assert NOW - dt.timedelta(seconds=60) < log.since < log.newest
    assert "Jane" not in json.dumps(seen.record())


def test_a_log_group_that_is_not_there_shows_nothing(server: AwsServer) -> None:
    for other in (f"{LOG_GROUP}-x", LOG_GROUP[:-1]):
        log = brought(asked(server.target(), cloudwatch.since, cloudwatch.Group(other), NOW, FORM))
        assert (log.counts.lines, log.lacking) == (0, (f"there is no log group {other}",))


EVENT = {"timestamp": 1_000, "message": "x", "logStreamName": "s"}
GROUP = {"logGroups": [{"logGroupName": "g", "creationTime": 0, "retentionInDays": 1}]}
ENDLESS = {"events": [EVENT], "nextToken": "n"}


def test_more_lines_than_are_read_are_told_and_what_is_over_its_retention_is_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cloudwatch, "_MOST_PAGES", 2)
    pages = [saying({**ENDLESS, "nextToken": str(n)}) for n in range(4)]
    question = (cloudwatch.since, cloudwatch.Group("g", '{ $.x = "y" }'), LONG_AGO, FORM)
    log = brought(strange(pages[0], saying(GROUP), *pages[1:], question=question))
    assert log.lacking == ("log group g has more than is read",)
    assert NOW - log.since < dt.timedelta(days=1, minutes=5)


def strange(*answers: Behaviour, question: tuple[Any, ...]) -> Observation[Any]:
    """Ask a server that gives these answers, the first of them from then on."""
    with moody(*answers) as server:
        target = AwsTarget("us-east-1", server.url, SecretStr("id"), SecretStr("key"))
        return asked(target, *question, deadline=Deadline.after(20))


WRONG = {
    "a broken connection": reset,
    "a login page": answer(b"<html>", content_type="text/html"),
    "an empty answer": answer(b"{}"),
    "an error of its own": answer(b"{}", status="500 Internal Error"),
    "a rejected request": saying({"__type": "ValidationException"}, "400 Bad Request"),
    "throttling": saying({"__type": "ThrottlingException"}, "400 Bad Request"),
}


@cases("behave", WRONG)
def test_what_a_server_does_wrong_has_its_sentence(behave: Behaviour, said: Said) -> None:
    said(reading(strange(behave, question=QUESTIONS[0])))


def test_silence_ends_with_the_deadline_and_is_asked_once(server: AwsServer) -> None:
    with serving(hang) as silent:
        target = server.target(endpoint_url=silent.url)
        seen = asked(target, *QUESTIONS[0], deadline=Deadline.after(0.5))
    failed(seen, Kind.TIMEOUT)
    assert seen.elapsed_seconds < 20
    assert silent.connections == 1


REFUSALS: dict[str, tuple[dict[str, Any], str, Kind]] = {
    "expired": ({"credentials_refused": True}, KEY_ID, Kind.CREDENTIAL_REFUSED),
    "throttled": ({"throttled": True}, KEY_ID, Kind.SERVER_BUSY),
    "an unknown key": ({}, "somebody-elses", Kind.CREDENTIAL_REFUSED),
}


@cases("bent key_id kind", REFUSALS)
def test_every_service_says_it_in_its_own_format(
    server: AwsServer, bent: dict[str, Any], key_id: str, kind: Kind
) -> None:
    with server.bent(**bent):
        seen = [asked(server.target(key_id), *one) for one in QUESTIONS]
    assert {one.failure and one.failure.kind for one in seen} == {kind}
    assert "sentinel" not in json.dumps([one.record() for one in seen])


def test_what_the_policy_does_not_name_is_not_permitted(server: AwsServer) -> None:
    seen = asked(server.target(), aws.bucket, "patients-documents", "")
    assert "gate_policy.json" in failed(seen, Kind.FORBIDDEN).detail


def test_an_object_beyond_all_bounds_is_too_large(
    server: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "MAX_OBJECT_BYTES", 10)
    failed(asked(server.target(), aws.content, BUCKET, MANIFEST), Kind.TOO_LARGE)


def test_exactly_the_actions_of_the_policy_are_called(server: AwsServer) -> None:
    called = set()

    def note(model: Any, **_: Any) -> None:
        # Listing a bucket's objects is permitted by an action of another name.
        name = {"ListObjectsV2": "ListBucket"}.get(model.name, model.name)
        called.add(f"{model.service_model.signing_name}:{name}")

    aws.session().events.register("before-call.*.*", note)
    try:
        seen = [asked(server.target(), *one) for one in QUESTIONS]
    finally:
        aws.session().events.unregister("before-call.*.*", note)
    assert [one.failure for one in seen] == [None] * len(seen)
    assert called == _allowed()


ORDERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a secret's value": ("secretsmanager", "get_secret_value", {"SecretId": SECRETS[0]}),
    "writing an object": ("s3", "put_object", {"Bucket": BUCKET, "Key": "x", "Body": b"x"}),
    "pushing an image": ("ecr", "put_image", {"repositoryName": API, "imageManifest": "{}"}),
    "making a key": ("iam", "create_access_key", {"UserName": KEY_USER}),
    "deleting the zone": ("route53", "delete_hosted_zone", {"Id": HOSTED_ZONE}),
}


@cases("service order words", ORDERS)
def test_what_the_gate_must_not_do_is_refused(
    server: AwsServer, service: str, order: str, words: dict[str, Any]
) -> None:
    keys = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": "x"}
    where = {"region_name": "us-east-1", "endpoint_url": server.url()}
    client = aws.session().client(service, **where, **keys)
    with pytest.raises(ClientError, match="AccessDenied"):
        getattr(client, order)(**words)


def _allowed() -> set[str]:
    actions = (statement["Action"] for statement in POLICY["Statement"])
    return {action for told in actions for action in ([told] if isinstance(told, str) else told)}


def test_a_deadline_that_is_over_reads_no_further_page(server: AwsServer) -> None:
    failed(
        asked(server.target(), aws.bucket, BUCKET, "", deadline=Deadline.after(-1)), Kind.TIMEOUT
    )


def test_the_policy_allows_no_wildcard_of_actions() -> None:
    assert not any("*" in action for action in _allowed())


def test_whoever_deploys_changes_the_zone_and_reads_what_it_holds(server: AwsServer) -> None:
    operator = Operator(server.url(), OPERATOR_ID, "secret")
    assert operator.held() == zone.BEFORE
    assert operator.publish(zone.AFTER, 60) == zone.AFTER


IMAGE = {"imageDetails": [{"imageDigest": "sha256:" + "a" * 64, "imageTags": ["v1.2.0"]}]}
MUTABILITIES: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "no tag can be moved": ("IMMUTABLE", (), True),
    "every tag can be moved": ("MUTABLE", (), False),
    "only ours can be": ("IMMUTABLE_WITH_EXCLUSION", ("latest", "v1.2*"), False),
    "others can be": ("IMMUTABLE_WITH_EXCLUSION", ("latest", "dev-*", "1.2.0"), True),
    "only ours can't be": ("MUTABLE_WITH_EXCLUSION", ("v*.*.*",), True),
    "others can't be": ("MUTABLE_WITH_EXCLUSION", ("prod-*",), False),
}


@cases("mutability filters kept", MUTABILITIES)
def test_whether_the_tag_itself_can_be_moved(
    *, mutability: str, filters: tuple[str, ...], kept: bool
) -> None:
    excluded = [{"filterType": "WILDCARD", "filter": one} for one in filters]
    found = {"repositoryName": "api", "imageTagMutability": mutability}
    repository = {**found, "imageTagMutabilityExclusionFilters": excluded}
    answers = saying(IMAGE), saying({"repositories": [repository]})
    seen = strange(*answers, question=(aws.image, "api", "v1.2.0"))
    assert brought(seen).tags_are_immutable is kept


def page_of(number: int, minute: int, marker: str = "", *, truncated: bool = True) -> Behaviour:
    """Return a page with one invalidation, of that minute after 22:00."""
    following = f"<NextMarker>{marker}</NextMarker>" if marker else ""
    made = f"<CreateTime>2026-01-31T22:{minute:02}:00Z</CreateTime><Status>Completed</Status>"
    return answer(
        f"<InvalidationList>{following}<IsTruncated>{str(truncated).lower()}</IsTruncated><Items>"
        f"<InvalidationSummary><Id>I{number}</Id>{made}</InvalidationSummary>"
        "</Items></InvalidationList>".encode(),
        content_type="application/xml",
    )


SINCE = dt.datetime(2026, 1, 31, 22, 1, tzinfo=dt.UTC)
LISTS: dict[str, tuple[list[Behaviour], Kind | None]] = {
    "that says there is more and not where": ([page_of(1, 5)], Kind.UNUSABLE_ANSWER),
    "without end": ([page_of(n, 5, f"m{n}") for n in range(60)], Kind.TOO_LARGE),
    "whose next page is from before the upload": ([page_of(1, 0, "m1")] * 2, None),
}


@cases("pages kind", LISTS)
def test_a_list_is_read_as_far_as_it_goes_and_half_of_one_is_no_answer(
    pages: list[Behaviour], kind: Kind | None
) -> None:
    seen = strange(*pages, question=(aws.invalidations, "E1", SINCE))
    if kind is None:
        assert brought(seen).invalidations == ()
    else:
        failed(seen, kind)


def test_the_current_version_of_a_secret_may_be_on_a_later_page() -> None:
    made = 1_770_000_000
    versions = [{"VersionId": "b" * 32, "VersionStages": ["AWSCURRENT"], "CreatedDate": made}]
    answers = ({"Versions": versions}, {"Name": "s"}, {"Versions": [], "NextToken": "n"})
    seen = strange(*map(saying, answers), question=(aws.secret_dates, "s"))
    assert brought(seen).value_made_at is not None
