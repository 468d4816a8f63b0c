"""What the platform's build makes, and that the committed contract is what the release before served."""

from __future__ import annotations

import json

import pytest
from starlette.testclient import TestClient

from sandbox.app.__main__ import make_app
from sandbox.app.config import AppConfig
from sandbox.systems.delivery.builds import MANIFEST, REPOSITORIES, image_digest, web_bundle
from tests.checkout import ROOT

COMMITTED = ROOT / "contract" / "openapi" / "v1.1.0.json"


@pytest.mark.parametrize("repository", REPOSITORIES)
def test_every_version_has_an_image_of_its_own(repository: str) -> None:
    digests = {image_digest(repository, version) for version in ("1.1.0", "1.2.0")}
    assert len(digests) == 2


def test_the_manifest_lists_every_other_file() -> None:
    bundle = web_bundle("1.2.0")
    listed = json.loads(bundle[MANIFEST].content)["files"]
    assert set(listed) == set(bundle) - {MANIFEST}


def test_assets_change_their_name_with_their_content() -> None:
    old, new = (
        {name: file.content for name, file in web_bundle(version).items() if "assets/" in name}
        for version in ("1.1.0", "1.2.0")
    )
    same = old.keys() & new.keys()
    assert same != set(new)
    assert all(old[name] == new[name] for name in same)


def test_the_committed_document_is_the_one_that_the_release_before_serves() -> None:
    login = {"host": "x", "port": 1, "name": "x", "user": "x", "password": "x"}
    config = AppConfig.model_validate(
        {
            "region": "eu",
            "version": "1.1.0",
            "port": 0,
            "database": login,
            "redis": {"host": "x", "port": 1},
            "vendors_url": "http://x",
            "admin_token": "x",
            "synthetic": {
                "email_domain": "x.example",
                "token": "x",
            },
        }
    )
    served = TestClient(make_app(config)).get("/openapi.json")
    assert json.loads(COMMITTED.read_bytes()) == served.json()
