"""Clusters: what is deployed, where the traffic goes, which configuration is in force."""

from __future__ import annotations

from pytest_bdd import then, when

from steps.cluster import release_logs, room_rules
from steps.cluster.clusters import Clusters
from steps.cluster.configuration import Configured
from steps.cluster.rollout import Deployed
from steps.cluster.traffic_rules import TrafficWay
from steps.kit.check import Check
from steps.kit.run import Run
from steps.objectives import storage


@when("the clusters of every region are read", target_fixture="clusters")
def read(run: Run) -> Clusters:
    return run.shared(Clusters.of)


@then("what carries the traffic is scaled up for the deployment")
def scaled_up(clusters: Clusters, check: Check) -> None:
    Deployed(clusters).scaled_up(check)


@then("all its pods are running and ready")
def live_pods_running(clusters: Clusters, check: Check) -> None:
    Deployed(clusters).live_pods_running(check)


@then("the release is rolled out completely, with the images that were released")
def release_applied(clusters: Clusters, check: Check) -> None:
    Deployed(clusters).release_applied(check)


@then("all pods of the release are running and ready, and none has restarted")
def release_pods_running(clusters: Clusters, check: Check) -> None:
    Deployed(clusters).release_pods_running(check)


@then("the logs of the release's pods hold no error")
def logs_clean(clusters: Clusters, check: Check) -> None:
    release_logs.judge(clusters, check)


@then("all pods of the release are ready and it answers its health check")
def release_healthy(run: Run, clusters: Clusters, check: Check) -> None:
    Deployed(clusters).release_ready(check)
    TrafficWay(clusters, run.availability).candidate_healthy(check)


@then("what carries the traffic keeps its ready endpoints")
def live_keeps_endpoints(run: Run, clusters: Clusters, check: Check) -> None:
    TrafficWay(clusters, run.availability).live_keeps_endpoints(check)


@then("the service leads to the release's ready pods and to nothing else")
def leads_to_release(run: Run, clusters: Clusters, check: Check) -> None:
    TrafficWay(clusters, run.availability).leads_to_release(check)


@then("the configuration map holds what the release needs")
def configuration_there(clusters: Clusters, check: Check) -> None:
    Configured(clusters).holds_what_is_wanted(check)


@then("the release's pods were replaced since it changed, and all are ready")
def pods_restarted(clusters: Clusters, check: Check) -> None:
    Configured(clusters).pods_restarted(check)


@then("every container of the release started with it")
def configuration_in_force(clusters: Clusters, check: Check) -> None:
    Configured(clusters).in_force(check)


@then("nodes, the cluster's own pods and its API are well")
def cluster_well(clusters: Clusters, check: Check) -> None:
    room_rules.judge_well(clusters, check)


@then("every pod that the deployment adds finds room")
def room(clusters: Clusters, check: Check) -> None:
    room_rules.judge_room(clusters, check)


@then("no file system is nearly full")
def file_systems(clusters: Clusters, check: Check) -> None:
    storage.judge(clusters.platform, check)


@then("the capacity that was added for the deployment is gone")
def normal_capacity(clusters: Clusters, check: Check) -> None:
    Deployed(clusters).normal_capacity(check)
