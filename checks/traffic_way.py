"""Where the Service leads: endpoints joined to pods prove who gets the traffic."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from checks.availability import Availability
from checks.check import Check
from checks.clusters import ENDPOINTS_SETTLE_SECONDS, Clusters, Look, found
from checks.platform import Platform
from checks.settling import Progress, Settled
from gates.decide.judgement import Judgement, equals
from gates.decide.outcome import Meaning, Outcome
from probes import http
from probes.http import NotJsonError

_Progress = Callable[[Look], Progress]


class TrafficWay:
    """The Service and its endpoints in every region."""

    def __init__(self, clusters: Clusters, availability: Availability) -> None:
        self._clusters = clusters
        self._availability = availability

    def leads_to_release(self, check: Check) -> None:
        """Judge that the Service selects the release, and its ready endpoints are enough ready pods of it."""

        def judge(region: str) -> None:
            settled = self._settled(check, region, _switch_progress)
            if settled is not None:
                check.judge(region, *switched(settled))

        self._clusters.each_region(check, judge)

    def live_keeps_endpoints(self, check: Check) -> None:
        """Judge that whatever has the traffic keeps enough ready endpoints."""
        minimum = self._clusters.section.replicas.normal

        def judge(region: str) -> None:
            settled = self._settled(
                check,
                region,
                lambda look: Progress.DONE if _enough(look, minimum) else Progress.MOVING,
            )
            if settled is None:
                return
            count = len(_serving(settled.value))
            problems = [f"{count} ready, wanted at least {minimum}{settled.waited}"]
            check.judge(
                region,
                found(
                    "endpoints of the Service",
                    problems if count < minimum else [],
                    f"{count} ready",
                    clears=f"at least {minimum} ready endpoints of the version that has the traffic",
                    ended=settled.ended,
                ),
            )

        self._clusters.each_region(check, judge)

    def candidate_healthy(self, check: Check) -> None:
        """Judge the release's health endpoint at the address that leads to it before the switch."""
        described = self._clusters.section.candidate_health
        if described is None:
            return
        platform = self._clusters.platform
        endpoint = platform.endpoint(described.service, described.endpoint)
        undecided = self._clusters.shown_once("release's own pods", lambda one: one.candidate)

        def judge(region: str) -> None:
            check.judge(region, *undecided.get(region, ()))
            address = self._clusters.cluster(region).candidate
            if address is None:
                return
            target = http.HttpTarget(address, platform.environment.settings.ca_file)
            subject = f"{described.service} {endpoint.path} of the release"
            reading = self._availability.reach(
                region,
                f"candidate {described.service}",
                subject,
                lambda: http.request(
                    target, "GET", endpoint.path, deadline=platform.call_deadline()
                ),
            )
            check.observe(region, reading.observation)
            check.judge(region, *reading.judgements)
            answer = reading.observation.value
            if not reading.decided and answer is not None:
                body = _object(answer)
                check.judge(
                    region,
                    equals(f"{subject} status", answer.status, 200),
                    equals(
                        f"{subject} {endpoint.status_field}",
                        body.get(endpoint.status_field or "status"),
                        endpoint.healthy,
                    ),
                    *_says_release(subject, endpoint.version_field, body, platform),
                )

        platform.each_region(judge)

    def _settled(self, check: Check, region: str, progress: _Progress) -> Settled[Look] | None:
        return self._clusters.settled(
            check, region, "endpoints", progress, ENDPOINTS_SETTLE_SECONDS
        )


def switched(settled: Settled[Look]) -> tuple[Judgement, Judgement]:
    """Judge where the Service leads.

    While the version before still has all the traffic, with pods enough, nothing of the release is live:
    that holds, and there is nothing to roll back.
    """
    look = settled.value
    judged = (
        _selects(look),
        found(
            "endpoints of the Service",
            [f"{one}{settled.waited}" for one in _strangers(look)],
            f"{len(_ready_uids(look))} ready, each a ready pod of {look.release_version}",
            clears=f"only ready pods of {look.release_version} behind the Service",
            ended=settled.ended,
        ),
    )
    means = Meaning.HOLD if _version_before_serves(look) else None
    return (_with(judged[0], means), _with(judged[1], means))


def _with(judgement: Judgement, means: Meaning | None) -> Judgement:
    failed = judgement.outcome is Outcome.FAIL
    return dataclasses.replace(judgement, means=means) if failed else judgement


def _version_before_serves(look: Look) -> bool:
    """Tell whether enough ready pods of the one version that the Service selects have all the traffic."""
    selected = look.traffic.selector.get(look.section.version_label)
    if selected is None or selected == look.release_version:
        return False
    of_it = {one.uid for one in look.pods((selected,)) if one.ready}
    ready = _ready_uids(look)
    return len(ready) >= look.section.replicas.normal and ready <= of_it


def _says_release(
    subject: str, field: str | None, body: dict[str, object], platform: Platform
) -> list[Judgement]:
    if field is None:
        return []
    return [equals(f"{subject} {field}", body.get(field), platform.release.number)]


def _object(answer: http.HttpAnswer) -> dict[str, object]:
    try:
        body = answer.json()
    except NotJsonError:
        return {}
    return dict(body) if isinstance(body, dict) else {}


def _switch_progress(look: Look) -> Progress:
    label = look.section.version_label
    if look.traffic.selector.get(label) != look.release_version:
        return Progress.BROKEN
    return Progress.MOVING if _strangers(look) else Progress.DONE


def _selects(look: Look) -> Judgement:
    label = look.section.version_label
    selected = look.traffic.selector.get(label)
    subject = f"{label} that the Service {look.section.service} selects"
    return equals(subject, selected, look.release_version)


def _ready_uids(look: Look) -> set[str]:
    return {
        one.pod_uid or one.address
        for one in look.traffic.endpoints
        if one.ready and not one.terminating
    }


def _serving(look: Look) -> set[str]:
    """Return the ready endpoints but those of pods that are not: a Service may publish them as ready."""
    return _ready_uids(look) - {one.uid for one in look.workload.pods if not one.ready}


def _enough(look: Look, minimum: int) -> bool:
    return len(_serving(look)) >= minimum


def _strangers(look: Look) -> list[str]:
    """Return in words how the ready endpoints differ from the release's ready pods, of which enough."""
    ready = _ready_uids(look)
    pods = {one.uid: one for one in look.workload.pods}
    own = {one.uid for one in look.pods((look.release_version,)) if one.ready}
    others: dict[str, list[str]] = {}
    for uid in sorted(ready - own):
        known = pods.get(uid)
        version = f"of {known.version}" if known is not None else "no pod of the app"
        others.setdefault(version, []).append(known.name if known is not None else uid)
    problems = [
        f"{len(names)} ready endpoints are {version}, such as {min(names)}"
        for version, names in others.items()
    ]
    if own - ready:
        count = len(own - ready)
        problems.append(
            f"{count} ready pods of the release get no traffic: "
            "the Service's selector or targetPort does not fit them"
        )
    if not ready:
        problems.append("there is no ready endpoint: nothing answers behind the Service")
    elif len(ready) < look.section.replicas.normal:
        problems.append(f"{len(ready)} ready, wanted at least {look.section.replicas.normal}")
    return problems
