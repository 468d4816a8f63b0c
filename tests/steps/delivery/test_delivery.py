"""Images, web application and secrets, judged against the local platform's AWS and its edges."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gates.decide.outcome import Outcome
from probes.observation import Deadline
from sandbox.systems.delivery.aws.state import BUCKET, DISTRIBUTION, KEY_USER, SECRETS
from sandbox.systems.delivery.builds import (
    MANIFEST,
    REPOSITORIES,
    build_id,
    image_digest,
    web_bundle,
)
from steps.delivery import reading as delivery_facts
from steps.kit.baseline import CannotCollectError
from steps.kit.platform import NotDescribedError, Platform
from tests.aws_server import KEY_ID, AwsServer, aws_server
from tests.probes.servers import closed_port, closed_ports
from tests.steps.platforms import NOWHERE, a_platform, a_policy, write_evidence
from tests.steps.scenarios import all_of
from tests.steps.scenarios import judged as by_id
from tests.tables import cases

RELEASE = "1.2.0"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsServer]:
    """Return an account after phases 3.1 and 4.1."""
    with aws_server(tmp_path_factory.mktemp("aws")) as running:
        running.tell(image_versions=["1.1.0", RELEASE])
        running.tell(web_version=RELEASE)
        yield running


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A platform's file and evidence in a folder, with the account behind it."""

    folder: pathlib.Path
    server: AwsServer

    def write(self, kind: str, **changes: Any) -> None:
        """Write evidence of a kind as the build would, but for the changes."""
        manifest = hashlib.sha256(web_bundle(RELEASE)[MANIFEST].content).hexdigest()
        digests = {
            "image-build": {name: image_digest(name, RELEASE) for name in REPOSITORIES},
            "web-build": {MANIFEST: f"sha256:{manifest}"},
        }[kind]
        write_evidence(self.folder, kind, digests, **changes)

    def platform(self, **changed: Any) -> Platform:
        """Return the platform; sections may be changed."""
        for name, secret in (("id", KEY_ID), ("key", "sentinel")):
            (self.folder / name).write_text(secret)
        sections: dict[str, Any] = {
            "evidence": {"folder": "."},
            "aws": {
                "region": "us-east-1",
                "endpoint_url": self.server.url(),
                "access_key_id": "file:id",
                "secret_access_key": "file:key",
            },
            "images": {"repositories": list(REPOSITORIES), "tags_are_immutable": True},
            "frontend": {
                **FRONTEND,
                "sites": {region: self.server.url(f"web-{region}") for region in BOTH},
            },
            "secrets": {"names": list(SECRETS), "access_key_users": [KEY_USER]},
        }
        # A busy machine takes its time for the first call of a client.
        patient = a_policy(call="20s")
        regions = dict(zip(BOTH, map(NOWHERE.format, closed_ports(2)), strict=True))
        return a_platform(
            self.folder, regions, policy=patient, time_scale=600, **{**sections, **changed}
        )


@pytest.fixture
def place(tmp_path: pathlib.Path, server: AwsServer) -> Place:
    found = Place(tmp_path, server)
    found.write("image-build")
    found.write("web-build")
    return found


QUESTIONS = {
    "images built": "D3.1-1",
    "images pushed": "D3.1-2",
    "images as built": "D3.1-3",
    "web built": "D4.1-1",
    "bundle uploaded": "D4.1-2",
    "caches invalidated": "D4.1-3",
    "site served": "D4.1-4",
    "secrets rotated": "T7-SEC-2",
}
"""What the table's rows call each check."""


BOTH = ("eu", "us")
FRONTEND = {"bucket": BUCKET, "distribution": DISTRIBUTION}


def asked(question: str, platform: Platform) -> tuple[dict[str, Outcome | None], str]:
    """Ask one question; return the outcome by region, and all that is not as it should be."""
    check = by_id(QUESTIONS[question], platform)
    assert "sentinel" not in json.dumps([one.record() for one in check.noted().values()])
    wrong = [one.sentence for one in all_of(check) if one.outcome is not Outcome.PASS]
    return {region: check.outcome(region) for region in platform.regions}, "\n".join(wrong)


def everywhere(outcome: Outcome) -> dict[str, Outcome | None]:
    return dict.fromkeys(BOTH, outcome)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_delivered_release_passes_in_every_region(place: Place, question: str) -> None:
    assert asked(question, place.platform()) == (everywhere(Outcome.PASS), "")


BENT: dict[str, tuple[str, dict[str, Any], str]] = {
    "an image is missing": ("images pushed", {"missing_image": REPOSITORIES[0]}, "push it"),
    "a tag was moved": ("images as built", {"moved_tag": REPOSITORIES[0]}, "the tag was moved"),
    "tags can be moved": ("images as built", {"mutable_tags": True}, "can be moved"),
    "an asset is missing": ("bundle uploaded", {"missing_asset": True}, "missing in the bucket"),
    "an asset is corrupted": ("bundle uploaded", {"corrupted_asset": True}, "content is not"),
    "old assets are left": ("bundle uploaded", {"left_over": True}, "belongs to no file"),
    "no invalidation": ("caches invalidated", {"invalidation_missing": True}, "make one"),
    "an asset is not served": ("site served", {"missing_asset": True}, "status is 404"),
    "another asset is served": ("site served", {"corrupted_asset": True}, "is not the file"),
    "assets are kept too short": ("site served", {"wrong_cache_header": True}, "“max-age=60”"),
    "a secret is too old": ("secrets rotated", {"old_secret_days": 100}, "31 days overdue"),
    "a key is too old": ("secrets rotated", {"old_key_days": 100}, "access key of"),
}


@cases("question values says", BENT)
def test_what_is_wrong_fails_in_every_region_and_is_said(
    place: Place, question: str, values: dict[str, Any], says: str
) -> None:
    platform = place.platform()
    with place.server.bent(**values):
        found, said = asked(question, platform)
    assert found == everywhere(Outcome.FAIL)
    assert says in said


def test_tags_that_may_be_moved_are_told_as_that(place: Place) -> None:
    platform = place.platform(images={"repositories": list(REPOSITORIES)})
    with place.server.bent(mutable_tags=True):
        judged = all_of(by_id(QUESTIONS["images as built"], platform), "eu")
    told = [one for one in judged if one.rule != "digest"]
    assert {one.outcome for one in told} == {Outcome.PASS}
    assert told[-1].sentence.endswith("can be moved, and images.tags_are_immutable allows it")


def test_a_stale_edge_fails_in_its_own_region_alone(place: Place) -> None:
    platform = place.platform()
    with place.server.bent(stale_edge="eu"):
        found, said = asked("site served", platform)
    assert found == {"eu": Outcome.FAIL, "us": Outcome.PASS}
    assert f"is stale: it is of {build_id('1.1.0')}, wanted build {build_id(RELEASE)}" in said


def test_an_endless_invalidation_fails_when_its_time_is_up(place: Place) -> None:
    with place.server.bent(invalidation_stuck=True):
        _, said = asked("caches invalidated", place.platform())
    assert "still in progress" in said
    assert "wanted within 5 s" in said


def test_an_invalidation_that_the_run_can_not_wait_for_is_undecided(place: Place) -> None:
    platform = dataclasses.replace(place.platform(), deadline=Deadline.after(1.5))
    with place.server.bent(invalidation_stuck=True):
        found, _ = asked("caches invalidated", platform)
    # An ERROR where the deadline came within a request.
    assert found in (everywhere(Outcome.INCONCLUSIVE), everywhere(Outcome.ERROR))


def test_a_site_that_is_away_fails_once_confirmed(place: Place) -> None:
    sites = {"eu": NOWHERE.format(closed_port()), "us": place.server.url("web-us")}
    controls = [place.server.url() + "/_sandbox/ready"]
    platform = place.platform(frontend={**FRONTEND, "sites": sites}, vantage_controls=controls)
    assert asked("site served", platform)[0] == {"eu": Outcome.FAIL, "us": Outcome.PASS}


FROM_AWS = [question for question in QUESTIONS if not question.endswith(" built")]
FROM_AWS += ["images as built"]


@pytest.mark.parametrize("question", FROM_AWS)
def test_without_aws_nothing_is_said_of_the_platform(place: Place, question: str) -> None:
    aws = {"region": "us-east-1", "endpoint_url": NOWHERE.format(closed_port())}
    keys = {"access_key_id": "file:id", "secret_access_key": "file:key"}
    assert asked(question, place.platform(aws={**aws, **keys}))[0] == everywhere(Outcome.ERROR)


@pytest.mark.parametrize("question", FROM_AWS)
def test_a_refused_credential_is_our_side(place: Place, question: str) -> None:
    platform = place.platform()
    with place.server.bent(credentials_refused=True):
        found, said = asked(question, platform)
    assert found == everywhere(Outcome.ERROR)
    assert "renew them" in said


WITH_IMAGES = ["images built", "images as built"]
WITH_WEB = ["web built", "bundle uploaded", "caches invalidated", "site served"]
KINDS = [(question, "image-build") for question in WITH_IMAGES] + [
    (question, "web-build") for question in WITH_WEB
]


@pytest.mark.parametrize(("question", "kind"), KINDS)
@cases(
    "changes outcome",
    {
        "of another release": ({"release": "v1.1.0"}, Outcome.FAIL),
        "years old": ({"created_at": "2024-01-15T10:00:00+00:00"}, Outcome.INCONCLUSIVE),
        "damaged": ({"result": "green"}, Outcome.ERROR),
    },
)
def test_evidence_that_can_not_be_believed_decides_nothing_well(
    place: Place, question: str, kind: str, changes: dict[str, Any], outcome: Outcome
) -> None:
    place.write(kind, **changes)
    assert asked(question, place.platform())[0] == everywhere(outcome)


@pytest.mark.parametrize(("question", "kind"), KINDS)
def test_missing_evidence_is_undecided_and_names_itself(
    place: Place, question: str, kind: str
) -> None:
    (place.folder / f"v{RELEASE}" / f"{kind}.json").unlink()
    found, said = asked(question, place.platform())
    assert found == everywhere(Outcome.INCONCLUSIVE)
    assert f"evidence {kind} for v1.2.0 is not there yet" in said


@pytest.mark.parametrize(
    ("question", "kind"), [("images built", "image-build"), ("web built", "web-build")]
)
@cases("changes", {"it failed": {"result": "failed"}, "it names no digest": {"artefacts": []}})
def test_a_build_that_did_not_do_its_work_fails(
    place: Place, question: str, kind: str, changes: dict[str, Any]
) -> None:
    place.write(kind, **changes)
    assert asked(question, place.platform())[0] == everywhere(Outcome.FAIL)


def test_another_builds_manifest_in_the_bucket_fails(place: Place) -> None:
    place.write("web-build", artefacts=[{"name": MANIFEST, "digest": "sha256:" + "0" * 64}])
    assert "another build was uploaded" in asked("bundle uploaded", place.platform())[1]


def test_one_address_shows_the_edge_of_one_region_alone(place: Place) -> None:
    platform = place.platform(frontend={**FRONTEND, "site": place.server.url("web-us")})
    assert asked("site served", platform)[0] == everywhere(Outcome.INCONCLUSIVE)
    inside = dataclasses.replace(platform, regions=("us",))
    assert asked("site served", inside)[0] == {"us": Outcome.PASS}


@pytest.mark.parametrize("question", ["images pushed", "bundle uploaded", "secrets rotated"])
def test_a_section_that_is_missing_is_named(tmp_path: pathlib.Path, question: str) -> None:
    platform = a_platform(tmp_path, {"eu": "http://eu"})
    with pytest.raises(NotDescribedError, match=r"lacks the section \w+; add it"):
        asked(question, platform)


class TestBaseline:
    def test_it_keeps_every_image_and_the_build_that_is_live(self, place: Place) -> None:
        platform = place.platform()
        images = delivery_facts.image_digests(platform)["shared"]
        assert images[REPOSITORIES[0]]["v1.1.0"] == image_digest(REPOSITORIES[0], "1.1.0")
        assert delivery_facts.web_build(platform)["shared"]["build_id"] == build_id(RELEASE)

    @cases("collect", {"images": delivery_facts.image_digests, "web": delivery_facts.web_build})
    def test_it_is_refused_without_aws(
        self, place: Place, collect: Callable[[Platform], object]
    ) -> None:
        with (
            place.server.bent(throttled=True),
            pytest.raises(CannotCollectError, match="throttles the gate"),
        ):
            collect(place.platform())
