"""Images, web application and secrets, judged against the local platform's AWS and its edges."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

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
from tests.golden import Said
from tests.probes.servers import closed_port, closed_ports
from tests.steps.platforms import NOWHERE, a_platform, a_policy, write_evidence
from tests.steps.scenarios import judged as by_id
from tests.steps.scenarios import told, wrong
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

    def aws(self, endpoint: str) -> dict[str, str]:
        keys = {"access_key_id": "file:id", "secret_access_key": "file:key"}
        return {"region": "us-east-1", "endpoint_url": endpoint, **keys}

    def platform(self, **changed: Any) -> Platform:
        """Return the platform; sections may be changed."""
        for name, secret in (("id", KEY_ID), ("key", "sentinel")):
            (self.folder / name).write_text(secret)
        sections: dict[str, Any] = {
            "evidence": {"folder": "."},
            "aws": self.aws(self.server.url()),
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


BOTH = ("eu", "us")
FRONTEND = {"bucket": BUCKET, "distribution": DISTRIBUTION}
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
"""What the tables' rows call each check."""
FROM_AWS = [question for question in QUESTIONS if not question.endswith(" built")]
FROM_AWS += ["images as built"]
OF_BUILDS = dict.fromkeys(("images built", "images as built"), "image-build") | dict.fromkeys(
    ("web built", "bundle uploaded", "caches invalidated", "site served"), "web-build"
)
YEARS_AGO = (dt.datetime.now(dt.UTC) - dt.timedelta(days=800)).isoformat()


def asked(question: str, platform: Platform) -> dict[str, list[str]]:
    """Ask one question; return what is not as it should be in each region, or once if it is in all."""
    check = by_id(QUESTIONS[question], platform)
    found = {region: sorted(wrong(check, region)) for region in platform.regions}
    everywhere = found[platform.regions[0]]
    return found if set(map(str, found.values())) != {str(everywhere)} else {"all": everywhere}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_delivered_release_passes_in_every_region(place: Place, question: str) -> None:
    assert asked(question, place.platform()) == {"all": []}


@cases(
    "question values",
    {
        "an image is missing": ("images pushed", {"missing_image": REPOSITORIES[0]}),
        "a tag was moved": ("images as built", {"moved_tag": REPOSITORIES[0]}),
        "tags can be moved": ("images as built", {"mutable_tags": True}),
        "an asset is missing": ("bundle uploaded", {"missing_asset": True}),
        "an asset is corrupted": ("bundle uploaded", {"corrupted_asset": True}),
        "old assets are left": ("bundle uploaded", {"left_over": True}),
        "no invalidation": ("caches invalidated", {"invalidation_missing": True}),
        "an endless invalidation": ("caches invalidated", {"invalidation_stuck": True}),
        "an asset is not served": ("site served", {"missing_asset": True}),
        "another asset is served": ("site served", {"corrupted_asset": True}),
        "assets are kept too short": ("site served", {"wrong_cache_header": True}),
        "a stale edge, in its own region alone": ("site served", {"stale_edge": "eu"}),
        "a secret is too old": ("secrets rotated", {"old_secret_days": 100}),
        "a key is too old": ("secrets rotated", {"old_key_days": 100}),
        **{
            f"the credential is refused: {question}": (question, {"credentials_refused": True})
            for question in FROM_AWS
        },
    },
)
def test_what_is_wrong_is_said(
    place: Place, question: str, values: dict[str, Any], said: Said
) -> None:
    platform = place.platform()
    hashes = {
        name.split(".")[-2]: "HASH"
        for version in ("1.0.0", "1.1.0", RELEASE)
        for name in web_bundle(version)
        if name.startswith("assets/")
    }
    with place.server.bent(**values):
        said(asked(question, platform), hashes)


@pytest.mark.parametrize("question", FROM_AWS)
def test_without_aws_nothing_is_said_of_the_platform(
    place: Place, question: str, said: Said
) -> None:
    said(asked(question, place.platform(aws=place.aws(NOWHERE.format(closed_port())))))


ANY_BUILD: dict[str, Any] = {
    "of another release": {"release": "v1.1.0"},
    "years old": {"created_at": YEARS_AGO},
    "damaged": {"result": "green"},
    "missing": None,
}
ITS_BUILD: dict[str, Any] = {
    "that failed": {"result": "failed"},
    "without a digest": {"artefacts": []},
}
EVIDENCE = {
    f"{question}, {name}": (question, changes)
    for question in OF_BUILDS
    for name, changes in (ANY_BUILD | (ITS_BUILD if question.endswith(" built") else {})).items()
}
ANOTHER = {"artefacts": [{"name": MANIFEST, "digest": "sha256:" + "0" * 64}]}


@cases("question changes", {**EVIDENCE, "another build": ("bundle uploaded", ANOTHER)})
def test_evidence_that_can_not_be_believed_decides_nothing_well(
    place: Place, question: str, changes: dict[str, Any] | None, said: Said
) -> None:
    kind = OF_BUILDS[question]
    place.write(kind, **(changes or {}))
    if changes is None:
        (place.folder / f"v{RELEASE}" / f"{kind}.json").unlink()
    said(asked(question, place.platform()))


def test_tags_that_may_be_moved_are_told_as_that(place: Place) -> None:
    platform = place.platform(images={"repositories": list(REPOSITORIES)})
    with place.server.bent(mutable_tags=True):
        *_, last = told(by_id(QUESTIONS["images as built"], platform))
    assert last.startswith("PASS")
    assert last.endswith("can be moved, and images.tags_are_immutable allows it")


def test_an_invalidation_that_the_run_can_not_wait_for_is_undecided(place: Place) -> None:
    platform = dataclasses.replace(place.platform(), deadline=Deadline.after(1.5))
    with place.server.bent(invalidation_stuck=True):
        (found,) = asked("caches invalidated", platform)["all"]
    # An ERROR where the deadline came within a request.
    assert found.startswith(("INCONCLUSIVE", "ERROR"))


def test_a_site_that_is_away_fails_once_confirmed(place: Place, said: Said) -> None:
    sites = {"eu": NOWHERE.format(closed_port()), "us": place.server.url("web-us")}
    controls = [place.server.url() + "/_sandbox/ready"]
    platform = place.platform(frontend={**FRONTEND, "sites": sites}, vantage_controls=controls)
    said(asked("site served", platform))


def test_one_address_shows_the_edge_of_one_region_alone(place: Place, said: Said) -> None:
    platform = place.platform(frontend={**FRONTEND, "site": place.server.url("web-us")})
    inside = dataclasses.replace(platform, regions=("us",))
    said([asked("site served", one) for one in (platform, inside)])


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
