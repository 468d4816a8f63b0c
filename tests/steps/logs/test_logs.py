"""The review of logs by its ids: sound, under what each must notice, and blind."""

from __future__ import annotations

import functools
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gates.decide.outcome import Outcome
from sandbox.systems.cluster import logs
from sandbox.systems.cluster.state import APP, CONTAINER
from sandbox.systems.delivery.aws.state import REGION
from steps.cluster.clusters import Clusters
from steps.kit.platform import Platform
from steps.logs.reading import BEFORE, before
from tests.aws_server import KEY_ID, aws_server
from tests.probes.cluster_server import ClusterServer
from tests.probes.servers import closed_port, wait_until
from tests.steps.cluster_platform import LIVE, NORMAL, a_cluster_platform
from tests.steps.platforms import keep_baseline, ruled
from tests.steps.scenarios import judged, wrong
from tests.tables import cases

SECTION = {
    "app": {"labels": {"app": APP}, "container": CONTAINER},
    "audit": {"labels": {"app": logs.AUDIT}, "container": "main"},
    "security": {"labels": {"app": logs.SECURITY}, "container": "main"},
    "alerts": [logs.ALERT],
    "failed_logins": [logs.FAILED_LOGIN],
}
CHECKS = ("XV-LOG-1", "XV-LOG-2", "XV-LOG-3")
KNOWN = json.dumps({"level": "error", "msg": "Upstream timeout after 31 ms for “Jane Doe”"})
Ask = Callable[..., dict[str, str]]


def logged(program: str, line: Mapping[str, Any], times: int = 1) -> dict[str, Any]:
    return {f"logged_{program}": {json.dumps(line): times}}


def a_platform_with_logs(folder: pathlib.Path, server: str, **more: Any) -> Platform:
    sections = {"logs": SECTION, "state": {"url": "state"}, **more}
    # Its pods are as old as the test.
    return ruled(a_cluster_platform(folder, server, sections=sections), "logs", covered=0.0)


def runs(platform: Platform, version: str) -> bool:
    """Tell whether three pods of a version alone are ready."""
    look = Clusters(platform).look("eu").value
    pods = [] if look is None else [pod for pod in look.own_pods if not pod.deleting]
    return len(pods) == 3 and all(pod.ready and pod.version == version for pod in pods)


@pytest.fixture
def ask(tmp_path: pathlib.Path, cluster: ClusterServer) -> Ask:
    """Return what runs the checks after a release, with a baseline in which one error is known."""

    def asked(
        bent: Mapping[str, Any] | None = None, *, server: str = cluster.url
    ) -> dict[str, str]:
        sound = a_platform_with_logs(tmp_path, cluster.url)
        # The version before begins now, too: at first its pods are an hour old.
        cluster.tell(**NORMAL)
        wait_until(lambda: runs(sound, "v1.2.0"), "the release runs")
        cluster.tell(**LIVE)
        cluster.bend(logged_app={KNOWN: 40})
        wait_until(lambda: runs(sound, "v1.1.0"), "the version before runs")
        keep_baseline(sound, {BEFORE: before(sound)})
        cluster.tell(**NORMAL)
        wait_until(lambda: runs(sound, "v1.2.0"), "the release runs")
        cluster.bend(**(bent or {}))
        platform = a_platform_with_logs(tmp_path, server)
        checks = {check: judged(check, platform) for check in CHECKS}
        print("\n".join(line for one in checks.values() for line in wrong(one)))  # noqa: T201 - for a failed test
        assert "Jane" not in str([one.noted() for one in checks.values()])
        return {check: str(one.outcome("eu")) for check, one in checks.items()}

    return asked


ERROR = {"level": "error", "msg": "Payment rejected by upstream for Jane Doe"}
FOUND: dict[str, tuple[dict[str, Any], tuple[str, str, str]]] = {
    "nothing": ({}, ("PASS", "PASS", "PASS")),
    "the error that was there before": (
        logged("app", json.loads(KNOWN), 10),
        ("PASS", "PASS", "PASS"),
    ),
    "a burst of it": (logged("app", json.loads(KNOWN), 400), ("FAIL", "PASS", "PASS")),
    "an error that is new": (logged("app", ERROR), ("FAIL", "PASS", "PASS")),
    "lines without a level": (
        logged("app", {"msg": "hello"}, 20),
        ("INCONCLUSIVE", "PASS", "PASS"),
    ),
    "levels nobody knows": (
        logged("app", {"level": "err0r", "msg": "Payment failed"}, 20),
        ("INCONCLUSIVE", "PASS", "PASS"),
    ),
    "a security alert": (
        logged("security", {"level": "info", "event": logs.ALERT, "msg": "x"}),
        ("PASS", "FAIL", "PASS"),
    ),
    "a spike of failed logins": (
        logged("security", {"level": "warn", "event": logs.FAILED_LOGIN}, 60),
        ("PASS", "PASS", "FAIL"),
    ),
    "a silent monitor": (
        {"silent_logs": [logs.SECURITY]},
        ("PASS", "INCONCLUSIVE", "INCONCLUSIVE"),
    ),
    "a rotated log": (
        {"rotated_logs": [logs.SECURITY]},
        ("PASS", "INCONCLUSIVE", "INCONCLUSIVE"),
    ),
    "more than is read": ({"flooded_logs": [APP]}, ("INCONCLUSIVE", "PASS", "PASS")),
    "restarts": ({"restarts": 3}, ("PASS", "PASS", "PASS")),
    "a pod that never started": (
        {"waiting": "ImagePullBackOff"},
        ("INCONCLUSIVE", "PASS", "PASS"),
    ),
    "a token that has expired": ({"token_expired": True}, ("ERROR", "ERROR", "ERROR")),
}


@cases("bent outcomes", FOUND)
def test_logs_are_reviewed(ask: Ask, bent: dict[str, Any], outcomes: tuple[str, str, str]) -> None:
    assert tuple(ask(bent).values()) == outcomes


def test_a_cluster_that_does_not_answer_is_an_instrument_away(ask: Ask) -> None:
    assert set(ask(server=f"http://127.0.0.1:{closed_port()}").values()) == {"ERROR"}


def test_without_a_baseline_nothing_is_known_from_before(
    tmp_path: pathlib.Path, cluster: ClusterServer
) -> None:
    cluster.tell(**NORMAL)
    platform = a_platform_with_logs(tmp_path, cluster.url)
    wait_until(lambda: runs(platform, "v1.2.0"), "the release runs")
    assert {judged(one, platform).outcome("eu") for one in CHECKS} == {Outcome.INCONCLUSIVE}


GROUP = "/unified-health/app"


def test_where_a_log_group_keeps_the_lines_it_is_read(
    tmp_path: pathlib.Path, cluster: ClusterServer
) -> None:
    cluster.tell(**NORMAL)
    (tmp_path / "key").write_text(KEY_ID)
    with aws_server(tmp_path) as aws:
        keys = {"access_key_id": "file:key", "secret_access_key": "file:key"}
        account = {"region": "eu-west-1", "endpoint_url": aws.url(), **keys}
        kept = {
            **SECTION,
            "app": {**SECTION["app"], "log_group": GROUP},  # type: ignore[dict-item]  # of one kind
            "aws_regions": {"eu": REGION},
        }
        platform = a_platform_with_logs(tmp_path, cluster.url, logs=kept, aws=account)
        wait_until(lambda: runs(platform, "v1.2.0"), "the release runs")
        check = functools.partial(judged, "XV-LOG-1", platform)
        assert check().outcome("eu") is Outcome.INCONCLUSIVE  # there is no such group
        look = Clusters(platform).look("eu").value
        assert look is not None
        line = json.dumps({"level": "info", "msg": "at work"})
        aws.log(GROUP, {pod.name: [line] for pod in look.own_pods})
        keep_baseline(platform, {BEFORE: before(platform)})
        assert check().outcome("eu") is Outcome.PASS
        aws.log(GROUP, {"another": [json.dumps(ERROR)]})
        assert check().outcome("eu") is Outcome.FAIL
        with aws.bent(credentials_refused=True):
            assert check().outcome("eu") is Outcome.ERROR
