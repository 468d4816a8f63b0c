"""Are the app's Deployments as the phase wants them: scaled, rolled out, running what was released?"""

from __future__ import annotations

from steps.cluster.baseline import restarts_before
from steps.cluster.clusters import ENDPOINTS_SETTLE_SECONDS, ROLLOUT, Clusters, each_cluster, taken
from steps.cluster.pod_rules import (
    Digests,
    by_image,
    has_container,
    images_judged,
    logs_judged,
    no_container,
    not_believed,
    unknown_images,
)
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
from steps.kit.evidence import read_evidence
from steps.kit.run import Run
from steps.kit.sentence import then, when
from steps.kit.settling import Progress, Settled


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
            here.judge(*images_judged(pods, section.container, section.image, digests))

    clusters.in_each_region(asked, judge)


def _released(clusters: Clusters, asked: Asked) -> Digests | None:
    """Return what the build's evidence says; None, and judged, where it can't be believed."""
    platform = clusters.platform
    if platform.environment.settings.evidence is None:
        asked.judge(unknown_images("the environment names no evidence"))
        return None
    reading = read_evidence(platform, build_evidence_kind(platform))
    asked.keep(reading.observation)
    digests = by_image(reading.digests)
    if not reading.believable:
        asked.judge(not_believed(reading.judgements))
        return None
    if clusters.section.image not in digests:
        why = f"{reading.subject} names no digest of {clusters.section.image}"
        asked.judge(unknown_images(why))
        return None
    return digests


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
    container, subject = clusters.section.container, f"logs of {clusters.release_version}"
    look = clusters.settled(asked, "logs", lambda _: Progress.DONE, ENDPOINTS_SETTLE_SECONDS).value
    pods = look.pods(look.release)
    if pods and not has_container(pods, container):
        asked.judge(no_container(subject, container))
        return
    observed = clusters.read(asked.region, "logs", lambda: clusters.log_levels(asked.region, pods))
    asked.judge(*logs_judged(subject, taken(asked, subject, observed)))


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
