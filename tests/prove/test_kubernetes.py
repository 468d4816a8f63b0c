"""The checks judge what a real cluster showed as a person did, and a wrong judgement is found."""

from __future__ import annotations

import httpx
import pytest

from prove import kubernetes as recordings
from prove.kubernetes import likeness
from prove.kubernetes.likeness import shape
from tests.probes.standin_server import listening

EXPECTED = likeness.EXPECTED
ANSWERS_ALONE = {"expired-continue", "throttled"}
"""They hold refusals, which the stand-in is compared with; no check judges them."""


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recording_is_judged_as_by_hand(name: str) -> None:
    assert list(likeness.misjudged(name, EXPECTED[name])) == []


def test_every_recording_is_judged_or_compared_and_a_wrong_judgement_found() -> None:
    assert set(recordings.names()) == {*EXPECTED, *ANSWERS_ALONE}
    (found,) = likeness.misjudged("healthy", {"NORMAL-1": "FAIL"})
    assert found.startswith("healthy: NORMAL-1 is PASS, not FAIL: capacity of the app")


@pytest.mark.parametrize("name", recordings.names())
def test_a_recording_says_what_it_is_and_gives_nothing_away(name: str) -> None:
    recorded = recordings.load(name)
    assert recorded.server == "v1.37.2"
    assert recorded.means
    text = (recordings.FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert not [word for word in ("BEGIN CERTIFICATE", "Bearer", "/home", "/root") if word in text]


def test_a_replay_lists_selects_and_pages_as_an_api_server() -> None:
    with listening(recordings.replay(recordings.load("beside"))) as url:
        query = "labelSelector=version%3Dv1.2.0&limit=2"
        page = httpx.get(f"{url}/api/v1/namespaces/unified-health/pods?{query}").json()
        single = httpx.get(f"{url}/api/v1/namespaces/unified-health/services/unified-health-api")
        unknown = httpx.get(f"{url}/api/v1/namespaces/unified-health/secrets")
    assert (page["kind"], len(page["items"])) == ("PodList", 2)
    assert page["metadata"]["remainingItemCount"] == 1
    assert single.json()["kind"] == "Service"
    assert unknown.status_code == 501


def test_a_shape_has_keys_types_and_the_words_that_decide() -> None:
    one = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    assert shape([one, {"ports": None, "replicas": 3}]) == {
        ".status.phase Running",
        ".status.conditions[Ready].type Ready",
        ".status.conditions[Ready].status True",
        ".ports NoneType",
        ".replicas int",
    }
