"""What is judged after a rollback, by tables: the platforms that I did not write, and must not pass."""

from __future__ import annotations

import dataclasses
import datetime as dt
import pathlib
from typing import Any

import pytest
from pydantic import SecretStr

from gates.decide.outcome import Outcome
from gates.decide.release import Release
from probes.announced import Incident, Message
from probes.kubernetes.objects import ConfigMap, Pod
from sandbox.systems.people import standins
from settings.flags import Flags
from steps.kit.platform import Platform
from steps.people import rules as people
from steps.rollback import after_rules as rules
from tests.probes.servers import answer, serving
from tests.probes.standin_server import ADMIN, StandIn, listening
from tests.steps.patient_server import patient_server
from tests.steps.platforms import NOWHERE, a_platform
from tests.steps.scenarios import judged
from tests.steps.service.conftest import SYNTHETIC
from tests.tables import cases

OLD, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
pytestmark = pytest.mark.usefixtures("judgements_said")
PASS, FAIL, OPEN = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE


def a_pod(digest: str, workload: str = "api-v1", container: str = "api") -> Pod:
    image = f"registry/api@{digest}" if digest else "sha256:abc"
    status = {"name": container, "image": "registry/api:v1.1.0", "imageID": image}
    pod = Pod.model_validate(
        {
            "metadata": {"name": "one", "uid": "1"},
            "spec": {"containers": [{"name": container}]},
            "status": {"phase": "Running", "containerStatuses": [status]},
        }
    )
    return pod.model_copy(update={"workload": workload, "version": "v1.1.0"})


def was(**changes: Any) -> dict[str, Any]:
    known = {"version": "v1.1.0", "revision": "3", "replicas": 1, "digests": {"api": OLD}}
    return {"api-v1": {**known, **changes}}


@cases(
    "pods before outcome",
    {
        "the digest that ran before": ([a_pod(OLD)], was(), PASS),
        "another one under the same tag": ([a_pod(OLD), a_pod(OTHER)], was(), FAIL),
        "no pod at all": ([], was(), FAIL),
        "a node that tells no digest": ([a_pod("")], was(), OPEN),
        "the app's container is not there": ([a_pod(OLD, container="sidecar")], was(), FAIL),
        "a workload that did not run before": ([a_pod(OLD), a_pod(OLD, "api-v2")], was(), OPEN),
        "a baseline without that version": ([a_pod(OLD)], was(version="v1.0.0"), OPEN),
        "a baseline in which it was scaled to 0": ([a_pod(OLD)], was(replicas=0), OPEN),
        "a baseline that has a sidecar's digest alone": (
            *([a_pod(OLD)], was(digests={"sidecar": OTHER}), FAIL),
        ),
        "a baseline without any digest": ([a_pod(OLD)], was(digests={}), OPEN),
    },
)
def test_every_replica_runs_the_digest_of_before(
    pods: list[Pod], before: dict[str, Any], outcome: Outcome
) -> None:
    found = rules.digests_as_before(pods, before, "v1.1.0", "the baseline", container="api")
    assert found.outcome is outcome, found.sentence


BOUNDS = (0.05, 0.1, 0.2, 0.5)


@cases(
    "now was outcome",
    {
        "as before": (0.04, 0.04, PASS),
        "slower, within the tolerance's bucket": (0.09, 0.05, PASS),
        "slower by more than the policy lets": (0.19, 0.05, FAIL),
        "slower than the last bucket tells": (0.9, 0.45, FAIL),
        "not measured now": (None, 0.05, OPEN),
        "not measured before": (0.19, None, PASS),
    },
)
def test_it_is_no_slower_than_before(
    now: float | None, was: float | None, outcome: Outcome
) -> None:
    assert rules.no_slower(now, was, 0.5, BOUNDS).outcome is outcome


FLAGS = Flags.model_validate(
    {
        "always": {"risky": {"enabled": False}},
        "states": {
            "before": {"ui": {"enabled": True}, "old": {"enabled": True}},
            "test": {"ui": {"enabled": False, "percentage": 10}, "old": {"enabled": True}},
        },
    }
)
UI, SHARE = FLAGS.keys("ui")
OFF = {UI: "false"}


def test_only_what_the_deployment_changes_is_a_feature_of_the_release() -> None:
    released, steady = rules.flags_by_kind(FLAGS)
    assert (released, sorted(steady)) == (["ui"], ["old", "risky"])


@cases(
    "held was outcome",
    {
        "off by both keys": (OFF, {}, PASS),
        "off, with a percentage of 0": ({**OFF, SHARE: "0"}, {}, PASS),
        "off, and the percentage left in force": ({**OFF, SHARE: "10"}, {}, FAIL),
        "as before the release": ({UI: "true"}, {UI: "true", SHARE: "<nothing>"}, PASS),
        "on as before, with another percentage": ({UI: "true", SHARE: "5"}, {UI: "true"}, FAIL),
        "on, and nobody knows how it was": ({UI: "true"}, {}, FAIL),
        "there is no switch": ({}, {}, FAIL),
        "written otherwise": ({UI: "False"}, {}, FAIL),
        "as before, which can't be shown": ({UI: "<9 bytes>"}, {UI: "<9 bytes>"}, FAIL),
    },
)
def test_a_flag_is_off_by_both_keys_or_as_before(
    held: dict[str, str], was: dict[str, str], outcome: Outcome
) -> None:
    assert rules.off_or_before("ui", held, was, FLAGS).outcome is outcome


NOW = dt.datetime(2026, 1, 31, 23, 0, tzinfo=dt.UTC)
EARLIER, LATER = NOW - dt.timedelta(minutes=1), NOW + dt.timedelta(minutes=1)


def test_a_flag_that_was_changed_since_leaves_it_open_and_names_the_time() -> None:
    assert rules.untouched("flags", [EARLIER], NOW, LATER).outcome is PASS
    late = rules.untouched("flags", [EARLIER, LATER], NOW, LATER)
    assert late.outcome is OPEN
    assert LATER.isoformat(timespec="seconds") in late.clears


@cases(
    "now outcome",
    {
        "the same digest": (ConfigMap(found=True, data={}, changed_at=None, digest="a"), PASS),
        "another one": (ConfigMap(found=True, data={}, changed_at=None, digest="b"), FAIL),
        "none": (ConfigMap(found=False, data={}, changed_at=None, digest="a"), FAIL),
    },
)
def test_the_configuration_is_that_of_before(now: ConfigMap, outcome: Outcome) -> None:
    assert rules.configured_as_before(now, {"digest": "a"}, "baseline", None).outcome is outcome


def an_incident(
    status: str, at: dt.datetime, text: str = "The change was rolled back."
) -> Incident:
    return Incident("Errors", status, (Message(at, text),))


@cases(
    "incidents since outcome",
    {
        "watched, updated since": ([an_incident("monitoring", LATER)], NOW, PASS),
        "resolved, updated since": ([an_incident("resolved", LATER)], NOW, PASS),
        "no incident": ([], NOW, FAIL),
        "not updated since": ([an_incident("resolved", EARLIER)], NOW, FAIL),
        "still investigated": ([an_incident("investigating", LATER)], NOW, FAIL),
        "of something else": ([an_incident("resolved", LATER, "Mail is slow.")], NOW, FAIL),
        "nobody says when it was rolled back": ([an_incident("resolved", LATER)], None, OPEN),
    },
)
def test_users_are_told(
    incidents: list[Incident], since: dt.datetime | None, outcome: Outcome
) -> None:
    assert people.told_users(incidents, ["rolled back"], since).outcome is outcome


@pytest.mark.parametrize("say", ["rolled back", "ROLLED BACK"])
def test_words_are_found_in_any_case_and_all_of_them(say: str) -> None:
    incidents = [an_incident("resolved", LATER)]
    assert people.told_users(incidents, [say], NOW).outcome is PASS
    assert people.told_users(incidents, [say, "v1.2.0"], NOW).outcome is FAIL


@cases(
    "bent outcome",
    {
        "updated since": ({"rolled_back": "monitoring"}, PASS),
        "silent": ({"rolled_back": ""}, FAIL),
        "updated before it": ({"rolled_back": "resolved", "updated_hours_ago": 90_000}, FAIL),
    },
)
def test_the_status_page_is_read_over_its_own_api(
    tmp_path: pathlib.Path, bent: dict[str, Any], outcome: Outcome
) -> None:
    with listening(standins.status_page(SecretStr(ADMIN), {})) as url:
        StandIn(url).bend(**bent)
        assert judged("RB-NOW-5", with_page(tmp_path, url)).outcome("eu") is outcome


@pytest.mark.parametrize("body", ["<html>", "[]", "{}", '{"incidents": [{"status": 1}]}'])
def test_a_page_that_answers_something_else_decides_nothing(
    tmp_path: pathlib.Path, body: str
) -> None:
    with serving(answer(body.encode())) as server:
        found = judged("RB-NOW-5", with_page(tmp_path, server.url)).outcome("eu")
    assert found in (Outcome.ERROR, OPEN)


def with_page(folder: pathlib.Path, url: str) -> Platform:
    """Return a platform that was rolled back in January and tells users of it."""
    page = {"url": url, "says": ["rolled back"]}
    return a_platform(folder, {"eu": NOWHERE.format(1)}, status_page=page)


@cases(
    "since restored outcome",
    {
        "the version before never gave the address": ("v1.2.0", "v1.1.0", PASS),
        "the release goes on, and gives none": ("v1.2.0", "v1.2.0", FAIL),
        "every version gives one": (None, "v1.1.0", FAIL),
    },
)
def test_users_can_do_again_what_they_could(
    tmp_path: pathlib.Path, since: str | None, restored: str, outcome: Outcome
) -> None:
    (tmp_path / "token").write_text("sentinel-admin")
    synthetic = {**SYNTHETIC, "call_address_since": since}
    with patient_server() as server:
        server.always = {"POST /v1/video/calls": (201, {"id": "1", "status": "initialised"})}
        platform = a_platform(tmp_path, {"eu": server.url}, synthetic=synthetic)
        back = dataclasses.replace(platform, restored=Release.parse(restored))
        assert judged("RB-NOW-3", back).outcome("eu") is outcome
