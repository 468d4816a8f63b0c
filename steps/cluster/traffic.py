"""Does the Service lead where the phase wants it, and is the release well before it gets traffic?"""

from __future__ import annotations

from collections.abc import Sequence

from gates.decide.judgement import Judgement, equals
from probes import http
from probes.http import NotJsonError
from settings.cluster import CandidateHealth
from steps.cluster.clusters import ENDPOINTS_SETTLE_SECONDS, Clusters, each_cluster
from steps.cluster.rules import Look, running
from steps.cluster.traffic_rules import kept, not_served, switch_progress, switched
from steps.kit.asked import Asked
from steps.kit.availability import usable
from steps.kit.run import Run
from steps.kit.sentence import then
from steps.kit.settling import Progress


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
        body, status = _object(answer), endpoint.status_field or "status"
        wanted = {status: endpoint.healthy}
        if endpoint.version_field is not None:
            wanted[endpoint.version_field] = platform.release.number
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


def _object(answer: http.HttpAnswer) -> dict[str, object]:
    try:
        body = answer.json()
    except NotJsonError:
        return {}
    return dict(body) if isinstance(body, dict) else {}


@then("what carries the traffic keeps its ready endpoints")
@each_cluster
def live_keeps_endpoints(clusters: Clusters, asked: Asked) -> None:
    """Judge that whatever has the traffic keeps enough ready endpoints."""
    minimum = clusters.section.replicas.normal

    def progress(look: Look) -> Progress:
        return Progress.MOVING if not_served(look, minimum) else Progress.DONE

    settled = clusters.settled(asked, "endpoints", progress, ENDPOINTS_SETTLE_SECONDS)
    asked.judge(kept(settled, minimum))


@then("the service leads to the release's ready pods and to nothing else")
@each_cluster
def leads_to_release(clusters: Clusters, asked: Asked) -> None:
    """Judge that the Service selects the release, and its ready endpoints are enough ready pods of it."""
    asked.judge(
        *switched(clusters.settled(asked, "endpoints", switch_progress, ENDPOINTS_SETTLE_SECONDS))
    )
