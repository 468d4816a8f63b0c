"""Clusters in each phase: scaled, rolled out, configured, led to, well, and with room for a deployment."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gates.decide.judgement import Judgement, equals
from probes import http
from probes.kubernetes.objects import ClusterHealth, ConfigMap
from settings.cluster import CandidateHealth
from steps.cluster import cluster_rules, pod_rules
from steps.cluster.clusters import (
    ENDPOINTS_SETTLE_SECONDS,
    ROLLOUT,
    Clusters,
    config_before,
    each_cluster,
    restarts_before,
)
from steps.cluster.pod_rules import Change, Digests
from steps.cluster.rules import (
    Look,
    found,
    not_normal,
    progress,
    restarts,
    rolled_out,
    running,
    unfailed,
)
from steps.delivery.reading import build_evidence_kind
from steps.kit.asked import Asked
from steps.kit.availability import usable
from steps.kit.evidence import read_evidence
from steps.kit.run import Run
from steps.kit.sentence import then, when
from steps.kit.settling import Progress, Settled
from steps.service.health_rules import object_of


@when("the clusters of every region are read", target_fixture="clusters")
def the_clusters(run: Run) -> Clusters:
    """Return the run's clusters: each is read until it has converged, once for all checks of it."""
    return run.shared(Clusters.of)


@then("what carries the traffic is scaled up for the deployment")
@each_cluster
def scaled_up(clusters: Clusters, asked: Asked) -> None:
    """Judge that what has the traffic runs with the temporary number of replicas."""
    minimum = clusters.section.replicas.temporary
    settled = _live(clusters, asked, minimum)
    asked.judge(rolled_out(settled, settled.value.live_versions, minimum))


@then("all its pods are running and ready")
@each_cluster
def live_pods_running(clusters: Clusters, asked: Asked) -> None:
    """Judge that every pod of what has the traffic is Running and Ready, and there are enough.

    None may have restarted since the baseline; without one, restarts of years ago can't be told.
    """
    minimum = clusters.section.replicas.temporary
    settled = _live(clusters, asked, minimum)
    versions = settled.value.live_versions
    asked.judge(running(settled, versions, minimum))
    before = restarts_before(clusters.platform, asked.region)
    if before is not None:
        asked.judge(restarts(settled.value, versions, before))


@then("the release is rolled out completely, with the images that were released")
def release_applied(clusters: Clusters, asked: Asked) -> None:
    """Judge that the release's rollout is complete, by kubectl's rules, with the released images."""
    digests = _released(clusters, asked)
    section = clusters.section

    def judge(here: Asked) -> None:
        settled = clusters.release_settled(here)
        look = settled.value
        here.judge(rolled_out(settled, look.release, section.replicas.normal))
        if digests is not None:
            pods = look.pods(look.release)
            here.judge(*pod_rules.images_judged(pods, section.container, section.image, digests))

    clusters.in_each_region(asked, judge)


def _released(clusters: Clusters, asked: Asked) -> Digests | None:
    """Return what the build's evidence says; None, and judged, where it can't be believed."""
    platform = clusters.platform
    if platform.environment.settings.evidence is None:
        asked.judge(pod_rules.unknown_images("the environment names no evidence"))
        return None
    reading = read_evidence(platform, build_evidence_kind(platform))
    asked.keep(reading.observation)
    digests = pod_rules.by_image(reading.digests)
    if not reading.believable:
        asked.judge(pod_rules.not_believed(reading.judgements))
        return None
    if clusters.section.image not in digests:
        why = f"{reading.subject} names no digest of {clusters.section.image}"
        asked.judge(pod_rules.unknown_images(why))
        return None
    return digests


@then("all pods of the restored version are running and ready, and none has restarted")
@then("all pods of the release are running and ready, and none has restarted")
@each_cluster
def release_pods_running(clusters: Clusters, asked: Asked) -> None:
    """Judge that every pod of the release is Running and Ready, and none has restarted or failed."""
    settled = clusters.release_settled(asked)
    look = settled.value
    asked.judge(
        running(settled, look.release, clusters.section.replicas.normal),
        restarts(look, look.release, restarts_before(clusters.platform, asked.region) or {}),
        unfailed(look),
    )


@then("the logs of the release's pods hold no error")
@each_cluster
def logs_clean(clusters: Clusters, asked: Asked) -> None:
    """Judge that the newest lines of every pod of the release hold no error."""
    here, container = asked.region, clusters.section.container
    subject = f"logs of {clusters.release_version}"
    look = clusters.settled(asked, "logs", lambda _: Progress.DONE, ENDPOINTS_SETTLE_SECONDS).value
    pods = look.pods(look.release)
    if pods and not pod_rules.has_container(pods, container):
        asked.judge(pod_rules.no_container(subject, container))
        return
    counts = asked.read(
        subject, lambda: clusters.read(here, "logs", lambda: clusters.log_levels(here, pods))
    )
    asked.judge(*pod_rules.logs_judged(subject, counts))


@then("the capacity that was added for the deployment is gone")
@each_cluster
def normal_capacity(clusters: Clusters, asked: Asked) -> None:
    """Judge that what has the traffic runs with the normal number of replicas, and no more."""
    normal = clusters.section.replicas.normal

    def back(look: Look) -> Progress:
        wrong = not_normal(look, normal)
        return Progress.BROKEN if wrong else progress(look, look.live_versions, normal)

    settled = clusters.settled(asked, ROLLOUT, back)
    asked.judge(
        found(
            "capacity of the app",
            not_normal(settled.value, normal),
            f"back at {normal} replicas",
            f"kubectl scale to the normal number, {normal}",
            settled.ended,
        ),
        rolled_out(settled, settled.value.live_versions, normal),
    )


def _live(clusters: Clusters, here: Asked, minimum: int) -> Settled[Look]:
    """Wait for the rollout of what has the traffic."""
    return clusters.settled(here, ROLLOUT, lambda look: progress(look, look.live_versions, minimum))


@then("the configuration map holds what the release needs")
@each_cluster
def configuration_there(clusters: Clusters, asked: Asked) -> None:
    """Judge that the ConfigMap holds every wanted key with its value."""
    asked.judge(pod_rules.content(clusters.section, _read(clusters, asked)))


@then("the release's pods were replaced since it changed, and all are ready")
@each_cluster
def pods_restarted(clusters: Clusters, asked: Asked) -> None:
    """Judge that the release's pods were replaced after the ConfigMap changed, and all are Ready."""
    asked.judge(pod_rules.restarted(*_since_it_changed(clusters, asked)))


@then("every container of the release started with it")
@each_cluster
def configuration_in_force(clusters: Clusters, asked: Asked) -> None:
    """Judge that every running container of the app reads the ConfigMap as it is now.

    Environment variables are read once, at the start of a container: one that started before the
    change has the old values, whatever the ConfigMap holds.
    """
    asked.judge(pod_rules.in_force(*_since_it_changed(clusters, asked)))


def _since_it_changed(clusters: Clusters, here: Asked) -> tuple[Settled[Look], ConfigMap, Change]:
    """Return the release's pods, the ConfigMap, and when that changed."""
    config_map = _read(clusters, here)
    settled = clusters.settled(here, "restart", lambda look: progress(look, look.release, 1))
    return (
        settled,
        config_map,
        pod_rules.change(config_map, config_before(clusters.platform, here.region)),
    )


def _read(clusters: Clusters, here: Asked) -> ConfigMap:
    ask = partial(clusters.config_map, here.region)
    return here.read("the ConfigMap", lambda: clusters.read(here.region, "ConfigMap", ask))


@then("all pods of the release are ready and it answers its health check")
def release_healthy(run: Run, clusters: Clusters, asked: Asked) -> None:
    """Judge that every pod of the release is ready, and its health where nobody sees it yet."""
    minimum = clusters.section.replicas.normal

    def ready(here: Asked) -> None:
        settled = clusters.release_settled(here)
        here.judge(running(settled, settled.value.release, minimum))

    clusters.in_each_region(asked, ready)
    described = clusters.section.candidate_health
    if described is None:
        return
    undecided = clusters.shown_once("release's own pods", lambda one: one.candidate)

    def healthy(here: Asked) -> None:
        here.judge(*undecided.get(here.region, ()))
        address = clusters.cluster(here.region).candidate
        if address is not None:
            _ask_candidate(run, here, described, address)

    asked.in_each_region(healthy)


def _ask_candidate(run: Run, here: Asked, described: CandidateHealth, address: str) -> None:
    """Judge the release's health endpoint at the address that leads to it before the switch."""
    platform = here.platform
    endpoint = platform.endpoint(described.service, described.endpoint)
    target = http.HttpTarget(address, platform.environment.settings.ca_file)
    subject = f"{described.service} {endpoint.path} of the release"

    def judge(answer: http.HttpAnswer) -> Sequence[Judgement]:
        body, status = object_of(answer), endpoint.status_field or "status"
        wanted = {status: endpoint.healthy}
        if endpoint.version_field is not None:
            wanted[endpoint.version_field] = platform.serving.number
        return usable(subject, answer) or (
            equals(f"{subject} status", answer.status, 200),
            *(
                equals(f"{subject} {field}", body.get(field), want)
                for field, want in wanted.items()
            ),
        )

    reading = run.availability.reach(
        here.region,
        f"candidate {described.service}",
        subject,
        lambda: http.request(target, "GET", endpoint.path, deadline=platform.call_deadline()),
        judge,
        confirm=here.check.confirms,
    )
    here.keep(reading.observation)
    here.judge(*reading.judgements)


@then("what carries the traffic keeps its ready endpoints")
@each_cluster
def live_keeps_endpoints(clusters: Clusters, asked: Asked) -> None:
    """Judge that whatever has the traffic keeps enough ready endpoints."""
    minimum = clusters.section.replicas.normal

    def progress(look: Look) -> Progress:
        return Progress.MOVING if cluster_rules.not_served(look, minimum) else Progress.DONE

    settled = clusters.settled(asked, "endpoints", progress, ENDPOINTS_SETTLE_SECONDS)
    asked.judge(cluster_rules.kept(settled, minimum))


@then("the service leads to the restored version's ready pods and to nothing else")
@then("the service leads to the release's ready pods and to nothing else")
@each_cluster
def leads_to_release(clusters: Clusters, asked: Asked) -> None:
    """Judge that the Service selects the release, and its ready endpoints are enough ready pods of it."""
    asked.judge(
        *cluster_rules.switched(
            clusters.settled(
                asked, "endpoints", cluster_rules.switch_progress, ENDPOINTS_SETTLE_SECONDS
            )
        )
    )


@then("nodes, the cluster's own pods and its API are well")
@each_cluster
def cluster_well(clusters: Clusters, asked: Asked) -> None:
    """Judge nodes, the cluster's own pods and the API server's own word."""
    seen = _whole(clusters, asked)
    asked.judge(cluster_rules.nodes(seen), cluster_rules.system(seen), cluster_rules.api(seen))


@then("every pod that the deployment adds finds room")
@each_cluster
def room(clusters: Clusters, asked: Asked) -> None:
    """Judge room by CPU, memory and pods, and that no node is short of disk."""
    seen = _whole(clusters, asked)
    measured = bool(clusters.platform.environment.settings.storage)
    asked.judge(*cluster_rules.room(seen, clusters.section.most_pods))
    asked.judge(cluster_rules.disk(seen, measured=measured))


def _whole(clusters: Clusters, here: Asked) -> ClusterHealth:
    ask = partial(clusters.whole, here.region)
    return here.read("the cluster", lambda: clusters.read(here.region, "cluster", ask))
