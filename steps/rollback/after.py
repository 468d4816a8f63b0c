"""After a rollback: what was there before runs, as the baseline has it; nothing of the release is left.

After one of DNS records: the zone's servers say what they said, and who is reached there answers.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import probes
from gates.decide.judgement import Judgement, equals
from probes import http
from probes.http import HttpAnswer
from probes.observation import utc_now
from settings.flags import Flags
from settings.network import DnsRecord
from steps.cluster.clusters import DEPLOYMENTS, Clusters
from steps.cluster.rules import rolled_out
from steps.cluster.sentences import live_keeps_endpoints
from steps.flags import reading
from steps.kit.asked import Asked
from steps.kit.availability import usable
from steps.kit.baseline import Before, before, before_if_any
from steps.kit.expect import expect, nothing_to_judge
from steps.kit.run import Run
from steps.kit.sentence import then, when
from steps.network.names import certificates_good
from steps.network.reading import Zone
from steps.network.rules import question, wanted
from steps.rollback import after_rules as rules
from steps.rollback.reading import policy_of

_OK = 200


@then("the restored version is rolled out completely, with the images it had before the release")
def restored_as_before(clusters: Clusters, asked: Asked) -> None:
    earlier = before(asked.platform, asked.check, DEPLOYMENTS)

    def judge(here: Asked) -> None:
        if here.region in earlier:
            _as_before(clusters, here, earlier[here.region])

    clusters.in_each_region(asked, judge)


def _as_before(clusters: Clusters, here: Asked, earlier: Before) -> None:
    """Judge the rollout with the normal number of pods, and the digest of every container of each."""
    settled, version = clusters.release_settled(here), clusters.release_version
    look, was = settled.value, earlier.facts["deployments"]
    here.judge(rolled_out(settled, look.release, clusters.section.replicas.normal))
    pods, container = look.pods(look.release), clusters.section.container
    here.judge(rules.digests_as_before(pods, was, version, earlier.baseline, container=container))


@then("nothing of the release runs any more")
def release_is_gone(clusters: Clusters, asked: Asked) -> None:
    gone = clusters.version_of(asked.platform.release)

    def judge(here: Asked) -> None:
        settled = clusters.settled(here, "the release's end", lambda look: rules.ending(look, gone))
        here.judge(rules.is_gone(settled, gone))

    clusters.in_each_region(asked, judge)


@then("they are no slower than before the release, by the policy")
def no_slower(asked: Asked) -> None:
    platform, policy = asked.platform, policy_of(asked.platform)
    bounds = platform.policy.objective(asked.check.id).bucket_bounds
    for region, noted in asked.check.noted().items():
        was = (before_if_any(platform, "latency", region) or {}).get("p95_seconds")
        shown = [one.data.get("shown") or {} for one in noted.judgements]
        told = [one["p95_seconds"] for one in shown if "p95_seconds" in one]
        now = told[-1] if told else None
        asked.check.judge(region, rules.no_slower(now, was, policy.slower_by, bounds))


@then("no feature of the release is on")
def features_off(asked: Asked, flags: Flags) -> None:
    """Judge both keys of each flag: off, or as before the release where the code before it serves again.

    Flags that no step of the deployment changes have to be as they always are.
    """
    platform = asked.platform
    texts = asked.read("the flags in Redis", lambda: reading.look(platform), reading.unread)
    held = {key: one.shown for key, one in texts.held.items()}
    released, steady = rules.flags_by_kind(flags)
    asked.judge(*(rules.as_always(one, held, state, flags) for one, state in steady.items()))
    on = [one for one in released if not rules.is_off(one, held, flags)]
    was: Mapping[str, str] | None = {}
    if on and platform.serving != platform.release:
        found = before(platform, asked.check, "feature flags")
        was = next((one.facts for one in found.values()), None)
    judged = released if was is not None else [one for one in released if one not in on]
    asked.judge(*(rules.off_or_before(one, held, was or {}, flags) for one in judged))


@then("no feature flag was changed since the rollback")
def flags_untouched(asked: Asked, flags: Flags) -> None:
    platform = asked.platform
    subject, since = "changes of flags since the rollback", platform.switched_at
    audit = platform.environment.settings.audit
    if audit is None:
        asked.judge(nothing_to_judge(subject, "the environment has no audit log"))
        return
    if since is None:
        sentence = f"{subject}: it is not known when the rollback was carried out"
        clears = "--switched-at, or traffic.rolled_back_at"
        asked.judge(expect(None, subject, sentence, clears))
        return
    skew = dt.timedelta(seconds=audit.max_clock_skew)
    log = asked.read(
        "the audit log",
        lambda: probes.audit.entries(
            reading.audit_target(platform),
            probes.audit.Query(since - skew, audit.flag_change),
            deadline=platform.call_deadline(),
        ),
        reading.unread,
    )
    keys = reading.keys_of(flags, reading.flags_of(flags))
    changes = [
        one.at for one in log.entries if one.action == audit.flag_change and one.target in keys
    ]
    asked.judge(rules.untouched(subject, changes, since + skew, utc_now()))


@then("what the version before shares with the release is as before it")
def shared_as_before(run: Run, asked: Asked) -> None:
    """Judge flags and configuration, which both versions read: old code may not run with new ones."""
    platform = asked.platform
    settings = platform.environment.settings
    if platform.serving == platform.release:
        why = "the release's own code goes on"
        asked.judge(nothing_to_judge("flags and configuration", why))
        return
    if settings.flags is not None:
        features_off(asked, settings.flags)
    if settings.kubernetes is None:
        asked.judge(nothing_to_judge("configuration", "the environment has no kubernetes"))
        return
    clusters = run.shared(Clusters.of)
    earlier = before(platform, asked.check, DEPLOYMENTS)

    def judge(here: Asked) -> None:
        if here.region in earlier:
            now = here.read("the ConfigMap", lambda: clusters.config_map(here.region))
            was = earlier[here.region]
            command = settings.rollback.configuration if settings.rollback else None
            here.judge(rules.configured_as_before(now, was.facts["config"], was.baseline, command))

    clusters.in_each_region(asked, judge)


@when("the zone's servers are asked for the records of before the release", target_fixture="zone")
def zone_before(asked: Asked) -> Zone:
    """Return the zone with the baseline's values in place of the release's; judges what has none."""
    zone = Zone.of(asked.platform)
    known = next(iter(before(asked.platform, asked.check, "DNS records").values()), None)
    reverted = [_reverted(record, known) for record in zone.section.records if known is not None]
    asked.judge(*(one for one in reverted if isinstance(one, Judgement)))
    records = tuple(one for one in reverted if isinstance(one, DnsRecord))
    return dataclasses.replace(zone, section=zone.section.model_copy(update={"records": records}))


def _reverted(record: DnsRecord, known: Before) -> DnsRecord | Judgement:
    """Return a record as it has to be again; what the baseline can't tell of it is left open."""
    fact: Mapping[str, Any] = known.facts.get(str(question(record)), {})
    values: Sequence[str] = fact.get("values", ())
    if record.type == "TXT":
        # A baseline keeps no text: the environment alone says what it was.
        values = record.values if record.before is None else record.before
    subject, why = str(question(record)), ""
    if not values:
        why = f"does not hold what {subject} was"
    elif record.before is not None and set(values) == set(wanted(record, record.values)):
        why = f"has the release's own values of {subject}: it was taken too late"
    if why:
        clears = "a person's word on what it was"
        return expect(None, subject, f"{known.baseline} {why}", clears, rule="baseline")
    return record.model_copy(update={"values": tuple(values), "before": None})


@then("the traffic of every region arrives at ready pods")
def arrives(run: Run, asked: Asked) -> None:
    """Judge that behind each region's Service are enough ready pods, whichever version has the traffic."""
    if asked.platform.environment.settings.kubernetes is None:
        asked.judge(nothing_to_judge("endpoints", "the environment describes no cluster"))
        return
    live_keeps_endpoints(run.shared(Clusters.of), asked)


@then("every service of every region answers")
def every_service_answers(run: Run, asked: Asked) -> None:
    """Judge each service by its health endpoints, or, without any, by any answer that is its own."""

    def judge(here: Asked) -> None:
        for name in here.platform.environment.settings.regions[here.region].services:
            here.each((name,), lambda service: _answers(run, here, service))

    asked.in_each_region(judge)


def _answers(run: Run, here: Asked, service: str) -> None:
    platform = here.platform
    described = platform.environment.settings.services.get(service)
    outside = platform.environment.settings.external
    paths = [
        endpoint.path
        for name, endpoint in (described.health if described else {}).items()
        # What vendors are well or not is no finding about the rollback.
        if outside is None or (outside.service, outside.endpoint) != (service, name)
    ]
    here.each(paths or ["/"], lambda path: _answers_at(run, here, service, path, own=bool(paths)))


def _answers_at(run: Run, here: Asked, service: str, path: str, *, own: bool) -> None:
    """Judge one path; `own`: it is a health endpoint, which has to answer with 200."""
    platform = here.platform
    target, subject = platform.service(here.region, service), f"{service} {path}"

    def judged(answer: HttpAnswer) -> list[Judgement]:
        refused = [*usable(subject, answer)]
        status = [equals(f"{subject} status", answer.status, _OK)] if own else []
        return refused or status

    answer = run.availability.read(
        here,
        service,
        subject,
        lambda: http.request(target, "GET", path, deadline=platform.call_deadline()),
        judged,
    )
    if not own:
        here.judge(expect(True, subject, f"{subject} answers with status {answer.status}"))


@then("every host is served under its own name in every region")
def served_under_its_name(run: Run, asked: Asked) -> None:
    section = asked.platform.environment.settings.certificates
    if section is None:
        asked.judge(nothing_to_judge("names", "the environment names no hosts under certificates"))
        return
    certificates_good(run, asked, section)
