"""What AWS answers and the local platform's account never does."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from probes import aws
from probes.aws import AwsTarget
from probes.observation import Deadline
from tests.checks.moody import moody, saying

IMAGE = {"imageDetails": [{"imageDigest": "sha256:" + "a" * 64, "imageTags": ["v1.2.0"]}]}


def target(url: str) -> AwsTarget:
    return AwsTarget("us-east-1", url, SecretStr("id"), SecretStr("key"))


def repository(mutability: str, *filters: str) -> dict[str, Any]:
    excluded = [{"filterType": "WILDCARD", "filter": one} for one in filters]
    found = {"repositoryName": "api", "imageTagMutability": mutability}
    return {"repositories": [{**found, "imageTagMutabilityExclusionFilters": excluded}]}


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        pytest.param(repository("IMMUTABLE"), True, id="no tag can be moved"),
        pytest.param(repository("MUTABLE"), False, id="every tag can be moved"),
        pytest.param(
            repository("IMMUTABLE_WITH_EXCLUSION", "latest", "v1.2*"), False, id="only ours can be"
        ),
        pytest.param(
            repository("IMMUTABLE_WITH_EXCLUSION", "latest", "dev-*", "1.2.0"),
            True,
            id="others can be",
        ),
        pytest.param(repository("MUTABLE_WITH_EXCLUSION", "v*.*.*"), True, id="only ours can't be"),
        pytest.param(repository("MUTABLE_WITH_EXCLUSION", "prod-*"), False, id="others can't be"),
    ],
)
def test_whether_the_tag_itself_can_be_moved(found: dict[str, Any], kept: bool) -> None:  # noqa: FBT001 - a column of the table
    with moody(saying(IMAGE), saying(found)) as registry:
        seen = aws.image(target(registry.url), "api", "v1.2.0", deadline=Deadline.after(10)).value
    assert seen is not None
    assert seen.tags_are_immutable is kept
