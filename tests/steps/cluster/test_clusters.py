from __future__ import annotations

import dataclasses
import json
import pathlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from gates.decide.outcome import Outcome
from sandbox.faults import catalogue
from sandbox.faults.catalogue import Fault
from sandbox.faults.expectation import expected
from sandbox.systems.cluster import state as cluster_state
from sandbox.systems.cluster.faults import FAULTS, ClustersBent
from sandbox.systems.cluster.shown import digest_of
from steps.cluster import baseline as cluster_facts
from steps.cluster.clusters import Clusters
from steps.kit.availability import Availability
from steps.kit.baseline import CannotCollectError
from steps.kit.check import Check
from steps.kit.platform import Platform
from tests.probes.cluster_server import ClusterServer, cluster_server
from tests.probes.servers import Server, answer, closed_port, serving
from tests.steps.cluster_platform import (
    CHECKS,
    CONFIGURED,
    LIVE,
    STAGES,
    a_cluster_platform,
    judged,
    outcomes,
    sentences,
    write_evidence,
)

BENT = [
    pytest.param(fault, FAULTS[fault.name], id=fault.name)
    for fault in catalogue.load()
    if isinstance(FAULTS.get(fault.name), ClustersBent)
]
HEALTHY = {"status": "healthy", "version": "1.2.0"}


@pytest.fixture(scope="module")
def running() -> Iterator[ClusterServer]:
    with cluster_server() as server:
        yield server


@pytest.fixture
def cluster(running: ClusterServer) -> Iterator[ClusterServer]:
    yield running
    running.straighten()


@pytest.fixture(scope="module")
def candidate() -> Iterator[str]:
    """Return the address of a release that is well."""
    with serving(answer(json.dumps(HEALTHY).encode())) as server:
        yield address(server)


def address(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}"


@pytest.mark.parametrize("gate", CHECKS)
def test_what_was_deployed_as_the_runbook_says_passes(
    tmp_path: pathlib.Path, cluster: ClusterServer, candidate: str, gate: str
) -> None:
    cluster.tell(**STAGES[gate])
    found = judged(a_cluster_platform(tmp_path, cluster.url, candidate), gate)
    assert outcomes(found) == dict.fromkeys(CHECKS[gate], "PASS"), "\n".join(
        map(sentences, found.values())
    )


@pytest.mark.parametrize(
    ("gate", "before"),
    [("phase-1", LIVE), ("phase-3", STAGES["phase-1"]), ("phase-5", STAGES["phase-3"])],
    ids=["scaling", "rollout and switch", "configuration"],
)
def test_every_check_of_a_change_is_red_before_it(
    tmp_path: pathlib.Path, cluster: ClusterServer, gate: str, before: dict[str, Any]
) -> None:
    cluster.tell(**before)
    nobody = f"http://127.0.0.1:{closed_port()}"
    found = outcomes(judged(a_cluster_platform(tmp_path, cluster.url, nobody), gate))
    assert "PASS" not in found.values()


@pytest.mark.parametrize(("fault", "bent"), BENT)
def test_a_fault_turns_exactly_its_checks(
    tmp_path: pathlib.Path,
    cluster: ClusterServer,
    candidate: str,
    fault: Fault,
    bent: ClustersBent,
) -> None:
    cluster.tell(**STAGES[fault.gate])
    cluster.bend(**bent.values)
    found = judged(a_cluster_platform(tmp_path, cluster.url, candidate), fault.gate)
    wanted = {check: expected(fault, check) for check in CHECKS[fault.gate]}
    assert outcomes(found) == wanted, "\n".join(map(sentences, found.values()))


@pytest.mark.parametrize("gate", CHECKS)
def test_a_cluster_that_can_not_be_reached_is_no_finding_about_the_platform(
    tmp_path: pathlib.Path, candidate: str, gate: str
) -> None:
    gone = f"http://127.0.0.1:{closed_port()}"
    found = outcomes(judged(a_cluster_platform(tmp_path, gone, candidate), gate))
    assert found == dict.fromkeys(CHECKS[gate], "ERROR")


def test_an_api_server_that_is_away_for_a_moment_is_waited_out(
    tmp_path: pathlib.Path, cluster: ClusterServer
) -> None:
    """Its restart takes seconds; kubectl rollout status survives it, and so does the gate."""
    cluster.tell(**STAGES["phase-3"])
    platform = a_cluster_platform(tmp_path, cluster.url)
    clusters, check = Clusters(platform), Check("D3.3-1", platform.regions)
    assert clusters._may_only_read(check, "eu")
    cluster.bend(throttled=True)
    back = threading.Timer(1.0, cluster.straighten)
    back.start()
    CHECKS["phase-3"]["D3.3-1"](clusters, Availability(platform), check)
    back.join()
    assert outcomes({"D3.3-1": check}) == {"D3.3-1": "PASS"}, sentences(check)


class TestRegions:
    """A name that every region gives its own cluster, such as kubernetes.default.svc, leads to one."""

    def platform(
        self, folder: pathlib.Path, addresses: dict[str, str], candidate: str | None = None
    ) -> Platform:
        regions = {
            name: {
                "services": {"api": f"http://127.0.0.1:{port}"},
                "prometheus": f"http://127.0.0.1:{port + 10}",
                "kubernetes": {"server": url, "token": "file:token", "candidate": candidate},
            }
            for port, (name, url) in enumerate(addresses.items(), start=1)
        }
        platform = a_cluster_platform(
            folder, "http://nowhere.invalid", sections={"regions": regions}
        )
        return dataclasses.replace(platform, regions=tuple(addresses))

    def test_one_address_of_several_shows_only_one_of_their_clusters(
        self, tmp_path: pathlib.Path, cluster: ClusterServer
    ) -> None:
        cluster.tell(**STAGES["phase-1"])
        other = cluster.url.replace("127.0.0.1", "LOCALHOST")
        platform = self.platform(tmp_path, {"eu": cluster.url, "us": f"{other}/"})
        check = judged(platform, "phase-1")["D1.3-1"]
        assert {check.outcome(region) for region in ("eu", "us")} == {Outcome.INCONCLUSIVE}
        assert "--region" in check.noted()["us"].judgements[0].clears

    def test_each_region_by_itself_is_decided(
        self, tmp_path: pathlib.Path, cluster: ClusterServer
    ) -> None:
        cluster.tell(**STAGES["phase-1"])
        both = self.platform(tmp_path, {"eu": cluster.url, "us": cluster.url})
        check = judged(dataclasses.replace(both, regions=("us",)), "phase-1")["D1.3-1"]
        assert check.outcome("us") is Outcome.PASS

    def test_no_baseline_takes_one_cluster_for_two(
        self, tmp_path: pathlib.Path, cluster: ClusterServer
    ) -> None:
        platform = self.platform(tmp_path, {"eu": cluster.url, "us": cluster.url})
        with pytest.raises(CannotCollectError, match="eu, us have one address"):
            cluster_facts.deployments(platform)
        assert cluster_facts.deployments(dataclasses.replace(platform, regions=("us",)))["us"]

    def test_a_candidates_address_too(
        self, tmp_path: pathlib.Path, cluster: ClusterServer, candidate: str
    ) -> None:
        cluster.tell(**STAGES["phase-3"])
        platform = self.platform(tmp_path, {"eu": cluster.url, "us": cluster.url}, candidate)
        noted = judged(platform, "phase-3")["D3.2-4"].noted()
        for one in ("eu", "us"):
            assert "release's own pods" in {
                judgement.subject for judgement in noted[one].judgements
            }


class TestSentences:
    @pytest.mark.parametrize(
        ("bent", "check", "says"),
        [
            ({"waiting": "CrashLoopBackOff"}, "D3.2-2", "container api is in CrashLoopBackOff"),
            ({"restarts": 2}, "D3.2-2", "container api restarted 2 times (OOMKilled)"),
            ({"stuck": True}, "D3.2-1", "exceeded its progress deadline"),
            ({"error_lines": 3}, "D3.2-3", "18 error in 138 lines of 6 pods"),
            ({"selector": "1.1.0"}, "D3.3-1", "is “v1.1.0”, wanted “v1.2.0”"),
            ({"no_endpoints": True}, "D3.2-4", "0 ready, wanted at least 3"),
            (
                {"rights_widened": True},
                "D3.2-1",
                "refuses to run: its account in the cluster could",
            ),
            ({"token_expired": True}, "D3.2-1", "refused the gate's token (401)"),
        ],
        ids=str,
    )
    def test_they_say_what_was_found(
        self,
        tmp_path: pathlib.Path,
        cluster: ClusterServer,
        candidate: str,
        bent: dict[str, Any],
        check: str,
        says: str,
    ) -> None:
        cluster.tell(**STAGES["phase-3"])
        cluster.bend(**bent)
        found = judged(a_cluster_platform(tmp_path, cluster.url, candidate), "phase-3")
        assert says in sentences(found[check])

    def test_no_line_of_a_log_gets_into_the_evidence(
        self, tmp_path: pathlib.Path, cluster: ClusterServer, candidate: str
    ) -> None:
        cluster.tell(**STAGES["phase-3"])
        cluster.bend(error_lines=3)
        check = judged(a_cluster_platform(tmp_path, cluster.url, candidate), "phase-3")["D3.2-3"]
        noted = check.noted()["eu"]
        kept = json.dumps([one.record() for one in noted.judgements]) + str(noted.observations)
        assert "Jane" not in kept


class TestImages:
    @pytest.mark.parametrize(
        ("changes", "outcome", "says"),
        [
            ({"release": "v1.1.0"}, Outcome.INCONCLUSIVE, "v1.1.0"),
            ({"created_at": "2020-01-01T00:00:00Z"}, Outcome.INCONCLUSIVE, "days old"),
            ({"artefacts": []}, Outcome.INCONCLUSIVE, f"no digest of {cluster_state.APP}"),
            ({"commit": "?"}, Outcome.ERROR, "can't be read"),
        ],
        ids=["of another release", "outdated", "of another image", "damaged"],
    )
    def test_without_evidence_to_believe_nobody_knows_what_was_released(
        self,
        tmp_path: pathlib.Path,
        cluster: ClusterServer,
        changes: dict[str, Any],
        outcome: Outcome,
        says: str,
    ) -> None:
        cluster.tell(**STAGES["phase-3"])
        platform = a_cluster_platform(tmp_path, cluster.url)
        write_evidence(tmp_path, **changes)
        check = judged(platform, "phase-3")["D3.2-1"]
        assert check.outcome("eu") is outcome
        assert says in sentences(check)
        assert "it is not known what was released" in sentences(check)

    def test_without_any_nobody_knows_either(
        self, tmp_path: pathlib.Path, cluster: ClusterServer
    ) -> None:
        cluster.tell(**STAGES["phase-3"])
        platform = a_cluster_platform(tmp_path, cluster.url)
        write_evidence(tmp_path).unlink()
        found = [judged(platform, "phase-3")["D3.2-1"]]
        nowhere = a_cluster_platform(tmp_path, cluster.url, sections={"evidence": None})
        found.append(judged(nowhere, "phase-3")["D3.2-1"])
        assert [check.outcome("eu") for check in found] == [Outcome.INCONCLUSIVE] * 2

    @pytest.mark.parametrize(
        ("changes", "outcome", "says"),
        [
            ({"container": "app"}, Outcome.INCONCLUSIVE, "is kubernetes.container right?"),
            ({"image": "other"}, Outcome.FAIL, "is of unified-health-api, wanted other, in 6 pods"),
        ],
        ids=["a container that no pod has", "another image"],
    )
    def test_pods_that_do_not_run_the_apps_image_in_its_container(
        self,
        tmp_path: pathlib.Path,
        cluster: ClusterServer,
        changes: dict[str, Any],
        outcome: Outcome,
        says: str,
    ) -> None:
        cluster.tell(**STAGES["phase-3"])
        platform = a_cluster_platform(tmp_path, cluster.url, **changes)
        names = [cluster_state.APP, "other"]
        artefacts = [{"name": name, "digest": digest_of("1.2.0")} for name in names]
        write_evidence(tmp_path, artefacts=artefacts)
        check = judged(platform, "phase-3")["D3.2-1"]
        assert check.outcome("eu") is outcome
        assert says in sentences(check)

    def test_each_platforms_image_of_a_release_may_run(
        self, tmp_path: pathlib.Path, cluster: ClusterServer
    ) -> None:
        cluster.tell(**STAGES["phase-3"])
        platform = a_cluster_platform(tmp_path, cluster.url)
        names = {f"{cluster_state.APP}@linux/arm64": f"sha256:{'0' * 64}"}
        names[f"{cluster_state.APP}@linux/amd64"] = digest_of("1.2.0")
        artefacts = [{"name": name, "digest": digest} for name, digest in names.items()]
        write_evidence(tmp_path, artefacts=artefacts)
        assert judged(platform, "phase-3")["D3.2-1"].outcome("eu") is Outcome.PASS


class TestCandidate:
    @pytest.mark.parametrize(
        "body",
        [{**HEALTHY, "status": "unwell"}, {**HEALTHY, "version": "1.1.0"}, [1]],
        ids=["unwell", "the old version", "no object"],
    )
    def test_a_release_that_is_not_well_where_nobody_sees_it_yet_fails(
        self, tmp_path: pathlib.Path, cluster: ClusterServer, body: object
    ) -> None:
        cluster.tell(**STAGES["phase-3"])
        with serving(answer(json.dumps(body).encode())) as server:
            platform = a_cluster_platform(tmp_path, cluster.url, address(server))
            found = outcomes(judged(platform, "phase-3"))
        assert found["D3.2-4"] == "FAIL"
        assert found["D3.2-1"] == "PASS"


def test_a_config_map_that_is_not_there_fails(
    tmp_path: pathlib.Path, cluster: ClusterServer
) -> None:
    cluster.tell(**CONFIGURED)
    platform = a_cluster_platform(tmp_path, cluster.url, config_map="other-config")
    found = judged(platform, "phase-5")
    assert set(outcomes(found).values()) == {"FAIL"}
    assert "it is not there" in sentences(found["D5.1-1"])
