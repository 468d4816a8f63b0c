from __future__ import annotations

import dataclasses
import datetime as dt
import json
import pathlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from gates.decide.outcome import Outcome
from sandbox.faults import catalogue
from sandbox.faults.catalogue import Fault, expected
from sandbox.systems.cluster import state as cluster_state
from sandbox.systems.cluster.shown import digest_of
from steps.cluster import clusters as cluster_facts
from steps.kit import settling
from steps.kit.baseline import CannotCollectError
from steps.kit.check import Check
from steps.kit.platform import Platform
from tests.golden import Said
from tests.probes.cluster_server import ClusterServer
from tests.probes.servers import Server, answer, closed_port, serving
from tests.steps import scenarios
from tests.steps.cluster_platform import (
    CHECKS,
    LIVE,
    STAGES,
    a_cluster_platform,
    judged,
    outcomes,
    sentences,
    write_evidence,
)
from tests.tables import cases

BENT = [
    pytest.param(fault, values, id=fault.name)
    for fault in catalogue.load()
    if fault.gate in STAGES
    and (values := fault.does.get("clusters") or fault.does.get("one_cluster"))
]
HEALTHY = {"status": "healthy", "version": "1.2.0"}


@pytest.fixture(autouse=True)
def _settles_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what stays broken be looked at for two seconds, not five: every further look sees the same."""
    monkeypatch.setattr(settling, "FLOOR_SECONDS", 2.0)


@pytest.fixture(scope="module")
def candidate() -> Iterator[str]:
    """Return the address of a release that is well."""
    with serving(answer(json.dumps(HEALTHY).encode())) as server:
        yield address(server)


def address(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}"


NOBODY = f"http://127.0.0.1:{closed_port()}"
Ask = Callable[..., dict[str, Check]]


@pytest.fixture
def ask(tmp_path: pathlib.Path, cluster: ClusterServer, candidate: str) -> Ask:
    """Return what runs the checks of a gate on a cluster that is as that gate should find it."""

    def asked(
        gate: str,
        *,
        stage: Mapping[str, Any] | None = None,
        server: str = cluster.url,
        release: str = candidate,
        bent: Mapping[str, Any] | None = None,
        evidence: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> dict[str, Check]:
        cluster.tell(**(stage or STAGES[gate]))
        cluster.bend(**(bent or {}))
        platform = a_cluster_platform(tmp_path, server, release, **changes)
        write_evidence(tmp_path, **(evidence or {}))
        return judged(platform, gate)

    return asked


@pytest.mark.parametrize("gate", CHECKS)
def test_what_was_deployed_as_the_runbook_says_passes(ask: Ask, gate: str) -> None:
    found = ask(gate)
    said = "\n".join(map(sentences, found.values()))
    assert outcomes(found) == dict.fromkeys(CHECKS[gate], "PASS"), said


@cases(
    "gate before",
    {
        "scaling": ("phase-1", LIVE),
        "rollout and switch": ("phase-3", STAGES["phase-1"]),
        "configuration": ("phase-5", STAGES["phase-3"]),
    },
)
def test_every_check_of_a_change_is_red_before_it(
    ask: Ask, gate: str, before: dict[str, Any]
) -> None:
    assert "PASS" not in outcomes(ask(gate, stage=before, release=NOBODY)).values()


@pytest.mark.parametrize(("fault", "bent"), BENT)
def test_a_fault_turns_exactly_its_checks(ask: Ask, fault: Fault, bent: dict[str, Any]) -> None:
    found = ask(fault.gate, bent=bent)
    wanted = {check: expected(fault, check) for check in CHECKS[fault.gate]}
    assert outcomes(found) == wanted, "\n".join(map(sentences, found.values()))


@pytest.mark.parametrize("gate", CHECKS)
def test_a_cluster_that_can_not_be_reached_is_no_finding_about_the_platform(
    ask: Ask, gate: str
) -> None:
    assert outcomes(ask(gate, server=NOBODY)) == dict.fromkeys(CHECKS[gate], "ERROR")


def test_an_api_server_that_is_away_for_a_moment_is_waited_out(
    tmp_path: pathlib.Path, cluster: ClusterServer
) -> None:
    """Its restart takes seconds; kubectl rollout status survives it, and so does the gate."""
    cluster.tell(**STAGES["phase-3"])
    platform = a_cluster_platform(tmp_path, cluster.url)
    with scenarios.a_run(platform, tmp_path) as run:
        scenarios.judged("D3.3-1", platform, run=run)
        cluster.bend(throttled=True)
        back = threading.Timer(1.0, cluster.straighten)
        back.start()
        check = scenarios.judged("D3.3-1", platform, run=run)
        back.join()
    assert outcomes({"D3.3-1": check}) == {"D3.3-1": "PASS"}, sentences(check)


class TestRegions:
    """A name that every region gives its own cluster, such as kubernetes.default.svc, leads to one."""

    @pytest.fixture
    def both(self, tmp_path: pathlib.Path, cluster: ClusterServer, candidate: str) -> Platform:
        """Return a platform of two regions whose clusters and candidates have one address."""
        other = cluster.url.replace("127.0.0.1", "LOCALHOST")
        regions = {
            name: {
                "services": {"api": f"http://127.0.0.1:{port}"},
                "prometheus": f"http://127.0.0.1:{port + 10}",
                "kubernetes": {"server": url, "token": "file:token", "candidate": candidate},
            }
            for port, name, url in ((1, "eu", cluster.url), (2, "us", f"{other}/"))
        }
        sections = {"regions": regions}
        platform = a_cluster_platform(tmp_path, "http://nowhere.invalid", sections=sections)
        return dataclasses.replace(platform, regions=("eu", "us"))

    def test_one_address_of_several_shows_only_one_of_their_clusters(
        self, both: Platform, cluster: ClusterServer
    ) -> None:
        cluster.tell(**STAGES["phase-1"])
        check = judged(both, "phase-1")["D1.3-1"]
        assert {check.outcome(region) for region in both.regions} == {Outcome.INCONCLUSIVE}
        assert "--region" in check.noted()["us"].judgements[0].clears
        alone = judged(dataclasses.replace(both, regions=("us",)), "phase-1")["D1.3-1"]
        assert alone.outcome("us") is Outcome.PASS

    def test_no_baseline_takes_one_cluster_for_two(
        self, both: Platform, cluster: ClusterServer
    ) -> None:
        cluster.tell(**STAGES["phase-1"])
        with pytest.raises(CannotCollectError, match="eu, us have one address"):
            cluster_facts.deployments(both)
        assert cluster_facts.deployments(dataclasses.replace(both, regions=("us",)))["us"]

    def test_a_candidates_address_too(self, both: Platform, cluster: ClusterServer) -> None:
        cluster.tell(**STAGES["phase-3"])
        noted = judged(both, "phase-3")["D3.2-4"].noted()
        for region in both.regions:
            subjects = {one.subject for one in noted[region].judgements}
            assert "release's own pods" in subjects


@cases(
    "bent check says",
    {
        # How many pods there are beside it differs by the moment.
        "waits": (
            {"waiting": "CrashLoopBackOff"},
            "D3.2-2",
            "container api is in CrashLoopBackOff",
        ),
        "restarted": ({"restarts": 2}, "D3.2-2", "container api restarted 2 times (OOMKilled)"),
        "is stuck": ({"stuck": True}, "D3.2-1", "exceeded its progress deadline"),
        "logs errors": ({"error_lines": 3}, "D3.2-3", "18 error in 138 lines of 6 pods"),
        "no traffic": ({"selector": "1.1.0"}, "D3.3-1", "is “v1.1.0”, wanted “v1.2.0”"),
        "no endpoints": ({"no_endpoints": True}, "D3.2-4", "0 ready, wanted at least 3"),
        "the gate may do too much": (
            {"rights_widened": True},
            "D3.2-1",
            "refuses to run: its account in the cluster could",
        ),
        "an old token": ({"token_expired": True}, "D3.2-1", "refused the gate's token (401)"),
    },
)
def test_they_say_what_was_found(ask: Ask, bent: dict[str, Any], check: str, says: str) -> None:
    found = ask("phase-3", bent=bent)[check]
    assert says in sentences(found)
    assert "Jane" not in str(found.noted()), "a line of a log got into the evidence"


IMAGES = [{"name": name, "digest": digest_of("1.2.0")} for name in (cluster_state.APP, "other")]
EACH_PLATFORMS = [
    {"name": f"{cluster_state.APP}@linux/arm64", "digest": f"sha256:{'0' * 64}"},
    {"name": f"{cluster_state.APP}@linux/amd64", "digest": digest_of("1.2.0")},
]
ANOTHER_IMAGE = {"image": "other", "evidence": {"artefacts": IMAGES}}


def evidence(**changes: Any) -> dict[str, Any]:
    return {"evidence": changes}


@cases(
    "changes",
    {
        "of another release": evidence(release="v1.1.0"),
        "outdated": evidence(created_at=(dt.datetime.now(dt.UTC) - dt.timedelta(800)).isoformat()),
        "of another image": evidence(artefacts=[]),
        "damaged": evidence(commit="?"),
        "absent": {"sections": {"evidence": {"folder": "v1.2.0"}}},
        "not described": {"sections": {"evidence": None}},
        "a container that no pod has": {"container": "app"},
        "another image": ANOTHER_IMAGE,
        "each platform's": evidence(artefacts=EACH_PLATFORMS),
    },
)
def test_the_images_that_run_are_those_of_the_builds_evidence(
    ask: Ask, changes: dict[str, Any], said: Said
) -> None:
    said(scenarios.wrong(ask("phase-3", **changes)["D3.2-1"]))


@cases(
    "body",
    {
        "unwell": {**HEALTHY, "status": "unwell"},
        "the old version": {**HEALTHY, "version": "1.1.0"},
        "no object": [1],
    },
)
def test_a_release_that_is_not_well_where_nobody_sees_it_yet_fails(ask: Ask, body: object) -> None:
    with serving(answer(json.dumps(body).encode())) as server:
        found = outcomes(ask("phase-3", release=address(server)))
    assert (found["D3.2-4"], found["D3.2-1"]) == ("FAIL", "PASS")


def test_a_config_map_that_is_not_there_fails(ask: Ask) -> None:
    found = ask("phase-5", config_map="other-config")
    assert set(outcomes(found).values()) == {"FAIL"}
    assert "it is not there" in sentences(found["D5.1-1"])
