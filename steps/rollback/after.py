"""After a rollback: what was there before runs, as the baseline has it; nothing of the release is left."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import probes
from probes.observation import utc_now
from settings.flags import Flags
from steps.cluster.clusters import DEPLOYMENTS, Clusters
from steps.cluster.rules import rolled_out
from steps.flags import reading
from steps.kit.asked import Asked
from steps.kit.baseline import Before, before, before_if_any
from steps.kit.expect import expect, nothing_to_judge
from steps.kit.run import Run
from steps.kit.sentence import then
from steps.rollback import after_rules as rules
from steps.rollback.reading import policy_of


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
