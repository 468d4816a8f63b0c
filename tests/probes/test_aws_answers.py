"""What AWS answers and the local platform's account never does."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pydantic import SecretStr

from probes import aws
from probes.aws import AwsTarget
from probes.observation import Deadline, FailureKind
from tests.probes.servers import Behaviour, answer, brought, failed
from tests.steps.moody import moody, saying
from tests.tables import cases

IMAGE = {"imageDetails": [{"imageDigest": "sha256:" + "a" * 64, "imageTags": ["v1.2.0"]}]}


def target(url: str) -> AwsTarget:
    return AwsTarget("us-east-1", url, SecretStr("id"), SecretStr("key"))


def repository(mutability: str, *filters: str) -> dict[str, Any]:
    excluded = [{"filterType": "WILDCARD", "filter": one} for one in filters]
    found = {"repositoryName": "api", "imageTagMutability": mutability}
    return {"repositories": [{**found, "imageTagMutabilityExclusionFilters": excluded}]}


@cases(
    "found kept",
    {
        "no tag can be moved": (repository("IMMUTABLE"), True),
        "every tag can be moved": (repository("MUTABLE"), False),
        "only ours can be": (repository("IMMUTABLE_WITH_EXCLUSION", "latest", "v1.2*"), False),
        "others can be": (repository("IMMUTABLE_WITH_EXCLUSION", "latest", "dev-*", "1.2.0"), True),
        "only ours can't be": (repository("MUTABLE_WITH_EXCLUSION", "v*.*.*"), True),
        "others can't be": (repository("MUTABLE_WITH_EXCLUSION", "prod-*"), False),
    },
)
def test_whether_the_tag_itself_can_be_moved(found: dict[str, Any], kept: bool) -> None:  # noqa: FBT001 - a column of the table
    with moody(saying(IMAGE), saying(found)) as registry:
        seen = aws.image(target(registry.url), "api", "v1.2.0", deadline=Deadline.after(10)).value
    assert seen is not None
    assert seen.tags_are_immutable is kept


def summary(number: int, minute: int) -> str:
    return (
        f"<InvalidationSummary><Id>I{number}</Id><CreateTime>2026-01-31T22:{minute:02}:00Z</CreateTime>"
        "<Status>Completed</Status></InvalidationSummary>"
    )


def page_of(*items: str, marker: str = "", truncated: bool = False) -> Behaviour:
    following = f"<NextMarker>{marker}</NextMarker>" if marker else ""
    return answer(
        f"<InvalidationList>{following}<IsTruncated>{str(truncated).lower()}</IsTruncated>"
        f"<Items>{''.join(items)}</Items></InvalidationList>".encode(),
        content_type="application/xml",
    )


SINCE = dt.datetime(2026, 1, 31, 22, 0, tzinfo=dt.UTC)


def test_a_list_that_says_there_is_more_and_not_where_is_no_answer() -> None:
    with moody(page_of(summary(1, 5), truncated=True)) as server:
        seen = aws.invalidations(target(server.url), "E1", SINCE, deadline=Deadline.after(10))
    failed(seen, FailureKind.UNUSABLE_ANSWER)


def test_a_list_without_end_is_no_answer() -> None:
    pages = [page_of(summary(n, 5), marker=f"m{n}", truncated=True) for n in range(60)]
    with moody(*pages) as server:
        seen = aws.invalidations(target(server.url), "E1", SINCE, deadline=Deadline.after(20))
    failed(seen, FailureKind.TOO_LARGE)


def test_pages_from_before_the_upload_are_not_read() -> None:
    pages = [page_of(summary(1, 0), marker="m1", truncated=True)] * 2
    later = SINCE + dt.timedelta(minutes=1)
    with moody(*pages) as server:
        seen = aws.invalidations(target(server.url), "E1", later, deadline=Deadline.after(10))
    assert brought(seen).invalidations == ()


def test_the_current_version_of_a_secret_may_be_on_a_later_page() -> None:
    made = 1_770_000_000
    versions = [{"VersionId": "b" * 32, "VersionStages": ["AWSCURRENT"], "CreatedDate": made}]
    with moody(
        saying({"Versions": versions}),
        saying({"Name": "s"}),
        saying({"Versions": [], "NextToken": "n"}),
    ) as server:
        seen = aws.secret_dates(target(server.url), "s", deadline=Deadline.after(10))
    assert brought(seen).value_made_at is not None
